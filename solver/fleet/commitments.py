"""How many nodes to commit to: of an isolated pool the weighted quantile of its load, whatever its load is.

    min_R  c R + Σ_n hours[n] × on_demand × (load[n] − R)⁺

falls as long as the hours in which more than R nodes run cost more on demand than a commitment: R is the load that is
passed in c ÷ on_demand of the hours (the newsvendor's quantile). Exact for one pool; with the ascent's loads good for
all of them together. A limit on upfront cash is priced: a commitment costs c + price × upfront, at the lowest price
that will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .fleet import Fleet

Array = np.ndarray[Any, np.dtype[Any]]
DOUBLINGS, BISECTIONS = 40, 40


def cost(fleet: Fleet, cash_price: float) -> tuple[Array, Array]:
    """Dollars of the cheapest commitment of each pool with upfront cash priced, float [Q], and which it is [Q]."""
    priced = fleet.committed_usd + cash_price * np.where(np.isfinite(fleet.committed_usd), fleet.upfront_usd, 0.0)
    if not priced.shape[1]:
        return np.full(fleet.pools, np.inf), np.zeros(fleet.pools, dtype=np.int64)
    option = priced.argmin(axis=1)
    return priced[np.arange(fleet.pools), option], option


def quantile(load: Array, hours: Array, cost_usd: Array, on_demand: Array) -> Array:
    """Exact best commitments of isolated pools, float [Q]: the load passed in cost ÷ on_demand hours, or 0.

    Args:
        load: [Q, n] nodes wanted in each slot.
        hours: [n].
        cost_usd: [Q] of a commitment for all hours; inf where there is none.
        on_demand: [Q] dollars an hour.
    """
    order = np.argsort(-load, axis=1, kind="stable")
    passed = np.cumsum(hours[order], axis=1)  # hours with at least this load, largest first
    enough = passed * on_demand[:, None] >= np.where(np.isfinite(cost_usd), cost_usd, np.inf)[:, None]
    first = enough.argmax(axis=1)
    found = np.take_along_axis(np.take_along_axis(load, order, axis=1), first[:, None], axis=1)[:, 0]
    return np.where(enough.any(axis=1), found, 0.0)


def whole(load: Array, hours: Array, cost_usd: Array, on_demand: Array, quota: Array) -> Array:
    """The same in whole nodes: the cheaper of the two beside the quantile (the cost is convex), int64 [Q]."""
    exact = quantile(load, hours, cost_usd, on_demand)
    sides = np.stack([np.floor(exact), np.ceil(exact)])
    beyond = np.stack([np.maximum(load - side[:, None], 0) @ hours for side in sides])
    usd = sides * np.where(np.isfinite(cost_usd), cost_usd, 0.0)  # none is bought where none is on sale
    chosen = np.where((usd + beyond * on_demand).argmin(axis=0) == 0, sides[0], sides[1])
    return np.asarray(np.minimum(chosen, np.floor(quota)).astype(np.int64))


def commit(fleet: Fleet, load: Array, hours: Array) -> tuple[Array, float]:
    """Whole commitments [Q, K] for these loads within the limit on upfront cash, and the price of cash (0: slack)."""

    def at(price: float) -> Array:
        usd, option = cost(fleet, price)
        made: Array = np.zeros(fleet.committed_usd.shape, dtype=np.int64)
        if made.size:
            nodes = whole(load, hours, usd, fleet.on_demand_usd_per_hour, fleet.quota_nodes)
            made[np.arange(fleet.pools), option] = nodes
        return made

    def cash(made: Array) -> float:
        return float((made * np.where(made > 0, fleet.upfront_usd, 0.0)).sum())

    made = at(0.0)
    if cash(made) <= fleet.upfront_max_usd:
        return made, 0.0
    low, high = 0.0, 1e-3
    for _ in range(DOUBLINGS):
        if cash(at(high)) <= fleet.upfront_max_usd:
            break
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if cash(at(middle)) <= fleet.upfront_max_usd else (middle, high)
    return at(high), high
