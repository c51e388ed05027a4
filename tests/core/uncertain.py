"""Small random problems of what may go otherwise: spot capacity that comes and goes, limits on upfront cash."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from solver.problem import COMMITMENT, Problem

from .draws import KINDS, draw, tiny

BASES = {
    "commitments": dataclasses.replace(KINDS["commitments"], quota=0.3),
    "scenarios": KINDS["scenarios"],
    "quotas": KINDS["quotas"],
    "mixed": KINDS["mixed"],
    "spot": KINDS["spot"],
}


def uncertain(seed: int) -> Problem:
    """The problem of a seed. Every other round is tiny, so that it can be enumerated."""
    rng = np.random.default_rng([seed, 20270707])
    kind, turn = list(BASES.values())[seed % len(BASES)], seed // len(BASES)
    if turn % 2:
        kind = tiny(kind)
    problem = draw(rng, kind, few=bool(turn % 2), name=f"uncertain {seed}")
    for change in (_missing, _upfront):
        if rng.random() < 0.6:  # noqa: PLR2004
            problem = change(problem, rng)
    return problem


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
