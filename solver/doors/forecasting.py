"""The command that says what demand may come to be."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, significant
from . import guard, screen
from .screen import Column

if TYPE_CHECKING:
    from ..forecast import Forecast, History

HORIZON = re.compile(r"(\d{1,5})(h|d|w|m|y)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the user knows: of the file, and of what is to come."""

    unit: str = "units"
    zone: str = "UTC"
    zero_fill: bool = False
    horizon: str = "90d"
    events: Sequence[str] = ()
    growth: Sequence[str] = ()
    holidays: str | None = None
    level: float = 0.9
    paths: int = 200
    seed: int = 0


def forecast(file: Path, known: Known, out: Path | None, style: str, *, limit: int) -> int:
    """Read, forecast, write and print; files are written before anything is printed."""
    from ..forecast import Event, Growth, read_history
    from ..forecast import forecast as ahead
    from ..report import forecast as report

    history = read_history(file, unit=known.unit, zone=known.zone, zero_fill=known.zero_fill)
    found = ahead(
        history,
        steps(known.horizon, history),
        events=[Event.parse(text) for text in known.events],
        growth=[Growth.parse(text) for text in known.growth],
        holidays=known.holidays,
        level=known.level,
        paths=known.paths,
        seed=known.seed,
    )
    if out is not None:
        written = report.write_all(history, found, out)
        sys.stderr.write(f"wrote {len(written)} files to {guard.plain(str(out))}\n")
    if style == "json":
        sys.stdout.write(report.to_json(found))
        return 0
    _print_months(found, style, limit)
    if style == "table":
        _print_worth(found)
    for note in found.notes:
        sys.stderr.write(f"note: {guard.plain(note)}\n")
    return 0


def steps(text: str, history: History) -> int:
    """A horizon such as 90d, 12m, 2y, 8w or 48h in steps of the history.

    Raises:
        InputError: it is none.
    """
    found = HORIZON.fullmatch(text.strip())
    if not found:
        raise InputError(f"{text[:40]!a} is no horizon", where="--horizon", mend="write 90d, 12m, 3y, 8w or 48h")
    count, unit = int(found[1]), found[2]
    if unit in "my":
        begin = history.after(1)[0]
        month = begin.astype("datetime64[M]")
        end = (month + count * (12 if unit == "y" else 1)).astype("datetime64[h]") + (begin - month)
        hours = int((end - begin) / np.timedelta64(1, "h"))
    else:
        hours = count * {"h": 1, "d": 24, "w": 168}[unit]
    return -(-hours // history.step_hours)


def _print_months(found: Forecast, style: str, limit: int) -> None:
    def figure(value: float) -> str:
        return significant(value, 4)

    columns = (
        Column("month", "Month"),
        Column("series", "Series"),
        Column("steps", "Days" if found.daily else "Hours", right=True),
        Column("mean", f"Mean, {found.unit}", figure, right=True),
        Column("lower", "Lower", figure, right=True),
        Column("upper", "Upper", figure, right=True),
    )
    rows = [[r[c.key] for c in columns] for r in found.by_month().records()]
    screen.print_rows(columns, rows, style, limit=limit)


def _print_worth(found: Forecast) -> None:
    """A line for each series: method, error against the seasonal naive one's, how often intervals held."""
    columns = (
        Column("series", "Series"),
        Column("method", "Method"),
        Column("ratio", "Error ÷ seasonal naive", lambda v: "–" if math.isnan(v) else f"{v:.2f}", right=True),
        Column("held", f"{100 * found.level:.0f} % intervals held", _share, right=True),
    )
    rows = [
        (name, method, _ratio(found, name), float(held))
        for name, method, held in zip(found.series, found.method, found.coverage, strict=True)
    ]
    screen.print_rows(columns, rows, "table")


def _share(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{100 * value:.1f} %"


def _ratio(found: Forecast, name: str) -> float:
    """Mean over horizons of the error as a share of the seasonal naive method's."""
    mine = [r for r in found.scores.records() if r["series"] == name and r["naive_error"]]
    known = [r["error"] / r["naive_error"] for r in mine if math.isfinite(r["error"] / r["naive_error"])]
    return sum(known) / len(known) if known else math.nan
