"""Measurements of one's own: the posterior by hand, far loads, other deployments, many measurements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.perf.observations import COMMON_SHARE, MOST, REACH, REPEATED, Observations, place
from solver.perf.serving import Load

SIGMA, NOISE = 0.5, 0.3
UNKNOWN = SIGMA**2 - NOISE**2  # 0.16
AGAIN = (REPEATED * NOISE) ** 2  # variance of a repeated measurement, 0.0225
RATIO = 0.2  # log of measured over predicted


def load(*concurrency: float, prompt: float = 1024, answer: float = 1024) -> Load:
    """Loads of one prompt and answer length."""
    full = np.ones(len(concurrency))
    return Load(concurrency=np.array(concurrency), input_tokens=prompt * full, output_tokens=answer * full)


def observed(where: Load, tpot: Any, ttft: Any = None, name: str = "mine") -> Observations:
    """Observations of one deployment."""
    tpot = np.asarray(tpot, dtype=float)
    return Observations(
        places={name: place(where)},
        tpot={name: tpot},
        ttft={name: np.full(len(tpot), np.nan) if ttft is None else np.asarray(ttft, dtype=float)},
    )


def shifted(
    known: Observations, at: Load, names: tuple[str, ...] = ("mine",), sigma: Any = SIGMA, metric: str = "tpot"
) -> tuple[Any, Any, Any]:
    """What is known at loads of deployments."""
    count = len(at.concurrency)
    return known.shift(metric, names * (count // len(names)), at, np.broadcast_to(sigma, count), NOISE)


def test_places_are_doublings() -> None:
    """Concurrency, prompt and answer."""
    assert place(load(8, 16, prompt=1024, answer=2)).tolist() == [[3, 10, 1], [4, 10, 1]]


def test_one_observation() -> None:
    """τ² = 0.16 against 0.0225 of a repeated measurement: 0.877 of the difference is believed, the rest is left."""
    shift, spread, seen = shifted(observed(load(16), [RATIO]), load(16))
    assert shift[0] == pytest.approx(UNKNOWN / (UNKNOWN + AGAIN) * RATIO)
    assert spread[0] == pytest.approx(math.sqrt(UNKNOWN * AGAIN / (UNKNOWN + AGAIN) + NOISE**2))
    assert seen.tolist() == [True]


def test_loads_between() -> None:
    """1.5 doublings away the part that fades is e^(−1/2) of itself; infinitely far it is nothing."""
    for doublings, left in ((REACH, math.exp(-0.5)), (2 * REACH, math.exp(-2.0)), (60.0, 0.0)):
        alike = COMMON_SHARE + (1 - COMMON_SHARE) * left
        for at in (load(16 * 2**doublings), load(16, prompt=1024 * 2**doublings), load(16, answer=1024 / 2**doublings)):
            shift, spread, _ = shifted(observed(load(16), [RATIO]), at)
            assert shift[0] == pytest.approx(alike * UNKNOWN / (UNKNOWN + AGAIN) * RATIO)
            variance = UNKNOWN - (alike * UNKNOWN) ** 2 / (UNKNOWN + AGAIN)
            assert spread[0] == pytest.approx(math.sqrt(variance + NOISE**2))


def test_two_observations_of_two_loads() -> None:
    """Two far loads share 0.7 of the unknown: the posterior of two correlated normal variables, by hand."""
    a, b = UNKNOWN + AGAIN, COMMON_SHARE * UNKNOWN
    r = np.array([0.3, -0.1])
    weights = np.array([UNKNOWN * a - b * b, b * a - UNKNOWN * b]) / (a * a - b * b)
    shift, spread, _ = shifted(observed(load(1, 1e15), r), load(1))
    assert shift[0] == pytest.approx(weights @ r)
    assert spread[0] == pytest.approx(math.sqrt(UNKNOWN - weights @ [UNKNOWN, b] + NOISE**2))


@pytest.mark.parametrize("count", [2, 10, MOST])
def test_many_observations_converge(count: int) -> None:
    """N of them: N τ² ÷ (N τ² + s²) of their mean, and what is left is the noise."""
    values = RATIO + 0.05 * (-1.0) ** np.arange(count)
    shift, spread, _ = shifted(observed(load(*[16.0] * count), values), load(16))
    share = count * UNKNOWN / (count * UNKNOWN + AGAIN)
    assert shift[0] == pytest.approx(share * RATIO)
    assert spread[0] == pytest.approx(math.sqrt((1 - share) * UNKNOWN + NOISE**2))
    if count == MOST:
        assert shift[0] == pytest.approx(RATIO, rel=0.01)
        assert spread[0] == pytest.approx(NOISE, rel=0.01)


def test_the_last_ones_are_used() -> None:
    """What was measured before the last 200 is forgotten."""
    late = [RATIO] * MOST
    both = shifted(observed(load(*[16.0] * (MOST + 50)), [3.0] * 50 + late), load(16, 64))
    last = shifted(observed(load(*[16.0] * MOST), late), load(16, 64))
    assert both[0] == pytest.approx(last[0])
    assert both[1] == pytest.approx(last[1])


def test_other_deployments_are_unmoved() -> None:
    """Neither their mean nor their interval."""
    shift, spread, seen = shifted(observed(load(16), [RATIO]), load(16, 16, 16), ("yours", "mine", "theirs"))
    assert shift.tolist() == [0.0, pytest.approx(UNKNOWN / (UNKNOWN + AGAIN) * RATIO), 0.0]
    assert spread.tolist() == [SIGMA, pytest.approx(math.sqrt(UNKNOWN * AGAIN / (UNKNOWN + AGAIN) + NOISE**2)), SIGMA]
    assert seen.tolist() == [False, True, False]


def test_a_metric_that_was_not_measured_is_ignored() -> None:
    """Rows without it say nothing of it; without any the deployment is as it was."""
    known = observed(load(16, 32, 64), [RATIO, np.nan, RATIO], [np.nan] * 3)
    some, without = shifted(known, load(16, 40)), shifted(observed(load(16, 64), [RATIO, RATIO]), load(16, 40))
    assert some[0] == pytest.approx(without[0])
    assert some[1] == pytest.approx(without[1])
    shift, spread, seen = shifted(known, load(16, 40), metric="ttft")
    assert (shift.tolist(), spread.tolist(), seen.tolist()) == ([0.0, 0.0], [SIGMA, SIGMA], [False, False])


def test_a_grid_of_loads() -> None:
    """[K, G]: each row's loads are answered as by themselves."""
    grid = np.array([[1.0, 8.0, 64.0], [2.0, 16.0, 128.0]])
    wide = Load(concurrency=grid, input_tokens=np.full((2, 3), 1024.0), output_tokens=np.full((2, 3), 1024.0))
    known = observed(load(16, 64), [RATIO, -RATIO])
    shift, spread, seen = known.shift("tpot", ["mine", "yours"], wide, np.array([[SIGMA], [0.4]]), NOISE)
    alone = shifted(known, load(*grid[0]))
    assert shift[0] == pytest.approx(alone[0])
    assert spread[0] == pytest.approx(alone[1])
    assert shift[1].tolist() == [0.0] * 3
    assert spread[1].tolist() == [0.4] * 3
    assert seen.tolist() == [[True] * 3, [False] * 3]


def test_a_row_is_shifted_by_what_it_does_not_know_itself() -> None:
    """Rows of one deployment that know different amounts are answered as each by itself."""
    known = observed(load(16, 64), [RATIO, 3 * RATIO])
    sigmas = np.array([0.35, 0.5, 0.9])
    together = shifted(known, load(16, 16, 32), sigma=sigmas)
    for i, (at, sigma) in enumerate(zip((16, 16, 32), sigmas, strict=True)):
        alone = shifted(known, load(at), sigma=sigma)
        assert together[0][i] == pytest.approx(alone[0][0])
        assert together[1][i] == pytest.approx(alone[1][0])
    assert together[0][1] > together[0][0]  # who knew less believes more


@settings(max_examples=60, deadline=None)
@given(
    where=st.lists(st.floats(1, 4096), min_size=1, max_size=8),
    values=st.lists(st.floats(-3, 3), min_size=8, max_size=8),
    at=st.floats(1, 4096),
    sigma=st.floats(0.01, 2.0),
)
def test_intervals_are_never_wider_and_means_stay_among_what_was_seen(
    where: list[float], values: list[float], at: float, sigma: float
) -> None:
    """Whatever was known before, also where that was less than the noise."""
    shift, spread, _ = shifted(observed(load(*where), values[: len(where)]), load(at), sigma=sigma)
    assert spread[0] <= sigma * (1 + 1e-12)
    assert spread[0] >= min(sigma, NOISE) * (1 - 1e-12)
    assert np.isfinite(shift[0])
    if len(where) == 1:
        assert abs(shift[0]) <= abs(values[0]) * (1 + 1e-12)
        assert shift[0] * values[0] >= 0
