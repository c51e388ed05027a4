"""Solve a problem: search, whole numbers, bill, independent check, and the plan with its certificate."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from .assemble import tables
from .bill import make_bill
from .carry import carry
from .check import check
from .conflicts import infeasible_plan
from .errors import CheckError, InputError
from .plan import Certificate, Plan, Provenance
from .reduce import reduce, start_in
from .rules import RULES, Books
from .rules.measures import objective_micro_usd

if TYPE_CHECKING:
    from .bill import Decision
    from .carry import Start
    from .engine.child import Task
    from .engine.run import Outcome
    from .plan import Termination
    from .problem import Problem
    from .rules import Rule

NOISE = 1e-6  # of the bill: rounding of a bound that is as large as the bill
REPORT = "report the spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a solve has come; dollars are None until there is such a figure."""

    seconds: float
    lower_usd: float | None
    upper_usd: float | None
    gap: float | None
    phase: str


def solve(  # noqa: PLR0913 (options by name, each with a default)
    problem: Problem,
    *,
    time_limit_s: float = 60.0,
    gap: float = 0.01,
    seed: int = 0,
    deterministic: bool = False,
    progress: Callable[[Progress], None] | None = None,
    rules: Sequence[Rule] = RULES,
    isolated: bool = True,
    memory_limit_gib: float | None = None,
    warm: Plan | Start | None = None,
) -> Plan:
    """The cheapest plan found, checked, with what is proved of it.

    The search runs in a child process. Whatever ends it early (the time limit, Ctrl-C, a crash of a back-end, memory),
    the best plan found until then is returned, and its termination and warnings say what happened.

    Args:
        problem: what to plan.
        time_limit_s: seconds of search; a child that does not end by itself is ended 2 s and 2 % later.
        gap: relative gap between plan and lower bound at which to stop.
        seed: of the search.
        deterministic: stop by nodes of the search and never by the clock, so that the same problem gives the same
            plan anywhere; the time limit is then not kept.
        progress: hears of bounds and plans as they are found.
        rules: what the model is made of; the check always knows all rules. Rules that another process cannot read,
            such as classes of the main script or of a notebook, are searched in this one.
        isolated: False searches in this process, for debuggers: a crash is then a crash of the caller, the time limit
            is kept by the back-ends alone, and what they print is seen.
        memory_limit_gib: GiB the search may take beyond what its process starts with.
        warm: a plan of this problem or of one like it (or what `carry` read of it) to start from: the search is
            quicker, and its plan no dearer than that one where it still keeps every rule.

    Raises:
        InputError: a limit that is not a number in its range, or not known on this system.
        CheckError: the plan failed the independent check.
        EngineError: the search failed or found nothing in time.
        KeyboardInterrupt: interrupted before there was a plan.
    """
    if not (time_limit_s > 0 and 0 <= gap < 1):
        raise InputError("time_limit_s must be above 0, gap from 0 to below 1", where="solve")
    can_limit(memory_limit_gib, isolated=isolated)
    from .engine.child import Task
    from .engine.host import search

    start = time.monotonic()
    before = carry(warm, problem) if isinstance(warm, Plan) else warm
    reduced = reduce(problem, rules, merge_blocks=before is None)
    task = Task(
        problem=reduced.problem,
        rules=rules,
        time_limit_s=time_limit_s,
        gap=gap,
        seed=seed,
        deterministic=deterministic,
        memory_limit_gib=memory_limit_gib,
        start=None if before is None else start_in(reduced, before),
    )
    found = search(task, _reporter(progress, start), isolated=isolated)
    seconds = time.monotonic() - start
    about = provenance(problem, seed=found.seed, deterministic=deterministic, seconds=seconds, warnings=found.warnings)
    outcome = found.outcome
    decision = None if outcome.decision is None else reduced.lift(outcome.decision)
    if outcome.termination == "infeasible" or decision is None:
        return infeasible_plan(problem, decision, about, memory_limit_gib=memory_limit_gib)
    return _checked(problem, decision, outcome, about, task)


def can_limit(memory_gib: float | None, *, isolated: bool) -> None:
    """Refuse a limit of memory that is none, or that cannot be kept."""
    if memory_gib is None:
        return
    if not 0 < memory_gib < math.inf:
        raise InputError("memory_limit_gib must be above 0", where="solve")
    if not isolated:
        raise InputError("memory_limit_gib is for isolated searches", where="solve", mend="set isolated=True")
    if sys.platform != "linux":
        raise InputError("memory_limit_gib is known on Linux only", where="solve", mend="leave it out")


def _reporter(progress: Callable[[Progress], None] | None, start: float) -> Callable[[str, float, float], None]:
    """What the engine says, as Progress."""

    def report(phase: str, lower: float, upper: float) -> None:
        if progress:
            known = math.isfinite(upper)
            progress(
                Progress(
                    seconds=time.monotonic() - start,
                    lower_usd=lower if math.isfinite(lower) else None,
                    upper_usd=upper if known else None,
                    gap=(upper - lower) / max(upper, 1e-9) if known and math.isfinite(lower) else None,
                    phase=phase,
                )
            )

    return report


def _checked(problem: Problem, decision: Decision, outcome: Outcome, about: Provenance, task: Task) -> Plan:
    """The plan of a decision, once the independent check has found nothing and the bound is below the bill."""
    lines = make_bill(problem, decision, task.rules)
    total = sum(lines["micro_usd"].tolist()) if len(lines) else 0
    made = tables(problem, decision)
    if not problem.limits.objective_is_bill:
        total = objective_micro_usd(problem, Books(problem, cast("Any", SimpleNamespace(**made))))
    lower = max(0, math.floor(outcome.bound * 1e6)) if math.isfinite(outcome.bound) else 0
    if lower > total * (1 + NOISE) + 1:
        raise CheckError(f"the bound, {lower}, is above the cost, {total} micro-dollars", where="plan", mend=REPORT)
    certificate = Certificate(
        kind="proved", lower_micro_usd=min(lower, total), upper_micro_usd=total,
        bounds="bill" if problem.limits.objective_is_bill else "objective",
    )  # fmt: skip
    ended = _ended(outcome.termination, certificate, task)
    plan = Plan.of(problem, termination=ended, certificate=certificate, provenance=about, cost_lines=lines, **made)
    found = check(problem, plan)
    if found:
        said = "; ".join(map(str, found[:3]))
        raise CheckError(f"{len(found)} faults, the first: {said}", where="plan", mend=REPORT)
    return finish(problem, plan)


def _ended(said: Termination, certificate: Certificate, task: Task) -> Termination:
    """Why the search stopped, measured by the bill: the engine's own figures are of its model, before rounding."""
    if said in {"interrupted", "engine failed"} or (said == "optimal" and certificate.gap <= NOISE):
        return said
    if certificate.gap <= max(task.gap, NOISE):
        return "gap reached"
    return "time limit" if said == "time limit" and not task.deterministic else "gap not reached"


def finish(problem: Problem, plan: Plan) -> Plan:
    """The plan with the summary people read and the ways of buying it is compared with."""
    from .summary import risk_table, summarise
    from .ways import ways

    return dataclasses.replace(
        plan, fleet=summarise(problem, plan), ways=ways(problem, plan.total_micro_usd), risk=risk_table(problem, plan)
    )


def provenance(
    problem: Problem, *, seed: int, deterministic: bool, seconds: float, warnings: Sequence[str] = ()
) -> Provenance:
    """Where the plan comes from."""
    from . import __version__

    p: dict[str, Any] = problem.provenance
    return Provenance(
        version=__version__,
        problem_digest=problem.digest(),
        catalog_digest=p.get("catalog_digest", ""),
        as_of=p.get("as_of", ""),
        seed=seed,
        engine="HiGHS",
        deterministic=deterministic,
        seconds=0.0 if deterministic else round(seconds, 3),
        spec=p.get("spec", ""),
        overrides=p.get("overrides", ""),
        warnings=(*json.loads(p.get("warnings", "[]")), *warnings),
    )
