"""The ledger: what a plan costs on which days, cut anywhere without losing a micro-dollar."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.bill import LINE_COLUMNS
from solver.budget import ledger
from solver.errors import InputError
from solver.finance import FiscalCalendar
from solver.rules import Books
from solver.rules.measures import future_costs
from solver.table import Table
from tests.budget.plans import PROBABILITY, PURCHASES, book_of, plan_of, two_futures
from tests.doors.small import USD, make_small_plan


def test_a_month_that_two_fiscal_months_share_is_cut_by_its_hours() -> None:
    """4-4-5 in 2027, weeks end on Saturdays: the first month is Sunday 27 December 2026 and four weeks of days.

    The year of weeks ends on the last Saturday of December 2026, the 26th. January 1 to 23 are 23 of January's 31 days:
    31,000 dollars × 23 ÷ 31 = 23,000 in P01, 8,000 in P02, and of February's 28,000 the days until the 20th: 20,000.
    """
    calendar = FiscalCalendar(pattern="4-4-5")
    rows = [(month, "web", "chat", "aws", usd * USD) for month, usd in (("2027-01", 31_000), ("2027-02", 28_000))]
    found = ledger(plan_of(rows, months=2))
    first, second, third = calendar.periods(date(2027, 1, 1), date(2027, 3, 1))
    assert (first.label, first.start, first.end) == ("FY2027-P01", date(2026, 12, 27), date(2027, 1, 24))
    assert second.end == date(2027, 2, 21)
    costs = [int(found.cost(found.mask(), p.start, p.end)[0]) for p in (first, second, third)]
    assert costs == [23_000 * USD, 8_000 * USD + 20_000 * USD, 8_000 * USD]


def test_a_leap_february_has_29_days() -> None:
    """29,000 dollars of February 2028: a day is a thousand; the first of March is the next month's."""
    found = ledger(plan_of([("2028-02", "web", "chat", "aws", 29_000 * USD)], start="2028-02-01", months=1))
    assert int(found.cost(found.mask(), date(2028, 2, 28), date(2028, 3, 1))[0]) == 2_000 * USD
    assert found.end == date(2028, 3, 1)


def test_months_at_the_ends_of_a_horizon_are_cut() -> None:
    """From 16 January for a month: January has 16 days, February 15; each line accrues over its own."""
    rows = [("2027-01", "web", "chat", "aws", 1600), ("2027-02", "web", "chat", "aws", 1500)]
    found = ledger(plan_of(rows, start="2027-01-16", months=1))
    assert found.daily(found.mask(), date(2027, 1, 16), date(2027, 2, 16)).tolist() == [[100] * 31]


def test_a_payment_in_cash_falls_due_on_the_day_its_commitment_starts() -> None:
    """900 dollars of commitments that start on 1 and 20 January, two nodes and one: 600 and 300; rent accrues."""
    lines = [
        ("upfront", "aws", "us", "big", "commit_1y", "chat", "web", "2027-01", 900 * USD),
        ("compute", "aws", "us", "big", "commit_1y", "chat", "web", "2027-01", 310 * USD),
    ]
    bought = [
        (3, "aws", "us", "big", "commit_1y", "commitment", -1, nodes, day, 8760)
        for nodes, day in ((1, "2027-01-01"), (1, "2027-01-20"), (1, "2027-01-01"))
    ]
    plan = dataclasses.replace(
        make_small_plan(), accounting="cash", periods=("2027-01",), purchases=Table.from_records(PURCHASES, bought),
        cost_lines=Table.from_records(LINE_COLUMNS, lines),
    )  # fmt: skip
    found = ledger(plan)
    each = found.daily(found.mask(), date(2027, 1, 1), date(2027, 2, 1))[0]
    assert each[0] == 610 * USD
    assert each[19] == 310 * USD
    assert set(np.delete(each, [0, 19]).tolist()) == {10 * USD}


@settings(max_examples=60, deadline=None)
@given(
    amounts=st.lists(st.integers(-(10**15), 9 * 10**15), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 364), max_size=8, unique=True),
    pattern=st.sampled_from(["calendar", "4-4-5", "4-5-4", "5-4-4"]),
    start=st.integers(1, 12),
)
def test_parts_equal_totals(amounts: list[int], cuts: list[int], pattern: str, start: int) -> None:
    """However a year is cut, by days or fiscal periods of any kind, and by whichever name."""
    rows = [(f"2027-{k + 1:02d}", "ab"[k % 2], "xyz"[k % 3], ("aws", "gcp")[k // 3], x) for k, x in enumerate(amounts)]
    found = ledger(plan_of(rows, months=len(rows)))
    total = sum(amounts)
    edges = [found.start, *(date(2027, 1, 1) + timedelta(days=d) for d in sorted(cuts)), date(2028, 1, 1)]
    whole = found.mask()
    assert sum(int(found.cost(whole, a, b)[0]) for a, b in pairwise(edges)) == total
    calendar = FiscalCalendar(start_month=start, pattern=pattern)  # type: ignore[arg-type]
    for kind in ("month", "quarter", "year"):
        periods = calendar.periods(found.start, found.end, kind)
        assert sum(int(found.cost(whole, p.start, p.end)[0]) for p in periods) == total
        for name in ("team", "workload", "provider"):
            values = set(found.names[name].tolist())
            parts = [found.cost(found.mask(**{name: v}), p.start, p.end)[0] for v in values for p in periods]
            assert sum(map(int, parts)) == total


def test_futures_cost_what_the_measures_of_risk_say() -> None:
    """By hand: 100 or 300 dollars in January, 200 or 600 in February; over the horizon as `Plan.risk` is computed."""
    problem, plan = two_futures()
    found = ledger(plan, problem=problem, futures=True)
    assert found.probability == PROBABILITY
    assert found.cost(found.mask(), date(2027, 1, 1), date(2027, 2, 1)).tolist() == [100 * USD, 300 * USD]
    assert found.cost(found.mask(team="web"), date(2027, 2, 1), date(2027, 3, 1)).tolist() == [200 * USD, 600 * USD]
    assert found.total_micro_usd.tolist() == future_costs(problem, Books(problem, plan)) == [300 * USD, 900 * USD]
    assert found.expected().total_micro_usd.tolist() == [plan.total_micro_usd] == [450 * USD]


def test_the_other_accounting_needs_the_problem_of_the_plan() -> None:
    """Nothing is paid upfront here: cash is as amortised. Without the problem, or with another, it is refused."""
    problem, plan = two_futures()
    assert ledger(plan, accounting="cash", problem=problem).total_micro_usd.tolist() == [450 * USD]
    with pytest.raises(InputError, match="amortised accounting"):
        ledger(plan, accounting="cash")
    other = dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, carbon_max_g=1))
    with pytest.raises(InputError, match="cannot be made again"):
        ledger(plan, problem=other, futures=True)


def test_cash_is_not_amortised() -> None:
    """A node committed for 8,760 hours for 876 dollars upfront: 0.1 an hour amortised, or 876 when it starts."""
    problem, plan = two_futures()
    offers = problem.offers
    commit = {
        f.name: np.append(getattr(offers, f.name), getattr(offers, f.name)[:1], axis=0)
        for f in dataclasses.fields(offers)
    }
    held = dataclasses.replace(
        offers, **commit | {
            "kind": np.array([0, 0, 0, 2]), "option": np.array(["on_demand"] * 3 + ["commit"], dtype=object),
            "micro_usd_per_hour": np.array([10, 12, 2, 0]) * USD, "upfront_micro_usd": np.array([0, 0, 0, 876]) * USD,
            "term_hours": np.array([0, 0, 0, 8760]), "paid_hours": np.array([[0, 0]] * 3 + [[10, 20]]),
            "starts": np.array(["", "", "", "2027-01-05"], dtype=object),
        },
    )  # fmt: skip
    problem = dataclasses.replace(problem, offers=held)
    bought = [*([*r.values()] for r in plan.purchases.records())]
    bought.append([3, "aws", "us", "big", "commit", "commitment", -1, 1, "2027-01-05", 8760])
    plan = dataclasses.replace(
        plan, purchases=Table.from_records(PURCHASES, bought),
        provenance=dataclasses.replace(plan.provenance, problem_digest=problem.digest()),
    )  # fmt: skip
    cash = ledger(plan, accounting="cash", problem=problem)
    due = cash.mask() & (cash.names["kind"] == "upfront")
    assert int(cash.cost(due, date(2027, 1, 5), date(2027, 1, 6))[0]) == 876 * USD == int(cash.micro_usd[0, due].sum())
    spread = ledger(plan, problem=problem, futures=True)
    parts = spread.micro_usd[:, spread.names["kind"] == "upfront"].sum(axis=1)
    assert parts.tolist() == [3 * USD, 3 * USD]  # 30 of 8,760 hours in either future


def test_projects_are_those_of_their_workloads() -> None:
    """And what has none is in no project."""
    rows = [("2027-01", "web", "chat", "aws", 5), ("2027-01", "web", "(idle)", "aws", 3)]
    found = ledger(plan_of(rows, months=1), projects={"chat": "assistant"})
    assert found.micro_usd[0, found.mask(project="assistant")].tolist() == [5]
    assert Fraction(1) == sum(book_of(rows, months=1).planned.probability)


def test_what_nobody_is_paid_is_left_out_and_told() -> None:
    """A price on carbon and on what is not served, 40 and 5 dollars, beside 300 of nodes."""
    lines = [
        (kind, "aws", "us", "big", "", "chat", "web", "2027-01", usd * USD)
        for kind, usd in (("compute", 300), ("carbon", 40), ("unserved", 5))
    ]
    plan = dataclasses.replace(make_small_plan(), cost_lines=Table.from_records(LINE_COLUMNS, lines))
    assert ledger(plan).total_micro_usd.tolist() == [345 * USD]
    money = ledger(plan, penalties=False)
    assert money.total_micro_usd.tolist() == [300 * USD]
    assert money.notes == (
        "$45.00 of prices on carbon and on what is not served is no money: budgets do not count it",
    )  # fmt: skip
