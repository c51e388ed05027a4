"""Causes by hand, and that they add up whatever the two sides are."""

from __future__ import annotations

import tempfile
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.actuals import CAUSES, Comparison, compare, planned_bill, read_bill
from solver.actuals.variance import coverage, utilisation, whole_parts
from solver.errors import InputError
from solver.finance import MissingRateError, Rates

from .made_up import FEBRUARY, USD, plan, row, write

Rows = list[dict[str, str | None]]
NO_TAGS: dict[str, str | None] = {"Tags": None}


def line(node: str, micro: int, option: str = "on_demand", workload: str = "chat", period: str = "2027-01") -> Any:
    """A line of a plan's bill."""
    return ("compute", "aws", "us", node, option, workload, "web", period, micro)


def hours(node: str, quantity: str, cost: str, **changes: str | None) -> dict[str, str | None]:
    """A row of so many hours."""
    return row(cost, x_InstanceType=node, PricingQuantity=quantity, ConsumedQuantity=quantity, **changes)


def compared(
    folder: Path, lines: list[Any], rows: Rows, prices: dict[str, int] | None = None, **more: Any
) -> Comparison:
    """A plan of some lines, at dollars an hour by node (10 by default), and a bill of some rows."""

    def rate(key: tuple[str, ...]) -> Fraction | None:
        return Fraction((prices or {}).get(key[3], 10) * USD)

    bill = read_bill(write(folder, rows), repeated="ignore")
    return compare(planned_bill(plan(lines=lines), rate), bill, **more)


def causes(found: Comparison, **where: str) -> dict[str, int]:
    """Causes that are not nothing, in dollars, of the lines that have these labels."""
    made: dict[str, int] = {}
    for r in found.lines.records():
        if all(r[k] == v for k, v in where.items()):
            for cause in CAUSES:
                made[cause] = made.get(cause, 0) + r[f"{cause}_micro_usd"]
    return {c: v // USD for c, v in made.items() if v}


def test_volume_mix_and_price_by_hand(tmp_path: Path) -> None:
    """The example of the page: 100 hours in A at $10 and 100 in B at $20; 150 in A at $11 and 60 in B at $20."""
    found = compared(
        tmp_path, [line("A", 1000 * USD), line("B", 2000 * USD)], [hours("A", "150", "1650"), hours("B", "60", "1200")],
        {"A": 10, "B": 20},
    )  # fmt: skip
    assert (found.planned_micro_usd, found.actual_micro_usd) == (3000 * USD, 2850 * USD)
    assert causes(found, node="A") == {"volume": 50, "mix": 450, "price": 150}
    assert causes(found, node="B") == {"volume": 100, "mix": -900}
    assert causes(found) == {"volume": 150, "mix": -450, "price": 150}
    assert found.difference_usd == -150


def test_coverage_and_utilisation_by_hand(tmp_path: Path) -> None:
    """Planned 100 hours committed at $6, 100 on demand at $10, 644 idle; came 60 at $6, 140 at $10, 684 idle.

    Coverage: 60 × 6 + 140 × 10 − 8 × 200 = $160; idle: 684 × 6 − 644 × 6 = $240.
    """
    committed = {"CommitmentDiscountId": "ri", "CommitmentDiscountStatus": "Used", "PricingCategory": "Committed"}
    option = "commit_1y_partial_upfront"
    lines = [line("big", 1000 * USD), line("big", 600 * USD, option), line("big", 3864 * USD, option, "(idle)")]
    rows = [hours("big", "140", "1400"), hours("big", "60", "360", **committed),
            hours("big", "684", "4104", **committed | NO_TAGS | {"CommitmentDiscountStatus": "Unused"})]  # fmt: skip
    found = compared(tmp_path, lines, rows)
    assert causes(found, workload="chat") == {"coverage": 160}
    assert causes(found, workload="(idle)") == {"utilisation": 240}
    (use,) = found.use.records()
    assert [use[c] for c in ("planned_used", "planned_unused", "planned_on_demand")] == [100, 644, 100]
    assert [use[c] for c in ("actual_used", "actual_unused", "actual_on_demand")] == [60, 684, 140]
    assert utilisation(use["actual_used"], use["actual_unused"]) == Fraction(60, 744)
    assert coverage(use["actual_used"], use["actual_on_demand"]) == Fraction(60, 200)


def test_a_way_of_buying_that_was_not_planned_is_coverage(tmp_path: Path) -> None:
    """100 hours on demand at $10 planned, 50 of them on spot at $3 in the end: −$350, and no effect of price."""
    spot = {"PricingCategory": "Dynamic"}
    rows = [hours("big", "50", "500"), hours("big", "50", "150", **spot)]
    assert causes(compared(tmp_path, [line("big", 1000 * USD)], rows)) == {"coverage": -350}


def test_what_only_one_side_has(tmp_path: Path) -> None:
    """Each with its reason; nothing is dropped."""
    rows = [
        hours("big", "100", "1000"),
        hours("other", "1", "7"),
        hours("big", "1", "11", Tags='{"workload": "stranger"}'),
        hours("big", "1", "13", **NO_TAGS),
        row("17", x_InstanceType=None, ServiceCategory="Storage", PricingUnit="GB", ConsumedUnit="GB"),
        row("19", ChargePeriodStart="2027-07-01T00:00:00Z", ChargePeriodEnd="2027-07-02T00:00:00Z",
            BillingPeriodStart="2027-07-01T00:00:00Z", BillingPeriodEnd="2027-08-01T00:00:00Z"),
    ]  # fmt: skip
    lines = [line("big", 1000 * USD), line("unused", 500 * USD), line("big", 300 * USD, period="2027-02")]
    found = compared(tmp_path, lines, rows)
    assert causes(found) == {"unplanned": 67, "unbilled": -500}
    reasons = {r["reason"]: r["actual_micro_usd"] // USD for r in found.lines.records() if r["reason"]}
    assert reasons == {
        "a place that the plan does not use for it": 7, "a workload that is not in the plan": 11,
        "no tag names a workload": 13, "neither machines nor transfer": 17, "a month outside the plan": 19,
    }  # fmt: skip
    assert found.awaited == {"2027-02": 300 * USD}
    assert found.months == ("2027-01", "2027-07")


def test_credits_corrections_and_tax(tmp_path: Path) -> None:
    """Each is a cause of its own."""
    rows = [
        hours("big", "100", "1000"),
        row("-50", ChargeCategory="Credit"),
        row("-5", ChargeCategory="Adjustment"),
        row("-20", ChargeClass="Correction"),
        row("93", ChargeCategory="Tax", PricingQuantity=None, PricingUnit=None, **NO_TAGS),
    ]
    found = compared(tmp_path, [line("big", 1000 * USD)], rows)
    assert causes(found) == {"credits": -55, "corrections": -20, "tax": 93}


def test_purchases_are_a_cause_of_cash_alone(tmp_path: Path) -> None:
    """The plan pays $17,520 at once for its commitment, the bill $18,000."""
    made = plan("cash")
    bought = {
        "ChargeCategory": "Purchase",
        "CommitmentDiscountId": "ri",
        "PricingQuantity": "8760",
        "EffectiveCost": "0",
    }
    path = write(tmp_path, [row("18000", **bought, **NO_TAGS), hours("big", "100", "1000")])
    bill = read_bill(path)
    cash = compare(planned_bill(made), bill, view="cash")
    assert causes(cash, what="purchases")["purchases"] == 18_000 - 17_520 - 372
    assert "purchases" not in causes(compare(planned_bill(made), bill))


def test_quantities_that_are_not_known_are_not_split(tmp_path: Path) -> None:
    """Of the bill (vCPU hours), and of the plan (no unit price)."""
    vcpu = row("1200", PricingUnit="vCPU Hours", ConsumedUnit="vCPU Hours")
    assert causes(compared(tmp_path, [line("big", 1000 * USD)], [vcpu])) == {"unsplit": 200}
    bill = read_bill(write(tmp_path, [hours("big", "120", "1200")]))
    assert causes(compare(planned_bill(plan(lines=[line("big", 1000 * USD)])), bill)) == {"unsplit": 200}


def test_currencies_by_hand(tmp_path: Path) -> None:
    """100 hours for 900 euros; a euro was $1.10 on the plan's day and is $1.20 at the end of January: $90 of $1,080."""
    rows = [hours("big", "100", "900", BillingCurrency="EUR")]
    days = [(date(2026, 10, 1), "EUR", "USD", Decimal("1.10")), (date(2027, 1, 31), "EUR", "USD", Decimal("1.20"))]
    more: dict[str, Any] = {"rates": Rates(days, max_age_days=None), "plan_day": date(2026, 10, 1)}
    found = compared(tmp_path, [line("big", 1000 * USD)], rows, **more)
    assert found.actual_micro_usd == 1080 * USD
    assert causes(found) == {"currency": 90, "price": -10}
    early = compared(tmp_path, [line("big", 1000 * USD)], rows, **more | {"plan_day": date(2020, 1, 1)})
    assert causes(early) == {"price": 80}
    assert "its changes are part of price" in early.notes[0]
    with pytest.raises(MissingRateError, match="EUR"):
        compared(tmp_path, [line("big", 1000 * USD)], rows)


def test_months_that_are_not_over_are_told(tmp_path: Path) -> None:
    """The bill ends on the 20th."""
    rows = [hours("big", "100", "1000", ChargePeriodEnd="2027-01-20T00:00:00Z")]
    (note,) = compared(tmp_path, [line("big", 1000 * USD)], rows).notes
    assert note == "2027-01: the bill's usage ends 2027-01-20T00:00Z, the plan's month 2027-02-01T00:00Z"
    whole = compared(tmp_path, [line("big", 1000 * USD)], [hours("big", "100", "1000", ChargePeriodEnd=FEBRUARY)])
    assert whole.notes == ()


nodes, workloads, options = (
    st.sampled_from("ABC"),
    st.sampled_from(["chat", "code", ""]),
    ["on_demand", "spot", "commit_1y"],
)
kinds = st.sampled_from([
    {}, {}, {"PricingCategory": "Dynamic"}, {"ChargeCategory": "Credit"}, {"ChargeCategory": "Tax"},
    {"CommitmentDiscountId": "x", "CommitmentDiscountStatus": "Used"}, {"ChargeClass": "Correction"},
    {"CommitmentDiscountId": "x", "CommitmentDiscountStatus": "Unused"}, {"PricingUnit": "GB", "ConsumedUnit": "GB"},
    {"BillingCurrency": "EUR"},
])  # fmt: skip
costs = st.integers(-(10**9), 10**12).map(lambda n: f"{Decimal(n).scaleb(-7):f}")
billed = st.builds(
    lambda node, work, cost, quantity, kind: hours(
        node, str(quantity), cost, **{"Tags": f'{{"workload": "{work}"}}'} | kind
    ),
    nodes, workloads, costs, st.integers(0, 500), kinds,
)  # fmt: skip
planned = st.lists(
    st.tuples(nodes, st.sampled_from(options), st.sampled_from(["chat", "code", "(idle)"])), unique=True, max_size=8
)


@given(keys=planned, amounts=st.lists(st.integers(1, 10**12), min_size=8, max_size=8),
       rows=st.lists(billed, min_size=1, max_size=10), view=st.sampled_from(["amortised", "cash"]))  # fmt: skip
@settings(max_examples=40)
def test_causes_add_up_exactly(keys: list[tuple[str, str, str]], amounts: list[int], rows: Rows, view: str) -> None:
    """Of every line and of all of them; and no amount of either side is lost."""
    lines = [line(n, micro, option, w) for (n, option, w), micro in zip(keys, amounts, strict=False)]
    rates = Rates([(date(2026, 1, 1), "EUR", "USD", Decimal("1.0703"))], max_age_days=None)
    with tempfile.TemporaryDirectory() as name:
        found = compared(Path(name), lines, rows, {"A": 3}, view=view, rates=rates, plan_day=date(2026, 2, 1))
    for r in found.lines.records():
        assert sum(r[f"{c}_micro_usd"] for c in CAUSES) == r["actual_micro_usd"] - r["planned_micro_usd"]
    column = {"amortised": "EffectiveCost", "cash": "BilledCost"}[view]
    exact = sum(
        Fraction(str(r[column])) * (Fraction("1.0703") if r["BillingCurrency"] == "EUR" else 1) for r in rows
    )  # fmt: skip
    assert found.actual_micro_usd == round(exact * USD)
    by = found.by("workload", "node")
    assert sum(by["actual_micro_usd"].tolist()) == found.actual_micro_usd
    if view == "amortised":
        assert found.planned_micro_usd == sum(x[-1] for x in lines)


@given(values=st.lists(st.fractions(-1000, 1000, max_denominator=10**6), max_size=20))
def test_whole_parts(values: list[Fraction]) -> None:
    """Each is less than one from its value, and they add up to the rounded sum."""
    parts = whole_parts(values)
    assert sum(parts) == round(sum(values, Fraction(0)))
    assert all(abs(p - v) < 1 for p, v in zip(parts, values, strict=True))


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    """Other views, and sums by what is no label."""
    with pytest.raises(InputError, match="no view"):
        compared(tmp_path, [line("big", USD)], [row()], view="accrual")
    with pytest.raises(InputError, match="no column 'price'"):
        compared(tmp_path, [line("big", USD)], [row()]).by("price")
