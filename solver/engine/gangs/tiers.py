"""What nodes cost: the supplies of each pool, cheapest first in each hour, and what a gang adds to the bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ...schedule.data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]
BLOCKED = 1 << 46  # micro-dollars an hour: more than any gang costs; sums over the longest grid stay below 2^61


def useful_nodes(problem: ScheduleProblem) -> Array:
    """Nodes of each supply that some schedule could use, int64 [S, T].

    No more than all jobs whose window is open could take together; and in a pool whose supplies need no opening, no
    more than gangs of the sizes there can fill: of 37 nodes, gangs of 2, 4 and 8 use 36. Cut from the dearest first.
    """
    s, o, j = problem.supplies, problem.options, problem.jobs
    nodes = s.nodes.copy()
    peak = np.zeros((len(problem.pools), problem.hours + 1), dtype=np.int64)
    largest = np.zeros((len(j.name), len(problem.pools)), dtype=np.int64)
    np.maximum.at(largest, (o.job, o.pool), o.nodes)
    open_jobs = np.flatnonzero(j.release < j.deadline)
    np.add.at(peak.T, j.release[open_jobs], largest[open_jobs])
    np.add.at(peak.T, j.deadline[open_jobs], -largest[open_jobs])
    peak = np.cumsum(peak, axis=1)[:, : problem.hours]
    for pool in range(len(problem.pools)):
        rows = np.flatnonzero(s.pool == pool)
        nodes[rows] = np.minimum(nodes[rows], peak[pool])
        if len(rows) and not problem.upfront[rows].any():
            total = nodes[rows].sum(axis=0)
            fill = _fillable(np.unique(o.nodes[o.pool == pool]), int(total.max(initial=0)))
            _cut(nodes, rows, s.micro_usd_per_hour[rows], total - np.minimum(fill[total], peak[pool]))
    return nodes


def _fillable(sizes: Array, most: int) -> Array:
    """The largest sum of gangs of these sizes that is at most n, for n = 0 … most."""
    reach = np.zeros(most + 1, dtype=bool)
    reach[0] = True
    for size in sizes.tolist():
        for n in range(size, most + 1):
            reach[n] |= reach[n - size]
    return np.asarray(np.maximum.accumulate(np.where(reach, np.arange(most + 1), 0)))


def _cut(nodes: Array, rows: Array, price: Array, excess: Array) -> None:
    """Take the excess [T] off the dearest supplies."""
    left = np.maximum(excess, 0)
    order = np.argsort(-price, axis=0, kind="stable")
    hours = np.arange(len(left))
    for rank in range(len(rows)):
        at = rows[order[rank]]
        taken = np.minimum(nodes[at, hours], left)
        nodes[at, hours] -= taken
        left = left - taken


@dataclass(frozen=True, slots=True)
class Tiers:
    """Open supplies of each pool, sorted by price in each hour; K is the most that a pool has."""

    nodes: Array  # int64 [P, K, T]
    before: Array  # int64 [P, K, T] nodes of the cheaper ones
    price: Array  # int64 [P, K, T]
    capacity: Array  # int64 [P, T]

    @classmethod
    def of(cls, problem: ScheduleProblem, nodes: Array, opened: Array) -> Tiers:
        """Tiers of the supplies marked in `opened` [S], with these nodes [S, T]."""
        s, count = problem.supplies, len(problem.pools)
        rows = [np.flatnonzero((s.pool == pool) & opened) for pool in range(count)]
        most = max([1, *(len(r) for r in rows)])
        made, price = np.zeros((2, count, most, problem.hours), dtype=np.int64)
        for pool, mine in enumerate(rows):
            order = np.argsort(s.micro_usd_per_hour[mine], axis=0, kind="stable")
            made[pool, : len(mine)] = np.take_along_axis(nodes[mine], order, axis=0)
            price[pool, : len(mine)] = np.take_along_axis(s.micro_usd_per_hour[mine], order, axis=0)
        return cls(made, np.cumsum(made, axis=1) - made, price, made.sum(axis=1))

    def cost(self, load: Array) -> int:
        """Micro-dollars of a load [P, T] that fits."""
        use = np.clip(load[:, None] - self.before, 0, self.nodes)
        return int((use * self.price).sum())

    def added(self, load: Array, pool: int, nodes: int, first: int, last: int) -> Array:
        """Micro-dollars of so many nodes more in each hour from `first` to before `last`; BLOCKED where they are not
        to be had. int64 [last − first].
        """  # noqa: D205
        have = load[pool, first:last]
        room, price = self.nodes[pool, :, first:last], self.price[pool, :, first:last]
        if len(room) == 1:
            made = nodes * price[0]
        else:
            lower = have - self.before[pool, :, first:last]
            made = ((np.clip(lower + nodes, 0, room) - np.clip(lower, 0, room)) * price).sum(axis=0)
        return np.asarray(np.where(have + nodes <= self.capacity[pool, first:last], made, BLOCKED))
