"""Programs through MathOpt: HiGHS for everything, SCIP as a second opinion. Arrays in, arrays out, one typed error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import EngineError
from .wire import fill

if TYPE_CHECKING:
    from ..model import Program

Array = np.ndarray[Any, np.dtype[Any]]
Name = Literal["highs", "scip", "glop"]
MAX_COEFFICIENT = 1e15  # a finite bound beyond it has misled solvers: it is given as infinite
TIGHT = 1e-9
HIGHS_TIGHT = {"primal_feasibility_tolerance": TIGHT, "mip_feasibility_tolerance": 1e-8}  # at 1e-9 it cuts off optima


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a back-end said. `values` is None without a solution; `bound` is −inf without one."""

    status: Literal["optimal", "feasible", "infeasible", "unbounded", "none"]
    values: Array | None
    objective: float
    bound: float
    duals: Array | None = None  # [m], LP only


def solve(
    program: Program,
    *,
    engine: Name = "highs",
    time_limit_s: float = math.inf,
    gap: float = 0.0,
    seed: int = 0,
    node_limit: int | None = None,
    tight: bool = False,
) -> Answer:
    """Solve a program.

    Args:
        program: what to solve; without whole columns it is an LP and duals come back.
        engine: back-end.
        time_limit_s: wall clock.
        gap: relative gap at which to stop.
        seed: of the back-end.
        tight: rows hold to 1e-9; at the usual 1e-6 a budget is passed by some micro-dollars, a small demand not served.
        node_limit: stop after so many nodes of the tree, for runs that must not depend on a clock.

    Raises:
        EngineError: the back-end refused the program or failed.
    """
    from ortools.math_opt.core.python import solver
    from ortools.math_opt.python import callback, init_arguments, model_parameters, parameters

    kinds = {
        "highs": parameters.SolverType.HIGHS, "scip": parameters.SolverType.GSCIP, "glop": parameters.SolverType.GLOP,
    }  # fmt: skip
    if program.shape[1] == 0:
        return _without_columns(program)
    try:
        proto = to_proto(program)
        options = _options(program, time_limit_s=time_limit_s, gap=gap, seed=seed, node_limit=node_limit, tight=tight)
        result = solver.solve(
            proto,
            kinds[engine].value,
            init_arguments.StreamableSolverInitArguments().to_proto(),
            options.to_proto(),
            model_parameters.ModelSolveParameters().to_proto(),
            None,
            callback.CallbackRegistration().to_proto(),
            None,
            None,
        )
    except EngineError:
        raise
    except Exception as error:  # back-ends surface as StatusNotOk, AttributeError, RuntimeError ...  # noqa: BLE001
        second: dict[Name, Name] = {"highs": "scip" if program.whole.any() else "glop"}
        if engine in second:  # a fault of one engine on one program is not the end: another has its own
            return solve(
                program, engine=second[engine], time_limit_s=time_limit_s, gap=gap, seed=seed, node_limit=node_limit,
                tight=tight,
            )  # fmt: skip
        mend = "try another time limit or gap; if it stays, report the spec"
        raise EngineError(f"{engine} refused the model: {str(error)[:300]}", where="engine", mend=mend) from None
    return _answer(result, program)


def _options(
    program: Program, *, time_limit_s: float, gap: float, seed: int, node_limit: int | None, tight: bool
) -> Any:
    """MathOpt's parameters of one solve."""
    from ortools.math_opt.python import parameters

    options = parameters.SolveParameters(random_seed=seed, node_limit=node_limit)
    if program.whole.any():
        options.relative_gap_tolerance, options.absolute_gap_tolerance = gap, 0.0
    if math.isfinite(time_limit_s):
        import datetime

        options.time_limit = datetime.timedelta(seconds=max(0.01, time_limit_s))
    if tight:
        options.highs.double_options.update(HIGHS_TIGHT)
        options.gscip.real_params["numerics/feastol"] = TIGHT
    return options


def _without_columns(program: Program) -> Answer:
    if (program.row_lower > 0).any() or (program.row_upper < 0).any():
        return Answer(status="infeasible", values=None, objective=math.inf, bound=math.inf)
    return Answer(status="optimal", values=np.zeros(0), objective=0.0, bound=0.0, duals=np.zeros(program.shape[0]))


def to_proto(program: Program) -> Any:
    """The program as a MathOpt model; entries sorted by row, then column, as MathOpt demands."""
    from ortools.math_opt import model_pb2

    m, n = program.shape
    proto = model_pb2.ModelProto()
    fill(
        proto.variables,
        ids=np.arange(n),
        lower_bounds=_finite(program.lower),
        upper_bounds=_finite(program.upper),
        integers=program.whole,
    )
    fill(
        proto.linear_constraints,
        ids=np.arange(m),
        lower_bounds=_finite(program.row_lower),
        upper_bounds=_finite(program.row_upper),
    )
    priced = np.flatnonzero(program.cost)
    fill(proto.objective.linear_coefficients, ids=priced, values=program.cost[priced])
    matrix = program.matrix
    matrix.sort_indices()
    fill(
        proto.linear_constraint_matrix,
        row_ids=np.repeat(np.arange(m, dtype=np.int32), np.diff(matrix.indptr)),
        column_ids=matrix.indices,
        coefficients=matrix.data,
    )
    return proto


def _finite(bounds: Array) -> Array:
    return np.where(np.abs(bounds) >= MAX_COEFFICIENT, np.copysign(np.inf, bounds), bounds)


def _answer(result: Any, program: Program) -> Answer:
    from ortools.math_opt import result_pb2

    reason = result.termination.reason
    names = {
        result_pb2.TERMINATION_REASON_OPTIMAL: "optimal",
        result_pb2.TERMINATION_REASON_FEASIBLE: "feasible",
        result_pb2.TERMINATION_REASON_INFEASIBLE: "infeasible",
        result_pb2.TERMINATION_REASON_UNBOUNDED: "unbounded",
        result_pb2.TERMINATION_REASON_INFEASIBLE_OR_UNBOUNDED: "infeasible",
    }
    status = names.get(reason, "none")
    bound = result.termination.objective_bounds.dual_bound
    for solution in result.solutions:
        if status == "infeasible" or not solution.HasField("primal_solution"):
            continue  # an infeasible program may come back with a point that breaks its rows
        values = _dense(solution.primal_solution.variable_values, program.shape[1])
        duals = None
        if not program.whole.any() and solution.HasField("dual_solution"):
            duals = _dense(solution.dual_solution.dual_values, program.shape[0])
        objective = float(program.cost @ values)
        return Answer(status=status, values=values, objective=objective, bound=bound, duals=duals)  # type: ignore[arg-type]
    return Answer(status=status, values=None, objective=math.inf, bound=bound)  # type: ignore[arg-type]


def _dense(vector: Any, size: int) -> Array:
    made = np.zeros(size)
    made[np.asarray(vector.ids, dtype=np.int64)] = np.asarray(vector.values)
    return made
