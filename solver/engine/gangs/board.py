"""A schedule in the making: jobs are put where they add least to the bill, and taken off again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import segments
from .tiers import BLOCKED, Tiers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...schedule.data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job runs, and what it added to the bill when it was put there."""

    option: int
    spans: tuple[tuple[int, int], ...]
    micro_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A whole schedule as the engine knows it."""

    option: Array  # int64 [J], −1: does not run
    spans: tuple[tuple[tuple[int, int], ...], ...]  # J
    opened: Array  # bool [S] supplies with an upfront payment that are bought; True for all others
    micro_usd: int


class Terms:
    """What never changes while schedules are made."""

    def __init__(self, problem: ScheduleProblem, nodes: Array) -> None:
        """Sort the options of each job, the one that could be cheapest first."""
        self.problem, self.nodes = problem, nodes
        o, j, s = problem.options, problem.jobs, problem.supplies
        cheapest = np.full(len(problem.pools), BLOCKED, dtype=np.int64)
        np.minimum.at(cheapest, s.pool, np.where(nodes > 0, s.micro_usd_per_hour, BLOCKED).min(axis=1))
        self.least = np.where(
            cheapest[o.pool] < BLOCKED,
            cheapest[o.pool] * o.nodes * np.minimum(o.hours, problem.hours) + o.micro_usd,
            BLOCKED,
        )
        order = np.lexsort((self.least, o.job))
        starts = np.searchsorted(o.job[order], np.arange(len(j.name) + 1))
        facts = [o.pool.tolist(), o.nodes.tolist(), o.hours.tolist(), o.micro_usd.tolist(), self.least.tolist()]
        self.options = [
            [(k, *(fact[k] for fact in facts)) for k in order[a:b].tolist()] for a, b in itertools.pairwise(starts)
        ]
        self.window = list(zip(j.release.tolist(), j.deadline.tolist(), strict=True))
        rules = (j.max_segments, j.min_segment_hours, j.restart_hours)
        self.split = list(zip(*(rule.tolist() for rule in rules), strict=True))
        dearest = np.zeros(len(problem.pools), dtype=np.int64)
        np.maximum.at(dearest, s.pool, s.micro_usd_per_hour.max(axis=1, initial=0))
        longest = np.minimum(o.hours, problem.hours) + (j.restart_hours * (j.max_segments - 1))[o.job]
        most = np.zeros(len(j.name))
        np.maximum.at(most, o.job, dearest[o.pool] * o.nodes * longest.astype(float) + o.micro_usd)
        self.missing = 4 * (int(most.sum()) + int(j.unrun_micro_usd.sum()) + 10**6)  # of one that must run and does not
        self.left = [
            self.missing if must else price
            for must, price in zip(j.must_run.tolist(), j.unrun_micro_usd.tolist(), strict=True)
        ]


class Board:
    """Jobs on pools, and the bill."""

    def __init__(self, terms: Terms, opened: Array, base: Array | None = None) -> None:
        """Nobody runs yet; `base` [P, T] is taken already."""
        self.terms, self.opened = terms, opened | ~terms.problem.upfront
        self.tiers = Tiers.of(terms.problem, terms.nodes, self.opened)
        shape = (len(terms.problem.pools), terms.problem.hours)
        self.load = np.zeros(shape, dtype=np.int64) if base is None else base.copy()
        self.places: list[Place | None] = [None] * len(terms.left)

    def total(self) -> int:
        """Micro-dollars of all: nodes, what options cost once, jobs left out, and payments upfront."""
        o, s = self.terms.problem.options, self.terms.problem.supplies
        once = sum(int(o.micro_usd[p.option]) for p in self.places if p)
        left = sum(price for price, place in zip(self.terms.left, self.places, strict=True) if place is None)
        paid = int(s.upfront_micro_usd[self.opened].sum())
        return self.tiers.cost(self.load) + once + left + paid

    def best(self, job: int, bias: Array | None = None, luck: float = 0.0) -> Place | None:
        """The place that adds least to the bill; None to leave the job out.

        Args:
            job: which.
            bias: float [O] added to what an option costs, for the choice only.
            luck: from 0 to 1, which of several equal starts is taken: 0 is the first.
        """
        first, last = self.terms.window[job]
        found, least = None, float(self.terms.left[job])
        for option, pool, nodes, hours, once, floor in self.terms.options[job]:
            if floor >= BLOCKED or hours > last - first:
                continue
            extra = once if bias is None else once + float(bias[option])
            if floor + extra - once >= least:
                continue
            cost = self.tiers.added(self.load, pool, nodes, first, last)
            total, spans = _way(cost, hours, self.terms.split[job], least - extra, luck)
            if spans and total + extra < least:
                least = total + extra
                shifted = tuple((first + a, first + b) for a, b in spans)
                found = Place(option, shifted, total + once)
        return found

    def put(self, job: int, place: Place | None) -> None:
        """Let a job run there."""
        self.places[job] = place
        if place:
            self._shift(place, 1)

    def take(self, job: int) -> int:
        """Take a job off; micro-dollars saved."""
        place = self.places[job]
        self.places[job] = None
        if place is None:
            return self.terms.left[job]
        o = self.terms.problem.options
        pool, nodes = int(o.pool[place.option]), int(o.nodes[place.option])
        self._shift(place, -1)
        saved = sum(int(self.tiers.added(self.load, pool, nodes, a, b).sum()) for a, b in place.spans)
        return saved + int(o.micro_usd[place.option])

    def _shift(self, place: Place, sign: int) -> None:
        o = self.terms.problem.options
        pool, nodes = int(o.pool[place.option]), sign * int(o.nodes[place.option])
        for a, b in place.spans:
            self.load[pool, a:b] += nodes

    def missing(self) -> int:
        """Jobs that must run and do not."""
        must = self.terms.problem.jobs.must_run.tolist()
        return sum(m and place is None for m, place in zip(must, self.places, strict=True))

    def assignment(self) -> Assignment:
        """As it stands; supplies that were opened and are not worth it are closed."""
        self.close_idle()
        return Assignment(
            option=np.array([-1 if p is None else p.option for p in self.places], dtype=np.int64),
            spans=tuple(() if p is None else p.spans for p in self.places),
            opened=self.opened.copy(),
            micro_usd=self.total(),
        )

    def close_idle(self) -> None:
        """Close each supply that the same schedule does better without."""
        s = self.terms.problem.supplies
        for row in np.flatnonzero(self.opened & self.terms.problem.upfront).tolist():
            fewer = self.opened.copy()
            fewer[row] = False
            tiers = Tiers.of(self.terms.problem, self.terms.nodes, fewer)
            fits = bool((self.load <= tiers.capacity).all())
            if fits and tiers.cost(self.load) <= self.tiers.cost(self.load) + int(s.upfront_micro_usd[row]):
                self.opened, self.tiers = fewer, tiers


def filled(
    terms: Terms, opened: Array, order: Iterable[int], bias: Array | None = None, kept: Assignment | None = None
) -> Board:
    """Jobs put one after another in this order, those that run in `kept` where they run there."""
    board = Board(terms, opened)
    if kept is not None:
        for job, (option, spans) in enumerate(zip(kept.option.tolist(), kept.spans, strict=True)):
            if option >= 0:
                board.put(job, Place(option, spans, 0))
    for job in order:
        if board.places[job] is None:
            board.put(job, board.best(job, bias))
    return board


def _way(cost: Array, hours: int, split: tuple[int, int, int], most: float, luck: float) -> tuple[int, Any]:
    """Least cost of a job's hours in a window, and its segments; none at `most` or beyond."""
    pieces, least, restart = split
    if min(pieces, hours // least) > 1 and hours < len(cost):
        floor = int(np.partition(cost, hours - 1)[:hours].sum())
        total, at = segments.through(cost, hours)
        if floor >= min(most, BLOCKED):
            return BLOCKED, ()
        if total > floor:
            total, spans = segments.cheapest(cost, hours, pieces, least, restart, BLOCKED)
            return total, spans
        return total, ((at, at + hours),)
    sums = np.concatenate([[0], np.cumsum(cost)])
    total_of = sums[hours:] - sums[:-hours]
    total = int(total_of.min())
    if total >= BLOCKED:
        return BLOCKED, ()
    equal = np.flatnonzero(total_of == total)
    at = int(equal[min(len(equal) - 1, int(luck * len(equal)))])
    return total, ((at, at + hours),)
