"""The last proof: what no better plan can use is closed by its reduced cost, and a tree search bounds the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import Formulation, formulate
from . import rounding
from .parts import Effort, components
from .primal import closed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..problem import Problem
    from ..rules.base import Rule
    from .relaxation import Root

Array = np.ndarray[Any, np.dtype[Any]]
MARGIN = 1e-6  # of the cost, so that rounding noise closes nothing
MOST_COLUMNS = 400_000


def prove(
    problem: Problem,
    rules: Sequence[Rule],
    root: Root,
    cost: float,
    *,
    left: Callable[[], float],
    gap: float,
    effort: Effort,
) -> tuple[float, Formulation, Array | None] | None:
    """Lower bound over every candidate, and the best whole values of the program that was searched.

    A plan that uses a column costs at least the root's bound plus the column's reduced cost: where that passes the
    cost in hand, the column is in no better plan. None when too much stays open.
    """
    slack = cost * (1 + MARGIN) - root.survey_bound
    is_open = np.zeros((len(problem.candidates.pool), problem.blocks.count), dtype=bool)
    for w, rows in root.survey.rows.items():
        is_open[rows] = root.survey.reduced[w] <= slack
    kept = np.flatnonzero(is_open.any(axis=1))
    if is_open.sum() > MOST_COLUMNS:
        return None
    f = formulate(problem, rules, kept, direct=True)
    owed = np.concatenate([f.obligations(), rounding.add(f, root.cuts)])
    program = closed(f.model.program(), np.concatenate([owed, f.replicas[~is_open[kept]]]))
    values, bound = np.zeros(program.shape[1]), f.model.constant
    row_label, column_label = components(program)
    live = np.flatnonzero(program.upper > 0)
    parts = np.unique(column_label[live])
    for position, part in enumerate(parts.tolist()):
        columns = np.flatnonzero(column_label == part)
        piece = program.take(np.flatnonzero(row_label == part), columns)
        seconds = max(0.2, 0.8 * left() / (len(parts) - position))
        answer = effort.solve(piece, gap=0.7 * gap, seconds=seconds)
        if answer.status == "infeasible":
            return None
        bound += answer.bound
        if answer.values is None:
            values = np.full(0, np.nan)
        elif len(values):
            values[columns] = np.where(piece.whole, np.round(answer.values), answer.values)
    return bound, f, (values if len(values) else None)
