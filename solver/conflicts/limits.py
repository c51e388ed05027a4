"""The limits of a problem by business name: how much of each a decision uses beyond it, and the problem relaxed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from ..assemble import tables
from ..problem import FIRM, SPOT
from ..rules.base import Books, block_name
from ..rules.budget import hourly_rate
from ..rules.carbon import grams_per_node_hour
from ..rules.commitment import upfront_by_month
from ..rules.measures import cvar, future_costs, future_unserved
from ..rules.upfront import upfront_micro_usd

if TYPE_CHECKING:
    from ..bill import Decision
    from ..problem import Problem, Quota

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal[
    "quota", "monthly budget", "hourly budget", "upfront cash", "carbon", "cvar", "unserved cvar", "chance",
    "spot share", "spot share per region", "spot share per zone", "demand", "work",
]  # fmt: skip
POLICY, SUPPLY, DEMAND = range(3)  # in this order limits are asked to give way
MICRO = 10**6
PERCENT = 100
GRAMS_IN_KG = 1000
# limits that are one number of the whole plan: the field, and how many of its units a unit is that people read
SINGLE = MappingProxyType(
    {
        "hourly budget": ("hourly_budget_micro_usd", MICRO),
        "upfront cash": ("upfront_max_micro_usd", MICRO),
        "cvar": ("cvar_max_micro_usd", MICRO),
        "carbon": ("carbon_max_g", GRAMS_IN_KG),
    }
)
NEAR = 1e-9  # shares that close are compared exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A limit, and by how much it would have to give way."""

    kind: str  # a Kind, or a field of a workload
    index: int  # of a quota, a month or a workload
    name: str  # "quota[aws/us-east-1/p5.48xlarge]"
    unit: str
    relax_by: int
    detail: str

    @property
    def group(self) -> tuple[str, int]:
        """Limits that count as one: the budgets of all months, the caps on spot of a workload."""
        if self.kind == "monthly budget":
            return self.kind, 0
        return ("spot share" if self.kind.startswith("spot share") else self.kind), self.index


def tier(kind: str) -> int:
    """When a kind of limit is asked to give way."""
    if kind in {"monthly budget", "unserved cvar", "chance", *SINGLE}:
        return POLICY
    return DEMAND if kind in {"demand", "work"} else SUPPLY


def named(problem: Problem, kind: Kind, index: int, relax_by: int, detail: str) -> Conflict:
    """A conflict by its business name."""
    limits, work = problem.limits, problem.workloads
    if kind == "quota":
        what, unit = str(limits.quotas[index].name), "nodes"
    elif kind == "monthly budget":
        what, unit = problem.blocks.periods[index], "dollars"
    elif kind == "hourly budget":
        what, unit = "", "dollars an hour"
    elif kind in {"upfront cash", "cvar"}:
        what, unit = "", "dollars"
    elif kind == "unserved cvar":
        what, unit = str(work.name[index]), str(work.unit[index])
    elif kind == "carbon":
        what, unit = "", "kg CO2e"
    else:
        what, unit = str(work.name[index]), "percentage points"
    if kind in {"demand", "work"}:
        unit = f"{work.unit[index]} an hour" if kind == "demand" else str(work.unit[index])
    name = f"{kind}[{what}]" if what else kind
    return Conflict(kind=kind, index=index, name=name, unit=unit, relax_by=relax_by, detail=detail)


def excess(problem: Problem, decision: Decision) -> list[Conflict]:
    """Every limit that a decision breaks, exactly, in whole units; policy first, demand last."""
    made = [*_budgets(problem, decision), *_upfront(problem, decision), *_carbon(problem, decision)]
    made += [*_tails(problem, decision), *_chances(problem, decision), *_quotas(problem, decision)]
    return [*made, *_shares(problem, decision), *_unserved(problem, decision)]


def relax(problem: Problem, conflicts: Sequence[Conflict], unserved: Array | None = None) -> Problem:
    """The problem with its limits relaxed; demand by the units named in `unserved` [D, B] of the workloads concerned."""  # noqa: E501
    for conflict in conflicts:
        problem = _relax(problem, conflict, unserved)
    return problem


def _relax(problem: Problem, c: Conflict, unserved: Array | None) -> Problem:
    limits, work, sources, by = problem.limits, problem.workloads, problem.sources, c.relax_by
    if c.kind == "quota":
        quotas = list(limits.quotas)
        quotas[c.index] = dataclasses.replace(quotas[c.index], max_nodes=quotas[c.index].max_nodes + by)
        limits = dataclasses.replace(limits, quotas=tuple(quotas))
    elif c.kind == "monthly budget":
        budget = list(limits.monthly_budget_micro_usd)
        budget[c.index] = (budget[c.index] or 0) + by * MICRO
        limits = dataclasses.replace(limits, monthly_budget_micro_usd=tuple(budget))
    elif c.kind in SINGLE:
        field, unit = SINGLE[c.kind]
        one: dict[str, Any] = {field: (getattr(limits, field) or 0) + by * unit}
        limits = dataclasses.replace(limits, **one)
    elif c.kind == "unserved cvar":
        more = [dataclasses.replace(u, max_units=u.max_units + by * (u.workload == c.index)) for u in limits.unserved]
        limits = dataclasses.replace(limits, unserved=tuple(more))
    elif c.kind == "chance":
        some = (x.max_probability + Fraction(by * (x.workload == c.index), PERCENT) for x in limits.chances)
        chances = [dataclasses.replace(x, max_probability=p) for x, p in zip(limits.chances, some, strict=True)]
        limits = dataclasses.replace(limits, chances=tuple(chances))
    elif c.kind.startswith("spot share"):
        field = "max_" + c.kind.replace(" ", "_")
        shares = list(getattr(work, field))
        shares[c.index] += Fraction(by, PERCENT)
        changes: dict[str, Any] = {field: tuple(shares)}
        work = dataclasses.replace(work, **changes)
    elif c.kind == "demand" and unserved is not None:
        mine = (sources.workload == c.index)[:, None] & ~problem.may_leave[sources.workload]
        sources = dataclasses.replace(sources, units_per_hour=sources.units_per_hour - np.where(mine, unserved, 0))
    elif c.kind == "work":
        mine = (sources.workload == c.index) & (sources.total_units > 0)
        sources = dataclasses.replace(sources, total_units=sources.total_units - np.where(mine, by, 0))
    return dataclasses.replace(problem, limits=limits, workloads=work, sources=sources)


def _budgets(problem: Problem, d: Decision) -> Iterator[Conflict]:
    limits, o, blocks = problem.limits, problem.offers, problem.blocks
    months = [(p, limit) for p, limit in enumerate(limits.monthly_budget_micro_usd) if limit is not None]
    if not months and limits.hourly_budget_micro_usd is None:
        return
    nodes = _bought_usd(problem, d)
    pico = np.zeros(blocks.count, dtype=object)
    for e in np.flatnonzero(d.served.any(axis=1)).tolist():
        site = problem.pool_site[problem.candidates.pool[d.candidates[d.pairs[1, e]]]]
        pico += d.served[e].astype(object) * int(problem.sources.transfer_pico_usd_per_unit[d.pairs[0, e], site])
    upfront = upfront_by_month(problem, d.commitments)
    for p, limit in months:
        held = sum(
            (
                int(n) * (upfront[k][p] + int(o.micro_usd_per_hour[offer]) * int(o.paid_hours[offer, p]))
                for k, (offer, n) in enumerate(zip(d.commitments.tolist(), d.committed.tolist(), strict=True))
            ),
            Fraction(0),
        )
        hours = blocks.hours[:, p].astype(object)
        spent = [
            held + Fraction(int(((nodes * MICRO + pico) * hours)[blocks.scenario == s].sum()), MICRO)
            for s in problem.working
        ]
        if max(spent) > limit:
            by = math.ceil((max(spent) - limit) / MICRO)
            where = f" in scenario {spent.index(max(spent))}" if len(spent) > 1 else ""
            detail = f"{_usd(max(spent))} needed{where}, {_usd(limit)} allowed"
            yield named(problem, "monthly budget", p, by, detail)
    if limits.hourly_budget_micro_usd is not None:
        rate = sum(
            (
                int(n) * hourly_rate(problem, k) * o.active[k].astype(object)
                for k, n in zip(d.commitments.tolist(), d.committed.tolist(), strict=True)
            ),
            nodes * Fraction(1),
        )
        worst = int(rate.argmax())
        if rate[worst] > limits.hourly_budget_micro_usd:
            by = math.ceil((rate[worst] - limits.hourly_budget_micro_usd) / MICRO)
            detail = f"{_usd(rate[worst], 2)} an hour needed in {block_name(problem, worst)}, "
            yield named(problem, "hourly budget", 0, by, detail + f"{_usd(limits.hourly_budget_micro_usd, 2)} allowed")


def _upfront(problem: Problem, d: Decision) -> Iterator[Conflict]:
    limit = problem.limits.upfront_max_micro_usd
    if limit is None:
        return
    once = upfront_micro_usd(problem, d.commitments)
    paid = sum(int(n) * int(usd) for n, usd in zip(d.committed, once, strict=True))
    if paid > limit:
        detail = f"{_usd(paid)} needed, {_usd(limit)} allowed"
        yield named(problem, "upfront cash", 0, math.ceil(Fraction(paid - limit, MICRO)), detail)


def _chances(problem: Problem, d: Decision) -> Iterator[Conflict]:
    out = problem.outages
    if out is None:
        return
    for limit in problem.limits.chances:
        mine = problem.sources.workload == limit.workload
        left = d.unserved[mine].any(axis=0) & problem.may_leave[limit.workload]
        states = np.unique(problem.blocks.scenario[left]).tolist()
        bad = (p for p, row in zip(out.probability, out.share, strict=True) if any(row[s] for s in states))
        over = sum(bad, Fraction(0)) - limit.max_probability
        if over > 0:
            detail = (
                f"outages with a probability of {float(over + limit.max_probability):.2%} cannot be served in full, "
            )
            detail += f"{float(limit.max_probability):.2%} allowed"
            yield named(problem, "chance", limit.workload, math.ceil(over * PERCENT), detail)


def _tails(problem: Problem, d: Decision) -> Iterator[Conflict]:
    limits = problem.limits
    if limits.cvar_max_micro_usd is None and not limits.unserved:
        return
    books, probability = Books(problem, cast("Any", SimpleNamespace(**tables(problem, d)))), problem.futures[0]
    if limits.cvar_max_micro_usd is not None:
        found = cvar(future_costs(problem, books), probability, limits.cvar_level)
        if found > limits.cvar_max_micro_usd:
            detail = f"{_usd(found)} needed in the worst futures, {_usd(limits.cvar_max_micro_usd)} allowed"
            yield named(problem, "cvar", 0, math.ceil((found - limits.cvar_max_micro_usd) / MICRO), detail)
    for u in limits.unserved:
        units = cvar(future_unserved(problem, books, u.workload), probability, u.level)
        if units > u.max_units:
            detail = f"{float(units):,.0f} left in the worst futures, {u.max_units:,} allowed"
            yield named(problem, "unserved cvar", u.workload, math.ceil(units - u.max_units), detail)


def _bought_usd(problem: Problem, d: Decision) -> Array:
    """Micro-dollars an hour of what is bought by the hour, object [B]."""
    o = problem.offers
    total = np.zeros(problem.blocks.count, dtype=object)
    for row, offer in enumerate(d.on_demand_offers.tolist()):
        total += d.on_demand[row].astype(object) * int(o.micro_usd_per_hour[offer])
    spot = spot_nodes(problem, d)
    for offer in np.flatnonzero(o.kind == SPOT).tolist():
        total += spot[o.pool[offer]].astype(object) * int(o.micro_usd_per_hour[offer])
    return total


def spot_nodes(problem: Problem, d: Decision) -> Array:
    """Spot nodes running in each pool and block, int64 [Q, B]."""
    return _running(problem, d, 1 - FIRM)


def _running(problem: Problem, d: Decision, market: int) -> Array:
    c = problem.candidates
    mine = c.market[d.candidates] == market
    rows = d.candidates[mine]
    made = np.zeros((len(problem.pool_shape), problem.blocks.count), dtype=np.int64)
    np.add.at(made, c.pool[rows], d.replicas[mine] * c.nodes_per_replica[rows, None])
    return made


def _carbon(problem: Problem, d: Decision) -> Iterator[Conflict]:
    limit = problem.limits.carbon_max_g
    if limit is None:
        return
    blocks = problem.blocks
    hours = [p * int(h) for p, h in zip(blocks.block_probability(), blocks.total_hours, strict=True)]
    running = _running(problem, d, FIRM) + spot_nodes(problem, d)
    grams = Fraction(0)
    for q in np.flatnonzero(running.any(axis=1)).tolist():
        for b in np.flatnonzero(running[q]).tolist():
            grams += hours[b] * int(running[q, b]) * grams_per_node_hour(problem, q, b)
    if grams > limit:
        detail = f"{float(grams) / GRAMS_IN_KG:,.1f} kg CO2e emitted, {limit / GRAMS_IN_KG:,.1f} kg allowed"
        by = math.ceil((grams - limit) / GRAMS_IN_KG)
        yield named(problem, "carbon", 0, by, detail)


def held_nodes(problem: Problem, d: Decision, quota: Quota) -> Array:
    """Nodes that count against a quota in each block, int64 [B]."""
    o, held = problem.offers, np.zeros(problem.blocks.count, dtype=np.int64)
    if quota.kind != "spot":
        bought = d.on_demand[np.isin(o.pool[d.on_demand_offers], quota.pools)].sum(axis=0)
        mine = np.isin(o.pool[d.commitments], quota.pools)
        held += bought + _standing(problem, d, mine)
    if quota.kind != "on_demand":
        held += spot_nodes(problem, d)[list(quota.pools)].sum(axis=0)
    return held


def _standing(problem: Problem, d: Decision, mine: Array) -> Array:
    """Committed nodes (mask [K]) in zones that are up, parts of a node rounded up, int64 [B]."""
    o, zones = problem.offers, problem.pool_zones
    pool = o.pool[d.commitments[mine]]
    scale = int(np.lcm.reduce(zones[pool], initial=1))
    share = problem.zones_up[pool] * (scale // zones[pool])[:, None]
    return np.asarray(-(-(d.committed[mine] @ (o.active[d.commitments[mine]] * share)) // scale))


def _quotas(problem: Problem, d: Decision) -> Iterator[Conflict]:
    hours = problem.blocks.total_hours
    for i, quota in enumerate(problem.limits.quotas):
        held = held_nodes(problem, d, quota)
        over = held > quota.limit
        if over.any():
            beyond = held - quota.limit
            worst = int(beyond.argmax())
            allowed = int(held[worst] - beyond[worst])
            detail = f"{held[worst]:,} nodes needed in {block_name(problem, worst)}, {allowed:,} allowed"
            if over.sum() > 1:
                detail += f"; too few in {int(hours[over].sum()):,} hours"
            yield named(problem, "quota", i, int(beyond[worst]), detail)


def _shares(problem: Problem, d: Decision) -> Iterator[Conflict]:
    c, work = problem.candidates, problem.workloads
    workload, site = c.workload[d.candidates], problem.pool_site[c.pool[d.candidates]]
    units = d.replicas * c.units_per_hour[d.candidates, None]
    on_spot = (c.market[d.candidates] != FIRM)[:, None] * units
    for w in range(len(work.name)):
        whole = units[workload == w].sum(axis=0)
        caps = (work.max_spot_share[w], work.max_spot_share_per_region[w], work.max_spot_share_per_zone[w])
        places: list[tuple[Kind, list[tuple[int, Fraction]]]] = [("spot share", [(-1, caps[0])])]
        regions = np.unique(site[(workload == w) & on_spot.any(axis=1)]).tolist()
        zones = {r: max(1, int(problem.sites.zones[r])) for r in regions}
        places.append(("spot share per region", [(r, caps[1]) for r in regions]))
        places.append(("spot share per zone", [(r, caps[2] * zones[r]) for r in regions]))
        for kind, limits in places:
            worst = (Fraction(0), 0, -1)
            for r, cap in limits:
                part = on_spot[(workload == w) & ((site == r) | (r < 0))].sum(axis=0)
                share = part / np.maximum(whole, 1)
                scale = zones[r] if kind == "spot share per zone" else 1
                for b in np.flatnonzero((part > 0) & (share >= share.max() - NEAR)).tolist():
                    worst = max(worst, ((Fraction(int(part[b]), int(whole[b])) - cap) / scale, b, r))
            over, b, r = worst
            if over > 0:
                cap = caps[[k for k, _ in places].index(kind)]
                where = f" in {problem.sites.provider[r]}/{problem.sites.region[r]}" if r >= 0 else ""
                detail = f"{float(cap + over):.0%} of capacity on spot needed{where} in {block_name(problem, b)}, "
                yield named(problem, kind, w, math.ceil(over * PERCENT), detail + f"{float(cap):.0%} allowed")


def _unserved(problem: Problem, d: Decision) -> Iterator[Conflict]:
    s, work, hours = problem.sources, problem.workloads, problem.blocks.total_hours
    for w in np.flatnonzero(work.must_serve).tolist():
        mine, unit = s.workload == w, str(work.unit[w])
        left = np.where(problem.may_leave[w], 0, d.unserved[mine].sum(axis=0))
        asked = s.units_per_hour[mine].sum(axis=0)
        if left.any():
            worst = int(left.argmax())
            short = int(hours[left > 0].sum())
            detail = f"{left[worst]:,} of {asked[worst]:,} {unit} an hour cannot be served in "
            detail += f"{block_name(problem, worst)}; short in {short:,} hours"
            yield named(problem, "demand", w, int(left[worst]), detail)
        undone = int(d.undone[mine & (s.total_units > 0)].max(initial=0))
        if undone:
            total = int(s.total_units[mine].max())
            detail = f"{undone:,} of {total:,} {unit} cannot be done within the window"
            yield named(problem, "work", w, undone, detail)


def _usd(micro: Fraction | int, digits: int = 0) -> str:
    return f"${float(micro) / MICRO:,.{digits}f}"
