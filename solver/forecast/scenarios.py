"""Which path goes where: pieces of the past, laid end to end, give the order of paths in each hour.

A piece is 28 days of what demand was beside its pattern, of all series at once, from a day drawn at random; the next
begins at the level where the last has ended. So hours of a bad day stay together, a level that has moved stays moved,
and series that moved together do so again. Only the order is taken: how far apart paths are, the calibrated quantiles
say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .history import Array

PIECE_BLOCKS = 28
LEAST_PIECE = 2


@dataclass(frozen=True, slots=True)
class Past:
    """Demand beside its pattern, on its scale [T, N]; level after each step [T, N]; steps of a block; first step."""

    rest: Array
    level: Array
    block: int
    begin: int


def ranks(past: Past, count: int, steps: int, seed: int) -> Iterator[Array]:
    """For each series, the rank 0 … S - 1 of every path in every step [S, H]."""
    rng = np.random.default_rng([seed, 17])
    size = piece(past) * past.block
    pieces = -(-steps // size)
    starts = past.begin + past.block * rng.integers(1, _starts(past) + 1, (count, pieces))
    ties = rng.random((count, min(steps, size)))
    inside = np.arange(size)
    for n in range(past.rest.shape[1]):
        rest, level = past.rest[:, n], past.level[:, n]
        begun = level[starts - 1]
        gained = np.cumsum(level[starts + size - 1] - begun, axis=1)
        base = np.concatenate([np.zeros((count, 1)), gained[:, :-1]], axis=1) - begun
        drawn = (rest[starts[:, :, None] + inside] + base[:, :, None]).reshape(count, -1)[:, :steps]
        spread = float(drawn.std()) or 1.0
        drawn += 1e-9 * spread * np.resize(ties, drawn.shape)
        yield drawn.argsort(axis=0).argsort(axis=0)


def piece(past: Past) -> int:
    """Blocks of a piece: 28, or fewer in a short history."""
    blocks = (len(past.rest) - past.begin) // past.block
    return int(np.clip(blocks // 3, 1, PIECE_BLOCKS))


def _starts(past: Past) -> int:
    """How many blocks a piece may begin after."""
    return max(1, (len(past.rest) - past.begin) // past.block - piece(past))
