"""The last proof: what no better plan can use is closed by its reduced cost, and a tree search bounds the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import Formulation, formulate
from . import mathopt, rounding
from .parts import components

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..problem import Problem
    from ..rules.base import Rule
    from .relaxation import Root

Array = np.ndarray[Any, np.dtype[Any]]
MARGIN = 1e-6  # of the cost, so that rounding noise closes nothing
MOST_COLUMNS = 40_000
MOST_NODES = 200  # of a part's tree when the run must not depend on a clock


def prove(
    problem: Problem,
    rules: Sequence[Rule],
    root: Root,
    cost: float,
    *,
    left: Callable[[], float],
    gap: float,
    seed: int,
    deterministic: bool,
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
    rounding.add(f, root.cuts)
    whole = f.model.program()
    upper = whole.upper.copy()
    upper[f.replicas[~is_open[kept]]] = 0.0
    program = whole.replace(upper=upper, lower=np.minimum(whole.lower, upper))
    values, bound = np.zeros(program.shape[1]), f.model.constant
    row_label, column_label = components(program)
    live = np.flatnonzero(upper > 0)
    parts = np.unique(column_label[live])
    for position, part in enumerate(parts.tolist()):
        columns = np.flatnonzero(column_label == part)
        piece = program.take(np.flatnonzero(row_label == part), columns)
        seconds = max(0.2, 0.8 * left() / (len(parts) - position))
        answer = mathopt.solve(
            piece,
            time_limit_s=math.inf if deterministic else seconds,
            node_limit=MOST_NODES if deterministic else None,
            gap=0.7 * gap,
            seed=seed,
        )
        if answer.status == "infeasible":
            return None
        bound += answer.bound
        if answer.values is None:
            values = np.full(0, np.nan)
        elif len(values):
            values[columns] = np.where(piece.whole, np.round(answer.values), answer.values)
    return bound, f, (values if len(values) else None)
