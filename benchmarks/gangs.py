"""Time and proved gap of scheduling gangs: `python -m benchmarks gangs [--jobs N] [--time-limit S] [--gap G]`.

Random weeks of a training cluster: gangs of 2, 4, 8 and 16 nodes, pools of 16 to 63, hours of work by pool. Each goes
through `solver.schedule.schedule` as users call it, search in a child process and check included. `bound` is proved;
`greedy` is the first schedule found. Few pools and hours make the cheap pools scarce, and the problem hard.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from solver.schedule import schedule
from tests.schedule.draws import cluster

from .cases import Case, grid, when, yes
from .results import FOLDER, save, stamp

NAME = "gangs"
GOAL_GAP, GOAL_S = 0.005, 5.0
SIZES = ((168, 6), (336, 8), (672, 12), (720, 20))  # hours, pools
SEEDS = (1, 2, 3)
KINDS: dict[str, dict[str, Any]] = {
    "bought": {},
    "idle at night": {"idle": True},
    "in pieces": {"segments": 2},
}


def measure(kind: str, jobs: int, size: tuple[int, int], seed: int, limits: dict[str, Any]) -> dict[str, Any]:
    """One row."""
    problem = cluster(jobs, *size, seed, **KINDS[kind])
    heard: list[float] = []
    begun, cpu = time.monotonic(), time.process_time()
    made = schedule(problem, progress=lambda p: heard.append(p.upper_usd or 0.0), **limits)
    wall = time.monotonic() - begun
    first = next((x for x in heard if x), float(made.total_usd))
    c = made.certificate
    return {
        "name": f"{kind}: {jobs} jobs, {size[0]} hours, {size[1]} pools, seed {seed}",
        "wall_s": round(wall, 2),
        "parent_cpu_s": round(time.process_time() - cpu, 2),
        "options": len(problem.options.job),
        "cost_usd": float(made.total_usd),
        "bound_usd": float(c.lower_usd),
        "gap": round(c.gap, 5),
        "greedy_above_cost": round(first / max(1e-9, float(made.total_usd)) - 1, 5),
        "ended": made.termination,
        "goals": {f"gap of {GOAL_GAP:.1%} in {GOAL_S:g} s": c.gap <= GOAL_GAP and wall <= GOAL_S},
    }


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    met = "yes" if all(row["goals"].values()) else "NO"
    money = f"{row['cost_usd']:>12,.0f}  {row['bound_usd']:>12,.0f}"
    return f"{row['name']:<56}  {row['wall_s']:>6.2f}  {money}  {row['gap']:>7.3%}  {met:>4}  {row['ended']}"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save; a row is saved as soon as it is measured."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000, metavar="N", help="of each problem (default 1000)")
    parser.add_argument("--time-limit", type=float, default=4.5, metavar="S", help="of the search (default 4.5)")
    parser.add_argument("--gap", type=float, default=GOAL_GAP, metavar="G", help="to stop at (default 0.005)")
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS), help="all by default")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where gangs.json goes")
    options = parser.parse_args(arguments)
    protocol = {"call": f"schedule(problem, time_limit_s={options.time_limit:g}, gap={options.gap:g})", "runs": 1}
    limits = {"time_limit_s": options.time_limit, "gap": options.gap}
    print(f"{'problem':<56}  {'wall s':>6}  {'cost USD':>12}  {'bound USD':>12}  {'gap':>7}  {'goal':>4}  ended")
    for kind in options.kinds:
        for size in SIZES:
            for seed in SEEDS:
                row = stamp() | measure(kind, options.jobs, size, seed, limits)
                print(line(row), flush=True)
                save(options.results, NAME, protocol, [row])


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page."""
    titles = (
        "problem",
        "wall s",
        "cost USD",
        "bound USD",
        "gap",
        f"{GOAL_GAP:.1%} in {GOAL_S:g} s",
        "measured, at revision",
    )
    return grid(
        titles,
        [
            (r["name"], f"{r['wall_s']:.1f}", f"{r['cost_usd']:,.0f}", f"{r['bound_usd']:,.0f}", f"{r['gap']:.2%}",
             yes(all(r["goals"].values())), when(r))
            for r in rows
        ],
    )  # fmt: skip


CASE = Case(
    name=NAME,
    measures="gang scheduling of 1,000 training runs: time and proved gap",
    goal=f"a proved gap of {GOAL_GAP:.1%} in {GOAL_S:g} s",
    main=main,
    table=table,
    alone=False,
)


if __name__ == "__main__":
    main()
