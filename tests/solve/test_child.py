"""The search in a child process: the same plan, nothing printed, and every end of the child survived."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from solver.check import check
from solver.engine import host
from solver.errors import EngineError, InputError
from solver.plan import Plan
from solver.problem import Problem
from solver.report.json import to_json
from solver.rules import RULES, Rule
from solver.solve import Progress, solve
from tests.core.instances import random_problem
from tests.solve import acting
from tests.solve.acting import Acting, Building, Timed

ROOT = Path(__file__).parents[2]
CRASHES: dict[str, tuple[acting.Act, str]] = {
    "read nowhere": (acting.read_nowhere, "was ended by SIGSEGV"),
    "abort": (acting.abort, "was ended by SIGABRT"),
    "killed": (partial(acting.die_by, signal.SIGKILL), "was ended by SIGKILL"),
    "bus error": (partial(acting.die_by, signal.SIGBUS), "was ended by SIGBUS"),
    "terminated": (partial(acting.die_by, signal.SIGTERM), "was ended by SIGTERM"),
    "exit 3": (partial(acting.leave, 3), "ended with exit code 3"),
    "exit 0": (partial(acting.leave_at_once, 0), "ended with exit code 0"),
}


def plan(problem: Problem, *acts: Rule, **options: Any) -> Plan:
    """The plan at gap zero, with rules that act."""
    return solve(problem, gap=0.0, rules=(*RULES, *acts), **options)


def cheapest_usd(problem: Problem) -> Decimal:
    """What the plan costs when nothing goes wrong."""
    return solve(problem, gap=0.0, isolated=False).total_usd


def test_the_plan_is_that_of_a_search_in_this_process(problem: Problem) -> None:
    """To the byte, when the run does not depend on a clock."""
    assert to_json(solve(problem, gap=0.0, deterministic=True)) == to_json(
        solve(problem, gap=0.0, deterministic=True, isolated=False)
    )


def test_nothing_is_printed_whatever_back_ends_print(problem: Problem, capfd: pytest.CaptureFixture[str]) -> None:
    """By Python, by C, to either stream; while in this process it is all to be seen."""
    noisy = Building(acting.chatter)
    assert plan(problem, noisy).termination == "optimal"
    assert capfd.readouterr() == ("", "")
    plan(problem, noisy, isolated=False)
    shown = capfd.readouterr()
    for word in ("chatter of python", "chatter of C", "chatter of a library"):
        assert word in shown.out
    assert "chatter of a library" in shown.err


def test_progress_is_told_in_the_thread_that_asks(problem: Problem) -> None:
    """Bound, cost and gap as dollars."""
    heard: list[tuple[Progress, int]] = []
    follow = lambda p: heard.append((p, threading.get_ident()))  # noqa: E731
    made = plan(problem, Acting(after=acting.chatter), progress=follow)
    assert {thread for _, thread in heard} == {threading.get_ident()}
    kept = [p for p, _ in heard if p.phase == "kept"]
    usd = float(made.total_usd)
    assert [p.upper_usd for p in kept] == pytest.approx([usd] * len(acting.SHARES), abs=1e-3)
    assert [p.lower_usd for p in kept[:3]] == pytest.approx([usd * share for share in acting.SHARES[:3]], abs=1e-3)
    assert [p.gap for p in kept[:3]] == pytest.approx([0.75, 0.25, 0.4], abs=1e-6)
    assert [(p.lower_usd, p.gap) for p in kept[3:]] == [(None, None)] * 3
    assert 0 < kept[0].seconds < 60


def test_an_error_in_who_hears_progress_is_theirs(problem: Problem) -> None:
    """It comes through, and the child is gone."""

    def fail(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        plan(problem, Acting(after=acting.hang), progress=fail)


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_after_a_plan_gives_the_plan(problem: Problem, name: str) -> None:
    """Checked, with the bound heard until then, and a warning that says what happened."""
    act, how = CRASHES[name]
    made = plan(problem, Acting(after=act))
    assert made.termination == "engine failed"
    assert made.provenance.warnings == (f"the process of the search {how}; the plan is the best one found until then",)
    assert check(problem, made) == []
    assert made.total_usd == cheapest_usd(problem)
    assert made.certificate.gap == pytest.approx(0.25, abs=1e-6)
    assert made.provenance.seed == 0


@pytest.mark.parametrize("name", ["read nowhere", "killed", "exit 3", "exit 0"])
def test_a_crash_without_a_plan_is_searched_again(problem: Problem, name: str) -> None:
    """With another seed, which the plan names; when that crashes too, the error says how and what to do."""
    act, how = CRASHES[name]
    made = plan(problem, Acting(before=act, seed=0))
    told = f"the process of the search {how}; searched again with seed 1"
    assert made.provenance.warnings == (told,)
    assert made.provenance.seed == 1
    assert made.termination == "optimal"
    with pytest.raises(EngineError) as caught:
        plan(problem, Acting(before=act))
    assert caught.value.message == f"{told}: the process of the search {how}"
    assert caught.value.mend


def test_a_second_search_is_not_begun_when_time_is_out(problem: Problem) -> None:
    """One crash, one error."""
    with pytest.raises(EngineError, match=r"was ended by SIGKILL \(") as caught:
        plan(problem, Acting(before=partial(acting.die_by, signal.SIGKILL)), time_limit_s=0.5)
    assert "again" not in caught.value.message


def test_the_last_words_of_a_crash_are_passed_on(problem: Problem) -> None:
    """What was said on stderr, cut short."""
    with pytest.raises(EngineError, match="ended with exit code 1: x") as caught:
        plan(problem, Acting(before=partial(acting.last_words, "x" * 10_000 + " the end")), time_limit_s=0.5)
    assert caught.value.message.endswith("x the end")
    assert len(caught.value.message) < 2 * host.TAIL


@pytest.mark.slow
def test_fifty_crashes_at_random_moments() -> None:
    """While the real engine works, which it does for some time: a sound plan, or an error that names the signal."""
    problem = random_problem(2, flows=2, runs=1, batches=1)
    draw, wanted, crashes = random.Random(7), cheapest_usd(problem), 0  # noqa: S311
    with ThreadPoolExecutor(2) as pool:
        while crashes < 50:
            numbers = draw.choices((signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT), k=2)
            acts = [Timed(draw.uniform(0.0, 0.12), partial(acting.die_by, number)) for number in numbers]
            for number, made in zip(numbers, pool.map(plan_or_error, [problem] * 2, acts), strict=True):
                if isinstance(made, EngineError):
                    assert made.message.count(number.name) == 2
                    crashes += 2
                else:
                    assert made.total_usd == wanted
                    crashes += number.name in str(made.provenance.warnings)


def plan_or_error(problem: Problem, *acts: Rule) -> Plan | EngineError:
    """What a caller gets."""
    try:
        return plan(problem, *acts)
    except EngineError as error:
        return error


def test_errors_of_the_engine_come_through_as_they_are(problem: Problem) -> None:
    """A typed one with its parts, any other with the child's traceback as a note; odd ones as a typed error."""
    with pytest.raises(InputError) as typed:
        plan(problem, Building(acting.raise_typed))
    assert (typed.value.message, typed.value.where, typed.value.mend) == ("is odd", "a rule", "make it even")
    with pytest.raises(ValueError, match="a fault in a rule") as fault:
        plan(problem, Building(acting.raise_value))
    assert "in raise_value" in fault.value.__notes__[0]
    with pytest.raises(EngineError, match="OddError: 7") as odd:
        plan(problem, Building(acting.raise_odd))
    assert "in raise_odd" in odd.value.__notes__[0]


def test_memory_is_limited_on_request(problem: Problem) -> None:
    """An error with the mend, or the best plan so far; the caller's own memory is not."""
    with pytest.raises(EngineError, match=r"ran out of memory within memory_limit_gib = 0\.25") as caught:
        plan(problem, Acting(before=acting.exhaust), memory_limit_gib=0.25)
    assert "leave out" in caught.value.mend
    with pytest.raises(EngineError, match="ran out of memory"):  # also of a back-end, which says so in ways of its own
        plan(problem, memory_limit_gib=0.001)
    made = plan(problem, Acting(after=acting.exhaust), memory_limit_gib=0.5)
    assert made.termination == "engine failed"
    assert "ran out of memory" in made.provenance.warnings[0]
    assert plan(problem, memory_limit_gib=2).termination == "optimal"


@pytest.mark.parametrize(("gib", "mend"), [(2.0, "raise memory_limit_gib"), (None, "another --seed")])
def test_a_crash_under_a_limit_of_memory_may_be_its_doing(problem: Problem, gib: float | None, mend: str) -> None:
    """Libraries that are refused memory may read nowhere; the mend says so."""
    with pytest.raises(EngineError, match="SIGSEGV") as caught:
        plan(problem, Building(acting.read_nowhere), memory_limit_gib=gib)
    assert mend in (caught.value.mend or "")


@pytest.mark.parametrize("gib", [0.0, -1.0, float("nan"), float("inf")])
def test_limits_of_memory_that_are_none_are_refused(problem: Problem, gib: float) -> None:
    """Before anything is started."""
    with pytest.raises(InputError, match="memory_limit_gib"):
        solve(problem, memory_limit_gib=gib)


def test_memory_of_the_caller_is_not_limited(problem: Problem) -> None:
    """The limit is for a child."""
    with pytest.raises(InputError, match="isolated"):
        solve(problem, memory_limit_gib=1, isolated=False)


def test_rules_no_other_process_can_read_are_searched_here(problem: Problem) -> None:
    """A local class, and one that exists but in the child is not found; the plan says so."""

    class Local(acting.Harmless):
        """Of this function."""

    Lost = type("Lost", (acting.Harmless,), {"__module__": "tests.solve.acting"})  # noqa: N806
    acting.__dict__["Lost"] = Lost
    try:
        for rule, reason in ((Local(), "local object"), (Lost(), "'Lost'")):
            made = plan(problem, rule)
            assert made.termination == "optimal"
            assert made.provenance.warnings[0].startswith("searched in the caller's process")
            assert reason in made.provenance.warnings[0]
            with pytest.raises(EngineError, match="no child process can read the task"):
                plan(problem, rule, memory_limit_gib=1)
    finally:
        del acting.__dict__["Lost"]


def test_a_rule_of_the_users_own_module_is_found(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the caller finds it: on its sys.path, which may have changed since it started."""
    code = "from tests.solve.acting import Harmless\n\n\nclass Mine(Harmless):\n    '''Mine.'''\n"
    (tmp_path / "a_users_rules.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import a_users_rules  # type: ignore[import-not-found]

    assert plan(problem, a_users_rules.Mine()).provenance.warnings == ()


SCRIPT = """
from tests.core.instances import random_problem
from tests.solve.acting import Harmless
from solver import solve
from solver.rules import RULES

print("begins")
class Mine(Harmless):
    pass

problem = random_problem(3, flows=1, batches=1, quota=0.0)
for rules in (RULES, (*RULES, Mine())):
    plan = solve(problem, gap=0.0, rules=rules)
    print(plan.termination, len(plan.provenance.warnings))
"""


@pytest.mark.parametrize("how", ["file", "stdin", "-c"])
def test_scripts_need_no_main_guard(tmp_path: Path, how: str) -> None:
    """Run once, from a file or none, as in a notebook; a rule of the script itself is searched in its process."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    args = {"file": [str(tmp_path / "script.py")], "stdin": ["-"], "-c": ["-c", SCRIPT]}[how]
    done = subprocess.run(
        [sys.executable, *args], input=SCRIPT if how == "stdin" else "", cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("begins\noptimal 0\noptimal 1\n", "")


def test_a_namesake_beside_the_script_is_not_taken_for_the_library(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child does not look into the current folder unless the caller does."""
    for name in ("pickle.py", "numpy.py", "signal.py"):
        (tmp_path / name).write_text("raise SystemExit(9)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert plan(problem).termination == "optimal"


def test_it_works_from_threads(problem: Problem) -> None:
    """Two at once, of which one crashes."""
    found: dict[str, str] = {}

    def run(name: str, *acts: Rule) -> None:
        found[name] = plan(problem, *acts).termination

    crash = Acting(after=acting.read_nowhere)
    threads = [threading.Thread(target=run, args=args) for args in (("fine",), ("crash", crash))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"fine": "optimal", "crash": "engine failed"}


def test_a_python_that_cannot_be_started_is_named(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way around it."""
    for path in ("/no/such/python", "", None):
        monkeypatch.setattr(sys, "executable", path)
        with pytest.raises(EngineError, match="no process can be started") as caught:
            solve(problem)
        assert "isolated=False" in caught.value.mend


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_dies_with_its_parent(tmp_path: Path, number: int) -> None:
    """Also when the parent has no chance to end it."""
    note = tmp_path / "pid"
    code = (
        "from functools import partial; from pathlib import Path\n"
        "from solver import solve; from solver.rules import RULES\n"
        "from tests.core.instances import random_problem; from tests.solve import acting\n"
        f"act = acting.Acting(before=partial(acting.hang_after_writing, Path({str(note)!r})))\n"
        "solve(random_problem(3, flows=1), rules=(*RULES, act))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL) as parent:
        child = psutil.Process(int(wait_for(note)))
        assert os.getsid(child.pid) == child.pid != os.getsid(parent.pid)
        parent.send_signal(number)
        assert parent.wait(10) == -number
    end = time.monotonic() + 5
    while time.monotonic() < end and child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.02)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE  # of no one here: the system's to bury


def wait_for(path: Path, seconds: float = 20.0) -> str:
    """What stands in a file, once it is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not come"
        time.sleep(0.02)
    return path.read_text(encoding="ascii")


@pytest.mark.timing
def test_a_child_costs_little(problem: Problem) -> None:
    """Seconds beyond a search in this process, of the best of five."""
    took = {}
    for isolated in (False, True):
        times = []
        for _ in range(5):
            start = time.monotonic()
            solve(problem, isolated=isolated)
            times.append(time.monotonic() - start)
        took[isolated] = min(times)
    assert took[True] - took[False] < 0.6
