"""Small random problems: the engine, a second engine and the checker agree."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from solver.bill import make_bill
from solver.engine import mathopt
from solver.engine.assign import assign
from solver.engine.primal import closed
from solver.formulation import formulate
from solver.problem import Problem
from solver.rules import RULES

from .instances import random_problem
from .opinions import search

NOISE = 1e-4  # dollars, of some hundreds to thousands


def whole_units_usd(problem: Problem) -> float:
    """What it may cost that a plan serves whole units an hour: a job's last block moves up to one more in each hour."""
    jobs = problem.sources.total_units > 0
    most = problem.sources.transfer_pico_usd_per_unit[jobs].max(axis=1, initial=0) / 1e12
    return float(most.sum() * problem.blocks.total_hours.max())


def drawn(seed: int) -> Problem:
    """Two services, a run and a batch job, with a carbon limit on every third and a budget on every fourth."""
    limits: dict[str, Any] = {}
    if seed % 3 == 0:
        limits["carbon_max_g"] = 5 * 10**5
    if seed % 4 == 0:
        limits["monthly_budget_micro_usd"] = (2 * 10**9,)
    return random_problem(seed, flows=2, runs=1, batches=1, origins=1 + seed % 2, limits=limits)


@pytest.mark.parametrize("seed", range(40))
def test_two_engines_and_the_bill_agree(seed: int) -> None:
    """Same verdict, same cost; the bill in whole micro-dollars is the objective."""
    problem = drawn(seed)
    outcome = search(problem)
    f = formulate(problem, RULES)
    second = mathopt.solve(closed(f.model.program(), f.obligations()), engine="scip")
    assert (outcome.termination == "infeasible") == (second.values is None)
    if second.values is None:
        return
    assert outcome.decision is not None
    lines = make_bill(problem, outcome.decision, RULES)
    total = sum(lines["micro_usd"].tolist()) / 1e6 if len(lines) else 0.0
    assert -NOISE <= total - second.objective <= whole_units_usd(problem) + NOISE
    assert outcome.bound <= total + NOISE


def test_a_service_too_small_to_be_worth_a_node_is_served_all_the_same() -> None:
    """One request an hour costs more to serve than its derived price; it must be served, so it is."""
    problem = random_problem(3, flows=1, quota=0.0)
    sources = dataclasses.replace(
        problem.sources, units_per_hour=np.ones_like(problem.sources.units_per_hour), rtt_ms=problem.sources.rtt_ms * 0
    )
    workloads = dataclasses.replace(
        problem.workloads,
        must_serve=np.array([True]),
        unserved_micro_usd_per_unit=np.array([1]),
        residency=((),),
    )
    outcome = search(dataclasses.replace(problem, sources=sources, workloads=workloads))
    assert outcome.termination == "optimal"
    assert outcome.decision is not None
    assert not outcome.decision.unserved.any()
    assert (outcome.decision.replicas.sum(axis=0) >= 1).all()


def test_assignment_serves_what_a_greedy_one_would_leave() -> None:
    """Two sources and two candidates: the cheap one for both is the only one for the second."""
    pairs = np.array([[0, 0, 1], [0, 1, 0]])
    served = assign(np.array([5, 5]), np.array([5, 5]), pairs, np.array([1, 100, 1]))
    assert served.tolist() == [0, 5, 5]


def test_assignment_leaves_least_then_costs_least() -> None:
    """Capacity for seven of ten; the dearer pair is used only for what the cheaper cannot take."""
    served = assign(np.array([10]), np.array([4, 3]), np.array([[0, 0], [0, 1]]), np.array([10**12, 10**11]))
    assert served.tolist() == [4, 3]
    assert math.isclose(sum(served), 7)
