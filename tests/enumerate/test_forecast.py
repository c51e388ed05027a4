"""Scenarios drawn from a forecast, and the fewer that stand for them."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.enumerate.forecast import Forecast, Growth, drawn, reduced
from solver.errors import InputError


def factors(forecast: Forecast, names: tuple[str, ...] = ("chat", "search")) -> Any:
    """Factors [draw, W] of the scenarios."""
    return np.array([[float(s.factor(name)) for name in names] for s in drawn(forecast, names)])


def test_mean_deviation_and_correlation_are_those_asked_for() -> None:
    """Of a thousand draws: growth of 20 ± 30 %, half of it shared, and 10 % of noise on top."""
    found = factors(Forecast(draw=1000, seed=3, growth=Growth(mean=0.2, sd=0.3), noise=0.1, correlation=0.5))
    assert found.mean(axis=0) == pytest.approx([1.2, 1.2], abs=0.05)
    beta, noise = math.log1p((0.3 / 1.2) ** 2), 0.1**2
    assert np.log(found).std(axis=0) == pytest.approx([math.sqrt(beta + noise)] * 2, rel=0.1)
    assert np.corrcoef(np.log(found).T)[0, 1] == pytest.approx(0.5 * beta / (beta + noise), abs=0.1)


def test_the_same_seed_draws_the_same_whatever_else_there_is() -> None:
    """Another workload changes nothing of the first; another seed does."""
    one, both = Forecast(draw=5, seed=1, growth=Growth(sd=0.2)), ("chat", "search")
    assert (factors(one, ("chat",))[:, 0] == factors(one, both)[:, 0]).all()
    assert (factors(one, both) != factors(Forecast(draw=5, seed=2, growth=Growth(sd=0.2)), both)).all()
    assert (factors(one, both) > 0).all()


def test_probabilities_are_equal_and_add_up() -> None:
    """A twentieth each; no growth and no noise is demand as written."""
    made = drawn(Forecast(), ("chat",))
    assert [s.probability for s in made] == [Fraction(1, 20)] * 20
    assert {s.factor("chat") for s in made} == {1}


def test_two_clusters_by_hand() -> None:
    """The middle one of all five first, then the one that is nearest to what is far from it."""
    points = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]])
    assert reduced(points, 2) == ([2, 3], [3, 2])
    assert reduced(points, 5) == ([0, 1, 2, 3, 4], [1] * 5)


@pytest.mark.parametrize("seed", range(20))
def test_each_next_point_is_the_best_one(seed: int) -> None:
    """Against trying all; one point alone is the best of all; all points stand for someone, and together for all."""
    points = np.random.default_rng(seed).normal(size=(9, 2))

    def lost(kept: list[int]) -> float:
        return sum(min(math.dist(a, points[k]) for k in kept) for a in points)

    (first,), _ = reduced(points, 1)
    assert lost([first]) == pytest.approx(min(lost([k]) for k in range(9)))
    two, count = reduced(points, 2)
    assert lost(two) == pytest.approx(min(lost([first, k]) for k in range(9) if k != first))
    assert sum(count) == 9
    assert min(count) > 0
    assert lost(two) <= 2 * min(lost(list(pair)) for pair in itertools.combinations(range(9), 2))


def test_kept_scenarios_have_the_probability_of_those_they_stand_for() -> None:
    """And are among those drawn."""
    every = {s.factor("chat") for s in drawn(Forecast(draw=50, seed=7, growth=Growth(sd=0.3)), ("chat",))}
    made = drawn(Forecast(draw=50, seed=7, growth=Growth(sd=0.3), keep=4), ("chat",))
    assert len(made) == 4
    assert sum(s.probability for s in made) == 1
    assert {s.factor("chat") for s in made} <= every


def test_a_forecast_of_nothing_is_refused() -> None:
    """Only traffic can be drawn."""
    with pytest.raises(InputError, match="no traffic"):
        drawn(Forecast(), ())
