"""From a commitment problem to a checked portfolio, and what it is worth when things turn out otherwise."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckError
from ..table import Table
from . import worth
from .check import check, cost, fees, objective, on_demand
from .optimise import optimum

if TYPE_CHECKING:
    from .nouns import Portfolio, Reserve, Usage

Array = np.ndarray[Any, np.dtype[Any]]
FACTORS = (Fraction(1, 2), Fraction(4, 5), Fraction(1), Fraction(6, 5), Fraction(3, 2))


def commit(
    reserve: Reserve, *, gap: float = 1e-4, time_limit_s: float = 60.0, discount_rate: Fraction = Fraction(0)
) -> Portfolio:
    """The cheapest commitments of a problem, recomputed by a checker that never saw a solver.

    Args:
        reserve: pools, usage in several futures, what can be committed to, aim.
        gap: proved gap at which the search ends.
        time_limit_s: seconds after which it ends with the best found, and the bound known.
        discount_rate: yearly, of the purchases' present values.

    Raises:
        CheckError: the portfolio failed its check; a fault of this package.
    """
    found = optimum(reserve, gap=gap, time_limit_s=time_limit_s)
    portfolio = priced(reserve, found.quantity, lower_usd=found.lower_usd, discount_rate=discount_rate)
    if wrong := check(reserve, portfolio):
        raise CheckError("; ".join(wrong[:3]), where="commitments", mend="report the history")
    return portfolio


def priced(
    reserve: Reserve, quantity: Array, *, lower_usd: float = -math.inf, discount_rate: Fraction = Fraction(0)
) -> Portfolio:
    """A portfolio of given quantities, with what it costs and is worth."""
    from .nouns import Portfolio

    left = on_demand(reserve, quantity)
    committed = sum((sum(fee) for fee in fees(reserve, quantity)), Fraction(0))
    costs = [committed + sum(row, Fraction(0)) for row in left]
    upper = round(objective(reserve, costs))
    lower = min(math.floor(lower_usd * 1e6), upper) if math.isfinite(lower_usd) else 0
    done = worth.account(reserve, quantity)
    total = round(sum((p * x for p, x in zip(reserve.usage.probability, costs, strict=True)), Fraction(0)))
    return Portfolio(
        quantity=quantity,
        cost_micro_usd=tuple(costs),
        on_demand_micro_usd=tuple(cost(reserve, reserve.choices.owned)),
        lower_micro_usd=max(0, lower),
        upper_micro_usd=upper,
        purchases=worth.purchases(reserve, quantity, done, discount_rate),
        inventory=worth.inventory(reserve, quantity, done),
        months=worth.months(reserve, quantity, total, left),
    )


def futures(reserve: Reserve, portfolio: Portfolio, *, time_limit_s: float = 60.0) -> Table:
    """Each future: its cost, what the best commitments would have cost had it been known, and the regret.

    Columns future, probability, cost_usd, hindsight_usd, regret (share of the hindsight's cost).
    """
    u, rows = reserve.usage, []
    for s, (p, micro) in enumerate(zip(u.probability, portfolio.cost_micro_usd, strict=True)):
        known = dataclasses.replace(u, nodes=u.nodes[s : s + 1], probability=(Fraction(1),))
        alone = dataclasses.replace(reserve, usage=known, aim=dataclasses.replace(reserve.aim, risk_weight=Fraction(0)))
        best = optimum(alone, gap=1e-4, time_limit_s=time_limit_s / len(u.probability)).upper_usd
        usd = float(micro) / 1e6
        rows.append((f"future {s + 1}", float(p), usd, best, usd / best - 1 if best else 0.0))
    return Table.from_records(("future", "probability", "cost_usd", "hindsight_usd", "regret"), rows)


def otherwise(reserve: Reserve, portfolio: Portfolio) -> Table:
    """What the purchases cost and save if demand comes out larger or smaller by a factor, rounded up to whole nodes.

    Columns demand, cost_usd, on_demand_usd (with nothing but what is owned), saved_usd.
    """
    rows = []
    for factor in FACTORS:
        usage = scaled(reserve.usage, factor)
        other = dataclasses.replace(reserve, usage=usage)
        with_them, without = (
            sum((p * x for p, x in zip(usage.probability, cost(other, q), strict=True)), Fraction(0)) / 10**6
            for q in (portfolio.quantity, reserve.choices.owned)
        )
        rows.append((float(factor), float(with_them), float(without), float(without - with_them)))
    return Table.from_records(("demand", "cost_usd", "on_demand_usd", "saved_usd"), rows)


def scaled(usage: Usage, factor: Fraction) -> Usage:
    """All nodes times a factor, rounded up."""
    nodes = -(-usage.nodes * factor.numerator // factor.denominator)
    return dataclasses.replace(usage, nodes=np.asarray(nodes, dtype=np.int64))
