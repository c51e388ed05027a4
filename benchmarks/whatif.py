"""A relaxation solved again after a change, against from scratch: `python -m benchmarks whatif [--size S]`.

A fleet is drawn from a seed; its relaxation is solved once. Then the demand of one workload after another changes by
20 %, up and down in turn: the relaxation is solved again from the last basis (`solver.engine.warm.Relaxation`, with the
laying out of the new program in its time) and from scratch by HiGHS. GLOP is asked from scratch for the first only.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solver.engine import mathopt
from solver.engine.primal import closed
from solver.engine.warm import Relaxation
from solver.formulation import formulate
from solver.rules import RULES

from .cases import Case, grid, when, yes
from .instances import Size, draw
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from solver.problem import Problem

NAME = "whatif"
SIZE, CHANGES, CHANGE = "50x20x100x24x8", 8, 20  # %
GOAL, SAME = 20.0, 1e-6  # times faster; relative difference of the optima


def busier(problem: Problem, workload: int, percent: int) -> Problem:
    """The problem with the demand of one workload changed."""
    s = problem.sources
    mine = (s.workload == workload)[:, None]
    units = np.where(mine, s.units_per_hour * (100 + percent) // 100, s.units_per_hour)
    return dataclasses.replace(problem, sources=dataclasses.replace(s, units_per_hour=units))


def cold(problem: Problem, engine: mathopt.Name) -> tuple[float, float]:
    """Dollars and processor seconds from scratch, with the laying out."""
    start = time.process_time()
    f = formulate(problem, RULES, direct=True)
    program = closed(f.model.program(), f.obligations()).relaxed()
    usd = mathopt.solve(program, engine=engine).objective + f.model.constant
    return usd, time.process_time() - start


def measure(size: str, changes: int, *, glop: bool) -> dict[str, Any]:
    """One row."""
    problem = draw(Size.of(size), seed=1).problem()
    relaxation = Relaxation(problem)
    row: dict[str, Any] = {"name": size, "change_percent": CHANGE, "glop_cold_cpu_s": None}
    row["rows"], row["columns"] = relaxation.formulation.model.row_count, relaxation.formulation.model.column_count
    each: list[tuple[float, float, float]] = []
    for i, w in enumerate(np.linspace(0, len(problem.workloads.name) - 1, changes).astype(int).tolist()):
        changed = busier(problem, w, CHANGE if i % 2 == 0 else -CHANGE)
        relaxation.solve(problem)
        start = time.process_time()
        usd = relaxation.solve(changed)
        warm_s = time.process_time() - start
        truth, cold_s = cold(changed, "highs")
        if glop and not each:
            row["glop_cold_cpu_s"] = round(cold(changed, "glop")[1], 2)
        each.append((warm_s, cold_s, abs(usd - truth) / abs(truth)))
        print(
            f"workload {w:4}  warm {warm_s:7.3f} s  cold {cold_s:7.3f} s  {cold_s / warm_s:5.1f} x  {each[-1][2]:.1e}"
        )
    times = [c / w for w, c, _ in each]
    return row | {
        "changes": changes,
        "warm_cpu_s": round(statistics.median(w for w, _, _ in each), 3),
        "highs_cold_cpu_s": round(statistics.median(c for _, c, _ in each), 3),
        "times_faster": round(statistics.median(times), 1),
        "least_times_faster": round(min(times), 1),
        "largest_difference": max(d for _, _, d in each),
        "warm_that_went_cold": relaxation.cold_solves - 1,
        "goal_met": statistics.median(times) >= GOAL and max(d for _, _, d in each) <= SAME,
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default=SIZE, metavar="S", help=f"WORKLOADSxREGIONSxPOOLSxHOURSxSCENARIOS ({SIZE})")
    parser.add_argument("--changes", type=int, default=CHANGES, metavar="N", help=f"workloads changed ({CHANGES})")
    parser.add_argument("--no-glop", action="store_true", help="leave out GLOP from scratch, a minute or more")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where whatif.json goes")
    options = parser.parse_args(arguments)
    made = stamp() | measure(options.size, options.changes, glop=not options.no_glop)
    print(*(f"{key}: {value}" for key, value in made.items()), sep="\n")
    protocol = {"change_percent": CHANGE, "time": "processor seconds, with the laying out of the new program"}
    save(options.results, NAME, protocol, [made])


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page."""
    titles = (
        "fleet", "rows × columns", "warm, cpu s", "HiGHS cold", "GLOP cold", "times faster (least)",
        "largest difference", f"{GOAL:.0f} times", "measured",
    )  # fmt: skip
    cells = [
        (
            r["name"], f"{r['rows']:,} × {r['columns']:,}", f"{r['warm_cpu_s']:.2f}", f"{r['highs_cold_cpu_s']:.1f}",
            "–" if r["glop_cold_cpu_s"] is None else f"{r['glop_cold_cpu_s']:.0f}",
            f"{r['times_faster']:.1f} ({r['least_times_faster']:.1f})", f"{r['largest_difference']:.0e}",
            yes(r["goal_met"]), when(r),
        )
        for r in rows
    ]  # fmt: skip
    return grid(titles, cells)


CASE = Case(
    name=NAME,
    measures="a relaxation solved again after a change of demand, against from scratch",
    goal=f"{GOAL:.0f} times faster, the same optimum to {SAME:g}",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
