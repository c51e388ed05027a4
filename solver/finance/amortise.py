"""What commitments cost over time: in cash when it is paid, amortised over the term it pays for.

Both views have the same total, to the cent: the upfront payment is split by largest remainder, and what recurs is
rounded once a period for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from ..errors import InputError
from .hours import HourRule, counted_hours, exact_hours
from .periods import MONTHLY, FiscalCalendar, Kind, Period
from .rounding import CENTS, allocate, fraction, round_money

By = Literal["hours", "months", "full months"]
Series = list[tuple[Period, Decimal]]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tranche:
    """Commitments bought together: so many units from `start` up to but not including `end`.

    `upfront` is paid for each unit on the first day, `per_hour` for each unit and hour of the term, used or not.
    """

    name: str
    start: date
    end: date
    units: int = 1
    upfront: Decimal = ZERO
    per_hour: Decimal = ZERO
    currency: str = "USD"

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"tranche {self.name!r}"
        if self.end <= self.start:
            raise InputError(f"ends {self.end}, starts {self.start}", where=where, mend="a term of one day or more")
        if self.units < 0:
            raise InputError(f"{self.units} units", where=where, mend="0 or more")
        for name, amount in (("upfront", self.upfront), ("per_hour", self.per_hour)):
            if fraction(amount, f"{where}, {name}") < 0:
                raise InputError(f"{name} is {amount}", where=where, mend="0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """How amounts are put into periods; see `amortise` for `by` and `hours_by_period` for `rule`."""

    calendar: FiscalCalendar = MONTHLY
    kind: Kind = "month"
    by: By = "hours"
    zone: str = "UTC"
    rule: HourRule = "true"
    places: int = CENTS


BASIS = Basis()


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRow:
    """One period of a ladder of tranches."""

    period: Period
    bought: int  # units whose term starts in it
    expired: int  # units whose term ends in it: on its last night or before
    held: int  # units still in force when it ends
    unit_hours: Fraction  # units × true hours in force in it
    per_hour: Decimal  # what the units held cost an hour beside what was paid upfront
    cash: Decimal
    amortised: Decimal
    owed: Decimal  # cash still to be paid after it for what is bought by then
    prepaid: Decimal  # paid by then and not yet used up: an asset in the books


def amortise(
    upfront: Decimal,
    start: date,
    end: date,
    calendar: FiscalCalendar = MONTHLY,
    *,
    kind: Kind = "month",
    by: By = "hours",
    zone: str = "UTC",
    places: int = CENTS,
) -> Series:
    """An upfront payment over the periods of its term (up to but not including `end`), parts that add up to it.

    `by` "hours": in proportion to the true hours of the term in each period; "months": straight-line, each whole month
    alike and a part of one by its days; "full months": straight-line, the month it starts in counts whole and the one
    it ends in not at all (unless it is the same one).

    Raises:
        InputError: an empty term, or a payment finer than the decimal places of the parts.
    """
    if end <= start:
        raise InputError(f"ends {end}, starts {start}", where="term", mend="a term of one day or more")
    parts = calendar.periods(start, end, kind, cut=True)
    weights = [_weight(part, end, calendar, by, zone) for part in parts]
    return list(zip(parts, allocate(upfront, weights, places), strict=True))


def recurring(tranche: Tranche, basis: Basis = BASIS) -> Series:
    """What recurs: units × hours of each period × rate, rounded once a period (ties to even)."""
    made = []
    for part in basis.calendar.periods(tranche.start, tranche.end, basis.kind, cut=True):
        hours = counted_hours(part, basis.calendar, zone=basis.zone, rule=basis.rule)
        made.append((part, round_money(tranche.units * hours * fraction(tranche.per_hour), basis.places)))
    return made


def cash_flow(tranche: Tranche, basis: Basis = BASIS) -> Series:
    """What is paid in each period of the term: all of the upfront payment in the first, and what recurs in each."""
    (first, amount), *rest = recurring(tranche, basis)
    return [(first, amount + tranche.units * tranche.upfront), *rest]


def amortised(tranche: Tranche, basis: Basis = BASIS) -> Series:
    """What each period of the term costs: its part of the upfront payment, and what recurs in it."""
    shares = amortise(
        tranche.units * tranche.upfront, tranche.start, tranche.end, basis.calendar,
        kind=basis.kind, by=basis.by, zone=basis.zone, places=basis.places,
    )  # fmt: skip
    both = zip(recurring(tranche, basis), shares, strict=True)
    return [(period, amount + share) for (period, amount), (_, share) in both]


def ladder(tranches: Sequence[Tranche], basis: Basis = BASIS) -> list[LadderRow]:
    """Tranches bought over time: from the first start to the last end, what is held and what it costs in both views.

    Raises:
        InputError: tranches in different currencies.
    """
    if not tranches:
        return []
    _one_currency(tranches)
    whole = basis.calendar.periods(min(t.start for t in tranches), max(t.end for t in tranches), basis.kind)
    paid = [{period.label: amount for period, amount in cash_flow(t, basis)} for t in tranches]
    used = [{period.label: amount for period, amount in amortised(t, basis)} for t in tranches]
    made: list[LadderRow] = []
    prepaid, open_cash = ZERO, [sum(row.values(), ZERO) for row in paid]
    for period in whole:
        cash, cost = (sum((row.get(period.label, ZERO) for row in rows), ZERO) for rows in (paid, used))
        prepaid += cash - cost
        open_cash = [rest - row.get(period.label, ZERO) for rest, row in zip(open_cash, paid, strict=True)]
        held = [t for t in tranches if t.start < period.end < t.end]
        made.append(
            LadderRow(
                period=period,
                bought=sum(t.units for t in tranches if period.start <= t.start < period.end),
                expired=sum(t.units for t in tranches if period.start < t.end <= period.end),
                held=sum(t.units for t in held),
                unit_hours=sum((_unit_hours(t, period, basis) for t in tranches), Fraction(0)),
                per_hour=sum((t.units * t.per_hour for t in held), ZERO),
                cash=cash,
                amortised=cost,
                owed=sum((o for o, t in zip(open_cash, tranches, strict=True) if t.start < period.end), ZERO),
                prepaid=prepaid,
            )
        )
    return made


def total(series: Iterable[tuple[Period, Decimal]]) -> Decimal:
    """Sum of a series."""
    return sum((amount for _, amount in series), ZERO)


def _weight(part: Period, end: date, calendar: FiscalCalendar, by: By, zone: str) -> Fraction:
    """What a part of the term weighs among the others."""
    if by == "hours":
        return exact_hours(part.start, part.end, zone)
    if by not in get_args(By):
        raise InputError(f"by {by!r}", where="amortise", mend=f"one of {', '.join(get_args(By))}")
    months = calendar.periods(part.start, part.end)
    if by == "months":
        return sum((Fraction(m.cut(part.start, part.end).days, m.days) for m in months), Fraction(0))
    return Fraction(sum(m.end <= end for m in months))  # within one month there is one part, which gets all


def _unit_hours(tranche: Tranche, period: Period, basis: Basis) -> Fraction:
    part = period.cut(tranche.start, tranche.end)
    inside = part.start < part.end
    return tranche.units * exact_hours(part.start, part.end, basis.zone) if inside else Fraction(0)


def _one_currency(tranches: Sequence[Tranche]) -> None:
    known = sorted({t.currency for t in tranches})
    if len(known) > 1:
        raise InputError(f"{' and '.join(known)} in one ladder", where="ladder", mend="convert them to one first")
