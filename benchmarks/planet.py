"""A whole operator: `python -m benchmarks planet [SIZE] [--kind deterministic] [--budget SHARE] [--workers N]`.

By default 1,000 workloads, 100 regions, 2,000 pools, the 8,760 hours of a year and 20 scenarios of demand: 175,200
slots in which each workload's demand and each pool's spot capacity is drawn on its own, so that no two are alike. The
budget row limits upfront cash to a share of what the plan without it spends.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from solver.fleet import Fleet, Slots, plan_fleet

from .cases import Case, grid, when, yes
from .instances import COMMITMENTS, REGION_UP, Size, draw
from .process import peak_mib
from .results import FOLDER, save, stamp

Array = np.ndarray[Any, np.dtype[Any]]
NAME = "planet"
SIZE = "1000x100x2000x8760x20"
SEED = 3
GROWTH = 0.25  # of demand over a year
AT_ONCE = 240  # hours drawn together
GOALS = {"statistical": (0.01, 60.0), "deterministic": (0.03, 300.0)}  # gap at most, seconds
FEW = 200  # slots
EXACT = (0.001, 20.0)  # the goals of so few


def operator(size: Size, seed: int, folder: Path) -> tuple[Fleet, Slots]:
    """A fleet with the market and workloads of `instances`.

    Demand and spot capacity are those of `instances` where the slots are few, else drawn for every hour, into files.
    """
    drawn = draw(size if size.blocks <= FEW else dataclasses.replace(size, hours=24, scenarios=1), seed)
    slots = _as_drawn(drawn) if size.blocks <= FEW else _slots(size, np.random.default_rng([seed, 100]), drawn, folder)
    committed = drawn.committed_micro_usd / 1e6
    fleet = Fleet(
        on_demand_usd_per_hour=drawn.on_demand_micro_usd / 1e6,
        spot_usd_per_hour=drawn.spot_micro_usd / 1e6,
        committed_usd=committed * size.hours,
        upfront_usd=committed * [term * at_once for _, term, _, at_once in COMMITMENTS],
        quota_nodes=drawn.quota_nodes.astype(float),
        workload=drawn.edge_workload,
        pool=drawn.edge_pool,
        units_per_hour=drawn.edge_units.astype(float),
        max_spot_share=drawn.spot_share / 100,
        unserved_usd_per_unit=np.full(size.workloads, drawn.unserved_micro_usd / 1e6),
    )
    return fleet, slots


def _as_drawn(drawn: Any) -> Slots:
    size = drawn.size
    return Slots(
        demand=drawn.demand.T.astype(np.float32),
        spot=drawn.spot_nodes.T.astype(np.float32),
        spot_nodes=np.ones(size.pools, np.float32),
        hours=np.full(size.blocks, 1 / size.scenarios),
        hour=np.tile(np.arange(size.hours), size.scenarios),
        scenario=np.repeat(np.arange(size.scenarios), size.hours),
    )


def _slots(size: Size, rng: Any, day: Any, folder: Path) -> Slots:
    """Hours of a year: days by local time, weeks, growth over the year, growth of scenarios, noise of 8 % in each."""
    hour, w, n = np.arange(size.hours), size.workloads, size.blocks
    base, swing = day.demand.mean(axis=1), rng.uniform(0.2, 0.7, w)
    phase = rng.uniform(0, 2 * np.pi, len(day.latitude))[day.home]
    weekly = (1 - 0.18 * (hour // 24 % 7 >= 5)) * (1 + GROWTH * hour / 8760)
    growth = np.exp(rng.normal(0, 0.25, (size.scenarios, w)) + rng.normal(0, 0.15, (size.scenarios, 1)))
    demand = np.lib.format.open_memmap(folder / "demand.npy", "w+", np.float32, (n, w))
    spot = np.lib.format.open_memmap(folder / "spot.npy", "w+", np.bool_, (n, len(day.pool_site)))
    available = rng.uniform(0.3, 0.95, len(day.pool_site))
    for first in range(0, size.hours, AT_ONCE):
        some = hour[first : first + AT_ONCE]
        wave = 1 + swing * np.sin(some[:, None] * (2 * np.pi / 24) + phase)
        mean = (base * np.maximum(wave * weekly[some, None], 0.05))[:, None, :] * growth
        rows = slice(first * size.scenarios, (first + len(some)) * size.scenarios)
        demand[rows] = (mean * np.exp(0.08 * rng.standard_normal(mean.shape, dtype=np.float32))).reshape(-1, w)
        up = rng.random((len(mean) * size.scenarios, len(day.latitude)), dtype=np.float32) < REGION_UP
        there = rng.random((len(up), len(available)), dtype=np.float32) < available
        spot[rows] = there & up[:, day.pool_site]
    demand.flush()
    spot.flush()
    return Slots.stored(
        folder,
        spot_nodes=day.spot_nodes.max(axis=1).astype(np.float32),
        hours=np.full(n, 1 / size.scenarios),
        hour=np.repeat(hour, size.scenarios),
        scenario=np.tile(np.arange(size.scenarios), size.hours),
    )


def measure(size: str, kind: Any, budget: float, workers: int, samples: int = 3) -> dict[str, Any]:
    """A row: the certificates and what they took; with a budget, of the fleet under it."""
    with tempfile.TemporaryDirectory() as folder:
        fleet, slots = operator(Size.of(size), SEED, Path(folder))
        if budget:
            free = plan_fleet(fleet, slots, samples=2, workers=workers)
            fleet = dataclasses.replace(fleet, upfront_max_usd=budget * free.upfront_usd)
        began = time.monotonic()
        plan = plan_fleet(fleet, slots, kind=kind, samples=samples, workers=workers, report=_report)
        wall = time.monotonic() - began
    found = plan.certificate
    most, limit_s = EXACT if slots.count <= FEW else GOALS[kind]
    row = {
        "name": f"{size}, {found.kind}" + (f", {budget:.0%} of the upfront cash" if budget else ""),
        "slots": slots.count, "slots_seen": found.slots, "upper_usd": found.upper_usd, "lower_usd": found.lower_usd,
        "half_width_usd": found.upper_half_width_usd, "gap": found.gap, "gap_at_most": found.gap_at_most,
        "unserved": found.unserved, "cash_price": plan.cash_price, "workers": workers, "wall_s": wall,
        "goal_gap": most, "goal_s": limit_s,
        "stages_s": plan.seconds,
        "parent_mib": peak_mib(),
    }  # fmt: skip
    return row | {"tight": found.gap_at_most <= most, "fast": wall <= limit_s}


def _report(stage: str, share: float) -> None:
    print(f"\r{stage} {share:4.0%}", end="\n" if share == 1 else "", flush=True)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the page."""
    titles = ("fleet", "slots seen", "cost M USD", "bound M USD", "gap", "at most", "of", "wall s", "of", "measured")
    return grid(titles, map(_cells, rows))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    usd = f"{row['upper_usd'] / 1e6:,.1f}" + (f" ± {row['half_width_usd'] / 1e6:,.1f}" if row["half_width_usd"] else "")
    return (
        row["name"],
        f"{row['slots_seen']:,} of {row['slots']:,}",
        usd,
        f"{row['lower_usd'] / 1e6:,.1f}",
        f"{row['gap']:.2%}",
        f"{row['gap_at_most']:.2%}",
        f"{row['goal_gap']:.1%}: {yes(row['tight'])}",
        f"{row['wall_s']:.0f}",
        f"{row['goal_s']:.0f}: {yes(row['fast'])}",
        when(row),
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "size", nargs="?", default=SIZE, help=f"workloads x regions x pools x hours x scenarios ({SIZE})"
    )
    parser.add_argument("--kind", choices=tuple(GOALS), default="statistical")
    parser.add_argument("--budget", type=float, default=0.0, help="share of the upfront cash of the plan without it")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--results", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    row = stamp() | measure(given.size, given.kind, given.budget, given.workers)
    print("\n".join(table([row])))
    save(given.results, NAME, {"seed": SEED, "samples": 3, "confidence": 0.95}, [row])


CASE = Case(
    name=NAME,
    measures="commitments of a whole operator, and the certificate of their cost",
    goal="statistical 1 % in 60 s, deterministic 3 % in 5 min",
    main=main,
    table=table,
    alone=False,
)


if __name__ == "__main__":
    main()
