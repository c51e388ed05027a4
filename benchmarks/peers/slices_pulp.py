"""Slice assignment as the literature has it, in PuLP with CBC: `python slices_pulp.py ARRAYS.npz FOUND.json SECONDS`.

Runs in an environment of its own; knows nothing of this project. A yes or no for each slice and type, whole machines,
least price (Griggs et al. 2024). Several cases in one file: `load` [cases, B, T], `factor` [cases], `usd` [T].
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pulp


def solve(load: np.ndarray, usd: np.ndarray, factor: int, seconds: float) -> dict[str, object]:
    """One case: price, machines, whether CBC says that it is the optimum, and seconds of building and solving."""
    start = time.perf_counter()
    slices, types = np.repeat(load, factor, axis=0) / factor, range(load.shape[1])
    problem = pulp.LpProblem("slices", pulp.LpMinimize)
    here = [
        {t: pulp.LpVariable(f"x_{i}_{t}", 0, 1, pulp.LpInteger) for t in types if np.isfinite(row[t])}
        for i, row in enumerate(slices)
    ]
    machines = [pulp.LpVariable(f"y_{t}", 0, None, pulp.LpInteger) for t in types]
    problem += pulp.lpSum(float(usd[t]) * machines[t] for t in types)
    for row in here:
        problem += pulp.lpSum(row.values()) == 1
    for t in types:
        problem += pulp.lpSum(float(slices[i, t]) * row[t] for i, row in enumerate(here) if t in row) <= machines[t]
    problem.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=seconds))
    return {
        "usd": float(pulp.value(problem.objective)),
        "machines": [round(m.value()) for m in machines],
        "optimal": problem.sol_status == pulp.LpSolutionOptimal,
        "seconds": time.perf_counter() - start,
    }


def main(arrays: str, found: str, seconds: str) -> None:
    """All cases, one after the other."""
    with np.load(arrays) as file:
        load, factor, usd = file["load"], file["factor"], file["usd"]
    cases = [solve(x, usd, int(f), float(seconds)) for x, f in zip(load, factor, strict=True)]
    Path(found).write_text(json.dumps({"version": f"PuLP {pulp.__version__}", "cases": cases}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
