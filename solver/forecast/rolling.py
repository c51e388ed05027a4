"""Rolling origins: what each method would have said at some earlier time, beside what then came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .history import Array
from .methods import Epoch, Series, forecasts, learn, natural

MOST_ORIGINS, EPOCHS, PER_BAND = 120, 3, 24
FIRST_SHARE = 0.35  # of the history, before the first origin
GOLDEN = 0.6180339887498949
HOURLY = (1, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 2190, 4380, 8760, 17520, 26304)
DAILY = (1, 2, 4, 7, 14, 30, 61, 91, 182, 365, 730, 1096)
LONGEST = {False: HOURLY[-1], True: DAILY[-1]}


@dataclass(frozen=True, slots=True)
class Bands:
    """Horizons that are judged together; band b is the steps from low[b] to high[b], both in it."""

    low: Array
    high: Array

    @property
    def middle(self) -> Array:
        """Geometric middle of each."""
        return np.asarray(np.sqrt(self.low * self.high))

    def __len__(self) -> int:
        """Number of bands."""
        return len(self.high)

    def of(self, offsets: Array) -> Array:
        """The band of each horizon."""
        return np.searchsorted(self.high, offsets)


def bands(horizon: int, *, daily: bool) -> Bands:
    """Bands up to the horizon."""
    edges = [edge for edge in (DAILY if daily else HOURLY) if edge < horizon] + [horizon]
    high = np.array(edges)
    return Bands(np.concatenate([[1], high[:-1] + 1]), high)


def sampled(found: Bands) -> Array:
    """Horizons that stand for their bands: all of a short one, 24 spread evenly over a long one."""
    made = []
    for low, high in zip(found.low.tolist(), found.high.tolist(), strict=True):
        count = high - low + 1
        share = (np.arange(PER_BAND) * GOLDEN) % 1
        made.append(low + (np.arange(count) if count <= PER_BAND else np.unique((share * count).astype(int))))
    return np.concatenate(made)


@dataclass(frozen=True, slots=True)
class Rolled:
    """Forecasts of all methods from earlier origins, and what came."""

    origins: Array  # steps known [O], ascending
    offsets: Array  # horizons [J]
    bands: Bands
    band: Array  # of each horizon [J]
    guess: Array  # scaled [M, O, J]
    truth: Array  # demand [O, J], NaN where it is not known yet
    scaled_truth: Array
    last: Epoch  # learned from all

    @property
    def apart(self) -> float:
        """Steps between origins."""
        return float(self.origins[1] - self.origins[0]) if len(self.origins) > 1 else float(self.last.end)


def roll(one: Series, horizon: int, *, fit: bool = True) -> Rolled:
    """Forecasts from origins after the first third of the history on; `fit` as some method wants parameters."""
    found = bands(horizon, daily=one.known.daily)
    offsets = sampled(found)
    origins = _origins(one)
    starts = origins[(np.arange(EPOCHS) * len(origins)) // EPOCHS] if len(origins) >= EPOCHS else origins[:1]
    starts = np.unique(starts)
    parts = []
    for i, start in enumerate(starts.tolist()):
        mine = (
            origins[(origins >= start) & (origins < starts[i + 1])]
            if i + 1 < len(starts)
            else origins[origins >= start]
        )
        parts.append(forecasts(one, learn(one, start, fit=fit), mine, offsets))
    place = origins[:, None] + offsets - 1
    known = place < one.end
    inside = np.minimum(place, one.end - 1)
    truth = np.where(known, one.demand[inside], np.nan)
    scaled = np.where(known, one.scaled[inside], np.nan)
    guess = np.concatenate(parts, axis=1)
    return Rolled(origins, offsets, found, found.of(offsets), guess, truth, scaled, learn(one, one.end, fit=fit))


def _origins(one: Series) -> Array:
    """At most 120, whole blocks before the end, not always on the same day of the week."""
    steps = one.end - one.begin
    least = min(3 * one.known.week, steps // 2)
    first = one.begin + max(least, int(FIRST_SHARE * steps), 2)
    blocks = max(1, (one.end - first) // one.block)
    apart = -(-blocks // MOST_ORIGINS)
    week = one.known.week // one.block if one.block > 1 else one.known.week
    while apart > 1 and any(apart % cycle == 0 for cycle in (week, one.known.day // one.block) if cycle > 1):
        apart += 1
    back = np.arange(1, blocks // apart + 1) * apart * one.block
    return np.asarray((one.end - back)[::-1])


def losses(one: Series, rolled: Rolled) -> Array:
    """Absolute error of demand [M, O, J]; NaN where nothing is known."""
    return np.asarray(np.abs(natural(one, rolled.guess) - rolled.truth))
