"""Carbon: emissions of running nodes, limited or priced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bill import Line, by_month, expected
from ..money import round_half_even
from .base import Books, Rule, Violation

if TYPE_CHECKING:
    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem

GRAMS_IN_KG = 1000


class Carbon(Rule):
    """Expected emissions, with grams[q, b] = power_w ÷ 1000 × g_co2_per_kwh of a running node in an hour:

    Σ_c,b grams × nodes_per_replica[c] × hours[b] × replicas[c, b] ≤ carbon_max_g
    cost: carbon_usd_per_kg × the same
    """  # noqa: D415

    name = "carbon"

    def build(self, f: Formulation) -> None:
        """One row when there is a limit, a price when there is one."""
        p, limits = f.problem, f.problem.limits
        kg = kg_per_node_hour(p)[f.of("pool")] * f.of("nodes_per_replica")[:, None] * f.weight
        if limits.carbon_micro_usd_per_kg:
            f.model.cost(f.replicas, kg * (limits.carbon_micro_usd_per_kg / 1e6))
        if limits.carbon_max_g is not None:
            row = f.model.rows(
                "carbon", (1,), upper=limits.carbon_max_g / GRAMS_IN_KG, label=lambda _: "whole horizon, kg CO2e"
            )
            f.model.put(row[0], f.replicas, kg)

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:
        """By workload, pool and month, when carbon has a price."""
        price = problem.limits.carbon_micro_usd_per_kg
        if not price:
            return
        c, sums = problem.candidates, {}  # type: ignore[var-annotated]
        for row in np.flatnonzero(decision.replicas.any(axis=1)).tolist():
            candidate = int(decision.candidates[row])
            w, pool = int(c.workload[candidate]), int(c.pool[candidate])
            rate = Fraction(int(c.nodes_per_replica[candidate]) * price, GRAMS_IN_KG)
            months = [rate * amount for amount in emitted_g(problem, pool, decision.replicas[row])]
            sums[w, pool] = [
                a + b for a, b in zip(sums.get((w, pool), [Fraction(0)] * len(months)), months, strict=True)
            ]
        for (w, pool), months in sums.items():
            for period, amount in enumerate(months):
                yield Line(kind="carbon", workload=w, pool=pool, period=period, micro_usd=round_half_even(amount))

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Total emissions against the limit."""
        most = problem.limits.carbon_max_g
        if most is not None:
            grams = sum((sum(months) for months in self._grams(problem, books).values()), Fraction(0))
            if grams > most:
                said = f"{float(grams) / 1000:,.1f} kg CO2e, {most / 1000:,.1f} kg allowed"
                yield self.wrong("whole horizon", said)

    def owed(self, problem: Problem, books: Books) -> Iterator[Line]:
        """The price of each workload's emissions in each pool."""
        price = Fraction(problem.limits.carbon_micro_usd_per_kg, 1000)
        for (w, pool), months in self._grams(problem, books).items() if price else ():
            for month, grams in enumerate(months):
                yield Line(kind="carbon", period=month, micro_usd=round(grams * price), workload=w, pool=pool)

    def _grams(self, problem: Problem, books: Books) -> dict[tuple[int, int], list[Fraction]]:
        """Expected grams of CO2e by workload and pool in each month [P]."""
        c, nodes = problem.candidates, dict[tuple[int, int], Any]()
        for k, replicas in books.replicas.items():
            key = int(c.workload[k]), int(c.pool[k])
            nodes[key] = nodes.get(key, 0) + replicas * int(c.nodes_per_replica[k])
        made = {}
        for (w, pool), per_hour in nodes.items():
            watts = int(problem.shapes.power_w[problem.pool_shape[pool]])
            site, hourly = problem.pool_site[pool], problem.grid_g_co2_per_kwh
            if hourly is None:
                grid = Fraction(float(problem.sites.g_co2_per_kwh[site]))
                made[w, pool] = [hours * watts * grid / 1000 for hours in books.monthly(per_hour)]
            else:
                emitted = per_hour * np.array([Fraction(float(g)) for g in hourly[site]], dtype=object)
                made[w, pool] = [grams * watts / 1000 for grams in books.monthly(emitted)]
        return made


def kg_per_node_hour(problem: Problem) -> Any:
    """Emissions of a running node of each pool in an hour, float [Q, B], or [Q, 1] where hours are alike."""
    grams = (problem.shapes.power_w[problem.pool_shape] / 1000)[:, None] * problem.grid[problem.pool_site]
    return grams / GRAMS_IN_KG


def grams_per_node_hour(problem: Problem, pool: int, block: int = 0) -> Fraction:
    """Emissions of a running node in an hour of a block, exact; where hours are alike any block will do."""
    watts, grid = int(problem.shapes.power_w[problem.pool_shape[pool]]), problem.grid[problem.pool_site[pool]]
    return Fraction(watts, 1000) * Fraction(float(grid[block if len(grid) > 1 else 0]))


def emitted_g(problem: Problem, pool: int, nodes: Any) -> list[Fraction]:
    """Expected grams in each month [P] of so many running nodes in each block [B], exact."""
    if problem.grid_g_co2_per_kwh is None:
        rate = grams_per_node_hour(problem, pool)
        return [rate * amount for amount in expected(problem, nodes)]
    grams = (int(n) and n * grams_per_node_hour(problem, pool, b) for b, n in enumerate(nodes.tolist()))
    return by_month(problem, (Fraction(g) for g in grams))
