"""Replicas, hours and nodes that demand needs on a candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
PICO_PER_MICRO = 10**6


def by_scenario(problem: Problem, per_block: Array) -> list[list[int]]:
    """Sums over the blocks of each scenario of each month's amounts [B, P]; [S][P]."""
    blocks = problem.blocks
    return [per_block[blocks.scenario == s].sum(axis=0).tolist() for s in range(len(blocks.probability))]


def hours_at_peak(problem: Problem, replicas: Array) -> Array:
    """Expected hours of replicas [K, B] that run in every hour of a month as at its peak; float [K]."""
    blocks = problem.blocks
    made = np.zeros(len(replicas))
    for s, share in enumerate(blocks.probability):
        for month in range(blocks.hours.shape[1]):
            inside = (blocks.scenario == s) & (blocks.hours[:, month] > 0)
            most = replicas[:, inside].max(axis=1, initial=0)
            made += float(share) * float(blocks.hours[inside, month].sum()) * most
    return made


def replicas_needed(problem: Problem, group: Array, rates: Array) -> Array:
    """Replicas in each block that do the work of these sources at so many units an hour each; int64 [K, B], -1: never.

    A flow needs enough of them in every block. A job runs in whole blocks of its window from the first on and ends in
    the smallest block that suffices: a training run as one gang, a divisible job on as many replicas as finish in time.
    """
    if not problem.sources.total_units[group].any():
        return ceil(problem.sources.units_per_hour[group].sum(axis=0)[None, :], rates[:, None])
    made = [_job_replicas(problem, group, rate) for rate in rates.tolist()]
    return np.array(made, dtype=np.int64).reshape(len(made), problem.blocks.count)


def _job_replicas(problem: Problem, group: Array, rate: int) -> Array:
    s, blocks = problem.sources, problem.blocks
    total, window = int(s.total_units[group].sum()), s.window[group].all(axis=0) & (blocks.total_hours > 0)
    gang = problem.workloads.kind[s.workload[group[0]]] == "training"
    made = np.zeros(blocks.count, dtype=np.int64)
    for scenario in problem.working:
        inside = np.flatnonzero(window & (blocks.scenario == scenario))
        hours = blocks.total_hours[inside]
        if total > 0 and not len(inside):
            return np.full(blocks.count, -1)
        count = 1 if gang else int(ceil(total, rate * int(hours.sum())))
        done = np.cumsum(hours) * count * rate
        if done[-1] < total:
            return np.full(blocks.count, -1)
        last = int(np.searchsorted(done, total))  # the first block whose end sees the work done
        left = total - (int(done[last - 1]) if last else 0)
        enough = last + np.flatnonzero(hours[last:] * count * rate >= left)
        end = int(enough[np.argmin(hours[enough])])
        made[inside[:last]] = count
        made[inside[end]] = int(ceil(left, rate * int(hours[end])))
    return made


def always_at_peak(problem: Problem, nodes: Array) -> Array:
    """Nodes in every hour of a month as at its peak, from nodes of blocks [B]; int64 [B, P]."""
    blocks = problem.blocks
    made = np.where(blocks.hours > 0, nodes[:, None], 0)
    for s in range(len(blocks.probability)):
        mine = blocks.scenario == s
        made[mine] = made[mine].max(axis=0, initial=0)
    return made


def weight(problem: Problem) -> Array:
    """Probability × hours of each block, float [B]."""
    blocks = problem.blocks
    return np.asarray(blocks.total_hours * np.array([float(x) for x in blocks.block_probability()]))


def ceil(units: Array | int, rate: Array | int) -> Array:
    """Whole replicas that give so many units."""
    return np.asarray(-(-units // rate))
