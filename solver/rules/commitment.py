"""Commitments: whole nodes for a term, shared by all workloads of the pool, paid whether used or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bill import IDLE, Line, by_month, firm_use, split_over_workloads
from ..problem import FIRM
from .base import Books, Rule, Violation, charged
from .on_demand import use_weights

if TYPE_CHECKING:
    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem

Array = Any


class Commitment(Rule):
    """Each commitment k: committed[k] whole; those owned already are exactly as many as are owned.

    cost in month p: committed[k] × (usd_per_hour × paid_hours[k, p] + upfront[k, p]), where the upfront payment is
    spread over the hours of its term (amortised), or stands in the month the term starts (cash)
    """

    name = "commitment"

    def build(self, f: Formulation) -> None:
        """Bounds come with the columns; here the owned ones are fixed and all are priced."""
        o = f.problem.offers
        hourly = (o.micro_usd_per_hour[f.commitments, None] * o.paid_hours[f.commitments]).sum(axis=1) / 1e6
        upfront = np.array([float(sum(row)) for row in upfront_by_month(f.problem, f.commitments)]) / 1e6
        f.model.cost(f.committed, hourly + upfront.reshape(hourly.shape))
        owned = o.owned_nodes[f.commitments]
        fixed = np.flatnonzero(owned > 0)
        bound = owned[fixed].astype(float)
        rows = f.model.rows("owned", (len(fixed),), lower=bound, upper=bound, keys=f.commitments[fixed])
        f.model.put(rows, f.committed[fixed], 1.0)

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:
        """Each month's payment, split over the node-hours that workloads used of it, and the idle rest."""
        o = problem.offers
        for k, offer in enumerate(decision.commitments.tolist()):
            nodes = int(decision.committed[k])
            if not nodes:
                continue
            pool, option = int(o.pool[offer]), str(o.option[offer])
            hourly = [Fraction(nodes * int(o.micro_usd_per_hour[offer]) * int(h)) for h in o.paid_hours[offer]]
            upfront = [nodes * u for u in upfront_by_month(problem, np.array([offer]))[0]]
            weights = self._weights(problem, decision, offer, nodes)
            yield from split_over_workloads("compute", pool, option, hourly, weights)
            yield from split_over_workloads("upfront", pool, option, upfront, weights)

    def _weights(self, problem: Problem, decision: Decision, offer: int, nodes: int) -> Any:
        """Node-hours of this commitment used by each workload, and idle ones: commitments of a pool are used alike."""
        by_workload, running, held, usable = firm_use(problem, decision, int(problem.offers.pool[offer]))
        active = problem.offers.active[offer]
        zipped = list(zip(running.tolist(), held.tolist(), usable.tolist(), active.tolist(), strict=True))
        share = [Fraction(nodes * min(r, u), h * r) if a and r and h else Fraction(0) for r, h, u, a in zipped]
        idle = [nodes * (1 - Fraction(min(r, u), h)) if a and h else Fraction(0) for r, h, u, a in zipped]
        weights = use_weights(problem, by_workload, share)
        weights[-1] = by_month(problem, idle)
        return weights

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Owned commitments are held as owned."""
        o = problem.offers
        for offer in np.flatnonzero(o.owned_nodes > 0).tolist():
            held, owned = books.held.get(offer, 0), int(o.owned_nodes[offer])
            if held != owned:
                name = f"{problem.pool_names[o.pool[offer]]} {o.option[offer]}"
                yield self.wrong(name, f"{owned} nodes are owned, the plan holds {held}")

    def owed(self, problem: Problem, books: Books) -> Iterator[Line]:
        """Each month's hours and its part of the upfront payment, charged to those who use the pool's commitments."""
        o, zero = problem.offers, np.zeros(problem.blocks.count, dtype=object)
        firm = books.nodes_by_workload(problem, FIRM)
        for offer, nodes in books.held.items():
            pool = int(o.pool[offer])
            users, held, usable = firm.get(pool, {}), books.in_force(problem, pool), books.usable(problem, pool)
            running = sum(users.values(), zero)
            hours: dict[int, Any] = {w: [Fraction(0)] * len(zero) for w in (*sorted(users), IDLE)}
            for b in np.flatnonzero(o.active[offer]):
                busy = Fraction(nodes * min(running[b], usable[b]), held[b])
                hours[IDLE][b] = nodes - busy
                each = busy / int(running[b]) if busy else busy
                for w in users if busy else ():
                    hours[w][b] = each * users[w][b]
            used = {w: books.monthly(h) for w, h in hours.items()}
            rate = nodes * int(o.micro_usd_per_hour[offer])
            hourly = [Fraction(rate * int(paid)) for paid in o.paid_hours[offer]]
            yield from charged("compute", problem, offer, hourly, used)
            yield from charged("upfront", problem, offer, upfront_owed(problem, offer, nodes), used)


def upfront_owed(problem: Problem, offer: int, nodes: int) -> list[Fraction]:
    """Part of the upfront payment in each month: by its hours of the term, or all when the term starts (cash)."""
    o = problem.offers
    once, months = nodes * int(o.upfront_micro_usd[offer]), [int(h) for h in o.paid_hours[offer]]
    if problem.limits.accounting == "amortised":
        return [Fraction(once * h, max(1, int(o.term_hours[offer]))) for h in months]
    paid_before = bool(o.owned_nodes[offer])
    return [
        Fraction(once) if h and not paid_before and not any(months[:m]) else Fraction(0) for m, h in enumerate(months)
    ]


def upfront_by_month(problem: Problem, offers: Array) -> list[list[Fraction]]:
    """Micro-dollars of upfront payment of one node in each month, exact [K][P]. What is owned was paid before (cash)."""  # noqa: E501
    o, made = problem.offers, []
    for offer in offers.tolist():
        once, paid = Fraction(int(o.upfront_micro_usd[offer])), [int(h) for h in o.paid_hours[offer]]
        if problem.limits.accounting == "amortised":
            made.append([once * h / max(1, int(o.term_hours[offer])) for h in paid])
        else:
            first = next((m for m, h in enumerate(paid) if h and not o.owned_nodes[offer]), -1)
            made.append([once if m == first else Fraction(0) for m in range(len(paid))])
    return made
