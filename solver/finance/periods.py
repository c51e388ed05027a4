"""Fiscal calendars: months, quarters and years of a company, by the calendar or in weeks of 4-4-5 and its like.

A year of weeks ends on one weekday: the last one of its closing month, or the one nearest to that month's end. It has
52 weeks, or 53 where that needs it; the 53rd belongs to the last month of the year, or to another one that is named.
"""

from __future__ import annotations

import calendar as gregorian
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Literal, get_args

from ..errors import InputError

Kind = Literal["month", "quarter", "year"]
Pattern = Literal["calendar", "4-4-5", "4-5-4", "5-4-4"]
Ends = Literal["last", "nearest"]
Named = Literal["end", "start"]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS, QUARTERS, MONTHS_A_QUARTER, DAYS_A_WEEK = 12, 4, 3, 7
PERIODS = {"month": 1, "quarter": MONTHS_A_QUARTER, "year": MONTHS}
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Days from `start` up to but not including `end`."""

    label: str
    start: date
    end: date

    @property
    def days(self) -> int:
        """Days in it."""
        return (self.end - self.start).days

    def cut(self, start: date, end: date) -> Period:
        """The part of it that lies between two days, under the same label."""
        return Period(self.label, max(self.start, start), min(self.end, end))


@dataclass(frozen=True, slots=True)
class FiscalCalendar:
    """A company's months, quarters and years.

    Args:
        start_month: month in which the year starts, 1 to 12 (of weeks: around whose first day it starts).
        pattern: months of the calendar, or weeks in the months of each quarter.
        week_ends_on: last day of a week; only for patterns of weeks.
        ends: whether a year of weeks ends on the last such day of its closing month or the one nearest to its end.
        extra_week_month: month of the year, 1 to 12 from its start, that a 53rd week belongs to.
        year_named: whether a year carries the number of the calendar year it ends in or starts in.

    Months of the calendar are labelled "2027-03", as in a plan; months of weeks "FY2027-P03"; quarters and years
    "FY2027-Q1" and "FY2027", or without FY where the year is the calendar's own.
    """

    start_month: int = 1
    pattern: Pattern = "calendar"
    week_ends_on: Weekday = "saturday"
    ends: Ends = "last"
    extra_week_month: int = MONTHS
    year_named: Named = "end"

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("start_month", "extra_week_month"):
            if not 1 <= getattr(self, name) <= MONTHS:
                raise InputError(f"{name} {getattr(self, name)}", where="fiscal calendar", mend="from 1 to 12")
        for name, kinds in (("pattern", Pattern), ("week_ends_on", Weekday), ("ends", Ends), ("year_named", Named)):
            _one_of(name, getattr(self, name), get_args(kinds))

    def period(self, day: date, kind: Kind = "month") -> Period:
        """The month, quarter or year that a day lies in."""
        _one_of("kind", kind, tuple(PERIODS))
        day = _day(day)
        year = self._year_of(day)
        return next(p for p in self._of_year(year, kind) if p.start <= day < p.end)

    def periods(self, start: date, end: date, kind: Kind = "month", *, cut: bool = False) -> list[Period]:
        """All that have a day from `start` up to but not including `end`; whole ones, or cut to the two days.

        Raises:
            InputError: `end` is before `start`.
        """
        _one_of("kind", kind, tuple(PERIODS))
        start, end = _day(start), _day(end)
        if end < start:
            raise InputError(f"ends {end}, before it starts {start}", where="periods", mend="swap the two days")
        if start == end:
            return []
        years = range(self._year_of(start), self._year_of(end - timedelta(days=1)) + 1)
        touched = [p for y in years for p in self._of_year(y, kind) if p.end > start and p.start < end]
        return [p.cut(start, end) for p in touched] if cut else touched

    def weeks(self, year: int) -> int:
        """Weeks of a year of weeks, by the calendar year that its closing month lies in: 52 or 53."""
        return (self._first_day(year + 1) - self._first_day(year)).days // DAYS_A_WEEK

    def _of_year(self, year: int, kind: Kind) -> Iterator[Period]:
        """Periods of the year whose closing month lies in the calendar year `year`."""
        edges = self._edges(year)
        for number, (start, end) in enumerate(pairwise(edges[:: PERIODS[kind]]), 1):
            yield Period(self._label(year, start, kind, number), start, end)

    def _edges(self, year: int) -> list[date]:
        """First days of the twelve months and of the next year."""
        first, after = self._first_day(year), self._first_day(year + 1)
        if self.pattern == "calendar":
            return [add_months(first, k) for k in range(MONTHS + 1)]
        weeks = [int(n) for n in self.pattern.split("-")] * QUARTERS
        weeks[self.extra_week_month - 1] += (after - first).days // DAYS_A_WEEK - sum(weeks)
        return [first, *(first + timedelta(weeks=n) for n in accumulate(weeks))]

    def _first_day(self, year: int) -> date:
        """First day of the year whose closing month lies in the calendar year `year`."""
        if not MINYEAR + 1 < year < MAXYEAR:
            raise InputError(f"the year {year}", where="fiscal calendar", mend="years that a calendar has")
        nominal = date(year - (self.start_month > 1), self.start_month, 1)
        if self.pattern == "calendar":
            return nominal
        closing = nominal - timedelta(days=1)  # the last day of the month before
        last = closing - timedelta(days=(closing.weekday() - WEEKDAYS.index(self.week_ends_on)) % DAYS_A_WEEK)
        if self.ends == "nearest" and (closing - last).days > DAYS_A_WEEK // 2:
            last += timedelta(days=DAYS_A_WEEK)
        return last + timedelta(days=1)

    def _year_of(self, day: date) -> int:
        """Calendar year that the closing month of the day's fiscal year lies in."""
        near = (day.year + k for k in (-1, 0, 1, 2))
        return next(y for y in near if self._first_day(y) <= day < self._first_day(y + 1))

    def _label(self, year: int, start: date, kind: Kind, number: int) -> str:
        if kind == "month" and self.pattern == "calendar":
            return f"{start:%Y-%m}"
        own = self.pattern == "calendar" and self.start_month == 1
        name = f"{'' if own else 'FY'}{year - (self.year_named == 'start' and self.start_month > 1)}"
        return name if kind == "year" else f"{name}-{'Q' + str(number) if kind == 'quarter' else f'P{number:02d}'}"


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last day of that month where it is shorter."""
    index = day.year * MONTHS + day.month - 1 + months
    year, month = index // MONTHS, index % MONTHS + 1
    if not MINYEAR <= year <= MAXYEAR:
        raise InputError(f"the year {year}", where="months", mend="years that a calendar has")
    return date(year, month, min(day.day, gregorian.monthrange(year, month)[1]))


def _day(day: date) -> date:
    return day.date() if isinstance(day, datetime) else day


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{name} {value!r}", where="fiscal calendar", mend=f"one of {', '.join(allowed)}")


MONTHLY = FiscalCalendar()
