"""Tables of cost: what they say, and each fault by file, row, column and mend."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from solver.budget import Budgets, Ledger, read_actuals, read_paths
from solver.budget.document import Budget, Project, Rate
from solver.errors import InputError
from tests.budget.plans import book_of
from tests.doors.small import USD

BUDGETS = Budgets(
    budgets=(Budget(name="all", amount=1),),
    rates=(Rate(currency="EUR", usd=1.25, valid_from=date(2027, 1, 1)),),
    projects=(Project(name="assistant", workloads=("chat",)),),
)
KNOWN = {"team": {"web", "lab"}, "workload": {"chat", "run"}, "provider": {"aws"}}


def read(tmp_path: Path, text: str, as_of: date | None = None) -> Ledger:
    """A table of this text."""
    path = tmp_path / "actual.csv"
    path.write_text(text, encoding="utf-8")
    return read_actuals(path, BUDGETS, as_of, KNOWN)


def test_months_days_credits_and_currencies(tmp_path: Path) -> None:
    """A month of 310 dollars, a day of 8 euros (10 dollars), a credit; the project follows from the workload."""
    rows = ("2027-01,web,chat,USD,310", "2027-02-03,web,chat,EUR,8", "2027-02-03,lab,run,USD,-4.5")
    found = read(tmp_path, "\n".join(["period,team,workload,currency,amount", *rows, ""]))
    assert (found.start, found.end) == (date(2027, 1, 1), date(2027, 2, 4))
    assert found.micro_usd.tolist() == [[310 * USD, 10 * USD, -4_500_000]]
    assert found.names["project"].tolist() == ["assistant", "assistant", ""]
    assert int(found.cost(found.mask(team="web"), date(2027, 1, 31), date(2027, 3, 1))[0]) == 20 * USD
    assert found.notes == ()


def test_a_month_under_way_is_spent_until_the_day_given(tmp_path: Path) -> None:
    """100 dollars of March by the tenth: ten a day, and nothing after."""
    found = read(tmp_path, "period,amount\n2027-03,100\n", date(2027, 3, 11))
    assert found.end == date(2027, 3, 11)
    assert found.daily(found.mask(), date(2027, 3, 1), date(2027, 3, 13)).tolist() == [[10 * USD] * 10 + [0, 0]]


def test_cost_without_a_team_is_told(tmp_path: Path) -> None:
    """No budget of a team counts it."""
    found = read(tmp_path, "period,team,amount\n2027-01,,1\n2027-01,web,1\n")
    assert found.notes == ("1 of 2 rows of actual cost name no team: no team's budget counts them",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("period,amount\n", "actual.csv: holds no row"),
        ("period\n2027-01\n", "no column amount"),
        ("period,amount,tean\n2027-01,1,web\n", "unknown column 'tean'"),
        ("period,amount\n2027-13,1\n", "actual.csv, row 2, column period: '2027-13' is no month or day"),
        ("period,amount\n2027-02-30,1\n", "'2027-02-30' is no month or day"),
        ("period,amount\n2027-01,1e3\n", "actual.csv, row 2, column amount: '1e3' is no amount"),
        ('period,amount\n2027-01,"1,000"\n', "is no amount"),
        ("period,amount\n2027-01,nan\n", "is no amount"),
        ("period,amount,currency\n2027-01,1,usd\n", "'usd' is no currency"),
        ("period,amount,currency\n2026-12,1,EUR\n", "actual.csv, row 2: rate EUR/USD on 2026-12-01"),
        ("period,amount\n2027-01,1\n2027-01,2\n", "row 3: the same period"),
        ("period,amount\n2027-01-15,1\n2027-01,2\n", "is a day of a month that actual.csv, row 3 tells as a whole"),
        ("period,amount,team\n2027-01,1,wob\n", "actual.csv, row 2, column team: the plan has no team 'wob' (did you"),
        ("period,amount,team\n2027-01,1,=web\n", "looks like a formula"),
        ("period,amount\n2027-05,1\n", "2027-05-01 is not before 2027-04-01"),
        ("period,amount\n2027-04-01,1\n", "2027-04-01 is not before 2027-04-01 (give a later --as-of"),
    ],
)
def test_each_fault_names_row_column_and_mend(tmp_path: Path, text: str, said: str) -> None:
    """As of 1 April."""
    with pytest.raises(InputError) as found:
        read(tmp_path, text, date(2027, 4, 1))
    assert said in str(found.value)


def test_paths_are_futures_of_the_days_of_a_plan(tmp_path: Path) -> None:
    """Twenty, a twentieth each; January 1 to 20 dollars, February always 28, and what is beyond the plan left out."""
    planned = book_of([("2027-01", "web", "chat", "aws", 1), ("2027-02", "web", "chat", "aws", 1)], months=2).planned
    rows = [f"{k},{m},{usd},web,chat" for k in range(20) for m, usd in (("2027-01", k + 1), ("2027-02", 28))]
    path = tmp_path / "paths.csv"
    path.write_text("\n".join(["path,period,amount,team,workload", *rows, "0,2027-03,9,web,chat", ""]))
    found = read_paths(path, BUDGETS, planned, KNOWN)
    assert set(found.probability) == {Fraction(1, 20)}
    assert found.sampled
    january = found.cost(found.mask(team="web"), date(2027, 1, 1), date(2027, 2, 1))
    assert january.tolist() == [(k + 1) * USD for k in range(20)]
    assert set(found.cost(found.mask(), date(2027, 2, 1), date(2027, 2, 2)).tolist()) == {USD}
    assert found.total_micro_usd.tolist() == [(k + 29) * USD for k in range(20)]
    assert found.expected().total_micro_usd.tolist() == [int(38.5 * USD)]
    path.write_text("\n".join(["path,period,amount,team,workload", *rows[:-1], ""]))
    with pytest.raises(InputError, match="path 19 has no cost in 2027-02"):
        read_paths(path, BUDGETS, planned, KNOWN)
    path.write_text("\n".join(["path,period,amount,team,workload", *rows[:38], ""]))
    with pytest.raises(InputError, match="holds 19 paths"):
        read_paths(path, BUDGETS, planned, KNOWN)
