"""Alpha-beta times of collectives (Thakur, Rabenseifner, Gropp 2005): steps × latency + bytes ÷ bandwidth.

All arguments broadcast; times are seconds, sizes bytes, bandwidth bytes a second for one accelerator and direction.
A group of one takes no time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Link:
    """A link class: what one step costs, and what one accelerator can send through it."""

    latency_s: Array
    bytes_per_s: Array


def all_reduce(size: Array, ranks: Array, link: Link) -> Array:
    """Sum of `size` bytes over `ranks`: 2 (n−1)/n of the bytes leave each rank, in log₂ n latency steps (tree)."""
    return _collective(2.0 * size, ranks, link)


def all_gather(size: Array, ranks: Array, link: Link) -> Array:
    """Each rank ends with all `size` bytes (a reduce-scatter takes the same time)."""
    return _collective(size, ranks, link)


def all_to_all(size: Array, ranks: Array, link: Link) -> Array:
    """Each rank sends its `size` bytes, spread evenly over all ranks."""
    return _collective(size, ranks, link)


def point_to_point(size: Array, link: Link) -> Array:
    """One message."""
    return link.latency_s + size / link.bytes_per_s


def hierarchical_all_reduce(size: Array, inner_ranks: Array, inner: Link, outer_ranks: Array, outer: Link) -> Array:
    """All-reduce over nodes: reduce-scatter inside, all-reduce of the shards across, all-gather inside."""
    inside = 2.0 * all_gather(size, inner_ranks, inner)
    return inside + all_reduce(size / np.maximum(inner_ranks, 1), outer_ranks, outer)


def _collective(moved: Array, ranks: Array, link: Link) -> Array:
    n = np.maximum(ranks, 1)
    return np.asarray(np.log2(n) * link.latency_s + moved * (n - 1) / n / link.bytes_per_s)
