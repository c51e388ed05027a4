"""A second engine: HiGHS on a whole-number program with a column for each way of each job."""

from __future__ import annotations

import numpy as np
from ortools.math_opt.python import mathopt

from solver.schedule import ScheduleProblem

from .enumeration import ways


def optimum(problem: ScheduleProblem) -> float | None:
    """Least micro-dollars of all schedules; None when there is none."""
    s, o = problem.supplies, problem.options
    model, terms = mathopt.Model(), []
    load: dict[tuple[int, int], list[object]] = {}
    for job in range(len(problem.jobs.name)):
        columns = []
        for k, spans in ways(problem, job):
            x = model.add_binary_variable()
            columns.append(x)
            once = int(problem.jobs.unrun_micro_usd[job]) if k < 0 else int(o.micro_usd[k])
            terms.append(once * x)
            for a, b in spans:
                for t in range(a, b):
                    load.setdefault((int(o.pool[k]), t), []).append(int(o.nodes[k]) * x)
        model.add_linear_constraint(mathopt.fast_sum(columns) == 1)
    opened = {row: model.add_binary_variable() for row in np.flatnonzero(s.upfront_micro_usd).tolist()}
    terms += [int(s.upfront_micro_usd[row]) * x for row, x in opened.items()]
    for (pool, t), taken in load.items():
        given = []
        for row in np.flatnonzero(s.pool == pool).tolist():
            use = model.add_variable(lb=0, ub=int(s.nodes[row, t]))
            if row in opened:
                model.add_linear_constraint(use <= int(s.nodes[row, t]) * opened[row])
            terms.append(int(s.micro_usd_per_hour[row, t]) * use)
            given.append(use)
        model.add_linear_constraint(mathopt.fast_sum(taken) <= mathopt.fast_sum(given))
    model.minimize(mathopt.fast_sum(terms))
    parameters = mathopt.SolveParameters(relative_gap_tolerance=0.0, absolute_gap_tolerance=0.0)
    result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=parameters)
    if result.termination.reason != mathopt.TerminationReason.OPTIMAL:
        return None
    return float(result.objective_value())
