"""Sources and workloads that ask for nothing, and sources that one may stand for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..reach import resident
from .reduced import NONE, compose, take

if TYPE_CHECKING:
    from ..problem import Limits, Problem
    from .reduced import Reduced

Array = np.ndarray[Any, np.dtype[Any]]
NOTHING, NOBODY, MERGED = "sources that ask for nothing", "workloads that ask for nothing", "sources merged"


def asking(r: Reduced) -> Reduced:
    """Leave out flows of nothing in every block, and workloads that have no source then; one of them stays."""
    p = r.problem
    s = p.sources
    asked = (s.total_units > 0) | s.units_per_hour.any(axis=1)
    asked[: 0 if asked.any() else 1] = True
    into = np.where(asked, np.arange(len(asked)), NONE)
    rows, _ = compose(into, into)
    r = r.with_sources(dataclasses.replace(p, sources=_rows(s, rows)), into, NOTHING)
    return _workloads(r)


def _workloads(r: Reduced) -> Reduced:
    p, count = r.problem, len(r.problem.workloads.name)
    wanted = np.bincount(p.sources.workload, minlength=count) > 0
    for limit in p.limits.unserved:
        wanted[limit.workload] |= limit.max_units < 0
    if wanted.all() or not wanted.any():
        return r
    rows, now = np.flatnonzero(wanted), np.cumsum(wanted) - 1
    c = p.candidates
    r = r.with_candidates(np.where(wanted[c.workload], np.arange(len(c.pool)), NONE), NOBODY)
    p = r.problem
    c, s = p.candidates, p.sources
    problem = dataclasses.replace(
        p,
        workloads=take(p.workloads, rows),
        candidates=dataclasses.replace(c, workload=now[c.workload]),
        sources=dataclasses.replace(s, workload=now[s.workload]),
        limits=_renumbered(p.limits, wanted, now),
    )
    return r.with_problem(problem, NOBODY, count - len(rows))


def _renumbered(limits: Limits, wanted: Array, now: Array) -> Limits:
    kept = tuple(
        dataclasses.replace(limit, workload=int(now[limit.workload]))
        for limit in limits.unserved
        if wanted[limit.workload]
    )
    return dataclasses.replace(limits, unserved=kept)


def merged(r: Reduced) -> Reduced:
    """One source for those of a flow that may go to the same candidates, at the same price of each way.

    Its demand is theirs added up; how it is dealt out again is `Reduced.lift`'s.
    """
    p = r.problem
    s, into = p.sources, np.arange(len(p.sources.workload))
    units, rtt = s.units_per_hour.copy(), s.rtt_ms.copy()
    for w in np.flatnonzero(np.bincount(s.workload[s.total_units == 0], minlength=1) > 1).tolist():
        rows = np.flatnonzero((s.workload == w) & (s.total_units == 0))
        for members in _classes(p, w, rows):
            into[members] = members[0]
            units[members[0]] = s.units_per_hour[members].sum(axis=0)
            rtt[members[0]] = s.rtt_ms[members].max(axis=0)
    rows, _ = compose(into, into)
    changed = dataclasses.replace(s, units_per_hour=units, rtt_ms=rtt)
    return r.with_sources(dataclasses.replace(p, sources=_rows(changed, rows)), into, MERGED)


def _classes(p: Problem, w: int, rows: Array) -> list[Array]:
    """Sources of a workload that may go to the same places for the same money."""
    c, s = p.candidates, p.sources
    mine = np.flatnonzero(c.workload == w)
    site = p.pool_site[c.pool[mine]]
    reach = (s.rtt_ms[rows][:, site] + c.ttft_ms[mine] <= p.workloads.ttft_ms[w]) & resident(p)[w, site]
    usd = s.transfer_pico_usd_per_unit[rows][:, np.unique(site)]
    key = np.concatenate([reach.astype(np.int64), usd], axis=1)
    which = np.reshape(np.unique(key, axis=0, return_inverse=True)[1], -1) if key.size else np.zeros(len(rows), int)
    return [rows[which == k] for k in np.unique(which).tolist()]


def _rows(s: Any, rows: Array) -> Any:
    return take(s, rows)
