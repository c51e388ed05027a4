"""A sweep as files: a page, JSON and CSV, each whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files
from .sweep_html import page
from .tables import to_csv

if TYPE_CHECKING:
    from ..sweep.result import Row, SweepReport

SCHEMA = "autoparallel.sweep/1"


def write_all(report: SweepReport, out_dir: str | os.PathLike[str]) -> list[Path]:
    """Write sweep.csv, sweep.json and sweep.html; every content is made before the first is written.

    Raises:
        InputError: the folder or a file in it is a link or not what it should be, or cannot be written.
    """
    folder = Path(out_dir)
    files.make_folder(folder)
    made = {
        folder / "sweep.csv": to_csv(report.table()).encode("utf-8", "replace"),
        folder / "sweep.json": to_json(report).encode("utf-8", "replace"),
        folder / "sweep.html": page(report).encode("utf-8", "replace"),
    }
    for path in made:
        files.refuse_odd_target(path)
    for path, content in made.items():
        files.write_atomically(path, content)
    return list(made)


def to_json(report: SweepReport) -> str:
    """The whole sweep as JSON text, one scenario a line; money as decimal strings of dollars."""
    cheapest, base = report.cheapest, report.base
    head = {
        "schema": SCHEMA,
        **report.about,
        "scenarios": len(report.rows),
        **{status.replace(" ", "_"): report.count(status) for status in ("done", "infeasible", "set aside", "not yet")},
        "cheapest": None if cheapest is None else cheapest.number,
    }
    lines = [f"{_dump(key)}: {_dump(value)}" for key, value in head.items()]
    rows = ",\n".join(
        _dump(_record(row) | {
            "above_cheapest_percent": report.change(row, cheapest),
            "against_base_percent": report.change(row, base),
        })
        for row in report.rows
    )  # fmt: skip
    return "{\n" + ",\n".join(lines) + ',\n"rows": [\n' + rows + "\n]\n}\n"


def _record(row: Row) -> dict[str, Any]:
    kept = {"number": row.number, "key": row.key, "settings": row.settings, "status": row.status}
    return kept | ({"error": row.error} if row.error else {}) | row.result


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
