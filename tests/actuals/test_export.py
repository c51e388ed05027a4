"""A plan as a bill: what FOCUS asks of it, sums to the micro-dollar, and back without a difference."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from solver.actuals import (
    CAUSES,
    Matching,
    compare,
    export_plan,
    faults_of,
    forecast_rows,
    planned_bill,
    planned_rows,
    read_bill,
    write_rows,
)
from solver.actuals.focus import focus_columns
from solver.actuals.planned import COLUMNS
from solver.errors import InputError

from .made_up import USD, plan, rate

VIEWS = {"amortised": "effective", "cash": "billed"}


def sums(rows: list[dict[str, Any]], column: str, **where: Any) -> Decimal:
    """A column over the rows that have these values."""
    return sum((r[column] for r in rows if all(r[k] == v for k, v in where.items())), Decimal(0))


@pytest.mark.parametrize("accounting", ["amortised", "cash"])
@pytest.mark.parametrize("priced", [True, False])
def test_rows_keep_the_rules_of_focus(accounting: str, priced: bool) -> None:
    """Those of its columns and between them."""
    rows = planned_rows(plan(accounting), rate if priced else None)
    assert faults_of(COLUMNS, rows) == []
    assert {r["ChargeCategory"] for r in rows} == {"Usage", "Purchase", "Adjustment"}


@pytest.mark.parametrize("accounting", ["amortised", "cash"])
def test_the_accounting_of_the_plan_adds_up_to_its_bill(accounting: str) -> None:
    """To the micro-dollar, in its own column."""
    made = plan(accounting)
    column = {"amortised": "EffectiveCost", "cash": "BilledCost"}[accounting]
    assert sums(planned_rows(made, rate), column) == made.total_usd


def test_a_commitment_by_hand() -> None:
    """$17,520 at once for 8,760 hours at $2: 744 hours of January are $1,488, 672 of February $1,344."""
    for accounting in VIEWS:
        rows = planned_rows(plan(accounting), rate)
        once = [r for r in rows if r["ChargeCategory"] == "Purchase" and r["ChargeFrequency"] == "One-Time"]
        assert [(r["BilledCost"], r["EffectiveCost"], r["PricingQuantity"]) for r in once] == [(17_520, 0, 8760)]
        recurring = [r for r in rows if r["ChargeFrequency"] == "Recurring" and r["ChargeCategory"] == "Purchase"]
        assert [(r["BilledCost"], r["PricingQuantity"]) for r in recurring] == [(372, 744), (336, 672)]
        used = {(r["ChargePeriodStart"][:7], r["CommitmentDiscountStatus"]): r for r in rows
                if r["CommitmentDiscountStatus"]}  # fmt: skip
        assert {k: r["BilledCost"] for k, r in used.items()} == dict.fromkeys(used, 0)
        amounts = {k: r["EffectiveCost"] for k, r in used.items()}
        january = {"amortised": (1300, 560), "cash": (1500, 360)}[accounting]  # cash is spread as the hours are used
        assert amounts == {
            ("2027-01", "Used"): january[0], ("2027-01", "Unused"): january[1], ("2027-02", "Used"): 336 + 1344,
        }  # fmt: skip
        assert sum(r["CommitmentDiscountQuantity"] for k, r in used.items() if k[0] == "2027-01") == 744
        assert used["2027-01", "Unused"]["ConsumedQuantity"] is None


def test_usage_by_hand() -> None:
    """On demand 100 hours at $10; what no provider bills is an adjustment of the planner's."""
    rows = planned_rows(plan(), rate)
    (demand,) = (r for r in rows if r["PricingCategory"] == "Standard" and r["BilledCost"] == 1000)
    assert [demand[k] for k in ("PricingQuantity", "PricingUnit", "ListUnitPrice", "Tags", "x_Node")] == [
        100, "Hours", 10, '{"workload": "chat", "team": "web"}', "big",
    ]  # fmt: skip
    assert demand["ChargePeriodStart"], demand["ChargePeriodEnd"] == ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z")
    (spot,) = (r for r in rows if r["PricingCategory"] == "Dynamic")
    assert spot["BilledCost"] == Decimal("77.777777")
    assert sums(rows, "BilledCost", ProviderName="Planner") == 5


@pytest.mark.parametrize("accounting", ["amortised", "cash"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("priced", [True, False])
def test_there_and_back_without_a_difference(tmp_path: Path, accounting: str, suffix: str, priced: bool) -> None:
    """In both views; every cause is nothing, and both sides are the plan's bill."""
    made, price = plan(accounting), rate if priced else None
    file = tmp_path / f"bill{suffix}"
    assert export_plan(made, file, price) == len(planned_rows(made, price))
    bill = read_bill(file, matching=Matching().for_plan(made))
    assert (bill.version, bill.reconciliation.set_aside, bill.reconciliation.flagged) == ("1.2", {}, {})
    for view in VIEWS:
        found = compare(planned_bill(made, price), bill, view=view)  # type: ignore[arg-type]
        assert not any(found.lines[f"{cause}_micro_usd"].any() for cause in CAUSES)
        assert found.actual_micro_usd == found.planned_micro_usd
        assert view != accounting or found.actual_micro_usd == made.total_micro_usd
        assert found.notes == ()
        assert found.awaited == {}


def test_names_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    """Are guarded in CSV."""
    lines = [("compute", "aws", "us", "big", "on_demand", "=HYPERLINK(1)", "", "2027-01", USD)]
    write_rows(planned_rows(plan(lines=lines), rate), tmp_path / "bill.csv")
    assert ",=" not in (tmp_path / "bill.csv").read_text()


def test_a_forecast_as_rows() -> None:
    """Tagged as what it is."""
    rows = forecast_rows({("2027-01", "chat"): Decimal("12.5"), ("2027-02", "chat"): Decimal(7)}, provider="aws")
    assert faults_of(COLUMNS, rows) == []
    assert [(r["ChargePeriodStart"], r["EffectiveCost"], r["Tags"]) for r in rows] == [
        ("2027-01-01T00:00:00Z", Decimal("12.5"), '{"workload": "chat", "forecast": true}'),
        ("2027-02-01T00:00:00Z", Decimal(7), '{"workload": "chat", "forecast": true}'),
    ]


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    """An infeasible plan, another suffix, a folder that is not there."""
    with pytest.raises(InputError, match="no plan exists"):
        planned_rows(dataclasses.replace(plan(), termination="infeasible"))
    for name in ("bill.xlsx", "none/bill.csv"):
        with pytest.raises(InputError):
            export_plan(plan(), tmp_path / name)


BROKEN: list[tuple[str, Any, str]] = [
    ("BilledCost", None, "BilledCost is null"),
    ("BilledCost", 1.5, "no decimal"),
    ("BillingCurrency", "usd", "no currency"),
    ("BillingPeriodStart", "2027-01-01 00:00:00", "no time"),
    ("ChargeCategory", "Use", "none of"),
    ("Tags", '{"a": {"b": 1}}', "no json"),
    ("Tags", '{"a": 1, "a": 2}', "no json"),
    ("ServiceName", " ", "no text"),
    ("PricingQuantity", None, "PricingUnit without its quantity"),
    ("ListUnitPrice", Decimal(11), "not PricingQuantity times"),
    ("ConsumedQuantity", None, "belongs to what is used"),
    ("CommitmentDiscountStatus", "Used", "no commitment"),
    ("CommitmentDiscountId", "x", "CommitmentDiscountStatus is null"),
    ("RegionName", None, "RegionName goes with RegionId"),
    ("ResourceType", None, "ResourceType goes"),
    ("ChargePeriodEnd", "2026-01-01T00:00:00Z", "before it begins"),
    ("ChargeCategory", "Tax", "is set in a row of tax"),
    ("ChargeCategory", "Purchase", "not usage-based"),
]


@pytest.mark.parametrize(("column", "value", "said"), BROKEN)
def test_the_check_sees_what_is_broken(column: str, value: Any, said: str) -> None:
    """Each rule in turn."""
    (sound,) = (r for r in planned_rows(plan(), rate) if r["BilledCost"] == 1000)
    assert faults_of(COLUMNS, [sound]) == []
    assert any(said in fault for fault in faults_of(COLUMNS, [sound | {column: value}]))


def test_the_table_of_columns() -> None:
    """57 of FOCUS 1.2: 21 mandatory, 32 conditional, 4 recommended; 43 of them since 1.0."""
    known = focus_columns().values()
    assert [sum(c.level == x for c in known) for x in ("mandatory", "conditional", "recommended")] == [21, 32, 4]
    assert [sum(c.since == x for c in known) for x in ("1.0", "1.1", "1.2")] == [43, 7, 7]
    assert faults_of([c for c in COLUMNS if c != "BilledCost"] + ["Strange"], []) == [
        "no column BilledCost", "column Strange is neither of FOCUS nor begins with x_",
    ]  # fmt: skip
