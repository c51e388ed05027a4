"""Windows: a job works between its earliest start and its deadline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Window(Rule):
    """Each source d and block b outside its window:    served[d, c, b] = 0."""

    name = "window"

    def build(self, f: Formulation) -> None:
        """Close the blocks outside, and the replicas of jobs that no source may use there."""
        s = f.problem.sources
        mine = f.has_columns()
        f.model.close(f.served[mine][~s.window[f.pairs[0][mine]]])
        usable = np.zeros((len(f.problem.workloads.name), f.problem.blocks.count), dtype=bool)
        np.logical_or.at(usable, s.workload, s.window)
        f.model.close(f.replicas[~usable[f.of("workload")]])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Units served outside the window."""
        for (d, _), units in sorted(books.served.items(), key=lambda item: item[0]):
            for b in np.flatnonzero((units > 0) & ~problem.sources.window[d]):
                name = str(problem.workloads.name[problem.sources.workload[d]])
                yield self.wrong(name, f"works in {block_name(problem, int(b))}, outside its window")
