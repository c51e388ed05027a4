"""A backtest as files: jobs.csv (every job), table.csv, services.csv, backtest.json and backtest.html."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..table import Table
from . import charts, files, svg, words
from .html import render_template
from .tables import to_csv

if TYPE_CHECKING:
    import os

    from markupsafe import Markup

    from ..replay.study import Found

SCHEMA = "autoparallel.backtest/1"
ROW, LEFT, RIGHT, TOP, BOTTOM = 26.0, 300.0, 70.0, 10.0, 30.0
MOST_ROWS = 500
Rows = list[dict[str, Any]]


def to_json(name: str, jobs: Rows, services: Rows, left_out: int) -> str:
    """Both tables; figures that were not asked for are null."""
    body = {"schema": SCHEMA, "name": name, "jobs_left_out": left_out, "jobs": _clean(jobs),
            "services": _clean(services)}  # fmt: skip
    return json.dumps(body, indent=1, allow_nan=False) + "\n"


def _clean(rows: Rows) -> Rows:
    return [
        {k: (round(v, 6) if math.isfinite(v) else None) if isinstance(v, float) else v for k, v in row.items()}
        for row in rows
    ]


def chart(rows: Rows) -> Markup:
    """Mean cost of each policy over all jobs as a share of on demand alone, with its interval and the omniscient's."""
    top = max([100.0, *(r["high_percent"] for r in rows)])
    width, height = charts.WIDE, TOP + BOTTOM + ROW * (len(rows) + 1)
    room = width - LEFT - RIGHT
    marks = svg.ticks(top)

    def x(percent: float) -> float:
        return LEFT + room * percent / marks[-1]

    parts = [svg.line(x(m), TOP, x(m), height - BOTTOM) for m in marks]
    parts += [svg.text(x(m), height - 10, f"{m:g} %", "small muted", anchor="middle") for m in marks]
    bound = rows[0]["foresight_percent"]
    shown = [*rows, *([{"policy": "omniscient", "cost_percent": bound}] if math.isfinite(bound) else [])]
    for i, row in enumerate(shown):
        y, cost = TOP + ROW * (i + 0.5), row["cost_percent"]
        parts.append(svg.text(LEFT - 12, y + 5, row["policy"], anchor="end"))
        if "low_percent" in row:
            parts.append(svg.line(x(row["low_percent"]), y, x(row["high_percent"]), y, svg.OTHER_GREY, stroke_width=3))
        parts.append(svg.rect((x(cost) - 5, y - 5, 10.0, 10.0), svg.ACCENT, f"{row['policy']}: {cost:.1f} %"))
        parts.append(svg.text(x(max(cost, row.get("high_percent", 0.0))) + 10, y + 5, f"{cost:.1f} %", "small"))
    title = "Mean cost of a job, as a share of on demand alone"
    return svg.figure("policies", title, "One mark a policy; bars are 95 % intervals.", (width, height), parts)


def page(name: str, jobs: Rows, services: Rows, left_out: int) -> str:
    """One HTML document that works offline."""
    whole = [row for row in jobs if row["market"] == "all"]
    return render_template(
        "backtest.html.j2",
        {
            "name": name,
            "chart": chart(whole) if whole else None,
            "jobs": [_job(row) for row in jobs[-MOST_ROWS:]],
            "services": [_service(row) for row in services[:MOST_ROWS]],
            "left_out": left_out,
        },
    )


def _percent(value: float | None, digits: int = 1) -> str:
    return "" if value is None or not math.isfinite(value) else words.percent(value, digits)


def _job(row: dict[str, Any]) -> list[str]:
    span = f"{row['low_percent']:.1f}–{row['high_percent']:.1f} %"
    return [
        row["market"], row["policy"], f"{row['jobs']:,}", _percent(row["cost_percent"]), span, f"{row['late']:,}",
        _percent(row["worst_percent"]), _percent(row["foresight_percent"]), _percent(row["of_the_way_percent"], 0),
    ]  # fmt: skip


def _service(row: dict[str, Any]) -> list[str]:
    return [
        row["market"], row["service"], row["policy"], _percent(100 * row["served_share"], 2),
        _percent(100 * row["saving"]), words.usd(round(1e6 * row["cost_usd"]), 0),
    ]  # fmt: skip


def _table(rows: Rows) -> Table:
    return Table({key: [math.nan if row[key] is None else row[key] for row in rows] for key in rows[0]})


def write(found: Found | None, services: Rows, name: str, out: str | os.PathLike[str]) -> list[Path]:
    """Write every file into a folder, each whole or not at all.

    Raises:
        InputError: the folder or a file in it cannot be written.
    """
    folder = Path(out)
    files.make_folder(folder)
    jobs, left_out = (found.table(), found.left_out) if found else ([], 0)
    made: dict[str, str] = {
        "backtest.json": to_json(name, jobs, services, left_out),
        "backtest.html": page(name, jobs, services, left_out),
    }
    if found:
        made["jobs.csv"] = to_csv(Table(found.columns()))
        made["table.csv"] = to_csv(_table(jobs))
    if services:
        made["services.csv"] = to_csv(_table(services))
    paths = [folder / file for file in made]
    for path in paths:
        files.refuse_odd_target(path)
    for path in paths:
        files.write_atomically(path, made[path.name].encode())
    return paths
