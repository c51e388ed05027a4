"""Small random problems of outages in which no new node can be had, or in which spot markets are gone."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from solver.problem import ChanceLimit, ShareLimit

from .draws import KINDS, draw, limited
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
    problem = with_outages(draw(rng, KINDS[base_of(seed)], few=False, name=f"states {seed}"), rng)
    if rng.random() < 0.6:
        problem = without_spot(problem, rng)
    if rng.random() < 0.7:
        problem = holding(problem, rng)
    if seed % 3 == 0:
        problem = giving_up(problem, rng)
    return spread(problem, rng) if seed % 4 == 0 else problem


def by_the_hour(problem: Problem, rng: Any) -> Problem:
    """With a grid whose emissions differ from block to block, in half grams."""
    grid = rng.integers(40, 1400, (len(problem.sites.region), problem.blocks.count)) / 2
    return dataclasses.replace(problem, grid_g_co2_per_kwh=grid)


CLEAN = ("carbon", "batch", "limits and jobs")


def clean_of(seed: int) -> str:
    """The bases of `clean` take turns."""
    return CLEAN[seed % len(CLEAN)]


def clean(seed: int) -> Problem:
    """A problem with a limit or a price on carbon, where hours differ."""
    rng = np.random.default_rng([seed, 20271129])
    problem = by_the_hour(draw(rng, KINDS[clean_of(seed)], few=False, name=f"clean {seed}"), rng)
    price = int(rng.integers(0, 3)) * 400_000
    problem = dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, carbon_micro_usd_per_kg=price))
    return limited(problem, "carbon", rng) if rng.random() < 0.5 else problem


def cautious(seed: int) -> Problem:
    """The same with a part of the objective on the worst futures, or with a budget near what the optimum takes."""
    rng = np.random.default_rng([seed, 20271128])
    problem = states(seed)
    if seed % 2:
        return limited(problem, "budget", rng)
    weight, level = Fraction(int(rng.integers(1, 5)), 4), Fraction(int(rng.integers(0, 10)), 10)
    limits = dataclasses.replace(problem.limits, risk_weight=weight, cvar_level=level)
    return dataclasses.replace(problem, limits=limits)


def giving_up(problem: Problem, rng: Any) -> Problem:
    """Outages that may be given up for services all of which must be served otherwise, so probable at most."""
    w, out = problem.workloads, problem.outages
    assert out is not None
    able = np.flatnonzero(w.must_serve & (w.kind == "serving"))
    lost = sum((p for p, row in zip(out.probability, out.share, strict=True) if row[0] < 1), Fraction(0))
    chances = tuple(ChanceLimit(workload=k, max_probability=lost * int(rng.integers(0, 5)) / 4) for k in able.tolist())
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, chances=chances))


def spread(problem: Problem, rng: Any) -> Problem:
    """Shares of what may be in a place."""
    kinds: tuple[Any, ...] = ("region", "zone", "node")
    shares = tuple(
        ShareLimit(workload=w, per=kinds[int(rng.integers(3))], share=Fraction(int(rng.integers(2, 8)), 8))
        for w in np.flatnonzero(problem.workloads.kind != "training").tolist()
        if rng.random() < 0.6
    )
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, shares=shares))


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
