"""The parent's side of a solve: starts the child, listens, keeps the best plan, ends the child in time."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

from ..errors import EngineError, OutOfTimeError
from .child import Task, out_of_memory, receive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from ..bill import Decision
    from ..plan import Termination
    from .run import Outcome

    Report = Callable[[str, float, float], None]

BEGIN = "import sys; sys.path[:] = sys.argv[1:]; from solver.engine.child import main; main()"
GRACE_S, GRACE = 2.0, 0.02  # beyond the time limit before the child is ended
START_S = 120.0  # for a child to read its task
POLL_S = 1.0  # some systems deliver an interrupt only between waits
LEAST_S = 1.0  # of time left that is worth a second attempt
SEEDS = 2**31
TAIL = 300  # characters of the child's last words that are passed on
JOIN_S = 5.0  # for what a dead child has said to be read
HERE = "solve(..., isolated=False) searches in the process it is called in"
SMALLER = "leave out providers or regions, or plan fewer workloads or months at a time"


class CrashError(EngineError):
    """The child ended without an answer."""


class LateError(OutOfTimeError):
    """The child did not keep the time limit."""


class Unsendable(Exception):  # noqa: N818 (not a fault: the search goes on in this process)
    """The task cannot be sent to another process, or not be read there."""


class Best:
    """The best plan and the best bound heard so far, and what is to be known of how they were found."""

    def __init__(self, report: Report, seed: int) -> None:
        """Pass progress on to `report`."""
        self._report = report
        self.decision: Decision | None = None
        self.bound = -math.inf
        self.seed = seed  # of the search that found the plan
        self.warnings: list[str] = []

    def hear(self, phase: str, bound: float, cost: float) -> None:
        """Progress of the engine."""
        self.raise_bound(bound)
        self._report(phase, bound, cost)

    def keep(self, decision: Decision, bound: float) -> None:
        """A better plan of the engine."""
        self.raise_bound(bound)
        self.decision = decision

    def raise_bound(self, bound: float) -> None:
        """Another proved bound, in dollars; no number is none."""
        if math.isfinite(bound):
            self.bound = max(self.bound, bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the search ended with, the seed that led to it, and what people should know of how it went."""

    outcome: Outcome
    seed: int
    warnings: tuple[str, ...] = ()


def search(task: Task, report: Report, *, isolated: bool) -> Found:
    """Search in a child process, or in this one; whatever ends the search early, a plan found is used.

    Raises:
        EngineError: the engine failed, crashed or ran out of memory.
        OutOfTimeError: it found nothing in time; with the best bound known.
        KeyboardInterrupt: interrupted before there was a plan.
    """
    best = Best(report, task.seed)
    try:
        outcome = _in_child(task, best) if isolated else _here(task, best)
    except (KeyboardInterrupt, EngineError) as end:
        if best.decision is None:
            if isinstance(end, OutOfTimeError) and math.isfinite(best.bound):
                raise OutOfTimeError.of(best.bound) from None
            raise
        outcome = _rescued(best, end)
    return Found(outcome=outcome, seed=best.seed, warnings=tuple(best.warnings))


def _rescued(best: Best, end: BaseException) -> Outcome:
    """The best plan as the outcome of a search that was ended by something else."""
    from .run import Outcome

    termination: Termination = "interrupted"
    if isinstance(end, LateError):
        termination = "time limit"
    elif isinstance(end, EngineError):
        termination = "engine failed"
        best.warnings.append(f"{end.message}; the plan is the best one found until then")
    return Outcome(decision=best.decision, bound=best.bound, termination=termination)


def _here(task: Task, best: Best) -> Outcome:
    """Search in this process: what the back-ends print is seen, and nobody keeps them to the time limit."""
    try:
        return task.search(best.hear, best.keep)
    except MemoryError:
        raise _out_of_memory(None) from None


def _in_child(task: Task, best: Best) -> Outcome:
    """Search in a child; once more with another seed if it dies without a plan; here if the task cannot be sent."""
    start = time.monotonic()
    try:
        return _attempt(task, best)
    except Unsendable as reason:
        if task.memory_limit_gib is not None:
            mend = "define rules in a module that can be imported, or give no memory limit"
            raise EngineError(f"no child process can read the task: {reason}", where="engine", mend=mend) from None
        best.warnings.append(f"searched in the caller's process, as no other can read the task: {reason}")
        return _here(task, best)
    except CrashError as death:
        left = math.inf if task.deterministic else task.time_limit_s - (time.monotonic() - start)
        if best.decision is not None or left < LEAST_S:
            raise
        best.seed = (task.seed + 1) % SEEDS
        best.warnings.append(f"{death.message}; searched again with seed {best.seed}")
    try:
        return _attempt(dataclasses.replace(task, seed=best.seed, time_limit_s=min(left, task.time_limit_s)), best)
    except EngineError as error:
        if best.decision is not None:
            raise
        raise EngineError(f"{best.warnings[-1]}: {error.message}", where=error.where, mend=error.mend) from None


def _attempt(task: Task, best: Best) -> Outcome:
    """What one child ends with."""
    with Child() as child:  # it starts while the task is made ready
        child.hear_by(START_S, LateError("the process of the search does not start", where="engine", mend=HERE))
        child.send(_parcel(task))
        try:
            return _follow(child, task, best)
        except (KeyboardInterrupt, LateError):
            outcome = _hear_out(child, best)
            if outcome is None:
                raise
            return outcome


def _parcel(task: Task) -> bytes:
    try:
        return pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as reason:  # noqa: BLE001 (a rule of the caller's may raise anything when it is pickled)
        raise Unsendable(f"{type(reason).__name__}: {reason}") from None


def _follow(child: Child, task: Task, best: Best) -> Outcome:
    """Listen to a child until it is done."""
    while message := child.next():
        match message:
            case ("ready",):
                limit = math.inf if task.deterministic else task.time_limit_s
                late = LateError.of()
                child.hear_by(limit + GRACE_S + GRACE * limit, late)
                child.ready = True
            case ("report", phase, bound, cost):
                best.hear(phase, bound, cost)
            case ("keep", decision, bound):
                best.keep(decision, bound)
            case ("outcome", outcome):
                made: Outcome = outcome
                return made
            case ("error", Exception() as error):
                raise error
            case ("memory",):
                raise _out_of_memory(task.memory_limit_gib)
            case ("unreadable", reason):
                raise Unsendable(reason)
    raise child.obituary(task.memory_limit_gib)


def _hear_out(child: Child, best: Best) -> Outcome | None:
    """End a child, but miss nothing that it has said: its last plan may still be in the pipe, or the end of it all."""
    for message in child.ended():
        match message:
            case ("report", _, bound, _):
                best.raise_bound(bound)
            case ("keep", decision, bound):
                best.keep(decision, bound)
            case ("outcome", outcome):
                made: Outcome = outcome
                return made
    return None


class Child:
    """A child process; it and what it has started are gone when the context is left.

    Its messages and its stderr are read by threads, so that it never waits for its parent, and its parent can wait
    for it with a time limit on any system.
    """

    def __init__(self) -> None:
        """Start it: a session of its own, so that Ctrl-C on the terminal reaches the parent only.

        Raises:
            EngineError: the system starts no process.
        """
        folder = str(Path(__file__).parents[2])
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable or "", "-c", BEGIN, *map(str, sys.path), folder],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise EngineError(f"no process can be started: {error}", where="engine", mend=HERE) from None
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, stdout, stderr = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", pipes)
        self._told: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._last_words = bytearray()
        self.ready = False  # it has read its task
        self._deadline, self._late = math.inf, LateError("")
        self._threads = [
            threading.Thread(target=_listen, args=(stdout, self._told), daemon=True),
            threading.Thread(target=_overhear, args=(stderr, self._last_words), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, parcel: bytes) -> None:
        """Give it its task. If it has died already, its next message says so."""
        with contextlib.suppress(OSError):
            self._stdin.write(parcel)
            self._stdin.flush()

    def hear_by(self, seconds: float, late: LateError) -> None:
        """From now, listen for so long at most, then raise."""
        self._deadline, self._late = time.monotonic() + seconds, late

    def next(self) -> tuple[Any, ...] | None:
        """Its next message; None when there will be none.

        Raises:
            LateError: the time to listen is over.
        """
        while (left := self._deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                return self._told.get(timeout=min(left, POLL_S))
        raise self._late

    def ended(self) -> Iterator[tuple[Any, ...]]:
        """End it; the messages that nobody has heard yet."""
        self._kill()
        self._end()
        while not self._told.empty() and (message := self._told.get()):
            yield message

    def obituary(self, memory_limit_gib: float | None) -> EngineError:
        """What it died of, once it has."""
        self._end()
        code, said = self._process.returncode, self._last_words.decode(errors="replace")
        if out_of_memory(said):
            return _out_of_memory(memory_limit_gib)
        how, mend = f"ended with exit code {code}", "try another --seed; if it stays, report the spec"
        if not self.ready:
            mend = HERE
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"was ended by {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                mend = f"the system kills when memory runs out: {SMALLER}"
            elif memory_limit_gib is not None:
                mend = f"libraries may end so when memory is refused: raise memory_limit_gib, or {SMALLER}"
        tail = " ".join(said[-TAIL:].split())
        return CrashError(f"the process of the search {how}" + (f": {tail}" if tail else ""), where="engine", mend=mend)

    def __enter__(self) -> Self:
        """The running child."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self._kill()
        self._end()

    def _kill(self) -> None:
        """With all it has started: they share its session."""
        if self._process.returncode is not None:
            return
        if os.name == "posix":
            with contextlib.suppress(OSError):  # it has just died, and some systems mind
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def _end(self) -> None:
        """Wait for it, and for what it has said, to be at an end."""
        self._process.wait()
        for thread in self._threads:
            thread.join(JOIN_S)
        with contextlib.suppress(OSError):  # a task that was not read to its end
            self._stdin.close()


def _listen(pipe: IO[bytes], told: queue.SimpleQueue[tuple[Any, ...] | None]) -> None:
    with pipe, contextlib.suppress(Exception):  # the end, perhaps in the middle of a message
        while True:
            told.put(receive(pipe))
    told.put(None)


def _overhear(pipe: IO[bytes], last_words: bytearray) -> None:
    with pipe:
        while said := os.read(pipe.fileno(), 1 << 16):
            last_words += said
            del last_words[: -4 * TAIL]


def _out_of_memory(limit_gib: float | None) -> EngineError:
    if limit_gib is None:
        return EngineError("the search ran out of memory", where="engine", mend=SMALLER)
    message = f"the search ran out of memory within memory_limit_gib = {limit_gib:g}"
    return EngineError(message, where="engine", mend=f"raise the limit, or {SMALLER}")
