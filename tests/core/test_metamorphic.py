"""What must not change a cost, what must scale it, and what must never raise it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.problem import COMMITMENT, FIRM, ON_DEMAND, Problem
from solver.table import Table

from .draws import KINDS, drawn
from .exact import Facts, choice_of, cost
from .instances import text
from .opinions import search

EXAMPLES = settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
SEEDS = st.integers(0, 10**6)
Array = np.ndarray[Any, np.dtype[Any]]
Change = Callable[[Problem, Any], Problem]


def optimum(problem: Problem) -> Fraction | None:
    """Exact micro-dollars of the engine's plan at gap zero; None when it says that there is none."""
    outcome = search(problem)
    if outcome.termination == "infeasible":
        return None
    assert outcome.decision is not None
    return cost(Facts(problem), choice_of(outcome.decision))


def of_kind(seed: int, *kinds: str) -> Problem:
    """A problem of one of the kinds, of any when none is named."""
    at = list(KINDS).index((kinds or tuple(KINDS))[seed % (len(kinds) or len(KINDS))])
    return drawn(seed // len(KINDS) * len(KINDS) + at)


def whole_units_only(problem: Problem) -> Problem:
    """The problem without what makes a plan's whole units dearer than the model's: moving what jobs do, budgets."""
    s = problem.sources
    moved = np.where(s.total_units[:, None] > 0, 0, s.transfer_pico_usd_per_unit)
    limits = dataclasses.replace(problem.limits, monthly_budget_micro_usd=())
    return dataclasses.replace(problem, sources=dataclasses.replace(s, transfer_pico_usd_per_unit=moved), limits=limits)


def changed(problem: Problem, part: str, **columns: Any) -> Problem:
    """The problem with some columns of a part replaced."""
    return dataclasses.replace(problem, **{part: dataclasses.replace(getattr(problem, part), **columns)})


def taken(part: Any, rows: Array) -> Any:
    """A table of the problem in these rows."""
    columns = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    return type(part)(**{n: tuple(v[i] for i in rows) if isinstance(v, tuple) else v[rows] for n, v in columns.items()})


# --- what changes nothing --------------------------------------------------------------------------------------------


def shuffled_offers(p: Problem, rng: Any) -> Problem:
    """Offers in another order."""
    return dataclasses.replace(p, offers=taken(p.offers, rng.permutation(len(p.offers.pool))))


def shuffled_candidates(p: Problem, rng: Any) -> Problem:
    """Candidates in another order."""
    made = taken(p.candidates, rng.permutation(len(p.candidates.pool)))
    return dataclasses.replace(p, candidates=made, modes=Table({"workload": made.workload}))


def shuffled_sources(p: Problem, rng: Any) -> Problem:
    """Sources in another order."""
    return dataclasses.replace(p, sources=taken(p.sources, rng.permutation(len(p.sources.workload))))


def shuffled_workloads(p: Problem, rng: Any) -> Problem:
    """Workloads in another order."""
    order = rng.permutation(len(p.workloads.name))
    place = np.argsort(order)
    made = dataclasses.replace(p, workloads=taken(p.workloads, order))
    made = changed(made, "candidates", workload=place[p.candidates.workload])
    return changed(made, "sources", workload=place[p.sources.workload])


def shuffled_blocks(p: Problem, rng: Any) -> Problem:
    """Blocks in another order."""
    return in_blocks(p, rng.permutation(p.blocks.count))


def in_blocks(p: Problem, rows: Array) -> Problem:
    """The problem in these blocks."""
    s = p.sources
    return dataclasses.replace(
        p,
        blocks=dataclasses.replace(p.blocks, hours=p.blocks.hours[rows], scenario=p.blocks.scenario[rows]),
        offers=dataclasses.replace(p.offers, active=p.offers.active[:, rows]),
        sources=dataclasses.replace(s, units_per_hour=s.units_per_hour[:, rows], window=s.window[:, rows]),
    )


def renamed(p: Problem, _: Any) -> Problem:
    """Other names of providers, regions, workloads and options."""
    sites = dataclasses.replace(
        p.sites,
        provider=text([f"z{i}" for i in range(len(p.sites.region))]),
        region=text([f"é {99 - i}" for i in range(len(p.sites.region))]),
    )
    made = changed(
        dataclasses.replace(p, sites=sites),
        "workloads",
        name=text([f"W {9 - i}" for i in range(len(p.workloads.name))]),
    )
    return changed(made, "offers", option=text([f"{o} of old" for o in p.offers.option]))


def doubled_scenarios(p: Problem) -> Problem:
    """Each scenario twice, at half its probability."""
    b, again = p.blocks, np.append(p.blocks.scenario, p.blocks.scenario + len(p.blocks.probability))
    made = in_blocks(p, np.tile(np.arange(b.count), 2))
    return changed(made, "blocks", scenario=again, probability=tuple(x / 2 for x in b.probability) * 2)


def split_sources(p: Problem, rng: Any) -> Problem:
    """Each flow's sources as two at the same place, which share the demand at random."""
    s = p.sources
    flows = np.flatnonzero(s.total_units == 0)
    made = taken(s, np.concatenate([np.arange(len(s.workload)), flows]))
    part = (s.units_per_hour[flows] * rng.random((len(flows), 1))).astype(np.int64)
    units = s.units_per_hour.copy()
    units[flows] -= part
    origin = np.concatenate([s.origin, text([f"{o} too" for o in s.origin[flows]])])
    made = dataclasses.replace(made, units_per_hour=np.concatenate([units, part]), origin=origin)
    return dataclasses.replace(p, sources=made)


def dominated_commitment(p: Problem, rng: Any) -> Problem:
    """Every commitment on sale once more, dearer."""
    o = p.offers
    again = taken(o, np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes == 0)))
    again = dataclasses.replace(again, micro_usd_per_hour=again.micro_usd_per_hour + int(rng.integers(1, 10**6)))
    both = [np.concatenate([getattr(o, f.name), getattr(again, f.name)]) for f in dataclasses.fields(o)]
    return dataclasses.replace(p, offers=_made(o, both))


def _made(like: Any, columns: list[Array]) -> Any:
    return type(like)(**{f.name: c for f, c in zip(dataclasses.fields(like), columns, strict=True)})


def dominated_candidate(p: Problem, rng: Any) -> Problem:
    """Every firm candidate once more, with fewer units an hour and a later first token."""
    c = p.candidates
    again = taken(c, np.flatnonzero((c.market == FIRM) & (c.units_per_hour > 1)))
    again = dataclasses.replace(
        again,
        units_per_hour=rng.integers(1, again.units_per_hour) if len(again.pool) else again.units_per_hour,
        ttft_ms=again.ttft_ms + float(rng.integers(0, 50)),
    )
    both = [np.concatenate([getattr(c, f.name), getattr(again, f.name)]) for f in dataclasses.fields(c)]
    made = _made(c, both)
    return dataclasses.replace(p, candidates=made, modes=Table({"workload": made.workload}))


SAME: dict[str, Change] = {
    f.__name__: f
    for f in (
        shuffled_offers, shuffled_candidates, shuffled_sources, shuffled_workloads, shuffled_blocks, renamed,
        split_sources, dominated_commitment, dominated_candidate,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
@given(seed=SEEDS)
@EXAMPLES
def test_changes_nothing(name: str, seed: int) -> None:
    """Order, names, sources cut in two and offers that are worse than others have no say in the cost."""
    problem = whole_units_only(of_kind(seed, *(("origins", "mixed") if name == "split_sources" else ())))
    assert optimum(SAME[name](problem, np.random.default_rng(seed))) == optimum(problem)


@given(seed=SEEDS)
@EXAMPLES
def test_scenarios_twice_at_half_the_probability(seed: int) -> None:
    """The same expected cost; but not with a limit on expected emissions, which two may keep where one cannot."""
    problem = whole_units_only(drawn(seed))
    problem = dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, carbon_max_g=None))
    assert optimum(doubled_scenarios(problem)) == optimum(problem)


# --- blocks ----------------------------------------------------------------------------------------------------------


def split_block(p: Problem, rng: Any) -> Problem:
    """One block as two with the same hours in all."""
    long = np.flatnonzero(p.blocks.total_hours > 1)
    if not len(long):
        return p
    b = int(rng.choice(long))
    made = in_blocks(p, np.append(np.arange(p.blocks.count), b))
    hours = made.blocks.hours.copy()
    flat = np.repeat(np.arange(hours.shape[1]), hours[b])
    part = np.bincount(rng.permutation(flat)[: int(rng.integers(1, len(flat)))], minlength=hours.shape[1])
    hours[b] -= part
    hours[-1] = part
    return changed(made, "blocks", hours=hours)


@given(seed=SEEDS)
@EXAMPLES
def test_a_block_cut_in_two(seed: int) -> None:
    """Nothing changes where blocks stand alone; jobs and limits over many blocks may do better with finer ones."""
    problem = whole_units_only(drawn(seed))
    before, after = optimum(problem), optimum(split_block(problem, np.random.default_rng(seed)))
    if (problem.sources.total_units == 0).all() and problem.limits.carbon_max_g is None:
        assert after == before
    else:
        assert before is None or (after is not None and after <= before)


# --- what scales -----------------------------------------------------------------------------------------------------


@given(seed=SEEDS, times=st.integers(2, 1000))
@EXAMPLES
def test_all_prices_times_k(seed: int, times: int) -> None:
    """The cost k-fold, with budgets k-fold."""
    p = whole_units_only(drawn(seed))
    o, w, limits = p.offers, p.workloads, p.limits
    scaled = changed(
        p, "offers", micro_usd_per_hour=o.micro_usd_per_hour * times, upfront_micro_usd=o.upfront_micro_usd * times
    )
    scaled = changed(scaled, "workloads", unserved_micro_usd_per_unit=w.unserved_micro_usd_per_unit * times)
    scaled = changed(scaled, "sources", transfer_pico_usd_per_unit=p.sources.transfer_pico_usd_per_unit * times)
    hourly = limits.hourly_budget_micro_usd
    scaled = changed(
        scaled,
        "limits",
        carbon_micro_usd_per_kg=limits.carbon_micro_usd_per_kg * times,
        hourly_budget_micro_usd=None if hourly is None else hourly * times,
    )
    before = optimum(p)
    assert optimum(scaled) == (None if before is None else before * times)


# --- what never costs more -------------------------------------------------------------------------------------------


def more_quota(p: Problem, rng: Any) -> Problem:
    """Up to two nodes more in each quota."""
    quotas = tuple(dataclasses.replace(q, max_nodes=q.max_nodes + int(rng.integers(0, 3))) for q in p.limits.quotas)
    return changed(p, "limits", quotas=quotas)


def more_budget(p: Problem, rng: Any) -> Problem:
    """Higher budgets, or none."""
    limits = p.limits
    monthly = tuple(
        None if usd is None or rng.random() < 0.3 else usd + int(rng.integers(0, 10**7))
        for usd in limits.monthly_budget_micro_usd
    )
    hourly = limits.hourly_budget_micro_usd
    return changed(
        p, "limits", monthly_budget_micro_usd=monthly,
        hourly_budget_micro_usd=None if hourly is None else hourly + int(rng.integers(0, 10**6)),
    )  # fmt: skip


def more_carbon(p: Problem, rng: Any) -> Problem:
    """A higher limit on emissions."""
    grams = p.limits.carbon_max_g
    return changed(p, "limits", carbon_max_g=None if grams is None else grams + int(rng.integers(0, 10**5)))


def more_spot(p: Problem, rng: Any) -> Problem:
    """Caps on spot half way to none."""
    w, half = p.workloads, Fraction(1, 2)

    def looser(shares: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        return tuple(x if rng.random() < 0.3 else (1 + x) * half for x in shares)

    return changed(
        p,
        "workloads",
        max_spot_share=looser(w.max_spot_share),
        max_spot_share_per_region=looser(w.max_spot_share_per_region),
        max_spot_share_per_zone=looser(w.max_spot_share_per_zone),
    )


def more_places(p: Problem, _: Any) -> Problem:
    """Residency in more jurisdictions."""
    return changed(p, "workloads", residency=tuple((*r, "EU", "JP") if r else () for r in p.workloads.residency))


def more_time(p: Problem, rng: Any) -> Problem:
    """More blocks to work in."""
    return changed(p, "sources", window=p.sources.window | (rng.random(p.sources.window.shape) < 0.5))


def later_first_token(p: Problem, rng: Any) -> Problem:
    """Later targets for the first token."""
    return changed(p, "workloads", ttft_ms=p.workloads.ttft_ms + rng.integers(0, 300, len(p.workloads.name)))


def may_be_left(p: Problem, _: Any) -> Problem:
    """Nothing must be served."""
    return changed(p, "workloads", must_serve=np.zeros_like(p.workloads.must_serve))


def lower_prices(p: Problem, rng: Any) -> Problem:
    """Every on-demand node at less than before."""
    o = p.offers
    less = np.where(
        o.kind == ON_DEMAND, (o.micro_usd_per_hour * rng.random(len(o.pool))).astype(np.int64), o.micro_usd_per_hour
    )
    return changed(p, "offers", micro_usd_per_hour=less)


LOOSER: dict[str, Change] = {
    f.__name__: f
    for f in (
        more_quota, more_budget, more_carbon, more_spot, more_places, more_time, later_first_token, may_be_left,
        lower_prices,
    )
}  # fmt: skip
WITH = {
    "more_budget": ("budgets", "limits and jobs"),
    "more_carbon": ("carbon", "limits and jobs"),
    "more_quota": ("quotas",),
    "more_time": ("runs", "batch", "limits and jobs"),
    "more_spot": ("spot",),
    "later_first_token": ("origins",),
}


@pytest.mark.parametrize("name", LOOSER)
@given(seed=SEEDS)
@EXAMPLES
def test_a_looser_limit_never_costs_more(name: str, seed: int) -> None:
    """And what had a plan still has one."""
    problem = of_kind(seed, *WITH.get(name, ()))
    s = problem.sources
    moved = np.where(s.total_units[:, None] > 0, 0, s.transfer_pico_usd_per_unit)
    problem = changed(problem, "sources", transfer_pico_usd_per_unit=moved)
    before, after = optimum(problem), optimum(LOOSER[name](problem, np.random.default_rng(seed)))
    assert before is None or (after is not None and after <= before)
