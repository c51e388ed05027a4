"""The independent check of a schedule: every rule and every dollar, in whole numbers, from the tables alone.

It shares no code with the engine: jobs are walked one by one and hours one by one.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..rules.base import Violation, split
from .result import LEFT, LINES, NOBODY, RUNS

if TYPE_CHECKING:
    from .data import ScheduleProblem
    from .result import Schedule

Row = dict[str, Any]
Key = tuple[str, str, str, int]


def check(problem: ScheduleProblem, schedule: Schedule) -> list[Violation]:
    """Everything wrong with a schedule; an empty list means that it is sound.

    Not covered: `prices` and `left.reason`, which decide nothing; and that no schedule costs less than the lower bound
    (`verified_bound` recomputes the bound by prices).
    """
    found = list(_readable(problem, schedule))
    if found:
        return found
    runs = defaultdict(list)
    for row in schedule.runs.records():
        runs[row["job"]].append(row)
    opened = {row["supply"] for row in schedule.bought.records()}
    for job, name in enumerate(problem.jobs.name.tolist()):
        found += _job(problem, job, name, runs.get(name, []))
    taken = _taken(schedule)
    found += _capacity(problem, taken, opened)
    found += _left(problem, schedule, set(runs))
    if not found:  # an hour beyond capacity has no price
        found += _bill(problem, schedule, taken, opened)
    return [*found, *_certificate(schedule)]


def _wrong(rule: str, where: str, message: str) -> Violation:
    return Violation(rule, where, message)


def _readable(problem: ScheduleProblem, schedule: Schedule) -> Iterator[Violation]:
    """Columns are there, rows are in range, numbers are whole, and the schedule is of this problem."""
    if schedule.problem_digest != problem.digest():
        yield _wrong("structure", "problem_digest", "is that of another problem")
    if (schedule.start, schedule.hours) != (problem.start, problem.hours):
        yield _wrong("structure", "start", "the grid is not the problem's")
    broken = list(_whole(schedule))
    yield from broken
    if broken:
        return
    names, pools = set(problem.jobs.name.tolist()), set(problem.pools)
    most = len(problem.options.job)
    for row in schedule.runs.records():
        inside = 0 <= row["start_hour"] < row["end_hour"] <= problem.hours and 0 <= row["option"] < most
        if row["job"] not in names or row["pool"] not in pools or not inside:
            yield _wrong("structure", f"runs of {row['job']!r:.80}", "name nothing in the problem")
    upfront = [int(x) for x in problem.supplies.upfront_micro_usd]
    rows = [row["supply"] for row in schedule.bought.records()]
    if len(set(rows)) < len(rows) or any(not 0 <= r < len(upfront) or not upfront[r] for r in rows):
        yield _wrong("structure", "bought", "names what is not sold, or something twice")


def _whole(schedule: Schedule) -> Iterator[Violation]:
    """Columns are there, and their numbers whole."""
    wanted = {"runs": RUNS, "cost_lines": LINES, "left": LEFT, "bought": ("supply", "pool", "name", "micro_usd")}
    for table, columns in wanted.items():
        if missing := [c for c in columns if c not in getattr(schedule, table)]:
            yield _wrong("structure", table, f"has no column {', '.join(missing)}")
            return
    whole = {"runs": ("option", "segment", "start_hour", "end_hour", "nodes"), "bought": ("supply",),
             "cost_lines": ("supply", "micro_usd")}  # fmt: skip
    for table, columns in whole.items():
        for column in columns:
            if any(type(v) is not int for v in getattr(schedule, table)[column].tolist()):
                yield _wrong("structure", f"{table}.{column}", "holds what is no whole number")
                return


def _job(problem: ScheduleProblem, job: int, name: str, runs: list[Row]) -> Iterator[Violation]:
    """One option, its gang, its hours, within its window, in segments as it allows."""
    o, j = problem.options, problem.jobs
    if not runs:
        return
    options = {row["option"] for row in runs}
    if len(options) > 1:
        yield _wrong("one option", name, f"runs as {len(options)} options")
        return
    k = options.pop()
    if int(o.job[k]) != job or any(row["pool"] != problem.pools[int(o.pool[k])] for row in runs):
        yield _wrong("one option", name, f"option {k} is not its own in {runs[0]['pool']}")
        return
    gang = int(o.nodes[k])
    for row in runs:
        if row["nodes"] != gang:
            yield _wrong("gang", name, f"runs on {row['nodes']} nodes, its gang is {gang}")
    runs = sorted(runs, key=lambda row: int(row["start_hour"]))
    if [row["segment"] for row in runs] != list(range(len(runs))):
        yield _wrong("structure", name, "its segments are not numbered in order")
    release, deadline = int(j.release[job]), int(j.deadline[job])
    if runs[0]["start_hour"] < release or max(row["end_hour"] for row in runs) > deadline:
        yield _wrong("window", name, f"runs outside of hours {release} to {deadline}")
    for one, other in itertools.pairwise(runs):
        if other["start_hour"] <= one["end_hour"]:
            yield _wrong("gap", name, f"segment {other['segment']} begins before or as the one before ends")
    yield from _work(problem, job, name, [row["end_hour"] - row["start_hour"] for row in runs], int(o.hours[k]))


def _work(problem: ScheduleProblem, job: int, name: str, lengths: list[int], hours: int) -> Iterator[Violation]:
    j = problem.jobs
    restart, least, most = int(j.restart_hours[job]), int(j.min_segment_hours[job]), int(j.max_segments[job])
    if len(lengths) > most:
        yield _wrong("segments", name, f"runs in {len(lengths)} segments, {most} at most")
    owed = hours + restart * (len(lengths) - 1)
    if sum(lengths) != owed:
        yield _wrong("hours", name, f"runs {sum(lengths)} hours, its work and restarts take {owed}")
    if len(lengths) > 1:
        for number, length in enumerate(lengths):
            work = length - (restart if number else 0)
            if work < least:
                yield _wrong("segment length", name, f"segment {number} works {work} hours, {least} at least")


def _taken(schedule: Schedule) -> dict[tuple[str, int], dict[str, int]]:
    """Nodes by job in each pool and hour."""
    taken: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for row in schedule.runs.records():
        for hour in range(row["start_hour"], row["end_hour"]):
            here = taken[row["pool"], hour]
            here[row["job"]] = here.get(row["job"], 0) + row["nodes"]
    return taken


def _on_sale(problem: ScheduleProblem, pool: str, hour: int, opened: set[int]) -> list[tuple[int, int, int]]:
    """(price, row, nodes) of what can be had, the cheapest first."""
    s, at = problem.supplies, problem.pools.index(pool)
    return sorted(
        (int(s.micro_usd_per_hour[r, hour]), r, int(s.nodes[r, hour]))
        for r in range(len(s.pool))
        if s.pool[r] == at and (not s.upfront_micro_usd[r] or r in opened)
    )


def _capacity(
    problem: ScheduleProblem, taken: dict[tuple[str, int], dict[str, int]], opened: set[int]
) -> Iterator[Violation]:
    over: dict[str, list[int]] = defaultdict(list)
    for (pool, hour), jobs in sorted(taken.items()):
        if sum(jobs.values()) > sum(nodes for _, _, nodes in _on_sale(problem, pool, hour, opened)):
            over[pool].append(hour)
    for pool, hours in over.items():
        yield _wrong("capacity", pool, f"is short of nodes in {len(hours)} hours, the first is {hours[0]}")


def _left(problem: ScheduleProblem, schedule: Schedule, running: set[str]) -> Iterator[Violation]:
    """All that must run do, and those that do not are listed."""
    names, must = problem.jobs.name.tolist(), problem.jobs.must_run.tolist()
    for name, needed in zip(names, must, strict=True):
        if needed and name not in running:
            yield _wrong("must run", name, "does not run")
    if sorted(schedule.left["job"].tolist()) != sorted(set(names) - running):
        yield _wrong("structure", "left", "is not the list of jobs that do not run")


def _bill(
    problem: ScheduleProblem, schedule: Schedule, taken: dict[tuple[str, int], dict[str, int]], opened: set[int]
) -> Iterator[Violation]:
    owed: dict[Key, int] = defaultdict(int)
    for line in (*_compute(problem, taken, opened), *_upfront(problem, taken, opened), *_by_job(problem, schedule)):
        owed[line[:-1]] += line[-1]
    billed: dict[Key, int] = {}
    for row in schedule.cost_lines.records():
        key = (row["kind"], row["job"], row["pool"], row["supply"])
        if key in billed:
            yield _wrong("bill", "/".join(map(str, key)), "stands there twice")
        billed[key] = row["micro_usd"]
    rules = {"compute": "node price", "upfront": "upfront", "once": "once", "not run": "unrun price"}
    for key in sorted({*billed, *(k for k, v in owed.items() if v)}):
        if billed.get(key, 0) != owed.get(key, 0):
            said = f"billed {billed.get(key, 0)} micro-dollars, recomputed {owed.get(key, 0)}"
            yield _wrong(rules.get(key[0], "bill"), "/".join(map(str, key)), said)


def _compute(
    problem: ScheduleProblem, taken: dict[tuple[str, int], dict[str, int]], opened: set[int]
) -> Iterator[tuple[str, str, str, int, int]]:
    order = {name: i for i, name in enumerate(problem.jobs.name.tolist())}
    for (pool, hour), jobs in taken.items():
        wanted, users = sum(jobs.values()), sorted(jobs, key=lambda name: order[name])
        for price, row, nodes in _on_sale(problem, pool, hour, opened):
            used = min(wanted, nodes)
            wanted -= used
            if used and price:
                parts = split(used * price, [Fraction(jobs[name]) for name in users])
                yield from (("compute", name, pool, row, part) for name, part in zip(users, parts, strict=True))


def _upfront(
    problem: ScheduleProblem, taken: dict[tuple[str, int], dict[str, int]], opened: set[int]
) -> Iterator[tuple[str, str, str, int, int]]:
    s, order = problem.supplies, {name: i for i, name in enumerate(problem.jobs.name.tolist())}
    for row in sorted(opened):
        pool, once = problem.pools[int(s.pool[row])], int(s.upfront_micro_usd[row])
        hours: dict[str, int] = defaultdict(int)
        for (at, hour), jobs in taken.items():
            if at == pool and s.nodes[row, hour]:
                for name, nodes in jobs.items():
                    hours[name] += nodes
        users = sorted(hours, key=lambda name: order[name])
        parts = split(once, [Fraction(hours[name]) for name in users]) if users else [once]
        for name, part in zip(users or [NOBODY], parts, strict=True):
            yield "upfront", name, pool, row, part


def _by_job(problem: ScheduleProblem, schedule: Schedule) -> Iterator[tuple[str, str, str, int, int]]:
    option = {row["job"]: row["option"] for row in schedule.runs.records()}
    for job, name in enumerate(problem.jobs.name.tolist()):
        if name in option:
            k = option[name]
            yield "once", name, problem.pools[int(problem.options.pool[k])], -1, int(problem.options.micro_usd[k])
        else:
            yield "not run", name, "", -1, int(problem.jobs.unrun_micro_usd[job])


def _certificate(schedule: Schedule) -> Iterator[Violation]:
    c = schedule.certificate
    if not 0 <= c.lower_micro_usd <= c.upper_micro_usd == schedule.total_micro_usd:
        said = f"{c.lower_micro_usd}..{c.upper_micro_usd} for a bill of {schedule.total_micro_usd}"
        yield _wrong("certificate", "bounds", said)
