"""Currencies: amounts that keep theirs, and dated rates between them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from ..errors import InputError
from .rounding import Exact, fraction, round_money

PIVOT = "USD"
MICRO_PLACES = 6
MAX_AGE_DAYS = 31
CODE_LENGTH = 3
MINOR_PLACES = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}


class MixedCurrencyError(InputError):
    """Amounts of different currencies were added or compared."""


class MissingRateError(InputError):
    """No rate between two currencies on or before a day."""


class StaleRateError(InputError):
    """The latest rate is older than is allowed."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency (ISO 4217, three letters)."""

    amount: Decimal
    currency: str = PIVOT

    def __post_init__(self) -> None:
        """Check both fields."""
        fraction(self.amount)
        _code(self.currency)

    def __add__(self, other: Money) -> Money:
        """Sum of two amounts of one currency.

        Raises:
            MixedCurrencyError: they have different ones.
        """
        if self.currency != other.currency:
            mend = "convert one of them with Rates.convert"
            raise MixedCurrencyError(f"{self.currency} and {other.currency} do not add up", where="money", mend=mend)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Difference of two amounts of one currency."""
        return self + -other

    def __neg__(self) -> Money:
        """The amount with the other sign."""
        return Money(-self.amount, self.currency)

    def rounded(self) -> Money:
        """To the smallest coin of the currency: 2 decimals, 0 for the yen, 3 for some dinars; ties to even."""
        return Money(round_money(self.amount, MINOR_PLACES.get(self.currency, 2)), self.currency)


@dataclass(frozen=True, slots=True)
class Rate:
    """From a day on, one unit of `currency` is worth `rate` of `to`."""

    day: date
    currency: str
    to: str
    rate: Decimal

    def __post_init__(self) -> None:
        """Check every field."""
        _code(self.currency)
        _code(self.to)
        if fraction(self.rate, "rate") <= 0 or self.currency == self.to:
            where = f"rate {self.currency}/{self.to} of {self.day}"
            raise InputError(f"{self.rate}", where=where, mend="a positive rate between two currencies")


@dataclass(frozen=True, slots=True)
class Rates:
    """Dated rates. A rate holds from its day until the next one, at most `max_age_days` long (None: for ever).

    A pair's latest rate counts, quoted in either direction; a pair that has none is converted through USD.

    Raises:
        InputError: two different rates of one pair and day.
    """

    rows: tuple[Rate, ...]
    max_age_days: int | None = MAX_AGE_DAYS
    _known: dict[tuple[str, str], list[tuple[date, Fraction]]] = field(init=False, repr=False, compare=False)

    def __init__(
        self, rows: Iterable[Rate | tuple[date, str, str, Decimal]], max_age_days: int | None = MAX_AGE_DAYS
    ) -> None:
        """Sort the rows by pair and day, each in both directions."""
        made = tuple(row if isinstance(row, Rate) else Rate(*row) for row in rows)
        known: dict[tuple[str, str], dict[date, Fraction]] = {}
        for row in made:
            quoted = fraction(row.rate)
            for pair, rate in (((row.currency, row.to), quoted), ((row.to, row.currency), 1 / quoted)):
                days = known.setdefault(pair, {})
                if days.setdefault(row.day, rate) != rate:
                    where = f"rate {row.currency}/{row.to} of {row.day}"
                    raise InputError("two different rates", where=where, mend="keep one, in one direction")
        object.__setattr__(self, "rows", made)
        object.__setattr__(self, "max_age_days", max_age_days)
        object.__setattr__(self, "_known", {pair: sorted(days.items()) for pair, days in known.items()})

    def rate(self, currency: str, to: str, on: date) -> Fraction:
        """What one unit of a currency is worth in another on a day, exact.

        Raises:
            MissingRateError: no rate on or before the day, direct or through USD.
            StaleRateError: the latest one is too old.
        """
        _code(currency)
        _code(to)
        if currency == to:
            return Fraction(1)
        if PIVOT in (currency, to) or self._latest(currency, to, on):
            return self._direct(currency, to, on)
        return self._direct(currency, PIVOT, on) * self._direct(PIVOT, to, on)

    def convert(self, amount: Exact, currency: str, to: str, on: date, places: int = MICRO_PLACES) -> Decimal:
        """An amount in another currency at the rate of a day, rounded once at the end (ties to even)."""
        return round_money(fraction(amount) * self.rate(currency, to, on), places)

    def money(self, money: Money, to: str, on: date) -> Money:
        """The same for an amount that knows its currency, to the smallest coin."""
        return Money(self.convert(money.amount, money.currency, to, on, MINOR_PLACES.get(to, 2)), to)

    def _latest(self, currency: str, to: str, on: date) -> tuple[date, Fraction] | None:
        days = self._known.get((currency, to), [])
        place = bisect_right(days, on, key=lambda row: row[0])
        return days[place - 1] if place else None

    def _direct(self, currency: str, to: str, on: date) -> Fraction:
        found = self._latest(currency, to, on)
        where = f"rate {currency}/{to} on {on}"
        if found is None:
            first = next((f"the first one is of {day}" for day, _ in self._known.get((currency, to), [])), "none known")
            raise MissingRateError(first, where=where, mend="add a row on or before that day")
        if self.max_age_days is not None and (on - found[0]).days > self.max_age_days:
            mend = "add newer rows, or allow a greater age"
            raise StaleRateError(
                f"the latest is of {found[0]}, {(on - found[0]).days} days old", where=where, mend=mend
            )
        return found[1]


def _code(currency: str) -> None:
    if not (len(currency) == CODE_LENGTH and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise InputError(f"currency {currency!r}", where="money", mend="three capital letters, as USD")
