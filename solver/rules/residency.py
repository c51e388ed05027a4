"""Residency: a workload runs only where its data may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..reach import resident
from .base import Books, Rule, Violation

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Residency(Rule):
    """Each candidate c whose region is in none of the workload's jurisdictions or countries:    replicas[c, b] = 0."""

    name = "residency"

    def build(self, f: Formulation) -> None:
        """Close the candidates outside."""
        p = f.problem
        site, workload = p.pool_site[f.of("pool")], f.of("workload")
        outside = ~resident(p)[workload, site]
        f.model.close(f.replicas[outside])
        f.shut(outside[f.pairs[1]])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Where each replica runs, and where each unit is served."""
        seen = set(books.replicas) | {c for _, c in books.served}
        for c in sorted(seen):
            w, site = int(problem.candidates.workload[c]), int(problem.pool_site[problem.candidates.pool[c]])
            allowed = problem.workloads.residency[w]
            where = {str(problem.sites.jurisdiction[site]), str(problem.sites.country[site])}
            if allowed and not where & set(allowed):
                place = f"{problem.sites.provider[site]}/{problem.sites.region[site]}"
                yield self.wrong(str(problem.workloads.name[w]), f"runs in {place}, outside {', '.join(allowed)}")
