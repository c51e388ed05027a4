"""Commands that make plans, and look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import (
    Axis,
    Limit,
    MemoryLimit,
    PlanFormat,
    RowFormat,
    Rows,
    SweepEngine,
    TextFormat,
    app,
)


@app.command()
def plan(
    *,
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="Spec file (YAML, TOML or JSON), or @NAME for a packaged example.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write plan.json, tables, a workbook and report.html here.")
    ] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds to search at most.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Stop at this proved gap, a share of the cost.")] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search.")] = 0,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same plan on every run.")] = False,
    memory_limit: MemoryLimit = None,
    style: Annotated[PlanFormat, typer.Option("--format", help="What to print.")] = PlanFormat.table,
) -> None:
    """Find the cheapest fleet for a spec, with a proved bound.

    The plan is checked, and shown beside what the same demand costs in today's ways of buying.
    """
    from ..doors.planning import Search, plan

    search = Search(
        time_limit_s=time_limit, gap=gap, seed=seed, deterministic=deterministic, memory_limit_gib=memory_limit
    )
    raise typer.Exit(plan(spec, out, search, as_json=style is PlanFormat.json))


@app.command()
def sweep(  # noqa: PLR0913 (one an option)
    *,
    file: Annotated[Path, typer.Argument(metavar="SWEEP", help="Which fields of a spec take which values: a file.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Store and report; an unfinished sweep in it goes on.")],
    engine: Annotated[SweepEngine, typer.Option(help="Processes of this machine, or a Dask cluster.")] = (
        SweepEngine.loky
    ),
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of Dask, as tcp://HOST:8786; without, this machine.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes; by default one a core.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds to search each scenario at most.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Stop at this proved gap, a share of the cost.")] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search.")] = 0,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same plans on every run.")] = False,
    plans: Annotated[bool, typer.Option("--plans", help="Also keep every plan, as DIR/plans/KEY.json.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="For another sweep on DIR to end, instead of refusing.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what was set aside.")] = False,
) -> None:
    """Plan many scenarios: every combination of values of a spec's fields, each once.

    Every result is on disk before the next begins: the same command goes on after whatever ended it. Exit code 1 when
    scenarios were set aside, after three attempts.
    """
    from ..doors.sweep import sweep

    code = sweep(
        file, out, engine=engine.value, scheduler=scheduler, workers=workers, time_limit_s=time_limit, gap=gap,
        seed=seed, deterministic=deterministic, plans=plans, wait=wait, retry=retry,
    )  # fmt: skip
    raise typer.Exit(code)


@app.command()
def check(plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")]) -> None:
    """Recompute every requirement and every dollar of a plan.

    The spec is read from the plan and the prices from the catalogue. Exit code 1 and a list when something is wrong.
    """
    from ..doors.planning import check

    raise typer.Exit(check(plan))


@app.command()
def schedule(  # noqa: PLR0913 (options by name)
    *,
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="Spec file whose training workloads are scheduled, or @NAME.")
    ],
    plan: Annotated[
        Path | None,
        typer.Option(metavar="PLAN", help="Schedule on what this plan.json leaves idle, instead of planning the rest."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write schedule.json, .csv and .html, and the fleet's plan.")
    ] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds of each search at most.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Proved gap at which the search for a fleet stops.")] = 0.01,
    schedule_gap: Annotated[
        float, typer.Option(metavar="G", help="Proved gap at which the search for a schedule stops.")
    ] = 0.005,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the searches.")] = 0,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same schedule on every run.")] = False,
    memory_limit: MemoryLimit = None,
    style: Annotated[PlanFormat, typer.Option("--format", help="What to print.")] = PlanFormat.table,
) -> None:
    """Schedule training runs hour by hour, on what serving leaves idle first.

    Plans a fleet for the other workloads, lets the runs fill its idle commitments, buys the rest, and exchanges prices
    with the fleet as long as that makes both together cheaper. Exit code 4 names runs that cannot be done.
    """
    from ..doors.planning import Search
    from ..doors.scheduling import schedule

    search = Search(
        time_limit_s=time_limit, gap=gap, seed=seed, deterministic=deterministic, memory_limit_gib=memory_limit
    )
    raise typer.Exit(schedule(spec, plan, out, search, schedule_gap=schedule_gap, as_json=style is PlanFormat.json))


@app.command()
def explain(
    *,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")],
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="One workload; all without.")] = "",
    worth: Annotated[
        bool, typer.Option("--worth", help="Also say what limits, residency and latency are worth; takes a while.")
    ] = False,
    style: Annotated[TextFormat, typer.Option("--format", help="What to print.")] = TextFormat.text,
) -> None:
    """Say why a plan is what it is.

    What a unit costs at each option, the runners-up, why other options were rejected, and which limits bind.
    """
    from ..doors.planning import explain

    raise typer.Exit(explain(plan, workload, as_json=style is TextFormat.json, worth=worth))


@app.command()
def whatif(  # noqa: PLR0913 (options by name)
    *,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder it is in.")],
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="PATH=VALUE", help="A field of the spec and its new value (may be repeated)."),
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write the new plan's files here.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds to search at most.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Stop at this proved gap, a share of the cost.")] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search.")] = 0,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same plan on every run.")] = False,
    memory_limit: MemoryLimit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Limit = 40,
) -> None:
    """Plan anew with fields of a plan's spec changed, and account for the change line by line.

    The search starts from the old plan. Example: --set workloads.chat.max_spot_share=0.3
    """
    from ..doors.planning import Search
    from ..doors.wondering import whatif

    search = Search(
        time_limit_s=time_limit, gap=gap, seed=seed, deterministic=deterministic, memory_limit_gib=memory_limit
    )
    raise typer.Exit(whatif(plan, changes, out, search, as_json=as_json, limit=limit))


@app.command()
def pareto(  # noqa: PLR0913 (options by name)
    *,
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="Spec file, or @NAME for a packaged example.")],
    against: Annotated[Axis, typer.Option(help="What cost is traded against.")],
    points: Annotated[int, typer.Option(metavar="N", help="Limits to plan for.")] = 8,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write a page, JSON, CSV and the plans.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds to search at most, each.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Stop at this proved gap, a share of the cost.")] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search.")] = 0,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same plans on every run.")] = False,
    style: Rows = RowFormat.table,
) -> None:
    """Trade cost against carbon, upfront cash, latency or spot: a frontier of checked plans, each with its bound."""
    from ..doors.planning import Search
    from ..doors.trading import pareto

    search = Search(time_limit_s=time_limit, gap=gap, seed=seed, deterministic=deterministic)
    raise typer.Exit(pareto(spec, against.value, points, out, search, style=style.value))


@app.command()
def diff(
    *,
    before: Annotated[Path, typer.Argument(metavar="OLD", help="A plan.json, or the folder it is in.")],
    after: Annotated[Path, typer.Argument(metavar="NEW", help="Another.")],
    max_increase: Annotated[
        str | None,
        typer.Option(metavar="LIMIT", help="Exit code 3 when NEW costs more by over 5%, or dollars."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Limit = 40,
) -> None:
    """Account for the change from one plan to another, dollar by dollar.

    Each line's change by price, volume and both; nodes bought and running elsewhere; what the certificates prove.
    """
    from ..doors.differing import diff

    raise typer.Exit(diff(before, after, max_increase, as_json=as_json, limit=limit))
