"""Parts add up to totals; ties and signs as stated."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import allocate, round_money

D = Decimal

# total, weights, places, parts: by hand, the exact share first
SPLITS = [
    ("100.00", [1, 1, 1], 2, ["33.34", "33.33", "33.33"]),  # 33.33⅓ each, the cent left to the first
    ("100.00", [2, 1], 2, ["66.67", "33.33"]),  # 66.66⅔ has the greater remainder
    ("0.05", [1, 1, 1], 2, ["0.02", "0.02", "0.01"]),  # 1⅔ cents each: two cents left
    ("-0.05", [1, 1, 1], 2, ["-0.02", "-0.02", "-0.01"]),  # a credit is the mirror of the bill
    ("-100.00", [2, 1], 2, ["-66.67", "-33.33"]),
    ("0.01", [1, 9], 2, ["0.00", "0.01"]),
    ("7.00", [0, 3, 4], 2, ["0.00", "3.00", "4.00"]),
    ("0.02", [0, 0, 1], 2, ["0.00", "0.00", "0.02"]),
    ("0.03", [0, 0], 2, ["0.02", "0.01"]),  # nobody used it: all alike
    ("0.00", [0, 0], 2, ["0.00", "0.00"]),
    ("10", [1, 1, 1], 0, ["4", "3", "3"]),
    ("0.000001", [1, 2], 6, ["0.000000", "0.000001"]),
    ("1.00", [Fraction(1, 3), Fraction(1, 6)], 2, ["0.67", "0.33"]),  # 2 : 1
    ("1.00", [D("0.1"), D("0.2"), D("0.7")], 2, ["0.10", "0.20", "0.70"]),
    ("12345678901234567890.12", [1, 1], 2, ["6172839450617283945.06", "6172839450617283945.06"]),
]

# amount, places, to even, away from zero
ROUNDED = [
    ("0.125", 2, "0.12", "0.13"),
    ("0.135", 2, "0.14", "0.14"),
    ("-0.125", 2, "-0.12", "-0.13"),
    ("-0.115", 2, "-0.12", "-0.12"),
    ("2.5", 0, "2", "3"),
    ("1.2345675", 6, "1.234568", "1.234568"),
    ("0.1249999999999999999999999999999999", 2, "0.12", "0.12"),  # longer than Decimal's usual 28 digits
    ("0.1250000000000000000000000000000001", 2, "0.13", "0.13"),
]


@pytest.mark.parametrize(("total", "weights", "places", "parts"), SPLITS)
def test_splits(total: str, weights: list[int], places: int, parts: list[str]) -> None:
    """Digit for digit, trailing zeros included."""
    assert [str(part) for part in allocate(D(total), weights, places)] == parts


@pytest.mark.parametrize(("amount", "places", "even", "away"), ROUNDED)
def test_rounds(amount: str, places: int, even: str, away: str) -> None:
    """Both ways of ties."""
    assert str(round_money(D(amount), places)) == even
    assert str(round_money(D(amount), places, "away")) == away


@pytest.mark.parametrize(
    ("total", "weights"),
    [(D("0.001"), [1]), (D(1), []), (D(1), [1, -1]), (D("NaN"), [1]), (D(1), [D("Infinity")])],
)
def test_refuses(total: D, weights: list[D]) -> None:
    """What could not add up."""
    with pytest.raises(InputError):
        allocate(total, weights)


def test_refuses_floats_and_truths() -> None:
    """A float is not the amount that was written."""
    odds: tuple[Any, ...] = (0.1, True, "1")
    for odd in odds:
        with pytest.raises(InputError):
            round_money(odd)


def test_takes_numpy_integers() -> None:
    """Weights counted with numpy."""
    assert allocate(D("1.00"), list(np.array([1, 3]))) == [D("0.25"), D("0.75")]


weights = st.lists(
    st.one_of(st.integers(0, 10**9), st.fractions(0, 10, max_denominator=999), st.decimals(0, 99, places=3)),
    min_size=1,
    max_size=12,
)


@given(st.integers(-(10**15), 10**15), weights, st.sampled_from([0, 2, 6]))
def test_parts_add_up_and_are_within_one_unit(units: int, weighed: list[Fraction], places: int) -> None:
    """To the last digit; each part next to its exact share; who weighs nothing gets nothing."""
    total, unit = D(units).scaleb(-places), Fraction(1, 10**places)
    parts = allocate(total, weighed, places)
    assert sum(parts, D(0)) == total
    whole = sum(map(Fraction, weighed), Fraction(0))
    for part, weight in zip(parts, weighed, strict=True):
        share = Fraction(weight) / whole if whole else Fraction(1, len(weighed))
        assert abs(Fraction(part) - Fraction(total) * share) < unit
        assert weight or not whole or part == 0
    assert allocate(-total, weighed, places) == [-part for part in parts]


@given(st.fractions(-1000, 1000), st.integers(0, 8))
def test_rounding_is_to_the_nearest(amount: Fraction, places: int) -> None:
    """Never further than half a unit, whichever way ties go."""
    half = Fraction(1, 2 * 10**places)
    assert abs(Fraction(round_money(amount, places, "even")) - amount) <= half
    assert abs(Fraction(round_money(amount, places, "away")) - amount) <= half
