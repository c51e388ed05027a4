"""Messages filled from arrays against the same filled number by number, and what a model keeps of arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ortools.math_opt import model_pb2, sparse_containers_pb2

from solver.engine import mathopt
from solver.engine.wire import fill
from solver.errors import PlannerError
from solver.formulation import formulate, matches
from solver.model import Model
from solver.rules import RULES
from tests.core.instances import random_problem


@given(st.lists(st.integers(0, 2**62)), st.lists(st.floats(allow_nan=False)))
def test_numbers_of_any_size(ids: list[int], values: list[float]) -> None:
    """Ids up to 2⁶², infinities, none at all."""
    made, expected = (sparse_containers_pb2.SparseDoubleVectorProto() for _ in range(2))
    fill(made, ids=np.array(ids, dtype=np.int64), values=np.array(values, dtype=float))
    expected.ids.extend(ids)
    expected.values.extend(values)
    assert made == expected


@pytest.mark.parametrize("edge", [0, 1, 127, 128, 2**14 - 1, 2**14, 2**31, 2**63 - 1])
def test_edges_of_lengths(edge: int) -> None:
    """The largest number decides the length of all."""
    made = model_pb2.VariablesProto()
    fill(made, ids=np.array([0, edge, 1]), integers=np.array([True, False, True]))
    assert list(made.ids) == [0, edge, 1]
    assert list(made.integers) == [True, False, True]


def test_program_as_a_message() -> None:
    """Every bound, cost and coefficient, and bounds beyond what solvers take as infinite."""
    program = formulate(random_problem(5, flows=3, runs=1, batches=1, scenarios=2), RULES).model.program()
    lower = program.row_lower.copy()
    lower[0] = -1e16
    proto = mathopt.to_proto(program.replace(row_lower=lower))
    dense = np.zeros(program.shape)
    entries = proto.linear_constraint_matrix
    dense[list(entries.row_ids), list(entries.column_ids)] = list(entries.coefficients)
    np.testing.assert_array_equal(dense, program.matrix.toarray())
    np.testing.assert_array_equal(proto.variables.upper_bounds, program.upper)
    np.testing.assert_array_equal(proto.variables.integers, program.whole)
    np.testing.assert_array_equal(proto.linear_constraints.upper_bounds, program.row_upper)
    assert proto.linear_constraints.lower_bounds[0] == -np.inf
    np.testing.assert_array_equal(proto.linear_constraints.lower_bounds[1:], program.row_lower[1:])
    costs = np.zeros(program.shape[1])
    costs[list(proto.objective.linear_coefficients.ids)] = list(proto.objective.linear_coefficients.values)
    np.testing.assert_array_equal(costs, program.cost)


def test_coefficients_broadcast_and_add_up() -> None:
    """One number for a block, one a row, one a column; twice at the same place is the sum."""
    model = Model()
    columns = model.columns((2, 3), upper=1.0)
    rows = model.rows("r", (2,))
    model.put(rows[:, None], columns, 1.0)
    model.put(rows[:, None], columns, np.array([[10.0], [20.0]]))
    model.put(rows[1], columns[0], np.array([100.0, 200.0, 300.0]))
    expected = [[11, 11, 11, 0, 0, 0], [100, 200, 300, 21, 21, 21]]
    np.testing.assert_array_equal(model.program().matrix.toarray(), expected)


def test_too_many_columns_are_refused() -> None:
    """Beyond 2³¹ − 1 an index would wrap around."""
    model = Model()
    model.column_count = 2**31
    with pytest.raises(PlannerError, match="2,147,483,648 rows or columns"):
        model.program()


@given(st.lists(st.integers(0, 4)), st.lists(st.integers(0, 4)))
def test_matches_are_all_equal_pairs(left: list[int], right: list[int]) -> None:
    """In the order of the left, then of the right."""
    found = matches(np.array(left, dtype=np.int64), np.array(right, dtype=np.int64))
    expected = [(i, j) for i, a in enumerate(left) for j, b in enumerate(right) if a == b]
    assert list(zip(*(f.tolist() for f in found), strict=True)) == expected
