"""With some columns fixed a program falls apart; each part is solved on its own, equal parts once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import mathopt

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Program

Array = np.ndarray[Any, np.dtype[Any]]
WHOLE = 1e-6
PART_GAP = 3e-3
HASTE_GAP = 0.03  # of a part once time is out
PATIENCE = 20  # times as long for a part that has no plan yet


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard a tree search works on one part: by the clock, or by nodes when the run must not depend on a clock."""

    seed: int
    seconds: float = 0.5
    nodes: int | None = None

    def solve(
        self, piece: Program, *, gap: float, seconds: float | None = None, engine: mathopt.Name = "highs"
    ) -> mathopt.Answer:
        """Search a part for so long."""
        limit = math.inf if self.nodes is not None else (self.seconds if seconds is None else seconds)
        return mathopt.solve(piece, engine=engine, time_limit_s=limit, node_limit=self.nodes, gap=gap, seed=self.seed)


def residual(program: Program, fixed: Array, values: Array) -> tuple[Program, Array]:
    """The program in the columns that are not fixed (mask [n]), and their indices; fixed ones move to the bounds."""
    free = np.flatnonzero(~fixed)
    moved = program.matrix @ np.where(fixed, values, 0.0)
    left = program.take(np.arange(program.shape[0]), free)
    used = np.flatnonzero(np.diff(left.matrix.indptr))
    shifted = left.replace(row_lower=left.row_lower - moved, row_upper=left.row_upper - moved)
    return shifted.take(used, np.arange(len(free))), free


def solve_parts(
    program: Program, fixed: Array, values: Array, *, stop: Callable[[], bool], effort: Effort
) -> Array | None:
    """Best whole values found for the columns that are not fixed; None when a part has none.

    The relaxation of all parts is solved at once: parts that come out whole are done.
    """
    part, free = residual(program, fixed, values)
    made = np.where(fixed, values, 0.0)
    relaxed = mathopt.solve(part.relaxed(), seed=effort.seed)
    if relaxed.values is None:
        return None
    made[free] = relaxed.values
    broken = part.whole & (np.abs(relaxed.values - np.round(relaxed.values)) > WHOLE)
    labels = components(part)
    known: dict[bytes, Array] = {}
    order = np.argsort(labels[1], kind="stable")
    splits = np.split(order, np.flatnonzero(np.diff(labels[1][order])) + 1)
    rows_of = np.argsort(labels[0], kind="stable")
    row_labels = labels[0][rows_of]
    for columns in splits:
        if not broken[columns].any():
            made[free[columns]] = np.where(
                part.whole[columns], np.round(relaxed.values[columns]), relaxed.values[columns]
            )
            continue
        label = labels[1][columns[0]]
        low, high = np.searchsorted(row_labels, label), np.searchsorted(row_labels, label, side="right")
        piece = part.take(np.sort(rows_of[low:high]), columns)
        key = fingerprint(piece)
        if key not in known:
            found = _whole(piece, relaxed.values[columns], stop, effort)
            if found is None:
                return None
            known[key] = found
        made[free[columns]] = known[key]
    return made


def _whole(piece: Program, relaxed: Array, stop: Callable[[], bool], effort: Effort) -> Array | None:
    """A part's best whole values: by search, or rounded up and filled when time is out."""
    if stop():
        ceiling = np.where(piece.whole, np.ceil(relaxed - WHOLE), relaxed)
        rest, free = residual(piece, piece.whole, ceiling)
        filled = mathopt.solve(rest, seed=effort.seed)
        if filled.values is not None:
            ceiling[free] = filled.values
            if math.isfinite(objective(piece, ceiling)):
                return np.asarray(ceiling)
    answer = effort.solve(piece, gap=HASTE_GAP if stop() else PART_GAP)
    if answer.values is None and answer.status != "infeasible":
        answer = effort.solve(piece, gap=PART_GAP, seconds=PATIENCE * effort.seconds)
    if answer.values is None:
        return None
    return np.where(piece.whole, np.round(answer.values), answer.values)


def improve_parts(
    program: Program, fixed: Array, values: Array, guide: Array, *, stop: Callable[[float], bool], effort: Effort
) -> Array:
    """Values [n] with parts searched anew, those first whose cost is furthest above that of the guide [n]'s.

    `stop` is asked before each part with the dollars saved so far.
    """
    part, free = residual(program, fixed, values)
    row_label, label = components(part)
    excess = np.bincount(label, part.cost * (values[free] - guide[free]))
    columns_of, rows_of = _by_label(label, len(excess)), _by_label(row_label, len(excess))
    made, saved = values.copy(), np.zeros(len(excess))

    order = np.argsort(-excess, kind="stable")
    for i in order[excess[order] > 0].tolist():  # one at a time: back-ends share state between threads of a process
        if stop(float(saved.sum())):
            break
        columns = columns_of[i]
        piece = part.take(rows_of[i], columns)
        answer = effort.solve(piece, gap=PART_GAP)
        if answer.values is not None:
            found = np.where(piece.whole, np.round(answer.values), answer.values)
            less = float(piece.cost @ made[free[columns]]) - objective(piece, found)
            if less > 0:
                made[free[columns]], saved[i] = found, less
    return made


def _by_label(labels: Array, count: int) -> list[Array]:
    order = np.argsort(labels, kind="stable")
    return list(np.split(order, np.searchsorted(labels[order], np.arange(1, count))))


def components(program: Program) -> tuple[Array, Array]:
    """Labels of rows [m] and columns [n]: two with the same label are connected through entries."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    m, n = program.shape
    entries = program.matrix.tocoo()
    graph = coo_array((np.ones(entries.nnz), (entries.coords[0], m + entries.coords[1])), shape=(m + n, m + n))
    labels = connected_components(graph, directed=False)[1]
    return labels[:m], labels[m:]


def fingerprint(program: Program) -> bytes:
    """Equal programs have equal fingerprints, whatever their place in a larger one."""
    import hashlib

    made = hashlib.blake2b(digest_size=16)
    arrays = (program.cost, program.lower, program.upper, program.whole, program.row_lower, program.row_upper)
    for array in (*arrays, program.matrix.indptr, program.matrix.indices, program.matrix.data):
        made.update(np.ascontiguousarray(array).tobytes())
    return made.digest()


def objective(program: Program, values: Array) -> float:
    """Dollars, or inf when a row is broken by more than rounding noise."""
    activity = program.matrix @ values
    slack = 1e-6 * (1 + np.abs(activity))
    fine = (activity >= program.row_lower - slack) & (activity <= program.row_upper + slack)
    inside = (values >= program.lower - WHOLE) & (values <= program.upper + WHOLE)
    return float(program.cost @ values) if fine.all() and inside.all() else math.inf
