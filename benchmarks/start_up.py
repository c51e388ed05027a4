"""How long it takes until anything happens: `python -m benchmarks start_up [--runs N]`.

Every run is a process of its own, with Python's start in its figures. One run beforehand writes the byte code.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from .cases import Case, grid, when, yes
from .process import AUTOPARALLEL, run
from .results import FOLDER, save, stamp

NAME = "start_up"
COMMANDS = {
    "python": (sys.executable, "-c", "pass"),
    "import solver": (sys.executable, "-c", "import solver"),
    "import costdata": (sys.executable, "-c", "import costdata"),
    "costdata.load()": (sys.executable, "-c", "import costdata; costdata.load()"),
    "autoparallel --help": (*AUTOPARALLEL, "--help"),
}
GOAL_S = {"import solver": 0.3, "autoparallel --help": 0.5}  # processor time
RUNS = 7


def measure(name: str, runs: int, log: Path) -> dict[str, Any]:
    """One row: medians over the runs."""
    run(COMMANDS[name], log)
    costs = [run(COMMANDS[name], log) for _ in range(runs)]
    row: dict[str, Any] = {"name": name, "failed": sum(cost.code != 0 for cost in costs)}
    for key, places in {"cpu_s": 3, "wall_s": 3, "load": 2, "elsewhere": 2}.items():
        row[key] = round(statistics.median(getattr(cost, key) for cost in costs), places)
    goal = GOAL_S.get(name)
    return row | {"goal_cpu_s": goal, "goal_met": None if goal is None else row["cpu_s"] <= goal and not row["failed"]}


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    goal = "" if row["goal_met"] is None else f"{row['goal_cpu_s']:.1f} s: {'yes' if row['goal_met'] else 'NO'}"
    failed = f"  {row['failed']} runs failed" if row["failed"] else ""
    figures = f"{row['cpu_s']:8.3f} {row['wall_s']:8.3f} {row['load']:6.1f} {row['elsewhere']:6.1f}"
    return f"{row['name']:22} {figures}  {goal}{failed}".rstrip()


def header() -> str:
    """The titles over the rows."""
    return f"{'':22} {'cpu s':>8} {'wall s':>8} {'load':>6} {'others':>6}  goal for cpu"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="of each, of which the median (default 7)")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where start_up.json goes")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("at least one run")
    print(header())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in COMMANDS:
            rows.append(stamp() | measure(name, options.runs, Path(folder) / "log"))
            print(line(rows[-1]), flush=True)
    save(options.results, NAME, {"runs": options.runs, "figure": "median; every run a new process"}, rows)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of starting up, goals beside the figures."""
    titles = ("", "cpu s", "wall s", "goal for cpu", "met", "load", "others", "measured, at revision")
    return grid(titles, (_started(row) for row in rows))


def _started(row: dict[str, Any]) -> tuple[str, ...]:
    goal = "" if row["goal_cpu_s"] is None else f"{row['goal_cpu_s']:g} s"
    times = (f"`{row['name']}`", f"{row['cpu_s']:.3f}", f"{row['wall_s']:.3f}")
    met = "" if row["goal_met"] is None else yes(row["goal_met"])
    return (*times, goal, met, f"{row['load']:.1f}", f"{row['elsewhere']:.1f}", when(row))


CASE = Case(
    name=NAME,
    measures="time until the command helps, the packages are imported, the prices are loaded",
    goal="import solver in 0.3 s, autoparallel --help in 0.5 s",
    main=main,
    table=table,
)

if __name__ == "__main__":
    main()
