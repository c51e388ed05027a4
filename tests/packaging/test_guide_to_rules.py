"""The rule of docs/adding-a-rule.md does what the guide says of it, word for word."""

from __future__ import annotations

import dataclasses
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from solver.engine.press import pressed
from solver.engine.relaxation import solve_root
from solver.engine.run import run
from solver.problem import Limits
from solver.rules import RULES, Books
from tests.check.by_hand import UNITS, USD, Place, Work, make, on_demand, spot
from tests.check.plans import plan_of
from tests.core.instances import random_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solver.plan import Plan
    from solver.problem import Problem
    from solver.rules import Rule

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-rule.md"
NAME = "solver.rules.licence"
PLACES = (Place(region="r0"), Place(region="r1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensed(Limits):
    """Limits with the guide's two fields."""

    max_licences: int | None = None
    licence_micro_usd_per_hour: int = 0


@pytest.fixture(scope="module")
def licence() -> Iterator[Rule]:
    """The rule in the guide's file."""
    (source,) = re.findall(r'^```python\n("""Licences.*?)^```', GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    module = ModuleType(NAME)
    module.__package__ = "solver.rules"
    sys.modules[NAME] = module
    exec(compile(source, NAME, "exec"), module.__dict__)  # noqa: S102 (our own guide)
    rule: Rule = module.Licence()
    yield rule
    del sys.modules[NAME]


def planned(problem: Problem, rules: tuple[Rule, ...]) -> tuple[Plan, float]:
    """The cheapest plan of a small problem under these rules, billed by them, and the solver's own cost."""
    outcome = run(
        problem, rules, time_limit_s=30, gap=0.0, seed=0, deterministic=False, report=lambda _phase, _low, _high: None
    )
    assert outcome.termination == "optimal"
    assert outcome.decision is not None
    return plan_of(problem, outcome.decision, rules), outcome.bound


def two_places(**limits: Any) -> Problem:
    """Four nodes' worth of demand for ten hours, two for fourteen; on demand in one place, spot in the other."""
    work = Work(demand=(4 * UNITS, 2 * UNITS), price=USD)
    offers = [on_demand(3 * USD), spot(USD, 1)]
    return make(offers=offers, work=[work], hours=[(10,), (14,)], places=PLACES, limits=Licensed(**limits))


def owed(rule: Rule, problem: Problem, plan: Plan) -> int:
    """Micro-dollars of the rule's own lines, recomputed."""
    return sum(line.micro_usd for line in rule.owed(problem, Books(problem, plan)))


def billed(plan: Plan) -> int:
    """Micro-dollars of licences on the bill."""
    return sum(r["micro_usd"] for r in plan.cost_lines.records() if r["kind"] == "licence")


def test_the_limit_holds_and_what_it_keeps_out_is_left(licence: Rule) -> None:
    """Three nodes at a time: of four nodes' worth one stays unserved, ten units for ten hours."""
    problem = two_places(max_licences=3)
    plan, _ = planned(problem, (*RULES, licence))
    assert list(licence.violations(problem, Books(problem, plan))) == []
    assert sorted(zip(plan.placements["block"], plan.placements["nodes"], strict=True)) == [(0, 3), (1, 2)]
    assert [r["units"] for r in plan.unserved.records()] == [UNITS]


def test_the_check_notices_when_it_is_left_out(licence: Rule) -> None:
    """A model without it runs four nodes, and lacks the lines."""
    problem = two_places(max_licences=3, licence_micro_usd_per_hour=USD // 10)
    plan, _ = planned(problem, RULES)
    (found,) = licence.violations(problem, Books(problem, plan))
    assert "4 licences in use, 3 allowed" in str(found)
    assert billed(plan) == 0
    assert owed(licence, problem, plan) == (4 * 10 + 2 * 14) * USD // 10


def test_the_bill_is_what_is_owed_and_what_the_solver_saw(licence: Rule) -> None:
    """Sixty-eight node-hours at $1 and a third of a dollar each."""
    problem = two_places(licence_micro_usd_per_hour=333_333)
    plan, usd = planned(problem, (*RULES, licence))
    assert billed(plan) == owed(licence, problem, plan) == 68 * 333_333
    assert plan.total_micro_usd == 68 * (USD + 333_333)
    assert usd == pytest.approx(plan.total_micro_usd / 1e6)


@pytest.mark.parametrize("seed", range(12))
def test_a_bound_that_does_not_know_it_is_valid(seed: int, licence: Rule) -> None:
    """As the guide says of a limit and of a cost: no higher than the cheapest plan under the rule."""
    drawn = random_problem(seed, flows=3, must_serve=0.0, quota=0.2)
    problem = dataclasses.replace(
        drawn, limits=Licensed(quotas=drawn.limits.quotas, max_licences=6, licence_micro_usd_per_hour=2 * USD)
    )
    rules = (*RULES, licence)
    plan, optimum = planned(problem, rules)
    assert billed(plan) == owed(licence, problem, plan)
    root = solve_root(pressed(problem), rules, stop=lambda: False, report=lambda _bound: None)
    assert 0 < root.bound <= optimum * (1 + 1e-6)
