"""How far off: quantiles of errors by horizon, from rolling origins, wider the fewer independent ones there are.

Weighted split conformal: the errors of bands of horizons, later origins counting more, overlapping ones together as one
(a band that reaches a month ahead sees a new month but once a month). Deviations from the median are stretched as
Student's quantiles are to normal ones, made to grow with the horizon, and carried on beyond what history can show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .choose import half_life
from .history import Array
from .methods import Series, levels_of
from .rolling import Bands, Rolled

GRID = np.array([0.005, 0.01, 0.025, *np.arange(0.05, 0.951, 0.05).round(2), 0.975, 0.99, 0.995])
LEAST = 2.0  # independent errors for a band of its own
GROWTHS = (0.1, 0.5, 0.6)  # power of the horizon beyond what is known: least, without evidence, most


@dataclass(frozen=True, slots=True)
class Spread:
    """Errors on the scale: median [B], deviations from it [B, Q] at quantile levels [Q], independent errors [B]."""

    bands: Bands
    levels: Array
    median: Array
    deviation: Array
    independent: Array

    @property
    def measured(self) -> Array:
        """Which bands rest on errors of their own."""
        return np.asarray(self.independent >= LEAST)

    def at(self, horizons: Array, levels: Array) -> Array:
        """Errors at quantile levels [Q] for each horizon [H]: [H, Q]."""
        place, middle = np.log(horizons), np.log(self.bands.middle)
        index = np.interp(place, middle, np.arange(len(middle)))
        low = np.minimum(index.astype(int), max(0, len(middle) - 2))
        share = (index - low)[:, None]
        high = np.minimum(low + 1, len(middle) - 1)
        total = self.median[:, None] + self.deviation
        columns = np.stack([np.interp(levels, self.levels, row) for row in total])
        return np.asarray(columns[low] * (1 - share) + columns[high] * share)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The spread now, and how it would have fared before: covered [B] of so many judged [B] at the level asked for."""

    spread: Spread
    covered: Array
    judged: Array
    pinball: Array  # [B] mean of the quantile losses at both ends and the median, in units of demand


class Pool:
    """Errors of one band, sorted, with the origin of each."""

    __slots__ = ("apart", "ends", "origin", "values")

    def __init__(self, errors: Array, rolled: Rolled, b: int) -> None:
        """Take the known errors [O, J] of a band."""
        part = errors[:, rolled.band == b]
        origin, column = np.nonzero(~np.isnan(part))
        order = np.argsort(part[origin, column], kind="stable")
        self.values, self.origin = part[origin, column][order], origin[order]
        self.ends = rolled.origins + rolled.bands.high[b]
        self.apart = rolled.apart

    def quantiles(self, levels: Array, now: int, horizon: int, life: float, *, last: bool) -> tuple[Array, float]:
        """Quantiles at levels [Q] of what was known, and how many independent errors they rest on."""
        known = np.ones(len(self.ends), dtype=bool) if last else self.ends <= now
        weight = np.where(known, 0.5 ** (np.maximum(now - self.ends, 0) / life), 0.0)
        each = weight[self.origin]
        total = each.sum()
        if total <= 0:
            return np.zeros(len(levels)), 0.0
        present = np.bincount(self.origin, minlength=len(weight)) > 0
        effective = weight[present].sum() ** 2 / (weight[present] ** 2).sum()
        share = (np.cumsum(each) - each / 2) / total
        keep = each > 0
        independent = min(effective, effective * self.apart / horizon + (1 if horizon > self.apart else 0))
        return np.interp(levels, share[keep], self.values[keep]), float(independent)


def calibrate(
    errors: Array, rolled: Rolled, centre: Array, level: float, back: Callable[[Array], Array], *, daily: bool
) -> Calibration:
    """The spread of errors now, and the coverage it had at every origin of what was unknown there.

    Args:
        errors: on the scale [O, J], NaN where not known.
        rolled: what they are of.
        centre: forecasts [O, J] on the scale.
        level: of the interval whose coverage is measured.
        back: from the scale to demand.
        daily: whether a step is a day.
    """
    count = len(rolled.bands)
    pools = [Pool(errors, rolled, b) for b in range(count)]
    lives = [half_life(int(h), daily=daily) for h in rolled.bands.high]
    ends = np.array([(1 - level) / 2, 0.5, (1 + level) / 2])
    hits, judged, loss = np.zeros(count), np.zeros(count), np.zeros(count)
    for o, now in enumerate(rolled.origins.tolist()):
        spread = _spread(pools, rolled.bands, lives, now, ends)
        fair = spread.measured[rolled.band] & ~np.isnan(errors[o])
        if fair.any():
            at = spread.at(rolled.offsets[fair], ends)
            inside = (errors[o, fair] >= at[:, 0]) & (errors[o, fair] <= at[:, -1])
            hits += np.bincount(rolled.band[fair], inside, count)
            judged += np.bincount(rolled.band[fair], minlength=count)
            said = back(centre[o, fair, None] + at)
            off = rolled.truth[o, fair, None] - said
            loss += np.bincount(rolled.band[fair], np.maximum(ends * off, (ends - 1) * off).mean(axis=1), count)
    spread = _spread(pools, rolled.bands, lives, rolled.last.end, GRID, last=True)
    with np.errstate(invalid="ignore"):
        return Calibration(spread, hits / judged, judged, loss / judged)


def _spread(
    pools: list[Pool], found: Bands, lives: list[float], now: int, levels: Array, *, last: bool = False
) -> Spread:
    """Quantiles of all bands, stretched, growing with the horizon, carried on."""
    both = [
        pool.quantiles(levels, now, int(high), life, last=last)
        for pool, high, life in zip(pools, found.high, lives, strict=True)
    ]
    quantiles, independent = np.stack([q for q, _ in both]), np.array([n for _, n in both])
    middle = quantiles[:, len(levels) // 2]
    median = _trusted(middle, quantiles[:, -1] - quantiles[:, 0], float(levels[-1]), independent)
    deviation = (quantiles - middle[:, None]) * _stretch(independent, levels)
    fine = independent >= LEAST
    if not fine.any():
        return Spread(found, levels, median, deviation, independent)
    deviation[fine] = _rising(deviation[fine], independent[fine], levels)
    return _carried(Spread(found, levels, median, deviation, independent))


def _trusted(median: Array, width: Array, highest: float, independent: Array) -> Array:
    """Medians of errors [B], less what chance would make of them: methods whose bias does not last are left alone."""
    from scipy.special import ndtri

    error = 1.25 * width / (2 * ndtri(highest)) / np.sqrt(np.maximum(independent, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(median == 0, 0.0, median * np.maximum(0.0, 1 - (error / median) ** 2))


def _stretch(independent: Array, levels: Array) -> Array:
    """Student's quantiles over normal ones, [B, Q]."""
    from scipy.special import ndtri, stdtrit

    middle = levels == levels[len(levels) // 2]
    normal = np.where(middle, 1.0, ndtri(levels))
    factor = stdtrit(np.maximum(independent, LEAST)[:, None], levels[None, :]) / normal
    return np.where(middle, 1.0, factor)


def _rising(deviation: Array, weight: Array, levels: Array) -> Array:
    """The nearest deviations that do not shrink as the horizon grows."""
    from scipy.optimize import isotonic_regression

    made = deviation.copy()
    for q, level in enumerate(levels):
        if level != levels[len(levels) // 2]:
            sign = 1.0 if level > levels[len(levels) // 2] else -1.0
            made[:, q] = sign * isotonic_regression(sign * deviation[:, q], weights=weight).x
    return made


def _carried(found: Spread) -> Spread:
    """Bands without errors of their own widen from the last that has some, by a power of the horizon."""
    fine = np.flatnonzero(found.measured)
    deviation, median = found.deviation.copy(), found.median.copy()
    middle = found.bands.middle
    power = _power(found)
    for b in np.flatnonzero(~found.measured):
        nearest = int(fine[np.searchsorted(fine, b) - 1]) if b > fine[0] else int(fine[0])
        times = (middle[b] / middle[nearest]) ** power if b > nearest else 1.0
        deviation[b], median[b] = deviation[nearest] * times, median[nearest]
    return Spread(found.bands, found.levels, median, deviation, found.independent)


def _power(found: Spread) -> float:
    """How the spread grows with the horizon, from the longer half of the bands that are measured."""
    least, without, most = GROWTHS
    fine = np.flatnonzero(found.measured)
    late = fine[len(fine) // 2 :]
    width = found.deviation[late, -1] - found.deviation[late, 0]
    if len(late) < 3 or (width <= 0).any():  # noqa: PLR2004 (points for a line)
        return without
    return float(np.clip(np.polyfit(np.log(found.bands.middle[late]), np.log(width), 1)[0], least, most))


def guessed(one: Series, rolled: Rolled) -> Spread:
    """Where no band has errors of its own: a random walk by the changes from block to block, as two errors say."""
    from scipy.special import ndtri

    rest, _ = levels_of(one, rolled.last)
    moved = np.diff(rest[one.begin :: one.block])
    sd = float(np.sqrt((moved**2).mean()))
    size = sd * np.sqrt(np.maximum(rolled.bands.middle / one.block, 1.0))
    none = np.zeros(len(rolled.bands))
    deviation = size[:, None] * ndtri(GRID) * _stretch(np.full(len(none), LEAST), GRID)
    return Spread(rolled.bands, GRID, none, deviation, none)
