"""Gangs: a training run takes one place, and its nodes start and stop together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Gang(Rule):
    """Each training run w, its candidates c (a layout on so many nodes of a pool) and blocks b:

    Σ_c placed[c] ≤ 1,    replicas[c, b] ≤ placed[c],    both whole
    """  # noqa: D415

    name = "gang"

    def build(self, f: Formulation) -> None:
        """One place a run, one gang at a time."""
        p, runs = f.problem, f.of("workload")[f.gangs]
        names = p.workloads.name
        which, position = np.unique(runs, return_inverse=True)
        one = f.model.rows("one place", (len(which),), upper=1.0, keys=which, label=lambda at: str(names[which[at[0]]]))
        f.model.put(one[position], f.placed, 1.0)
        rows = f.model.rows(
            "gang",
            (len(f.gangs), p.blocks.count),
            upper=0.0,
            keys=f.candidates[f.gangs],
            label=lambda at: f"{names[runs[at[0]]]}, {block_name(p, at[1])}",
        )
        f.model.put(rows, f.replicas[f.gangs], 1.0)
        f.model.put(rows, f.placed[:, None], -1.0)

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """One candidate a run, and at most one replica at a time."""
        places: dict[int, set[int]] = {}
        for c, replicas in books.replicas.items():
            w = int(problem.candidates.workload[c])
            if problem.workloads.kind[w] == "training" and replicas.any():
                places.setdefault(w, set()).add(c)
                for b in np.flatnonzero(replicas > 1):
                    yield self.wrong(
                        str(problem.workloads.name[w]), f"{replicas[b]} gangs at once in {block_name(problem, int(b))}"
                    )
        for w, found in places.items():
            if len(found) > 1:
                pools = ", ".join(sorted({str(problem.pool_names[problem.candidates.pool[c]]) for c in found}))
                yield self.wrong(str(problem.workloads.name[w]), f"runs in {len(found)} places ({pools})")
