"""Commands about bills that came: `autoparallel bill read`, `bill compare`, `bill export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import Commands, Limit, RowFormat, Rows, app

bill = typer.Typer(cls=Commands, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(bill, name="bill", help="Bills in FOCUS form: read them, compare them with a plan, write a plan as one.")


class View(StrEnum):
    """What counts as an amount."""

    amortised = "amortised"
    cash = "cash"


class Owner(StrEnum):
    """Who pays."""

    team = "team"
    project = "project"
    workload = "workload"


class Repeated(StrEnum):
    """What becomes of rows that equal another in every column."""

    keep = "keep"
    drop = "drop"
    refuse = "refuse"
    ignore = "ignore"


class By(StrEnum):
    """What a comparison is shown by."""

    period = "period"
    workload = "workload"
    team = "team"
    what = "what"
    provider = "provider"
    region = "region"
    node = "node"


Bills = Annotated[
    list[Path], typer.Argument(metavar="BILL…", help="Files of FOCUS 1.0 to 1.2 (.csv, .csv.gz, .parquet), or folders.")
]
WorkloadTags = Annotated[
    list[str] | None, typer.Option("--workload-tag", metavar="KEY", help="Tag, or column, that names the workload.")
]
TeamTags = Annotated[list[str] | None, typer.Option("--team-tag", metavar="KEY", help="The same of the team.")]
ProjectTags = Annotated[list[str] | None, typer.Option("--project-tag", metavar="KEY", help="The same of the project.")]
Rates = Annotated[
    Path | None, typer.Option(metavar="CSV", help="Rates of exchange: day,currency,to,rate; for bills not in dollars.")
]
Currency = Annotated[str, typer.Option(metavar="CODE", help="Of amounts whose row names none.")]
RepeatedRows = Annotated[Repeated, typer.Option(help="Rows that equal another in every column.")]


@bill.command()
def read(  # noqa: PLR0913 (options by name)
    *,
    bills: Bills,
    by: Annotated[Owner, typer.Option(help="Who pays.")] = Owner.team,
    view: Annotated[View, typer.Option(help="Commitments by their use, or as paid.")] = View.amortised,
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="PART=RULE", help="How idle, purchases, credits, tax and other are shared: "
                     "proportional, even or fixed; lab=3 is a fixed weight."),
    ] = None,
    pooled: Annotated[bool, typer.Option("--pool-savings", help="Share savings by covered use.")] = False,
    workload_tag: WorkloadTags = None,
    team_tag: TeamTags = None,
    project_tag: ProjectTags = None,
    rates: Rates = None,
    currency: Currency = "",
    repeated: RepeatedRows = Repeated.keep,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:  # fmt: skip
    """Read a bill, say what is wrong with it, and show who pays for it.

    Every row is accounted for: kept, or set aside with a reason. The amounts add up to the bill.
    """
    from ..doors.billing import Asked, read

    asked = Asked(
        view=view.value, workload_tags=workload_tag or (), team_tags=team_tag or (), project_tags=project_tag or (),
        rates=rates, currency=currency, repeated=repeated.value, style=style.value, limit=limit, sharing=share or (),
    )  # fmt: skip
    read(bills, by.value, asked, pooled=pooled)


@bill.command()
def compare(  # noqa: PLR0913 (options by name)
    *,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")],
    bills: Bills,
    by: Annotated[
        list[By] | None, typer.Option(help="Show by (may be repeated); by default month and workload.")
    ] = None,
    view: Annotated[View | None, typer.Option(help="Amortised or cash; by default the plan's accounting.")] = None,
    use: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Unit costs instead: workload,period,input_tokens,output_tokens,runs."),
    ] = None,
    workload_tag: WorkloadTags = None,
    team_tag: TeamTags = None,
    nodes: Annotated[Path | None, typer.Option(metavar="CSV", help="SKUs to nodes: from,to.")] = None,
    regions: Annotated[Path | None, typer.Option(metavar="CSV", help="The bill's regions: from,to.")] = None,
    commitments: Annotated[Path | None, typer.Option(metavar="CSV", help="Commitments' ids to nodes: from,to.")] = None,
    rates: Rates = None,
    currency: Currency = "",
    repeated: RepeatedRows = Repeated.keep,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:
    """Compare a bill with a plan: price, volume, mix, use of commitments, and what only one of them has.

    The causes add up to the difference, to the micro-dollar.
    """
    from ..doors.billing import Asked, compare

    asked = Asked(
        view=view.value if view else "", workload_tags=workload_tag or (), team_tags=team_tag or (), nodes=nodes,
        regions=regions, commitments=commitments, rates=rates, currency=currency, repeated=repeated.value,
        style=style.value, limit=limit,
    )  # fmt: skip
    compare(plan, bills, [b.value for b in by or (By.period, By.workload)], asked, use)


@bill.command()
def export(
    *,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .csv or .parquet file.")],
) -> None:
    """Write a plan as the bill it will be, in FOCUS 1.2: for the tools that read bills, budgets among them."""
    from ..doors.billing import export

    export(plan, out)
