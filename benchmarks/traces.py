"""Demand that was, and demand made up: public traces as series of hours or days, and seeded synthetic years.

    for name, trace in traces().items(): ...          # whatever the folder of traces holds
    synthetic("launches", seed=1, years=3)

The traces are not part of the project. Their folder is named by --data of a benchmark or by AUTOPARALLEL_TRACES; where
it is absent there are no traces, and a line on stderr says so.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, np.dtype[Any]]
FOLDER = "AUTOPARALLEL_TRACES"
HOUR_S, DAY_H, WEEK_H, YEAR_H = 3600, 24, 168, 8760
START = np.datetime64("2024-01-01T00", "h")  # of what tells no date of its own, and of synthetic years
BUSY_FROM_DAY = 115  # of Alibaba's 149: before, only those pods are listed that still ran then
KINDS = ("steady", "growth", "launches", "drops", "holidays", "intermittent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Demand by time: `times` datetime64[h] [T], evenly spaced; `values` float [T, N], never negative."""

    times: Array
    values: Array
    series: tuple[str, ...]
    unit: str
    note: str  # what was done to it, and what plays the part of what
    source: str
    daily: bool = False
    season: int = WEEK_H  # steps after which the seasonal naive forecast repeats itself


def traces(folder: Path | None = None) -> dict[str, Trace]:
    """Every public trace whose file is in the folder, by name; none where there is no folder."""
    where = folder or Path(os.environ.get(FOLDER, ""))
    if not (folder or os.environ.get(FOLDER)) or not where.is_dir():
        print(f"no public traces: name their folder by --data or {FOLDER}", file=sys.stderr)
        return {}
    found: dict[str, Trace] = {}
    for file, read in FILES.items():
        if (where / file).is_file():
            found |= read(where / file)
        else:
            print(f"no trace {file} in {where}", file=sys.stderr)
    return found


def _alibaba(file: Path) -> dict[str, Trace]:
    """GPUs held by pods from creation to deletion, as the mean of each hour or day; GPUs newly asked for."""
    import pandas as pd

    pods = pd.read_csv(file)
    pods = pods[pods["num_gpu"] > 0]
    gpus = np.where(pods["num_gpu"] > 1, pods["num_gpu"], pods["gpu_milli"] / 1000)
    best_effort = (pods["qos"] == "BE").to_numpy()
    begin, end = (pods[name].to_numpy(dtype=float) for name in ("creation_time", "deletion_time"))
    hours = int(end.max()) // HOUR_S  # the last one is not whole
    held = np.stack([_held(begin[m], end[m], gpus[m], hours) for m in (~best_effort, best_effort)], axis=1)
    place = np.minimum(begin // HOUR_S, hours).astype(int)
    asked = np.bincount(place, weights=gpus, minlength=hours + 1)[:hours]
    first, source = BUSY_FROM_DAY * DAY_H, "Alibaba cluster-trace-gpu-v2023 (openb)"
    days = hours // DAY_H
    times = START + np.arange(hours)
    return {
        "alibaba-gpu-hourly": Trace(
            times=times[first:],
            values=held[first:],
            series=("latency-sensitive", "best-effort"),
            unit="GPUs",
            note=f"GPUs that pods held, mean of each hour, from day {BUSY_FROM_DAY}",
            source=source,
        ),
        "alibaba-gpu-asked": Trace(
            times=times[first:],
            values=asked[first:, None],
            series=("all",),
            unit="GPUs asked for an hour",
            note=f"GPUs of pods created in each hour, from day {BUSY_FROM_DAY}",
            source=source,
        ),
        "alibaba-gpu-daily": Trace(
            times=times[: days * DAY_H : DAY_H],
            values=held.sum(axis=1)[: days * DAY_H].reshape(days, DAY_H).mean(axis=1)[:, None],
            series=("all",),
            unit="GPUs",
            note=f"GPUs that pods held, mean of each day; before day {BUSY_FROM_DAY} only pods that still ran then",
            source=source,
            daily=True,
            season=7,
        ),
    }


def _held(begin_s: Array, end_s: Array, gpus: Array, hours: int) -> Array:
    """GPUs held in each hour, weighted by time."""
    edges = np.arange(hours + 1) * float(HOUR_S)
    used = np.zeros(hours + 1)
    for moments, sign in ((begin_s, 1.0), (end_s, -1.0)):
        order = np.argsort(moments)
        at, size = moments[order], gpus[order]
        count = np.searchsorted(at, edges)
        total, weighted = np.concatenate([[0.0], np.cumsum(size)]), np.concatenate([[0.0], np.cumsum(size * at)])
        used += sign * (edges * total[count] - weighted[count])  # GPU-seconds since then, up to each edge
    return np.asarray(np.maximum(np.diff(used) / HOUR_S, 0.0).round(9))


def _azure(file: Path) -> dict[str, Trace]:
    """Requests of the conversation service of one hour."""
    stamps = np.array(
        [line.partition(",")[0][:23] for line in file.read_text(encoding="utf-8").splitlines()[1:]],
        dtype="datetime64[ms]",
    )
    return _requests("azure-llm", (stamps - stamps[0]) / np.timedelta64(1, "s"), "Azure LLM inference trace 2023, conv")


def _mooncake(file: Path) -> dict[str, Trace]:
    """Requests of the conversation trace, also of one hour."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        moments = np.array([json.loads(line)["timestamp"] for line in lines], dtype=float)
    return _requests("mooncake", (moments - moments.min()) / 1000, "Mooncake conversation trace (FAST 2025)")


def _requests(name: str, moments_s: Array, source: str) -> dict[str, Trace]:
    """One hour counted by the minute, and by ten seconds; each of them plays the part of an hour."""
    made = {}
    for words, step in (("minutes", 60), ("ten-seconds", 10)):
        whole = int(moments_s.max()) // step
        counts = np.bincount((moments_s // step).astype(int), minlength=whole + 1)[:whole].astype(float)
        made[f"{name}-{words}"] = Trace(
            times=START + np.arange(whole),
            values=counts[:, None],
            series=("all",),
            unit=f"requests in {step} s",
            note=f"one hour of requests: each {step} s play the part of an hour, so a day is {step * DAY_H // 60} min",
            source=source,
            season=DAY_H,
        )
    return made


FILES: dict[str, Callable[[Path], dict[str, Trace]]] = {
    "alibaba_gpu_2023_openb_pod_list_default.csv": _alibaba,
    "azure_llm_2023_conv.csv": _azure,
    "mooncake_conversation_trace.jsonl.gz": _mooncake,
}


def synthetic(kind: str, seed: int, years: float = 3, series: int = 3) -> Trace:
    """Hourly demand for accelerators that never was, from 2024 on; the same seed gives the same.

    Every kind has a day and a week, a year's swing, a level that wanders (in part shared by the series, so that it
    persists over months) and noise that fades within hours. On top:
    growth: 20 to 120 % a year, less each year; launches: two a year that add 20 to 80 % within a month or at once;
    drops: one a year that takes 20 to 50 % away; holidays: a third less on public holidays of the US;
    intermittent: jobs of 8 to 64 accelerators that come and go, and nothing between them.

    Args:
        kind: one of KINDS.
        seed: of all that is drawn.
        years: of 8,760 hours.
        series: how many.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    hours = round(years * YEAR_H)
    times = START + np.arange(hours)
    if kind == "intermittent":
        values = np.stack([_jobs(rng, hours) for _ in range(series)], axis=1)
    else:
        logs = _wander(rng, hours, series) + _seasons(rng, hours, series) + _noise(rng, hours, series)
        values = np.exp(logs + np.log(rng.uniform(30, 300, series)))
        if kind in SHAPES:
            values *= SHAPES[kind](rng, hours, series)
    return Trace(
        times=times,
        values=values.round(3),
        series=tuple(f"team-{i + 1}" for i in range(series)),
        unit="accelerators",
        note=f"synthetic: {kind}, seed {seed}",
        source="synthetic",
    )


def _wander(rng: np.random.Generator, hours: int, series: int) -> Array:
    """A daily random walk of the logarithm, 15 % a year for all and 20 % for each, drawn as a line between days."""
    days = hours // DAY_H + 2
    steps = 0.15 * rng.standard_normal((days, 1)) + 0.2 * rng.standard_normal((days, series))
    walk = np.cumsum(steps / np.sqrt(365), axis=0)
    place = np.arange(hours) / DAY_H
    return np.stack([np.interp(place, np.arange(days), walk[:, i]) for i in range(series)], axis=1)


def _seasons(rng: np.random.Generator, hours: int, series: int) -> Array:
    """Day (±25 to 50 %), weekend (10 to 40 % less) and year (±3 to 12 %)."""
    t = np.arange(hours)[:, None]
    day, week, year = rng.uniform(0.25, 0.5, series), rng.uniform(0.1, 0.4, series), rng.uniform(0.03, 0.12, series)
    peak, turn = rng.uniform(10, 18, series), rng.uniform(0, YEAR_H, series)
    daily = day * np.cos(2 * np.pi * (t - peak) / DAY_H) + 0.3 * day * np.cos(4 * np.pi * (t - peak) / DAY_H)
    weekend = np.where((t // DAY_H) % 7 >= 5, np.log1p(-week), 0.0)  # 2024 began on a Monday
    return np.asarray(daily + weekend + year * np.cos(2 * np.pi * (t - turn) / YEAR_H))


def _noise(rng: np.random.Generator, hours: int, series: int) -> Array:
    """Of hours, 5 % and fading over six; of days, 4 % and fading over two; one shock in ten is twice as large."""
    from scipy.signal import lfilter

    made = np.zeros((hours, series))
    for sd, memory, step in ((0.05, np.exp(-1 / 6), 1), (0.04, np.exp(-1 / 2), DAY_H)):
        count = hours // step + 1
        shocks = rng.standard_normal((count, series)) * np.where(rng.random((count, series)) < 0.1, 2.0, 1.0)
        walk = lfilter([1.0], [1.0, -memory], shocks * sd * np.sqrt(1 - memory**2), axis=0)
        made += np.repeat(walk, step, axis=0)[:hours]
    return made


def _growth(rng: np.random.Generator, hours: int, series: int) -> Array:
    years = np.arange(hours)[:, None] / YEAR_H
    rate, fade = np.log(rng.uniform(1.2, 2.2, series)), rng.uniform(0.1, 0.4, series)
    return np.asarray(np.exp(rate * (1 - np.exp(-fade * years)) / fade))


def _launches(rng: np.random.Generator, hours: int, series: int) -> Array:
    return _steps(rng, hours, series, yearly=2, sizes=(0.2, 0.8), sign=1.0)


def _drops(rng: np.random.Generator, hours: int, series: int) -> Array:
    return _steps(rng, hours, series, yearly=1, sizes=(0.2, 0.5), sign=-1.0)


def _steps(
    rng: np.random.Generator, hours: int, series: int, *, yearly: int, sizes: tuple[float, float], sign: float
) -> Array:
    made, t = np.ones((hours, series)), np.arange(hours)
    for i in range(series):
        for _ in range(max(1, round(yearly * hours / YEAR_H))):
            at, size = rng.uniform(0, hours), rng.uniform(*sizes)
            ramp = rng.choice([1.0, rng.uniform(DAY_H, 30 * DAY_H)])
            made[:, i] *= 1 + sign * size * np.clip((t - at) / ramp, 0, 1)
    return made


def _holidays(rng: np.random.Generator, hours: int, series: int) -> Array:
    import holidays

    days = (START + np.arange(hours)).astype("datetime64[D]")
    known = holidays.country_holidays("US", years=range(2024, 2024 + hours // YEAR_H + 2))
    closed = np.isin(days, np.array(sorted(known), dtype="datetime64[D]"))[:, None]
    return np.where(closed, 1 - rng.uniform(0.2, 0.45, series), 1.0)


SHAPES: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
    "growth": _growth,
    "launches": _launches,
    "drops": _drops,
    "holidays": _holidays,
}


def _jobs(rng: np.random.Generator, hours: int) -> Array:
    """Jobs that come one in a few days and hold their accelerators for hours or days."""
    made, gap = np.zeros(hours), rng.uniform(40, 150)
    at = rng.exponential(gap)
    while at < hours:
        last = at + rng.lognormal(2.5, 0.9)
        made[int(at) : int(last) + 1] += rng.choice([8, 16, 32, 64], p=[0.4, 0.3, 0.2, 0.1])
        at += rng.exponential(gap)
    return made
