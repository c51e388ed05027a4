"""The quantities: a program over clusters of cells bounds the cost, a search in whole quantities attains it.

Each round solves the program over the clusters, evaluates what it says over all cells, and splits the clusters into the
linear pieces found there: where the program's answer lies, the next one is exact.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.reserve import Block, Chosen, Cover, Task, choose
from .cells import Cells, Laid, applied, clustered, cost_of, laid_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .nouns import Reserve

Array = np.ndarray[Any, np.dtype[Any]]
FEW = 6_000  # cells × pools of all parts that are not clustered at all
MANY = 60_000  # clusters × pools beyond which no round goes on
ROUNDS = 12
BOXES = 2_000
SURE = 1e-9  # share of the cost that a rounding error may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """Quantities, whole, and a lower bound on the objective of any."""

    quantity: Array  # int64 [K]
    lower_usd: float
    upper_usd: float
    future_usd: Array  # float [S] cost in each future


def optimum(reserve: Reserve, *, gap: float = 1e-4, time_limit_s: float = 60.0) -> Optimum:
    """The cheapest quantities of a problem; the bound holds whenever the search ends."""
    return _Search(reserve, gap).run(time.monotonic() + time_limit_s)


class _Search:
    """The state of one search."""

    def __init__(self, reserve: Reserve, gap: float) -> None:
        self.reserve, self.gap = reserve, gap
        self.laid = laid = laid_out(reserve)
        c = reserve.choices
        self.most = most(reserve, laid)
        self.least = np.where(c.owned > 0, c.owned, 0)
        self.weight, self.level = float(reserve.aim.risk_weight), float(reserve.aim.cvar_level)
        self.limits = _limits(reserve, laid)
        size = sum(part.cells.nodes.size for part in laid.parts)
        self.exact = size <= FEW
        self.clusters = [
            np.arange(len(part.cells.hours)) if self.exact else _first(part.cells, part.on_demand_usd)
            for part in laid.parts
        ]
        self.best, self.upper, self.lower = self.least.astype(np.int64), math.inf, -math.inf
        self.consider(self.best)

    def run(self, end: float) -> Optimum:
        """Rounds until the gap is closed, the clusters are cells, or time is up: fluid ones first, then whole ones."""
        whole = self.exact
        for _ in range(ROUNDS):
            cells = [clustered(p.cells, k) for p, k in zip(self.laid.parts, self.clusters, strict=True)]
            before = self.lower
            found = self._chosen(cells, end, whole=whole)
            self.lower = max(self.lower, min(found.lower_usd, self.upper))
            if found.quantity is not None:
                self.consider(self.polished(self._whole(found.quantity), cells, end))
            if self.done() or self.exact or time.monotonic() > end:
                break
            split, slow = self._split(), self.lower - before < self.gap / 2 * abs(self.upper)
            if whole and (slow or not split):
                break
            whole = slow or not split
        self._apart(end)
        self._trim(end)
        futures = self.futures(self.best, [p.cells for p in self.laid.parts])
        return Optimum(quantity=self.best, lower_usd=self.lower, upper_usd=self.upper, future_usd=futures)

    def _chosen(self, cells: list[Cells], end: float, *, whole: bool) -> Chosen:
        """The program's answer; parts that nothing ties together one by one."""
        task = self._task(cells)
        if self.weight or self.limits:
            return choose(task, gap=self.gap / 4, time_limit_s=max(0.1, end - time.monotonic()), whole=whole)
        quantity, lower = np.zeros(len(self.most)), float(task.probability @ task.on_demand_usd)
        for part, block in zip(self.laid.parts, task.blocks, strict=True):
            rows = np.concatenate([g.rows for g in part.groups]) if part.groups else np.zeros(0, np.int64)
            left = max(0.1, end - time.monotonic())
            if len(rows):
                found = choose(_alone(task, block, rows), gap=self.gap / 4, time_limit_s=left, whole=whole)
                if found.quantity is None:
                    return Chosen(quantity=None, lower_usd=-math.inf)
                quantity[rows], lower = found.quantity, lower + found.lower_usd
        return Chosen(quantity=quantity, lower_usd=lower)

    def done(self) -> bool:
        """Whether the gap is closed."""
        return self.upper - self.lower <= max(self.gap, SURE) * abs(self.upper)

    def _apart(self, end: float) -> None:
        """Close what is left of the gap where the vendors' order covers less than the best order would.

        The program covers as is best; the bill goes by the vendors' order, and costs more where the two differ. What
        the program found is taken out of its box, and the boxes around it are searched while they may hold better.
        """
        if not self.exact or self.done():
            return
        cells, boxes = [p.cells for p in self.laid.parts], [(self.lower, 0, self.least, self.most)]
        for number in range(1, BOXES):
            if not boxes or time.monotonic() > end:
                break
            bound, _, least, most = heapq.heappop(boxes)
            if bound >= self.upper - max(self.gap, SURE) * abs(self.upper):
                boxes = []
                break
            task = dataclasses.replace(self._task(cells), least=least.astype(float), most=most.astype(float))
            found = choose(task, gap=self.gap / 4, time_limit_s=max(0.1, end - time.monotonic()))
            if math.isinf(found.lower_usd) and found.lower_usd > 0:
                continue  # nothing in this box is within the limits
            if found.quantity is None:
                heapq.heappush(boxes, (bound, number * 1000, least, most))
                break
            at = self._whole(found.quantity)
            self.consider(at)
            boxes = [box for box in boxes if box[0] < self.upper]
            for i, around in enumerate(_around(at, least, most)):
                heapq.heappush(boxes, (max(bound, found.lower_usd), number * 1000 + i, *around))
        self.lower = max(self.lower, min([self.upper, *(box[0] for box in boxes)]))

    def _trim(self, end: float) -> None:
        """Leave out, or buy one less of, what over all cells costs more than it saves."""
        for k in np.flatnonzero(self.best > self.least).tolist():
            for less in (int(self.best[k] - self.least[k]), 1):
                if time.monotonic() < end and self.best[k] - less >= self.least[k]:
                    trial = self.best.copy()
                    trial[k] -= less
                    self.consider(trial)

    def futures(self, quantity: Array, cells: list[Cells]) -> Array:
        """Dollars of each future, float [S]."""
        made = np.full(len(self.laid.probability), float(self.laid.fixed_usd @ quantity))
        for part, some in zip(self.laid.parts, cells, strict=True):
            made = made + cost_of(self.laid, part, some, quantity)
        return made

    def objective(self, futures: Array) -> float:
        """Expected cost, and as far as it counts the mean of the worst futures."""
        expected = float(self.laid.probability @ futures)
        return (
            expected
            if not self.weight
            else (1 - self.weight) * expected + self.weight * cvar(futures, self.laid.probability, self.level)
        )

    def allowed(self, quantity: Array) -> bool:
        """Within bounds and limits."""
        inside = (quantity >= self.least).all() and (quantity <= self.most).all()
        return bool(inside) and all(float(row @ quantity) <= limit * (1 + SURE) for row, limit in self.limits)

    def consider(self, quantity: Array) -> None:
        """Keep quantities that are allowed and cheaper than the best, over all cells."""
        if self.allowed(quantity):
            value = self.objective(self.futures(quantity, [p.cells for p in self.laid.parts]))
            if value < self.upper:
                self.best, self.upper = quantity.copy(), value

    def polished(self, quantity: Array, cells: list[Cells], end: float) -> Array:
        """Better whole quantities nearby: one up or down, or exchanged for another, by steps that halve."""
        free = np.flatnonzero(self.most > self.least)
        if not self.allowed(quantity) or not len(free):
            return quantity
        value = self.objective(self.futures(quantity, cells))
        step = np.maximum(1, self.most // 64)
        while time.monotonic() < end:
            better = False
            for change in _changes(free, step, self.laid):
                if time.monotonic() > end:
                    break
                trial = quantity + change
                while self.allowed(trial):
                    cost = self.objective(self.futures(trial, cells))
                    if cost >= value - SURE * abs(value):
                        break
                    quantity, value, better = trial, cost, True
                    trial = quantity + change
            if not better:
                if (step == 1).all():
                    break
                step = np.maximum(1, step // 8)
        return quantity

    def _whole(self, quantity: Array) -> Array:
        """Rounded; down where rounding would break a limit."""
        rounded = np.clip(np.rint(quantity), self.least, self.most).astype(np.int64)
        if self.allowed(rounded):
            return rounded
        return np.clip(np.floor(quantity + 1e-6), self.least, self.most).astype(np.int64)

    def _split(self) -> bool:
        """Split the clusters where the best quantities use up different things in their cells; False if none can be."""
        before = sum(int(k.max(initial=-1)) + 1 for k in self.clusters)
        made = []
        for part, cluster in zip(self.laid.parts, self.clusters, strict=True):
            piece = applied(self.laid, part, part.cells, self.best).piece
            made.append(np.unique(np.stack([cluster, piece]), axis=1, return_inverse=True)[1].reshape(-1))
        after = sum(
            (int(k.max(initial=-1)) + 1) * p.cells.nodes.shape[1] for k, p in zip(made, self.laid.parts, strict=True)
        )
        if after > MANY:
            return False
        self.clusters = made
        return sum(int(k.max(initial=-1)) + 1 for k in made) > before

    def _task(self, cells: list[Cells]) -> Task:
        laid = self.laid
        blocks = [
            Block(
                nodes=some.nodes, hours=some.hours, future=some.future, usd=part.on_demand_usd,
                covers=tuple(
                    Cover(
                        rows=g.rows, takes=g.takes.astype(float),
                        gives=laid.capacity[g.rows, None] * laid.active[g.rows][:, some.stretch],
                    ) for g in part.groups
                ),
            ) for part, some in zip(laid.parts, cells, strict=True)
        ]  # fmt: skip
        return Task(
            blocks=blocks, fixed_usd=laid.fixed_usd, least=self.least.astype(float), most=self.most.astype(float),
            probability=laid.probability, on_demand_usd=laid.on_demand_usd, risk_weight=self.weight,
            cvar_level=self.level, limits=self.limits,
        )  # fmt: skip


def _alone(task: Task, block: Block, rows: Array) -> Task:
    """One part of a task as a task of its own, whose bound is what its commitments save (below 0)."""
    place = np.full(len(task.fixed_usd), -1)
    place[rows] = np.arange(len(rows))
    covers = tuple(dataclasses.replace(cover, rows=place[cover.rows]) for cover in block.covers)
    return dataclasses.replace(
        task,
        blocks=[dataclasses.replace(block, covers=covers)],
        fixed_usd=task.fixed_usd[rows],
        least=task.least[rows],
        most=task.most[rows],
        on_demand_usd=np.zeros_like(task.on_demand_usd),
    )


def _around(at: Array, least: Array, most: Array) -> Iterator[tuple[Array, Array]]:
    """Boxes that hold all of a box but one point of it."""
    for k in np.flatnonzero(most > least).tolist():
        for low, high in ((least[k], at[k] - 1), (at[k] + 1, most[k])):
            if low <= high:
                below, above = least.copy(), most.copy()
                below[k], above[k] = low, high
                below[:k] = above[:k] = at[:k]
                yield below, above


def cvar(futures: Array, probability: Array, level: float) -> float:
    """Mean cost of the worst futures, those that together have the probability 1 − level."""
    order, tail = np.argsort(-futures), 1 - level
    taken = np.diff(np.minimum(np.cumsum(probability[order]), tail), prepend=0.0)
    return float(taken @ futures[order] / tail)


def most(reserve: Reserve, laid: Laid) -> Array:
    """Quantities beyond which a commitment alone has capacity to spare in every hour, int64 [K]."""
    c = reserve.choices
    made = np.zeros(len(c), dtype=np.int64)
    for part in laid.parts:
        for group in part.groups:
            wanted = part.cells.nodes @ group.takes.astype(float)
            peak = np.zeros(laid.active.shape[1])
            np.maximum.at(peak, part.cells.stretch, wanted)
            alone = (laid.active[group.rows] * peak).max(axis=1, initial=0.0) / laid.capacity[group.rows]
            made[group.rows] = np.ceil(alone - SURE)
    made = np.where(c.most >= 0, np.minimum(made, c.most), made)
    return np.asarray(np.where(c.owned > 0, c.owned, made))


def _first(cells: Cells, usd: Array) -> Array:
    """Clusters to begin with: by future, stretch, and four levels of what the nodes cost on demand."""
    worth = cells.nodes @ usd
    key = cells.future * (int(cells.stretch.max(initial=0)) + 1) + cells.stretch
    order = np.lexsort((worth, key))
    hours = np.cumsum(cells.hours[order])
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    before = np.concatenate([[0.0], hours])[begins]
    of = np.cumsum(np.diff(key[order], prepend=-1) != 0) - 1
    total = np.diff(np.concatenate([before, hours[-1:]]))
    quarter = np.minimum(4 * (hours - cells.hours[order] / 2 - before[of]) / total[of], 3).astype(np.int64)
    made = np.empty(len(key), dtype=np.int64)
    made[order] = of * 4 + quarter
    return np.unique(made, return_inverse=True)[1].reshape(-1)


def _changes(free: Array, step: Array, laid: Laid) -> Iterator[Array]:
    """Single quantities up and down, and exchanges within a part."""
    count = len(step)
    for k in free.tolist():
        for sign in (1, -1):
            change = np.zeros(count, dtype=np.int64)
            change[k] = sign * step[k]
            yield change
    free_rows = set(free.tolist())
    for part in laid.parts:
        mine = [int(k) for g in part.groups for k in g.rows.tolist() if int(k) in free_rows]
        for a in mine:
            for b in mine:
                if a != b:
                    change = np.zeros(count, dtype=np.int64)
                    change[a], change[b] = step[a], -max(1, round(step[a] * laid.capacity[a] / laid.capacity[b]))
                    yield change


def _limits(reserve: Reserve, laid: Laid) -> list[tuple[Array, float]]:
    """Rows of the quantities and what they may add up to: cash paid at once; dollars an hour in each stretch of time.

    What is owned already does not count.
    """
    c, aim, made = reserve.choices, reserve.aim, list[tuple[Array, float]]()
    new = (c.owned == 0).astype(float)
    if aim.upfront_max_micro_usd is not None:
        made.append((c.upfront_micro_usd * new / 1e6, aim.upfront_max_micro_usd / 1e6))
    if aim.hourly_max_micro_usd is not None:
        rate = (c.micro_usd_per_hour + c.upfront_micro_usd / (c.last_hour - c.first_hour)) * new / 1e6
        made += [(rate * active, aim.hourly_max_micro_usd / 1e6) for active in np.unique(laid.active.T, axis=0)]
    return made
