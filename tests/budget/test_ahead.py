"""What is to come as a forecast of daily actual cost."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from solver.budget import Book, Budget, Budgets, Ledger, read_actuals, standings
from solver.budget.ahead import ahead
from solver.errors import InputError
from tests.budget.plans import book_of, one
from tests.doors.small import USD

BUDGETS = Budgets(budgets=(Budget(name="all", amount=1),))
START, DAYS = date(2027, 1, 1), 70
BOOK = book_of([(f"2027-{m:02d}", "web", "chat", "aws", USD) for m in range(1, 5)], months=4)


def spent(tmp_path: Path, cost: list[tuple[int, str, float]]) -> Ledger:
    """Day, team and dollars."""
    path = tmp_path / "actual.csv"
    rows = [f"{START + timedelta(days=day)},{team},{usd:.2f}" for day, team, usd in cost]
    path.write_text("\n".join(["period,team,amount", *rows, ""]), encoding="utf-8")
    return read_actuals(path, BUDGETS)


def test_a_week_that_repeats_is_forecast_as_it_is(tmp_path: Path) -> None:
    """100 dollars on weekdays and 40 on weekends, and twice that; 50 days from 12 March until the end of April."""
    weekly = [40.0 if (START + timedelta(days=d)).weekday() >= 5 else 100.0 for d in range(DAYS)]
    actual = spent(tmp_path, [(d, team, k * usd) for d, usd in enumerate(weekly) for k, team in ((1, "a"), (2, "b"))])
    futures = ahead(BOOK.planned, actual, paths=20)
    rest = [START + timedelta(days=d) for d in range(DAYS, 120)]
    usd = sum(40 if day.weekday() >= 5 else 100 for day in rest)
    assert futures.end == date(2027, 5, 1)
    for team, k in (("a", 1), ("b", 2)):
        cost = futures.cost(futures.mask(team=team), rest[0], futures.end)
        assert cost.tolist() == pytest.approx([k * usd * USD] * 20, rel=1e-3)
    assert futures.basis.startswith("20 paths of a forecast of 70 days of actual cost")
    (found,) = standings(one(100, period="plan"), Book(planned=futures.expected(), actual=actual, futures=futures))
    assert found.estimate == pytest.approx(3 * (sum(weekly) + usd) * USD, rel=1e-3)
    assert found.spent == 3 * round(sum(weekly)) * USD
    assert found.probability == 1


def test_paths_spread_as_cost_did(tmp_path: Path) -> None:
    """Noise of a tenth: the interval of the rest holds its mean and is no point; the same on every run."""
    rng = np.random.default_rng(3)
    actual = spent(tmp_path, [(d, "a", float(x)) for d, x in enumerate(100 + 10 * rng.standard_normal(DAYS))])
    futures = ahead(BOOK.planned, actual, paths=40)
    assert futures.probability == (Fraction(1, 40),) * 40
    (found,) = standings(one(100, period="plan"), Book(planned=futures.expected(), actual=actual, futures=futures))
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < found.estimate < found.upper
    assert found.estimate == pytest.approx(120 * 100 * USD, rel=0.05)
    assert ahead(BOOK.planned, actual, paths=40).micro_usd.tolist() == futures.micro_usd.tolist()


def test_what_cannot_be_forecast(tmp_path: Path) -> None:
    """Months, a day that is missing, a day below zero, a plan that has ended."""
    path = tmp_path / "months.csv"
    path.write_text("period,amount\n2027-01,5\n", encoding="utf-8")
    with pytest.raises(InputError, match="by months"):
        ahead(BOOK.planned, read_actuals(path, BUDGETS))
    with pytest.raises(InputError, match="no cost on 2027-01-06"):
        ahead(BOOK.planned, spent(tmp_path, [(d, "a", 1.0) for d in range(30) if d != 5]))
    with pytest.raises(InputError, match="below 0 on 2027-01-01"):
        ahead(BOOK.planned, spent(tmp_path, [(d, "a", d - 3.0) for d in range(30)]))
    with pytest.raises(InputError, match="as does the plan"):
        ahead(BOOK.planned, spent(tmp_path, [(d, "a", 1.0) for d in range(130)]))
