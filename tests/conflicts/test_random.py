"""A hundred random contradictions: what is said to give way lets a plan exist, and nothing of it is superfluous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conflicts.applied import Row, conflicts, has_plan, relaxed
from tests.core.instances import random_problem

if TYPE_CHECKING:
    from solver.problem import Problem

CASES = 100


def drawn(seed: int) -> Problem:
    """One or two services, a run on every other, a batch job on two of three; tight quotas, often a limit on money."""
    limits: dict[str, Any] = {}
    if seed % 3 == 0:
        limits["carbon_max_g"] = 10**5
    if seed % 4 == 0:
        limits["monthly_budget_micro_usd"] = (5 * 10**8, 4 * 10**8)
    if seed % 5 == 0:
        limits["hourly_budget_micro_usd"] = 2 * 10**7
    return random_problem(
        seed, flows=1 + seed % 2, runs=seed % 2, batches=int(seed % 3 > 0), origins=1 + seed % 2, limits=limits,
        quota=0.7, must_serve=0.8, peak_nodes=4, blocks=2, months=2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def answered() -> list[tuple[Problem, list[Row]]]:
    """The first hundred that a second engine finds no plan for, with what is to give way."""
    found: list[tuple[Problem, list[Row]]] = []
    seed = 0
    while len(found) < CASES:
        problem = drawn(seed)
        seed += 1
        if not has_plan(problem):
            found.append((problem, conflicts(problem)))
    return found


def test_what_gives_way_is_enough(answered: list[tuple[Problem, list[Row]]]) -> None:
    """Applied from the names alone there is a plan."""
    for problem, rows in answered:
        assert all(row.relax_by >= 1 for row in rows), problem.name
        assert has_plan(relaxed(problem, rows), rows), (problem.name, rows)


def test_what_gives_way_is_needed(answered: list[tuple[Problem, list[Row]]]) -> None:
    """With any one row left out there is none."""
    for problem, rows in answered:
        assert rows, problem.name
        for i in range(len(rows)):
            fewer = rows[:i] + rows[i + 1 :]
            assert not has_plan(relaxed(problem, fewer), fewer), (problem.name, rows[i])


def test_every_kind_of_limit_occurs(answered: list[tuple[Problem, list[Row]]]) -> None:
    """The draw is worth something: all kinds of shared limits, and requirements of single workloads."""
    kinds = {row.limit.partition("[")[0] for _, rows in answered for row in rows}
    assert kinds >= {"quota", "monthly budget", "hourly budget", "carbon", "latency", "deadline"}, kinds
