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
    from scipy.sparse import csr_array

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
    """A program inside GLOP."""

    def __init__(self, program: Program, basis: Basis) -> None:
        """Hand a program over, with the basis of its optimum."""
        from ortools.math_opt import model_parameters_pb2

        self._program = program
        self._solver = _solver("glop", mathopt.to_proto(program))
        self._told: Any = model_parameters_pb2.ModelSolveParametersProto()  # no more than what is read
        self._told.reduced_costs_filter.filter_by_ids = True
        for vector in (self._told.variable_values_filter, self._told.dual_values_filter):
            vector.skip_zero_values = True
        self._start = model_parameters_pb2.ModelSolveParametersProto()
        self._start.CopyFrom(self._told)
        for sparse, status in zip(
            (self._start.initial_basis.variable_status, self._start.initial_basis.constraint_status), basis, strict=True
        ):
            fill(sparse, ids=np.arange(len(status)), values=status)
        self.solve()  # with the bounds that the basis is of: it is not taken as one of others

    def become(self, new: Program) -> None:
        """Change what differs in a program with the same columns, and the same rows or more behind them.

        Raises:
            RuntimeError: the back-end cannot.
        """
        from ortools.math_opt import model_update_pb2

        made, old, kept = model_update_pb2.ModelUpdateProto(), self._program, self._program.shape[0]
        columns, rows = made.variable_updates, made.linear_constraint_updates
        for sparse, was, now in (
            (columns.lower_bounds, old.lower, new.lower),
            (columns.upper_bounds, old.upper, new.upper),
            (rows.lower_bounds, old.row_lower, new.row_lower[:kept]),
            (rows.upper_bounds, old.row_upper, new.row_upper[:kept]),
            (made.objective_updates.linear_coefficients, old.cost, new.cost),
        ):
            at = np.flatnonzero(was != now)
            fill(sparse, ids=at, values=now[at].astype(float))
        more = kept + np.arange(new.shape[0] - kept)
        lower, upper = new.row_lower[kept:], new.row_upper[kept:]
        fill(made.new_linear_constraints, ids=more, lower_bounds=lower, upper_bounds=upper)
        row, column, value = _changed(old.matrix, new.matrix)
        order = np.lexsort((column, row))  # as MathOpt demands
        made_entries = made.linear_constraint_matrix_updates
        fill(made_entries, row_ids=row[order], column_ids=column[order], coefficients=value[order].astype(float))
        if not self._solver.update(made):
            raise RuntimeError("the back-end does not take the change")
        self._program = new

    def solve(self) -> tuple[Array, Array] | None:
        """Values [n] and row prices [m] of the optimum; None where there is none."""
        from ortools.math_opt.python import parameters

        options = parameters.SolveParameters(
            lp_algorithm=parameters.LPAlgorithm.DUAL_SIMPLEX, presolve=parameters.Emphasis.OFF
        )
        options.glop.use_scaling = False
        result = self._solver.solve(*_arguments(options, self._start))
        self._start, (rows, columns) = self._told, self._program.shape
        for s in result.solutions:
            if s.HasField("primal_solution") and s.HasField("dual_solution"):
                values = mathopt._dense(s.primal_solution.variable_values, columns)  # noqa: SLF001 (as above)
                return values, mathopt._dense(s.dual_solution.dual_values, rows)  # noqa: SLF001
        return None


def _changed(old: csr_array, new: csr_array) -> tuple[Array, Array, Array]:
    """Row, column and new value of the entries that differ; rows behind the old ones are new."""
    from scipy.sparse import csr_array

    end = new.indptr[old.shape[0]]
    if np.array_equal(old.indptr, new.indptr[: len(old.indptr)]) and np.array_equal(old.indices, new.indices[:end]):
        at = np.flatnonzero(np.append(old.data != new.data[:end], np.ones(len(new.data) - end, dtype=bool)))
        row = np.searchsorted(new.indptr, at, side="right") - 1
        return row, new.indices[at], new.data[at]
    behind = np.full(new.shape[0] - old.shape[0], old.indptr[-1])
    row, column = (
        (new - csr_array((old.data, old.indices, np.append(old.indptr, behind)), shape=new.shape)).tocoo().coords
    )
    return row, column, np.asarray(new[row, column]).reshape(-1)


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
