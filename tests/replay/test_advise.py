"""Advice: by hand where it is clear, always in time, and pure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.replay.advise import Pool, Situation, advise


def _pool(name: str = "a", *, up: bool = True, hours: float = 5.0, usd: float = 0.9) -> Pool:
    return Pool(name=name, up=up, hours_as_is=hours, spot_usd_per_hour=usd)


def _now(**given: object) -> Situation:
    known = {"work_hours": 10.0, "hours_left": 20.0, "restart_hours": 0.2, "on_demand_usd_per_hour": 3.0}
    return Situation(**{**known, "pools": [_pool()], **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "action", "on"),
    [
        ({}, "launch", "a"),
        ({"on": "a"}, "stay", "a"),
        ({"on": "on demand", "pools": [_pool(hours=30)]}, "move", "a"),
        ({"pools": [_pool(up=False)]}, "wait", ""),
        ({"pools": [_pool(up=False)], "hours_left": 10.25}, "launch", "on demand"),
        ({"pools": [_pool(up=False)], "hours_left": 10.0, "on": "on demand"}, "stay", "on demand"),
        ({"on": "a", "pools": [_pool(up=False), _pool("b", hours=40)]}, "launch", "b"),
        ({"pools": [_pool(usd=2.99)], "hours_left": 10.25}, "launch", "on demand"),
        ({"work_hours": 0.0, "on": "a"}, "stop", ""),
        ({"work_hours": 0.0}, "done", ""),
        ({"pools": []}, "launch", "on demand"),
        ({"on": "a", "pools": [_pool(usd=6.0)]}, "move", "on demand"),
        ({"pools": [_pool(usd=6.0)]}, "launch", "on demand"),
        ({"on": "a", "work_hours": 1.0, "hours_left": 1.15}, "stay", "a"),
        ({"work_hours": 11.7, "hours_left": 12.0, "review_hours": 13.0}, "launch", "on demand"),
    ],
)
def test_clear_cases(given: dict[str, object], action: str, on: str) -> None:
    """What anybody would do."""
    found = advise(_now(**given))
    assert (found.action, found.on) == (action, on)


def test_it_says_why() -> None:
    """The odds of spot: ((0.6 + 5) ÷ (0.6 + 6))^1.1 = 83 %; slack of 10 h less a start."""
    found = advise(_now())
    assert "70 % below on demand" in found.why
    assert "83%" in found.why
    assert found.on_demand_by_hours == pytest.approx(9.8)
    assert [option.on for option in found.options] == ["a", "", "on demand"]
    assert found == advise(_now())
    assert "a was lost" in advise(_now(on="a", pools=[_pool(up=False)])).why


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hours_left": 10.1}, "cannot be met"),
        ({"hours_left": 9.9, "on": "on demand"}, "cannot be met"),
        ({"on": "c"}, "no pool"),
        ({"pools": [_pool(), _pool()]}, "one name"),
        ({"work_hours": float("nan")}, "work_hours"),
        ({"another_up": 2.0}, "another_up"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], said: str) -> None:
    """Typed, and named."""
    with pytest.raises(InputError, match=said):
        advise(_now(**given))


@pytest.mark.parametrize("work", [10.0, 1000.0])
def test_costs_are_real_where_there_is_little_slack(work: float) -> None:
    """Between 0.3 and 1 of on demand, whatever the grid."""
    found = advise(_now(work_hours=work, hours_left=work * 1.02, restart_hours=0.05))
    finite = [option.expected_usd for option in found.options if math.isfinite(option.expected_usd)]
    assert finite
    assert all(0.3 * 3 * work <= usd <= 3 * (work + 1) for usd in finite)


@given(st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_who_follows_it_is_in_time(seed: int) -> None:
    """Any market, a review each 0.25 h: the work is done by the deadline."""
    draw = np.random.default_rng(seed)
    work, restart, review = float(draw.uniform(1, 4)), float(draw.choice([0.05, 0.3])), 0.25
    left, on, boot, age, up = (work + restart) * float(draw.uniform(1.0, 1.5)), "", 0.0, 0.0, bool(draw.integers(2))
    while work > 1e-9:
        flip = draw.random() < 0.3
        up, age = (not up, 0.0) if flip else (up, age + review)
        found = advise(
            Situation(work_hours=work, hours_left=left, restart_hours=restart, on_demand_usd_per_hour=3.0,
                      pools=[_pool(up=up, hours=age)], on=on, boot_hours=boot, review_hours=review)
        )  # fmt: skip
        boot = 0.0 if not found.on else boot if found.action == "stay" else restart
        run = min(review, boot + work) if found.on else 0.0
        boot, work, on = max(0.0, boot - run), work - max(0.0, run - boot), found.on
        left -= run if work <= 1e-9 else review
        assert math.isfinite(left)
    assert left >= -1e-9
