"""Outages in which no new node can be had, and spot markets that are gone: by hand, and against a second engine."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from solver.check import check
from solver.engine import run as engine
from solver.problem import ChanceLimit, Limits, ShareLimit
from solver.survival import PLANNED, STANDING, survival
from tests.check.by_hand import USD, Place, Work, commitment, make, on_demand, spot

from .instances import whole
from .opinions import wrong
from .states import base_of, cautious, states
from .test_outages import held, lost, planned

if TYPE_CHECKING:
    from solver.plan import Plan
    from solver.problem import Problem

COUNT, EACH = 200, 20
TWO = (Place(region="r0"), Place(region="r1"))


def held_in(problem: Problem, spot_up: Any = None) -> Problem:
    """With nothing new to be had in any outage."""
    out = problem.outages
    assert out is not None
    hold = tuple(bool(name) for name in out.state)
    changed = dataclasses.replace(out, hold=hold, spot=None if spot_up is None else whole(spot_up))
    return dataclasses.replace(problem, outages=changed)


def bought(plan: Plan) -> dict[tuple[str, str, int], int]:
    """Nodes by the hour of each region, option and block."""
    return {(r["region"], r["option"], r["block"]): r["nodes"] for r in plan.purchases.records() if r["block"] >= 0}


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
def test_the_same_optimum_as_a_second_engine(first: int) -> None:
    """Twenty problems a case, so that a failure names its seeds."""
    assert not wrong(range(first, first + EACH), states, base_of)


@pytest.mark.parametrize("first", range(0, 60, EACH))
def test_sound_on_the_way_of_large_problems(first: int) -> None:
    """Over the candidates of a looser problem's root, with its bound."""
    with patch.object(engine, "MOST_WHOLE", 0):
        assert not wrong(range(first, first + EACH), states, base_of, exact=False, large=True)


@pytest.mark.parametrize("large", [False, True])
def test_with_worst_futures_in_the_objective_or_a_budget(large: bool) -> None:
    """The same optimum; on the way of large problems, against an adversary, sound."""
    assert not wrong(range(2 * EACH), cautious, base_of, exact=not large, large=large)


def test_headroom_is_bought_before_it_is_needed() -> None:
    """Three nodes run; whichever region is lost, two must be there that were there before: two in each.

    The cheapest is two at a dollar and two at two dollars, of which one is idle, in the 96 % of ten hours in which
    nothing is lost; two at two dollars in 2 %, two at a dollar in 2 %.
    """
    offers = [on_demand(USD), on_demand(2 * USD, 1)]
    problem = lost([[1, 0, 1], [1, 1, 0]], offers, TWO, served=20)
    free, ready = planned(problem, large=False), planned(held_in(problem), large=False)
    assert bought(free) == {
        ("r0", "on_demand", 0): 3, ("r1", "on_demand", 1): 2, ("r0", "on_demand", 2): 2
    }  # fmt: skip
    assert bought(ready) == {
        ("r0", "on_demand", 0): 2, ("r1", "on_demand", 0): 2, ("r1", "on_demand", 1): 2, ("r0", "on_demand", 2): 2
    }  # fmt: skip
    calm, each = Fraction(96, 100), Fraction(2, 100)
    assert ready.total_micro_usd == 10 * USD * (6 * calm + 4 * each + 2 * each)
    assert sum(r["nodes"] for r in ready.placements.records() if r["block"] == 0) == 3


def test_what_is_held_stands_when_it_is_lost() -> None:
    """The replay: with headroom two thirds are served as it stands, without it nothing is."""
    problem = lost([[1, 0, 1], [1, 1, 0]], [on_demand(USD), on_demand(2 * USD, 1)], TWO, served=20)
    for changed, worst in ((problem, 1), (held_in(problem), Fraction(1, 3))):
        rows = {(x.loss, x.way): x for x in survival(changed, planned(changed, large=False))}
        assert rows["outage 1", STANDING].worst == worst
        assert rows["outage 1", PLANNED].worst == Fraction(1, 3)
        assert rows["outage 1", PLANNED].allowed == Fraction(1, 3)


def test_of_nodes_in_three_zones_five_must_run_for_three_to_be_left() -> None:
    """⌊4 × 2 ÷ 3⌋ would be two: five are bought though three do."""
    problem = held_in(lost([[3, 2]], [on_demand(USD)], (Place(region="r0", zones=3),)))
    assert bought(planned(problem, large=False)) == {("r0", "on_demand", 0): 5, ("r0", "on_demand", 1): 3}


def test_committed_nodes_need_no_headroom() -> None:
    """Three are committed in the second region, for less than headroom by the hour costs."""
    offers = [on_demand(USD), on_demand(2 * USD, 1), commitment(USD // 2, pool=1)]
    plan = planned(held_in(lost([[1, 0], [1, 1]], offers, TWO)), large=False)
    assert held(plan) == {2: 3}
    assert bought(plan) == {}


@pytest.mark.parametrize("large", [False, True])
def test_on_demand_falls_in_where_spot_is_gone(large: bool) -> None:
    """Three nodes on spot at a dollar; while its market is gone three on demand at three dollars."""
    problem = lost([[1, 1]], [on_demand(3 * USD), spot(USD)], (Place(region="r0"),))
    out = problem.outages
    assert out is not None
    gone = dataclasses.replace(problem, outages=dataclasses.replace(out, spot=whole([[1, 0]])))
    plan = planned(gone, large=large)
    assert bought(plan) == {("r0", "spot", 0): 3, ("r0", "on_demand", 1): 3}
    assert plan.total_micro_usd == 30 * USD * Fraction(98, 100) + 90 * USD * Fraction(2, 100)


def test_a_fallback_is_held_where_none_can_be_bought_then() -> None:
    """Two thirds must be served while spot is gone and nothing new is to be had: two nodes are there before, on demand.

    One at a dollar on spot beside them does for the third.
    """
    problem = held_in(lost([[1, 1]], [on_demand(3 * USD), spot(USD)], (Place(region="r0"),), served=20), [[1, 0]])
    plan = planned(problem, large=False)
    assert bought(plan) == {("r0", "on_demand", 0): 2, ("r0", "spot", 0): 1, ("r0", "on_demand", 1): 2}
    markets = {(r["market"], r["block"]): r["nodes"] for r in plan.placements.records()}
    assert markets == {("firm", 0): 2, ("spot", 0): 1, ("firm", 1): 2}


def test_of_spot_in_three_zones_two_thirds_are_left() -> None:
    """Three must be left of the nodes on spot in three zones, one of whose markets goes: five run."""
    problem = held_in(lost([[3, 3]], [spot(USD)], (Place(region="r0", zones=3),)), [[3, 2]])
    assert bought(planned(problem, large=False)) == {("r0", "spot", 0): 5, ("r0", "spot", 1): 3}


def test_a_node_more_than_was_there_is_found_out() -> None:
    """A plan of the problem without the response breaks it in each outage, and nothing else."""
    problem = lost([[1, 0, 1], [1, 1, 0]], [on_demand(USD), on_demand(2 * USD, 1)], TWO, served=20)
    found = check(held_in(problem), planned(problem, large=False))
    assert {v.rule for v in found} == {"hold"}
    assert "2 nodes bought, 0 are there of those before" in str(found[0])


def giving_up(problem: Problem, chance: Fraction) -> Problem:
    """So much of all outages may be given up."""
    limits = dataclasses.replace(problem.limits, chances=(ChanceLimit(workload=0, max_probability=chance),))
    return dataclasses.replace(problem, limits=limits)


@pytest.mark.parametrize(("chance", "held_nodes"), [(0, {0: 3, 1: 3}), (9, {0: 3, 1: 3}), (10, {0: 3}), (20, {0: 3})])
def test_of_two_outages_one_is_given_up(chance: int, held_nodes: dict[int, int]) -> None:
    """Each has a tenth, and nothing is for sale by the hour: with three nodes in either region both are survived.

    With a tenth to give up, the loss of the cheap region is, and nothing is held in the dear one; a fifth saves no
    more, since something must serve while nothing is lost.
    """
    offers = [commitment(USD), commitment(2 * USD, pool=1)]
    problem = giving_up(lost([[1, 0, 1], [1, 1, 0]], offers, TWO), Fraction(chance, 100))
    plan = planned(problem, large=False)
    assert held(plan) == held_nodes
    left = {r["block"]: r["units"] for r in plan.unserved.records()}
    assert left.get(1) == (None if len(held_nodes) == 2 else 30)
    assert set(left) <= {1} or chance == 20
    assert [r for r in plan.cost_lines.records() if r["kind"] == "unserved"] == []
    rows = {(x.loss, x.way): x for x in survival(problem, plan)}
    assert rows["outage 1", PLANNED].worst == (0 if len(held_nodes) == 2 else 1)


def test_futures_keep_their_probability_whatever_they_weigh() -> None:
    """With half the objective on the dearest future, on the way of large problems: one outage is given up, not both."""
    offers = [commitment(USD), commitment(2 * USD, pool=1), on_demand(9 * USD), on_demand(9 * USD, 1)]
    problem = giving_up(lost([[1, 0, 1], [1, 1, 0]], offers, TWO), Fraction(1, 10))
    limits = dataclasses.replace(problem.limits, risk_weight=Fraction(1, 2), cvar_level=Fraction(9, 10))
    plan = planned(dataclasses.replace(problem, limits=limits), large=True)
    assert len({r["block"] for r in plan.unserved.records()}) <= 1


def test_one_more_outage_given_up_is_found_out() -> None:
    """The plan that gives one up, where none may be: a tenth is too much."""
    offers = [commitment(USD), commitment(2 * USD, pool=1)]
    problem = lost([[1, 0, 1], [1, 1, 0]], offers, TWO)
    plan = planned(giving_up(problem, Fraction(1, 10)), large=False)
    (fault,) = check(giving_up(problem, Fraction(9, 100)), plan)
    assert str(fault) == "chance: a: outages with the probability 0.1 leave units unserved, 0.09 allowed"
    assert {v.rule for v in check(problem, plan)} == {"demand"}  # its lines of unserved units are missing, too


def test_half_in_a_region_is_a_node_more_where_three_do() -> None:
    """Thirty units are three nodes in the cheap region; at most half in one: two and two, of which one stands by.

    The share holds while nothing is lost: in an outage all three are where they can be.
    """
    offers = [on_demand(USD), on_demand(2 * USD, 1)]
    problem = lost([[1, 0], [1, 1]], offers, TWO)
    limits = dataclasses.replace(problem.limits, shares=(ShareLimit(workload=0, per="region", share=Fraction(1, 2)),))
    plan = planned(dataclasses.replace(problem, limits=limits), large=False)
    placed = {(r["region"], r["block"]): r["nodes"] for r in plan.placements.records()}
    assert placed == {("r0", 0): 2, ("r1", 0): 2, ("r1", 1): 3}
    assert plan.total_micro_usd == 10 * USD * (6 * Fraction(98, 100) + 6 * Fraction(2, 100))
    assert {v.rule for v in check(dataclasses.replace(problem, limits=limits), planned(problem, large=False))} == {
        "diversity"
    }


@pytest.mark.parametrize(
    ("per", "share", "nodes"), [("region", (2, 3), (2, 1)), ("zone", (1, 3), (2, 1)), ("node", (1, 2), (2, 2))]
)
def test_shares_by_hand(per: Any, share: tuple[int, int], nodes: tuple[int, int]) -> None:
    """Of three nodes two thirds in a region, a third in each of its two zones; half on a shape takes a fourth node."""
    places = (Place(region="r0", zones=2), Place(region="r1", zones=2))
    problem = make(
        offers=[on_demand(USD), on_demand(2 * USD, 1)], work=[Work(demand=(30,), must=True, price=9 * USD)],
        hours=((10,),), places=places,
        limits=Limits(shares=(ShareLimit(workload=0, per=per, share=Fraction(*share)),)),
    )  # fmt: skip
    placed = {r["region"]: r["nodes"] for r in planned(problem, large=False).placements.records()}
    assert (placed["r0"], placed["r1"]) == nodes
