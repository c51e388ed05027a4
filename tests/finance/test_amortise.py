"""Upfront payments over their terms; cash beside amortised; ladders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import (
    Basis,
    FiscalCalendar,
    Tranche,
    allocate,
    amortise,
    amortised,
    cash_flow,
    ladder,
    recurring,
    term_end,
    total,
)
from solver.finance.amortise import By

D = Decimal

# What an hour of the term costs is a dollar in most cases, so that a month costs as many dollars as it has hours.
# upfront, start, end, zone, by, and parts of some months
TERMS: list[tuple[str, str, str, str, By, dict[str, str]]] = [
    (
        "8760.00", "2027-01-01", "2028-01-01", "UTC", "hours",
        {"2027-01": "744.00", "2027-02": "672.00", "2027-04": "720.00", "2027-12": "744.00"},
    ),
    # a leap year: 366 × 24 = 8784
    ("8784.00", "2028-01-01", "2029-01-01", "UTC", "hours", {"2028-02": "696.00", "2028-03": "744.00"}),
    # three years with one leap day: 1096 × 24 = 26304
    ("26304.00", "2027-01-01", "2030-01-01", "UTC", "hours", {"2027-02": "672.00", "2028-02": "696.00"}),
    # mid-month: 14 of 28 days of February 2027, 14 of 29 of February 2028; 365 days in all
    ("8760.00", "2027-02-15", "2028-02-15", "UTC", "hours", {"2027-02": "336.00", "2028-02": "336.00"}),
    # mid-month over a leap day: 15 of 29 days, then 14 of 28; 366 days in all
    ("8784.00", "2028-02-15", "2029-02-15", "UTC", "hours", {"2028-02": "360.00", "2029-02": "336.00"}),
    # clocks: March is an hour short, October an hour long, the year is what it is
    ("8760.00", "2027-01-01", "2028-01-01", "Europe/Paris", "hours", {"2027-03": "743.00", "2027-10": "745.00"}),
    ("8760.00", "2027-01-01", "2028-01-01", "Australia/Lord_Howe", "hours", {"2027-04": "720.50", "2027-10": "743.50"}),
    # $10,000 over 8,760 hours: 31 days 849.31506…, 30 days 821.91780…, February 767.12328…. Rounded down these are
    # 7 × 849.31 + 4 × 821.91 + 767.12 = 9,999.93; the 7 cents go to .7808 (30 days, 4 of them), then .5068 (31 days):
    # January, March and May
    (
        "10000.00", "2027-01-01", "2028-01-01", "UTC", "hours",
        {
            "2027-01": "849.32", "2027-02": "767.12", "2027-03": "849.32", "2027-04": "821.92", "2027-05": "849.32",
            "2027-06": "821.92", "2027-07": "849.31", "2027-08": "849.31", "2027-09": "821.92", "2027-10": "849.31",
            "2027-11": "821.92", "2027-12": "849.31",
        },
    ),
    # a credit for an upfront payment is its mirror
    ("-8760.00", "2027-01-01", "2028-01-01", "UTC", "hours", {"2027-02": "-672.00"}),
    # one day of a month
    ("24.00", "2027-05-31", "2027-06-01", "UTC", "hours", {"2027-05": "24.00"}),
    # straight-line: 1,200 in twelve
    ("1200.00", "2027-01-01", "2028-01-01", "UTC", "months", {"2027-01": "100.00", "2027-02": "100.00"}),
    # straight-line, mid-month: 17/31 and 14/31 of a month at the ends, 54.8387 and 45.1612
    (
        "1200.00", "2027-01-15", "2028-01-15", "UTC", "months",
        {"2027-01": "54.84", "2027-02": "100.00", "2028-01": "45.16"},
    ),
    # straight-line with full months: the month it starts in whole, the one it ends in not at all
    (
        "1200.00", "2027-01-15", "2028-01-15", "UTC", "full months",
        {"2027-01": "100.00", "2027-12": "100.00", "2028-01": "0.00"},
    ),
    ("90.00", "2027-01-20", "2027-01-25", "UTC", "full months", {"2027-01": "90.00"}),
    ("90.00", "2027-01-20", "2027-02-10", "UTC", "full months", {"2027-01": "90.00", "2027-02": "0.00"}),
    # $100 over three months, straight-line: 33.33⅓ each, the cent left to the first
    (
        "100.00", "2027-01-01", "2027-04-01", "UTC", "months",
        {"2027-01": "33.34", "2027-02": "33.33", "2027-03": "33.33"},
    ),
]  # fmt: skip

YEAR = Tranche(
    name="year", start=date(2027, 1, 1), end=date(2028, 1, 1), units=4, upfront=D("8760.00"), per_hour=D("0.10")
)
JULY = Tranche(
    name="July", start=date(2027, 7, 1), end=date(2028, 7, 1), units=2, upfront=D("8784.00"), per_hour=D("0.20")
)
# period: bought, expired, held, cash, amortised, owed after it, prepaid after it.
# An hour of YEAR: 4 × (1 + 0.10); of JULY: 2 × (1 + 0.20) (8,784 hours with the leap day)
LADDER = {
    # cash 4 × 8,760 + 744 × 0.40; amortised 744 × 4.40; owed 8,016 h × 0.40; prepaid 4 × 8,016
    "2027-01": (4, 0, 4, "35337.60", "3273.60", "3206.40", "32064.00"),
    # cash 672 × 0.40; amortised 672 × 4.40; owed 7,344 h × 0.40; prepaid 4 × 7,344
    "2027-02": (0, 0, 4, "268.80", "2956.80", "2937.60", "29376.00"),
    # cash 2 × 8,784 + 744 × (0.40 + 0.40); amortised 744 × (4.40 + 2.40);
    # owed 3,672 h × 0.40 + 8,040 h × 0.40; prepaid 4 × 3,672 + 2 × 8,040
    "2027-07": (2, 0, 6, "18163.20", "5059.20", "4684.80", "30768.00"),
    # four expire with the year; owed 4,368 h × 0.40; prepaid 2 × 4,368
    "2027-12": (0, 4, 2, "595.20", "5059.20", "1747.20", "8736.00"),
    # leap day: 696 × 0.40, 696 × 2.40
    "2028-02": (0, 0, 2, "278.40", "1670.40", "1171.20", "5856.00"),
    "2028-06": (0, 2, 0, "288.00", "1728.00", "0.00", "0.00"),
}


def day(text: str) -> date:
    """A date as it is written."""
    return date.fromisoformat(text)


@pytest.mark.parametrize(("upfront", "start", "end", "zone", "by", "parts"), TERMS)
def test_terms(upfront: str, start: str, end: str, zone: str, by: By, parts: dict[str, str]) -> None:
    """Some months to the cent, and all of them together."""
    made = amortise(D(upfront), day(start), day(end), zone=zone, by=by)
    by_label = {period.label: str(amount) for period, amount in made}
    assert {label: by_label[label] for label in parts} == parts
    assert total(made) == D(upfront)


def test_fiscal_weeks() -> None:
    """A year of 53 weeks at a dollar an hour: months of 4, 4 and 5 weeks, the last of 6."""
    calendar = FiscalCalendar(1, "4-4-5")  # 26 December 2021 to 31 December 2022
    made = amortise(D("8904.00"), day("2021-12-26"), day("2023-01-01"), calendar)
    assert [amount for _, amount in made] == [672, 672, 840, 672, 672, 840, 672, 672, 840, 672, 672, 1008]


def test_quarters() -> None:
    """90, 91, 92 and 92 days at a dollar an hour."""
    made = amortise(D("8760.00"), day("2027-01-01"), day("2028-01-01"), kind="quarter")
    assert [period.label for period, _ in made] == ["2027-Q1", "2027-Q2", "2027-Q3", "2027-Q4"]
    assert [amount for _, amount in made] == [2160, 2184, 2208, 2208]


def test_quarters_in_full_months() -> None:
    """From the middle of February for twelve months: 2, 3, 3, 3 and 1 of them."""
    made = amortise(D("12.00"), day("2027-02-15"), day("2028-02-15"), kind="quarter", by="full months")
    assert [amount for _, amount in made] == [2, 3, 3, 3, 1]


def test_partial_upfront_in_both_views() -> None:
    """2 nodes, $876 each upfront ($0.10 an hour), $0.25 an hour beside: 744 h make 372.00 in cash, 520.80 amortised."""
    tranche = Tranche(
        name="partial", start=day("2027-01-01"), end=day("2028-01-01"), units=2, upfront=D(876), per_hour=D("0.25")
    )
    cash, cost = cash_flow(tranche), amortised(tranche)
    assert [amount for _, amount in cash[:2]] == [D("2124.00"), D("336.00")]  # 1,752 + 372; 672 × 0.50
    assert [amount for _, amount in cost[:2]] == [D("520.80"), D("470.40")]  # 744 × 0.70; 672 × 0.70
    assert total(cash) == total(cost) == D("6132.00")  # 8,760 × 0.70


def test_a_contract_of_730_hours() -> None:
    """Each month 730 × 3 × 1.25, whatever its days."""
    tranche = Tranche(name="flat", start=day("2027-01-01"), end=day("2028-01-01"), units=3, per_hour=D("1.25"))
    assert {amount for _, amount in recurring(tranche, Basis(rule="730"))} == {D("2737.50")}


def test_rates_finer_than_a_cent() -> None:
    """744 × 0.00333 = 2.47752 and 672 × 0.00333 = 2.23776, rounded once a month."""
    tranche = Tranche(name="fine", start=day("2027-01-01"), end=day("2027-03-01"), per_hour=D("0.00333"))
    assert [str(amount) for _, amount in recurring(tranche)] == ["2.48", "2.24"]
    assert [str(amount) for _, amount in recurring(tranche, Basis(places=6))] == ["2.477520", "2.237760"]


@pytest.mark.parametrize("label", LADDER)
def test_ladder(label: str) -> None:
    """Two tranches that overlap for half a year."""
    row = next(row for row in ladder([YEAR, JULY]) if row.period.label == label)
    found = (row.bought, row.expired, row.held, *map(str, (row.cash, row.amortised, row.owed, row.prepaid)))
    assert found == LADDER[label]


def test_ladder_as_a_whole() -> None:
    """4 × 8,760 × 1.10 + 2 × 8,784 × 1.20, in both views; unit-hours; what is held costs an hour."""
    rows = ladder([YEAR, JULY])
    assert len(rows) == 18
    assert sum(row.cash for row in rows) == sum(row.amortised for row in rows) == D("59625.60")
    assert sum(row.unit_hours for row in rows) == 4 * 8760 + 2 * 8784
    assert [row.per_hour for row in rows[5:8]] == [D("0.40"), D("0.80"), D("0.80")]
    assert ladder([]) == []


def test_a_ladder_with_a_gap() -> None:
    """Months between two terms are there, and cost nothing."""
    spring = Tranche(name="a", start=day("2027-01-01"), end=day("2027-02-01"), upfront=D("1.00"))
    summer = Tranche(name="b", start=day("2027-03-10"), end=day("2027-04-01"), upfront=D("2.00"))
    rows = ladder([spring, summer])
    assert [(row.held, row.expired) for row in rows] == [(0, 1), (0, 0), (0, 1)]
    assert [row.cash for row in rows] == [1, 0, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: amortise(D(1), day("2027-01-01"), day("2027-01-01")),
        lambda: amortise(D("0.001"), day("2027-01-01"), day("2028-01-01")),
        lambda: amortise(D(1), day("2027-01-01"), day("2028-01-01"), by=cast("Any", "weeks")),
        lambda: Tranche(name="t", start=day("2027-01-01"), end=day("2026-01-01")),
        lambda: Tranche(name="t", start=day("2027-01-01"), end=day("2028-01-01"), units=-1),
        lambda: Tranche(name="t", start=day("2027-01-01"), end=day("2028-01-01"), per_hour=D(-1)),
        lambda: Tranche(name="t", start=day("2027-01-01"), end=day("2028-01-01"), upfront=cast("Any", 1.5)),
        lambda: ladder([YEAR, Tranche(name="€", start=day("2027-01-01"), end=day("2028-01-01"), currency="EUR")]),
    ],
)
def test_refuses(wrong: Callable[[], object]) -> None:
    """With a typed error."""
    with pytest.raises(InputError):
        wrong()


tranches = st.builds(
    lambda start, months, units, cents, micro: Tranche(
        name="t", start=start, end=term_end(start, months), units=units, upfront=D(cents).scaleb(-2),
        per_hour=D(micro).scaleb(-6),
    ),
    st.dates(date(2020, 1, 1), date(2040, 1, 1)),
    st.integers(1, 36),
    st.integers(0, 900),
    st.integers(0, 10**9),
    st.integers(0, 10**8),
)  # fmt: skip


@settings(max_examples=40)
@given(
    st.lists(tranches, min_size=1, max_size=4),
    st.sampled_from(["hours", "months", "full months"]),
    st.sampled_from(["UTC", "Europe/Paris"]),
    st.sampled_from(["calendar", "4-4-5"]),
    st.sampled_from(["month", "quarter"]),
)
def test_both_views_have_one_total(held: list[Tranche], by: By, zone: str, pattern: str, kind: str) -> None:
    """To the cent; a ladder is the sum of its tranches, and ends with nothing owed and nothing prepaid."""
    basis = Basis(calendar=FiscalCalendar(4, pattern), by=by, zone=zone, kind=kind)  # type: ignore[arg-type]
    rows = ladder(held, basis)
    assert sum(r.cash for r in rows) == sum(r.amortised for r in rows)
    assert sum(r.cash for r in rows) == sum(total(cash_flow(t, basis)) for t in held)
    assert rows[-1].owed == rows[-1].prepaid == rows[-1].held == 0
    assert all(row.prepaid >= -len(held) * D("0.01") for row in rows)
    assert all(a.held + b.bought - b.expired == b.held for a, b in pairwise(rows))


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 1500), st.integers(0, 10**10))
def test_months_cost_what_their_hours_say(start: date, days: int, cents: int) -> None:
    """Each within a cent of its exact share by hours, counted in another way: by single days."""
    upfront, end = D(cents).scaleb(-2), start + timedelta(days=days)
    by_month: dict[str, int] = {}
    for k in range(days):
        label = f"{start + timedelta(days=k):%Y-%m}"
        by_month[label] = by_month.get(label, 0) + 1
    made = amortise(upfront, start, end)
    assert {p.label: p.days for p, _ in made} == by_month
    for period, amount in made:
        assert abs(Fraction(amount) - Fraction(upfront) * by_month[period.label] / days) < Fraction(1, 100)
    assert [a for _, a in made] == allocate(upfront, list(by_month.values()))
