"""Firm nodes that run are held on a commitment or bought on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..bill import IDLE, Line, by_month, expected, firm_use, split_over_workloads
from ..problem import FIRM, ON_DEMAND
from .base import Books, Rule, Violation, block_name, charged

if TYPE_CHECKING:
    from typing import Any

    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem


class OnDemand(Rule):
    """Each pool q and block b, with c over its firm candidates and k over its commitments in force.

    Σ_c nodes_per_replica[c] × replicas[c, b] ≤ on_demand[q, b] + ⌊zones up ÷ zones × Σ_k committed[k]⌋
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
        active = o.active[f.commitments] * (p.zones_up / p.pool_zones[:, None])[o.pool[f.commitments]]
        f.model.put(rows[position[o.pool[f.commitments]]], f.committed[:, None], -active)
        price = o.micro_usd_per_hour[f.on_demand_offers] / 1e6
        f.model.cost(f.on_demand, price[:, None] * f.weight)

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:
        """What is bought on demand, split over the workloads in proportion to their nodes in the block.

        Commitments are used before it; what is bought beyond need is idle.
        """
        o = problem.offers
        for row, offer in enumerate(decision.on_demand_offers.tolist()):
            bought = decision.on_demand[row]
            if not bought.any():
                continue
            pool = int(o.pool[offer])
            by_workload, running, _, held = firm_use(problem, decision, pool)
            everything = decision.on_demand[o.pool[decision.on_demand_offers] == pool].sum(axis=0)
            used = np.minimum(everything, np.maximum(running - held, 0))
            share = [Fraction(int(n), max(1, int(of))) for n, of in zip(bought, everything, strict=True)]
            busy = [s * Fraction(int(u), max(1, int(r))) for s, u, r in zip(share, used, running, strict=True)]
            weights = use_weights(problem, by_workload, busy)
            weights[-1] = by_month(problem, [s * int(i) for s, i in zip(share, everything - used, strict=True)])
            totals = [int(o.micro_usd_per_hour[offer]) * t for t in expected(problem, bought)]
            yield from split_over_workloads("compute", pool, str(o.option[offer]), totals, weights)

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Running firm nodes against what is held and bought."""
        o = problem.offers
        for pool, running in books.nodes(problem, FIRM).items():
            supply = books.usable(problem, pool)
            for offer, bought in books.bought.items():
                if o.pool[offer] == pool and o.kind[offer] == ON_DEMAND:
                    supply = supply + bought
            for b in np.flatnonzero(running > supply):
                where = f"{problem.pool_names[pool]}, {block_name(problem, int(b))}"
                yield self.wrong(where, f"{running[b] - supply[b]} nodes run that nobody bought")

    def owed(self, problem: Problem, books: Books) -> Iterator[Line]:
        """Each node-hour bought, charged to the workloads of its block and month; idle where nobody needs it."""
        o, zero = problem.offers, np.zeros(problem.blocks.count, dtype=object)
        firm = books.nodes_by_workload(problem, FIRM)
        bought = {f: n for f, n in books.bought.items() if o.kind[f] == ON_DEMAND}
        for offer, nodes in bought.items():
            pool = int(o.pool[offer])
            users, every = firm.get(pool, {}), sum((n for f, n in bought.items() if o.pool[f] == pool), zero)
            running = sum(users.values(), zero)
            need = np.minimum(np.maximum(running - books.usable(problem, pool), 0), every)
            hours: dict[int, Any] = {w: [Fraction(0)] * len(zero) for w in (*sorted(users), IDLE)}
            for b in np.flatnonzero(nodes):
                busy = Fraction(nodes[b] * need[b], every[b])
                hours[IDLE][b] = nodes[b] - busy
                each = busy / int(running[b]) if busy else busy
                for w in users if busy else ():
                    hours[w][b] = each * users[w][b]
            total = [t * int(o.micro_usd_per_hour[offer]) for t in books.monthly(nodes)]
            yield from charged("compute", problem, offer, total, {w: books.monthly(h) for w, h in hours.items()})


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
