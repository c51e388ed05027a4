"""A comparison as files: a page, JSON and a CSV of each table, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import files
from .comparison_html import page
from .comparison_json import TABLES, to_json
from .tables import to_csv

if TYPE_CHECKING:
    from ..compare import ComparisonReport


def write_all(report: ComparisonReport, out_dir: str | os.PathLike[str]) -> list[Path]:
    """Write comparison.json, comparison.html and tables/*.csv; every content is made before the first is written.

    Raises:
        InputError: the folder or a file in it is a link or not what it should be, or cannot be written.
    """
    folder = Path(out_dir)
    files.make_folder(folder)
    made = {
        folder / "comparison.json": to_json(report).encode(),
        folder / "comparison.html": page(report).encode("utf-8", "replace"),
        **{folder / "tables" / f"{name}.csv": to_csv(getattr(report, name)).encode() for name in TABLES},
    }
    files.make_folder(folder / "tables")
    for path in made:
        files.refuse_odd_target(path)
    for path, content in made.items():
        files.write_atomically(path, content)
    return list(made)
