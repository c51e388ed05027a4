"""Tiny problems: enumeration, CP-SAT, a second engine and the bound by prices agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from solver.engine.gangs.board import Board, Place, Terms
from solver.engine.gangs.cpsat import GangModel
from solver.engine.gangs.prices import Relaxation, ascend
from solver.engine.gangs.tiers import useful_nodes
from solver.schedule import ScheduleProblem, UnschedulableError, check, schedule

from .draws import tiny
from .enumeration import cheapest, ways
from .second_engine import optimum

MOST_WAYS = 20_000
SEEDS = range(300)


def small(seed: int) -> ScheduleProblem:
    """A tiny problem that can be enumerated."""
    problem = tiny(seed)
    count = math.prod(len(list(ways(problem, job))) for job in range(len(problem.jobs.name)))
    if count > MOST_WAYS:
        pytest.skip(f"{count} ways")
    return problem


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cheapest_of_all_schedules_is_found(seed: int) -> None:
    """And proved; where enumeration finds none, the runs that cannot are named."""
    problem = small(seed)
    expected = cheapest(problem)
    if expected is None:
        with pytest.raises(UnschedulableError) as caught:
            schedule(problem, gap=0, isolated=False)
        assert caught.value.jobs
        return
    made = schedule(problem, gap=0, isolated=False)
    assert made.total_micro_usd == made.certificate.lower_micro_usd == expected
    assert check(problem, made) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_cp_sat_alone_agrees_with_enumeration(seed: int) -> None:
    """Without any other part of the search; its answer is billed by the board."""
    problem = small(seed)
    nodes, expected = useful_nodes(problem), cheapest(problem)
    found = GangModel(problem, nodes).solve(seconds=60)
    if expected is None:
        assert found.status == "infeasible"
        return
    assert found.status == "optimal"
    board = Board(Terms(problem, nodes), found.opened)
    for job, option in found.option.items():
        board.put(job, Place(option, found.spans[job], 0) if option >= 0 else None)
    assert board.total() == expected


@pytest.mark.parametrize("seed", range(0, 300, 4))
def test_a_second_engine_agrees(seed: int) -> None:
    """HiGHS, on a column for each way of each job."""
    problem = small(seed)
    expected = cheapest(problem)
    found = optimum(problem)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_prices_bound_more_than_the_optimum(seed: int) -> None:
    """Prices of the ascent, and any others."""
    problem = small(seed)
    expected = cheapest(problem)
    if expected is None:
        return
    draw, relaxation = np.random.default_rng(seed), Relaxation(problem, useful_nodes(problem))
    assert ascend(relaxation, 2.0 * expected + 1, iterations=50, stop=lambda _: False).micro_usd <= expected
    for scale in (10**5, 10**6, 10**7):
        prices = draw.integers(0, scale, (len(problem.pools), problem.hours))
        assert relaxation.bound(prices) <= expected
