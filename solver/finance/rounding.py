"""Rounding money: one amount to so many places, and a total split into parts that add up to it, always."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from ..errors import InputError
from ..money import apportion, round_half_even

Ties = Literal["even", "away"]
Exact = Decimal | Fraction | int
CENTS = 2
MOST_PLACES = 18


def fraction(value: Any, what: str = "amount") -> Fraction:
    """A number as an exact fraction; floats are refused, for they are not the amount that was written.

    Raises:
        InputError: it is not a finite int, Fraction or Decimal.
    """
    fine = isinstance(value, Decimal | Fraction | int) and not isinstance(value, bool)
    if hasattr(value, "__index__") and not isinstance(value, bool):  # numpy's integers
        return Fraction(value.__index__())
    if not fine or (isinstance(value, Decimal) and not value.is_finite()):
        raise InputError(f"{value!r} is no exact number", where=what, mend='write it as Decimal("1.23")')
    return Fraction(value)


def decimal_of(units: int, places: int) -> Decimal:
    """So many units of the last place as a Decimal, exact however long it is."""
    return Decimal(f"{units}E-{places}")


def round_money(amount: Exact, places: int = CENTS, ties: Ties = "even") -> Decimal:
    """An exact amount to so many decimal places; a tie goes to the even digit, or away from zero as invoices do."""
    units = fraction(amount) * 10 ** _places(places)
    if ties == "even":
        return decimal_of(round_half_even(units), places)
    size = (2 * abs(units.numerator) + units.denominator) // (2 * units.denominator)
    return decimal_of(size if units >= 0 else -size, places)


def allocate(total: Decimal, weights: Sequence[Exact], places: int = CENTS) -> list[Decimal]:
    """Split a total in proportion to weights into parts of so many places that add up to it (largest remainder).

    Each part is less than one unit of the last place away from its exact share. Ties go to the earlier part; a weight
    of zero gets nothing, unless all are zero: then all count alike. A negative total (a credit) is split as the
    positive one is.

    Raises:
        InputError: no weights, a negative weight, or a total finer than the places the parts may have.
    """
    units = fraction(total, "total") * 10 ** _places(places)
    if units.denominator != 1:
        raise InputError(f"{total} has more than {places} decimals", where="total", mend="round it first")
    shares = [fraction(w, "weight") for w in weights]
    if any(w < 0 for w in shares):
        raise InputError(f"{min(shares)} is negative", where="weight", mend="weights are 0 or more")
    if not shares:
        if units:
            raise InputError(f"nobody to carry {total}", where="weights", mend="give one weight or more")
        return []
    whole = sum(shares, Fraction(0))
    scaled = _integers(shares) if whole else [1] * len(shares)
    size = apportion(abs(units.numerator), scaled)
    return [decimal_of(part if units >= 0 else -part, places) for part in size]


def _integers(shares: list[Fraction]) -> list[int]:
    """The same proportions in whole numbers."""
    scale = math.lcm(*(share.denominator for share in shares))
    return [int(share * scale) for share in shares]


def _places(places: int) -> int:
    if not 0 <= places <= MOST_PLACES:
        raise InputError(f"{places} decimal places", where="places", mend=f"from 0 to {MOST_PLACES}")
    return places
