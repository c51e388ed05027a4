"""The risk of a pool: its closed forms by hand, its paths against them, its learning against a longhand count."""

from __future__ import annotations

import math

import numpy as np
import pytest

from solver.errors import InputError
from solver.spot import Market
from solver.spot.risk import (
    DOWN_SCALE_HOURS,
    PRIOR_ENDS,
    PRIOR_SHAPE,
    UP_SCALE_HOURS,
    Level,
    Paths,
    PoolRisk,
    Shape,
    ahead,
    seen,
    shortest,
)
from solver.spot.together import OTHER_REGION, SAME_REGION, down_together, expected, phi, region_of

KNOWN = Shape(1e7, 1e7 / 0.8)  # k = 0.8, and nothing left to learn


def _made_up(pools: int, ticks: int, shape: float, gap: float, seed: int) -> np.ndarray:
    """Spells of a shape, up and down, drawn tick by tick from the hazard."""
    rng = np.random.default_rng(seed)
    up, age, rows = np.ones(pools, dtype=bool), np.zeros(pools), []
    for _ in range(ticks):
        rows.append(up)
        scale = np.where(up, UP_SCALE_HOURS, DOWN_SCALE_HOURS)
        ends = rng.random(pools) < 1 - ((scale + age) / (scale + age + gap)) ** shape
        up, age = up ^ ends, np.where(ends, 0.0, age + gap)
    return np.stack(rows, axis=1)


def test_what_a_trace_teaches_is_what_one_counts_by_hand() -> None:
    """Up for two ticks of half an hour, down for one, up for one."""
    found = seen(np.array([[1, 1, 0, 1]]), 0.5)
    assert found.age_hours.tolist() == [[0.0, 0.5, 0.0, 0.0]]
    assert found.up_ends[0, -1] == 1
    assert found.down_ends[0, -1] == 1
    first = math.log((UP_SCALE_HOURS + 0.5) / UP_SCALE_HOURS)
    up = first + math.log((UP_SCALE_HOURS + 1.0) / (UP_SCALE_HOURS + 0.5)) / 2  # it ended half way
    down = math.log((DOWN_SCALE_HOURS + 0.5) / DOWN_SCALE_HOURS) / 2
    assert found.up_exposure[0] == pytest.approx([0, first, up, up])
    assert found.down_exposure[0, -1] == pytest.approx(down)
    risk = found.risk(0, 4)
    assert (risk.up, risk.age_hours, risk.hours) == (True, 0.0, 2.0)
    assert risk.ups.mean == pytest.approx((PRIOR_ENDS + 1) / (PRIOR_ENDS / PRIOR_SHAPE + up))
    assert found.loss_per_hour()[0, -1] == pytest.approx(risk.loss_per_hour())


def test_no_tick_sees_what_comes_after_it() -> None:
    """What is known after t ticks is the same whether the trace goes on or not."""
    up = _made_up(3, 400, 1.0, 0.1, seed=4)
    whole, part = seen(up, 0.1), seen(up[:, :150], 0.1)
    for ticks in (1, 77, 150):
        assert [whole.risk(z, ticks) for z in range(3)] == [part.risk(z, ticks) for z in range(3)]


def test_the_shape_is_found_again() -> None:
    """A made-up trace of shape 1.3: its 99 % interval holds it, the prior's mean is far outside."""
    found = seen(_made_up(1, 60_000, 1.3, 0.1, seed=1), 0.1).risk(0, 60_000)
    low, high = found.ups.interval(0.99)
    assert low < 1.3 < high
    assert low > PRIOR_SHAPE


def test_a_spell_lasts_as_its_closed_form_says() -> None:
    """At k = 0.8, after an hour: (1.6 / 3.6)^0.8 for two hours more; older spells last longer."""
    risk = PoolRisk(ups=KNOWN, downs=KNOWN, age_hours=1.0)
    scale = UP_SCALE_HOURS
    assert risk.lasts(2.0) == pytest.approx(((scale + 1) / (scale + 3)) ** 0.8, rel=1e-5)
    assert risk.loss_per_hour() == pytest.approx(0.8 / (scale + 1))
    assert risk.loss_per_hour(0.0) == pytest.approx(0.8 / scale)
    vague = PoolRisk(ups=Shape(2, 2.5), downs=KNOWN, age_hours=1.0)
    more = math.log((scale + 3) / (scale + 1))
    assert vague.lasts(2.0) == pytest.approx((2.5 / (2.5 + more)) ** 2)


def test_paths_agree_with_the_closed_form_and_with_ticks() -> None:
    """No loss as often as a spell outlasts the window; as many losses, as much time up as a simulation by ticks."""
    risk = PoolRisk(ups=KNOWN, downs=KNOWN)
    paths = risk.paths(6.0, paths=40_000, seed=3)
    assert (paths.losses == 0).mean() == pytest.approx(risk.lasts(6.0), abs=0.01)
    ticks = _made_up(20_000, 601, 0.8, 0.01, seed=5)
    losses = (ticks[:, :-1] & ~ticks[:, 1:]).sum(axis=1)
    assert paths.losses.mean() == pytest.approx(losses.mean(), rel=0.03)
    assert paths.share_up.mean() == pytest.approx(ticks.mean(), abs=0.01)


def test_intervals_hold_as_often_as_they_say_where_the_model_holds() -> None:
    """90 % intervals of pre-emptions in a day, after ten days of traces with shapes drawn from 0.5 to 2."""
    gap, before, window = 0.1, 2400, 240
    shapes = np.repeat([0.5, 1.0, 2.0], 60)
    up = np.concatenate([_made_up(60, before + window, k, gap, seed=i) for i, k in enumerate((0.5, 1.0, 2.0))])
    found = seen(up, gap)
    came = (up[:, before - 1 : -1] & ~up[:, before:]).sum(axis=1)
    said = [found.risk(z, before).preemptions(window * gap, seed=z) for z in range(len(shapes))]
    inside = np.mean([c.low <= n <= c.high for c, n in zip(said, came, strict=True)])
    assert 0.84 <= inside <= 0.97  # three sigma around what the shortest whole intervals hold


def test_the_shortest_interval() -> None:
    """Of whole numbers, with at least the probability; the first of several."""
    assert shortest(np.array([0.5, 0.3, 0.15, 0.05]), 0.9) == (0, 2)
    assert shortest(np.array([0.05, 0.5, 0.4, 0.05]), 0.9) == (1, 2)
    assert shortest(np.array([1.0]), 0.9) == (0, 0)
    paths = Paths(np.array([0] * 9 + [7]), np.array([1.0] * 9 + [0.0]))
    assert (paths.count().low, paths.count().high, paths.count().mean) == (0, 0, 0.7)
    assert paths.count(0.95).high == 7
    assert paths.share() == (0.9, 1.0, 1.0)


def test_levels_adapt_to_what_was_missed() -> None:
    """Ten misses in a hundred leave the level where it was; more widen the intervals, none narrow them."""
    level = Level()
    for i in range(100):
        level.saw(inside=i % 10 != 0)
    assert level.now == pytest.approx(0.9)
    level.saw(inside=False)
    assert level.now == pytest.approx(0.918)


def test_the_next_window_learns_from_those_before() -> None:
    """Six calm hours, six stormy ones, and so on: wider than the model alone says. A calm pool stays calm."""
    turns = np.tile(np.concatenate([np.ones(60, dtype=bool), np.tile([True, False], 30)]), 5)
    found = seen(turns, 0.1)
    said, plain = ahead(found, 0, 6.0), found.risk(0, 600).preemptions(6.0, seed=600)
    assert said.high - said.low > plain.high - plain.low
    assert said.low <= plain.low
    assert ahead(seen(np.ones(1200), 0.1), 0, 6.0).high == 0


def test_a_pool_without_data_is_its_prior() -> None:
    """Half the advisor's figure is half the hazard; nonsense is refused."""
    assert PoolRisk.prior_of(0.125).loss_per_hour() == pytest.approx(PoolRisk.prior_of().loss_per_hour() / 2)
    assert seen(np.array([[1]]), 0.5).risk(0, 0) == PoolRisk.prior_of()
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="interruptions_per_month"):
            PoolRisk.prior_of(wrong)
    for hours in (0.0, math.nan, 1e9):
        with pytest.raises(InputError, match="window"):
            PoolRisk.prior_of().paths(hours)


def test_zones_that_go_together() -> None:
    """Phi by hand; few spells say little, many say all."""
    assert (region_of("us-east-1a"), region_of("us-central1-a"), region_of("x1")) == ("us-east-1", "us-central1", "x1")
    assert expected("us-east-1a", "us-east-1b") == SAME_REGION
    assert expected("us-east-1a", "us-east-2a") == OTHER_REGION
    a, b = np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])
    assert phi(np.stack([a, b]))[0, 1] == pytest.approx(1 / math.sqrt(3))
    assert phi(np.stack([a, np.ones(4)]))[0, 1] == 0
    once = Market(name="m", zones=("us-east-1a", "us-east-2a"), gap_seconds=60, counts=np.stack([a, 1 - a]))
    often = Market(name="m", zones=once.zones, gap_seconds=60, counts=np.tile(once.counts, 4000))
    assert down_together(once)[0, 1] == pytest.approx((0.5 * -1 + 20 * OTHER_REGION) / 20.5)
    assert down_together(often)[0, 1] == pytest.approx(-1, abs=0.01)
