"""Workers that die, on both engines: who did it is known, the others finish, and nothing runs a fourth time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from solver.errors import EngineError, InputError
from solver.sweep.document import read_document
from solver.sweep.engines import Dask, Engine, Loky, engine
from solver.sweep.keys import Search
from solver.sweep.result import SweepReport
from solver.sweep.run import coordinate, opened
from tests.sweep import acting
from tests.sweep.small import done, environment, of_demand, states

Make = Callable[[], Engine]
ENGINES = [
    pytest.param(lambda: Loky(2, acting.act), id="loky"),
    pytest.param(lambda: Dask(2, None, acting.act), id="dask"),
]


@pytest.fixture(autouse=True)
def _log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where workers write down what they are given."""
    monkeypatch.setenv(acting.LOG, str(tmp_path / "log"))


def sweep(folder: Path, make: Make, *demands: float, retry: bool = False) -> SweepReport:
    """Run it on an engine."""
    file = of_demand(folder, *demands)
    with opened(folder / "out") as store:
        return coordinate(read_document(file), Search(), store, make(), retry=retry)


@pytest.mark.slow
@pytest.mark.parametrize("make", ENGINES)
def test_poison_is_set_aside_after_three_attempts(tmp_path: Path, make: Make) -> None:
    """A worker that exits, one that crashes and an error, among eight others that have a plan each, planned once."""
    fine = [1000.0 * n for n in range(1, 9)]
    report = sweep(tmp_path, make, *fine[:3], acting.EXITS, *fine[3:5], acting.CRASHES, acting.RAISES, *fine[5:])
    assert Counter(acting.noted()) == {
        acting.EXITS: 3, acting.CRASHES: 3, acting.RAISES: 3, **dict.fromkeys(fine, 1)
    }  # fmt: skip
    assert [row.status for row in report.rows] == [
        *["done"] * 3, "set aside", *["done"] * 2, "set aside", "set aside", *["done"] * 3
    ]  # fmt: skip
    errors = [row.error for row in report.rows if row.error]
    assert errors[2] == "Traceback: deliberately"
    assert all("worker process" in error for error in errors[:2])
    acting.note("0")
    again = sweep(tmp_path, make, *fine[:3], acting.EXITS, acting.RAISES)
    assert acting.noted()[-1] == 0  # nothing ran again
    assert [row.status for row in again.rows] == ["done", "done", "done", "set aside", "set aside"]


@pytest.mark.slow
def test_how_a_process_died_is_kept(tmp_path: Path) -> None:
    """Exit code or signal, and the traceback of a crash."""
    report = sweep(tmp_path, lambda: Loky(1, acting.act), acting.EXITS, acting.CRASHES)
    exits, crashes = (row.error for row in report.rows)
    assert "EXIT(7)" in exits
    assert "SIGSEGV" in crashes
    assert "Segmentation fault" in crashes
    assert "acting.py" in crashes


@pytest.mark.slow
def test_a_set_aside_scenario_is_tried_again_when_asked(tmp_path: Path) -> None:
    """Three times more."""
    sweep(tmp_path, lambda: Loky(1, acting.act), acting.RAISES)
    report = sweep(tmp_path, lambda: Loky(1, acting.act), acting.RAISES, retry=True)
    assert acting.noted() == [acting.RAISES] * 6
    assert states(tmp_path / "out") == {"forgiven": 3, "failed": 3}
    assert report.count("set aside") == 1


@pytest.mark.slow
@pytest.mark.parametrize("make", ENGINES)
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path, make: Make) -> None:
    """Its scenario has its plan at the second attempt, and every scenario has one."""
    report = sweep(tmp_path, make, 1000.0, acting.ONCE, 2000.0, 3000.0)
    assert report.count("done") == 4
    assert Counter(acting.noted()) == {1000.0: 1, acting.ONCE: 2, 2000.0: 1, 3000.0: 1}
    assert states(tmp_path / "out") == {"done": 4, "failed": 1}


@pytest.mark.slow
@pytest.mark.parametrize("make", ENGINES)
def test_an_interrupt_ends_workers_and_keeps_what_is_done(tmp_path: Path, make: Make) -> None:
    """What was in work is lost, not failed; nothing is left running."""

    def interrupt() -> None:
        while acting.SLEEPS not in acting.noted() or done(tmp_path / "out") < 3:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, make, 1000.0, acting.SLEEPS, 2000.0, 3000.0)
    assert states(tmp_path / "out") == {"done": 3, "lost": 1}
    assert (tmp_path / "out" / "sweep.csv").read_text(encoding="utf-8").count('"not yet"') == 1


@pytest.mark.slow
@pytest.mark.parametrize("make", ENGINES)
def test_a_worker_with_other_code_ends_the_sweep(tmp_path: Path, make: Make) -> None:
    """With a typed error; it is nobody's attempt."""
    with pytest.raises(EngineError, match="other code"):
        sweep(tmp_path, make, acting.FOREIGN)
    assert states(tmp_path / "out") == {"begun": 1}


@pytest.mark.slow
def test_workers_that_cannot_start_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no scenario's fault."""
    monkeypatch.setenv("PYTHONHASHSEED", "not a number")  # no interpreter starts with this
    with pytest.raises(EngineError, match="no worker starts"):
        sweep(tmp_path, lambda: Loky(1, acting.act), 1000.0)
    assert states(tmp_path / "out") == {"begun": 1}


@pytest.mark.slow
def test_a_scheduler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a typed error, in time."""
    monkeypatch.setattr("solver.sweep.engines.START_S", 4.0)
    with pytest.raises(EngineError, match="cannot connect"):
        sweep(tmp_path, lambda: engine("dask", scheduler="tcp://127.0.0.1:1"), 1000.0)
    with pytest.raises((InputError, EngineError)):
        sweep(tmp_path, lambda: engine("dask", scheduler="what://"), 1000.0)


@pytest.mark.slow
def test_a_cluster_by_its_address(tmp_path: Path) -> None:
    """Two worker processes of a scheduler that somebody else started; they are left running."""
    from distributed import Client, LocalCluster

    with LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster:  # type: ignore[no-untyped-call]
        report = sweep(
            tmp_path, lambda: engine("dask", scheduler=cluster.scheduler_address, do=acting.act), 1000.0, 2000.0
        )
        assert report.count("done") == 2
        with Client(cluster) as client:  # type: ignore[no-untyped-call]
            assert len(client.run(os.getpid)) == 2


@pytest.mark.slow
def test_a_scheduler_that_goes_away(tmp_path: Path) -> None:
    """Is a typed error; what was in work is nobody's attempt, and what was done is kept."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", f"tcp://{address}", "--no-dashboard"], env=environment()
    )
    worker = subprocess.Popen(
        [*dask, "worker", f"tcp://{address}", "--nworkers", "2", "--nthreads", "1", "--no-dashboard"], env=environment()
    )

    def leave() -> None:
        while acting.SLEEPS not in acting.noted() or done(tmp_path / "out") < 1:
            time.sleep(0.05)
        scheduler.kill()

    threading.Thread(target=leave, daemon=True).start()
    try:
        with pytest.raises(EngineError, match="the scheduler is gone"):
            sweep(tmp_path, lambda: engine("dask", scheduler=f"tcp://{address}", do=acting.act), 1000.0, acting.SLEEPS)
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    assert states(tmp_path / "out") == {"done": 1, "begun": 1}


@pytest.mark.slow
def test_poison_on_a_cluster_that_would_try_by_itself(tmp_path: Path) -> None:
    """Its scheduler forgives three deaths; the sweep counts each, and nobody else's scenario is charged."""
    from distributed import LocalCluster

    with LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster:  # type: ignore[no-untyped-call]
        demands = (1000.0, acting.EXITS, 2000.0, 3000.0)
        report = sweep(tmp_path, lambda: engine("dask", scheduler=cluster.scheduler_address, do=acting.act), *demands)
    assert [row.status for row in report.rows] == ["done", "set aside", "done", "done"]
    assert Counter(acting.noted()) == {1000.0: 1, acting.EXITS: 3, 2000.0: 1, 3000.0: 1}
    assert states(tmp_path / "out") == {"done": 3, "failed": 3}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "ray"}, "unknown engine"),
        ({"name": "loky", "workers": 0}, "at least one worker"),
        ({"name": "loky", "scheduler": "tcp://x:1"}, "only Dask"),
        ({"name": "dask", "scheduler": "tcp://x:1", "workers": 2}, "its own workers"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, object], said: str) -> None:
    """Are refused."""
    with pytest.raises(InputError, match=said):
        engine(**options)  # type: ignore[arg-type]
