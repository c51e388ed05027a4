"""Outages that can be worked out by hand."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from solver.check import check
from solver.problem import Limits, Outages, Quota
from tests.check.by_hand import USD, Place, Work, commitment, make, on_demand
from tests.core.instances import whole

from .opinions import plan_of, search

if TYPE_CHECKING:
    from solver.plan import Plan
    from solver.problem import Problem

ONE, TENTH = Fraction(1), Fraction(1, 10)


def lost(up: Any, offers: Any, places: Any, *, served: int = 30, chance: Fraction = TENTH, **fields: Any) -> Problem:
    """Three nodes' worth for ten hours; then once for each further column of `up` with so many zones, units `served`.

    Each outage lasts a fifth of the time of its future and has a chance of its own.
    """
    states, share = len(up[0]), Fraction(1, 5)
    calm = ONE - chance * (states - 1)
    weights = (calm + chance * (states - 1) * (1 - share), *(chance * share,) * (states - 1))
    problem = make(
        offers=offers, places=places, hours=((10,),) * states, scenario=range(states), probability=weights,
        work=[Work(demand=(30, *(served,) * (states - 1)), must=True, price=10 * USD)], **fields,
    )  # fmt: skip
    rows = [
        [1 - share if k == 0 else share if k == i else Fraction(0) for k in range(states)] for i in range(1, states)
    ]
    return dataclasses.replace(
        problem,
        outages=Outages(
            up=whole(up), state=("", *(f"outage {i}" for i in range(1, states))),
            probability=(calm, *(chance,) * (states - 1)),
            share=((ONE, *(Fraction(0),) * (states - 1)), *map(tuple, rows)),
            calm=whole([range(1, states), [0] * (states - 1)]),
        ),
    )  # fmt: skip


def planned(problem: Problem, *, large: bool) -> Plan:
    """A checked plan, by the whole model or on the way of large problems."""
    plan = plan_of(problem, search(problem, large=large))
    assert check(problem, plan) == []
    return plan


def held(plan: Plan) -> dict[int, int]:
    """Committed nodes by offer."""
    return {r["offer"]: r["nodes"] for r in plan.purchases.records() if r["block"] < 0}


@pytest.mark.parametrize("large", [False, True])
def test_of_five_nodes_over_three_zones_three_are_left(large: bool) -> None:
    """Of four 2⅔ would be: two whole ones. Ten hours of five nodes at a dollar, whether they are there or not."""
    plan = planned(lost([[3, 2]], [commitment(USD)], (Place(region="r0", zones=3),)), large=large)
    assert held(plan) == {0: 5}
    assert plan.total_micro_usd == 5 * 10 * USD


@pytest.mark.parametrize("large", [False, True])
def test_a_node_bought_beside_what_a_lost_zone_leaves(large: bool) -> None:
    """Three are held; of these two are left, and one is bought for the 2 % of the time at three dollars an hour."""
    plan = planned(lost([[3, 2]], [commitment(USD), on_demand(3 * USD)], (Place(region="r0", zones=3),)), large=large)
    assert held(plan) == {0: 3}
    assert plan.total_micro_usd == 3 * 10 * USD + 3 * 10 * USD // 50
    lines = {r["workload"]: r["micro_usd"] for r in plan.cost_lines.records() if r["option"] == "commit_1y"}
    assert lines["(idle)"] == 10 * USD // 50  # the node in the lost zone


@pytest.mark.parametrize("large", [False, True])
def test_either_region_alone_carries_what_must_be_served(large: bool) -> None:
    """Nothing is for sale by the hour: three nodes in each region, or two where two thirds are to be served."""
    places = (Place(region="r0"), Place(region="r1"))
    offers = [commitment(USD), commitment(2 * USD, pool=1)]
    up = [[1, 0, 1], [1, 1, 0]]
    assert held(planned(lost(up, offers, places), large=large)) == {0: 3, 1: 3}
    assert held(planned(lost(up, offers, places, served=20), large=large)) == {0: 2, 1: 2}


@pytest.mark.parametrize("large", [False, True])
def test_a_quota_does_not_count_committed_nodes_that_are_lost(large: bool) -> None:
    """Of six nodes allowed in both regions three are held in the first; while it is lost three are bought elsewhere."""
    places = (Place(region="r0"), Place(region="r1"))
    both = Quota(name="both", pools=(0, 1), kind="any", max_nodes=3)
    problem = lost([[1, 0], [1, 1]], [commitment(USD), on_demand(4 * USD, 1)], places, limits=Limits(quotas=(both,)))
    plan = planned(problem, large=large)
    assert held(plan) == {0: 3}
    assert {(r["region"], r["block"], r["nodes"]) for r in plan.placements.records()} == {("r0", 0, 3), ("r1", 1, 3)}


def test_months_are_budgeted_without_outages() -> None:
    """What is bought while a region is lost is paid, and in no month's budget."""
    places = (Place(region="r0"), Place(region="r1"))
    offers = [on_demand(USD), on_demand(4 * USD, 1)]
    limits = Limits(monthly_budget_micro_usd=(30 * USD,))
    plan = planned(lost([[1, 0], [1, 1]], offers, places, limits=limits), large=False)
    assert plan.total_micro_usd == 30 * USD * 98 // 100 + 120 * USD // 50


def test_a_gang_waits_while_its_region_is_lost() -> None:
    """It has no work in an outage, and is not left undone."""
    problem = lost([[1, 0]], [on_demand(USD)], (Place(region="r0"),), served=0)
    sources = dataclasses.replace(
        problem.sources, units_per_hour=problem.sources.units_per_hour * 0, total_units=whole([30]),
        window=problem.sources.units_per_hour > 0,
    )  # fmt: skip
    run = dataclasses.replace(problem.workloads, kind=problem.workloads.kind * 0 + "training")
    plan = planned(dataclasses.replace(problem, sources=sources, workloads=run), large=False)
    assert [(r["block"], r["replicas"]) for r in plan.placements.records()] == [(0, 1)]
    assert len(plan.unserved) == 0


def test_states_as_probable_as_the_futures_say() -> None:
    """A problem that contradicts itself is refused."""
    problem = lost([[1, 0]], [on_demand(USD)], (Place(region="r0"),))
    assert problem.outages is not None
    wrong = dataclasses.replace(problem.outages, probability=(Fraction(1, 2), Fraction(1, 2)))
    with pytest.raises(Exception, match="not as probable"):
        dataclasses.replace(problem, outages=wrong)
