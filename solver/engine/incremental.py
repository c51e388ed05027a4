"""GLOP through MathOpt with its basis kept from solve to solve, and the basis of an optimum found by HiGHS.

HiGHS neither takes a basis nor changes through MathOpt; GLOP does both, and goes on with the dual simplex as long as
its presolve is off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import mathopt
from .wire import fill

if TYPE_CHECKING:
    from ..model import Program

Array = np.ndarray[Any, np.dtype[Any]]
Basis = tuple[Array, Array]  # MathOpt's status of each column and of each row


def optimum(program: Program, *, seed: int = 0) -> tuple[mathopt.Answer, Basis | None]:
    """The optimum of a linear program by HiGHS, with its basis; None where it gives none."""
    from ortools.math_opt.python import parameters

    options = parameters.SolveParameters(random_seed=seed)
    result = _solver("highs", mathopt.to_proto(program)).solve(*_arguments(options))
    answer = mathopt._answer(result, program)  # noqa: SLF001 (the one door to the back-ends is two files)
    for solution in result.solutions:
        if solution.HasField("basis"):
            b = solution.basis
            return answer, (np.asarray(b.variable_status.values), np.asarray(b.constraint_status.values))
    return answer, None


class Incremental:
    """A program inside GLOP; rows are counted in the order in which they came."""

    def __init__(self, program: Program, basis: Basis) -> None:
        """Hand a program over, with the basis of its optimum."""
        from ortools.math_opt import model_parameters_pb2

        self._solver = _solver("glop", mathopt.to_proto(program))
        self._start: Any = model_parameters_pb2.ModelSolveParametersProto()
        for sparse, status in zip(
            (self._start.initial_basis.variable_status, self._start.initial_basis.constraint_status), basis, strict=True
        ):
            sparse.ids.extend(range(len(status)))
            sparse.values.extend(status.tolist())
        self._rows, self._columns = program.shape
        self.solve()  # with the bounds that the basis is of: it is not taken as one of others

    def update(self, old: Program, new: Program) -> None:
        """Change what differs between two programs of the same shape.

        Raises:
            RuntimeError: the back-end cannot.
        """
        from ortools.math_opt import model_update_pb2

        made = model_update_pb2.ModelUpdateProto()
        columns, rows = made.variable_updates, made.linear_constraint_updates
        for sparse, was, now in (
            (columns.lower_bounds, old.lower, new.lower),
            (columns.upper_bounds, old.upper, new.upper),
            (rows.lower_bounds, old.row_lower, new.row_lower),
            (rows.upper_bounds, old.row_upper, new.row_upper),
            (made.objective_updates.linear_coefficients, old.cost, new.cost),
        ):
            at = np.flatnonzero(was != now)
            fill(sparse, ids=at, values=now[at].astype(float))
        row, column, value = _changed(old, new)
        _entries(made.linear_constraint_matrix_updates, row, column, value)
        self._apply(made)

    def add(self, rows: Program) -> None:
        """Add the rows of a program in the same columns."""
        from ortools.math_opt import model_update_pb2

        made = model_update_pb2.ModelUpdateProto()
        ids = self._rows + np.arange(rows.shape[0])
        fill(made.new_linear_constraints, ids=ids, lower_bounds=rows.row_lower, upper_bounds=rows.row_upper)
        entries = rows.matrix.tocoo()
        _entries(made.linear_constraint_matrix_updates, ids[entries.coords[0]], entries.coords[1], entries.data)
        self._apply(made)
        self._rows += rows.shape[0]

    def solve(self) -> tuple[Array, Array] | None:
        """Values [n] and row prices [m] of the optimum; None where there is none."""
        from ortools.math_opt.python import parameters

        options = parameters.SolveParameters(
            lp_algorithm=parameters.LPAlgorithm.DUAL_SIMPLEX, presolve=parameters.Emphasis.OFF
        )
        options.glop.use_scaling = False
        result = self._solver.solve(*_arguments(options, self._start))
        self._start = None
        for s in result.solutions:
            if s.HasField("primal_solution") and s.HasField("dual_solution"):
                values = mathopt._dense(s.primal_solution.variable_values, self._columns)  # noqa: SLF001 (as above)
                return values, mathopt._dense(s.dual_solution.dual_values, self._rows)  # noqa: SLF001
        return None

    def _apply(self, update: Any) -> None:
        if not self._solver.update(update):
            raise RuntimeError("the back-end does not take the change")


def _changed(old: Program, new: Program) -> tuple[Array, Array, Array]:
    """Row, column and new value of the entries that differ."""
    a, b = old.matrix, new.matrix
    a.sort_indices()
    b.sort_indices()
    if np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices):
        at = np.flatnonzero(a.data != b.data)
        row = np.searchsorted(b.indptr, at, side="right") - 1
        return row, b.indices[at], b.data[at]
    row, column = (b - a).tocoo().coords
    return row, column, np.asarray(b.tocsr()[row, column]).reshape(-1)


def _entries(sparse: Any, row: Array, column: Array, value: Array) -> None:
    """Entries in the order that MathOpt demands."""
    order = np.lexsort((column, row))
    fill(sparse, row_ids=row[order], column_ids=column[order], coefficients=value[order].astype(float))


def _solver(engine: mathopt.Name, proto: Any) -> Any:
    from ortools.math_opt.core.python import solver
    from ortools.math_opt.python import init_arguments, parameters

    kinds = {"highs": parameters.SolverType.HIGHS, "glop": parameters.SolverType.GLOP}
    return solver.new(kinds[engine].value, proto, init_arguments.StreamableSolverInitArguments().to_proto())


def _arguments(options: Any, start: Any = None) -> tuple[Any, ...]:
    from ortools.math_opt import model_parameters_pb2
    from ortools.math_opt.python import callback

    model = model_parameters_pb2.ModelSolveParametersProto() if start is None else start
    return options.to_proto(), model, None, callback.CallbackRegistration().to_proto(), None, None
