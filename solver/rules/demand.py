"""Demand is served, or its being unserved is named and priced."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ..bill import Line, expected
from ..formulation import matches
from ..money import round_half_even
from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem


FEW = 4


class Demand(Rule):
    """Every unit asked for is served or left.

    flows, each source d and block b:      Σ_c served[d, c, b] + unserved[d, b] ≥ demand[d, b]
    jobs, each source d and scenario s that is no outage:
                                           Σ_b∈s hours[b] Σ_c served[d, c, b] + unserved[d, s] ≥ total[d]
    cost:                                  price[w] × unserved units
    """

    name = "demand"

    def build(self, f: Formulation) -> None:
        """Rows for flows and for jobs, and the price of what is left."""
        if f.direct:
            self._covers(f)
        else:
            self._flows(f)
        self._jobs(f)

    def _covers(self, f: Formulation) -> None:
        """Flows without served columns: capacity that the sources of a set can reach covers their demand.

        Each set of sources T of a workload, with c over the candidates some source of T reaches (all sets of few
        sources, else each source and all; a set that reaches no less than a larger one needs no row):
        Σ_c min(units_per_hour[c], demand) × replicas[c, b] + unserved[b] ≥ Σ_d∈T demand[d, b] = demand
        """
        p, s = f.problem, f.problem.sources
        capacity = f.of("units_per_hour").astype(float)
        reached, whose = f.pairs[:, f.reach], s.workload[f.pairs[0][f.reach]]
        flows = np.unique(s.workload[s.total_units == 0])
        at, pair = matches(flows, whose)
        first = np.searchsorted(at, np.arange(len(flows) + 1))
        for i, w in enumerate(flows.tolist()):
            mine = pair[first[i] : first[i + 1]]
            sources = np.flatnonzero(s.workload == w)
            member = np.zeros((len(sources), len(f.candidates)), dtype=bool)
            member[np.searchsorted(sources, reached[0][mine]), reached[1][mine]] = True
            sets = [t for t in _sets(len(sources)) if _needed(t, member)]
            demand = np.array([s.units_per_hour[sources[list(t)]].sum(axis=0) for t in sets]) / f.unit[w]
            keys = np.array([w * 2**32 + sum(1 << i for i in t) for t in sets], dtype=np.int64)
            rows = f.model.rows(
                f"cover {p.workloads.name[w]}", demand.shape, lower=demand, keys=keys,
                label=lambda at, w=w: f"{p.workloads.name[w]}, {block_name(p, at[1])}",  # type: ignore[misc]
            )  # fmt: skip
            for row, t, asked in zip(rows, sets, demand, strict=True):
                found = np.flatnonzero(member[list(t)].any(axis=0))
                usable = np.minimum(capacity[found, None] / f.unit[w], asked)
                f.model.put(row, f.replicas[found], usable)
            left = f.unserved[sources[0], : p.blocks.count]
            f.model.put(rows, left[None, :], 1.0)
            price = np.where(p.may_leave[w], 0.0, p.workloads.unserved_micro_usd_per_unit[w] * f.unit[w] / 1e6)
            f.model.cost(left, price * f.weight)

    def _flows(self, f: Formulation) -> None:
        p, s = f.problem, f.problem.sources
        scale = f.unit[s.workload]
        flow = np.flatnonzero(s.total_units == 0)
        demand = s.units_per_hour[flow] / scale[flow, None]
        rows = f.model.rows(
            "demand",
            demand.shape,
            lower=demand,
            upper=demand if f.counted else np.inf,
            label=lambda at: f"{_source(p, int(flow[at[0]]))}, {block_name(p, at[1])}",
        )
        position = np.full(len(s.workload), -1)
        position[flow] = np.arange(len(flow))
        mine = position[f.pairs[0]] >= 0
        f.model.put(rows[position[f.pairs[0][mine]]], f.served[mine], 1.0)
        left = f.unserved[flow, : p.blocks.count]
        f.model.put(rows, left, 1.0)
        price = p.workloads.unserved_micro_usd_per_unit[s.workload[flow]] * scale[flow] / 1e6
        f.model.cost(left, np.where(p.may_leave[s.workload[flow]], 0.0, price[:, None]) * f.weight)

    def _jobs(self, f: Formulation) -> None:
        p, s, count = f.problem, f.problem.sources, len(f.problem.blocks.probability)
        scale = f.unit[s.workload]
        job = np.flatnonzero(s.total_units > 0)
        total = np.zeros((len(job), count))
        total[:, list(p.working)] = (s.total_units[job] / scale[job])[:, None]
        rows = f.model.rows(
            "work", total.shape, lower=total, label=lambda at: f"{_source(p, int(job[at[0]]))}, scenario {at[1]}"
        )
        position = np.full(len(s.workload), -1)
        position[job] = np.arange(len(job))
        mine = position[f.pairs[0]] >= 0
        at = position[f.pairs[0][mine]]
        f.model.put(rows[at[:, None], p.blocks.scenario[None, :]], f.served[mine], p.blocks.total_hours.astype(float))
        left = f.unserved[job, :count]
        f.model.put(rows, left, 1.0)
        price = p.workloads.unserved_micro_usd_per_unit[s.workload[job]] * scale[job] / 1e6
        f.model.cost(left, price[:, None] * np.array([float(x) for x in p.blocks.probability]))

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:
        """Unserved units at their price; those of a job stand in the last month of its window."""
        s, price = problem.sources, problem.workloads.unserved_micro_usd_per_unit
        totals: dict[tuple[int, int], Fraction] = {}
        for d in range(len(s.workload)):
            w = int(s.workload[d])
            months = expected(problem, np.where(problem.may_leave[w], 0, decision.unserved[d]))
            left = sum(
                (p * int(u) for p, u in zip(problem.blocks.probability, decision.undone[d], strict=True)), Fraction(0)
            )
            months[
                int(np.flatnonzero(problem.blocks.hours[s.window[d]].sum(axis=0))[-1]) if s.window[d].any() else -1
            ] += left
            for period, amount in enumerate(months):
                totals[w, period] = totals.get((w, period), Fraction(0)) + amount * int(price[w])
        for (w, period), total in totals.items():
            yield Line(kind="unserved", workload=w, period=period, micro_usd=round_half_even(total))

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Served + unserved = asked for; nothing unserved where it must be served."""
        s = problem.sources
        hours = problem.blocks.total_hours
        for d in range(len(s.workload)):
            served = sum(
                (v for (source, _), v in books.served.items() if source == d), np.zeros(len(hours), dtype=object)
            )
            must = bool(problem.workloads.must_serve[s.workload[d]])
            if s.total_units[d] > 0:
                yield from self._job_violations(problem, books, d, served, must)
                continue
            left = books.unserved_flow.get(d, np.zeros(len(hours), dtype=object))
            short = s.units_per_hour[d].astype(object) - served - left
            for b in np.flatnonzero(short != 0):
                yield self.wrong(
                    f"{_source(problem, d)}, {block_name(problem, int(b))}",
                    f"{short[b]} units an hour are neither served nor named unserved",
                )
            owed = left[~_given_up(problem, int(s.workload[d]))] if must else left[:0]
            if (owed > 0).any():
                yield self.wrong(_source(problem, d), f"{max(owed)} units an hour unserved, though all must be served")

    def _job_violations(self, problem: Problem, books: Books, d: int, served: Any, must: bool) -> Iterator[Violation]:  # noqa: FBT001
        for scenario in range(len(problem.blocks.probability)):
            mine = problem.blocks.scenario == scenario
            done = int((served * problem.blocks.total_hours.astype(object))[mine].sum())
            left = books.unserved_job.get((d, scenario), 0)
            short = (int(problem.sources.total_units[d]) if scenario in problem.working else 0) - done - left
            if short > 0 or (left > 0 and short < 0):
                yield self.wrong(
                    f"{_source(problem, d)}, scenario {scenario}", f"{short} units neither done nor named unserved"
                )
            if must and left > 0:
                yield self.wrong(
                    _source(problem, d), f"{left} units not done in scenario {scenario}, though all must be"
                )

    def owed(self, problem: Problem, books: Books) -> Iterator[Line]:
        """The penalty of what is left; a job's stands in the last month in which its window has an hour."""
        s, blocks, months = problem.sources, problem.blocks, range(len(problem.blocks.periods))
        units: dict[int, list[Fraction]] = {}
        for d, every in books.unserved_flow.items():
            left = np.where(_given_up(problem, int(s.workload[d])), 0, every)
            mine = units.setdefault(int(s.workload[d]), [Fraction(0)] * len(months))
            mine[:] = [a + b for a, b in zip(mine, books.monthly(left), strict=True)]
        for (d, scenario), undone in books.unserved_job.items():
            inside = [m for m in months if any(blocks.hours[b, m] for b in np.flatnonzero(s.window[d]))]
            mine = units.setdefault(int(s.workload[d]), [Fraction(0)] * len(months))
            mine[inside[-1] if inside else -1] += blocks.probability[scenario] * undone
        for w, amounts in units.items():
            price = int(problem.workloads.unserved_micro_usd_per_unit[w])
            for month, amount in enumerate(amounts):
                yield Line(kind="unserved", period=month, micro_usd=round(price * amount), workload=w)


def _sets(count: int) -> list[tuple[int, ...]]:
    """Sets of sources, largest first: all of up to FEW sources, else the whole and each alone."""
    sizes = range(count, 0, -1) if count <= FEW else (count, 1)
    return [t for size in sizes for t in combinations(range(count), size)]


def _needed(members: tuple[int, ...], reach: Any) -> bool:
    """Whether a set reaches fewer candidates than the whole does."""
    whole = len(members) == len(reach)
    return whole or bool((reach[list(members)].any(axis=0) != reach.any(axis=0)).any())


def _given_up(problem: Problem, w: int) -> Any:
    """Blocks in which what a workload leaves has no price: those of outages, if some may be given up; bool [B]."""
    out, scenario = problem.outages, problem.blocks.scenario.tolist()
    if out is None or all(limit.workload != w for limit in problem.limits.chances):
        return np.zeros(len(scenario), dtype=bool)
    return np.array([bool(out.state[s]) for s in scenario])


def _source(problem: Problem, d: int) -> str:
    name = str(problem.workloads.name[problem.sources.workload[d]])
    return f"{name}/{problem.sources.origin[d]}" if problem.sources.origin[d] else name
