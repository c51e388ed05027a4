"""The same plan on every run: `python -m benchmarks determinism [--runs N] [--examples NAME ...]`.

`autoparallel plan @EXAMPLE --deterministic --format json` in processes of their own, with another hash seed each time,
and on one core or all in turn. What it prints must be the same to the byte.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .cases import Case, grid, when, yes
from .process import ROOT
from .results import FOLDER, save, stamp

NAME = "determinism"
EXAMPLES = ("one-model", "batch", "training", "eu-residency", "scenarios", "contradiction")


def printed(example: str, number: int) -> tuple[bytes, float]:
    """What the command prints on its run of this number, and the seconds it takes."""
    cores = sorted(os.sched_getaffinity(0))
    mine = cores if number % 2 else cores[:1]
    begun = time.monotonic()
    done = subprocess.run(  # noqa: S603 (our own interpreter and module)
        [sys.executable, "-m", "solver.cli", "plan", f"@{example}", "--deterministic", "--format", "json"],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": str(1 + number)}, capture_output=True, check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, mine),
    )  # fmt: skip
    return done.stdout, time.monotonic() - begun


def measure(example: str, runs: int) -> dict[str, Any]:
    """One row: how many different texts an example gave."""
    row = {**stamp(), "name": example, "runs": runs}
    found = [printed(example, number) for number in range(runs)]
    digests = {hashlib.sha256(text).hexdigest() for text, _ in found}
    seconds = sorted(s for _, s in found)
    return {
        **row, "different": len(digests), "bytes": len(found[0][0]), "sha256": min(digests)[:16],
        "median s": round(seconds[len(seconds) // 2], 1), "same": len(digests) == 1 and bool(found[0][0]),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save; a row is saved as soon as it is measured."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="of each example (default 20)")
    parser.add_argument("--examples", nargs="*", default=list(EXAMPLES), help="packaged examples")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where determinism.json goes")
    asked = parser.parse_args(arguments)
    protocol = {
        "call": "autoparallel plan @EXAMPLE --deterministic --format json", "runs": asked.runs,
        "hash seeds": "another each run", "cores": "one and all in turn",
    }  # fmt: skip
    for example in asked.examples:
        row = measure(example, asked.runs)
        print(f"{example:<16} {row['runs']} runs, {row['different']} different, {row['median s']} s", flush=True)
        save(asked.results, NAME, protocol, [row])


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page."""
    titles = ("example", "runs", "different plans", "bytes", "median s", "same", "measured, at revision")
    cells = [
        (r["name"], str(r["runs"]), str(r["different"]), f"{r['bytes']:,}", f"{r['median s']:.1f}", yes(r["same"]),
         when(r))
        for r in rows
    ]  # fmt: skip
    return grid(titles, cells)


CASE = Case(
    name=NAME,
    measures="deterministic plans over hash seeds and numbers of cores, byte by byte; half an hour",
    goal="the same bytes in 20 of 20 runs",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
