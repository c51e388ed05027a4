"""Outages of spot markets that go together: which of them are gone at once, and how probable that is, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations
from math import prod
from typing import Literal

from ..calendar import exact
from ..errors import InputError
from ..workloads import fields
from .outages import NamedOutage

MOST_REGIONS = 8  # all their subsets are states
WHERE = "spot losses"


def spot_losses(
    probability: Mapping[str, float | Fraction],
    *,
    shared: float | Fraction = 0.0,
    node: str = "*",
    hours: int = 24,
    min_served: float = 1.0,
    response: Literal["buy", "hold"] = "buy",
) -> tuple[NamedOutage, ...]:
    """An outage for each set of regions whose spot markets may be gone at once; their probabilities are exact.

    One shock takes all markets, with the probability c = shared × the least of the regions'; besides, each market is
    gone by itself with q, independent of the others, so that 1 − p = (1 − c)(1 − q) for each (Marshall and Olkin 1967).
    With `shared` 0 they are independent; with 1 and equal probabilities they go together or not at all.

    Args:
        probability: of each region ("aws/us-east-1") that its spot market is lost within the horizon, below 1.
        shared: part of the least of these that is common to all.
        node: pattern of the node shapes concerned.
        hours: that a loss lasts.
        min_served: share of what must be served then.
        response: whether new nodes can be had then.

    Raises:
        InputError: a number out of its range, no region, or too many of them.
    """
    if not 0 < len(probability) <= MOST_REGIONS:
        message = f"{len(probability)} regions: their sets are states, up to {MOST_REGIONS} of them can be planned for"
        raise InputError(message, where=WHERE, mend="name the regions that matter most")
    for region, x in probability.items():
        if fields.number(WHERE, f"probability of {region}", x, (0, 1)) == 1:
            raise InputError(f"probability of {region} must be below 1", where=WHERE)
    fields.number(WHERE, "shared", shared, (0, 1))
    p = {region: exact(x) for region, x in sorted(probability.items())}
    common = exact(shared) * min(p.values())
    own = {region: 1 - (1 - x) / (1 - common) for region, x in p.items()}
    made = []
    for size in range(1, len(p) + 1):
        for gone in combinations(p, size):
            alone = prod((own[r] if r in gone else 1 - own[r] for r in p), start=Fraction(1))
            chance = (1 - common) * alone + (common if size == len(p) else 0)
            if chance:
                made.append(
                    NamedOutage(
                        region=gone[0],
                        also=gone[1:],
                        lost="spot",
                        node=node,
                        probability=chance,
                        hours=hours,
                        min_served=min_served,
                        response=response,
                    )
                )
    return tuple(made)
