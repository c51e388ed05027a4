"""Times, memory and gaps of what a user runs, each as a whole process: `make bench`.

python -m benchmarks            everything; the packaged examples are planned one after another
python -m benchmarks --quick    without planning
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

COMMAND = (sys.executable, "-c", "from solver.cli import main; main()")
QUICK = {
    "import solver": (sys.executable, "-c", "import solver"),
    "import costdata": (sys.executable, "-c", "import costdata"),
    "costdata.load()": (sys.executable, "-c", "import costdata; costdata.load()"),
    "autoparallel --help": (*COMMAND, "--help"),
}


class Cost(NamedTuple):
    """What one process took."""

    code: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def run(command: tuple[str, ...], log: Path) -> Cost:
    """Run a program to its end, its output into a file."""
    started = time.monotonic()
    with log.open("wb") as out:
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
        _, status, used = os.wait4(os.posix_spawn(command[0], command, os.environ, file_actions=actions), 0)
    code = os.waitstatus_to_exitcode(status)
    return Cost(code, time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def show(name: str, cost: Cost, more: str = "") -> None:
    """One line of the table."""
    failed = f"exit {cost.code}  " if cost.code else ""
    print(f"{name:32} {cost.wall_s:8.2f} {cost.cpu_s:8.2f} {cost.peak_mib:8.0f}  {failed}{more}")


def plan(example: str, folder: Path) -> None:
    """Plan one packaged example and show its cost and gap."""
    out = folder / example
    cost = run((*COMMAND, "plan", f"@{example}", "--out", str(out)), folder / "log")
    more = ""
    if (out / "plan.json").exists():
        made = json.loads((out / "plan.json").read_text(encoding="utf-8"))
        lower, upper = (float(made["certificate"][key]) for key in ("lower_usd", "upper_usd"))
        more = f"{made['termination']}, {upper:,.0f} USD, gap {(upper - lower) / max(upper, 1e-9):.3%}"
    show(f"plan {example}", cost, more)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without planning")
    quick = parser.parse_args().quick
    print(f"{'':32} {'wall s':>8} {'cpu s':>8} {'peak MiB':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, command in QUICK.items():
            show(title, min((run(command, folder / "log") for _ in range(5)), key=lambda cost: cost.cpu_s))
        run((*COMMAND, "init", "--list"), folder / "list")
        for example in () if quick else (folder / "list").read_text(encoding="utf-8").split():
            plan(example, folder)


if __name__ == "__main__":
    main()
