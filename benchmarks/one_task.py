"""One task on the cheapest of many offers, beside SkyPilot's optimizer: `python -m benchmarks one_task`.

The smallest question that both answer: of offers with a price an hour, on which does a task of an hour cost least?
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from solver.slices import assign_slices

from .cases import Case, grid, when, yes
from .instances import Size, draw
from .peers import ask
from .results import FOLDER, save, stamp

NAME = "one_task"
OFFERS = (40, 400, 4000)
REPEATS = 5
GOAL_TIMES = 10.0


def measure(offers: int) -> dict[str, Any]:
    """A row: the prices on demand of a drawn fleet, chosen from by both."""
    usd = draw(Size(1, -(-offers // 12), offers, 1)).on_demand_micro_usd / 1e6
    load, count, seconds = np.ones((1, offers)), np.array([1]), []
    found = assign_slices(load, count, usd.tolist())
    for _ in range(REPEATS):
        start = time.perf_counter()
        assign_slices(load, count, usd.tolist())
        seconds.append(time.perf_counter() - start)
    row: dict[str, Any] = {"name": str(offers), "seconds": min(seconds), "chosen": int(found.machines.argmax())}
    row |= dict.fromkeys(("peer", "same", "chain_s", "graph_s", "times_chain", "times_graph"))
    if theirs := ask("skypilot", "task_skypilot.py", {"usd": usd}):
        row |= {"peer": theirs["version"], "same": theirs["chain"] == theirs["graph"] == row["chosen"]}
        row |= {f"{way}_s": theirs[f"{way}_s"] for way in ("chain", "graph")}
        row |= {f"times_{way}": theirs[f"{way}_s"] / row["seconds"] for way in ("chain", "graph")}
    return row


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the page."""
    titles = ("offers", "ms", "peer", "same choice", "its chain ms", "times as fast", "its graph ms", "times as fast")
    return grid((*titles, "10 times as fast as its chain", "measured, at revision"), map(_cells, rows))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["peer"] is None:
        return row["name"], f"{1000 * row['seconds']:.2f}", "absent", *("–",) * 6, when(row)
    ways = (f"{1000 * row[f'{way}_s']:.2f} | {row[f'times_{way}']:.1f}" for way in ("chain", "graph"))
    met = yes(row["times_chain"] >= GOAL_TIMES)
    return row["name"], f"{1000 * row['seconds']:.2f}", row["peer"], yes(row["same"]), *ways, met, when(row)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where one_task.json goes")
    options = parser.parse_args(arguments)
    rows = [stamp() | measure(offers) for offers in OFFERS]
    print("\n".join(table(rows)))
    protocol = {"time": f"least wall seconds of {REPEATS}", "peer": "its optimizer on offers and prices given by hand"}
    save(options.results, NAME, protocol, rows)


CASE = Case(
    name=NAME,
    measures="one task on the cheapest of many offers, beside SkyPilot's optimizer",
    goal=f"the same choice, {GOAL_TIMES:g} times as fast",
    main=main,
    table=table,
)
