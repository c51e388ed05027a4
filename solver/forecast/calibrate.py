"""How far off: quantiles of errors by horizon, from rolling origins, wider the fewer independent ones there are.

Weighted split conformal: the errors of bands of horizons, later origins counting more, overlapping ones together as one
(a band that reaches a month ahead sees a new month but once a month). Deviations from the median are stretched as
Student's quantiles are to normal ones, made to grow with the horizon, and carried on beyond what history can show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .choose import Choice, half_life, mixed
from .history import Array
from .methods import Series, levels_of
from .rolling import Bands, Rolled

GRID = np.array([0.005, 0.01, 0.025, *np.arange(0.05, 0.951, 0.05).round(2), 0.975, 0.99, 0.995])
LEAST = 2.0  # independent errors for a band of its own
TINY = 1e-9  # on the scale
GROWTHS = (0.1, 0.5, 0.6)  # power of the horizon beyond what is known: least, without evidence, most


@dataclass(frozen=True, slots=True)
class Spread:
    """Errors on the scale: median and mean [B], deviations from the median [B, Q] at levels [Q], how many [B]."""

    bands: Bands
    levels: Array
    median: Array
    mean: Array
    deviation: Array
    independent: Array

    @property
    def measured(self) -> Array:
        """Which bands rest on errors of their own."""
        return np.asarray(self.independent >= LEAST)

    def at(self, horizons: Array, levels: Array) -> Array:
        """Errors at quantile levels [Q] for each horizon [H]: [H, Q]."""
        count = len(self.bands)
        index = np.interp(np.log(horizons), np.log(self.bands.middle), np.arange(count))
        low = np.minimum(index.astype(int), max(0, count - 2))
        share = (index - low)[:, None]
        high = np.minimum(low + 1, count - 1)
        total = self.median[:, None] + self.deviation
        columns = np.stack([np.interp(levels, self.levels, row) for row in total])
        return np.asarray(columns[low] * (1 - share) + columns[high] * share)

    def mean_at(self, horizons: Array) -> Array:
        """The mean error at each horizon [H]."""
        return np.interp(np.log(horizons), np.log(self.bands.middle), self.mean)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The spread now, and how it would have fared before: covered [B] of so many judged [B] at the level asked for."""

    spread: Spread
    covered: Array
    judged: Array


class Pool:
    """Errors of one band, sorted, with the origin of each."""

    __slots__ = ("apart", "ends", "horizon", "life", "origin", "values")

    def __init__(self, errors: Array, rolled: Rolled, b: int, *, daily: bool) -> None:
        """Take the known errors [O, J] of a band."""
        part = errors[:, rolled.band == b]
        origin, column = np.nonzero(~np.isnan(part))
        order = np.argsort(part[origin, column], kind="stable")
        self.values, self.origin = part[origin, column][order], origin[order]
        self.horizon = int(rolled.bands.high[b])
        self.ends = rolled.origins + self.horizon
        self.apart = rolled.apart
        self.life = half_life(self.horizon, daily=daily)

    def quantiles(self, levels: Array, now: int, *, last: bool) -> tuple[Array, float, tuple[float, float]]:
        """Of what was known: quantiles at levels [Q], independent errors, their mean and what of it chance may make."""
        known = np.ones(len(self.ends), dtype=bool) if last else self.ends <= now
        weight = np.where(known, 0.5 ** (np.maximum(now - self.ends, 0) / self.life), 0.0)
        each = weight[self.origin]
        total = each.sum()
        if total <= 0:
            return np.zeros(len(levels)), 0.0, (0.0, 0.0)
        present = np.bincount(self.origin, minlength=len(weight)) > 0
        effective = weight[present].sum() ** 2 / (weight[present] ** 2).sum()
        share = (np.cumsum(each) - each / 2) / total
        keep = each > 0
        overlap = effective * self.apart / self.horizon + (1 if self.horizon > self.apart else 0)
        independent = float(min(effective, overlap))
        mean = float(each @ self.values / total)
        square = float(each @ (self.values - mean) ** 2 / total)
        chance = min(1.0, square / max(independent, 1.0) / mean**2) if mean else 0.0
        return np.interp(levels, share[keep], self.values[keep]), independent, (mean, mean * chance)


def calibrate(rolled: Rolled, choice: Choice, level: float, *, daily: bool, steady: bool) -> Calibration:
    """The spread of errors now, and the coverage it had at every origin of what was unknown there.

    At an origin, and now, the errors are those of the methods it picks, at all origins before.

    Args:
        rolled: forecasts from earlier origins.
        choice: methods picked by each of them, and now.
        level: of the interval whose coverage is measured.
        daily: whether a step is a day.
        steady: of demand that comes and goes errors neither persist nor grow, so they are taken as they were.
    """
    count = len(rolled.bands)
    ends = np.array([(1 - level) / 2, 0.5, (1 + level) / 2])
    known: dict[tuple[int, ...], tuple[Array, list[Pool]]] = {}

    def errors_of(picked: Array) -> tuple[Array, list[Pool]]:
        key = tuple(picked.tolist())
        if key not in known:
            every = np.broadcast_to(picked, (len(rolled.origins), len(picked)))
            errors = rolled.scaled_truth - mixed(rolled.guess, every, choice.blend)
            known[key] = errors, [Pool(errors, rolled, b, daily=daily) for b in range(count)]
        return known[key]

    hits, judged = np.zeros(count), np.zeros(count)
    for o, now in enumerate(rolled.origins.tolist()):
        errors, pools = errors_of(choice.picked[o])
        spread = _spread(pools, rolled.bands, now, ends, steady=steady)
        fair = spread.measured[rolled.band] & ~np.isnan(errors[o])
        if fair.any():
            at, off = spread.at(rolled.offsets[fair], ends), errors[o, fair]
            inside = (off >= at[:, 0] - TINY) & (off <= at[:, -1] + TINY)
            hits += np.bincount(rolled.band[fair], inside, count)
            judged += np.bincount(rolled.band[fair], minlength=count)
    pools = errors_of(choice.picked[-1])[1]
    spread = _spread(pools, rolled.bands, rolled.last.end, GRID, steady=steady, last=True)
    with np.errstate(invalid="ignore"):
        return Calibration(spread, hits / judged, judged)


def _spread(pools: list[Pool], found: Bands, now: int, levels: Array, *, steady: bool, last: bool = False) -> Spread:
    """Quantiles of all bands, stretched, growing with the horizon, carried on."""
    each = [pool.quantiles(levels, now, last=last) for pool in pools]
    quantiles, independent = np.stack([q for q, _, _ in each]), np.array([n for _, n, _ in each])
    middle = quantiles[:, len(levels) // 2]
    mean, bias = np.array([b for _, _, b in each]).T
    median, mean = middle - bias, mean - bias  # a bias that chance may have made does not last
    deviation = (quantiles - middle[:, None]) * (1.0 if steady else _stretch(independent, levels))
    fine = independent >= LEAST
    if not fine.any():
        return Spread(found, levels, median, mean, deviation, independent)
    deviation[fine] = _rising(deviation[fine], independent[fine], levels)
    return _carried(Spread(found, levels, median, mean, deviation, independent), steady=steady)


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


def _carried(found: Spread, *, steady: bool) -> Spread:
    """Bands without errors of their own widen from the last that has some, by a power of the horizon."""
    fine = np.flatnonzero(found.measured)
    deviation, median, mean = found.deviation.copy(), found.median.copy(), found.mean.copy()
    middle = found.bands.middle
    power = 0.0 if steady else _power(found)
    for b in np.flatnonzero(~found.measured):
        nearest = int(fine[np.searchsorted(fine, b) - 1]) if b > fine[0] else int(fine[0])
        times = (middle[b] / middle[nearest]) ** power if b > nearest else 1.0
        deviation[b], median[b], mean[b] = deviation[nearest] * times, median[nearest], mean[nearest]
    return Spread(found.bands, found.levels, median, mean, deviation, found.independent)


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
    return Spread(rolled.bands, GRID, none, none, deviation, none)
