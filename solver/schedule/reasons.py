"""Why a job cannot run: too large for every pool, too little time, or not enough nodes, and in which hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.gangs.segments import cheapest
from ..errors import InfeasibleError

if TYPE_CHECKING:
    from .data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]
NEVER = 1 << 40
SHOWN = 3  # jobs named in a message, and stretches of hours


class UnschedulableError(InfeasibleError):
    """Jobs that must run cannot."""

    def __init__(self, jobs: tuple[tuple[str, str], ...]) -> None:
        """Name them.

        Args:
            jobs: name and reason of each.
        """
        self.jobs = jobs
        said = "; ".join(f"{name} {reason}" for name, reason in jobs[:SHOWN])
        more = f"; and {len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
        many = "1 job that must run cannot" if len(jobs) == 1 else f"{len(jobs)} jobs that must run cannot all do so"
        mend = "give it a price of not running, more time or more nodes"
        super().__init__(f"{many}: {said}{more}", where="schedule", mend=mend)

    def __reduce__(self) -> Any:
        """As it is made."""
        return type(self), (self.jobs,)


def alone(problem: ScheduleProblem, job: int, taken: Array | None = None) -> str:
    """Why a job cannot run even if it were alone, or beside the nodes taken [P, T]; "" if it can."""
    o, j = problem.options, problem.jobs
    first, last = int(j.release[job]), int(j.deadline[job])
    rows = np.flatnonzero(o.job == job).tolist()
    if not rows:
        return "fits no pool: no option is known for it"
    window = max(0, last - first)
    if min(int(o.hours[k]) for k in rows) > window:
        needed = min(int(o.hours[k]) for k in rows)
        return f"needs {needed} hours, its window {_span(problem, first, last)} has {window}"
    capacity = problem.capacity()
    peak = {k: int(capacity[o.pool[k], first:last].max(initial=0)) for k in rows}
    if all(int(o.nodes[k]) > peak[k] for k in rows):
        k = min(rows, key=lambda k: int(o.nodes[k]) - peak[k])
        pool = problem.pools[int(o.pool[k])]
        return f"needs {int(o.nodes[k])} nodes at once, {pool} has {peak[k]} at most in its window"
    free = capacity if taken is None else capacity - taken
    rules = (int(j.max_segments[job]), int(j.min_segment_hours[job]), int(j.restart_hours[job]))
    for k in rows:
        cost = np.where(free[o.pool[k], first:last] < o.nodes[k], NEVER, 0).astype(np.int64)
        if cheapest(cost, int(o.hours[k]), *rules, NEVER)[1]:
            return ""
    k = max(
        (k for k in rows if int(o.hours[k]) <= window),
        key=lambda k: int((free[o.pool[k], first:last] >= o.nodes[k]).sum()),
    )
    short = np.flatnonzero(free[o.pool[k], first:last] < o.nodes[k]) + first
    where, whole = problem.pools[int(o.pool[k])], "" if rules[0] > 1 else " without a break"
    beside = "" if taken is None else " beside the other jobs"
    return (
        f"needs {int(o.nodes[k])} nodes for {int(o.hours[k])} hours{whole}; {where} has too few{beside} "
        f"{_stretches(problem, short)}"
    )


def _stretches(problem: ScheduleProblem, hours: Array) -> str:
    """Hours as stretches of time, the first few."""
    if not len(hours):
        return "in no hour, but not for as long"
    edges = np.flatnonzero(np.diff(hours) > 1)
    begins, ends = hours[np.append(0, edges + 1)], hours[np.append(edges, len(hours) - 1)] + 1
    said = [_span(problem, a, b) for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    return f"in {', '.join(said[:SHOWN])}" + (f" and {len(said) - SHOWN} more stretches" if len(said) > SHOWN else "")


def _span(problem: ScheduleProblem, first: int, last: int) -> str:
    import datetime

    a, b = (problem.start + datetime.timedelta(hours=h) for h in (first, last))
    return f"{a:%Y-%m-%d %H:%M} to {b:%Y-%m-%d %H:%M} UTC"
