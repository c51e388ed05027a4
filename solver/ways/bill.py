"""The exact bill of a choice of candidates, and the limits it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import COMMITMENT
from ..rules.carbon import GRAMS_IN_KG, grams_per_node_hour
from ..rules.commitment import upfront_by_month
from .need import PICO_PER_MICRO, always_at_peak, expected, replicas_needed

if TYPE_CHECKING:
    from ..problem import Problem, Quota
    from .shop import Shop

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The exact bill of a choice. P months; node counts are [B, P] since a peak is a month's."""

    problem: Problem
    months: list[Fraction]  # P, expected micro-dollars
    grams: Fraction  # CO2e over the horizon, expected
    held: dict[int, Array]  # pool -> most firm nodes held in a block, int64 [B]
    short: list[str]  # pools that are not on sale, where more nodes are needed than are owned

    @classmethod
    def of(cls, shop: Shop, choice: Array, *, always_on: bool) -> Bill:
        """Add up nodes, transfer, carbon, what is left unserved and the commitments already owned."""
        p, used = shop.problem, np.unique(choice[choice >= 0])
        months = owned_cost(p)
        nodes: dict[int, Array] = {}
        for c in used.tolist():
            pool, group = int(p.candidates.pool[c]), np.flatnonzero(choice == c)
            nodes[pool] = nodes.get(pool, 0) + _nodes(p, group, c, peak=always_on)
        for d, c in enumerate(choice.tolist()):
            _add(months, _transfer(p, d, c) if c >= 0 else _unserved(p, d))
        grams, held, short = Fraction(0), {}, []
        for pool in sorted({*nodes, *np.flatnonzero(shop.owned.any(axis=1)).tolist()}):
            running, owned = nodes.get(pool, np.zeros_like(p.blocks.hours)), shop.owned[pool]
            bought = p.blocks.hours * np.maximum(running - owned[:, None], 0)
            held[pool] = np.maximum(owned, running.max(axis=1))
            if shop.rate[pool] < 0 and bought.any():
                short.append(str(p.pool_names[pool]))
            _add(months, [int(shop.rate[pool]) * hours for hours in expected(p, bought)])
            emitted = [grams_per_node_hour(p, pool) * hours for hours in expected(p, p.blocks.hours * running)]
            _add(months, [g * p.limits.carbon_micro_usd_per_kg / GRAMS_IN_KG for g in emitted])
            grams += sum(emitted, Fraction(0))
        return cls(problem=p, months=months, grams=grams, held=held, short=short)

    @property
    def total(self) -> int:
        """Whole micro-dollars over the horizon."""
        return round(sum(self.months, Fraction(0)))

    def broken(self) -> list[str]:
        """Limits that the choice breaks, in words."""
        limits, names = self.problem.limits, self.problem.blocks.periods
        quotas = [q.name for q in limits.quotas if self._most(q) > q.max_nodes]
        budgets = [
            name
            for name, cost, limit in zip(
                names, self.months, limits.monthly_budget_micro_usd or (None,) * len(names), strict=True
            )
            if limit is not None and cost > limit
        ]
        made = [_few("breaks the quota", quotas), _few("exceeds the budget of", budgets)]
        if limits.carbon_max_g is not None and self.grams > limits.carbon_max_g:
            made.append("emits more carbon than allowed")
        return [text for text in made if text]

    def _most(self, quota: Quota) -> int:
        """Most nodes a quota sees in any block; no way has spot nodes."""
        pools = [] if quota.kind == "spot" else [q for q in quota.pools if q in self.held]
        return int(sum((self.held[q] for q in pools), np.zeros(1, dtype=np.int64)).max())


def _nodes(p: Problem, group: Array, c: int, *, peak: bool = False) -> Array:
    """Nodes of sources that share a candidate, in each block and month, int64 [B, P]."""
    replicas = replicas_needed(p, group, p.candidates.units_per_hour[[c]])[0]
    nodes = replicas * int(p.candidates.nodes_per_replica[c])
    if peak and not p.sources.total_units[group].any():
        return always_at_peak(p, nodes)
    return np.where(p.blocks.hours > 0, nodes[:, None], 0)


def _transfer(p: Problem, d: int, c: int) -> list[Fraction]:
    """Micro-dollars of moving the units of a source, by month."""
    price = Fraction(int(p.sources.transfer_pico_usd_per_unit[d, p.pool_site[p.candidates.pool[c]]]), PICO_PER_MICRO)
    total = int(p.sources.total_units[d])
    if not total:
        return [price * units for units in _flow_units(p, d)]
    run = expected(p, p.blocks.hours * _nodes(p, np.array([d]), c))
    return [price * total * hours / sum(run) for hours in run]


def _unserved(p: Problem, d: int) -> list[Fraction]:
    """Micro-dollars of leaving a source unserved, by month (a job: in the last month of its window)."""
    price = int(p.workloads.unserved_micro_usd_per_unit[p.sources.workload[d]])
    if not p.sources.total_units[d]:
        return [price * units for units in _flow_units(p, d)]
    months = np.flatnonzero(p.blocks.hours[p.sources.window[d]].sum(axis=0))
    last = int(months[-1]) if len(months) else 0
    return [Fraction(price * int(p.sources.total_units[d]) * (m == last)) for m in range(p.blocks.hours.shape[1])]


def _flow_units(p: Problem, d: int) -> list[Fraction]:
    return expected(p, p.sources.units_per_hour[d][:, None] * p.blocks.hours)


def owned_cost(p: Problem) -> list[Fraction]:
    """Micro-dollars of the commitments already owned, by month: they are paid whatever else is done."""
    o = p.offers
    owned = np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes > 0))
    made = [Fraction(0)] * len(p.blocks.periods)
    for offer, upfront in zip(owned.tolist(), upfront_by_month(p, owned), strict=True):
        nodes, rate = int(o.owned_nodes[offer]), int(o.micro_usd_per_hour[offer])
        _add(made, [nodes * (rate * int(h) + u) for h, u in zip(o.paid_hours[offer], upfront, strict=True)])
    return made


def _add(months: list[Fraction], more: Sequence[Fraction]) -> None:
    months[:] = [a + b for a, b in zip(months, more, strict=True)]


def _few(text: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"{text} {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
