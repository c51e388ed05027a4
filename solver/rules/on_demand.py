"""Firm nodes that run are held on a commitment or bought on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..bill import Line, expected, firm_use, split_over_workloads
from ..problem import FIRM, ON_DEMAND
from .base import Books, Rule, Violation, block_name, compare, expected_hours

if TYPE_CHECKING:
    from typing import Any

    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem


class OnDemand(Rule):
    """Each pool q and block b, with c over its firm candidates and k over its commitments in force.

    Σ_c nodes_per_replica[c] × replicas[c, b] ≤ on_demand[q, b] + Σ_k committed[k]
    cost: usd_per_hour × hours[b] × on_demand[q, b]
    """

    name = "on_demand"

    def build(self, f: Formulation) -> None:
        """One row a pool and block."""
        p, o = f.problem, f.problem.offers
        position = np.full(len(p.pool_shape), -1)
        position[f.pools] = np.arange(len(f.pools))
        names = p.pool_names[f.pools]
        rows = f.model.rows(
            "nodes",
            (len(f.pools), p.blocks.count),
            upper=0.0,
            keys=f.pools,
            label=lambda at: f"{names[at[0]]}, {block_name(p, at[1])}",
        )
        firm = np.flatnonzero(f.of("market") == FIRM)
        nodes = f.of("nodes_per_replica")[firm].astype(float)
        f.model.put(rows[position[f.of("pool")[firm]]], f.replicas[firm], nodes[:, None])
        f.model.put(rows[position[o.pool[f.on_demand_offers]]], f.on_demand, -1.0)
        active = o.active[f.commitments].astype(float)
        f.model.put(rows[position[o.pool[f.commitments]]], f.committed[:, None], -active)
        price = o.micro_usd_per_hour[f.on_demand_offers] / 1e6
        f.model.cost(f.on_demand, price[:, None] * f.weight)

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:
        """What is bought on demand, split over the workloads in proportion to their nodes in the block."""
        for row, offer in enumerate(decision.on_demand_offers.tolist()):
            bought = decision.on_demand[row]
            if not bought.any():
                continue
            pool, price = int(problem.offers.pool[offer]), int(problem.offers.micro_usd_per_hour[offer])
            by_workload, running, _ = firm_use(problem, decision, pool)
            totals = [price * t for t in expected(problem, bought)]
            weights = use_weights(
                problem, by_workload, [Fraction(int(n), max(1, int(r))) for n, r in zip(bought, running, strict=True)]
            )
            yield from split_over_workloads("compute", pool, str(problem.offers.option[offer]), totals, weights)

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Running firm nodes against what is held and bought, and the price of what is bought."""
        o, running = problem.offers, books.nodes(problem, FIRM)
        supply: dict[int, Any] = {}
        for offer, nodes in books.held.items():
            pool = int(o.pool[offer])
            supply[pool] = supply.get(pool, 0) + nodes * o.active[offer].astype(object)
        expected_micro: dict[tuple[Any, ...], Fraction] = {}
        hours = expected_hours(problem)
        for offer, bought in books.bought.items():
            if o.kind[offer] != ON_DEMAND:
                continue
            pool = int(o.pool[offer])
            supply[pool] = supply.get(pool, 0) + bought
            place = (*problem.pool_names[pool].split("/", 2), str(o.option[offer]))
            for b in np.flatnonzero(bought):
                for month, period in enumerate(problem.blocks.periods):
                    amount = hours[b][month] * int(bought[b]) * int(o.micro_usd_per_hour[offer])
                    if amount:
                        expected_micro[*place, period] = expected_micro.get((*place, period), Fraction(0)) + amount
        for where, used in running.items():
            short = used - supply.get(where, 0)
            for b in np.flatnonzero(short > 0):
                yield self.wrong(
                    f"{problem.pool_names[where]}, {block_name(problem, int(b))}",
                    f"{short[b]} nodes run that nobody bought",
                )
        options = {str(o.option[f]) for f in np.flatnonzero(o.kind == ON_DEMAND)}
        billed = {k: v for k, v in books.lines("compute").items() if k[3] in options}
        yield from compare(self, expected_micro, billed)


def use_weights(problem: Problem, by_workload: Any, share: list[Fraction]) -> Any:
    """Weights [W + 1, P]: node-hours of each workload in each month, each block's scaled by a share; idle is 0."""
    blocks = problem.blocks
    made = np.full((len(by_workload) + 1, len(blocks.periods)), Fraction(0), dtype=object)
    probability = blocks.block_probability()
    for b, s in enumerate(share):
        if s:
            hours = np.array([s * probability[b] * int(h) for h in blocks.hours[b]], dtype=object)
            for w in np.flatnonzero(by_workload[:, b]):
                made[w] += hours * int(by_workload[w, b])
    return made
