"""What a fleet at the scale of a whole operator is made of: pools, ways to serve from them, and slots of time.

Commitments are whole nodes. What runs in an hour is counted in node-hours that workloads share: at thousands of nodes
an hour the whole nodes of each workload are a rounding of it. Index letters: W workloads, Q pools, K commitments on
sale in a pool, E ways (a workload in a pool), N slots (an hour in a scenario of demand).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[Any, np.dtype[Any]]
WHERE = "fleet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Pools and their prices, workloads and where they can be served.

    Raises:
        InputError: arrays that do not fit together, or prices that are not numbers.
    """

    on_demand_usd_per_hour: Array  # float [Q]
    spot_usd_per_hour: Array  # float [Q]; inf where there is no spot market
    committed_usd: Array  # float [Q, K] of one node for all hours, upfront payment included; inf where not on sale
    upfront_usd: Array  # float [Q, K] of that, paid when it is bought
    quota_nodes: Array  # float [Q], on demand and committed together
    workload: Array  # int64 [E]
    pool: Array  # int64 [E]
    units_per_hour: Array  # float [E] of a node
    max_spot_share: Array  # float [W], of the units served
    unserved_usd_per_unit: Array  # float [W]
    upfront_max_usd: float = np.inf  # the budget row

    def __post_init__(self) -> None:
        """Check once, so that nothing else has to."""
        q, e = len(self.on_demand_usd_per_hour), len(self.workload)
        _need(self.committed_usd.shape == self.upfront_usd.shape, "committed_usd and upfront_usd must be [Q, K]")
        _need({len(self.spot_usd_per_hour), len(self.committed_usd), len(self.quota_nodes)} == {q}, "pools differ")
        _need(len(self.pool) == e == len(self.units_per_hour), "workload, pool and units_per_hour must be [E]")
        _need(len(self.max_spot_share) == len(self.unserved_usd_per_unit), "max_spot_share must be [W]")
        _need(e == 0 or bool(self.units_per_hour.min() > 0), "units_per_hour must be above 0")
        _need(bool(((self.max_spot_share >= 0) & (self.max_spot_share <= 1)).all()), "max_spot_share is from 0 to 1")
        prices = (self.on_demand_usd_per_hour, self.unserved_usd_per_unit, self.quota_nodes)
        _need(all(bool((np.isfinite(a) & (a >= 0)).all()) for a in prices), "prices and quotas must be 0 or more")
        pairs = self.workload * q + self.pool
        _need(len(np.unique(pairs)) == e, "a workload has two ways in one pool")

    @property
    def workloads(self) -> int:
        """W."""
        return len(self.max_spot_share)

    @property
    def pools(self) -> int:
        """Q."""
        return len(self.on_demand_usd_per_hour)

    def digest(self) -> str:
        """Content hash."""
        made = hashlib.sha256()
        for name in self.__slots__:
            made.update(name.encode() + np.ascontiguousarray(getattr(self, name)).tobytes())
        return made.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Demand and spot capacity slot by slot; the two large arrays may be memory maps (`Slots.stored`).

    Raises:
        InputError: arrays that do not fit together.
    """

    demand: Array  # float32 [N, W] units an hour
    spot: Array  # [N, Q] what there is of spot, in parts of `spot_nodes`
    spot_nodes: Array  # float32 [Q]
    hours: Array  # float [N] expected hours: length times probability of its scenario
    hour: Array  # int64 [N] which hour of the year
    scenario: Array  # int64 [N]

    def __post_init__(self) -> None:
        """Check once."""
        n = len(self.demand)
        _need({len(self.spot), len(self.hours), len(self.hour), len(self.scenario)} == {n}, "slots differ in number")
        _need(n > 0 and bool((self.hours > 0).all()), "a slot must stand for some time")

    @classmethod
    def stored(cls, folder: Path, **small: Array) -> Slots:
        """From `demand.npy` and `spot.npy` in a folder, read as they are needed."""
        large = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("demand", "spot")}
        return cls(**large, **small)

    @property
    def count(self) -> int:
        """N."""
        return len(self.hours)

    def take(self, rows: Array, hours: Array | None = None) -> Sample:
        """Some slots, which stand for their own hours or these."""
        return Sample(
            asked=np.ascontiguousarray(self.demand[rows].T, dtype=np.float32),
            spare=np.ascontiguousarray(self.spot[rows].T * self.spot_nodes[:, None], dtype=np.float32),
            hours=self.hours[rows] if hours is None else hours,
        )


class Sample(NamedTuple):
    """Slots side by side, n of them, as all that computes on them wants them."""

    asked: Array  # float32 [W, n] units an hour
    spare: Array  # float32 [Q, n] spot nodes
    hours: Array  # float [n]


def _need(fine: bool, message: str) -> None:  # noqa: FBT001 (reads as a sentence)
    if not fine:
        raise InputError(message, where=WHERE, mend="see solver.fleet.Fleet")
