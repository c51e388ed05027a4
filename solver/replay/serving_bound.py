"""What a trace allows: a cost that no policy can go below."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..spot import Market
from .serving import PLENTY, TINY, Array, Services, Terms


def least_usd(market: Market, services: Services, terms: Terms, unserved_share: float = 0.0) -> Array:
    """A lower bound on the cost of serving all but this share of what is needed, [S].

    Every replica-hour served is paid for: on spot no more of them than could be serving then, at the cheapest prices,
    else on demand; what may go unserved is left out where it is dearest. Replicas that start, stand by or were a wrong
    guess cost nothing here, so a policy that knew the whole trace could not do better.
    """
    need = services.needed(market.ticks).astype(float)
    cheap = [z for z in np.argsort(terms.spot_usd_per_hour, kind="stable").tolist()
             if terms.spot_usd_per_hour[z] < terms.on_demand_usd_per_hour]  # fmt: skip
    cost, on_demand = np.zeros(len(need)), np.zeros(len(need))
    for hours, able in _segments(market, terms):
        rest = need.copy()
        for z in cheap:
            part = np.minimum(rest, np.where(services.zones[:, z, None], able[z], 0))
            cost += terms.spot_usd_per_hour[z] * part.sum(axis=1) * hours
            rest -= part
        on_demand += rest.sum(axis=1) * hours
    spared = unserved_share * need.sum(axis=1) * market.gap_hours
    dear = np.minimum(spared, on_demand)
    most = min(float(terms.spot_usd_per_hour.max()), terms.on_demand_usd_per_hour)
    cost += (on_demand - dear) * terms.on_demand_usd_per_hour - (spared - dear) * most
    return np.asarray(np.maximum(0.0, cost))


def _segments(market: Market, terms: Terms) -> list[tuple[float, Array]]:
    """Parts of a tick: hours, and how many spot replicas could be serving in each zone [Z, T].

    At x hours into tick t a replica serves that was asked for a cold start before, in a tick since when there was room
    for it; or that was taken back less than the notice before: at most what capacity fell by.
    """
    gap, cold, notice = market.gap_hours, terms.cold_start_minutes / 60, terms.notice_minutes / 60
    counts = np.where(market.counts > 0, PLENTY, 0) if terms.whole_zone else market.counts
    fell = np.maximum(0, -np.diff(counts, axis=1, prepend=0))
    edges = sorted({0.0, gap, *(x for x in (cold % gap, notice % gap) if TINY < x < gap - TINY)})
    made = []
    for begin, end in pairwise(edges):
        middle = (begin + end) / 2
        able = _least_since(counts, max(0, int(np.ceil((cold - middle) / gap))))
        for back in range(int(max(0.0, notice - middle) / gap) + 1 if middle < notice else 0):
            able = able + _before(fell, back)
        made.append((end - begin, able))
    return made


def _least_since(counts: Array, ticks: int) -> Array:
    """The least of each tick and so many before it; 0 where the trace does not reach back so far."""
    least = counts.copy()
    for back in range(1, ticks + 1):
        least = np.minimum(least, _before(counts, back))
    return least


def _before(values: Array, back: int) -> Array:
    """Values of so many ticks before, 0 before the first."""
    return np.concatenate([np.zeros_like(values[:, :back]), values[:, : values.shape[1] - back]], axis=1)
