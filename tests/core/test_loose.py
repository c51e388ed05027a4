"""Numbers out of all proportion: a plan that is accepted is sound, and as good as is claimed."""

from __future__ import annotations

import pytest

from .loose import STRETCHES, loose, stretch_of
from .opinions import wrong

EACH = 12


@pytest.mark.parametrize("first", range(0, 96, EACH))
def test_no_bad_plan_is_accepted(first: int) -> None:
    """No fault that the check or a proof of the optimum shows."""
    assert not wrong(range(first, first + EACH), loose, stretch_of, exact=False)


def test_draws_are_out_of_proportion() -> None:
    """Capacities, demands, prices and limits a million times those of others, and a proof of nearly every optimum."""
    problems = {stretch: loose(seed) for seed, stretch in enumerate(STRETCHES)}
    capacity, demand = problems["capacity"].candidates.units_per_hour, problems["capacity"].sources.units_per_hour
    assert capacity.max() > 1000 * demand.max()
    assert problems["demand"].sources.units_per_hour.max() > 10**6
    price = problems["price"].offers.micro_usd_per_hour
    assert price.max() > 1000 * price.min()
