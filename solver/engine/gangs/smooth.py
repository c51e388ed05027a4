"""Good prices quickly: the relaxation smoothed, climbed by accelerated steps while the smoothing is taken back.

A job that must take the cheapest of its ways jumps from one to another as prices move, and subgradients zigzag. Here it
takes each way in part, by exp(−cost ÷ heat), as in a Boltzmann distribution, which makes the jobs' side of the bound
differentiable (Nesterov 2005). Supplies stay as they are: in the step of a price, load − what is sold, the sold part
has a closed form (a proximal step), so prices come to rest at a supply's own. Each price has a step of its own, by how
much the load in its hour may bend. Only ways without a break take part; bounds are evaluated elsewhere, exactly.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .prices import cheapest_price

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .prices import Relaxation
    from .tiers import Tiers

Array = np.ndarray[Any, np.dtype[Any]]
MEMORY, LEAST_BEND = 0.9, 0.05  # how slowly the bend of the load is forgotten; of its mean, at least
BEGIN_HEAT, END_HEAT = 0.02, 0.0005  # of a typical job's cost
FAINT = 12.0  # heats above its cheapest way at which a way is forgotten for good
FAR, LOOK = (
    30.0,
    10,
)  # heats above at which it is left aside in a climb, until the next look at all, after so many steps
COLUMNS = ("way", "job", "begin", "end", "size", "once", "weight")


class Smooth:
    """Prices of a problem in the making. All money in float micro-dollars."""

    def __init__(self, relaxation: Relaxation, tiers: Tiers) -> None:
        """Begin at the cheapest supplies' prices, with all ways to run through."""
        r, o, j = relaxation, relaxation.problem.options, relaxation.problem.jobs
        self.shape, self.tiers = r.capacity.shape, tiers
        self.floor = cheapest_price(r)
        self.price, self.free = tiers.price.astype(float), tiers.nodes.astype(float)
        self.way, self.job = np.arange(len(r.job)), r.job
        self.begin, self.end, self.size, self.once = r.begin, r.end, r.size.astype(float), r.once.astype(float)
        self.weight = self.size * self.size * np.minimum(o.hours[r.option], r.problem.hours)
        self.left = np.where(j.must_run, np.inf, j.unrun_micro_usd.astype(float))  # [J]
        self._index()
        self.prices, self.ahead, self.pace = self.floor, self.floor, 1.0
        self.bend: Array | None = None
        self.best, self.value = self.floor, -math.inf
        self.part = np.zeros(len(self.way))  # how much each way is taken,
        self.out = np.zeros(len(self.first))  # and how much each row's job is left out
        dearest = self.costs(np.where(self.free > 0, self.price, 0).max(axis=1))
        self.typical = float(np.median(np.minimum.reduceat(dearest, self.first))) if len(self.job) else 0.0
        self.typical = max(1.0, self.typical)

    def _index(self) -> None:
        new = np.concatenate([[True], self.job[1:] != self.job[:-1]])[: len(self.job)]
        self.first = np.flatnonzero(new)
        self.row = np.cumsum(new) - 1
        self.bare = self.left[self.job[self.first]]  # what each row costs if it is left out

    def costs(self, prices: Array) -> Array:
        """Of each way, at prices [P, T]."""
        sums = np.zeros((self.shape[0], self.shape[1] + 1))
        np.cumsum(prices, axis=1, out=sums[:, 1:])
        made: Array = self.size * (sums.ravel()[self.end] - sums.ravel()[self.begin]) + self.once
        return made

    def best_cost(self) -> float:
        """What all jobs cost at the best prices, those that have no way to run through apart."""
        if not len(self.job):
            return 0.0
        return float(np.minimum(np.minimum.reduceat(self.costs(self.best), self.first), self.bare).sum())

    def climb(self, heats: Iterable[float], stop: Callable[[float], bool] | None = None) -> None:
        """One step at each heat; `stop` hears now and then the best value of the relaxation, jobs without ways apart.

        Only ways not far from the cheapest take part in a step, and all are looked at again every few steps.
        """
        every = {name: getattr(self, name) for name in COLUMNS}
        for step, heat in enumerate(heats):
            if step % LOOK == 0:
                self._restore(every)
                if not len(self.job) or (self._valued() and stop is not None and stop(self.value)):
                    return
                cost = self.costs(self.ahead)
                self._select(cost <= np.minimum.reduceat(cost, self.first)[self.row] + FAR * heat)
            cost = self.costs(self.ahead)
            self._step(cost, np.minimum(np.minimum.reduceat(cost, self.first), self.bare), heat)
        near = self.way, self.part
        self._restore(every)
        self.part = np.zeros(len(self.way))
        self.part[np.searchsorted(self.way, near[0])] = near[1]
        self._valued()

    def _valued(self) -> bool:
        """Keep the prices if they are the best so far; True."""
        if len(self.job):
            least = np.minimum(np.minimum.reduceat(self.costs(self.ahead), self.first), self.bare)
            value = float(least.sum() - (self.free * np.maximum(self.ahead[:, None] - self.price, 0)).sum())
            if value > self.value:
                self.best, self.value = self.ahead, value
        return True

    def _select(self, keep: Array) -> None:
        for name in COLUMNS:
            setattr(self, name, getattr(self, name)[keep])
        self._index()

    def _restore(self, every: dict[str, Array]) -> None:
        for name, values in every.items():
            setattr(self, name, values)
        self._index()

    def _step(self, cost: Array, least: Array, heat: float) -> None:
        """To the next prices."""
        taken = np.exp((least[self.row] - cost) / heat)
        out = np.exp((least - self.bare) / heat)
        whole = np.add.reduceat(taken, self.first) + out
        self.part, self.out = taken / whole[self.row], out / whole
        load, bend = self._load(self.part * self.size), self._load(self.part * self.weight)
        self.bend = bend if self.bend is None else MEMORY * self.bend + (1 - MEMORY) * bend
        step = heat / (self.bend + LEAST_BEND * self.bend.mean() + 1e-9)
        prices = self._sell(self.ahead + step * load, step)
        move = prices - self.prices
        following = (1 + math.sqrt(1 + 4 * self.pace * self.pace)) / 2
        if float(((prices - self.ahead) * move / step).sum()) < 0:  # past the top: begin anew (O'Donoghue, Candès 2015)
            self.pace = following = 1.0
        self.ahead = np.maximum(prices + (self.pace - 1) / following * move, self.floor)
        self.prices, self.pace = prices, following

    def _load(self, nodes: Array) -> Array:
        hours = self.shape[1] + 1
        most = self.shape[0] * hours
        change = np.bincount(self.begin, nodes, most) - np.bincount(self.end, nodes, most)
        return np.asarray(np.cumsum(change.reshape(-1, hours), axis=1)[:, :-1])

    def _sell(self, prices: Array, step: Array) -> Array:
        """Prices once supplies have sold what they would at them: each lowers its pool's, to its own at most."""
        done = np.zeros(self.shape, dtype=bool)
        for k in range(self.price.shape[1]):
            own, lower = self.price[:, k], prices - step * self.free[:, k]
            sold = ~done & (lower >= own)
            prices = np.where(sold, lower, np.where(~done & (prices > own), own, prices))
            done |= ~sold
        return np.maximum(prices, self.floor)

    def narrow(self, keep: Array, load: Array, heat: float) -> None:
        """Go on with these ways only, less those far from the cheapest, beside nodes that are taken [P, T]."""
        if len(self.job):
            cost = self.costs(self.ahead)
            keep = keep & (cost <= np.minimum.reduceat(cost, self.first)[self.row] + FAINT * heat)
        self.part = self.part[keep]
        self._select(keep)
        tiers = self.tiers
        self.free = (tiers.nodes - np.clip(load[:, None] - tiers.before, 0, tiers.nodes)).astype(float)


def heat(typical: float, part: float) -> float:
    """The heat when this part of a climb from the beginning is over."""
    return float(typical * BEGIN_HEAT * (END_HEAT / BEGIN_HEAT) ** min(1.0, part))
