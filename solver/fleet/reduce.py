"""A smaller fleet with the same optimum: workloads alike as one, slots alike as one.

Node-hours are shared and any part of them may be bought, so both are exact: what is planned for one is dealt out to its
parts in proportion to their demand; and of slots alike the average of what is done in them will do in each.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from .fleet import Fleet, Slots

Array = np.ndarray[Any, np.dtype[Any]]
MOST_CELLS = 50_000_000  # of demand that are compared; beyond that, and where slots are memory maps, none are


@dataclass(frozen=True, slots=True, kw_only=True)
class ReducedFleet:
    """The smaller fleet and its slots, and which row of them stands for which of the original."""

    fleet: Fleet
    slots: Slots
    workload_for: Array  # int64 [W]
    slot_for: Array  # int64 [N]
    original_ways: Array  # int64 [E] the row here that each way of the original is

    def ways(self, rows: Array) -> Array:
        """Ways of the original that these rows are."""
        return np.flatnonzero(np.isin(self.original_ways, rows))


def reduce_fleet(fleet: Fleet, slots: Slots) -> ReducedFleet:
    """Workloads with the same ways, share of spot and price of what is left are one; so are slots alike then.

    Demand is added up in double precision and kept in single precision, as all demand of slots is.
    """
    none = ReducedFleet(
        fleet=fleet, slots=slots, workload_for=np.arange(fleet.workloads), slot_for=np.arange(slots.count),
        original_ways=np.arange(len(fleet.pool)),
    )  # fmt: skip
    if isinstance(slots.demand, np.memmap) or slots.demand.size > MOST_CELLS:
        return none
    return _equal_slots(_equal_workloads(none))


def _equal_workloads(r: ReducedFleet) -> ReducedFleet:
    f = r.fleet
    order = np.lexsort((f.pool, f.workload))
    ends = np.searchsorted(f.workload[order], np.arange(f.workloads + 1))
    kind: dict[Any, int] = {}
    label = np.empty(f.workloads, dtype=np.int64)
    for w in range(f.workloads):
        ways = order[ends[w] : ends[w + 1]]
        own = f.max_spot_share[w], f.unserved_usd_per_unit[w]
        key = (*own, f.pool[ways].tobytes(), f.units_per_hour[ways].tobytes())
        label[w] = kind.setdefault(key, len(kind))
    if len(kind) == f.workloads:
        return r
    first = np.unique(label, return_index=True)[1]
    kept = np.flatnonzero(np.isin(f.workload, first))
    fleet = dataclasses.replace(
        f,
        workload=label[f.workload[kept]],
        pool=f.pool[kept],
        units_per_hour=f.units_per_hour[kept],
        max_spot_share=f.max_spot_share[first],
        unserved_usd_per_unit=f.unserved_usd_per_unit[first],
    )
    demand = np.zeros((len(kind), r.slots.count))
    np.add.at(demand, label, r.slots.demand.T.astype(float))
    slots = dataclasses.replace(r.slots, demand=np.ascontiguousarray(demand.T.astype(np.float32)))
    here = np.lexsort((fleet.pool, fleet.workload))
    wanted = label[f.workload] * f.pools + f.pool
    key_here = (fleet.workload * f.pools + fleet.pool)[here]
    return ReducedFleet(
        fleet=fleet, slots=slots, workload_for=label, slot_for=r.slot_for,
        original_ways=here[np.searchsorted(key_here, wanted)],
    )  # fmt: skip


def _equal_slots(r: ReducedFleet) -> ReducedFleet:
    s = r.slots
    both = np.concatenate([s.demand, (s.spot * s.spot_nodes).astype(np.float32)], axis=1, dtype=np.float32)
    kind: dict[bytes, int] = {}
    label = np.array([kind.setdefault(row.tobytes(), len(kind)) for row in both], dtype=np.int64)
    if len(kind) == s.count:
        return r
    first = np.unique(label, return_index=True)[1]
    slots = Slots(
        demand=s.demand[first], spot=s.spot[first], spot_nodes=s.spot_nodes, hours=np.bincount(label, s.hours),
        hour=s.hour[first], scenario=s.scenario[first],
    )  # fmt: skip
    return dataclasses.replace(r, slots=slots, slot_for=label)
