"""Today's ways of buying against hand computation, and their properties."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.problem import Limits, Problem, Quota
from solver.ways import COLUMNS, ways
from solver.ways.need import replicas_needed
from tests.doors.small import USD, make_offers, make_small, make_sources, make_workloads
from tests.report.report_samples import make_ways, text, whole


def priced(problem: Problem, plan_usd: int = 1000) -> dict[str, dict[str, Any]]:
    """Rows by way."""
    return {r["way"]: r for r in ways(problem, plan_usd * USD).records()}


def totals(problem: Problem) -> list[float]:
    """Dollars of each way, in order."""
    return [r["total_micro_usd"] / USD for r in priced(problem).values()]


def test_totals_are_what_hand_computation_says() -> None:
    """Chat in aws us: (4 × 30 + 1 × 70) × $10; the run: 30 h × 2 nodes × $10. At its peak: 4 nodes, 100 h."""
    assert totals(make_small()) == [2500, 2500, 2500, 4600]
    rows = priced(make_small())
    assert rows["best single region"]["note"] == "aws us"
    assert all(r["feasible"] for r in rows.values())
    assert rows["all on demand"]["micro_usd_per_month"] == 1250 * USD
    assert rows["all on demand"]["saving_percent"] == pytest.approx(100 * (1 - 1000 / 2500))
    assert tuple(rows["all on demand"]) == COLUMNS == make_ways(1).names


def test_residency_moves_every_way() -> None:
    """In the EU chat is cheapest on (24 × 30 + 4 × 70) small nodes at $2; only aws eu hosts both workloads there."""
    rows = priced(make_small(workloads=make_workloads(residency=(("EU",), ()))))
    assert rows["all on demand"]["total_micro_usd"] == (2000 + 600) * USD
    assert rows["best single region"]["total_micro_usd"] == (190 * 12 + 30 * 2 * 12) * USD
    assert rows["best single region"]["note"] == "aws eu"
    assert rows["cheapest GPU-hour, greedy"]["total_micro_usd"] == (190 * 12 + 600) * USD
    countries = priced(make_small(workloads=make_workloads(residency=(("FR",), ()))))
    assert countries["all on demand"]["total_micro_usd"] == (190 * 12 + 600) * USD


def test_where_residency_forbids_one_region_each_group_has_its_own() -> None:
    """And the note says which."""
    row = priced(make_small(workloads=make_workloads(residency=(("EU",), ("US",)))))["best single region"]
    assert row["total_micro_usd"] == 2600 * USD
    assert row["note"] == "EU workloads in gcp eu; US workloads in aws us"


def test_latency_splits_a_workload_over_its_origins() -> None:
    """Each origin where it can be reached: paris in (3 × 30 + 70) nodes of aws eu, nyc in aws us for 100 h."""
    far = np.full((3, 3), 10.0)
    far[0, [0, 2]] = far[1, [1, 2]] = 400.0
    problem = make_small(sources=dataclasses.replace(make_sources(), rtt_ms=far))
    rows = priced(problem)
    assert rows["all on demand"]["total_micro_usd"] == (160 * 12 + 1000 + 600) * USD
    assert rows["best single region"]["note"] == "chat from paris in aws eu; chat from nyc, train in aws us"
    assert rows["best single region"]["total_micro_usd"] == rows["all on demand"]["total_micro_usd"]


def test_what_nothing_serves_cannot_be_priced() -> None:
    """The total is -1 and the note names the demand."""
    for row in priced(make_small(workloads=make_workloads(ttft_ms=200.0))).values():
        assert (row["total_micro_usd"], row["micro_usd_per_month"], row["feasible"]) == (-1, -1, False)
        assert math.isnan(row["saving_percent"])
        assert row["note"] == "nothing on demand serves chat from paris, chat from nyc"


def test_leaving_demand_unserved_at_its_price_is_a_choice_when_the_spec_allows_it() -> None:
    """At $1 a unit chat (14,700 units) is served; where nothing can, it is left and named."""
    assert totals(make_small(workloads=make_workloads(unserved_usd=1)))[0] == 2500
    row = priced(make_small(workloads=make_workloads(unserved_usd=1, ttft_ms=200.0)))["all on demand"]
    assert row["total_micro_usd"] == (350 * 30 + 60 * 70 + 600) * USD
    assert row["note"] == "leaves chat from paris, chat from nyc unserved"


def test_a_broken_quota_and_budget_are_named_not_enforced() -> None:
    """Four nodes of chat and two of the run in the busy block."""
    six, five = (Quota(name="aws/us/big", pools=(0,), kind="any", max_nodes=n) for n in (6, 5))
    assert priced(make_small(limits=Limits(quotas=(six,))))["all on demand"]["feasible"]
    row = priced(make_small(limits=Limits(quotas=(five,))))["all on demand"]
    assert (row["feasible"], row["note"]) == (False, "breaks the quota aws/us/big")
    tight = Limits(monthly_budget_micro_usd=(900 * USD, 1600 * USD))
    assert priced(make_small(limits=tight))["all on demand"]["feasible"]
    tight = Limits(monthly_budget_micro_usd=(899 * USD, None))
    assert priced(make_small(limits=tight))["all on demand"]["note"] == "exceeds the budget of 2027-01"


def test_budgets_hold_in_every_scenario_and_hour() -> None:
    """One that fits the mean of two futures but not the dearer one is exceeded; six nodes cost $60 an hour."""
    base = make_small()
    blocks = dataclasses.replace(
        base.blocks, hours=whole([[10, 20], [10, 20]]), scenario=whole([0, 1]), period_hours=whole([10, 20]),
        probability=(Fraction(1, 2), Fraction(1, 2)),
    )  # fmt: skip
    problem = dataclasses.replace(base, blocks=blocks)
    # chat takes 4 nodes in one and 1 in the other, the run two in both: 600 and 300 dollars in the first month
    for budget, fine in ((600, True), (599, False), (450, False)):
        limits = Limits(monthly_budget_micro_usd=(budget * USD, None))
        assert priced(dataclasses.replace(problem, limits=limits))["all on demand"]["feasible"] is fine
    assert totals(problem)[0] == (600 + 300 + 1200 + 600) / 2
    for hourly, fine in ((60, True), (59, False)):
        limits = Limits(hourly_budget_micro_usd=hourly * USD)
        row = priced(dataclasses.replace(problem, limits=limits))["all on demand"]
        assert (row["feasible"], row["note"]) == (fine, "" if fine else "exceeds the hourly budget")
    owned = Limits(hourly_budget_micro_usd=52 * USD)  # two owned at $6, four more at $10
    assert priced(make_small(limits=owned, offers=make_offers(owned=2)))["all on demand"]["feasible"]


def test_owned_commitments_are_paid_and_used_in_every_way() -> None:
    """Two owned nodes at $6 for 100 h carry a part of chat and of the run; five carry nearly all."""
    rows = priced(make_small(offers=make_offers(owned=2)))
    beyond = (4 + 2 - 2) * 30  # in the busy block, where the run is; one node of chat is within the two in the other
    assert rows["all on demand"]["total_micro_usd"] == (2 * 100 * 6 + beyond * 10) * USD
    many = priced(make_small(offers=make_offers(owned=9)))
    assert {r["total_micro_usd"] for r in many.values()} == {9 * 100 * 6 * USD}


def test_what_is_owned_but_not_on_sale_serves_as_far_as_it_goes() -> None:
    """A pool without an on-demand price can hold what is owned; more than that is not to be had."""
    owned = make_offers(owned=9)
    kept = {f.name: getattr(owned, f.name)[3:] for f in dataclasses.fields(owned)}
    assert totals(make_small(offers=dataclasses.replace(owned, **kept)))[:3] == [5400, 5400, 5400]
    few = dataclasses.replace(owned, **kept | {"owned_nodes": whole([4])})
    note = priced(make_small(offers=few))["all on demand"]["note"]
    assert note == "needs more nodes of aws/us/big than are owned, and none are on sale"


def test_transfer_and_carbon_are_in_the_bill() -> None:
    """A dollar for each million units moved; ten kilowatts × 500 g/kWh at $1 a kilogram is $5 a node-hour."""
    moved = priced(make_small(sources=make_sources(transfer_pico=10**6)))["all on demand"]
    units = 350 * 30 + 60 * 70 + 1000
    assert moved["total_micro_usd"] == 2500 * USD + units
    green = priced(make_small(limits=Limits(carbon_micro_usd_per_kg=USD)))
    # aws eu: $12 and $0.50 of carbon; gcp eu: $2 and $0.04 on 1,000 node-hours
    assert green["all on demand"]["total_micro_usd"] == (2040 * USD) + 60 * 12_500_000
    assert not priced(make_small(limits=Limits(carbon_max_g=1)))["all on demand"]["feasible"]


@given(st.integers(1, 10**6))
def test_totals_scale_with_prices(factor: int) -> None:
    """All prices times k: every total times k."""
    scaled = [r["total_micro_usd"] for r in priced(make_small(offers=make_offers(factor))).values()]
    assert scaled == [x * factor * USD for x in totals(make_small())]


@given(st.lists(st.integers(0, 2000), min_size=4, max_size=4), st.integers(1, 500))
def test_a_way_never_beats_the_least_price_of_a_unit(demand: list[int], more: int) -> None:
    """No less than the units at the best price; peak-sizing and more demand never cost less."""

    def way_totals(extra: int) -> list[float]:
        units = whole([[demand[0] + extra, demand[1]], [demand[2], demand[3]], [0, 0]])
        return totals(make_small(sources=dataclasses.replace(make_sources(), units_per_hour=units)))

    found, larger = way_totals(0), way_totals(more)
    units = 30 * (demand[0] + demand[2]) + 70 * (demand[1] + demand[3])
    assert found[0] >= units * 0.1 + 600
    assert found[3] >= found[0] - 1e-6
    assert all(found[0] <= other + 1e-6 for other in found)
    assert larger[0] >= found[0]


def test_a_divisible_job_ends_in_the_smallest_block_that_suffices() -> None:
    """1,000 units at 50 an hour on two of 3 × 30-hour, one 10-hour block: then the smallest that is enough."""
    base = make_small()
    hours = whole([[30], [30], [10]])
    blocks = dataclasses.replace(
        base.blocks, hours=hours, scenario=whole([0, 0, 0]), periods=("2027-01",), period_hours=whole([70])
    )
    window = np.ones((3, 3), dtype=bool)
    sources = dataclasses.replace(base.sources, units_per_hour=np.zeros((3, 3), dtype=np.int64), window=window)
    offers = dataclasses.replace(
        base.offers, paid_hours=np.zeros((3, 1), dtype=np.int64), active=np.ones((3, 3), dtype=bool)
    )
    workloads = dataclasses.replace(base.workloads, kind=text(["serving", "batch"]))
    problem = dataclasses.replace(base, blocks=blocks, sources=sources, offers=offers, workloads=workloads)
    run = np.array([2])
    needed = {
        total: replicas_needed(
            dataclasses.replace(problem, sources=dataclasses.replace(sources, total_units=whole([0, 0, total]))),
            run, whole([50]),
        )[0].tolist()
        for total in (1, 1500, 1501, 2000, 2001, 3500, 3501)
    }  # fmt: skip
    assert needed == {
        1: [0, 0, 1],
        1500: [1, 0, 0],
        1501: [1, 0, 1],
        2000: [1, 0, 1],
        2001: [1, 1, 0],
        3500: [1, 1, 1],
        3501: [2, 0, 2],
    }
