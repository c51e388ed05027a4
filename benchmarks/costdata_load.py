"""How long the cost tables take: `python -m benchmarks.costdata_load` starts a fresh interpreter for each figure."""

from __future__ import annotations

import statistics
import subprocess
import sys

from .cases import Case

STEPS = {
    "import costdata": "import numpy; start(); import costdata; stop()",
    "import costdata and numpy": "start(); import costdata; stop()",
    "load()": "import costdata; start(); costdata.load(); stop()",
    "load(a day of 2025)": "import costdata; start(); costdata.load('2025-03-01'); stop()",
    "digest": "import costdata; c = costdata.load(); start(); c.digest; stop()",
    "import, numpy and load()": "start(); import costdata; costdata.load(); stop()",
    "round trips from a city": "import costdata; c = costdata.load(); start(); c.round_trip_ms('paris'); stop()",
}
CLOCK = """
import time
def start(): global t; t = time.process_time()
def stop(): print(time.process_time() - t)
"""
REPEATS = 7


def main(_arguments: list[str] | None = None) -> None:
    """Median of the process times, in milliseconds."""
    for name, code in STEPS.items():
        seconds = [
            float(subprocess.run([sys.executable, "-c", CLOCK + code], check=True, capture_output=True).stdout)  # noqa: S603
            for _ in range(REPEATS)
        ]
        print(f"{name:30} {1000 * statistics.median(seconds):7.1f} ms")


CASE = Case(name="costdata_load", measures="the steps of loading the prices", main=main)

if __name__ == "__main__":
    main()
