"""A smaller problem of the same kind: like blocks stand in for one another, to find good candidates quickly."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]


def thin(problem: Problem, blocks: int) -> Problem:
    """About so many blocks, each standing for its neighbours in demand with the same scenario, windows and coverage.

    Only a guide: what is found on it is proved, or not, on the whole problem.
    """
    b = problem.blocks
    if b.count <= blocks:
        return problem
    s = problem.sources
    demand = (s.units_per_hour / np.maximum(s.units_per_hour.max(axis=1, keepdims=True, initial=0), 1)).sum(axis=0)
    quarter = b.hours.argmax(axis=1) * 4 // max(1, b.hours.shape[1])
    up = problem.outages.up if problem.outages else np.zeros((0, b.count))
    signature = np.concatenate([s.window, problem.offers.active, up, [b.scenario, quarter]]).astype(np.int64)
    kind = np.unique(signature, axis=1, return_inverse=True)[1].reshape(-1)
    order = np.lexsort((np.arange(b.count), demand, kind))
    size = max(1, round(b.count / blocks))
    starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
    lengths = np.diff(np.append(starts, b.count))
    place = np.concatenate([np.arange(n) // size for n in lengths])
    group = np.unique(np.stack([kind[order], place]), axis=1, return_inverse=True)[1].reshape(-1)
    hours = np.zeros((group.max() + 1, b.hours.shape[1]), dtype=np.int64)
    np.add.at(hours, group, b.hours[order])
    first = np.flatnonzero(np.diff(group, prepend=-1))
    last = np.append(first[1:], b.count) - 1
    kept = order[(first + last + 1) // 2]
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(b, hours=hours, scenario=b.scenario[kept]),
        offers=dataclasses.replace(problem.offers, active=problem.offers.active[:, kept]),
        sources=dataclasses.replace(s, units_per_hour=s.units_per_hour[:, kept], window=s.window[:, kept]),
        limits=problem.limits.in_blocks(kept),
        outages=problem.outages.in_blocks(kept) if problem.outages else None,
        grid_g_co2_per_kwh=problem.grid_in_blocks(kept),
    )
