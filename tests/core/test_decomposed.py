"""The decomposed search, which large problems take, on small ones whose optimum a second engine knows."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from solver.bill import make_bill
from solver.engine import mathopt, proof
from solver.engine import run as engine
from solver.engine.primal import closed
from solver.formulation import formulate
from solver.problem import Problem
from solver.rules import RULES

from .instances import random_problem

NOISE = 1e-4  # dollars


@cache
def optimum(seed: int) -> float | None:
    """Cost of the cheapest plan by SCIP over the whole model, None when there is none."""
    f = formulate(drawn(seed), RULES)
    answer = mathopt.solve(closed(f.model.program(), f.obligations()), engine="scip")
    return None if answer.values is None else answer.objective + f.model.constant


def drawn(seed: int) -> Problem:
    """Services, runs and jobs; several origins, scenarios, a budget or a carbon limit by turns."""
    limits: dict[str, Any] = {"monthly_budget_micro_usd": (2 * 10**9,)} if seed % 4 == 0 else {}
    return random_problem(
        seed,
        flows=1 + seed % 3,
        runs=seed % 2,
        batches=(seed // 2) % 2,
        sites=2,
        shapes=3,
        blocks=4,
        scenarios=1 + seed % 2,
        origins=1 + (seed // 3) % 2,
        peak_nodes=2.0 + seed % 5,
        limits=limits,
    )


@pytest.fixture(scope="module")
def searched() -> dict[int, Any]:
    """Plans that searches ended with, by seed: one search does for both ways to prove."""
    return {}


@pytest.mark.parametrize("apart", ["blocks", "workloads"])
@pytest.mark.parametrize("seed", [0, 2, 3, 4, 5, 7, 8, 44, 56])
def test_bound_below_and_plan_above_the_optimum(
    seed: int, apart: str, searched: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the search ends with, its bound holds and its plan is one."""
    search = engine._whole_values

    def once(*args: Any) -> Any:
        if seed not in searched:
            searched[seed] = search(*args)
        return searched[seed]

    monkeypatch.setattr(engine, "_whole_values", once)
    monkeypatch.setattr(engine, "SMALL", 0)
    monkeypatch.setattr(proof, "MOST_IN_A_PART", proof.MOST_IN_A_PART if apart == "blocks" else 0)
    problem = drawn(seed)
    best = optimum(seed)
    outcome = engine.run(problem, RULES, time_limit_s=20, gap=0.0, seed=0, deterministic=True, report=lambda *_: None)
    if best is None:
        assert outcome.termination == "infeasible"
        return
    assert outcome.termination != "infeasible"
    assert outcome.decision is not None
    lines = make_bill(problem, outcome.decision, RULES)
    cost = sum(lines["micro_usd"].tolist()) / 1e6 if len(lines) else 0.0
    jobs = problem.sources.total_units > 0
    most = problem.sources.transfer_pico_usd_per_unit[jobs].max(axis=1, initial=0) / 1e12
    whole_units = float(most.sum() * problem.blocks.total_hours.max())
    assert outcome.bound <= best + NOISE
    assert cost >= best - NOISE
    assert cost <= best * 1.25 + whole_units + NOISE
    assert np.isfinite(outcome.bound)
