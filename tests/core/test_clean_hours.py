"""Emissions that differ from hour to hour: jobs go to clean hours and places, by hand and by a second engine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from solver.check import check
from solver.pareto import _grams
from solver.problem import Limits, Quota
from tests.check.by_hand import USD, Place, Work, make, on_demand

from .opinions import search, wrong
from .states import clean, clean_of
from .test_outages import planned

if TYPE_CHECKING:
    from solver.plan import Plan
    from solver.problem import Problem

COUNT, EACH = 60, 20
PLACES = (Place(region="west", grid=400.0, watts=2000), Place(region="east", grid=400.0, watts=2000))


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
@pytest.mark.parametrize("large", [False, True])
def test_the_same_optimum_as_a_second_engine(first: int, large: bool) -> None:
    """Twenty problems a case, so that a failure names its seeds; on the way of large problems sound."""
    assert not wrong(range(first, first + EACH), clean, clean_of, exact=not large, large=large)


def sun(**limits: Any) -> Problem:
    """A hundred units in three blocks of ten hours: the sun shines on east, on west, on neither; a dollar an hour."""
    job = Work(total=100, kind="batch", must=True, price=10 * USD)
    problem = make(
        offers=[on_demand(USD), on_demand(USD, 1)], work=[job], hours=((10,), (10,), (10,)), places=PLACES,
        limits=Limits(**limits),
    )  # fmt: skip
    return dataclasses.replace(problem, grid_g_co2_per_kwh=np.array([[500.0, 50.0, 500.0], [100.0, 600.0, 300.0]]))


def where(plan: Plan) -> set[tuple[str, int, int]]:
    """Region, block and nodes."""
    return {(r["region"], r["block"], r["nodes"]) for r in plan.placements.records()}


def test_a_job_moves_to_the_clean_hours() -> None:
    """One node for ten hours: in the west by its day, 2 kW × 10 h × 50 g = 1 kg, which is the dollar of its price."""
    problem = sun(carbon_micro_usd_per_kg=USD)
    plan = planned(problem, large=False)
    assert where(plan) == {("west", 1, 1)}
    assert _grams(problem, plan) == 1000
    assert plan.total_micro_usd == 10 * USD + 1 * USD


def test_it_follows_the_sun() -> None:
    """Two nodes' work and a node at most in each place: in the east by its day, then in the west by its own."""
    problem = sun(carbon_micro_usd_per_kg=USD)
    quotas = tuple(Quota(name=f"q{q}", pools=(q,), kind="any", max_nodes=1) for q in (0, 1))
    problem = dataclasses.replace(
        problem, limits=dataclasses.replace(problem.limits, quotas=quotas),
        sources=dataclasses.replace(problem.sources, total_units=problem.sources.total_units * 2),
    )  # fmt: skip
    plan = planned(problem, large=False)
    assert where(plan) == {("east", 0, 1), ("west", 1, 1)}
    assert _grams(problem, plan) == 2000 + 1000
    assert plan.total_micro_usd == 20 * USD + 3 * USD


def test_a_limit_of_a_kilogram_leaves_one_hour_to_choose() -> None:
    """A kilogram is enough in the west by day alone; a gram less and there is no plan."""
    assert where(planned(sun(carbon_max_g=1000), large=False)) == {("west", 1, 1)}
    assert search(sun(carbon_max_g=999)).termination == "infeasible"


def test_without_hours_the_average_counts() -> None:
    """Two kilowatts for ten hours at 400 g are 8 kg, wherever and whenever."""
    problem = dataclasses.replace(sun(carbon_micro_usd_per_kg=USD), grid_g_co2_per_kwh=None)
    plan = planned(problem, large=False)
    assert _grams(problem, plan) == 8000
    assert plan.total_micro_usd == 18 * USD


def test_a_plan_of_average_hours_owes_for_its_own() -> None:
    """The check bills each hour at its own grid."""
    problem = sun(carbon_micro_usd_per_kg=USD)
    average = dataclasses.replace(problem, grid_g_co2_per_kwh=None)
    found = check(problem, planned(average, large=False))
    assert {v.rule for v in found} == {"carbon"}
