"""Workers that do harm at some demands and plan the others; each writes down what it was given."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

from solver.sweep.keys import Job
from solver.sweep.worker import Answer, work
from tests.sweep.small import demand_of

LOG = "TEST_SWEEP_LOG"  # name of the variable that holds the file's name
EXITS, CRASHES, RAISES, ONCE, SLEEPS, FOREIGN = 13.0, 17.0, 19.0, 23.0, 29.0, 31.0


def act(job: Job) -> Answer:
    """Harm, or a plan."""
    demand = demand_of(job.spec)
    note(f"{demand:g}")
    if demand == EXITS:
        os._exit(7)
    if demand == CRASHES:
        ctypes.string_at(0)
    if demand == RAISES:
        return Answer(error="Traceback: deliberately")
    if demand == ONCE and noted().count(demand) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if demand == SLEEPS:
        time.sleep(600)
    if demand == FOREIGN:
        return Answer(foreign="other code")
    return work(job)


def note(line: str) -> None:
    """One line more; appended whole, whoever else writes."""
    handle = os.open(os.environ[LOG], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def noted() -> list[float]:
    """All demands that workers were given."""
    file = Path(os.environ[LOG])
    return [float(line) for line in file.read_text(encoding="utf-8").split()] if file.exists() else []
