"""Who chooses what a job runs on: one policy a file, interchangeable, listed here."""

from __future__ import annotations

from ...errors import InputError
from .base import Choose, Policy
from .greedy import GreedySpot
from .markov import MarkovDecision
from .on_demand import OnDemandOnly
from .uniform import UniformProgress

__all__ = ["POLICIES", "Choose", "GreedySpot", "MarkovDecision", "OnDemandOnly", "Policy", "UniformProgress", "policy"]
POLICIES: tuple[Policy, ...] = (OnDemandOnly(), GreedySpot(), UniformProgress(), MarkovDecision())


def policy(name: str) -> Policy:
    """The policy of a name.

    Raises:
        InputError: there is none.
    """
    for one in POLICIES:
        if one.name == name:
            return one
    mend = f"one of {', '.join(p.name for p in POLICIES)}"
    raise InputError(f"no policy {name!r:.60}", where="policy", mend=mend)
