"""Certificates of fleets against the exact optimum; commitments against enumeration; faults that the check must see."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solver.errors import CheckError, InputError
from solver.fleet import Fleet, Slots, plan_fleet
from solver.fleet import check as checked
from solver.fleet.ascent import Prices, Schedule, ascend, project, start
from solver.fleet.commitments import cost, whole
from solver.fleet.dispatch import Dispatch, dispatch
from solver.fleet.layout import cheapest, lay_out
from solver.fleet.strata import draw, strata

from .small import drawn, optimum_usd

SHORT = Schedule(rounds=60)


MANY = 104  # hours of a scenario: two have more slots than are looked at all together


@pytest.mark.parametrize(
    ("seed", "hours", "most"), [(s, 24, 0.012) for s in range(8)] + [(s, MANY, 0.12) for s in range(4)]
)
def test_every_slot_brackets_the_optimum(seed: int, hours: int, most: float) -> None:
    """A deterministic certificate holds the optimum of the linear program, and whole commitments cost little more."""
    fleet, slots = drawn(seed, hours=hours)
    exact = optimum_usd(fleet, slots)
    found = plan_fleet(fleet, slots, kind="deterministic", samples=2, seed=seed).certificate
    assert found.kind == "deterministic"
    assert found.slots == slots.count
    assert found.lower_usd <= exact * (1 + 1e-9)
    assert found.upper_usd >= exact * (1 - 1e-9)
    assert found.gap == found.gap_at_most <= most


@pytest.mark.parametrize(("seed", "hours"), [(0, 24), (1, 24), (2, 24), (3, MANY), (4, MANY)])
def test_limit_on_upfront_cash(seed: int, hours: int) -> None:
    """The limit is kept, has a price, and the bound with that price is below the optimum under the limit."""
    fleet, slots = drawn(seed, hours=hours)
    free = plan_fleet(fleet, slots, samples=2, seed=seed)
    assert free.upfront_usd > 0
    assert free.cash_price == 0
    tight = dataclasses.replace(fleet, upfront_max_usd=free.upfront_usd / 3)
    found = plan_fleet(tight, slots, kind="deterministic", samples=2, seed=seed)
    assert found.upfront_usd <= tight.upfront_max_usd
    assert found.cash_price > 0
    exact = optimum_usd(tight, slots)
    assert exact > optimum_usd(fleet, slots)
    assert found.certificate.lower_usd <= exact * (1 + 1e-9)
    assert found.certificate.upper_usd >= exact * (1 - 1e-9)


def test_what_is_at_most_said_holds() -> None:
    """What a statistical certificate says with 95 % confidence of commitments and cost holds in 7 fleets of 8."""
    gaps, costs = 0, 0
    for seed in range(8):
        fleet, slots = drawn(seed, hours=MANY)
        found = plan_fleet(fleet, slots, samples=4, seed=seed)
        said, best = found.certificate, optimum_usd(fleet, slots)
        ours = optimum_usd(fleet, slots, found.committed)
        assert said.kind == "statistical"
        assert best <= ours
        gaps += (ours - best) / ours <= said.gap_at_most
        costs += said.upper_usd + said.upper_half_width_usd >= ours
        costs -= said.lower_usd - said.upper_half_width_usd > best
    assert gaps >= 7
    assert costs >= 7


@pytest.mark.parametrize("seed", range(5))
def test_closed_ways_count_in_the_bound(seed: int) -> None:
    """Prices found with two ways a workload bound the fleet with all of them."""
    fleet, slots = drawn(seed, pools=10)
    rows = np.arange(slots.count)
    sample = slots.take(rows)
    asked, spare = sample.asked, sample.spare
    usd, _ = cost(fleet, 0.0)
    few = lay_out(fleet, cheapest(fleet, 1))
    assert (few.way >= 0).sum() < len(fleet.pool)
    found = ascend(fleet, few, sample, usd, start(fleet, slots.hours, usd), SHORT)
    lower = slots.hours @ checked.lower_usd_per_hour(fleet, asked, spare, found.prices)
    lower -= checked.excess_usd(fleet, found.prices, slots.hours, usd)
    assert lower <= optimum_usd(fleet, slots) * (1 + 1e-9)
    one_by_one = [_lower_of_slot(fleet, asked[:, s], spare[:, s], found.prices, s) for s in range(slots.count)]
    assert checked.lower_usd_per_hour(fleet, asked, spare, found.prices) == pytest.approx(one_by_one, rel=1e-9)


def _lower_of_slot(fleet: Fleet, asked: Any, spare: Any, prices: Prices, s: int) -> float:
    """The bound of a slot as its formula reads, way by way."""
    total = 0.0
    for w in range(fleet.workloads):
        firm = either = float(fleet.unserved_usd_per_unit[w])
        for e in np.flatnonzero(fleet.workload == w):
            p = fleet.pool[e]
            committed = min(float(prices.committed[p, s]), float(fleet.on_demand_usd_per_hour[p]))
            firm = min(firm, (committed + float(prices.quota[p, s])) / fleet.units_per_hour[e])
            if spare[p] > 0:
                spot = (fleet.spot_usd_per_hour[p] + float(prices.spot[p, s])) / fleet.units_per_hour[e]
                either = min(either, spot)
        either = min(either, firm)
        total += asked[w] * ((1 - fleet.max_spot_share[w]) * firm + fleet.max_spot_share[w] * either)
    rent = float(prices.quota[:, s].astype(float) @ fleet.quota_nodes)
    return total - rent - float(np.where(spare > 0, prices.spot[:, s].astype(float) * spare, 0).sum())


@pytest.mark.parametrize("seed", range(30))
def test_commitments_of_isolated_pools_are_the_best(seed: int) -> None:
    """The weighted quantile, in whole nodes, against every number of nodes."""
    rng = np.random.default_rng(seed)
    load, hours = rng.uniform(0, 12, (5, 30)) * (rng.random((5, 30)) < 0.8), rng.uniform(0.1, 3, 30)
    on_demand, quota = rng.uniform(1, 5, 5), rng.integers(3, 15, 5).astype(float)
    usd = on_demand * hours.sum() * rng.uniform(0.2, 1.1, 5)
    usd[0] = np.inf
    found = whole(load, hours, usd, on_demand, quota)
    for p in range(5):
        costs = [
            (usd[p] * r if r else 0.0) + on_demand[p] * float(np.maximum(load[p] - r, 0) @ hours)
            for r in range(int(quota[p]) + 1)
        ]
        assert costs[found[p]] == pytest.approx(min(costs), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_projection(seed: int) -> None:
    """Prices come back within their limits; those that were within them already stay as they are."""
    rng = np.random.default_rng(seed)
    price, hours = rng.uniform(-1, 4, (6, 20)).astype(np.float32), rng.uniform(0.1, 2, 20).astype(np.float32)
    ceiling, most = np.full((6, 1), 3, np.float32), rng.uniform(5, 60, 6).astype(np.float32)
    before = np.clip(price, 0, ceiling)
    project(price, hours, most, ceiling)
    assert (price >= 0).all()
    assert (price <= ceiling).all()
    assert (price @ hours <= most * (1 + 1e-5)).all()
    fine = before @ hours <= most
    assert (price[fine] == before[fine]).all()
    assert (price[~fine] @ hours >= most[~fine] * 0.99).all()


def _dispatched(seed: int) -> tuple[Fleet, Any, Any, Any, Any, Dispatch]:
    fleet, slots = drawn(seed)
    rows = np.arange(slots.count)
    sample = slots.take(rows)
    asked, spare = sample.asked, sample.spare
    usd, _ = cost(fleet, 0.0)
    layout = lay_out(fleet, np.arange(len(fleet.pool)))
    found = ascend(fleet, layout, sample, usd, start(fleet, slots.hours, usd), SHORT)
    held = np.minimum(fleet.quota_nodes, 20.0)
    return fleet, layout, asked, spare, held, dispatch(fleet, layout, sample, held, found, (1.0, 0.0))


@pytest.mark.parametrize("seed", range(3))
def test_check_notices_what_does_not_fit(seed: int) -> None:
    """A dispatch that fits passes; one with a quota, a share of spot, spot nodes or demand less is refused."""
    fleet, layout, asked, spare, held, plan = _dispatched(seed)
    checked.usd_per_hour(fleet, layout, asked, spare, held, plan)
    faults = (
        (dataclasses.replace(fleet, quota_nodes=fleet.quota_nodes * 0.02 + 20.0), asked, spare, "quota"),
        (dataclasses.replace(fleet, max_spot_share=fleet.max_spot_share * 0.1), asked, spare, "share"),
        (fleet, asked * np.float32(0.99), spare, "asked for"),
        (fleet, asked, spare * np.float32(0.5), "spot nodes than there are"),
        (dataclasses.replace(fleet, spot_usd_per_hour=np.full(fleet.pools, np.inf)), asked, spare, "market"),
    )
    for other, demand, capacity, word in faults:
        with pytest.raises(CheckError, match=word):
            checked.usd_per_hour(other, layout, demand, capacity, held, plan)
    with pytest.raises(CheckError, match="below 0"):
        checked.usd_per_hour(fleet, layout, asked, spare, held, Dispatch(-plan.firm, plan.spot))
    none = np.zeros_like(spare)
    with pytest.raises(CheckError, match="negative price"):
        checked.lower_usd_per_hour(fleet, asked, spare, Prices(none, none - 1, none))


def test_cost_of_a_slot_by_hand() -> None:
    """One workload asks 100 units; 3 nodes of 10 are held, 2 spot nodes run, 4 are bought, 10 units stay unserved."""
    fleet = Fleet(
        on_demand_usd_per_hour=np.array([5.0]), spot_usd_per_hour=np.array([2.0]), committed_usd=np.array([[100.0]]),
        upfront_usd=np.array([[0.0]]), quota_nodes=np.array([7.0]), workload=np.array([0]), pool=np.array([0]),
        units_per_hour=np.array([10.0]), max_spot_share=np.array([0.2]), unserved_usd_per_unit=np.array([9.0]),
    )  # fmt: skip
    layout, asked, spare = lay_out(fleet, np.array([0])), np.array([[100.0]]), np.array([[2.0]])
    plan = Dispatch(np.array([[70.0]]), np.array([[20.0]]))
    usd = checked.usd_per_hour(fleet, layout, asked, spare, np.array([3.0]), plan)
    assert usd.tolist() == [4 * 5.0 + 2 * 2.0 + 10 * 9.0]


AWAY = """
from distributed import Client, LocalCluster
from solver.fleet import plan_fleet
from tests.fleet.small import drawn

if __name__ == "__main__":
    fleet, slots = drawn(3, hours=104)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster):
            away = plan_fleet(fleet, slots, samples=3, seed=5, workers=2, engine="dask")
    two = plan_fleet(fleet, slots, samples=3, seed=5, workers=2)
    here = plan_fleet(fleet, slots, samples=3, seed=5)
    print(away.certificates == two.certificates == here.certificates and (away.committed == here.committed).all())
"""


def test_any_number_of_workers_and_a_cluster_give_the_same(tmp_path: Path) -> None:
    """Certificates do not depend on who computed them; in a process of its own, which takes its workers with it."""
    script = tmp_path / "away.py"
    script.write_text(AWAY, encoding="utf-8")
    paths = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, env=os.environ | paths, timeout=120
    )
    assert done.stdout.split() == ["True"], done.stderr


def test_sample_stands_for_all_hours() -> None:
    """A slot of each stratum, by chance in proportion to its hours; the hours it stands for are the stratum's."""
    fleet, slots = drawn(1, hours=48, scenarios=3)
    slots = dataclasses.replace(slots, hours=np.random.default_rng(0).uniform(0.2, 2, slots.count))
    stratum = strata(slots, 5, 0)
    assert stratum.min() == 0
    assert len(np.unique(np.stack([stratum, slots.scenario]), axis=1).T) == stratum.max() + 1
    of_stratum = np.bincount(stratum, slots.hours)
    seen = np.zeros(slots.count)
    for i in range(4000):
        rows, hours = draw(stratum, slots.hours, 2, np.random.default_rng(i))
        assert stratum[rows].tolist() == np.repeat(np.arange(stratum.max() + 1), 2).tolist()
        assert hours == pytest.approx(np.repeat(of_stratum / 2, 2))
        np.add.at(seen, rows, 0.5)
    expected = slots.hours / of_stratum[stratum]
    assert np.abs(seen / 4000 - expected).max() < 0.05
    assert fleet.digest() == drawn(1, hours=48, scenarios=3)[0].digest()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"quota_nodes": np.array([1.0])}, "pools differ"),
        ({"max_spot_share": np.full(8, 1.5)}, "from 0 to 1"),
        ({"on_demand_usd_per_hour": np.full(6, np.nan)}, "prices"),
        ({"units_per_hour": np.zeros(1)}, "must be"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], word: str) -> None:
    """Typed errors name the array."""
    fleet, _ = drawn(0)
    with pytest.raises(InputError, match=word):
        dataclasses.replace(fleet, **change)


def test_slots_from_files(tmp_path: Any) -> None:
    """Stored slots are read as they are needed, and plan as those in memory."""
    fleet, slots = drawn(2, hours=MANY)
    np.save(tmp_path / "demand.npy", slots.demand)
    np.save(tmp_path / "spot.npy", slots.spot)
    small = {name: getattr(slots, name) for name in ("spot_nodes", "hours", "hour", "scenario")}
    stored = Slots.stored(tmp_path, **small)
    assert isinstance(stored.demand, np.memmap)
    assert plan_fleet(fleet, stored, samples=2).certificates == plan_fleet(fleet, slots, samples=2).certificates
