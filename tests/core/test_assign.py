"""Who is served where: as many units as can be, at the least cost, whatever the costs are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from solver.engine.assign import LARGEST_COST, assign


def test_a_unit_is_served_even_if_all_others_have_to_move() -> None:
    """The third source has one way only; the other two make room by their dearest ways."""
    pairs = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 2, 0]])
    cost = np.array([0, 1, 0, 1, 1]) * LARGEST_COST
    one = np.ones(3, dtype=np.int64)
    assert assign(one, one, pairs, cost).tolist() == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("seed", range(40))
def test_most_units_then_least_cost(seed: int) -> None:
    """Against two linear programs: the most that can be served, and the cheapest way to serve that many."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 7)), int(rng.integers(1, 7))
    pairs = np.argwhere(rng.random((n, m)) < 0.5).T
    if not pairs.shape[1]:
        pairs = np.zeros((2, 1), dtype=np.int64)
    demand, room = rng.integers(0, 30, n), rng.integers(0, 30, m)
    cost = rng.choice([0, 1, 1000, LARGEST_COST // 2, LARGEST_COST], pairs.shape[1])
    found = assign(demand, room, pairs, cost)
    rows = np.concatenate([pairs[0] == np.arange(n)[:, None], pairs[1] == np.arange(m)[:, None]]).astype(float)
    most = linprog(-np.ones(len(cost)), A_ub=rows, b_ub=np.concatenate([demand, room]))
    served = round(-most.fun)
    cheapest = linprog(
        cost, A_ub=rows, b_ub=np.concatenate([demand, room]), A_eq=np.ones((1, len(cost))), b_eq=[served]
    )
    assert found.sum() == served
    assert (rows @ found <= np.concatenate([demand, room])).all()
    assert int(found @ cost) == pytest.approx(cheapest.fun, rel=1e-9)
