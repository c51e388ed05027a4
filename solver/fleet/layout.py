"""Open ways in a rectangle [d, W], so that every step of the search is a pass over whole arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .fleet import Fleet

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The open ways of each workload, filled up with ways into a pool that is never worth it (row Q)."""

    way: Array  # int64 [d, W] rows of the fleet's ways, -1 where it is filled up
    pool: Array  # int64 [d × W], Q where it is filled up
    node_hours: Array  # float32 [d × W, 1] node-hours of a unit
    load: Any  # csr float32 [Q, d × W]: node-hours of each pool from units
    colours: tuple[Array, ...]  # workloads that share no pool, all in turn

    @property
    def width(self) -> int:
        """Ways of a workload, d."""
        return int(self.way.shape[0])


def lay_out(fleet: Fleet, ways: Array) -> Layout:
    """The layout of these ways (rows of the fleet's)."""
    from scipy.sparse import csr_array

    ways = ways[np.lexsort((fleet.pool[ways], fleet.workload[ways]))]
    workload = fleet.workload[ways]
    count = np.bincount(workload, minlength=fleet.workloads)
    width = max(1, int(count.max(initial=0)))
    place = np.arange(len(ways)) - np.repeat(np.cumsum(count) - count, count)
    way = np.full((width, fleet.workloads), -1, dtype=np.int64)
    way[place, workload] = ways
    flat = way.ravel()
    real = flat >= 0
    pool = np.where(real, fleet.pool[flat], fleet.pools)
    node_hours = np.where(real, 1.0 / fleet.units_per_hour[flat], 1.0).astype(np.float32)
    entries = (node_hours[real], (pool[real], np.flatnonzero(real)))
    return Layout(
        way=way,
        pool=pool,
        node_hours=node_hours[:, None],
        load=csr_array(entries, shape=(fleet.pools, len(flat))),
        colours=_colours(way.T, pool.reshape(way.shape).T, fleet.pools),
    )


def cheapest(fleet: Fleet, most: int) -> Array:
    """The ways of each workload whose units are cheapest on demand, on spot or committed; at most so many of each."""
    hours = fleet.committed_usd.min(axis=1, initial=np.inf)
    found = []
    for usd in (fleet.on_demand_usd_per_hour, hours, fleet.spot_usd_per_hour):
        unit = usd[fleet.pool] / fleet.units_per_hour
        order = np.lexsort((unit, fleet.workload))
        count = np.bincount(fleet.workload, minlength=fleet.workloads)
        place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
        found.append(order[place < most])
    return np.unique(np.concatenate(found))


def _colours(way: Array, pool: Array, pools: int) -> tuple[Array, ...]:
    """Workloads in groups of which no two can use the same pool; greedily, those with most neighbours first."""
    users = np.bincount(pool.ravel(), minlength=pools + 1)
    users[pools] = 0
    order = np.argsort(-users[pool].sum(axis=1), kind="stable")
    taken = np.zeros((pools + 1, len(way) + 1), dtype=bool)  # by colour
    colour = np.zeros(len(way), dtype=np.int64)
    for w in order.tolist():
        mine = pool[w][way[w] >= 0]
        colour[w] = int(np.argmin(taken[mine].any(axis=0)))
        taken[mine, colour[w]] = True
    return tuple(np.flatnonzero(colour == c) for c in range(int(colour.max(initial=-1)) + 1))
