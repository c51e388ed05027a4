"""Which source is served where, given whole capacities: exact minimum-cost flow, least unserved first."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
LARGEST_COST = 10**9  # costs are scaled below it, so that no sum overflows


def assign(demand: Array, room: Array, pairs: Array, cost: Array) -> Array:
    """Units over each pair in one block.

    Args:
        demand: int64 [n] units an hour of each source.
        room: int64 [m] units an hour each candidate can take.
        pairs: int64 [2, E] source, candidate: where a unit may go.
        cost: int64 [E] of a unit, in any one currency.

    Returns:
        int64 [E]; what is missing to the demand stays unserved.
    """
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    n, m, count = len(demand), len(room), pairs.shape[1]
    scale = max(1, -(-int(cost.max(initial=0)) // LARGEST_COST))
    source, sink = n + m, n + m + 1
    tails = np.concatenate([np.full(n, source), pairs[0], n + np.arange(m), np.arange(n)])
    heads = np.concatenate([np.arange(n), n + pairs[1], np.full(m, sink), np.full(n, sink)])
    capacity = np.concatenate([demand, demand[pairs[0]], room, demand])
    dearest = (n + 1) * LARGEST_COST  # to serve one unit more, one of every source may have to move
    price = np.concatenate([np.zeros(n), cost // scale, np.zeros(m), np.full(n, dearest)])
    network = SimpleMinCostFlow()
    network.add_arcs_with_capacity_and_unit_cost(tails, heads, capacity, price.astype(np.int64))
    total = int(demand.sum())
    network.set_nodes_supplies(np.array([source, sink]), np.array([total, -total]))
    if network.solve() != network.OPTIMAL:  # the direct arcs carry everything, so this is a fault of the back-end
        return np.zeros(count, dtype=np.int64)
    return np.asarray(network.flows(np.arange(n, n + count)), dtype=np.int64)
