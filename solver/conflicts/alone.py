"""Requirements of one workload that could give way in place of the limits that all share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..engine.child import Task
from ..engine.host import search
from ..errors import EngineError
from ..rules import RULES
from .places import HOURS_A_DAY, Reach, applied, conflict
from .reduced import promising, take
from .respec import Respec
from .search import cheapest, small

if TYPE_CHECKING:
    from ..engine.slack import Clock
    from ..problem import Problem
    from .limits import Conflict

MOST_COUNTRIES = 3  # tried
MOST_DAYS = 32
SEARCH_S = 5.0
ANY_PLAN = 0.9  # a gap that any plan keeps


def alone(problem: Problem, w: int, clock: Clock) -> list[Conflict]:
    """What of a workload's residency or window would do alone; each shown by a plan."""
    found = [_abroad(problem, w, clock), _later(problem, w, clock)]
    return [c for c in found if c is not None]


def has_plan(problem: Problem, clock: Clock) -> bool:
    """Whether a plan is found soon."""
    if clock.left() <= 0:
        return False
    if small(problem):
        return cheapest(problem, clock, gap=1.0) is not None
    task = Task(
        problem=take(problem, promising(problem)), rules=RULES, time_limit_s=SEARCH_S, gap=ANY_PLAN, seed=clock.seed,
        deterministic=clock.until is None,
    )  # fmt: skip
    try:
        outcome = search(task, lambda _phase, _bound, _cost: None, isolated=True).outcome
    except EngineError:
        return False
    return outcome.termination != "infeasible" and outcome.decision is not None


def _abroad(problem: Problem, w: int, clock: Clock) -> Conflict | None:
    """The nearest country that would do if it were admitted."""
    home, respec, name = problem.workloads.residency[w], Respec.of(problem), str(problem.workloads.name[w])
    if not home or clock.left() <= 0:
        return None
    wide = (problem, Reach.of(problem, w)) if respec is None else respec.reach(name, {"residency": []})
    if wide is None:
        return None
    made, r = wide
    site = made.pool_site[made.candidates.pool[r.candidates]]
    country, away = made.sites.country[site].astype(str), ~np.isin(made.sites.country[site].astype(str), home)
    away &= ~np.isin(made.sites.jurisdiction[site].astype(str), home)
    near = np.where((r.late_ms <= 0) & away[None, :], made.sources.rtt_ms[r.sources][:, site], np.inf).min(axis=0)
    rows = np.argsort(near, kind="stable")
    order = list(dict.fromkeys(country[rows[np.isfinite(near[rows])]].tolist()))
    for k in order[:MOST_COUNTRIES]:
        fields = {"residency": (*home, k)}
        changed = applied(problem, w, fields) if respec is None else respec.changed(name, fields).problem()
        if changed is not None and has_plan(changed, clock):
            return conflict("residency", problem, w, f"country ({k})", 1, "")
    return None


def _later(problem: Problem, w: int, clock: Clock) -> Conflict | None:
    """Days by which a job's deadline would have to move, a power of two."""
    days = 1
    while problem.workloads.kind[w] != "serving" and days <= MOST_DAYS and clock.left() > 0:
        if has_plan(applied(problem, w, {"hours": days * HOURS_A_DAY}), clock):
            return conflict("deadline", problem, w, "hours", days * HOURS_A_DAY, "")
        days *= 2
    return None
