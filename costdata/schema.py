"""What the tables hold: accelerators, nodes, regions, places, offers, quotas, own commitments."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

Array = np.ndarray[Any, np.dtype[Any]]
EVERY = "*"
HOURS_A_DAY = 24
PAYMENTS = ("no_upfront", "partial_upfront", "all_upfront")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One kind of accelerator; rates are dense data-sheet figures, 0 where it has no such units."""

    name: str
    vendor: str
    hbm_gib: float
    hbm_gb_per_s: float
    bf16_tflop_per_s: float
    fp8_tflop_per_s: float
    fp4_tflop_per_s: float
    scaleup_gb_per_s: float
    tdp_w: float
    planned: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine shape; `accelerator` is "" and `accelerators` 0 for a CPU shape."""

    provider: str
    name: str
    accelerator: str
    accelerators: int
    vcpus: int
    ram_gib: float
    nic_gbit_per_s: float
    scaleup_gb_per_s: float
    scaleup_domain: int
    power_w: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region of a provider."""

    provider: str
    name: str
    location: str
    country: str
    jurisdiction: str
    continent: str
    latitude: float
    longitude: float
    zones: int
    g_co2_per_kwh: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where traffic or data comes from: a city, a country's main city, or a region."""

    name: str
    country: str
    jurisdiction: str
    continent: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Most nodes of a shape in a region; `*` stands for every region or node."""

    provider: str
    region: str
    node: str
    kind: str
    max_nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedCommitment:
    """Whole nodes the user has committed to already; money is per node.

    `account` holds it ("" where accounts are not told apart), `renewable` says that it begins anew when it ends.
    """

    provider: str
    region: str
    node: str
    option: str
    nodes: int
    micro_usd_per_hour: int
    upfront_micro_usd: int
    starts: date
    ends: date
    source: str
    account: str = ""
    payment: str = "no_upfront"
    renewable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendCommitment:
    """Dollars an hour the user has committed to already, at committed rates.

    `region` and `family` are `*` where the commitment is not bound to them. Of `micro_usd_per_hour` in every hour of
    the term, `upfront_micro_usd` is paid at once, and the rest as the hours pass.
    """

    provider: str
    region: str
    family: str
    option: str
    micro_usd_per_hour: int
    upfront_micro_usd: int
    starts: date
    ends: date
    source: str
    account: str = ""
    payment: str = "no_upfront"
    renewable: bool = False

    @property
    def hours(self) -> int:
        """Hours of the term."""
        return (self.ends - self.starts).days * HOURS_A_DAY

    @property
    def pool(self) -> tuple[str, str, str]:
        """What it was bought for: provider, region, family; see `mechanisms.Mechanism.covers`."""
        return self.provider, self.region, self.family


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to buy."""

    option: str
    kind: str
    term_months: int
    payment: str
    scope: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offers:
    """Columns of equal length, one row an offer; money is per node, in whole micro-dollars."""

    provider: Array
    region: Array
    node: Array
    option: Array
    kind: Array
    micro_usd_per_hour: Array
    upfront_micro_usd: Array
    term_months: Array
    payment: Array
    scope: Array
    zones: Array
    interruptions_per_month: Array
    valid_from: Array
    source: Array
    age_days: Array

    def __post_init__(self) -> None:
        """Nobody changes a column in place."""
        for name in OFFER_NAMES:
            getattr(self, name).setflags(write=False)

    def __len__(self) -> int:
        """Number of offers."""
        return len(self.provider)

    def take(self, rows: Array) -> Offers:
        """Rows by boolean mask or index."""
        return Offers(**{name: getattr(self, name)[rows] for name in OFFER_NAMES})

    def columns(self) -> dict[str, Array]:
        """Every column by name."""
        return {name: getattr(self, name) for name in OFFER_NAMES}

    @classmethod
    def joined(cls, parts: Iterable[Offers]) -> Offers:
        """One after the other."""
        several = list(parts)
        return cls(**{name: np.concatenate([getattr(p, name) for p in several]) for name in OFFER_NAMES})


OFFER_NAMES = tuple(field.name for field in fields(Offers))


def objects(values: Iterable[Any]) -> Array:
    """A column of Python objects, one each."""
    listed = list(values)
    made = np.empty(len(listed), dtype=object)
    made[:] = listed
    return made
