"""A forecast as files: forecast.csv (every step), months.csv, forecast.json and forecast.html."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import significant
from . import charts, files, svg, words
from .cells import guarded
from .html import render_template
from .tables import to_csv

if TYPE_CHECKING:
    import os

    from markupsafe import Markup

    from ..forecast import Forecast, History
    from ..table import Table

    Array = np.ndarray[Any, np.dtype[Any]]

SCHEMA = "autoparallel.forecast/1"
MOST_CHARTS, PAST_DAYS = 12, 400
HEIGHT, LEFT, TOP, BOTTOM = 240.0, 60.0, 12.0, 30.0


def to_json(found: Forecast) -> str:
    """Months, methods, what such forecasts have been worth, and notes; every step is in the CSV."""
    head = {
        "schema": SCHEMA,
        "unit": found.unit,
        "step": "day" if found.daily else "hour",
        "from": str(found.times[0]),
        "to": str(found.times[-1]),
        "level": found.level,
        "seed": found.seed,
        "series": [
            {"series": name, "method": method, "coverage": _number(float(covered))}
            for name, method, covered in zip(found.series, found.method, found.coverage, strict=True)
        ],
        "months": [_clean(r) for r in found.by_month().records()],
        "scores": [_clean(r) for r in found.scores.records()],
        "notes": list(found.notes),
    }
    return json.dumps(head, indent=1, allow_nan=False) + "\n"


def _clean(record: dict[str, Any]) -> dict[str, Any]:
    return {k: _number(v) if isinstance(v, float) else v for k, v in record.items()}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def steps_csv(found: Forecast) -> str:
    """Every step and series: time, series, mean, lower, upper."""
    times = [f"{t}:00Z" if not found.daily else str(t)[:10] for t in found.times]
    names = ['"' + guarded(name).replace('"', '""') + '"' for name in found.series]
    lines = ["time,series,mean,lower,upper"]
    for n, name in enumerate(names):
        columns = (found.mean[:, n], found.lower[:, n], found.upper[:, n])
        rows = zip(times, *(c.round(6).tolist() for c in columns), strict=True)
        lines += [f"{t},{name},{a},{b},{c}" for t, a, b, c in rows]
    return "\n".join(lines) + "\n"


def page(history: History, found: Forecast) -> str:
    """One HTML document that works offline."""
    months: Table = found.by_month()
    context = {
        "title": f"Demand ahead: {found.times[0].astype('datetime64[D]')} to {found.times[-1].astype('datetime64[D]')}",
        "unit": found.unit,
        "level": words.percent(100 * found.level, 0),
        "charts": [(name, chart(history, found, n)) for n, name in enumerate(found.series[:MOST_CHARTS])],
        "hidden": max(0, len(found.series) - MOST_CHARTS),
        "months": [
            (r["month"], r["series"], *(significant(r[k], 4) for k in ("mean", "lower", "upper")))
            for r in months.records()
        ],
        "series": [
            (name, method, "not measured" if math.isnan(c) else words.percent(100 * float(c)))
            for name, method, c in zip(found.series, found.method, found.coverage, strict=True)
        ],
        "scores": [score(r, daily=found.daily) for r in found.scores.records()],
        "notes": found.notes,
    }
    return render_template("forecast.html.j2", context)


def score(row: dict[str, Any], *, daily: bool) -> tuple[str, ...]:
    """A row of scores in words: series, horizon, method, error against the seasonal naive one's, coverage, errors."""
    ratio = row["error"] / row["naive_error"] if row["naive_error"] else math.nan
    covered = "not measured" if math.isnan(row["coverage"]) else words.percent(100 * row["coverage"])
    counted = f"{row['independent']:.0f}" if row["independent"] >= 1 else "–"
    shown = "–" if math.isnan(ratio) else f"{ratio:.2f}"
    return row["series"], reach(row["to_step"], daily=daily), row["method"], shown, covered, counted


def reach(steps: int, *, daily: bool) -> str:
    """A horizon in words."""
    if daily:
        return f"{steps:,} d"
    return f"{steps:,} h" if steps < 48 or steps % 24 else f"{steps // 24:,} d"  # noqa: PLR2004 (two days)


def chart(history: History, found: Forecast, n: int) -> Markup:
    """A series by days: what was, what is expected, and the interval of a day's mean."""
    per = 1 if found.daily else 24
    was = _by_day(history.values[:, n][-PAST_DAYS * per :][None], per)[0]
    mean = _by_day(found.mean[:, n][None], per)[0]
    ends = [(1 - found.level) / 2, (1 + found.level) / 2]
    low, high = np.quantile(_by_day(found.paths[:, :, n], per), ends, axis=0)
    marks = svg.ticks(float(max(was.max(initial=0), high.max(initial=0))))
    wide, tall = charts.WIDE - LEFT - 10, HEIGHT - TOP - BOTTOM
    x = LEFT + wide * (np.arange(len(was) + len(mean)) + 0.5) / (len(was) + len(mean))

    def y(values: Array) -> Array:
        return np.asarray(TOP + tall * (1 - values / marks[-1]))

    ahead = x[len(was) :]
    band = [*zip(ahead, y(low), strict=True), *zip(ahead[::-1], y(high)[::-1], strict=True)]
    parts = [_grid(m, float(y(np.array(m)))) for m in marks]
    parts += [
        svg.path(band, closed=True, fill="#d6e3ee"),
        svg.path(list(zip(x[: len(was)], y(was), strict=True)), fill="none", stroke=svg.MUTED, stroke_width="1.2"),
        svg.path(list(zip(ahead, y(mean), strict=True)), fill="none", stroke=svg.ACCENT, stroke_width="1.6"),
    ]
    first, last = history.times[-1], found.times[-1]
    for at, anchor, moment in (
        (x[0], "start", first - np.timedelta64(24 * (len(was) - 1), "h")),
        (ahead[0], "middle", found.times[0]),
        (x[-1], "end", last),
    ):
        parts.append(
            svg.text(float(at), HEIGHT - 10, str(moment.astype("datetime64[D]")), "small muted", anchor=anchor)
        )
    said = f"Daily means: {len(was)} days that were, {len(mean)} days expected, with their interval."
    return svg.figure(f"series-{n}", f"Demand of {found.series[n]}", said, (charts.WIDE, HEIGHT), parts)


def _grid(mark: float, y: float) -> Markup:
    label = svg.text(LEFT - 6, y + 4, f"{mark:,.6g}", "small muted", anchor="end")
    return svg.tag("g", [svg.line(LEFT, y, charts.WIDE - 10, y), label])


def _by_day(values: Array, per: int) -> Array:
    """Means of whole days [..., days]; a part of one at the end counts as a day."""
    steps = values.shape[1]
    first = np.arange(0, steps, per)
    return np.asarray(np.add.reduceat(values, first, axis=1) / np.diff(np.append(first, steps)))


def write_all(history: History, found: Forecast, out_dir: str | os.PathLike[str]) -> list[Path]:
    """Write all files; every content is made before the first is written.

    Raises:
        InputError: the folder or a file in it is a link or not what it should be, or cannot be written.
    """
    folder = Path(out_dir)
    files.make_folder(folder)
    made = {
        folder / "forecast.csv": steps_csv(found).encode("utf-8", "replace"),
        folder / "months.csv": to_csv(found.by_month()).encode("utf-8", "replace"),
        folder / "forecast.json": to_json(found).encode("utf-8", "replace"),
        folder / "forecast.html": page(history, found).encode("utf-8", "replace"),
    }
    for path in made:
        files.refuse_odd_target(path)
    for path, content in made.items():
        files.write_atomically(path, content)
    return list(made)
