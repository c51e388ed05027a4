"""Our own: the best decision of a Markov decision process whose rates are learnt from the market as it goes on.

The process (`solver.replay.values`) is solved for rates on a coarse logarithmic lattice, and a job follows the solution
nearest to what its market has shown until now (`solver.replay.watch`). Of the zones that are up it starts in the one
with the least price, the cost of losing it included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...spot.risk import UP_SCALE_HOURS
from ..jobs import IDLE, ON_DEMAND, SPOT, TINY, Case, State
from ..values import MOST_ABOVE, ROW, Grid, K, Process, age_class, between, columns, length_class, table
from ..watch import Watch
from .base import Array, Choose, Policy

LATTICE = 2.0  # neighbouring rates differ by this factor
RATES = (-3, 2)  # exponents of it
PARTS = 5  # of the probability that another zone is up
PRICE_PARTS = 50
REVIEW_HOURS = 6.0  # between looks at the rates


@dataclass(frozen=True, slots=True)
class MarkovDecision(Policy):
    """Decides by least expected cost.

    most_loss: no move after which the job, were spot lost at once, might cost more than this share above on
    demand alone; so no job ever does. None leaves it to expectation.
    """

    name: ClassVar[str] = "markov"
    title: ClassVar[str] = "Markov decisions"
    most_loss: float | None = 0.05

    def begin(self, case: Case) -> Choose:
        """Watches the market, solves what is met; jobs of each class of length in steps of their own.

        Zones that cost as much as on demand are left alone.
        """
        cheap = case.prices.spot_usd_per_hour < case.prices.on_demand_usd_per_hour
        watch = Watch(case.up & cheap[:, None], case.market.gap_hours)
        lengths = length_class(case.jobs.deadline_hours)
        groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
        deciders = [_Decider(replace(case, jobs=case.jobs.take(g)), watch, self.most_loss) for g in groups]

        def choose(s: State) -> Array:
            chosen = np.full(len(s.mode), IDLE)
            for rows, decider in zip(groups, deciders, strict=True):
                mine = s.take(rows)
                chosen[rows] = decider.choose(replace(mine, up=mine.up & cheap))
            return chosen

        return choose


class _Decider:
    def __init__(self, case: Case, watch: Watch, most_loss: float | None) -> None:
        jobs, self.prices = case.jobs, case.prices
        self.case, self.watch, self.most_loss = case, watch, most_loss
        length = float(length_class(jobs.deadline_hours)[0])
        self.grid = Grid.of(length, float((jobs.deadline_hours - jobs.work_hours).max()))
        self.on_demand_usd = jobs.on_demand_usd(case.prices)
        self.known: dict[tuple[float, ...], int] = {}
        self.tables = np.zeros(self.room(0), dtype=np.float16)
        self.columns = columns()
        self.review = max(1, round(REVIEW_HOURS / case.market.gap_hours))
        self.ticks = 0
        self.row, self.shapes = np.zeros(0, dtype=np.int64), np.zeros(0)

    def room(self, tables: int) -> tuple[int, ...]:
        """Shape of so many tables."""
        return tables, -(-self.grid.times // ROW), self.grid.slacks, 8 * K + 1

    def choose(self, s: State) -> Array:
        """A mode for each job."""
        if self.ticks % self.review == 0:
            self.shapes = self.watch.loss_shape(s.tick)
            self.row = self._rows(s)
        self.ticks += 1
        every, step = np.arange(len(s.tick)), self.grid.step_hours
        zone = np.where(s.mode >= SPOT, s.mode - SPOT, self._best_zone(s))
        age = np.where(s.any_up, self.watch.age[zone, s.tick], self.watch.none_age[s.tick])
        x = age_class(age) + np.where(s.any_up, 0, K)
        # time is rounded up at the same slack: rounded down, what little work is left would count as done
        time = np.clip(np.ceil(s.hours_left / (ROW * step) - TINY).astype(np.int64), 1, self.tables.shape[1] - 1)
        at = np.clip((s.hours_left - s.work_hours - s.boot_hours) / step, 0, self.grid.slacks - 1 - TINY)
        low = at.astype(np.int64)
        where = (self.row[:, None], time[:, None]), self.columns[np.minimum(s.mode, SPOT), x]
        below, above = (self.tables[*where[0], row[:, None], where[1]].astype(float) for row in (low, low + 1))
        best = between(below, above, (at - low)[:, None], MOST_ABOVE / 2).argmin(axis=1)
        chosen = np.where(best == SPOT, SPOT + zone, best)
        chosen = np.where((chosen >= SPOT) & ~s.up[every, zone], IDLE, chosen)
        return self._within_loss(chosen, s)

    def _best_zone(self, s: State) -> Array:
        """The zone that is up with the least price, losses included; any where none is up."""
        rate = self.shapes / (UP_SCALE_HOURS + self.watch.age[:, s.tick])
        cost = self.prices.spot_usd_per_hour[:, None] * (1 + rate * self.case.jobs.restart_hours)
        return np.asarray(np.where(s.up.T, cost, np.inf).argmin(axis=0))

    def _rows(self, s: State) -> Array:
        """The row of `tables` that each job follows; solves what is new."""
        log = np.log(LATTICE)
        pooled = self.watch.pooled_loss_shape(s.tick, self.shapes)
        loss, back = (np.clip(np.rint(np.log(v) / log), *RATES) for v in (pooled, self.watch.return_shape(s.tick)))
        another = np.rint(self.watch.another_up(s.tick) * PARTS)
        price = min(1.0, float(self.prices.spot_usd_per_hour.min() / self.prices.on_demand_usd_per_hour))
        found = np.stack([loss, back, another, self.case.jobs.restart_hours], axis=1)
        return np.array([self._row((*key, price)) for key in found.tolist()], dtype=np.int64)

    def _row(self, key: tuple[float, ...]) -> int:
        loss, back, another, restart, price = key
        if key not in self.known:
            process = Process(
                loss_shape=LATTICE**loss, return_shape=LATTICE**back, another_up=another / PARTS, restart_hours=restart,
                spot_price=max(1, round(price * PRICE_PARTS)) / PRICE_PARTS,
            )  # fmt: skip
            row = self.known[key] = len(self.known)
            if row == len(self.tables):  # twice as many places, so that few copies are made
                self.tables = np.concatenate([self.tables, np.zeros_like(self.tables, shape=self.room(max(1, row)))])
            self.tables[row] = table(process, self.grid)
        return self.known[key]

    def _within_loss(self, chosen: Array, s: State) -> Array:
        """On demand instead of a move that might cost too much."""
        if self.most_loss is None:
            return chosen
        restart, price = self.case.jobs.restart_hours, self.prices.by_mode
        worst = s.usd + price[chosen] * restart + price[ON_DEMAND] * (s.work_hours + restart)
        leaves = (chosen != ON_DEMAND) & (chosen != s.mode)
        return np.where(leaves & (worst > (1 + self.most_loss) * self.on_demand_usd), ON_DEMAND, chosen)
