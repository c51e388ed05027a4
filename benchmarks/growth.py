"""How time grows with the problem: `python -m benchmarks growth [--time-limit S] [--results DIR] [--image FILE]`.

Two ways: whole counts (a drawn fleet planned by `solve` until the gap is reached) and whole operators (commitments by
`plan_fleet` with a certificate over every slot, on one core). Each with three and ten times its workloads, its hours
and its scenarios, in a process of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import Case, grid, when, yes
from .instances import Size, draw
from .planet import operator
from .process import ROOT, figures
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "growth"
BASES = {"whole counts": Size(20, 10, 40, 24, 1), "whole operator": Size(200, 40, 400, 240, 2)}
AXES = ("workloads", "hours", "scenarios")
STEPS = (1, 3, 10)
SEED, GAP, TIME_LIMIT_S = 1, 0.05, 300.0
IMAGE = ROOT / "docs" / "img" / "growth.svg"


def grown(way: str, axis: str, times: int) -> Size:
    """The base with one of its sizes so many times as large; pools grow with workloads, as demand does."""
    base = BASES[way]
    more = {axis: getattr(base, axis) * times}
    if axis == "workloads":
        more["pools"] = min(base.pools * times, 12 * base.regions)
    return dataclasses.replace(base, **more)


def plan(way: str, size: str, time_limit_s: str) -> dict[str, Any]:
    """What planning a fleet takes: wall and CPU seconds of this process and the search's, peak MiB, cost and gap."""
    with tempfile.TemporaryDirectory() as folder:
        begin = _counts if way == "whole counts" else _operator
        search = begin(Size.of(size), float(time_limit_s), Path(folder))
        start, before = time.monotonic(), _cpu_s()
        made = search()
        wall, cpu = time.monotonic() - start, _cpu_s() - before
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mib": round(peak / 1024), **made}


def _counts(size: Size, time_limit_s: float, _: Path) -> Callable[[], dict[str, Any]]:
    from solver import solve

    problem = draw(size, SEED).problem()

    def search() -> dict[str, Any]:
        found = solve(problem, gap=GAP, time_limit_s=time_limit_s)
        c = found.certificate
        return {"usd": float(c.upper_usd), "gap": round(c.gap, 5), "ended": found.termination}

    return search


def _operator(size: Size, _: float, folder: Path) -> Callable[[], dict[str, Any]]:
    from solver.fleet import plan_fleet

    fleet, slots = operator(size, SEED, folder)

    def search() -> dict[str, Any]:
        c = plan_fleet(fleet, slots, kind="deterministic").certificate
        return {"usd": c.upper_usd, "gap": round(c.gap, 5), "ended": f"{c.slots:,} slots"}

    return search


def _cpu_s() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def measure(way: str, axis: str, times: int, time_limit_s: float, log: Path) -> dict[str, Any]:
    """A row."""
    size = str(grown(way, axis, times))
    row = {"name": f"{way}: {axis} × {times}", "way": way, "axis": axis, "times": times, "fleet": size}
    try:
        return row | figures((sys.executable, "-m", "benchmarks.growth", way, size, f"{time_limit_s:g}"), log)
    except RuntimeError as error:
        nothing = dict.fromkeys(("wall_s", "cpu_s", "peak_mib", "usd", "gap"))
        return row | nothing | {"ended": str(error).strip().rpartition("\n")[2][:80]}


def goals(rows: list[dict[str, Any]]) -> dict[str, bool | None]:
    """Of each axis: ten times the size in ten times the CPU time at most, gap reached; None where one is missing."""
    made: dict[str, bool | None] = {}
    for way, axis in product(BASES, AXES):
        mine = {r["times"]: r for r in rows if (r["way"], r["axis"]) == (way, axis) and r["cpu_s"] is not None}
        first, last = mine.get(STEPS[0]), mine.get(STEPS[-1])
        reached = all(row["gap"] <= GAP for row in mine.values())
        made[f"{way}: {axis} × {STEPS[-1]} in × {STEPS[-1]} of the time"] = (
            reached and last["cpu_s"] <= STEPS[-1] * first["cpu_s"] if first and last else None
        )
    return made


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page: figures, goals, and the plot."""
    titles = ("fleet grown", "workloads × regions × pools × hours × scenarios", "cpu s", "times", "wall s", "peak MiB")
    base = {(row["way"], row["axis"]): row["cpu_s"] for row in rows if row["times"] == STEPS[0]}
    cells = (_cells(row, base.get((row["way"], row["axis"]))) for row in rows)
    lines = grid((*titles, "gap", "ended", "measured, at revision"), cells)
    aims = grid(("goal", "met"), ((goal, yes(met)) for goal, met in goals(rows).items()))
    return [*lines, "", *aims, "", f"![CPU seconds by size]({IMAGE.relative_to(ROOT / 'docs')})"]


def _cells(row: dict[str, Any], base: float | None) -> tuple[str, ...]:
    if row["cpu_s"] is None:
        return row["name"], row["fleet"], *("–",) * 5, row["ended"], when(row)
    times = f"{row['cpu_s'] / base:.1f}" if base else "–"
    taken = (f"{row['cpu_s']:.1f}", times, f"{row['wall_s']:.1f}", f"{row['peak_mib']:,}")
    return row["name"], row["fleet"], *taken, f"{row['gap']:.2%}", row["ended"], when(row)


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """CPU seconds against size, a line for each axis, both in powers; beside them what × 10 for × 10 would be."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": NAME, "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, len(BASES), figsize=(8, 3.2))
    for axes, (way, base) in zip(both, BASES.items(), strict=True):
        known = [row for row in rows if row["way"] == way and row["cpu_s"] is not None]
        for axis in AXES:
            mine = [row for row in known if row["axis"] == axis]
            axes.loglog([row["times"] for row in mine], [row["cpu_s"] for row in mine], marker="o", label=axis)
        first = min((row["cpu_s"] for row in known), default=1.0)
        axes.loglog(STEPS, [first * times for times in STEPS], color="grey", linestyle=":", label="in proportion")
        axes.set(title=f"{way}, {base}", xlabel="times as large", ylabel="CPU seconds")
        axes.set_xticks(STEPS, map(str, STEPS), minor=False)
        axes.legend(frameon=False)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, save and draw."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT_S, metavar="S", help="of each (default 300)")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where growth.json goes")
    parser.add_argument("--image", type=Path, default=IMAGE, metavar="FILE", help="where the plot goes")
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for way, axis, times in product(BASES, AXES, STEPS):
            rows.append(stamp() | measure(way, axis, times, options.time_limit, Path(folder) / "log"))
            print("\n".join(table(rows[-1:])[2:3]), flush=True)
    protocol = {
        "gap": GAP,
        "time limit": f"{options.time_limit:g} s",
        "seed": SEED,
        "time": "CPU seconds of planning, all processes",
    }
    save(options.results, NAME, protocol, rows)
    plot(rows, options.image)
    print("\n".join(table(rows)))


CASE = Case(
    name=NAME,
    measures="how time grows with workloads, hours and scenarios; half an hour",
    goal="ten times the size in ten times the time at most",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    print(json.dumps(plan(*sys.argv[1:])))
