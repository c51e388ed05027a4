"""Prices by which every slot decides on its own: a lower bound at any time, and good ones after some hundred rounds.

The dual of the fleet's linear program has a price of a committed node-hour (at most the price on demand; over all hours
no dearer than the cheapest commitment), of a node of quota and of a spot node, in each pool and slot. At given prices
each workload takes its cheapest ways. Taken sharply that is the bound; softened by a logarithmic barrier (shares in
proportion to exp(−price ÷ temperature)) it says how much each pool would be used, which moves the prices:
dual ascent with entropic smoothing (Nesterov 2005), momentum and steps scaled by the gradient's size (Tieleman and
Hinton 2012).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .fleet import Fleet, Sample
    from .layout import Layout

Array = np.ndarray[Any, np.dtype[Any]]
CHUNK = 32  # slots at a time: what they need stays in the processor's cache
NEVER = np.float32(1e9)  # dollars of a node-hour that is not to be had
FORGET = 0.9  # of the mean squared gradient, each round
NEWTON = 5
LENGTHS = (0.5, 0.3, 0.3)  # of steps: committed, quota, spot


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars of a node-hour in each pool and slot, float32 [Q, n]."""

    committed: Array
    quota: Array
    spot: Array

    def take(self, columns: Array | slice) -> Prices:
        """Those of some slots."""
        return Prices(self.committed[:, columns], self.quota[:, columns], self.spot[:, columns])

    @property
    def firm(self) -> Array:
        """Of a node that is committed or on demand."""
        return np.asarray(self.committed + self.quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How the ascent goes."""

    rounds: int
    before: float = 0.0  # rounds that these prices have had already
    hot: float = 0.05  # temperature at first, in parts of the cheapest price
    cold: float = 0.006
    step: float = 0.12  # of the price on demand
    decay: float = 12.0  # rounds after which steps are half as long
    momentum: float = 0.95
    warm_up: int = 20  # rounds until momentum is whole
    averaging: float = 0.03  # weight of the newest round in what is served where


@dataclass(frozen=True, slots=True)
class Ascent:
    """Where the ascent ended."""

    prices: Prices  # the best
    bound: float  # dollars at those prices
    firm: Array  # float32 [d × W, n] units served on firm nodes, averaged over the rounds
    spot: Array


def start(fleet: Fleet, hours: Array, cost: Array) -> Prices:
    """Prices to begin with: each pool's cheapest commitment spread evenly over all hours [n]."""
    even = np.minimum(cost / hours.sum(), fleet.on_demand_usd_per_hour).astype(np.float32)
    made = np.repeat(even[:, None], len(hours), axis=1)
    return Prices(made, np.zeros_like(made), np.zeros_like(made))


def project(price: Array, hours: Array, cost: Array, ceiling: Array) -> None:
    """Lower prices [Q, n], in place, to the nearest that over all hours [n] add up to no more than `cost` [Q].

    What is taken off every hour of a pool is found by Newton's method, from below (Michelot 1986), then the ceiling
    [Q, 1] holds all the more.
    """
    np.clip(price, 0, ceiling, out=price)
    over = np.flatnonzero(price @ hours > cost)
    if not len(over):
        return
    rows, most, less = price[over], cost[over], np.zeros((len(over), 1), np.float32)
    for _ in range(NEWTON):
        rest = np.maximum(rows - less, 0)
        slope = (rest > 0) @ hours
        less[:, 0] += np.maximum(rest @ hours - most, 0) / np.maximum(slope, 1e-30)
    rest = np.maximum(rows - less, 0)
    rest *= np.minimum(1, most / np.maximum(rest @ hours, 1e-30))[:, None]
    price[over] = rest


def ascend(
    fleet: Fleet, layout: Layout, sample: Sample, cost: Array, prices: Prices, s: Schedule, threads: int = 1
) -> Ascent:
    """Better prices for some slots.

    Args:
        fleet: pools and workloads.
        layout: the open ways.
        sample: the slots.
        cost: float [Q] that committed prices may add up to over their hours: a commitment's price, or its part.
        prices: to begin with.
        s: how it goes.
        threads: of this process; they change nothing of the result.
    """
    hours, cost = sample.hours.astype(np.float32), cost.astype(np.float32)
    committed = prices.committed.copy()
    ceiling = fleet.on_demand_usd_per_hour.astype(np.float32)[:, None]
    project(committed, hours, cost, ceiling)
    chunks = [
        _Chunk(
            fleet,
            layout,
            sample.asked[:, at],
            sample.spare[:, at],
            Prices(committed, prices.quota, prices.spot).take(at),
        )
        for at in (slice(i, i + CHUNK) for i in range(0, len(hours), CHUNK))
    ]
    best: list[Prices] = [chunk.prices for chunk in chunks]
    bound = -np.inf
    with ThreadPoolExecutor(threads) as pool:
        for k in range(s.rounds):
            heat, weight = s.hot * (s.cold / s.hot) ** (k / max(1, s.rounds - 1)), max(1 / (k + 1), s.averaging)
            value = np.concatenate(list(pool.map(_Chunk.respond, chunks, repeat(heat), repeat(weight))))
            if (total := float(hours @ value)) > bound:
                best, bound = [chunk.prices for chunk in chunks], total
            length, keep = s.step / (1 + (k + s.before) / s.decay), s.momentum * min(1.0, k / s.warm_up)
            step = length / np.sqrt(sum(pool.map(_Chunk.pull, chunks)) / len(hours) + 1e-9)
            committed = np.concatenate(list(pool.map(_Chunk.move, chunks, repeat(step), repeat(keep))), axis=1)
            project(committed, hours, cost, ceiling)
            for i, chunk in enumerate(chunks):
                chunk.prices = replace(chunk.prices, committed=committed[:, i * CHUNK : (i + 1) * CHUNK])
    found = Prices(*(np.concatenate([getattr(p, name) for p in best], axis=1) for name in Prices.__slots__))
    firm, spot = (np.concatenate([getattr(c, name) for c in chunks], axis=1) for name in ("firm", "spot"))
    return Ascent(found, bound, firm, spot)


class _Chunk:
    """Some slots, few enough for all their numbers to stay in the processor's cache. n slots."""

    def __init__(self, fleet: Fleet, layout: Layout, asked: Array, spare: Array, prices: Prices) -> None:
        def column(values: Array) -> Array:
            return values.astype(np.float32)[:, None]

        self.layout, self.asked, self.spare, self.prices = layout, asked, spare, prices
        self.on_demand, self.quota = column(fleet.on_demand_usd_per_hour), column(fleet.quota_nodes)
        market = np.where(np.isfinite(fleet.spot_usd_per_hour), fleet.spot_usd_per_hour, NEVER)
        self.market = np.where(spare > 0, column(market), NEVER)
        self.share, self.dear = column(fleet.max_spot_share), column(fleet.unserved_usd_per_unit)
        flat, pools = (len(layout.pool), asked.shape[1]), (fleet.pools, asked.shape[1])
        self.firm, self.spot = np.zeros(flat, np.float32), np.zeros(flat, np.float32)  # units, averaged over rounds
        self.work = np.zeros(flat, np.float32), np.zeros(flat, np.float32)
        self.price = np.full((fleet.pools + 1, flat[1]), NEVER, np.float32)
        self.nodes = np.zeros(pools, np.float32), np.zeros(pools, np.float32)
        self.square = tuple(np.full(pools, 1e-12, np.float32) for _ in range(3))
        self.gradient: tuple[Array, ...] = ()
        self.before: tuple[Array, ...] = (prices.committed, prices.quota, prices.spot)

    def respond(self, temperature: float, weight: float) -> Array:
        """Shares of every workload at the prices, taken into the average; the slots' values [n] at sharp choices."""
        lay, (firm, spot) = self.layout, self.work
        f, g = (self._units(price, out) for price, out in (
            (self.prices.firm, firm), (self.market + self.prices.spot, spot),
        ))  # fmt: skip
        least = np.minimum(f.min(axis=0), self.dear)
        either = np.minimum(least, g.min(axis=0))
        value = (self.asked * ((1 - self.share) * least + self.share * either)).sum(axis=0, dtype=float)
        sharp = -1 / (temperature * np.maximum(either, 1e-9))
        _soften(f, least, sharp)
        _soften(g, either, sharp)
        alone = f.sum(axis=0) + np.exp((self.dear - least) * sharp)
        beside = np.exp((least - either) * sharp)
        both = alone * beside + g.sum(axis=0)
        f *= self.asked * ((1 - self.share) / alone + self.share * beside / both)
        g *= self.asked * self.share / both
        self.nodes = lay.load @ firm, lay.load @ spot
        _blend(self.firm, firm, weight)
        _blend(self.spot, spot, weight)
        rent = (self.prices.quota * self.quota).sum(axis=0, dtype=float)
        return np.asarray(value - rent - (self.prices.spot * self.spare).sum(axis=0, dtype=float))

    def _units(self, price: Array, out: Array) -> Array:
        """Dollars of a unit by each way at node prices [Q, n], in `out`; as [d, W, n]."""
        self.price[:-1] = price
        np.take(self.price, self.layout.pool, axis=0, out=out, mode="clip")
        out *= self.layout.node_hours
        return out.reshape(*self.layout.way.shape, -1)

    def pull(self) -> Array:
        """How far use is from what there is, by size of the pool; its remembered squares added up, [3, Q, 1]."""
        size = 1 / np.maximum(1.0, self.quota)
        gaps = (self.nodes[0], self.nodes[0] - self.quota, self.nodes[1] - self.spare)
        self.gradient = tuple(gap * size for gap in gaps)
        for square, gradient in zip(self.square, self.gradient, strict=True):
            _blend(square, gradient * gradient, 1 - FORGET)
        return np.array([square.sum(axis=1, keepdims=True) for square in self.square])

    def move(self, step: Array, keep: float) -> Array:
        """Raise prices of what is used beyond what there is, lower the others; committed ones [Q, n] come back."""
        now = (self.prices.committed, self.prices.quota, self.prices.spot)
        moved, ahead = [], []
        for x, gradient, old, length, way in zip(now, self.gradient, self.before, LENGTHS, step, strict=True):
            np.multiply(gradient, way * length * self.on_demand, out=gradient)
            new = np.maximum(np.add(gradient, x, out=gradient), 0, out=gradient)
            moved.append(new)
            ahead.append(np.maximum(new + keep * (new - old), 0))
        self.before = tuple(moved)
        self.prices = Prices(*ahead)
        return ahead[0]


def _soften(shares: Array, base: Array, sharp: Array) -> None:
    """exp(sharp × (shares − base)), in place."""
    shares -= base
    shares *= sharp
    np.exp(shares, out=shares)


def _blend(mean: Array, now: Array, weight: float) -> None:
    """A moving average, in place; `now` is used up."""
    mean *= 1 - weight
    now *= weight
    mean += now
