"""Choosing a candidate for every source of demand, as people do: by list price, each workload for itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import FIRM, ON_DEMAND
from ..reach import reachable
from ..rules.carbon import GRAMS_IN_KG, kg_per_node_hour
from .need import PICO_PER_MICRO, hours_at_peak, replicas_needed, weight

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
UNSERVED, NOWHERE = -1, -2  # instead of a candidate: left unserved at its price, or nothing can serve it


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """On-demand prices of the candidates, and which candidates may serve which source."""

    problem: Problem
    price: Array  # float [C] micro-dollars of a node-hour on demand with its carbon, inf where it is not on sale
    rate: Array  # int64 [Q] micro-dollars of a node-hour on demand, -1 where it is not on sale
    site: Array  # int64 [C]
    open: Array  # bool [D, C]
    owned: Array  # int64 [Q, B] nodes of commitments already owned
    groups: tuple[Array, ...]  # sources of each workload that has any
    estimates: dict[tuple[tuple[int, ...], bool], Array] = field(default_factory=dict)  # memo of `estimate`

    @classmethod
    def of(cls, problem: Problem) -> Shop:
        """Read the market off the problem."""
        c, o, s = problem.candidates, problem.offers, problem.sources
        pools = len(problem.pool_shape)
        rate = np.full(pools, -1, dtype=np.int64)
        on_sale = np.flatnonzero(o.kind == ON_DEMAND)
        rate[o.pool[on_sale]] = o.micro_usd_per_hour[on_sale]
        owned = np.zeros((pools, problem.blocks.count), dtype=np.int64)
        np.add.at(owned, o.pool, o.owned_nodes[:, None] * o.active)
        good = (c.market == FIRM) & (c.units_per_hour > 0) & ((rate >= 0) | owned.any(axis=1))[c.pool]
        price = np.where(rate < 0, np.inf, rate)
        if problem.limits.carbon_micro_usd_per_kg:
            grams = kg_per_node_hour(problem).mean(axis=1) * GRAMS_IN_KG
            price = price + grams * problem.limits.carbon_micro_usd_per_kg / GRAMS_IN_KG
        return cls(
            problem=problem,
            price=price[c.pool],
            rate=rate,
            site=problem.pool_site[c.pool],
            open=reachable(problem) & good[None, :],
            owned=problem.usable(np.arange(pools), owned),
            groups=tuple(np.flatnonzero(s.workload == w) for w in np.unique(s.workload)),
        )

    def names(self, sources: Array) -> str:
        """Sources in words, "chat from paris, pretrain"; a few of many."""
        s, work = self.problem.sources, self.problem.workloads
        at = np.flatnonzero(sources)
        made = [
            str(work.name[s.workload[d]]) + (f" from {s.origin[d]}" if work.kind[s.workload[d]] == "serving" else "")
            for d in at
        ]
        return ", ".join(made[:3]) + (f" and {len(made) - 3} more" if len(made) > 3 else "")  # noqa: PLR2004

    # Ways: each gives a candidate (or UNSERVED, NOWHERE) for every source [D].

    def cheapest(self, *, always_on: bool = False) -> Array:
        """Each workload on the candidate that serves all its origins for least, or each origin on its own."""
        choice = np.full(len(self.problem.sources.workload), NOWHERE)
        for group in self.groups:
            together = self._best(group, always_on=always_on)
            apart = [self._best(group[[i]], always_on=always_on) for i in range(len(group))]
            choice[group] = together[0] if together[1] <= sum(cost for _, cost in apart) else [c for c, _ in apart]
        return choice

    def greedy(self) -> Array:
        """Each workload where a GPU-hour is cheapest, whatever it does with it."""
        p, choice = self.problem, np.full(len(self.problem.sources.workload), NOWHERE)
        per_gpu = self.rate / np.maximum(p.shapes.accelerators[p.pool_shape], 1)
        for group in self.groups:
            shared = np.isfinite(self.estimate(group)).any()
            for part in [group] if shared else [group[[i]] for i in range(len(group))]:
                estimate = self.estimate(part)
                order = np.lexsort((estimate, per_gpu[p.candidates.pool]))
                order = order[np.isfinite(estimate[order])]
                choice[part] = order[0] if len(order) else self._best(part)[0]
        return choice

    def single_region(self) -> tuple[Array, str]:
        """Everything in the one region where it costs least; where none can host all, one a group of residency.

        Returns the choice, and in words which regions they are.
        """
        p, choice = self.problem, np.full(len(self.problem.sources.workload), NOWHERE)
        places: dict[str, list[str]] = {}
        for label, groups in self._hostable(list(self.groups)):
            best = np.stack([self._by_site(group) for group in groups])  # [groups, R]
            site = int(np.argmin(best.sum(axis=0)))
            for group in groups:
                choice[group] = self._best(group, at=self.site == site)[0]
            places.setdefault(f"{p.sites.provider[site]} {p.sites.region[site]}", []).append(label)
        if len(places) == 1:
            return choice, next(iter(places))
        return choice, "; ".join(f"{', '.join(labels)} in {region}" for region, labels in places.items())

    def _hostable(self, groups: list[Array]) -> list[tuple[str, list[Array]]]:
        """Groups of workloads that some region can host together: all, or by residency, by workload, by origin."""
        s, work = self.problem.sources, self.problem.workloads

        def residency(group: Array) -> str:
            found = work.residency[s.workload[group[0]]]
            return f"{'/'.join(found)} workloads" if found else "workloads without residency"

        def name(group: Array) -> str:
            return str(work.name[s.workload[group[0]]])

        steps: list[Callable[[Array], str]] = [lambda _: "all", residency, name]
        waiting, made = [(0, "all", groups)], []
        while waiting:
            step, label, part = waiting.pop(0)
            if np.isfinite(np.stack([self._by_site(g) for g in part]).sum(axis=0)).any() if part else False:
                made.append((label, part))
            elif step + 1 < len(steps):
                split: dict[str, list[Array]] = {}
                for group in part:
                    split.setdefault(steps[step + 1](group), []).append(group)
                waiting += [(step + 1, key, found) for key, found in split.items()]
            else:
                made += [(self.names(np.isin(np.arange(len(s.workload)), g)), [g]) for g in _singles(part)]
        return made

    def _by_site(self, group: Array) -> Array:
        """Least estimated cost of the sources in each region; inf where it cannot be [R]."""
        made = np.full(len(self.problem.sites.region), self._penalty(group))
        np.minimum.at(made, self.site, self.estimate(group))
        return made

    def _best(self, group: Array, *, always_on: bool = False, at: Array | None = None) -> tuple[int, float]:
        """The candidate that serves these sources together for least, and the estimate."""
        estimate = self.estimate(group, always_on=always_on)
        estimate = estimate if at is None else np.where(at, estimate, np.inf)
        best, penalty = (int(estimate.argmin()) if len(estimate) else NOWHERE), self._penalty(group)
        cost = float(estimate[best]) if len(estimate) else math.inf
        if penalty < cost:
            return UNSERVED, penalty
        return (best, cost) if math.isfinite(cost) else (NOWHERE, math.inf)

    def _penalty(self, group: Array) -> float:
        """Micro-dollars of leaving the sources unserved, inf where that is no choice."""
        s, work = self.problem.sources, self.problem.workloads
        w = s.workload[group[0]]
        return math.inf if work.must_serve[w] else float(self._units(group).sum() * work.unserved_micro_usd_per_unit[w])

    def _units(self, group: Array) -> Array:
        """Expected units over the horizon of each source."""
        s = self.problem.sources
        return np.asarray(s.units_per_hour[group] @ weight(self.problem) + s.total_units[group])

    def estimate(self, group: Array, *, always_on: bool = False) -> Array:
        """Micro-dollars of serving these sources (of one workload) together on each candidate [C]; inf where closed."""
        key = (tuple(group.tolist()), always_on)
        if key not in self.estimates:
            self.estimates[key] = self._estimate(group, always_on=always_on)
        return self.estimates[key]

    def _estimate(self, group: Array, *, always_on: bool) -> Array:
        s, c = self.problem.sources, self.problem.candidates
        made = np.full(len(c.pool), np.inf)
        rows = np.flatnonzero(self.open[group].all(axis=0))
        hours = self._hours(group, rows, peak=always_on and not s.total_units[group].any())
        nodes = np.multiply(hours, self.price[rows], out=np.zeros(len(rows)), where=hours > 0)
        transfer = self._units(group) @ s.transfer_pico_usd_per_unit[group][:, self.site[rows]] / PICO_PER_MICRO
        made[rows] = nodes + transfer
        return made

    def _hours(self, group: Array, rows: Array, *, peak: bool) -> Array:
        """Node-hours, beyond those owned, that the sources need on candidates, float [rows]; inf where they cannot."""
        p, c = self.problem, self.problem.candidates
        rates, which = np.unique(c.units_per_hour[rows], return_inverse=True)
        replicas = replicas_needed(p, group, rates)
        each = hours_at_peak(p, replicas) if peak else replicas @ weight(p)
        hours = each[which] * c.nodes_per_replica[rows]
        free = np.flatnonzero(self.owned[c.pool[rows]].any(axis=1))
        if len(free) and not peak:
            nodes = replicas[which[free]] * c.nodes_per_replica[rows[free], None]
            hours[free] = np.maximum(nodes - self.owned[c.pool[rows[free]]], 0) @ weight(p)
        never = replicas.min(axis=1, initial=0) < 0
        return np.where(never[which], np.inf, hours)


def _singles(groups: Sequence[Array]) -> list[Array]:
    return [group[[i]] for group in groups for i in range(len(group))]
