"""Offers that nobody can use, and commitments that another one or nodes on demand make superfluous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import most_replicas
from ..problem import COMMITMENT, FIRM, ON_DEMAND, SPOT
from ..rules.commitment import upfront_by_month
from .candidates import TOGETHER, settled
from .reduced import NONE

if TYPE_CHECKING:
    from ..problem import Problem
    from .reduced import Reduced

Array = np.ndarray[Any, np.dtype[Any]]
UNUSED, DOMINATED, DEAR = "offers nobody can use", "commitments that others stand in for", "commitments too dear"
CLEARLY = 1 - 1e-9  # of a price: further below than rounding of sums in double precision


def firm_need(p: Problem) -> Array:
    """Firm nodes that the candidates of a pool could run in a block, float [Q, B]."""
    c, made = p.candidates, np.zeros((len(p.pool_shape), p.blocks.count))
    firm = np.flatnonzero(c.market == FIRM)
    for first in range(0, len(firm), TOGETHER):
        rows = firm[first : first + TOGETHER]
        np.add.at(made, c.pool[rows], c.nodes_per_replica[rows, None] * most_replicas(p, rows))
    return made


def most_held(p: Problem, need: Array) -> Array:
    """Nodes beyond which nobody needs a commitment; what is owned of it where it is. float [F], 0 of other offers."""
    o, up = p.offers, p.zones_up
    stretched = np.where(up > 0, np.ceil(need * p.pool_zones[:, None] / np.maximum(up, 1)), 0.0)
    made, rows = o.owned_nodes.astype(float), np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes == 0))
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        made[some] = (stretched[o.pool[some]] * o.active[some]).max(axis=1, initial=0)
    return made


def unused(r: Reduced) -> Reduced:
    """Leave out offers of nodes in pools where no candidate runs on such, and commitments in force when none can."""
    p = r.problem
    o, c = p.offers, p.candidates
    firm, spot = np.zeros(len(p.pool_shape), dtype=bool), np.zeros(len(p.pool_shape), dtype=bool)
    firm[c.pool[c.market == FIRM]], spot[c.pool[c.market == SPOT]] = True, True
    useful = np.where(o.kind == SPOT, spot[o.pool], firm[o.pool])
    useful &= (o.kind != COMMITMENT) | (most_held(p, firm_need(p)) > 0)
    useful |= o.owned_nodes > 0
    return r.with_offers(np.where(useful, np.arange(len(useful)), NONE), UNUSED)


def dominated(r: Reduced) -> Reduced:
    """Leave out a commitment where another of its pool is in force whenever it could be needed and costs no more.

    No more over the horizon, in each month and hour that has a budget, and at once where upfront cash is limited. Where
    a quota or an hourly budget counts commitments in force, both must be in force at the same times. One whose price
    may rise stands in for none: the worst case would have more of it to raise.
    """
    p = r.problem
    o, into = p.offers, np.arange(len(p.offers.pool))
    free = np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes == 0))
    stands_in = _StandsIn(p, free)
    order = free[np.argsort(o.pool[free], kind="stable")]
    for step in range(1, len(order)):
        same = np.flatnonzero(o.pool[order[:-step]] == o.pool[order[step:]])
        if not len(same):
            break
        first, then = order[same], order[same + step]
        better = stands_in(first, then)
        into[then[better]] = first[better]
        better = stands_in(then, first) & ~better  # of equals the first stays
        into[first[better]] = then[better]
    return r.with_offers(settled(into), DOMINATED)


class _StandsIn:
    """Whether one commitment may stand in for another, of these."""

    def __init__(self, p: Problem, free: Array) -> None:
        self.p, self.cost, self.risky, self.strict = p, _costs(p, free), _risky(p), _counted(p)
        self.wanted = firm_need(p) > 0
        self.at = np.full(len(p.offers.pool), NONE)
        self.at[free] = np.arange(len(free))

    def __call__(self, one: Array, other: Array) -> Array:
        less = _no_dearer(self.cost[:, self.at[one]], self.cost[:, self.at[other]]) | _alike(self.p, one, other)
        return np.asarray(less & ~self.risky[one] & _in_force_for(self.p, one, other, self.wanted, self.strict))


def _costs(p: Problem, rows: Array) -> Array:
    """What a node of these commitments costs, dollars [n, K]: in all, and by all that limits count."""
    o, limits = p.offers, p.limits
    upfront = np.array([[float(x) for x in months] for months in upfront_by_month(p, rows)])
    monthly = (
        o.micro_usd_per_hour[rows, None] * o.paid_hours[rows] + upfront.reshape(len(rows), len(p.blocks.periods))
    ) / 1e6
    made = [monthly.sum(axis=1)]
    made += [monthly[:, m] for m, usd in enumerate(limits.monthly_budget_micro_usd) if usd is not None]
    if limits.hourly_budget_micro_usd is not None:
        spread = o.upfront_micro_usd[rows] / np.maximum(o.term_hours[rows], 1)
        made.append((o.micro_usd_per_hour[rows] + (spread if limits.accounting == "amortised" else 0)) / 1e6)
    if limits.upfront_max_micro_usd is not None:
        made.append(o.upfront_micro_usd[rows] / 1e6)
    return np.array(made)


def _no_dearer(one: Array, other: Array) -> Array:
    """Whether every cost [n, k] of the one is below the other's by more than rounding, or both are nothing."""
    return np.asarray(((one <= other * CLEARLY) | (one == 0)).all(axis=0))


def _alike(p: Problem, one: Array, other: Array) -> Array:
    """Whether commitments cost the same by their own numbers."""
    o = p.offers
    columns = (o.micro_usd_per_hour, o.upfront_micro_usd, o.term_hours)
    same = np.logical_and.reduce([column[one] == column[other] for column in columns])
    return np.asarray(same & (o.paid_hours[one] == o.paid_hours[other]).all(axis=1))


def _risky(p: Problem) -> Array:
    """Offers whose price may rise in the worst case that is counted, bool [F]."""
    made = np.zeros(len(p.offers.pool), dtype=bool)
    if p.limits.robust_budget:
        made[[offer for offer, _ in p.limits.uncertain]] = True
    return made


def _counted(p: Problem) -> Array:
    """Pools in which something counts commitments that nobody needs at the time, bool [Q]."""
    made = np.full(len(p.pool_shape), p.limits.hourly_budget_micro_usd is not None)
    for quota in p.limits.quotas:
        if quota.kind != "spot":
            made[list(quota.pools)] = True
    return made


def _in_force_for(p: Problem, one: Array, other: Array, wanted: Array, strict: Array) -> Array:
    """Whether the one is in force whenever the other is and may be needed; if `strict`, at the same times."""
    o, made = p.offers, np.zeros(len(one), dtype=bool)
    for first in range(0, len(one), TOGETHER):
        a, b = one[first : first + TOGETHER], other[first : first + TOGETHER]
        pool = o.pool[a]
        covers = (o.active[a] | ~o.active[b] | ~wanted[pool]).all(axis=1)
        made[first : first + TOGETHER] = covers & (~strict[pool] | (o.active[a] == o.active[b]).all(axis=1))
    return made


def dear(r: Reduced) -> Reduced:
    """Leave out a commitment that costs more than nodes on demand in all hours in which it could be needed.

    More in expectation, and in every month and hour that has a budget. Not where tails or rises are counted, since what
    is bought by the hour is not spread as a commitment is; nor with outages, in which parts of nodes are counted.
    """
    p = r.problem
    o, limits, blocks = p.offers, p.limits, p.blocks
    free = np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes == 0))
    into = np.arange(len(o.pool))
    if limits.guarded or p.outages is not None or not len(free):
        return r.with_offers(into, DEAR)
    price, count = np.zeros(len(p.pool_shape)), np.zeros(len(p.pool_shape), dtype=np.int64)
    rows = np.flatnonzero(o.kind == ON_DEMAND)
    price[o.pool[rows]] = o.micro_usd_per_hour[rows] / 1e6
    np.add.at(count, o.pool[rows], 1)
    weight = blocks.total_hours * np.array([float(x) for x in blocks.block_probability()])
    needed, hourly = firm_need(p) > 0, price[o.pool[free]]
    months = [m for m, usd in enumerate(limits.monthly_budget_micro_usd) if usd is not None]
    costs = _costs(p, free)
    more = (count[o.pool[free]] == 1) & (hourly * _when(p, free, needed, weight) <= costs[0] * CLEARLY)
    for i, m in enumerate(months):
        for s in p.working:
            inside = np.where(blocks.scenario == s, blocks.hours[:, m], 0)
            more &= hourly * _when(p, free, needed, inside) <= costs[1 + i] * CLEARLY
    if limits.hourly_budget_micro_usd is not None:
        more &= hourly <= costs[1 + len(months)] * CLEARLY
    into[free[more]] = NONE
    return r.with_offers(into, DEAR)


def _when(p: Problem, rows: Array, needed: Array, hours: Array) -> Array:
    """Hours [B] added up in which commitments are in force and needed, float [n]."""
    made, o = np.zeros(len(rows)), p.offers
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        made[first : first + TOGETHER] = (o.active[some] & needed[o.pool[some]]) @ hours
    return made
