"""Measured beats formula: your own measurements of a deployment shift its predictions and narrow their intervals.

The log of measured over predicted is a Gaussian process over the load of a deployment: a part that is the same at all
loads and a part that fades with the distance between loads. Its variance is what the model did not know before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .serving import Load

Array = np.ndarray[Any, np.dtype[np.float64]]
COMMON_SHARE = 0.5  # of the unknown variance: the same at all loads
REACH = 1.5  # doublings of concurrency or length over which the rest fades
REPEATED = 0.5  # of the noise: what the same load measured again differs by
MOST = 200  # points of a deployment that are used: the last ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Measurements by deployment: where they were made, and the log of measured over predicted."""

    places: Mapping[str, Array]  # deployment → [N, 3] as `place` makes them
    tpot: Mapping[str, Array]  # deployment → [N], NaN where not measured
    ttft: Mapping[str, Array]

    def shift(
        self, metric: str, deployments: Sequence[str], load: Load, sigma: Array, noise: float
    ) -> tuple[Array, Array, Array]:
        """(log shift, standard deviation, whether observed), arrays of the load's shape [K] or [K, G].

        Args:
            metric: "tpot" or "ttft".
            deployments: one a row.
            load: of the rows.
            sigma: standard deviation without observations, broadcasts with the load.
            noise: standard deviation of a measurement around what is known of its deployment.
        """
        concurrency = np.asarray(load.concurrency)
        where = place(load)
        shift, spread = np.zeros(concurrency.shape), np.broadcast_to(sigma, concurrency.shape).copy()
        seen = np.zeros(concurrency.shape, dtype=bool)
        names = np.array(deployments, dtype=object)
        for name, points in self.places.items():
            values = getattr(self, metric)[name]
            good = np.isfinite(values)
            mine = np.flatnonzero(names == name)
            if not good.any() or not len(mine):
                continue
            unknown = np.maximum(spread[mine] ** 2 - noise**2, noise**2 / 4)
            mean, left = _posterior(points[good], values[good], where[mine], unknown, REPEATED * noise)
            shift[mine], seen[mine] = mean, True
            spread[mine] = np.minimum(spread[mine], np.sqrt(left + noise**2))
        return shift, spread, seen


def place(load: Load) -> Array:
    """Loads as points [..., 3]: log₂ of concurrency, prompt and answer."""
    parts = np.broadcast_arrays(load.concurrency, load.input_tokens, load.output_tokens)
    return np.asarray(np.log2(np.stack(parts, axis=-1)))


def _posterior(x: Array, y: Array, new: Array, unknown: Array, noise: float) -> tuple[Array, Array]:
    """(mean, variance) at `new` [..., 3], of which `unknown` [...] is not known yet, after `y` [N] at `x` [N, 3]."""
    x, y = x[-MOST:], y[-MOST:]
    values, vectors = np.linalg.eigh(_alike(x, x))
    across = _alike(new, x) @ vectors
    weights = across / (np.maximum(values, 0.0) + (noise**2 / unknown)[..., None])
    return weights @ (vectors.T @ y), np.maximum(unknown * (1.0 - (weights * across).sum(axis=-1)), 0.0)


def _alike(a: Array, b: Array) -> Array:
    """Correlation [..., N] of points a [..., 3] and b [N, 3]."""
    apart = ((a[..., None, :] - b) ** 2).sum(axis=-1)
    return np.asarray(COMMON_SHARE + (1.0 - COMMON_SHARE) * np.exp(-apart / (2.0 * REACH**2)))
