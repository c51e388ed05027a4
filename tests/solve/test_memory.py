"""The limit of memory on the command line: kept, refused when it is none, and its end is an error or a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from solver.conflicts import infeasible_plan
from solver.conflicts.table import UNKNOWN
from solver.doors.planning import Search
from solver.errors import InputError
from solver.problem import Limits, Quota
from solver.schedule import schedule
from solver.solve import provenance
from tests.check.by_hand import Choice, Work, make, on_demand
from tests.doors.command import run
from tests.schedule.draws import cluster

USD = 10**6
TOO_SMALL = "0.001"  # GiB: too little for what begins a search, an old plan included
SAID = "error: engine: the search ran out of memory within memory_limit_gib = 0.001\n"


def test_a_limit_is_kept(tmp_path: Path) -> None:
    """One too small is an error that says so, without a traceback, a plan or a file; with enough there is a plan."""
    enough = run("plan", "@batch", "--memory-limit", "2", "--format", "json")
    assert enough.returncode == 0, enough
    file, out = tmp_path / "plan.json", tmp_path / "none"
    file.write_text(enough.stdout, encoding="utf-8")
    for command in (
        ("plan", "@batch"),
        ("whatif", file, "--set", "limits.monthly_budget_usd=1000000"),
    ):
        done = run(*command, "--out", out, "--memory-limit", TOO_SMALL)
        assert done.returncode == 1, done
        assert done.stdout == ""
        assert done.stderr.startswith(SAID), (command, done.stderr)
        assert "raise the limit" in done.stderr
        assert not out.exists()


@pytest.mark.parametrize("gib", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_limit_is_refused(gib: float) -> None:
    """By the name of its option."""
    with pytest.raises(InputError) as caught:
        Search(time_limit_s=1, gap=0, seed=0, deterministic=False, memory_limit_gib=gib)
    assert caught.value.where == "--memory-limit"
    with pytest.raises(InputError, match="memory_limit_gib must be above 0"):
        schedule(cluster(3, 24, 2, 1), memory_limit_gib=gib)


def test_an_analysis_without_memory_ends_with_what_is_known() -> None:
    """Thirty units an hour were left by the search; what would have to give way stays unknown, and that is said."""
    work = Work(demand=(100, 40), must=True, price=USD)
    quota = Quota(name="aws/r0/n", pools=(0,), kind="any", max_nodes=7)
    problem = make(offers=[on_demand(2 * USD)], work=[work], hours=((10,), (90,)), limits=Limits(quotas=(quota,)))
    decision = Choice(run={(0,): [7, 4]}, served={(0,): [70, 40]}, bought={0: [7, 4]}, left={0: [30, 0]})
    about = provenance(problem, seed=0, deterministic=True, seconds=1.0)
    short = infeasible_plan(problem, decision.decision(problem), about, memory_limit_gib=0.001)
    (row,) = short.conflicts.records()
    assert row["detail"].endswith(UNKNOWN)
    assert not len(short.contradiction)
    (row,) = infeasible_plan(problem, decision.decision(problem), about, memory_limit_gib=1.0).conflicts.records()
    assert row["limit"] == "quota[aws/r0/n]"
