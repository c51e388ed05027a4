"""Chance: outages in which a workload is not served as it should be come with so much probability at most."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from .base import Books, Rule, Violation

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Chance(Rule):
    """Each workload w with a limit p, each future f with an outage, and each source d and block b of that outage:

    unserved[d, b] ≤ demand[d, b] × given_up[w, f],    Σ_f probability[f] × given_up[w, f] ≤ p,    given_up 0 or 1
    (what is left in an outage that may be given up has no price: see the rule demand)
    """  # noqa: D415

    name = "chance"

    def build(self, f: Formulation) -> None:
        """Which futures are given up, whole columns, and a row for each unit that hangs on them."""
        p = f.problem
        out = p.outages
        if out is None or not p.limits.chances:
            return
        spent = np.array([[bool(t) for t in row] for row in out.share]) & np.array([bool(x) for x in out.state])
        futures = np.flatnonzero(spent.any(axis=1))
        for limit in p.limits.chances:
            w, probability = limit.workload, limit.futures or out.probability
            weight = np.array([float(probability[i]) for i in futures.tolist()])
            given_up = f.model.columns((len(futures),), upper=1.0, whole=True)
            row = f.model.rows("chance", (1,), upper=float(limit.max_probability), keys=np.array([w]))
            f.model.put(row[0], given_up, weight)
            mine = np.flatnonzero((p.sources.workload == w) & (p.sources.total_units == 0))
            mine = mine[:1] if f.direct else mine
            at, block = np.nonzero(spent[futures][:, p.blocks.scenario])
            rows = f.model.rows("given up", (len(mine), len(block)), upper=0.0, keys=mine)
            asked = p.sources.units_per_hour[np.flatnonzero(p.sources.workload == w)] if f.direct else None
            most = p.sources.units_per_hour[mine] if asked is None else asked.sum(axis=0)[None, :]
            f.model.put(rows, f.unserved[mine][:, block], 1.0)
            f.model.put(rows, given_up[at][None, :], -most[:, block] / f.unit[w])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Futures in which something is left in an outage, added up exactly."""
        out = problem.outages
        if out is None:
            return
        for limit in problem.limits.chances:
            short: set[int] = set()
            for d, left in books.unserved_flow.items():
                if problem.sources.workload[d] == limit.workload:
                    short |= {int(problem.blocks.scenario[b]) for b in np.flatnonzero(left > 0)}
            lost = {s for s in short if out.state[s]}
            chance = sum(
                (p for p, row in zip(out.probability, out.share, strict=True) if any(row[s] for s in lost)), Fraction(0)
            )
            if chance > limit.max_probability:
                said = f"outages with the probability {float(chance):.6g} leave units unserved, "
                name = str(problem.workloads.name[limit.workload])
                yield self.wrong(name, said + f"{float(limit.max_probability):.6g} allowed")
