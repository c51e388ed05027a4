"""What repeats: the scale on which demand is level and noise, and the pattern of day, week, holidays and year on it.

Each pattern is kept only as far as the history bears it out: a group of means whose spread is no more than their noise
would give is shrunk to nothing (James and Stein), one without noise is kept whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .history import DAY, Array

Scale = Literal["log", "root", "plain"]
DAY_STEPS, WEEK_DAYS = 24, 7
INTERMITTENT = 0.3  # share of steps without demand
SMALL = 0.05  # of the median: a series that goes so near to 0 has no useful logarithm
HALF_LIFE_WEEKS = 8.0  # of what an old week counts for the pattern of days and weeks
MONTH_DAYS, YEAR_DAYS, YEARS = 28, 365.25, 1.5


def scale_of(values: Array) -> Scale:
    """Log for demand that is always there, root where it falls to nothing at times, plain where it comes and goes."""
    if (values <= 0).mean() > INTERMITTENT:
        return "plain"
    return "log" if values.min() > SMALL * np.median(values) else "root"


def to_scale(values: Array, scale: Scale) -> Array:
    """Demand on the scale."""
    if scale == "plain":
        return values
    return np.asarray(np.log(values) if scale == "log" else np.sqrt(values))


def from_scale(values: Array, scale: Scale) -> Array:
    """Demand again, not negative."""
    if scale == "log":
        return np.asarray(np.exp(np.minimum(values, 80.0)))
    positive = np.maximum(values, 0.0)
    return np.asarray(positive if scale == "plain" else positive * positive)


@dataclass(frozen=True, slots=True)
class Calendar:
    """What is known of each step, past and to come: its slot of the week and its holiday; arrays [T + H]."""

    slot: Array  # hour of the local week 0 … 167, or day of it 0 … 6
    date: Array  # number of the local day
    year: Array  # years since the first step
    holiday: Array  # index of a holiday's name, -1 for none
    names: tuple[str, ...]
    daily: bool

    @property
    def day(self) -> int:
        """Steps of a day, or 1."""
        return 1 if self.daily else DAY_STEPS

    @property
    def week(self) -> int:
        """Steps of a week."""
        return WEEK_DAYS * self.day


def calendar(clocks: Array, holidays: dict[Any, str], *, daily: bool) -> Calendar:
    """The calendar of local times datetime64[h], with names of holidays by day."""
    days = clocks.astype("datetime64[D]")
    weekday = (days.astype(np.int64) + 3) % WEEK_DAYS  # the epoch was a Thursday
    hour = (clocks - days) // np.timedelta64(1, "h")
    slot = weekday if daily else weekday * DAY_STEPS + hour.astype(np.int64)
    names = tuple(sorted(set(holidays.values())))
    number = {np.datetime64(day): names.index(name) for day, name in holidays.items()}
    unique, place = np.unique(days, return_inverse=True)
    holiday = np.array([number.get(day, -1) for day in unique], dtype=np.int64)[place]
    years = (clocks - clocks[0]) / DAY / YEAR_DAYS
    return Calendar(slot, days.astype(np.int64), years, holiday, names, daily)


def seasons(scaled: Array, known: Calendar, begin: int, end: int) -> Array:
    """The pattern of all steps of the calendar, learned from steps begin to end (exclusive) of the scaled history."""
    here = slice(begin, end)
    made = np.zeros(len(known.slot))
    inside, detrended = _detrended(scaled[here], _cycle(known, end - begin))
    if inside is None:
        return made
    rows = np.arange(begin, end)[inside]
    left = detrended
    for groups in _groups(known, end - begin):
        age = (end - rows) / known.week
        effect = _shrunk(groups[rows], left, 0.5 ** (age / HALF_LIFE_WEEKS), int(groups.max()) + 1)
        made += effect[groups]
        left = left - effect[groups[rows]]
    if (known.holiday[rows] >= 0).any():
        made += _holidays(known, rows, left)
    return made + _year(scaled - made[: len(scaled)], known, begin, end)


def _cycle(known: Calendar, steps: int) -> int:
    """Steps of the longest pattern that the history can show: a week from three of them, a day from four; or 0."""
    if steps >= 3 * known.week:
        return known.week
    return known.day if known.day > 1 and steps >= 4 * known.day else 0


def _groups(known: Calendar, steps: int) -> list[Array]:
    """Partitions of steps, from coarse to fine: hours of the day, days of the week, hours of the week."""
    weekly = steps >= 3 * known.week
    if known.daily:
        return [known.slot] if weekly else []
    hours, days = known.slot % DAY_STEPS, known.slot // DAY_STEPS
    return [hours, days, known.slot] if weekly else [hours]


def _detrended(scaled: Array, cycle: int) -> tuple[Array | None, Array]:
    """What is inside, and there the distance from the mean of a whole cycle around it."""
    if not cycle:
        return None, scaled
    total = np.concatenate([[0.0], np.cumsum(scaled)])
    half = cycle // 2
    mean = (total[cycle:] - total[:-cycle]) / cycle  # of steps i … i + cycle - 1
    if cycle % 2 == 0:
        mean = (mean[1:] + mean[:-1]) / 2
    inside = np.arange(half, half + len(mean))
    return inside, scaled[inside] - mean


def _shrunk(group: Array, values: Array, weight: Array, count: int) -> Array:
    """Weighted means of groups [count], around 0, shrunk by how much of their spread is noise."""
    total = np.bincount(group, weight, count)
    seen = total > 0
    safe = np.where(seen, total, 1.0)
    mean = np.bincount(group, weight * values, count) / safe
    mean -= np.average(mean[seen])
    mean[~seen] = 0.0
    squares = np.bincount(group, weight * (values - mean[group]) ** 2, count) / safe
    effective = safe**2 / np.maximum(np.bincount(group, weight**2, count), 1e-300)
    noise = np.average((squares / np.maximum(effective - 1, 0.5))[seen])
    spread = np.average(mean[seen] ** 2)
    return np.asarray(mean * max(0.0, 1 - noise / spread) if spread > 0 else mean)


def _holidays(known: Calendar, rows: Array, left: Array) -> Array:
    """By how much days of each holiday differ; rare names lean on what holidays have in common."""
    _, first, place = np.unique(known.date[rows], return_index=True, return_inverse=True)
    level = np.bincount(place, left) / np.bincount(place)
    name = known.holiday[rows[first]]
    noise = float(np.var(level[name < 0])) if (name < 0).any() else 0.0
    dilution = 1 - 1 / WEEK_DAYS  # a holiday lowers the mean of the week around it
    common = level[name >= 0] / dilution
    mean = common.mean()
    counts = np.bincount(name[name >= 0], minlength=len(known.names))
    sums = np.bincount(name[name >= 0], common, len(known.names))
    own = sums / np.maximum(counts, 1) - mean
    among = max(float(np.var(own[counts > 0])) - noise / max(1.0, float(counts[counts > 0].mean())), 0.0)
    keep = counts * among / (counts * among + noise) if among + noise > 0 else np.ones(len(counts))
    trust = max(0.0, 1 - noise / len(common) / mean**2) if mean else 0.0
    effect = mean * trust + np.where(counts > 0, own * keep, 0.0)
    return np.where(known.holiday >= 0, effect[np.maximum(known.holiday, 0)], 0.0)


def _year(scaled: Array, known: Calendar, begin: int, end: int) -> Array:
    """Two harmonics of the year, from changes between months of 28 days; nothing before a year and a half."""
    nothing = np.zeros(len(known.slot))
    month = MONTH_DAYS * known.day
    count = (end - begin) // month
    if (end - begin) / known.day < YEARS * YEAR_DAYS:
        return nothing
    first = end - count * month
    waves = _waves(known.year)
    monthly = scaled[first:end].reshape(count, month).mean(axis=1)
    design = waves[first:end].reshape(count, month, -1).mean(axis=1)
    change, moved = np.diff(monthly), np.diff(design, axis=0)
    change = change - np.median(change)
    limit = 3 * 1.4826 * np.median(np.abs(change)) + 1e-12  # a launch is no season
    change = np.clip(change, -limit, limit)
    moved = moved - moved.mean(axis=0)
    found, *_ = np.linalg.lstsq(moved, change, rcond=None)
    explained = float(((moved @ found) ** 2).sum())
    noise = float(((change - moved @ found) ** 2).sum()) / max(1, len(change) - 1 - len(found))
    keep = max(0.0, 1 - noise * len(found) / explained) if explained > 0 else 0.0
    return np.asarray(waves @ found * keep)


def _waves(year: Array) -> Array:
    return np.stack([f(2 * np.pi * k * year) for k in (1, 2) for f in (np.cos, np.sin)], axis=1)
