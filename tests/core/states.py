"""Small random problems of outages in which no new node can be had, or in which spot markets are gone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from .draws import KINDS, draw, tiny
from .uncertain import with_outages

if TYPE_CHECKING:
    from typing import Any

    from solver.problem import Problem

BASES = ("spot", "commitments", "quotas", "mixed", "scenarios")


def base_of(seed: int) -> str:
    """The bases take turns."""
    return BASES[seed % len(BASES)]


def states(seed: int) -> Problem:
    """The problem of a seed."""
    rng = np.random.default_rng([seed, 20271127])
    problem = with_outages(draw(rng, tiny(KINDS[base_of(seed)]), few=True, name=f"states {seed}"), rng)
    if rng.random() < 0.6:
        problem = without_spot(problem, rng)
    return holding(problem, rng) if rng.random() < 0.7 else problem


def holding(problem: Problem, rng: Any) -> Problem:
    """With states in which no new node can be had."""
    out = problem.outages
    assert out is not None
    hold = tuple(bool(name) and rng.random() < 0.7 for name in out.state)
    return dataclasses.replace(problem, outages=dataclasses.replace(out, hold=hold))


def without_spot(problem: Problem, rng: Any) -> Problem:
    """Outages lose spot markets, or those of a zone, of some pools; some lose nothing else."""
    out, scenario = problem.outages, problem.blocks.scenario
    assert out is not None
    up, zones = out.up.copy(), np.maximum(problem.sites.zones, 1)[:, None]
    states = np.flatnonzero([bool(name) for name in out.state])
    spared = np.isin(scenario, states[rng.random(len(states)) < 0.6])
    up[:, spared] = np.broadcast_to(zones, up.shape)[:, spared]
    spot = up[problem.pool_site]
    for state in states.tolist():
        hit = np.flatnonzero(rng.random(len(spot)) < 0.7)
        less = rng.integers(1, 4, len(hit))[:, None]
        mine = np.ix_(hit, np.flatnonzero(scenario == state))
        spot[mine] = np.maximum(spot[mine] - less, 0)
    return dataclasses.replace(problem, outages=dataclasses.replace(out, up=up, spot=spot))
