"""The forecast of a history: for each series the scale, the methods, errors at rolling origins, then what is ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from ..errors import InputError
from ..table import Table
from .calibrate import Calibration, Spread, calibrate, guessed
from .choose import Choice, blend, choose, mixed, ranges
from .events import Event, Growth, checked, effects, growth_factor, restated
from .fan import MEAN_LEVELS, Fan, Forecast
from .history import Array, History, local_times
from .methods import LEVELS, METHODS, SMOOTHED, Series, forecasts, levels_of, natural
from .rolling import LONGEST, Rolled, losses, roll
from .scenarios import Past
from .seasons import Calendar, calendar, scale_of, to_scale

LEAST_STEPS, DAY_BLOCKS_FROM = 10, 28 * 24
MOST_PATHS = 5000
TREND = LEVELS.index("trend")
FITTED = np.isin(METHODS, (*SMOOTHED, "combined"))

Holidays = str | Mapping[date, str] | Iterable[date] | None


def forecast(  # noqa: PLR0913 (what a user may know)
    history: History,
    horizon: int,
    *,
    events: Sequence[Event] = (),
    growth: Growth | Sequence[Growth] | None = None,
    holidays: Holidays = None,
    level: float = 0.9,
    paths: int = 200,
    seed: int = 0,
    methods: Sequence[str] | None = None,
) -> Forecast:
    """Forecast demand.

    Args:
        history: hourly or daily demand.
        horizon: steps ahead, three years at most.
        events: launches and drops, past and to come.
        growth: where levels shall be, instead of their trend or blended with it.
        holidays: a country as ISO code ("US"; "DE-BY" with its part), or days (with names).
        level: chance with which the interval is to hold.
        paths: how many futures are drawn.
        seed: of the draw.
        methods: of METHODS, those that may be chosen; by default all.

    Raises:
        InputError: an argument out of bounds, or a history too short to say anything.
    """
    targets = [growth] if isinstance(growth, Growth) else list(growth or ())
    _check(history, horizon, level, paths)
    checked(events, targets, history)
    allowed = _allowed(methods)
    clocks = local_times(np.concatenate([history.times, history.after(horizon)]), history.zone, daily=history.daily)
    known = calendar(clocks, _holidays(holidays, clocks), daily=history.daily)
    ask = _Ask(horizon, level, allowed, events, targets, clocks, history.times)
    with _one_thread():
        made = [_one(history, n, known, ask) for n in range(len(history.series))]
    return _joined(history, made, ask, paths, seed)


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is asked of every series."""

    horizon: int
    level: float
    allowed: Array
    events: Sequence[Event]
    targets: Sequence[Growth]
    clocks: Array
    times: Array


@dataclass(frozen=True, slots=True)
class _Made:
    """One series forecast."""

    fan: Fan
    method: str
    coverage: float
    rows: list[tuple[Any, ...]]
    notes: list[str]
    rest: Array
    level: Array
    begin: int
    block: int


def _one(history: History, n: int, known: Calendar, ask: _Ask) -> _Made:
    name, steps = history.series[n], len(history.times)
    units, factor = effects(ask.events, name, ask.clocks)
    demand = restated(history.values[:, n], units[:steps], factor[:steps])
    later = (units[steps:], factor[steps:], (float(units[steps - 1]), float(factor[steps - 1])))
    if not demand.any():
        return _nothing(name, steps, ask, later)
    one = series_of(demand, known)
    if one.end - one.begin < LEAST_STEPS:
        text = f"{one.end - one.begin} steps of demand"
        raise InputError(text, where=name, mend=f"give {LEAST_STEPS} at least; hundreds say more")
    allowed = ask.allowed.copy()
    if one.block == 1 and not history.daily:
        allowed[TREND] = allowed.sum() == 1 and allowed[TREND]
    rolled = roll(one, ask.horizon, fit=bool(allowed[FITTED].any()))
    choice = choose(rolled, losses(one, rolled), allowed, daily=history.daily)
    measured = calibrate(rolled, choice, ask.level, daily=history.daily, steady=one.scale == "plain")
    spread = measured.spread if measured.spread.measured.any() else guessed(one, rolled)
    fan = _fan(one, rolled, choice, spread, name, ask, later)
    error = np.abs(natural(one, mixed(rolled.guess, choice.picked[:-1], choice.blend)) - rolled.truth)
    rest, level = levels_of(one, rolled.last)
    coverage = float(np.nanmean(measured.covered)) if (measured.judged > 0).any() else float("nan")
    rows = _rows(name, rolled, choice, measured, error, known)
    notes = _notes(name, one, measured.spread, known)
    return _Made(fan, _method(choice, rolled, known), coverage, rows, notes, rest, level, one.begin, one.block)


def series_of(demand: Array, known: Calendar) -> Series:
    """A series from its first demand on, on its scale, in blocks of a day where it is long enough."""
    begin = int((demand > 0).argmax())
    scale = scale_of(demand[begin:])
    scaled = np.zeros(len(demand))
    scaled[begin:] = to_scale(demand[begin:], scale)
    block = 1 if known.daily or len(demand) - begin < DAY_BLOCKS_FROM else known.day
    return Series(demand, scaled, scale, known, begin, block)


def _fan(
    one: Series, rolled: Rolled, choice: Choice, spread: Spread, name: str, ask: _Ask, later: tuple[Any, Any, Any]
) -> Fan:
    """The centre ahead, and by what a target of growth moves it."""
    offsets, now = np.arange(1, ask.horizon + 1), np.array([one.end])
    weights = blend(ranges(rolled.bands, daily=one.known.daily), offsets)
    centre = mixed(forecasts(one, rolled.last, now, offsets), choice.picked[-1:], weights)[0]
    times = np.ones(ask.horizon)
    for target in ask.targets:
        if target.series in ("", name):
            flat = mixed(forecasts(one, rolled.last, now, offsets, flat=True), choice.picked[-1:], weights)[0]
            aim = natural(one, flat) * growth_factor(target, ask.clocks[one.end - 1], ask.clocks[one.end :])
            own = natural(one, centre)
            times = np.where(own > 0, aim / np.where(own > 0, own, 1.0), 1.0) ** target.weight
    return Fan(centre, one.scale, spread, times, *later)


def _nothing(name: str, steps: int, ask: _Ask, later: tuple[Any, Any, Any]) -> _Made:
    """A series that never had demand has none, but for events."""
    fan = Fan(np.zeros(ask.horizon), "plain", None, np.ones(ask.horizon), *later)
    note = f"{name} never had demand: none is forecast."
    return _Made(fan, "none", float("nan"), [], [note], np.zeros(steps), np.zeros(steps), 0, 1)


def _joined(history: History, made: list[_Made], ask: _Ask, paths: int, seed: int) -> Forecast:
    ends = np.array([(1 - ask.level) / 2, (1 + ask.level) / 2])
    mean = np.stack([m.fan.quantiles(MEAN_LEVELS).mean(axis=1) for m in made], axis=1)
    sides = np.stack([m.fan.quantiles(ends) for m in made], axis=1)
    columns = ("series", "from_step", "to_step", "method", "error", "naive_error", "coverage", "independent")
    steps = len(history.times)
    begins = [m.begin for m in made if steps - m.begin >= steps // 4]
    block, begin = max(m.block for m in made), max(begins, default=0)
    past = Past(
        np.stack([m.rest for m in made], axis=1),
        np.stack([m.level for m in made], axis=1),
        block,
        begin + (steps - begin) % block,
    )
    return Forecast(
        times=history.after(ask.horizon),
        series=history.series,
        unit=history.unit,
        daily=history.daily,
        level=ask.level,
        mean=mean,
        lower=sides[:, :, 0],
        upper=sides[:, :, 1],
        method=tuple(m.method for m in made),
        coverage=np.array([m.coverage for m in made]),
        scores=Table.from_records(columns, [row for m in made for row in m.rows]),
        notes=(*history.notes, *(note for m in made for note in m.notes)),
        recent=history.values[-28 * (1 if history.daily else 24) :].mean(axis=0),
        count=paths,
        seed=seed,
        fans=tuple(m.fan for m in made),
        past=past,
    )


def _rows(
    name: str, rolled: Rolled, choice: Choice, measured: Calibration, error: Array, known: Calendar
) -> list[tuple[Any, ...]]:
    """A band each: what was chosen for it now, and how it fared."""
    group = np.searchsorted(ranges(rolled.bands, daily=known.daily), rolled.bands.high)
    rows = []
    for b in range(len(rolled.bands)):
        part = error[:, rolled.band == b]
        own = float(np.nanmean(part)) if (~np.isnan(part)).any() else float("nan")
        rows.append(
            (
                name, int(rolled.bands.low[b]), int(rolled.bands.high[b]), METHODS[choice.picked[-1, group[b]]], own,
                float(choice.error[-2, b]), float(measured.covered[b]), float(measured.spread.independent[b]),
            )
        )  # fmt: skip
    return rows


def _method(choice: Choice, rolled: Rolled, known: Calendar) -> str:
    """Methods by range, those alike told once."""
    ends = ranges(rolled.bands, daily=known.daily)
    names = [METHODS[m] for m in choice.picked[-1]]
    parts = []
    for g, name in enumerate(names):
        if g + 1 < len(names) and names[g + 1] == name:
            continue
        days = ends[g] / known.day
        parts.append(f"{name} to {days:.0f} d" if g + 1 < len(names) and days >= 1 else name)
    return ", ".join(parts)


def _notes(name: str, one: Series, spread: Spread, known: Calendar) -> list[str]:
    """What is thin about it."""
    if not spread.measured.any():
        return [f"{name}: too little history to measure an interval; the one given is a guess, and wide."]
    last = int(spread.bands.high[np.flatnonzero(spread.measured)[-1]])
    notes = []
    if not spread.measured[-1]:
        reach = f"{last / known.day:.0f} days" if last >= known.day else f"{last} hours"
        notes.append(f"{name}: the history shows errors up to {reach} ahead; beyond, intervals are carried on, wider.")
    if one.end - one.begin < 3 * known.week:
        notes.append(f"{name}: less than three weeks of history; no pattern of the week is seen.")
    return notes


def _check(history: History, horizon: int, level: float, paths: int) -> None:
    most = LONGEST[history.daily]
    word = "days" if history.daily else "hours"
    if not 1 <= horizon <= most:
        raise InputError(f"a horizon of {horizon:,} {word}", where="horizon", mend=f"1 to {most:,}")
    if not 0.5 <= level <= 0.99:  # noqa: PLR2004 (what quantiles of errors can say)
        raise InputError(f"an interval at {level}", where="level", mend="0.5 to 0.99")
    if not 1 <= paths <= MOST_PATHS:
        raise InputError(f"{paths:,} paths", where="paths", mend=f"1 to {MOST_PATHS:,}")


def _allowed(methods: Sequence[str] | None) -> Array:
    unknown = [m for m in methods or () if m not in METHODS]
    if unknown or (methods is not None and not methods):
        text = f"unknown method {unknown[0]!r}" if unknown else "no method"
        raise InputError(text, where="methods", mend=f"of {', '.join(METHODS)}")
    return np.isin(METHODS, methods) if methods else np.ones(len(METHODS), dtype=bool)


def _holidays(given: Holidays, clocks: Array) -> dict[Any, str]:
    """Names by day."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, str):
        return dict.fromkeys(given, "holiday")
    import holidays

    country, _, part = given.partition("-")
    first, last = (int(str(c)[:4]) for c in (clocks[0], clocks[-1]))
    try:
        return dict(holidays.country_holidays(country, subdiv=part or None, years=range(first, last + 1)))
    except NotImplementedError:
        mend = "an ISO code such as US, DE or DE-BY"
        raise InputError(f"holidays of {given!a} are not known", where="holidays", mend=mend) from None


def _one_thread() -> Any:
    """Small matrices are slower on many threads."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)
