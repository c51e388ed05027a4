"""Time and memory of building a model: `python -m benchmarks build [--runs N] [--results DIR]`.

A `Problem` of a drawn fleet becomes a formulation, a program and a message to the back-end, in a process of its own for
every run. The direct form is what the engine searches; the whole form has a column for each unit served besides.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .cases import Case, grid, when, yes
from .instances import Size, draw
from .process import figures, peak_mib
from .results import FOLDER, save, stamp

NAME = "build"
SEED = 1
MODELS = {"direct": "50x20x100x181x10", "whole": "50x20x100x98x10"}  # each of 1.5 million columns
STAGES = ("formulate_s", "program_s", "message_s")
GOAL_S, GOAL_GIB = 1.5, 1.5
RUNS = 7


def build(form: str, size: str) -> dict[str, Any]:
    """Columns, rows, coefficients, CPU seconds of each stage, peak MiB of this process."""
    from solver.engine import mathopt
    from solver.formulation import formulate
    from solver.rules import RULES

    problem = draw(Size.of(size), SEED).problem()
    clock, wall = [time.process_time()], time.monotonic()
    f = formulate(problem, RULES, direct=form == "direct")
    clock.append(time.process_time())
    program = f.model.program()
    clock.append(time.process_time())
    message = mathopt.to_proto(program)
    clock.append(time.process_time())
    return {
        "columns": len(message.variables.ids),
        "rows": len(message.linear_constraints.ids),
        "coefficients": len(message.linear_constraint_matrix.row_ids),
        **{stage: b - a for stage, a, b in zip(STAGES, clock[:-1], clock[1:], strict=True)},
        "cpu_s": clock[-1] - clock[0],
        "wall_s": time.monotonic() - wall,
        "peak_mib": peak_mib(),
    }


def measure(form: str, runs: int, log: Path) -> dict[str, Any]:
    """A row: medians over the runs, and whether the goals are met."""
    command = (sys.executable, "-m", "benchmarks.build", form, MODELS[form])
    made = [figures(command, log) for _ in range(runs)]
    row: dict[str, Any] = {"name": form, "fleet": MODELS[form]}
    row |= {key: statistics.median(run[key] for run in made) for key in made[0]}
    row |= {key: round(row[key], 3) for key in (*STAGES, "cpu_s", "wall_s", "peak_mib")}
    return row | {"fast": row["cpu_s"] <= GOAL_S, "small": row["peak_mib"] <= GOAL_GIB * 1024}


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the page."""
    titles = ("form", "fleet", "columns", "rows", "coefficients", "formulate s", "program s", "message s", "all cpu s")
    return grid((*titles, "peak MiB", "in 1.5 s", "in 1.5 GiB", "measured, at revision"), map(_cells, rows))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{row[key]:,.0f}" for key in ("columns", "rows", "coefficients"))
    times = (f"{row[key]:.2f}" for key in (*STAGES, "cpu_s"))
    return (
        row["name"],
        row["fleet"],
        *counts,
        *times,
        f"{row['peak_mib']:,.0f}",
        yes(row["fast"]),
        yes(row["small"]),
        when(row),
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="of each, of which the median (default 7)")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where build.json goes")
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for form in MODELS:
            rows.append(stamp() | measure(form, options.runs, Path(folder) / "log"))
            print("\n".join(table(rows[-1:])), flush=True)
    protocol = {
        "time": "CPU seconds of one process, median",
        "runs": options.runs,
        "memory": "peak resident MiB of the process, interpreter, problem and all",
        "seed": SEED,
    }
    save(options.results, NAME, protocol, rows)


CASE = Case(
    name=NAME,
    measures="time and memory of 1.5 million columns: problem, formulation, program, message to the back-end",
    goal=f"{GOAL_S:g} s and {GOAL_GIB:g} GiB",
    main=main,
    table=table,
)

if __name__ == "__main__":
    print(json.dumps(build(*sys.argv[1:])))
