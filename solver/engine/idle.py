"""Rows that let nothing happen at an optimum, left out with all they hold back until prices say that it would pay.

A row Σ_j a[j] x[j] ≤ 0 whose columns are all zero at an optimum says no more than that its users (a > 0) are zero while
its suppliers (a < 0) are. Without the row and its users the rest has the same optimum. Whether it still has after a
change is asked of the prices: the row is given the least price at which no user earns, and if no supplier earns at it
either, the price completes the proof (`duals.dual_bound`); else the row is needed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ..model import Program

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Rows left out of a program, and the columns that are kept at zero with them."""

    rows: Array  # int64, ascending
    users: Array  # bool [n]

    @classmethod
    def of(cls, program: Program, values: Array, basic_columns: Array, basic_rows: Array) -> Idle:
        """Idle rows at an optimum, with its basis as masks [n] and [m].

        Each holds just one column of the basis, a user, so that the basis without both is a basis of the rest.
        """
        a, busy = program.matrix, (values != 0) | (program.lower != 0)
        nothing = (program.row_upper == 0) & np.isneginf(program.row_lower) & ~basic_rows
        rows = np.flatnonzero(nothing & (_count(a, busy[a.indices]) == 0) & (_count(a, basic_columns[a.indices]) == 1))
        part = _part(a, rows)
        mixed = (part.data < 0) & (_users(part) | basic_columns)[part.indices]
        rows = rows[_count(part, mixed) == 0]
        return cls(rows=rows, users=_users(_part(a, rows)))

    def without(self, rows: Array, program: Program) -> Idle:
        """The same with some of the rows in the program again."""
        left = np.setdiff1d(self.rows, rows)
        if len(left) == len(self.rows):
            return self
        freed = _users(_part(program.matrix, rows)) & ~_users(_part(program.matrix, left))
        return Idle(rows=left, users=self.users & ~freed)

    def priced(self, program: Program, duals: Array) -> Array:
        """Row prices [m] with those of idle rows, which have none yet: no user earns at them."""
        part, reduced, made = _part(program.matrix, self.rows), program.cost - program.matrix.T @ duals, duals.copy()
        uses = (part.data > 0) & (program.upper > 0)[part.indices]
        least = np.divide(reduced[part.indices], part.data, out=np.zeros(len(part.data)), where=uses)
        some = np.diff(part.indptr) > 0
        if some.any():
            made[self.rows[some]] = np.minimum(np.minimum.reduceat(least, part.indptr[:-1][some]), 0.0)
        return made

    def holding(self, program: Program, duals: Array, columns: Array) -> Array:
        """Idle rows whose prices let any of these columns (mask [n]) earn."""
        part = _part(program.matrix, self.rows)
        at = np.repeat(self.rows, np.diff(part.indptr))
        return np.unique(at[(part.data < 0) & columns[part.indices] & (duals[at] < 0)])


def _part(matrix: csr_array, rows: Array) -> csr_array:
    return cast("csr_array", matrix[rows])


def _count(matrix: csr_array, entries: Array) -> Array:
    """Entries of each row that are in a mask [entries]."""
    return np.diff(np.concatenate([[0], np.cumsum(entries)])[matrix.indptr])


def _users(part: csr_array) -> Array:
    made = np.zeros(part.shape[1], dtype=bool)
    made[part.indices[part.data > 0]] = True
    return made
