"""No replica serves more than it can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import needed
from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Capacity(Rule):
    """Each candidate c (a mode in a pool) and block b:    Σ_d served[d, c, b] ≤ capacity[c, b] × replicas[c, b].

    capacity[c, b] is units_per_hour[c], but no more than the workload can use in the block: a larger one allows the
    same plans, and its like have made solvers take almost nothing of a replica for none.
    """

    name = "capacity"

    def build(self, f: Formulation) -> None:
        """One row a candidate and block, for candidates whose served units are columns."""
        workload = f.of("workload")
        names = f.problem.pool_names
        mine = f.has_columns()
        bound = np.unique(f.pairs[1][mine])
        rows = f.model.rows(
            "capacity",
            (len(bound), f.problem.blocks.count),
            upper=0.0,
            keys=f.candidates[bound],
            label=lambda at: (
                f"{f.problem.workloads.name[workload[bound[at[0]]]]} on {names[f.of('pool')[bound[at[0]]]]}, "
                f"{block_name(f.problem, at[1])}"
            ),
        )
        f.model.put(rows[np.searchsorted(bound, f.pairs[1][mine])], f.served[mine], 1.0)
        usable = np.minimum(f.of("units_per_hour")[:, None], needed(f.problem)[workload]) / f.unit[workload][:, None]
        f.model.put(rows, f.replicas[bound], -usable[bound])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Sums of whole units against whole capacity."""
        total: dict[int, Any] = {}
        for (_, c), units in books.served.items():
            total[c] = total.get(c, 0) + units
        for c, units in total.items():
            room = books.replicas.get(c, 0) * int(problem.candidates.units_per_hour[c])
            for b in np.flatnonzero(units > room):
                pool = problem.pool_names[problem.candidates.pool[c]]
                name = problem.workloads.name[problem.candidates.workload[c]]
                yield self.wrong(
                    f"{name} on {pool}, {block_name(problem, int(b))}",
                    f"serves {units[b]} units an hour beyond its capacity",
                )
