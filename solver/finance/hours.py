"""True hours: days of 23, 24 or 25 hours where clocks change, months of 672 to 744; 730 only where a contract says so.

A date stands for its first instant in the zone; a datetime without a zone is what the clocks of the zone show.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import InputError
from .periods import MONTHLY, FiscalCalendar, Kind, Period, add_months

HourRule = Literal["true", "730"]
CONTRACT_MONTH_HOURS = 730  # of a month, where a contract bills all months alike
_HOUR = timedelta(hours=1) // timedelta.resolution  # microseconds


def hours_between(start: date, end: date, zone: str = "UTC") -> Decimal:
    """Hours that pass between two instants, with every change of the clocks (to 28 digits where they do not end).

    Raises:
        InputError: the end is before the start, or no such zone.
    """
    return _decimal(exact_hours(start, end, zone))


def exact_hours(start: date, end: date, zone: str = "UTC") -> Fraction:
    """The same, exact."""
    clock = _zone(zone)
    passed = _instant(end, clock) - _instant(start, clock)
    if passed < timedelta(0):
        raise InputError(f"ends {end}, before it starts {start}", where="hours", mend="swap the two")
    return Fraction(passed // timedelta.resolution, _HOUR)


def hours_by_period(
    start: date,
    end: date,
    calendar: FiscalCalendar = MONTHLY,
    kind: Kind = "month",
    *,
    zone: str = "UTC",
    rule: HourRule = "true",
) -> list[tuple[Period, Decimal]]:
    """Hours between two days in each period they touch, cut to them; they add up to the hours between the two.

    With the rule "730" a whole month has 730 hours, whatever its days, and a part of one its share of them by days;
    quarters and years have those of their months.
    """
    parts = calendar.periods(start, end, kind, cut=True)
    return [(part, _decimal(counted_hours(part, calendar, zone=zone, rule=rule))) for part in parts]


def counted_hours(
    part: Period, calendar: FiscalCalendar = MONTHLY, *, zone: str = "UTC", rule: HourRule = "true"
) -> Fraction:
    """Hours of a period, or of a part of one, as a contract counts them, exact."""
    if rule == "true":
        return exact_hours(part.start, part.end, zone)
    if rule != "730":
        raise InputError(f"the rule {rule!r}", where="hours", mend='"true" or "730"')
    whole = calendar.periods(part.start, part.end)
    months = sum((Fraction(m.cut(part.start, part.end).days, m.days) for m in whole), Fraction(0))
    return months * CONTRACT_MONTH_HOURS


def term_end(start: date, months: int) -> date:
    """The day after a term of so many months.

    Raises:
        InputError: fewer than one month.
    """
    if months < 1:
        raise InputError(f"a term of {months} months", where="term", mend="one month or more")
    return add_months(start, months)


def _decimal(hours: Fraction) -> Decimal:
    return Decimal(hours.numerator) / hours.denominator


def _instant(when: date, zone: ZoneInfo) -> datetime:
    """The instant in UTC. Differences are taken there, for two times of one zone are subtracted as clocks show them."""
    if not isinstance(when, datetime):
        when = datetime(when.year, when.month, when.day, tzinfo=zone)
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        mend = "a name as Europe/Paris or UTC"
        raise InputError(f"no time zone {name!r}", where="zone", mend=mend) from None
