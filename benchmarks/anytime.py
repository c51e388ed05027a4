"""What is known when time is out: `python -m benchmarks anytime [--small N] [--fleets N] [--limits S ...]`.

Each problem is planned as users do it, search in a child process and check included, within several time limits and at
gap 0, so that it is the limit that ends the search where the optimum is not proved sooner. Small problems are of all
kinds, with the optimum proved by a second engine in exact integers; fleets are larger ones, with an optimum proved by
SCIP or, where that is out of reach, the cheapest plan known from a longer search, from which no bound may be further
than above. `invalid` counts bounds above that, plans that cost less than an optimum, plans that fail the check and
errors other than "no plan within the time limit". `overrun` is wall time beyond the limit.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import time
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solver.check import check
from solver.engine import mathopt, primal
from solver.errors import OutOfTimeError, PlannerError
from solver.formulation import formulate
from solver.rules import RULES
from solver.solve import solve
from tests.core import second_engine
from tests.core.draws import drawn

from .cases import Case, grid, named_faults, when
from .instances import Size, draw
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solver.plan import Plan
    from solver.problem import Problem

NAME = "anytime"
LIMITS = (0.1, 1.0, 10.0)
SIZES = tuple(map(Size.of, ("4x3x6x6x1", "6x4x8x12x1", "8x4x10x24x1", "15x6x20x48x1", "40x10x40x48x1")))
LONG_S, SCIP_S = 20.0, 20.0
OVERRUN_S, OVERRUN = 2.0, 0.1  # beyond the limit at most, whichever is more
NOISE = Fraction(1, 10**9)  # of a bound: what it may owe to floating point
MOST_NAMED = 20
MICRO = 10**6


@dataclass(frozen=True, slots=True)
class Truth:
    """Micro-dollars that no bound may pass, and whether no plan may cost less; None where there is no plan at all."""

    most: Fraction | None
    optimum: bool


@dataclass(frozen=True, slots=True)
class Ran:
    """One search: how it ended, what it claims, how long it took, what is wrong."""

    ended: str
    lower: int | None  # micro-dollars
    upper: int | None
    wall_s: float
    cpu_s: float  # of the search's process
    faults: tuple[str, ...]


def run(problem: Problem, limit_s: float, gap: float = 0.0) -> Ran:
    """Plan within a limit; whatever comes of it."""
    begun, cpu = time.monotonic(), _children_s()
    plan: Plan | None = None
    lower, faults = None, []
    try:
        plan = solve(problem, time_limit_s=limit_s, gap=gap)
        ended = str(plan.termination)
    except OutOfTimeError as error:
        ended, lower = "no plan yet", None if error.lower_usd is None else math.floor(error.lower_usd * MICRO)
    except PlannerError as error:
        ended, faults = "error", [str(error)]
    wall, cpu = time.monotonic() - begun, _children_s() - cpu
    upper = None
    if plan is not None and ended != "infeasible":
        lower, upper = plan.certificate.lower_micro_usd, plan.certificate.upper_micro_usd
        faults += [str(v) for v in check(problem, plan)]
    return Ran(ended, lower, upper, wall, cpu, tuple(faults))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judged(ran: Ran, truth: Truth) -> list[str]:
    """Everything that is wrong with what a search said."""
    found = list(ran.faults)
    if truth.most is None:
        return found + ([] if ran.upper is None else ["a plan, though there is none"])
    if ran.ended == "infeasible":
        found.append("no plan, though there is one")
    noise = truth.most * NOISE + 1
    if ran.lower is not None and ran.lower > truth.most + noise:
        found.append(f"bound {ran.lower} above {float(truth.most):.3f}")
    if truth.optimum and ran.upper is not None and ran.upper < truth.most - 50 - noise:  # a bill's lines are rounded
        found.append(f"costs {ran.upper}, less than the optimum {float(truth.most):.3f}")
    return found


def small(count: int) -> Iterator[tuple[str, Problem, Truth | None]]:
    """Problems of all kinds whose optimum is proved in exact integers."""
    seed = made = 0
    while made < count:
        problem = drawn(seed)
        seed += 1
        try:
            best = second_engine.optimum(problem, seconds=5.0).micro_usd
        except (second_engine.Unfit, TimeoutError):
            continue
        made += 1
        yield f"small {seed - 1}", problem, Truth(best, optimum=True)


def fleets(count: int) -> Iterator[tuple[str, Problem, Truth | None]]:
    """Fleets of sizes that take turns."""
    for k in range(count):
        size = SIZES[k % len(SIZES)]
        yield f"fleet {size} seed {k}", draw(size, k).problem(), None


def known(problem: Problem, runs: list[Ran]) -> Truth:
    """The optimum by another engine, or the cheapest plan that anybody has found."""
    if len(problem.candidates.pool) * problem.blocks.count <= 2000:
        f = formulate(problem, RULES)
        program = primal.closed(f.model.program(), f.obligations())
        answer = mathopt.solve(program, engine="scip", time_limit_s=SCIP_S, tight=True)
        if answer.status == "optimal" and answer.objective - answer.bound <= 1e-6 * abs(answer.objective):
            return Truth(Fraction(answer.objective) * MICRO * (1 + Fraction(1, 10**7)), optimum=False)
    if not any(ran.ended == "optimal" for ran in runs):
        runs = [*runs, run(problem, LONG_S, gap=1e-4)]
    found = [ran.upper for ran in runs if ran.upper is not None]
    return Truth(Fraction(min(found)) if found else Fraction(10**18), optimum=False)


def row(name: str, limit_s: float, done: list[tuple[str, Ran, list[str]]], bounds: str) -> dict[str, Any]:
    """What came of all problems of a kind within one limit."""
    over = sorted(ran.wall_s - limit_s for _, ran, _ in done)
    wrong = {which: faults for which, _, faults in done if faults}
    return {
        "name": f"{name}, {limit_s:g} s",
        "problems": len(done),
        "ended": dict(Counter(ran.ended for _, ran, _ in done)),
        "at the limit": sum(ran.wall_s >= limit_s for _, ran, _ in done),
        "no plan yet, with a bound": sum(ran.ended == "no plan yet" and ran.lower is not None for _, ran, _ in done),
        "invalid": len(wrong),
        "overrun p50 s": round(over[len(over) // 2], 2),
        "overrun p99 s": round(over[min(len(over) - 1, math.ceil(0.99 * len(over)) - 1)], 2),
        "overrun worst s": round(over[-1], 2),
        "cpu beyond the limit, worst s": round(max(ran.cpu_s - limit_s for _, ran, _ in done), 2),
        "bounds against": bounds,
        "faults": dict(list(wrong.items())[:MOST_NAMED]),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", type=int, default=140, metavar="N", help="problems with an exact optimum")
    parser.add_argument("--fleets", type=int, default=60, metavar="N", help="larger ones")
    parser.add_argument("--limits", type=float, nargs="*", default=list(LIMITS), metavar="S", help="time limits")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where anytime.json goes")
    asked = parser.parse_args(arguments)
    protocol = {"call": "solve(problem, time_limit_s=S, gap=0)", "small": asked.small, "fleets": asked.fleets}
    for kind, problems, bounds in (
        ("small", small(asked.small), "optimum"), ("fleets", fleets(asked.fleets), "optimum or cheapest plan known"),
    ):  # fmt: skip
        about = stamp() | {"load": round(os.getloadavg()[0], 1)}
        done: dict[float, list[tuple[str, Ran, list[str]]]] = {limit: [] for limit in asked.limits}
        for which, problem, truth in problems:
            runs = [run(problem, limit) for limit in asked.limits]
            right = truth or known(problem, runs)
            for limit, ran in zip(asked.limits, runs, strict=True):
                faults = judged(ran, right)
                done[limit].append((which, ran, faults))
                if faults:
                    print(f"    {which}, {limit:g} s: {'; '.join(faults):.300}", flush=True)
        made = [about | row(kind, limit, found, bounds) for limit, found in done.items() if found]
        for one in made:
            print(line(one), flush=True)
        print(save(asked.results, NAME, protocol, made))


def line(made: dict[str, Any]) -> str:
    """A row, printed."""
    ended = ", ".join(f"{k} {n}" for k, n in made["ended"].items())
    return (
        f"{made['name']:<16} {made['problems']:>4} problems, {made['invalid']} invalid; overrun p99 "
        f"{made['overrun p99 s']:.2f} s, worst {made['overrun worst s']:.2f} s; {ended}"
    )


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page."""
    titles = (
        "problems, time limit", "problems", "ended", "ran into the limit", "invalid", "overrun p99 s", "worst s",
        "of processor time", "load",
        "bounds held against", "measured, at revision",
    )  # fmt: skip
    cells = [
        (
            r["name"], str(r["problems"]), ", ".join(f"{k}: {n}" for k, n in r["ended"].items()),
            str(r["at the limit"]), str(r["invalid"]), f"{r['overrun p99 s']:.2f}", f"{r['overrun worst s']:.2f}",
            f"{r['cpu beyond the limit, worst s']:.2f}", f"{r['load']:g}",
            r["bounds against"], when(r),
        )
        for r in rows
    ]  # fmt: skip
    return [*grid(titles, cells), *named_faults(rows)]


CASE = Case(
    name=NAME,
    measures="bounds and plans when time is out, against the optimum; how far beyond the limit a search goes; an hour",
    goal=f"no invalid bound; 99 of 100 within {OVERRUN_S:g} s or {OVERRUN:.0%} of the limit",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
