"""The checker of portfolios: every quantity, limit and dollar recomputed from the problem alone, in exact fractions."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .nouns import Portfolio, Reserve, Usage

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[int, int, int]  # a commitment in force, a pool, what a node there takes of it


def check(reserve: Reserve, portfolio: Portfolio) -> list[str]:
    """Everything wrong with a portfolio; an empty list means none."""
    return list(_quantities(reserve, portfolio)) or [*_limits(reserve, portfolio), *_costs(reserve, portfolio)]


def _quantities(reserve: Reserve, portfolio: Portfolio) -> Iterator[str]:
    c, quantity = reserve.choices, portfolio.quantity
    if quantity.shape != (len(c),) or not np.issubdtype(quantity.dtype, np.integer):
        yield "quantities are not whole numbers, one for each commitment"
        return
    for k, x in enumerate(quantity.tolist()):
        name = f"{c.where[k]} {c.option[k]} from hour {c.first_hour[k]}"
        if x < 0:
            yield f"{name}: {x} are bought"
        if c.owned[k] and x != c.owned[k]:
            yield f"{name}: {c.owned[k]} are owned, the portfolio holds {x}"
        if not c.owned[k] and 0 <= c.most[k] < x:
            yield f"{name}: {x} are bought, {c.most[k]} are to be had"


def _limits(reserve: Reserve, portfolio: Portfolio) -> Iterator[str]:
    c, aim = reserve.choices, reserve.aim
    new = [k for k in np.flatnonzero(portfolio.quantity).tolist() if not c.owned[k]]
    bought = [(k, int(portfolio.quantity[k])) for k in new]
    upfront = sum(x * int(c.upfront_micro_usd[k]) for k, x in bought)
    if aim.upfront_max_micro_usd is not None and upfront > aim.upfront_max_micro_usd:
        yield f"{upfront} micro-dollars are paid upfront, {aim.upfront_max_micro_usd} allowed"
    if aim.hourly_max_micro_usd is None:
        return
    for hour in sorted({max(0, int(c.first_hour[k])) for k in new}):
        here = [(k, x) for k, x in bought if c.first_hour[k] <= hour < c.last_hour[k]]
        paid = sum((x * rate(reserve, k) for k, x in here), Fraction(0))
        if paid > aim.hourly_max_micro_usd:
            yield f"{float(paid):.0f} micro-dollars an hour from hour {hour}, {aim.hourly_max_micro_usd} allowed"


def rate(reserve: Reserve, k: int) -> Fraction:
    """Micro-dollars an hour of a unit, with its part of the upfront payment."""
    c = reserve.choices
    term = int(c.last_hour[k]) - int(c.first_hour[k])
    return int(c.micro_usd_per_hour[k]) + Fraction(int(c.upfront_micro_usd[k]), term)


def _costs(reserve: Reserve, portfolio: Portfolio) -> Iterator[str]:
    owed = cost(reserve, portfolio.quantity)
    for s, (said, due) in enumerate(zip(portfolio.cost_micro_usd, owed, strict=True)):
        if said != due:
            yield f"future {s}: {float(said):.6f} micro-dollars are said, {float(due):.6f} are due"
    value = objective(reserve, owed)
    if round(value) != portfolio.upper_micro_usd:
        yield f"the objective is {float(value):.3f} micro-dollars, not {portfolio.upper_micro_usd}"
    if portfolio.lower_micro_usd > portfolio.upper_micro_usd:
        yield "the lower bound is above the objective"


def objective(reserve: Reserve, costs: list[Fraction]) -> Fraction:
    """Expected cost, and as far as it counts the mean of the worst futures."""
    aim, chance = reserve.aim, reserve.usage.probability
    expected = sum((p * x for p, x in zip(chance, costs, strict=True)), Fraction(0))
    if not aim.risk_weight:
        return expected
    left, tail = 1 - aim.cvar_level, Fraction(0)
    for x, p in sorted(zip(costs, chance, strict=True), reverse=True):
        taken = min(p, left)
        tail, left = tail + taken * x, left - taken
    return (1 - aim.risk_weight) * expected + aim.risk_weight * tail / (1 - aim.cvar_level)


def cost(reserve: Reserve, quantity: Array) -> list[Fraction]:
    """Micro-dollars of each future [S]: commitments for the hours in view, and the rest on demand."""
    committed = sum((sum(row) for row in fees(reserve, quantity)), Fraction(0))
    return [committed + sum(months, Fraction(0)) for months in on_demand(reserve, quantity)]


def month_edges(usage: Usage) -> list[int]:
    """Hours at which the calendar months in view begin, and the last one ends [P + 1]."""
    days, end = [usage.start], usage.day_of(usage.hours)
    while (day := (days[-1].replace(day=1) + datetime.timedelta(days=32)).replace(day=1)) < end:
        days.append(day)
    return [*(usage.hour_of(day) for day in days), usage.hours]


def fees(reserve: Reserve, quantity: Array) -> list[list[Fraction]]:
    """Micro-dollars of the commitments in each month: by the hour, and of upfront payments by its hours [P][2]."""
    c, made = reserve.choices, []
    for first, last in itertools.pairwise(month_edges(reserve.usage)):
        hourly, upfront = 0, Fraction(0)
        for k in np.flatnonzero(quantity).tolist():
            hours = max(0, min(int(c.last_hour[k]), last) - max(int(c.first_hour[k]), first)) * int(quantity[k])
            hourly += hours * int(c.micro_usd_per_hour[k])
            upfront += Fraction(hours * int(c.upfront_micro_usd[k]), int(c.last_hour[k]) - int(c.first_hour[k]))
        made.append([Fraction(hourly), upfront])
    return made


def on_demand(reserve: Reserve, quantity: Array) -> list[list[Fraction]]:
    """Micro-dollars left on demand of each future and month [S][P]."""
    u, c, months = reserve.usage, reserve.choices, month_edges(reserve.usage)
    held = np.flatnonzero(quantity).tolist()
    changes = (int(h) for k in held for h in (c.first_hour[k], c.last_hour[k]) if 0 < h < u.hours)
    edges = sorted({*months, *changes})
    made = [[Fraction(0)] * (len(months) - 1) for _ in u.nodes]
    for first, last in itertools.pairwise(edges):
        month = sum(first >= edge for edge in months[1:-1])
        spare, pairs = _in_force(reserve, quantity, first)
        for s, nodes in enumerate(u.nodes):
            made[s][month] += _stretch(reserve, spare, pairs, nodes[first:last])
    return made


def _in_force(reserve: Reserve, quantity: Array, hour: int) -> tuple[list[int], list[Pair]]:
    """What the commitments of an hour have to give, those that apply alike together; and their turns."""
    c, alike = reserve.choices, dict[tuple[object, ...], list[int]]()
    for k in np.flatnonzero(quantity).tolist():
        if c.first_hour[k] <= hour < c.last_hour[k]:
            who = (c.option[k], c.where[k], c.account[k], c.buyer[k], c.unit[k], *c.takes[k].tolist())
            alike.setdefault((int(c.order[k]), *map(str, who)), []).append(k)
    groups = [rows for _, rows in sorted(alike.items())]
    spare = [sum(int(quantity[k]) * int(c.capacity[k]) for k in rows) for rows in groups]
    return spare, _pairs(reserve, [rows[0] for rows in groups])


def _stretch(reserve: Reserve, spare: list[int], pairs: list[Pair], nodes: Array) -> Fraction:
    """Micro-dollars on demand of hours [T, Q] in which the same commitments are in force.

    In whole numbers for all hours at once; a part of a node that something else may still cover is done hour by hour.
    """
    price = [int(x) for x in reserve.pools.on_demand_micro_usd]
    rows, counts = np.unique(nodes, axis=0, return_counts=True)
    left, rest = rows.astype(np.int64), np.repeat(np.array([spare], dtype=np.int64), len(rows), axis=0)
    slow, parts = np.zeros(len(rows), dtype=bool), []
    for at, (i, q, takes) in enumerate(pairs):
        given = np.minimum(left[:, q] * takes, rest[:, i])
        rest[:, i] -= given
        left[:, q] -= given // takes
        if any(other == q for _, other, _ in pairs[at + 1 :]):
            slow |= given % takes > 0
        else:
            parts.append((q, takes, given % takes))
    kept = counts * ~slow
    total = sum((int(kept @ left[:, q]) * price[q] for q in range(len(price))), Fraction(0))
    total -= sum((Fraction(int(kept @ part) * price[q], takes) for q, takes, part in parts), Fraction(0))
    for row, count in zip(rows[slow].tolist(), counts[slow].tolist(), strict=True):
        total += count * _hour(pairs, [*spare], [*row], price)
    return total


def _hour(pairs: list[Pair], spare: list[Any], left: list[Any], price: list[int]) -> Fraction:
    """Micro-dollars on demand of one hour: each commitment in its turn covers what it may of a pool."""
    for i, q, takes in pairs:
        if left[q] * takes <= spare[i]:
            spare[i] -= left[q] * takes
            left[q] = 0
        else:
            left[q] -= Fraction(spare[i]) / takes
            spare[i] = 0
    return sum((n * p for n, p in zip(left, price, strict=True)), Fraction(0))


def _pairs(reserve: Reserve, held: list[int]) -> list[Pair]:
    """Which of the held commitments may cover which pool, in turn, and what a node there takes of it.

    By what applies first; the buyer's own usage first; reservations by size, spend by what it costs of the price on
    demand, then by its rate.
    """
    c, pools, made = reserve.choices, reserve.pools, []
    for i, k in enumerate(held):
        for q in np.flatnonzero(c.takes[k]).tolist():
            takes, price = int(c.takes[k, q]), max(1, int(pools.on_demand_micro_usd[q]))
            foreign = 1 if c.buyer[k] and pools.account[q] != c.buyer[k] else 0
            dear = Fraction(takes, price) if c.unit[k] == "usd" else 0
            made.append(((int(c.order[k]), foreign, dear, takes, i, q), (i, q, takes)))
    return [pair for _, pair in sorted(made)]
