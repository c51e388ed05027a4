"""What gang scheduling knows: a grid of hours, pools with what supplies them, jobs and where each could run.

Every quantity is a whole number (nodes, hours, micro-dollars), so that a schedule is checked without a rounding error.
Index letters: T hours of the grid, P pools, S supplies, J jobs, O options.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
SUPPLY_KINDS = ("idle", "on_demand", "block", "spot")
MAX_HOURS = 24 * 366 * 2
MAX_WORK = 10**9  # hours, of a gang that will never be done in time
MAX_NODES = 10**6
MAX_NODE_HOUR_MICRO_USD = 10**10  # $10,000
MAX_MICRO_USD = 10**15  # a billion dollars, of one job or payment
MOST_IN_ALL = 2**60  # micro-dollars that all jobs together may cost at the very most


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """Where the nodes of a pool come from, one row each; in an hour the cheapest of those open are used first.

    A supply with an upfront payment (a capacity block) is opened as a whole, once, and only then has nodes.
    """

    pool: Array  # int64 [S]
    kind: Array  # str [S] of SUPPLY_KINDS
    name: Array  # str [S] for people: "idle commitments", "on demand"
    nodes: Array  # int64 [S, T] to be had in each hour; 0 outside a block's window
    micro_usd_per_hour: Array  # int64 [S, T] of a node in use
    upfront_micro_usd: Array  # int64 [S] once, if it is used at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Training runs, one row each. Hours are those of the grid; a deadline is the first hour it may not run in."""

    name: Array  # str [J], all different
    release: Array  # int64 [J] first hour it may run in
    deadline: Array  # int64 [J]
    must_run: Array  # bool [J] leaving it out is no choice
    unrun_micro_usd: Array  # int64 [J] price of not running it; 0 for those that must
    max_segments: Array  # int64 [J] 1: it runs through
    min_segment_hours: Array  # int64 [J] work in each segment at least, when there is more than one
    restart_hours: Array  # int64 [J] without work at the head of each further segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A job in a pool: one row for each gang it could be. A job takes one option, or does not run."""

    job: Array  # int64 [O]
    pool: Array  # int64 [O]
    nodes: Array  # int64 [O] of the gang: all at once
    hours: Array  # int64 [O] of work
    micro_usd: Array  # int64 [O] once, such as moving its data there


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleProblem:
    """One scheduling problem, complete and validated.

    Raises:
        InputError: shapes that do not fit, numbers out of range, or names that repeat, naming the place.
    """

    name: str
    start: datetime.datetime  # of hour 0, UTC, on the hour
    pools: tuple[str, ...]  # P names, all different
    supplies: Supplies
    jobs: Jobs
    options: Options

    def __post_init__(self) -> None:
        """Check everything once, so that no other part has to."""
        _check_frame(self)
        _check_supplies(self)
        _check_jobs(self)
        _check_options(self)
        if _most_micro_usd(self) > MOST_IN_ALL:
            raise _wrong("jobs", "could cost more than can be counted together", "plan fewer of them at a time")

    @property
    def hours(self) -> int:
        """Hours T of the grid."""
        return int(self.supplies.nodes.shape[1])

    def capacity(self, opened: Array | None = None) -> Array:
        """Nodes of each pool in each hour, int64 [P, T]: of all supplies, or of those marked in `opened` [S]."""
        made = np.zeros((len(self.pools), self.hours), dtype=np.int64)
        rows = np.arange(len(self.supplies.pool)) if opened is None else np.flatnonzero(opened)
        np.add.at(made, self.supplies.pool[rows], self.supplies.nodes[rows])
        return made

    @property
    def upfront(self) -> Array:
        """Supplies that must be opened, bool [S]."""
        return cast("Array", self.supplies.upfront_micro_usd > 0)

    def digest(self) -> str:
        """Content hash: the same problem gives the same digest anywhere."""
        h = hashlib.sha256(repr((self.name, self.start.isoformat(), self.pools)).encode())
        for part in (self.supplies, self.jobs, self.options):
            for column in dataclasses.fields(part):
                values = getattr(part, column.name)
                h.update(f"{column.name} {values.shape}".encode())
                h.update(repr(values.tolist()).encode() if values.dtype == object else values.tobytes())
        return h.hexdigest()


def build(
    *,
    name: str,
    start: datetime.datetime,
    hours: int,
    pools: list[str] | tuple[str, ...],
    supplies: list[dict[str, Any]],
    jobs: list[dict[str, Any]],
) -> ScheduleProblem:
    """A problem written by hand.

    Args:
        name: of the problem.
        start: hour 0.
        hours: of the grid.
        pools: names.
        supplies: one dict each: pool (name), nodes and usd_per_hour (a number, or one for each hour); kind, name,
            upfront_usd as wanted.
        jobs: one dict each: name, options (a list of dicts: pool, nodes, hours; usd once); release, deadline, unrun_usd
            (left out, it must run), max_segments, min_segment_hours, restart_hours as wanted.

    Raises:
        InputError: something does not fit.
    """
    from ..money import to_micro

    at = {pool: i for i, pool in enumerate(pools)}
    options = [(j, option) for j, job in enumerate(jobs) for option in job["options"]]
    for where, named in (*(("supply", s) for s in supplies), *(("option", o) for _, o in options)):
        if named["pool"] not in at:
            raise _wrong(where, f"is in {named['pool']!r}, which is no pool", f"one of {', '.join(pools)}")

    def whole(rows: list[Any], key: str, other: int = 0) -> Array:
        return np.array([row.get(key, other) for row in rows], dtype=np.int64)

    def hourly(value: Any) -> Array:
        return np.broadcast_to(np.asarray(value, dtype=np.int64), (hours,)).copy()

    def micro(value: Any) -> Any:
        return [to_micro(str(v)) for v in value] if isinstance(value, list | tuple) else to_micro(str(value))

    def grid(rows: list[Array]) -> Array:
        return np.array(rows, dtype=np.int64).reshape(len(supplies), hours)

    kinds = [str(s.get("kind", "on_demand")) for s in supplies]
    return ScheduleProblem(
        name=name,
        start=start,
        pools=tuple(pools),
        supplies=Supplies(
            pool=np.array([at[s["pool"]] for s in supplies], dtype=np.int64),
            kind=np.array(kinds, dtype=object),
            name=np.array([s.get("name", k.replace("_", " ")) for s, k in zip(supplies, kinds, strict=True)], object),
            nodes=grid([hourly(s["nodes"]) for s in supplies]),
            micro_usd_per_hour=grid([hourly(micro(s.get("usd_per_hour", 0))) for s in supplies]),
            upfront_micro_usd=np.array([micro(s.get("upfront_usd", 0)) for s in supplies], dtype=np.int64),
        ),
        jobs=Jobs(
            name=np.array([job["name"] for job in jobs], dtype=object),
            release=whole(jobs, "release"),
            deadline=whole(jobs, "deadline", hours),
            must_run=np.array(["unrun_usd" not in job for job in jobs], dtype=bool),
            unrun_micro_usd=np.array([micro(job.get("unrun_usd", 0)) for job in jobs], dtype=np.int64),
            max_segments=whole(jobs, "max_segments", 1),
            min_segment_hours=whole(jobs, "min_segment_hours", 1),
            restart_hours=whole(jobs, "restart_hours"),
        ),
        options=Options(
            job=np.array([j for j, _ in options], dtype=np.int64),
            pool=np.array([at[o["pool"]] for _, o in options], dtype=np.int64),
            nodes=whole([o for _, o in options], "nodes"),
            hours=whole([o for _, o in options], "hours"),
            micro_usd=np.array([micro(o.get("usd", 0)) for _, o in options], dtype=np.int64),
        ),
    )


def _wrong(where: str, message: str, mend: str = "") -> InputError:
    return InputError(message, where=f"schedule: {where}", mend=mend)


def _column(where: str, values: Array, shape: tuple[int, ...], span: tuple[int, int] | None) -> None:
    """Shape, whole numbers, range; texts where there is no range."""
    if values.shape != shape:
        raise _wrong(where, f"must have shape {shape}, has {values.shape}")
    if span is None:
        bad = [v for v in values.ravel().tolist() if not isinstance(v, str) or not v.strip() or not v.isprintable()]
        if values.dtype != object or bad:
            raise _wrong(where, f"must hold printable texts, holds {bad[0] if bad else values.dtype!r}")
    elif values.dtype != np.int64:
        raise _wrong(where, f"must be int64, is {values.dtype}")
    elif values.size and not (span[0] <= int(values.min()) and int(values.max()) <= span[1]):
        worst = int(values.min()) if values.min() < span[0] else int(values.max())
        raise _wrong(where, f"must be from {span[0]:,} to {span[1]:,}, holds {worst:,}")


def _check_frame(p: ScheduleProblem) -> None:
    if p.start.tzinfo is not None and p.start.utcoffset() != datetime.timedelta(0):
        raise _wrong("start", "must be in UTC")
    if (p.start.minute, p.start.second, p.start.microsecond) != (0, 0, 0):
        raise _wrong("start", "must be on the hour")
    if len(set(p.pools)) < len(p.pools):
        raise _wrong("pools", "two have the same name")
    if p.supplies.nodes.ndim != 2 or not 1 <= p.hours <= MAX_HOURS:  # noqa: PLR2004
        raise _wrong("supplies.nodes", f"must be [S, T] with 1 to {MAX_HOURS:,} hours")


def _check_supplies(p: ScheduleProblem) -> None:
    s, count = p.supplies, len(p.supplies.pool)
    _column("supplies.pool", s.pool, (count,), (0, len(p.pools) - 1))
    _column("supplies.kind", s.kind, (count,), None)
    _column("supplies.name", s.name, (count,), None)
    _column("supplies.nodes", s.nodes, (count, p.hours), (0, MAX_NODES))
    _column("supplies.micro_usd_per_hour", s.micro_usd_per_hour, (count, p.hours), (0, MAX_NODE_HOUR_MICRO_USD))
    _column("supplies.upfront_micro_usd", s.upfront_micro_usd, (count,), (0, MAX_MICRO_USD))
    if odd := sorted(set(s.kind.tolist()) - set(SUPPLY_KINDS)):
        raise _wrong("supplies.kind", f"{odd[0]!r} is unknown", f"one of {', '.join(SUPPLY_KINDS)}")


def _check_jobs(p: ScheduleProblem) -> None:
    j, count = p.jobs, len(p.jobs.name)
    _column("jobs.name", j.name, (count,), None)
    if len(set(j.name.tolist())) < count:
        raise _wrong("jobs.name", "two jobs have the same name", "give each its own")
    spans = {
        "release": (0, p.hours), "deadline": (0, p.hours), "unrun_micro_usd": (0, MAX_MICRO_USD),
        "max_segments": (1, p.hours), "min_segment_hours": (1, MAX_HOURS), "restart_hours": (0, MAX_HOURS),
    }  # fmt: skip
    for field, span in spans.items():
        _column(f"jobs.{field}", getattr(j, field), (count,), span)
    if j.must_run.shape != (count,) or j.must_run.dtype != bool:
        raise _wrong("jobs.must_run", "must be true or false for each job")


def _check_options(p: ScheduleProblem) -> None:
    o, count = p.options, len(p.options.job)
    _column("options.job", o.job, (count,), (0, len(p.jobs.name) - 1))
    _column("options.pool", o.pool, (count,), (0, len(p.pools) - 1))
    _column("options.nodes", o.nodes, (count,), (1, MAX_NODES))
    _column("options.hours", o.hours, (count,), (1, MAX_WORK))
    _column("options.micro_usd", o.micro_usd, (count,), (0, MAX_MICRO_USD))


def _most_micro_usd(p: ScheduleProblem) -> int:
    """No schedule that uses each hour of each gang once costs more."""
    o, j, s = p.options, p.jobs, p.supplies
    dearest = np.zeros(len(p.pools), dtype=object)
    np.maximum.at(dearest, s.pool, s.micro_usd_per_hour.max(axis=1, initial=0).astype(object))
    each = np.array(j.unrun_micro_usd.tolist(), dtype=object)
    window = np.maximum(j.deadline - j.release, 0)[o.job].astype(object)
    np.maximum.at(each, o.job, dearest[o.pool] * o.nodes * window + o.micro_usd)
    return int(sum(each.tolist()) + sum(s.upfront_micro_usd.tolist()))
