"""What a plan costs when things go otherwise than expected, exactly: by future, in the tail, at dearer prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .commitment import upfront_owed

if TYPE_CHECKING:
    from ..problem import Problem
    from .base import Books

PICO_IN_MICRO = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Micro-dollars, exact. F futures, each with a probability."""

    probability: tuple[Fraction, ...]  # F
    cost: tuple[Fraction, ...]  # F, of the whole horizon
    level: Fraction
    rise: Fraction  # beyond list prices when as many offers as the robust budget says become dearer
    risen: tuple[int, ...]  # these offers
    weight: Fraction  # of the tail in the objective

    @property
    def expected(self) -> Fraction:
        """Mean of the cost."""
        return cvar(self.cost, self.probability, Fraction(0))

    @property
    def tail(self) -> Fraction:
        """Mean of the cost in the worst share 1 − level of the futures."""
        return cvar(self.cost, self.probability, self.level)

    @property
    def objective(self) -> Fraction:
        """(1 − weight) × expected + weight × tail + rise."""
        return (1 - self.weight) * self.expected + self.weight * self.tail + self.rise


def measure(problem: Problem, books: Books) -> Measures:
    """All of it, from the plan alone."""
    limits = problem.limits
    probability, _ = problem.futures
    rise, risen = _rise(problem, books)
    return Measures(
        probability=probability, cost=tuple(future_costs(problem, books)), level=limits.cvar_level, rise=rise,
        risen=risen, weight=limits.risk_weight,
    )  # fmt: skip


def objective_micro_usd(problem: Problem, books: Books) -> int:
    """The objective in whole micro-dollars, half to even, where it is not the bill."""
    return round(measure(problem, books).objective)


def cvar(values: Sequence[Fraction], probability: Sequence[Fraction], level: Fraction) -> Fraction:
    """Mean of the worst (largest) values that together have the probability 1 − level; level 0 is the mean of all."""
    left = mass = 1 - level
    total = Fraction(0)
    for value, p in sorted(zip(values, probability, strict=True), reverse=True):
        taken = min(p, left)
        total += taken * value
        left -= taken
    return total / mass


def future_costs(problem: Problem, books: Books) -> list[Fraction]:
    """Micro-dollars over the horizon in each future [F]: commitments, and each state for the share of time in it."""
    o, s, blocks, limits = problem.offers, problem.sources, problem.blocks, problem.limits
    rate: Any = np.full(blocks.count, Fraction(0), dtype=object)
    for offer, nodes in books.bought.items():
        rate = rate + nodes * int(o.micro_usd_per_hour[offer])
    for (d, c), units in books.served.items():
        pico = int(s.transfer_pico_usd_per_unit[d, problem.pool_site[problem.candidates.pool[c]]])
        rate = rate + units * Fraction(pico, PICO_IN_MICRO)
    for d, left in books.unserved_flow.items():
        priced = left * ~problem.may_leave[s.workload[d]]
        rate = rate + priced * int(problem.workloads.unserved_micro_usd_per_unit[s.workload[d]])
    if limits.carbon_micro_usd_per_kg:
        rate = rate + _carbon_rate(problem, books)
    hours = blocks.total_hours.astype(object)
    state = [sum((rate * hours)[blocks.scenario == k], Fraction(0)) for k in range(len(blocks.probability))]
    for (d, k), undone in books.unserved_job.items():
        state[k] += undone * int(problem.workloads.unserved_micro_usd_per_unit[s.workload[d]])
    fixed = sum((held_cost(problem, k, n) for k, n in books.held.items()), Fraction(0))
    return [fixed + sum((t * x for t, x in zip(row, state, strict=True)), Fraction(0)) for row in problem.futures[1]]


def _carbon_rate(problem: Problem, books: Books) -> Any:
    """Micro-dollars an hour for the emissions of running nodes [B]."""
    c, made = problem.candidates, np.zeros(problem.blocks.count, dtype=object)
    for k, replicas in books.replicas.items():
        pool = c.pool[k]
        watts = int(problem.shapes.power_w[problem.pool_shape[pool]])
        grid = np.array([Fraction(float(g)) for g in problem.grid[problem.pool_site[pool]]], dtype=object)
        grams = watts * (grid if len(grid) > 1 else grid[0]) / 1000 * int(c.nodes_per_replica[k])
        made = made + replicas * (grams * problem.limits.carbon_micro_usd_per_kg / 1000)
    return made


def held_cost(problem: Problem, commitment: int, nodes: int) -> Fraction:
    """Micro-dollars of so many committed nodes over the horizon."""
    hours = int(problem.offers.paid_hours[commitment].sum())
    rate = nodes * int(problem.offers.micro_usd_per_hour[commitment]) * hours
    return rate + sum(upfront_owed(problem, commitment, nodes), Fraction(0))


def future_unserved(problem: Problem, books: Books, w: int) -> list[Fraction]:
    """Units of a workload left over the horizon in each future [F]."""
    s, blocks = problem.sources, problem.blocks
    state = [0] * len(blocks.probability)
    for d, left in books.unserved_flow.items():
        if s.workload[d] == w:
            for k in range(len(state)):
                state[k] += int((left * blocks.total_hours.astype(object))[blocks.scenario == k].sum())
    for (d, k), undone in books.unserved_job.items():
        state[k] += undone if s.workload[d] == w else 0
    return [sum((t * x for t, x in zip(row, state, strict=True)), Fraction(0)) for row in problem.futures[1]]


def _rise(problem: Problem, books: Books) -> tuple[Fraction, tuple[int, ...]]:
    """Micro-dollars by which the dearest set of uncertain offers rises, at most as many as the budget; and which."""
    o = problem.offers
    spent: list[tuple[Fraction, int]] = []
    for offer, share in problem.limits.uncertain:
        hours = sum(books.monthly(books.bought[offer]), Fraction(0)) if offer in books.bought else Fraction(0)
        cost = hours * int(o.micro_usd_per_hour[offer])
        if offer in books.held and not o.owned_nodes[offer]:
            cost += held_cost(problem, offer, books.held[offer])
        spent.append((share * cost, offer))
    most = sorted((x for x in spent if x[0] > 0), key=lambda x: (-x[0], x[1]))[: problem.limits.robust_budget]
    return sum((x for x, _ in most), Fraction(0)), tuple(sorted(k for _, k in most))
