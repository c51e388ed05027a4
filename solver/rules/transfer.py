"""Transfer: moving the bytes of what is served, or of a job's data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bill import Line, expected
from ..money import round_half_even
from .base import Books, Rule

if TYPE_CHECKING:
    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem

PICO_IN_MICRO = 10**6


class Transfer(Rule):
    """Cost: usd_per_unit[d, site of c] × hours[b] × served[d, c, b]."""

    name = "transfer"

    def build(self, f: Formulation) -> None:
        """A price on each served unit; without served columns, the cheapest way of each source as a constant."""
        p, (source, place), mine = f.problem, f.pairs, f.has_columns()
        usd = p.sources.transfer_pico_usd_per_unit[source, p.pool_site[f.of("pool")[place]]] / 1e12
        f.model.cost(f.served[mine], (usd * f.unit[p.sources.workload[source]])[mine, None] * f.weight)
        if f.direct:
            f.model.constant += self._least(f)

    def _least(self, f: Formulation) -> float:
        """Dollars of the flows if each unit took the cheapest way of all candidates (or stayed unserved)."""
        p, s = f.problem, f.problem.sources
        hosts = np.zeros((len(p.workloads.name), len(p.sites.region)), dtype=bool)
        hosts[p.candidates.workload, p.pool_site[p.candidates.pool]] = True
        pico = np.where(hosts[s.workload], s.transfer_pico_usd_per_unit, np.iinfo(np.int64).max).min(
            axis=1, initial=np.iinfo(np.int64).max
        )
        usd = np.minimum(pico / 1e12, p.workloads.unserved_micro_usd_per_unit[s.workload] / 1e6)
        flow = s.total_units == 0
        return float((usd[flow, None] * s.units_per_hour[flow] * f.weight).sum())

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:
        """By workload, pool and month."""
        sums: dict[tuple[int, int], list[Fraction]] = {}
        pools = problem.candidates.pool[decision.candidates]
        for e in np.flatnonzero(decision.served.any(axis=1)).tolist():
            d, pool = int(decision.pairs[0, e]), int(pools[decision.pairs[1, e]])
            pico = int(problem.sources.transfer_pico_usd_per_unit[d, problem.pool_site[pool]])
            if pico:
                key = int(problem.sources.workload[d]), pool
                months = [pico * amount for amount in expected(problem, decision.served[e])]
                sums[key] = [a + b for a, b in zip(sums.get(key, [Fraction(0)] * len(months)), months, strict=True)]
        for (w, pool), months in sums.items():
            for period, pico_usd in enumerate(months):
                micro = round_half_even(pico_usd / PICO_IN_MICRO)
                yield Line(kind="transfer", workload=w, pool=pool, period=period, micro_usd=micro)

    def owed(self, problem: Problem, books: Books) -> Iterator[Line]:
        """Units served of a workload from a pool, each at the price of its own way."""
        s, pico = problem.sources, dict[tuple[int, int], Any]()
        for (d, c), units in books.served.items():
            pool = int(problem.candidates.pool[c])
            key = int(s.workload[d]), pool
            pico[key] = pico.get(key, 0) + units * int(s.transfer_pico_usd_per_unit[d, problem.pool_site[pool]])
        for (w, pool), per_hour in pico.items():
            for month, amount in enumerate(books.monthly(per_hour)):
                yield Line(kind="transfer", period=month, micro_usd=round(amount / 10**6), workload=w, pool=pool)
