"""The command that schedules training runs: beside a fleet it plans first, or on one that is planned already."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import guard, planning, screen

if TYPE_CHECKING:
    from pathlib import Path

    from ..plan import Plan
    from ..problem import Problem
    from ..schedule.exchange import Together
    from ..schedule.requests import Request

TRAINING = "training"


def schedule(
    spec: str, plan: Path | None, out: Path | None, search: planning.Search, *, schedule_gap: float, as_json: bool
) -> int:
    """Load, plan the rest, schedule, write and print; files are written before anything is printed."""
    if not 0 <= schedule_gap < 1:
        raise InputError(f"{schedule_gap:g} is no gap", where="--schedule-gap", mend="a share from 0 to below 1")
    with screen.progress() as follow:
        market = planning.load(spec)

        from ..schedule.requests import requests

        asked = requests(market)
        options: dict[str, Any] = {
            "seed": search.seed, "deterministic": search.deterministic, "memory_limit_gib": search.memory_limit_gib,
        }  # fmt: skip
        limits: dict[str, Any] = {"time_limit_s": search.time_limit_s, "schedule_gap": schedule_gap, "progress": follow}
        problem: Problem | None = None
        if plan is not None:
            problem, made = _planned(plan, asked)
            found = _on(problem, made, asked, market, limits | options)
        elif rest := _rest(market):
            problem = rest
            made = _fleet(rest, search, follow)
            if made.termination == "infeasible":
                return _no_fleet(made)
            from ..schedule.exchange import together

            found = together(rest, made, asked, market=market, gap=search.gap, **limits, **options)
        else:
            found = _alone(asked, market, limits | options)
    for note in found.notes:
        sys.stderr.write(f"note: {guard.plain(note)}\n")
    if out is not None:
        _write(problem, found, out)
    _print(found, as_json=as_json)
    interrupted = found.best.schedule.termination == "interrupted"
    return guard.INTERRUPTED if interrupted else 0


def _rest(market: Problem) -> Problem | None:
    """The problem of everything but the training runs; None if that is nothing."""
    from ..spec import loads

    said = json.loads(market.provenance["spec"])
    said["workloads"] = [w for w in said["workloads"] if w["kind"] != TRAINING]
    if not said["workloads"]:
        return None
    return loads(json.dumps(said), overrides=market.provenance.get("overrides") or None)


def _fleet(problem: Problem, search: planning.Search, follow: Any) -> Plan:
    from ..solve import solve

    return solve(
        problem, time_limit_s=search.time_limit_s, gap=search.gap, seed=search.seed,
        deterministic=search.deterministic, progress=follow, memory_limit_gib=search.memory_limit_gib,
    )  # fmt: skip


def _no_fleet(made: Plan) -> int:
    from ..report.terminal import show

    show(made, screen.console())
    return planning.exit_code(made)


def _planned(path: Path, asked: tuple[Request, ...]) -> tuple[Problem, Plan]:
    """A plan that is there already, with its problem.

    Raises:
        InputError: it is not a plan of today's catalogue, or plans some of the runs itself.
    """
    made = planning.read_plan(path)
    problem = planning.rebuild(made, path)
    if made.termination == "infeasible" or problem.digest() != made.provenance.problem_digest:
        mend = "plan again with the catalogue of today"
        raise InputError("is not a plan of this catalogue and version", where=str(path), mend=mend)
    if twice := sorted({r.name for r in asked} & set(problem.workloads.name.tolist())):
        raise InputError(
            f"plans {twice[0]} already", where=str(path), mend="plan the rest without it, then schedule it"
        )
    return problem, made


def _on(problem: Problem, made: Plan, asked: tuple[Request, ...], market: Problem, options: dict[str, Any]) -> Together:
    from ..schedule.exchange import Together, schedule_on

    options["gap"] = options.pop("schedule_gap")
    pair = schedule_on(problem, made, asked, market=market, **options)
    return Together(best=pair, totals=(pair.total_micro_usd,))


def _alone(asked: tuple[Request, ...], market: Problem, options: dict[str, Any]) -> Together:
    """Nothing but training: all is bought."""
    from ..schedule.exchange import Pair, Together
    from ..schedule.front import schedule
    from ..schedule.requests import problem_of

    options["gap"] = options.pop("schedule_gap")
    problem = problem_of(asked, market)
    pair = Pair(plan=None, problem=problem, schedule=schedule(problem, **options))
    return Together(best=pair, totals=(pair.total_micro_usd,))


def _write(problem: Problem | None, found: Together, out: Path) -> None:
    from ..report import write_all
    from ..report.files import make_folder, write_atomically
    from ..schedule.report import files

    count = 0
    if problem is not None and found.best.plan is not None:
        count = len(write_all(problem, found.best.plan, out))
    make_folder(out)
    for name, content in files(found.best, found.totals[0]):
        write_atomically(out / name, content)
        count += 1
    sys.stderr.write(f"wrote {count} files to {guard.plain(str(out))}\n")


def _print(found: Together, *, as_json: bool) -> None:
    from ..schedule import report

    if as_json:
        sys.stdout.write(report.to_json(found.best, found.totals[0]))
    else:
        report.show(found.best, screen.console(), found.totals[0])
