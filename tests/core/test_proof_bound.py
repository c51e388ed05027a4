"""The last proof stays below the cheapest plan where limits tell replicas apart that hold and cost as much."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from solver.engine.parts import Effort
from solver.engine.press import pressed
from solver.engine.proof import prove
from solver.engine.relaxation import solve_root
from solver.engine.run import run
from solver.problem import Limits
from solver.rules import RULES
from tests.check.by_hand import USD, Place, Work, make, on_demand, spot
from tests.core.instances import whole

if TYPE_CHECKING:
    from solver.problem import Problem

PLACES = tuple(Place(region=f"r{i}") for i in range(3))
DAY = ((10,), (14,))
SPOT_IN_THREE = (on_demand(4 * USD), spot(USD), spot(11 * USD // 10, 1), spot(12 * USD // 10, 2))


def optimum_and_proof(problem: Problem) -> tuple[float, float]:
    """Dollars of the cheapest plan by the whole model, and the bound of the last proof beside a plan a third dearer."""
    outcome = run(
        problem, RULES, time_limit_s=30, gap=0.0, seed=0, deterministic=False, report=lambda _phase, _low, _high: None
    )
    assert outcome.termination == "optimal"
    root = solve_root(pressed(problem), RULES, stop=lambda: False, report=lambda _bound: None)
    proved = prove(
        problem, RULES, root, outcome.bound * 4 / 3, left=lambda: 30.0, gap=0.0, effort=Effort(seed=0, seconds=30.0)
    )
    return outcome.bound, max(root.bound, proved)


@pytest.mark.parametrize("demand", [(40, 20), (35, 15), (60, 30), (45, 5)])
@pytest.mark.parametrize("cap", ["region_share", "zone_share"])
@pytest.mark.parametrize("share", [2, 3, 4])
def test_spot_of_one_region_does_not_stand_in_for_that_of_another(demand: Any, cap: str, share: int) -> None:
    """A cap on each region's part: the cheapest region alone may not hold it all."""
    caps: dict[str, Any] = {cap: Fraction(1, share)}
    problem = make(offers=SPOT_IN_THREE, work=[Work(demand=demand, price=2 * USD, **caps)], hours=DAY, places=PLACES)
    optimum, proved = optimum_and_proof(problem)
    assert 0.9 * optimum <= proved <= optimum * (1 + 1e-6)


@pytest.mark.parametrize("budget", [5.0, 5.5, 6.0, 7.0])
def test_cheaper_with_its_carbon_is_not_cheaper_by_the_hour(budget: float) -> None:
    """Frugal spot at $2 an hour costs less than spot at $1 and its carbon, but an hourly budget holds the first."""
    places = (Place(region="r0", grid=500.0, watts=1), Place(region="r1", grid=500.0))
    limits = Limits(hourly_budget_micro_usd=int(budget * USD), carbon_micro_usd_per_kg=4 * USD)
    offers = (on_demand(4 * USD), spot(2 * USD), spot(USD, 1))
    problem = make(
        offers=offers, work=[Work(demand=(40, 20), must=True, price=10 * USD)], hours=DAY, places=places, limits=limits
    )
    problem = dataclasses.replace(problem, pool_site=whole([0, 0]))  # two shapes in one region
    optimum, proved = optimum_and_proof(problem)
    assert 0.9 * optimum <= proved <= optimum * (1 + 1e-6)
