"""Which machines to rent for requests of many sizes, and what runs where: slices of work on types of machine.

    found = assign_slices(load, count, usd_per_hour, slice_factor=8)
    found.machines, found.slices, found.certificate

Requests fall into buckets of alike ones. Each item of a bucket is cut into `slice_factor` equal slices, each slice runs
on machines of one type, and the machines of a type share the load of the slices they are given (Griggs et al. 2024,
Mélange). The cheapest whole numbers of machines are proved, see docs/mathematics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CheckError, InputError
from .money import to_micro, to_usd
from .plan import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, np.dtype[Any]]
MOST_SLICES = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAssignment:
    """Slices of each bucket on each type, machines of each type, and what is proved of their price."""

    slices: Array  # int64 [B, T]
    machines: Array  # int64 [T]
    certificate: Certificate  # micro-dollars an hour

    @property
    def usd_per_hour(self) -> Decimal:
        """Price of the machines."""
        return to_usd(self.certificate.upper_micro_usd)


def assign_slices(
    load: Array,
    count: Array,
    usd_per_hour: Sequence[float | Decimal | str],
    slice_factor: int = 1,
    *,
    time_limit_s: float = 10.0,
) -> SliceAssignment:
    """The cheapest machines for some work, checked.

    Args:
        load: machines of each type that an item of each bucket keeps busy, float [B, T]: its rate over the highest rate
            that a machine serves requests of this size at; inf where a type cannot. A float is what it prints as.
        count: items of each bucket, int [B].
        usd_per_hour: price of a machine of each type [T], above 0; micro-dollars are the least unit.
        slice_factor: equal slices that each item is cut into.
        time_limit_s: after which the best assignment known is returned, with the bound known.

    Raises:
        InputError: arrays that do not fit together, numbers out of range, a bucket that no type can serve.
        CheckError: the assignment failed the independent check.
    """
    load, count = np.asarray(load, dtype=float), np.asarray(count)
    price = np.array([to_micro(str(usd)) for usd in usd_per_hour], dtype=np.int64)
    _refuse(load, count, price, slice_factor)
    busy = np.flatnonzero((count > 0) & (load > 0).all(axis=1))
    rows, bucket = np.unique(load[busy], axis=0, return_inverse=True)
    kept = undominated(rows, price)
    total = np.zeros(len(rows), dtype=np.int64)
    np.add.at(total, bucket.ravel(), count[busy].astype(np.int64) * slice_factor)
    slices, machines = np.zeros(load.shape, dtype=np.int64), np.zeros(len(price), dtype=np.int64)
    idle = np.flatnonzero((load == 0).any(axis=1))
    slices[idle, (load[idle] == 0).argmax(axis=1)] = count[idle] * slice_factor
    lower = 0
    if len(busy):
        from .engine.slices import Work, cheapest

        work = Work(load=rows[:, kept], count=total, room=slice_factor, price=price[kept])
        found = cheapest(work, time_limit_s=time_limit_s)
        machines[kept], lower = found.machines, found.lower
        slices[np.ix_(busy, kept)] = _shared(found.slices, bucket.ravel(), count[busy] * slice_factor)
    certificate = Certificate(kind="proved", lower_micro_usd=lower, upper_micro_usd=int(machines @ price))
    made = SliceAssignment(slices=slices, machines=machines, certificate=certificate)
    if wrong := check_slices(load, count, usd_per_hour, slice_factor, made):
        raise CheckError("; ".join(wrong[:3]), where="slices", mend="report the arrays")
    return made


def undominated(load: Array, price: Array) -> Array:
    """Types [T'] that no other type beats: none is no dearer and carries every bucket for no more load."""
    finite = np.isfinite(load)
    order = np.lexsort((np.where(finite, load, 0.0).sum(axis=0), (~finite).sum(axis=0), price))
    kept: list[int] = []
    for t in order.tolist():  # whoever beats it has come before
        if not (load[:, kept] <= load[:, [t]]).all(axis=0).any():
            kept.append(t)
    return np.array(sorted(kept), dtype=np.int64)


def _shared(slices: Array, bucket: Array, count: Array) -> Array:
    """Slices of merged buckets given back to the buckets they were merged from, type by type."""
    made = np.zeros((len(bucket), slices.shape[1]), dtype=np.int64)
    left = slices.copy()
    for b, (m, want) in enumerate(zip(bucket.tolist(), count.tolist(), strict=True)):
        before = np.cumsum(left[m]) - left[m]
        made[b] = np.clip(want - before, 0, left[m])
        left[m] -= made[b]
    return made


def check_slices(
    load: Array, count: Array, usd_per_hour: Sequence[float | Decimal | str], slice_factor: int, found: SliceAssignment
) -> list[str]:
    """Everything wrong with an assignment, recomputed from it alone in exact fractions; an empty list means none."""
    wrong = []
    placed, machines = found.slices.tolist(), found.machines.tolist()
    for b, (here, items) in enumerate(zip(placed, np.asarray(count).tolist(), strict=True)):
        if min(here, default=0) < 0 or sum(here) != items * slice_factor:
            wrong.append(f"bucket {b}: {sum(here)} of {items * slice_factor} slices are placed")
    for t, held in enumerate(machines):
        column = [(row[t], loads[t]) for row, loads in zip(placed, np.asarray(load, dtype=float).tolist(), strict=True)]
        if any(n and math.isinf(x) for n, x in column):
            wrong.append(f"type {t}: has slices that it cannot run")
        elif sum((n * Fraction(str(x)) for n, x in column if n), Fraction(0)) > held * slice_factor:
            wrong.append(f"type {t}: {held} machines are too few")
    rates = [round(Fraction(str(usd)) * 10**6) for usd in usd_per_hour]
    if (bill := sum(n * rate for n, rate in zip(machines, rates, strict=True))) != found.certificate.upper_micro_usd:
        wrong.append(f"the machines cost {bill} micro-dollars an hour, not {found.certificate.upper_micro_usd}")
    if found.certificate.lower_micro_usd > found.certificate.upper_micro_usd:
        wrong.append("the lower bound is above the price")
    return wrong


def _refuse(load: Array, count: Array, price: Array, slice_factor: int) -> None:
    if load.ndim != 2 or load.shape != (len(count), len(price)) or count.ndim != 1:  # noqa: PLR2004
        raise InputError("load must be [buckets, types], count [buckets], usd_per_hour [types]", where="slices")
    if np.isnan(load).any() or (load < 0).any():
        raise InputError("a load is a number from 0 on", where="load", mend="inf where a type cannot serve")
    if not np.issubdtype(count.dtype, np.integer) or (count < 0).any():
        raise InputError("items are whole numbers from 0 on", where="count", mend="cut rates into items beforehand")
    if (price <= 0).any():
        raise InputError("a machine costs something", where="usd_per_hour", mend="leave out types that are free")
    if slice_factor < 1 or int(count.sum()) * slice_factor >= MOST_SLICES:
        raise InputError(f"{slice_factor} slices an item", where="slice_factor", mend="from 1 on, 2³¹ slices in all")
    for b in np.flatnonzero((count > 0) & ~np.isfinite(load).any(axis=1)).tolist():
        raise InputError("no type can serve it", where=f"bucket {b}", mend="add a type, or leave the bucket out")
