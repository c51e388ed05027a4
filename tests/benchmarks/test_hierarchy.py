"""Ridge over groups of groups: against closed forms, a second likelihood, finite differences and simulated groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.calibration.hierarchy import (
    Ridge,
    Variances,
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
