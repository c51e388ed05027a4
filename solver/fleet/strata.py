"""Slots alike, in strata: the same scenario, and hours of the year in which demand is spread alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .fleet import Slots

Array = np.ndarray[Any, np.dtype[Any]]
FEATURES = 24  # random projections of the workloads' demand (Johnson and Lindenstrauss 1984)
MOST_SCENARIOS = 4  # of an hour that are looked at


def strata(slots: Slots, kinds: int, seed: int) -> Array:
    """A stratum for each slot, int64 [N], counted from 0: kinds of hours (at most so many) times scenarios."""
    from scipy.cluster.vq import kmeans2

    rng = np.random.default_rng(seed)
    hours, hour = np.unique(slots.hour, return_inverse=True)
    order = np.argsort(hour, kind="stable")
    place = np.arange(len(order)) - np.searchsorted(hour[order], hour[order])
    seen = np.sort(order[place < MOST_SCENARIOS])
    projection = rng.standard_normal((slots.demand.shape[1], FEATURES)).astype(np.float32)
    mean = np.maximum(slots.demand[seen[:: max(1, len(seen) // 2000)]].mean(axis=0), 1e-30)
    features = np.zeros((len(hours), FEATURES), np.float32)
    for part in np.array_split(seen, max(1, len(seen) // 4096)):
        np.add.at(features, hour[part], (slots.demand[part] / mean) @ projection)
    kinds = min(kinds, len(hours))
    label = (
        kmeans2(features, kinds, minit="++", seed=rng, missing="warn")[1] if kinds > 1 else np.zeros(len(hours), int)
    )
    joined = np.stack([slots.scenario, label[hour]])
    return np.asarray(np.unique(joined, axis=1, return_inverse=True)[1]).reshape(-1)


def draw(stratum: Array, hours: Array, each: int, rng: Any) -> tuple[Array, Array]:
    """So many slots of each stratum by chance in proportion to their hours, rows [S × each], one stratum after another.

    Also the hours each stands for [S × each].
    """
    order = np.argsort(stratum, kind="stable")
    until = np.cumsum(hours[order])
    ends = np.searchsorted(stratum[order], np.arange(1, stratum.max() + 2))
    total = np.diff(until[ends - 1], prepend=0.0)
    at = (until[ends - 1] - total)[:, None] + total[:, None] * rng.random((len(total), each))
    starts = np.concatenate([[0], ends[:-1]])
    place = np.clip(np.searchsorted(until, at, side="right"), starts[:, None], ends[:, None] - 1)
    return order[place].ravel(), np.repeat(total / each, each)
