"""Small random problems with much in them that may be left out, and much that only seems so."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from solver.problem import COMMITMENT, Problem, Quota
from solver.table import Table

from ..core.draws import KINDS, draw, limited
from ..core.instances import text, whole
from ..core.uncertain import guarded, uncertain

SMALL = {
    name: dataclasses.replace(
        kind, blocks=(1, 2), sites=(1, 2), shapes=(1, 2), months=(1, 2), flows=(min(1, kind.flows[0]), 1)
    )
    for name, kind in KINDS.items()
}


def padded(seed: int) -> Problem:
    """The problem of a seed: of every kind there is, every third one with outages, tails or prices that rise."""
    rng = np.random.default_rng([seed, 20270909])
    turn, name = seed // 3, list(SMALL)[seed // 3 % len(SMALL)]
    if seed % 3 == 2:
        problem = (uncertain, guarded)[turn % 2](turn)
    else:
        problem = draw(rng, SMALL[name], few=bool(turn % 2), name=f"padded {seed}")
    for change in (equal_blocks, more_candidates, more_commitments, more_sources, more_quotas, nobody):
        if rng.random() < (0.2 if change is nobody else 0.7):
            problem = change(problem, rng)
    if seed % 3 != 2 and SMALL[name].limit:
        problem = limited(problem, SMALL[name].limit, rng)
    return problem


def equal_blocks(problem: Problem, rng: Any) -> Problem:
    """Some blocks in two parts, which differ in their hours alone; or, at times, in something else."""
    b = problem.blocks
    split = (b.hours * rng.random(b.hours.shape)).astype(np.int64)
    some = split.any(axis=1) & (split < b.hours).any(axis=1) & (rng.random(b.count) < 0.8)
    index = np.concatenate([np.arange(b.count), np.flatnonzero(some)])
    first = np.arange(len(index)) < b.count
    again = np.isin(np.arange(b.count), index[b.count :])
    hours = np.where(first[:, None], np.where(again[:, None], split, b.hours)[index], (b.hours - split)[index])
    s = problem.sources
    units = s.units_per_hour[:, index]
    if rng.random() < 0.3:
        units[:, b.count :] += rng.integers(0, 2, units[:, b.count :].shape) * (s.total_units[:, None] == 0)
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(b, hours=whole(hours), scenario=b.scenario[index]),
        sources=dataclasses.replace(s, units_per_hour=units, window=s.window[:, index]),
        offers=dataclasses.replace(problem.offers, active=problem.offers.active[:, index]),
        limits=problem.limits.in_blocks(index),
        outages=problem.outages.in_blocks(index) if problem.outages else None,
    )


def more_candidates(problem: Problem, rng: Any) -> Problem:
    """One or two candidates once more: as they are, or a little better or worse in some respect."""
    c = problem.candidates
    rows = rng.integers(0, len(c.pool), int(rng.integers(1, 3)))
    more = {f.name: getattr(c, f.name)[rows] for f in dataclasses.fields(c)}
    more["nodes_per_replica"] = np.maximum(1, more["nodes_per_replica"] + rng.integers(-1, 2, len(rows)))
    more["units_per_hour"] = np.maximum(1, more["units_per_hour"] + rng.integers(-1, 2, len(rows)))
    more["ttft_ms"] = more["ttft_ms"] + rng.choice([-100, 0, 0, 100], len(rows))
    columns: Any = {name: np.concatenate([getattr(c, name), column]) for name, column in more.items()}
    made = dataclasses.replace(c, **columns)
    return dataclasses.replace(problem, candidates=made, modes=Table({"workload": made.workload}))


def more_commitments(problem: Problem, rng: Any) -> Problem:
    """One or two commitments once more: as they are, or a little dearer, or in force more or less often."""
    o = problem.offers
    found = np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes == 0))
    if not len(found):
        return problem
    rows = np.append(np.arange(len(o.pool)), rng.choice(found, int(rng.integers(1, 3))))
    made: Any = {f.name: getattr(o, f.name)[rows] for f in dataclasses.fields(o)}
    new = np.arange(len(rows)) >= len(o.pool)
    factor = rng.choice([0.8, 1.0, 1.0, 1.2], len(rows))
    made["micro_usd_per_hour"] = np.where(new, made["micro_usd_per_hour"] * factor, made["micro_usd_per_hour"])
    made["micro_usd_per_hour"] = made["micro_usd_per_hour"].astype(np.int64)
    if rng.random() < 0.5:
        made["upfront_micro_usd"] = np.where(new, made["upfront_micro_usd"] // 2, made["upfront_micro_usd"])
    if rng.random() < 0.5:
        made["active"] = made["active"] ^ (new[:, None] & (rng.random(made["active"].shape) < 0.3))
    return dataclasses.replace(problem, offers=dataclasses.replace(o, **made))


def more_sources(problem: Problem, rng: Any) -> Problem:
    """A source of a flow once more: it asks for as much, something else or nothing, on ways as dear, or dearer."""
    s = problem.sources
    flows = np.flatnonzero(s.total_units == 0)
    if not len(flows):
        return problem
    one = int(rng.choice(flows))
    rows = np.sort(np.append(np.arange(len(s.origin)), one))
    made: Any = {f.name: getattr(s, f.name)[rows] for f in dataclasses.fields(s)}
    new = int(np.flatnonzero(rows == one)[-1])
    made["origin"] = text([*s.origin[:new], "again", *s.origin[new:]])
    units = made["units_per_hour"].copy()
    units[new] = (units[new], units[new][::-1], units[new] * 0)[int(rng.integers(3))]
    made["units_per_hour"] = units
    if rng.random() < 0.4:
        moved = made["transfer_pico_usd_per_unit"].copy()
        moved[new] += rng.integers(0, 2, moved.shape[1]) * 10**9
        made["transfer_pico_usd_per_unit"] = moved
    if rng.random() < 0.4:
        rtt = made["rtt_ms"].copy()
        rtt[new] += rng.choice([0, 50, 300], rtt.shape[1])
        made["rtt_ms"] = rtt
    return dataclasses.replace(problem, sources=dataclasses.replace(s, **made))


def more_quotas(problem: Problem, rng: Any) -> Problem:
    """A quota so large that it may or may not bind."""
    pool, kinds = int(rng.integers(len(problem.pool_shape))), ("any", "on_demand", "spot")
    kind: Any = kinds[int(rng.integers(3))]
    quota = Quota(name="large", pools=(pool,), kind=kind, max_nodes=int(rng.integers(2, 30)))
    limits = dataclasses.replace(problem.limits, quotas=(*problem.limits.quotas, quota))
    return dataclasses.replace(problem, limits=limits)


def nobody(problem: Problem, rng: Any) -> Problem:
    """A workload that asks for nothing, or may be nowhere, or whose targets are far out of reach."""
    w = int(rng.integers(len(problem.workloads.name)))
    s, work = problem.sources, problem.workloads
    choice = int(rng.integers(3))
    if choice == 0:
        units = np.where((s.workload == w)[:, None], 0, s.units_per_hour)
        return dataclasses.replace(problem, sources=dataclasses.replace(s, units_per_hour=units))
    if choice == 1:
        residency = tuple(("AQ",) if v == w else allowed for v, allowed in enumerate(work.residency))
        return dataclasses.replace(problem, workloads=dataclasses.replace(work, residency=residency))
    target = np.where((np.arange(len(work.name)) == w) & np.isfinite(work.ttft_ms), 150.0, work.ttft_ms)
    return dataclasses.replace(problem, workloads=dataclasses.replace(work, ttft_ms=target))
