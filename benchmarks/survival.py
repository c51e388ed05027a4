"""Losses replayed: `python -m benchmarks survival [--count N] [--seed S]`.

Small random problems in which regions, zones and spot markets may be lost, with nodes to be bought meanwhile or not,
and the packaged example `uncertain`. Each plan is replayed without each region and each zone in turn by a dispatch that
shares nothing with the model: in every state it knows of it must serve what it owes. Then the same without the rules of
outages in the model: whatever the replay finds missing in such a plan, the check must have noticed.
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solver.assemble import tables
from solver.bill import make_bill
from solver.check import check
from solver.engine.run import run
from solver.errors import EngineError
from solver.plan import UNTOLD, Certificate, Plan
from solver.rules import RULES
from solver.survival import PLANNED, STANDING, survival

from .cases import Case, grid, named_faults, when
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solver.problem import Problem
    from solver.rules import Rule

NAME = "survival"
GAP = 0.02
SECONDS = 2.0  # of a search: a plan is asked for, not the cheapest
MOST_NAMED = 20
LEFT_OUT = ("outage", "hold")
COUNTS = ("plans", "losses", "planned", "kept", "broken without the rules", "noticed")


def drawn(seed: int) -> Problem:
    """A random problem with one or two outages."""
    from tests.core.instances import random_problem
    from tests.core.states import holding, without_spot
    from tests.core.uncertain import with_outages

    rng = np.random.default_rng([seed, 20271126])
    problem = random_problem(
        seed, flows=int(rng.integers(1, 3)), sites=int(rng.integers(2, 4)), shapes=int(rng.integers(1, 3)),
        blocks=int(rng.integers(1, 4)), scenarios=int(rng.integers(1, 3)), origins=int(rng.integers(1, 3)),
        batches=int(rng.integers(0, 2)), must_serve=0.7,
    )  # fmt: skip
    problem = with_outages(problem, rng)
    return without_spot(problem, rng) if seed % 4 == 3 else holding(problem, rng) if seed % 2 else problem


def plan_for(problem: Problem, rules: Sequence[Rule]) -> Plan | None:
    """The plan of a model of these rules, unchecked; None where there is none."""
    try:
        outcome = run(
            problem, rules, time_limit_s=SECONDS, gap=GAP, seed=0, deterministic=False,
            report=lambda _phase, _lower, _upper: None,
        )  # fmt: skip
    except EngineError:
        return None
    if outcome.decision is None or outcome.termination == "infeasible":
        return None
    lines = make_bill(problem, outcome.decision, rules)
    total = sum(lines["micro_usd"].tolist()) if len(lines) else 0
    return Plan.of(
        problem, termination="gap reached", provenance=UNTOLD, cost_lines=lines,
        certificate=Certificate(kind="proved", lower_micro_usd=0, upper_micro_usd=total),
        **tables(problem, outcome.decision),
    )  # fmt: skip


def judge(row: dict[str, Any], problem: Problem, plan: Plan, which: str) -> None:
    """One more plan in a row: what its losses leave, and what becomes of it without the rule."""
    wrong = [str(v) for v in check(problem, plan)][:3]
    rows = survival(problem, plan)
    known = [x for x in rows if x.way == PLANNED]
    fine = [x for x in known if x.kept and (x.allowed is None or x.worst <= x.allowed)]
    wrong += [f"{x.loss}, {x.workload}: {float(x.worst):.2%} unserved" for x in known if x not in fine]
    row["plans"] += 1
    row["losses"] += len({x.loss for x in rows})
    row["planned"] += len(known)
    row["kept"] += len(fine)
    standing = [float(x.worst) for x in rows if x.way == STANDING]
    row["stands"] = round(min(row["stands"], 1 - max(standing, default=0.0)), 4)
    wrong += _without(row, problem)
    if wrong and len(row["faults"]) < MOST_NAMED:
        row["faults"][which] = wrong


def _without(row: dict[str, Any], problem: Problem) -> list[str]:
    """What is wrong with the check of a plan made without the rules."""
    bare = plan_for(problem, tuple(rule for rule in RULES if rule.name not in LEFT_OUT))
    if bare is None or all(x.kept for x in survival(problem, bare) if x.way == PLANNED):
        return []
    seen = any(v.rule in LEFT_OUT for v in check(problem, bare))
    row["broken without the rules"] += 1
    row["noticed"] += seen
    return [] if seen else ["the check does not notice that the rules are missing"]


def random_row(count: int, first: int) -> dict[str, Any]:
    """The row of random problems; those without a plan are passed over."""
    row, seed = empty("random problems"), first
    begun = time.process_time()
    while row["plans"] < count:
        problem = drawn(seed)
        plan = plan_for(problem, RULES)
        if plan is not None:
            judge(row, problem, plan, str(seed))
        seed += 1
    return row | {"cpu s": round(time.process_time() - begun, 1)}


def example_row() -> dict[str, Any]:
    """The row of the packaged example."""
    from solver.doors.planning import load

    row, begun = empty("example uncertain"), time.process_time()
    problem = load("@uncertain")
    plan = plan_for(problem, RULES)
    if plan is None:
        return row | {"faults": {"uncertain": ["no plan"]}}
    from dataclasses import replace

    from solver.rules import Books
    from solver.rules.measures import objective_micro_usd

    upper = objective_micro_usd(problem, Books(problem, plan))
    certificate = Certificate(kind="proved", lower_micro_usd=0, upper_micro_usd=upper, bounds="objective")
    judge(row, problem, replace(plan, certificate=certificate), "uncertain")
    return row | {"cpu s": round(time.process_time() - begun, 1)}


def empty(name: str) -> dict[str, Any]:
    """A row before anything is measured."""
    return {**stamp(), "name": name, **dict.fromkeys(COUNTS, 0), "stands": 1.0, "cpu s": 0.0, "faults": {}}


def main(arguments: list[str] | None = None) -> None:
    """Print the rows and what is wrong, and keep them."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200, metavar="N", help="random problems with a plan")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first draw")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where survival.json goes")
    asked = parser.parse_args(arguments)
    made = [random_row(asked.count, asked.seed), example_row()]
    for row in made:
        print(row["name"], {key: row[key] for key in (*COUNTS, "stands", "cpu s")})
        for which, said in row["faults"].items():
            print(f"    {which}: {'; '.join(said):.300}")
    print(save(asked.results, NAME, {"count": asked.count, "seed": asked.seed, "gap": GAP, "seconds": SECONDS}, made))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page."""
    titles = (
        "of", "plans", "losses replayed", "workloads × losses that the plan knows of", "served what is owed",
        "plans without the rules that break them", "noticed by the check", "CPU s", "measured, at revision",
    )  # fmt: skip
    cells = [
        (
            r["name"], *(f"{r[key]:,}" for key in COUNTS[:3]), f"{_percent(r['kept'], r['planned'])}",
            f"{r[COUNTS[4]]:,}", _percent(r["noticed"], r[COUNTS[4]]), f"{r['cpu s']:.0f}", when(r),
        )
        for r in rows
    ]  # fmt: skip
    return [*grid(titles, cells), *named_faults(rows)]


def _percent(part: int, whole: int) -> str:
    return f"{float(Fraction(part, whole)):.1%}" if whole else "–"


CASE = Case(
    name=NAME,
    measures="regions and zones lost in turn, by a dispatch that shares nothing with the model; 2 minutes",
    goal="100 % served what is owed, and rules left out always noticed",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
