"""Each reduction on a problem made by hand: what it leaves, and where it must not be made."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.problem import FIRM, ON_DEMAND, SPOT, Limits, Problem, Quota
from solver.reduce import Reduced, reduce
from solver.reduce.known import FIELDS, unknown_fields
from solver.reduce.known import RULES as KNOWN
from solver.rules import RULES

from ..core.instances import random_problem, text, whole


def plain(*, flows: int = 1, origins: int = 1, blocks: int = 2, **limits: Any) -> Problem:
    """Flows on two pools in two regions; all may be anywhere, on spot as far as they like, at no price of transfer."""
    made = random_problem(0, flows=flows, origins=origins, blocks=blocks, shapes=1, quota=0.0, months=1)
    n, w = len(made.workloads.name), made.workloads
    free = (Fraction(1),) * n
    workloads = dataclasses.replace(
        w, ttft_ms=np.full(n, 1000.0), residency=((),) * n, max_spot_share=free, max_spot_share_per_region=free,
        max_spot_share_per_zone=free,
    )  # fmt: skip
    s = made.sources
    sources = dataclasses.replace(s, transfer_pico_usd_per_unit=s.transfer_pico_usd_per_unit * 0)
    return dataclasses.replace(made, workloads=workloads, sources=sources, limits=Limits(**limits))


def with_candidates(problem: Problem, *rows: tuple[int, int, int, int, int, float]) -> Problem:
    """The problem with these candidates: workload, pool, market, nodes, units an hour, first token in ms."""
    columns = list(zip(*rows, strict=True))
    made = dataclasses.replace(
        problem.candidates, workload=whole(columns[0]), pool=whole(columns[1]), market=whole(columns[2]),
        mode=whole(range(len(rows))), nodes_per_replica=whole(columns[3]), units_per_hour=whole(columns[4]),
        ttft_ms=np.array(columns[5]),
    )  # fmt: skip
    return dataclasses.replace(problem, candidates=made)


def with_offers(problem: Problem, *rows: dict[str, Any]) -> Problem:
    """The problem with these offers, each on demand in pool 0 at a dollar unless it says something else."""
    b, p = problem.blocks.hours.shape
    usual: dict[str, Any] = {
        "pool": 0, "kind": ON_DEMAND, "option": "o", "micro_usd_per_hour": 10**6, "upfront_micro_usd": 0,
        "term_hours": 8760, "paid_hours": [0] * p, "active": [True] * b, "starts": "", "owned_nodes": 0,
        "interruptions_per_month": 0.0, "valid_from": "", "source": "",
    }  # fmt: skip
    made: Any = {name: [{**usual, **row}[name] for row in rows] for name in usual}
    for name, values in made.items():
        kind = {"active": bool, "interruptions_per_month": float}.get(name, np.int64)
        is_text = name in {"option", "starts", "valid_from", "source"}
        made[name] = text(values) if is_text else np.array(values, dtype=kind)
    return dataclasses.replace(problem, offers=type(problem.offers)(**made))


def work(problem: Problem, **columns: Any) -> Problem:
    """The problem with columns of its workloads changed."""
    return dataclasses.replace(problem, workloads=dataclasses.replace(problem.workloads, **columns))


def flow(problem: Problem, **columns: Any) -> Problem:
    """The problem with columns of its sources changed."""
    return dataclasses.replace(problem, sources=dataclasses.replace(problem.sources, **columns))


def limited(problem: Problem, **limits: Any) -> Problem:
    """The problem with limits changed."""
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, **limits))


def done(problem: Problem) -> Reduced:
    """The problem reduced."""
    return reduce(problem, RULES)


GOOD, WORSE = (0, 0, FIRM, 1, 100, 50.0), (0, 0, FIRM, 2, 90, 60.0)
DEMAND = {"kind": ON_DEMAND}
COMMITTED = {"kind": 2, "micro_usd_per_hour": 600_000, "paid_hours": [10]}
DEARER = {**COMMITTED, "micro_usd_per_hour": 700_000}


def committed(problem: Problem, *rows: dict[str, Any]) -> Problem:
    """The problem with one candidate, on demand at $100 and these commitments."""
    base = with_candidates(problem, GOOD)
    return with_offers(base, {"micro_usd_per_hour": 10**8}, *rows)


# -- what stops everything ---------------------------------------------------------------------------------------------


def test_every_field_of_a_problem_has_been_thought_through() -> None:
    """A new field of a problem or a new rule: which reductions could it break? Then name it in known.py."""
    assert unknown_fields() == []
    assert {rule.name for rule in RULES} == KNOWN
    parts = {type(getattr(plain(), name)) for name in ("blocks", "sites", "shapes", "offers", "workloads", "limits")}
    assert parts <= set(FIELDS)


def test_what_is_not_known_stops_all_reductions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules left out or added, a field nobody has named, a kind of workload nobody knows."""
    problem = with_candidates(plain(), GOOD, WORSE)
    assert done(problem).changed
    assert not reduce(problem, RULES[1:]).changed
    assert not reduce(problem, (*RULES, RULES[0])).changed
    assert not done(work(problem, kind=text(["streaming"]))).changed
    monkeypatch.setattr("solver.reduce.known.FIELDS", {**FIELDS, Quota: "name pools kind max_nodes"})
    assert unknown_fields() == ["Quota.missing"]
    assert not done(problem).changed


# -- candidates --------------------------------------------------------------------------------------------------------


def test_a_candidate_that_another_does_better_is_left_out() -> None:
    """More nodes, fewer units and a later first token; of two alike the first stays."""
    assert done(with_candidates(plain(), WORSE, GOOD, GOOD)).candidate.tolist() == [1]


@pytest.mark.parametrize(
    "other",
    [(0, 0, FIRM, 2, 101, 60.0), (0, 1, FIRM, 2, 90, 60.0), (0, 0, SPOT, 2, 90, 60.0)],
    ids=["does more", "in another pool", "on another market"],
)
def test_a_candidate_that_is_better_in_something_stays(other: tuple[int, int, int, int, int, float]) -> None:
    """In units, or by where it is."""
    assert done(with_candidates(plain(), GOOD, other)).candidate.tolist() == [0, 1]


def test_who_is_served_counts_and_not_the_milliseconds() -> None:
    """A later first token does no harm where it is in time for the same sources, and does where it is not."""
    late = with_candidates(plain(), (0, 0, FIRM, 1, 100, 200.0), (0, 0, FIRM, 1, 90, 50.0))
    assert done(flow(late, rtt_ms=np.full((1, 2), 10.0))).candidate.tolist() == [0]
    assert done(flow(late, rtt_ms=np.full((1, 2), 900.0))).candidate.tolist() == [1]  # the other serves nobody
    two = with_candidates(plain(origins=2), (0, 0, FIRM, 1, 100, 200.0), (0, 0, FIRM, 1, 90, 50.0))
    assert done(flow(two, rtt_ms=np.array([[10.0, 10], [900, 900]]))).candidate.tolist() == [0, 1]


SPOT_PAIR = ((0, 0, FIRM, 1, 100, 50.0), (0, 0, SPOT, 1, 100, 50.0), (0, 0, SPOT, 1, 90, 50.0))


def test_more_spot_is_no_substitute_below_a_cap() -> None:
    """A replica that does more takes more of the share; without a cap, or as large, it stands in."""
    problem = with_candidates(plain(), *SPOT_PAIR)
    assert done(problem).candidate.tolist() == [0, 1]
    half = work(problem, max_spot_share=(Fraction(1, 2),))
    assert done(half).candidate.tolist() == [0, 1, 2]
    same = with_candidates(half, *SPOT_PAIR[:2], (0, 0, SPOT, 2, 100, 50.0))
    assert done(same).candidate.tolist() == [0, 1]
    region = work(same, max_spot_share_per_region=(Fraction(1, 3),))
    assert done(region).candidate.tolist() == [0, 1, 2]


def test_firm_capacity_below_a_cap_on_spot() -> None:
    """A larger firm replica loosens a cap, but fewer of them do: only where it could serve all alone it stands in."""
    rows = ((0, 0, FIRM, 1, 100, 50.0), (0, 0, FIRM, 1, 90, 50.0), (0, 1, SPOT, 1, 100, 50.0))
    half = work(with_candidates(plain(), *rows), max_spot_share=(Fraction(1, 2),))
    assert done(half).candidate.tolist() == [0, 2]
    moved = flow(half, transfer_pico_usd_per_unit=whole([[1, 2]]))
    assert done(moved).candidate.tolist() == [0, 1, 2]


def test_capacity_that_serves_nobody_stays_where_it_loosens_a_cap_on_spot() -> None:
    """Too late for all: gone, but not where spot is a share of all that runs."""
    rows = ((0, 0, FIRM, 1, 100, 5000.0), (0, 1, FIRM, 1, 100, 50.0), (0, 1, SPOT, 1, 100, 50.0))
    problem = with_candidates(plain(), *rows)
    assert done(problem).candidate.tolist() == [1, 2]
    assert done(work(problem, max_spot_share=(Fraction(1, 2),))).candidate.tolist() == [0, 1, 2]
    assert done(work(problem, max_spot_share=(Fraction(0),))).candidate.tolist() == [1]  # no spot at all then


def test_what_a_quota_shuts_out_is_left_out() -> None:
    """Two nodes a replica, of one allowed."""
    problem = with_candidates(plain(), (0, 0, FIRM, 2, 100, 50.0), (0, 1, FIRM, 2, 100, 50.0))
    problem = with_offers(problem, DEMAND, {**DEMAND, "pool": 1})
    quota = Quota(name="q", pools=(0,), kind="any", max_nodes=1)
    found = done(limited(problem, quotas=(quota,)))
    assert found.candidate.tolist() == [1]
    assert found.problem.limits.quotas == ()  # its pool is gone
    assert len(found.problem.pool_shape) == len(found.problem.sites.region) == 1


# -- commitments -------------------------------------------------------------------------------------------------------


def test_a_dearer_commitment_is_left_out() -> None:
    """The same hours for more; of two alike the first stays; what is owned stays."""
    owned = {**DEARER, "owned_nodes": 1}
    found = done(committed(plain(), DEARER, COMMITTED, COMMITTED, owned))
    assert found.offer.tolist() == [0, 2, 4]


PARTLY = {**DEARER, "active": [True, False]}


def test_in_force_at_other_times() -> None:
    """More often is as good, except where something counts what is in force and not needed; less often is not."""
    problem = committed(plain(), COMMITTED, PARTLY)
    assert done(problem).offer.tolist() == [0, 1]
    assert done(committed(plain(), {**COMMITTED, "active": [True, False]}, DEARER)).offer.tolist() == [0, 1, 2]
    quota = Quota(name="q", pools=(0,), kind="on_demand", max_nodes=2)
    assert done(limited(problem, quotas=(quota,))).offer.tolist() == [0, 1, 2]
    assert done(limited(problem, hourly_budget_micro_usd=10**7)).offer.tolist() == [0, 1, 2]


def test_what_limits_count_of_a_commitment() -> None:
    """Cheaper in all is not enough where upfront cash, a month or a hour is limited, or where its price may rise."""
    once = {**COMMITTED, "micro_usd_per_hour": 0, "upfront_micro_usd": 5_000_000, "term_hours": 10}
    problem = committed(plain(), once, COMMITTED)
    assert done(problem).offer.tolist() == [0, 1]
    assert done(limited(problem, upfront_max_micro_usd=10**7)).offer.tolist() == [0, 1, 2]
    risen = limited(committed(plain(), COMMITTED, DEARER), uncertain=((1, Fraction(1, 2)),), robust_budget=1)
    assert done(risen).offer.tolist() == [0, 1, 2]
    assert done(limited(risen, uncertain=((2, Fraction(1, 2)),))).problem.limits.uncertain == ()


def test_a_commitment_dearer_than_on_demand_is_left_out() -> None:
    """Not where the worst futures count: what is bought by the hour is not spread over them as a commitment is."""
    hours = int(plain().blocks.total_hours.sum())
    dear = {**COMMITTED, "micro_usd_per_hour": 11 * 10**5, "paid_hours": [hours]}
    problem = with_offers(with_candidates(plain(), GOOD), DEMAND, dear)
    assert done(problem).offer.tolist() == [0]
    assert done(limited(problem, risk_weight=Fraction(1, 2))).offer.tolist() == [0, 1]
    cheap = with_offers(with_candidates(plain(), GOOD), DEMAND, {**dear, "micro_usd_per_hour": 9 * 10**5})
    assert done(cheap).offer.tolist() == [0, 1]


# -- demand ------------------------------------------------------------------------------------------------------------


def test_who_asks_for_nothing_is_left_out() -> None:
    """A source, a workload with all its candidates; the last workload stays."""
    problem = plain(flows=2, origins=2)
    units = problem.sources.units_per_hour.copy()
    units[[0, 2, 3]] = 0
    found = done(flow(problem, units_per_hour=units))
    assert found.problem.workloads.name.tolist() == ["serving-0"]
    assert found.source_for.tolist() == [-1, 0, -1, -1]
    assert set(found.problem.candidates.workload.tolist()) == {0}
    assert len(done(flow(problem, units_per_hour=units * 0)).problem.workloads.name) == 1


def test_sources_alike_are_one() -> None:
    """They ask for the sum; not where a way is dearer or too long for one of them."""
    problem = plain(origins=2)
    problem = flow(problem, rtt_ms=np.array([[10.0, 20], [30, 5]]))
    found = done(problem)
    assert found.source_for.tolist() == [0, 0]
    assert (found.problem.sources.units_per_hour == problem.sources.units_per_hour.sum(axis=0)).all()
    assert done(flow(problem, transfer_pico_usd_per_unit=whole([[0, 0], [0, 1]]))).source_for.tolist() == [0, 1]
    assert done(flow(problem, rtt_ms=np.array([[10.0, 20], [30, 5000]]))).source_for.tolist() == [0, 1]


# -- blocks, quotas ----------------------------------------------------------------------------------------------------


def equal(**limits: Any) -> Problem:
    """A flow that asks for the same in both of its blocks."""
    problem = plain(**limits)
    return flow(problem, units_per_hour=np.repeat(problem.sources.units_per_hour[:, :1], 2, axis=1))


def test_blocks_alike_are_one() -> None:
    """With the hours of both."""
    problem = equal()
    found = done(problem)
    assert found.block_for.tolist() == [0, 0]
    assert found.problem.blocks.hours.tolist() == problem.blocks.hours.sum(axis=0, keepdims=True).tolist()
    assert done(plain()).block_for.tolist() == [0, 1]
    assert reduce(problem, RULES, merge_blocks=False).block_for.tolist() == [0, 1]


@pytest.mark.parametrize(
    "limits",
    [
        {"carbon_max_g": 10**6},
        {"monthly_budget_micro_usd": (10**9,)},
        {"uncertain": ((0, Fraction(1, 2)),), "robust_budget": 1},
        {"quotas": (Quota(name="q", pools=(0,), kind="any", max_nodes=2, missing=(0, 1)),)},
    ],
    ids=lambda limits: next(iter(limits)),
)
def test_blocks_stay_apart_where_a_mixture_may_be_better(limits: dict[str, Any]) -> None:
    """Where something else than the cost is added up over them; or where they are not alike."""
    assert done(limited(equal(), **limits)).block_for.tolist() == [0, 1]


def test_blocks_in_which_a_job_may_run_stay_apart() -> None:
    """Its hours are chosen block by block."""
    problem = random_problem(1, flows=0, runs=1, blocks=3)
    window = np.array([[True, True, False]])
    assert done(flow(problem, window=window)).block_for.tolist() == [0, 1, 2]
    assert done(flow(problem, window=np.array([[True, False, False]]))).block_for.tolist() == [0, 1, 1]


def test_a_quota_that_cannot_bind_is_left_out() -> None:
    """Commitments count at the most that may be bought of them all, needed or not."""
    problem = committed(plain(), COMMITTED, {**DEARER, "active": [True, False], "micro_usd_per_hour": 500_000})
    problem = flow(problem, units_per_hour=whole([[100, 200]]))

    def quotas(nodes: int) -> int:
        quota = Quota(name="q", pools=(0,), kind="any", max_nodes=nodes)
        return len(done(limited(problem, quotas=(quota,))).problem.limits.quotas)

    assert [quotas(nodes) for nodes in (2, 3)] == [1, 0]  # two of the one and, in the first block, one of the other
