"""A model as arrays: named blocks of columns and rows, filled by the rules, read by the engine. No solver in here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .errors import PlannerError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = np.ndarray[Any, np.dtype[Any]]
Label = Callable[[tuple[int, ...]], str]
INDEX = np.int32  # of rows and columns in a program


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """min cost·x, row_lower ≤ A x ≤ row_upper, lower ≤ x ≤ upper, some x whole. Costs are dollars."""

    cost: Array  # float [n]
    lower: Array
    upper: Array
    whole: Array  # bool [n]
    matrix: csr_array  # [m, n]
    row_lower: Array
    row_upper: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.row_lower), len(self.cost)

    def relaxed(self) -> Program:
        """The same without the demand for whole numbers."""
        return self.replace(whole=np.zeros_like(self.whole))

    def replace(self, **changes: Array) -> Program:
        """A copy with some arrays replaced."""
        return Program(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})

    def take(self, rows: Array, columns: Array) -> Program:
        """The part of the program in these rows and columns (index arrays); entries outside are left out."""
        return Program(
            cost=self.cost[columns],
            lower=self.lower[columns],
            upper=self.upper[columns],
            whole=self.whole[columns],
            matrix=cast("csr_array", self.matrix[rows][:, columns]),
            row_lower=self.row_lower[rows],
            row_upper=self.row_upper[rows],
        )


@dataclass(frozen=True, slots=True)
class Group:
    """A named block of rows."""

    name: str
    start: int
    shape: tuple[int, ...]
    keys: Array | None
    label: Label | None

    @property
    def rows(self) -> Array:
        """Row indices in the block's shape."""
        return self.start + np.arange(int(np.prod(self.shape)), dtype=np.int64).reshape(self.shape)


class Model:
    """Collects columns, rows and coefficients block by block."""

    def __init__(self) -> None:
        """Start empty."""
        self._lower: list[Array] = []
        self._upper: list[Array] = []
        self._whole: list[Array] = []
        self._row_lower: list[Array] = []
        self._row_upper: list[Array] = []
        self._entries: list[tuple[Array, Array, Array]] = []
        self._costs: list[tuple[Array, Array]] = []
        self._groups: list[Group] = []
        self.constant = 0.0  # dollars whatever the columns are
        self._closed: list[Array] = []
        self._late: list[tuple[Array, Array]] = []
        self.column_count = 0
        self.row_count = 0

    def columns(
        self, shape: Sequence[int], *, upper: Array | float, lower: Array | float = 0.0, whole: bool = False
    ) -> Array:
        """Add a block of columns; returns their indices in the given shape.

        Every column has an end that no plan needs to pass, so that any row prices leave a lower bound.

        Raises:
            PlannerError: a bound that is not finite.
        """
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            raise PlannerError("a column without an end", where="model", mend="give its rule finite bounds")
        index = self.column_count + np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
        self.column_count += index.size
        self._lower.append(np.broadcast_to(np.asarray(lower, dtype=float), index.shape).ravel())
        self._upper.append(np.broadcast_to(np.asarray(upper, dtype=float), index.shape).ravel())
        self._whole.append(np.full(index.size, whole))
        return index

    def rows(
        self,
        name: str,
        shape: Sequence[int],
        *,
        lower: Array | float = -np.inf,
        upper: Array | float = np.inf,
        keys: Array | None = None,
        label: Label | None = None,
    ) -> Array:
        """Add a block of rows under a business name; returns their indices.

        `label` names one of them by position. `keys` [shape[0]] say what the first axis stands for, where that
        depends on the candidates that are open: rows of two models with the same name and key are the same row.
        """
        index = self.row_count + np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
        self._groups.append(Group(name, self.row_count, tuple(shape), keys, label))
        self.row_count += index.size
        self._row_lower.append(np.broadcast_to(np.asarray(lower, dtype=float), index.shape).ravel())
        self._row_upper.append(np.broadcast_to(np.asarray(upper, dtype=float), index.shape).ravel())
        return index

    def put(self, rows: Array, columns: Array, values: Array | float) -> None:
        """Add coefficients; the three arguments broadcast, entries at the same place add up.

        The arrays are kept as they are until `program` lays them out: leave them alone.
        """
        made = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=float))
        self._entries.append((made[0], made[1], made[2]))

    def raise_lower(self, rows: Array, lower: Array) -> None:
        """Set lower bounds of rows after they were made."""
        self._late.append((rows, lower))

    def cost(self, columns: Array, usd: Array | float) -> None:
        """Add dollars for a unit of each column."""
        c, v = np.broadcast_arrays(columns, np.asarray(usd, dtype=float))
        self._costs.append((c.ravel(), v.ravel()))

    def costs(self) -> Array:
        """Dollars for a unit of each column so far, float [n]."""
        cost = np.zeros(self.column_count)
        for columns, usd in self._costs:
            np.add.at(cost, columns, usd)
        return cost

    def close(self, columns: Array) -> None:
        """Fix columns to zero."""
        self._closed.append(np.asarray(columns, dtype=np.int64).ravel())

    def program(self) -> Program:
        """Everything as one sparse program.

        Raises:
            PlannerError: more rows or columns than the back-ends can number.
        """
        from scipy.sparse import coo_array

        n, m = self.column_count, self.row_count
        if max(n, m) > np.iinfo(INDEX).max:
            raise PlannerError(f"{max(n, m):,} rows or columns are too many", where="model", mend="plan fewer blocks")
        cost = self.costs()
        upper = _join(self._upper, float)
        upper[_join(self._closed, np.int64)] = 0.0
        rows, columns, values = (_laid([e[i] for e in self._entries], t) for i, t in enumerate((INDEX, INDEX, float)))
        row_lower = _join(self._row_lower, float)
        for late, bounds in self._late:
            row_lower[late] = bounds
        keep = (values != 0) & (upper > 0)[columns]
        rows, columns, values = rows[keep], columns[keep], values[keep]
        matrix = coo_array((values, (rows, columns)), shape=(m, n)).tocsr()
        return Program(
            cost=cost,
            lower=np.minimum(_join(self._lower, float), upper),
            upper=upper,
            whole=_join(self._whole, bool),
            matrix=cast("csr_array", matrix),
            row_lower=row_lower,
            row_upper=_join(self._row_upper, float),
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """The blocks of rows, in order."""
        return tuple(self._groups)

    def group_of(self, row: int) -> Group:
        """The block a row belongs to."""
        for group in reversed(self._groups):
            if group.start <= row:
                return group
        raise PlannerError(f"no row {row} in the model")

    def label(self, row: int) -> str:
        """Business name of a row: "quota[aws/us-east-1/p5.48xlarge, 2027-03 weekday 14:00]"."""
        group = self.group_of(row)
        at = tuple(int(i) for i in np.unravel_index(row - group.start, group.shape))
        return f"{group.name}[{group.label(at) if group.label else ', '.join(map(str, at))}]"


def _laid(parts: list[Array], kind: Any) -> Array:
    """Arrays of any shapes one behind the other; they may be views that repeat a number, and are written once."""
    made = np.empty(sum(part.size for part in parts), dtype=kind)
    at = 0
    for part in parts:
        made[at : at + part.size].reshape(part.shape)[...] = part
        at += part.size
    return made


def _join(parts: list[Array], kind: Any) -> Array:
    return np.concatenate([*parts, np.zeros(0, dtype=kind)]).astype(kind, copy=False)
