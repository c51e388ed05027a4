"""Where demand comes from: how far each site is from it, and what moving its bytes there costs."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calendar import HOURS_A_DAY, Cells, Horizon, exact, units_per_hour
from ..errors import InputError
from .names import as_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costdata import Catalog

    from ..workloads import Traffic, Workload
    from .offers import Days, Key

Array = np.ndarray[Any, np.dtype[Any]]
PICO_PER_MICRO = 10**6
BYTES_PER_GB = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One origin of a workload's traffic, or one job."""

    workload: int
    origin: str
    traffic: Traffic | None = None
    total_units: int = 0
    days: Days | None = None  # of a job: first day, and the day it must be done by
    rtt_ms: Mapping[Key, float]
    micro_usd_per_gb: Mapping[Key, int]
    gb_per_unit: Fraction

    @property
    def hours(self) -> int:
        """Hours of a job's window."""
        return (self.days[1] - self.days[0]).days * HOURS_A_DAY if self.days else 0

    def round_trips(self, sites: Sequence[Key]) -> Array:
        """Milliseconds to each site, float [R]; a job has none."""
        return np.array([self.rtt_ms[site] if self.traffic else 0.0 for site in sites])

    def transfer(self, sites: Sequence[Key]) -> Array:
        """Pico-dollars of moving one unit's bytes from or to each site, rounded up, int64 [R]."""
        pico = PICO_PER_MICRO * self.gb_per_unit
        rates = [-(-pico * self.micro_usd_per_gb.get(site, 0) // 1) for site in sites]
        return np.array([int(rate) for rate in rates], dtype=np.int64)

    def units(self, cells: Cells, factors: Sequence[Fraction], months: int) -> Array:
        """Units an hour asked for in each cell, int64 [K], by what all is multiplied in each scenario."""
        if self.traffic is None:
            return np.zeros(len(cells.hours), dtype=np.int64)
        return units_per_hour(self.traffic, cells, factors, months)


def sources(workloads: Sequence[Workload], catalog: Catalog, horizon: Horizon) -> list[Source]:
    """One source for each origin of traffic, and one for each job."""
    made = []
    for index, workload in enumerate(workloads):
        fields: Any = workload  # flows have traffic, jobs have total_units, a window and a data set
        if hasattr(workload, "traffic"):
            made += [_flow(index, workload, traffic, catalog) for traffic in fields.traffic]
        else:
            made.append(_job(index, workload, catalog, horizon))
    return made


def _flow(index: int, workload: Any, traffic: Traffic, catalog: Catalog) -> Source:
    with as_input(f"{workload.where}: traffic from {traffic.origin!r}"):
        return Source(
            workload=index,
            origin=traffic.origin,
            traffic=traffic,
            rtt_ms=catalog.round_trip_ms(traffic.origin),
            micro_usd_per_gb=catalog.internet_egress_micro_usd_per_gb(traffic.origin),
            gb_per_unit=exact(workload.bytes_per_request) / BYTES_PER_GB,
        )


def _job(index: int, workload: Any, catalog: Catalog, horizon: Horizon) -> Source:
    moved: Mapping[Key, int] = {}
    if workload.dataset_gb > 0:
        with as_input(f"{workload.where}: dataset_origin"):
            moved = catalog.dataset_transfer_micro_usd_per_gb(workload.dataset_origin)
    return Source(
        workload=index,
        origin=workload.dataset_origin if workload.dataset_gb > 0 else "",
        total_units=workload.total_units,
        days=window(workload.where, workload.earliest_start, workload.deadline, horizon),
        rtt_ms={},
        micro_usd_per_gb=moved,
        gb_per_unit=exact(workload.dataset_gb) / workload.total_units,
    )


def window(where: str, start: datetime.date | None, deadline: datetime.date | None, horizon: Horizon) -> Days:
    """The part of a job's window that lies in the horizon."""
    first, last = max(start or horizon.start, horizon.start), min(deadline or horizon.end, horizon.end)
    if first >= last:
        asked = f"from {start or 'any day'} until {deadline or 'any day'}"
        raise InputError(
            f"the window {asked} has no day in the horizon {horizon.start} to {horizon.end}",
            where=where,
            mend="move earliest_start or deadline, or the horizon",
        )
    return first, last


def shortened(workloads: Sequence[Workload], horizon: Horizon) -> list[str]:
    """Warnings of deadlines after the horizon's end: the plan finishes the job within the horizon."""
    late = [(w, getattr(w, "deadline", None)) for w in workloads]
    return [
        f"{w.where}: the deadline {day} is after the horizon's end, so the job is planned to be done by {horizon.end}"
        for w, day in late
        if day and day > horizon.end
    ]
