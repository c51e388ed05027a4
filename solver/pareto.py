"""Cost against something else: the cheapest plans as carbon, upfront cash, spot or latency is held ever tighter.

An epsilon-constraint sweep: the other axis is limited at evenly spaced values from its own end to where the cheapest
plan is, and each point is a checked plan with its bound. It goes from the tight end to the loose one, each search
starting from the plan before: that plan keeps the looser limit, so that costs never rise along the way. A limit on
carbon links all hours, which makes plans hard to find: there a search without the limit, at the price that the
relaxation puts on a kilogram, comes first, and the cheaper of the two plans is the start.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .carry import carry
from .conflicts.respec import Respec
from .errors import EngineError, InputError
from .problem import COMMITMENT, SPOT
from .rules.carbon import grams_per_node_hour
from .solve import Progress, solve

if TYPE_CHECKING:
    from .plan import Plan
    from .problem import Problem

UNITS = {"carbon": "kg CO2e", "upfront": "dollars upfront", "spot": "% of capacity", "latency": "% of the targets"}
MOST_POINTS = 50
DEAR_CARBON = 10**9  # micro-dollars a kg: the price at which plans save carbon whatever it costs
LOOSEST, TIGHTEST = Fraction(2), Fraction(1, 2)  # of latency targets
TARGETS = ("ttft_ms", "tpot_ms")
DEARER = (1.02, 1.15, 1.5, 2.5)  # times the relaxation's price of carbon, until a plan keeps the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One plan."""

    limit: float  # what was allowed
    value: float  # what the plan has of it
    plan: Plan
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """Plans of which none is both cheaper and better than another, the cheapest first."""

    against: str
    unit: str
    points: list[Point]
    dominated: int  # plans that were dropped
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How each point is searched."""

    time_limit_s: float = 60.0
    gap: float = 0.01
    seed: int = 0
    deterministic: bool = False

    def solve(self, problem: Problem, before: Point | None, progress: Callable[[Progress], None] | None) -> Plan:
        """A plan, from the one before."""
        start = None if before is None else carry(before.plan, problem, before.problem)
        return solve(
            problem, time_limit_s=self.time_limit_s, gap=self.gap, seed=self.seed, deterministic=self.deterministic,
            progress=progress, warm=start,
        )  # fmt: skip


def pareto(
    problem: Problem,
    against: str,
    *,
    points: int = 8,
    search: Search | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Frontier:
    """The frontier of cost against carbon, upfront, spot or latency.

    Raises:
        InputError: no such axis, too few or too many points, no plan at all, or nothing to trade on this axis.
    """
    if against not in UNITS:
        raise InputError(f"no axis {against!r:.40}", where="--against", mend=f"one of {', '.join(UNITS)}")
    if not 2 <= points <= MOST_POINTS:  # noqa: PLR2004 (its two ends)
        raise InputError(f"{points} points", where="--points", mend=f"a number from 2 to {MOST_POINTS}")
    how = search or Search()
    found, notes = _plans(problem, against, points, how, progress)
    kept = undominated(found)
    notes += [
        f"at {p.limit:,.6g} {UNITS[against]} nothing better than one of these was found; proved there: at least "
        f"${p.plan.certificate.lower_usd:,.0f}"
        for p in found
        if not any(p is q for q in kept) and p.plan.certificate.gap > how.gap
    ]
    return Frontier(against=against, unit=UNITS[against], points=kept, dominated=len(found) - len(kept), notes=notes)


def undominated(points: list[Point]) -> list[Point]:
    """Those that no other is as good as on both axes and better on one; of equals one; the cheapest first."""
    made: list[Point] = []
    for p in sorted(points, key=lambda p: (p.plan.total_micro_usd, p.value)):
        if not made or p.value < made[-1].value:
            made.append(p)
    return made


def _plans(
    problem: Problem, against: str, points: int, how: Search, progress: Callable[[Progress], None] | None
) -> tuple[list[Point], list[str]]:
    """A plan at each limit that has one."""
    cheapest = None
    if against in {"carbon", "upfront"}:
        cheapest = _planned(problem, math.inf, how, None, progress, against)
        if cheapest is None:
            mend = "autoparallel plan says what is in the way"
            raise InputError("there is no plan", where=problem.name, mend=mend)
    found: list[Point] = []
    notes: list[str] = []
    last: Point | None = _least(problem, against, how, progress)
    for limit in _limits(problem, against, points, cheapest, last):
        limited = _limited(problem, against, limit)
        if limited is not None and against == "carbon":
            last = _priced(problem, limited, limit, how, last, progress)
        point = None if limited is None else _planned(limited, limit, how, last, progress, against)
        if point is None:
            notes.append(f"no plan at {limit:,.6g} {UNITS[against]}")
        else:
            last = point
            found.append(point)
    if cheapest is not None:
        found.append(cheapest)
    if not found:
        raise InputError("there is no plan at any limit", where=problem.name, mend="see autoparallel plan")
    return found, notes


def _planned(
    problem: Problem,
    limit: float,
    how: Search,
    before: Point | None,
    progress: Callable[[Progress], None] | None,
    against: str,
) -> Point | None:
    plan = how.solve(problem, before, progress)
    if plan.termination == "infeasible":
        return None
    value = limit if against == "latency" else value_of(problem, plan, against)
    return Point(limit=limit, value=value, plan=plan, problem=problem)


def value_of(problem: Problem, plan: Plan, against: str) -> float:
    """What a plan has of an axis: kilograms, dollars upfront, or the largest share of spot of any workload, in %."""
    if against == "upfront":
        rows = (r for r in plan.purchases.records() if problem.offers.kind[r["offer"]] == COMMITMENT)
        o = problem.offers
        micro = sum(
            int(r["nodes"]) * int(o.upfront_micro_usd[r["offer"]]) for r in rows if not o.owned_nodes[r["offer"]]
        )
        return micro / 1e6
    if against == "carbon":
        return float(_grams(problem, plan)) / 1e3
    c = problem.candidates
    capacity = np.zeros((2, len(problem.workloads.name), problem.blocks.count), dtype=np.int64)
    for r in plan.placements.records():
        k = int(r["candidate"])
        market = int(c.market[k] == SPOT)
        capacity[market, c.workload[k], r["block"]] += int(r["replicas"]) * int(c.units_per_hour[k])
    return float(100 * (capacity[1] / np.maximum(capacity.sum(axis=0), 1)).max(initial=0.0))


def _grams(problem: Problem, plan: Plan) -> Fraction:
    """Expected emissions over the horizon."""
    b, total = problem.blocks, Fraction(0)
    for r in plan.placements.records():
        weight = b.probability[int(b.scenario[r["block"]])] * int(b.total_hours[r["block"]])
        total += (
            weight
            * int(r["nodes"])
            * grams_per_node_hour(problem, int(problem.candidates.pool[r["candidate"]]), int(r["block"]))
        )
    return total


def _least(problem: Problem, against: str, how: Search, progress: Callable[[Progress], None] | None) -> Point | None:
    """A plan at the other end of the axis, where that takes a search: as little carbon as there can be, or nearly."""
    if against != "carbon":
        return None
    dear = dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, carbon_micro_usd_per_kg=DEAR_CARBON))
    return _planned(dear, math.inf, how, None, progress, against)


def _priced(
    problem: Problem,
    limited: Problem,
    limit: float,
    how: Search,
    last: Point | None,
    progress: Callable[[Progress], None] | None,
) -> Point | None:
    """A plan within a limit on carbon that is found by its price; or the last one, where that is cheaper."""
    from .engine.marginal import relaxation_of

    try:
        relaxation = relaxation_of(limited)
    except EngineError:
        return last
    rows = [g.rows for g in relaxation.formulation.model.groups if g.name == "carbon"]
    duals = relaxation.answer.duals
    price = 0.0 if duals is None or not rows else float(-duals[rows[0]].sum())
    for more in DEARER if price > 0 else ():
        micro = problem.limits.carbon_micro_usd_per_kg + math.ceil(price * more * 1e6)
        dear = dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, carbon_micro_usd_per_kg=micro))
        found = _planned(dear, limit, how, last, progress, "carbon")
        if found is not None and found.value <= limit:
            cheaper = last is None or last.value > limit or _usual(found.plan) < _usual(last.plan)
            return found if cheaper else last
    return last


def _usual(plan: Plan) -> int:
    """Its cost without what carbon is priced at."""
    return sum(r["micro_usd"] for r in plan.cost_lines.records() if r["kind"] != "carbon")


def _limits(problem: Problem, against: str, points: int, cheapest: Point | None, least: Point | None) -> list[float]:
    """What is allowed at each point, the tightest first."""
    if against == "spot":
        most = float(max(problem.workloads.max_spot_share, default=Fraction(0)))
        if not most:
            mend = "give a workload a max_spot_share above 0, and the option spot"
            raise InputError("no workload may use spot", where="--against spot", mend=mend)
        return [100 * most * i / (points - 1) for i in range(points)]
    if against == "latency":
        if Respec.of(problem) is None or not np.isfinite(problem.workloads.ttft_ms).any():
            raise InputError("no workload of a spec has a target", where="--against latency", mend="see ttft_ms")
        step = (LOOSEST / TIGHTEST) ** Fraction(1, points - 1)
        return [round(100 * float(TIGHTEST) * float(step) ** i, 6) for i in range(points)]
    top = 0.0 if cheapest is None else cheapest.value
    low = 0.0 if least is None else min(least.value, top)
    if top <= low:
        if against == "upfront":
            mend = "allow options with upfront payments, such as commit_1y_all_upfront"
            raise InputError("the cheapest plan pays nothing upfront", where="--against upfront", mend=mend)
        return []  # the cheapest plan is the cleanest as well
    return [low + (top - low) * i / (points - 1) for i in range(points - 1)]


def _limited(problem: Problem, against: str, limit: float) -> Problem | None:
    """The problem within a limit; None where there is no such problem."""
    changes: dict[str, Any] = {}
    if against == "carbon":
        changes = {"carbon_max_g": min(math.ceil(limit * 1e3), problem.limits.carbon_max_g or 2**62)}
    elif against == "upfront":
        allowed = problem.limits.upfront_max_micro_usd
        changes = {"upfront_max_micro_usd": min(math.floor(limit * 1e6), 2**62 if allowed is None else allowed)}
    elif against == "spot":
        cap, work = Fraction(limit).limit_denominator(10**6) / 100, problem.workloads
        shares = tuple(min(cap, share) for share in work.max_spot_share)
        return dataclasses.replace(problem, workloads=dataclasses.replace(work, max_spot_share=shares))
    else:
        return _faster(problem, limit / 100)
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, **changes))


def _faster(problem: Problem, factor: float) -> Problem | None:
    """The problem built again with all latency targets times a factor."""
    respec = Respec.of(problem)
    for name in problem.workloads.name.tolist() if respec is not None else ():
        assert respec is not None  # noqa: S101 (for the type checker)
        asked = {field: respec.field(name, field) for field in TARGETS}
        respec = respec.changed(name, {k: float(v) * factor for k, v in asked.items() if v is not None})
    return None if respec is None else respec.problem()
