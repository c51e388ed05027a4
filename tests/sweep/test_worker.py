"""One scenario in a worker: what is kept of its plan, and how a search that hangs is ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from solver.sweep.document import read_document
from solver.sweep.keys import Job, Jobs, Search
from solver.sweep.worker import work
from tests.sweep.small import environment, of_demand

HANG = """
import sys, time
from pathlib import Path
from solver.sweep import worker
from tests.sweep.test_worker import job
worker.PATIENCE, worker.PATIENCE_S = 1.0, 0.2
with worker._watched(job(Path(sys.argv[1]), time_limit_s=0.3, deterministic=sys.argv[2] == "deterministic")):
    time.sleep(2)
"""


def job(folder: Path, demand: float = 20000, **search: Any) -> Job:
    """A job of one scenario."""
    sweep = read_document(of_demand(folder, demand))
    (scenario,) = sweep
    return Jobs(sweep, Search(**search))(scenario.settings)


def hang(folder: Path, how: str) -> subprocess.CompletedProcess[str]:
    """A worker that does nothing for two seconds, under a watch of half a second."""
    line = [sys.executable, "-c", HANG, str(folder), how]
    return subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)


def test_a_search_that_hangs_ends_its_worker(tmp_path: Path) -> None:
    """With a traceback of where; never without a clock."""
    ended = hang(tmp_path, "by the clock")
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert hang(tmp_path, "deterministic").returncode == 0


def test_what_is_kept_of_a_plan(tmp_path: Path) -> None:
    """One node of eight accelerators on demand for 744 hours at 31.92 dollars."""
    kept = json.loads(work(job(tmp_path, deterministic=True)).content)
    (bought,) = kept["purchases"]
    assert (bought["provider"], bought["node"], bought["option"], bought["nodes"]) == (
        "lambda", "gpu_8x_h100_sxm5", "on_demand", 1
    )  # fmt: skip
    assert kept["cost_usd"] == kept["lower_usd"] == "23748.480000"  # 744 × 31.92
    assert kept["workloads"] == {"chat": "23748.480000"}
    assert (kept["months"], kept["gap"], kept["certificate"], kept["seconds"]) == (1, 0.0, "proved", 0.0)


def test_an_error_is_an_answer(tmp_path: Path) -> None:
    """Of the planner in its own words; of anything else with a traceback."""
    from dataclasses import replace

    good = job(tmp_path)
    typed = work(replace(good, spec=good.spec.replace("llama-3.1-8b", "llama-0")))
    assert "llama-0" in typed.error
    assert "Traceback" not in typed.error
    other = work(replace(good, spec="not JSON"))
    assert "Traceback" in other.error
    assert typed.content == other.content == ""
