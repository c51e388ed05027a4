"""Small fleets drawn from a seed, and their exact optimum by another way: one linear program over all slots."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from solver.fleet import Fleet, Slots

Array = np.ndarray[Any, np.dtype[Any]]


def drawn(
    seed: int,
    *,
    workloads: int = 8,
    pools: int = 6,
    hours: int = 24,
    scenarios: int = 2,
    upfront_max_usd: float = np.inf,
) -> tuple[Fleet, Slots]:
    """A fleet, and hours of a day in some scenarios."""
    rng = np.random.default_rng(seed)
    n = hours * scenarios
    on_demand = rng.uniform(1, 10, pools)
    share = np.array([0.6, 0.45]) * rng.uniform(0.9, 1.1, (pools, 2))
    committed = on_demand[:, None] * share * hours
    edge = np.argwhere(rng.random((workloads, pools)) < 0.6)
    edge = np.unique(
        np.concatenate([edge, np.stack([np.arange(workloads), rng.integers(0, pools, workloads)], 1)]), axis=0
    )
    shape = 1 + 0.5 * np.sin(np.arange(hours) * 2 * np.pi / 24 + rng.uniform(0, 6, workloads)[:, None])
    base = rng.uniform(50, 400, workloads)[:, None] * shape
    growth = np.exp(rng.normal(0, 0.2, (scenarios, workloads)))
    demand = np.concatenate([(base * g[:, None]).T for g in growth]) * rng.uniform(0.9, 1.1, (n, workloads))
    fleet = Fleet(
        on_demand_usd_per_hour=on_demand,
        spot_usd_per_hour=np.where(rng.random(pools) < 0.8, on_demand * rng.uniform(0.3, 0.6, pools), np.inf),
        committed_usd=committed,
        upfront_usd=committed * [0.0, 1.0],
        quota_nodes=np.ceil(rng.uniform(100, 400, pools)),
        workload=edge[:, 0],
        pool=edge[:, 1],
        units_per_hour=on_demand[edge[:, 1]] * rng.uniform(0.8, 1.3, len(edge)),
        max_spot_share=rng.choice([0.0, 0.4, 0.8], workloads),
        unserved_usd_per_unit=np.full(workloads, 30.0),
        upfront_max_usd=upfront_max_usd,
    )
    slots = Slots(
        demand=demand.astype(np.float32),
        spot=rng.random((n, pools)) < 0.7,
        spot_nodes=rng.integers(5, 40, pools).astype(np.float32),
        hours=np.full(n, 1 / scenarios),
        hour=np.tile(np.arange(hours), scenarios),
        scenario=np.repeat(np.arange(scenarios), hours),
    )
    return fleet, slots


def optimum_usd(fleet: Fleet, slots: Slots, committed: Array | None = None) -> float:
    """The cheapest cost, with these commitments or any, in parts of nodes.

    Columns: committed, then for each slot firm, spot, bought, left.
    """
    q, e, w, n = fleet.pools, len(fleet.pool), fleet.workloads, slots.count
    k = fleet.committed_usd.shape[1]
    wide = 2 * e + q + w
    upper: list[Array] = []
    rows, columns, values = list[Array](), list[Array](), list[Array]()
    count = 0

    def put(row: Array, column: Array, value: Any) -> None:
        for made, part in zip((rows, columns, values), np.broadcast_arrays(row, column, value), strict=True):
            made.append(part.ravel())

    ways, pool, asked = np.arange(e), np.arange(q), slots.demand.astype(float)
    each, options = 1 / fleet.units_per_hour, np.arange(q * k)
    cost = [fleet.committed_usd.ravel()]
    bounds = [(0, None)] * (q * k) if committed is None else [(c, c) for c in committed.ravel()]
    for s in range(n):
        firm, spot, bought, left = (
            q * k + s * wide + offset + index
            for offset, index in ((0, ways), (e, ways), (2 * e, pool), (2 * e + q, np.arange(w)))
        )
        need, share, load, quota, there = (count + offset + np.arange(size) for offset, size in (
            (0, w), (w, w), (2 * w, q), (2 * w + q, q), (2 * w + 2 * q, q),
        ))  # fmt: skip
        for column in (firm, spot):
            put(need[fleet.workload], column, -1.0)
        put(need, left, -1.0)
        put(share[fleet.workload], spot, 1.0)
        put(load[fleet.pool], firm, each)
        put(load, bought, -1.0)
        put(load[options // k], options, -1.0)
        put(quota, bought, 1.0)
        put(quota[options // k], options, 1.0)
        put(there[fleet.pool], spot, each)
        spare = slots.take(np.array([s])).spare[:, 0].astype(float)
        spare = np.where(np.isfinite(fleet.spot_usd_per_hour), spare, 0.0)
        upper += [-asked[s], fleet.max_spot_share * asked[s], np.zeros(q), fleet.quota_nodes, spare]
        market = np.where(np.isfinite(fleet.spot_usd_per_hour), fleet.spot_usd_per_hour, 0.0)
        hour = slots.hours[s]
        cost += [np.zeros(e), market[fleet.pool] * each * hour, fleet.on_demand_usd_per_hour * hour]
        cost.append(fleet.unserved_usd_per_unit * hour)
        bounds += [(0, None)] * wide
        count += 2 * w + 3 * q
    if np.isfinite(fleet.upfront_max_usd):
        put(np.array(count), options, fleet.upfront_usd.ravel())
        upper.append(np.array([fleet.upfront_max_usd]))
        count += 1
    matrix = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, len(bounds))
    ).tocsr()
    found = linprog(np.concatenate(cost), A_ub=matrix, b_ub=np.concatenate(upper), bounds=bounds, method="highs")
    assert found.status == 0, found.message
    return float(found.fun)
