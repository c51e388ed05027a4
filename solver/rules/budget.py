"""Budgets: what may be paid in a month, and for the nodes of any one hour."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..formulation import usd_per_hour
from ..problem import COMMITMENT, SPOT
from .base import Books, Rule, Violation, block_name
from .commitment import upfront_by_month

if TYPE_CHECKING:
    from typing import Any

    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem


class Budget(Rule):
    """In every scenario s, money paid for nodes and transfer (penalties and the price of carbon are not money):

    month p:   Σ_b∈s hours[b, p] × (on demand + spot + transfer) + commitments[p] ≤ monthly_budget[p]
    block b:   on demand + spot + commitments in force, a node an hour        ≤ hourly_budget
    (upfront payments as the accounting says: spread over the term, or in the month they are made and in no hour;
    a scenario that is an outage has hours, and no months)
    """  # noqa: D415

    name = "budget"

    def build(self, f: Formulation) -> None:
        """Rows for the months that have a limit, and for the hours when there is one."""
        limits = f.problem.limits
        months = [(p, usd) for p, usd in enumerate(limits.monthly_budget_micro_usd) if usd is not None]
        if months:
            self._monthly(f, months)
        if limits.hourly_budget_micro_usd is not None:
            self._hourly(f, limits.hourly_budget_micro_usd)

    def _rates(self, f: Formulation) -> tuple[Any, Any, Any]:
        """Dollars an hour: of a node on demand [O], of a spot replica [C] (0 when firm), of a served unit [E]."""
        p, o = f.problem, f.problem.offers
        spot = usd_per_hour(p, SPOT, absent=0.0)[f.of("pool")] * f.of("nodes_per_replica") * (f.of("market") == SPOT)
        source, place = f.pairs
        moved = p.sources.transfer_pico_usd_per_unit[source, p.pool_site[f.of("pool")[place]]] / 1e12
        return o.micro_usd_per_hour[f.on_demand_offers] / 1e6, spot, moved * f.unit[p.sources.workload[source]]

    def _monthly(self, f: Formulation, months: list[tuple[int, int]]) -> None:
        p, o, blocks = f.problem, f.problem.offers, f.problem.blocks
        scenarios = len(blocks.probability)
        rows = f.model.rows(
            "monthly budget",
            (len(months), scenarios),
            upper=np.where(np.isin(range(scenarios), p.working), np.array([[usd / 1e6] for _, usd in months]), np.inf),
            label=lambda at: f"{blocks.periods[months[at[0]][0]]}" + (f", scenario {at[1]}" if scenarios > 1 else ""),
        )
        on_demand, spot, moved = self._rates(f)
        mine = f.has_columns()
        upfront = np.array([[float(x) for x in row] for row in upfront_by_month(p, f.commitments)]).reshape(
            -1, len(blocks.periods)
        )
        for row, (month, _) in zip(rows, months, strict=True):
            at, hours = row[blocks.scenario], blocks.hours[:, month].astype(float)
            f.model.put(at, f.on_demand, on_demand[:, None] * hours)
            f.model.put(at, f.replicas, spot[:, None] * hours)
            f.model.put(at, f.served[mine], moved[mine, None] * hours)
            held = (o.micro_usd_per_hour[f.commitments] * o.paid_hours[f.commitments, month] + upfront[:, month]) / 1e6
            f.model.put(row[:, None], f.committed[None, :], held[None, :])

    def _hourly(self, f: Formulation, limit: int) -> None:
        p, o = f.problem, f.problem.offers
        rows = f.model.rows(
            "hourly budget", (p.blocks.count,), upper=limit / 1e6, label=lambda at: block_name(p, at[0])
        )
        on_demand, spot, _ = self._rates(f)
        f.model.put(rows, f.on_demand, on_demand[:, None])
        f.model.put(rows, f.replicas, spot[:, None])
        held = np.array([float(hourly_rate(p, k)) for k in f.commitments.tolist()]).reshape(-1) / 1e6
        f.model.put(rows, f.committed[:, None], held[:, None] * o.active[f.commitments])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Payments recomputed from purchases and served units."""
        limits, o = problem.limits, problem.offers
        nodes = np.zeros(problem.blocks.count, dtype=object)  # micro-dollars an hour, on demand and spot
        for offer, bought in books.bought.items():
            nodes = nodes + bought * int(o.micro_usd_per_hour[offer])
        for month, budget in enumerate(limits.monthly_budget_micro_usd):
            if budget is not None:
                yield from self._month(problem, books, nodes, month, budget)
        if limits.hourly_budget_micro_usd is not None:
            yield from self._hours(problem, books, nodes, limits.hourly_budget_micro_usd)

    def _month(self, problem: Problem, books: Books, nodes: Any, month: int, budget: int) -> Iterator[Violation]:
        blocks, pico = problem.blocks, np.zeros(problem.blocks.count, dtype=object)
        for (d, c), units in books.served.items():
            site = problem.pool_site[problem.candidates.pool[c]]
            pico = pico + units * int(problem.sources.transfer_pico_usd_per_unit[d, site])
        held, hours = self._held(problem, books, month), blocks.hours[:, month].astype(object)
        for s in problem.working:
            mine = blocks.scenario == s
            paid = held + int((nodes * hours)[mine].sum()) + Fraction(int((pico * hours)[mine].sum()), 10**6)
            if paid > budget:
                where = blocks.periods[month] + (f", scenario {s}" if len(blocks.probability) > 1 else "")
                yield self.wrong(where, f"${float(paid) / 1e6:,.2f} paid, ${budget / 1e6:,.2f} allowed")

    def _hours(self, problem: Problem, books: Books, nodes: Any, budget: int) -> Iterator[Violation]:
        o = problem.offers
        for k, held in books.held.items():
            rate = Fraction(int(o.micro_usd_per_hour[k]))
            if problem.limits.accounting == "amortised":
                rate += Fraction(int(o.upfront_micro_usd[k]), max(1, int(o.term_hours[k])))
            nodes = nodes + held * rate * o.active[k].astype(object)
        for b, paid in enumerate(nodes):
            if paid > budget:
                said = f"${float(paid) / 1e6:,.2f} an hour, ${budget / 1e6:,.2f} allowed"
                yield self.wrong(block_name(problem, b), said)

    def _held(self, problem: Problem, books: Books, month: int) -> Fraction:
        """Micro-dollars of commitments in a month."""
        o, total = problem.offers, Fraction(0)
        for k, held in books.held.items():
            paid = [int(h) for h in o.paid_hours[k]]
            total += held * int(o.micro_usd_per_hour[k]) * paid[month]
            once = held * int(o.upfront_micro_usd[k])
            if problem.limits.accounting == "amortised":
                total += Fraction(once * paid[month], max(1, int(o.term_hours[k])))
            elif not o.owned_nodes[k] and paid[month] and not any(paid[:month]):
                total += once
        return total


def hourly_rate(problem: Problem, commitment: int) -> Fraction:
    """Micro-dollars of a committed node in an hour; with its part of the upfront payment when that is spread."""
    o = problem.offers
    rate = Fraction(int(o.micro_usd_per_hour[commitment]))
    if problem.limits.accounting == "amortised" and o.kind[commitment] == COMMITMENT:
        rate += Fraction(int(o.upfront_micro_usd[commitment]), max(1, int(o.term_hours[commitment])))
    return rate


def overspent_usd(problem: Problem, d: Decision) -> Any:
    """Dollars paid beyond the budget in each month that has one, and scenario [M, S]; below 0 where some is left."""
    o, blocks, c = problem.offers, problem.blocks, problem.candidates
    months = [m for m, usd in enumerate(problem.limits.monthly_budget_micro_usd) if usd is not None]
    spot = np.flatnonzero(c.market[d.candidates] == SPOT)
    rows = d.candidates[spot]
    price = usd_per_hour(problem, SPOT, absent=0.0)[c.pool[rows]] * c.nodes_per_replica[rows]
    hourly = (o.micro_usd_per_hour[d.on_demand_offers] / 1e6) @ d.on_demand + price @ d.replicas[spot]
    site = problem.pool_site[c.pool[d.candidates[d.pairs[1]]]]
    hourly = hourly + (problem.sources.transfer_pico_usd_per_unit[d.pairs[0], site] / 1e12) @ d.served
    upfront = np.array([[float(x) for x in row] for row in upfront_by_month(problem, d.commitments)])
    held = o.micro_usd_per_hour[d.commitments, None] * o.paid_hours[d.commitments]
    fixed = d.committed @ (held + upfront.reshape(held.shape)) / 1e6
    made = np.full((len(months), len(blocks.probability)), -np.inf)
    for s in problem.working:
        mine = blocks.scenario == s
        made[:, s] = (hourly[mine] @ blocks.hours[mine] + fixed)[months]
    limit = np.array([problem.limits.monthly_budget_micro_usd[m] for m in months], dtype=float) / 1e6
    return made - limit[:, None]
