"""A spec that is planned in milliseconds, sweeps of it, and what stands in the store afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SPEC = """\
name: tiny
horizon: {start: 2027-01-01, months: 1}
prices:
  as_of: 2026-10-01
  providers: [lambda]
  options: [on_demand]
workloads:
  - name: chat
    kind: serving
    model: llama-3.1-8b
    precision: fp8
    input_tokens: 500
    output_tokens: 100
    ttft_ms: 2000
    tpot_ms: 100
    accelerators: [H100]
    traffic:
      - {origin: new york, requests_per_hour: 20000, profile: flat}
"""
DEMAND = 'workloads.chat.traffic["new york"].requests_per_hour'


def write(folder: Path, sweep: dict[str, Any], spec: str = SPEC) -> Path:
    """A sweep beside its spec, in one folder."""
    (folder / "tiny.yaml").write_text(spec, encoding="utf-8")
    file = folder / "sweep.json"
    file.write_text(json.dumps({"spec": "tiny.yaml", **sweep}), encoding="utf-8")
    return file


def of_demand(folder: Path, *demands: float) -> Path:
    """A sweep over the demand of the one workload, without the spec as written."""
    return write(folder, {"base": False, "grid": {DEMAND: list(demands)}})


def demand_of(spec: str) -> float:
    """The demand of the one workload in a spec as JSON."""
    return float(json.loads(spec)["workloads"][0]["traffic"][0]["requests_per_hour"])


def command(*arguments: str | Path) -> list[str]:
    """The command line of a sweep."""
    return [sys.executable, "-m", "solver.cli", "sweep", *map(str, arguments)]


def environment() -> dict[str, str]:
    """For the command, run from anywhere."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def ask(folder: Path, question: str) -> list[tuple[Any, ...]]:
    """Rows of a store, read without the planner."""
    with sqlite3.connect(folder / "sweep.sqlite", timeout=10) as db:
        return db.execute(question).fetchall()


def states(folder: Path) -> dict[str, int]:
    """How many attempts ended how."""
    return dict(ask(folder, "SELECT state, count(*) FROM attempts GROUP BY state"))


def done(out: Path) -> int:
    """Results in a store that may not be there yet."""
    try:
        return int(ask(out, "SELECT count(*) FROM results")[0][0])
    except Exception:  # noqa: BLE001 (no folder, no table)
        return 0
