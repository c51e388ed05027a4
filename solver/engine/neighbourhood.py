"""Better whole plans by large neighbourhoods (Shaw 1998): a part is searched anew, all else keeps its values.

Some workloads with the commitments of their pools, in turn with all that runs in a block. Workloads that meet in many
pools are freed together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .parts import objective, residual

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..formulation import Formulation
    from ..model import Program
    from .parts import Effort

Array = np.ndarray[Any, np.dtype[Any]]
LEAST, FIRST, MOST = 2, 5, 40  # workloads freed at once
SECONDS = 2.0  # of one search
GAP = 1e-4
LITTLE = 1e-6  # of the cost: no gain
MOST_SEARCHES, NO_END = 60, 10**6  # in a run that must not depend on a clock, and in others
PATIENCE = 3  # times as many searches without a gain as there are workloads, and it ends


def improve(
    f: Formulation,
    program: Program,
    values: Array,
    *,
    stop: Callable[[float], bool],
    report: Callable[[Array, float], None],
    effort: Effort,
) -> Array:
    """Whole values [n] at least as good. `stop(cost)` is asked before each search; `report` hears of what is better."""
    rng, met = np.random.default_rng(effort.seed), _meetings(f)
    best, cost, size, idle = values, objective(program, values), FIRST, 0
    blocks = f.problem.blocks.count
    for turn in range(MOST_SEARCHES if effort.nodes is not None else NO_END):
        if stop(cost) or idle >= PATIENCE * len(met):
            break
        whole = turn % 2 == 0 or blocks == 1
        part = _of_workloads(f, program, _chosen(met, min(size, len(met)), rng)) if whole else None
        part = _of_block(f, program, int(rng.integers(blocks))) if part is None else part
        rest, free = residual(program, ~part, best)
        answer = effort.solve(rest, gap=GAP, seconds=SECONDS)
        if whole:
            size, idle = min(size + 1, MOST) if answer.status == "optimal" else max(size - 1, LEAST), idle + 1
        if answer.values is None:
            continue
        found = best.copy()
        found[free] = np.where(rest.whole, np.round(answer.values), answer.values)
        if (less := objective(program, found)) < cost * (1 - LITTLE):
            best, cost, idle = found, less, 0
            report(best, cost)
        elif whole and size >= len(met) and answer.status == "optimal":
            break
    return best


def _meetings(f: Formulation) -> Array:
    """In how many pools two workloads may meet, [W, W]; rows without candidates are 0."""
    use = np.zeros((len(f.problem.workloads.name), len(f.problem.pool_shape)))
    use[f.of("workload"), f.of("pool")] = 1.0
    return np.asarray(use @ use.T)


def _chosen(met: Array, size: int, rng: Any) -> Array:
    """Workloads to free: one by chance, then others, likelier the more they meet those chosen."""
    chosen = [int(rng.integers(len(met)))]
    while len(chosen) < size:
        likely = met[chosen].sum(axis=0) + 1e-3
        likely[chosen] = 0.0
        chosen.append(int(rng.choice(len(met), p=likely / likely.sum())))
    return np.array(chosen)


def _of_workloads(f: Formulation, program: Program, chosen: Array) -> Array:
    """Columns to search, a mask [n]: all of these workloads, and nodes of their pools."""
    made, offers = np.ones(program.shape[1], dtype=bool), f.problem.offers
    mine = np.isin(f.of("workload"), chosen)
    pools = np.unique(f.of("pool")[mine])
    made[f.replicas[~mine].ravel()] = False
    made[f.placed[~np.isin(f.of("workload")[f.gangs], chosen)]] = False
    made[f.unserved[~np.isin(f.problem.sources.workload, chosen)].ravel()] = False
    made[f.on_demand[~np.isin(offers.pool[f.on_demand_offers], pools)].ravel()] = False
    made[f.committed[~np.isin(offers.pool[f.commitments], pools)]] = False
    return made


def _of_block(f: Formulation, program: Program, block: int) -> Array:
    """Columns to search, a mask [n]: all that runs in a block beside the commitments."""
    made = np.ones(program.shape[1], dtype=bool)
    made[f.committed] = made[f.placed] = False
    others = np.arange(f.problem.blocks.count) != block
    flows = f.problem.sources.total_units == 0
    for columns in (f.replicas, f.on_demand, f.unserved[flows, : len(others)]):
        made[columns[:, others].ravel()] = False
    return made
