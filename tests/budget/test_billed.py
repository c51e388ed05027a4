"""A bill in FOCUS as what was spent."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest

from solver.actuals import export_plan, read_bill
from solver.budget import Budget, Budgets, ledger
from solver.budget.billed import from_bill
from solver.budget.document import Project, Rate
from solver.errors import InputError
from tests.budget.plans import two_futures
from tests.doors.small import USD

BUDGETS = Budgets(
    budgets=(Budget(name="all", amount=1),),
    rates=(Rate(currency="EUR", usd=1.25, valid_from=date(2026, 12, 1)),),
    projects=(Project(name="assistant", workloads=("chat",)),),
)
HEAD = (
    "BilledCost,EffectiveCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,BillingPeriodStart,BillingPeriodEnd,"
    "ChargeCategory,ProviderName,Tags"
)
MONTH = "2027-01-01T00:00:00Z,2027-02-01T00:00:00Z"


def bill(tmp_path: Path, *rows: str) -> Path:
    """A small bill: billed, effective, currency, hours of January, category, tags."""
    made = []
    for row in rows:
        billed, effective, currency, start, end, category, tags = row.split("|")
        made.append(f'{billed},{effective},{currency},{start},{end},{MONTH},{category},Amazon Web Services,"{tags}"')
    path = tmp_path / "bill.csv"
    path.write_text("\n".join([HEAD, *made, ""]), encoding="utf-8")
    return path


def test_every_charge_counts_on_its_day(tmp_path: Path) -> None:
    """Usage of two teams, a credit and tax: 10 + 8 euros (10 dollars) − 3 + 1.5 billed; effective 12 of the first."""
    hours = "2027-01-05T00:00:00Z|2027-01-05T01:00:00Z"
    path = bill(
        tmp_path,
        f'10|12|USD|{hours}|Usage|{{""team"": ""web"", ""workload"": ""chat""}}',
        f'8|8|EUR|{hours}|Usage|{{""team"": ""lab""}}',
        "-3|-3|USD|2027-01-06T00:00:00Z|2027-01-06T12:00:00Z|Credit|{}",
        "1.5|1.5|USD|2027-01-06T00:00:00Z|2027-01-06T12:00:00Z|Tax|{}",
    )
    made = read_bill(path, grain="day")
    cash, spread = (from_bill(made, BUDGETS, view) for view in ("cash", "amortised"))
    assert cash.total_micro_usd.tolist() == [18_500_000]
    assert spread.total_micro_usd.tolist() == [20_500_000]
    assert (cash.start, cash.end) == (date(2027, 1, 5), date(2027, 1, 7))
    scopes = {"web": 10 * USD, "lab": 10 * USD}
    for team, micro in scopes.items():
        assert int(cash.cost(cash.mask(team=team), date(2027, 1, 5), date(2027, 1, 6))[0]) == micro
    assert int(cash.cost(cash.mask(project="assistant", provider="aws"), cash.start, cash.end)[0]) == 10 * USD
    assert int(cash.cost(cash.mask(), date(2027, 1, 6), date(2027, 1, 7))[0]) == -1_500_000
    assert any("name no team" in note for note in cash.notes)


def test_a_plan_billed_as_planned_costs_what_was_planned(tmp_path: Path) -> None:
    """Exported and read again: each month's cost by workload and provider, to the micro-dollar."""
    _, plan = two_futures()
    export_plan(plan, tmp_path / "bill.csv")
    spent = from_bill(read_bill(tmp_path / "bill.csv", grain="day"), BUDGETS, "amortised")
    planned = ledger(plan)
    for start, end in ((date(2027, 1, 1), date(2027, 2, 1)), (date(2027, 2, 1), date(2027, 3, 1))):
        for scope in ({"workload": "chat"}, {"provider": "aws"}, {"team": "web"}):
            assert spent.cost(spent.mask(**scope), start, end) == planned.cost(planned.mask(**scope), start, end)


def test_what_cannot_be_counted(tmp_path: Path) -> None:
    """Another grain, a currency without a rate, nothing at all."""
    hours = "2027-01-05T00:00:00Z|2027-01-05T01:00:00Z"
    path = bill(tmp_path, f"10|12|GBP|{hours}|Usage|{{}}")
    with pytest.raises(InputError, match="grain"):
        from_bill(read_bill(path), BUDGETS, "cash")
    with pytest.raises(InputError, match="GBP/USD on 2027-01-05"):
        from_bill(read_bill(path, grain="day"), BUDGETS, "cash")
    made = read_bill(path, grain="day")
    nothing = dataclasses.replace(made, cells=made.cells.take(made.cells["rows"] == 0))
    with pytest.raises(InputError, match="charges nothing"):
        from_bill(nothing, BUDGETS, "cash")
