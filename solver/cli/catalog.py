"""Commands that list what there is, and look at the installation."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from .app import (
    Commands,
    Limit,
    Overrides,
    RowFormat,
    Rows,
    app,
)

prices_group = typer.Typer(cls=Commands, rich_markup_mode=None)
app.add_typer(prices_group, name="prices")


@prices_group.callback(invoke_without_command=True)
def prices(  # noqa: PLR0913 (one a filter)
    *,
    context: typer.Context,
    provider: Annotated[list[str] | None, typer.Option(help="Only these providers (may be repeated).")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only these regions.")] = None,
    node: Annotated[list[str] | None, typer.Option(help="Only these node shapes.")] = None,
    accelerator: Annotated[list[str] | None, typer.Option(help="Only these accelerators.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Only these purchase options.")] = None,
    country: Annotated[list[str] | None, typer.Option(help="Only regions in these countries (ISO codes).")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="Prices as they were on a day, YYYY-MM-DD.")] = None,
    overrides: Overrides = None,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:
    """List offers and prices, the cheapest GPU-hour first; `prices refresh` asks for fresh ones."""
    if context.invoked_subcommand is not None:
        return
    from ..doors.listing import prices

    filters = {
        "provider": provider, "region": region, "node": node,
        "accelerator": accelerator, "option": option, "country": country,
    }  # fmt: skip
    prices({k: v for k, v in filters.items() if v}, as_of, overrides, style.value, limit=limit)


@prices_group.command()
def refresh(
    *,
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...", help="aws, gcp, azure, skypilot or gpuhunt, all of them without one; aws-list."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask and compare, and write nothing.")] = False,
    accept_outliers: Annotated[
        bool, typer.Option("--accept-outliers", help="Let in what was held back before and is still so.")
    ] = False,
    accept_gone: Annotated[
        bool, typer.Option("--accept-gone", help="Also where more than a third of the offers has gone.")
    ] = False,
    proxy: Annotated[bool, typer.Option("--proxy", help="Through the proxy that HTTPS_PROXY names.")] = False,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:
    """Ask price lists for fresh prices, and put them beside the packaged ones.

    Exit code 1 when a source failed; its prices are then as they were.
    """
    from ..doors.refreshing import refresh

    accepted = {"dry_run": dry_run, "accept_outliers": accept_outliers, "accept_gone": accept_gone}
    raise typer.Exit(refresh(source or (), None, style.value, limit=limit, proxy=proxy, **accepted))


class HistoryTable(StrEnum):
    """What is shown of prices in time."""

    all = "all"
    steps = "steps"
    moves = "moves"
    together = "together"


@prices_group.command()
def history(  # noqa: PLR0913 (one a filter)
    *,
    provider: Annotated[list[str] | None, typer.Option(help="Only these providers (may be repeated).")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only these regions.")] = None,
    node: Annotated[list[str] | None, typer.Option(help="Only these node shapes.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Only these purchase options.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="What was known on a day, YYYY-MM-DD.")] = None,
    show: Annotated[
        HistoryTable, typer.Option(help="Dated steps, moves of each offer, offers that moved together.")
    ] = HistoryTable.all,
    live: Annotated[
        int, typer.Option(min=0, max=90, metavar="DAYS", help="AWS spot of the last days instead, with your account.")
    ] = 0,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:
    """How prices came about: dated steps, volatility, shifts of level, and what moved together.

    CSV is one table: the steps, or the one that --show names.
    """
    from ..doors.price_history import price_history

    filters = {"provider": provider, "region": region, "node": node, "option": option}
    given = {k: v for k, v in filters.items() if v}
    price_history(given, as_of, show.value, style.value, limit=limit, live_days=live)


@app.command()
def models(limit: Limit = 0, style: Rows = RowFormat.table) -> None:
    """List the packaged model architectures.

    A spec may also name a Hugging Face config.json on disk.
    """
    from ..doors.listing import models

    models(style.value, limit=limit)


@app.command()
def init(
    *,
    example: Annotated[str, typer.Argument(metavar="EXAMPLE", help="Name of a packaged example.")] = "one-model",
    names: Annotated[bool, typer.Option("--list", help="List the names instead, one a line.")] = False,
) -> None:
    """Print a starter spec: autoparallel init > fleet.yaml."""
    from ..doors.listing import init

    init(None if names else example)


@app.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from ..doors.listing import schema

    schema()


@app.command()
def doctor() -> None:
    """Look at the installation: versions, a trial solve, data.

    Exit code 1 when something is broken.
    """
    from ..doors.listing import doctor

    raise typer.Exit(doctor())
