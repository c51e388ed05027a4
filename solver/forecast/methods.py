"""Ways to forecast one series, each from every origin at once: the level in blocks of a day, and repeating what was.

Parameters come from the history before an epoch; the states they give are then followed through all that came later, so
that an origin's forecast knows nothing of what it is judged by. A level method says level + slope · (φ + φ² + …) +
passing · ρᵡ at x blocks ahead; the pattern of seasons and, for two days, what the last hours were beside it are added.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from .history import Array
from .seasons import Calendar, Scale, from_scale, seasons, to_scale

FITTED_BLOCKS = 400  # of the latest, for parameters
RECENT = np.array([0.6, 0.3, 0.1])  # weights of the last hours
FADE_STEPS = 48  # after which the last hours say nothing more
TREND_BLOCKS, TREND_FADE = 182, 0.998
LEAST_BLOCKS = 12  # for parameters; fewer go without
SMOOTHED = ("exponential smoothing", "damped trend", "theta", "structural")
LEVELS = ("last block", "mean of 7", "mean of 28", "mean of 91", "trend", *SMOOTHED)
NAIVE = ("seasonal naive", "seasonal naive with drift")
METHODS = (*LEVELS, "combined", *NAIVE)


@dataclass(frozen=True, slots=True)
class States:
    """Level methods after each block: arrays [M, K], and φ, ρ [M]."""

    level: Array
    slope: Array
    passing: Array
    damping: Array
    fading: Array

    def ahead(self, at: Array, blocks: Array, *, flat: bool = False) -> Array:
        """Levels [M, O, J] of origins after `at` blocks [O], `blocks` ahead [J]; flat leaves trends out."""
        damping = self.damping[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            damped = damping * (1 - damping**blocks) / (1 - damping)
        reach = np.where(damping < 1, damped, blocks)
        made = self.level[:, at - 1, None] + self.passing[:, at - 1, None] * self.fading[:, None, None] ** blocks
        return np.asarray(made if flat else made + self.slope[:, at - 1, None] * reach[:, None, :])


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of the level methods, from the history before an epoch."""

    alpha: float = 0.3
    holt: tuple[float, float, float] = (0.3, 0.05, 0.95)
    structural: Array | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One series: demand [T] and its scaled values, from `begin` on, in blocks of so many steps, with its calendar."""

    demand: Array
    scaled: Array
    scale: Scale
    known: Calendar
    begin: int
    block: int

    @property
    def end(self) -> int:
        """Steps of the history."""
        return len(self.demand)


@dataclass(frozen=True, slots=True)
class Epoch:
    """What is learned from the history up to its end."""

    end: int
    pattern: Array
    parameters: Parameters
    fade: Array  # [FADE_STEPS]


def learn(one: Series, end: int, *, fit: bool = True) -> Epoch:
    """Pattern and, where a method wants them, parameters from the steps before `end`."""
    pattern = seasons(one.scaled, one.known, one.begin, end)
    rest = one.scaled[:end] - pattern[:end]
    fade = _fade(rest[one.begin :], one.block) if one.block > 1 else np.zeros(0)
    blocks = _blocks(rest, one.begin, one.block)[-FITTED_BLOCKS:]
    return Epoch(end, pattern, _fitted(blocks) if fit else Parameters(), fade)


def forecasts(one: Series, epoch: Epoch, origins: Array, offsets: Array, *, flat: bool = False) -> Array:
    """Scaled forecasts [M, O, J] of METHODS from each origin (steps known), so many steps ahead.

    Origins are whole blocks apart from each other and from the history's end.
    """
    last = int(origins[-1])
    rest = one.scaled[:last] - epoch.pattern[:last]
    blocks = _blocks(rest, one.begin, one.block)
    states = _states(blocks, epoch.parameters)
    at = len(blocks) - (last - origins) // one.block
    levels = states.ahead(at, (offsets - 0.5) / one.block + 0.5, flat=flat)
    if len(epoch.fade):
        levels = levels + _last_hours(rest, states, at, origins, offsets, epoch.fade)
    levels = np.concatenate([levels, levels[-len(SMOOTHED) :].mean(axis=0, keepdims=True)])
    made = levels + epoch.pattern[origins[:, None] + offsets - 1]
    return np.concatenate([made, _naive(one, origins, offsets, flat=flat)])


def _blocks(rest: Array, begin: int, block: int) -> Array:
    """Means of blocks, the last of which ends with the history."""
    count = (len(rest) - begin) // block
    return np.asarray(rest[len(rest) - count * block :].reshape(count, block).mean(axis=1))


def _last_hours(rest: Array, states: States, at: Array, origins: Array, offsets: Array, fade: Array) -> Array:
    """What the last hours were beside the level, fading: [M, O, J]."""
    recent = (rest[origins[:, None] - 1 - np.arange(len(RECENT))] * RECENT).sum(axis=1)
    beside = recent - states.level[:, at - 1] - states.passing[:, at - 1]
    weight = np.where(offsets <= len(fade), fade[np.minimum(offsets, len(fade)) - 1], 0.0)
    return np.asarray(beside[:, :, None] * weight)


def _fade(rest: Array, block: int) -> Array:
    """How much of the last hours' distance from a day's mean is left after 1 … 48 steps: never negative, falling."""
    if len(rest) < 2 * block + FADE_STEPS + 1:
        return np.zeros(FADE_STEPS)
    total = np.concatenate([[0.0], np.cumsum(rest)])
    ends = np.arange(block, len(rest) - FADE_STEPS)
    mean = (total[ends] - total[ends - block]) / block
    beside = (rest[ends[:, None] - 1 - np.arange(len(RECENT))] * RECENT).sum(axis=1) - mean
    power = float((beside**2).sum())
    if power <= 0:
        return np.zeros(FADE_STEPS)
    left = [float((beside * (rest[ends + h] - mean)).sum()) / power for h in range(FADE_STEPS)]
    return np.asarray(np.minimum.accumulate(np.clip(left, 0.0, 1.0)))


def _fitted(blocks: Array) -> Parameters:
    """Smoothing parameters by least squares, the structural model's by likelihood."""
    if len(blocks) < LEAST_BLOCKS or float(np.ptp(blocks)) < 1e-9 * max(1.0, float(np.abs(blocks).max())):
        return Parameters()
    from statsmodels.tsa.holtwinters import Holt, SimpleExpSmoothing

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simple = SimpleExpSmoothing(blocks, initialization_method="estimated").fit().params
        holt = Holt(blocks, damped_trend=True, initialization_method="estimated").fit().params
        structural = _structural(blocks).fit(disp=False, maxiter=30).params
    trio = (float(holt["smoothing_level"]), float(holt["smoothing_trend"]), float(holt["damping_trend"]))
    fine = np.isfinite([*trio, simple["smoothing_level"]]).all() and np.isfinite(structural).all()
    return Parameters(float(simple["smoothing_level"]), trio, np.asarray(structural)) if fine else Parameters()


def _structural(blocks: Array) -> Any:
    """A level that wanders and a distance from it that passes."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    return UnobservedComponents(blocks, "rwalk", autoregressive=1)


def _states(blocks: Array, p: Parameters) -> States:
    """All level methods after each block."""
    count = len(blocks)
    zero = np.zeros(count)
    means = [_running_mean(blocks, width) for width in (1, 7, 28, 91)]
    trend = _line(blocks, min(TREND_BLOCKS, max(2, count // 2)))
    simple = _simple(blocks, p.alpha)
    holt = _holt(blocks, p.holt)
    slope = _whole_slope(blocks) / 2
    lag = (1 - (1 - p.alpha) ** np.arange(1, count + 1)) / max(p.alpha, 1e-6) - 1
    structural, passing, fading = _filtered(blocks, p.structural)
    level = np.stack([*means, trend[0], simple, holt[0], simple + slope * lag, structural])
    slopes = np.stack([zero, zero, zero, zero, trend[1], zero, holt[1], slope, zero])
    passed = np.zeros_like(level)
    passed[-1] = passing
    damping, fades = np.ones(len(level)), np.zeros(len(level))
    damping[4], damping[6], fades[-1] = TREND_FADE, p.holt[2], fading
    return States(level, slopes, passed, damping, fades)


def _running_mean(blocks: Array, width: int) -> Array:
    """Mean of the last so many blocks, of all where there are fewer."""
    total = np.concatenate([[0.0], np.cumsum(blocks)])
    here = np.arange(1, len(blocks) + 1)
    first = np.maximum(here - width, 0)
    return np.asarray((total[here] - total[first]) / (here - first))


def _line(blocks: Array, width: int) -> tuple[Array, Array]:
    """End and slope of the least-squares line through the last so many blocks."""
    count = len(blocks)
    here = np.arange(1, count + 1)
    first = np.maximum(here - width, 0)
    n = (here - first).astype(float)
    place = np.arange(count, dtype=float)
    sums = [np.concatenate([[0.0], np.cumsum(v)]) for v in (blocks, blocks * place)]
    total, moment = (s[here] - s[first] for s in sums)
    middle = (first + here - 1) / 2
    square = np.maximum(n * (n * n - 1) / 12, 1e-9)
    slope = np.where(n > 1, (moment - middle * total) / square, 0.0)
    return np.asarray(total / n + slope * (n - 1) / 2), np.asarray(slope)


def _whole_slope(blocks: Array) -> Array:
    """Slope of the line through all blocks so far."""
    return _line(blocks, len(blocks))[1]


def _simple(blocks: Array, alpha: float) -> Array:
    """Simple exponential smoothing from the first block on."""
    from scipy.signal import lfilter

    made, _ = lfilter([alpha], [1.0, alpha - 1.0], blocks, zi=np.array([(1 - alpha) * blocks[0]]))
    return np.asarray(made)


def _holt(blocks: Array, p: tuple[float, float, float]) -> tuple[Array, Array]:
    """Level and slope of the damped trend."""
    if len(blocks) < LEAST_BLOCKS:
        return blocks, np.zeros(len(blocks))
    from statsmodels.tsa.holtwinters import Holt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Holt(
            blocks, damped_trend=True, initialization_method="known", initial_level=blocks[0], initial_trend=0.0
        )
        found = model.fit(smoothing_level=p[0], smoothing_trend=p[1], damping_trend=p[2], optimized=False)
    return np.asarray(found.level), np.asarray(found.trend)


def _filtered(blocks: Array, parameters: Array | None) -> tuple[Array, Array, float]:
    """Wandering level, passing distance and its fading."""
    if parameters is None or len(blocks) < LEAST_BLOCKS:
        return blocks, np.zeros(len(blocks)), 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _structural(blocks)
        state = model.filter(parameters).filtered_state
    return (
        np.asarray(state[0]),
        np.asarray(state[1]),
        float(np.clip(parameters[model.param_names.index("ar.L1")], 0, 1)),
    )


def season_of(one: Series, origin: int) -> int:
    """Steps after which the seasonal naive method repeats: a week, a day or 1, as the history allows."""
    for steps in (one.known.week, one.known.day):
        if origin - one.begin >= 2 * steps:
            return steps
    return 1


def _naive(one: Series, origins: Array, offsets: Array, *, flat: bool) -> Array:
    """What was a season ago, and the same with the drift of the history: [2, O, J]."""
    season = season_of(one, int(origins[0]))
    cycles = -(-offsets // season)
    repeated = one.demand[origins[:, None] + offsets - 1 - season * cycles]
    total = np.concatenate([[0.0], np.cumsum(one.demand)])
    span = np.minimum((origins - one.begin - season) // season, max(1, 52 * one.known.week // season)) * season
    span = np.maximum(span, season)
    drift = total[origins] - total[origins - season] - total[origins - span] + total[origins - span - season]
    drift = np.zeros(len(origins)) if flat else drift / (season * span)
    least = 0.01 * float(np.median(one.demand[one.begin : int(origins[0])])) if one.scale == "log" else 0.0
    moved = np.maximum(repeated + drift[:, None] * (season * cycles), least)
    return to_scale(np.stack([repeated, moved]), one.scale)


def natural(one: Series, scaled: Array) -> Array:
    """Demand of scaled forecasts."""
    return from_scale(scaled, one.scale)


def levels_of(one: Series, epoch: Epoch) -> tuple[Array, Array]:
    """Scaled demand beside its pattern [T], and the smoothed level after each step's block [T]."""
    rest = np.zeros(one.end)
    rest[one.begin :] = one.scaled[one.begin :] - epoch.pattern[one.begin : one.end]
    blocks = _blocks(rest, one.begin, one.block)
    level = np.repeat(_simple(blocks, epoch.parameters.alpha), one.block)
    return rest, np.concatenate([np.full(one.end - len(level), level[0]), level])
