"""The command: a packaged example, its files, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPEC = """
name: two runs
horizon: {start: 2027-01-01, months: 1}
prices: {as_of: 2026-10-01, providers: [gcp], regions: [us-central1], options: [on_demand]}
workloads:
  - name: short
    kind: training
    model: llama-3.1-8b
    tokens: 3000000000
    accelerators: [H100]
    earliest_start: 2027-01-11
    deadline: 2027-01-14
    max_segments: 3
  - {name: late, kind: training, model: llama-3.1-8b, tokens: TOKENS, accelerators: [H100], deadline: 2027-01-02}
limits: {default_max_nodes: 16}
"""


def run(tmp_path: Path, tokens: int, *more: str) -> subprocess.CompletedProcess[str]:
    """The command on a spec of nothing but training."""
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("TOKENS", str(tokens)), encoding="utf-8")
    command = [sys.executable, "-m", "solver.cli", "schedule", str(path), "--time-limit", "10", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)


def test_runs_are_scheduled_and_written(tmp_path: Path) -> None:
    """A table, and the three files; the JSON adds up."""
    done = run(tmp_path, 10**9, "--out", str(tmp_path / "out"), "--format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == json.loads((tmp_path / "out" / "schedule.json").read_text(encoding="utf-8"))
    assert {job["job"] for job in said["jobs"]} == {"short", "late"}
    assert said["left"] == []
    cents = [round(float(line["usd"]) * 10**6) for line in said["cost_lines"]]
    assert sum(cents) == round(float(said["training_usd"]) * 10**6) > 0
    page = (tmp_path / "out" / "schedule.html").read_text(encoding="utf-8")
    assert page.count("<rect") > 2
    assert "short" in page
    assert (tmp_path / "out" / "schedule.csv").read_text(encoding="utf-8").startswith('"job","pool","start","end"')


def test_a_run_without_time_is_named(tmp_path: Path) -> None:
    """A million million tokens in a day: exit code 4."""
    done = run(tmp_path, 10**13)
    assert done.returncode == 4
    assert "late needs" in done.stderr
