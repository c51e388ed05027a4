"""What is forecast, where the future is known."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from solver.errors import InputError
from solver.forecast import Event, Growth, forecast

from .made import MONDAY, Array, history, noisy, week

DAYS = 35 * 24
QUICK = ("mean of 7", "trend")  # need no parameters


def test_seasonal_naive_by_hand() -> None:
    """Daily demand: a week ago; and with drift: 7 a week more, which is what the history gained."""
    past = np.array([10, 20, 30, 40, 50, 60, 70, 17, 27, 37, 47, 57, 67, 77, 24, 34, 44, 54, 64, 74, 84.0])
    plain = forecast(history(past, daily=True), 9, methods=("seasonal naive",))
    assert plain.centre[:, 0] == pytest.approx([24, 34, 44, 54, 64, 74, 84, 24, 34])
    drift = forecast(history(past, daily=True), 9, methods=("seasonal naive with drift",))
    assert drift.centre[:, 0] == pytest.approx([31, 41, 51, 61, 71, 81, 91, 38, 48])


@pytest.mark.parametrize("slope", [0.0, 0.02])
def test_noiseless_season_is_forecast_exactly(slope: float) -> None:
    """Day, week and line go on, and nothing is uncertain."""
    whole = week(DAYS + 400, slope=slope)
    found = forecast(history(whole[:DAYS]), 400)
    for line in (found.mean, found.lower, found.upper, found.paths[7]):
        assert line[:, 0] == pytest.approx(whole[DAYS:], rel=1e-9)
    assert found.coverage[0] > 0.98  # before the history could show it, a combination was taken


def test_levels_reach_the_future_as_they_are() -> None:
    """A level that jumped six weeks ago is the level; its mean before does not matter."""
    past = np.concatenate([np.full(200, 50.0), np.full(45, 80.0)])
    found = forecast(history(past, daily=True), 14)
    assert found.centre[:, 0] == pytest.approx(np.full(14, 80.0), rel=0.02)


@pytest.fixture(scope="module")
def past() -> Array:
    """Five weeks of two series."""
    return np.stack([noisy(DAYS, 1), noisy(DAYS, 2)], axis=1)


START = MONDAY + np.timedelta64(DAYS, "h")  # 2026-02-09


def test_events_move_by_exactly_what_is_stated(past: Array) -> None:
    """Units and factors, on a day, by a ramp, for a time: mean, interval and paths alike, and only that series."""
    events = (
        Event(day=date(2026, 2, 11), series="a", units=64),
        Event(day=date(2026, 2, 13), series="a", factor=0.5, ramp_days=2, until=date(2026, 2, 17)),
    )
    plain, moved = (forecast(history(past), 240, events=e, paths=20, methods=QUICK) for e in ((), events))
    days = (plain.times - START) / np.timedelta64(1, "D")
    units = np.where(days >= 2, 64.0, 0.0)
    factor = np.where((days >= 4) & (days < 8), 1 - 0.5 * np.clip((days - 4) / 2, 0, 1), 1.0)
    for name in ("mean", "lower", "upper", "paths"):
        before, after = getattr(plain, name), getattr(moved, name)
        assert after[..., 0] == pytest.approx((before[..., 0] + units) * factor, rel=1e-9)
        assert np.array_equal(after[..., 1], before[..., 1])


def test_a_drop_takes_no_more_than_there_is(past: Array) -> None:
    """Demand is never negative."""
    found = forecast(history(past), 48, methods=QUICK, events=[Event(day=date(2026, 2, 10), units=-1000)])
    assert found.lower[:24].min() > 0
    assert not found.upper[24:].any()


def test_a_past_launch_is_no_trend() -> None:
    """Told of it, the forecast stays at the level; what of its ramp is to come is added."""
    days = np.arange(90)
    share = np.clip((days - 80) / 20, 0, 1)
    demand = 100 + 60 * share
    launch = Event(day=date(2026, 1, 5 + 0) + (date(2026, 3, 26) - date(2026, 1, 5)), units=60, ramp_days=20)
    found = forecast(history(demand, daily=True), 30, events=[launch])
    expected = 100 + 60 * np.clip((np.arange(90, 120) - 80) / 20, 0, 1)
    assert found.mean[:, 0] == pytest.approx(expected, rel=1e-9)


def test_growth_replaces_the_trend_or_blends(past: Array) -> None:
    """×1 against ×1.5: exactly 1.5 at the day and after, its square root half way; by half, its root again."""
    day = date(2026, 2, 14)  # five days on: 120 hours
    one, more, half = (
        forecast(history(past), 240, growth=Growth(factor=f, by=day, weight=w), paths=10, methods=QUICK)
        for f, w in ((1.0, 1.0), (1.5, 1.0), (1.5, 0.5))
    )
    base = forecast(history(past), 240, growth=Growth(factor=1.0, by=day, weight=0.5), paths=10, methods=QUICK)
    for name in ("mean", "upper", "paths"):
        ratio = getattr(more, name) / getattr(one, name)
        assert ratio[..., 120:, :] == pytest.approx(1.5, rel=1e-9)
        assert ratio[..., 59, :] == pytest.approx(1.5**0.5, rel=1e-2)
        ratio = getattr(half, name) / getattr(base, name)
        assert ratio[..., 120:, :] == pytest.approx(1.5**0.5, rel=1e-9)


def test_growth_is_of_the_level_now() -> None:
    """A history that grows by a fifth in a year is held at its level by ×1."""
    demand = 100 * 1.2 ** (np.arange(400) / 365)
    held = forecast(history(demand, daily=True), 200, growth=Growth(factor=1.0, by=date(2027, 6, 1)))
    assert held.centre[:, 0] == pytest.approx(np.full(200, demand[-1]), rel=0.02)


def test_holidays_are_lower_when_they_were() -> None:
    """A third less on holidays of the past is a third less on the next one, and other days stay."""
    demand = np.full(700, 90.0)
    days = MONDAY.astype("datetime64[D]") + np.arange(730)
    names = {date(y, m, d): f"{m}-{d}" for y in (2026, 2027) for m, d in ((1, 1), (7, 3), (7, 4), (12, 25))}
    closed = np.isin(days, np.array(list(names), dtype="datetime64[D]"))
    demand[closed[:700]] = 60.0
    found = forecast(history(demand, daily=True), 30, holidays=names)
    assert closed[700:].any()
    assert found.centre[closed[700:], 0] == pytest.approx(60, rel=0.05)
    assert found.centre[~closed[700:], 0] == pytest.approx(90, rel=0.02)
    plain = forecast(history(demand, daily=True), 30)
    assert plain.centre[closed[700:], 0].min() > 80


def test_weeks_follow_the_zone() -> None:
    """Demand by the clock of Berlin: after the change to summer time the peak comes an hour earlier in UTC."""
    import pandas as pd

    times = pd.date_range("2026-02-16", periods=24 * 56, freq="h", tz="UTC")
    clock = times.tz_convert("Europe/Berlin").hour.to_numpy()
    demand = np.where(clock == 9, 200.0, 100.0)
    shift = np.timedelta64(42, "D")
    past = history(demand[: 24 * 35], zone="Europe/Berlin")
    object.__setattr__(past, "times", past.times + shift)
    found = forecast(past, 24 * 14, methods=("mean of 7",))
    assert found.centre[:, 0] == pytest.approx(demand[24 * 35 : 24 * 49], rel=0.01)


def test_nothing_and_little() -> None:
    """A series without demand has none; one that began ten days ago says that little is known."""
    values = np.zeros((40, 2))
    values[28:, 1] = [5, 6, 5, 4, 6, 5, 5, 7, 5, 6, 4, 5]
    found = forecast(history(values, daily=True), 30)
    assert not found.upper[:, 0].any()
    assert any("never had demand" in note for note in found.notes)
    assert any(note.startswith("b:") for note in found.notes)
    assert found.upper[-1, 1] - found.lower[-1, 1] >= found.upper[0, 1] - found.lower[0, 1] > 0


def test_demand_that_comes_and_goes() -> None:
    """Mostly nothing, at times 16: the mean is the share of it, the median none, the interval reaches the 16."""
    rng = np.random.default_rng(3)
    demand = np.where(rng.random(24 * 60) < 0.2, 16.0, 0.0)
    found = forecast(history(demand), 24 * 14)
    assert found.mean.mean() == pytest.approx(demand.mean(), rel=0.1)
    assert not found.lower.any()
    assert found.quantiles(0.5).max() < 4
    assert found.upper == pytest.approx(np.full(found.upper.shape, 16.0), rel=0.25)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 30_000}, "horizon of 30,000 hours"),
        ({"level": 0.3}, "interval at 0.3"),
        ({"paths": 0}, "0 paths"),
        ({"methods": ("magic",)}, "unknown method 'magic'"),
        ({"holidays": "Atlantis"}, "holidays of 'Atlantis'"),
        ({"events": [Event(day=date(2026, 3, 1), series="z", units=1)]}, "no series 'z'"),
        ({"growth": Growth(factor=2, by=date(2026, 1, 6))}, "is over"),
        ({"growth": [Growth(factor=2, by=date(2027, 1, 6))] * 2}, "two targets"),
    ],
)
def test_bad_arguments_are_named(more: dict[str, object], said: str) -> None:
    """Each with what is wrong."""
    with pytest.raises(InputError, match=said):
        forecast(history(week(200)), **{"horizon": 24, **more})  # type: ignore[arg-type]


def test_too_short() -> None:
    """Nine days are no history."""
    with pytest.raises(InputError, match="9 steps"):
        forecast(history(np.arange(1, 10.0), daily=True), 3)
