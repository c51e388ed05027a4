"""What dated flows are worth: present value, rates of return, payback; and when a commitment pays.

A flow is (day, amount), negative for what is paid. Years are actual days over 365, as spreadsheets count them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

from ..errors import InputError
from .currency import MICRO_PLACES
from .periods import MONTHLY, FiscalCalendar, Kind, Period
from .rounding import Exact, fraction, round_money

Flow = tuple[date, Decimal]
DAYS_A_YEAR = 365
DIGITS = 60  # carried in powers, so that what is rounded is right to its last place
LEAST_RATE, GREATEST_RATE = -0.9999, 10_000.0  # rates of return are looked for between these
TOUCHES = 1e-13  # of the flows' size: a value that is 0 where a curve turns
HALVINGS = 200


class NoRateError(InputError):
    """No rate of return makes the flows worth nothing."""


class ManyRatesError(InputError):
    """Several rates of return do; `rates` are all of them, so that none is taken for the answer."""

    rates: tuple[float, ...] = ()


def npv(rate: Exact, flows: Sequence[Flow], on: date | None = None, places: int = MICRO_PLACES) -> Decimal:
    """Present value at a yearly rate (0.08 is 8 %), on a day or that of the first flow; right to its last place.

    Raises:
        InputError: no flows, or a rate of -100 % or less.
    """
    growth = 1 + fraction(rate, "rate")
    if growth <= 0:
        raise InputError(f"a rate of {rate}", where="npv", mend="more than -1, which is -100 %")
    day = min(d for d, _ in _some(flows)) if on is None else on
    with localcontext() as context:
        context.prec = DIGITS
        base = Decimal(growth.numerator) / growth.denominator
        worth = (amount / base ** (Decimal((when - day).days) / DAYS_A_YEAR) for when, amount in flows)
        return round_money(sum(worth, Decimal(0)), places)


def irr(flows: Sequence[Flow]) -> float:
    """The yearly rate at which the flows are worth nothing.

    Raises:
        NoRateError: there is none between -99.99 % and 1,000,000 %, for instance where all flows have one sign.
        ManyRatesError: there are several; then compare present values at a rate of your own.
    """
    terms = _terms(flows)
    changes = _changes(terms)
    if changes == 1:  # exactly one rate: the usual case
        import pyxirr

        found = pyxirr.xirr([when for when, _ in flows], [float(amount) for _, amount in flows])
        if found is not None and LEAST_RATE <= found <= GREATEST_RATE:
            return float(found)
    rates = rates_of_return(flows)
    if not rates:
        why = "every flow has the same sign" if not changes else "no rate between -99.99 % and 1,000,000 %"
        raise NoRateError(why, where="irr", mend="look at the present value instead")
    if len(rates) > 1:
        told = ", ".join(f"{100 * rate:.2f} %" for rate in rates)
        error = ManyRatesError(f"{told} all do", where="irr", mend="compare present values at a rate of your own")
        error.rates = rates
        raise error
    return rates[0]


def rates_of_return(flows: Sequence[Flow]) -> tuple[float, ...]:
    """Every yearly rate between -99.99 % and 1,000,000 % at which the flows are worth nothing, rising.

    With x = ln(1 + rate) the value is Σ amount × e^(-years × x). Between two flows where the sign changes let m lie:
    e^(m x) × value has the same zeros, and its derivative Σ (m - years) × amount × e^((m - years) x) has one change of
    sign less. So zeros are found from those of the derivative, which lie between them, down to a sum with no change of
    sign and no zero.
    """
    found = _zeros(_terms(flows), math.log1p(LEAST_RATE), math.log1p(GREATEST_RATE))
    return tuple(math.expm1(x) for x in found)


def payback(flows: Sequence[Flow], rate: Exact = 0) -> date | None:
    """The day from which on the sum of the flows, discounted at a rate if one is given, is never negative again.

    None where that day does not come.
    """
    days = sorted({day for day, _ in _some(flows)})
    total, since = Decimal(0), None
    for day in days:
        total += npv(rate, [(when, amount) for when, amount in flows if when == day], days[0])
        since = None if total < 0 else since or day
    return since


def payback_period(
    flows: Sequence[Flow], calendar: FiscalCalendar = MONTHLY, kind: Kind = "month", rate: Exact = 0
) -> Period | None:
    """The month (quarter, year) of the payback."""
    day = payback(flows, rate)
    return None if day is None else calendar.period(day, kind)


def effective_rate(per_hour: Exact, upfront: Exact = 0, term_hours: Exact = 0) -> Fraction:
    """What an hour of a commitment costs with its part of the upfront payment.

    Raises:
        InputError: an upfront payment without the hours of its term.
    """
    once, hours = fraction(upfront, "upfront"), fraction(term_hours, "term_hours")
    if once and hours <= 0:
        raise InputError(f"{term_hours} hours", where="effective rate", mend="the hours that the upfront pays for")
    return fraction(per_hour, "per_hour") + (once / hours if once else 0)


def break_even_utilisation(
    per_hour: Exact, on_demand_per_hour: Exact, upfront: Exact = 0, term_hours: Exact = 0
) -> Fraction:
    """Share of its hours that a commitment must be used to cost no more than on demand; above 1 it never pays.

    Raises:
        InputError: no price on demand to compare with.
    """
    price = fraction(on_demand_per_hour, "on_demand_per_hour")
    if price <= 0:
        raise InputError(f"{on_demand_per_hour} on demand", where="break-even", mend="a price above 0")
    return effective_rate(per_hour, upfront, term_hours) / price


def _some(flows: Sequence[Flow]) -> Sequence[Flow]:
    if not flows:
        raise InputError("no flows", where="flows", mend="give (day, amount) pairs")
    return flows


def _terms(flows: Sequence[Flow]) -> list[tuple[float, float]]:
    """(amount, years from the first day), one a day and in their order; what cancels on a day is left out."""
    first = min(day for day, _ in _some(flows))
    sums: dict[date, Fraction] = {}
    for day, amount in flows:
        sums[day] = sums.get(day, Fraction(0)) + fraction(amount)
    return [(float(a), (day - first).days / DAYS_A_YEAR) for day, a in sorted(sums.items()) if a]


def _changes(terms: list[tuple[float, float]]) -> int:
    return sum((a < 0) != (b < 0) for (a, _), (b, _) in pairwise(terms))


def _zeros(terms: list[tuple[float, float]], low: float, high: float) -> list[float]:
    """Zeros of Σ amount × e^(-years × x), rising; see `rates_of_return`."""
    split = next((i for i, ((a, _), (b, _)) in enumerate(pairwise(terms)) if (a < 0) != (b < 0)), None)
    if split is None:
        return []
    middle = (terms[split][1] + terms[split + 1][1]) / 2
    turns = _zeros([(a * (middle - t), t) for a, t in terms], low, high)
    found = [x for x in turns if abs(_worth(terms, x)) <= TOUCHES]
    edges = [low, *(x for x in turns if x not in found), high]
    for left, right in pairwise(edges):
        if (_worth(terms, left) < 0) != (_worth(terms, right) < 0):
            found.append(_between(terms, left, right))
    return sorted(found)


def _between(terms: list[tuple[float, float]], left: float, right: float) -> float:
    """The zero between two places of different sign, by halving until floats end."""
    below = _worth(terms, left) < 0
    for _ in range(HALVINGS):
        middle = (left + right) / 2
        if middle in (left, right):
            break
        left, right = (middle, right) if (_worth(terms, middle) < 0) == below else (left, middle)
    return (left + right) / 2


def _worth(terms: list[tuple[float, float]], x: float) -> float:
    """The value at x, over the sum of its terms' sizes: between -1 and 1."""
    most = max(-t * x for _, t in terms)
    parts = [a * math.exp(-t * x - most) for a, t in terms]
    return math.fsum(parts) / math.fsum(map(abs, parts))
