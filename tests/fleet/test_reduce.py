"""Workloads and slots alike as one: the same optimum by the linear program, and plans that bracket it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from solver.fleet import Fleet, Slots, plan_fleet
from solver.fleet.reduce import reduce_fleet

from .small import drawn, optimum_usd


def doubled(seed: int) -> tuple[Fleet, Slots]:
    """A fleet with some workloads twice, each with a demand of its own, and every slot twice, of other hours."""
    fleet, slots = drawn(seed, workloads=4, pools=4, hours=6, scenarios=1)
    rng = np.random.default_rng(seed)
    again = np.sort(rng.choice(fleet.workloads, 2, replace=False))
    ways = np.flatnonzero(np.isin(fleet.workload, again))
    joined: Any = {
        name: np.concatenate([getattr(fleet, name), getattr(fleet, name)[ways]]) for name in ("pool", "units_per_hour")
    }
    number = fleet.workloads + np.searchsorted(again, fleet.workload[ways])
    more = dataclasses.replace(
        fleet,
        **joined,
        workload=np.concatenate([fleet.workload, number]),
        max_spot_share=np.append(fleet.max_spot_share, fleet.max_spot_share[again]),
        unserved_usd_per_unit=np.append(fleet.unserved_usd_per_unit, fleet.unserved_usd_per_unit[again]),
    )
    demand = np.concatenate([slots.demand, slots.demand[:, again] * rng.integers(1, 4)], axis=1)
    twice = np.tile(np.arange(slots.count), 2)
    share = np.where(np.arange(len(twice)) < slots.count, 0.25, 0.75)
    return more, Slots(
        demand=demand[twice], spot=slots.spot[twice], spot_nodes=slots.spot_nodes, hours=slots.hours[twice] * share,
        hour=np.arange(len(twice)), scenario=slots.scenario[twice],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_the_same_optimum(seed: int) -> None:
    """Half the slots and the workloads that are different."""
    fleet, slots = doubled(seed)
    reduced = reduce_fleet(fleet, slots)
    assert (reduced.fleet.workloads, reduced.slots.count) == (4, 6)
    exact = optimum_usd(fleet, slots)
    assert optimum_usd(reduced.fleet, reduced.slots) == pytest.approx(exact, rel=1e-6)  # single precision of demand
    assert reduced.slots.hours.sum() == pytest.approx(slots.hours.sum())


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_is_one_of_the_original(seed: int) -> None:
    """Its certificate holds the original's optimum; a stratum for every slot; ways of every workload that has them."""
    fleet, slots = doubled(seed)
    found = plan_fleet(fleet, slots, seed=seed)
    exact = optimum_usd(fleet, slots)
    assert found.certificate.lower_usd <= exact * (1 + 1e-6)
    assert found.certificate.upper_usd >= exact * (1 - 1e-6)
    assert optimum_usd(fleet, slots, found.committed) <= found.certificate.upper_usd * (1 + 1e-6)
    assert len(found.stratum) == slots.count
    assert set(fleet.workload[found.ways].tolist()) == set(range(fleet.workloads))
    reduced = reduce_fleet(fleet, slots)
    here = reduced.original_ways
    assert (reduced.fleet.pool[here] == fleet.pool).all()
    assert (reduced.fleet.units_per_hour[here] == fleet.units_per_hour).all()
    assert (reduced.fleet.workload[here] == reduced.workload_for[fleet.workload]).all()


@pytest.mark.parametrize("name", ["units_per_hour", "max_spot_share", "unserved_usd_per_unit"])
def test_workloads_that_differ_stay_apart(name: str) -> None:
    """In what a node does, in the share of spot, in the price of what is left."""
    fleet, slots = doubled(1)
    column = getattr(fleet, name).copy()
    column[-1] *= 0.5
    column[-1] += 0.25 * (column[-1] == 0)
    assert reduce_fleet(dataclasses.replace(fleet, **{name: column}), slots).fleet.workloads == 5


def test_slots_that_differ_stay_apart(tmp_path: Any) -> None:
    """In a demand, in spot nodes; and slots that are read from a disk are not compared."""
    fleet, slots = doubled(1)
    demand, spot = slots.demand.copy(), slots.spot.copy()
    demand[0, 0] += 1
    spot[1, 2] = ~spot[1, 2]
    assert reduce_fleet(fleet, dataclasses.replace(slots, demand=demand)).slots.count == 7
    assert reduce_fleet(fleet, dataclasses.replace(slots, demand=demand, spot=spot)).slots.count == 8
    np.save(tmp_path / "demand.npy", slots.demand)
    np.save(tmp_path / "spot.npy", slots.spot)
    small = {name: getattr(slots, name) for name in ("spot_nodes", "hours", "hour", "scenario")}
    assert reduce_fleet(fleet, Slots.stored(tmp_path, **small)).slots.count == slots.count
