"""Which mode can run in which pool, on which market; and for every pool that has none, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import FIRM, Candidates
from ..workloads.modes import Excuse, ModeTable

if TYPE_CHECKING:
    from costdata import Catalog

    from ..workloads import Workload
    from .offers import Key, Pools
    from .sources import Source

Array = np.ndarray[Any, np.dtype[Any]]
SPOT_MARKET = 1  # problem.MARKETS; problem.SPOT is a kind of offer with, as it happens, the same number
OPEN, RESIDENCY, REGIONS, LATENCY, NO_FIRM, INTERRUPTED, TOO_SLOW, REASONS = range(
    8
)  # why a pool is closed; last their number


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a workload asks of sites [R]."""

    resident: Array  # bool
    wanted: Array  # bool
    rtt_ms: Array  # float [sources of the workload, R]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Modes of one workload in pools, one row a pair [n] (and a market, once they are known)."""

    mode: Array  # row of the workload's mode table
    pool: Array
    reach: Array  # bool [sources of the workload, n]
    market: Array
    units: Array  # int64

    def take(self, rows: Array) -> Places:
        """Rows by mask or index."""
        return Places(
            mode=self.mode[rows],
            pool=self.pool[rows],
            reach=self.reach[:, rows],
            market=self.market[rows],
            units=self.units[rows],
        )


class Finder:
    """Finds the candidates of workloads among pools."""

    def __init__(self, catalog: Catalog, pools: Pools, firm: Array, interruptions: Array) -> None:
        """Index the pools by shape.

        Args:
            catalog: regions with their country and jurisdiction.
            pools: every pool on sale.
            firm: bool [Q] pools with firm nodes.
            interruptions: float [Q] a month on spot, NaN without a spot market.
        """
        self.pools, self.firm, self.interruptions = pools, firm, interruptions
        self.regions = [catalog.regions[key] for key in pools.sites]
        self.order = np.argsort(pools.shape, kind="stable")
        self.count = np.bincount(pools.shape, minlength=len(pools.shapes))
        self.start = np.cumsum(self.count) - self.count
        self.shape_of = {key: i for i, key in enumerate(pools.shapes)}

    def find(self, workload: Workload, modes: ModeTable, sources: Sequence[Source]) -> tuple[Places, list[Excuse]]:
        """Undominated candidates of a workload, sorted by pool, market and mode; and excuses for pools without one."""
        shape = self._shapes(modes)
        places, site = self._pairs(shape), self._site(workload, sources)
        at = self.pools.site[places.pool]
        target = getattr(workload, "ttft_ms", np.inf)
        total = np.nan_to_num(modes.ttft_ms)[places.mode] + site.rtt_ms[:, at]
        reach = total <= target
        why = np.where(reach.any(axis=0), OPEN, LATENCY)
        why = np.where(site.wanted[at], why, REGIONS)
        why = np.where(site.resident[at], why, RESIDENCY)
        near = places.take(why == OPEN)
        near = Places(mode=near.mode, pool=near.pool, reach=reach[:, why == OPEN], market=near.market, units=near.units)
        found = self._markets(workload, modes, near)
        kept = found.take(_undominated(workload, modes, found))
        kept, slow = _in_time(workload, kept, sources)
        nearest = np.full(len(self.pools.names), np.inf)
        np.minimum.at(nearest, places.pool, total.min(axis=0))
        reason = self._reasons(workload, places, why, near)
        reason[slow] = TOO_SLOW
        reason[kept.pool] = -1
        return kept, self._excuses(workload, modes, shape, reason, nearest)

    def _shapes(self, modes: ModeTable) -> Array:
        """Shape of each mode, -1 where nobody offers it."""
        keys = zip(modes.provider.tolist(), modes.node.tolist(), strict=True)
        return np.array([self.shape_of.get(key, -1) for key in keys], dtype=np.int64)

    def _pairs(self, shape: Array) -> Places:
        """Every mode in every pool of its shape."""
        count = np.where(shape >= 0, self.count[shape], 0) if len(self.count) else np.zeros_like(shape)
        mode = np.repeat(np.arange(len(shape)), count)
        position = np.arange(len(mode)) - np.repeat(np.cumsum(count) - count, count)
        pool = self.order[self.start[shape[mode]] + position]
        nothing = np.zeros(len(mode), dtype=np.int64)
        return Places(mode=mode, pool=pool, reach=np.zeros((0, len(mode)), bool), market=nothing, units=nothing)

    def _site(self, workload: Workload, sources: Sequence[Source]) -> Site:
        """Masks by site."""
        home = [{r.jurisdiction, r.country} for r in self.regions]
        name = [{r.name, f"{r.provider}/{r.name}"} for r in self.regions]
        return Site(
            resident=np.array([not workload.residency or bool(h & set(workload.residency)) for h in home], dtype=bool),
            wanted=np.array([not workload.regions or bool(n & set(workload.regions)) for n in name], dtype=bool),
            rtt_ms=np.stack([s.round_trips(self.pools.sites) for s in sources]),
        )

    def _markets(self, workload: Workload, modes: ModeTable, near: Places) -> Places:
        """Firm rows where there are firm nodes, spot rows where spot is for sale and allowed, derated."""
        units = modes.units_per_hour[near.mode]
        firm = np.flatnonzero(self.firm[near.pool])
        interruptions = self.interruptions[near.pool]
        spot = np.flatnonzero(~np.isnan(interruptions) & (workload.max_spot_share > 0))
        kept = workload.spot_factor(interruptions[spot], modes.nodes_per_replica[near.mode[spot]])
        derated = np.floor(units[spot] * kept).astype(np.int64)
        spot, derated = spot[derated > 0], derated[derated > 0]
        rows = np.concatenate([firm, spot])
        made = Places(
            mode=near.mode[rows],
            pool=near.pool[rows],
            reach=near.reach[:, rows],
            market=np.repeat(np.array([FIRM, SPOT_MARKET]), [len(firm), len(spot)]),
            units=np.concatenate([units[firm], derated]),
        )
        return made.take(np.lexsort((made.mode, made.market, made.pool)))

    def _reasons(self, workload: Workload, places: Places, why: Array, near: Places) -> Array:
        """Why each pool of the workload's shapes has no candidate, int64 [Q]; -1 where it has one, or no mode."""
        reason = np.full(len(self.pools.names), -1)
        np.maximum.at(reason, places.pool, np.where(why == OPEN, -1, why))
        reason[near.pool] = INTERRUPTED if workload.max_spot_share > 0 else NO_FIRM
        reason[near.pool[np.isnan(self.interruptions[near.pool])]] = NO_FIRM
        return reason

    def _excuses(
        self, workload: Workload, modes: ModeTable, shape: Array, reason: Array, nearest: Array
    ) -> list[Excuse]:
        """One for each shape and reason, counting its regions."""
        unsold = zip(modes.provider[shape < 0].tolist(), modes.node[shape < 0].tolist(), strict=True)
        detail = "no region sells it under the options allowed"
        made = [_excuse(workload, key, "no offer", detail) for key in sorted(set(unsold))]
        rows = np.flatnonzero(reason >= 0)
        pairs = self.pools.shape[rows] * REASONS + reason[rows]
        for pair in np.unique(pairs):
            mine = rows[pairs == pair]
            index, code = divmod(int(pair), REASONS)
            bottleneck, detail = self._words(workload, code, mine, nearest)
            key, regions = self.pools.shapes[index], int(self.count[index])
            made.append(_excuse(workload, key, bottleneck, f"{detail} ({len(mine)} of {regions} regions)"))
        return made

    def _words(self, workload: Workload, code: int, pools: Array, nearest: Array) -> tuple[str, str]:
        if code == RESIDENCY:
            return "residency", f"outside {', '.join(workload.residency)}"
        if code == REGIONS:
            return "filter", "not among the workload's regions"
        if code == LATENCY:
            best = pools[nearest[pools].argmin()]
            target, region = getattr(workload, "ttft_ms", np.inf), self.pools.names[best][1]
            return "latency", f"{nearest[best]:.0f} ms to the first token at best, from {region}; target {target:g} ms"
        if code == NO_FIRM:
            return "spot", "sold only as spot, which the workload does not allow"
        if code == TOO_SLOW:
            return "deadline", "no gang of this shape finishes within the window"
        return "spot", "interruptions leave no throughput"


def _excuse(workload: Workload, key: Key, bottleneck: str, detail: str) -> Excuse:
    return Excuse(workload=workload.name, provider=key[0], node=key[1], bottleneck=bottleneck, detail=detail)


def _undominated(workload: Workload, modes: ModeTable, places: Places) -> Array:
    """Rows that no other row of the same pool and market makes superfluous, exactly; the first of equals stays.

    A row is superfluous when another takes no more nodes, does no less, and is near enough to all its sources. On
    spot below its caps, doing more is no substitute (it may break the cap), so there it must do the same.
    """
    caps = (workload.max_spot_share, workload.max_spot_share_per_region, workload.max_spot_share_per_zone)
    capped = (places.market == SPOT_MARKET) & (min(caps) < 1)
    nodes, keep = modes.nodes_per_replica[places.mode], np.ones(len(places.mode), dtype=bool)
    group = places.pool * 2 + places.market
    for step in range(1, len(group)):
        first = np.flatnonzero(group[:-step] == group[step:])
        if not len(first):
            break
        for one, other, strict in ((first, first + step, False), (first + step, first, True)):
            better = nodes[one] <= nodes[other]
            same = places.units[one] == places.units[other]
            better &= np.where(capped[one], same, places.units[one] >= places.units[other])
            better &= (places.reach[:, one] | ~places.reach[:, other]).all(axis=0)
            if strict:  # of equals the first stays
                better &= ~(
                    same & (nodes[one] == nodes[other]) & ~(places.reach[:, one] ^ places.reach[:, other]).any(axis=0)
                )
            keep[other[better]] = False
    return keep


def _in_time(workload: Workload, places: Places, sources: Sequence[Source]) -> tuple[Places, Array]:
    """Without the gangs too slow for their window, if all must be done and another gang can; and the pools of those.

    Exact: a run takes one place, so what cannot finish alone is never part of a plan.
    """
    if workload.kind != "training" or workload.unserved_usd_per_unit is not None:
        return places, np.zeros(0, dtype=np.int64)
    enough = places.units * sources[0].hours >= sources[0].total_units
    return (places.take(enough), places.pool[~enough]) if enough.any() else (places, np.zeros(0, dtype=np.int64))


def candidate_table(found: Sequence[tuple[ModeTable, Places]], pool: Array) -> Candidates:
    """Columns over all workloads, mode rows counted on through their tables.

    Args:
        found: mode table and places of each workload.
        pool: int64 [old pools] new row of each pool.
    """
    offsets = np.cumsum([0, *(len(modes) for modes, _ in found)])

    def column(values: Sequence[Array], dtype: Any = np.int64) -> Array:
        return np.concatenate([*values, np.zeros(0, dtype=dtype)]).astype(dtype)

    return Candidates(
        workload=column([np.full(len(p.pool), w) for w, (_, p) in enumerate(found)]),
        pool=column([pool[p.pool] for _, p in found]),
        market=column([p.market for _, p in found]),
        mode=column([p.mode + offsets[w] for w, (_, p) in enumerate(found)]),
        nodes_per_replica=column([modes.nodes_per_replica[p.mode] for modes, p in found]),
        units_per_hour=column([p.units for _, p in found]),
        ttft_ms=column([np.nan_to_num(modes.ttft_ms[p.mode]) for modes, p in found], np.float64),
    )
