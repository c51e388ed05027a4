"""Fiscal calendars against ones that companies publish, and against the calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import FiscalCalendar, Period, add_months
from solver.finance.periods import Ends, Kind, Pattern

PLAIN = FiscalCalendar()
JULY = FiscalCalendar(7)  # named for the year it ends in
APRIL_START = FiscalCalendar(4, year_named="start")
RETAIL = FiscalCalendar(2, "4-5-4", ends="nearest", year_named="start")  # Saturday nearest to 31 January
SEPTEMBER = FiscalCalendar(10, "4-4-5", ends="last", extra_week_month=3)  # last Saturday of September
DECEMBER = FiscalCalendar(1, "4-4-5")  # last Saturday of December
AUGUST = FiscalCalendar(9, "4-4-5", "sunday", "nearest")  # Sunday nearest to 31 August

# calendar, a day of the period, kind, label, first day, last day
PUBLISHED: list[tuple[FiscalCalendar, str, Kind, str, str, str]] = [
    (PLAIN, "2027-03-31", "month", "2027-03", "2027-03-01", "2027-03-31"),
    (PLAIN, "2028-02-29", "month", "2028-02", "2028-02-01", "2028-02-29"),
    (PLAIN, "2027-03-31", "quarter", "2027-Q1", "2027-01-01", "2027-03-31"),
    (PLAIN, "2027-12-31", "year", "2027", "2027-01-01", "2027-12-31"),
    (JULY, "2027-06-30", "year", "FY2027", "2026-07-01", "2027-06-30"),
    (JULY, "2027-07-01", "quarter", "FY2028-Q1", "2027-07-01", "2027-09-30"),
    (JULY, "2027-02-10", "quarter", "FY2027-Q3", "2027-01-01", "2027-03-31"),
    (JULY, "2027-02-10", "month", "2027-02", "2027-02-01", "2027-02-28"),
    (APRIL_START, "2028-03-31", "year", "FY2027", "2027-04-01", "2028-03-31"),
    # the retail calendar of 4-5-4: 2023 has 53 weeks, the last of them in January
    (RETAIL, "2023-01-29", "year", "FY2023", "2023-01-29", "2024-02-03"),
    (RETAIL, "2024-02-04", "year", "FY2024", "2024-02-04", "2025-02-01"),
    (RETAIL, "2018-02-03", "year", "FY2017", "2017-01-29", "2018-02-03"),
    (RETAIL, "2024-03-03", "month", "FY2024-P02", "2024-03-03", "2024-04-06"),
    (RETAIL, "2024-01-31", "month", "FY2023-P12", "2023-12-31", "2024-02-03"),
    (RETAIL, "2024-05-05", "quarter", "FY2024-Q2", "2024-05-05", "2024-08-03"),
    # years to the last Saturday of September: 2023 has 53 weeks, in its first quarter
    (SEPTEMBER, "2022-09-24", "year", "FY2022", "2021-09-26", "2022-09-24"),
    (SEPTEMBER, "2023-09-30", "year", "FY2023", "2022-09-25", "2023-09-30"),
    (SEPTEMBER, "2022-12-31", "quarter", "FY2023-Q1", "2022-09-25", "2022-12-31"),
    (SEPTEMBER, "2024-09-28", "year", "FY2024", "2023-10-01", "2024-09-28"),
    # to the last Saturday of December: 2022 has 53 weeks
    (DECEMBER, "2021-12-26", "year", "FY2022", "2021-12-26", "2022-12-31"),
    (DECEMBER, "2021-12-25", "month", "FY2021-P12", "2021-11-21", "2021-12-25"),
    (DECEMBER, "2022-12-31", "month", "FY2022-P12", "2022-11-20", "2022-12-31"),
    # to the Sunday nearest to the end of August: 2023 has 53 weeks and ends in September
    (AUGUST, "2022-08-28", "year", "FY2022", "2021-08-30", "2022-08-28"),
    (AUGUST, "2023-09-03", "year", "FY2023", "2022-08-29", "2023-09-03"),
    (AUGUST, "2024-09-01", "year", "FY2024", "2023-09-04", "2024-09-01"),
]

WEEKS = [(RETAIL, 2013, 53), (RETAIL, 2014, 52), (SEPTEMBER, 2017, 53), (SEPTEMBER, 2018, 52), (DECEMBER, 2022, 53)]

# day, months, the day so much later
LATER = [
    ("2027-01-31", 1, "2027-02-28"),
    ("2028-01-31", 1, "2028-02-29"),
    ("2028-02-29", 12, "2029-02-28"),
    ("2027-12-15", 1, "2028-01-15"),
    ("2027-03-31", -1, "2027-02-28"),
    ("2027-01-15", 36, "2030-01-15"),
]


def day(text: str) -> date:
    """A date as it is written."""
    return date.fromisoformat(text)


@pytest.mark.parametrize(("calendar", "inside", "kind", "label", "first", "last"), PUBLISHED)
def test_published(calendar: FiscalCalendar, inside: str, kind: Kind, label: str, first: str, last: str) -> None:
    """The period a day lies in, with its last day as it is published."""
    assert calendar.period(day(inside), kind) == Period(label, day(first), day(last) + timedelta(days=1))


@pytest.mark.parametrize(("calendar", "year", "weeks"), WEEKS)
def test_weeks(calendar: FiscalCalendar, year: int, weeks: int) -> None:
    """By the calendar year that the closing month lies in."""
    assert calendar.weeks(year) == weeks


@pytest.mark.parametrize(("start", "months", "end"), LATER)
def test_months_later(start: str, months: int, end: str) -> None:
    """The last day of shorter months."""
    assert add_months(day(start), months) == day(end)


def test_periods_whole_and_cut() -> None:
    """Mid-month to mid-month."""
    whole = PLAIN.periods(day("2027-01-15"), day("2027-03-10"))
    assert [(p.label, p.days) for p in whole] == [("2027-01", 31), ("2027-02", 28), ("2027-03", 31)]
    cut = PLAIN.periods(day("2027-01-15"), day("2027-03-10"), cut=True)
    assert [(p.label, p.days) for p in cut] == [("2027-01", 17), ("2027-02", 28), ("2027-03", 9)]
    assert PLAIN.periods(day("2027-01-15"), day("2027-01-15")) == []
    assert [p.label for p in PLAIN.periods(day("2027-01-15"), day("2027-02-01"))] == ["2027-01"]


def test_a_time_of_day_is_of_its_day() -> None:
    """A datetime is taken as its date."""
    assert PLAIN.period(datetime(2027, 3, 31, 23, 59)).label == "2027-03"  # noqa: DTZ001


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: FiscalCalendar(13),
        lambda: FiscalCalendar(0),
        lambda: FiscalCalendar(1, cast("Any", "4-4-4")),
        lambda: FiscalCalendar(week_ends_on=cast("Any", "someday")),
        lambda: FiscalCalendar(extra_week_month=0),
        lambda: PLAIN.period(date(2027, 1, 1), cast("Any", "decade")),
        lambda: PLAIN.periods(date(2027, 1, 2), date(2027, 1, 1)),
        lambda: PLAIN.period(date(9999, 12, 31)),
        lambda: add_months(date(9999, 12, 31), 1),
    ],
)
def test_refuses(wrong: Callable[[], object]) -> None:
    """With a typed error, whatever is wrong."""
    with pytest.raises(InputError):
        wrong()


@given(
    st.integers(1, 12),
    st.sampled_from(["calendar", "4-4-5", "4-5-4", "5-4-4"]),
    st.sampled_from(["last", "nearest"]),
    st.integers(1, 12),
    st.dates(date(1990, 1, 1), date(2090, 1, 1)),
)
def test_every_day_has_one_place(month: int, pattern: Pattern, ends: Ends, extra: int, start: date) -> None:
    """Periods follow one another without a gap; quarters are three months, years four quarters, of 52 or 53 weeks."""
    calendar = FiscalCalendar(month, pattern, ends=ends, extra_week_month=extra)
    end = start + timedelta(days=900)
    kinds: tuple[Kind, ...] = ("month", "quarter", "year")
    found = {kind: calendar.periods(start, end, kind) for kind in kinds}
    for periods in found.values():
        assert periods[0].start <= start < periods[0].end
        assert periods[-1].start < end <= periods[-1].end
        assert all(a.end == b.start for a, b in pairwise(periods))
        assert len({p.label for p in periods}) == len(periods)
    for year in found["year"]:
        inside = calendar.periods(year.start, year.end)
        assert len(inside) == 12
        assert [p.start for p in inside[::3]] == [q.start for q in calendar.periods(year.start, year.end, "quarter")]
        assert pattern == "calendar" or year.days in (364, 371)
    assert calendar.period(start) == found["month"][0]
