"""The terminal's view of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import comparison_words as text
from .terminal import grid, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ..compare import ComparisonReport

MOST_PAIRS = 30


def show(report: ComparisonReport, console: Console) -> None:
    """Print a comparison; names are printed as plain text."""
    title = f"Models compared on {report.cluster}" if report.cluster else "Models compared"
    console.print(plain_text(title, "bold"))
    console.print(plain_text(text.demand(report.demand), "dim"))
    rows = text.rows(report)
    _costs(rows, console)
    _speed(rows, console)
    _memory(rows, console)
    _break_evens(text.break_evens(report), console)
    commitments = text.commitments(report)
    if commitments:
        heads = [("Model", False), ("Node", False), ("Commitment", False), ("$/month", True)]
        made = [
            (c["model"], f"{c['node']} {c['region']}", c["option"], c["usd_month"], c["hours"], c["against"])
            for c in commitments
        ]
        title = "On demand against committed: hours of use a month from which the commitment is worth it"
        _print(console, title, [*heads, ("same node", True), ("best row", True)], made)
    for model, where, why in text.unmet(report):
        console.print(plain_text(f"Nothing serves {model} as asked; {where} comes nearest: {why}", "bold red"))
    for note in report.notes:
        console.print(plain_text(f"Note: {note}", "yellow"))


def _costs(rows: list[dict[str, Any]], console: Console) -> None:
    heads = [("Model", False), ("", False), ("Node", False), ("Layout", False), ("$/1M in", True), ("$/1M out", True)]
    heads += [("$/1k req.", True), ("$/month", True)]
    made = []
    for r in rows:
        prices = (r["usd_input"][0], r["usd_output"][0], r["usd_requests"], r["usd_month"])
        layout = f"{r['layout']}, {r['precision']}" if r["fine"] else r["reason"]
        holds = "" if r["node"] == r["accelerator"] else f" ({r['accelerator']})"  # machines of one's own are called so
        node = f"{r['nodes']}{holds}, {r['where']}"
        made.append((r["model"], r["role"], node, layout, *(prices if r["fine"] else "––––")))
    _print(console, "Cost", heads, made)


def _speed(rows: list[dict[str, Any]], console: Console) -> None:
    heads = [("Model", False), ("Accelerators", False), ("TPOT ms", True), ("90 %", True), ("TTFT ms", True)]
    heads += [("90 %", True), ("tokens/s", True), ("90 %", True), ("rests on", False)]
    made = [(r["model"], r["accelerator"], *r["tpot"], *r["ttft"], *r["throughput"], r["evidence"]) for r in rows]
    _print(console, "Latency, and throughput of a replica, with 90 % intervals", heads, made)


def _memory(rows: list[dict[str, Any]], console: Console) -> None:
    heads = [("Model", False), ("Accelerators", False)]
    heads += [(h, True) for h in ("weights", "cache", "activ.", "framew.", "sum", "usable")]
    heads += [(h, True) for h in ("HBM bw", "compute", "links", "KV", "prompts")]
    made = [(r["model"], r["accelerator"], *r["memory"], r["usable"], *r["used"], r["prefill"]) for r in rows]
    _print(console, "GiB of an accelerator; share used of each resource; time that prompts take", heads, made)


def _break_evens(pairs: list[dict[str, Any]], console: Console) -> None:
    """Those where one way overtakes the other."""
    heads = [("Begins cheaper", False), ("Against", False), ("overtakes at req/h", True), ("for good", True)]
    over = [p for p in pairs if p["overtakes"]]
    if over:
        made = [(p["small"], p["large"], p["from"], p["for_good"]) for p in over[:MOST_PAIRS]]
        _print(console, "Break-even by demand", heads, made)
    if len(over) < len(pairs):
        left = len(pairs) - len(over)
        said = f"In {left} other pairs one way is cheaper to begin with and for each request: none overtakes"
        console.print(plain_text(said, "dim"))


def _print(console: Console, title: str, heads: list[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> None:
    table = grid(heads)
    for row in rows:
        table.add_row(*(plain_text(cell) for cell in row))
    console.print(plain_text(title, "bold"))
    console.print(table)
