"""The risk of a spot pool: how long its capacity lasts, how long it stays away, and how often it will be lost.

A pool is up while so many instances of it are to be had at once, else down. Spells of either kind are Lomax: one
that is a hours old ends at the rate

    k / (s + a)  an hour,      P(it lasts h hours more) = ((s + a) / (s + a + h))^k

which is what exponential spells make together when the rate of each is drawn anew from Gamma(shape k, s hours):
capacity that has just come back is soon lost again, so losses come in bursts; what has lasted for a day lasts on. The
scales s are stated below; the shapes k are the pool's own. With d ends of spells seen over an exposure
x = Σ ln((s + end) / (s + start)), taken to end half way in a tick, a Gamma(e, e / m) prior of k, worth e ends seen,
becomes Gamma(e + d, e / m + x); losses in a window come from paths drawn with k from there, so they are as uncertain
as k is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
UP_SCALE_HOURS, DOWN_SCALE_HOURS = 0.6, 0.5  # of V100 and K80 on AWS, 2022 and 2023, all pools alike
PRIOR_SHAPE, PRIOR_ENDS = 1.0, 2.0  # mean shape of both kinds of spells, and how many ends seen it is worth
PRIOR_INTERRUPTIONS_PER_MONTH = 0.25  # what the advisor says of the pools the shape is from: above 20 %
PATHS, SPELLS = 2000, 20_000
LEVEL = 0.9
MOST_HOURS = 24 * 366
MOST_SHAPE = 1000.0  # spells of seconds
MOST_WINDOWS = 60


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a shape k: Gamma with so many ends seen over an exposure, in logs of hours; prior included."""

    ends: float
    exposure: float

    @property
    def mean(self) -> float:
        """Its mean."""
        return self.ends / self.exposure

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Its central interval."""
        from scipy.special import gammaincinv

        low, high = (float(gammaincinv(self.ends, q)) / self.exposure for q in ((1 - level) / 2, (1 + level) / 2))
        return low, high


@dataclass(frozen=True, slots=True)
class Count:
    """A number to come: its mean, the shortest interval that holds it with the probability asked for, probabilities."""

    mean: float
    low: int
    high: int
    probability: Array  # [K] of 0, 1, 2, …

    def quantile(self, levels: Array) -> Array:
        """The least numbers not exceeded with these probabilities [Q], int64 [Q]."""
        return np.minimum(np.searchsorted(np.cumsum(self.probability), levels), len(self.probability) - 1)


@dataclass(frozen=True, slots=True)
class Paths:
    """What may come: losses int64 [P] and the share of time up float [P] of a window, in P equally likely futures."""

    losses: Array
    share_up: Array

    def count(self, level: float = LEVEL) -> Count:
        """Losses, in the shortest interval with at least this probability."""
        probability = np.bincount(self.losses) / len(self.losses)
        low, high = shortest(probability, level)
        return Count(float(self.losses.mean()), low, high, probability)

    def share(self, level: float = LEVEL) -> tuple[float, float, float]:
        """Share of time up: its mean, and the shortest interval with at least this probability."""
        ordered = np.sort(self.share_up)
        size = min(len(ordered), int(np.ceil(level * len(ordered) - 1e-9)))
        first = int(np.argmin(ordered[size - 1 :] - ordered[: len(ordered) - size + 1]))
        return float(ordered.mean()), float(ordered[first]), float(ordered[first + size - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRisk:
    """A pool as it is known now; made by `prior_of` for one never seen, by `seen` from a trace.

    up, age_hours: whether it is up, and for how long it has been so.
    ups, downs: shapes of its spells.
    hours: seen, 0 of a pool without data: then it is one whose capacity has just come.
    """

    ups: Shape
    downs: Shape
    up: bool = True
    age_hours: float = 0.0
    hours: float = 0.0

    @classmethod
    def prior_of(cls, interruptions_per_month: float = PRIOR_INTERRUPTIONS_PER_MONTH) -> Self:
        """A pool without data.

        The advisor's interruptions a month order pools, and traces give the level: the shape grows in proportion from
        the one that was found where the advisor says 0.25.
        """
        shape = PRIOR_SHAPE * interruptions_per_month / PRIOR_INTERRUPTIONS_PER_MONTH
        if not 0 < shape <= MOST_SHAPE:
            said = f"interruptions_per_month is {interruptions_per_month!r:.60}"
            raise InputError(said, where="spot risk", mend="give a number above 0, as the advisor's 0.25")
        return cls(ups=Shape(PRIOR_ENDS, PRIOR_ENDS / shape), downs=Shape(PRIOR_ENDS, PRIOR_ENDS / PRIOR_SHAPE))

    def loss_per_hour(self, age_hours: float | None = None) -> float:
        """Rate at which capacity that is had is lost, an hour, at an age; as it is now without one."""
        age = self.age_hours if age_hours is None and self.up else age_hours or 0.0
        return self.ups.mean / (UP_SCALE_HOURS + age)

    def lasts(self, hours: float) -> float:
        """Probability that the spell there is now lasts so many hours more, over all that its shape may be."""
        shape, scale = (self.ups, UP_SCALE_HOURS) if self.up else (self.downs, DOWN_SCALE_HOURS)
        more = np.log1p(hours / (scale + self.age_hours))
        return float((shape.exposure / (shape.exposure + more)) ** shape.ends)

    def paths(self, hours: float, *, paths: int = PATHS, seed: int = 0) -> Paths:
        """Futures of the next hours.

        Raises:
            InputError: hours that are not above 0 and at most a year.
        """
        if not 0 < hours <= MOST_HOURS:
            raise InputError(f"a window of {hours!r:.60} hours", where="spot risk", mend=f"above 0, up to {MOST_HOURS}")
        rng = np.random.default_rng(seed)
        known = ((self.downs, DOWN_SCALE_HOURS), (self.ups, UP_SCALE_HOURS))
        shapes = [np.maximum(rng.gamma(s.ends, 1 / s.exposure, paths), 1e-3) for s, _ in known]
        time, up_hours = np.zeros(paths), np.zeros(paths)
        losses = np.zeros(paths, dtype=np.int64)
        up, age = self.up, self.age_hours
        for _ in range(SPELLS):
            scale = known[up][1]
            draws = np.minimum(-np.log1p(-rng.random(paths)) / shapes[up], 50.0)  # e^50 hours are for ever
            ends = time + (scale + age) * np.expm1(draws)
            if up:
                up_hours += np.minimum(ends, hours) - np.minimum(time, hours)
                losses += ends < hours
            time, up, age = ends, not up, 0.0
            if (time >= hours).all():
                break
        return Paths(losses, up_hours / hours)

    def preemptions(self, hours: float, level: float = LEVEL, *, seed: int = 0) -> Count:
        """How often capacity will be lost in the next hours, if it is held whenever it is there."""
        return self.paths(hours, seed=seed).count(level)


def shortest(probability: Array, level: float) -> tuple[int, int]:
    """The shortest run of whole numbers with at least this probability [K]; of several, the one that begins first."""
    below = np.concatenate([[0.0], np.cumsum(probability)])
    ends = np.searchsorted(below, below[:-1] + level * below[-1] - 1e-12) - 1
    fits = ends < len(probability)
    size = np.where(fits, ends - np.arange(len(ends)), len(ends))
    low = int(size.argmin())
    return low, int(max(ends[low], low))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything known of Z pools after each of T ticks: bool and float [Z, T]; ends and exposures without a prior."""

    gap_hours: float
    up: Array
    age_hours: Array
    up_ends: Array
    up_exposure: Array
    down_ends: Array
    down_exposure: Array

    def risk(self, pool: int, ticks: int, prior: PoolRisk | None = None) -> PoolRisk:
        """A pool as known after so many ticks, from a prior; before the first of them, the prior."""
        prior = prior or PoolRisk.prior_of()
        if ticks < 1:
            return prior
        at = pool, ticks - 1
        return PoolRisk(
            ups=Shape(prior.ups.ends + self.up_ends[at], prior.ups.exposure + self.up_exposure[at]),
            downs=Shape(prior.downs.ends + self.down_ends[at], prior.downs.exposure + self.down_exposure[at]),
            up=bool(self.up[at]),
            age_hours=float(self.age_hours[at]),
            hours=ticks * self.gap_hours,
        )

    def loss_per_hour(self, prior: PoolRisk | None = None) -> Array:
        """Rate at which what is up would be lost next, after each tick, float [Z, T]; of what is down, at age 0."""
        prior = prior or PoolRisk.prior_of()
        shape = (prior.ups.ends + self.up_ends) / (prior.ups.exposure + self.up_exposure)
        return np.asarray(shape / (UP_SCALE_HOURS + np.where(self.up, self.age_hours, 0.0)))


def seen(up: Array, gap_hours: float) -> Seen:
    """What each tick of a trace teaches: up bool [Z, T]; up in one tick and down in the next, a spell has ended."""
    up = np.atleast_2d(np.asarray(up, dtype=bool))
    pools, ticks = up.shape
    if not ticks:
        raise InputError("a trace without ticks", where="spot risk")
    ended = np.zeros((pools, ticks), dtype=bool)
    ended[:, 1:] = up[:, 1:] != up[:, :-1]
    age = ticks_since(ended) * gap_hours
    was, old = up[:, :-1], age[:, :-1]
    scale = np.where(was, UP_SCALE_HOURS, DOWN_SCALE_HOURS)
    more = np.log1p(gap_hours / (scale + old)) * np.where(ended[:, 1:], 0.5, 1.0)  # it ended half way, on the whole

    def summed(values: Array) -> Array:
        return np.concatenate([np.zeros((pools, 1)), np.cumsum(values, axis=1)], axis=1)

    return Seen(
        gap_hours=gap_hours,
        up=up,
        age_hours=age,
        up_ends=summed(ended[:, 1:] & was),
        up_exposure=summed(np.where(was, more, 0.0)),
        down_ends=summed(ended[:, 1:] & ~was),
        down_exposure=summed(np.where(was, 0.0, more)),
    )


def ticks_since(events: Array) -> Array:
    """Ticks since the last event of each row, or since its first tick; int64 [Z, T] from bool [Z, T]."""
    place = np.broadcast_to(np.arange(events.shape[1]), events.shape)
    return np.asarray(place - np.maximum.accumulate(np.where(events, place, 0), axis=1))


@dataclass(slots=True)
class Level:
    """The level to ask for, so that intervals hold as often as they say: adaptive conformal inference.

    After Gibbs and Candès (2021): every miss widens the next intervals, every hit narrows them a little.
    """

    aim: float = LEVEL
    step: float = 0.02
    now: float = LEVEL

    def saw(self, *, inside: bool) -> None:
        """Learn whether the last interval held."""
        self.now = float(np.clip(self.now + self.step * (self.aim - inside), 0.5, 0.998))


def ahead(found: Seen, pool: int, hours: float, level: float = LEVEL, *, prior: PoolRisk | None = None) -> Count:
    """Pre-emptions of a pool in the next hours after its trace, at a level that adapts to its windows until now.

    As many windows of this length as the trace has, at most 60, are predicted one after the other from what came before
    each, and what they teach of intervals goes into the last.
    """
    size = max(1, round(hours / found.gap_hours))
    up = found.up[pool]
    lost = np.concatenate([[False], up[:-1] & ~up[1:]])
    asked = Level(aim=level, now=level)
    for back in range(min(MOST_WINDOWS, up.size // size), 0, -1):
        start = up.size - back * size
        said = found.risk(pool, start, prior).preemptions(hours, asked.now, seed=start)
        asked.saw(inside=said.low <= lost[start : start + size].sum() <= said.high)
    return found.risk(pool, up.size, prior).preemptions(hours, asked.now, seed=up.size)
