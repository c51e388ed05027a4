"""What a sample of slots teaches: commitments, prices by stratum, and the ways worth having open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import commitments
from .ascent import Prices, Schedule, ascend, start
from .layout import Layout, cheapest, lay_out

if TYPE_CHECKING:
    from .ascent import Ascent
    from .fleet import Fleet, Sample, Slots

Array = np.ndarray[Any, np.dtype[Any]]
WAYS = 8  # of a workload that are open at first: the cheapest of each market
MOST_NEW = 8  # of a workload that are opened at once
OPENINGS = 3
FIRST = Schedule(rounds=200)
LEISURE = Schedule(rounds=1500, cold=0.0005, decay=40.0)  # where slots are few
AGAIN = Schedule(rounds=60, before=60, hot=0.015)
CASH_ROUNDS = 4  # of prices and commitments in turn, where upfront cash is limited
LITTLE = 1e-4  # of the cost: what closed ways could save and is not chased


@dataclass(frozen=True, slots=True)
class Trained:
    """What holds for all slots from here on."""

    committed: Array  # int64 [Q, K]
    cash_price: float
    cost: Array  # float [Q] of a commitment with cash at its price
    prices: Prices  # float32 [Q, S] of each stratum, the mean of its slots
    layout: Layout


def train(
    fleet: Fleet, slots: Slots, rows: Array, hours: Array, each: int, threads: int, first: Schedule = FIRST
) -> Trained:
    """Learn from these slots, so many of each stratum in turn, which stand for so many hours each."""
    sample = slots.take(rows, hours)
    cash = 0.0
    usd, _ = commitments.cost(fleet, cash)
    layout = lay_out(fleet, cheapest(fleet, WAYS))
    made = ascend(fleet, layout, sample, usd, start(fleet, hours, usd), first, threads)
    for _ in range(OPENINGS):
        new = worth_opening(fleet, layout, sample, made)
        if not len(new):
            break
        layout = lay_out(fleet, np.union1d(layout.way[layout.way >= 0], new))
        made = ascend(fleet, layout, sample, usd, made.prices, AGAIN, threads)
    committed, cash = commitments.commit(fleet, layout.load @ made.firm, hours)
    for _ in range(CASH_ROUNDS if cash > 0 else 0):
        usd, _ = commitments.cost(fleet, cash)
        made = ascend(fleet, layout, sample, usd, made.prices, AGAIN, threads)
        committed, cash = commitments.commit(fleet, layout.load @ made.firm, hours)
    mean = (getattr(made.prices, name).reshape(fleet.pools, -1, each).mean(axis=2) for name in Prices.__slots__)
    return Trained(committed, cash, usd, Prices(*mean), layout)


def worth_opening(fleet: Fleet, layout: Layout, sample: Sample, made: Ascent) -> Array:
    """Closed ways that would be the cheapest of their workload in some slots, those that save most; rows of ways."""
    closed = np.setdiff1d(np.arange(len(fleet.workload)), layout.way[layout.way >= 0])
    if not len(closed):
        return closed
    firm = made.prices.firm
    spot = np.where(sample.spare > 0, fleet.spot_usd_per_hour[:, None] + made.prices.spot, np.inf)
    bars = []
    for price in (firm, spot):
        unit = np.concatenate([price, np.full((1, price.shape[1]), np.inf)])[layout.pool] * layout.node_hours
        bars.append(unit.reshape(*layout.way.shape, -1).min(axis=0))
    firm_bar = np.minimum(bars[0], fleet.unserved_usd_per_unit[:, None])
    spot_bar = np.minimum(firm_bar, bars[1])
    share = fleet.max_spot_share[:, None]
    firm_worth, spot_worth = sample.asked * (1 - share) * sample.hours, sample.asked * share * sample.hours
    saved = np.zeros(len(closed))
    for part in np.array_split(np.arange(len(closed)), max(1, len(closed) // 4096)):
        way = closed[part]
        w, p, each = fleet.workload[way], fleet.pool[way], 1 / fleet.units_per_hour[way][:, None]
        saved[part] = (np.maximum(firm_bar[w] - firm[p] * each, 0) * firm_worth[w]).sum(axis=1)
        either = np.minimum(firm[p], spot[p]) * each
        saved[part] += (np.maximum(spot_bar[w] - either, 0) * spot_worth[w]).sum(axis=1)
    order = np.lexsort((-saved, fleet.workload[closed]))
    workload = fleet.workload[closed[order]]
    place = np.arange(len(order)) - np.searchsorted(workload, workload)
    least = LITTLE * abs(made.bound) / max(1, fleet.workloads)
    return np.asarray(closed[order[(place < MOST_NEW) & (saved[order] > least)]])
