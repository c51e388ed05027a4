"""What a plan's table is outside of Python: typed columns, money in dollars, text harmless where it lands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..errors import PlannerError
from ..money import to_usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..table import Table

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["int", "float", "bool", "text", "money", "fraction"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMULA_STARTS = frozenset("=+-@\t\r＝＋－＠")
INT64_MAX = 2**63 - 1
EXACT = frozenset({int, Fraction})
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)
_INVISIBLE = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *_BIDI, 0x2028, 0x2029, 0xFEFF), None)
_TO_SPACE = dict.fromkeys(map(ord, "\t\n\r\v\f"), " ")
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_CLEAN = _INVISIBLE | _TO_SPACE | _SURROGATES


@dataclass(frozen=True, slots=True)
class Column:
    """One column at the edge; a value that is absent (NaN, a price that does not exist) is None."""

    name: str
    kind: Kind
    values: list[Any]


def columns(table: Table) -> list[Column]:
    """All columns of a table, integer micro-dollars turned into Decimal dollars (`micro_usd_x` becomes `usd_x`)."""
    return [_column(name, table[name]) for name in table.names]


def clean(text: str) -> str:
    """Text without control, bidirectional-override or unpaired surrogate characters; tabs and line ends as spaces."""
    return text.translate(_CLEAN)


def guarded(text: str) -> str:
    """Clean text that a spreadsheet takes as text and never as a formula: a leading apostrophe where it might."""
    shown = clean(text)
    starts = text[:1], shown.lstrip()[:1]  # a control character may stand before the sign
    return "'" + shown if FORMULA_STARTS.intersection(starts) else shown


def to_array(kind: Kind, values: Sequence[Any]) -> Array:
    """Values read back from the edge as a plan's column, the inverse of `columns`."""
    if kind == "int":
        fits = all(-INT64_MAX <= v <= INT64_MAX for v in values)
        return np.array(values, dtype=np.int64 if fits else object)
    if kind == "money":
        return np.array([-1 if v is None else int(v.scaleb(6)) for v in values], dtype=np.int64)
    if kind == "float":
        return np.array([math.nan if v is None else v for v in values], dtype=np.float64)
    if kind == "bool":
        return np.array(values, dtype=np.bool_)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _column(name: str, array: Array) -> Column:
    """A column as it stands outside; -1 says "has no such price" everywhere but in the bill itself."""
    values, kind = array.tolist(), _kind(name, array)
    if kind == "money":
        absent = None if name == "micro_usd" else -1
        return Column(edge_name(name), kind, [None if v == absent else to_usd(v) for v in values])
    if kind == "float":
        values = [None if math.isnan(v) else v for v in values]
    return Column(name, kind, [Fraction(v) for v in values] if kind == "fraction" else values)


def _kind(name: str, array: Array) -> Kind:
    """The kind follows from the dtype; object columns hold text, fractions or large integers."""
    kinds: dict[str, Kind] = {"i": "int", "u": "int", "f": "float", "b": "bool"}
    types = {type(v) for v in array.tolist()} if array.dtype == object else set()
    found = kinds.get(array.dtype.kind)
    if array.dtype == object:
        found = "text" if types <= {str} else "int" if types == {int} else "fraction" if types <= EXACT else None
    if found is None:
        kinds_seen = sorted(t.__name__ for t in types) or [str(array.dtype)]
        raise PlannerError(f"column {name!r} holds {', '.join(kinds_seen)}", mend="text, numbers or fractions")
    return "money" if found == "int" and "micro_usd" in name else found


def edge_name(name: str) -> str:
    """Name of a money column outside: micro_usd_per_month is shown in dollars as usd_per_month."""
    return name.replace("micro_usd", "usd")


def plain(value: Any) -> str:
    """A number as a CSV cell: absent is empty, money has six decimals, "1/3" would be read as a date."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(float(value) if isinstance(value, Fraction) else value)
