"""A whole sweep: its plans are those of `solve`, and a run that is killed loses nothing, repeats little and goes on."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import solver
from solver.errors import EngineError, InputError
from solver.report.json import from_json
from solver.spec import loads
from solver.sweep import read_sweep, run_sweep
from solver.sweep.document import canonical, read_document
from solver.sweep.keys import Jobs, Search
from solver.sweep.lock import locked
from solver.sweep.run import _Run
from solver.sweep.store import Store
from tests.sweep.small import DEMAND, SPEC, ask, command, done, environment, of_demand, states, write

WORKERS = 2
HOLD = """
import sys, time, pathlib, solver.sweep.lock
with solver.sweep.lock.locked(pathlib.Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    time.sleep(600)
"""


def test_results_are_those_of_solve(tmp_path: Path) -> None:
    """Cost, bound, purchases and the plan itself, scenario by scenario."""
    demands = [1000, 400_000, 3_000_000]
    file = of_demand(tmp_path, *demands)
    report = run_sweep(file, tmp_path / "out", workers=2, deterministic=True, plans=True)
    sweep = read_document(file)
    for row, scenario in zip(report.rows, sweep, strict=True):
        plan = solver.solve(loads(canonical(sweep.plain(scenario.settings))), deterministic=True)
        assert row.settings == {DEMAND: demands[row.number - 1]}
        assert row.cost_micro_usd == plan.total_micro_usd == sum(row.workloads.values())
        assert row.lower_micro_usd == plan.certificate.lower_micro_usd
        assert row.result["gap"] == plan.certificate.gap
        assert row.result["termination"] == plan.termination
        nodes = plan.purchases.to_frame().groupby(["region", "node", "block"])["nodes"].sum()
        assert sum(p["nodes"] for p in row.result["purchases"]) == nodes.groupby(["region", "node"]).max().sum()
        kept = from_json((tmp_path / "out" / "plans" / f"{row.key}.json").read_bytes())
        assert kept.total_micro_usd == plan.total_micro_usd
        assert kept.provenance.problem_digest == plan.provenance.problem_digest
    costs = [row.cost_micro_usd for row in report.rows]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]


def test_a_scenario_without_a_plan_is_a_result(tmp_path: Path) -> None:
    """It says which limit is in the way, and is not tried again."""
    file = write(tmp_path, {"grid": {"limits.monthly_budget_usd": [100, 50000]}})
    report = run_sweep(file, tmp_path / "out", workers=1)
    assert [row.status for row in report.rows] == ["done", "infeasible", "done"]
    assert "monthly budget" in report.rows[1].result["conflicts"][0]["limit"]
    assert report.rows[1].cost_micro_usd == -1
    run_sweep(file, tmp_path / "out", workers=1)
    assert states(tmp_path / "out") == {"done": 3}


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """A larger sweep on the same store plans what is new; specs that are alike once. Reports are the same bytes."""
    out = tmp_path / "out"
    run_sweep(of_demand(tmp_path, 1000, 2000, 1000), out, workers=1)
    assert states(out) == {"done": 2}
    first = {name: (out / name).read_bytes() for name in ("sweep.csv", "sweep.json", "sweep.html")}
    report = run_sweep(of_demand(tmp_path, 1000, 2000, 3000), out, workers=1)
    assert [row.number for row in report.rows] == [1, 2, 3]
    assert states(out) == {"done": 3}
    run_sweep(of_demand(tmp_path, 1000, 2000, 1000), out, workers=1)
    assert {name: (out / name).read_bytes() for name in first} == first
    assert states(out) == {"done": 3}
    assert read_sweep(out) == run_sweep(of_demand(tmp_path, 1000, 2000, 1000), out)


def test_results_of_another_search_or_spec_are_not_used(tmp_path: Path) -> None:
    """They stay in the store, and the report has the new ones only."""
    out = tmp_path / "out"
    old = run_sweep(of_demand(tmp_path, 1000), out, workers=1)
    new = run_sweep(of_demand(tmp_path, 1000), out, workers=1, gap=0.02)
    text = (tmp_path / "tiny.yaml").read_text(encoding="utf-8").replace("tpot_ms: 100", "tpot_ms: 90")
    newest = run_sweep(write(tmp_path, {"base": False, "grid": {DEMAND: [1000]}}, text), out, workers=1)
    assert len({report.rows[0].key for report in (old, new, newest)}) == 3
    assert states(out) == {"done": 3}
    assert [row.key for row in read_sweep(out).rows] == [newest.rows[0].key]


def test_bad_scenarios_are_set_aside_with_their_error(tmp_path: Path) -> None:
    """What only the catalogue knows to be wrong; three attempts each."""
    file = write(tmp_path, {"list": [{"workloads.chat.regions": ["mars"]}, {DEMAND: 5}]})
    report = run_sweep(file, tmp_path / "out", workers=1)
    assert [row.status for row in report.rows] == ["done", "set aside", "done"]
    assert "mars" in report.rows[1].error
    assert "Traceback" not in report.rows[1].error
    assert states(tmp_path / "out") == {"done": 2, "failed": 3}


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on(tmp_path: Path) -> None:
    """SIGKILL at four random points: every scenario has one result, and no more was repeated than was in work."""
    rng = random.Random(os.getpid())  # noqa: S311 (when to kill, no secret)
    out, kills = tmp_path / "out", 4
    demands = [1000 + 10 * i for i in range(60)]
    line = command(of_demand(tmp_path, *demands), "--out", out, "--workers", str(WORKERS))
    for kill in range(kills):
        with subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
            wanted = rng.randint(10 * kill + 1, 10 * kill + 10)
            while run.poll() is None and done(out) < wanted:
                time.sleep(0.01)
            assert run.poll() is None, "it ended before it was killed"
            run.kill()
    assert subprocess.run(line, env=environment(), capture_output=True, check=False).returncode == 0
    report = read_sweep(out)
    assert [row.settings[DEMAND] for row in report.rows] == demands
    assert report.count("done") == len(demands)
    found = states(out)
    assert found["done"] == len(demands)
    assert set(found) <= {"done", "lost"}
    assert found.get("lost", 0) <= kills * WORKERS
    assert ask(out, "SELECT count(*), count(DISTINCT key) FROM results") == [(60, 60)]
    assert ask(out, "PRAGMA integrity_check") == [("ok",)]


def started(folder: Path, sweep: Path) -> tuple[Store, _Run]:
    """A run of a sweep that has begun, and nothing in work yet."""
    folder.mkdir(exist_ok=True)
    store, read = Store(folder), read_document(sweep)
    run = _Run(read, Jobs(read, Search()), store, lambda _: None)
    run.start("{}", retry=False)
    return store, run


def test_what_was_in_work_goes_last(tmp_path: Path) -> None:
    """In the next run: should it be what killed the last one, the rest is done by then."""
    file, out = of_demand(tmp_path, 1, 2, 3, 4), tmp_path / "out"
    store, run = started(out, file)
    with store, store.transaction():
        assert [run._begin()[1].spec.count('"requests_per_hour":1') for _ in range(2)] == [1, 0]
    store, run = started(out, file)
    with store:
        assert [scenario.number for _, scenario in run.waiting] == [3, 4, 1, 2]


def test_a_file_that_changes_while_a_sweep_runs_ends_it(tmp_path: Path) -> None:
    """A result must belong to the key it was begun with."""
    measured = tmp_path / "own.csv"
    measured.write_text("one", encoding="utf-8")
    spec = SPEC.replace("    ttft_ms", f"    measurements: {measured}\n    ttft_ms")
    store, run = started(tmp_path / "out", write(tmp_path, {"grid": {DEMAND: [1]}}, spec))
    measured.write_text("other", encoding="utf-8")
    with store, store.transaction(), pytest.raises(EngineError, match="changed"):
        run._begin()


@pytest.mark.slow
def test_workers_end_with_their_sweep(tmp_path: Path) -> None:
    """Also when it is killed and can tell them nothing."""
    import psutil

    out = tmp_path / "out"
    line = command(of_demand(tmp_path, *range(1000, 1400)), "--out", out, "--workers", "2")
    with subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL) as run:
        while done(out) < 2:
            time.sleep(0.02)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 2
        run.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


@pytest.mark.slow
def test_two_sweeps_on_one_store(tmp_path: Path) -> None:
    """Started together, several times: one refuses, or waits; nothing is planned twice."""
    out = tmp_path / "out"
    line = command(of_demand(tmp_path, *range(1000, 1030)), "--out", out, "--workers", "1")
    both = [subprocess.Popen(line, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate()[1] for run in both]
    assert sorted(run.returncode for run in both) == [0, 2]
    assert sum("another sweep runs here" in text for text in said) == 1
    for extra in range(2):
        more = of_demand(tmp_path, *range(1000, 1031 + extra))
        waiting = [*command(more, "--out", out, "--workers", "1"), "--wait"]
        waiters = [subprocess.Popen(waiting, env=environment(), stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [run.wait() for run in waiters] == [0, 0]
        assert states(out) == {"done": 31 + extra}


def test_the_lock_is_released_by_death(tmp_path: Path) -> None:
    """And says who holds it; within one process too, two do not share it."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], env=environment(), stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(InputError, match=f"process {holder.pid}"), locked(tmp_path, wait=False):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path, wait=False), pytest.raises(InputError, match="another sweep"), locked(tmp_path, wait=False):
        pass
    with locked(tmp_path, wait=True):
        pass


@pytest.mark.slow
def test_a_full_disk_is_a_clean_error_and_the_sweep_goes_on(tmp_path: Path) -> None:
    """Files may not grow beyond 300 kB: it says how much is done, keeps it, and finishes when they may."""
    out = tmp_path / "out"
    line = command(of_demand(tmp_path, *range(1000, 1060)), "--out", out, "--workers", "1")

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))

    full = subprocess.run(line, env=environment(), preexec_fn=small, capture_output=True, text=True, check=False)
    assert full.returncode == 2
    assert "Traceback" not in full.stderr
    kept = done(out)
    assert 5 < kept < 60
    assert f"{kept} of 60 are done" in full.stderr
    assert "goes on where it stopped" in full.stderr
    again = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert f"{kept} done before" in again.stderr
    assert states(out)["done"] == 60
    assert ask(out, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.slow
def test_an_interrupted_command_says_so(tmp_path: Path) -> None:
    """Exit code 130, a report of what is done, and the same command goes on. Ctrl-C reaches all processes at once."""
    out = tmp_path / "out"
    line = command(of_demand(tmp_path, *range(1000, 1100)), "--out", out, "--workers", "2")
    with subprocess.Popen(line, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        while done(out) < 5:
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate()
    assert run.returncode == 130
    assert said.rstrip().endswith("interrupted")
    assert "Traceback" not in said
    report = read_sweep(out)
    assert report.count("done") >= 5
    assert report.count("set aside") == 0
    written = json.loads((out / "sweep.json").read_text(encoding="utf-8"))
    assert written["done"] == report.count("done")
    assert set(states(out)) <= {"done", "lost"}


def test_errors_of_the_command(tmp_path: Path) -> None:
    """Exit code 2 and one message that names file and path; nothing is made."""
    bad = write(tmp_path, {"grid": {"workloads.chat.max_spot_shar": [0.5]}})

    def run(*more: str) -> Any:
        line = command(bad, "--out", tmp_path / "out", *more)
        return subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 2
    assert done.stdout == ""
    assert "sweep.json" in done.stderr
    assert "did you mean max_spot_share" in done.stderr
    assert run("--engine", "ray").returncode == 2
    assert run("--scheduler", "tcp://x:1").returncode == 2
    assert run("--gap", "2").returncode == 2
    assert not (tmp_path / "out").exists()


def test_set_aside_gives_exit_code_one(tmp_path: Path) -> None:
    """With the scenario and its error on stderr; the summary is on stdout."""
    file = write(tmp_path, {"list": [{"workloads.chat.regions": ["mars"]}]})
    line = command(file, "--out", tmp_path / "out", "--workers", "1")
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "scenario 1, set aside" in done.stderr
    assert "mars" in done.stderr
    assert done.stdout.splitlines()[0] == "2 scenarios: 1 done, 1 set aside"
    assert "as written: $23,748 a month" in done.stdout
