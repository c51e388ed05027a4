"""Paths, intervals and what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from solver.errors import InputError
from solver.forecast import Forecast, forecast

from .made import history, noisy

DAYS = 60 * 24
QUICK = ("mean of 7",)  # needs no parameters


@pytest.fixture(scope="module")
def found() -> Forecast:
    """Two series that move together by the day and one that moves against them, 14 days ahead."""
    shared = np.repeat(np.cumsum(np.random.default_rng(9).standard_normal(60)) * 0.04, 24)
    logs = np.stack([shared, shared, -shared], axis=1)
    noise = np.random.default_rng(7).standard_normal((DAYS, 3)) * 0.04
    return forecast(history(100 * np.exp(logs + noise)), 14 * 24, paths=400, methods=QUICK)


def test_in_each_hour_paths_are_the_calibrated_quantiles(found: Forecast) -> None:
    """Exactly those at (i − ½) / S, in some order, and so their mean is the mean."""
    ordered = np.sort(found.paths, axis=0)
    for i in (0, 20, 199, 399):
        assert ordered[i] == pytest.approx(found.quantiles((i + 0.5) / 400), rel=1e-12)
    assert found.paths.mean(axis=0) == pytest.approx(found.mean, rel=2e-3)
    inside = (found.paths >= found.lower) & (found.paths <= found.upper)
    assert inside.mean(axis=0) == pytest.approx(0.9, abs=0.0026)


def test_quantiles_rise_and_widen(found: Forecast) -> None:
    """With their level, and with the horizon."""
    levels = [0.01, 0.05, 0.3, 0.5, 0.8, 0.95, 0.99]
    every = np.stack([found.quantiles(q) for q in levels])
    assert (np.diff(every, axis=0) >= 0).all()
    assert found.lower == pytest.approx(every[1], rel=1e-12)
    width = np.log(found.upper / found.lower)
    assert (width[24 * 12] > 1.5 * width[0]).all()
    with pytest.raises(InputError, match="a quantile at 1"):
        found.quantiles(1)


def test_levels_last_and_series_move_together(found: Forecast) -> None:
    """A path's second week is like its first; two series follow one another, the third does the opposite."""
    first, second = (found.paths[:, part].mean(axis=1) for part in (slice(0, 168), slice(168, 336)))
    assert np.corrcoef(first[:, 0], second[:, 0])[0, 1] > 0.5
    together = np.corrcoef(second.T)
    assert together[0, 1] > 0.7
    assert together[0, 2] < -0.7


def test_same_seed_same_paths(found: Forecast) -> None:
    """To the last bit; another seed, other paths, the same quantiles."""
    past = history(noisy(DAYS, 4))
    one, two, other = (forecast(past, 100, paths=30, seed=s, methods=QUICK) for s in (1, 1, 2))
    assert np.array_equal(one.paths, two.paths)
    assert not np.array_equal(one.paths, other.paths)
    assert np.array_equal(np.sort(one.paths, axis=0), np.sort(other.paths, axis=0))
    assert found.paths.min() >= 0


def test_months_add_up(found: Forecast) -> None:
    """The mean of a month is that of its hours; its interval is narrower than an hour's."""
    rows = list(found.by_month().records())
    assert [r["month"] for r in rows] == ["2026-03"] * 3
    assert rows[0]["steps"] == 14 * 24
    assert rows[0]["mean"] == pytest.approx(found.mean[:, 0].mean(), rel=1e-12)
    assert rows[0]["upper"] - rows[0]["lower"] < (found.upper - found.lower)[-24:, 0].mean()


def test_too_many_numbers() -> None:
    """Refused before memory is taken."""
    found = forecast(history(noisy(DAYS, 4)), 26_000, paths=5000, methods=QUICK)
    with pytest.raises(InputError, match="5000 paths of 26,000 steps"):
        _ = found.paths


def test_intervals_hold_as_often_as_they_say() -> None:
    """On 32 seeded series whose level wanders, over what came and over what their origins measured: 90 %."""
    count, horizon = 32, 168
    drawn = np.stack([noisy(DAYS + horizon, 100 + i, drift=0.03) for i in range(count)], axis=1)
    made = [forecast(history(drawn[:DAYS, i : i + 8]), horizon, methods=("last block",)) for i in range(0, count, 8)]
    low, high = (np.concatenate([getattr(f, name) for f in made], axis=1) for name in ("lower", "upper"))
    share = ((drawn[DAYS:] >= low) & (drawn[DAYS:] <= high)).mean(axis=1)
    chance = 2 * (0.9 * 0.1 / count) ** 0.5  # hours of one series go together
    assert share[:24].mean() == pytest.approx(0.9, abs=chance)
    assert 0.9 - chance < share[24:].mean() < 0.99  # sixty days show a week six times: the interval is stretched
    assert np.mean([f.coverage.mean() for f in made]) == pytest.approx(0.91, abs=0.03)
