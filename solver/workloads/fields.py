"""Strict reading of workload fields: each fault names the workload and the field."""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Sequence

from ..errors import InputError

NAME_LENGTH = 200
PATH_LENGTH = 4096


def text(where: str, field: str, value: object, *, empty: bool = False, length: int = NAME_LENGTH) -> str:
    """A printable text of sensible length."""
    if not isinstance(value, str) or (not value.strip() and not empty):
        raise InputError(f"{field} must be a text, not {value!r:.60}", where=where)
    if len(value) > length or not value.isprintable():
        raise InputError(f"{field} must be at most {length} printable characters", where=where)
    return value


def number(where: str, field: str, value: object, span: tuple[float, float], *, above: bool = False) -> float:
    """A finite number in the span [low, high], or in (low, high] with `above`; not a bool, not a text."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise InputError(f"{field} must be a number, not {value!r:.60}", where=where)
    found, (low, high) = float(value), span
    if not low <= found <= high or (above and found == low):
        bounds = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
        raise InputError(f"{field} must be {bounds}, not {found:g}", where=where)
    return found


def whole(where: str, field: str, value: object, span: tuple[int, int]) -> int:
    """A whole number in the span [low, high]; 4096.0 is refused, so that no token count is rounded in silence."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise InputError(f"{field} must be a whole number, not {value!r:.60}", where=where)
    found, (low, high) = int(value), span
    if not low <= found <= high:
        raise InputError(f"{field} must be from {low:,} to {high:,}, not {found:,}", where=where)
    return found


def names(where: str, field: str, value: object) -> tuple[str, ...]:
    """A list of texts, none twice; a lone text is refused, since it would read as its letters."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(
            f"{field} must be a list of names, not {value!r:.60}", where=where, mend=f"write {field}: [...]"
        )
    found = tuple(text(where, field, item) for item in value)
    if len(set(found)) < len(found):
        raise InputError(f"{field} names something twice", where=where)
    return found


def choice(where: str, field: str, value: object, known: Sequence[str]) -> str:
    """One of the known names."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"unknown {field} {value!r:.60}", where=where, mend=f"use one of {', '.join(known)}")
    return value


def day(where: str, field: str, value: object) -> datetime.date | None:
    """A calendar day, or None."""
    if value is None or (isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)):
        return value
    raise InputError(f"{field} must be a date, not {value!r:.60}", where=where, mend="write it as YYYY-MM-DD")
