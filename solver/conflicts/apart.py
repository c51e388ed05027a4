"""The analysis in a process of its own: it can be ended in time, may crash, and prints nothing."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..engine.child import limit_memory
from ..engine.slack import Clock

if TYPE_CHECKING:
    from ..bill import Decision
    from ..problem import Problem

BEGIN = "import sys; sys.path[:] = sys.argv[1:]; from solver.conflicts.apart import main; main()"
Rows = list[tuple[Any, ...]]
PARTS = ("conflicts", "contradiction")


def found_apart(
    problem: Problem,
    decision: Decision | None,
    *,
    seconds: float | None,
    most_s: float,
    seed: int,
    memory_limit_gib: float | None = None,
) -> tuple[Rows | None, Rows]:
    """What `table.conflict_rows` says (None when it did not end well) and `minimal.contradiction` ([] when not).

    Whatever ends the analysis, `most_s` seconds, a crash or Ctrl-C, what was found until then is kept.
    """
    task = pickle.dumps((problem, decision, seconds, seed, memory_limit_gib), protocol=pickle.HIGHEST_PROTOCOL)
    command = [sys.executable or "", "-P", "-c", BEGIN, *map(str, sys.path), str(Path(__file__).parents[2])]
    try:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:
        return None, []
    with process:
        try:
            said = process.communicate(task, timeout=most_s if seconds is not None else None)[0]
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            end(process)
            said = process.communicate()[0]
        except BaseException:
            end(process)
            raise
    return _read(said)


def end(process: subprocess.Popen[bytes]) -> None:
    """With the searches it has started: they are in sessions of their own, and end when it does."""
    with contextlib.suppress(OSError):
        process.kill()


def _read(said: bytes) -> tuple[Rows | None, Rows]:
    """Each part as far as it was said."""
    stream = io.BytesIO(said)
    made: list[Rows | None] = []
    with contextlib.suppress(Exception):  # the end, perhaps in the middle of a part
        while len(made) < len(PARTS):
            made.append(pickle.load(stream))  # noqa: S301 (a private pipe)
    rows, together = (*made, None, None)[:2]
    return rows, together or []


def main() -> None:
    """Serve one task from stdin, and answer on what was stdout: back-ends print to it as they like."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    pipe = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    from .minimal import contradiction
    from .table import conflict_rows

    problem, decision, seconds, seed, memory_gib = pickle.load(sys.stdin.buffer)  # noqa: S301 (a private pipe)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    if memory_gib is not None:
        limit_memory(memory_gib)
    _tell(pipe, conflict_rows(problem, decision, seconds=seconds, seed=seed))
    found = contradiction(problem, Clock.of(seconds, seed))
    _tell(pipe, [] if found is None else found.rows())
    os._exit(0)  # libraries' clean-up is neither needed nor always safe


def _follow(parent: int) -> None:
    """End when the parent does."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _tell(pipe: IO[bytes], rows: Rows) -> None:
    pickle.dump(rows, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()
