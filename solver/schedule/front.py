"""Schedule a problem: search, bill, independent check, and the schedule with its certificate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import CheckError, InputError
from ..plan import Certificate
from .check import check
from .reasons import UnschedulableError, alone
from .result import Schedule, tables

if TYPE_CHECKING:
    from ..engine.gangs.board import Assignment
    from ..plan import Termination
    from ..solve import Progress
    from .data import ScheduleProblem

NOISE = 1e-9  # of the bill: rounding of a bound that is as large as the bill


def schedule(
    problem: ScheduleProblem,
    *,
    time_limit_s: float = 20.0,
    gap: float = 0.005,
    seed: int = 0,
    deterministic: bool = False,
    progress: Callable[[Progress], None] | None = None,
    isolated: bool = True,
    memory_limit_gib: float | None = None,
) -> Schedule:
    """The cheapest schedule found, checked, with what is proved of it.

    Args:
        problem: what to schedule.
        time_limit_s: seconds of search.
        gap: relative gap between schedule and lower bound at which to stop.
        seed: of the search.
        deterministic: stop by steps of the search and never by the clock, with one thread.
        progress: hears of bounds and schedules as they are found.
        isolated: search in a child process, which a limit, Ctrl-C or a crash ends with the best schedule kept; False
            searches in this one.
        memory_limit_gib: GiB the search may take beyond what its process starts with.

    Raises:
        InputError: a limit out of its range.
        UnschedulableError: jobs that must run cannot; each is named with the reason.
        EngineError: the search failed or found nothing in time.
        CheckError: the schedule failed the independent check.
        KeyboardInterrupt: interrupted before there was a schedule.
    """
    if not (time_limit_s > 0 and 0 <= gap < 1):
        raise InputError("time_limit_s must be above 0, gap from 0 to below 1", where="schedule")
    must = np.flatnonzero(problem.jobs.must_run).tolist()
    faults = [(str(problem.jobs.name[j]), reason) for j in must if (reason := alone(problem, j))]
    if faults:
        raise UnschedulableError(tuple(faults))
    from ..solve import _reporter, can_limit

    can_limit(memory_limit_gib, isolated=isolated)
    from ..engine.gangs.run import GangTask
    from ..engine.host import search

    start = time.monotonic()
    task = GangTask(
        problem=problem, time_limit_s=time_limit_s, gap=gap, seed=seed, deterministic=deterministic,
        memory_limit_gib=memory_limit_gib,
    )  # fmt: skip
    found = search(cast("Any", task), _reporter(progress, start), isolated=isolated)
    outcome: Any = found.outcome
    if outcome.termination == "infeasible":
        raise UnschedulableError(_short(problem, outcome.decision))
    seconds = 0.0 if deterministic else round(time.monotonic() - start, 3)
    about = {"seed": found.seed, "deterministic": deterministic, "seconds": seconds, "warnings": found.warnings}
    return finished(
        problem,
        outcome.decision,
        outcome.bound,
        outcome.termination,
        gap=gap,
        prices=getattr(outcome, "prices", None),
        **about,
    )


def finished(
    problem: ScheduleProblem,
    made: Assignment,
    bound_usd: float,
    termination: Termination,
    *,
    gap: float,
    prices: Any = None,
    **about: Any,
) -> Schedule:
    """The schedule of an assignment, once the check has found nothing.

    Raises:
        CheckError: it has, or the bound is above the bill.
    """
    empty = np.zeros((len(problem.pools), problem.hours), dtype=np.int64)
    parts: dict[str, Any] = dict(tables(problem, made, _why_left(problem, made)))
    total = sum(parts["cost_lines"]["micro_usd"].tolist()) if len(parts["cost_lines"]) else 0
    lower = max(0, math.floor(bound_usd * 1e6 + 0.5)) if math.isfinite(bound_usd) else 0
    if lower > total * (1 + NOISE) + 1:
        raise CheckError(f"the bound, {lower}, is above the bill, {total} micro-dollars", where="schedule")
    certificate = Certificate(kind="proved", lower_micro_usd=min(lower, total), upper_micro_usd=total)
    result = Schedule(
        name=problem.name,
        start=problem.start,
        hours=problem.hours,
        termination=_ended(termination, certificate, gap),
        certificate=certificate,
        problem_digest=problem.digest(),
        prices=empty if prices is None else prices,
        **parts,
        **about,
    )
    found = check(problem, result)
    if found:
        said = "; ".join(map(str, found[:3]))
        raise CheckError(f"{len(found)} faults, the first: {said}", where="schedule", mend="report the problem")
    return result


def _ended(said: Termination, certificate: Certificate, gap: float) -> Termination:
    if said in {"interrupted", "engine failed"}:
        return said
    if certificate.lower_micro_usd == certificate.upper_micro_usd:
        return "optimal"
    return (
        "gap reached" if certificate.gap <= gap else said if said in {"time limit", "gap not reached"} else "time limit"
    )


def _loads(problem: ScheduleProblem, made: Assignment) -> Any:
    o, load = problem.options, np.zeros((len(problem.pools), problem.hours), dtype=np.int64)
    for option, spans in zip(made.option.tolist(), made.spans, strict=True):
        for begin, end in spans:
            load[o.pool[option], begin:end] += o.nodes[option]
    return load


def _why_left(problem: ScheduleProblem, made: Assignment) -> list[str]:
    """A reason for each job that does not run [J]."""
    left = np.flatnonzero(made.option < 0)
    reasons = ["" for _ in made.option]
    load = _loads(problem, made) if len(left) else None
    for job in left.tolist():
        found = alone(problem, job) or alone(problem, job, load)
        reasons[job] = found or "dearer to run than to leave out"
    return reasons


def _short(problem: ScheduleProblem, made: Assignment) -> tuple[tuple[str, str], ...]:
    """Jobs that must run and do not in the schedule that leaves the fewest out, and why."""
    load = _loads(problem, made)
    jobs = [j for j in np.flatnonzero(problem.jobs.must_run).tolist() if made.option[j] < 0]
    return tuple(
        (str(problem.jobs.name[j]), alone(problem, j, load) or "finds no room beside the other jobs") for j in jobs
    )
