"""Rules that do harm where they are read or built: to the child process of a solve, and there only."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from solver.engine import run as engine
from solver.errors import InputError
from solver.formulation import Formulation
from solver.problem import Problem
from solver.rules import Books, Rule, Violation

Act = Callable[[], None]
SHARES = (0.25, 0.75, 0.6, float("nan"), float("inf"), float("-inf"))  # of the bound, told after a plan is kept


class Harmless(Rule):
    """Asks for nothing."""

    name = "harmless"

    def build(self, f: Formulation) -> None:
        """No rows."""

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:  # noqa: ARG002
        """None."""
        return iter(())


class Acting(Harmless):
    """Where it is unpickled, which is in the child, acts before the real engine starts or after it has kept its plan.

    `seed` acts only on searches with that seed.
    """

    def __init__(self, *, before: Act | None = None, after: Act | None = None, seed: int | None = None) -> None:
        """Say what happens when."""
        self.before, self.after, self.seed = before, after, seed

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the engine's place."""
        vars(self).update(state)
        engine.run = self.around(engine.run)

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The engine with acts around it."""

        def run(problem: Problem, rules: Any, **options: Any) -> Any:
            acts = self.seed is None or self.seed == options["seed"]
            if self.before and acts:
                self.before()
            options["report"]("first", float("-inf"), float("inf"))
            outcome = real(problem, rules, **options)
            if self.after and acts:
                assert outcome.decision is not None
                options["keep"](outcome.decision, outcome.bound / 2)
                for share in SHARES:
                    options["report"]("kept", share * outcome.bound, outcome.bound)
                self.after()
            return outcome

        return run


class Timed(Harmless):
    """Acts so many seconds after the model was built first, whatever the engine is doing then."""

    def __init__(self, seconds: float, act: Act) -> None:
        """Say what happens when."""
        self.seconds, self.act = seconds, act

    def build(self, f: Formulation) -> None:  # noqa: ARG002
        """Set the clock."""
        timer = threading.Timer(self.seconds, self.act)
        timer.daemon = True
        timer.start()


class Building(Harmless):
    """Acts while the model is built, also without a child."""

    def __init__(self, act: Act) -> None:
        """Say what happens."""
        self.act = act

    def build(self, f: Formulation) -> None:  # noqa: ARG002
        """Do it."""
        self.act()


def die_by(number: int) -> None:
    """End by a signal."""
    signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
    os.kill(os.getpid(), number)
    time.sleep(60)


def read_nowhere() -> None:
    """A true segmentation fault."""
    ctypes.string_at(0)


def abort() -> None:
    """As C++ does when nobody catches."""
    ctypes.CDLL(None).abort()


def leave(code: int) -> None:
    """As a library should not."""
    sys.exit(code)


def leave_at_once(code: int) -> None:
    """Without a word."""
    os._exit(code)


def exhaust() -> None:
    """Take memory until there is none, or 4 GiB."""
    held = [bytearray(2**24) for _ in range(256)]
    raise AssertionError(f"{len(held)} pieces of memory, and no limit")


def hang() -> None:
    """Do nothing for a long time."""
    time.sleep(600)


def hang_with_a_child(path: Path) -> None:
    """Leave the number of a process of one's own, then do nothing for a long time."""
    with subprocess.Popen(["sleep", "600"]) as process:
        path.with_suffix(".part").write_text(str(process.pid), encoding="ascii")
        path.with_suffix(".part").rename(path)
        hang()


def hang_after_writing(path: Path) -> None:
    """Leave the process's number, then do nothing for a long time."""
    path.with_suffix(".part").write_text(str(os.getpid()), encoding="ascii")
    path.with_suffix(".part").rename(path)
    hang()


def chatter() -> None:
    """Print as Python does, as C does, and past both."""
    print("chatter of python")  # noqa: T201
    libc = ctypes.CDLL(None)
    libc.puts(b"chatter of C")
    libc.fflush(None)
    for descriptor in (1, 2):
        os.write(descriptor, b"chatter of a library\n")


class OddError(Exception):
    """Cannot be made again from what it was made of."""

    def __init__(self, one: int, two: int) -> None:
        """Two, of which the base hears one."""
        super().__init__(one + two)


def raise_odd() -> None:
    """Raise it."""
    raise OddError(3, 4)


def raise_typed() -> None:
    """An error on purpose."""
    raise InputError("is odd", where="a rule", mend="make it even")


def last_words(text: str) -> None:
    """Say something, and crash."""
    os.write(2, text.encode())
    os._exit(1)


def raise_value() -> None:
    """An error as a fault in a rule gives."""
    raise ValueError("a fault in a rule")
