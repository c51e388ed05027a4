"""The command `autoparallel`: what each command takes; `solver.doors` does what it says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .doors.guard import Stop, guarded

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
        from . import __version__

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
    from .doors.planning import Search, plan

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
    from .doors.sweep import sweep

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
    from .doors.planning import check

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
    from .doors.planning import Search
    from .doors.scheduling import schedule

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
    from .doors.planning import explain

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
    from .doors.planning import Search
    from .doors.wondering import whatif

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
    from .doors.planning import Search
    from .doors.trading import pareto

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
    from .doors.differing import diff

    raise typer.Exit(diff(before, after, max_increase, as_json=as_json, limit=limit))


@app.command()
def compare(  # noqa: PLR0913 (one an option)
    *,
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Packaged models, or paths of config.json files.")
    ],
    cluster: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="Cluster to compare on (YAML, TOML or JSON); else the catalogue."),
    ] = None,
    requests_per_hour: Annotated[float, typer.Option(metavar="N", help="Demand, steady.")] = 1000.0,
    input_tokens: InputTokens = 1000,
    output_tokens: OutputTokens = 300,
    tpot_ms: Annotated[float, typer.Option(metavar="MS", help="Mean time per output token at most; inf: any.")] = 50.0,
    ttft_ms: Annotated[float, typer.Option(metavar="MS", help="Mean time to the first token at most.")] = 2000.0,
    sure: Annotated[float, typer.Option(metavar="P", help="Chance with which the targets must hold.")] = 0.5,
    measurements: Annotated[
        str, typer.Option(metavar="CSV", help="Your own measurements, which correct their deployments' predictions.")
    ] = "",
    engine: Annotated[str, typer.Option(help="vllm, sglang or trtllm.")] = "vllm",
    precision: Annotated[
        str | None, typer.Option(help="How all are stored; by default as published; auto: also FP8.")
    ] = None,
    option: Annotated[str, typer.Option(help="Purchase option of the catalogue's prices.")] = "on_demand",
    runners_up: Annotated[int, typer.Option(metavar="N", min=0, help="Other accelerators shown for a model.")] = 2,
    provider: Annotated[list[str] | None, typer.Option(help="Only these providers (may be repeated).")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only these regions.")] = None,
    accelerator: Annotated[list[str] | None, typer.Option(help="Only these accelerators.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="Prices as they were on a day, YYYY-MM-DD.")] = None,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write a page, JSON and CSV here.")] = None,
    style: Annotated[PlanFormat, typer.Option("--format", help="What to print.")] = PlanFormat.table,
) -> None:
    """Compare models: memory, latency, throughput, cost, what they use, and where one overtakes another.

    Exit code 4 when nothing serves one of them as asked.
    """
    from .doors.comparing import compare

    filters = {"provider": provider, "region": region, "accelerator": accelerator}
    code = compare(
        models, cluster, out, as_json=style is PlanFormat.json, requests_per_hour=requests_per_hour,
        input_tokens=input_tokens, output_tokens=output_tokens, tpot_ms=tpot_ms, ttft_ms=ttft_ms, sure=sure,
        engine=engine, precision=precision, measurements=measurements, option=option, runners_up=runners_up,
        filters={k: v for k, v in filters.items() if v}, as_of=as_of, overrides=overrides,
    )  # fmt: skip
    raise typer.Exit(code)


@app.command()
def advise(  # noqa: PLR0913 (one an option)
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A packaged model, or the path of a config.json.")],
    accelerator: Annotated[str, typer.Option(metavar="NAME", help="Accelerator, such as H100.")] = "",
    accelerators: Annotated[int, typer.Option(metavar="N", help="Accelerators of a node.")] = 8,
    node: Annotated[str, typer.Option(metavar="NODE", help="A node of the catalogue instead: aws/p5.48xlarge.")] = "",
    nodes: Annotated[int, typer.Option(metavar="N", help="Nodes.")] = 1,
    precision: Annotated[str | None, typer.Option(help="How weights are stored; by default what is best.")] = None,
    engine: Annotated[str, typer.Option(help="vllm, sglang or trtllm.")] = "vllm",
    input_tokens: InputTokens = 1000,
    output_tokens: OutputTokens = 300,
    tpot_ms: TpotTarget = None,
    ttft_ms: TtftTarget = None,
    style: Annotated[TextFormat, typer.Option("--format", help="What to print.")] = TextFormat.text,
) -> None:
    """Say how best to serve a model on an accelerator.

    Layout, precision, concurrency and engine settings; what holds it back, and what would move it.
    """
    from .doors.advising import advise

    advise(
        model, as_json=style is TextFormat.json, accelerator=accelerator, accelerators=accelerators, node=node,
        nodes=nodes, precision=precision, engine=engine, input_tokens=input_tokens, output_tokens=output_tokens,
        tpot_ms=tpot_ms, ttft_ms=ttft_ms,
    )  # fmt: skip


@app.command("cross-check")
def cross_check(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV of serving configurations, one a row.")],
    python: Annotated[str, typer.Option(metavar="PYTHON", help="A Python that has aiconfigurator: ENV/bin/python.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write all rows and answers here, CSV.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for all rows at most.")] = 3600.0,
    limit: Limit = 40,
    style: Rows = RowFormat.table,
) -> None:
    """Ask aiconfigurator what it predicts for serving configurations, beside what is predicted here.

    It is a package of its own, asked in its own environment and process; see the guide for how to install it.
    """
    from .doors.crosschecking import cross_check

    cross_check(file, python, out, style.value, limit=limit, time_limit_s=time_limit)


@app.command()
def prices(  # noqa: PLR0913 (one a filter)
    *,
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
    """List offers and prices, the cheapest GPU-hour first."""
    from .doors.listing import prices

    filters = {
        "provider": provider, "region": region, "node": node,
        "accelerator": accelerator, "option": option, "country": country,
    }  # fmt: skip
    prices({k: v for k, v in filters.items() if v}, as_of, overrides, style.value, limit=limit)


@app.command()
def models(limit: Limit = 0, style: Rows = RowFormat.table) -> None:
    """List the packaged model architectures.

    A spec may also name a Hugging Face config.json on disk.
    """
    from .doors.listing import models

    models(style.value, limit=limit)


@app.command()
def init(
    *,
    example: Annotated[str, typer.Argument(metavar="EXAMPLE", help="Name of a packaged example.")] = "one-model",
    names: Annotated[bool, typer.Option("--list", help="List the names instead, one a line.")] = False,
) -> None:
    """Print a starter spec: autoparallel init > fleet.yaml."""
    from .doors.listing import init

    init(None if names else example)


@app.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from .doors.listing import schema

    schema()


@app.command()
def doctor() -> None:
    """Look at the installation: versions, a trial solve, data.

    Exit code 1 when something is broken.
    """
    from .doors.listing import doctor

    raise typer.Exit(doctor())


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(guarded(lambda: app(args, prog_name="autoparallel", standalone_mode=False)))


if __name__ == "__main__":
    main()
