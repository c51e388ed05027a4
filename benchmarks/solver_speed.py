"""Time, memory and proved gap of planning: `python -m benchmarks solver_speed [EXAMPLE ...] [--time-limit S]`.

Each packaged example goes once through the real command, `autoparallel plan @EXAMPLE --out DIR`, as a process of its
own that starts cold and writes every file; then `autoparallel check` goes over the plan it wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from solver.examples import example_names

from .cases import Case, grid, when, yes
from .process import AUTOPARALLEL, run
from .results import FOLDER, save, stamp

NAME = "solver_speed"
TIME_LIMIT_S, GAP = 60.0, 0.01  # the command's own defaults
GOAL_S = {"one-model": 5.0, "twelve-workloads": 60.0}  # of the whole process
GOAL_GIB = 4
WHOLE = {"purchases": ("nodes",), "placements": ("replicas", "nodes"), "served": ("units_per_hour",)}
SIZE = """
import json, sys, solver
from importlib.resources import files
p = solver.load(files("solver.examples") / f"{sys.argv[1]}.yaml")
print(json.dumps([len(p.candidates.workload), p.blocks.count]))
"""
COLUMNS = {  # width of each; titles and cells are set to the right
    "example": 17,
    "candidates × blocks": 19,
    "wall s": 7,
    "cpu s": 7,
    "parent MiB": 10,
    "child MiB": 9,
    "all MiB": 7,
    "cost USD": 13,
    "bound USD": 13,
    "gap": 7,
    "whole": 5,
    "check": 6,
    "load": 5,
    "others": 6,
    "goals": 5,
    "ended": 15,
}


def measure(example: str, folder: Path, time_limit_s: float, gap: float) -> dict[str, Any]:
    """One row: plan an example, and look at what came out."""
    out, log = folder / example, folder / f"{example}.log"
    options = ("--time-limit", f"{time_limit_s:g}", "--gap", f"{gap:g}", "--out", str(out))
    cost = run((*AUTOPARALLEL, "plan", f"@{example}", *options), log, memory=True)
    row: dict[str, Any] = {"name": example, "ended": f"exit {cost.code}: {_error(log)}"}
    row |= {key: round(value, 2) for key, value in cost._asdict().items()}
    row |= dict.fromkeys(("cost_usd", "lower_usd", "gap", "whole_counts", "check_passed"))
    if (file := out / "plan.json").exists():
        row |= facts(json.loads(file.read_text(encoding="utf-8")))
        if row["cost_usd"] is not None:
            row["check_passed"] = run((*AUTOPARALLEL, "check", str(file)), log).code == 0
    return row | size(example, log) | {"goals": goals(row)}


def facts(plan: dict[str, Any]) -> dict[str, Any]:
    """What a plan.json says of cost, proof and counts; one that only names contradictions has no cost."""
    ended = {"ended": plan["termination"]}
    if plan["termination"] == "infeasible":
        return ended
    lower, upper = (float(plan["certificate"][key]) for key in ("lower_usd", "upper_usd"))
    whole = all(type(value) is int for table, names in WHOLE.items() for value in _cells(plan["tables"][table], names))
    gap = round(max(0.0, upper - lower) / max(upper, 1e-6), 6)
    return ended | {"cost_usd": upper, "lower_usd": lower, "gap": gap, "whole_counts": whole}


def _cells(table: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    at = [table["columns"].index(name) for name in names] if table["rows"] else []
    return [row[i] for row in table["rows"] for i in at]


def size(example: str, log: Path) -> dict[str, int]:
    """Candidates and blocks of the problem, loaded by another process so that this one stays small."""
    run((sys.executable, "-c", SIZE, example), log)
    candidates, blocks = json.loads(_lines(log)[-1])
    return {"candidates": candidates, "blocks": blocks}


def _lines(log: Path) -> list[str]:
    return [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").split("\n") if line.strip()]


def _error(log: Path) -> str:
    return next((line for line in _lines(log) if line.startswith("error")), "no message")


def goals(row: dict[str, Any]) -> dict[str, bool]:
    """Each goal of a row and whether it is met; most examples have none."""
    if row["name"] not in GOAL_S:
        return {}
    limit_s = GOAL_S[row["name"]]
    return {
        f"whole process in {limit_s:g} s": row["wall_s"] <= limit_s,
        f"proved gap of {GAP:.0%}": row["gap"] is not None and row["gap"] <= GAP,
        f"less than {GOAL_GIB} GiB": row["all_mib"] < GOAL_GIB * 1024,
        "all counts whole": row["whole_counts"] is True,
        "passes its check": row["check_passed"] is True,
    }


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    return _line(
        row["name"],
        f"{row['candidates']:,} × {row['blocks']:,}",
        *(f"{row[key]:,.1f}" for key in ("wall_s", "cpu_s")),
        *(f"{row[key]:,.0f}" for key in ("parent_mib", "child_mib", "all_mib")),
        *(_shown(row[key], ",.0f") for key in ("cost_usd", "lower_usd")),
        _shown(row["gap"], ".3%"),
        *(_yes(row[key]) for key in ("whole_counts", "check_passed")),
        *(f"{row[key]:.1f}" for key in ("load", "elsewhere")),
        _yes(all(row["goals"].values()) if row["goals"] else None),
        row["ended"],
    )


def header() -> str:
    """The titles over the rows."""
    return _line(*COLUMNS)


def _line(*cells: str) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, COLUMNS.values(), strict=True)).rstrip()


def _shown(value: float | None, style: str) -> str:
    return "–" if value is None else format(value, style)


def _yes(value: bool | None) -> str:  # noqa: FBT001 (a cell)
    return "–" if value is None else "yes" if value else "NO"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options: examples, time_limit, gap, results."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    names = example_names()
    parser.add_argument("examples", metavar="EXAMPLE", nargs="*", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT_S, metavar="S", help="seconds (default 60)")
    parser.add_argument("--gap", type=float, default=GAP, metavar="G", help="share of the cost (default 0.01)")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where solver_speed.json goes")
    options = parser.parse_args(arguments)
    options.examples = [name.removeprefix("@") for name in options.examples] or list(names)
    if unknown := sorted(set(options.examples) - set(names)):
        parser.error(f"no example {', '.join(unknown)}; there are {', '.join(names)}")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save; a row is saved as soon as it is measured."""
    options = parse(arguments)
    protocol = {
        "command": f"autoparallel plan @EXAMPLE --time-limit {options.time_limit:g} --gap {options.gap:g} --out DIR",
        "runs": 1,
        "memory": "peak resident MiB, read from /proc every 0.1 s; all: parent and descendants at one moment",
    }
    print(header())
    met: dict[str, dict[str, bool]] = {}
    with tempfile.TemporaryDirectory() as name:
        for example in options.examples:
            row = stamp() | measure(example, Path(name), options.time_limit, options.gap)
            print(line(row), flush=True)
            save(options.results, NAME, protocol, [row])
            met[example] = row["goals"]
    for example, of in met.items():
        for goal, reached in of.items():
            print(f"goal  {example}: {goal}: {_yes(reached)}")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of planning: what came out, what it took, the goals."""
    out = ("example", "candidates × blocks", "wall s", "cost USD", "bound USD", "gap", "ended", "whole counts", "check")
    took = ("example", "cpu s", "parent MiB", "child MiB", "all MiB", "load", "others", "measured, at revision")
    aims = ((f"`{row['name']}`", goal, yes(met)) for row in rows for goal, met in row["goals"].items())
    tables = (grid(out, map(_planned, rows)), grid(took, map(_taken, rows)), grid(("goal", "", "met"), aims))
    return [line for table in tables for line in (*table, "")][:-1]


def _planned(row: dict[str, Any]) -> tuple[str, ...]:
    gap = "–" if row["gap"] is None else f"{row['gap']:.2%}"
    usd = ("–" if row[key] is None else f"{row[key]:,.0f}" for key in ("cost_usd", "lower_usd"))
    size, wall = f"{row['candidates']:,} × {row['blocks']:,}", f"{row['wall_s']:.1f}"
    return (
        f"`{row['name']}`",
        size,
        wall,
        *usd,
        gap,
        row["ended"],
        *map(yes, (row["whole_counts"], row["check_passed"])),
    )


def _taken(row: dict[str, Any]) -> tuple[str, ...]:
    memory = (f"{row[key]:,.0f}" for key in ("parent_mib", "child_mib", "all_mib"))
    return (
        f"`{row['name']}`",
        f"{row['cpu_s']:.1f}",
        *memory,
        *(f"{row[key]:.1f}" for key in ("load", "elsewhere")),
        when(row),
    )


CASE = Case(
    name=NAME,
    measures="time, memory and proved gap of planning each packaged example",
    goal="one-model in 5 s, twelve-workloads in 60 s, each within 1 % and 4 GiB",
    main=main,
    table=table,
)

if __name__ == "__main__":
    main()
