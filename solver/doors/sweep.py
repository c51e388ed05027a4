"""The command that plans many scenarios."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import guard, screen

if TYPE_CHECKING:
    from ..sweep.run import Counts

MOST_NAMED = 5


def sweep(file: Path, out: Path, **options: Any) -> int:
    """Plan every scenario, write the table, and say where it is.

    Returns:
        0; or 1 when scenarios were set aside, which the output names.
    """
    from ..sweep import run_sweep

    with _progress() as told:
        report = run_sweep(file, out, progress=told, **options)
    _summary(report)
    sys.stderr.write(f"wrote sweep.csv, sweep.json and sweep.html to {guard.plain(str(out))}\n")
    aside = [row for row in report.rows if row.status == "set aside"]
    for row in aside[:MOST_NAMED]:
        guard.say(row.error.strip().splitlines()[-1], where=f"scenario {row.number}, set aside")
    if len(aside) > MOST_NAMED:
        sys.stderr.write(f"and {len(aside) - MOST_NAMED:,} more: see sweep.csv\n")
    return guard.INTERNAL if aside else 0


def _summary(report: Any) -> None:
    """A few lines on stdout."""
    from ..report import words
    from ..report.sweep_html import settings

    counts = [(name, report.count(name)) for name in ("done", "infeasible", "set aside")]
    told = ", ".join(f"{count:,} {name}" for name, count in counts if count)
    sys.stdout.write(f"{len(report.rows):,} scenarios: {told}\n")
    for name, row in (("cheapest", report.cheapest), ("as written", report.base)):
        if row is not None:
            usd = words.usd(round(row.monthly_micro_usd), 0)
            told = f"{name}: {usd} a month, scenario {row.number}: {settings(row, report)}"
            sys.stdout.write(guard.plain(told) + "\n")


@contextmanager
def _progress() -> Iterator[Callable[[Counts], None]]:
    """A bar on stderr when that is a terminal; a line at the beginning and at the end otherwise."""
    if not sys.stderr.isatty():
        with _lines() as told:
            yield told
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*parts, TimeRemainingColumn(), console=screen.console(sys.stderr)) as bar:
        task = bar.add_task("Loading", total=None)
        yield lambda c: bar.update(
            task, total=c.total, completed=c.done + c.failed,
            description=f"{c.found:,} from before, {c.done - c.found:,} new, {c.failed:,} set aside",
        )  # fmt: skip


@contextmanager
def _lines() -> Iterator[Callable[[Counts], None]]:
    heard: list[Counts] = []

    def told(counts: Counts) -> None:
        if not heard:
            sys.stderr.write(
                f"{counts.total:,} specs to plan: {counts.found:,} done before, {counts.failed:,} set aside\n"
            )
        heard[:] = [counts]

    try:
        yield told
    finally:
        if heard:
            last = heard[0]
            sys.stderr.write(
                f"{last.done:,} of {last.total:,} done, {last.done - last.found:,} of them now; "
                f"{last.failed:,} set aside\n"
            )
