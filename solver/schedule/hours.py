"""From the blocks of a fleet problem back to hours: which block each hour of the horizon is in, what is idle in it."""

from __future__ import annotations

import datetime
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..problem import COMMITMENT, FIRM, MARKETS

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
SATURDAY, HOURS_A_DAY = 5, 24


def horizon_start(problem: Problem) -> datetime.datetime:
    """The first hour, UTC: the first month reaches to its end."""
    year, month = (int(part) for part in problem.blocks.periods[0].split("-"))
    following = datetime.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=datetime.UTC)
    return following - datetime.timedelta(hours=int(problem.blocks.period_hours[0]))


def block_of_hour(problem: Problem) -> Array:
    """Block of each hour of the horizon in each scenario, int64 [S, T].

    A row of the calendar stands for so many days of a month that are weekdays, or weekend days; rows of the same month,
    kind of day and hour follow one another in time.

    Raises:
        InputError: the problem has no calendar of its hours.
    """
    start, total = horizon_start(problem), int(problem.blocks.period_hours.sum())
    calendar, scenarios = problem.blocks.calendar, len(problem.blocks.probability)
    if "hour_utc" not in calendar or not len(calendar):
        raise InputError(
            "has no calendar, so that its blocks have no hours", where="problem", mend="load it from a spec"
        )
    rows: dict[tuple[str, str, int, int], list[tuple[int, int]]] = defaultdict(list)
    for r in calendar.records():
        rows[r["period"], r["day"], int(r["hour_utc"]), int(r["scenario"])].append((int(r["block"]), int(r["hours"])))
    blocks = {key: np.repeat([b for b, _ in found], [n for _, n in found]) for key, found in rows.items()}
    made, seen = np.full((scenarios, total), -1, dtype=np.int64), defaultdict[tuple[str, str, int, int], int](int)
    for t in range(total):
        now = start + datetime.timedelta(hours=t)
        kind = "weekend" if now.weekday() >= SATURDAY else "weekday"
        for scenario in range(scenarios):
            key = (f"{now:%Y-%m}", kind, now.hour, scenario)
            here = blocks.get(key)
            if here is None or seen[key] >= len(here):
                raise InputError(f"the calendar has no hour {now:%Y-%m-%d %H:%M}", where="problem")
            made[scenario, t] = here[seen[key]]
            seen[key] += 1
    return made


def held(problem: Problem, plan: Plan) -> Array:
    """Committed nodes in force in each pool and block, int64 [Q, B]."""
    o, made = problem.offers, np.zeros((len(problem.pool_shape), problem.blocks.count), dtype=np.int64)
    for row in plan.purchases.records():
        k = int(row["offer"])
        if o.kind[k] == COMMITMENT:
            made[o.pool[k]] += int(row["nodes"]) * o.active[k]
    return made


def used(problem: Problem, plan: Plan, market: int = FIRM) -> Array:
    """Nodes that run in each pool and block on a market, int64 [Q, B]."""
    made = np.zeros((len(problem.pool_shape), problem.blocks.count), dtype=np.int64)
    for row in plan.placements.records():
        if row["market"] == MARKETS[market]:
            made[problem.candidates.pool[int(row["candidate"])], int(row["block"])] += int(row["nodes"])
    return made


def idle(problem: Problem, plan: Plan) -> Array:
    """Committed nodes that nobody uses in each pool and hour, int64 [Q, T]: the least of all scenarios."""
    free = np.maximum(held(problem, plan) - used(problem, plan), 0)
    return np.asarray(free[:, block_of_hour(problem)].min(axis=1))
