"""Jobs with deadlines on spot: `python -m benchmarks spot_jobs [--data DIR] [--starts N] [--results DIR] [--speed]`.

The packaged backtest @spot-jobs (24 to 72 h, deadlines 1.1 to 2 × the work, restarts of 0.05 to 0.5 h, one zone and
three) over every trace of spot capacity: what each policy costs beside who knew the trace, a program in integers a job.
`--speed` instead replays a hundred jobs over a year of minutes in ten zones.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case, grid, when, yes
from .results import FOLDER, save, stamp
from .spot_risk import folder

if TYPE_CHECKING:
    from solver.replay.study import Found
    from solver.spot.traces import Market

NAME = "spot_jobs"
OURS, THEIRS = "markov", "uniform-progress"
HALF_WAY = 0.5
SECONDS = 10.0
YEAR_MINUTES, POOLS, JOBS = 525_600, 10, 100


def sums(found: Found, about: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each market and each value of the grid, and one for all."""
    r = found.rows
    parts = [("all", "all jobs", np.ones(r.count, dtype=bool))]
    axes = {"deadline ÷ work": r.deadline_ratio.round(3), "restart, h": r.restart_hours, "work, h": r.work_hours,
            "zones": r.zones}  # fmt: skip
    parts += [(axis, f"{axis} {v:g}", values == v) for axis, values in axes.items() for v in np.unique(values)]
    parts += [("market", name, r.market == name) for name in dict.fromkeys(r.market.tolist())]
    return [about | _row(found, axis, name, mine) for axis, name, mine in parts]


def _row(found: Found, axis: str, name: str, mine: Any) -> dict[str, Any]:
    r = found.rows
    base = r.on_demand_usd[mine]
    cost = {policy: r.usd[policy][mine] / base for policy in found.policies}
    bound = float((r.foresight_usd[mine] / base).mean())
    mean = {policy: float(values.mean()) for policy, values in cost.items()}
    way = (mean[THEIRS] - mean[OURS]) / (mean[THEIRS] - bound) if mean[THEIRS] > bound else float("nan")
    return {
        "name": name,
        "axis": axis,
        "jobs": int(mine.sum()),
        "omniscient": round(bound, 4),
        "cost": {policy: round(value, 4) for policy, value in mean.items()},
        "late": {policy: int(r.late[policy][mine].sum()) for policy in found.policies},
        "dearer": {policy: round(float((values > 1 + 1e-9).mean()), 4) for policy, values in cost.items()},
        "dearest": {policy: round(float(values.max()), 4) for policy, values in cost.items()},
        "of_the_way": round(way, 3),
    }


def speed() -> dict[str, Any]:
    """Seconds of a hundred jobs over a year of minutes in ten zones, for each policy."""
    from solver.replay.jobs import Jobs, Prices
    from solver.replay.policies import POLICIES
    from solver.replay.run import replay

    market, draw = _year(), np.random.default_rng(1)
    work = draw.uniform(24, 72, JOBS)
    deadline = work * draw.uniform(1.1, 2.0, JOBS)
    start = draw.integers(0, YEAR_MINUTES - 144 * 60, JOBS)
    jobs = Jobs(work_hours=work, deadline_hours=deadline, restart_hours=np.full(JOBS, 0.1), start=start)
    prices = Prices(on_demand_usd_per_hour=3.06, spot_usd_per_hour=np.full(POOLS, 0.918))
    made = {}
    for policy in POLICIES:
        before = time.perf_counter()
        replay(market, jobs, prices, policy)
        made[policy.name] = round(time.perf_counter() - before, 2)
    return {"name": "a year of minutes, ten zones, a hundred jobs", "axis": "speed", "seconds": made}


def _year() -> Market:
    """Zones whose spells are drawn as `solver.spot.risk` describes them."""
    from solver.spot.traces import Market

    draw, rows = np.random.default_rng(0), []
    for _ in range(POOLS):
        hours = np.stack([(draw.random(40_000) ** -1.0 - 1) * s for s in (0.6, 0.5)], axis=1).ravel()
        spells = np.maximum(1, np.rint(np.minimum(hours, 500) * 60)).astype(np.int64)
        rows.append(np.repeat(np.arange(len(spells)) % 2 == 0, spells)[:YEAR_MINUTES])
    return Market(name="year", zones=tuple("abcdefghij"), gap_seconds=60, counts=np.array(rows).astype(np.int64))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page."""
    jobs, fast = [r for r in rows if r["axis"] != "speed"], [r for r in rows if r["axis"] == "speed"]
    made: list[str] = []
    if jobs:
        names = list(jobs[0]["cost"])
        titles = ("jobs of", "jobs", *names, "omniscient", "of the way", "late", "dearer", "dearest", "measured")
        made += [*grid(titles, (_cells(r, names) for r in jobs)), ""]
        made += grid(("goal", "met"), ((goal, yes(met)) for goal, met in _goals(jobs)))
    for r in fast:
        told = ", ".join(f"{name} {seconds:g} s" for name, seconds in r["seconds"].items())
        met = yes(max(r["seconds"].values()) <= SECONDS)
        made += ["", f"{r['name'].capitalize()}: {told}; within {SECONDS:g} s: {met} ({when(r)})."]
    return made


def _cells(r: dict[str, Any], names: list[str]) -> tuple[str, ...]:
    costs = [f"{r['cost'][n]:.1%}" for n in names]
    ours = (
        f"{r['of_the_way']:.0%}",
        str(sum(r["late"].values())),
        f"{r['dearer'][OURS]:.1%}",
        f"{r['dearest'][OURS]:.1%}",
    )
    return (r["name"], f"{r['jobs']:,}", *costs, f"{r['omniscient']:.1%}", *ours, when(r))


def _goals(rows: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    whole, markets = rows[0], [r for r in rows if r["axis"] == "market"]
    parts = [r for r in rows if r["axis"] != "all"]
    mean = max(r["cost"][OURS] for r in parts)
    return [
        ("no job late, under any policy", not sum(whole["late"].values())),
        (f"mean cost at least half-way from {THEIRS} to the omniscient ({whole['of_the_way']:.0%})",
         whole["of_the_way"] >= HALF_WAY),
        (f"never dearer than on demand alone, on average over any row (dearest {mean:.1%})", mean <= 1),
        (f"never dearer than on demand alone, in any job ({whole['dearer'][OURS]:.1%} are)", not whole["dearer"][OURS]),
        (f"no market in which uniform progress is cheaper ({sum(r['of_the_way'] < 0 for r in markets)} are)",
         all(r["of_the_way"] >= 0 for r in markets)),
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=None, metavar="DIR", help="folder of spot traces")
    parser.add_argument("--starts", type=int, default=1, metavar="N", help="starts of each job in each market")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where spot_jobs.json goes")
    parser.add_argument("--speed", action="store_true", help="only the speed over a year of minutes")
    options = parser.parse_args(arguments)
    about = stamp()
    rows = [about | speed()] if options.speed else _replayed(options.data, options.starts, about)
    protocol = {
        "jobs": f"@spot-jobs, {options.starts} start(s) at random in even parts of each trace",
        "cost": "mean over jobs of cost ÷ cost on demand alone; omniscient: lower bound of the mixed-integer program",
        "known": "a policy sees which zones are up in the tick, and what was before it in the trace",
        "speed": "spells drawn as solver.spot.risk describes them; wall seconds, one process",
    }
    if rows:
        save(options.results, NAME, protocol, rows)
        print("\n".join(table(rows)))


def _replayed(data: Path | None, starts: int, about: dict[str, Any]) -> list[dict[str, Any]]:
    from solver.replay.document import read_backtest
    from solver.replay.policies import POLICIES
    from solver.replay.study import backtest
    from solver.spot import read_markets

    where = folder(data)
    if where is None:
        return []
    document = read_backtest("@spot-jobs")
    if document.jobs is None:
        raise AssertionError("the packaged backtest has jobs")
    document = dataclasses.replace(document, jobs=dataclasses.replace(document.jobs, starts=starts))
    found = backtest([document], read_markets(where), POLICIES, told=lambda line: print(line, flush=True))
    return sums(found, about)


CASE = Case(
    name=NAME,
    measures="jobs with deadlines on spot, by policy, beside the omniscient; ten minutes",
    goal="none late, half-way from uniform progress to the omniscient; a year of minutes in 10 s",
    main=main,
    table=table,
    alone=False,
)
