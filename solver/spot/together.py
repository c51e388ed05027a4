"""Pools that go together: how far being down in one zone says that another is down too.

The phi coefficient of two zones, drawn towards what zones in the same place have on the whole, as far as the two have
been seen through few spells: a fortnight of one long shortage is one event, whatever its ticks.
"""

from __future__ import annotations

import numpy as np

from .risk import Array
from .traces import Market

SHAPES_OF_ZONE, SAME_REGION, OTHER_REGION = 0.07, 0.43, 0.11  # mean phi, V100 and K80 on AWS, 2022 and 2023
SPELLS_WORTH = 20.0  # spells seen that the figure of the place is worth


def region_of(zone: str) -> str:
    """The region a zone is named after: us-east-1 of us-east-1a, us-central1 of us-central1-a."""
    return zone[:-1].rstrip("-") if len(zone) > 1 and zone[-1].isalpha() else zone


def expected(one: str, other: str) -> float:
    """What two zones have in common before they are seen; the same zone twice: two shapes of one zone."""
    if one == other:
        return SHAPES_OF_ZONE
    return SAME_REGION if region_of(one) == region_of(other) else OTHER_REGION


def down_together(market: Market, instances: int = 1) -> Array:
    """Correlation of being down between the zones of a market, float [Z, Z]; 1 on the diagonal."""
    up = market.up(instances)
    spells = (np.diff(up, axis=1) != 0).sum(axis=1) / 2
    worth = np.minimum(spells[:, None], spells[None, :])
    place = np.array([[expected(a, b) for b in market.zones] for a in market.zones])
    made = (worth * phi(up) + SPELLS_WORTH * place) / (worth + SPELLS_WORTH)
    np.fill_diagonal(made, 1.0)
    return np.asarray(made)


def phi(up: Array) -> Array:
    """Phi coefficients of rows of truths [Z, T]: [Z, Z]; 0 where a row never changes."""
    off = up - up.mean(axis=1, keepdims=True)
    size = np.sqrt((off**2).sum(axis=1))
    size = np.where(size > 0, size, np.inf)
    return np.asarray(off @ off.T / size[:, None] / size[None, :])
