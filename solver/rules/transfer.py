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
TINY_USD = 1e-11
BELOW = 1 - 1e-12  # so that rounding makes no unit left worth money


MOST_LEVELS = 3
SOURCES = 2**32  # a row's key is workload × SOURCES + level


class Transfer(Rule):
    """Cost: usd_per_unit[d, site of c] × hours[b] × served[d, c, b].

    Without served columns (a relaxation) each unit costs its cheapest way, and what is served beyond the capacity of
    candidates whose way is nearly as cheap costs at least the next level. Each workload w, level l and block b:
    dear[w, l, b] + Σ_c units_per_hour[c] × replicas[c, b] + unserved[b] ≥ demand[b], c over those below level l
    """

    name = "transfer"

    def build(self, f: Formulation) -> None:
        """A price on each served unit; without served columns, the cheapest way of each source as a constant."""
        p, (source, place), mine = f.problem, f.pairs, f.has_columns()
        usd = p.sources.transfer_pico_usd_per_unit[source, p.pool_site[f.of("pool")[place]]] / 1e12
        f.model.cost(f.served[mine], (usd * f.unit[p.sources.workload[source]])[mine, None] * f.weight)
        if f.direct:
            p, s = f.problem, f.problem.sources
            flow, least = s.total_units == 0, least_usd(p)
            f.model.constant += float((least[flow, None] * s.units_per_hour[flow] * f.weight).sum())
            if least.any() or s.transfer_pico_usd_per_unit.any():
                self._dear(f, least)

    def _dear(self, f: Formulation, least: Any) -> None:
        """A row for each level of price above the cheapest, and its columns."""
        p, s, workload = f.problem, f.problem.sources, f.of("workload")
        for w in np.unique(s.workload[s.total_units == 0]).tolist():
            sources = np.flatnonzero(s.workload == w)
            may = p.may_leave[w] | ~p.workloads.must_serve[w]
            if may.any():  # a unit left goes no way; whose it is is not known, so at most this
                spared = -BELOW * least[sources].max() * f.unit[w] * f.weight
                f.model.cost(f.unserved[sources[0], : p.blocks.count], np.where(may, spared, 0.0))
            level, extra = levels_usd(p, w)
            if not len(level):
                continue
            shape = (len(level), p.blocks.count)
            demand = s.units_per_hour[sources].sum(axis=0) / f.unit[w]
            keys = w * SOURCES + np.arange(len(level), dtype=np.int64)
            rows = f.model.rows(f"transfer {p.workloads.name[w]}", shape, lower=demand[None, :], keys=keys)
            dear = f.model.columns(shape, upper=demand)
            f.model.put(rows, dear, 1.0)
            f.model.put(rows, f.unserved[sources[0], : p.blocks.count][None, :], 1.0)
            f.model.cost(dear, np.diff(level, prepend=0.0)[:, None] * f.unit[w] * f.weight)
            mine = np.flatnonzero(workload == w)
            capacity, way = f.of("units_per_hour")[mine] / f.unit[w], extra[p.pool_site[f.of("pool")[mine]]]
            for row, usd in zip(rows, level.tolist(), strict=True):
                usable = np.minimum(np.where(way < usd, capacity, 0.0)[:, None], demand)
                f.model.put(row[None, :], f.replicas[mine], usable)

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


def least_usd(problem: Problem) -> Any:
    """Dollars of a unit of each source on its cheapest way to any candidate (or unserved), float [D]."""
    p, s = problem, problem.sources
    hosts = np.zeros((len(p.workloads.name), len(p.sites.region)), dtype=bool)
    hosts[p.candidates.workload, p.pool_site[p.candidates.pool]] = True
    never = np.iinfo(np.int64).max
    pico = np.where(hosts[s.workload], s.transfer_pico_usd_per_unit, never).min(axis=1, initial=never)
    return np.minimum(pico / 1e12, p.workloads.unserved_micro_usd_per_unit[s.workload] / 1e6)


def levels_usd(problem: Problem, w: int) -> tuple[Any, Any]:
    """Levels of price of a unit's way above the cheapest, ascending [L], and the least there is to each site [R]."""
    p, s = problem, problem.sources
    if not s.transfer_pico_usd_per_unit.any():
        return np.zeros(0), np.zeros(len(p.sites.region))
    mine = s.workload == w
    extra = (s.transfer_pico_usd_per_unit[mine] / 1e12 - least_usd(p)[mine, None]).min(axis=0)
    sites = np.unique(p.pool_site[p.candidates.pool[p.candidates.workload == w]])
    found = np.unique(extra[sites][extra[sites] > TINY_USD])
    return found[np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_LEVELS)).astype(int))], extra
