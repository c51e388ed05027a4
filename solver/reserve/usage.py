"""Usage hour by hour: of a plan as it says, of a history as it is forecast to go on."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..problem import FIRM
from .nouns import HOURS_A_DAY, Usage

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
Pool = tuple[str, str, str]
WEEK = 7 * HOURS_A_DAY
SATURDAY = 5
EPOCH = datetime.date(1970, 1, 1)


def of_plan(plan: Plan, problem: Problem, *, until: datetime.date | None = None) -> tuple[list[Pool], Usage]:
    """Firm nodes of a plan in each pool, hour by hour, in each of its scenarios.

    Args:
        plan: the plan.
        problem: what it was made of; its calendar says which block an hour is in.
        until: a day beyond the horizon; from its end on the last four weeks of the plan are repeated.

    Raises:
        InputError: nothing of it runs on firm nodes.
    """
    nodes, pools = _by_block(plan, problem)
    if not pools:
        raise InputError("nothing runs on firm nodes", where="plan", mend="spot is not committed to")
    start, block = _hours(problem)
    made = np.stack([nodes[:, block[s]].T for s in problem.working])  # [S, T, Q]
    if until is not None and (more := (until - start).days * HOURS_A_DAY - made.shape[1]) > 0:
        made = np.concatenate([made, repeated(made, more)], axis=1)
    chance = [problem.blocks.probability[s] for s in problem.working]
    usage = Usage(start=start, nodes=made, probability=tuple(p / sum(chance, Fraction(0)) for p in chance))
    return [tuple(problem.pool_names[q].split("/", 2)) for q in pools], usage


def _by_block(plan: Plan, problem: Problem) -> tuple[Array, list[int]]:
    """Firm nodes of each pool that has any, int64 [Q, B]."""
    c, p = problem.candidates, plan.placements
    made: dict[int, Array] = {}
    for k, block, n in zip(*(p[name].tolist() for name in ("candidate", "block", "nodes")), strict=True):
        if c.market[k] == FIRM:
            made.setdefault(int(c.pool[k]), np.zeros(problem.blocks.count, dtype=np.int64))[block] += n
    pools = sorted(made)
    return np.array([made[q] for q in pools], dtype=np.int64), pools


def _hours(problem: Problem) -> tuple[datetime.date, Array]:
    """The first day, and the block of each hour in each scenario, int64 [S, T].

    The calendar knows an hour by month, kind of day and hour; rows of the same stand for its hours one after the other.
    """
    cal, periods = problem.blocks.calendar, problem.blocks.periods
    hours = int(problem.blocks.period_hours.sum())
    start = _first_day(problem)
    days = np.array(start, dtype="datetime64[D]") + np.arange(hours // HOURS_A_DAY)
    month = np.searchsorted(np.array(periods), days.astype("datetime64[M]").astype(str))
    weekend = (days.astype(np.int64) + EPOCH.weekday()) % 7 >= SATURDAY
    key = ((month * 2 + weekend)[:, None] * HOURS_A_DAY + np.arange(HOURS_A_DAY)[None, :]).reshape(-1)
    row_month = np.searchsorted(np.array(periods), cal["period"].astype(str))
    row_key = (row_month * 2 + (cal["day"] == "weekend")) * HOURS_A_DAY + cal["hour_utc"]
    order = np.argsort(key, kind="stable")
    made = np.full((len(problem.blocks.probability), hours), -1, dtype=np.int64)
    for s in range(len(made)):
        mine = np.flatnonzero(cal["scenario"] == s)
        mine = mine[np.argsort(row_key[mine], kind="stable")]
        made[s, order] = np.repeat(cal["block"][mine], cal["hours"][mine])
    return start, made


def _first_day(problem: Problem) -> datetime.date:
    """As the spec says; of a problem made in Python from its first month, which lacks the days before it."""
    if spec := problem.provenance.get("spec"):
        return datetime.date.fromisoformat(json.loads(spec)["horizon"]["start"])
    year, month = map(int, problem.blocks.periods[0].split("-"))
    after = (datetime.date(year, month, 1) + datetime.timedelta(days=32)).replace(day=1)
    return after - datetime.timedelta(hours=int(problem.blocks.period_hours[0]))


def repeated(nodes: Array, hours: int) -> Array:
    """The last four weeks (or whole weeks, or what there is) again and again, int64 [S, hours, Q]."""
    have = nodes.shape[1]
    tail = min(4 * WEEK, have // WEEK * WEEK) or have
    return np.asarray(nodes[:, have - tail + np.arange(hours) % tail])


def of_paths(start: datetime.date, paths: Array, *, keep: int = 20) -> Usage:
    """Usage from scenario paths of nodes, rounded to whole ones: `keep` of them stand for all.

    The history counts whole nodes, and a path between two of them means either: rounded up, a forecast of hardly any
    would be one node in every hour.

    Args:
        start: day on which the paths begin.
        paths: float [S, T, Q], never negative.
        keep: futures kept; each counts for those it is nearest to in mean and peak use.
    """
    from ..enumerate.forecast import reduced

    count = len(paths)
    thirds = [part for part in np.array_split(paths, 3, axis=1) if part.shape[1]]
    shape = np.concatenate([part.mean(axis=1) for part in thirds], axis=1)
    scale = np.maximum(shape.mean(axis=0), 1e-9)
    kept, stands = reduced(shape / scale, keep) if keep < count else (list(range(count)), [1] * count)
    nodes = np.floor(paths[kept] + 0.5).astype(np.int64)
    return Usage(start=start, nodes=nodes, probability=tuple(Fraction(n, count) for n in stands))


def as_before(usage: Usage, past: Array, chance: Fraction) -> Usage:
    """The same futures and, with this probability, one more: the past again and again.

    What demand that comes and goes, or has just leapt, does next is often what it did last; see benchmarks.backtest.

    Args:
        usage: the futures of a forecast.
        past: nodes of the weeks before the usage begins, int64 [hours, Q].
        chance: 0 leaves the futures as they are, 1 leaves none of them.
    """
    if not chance or not len(past):
        return usage
    again = repeated(past[None], usage.hours)
    if chance == 1:
        return Usage(start=usage.start, nodes=again, probability=(Fraction(1),))
    rest = tuple(p * (1 - chance) for p in usage.probability)
    return Usage(start=usage.start, nodes=np.concatenate([usage.nodes, again]), probability=(*rest, chance))


def names_of(series: Sequence[str]) -> list[tuple[str, Pool]]:
    """Account and pool of series: "aws/us-east-1/p5.48xlarge", or "research: aws/us-east-1/p5.48xlarge".

    Raises:
        InputError: one that names no pool.
    """
    made = []
    for name in series:
        account, _, pool = name.rpartition(": ")
        parts = pool.split("/", 2)
        if len(parts) < 3 or not all(parts):  # noqa: PLR2004
            mend = "write provider/region/node, such as aws/us-east-1/p5.48xlarge"
            raise InputError(f"{name!r:.100} names no pool", where="series", mend=mend)
        made.append((account, (parts[0], parts[1], parts[2])))
    return made
