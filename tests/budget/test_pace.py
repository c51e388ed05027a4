"""The rest of a plan at the pace of past months, by hand."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from solver.budget import Book, Budget, Budgets, Ledger, at_pace, read_actuals, standings
from solver.errors import InputError
from tests.budget.plans import book_of, one
from tests.doors.small import USD

BUDGETS = Budgets(budgets=(Budget(name="all", amount=1),))
ROWS = [(f"2027-{m:02d}", team, "chat", "aws", usd * USD) for m in range(1, 7) for team, usd in (("a", 100), ("b", 10))]


def spent(tmp_path: Path, rows: list[str], head: str = "period,amount") -> Ledger:
    """A table of actual cost."""
    path = tmp_path / "actual.csv"
    path.write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    return read_actuals(path, BUDGETS)


def test_each_past_month_is_a_future(tmp_path: Path) -> None:
    """110 dollars a month were planned; 99, 110 and 132 were spent: 90, 100 and 120 % of the 330 that are to come."""
    book = book_of(ROWS, months=6)
    actual = spent(tmp_path, ["2027-01,99", "2027-02,110", "2027-03,132", "2027-04-01,1"])
    futures = at_pace(book.planned, actual)
    assert futures.probability == (Fraction(1, 3),) * 3
    assert futures.cost(futures.mask(), date(2027, 5, 1), date(2027, 7, 1)).tolist() == [
        198 * USD,
        220 * USD,
        264 * USD,
    ]
    held = Book(planned=futures.expected(), actual=actual, futures=futures)
    found = standings(one(230, period="quarter"), held)[1]
    # April: a dollar spent and 29/30 of the month to come, then May and June
    low, middle, high = (float(USD + Fraction(r, 10) * (Fraction(110 * 29, 30) + 220) * USD) for r in (9, 10, 12))
    assert found.estimate == pytest.approx((low + middle + high) / 3, abs=10)
    assert found.lower == pytest.approx(low, abs=10)
    assert found.upper == pytest.approx(high, abs=10)
    assert found.probability == 1


def test_teams_go_their_own_ways_where_every_row_has_one(tmp_path: Path) -> None:
    """Team a spends what was planned, b three times as much: the rest of each follows."""
    book = book_of(ROWS, months=6)
    rows = [f"2027-{m:02d},{team},{usd}" for m in (1, 2, 3) for team, usd in (("a", 100), ("b", 30))]
    futures = at_pace(book.planned, spent(tmp_path, rows, "period,team,amount"))
    last = date(2027, 6, 1), date(2027, 7, 1)
    assert futures.cost(futures.mask(team="a"), *last).tolist() == [100 * USD] * 3
    assert futures.cost(futures.mask(team="b"), *last).tolist() == [30 * USD] * 3
    mixed = at_pace(book.planned, spent(tmp_path, [*rows, "2027-03,,0"], "period,team,amount"))
    assert mixed.cost(mixed.mask(team="b"), *last).tolist() == [round(Fraction(130, 110) * 10 * USD)] * 3


def test_too_few_months(tmp_path: Path) -> None:
    """Two whole months and half of one; a month for which nothing was planned."""
    book = book_of(ROWS, months=6)
    days = [f"2027-03-{d:02d},1" for d in range(1, 31)]
    with pytest.raises(InputError, match="2 whole months were planned and spent"):
        at_pace(book.planned, spent(tmp_path, ["2027-01,1", "2027-02,1", *days]))
    none = book_of([("2027-01", "a", "chat", "aws", 1), ("2027-04", "a", "chat", "aws", 1)], months=4)
    with pytest.raises(InputError, match="nothing was planned"):
        at_pace(none.planned, spent(tmp_path, ["2027-01,1", "2027-02,1", "2027-03,1"]))
