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
MOST_MICRO, SURELY = 1e12, 1e-3  # micro-dollars that a float holds, with what its rounding errors may change


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
    price = _micro_usd(usd_per_hour)
    _refuse(load, count, price, slice_factor)
    busy = np.flatnonzero((count > 0) & (load > 0).all(axis=1))
    rows, bucket = _alike(load[busy])
    kept = undominated(rows, price)
    total = np.zeros(len(rows), dtype=np.int64)
    np.add.at(total, bucket, count[busy].astype(np.int64) * slice_factor)
    slices, machines = np.zeros(load.shape, dtype=np.int64), np.zeros(len(price), dtype=np.int64)
    idle = np.flatnonzero((load == 0).any(axis=1))
    slices[idle, (load[idle] == 0).argmax(axis=1)] = count[idle] * slice_factor
    lower = 0
    if len(busy):
        from .engine.slices import Work, cheapest

        work = Work(load=rows[:, kept], count=total, room=slice_factor, price=price[kept])
        found = cheapest(work, time_limit_s=time_limit_s)
        machines[kept], lower = found.machines, found.lower
        slices[np.ix_(busy, kept)] = _shared(found.slices, bucket, count[busy] * slice_factor)
    certificate = Certificate(kind="proved", lower_micro_usd=lower, upper_micro_usd=int(machines @ price))
    made = SliceAssignment(slices=slices, machines=machines, certificate=certificate)
    if wrong := check_slices(load, count, usd_per_hour, slice_factor, made):
        raise CheckError("; ".join(wrong[:3]), where="slices", mend="report the arrays")
    return made


def _micro_usd(usd_per_hour: Sequence[float | Decimal | str]) -> Array:
    """Whole micro-dollars, int64 [T], each as `to_micro` has it.

    A float times a million is off from the decimal it prints as by less than SURELY. Where it is farther than that from
    what lies between two whole numbers, it rounds as the decimal does; the others are rounded one by one.
    """
    usd = np.asarray(usd_per_hour)
    if usd.dtype != np.float64:
        return np.array([to_micro(str(x)) for x in usd_per_hour], dtype=np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        micro = usd * 1e6
        sure = (np.abs(micro) < MOST_MICRO) & (np.abs(micro - np.rint(micro)) < 0.5 - SURELY)
    made = np.where(sure, np.rint(micro), 0).astype(np.int64)
    for t in np.flatnonzero(~sure).tolist():
        made[t] = to_micro(str(usd_per_hour[t]))
    return made


def _alike(load: Array) -> tuple[Array, Array]:
    """Rows of loads [n, T] without repetitions, in ascending order, and which of them each is."""
    if len(load) <= 1:
        return load, np.zeros(len(load), dtype=np.int64)
    whole = np.ascontiguousarray(load).view(np.dtype((np.void, load.itemsize * load.shape[1]))).ravel()
    _, first, which = np.unique(whole, return_index=True, return_inverse=True)
    order = np.array(sorted(range(len(first)), key=lambda i: load[first[i]].tolist()), dtype=np.int64)
    return load[first[order]], np.argsort(order)[which]


def undominated(load: Array, price: Array) -> Array:
    """Types [T'] that no other type beats: none is no dearer and carries every bucket for no more load."""
    finite = np.isfinite(load)
    left = np.lexsort((np.where(finite, load, 0.0).sum(axis=0), (~finite).sum(axis=0), price))
    kept: list[int] = []
    while len(left):  # whoever beats the first one has come before
        kept.append(int(left[0]))
        left = left[1:][(load[:, left[1:]] < load[:, left[:1]]).any(axis=0)]
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
    wrong, load, here = [], np.asarray(load, dtype=float), np.argwhere(found.slices)
    placed, machines = found.slices.sum(axis=1).tolist(), found.machines.tolist()
    least = found.slices.min(axis=1, initial=0).tolist()
    for b, (slices, items) in enumerate(zip(placed, np.asarray(count).tolist(), strict=True)):
        if least[b] < 0 or slices != items * slice_factor:
            wrong.append(f"bucket {b}: {slices} of {items * slice_factor} slices are placed")
    used: dict[int, Fraction] = dict.fromkeys(np.flatnonzero(found.machines).tolist(), Fraction(0))
    for b, t in here.tolist():
        if math.isinf(load[b, t]):
            wrong.append(f"type {t}: has slices that it cannot run")
        else:
            used[t] = used.get(t, Fraction(0)) + int(found.slices[b, t]) * Fraction(str(load[b, t]))
    wrong += [
        f"type {t}: {machines[t]} machines are too few" for t, x in used.items() if x > machines[t] * slice_factor
    ]
    rates = {t: round(Fraction(str(usd_per_hour[t])) * 10**6) for t in np.flatnonzero(found.machines).tolist()}
    if (bill := sum(machines[t] * rate for t, rate in rates.items())) != found.certificate.upper_micro_usd:
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
