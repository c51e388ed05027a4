"""Backtests of a fleet spec's own training runs: the gang, its prices, its work and its deadline, over any trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..problem import FIRM, ON_DEMAND
from ..problem import SPOT as SPOT_OFFER
from ..workloads.fields import NAME_LENGTH
from .document import MOST_RATIO, MOST_RESTART_HOURS, Backtest, GangPrices, JobGrid

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
STARTS, ZONES = 8, (1, 3)
MINUTES = 60.0


def of_problem(problem: Problem) -> tuple[Backtest, ...]:
    """A backtest for each training run: on the pool and gang that would cost least on spot, were it never lost.

    A start costs `restart_minutes`, and half of `checkpoint_minutes` for the work since the last checkpoint (with
    `auto`, what a checkpoint takes). Runs whose start takes more than a day are left out.

    Raises:
        InputError: no training run of the spec fits its window on a pool with a spot price.
    """
    written = json.loads(problem.provenance.get("spec") or "{}").get("workloads", [])
    fields = {workload["name"]: workload for workload in written}
    made = []
    for w in np.flatnonzero(problem.workloads.kind == "training").tolist():
        found = _backtest(problem, w, fields.get(str(problem.workloads.name[w]), {}))
        made += [found] if found else []
    if not made:
        mend = "allow options on_demand and spot, and a deadline that on demand can meet"
        raise InputError("no training run with a pool sold both ways", where="backtest", mend=mend)
    return tuple(made)


def _backtest(problem: Problem, w: int, written: dict[str, Any]) -> Backtest | None:
    c, s = problem.candidates, problem.sources
    between = written.get("checkpoint_minutes", 0.0)
    lost = written.get("checkpoint_cost_minutes", 0.0) if isinstance(between, str) else between / 2
    restart = (written.get("restart_minutes", 0.0) + lost) / MINUTES
    source = int(np.flatnonzero(s.workload == w)[0])
    window = float(problem.blocks.total_hours[s.window[source] & (problem.blocks.scenario == 0)].sum())
    on_demand, spot = (_usd_per_hour(problem, kind) for kind in (ON_DEMAND, SPOT_OFFER))
    mine = np.flatnonzero((c.workload == w) & (c.market == FIRM))
    hours = s.total_units[source] / np.maximum(c.units_per_hour[mine], 1)
    cost = hours * c.nodes_per_replica[mine] * spot[c.pool[mine]]
    cost = np.where((hours + restart <= window) & np.isfinite(on_demand[c.pool[mine]]), cost, np.inf)
    if not len(mine) or not np.isfinite(cost.min()) or restart > MOST_RESTART_HOURS:
        return None
    best = int(cost.argmin())
    pool, nodes = int(c.pool[mine[best]]), int(c.nodes_per_replica[mine[best]])
    return Backtest(
        name=f"{problem.workloads.name[w]} on {nodes} {problem.pool_names[pool]}"[:NAME_LENGTH],
        prices=GangPrices(on_demand_usd_per_hour=nodes * on_demand[pool], spot_usd_per_hour=nodes * spot[pool]),
        jobs=JobGrid(work_hours=(float(hours[best]),), deadline_ratio=(min(window / float(hours[best]), MOST_RATIO),),
                     restart_hours=(restart,), zones=ZONES, starts=STARTS),
    )  # fmt: skip


def _usd_per_hour(problem: Problem, kind: int) -> Array:
    """Least price of each pool, dollars an hour [Q]; inf where it is not sold so."""
    price = np.full(len(problem.pool_shape), np.inf)
    rows = np.flatnonzero(problem.offers.kind == kind)
    np.minimum.at(price, problem.offers.pool[rows], problem.offers.micro_usd_per_hour[rows] / 1e6)
    return price
