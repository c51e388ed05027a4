"""A forecast: mean, interval, any quantile and paths of every series; how it came about, how such ones fared."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..table import Table
from . import events as known
from .calibrate import Spread
from .history import Array
from .scenarios import Past, ranks
from .seasons import Scale, from_scale

MEAN_LEVELS = (np.arange(100) + 0.5) / 100
MOST_NUMBERS = 100_000_000  # of all paths
TINY = 1e-9
PART = 4096  # steps at a time


@dataclass(frozen=True, slots=True)
class Fan:
    """One series ahead: the centre on its scale [H], the errors around it, and what the user knows."""

    centre: Array
    scale: Scale
    spread: Spread | None  # None: nothing is uncertain
    times: Array  # by what growth multiplies [H]
    units: Array  # of events [H]
    factor: Array
    now: tuple[float, float]  # units and factor of events at the history's end

    def quantiles(self, levels: Array, *, plain: bool = False) -> Array:
        """Demand [H, Q]; plain is the centre, without errors."""
        made = np.empty((len(self.centre), len(levels)))
        for first in range(0, len(self.centre), PART):
            part = slice(first, min(first + PART, len(self.centre)))
            said = self._plain(np.arange(part.start, part.stop), levels, None if plain else self.spread)
            moved = known.ahead(said.T * self.times[part], self.units[part], self.factor[part], self.now)
            made[part] = moved.T
        return made

    def _plain(self, steps: Array, levels: Array, spread: Spread | None) -> Array:
        """Demand [H, Q] of some steps, without what the user knows.

        Demand that comes and goes is either there or not: so many of the smallest figures are nothing that the mean is
        as it should be.
        """
        centre = self.centre[steps, None] + np.zeros(len(levels))
        if spread is None:
            return from_scale(centre, self.scale)
        said = from_scale(centre + spread.at(steps + 1, levels), self.scale)
        if self.scale == "plain":
            every = from_scale(self.centre[steps, None] + spread.at(steps + 1, MEAN_LEVELS), self.scale)
            aim = np.maximum(self.centre[steps] + spread.mean_at(steps + 1), 0.0) * len(MEAN_LEVELS)
            beyond = np.cumsum(every[:, ::-1], axis=1)[:, ::-1] > aim[:, None] + TINY  # sums of all from here up
            least = np.where(beyond, every, -1.0).max(axis=1)
            said = np.where(said > least[:, None], said, 0.0)
        return said


@dataclass(frozen=True)
class Forecast:
    """What demand may come to be.

    Attributes:
        times: datetime64[h] [H], as in the history.
        series: names [N].
        unit: what is counted.
        daily: whether a step is a day.
        level: chance with which the interval is to hold, 0.9.
        mean: expected demand [H, N]; lower, upper: ends of the interval [H, N].
        method: of each series, in words.
        coverage: share of later demand that intervals made in the same way held, on rolling origins [N]; NaN where the
            history is too short to say.
        scores: a row for each series and band of horizons: method, mean absolute error beside the seasonal naive
            method's, coverage, and how many independent errors it rests on.
        notes: what to know of it, in sentences.
        recent: mean demand of the history's last four weeks, or of all it has [N].
    """

    times: Array
    series: tuple[str, ...]
    unit: str
    daily: bool
    level: float
    mean: Array
    lower: Array
    upper: Array
    method: tuple[str, ...]
    coverage: Array
    scores: Table
    notes: tuple[str, ...]
    recent: Array
    count: int
    seed: int
    fans: tuple[Fan, ...] = field(repr=False)
    past: Past = field(repr=False)

    def quantiles(self, q: float) -> Array:
        """The quantile of demand at a level between 0 and 1, each hour and series for itself: [H, N].

        Raises:
            InputError: no such level.
        """
        if not 0 < q < 1:
            raise InputError(f"a quantile at {q}", where="quantiles", mend="between 0 and 1")
        return np.stack([fan.quantiles(np.array([q]))[:, 0] for fan in self.fans], axis=1)

    @property
    def centre(self) -> Array:
        """The best single figure by absolute error: what the methods say; the median of what comes and goes [H, N]."""
        middle = np.array([0.5])
        return np.stack([fan.quantiles(middle, plain=fan.scale != "plain")[:, 0] for fan in self.fans], axis=1)

    @cached_property
    def paths(self) -> Array:
        """Equally likely futures [S, H, N], never negative: what series do together, and how long a level lasts.

        In each hour the paths of a series are its quantiles at (i − ½) / S; which path gets which comes from pieces of
        the history, the same for all series. The same seed gives the same paths.

        Raises:
            InputError: too many numbers.
        """
        steps, series = self.mean.shape
        if self.count * steps * series > MOST_NUMBERS:
            text = f"{self.count} paths of {steps:,} steps and {series} series"
            raise InputError(text, where="paths", mend="fewer paths, a shorter horizon, or days instead of hours")
        made = np.empty((self.count, steps, series))
        levels = (np.arange(self.count) + 0.5) / self.count
        for n, order in enumerate(ranks(self.past, self.count, steps, self.seed)):
            made[:, :, n] = np.take_along_axis(self.fans[n].quantiles(levels).T, order, axis=0)
        return made

    def by_month(self) -> Table:
        """Mean demand of each month and series, expected and with the interval of that mean: month, series, mean, …."""
        months, first = np.unique(self.times.astype("datetime64[M]"), return_index=True)
        sizes = np.diff(np.append(first, len(self.times)))
        ends = [(1 - self.level) / 2, (1 + self.level) / 2]
        paths = np.add.reduceat(self.paths, first, axis=1) / sizes[:, None]
        low, high = np.quantile(paths, ends, axis=0)
        mean = np.add.reduceat(self.mean, first, axis=0) / sizes[:, None]
        rows = [
            (str(month), name, int(sizes[m]), float(mean[m, n]), float(low[m, n]), float(high[m, n]))
            for n, name in enumerate(self.series)
            for m, month in enumerate(months)
        ]
        return Table.from_records(("month", "series", "steps", "mean", "lower", "upper"), rows)
