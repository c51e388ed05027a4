"""Reports of a plan: one file a format, each turning Problem and Plan into named contents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from . import excel, files, html, json, tables, workbook

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem

FORMATS: tuple[Callable[[Problem, Plan], Iterator[tuple[str, bytes]]], ...] = (
    json.render,
    tables.render,
    excel.render,
    workbook.render,
    html.render,
)


def write_all(problem: Problem, plan: Plan, out_dir: str | Path) -> list[Path]:
    """Write every format into a folder: plan.json, tables/ (CSV and Parquet), plan.xlsx, finance.xlsx, report.html.

    Every content is made before the first file is written, and each file appears whole or not at all.

    Returns:
        The files written, in a fixed order.

    Raises:
        InputError: the folder or a file in it is a link or not what it should be, or cannot be written.
    """
    folder = Path(out_dir)
    files.make_folder(folder)
    made = [(folder / name, content) for render in FORMATS for name, content in render(problem, plan)]
    for parent in dict.fromkeys(path.parent for path, _ in made):
        files.make_folder(parent)
    for path, _ in made:
        files.refuse_odd_target(path)
    for path, content in made:
        files.write_atomically(path, content)
    return [path for path, _ in made]
