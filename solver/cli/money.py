"""Commands about money: budgets, and the gate of a pipeline."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import RowFormat, Rows, app


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
AsOf = Annotated[
    str | None, typer.Option(metavar="DAY", help="Actuals are whole until this day; by default all of their periods.")
]
Paths = Annotated[
    Path | None, typer.Option(metavar="CSV", help="Futures of cost, as of --actuals, with their number in `path`.")
]
Pace = Annotated[
    bool, typer.Option("--pace", help="What is to come costs what past months cost of their plan, each a future.")
]


@app.command()
def budget(  # noqa: PLR0913 (options by name)
    *,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")],
    budgets: Annotated[str, typer.Argument(metavar="BUDGETS", help="A file of budgets, or dollars: 40000/month.")],
    actuals: Actuals = None,
    as_of: AsOf = None,
    paths: Paths = None,
    pace: Pace = False,
    by: Annotated[Part, typer.Option(help="Cost by fiscal month and what.")] = Part.team,
    level: Annotated[float, typer.Option(metavar="L", help="Of the intervals, a share.")] = 0.9,
    fail_on: Annotated[FailOn, typer.Option(help="Exit code 3 at such an alert.")] = FailOn.critical,
    style: Rows = RowFormat.table,
) -> None:
    """Say where each budget stands: spent, estimate at completion, interval, probability of a breach, alerts.

    Budgets are by fiscal month, quarter or year, for all or one team, project, workload or provider.
    """
    from ..doors.budgeting import Costs, budget

    costs = Costs(actuals=actuals, as_of=as_of, paths=paths, pace=pace)
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
    as_of: AsOf = None,
    paths: Paths = None,
    pace: Pace = False,
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
    costs = Costs(actuals=actuals, as_of=as_of, paths=paths, pace=pace)
    increase = max_increase, against
    code = gate(plan, budget, costs, increase, max_breach_probability, search, style=style.value)
    raise typer.Exit(code)
