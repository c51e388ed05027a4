"""What serving costs, in whole micro-dollars: by token, by month, and where one way overtakes another.

A replica's hour is split by the time it spends: what prompts take of it is the price of input tokens, what decoding
takes that of output tokens. The two add up to the hour exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..money import apportion, round_half_even
from .machines import HOURS_PER_MONTH

MILLION = 1_000_000
NANO = 1e9
MOST_STEPS = 200_000  # replicas looked at for a break-even


def token_prices(
    micro_usd_per_hour: int, requests_per_hour: int, tokens: tuple[int, int], seconds: tuple[float, float]
) -> tuple[int, int]:
    """(micro-dollars per 1M input tokens, per 1M output tokens) of a replica.

    Args:
        micro_usd_per_hour: of the replica.
        requests_per_hour: that it serves.
        tokens: of a prompt and of an answer.
        seconds: that a request's prompt takes of the engine, and its decoding.
    """
    weights = [max(0, round(part * NANO)) for part in seconds]
    parts = apportion(micro_usd_per_hour, weights)
    each = [
        round_half_even(Fraction(part * MILLION, requests_per_hour * count))
        for part, count in zip(parts, tokens, strict=True)
    ]
    return each[0], each[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A way to serve: whole replicas, at least one, paid by the month."""

    micro_usd_per_month: int  # of a replica
    requests_per_hour: int  # of a replica

    def replicas(self, requests_per_hour: float) -> int:
        """As many as serve a demand."""
        return max(1, -int(-Fraction(requests_per_hour) // self.requests_per_hour))

    def cost(self, requests_per_hour: float) -> int:
        """Micro-dollars a month at a demand."""
        return self.replicas(requests_per_hour) * self.micro_usd_per_month

    @property
    def marginal(self) -> Fraction:
        """Micro-dollars a month for each request an hour more."""
        return Fraction(self.micro_usd_per_month, self.requests_per_hour)


def monthly(micro_usd_per_hour: int) -> int:
    """Micro-dollars a month of 730 hours."""
    return micro_usd_per_hour * HOURS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Where the scheme of the dearer replica overtakes: whole requests an hour, None where it never does."""

    first: int | None  # the least demand at which it costs less
    for_good: int | None  # from here it never costs more


def break_even(small: Scheme, large: Scheme) -> BreakEven:
    """Exact over whole replicas, for a `large` that costs more a replica and less for each request more.

    Both costs are stairs, so the dearer replica may win, lose and win again before it wins for good.
    """
    if large.micro_usd_per_month <= small.micro_usd_per_month or large.marginal >= small.marginal:
        return BreakEven(first=None, for_good=None)
    return BreakEven(first=_first(small, large), for_good=_for_good(small, large))


def _first(small: Scheme, large: Scheme) -> int | None:
    """The first stair of `large`, n replicas, whose end `small` reaches only at a higher cost."""
    for n in range(1, MOST_STEPS):
        most = n * large.requests_per_hour
        within = n * large.micro_usd_per_month // small.micro_usd_per_month  # replicas of small for that money
        begins = max((n - 1) * large.requests_per_hour, within * small.requests_per_hour) + 1
        if begins <= most:
            return begins
    return None


def _for_good(small: Scheme, large: Scheme) -> int:
    """After the last stair of `small`, n replicas, at whose end `large` still costs more."""
    gain = small.micro_usd_per_month - large.marginal * small.requests_per_hour  # of a replica of small
    last = -int(-Fraction(large.micro_usd_per_month) // gain)
    if last > MOST_STEPS:
        return last * small.requests_per_hour  # so near to each other that the bound tells enough
    n = np.arange(1, last + 1, dtype=object)
    needed = -(-(n * small.requests_per_hour) // large.requests_per_hour)
    dearer = np.flatnonzero((needed * large.micro_usd_per_month > n * small.micro_usd_per_month).astype(bool))
    return int(n[dearer[-1]]) * small.requests_per_hour + 1 if len(dearer) else 1


def commitment_hours(on_demand_micro_usd_per_hour: int, micro_usd_per_hour: int, upfront: int, months: int) -> Fraction:
    """Hours a month of use above which a commitment costs less than paying on demand.

    Args:
        on_demand_micro_usd_per_hour: of a node, paid for the hours it is used.
        micro_usd_per_hour: of a committed node, paid for every hour.
        upfront: micro-dollars paid once.
        months: of the term.
    """
    committed = micro_usd_per_hour * HOURS_PER_MONTH + Fraction(upfront, months)
    return committed / on_demand_micro_usd_per_hour
