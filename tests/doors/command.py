"""The command line: in this process, or as a process of its own where the process is what is looked at."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from solver.cli import main

ROOT = Path(__file__).parents[2]
Done = subprocess.CompletedProcess[str]


def run(*args: str | Path, cwd: Path | None = None, **variables: str) -> Done:
    """What `autoparallel ARGS` does when it is run from a folder, piped: its exit code and all that it prints."""
    said, shown = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    words = [str(arg) for arg in args]
    with (
        contextlib.chdir(cwd or ROOT),
        patch.dict(os.environ, variables),
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(said),
    ):
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
        else:
            raise AssertionError("the command did not end with a code")
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, _text(shown), _text(said))


def _text(stream: io.TextIOWrapper) -> str:
    """All that was written, with newlines as a reader of text has them."""
    stream.seek(0)
    return stream.read()


def process(*args: str | Path, cwd: Path | None = None, **variables: str) -> Done:
    """The same by a Python of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **variables}
    return subprocess.run(
        [sys.executable, "-m", "solver.cli", *map(str, args)],
        cwd=cwd or ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def refused(done: Done) -> str:
    """The message of a command that refused its input: exit code 2, nothing on stdout, no traceback."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert 1 <= len(done.stderr.splitlines()) <= 2
    return done.stderr
