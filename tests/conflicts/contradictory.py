"""Small problems made to contradict themselves in a way that is chosen, each from one seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from solver.check import check
from solver.conflicts.reduced import take
from solver.problem import COMMITMENT, FIRM, Problem, Quota
from tests.conflicts import applied
from tests.conflicts.lifting import names_of, only
from tests.core import second_engine
from tests.core.draws import KINDS, Kind, draw
from tests.core.exact import Facts, emissions, hourly, payments
from tests.core.opinions import plan_of, search
from tests.core.second_engine import optimum

KIND = {
    "quotas": Kind(quota=0.4, spot=0.4),
    "budget": Kind(months=(1, 2), commitment=0.4, quota=0.2),
    "hourly budget": Kind(flows=(1, 2), batches=(0, 1), quota=0.2),
    "spot caps": Kind(spot=1.0, flows=(1, 1), batches=(0, 1), sites=(1, 2), shapes=(1, 1)),
    "residency": Kind(sites=(2, 3), shapes=(1, 1), origins=(1, 2)),
    "latency": Kind(sites=(1, 3), shapes=(1, 1), origins=(1, 3)),
    "deadlines": Kind(flows=(0, 1), runs=(1, 1), batches=(0, 1)),
    "carbon": Kind(sites=(2, 2), quota=0.2),
    "upfront and quotas": Kind(commitment=0.9, quota=0.2, flows=(1, 1)),
    "several": KINDS["mixed"],
}
SECONDS = 3.0
SURE = 0.9
ANY_PLAN = 0.9  # a gap that any plan keeps


def way_of(seed: int) -> str:
    """The ways take turns."""
    return list(KIND)[seed % len(KIND)]


def contradictory(seed: int) -> Problem | None:
    """The problem of a seed; None when the draw has a plan all the same, or its numbers are beyond a second engine."""
    way, rng = way_of(seed), np.random.default_rng([seed, 8])
    drawn = draw(np.random.default_rng([seed, 20270801]), KIND[way], few=False, name=f"{way} {seed}")
    problem = _demanding(drawn, rng, anywhere=way not in {"residency", "latency", "several"})
    try:
        made = WAYS[way](problem, rng)
        return None if made is None or optimum(made, seconds=SECONDS).choice is not None else made
    except (second_engine.Unfit, TimeoutError):
        return None


def faults_of(problem: Problem, names: Sequence[str]) -> list[str]:
    """What is wrong with limits that are said to contradict one another, each of them needed for that.

    The second engine is to find no plan with these limits and no other; without any one of them, the planner's engine a
    plan that passes the check of the problem with the rest.
    """
    found = [] if names else ["nothing is named"]
    unknown = sorted(set(names) - set(names_of(problem)))
    if unknown or len(set(names)) < len(names):
        return [f"no limits, or twice: {', '.join(unknown)}"]
    if _has_plan(only(problem, names)):
        found.append("they leave a plan")
    for name in names:
        rest = only(problem, [n for n in names if n != name])
        outcome = search(rest, gap=ANY_PLAN)
        if outcome.termination == "infeasible" or outcome.decision is None:
            found.append(f"without {name} there is no plan")
        elif faults := check(rest, plan_of(rest, outcome)):
            found.append(f"without {name} there is a plan that fails its check: {faults[0]}")
    return found


def _has_plan(problem: Problem) -> bool:
    """In exact integers; by SCIP where numbers are beyond that."""
    try:
        return optimum(problem, seconds=SECONDS).choice is not None
    except (second_engine.Unfit, TimeoutError):
        return applied.has_plan(problem)


def _demanding(problem: Problem, rng: Any, *, anywhere: bool) -> Problem:
    """Nearly everything must be served; from anywhere in time, so that it is something else that is in the way."""
    work = problem.workloads
    must = rng.random(len(work.name)) < SURE
    must[0] = True
    made = _work(problem, must_serve=must)
    if not anywhere:
        return made
    far = np.where(work.kind == "serving", 1000.0, work.ttft_ms)
    return _work(made, ttft_ms=far, residency=((),) * len(work.name))


def _limits(problem: Problem, **changes: Any) -> Problem:
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, **changes))


def _work(problem: Problem, **changes: Any) -> Problem:
    return dataclasses.replace(problem, workloads=dataclasses.replace(problem.workloads, **changes))


def _quotas(problem: Problem, rng: Any) -> Problem:
    """One on each pool, with few nodes, of one kind or two."""
    made = list(problem.limits.quotas)
    for q in range(len(problem.pool_shape)):
        kinds: Any = [("any",), ("on_demand", "spot")][int(rng.integers(0, 2))]
        made += [Quota(name=f"{q} {k}", pools=(q,), kind=k, max_nodes=int(rng.integers(0, 2))) for k in kinds]
    return _limits(problem, quotas=tuple(made))


def _used(problem: Problem) -> tuple[Any, Facts] | None:
    best = optimum(problem, seconds=SECONDS)
    return None if best.choice is None else (best.choice, Facts(problem))


def _below(used: Fraction, rng: Any) -> int:
    return max(0, int(used * int(rng.integers(3, 10)) / 10))


def _budget(problem: Problem, rng: Any) -> Problem | None:
    found = _used(problem)
    if found is None:
        return problem
    choice, f = found
    months = tuple(_below(max(payments(f, choice, m, s) for s in f.scenarios), rng) for m in f.months)
    return _limits(problem, monthly_budget_micro_usd=months)


def _hourly(problem: Problem, rng: Any) -> Problem | None:
    found = _used(problem)
    if found is None:
        return problem
    choice, f = found
    return _limits(problem, hourly_budget_micro_usd=_below(max(hourly(f, choice, b) for b in f.blocks), rng))


def _carbon(problem: Problem, rng: Any) -> Problem | None:
    found = _used(problem)
    if found is None:
        return problem
    return _limits(problem, carbon_max_g=_below(Fraction(emissions(found[1], found[0])), rng))


def _spot_caps(problem: Problem, rng: Any) -> Problem:
    """Few or no nodes but on spot, and less of that allowed than is needed."""
    quotas = tuple(
        Quota(name=f"{q} firm", pools=(q,), kind="on_demand", max_nodes=int(rng.integers(0, 2)))
        for q in range(len(problem.pool_shape))
    )
    n = len(problem.workloads.name)
    caps = tuple(Fraction(int(rng.integers(0, 4)), 4) for _ in range(n))
    regional = tuple(Fraction(int(rng.integers(1, 5)), 4) for _ in range(n))
    return _work(_limits(problem, quotas=quotas), max_spot_share=caps, max_spot_share_per_region=regional)


def _residency(problem: Problem, rng: Any) -> Problem:
    """Countries where nothing is, or little is to be had."""
    homes = [("FR",), ("US",), ("DE",), ("EU",)]
    made = _work(problem, residency=tuple(homes[int(rng.integers(0, 4))] for _ in problem.workloads.name))
    return _quotas(made, rng) if rng.random() < 0.5 else made


def _latency(problem: Problem, rng: Any) -> Problem:
    work = problem.workloads
    most = np.where(work.kind == "serving", rng.integers(60, 250, len(work.name)).astype(float), work.ttft_ms)
    return _work(problem, ttft_ms=most)


def _deadlines(problem: Problem, rng: Any) -> Problem:
    """Several times the work, or windows that hardly open."""
    s = problem.sources
    jobs = s.total_units > 0
    more = np.where(jobs, s.total_units * int(rng.integers(2, 5)), s.total_units)
    window = s.window & ~(jobs[:, None] & (rng.random(s.window.shape) < 0.5))
    return dataclasses.replace(problem, sources=dataclasses.replace(s, total_units=more, window=window))


def _upfront(problem: Problem, rng: Any) -> Problem | None:
    """Commitments alone, no cash for them, and not many nodes."""
    o = problem.offers
    rows = np.flatnonzero(o.kind == COMMITMENT)
    if not len(rows):
        return None
    kept = {field.name: getattr(o, field.name)[rows] for field in dataclasses.fields(o)}
    made = dataclasses.replace(problem, offers=dataclasses.replace(o, **kept))
    made = take(made, np.flatnonzero(problem.candidates.market == FIRM))
    made = _limits(made, upfront_max_micro_usd=int(rng.integers(0, 3)) * 10**6)
    return _quotas(made, rng) if rng.random() < SURE / 2 else made


def _several(problem: Problem, rng: Any) -> Problem | None:
    made: Problem | None = problem
    for way in rng.permutation([_budget, _carbon, _quotas, _residency, _deadlines, _spot_caps])[:3].tolist():
        if made is None:
            return None
        made = way(made, rng)
    return made


WAYS: dict[str, Callable[[Problem, Any], Problem | None]] = {
    "quotas": _quotas,
    "budget": _budget,
    "hourly budget": _hourly,
    "spot caps": _spot_caps,
    "residency": _residency,
    "latency": _latency,
    "deadlines": _deadlines,
    "carbon": _carbon,
    "upfront and quotas": _upfront,
    "several": _several,
}
