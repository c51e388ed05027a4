"""Candidates that no plan runs, and those that another of the same pool and market makes superfluous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..formulation import matches, most_replicas
from ..problem import COMMITMENT, FIRM, ON_DEMAND, SPOT
from ..reach import resident
from ..rules.spot import region_share
from .reduced import NONE

if TYPE_CHECKING:
    from ..problem import Problem
    from .reduced import Reduced

Array = np.ndarray[Any, np.dtype[Any]]
TOGETHER = 4096  # candidates looked at together
IDLE, SUPERFLUOUS = "candidates that no plan runs", "candidates that others stand in for"


class Caps(NamedTuple):
    """Whether anything limits spot nodes of a workload, bool [W] each: in all, and in some region."""

    overall: Array
    regional: Array


def caps(problem: Problem) -> Caps:
    """Caps that can bind: the workload has spot candidates, and its share is below 1 (in a region: below that)."""
    c, w = problem.candidates, problem.workloads
    overall, regional = np.zeros(len(w.name), dtype=bool), np.zeros(len(w.name), dtype=bool)
    spot = np.flatnonzero(c.market == SPOT)
    for v, site in np.unique(np.stack([c.workload[spot], problem.pool_site[c.pool[spot]]]), axis=1).T.tolist():
        overall[v] = w.max_spot_share[v] < 1
        regional[v] |= region_share(problem, v, site) < min(w.max_spot_share[v], 1)
    return Caps(overall, regional)


def sources_reached(problem: Problem) -> tuple[Array, Array]:
    """Sources that each candidate may serve [C], and sources of each workload [W]."""
    c, s, w = problem.candidates, problem.sources, problem.workloads
    place, source = matches(c.workload, s.workload)
    site = problem.pool_site[c.pool[place]]
    late = s.rtt_ms[source, site] + c.ttft_ms[place] > w.ttft_ms[s.workload[source]]
    fine = ~late & resident(problem)[c.workload[place], site]
    return np.bincount(place[fine], minlength=len(c.pool)), np.bincount(s.workload, minlength=len(w.name))


def idle(r: Reduced) -> Reduced:
    """Leave out what can run in no block, and what serves nobody and loosens no cap on spot."""
    p = r.problem
    c, (reached, _), (overall, regional) = p.candidates, sources_reached(p), caps(p)
    spot = c.market == SPOT
    # replicas that serve nobody may still raise the capacity of which spot is a share
    loosens = (p.workloads.kind[c.workload] != "training") & (regional[c.workload] | (overall[c.workload] & ~spot))
    never = (c.units_per_hour == 0) | ((reached == 0) & ~loosens)
    never |= ~_resident(p) | _without_nodes(p) | _shut_out(p)
    for first in range(0, len(never), TOGETHER):
        rows = np.arange(first, min(first + TOGETHER, len(never)))
        never[rows] |= most_replicas(p, rows).max(axis=1, initial=0) < 1
    into = np.where(never, NONE, np.arange(len(never)))
    return r.with_candidates(into, IDLE)


def _resident(p: Problem) -> Array:
    c = p.candidates
    return np.asarray(resident(p)[c.workload, p.pool_site[c.pool]])


def _without_nodes(p: Problem) -> Array:
    """Candidates in pools where nodes of their kind are not to be had."""
    o, firm, spot = p.offers, np.zeros(len(p.pool_shape), dtype=bool), np.zeros(len(p.pool_shape), dtype=bool)
    firm[o.pool[(o.kind == ON_DEMAND) | (o.kind == COMMITMENT)]] = True
    spot[o.pool[o.kind == SPOT]] = True
    return np.asarray(~np.where(p.candidates.market == SPOT, spot[p.candidates.pool], firm[p.candidates.pool]))


def _shut_out(p: Problem) -> Array:
    """Spot candidates of which a share of nothing is allowed, in all or in their region."""
    c, w, made = p.candidates, p.workloads, np.zeros(len(p.candidates.pool), dtype=bool)
    spot = np.flatnonzero((c.market == SPOT) & (c.units_per_hour > 0))
    key = np.stack([c.workload[spot], p.pool_site[c.pool[spot]]])
    places, which = np.unique(key, axis=1, return_inverse=True)
    none = [min(w.max_spot_share[v], region_share(p, v, site)) <= 0 for v, site in places.T.tolist()]
    made[spot] = np.array(none, dtype=bool)[np.reshape(which, -1)]
    return made


def superfluous(r: Reduced) -> Reduced:
    """Leave out a candidate where another takes no more nodes, serves whom it serves, and does no less.

    Doing more must not break a cap on spot, nor needing fewer replicas make one bind: see `_may_stand_in`.
    """
    p = r.problem
    c, (reached, _) = p.candidates, sources_reached(p)
    nodes, units, kind = c.nodes_per_replica, c.units_per_hour, _may_stand_in(p)
    order = np.lexsort((c.market, c.pool, c.workload))
    group = np.cumsum(np.diff(np.stack([c.workload, c.pool, c.market])[:, order], axis=1, prepend=-1).any(axis=0))
    into = np.arange(len(order))
    for step in range(1, len(order)):
        same = np.flatnonzero(group[:-step] == group[step:])
        if not len(same):
            break
        for one, other, strict in ((order[same], order[same + step], False), (order[same + step], order[same], True)):
            better = (nodes[one] <= nodes[other]) & (reached[one] >= reached[other])
            better &= np.where(kind[one] == EQUAL, units[one] == units[other], units[one] >= units[other])
            better &= kind[one] != NEVER
            if strict:  # of equals the first stays
                equal = (nodes[one] == nodes[other]) & (reached[one] == reached[other]) & (units[one] == units[other])
                better &= ~equal
            into[other[better]] = one[better]
    return r.with_candidates(settled(into), SUPERFLUOUS)


def settled(into: Array) -> Array:
    """Who stands in at last, where those who do have others who stand in for them."""
    while len(into) and (into != into[into]).any():
        into = into[into]
    return into


NEVER, EQUAL, MORE = range(3)


def _may_stand_in(p: Problem) -> Array:
    """Whether a candidate may stand in for another: never, with equal capacity, or with more; int64 [C].

    Runs and workloads without a cap on spot: with more. Spot under a cap in all: with as much (more spot is more of a
    share). Firm ones under a cap: where every source reaches every candidate on equally dear ways, so that where few
    replicas of the one that stands in do everything, no spot is needed. Spot under a cap by region: never.
    """
    c, s, (overall, regional) = p.candidates, p.sources, caps(p)
    reached, sources = sources_reached(p)
    alike = np.ones(len(p.workloads.name), dtype=bool)
    np.logical_and.at(alike, c.workload, reached == sources[c.workload])
    place, source = matches(c.workload, s.workload)
    usd = s.transfer_pico_usd_per_unit[source, p.pool_site[c.pool[place]]]
    least, most = np.full(len(s.workload), np.iinfo(np.int64).max), np.zeros(len(s.workload), dtype=np.int64)
    np.minimum.at(least, source, usd)
    np.maximum.at(most, source, usd)
    np.logical_and.at(alike, s.workload, least >= most)
    capped, w = overall | regional, c.workload
    firm = np.where(alike[w], MORE, NEVER)
    spot = np.where(regional[w], NEVER, EQUAL)
    made = np.where(c.market == FIRM, firm, spot)
    return np.where(capped[w] & (p.workloads.kind[w] != "training"), made, MORE)
