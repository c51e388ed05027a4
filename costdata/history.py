"""How prices came about: the dated steps of each offer, how much it moves, and what moved together.

A price holds from the day a source first showed it to the day before the next one. A step series like that needs no
statistics: its changes are its rows. Only spot markets that move on most days have noise to look through (`levels`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import dated, levels, packaged, refreshed
from .errors import DataError, nearest, shown
from .load import _day as known_day

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from .schema import Array

    Key = tuple[str, str, str, str]
    Names = str | Iterable[str] | None

DAYS_A_YEAR = 365.25
HOURS_A_MONTH = 730  # as commitments are sold
WITHIN = 0.0005  # factors this close, as logarithms, are one; apart from rounding, one announcement has one factor
DAY, LATEST = "datetime64[D]", "9999-12-31"
KEY = ("provider", "region", "node", "option")


class Change(NamedTuple):
    """One step: from this day on the price was another."""

    day: date
    before_micro_usd: int
    after_micro_usd: int

    @property
    def factor(self) -> float:
        """After over before: 1.07 is a rise of 7 %."""
        return self.after_micro_usd / self.before_micro_usd


class Volatility(NamedTuple):
    """How much a price moved over the days it was observed; None where that cannot be said.

    `per_year` is the root of the sum of squared log changes over the years observed: the standard deviation a year
    of a random walk of log prices with the same quadratic variation. Days without a change add nothing, and no mean
    is taken off, so it does not depend on how often anybody looked. A single move of +7 % in four years is
    ln 1.07 / √4 = 3.4 % a year. `trend_per_year` is the log of last over first, over those years.
    """

    observed_days: int
    changes: int
    changes_per_year: float | None
    per_year: float | None
    trend_per_year: float | None
    largest_rise: Change | None
    largest_fall: Change | None
    days_since_change: int | None
    lowest_micro_usd: int
    highest_micro_usd: int
    mean_micro_usd: float  # over time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The dated steps of one offer's price.

    `days` (n,) are the first days of the steps, increasing; `micro_usd_per_hour` (n,) is of a node, and no two
    neighbours are equal: what is paid at once is spread over the term, and 0 stands for no such offer from that day
    on. `until` is the last day on which a source showed the last of them.
    """

    provider: str
    region: str
    node: str
    option: str
    days: Array
    micro_usd_per_hour: Array
    sources: tuple[str, ...]
    until: date

    @property
    def key(self) -> Key:
        """What the price is of."""
        return self.provider, self.region, self.node, self.option

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every step but the first; after a time without the offer, against the price before it."""
        priced = self.micro_usd_per_hour > 0
        days, usd = self.days[priced].tolist(), self.micro_usd_per_hour[priced].tolist()
        return tuple(Change(d, a, b) for d, a, b in zip(days[1:], usd[:-1], usd[1:], strict=True) if a != b)

    @property
    def volatility(self) -> Volatility:
        """How much it moved on the days it was offered, from the first to `until`."""
        made, usd = self.changes, self.micro_usd_per_hour
        lengths = np.diff(np.append(self.days, np.datetime64(self.until, "D"))).astype(np.int64) * (usd > 0)
        observed = int(lengths.sum())
        years = observed / DAYS_A_YEAR
        moves = np.log([change.factor for change in made])
        rise, fall = max(made, key=_factor, default=None), min(made, key=_factor, default=None)
        return Volatility(
            observed_days=observed,
            changes=len(made),
            changes_per_year=len(made) / years if observed else None,
            per_year=float(np.sqrt(np.sum(moves**2) / years)) if observed else None,
            trend_per_year=float(np.sum(moves) / years) if observed else None,
            largest_rise=rise if rise and rise.factor > 1 else None,
            largest_fall=fall if fall and fall.factor < 1 else None,
            days_since_change=(self.until - made[-1].day).days if made else None,
            lowest_micro_usd=int(usd[usd > 0].min()),
            highest_micro_usd=int(usd.max()),
            mean_micro_usd=float(np.average(usd, weights=lengths)) if observed else float(usd[usd > 0][-1]),
        )

    @property
    def level_shifts(self) -> tuple[Change, ...]:
        """Days on which the price came to another level, with the mean prices (geometric) of the levels around them.

        A list price has no noise: each change is one. So is each of a market price that moves on fewer than half of
        the days between its first and last, taken at its median step, or that has not been seen often enough.
        """
        if packaged.options()[self.option].kind != "spot":
            return self.changes
        every = max(1, int(np.median(np.diff(self.days).astype(np.int64)))) if len(self.days) > 1 else 1
        grid = np.arange(self.days[0], np.datetime64(self.until, "D") + 1, every)
        grid = grid[self.on(grid) > 0]
        prices = self.on(grid)
        if len(grid) < levels.ENOUGH or not levels.noise(np.log(prices))[0]:
            return self.changes
        cuts = levels.shifts(prices)
        parts = [round(float(np.exp(np.log(part).mean()))) for part in np.split(prices, cuts)]
        found = [self._moved(grid[cut - 1], grid[cut]) for cut in cuts]
        return tuple(map(Change, found, parts[:-1], parts[1:]))

    def on(self, days: Array | np.datetime64) -> Array:
        """The prices on these days (m,), none of them before the first step: micro-dollars an hour, 0 for no offer."""
        return np.asarray(self.micro_usd_per_hour[np.searchsorted(self.days, days, side="right") - 1])

    def _moved(self, after: np.datetime64, up_to: np.datetime64) -> date:
        """The day of the largest move after one day and up to another."""
        found = [change for change in self.changes if after < np.datetime64(change.day, "D") <= up_to]
        return max(found, key=lambda change: abs(np.log(change.factor))).day


def _factor(change: Change) -> float:
    return change.factor


def histories(
    *,
    provider: Names = None,
    region: Names = None,
    node: Names = None,
    option: Names = None,
    as_of: date | str | None = None,
) -> tuple[History, ...]:
    """The history of every offer that matches all filters, as it was known on a day; sorted by key.

    Each filter is a name or several. Offers computed from percentages have no rows of their own, and are not among
    them. A name that no dated row has is an error with the nearest one.
    """
    day, wanted = known_day(as_of), [_names(given) for given in (provider, region, node, option)]
    _known("provider", wanted[0], packaged.providers())
    rows: dict[Key, list[list[str]]] = defaultdict(list)
    store = refreshed.current(refreshed.folder())
    for who in wanted[0] or packaged.providers():
        for row in dated.rows(who, store):
            rows[who, row[0], row[1], row[2]].append(row)
    columns = list(zip(*rows, strict=True))
    for at, what in enumerate(KEY[1:], start=1):
        _known(what, wanted[at], columns[at])
    kept = sorted(key for key in rows if all(part in names for part, names in zip(key, wanted, strict=True) if names))
    made = (_history(key, rows[key], day) for key in kept)
    return tuple(history for history in made if history)


def _names(given: Names) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def _known(what: str, names: tuple[str, ...], known: Iterable[str]) -> None:
    known = set(known) if names else set()
    for name in names:
        if name not in known:
            raise DataError(f"unknown {what} {shown(name)}", where=what, mend=nearest(name, known))


def _history(key: Key, rows: list[list[str]], as_of: date | None) -> History | None:
    """Steps of one key; rows that repeat the price before them confirm it."""
    last = as_of.isoformat() if as_of else LATEST
    known = sorted((row for row in rows if row[dated.SINCE] <= last), key=lambda row: row[dated.SINCE])
    usd = np.array([_micro_usd(row) for row in known], dtype=np.int64)
    if not usd.any():
        return None
    seen = max(max(row[dated.SINCE], row[dated.SEEN], _shown(row[dated.SOURCE])) for row in known)
    new = np.append(usd[0] > 0, np.diff(usd) != 0)
    return History(
        **dict(zip(KEY, key, strict=True)),
        days=np.array([row[dated.SINCE] for row in known], dtype=DAY)[new],
        micro_usd_per_hour=usd[new],
        sources=tuple(row[dated.SOURCE] for row, kept in zip(known, new.tolist(), strict=True) if kept),
        until=np.datetime64(min(seen, last), "D").item(),
    )


def _micro_usd(row: list[str]) -> int:
    """An hour, with what is paid at once spread over the term; 0 where the row ends the offer."""
    if not row[dated.USD]:
        return 0
    hourly, upfront = Fraction(row[dated.USD]), Fraction(row[dated.UPFRONT] or 0)
    if upfront:
        hourly += upfront / (packaged.options()[row[2]].term_months * HOURS_A_MONTH)
    return round(hourly * packaged.MICRO)


def _shown(source: str) -> str:
    """The day a packaged source was last read; "" for a refreshed one, whose rows say when."""
    known = packaged.sources().get(source)
    return known.date if known else ""


class Ratio(NamedTuple):
    """One price over another, as steps: `values` (n,) hold from `days` (n,)."""

    days: Array
    values: Array


def ratio(part: History, whole: History) -> Ratio:
    """A price over another from the first day both are known, such as spot over on demand; no neighbours are equal.

    A region where both move by one factor on one day keeps its ratio: that is the list, not the market.
    """
    days = np.union1d(part.days, whole.days)
    days = days[days >= max(part.days[0], whole.days[0])]
    days = days[(part.on(days) > 0) & (whole.on(days) > 0)]
    values = part.on(days) / whole.on(days)
    new = np.append(True, np.abs(np.diff(np.log(values))) > WITHIN)[: len(days)]  # days may be none at all
    return Ratio(days[new], values[new])


class Together(NamedTuple):
    """Offers whose prices changed on one day by one factor: one announcement, most likely."""

    day: date
    provider: str
    option: str
    factor: float  # the geometric mean; no two neighbours are further apart than `WITHIN`
    keys: tuple[Key, ...]


def moved_together(some: Iterable[History]) -> tuple[Together, ...]:
    """Changes grouped by day, provider, option and factor: by day, and then the largest groups first."""
    changes: dict[tuple[date, str, str], list[tuple[float, Key]]] = defaultdict(list)
    for history in some:
        for change in history.changes:
            changes[change.day, history.provider, history.option].append((float(np.log(change.factor)), history.key))
    made = []
    for (day, who, option), found in changes.items():
        found.sort()
        logs = np.array([log for log, _ in found])
        for group in np.split(np.arange(len(found)), np.flatnonzero(np.diff(logs) > WITHIN) + 1):
            keys = tuple(sorted(found[i][1] for i in group))
            made.append(Together(day, who, option, float(np.exp(logs[group].mean())), keys))
    return tuple(sorted(made, key=lambda t: (t.day, -len(t.keys), t.provider, t.option, t.factor)))
