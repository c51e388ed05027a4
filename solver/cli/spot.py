"""Commands about spot capacity: policies replayed over traces."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import RowFormat, Rows, app


class Grouping(StrEnum):
    """What rows of the table stand for."""

    market = "market"
    all = "all"


@app.command()
def backtest(
    *,
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A file of jobs and services, or @spot-jobs.")],
    traces: Annotated[Path, typer.Option(metavar="DIR", help="Folder of traces, one .json a zone.")],
    policy: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only these (may be repeated); all.")] = None,
    foresight: Annotated[bool, typer.Option(help="Also the least cost for who knows the trace.")] = True,
    by: Annotated[Grouping, typer.Option(help="A row for each market, or for all together.")] = Grouping.market,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write tables, JSON and a page with a plot.")] = None,
    style: Rows = RowFormat.table,
) -> None:
    """Replay policies for spot over traces: jobs with deadlines, services with fallback.

    Exit code 1 when a job was late.
    """
    from ..doors.backtesting import backtest

    raise typer.Exit(backtest(spec, traces, policy or (), foresight=foresight, by=by.value, out=out, style=style.value))
