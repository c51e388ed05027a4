"""Commitments, exact and at size: `python -m benchmarks commitments [--count N] [--pools N] [--time-limit S]`.

Small problems (shared plans, reservations, accounts, futures, weight on the worst) at gap 0 against every quantity
tried with the arithmetic of finance; isolated pools of a year's hours against the weighted quantile; and growing
problems: seconds, proved gap, memory. Each of those is planned in a process of its own.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case, grid, named_faults, when
from .process import figures, peak_mib
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from solver.reserve import Reserve

Array = np.ndarray[Any, np.dtype[Any]]
NAME = "commitments"
GAP, TIME_LIMIT_S, MONTH_H, YEAR_H = 1e-3, 120.0, 730, 8760
POOL_PROBLEMS, POOLS = 100, 10
SIZES = ((2, 12, 1, 1), (6, 36, 10, 1), (6, 36, 10, 12), (20, 36, 10, 12), (20, 36, 50, 12), (60, 36, 20, 12))
SHARED = (False, True)
OPTIONS = (("commit_1y", YEAR_H, 0.65, 0.0), ("commit_3y", 3 * YEAR_H, 0.45, 0.0), ("upfront_1y", YEAR_H, 0.0, 0.6))


def small(count: int, first: int, jobs: int = 1) -> dict[str, Any]:
    """The row of small problems: optimum by every quantity tried, in whole micro-dollars, none below the bound."""
    from solver.reserve import commit

    from .commitment_cases import drawn, enumerated

    def wrong(seed: int) -> str:
        reserve = drawn(seed)
        found, best = commit(reserve, gap=0.0), enumerated(reserve)
        if found.upper_micro_usd != round(best):
            return f"{found.upper_micro_usd} micro-dollars, {round(best)} by enumeration"
        return f"bound {found.lower_micro_usd} above {float(best)}" if found.lower_micro_usd > best else ""

    return agreement("small, shared plans: every quantity tried", range(first, first + count), wrong, jobs)


def isolated(count: int, first: int, jobs: int = 1) -> dict[str, Any]:
    """The row of isolated pools: the weighted quantile of a year's hours, micro-dollar by micro-dollar."""
    from solver.fleet.commitments import whole
    from solver.reserve import commit

    def wrong(seed: int) -> str:
        nodes, prices, rates = pools_alone(seed)
        found = commit(apart(nodes, prices, rates), gap=0.0)
        hours = np.ones(nodes.shape[1])
        best = whole(nodes[0].T, hours, rates * len(hours) / 1e6, prices / 1e6, np.full(len(prices), np.inf))
        cost = int(np.maximum(nodes[0] - best, 0).sum(axis=0) @ prices + (best @ rates) * len(hours))
        same = found.upper_micro_usd == cost
        return "" if same else f"{found.upper_micro_usd} micro-dollars, {cost} by the quantile"

    return agreement(f"{POOLS} isolated pools, a year's hours: the quantile", range(first, first + count), wrong, jobs)


def agreement(name: str, seeds: Iterable[int], wrong: Callable[[int], str], jobs: int = 1) -> dict[str, Any]:
    """A row of problems, and what was wrong with which."""
    import joblib

    def timed(seed: int) -> tuple[int, str, float]:
        start = time.process_time()
        return seed, wrong(seed), time.process_time() - start

    head = stamp()
    found = joblib.Parallel(n_jobs=jobs)(joblib.delayed(timed)(seed) for seed in seeds)
    faults = {str(seed): [said] for seed, said, _ in found if said}
    each = 1000 * sum(cpu for _, _, cpu in found) / max(1, len(found))
    return head | {
        "name": name, "problems": len(found), "wrong": len(faults), "faults": faults, "cpu_ms": round(each, 1)
    }  # fmt: skip


def pools_alone(seed: int) -> tuple[Array, Array, Array]:
    """Nodes [1, T, Q] of a year, micro-dollars an hour on demand and committed [Q]; some commitments never pay."""
    rng = np.random.default_rng(seed)
    day = 1 + rng.uniform(0, 0.6, POOLS) * np.sin(2 * np.pi * np.arange(YEAR_H)[:, None] / 24)
    nodes = rng.poisson(rng.uniform(1, 60, POOLS) * day)[None]
    prices = rng.integers(2_000_000, 90_000_000, POOLS)
    return nodes, prices, (prices * rng.uniform(0.2, 1.1, POOLS)).astype(np.int64)


def apart(nodes: Array, prices: Array, rates: Array) -> Reserve:
    """One commitment for each pool, over all hours."""
    one = np.eye(len(prices), dtype=np.int64)
    hours = nodes.shape[1]
    rows = [_row("commit_1y", f"n{q}", one[q].tolist(), int(rates[q]), last_hour=hours) for q in range(len(prices))]
    return _problem(nodes, prices, rows)


def large(pools: int, months: int, futures: int, starts: int, *, shared: bool, seed: int = 0) -> Reserve:
    """Pools of two regions that grow by future, a ladder of starts, three reservations each; a plan across them all."""
    rng = np.random.default_rng(seed)
    hours = months * MONTH_H
    prices = rng.integers(10_000_000, 60_000_000, pools)
    t, base = np.arange(hours), rng.uniform(4, 30, pools)
    day = 1 + 0.4 * np.sin(2 * np.pi * t / 24)[:, None]
    growth = np.exp(rng.normal(0.02, 0.02, (futures, 1, 1)) * (t / MONTH_H)[None, :, None])
    noise = np.exp(0.1 * rng.standard_normal((futures, hours, pools)))
    nodes = np.ceil(base * day * growth * noise).astype(np.int64)
    one, rows = np.eye(pools, dtype=np.int64), []
    for first in range(0, starts * MONTH_H, MONTH_H):
        for q in range(pools):
            rows += [
                _row(
                    option, f"n{q}", one[q].tolist(), int(prices[q] * rate), first_hour=first, last_hour=first + term,
                    upfront_micro_usd=int(prices[q] * upfront * term),
                ) for option, term, rate, upfront in OPTIONS
            ]  # fmt: skip
        if shared:
            takes = (prices * 0.7).astype(np.int64).tolist()
            plan = {"unit": "usd", "order": 40, "capacity": 1000, "first_hour": first, "last_hour": first + YEAR_H}
            rows.append(_row("savings_1y", "aws", takes, 1000, **plan))
    return _problem(nodes, prices, rows)


def _row(option: str, where: str, takes: list[int], rate: int, **fields: Any) -> dict[str, Any]:
    return {
        "option": option, "title": option, "where": where, "account": "", "buyer": "", "unit": "node", "order": 20,
        "capacity": 1, "takes": takes, "micro_usd_per_hour": rate, "upfront_micro_usd": 0, "first_hour": 0,
        "last_hour": YEAR_H, "owned": 0, "most": -1, "source": "", **fields,
    }  # fmt: skip


def _problem(nodes: Array, prices: Array, rows: list[dict[str, Any]]) -> Reserve:
    from solver.reserve import Choices, Pools, Reserve, Usage

    count, futures = len(prices), len(nodes)
    pools = Pools(
        account=np.full(count, "", object), provider=np.full(count, "aws", object),
        region=np.array([f"r{q % 2}" for q in range(count)], object),
        node=np.array([f"n{q}" for q in range(count)], object), on_demand_micro_usd=prices,
    )  # fmt: skip
    usage = Usage(
        start=datetime.date(2027, 1, 1), nodes=nodes.astype(np.int64), probability=(Fraction(1, futures),) * futures
    )
    return Reserve(pools=pools, usage=usage, choices=Choices.of(rows, count))


def plan(words: str, time_limit_s: str) -> dict[str, Any]:
    """What a large problem takes: seconds of optimising, wall and CPU, peak MiB of the process, gap."""
    from solver.reserve.optimise import optimum

    *size, shared = (int(word) for word in words.split("x"))
    reserve = large(*size, shared=bool(shared))
    wall, cpu = time.monotonic(), time.process_time()
    found = optimum(reserve, gap=GAP, time_limit_s=float(time_limit_s))
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    return {
        "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mib": round(peak_mib()),
        "gap": round(max(0.0, 1 - found.lower_usd / found.upper_usd), 6), "usd": round(found.upper_usd, 2),
        "nothing_usd": round(float(_nothing(reserve)), 2),
    }  # fmt: skip


def _nothing(reserve: Reserve) -> float:
    return float(reserve.usage.nodes.sum(axis=1).mean(axis=0) @ reserve.pools.on_demand_micro_usd) / 1e6


def sized(size: tuple[int, ...], time_limit_s: float, log: Path, *, shared: bool) -> dict[str, Any]:
    """The row of a large problem."""
    pools, months, futures, starts = size
    options = starts * (pools * len(OPTIONS) + shared)
    words = "x".join(map(str, (*size, int(shared))))
    row = {
        "name": f"{pools} pools, {months * MONTH_H:,} h, {futures} futures, {starts} starts, shared plan: {shared}",
        "size": [pools, months * MONTH_H, futures, starts, options],
        "shared": shared,
    }
    return row | figures((sys.executable, "-m", "benchmarks.commitments", words, f"{time_limit_s:g}"), log)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page: agreement, then what size takes."""
    small_ones = [row for row in rows if "problems" in row]
    cells = (
        (row["name"], f"{row['problems']:,}", f"{row['wrong']:,}", f"{row['cpu_ms']:.0f}", when(row))
        for row in small_ones
    )
    lines = grid(("against", "problems", "wrong", "mean cpu ms", "measured, at revision"), cells)
    titles = ("pools", "hours", "futures", "starts", "things to buy", "shared plan", "wall s", "cpu s", "peak MiB")
    large_ones = (row for row in rows if "size" in row)
    both = ("gap", "saves", "measured, at revision")
    return [*lines, *named_faults(small_ones), "", *grid((*titles, *both), map(_cells, large_ones))]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    size = (f"{n:,}" for n in row["size"])
    taken = (f"{row['wall_s']:.1f}", f"{row['cpu_s']:.1f}", f"{row['peak_mib']:,}", f"{row['gap']:.3%}")
    return *size, "yes" if row["shared"] else "no", *taken, f"{1 - row['usd'] / row['nothing_usd']:.1%}", when(row)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000, help="small problems (default 1000)")
    parser.add_argument("--pools", type=int, default=POOL_PROBLEMS, help="problems of isolated pools (default 100)")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="how many sizes, from the smallest on")
    parser.add_argument("--seed", type=int, default=0, help="of the first problem")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes that compare (default 2)")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT_S, metavar="S", help="of each large one")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where commitments.json goes")
    asked = parser.parse_args(arguments)
    protocol = {
        "count": asked.count, "seed": asked.seed, "gap": "0 where compared, 0.1 % at size",
        "time limit": f"{asked.time_limit:g} s at size",
        "at size": "three reservations a pool and start; saved against all on demand",
    }  # fmt: skip
    rows = []
    for compared, count in ((small, asked.count), (isolated, asked.pools)):
        rows.append(compared(count, asked.seed, asked.jobs))
        save(asked.results, NAME, protocol, rows)
    with tempfile.TemporaryDirectory() as folder:
        for shared in SHARED:
            for size in SIZES[: asked.sizes]:
                rows.append(stamp() | sized(size, asked.time_limit, Path(folder) / "log", shared=shared))
                save(asked.results, NAME, protocol, rows[-1:])
                print("\n".join(table(rows[-1:])[-1:]), flush=True)
    print("\n".join(table(rows)))


CASE = Case(
    name=NAME,
    measures="commitments against every quantity tried and the quantile, and how they grow; a quarter of an hour",
    goal="none wrong; gap 0.1 % at size",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    print(json.dumps(plan(*sys.argv[1:])))
