"""The fleet model in expressions of plain MathOpt, solved by HiGHS: `python fleet_mathopt.py ARRAYS.npz FOUND.json`.

As its guide writes models: a variable and a sum at a time. The same rows, columns and bounds as in fleet_linopy.py.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from ortools.math_opt.python import mathopt


def build(a: dict[str, np.ndarray]) -> mathopt.Model:
    """The model, hour by hour."""
    m, hours, scenarios = mathopt.Model(), int(a["hours"]), int(a["scenarios"])
    pairs = list(enumerate(zip(a["edge_workload"].tolist(), a["edge_pool"].tolist(), strict=True)))
    (workloads, blocks), pools = a["demand"].shape, len(a["quota_nodes"])
    unit, units, demand = a["unit"].tolist(), a["edge_units"].tolist(), a["demand"].tolist()
    share, spot_usd, usd = (a["spot_share"] / 100).tolist(), a["spot_micro_usd"] / 1e6, a["on_demand_micro_usd"] / 1e6
    left_usd = float(a["unserved_micro_usd"]) / 1e6
    held = [[m.add_variable(lb=0.0, ub=float(most)) for most in row] for row in a["committed_most"]]
    rates = (hours * a["committed_micro_usd"] / 1e6).tolist()
    paid = [x * v for row, some in zip(rates, held, strict=True) for x, v in zip(row, some, strict=True)]
    for b in range(blocks):
        served, beyond = defaultdict[int, list[Any]](list), defaultdict[int, list[Any]](list)
        firm_of, spot_of = defaultdict[int, list[Any]](list), defaultdict[int, list[Any]](list)
        for e, (w, q) in pairs:
            firm = m.add_variable(lb=0.0, ub=float(a["firm_most"][e, b]))
            spot = m.add_variable(lb=0.0, ub=float(a["spot_most"][e, b]))
            usable, capacity = min(units[e], demand[w][b]) / unit[w], units[e] / unit[w]
            served[w] += [usable * firm, usable * spot]
            beyond[w] += [(1 - share[w]) * capacity * spot, -share[w] * capacity * firm]
            firm_of[q].append(firm)
            spot_of[q].append(spot)
            paid.append(float(spot_usd[q]) / scenarios * spot)
        for w in range(workloads):
            left = m.add_variable(lb=0.0, ub=demand[w][b] / unit[w])
            m.add_linear_constraint(mathopt.fast_sum([*served[w], left]) >= demand[w][b] / unit[w])
            m.add_linear_constraint(mathopt.fast_sum(beyond[w]) <= 0.0)
            paid.append(left_usd * unit[w] / scenarios * left)
        for q in range(pools):
            bought = m.add_variable(lb=0.0, ub=float(a["on_demand_most"][q, b]))
            m.add_linear_constraint(mathopt.fast_sum(firm_of[q]) <= bought + mathopt.fast_sum(held[q]))
            m.add_linear_constraint(bought + mathopt.fast_sum(held[q]) <= float(a["quota_nodes"][q]))
            m.add_linear_constraint(mathopt.fast_sum(spot_of[q]) <= float(a["spot_nodes"][q, b]))
            paid.append(float(usd[q]) / scenarios * bought)
    m.minimize(mathopt.fast_sum(paid))
    return m


def main(arrays: str, found: str) -> None:
    """Build, solve, and write what it took."""
    with np.load(arrays) as file:
        a = dict(file.items())
    start = time.process_time()
    model = build(a)
    model.export_model()
    built = time.process_time()
    result = mathopt.solve(model, mathopt.SolverType.HIGHS)
    figures = {
        "version": f"ortools {importlib.metadata.version('ortools')}",
        "columns": model.get_num_variables(),
        "build_s": built - start,
        "solve_s": time.process_time() - built,
        "usd": result.objective_value(),
        "ended": result.termination.reason.name,
    }
    Path(found).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
