"""What stops a solve from outside: its time limit and Ctrl-C, from Python and on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from solver.check import check
from solver.doors import guard
from solver.doors.planning import load
from solver.engine import host
from solver.engine import run as engine
from solver.engine.child import Task
from solver.errors import EngineError
from solver.plan import Certificate, Termination
from solver.problem import Problem
from solver.report.json import from_json
from solver.rules import RULES
from solver.solve import Progress, _ended, solve
from tests.solve import acting
from tests.solve.acting import Acting, Building
from tests.solve.test_child import ROOT, cheapest_usd, plan, wait_for


def test_a_search_that_does_not_stop_is_stopped(problem: Problem) -> None:
    """At the time limit and a little grace, with the best plan and the best bound until then."""
    start = time.monotonic()
    made = plan(problem, Acting(after=acting.hang), time_limit_s=3)
    assert 3 + host.GRACE_S < time.monotonic() - start < 3 + host.GRACE_S + 2.5  # a start and an end
    assert made.termination == "time limit"
    assert made.certificate.gap == pytest.approx(0.25, abs=1e-6)
    assert made.total_usd == cheapest_usd(problem)
    assert check(problem, made) == []
    assert made.provenance.warnings == ()


def test_without_a_plan_the_time_limit_is_an_error(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """That says what to do; it is not searched again."""
    monkeypatch.setattr(host, "GRACE_S", 0.2)
    with pytest.raises(EngineError, match="no plan within the time limit") as caught:
        plan(problem, Acting(before=acting.hang), time_limit_s=0.1)
    assert "--time-limit" in caught.value.mend


def test_a_stopped_child_is_ended_too(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that can do nothing any more, not even end."""
    monkeypatch.setattr(host, "GRACE_S", 0.2)
    with pytest.raises(EngineError, match="no plan within the time limit"):
        plan(problem, Acting(before=partial(acting.die_by, signal.SIGSTOP)), time_limit_s=0.1)


def test_what_a_child_has_started_ends_with_it(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back-end may start helpers of its own."""
    monkeypatch.setattr(host, "GRACE_S", 0.2)
    act = partial(acting.hang_with_a_child, tmp_path / "helper")
    with pytest.raises(EngineError, match="no plan within the time limit"):
        plan(problem, Acting(before=act), time_limit_s=1)
    helper = int(wait_for(tmp_path / "helper"))
    end = time.monotonic() + 5
    while psutil.pid_exists(helper) and psutil.Process(helper).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_child_leaves_interrupts_to_its_parent(problem: Problem) -> None:
    """Where both hear them, it goes on until it is told."""
    assert plan(problem, Building(partial(signal.raise_signal, signal.SIGINT))).termination == "optimal"


def test_a_child_that_does_not_start_is_named(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for a search that found nothing."""
    monkeypatch.setattr(host, "START_S", 0.3)
    monkeypatch.setattr(host, "BEGIN", "import time; time.sleep(60)")
    with pytest.raises(EngineError, match="does not start"):
        solve(problem)
    monkeypatch.setattr(host, "BEGIN", "import no_such_module_of_ours")
    with pytest.raises(EngineError, match=r"exit code 1: .*No module named 'no_such_module_of_ours'") as caught:
        solve(problem)
    assert "isolated=False" in caught.value.mend


def test_a_run_that_must_not_depend_on_a_clock_is_not_stopped(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the limit."""
    monkeypatch.setattr(host, "GRACE_S", 0.0)
    made = plan(problem, Acting(after=partial(time.sleep, 1.0)), time_limit_s=0.01, deterministic=True)
    assert made.termination == "optimal"
    assert made.provenance.seconds == 0


def interrupt_when(path: Path) -> None:
    """Ctrl-C for this process, once the file is there."""

    def wait() -> None:
        wait_for(path)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize("isolated", [True, False])
def test_an_interrupt_gives_the_best_plan(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated: bool
) -> None:
    """Checked, and named an interrupted one; a search in this process behaves the same."""
    wanted = cheapest_usd(problem)
    interrupt_when(tmp_path / "kept")
    act = Acting(after=partial(acting.hang_after_writing, tmp_path / "kept"))
    if not isolated:
        monkeypatch.setattr(engine, "run", act.around(engine.run))
    made = plan(problem, act, isolated=isolated)
    assert made.termination == "interrupted"
    assert made.certificate.gap == pytest.approx(0.25, abs=1e-6)
    assert made.total_usd == wanted
    assert check(problem, made) == []


@pytest.mark.parametrize("ended", ["by Ctrl-C", "by time"])
def test_no_word_of_a_child_is_lost(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    """A plan that was told but not yet heard when the search ends from outside is the plan."""
    note = tmp_path / "kept"

    def slow(progress: Progress) -> None:
        if progress.phase == "first":
            wait_for(note)  # all is said by now, and none of the rest heard
            if ended == "by Ctrl-C":
                raise KeyboardInterrupt
            time.sleep(2.3)

    monkeypatch.setattr(host, "GRACE_S", 0.1)
    limit_s = 2.0 if ended == "by time" else 60.0
    act = Acting(after=partial(acting.hang_after_writing, note))
    made = plan(problem, act, time_limit_s=limit_s, progress=slow)
    assert made.termination == ("interrupted" if ended == "by Ctrl-C" else "time limit")
    assert made.total_usd == cheapest_usd(problem)
    assert made.certificate.gap == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("isolated", [True, False])
def test_an_interrupt_before_there_is_a_plan_goes_on(problem: Problem, tmp_path: Path, isolated: bool) -> None:
    """As Ctrl-C does in any program."""
    interrupt_when(tmp_path / "begun")
    act = partial(acting.hang_after_writing, tmp_path / "begun")
    with pytest.raises(KeyboardInterrupt):
        plan(problem, Building(act), isolated=isolated)


def command(tmp_path: Path, act: str, *args: str) -> tuple[subprocess.Popen[str], Path]:
    """The real command in a session of its own, with a rule that acts in its child; and the file it then writes."""
    note = tmp_path / "pid"
    code = (
        "import sys; from functools import partial; from pathlib import Path; from solver.rules import RULES\n"
        "from solver.solve import solve; from solver.cli import main; from tests.solve import acting\n"
        f"act = acting.Acting({act}=partial(acting.hang_after_writing, Path({str(note)!r})))\n"
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in a shell's background
        "solve.__kwdefaults__['rules'] = (*RULES, act)\n"
        "main(sys.argv[1:])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "plan", "@batch", *args], cwd=ROOT, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, note


def interrupted(process: subprocess.Popen[str], note: Path) -> tuple[str, str]:
    """What the command prints once Ctrl-C has reached all of its group."""
    with process:
        wait_for(note)
        os.killpg(process.pid, signal.SIGINT)
        return process.communicate(timeout=30)


def test_ctrl_c_on_the_command_line_shows_and_writes_the_best_plan(tmp_path: Path) -> None:
    """Every file, a plan that passes its check, and a code that the shell knows."""
    out = tmp_path / "out"
    process, note = command(tmp_path, "after", "--out", str(out))
    shown, said = interrupted(process, note)
    assert process.returncode == guard.INTERRUPTED == 130
    files = [path for path in out.rglob("*") if path.is_file()]
    assert said == f"wrote {len(files)} files to {out}\n"
    assert {"plan.json", "report.html"} <= {path.name for path in files}
    assert "The search was interrupted; this is the best plan found until then." in shown
    made = from_json((out / "plan.json").read_bytes())
    assert made.termination == "interrupted"
    assert len(made.placements)
    assert check(load("@batch"), made) == []


def test_ctrl_c_before_there_is_a_plan_ends_with_130(tmp_path: Path) -> None:
    """One line, no files, nothing on stdout."""
    out = tmp_path / "out"
    process, note = command(tmp_path, "before", "--out", str(out), "--format", "json")
    assert interrupted(process, note) == ("", "error: interrupted\n")
    assert process.returncode == 130
    assert not out.exists()


def test_a_crash_on_the_command_line_is_a_message_or_a_plan_with_a_warning(tmp_path: Path) -> None:
    """Exit code 1 when there is no plan, 0 when there is one."""
    how = "the process of the search was ended by SIGSEGV"
    for act, code in (("before", 1), ("after", 0)):
        process, note = command(tmp_path, act, "--format", "json")
        with process:
            os.kill(int(wait_for(note)), signal.SIGSEGV)
            if act == "before":
                note.unlink()
                os.kill(int(wait_for(note)), signal.SIGSEGV)
            shown, said = process.communicate(timeout=30)
        note.unlink()
        assert process.returncode == code
        if act == "before":
            assert shown == ""
            assert said.splitlines() == [
                f"error: engine: {how}; searched again with seed 1: {how}",
                "  try another --seed; if it stays, report the spec",
            ]
        else:
            assert said == ""
            found = json.loads(shown)
            assert found["termination"] == "engine failed"
            assert "SIGSEGV" in found["provenance"]["warnings"][-1]


@pytest.mark.parametrize(
    ("said", "lower", "options", "ended"),
    [
        ("optimal", 1000, {"gap": 0.0}, "optimal"),
        ("optimal", 999, {"gap": 0.0}, "gap not reached"),
        ("optimal", 999, {"gap": 0.01}, "gap reached"),
        ("gap reached", 990, {"gap": 0.01}, "gap reached"),
        ("gap reached", 989, {"gap": 0.01}, "gap not reached"),
        ("time limit", 989, {"gap": 0.01}, "time limit"),
        ("time limit", 999, {"gap": 0.01}, "gap reached"),
        ("time limit", 989, {"gap": 0.01, "deterministic": True}, "gap not reached"),
        ("gap not reached", 989, {"gap": 0.01}, "gap not reached"),
        ("interrupted", 1000, {"gap": 0.01}, "interrupted"),
        ("engine failed", 1000, {"gap": 0.01}, "engine failed"),
    ],
)
def test_why_it_stopped_is_measured_by_the_bill(
    problem: Problem, said: Termination, lower: int, options: dict[str, Any], ended: str
) -> None:
    """A bill of 1,000 micro-dollars; the engine's word stands only where the figures bear it out."""
    task = Task(
        problem=problem, rules=RULES, time_limit_s=1, seed=0, **{"deterministic": False, **options}
    )  # fmt: skip
    certificate = Certificate(kind="proved", lower_micro_usd=lower, upper_micro_usd=1000)
    assert _ended(said, certificate, task) == ended
