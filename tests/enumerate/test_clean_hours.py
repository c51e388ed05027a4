"""Grids by the hour in a spec's problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.enumerate import NamedLimits
from tests.enumerate import fake
from tests.enumerate.test_enumerate import chat, problem, run

PRICED = NamedLimits(carbon_usd_per_kg=0.1)
NIGHT = tuple(50.0 if 8 <= hour < 20 else 450.0 for hour in range(24))


def with_hours(place: tuple[str, str]) -> Any:
    """The catalogue, with a clean day in one region."""
    made = fake.catalog()
    object.__setattr__(made, "carbon", {place: NIGHT})
    return made


def test_hours_are_told_apart_where_carbon_counts() -> None:
    """By day and by night in that region, at the average everywhere else; twelve hours of each day are either."""
    plain = problem(chat(), limits=PRICED)
    place = str(plain.sites.provider[0]), str(plain.sites.region[0])
    p = problem(chat(), limits=PRICED, catalog=with_hours(place))
    grid = p.grid_g_co2_per_kwh
    assert grid is not None
    assert plain.grid_g_co2_per_kwh is None
    assert sorted(set(grid[0])) == [50.0, 450.0]
    assert (grid[1:] == p.sites.g_co2_per_kwh[1:, None]).all()
    hours = p.blocks.total_hours
    assert hours[grid[0] == 50.0].sum() == hours[grid[0] == 450.0].sum() == 8760 // 2
    calendar = p.blocks.calendar
    by_day = (calendar["hour_utc"] >= 8) & (calendar["hour_utc"] < 20)
    assert ((grid[0][calendar["block"]] == 50.0) == by_day).all()
    assert p.digest() != plain.digest()


def test_nothing_changes_where_carbon_does_not_count() -> None:
    """No block more, and the same digest."""
    plain = problem(chat(), run())
    place = str(plain.sites.provider[0]), str(plain.sites.region[0])
    p = problem(chat(), run(), catalog=with_hours(place))
    assert p.grid_g_co2_per_kwh is None
    assert p.digest() == plain.digest()
    assert np.array_equal(p.blocks.hours, plain.blocks.hours)
