"""What the cells of a bill mean: exact amounts, moments in UTC, tags, units; a cell that means nothing is masked."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .faults import PLACES

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
NULLS = ("", "NULL", "null", "Null", "None", "none", "N/A", "n/a", "NaN", "nan", "\\N")
NO_TIME = np.iinfo(np.int64).min
MOST = Decimal(10) ** 15  # of one amount: beyond, an Arrow decimal of 38 digits would overflow without a word
EASY = r"^-?[0-9]{1,15}(\.[0-9]{0,18})?$|^-?[0-9](\.[0-9]{0,9})?[eE]-0?[0-9]$"
SHORT = 19  # characters of a number without exponent that cannot overflow a decimal of 38 digits, 18 of them decimals
NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,60})?|\.[0-9]{1,60})([eE][+-]?[0-9]{1,3})?", re.ASCII)
EASY_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
WIDE = Context(prec=140, rounding=ROUND_HALF_EVEN)
STEP = Decimal(1).scaleb(-PLACES)
LONGEST_TAGS = 100_000
PREFIXES = re.compile(r"^(user:|user_|aws:|resourcetags/|labels?[./]|tags?[./])", re.IGNORECASE)  # on tags' keys
PAIR = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*:\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
UNIT = re.compile(r"(?:([0-9]{1,9})\s*)?([a-z][a-z -]*?)s?", re.ASCII)
HOURS = {  # of a unit of time that a machine is billed by
    **dict.fromkeys(("hour", "hr", "h", "node-hour", "instance-hour", "instance hour"), Fraction(1)),
    "minute": Fraction(1, 60),
    "second": Fraction(1, 3600),
    "day": Fraction(24),
}


@dataclass(frozen=True, slots=True)
class Amounts:
    """A column of amounts: decimal128(38, 18), null where nothing or no number stands."""

    values: pa.Array
    bad: Array  # bool: something stands there that is no number
    rounded: Array  # bool: more decimals than are kept
    floats: bool  # stored as binary floats


def decimal_type() -> pa.DataType:
    """Of amounts inside."""
    import pyarrow as pa

    return pa.decimal128(38, PLACES)


def amounts(column: pa.Array) -> Amounts:
    """Amounts of a column of any type, each read exactly."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    none = np.zeros(len(column), dtype=bool)
    if pa.types.is_dictionary(kind):
        made = amounts(column.dictionary)
        at = column.indices
        places = np.asarray(at.fill_null(0))
        here = np.asarray(column.is_valid())
        bad, rounded = ((m[places] if len(m) else none) & here for m in (made.bad, made.rounded))
        return Amounts(made.values.take(at), bad, rounded, made.floats)
    if pa.types.is_integer(kind):
        return amounts(pc.cast(column, pa.string()))
    if pa.types.is_decimal128(kind) and kind.scale <= PLACES and _small(column):
        return Amounts(pc.cast(column, decimal_type()), none, none, floats=False)
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        made = amounts(pc.cast(column, pa.string()))
        return Amounts(made.values, made.bad, made.rounded, pa.types.is_floating(kind))
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return Amounts(pa.nulls(len(column), decimal_type()), np.asarray(column.is_valid()), none, floats=False)
    return _of_text(pc.cast(column, pa.string()))


def _small(column: pa.Array) -> bool:
    """Whether all decimals are of a size that can be kept."""
    import pyarrow.compute as pc

    ends = pc.min_max(column).as_py().values()
    return all(abs(end or 0) < MOST for end in ends)


def _of_text(column: pa.Array) -> Amounts:
    import pyarrow as pa
    import pyarrow.compute as pc

    if (quick := _quickly(column)) is not None:
        none = np.zeros(len(column), dtype=bool)
        return Amounts(quick, none, none, floats=False)
    easy = pc.match_substring_regex(column, EASY)
    values = pc.cast(pc.if_else(easy, column, pa.scalar(None, pa.string())), decimal_type())
    bad, rounded = np.zeros(len(column), dtype=bool), np.zeros(len(column), dtype=bool)
    hard = np.flatnonzero(np.asarray(pc.invert(easy).fill_null(False)))  # noqa: FBT003
    if not len(hard):
        return Amounts(values, bad, rounded, floats=False)
    read = [_amount(text) for text in column.take(pa.array(hard)).to_pylist()]
    bad[hard] = [r is None for r in read]
    rounded[hard] = [bool(r and r[1]) for r in read]
    made = pa.array([r[0] if r else None for r in read], decimal_type())
    mask = np.zeros(len(column), dtype=bool)
    mask[hard] = True
    return Amounts(pc.replace_with_mask(values, pa.array(mask), made), bad, rounded, floats=False)


def _quickly(column: pa.Array) -> pa.Array | None:
    """Amounts of a column without any fault; None where one has to look closer."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.if_else(pc.starts_with(column, "0E-"), "0", column)  # as Spark writes nothing of many decimals
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest > SHORT or pc.any(pc.match_substring(column, "e", ignore_case=True)).as_py():
        return None
    try:
        made = pc.cast(column, decimal_type())
    except pa.ArrowInvalid:
        return None
    return made if _small(made) else None


def _amount(text: str) -> tuple[Decimal | None, bool] | None:
    """A number and whether it was rounded; (None, False) for nothing; None for what is no number."""
    text = text.strip()
    if text in NULLS:
        return None, False
    if not NUMBER.fullmatch(text):
        return None
    try:
        value = WIDE.create_decimal(text)
        made = value.quantize(STEP, context=WIDE)
    except InvalidOperation:
        return None
    return (made, made != value) if abs(made) < MOST else None


def moments(column: pa.Array) -> tuple[Array, Array]:
    """Seconds since 1970 in UTC (int64, NO_TIME for nothing), and a mask of what is no moment."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        seconds = pc.cast(pc.cast(column, pa.timestamp("s"), safe=False), pa.int64())
        return np.asarray(seconds.fill_null(int(NO_TIME))), np.zeros(len(column), dtype=bool)
    codes, texts = coded(column)
    read = [_moment(text) for text in texts]
    times = np.array([NO_TIME, *(NO_TIME if r is None else r for r in read)], dtype=np.int64)
    bad = np.array([False, *(r is None for r in read)])
    return times[codes + 1], bad[codes + 1]


def _moment(text: str) -> int | None:
    try:
        made = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return int(made.replace(tzinfo=made.tzinfo or UTC).timestamp())


def coded(column: pa.Array) -> tuple[Array, list[str]]:
    """A column as places in a list of its texts; −1 for nothing, however the vendor writes it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        if not pa.types.is_string(column.type):
            column = _as_text(column)
        column = pc.dictionary_encode(column)
    codes = np.asarray(column.indices.fill_null(-1)).astype(np.int64)
    texts = [str(t) for t in column.dictionary.to_pylist()]
    nothing = np.array([*(t in NULLS for t in texts), False])  # the last is what −1 finds
    return np.where(nothing[codes], -1, codes) if nothing.any() else codes, texts


def _as_text(column: pa.Array) -> pa.Array:
    """A column of any type as text: nested ones (tags as a map or a list of pairs) as JSON."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(column.type):
        return pa.array([None if v is None else json.dumps(_plain(v)) for v in column.to_pylist()], pa.string())
    return pc.cast(column, pa.string())


def _plain(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(p, tuple) for p in value):
        return dict(value)
    return value


def tags_of(text: str) -> Mapping[str, str] | None:
    """Tags by lower-case key without their vendor's prefix (`user:`, `labels.`); None for what cannot be read.

    An object in JSON, a list of {"key": …, "value": …}, JSON without its braces, or a literal of Python. A key that
    stands twice keeps its last value.
    """
    text = text.strip()
    if len(text) > LONGEST_TAGS:
        return None
    found = _tags(text)
    if isinstance(found, list) and all(isinstance(t, dict) and {"key", "value"} <= t.keys() for t in found):
        found = {t["key"]: t["value"] for t in found}
    if not isinstance(found, dict):
        return None
    kept = {PREFIXES.sub("", str(k).strip()).casefold(): v for k, v in found.items()}
    return {k: "true" if v is True else str(v).strip() for k, v in kept.items() if v not in (None, "", False)}


def _tags(text: str) -> Any:
    if text.startswith('"') and (pairs := PAIR.findall(text)):
        return dict(pairs)
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


@lru_cache(maxsize=1000)
def hours_of(unit: str) -> Fraction | None:
    """Hours that one unit of a quantity stands for ("100 Hours" is 100); None where it is no time."""
    found = UNIT.fullmatch(unit.strip().casefold())
    each = HOURS.get(found[2]) if found else None
    return None if each is None or found is None else each * int(found[1] or 1)
