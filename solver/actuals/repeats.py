"""Rows that stand in a bill twice: each row's fingerprint of 128 bits, half of it of all but quantities and costs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .focus import focus_columns
from .parse import amounts

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
NOTHING = np.uint64(0x9E3779B97F4A7C15)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(30), np.uint64(27), np.uint64(31))


class Fingerprints:
    """Two hashes of every row, batch by batch; 16 bytes a row are kept."""

    def __init__(self) -> None:
        """None yet."""
        self._full: list[Array] = []
        self._key: list[Array] = []

    def add(self, table: pa.Table) -> None:
        """The rows of a batch; the order of columns does not matter."""
        numbers = {c.name for c in focus_columns().values() if c.type == "decimal"}  # quantities, prices and costs
        full, key = (np.zeros(table.num_rows, dtype=np.uint64) for _ in range(2))
        for name in table.column_names:
            column = table[name].combine_chunks()
            mixed = _of_numbers(column, _seed(name)) if name in numbers else _hashes(column, _seed(name))
            full += mixed
            if name not in numbers and not name.startswith("x_"):
                key += mixed
        self._full.append(full)
        self._key.append(key)

    def repeated(self) -> tuple[Array, Array]:
        """Places of rows that an earlier row equals in every column, and of those in all but quantities and costs."""
        if not self._full:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        full, key = np.concatenate(self._full), np.concatenate(self._key)
        same = _later(full, key)
        return same, np.setdiff1d(_later(key), same, assume_unique=True)


def _later(*hashes: Array) -> Array:
    """Places whose hashes stand earlier too, ascending."""
    first = hashes[0]
    ordered = np.sort(first)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return np.zeros(0, dtype=np.int64)
    places = np.flatnonzero(np.isin(first, twice))
    seen: Array = np.unique(np.stack([h[places] for h in hashes]), axis=1, return_index=True)[1]
    return np.delete(places, seen)


def _seed(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))


def _mixed(x: Array) -> Array:
    """Bits spread evenly (the finaliser of splitmix64)."""
    x = (x ^ (x >> MIX[2])) * MIX[0]
    x = (x ^ (x >> MIX[3])) * MIX[1]
    made: Array = x ^ (x >> MIX[4])
    return made


def _of_numbers(column: pa.Array, seed: np.uint64) -> Array:
    """A hash of each amount, however it is written; of its text where it is none."""
    found = amounts(column)
    odd = found.bad | found.rounded
    made = _hashes(found.values, seed)
    return np.where(odd, _hashes(column, seed), made) if odd.any() else made


def _hashes(column: pa.Array, seed: np.uint64) -> Array:
    """A hash of each value, uint64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):  # mixed before it is spread over the rows
        own = _mixed(np.append(_hashes_of_text(column.dictionary.to_pylist()), NOTHING) ^ seed)
        found: Array = own[np.asarray(column.indices.fill_null(-1))]
        return found
    if pa.types.is_decimal128(kind):
        parts = np.frombuffer(column.buffers()[1], dtype=np.uint64)[2 * column.offset :][: 2 * len(column)]
        halves = parts.reshape(-1, 2)
        made = halves[:, 0] * MIX[0] + halves[:, 1] * MIX[1]
    elif pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_date64(kind):
        made = np.asarray(pc.cast(column, pa.int64(), safe=False).fill_null(0)).astype(np.uint64)
    elif pa.types.is_floating(kind):
        made = np.asarray(pc.cast(column, pa.float64()).fill_null(0.0)).view(np.uint64)
    else:
        texts = column.to_pylist() if pa.types.is_nested(kind) else pc.cast(column, pa.string()).to_pylist()
        made = _hashes_of_text(["" if t is None else str(t) for t in texts])
    return _mixed((np.where(np.asarray(column.is_valid()), made, NOTHING) if column.null_count else made) ^ seed)


def _hashes_of_text(texts: list[Any]) -> Array:
    from pandas.util import hash_array

    made: Array = hash_array(np.array(texts, dtype=object), categorize=False)
    return made
