"""What is left of spot as work: by hand, against a Monte Carlo, against the best interval found by looking."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from solver.errors import InputError
from solver.spot.effective import Gang, daly_hours, replicas_ready, share_out, young_hours


def _gang(mean_hours: float, checkpoint: float = 0.1, restart: float = 0.25, nodes: int = 4) -> Gang:
    rate = 1 / mean_hours / nodes
    return Gang(nodes=nodes, failures_per_node_hour=rate, checkpoint_hours=checkpoint, restart_hours=restart)


def test_intervals_by_hand() -> None:
    """Checkpoints of 0.02 h, failures every 100 h: Young 2 h; Daly 2 (1 + 0.01 / 3 + 0.0001 / 9) - 0.02."""
    assert young_hours(0.02, 100.0) == pytest.approx(2.0)
    assert daly_hours(0.02, 100.0) == pytest.approx(2 * (1 + 0.01 / 3 + 0.0001 / 9) - 0.02)
    assert daly_hours(5.0, 2.0) == 2.0
    assert _gang(100.0, checkpoint=0.02).best_interval_hours() == pytest.approx(daly_hours(0.02, 100.0))


@pytest.mark.parametrize(("mean", "interval"), [(2.0, 0.5), (10.0, 1.0), (1.0, 1.0)])
def test_the_complete_model_is_what_a_simulation_gives(mean: float, interval: float) -> None:
    """Hours to finish 3 intervals, failures drawn for each attempt and each restart: within 5 standard errors."""
    rng, gang = np.random.default_rng(4), _gang(mean)
    runs = np.zeros(20_000)
    for segment in range(3):
        todo = np.ones(len(runs), dtype=bool)
        while todo.any():
            fails = rng.exponential(mean, todo.sum())
            length = interval + 0.1
            runs[todo] += np.minimum(fails, length)
            broken = np.flatnonzero(todo)[fails < length]
            todo[:] = False
            todo[broken] = True
            starting = broken
            while len(starting):  # restarts may fail too
                fails = rng.exponential(mean, len(starting))
                runs[starting] += np.minimum(fails, 0.25)
                starting = starting[fails < 0.25]
        assert segment < 3
    error = runs.std() / math.sqrt(len(runs))
    assert gang.hours_to_finish(3 * interval, interval) == pytest.approx(runs.mean(), abs=5 * error)


def test_dalys_interval_is_nearly_the_best() -> None:
    """Within 0.1 % of the best share that any interval has, and better than Young's where failures are frequent."""
    for mean in (1.0, 5.0, 50.0, 500.0):
        gang = _gang(mean)
        best = -minimize_scalar(lambda t, g=gang: -float(g.useful_share(t)), bounds=(1e-3, 200.0), method="bounded").fun
        ours = float(gang.useful_share(gang.best_interval_hours()))
        assert best * 0.999 <= ours <= best + 1e-9
        assert ours >= float(gang.useful_share(young_hours(0.1, mean))) - 1e-9


def test_limits_and_money() -> None:
    """No failures: only checkpoints cost. Too many: nothing is ever done. An hour of work costs all nodes."""
    calm = Gang(nodes=8, failures_per_node_hour=0.0, checkpoint_hours=0.1, restart_hours=0.2)
    assert calm.useful_share(0.9) == pytest.approx(0.9, rel=1e-3)
    assert calm.usd_per_useful_hour(2.0, 0.9) == pytest.approx(16 / 0.9, rel=1e-3)
    assert _gang(1e-4).useful_share(1.0) == pytest.approx(0.0, abs=1e-100)


def test_the_linear_share_is_right_for_gangs_of_usual_size() -> None:
    """1 - (interval / 2 + restart) / M, as plans count, is within 0.005 of the complete model down to M = 4 h."""
    for mean, within in ((46.0, 0.0001), (10.0, 0.001), (4.0, 0.005)):
        share = float(_gang(mean, checkpoint=0.0, restart=1 / 6).useful_share(0.5))
        assert share == pytest.approx(1 - (0.25 + 1 / 6) / mean, abs=within)


def test_replicas_to_hold_ready() -> None:
    """By hand: two of which one serves; enumeration of more; shocks that no number makes up for."""
    assert share_out(0.5, 3.0, 2.0) == pytest.approx((0.5 / 60) / (1 + 0.5 / 60))
    assert share_out(0.5, 1.0, 2.0) == 0
    assert replicas_ready(1, 0.1, 0.9) == 1
    assert replicas_ready(1, 0.1, 0.95) == 2  # 1 - 0.01
    assert replicas_ready(0, 0.1, 0.95) == 0
    for need, out, level in ((4, 0.05, 0.999), (9, 0.3, 0.99), (50, 0.01, 0.9999)):
        count = replicas_ready(need, out, level)
        chance = [
            sum(math.comb(n, k) * (1 - out) ** k * out ** (n - k) for k in range(need, n + 1))
            for n in (count - 1, count)
        ]
        assert chance[0] < level <= chance[1]
    assert replicas_ready(4, 0.05, 0.99, together=0.19) == 7  # 1 % / 0.9905 is left for chance, against 6 without
    assert replicas_ready(4, 0.05, 0.99) == 6
    with pytest.raises(InputError, match=r"missing for 1\.00%"):
        replicas_ready(4, 0.05, 0.999, together=0.2)
    with pytest.raises(InputError, match="level"):
        replicas_ready(4, 0.05, 1.0)
