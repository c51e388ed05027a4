"""A schedule for people: rows for a terminal, JSON, CSV, and a page with who runs when."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ..money import to_usd
from ..report import svg, words
from ..report.charts import WIDE, clipped
from ..report.html import render_template
from ..report.tables import to_csv
from ..table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup
    from rich.console import Console

    from .exchange import Pair
    from .result import Schedule

SCHEMA = "autoparallel.schedule/1"
COLUMNS = ("job", "pool", "start", "end", "segments", "nodes", "node_hours", "micro_usd")
MOST_ROWS = 60  # printed
MOST_BARS = 200  # drawn
HOURS_A_DAY = 24
MANY_DAYS = 21
DAYTIME = range(8, 20)  # hours not shaded


def rows(made: Schedule) -> Table:
    """One row a job, by start (COLUMNS; start and end in UTC), then those that do not run."""
    cost: dict[str, int] = defaultdict(int)
    for line in made.cost_lines.records():
        cost[line["job"]] += line["micro_usd"]
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in made.runs.records():
        runs[run["job"]].append(run)
    found = []
    for job, parts in runs.items():
        first, last = min(r["start_hour"] for r in parts), max(r["end_hour"] for r in parts)
        hours = sum(r["nodes"] * (r["end_hour"] - r["start_hour"]) for r in parts)
        span = (_moment(made, first), _moment(made, last))
        found.append((first, (job, parts[0]["pool"], *span, len(parts), parts[0]["nodes"], hours, cost[job])))
    found.sort(key=lambda row: (row[0], row[1][0]))
    left = [(r["job"], "does not run", "", "", 0, 0, 0, cost[r["job"]]) for r in made.left.records()]
    return Table.from_records(COLUMNS, [*(row for _, row in found), *left])


def _moment(made: Schedule, hour: int) -> str:
    return f"{made.when(hour):%Y-%m-%d %H:%M}"


def certificate(made: Schedule) -> str:
    """What is known of the cost, in a sentence."""
    c = made.certificate
    if c.lower_micro_usd == c.upper_micro_usd:
        return f"{words.usd(c.upper_micro_usd)}: no schedule costs less."
    return (
        f"{words.usd(c.upper_micro_usd)}; no schedule costs less than {words.usd(c.lower_micro_usd)} "
        f"(a gap of {words.percent(100 * c.gap, 2)})."
    )


def totals(pair: Pair, apart_micro_usd: int) -> str:
    """Both bills in a sentence, and what the exchange has saved."""
    if pair.plan is None:
        return f"In all {words.usd(pair.total_micro_usd)}; there is nothing beside the training runs."
    said = (
        f"In all {words.usd(pair.total_micro_usd)}: the fleet {words.usd(pair.plan.total_micro_usd)}, "
        f"training beyond its idle commitments {words.usd(pair.schedule.total_micro_usd)}."
    )
    saved = apart_micro_usd - pair.total_micro_usd
    return said + (f" Planned apart they cost {words.usd(saved)} more." if saved else "")


def show(pair: Pair, console: Console, apart_micro_usd: int) -> None:
    """Print it; names are printed as plain text."""
    from ..report.terminal import grid, plain_text

    made = pair.schedule
    heads = [("Job", False), ("Pool", False), ("Start (UTC)", False), ("End (UTC)", False)]
    heads += [("Segments", True), ("Nodes", True), ("Cost", True)]
    table = grid(heads)
    found = list(rows(made).records())
    for r in found[:MOST_ROWS]:
        cells = [
            r["job"],
            r["pool"],
            r["start"],
            r["end"],
            str(r["segments"]),
            str(r["nodes"]),
            words.usd(r["micro_usd"]),
        ]
        table.add_row(*(plain_text(cell) for cell in cells))
    console.print(plain_text(made.name, "bold"))
    console.print(table)
    if len(found) > MOST_ROWS:
        console.print(plain_text(f"{len(found) - MOST_ROWS} more rows: --out writes them all", "dim"))
    for r in made.left.records():
        console.print(plain_text(f"{r['job']} does not run: {r['reason']}", "yellow"))
    console.print(plain_text(totals(pair, apart_micro_usd)))
    console.print(plain_text(f"Training: {certificate(made)}", "bold green"))
    for warning in made.warnings:
        console.print(plain_text(f"Warning: {warning}", "yellow"))


def to_json(pair: Pair, apart_micro_usd: int) -> str:
    """The schedule as JSON: money as decimal strings, moments in UTC; the same schedule gives the same bytes."""
    made = pair.schedule

    def usd(micro_usd: int) -> str:
        return f"{to_usd(micro_usd):f}"

    jobs = [{**r, "usd": usd(r.pop("micro_usd"))} for r in rows(made).records()]
    segments = [
        {
            "job": r["job"], "pool": r["pool"], "segment": r["segment"], "nodes": r["nodes"],
            "start": made.when(r["start_hour"]).isoformat(), "end": made.when(r["end_hour"]).isoformat(),
        }
        for r in made.runs.records()
    ]  # fmt: skip
    document = {
        "schema": SCHEMA,
        "name": made.name,
        "termination": made.termination,
        "certificate": {
            "kind": made.certificate.kind,
            "lower_usd": usd(made.certificate.lower_micro_usd),
            "upper_usd": usd(made.certificate.upper_micro_usd),
        },
        "problem_digest": made.problem_digest,
        "seed": made.seed,
        "deterministic": made.deterministic,
        "seconds": made.seconds,
        "training_usd": usd(made.total_micro_usd),
        "fleet_usd": usd(pair.plan.total_micro_usd) if pair.plan else "0",
        "apart_usd": usd(apart_micro_usd),
        "jobs": jobs,
        "segments": segments,
        "left": list(made.left.records()),
        "bought": [{**r, "usd": usd(r.pop("micro_usd"))} for r in made.bought.records()],
        "cost_lines": [{**r, "usd": usd(r.pop("micro_usd"))} for r in made.cost_lines.records()],
        "warnings": list(made.warnings),
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def files(pair: Pair, apart_micro_usd: int) -> Iterator[tuple[str, bytes]]:
    """schedule.json, schedule.csv and schedule.html."""
    yield "schedule.json", to_json(pair, apart_micro_usd).encode()
    yield "schedule.csv", to_csv(rows(pair.schedule)).encode("utf-8")
    yield "schedule.html", page(pair, apart_micro_usd).encode("utf-8", "replace")


def page(pair: Pair, apart_micro_usd: int) -> str:
    """One page that works from a file, offline, with no script."""
    made = pair.schedule
    listed = [{**r, "usd": words.usd(r["micro_usd"])} for r in rows(made).records()]
    context = {
        "made": made, "rows": listed, "totals": totals(pair, apart_micro_usd), "proof": certificate(made),
        "chart": gantt(made), "left": list(made.left.records()), "hidden": max(0, len(listed) - MOST_BARS),
    }  # fmt: skip
    return render_template("schedule.html.j2", context)


def gantt(made: Schedule) -> Markup:
    """One line a job, a bar for each segment, coloured by pool; nights (20 to 8 o'clock UTC) are shaded."""
    order = [r["job"] for r in rows(made).records() if r["segments"]][:MOST_BARS]
    line = {job: i for i, job in enumerate(order)}
    pools = sorted({r["pool"] for r in made.runs.records()})
    colours = svg.series_colours(pools)
    left, top, tall = 220.0, 26.0, 20.0
    scale, height = (WIDE - left - 10) / made.hours, top + tall * len(order) + 6
    parts: list[Markup] = []
    nights = [t for t in range(made.hours) if made.when(t).hour not in DAYTIME]
    if made.hours <= HOURS_A_DAY * MANY_DAYS:
        parts += [svg.rect((left + t * scale, top, scale + 0.2, height - top), "#f3f5f7") for t in nights]
    every = HOURS_A_DAY * max(1, made.hours // (HOURS_A_DAY * 10))
    midnight = -made.start.hour % HOURS_A_DAY
    for t in range(midnight, made.hours, every):
        parts.append(svg.line(left + t * scale, top - 4, left + t * scale, height))
        parts.append(svg.text(left + t * scale + 3, top - 8, f"{made.when(t):%d %b}", "small muted"))
    for job, i in line.items():
        parts.append(svg.text(left - 10, top + i * tall + 14, clipped(job, 30), "small", anchor="end"))
    for r in made.runs.records():
        if r["job"] in line:
            y, x = top + line[r["job"]] * tall + 3, left + r["start_hour"] * scale
            width = max(1.0, (r["end_hour"] - r["start_hour"]) * scale)
            span = f"{_moment(made, r['start_hour'])} to {_moment(made, r['end_hour'])} UTC"
            tip = f"{r['job']}: {r['nodes']} nodes of {r['pool']}, {span}"
            parts.append(svg.rect((x, y, width, tall - 6), colours[r["pool"]], tip))
    return svg.figure("gantt", "Who runs when", "One line a job, one bar a segment.", (WIDE, height), parts)
