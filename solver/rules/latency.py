"""Latency: requests go only where the first token can be back in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .base import Books, Rule, Violation

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Latency(Rule):
    """Each source d and candidate c with rtt_ms[d, site] + ttft_ms[c] > target[w]:    served[d, c, b] = 0."""

    name = "latency"

    def build(self, f: Formulation) -> None:
        """Close the pairs that are too far apart. Jobs have no target."""
        p, (source, place) = f.problem, f.pairs
        site = p.pool_site[f.of("pool")[place]]
        total = p.sources.rtt_ms[source, site] + f.of("ttft_ms")[place]
        f.shut(total > p.workloads.ttft_ms[p.sources.workload[source]])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Network and first token against the target."""
        for (d, c), units in sorted(books.served.items(), key=lambda item: item[0]):
            w, site = int(problem.sources.workload[d]), int(problem.pool_site[problem.candidates.pool[c]])
            target = float(problem.workloads.ttft_ms[w])
            found = float(problem.sources.rtt_ms[d, site]) + float(problem.candidates.ttft_ms[c])
            if units.any() and found > target:
                where = f"{problem.workloads.name[w]}/{problem.sources.origin[d]} at {problem.pool_names[problem.candidates.pool[c]]}"  # noqa: E501
                yield self.wrong(where, f"{found:.0f} ms to the first token, target {target:.0f} ms")
