"""What the user knows and no history shows: launches, drops, growth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from ..errors import InputError
from .history import Array, History

MOST_FACTOR, MOST_DAYS = 1000.0, 3660
EVENT = re.compile(
    r"(\d{4}-\d\d-\d\d):(?:(.+):)?(?:([+-]\d+(?:\.\d+)?)|[x×*](\d+(?:\.\d+)?))"
    r"(?:/(\d+)d)?(?:\.\.(\d{4}-\d\d-\d\d))?"
)
GROWTH = re.compile(r"(?:(.+):)?[x×*](\d+(?:\.\d+)?)(?:by|@)(\d{4}-\d\d(?:-\d\d)?)(?:/(\d+(?:\.\d+)?)%)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Demand that begins or ends at a known day.

    Before it ends the history is read as if an event of the past had always been there, so that no method takes it for
    a trend; what of it is still to come is added to the forecast, its mean, quantiles and paths alike.

    Args:
        day: when it begins.
        series: whose; "" is every series.
        units: demand added (negative: taken away; never below 0).
        factor: what demand is multiplied by, after units are added.
        ramp_days: days until all of it is there.
        until: day from which it is gone again, all at once; None stays.

    Raises:
        InputError: a field out of bounds, or neither units nor a factor.
    """

    day: date
    series: str = ""
    units: float = 0.0
    factor: float = 1.0
    ramp_days: int = 0
    until: date | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"event of {self.day}"
        if not np.isfinite(self.units) or not 0 <= self.factor <= MOST_FACTOR:
            raise InputError("units must be a number and the factor from 0 to 1000", where=where, mend="mend it")
        if self.units == 0 and self.factor == 1:
            raise InputError("changes nothing", where=where, mend="give units or a factor")
        if not 0 <= self.ramp_days <= MOST_DAYS:
            raise InputError(f"a ramp of {self.ramp_days} days", where=where, mend=f"0 to {MOST_DAYS} days")
        if self.until is not None and self.until <= self.day:
            raise InputError("ends before it begins", where=where, mend="give a later end")

    @classmethod
    def parse(cls, text: str) -> Event:
        """An event in words: 2027-03-01:chat:+64/30d, 2027-06-01:x0.8, 2027-11-20:shop:x1.5..2027-12-01.

        Raises:
            InputError: it is none.
        """
        found = EVENT.fullmatch(text.replace(" ", ""))
        if not found:
            mend = "write DAY:SERIES:+UNITS or DAY:SERIES:xFACTOR, with /30d for a ramp and ..DAY for an end"
            raise InputError(f"{text[:80]!a} is no event", where="--event", mend=mend)
        day, series, units, factor, ramp, until = found.groups()
        return cls(
            day=_day(day, "--event"), series=series or "", units=float(units or 0), factor=float(factor or 1),
            ramp_days=int(ramp or 0), until=_day(until, "--event") if until else None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Where the level of demand shall be at a day: times so much what it is at the end of the history.

    On the way it grows at an even rate; after that day it stays.

    Args:
        factor: times the level now.
        by: the day.
        weight: 1 replaces the trend of the history; 0.5 is the geometric mean of both.
        series: whose; "" is every series.

    Raises:
        InputError: a field out of bounds.
    """

    factor: float
    by: date
    weight: float = 1.0
    series: str = ""

    def __post_init__(self) -> None:
        """Check every field."""
        if not 0 < self.factor <= MOST_FACTOR:
            raise InputError(f"a factor of {self.factor}", where="growth", mend=f"above 0, {MOST_FACTOR:g} at most")
        if not 0 <= self.weight <= 1:
            raise InputError(f"a weight of {self.weight}", where="growth", mend="from 0 to 1")

    @classmethod
    def parse(cls, text: str) -> Growth:
        """A target in words: x1.5 by 2027-12 (the end of that month), chat: x2 by 2027-06-30 / 50 %.

        Raises:
            InputError: it is none.
        """
        found = GROWTH.fullmatch(text.replace(" ", ""))
        if not found:
            mend = "write xFACTOR by MONTH or DAY, before it SERIES: for one series, after it /50% to blend it in"
            raise InputError(f"{text[:80]!a} is no growth", where="--growth", mend=mend)
        series, factor, by, weight = found.groups()
        return cls(factor=float(factor), by=_month_end(by), weight=float(weight or 100) / 100, series=series or "")


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text} is no day", where=where, mend="write YYYY-MM-DD") from None


def _month_end(text: str) -> date:
    if len(text) > len("2027-12"):
        return _day(text, "--growth")
    first = _day(f"{text}-01", "--growth")
    return (first + timedelta(days=31)).replace(day=1)  # midnight after its last day


def checked(events: Sequence[Event], growth: Sequence[Growth], history: History) -> None:
    """Refuse names that the history does not have.

    Raises:
        InputError: an unknown series, or two targets of one.
    """
    named: list[Event | Growth] = [*events, *growth]
    for what in named:
        if what.series and what.series not in history.series:
            kind = "event" if isinstance(what, Event) else "growth"
            known = ", ".join(history.series[:8])
            raise InputError(f"there is no series {what.series!a}", where=kind, mend=f"there are {known}")
    for name in history.series:
        if sum(g.series in ("", name) for g in growth) > 1:
            raise InputError(f"two targets for {name}", where="growth", mend="give one a series")
    for target in growth:
        if np.datetime64(target.by, "h") <= history.times[-1]:
            raise InputError(f"{target.by} is over", where="growth", mend="give a day after the history's end")


def effects(events: Sequence[Event], name: str, clocks: Array) -> tuple[Array, Array]:
    """Units added to a series and its factor, by step [T]; `clocks` datetime64[h] are local."""
    units, factor = np.zeros(len(clocks)), np.ones(len(clocks))
    for event in events:
        if event.series in ("", name):
            share = _share(event, clocks)
            units += event.units * share
            factor *= 1 + (event.factor - 1) * share
    return units, factor


def _share(event: Event, clocks: Array) -> Array:
    """How much of an event is there, 0 to 1, in each step."""
    days = (clocks - np.datetime64(event.day, "h")) / np.timedelta64(1, "D")
    share: Any = np.where(days >= 0, 1.0, 0.0)
    if event.ramp_days:
        share = np.clip(days / event.ramp_days, 0, 1)
    if event.until is not None:
        share = np.where(clocks >= np.datetime64(event.until, "h"), 0.0, share)
    return np.asarray(share)


def restated(values: Array, units: Array, factor: Array) -> Array:
    """A history [T] as if the state of events at its end had always held."""
    here = np.where(factor > 0, factor, 1.0)
    plain = values / here - units
    same = (units == units[-1]) & (factor == factor[-1])
    return np.where(same, values, np.maximum((plain + units[-1]) * np.where(factor > 0, factor[-1], 1.0), 0.0))


def ahead(values: Array, units: Array, factor: Array, now: tuple[float, float]) -> Array:
    """Forecasts [..., H] made of a restated history, with what of the events is still to come."""
    then_units, then_factor = now
    if then_factor <= 0:
        return np.asarray(np.zeros_like(values) + np.maximum(units - then_units, 0.0) * factor)
    change = values / then_factor + (units - then_units)
    return np.asarray(np.maximum(change, 0.0) * factor)


def growth_factor(target: Growth, now: np.datetime64, clocks: Array) -> Array:
    """Times the level now, in each step [H]."""
    whole = (np.datetime64(target.by, "h") - now) / np.timedelta64(1, "h")
    share = np.clip((clocks - now) / np.timedelta64(1, "h") / whole, 0, 1)
    return np.asarray(target.factor**share)
