"""Outages in which no new node can be had: what runs then was there in the same hours before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..formulation import matches
from ..problem import ON_DEMAND, SPOT
from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from typing import Any

    from ..formulation import Formulation
    from ..model import Label
    from ..problem import Problem

    Array = np.ndarray[Any, np.dtype[Any]]


class Hold(Rule):
    """Each pool q, block b of such an outage and block a of the same hours in which nothing is lost:

    on_demand[q, b] ≤ zones up ÷ zones × on_demand[q, a],    spot nodes[q, b] ≤ spot zones up ÷ zones × spot nodes[q, a]
    (nodes are spread evenly over zones; committed ones are there as ever, what is up of them)
    """  # noqa: D415

    name = "hold"

    def build(self, f: Formulation) -> None:
        """One row a pool, market and pair of blocks."""
        p = f.problem
        if p.outages is None or not p.outages.holding:
            return
        lost, calm = p.outages.held_pairs(p.blocks.scenario)
        pools = p.offers.pool[f.on_demand_offers]
        rows = f.model.rows("held", (len(pools), len(lost)), upper=0.0, keys=pools, label=_label(p, pools, lost))
        share = p.zones_up[pools][:, lost] / p.pool_zones[pools, None]
        f.model.put(rows, f.on_demand[:, lost], 1.0)
        f.model.put(rows, f.on_demand[:, calm], -share)
        spot = np.flatnonzero(f.of("market") == SPOT)
        places = np.unique(f.of("pool")[spot])
        rows = f.model.rows(
            "held on spot", (len(places), len(lost)), upper=0.0, keys=places, label=_label(p, places, lost)
        )
        share = p.spot_up[places][:, lost] / p.pool_zones[places, None]
        at, row = matches(places, f.of("pool")[spot])
        nodes = f.of("nodes_per_replica")[spot[row], None].astype(float)
        f.model.put(rows[at], f.replicas[spot[row]][:, lost], nodes)
        f.model.put(rows[at], f.replicas[spot[row]][:, calm], -share[at] * nodes)

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Nodes bought while something is lost against those bought in the same hours before."""
        out, o = problem.outages, problem.offers
        if out is None or not out.holding:
            return
        bought = {pool: n * 0 for pool, n in books.nodes(problem, SPOT).items()}
        for offer, nodes in books.bought.items():
            if o.kind[offer] == ON_DEMAND:
                bought[int(o.pool[offer])] = bought.get(int(o.pool[offer]), 0) + nodes
        markets = (("bought", bought, False), ("on spot", books.nodes(problem, SPOT), True))
        for then, before in out.calm.T.tolist():
            if not out.hold[int(problem.blocks.scenario[then])]:
                continue
            for what, held, on_spot in markets:
                for pool, nodes in held.items():
                    site = int(problem.pool_site[pool])
                    zones = max(1, int(problem.sites.zones[site]))
                    up = out.spot[pool, then] if on_spot and out.spot is not None else out.up[site, then]
                    most = int(nodes[before]) * int(up) // zones
                    if nodes[then] > most:
                        where = f"{problem.pool_names[pool]}, {block_name(problem, then)}"
                        yield self.wrong(where, f"{nodes[then]} nodes {what}, {most} are there of those before")


def _label(p: Problem, pools: Array, lost: Array) -> Label:
    return lambda at: f"{p.pool_names[pools[at[0]]]}, {block_name(p, int(lost[at[1]]))}"
