"""The analysis in a process of its own: it can be ended in time, may crash, and prints nothing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..bill import Decision
    from ..problem import Problem

BEGIN = "import sys; sys.path[:] = sys.argv[1:]; from solver.conflicts.apart import main; main()"
Rows = list[tuple[Any, ...]]


def rows_apart(
    problem: Problem, decision: Decision | None, *, seconds: float | None, most_s: float, seed: int
) -> Rows | None:
    """What `table.conflict_rows` says; None when it did not end within `most_s` seconds, or not well."""
    task = pickle.dumps((problem, decision, seconds, seed), protocol=pickle.HIGHEST_PROTOCOL)
    command = [sys.executable or "", "-P", "-c", BEGIN, *map(str, sys.path), str(Path(__file__).parents[2])]
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            command, input=task, capture_output=True, timeout=most_s if seconds is not None else None, check=False,
            start_new_session=True,
        )  # fmt: skip
        rows: Rows | None = pickle.loads(done.stdout) if done.returncode == 0 else None  # noqa: S301 (a private pipe)
    except (OSError, KeyboardInterrupt, subprocess.TimeoutExpired, pickle.UnpicklingError, EOFError):
        return None
    return rows


def main() -> None:
    """Serve one task from stdin, and answer on what was stdout: back-ends print to it as they like."""
    pipe = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    from .table import conflict_rows

    problem, decision, seconds, seed = pickle.load(sys.stdin.buffer)  # noqa: S301 (a private pipe)
    rows = conflict_rows(problem, decision, seconds=seconds, seed=seed)
    pickle.dump(rows, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()
    os._exit(0)  # libraries' clean-up is neither needed nor always safe
