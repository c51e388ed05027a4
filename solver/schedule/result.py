"""A schedule: who runs where and when, what is bought, and what each dollar is for."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..money import apportion, to_usd
from ..plan import Certificate, Termination
from ..table import Table

if TYPE_CHECKING:
    from decimal import Decimal

    import pandas as pd

    from ..engine.gangs.board import Assignment
    from .data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]
NOBODY = "(idle)"
RUNS = ("job", "pool", "option", "segment", "start_hour", "end_hour", "nodes")
LINES = ("kind", "job", "pool", "supply", "micro_usd")
LEFT = ("job", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A checked schedule. Tables (see `to_frame`):

    - runs: job, pool, option (row of the problem), segment, start_hour, end_hour (of the grid), nodes; one a segment
    - bought: supply (row), pool, name, upfront micro_usd of what is paid for once
    - left: job, reason; those that do not run
    - cost_lines: kind (compute, upfront, once, not run), job, pool, supply (row, −1: none), micro_usd
    """  # noqa: D415

    name: str
    start: datetime.datetime
    hours: int
    termination: Termination
    certificate: Certificate
    problem_digest: str
    seed: int
    deterministic: bool
    seconds: float
    runs: Table
    bought: Table
    left: Table
    cost_lines: Table
    prices: Array = field(repr=False)  # int64 [P, T] micro-dollars of a node-hour that the bound by prices rests on
    warnings: tuple[str, ...] = ()

    @property
    def total_micro_usd(self) -> int:
        """The bill: the exact sum of its lines."""
        return sum(self.cost_lines["micro_usd"].tolist()) if len(self.cost_lines) else 0

    @property
    def total_usd(self) -> Decimal:
        """The bill in dollars."""
        return to_usd(self.total_micro_usd)

    def when(self, hour: int) -> datetime.datetime:
        """The beginning of an hour of the grid, UTC."""
        return self.start + datetime.timedelta(hours=hour)

    def to_frame(self, table: str = "runs") -> pd.DataFrame:
        """One table as a DataFrame; runs also with start and end in UTC."""
        frame = getattr(self, table).to_frame()
        if table == "runs":
            frame["start"] = [self.when(h) for h in frame["start_hour"]]
            frame["end"] = [self.when(h) for h in frame["end_hour"]]
        return frame


def tables(
    problem: ScheduleProblem, made: Assignment, reasons: Sequence[str] = (), unbilled: str = ""
) -> dict[str, Table]:
    """The tables of an engine's assignment; `reasons` [J] of those left out; lines of the kind `unbilled` are too."""
    o, names = problem.options, problem.jobs.name.tolist()
    runs, left = [], []
    for job, (option, spans) in enumerate(zip(made.option.tolist(), made.spans, strict=True)):
        if option < 0:
            left.append((names[job], reasons[job] if reasons else "dearer to run than to leave out"))
        for number, (begin, end) in enumerate(spans):
            pool = problem.pools[o.pool[option]]
            runs.append((names[job], pool, option, number, begin, end, int(o.nodes[option])))
    s, paid = problem.supplies, np.flatnonzero(made.opened & problem.upfront).tolist()
    bought = [(row, problem.pools[s.pool[row]], s.name[row], int(s.upfront_micro_usd[row])) for row in paid]
    lines = sorted(line for line in _bill(problem, made) if line[-1] and line[0] != unbilled)
    return {
        "runs": Table.from_records(RUNS, runs),
        "bought": Table.from_records(("supply", "pool", "name", "micro_usd"), bought),
        "left": Table.from_records(LEFT, left),
        "cost_lines": Table.from_records(LINES, lines),
    }


def _bill(problem: ScheduleProblem, made: Assignment) -> Iterator[tuple[str, str, str, int, int]]:
    """Cost lines: nodes hour by hour, split over the jobs of the pool by their nodes, the cheapest supply first."""
    o, names = problem.options, problem.jobs.name.tolist()
    by_job = np.zeros((len(names), problem.hours), dtype=np.int64)
    for job, spans in enumerate(made.spans):
        for begin, end in spans:
            by_job[job, begin:end] = o.nodes[made.option[job]]
    for job, option in enumerate(made.option.tolist()):
        if option >= 0:
            yield "once", names[job], problem.pools[o.pool[option]], -1, int(o.micro_usd[option])
        else:
            yield "not run", names[job], "", -1, int(problem.jobs.unrun_micro_usd[job])
    at = np.where(made.option >= 0, o.pool[made.option], -1) if len(o.pool) else np.full(len(names), -1)
    for pool in range(len(problem.pools)):
        jobs = np.flatnonzero(at == pool)
        yield from _of_pool(problem, made.opened, pool, [names[j] for j in jobs], by_job[jobs])


def _of_pool(
    problem: ScheduleProblem, opened: Array, pool: int, names: list[str], nodes: Array
) -> Iterator[tuple[str, str, str, int, int]]:
    """Lines of one pool, whose jobs have these names and nodes in each hour [n, T]."""
    s, where = problem.supplies, problem.pools[pool]
    rows = np.flatnonzero((s.pool == pool) & opened)
    for row, use in zip(rows.tolist(), _used(problem, rows, nodes.sum(axis=0)), strict=True):
        cost, share = use * s.micro_usd_per_hour[row], np.zeros(len(names), dtype=object)
        for t in np.flatnonzero(cost).tolist():
            share += np.array(apportion(int(cost[t]), nodes[:, t].tolist()), dtype=object)
        yield from (("compute", name, where, row, int(m)) for name, m in zip(names, share.tolist(), strict=True))
        if once := int(s.upfront_micro_usd[row]):
            weights = nodes[:, s.nodes[row] > 0].sum(axis=1).tolist()
            users, parts = (names, apportion(once, weights)) if any(weights) else ([NOBODY], [once])
            yield from (("upfront", name, where, row, m) for name, m in zip(users, parts, strict=True))


def _used(problem: ScheduleProblem, rows: Array, load: Array) -> list[Array]:
    """Nodes used of each supply [T], the cheapest in each hour first, of equal ones the earlier row."""
    price, nodes = problem.supplies.micro_usd_per_hour[rows], problem.supplies.nodes[rows]
    order = np.argsort(price, axis=0, kind="stable")
    sorted_nodes = np.take_along_axis(nodes, order, axis=0)
    used = np.clip(load - (np.cumsum(sorted_nodes, axis=0) - sorted_nodes), 0, sorted_nodes)
    made = np.zeros_like(nodes)
    np.put_along_axis(made, order, used, axis=0)
    return list(made)
