"""Blocks that ask for the same in every respect, as one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..table import Table

if TYPE_CHECKING:
    from ..problem import Problem
    from .reduced import Reduced

Array = np.ndarray[Any, np.dtype[Any]]
MERGED = "blocks merged"


def equal_blocks(r: Reduced) -> Reduced:
    """One block for those of a scenario with the same demand, commitments in force, nodes missing and zones up.

    Not blocks in which jobs may run, and none at all where something adds blocks up that is not the cost: there a
    mixture of two ways may be better than either.
    """
    p = r.problem
    if _added_up(p):
        return r.with_blocks(p, np.arange(p.blocks.count), MERGED)
    label = _labels(p)
    _, first, at = np.unique(label, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rows, now = first[order], np.argsort(order)[np.reshape(at, -1)]
    b = p.blocks
    hours = np.zeros((len(rows), b.hours.shape[1]), dtype=np.int64)
    np.add.at(hours, now, b.hours)
    problem = dataclasses.replace(
        p,
        blocks=dataclasses.replace(b, hours=hours, scenario=b.scenario[rows], calendar=Table({})),
        offers=dataclasses.replace(p.offers, active=p.offers.active[:, rows]),
        sources=dataclasses.replace(
            p.sources, units_per_hour=p.sources.units_per_hour[:, rows], window=p.sources.window[:, rows]
        ),
        limits=p.limits.in_blocks(rows),
        outages=None if p.outages is None else p.outages.in_blocks(rows),
        grid_g_co2_per_kwh=p.grid_in_blocks(rows),
    )
    return r.with_blocks(problem, now, MERGED)


def _added_up(p: Problem) -> bool:
    """Whether a limit or a price adds up over blocks what is not the cost of a scenario."""
    limits = p.limits
    months = any(usd is not None for usd in limits.monthly_budget_micro_usd)
    rises = bool(limits.robust_budget and limits.uncertain)
    return months or rises or limits.carbon_max_g is not None or bool(limits.unserved)


def _labels(p: Problem) -> Array:
    """Equal for blocks that are alike, int64 [B]; of blocks in a window of a job each is its own."""
    s = p.sources
    working = s.window[s.total_units > 0].any(axis=0)
    alone = np.where(working, 1 + np.arange(p.blocks.count), 0)
    flows = np.flatnonzero(s.total_units == 0)
    missing = [np.array(q.missing, dtype=np.int64)[None] for q in p.limits.quotas if q.missing]
    up = p.outages.up if p.outages is not None else np.zeros((0, p.blocks.count), dtype=np.int64)
    if p.outages is not None and p.outages.spot is not None:
        up = np.concatenate([up, p.outages.spot])
    if p.grid_g_co2_per_kwh is not None:  # as numbers of kinds of hours
        up = np.concatenate([up, np.unique(p.grid_g_co2_per_kwh, axis=1, return_inverse=True)[1].reshape(1, -1)])
    parts = [p.blocks.scenario[None], alone[None], s.units_per_hour[flows], p.offers.active.astype(np.int64)]
    key = np.concatenate([*parts, *missing, up])
    return np.reshape(np.unique(key, axis=1, return_inverse=True)[1], -1)
