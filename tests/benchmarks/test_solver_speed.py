"""The benchmark of planning measures what it says, on the smallest example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import process, solver_speed
from solver.examples import example_names

ROOT = Path(__file__).parents[2]
GROW = "x = bytearray({mib} * 2**20); import time; time.sleep(0.5)"


def benchmark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`python -m benchmarks ARGUMENTS`."""
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def good() -> dict[str, Any]:
    """Figures of a row that meets every goal of twelve-workloads."""
    sound = {"whole_counts": True, "check_passed": True}
    return {"name": "twelve-workloads", "wall_s": 60.0, "gap": 0.01, "all_mib": 4095.0} | sound


def test_batch_is_planned_measured_and_saved(tmp_path: Path) -> None:
    """One row under the titles; the file has the machine and the same row with its figures."""
    done = benchmark("solver_speed", "@batch", "--results", tmp_path)
    assert done.returncode == 0, done
    titles, row = done.stdout.splitlines()
    assert row.split()[0] == "batch"
    assert titles.index("check") + len("check") == row.index("yes", row.index("yes") + 1) + len("yes")
    saved = json.loads((tmp_path / "solver_speed.json").read_text(encoding="utf-8"))
    assert saved["machine"]["cores"] == os.cpu_count()
    (figures,) = saved["rows"]
    assert figures["code"] == 0
    assert figures["check_passed"] is True
    assert figures["whole_counts"] is True
    assert 0 <= figures["gap"] <= 0.01
    assert 0 < figures["lower_usd"] <= figures["cost_usd"]
    assert 0 < figures["cpu_s"] < 2 * (os.cpu_count() or 1) * figures["wall_s"]
    assert 20 < figures["child_mib"] < figures["all_mib"] < figures["parent_mib"] + figures["child_mib"] + 1
    assert figures["candidates"] > 100
    assert figures["blocks"] > 1
    assert figures["versions"]["ortools"].startswith("9.")


def test_options() -> None:
    """All examples by default; an @ is allowed; unknown ones are refused."""
    assert solver_speed.parse([]).examples == list(example_names())
    chosen = solver_speed.parse(["@batch", "one-model", "--time-limit", "5", "--gap", "0.1"])
    assert (chosen.examples, chosen.time_limit, chosen.gap) == (["batch", "one-model"], 5.0, 0.1)
    assert solver_speed.parse([]).time_limit == 60
    with pytest.raises(SystemExit):
        solver_speed.parse(["nonsense"])


def test_unknown_benchmark_is_refused_with_the_list() -> None:
    """Exit code 2."""
    done = benchmark("nonsense")
    assert done.returncode == 2
    assert "solver_speed" in done.stdout


@pytest.mark.parametrize(
    "worse",
    [
        {"wall_s": 60.01}, {"gap": 0.0101}, {"gap": None}, {"all_mib": 4096.0},
        {"whole_counts": False}, {"check_passed": False}, {"check_passed": None},
    ],
)  # fmt: skip
def test_each_goal_can_be_missed(worse: dict[str, Any]) -> None:
    """At the limit a goal is met; beyond it exactly one is not."""
    assert list(solver_speed.goals(good()).values()) == [True] * 5
    assert sorted(solver_speed.goals(good() | worse).values()) == [False, True, True, True, True]


def test_half_a_node_is_no_whole_count() -> None:
    """2.5, 2.0 and true are not whole numbers in plan.json; an infeasible plan has no cost."""
    empty: dict[str, Any] = {"columns": [], "types": [], "rows": []}
    tables = {"purchases": {"columns": ["offer", "nodes"], "rows": [[1.5, 2]]}, "placements": empty, "served": empty}
    certificate = {"kind": "proved", "lower_usd": "99", "upper_usd": "100"}
    plan: dict[str, Any] = {"termination": "optimal", "certificate": certificate, "tables": tables}
    found = solver_speed.facts(plan)
    assert (found["whole_counts"], found["gap"], found["cost_usd"]) == (True, 0.01, 100.0)
    for count in (2.5, 2.0, True):
        tables["purchases"]["rows"] = [[1, 2], [1, count]]
        assert solver_speed.facts(plan)["whole_counts"] is False
    assert solver_speed.facts(plan | {"termination": "infeasible"}) == {"ended": "infeasible"}


def test_memory_of_parent_and_child(tmp_path: Path) -> None:
    """A parent of 60 MiB that starts a child of 90: each by itself and both together."""
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GROW.format(mib=90)!r}]); "
    cost = process.run((sys.executable, "-c", child + GROW.format(mib=60)), tmp_path / "log", memory=True)
    assert cost.code == 0
    assert 60 < cost.parent_mib < 80
    assert 90 < cost.child_mib < 110
    assert 90 < cost.all_mib < 130  # the parent grows when the child has gone


def test_time_of_a_busy_program(tmp_path: Path) -> None:
    """Processor time of a program and its child; sleep is wall time only; the exit code is kept."""
    spin = "import time\nwhile time.process_time() < 0.4: pass"
    both = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {spin!r}])\n{spin}\ntime.sleep(0.3)"
    cost = process.run((sys.executable, "-c", both + "\nsys.exit(3)"), tmp_path / "log")
    assert cost.code == 3
    assert 0.8 <= cost.cpu_s < 1.4
    assert cost.wall_s >= cost.cpu_s + 0.25
    assert 0 <= cost.elsewhere <= (os.cpu_count() or 1)


def test_peak_is_remembered_after_memory_is_given_back() -> None:
    """In this process: 90 MiB taken and freed are in its peak, not in what it holds now."""
    taken = bytearray(90 * 2**20)
    del taken
    peak, now = process._status(os.getpid())
    assert peak - now > 80 * 2**20


def test_command_that_fails_says_why(tmp_path: Path) -> None:
    """Exit code and message stand where the search's end would; nothing is claimed of a plan."""
    row = solver_speed.measure("batch", tmp_path, time_limit_s=-1, gap=0.01)
    assert row["ended"].startswith("exit 2: error: --time-limit")
    assert row["code"] == 2
    assert [row[key] for key in ("cost_usd", "gap", "whole_counts", "check_passed")] == [None] * 4
    assert "exit 2" in solver_speed.line(row)
