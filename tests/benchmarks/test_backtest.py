"""The backtest of commitments, and the benchmark of their exactness and size."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import backtest, commitments
from benchmarks import backtest_policies as ways
from benchmarks.backtest_policies import Console, Forecast, Hindsight, Known, OnDemand, Online, Planner, Track
from solver.reserve import Usage

Array = np.ndarray[Any, np.dtype[Any]]


def track(demand: Any, *, first: int = 0, term: int = 10, month: int = 1) -> Track:
    """Demand of one series, or [T, N]."""
    nodes = np.asarray(demand, dtype=np.int64)
    nodes = nodes[:, None] if nodes.ndim == 1 else nodes
    return Track(name="t", group="g", demand=nodes, first=first, term=term, month=month)


def drawn(seed: int, hours: int = 24, **fields: int) -> Track:
    """Levels that hold for some hours and change."""
    rng = np.random.default_rng(seed)
    return track(np.repeat(rng.integers(0, 5, hours), rng.integers(1, 6, hours))[:hours], **fields)


def test_what_is_paid_by_hand() -> None:
    """Two bought at hour 1 for three hours of which the window has two; what they leave is paid on demand."""
    bought = np.array([[0], [0], [0], [2]])
    assert ways.in_force(np.array([[1], [0], [2], [0]]), 2).T.tolist() == [[1, 1, 2, 2]]
    # hours 1 to 3: 3 on demand, 1 on demand, then two held of which one is used
    assert ways.cost_micro_usd(track([9, 3, 1, 1], first=1, term=3), bought) == 4_000_000 + 2 * 630_000
    # one at hour 0 ends before the window does: held in hour 1 only
    early = np.array([[1], [0], [0], [0]])
    assert ways.cost_micro_usd(track([9, 3, 1, 1], first=1, term=2), early) == (2 + 1 + 1) * 1_000_000 + 630_000


def test_the_price_is_that_of_the_catalogue() -> None:
    """AWS, one year without upfront payment, over on demand: the median of all offers."""
    from costdata import load

    offers = load().to_frame().query("provider == 'aws'").set_index(["region", "node"])
    on_demand = offers[offers["kind"] == "on_demand"]["micro_usd_per_hour"]
    year = offers[offers["option"] == "commit_1y"]["micro_usd_per_hour"]
    assert (year / on_demand).dropna().median() == pytest.approx(ways.COMMITTED / ways.ON_DEMAND, abs=0.005)


def test_the_console_takes_last_month_as_it_was() -> None:
    """Of ten hours seven need 4 and three 9: four pay (0.7 > 0.63), five of them more do not; nothing twice."""
    month = [4, 4, 9, 4, 9, 4, 4, 9, 4, 4]
    one = track([0] * 10 + month + month, first=20, term=15, month=5)
    bought = Console().bought(dataclasses.replace(one, month=10))
    assert bought[20].tolist() == [4]
    assert Console().bought(dataclasses.replace(one, month=10, first=10))[[10, 20]].T.tolist() == [[0, 4]]
    again = Console().bought(track(month * 4, first=10, term=15, month=10))
    assert again[[10, 20, 30]].T.tolist() == [[4, 0, 4]]  # the first lasts until hour 25


def test_the_online_rule_waits_for_break_even() -> None:
    """A fee is worth 6.3 hours on demand of ten: bought in the seventh hour, for ten; again after seven more."""
    bought = Online().bought(track([1] * 40))
    assert np.flatnonzero(bought[:, 0]).tolist() == [6, 22, 38]
    assert np.flatnonzero(Online(0.0).bought(track([0, 0, 1, 1, 0]))[:, 0]).tolist() == [2]
    # what history needed is counted, and not again: two at once, from its end on
    assert Online().bought(track([2] * 13, first=8))[:, 0].tolist() == [0] * 8 + [2] + [0] * 4


@pytest.mark.parametrize("seed", range(8))
def test_the_online_rules_keep_their_promise(seed: int) -> None:
    """At most twice what is best when all is known and every hour may be bought in; e ÷ (e − 1) in the mean."""
    one = drawn(seed, hours=40)
    best = ways.cost_micro_usd(one, Hindsight().bought(one))
    assert best <= ways.cost_micro_usd(one, Online().bought(one)) <= 2 * best
    draws = [ways.cost_micro_usd(one, Online(float(z)).bought(one)) for z in ways.thresholds(400, seed=1)]
    assert np.mean(draws) <= 1.02 * math.e / (math.e - 1) * best


@pytest.mark.parametrize("hours", range(1, 20))
def test_demand_that_ends_at_the_worst_moment(hours: int) -> None:
    """One node for so many hours, then none: still at most twice what is best."""
    one = track([1] * hours + [0] * (40 - hours))
    assert ways.cost_micro_usd(one, Online().bought(one)) <= 2 * ways.cost_micro_usd(one, Hindsight().bought(one))


def test_thresholds_are_drawn_as_the_paper_says() -> None:
    """Density e^z / (e − 1) on [0, 1): its mean is 1 / (e − 1)."""
    z = ways.thresholds(40_000, seed=0)
    assert 0 <= z.min() < z.max() < 1
    assert z.mean() == pytest.approx(1 / (math.e - 1), abs=0.005)
    assert (z < 0.5).mean() == pytest.approx((math.e**0.5 - 1) / (math.e - 1), abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_hindsight_is_the_best_of_all_purchases(seed: int) -> None:
    """Every quantity at every decision tried."""
    one = drawn(seed, hours=12, first=2, term=5, month=3)
    tried = []
    for way in itertools.product(range(5), repeat=len(one.decisions)):
        bought = np.zeros_like(one.demand)
        bought[one.decisions, 0] = way
        tried.append(ways.cost_micro_usd(one, bought))
    bought, lower_usd = Hindsight(gap=0.0).proved(one)
    assert ways.cost_micro_usd(one, bought) == min(tried)
    assert lower_usd * 1e6 == pytest.approx(min(tried), rel=1e-6)


def test_the_last_month_is_one_more_future() -> None:
    """Three of four parts of the probability; it begins with the month's first hour."""
    usage = Usage(start=ways.START, nodes=np.full((2, 5, 1), 9), probability=(Fraction(1, 4), Fraction(3, 4)))
    made = ways.going_on(usage, track([7, 1, 2, 3], month=3), Fraction(3, 4))
    assert made.nodes[:, :, 0].tolist() == [[9] * 5, [9] * 5, [1, 2, 3, 1, 2]]
    assert made.probability == (Fraction(1, 16), Fraction(3, 16), Fraction(3, 4))
    assert ways.going_on(usage, track([7]), Fraction(0)) is usage


def test_the_planner_that_knows_all_is_hindsight() -> None:
    """Where it looks to the end and at every decision; what it owns already counts."""
    one = drawn(5, hours=60, first=6, term=12, month=6)
    planner = Planner(view=5.0, ladder=20, gap=0.0)
    known, best = Known(planner).bought(one), Hindsight(gap=0.0).bought(one)
    assert ways.cost_micro_usd(one, known) == ways.cost_micro_usd(one, best)
    assert known.sum() > 0


@pytest.mark.parametrize("policy", [OnDemand(), Console(), Online(), Forecast(paths=20)], ids=lambda p: p.name)
def test_nobody_sees_what_is_to_come(policy: ways.Policy) -> None:
    """Demand that changes later changes no purchase before."""
    one = dataclasses.replace(backtest.quick()[0], daily=False)
    at = one.decisions[1] + 1
    later = one.demand.copy()
    later[at:] = 3 * later[at:][::-1] + 50
    later = later[: at + one.month // 2]
    first = policy.bought(one.until(at))
    assert not policy.knows
    assert policy.bought(dataclasses.replace(one, demand=later))[:at].tolist() == first.tolist()
    assert (first.sum() > 0) == (policy.name != OnDemand().name)


@pytest.mark.parametrize("policy", [Console(), Online()], ids=lambda p: p.name)
def test_no_hour_of_what_is_to_come_counts(policy: ways.Policy) -> None:
    """Whatever the hour at which demand ends, purchases before are the same."""
    one = drawn(7, hours=80, first=5, term=12, month=5)
    every = policy.bought(one)
    assert every.sum() > 0
    for at in range(6, 80):
        assert policy.bought(one.until(at)).tolist() == every[:at].tolist()


def test_quick_rows_file_and_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row with all policies, saved; the plot is the same twice; the page's lines name goals and the plot."""
    image = tmp_path / "backtest.svg"
    backtest.main(["--quick", "--jobs", "1", "--results", str(tmp_path), "--image", str(image)])
    rows = json.loads((tmp_path / "backtest.json").read_text())["rows"]
    assert [set(row["paid"]) for row in rows] == [set(backtest.POLICIES)]
    assert all(ratio >= rows[0]["bound"] for name, ratio in rows[0]["paid"].items() if "online" not in name)
    assert 0.99 < rows[0]["bound"] <= 1
    first = image.read_bytes()
    backtest.plot(rows, image)
    assert image.read_bytes() == first
    assert "img/backtest.svg" in capsys.readouterr().out


def row(**paid: float | None) -> dict[str, Any]:
    """A row in which the planner paid 1.04 and its rivals 1.1 if nothing else is said."""
    ratios = dict.fromkeys(backtest.POLICIES, 1.1) | {backtest.PLANNER: 1.04, backtest.KNOWN: 1.005}
    return {"name": "x", "group": "g", "paid": ratios | paid, "failed": {backtest.PLANNER: "why"}}


def test_goals_can_be_missed_and_misses_are_named() -> None:
    """By the mean, by a tie, by a rival, by a failure."""
    assert all(backtest.goals([row(), row()]).values())
    assert backtest.misses([row()]) == []
    missed = [goal for goal, met in backtest.goals([row(), row(planner=1.0625)]).items() if not met]
    assert missed == ["planner: mean 5% above hindsight at most"]
    assert backtest.misses([row(console=1.04)]) == ["- x: console cost the same"]
    assert backtest.misses([row(console=1.0)]) == ["- x: console was 4.000% cheaper"]
    assert not backtest.goals([row(console=1.04)])["planner: cheaper than console on every trace and seed"]
    assert not any(met for goal, met in backtest.goals([row(planner=None)]).items() if "known" not in goal)
    assert backtest.misses([row(planner=None)]) == ["- x: the planner failed: why"]


def test_exactness_and_size(tmp_path: Path) -> None:
    """Two small problems, a year of pools, the smallest size with and without a plan across pools."""
    asked = ["--count", "2", "--pools", "1", "--sizes", "1", "--time-limit", "20", "--results", str(tmp_path)]
    commitments.main(asked)
    rows = json.loads((tmp_path / "commitments.json").read_text())["rows"]
    assert [row.get("wrong") for row in rows] == [0, 0, None, None]
    assert [row["problems"] for row in rows[:2]] == [2, 1]
    assert [row["size"][-1] for row in rows[2:]] == [6, 7]
    assert all(0 <= row["gap"] <= commitments.GAP and 0 < row["usd"] < row["nothing_usd"] for row in rows[2:])


def test_what_is_wrong_is_named() -> None:
    """With its seed, in the row and on the page."""
    made = commitments.agreement("a", range(3), lambda seed: "off" if seed == 1 else "")
    assert (made["problems"], made["wrong"], made["faults"]) == (3, 1, {"1": ["off"]})
    assert "- a, 1: off" in commitments.table([made])
