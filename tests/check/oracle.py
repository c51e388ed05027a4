"""Whether a decision is a lawful plan, said a third time: sums over its numbers, as plainly as they can be written."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from solver.bill import Decision
from solver.problem import COMMITMENT, FIRM, ON_DEMAND, SPOT
from tests.core.exact import Facts, choice_of, left_in_scenarios, scenario_costs, tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solver.plan import Plan
    from solver.problem import Problem


def decision_of(problem: Problem, plan: Plan) -> Decision:
    """The decision that stands in a plan's tables, all candidates and offers in a row."""
    c, s, o, blocks = problem.candidates, problem.sources, problem.offers, problem.blocks
    source, place = np.nonzero(s.workload[:, None] == c.workload[None, :])
    pair = {key: e for e, key in enumerate(zip(source.tolist(), place.tolist(), strict=True))}
    replicas, served = np.zeros((len(c.pool), blocks.count), int), np.zeros((len(pair), blocks.count), int)
    bought, held = np.zeros((len(o.pool), blocks.count), int), np.zeros(len(o.pool), int)
    left, undone = (
        np.zeros((len(s.workload), blocks.count), int),
        np.zeros((len(s.workload), len(blocks.probability)), int),
    )
    for r in plan.placements.records():
        replicas[r["candidate"], r["block"]] += r["replicas"]
    for r in plan.served.records():
        served[pair[r["source"], r["candidate"]], r["block"]] += r["units_per_hour"]
    for r in plan.purchases.records():
        if o.kind[r["offer"]] == COMMITMENT:
            held[r["offer"]] += r["nodes"]
        elif o.kind[r["offer"]] == ON_DEMAND:
            bought[r["offer"], r["block"]] += r["nodes"]
    for r in plan.unserved.records():
        if r["block"] < 0:
            undone[r["source"], r["scenario"]] += r["units"]
        else:
            left[r["source"], r["block"]] += r["units"]
    on_sale, commitments = (np.flatnonzero(o.kind == kind) for kind in (ON_DEMAND, COMMITMENT))
    return Decision(
        candidates=np.arange(len(c.pool)), replicas=replicas, pairs=np.stack([source, place]), served=served,
        unserved=left, undone=undone, on_demand_offers=on_sale, on_demand=bought[on_sale], commitments=commitments,
        committed=held[commitments],
    )  # fmt: skip


def faults(problem: Problem, d: Decision) -> set[str]:
    """Names of the rules that a decision over all candidates, pairs and offers breaks."""
    every = (_closed, _work, _nodes, _ready, _spot, _given_up, _spread, _gang, _limits, _tails)
    return {name for part in every for name, broken in part(problem, d) if broken}


def _closed(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Where a workload may not be, and where and when its units may not go."""
    c, s, w = p.candidates, p.sources, p.workloads
    for k in range(len(c.pool)):
        site, allowed = p.pool_site[c.pool[k]], w.residency[c.workload[k]]
        used = d.replicas[k].any() or d.served[d.pairs[1] == k].any()
        home = p.sites.jurisdiction[site] in allowed or p.sites.country[site] in allowed
        yield "residency", bool(allowed) and used and not home
    for e, (source, k) in enumerate(d.pairs.T.tolist()):
        site = p.pool_site[c.pool[k]]
        late = s.rtt_ms[source, site] + c.ttft_ms[k] > w.ttft_ms[s.workload[source]]
        yield "latency", bool(late and d.served[e].any())
        yield "window", bool(d.served[e][~s.window[source]].any())


def _work(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """All demand is accounted for, and no replica does more than it can."""
    s, hours = p.sources, p.blocks.total_hours
    for source in range(len(s.workload)):
        mine, must = d.served[d.pairs[0] == source].sum(axis=0), p.workloads.must_serve[s.workload[source]]
        if s.total_units[source] == 0:
            yield "demand", bool((mine + d.unserved[source] != s.units_per_hour[source]).any())
            chance = [limit for limit in p.limits.chances if limit.workload == s.workload[source]]
            owed = d.unserved[source] * (_calm(p) if chance else 1)
            yield "demand", bool(must and owed.any())
            continue
        for scenario in range(len(p.blocks.probability)):
            now = p.blocks.scenario == scenario
            done, left = int((mine * hours)[now].sum()), int(d.undone[source, scenario])
            total = int(s.total_units[source])
            over = done + left - (total if p.outages is None or not p.outages.state[scenario] else 0)
            yield "demand", over < 0 or (left > 0 and over > 0) or (must and left > 0)
    for k in range(len(p.candidates.pool)):
        load = d.served[d.pairs[1] == k].sum(axis=0)
        yield "capacity", bool((load > d.replicas[k] * p.candidates.units_per_hour[k]).any())


def _firm(p: Problem, d: Decision, pool: int) -> tuple[Any, Any, Any]:
    """Nodes of a pool that run firm, those held or bought that can be used, and as a quota counts them, by block."""
    c, o = p.candidates, p.offers
    mine = (c.pool == pool) & (c.market == FIRM)
    running = (d.replicas[mine] * c.nodes_per_replica[mine, None]).sum(axis=0)
    supply = d.on_demand[o.pool[d.on_demand_offers] == pool].sum(axis=0)
    held = np.zeros(p.blocks.count, dtype=object)
    for f, n in zip(d.commitments, d.committed, strict=True):
        held = held + (n * o.active[f] if o.pool[f] == pool else 0)
    up, zones = _up(p, pool)
    return running, supply + held * up // zones, supply + held * np.array([Fraction(int(n), zones) for n in up])


def _up(p: Problem, pool: int) -> tuple[Any, int]:
    """Zones of a pool that are there in each block, and all of them."""
    site = p.pool_site[pool]
    zones = max(1, int(p.sites.zones[site]))
    return (np.full(p.blocks.count, zones) if p.outages is None else p.outages.up[site]), zones


def _on_spot(p: Problem, d: Decision, pool: int) -> Any:
    c = p.candidates
    mine = (c.pool == pool) & (c.market == SPOT)
    return (d.replicas[mine] * c.nodes_per_replica[mine, None]).sum(axis=0)


def _nodes(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Firm nodes are held or bought, what is owned is held, and nothing runs where all zones are lost."""
    for pool in range(len(p.pool_shape)):
        gone = _up(p, pool)[0] == 0
        used = d.replicas[p.candidates.pool == pool].sum(axis=0) + d.on_demand[
            p.offers.pool[d.on_demand_offers] == pool
        ].sum(axis=0)
        yield "outage", bool((gone & (used > 0)).any())
        if p.outages is not None and p.outages.spot is not None:
            yield "outage", bool(((p.outages.spot[pool] == 0) & (_on_spot(p, d, pool) > 0)).any())
    for pool in range(len(p.pool_shape)):
        running, supply, _ = _firm(p, d, pool)
        yield "on_demand", bool((running > supply).any())
    for f, held in zip(d.commitments, d.committed, strict=True):
        yield "commitment", bool(p.offers.owned_nodes[f] > 0 and held != p.offers.owned_nodes[f])


def _calm(p: Problem) -> Any:
    """Blocks in which nothing is lost."""
    return np.array([p.outages is None or not p.outages.state[s] for s in p.blocks.scenario])


def _ready(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Where no new node is to be had, what is bought and what runs on spot was there before."""
    out = p.outages
    for then, before in out.calm.T.tolist() if out is not None and out.hold else ():
        if out is None or not out.hold[p.blocks.scenario[then]]:
            continue
        for pool in range(len(p.pool_shape)):
            up, zones = _up(p, pool)
            bought = d.on_demand[p.offers.pool[d.on_demand_offers] == pool].sum(axis=0)
            yield "hold", int(bought[then]) * zones > int(bought[before]) * int(up[then])
            spot, there = _on_spot(p, d, pool), up if out.spot is None else out.spot[pool]
            yield "hold", int(spot[then]) * zones > int(spot[before]) * int(there[then])


def _given_up(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Outages with something left are no more probable than they may be."""
    out = p.outages
    for limit in p.limits.chances if out is not None else ():
        left = d.unserved[p.sources.workload == limit.workload].any(axis=0) & ~_calm(p)
        states = set(p.blocks.scenario[left].tolist())
        assert out is not None
        bad = [any(row[state] for state in states) for row in out.share]
        chance = sum((q for q, hit in zip(out.probability, bad, strict=True) if hit), Fraction(0))
        yield "chance", bool(chance > limit.max_probability)


def _spread(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Shares of the capacity in a place while nothing is lost."""
    c, calm = p.candidates, np.flatnonzero(_calm(p))
    for limit in p.limits.shares:
        mine = c.workload == limit.workload
        capacity = (d.replicas * c.units_per_hour[:, None])[:, calm]
        place = (p.pool_shape if limit.per == "node" else p.pool_site)[c.pool]
        for g in set(place[mine].tolist()):
            times = max(1, int(p.sites.zones[g])) if limit.per == "zone" else 1
            part, whole = capacity[mine & (place == g)].sum(axis=0), capacity[mine].sum(axis=0)
            over = [int(a) > limit.share * times * int(b) for a, b in zip(part, whole, strict=True)]
            yield "diversity", any(over)


def _spot(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Shares of a workload's running capacity."""
    c, w = p.candidates, p.workloads
    capacity, site = d.replicas * c.units_per_hour[:, None], p.pool_site[c.pool]
    for k, b in np.ndindex(len(w.name), p.blocks.count):
        mine, on_spot = c.workload == k, c.market == SPOT
        whole = int(capacity[mine, b].sum())
        yield "spot", int(capacity[mine & on_spot, b].sum()) > w.max_spot_share[k] * whole
        for r in range(len(p.sites.region)):
            part = int(capacity[mine & on_spot & (site == r), b].sum())
            yield "spot", part > w.max_spot_share_per_region[k] * whole
            yield "spot", part > int(p.sites.zones[r]) * w.max_spot_share_per_zone[k] * whole


def _gang(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    for w in np.flatnonzero(p.workloads.kind == "training"):
        mine = d.replicas[p.candidates.workload == w]
        yield "gang", bool(mine.max(initial=0) > 1 or mine.any(axis=1).sum() > 1)


def _limits(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Quotas, carbon and budgets."""
    limits, blocks = p.limits, p.blocks
    for q in limits.quotas:
        firm = sum(np.maximum(running, counted) for running, _, counted in (_firm(p, d, pool) for pool in q.pools))
        spot = sum(_on_spot(p, d, pool) for pool in q.pools)
        counted = {"any": firm + spot, "on_demand": firm, "spot": spot}[q.kind]
        yield "quota", bool((counted > np.maximum(q.max_nodes - np.array(q.missing or [0]), 0)).any())
    if limits.upfront_max_micro_usd is not None:
        once = [n * int(p.offers.upfront_micro_usd[f]) for f, n in _commitments(d) if not p.offers.owned_nodes[f]]
        yield "upfront", sum(once) > limits.upfront_max_micro_usd
    if limits.carbon_max_g is not None:
        yield "carbon", _grams(p, d) > limits.carbon_max_g
    for m, s in np.ndindex(len(limits.monthly_budget_micro_usd), len(blocks.probability)):
        most, spent = limits.monthly_budget_micro_usd[m], _held(p, d, m)
        for b in np.flatnonzero(blocks.scenario == s).tolist():
            spent += (_on_the_hour(p, d, b) + _moved(p, d, b)) * int(blocks.hours[b, m])
        lost = p.outages is not None and p.outages.state[s]
        yield "budget", most is not None and not lost and spent > most
    dearest = limits.hourly_budget_micro_usd
    for b in range(blocks.count):
        spread = sum(n * _per_hour(p, f) for f, n in _commitments(d) if p.offers.active[f, b])
        yield "budget", dearest is not None and _on_the_hour(p, d, b) + spread > dearest


def _tails(p: Problem, d: Decision) -> Iterator[tuple[str, bool]]:
    """Means of the worst futures, of the cost and of unserved units."""
    if p.limits.cvar_max_micro_usd is None and not p.limits.unserved:
        return
    f, x = Facts(p), choice_of(d)
    held, by_scenario = scenario_costs(f, x)
    most = p.limits.cvar_max_micro_usd
    yield "risk", most is not None and tail(p, by_scenario, p.limits.cvar_level, held) > most
    for u in p.limits.unserved:
        yield "risk", tail(p, left_in_scenarios(f, x, u.workload), u.level) > u.max_units


def _grams(p: Problem, d: Decision) -> Fraction:
    made, blocks = Fraction(0), p.blocks
    for k, b in np.argwhere(d.replicas):
        pool = p.candidates.pool[k]
        kilowatts = Fraction(int(p.shapes.power_w[p.pool_shape[pool]]), 1000)
        hourly = p.grid_g_co2_per_kwh
        site = p.pool_site[pool]
        grams = kilowatts * Fraction(float(p.sites.g_co2_per_kwh[site] if hourly is None else hourly[site, b]))
        often = blocks.probability[blocks.scenario[b]] * int(blocks.total_hours[b])
        made += often * grams * int(d.replicas[k, b] * p.candidates.nodes_per_replica[k])
    return made


def _on_the_hour(p: Problem, d: Decision, b: int) -> Fraction:
    """Micro-dollars an hour of a block's nodes on demand and on spot."""
    o, c = p.offers, p.candidates
    made = Fraction(0)
    for f, bought in zip(d.on_demand_offers, d.on_demand[:, b].tolist(), strict=True):
        made += bought * int(o.micro_usd_per_hour[f])
    for k in np.flatnonzero((c.market == SPOT) & (d.replicas[:, b] > 0)):
        (price,) = o.micro_usd_per_hour[(o.pool == c.pool[k]) & (o.kind == SPOT)]
        made += int(d.replicas[k, b] * c.nodes_per_replica[k]) * int(price)
    return made


def _moved(p: Problem, d: Decision, b: int) -> Fraction:
    """Micro-dollars an hour of moving what a block serves."""
    made = Fraction(0)
    for (source, k), units in zip(d.pairs.T.tolist(), d.served[:, b].tolist(), strict=True):
        site = p.pool_site[p.candidates.pool[k]]
        made += Fraction(units * int(p.sources.transfer_pico_usd_per_unit[source, site]), 10**6)
    return made


def _commitments(d: Decision) -> Iterator[tuple[int, int]]:
    """Offers and nodes held."""
    yield from zip(d.commitments.tolist(), d.committed.tolist(), strict=True)


def _per_hour(p: Problem, f: int) -> Fraction:
    """Micro-dollars of a committed node in an hour in force."""
    upfront = int(p.offers.upfront_micro_usd[f]) if p.limits.accounting == "amortised" else 0
    return int(p.offers.micro_usd_per_hour[f]) + Fraction(upfront, int(p.offers.term_hours[f]))


def _held(p: Problem, d: Decision, month: int) -> Fraction:
    """Micro-dollars of all commitments in a month."""
    made, o = Fraction(0), p.offers
    for f, n in _commitments(d):
        paid = o.paid_hours[f].tolist()
        made += n * paid[month] * _per_hour(p, f)
        starts = paid[month] > 0 and not any(paid[:month]) and not o.owned_nodes[f]
        if starts and p.limits.accounting == "cash":
            made += n * int(o.upfront_micro_usd[f])
    return made
