"""The Markov decision process: values known in closed form, and a simulation of the same process."""

from __future__ import annotations

import math

import numpy as np
import pytest

from solver.replay.jobs import IDLE, ON_DEMAND, SPOT
from solver.replay.values import AGES_HOURS, Grid, K, Process, age_class, columns, expected_hours, moves, table
from solver.replay.watch import _fading

NEVER_LOST = Process(loss_shape=1e-9, return_shape=1e-9, another_up=0.0, restart_hours=0.5, spot_price=0.3)


def test_without_losses_spot_costs_its_price() -> None:
    """(10 + 0.5) × 0.3 from idle, 10 × 0.3 when on it; on demand 10.5 where spot is worth nothing."""
    idle, on_demand, spot = expected_hours(NEVER_LOST, 20, 10, IDLE, 3)
    assert spot == pytest.approx(3.15, abs=0.02)
    assert idle == pytest.approx(3.15, abs=0.02)  # it starts a step later
    assert on_demand > spot
    assert expected_hours(NEVER_LOST, 20, 10, SPOT, 3)[2] == pytest.approx(3.0, abs=0.02)


def test_where_spot_never_comes_back_all_is_on_demand() -> None:
    """From idle 10.5; on demand already 10; spot is barred where it is down."""
    idle, on_demand, spot = expected_hours(NEVER_LOST, 20, 10, IDLE, K + 3)
    assert [idle, on_demand] == pytest.approx([10.5, 10.5], abs=1e-3)
    assert math.isinf(spot)
    assert expected_hours(NEVER_LOST, 20, 10, ON_DEMAND, K + 3)[1] == pytest.approx(10.0, abs=1e-3)


def test_with_no_slack_waiting_is_barred() -> None:
    """Half an hour of slack is what the start takes."""
    idle, on_demand, _ = expected_hours(NEVER_LOST, 10.5, 0.5, IDLE, 3)
    assert math.isinf(idle)
    assert on_demand == pytest.approx(10.5, abs=0.01)


def test_steps_are_probabilities() -> None:
    """Rows add up to 1; what is kept and lost is all that may follow an up state."""
    p = Process(loss_shape=1.3, return_shape=0.8, another_up=0.4, restart_hours=0.1, spot_price=0.3)
    m = moves(p, 0.25)
    np.testing.assert_allclose(m.every.sum(axis=1), 1)
    np.testing.assert_allclose(m.kept.sum(axis=1) + m.lost.sum(axis=1), 1)
    np.testing.assert_allclose(m.lost.sum(axis=1), m.loss)
    assert (np.diff(m.loss) < 0).all()  # what has lasted lasts


def test_the_value_is_what_the_decisions_cost_on_average() -> None:
    """The process itself, simulated in its own steps under the decisions of the table."""
    p = Process(loss_shape=1.0, return_shape=1.0, another_up=0.0, restart_hours=0.25, spot_price=0.3)
    grid = Grid(step_hours=0.25, times=50, slacks=26)
    decided, where, m = table(p, grid), columns(), moves(p, 0.25)
    draw, costs, follow = np.random.default_rng(0), [], np.cumsum(m.every, axis=1)
    for _ in range(1500):
        steps, slack, mode, x, cost = 48, 24, IDLE, K, 0.0
        while steps - slack > 0:
            row = decided[min(max(1, round(steps / 2)), len(decided) - 1), slack, where[mode, x]]
            chosen = int(row.argmin())
            takes = (chosen not in (IDLE, mode)) + (chosen == IDLE)  # a start takes a step, and so does waiting
            if chosen != ON_DEMAND and slack - takes < 1:  # a start on demand would be too late
                chosen = ON_DEMAND
                takes = int(mode != ON_DEMAND)
            slack -= takes
            cost += 0.25 * {IDLE: 0.0, ON_DEMAND: 1.0, SPOT: 0.3}[chosen]
            after = int(np.searchsorted(follow[x], draw.random()))
            lost = chosen == SPOT and after >= K
            mode, x, steps = (IDLE if lost else chosen), after, steps - 1
        costs.append(cost)
    expected = min(expected_hours(p, 12.0, 6.0, IDLE, K))
    assert np.mean(costs) == pytest.approx(expected, rel=0.05)


def test_ages_fall_into_their_classes() -> None:
    """A class begins with its first age."""
    assert age_class(AGES_HOURS).tolist() == list(range(K))
    assert age_class(np.array([0.2, 31.9, 500.0])).tolist() == [0, K - 2, K - 1]


def test_what_fades_is_summed_in_stretches() -> None:
    """Against the recurrence, over more halvings than a stretch holds."""
    draw = np.random.default_rng(0)
    events = draw.random((2, 900)) < 0.1
    keep, y = 0.6, np.zeros((2, 901))
    for t in range(900):
        y[:, t + 1] = events[:, t] + keep * y[:, t]
    np.testing.assert_allclose(_fading(events, keep), y, rtol=1e-9, atol=1e-9)
