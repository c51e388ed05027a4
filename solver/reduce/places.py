"""Quotas that cannot bind; pools, sites and shapes that nobody can use."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import most_replicas
from ..problem import SPOT
from .candidates import TOGETHER
from .offers import firm_need, most_held
from .reduced import take

if TYPE_CHECKING:
    from ..problem import Problem
    from .reduced import Reduced

Array = np.ndarray[Any, np.dtype[Any]]
QUOTAS, POOLS, SITES = "quotas that cannot bind", "pools nobody can use", "regions nobody can use"


def slack_quotas(r: Reduced) -> Reduced:
    """Leave out quotas above all that their pools could hold, whatever is planned: they would be there for nothing.

    Of firm nodes what candidates could run or, where that is more, every commitment at its most. Neither knows quotas.
    """
    limits = r.problem.limits
    if not limits.quotas:
        return r
    firm, spot = _most(dataclasses.replace(r.problem, limits=dataclasses.replace(limits, quotas=())))
    kept = []
    for quota in limits.quotas:
        pools = sorted(set(quota.pools))
        held = (firm[pools] if quota.kind != "spot" else 0.0) + (spot[pools] if quota.kind != "on_demand" else 0.0)
        if (np.sum(held, axis=0) > quota.limit).any():
            kept.append(quota)
    now = dataclasses.replace(limits, quotas=tuple(kept))
    return r.with_problem(dataclasses.replace(r.problem, limits=now), QUOTAS, len(limits.quotas) - len(kept))


def _most(p: Problem) -> tuple[Array, Array]:
    """Firm and spot nodes that a pool could hold in a block, float [Q, B] each."""
    c, o, need = p.candidates, p.offers, firm_need(p)
    spot, held = np.zeros_like(need), np.zeros_like(need)
    rows = np.flatnonzero(c.market == SPOT)
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        np.add.at(spot, c.pool[some], c.nodes_per_replica[some, None] * most_replicas(p, some))
    most = most_held(p, need)
    for k in np.flatnonzero(most).tolist():
        held[o.pool[k]] += most[k] * o.active[k]
    if p.outages is not None:  # parts of nodes are counted then, beside whole ones that are bought
        return need + held, spot
    return np.maximum(need, held), spot


def unused_places(r: Reduced) -> Reduced:
    """Leave out pools without candidates and without commitments owned, and regions and shapes without pools."""
    p = r.problem
    used = np.zeros(len(p.pool_shape), dtype=bool)
    used[p.candidates.pool] = True
    used[p.offers.pool] = True  # what is on sale where no candidate is has gone before; what is owned has not
    used[: 0 if used.any() else 1] = True
    if used.all():
        return _sites(r)
    now, rows = np.cumsum(used) - 1, np.flatnonzero(used)
    quotas = [
        dataclasses.replace(q, pools=tuple(int(now[k]) for k in q.pools if used[k]))
        for q in p.limits.quotas
        if used[list(q.pools)].any()
    ]
    problem = dataclasses.replace(
        p,
        pool_shape=p.pool_shape[rows],
        pool_site=p.pool_site[rows],
        candidates=dataclasses.replace(p.candidates, pool=now[p.candidates.pool]),
        offers=dataclasses.replace(p.offers, pool=now[p.offers.pool]),
        limits=dataclasses.replace(p.limits, quotas=tuple(quotas)),
        outages=p.outages
        and dataclasses.replace(p.outages, spot=None if p.outages.spot is None else p.outages.spot[rows]),
    )
    return _sites(r.with_problem(problem, POOLS, len(used) - len(rows)))


def _sites(r: Reduced) -> Reduced:
    p = r.problem
    sites, at = np.unique(p.pool_site, return_inverse=True)
    shapes, which = np.unique(p.pool_shape, return_inverse=True)
    gone = len(p.sites.region) - len(sites)
    if not gone and len(shapes) == len(p.shapes.node):
        return r
    s, out = p.sources, p.outages
    problem = dataclasses.replace(
        p,
        sites=take(p.sites, sites),
        shapes=take(p.shapes, shapes),
        pool_site=at.astype(np.int64),
        pool_shape=which.astype(np.int64),
        sources=dataclasses.replace(
            s, rtt_ms=s.rtt_ms[:, sites], transfer_pico_usd_per_unit=s.transfer_pico_usd_per_unit[:, sites]
        ),
        outages=None if out is None else dataclasses.replace(out, up=out.up[sites]),
        grid_g_co2_per_kwh=None if p.grid_g_co2_per_kwh is None else p.grid_g_co2_per_kwh[sites],
    )
    return r.with_problem(problem, SITES, gone)
