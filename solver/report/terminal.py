"""The terminal's view: the fleet beside the usual ways of buying, the proof, and what conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import words
from .cells import clean
from .html import conflict_rows, fleet_rows

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    from ..plan import Plan

MOST_ROWS = 60
NOT_FOUND = "Which limits are in the way was not found in time: a longer --time-limit may tell."
NARROW = 110  # columns below which a row's less urgent figures are left out


def show(plan: Plan, console: Console) -> None:
    """Print a plan; names are printed as plain text, without markup, links or control characters."""
    console.print(plain_text(plan.name, "bold"), plain_text(words.horizon(plan), "dim"))
    if plan.termination == "infeasible":
        console.print(plain_text(words.certificate(plan), "bold red"))
        console.print(_conflicts(plan) if len(plan.conflicts) else plain_text(NOT_FOUND))
        if len(plan.contradiction):
            console.print(plain_text(words.sentence(words.contradiction(plan))))
    else:
        console.print(_fleet(plan, wide=console.width >= NARROW))
        if len(plan.fleet) > MOST_ROWS:
            console.print(plain_text(f"{len(plan.fleet) - MOST_ROWS} more rows: --out writes them all", "dim"))
        if len(plan.ways):
            console.print(_ways(plan))
        if len(plan.risk):
            console.print(_risk(plan))
        style = "bold green" if plan.certificate.kind == "proved" else "bold yellow"
        console.print(plain_text(words.certificate(plan), style))
        console.print(plain_text(words.stopped(plan), "dim"), plain_text(words.accounting(plan), "dim"))
    for warning in plan.provenance.warnings:
        console.print(plain_text(f"Warning: {warning}", "yellow"))


def _fleet(plan: Plan, *, wide: bool) -> RichTable:
    heads = [("Workload", "workload"), ("Where", "site"), ("Node", "node"), ("Count", "nodes"), ("Layout", "layout")]
    heads += [("Bought as", "option"), ("$/month", "usd")]
    if wide:
        heads += [("$/1M in", "usd_input"), ("$/1M out", "usd_output"), ("In use", "utilisation")]
        heads += [("TTFT ms", "ttft"), ("TPOT ms", "tpot")]
    right = {"usd", "usd_input", "usd_output", "utilisation", "ttft", "tpot"}
    table = grid([(head, key in right) for head, key in heads])
    for row in fleet_rows(plan)[:MOST_ROWS]:
        table.add_row(*(plain_text(row[key]) for _, key in heads))
    return table


def _risk(plan: Plan) -> RichTable:
    """What the horizon costs when things go otherwise."""
    table = grid([("Cost over the horizon", False), ("$", True), ("", False)])
    for r in plan.risk.records():
        name, detail = plain_text(words.sentence(r["measure"])), plain_text(r["detail"], "dim")
        table.add_row(name, plain_text(words.usd(r["micro_usd"], 0)), detail)
    return table


def _ways(plan: Plan) -> RichTable:
    """The plan first, then each way with what the plan saves against it."""
    months = max(1, len(plan.periods))
    table = grid([("Way of buying", False), ("$/month", True), ("The plan saves", True), ("", False)])
    table.add_row(
        plain_text("This plan", "bold"), plain_text(words.usd(words.monthly_micro_usd(plan), 0), "bold"), "", ""
    )
    for r in plan.ways.records():
        priced = r["total_micro_usd"] >= 0
        monthly = words.usd(round(r["total_micro_usd"] / months), 0) if priced else "–"
        saving = words.percent(r["saving_percent"]) if priced else "–"
        note = r["note"] or ("" if r["feasible"] else "breaks a limit")
        table.add_row(
            plain_text(words.sentence(r["way"])), plain_text(monthly), plain_text(saving), plain_text(note, "dim")
        )
    return table


def _conflicts(plan: Plan) -> RichTable:
    table = grid([("Limit", False), ("Relax by", True), ("Worth of a unit", True), ("Why", False)])
    for row in conflict_rows(plan):
        table.add_row(*(plain_text(row[key]) for key in ("limit", "relax", "usd", "detail")))
    return table


def grid(heads: list[tuple[str, bool]]) -> RichTable:
    """An empty table with these columns: heading, and whether to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for head, right in heads:
        table.add_column(head, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table


def plain_text(text: str, style: str = "") -> Text:
    """Text that is never read as markup."""
    from rich.text import Text

    return Text(clean(text), style=style)
