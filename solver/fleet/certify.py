"""Certificates: statistical, from independent samples of slots; deterministic, from every slot.

Statistical. A sample is a few slots of each stratum. The cheapest plan for the sample alone costs, in expectation, no
more than the cheapest plan for all slots; so on one and the same sample the plan's cost less a lower bound of the
sample is, in expectation, at least the plan's true gap (Mak, Morton and Wood 1999, common random numbers). A handful
of samples give its mean and, by Student's t, what it is at most.

Deterministic. Every slot gets prices of its own. Those of committed nodes may over all hours add up to the price of a
commitment: each part of the year keeps to the share that training gave its stratum. Then bounds and costs add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import check
from .ascent import Schedule, ascend
from .dispatch import dispatch
from .recourse import recourse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .ascent import Ascent, Prices
    from .dispatch import Dispatch
    from .fleet import Fleet, Sample, Slots
    from .training import Trained

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["statistical", "deterministic"]
REPLICATION = Schedule(rounds=90, before=150, hot=0.01, cold=0.003, averaging=0.06)
EVERY_SLOT = Schedule(rounds=20, before=60, hot=0.01, cold=0.01, averaging=0.2)
PASSES = (1.0, 0.9, 0.8, 0.6, 0.3, 0.0)
ONE_PASS = (0.0,)
FEW = 200  # slots that are looked at all together, at leisure
CONFIDENCE = 0.95
TOGETHER = 384  # slots of a task
LESS = 1e-6  # by which single precision keeps below what prices may add up to


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCertificate:
    """What is known of the cost of a fleet plan beside the cheapest.

    Statistical: means over independent samples; with the confidence stated the true gap is at most `gap_at_most`.
    Deterministic: sums over every slot, which hold beyond doubt.
    """

    kind: Kind
    lower_usd: float
    upper_usd: float
    gap: float  # share of the upper
    gap_at_most: float
    confidence: float  # of the last
    upper_half_width_usd: float  # of the cost, at the same confidence on both sides
    slots: int  # that were looked at
    unserved: float  # share of the demand


@dataclass(frozen=True, slots=True)
class Seen:
    """What some slots add up to."""

    lower_usd: float
    on_demand_and_spot_usd: float
    asked: float  # units
    unserved: float
    slots: int


def replicate(fleet: Fleet, slots: Slots, stratum: Array, trained: Trained, rows: Array, hours: Array) -> Seen:
    """One sample on its own: a lower bound of the sample's cheapest plan, and the cost of the plan there."""
    sample, prices = slots.take(rows, hours), trained.prices.take(stratum[rows])
    made = ascend(fleet, trained.layout, sample, trained.cost * (1 - LESS), prices, REPLICATION)
    return _seen(fleet, trained, sample, made, trained.cost, PASSES)


def every_slot(fleet: Fleet, slots: Slots, stratum: Array, trained: Trained, rows: Array) -> Seen:
    """Some slots of one stratum, which keep to its share of what commitments cost."""
    sample, prices = slots.take(rows), trained.prices.take(stratum[rows])
    share = prices.committed[:, 0].astype(float) * sample.hours.sum()
    made = ascend(fleet, trained.layout, sample, share * (1 - LESS), prices, EVERY_SLOT)
    return _seen(fleet, trained, sample, made, share, ONE_PASS)


def all_slots(fleet: Fleet, slots: Slots, trained: Trained) -> Seen:
    """All of few slots, each a stratum, at the prices that training ended with; dispatched at least cost."""
    sample = slots.take(np.arange(slots.count))
    plan = recourse(fleet, trained.layout, sample, trained.committed.sum(axis=1).astype(float))
    return _added_up(fleet, trained, sample, trained.prices, trained.cost, plan)


def _seen(fleet: Fleet, trained: Trained, sample: Sample, made: Ascent, cost: Array, passes: tuple[float, ...]) -> Seen:
    plan = dispatch(fleet, trained.layout, sample, trained.committed.sum(axis=1).astype(float), made, passes)
    return _added_up(fleet, trained, sample, made.prices, cost, plan)


def _added_up(fleet: Fleet, trained: Trained, sample: Sample, prices: Prices, cost: Array, plan: Dispatch) -> Seen:
    asked, spare, hours = sample
    held = trained.committed.sum(axis=1).astype(float)
    lower = hours @ check.lower_usd_per_hour(fleet, asked, spare, prices)
    upper = hours @ check.usd_per_hour(fleet, trained.layout, asked, spare, held, plan)
    left = np.maximum(asked - (plan.firm + plan.spot).reshape(*trained.layout.way.shape, -1).sum(axis=0), 0.0)
    return Seen(
        lower_usd=float(lower) - check.excess_usd(fleet, prices, hours, cost),
        on_demand_and_spot_usd=float(upper),
        asked=float((asked @ hours).sum()),
        unserved=float((left @ hours).sum()),
        slots=len(hours),
    )


def in_parts(stratum: Array) -> Iterator[Array]:
    """Every slot, in parts of one stratum each."""
    order = np.argsort(stratum, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1):
        yield from np.array_split(rows, -(-len(rows) // TOGETHER))


def statistical(fleet: Fleet, trained: Trained, samples: Sequence[Seen]) -> FleetCertificate:
    """Of independent samples."""
    from scipy.stats import t

    fixed = committed_usd(fleet, trained)
    upper = np.array([s.on_demand_and_spot_usd for s in samples]) + fixed
    gap = upper - np.array([s.lower_usd for s in samples]) + cash_usd(fleet, trained)
    root, free = np.sqrt(len(samples)), len(samples) - 1
    mean = float(upper.mean())
    return FleetCertificate(
        kind="statistical",
        lower_usd=mean - float(gap.mean()),
        upper_usd=mean,
        gap=float(gap.mean()) / mean,
        gap_at_most=float(gap.mean() + t.ppf(CONFIDENCE, free) * gap.std(ddof=1) / root) / mean,
        confidence=CONFIDENCE,
        upper_half_width_usd=float(t.ppf((1 + CONFIDENCE) / 2, free) * upper.std(ddof=1) / root),
        slots=sum(s.slots for s in samples),
        unserved=sum(s.unserved for s in samples) / max(1e-30, sum(s.asked for s in samples)),
    )


def deterministic(fleet: Fleet, trained: Trained, hours: Array, parts: Sequence[Seen]) -> FleetCertificate:
    """Of every slot; `hours` [S] are those of each stratum."""
    over = check.excess_usd(fleet, trained.prices, hours, trained.cost)
    lower = sum(s.lower_usd for s in parts) - over - cash_usd(fleet, trained)
    upper = committed_usd(fleet, trained) + sum(s.on_demand_and_spot_usd for s in parts)
    gap = (upper - lower) / upper
    return FleetCertificate(
        kind="deterministic", lower_usd=lower, upper_usd=upper, gap=gap, gap_at_most=gap, confidence=1.0,
        upper_half_width_usd=0.0, slots=sum(s.slots for s in parts),
        unserved=sum(s.unserved for s in parts) / max(1e-30, sum(s.asked for s in parts)),
    )  # fmt: skip


def committed_usd(fleet: Fleet, trained: Trained) -> float:
    """Dollars of all commitments."""
    bought = trained.committed > 0
    return float((trained.committed[bought] * fleet.committed_usd[bought]).sum())


def cash_usd(fleet: Fleet, trained: Trained) -> float:
    """What the limit on upfront cash takes off the bound at its price."""
    return trained.cash_price * fleet.upfront_max_usd if trained.cash_price else 0.0
