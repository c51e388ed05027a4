"""Every schedule of a tiny problem, one after another: the cheapest, without any of the planner's code but the data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from solver.schedule import ScheduleProblem

Spans = tuple[tuple[int, int], ...]
Way = tuple[int, Spans]  # option, segments; (−1, ()) is not running


def ways(problem: ScheduleProblem, job: int) -> Iterator[Way]:
    """Every way to run a job, and not running it."""
    j, o = problem.jobs, problem.options
    first, last, restart = int(j.release[job]), int(j.deadline[job]), int(j.restart_hours[job])
    if not j.must_run[job]:
        yield -1, ()
    for k in np.flatnonzero(o.job == job).tolist():
        hours = int(o.hours[k])
        for count in range(1, int(j.max_segments[job]) + 1):
            for edges in itertools.combinations(range(first, last + 1), 2 * count):
                spans = tuple(itertools.batched(edges, 2)) if hasattr(itertools, "batched") else _pairs(edges)
                work = [b - a - (restart if i else 0) for i, (a, b) in enumerate(spans)]
                if sum(work) == hours and (count == 1 or min(work) >= j.min_segment_hours[job]):
                    yield k, spans


def _pairs(edges: tuple[int, ...]) -> Spans:
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def cost(problem: ScheduleProblem, chosen: tuple[Way, ...]) -> int | None:
    """Least micro-dollars of these ways together; None when there are not enough nodes."""
    o, s = problem.options, problem.supplies
    load, total = np.zeros((len(problem.pools), problem.hours), dtype=np.int64), 0
    for job, (k, spans) in enumerate(chosen):
        total += int(problem.jobs.unrun_micro_usd[job]) if k < 0 else int(o.micro_usd[k])
        for a, b in spans:
            load[o.pool[k], a:b] += o.nodes[k]
    for pool in range(len(problem.pools)):
        rows = np.flatnonzero(s.pool == pool).tolist()
        sold = [r for r in rows if s.upfront_micro_usd[r]]
        found = [
            _bought(problem, load[pool], [r for r in rows if r not in sold or r in some])
            + sum(int(s.upfront_micro_usd[r]) for r in some)
            for n in range(len(sold) + 1)
            for some in itertools.combinations(sold, n)
        ]
        total += min(found)
    return total if total < NEVER else None


NEVER = 10**15


def _bought(problem: ScheduleProblem, load: np.ndarray, rows: list[int]) -> int:
    s, total = problem.supplies, 0
    for t, wanted in enumerate(load.tolist()):
        prices = sorted((int(s.micro_usd_per_hour[r, t]), int(s.nodes[r, t])) for r in rows)
        nodes = [price for price, count in prices for _ in range(count)]
        if wanted > len(nodes):
            return NEVER
        total += sum(nodes[:wanted])
    return total


def cheapest(problem: ScheduleProblem) -> int | None:
    """Least micro-dollars of all schedules; None when there is none."""
    every = [list(ways(problem, job)) for job in range(len(problem.jobs.name))]
    found = [c for chosen in itertools.product(*every) if (c := cost(problem, chosen)) is not None]
    return min(found, default=None)
