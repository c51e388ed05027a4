"""A schedule in the making of jobs that run through: all ways of a job are compared at once.

For each size of gang, pool and hour the sum of what such a gang would add to the bill up to there is at hand, so a way
costs a difference of two. A pool's bill in an hour is convex in its load: the greatest of one line for each supply.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from .board import Board, Place
from .tiers import BLOCKED, Tiers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .board import Assignment, Terms
    from .prices import Relaxation

Array = np.ndarray[Any, np.dtype[Any]]
MOST_CELLS, MOST_WAYS = 20_000_000, 5_000_000  # of the sums, and ways, for which this is at hand


class Straight:
    """Jobs on pools, and the bill; a way is a row of the relaxation's, −1: left out."""

    def __init__(self, terms: Terms, relaxation: Relaxation, opened: Array) -> None:
        """Nobody runs yet."""
        r, self.terms, self.ways = relaxation, terms, relaxation
        self.opened = opened | ~terms.problem.upfront
        self.tiers = t = Tiers.of(terms.problem, terms.nodes, self.opened)
        sizes, kind = np.unique(r.size, return_inverse=True)
        count, hours = r.capacity.shape
        self.more = np.concatenate([[0], sizes])[:, None]
        self.begin, self.end = (kind * count * (hours + 1) + at for at in (r.begin, r.end))
        bounds = np.searchsorted(r.job, np.arange(len(terms.left) + 1)).tolist()
        self.rows = list(itertools.pairwise(bounds))
        self.pool, self.hours = terms.problem.options.pool[r.option], terms.problem.options.hours[r.option]
        real = t.nodes > 0  # the line of a supply without nodes must be below all others
        self.rise = np.where(real, t.price, 0)
        self.base = np.where(real, np.cumsum(t.nodes * t.price, axis=1) - t.nodes * t.price - t.price * t.before, 0)
        self.load = np.zeros((count, hours), dtype=np.int64)
        self.sums = np.zeros((len(sizes), count, hours + 1), dtype=np.int64)
        self.flat = self.sums.reshape(-1)
        self.at = [-1] * len(terms.left)
        for pool in range(count):
            self._renew(pool, 0, hours)

    @staticmethod
    def fits(relaxation: Relaxation) -> bool:
        """Whether the problem is small enough."""
        r = relaxation
        sizes = len(np.unique(r.problem.options.nodes))
        return 0 < len(r.job) <= MOST_WAYS and sizes * r.capacity.shape[0] * (r.capacity.shape[1] + 1) <= MOST_CELLS

    def _renew(self, pool: int, first: int, last: int) -> None:
        """The sums of a pool, after its load has changed from `first` to before `last`."""
        load = self.load[pool, first:last] + self.more
        rise, base = self.rise[pool, :, first:last], self.base[pool, :, first:last]
        bill = rise[0] * load + base[0]
        for k in range(1, len(rise)):
            np.maximum(bill, rise[k] * load + base[k], out=bill)
        added = bill[1:] - bill[0]
        added[load[1:] > self.tiers.capacity[pool, first:last]] = BLOCKED
        mine = self.sums[:, pool]
        np.cumsum(added, axis=1, out=added)
        added += mine[:, first, None]
        shift = added[:, -1] - mine[:, last]
        mine[:, first + 1 : last + 1] = added
        mine[:, last + 1 :] += shift[:, None]

    def best(self, job: int, bias: Array | None = None, luck: float = 0.0) -> tuple[int, int]:
        """The way that adds least to the bill, and what it adds.

        Args:
            job: which.
            bias: int64 [ways] added to what each costs, for the choice only.
            luck: from 0 to below 1, which of several equal ways is taken.
        """
        a, b = self.rows[job]
        left = self.terms.left[job]
        if a == b:
            return -1, left
        cost = self.flat[self.end[a:b]] - self.flat[self.begin[a:b]] + self.ways.once[a:b]
        seen = cost if bias is None else cost + bias[a:b]
        at = int(seen.argmin())
        if luck:
            equal = np.flatnonzero(seen == seen[at])
            at = int(equal[int(luck * len(equal))])
        added = int(cost[at])
        return (-1, left) if added >= min(left, BLOCKED) else (a + at, added)

    def span(self, way: int) -> tuple[int, int, int]:
        """Pool, first hour, last hour of a way."""
        first = int(self.ways.start[way])
        return int(self.pool[way]), first, first + int(self.hours[way])

    def room(self, way: int) -> bool:
        """Whether the pool has nodes for it."""
        pool, first, last = self.span(way)
        return bool((self.load[pool, first:last] + self.ways.size[way] <= self.tiers.capacity[pool, first:last]).all())

    def put(self, job: int, way: int) -> None:
        """Let a job run there."""
        self.at[job] = way
        if way >= 0:
            pool, first, last = self.span(way)
            self.load[pool, first:last] += self.ways.size[way]
            self._renew(pool, first, last)

    def take(self, jobs: Iterable[int]) -> int:
        """Take jobs off; micro-dollars saved."""
        stretch: dict[int, tuple[int, int]] = {}
        saved, before = 0, dict[int, Array]()
        for job in jobs:
            way = self.at[job]
            self.at[job] = -1
            if way < 0:
                saved += self.terms.left[job]
                continue
            pool, first, last = self.span(way)
            if pool not in before:
                before[pool] = self.load[pool].copy()
            self.load[pool, first:last] -= self.ways.size[way]
            saved += int(self.ways.once[way])
            a, b = stretch.get(pool, (first, last))
            stretch[pool] = (min(a, first), max(b, last))
        for pool, (first, last) in stretch.items():
            saved += self._bill(pool, before[pool][first:last], first, last)
            saved -= self._bill(pool, self.load[pool, first:last], first, last)
            self._renew(pool, first, last)
        return saved

    def _bill(self, pool: int, load: Array, first: int, last: int) -> int:
        return int((self.rise[pool, :, first:last] * load + self.base[pool, :, first:last]).max(axis=0).sum())

    def remember(self, pool: int) -> tuple[Array, Array]:
        """What `restore` takes back."""
        return self.load[pool].copy(), self.sums[:, pool].copy()

    def restore(self, pool: int, was: tuple[Array, Array]) -> None:
        """A pool as it was; where jobs are is the caller's."""
        self.load[pool], self.sums[:, pool] = was

    def total(self) -> int:
        """Micro-dollars of all."""
        once = sum(int(self.ways.once[way]) for way in self.at if way >= 0)
        left = sum(price for price, way in zip(self.terms.left, self.at, strict=True) if way < 0)
        paid = int(self.terms.problem.supplies.upfront_micro_usd[self.opened].sum())
        return self.tiers.cost(self.load) + once + left + paid

    def assignment(self, at: list[int] | None = None) -> tuple[Assignment, int]:
        """These ways, as they stand by default, as a schedule, and how many that must run do not."""
        board = Board(self.terms, self.opened)
        for job, way in enumerate(self.at if at is None else at):
            if way >= 0:
                _, first, last = self.span(way)
                board.put(job, Place(int(self.ways.option[way]), ((first, last),), 0))
        return board.assignment(), board.missing()


def filled(board: Straight, order: Iterable[int], bias: Array | None = None) -> Straight:
    """Jobs that do not run yet put one after another in this order."""
    for job in order:
        if board.at[job] < 0:
            board.put(job, board.best(job, bias)[0])
    return board
