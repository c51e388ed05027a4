"""Replicas, hours and nodes that demand needs on a candidate."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
PICO_PER_MICRO = 10**6


def expected(problem: Problem, per_block: Array) -> list[Fraction]:
    """Sum over blocks of each month's amounts [B, P], weighted by the probability of the scenario; exact."""
    blocks = problem.blocks
    sums = [per_block[blocks.scenario == s].sum(axis=0).tolist() for s in range(len(blocks.probability))]
    return [
        sum((share * amount for share, amount in zip(blocks.probability, column, strict=True)), Fraction(0))
        for column in zip(*sums, strict=True)
    ]


def replica_hours(problem: Problem, replicas: Array, *, always_on: bool) -> Array:
    """Expected hours of replicas needed [K, B], in each block or in every hour of the month at its peak; float [K]."""
    blocks = problem.blocks
    if not always_on:
        return np.asarray(replicas @ weight(problem))
    made = np.zeros(len(replicas))
    for s, share in enumerate(blocks.probability):
        for month in range(blocks.hours.shape[1]):
            inside = (blocks.scenario == s) & (blocks.hours[:, month] > 0)
            most = replicas[:, inside].max(axis=1, initial=0)
            made += float(share) * float(blocks.hours[inside, month].sum()) * most
    return made


def job(problem: Problem, group: Array, units_per_hour: Array) -> tuple[Array, Array]:
    """Replicas and hours that finish a job on each candidate; 0 hours where its window is too short.

    A training run takes one gang; a divisible job as many replicas as finish it within the window.
    """
    s, work, blocks = problem.sources, problem.workloads, problem.blocks
    total, window = int(s.total_units[group].sum()), s.window[group].all(axis=0)
    open_hours = [blocks.total_hours[window & (blocks.scenario == i)].sum() for i in range(len(blocks.probability))]
    most = int(min(open_hours))
    if not most:
        return np.zeros_like(units_per_hour), np.zeros_like(units_per_hour)
    gang = work.kind[s.workload[group[0]]] == "training"
    replicas = np.ones_like(units_per_hour) if gang else -(-total // (units_per_hour * most))
    hours = -(-total // (units_per_hour * replicas))
    return replicas, np.where(hours <= most, hours, 0)


def job_run(p: Problem, group: Array, c: int) -> tuple[int, Array]:
    """Nodes of a job on its candidate, and the hours it fills of each block and month, the earliest first [B, P]."""
    blocks = p.blocks
    replicas, hours = (int(x[0]) for x in job(p, group, p.candidates.units_per_hour[[c]]))
    fill = np.zeros_like(blocks.hours)
    for s in range(len(blocks.probability)):
        inside = np.flatnonzero(p.sources.window[group].all(axis=0) & (blocks.scenario == s))
        by_month = blocks.hours[inside].T.ravel()
        before = np.cumsum(by_month) - by_month
        fill[inside] = np.clip(hours - before, 0, by_month).reshape(-1, len(inside)).T
    return replicas * int(p.candidates.nodes_per_replica[c]), fill


def flow_nodes(p: Problem, group: Array, c: int, *, always_on: bool) -> Array:
    """Nodes of flows that share a candidate, int64 [B, P]."""
    blocks, rate = p.blocks, int(p.candidates.units_per_hour[c])
    nodes = ceil(p.sources.units_per_hour[group].sum(axis=0), rate) * int(p.candidates.nodes_per_replica[c])
    made = np.where(blocks.hours > 0, nodes[:, None], 0)
    if always_on:
        for s in range(len(blocks.probability)):
            mine = blocks.scenario == s
            made[mine] = made[mine].max(axis=0, initial=0)
    return made


def weight(problem: Problem) -> Array:
    """Probability × hours of each block, float [B]."""
    blocks = problem.blocks
    return np.asarray(blocks.total_hours * np.array([float(x) for x in blocks.block_probability()]))


def ceil(units: Array, rate: Array | int) -> Array:
    """Whole replicas that give so many units."""
    return np.asarray(-(-units // rate))
