"""The application, and what commands have in common: formats, and options that several take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..doors.guard import Stop

EXIT_CODES = (
    "Exit codes: 0 done, 1 internal error or a plan that fails its check, 2 bad input, 3 budget or policy gate "
    "breached, 4 infeasible."
)


class Commands(TyperGroup):
    """Commands whose broken pipe or interrupt reaches `guarded`; typer would exit in ways of its own."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the command line."""
        try:
            return super().make_context(*args, **options)
        except KeyboardInterrupt as cause:
            raise Stop from cause

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (BrokenPipeError, KeyboardInterrupt) as cause:
            raise Stop from cause


app = typer.Typer(
    cls=Commands,
    help=f"Plan the cheapest GPU fleet for a set of workloads, with a proved bound.\n\n{EXIT_CODES}",
    rich_markup_mode=None,  # rich is slow to import, and help has nothing to mark up
    pretty_exceptions_enable=False,
)


class PlanFormat(StrEnum):
    """How a plan is printed."""

    table = "table"
    json = "json"


class RowFormat(StrEnum):
    """How a listing is printed."""

    table = "table"
    csv = "csv"
    json = "json"


class SweepEngine(StrEnum):
    """Where scenarios run."""

    loky = "loky"
    dask = "dask"


class Axis(StrEnum):
    """What cost is traded against."""

    carbon = "carbon"
    upfront = "upfront"
    latency = "latency"
    spot = "spot"


class TextFormat(StrEnum):
    """How an explanation is printed."""

    text = "text"
    json = "json"


Overrides = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of your own prices, quotas and commitments, applied last.")
]
InputTokens = Annotated[int, typer.Option(metavar="N", help="Tokens of a prompt.")]
OutputTokens = Annotated[int, typer.Option(metavar="N", help="Tokens of an answer.")]
TpotTarget = Annotated[float | None, typer.Option(metavar="MS", help="Mean time per output token at most.")]
TtftTarget = Annotated[float | None, typer.Option(metavar="MS", help="Mean time to the first token at most.")]
MemoryLimit = Annotated[
    float | None,
    typer.Option(metavar="GIB", help="Memory a search may take beyond what its process starts with (Linux)."),
]
Rows = Annotated[RowFormat, typer.Option("--format", help="How to print.")]
Limit = Annotated[int, typer.Option(min=0, help="Rows of a table at most; 0 shows all. CSV and JSON are always whole.")]


def _version(wanted: bool) -> None:  # noqa: FBT001 (typer's form of a callback)
    if wanted:
        from .. import __version__

        typer.echo(f"autoparallel {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    *,
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 (the callback prints it)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Show the help when no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
