"""Ruin and repair (Schrimpf and others 2000): take some jobs off a crowded stretch of a pool, put them back better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .board import Board, Place

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 6  # jobs taken off together
OTHERS = 0.05  # chance of a job elsewhere to be among them
HEAT = 0.001  # of their cost: how much dearer they may become now and then
BY_SIZE, BY_DEADLINE = 0.4, 0.7  # share of orders by size, and of those by size or deadline


class Repair:
    """Improves a board step by step."""

    def __init__(self, board: Board, seed: int) -> None:
        """Note where everybody runs."""
        self.board, self.draw = board, np.random.default_rng(seed)
        count = len(board.places)
        self.first, self.last, self.pool = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.cost, self.least = np.zeros(count), np.zeros(count)
        for job, place in enumerate(board.places):
            options = board.terms.options[job]
            self.least[job] = min([board.terms.left[job], *(o[5] for o in options[:1])])
            self._note(job, place)
        self.release, self.deadline = board.terms.problem.jobs.release, board.terms.problem.jobs.deadline
        hours = [options[0][3] for options in board.terms.options if options]
        self.reach = max(2, 2 * int(np.median(hours))) if hours else 2

    def _note(self, job: int, place: Place | None) -> None:
        if place is None:
            self.first[job], self.last[job], self.pool[job] = 0, 0, -1
            self.cost[job] = self.board.terms.left[job]
            return
        self.first[job], self.last[job] = place.spans[0][0], place.spans[-1][1]
        self.pool[job] = self.board.terms.problem.options.pool[place.option]
        self.cost[job] = place.micro_usd

    def run(self, total: int, *, steps: int, stop: Callable[[], bool], better: Callable[[int], bool]) -> int:
        """Steps until told to stop; `better(total)` hears of each new best and says whether to go on."""
        best = total
        for step in range(steps):
            if step % 16 == 0 and stop():
                break
            total += self.step()
            if total < best:
                best = total
                if not better(total):
                    break
        return total

    def neighbours(self, seed: int, most: int) -> list[int]:
        """A job and others that run in a pool it would rather be in, around some hour of its window."""
        draw, options = self.draw, self.board.terms.options[seed]
        wanted = [o[1] for o in options if o[5] < self.cost[seed]] or [int(self.pool[seed])]
        pool = wanted[int(draw.integers(len(wanted)))]
        hour = int(draw.integers(self.release[seed], max(self.deadline[seed], self.release[seed] + 1)))
        reach = int(draw.integers(1, self.reach + 1))
        near = (self.first < hour + reach) & (self.last > hour - reach)
        near &= (self.pool == pool) | (draw.random(len(self.pool)) < OTHERS)
        near[seed] = False
        found = np.flatnonzero(near)
        found = draw.permutation(found)[: most - 1] if len(found) >= most else found
        return [seed, *found.tolist()]

    def unlucky(self) -> int:
        """A job drawn by how much more it costs than it might at best."""
        regret = np.minimum(np.maximum(self.cost - self.least, 0), 1e15)
        sums = np.cumsum(regret + regret.mean() * 0.1 + 1)
        return min(int(np.searchsorted(sums, self.draw.random() * sums[-1])), len(sums) - 1)

    def step(self) -> int:
        """One try; micro-dollars by which the total has changed."""
        board, draw = self.board, self.draw
        if not board.places:
            return 0
        jobs = self.neighbours(self.unlucky(), MOST)
        before = [board.places[job] for job in jobs]
        saved = sum(board.take(job) for job in jobs)
        added, after = 0, dict[int, Any]()
        for job in self._order(jobs):
            after[job] = board.best(job, luck=self._luck())
            board.put(job, after[job])
            added += board.terms.left[job] if after[job] is None else after[job].micro_usd
        if added <= saved or added < saved - HEAT * min(saved, 1e15) * math.log(draw.random() + 1e-9):
            for job, place in after.items():
                self._note(job, place)
            return added - saved
        for job in jobs:
            board.take(job)
        for job, place in zip(jobs, before, strict=True):
            board.put(job, place)
        return 0

    def _order(self, jobs: list[int]) -> list[int]:
        kind, noise = self.draw.random(), self.draw.random(len(jobs))
        terms = self.board.terms
        if kind < BY_SIZE:
            key = [
                -(o[0][2] * o[0][3]) * (0.8 + 0.4 * x) if (o := terms.options[j]) else 0
                for j, x in zip(jobs, noise, strict=True)
            ]
        elif kind < BY_DEADLINE:
            key = [self.deadline[j] + 5 * x for j, x in zip(jobs, noise, strict=True)]
        else:
            second = [o[min(1, len(o) - 1)][5] - o[0][5] if (o := terms.options[j]) else 0 for j in jobs]
            key = [-s * (0.5 + x) for s, x in zip(second, noise, strict=True)]
        return [jobs[i] for i in np.argsort(np.array(key, dtype=float), kind="stable").tolist()]

    def _luck(self) -> float:
        """Mostly the first or the last of equal starts."""
        u = self.draw.random()
        return 0.0 if u < 0.5 else 1.0 if u < 0.8 else float(self.draw.random())  # noqa: PLR2004
