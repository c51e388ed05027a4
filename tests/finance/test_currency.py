"""Currencies with dated rates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import MissingRateError, MixedCurrencyError, Money, Rate, Rates, StaleRateError

D = Decimal

ROWS = [
    (date(2027, 1, 4), "EUR", "USD", D("1.10")),
    (date(2027, 1, 11), "EUR", "USD", D("1.12")),
    (date(2027, 1, 4), "USD", "JPY", D(150)),
    (date(2027, 1, 4), "GBP", "USD", D("1.25")),
    (date(2027, 1, 6), "EUR", "CHF", D("0.95")),
]
RATES = Rates(ROWS)

# amount, from, to, on, converted to six decimals
CONVERTED = [
    ("100", "EUR", "USD", "2027-01-04", "110.000000"),
    ("100", "EUR", "USD", "2027-01-10", "110.000000"),  # a weekend has Monday's rate
    ("100", "EUR", "USD", "2027-01-11", "112.000000"),
    ("110", "USD", "EUR", "2027-01-05", "100.000000"),  # the other way
    ("1", "USD", "EUR", "2027-01-05", "0.909091"),  # 1 / 1.10
    ("1500", "JPY", "USD", "2027-01-05", "10.000000"),
    ("1", "EUR", "JPY", "2027-01-05", "165.000000"),  # 1.10 × 150, through dollars
    ("1", "EUR", "JPY", "2027-01-12", "168.000000"),  # 1.12 × 150: each leg's own latest
    ("1", "GBP", "EUR", "2027-01-05", "1.136364"),  # 1.25 / 1.10
    ("100", "EUR", "CHF", "2027-01-06", "95.000000"),  # quoted directly
    ("-100", "EUR", "USD", "2027-01-04", "-110.000000"),  # a credit
    ("123.45", "EUR", "EUR", "1999-01-01", "123.450000"),  # its own: no rate needed
    ("0", "EUR", "USD", "2027-01-04", "0.000000"),
]


def day(text: str) -> date:
    """A date as it is written."""
    return date.fromisoformat(text)


@pytest.mark.parametrize(("amount", "currency", "to", "on", "made"), CONVERTED)
def test_converted(amount: str, currency: str, to: str, on: str, made: str) -> None:
    """At the latest rate on or before the day."""
    assert str(RATES.convert(D(amount), currency, to, day(on))) == made


@pytest.mark.parametrize(
    ("currency", "to", "on", "error"),
    [
        ("EUR", "USD", "2027-01-03", MissingRateError),  # the day before the first
        ("EUR", "SEK", "2027-01-05", MissingRateError),
        ("CHF", "USD", "2027-01-06", MissingRateError),  # only through euros, which is not done
        ("EUR", "USD", "2027-02-12", StaleRateError),  # 32 days after 11 January
        ("GBP", "JPY", "2027-02-05", StaleRateError),  # 32 days after 4 January
        ("EUR", "usd", "2027-01-05", InputError),
        ("EURO", "USD", "2027-01-05", InputError),
    ],
)
def test_no_rate(currency: str, to: str, on: str, error: type[Exception]) -> None:
    """Each by its name."""
    with pytest.raises(error):
        RATES.convert(D(1), currency, to, day(on))


def test_age() -> None:
    """31 days old is still good, and any age where that is said."""
    assert RATES.convert(D(1), "EUR", "USD", day("2027-02-11"), 2) == D("1.12")
    assert Rates(ROWS, None).convert(D(1), "EUR", "USD", day("2037-01-01"), 2) == D("1.12")
    with pytest.raises(StaleRateError):
        Rates(ROWS, 0).convert(D(1), "EUR", "USD", day("2027-01-05"))


def test_amounts_keep_their_currency() -> None:
    """Sums within one; none between two; coins of each."""
    assert Money(D("1.10"), "EUR") + Money(D("2.20"), "EUR") == Money(D("3.30"), "EUR")
    assert Money(D(1)) - Money(D(3)) == Money(D(-2), "USD")
    with pytest.raises(MixedCurrencyError):
        Money(D(1), "EUR") + Money(D(1), "USD")
    with pytest.raises(MixedCurrencyError):
        Money(D(0), "EUR") - Money(D(0), "USD")  # nothing of one is not nothing of the other
    assert RATES.money(Money(D("1.01"), "EUR"), "JPY", day("2027-01-05")) == Money(D(167), "JPY")  # 166.65
    assert str(Money(D("1.2345"), "KWD").rounded().amount) == "1.234"
    assert str(Money(D("1.235"), "USD").rounded().amount) == "1.24"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Rate(day("2027-01-04"), "EUR", "EUR", D(1)),
        lambda: Rate(day("2027-01-04"), "EUR", "USD", D(0)),
        lambda: Rate(day("2027-01-04"), "EUR", "USD", D(-1)),
        lambda: Rates([*ROWS, (date(2027, 1, 4), "EUR", "USD", D("1.11"))]),
        lambda: Rates([*ROWS, (date(2027, 1, 4), "USD", "EUR", D("0.91"))]),  # not 1 / 1.10
        lambda: Money(D("NaN")),
        lambda: Money(cast("Any", 1.5)),
    ],
)
def test_refuses(wrong: Callable[[], object]) -> None:
    """With a typed error."""
    with pytest.raises(InputError):
        wrong()


@given(st.fractions(Fraction(1, 999), 999), st.fractions(Fraction(1, 999), 999), st.integers(0, 20))
def test_there_and_back(a: Fraction, b: Fraction, later: int) -> None:
    """Rates are exact: a chain there and back is 1, whichever way each was quoted."""
    first, second = D(a.numerator) / a.denominator, D(b.numerator) / b.denominator
    rates = Rates([(date(2027, 1, 1), "EUR", "USD", first), (date(2027, 1, 1), "USD", "JPY", second)])
    on = date(2027, 1, 1 + later)
    assert rates.rate("EUR", "JPY", on) * rates.rate("JPY", "EUR", on) == 1
    assert rates.rate("EUR", "JPY", on) == Fraction(first) * Fraction(second)
