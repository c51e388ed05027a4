"""Requirements of one workload that no amount of nodes and money can meet: where it may run, how fast, by when.

With every shared limit lifted the workloads have nothing to do with one another, so that each is looked at by itself,
and exactly: a flow needs a candidate in reach of each of its sources, a run a gang that is fast enough.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import COMMITMENT, FIRM, ON_DEMAND, SPOT
from ..reach import resident
from .limits import Conflict

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What keeps each candidate from each source of one workload. D its sources, C its usable candidates."""

    sources: Array  # int64 [D]
    candidates: Array  # int64 [C]
    late_ms: Array  # float [D, C] beyond the target, 0 when in time
    away: Array  # bool [C] outside the workload's residency

    @classmethod
    def of(cls, problem: Problem, w: int) -> Reach:
        """Of a workload, over the candidates whose pool sells the nodes they need."""
        c, s = problem.candidates, problem.sources
        sources = np.flatnonzero(
            (s.workload == w) & ((s.units_per_hour.max(axis=1, initial=0) > 0) | (s.total_units > 0))
        )
        rows = np.flatnonzero((c.workload == w) & (c.units_per_hour > 0) & on_sale(problem))
        site = problem.pool_site[c.pool[rows]]
        total = np.nan_to_num(c.ttft_ms[rows])[None, :] + s.rtt_ms[sources][:, site]
        return cls(
            sources=sources,
            candidates=rows,
            late_ms=np.maximum(total - problem.workloads.ttft_ms[w], 0.0),
            away=~resident(problem)[w][site],
        )

    @property
    def lost(self) -> Array:
        """Sources that no candidate may serve, positions in `sources`."""
        return np.flatnonzero(~((self.late_ms <= 0) & ~self.away[None, :]).any(axis=1))


def on_sale(problem: Problem) -> Array:
    """Candidates whose pool has nodes of their market on sale, or held, in some block; bool [C]."""
    c, o, pools = problem.candidates, problem.offers, len(problem.pool_shape)
    firm, spot = np.zeros(pools, dtype=bool), np.zeros(pools, dtype=bool)
    firm[o.pool[(o.kind == ON_DEMAND) | ((o.kind == COMMITMENT) & o.active.any(axis=1))]] = True
    spot[o.pool[o.kind == SPOT]] = True
    return np.asarray(np.where(c.market == FIRM, firm[c.pool], spot[c.pool]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A requirement of a workload that has to give way, and the workload's fields as they then are."""

    conflict: Conflict
    fields: dict[str, Any]  # of the spec; "hours" more of a window are none of them
    guess: bool = False  # taken from candidates that were made under the old requirement


def late(problem: Problem, w: int, r: Reach) -> Change | None:
    """The least by which the TTFT target has to give way where the workload may be; None when that helps nothing."""
    open_to = np.where(r.away[None, :], np.inf, r.late_ms)[r.lost]
    if not open_to.size or not np.isfinite(open_to.min(axis=1)).all():
        return None
    best = open_to.argmin(axis=1)
    over = open_to[np.arange(len(best)), best]
    at = int(over.argmax())
    target, by = float(problem.workloads.ttft_ms[w]), math.ceil(over[at])
    pool = int(problem.candidates.pool[r.candidates[best[at]]])
    source = int(r.sources[r.lost[at]])
    network = float(problem.sources.rtt_ms[source, problem.pool_site[pool]])
    detail = (
        f"{target + over[at]:,.0f} ms to the first token at best for {problem.sources.origin[source]}, {network:,.0f} "
        f"ms of it network, from {problem.pool_names[pool]}; target {target:,.0f} ms"
    )
    return Change(conflict=conflict("latency", problem, w, "ms", by, detail), fields={"ttft_ms": target + by})


def away(problem: Problem, w: int, r: Reach) -> Change | None:
    """The countries to admit beyond the workload's residency, nearest first; None when that helps nothing."""
    site = problem.pool_site[problem.candidates.pool[r.candidates]]
    country = problem.sites.country[site].astype(str)
    rtt = problem.sources.rtt_ms[r.sources][:, site]
    near = np.where((r.late_ms <= 0) & r.away[None, :], rtt, np.inf)[r.lost]
    left, admitted = np.ones(len(near), dtype=bool), []
    while left.any():
        covers = {k: np.isfinite(near[:, country == k]).any(axis=1) & left for k in np.unique(country[r.away])}
        if not any(c.any() for c in covers.values()):
            return None
        admitted.append(min(covers, key=lambda k: (-int(covers[k].sum()), float(near[:, country == k].min()), k)))
        left &= ~covers[admitted[-1]]
    if not admitted:
        return None
    at = int(np.where(country == admitted[0], near.min(axis=0), np.inf).argmin())
    allowed = problem.workloads.residency[w]
    detail = f"nothing in {', '.join(allowed)} can serve it; admit {' and '.join(admitted)}: the nearest is "
    return Change(
        conflict=conflict(
            "residency", problem, w, "country" if len(admitted) == 1 else "countries", len(admitted),
            detail + str(problem.pool_names[problem.candidates.pool[r.candidates[at]]]),
        ),
        fields={"residency": (*allowed, *admitted)},
    )  # fmt: skip


def too_slow(problem: Problem, w: int, r: Reach) -> Change | None:
    """Hours by which a job's window is too short for its fastest gang (any hour, for a divisible job)."""
    s, blocks, work = problem.sources, problem.blocks, problem.workloads
    d = int(r.sources[0])
    fine = ~r.away & (problem.candidates.market[r.candidates] == FIRM) | _all_spot(problem, w, r) & ~r.away
    if not fine.any():
        return None
    rows = r.candidates[fine]
    fastest = rows[problem.candidates.units_per_hour[rows].argmax()]
    rate, total = int(problem.candidates.units_per_hour[fastest]), int(s.total_units[d])
    hours = [int(blocks.total_hours[s.window[d] & (blocks.scenario == k)].sum()) for k in problem.working]
    need = -(-total // rate) if work.kind[w] == "training" else 1
    by = need - min(hours)
    if by <= 0:
        return None
    nodes = int(problem.candidates.nodes_per_replica[fastest])
    detail = (
        f"{need:,} hours of work for the fastest gang, {nodes:,} nodes of "
        f"{problem.pool_names[problem.candidates.pool[fastest]]}; {min(hours):,} hours in the window: "
        f"{-(-by // HOURS_A_DAY):,} days later would do"
    )
    return Change(conflict=conflict("deadline", problem, w, "hours", by, detail), fields={"hours": by})


def _all_spot(problem: Problem, w: int, r: Reach) -> Array:
    """Candidates on spot of a workload that may run wholly there; bool [C]."""
    work, c = problem.workloads, problem.candidates
    site = problem.pool_site[c.pool[r.candidates]]
    zones = np.array([float(work.max_spot_share_per_zone[w]) * max(1, z) for z in problem.sites.zones.tolist()])
    most = np.minimum(zones[site], float(min(work.max_spot_share[w], work.max_spot_share_per_region[w])))
    return np.asarray((c.market[r.candidates] != FIRM) & (most >= 1))


def conflict(kind: str, problem: Problem, w: int, unit: str, by: int, detail: str) -> Conflict:
    """A conflict of a workload."""
    name = f"{kind}[{problem.workloads.name[w]}]"
    return Conflict(kind=kind, index=w, name=name, unit=unit, relax_by=by, detail=detail)


def applied(problem: Problem, w: int, fields: dict[str, Any]) -> Problem:
    """The problem with fields of a workload changed, over the candidates it has."""
    work = problem.workloads
    if "ttft_ms" in fields:
        ttft = work.ttft_ms.copy()
        ttft[w] = fields["ttft_ms"]
        work = dataclasses.replace(work, ttft_ms=ttft)
    if "residency" in fields:
        names = list(work.residency)
        names[w] = tuple(fields["residency"])
        work = dataclasses.replace(work, residency=tuple(names))
    problem = dataclasses.replace(problem, workloads=work)
    return extended(problem, w, int(fields["hours"])) if "hours" in fields else problem


def extended(problem: Problem, w: int, hours: int) -> Problem:
    """The problem with so many hours more in the window of a job, in every scenario.

    They are taken from the hours after the window, from the month it ends in on; beyond the horizon they are hours in
    which all flows are at their peak and no commitment is in force.
    """
    blocks, s = problem.blocks, problem.sources
    d = int(np.flatnonzero(s.workload == w)[0])
    last = int(np.flatnonzero(blocks.hours[s.window[d]].sum(axis=0)).max(initial=0)) if s.window[d].any() else 0
    month = np.array([int(np.flatnonzero(h).max(initial=0)) for h in blocks.hours])
    outside = np.flatnonzero(~s.window[d] & (month >= last))
    parents, share, opened, beyond = [], [], [], []
    for k in problem.working:
        left = hours
        for b in sorted(outside[blocks.scenario[outside] == k].tolist(), key=lambda b: (month[b], b)):
            taken = min(left, int(blocks.total_hours[b]))
            if taken > 0:
                opened.append(b)
            if 0 < taken < int(blocks.total_hours[b]):
                parents.append(b)
                share.append(_part(blocks.hours[b], taken))
            left -= taken
        if left:
            beyond.append((k, left))
    return _cut(problem, d, np.array(opened, dtype=np.int64), parents, share, beyond)


def windowless(problem: Problem, w: int) -> Problem:
    """The problem in which a job may work at any hour, and beyond the horizon for as long as its slowest mode takes.

    Nothing is asked of flows there, no commitment is in force, and what is paid is paid in the last month.
    """
    c, s, blocks = problem.candidates, problem.sources, problem.blocks
    d = int(np.flatnonzero(s.workload == w)[0])
    rates = c.units_per_hour[(c.workload == w) & (c.units_per_hour > 0)]
    need = int(-(-int(s.total_units[d]) // int(rates.min(initial=2**62)))) if len(rates) else 0
    fine = np.isin(blocks.scenario, problem.working)
    beyond = [(k, need) for k in problem.working] if need else []
    made = _cut(problem, d, np.flatnonzero(fine), [], [], beyond)
    units = made.sources.units_per_hour.copy()
    units[:, blocks.count :] = 0
    return dataclasses.replace(made, sources=dataclasses.replace(made.sources, units_per_hour=units))


def _part(hours: Array, taken: int) -> Array:
    """So many hours of a block, the earliest months first [P]."""
    before = np.cumsum(hours) - hours
    return np.asarray(np.clip(taken - before, 0, hours))


def _cut(
    problem: Problem, d: int, opened: Array, parents: list[int], share: list[Array], beyond: list[tuple[int, int]]
) -> Problem:
    """Blocks that open to a job: split where only some hours do (the rest becomes a new block), and added."""
    blocks, s, o, count = problem.blocks, problem.sources, problem.offers, problem.blocks.count
    first = [int(np.flatnonzero(blocks.scenario == k)[0]) for k, _ in beyond]
    index = np.concatenate([np.arange(count), np.array(parents + first, dtype=np.int64)])
    hours, window = blocks.hours[index].copy(), s.window[:, index].copy()
    units, active = s.units_per_hour[:, index].copy(), o.active[:, index].copy()
    window[d, opened] = True
    for i, (b, part) in enumerate(zip(parents, share, strict=True)):
        hours[count + i], hours[b] = blocks.hours[b] - part, part
    for i, (k, left) in enumerate(beyond):
        new = count + len(parents) + i
        hours[new] = 0
        hours[new, -1] = left
        units[:, new] = s.units_per_hour[:, blocks.scenario == k].max(axis=1)
        window[:, new], active[:, new] = s.total_units == 0, False
        window[d, new] = True
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(blocks, hours=hours, scenario=blocks.scenario[index]),
        sources=dataclasses.replace(s, units_per_hour=units, window=window),
        offers=dataclasses.replace(o, active=active),
        limits=problem.limits.in_blocks(index),
        outages=problem.outages.in_blocks(index) if problem.outages else None,
        grid_g_co2_per_kwh=problem.grid_in_blocks(index),
    )
