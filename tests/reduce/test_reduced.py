"""Random problems before and after: the same optimum, exactly, and plans that hold in the original."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from solver.carry import carry
from solver.check import check
from solver.engine.start import incumbent
from solver.reduce import reduce, start_in
from solver.rules import RULES

from ..core import second_engine
from ..core.exact import Facts, choice_of, objective
from ..core.opinions import plan_of, search
from .padded import padded

COUNT, EACH = 400, 20
SOLVED = range(0, 120, 10)


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
def test_the_same_optimum(first: int) -> None:
    """To the fraction of a micro-dollar, or none in both."""
    wrong = {}
    for seed in range(first, first + EACH):
        problem = padded(seed)
        reduced = reduce(problem, RULES)
        best, ours = (second_engine.optimum(p, seconds=10.0).micro_usd for p in (problem, reduced.problem))
        if best != ours:
            wrong[seed] = best, ours, reduced.done
    assert not wrong


@pytest.mark.parametrize("first", SOLVED)
def test_plans_hold_in_the_original(first: int) -> None:
    """A plan of the smaller problem passes the check of the original, and costs there what it costs here."""
    for seed in range(first, first + 10):
        problem = padded(seed)
        reduced = reduce(problem, RULES)
        found = search(reduced.problem)
        if found.termination == "infeasible":
            continue
        assert found.decision is not None
        lifted = dataclasses.replace(found, decision=reduced.lift(found.decision))
        assert lifted.decision is not None
        assert check(problem, plan_of(problem, lifted)) == []
        here, there = objective(Facts(reduced.problem), choice_of(found.decision)), choice_of(lifted.decision)
        assert objective(Facts(problem), there) == here


@pytest.mark.parametrize("first", SOLVED)
def test_old_plans_are_starts(first: int) -> None:
    """A plan of the original, carried over, is a plan of the smaller problem that costs no more."""
    known = 0
    for seed in range(first, first + 10):
        problem = padded(seed)
        found = search(problem)
        if found.termination == "infeasible":
            continue
        start = carry(plan_of(problem, found), problem)
        before = incumbent(problem, RULES, start)
        reduced = reduce(problem, RULES, merge_blocks=False)
        after = incumbent(reduced.problem, RULES, start_in(reduced, start))
        if before is not None:
            known += 1
            assert after is not None
            assert after.micro_usd <= before.micro_usd + len(problem.offers.pool)  # a micro-dollar a line
    assert known


def test_every_reduction_is_drawn() -> None:
    """The problems above are reduced in every way, most of them in several."""
    times = Counter[str]()
    for seed in range(COUNT):
        times.update(name for name, count in reduce(padded(seed), RULES).done.items() if count)
    assert len(times) == 12
    assert min(times.values()) > 5


def test_it_is_deterministic() -> None:
    """The same arrays every time."""
    for seed in range(20):
        one, other = (reduce(padded(seed), RULES) for _ in range(2))
        assert one.problem.digest() == other.problem.digest()
        assert np.array_equal(one.candidate, other.candidate)
