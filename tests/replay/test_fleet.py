"""Backtests of a fleet spec's training runs: gang, prices, work and window as the problem has them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from solver.doors.planning import load
from solver.errors import InputError
from solver.problem import ON_DEMAND, SPOT, Problem
from solver.replay.fleet import of_problem


@pytest.fixture(scope="module")
def problem() -> Problem:
    """The packaged example with two runs."""
    return load("@training")


def test_a_run_is_replayed_as_it_would_be_bought(problem: Problem) -> None:
    """Fine-tuning: 28 days of window, 10 minutes to restart and half of 15 lost, prices of the pool in its name."""
    found = {made.name.split(" on ")[0]: made for made in of_problem(problem)}
    assert set(found) <= {"pretrain", "finetune"}
    run = found["finetune"]
    assert run.jobs is not None
    work = run.jobs.work_hours[0]
    assert work * run.jobs.deadline_ratio[0] == pytest.approx(28 * 24)
    assert list(run.jobs.restart_hours) == pytest.approx([17.5 / 60])
    nodes, pool = run.name.split(" on ")[1].split(" ", 1)
    q = problem.pool_names.tolist().index(pool)
    for kind, said in ((ON_DEMAND, run.prices.on_demand_usd_per_hour), (SPOT, run.prices.spot_usd_per_hour)):
        rows = (problem.offers.pool == q) & (problem.offers.kind == kind)
        assert int(nodes) * problem.offers.micro_usd_per_hour[rows].min() / 1e6 == pytest.approx(said)
    tokens = problem.sources.total_units[problem.workloads.name[problem.sources.workload] == "finetune"][0]
    c = problem.candidates
    rates = c.units_per_hour[(c.pool == q) & (c.nodes_per_replica == int(nodes)) & (c.market == 0)]
    assert np.isclose(tokens / rates, work).any()


def test_without_spot_there_is_nothing_to_replay(problem: Problem) -> None:
    """A typed error that says what to allow."""
    firm = problem.offers.kind != SPOT
    columns = {f.name: getattr(problem.offers, f.name)[firm] for f in dataclasses.fields(problem.offers)}
    less = dataclasses.replace(problem, offers=dataclasses.replace(problem.offers, **columns))
    with pytest.raises(InputError, match="sold both ways"):
        of_problem(less)


def test_odd_runs_are_replayed_too(problem: Problem) -> None:
    """Checkpoints at Daly's interval count what one takes; the longest name is cut; a start of days is left out."""
    spec = json.loads(problem.provenance["spec"])
    for workload in spec["workloads"]:
        workload |= {"checkpoint_minutes": "auto", "checkpoint_cost_minutes": 6.0, "restart_minutes": 12.0}
    changed = dataclasses.replace(problem, provenance={**problem.provenance, "spec": json.dumps(spec)})
    assert {made.jobs.restart_hours for made in of_problem(changed) if made.jobs} == {(0.3,)}
    for workload in spec["workloads"]:
        workload |= {"restart_minutes": 3000.0}
    changed = dataclasses.replace(problem, provenance={**problem.provenance, "spec": json.dumps(spec)})
    with pytest.raises(InputError, match="sold both ways"):
        of_problem(changed)
