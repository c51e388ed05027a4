"""A schedule out of the relaxation: jobs it is surest of are settled, prices follow, and so on to the last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .tiers import BLOCKED

if TYPE_CHECKING:
    from collections.abc import Callable

    from .smooth import Smooth
    from .straight import Straight

Array = np.ndarray[Any, np.dtype[Any]]
ROUNDS, STEPS, HEAT = 100, 5, 0.001  # settlings; steps of prices in each, and their heat
SURE = 0.95  # part of a way from which a job is settled at once
DEARER, LOOKED = 5.0, 4  # heats that a way may add beyond its price; quotas of jobs looked at in a round


def dive(smooth: Smooth, board: Straight, stop: Callable[[], bool]) -> None:
    """Settle all jobs that can run; those that are left when told to stop stay off."""
    heat, quota = HEAT * smooth.typical, max(1, math.ceil(len(board.at) / ROUNDS))
    settled = np.zeros(len(board.at), dtype=bool)
    while len(smooth.job) and not stop():
        smooth.climb(np.full(STEPS, heat))
        for job, way in _surest(smooth, board, quota):
            board.put(job, way)
            settled[job] = True
        added = board.flat[board.end[smooth.way]] - board.flat[board.begin[smooth.way]]
        smooth.narrow((added < BLOCKED) & ~settled[smooth.job], board.load, heat)
        waiting = np.zeros(len(settled), dtype=bool)
        waiting[smooth.job] = True
        for job in np.flatnonzero(~settled & ~waiting).tolist():  # none of its good ways is free any more
            settled[job] = True
            board.put(job, board.best(job)[0])


def _surest(smooth: Smooth, board: Straight, quota: int) -> list[tuple[int, int]]:
    """Jobs with their ways, the surest first, that do not stand in one another's way; one at least."""
    top = np.maximum.reduceat(smooth.part, smooth.first)
    at = np.flatnonzero(smooth.part >= top[smooth.row])
    at = at[np.unique(smooth.row[at], return_index=True)[1]]
    load, made = board.load.copy(), list[tuple[int, int]]()
    sure, price = np.maximum(top, smooth.out), smooth.costs(smooth.ahead)[at] + DEARER * HEAT * smooth.typical
    for looked, row in enumerate(np.argsort(-sure, kind="stable").tolist()):
        if (len(made) >= quota and sure[row] < SURE) or looked >= LOOKED * quota:
            break
        way = int(smooth.way[at[row]])
        if smooth.out[row] > top[row]:
            made.append((int(smooth.job[at[row]]), -1))
            continue
        pool, first, last = board.span(way)
        size = int(board.ways.size[way])
        added = int(board.tiers.added(load, pool, size, first, last).sum()) + int(board.ways.once[way])
        if added <= price[row]:  # else others of this round have taken the cheap nodes: let prices follow first
            made.append((int(smooth.job[at[row]]), way))
            load[pool, first:last] += size
    return made or [(job := int(smooth.job[0]), board.best(job)[0])]
