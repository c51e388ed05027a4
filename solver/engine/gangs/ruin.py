"""Ruin and repair (Schrimpf and others 2000) where the gap is: a few jobs off, and back in another order.

At the prices of the bound the gap is a sum: what each job's way costs above its cheapest one, and what idle nodes would
earn. Jobs, and hours of pools, are drawn by their part of it: such a job is sent to a way that is good at the prices,
and those in its way make room; or jobs around such an hour are packed anew.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .straight import Straight

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 8  # jobs taken off together, besides the one drawn
HEAT = 0.005  # of a typical job's cost: how much dearer all may become now and then, less and less
GOOD = 0.005  # of it: how far above the cheapest a way is still good
BY_JOB, BY_HOUR = 0.6, 0.3  # share of steps that begin with a dear job, and with an idle hour
HOME = 0.5  # share of those that also move jobs of the pool that the job is in
GUIDED, LEANS = 0.5, (0.03, 0.3)  # share of jobs put back with a look at prices; what these count
BY_SIZE, BY_DEADLINE = 0.4, 0.7  # share of orders by size, and of those by size or deadline
EVERY = 16  # steps between two looks at the clock


class Ruin:
    """Improves a board step by step."""

    def __init__(self, board: Straight, prices: Array, cost: Array, seed: int) -> None:
        """Note where everybody runs.

        Args:
            board: what to improve.
            prices: of the bound, float [P, T].
            cost: of each way at them, float [ways].
            seed: of all draws.
        """
        self.board, self.prices, self.draw = board, prices, np.random.default_rng(seed)
        jobs, starts = board.terms.problem.jobs, np.array([a for a, _ in board.rows], dtype=np.int64)
        self.release, self.deadline = jobs.release, jobs.deadline
        self.left = np.where(jobs.must_run, np.inf, jobs.unrun_micro_usd.astype(float))
        able = np.flatnonzero([a < b for a, b in board.rows])
        least = np.full(len(starts), np.inf)
        if len(able):
            least[able] = np.minimum.reduceat(cost, starts[able])
        self.typical = max(1.0, float(np.median(least[able]))) if len(able) else 1.0
        least = np.minimum(least, self.left)
        self.above = cost - least[board.ways.job]
        self.unrun = np.where(
            np.isfinite(least), np.minimum(self.left - np.where(np.isfinite(least), least, 0), 1e15), 0
        )
        self.leans = [np.rint(lean * cost).astype(np.int64) for lean in LEANS]
        self.area = np.zeros(len(starts))
        np.maximum.at(self.area, board.ways.job, (board.ways.size * board.hours).astype(float))
        self.able = np.zeros(len(starts), dtype=bool)
        self.able[able] = True
        self.first, self.last, self.pool = (np.zeros(len(starts), dtype=np.int64) for _ in range(3))
        self.loss = np.zeros(len(starts))
        for job, way in enumerate(board.at):
            self.note(job, way)
        typical_hours = np.median(board.hours[np.array([a for a, b in board.rows if a < b], dtype=np.int64)])
        self.reach = max(2, int(typical_hours)) if len(able) else 2

    def note(self, job: int, way: int) -> None:
        """Where a job runs now."""
        if way < 0:
            self.first[job], self.last[job], self.pool[job], self.loss[job] = 0, 0, -1, self.unrun[job]
            return
        self.pool[job], self.first[job], self.last[job] = self.board.span(way)
        self.loss[job] = self.above[way]

    def run(
        self,
        total: int,
        *,
        steps: float,
        done: Callable[[int], float],
        better: Callable[[int], bool],
    ) -> None:
        """Steps until told to stop; the board ends as the last accepted, not the best.

        Args:
            total: micro-dollars of the board.
            steps: at most.
            done: of the number of steps, which part of the time is over; 1 ends it.
            better: hears of each new best and says whether to go on.
        """
        least, step, part = total, 0, 0.0
        while step < steps and self.able.any():
            if step % EVERY == 0:
                part = done(step)
                if part >= 1:
                    break
            step += 1
            total += self._step(HEAT * self.typical * (1 - part))
            if total < least:
                least = total
                if not better(total):
                    break

    def _step(self, heat: float) -> int:
        """One try; micro-dollars by which the total has changed."""
        board, draw = self.board, self.draw
        jobs = self._drawn()
        ways = [board.at[job] for job in jobs]
        was = {pool: board.remember(pool) for pool in {int(self.pool[job]) for job in jobs} if pool >= 0}
        saved = board.take(jobs)
        most = saved - heat * math.log(draw.random() + 1e-12)
        lean = self.leans[int(draw.integers(len(self.leans)))]
        added = 0
        for job in self._order(jobs):
            way, cost = board.best(job, lean) if draw.random() < GUIDED else board.best(job, luck=self._luck())
            added += cost
            if added > most:
                break
            if way >= 0 and (pool := int(board.pool[way])) not in was:
                was[pool] = board.remember(pool)
            board.put(job, way)
        if added <= most:
            for job in jobs:
                self.note(job, board.at[job])
            return added - saved
        for pool, old in was.items():
            board.restore(pool, old)
        for job, way in zip(jobs, ways, strict=True):
            board.at[job] = way
        return 0

    def _drawn(self) -> list[int]:
        """The jobs to take off."""
        kind = self.draw.random()
        job, pool, first, last = self.dear() if kind < BY_JOB else self._idle(kind < BY_JOB + BY_HOUR)
        reach = int(self.draw.integers(0, self.reach + 1))
        near = self.pool == pool
        if self.draw.random() < HOME:
            near |= self.pool == self.pool[job]
        near &= (self.first < last + reach) & (self.last > first - reach) & self.able
        near[job] = False
        found, most = np.flatnonzero(near), int(self.draw.integers(2, MOST + 1))
        if len(found) > most:
            found = self.draw.choice(found, most, replace=False)
        return [job, *found.tolist()]

    def _among(self, weights: Array) -> int:
        sums = np.cumsum(weights)
        return min(int(np.searchsorted(sums, self.draw.random() * sums[-1], side="right")), len(sums) - 1)

    def _losses(self) -> Array:
        """Jobs' parts of the gap, none of them quite 0."""
        return np.asarray(np.where(self.able, self.loss + 0.1 * self.loss.mean() + 1.0, 0.0))

    def dear(self) -> tuple[int, int, int, int]:
        """A job drawn by its part of the gap, and where a good way of it leads."""
        job = self._among(self._losses())
        a, b = self.board.rows[job]
        good = np.flatnonzero(self.above[a:b] <= max(0.0, min(GOOD * self.typical, float(self.loss[job]))))
        way = a + int(good[int(self.draw.integers(len(good)))] if len(good) else self.draw.integers(b - a))
        return job, *self.board.span(way)

    def _idle(self, by_price: bool) -> tuple[int, int, int, int]:  # noqa: FBT001
        """An hour of a pool drawn by what its idle nodes would earn, or any, and a job that could run then."""
        board, tiers = self.board, self.board.tiers
        if by_price:
            use = np.clip(board.load[:, None] - tiers.before, 0, tiers.nodes)
            earned = (np.maximum(self.prices[:, None] - tiers.price, 0) * (tiers.nodes - use)).sum(axis=1)
            pool, hour = divmod(self._among(earned.ravel() + 1e-9), earned.shape[1])
            open_jobs = np.flatnonzero((self.release <= hour) & (self.deadline > hour) & self.able)
            if len(open_jobs):
                job = int(open_jobs[self._among(self._losses()[open_jobs])])
                return job, pool, hour, hour + 1
        job = self._among(self.able.astype(float))
        a, b = self.board.rows[job]
        pool, first, _ = self.board.span(int(self.draw.integers(a, b)))
        return job, pool, first, first + 1

    def _order(self, jobs: list[int]) -> list[int]:
        kind, noise = self.draw.random(), self.draw.random(len(jobs))
        if kind < BY_SIZE:
            key = -self.area[jobs] * (0.8 + 0.4 * noise)
        else:
            key = self.deadline[jobs] + 5 * noise if kind < BY_DEADLINE else noise
        return [jobs[i] for i in np.argsort(key, kind="stable").tolist()]

    def _luck(self) -> float:
        """Mostly the first or the last of equal ways."""
        u = self.draw.random()
        return 0.0 if u < 0.6 else 0.999999 if u < 0.85 else float(self.draw.random())  # noqa: PLR2004
