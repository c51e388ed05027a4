"""Contradictions whose answer can be worked out by hand: which limit, by how much, at what price."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.plan import Plan
from solver.problem import Limits, Problem, Quota, UnservedLimit
from solver.solve import solve
from solver.table import Table
from tests.check.by_hand import Place, Work, commitment, make, on_demand, spot
from tests.conflicts.applied import Row, conflicts, has_plan, relaxed

USD = 10**6
HOURS = ((10,), (90,))  # a busy block and a quiet one, in one month
BUSY = Work(demand=(100, 40), must=True, price=USD)  # ten nodes, then four, at ten units an hour each


def quota(most: int, pool: int = 0, kind: Any = "any") -> Quota:
    """A quota of one pool."""
    return Quota(name=f"aws/r{pool}/n", pools=(pool,), kind=kind, max_nodes=most)


def only(problem: Problem) -> Row:
    """The one conflict: applied it lets a plan exist, and by one unit less it does not."""
    (row,) = conflicts(problem)
    assert not has_plan(problem)
    assert has_plan(relaxed(problem, [row]), [row])
    less = row._replace(relax_by=row.relax_by - 1)
    assert row.relax_by == 1 or not has_plan(relaxed(problem, [less]), [less])
    return row


def test_a_quota_short_by_three_nodes() -> None:
    """Ten are needed in the busy block, seven allowed; a node costs 2 dollars in each of its ten hours."""
    row = only(make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS, limits=Limits(quotas=(quota(7),))))
    assert row[:3] == ("quota[aws/r0/n]", "nodes", 3)
    assert row.usd_per_unit == pytest.approx(20.0)
    assert "10 nodes needed in block 0 (10 h), 7 allowed" in row.detail
    assert "demand[a] \N{MINUS SIGN}30 requests an hour" in row.detail
    assert "with all of this a plan costs $920" in row.detail


def test_a_quota_over_two_pools_and_one_on_spot() -> None:
    """Only the quota on spot nodes is in the way, and it counts both regions."""
    both = Quota(name="aws/*/n (spot)", pools=(0, 1), kind="spot", max_nodes=6)
    problem = make(
        offers=[spot(USD), spot(USD, 1)], work=[dataclasses.replace(BUSY, spot_share=Fraction(1))], hours=HOURS,
        places=(Place(region="r0"), Place(region="r1")), limits=Limits(quotas=(both, quota(9), quota(9, 1))),
    )  # fmt: skip
    assert only(problem)[:3] == ("quota[aws/*/n (spot)]", "nodes", 4)


def test_a_budget_short_by_exactly_so_many_dollars() -> None:
    """Ten nodes for 10 h and four for 90 h at 2 dollars are 920."""
    limits = Limits(monthly_budget_micro_usd=(800 * USD,))
    row = only(make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS, limits=limits))
    assert row[:3] == ("monthly budget[2027-01]", "dollars", 120)
    assert row.usd_per_unit == pytest.approx(1.0)  # 6 of the 30 units an hour of six nodes are left: 120 dollars
    assert "$920 needed, $800 allowed" in row.detail


def test_a_part_of_a_dollar_is_a_dollar() -> None:
    """A relaxation is a whole number that suffices."""
    limits = Limits(monthly_budget_micro_usd=(919_500_000,))
    assert only(make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS, limits=limits)).relax_by == 1


def test_only_the_months_that_are_short() -> None:
    """The first month has the budget it needs; the second lacks 20 dollars, the third has no budget."""
    hours = ((10, 0, 0), (0, 10, 0), (0, 0, 10))
    work = Work(demand=(50, 60, 100), must=True, price=USD)
    limits = Limits(monthly_budget_micro_usd=(100 * USD, 100 * USD, None))
    row = only(make(offers=[on_demand(2 * USD)], work=[work], hours=hours, limits=limits))
    assert row[:3] == ("monthly budget[2027-02]", "dollars", 20)


def test_two_months_are_two_rows() -> None:
    """Each with what it lacks."""
    hours = ((10, 0), (0, 10))
    work = Work(demand=(50, 60), must=True, price=USD)
    problem = make(
        offers=[on_demand(2 * USD)], work=[work], hours=hours, limits=Limits(monthly_budget_micro_usd=(90 * USD,) * 2)
    )
    rows = conflicts(problem)
    assert [r[:3] for r in rows] == [
        ("monthly budget[2027-01]", "dollars", 10),
        ("monthly budget[2027-02]", "dollars", 30),
    ]
    assert has_plan(relaxed(problem, rows))
    assert not any(has_plan(relaxed(problem, rows[:i] + rows[i + 1 :])) for i in range(2))


def test_upfront_cash_short_by_exactly_so_many_dollars() -> None:
    """Nodes are sold for a year and paid at once, ten are needed at 30 dollars each, 240 may be spent."""
    limits = Limits(upfront_max_micro_usd=240 * USD)
    row = only(make(offers=[commitment(0, upfront=30 * USD)], work=[BUSY], hours=HOURS, limits=limits))
    assert row[:3] == ("upfront cash", "dollars", 60)
    assert "$300 needed, $240 allowed" in row.detail


def two_futures(limits: Limits, **work: Any) -> Problem:
    """Five nodes, or with a chance of one in four seven, for ten hours at two dollars."""
    return make(
        offers=[on_demand(2 * USD)], work=[Work(demand=(50, 70), price=10 * USD, **work)], hours=((10,), (10,)),
        scenario=[0, 1], probability=(Fraction(3, 4), Fraction(1, 4)), limits=limits,
    )  # fmt: skip


def test_the_tail_of_the_cost_short_by_exactly_so_many_dollars() -> None:
    """The worst half is the dear future and as much of the other: 120 dollars on average."""
    row = only(two_futures(Limits(cvar_level=Fraction(1, 2), cvar_max_micro_usd=110 * USD), must=True))
    assert row[:3] == ("cvar", "dollars", 10)
    assert "$120 needed in the worst futures, $110 allowed" in row.detail


def test_a_tail_of_unserved_units_under_a_quota() -> None:
    """Six nodes at most: ten units an hour stay unserved in the worst quarter, 100 in all; 60 are allowed."""
    unserved = (UnservedLimit(workload=0, level=Fraction(3, 4), max_units=60),)
    problem = two_futures(Limits(quotas=(quota(6),), unserved=unserved))
    rows = conflicts(problem)
    assert [r[:3] for r in rows] == [("unserved cvar[a]", "requests", 40)]
    assert not has_plan(problem)
    assert has_plan(relaxed(problem, rows))


def test_the_worst_scenario_sets_a_budget() -> None:
    """Two futures of the same month: the dearer one is 40 dollars over, and named."""
    problem = make(
        offers=[on_demand(2 * USD)], work=[Work(demand=(50, 70), must=True, price=USD)], hours=((10,), (10,)),
        scenario=[0, 1], probability=(Fraction(3, 4), Fraction(1, 4)),
        limits=Limits(monthly_budget_micro_usd=(100 * USD,)),
    )  # fmt: skip
    row = only(problem)
    assert row[:3] == ("monthly budget[2027-01]", "dollars", 40)
    assert "scenario 1" in row.detail


def test_an_hourly_budget() -> None:
    """Ten nodes cost 20 dollars an hour, 13 are allowed: six nodes, and four more for 10 h at 2 dollars."""
    limits = Limits(hourly_budget_micro_usd=13 * USD)
    row = only(make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS, limits=limits))
    assert row[:3] == ("hourly budget", "dollars an hour", 7)
    assert row.usd_per_unit == pytest.approx(80 / 7)


def test_a_carbon_limit() -> None:
    """Half a kilogram a node-hour, 460 node-hours: 230 kg."""
    place = Place(region="r0", grid=500.0, watts=1000)
    limits = Limits(carbon_max_g=200_000)
    row = only(make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS, places=(place,), limits=limits))
    assert row[:3] == ("carbon", "kg CO2e", 30)
    assert row.usd_per_unit == pytest.approx(4.0)
    assert "230.0 kg CO2e emitted, 200.0 kg allowed" in row.detail


def test_a_cap_on_spot_or_the_quota_on_the_rest() -> None:
    """Two firm nodes and eight on spot are 80 %, 20 % are allowed; or eight firm ones, six more than the quota."""
    work = dataclasses.replace(BUSY, spot_share=Fraction(1, 5))
    limits = Limits(quotas=(quota(2, kind="on_demand"),))
    row = only(make(offers=[on_demand(2 * USD), spot(USD)], work=[work], hours=HOURS, limits=limits))
    assert row[:3] == ("spot share[a]", "percentage points", 60)
    assert "80% of capacity on spot needed in block 0 (10 h), 20% allowed" in row.detail
    assert "quota[aws/r0/n] +6 nodes" in row.detail


def test_a_cap_on_spot_by_zone() -> None:
    """All on spot in a region of two zones: half in each; a quarter is allowed, so that half must be elsewhere."""
    work = dataclasses.replace(BUSY, zone_share=Fraction(1, 4))
    row = only(make(offers=[spot(USD)], work=[work], hours=HOURS, places=(Place(region="r0", zones=2),)))
    assert row[:3] == ("spot share per zone[a]", "percentage points", 25)


def test_two_limits_both_needed() -> None:
    """One pool: a plan needs three nodes more and 120 dollars more; neither alone is enough."""
    limits = Limits(quotas=(quota(7),), monthly_budget_micro_usd=(800 * USD,))
    problem = make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS, limits=limits)
    rows = conflicts(problem)
    assert [r[:3] for r in rows] == [
        ("monthly budget[2027-01]", "dollars", 120),
        ("quota[aws/r0/n]", "nodes", 3),
    ]
    assert [r.usd_per_unit for r in rows] == [pytest.approx(1.0), pytest.approx(20.0)]
    assert has_plan(relaxed(problem, rows))
    assert not any(has_plan(relaxed(problem, [row])) for row in rows)


def test_policy_gives_way_before_supply() -> None:
    """Eight cheap nodes and two dear ones cost 96 dollars more; two more cheap ones would be a smaller change."""
    problem = make(
        offers=[on_demand(2 * USD), on_demand(8 * USD, 1)], work=[Work(demand=(100,), must=True, price=USD)],
        hours=((8,),), places=(Place(region="r0"), Place(region="r1")),
        limits=Limits(quotas=(quota(8),), monthly_budget_micro_usd=(160 * USD,)),
    )  # fmt: skip
    row = only(problem)
    assert row[:3] == ("monthly budget[2027-01]", "dollars", 96)
    assert "instead, alone: quota[aws/r0/n] +2 nodes" in row.detail


def test_few_limits_rather_than_small_ones() -> None:
    """Four replicas of three nodes, one fits in each pool: five nodes more in one, though two in each are fewer."""
    places = (Place(region="r0"), Place(region="r1"))
    work = Work(demand=(120,), must=True, price=USD, gang=(3, 3))
    problem = make(
        offers=[on_demand(2 * USD), on_demand(2 * USD, 1)], work=[work], hours=((8,),), places=places,
        limits=Limits(quotas=(quota(4), quota(4, 1))),
    )  # fmt: skip
    row = only(problem)
    assert row.limit in {"quota[aws/r0/n]", "quota[aws/r1/n]"}
    assert row.relax_by == 5


def test_owned_nodes_beyond_a_quota() -> None:
    """Three are held, two allowed: no demand is in play, so that there is no price."""
    problem = make(
        offers=[commitment(USD, owned=3)], work=[Work(demand=(10, 10), must=True, price=USD)], hours=HOURS,
        limits=Limits(quotas=(quota(2),)),
    )  # fmt: skip
    row = only(problem)
    assert row[:3] == ("quota[aws/r0/n]", "nodes", 1)
    assert math.isnan(row.usd_per_unit)


def test_no_capacity_where_the_data_may_be() -> None:
    """Europe alone is allowed, and all nodes are in the US: serving there costs 920 dollars."""
    work = dataclasses.replace(BUSY, residency=("EU",))
    problem = make(offers=[on_demand(2 * USD), on_demand(3 * USD, 1)], work=[work], hours=HOURS,
                   places=(Place(region="r0"), Place(region="r1", jurisdiction="JP")))  # fmt: skip
    far = dataclasses.replace(problem.sources, rtt_ms=np.array([[80.0, 250.0]]))
    row = only(dataclasses.replace(problem, sources=far))
    assert row[:3] == ("residency[a]", "country", 1)
    assert "nothing in EU can serve it; admit US: the nearest is aws/r0/n" in row.detail
    assert row.usd_per_unit == pytest.approx(920.0)


def test_a_target_that_no_node_can_keep() -> None:
    """100 ms on the node and 30 ms on the way; 80 ms are asked for."""
    work = dataclasses.replace(BUSY, ttft_ms=80.0, rtt_ms=(30.0,))
    row = only(make(offers=[on_demand(2 * USD)], work=[work], hours=HOURS))
    assert row[:3] == ("latency[a]", "ms", 50)
    assert "130 ms to the first token at best" in row.detail
    assert "target 80 ms" in row.detail


def test_latency_or_residency() -> None:
    """At home too far, abroad too foreign: the first is asked, the second named."""
    work = dataclasses.replace(BUSY, ttft_ms=150.0, rtt_ms=(90.0, 20.0), residency=("EU",))
    places = (Place(region="r0", jurisdiction="EU"), Place(region="r1", jurisdiction="CH"))
    row = only(make(offers=[on_demand(2 * USD), on_demand(2 * USD, 1)], work=[work], hours=HOURS, places=places))
    assert row[:3] == ("latency[a]", "ms", 40)
    assert "residency[a] +1 country" in row.detail


@pytest.mark.parametrize("after", [True, False])
def test_a_deadline_too_early(after: bool) -> None:
    """1,000 units at ten an hour take 100 hours, the window has 60; more hours lie after it, or beyond the horizon."""
    run = Work(kind="training", total=1000, must=True, price=USD, window=(True, False) if after else (True,))
    row = only(make(offers=[on_demand(2 * USD)], work=[run], hours=((60,), (80,)) if after else ((60,),)))
    assert row[:3] == ("deadline[a]", "hours", 40)
    assert "2 days later" in row.detail


def test_a_deadline_and_a_budget() -> None:
    """The gang of three needs 100 of its hours, 600 dollars: 40 hours more and 100 dollars more."""
    run = Work(kind="training", total=3000, must=True, price=USD, window=(True, False), gang=(3,))
    limits = Limits(monthly_budget_micro_usd=(500 * USD,))
    problem = make(offers=[on_demand(2 * USD)], work=[run], hours=((60,), (80,)), limits=limits)
    rows = conflicts(problem)
    assert [r[:3] for r in rows] == [("deadline[a]", "hours", 40), ("monthly budget[2027-01]", "dollars", 100)]
    assert has_plan(relaxed(problem, rows))
    assert not any(has_plan(relaxed(problem, [row])) for row in rows)


def test_a_batch_job_without_room_in_its_window() -> None:
    """Ten hours of two nodes are 200 units; 500 are asked for, so that three more nodes are needed."""
    job = Work(kind="batch", total=500, must=True, price=USD, window=(True, False))
    row = only(make(offers=[on_demand(2 * USD)], work=[job], hours=HOURS, limits=Limits(quotas=(quota(2),))))
    assert row[:3] == ("quota[aws/r0/n]", "nodes", 3)
    assert "work[a] \N{MINUS SIGN}300 requests" in row.detail
    assert "deadline[a] +24 hours" in row.detail  # fifteen would do; a deadline is a day


def test_a_country_that_would_do_in_place_of_a_quota() -> None:
    """Seven nodes at home, and as many as one likes abroad: the nearest country there is named."""
    work = dataclasses.replace(BUSY, residency=("EU",), rtt_ms=(5.0, 90.0, 40.0))
    places = (Place(region="r0", jurisdiction="EU"), Place(region="r1"), Place(region="r2", jurisdiction="CH"))
    offers = [on_demand(2 * USD, pool) for pool in range(3)]
    row = only(make(offers=offers, work=[work], hours=HOURS, places=places, limits=Limits(quotas=(quota(7),))))
    assert row[:3] == ("quota[aws/r0/n]", "nodes", 3)
    assert "residency[a] +1 country (CH)" in row.detail


def test_a_workload_that_nothing_can_run() -> None:
    """No candidate: all that is asked for, and why no node would do."""
    problem = make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS)
    none = {f.name: getattr(problem.candidates, f.name)[:0] for f in dataclasses.fields(problem.candidates)}
    excuses = Table.from_records(
        ("workload", "provider", "node", "region", "bottleneck", "detail"),
        [("a", "aws", "n", "", "memory", "needs 500 GiB per GPU, has 74 GiB usable")],
    )
    empty = dataclasses.replace(problem, candidates=dataclasses.replace(problem.candidates, **none), excuses=excuses)
    row = only(empty)
    assert row[:3] == ("demand[a]", "requests an hour", 100)
    assert "needs 500 GiB per GPU" in row.detail


def test_the_plan_of_a_contradiction() -> None:
    """Through the search: no fleet, the conflicts, and the same on every run."""
    problem = make(offers=[on_demand(2 * USD)], work=[BUSY], hours=HOURS, limits=Limits(quotas=(quota(7),)))
    made: list[Plan] = [solve(problem, deterministic=True) for _ in range(2)]
    assert made[0].termination == "infeasible"
    assert not len(made[0].purchases)
    assert list(made[0].conflicts.records()) == list(made[1].conflicts.records())
    assert made[0].conflicts["limit"].tolist() == ["quota[aws/r0/n]"]
