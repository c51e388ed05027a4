"""Which method says what: per series and range of horizons, the one whose errors were least where it had not looked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .history import Array
from .methods import METHODS
from .rolling import Bands, Rolled

RANGES = {False: (24, 168, 1440), True: (7, 61)}  # last steps of all ranges but the last one
EXACT = 1e-6  # of the combined error: a method without any is right
SURE = 1.0  # standard errors by which a method must beat the combined one to be preferred
HALF_LIFE_DAYS = 120
BLEND = 1.5  # around the end of a range, as a factor
COMBINED = METHODS.index("combined")


@dataclass(frozen=True, slots=True)
class Choice:
    """Methods by origin and range [O + 1, G], the last for now; weights [J, G] blend ranges; errors [M, B]."""

    picked: Array
    blend: Array
    error: Array


def ranges(found: Bands, *, daily: bool) -> list[int]:
    """Last steps of the ranges up to the horizon."""
    last = int(found.high[-1])
    return [edge for edge in RANGES[daily] if edge < last] + [last]


def choose(rolled: Rolled, loss: Array, allowed: Array, *, daily: bool) -> Choice:
    """Choose for every origin from what was known there, and for now.

    Args:
        rolled: forecasts of all methods.
        loss: their errors [M, O, J].
        allowed: which methods may be taken, bool [M].
        daily: whether a step is a day.
    """
    ends = ranges(rolled.bands, daily=daily)
    mean = _by_band(loss, rolled)  # [M, O, B]
    group = np.searchsorted(ends, rolled.bands.high)
    default = COMBINED if allowed[COMBINED] else int(np.flatnonzero(allowed)[0])
    picked = np.full((len(rolled.origins) + 1, len(ends)), default)
    for g in range(len(ends)):
        mine = mean[:, :, group == g].mean(axis=2)  # what is not whole yet is left out, but for the present
        gain, error = _gains(mine, default, rolled, ends[g], daily=daily)
        gain[~allowed] = -np.inf
        best = gain.argmax(axis=0)
        rows = np.arange(len(best))
        picked[:, g] = np.where(gain[best, rows] > error[best, rows], best, default)
    error = np.stack([_nanmean(mean[:, :, b]) for b in range(len(rolled.bands))], axis=1)
    return Choice(picked, blend(ends, rolled.offsets), error)


def _gains(loss: Array, default: int, rolled: Rolled, horizon: int, *, daily: bool) -> tuple[Array, Array]:
    """By how much methods [M] beat the default by what each origin, and now, knows [O + 1], and the standard error."""
    ends = rolled.origins + horizon
    now = np.append(rolled.origins, rolled.last.end)
    known = (now[:, None] >= ends) & ~np.isnan(loss[0])
    weight = np.where(known, 0.5 ** (np.maximum(now[:, None] - ends, 0) / half_life(horizon, daily=daily)), 0.0)
    total = np.maximum(weight.sum(axis=1), 1e-300)
    gain = np.nan_to_num(loss[default] - loss)  # [M, O]
    mean = gain @ weight.T / total
    square = (gain**2) @ weight.T / total
    effective = total**2 / np.maximum((weight**2).sum(axis=1), 1e-300)
    exact = np.nan_to_num(loss) @ weight.T / total < EXACT * (np.nan_to_num(loss[default]) @ weight.T / total)
    independent = np.maximum(effective * min(1.0, rolled.apart / horizon) - 1, 0.5)
    return mean, np.where(exact, 0.0, SURE * np.sqrt(np.maximum(square - mean**2, 0.0) / independent))


def blend(ends: list[int], offsets: Array) -> Array:
    """Weights of ranges at horizons [J, G]: one range inside it, a gradual change around its end."""
    made = np.zeros((len(offsets), len(ends)))
    above = np.ones(len(offsets))
    for g, end in enumerate(ends[:-1]):
        share = np.clip(np.log(offsets * BLEND / end) / (2 * np.log(BLEND)), 0, 1)
        made[:, g] = above * (1 - share)
        above = above * share
    made[:, -1] = above
    return made


def mixed(guess: Array, picked: Array, weights: Array) -> Array:
    """Forecasts [O, J] of the methods picked [O, G] out of guesses [M, O, J]."""
    rows = np.arange(guess.shape[1])
    parts = [guess[picked[:, g], rows] * weights[:, g] for g in range(weights.shape[1])]
    return np.asarray(np.sum(parts, axis=0))


def _by_band(loss: Array, rolled: Rolled) -> Array:
    made = np.full((*loss.shape[:2], len(rolled.bands)), np.nan)
    for b in range(len(rolled.bands)):
        part = loss[:, :, rolled.band == b]
        count = (~np.isnan(part)).sum(axis=2)
        made[:, :, b] = np.where(count > 0, np.nansum(part, axis=2) / np.maximum(count, 1), np.nan)
    return made


def half_life(horizon: int, *, daily: bool) -> float:
    """Steps after which an error counts half: 120 days, or four horizons."""
    return float(max(HALF_LIFE_DAYS * (1 if daily else 24), 4 * horizon))


def _nanmean(values: Array) -> Array:
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)
