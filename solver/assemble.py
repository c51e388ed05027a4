"""From the engine's numbers to whole numbers, and from those to a plan's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .bill import Decision
from .problem import COMMITMENT, FIRM, MARKETS, OFFER_KINDS, SPOT
from .table import Table

if TYPE_CHECKING:
    from .formulation import Formulation
    from .problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
TABLES = {  # of a plan, with their columns
    "purchases": ("offer", "provider", "region", "node", "option", "kind", "block", "nodes", "starts", "term_hours"),
    "placements": ("candidate", "workload", "provider", "region", "node", "market", "block", "replicas", "nodes"),
    "served": ("source", "workload", "origin", "candidate", "provider", "region", "block", "units_per_hour"),
    "unserved": ("source", "workload", "origin", "block", "scenario", "units"),
}
TINY = 1e-6  # of a scaled unit
Assign = Callable[[Array, Array, Array, Array], Array]
Places = list[list[str]]  # provider, region and node of each pool


def decide(f: Formulation, values: Array, assign: Assign) -> Decision:
    """Whole numbers from a solution: replicas and commitments rounded, flows assigned exactly, the rest bought.

    `assign(demand, room, pairs, cost)` serves the sources of one workload in one block (see engine.assign).
    """
    replicas = np.round(values[f.replicas]).astype(np.int64)
    committed = np.round(values[f.committed]).astype(np.int64)
    served, unserved, undone = _counted(f, values) if f.counted else _serve(f, values, replicas, assign)
    return Decision(
        candidates=f.candidates,
        replicas=replicas,
        pairs=f.pairs,
        served=served,
        unserved=unserved,
        undone=undone,
        on_demand_offers=f.on_demand_offers,
        on_demand=_bought(f, values, replicas, committed),
        commitments=f.commitments,
        committed=committed,
    )


def _bought(f: Formulation, values: Array, replicas: Array, committed: Array) -> Array:
    """Nodes on demand: what whole replicas need beyond the commitments in force, and what is to be ready."""
    o = f.problem.offers
    need = np.zeros((len(f.problem.pool_shape), f.problem.blocks.count), dtype=np.int64)
    firm = f.of("market") == FIRM
    np.add.at(need, f.of("pool")[firm], replicas[firm] * f.of("nodes_per_replica")[firm, None])
    held = np.zeros_like(need)
    np.add.at(held, o.pool[f.commitments], committed[:, None] * o.active[f.commitments])
    need -= f.problem.usable(np.arange(len(need)), held)
    bought = np.maximum(need[o.pool[f.on_demand_offers]], 0)
    if f.problem.outages is not None and f.problem.outages.holding:  # ready for what comes in the same hours
        calm = np.unique(f.problem.outages.held_pairs(f.problem.blocks.scenario)[1])
        bought[:, calm] = np.maximum(bought[:, calm], np.round(values[f.on_demand[:, calm]]).astype(np.int64))
    return bought


def _serve(f: Formulation, values: Array, replicas: Array, assign: Assign) -> tuple[Array, Array, Array]:
    """Units served over each pair, units left of flows, and units left of jobs."""
    p, s = f.problem, f.problem.sources
    served = np.zeros((f.pairs.shape[1], p.blocks.count), dtype=np.int64)
    left = np.where(s.total_units[:, None] == 0, s.units_per_hour, 0).astype(np.int64)
    undone = np.zeros((len(s.workload), len(p.blocks.probability)), dtype=np.int64)
    undone[:, list(p.working)] = s.total_units[:, None]
    room = replicas * f.of("units_per_hour")[:, None]
    cost = s.transfer_pico_usd_per_unit[f.pairs[0], p.pool_site[f.of("pool")[f.pairs[1]]]]
    for w in range(len(p.workloads.name)):
        mine = np.flatnonzero((s.workload[f.pairs[0]] == w) & f.reach & (room.max(axis=1, initial=0)[f.pairs[1]] > 0))
        if not p.workloads.must_serve[w]:  # what costs more to move than to leave is left
            mine = mine[cost[mine] <= int(p.workloads.unserved_micro_usd_per_unit[w]) * 10**6]
        mine = mine[np.argsort(cost[mine], kind="stable")]
        sources = np.flatnonzero(s.workload == w)
        free = _given_up(f, values, w)  # what is given up is worth no transfer
        if s.total_units[sources].any():
            _work(f, room, mine, served, undone)
        elif len(sources) == 1:
            for e in mine.tolist():
                served[e] = np.minimum(left[sources[0]], np.where(free & (cost[e] > 0), 0, room[f.pairs[1, e]]))
                left[sources[0]] -= served[e]
        elif len(mine):
            local = np.stack([np.searchsorted(sources, f.pairs[0, mine]), f.pairs[1, mine]])
            places, local[1] = np.unique(local[1], return_inverse=True)
            for b in np.flatnonzero(left[sources].any(axis=0)).tolist():
                able = np.flatnonzero((cost[mine] == 0) | ~free[b])
                served[mine[able], b] = assign(left[sources, b], room[places, b], local[:, able], cost[mine[able]])
            np.subtract.at(left, f.pairs[0, mine], served[mine])
    return served, left, undone


def _given_up(f: Formulation, values: Array, w: int) -> Array:
    """Blocks of outages that are given up for a workload: something is left in their scenario; bool [B]."""
    p = f.problem
    may = np.asarray(p.may_leave[w])
    if not may.any():
        return may
    left = values[f.unserved[p.sources.workload == w, : p.blocks.count]].sum(axis=0) > TINY
    return np.asarray(may & np.isin(p.blocks.scenario, p.blocks.scenario[left & may]))


def _counted(f: Formulation, values: Array) -> tuple[Array, Array, Array]:
    """The same of a model that counts units one by one."""
    s, blocks = f.problem.sources, f.problem.blocks
    served = np.round(values[f.served]).astype(np.int64)
    by_source = np.zeros_like(s.units_per_hour)
    np.add.at(by_source, f.pairs[0], served)
    done = np.zeros((len(s.workload), len(blocks.probability)), dtype=np.int64)
    np.add.at(done.T, blocks.scenario, (by_source * blocks.total_hours).T)
    job = s.total_units[:, None] > 0
    total = s.total_units[:, None] * np.isin(range(len(blocks.probability)), f.problem.working)
    return served, np.where(job, 0, s.units_per_hour - by_source), np.maximum(total - done, 0)


def _work(f: Formulation, room: Array, pairs: Array, served: Array, undone: Array) -> None:
    """Let a job use its capacity, block by block, until it is done in each scenario."""
    blocks = f.problem.blocks
    for e in pairs.tolist():
        d, c = int(f.pairs[0, e]), int(f.pairs[1, e])
        units = np.where(f.problem.sources.window[d], room[c], 0)
        for k in range(undone.shape[1]):
            mine = np.flatnonzero((blocks.scenario == k) & (units > 0))
            hours = blocks.total_hours[mine]
            before = np.cumsum(units[mine] * hours) - units[mine] * hours
            short = np.clip(undone[d, k] - before, 0, None)
            served[e, mine] = np.minimum(units[mine], -(-short // hours))
            undone[d, k] = max(0, undone[d, k] - int((served[e, mine] * hours).sum()))


def tables(problem: Problem, d: Decision) -> dict[str, Table]:
    """Purchases, placements, served and unserved of a decision, rows that are zero left out."""
    places: Places = [name.split("/", 2) for name in problem.pool_names.tolist()]
    rows = {
        "purchases": _purchases(problem, d, places),
        "placements": _placements(problem, d, places),
        "served": _served(problem, d, places),
        "unserved": _left(problem, d),
    }
    return {name: Table.from_records(columns, rows[name]) for name, columns in TABLES.items()}


def _purchases(problem: Problem, d: Decision, places: Places) -> list[tuple[Any, ...]]:
    """Commitments, then on demand, then spot, of which a plan buys what it runs."""
    o, c = problem.offers, problem.candidates
    held = [(k, -1, n) for k, n in zip(d.commitments.tolist(), d.committed.tolist(), strict=True) if n]
    bought = [(int(d.on_demand_offers[k]), b, int(d.on_demand[k, b])) for k, b in np.argwhere(d.on_demand > 0).tolist()]
    spot_offer = {int(o.pool[k]): k for k in np.flatnonzero(o.kind == SPOT).tolist()}
    spot: dict[tuple[int, int], int] = {}
    for row, b in np.argwhere((d.replicas > 0) & (c.market[d.candidates] == SPOT)[:, None]).tolist():
        k = d.candidates[row]
        key = (spot_offer[int(c.pool[k])], b)
        spot[key] = spot.get(key, 0) + int(d.replicas[row, b]) * int(c.nodes_per_replica[k])
    return [
        (
            k, *places[o.pool[k]], o.option[k], OFFER_KINDS[o.kind[k]], b, nodes,
            *((o.starts[k], int(o.term_hours[k])) if o.kind[k] == COMMITMENT else ("", 0)),
        )
        for k, b, nodes in [*held, *bought, *((k, b, nodes) for (k, b), nodes in sorted(spot.items()))]
    ]  # fmt: skip


def _placements(problem: Problem, d: Decision, places: Places) -> list[tuple[Any, ...]]:
    c, names = problem.candidates, problem.workloads.name
    rows: list[tuple[Any, ...]] = []
    for row, b in np.argwhere(d.replicas > 0).tolist():
        k, replicas = int(d.candidates[row]), int(d.replicas[row, b])
        nodes = replicas * int(c.nodes_per_replica[k])
        rows.append((k, names[c.workload[k]], *places[c.pool[k]], MARKETS[c.market[k]], b, replicas, nodes))
    return rows


def _served(problem: Problem, d: Decision, places: Places) -> list[tuple[Any, ...]]:
    c, names = problem.candidates, problem.workloads.name
    rows: list[tuple[Any, ...]] = []
    for e, b in np.argwhere(d.served > 0).tolist():
        source, k = int(d.pairs[0, e]), int(d.candidates[d.pairs[1, e]])
        origin, units = problem.sources.origin[source], int(d.served[e, b])
        rows.append((source, names[c.workload[k]], origin, k, *places[c.pool[k]][:2], b, units))
    return rows


def _left(problem: Problem, d: Decision) -> list[tuple[Any, ...]]:
    s, w = problem.sources, problem.workloads
    rows: list[tuple[Any, ...]] = []
    for k, b in np.argwhere(d.unserved > 0).tolist():
        name = w.name[s.workload[k]]
        rows.append((k, name, s.origin[k], b, int(problem.blocks.scenario[b]), int(d.unserved[k, b])))
    for k, scenario in np.argwhere((d.undone > 0) & (s.total_units > 0)[:, None]).tolist():
        rows.append((k, w.name[s.workload[k]], s.origin[k], -1, scenario, int(d.undone[k, scenario])))
    return rows
