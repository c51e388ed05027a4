"""A frozen table of equal-length numpy columns: thousands of something, without a DataFrame in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import PlannerError

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, np.dtype[Any]]


class Table:
    """Columns by name, all of one length; `table["nodes"]` is the array."""

    __slots__ = ("_columns", "_rows")

    def __init__(self, columns: Mapping[str, Array | Sequence[Any]]) -> None:
        """Take the columns as arrays; text columns become object arrays so that no name is cut short."""
        made = {name: _column(values) for name, values in columns.items()}
        lengths = {len(column) for column in made.values()}
        if len(lengths) > 1:
            raise PlannerError(f"columns of unequal length: { {n: len(c) for n, c in made.items()} }")
        self._columns = made
        self._rows = lengths.pop() if lengths else 0

    def __len__(self) -> int:
        """Number of rows."""
        return self._rows

    def __repr__(self) -> str:
        """Size and columns."""
        return f"Table({self._rows:,} rows: {', '.join(self._columns)})"

    def __getitem__(self, name: str) -> Array:
        """One column."""
        return self._columns[name]

    def __contains__(self, name: str) -> bool:
        """Whether a column of that name is here."""
        return name in self._columns

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(self._columns)

    def take(self, rows: Array) -> Table:
        """Rows by boolean mask or index."""
        return Table({name: column[rows] for name, column in self._columns.items()})

    def with_columns(self, **columns: Array | Sequence[Any]) -> Table:
        """A copy with columns added or replaced."""
        return Table({**self._columns, **columns})

    def records(self) -> Iterator[dict[str, Any]]:
        """Rows as dicts of plain Python values."""
        lists = [column.tolist() for column in self._columns.values()]
        for values in zip(*lists, strict=True):
            yield dict(zip(self._columns, values, strict=True))

    def to_frame(self) -> pd.DataFrame:
        """The same as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(dict(self._columns))

    @classmethod
    def from_records(cls, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
        """Rows of values under the given column names."""
        return cls({name: [row[i] for row in rows] for i, name in enumerate(names)})


def _column(values: Array | Sequence[Any]) -> Array:
    array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=None if len(values) else np.int64)
    return array.astype(object) if array.dtype.kind in "US" else array
