"""Rows left out while nothing happens in them, and columns that were closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from solver.engine import incremental, mathopt, warm
from solver.engine.duals import dual_bound
from solver.engine.idle import Idle
from solver.engine.primal import closed
from solver.engine.warm import BASIC, Part, Resolver
from solver.formulation import formulate
from solver.model import Program
from solver.rules import RULES
from tests.core.instances import random_problem

Array = np.ndarray[Any, np.dtype[Any]]
OTHERS, DEARER = 2.0, 5.0  # dollars


def bought(usd: float, most: float = 10.0) -> Program:
    """One unit from a node that costs 3 dollars (u ≤ s), or from elsewhere (o ≤ most): min 3 s + usd · o, u + o ≥ 1."""
    return Program(
        cost=np.array([0.0, 3.0, usd]),
        lower=np.zeros(3),
        upper=np.array([10.0, 10.0, most]),
        whole=np.zeros(3, dtype=bool),
        matrix=csr_array(np.array([[1.0, -1.0, 0.0], [1.0, 0.0, 1.0]])),
        row_lower=np.array([-np.inf, 1.0]),
        row_upper=np.array([0.0, np.inf]),
    )


def program_of(seed: int) -> Program:
    """A relaxation."""
    f = formulate(random_problem(seed, flows=3, quota=0.0, must_serve=0.0), RULES, direct=True)
    return closed(f.model.program(), f.obligations()).relaxed()


def idle_of(program: Program) -> tuple[Idle, mathopt.Answer, Array, Array]:
    """Its idle rows at the optimum of HiGHS, and the basis as masks."""
    answer, basis = incremental.optimum(program)
    assert answer.values is not None
    assert basis is not None
    columns, rows = basis[0] == BASIC, basis[1] == BASIC
    return Idle.of(program, answer.values, columns, rows), answer, columns, rows


def test_by_hand() -> None:
    """The node is idle while others are cheaper; at their new price it pays, and its row says so."""
    program = bought(OTHERS)
    idle = Idle.of(program, np.array([0.0, 0.0, 1.0]), np.array([True, False, True]), np.zeros(2, dtype=bool))
    assert idle.rows.tolist() == [0]
    assert idle.users.tolist() == [True, False, False]
    duals = idle.priced(program, np.array([0.0, OTHERS]))
    assert duals.tolist() == [-OTHERS, OTHERS]
    assert dual_bound(program, duals) == OTHERS
    duals = idle.priced(bought(DEARER), np.array([0.0, DEARER]))
    assert dual_bound(bought(DEARER), duals) == DEARER - 10 * (DEARER - 3)  # the supplier earns 2 dollars on each of 10
    supplier = np.array([False, True, False])
    assert idle.holding(bought(DEARER), duals, supplier).tolist() == [0]
    assert idle.holding(bought(DEARER), duals, ~supplier).tolist() == []
    assert not idle.without(np.array([0]), program).users.any()


@pytest.mark.parametrize("why", ["busy", "other bound", "no user in the basis", "slack in the basis"])
def test_what_is_not_idle(why: str) -> None:
    """Columns that are not zero, another bound, or a basis from which the row cannot be taken."""
    program, values, columns, rows = bought(OTHERS), np.array([0.0, 0, 1]), np.array([True, False, True]), [False] * 2
    match why:
        case "busy":
            values = np.array([0.5, 0.5, 0.5])
        case "other bound":
            program = program.replace(row_upper=np.array([1.0, np.inf]))
        case "no user in the basis":
            columns = np.array([False, True, True])
        case _:
            rows = [True, False]
    assert not len(Idle.of(program, values, columns, np.array(rows)).rows)


@pytest.mark.parametrize("seed", range(12))
def test_the_rest_has_the_same_optimum_a_basis_and_a_proof(seed: int) -> None:
    """By another solve of the rest, by counting, and by the bound of its row prices completed."""
    program = program_of(seed)
    idle, answer, columns, rows = idle_of(program)
    left = np.setdiff1d(np.arange(program.shape[0]), idle.rows)
    open_columns = np.flatnonzero(~idle.users)
    rest = mathopt.solve(program.take(left, open_columns))
    assert rest.objective == pytest.approx(answer.objective, rel=1e-9, abs=1e-9)
    assert rows[left].sum() + columns[open_columns].sum() == len(left)
    assert answer.duals is not None
    without = answer.duals.copy()
    without[idle.rows] = 0.0
    assert dual_bound(program, idle.priced(program, without)) == pytest.approx(answer.objective, rel=1e-7, abs=1e-7)


def test_there_are_idle_rows_whose_prices_matter() -> None:
    """In most of those programs, and without their prices there is no proof."""
    found = []
    for seed in range(12):
        program = program_of(seed)
        idle, answer, _, _ = idle_of(program)
        assert answer.duals is not None
        duals = answer.duals.copy()
        duals[idle.rows] = 0.0
        found.append(len(idle.rows) > 0 and dual_bound(program, duals) < answer.objective - 1e-3)
    assert sum(found) >= 6


def test_an_idle_row_wakes() -> None:
    """The node is bought once others are dearer, and no more when they are cheap again; nothing is solved anew."""
    resolver = Resolver(bought(OTHERS))
    assert [resolver.solve(bought(usd)).objective for usd in (DEARER, OTHERS, DEARER)] == [3.0, OTHERS, 3.0]
    assert resolver.cold_solves == 1


def test_a_closed_column_opens() -> None:
    """Others have nothing to sell at first."""
    resolver = Resolver(bought(OTHERS, most=0.0))
    assert resolver.answer.objective == 3.0
    assert resolver.solve(bought(OTHERS)).objective == OTHERS
    assert resolver.solve(bought(OTHERS, most=0.25)).objective == 0.75 * 3 + 0.25 * OTHERS
    assert resolver.cold_solves == 1


def test_what_must_be_bought_is_no_part_left_out() -> None:
    """A column that was closed gets a lower bound."""
    resolver = Resolver(bought(DEARER, most=0.0))
    owned = bought(DEARER).replace(lower=np.array([0.0, 0.0, 0.5]))
    assert resolver.solve(owned).objective == 0.5 * 3 + 0.5 * DEARER
    assert resolver.cold_solves == 1


@given(st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_a_part_is_what_taking_it_gives(seed: int) -> None:
    """Also of a program with entries elsewhere, asked of the same part after another."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(8)[:5], np.sort(rng.permutation(9)[:6])
    shut, part = rng.random(9) < 0.2, Part(rows, columns)
    for _ in range(3):
        dense = rng.integers(-2, 3, (8, 9)) * (rng.random((8, 9)) < 0.7)
        program = Program(
            cost=rng.random(9), lower=np.zeros(9), upper=rng.random(9), whole=np.zeros(9, dtype=bool),
            matrix=csr_array(dense.astype(float)), row_lower=rng.random(8), row_upper=rng.random(8),
        )  # fmt: skip
        for _ in range(2):  # other numbers at the same places, then other places
            program = program.replace(matrix=csr_array(program.matrix * 2))
            made, truth = part.of(program, shut), program.take(rows, columns)
            assert (made.matrix.toarray() == truth.matrix.toarray()).all()
            assert (made.upper == np.where(shut[columns], 0, truth.upper)).all()
            for name in ("cost", "lower", "row_lower", "row_upper"):
                assert (getattr(made, name) == getattr(truth, name)).all()


def test_rows_are_watched_by_their_slack() -> None:
    """Tight beside the bound, tight beside what is in the row, and neither."""
    program = Program(
        cost=np.ones(2), lower=np.zeros(2), upper=np.full(2, 99.0), whole=np.zeros(2, dtype=bool),
        matrix=csr_array(np.array([[1.0, 0.0], [1.0, -1.0], [1.0, 0.0]])),
        row_lower=np.full(3, -np.inf), row_upper=np.array([11.0, 0.0, 20.0]),
    )  # fmt: skip
    assert warm._near(program, np.array([10.0, 20.0])).tolist() == [True, True, False]
