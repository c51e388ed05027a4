"""The Markov decision process of one job, solved exactly by backward induction over time left and slack.

State: hours left, slack (hours left less hours of work left), what the job is on, and what is known of spot: for how
long the best zone has been up, or for how long none has been, in classes of age. Spells of either kind end at the rate
shape ÷ (scale + age), as in `solver.spot.risk`; when the zone in use is lost, another is up with the probability
`another_up`. Of each state the value is the least expected cost from there, in hours of on-demand price:

    V(t, s, m, x) = min over modes n of   price[n] · dt + d · [a start]  +  E V(t − dt, s', n, x')

with s' = s − dt when idle, s while running; a start takes d of slack at once, what is not spent of it when the zone is
lost before it is over comes back. Where the slack is less than d, on demand to the end is all that is left.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..spot.risk import DOWN_SCALE_HOURS, UP_SCALE_HOURS
from .jobs import TINY

Array = np.ndarray[Any, np.dtype[Any]]
AGES_HOURS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0])  # classes of age begin here
OLDEST_HOURS = 96.0  # where the last class is taken to end
K = len(AGES_HOURS)
FRESH = np.array([0.20, 0.15, 0.15, 0.15, 0.12, 0.10, 0.07, 0.04, 0.02])  # ages of zones as seen when another is lost
NEVER = 1e6
MOST_STEPS = 640
FINEST_HOURS = 0.25
LENGTHS_HOURS = (2.5, 20.0, 160.0)  # longer classes of jobs double; each is solved in MOST_STEPS
ROW = 2  # of the steps of time, each so many-th is kept
TABLES_KEPT = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What decides: shapes of spells up and down, whether another zone is up when one is lost, restart, spot's price.

    `spot_price` is a share of the on-demand price.
    """

    loss_shape: float
    return_shape: float
    another_up: float
    restart_hours: float
    spot_price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Steps of time and slack: both are multiples of `step_hours`."""

    step_hours: float
    times: int
    slacks: int

    @classmethod
    def of(cls, longest_hours: float, most_slack_hours: float) -> Grid:
        """For jobs of a class of length (`length_class`), with no more slack than this."""
        step = longest_hours / MOST_STEPS
        return cls(step_hours=step, times=ROW * math.ceil(longest_hours / step / ROW) + ROW,
                   slacks=math.ceil(most_slack_hours / step) + 2)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moves:
    """How classes of age follow one another in a step: up [K, 2K] kept and lost, any state [2K, 2K]."""

    kept: Array
    lost: Array
    every: Array
    loss: Array  # [K]


def age_class(hours: Array) -> Array:
    """Class of an age."""
    return np.searchsorted(AGES_HOURS, hours, side="right") - 1


def moves(p: Process, step: float) -> Moves:
    """Probabilities of a step."""
    middle = np.append((AGES_HOURS[1:] + AGES_HOURS[:-1]) / 2, OLDEST_HOURS / 2)
    older = np.minimum(step / np.append(np.diff(AGES_HOURS), np.inf), 1.0)
    loss = 1 - ((UP_SCALE_HOURS + middle) / (UP_SCALE_HOURS + middle + step)) ** p.loss_shape
    back = 1 - ((DOWN_SCALE_HOURS + middle) / (DOWN_SCALE_HOURS + middle + step)) ** p.return_shape
    stay = np.diag(1 - older) + np.diag(older[:-1], 1)
    every = np.zeros((2 * K, 2 * K))
    every[:K, :K] = (1 - loss)[:, None] * stay
    kept = every[:K].copy()
    every[:K, :K] += loss[:, None] * p.another_up * FRESH / FRESH.sum()
    every[:K, K] += loss * (1 - p.another_up)
    every[K:, K:] = (1 - back)[:, None] * stay
    every[K:, 0] = back
    return Moves(kept=kept[:, :K], lost=every[:K] - kept, every=every, loss=loss)


@dataclass(frozen=True, slots=True)
class Costs:
    """Least expected cost from here, by what is done now; [S, 2K] or, of spot, [S, K]."""

    idle: Array  # nothing
    start: Array  # a start on demand
    on_demand: Array  # on demand still
    begin: Array  # a start on spot
    spot: Array  # on spot still

    def above_least(self) -> Array:
        """How much each is above the least of them for its class, float16 [S, 8K]."""
        least = np.minimum(np.minimum(self.idle, self.start), self.on_demand)
        least[:, :K] = np.minimum(least[:, :K], np.minimum(self.begin, self.spot))
        parts = (self.idle - least, self.start - least, self.on_demand - least,
                 self.begin - least[:, :K], self.spot - least[:, :K])  # fmt: skip
        return np.asarray(np.minimum(np.hstack(parts), MOST_ABOVE).astype(np.float16))


MOST_ABOVE = 6e4  # what float16 holds; a column of it stands for what cannot be done


def columns() -> Array:
    """Where the costs of IDLE, ON_DEMAND and SPOT stand for each mode and class, int64 [3, 2K, 3]; 8K is never."""
    x = np.arange(2 * K)
    start_spot, stay_spot = np.where(x < K, 6 * K + x, 8 * K), np.where(x < K, 7 * K + x, 8 * K)
    idle = np.stack([x, 2 * K + x, start_spot], axis=1)
    on_demand = np.stack([x, 4 * K + x, start_spot], axis=1)
    return np.stack([idle, on_demand, np.stack([x, 2 * K + x, stay_spot], axis=1)])


class Induction:
    """Values of all states at one time left, and the step to a little more time left."""

    def __init__(self, process: Process, grid: Grid) -> None:
        """With no time left, nothing is left to pay."""
        self.p, self.dt, self.n = process, grid.step_hours, 0
        self.slack = np.arange(grid.slacks)[:, None] * grid.step_hours
        self.moves = moves(process, self.dt)
        self.idle = np.zeros((grid.slacks, 2 * K))
        self.on_demand = np.zeros((grid.slacks, 2 * K))
        boots = min(math.ceil(process.restart_hours / self.dt - TINY), grid.times)
        self.spot = [np.zeros((grid.slacks, K)) for _ in range(boots + 1)]  # by steps since the start

    def step(self) -> Costs:
        """One step more of time left."""
        self.n += 1
        p, dt, d, every = self.p, self.dt, self.p.restart_hours, self.moves.every
        work = np.maximum(self.n * dt - self.slack, 0.0)
        over, run = work <= dt + TINY, np.minimum(work, dt)
        forced = work + d  # on demand to the end
        idle = np.vstack([forced[:1] + np.zeros((1, 2 * K)), (self.idle @ every.T)[:-1]])
        idle = np.where(self.slack < d + dt - TINY, NEVER + forced, idle)
        on_demand = run + np.where(over, 0.0, self.on_demand @ every.T)
        spot = [p.spot_price * run + np.where(over, 0.0, value) for value in self._on_spot(work)]
        begin = self._after_start(spot[0], NEVER + forced)
        costs = Costs(idle, self._after_start(on_demand, forced), on_demand, begin, spot[-1])
        self._settle(work, forced, costs, spot)
        return costs

    def _on_spot(self, work: Array) -> list[Array]:
        """What comes after a step on spot, by steps since the start."""
        d, dt, slacks = self.p.restart_hours, self.dt, len(self.slack)
        after_loss, made = self.idle @ self.moves.lost.T, []
        for boot, _ in enumerate(self.spot):
            refund = max(d - (boot + 0.5) * dt, 0.0) if boot < len(self.spot) - 1 else 0.0
            lost = _interpolated(after_loss, np.arange(slacks) + refund / dt)
            stranded = self.moves.loss * np.maximum(work - dt + d - refund, 0.0)
            lost = np.where(self.slack + refund < d - TINY, stranded, lost)
            following = self.spot[min(boot + 1, len(self.spot) - 1)]
            made.append(following @ self.moves.kept.T + lost)
        return made

    def _after_start(self, value: Array, otherwise: Array) -> Array:
        """A value after d of slack has gone; where there is not so much, something else."""
        shift = self.p.restart_hours / self.dt
        at = np.arange(len(value)) - shift
        return np.where((at < -TINY)[:, None], otherwise, _interpolated(value, at))

    def _settle(self, work: Array, forced: Array, costs: Costs, spot: list[Array]) -> None:
        none, begin = work <= TINY, np.hstack([costs.begin, np.full_like(costs.begin, NEVER)])
        least = np.minimum(costs.idle, costs.start)
        self.idle = np.where(none, 0.0, np.minimum(np.minimum(least, begin), forced))
        self.on_demand = np.where(none, 0.0, np.minimum(np.minimum(costs.on_demand, costs.idle), begin))
        self.spot = [np.where(none, 0.0, np.minimum(value, least[:, :K])) for value in spot]


def between(below: Array, above: Array, share: Array, barred: float) -> Array:
    """Values between two rows; where one of them is barred, the other: whether there is time is for others to say."""
    made = below + share * (above - below)
    made = np.where(below >= barred, above, np.where(above >= barred, below, made))
    return np.where(share <= TINY, below, made)


def length_class(hours: Array) -> Array:
    """The least length of the classes that jobs of so many hours fit in, float [J]."""
    doubled = LENGTHS_HOURS[-1] * 2.0 ** np.ceil(np.log2(np.maximum(hours / LENGTHS_HOURS[-1], 1.0)))
    for length in LENGTHS_HOURS[-2::-1]:
        doubled = np.where(hours <= length, length, doubled)
    return np.asarray(doubled)


def _interpolated(values: Array, at: Array) -> Array:
    """Rows of a table between rows, kept within it."""
    at = np.clip(at, 0, len(values) - 1)
    low = np.minimum(at.astype(np.int64), len(values) - 2)
    share = (at - low)[:, None]
    return np.asarray((1 - share) * values[low] + share * values[low + 1])


@functools.lru_cache(maxsize=TABLES_KEPT)
def table(process: Process, grid: Grid) -> Array:
    """What each choice costs above the least, float16 [times ÷ ROW, slacks, 8K + 1]; see `columns`."""
    induction = Induction(process, grid)
    made = np.full((-(-grid.times // ROW), grid.slacks, 8 * K + 1), MOST_ABOVE, dtype=np.float16)
    for n in range(1, grid.times):
        costs = induction.step()
        if n % ROW == 0:
            made[n // ROW, :, : 8 * K] = costs.above_least()
    made[0] = made[1] if len(made) > 1 else made[0]
    made.setflags(write=False)
    return made


def expected_hours(process: Process, hours_left: float, slack_hours: float, mode: int, x: int) -> tuple[float, ...]:
    """Least expected cost of being idle, on demand and on spot now, in hours of on-demand price; inf where barred.

    Args:
        process: what decides.
        hours_left: until the deadline.
        slack_hours: hours left less hours of work left.
        mode: what the job is on.
        x: class of age of spot, K + class where no zone is up.
    """
    steps = max(1, min(MOST_STEPS, math.ceil(hours_left / FINEST_HOURS)))
    step = hours_left / steps
    grid = Grid(step_hours=step, times=steps + 1, slacks=math.ceil(max(slack_hours, 0.0) / step) + 2)
    induction = Induction(process, grid)
    for _ in range(steps - 1):
        induction.step()
    costs = induction.step()
    every = np.hstack(
        [costs.idle, costs.start, costs.on_demand, costs.begin, costs.spot, np.full_like(costs.idle, NEVER)]
    )
    at = max(slack_hours, 0.0) / step
    low, wanted = min(int(at), len(every) - 2), columns()[min(mode, 2), x]
    found = between(every[low, wanted], every[low + 1, wanted], np.array(at - low), NEVER / 2)
    return tuple(float(value) if value < NEVER / 2 else math.inf for value in found)
