"""Cheap whole replicas that cover a demand, in every block at once: an integer knapsack by dynamic programming.

    min Σ_g price[g] x_g    with    Σ_g capacity[g] x_g ≥ demand,    x whole

Capacity is counted in levels, fractions of the most economical replica, which therefore is met exactly; that of the
others is rounded down, so that every answer is a cover, cheapest up to that rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
FINE = 64  # levels of the most economical replica
MOST_LEVELS = 640  # of the largest demand
MOST_KINDS = 12  # in one search
PACKS = (2, 4, 8, 16)  # replicas of a small kind are also offered together, so that less is lost by rounding
NEVER = 1e30


def cover(price: Array, capacity: Array, demand: Array) -> tuple[Array, Array]:
    """Price [B] and counts [G, B] of a cover of each block; NEVER where there is none.

    Args:
        price: float [G, B], at least 0; NEVER or more for what is not on sale.
        capacity: int64 [G], positive.
        demand: int64 [B].
    """
    price = np.where(price < NEVER, np.maximum(price, 0.0), np.inf)
    size = np.maximum(capacity[np.argmin(price / capacity[:, None], axis=0)], 1)
    fine = np.minimum(np.clip(MOST_LEVELS * size // np.maximum(demand, 1), 1, FINE), size)
    target = -(-demand * fine // size)
    small = np.flatnonzero((capacity[:, None] * fine < FINE * size).any(axis=1))
    kind = np.concatenate([np.arange(len(capacity)), *(small for _ in PACKS)])
    copies = np.repeat((1, *PACKS), [len(capacity), *(len(small) for _ in PACKS)])
    level = np.minimum((capacity[kind] * copies)[:, None] * fine // size, target)
    whole = np.where(level > 0, price[kind] * copies[:, None], np.inf)
    value, found = _knapsack(whole, level, target)
    count = np.zeros((len(capacity), len(target)), dtype=np.int64)
    np.add.at(count, kind, found * copies[:, None])
    return np.where(np.isfinite(value), value, NEVER), count


def _knapsack(price: Array, level: Array, target: Array) -> tuple[Array, Array]:
    """Cheapest way to at least `target` levels [B], and its counts [G, B]."""
    kinds = _undominated(price, level)
    p, k = np.take_along_axis(price, kinds, 0), np.maximum(np.take_along_axis(level, kinds, 0), 1)
    width, top = len(target), int(target.max(initial=0))
    at = np.arange(width)
    cost = np.full((top + 1, width), np.inf)
    last = np.full((top + 1, width), -1, dtype=np.int16)
    cost[0] = 0.0
    flat = cost.ravel()
    for s in range(1, top + 1):
        found = p + flat[np.maximum(s - k, 0) * width + at]
        chosen = found.argmin(axis=0)
        cost[s] = found[chosen, at]
        last[s] = chosen
    value, count = cost[target, at], np.zeros(price.shape, dtype=np.int64)
    left = np.where(np.isfinite(value), target, 0)
    live = np.flatnonzero(left > 0)
    while len(live):
        chosen = last[left[live], live]
        np.add.at(count, (kinds[chosen, live], live), 1)
        left[live] = np.maximum(left[live] - k[chosen, live], 0)
        live = live[left[live] > 0]
    return value, count


def _undominated(price: Array, level: Array) -> Array:
    """Rows [P, B] of the most economical kinds, without those that another, taken once or more, replaces for less."""
    usable = np.isfinite(price) & (level > 0)
    kept = usable.copy()
    for j in range(len(price)):
        times = np.where(usable[j], -(-level // np.maximum(level[j], 1)), 1)
        cost = times * np.where(usable[j], price[j], np.inf)
        same = (price == cost) & (level == level[j])
        replaced = (price >= cost) & (~same | (np.arange(len(price)) > j)[:, None])
        kept &= ~replaced
    most = min(MOST_KINDS, max(1, int(kept.sum(axis=0).max(initial=0))))
    unit = np.where(kept, price / np.maximum(level, 1), np.inf)
    return np.argsort(unit, axis=0, kind="stable")[:most]
