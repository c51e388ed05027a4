"""Workloads that nothing can serve as they are: what of their requirements would have to change."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..report.figures import reasons
from .places import Change, Reach, applied, away, conflict, late, too_slow
from .respec import TARGETS, Respec, options
from .search import served_usd

if TYPE_CHECKING:
    from ..engine.slack import Clock
    from ..problem import Problem
    from .limits import Conflict

GIVEN_UP = "given up"
FACTORS = (1.25, 1.5, 2.0, 4.0)  # times the least latency that a node can keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """Changes without which no plan exists whatever the shared limits are, and the problem after them."""

    changes: list[Change]
    others: dict[str, list[Conflict]]  # name of a conflict -> what would do in its place
    problem: Problem


def requirements(problem: Problem, clock: Clock) -> Requirements:
    """Look at each workload that must be served, with all the nodes and money there are."""
    respec = Respec.of(problem)
    changes: list[Change] = []
    others: dict[str, list[Conflict]] = {}
    for w in np.flatnonzero(problem.workloads.must_serve).tolist():
        ways = _ways(problem, w, respec, clock)
        if ways:
            changes += ways[0]
            others[ways[0][0].conflict.name] = [c.conflict for way in ways[1:] for c in way if len(way) == 1]
    made = after(problem, changes, respec)
    for w in np.flatnonzero(made.workloads.must_serve & (made.workloads.kind != "serving")).tolist():
        r = Reach.of(made, w)
        slow = too_slow(made, w, r) if len(r.sources) and len(r.candidates) else None
        if slow is not None:
            changes.append(slow)
            made = applied(made, w, slow.fields)
    return Requirements(changes=changes, others=others, problem=made)


def eased(problem: Problem, needed: Requirements, clock: Clock) -> Requirements:
    """With latency targets that leave the shared limits as they are, where that is found at a few times the least.

    At the least that one node can keep, a replica may serve next to nothing, and all of them together too little.
    """
    respec, targets = Respec.of(problem), TARGETS.keys()
    if respec is None or not any(c.fields.keys() & targets for c in needed.changes):
        return needed
    if served_usd(needed.problem, clock, elastic=False) is not None:
        return needed
    for factor in FACTORS:
        if clock.left() <= 0:
            break
        changes = [_eased(c, factor) if c.fields.keys() & targets else c for c in needed.changes]
        made = after(problem, changes, respec)
        if served_usd(made, clock, elastic=False) is not None:
            return dataclasses.replace(needed, changes=changes, problem=made)
    return needed


def _eased(change: Change, factor: float) -> Change:
    """A latency target at a multiple of the least that a node can keep."""
    ((field, least),) = change.fields.items()
    c, target = change.conflict, math.ceil(least * factor)
    detail = f"{c.detail}; {target:,g} ms is enough within the other limits"
    by = c.relax_by + target - round(least)
    return dataclasses.replace(
        change, conflict=dataclasses.replace(c, relax_by=by, detail=detail), fields={field: least + by - c.relax_by}
    )


def _ways(problem: Problem, w: int, respec: Respec | None, clock: Clock) -> list[list[Change]]:
    """Each of these would let a workload be served; none when it can be already."""
    r = Reach.of(problem, w)
    if not len(r.lost):
        return []
    made = [[c] for c in (late(problem, w, r), away(problem, w, r)) if c is not None] if respec is None else []
    if respec is not None:
        made = options(problem, w, respec, clock)
    return [*made, [_given_up(problem, w, r)]]


def _given_up(problem: Problem, w: int, r: Reach) -> Change:
    """All that is asked for at the sources that nothing can serve."""
    s, unit = problem.sources, str(problem.workloads.unit[w])
    lost = r.sources[r.lost]
    job = bool(s.total_units[lost].any())
    by = int(s.total_units[lost].sum() if job else s.units_per_hour[lost].sum(axis=0).max())
    where = ", ".join(str(o) for o in s.origin[lost] if o)
    excuses = problem.excuses
    mine = excuses.take(excuses["workload"] == problem.workloads.name[w]) if len(excuses) else excuses
    told = "; ".join(f"{b} ({n}): {e[0].partition(' on ')[2] or e[0]}" for b, n, e in reasons(mine, 1)[:2])
    detail = "no node can serve it" + (f" from {where}" if where else "") + (f": {told}" if told else "")
    kind = "work" if job else "demand"
    unit = unit if job else f"{unit} an hour"
    return Change(conflict=conflict(kind, problem, w, unit, by, detail), fields={GIVEN_UP: lost.tolist()})


def after(problem: Problem, changes: list[Change], respec: Respec | None) -> Problem:
    """The problem with requirements changed: built again from its spec where it has one."""
    made, names = problem, problem.workloads.name
    again = [c for c in changes if not c.fields.keys() & {GIVEN_UP, "hours"}]
    if respec is not None and again:
        edited = respec
        for c in again:
            edited = edited.changed(str(names[c.conflict.index]), c.fields)
        made = edited.problem() or problem
    else:
        for c in again:
            made = applied(made, c.conflict.index, c.fields)
    for c in changes:
        if GIVEN_UP in c.fields:
            units, total = made.sources.units_per_hour.copy(), made.sources.total_units.copy()
            units[c.fields[GIVEN_UP]] = 0
            total[c.fields[GIVEN_UP]] = 0
            made = dataclasses.replace(
                made, sources=dataclasses.replace(made.sources, units_per_hour=units, total_units=total)
            )
        elif "hours" in c.fields:
            made = applied(made, c.conflict.index, c.fields)
    return made
