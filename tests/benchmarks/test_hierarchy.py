"""Ridge over groups of groups: against closed forms, a second likelihood, finite differences and simulated groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.calibration.hierarchy import (
    PRIOR_SPREAD,
    Ridge,
    Variances,
    _cost,
    _packed,
    estimate,
    ridge,
    solve,
    weights_of,
)

WANTED = {"model": ("all", "slope"), "machine": ("all",)}


def drawn(seed: int, rows: int, models: int, machines: int) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """(groups of rows, basis functions)."""
    draw = np.random.default_rng(seed)
    groups = {
        "model": [f"m{i}" for i in draw.integers(0, models, rows)],
        "machine": [f"a{i}" for i in draw.integers(0, machines, rows)],
    }
    return groups, {"all": np.ones(rows), "slope": draw.normal(size=rows)}


def deviations(made: Ridge, v: Variances) -> Any:
    """Standard deviation of each coefficient before any row [P], by its name."""
    slope = {"all": 0.0, "slope": v.slope}
    return np.exp([v.levels[level] + slope[function] for level, _, function in made.names])


def test_columns() -> None:
    """A coefficient for each level, group and function, in the rows of its group only."""
    groups = {"model": ["b", "a", "b"], "machine": ["x", "x", "x"]}
    made = ridge(groups, {"all": np.ones(3), "slope": np.array([2.0, 3.0, 5.0])}, WANTED)
    assert made.names == (
        ("model", "a", "all"), ("model", "a", "slope"), ("model", "b", "all"), ("model", "b", "slope"),
        ("machine", "x", "all"),
    )  # fmt: skip
    assert made.families == (("model", "all"), ("model", "slope"), ("machine", "all"))
    assert made.owner.tolist() == [0, 1, 0, 1, 2]
    assert made.design.toarray().tolist() == [[0, 0, 1, 2, 1], [1, 3, 0, 0, 1], [0, 0, 1, 5, 1]]


def test_one_group_is_shrunk_by_hand() -> None:
    """A share n τ² ÷ (n τ² + s²) of its mean: 4 rows, τ = 0.5, s = 1: half of it."""
    made = ridge({"model": ["a"] * 4}, {"all": np.ones(4)}, {"model": ("all",)})
    v = Variances(levels={"model": math.log(0.5)}, slope=0.0, noise=0.0)
    found, fitted = solve(made, np.array([1.0, 2.0, 3.0, 6.0]), np.ones(4), v)
    assert found == pytest.approx([0.5 * 3.0])
    assert fitted == pytest.approx([1.5] * 4)
    weighted, _ = solve(made, np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 1.0, 1.0, 0.0]), v)
    assert weighted == pytest.approx([3 * 0.25 / (3 * 0.25 + 1) * 2.0])  # a row of no weight is no row


def test_ridge_is_the_closed_form() -> None:
    """(XᵀWX ÷ s² + T⁻²)⁻¹ XᵀW y ÷ s², with crossed levels, slopes and weights."""
    groups, basis = drawn(0, 40, 5, 3)
    made = ridge(groups, basis, WANTED)
    draw = np.random.default_rng(1)
    y, weight = draw.normal(size=40), draw.uniform(0.2, 2.0, 40)
    v = Variances(levels={"model": -1.0, "machine": -0.3}, slope=-0.7, noise=-1.2)
    x, noise = made.design.toarray(), math.exp(-1.2)
    left = x.T @ (weight[:, None] * x) / noise**2 + np.diag(deviations(made, v) ** -2.0)
    right = np.linalg.solve(left, x.T @ (weight * y) / noise**2)
    found, fitted = solve(made, y, weight, v)
    assert found == pytest.approx(right)
    assert fitted == pytest.approx(x @ right)


def test_levels_are_found_by_name() -> None:
    """In whatever order their variances are given."""
    groups, basis = drawn(0, 40, 5, 3)
    made, y, weight = ridge(groups, basis, WANTED), basis["slope"] * 2 + 1, np.ones(40)
    one = Variances(levels={"model": -1.0, "machine": -3.0}, slope=-0.5, noise=-1.0)
    other = Variances(levels={"unused": 9.0, "machine": -3.0, "model": -1.0}, slope=-0.5, noise=-1.0)
    assert solve(made, y, weight, other)[0] == pytest.approx(solve(made, y, weight, one)[0])
    found, same = (estimate(made, y, weight, v, 5) for v in (one, other))
    assert found.levels == pytest.approx(same.levels)
    assert set(same.levels) == {"model", "machine"}


def likelihood(v: Any, made: Ridge, y: Any, weight: Any, begin: Any) -> float:
    """Negative log density of y under N(0, X T² Xᵀ + s² W⁻¹) and of v, without the constants."""
    named = Variances(levels={"model": v[0], "machine": v[1]}, slope=v[2], noise=v[3])
    x = made.design.toarray()
    covariance = x @ np.diag(deviations(made, named) ** 2) @ x.T + np.diag(np.exp(2 * v[3]) / weight)
    fit = y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(covariance)[1]
    return float(0.5 * fit + 0.5 * (((v - begin) / PRIOR_SPREAD) ** 2).sum())


def test_marginal_likelihood_and_its_gradient() -> None:
    """As the density of the rows themselves says; the gradient as finite differences say."""
    groups, basis = drawn(2, 50, 6, 4)
    made = ridge(groups, basis, WANTED)
    draw = np.random.default_rng(3)
    y, weight = draw.normal(size=50), draw.uniform(0.2, 2.0, 50)
    begin = np.array([-1.0, -0.5, -0.3, -0.8])
    for v in (begin, begin + np.array([0.4, -0.6, 0.3, 0.2]), begin - 1.0):
        cost, gradient = _cost(v, made, y, weight, begin)
        assert cost == pytest.approx(likelihood(v, made, y, weight, begin), rel=1e-9)
        for j in range(4):
            step = np.zeros(4)
            step[j] = 1e-5
            above, below = (likelihood(v + sign * step, made, y, weight, begin) for sign in (1, -1))
            assert gradient[j] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-5)


def test_estimate_is_a_maximum() -> None:
    """No neighbour of what is found is likelier, and it is likelier than the start."""
    groups, basis = drawn(4, 200, 12, 9)
    made = ridge(groups, basis, WANTED)
    y, weight = np.random.default_rng(5).normal(size=200), np.ones(200)
    start = Variances(levels={"model": -2.0, "machine": -1.0}, slope=-0.5, noise=-1.0)
    begin = _packed(made, start)
    v = _packed(made, estimate(made, y, weight, start, 200))
    best = likelihood(v, made, y, weight, begin)
    assert best < likelihood(begin, made, y, weight, begin)
    for j in range(4):
        for step in (-0.05, 0.05):
            assert likelihood(v + step * np.eye(4)[j], made, y, weight, begin) > best


def test_variances_are_recovered() -> None:
    """80 models (σ 0.3, slopes half of it), 60 machines (σ 0.1), 4,000 rows of noise 0.05: within 20 %."""
    groups, basis = drawn(6, 4000, 80, 60)
    made = ridge(groups, basis, WANTED)
    draw = np.random.default_rng(7)
    truth = Variances(
        levels={"model": math.log(0.3), "machine": math.log(0.1)}, slope=math.log(0.5), noise=math.log(0.05)
    )
    given = deviations(made, truth) * draw.standard_normal(len(made.names))
    y = made.design @ given + 0.05 * draw.standard_normal(4000)
    start = Variances(levels={"model": math.log(0.1), "machine": math.log(0.1)}, slope=0.0, noise=math.log(0.1))
    found = estimate(made, y, np.ones(4000), start, 100)
    assert math.exp(found.noise) == pytest.approx(0.05, rel=0.05)
    assert {k: math.exp(u) for k, u in found.levels.items()} == pytest.approx({"model": 0.3, "machine": 0.1}, rel=0.2)
    assert math.exp(found.slope) == pytest.approx(0.5, rel=0.2)
    assert np.corrcoef(solve(made, y, np.ones(4000), found)[0], given)[0, 1] > 0.99


def test_weights_of_rows() -> None:
    """(4 + 1) ÷ (4 + (r/s)²): 5/4 at none, 1 at s, 5/104 at 10 s, alike on both sides."""
    found = weights_of(np.array([0.0, 0.1, 1.0, -1.0]), 0.1)
    assert found == pytest.approx([1.25, 1.0, 5 / 104, 5 / 104])


def test_an_outlier_counts_less() -> None:
    """Nine rows near 1 and one at 11: reweighted, the group is within 0.1 of 1; plainly it is at 2."""
    y = np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.1, 0.9, 11.0])
    made = ridge({"model": ["a"] * 10}, {"all": np.ones(10)}, {"model": ("all",)})
    v = Variances(levels={"model": math.log(10.0)}, slope=0.0, noise=math.log(0.1))
    weight = np.ones(10)
    plain = solve(made, y, weight, v)[0][0]
    assert plain == pytest.approx(2.0, rel=0.01)
    for _ in range(60):
        weight = weights_of(y - solve(made, y, weight, v)[1], 0.1)
    found = solve(made, y, weight, v)[0]
    assert found[0] == pytest.approx(1.0, abs=0.1)
    assert weight[-1] < 0.001 * weight[0]
