"""Demand as it was: hourly or daily, evenly spaced, in UTC, nothing missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
MOST_SERIES, MOST_STEPS = 200, 100_000
LARGEST = 1e15
HOUR, DAY = np.timedelta64(1, "h"), np.timedelta64(24, "h")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Demand of some series over time.

    Args:
        times: datetime64[h] [T], evenly spaced: begins of hours (UTC) or of days (calendar days of the zone).
        series: their names [N].
        values: float [T, N], not negative; 0 before a series began.
        unit: what is counted, as shown to people.
        zone: IANA name of the time zone whose days, weeks and holidays demand follows.
        notes: what reading did to it, in sentences.

    Raises:
        InputError: the shapes do not fit, times are uneven, or a value is negative or no number.
    """

    times: Array
    series: tuple[str, ...]
    values: Array
    unit: str = "units"
    zone: str = "UTC"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field."""
        times = np.asarray(self.times).astype("datetime64[h]")
        values = np.array(self.values, dtype=float)
        values.flags.writeable = False
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "series", tuple(self.series))
        _check_shape(times, self.series, values)
        _check_values(times, self.series, values)
        zone_of(self.zone)

    @property
    def daily(self) -> bool:
        """Whether a step is a day, not an hour."""
        return bool(self.times[1] - self.times[0] == DAY)

    @property
    def step_hours(self) -> int:
        """Hours of a step."""
        return 24 if self.daily else 1

    def until(self, steps: int) -> Self:
        """The first so many steps."""
        return type(self)(
            times=self.times[:steps],
            series=self.series,
            values=self.values[:steps],
            unit=self.unit,
            zone=self.zone,
            notes=self.notes,
        )

    def after(self, steps: int) -> Array:
        """Times of the next so many steps, datetime64[h] [steps]."""
        return np.asarray(self.times[-1] + (self.times[1] - self.times[0]) * np.arange(1, steps + 1))


def zone_of(name: str) -> Any:
    """The time zone of that name.

    Raises:
        InputError: there is none.
    """
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(f"unknown time zone {name!r}", where="zone", mend="give a name like Europe/Berlin") from None


def local_times(times: Array, zone: str, *, daily: bool) -> Array:
    """The same moments on the clocks of the zone, datetime64[h]; days are the zone's own already.

    Zones half an hour off have their hour cut down to the whole one.
    """
    if daily or zone == "UTC":
        return times
    import pandas as pd

    shown = pd.DatetimeIndex(times, tz="UTC").tz_convert(zone_of(zone)).tz_localize(None)
    return np.asarray(shown.to_numpy().astype("datetime64[h]"))


def _check_shape(times: Array, series: tuple[str, ...], values: Array) -> None:
    where = "history"
    if times.ndim != 1 or values.shape != (len(times), len(series)):
        text = f"{values.shape} values for {times.shape} times and {len(series)} series"
        raise InputError(text, where=where, mend="give values [times, series]")
    if not series or len(set(series)) < len(series):
        raise InputError("series without a name of their own", where=where, mend="name each once")
    if len(series) > MOST_SERIES or len(times) > MOST_STEPS:
        text = f"{len(series):,} series of {len(times):,} steps; {MOST_SERIES} of {MOST_STEPS:,} are the most"
        raise InputError(text, where=where, mend="leave old years out, or forecast groups of series")
    if len(times) < 2:  # noqa: PLR2004 (two make a step)
        raise InputError("one step says nothing of the next", where=where, mend="give a longer history")
    steps = np.diff(times)
    if not (steps == steps[0]).all() or steps[0] not in (HOUR, DAY):
        raise InputError("times are not evenly spaced by an hour or a day", where=where, mend="give every hour or day")


def _check_values(times: Array, series: tuple[str, ...], values: Array) -> None:
    bad = ~(np.isfinite(values) & (values >= 0) & (values <= LARGEST))
    if bad.any():
        row, column = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(
            f"{values[row, column]} is no amount of demand",
            where=f"history, {series[column]} at {times[row]}",
            mend=f"give numbers from 0 to {LARGEST:g}",
        )
