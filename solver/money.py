"""Money: integer micro-dollars inside, Decimal at the edges; no float ever adds up a bill."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

MICRO = 1_000_000


def to_micro(usd: Decimal | str | int) -> int:
    """Dollars as whole micro-dollars, half to even."""
    return round_half_even(Fraction(Decimal(str(usd))) * MICRO)


def to_usd(micro_usd: int) -> Decimal:
    """Micro-dollars as an exact Decimal of dollars."""
    return Decimal(int(micro_usd)).scaleb(-6)


def round_half_even(value: Fraction) -> int:
    """The nearest integer, ties to even (Fraction rounds so)."""
    return round(value)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Split a whole amount in proportion to weights so that the parts add up to it (largest remainder).

    Ties go to the earlier part. All-zero weights give everything to the first.
    """
    whole = sum(weights)
    if whole == 0:
        return [total if i == 0 else 0 for i in range(len(weights))]
    parts = [total * w // whole for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
