"""Hours as clocks and contracts count them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import FiscalCalendar, Period, counted_hours, exact_hours, hours_between, hours_by_period, term_end

D = Decimal

# zone, first day, day after the last, hours
DAYS_AND_MONTHS = [
    ("UTC", "2027-02-01", "2027-03-01", "672"),  # 28 × 24
    ("UTC", "2028-02-01", "2028-03-01", "696"),  # 29 × 24, leap day
    ("UTC", "2027-01-01", "2028-01-01", "8760"),
    ("UTC", "2028-01-01", "2029-01-01", "8784"),
    ("UTC", "2027-01-01", "2030-01-01", "26304"),  # 365 + 366 + 365 days
    ("UTC", "2100-02-01", "2100-03-01", "672"),  # 2100 is no leap year
    ("Europe/Paris", "2027-03-28", "2027-03-29", "23"),
    ("Europe/Paris", "2027-10-31", "2027-11-01", "25"),
    ("Europe/Paris", "2027-03-01", "2027-04-01", "743"),  # 744 − 1
    ("Europe/Paris", "2027-10-01", "2027-11-01", "745"),  # 744 + 1
    ("Europe/Paris", "2027-01-01", "2028-01-01", "8760"),
    ("America/New_York", "2027-03-14", "2027-03-15", "23"),
    ("America/New_York", "2027-11-07", "2027-11-08", "25"),
    ("America/New_York", "2027-11-01", "2027-12-01", "721"),  # 720 + 1
    ("Australia/Lord_Howe", "2027-04-04", "2027-04-05", "24.5"),  # half an hour back
    ("Australia/Lord_Howe", "2027-10-03", "2027-10-04", "23.5"),  # half an hour forward
    ("Australia/Lord_Howe", "2027-04-01", "2027-05-01", "720.5"),
    ("America/Santiago", "2024-09-08", "2024-09-09", "23"),  # there is no midnight
    ("Asia/Kolkata", "2027-03-01", "2027-04-01", "744"),
    ("Pacific/Apia", "2011-12-01", "2012-01-01", "720"),  # 30 December 2011 never was
    ("UTC", "2027-05-05", "2027-05-05", "0"),
]

# zone, from, to, hours
CLOCKS = [
    ("Europe/Paris", "2027-03-28T00:30", "2027-03-28T03:30", "2"),  # 02:00 to 03:00 never was
    ("America/New_York", "2027-11-07T00:00", "2027-11-07T02:00", "3"),  # 01:00 to 02:00 was twice
    ("UTC", "2027-01-01T00:00", "2027-01-01T00:00:36", "0.01"),
    ("UTC", "2027-01-01T00:00+01:00", "2027-01-01T00:00+00:00", "1"),  # its own offset counts
    ("Asia/Kolkata", "2027-01-01T00:00+00:00", "2027-01-01T05:30", "0"),
]


def day(text: str) -> date:
    """A date as it is written."""
    return date.fromisoformat(text)


@pytest.mark.parametrize(("zone", "start", "end", "hours"), DAYS_AND_MONTHS)
def test_days_and_months(zone: str, start: str, end: str, hours: str) -> None:
    """Between two midnights of a zone."""
    assert hours_between(day(start), day(end), zone) == D(hours)


@pytest.mark.parametrize(("zone", "start", "end", "hours"), CLOCKS)
def test_clocks(zone: str, start: str, end: str, hours: str) -> None:
    """Between two times that clocks show."""
    assert hours_between(datetime.fromisoformat(start), datetime.fromisoformat(end), zone) == D(hours)


def test_an_hour_that_is_there_twice() -> None:
    """Its first and its second 02:30 are an hour apart."""
    first = datetime(2027, 10, 31, 2, 30)  # noqa: DTZ001
    assert hours_between(first, first.replace(fold=1), "Europe/Paris") == 1
    assert exact_hours(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)) == Fraction(1, 3600)


def test_contracts_of_730_hours_a_month() -> None:
    """All whole months alike; a part of one by its days: 17 of 31 make 400.32 hours."""
    rows = hours_by_period(day("2027-01-15"), day("2027-04-01"), rule="730")
    assert [p.label for p, _ in rows] == ["2027-01", "2027-02", "2027-03"]
    assert [round(h, 2) for _, h in rows] == [D("400.32"), D(730), D(730)]
    quarter = FiscalCalendar().period(day("2027-02-01"), "quarter")
    assert counted_hours(quarter, rule="730") == 2190  # 3 × 730
    assert counted_hours(Period("February", day("2028-02-01"), day("2028-02-15")), rule="730") == Fraction(730 * 14, 29)


def test_true_hours_by_month() -> None:
    """A summer that begins, in Paris: 17 days, 28, 31 less an hour, 14."""
    rows = hours_by_period(day("2027-01-15"), day("2027-04-15"), zone="Europe/Paris")
    assert [h for _, h in rows] == [17 * 24, 28 * 24, 31 * 24 - 1, 14 * 24]


def test_terms() -> None:
    """A year from a leap day; three from the middle of a month."""
    assert term_end(day("2028-02-29"), 12) == day("2029-02-28")
    assert term_end(day("2027-03-15"), 36) == day("2030-03-15")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: hours_between(day("2027-01-02"), day("2027-01-01")),
        lambda: hours_between(day("2027-01-01"), day("2027-01-02"), "Mars/Olympus"),
        lambda: hours_between(day("2027-01-01"), day("2027-01-02"), "../etc/passwd"),
        lambda: hours_between(day("2027-01-01"), day("2027-01-02"), "America"),
        lambda: hours_by_period(day("2027-01-01"), day("2027-01-02"), rule=cast("Any", "720")),
        lambda: term_end(day("2027-01-01"), 0),
    ],
)
def test_refuses(wrong: Callable[[], object]) -> None:
    """With a typed error."""
    with pytest.raises(InputError):
        wrong()


@given(
    st.dates(date(2000, 1, 1), date(2060, 1, 1)),
    st.integers(0, 500),
    st.integers(0, 500),
    st.sampled_from(["UTC", "Europe/Paris", "Australia/Lord_Howe", "America/Havana"]),
)
def test_hours_add_up(start: date, first: int, second: int, zone: str) -> None:
    """Over any day between, and over months; the same as instants of fixed offset say."""
    middle = start + timedelta(days=first)
    end = middle + timedelta(days=second)
    whole = exact_hours(start, end, zone)
    assert whole == exact_hours(start, middle, zone) + exact_hours(middle, end, zone)
    assert whole == sum((h for _, h in hours_by_period(start, end, zone=zone)), D(0))
    assert abs(whole - 24 * (end - start).days) <= 1
    if zone == "UTC":
        offset = timezone(timedelta(hours=5))
        a, b = (datetime(d.year, d.month, d.day, tzinfo=offset) for d in (start, end))
        assert whole == exact_hours(a, b)
