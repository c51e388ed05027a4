"""Quotas: at most so many nodes held at once."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import FIRM, SPOT
from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Quota(Rule):
    """Each quota and block b, over its pools:    on demand + commitments in force + spot ≤ max_nodes − missing[b].

    A quota of kind "on_demand" counts on-demand and committed nodes (clouds count reserved instances against it), of
    kind "spot" spot nodes alone. Of commitments the share counts whose zones are up.
    """

    name = "quota"

    def build(self, f: Formulation) -> None:
        """One row a quota and block, for quotas that have an open pool."""
        p, o = f.problem, f.problem.offers
        numbers = [i for i, q in enumerate(p.limits.quotas) if np.isin(q.pools, f.pools).any()]
        quotas = [p.limits.quotas[i] for i in numbers]
        rows = f.model.rows(
            "quota",
            (len(quotas), p.blocks.count),
            upper=np.array([np.broadcast_to(q.limit, p.blocks.count) for q in quotas], dtype=float).reshape(
                -1, p.blocks.count
            ),
            keys=np.array(numbers, dtype=np.int64),
            label=lambda at: f"{quotas[at[0]].name}, {block_name(p, at[1])}",
        )
        pool, market, nodes = f.of("pool"), f.of("market"), f.of("nodes_per_replica").astype(float)
        for row, quota in zip(rows, quotas, strict=True):
            if quota.kind != "spot":
                f.model.put(row, f.on_demand[np.isin(o.pool[f.on_demand_offers], quota.pools)], 1.0)
                held = np.isin(o.pool[f.commitments], quota.pools)
                up = (p.zones_up / p.pool_zones[:, None])[o.pool[f.commitments[held]]]
                f.model.put(row, f.committed[held][:, None], o.active[f.commitments[held]] * up)
            if quota.kind != "on_demand":
                spot = np.flatnonzero(np.isin(pool, quota.pools) & (market == SPOT))
                f.model.put(row, f.replicas[spot], nodes[spot, None])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Whole nodes held in each block: bought or running, whichever is more."""
        o = problem.offers
        firm: dict[int, Any] = {}
        for offer, nodes in books.held.items():
            pool = int(o.pool[offer])
            firm[pool] = firm.get(pool, 0) + nodes * o.active[offer].astype(object) * self._share_up(problem, pool)
        for offer, bought in books.bought.items():
            if o.kind[offer] != SPOT:
                pool = int(o.pool[offer])
                firm[pool] = firm.get(pool, 0) + bought
        for place, running in books.nodes(problem, FIRM).items():
            firm[place] = np.maximum(firm.get(place, 0 * running), running)
        spot = books.nodes(problem, SPOT)
        for quota in problem.limits.quotas:
            held = np.zeros(problem.blocks.count, dtype=object)
            for pool in quota.pools:
                held = held + (firm.get(pool, 0) if quota.kind != "spot" else 0)
                held = held + (spot.get(pool, 0) if quota.kind != "on_demand" else 0)
            missing = quota.missing or (0,) * len(held)
            for b, (nodes, less) in enumerate(zip(held.tolist(), missing, strict=True)):
                allowed = max(0, quota.max_nodes - less)
                if nodes > allowed:
                    yield self.wrong(
                        f"{quota.name}, {block_name(problem, b)}", f"{nodes} nodes held, {allowed} allowed"
                    )

    def _share_up(self, problem: Problem, pool: int) -> Any:
        """Share of a pool's zones that is up, whole or a fraction, in each block."""
        if problem.outages is None:
            return 1
        site = int(problem.pool_site[pool])
        zones = max(1, int(problem.sites.zones[site]))
        return np.array([Fraction(int(up), zones) for up in problem.outages.up[site]], dtype=object)
