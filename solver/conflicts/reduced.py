"""A smaller problem in which the same limits contradict one another: promising candidates, peaks and mean hours."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import COMMITMENT, FIRM, ON_DEMAND, SPOT
from ..reach import reachable
from .places import on_sale

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
LEAST = 8  # candidates of a workload
COVER = 3.0  # times its peak that the candidates of a workload can serve within the quotas
GREEN = 4  # candidates of a workload with the least carbon, where carbon is limited
BLOCKS = (12, 60)  # at least and at most, where there are more
CELLS = 25_000  # candidates times blocks
UNLIMITED = 10**9


def promising(problem: Problem) -> Array:
    """Candidates of each workload, cheapest unit first, until their pools have room for its peak several times over."""
    c, s, work = problem.candidates, problem.sources, problem.workloads
    reach = reachable(problem) & on_sale(problem)[None, :] & (c.units_per_hour > 0)[None, :]
    usd, room = _unit_usd(problem), _room(problem)
    picked = []
    for w in range(len(work.name)):
        sources = np.flatnonzero(s.workload == w)
        rows = np.flatnonzero((c.workload == w) & reach[sources].any(axis=0))
        rows = rows[np.lexsort((rows, usd[rows]))]
        if work.kind[w] == "training":
            rows = _in_time(problem, w, rows)
        else:  # of the modes of a pool that reach the same sources, the most productive a node
            key = np.concatenate([c.pool[rows][None], c.market[rows][None], reach[np.ix_(sources, rows)]])
            rows = rows[np.sort(np.unique(key, axis=1, return_index=True)[1])]
        peak = float(s.units_per_hour[sources].sum(axis=0).max(initial=0)) + _rate(problem, sources)
        for market in (FIRM, 1 - FIRM):
            mine = rows[c.market[rows] == market]
            served = np.cumsum(room[c.pool[mine]] / c.nodes_per_replica[mine] * c.units_per_hour[mine])
            picked.append(mine[: max(LEAST, int(np.searchsorted(served, COVER * peak)) + 1)])
        if problem.limits.carbon_max_g is not None:
            picked.append(rows[np.argsort(_unit_carbon(problem)[rows], kind="stable")[:GREEN]])
    return np.unique(np.concatenate([*picked, np.zeros(0, dtype=np.int64)]))


def _in_time(problem: Problem, w: int, rows: Array) -> Array:
    """Gangs that finish within the window, or the fastest when none does."""
    s, blocks = problem.sources, problem.blocks
    d = int(np.flatnonzero(s.workload == w)[0])
    hours = np.bincount(blocks.scenario, s.window[d] * blocks.total_hours, minlength=len(blocks.probability))
    hours = hours[list(problem.working)].min()
    units = problem.candidates.units_per_hour[rows]
    enough = units * hours >= s.total_units[d]
    return np.asarray(rows[enough] if enough.any() else rows[units == units.max(initial=0)])


def _rate(problem: Problem, sources: Array) -> float:
    """Units an hour of jobs that work evenly through their windows."""
    hours = (problem.sources.window[sources] * problem.blocks.total_hours).sum(axis=1) / len(problem.working)
    return float((problem.sources.total_units[sources] / np.maximum(hours, 1)).sum())


def _unit_usd(problem: Problem) -> Array:
    """Micro-dollars of a unit on each candidate at its pool's best price, inf where nothing is on sale; float [C]."""
    c, o = problem.candidates, problem.offers
    best = np.full((2, len(problem.pool_shape)), np.inf)
    price = o.micro_usd_per_hour + o.upfront_micro_usd / np.maximum(o.term_hours, 1)
    for kind, market in ((ON_DEMAND, FIRM), (COMMITMENT, FIRM), (SPOT, 1 - FIRM)):
        rows = np.flatnonzero(o.kind == kind)
        np.minimum.at(best[market], o.pool[rows], price[rows])
    made = best[c.market, c.pool] * c.nodes_per_replica / np.maximum(c.units_per_hour, 1)
    return np.asarray(np.where(c.units_per_hour > 0, made, np.inf))


def _unit_carbon(problem: Problem) -> Array:
    """Watts times grams a kilowatt-hour, of a unit; float [C]."""
    c = problem.candidates
    power, grid = problem.shapes.power_w[problem.pool_shape], problem.grid.mean(axis=1)[problem.pool_site]
    return np.asarray((power * grid)[c.pool] * c.nodes_per_replica / np.maximum(c.units_per_hour, 1))


def _room(problem: Problem) -> Array:
    """Nodes that each pool's quotas allow, float [Q]."""
    made = np.full(len(problem.pool_shape), float(UNLIMITED))
    for quota in problem.limits.quotas:
        pools = list(quota.pools)
        made[pools] = np.minimum(made[pools], quota.max_nodes / (1 if quota.kind == "any" else 0.5))
    return made


def take(problem: Problem, rows: Array) -> Problem:
    """The problem with some of its candidates."""
    c = problem.candidates
    kept = {field.name: getattr(c, field.name)[rows] for field in dataclasses.fields(c)}
    return dataclasses.replace(problem, candidates=dataclasses.replace(c, **kept))


def condensed(problem: Problem) -> Problem:
    """Fewer blocks: of those alike in month, windows and commitments the peak, and means of the rest."""
    b, s = problem.blocks, problem.sources
    most = int(np.clip(CELLS // max(1, len(problem.candidates.pool)), *BLOCKS))
    if b.count <= most:
        return problem
    month = b.hours.argmax(axis=1)
    up = problem.outages.up if problem.outages else np.zeros((0, b.count))
    signature = np.concatenate([s.window, problem.offers.active, up, [b.scenario, month]]).astype(np.int64)
    if len(np.unique(signature, axis=1).T) > most // 2:
        signature = signature[:-1]  # months differ less than windows do
    kind = np.unique(signature, axis=1, return_inverse=True)[1].reshape(-1)
    load = (s.units_per_hour / np.maximum(s.units_per_hour.max(axis=1, keepdims=True, initial=0), 1)).sum(axis=0)
    group = np.zeros(b.count, dtype=np.int64)
    parts = max(1, most // (int(kind.max()) + 1) - 1)
    count = 0
    for k in range(int(kind.max()) + 1):
        mine = np.flatnonzero(kind == k)
        mine = mine[np.argsort(-load[mine], kind="stable")]
        group[mine[0]] = count
        rest = np.array_split(mine[1:], min(parts, max(1, len(mine) - 1)))
        for i, part in enumerate(rest):
            group[part] = count + 1 + i
        count += 1 + (len(rest) if len(mine) > 1 else 0)
    hours = np.zeros((count, b.hours.shape[1]), dtype=np.int64)
    np.add.at(hours, group, b.hours)
    units = np.zeros((len(s.workload), count))
    np.add.at(units.T, group, (s.units_per_hour * b.total_hours).T)
    first = np.full(count, b.count, dtype=np.int64)
    np.minimum.at(first, group, np.arange(b.count))
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(b, hours=hours, scenario=b.scenario[first]),
        offers=dataclasses.replace(problem.offers, active=problem.offers.active[:, first]),
        sources=dataclasses.replace(
            s,
            units_per_hour=np.ceil(units / np.maximum(hours.sum(axis=1), 1)).astype(np.int64),
            window=s.window[:, first],
        ),
        limits=problem.limits.in_blocks(first),
        outages=problem.outages.in_blocks(first) if problem.outages else None,
        grid_g_co2_per_kwh=problem.grid_in_blocks(first),
    )
