"""The gate: exact at its limits, and readable for people and pipelines."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from decimal import Decimal
from fractions import Fraction
from xml.etree import ElementTree as Xml

import pytest

from solver.budget import Book, Budget, BudgetFile, Budgets, ledger, shown
from solver.budget.gate import Verdict, gate
from solver.budget.parts import parts
from solver.diff import Gate
from solver.errors import InputError
from solver.finance import FiscalCalendar
from solver.plan import Plan
from tests.budget.plans import book_of, futures_of, one, plan_of, two_futures
from tests.doors.small import USD

ROWS = [("2027-01", "web", "chat", "aws", 3), ("2027-02", "lab", "run", "gcp", 100 * USD)]


def verdict(file: BudgetFile, plan: Plan, most_probable: Fraction | None = None) -> Verdict:
    """Of a plan by itself."""
    return gate(plan, budgets=(file, Book(planned=ledger(plan))), most_probable=most_probable)


def test_a_cost_equal_to_its_limit_passes_and_a_micro_dollar_more_fails() -> None:
    """To the micro-dollar, and where the allowance is no whole number of them: 59/365 of a year's."""
    plan = plan_of(ROWS, months=2)
    assert plan.total_micro_usd == 100_000_003
    assert verdict(one(Decimal("100.000003"), period="plan"), plan).passed
    found = verdict(one(Decimal("100.000002"), period="plan"), plan)
    (breach,) = found.breaches
    assert breach.over_micro_usd == 1
    assert shown.line(breach) == "b (all), plan: $100.000003 planned, $100.000002 allowed, over by $0.000001"
    a_year = 100_000_003 * 365 // 59  # micro-dollars, rounded down: 59/365 of it are less than the plan costs
    year = [Decimal(micro).scaleb(-6) for micro in (a_year + 1, a_year)]
    assert [verdict(one(amount, period="year"), plan).passed for amount in year] == [True, False]


def test_an_increase_is_held_against_another_plan() -> None:
    """100.000003 dollars and 5 % more are 105.00000315: 105.000003 passes, 105.000004 does not; as of `diff`."""
    old = plan_of(ROWS, months=2)
    for micro, passed in ((105_000_003, True), (105_000_004, False)):
        new = plan_of([("2027-01", "web", "chat", "aws", 3), ("2027-02", "lab", "run", "gcp", micro - 3)], months=2)
        found = gate(new, increase=(Gate.read("5%"), old))
        assert (found.passed, found.checks[0].allowed_micro_usd) == (passed, 105_000_003)
        assert gate(new, increase=(Gate.read("5"), old)).passed == passed
    with pytest.raises(InputError, match="same `horizon`"):
        gate(plan_of(ROWS[1:], start="2027-02-01", months=1), increase=(Gate.read("5%"), old))


def test_what_is_past_does_not_stop_a_plan() -> None:
    """January is spent, and above its budget: only February's is held against the plan."""
    plan = plan_of(ROWS, months=2)
    book = Book(planned=ledger(plan))
    spent = dataclasses.replace(book.planned, end=date(2027, 2, 1), micro_usd=book.planned.micro_usd * 100 * USD)
    found = gate(plan, budgets=(one(150), dataclasses.replace(book, actual=spent)))
    assert [(c.period, c.passed) for c in found.checks] == [("2027-02", True)]


def test_how_likely_a_breach_may_be() -> None:
    """1/4 for January over 200 dollars: allowed at 0.25, not at 0.2; each month's budget has its own line."""
    problem, plan = two_futures()
    book = Book(planned=ledger(plan), futures=ledger(plan, problem=problem, futures=True))
    file = one(300)
    assert gate(plan, budgets=(file, book), most_probable=Fraction(1, 4)).passed
    found = gate(plan, budgets=(file, book), most_probable=Fraction(1, 5))
    assert [(c.what, c.period) for c in found.breaches] == [("probability", "2027-02")]
    said = "b (all), 2027-02: breached with probability 0.25, 0.2 allowed; 2 futures of the plan"
    assert shown.line(found.breaches[0]).startswith(said)
    paths = futures_of(book.planned, *([k, k] for k in range(20)), probability=[Fraction(1, 20)] * 20, sampled=True)
    sampled = gate(plan, budgets=(file, dataclasses.replace(book, futures=paths)), most_probable=Fraction(0))
    assert "probability 0, 0 allowed (between 0.000 and 0.168, 95 % sure); by hand" in shown.to_text(sampled)


def test_what_cannot_be_judged_is_refused() -> None:
    """No limit, no budget to breach, one future, a plan without a bill."""
    plan = plan_of(ROWS, months=2)
    with pytest.raises(InputError, match="no limit is given"):
        gate(plan)
    with pytest.raises(InputError, match="which budget"):
        gate(plan, increase=(Gate.read("1"), plan), most_probable=Fraction(1, 2))
    with pytest.raises(InputError, match="only one future"):
        verdict(one(1), plan, most_probable=Fraction(1, 2))
    with pytest.raises(InputError, match="has no bill"):
        ledger(dataclasses.replace(plan, termination="infeasible"))


def mixed() -> Verdict:
    """A breach and a limit kept, with names that mean something to Markdown, XML and terminals."""
    odd = Budget(name="a|b<c>*[1m", amount=1, team="lab")
    file = BudgetFile.of(Budgets(budgets=(Budget(name="kept", amount=200), odd)))
    return verdict(file, plan_of(ROWS, months=2))


def test_text_puts_breaches_first() -> None:
    """A line each, then the verdict."""
    lines = shown.to_text(mixed()).splitlines()
    assert lines[0] == "OVER  a|b<c>*[1m (team lab), 2027-02: $100.00 planned, $1.00 allowed, over by $99.00"
    assert [line[:4] for line in lines[:-1]] == ["OVER", "ok  ", "ok  ", "ok  "]
    assert lines[-1] == "small: 1 of 4 limits breached"


def test_markdown_is_a_table_that_names_cannot_break() -> None:
    """As many cells in each row as in the head."""
    text = shown.to_markdown(mixed())
    assert text.startswith("### Cost gate **failed**: 1 of 4 limits breached\n")
    rows = [row.replace("\\|", "") for row in text.splitlines() if row.startswith("|")]
    assert {row.count("|") for row in rows} == {9}
    assert r"budget: a\|b\<c\>\*\[1m | team lab | 2027-02 | $100.00 | $1.00 | $99.00 |" in text


def test_junit_has_a_case_a_limit() -> None:
    """Failures are the breaches."""
    suite = Xml.fromstring(shown.to_junit(mixed()))  # noqa: S314 (our own)
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert failed.get("name") == "a|b<c>*[1m (team lab), 2027-02"


def test_json_has_exact_dollars() -> None:
    """Texts with six decimals."""
    told = json.loads(shown.to_json(mixed()))
    assert told["passed"] is False
    assert told["checks"][0]["over_usd"] == "99.000000"
    assert {c["planned_usd"] for c in told["checks"]} == {"100.000000", "0.000003", "0.000000"}


def test_parts_by_name_add_up() -> None:
    """Fiscal months from the 1st of February: January and February, by team and project; what has none is named."""
    book = book_of(ROWS, months=2)
    found = parts(book, FiscalCalendar(start_month=2), "team")
    assert list(zip(*(found[n].tolist() for n in ("period", "team", "micro_usd")), strict=True)) == [
        ("2027-01", "web", 3), ("2027-02", "lab", 100 * USD),
    ]  # fmt: skip
    spent = futures_of(book.planned, [7, 0], probability=[Fraction(1)])
    spent = dataclasses.replace(spent, end=date(2027, 2, 1))
    both = parts(dataclasses.replace(book, actual=spent), FiscalCalendar(), "team")
    names = ("period", "team", "spent_micro_usd", "to_come_micro_usd", "micro_usd")
    assert list(zip(*(both[n].tolist() for n in names), strict=True)) == [
        ("2027-01", "web", 7, 0, 7), ("2027-02", "lab", 0, 100 * USD, 100 * USD),
    ]  # fmt: skip
    assert set(parts(book, FiscalCalendar(), "project")["project"].tolist()) == {"(none)"}
    with pytest.raises(InputError, match="one of team, project"):
        parts(book, FiscalCalendar(), "region")
