"""The child process of a solve: reads the task from stdin, searches, and tells the parent what it finds on stdout.

Nothing else reaches the parent's terminal: file descriptor 1 is given away before a back-end can print to it. The
parent keeps stdin open for as long as it lives; when that ends, so does the child.
"""

from __future__ import annotations

import copy
import os
import pickle
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ..errors import EngineError, PlannerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..bill import Decision
    from ..carry import Start
    from ..problem import Problem
    from ..rules.base import Rule
    from .run import Outcome

GIB = 2**30
LIBRARIES = (  # of the engine: loaded before memory is limited, as they fail in odd ways when it is refused
    "ortools.graph.python.min_cost_flow",
    "ortools.math_opt.core.python.solver",
    "ortools.math_opt.python.callback",
    "scipy.sparse.csgraph",
)
OUT_OF_MEMORY = ("memoryerror", "bad_alloc", "cannot allocate memory", "out of memory", "memory allocation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to search, and how long and well: the arguments of engine.run.run, and a limit of memory."""

    problem: Problem
    rules: Sequence[Rule]
    time_limit_s: float
    gap: float
    seed: int
    deterministic: bool
    memory_limit_gib: float | None = None  # beyond what the process holds when it begins to search
    start: Start | None = None  # of the search: an old plan

    def search(self, report: Callable[[str, float, float], None], keep: Callable[[Decision, float], None]) -> Outcome:
        """Do it, in this process."""
        from .run import run

        return run(
            self.problem,
            self.rules,
            time_limit_s=self.time_limit_s,
            gap=self.gap,
            seed=self.seed,
            deterministic=self.deterministic,
            report=report,
            keep=keep,
            start=self.start,
        )


def main() -> None:
    """Serve one task. Messages are tuples, the first word says which: ready, report, keep, outcome, error ..."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    tell = _teller()
    try:
        task: Task = receive(sys.stdin.buffer)
    except EOFError:  # the parent has gone
        os._exit(0)
    except MemoryError:
        tell("memory")
        os._exit(0)
    except Exception as error:  # noqa: BLE001 (a rule of the caller's may raise anything when it is read)
        tell("unreadable", f"{type(error).__name__}: {error}")
        os._exit(0)
    threading.Thread(target=_follow_parent, daemon=True).start()
    tell("ready")
    try:
        _search(task, tell)
    except Exception as error:  # noqa: BLE001 (the parent raises it again)
        if out_of_memory(f"{type(error).__name__} {error}"):
            tell("memory")
        else:
            tell("error", _portable(error))
    os._exit(0)  # libraries' clean-up is neither needed nor always safe


def receive(pipe: IO[bytes]) -> Any:
    """The next object from the process at the other end.

    Raises:
        EOFError, pickle.UnpicklingError: it has ended, perhaps within a word.
    """
    return pickle.load(pipe)  # noqa: S301 (a private pipe between two processes of ours)


def out_of_memory(words: str) -> bool:
    """Whether an error, or what a process said last, tells of memory that was refused."""
    return any(sign in words.lower() for sign in OUT_OF_MEMORY)


def _search(task: Task, tell: Callable[..., None]) -> None:
    if task.memory_limit_gib is not None:
        limit_memory(task.memory_limit_gib)
    outcome = task.search(
        lambda phase, bound, cost: tell("report", phase, bound, cost),
        lambda decision, bound: tell("keep", decision, bound),
    )
    tell("outcome", outcome)


def _teller() -> Callable[..., None]:
    """What sends messages over the pipe that was stdout; whatever is printed from now on is lost."""
    pipe = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    one_at_a_time = threading.Lock()

    def tell(*message: Any) -> None:
        with one_at_a_time:
            pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
            pipe.flush()

    return tell


def _follow_parent() -> None:
    """End when the parent does: nothing is written to stdin after the task, so that reading on means waiting for it."""
    while os.read(0, 1):
        pass
    os._exit(1)


def limit_memory(gib: float) -> None:
    """Refuse memory beyond so much more address space than the process has once its libraries are loaded."""
    import resource
    from importlib import import_module

    for library in LIBRARIES:
        import_module(library)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (pathlib is one more import)
        now = int(file.read().split()[0]) * resource.getpagesize()
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = now + int(gib * GIB)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note; as a typed one when its own class cannot travel."""
    if not isinstance(error, PlannerError):
        error.add_note("In the child process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.dumps(copy.copy(error))
    except Exception:  # noqa: BLE001 (classes may fail in any way)
        said = f"{type(error).__name__}: {error}"
        made = EngineError(f"the search failed: {said:.500}", where="engine", mend="report the spec")
        made.add_note("In the child process:\n" + "".join(traceback.format_exception(error)))
        return made
    return error
