"""A rule left out of the model is missed by the check: for every rule, and for each part of it."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from solver.check import check
from solver.engine.run import run
from solver.errors import CheckError
from solver.problem import ChanceLimit, Limits, Outages, Quota, ShareLimit, UnservedLimit
from solver.rules import RULES
from solver.solve import solve
from tests.core.instances import whole

from .by_hand import USD, Offer, Place, Work, commitment, make, on_demand, spot
from .plans import plan_of

if TYPE_CHECKING:
    from solver.plan import Plan
    from solver.problem import Problem
    from solver.rules import Rule

HALF = Fraction(1, 2)
TWO = (Place(region="r0", jurisdiction="US"), Place(region="r1", jurisdiction="EU"))
CHEAP_FIRST = (on_demand(1 * USD, 0), on_demand(3 * USD, 1))
DAY = ((10,), (14,))


def served(**fields: Any) -> Work:
    """Two nodes' worth by day, one by night, all of it."""
    return Work(**{"demand": (20, 10), "must": True, "price": 10 * USD, **fields})


def two(work: Work, offers: tuple[Offer, ...] = CHEAP_FIRST, **fields: Any) -> Problem:
    """One workload, a cheap place and a dear one."""
    return make(offers=offers, work=[work], hours=DAY, places=TWO, **fields)


def limited(**fields: Any) -> Problem:
    """A service whose units may be left for ten dollars each, under limits."""
    return two(served(must=False), limits=Limits(**fields))


def quota(kind: Any, offers: tuple[Offer, ...] = CHEAP_FIRST) -> Problem:
    """One node at most in the cheap place, which two services of one node each would like to be in."""
    limits = Limits(quotas=(Quota(name="r0", pools=(0,), kind=kind, max_nodes=1),))
    return make(offers=offers, work=[served(demand=(10, 10))] * 2, hours=DAY, places=TWO, limits=limits)


def two_windows() -> Problem:
    """63 units to do in the first block, 7 in the second, where the node that does them has time for all."""
    both = Work(total=63, kind="batch", must=True, price=10 * USD)
    problem = make(offers=[on_demand(USD)], work=[both], hours=[(10,), (7,)])
    parts = {"total_units": whole([63, 7]), "window": np.array([[True, False], [False, True]])}
    for name in ("workload", "origin", "units_per_hour", "rtt_ms", "transfer_pico_usd_per_unit"):
        parts[name] = np.repeat(getattr(problem.sources, name), 2, axis=0)
    return dataclasses.replace(problem, sources=dataclasses.replace(problem.sources, **parts))


def outage(up: tuple[int, int] = (1, 0), offers: tuple[Offer, ...] = CHEAP_FIRST, zones: int = 1) -> Problem:
    """By day all is well, by night the cheap place has so many zones left."""
    places = (Place(region="r0", zones=zones), TWO[1])
    problem = make(
        offers=offers, work=[served()], hours=((10,), (10,)), places=places, scenario=(0, 1), probability=(HALF, HALF)
    )
    states = Outages(
        up=whole([up, (1, 1)]), state=("", "r0 is lost"), probability=(HALF, HALF),
        share=((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))),
    )  # fmt: skip
    return dataclasses.replace(problem, outages=states)


def held(offers: tuple[Offer, ...], work: Work | None = None) -> Problem:
    """Two nodes are wanted in either block; in the second r0 is lost, and nothing new can be had."""
    problem = make(
        offers=offers, work=[work or served(demand=(20, 20))], hours=((10,), (10,)), places=TWO, scenario=(0, 1),
        probability=(HALF, HALF),
    )  # fmt: skip
    states = Outages(
        up=whole([(1, 0), (1, 1)]), state=("", "r0 is lost"), probability=(HALF, HALF), calm=whole([[1], [0]]),
        share=((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))), hold=(False, True),
    )  # fmt: skip
    return dataclasses.replace(problem, outages=states)


def spot_gone() -> Problem:
    """By night the spot market of the cheap place is gone."""
    problem = two(served(), SPOT_FIRST)
    blocks = dataclasses.replace(problem.blocks, scenario=whole([0, 1]), probability=(HALF, HALF))
    states = Outages(
        up=whole([(1, 1), (1, 1)]), state=("", "spot in r0 is lost"), probability=(HALF, HALF),
        share=((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))), spot=whole([(1, 0), (1, 1)]),
    )  # fmt: skip
    return dataclasses.replace(problem, blocks=blocks, outages=states)


def chance() -> Problem:
    """The same, and r0 may be given up while it is lost if that has no probability at all: it has a half."""
    problem = outage()
    limits = Limits(chances=(ChanceLimit(workload=0, max_probability=Fraction(1, 3)),))
    return dataclasses.replace(problem, limits=limits)


def apart(per: Any, share: Fraction = HALF) -> Problem:
    """Two nodes' worth in two regions of two zones and of two node shapes, of which so much may be in one place."""
    limits = Limits(shares=(ShareLimit(workload=0, per=per, share=share),))
    places = (Place(region="r0", zones=2), Place(region="r1", zones=2))
    return make(offers=CHEAP_FIRST, work=[served(demand=(20, 20))], hours=DAY, places=places, limits=limits)


def futures(price: int = 10 * USD, **limits: Any) -> Problem:
    """A node's worth for ten hours, or as likely two; a node for two dollars an hour, or 1.20 in either future."""
    offers = (on_demand(2 * USD), commitment(12 * USD // 10))
    return make(
        offers=offers, work=[Work(demand=(10, 20), price=price)], hours=((10,), (10,)), scenario=(0, 1),
        probability=(HALF, HALF), limits=Limits(cvar_level=HALF, **limits),
    )  # fmt: skip


SPOT_FIRST = (on_demand(2 * USD, 0), spot(1 * USD, 0), on_demand(3 * USD, 1))
COMMITTED_FIRST = (*CHEAP_FIRST, commitment(USD // 2))
UPFRONT_FIRST = (*CHEAP_FIRST, commitment(0, upfront=3 * USD, term_hours=24))
# a gang of one node in each cheap place would do together what one of two nodes does in the dear one
RUN_OF_A_GANG = Work(total=480, kind="training", must=True, price=10 * USD, gang=(1, 1, 2))
THREE = tuple(Place(region=f"r{i}", grid=500.0) for i in range(3))

# without their rows nothing runs, or runs where it cannot be used: units that must be served are left
SEEN_AS = {"capacity": "demand", "window": "demand"}
UNSERVED = UnservedLimit(workload=0, level=HALF, max_units=120)
OBJECTIVE = {"robust"}  # a part of the objective alone: without it a plan is sound, and dearer than it could be
BINDING: dict[str, tuple[str, Problem]] = {
    "residency": ("residency", two(served(residency=("EU",)))),
    "latency": ("latency", two(served(ttft_ms=200.0, rtt_ms=(150.0, 50.0)))),
    "window": ("window", two_windows()),
    "demand of a service": ("demand", two(served())),
    "demand of a job": ("demand", two(Work(total=100, kind="batch", must=True, price=USD))),
    "price of units left": ("demand", two(served(must=False, price=1), (on_demand(10 * USD),))),
    "capacity": ("capacity", two(served())),
    "nodes on demand": ("on_demand", two(served())),
    "commitments": ("commitment", two(served(), COMMITTED_FIRST)),
    "upfront payments": ("commitment", two(served(), (*CHEAP_FIRST, commitment(0, upfront=3 * USD, term_hours=24)))),
    "outage of a region": ("outage", outage()),
    "outage of a zone": ("on_demand", outage((2, 1), (*CHEAP_FIRST, commitment(USD // 2)), zones=2)),
    "outage of a spot market": ("outage", spot_gone()),
    "nothing new in an outage": ("hold", held(CHEAP_FIRST)),
    "nothing new on spot in an outage": ("hold", held((spot(1 * USD, 0), spot(3 * USD, 1)))),
    "outages given up": ("chance", chance()),
    "share of a region": ("diversity", apart("region")),
    "share of a node shape": ("diversity", apart("node")),
    "share of a zone": ("diversity", apart("zone", Fraction(1, 3))),
    "price of spot": ("spot", two(served(), SPOT_FIRST)),
    "spot share": ("spot", two(served(spot_share=HALF), SPOT_FIRST)),
    "spot share of a region": ("spot", two(served(region_share=HALF), SPOT_FIRST)),
    "spot share of a zone": ("spot", two(served(zone_share=HALF), SPOT_FIRST)),
    "quota": ("quota", quota("any")),
    "quota on demand": ("quota", quota("on_demand")),
    "quota counts commitments": ("quota", quota("on_demand", COMMITTED_FIRST)),
    "quota of spot": ("quota", quota("spot", SPOT_FIRST)),
    "gang": (
        "gang",
        make(offers=[on_demand(USD, 0), on_demand(USD, 1), on_demand(9 * USD, 2)], work=[RUN_OF_A_GANG], hours=DAY,
             places=THREE),
    ),
    "monthly budget": ("budget", limited(monthly_budget_micro_usd=(25 * USD,))),
    "hourly budget": ("budget", limited(hourly_budget_micro_usd=1 * USD)),
    "upfront cash": ("upfront", two(served(), UPFRONT_FIRST, limits=Limits(upfront_max_micro_usd=3 * USD))),
    "CVaR of the cost": ("risk", futures(cvar_max_micro_usd=30 * USD)),
    "CVaR of unserved units": ("risk", futures(USD // 10, unserved=(UNSERVED,))),
    "transfer": ("transfer", two(served(transfer=(10**10, 10**10)))),
    "price of carbon": (
        "carbon", make(offers=[on_demand(USD)], work=[served()], hours=DAY, places=THREE[:1],
                       limits=Limits(carbon_micro_usd_per_kg=USD))
    ),
    "carbon limit": (
        "carbon", make(offers=[on_demand(USD)], work=[served(must=False)], hours=DAY, places=THREE[:1],
                       limits=Limits(carbon_max_g=5_000)),
    ),
}  # fmt: skip


def without(name: str) -> tuple[Rule, ...]:
    """All rules but one."""
    return tuple(rule for rule in RULES if rule.name != name)


def unchecked(problem: Problem, rules: tuple[Rule, ...]) -> Plan:
    """The plan that a model of some rules makes, billed by them."""
    outcome = run(
        problem, rules, time_limit_s=20, gap=0.0, seed=0, deterministic=False, report=lambda _phase, _low, _high: None
    )
    assert outcome.termination == "optimal"
    assert outcome.decision is not None
    return plan_of(problem, outcome.decision, rules)


def test_every_rule_has_a_problem_in_which_it_binds() -> None:
    """A new rule wants a line in the table above."""
    assert {rule for rule, _ in BINDING.values()} == {rule.name for rule in RULES} - OBJECTIVE


@pytest.mark.parametrize("case", BINDING)
def test_with_all_rules_the_plan_is_sound(case: str) -> None:
    """So that what the next test finds is the rule that is missing."""
    _, problem = BINDING[case]
    assert check(problem, unchecked(problem, RULES)) == []


@pytest.mark.parametrize("case", BINDING)
def test_the_check_notices_a_rule_left_out(case: str) -> None:
    """The plan of a model without the rule breaks that rule or lacks its lines, and nothing else is wrong with it."""
    name, problem = BINDING[case]
    found = check(problem, unchecked(problem, without(name)))
    assert {v.rule for v in found} == {SEEN_AS.get(name, name)}


@pytest.mark.parametrize("name", [rule.name for rule in RULES if rule.name not in OBJECTIVE])
def test_such_a_plan_is_never_handed_out(name: str) -> None:
    """`solve` raises instead."""
    problem = next(problem for rule, problem in BINDING.values() if rule == name)
    with pytest.raises(CheckError):
        solve(problem, rules=without(name), gap=0.0, time_limit_s=20, isolated=False)
