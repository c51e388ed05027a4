"""The tour shows what it says: a proved plan, an exact bill, a proved saving, and a check that sees what is touched."""

from __future__ import annotations

import pytest

from .played import Played, play

FACTS = {
    "total": "plan.total_micro_usd",
    "lines": "int(lines['micro_usd'].sum())",
    "bounds": "[plan.certificate.lower_micro_usd, plan.certificate.upper_micro_usd]",
    "new_bounds": "[cheaper.certificate.lower_micro_usd, cheaper.certificate.upper_micro_usd]",
    "totals": "[str(total), str(plan.total_usd), str(bill['all'].sum())]",
    "node_hours": "int(purchases['node_hours'].sum())",
    "bought_hours": "sum(r['nodes'] * plan.block_hours[r['block']] for r in plan.purchases.records())",
    "ways": "ways.set_index('way')[['total_micro_usd', 'saving_percent']].T.to_dict('list')",
    "bottlenecks": "bottlenecks['machines'].to_dict()",
    "excuses": "plan.excuses['bottleneck'].tolist()",
    "faults": "sorted(set(fault.rule for fault in faults))",
    "spot": "[str(proved_saving), list(by_option.index), bool(cheaper.to_frame()['option'].eq('spot').any())]",
    "change": "[changed['workloads'][0]['max_spot_share'], with_spot.digest() != problem.digest()]",
}


@pytest.fixture(scope="module")
def tour() -> Played:
    """The notebook, run once."""
    return play("tour", FACTS)


def test_the_certificate_is_proved_and_shown(tour: Played) -> None:
    """Its bounds stand in the right order, are within the gap asked for, and are those printed."""
    lower, upper = tour.facts["bounds"]
    assert 0 < lower <= upper <= lower / (1 - 0.02) + 1
    said = tour.shown("print(plan.termination)")
    assert said.startswith("gap reached\n")
    assert f"proved: ${lower / 1e6:,.2f} ≤ cheapest plan ≤ ${upper / 1e6:,.2f}" in said


def test_the_lines_are_the_bill(tour: Played) -> None:
    """To the micro-dollar: by lines, by months, and by the plan."""
    assert tour.facts["total"] == tour.facts["lines"] == tour.facts["bounds"][1]
    total, by_plan, by_month = tour.facts["totals"]
    assert total == by_plan == by_month
    assert tour.shown("in all").strip() == f"${float(total):,.6f} in all, ${float(total):,.6f} by the plan"
    assert tour.shown('bill["all"]').count("2027-") == 12


def test_node_hours_are_those_of_the_purchases(tour: Played) -> None:
    """This plan has no commitments, so every row has a block."""
    assert tour.facts["node_hours"] == tour.facts["bought_hours"] > 0


def test_savings_are_against_the_ways_shown(tour: Played) -> None:
    """Recomputed from the totals; no way that serves everything costs less than the lower bound."""
    lower, upper = tour.facts["bounds"]
    ways = tour.facts["ways"]
    assert len(ways) == 4
    for way, (total, saving) in ways.items():
        assert total >= lower
        assert saving == pytest.approx(100 * (1 - upper / total))
        assert way in tour.shown("ways = plan.to_frame")


def test_every_excuse_is_counted(tour: Played) -> None:
    """By bottleneck, and shown with its count."""
    every, counted = tour.facts["excuses"], tour.facts["bottlenecks"]
    assert counted == {b: every.count(b) for b in set(every)}
    assert {"memory", "residency", "tpot"} <= set(counted)
    assert f"rejected, residency ({counted['residency']})" in tour.shown("to_text(explain")


def test_spot_saves_for_sure(tour: Played) -> None:
    """The new plan is below the old lower bound; it cannot be above the old plan, which it may still buy."""
    lower, upper = tour.facts["bounds"]
    new_lower, new_upper = tour.facts["new_bounds"]
    saving, options, uses_spot = tour.facts["spot"]
    assert new_lower <= new_upper < lower <= upper
    assert float(saving) == pytest.approx((lower - new_upper) / 1e6)
    assert "spot" in options
    assert uses_spot
    assert tour.facts["change"] == [0.3, True]
    assert tour.shown("spot saves").startswith(f"spot saves at least ${(lower - new_upper) / 1e6:,.2f}, ")


def test_the_check_finds_only_what_was_touched(tour: Played) -> None:
    """Nothing in the plans as made; the missing node is named by the rule that asks for it."""
    assert tour.shown('print("faults:"') == "faults: [] []\n"
    assert tour.facts["faults"] == ["on_demand"]
    assert "nodes run that nobody bought" in tour.shown("touched = ")
