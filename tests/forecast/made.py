"""Histories whose future is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.forecast import History

Array = np.ndarray[Any, np.dtype[Any]]
MONDAY = np.datetime64("2026-01-05T00", "h")


def history(values: Array, *, daily: bool = False, **more: Any) -> History:
    """A history of these values [T] or [T, N], from a Monday on."""
    table = values[:, None] if values.ndim == 1 else values
    step = np.timedelta64(24 if daily else 1, "h")
    names = tuple("abcdefgh"[: table.shape[1]])
    return History(times=MONDAY + step * np.arange(len(table)), series=names, values=table, unit="nodes", **more)


def week(steps: int, *, slope: float = 0.0) -> Array:
    """Hours of a day and week that repeat exactly, on a line."""
    t = np.arange(steps)
    day = 20 * np.sin(2 * np.pi * (t % 24) / 24) + 5 * np.cos(4 * np.pi * (t % 24) / 24)
    return np.asarray(100 + day - 15 * ((t // 24) % 7 >= 5) + slope * t)


def noisy(steps: int, seed: int, *, sd: float = 0.05, drift: float = 0.004) -> Array:
    """Demand with a day and a week, a level that wanders by day, and noise by hour."""
    rng = np.random.default_rng(seed)
    level = np.repeat(np.cumsum(rng.standard_normal(steps // 24 + 1)) * drift, 24)[:steps]
    return np.asarray(week(steps) * np.exp(level + sd * rng.standard_normal(steps)))
