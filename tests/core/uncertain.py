"""Small random problems of what may go otherwise: spot capacity that comes and goes, outages, upfront cash."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np

from solver.problem import COMMITMENT, Outages, Problem, UnservedLimit

from .draws import KINDS, draw, limited, tiny
from .exact import Facts, left_in_scenarios, scenario_costs, tail
from .instances import whole
from .second_engine import optimum

BASES = {
    "commitments": dataclasses.replace(KINDS["commitments"], quota=0.3),
    "scenarios": KINDS["scenarios"],
    "quotas": KINDS["quotas"],
    "mixed": KINDS["mixed"],
    "spot": KINDS["spot"],
}


def base_of(seed: int) -> str:
    """The bases take turns."""
    return list(BASES)[seed % len(BASES)]


def uncertain(seed: int) -> Problem:
    """The problem of a seed. Every other round is tiny, so that it can be enumerated."""
    rng = np.random.default_rng([seed, 20270707])
    kind, turn = BASES[base_of(seed)], seed // len(BASES)
    if turn % 2:
        kind = tiny(kind)
    problem = draw(rng, kind, few=bool(turn % 2), name=f"uncertain {seed}")
    for change in (_missing, _upfront, with_outages):
        if rng.random() < 0.6:
            problem = change(problem, rng)
    return problem


def guarded(seed: int) -> Problem:
    """The same with scenarios, and with something to guard against: tails of the cost, of unserved units, prices."""
    rng = np.random.default_rng([seed, 20270808])
    problem = uncertain(seed)
    if len(problem.blocks.probability) == 1:
        problem = with_outages(problem, rng)
    for change in (_budgets, _risk, _robust, _limited):
        if rng.random() < 0.6:
            problem = change(problem, rng)
    return problem


LEVELS = (Fraction(0), Fraction(1, 2), Fraction(3, 4), Fraction(9, 10))


def _risk(problem: Problem, rng: Any) -> Problem:
    """A weight on the worst futures."""
    weight, level = Fraction(int(rng.integers(1, 5)), 4), LEVELS[int(rng.integers(len(LEVELS)))]
    return _with(problem, risk_weight=weight, cvar_level=level)


def _robust(problem: Problem, rng: Any) -> Problem:
    """Prices of some offers that may rise."""
    offers = np.flatnonzero(rng.random(len(problem.offers.pool)) < 0.6).tolist()
    uncertain = tuple((k, Fraction(int(rng.integers(1, 20)), 20)) for k in offers)
    return _with(problem, uncertain=uncertain, robust_budget=int(rng.integers(0, 3)))


def _budgets(problem: Problem, rng: Any) -> Problem:
    """In every other problem a budget or a limit on carbon, near what the optimum takes."""
    kind = ("", "", "budget", "carbon")[int(rng.integers(4))]
    return limited(problem, kind, rng) if kind else problem


def _limited(problem: Problem, rng: Any) -> Problem:
    """Tails limited near what the optimum without limits has."""
    best, f = optimum(problem), Facts(problem)
    if best.choice is None:
        return problem
    level = LEVELS[int(rng.integers(len(LEVELS)))]
    changes: dict[str, Any] = {}
    if rng.random() < 0.7:
        held, by_scenario = scenario_costs(f, best.choice)
        used = tail(problem, by_scenario, problem.limits.cvar_level, held)
        changes["cvar_max_micro_usd"] = int(used * (1, Fraction(99, 100), Fraction(9, 10))[int(rng.integers(3))])
    free = np.flatnonzero(~problem.workloads.must_serve).tolist()
    if rng.random() < 0.7 and free:
        w = free[int(rng.integers(len(free)))]
        used = tail(problem, left_in_scenarios(f, best.choice, w), level)
        changes["unserved"] = (
            UnservedLimit(workload=w, level=level, max_units=int(used * int(rng.integers(0, 3)) / 2)),
        )
    return _with(problem, **changes)


def _with(problem: Problem, **changes: Any) -> Problem:
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, **changes))


def _missing(problem: Problem, rng: Any) -> Problem:
    """Nodes of quotas that are not to be had in some blocks."""
    blocks = problem.blocks.count
    quotas = tuple(
        dataclasses.replace(q, missing=tuple((rng.integers(0, 3, blocks) * (rng.random(blocks) < 0.5)).tolist()))
        for q in problem.limits.quotas
    )
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, quotas=quotas))


def _upfront(problem: Problem, rng: Any) -> Problem:
    """Commitments paid at once, and as much cash as a few of them take."""
    o = problem.offers
    bought = (o.kind == COMMITMENT) & (rng.random(len(o.pool)) < 0.7)
    once = o.micro_usd_per_hour * np.maximum(1, o.paid_hours.sum(axis=1)) // 2
    offers = dataclasses.replace(
        o,
        upfront_micro_usd=np.where(bought, once, o.upfront_micro_usd),
        micro_usd_per_hour=np.where(bought, o.micro_usd_per_hour // 4, o.micro_usd_per_hour),
    )
    most = int(offers.upfront_micro_usd.max(initial=0))
    limits = dataclasses.replace(problem.limits, upfront_max_micro_usd=int(rng.integers(0, 4)) * most - (most > 0))
    limits = dataclasses.replace(limits, upfront_max_micro_usd=max(0, limits.upfront_max_micro_usd or 0))
    return dataclasses.replace(problem, offers=offers, limits=limits)


def with_outages(problem: Problem, rng: Any) -> Problem:
    """The problem with one or two outages, each a copy of every scenario in which a region or a zone of it is lost."""
    sites, count = len(problem.sites.region), len(problem.blocks.probability)
    lost: list[tuple[int, int, Fraction, Fraction]] = []  # site, zones up, probability, share of the time
    for _ in range(int(rng.integers(1, 3))):
        site = int(rng.integers(sites))
        zones = int(problem.sites.zones[site])
        up = zones - 1 if rng.random() < 0.6 else 0
        lost.append((site, up, Fraction(int(rng.integers(1, 5)), 10), Fraction(int(rng.integers(1, 9)), 10)))
    b = problem.blocks
    index = np.tile(np.arange(b.count), 1 + len(lost))
    copy = np.repeat(np.arange(1 + len(lost)), b.count)
    zones_up = np.repeat(np.maximum(problem.sites.zones, 1)[:, None], len(index), axis=1)
    for i, (site, there, _, _) in enumerate(lost):
        zones_up[site, copy == i + 1] = there
    share = [[Fraction(0)] * (count * (1 + len(lost))) for _ in range(count * (1 + len(lost)))]
    futures, calm = [], 1 - sum((p for *_, p, _ in lost), Fraction(0))
    for k in range(1 + len(lost)):
        for s in range(count):
            row = share[k * count + s]
            row[s] = Fraction(1) if k == 0 else 1 - lost[k - 1][3]
            if k:
                row[k * count + s] = lost[k - 1][3]
            futures.append(b.probability[s] * (calm if k == 0 else lost[k - 1][2]))
    states = tuple(
        sum((p * row[k] for p, row in zip(futures, share, strict=True)), Fraction(0)) for k in range(len(share))
    )
    asked = problem.sources
    window = asked.window[:, index] & ((copy == 0) | (asked.total_units[:, None] == 0))
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(
            b, hours=b.hours[index], scenario=whole(b.scenario[index] + copy * count), probability=states
        ),
        sources=dataclasses.replace(asked, units_per_hour=asked.units_per_hour[:, index], window=window),
        offers=dataclasses.replace(problem.offers, active=problem.offers.active[:, index]),
        limits=problem.limits.in_blocks(index),
        outages=Outages(
            up=whole(zones_up),
            state=("",) * count + tuple(f"outage {k // count}" for k in range(count * len(lost))),
            probability=tuple(futures),
            share=tuple(tuple(row) for row in share),
            calm=whole([np.flatnonzero(copy > 0), index[copy > 0]]),
        ),
    )
