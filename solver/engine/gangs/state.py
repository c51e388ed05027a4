"""What a search for a schedule of gangs knows so far, and its clock."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from . import prices as pricing
from .board import Assignment, Terms
from .straight import Straight
from .tiers import useful_nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .run import GangTask

Array = np.ndarray[Any, np.dtype[Any]]
MOST_BLOCKS = 8  # supplies with an upfront payment that are tried open and closed one by one


class State:
    """The best schedule and bound, whom to tell of them, and how long there is."""

    def __init__(
        self, task: GangTask, report: Callable[[str, float, float], None], keep: Callable[[Assignment, float], None]
    ) -> None:
        """No schedule yet, and no bound."""
        self.task, self.report, self.keep = task, report, keep
        self.start = time.monotonic()
        self.problem = task.problem
        self.nodes = useful_nodes(task.problem)
        self.terms = Terms(task.problem, self.nodes)
        self.best: Assignment | None = None
        self.lower = 0
        self.incomplete: Assignment | None = None  # of a problem in which not all that must can run
        self.impossible = False
        self.bound = pricing.Bound(
            prices=np.zeros((len(task.problem.pools), task.problem.hours), dtype=np.int64), micro_usd=0,
            iterations=0,
        )  # fmt: skip
        self.relaxation = pricing.Relaxation(task.problem, self.nodes)
        self.straight = Straight.fits(self.relaxation)  # whether ways to run through can all be compared at once

    def left(self) -> float:
        """Seconds left."""
        if self.task.deterministic:
            return math.inf
        return self.task.time_limit_s - (time.monotonic() - self.start)

    def past(self, share: float) -> bool:
        """Whether this share of the time limit is gone."""
        return self.left() < (1 - share) * self.task.time_limit_s

    def reached(self) -> bool:
        """Whether the gap is small enough."""
        return self.best is not None and self.best.micro_usd - self.lower <= self.task.gap * self.best.micro_usd

    def tell(self, phase: str) -> None:
        """Report bound and bill."""
        self.report(phase, self.lower / 1e6, math.inf if self.best is None else self.best.micro_usd / 1e6)

    def take(self, found: Assignment, missing: int, phase: str) -> bool:
        """Keep a schedule if it is the best so far and runs all that must."""
        if missing or (self.best is not None and found.micro_usd >= self.best.micro_usd):
            return False
        self.best = found
        self.keep(found, self.lower / 1e6)
        self.tell(phase)
        return True

    def raise_bound(self, micro_usd: float) -> None:
        """No schedule costs less, but for rounding where the number is no whole one."""
        if math.isfinite(micro_usd):
            self.lower = max(self.lower, math.ceil(micro_usd - 1e-6 * max(1.0, abs(micro_usd)) * 1e-6))

    def openings(self) -> list[Array]:
        """Which supplies with an upfront payment to open: none, all, each alone."""
        upfront = self.problem.upfront
        made = [~upfront]
        if upfront.any():
            made.append(np.ones_like(upfront))
            rows = np.flatnonzero(upfront)
            if 1 < len(rows) <= MOST_BLOCKS:
                made += [~upfront | (np.arange(len(upfront)) == row) for row in rows]
        return made

    def orders(self) -> list[list[int]]:
        """Earliest deadline first; least slack first; largest first."""
        j, o = self.problem.jobs, self.problem.options
        shortest, area = np.full(len(j.name), 1 << 40, dtype=np.int64), np.zeros(len(j.name), dtype=np.int64)
        np.minimum.at(shortest, o.job, o.hours)
        np.maximum.at(area, o.job, o.hours * o.nodes)
        must = ~j.must_run
        keys = (j.deadline, j.deadline - j.release - shortest, -area)
        return [np.lexsort((key, must)).tolist() for key in keys]

    def keep_prices(self, prices: Array) -> None:
        """Value prices exactly, and keep them if they bound more."""
        whole = np.rint(prices).astype(np.int64)
        found = self.relaxation.bound(whole)
        if found > self.bound.micro_usd or not self.bound.prices.any():
            self.bound = pricing.Bound(prices=whole, micro_usd=found, iterations=0)
        self.raise_bound(found)
