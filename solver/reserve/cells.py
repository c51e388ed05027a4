"""Hours merged: commitments that apply alike, pools that they tie together, and the hours these see as one.

Pools that no group of commitments ties together are parts of their own. Within a part, hours of a future between two
days on which a commitment starts or ends are the same cell when they need the same nodes: exact. Cells may further be
put into clusters of their means: what is left on demand is convex in the usage, so that clusters bound the cost from
below (Jensen), and without loss wherever the cells of a cluster use up and leave over the same things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .nouns import Reserve

Array = np.ndarray[Any, np.dtype[Any]]
RADIX = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Commitments that differ only in term and price: their capacities add up."""

    rows: Array  # int64 rows of the choices
    takes: Array  # int64 [Qp] of the part's pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Hours of a part that are alike, [M] each."""

    nodes: Array  # float [M, Qp]
    hours: Array  # float
    future: Array  # int64
    stretch: Array  # int64, between two cuts


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Pools that share commitments, the groups of these, and their hours."""

    pools: Array  # int64 [Qp]
    groups: tuple[Group, ...]
    turns: tuple[tuple[int, int], ...]  # which group may cover which pool next: in the vendors' order
    cells: Cells
    on_demand_usd: Array  # float [Qp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A commitment problem laid out for searching. Dollars, floats."""

    parts: tuple[Part, ...]
    active: Array  # float [K, I] whether a commitment is in force in a stretch
    fixed_usd: Array  # float [K] of a unit, over the hours of the usage
    capacity: Array  # float [K] of a unit
    probability: Array  # float [S]
    on_demand_usd: Array  # float [S] with nothing committed at all
    cuts: Array  # int64 [I + 1] hours between which the stretches lie


def laid_out(reserve: Reserve, at: Array | tuple[int, ...] = ()) -> Laid:
    """Parts, groups and cells of a problem; `at` are hours at which to cut besides."""
    u, c = reserve.usage, reserve.choices
    cuts = np.unique(np.clip(np.concatenate([[0, u.hours], c.first_hour, c.last_hour, at]), 0, u.hours)).astype(
        np.int64
    )
    stretch = np.repeat(np.arange(len(cuts) - 1), np.diff(cuts))
    rate = reserve.pools.on_demand_micro_usd / 1e6
    parts = tuple(_part(reserve, pools, rows, stretch) for pools, rows in _tied(c.takes > 0))
    active = (c.first_hour[:, None] <= cuts[None, :-1]) & (c.last_hour[:, None] >= cuts[None, 1:])
    return Laid(
        parts=parts,
        active=active.astype(float),
        fixed_usd=np.array([float(x) for x in reserve.fixed_micro_usd]).reshape(len(c)) / 1e6,
        capacity=c.capacity.astype(float),
        probability=np.array([float(p) for p in u.probability]),
        on_demand_usd=u.nodes.sum(axis=1) @ rate,
        cuts=cuts,
    )


def _tied(covers: Array) -> list[tuple[Array, Array]]:
    """Pools [Qp] and commitments [Kp] of each connected part of covers, bool [K, Q]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    k, q = covers.shape
    rows, columns = np.nonzero(covers)
    graph = coo_array((np.ones(len(rows)), (rows, k + columns)), shape=(k + q, k + q))
    _, label = connected_components(graph, directed=False)
    return [(np.flatnonzero(label[k:] == part), np.flatnonzero(label[:k] == part)) for part in np.unique(label[k:])]


def _part(reserve: Reserve, pools: Array, rows: Array, stretch: Array) -> Part:
    groups = _groups(reserve, pools, rows)
    return Part(
        pools=pools,
        groups=groups,
        turns=turns(reserve, pools, groups),
        cells=_cells(reserve.usage.nodes[:, :, pools], stretch),
        on_demand_usd=reserve.pools.on_demand_micro_usd[pools] / 1e6,
    )


def _groups(reserve: Reserve, pools: Array, rows: Array) -> tuple[Group, ...]:
    """Groups of commitments by order, then by name."""
    c, made = reserve.choices, dict[tuple[Any, ...], list[int]]()
    for k in rows.tolist():
        key = (
            int(c.order[k]),
            c.option[k],
            c.where[k],
            c.account[k],
            c.buyer[k],
            c.unit[k],
            *c.takes[k, pools].tolist(),
        )
        made.setdefault(key, []).append(k)
    return tuple(Group(rows=np.array(rows), takes=c.takes[rows[0], pools]) for _, rows in sorted(made.items()))


def turns(reserve: Reserve, pools: Array, groups: Sequence[Group]) -> tuple[tuple[int, int], ...]:
    """Groups and pools of a part in the order in which the ones cover the others.

    What comes first in an hour; of that the buyer's own usage before that of others; reservations from the smallest
    size on, spend where it saves the largest share of the price on demand, then at the lowest rate.
    """
    c, price = reserve.choices, reserve.pools.on_demand_micro_usd[pools].tolist()
    account = reserve.pools.account[pools].tolist()

    def turn(at: tuple[int, int]) -> tuple[Any, ...]:
        g, q = at
        k, takes = groups[g].rows[0], int(groups[g].takes[q])
        other = bool(c.buyer[k]) and account[q] != c.buyer[k]
        share = Fraction(takes, max(1, price[q])) if c.unit[k] == "usd" else Fraction(0)
        return int(c.order[k]), other, share, takes, g, q

    pairs = ((g, q) for g, group in enumerate(groups) for q in np.flatnonzero(group.takes > 0).tolist())
    return tuple(sorted(pairs, key=turn))


def _cells(nodes: Array, stretch: Array) -> Cells:
    """Equal hours merged; nodes int64 [S, T, Qp], stretch int64 [T]."""
    s, t, q = nodes.shape
    cut = int(stretch[-1]) + 1
    key = (np.arange(s)[:, None] * cut + stretch[None, :]).reshape(-1)
    flat = nodes.reshape(s * t, q)
    sizes = [s * cut, *(int(m) + 1 for m in flat.max(axis=0, initial=0))]
    if np.prod(np.array(sizes, dtype=float)) < RADIX:
        code = key.astype(np.int64)
        for column, size in zip(flat.T, sizes[1:], strict=True):
            code = code * size + column
        _, first, count = np.unique(code, return_index=True, return_counts=True)
    else:
        rows = np.column_stack([key, flat])
        _, first, count = np.unique(rows, axis=0, return_index=True, return_counts=True)
    return Cells(
        nodes=flat[first].astype(float),
        hours=count.astype(float),
        future=key[first] // cut,
        stretch=key[first] % cut,
    )


def clustered(cells: Cells, cluster: Array) -> Cells:
    """Cells put together: the mean of their nodes, the sum of their hours; a cluster is of one future and stretch."""
    n = int(cluster.max(initial=-1)) + 1
    hours = np.bincount(cluster, cells.hours, n)
    nodes = np.stack([np.bincount(cluster, cells.hours * x, n) for x in cells.nodes.T], axis=1) / hours[:, None]
    first = np.full(n, -1)
    first[cluster[::-1]] = np.arange(len(cluster))[::-1]
    return Cells(nodes=nodes, hours=hours, future=cells.future[first], stretch=cells.stretch[first])


def power(laid: Laid, group: Group, quantity: Array) -> Array:
    """What a group has to give in each stretch, float [I]."""
    k = group.rows
    return np.asarray((laid.capacity[k] * quantity[k]) @ laid.active[k])


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What commitments cover of a part's cells, and what they leave."""

    left: Array  # float [M, Qp] nodes left on demand
    used: Array  # float [G, M] of what each group has to give
    saved_usd: Array  # float [G, M] an hour, what is covered would cost on demand
    piece: Array  # int64 [M] which things are used up: cells alike in this lie in one linear piece


def applied(laid: Laid, part: Part, cells: Cells, quantity: Array) -> Applied:
    """Commitments applied to a part's cells in their order, each to the pools in its sequence."""
    left, piece = cells.nodes.copy(), np.zeros(len(cells.hours), dtype=np.int64)
    full = np.array([power(laid, group, quantity)[cells.stretch] for group in part.groups])
    full = full.reshape(len(part.groups), len(cells.hours))
    spare, saved = full.copy(), np.zeros_like(full)
    for g, q in part.turns:
        takes = float(part.groups[g].takes[q])
        wanted = left[:, q] * takes
        enough = wanted <= spare[g]
        given = np.where(enough, wanted, spare[g])
        spare[g] -= given
        left[:, q] = np.where(enough, 0.0, left[:, q] - given / takes)
        saved[g] += given * (part.on_demand_usd[q] / takes)
        piece = piece * 2 + enough
        piece = np.unique(piece, return_inverse=True)[1] if piece.max(initial=0) > RADIX // 4 else piece
    return Applied(left=left, used=full - spare, saved_usd=saved, piece=piece)


def cost_of(laid: Laid, part: Part, cells: Cells, quantity: Array) -> Array:
    """Dollars on demand of a part in each future, float [S]."""
    left = applied(laid, part, cells, quantity).left
    return np.bincount(cells.future, cells.hours * (left @ part.on_demand_usd), len(laid.probability))
