"""Where budgets stand: estimates at completion, intervals, probabilities and dates, by hand."""

from __future__ import annotations

import dataclasses
import math
from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from solver.budget import Alert, Book, BudgetFile, ledger, read_actuals, standings
from solver.budget.standing import interval, quantile
from tests.budget.plans import PROBABILITY, book_of, futures_of, one, two_futures
from tests.doors.small import USD

HALF = Fraction(1, 2)
QUARTER = [(f"2027-{m:02d}", "web", "chat", "aws", days * 100 * USD) for m, days in ((1, 31), (2, 28), (3, 31))]


def spent(tmp_path: Path, text: str, file: BudgetFile, as_of: date | None = None) -> Book:
    """A plan of 100 dollars a day from January to March, and what was spent."""
    path = tmp_path / "actual.csv"
    path.write_text(text, encoding="utf-8")
    book = book_of(QUARTER, months=3)
    return dataclasses.replace(book, actual=read_actuals(path, file.budgets, as_of))


def test_the_estimate_is_what_was_spent_and_what_is_planned_from_then_on(tmp_path: Path) -> None:
    """4,000 dollars in January and 1,500 until 10 February; 18 + 31 days at 100 are to come: 10,400 in all.

    150 a day was the rate of the ten days of February together with that of 21 days of January, 4,000 ÷ 31 each.
    """
    file = one(10_000, period="quarter")
    book = spent(tmp_path, "period,amount\n2027-01,4000\n2027-02,1500\n", file, date(2027, 2, 11))
    (found,) = standings(file, book)
    assert (found.spent, found.to_come, found.estimate) == (5500 * USD, 4900 * USD, 10_400 * USD)
    assert found.over == 400 * USD
    assert found.breached
    assert found.to_come_per_day == 100 * USD
    assert found.spent_per_day is not None
    assert found.spent_per_day == pytest.approx((1500 + 20 * 4000 / 31) / 30 * USD, abs=1)
    assert found.exhausted == date(2027, 3, 28)  # 10,000 are spent at the end of the 27th: not more yet
    assert (found.lower, found.probability) == (None, None)


def test_an_amount_is_used_up_when_more_than_it_is_spent() -> None:
    """5,900 dollars are spent by the end of February, 9,000 by the end of the quarter: not more than that."""
    book = book_of(QUARTER, months=3)
    for amount, day in ((5900, date(2027, 3, 1)), (5899.99, date(2027, 2, 28)), (9000, None), (0, date(2027, 1, 1))):
        assert standings(one(amount, period="quarter"), book)[0].exhausted == day


def test_days_that_nothing_is_known_of_shrink_the_budget(tmp_path: Path) -> None:
    """Of a year, the plan and the actual cost before it know 181 days: 181/365 of the amount are allowed."""
    file = one(36_500, period="year")
    book = spent(tmp_path, "period,amount\n2026-12,1\n2027-01,3100\n2027-02,2800\n", file)
    this, last = standings(file, book)[::-1]
    assert this.limit.covered == Fraction(90, 365)
    assert this.limit.allowed_micro_usd == 9000 * USD
    assert (last.limit.period.label, last.limit.covered, last.spent) == ("2026", Fraction(31, 365), USD)
    assert not this.breached
    assert this.exhausted is None


def test_nothing_is_counted_twice_where_actual_cost_goes_beyond_the_plan(tmp_path: Path) -> None:
    """Spent until the end of April: nothing is to come, and April's budget is judged, too."""
    file = one(100)
    book = spent(tmp_path, "".join(["period,amount\n", *(f"2027-{m:02d},{m}\n" for m in range(1, 5))]), file)
    found = standings(file, book)
    assert [(s.limit.period.label, s.spent, s.to_come) for s in found] == [
        (f"2027-{m:02d}", m * USD, 0) for m in range(1, 5)
    ]


def test_the_probability_of_a_breach_of_a_plan_with_two_futures() -> None:
    """January costs 100 dollars, or 300 with probability 1/4. Of 200 dollars: breached by 100 with 1/4, 25 expected."""
    problem, plan = two_futures()
    book = Book(planned=ledger(plan), futures=ledger(plan, problem=problem, futures=True))
    found = standings(one(200), book)[0]
    assert found.estimate == 150 * USD
    assert not found.breached
    assert found.probability == PROBABILITY[1]
    assert found.overrun == 25 * USD
    assert found.probability_interval is None
    assert (found.lower, found.upper) == (100 * USD, 300 * USD)
    assert standings(one(200), book, level=Fraction(1, 4))[0].upper == 100 * USD  # 5/8 of the probability is 100
    assert standings(one(300), book)[0].probability == 0  # exactly at it is within
    assert standings(one(299.999999), book)[0].probability == PROBABILITY[1]
    assert standings(one(500, period="plan"), book)[0].probability == PROBABILITY[1]  # 300 or 900 in all


def test_what_is_spent_is_in_every_future(tmp_path: Path) -> None:
    """After January (3,100 as planned), February and March may cost 5,900 or 8,900: 9,000 or 12,000 in all."""
    file = one(10_000, period="quarter")
    book = spent(tmp_path, "period,amount\n2027-01,3100\n", file)
    base = book.planned
    may_be = futures_of(base, [0, 2800 * USD, 3100 * USD], [0, 2800 * USD, 6100 * USD], probability=[HALF, HALF])
    (found,) = standings(file, dataclasses.replace(book, futures=may_be))
    assert (found.lower, found.upper) == (9000 * USD, 12_000 * USD)
    assert found.probability == HALF
    assert found.overrun == 1000 * USD
    # in the dear one 4,100 are left on 1 March at 6,100 ÷ 31 a day: more than 20 days (3,935), less than 21 (4,132)
    assert found.exhausted_early == date(2027, 3, 21)
    assert found.exhausted is None


def test_alerts_go_off_above_their_threshold(tmp_path: Path) -> None:
    """8,000 of 10,000 spent is 80 %, and not above it; the estimate is above the budget. A cent more sets 80 % off."""
    file = one(10_000, period="quarter")
    for amount, wanted in ((8000, [("forecast", 100)]), (8000.01, [("actual", 80), ("forecast", 100)])):
        book = spent(tmp_path, f"period,amount\n2027-01,{amount}\n", file)
        (found,) = standings(file, book)
        assert [(a.of, a.at_percent) for a in found.alerts] == wanted
        assert found.severity == "warning"
    exact = standings(one(9000, period="quarter"), book_of(QUARTER, months=3))[0]
    assert (exact.estimate, exact.alerts) == (9000 * USD, ())  # at 100 % of the forecast, and not above it
    book = spent(tmp_path, "period,amount\n2027-01,10000.01\n", file)
    assert standings(file, book)[0].severity == "critical"
    budgets = dataclasses.replace(file.budgets, alerts=(Alert(at_percent=0.1, severity="info"),))
    assert standings(dataclasses.replace(file, budgets=budgets), book)[0].severity == "info"


def test_scopes_overlap_and_each_sees_its_own() -> None:
    """A team on two providers, and a workload of another."""
    rows = [
        ("2027-01", "web", "chat", "aws", 5),
        ("2027-01", "web", "search", "gcp", 7),
        ("2027-01", "lab", "run", "aws", 11),
    ]
    book = book_of(rows, months=1)
    scopes = {("team", "web"): 12, ("provider", "aws"): 16, ("workload", "run"): 11, ("workload", ""): 23}
    for (field, name), micro in scopes.items():
        assert standings(one(1, **{field: name}), book)[0].estimate == micro
    assert standings(one(1, team="web", provider="aws"), book)[0].estimate == 5


@settings(max_examples=60, deadline=None)
@given(
    costs=st.lists(st.integers(0, 1000), min_size=1, max_size=8),
    weights=st.lists(st.integers(1, 9), min_size=8, max_size=8),
    amount=st.integers(0, 1000),
)
def test_the_outlook_is_that_of_the_distribution(costs: list[int], weights: list[int], amount: int) -> None:
    """Probability and expected overrun by enumeration, quantiles by sorting."""
    chances = [Fraction(w, sum(weights[: len(costs)])) for w in weights[: len(costs)]]
    book = book_of([("2027-01", "web", "chat", "aws", 1)], months=1)
    may_be = futures_of(book.planned, *([c] for c in (*costs, 0)), probability=[*chances, Fraction(0)])
    found = standings(one(amount / 10**6), dataclasses.replace(book, futures=may_be), level=Fraction(4, 5))[0]
    drawn = sorted(c for c, w in zip(costs, weights, strict=False) for _ in range(w))
    assert found.probability == Fraction(sum(c > amount for c in drawn), len(drawn))
    assert found.overrun == Fraction(sum(max(0, c - amount) for c in drawn), len(drawn))
    assert found.lower == drawn[math.ceil(Fraction(len(drawn), 10)) - 1]
    assert found.upper == drawn[math.ceil(Fraction(9 * len(drawn), 10)) - 1]


def test_quantiles_need_probability() -> None:
    """What cannot happen is no quantile."""
    assert quantile([1, 2], [Fraction(0), Fraction(1)], Fraction(0)) == 2
    assert quantile([3, 1, 2], [Fraction(1, 3)] * 3, Fraction(2, 3)) == 2


def test_the_interval_of_a_sampled_probability() -> None:
    """Clopper and Pearson: the ends are where as few, or as many, hits have a probability of 2.5 %; 0 of 200: 1.8 %."""
    low, high = interval(7, 50)
    assert binom.sf(6, 50, low) == pytest.approx(0.025)
    assert binom.cdf(7, 50, high) == pytest.approx(0.025)
    assert interval(0, 200)[0] == 0.0
    assert interval(0, 200)[1] == pytest.approx(1 - 0.025 ** (1 / 200))
    assert interval(200, 200)[1] == 1.0


def test_a_sampled_probability_has_its_interval() -> None:
    """Of paths; of the plan's own futures it has none."""
    book = book_of([("2027-01", "web", "chat", "aws", 1)], months=1)
    paths = futures_of(book.planned, *([k] for k in range(20)), probability=[Fraction(1, 20)] * 20, sampled=True)
    found = standings(one(14 / 10**6), dataclasses.replace(book, futures=paths))[0]
    assert found.probability == Fraction(1, 4)
    assert found.probability_interval == interval(5, 20)


def test_daily_costs_that_run_out_are_found_as_by_adding_up() -> None:
    """The search by halves finds the day that a running sum finds, in each future."""
    book = book_of([(f"2027-{m:02d}", "web", "chat", "aws", 1) for m in range(1, 7)], months=6)
    rng = np.random.default_rng(5)
    costs = rng.integers(0, 10**6, (12, 6))
    may_be = futures_of(book.planned, *costs, probability=[Fraction(1, 12)] * 12)
    (found,) = standings(one(2, period="plan"), dataclasses.replace(book, futures=may_be))
    days = may_be.daily(may_be.mask(), may_be.start, may_be.end).cumsum(axis=1)
    first = min(int(np.argmax(row > 2 * USD)) if row[-1] > 2 * USD else 10**6 for row in days)
    assert found.exhausted_early == date.fromordinal(may_be.start.toordinal() + first)
