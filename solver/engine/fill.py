"""Whole replicas from a relaxation: its whole part, filled up with the cheapest replicas that cover the rest.

One workload after another takes what the quotas still allow; nodes of idle commitments are free, others cost what they
cost at the relaxation's prices of quotas and budgets.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import FIRM, SPOT
from ..rules.transfer import levels_usd
from .covering import NEVER, cover

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..formulation import Formulation
    from .duals import Market

Array = np.ndarray[Any, np.dtype[Any]]
SLACK = 1e-6
MOST_TRIED = 6  # kinds of replica a workload is tried without
MOST_SPOT = 4  # kinds of spot replica tried for the rest of a workload
PLENTY = 10**9


@dataclass(slots=True)
class Room:
    """Nodes in use in the open pools [P], and those that quotas still allow, as replicas are added. B blocks."""

    pools: Array  # int64 [P] rows of the problem's pools, ascending
    held: Array  # int64 [P, B] committed nodes that can be used
    need: Array  # int64 [P, B] firm nodes running
    spot: Array  # int64 [P, B]
    member: Array  # bool [N, P] pools of each quota
    counts: Array  # bool [N, 2] whether a quota counts firm nodes, and spot ones
    most: Array  # int64 [N, B]
    gone: Array  # bool [2, P, B] or [2, P, 1] pools that are lost, on each market

    @classmethod
    def of(cls, f: Formulation, committed: Array) -> Room:
        """Nothing runs yet beside these commitments [K]."""
        o, shape = f.problem.offers, (len(f.pools), f.problem.blocks.count)
        held = np.zeros(shape, dtype=np.int64)
        nodes = np.round(committed).astype(np.int64)[:, None] * o.active[f.commitments]
        np.add.at(held, np.searchsorted(f.pools, o.pool[f.commitments]), nodes)
        quotas = [q for q in f.problem.limits.quotas if np.isin(q.pools, f.pools).any()]
        return cls(
            pools=f.pools, held=f.problem.usable(f.pools, held),
            need=np.zeros(shape, dtype=np.int64), spot=np.zeros(shape, dtype=np.int64),
            member=np.array([np.isin(f.pools, q.pools) for q in quotas], dtype=bool).reshape(len(quotas), len(f.pools)),
            counts=np.array([(q.kind != "spot", q.kind != "on_demand") for q in quotas], dtype=bool).reshape(-1, 2),
            most=np.array([np.broadcast_to(q.limit, shape[1:]) for q in quotas], dtype=np.int64).reshape(-1, shape[1]),
            gone=np.stack([f.problem.zones_up, f.problem.spot_up])[:, f.pools] == 0,
        )  # fmt: skip

    def at(self, f: Formulation, rows: Array) -> Array:
        """Positions of the pools of open candidates."""
        return np.searchsorted(self.pools, f.of("pool")[rows])

    def left(self, at: Array) -> Array:
        """Nodes that may be added on each market in the pools at these positions [n], int64 [2, n, B]."""
        made = np.full((2, len(at), self.need.shape[1]), PLENTY, dtype=np.int64)
        idle = np.maximum(self.held - self.need, 0)[at]
        for k in np.flatnonzero(self.member[:, at].any(axis=1)).tolist():
            inside, mine, (on_firm, on_spot) = self.member[k], self.member[k, at], self.counts[k]
            firm = np.maximum(self.need[inside], self.held[inside]).sum(axis=0)
            free = self.most[k] - (firm * on_firm + self.spot[inside].sum(axis=0) * on_spot)
            if on_firm:
                made[FIRM][mine] = np.minimum(made[FIRM][mine], free + idle[mine])
            if on_spot:
                made[SPOT][mine] = np.minimum(made[SPOT][mine], free)
        return np.where(self.gone[:, at], np.minimum(made, 0), made)

    def shared(self, pool: int) -> Array:
        """Pools whose firm nodes count against a quota that spot nodes of this one count against, bool [P]."""
        both = self.counts.all(axis=1) & self.member[:, pool]
        return np.asarray(self.member[both].any(axis=0))

    def fits(self, f: Formulation, rows: Array, replicas: Array) -> Array:
        """Whether the quotas allow so many replicas more [n, B], in each block [B]."""
        after = dataclasses.replace(self, need=self.need.copy(), spot=self.spot.copy())
        after.add(f, rows, replicas)
        return np.asarray((after.left(np.unique(self.at(f, rows))) >= 0).all(axis=(0, 1)))

    def add(self, f: Formulation, rows: Array, replicas: Array) -> None:
        """Run so many replicas more [n, B] of the open candidates in `rows` [n]."""
        pool, market = self.at(f, rows), f.of("market")[rows]
        nodes = replicas * f.of("nodes_per_replica")[rows, None]
        np.add.at(self.need, pool[market == FIRM], nodes[market == FIRM])
        np.add.at(self.spot, pool[market == SPOT], nodes[market == SPOT])


def fill(f: Formulation, values: Array, m: Market) -> Array:
    """Whole replicas [C, B] of every flow; jobs and commitments are taken from `values`, where they are whole."""
    p, workload = f.problem, f.of("workload")
    made = np.floor(values[f.replicas] + SLACK).astype(np.int64)
    room = Room.of(f, values[f.committed])
    room.add(f, np.arange(len(made)), made)
    for w in np.flatnonzero(p.workloads.kind == "serving").tolist():
        rows = np.flatnonzero(workload == w)
        first = int(np.flatnonzero(p.sources.workload == w)[0])
        left = np.floor(values[f.unserved[first, : p.blocks.count]] * f.unit[w] + SLACK).astype(np.int64)
        for inside, reached in sets_of_sources(f, w, rows):
            demand = np.maximum(p.sources.units_per_hour[inside].sum(axis=0) - left, 0)
            _, extra = _rest(f, w, rows[reached], demand, made[rows[reached]], m, room)
            made[rows[reached]] += extra
            room.add(f, rows[reached], extra)
    return made


def improve(f: Formulation, values: Array, m: Market, stop: Callable[[], bool]) -> Array:
    """Whole replicas [C, B] of `values` after taking one away wherever the rest is then covered for less.

    Prices are the true ones: room that a quota still has costs nothing more.
    """
    p, workload = f.problem, f.of("workload")
    made = np.round(values[f.replicas]).astype(np.int64)
    room = Room.of(f, values[f.committed])
    room.add(f, np.arange(len(made)), made)
    for w in np.flatnonzero(p.workloads.kind == "serving").tolist():
        rows = np.flatnonzero(workload == w)
        sets = sets_of_sources(f, w, rows)
        if len(sets) != 1:
            continue
        demand = p.sources.units_per_hour[sets[0][0]].sum(axis=0)
        unit = replica_prices(f, rows, m, room).mean(axis=1) / f.of("units_per_hour")[rows]
        used = np.flatnonzero(made[rows].any(axis=1))
        for k in used[np.argsort(-unit[used], kind="stable")][:MOST_TRIED].tolist():
            if stop():
                return made
            gone = np.zeros((len(rows), made.shape[1]), dtype=np.int64)
            gone[k] = np.minimum(made[rows[k]], 1)
            room.add(f, rows, -gone)
            price = replica_prices(f, rows, m, room)
            left = np.where(gone[k] > 0, demand, 0)
            cost, extra = _rest(f, w, rows, left, made[rows] - gone, m, room)
            better = (gone[k] > 0) & (cost < price[k] * (1 - SLACK))
            change = np.where(better, extra - gone, 0)
            made[rows] += change
            room.add(f, rows, change + gone)
    return made


def replica_prices(f: Formulation, rows: Array, m: Market, room: Room) -> Array:
    """Dollars of one more replica of a workload in each block [n, B], at full use.

    Nodes of idle commitments are free, others are bought.
    """
    pool, market, nodes = f.of("pool")[rows], f.of("market")[rows], f.of("nodes_per_replica")[rows, None]
    firm = np.where((room.held - room.need)[room.at(f, rows)] >= nodes, 0.0, m.on_demand[pool])
    node = np.where((market == FIRM)[:, None], firm, m.spot[pool]) + m.carbon[pool]
    w = int(f.of("workload")[rows[0]]) if len(rows) else 0
    moved = levels_usd(f.problem, w)[1][f.problem.pool_site[pool]] * f.of("units_per_hour")[rows]
    return np.where(np.isfinite(node), nodes * node + np.maximum(moved, 0.0)[:, None] * f.weight, NEVER)


def sets_of_sources(f: Formulation, w: int, rows: Array) -> list[tuple[Array, Array]]:
    """Sets of a workload's sources and the positions in `rows` of the candidates that reach them; small sets first."""
    s, found = f.problem.sources, []
    sources = np.flatnonzero(s.workload == w)
    for group in f.model.groups:
        if group.name == f"cover {f.problem.workloads.name[w]}" and group.keys is not None:
            for key in group.keys.tolist():
                inside = sources[[i for i in range(len(sources)) if key >> i & 1]]
                reached = np.isin(rows, f.pairs[1][np.isin(f.pairs[0], inside) & f.reach])
                found.append((inside, np.flatnonzero(reached)))
    return sorted(found, key=lambda x: len(x[0]))


def _rest(
    f: Formulation, w: int, rows: Array, demand: Array, made: Array, m: Market, room: Room
) -> tuple[Array, Array]:
    """Price [B] and replicas to add [n, B] to cover the demand [B]: firm ones, and at most one on spot.

    The price is NEVER where it cannot be done.
    """
    capacity, market, nodes = (f.of(k)[rows] for k in ("units_per_hour", "market", "nodes_per_replica"))
    spot, share = market == SPOT, float(f.problem.workloads.max_spot_share[w])
    price, pool = replica_prices(f, rows, m, room), room.at(f, rows)
    on_firm = capacity[~spot] @ made[~spot]
    on_spot = capacity[spot] @ made[spot]
    left = room.left(pool)[market, np.arange(len(pool))]
    allowed = left // nodes[:, None]
    firm = np.flatnonzero(~spot)
    kinds = np.flatnonzero(spot & (share > 0))
    kinds = kinds[np.argsort((price[kinds].min(axis=1, initial=NEVER) / capacity[kinds]), kind="stable")][:MOST_SPOT]
    best, count = np.full(len(demand), NEVER * 2), np.zeros(made.shape, dtype=np.int64)
    for k in (-1, *kinds.tolist()):
        s = on_spot + (capacity[k] if k >= 0 else 0)
        need = demand - s
        if share < 1:
            need = np.maximum(need, np.ceil(s * (1 - share) / share - SLACK) if share else 0)
        need = np.maximum(need - on_firm, 0).astype(np.int64)
        total, new = np.where(need > 0, NEVER, 0.0), np.zeros_like(count)
        live = np.flatnonzero((need > 0) & (k < 0 or allowed[k] >= 1))
        if len(live) and len(firm):
            beside = room.shared(int(pool[k]))[pool[firm]] * nodes[k] if k >= 0 else np.zeros(len(firm), dtype=np.int64)
            times = -(-need[live] // capacity[firm, None])
            able = left[firm][:, live] >= times * nodes[firm, None] + beside[:, None]
            unit = np.where(able, price[firm][:, live], NEVER)
            total[live], found = cover(unit, capacity[firm], need[live])
            new[np.ix_(firm, live)] = found
            alone = np.where(able, unit * times, NEVER)
            best_alone = alone.argmin(axis=0)
            least = alone[best_alone, np.arange(len(live))]
            use = (least < total[live]) | ~room.fits(f, rows, new)[live]
            total[live] = np.where(use, least, total[live])
            new[np.ix_(firm, live[use])] = 0
            copies = np.where(least < NEVER, times[best_alone, np.arange(len(live))], 0)
            new[firm[best_alone[use]], live[use]] = copies[use]
        if k >= 0:
            total = np.where(allowed[k] >= 1, total + price[k], NEVER * 2)
            new[k] += 1
        better = total < best
        best, count = np.where(better, total, best), np.where(better, new, count)
    return best, np.where(best < NEVER, count, 0)
