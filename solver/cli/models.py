"""Commands that compare models and say how to serve one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import (
    InputTokens,
    Limit,
    OutputTokens,
    Overrides,
    PlanFormat,
    RowFormat,
    Rows,
    TextFormat,
    TpotTarget,
    TtftTarget,
    app,
)


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
    from ..doors.comparing import compare

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
    from ..doors.advising import advise

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
    from ..doors.crosschecking import cross_check

    cross_check(file, python, out, style.value, limit=limit, time_limit_s=time_limit)
