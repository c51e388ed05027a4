"""Relaxations solved again from the last basis."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from solver.engine import warm
from solver.engine.incremental import Incremental
from solver.engine.primal import closed
from solver.engine.warm import Relaxation, Resolver
from solver.errors import EngineError
from solver.formulation import formulate
from solver.problem import Problem
from solver.rules import RULES
from tests.core.instances import random_problem

Array = np.ndarray[Any, np.dtype[Any]]
SAME = 1e-6


def variants(problem: Problem, seed: int) -> list[Problem]:
    """Other demand of one workload, no demand of it at all, other prices, other quotas, and the problem itself."""
    rng = np.random.default_rng(seed)
    s, o, limits = problem.sources, problem.offers, problem.limits
    mine = (s.workload == int(rng.integers(len(problem.workloads.name))))[:, None]

    def demand(percent: int) -> Problem:
        units = np.where(mine, s.units_per_hour * percent // 100, s.units_per_hour)
        return dataclasses.replace(problem, sources=dataclasses.replace(s, units_per_hour=units))

    dearer = np.round(o.micro_usd_per_hour * rng.uniform(0.5, 1.5, len(o.pool))).astype(np.int64)
    quotas = tuple(dataclasses.replace(q, max_nodes=q.max_nodes + 1) for q in limits.quotas)
    return [
        demand(120),
        demand(30),
        demand(0),
        dataclasses.replace(problem, offers=dataclasses.replace(o, micro_usd_per_hour=dearer)),
        dataclasses.replace(problem, limits=dataclasses.replace(limits, quotas=quotas)),
        problem,
    ]


@pytest.mark.parametrize("near", [0.3, 0.0])
@pytest.mark.parametrize("seed", range(10))
def test_warm_and_cold_have_the_same_optimum(seed: int, near: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """After changes of demand, prices and quotas, one after another; also when few rows are kept from the first."""
    monkeypatch.setattr(warm, "NEAR", near)
    limits = {"monthly_budget_micro_usd": (40_000_000_000,), "carbon_micro_usd_per_kg": 50_000}
    problem = random_problem(seed, flows=3, batches=1, origins=2, quota=0.8, must_serve=0.0, limits=limits)
    relaxation = Relaxation(problem)
    for changed in variants(problem, seed):
        cold = Relaxation(changed)
        assert relaxation.solve(changed) == pytest.approx(cold.usd, rel=SAME, abs=1e-6)
        assert relaxation.answer.bound == pytest.approx(relaxation.answer.objective, rel=SAME, abs=1e-6)


def test_most_changes_need_no_start_from_scratch() -> None:
    """Of sixty, at most a few."""
    cold = 0
    for seed in range(10):
        problem = random_problem(seed, flows=3, quota=0.0, must_serve=0.0)
        relaxation = Relaxation(problem)
        for changed in variants(problem, seed):
            relaxation.solve(changed)
        cold += relaxation.cold_solves - 1
    assert cold <= 6


def test_a_wrong_answer_of_the_back_end_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that are not optimal have no bound beside them: the program is then solved from scratch."""
    problem = random_problem(3, must_serve=0.0)
    relaxation = Relaxation(problem)
    changed = variants(problem, 3)[0]
    truth = Relaxation(changed).usd
    real = Incremental.solve

    def lazy(self: Incremental) -> tuple[Array, Array] | None:
        found = real(self)
        return None if found is None else (found[0], 0.5 * found[1])

    monkeypatch.setattr(Incremental, "solve", lazy)
    assert relaxation.solve(changed) == pytest.approx(truth, rel=SAME)
    assert relaxation.cold_solves == 2


def test_another_problem_and_one_without_an_optimum_are_refused() -> None:
    """Other candidates; and demand that must be served and cannot be."""
    problem = random_problem(5, must_serve=1.0, quota=1.0)
    with pytest.raises(EngineError, match="other rows or columns"):
        Relaxation(random_problem(1, must_serve=0.0)).solve(random_problem(2, flows=3, must_serve=0.0))
    s = problem.sources
    none = tuple(dataclasses.replace(q, max_nodes=0) for q in problem.limits.quotas)
    starved = dataclasses.replace(
        problem,
        limits=dataclasses.replace(problem.limits, quotas=none),
        sources=dataclasses.replace(s, units_per_hour=s.units_per_hour * 50),
    )
    f = formulate(starved, RULES, direct=True)
    with pytest.raises(EngineError, match="infeasible"):
        Resolver(closed(f.model.program(), f.obligations()))
