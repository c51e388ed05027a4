"""Tails and prices that rise: by hand, by properties, and against a second engine and enumeration."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.check import check
from solver.engine.guard import MOST_WHOLE, allowed, guarded, measures
from solver.engine.run import run
from solver.errors import EngineError
from solver.problem import Limits, UnservedLimit
from solver.rules import RULES
from solver.rules.measures import cvar
from tests.check.by_hand import USD, Place, Work, commitment, make, on_demand

from .opinions import plan_of, search, wrong
from .uncertain import base_of
from .uncertain import guarded as drawn

if TYPE_CHECKING:
    from solver.plan import Plan
    from solver.problem import Problem

COUNT, EACH = 300, 10
HALF = Fraction(1, 2)
PLACES = tuple(Place(region=f"r{i}") for i in range(3))


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
def test_same_verdict_and_the_same_objective_to_the_micro_dollar(first: int) -> None:
    """Ten problems a case, so that a failure names its seeds."""
    assert not wrong(range(first, first + EACH), drawn, base_of)


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
def test_sound_on_the_way_of_large_problems(first: int) -> None:
    """It need not find the optimum there, but must claim nothing that is not so."""
    assert not wrong(range(first, first + EACH), drawn, base_of, exact=False, large=True)


def futures(**limits: Any) -> Problem:
    """A node's worth for ten hours, or as likely two; a node for two dollars an hour, or 1.20 in either future."""
    offers = (on_demand(2 * USD), commitment(12 * USD // 10))
    return make(
        offers=offers, work=[Work(demand=(10, 20), price=10 * USD)], hours=((10,), (10,)), scenario=(0, 1),
        probability=(HALF, HALF), limits=Limits(**{"cvar_level": HALF, **limits}),
    )  # fmt: skip


def planned(problem: Problem, *, large: bool = False) -> tuple[Plan, Any]:
    """A checked plan and its measures."""
    outcome = search(problem, large=large)
    plan = plan_of(problem, outcome)
    assert check(problem, plan) == []
    assert outcome.decision is not None
    return plan, measures(problem, outcome.decision)


def held(plan: Plan) -> int:
    """Committed nodes."""
    return sum(r["nodes"] for r in plan.purchases.records() if r["block"] < 0)


@pytest.mark.parametrize("large", [False, True])
def test_a_weight_on_the_tail_by_hand(large: bool) -> None:
    """One node held: 12 or 32 dollars, 22 expected; two: 24 in either. The second is better from a fifth on."""
    for weight, nodes, micro in ((0, 1, 22), (Fraction(1, 10), 1, 23), (Fraction(1, 4), 2, 24), (1, 2, 24)):
        plan, m = planned(futures(risk_weight=Fraction(weight)), large=large)
        assert held(plan) == nodes
        assert m.objective == plan.certificate.upper_micro_usd == micro * USD
        assert plan.total_micro_usd == m.expected == (22 if nodes == 1 else 24) * USD
        assert plan.certificate.bounds == ("objective" if weight else "bill")


@pytest.mark.parametrize("large", [False, True])
def test_a_limit_on_the_tail_by_hand(large: bool) -> None:
    """32 dollars in the worse half are allowed, or not quite."""
    assert held(planned(futures(cvar_max_micro_usd=32 * USD), large=large)[0]) == 1
    plan, m = planned(futures(cvar_max_micro_usd=32 * USD - 1), large=large)
    assert held(plan) == 2
    assert m.tail == 24 * USD


def test_a_limit_on_unserved_units_by_hand() -> None:
    """Leaving costs a dollar a node's worth, running two: all is left, 200 units in the worse half, or 120.

    One node is then held for 12 dollars rather than bought for 20 in the worse half, and serves in the other, too.
    """
    problem = futures()
    work = dataclasses.replace(problem.workloads, unserved_micro_usd_per_unit=np.array([USD // 10]))
    problem = dataclasses.replace(problem, workloads=work)
    assert len(planned(problem)[0].placements) == 0
    unserved = (UnservedLimit(workload=0, level=HALF, max_units=120),)
    limited = dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, unserved=unserved))
    plan, _ = planned(limited)
    assert [(r["block"], r["replicas"]) for r in plan.placements.records()] == [(0, 1), (1, 1)]
    assert plan.total_micro_usd == 12 * USD + 5 * USD


def three_prices(budget: int, share: Fraction = HALF) -> Problem:
    """Three nodes' worth; nodes at 100, 110 and 120 cents in three places, each of which may rise by a half."""
    offers = [on_demand(USD + k * USD // 10, k) for k in range(3)]
    uncertain = tuple((k, share) for k in range(3))
    return make(
        offers=offers, work=[Work(demand=(30,), must=True, price=10 * USD)], hours=((10,),), places=PLACES,
        limits=Limits(uncertain=uncertain, robust_budget=budget),
    )  # fmt: skip


@pytest.mark.parametrize("large", [False, True])
def test_prices_that_rise_by_hand(large: bool) -> None:
    """All in one place, 30 dollars and 15 more at worst; or one in each, 33 and 6 more. Two that rise: 11.50."""
    plan, m = planned(three_prices(0), large=large)
    assert (plan.total_micro_usd, m.rise) == (30 * USD, 0)
    plan, m = planned(three_prices(1))
    assert (plan.total_micro_usd, m.rise) == (33 * USD, 6 * USD)
    assert plan.certificate.upper_micro_usd == 39 * USD
    assert plan.certificate.bounds == "objective"
    plan, m = planned(three_prices(1), large=large)
    assert plan.certificate.lower_micro_usd <= 39 * USD <= plan.certificate.upper_micro_usd
    _, m = planned(three_prices(2))
    assert m.objective == min(33 * USD + 23 * USD // 2, 45 * USD)


def test_without_the_rule_a_plan_is_dearer_at_the_worst_prices() -> None:
    """It is in the objective alone, so the check has nothing to say of a plan made without it."""
    problem, rules = three_prices(1), tuple(r for r in RULES if r.name != "robust")
    without = run(problem, rules, time_limit_s=20, gap=0.0, seed=0, deterministic=False, report=lambda *_: None)
    assert without.decision is not None
    assert measures(problem, without.decision).objective == 45 * USD
    assert planned(problem)[1].objective == 39 * USD


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 9)), min_size=1, max_size=6), st.integers(0, 9))
def test_the_tail_is_the_least_of_its_thresholds(drawn_: list[tuple[int, int]], tenths: int) -> None:
    """Sorted and cut, as by Rockafellar and Uryasev's threshold; at level 0 the mean; never below it."""
    total, level = sum(p for _, p in drawn_), Fraction(tenths, 10)
    values, chance = [Fraction(v) for v, _ in drawn_], [Fraction(p, total) for _, p in drawn_]
    found = cvar(values, chance, level)
    mean = sum((v * p for v, p in zip(values, chance, strict=True)), Fraction(0))

    def at(eta: Fraction) -> Fraction:
        beyond = sum((p * max(v - eta, Fraction(0)) for v, p in zip(values, chance, strict=True)), Fraction(0))
        return eta + beyond / (1 - level)

    assert found == min(map(at, values))
    assert mean <= found <= max(values)
    assert cvar(values, chance, Fraction(0)) == mean


@given(
    st.lists(st.floats(0, 2), min_size=2, max_size=2),
    st.floats(0, 3),
    st.lists(st.floats(0, 1.5), min_size=3, max_size=3),
)
def test_the_adversary_keeps_within_what_it_may_choose(weight: list[float], price: float, risen: list[float]) -> None:
    """Whatever a back-end says: weights within the tail's, exactly; no more rises than the budget has."""
    problem = futures(risk_weight=Fraction(1, 3), cvar_max_micro_usd=10 * USD, robust_budget=1,
                      uncertain=((0, HALF), (1, HALF)))  # fmt: skip
    found = allowed(problem, np.array(weight), price, np.array(risen[:2]))
    total = Fraction(1, 3) + found.price
    assert sum(found.weight, Fraction(0)) == total
    assert all(0 <= w <= total * q / HALF for w, q in zip(found.weight, problem.futures[0], strict=True))
    assert all(0 <= u <= 1 for u in found.risen)
    assert sum(found.risen, Fraction(0)) <= 1


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_more_caution_never_costs_less(seed: int) -> None:
    """Looser limits, a lower budget of rises: never dearer; no weight and no budget: the plan as before."""
    problem = drawn(seed)

    def least(**limits: Any) -> float:
        outcome = search(dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, **limits)))
        return np.inf if outcome.termination == "infeasible" else outcome.bound

    plain: dict[str, Any] = {"risk_weight": Fraction(0), "cvar_max_micro_usd": None, "unserved": (), "robust_budget": 0}
    before = least(**plain)
    noise = 1e-6 * max(1.0, before) if np.isfinite(before) else 0.0
    assert least(**{**plain, "risk_weight": Fraction(1), "cvar_level": Fraction(0)}) == pytest.approx(before)
    rises = [least(**{**plain, "robust_budget": k}) for k in range(3)]
    assert before == rises[0] <= rises[1] + noise <= rises[2] + 2 * noise
    if np.isfinite(before):
        micro = int(before * 1e6)
        tight, loose = (least(**{**plain, "cvar_max_micro_usd": int(micro * k)}) for k in (1.05, 1.5))
        assert before <= loose + noise <= tight + 2 * noise


def test_too_large_for_the_only_way_is_said() -> None:
    """A limit on unserved tails beyond what is searched whole."""
    problem = futures(unserved=(UnservedLimit(workload=0, level=HALF, max_units=1),))
    candidates = {
        f.name: np.repeat(getattr(problem.candidates, f.name), MOST_WHOLE)
        for f in dataclasses.fields(problem.candidates)
    }
    large = dataclasses.replace(problem, candidates=dataclasses.replace(problem.candidates, **candidates))
    never: Any = None
    with pytest.raises(EngineError, match="planned up to 40,000"):
        guarded(dataclasses.make_dataclass("Asked", ["problem"])(large), never, never, 2500)
