"""Small problems whose numbers are far apart: capacities, demands, prices and limits that mislead floating point."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from solver.problem import Problem, Quota

from .draws import KINDS, draw, tiny

STRETCHES = ("capacity", "demand", "price", "penalty", "limits", "everything")
BASES = {
    "flows": KINDS["flows"],
    "spot": KINDS["spot"],
    "commitments": KINDS["commitments"],
    "origins": KINDS["origins"],
    "batch": dataclasses.replace(KINDS["batch"], flows=(0, 0)),
    "runs": dataclasses.replace(KINDS["runs"], flows=(0, 0)),
    "quotas": KINDS["quotas"],
}
MOST = 10**12


def stretch_of(seed: int) -> str:
    """The stretches take turns."""
    return STRETCHES[seed % len(STRETCHES)]


def loose(seed: int) -> Problem:
    """The problem of a seed: one workload, few pools and blocks, and one kind of number out of all proportion."""
    rng = np.random.default_rng([seed, 9])
    base = list(BASES.values())[seed // len(STRETCHES) % len(BASES)]
    problem = draw(rng, tiny(base, job=not base.flows[1]), few=True, name=f"loose {seed}")
    name = stretch_of(seed)
    for stretch, change in zip(STRETCHES, (_capacity, _demand, _price, _penalty, _limits), strict=False):
        if name == stretch or (name == "everything" and rng.random() < 0.6):
            problem = change(problem, rng)
    return problem


def _powers(rng: Any, count: int, low: float, high: float) -> Any:
    return (10 ** rng.uniform(low, high, count)).astype(np.int64)


def _capacity(problem: Problem, rng: Any) -> Problem:
    """Replicas that could serve up to a thousand million times what is asked; all of them, or each with a chance."""
    c = problem.candidates
    much = np.where(rng.random(len(c.pool)) < rng.choice([0.5, 1.0]), _powers(rng, len(c.pool), 3, 9), 1)
    capacity = np.minimum(c.units_per_hour.astype(float) * much, MOST).astype(np.int64)
    made = dataclasses.replace(c, units_per_hour=capacity)
    return dataclasses.replace(problem, candidates=made)


def _demand(problem: Problem, rng: Any) -> Problem:
    """Up to 10¹² units an hour, over replicas that need not be in proportion; costs in whole micro-dollars."""
    s, c = problem.sources, problem.candidates
    power = rng.uniform(6, 11.5)
    sources = dataclasses.replace(
        s,
        units_per_hour=np.minimum((s.units_per_hour * 10**power).astype(np.int64), MOST),
        total_units=np.minimum((s.total_units * 10**power).astype(np.int64), MOST),
        transfer_pico_usd_per_unit=s.transfer_pico_usd_per_unit // 10**9 * 10**6,
    )
    scale = _powers(rng, len(c.pool), power - rng.choice([1, 1, 4]), power + 1)
    capacity = np.minimum(c.units_per_hour.astype(float) * scale, MOST).astype(np.int64)
    candidates = dataclasses.replace(c, units_per_hour=capacity)
    price = np.minimum(problem.workloads.unserved_micro_usd_per_unit, 20)
    workloads = dataclasses.replace(problem.workloads, unserved_micro_usd_per_unit=price)
    limits = dataclasses.replace(problem.limits, carbon_micro_usd_per_kg=0, accounting="cash")
    return dataclasses.replace(problem, sources=sources, candidates=candidates, workloads=workloads, limits=limits)


def _price(problem: Problem, rng: Any) -> Problem:
    """Nodes from a micro-dollar to a million dollars an hour."""
    o = problem.offers
    price, upfront = _powers(rng, len(o.pool), 0, 12), _powers(rng, len(o.pool), 0, 12)
    made = dataclasses.replace(
        o, micro_usd_per_hour=price, upfront_micro_usd=np.where(o.upfront_micro_usd > 0, upfront, 0)
    )
    return dataclasses.replace(problem, offers=made)


def _penalty(problem: Problem, rng: Any) -> Problem:
    """A unit left costs nothing, next to nothing, or up to a million dollars."""
    count = len(problem.workloads.name)
    price = np.where(rng.random(count) < 0.3, rng.integers(0, 2, count), _powers(rng, count, 6, 12))
    return dataclasses.replace(
        problem, workloads=dataclasses.replace(problem.workloads, unserved_micro_usd_per_unit=price)
    )


def _limits(problem: Problem, rng: Any) -> Problem:
    """Limits far beyond anything that could be used."""
    pools = len(problem.pool_shape)
    far = _powers(rng, 3, 9, 15).tolist()
    limits = dataclasses.replace(
        problem.limits,
        quotas=tuple(Quota(name=f"q{q}", pools=(q,), kind="any", max_nodes=far[0]) for q in range(pools)),
        monthly_budget_micro_usd=tuple(far[1] * 1000 for _ in problem.blocks.periods),
        hourly_budget_micro_usd=far[1],
        carbon_max_g=far[2],
    )
    return dataclasses.replace(problem, limits=limits)
