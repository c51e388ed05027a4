"""An analysis that is short of time: what is then said is still true; and how long a large problem takes."""

from __future__ import annotations

import json
import time

import pytest

import solver.conflicts
from solver.conflicts import infeasible_plan
from solver.conflicts.table import UNKNOWN
from solver.doors.planning import load
from solver.problem import Limits, Quota
from solver.solve import provenance
from solver.spec import loads
from tests.check.by_hand import Choice, Work, make, on_demand

USD = 10**6
LONGEST_S = 40.0


def test_out_of_time_the_demand_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven of ten nodes: thirty units an hour were left by the search, and that more is unknown is said."""
    quota = Quota(name="aws/r0/n", pools=(0,), kind="any", max_nodes=7)
    work = Work(demand=(100, 40), must=True, price=USD)
    problem = make(offers=[on_demand(2 * USD)], work=[work], hours=((10,), (90,)), limits=Limits(quotas=(quota,)))
    decision = Choice(run={(0,): [7, 4]}, served={(0,): [70, 40]}, bought={0: [7, 4]}, left={0: [30, 0]})
    about = provenance(problem, seed=0, deterministic=False, seconds=1.0)
    monkeypatch.setattr(solver.conflicts, "MOST_SECONDS", 0.01)
    (row,) = infeasible_plan(problem, decision.decision(problem), about).conflicts.records()
    assert (row["limit"], row["unit"], row["relax_by"]) == ("demand[a]", "requests an hour", 30)
    assert row["usd_per_unit"] == 1.0
    assert "30 of 100 requests an hour cannot be served in block 0 (10 h)" in row["detail"]
    assert row["detail"].endswith(UNKNOWN)


@pytest.mark.timing
@pytest.mark.parametrize(
    ("limits", "prefix", "rows"),
    [
        ({"monthly_budget_usd": 10_000_000}, "monthly budget[2027-", 12),
        ({"hourly_budget_usd": 20_000}, "hourly budget", 1),
        ({"carbon_max_kg": 100_000}, "carbon", 1),
    ],
)
def test_a_large_problem_is_answered_soon(limits: dict[str, float], prefix: str, rows: int) -> None:
    """Twelve workloads for a year, with less money or carbon than they need."""
    spec = json.loads(load("@twelve-workloads").provenance["spec"])
    problem = loads(json.dumps(spec | {"limits": spec["limits"] | limits}))
    start = time.monotonic()
    plan = infeasible_plan(problem, None, provenance(problem, seed=0, deterministic=False, seconds=1.0))
    assert time.monotonic() - start < LONGEST_S
    names = plan.conflicts["limit"].tolist()
    assert len(names) == rows
    assert all(name.startswith(prefix) for name in names)
    assert (plan.conflicts["relax_by"] > 0).all()
