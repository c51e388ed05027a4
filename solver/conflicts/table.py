"""The rows of a plan's conflicts: found, priced and put into words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bill import make_bill
from ..engine.slack import Clock
from ..rules import RULES
from .alone import alone
from .broad import Broad
from .limits import DEMAND, excess, relax, tier
from .requirements import after, eased, requirements
from .respec import Respec
from .search import Analysis, Repair, served_usd, small, tiny

if TYPE_CHECKING:
    from ..bill import Decision
    from ..problem import Problem
    from .limits import Conflict
    from .requirements import Requirements

Rows = list[tuple[Any, ...]]
UNKNOWN = "; which limits could give way instead was not found in time"
UNCONFIRMED = "no plan was found in time that confirms it"
PRICING_S = 8.0  # beyond the time of the analysis
MICRO = 10**6


def conflict_rows(problem: Problem, decision: Decision | None, *, seconds: float | None, seed: int) -> Rows:
    """Rows of limit, unit, relax_by, usd_per_unit and detail: together they let a plan exist.

    Requirements of single workloads that nothing can meet come first, then the limits that all share.
    """
    needed = requirements(problem, Clock.of(seconds, seed))
    needed = eased(problem, needed, Clock.of(seconds, seed))
    clock = Clock.of(seconds, seed)
    certain = not needed.changes
    made: Analysis | Broad = (Analysis if tiny(needed.problem) else Broad).of(needed.problem, clock)
    repair = made.repair(certain=certain)
    if repair is None and isinstance(made, Broad) and small(needed.problem):  # only whole nodes contradict one another
        made = Analysis.of(needed.problem, clock)
        repair = made.repair(certain=certain)
    if repair is None and certain:
        return unserved_rows(problem, decision, UNKNOWN)
    others = [] if repair is None or not certain else made.others(repair)
    left = {c.index for c in others if tier(c.kind) == DEMAND}
    if len(left) == 1:  # one workload alone is in conflict with the limits
        others = alone(problem, left.pop(), clock) + others
    return _rows(needed, repair, problem, Clock.of(None if seconds is None else PRICING_S, seed), others)


def unserved_rows(problem: Problem, decision: Decision | None, note: str = "") -> Rows:
    """What the search could not serve, where no more is known."""
    found = [] if decision is None else [c for c in excess(problem, decision) if tier(c.kind) == DEMAND]
    prices = problem.workloads.unserved_micro_usd_per_unit
    return [(c.name, c.unit, c.relax_by, int(prices[c.index]) / MICRO, c.detail + note) for c in found]


def _rows(needed: Requirements, repair: Repair | None, problem: Problem, clock: Clock, others: list[Conflict]) -> Rows:
    every = [c.conflict for c in needed.changes] + ([] if repair is None else repair.conflicts)
    usd, whole = _worth(needed, repair, problem, clock)
    rows = []
    for i, c in enumerate(every):
        instead = needed.others.get(c.name, []) + (others if i == 0 else [])
        detail = c.detail + (_outlook(needed, repair, whole) if i == 0 else "")
        detail += "; instead, alone: " + ", ".join(map(_short, instead)) if instead else ""
        rows.append((c.name, c.unit, c.relax_by, usd.get(c.name, np.nan), detail))
    return rows


def _outlook(needed: Requirements, repair: Repair | None, whole: float | None) -> str:
    """What a plan costs once all this has given way, and what that rests on."""
    said = ""
    if repair is None or repair.decision is None:
        room = repair is not None and repair.conflicts
        said = f"; estimated with room to spare, as {UNCONFIRMED}" if room else f"; {UNCONFIRMED}"
    elif not tiny(needed.problem):  # the plan that was found, not the relaxation
        bill = make_bill(needed.problem, repair.decision, RULES)
        whole = sum(bill["micro_usd"].tolist()) / MICRO
    if whole is None:
        return said
    months = len(needed.problem.blocks.periods)
    return f"{said}; with all of this a plan costs ${whole / months:,.0f}" + (" a month" if months > 1 else "")


def _short(c: Conflict) -> str:
    """A conflict in a few words."""
    if c.kind in {"demand", "work"}:
        return f"{c.name} \N{MINUS SIGN}{c.relax_by:,} {c.unit}"
    return f"{c.name} +{c.relax_by:,} {c.unit}"


def _worth(
    needed: Requirements, repair: Repair | None, problem: Problem, clock: Clock
) -> tuple[dict[str, float], float | None]:
    """Dollars of a unit by name, and what a plan costs once all have given way.

    It is what serving the demand costs that would stay unserved if this limit did not give way and the others did,
    over the units by which it gives way. Demand that gives way has its own price.
    """
    conflicts = [] if repair is None else repair.conflicts
    unserved = None if repair is None or repair.decision is None else repair.decision.unserved
    whole = None if repair is None else repair.usd
    if whole is None:
        whole = served_usd(relax(needed.problem, conflicts, unserved), clock, elastic=False)
    made: dict[str, float] = {}
    prices = problem.workloads.unserved_micro_usd_per_unit
    for c in [c for c in conflicts if tier(c.kind) == DEMAND]:
        made[c.name] = int(prices[c.index]) / MICRO
    for group in dict.fromkeys(c.group for c in conflicts if tier(c.kind) != DEMAND):
        kept = [c for c in conflicts if c.group != group]
        less = served_usd(relax(needed.problem, kept, unserved), clock, elastic=True)
        mine = [c for c in conflicts if c.group == group]
        if whole is not None and less is not None:
            made |= dict.fromkeys([c.name for c in mine], (whole - less) / sum(c.relax_by for c in mine))
    respec = Respec.of(problem)
    for change in needed.changes:
        c = change.conflict
        if tier(c.kind) == DEMAND:
            made[c.name] = int(prices[c.index]) / MICRO if prices[c.index] > 1 else np.nan
            continue
        before = after(problem, [k for k in needed.changes if k is not change], respec)
        less = served_usd(relax(before, renamed(conflicts, before)), clock, elastic=True)
        if whole is not None and less is not None:
            made[c.name] = (whole - less) / c.relax_by
    return made, whole


def renamed(conflicts: list[Conflict], problem: Problem) -> list[Conflict]:
    """Conflicts with the rows that their limits have in another problem; those it does not have are left out."""
    quotas = {f"quota[{q.name}]": i for i, q in enumerate(problem.limits.quotas)}
    made = [dataclasses.replace(c, index=quotas.get(c.name, -1) if c.kind == "quota" else c.index) for c in conflicts]
    return [c for c in made if c.index >= 0 and tier(c.kind) != DEMAND]
