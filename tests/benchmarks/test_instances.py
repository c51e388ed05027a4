"""The drawn fleets of the benchmarks."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from benchmarks.instances import COMMITMENTS, PER_UNIT, TYPES, Fleet, Size, draw
from solver.check import check
from solver.engine import mathopt
from solver.formulation import formulate
from solver.problem import COMMITMENT, ON_DEMAND, SPOT
from solver.rules import RULES
from solver.solve import solve

SMALL = Size.of("12x5x30x6x2")


def fleet(text: str = "12x5x30x6x2", seed: int = 3) -> Fleet:
    """A drawn fleet."""
    return draw(Size.of(text), seed)


def test_as_large_as_asked() -> None:
    """500 × 60 × 400 × 24: 214,752 columns with all pairs, of which a few have fewer than eight pools."""
    size = Size.of("500x60x400x24x1")
    assert str(size) == "500x60x400x24x1"
    for seed in range(3):
        made = draw(size, seed)
        assert 0.97 * 214_752 < made.columns < 1.01 * 214_752
        assert made.columns == 400 * 3 + 24 * (2 * len(made.edge_pool) + 400 + 500)


def test_columns_are_those_of_the_direct_form() -> None:
    """Pools that no workload can use have no columns; all others are counted."""
    made = fleet()
    unused = 30 - len(np.unique(made.edge_pool))
    f = formulate(made.problem(), RULES, direct=True)
    assert f.model.column_count == made.columns - unused * (SMALL.blocks + len(COMMITMENTS))


def test_same_seed_same_numbers() -> None:
    """And another seed others; the digest covers all of them."""
    assert fleet().problem().digest() == fleet().problem().digest()
    assert fleet(seed=4).problem().digest() != fleet().problem().digest()


@pytest.mark.parametrize("longer", ["12x5x30x60x2", "12x5x30x6x20"])
def test_more_hours_or_scenarios_leave_the_rest_alone(longer: str) -> None:
    """Only demand and spot capacity are longer."""
    one, other = fleet().arrays(), fleet(longer).arrays()
    for name in set(one) - {"demand", "spot_nodes", "hours", "scenarios"}:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert other["demand"].shape == (12, 120)


def test_problem_and_arrays_say_the_same() -> None:
    """Each offer, quota, candidate and demand stands in the arrays under its pool and block."""
    made = fleet()
    a, p = made.arrays(), made.problem()
    for kind, name in ((ON_DEMAND, "on_demand_micro_usd"), (SPOT, "spot_micro_usd")):
        rows = p.offers.kind == kind
        np.testing.assert_array_equal(p.offers.micro_usd_per_hour[rows], a[name][p.offers.pool[rows]])
    rows = np.flatnonzero(p.offers.kind == COMMITMENT)
    spread = p.offers.micro_usd_per_hour[rows] + p.offers.upfront_micro_usd[rows] // p.offers.term_hours[rows]
    option = np.repeat(np.arange(len(COMMITMENTS)), 30)
    np.testing.assert_array_equal(spread, a["committed_micro_usd"][p.offers.pool[rows], option])
    for quota in p.limits.quotas:
        nodes = a["quota_nodes"] if quota.kind == "on_demand" else a["spot_nodes"]
        np.testing.assert_array_equal(quota.limit, np.atleast_1d(nodes[quota.pools[0]]))
    np.testing.assert_array_equal(p.candidates.pool, np.tile(a["edge_pool"], 2))
    np.testing.assert_array_equal(p.candidates.units_per_hour, np.tile(a["edge_units"], 2))
    np.testing.assert_array_equal(p.sources.units_per_hour, a["demand"])
    assert [int(s * 100) for s in p.workloads.max_spot_share] == a["spot_share"].tolist()


def test_arrays_go_through_a_file() -> None:
    """As npz, without pickled objects."""
    made: dict[str, Any] = fleet().arrays()
    file = io.BytesIO()
    np.savez(file, **made)
    file.seek(0)
    for name, values in np.load(file, allow_pickle=False).items():
        np.testing.assert_array_equal(values, made[name])


def test_every_candidate_is_in_reach_and_stays_at_home() -> None:
    """No rule closes a pair: latency and residency hold for all of them; memory holds the model."""
    made = fleet("200x20x100x2x1")
    f = formulate(made.problem(), RULES, direct=True)
    assert f.reach.all()
    assert (np.bincount(made.edge_workload, minlength=200) >= 1).all()
    assert np.bincount(made.edge_workload).max() == 8
    speed = np.array([t[3] for t in TYPES])[made.pool_type[made.edge_pool]] * PER_UNIT
    assert 0.4 < np.median(made.edge_units / speed) < 2.5


def test_more_pools_than_types_and_regions() -> None:
    """Further providers bring them; no two pools are alike in provider, region and shape."""
    p = fleet("3x2x60x2x1").problem()
    assert len(set(p.pool_names)) == 60


def test_spot_capacity_comes_and_goes() -> None:
    """Some blocks have none in a pool that has some in others; a quota never falls short of its own nodes."""
    made = fleet("5x5x40x200x1")
    assert (made.spot_nodes >= 0).all()
    used = np.unique(made.edge_pool)
    assert (made.spot_nodes[np.setdiff1d(np.arange(40), used)] == 0).all()
    gone = (made.spot_nodes[used] == 0).mean()
    assert 0.2 < gone < 0.7  # on average 1 - 0.88 × 0.625 = 0.45


def test_plan_is_sound() -> None:
    """A small one is planned, passes its check, and is no cheaper than the relaxation of the arrays' model."""
    p = fleet("4x4x10x3x2", seed=1).problem()
    plan = solve(p, time_limit_s=20, isolated=False)
    assert not check(p, plan)
    relaxed = mathopt.solve(formulate(p, RULES).model.program().relaxed())
    assert plan.certificate is not None
    assert float(plan.certificate.upper_usd) >= relaxed.objective * (1 - 1e-9) > 0
