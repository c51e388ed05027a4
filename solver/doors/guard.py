"""From exceptions to exit codes: one clean message on stderr, a traceback only for those who ask for it."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from ..errors import PlannerError

INTERNAL, BAD_INPUT, BREACHED, INFEASIBLE = 1, 2, 3, 4
INTERRUPTED, BROKEN_PIPE = 130, 141  # as shells report a process ended by SIGINT and SIGPIPE
DEBUG = "AUTOPARALLEL_DEBUG"


class Stop(Exception):  # noqa: N818 (not an error of ours)
    """The command ended from outside; the cause is a KeyboardInterrupt or a BrokenPipeError."""


def guarded(command: Callable[[], Any]) -> int:
    """Run a command and give its exit code; whatever it raises becomes a message and a code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack a letter
    try:
        code = command()
        sys.stdout.flush()
    except (Stop, BrokenPipeError, KeyboardInterrupt) as stop:
        if isinstance(stop.__cause__ or stop, BrokenPipeError):
            _leave_pipe()
            return BROKEN_PIPE
        say("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the last resort: nobody above would handle it)
        return _report(error)
    return code if isinstance(code, int) else 0


def say(message: str, where: str = "", mend: str = "") -> None:
    """Print an error on stderr: where and what (several findings, a line each), and on a last line what to do."""
    text = f"error: {plain(where)}: {message}" if where else f"error: {message}"
    lines = [*text.split("\n"), *([f"  {mend}"] if mend else [])]
    with contextlib.suppress(OSError):
        sys.stderr.write("".join(f"{plain(line)}\n" for line in lines))


def plain(text: str) -> str:
    """Text as one line that no terminal takes for a command."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def _report(error: Exception) -> int:
    if os.environ.get(DEBUG) == "1":
        traceback.print_exc()
    if _is_typed(error):
        say(error.message, error.where, error.mend)  # type: ignore[attr-defined]
        return int(error.exit_code)  # type: ignore[attr-defined]
    if hasattr(error, "format_message"):  # the command line itself is wrong; the class differs by version of typer
        context = getattr(error, "ctx", None)
        say(error.format_message(), mend=f"see {context.command_path} --help" if context else "")
        return BAD_INPUT
    if type(error).__name__ == "Abort":
        say("interrupted")
        return INTERRUPTED
    say(
        f"internal error: {type(error).__name__}: {error!s:.500}",
        mend=f"please report this, with the traceback that {DEBUG}=1 shows",
    )
    return INTERNAL


def _is_typed(error: Exception) -> bool:
    """Errors raised on purpose, by the planner or by the price tables (which know nothing of the planner)."""
    parts = ("message", "where", "mend", "exit_code")
    return isinstance(error, PlannerError) or all(hasattr(error, part) for part in parts)


def _leave_pipe() -> None:
    """The reader has gone: let nothing that is still buffered complain about it when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
