"""A unit that is left goes no way: bounds hold where leaving it is as cheap as moving it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from solver.engine.press import pressed
from solver.engine.relaxation import solve_root
from solver.engine.run import run
from solver.rules import RULES
from tests.check.by_hand import USD, Place, Work, make, on_demand

from .instances import random_problem, whole

if TYPE_CHECKING:
    from solver.problem import Problem

HALF_USD = 5 * 10**11  # pico-dollars


def root_usd(problem: Problem) -> float:
    """The root bound."""
    return solve_root(pressed(problem), RULES, stop=lambda: False, report=lambda _bound: None).bound


def whole_usd(problem: Problem) -> float:
    """The cheapest plan's cost, by the whole model."""
    outcome = run(
        problem, RULES, time_limit_s=30, gap=0.0, seed=0, deterministic=False, report=lambda _phase, _low, _high: None
    )
    assert outcome.termination == "optimal"
    return outcome.bound


def test_what_is_left_is_not_moved() -> None:
    """340 units at $1 each to be left; nodes are too dear, and so no unit goes the way that costs half a dollar."""
    work = Work(demand=(20, 10), price=1 * USD, transfer=(HALF_USD, HALF_USD))
    places = (Place(region="r0"), Place(region="r1"))
    offers = [on_demand(1000 * USD, 0), on_demand(1000 * USD, 1)]
    problem = make(offers=offers, work=[work], hours=[(10,), (14,)], places=places)
    assert whole_usd(problem) == pytest.approx(340)
    assert root_usd(problem) == pytest.approx(340)


@pytest.mark.parametrize("seed", range(30))
def test_the_root_bound_is_below_the_optimum(seed: int) -> None:
    """Units that may be left, nodes and ways cost about the same, from two origins."""
    problem = random_problem(seed, flows=2, must_serve=0.3, quota=0.3, origins=2)
    rng = np.random.default_rng(seed)
    sources, work = problem.sources, problem.workloads
    pico = whole(rng.integers(0, 60_000, sources.transfer_pico_usd_per_unit.shape)) * 10**6
    problem = dataclasses.replace(
        problem,
        sources=dataclasses.replace(sources, transfer_pico_usd_per_unit=pico),
        workloads=dataclasses.replace(work, unserved_micro_usd_per_unit=whole(rng.integers(20_000, 90_000, 2))),
    )
    assert root_usd(problem) <= whole_usd(problem) * (1 + 1e-6)
