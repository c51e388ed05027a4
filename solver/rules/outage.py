"""Outages: where a region or a zone is lost, its nodes run nothing; commitments are paid all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..problem import SPOT
from ..problem import SPOT as SPOT_OFFER  # the same number as the market
from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem


class Outage(Rule):
    """Each pool q none of whose zones is up in a block b:    replicas[c, b] = 0 of its candidates, on_demand[q, b] = 0.

    The same of its spot candidates where no spot market of it is there.
    Where some zones are up, that share of the committed nodes is usable: see the rules on_demand and quota.
    """

    name = "outage"

    def build(self, f: Formulation) -> None:
        """Close what is lost."""
        if f.problem.outages is not None:
            gone, pool = f.problem.zones_up == 0, f.of("pool")
            no_spot = (f.problem.spot_up == 0)[pool] & (f.of("market") == SPOT)[:, None]
            f.model.close(f.replicas[gone[pool] | no_spot])
            f.model.close(f.on_demand[gone[f.problem.offers.pool[f.on_demand_offers]]])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Replicas and purchases in pools that are lost."""
        if problem.outages is None:
            return
        c, o = problem.candidates, problem.offers
        used = [(int(c.pool[k]), "runs", n, c.market[k] == SPOT) for k, n in books.replicas.items()]
        used += [(int(o.pool[k]), "is bought", n, o.kind[k] == SPOT_OFFER) for k, n in books.bought.items()]
        for pool, what, amount, on_spot in used:
            up = problem.outages.up[problem.pool_site[pool]]
            if on_spot and problem.outages.spot is not None:
                up = problem.outages.spot[pool]
            for b in np.flatnonzero((amount > 0) & (up == 0)):
                where = f"{problem.pool_names[pool]}, {block_name(problem, int(b))}"
                yield self.wrong(where, f"{what} though {problem.outages.name_of(problem, int(b))}")
