"""One fleet model built and solved by several tools: `python -m benchmarks fleet_peers [--fleets SIZE ...]`.

The relaxation of a drawn fleet in the direct form, with the same rows, columns and bounds for all, through arrays of
this planner, through linopy, and through expressions of plain MathOpt; HiGHS solves each. Then a plan of this planner
beside a greedy one that serves every hour by itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from .cases import Case, grid, when, yes
from .instances import Fleet, Size, draw
from .peers import ask, ask_here
from .process import figures
from .results import FOLDER, save, stamp

Array = np.ndarray[Any, np.dtype[Any]]
NAME = "fleet_peers"
SEED = 1
FLEETS = ("12x5x30x24x1", "50x20x100x24x1", "500x60x400x24x1")
SMALL = "2x2x4x1x1"
SAME = 1e-6
GOAL_BUILD, GOAL_ALL = 20.0, 2.0
PLAN_S, GAP = 60.0, 0.02


def ours(size: str) -> dict[str, Any]:
    """CPU seconds until the back-end has the model, and of its solution; the optimum. The imports are done before."""
    from solver.engine import mathopt
    from solver.formulation import formulate
    from solver.rules import RULES

    mathopt.solve(formulate(draw(Size.of(SMALL), SEED).problem(), RULES, direct=True).model.program().relaxed())
    problem = draw(Size.of(size), SEED).problem()
    start = time.process_time()
    f = formulate(problem, RULES, direct=True)
    program = f.model.program().relaxed()
    mathopt.to_proto(program)
    built = time.process_time()
    answer = mathopt.solve(program)
    figures = {"build_s": built - start, "solve_s": time.process_time() - built, "columns": program.shape[1]}
    return figures | {"usd": answer.objective + f.model.constant, "ended": answer.status}


def shared(fleet: Fleet) -> dict[str, Any]:
    """The arrays of a fleet, with the bounds and units that this planner gives its columns."""
    from solver.formulation import formulate, most_replicas, units
    from solver.rules import RULES

    problem, edges, pools = fleet.problem(), len(fleet.edge_pool), len(fleet.pool_type)
    f = formulate(problem, RULES, direct=True)
    upper = f.model.program().upper
    most = most_replicas(problem, np.arange(2 * edges))
    on_demand, committed = np.zeros((pools, fleet.size.blocks)), np.zeros(fleet.committed_micro_usd.shape)
    on_demand[problem.offers.pool[f.on_demand_offers]] = upper[f.on_demand]
    option, pool = np.divmod(f.commitments - 2 * pools, pools)
    committed[pool, option] = upper[f.committed]
    bounds = {"firm_most": most[:edges], "spot_most": most[edges:], "on_demand_most": on_demand}
    return fleet.arrays() | bounds | {"committed_most": committed, "unit": units(problem)}


def greedy_usd(fleet: Fleet) -> float:
    """Dollars of a plan that serves each hour by itself: workloads by size, cheapest nodes first, no commitments."""
    quota = np.repeat(fleet.quota_nodes[:, None], fleet.size.blocks, axis=1)
    there, micro = fleet.spot_nodes.astype(np.int64), np.zeros(fleet.size.blocks)
    for w in np.argsort(-fleet.demand.sum(axis=1), kind="stable"):
        mine = np.flatnonzero(fleet.edge_workload == w)
        left, on_spot = fleet.demand[w].copy(), fleet.demand[w] * fleet.spot_share[w] // 100
        for supply, price in ((there, fleet.spot_micro_usd), (quota, fleet.on_demand_micro_usd)):
            usd = price[fleet.edge_pool[mine]] / fleet.edge_units[mine]
            for e in mine[np.argsort(usd, kind="stable")]:
                q, units = fleet.edge_pool[e], fleet.edge_units[e]
                want = np.minimum(on_spot, left) // units if supply is there else -(-left // units)
                nodes = np.minimum(want, supply[q])
                supply[q] -= nodes
                left = np.maximum(left - nodes * units, 0)
                on_spot = on_spot - nodes * units if supply is there else on_spot
                micro += nodes * price[q]
        micro += left * float(fleet.unserved_micro_usd)
    return float(micro.sum()) / fleet.size.scenarios / 1e6


def measure(size: str, log: Path) -> list[dict[str, Any]]:
    """A row for each tool."""
    arrays = shared(draw(Size.of(size), SEED))
    mine = figures((sys.executable, "-m", "benchmarks.fleet_peers", size), log)
    found = {
        "this planner": mine,
        "linopy": ask("linopy", "fleet_linopy.py", arrays),
        "MathOpt expressions": ask_here("fleet_mathopt.py", arrays),
    }
    return [_row(size, tool, said, mine) for tool, said in found.items()]


def _row(size: str, tool: str, said: dict[str, Any] | None, mine: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": f"{tool}, {size}", "tool": tool, "fleet": size}
    if said is None:
        return row | dict.fromkeys(
            ("version", "columns", "build_s", "solve_s", "usd", "build_times", "all_times", "same")
        )
    row |= {key: said.get(key) for key in ("version", "columns", "build_s", "solve_s", "usd")}
    row["build_times"] = said["build_s"] / mine["build_s"]
    row["all_times"] = (said["build_s"] + said["solve_s"]) / (mine["build_s"] + mine["solve_s"])
    return row | {"same": abs(said["usd"] - mine["usd"]) <= SAME * abs(mine["usd"])}


def beside_greedy(size: str) -> dict[str, Any]:
    """A row: this planner's plan and the greedy one."""
    from solver import solve

    fleet = draw(Size.of(size), SEED)
    plan, greedy = solve(fleet.problem(), gap=GAP, time_limit_s=PLAN_S), greedy_usd(fleet)
    usd = float(plan.certificate.upper_usd)
    row = {"name": f"greedy, {size}", "tool": "greedy by the hour", "fleet": size, "usd": greedy, "plan_usd": usd}
    return row | {"gap": plan.certificate.gap, "dearer": greedy / usd}


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page: tools on one relaxation, then the greedy plan."""
    titles = ("fleet", "tool", "columns", "build s", "solve s", "optimum USD", "same", "our build is × as fast")
    goals = (f"{GOAL_BUILD:g} ×", "build and solve × as fast", f"{GOAL_ALL:g} ×")
    tools = [row for row in rows if "columns" in row]
    lines = grid((*titles, *goals, "measured, at revision"), map(_cells, tools))
    plans = [row for row in rows if "plan_usd" in row]
    cells = (
        (r["fleet"], f"{r['plan_usd']:,.0f}", f"{r['gap']:.2%}", f"{r['usd']:,.0f}", f"{r['dearer']:.2f}", when(r))
        for r in plans
    )
    heads = ("fleet", "plan USD", "gap", "greedy by the hour USD", "× as dear", "measured, at revision")
    return [*lines, "", *grid(heads, cells)]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["columns"] is None:
        return row["fleet"], row["tool"], "absent", *("–",) * 8, when(row)
    tool = f"{row['tool']} ({row['version']})" if row["version"] else row["tool"]
    first = (f"{row['columns']:,}", f"{row['build_s']:.2f}", f"{row['solve_s']:.2f}", f"{row['usd']:,.2f}")
    if not row["version"]:
        return row["fleet"], tool, *first, *("",) * 5, when(row)
    build, every = row["build_times"], row["all_times"]
    met = (f"{build:.1f}", yes(build >= GOAL_BUILD), f"{every:.1f}", yes(every >= GOAL_ALL))
    return row["fleet"], tool, *first, yes(row["same"]), *met, when(row)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fleets", nargs="+", default=FLEETS, metavar="SIZE", help="workloads x regions x pools x ...")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where fleet_peers.json goes")
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.fleets:
            of = stamp()
            rows += [of | row for row in measure(size, Path(folder) / "log")]
        rows.append(stamp() | beside_greedy(options.fleets[0]))
    print("\n".join(table(rows)))
    protocol = {
        "time": "CPU seconds of one process, build until HiGHS or its door has the model",
        "seed": SEED,
        "plan": f"gap {GAP:g}, {PLAN_S:g} s",
    }
    save(options.results, NAME, protocol, rows)


CASE = Case(
    name=NAME,
    measures="one fleet model through arrays, linopy and MathOpt's expressions; a greedy plan beside ours",
    goal=f"the same optimum, built {GOAL_BUILD:g} times and built and solved {GOAL_ALL:g} times as fast as linopy",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    print(json.dumps(ours(sys.argv[1])))
