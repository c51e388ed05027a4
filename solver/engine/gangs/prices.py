"""A lower bound by prices: Lagrangian relaxation of capacity, ascended by subgradients, evaluated in whole numbers.

For any prices π[p, t] ≥ 0 of a node in an hour, no schedule costs less than

    Σ_jobs min( price of not running, min over options and ways to run of  once + Σ_{hours run} nodes × π )
  − Σ_supplies max( 0, Σ_t nodes × max(0, π − price) − upfront )

since what jobs take of a pool is no more than its supplies give. The first line is a shortest way for each job alone
(a sliding sum, or `segments`), the second a choice for each supply alone. Any prices are valid; the search for good
ones is in floats, the bound itself in integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...schedule.data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]
NEVER = 1 << 60
NEVER_PER_NODE = 1 << 46
STALE, SHRINK, MOMENTUM = 15, 0.66, 0.7  # iterations without gain, and what the step then shrinks to
LEAST_GAIN, LEAST_STEP = 1e-6, 1e-4
MOST_TRACED = 60  # split jobs whose segments are followed in an iteration; the others lean on a way through
CHUNK = 4_000_000  # cells of the dynamic program at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where the ascent ended."""

    prices: Array  # int64 [P, T] micro-dollars of a node
    micro_usd: int  # no schedule costs less
    iterations: int


@dataclass(frozen=True, slots=True)
class _Group:
    """Options that may be split, with the same rules of splitting and windows of one length at most."""

    options: Array  # [B]
    rules: tuple[int, int, int]  # segments, least work, restart
    cells: Array  # int64 [B, L] into prices with one cell more, of NEVER


class Relaxation:
    """The relaxation of a problem whose supplies have these nodes (see tiers.useful_nodes)."""

    def __init__(self, problem: ScheduleProblem, nodes: Array) -> None:
        """List the ways to run through, and the options that may be split."""
        self.problem, self.nodes = problem, nodes
        self.capacity = np.zeros((len(problem.pools), problem.hours), dtype=np.int64)
        np.add.at(self.capacity, problem.supplies.pool, nodes)
        o, j, grid = problem.options, problem.jobs, problem.hours + 1
        starts = np.maximum(j.deadline[o.job] - o.hours - j.release[o.job] + 1, 0)
        option = np.repeat(np.arange(len(starts)), starts)
        start = j.release[o.job][option] + np.arange(len(option)) - np.repeat(np.cumsum(starts) - starts, starts)
        fits = self._fits(option, start)
        order = np.argsort(o.job[option[fits]], kind="stable")
        self.option, self.start = option[fits][order], start[fits][order]
        self.job, self.size = o.job[self.option], o.nodes[self.option]
        self.begin = o.pool[self.option] * grid + self.start
        self.end = self.begin + o.hours[self.option]
        self.first = np.flatnonzero(np.concatenate([[True], self.job[1:] != self.job[:-1]])[: len(self.job)])
        self.row = np.repeat(np.arange(len(self.first)), np.diff(np.append(self.first, len(self.job))))
        self.once = o.micro_usd[self.option]
        self.straight = np.full(len(j.name), -1, dtype=np.int64)  # the cheapest way to run through, of the last prices
        self.groups = list(self._groups())

    def _fits(self, option: Array, start: Array) -> Array:
        """Ways in which the pool has nodes enough in every hour, were nobody else there."""
        o, made = self.problem.options, np.zeros(len(option), dtype=bool)
        for size in np.unique(o.nodes[option]).tolist():
            short = np.zeros((len(self.capacity), self.problem.hours + 1), dtype=np.int64)
            np.cumsum(self.capacity < size, axis=1, out=short[:, 1:])
            mine = np.flatnonzero(o.nodes[option] == size)
            pool, begin = o.pool[option[mine]], start[mine]
            made[mine] = short[pool, begin + o.hours[option[mine]]] == short[pool, begin]
        return made

    def _groups(self) -> Any:
        o, j, hours = self.problem.options, self.problem.jobs, self.problem.hours
        most = np.minimum(j.max_segments[o.job], o.hours // j.min_segment_hours[o.job])
        window = j.deadline[o.job] - j.release[o.job]
        able = np.flatnonzero((most > 1) & (o.hours < window))
        keys = np.stack([most[able], j.min_segment_hours[o.job[able]], j.restart_hours[o.job[able]]])
        for rules in np.unique(keys, axis=1).T.tolist():
            mine = able[(rules == keys.T).all(axis=1)]
            mine = mine[np.argsort(o.hours[mine], kind="stable")]
            length = int(window[mine].max())
            chunk = max(1, CHUNK // (rules[0] * (int(o.hours[mine].max()) + 1)))
            for at in range(0, len(mine), chunk):
                rows = mine[at : at + chunk]
                hour = j.release[o.job[rows], None] + np.arange(length)
                inside = hour < j.deadline[o.job[rows], None]
                hour = np.minimum(hour, hours - 1)
                inside &= self.capacity[o.pool[rows, None], hour] >= o.nodes[rows, None]
                cells = np.where(inside, o.pool[rows, None] * hours + hour, len(self.capacity) * hours)
                yield _Group(rows, (rules[0], rules[1], rules[2]), cells)

    def ways(self, prices: Array, never: Any) -> tuple[Array, Array, Array]:
        """Least cost of each job [J], its option (−1: not run), and its way to run through (−1: split, or not run)."""
        p, count = self.problem, len(self.problem.jobs.name)
        best = np.full(count, never, dtype=prices.dtype)
        option, way = np.full((2, count), -1, dtype=np.int64)
        if len(self.job):
            sums = np.zeros((len(prices), p.hours + 1), dtype=prices.dtype)
            np.cumsum(prices, axis=1, out=sums[:, 1:])
            cost = self.size * (sums.ravel()[self.end] - sums.ravel()[self.begin]) + self.once
            least = np.minimum.reduceat(cost, self.first)
            hit = np.flatnonzero(cost <= least[self.row])
            hit = hit[np.unique(self.row[hit], return_index=True)[1]]
            best[self.job[hit]], option[self.job[hit]], way[self.job[hit]] = least, self.option[hit], hit
            self.straight[self.job[hit]] = hit
        for rows, value in self._split(prices, best):
            o = p.options
            for k, total in zip(rows.tolist(), value.tolist(), strict=True):
                if total < best[o.job[k]]:
                    best[o.job[k]], option[o.job[k]], way[o.job[k]] = total, k, -1
        leave = ~p.jobs.must_run & (p.jobs.unrun_micro_usd <= best)
        best[leave], option[leave], way[leave] = p.jobs.unrun_micro_usd[leave], -1, -1
        return best, option, way

    def _split(self, prices: Array, best: Array) -> Any:
        """Options that may be split, and what they cost at least in two segments or more, where it may beat `best` [J].

        The cheapest hours of a window, whichever, are no dearer than any segments: most options end there.
        """
        o, never = self.problem.options, prices.dtype.type(NEVER_PER_NODE)
        every, most = np.append(prices.ravel(), never), prices.dtype.type(NEVER)
        for group in self.groups:
            cost = every[group.cells]
            job, nodes, once = (x[group.options] for x in (o.job, o.nodes, o.micro_usd))
            kept = np.flatnonzero(nodes * np.minimum(_least(cost, o.hours[group.options]), never) + once < best[job])
            if not len(kept):
                continue
            most_segments, least, restart = group.rules
            rows = group.options[kept]
            value = segments.values(cost[kept], o.hours[rows], most_segments, least, restart, never)
            yield rows, np.where(value < never, nodes[kept] * np.minimum(value, never) + once[kept], most)

    def sold(self, prices: Array) -> tuple[Any, Array]:
        """What supplies would earn at the prices in all, and the supplies that would be open, bool [S]."""
        s = self.problem.supplies
        earned = (self.nodes * np.maximum(prices[s.pool] - s.micro_usd_per_hour, 0)).sum(axis=1) - s.upfront_micro_usd
        return np.maximum(earned, 0).sum(), (earned > 0) | ~self.problem.upfront

    def load(self, prices: Array, option: Array, way: Array) -> Array:
        """Nodes that the jobs' cheapest ways take, float [P, T]."""
        o, j = self.problem.options, self.problem.jobs
        change = np.zeros(len(prices) * (self.problem.hours + 1))
        split = (option >= 0) & (way < 0)
        if split.sum() > MOST_TRACED:  # to follow them all takes too long, and any prices are valid
            way = np.where(split, self.straight, way)
        straight = way[way >= 0]
        np.add.at(change, self.begin[straight], self.size[straight])
        np.add.at(change, self.end[straight], -self.size[straight])
        for job in np.flatnonzero((option >= 0) & (way < 0)).tolist():
            k, first, last = int(option[job]), int(j.release[job]), int(j.deadline[job])
            pool, size = int(o.pool[k]), int(o.nodes[k])
            near = np.rint(prices[pool, first:last]).astype(np.int64)  # the way back compares sums: whole ones
            cost = np.where(self.capacity[pool, first:last] < size, NEVER_PER_NODE, near)
            rules = (int(j.max_segments[job]), int(j.min_segment_hours[job]), int(j.restart_hours[job]))
            for begin, end in segments.cheapest(cost, int(o.hours[k]), *rules, NEVER_PER_NODE)[1]:
                at = pool * (self.problem.hours + 1) + first
                change[at + begin] += size
                change[at + end] -= size
        return np.cumsum(change.reshape(len(prices), -1), axis=1)[:, : self.problem.hours]

    def bound(self, prices: Array) -> int:
        """The bound at whole prices, exactly. int64 [P, T] -> micro-dollars."""
        best, _, _ = self.ways(prices, NEVER)
        total: int = sum(best.tolist()) - int(self.sold(prices)[0])
        return total


def ascend(
    r: Relaxation, upper: float, *, iterations: int, stop: Callable[[float], bool], begin: Array | None = None
) -> Bound:
    """Raise the bound from the cheapest supplies' prices on, or from `begin`.

    Args:
        r: the relaxation.
        upper: micro-dollars of a schedule, which scales the steps.
        iterations: at most.
        stop: hears the bound after each iteration.
        begin: prices.
    """
    least = cheapest_price(r)
    prices = least if begin is None else np.maximum(begin.astype(float), least)
    best, centre, since, scale = -np.inf, prices, 0, 1.0
    momentum, count = np.zeros_like(prices), 0
    for _ in range(iterations):
        count += 1
        cost, option, way = r.ways(prices, float(NEVER))
        earned, opened = r.sold(prices)
        value = float(cost.sum() - earned)
        since = 0 if value > best + LEAST_GAIN * abs(best) or np.isinf(best) else since + 1
        if value > best:
            best, centre = value, prices
        if stop(best) or scale < LEAST_STEP or upper - best <= LEAST_GAIN * abs(upper):
            break
        if since >= STALE:
            scale, since, prices, momentum = scale * SHRINK, 0, centre, np.zeros_like(prices)
        slope = _slope(r, prices, r.load(prices, option, way), opened)
        momentum = MOMENTUM * momentum + np.where((prices <= least) & (slope < 0), 0.0, slope)
        square = float((momentum * momentum).sum())
        if square == 0:
            break
        prices = np.maximum(prices + scale * max(upper - value, 1.0) * (1 - MOMENTUM) / square * momentum, least)
    whole = np.rint(centre).astype(np.int64)
    return Bound(prices=whole, micro_usd=r.bound(whole), iterations=count)


def _least(cost: Array, hours: Array) -> Array:
    """The sum of the cheapest `hours` [B] of each row of `cost` [B, L]."""
    sums = np.cumsum(np.sort(cost, axis=1), axis=1)
    return np.asarray(sums[np.arange(len(cost)), hours - 1])


def cheapest_price(r: Relaxation) -> Array:
    """The cheapest node in each pool and hour, 0 where there is none; lower prices bound nothing. Float [P, T]."""
    s, made = r.problem.supplies, np.full(r.capacity.shape, np.inf)
    np.minimum.at(made, s.pool, np.where(r.nodes > 0, s.micro_usd_per_hour, np.inf))
    return np.where(np.isfinite(made), made, 0.0)


def _slope(r: Relaxation, prices: Array, load: Array, opened: Array) -> Array:
    """Load less what supplies would give; where a price is a supply's own, they give what is asked. Float [P, T]."""
    s = r.problem.supplies
    surely, perhaps = np.zeros_like(prices), np.zeros_like(prices)
    above = prices[s.pool] - s.micro_usd_per_hour
    near = 1e-9 * np.maximum(1.0, s.micro_usd_per_hour)
    nodes = np.where(opened[:, None], r.nodes, 0)
    np.add.at(surely, s.pool, np.where(above > near, nodes, 0))
    np.add.at(perhaps, s.pool, np.where(np.abs(above) <= near, nodes, 0))
    return np.asarray(load - surely - np.clip(load - surely, 0, perhaps))
