"""Limits of a plan as a whole, and what of the unexpected it is to guard against; in rows of the problem's tables."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Accounting = Literal["amortised", "cash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most so many nodes held at once in the pools named."""

    name: str  # "aws/us-east-1/p5.48xlarge"
    pools: tuple[int, ...]
    kind: Literal["any", "on_demand", "spot"]
    max_nodes: int
    missing: tuple[int, ...] = ()  # B, nodes of it that are not to be had in a block; () is none

    @property
    def limit(self) -> Array:
        """Nodes in each block, int64 [B]; [1] where all blocks are alike."""
        return np.maximum(self.max_nodes - np.array(self.missing or (0,), dtype=np.int64), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedLimit:
    """Units of a workload that may stay unserved over the horizon, on average over its worst futures."""

    workload: int
    level: Fraction  # the worst futures are those that together have the probability 1 − level
    max_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChanceLimit:
    """Outages may be given up for a workload, as long as one of them comes with no more than this probability."""

    workload: int
    max_probability: Fraction
    futures: tuple[Fraction, ...] = ()  # their probabilities, where the problem weighs them by others; () as it says


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLimit:
    """Share of a workload's running capacity that may be in one region, zone, or on one node shape at most."""

    workload: int
    per: Literal["region", "zone", "node"]
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the plan as a whole, and what of the unexpected it is to guard against."""

    quotas: tuple[Quota, ...] = ()
    monthly_budget_micro_usd: tuple[int | None, ...] = ()  # P, None is no limit; () is none at all
    hourly_budget_micro_usd: int | None = None
    upfront_max_micro_usd: int | None = None  # paid at once for new commitments, over the horizon
    carbon_max_g: int | None = None  # grams CO2e over the horizon, expected
    carbon_micro_usd_per_kg: int = 0
    accounting: Accounting = "amortised"
    risk_weight: Fraction = Fraction(0)  # of the CVaR in the objective; the rest is expected cost
    cvar_level: Fraction = Fraction(9, 10)
    cvar_max_micro_usd: int | None = None  # CVaR of the cost over the futures
    unserved: tuple[UnservedLimit, ...] = ()
    uncertain: tuple[tuple[int, Fraction], ...] = ()  # offers whose prices may rise, and by what share at most
    robust_budget: int = 0  # how many of them rise in the worst case that the objective counts
    chances: tuple[ChanceLimit, ...] = field(default=(), repr=False)  # without repr: where there is none,
    shares: tuple[ShareLimit, ...] = field(default=(), repr=False)  # digests are what they were before there was any

    @property
    def objective_is_bill(self) -> bool:
        """Whether the cheapest plan is asked for: nothing but the bill is in the objective."""
        return not self.risk_weight and not (self.robust_budget and self.uncertain)

    @property
    def guarded(self) -> bool:
        """Whether objective or limits look beyond expected cost."""
        return not self.objective_is_bill or self.cvar_max_micro_usd is not None or bool(self.unserved)

    def unguarded(self) -> Limits:
        """The same with nothing but expected cost in view."""
        return dataclasses.replace(
            self, risk_weight=Fraction(0), cvar_max_micro_usd=None, unserved=(), uncertain=(), robust_budget=0
        )

    def in_blocks(self, index: Array) -> Limits:
        """The same limits where block i is what block `index[i]` is here."""
        quotas = tuple(
            dataclasses.replace(q, missing=tuple(q.missing[i] for i in index.tolist())) if q.missing else q
            for q in self.quotas
        )
        return dataclasses.replace(self, quotas=quotas)
