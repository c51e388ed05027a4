"""What of an old plan fits a new problem: the same workloads in the same pools, hour by hour, and its commitments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .problem import COMMITMENT, MARKETS, OFFER_KINDS

if TYPE_CHECKING:
    from .plan import Plan
    from .problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
LASTING = OFFER_KINDS[COMMITMENT]
CELL = ("period", "day", "hour_utc", "scenario")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a search may start from: no promise that it meets the new requirements. C candidates, K commitments."""

    candidates: Array  # int64 [C] rows of problem.candidates that the old plan used
    replicas: Array  # int64 [C, B] in the blocks of the new problem; 0 where nothing is known
    pairs: Array  # int64 [2, E] rows of problem.sources and of problem.candidates
    served: Array  # int64 [E, B] units an hour over them
    offers: Array  # int64 [K] rows of problem.offers
    committed: Array  # int64 [K] nodes


def carry(plan: Plan, problem: Problem, before: Problem | None = None) -> Start:
    """Read an old plan as a start for a problem.

    Args:
        plan: the old plan, perhaps of another problem.
        problem: the new one.
        before: the old one: its calendar says which of its blocks an hour was in. Without it blocks of equal hours are
            taken to be the same, and if there are none, only candidates and commitments are carried over.
    """
    rows = _rows(problem, plan)
    candidates = np.unique(np.array([k for k in rows if k >= 0], dtype=np.int64))
    old = np.zeros((len(candidates), max(1, len(plan.block_hours))), dtype=np.int64)
    for k, r in zip(rows, plan.placements.records(), strict=True):
        if k >= 0:
            old[np.searchsorted(candidates, k), int(r["block"])] += int(r["replicas"])
    block = _blocks(plan, problem, before, old.sum(axis=0))
    pairs, units = _served(problem, plan, rows)

    def now(amounts: Array) -> Array:
        """Amounts by old block as amounts by new block."""
        made = np.zeros((len(amounts), problem.blocks.count), dtype=np.int64)
        return made if block is None else np.where(block >= 0, amounts[:, np.maximum(block, 0)], 0)

    offers = _offers(problem, plan)
    return Start(
        candidates=candidates,
        replicas=now(old),
        pairs=pairs,
        served=now(units),
        offers=np.array([*offers], dtype=np.int64),
        committed=np.array([*offers.values()], dtype=np.int64),
    )


def _rows(problem: Problem, plan: Plan) -> list[int]:
    """Row of the new problem's candidate for each placement, -1 where there is none.

    The same workload on as many nodes of the same pool and market; of several layouts the one in the same row of the
    table if it is such a one, else the one that does most.
    """
    c, w = problem.candidates, problem.workloads
    pools = problem.pool_names.tolist()
    found: dict[tuple[Any, ...], list[int]] = {}
    for k in np.argsort(-c.units_per_hour, kind="stable").tolist():
        key = (w.name[c.workload[k]], pools[c.pool[k]], MARKETS[c.market[k]], int(c.nodes_per_replica[k]))
        found.setdefault(key, []).append(k)
    made = []
    for r in plan.placements.records():
        pool = f"{r['provider']}/{r['region']}/{r['node']}"
        same = found.get((r["workload"], pool, r["market"], int(r["nodes"]) // max(1, int(r["replicas"]))), [-1])
        made.append(int(r["candidate"]) if r["candidate"] in same else same[0])
    return made


def _served(problem: Problem, plan: Plan, rows: list[int]) -> tuple[Array, Array]:
    """Pairs of source and candidate [2, E] and units an hour over them in the old blocks [E, old B]."""
    s, w = problem.sources, problem.workloads
    source = {(w.name[x], o): d for d, (x, o) in enumerate(zip(s.workload.tolist(), s.origin.tolist(), strict=True))}
    row = dict(zip(plan.placements["candidate"].tolist() if len(plan.placements) else (), rows, strict=True))
    made: dict[tuple[int, int], Array] = {}
    for r in plan.served.records():
        d, k = source.get((r["workload"], r["origin"])), row.get(r["candidate"], -1)
        if d is not None and k >= 0:
            units = made.setdefault((d, k), np.zeros(max(1, len(plan.block_hours)), dtype=np.int64))
            units[int(r["block"])] += int(r["units_per_hour"])
    pairs = np.array([*made], dtype=np.int64).reshape(-1, 2).T
    return pairs, np.array([*made.values()], dtype=np.int64).reshape(pairs.shape[1], max(1, len(plan.block_hours)))


def _offers(problem: Problem, plan: Plan) -> dict[int, int]:
    """Nodes by row of the new problem's offers: the old plan's commitments, and what is owned."""
    o, pools = problem.offers, problem.pool_names.tolist()
    left: dict[tuple[str, ...], int] = {}
    for r in plan.purchases.records():
        if r["kind"] == LASTING:
            name = (f"{r['provider']}/{r['region']}/{r['node']}", r["option"], r["starts"])
            left[name] = left.get(name, 0) + int(r["nodes"])
    made: dict[int, int] = {}
    rows = np.flatnonzero(o.kind == COMMITMENT)
    for k in rows[np.argsort(o.owned_nodes[rows] == 0, kind="stable")].tolist():  # what is owned comes first
        name = (pools[o.pool[k]], o.option[k], o.starts[k])
        nodes = int(o.owned_nodes[k]) or left.get(name, 0)
        left[name] = max(0, left.get(name, 0) - nodes)
        if nodes:
            made[k] = nodes
    return made


def _blocks(plan: Plan, problem: Problem, before: Problem | None, running: Array) -> Array | None:
    """The old block of each new one, int64 [B], -1 where there is none: of several the one in which most ran."""
    if tuple(problem.blocks.total_hours.tolist()) == tuple(plan.block_hours):
        same = before is None or _cells(before) == _cells(problem)
        if same:
            return np.arange(problem.blocks.count)
    if before is None:
        return None
    old, made = _cells(before), np.full(problem.blocks.count, -1, dtype=np.int64)
    for cell, blocks in _cells(problem).items():
        for new in blocks:
            for b in old.get(cell, ()):
                if made[new] < 0 or running[b] > running[made[new]]:
                    made[new] = b
    return made


def _cells(problem: Problem) -> dict[tuple[Any, ...], set[int]]:
    """Blocks by hour of the calendar."""
    table = problem.blocks.calendar
    made: dict[tuple[Any, ...], set[int]] = {}
    if len(table):
        for row in zip(*(table[name].tolist() for name in (*CELL, "block")), strict=True):
            made.setdefault(row[:-1], set()).add(int(row[-1]))
    return made
