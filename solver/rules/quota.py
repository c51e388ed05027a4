"""Quotas: at most so many nodes held at once."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import matches
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
        is_open = np.zeros(len(p.pool_shape), dtype=bool)
        is_open[f.pools] = True
        numbers = [i for i, q in enumerate(p.limits.quotas) if is_open[list(q.pools)].any()]
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
        number, place = (
            np.array([(i, pool) for i, q in enumerate(quotas) for pool in sorted(set(q.pools))], dtype=np.int64)
            .reshape(-1, 2)
            .T
        )
        firm, spot = (
            np.array([q.kind != other for q in quotas], dtype=bool)[number] for other in ("spot", "on_demand")
        )
        at, row = matches(place[firm], o.pool[f.on_demand_offers])
        f.model.put(rows[number[firm][at]], f.on_demand[row], 1.0)
        at, row = matches(place[firm], o.pool[f.commitments])
        up = (p.zones_up / p.pool_zones[:, None])[o.pool[f.commitments[row]]]  # of what is lost nothing counts
        f.model.put(rows[number[firm][at]], f.committed[row, None], o.active[f.commitments[row]] * up)
        mine = np.flatnonzero(f.of("market") == SPOT)
        at, row = matches(place[spot], f.of("pool")[mine])
        nodes = f.of("nodes_per_replica")[mine[row]].astype(float)
        f.model.put(rows[number[spot][at]], f.replicas[mine[row]], nodes[:, None])

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
