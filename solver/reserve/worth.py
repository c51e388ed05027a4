"""What each purchase is worth: what it saves, how well it is used, when it has paid for itself, what if not bought."""

from __future__ import annotations

import datetime
import itertools
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import finance
from ..errors import InputError
from ..money import apportion, to_usd
from ..table import Table
from .cells import Laid, applied, cost_of, laid_out
from .check import fees, month_edges

if TYPE_CHECKING:
    from .nouns import Reserve, Usage

Array = np.ndarray[Any, np.dtype[Any]]
PURCHASES = (
    *("option", "title", "where", "buyer", "starts", "ends", "quantity", "unit", "renews"),
    *("micro_usd_per_hour", "upfront_micro_usd", "cost_micro_usd", "saved_usd", "utilisation"),
    *("break_even", "under_use", "payback", "npv_usd", "irr", "worth_usd", "source"),
)
INVENTORY = ("option", "where", "account", "ends", "quantity", "unit", "utilisation", "renewed", "let_go")
MONTHS = (
    *("month", "hours", "cash_micro_usd", "amortised_micro_usd", "commitments_micro_usd", "on_demand_micro_usd"),
    *("lower_micro_usd", "upper_micro_usd", "all_on_demand_micro_usd"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Each commitment month by month, expected and by future. P months, S futures, K commitments; floats."""

    months: tuple[datetime.date, ...]  # first days [P]
    hours: Array  # [P]
    force: Array  # [K, P] hours in force
    used: Array  # [K, S] share of the capacity used over the hours in force
    saved_usd: Array  # [K, P] expected, at prices on demand


def account(reserve: Reserve, quantity: Array) -> Account:
    """Apply the quantities and add up by month."""
    cuts = np.array(month_edges(reserve.usage)[:-1], dtype=np.int64)
    months = tuple(reserve.usage.day_of(hour) for hour in cuts)
    laid = laid_out(reserve, cuts)
    month = np.searchsorted(cuts, laid.cuts[:-1], side="right") - 1  # of each stretch
    s, p, k = len(laid.probability), len(months), len(quantity)
    force = (laid.active * np.diff(laid.cuts)) @ (month[:, None] == np.arange(p))
    used, saved = np.zeros((k, s)), np.zeros((k, p))
    for part in laid.parts:
        cells = part.cells
        done, at = applied(laid, part, cells, quantity), month[cells.stretch]
        for g, group in enumerate(part.groups):
            each = np.divide(done.saved_usd[g], done.used[g], out=np.zeros_like(done.used[g]), where=done.used[g] > 0)
            taken = done.used[g].copy()
            for row in _first_used(reserve, group.rows):
                own = np.minimum(taken, laid.capacity[row] * quantity[row] * laid.active[row][cells.stretch])
                taken -= own
                used[row] += np.bincount(cells.future, cells.hours * own, s)
                saved[row] += np.bincount(at, cells.hours * own * each * laid.probability[cells.future], p)
    capacity = laid.capacity * quantity * force.sum(axis=1)
    used = np.divide(used, capacity[:, None], out=np.zeros_like(used), where=capacity[:, None] > 0)
    return Account(
        months=months, hours=np.diff([*cuts, reserve.usage.hours]).astype(float), force=force, used=used,
        saved_usd=saved,
    )  # fmt: skip


def _first_used(reserve: Reserve, rows: Array) -> list[int]:
    """Commitments of a group in the order in which they count as used: what is owned, then what begins first."""
    c = reserve.choices
    return sorted(rows.tolist(), key=lambda k: (not c.owned[k], int(c.first_hour[k]), k))


def purchases(reserve: Reserve, quantity: Array, done: Account, discount_rate: Fraction = Fraction(0)) -> Table:
    """What to buy, in order of its first day: see PURCHASES. Present values are at a yearly rate, on its first day."""
    c, fixed = reserve.choices, reserve.fixed_micro_usd
    bought = [k for k in np.flatnonzero(quantity).tolist() if not c.owned[k]]
    bought.sort(key=lambda k: (int(c.first_hour[k]), c.where[k], c.option[k]))
    laid, probability = laid_out(reserve), np.array([float(p) for p in reserve.usage.probability])
    rows = []
    for k in bought:
        x, even, used = int(quantity[k]), break_even(reserve, k), done.used[k]
        starts, ends = (reserve.usage.day_of(h[k]).isoformat() for h in (c.first_hour, c.last_hour))
        hour, once = x * int(c.micro_usd_per_hour[k]), x * int(c.upfront_micro_usd[k])
        what = (c.option[k], c.title[k], c.where[k], c.buyer[k], starts, ends, x, c.unit[k])
        money = (hour, once, round(x * fixed[k]), float(done.saved_usd[k].sum()))
        chance = even if math.isnan(even) else float(probability[used < even].sum())
        cash = flows(reserve, k, x, done)
        value = (payback(cash), float(finance.npv(discount_rate, cash)), _returns(cash), _worth(laid, quantity, k))
        use = (float(probability @ used), even, chance, *value)
        rows.append((*what, _renews(reserve, k, quantity), *money, *use, c.source[k]))
    return Table.from_records(PURCHASES, rows)


def break_even(reserve: Reserve, k: int) -> float:
    """Share of its hours that a commitment must be used, at the prices on demand of what it covers first.

    NaN where it covers nothing that costs anything.
    """
    c, price = reserve.choices, reserve.pools.on_demand_micro_usd
    term = int(c.last_hour[k] - c.first_hour[k])
    rate = (int(c.micro_usd_per_hour[k]) + int(c.upfront_micro_usd[k]) / term) / int(c.capacity[k])
    worth = [int(price[q]) / int(c.takes[k, q]) for q in np.flatnonzero(c.takes[k]).tolist()]
    return rate / max(worth) if worth and max(worth) > 0 else math.nan


def flows(reserve: Reserve, k: int, quantity: int, done: Account) -> list[tuple[datetime.date, Decimal]]:
    """Cash of a purchase: what is paid on its first day, and what each month saves beyond its fees, when it is over."""
    c, u = reserve.choices, reserve.usage
    made = [(u.day_of(c.first_hour[k]), -to_usd(quantity * int(c.upfront_micro_usd[k])))]
    ends = [*done.months[1:], u.day_of(u.hours)]
    for day, hours, saved in zip(ends, done.force[k].tolist(), done.saved_usd[k].tolist(), strict=True):
        if hours:
            fee = round(hours) * quantity * int(c.micro_usd_per_hour[k])
            made.append((day, to_usd(round(saved * 1e6) - fee)))
    return made


def payback(cash: list[tuple[datetime.date, Decimal]]) -> str:
    """The month by whose end, and from then on, it has saved more than was paid for it; "" if none is in view."""
    day = finance.payback(cash)
    if day is None:
        return ""
    return f"{day if day == cash[0][0] else day - datetime.timedelta(days=1):%Y-%m}"


def _returns(cash: list[tuple[datetime.date, Decimal]]) -> float:
    """The yearly rate of return; NaN where nothing is paid upfront, or where there is no one rate."""
    try:
        return finance.irr(cash) if cash[0][1] else math.nan
    except InputError:
        return math.nan


def _worth(laid: Laid, quantity: Array, k: int) -> float:
    """Dollars that the rest of the portfolio would cost more without it, expected."""
    without = quantity.copy()
    without[k] = 0
    more = -float(laid.fixed_usd[k] * quantity[k])
    for part in laid.parts:
        if any(k in group.rows for group in part.groups):
            change = cost_of(laid, part, part.cells, without) - cost_of(laid, part, part.cells, quantity)
            more += float(laid.probability @ change)
    return more


def _renews(reserve: Reserve, k: int, quantity: Array) -> int:
    """How much of it takes the place of commitments owned already that end on the day it starts."""
    c = reserve.choices
    same = (c.owned > 0) & (c.last_hour == c.first_hour[k]) & (c.where == c.where[k]) & (c.unit == c.unit[k])
    owned = sum(int(x) * int(y) for x, y in zip(c.owned[same], c.capacity[same], strict=True))
    return min(int(quantity[k]), owned // int(c.capacity[k]))


def inventory(reserve: Reserve, quantity: Array, done: Account) -> Table:
    """What is owned already, how well it is used, and how much of it is renewed or let go: see INVENTORY."""
    c, rows = reserve.choices, []
    chance = np.array([float(p) for p in reserve.usage.probability])
    for k in np.flatnonzero(c.owned > 0).tolist():
        again = (c.owned == 0) & (c.first_hour == c.last_hour[k]) & (c.where == c.where[k]) & (c.unit == c.unit[k])
        bought = sum(int(x) * int(y) for x, y in zip(quantity[again], c.capacity[again], strict=True))
        owned, last, ends = int(c.owned[k]), c.last_hour[k], c.last_hour[k] <= reserve.usage.hours
        renewed = min(owned, bought // int(c.capacity[k])) if ends else 0
        what = (c.option[k], c.where[k], c.account[k], reserve.usage.day_of(last).isoformat(), owned, c.unit[k])
        rows.append((*what, float(chance @ done.used[k]), renewed, owned - renewed if ends else 0))
    return Table.from_records(INVENTORY, rows)


def months(reserve: Reserve, quantity: Array, total: int, left: list[list[Fraction]]) -> Table:
    """Each month in cash and amortised, expected, with the interval of 90 % of the futures: see MONTHS.

    Args:
        reserve: the problem.
        quantity: [K].
        total: micro-dollars expected over all months, which the amortised ones add up to.
        left: micro-dollars on demand of each future and month [S][P].
    """
    u, c, edges = reserve.usage, reserve.choices, month_edges(reserve.usage)
    paid = [0] * (len(edges) - 1)
    for k in np.flatnonzero((quantity > 0) & (c.owned == 0) & (c.first_hour >= 0)).tolist():
        month = sum(int(c.first_hour[k]) >= edge for edge in edges[1:-1])
        paid[month] += int(quantity[k]) * int(c.upfront_micro_usd[k])
    fee = fees(reserve, quantity)
    chance = u.probability
    expected = [sum((p * row[m] for p, row in zip(chance, left, strict=True)), Fraction(0)) for m in range(len(paid))]
    amortised = shared(total, [sum(f) + x for f, x in zip(fee, expected, strict=True)])
    committed = [round(sum(f)) for f in fee]
    spread = np.array([[float(x + sum(f)) for x, f in zip(row, fee, strict=True)] for row in left])
    low, high = (_quantile(spread, np.array([float(p) for p in chance]), q) for q in (0.05, 0.95))
    price = [int(x) for x in reserve.pools.on_demand_micro_usd]
    made = [
        (
            u.day_of(first).strftime("%Y-%m"), last - first, paid[m] + round(fee[m][0] + expected[m]), amortised[m],
            committed[m], amortised[m] - committed[m], round(low[m]), round(high[m]), _bare(u, price, first, last),
        ) for m, (first, last) in enumerate(itertools.pairwise(edges))
    ]  # fmt: skip
    return Table.from_records(MONTHS, made)


def shared(total: int, parts: list[Fraction]) -> list[int]:
    """Whole micro-dollars of each part, that add up to the total."""
    scale = math.lcm(*(x.denominator for x in parts))
    return apportion(total, [int(x * scale) for x in parts])


def _bare(u: Usage, price: list[int], first: int, last: int) -> int:
    """Micro-dollars of some hours with nothing committed, expected."""
    used = u.nodes[:, first:last].sum(axis=1).tolist()
    costs = (sum(n * p for n, p in zip(row, price, strict=True)) for row in used)
    return round(sum((p * x for p, x in zip(u.probability, costs, strict=True)), Fraction(0)))


def _quantile(values: Array, chance: Array, q: float) -> Array:
    """Weighted quantile of the futures [S, P] in each month."""
    order = np.argsort(values, axis=0)
    total = np.cumsum(chance[order], axis=0)
    at = np.minimum((total < q - 1e-12).sum(axis=0), len(chance) - 1)
    return np.asarray(np.take_along_axis(np.take_along_axis(values, order, axis=0), at[None, :], axis=0)[0])
