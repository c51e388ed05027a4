"""Losses replayed: what is left, worked out by hand, against a second maximum flow, and of random plans."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from solver.check import check
from solver.explain import explain, to_text
from solver.rules import RULES
from solver.survival import PLANNED, STANDING, Left, losses, most_served, survival
from tests.check.by_hand import USD, Place, Work, commitment, make, on_demand
from tests.core.test_outages import lost, planned

from .test_leave_out import outage, unchecked

if TYPE_CHECKING:
    from solver.plan import Plan
    from solver.problem import Problem

TWO = (Place(region="r0"), Place(region="r1"))


def found(problem: Problem, plan: Plan) -> dict[tuple[str, str], Left]:
    """By loss and way, of a problem with one workload."""
    return {(left.loss, left.way): left for left in survival(problem, plan)}


@pytest.mark.parametrize("seed", range(40))
def test_as_much_is_served_as_a_second_maximum_flow_says(seed: int) -> None:
    """Up to five sources and five places, some of them out of reach."""
    rng = np.random.default_rng(seed)
    sources, places = (int(rng.integers(1, 6)) for _ in range(2))
    asked, room = rng.integers(0, 30, sources), rng.integers(0, 30, places)
    reach = rng.random((places, sources)) < 0.5
    graph = np.zeros((sources + places + 2,) * 2, dtype=np.int32)
    graph[0, 1 : 1 + sources] = asked
    graph[1 : 1 + sources, 1 + sources : -1] = reach.T * 1000
    graph[1 + sources : -1, -1] = room
    want = maximum_flow(csr_array(graph), 0, sources + places + 1).flow_value
    assert most_served(asked.tolist(), reach.tolist(), room.tolist()) == want


def test_each_region_and_each_zone_is_lost_once() -> None:
    """The state of the problem is the loss of the first region; the second has three zones."""
    places = (Place(region="r0"), Place(region="r1", zones=3))
    problem = lost([[1, 0], [3, 3]], [on_demand(USD), on_demand(2 * USD, 1)], places)
    assert [(x.name, x.up, x.states) for x in losses(problem)] == [
        ("outage 1", (0, 3), (1,)), ("aws/r1 is lost", (1, 0), ()), ("a zone of aws/r1 is lost", (1, 2), ()),
    ]  # fmt: skip


def test_two_nodes_of_three_are_left_in_either_region() -> None:
    """Two thirds must be served whatever is lost: two nodes are held in each region."""
    problem = lost([[1, 0, 1], [1, 1, 0]], [commitment(USD), commitment(2 * USD, pool=1)], TWO, served=20)
    rows = found(problem, planned(problem, large=False))
    for loss in ("outage 1", "outage 2"):
        assert rows[loss, PLANNED].kept
        assert rows[loss, STANDING].worst == rows[loss, STANDING].mean == Fraction(1, 3)
        assert rows[loss, STANDING].allowed is None


def test_what_is_bought_while_it_lasts_does_not_stand() -> None:
    """Three nodes are bought in the cheap region; while it is lost three others are."""
    problem = lost([[1, 0], [1, 1]], [on_demand(USD), on_demand(4 * USD, 1)], TWO)
    rows = found(problem, planned(problem, large=False))
    assert rows["outage 1", PLANNED].worst == 0
    assert rows["outage 1", PLANNED].kept
    assert rows["outage 1", STANDING].worst == 1
    assert rows["aws/r1 is lost", STANDING].worst == 0


def test_a_lost_zone_leaves_two_thirds_rounded_down() -> None:
    """Four nodes of one region, spread over three zones: ⌊4 × 2 ÷ 3⌋ = 2 of them, 20 of 40 units."""
    problem = make(
        offers=[on_demand(USD)], work=[Work(demand=(40,), must=True, price=USD)], hours=((10,),),
        places=(Place(region="r0", zones=3),),
    )  # fmt: skip
    rows = found(problem, planned(problem, large=False))
    assert rows["a zone of aws/r0 is lost", STANDING].worst == Fraction(1, 2)
    assert rows["aws/r0 is lost", STANDING].worst == 1


def test_idle_nodes_help_out() -> None:
    """Four nodes are owned in the second region, and one is bought in the first beside them; without it 40 of 50."""
    problem = make(
        offers=[on_demand(USD), commitment(USD, pool=1, owned=4), on_demand(2 * USD, 1)],
        work=[Work(demand=(50, 10), must=True, price=10 * USD)], hours=((10,), (10,)), places=TWO,
    )  # fmt: skip
    rows = found(problem, planned(problem, large=False))
    assert rows["aws/r0 is lost", STANDING].worst == Fraction(1, 5)
    assert rows["aws/r0 is lost", STANDING].mean == Fraction(10, 60)
    assert rows["aws/r1 is lost", STANDING].worst == 1  # by night nothing runs in the first


def random_plans(count: int) -> list[tuple[Problem, Plan]]:
    """Sound plans of random problems in which a region or a zone may be lost."""
    from benchmarks.survival import drawn, plan_for

    made: list[tuple[Problem, Plan]] = []
    seed = 0
    while len(made) < count:
        problem = drawn(seed)
        plan = plan_for(problem, RULES)
        made += [(problem, plan)] if plan is not None and not check(problem, plan) else []
        seed += 1
    return made


def test_in_every_plan_with_the_constraint_what_is_owed_is_served() -> None:
    """Of ten random problems; the benchmark takes 200."""
    for problem, plan in random_plans(10):
        rows = [left for left in survival(problem, plan) if left.way == PLANNED]
        assert rows
        for left in rows:
            assert left.kept, (problem.name, left)
            assert left.allowed is not None
            assert left.worst <= left.allowed


def test_the_replay_finds_what_the_rule_would_have_kept() -> None:
    """Without the rule nodes are bought in the lost region: ten units of ten are gone."""
    problem = outage()
    plan = unchecked(problem, tuple(rule for rule in RULES if rule.name != "outage"))
    left = found(problem, plan)["r0 is lost", PLANNED]
    assert left.worst == 1
    assert not left.kept
    sound = found(problem, unchecked(problem, RULES))["r0 is lost", PLANNED]
    assert sound.worst == 0
    assert sound.kept


def test_an_explanation_says_what_a_loss_leaves() -> None:
    """Of each region by name, in the worst hour; nothing of losses that take nothing."""
    problem = lost([[1, 0], [1, 1]], [on_demand(USD), on_demand(4 * USD, 1)], TWO)
    found = explain(problem, planned(problem, large=False))
    assert [(x.loss, x.way, x.worst_hour, x.kept) for x in found.losses] == [
        ("outage 1", PLANNED, 0.0, True), ("outage 1", STANDING, 1.0, False), ("aws/r1 is lost", STANDING, 0.0, True)
    ]  # fmt: skip
    text = to_text(found)
    assert "What a loss leaves of the demand, in the worst hour\n" in text
    assert "  outage 1: a is served 100.0 % as planned, 0.0 % as it stands\n" in text
    assert "aws/r1 is lost" not in text
