"""Robust prices: the cost when some of the offers whose prices are uncertain become dearer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..problem import COMMITMENT, ON_DEMAND, SPOT
from .base import Rule
from .commitment import upfront_by_month

if TYPE_CHECKING:
    from typing import Any

    from ..formulation import Formulation
    from ..problem import Problem


class Robust(Rule):
    """At most Γ of the uncertain offers j rise, each by its share: the worst choice of them, as a linear program.

    objective: + Γ × z + Σ_j rise[j],    z + rise[j] ≥ share[j] × what is expected to be paid for j,    z, rise ≥ 0
    (Bertsimas and Sim 2004.) The bill stays at list prices.
    """

    name = "robust"

    def build(self, f: Formulation) -> None:
        """A row an uncertain offer that can be bought."""
        budget, uncertain = f.problem.limits.robust_budget, f.problem.limits.uncertain
        if not budget:
            return
        found = [(offer, float(share), *self._spent(f, offer)) for offer, share in uncertain]
        found = [x for x in found if x[2].size]
        rows = f.model.rows("price range", (len(found),), lower=0.0, keys=np.array([x[0] for x in found], np.int64))
        most = f.model.program().upper
        top = np.array([share * float((usd * most[columns]).sum()) for _, share, columns, usd in found])
        both = f.model.columns((1 + len(found),), upper=np.append(top.max(initial=0.0), top))
        f.model.cost(both, np.append(float(budget), np.ones(len(found))))
        f.model.put(rows, both[0], 1.0)
        f.model.put(rows, both[1:], 1.0)
        for row, (_, share, columns, usd) in zip(rows, found, strict=True):
            f.model.put(row, columns, -share * usd)

    def _spent(self, f: Formulation, offer: int) -> tuple[Any, Any]:
        """Columns that pay for an offer, and the expected dollars of a unit of each."""
        o, nowhere = f.problem.offers, np.zeros(0, dtype=np.int64)
        kind, usd = int(o.kind[offer]), int(o.micro_usd_per_hour[offer]) / 1e6
        if kind == ON_DEMAND:
            at = np.flatnonzero(f.on_demand_offers == offer)
            return f.on_demand[at].ravel(), np.tile(usd * f.weight, len(at))
        if kind == SPOT:
            mine = np.flatnonzero((f.of("market") == SPOT) & (f.of("pool") == o.pool[offer]))
            nodes = f.of("nodes_per_replica")[mine].astype(float)
            return f.replicas[mine].ravel(), (usd * nodes[:, None] * f.weight).ravel()
        at = np.flatnonzero(f.commitments == offer)
        if kind == COMMITMENT and not o.owned_nodes[offer] and len(at):
            return f.committed[at], committed_usd(f.problem, np.array([offer]))
        return nowhere, np.zeros(0)


def committed_usd(problem: Problem, offers: Any) -> Any:
    """Dollars over the horizon of one committed node of each offer, float [K]."""
    o = problem.offers
    upfront = np.array([float(sum(row)) for row in upfront_by_month(problem, offers)]).reshape(len(offers))
    return ((o.micro_usd_per_hour[offers, None] * o.paid_hours[offers]).sum(axis=1) + upfront) / 1e6
