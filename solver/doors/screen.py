"""Where commands print: tables as text, CSV or JSON, and the progress of a solve on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from ..solve import Progress

WIDTH = 120  # columns when the output is no terminal


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing: its key in CSV and JSON, its heading in a table, how a value is shown there."""

    key: str
    head: str
    show: Callable[[Any], str] = str
    right: bool = False


def console(stream: IO[str] | None = None) -> Console:
    """A console on stdout (by default); of fixed width and without colour when that is no terminal."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    file = sys.stdout if stream is None else stream
    if file.isatty():
        return Quiet(file=file, highlight=False)
    return Quiet(file=file, width=WIDTH, force_terminal=False, no_color=True, highlight=False)


def print_rows(columns: Sequence[Column], rows: Sequence[Sequence[Any]], style: str, *, limit: int = 0) -> None:
    """Print rows as "table" (at most `limit` of them, 0 is all), "csv" or "json"; text is harmless in each."""
    if style == "json":
        import json

        keys = [column.key for column in columns]
        made = [json.dumps(dict(zip(keys, row, strict=True)), default=str) for row in rows]
        sys.stdout.write("[" + ",\n ".join(made) + "]\n")
    elif style == "csv":
        import csv

        from ..report.cells import guarded, plain

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([column.key for column in columns])
        writer.writerows([guarded(v) if isinstance(v, str) else plain(v) for v in row] for row in rows)
    else:
        _print_table(columns, rows[: limit or None])
        if limit and len(rows) > limit:
            console().print(f"{len(rows) - limit:,} more rows: --limit 0 shows all", style="dim")


def _print_table(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from .guard import plain

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.head, justify="right" if column.right else "left", overflow="fold", no_wrap=column.right
        )
    for row in rows:
        table.add_row(*(Text(plain(c.show(v))) for c, v in zip(columns, row, strict=True)))
    console().print(table)


@contextmanager
def progress() -> Iterator[Callable[[Progress], None] | None]:
    """A line on stderr that follows a solve, when stderr is a terminal; None otherwise."""
    if not sys.stderr.isatty():
        yield None
        return
    errors = console(sys.stderr)
    with errors.status("Loading") as status:
        yield lambda p: status.update(_line(p))


def _line(p: Progress) -> str:
    def usd(value: Any) -> str:
        return "none yet" if value is None else f"${value:,.0f}"

    gap = "" if p.gap is None or p.upper_usd is None else f"  gap {100 * p.gap:.2f} %"
    return f"{p.phase}  {p.seconds:.0f} s  bound {usd(p.lower_usd)}  best {usd(p.upper_usd)}{gap}"
