"""The command line's own part: help, version, usage errors, exit codes, pipes and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import typer

from solver import errors
from solver.cli import main
from solver.cli.app import app
from solver.doors import guard, screen
from tests.doors.command import ROOT, process, refused, run

COMMANDS = tuple(typer.main.get_group(app).commands)


def test_help_names_every_command_and_exit_code() -> None:
    """With and without --help."""
    for done in (process("--help"), process()):
        assert done.returncode == 0
        assert done.stderr == ""
        for word in (*COMMANDS, "Exit codes", "infeasible"):
            assert word in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    """In words, without colour."""
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: autoparallel {command}")
    assert "\x1b" not in done.stdout


def test_version() -> None:
    """Name and version, one line."""
    done = process("--version")
    assert done.returncode == 0
    assert done.stdout.split()[0] == "autoparallel"
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("plam",), "'plam'"),
        (("plan",), "SPEC"),
        (("plan", "a", "b"), "(b)"),
        (("plan", "--frobnicate", "x"), "--frobnicate"),
        (("plan", "x", "--time-limit", "soon"), "--time-limit"),
        (("plan", "x", "--time-limit", "nan"), "nan is no time limit"),
        (("plan", "x", "--time-limit", "0"), "0 is no time limit"),
        (("plan", "x", "--time-limit", "inf"), "inf is no time limit"),
        (("plan", "x", "--gap", "nan"), "nan is no gap"),
        (("plan", "x", "--gap", "-1"), "-1 is no gap"),
        (("plan", "x", "--gap", "1"), "1 is no gap"),
        (("plan", "x", "--seed", "1.5"), "--seed"),
        (("plan", "x", "--seed", "-1"), "-1 is no seed"),
        (("plan", "x", "--seed", "9" * 30), "is no seed"),
        (("plan", "x", "--format", "yaml"), "'table', 'json'"),
        (("models", "--format", "yaml"), "'table', 'csv', 'json'"),
        (("models", "--limit", "-1"), "--limit"),
        (("init", "no-such-example"), "one-model"),
        (("check", "no-such-plan.json"), "No such file"),
        (("check", "/"), "directory"),
        (("check", "."), "directory"),
        (("check", "pyproject.toml"), "not JSON"),
        (("check", "nul\\u0000l"), "No such file"),
        (("explain", "no-such-plan.json"), "No such file"),
    ],
)
def test_bad_arguments_are_refused_in_one_message(args: tuple[str, ...], named: str) -> None:
    """Exit code 2, and a message without a traceback that names the fault."""
    assert named in refused(run(*args))


def test_a_near_miss_is_suggested() -> None:
    """As people mistype."""
    assert "'plan'" in refused(process("plam"))


def test_models_as_table_csv_and_json() -> None:
    """The same rows in each."""
    table, csv, rows = (run("models", "--format", style) for style in ("table", "csv", "json"))
    found = json.loads(rows.stdout)
    assert len(found) > 50
    assert len(csv.stdout.splitlines()) == len(found) + 1
    assert csv.stdout.splitlines()[0] == "name,family,parameters,active_parameters,max_context,native_precision"
    one = next(r for r in found if r["name"] == "meta-llama/Meta-Llama-3.1-70B")
    assert 70e9 < one["parameters"] == one["active_parameters"] < 71e9
    assert all(r["name"] in table.stdout for r in found)
    assert "more rows" in run("models", "--limit", "3").stdout


def test_piped_tables_have_a_fixed_width_and_no_colour() -> None:
    """Whatever the terminal's variables say."""
    narrow, wide = (
        process("models", COLUMNS=columns, FORCE_COLOR="1", TERM="xterm-256color").stdout for columns in ("40", "400")
    )
    assert narrow == wide
    assert "\x1b" not in narrow
    assert max(map(len, narrow.splitlines())) <= screen.WIDTH


def test_a_stream_that_lacks_a_letter_gets_another() -> None:
    """Latin letters only: no crash."""
    assert process("models", PYTHONIOENCODING="ascii").returncode == 0


def test_a_broken_pipe_is_quiet() -> None:
    """`autoparallel models | head -1`."""
    command = [sys.executable, "-m", "solver.cli", "models", "--format", "json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == guard.BROKEN_PIPE


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(1063.2, 3, "1,060"), (1326.4, 4, "1,326"), (12345678, 3, "12,300,000"), (30.04, 3, "30"),
     (0.00001234, 2, "0.000012"), (0, 3, "0"), (999.6, 3, "1,000"), (-2.5, 3, "-2.5")],
)  # fmt: skip
def test_numbers_in_words_have_no_exponent(value: float, digits: int, shown: str) -> None:
    """Digits that count, thousands apart."""
    assert errors.significant(value, digits) == shown


class Odd(Exception):  # noqa: N818
    """Typed as the price tables' errors are: the same parts, another base."""

    message, where, mend = "is negative", "prices.csv, row 7", "give a price"
    exit_code: ClassVar[int] = 2


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (errors.InputError("is odd", where="a.b", mend="make it even"), 2, "error: a.b: is odd\n  make it even\n"),
        (errors.InfeasibleError("no"), 4, "error: no\n"),
        (errors.EngineError("crashed"), 1, "error: crashed\n"),
        (Odd(), 2, "error: prices.csv, row 7: is negative\n  give a price\n"),
        (
            errors.InputError("2 faults\n  a\x1b[2J", where="b\u202e\nc"),
            2,
            "error: b\ufffd c: 2 faults\n  a\ufffd[2J\n",
        ),
    ],
)
def test_typed_errors_become_messages_and_codes(
    error: Exception, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What, where, mend; control characters and right-to-left overrides are not passed on."""

    def fail() -> None:
        raise error

    assert guard.guarded(fail) == code
    assert capsys.readouterr() == ("", text)


def test_other_errors_ask_for_a_report_and_show_a_traceback_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1."""
    assert guard.guarded(lambda: 1 // 0) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: internal error: ZeroDivisionError")
    assert "please report" in shown
    assert "Traceback" not in shown
    monkeypatch.setenv(guard.DEBUG, "1")
    assert guard.guarded(lambda: 1 // 0) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, no traceback."""

    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    assert guard.guarded(interrupt) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_main_exits_with_the_code() -> None:
    """As an entry point must."""
    with pytest.raises(SystemExit) as end:
        main(["check", "no-such-plan.json"])
    assert end.value.code == 2


def test_the_public_names_are_the_functions() -> None:
    """Also once the modules of the same name are imported."""
    code = (
        "import solver, solver.plan, importlib;"
        "[importlib.import_module(f'solver.{m}') for m in ('check', 'solve')];"
        "others = {'errors', 'finance', '__version__'};"
        "assert all(callable(getattr(solver, n)) for n in set(solver.__all__) - others);"
        "from solver import solve, check; assert solve is solver.solve and check is solver.check;"
        "assert solver.errors.InputError.exit_code == 2; print(dir(solver) == sorted(solver.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_plan_that_is_no_plan_is_named(tmp_path: Path) -> None:
    """The file and the place in it."""
    path = tmp_path / "plan.json"
    path.write_text('{"schema": "something/1"}', encoding="utf-8")
    assert f"{path}: schema: is 'something/1'" in refused(run("check", path))
    assert str(path) in refused(run("explain", tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_shows_on_a_terminal_only() -> None:
    """Bound, best, gap and phase on stderr; nothing at all when piped."""
    code = (
        "import time; from types import SimpleNamespace as S; from solver.doors.screen import progress\n"
        "with progress() as follow:\n"
        "    if follow:\n"
        "        follow(S(seconds=1.0, lower_usd=None, upper_usd=None, gap=None, phase='root'))\n"
        "        follow(S(seconds=2.0, lower_usd=900.0, upper_usd=1000.0, gap=0.1, phase='search'))\n"
        "        time.sleep(0.3)\n"
        "print(follow is None)\n"
    )
    piped = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (piped.stdout, piped.stderr) == ("True\n", "")
    leader, follower = os.openpty()
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=follower, check=True)
    os.close(follower)
    assert shown.stdout == b"False\n"
    text = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert "search  2 s  bound $900  best $1,000  gap 10.00 %" in text
