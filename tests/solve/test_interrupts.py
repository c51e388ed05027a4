"""Ctrl-C at some moments of the real command; benchmarks/interrupts.py does so at more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup

from benchmarks.interrupts import MARK, interrupt, left_behind
from solver.cli import main
from solver.doors.guard import INTERRUPTED


@pytest.mark.parametrize("after_s", [0.6, 1.8])
def test_ctrl_c_leaves_nothing_but_a_plan(tmp_path: Path, after_s: float) -> None:
    """The right exit code, no process, and a plan that passes its check if there was one."""
    how, faults = interrupt("batch", after_s, tmp_path / "out")
    assert faults == []
    assert how in {"interrupted", "interrupted, with a plan", "before it began", "done before, with a plan"}


def test_ctrl_c_while_the_command_line_is_read_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As at any other moment."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TyperGroup, "make_context", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["models"])
    assert caught.value.code == INTERRUPTED
    assert capsys.readouterr().err == "error: interrupted\n"


def test_what_is_left_behind_is_seen() -> None:
    """Else the test above would be worth nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={**os.environ, MARK: "x1"}
    ) as p:
        seen = left_behind("x1")
        p.communicate(b"\n")
    assert seen == [p.pid]
    assert left_behind("x1") == []
