"""Units that must be served, at a price: a relaxation that leaves none of them then is one of the whole model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import needed
from ..rules.carbon import kg_per_node_hour

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
PRESS = 10.0  # times what the dearest replica costs for a unit
BEYOND_DOUBT = 1000.0
MOST_MICRO_USD = 1e18  # that an int64 holds
LEAST_USD = 1e-9


def pressed(problem: Problem, *, beyond_doubt: bool = False) -> Problem:
    """The problem with a prohibitive price on what must be served: several times that of its dearest replica.

    Prices as low as that keep the numbers of the relaxation alike. A relaxation that leaves such units all the same is
    asked again before anything is said of the problem, at a price `beyond_doubt`: commitments are bought for a single
    hour there, and each replica serves the least demand of a source alone.
    """
    w, c, s = problem.workloads, problem.candidates, problem.sources
    most = least_needed(problem) if beyond_doubt else needed(problem).max(axis=1, initial=0)
    useful = np.maximum(np.minimum(c.units_per_hour, most[c.workload]), 1)
    unit, moved = np.zeros(len(w.name)), np.zeros(len(w.name))
    node = dearest_node_usd(problem, amortised=not beyond_doubt)[c.pool]
    np.maximum.at(unit, c.workload, node * c.nodes_per_replica / useful)
    np.maximum.at(moved, s.workload, s.transfer_pico_usd_per_unit.max(axis=1, initial=0) / 1e12)
    unit = (unit + moved) * max(1.0, worth_of_choice(problem)) * (BEYOND_DOUBT if beyond_doubt else PRESS)
    asked = np.ceil(np.minimum(unit * 1e6, MOST_MICRO_USD)).astype(np.int64)
    price = np.where(w.must_serve, np.maximum(asked, 1), w.unserved_micro_usd_per_unit)
    return dataclasses.replace(problem, workloads=dataclasses.replace(w, unserved_micro_usd_per_unit=price))


def dearest_node_usd(problem: Problem, *, amortised: bool) -> Array:
    """Dollars of a node of each pool in an hour at its dearest, with its carbon, float [Q].

    A commitment is spread over its term or, if not `amortised`, over a single hour.
    """
    o, made = problem.offers, np.zeros(len(problem.pool_shape))
    times = 1 if amortised else np.maximum(o.paid_hours.sum(axis=1), 1)
    once = o.upfront_micro_usd / (np.maximum(o.term_hours, 1) if amortised else 1)
    np.maximum.at(made, o.pool, (o.micro_usd_per_hour * times + once) / 1e6)
    return np.asarray(made + kg_per_node_hour(problem).max(axis=1) * (problem.limits.carbon_micro_usd_per_kg / 1e6))


def least_needed(problem: Problem) -> Array:
    """Least that a source of each workload asks for in a block, units an hour, float [W]; inf where it asks nothing."""
    s, made = problem.sources, np.full(len(problem.workloads.name), np.inf)
    work = np.where(s.window, -(-s.total_units[:, None] // np.maximum(problem.blocks.total_hours, 1)), 0)
    asked = (s.units_per_hour + work).astype(float)
    np.minimum.at(made, s.workload, np.where(asked > 0, asked, np.inf).min(axis=1, initial=np.inf))
    return made


def worth_of_choice(problem: Problem) -> float:
    """Most that a dollar spent on what may stay unserved saves: it must not be worth more than what must be served."""
    w, c, o = problem.workloads, problem.candidates, problem.offers
    node = np.full(len(problem.pool_shape), np.inf)
    np.minimum.at(node, o.pool, (o.micro_usd_per_hour + o.upfront_micro_usd / np.maximum(o.term_hours, 1)) / 1e6)
    unit = np.full(len(w.name), np.inf)
    np.minimum.at(unit, c.workload, node[c.pool] * c.nodes_per_replica / np.maximum(c.units_per_hour, 1))
    worth = w.unserved_micro_usd_per_unit / 1e6 / np.maximum(unit, LEAST_USD)
    return float(worth[~w.must_serve & np.isfinite(unit)].max(initial=0.0))
