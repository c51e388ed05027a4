"""The exact bill of a choice of candidates, and the limits it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import COMMITMENT
from ..rules.budget import hourly_rate
from ..rules.carbon import GRAMS_IN_KG, grams_per_node_hour
from ..rules.commitment import upfront_by_month
from .need import PICO_PER_MICRO, always_at_peak, by_scenario, replicas_needed

if TYPE_CHECKING:
    from ..problem import Problem, Quota
    from .shop import Shop

Array = np.ndarray[Any, np.dtype[Any]]


Months = list[list[Fraction]]  # [S][P]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The exact bill of a choice. S scenarios, P months; node counts are [B, P] since a peak is a month's."""

    problem: Problem
    paid: Months  # micro-dollars for nodes and transfer
    priced: Months  # micro-dollars for carbon and for what is left unserved: in the total, but in no budget
    hourly: Array  # Fraction [B], the most micro-dollars an hour that nodes cost in each block
    grams: Fraction  # CO2e over the horizon, expected
    held: dict[int, Array]  # pool -> most firm nodes held in a block, int64 [B]
    short: list[str]  # pools that are not on sale, where more nodes are needed than are owned
    lost: list[str]  # pools in use while an outage takes them

    @classmethod
    def of(cls, shop: Shop, choice: Array, *, always_on: bool) -> Bill:
        """Add up nodes, transfer, carbon, what is left unserved and the commitments already owned."""
        p = shop.problem
        nodes: dict[int, Array] = {}
        for c in np.unique(choice[choice >= 0]).tolist():
            pool, group = int(p.candidates.pool[c]), np.flatnonzero(choice == c)
            nodes[pool] = nodes.get(pool, 0) + _nodes(p, group, c, peak=always_on)
        scenarios = len(p.blocks.probability)
        paid = [owned_cost(p) for _ in range(scenarios)]
        priced = [[Fraction(0)] * len(p.blocks.periods) for _ in range(scenarios)]
        for d, c in enumerate(choice.tolist()):
            if c >= 0:
                _add(paid, _transfer(p, d, c))
            else:
                _add(priced, _unserved(p, d))
        grams, held, short, hourly = Fraction(0), {}, [], owned_rate(p)
        gone = np.broadcast_to(p.zones_up == 0, (len(p.pool_shape), p.blocks.count))
        lost = [str(p.pool_names[q]) for q, used in sorted(nodes.items()) if used[gone[q]].any()]
        for pool in sorted({*nodes, *np.flatnonzero(shop.owned.any(axis=1)).tolist()}):
            running, owned = nodes.get(pool, np.zeros_like(p.blocks.hours)), shop.owned[pool]
            beyond = np.maximum(running - owned[:, None], 0)
            bought = p.blocks.hours * beyond
            hourly = hourly + int(shop.rate[pool]) * beyond.max(axis=1).astype(object)
            held[pool] = np.maximum(owned, running.max(axis=1))
            if shop.rate[pool] < 0 and bought.any():
                short.append(str(p.pool_names[pool]))
            _add(paid, _times(Fraction(int(shop.rate[pool])), by_scenario(p, bought)))
            emitted = _emitted(p, pool, p.blocks.hours * running)
            _add(priced, _times(Fraction(p.limits.carbon_micro_usd_per_kg, GRAMS_IN_KG), emitted))
            grams += _expected(p, emitted)
        return cls(problem=p, paid=paid, priced=priced, hourly=hourly, grams=grams, held=held, short=short, lost=lost)

    @property
    def total(self) -> int:
        """Whole micro-dollars over the horizon, expected."""
        return round(_expected(self.problem, self.paid) + _expected(self.problem, self.priced))

    def broken(self) -> list[str]:
        """Limits that the choice breaks, in words."""
        limits = self.problem.limits
        quotas = [q.name for q in limits.quotas if (self._held(q) > q.limit).any()]
        dearest = [max(column) for column in zip(*(self.paid[s] for s in self.problem.working), strict=True)]
        months = zip(self.problem.blocks.periods, dearest, limits.monthly_budget_micro_usd, strict=False)
        budgets = [name for name, cost, limit in months if limit is not None and cost > limit]
        made = [_few("breaks the quota", quotas), _few("exceeds the budget of", budgets)]
        made.append(_few("does not survive the loss of", self.lost))
        if limits.hourly_budget_micro_usd is not None and (self.hourly > limits.hourly_budget_micro_usd).any():
            made.append("exceeds the hourly budget")
        if limits.carbon_max_g is not None and self.grams > limits.carbon_max_g:
            made.append("emits more carbon than allowed")
        return [text for text in made if text]

    def _held(self, quota: Quota) -> Array:
        """Nodes a quota sees in each block, int64 [B] or [1]; no way has spot nodes."""
        pools = [] if quota.kind == "spot" else [q for q in quota.pools if q in self.held]
        return np.asarray(sum((self.held[q] for q in pools), np.zeros(1, dtype=np.int64)))


def _nodes(p: Problem, group: Array, c: int, *, peak: bool = False) -> Array:
    """Nodes of sources that share a candidate, in each block and month, int64 [B, P]."""
    replicas = replicas_needed(p, group, p.candidates.units_per_hour[[c]])[0]
    nodes = replicas * int(p.candidates.nodes_per_replica[c])
    if peak and not p.sources.total_units[group].any():
        return always_at_peak(p, nodes)
    return np.where(p.blocks.hours > 0, nodes[:, None], 0)


def _transfer(p: Problem, d: int, c: int) -> Months:
    """Micro-dollars of moving the units of a source; a job's data moves as its nodes run."""
    price = Fraction(int(p.sources.transfer_pico_usd_per_unit[d, p.pool_site[p.candidates.pool[c]]]), PICO_PER_MICRO)
    total = int(p.sources.total_units[d])
    if not total:
        return _times(price, _flow_units(p, d))
    run = by_scenario(p, p.blocks.hours * _nodes(p, np.array([d]), c))
    return [[price * total * hours / (sum(months) or 1) for hours in months] for months in run]


def _unserved(p: Problem, d: int) -> Months:
    """Micro-dollars of leaving a source unserved (a job: in the last month of its window)."""
    price = Fraction(int(p.workloads.unserved_micro_usd_per_unit[p.sources.workload[d]]))
    if not p.sources.total_units[d]:
        return _times(price, _flow_units(p, d))
    months = np.flatnonzero(p.blocks.hours[p.sources.window[d]].sum(axis=0))
    last, count = int(months[-1]) if len(months) else 0, p.blocks.hours.shape[1]
    row = [price * int(p.sources.total_units[d]) * (m == last) for m in range(count)]
    return [row if s in p.working else [Fraction(0)] * count for s in range(len(p.blocks.probability))]


def _flow_units(p: Problem, d: int) -> list[list[int]]:
    return by_scenario(p, p.sources.units_per_hour[d][:, None] * p.blocks.hours)


def owned_cost(p: Problem) -> list[Fraction]:
    """Micro-dollars of the commitments already owned, by month: they are paid whatever else is done."""
    o = p.offers
    owned = np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes > 0))
    made = [Fraction(0)] * len(p.blocks.periods)
    for offer, upfront in zip(owned.tolist(), upfront_by_month(p, owned), strict=True):
        nodes, rate = int(o.owned_nodes[offer]), int(o.micro_usd_per_hour[offer])
        _add([made], [[nodes * (rate * int(h) + u) for h, u in zip(o.paid_hours[offer], upfront, strict=True)]])
    return made


def owned_rate(p: Problem) -> Array:
    """Micro-dollars an hour of the commitments already owned, in each block, Fraction [B]."""
    o, made = p.offers, np.full(p.blocks.count, Fraction(0), dtype=object)
    for offer in np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes > 0)).tolist():
        made = made + int(o.owned_nodes[offer]) * hourly_rate(p, offer) * o.active[offer].astype(object)
    return made


def _emitted(p: Problem, pool: int, node_hours: Array) -> Months:
    """Grams of node-hours in each block and month [B, P]; [S][P]."""
    if p.grid_g_co2_per_kwh is None:
        return _times(grams_per_node_hour(p, pool), by_scenario(p, node_hours))
    grams = np.array([[grams_per_node_hour(p, pool, b)] for b in range(p.blocks.count)], dtype=object)
    return _times(Fraction(1), by_scenario(p, node_hours * grams))


def _times(price: Fraction, amounts: Sequence[Sequence[int | Fraction]]) -> Months:
    return [[price * amount for amount in months] for months in amounts]


def _expected(p: Problem, amounts: Months) -> Fraction:
    return sum((share * sum(months) for share, months in zip(p.blocks.probability, amounts, strict=True)), Fraction(0))


def _add(months: Months, more: Months) -> None:
    for row, extra in zip(months, more, strict=True):
        row[:] = [a + b for a, b in zip(row, extra, strict=True)]


def _few(text: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"{text} {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
