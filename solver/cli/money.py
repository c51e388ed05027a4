"""Commands about money: budgets, and the gate of a pipeline."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import Limit, Overrides, RowFormat, Rows, app


class GateFormat(StrEnum):
    """How a verdict is printed."""

    text = "text"
    markdown = "markdown"
    junit = "junit"
    json = "json"


class FailOn(StrEnum):
    """The least grave alert that is exit code 3."""

    info = "info"
    warning = "warning"
    critical = "critical"
    never = "never"


class Part(StrEnum):
    """What cost is shown by."""

    team = "team"
    project = "project"
    workload = "workload"
    provider = "provider"


Actuals = Annotated[
    Path | None, typer.Option(metavar="CSV", help="What was spent: period, amount, and team, workload, provider.")
]
Bills = Annotated[
    list[Path] | None, typer.Option(metavar="BILL", help="What was spent: a bill in FOCUS (may be repeated).")
]
AsOf = Annotated[
    str | None, typer.Option(metavar="DAY", help="Actuals are whole until this day; by default all of their periods.")
]
Paths = Annotated[
    Path | None, typer.Option(metavar="CSV", help="Futures of cost, as of --actuals, with their number in `path`.")
]
Pace = Annotated[
    bool, typer.Option("--pace", help="What is to come costs what past months cost of their plan, each a future.")
]
DemandHistory = Annotated[
    Path | None, typer.Option(metavar="CSV", help="Requests an hour by workload: the plan's cost as they are forecast.")
]
Ahead = Annotated[bool, typer.Option("--forecast", help="What is to come is a forecast of --actuals by days.")]


@app.command()
def budget(  # noqa: PLR0913 (options by name)
    *,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")],
    budgets: Annotated[str, typer.Argument(metavar="BUDGETS", help="A file of budgets, or dollars: 40000/month.")],
    actuals: Actuals = None,
    bill: Bills = None,
    as_of: AsOf = None,
    paths: Paths = None,
    pace: Pace = False,
    forecast: Ahead = False,
    demand: DemandHistory = None,
    by: Annotated[Part, typer.Option(help="Cost by fiscal month and what.")] = Part.team,
    level: Annotated[float, typer.Option(metavar="L", help="Of the intervals, a share.")] = 0.9,
    fail_on: Annotated[FailOn, typer.Option(help="Exit code 3 at such an alert.")] = FailOn.critical,
    style: Rows = RowFormat.table,
) -> None:
    """Say where each budget stands: spent, estimate at completion, interval, probability of a breach, alerts.

    Budgets are by fiscal month, quarter or year, for all or one team, project, workload or provider.
    """
    from ..doors.budgeting import Costs, budget

    costs = Costs(
        actuals=actuals, bills=tuple(bill or ()), as_of=as_of, paths=paths, pace=pace, forecast=forecast,
        demand=demand,
    )  # fmt: skip
    code = budget(plan, budgets, costs, by=by.value, level=level, fail_on=fail_on.value, style=style.value)
    raise typer.Exit(code)


@app.command()
def gate(  # noqa: PLR0913 (options by name)
    *,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")],
    budget: Annotated[
        str | None, typer.Option(metavar="BUDGETS", help="A file of budgets, or dollars: 500000 in all, 40000/month.")
    ] = None,
    max_increase: Annotated[
        str | None, typer.Option(metavar="LIMIT", help="At most so much more than --against: 5%, or dollars.")
    ] = None,
    against: Annotated[Path | None, typer.Option(metavar="OLD", help="The plan of before.")] = None,
    max_breach_probability: Annotated[
        float | None, typer.Option(metavar="P", help="How likely a breach of each budget may be.")
    ] = None,
    actuals: Actuals = None,
    bill: Bills = None,
    as_of: AsOf = None,
    paths: Paths = None,
    pace: Pace = False,
    forecast: Ahead = False,
    demand: DemandHistory = None,
    advise: Annotated[
        bool, typer.Option("--advise", help="Also plan again to say what would get back under; takes a while.")
    ] = False,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for advice at most.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Proved gap at which each search for it stops.")] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of these searches.")] = 0,
    style: Annotated[GateFormat, typer.Option("--format", help="How to print.")] = GateFormat.text,
) -> None:
    """Stop a pipeline when a plan breaks its budgets or costs too much more: exit code 3, each breach a line.

    Compared exactly, in micro-dollars: a cost equal to its limit passes.
    """
    from ..doors.budgeting import Costs, gate
    from ..doors.planning import Search

    search = Search(time_limit_s=time_limit, gap=gap, seed=seed, deterministic=False) if advise else None
    costs = Costs(
        actuals=actuals, bills=tuple(bill or ()), as_of=as_of, paths=paths, pace=pace, forecast=forecast,
        demand=demand,
    )  # fmt: skip
    increase = max_increase, against
    code = gate(plan, budget, costs, increase, max_breach_probability, search, style=style.value)
    raise typer.Exit(code)


class Beyond(StrEnum):
    """What a plan is taken to need after its horizon."""

    repeat = "repeat"
    end = "end"


@app.command()
def commit(  # noqa: PLR0913 (options by name)
    *,
    source: Annotated[
        str,
        typer.Argument(
            metavar="HISTORY|SPEC|PLAN",
            help="Nodes hour by hour or day by day (CSV, Parquet); or a spec, @NAME or a plan.json.",
        ),
    ],
    months: Annotated[
        int | None, typer.Option(metavar="N", help="Months in view; by default those of the longest commitment, or 12.")
    ] = None,
    ladder: Annotated[int, typer.Option(metavar="N", help="Months in which commitments may begin.")] = 12,
    option: Annotated[list[str] | None, typer.Option(help="Only these commitments (may be repeated).")] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(metavar="FIRST:END", help="Days of a capacity block that may be bought (may be repeated)."),
    ] = None,
    risk_weight: Annotated[float, typer.Option(metavar="W", help="Weight of the worst futures' mean cost.")] = 0.0,
    cvar_level: Annotated[float, typer.Option(metavar="L", help="Worst futures: 0.9 is the worst tenth.")] = 0.9,
    upfront_max: Annotated[float | None, typer.Option(metavar="USD", help="Cash paid at once, at most.")] = None,
    hourly_max: Annotated[float | None, typer.Option(metavar="USD", help="New commitments an hour, at most.")] = None,
    discount_rate: Annotated[
        float, typer.Option(metavar="R", help="Yearly rate of the purchases' present values, 0.08 is 8 %.")
    ] = 0.0,
    per_account: Annotated[
        bool, typer.Option("--per-account", help="A commitment covers only the account it is bought in.")
    ] = False,
    futures: Annotated[int, typer.Option(metavar="N", help="Futures kept of a history's forecast.")] = 20,
    paths: Annotated[int, typer.Option(metavar="N", help="Paths drawn, of which they are kept.")] = 200,
    growth: Annotated[
        list[str] | None, typer.Option(metavar="G", help="Of a history, as in forecast: 'x1.5 by 2027-12'.")
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(metavar="E", help="Of a history, as in forecast: 2027-03-01:+8/30d.")
    ] = None,
    holidays: Annotated[str | None, typer.Option(metavar="COUNTRY", help="Of a history: US, DE, DE-BY.")] = None,
    zone: Annotated[str, typer.Option(metavar="ZONE", help="Time zone of a history's days and weeks.")] = "UTC",
    as_before: Annotated[
        float | None,
        typer.Option(metavar="P", help="Chance that a history's last weeks come again: 0.75, or 0 with what is known."),
    ] = None,
    beyond: Annotated[Beyond, typer.Option(help="After a plan's horizon: go on as in its last weeks, or end.")] = (
        Beyond.repeat
    ),
    overrides: Overrides = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="Prices as they were on a day, YYYY-MM-DD.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds of each search at most.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Proved gap at which a spec's plan is taken.")] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of paths and searches.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write a page, JSON and CSV here.")] = None,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:
    """Say which commitments to buy, when and how many, and what each is worth when demand turns out otherwise.

    Reservations, savings plans and discounts for committed use, on top of those held already (commitments.csv of the
    overrides). A history is forecast; a spec or plan counts in its scenarios.
    """
    from ..doors.committing import View, commit, windows
    from ..doors.planning import Search
    from ..reserve.study import Wish

    view = View(
        months=months, futures=futures, paths=paths, beyond=beyond.value, overrides=overrides, as_of=as_of,
        events=event or (), growth=growth or (), holidays=holidays, zone=zone, as_before=as_before,
    )  # fmt: skip
    wish = Wish(
        options=tuple(option) if option else None, ladder_months=ladder, shared=not per_account,
        risk_weight=risk_weight, cvar_level=cvar_level, upfront_max_usd=upfront_max, hourly_max_usd=hourly_max,
        discount_rate=discount_rate,
        windows=windows(block or ()),
    )  # fmt: skip
    search = Search(time_limit_s=time_limit, gap=gap, seed=seed, deterministic=False)
    raise typer.Exit(commit(source, view, wish, search, out, style.value, limit))


@app.command()
def forecast(  # noqa: PLR0913 (options by name)
    *,
    history: Annotated[
        Path, typer.Argument(metavar="HISTORY", help="Demand by hour or day (CSV, Parquet): time, series, value.")
    ],
    horizon: Annotated[str, typer.Option(metavar="H", help="How far: 90d, 12m, 3y, 8w or 48h.")] = "90d",
    growth: Annotated[
        list[str] | None,
        typer.Option(metavar="G", help="Where a level shall be: 'x1.5 by 2027-12', 'chat: x2 by 2027-06 / 50%'."),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="E", help="A launch or drop: 2027-03-01:chat:+64/30d, 2027-11-20:x1.5..2027-12-01."),
    ] = None,
    holidays: Annotated[str | None, typer.Option(metavar="COUNTRY", help="Whose holidays: US, DE, DE-BY.")] = None,
    level: Annotated[float, typer.Option(metavar="L", help="How often intervals are to hold.")] = 0.9,
    unit: Annotated[str, typer.Option(metavar="WORD", help="What is counted.")] = "units",
    zone: Annotated[str, typer.Option(metavar="ZONE", help="Time zone of days and weeks: Europe/Berlin.")] = "UTC",
    zero_fill: Annotated[bool, typer.Option("--zero-fill", help="A missing row is no demand.")] = False,
    paths: Annotated[int, typer.Option(metavar="N", help="Futures drawn for the months.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of these.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write a page, JSON and CSV here.")] = None,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:
    """Forecast demand: months with intervals, the method of each series, and how often such intervals have held.

    Errors of forecasts from earlier times, of what came after, make the intervals.
    """
    from ..doors.forecasting import Known
    from ..doors.forecasting import forecast as ahead

    known = Known(
        unit=unit, zone=zone, zero_fill=zero_fill, horizon=horizon, events=event or (), growth=growth or (),
        holidays=holidays, level=level, paths=paths, seed=seed,
    )  # fmt: skip
    raise typer.Exit(ahead(history, known, out, style.value, limit=limit))
