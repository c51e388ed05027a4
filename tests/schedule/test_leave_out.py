"""A rule left out of the CP-SAT model is noticed by the check: for every rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from solver.engine.gangs.board import Assignment
from solver.engine.gangs.cpsat import RULES, GangModel
from solver.plan import Certificate
from solver.schedule import Schedule, ScheduleProblem, build, check
from solver.schedule.result import tables

from .draws import START

CHEAP_AT_NIGHT = [1, 1, 1, 1, 9, 9, 9, 9]
UNBILLED = {"node price": "compute", "once": "once", "upfront": "upfront", "unrun price": "not run"}
SEEN_AS = {"one option": "must run", "gang": "capacity", "restart": "hours"}


def job(**fields: Any) -> dict[str, Any]:
    """Two hours on two nodes."""
    option = {"pool": "a", "nodes": 2, "hours": 2} | fields.pop("option", {})
    return {"name": "run", "options": [option], **fields}


def night(*jobs: dict[str, Any], nodes: Any = 2, **supply: Any) -> ScheduleProblem:
    """Two nodes, cheap for four hours."""
    supplies = [{"pool": "a", "nodes": nodes, "usd_per_hour": CHEAP_AT_NIGHT, **supply}]
    return build(name="rules", start=START, hours=8, pools=["a"], supplies=supplies, jobs=list(jobs))


SPLIT = {"max_segments": 2, "option": {"hours": 4}}
HOLE = [2, 2, 0, 2, 2, 2, 2, 2]  # a run of four hours at night has to step over the third
BINDING: dict[str, ScheduleProblem] = {
    "one option": night(job()),
    "must run": night(job()),
    "window": night(job(release=4)),
    "gang": night(job(), {**job(), "name": "other"}),
    "hours": night(job()),
    "restart": night(job(restart_hours=1, **SPLIT), nodes=HOLE),
    "segment length": night(
        job(min_segment_hours=2, max_segments=2, option={"hours": 4}), nodes=[2, 0, 2, 2, 2, 2, 2, 2]
    ),
    "gap": night(job(max_segments=2, option={"hours": 8}), nodes=4),
    "capacity": night(job(option={"hours": 4}), {**job(option={"hours": 4}), "name": "other"}),
    "node price": night(job()),
    "once": night(job(option={"usd": 5})),
    "upfront": night(job(), kind="block", upfront_usd=7),
    "unrun price": night(job(unrun_usd=1)),
}


def made(problem: ScheduleProblem, without: frozenset[str]) -> Schedule:
    """The schedule that a model without some rules makes, billed without their lines."""
    found = GangModel(problem, problem.supplies.nodes, without=without).solve(seconds=20)
    assert found.status == "optimal"
    option = np.array([found.option[j] for j in range(len(problem.jobs.name))], dtype=np.int64)
    spans = tuple(found.spans[j] for j in range(len(option)))
    assignment = Assignment(option=option, spans=spans, opened=found.opened, micro_usd=0)
    parts: dict[str, Any] = dict(tables(problem, assignment, unbilled=UNBILLED.get(next(iter(without), ""), "")))
    total = sum(parts["cost_lines"]["micro_usd"].tolist())
    return Schedule(
        name="rules", start=problem.start, hours=problem.hours, termination="optimal",
        certificate=Certificate(kind="proved", lower_micro_usd=0, upper_micro_usd=total),
        problem_digest=problem.digest(), seed=0, deterministic=True, seconds=0.0,
        prices=np.zeros((1, 8), dtype=np.int64), **parts,
    )  # fmt: skip


def test_every_rule_has_a_problem_in_which_it_binds() -> None:
    """A new rule wants a line in the table above."""
    assert set(BINDING) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_with_all_rules_the_schedule_is_sound(rule: str) -> None:
    """So that what the next test finds is the rule that is missing."""
    assert check(BINDING[rule], made(BINDING[rule], frozenset())) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_check_notices_a_rule_left_out(rule: str) -> None:
    """And nothing else is wrong."""
    found = check(BINDING[rule], made(BINDING[rule], frozenset({rule})))
    assert {v.rule for v in found} == {SEEN_AS.get(rule, rule)}
