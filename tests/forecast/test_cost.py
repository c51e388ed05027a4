"""What a plan will cost, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from solver.errors import InputError
from solver.forecast import Growth, PriceMoves, PriceRow, catalogue_prices, cost_forecast, forecast, price_moves
from solver.table import Table

from .made import history

LINES = ("kind", "provider", "region", "node", "option", "workload", "team", "period", "micro_usd")


def plan(*lines: tuple[str, str, str, int], periods: tuple[str, ...] = ("2026-03", "2026-04")) -> Any:
    """As much of a plan as its cost rests on: option, workload, month, dollars."""
    rows = [
        ("nodes", "aws", "us", "p5", option, workload, "research", month, usd * 10**6)
        for option, workload, month, usd in lines
    ]
    return SimpleNamespace(name="plan", cost_lines=Table.from_records(LINES, rows), periods=periods)


def test_commitments_stay_and_the_rest_follows_demand() -> None:
    """Demand of 40 where the plan was made for 20: on demand doubles, commitments and their idle hours do not."""
    made = plan(
        ("commit_1y", "a", "2026-03", 700), ("on_demand", "a", "2026-03", 100), ("commit_1y", "(idle)", "2026-03", 50),
        ("on_demand", "a", "2026-04", 200), ("", "a", "2026-04", 3),
    )  # fmt: skip
    ahead = forecast(history(np.full(59, 40.0), daily=True), 57)  # 5 March to 30 April
    found = cost_forecast(made, ahead, made_for={"a": 20.0})
    assert found.months == ("2026-03", "2026-04")
    rows = {(r["month"], r["workload"]): r for r in found.rows.records()}
    assert rows["2026-03", "a"]["planned_micro_usd"] == 800_000_000
    for name in ("mean_micro_usd", "lower_micro_usd", "upper_micro_usd"):
        assert rows["2026-03", "a"][name] == pytest.approx(900_000_000, abs=1)
        assert rows["2026-03", "(idle)"][name] == 50_000_000
        assert rows["2026-04", "a"][name] == pytest.approx(406_000_000, abs=1)
    assert [r["mean_micro_usd"] for r in found.total.records()] == pytest.approx([950_000_000, 406_000_000], abs=2)
    assert found.paths_usd.shape == (200, 2)
    same = cost_forecast(made, ahead)  # made for what there is
    assert [r["mean_micro_usd"] for r in same.total.records()] == pytest.approx([850_000_000, 203_000_000], abs=2)


def test_growth_moves_by_its_rate() -> None:
    """×4 in 61 days: at the middle of March (day 15) 4^(15/61), of April 4^(46/61)."""
    made = plan(("on_demand", "a", "2026-03", 1000), ("on_demand", "a", "2026-04", 1000))
    found = cost_forecast(made, Growth(factor=4, by=date(2026, 5, 1)))
    means = [r["mean_micro_usd"] for r in found.total.records()]
    assert means == pytest.approx([1e9 * 4 ** (15 / 61), 1e9 * 4 ** (46 / 61)], rel=1e-9)


def test_prices_drift_and_stray() -> None:
    """Half in two years is −29 % a year; offers that differ stray; too close together says nothing."""
    year = date(2025, 1, 1), date(2027, 1, 1)
    alike = [
        PriceRow(f"n{i}", "on_demand", day, usd) for i in range(3) for day, usd in zip(year, (8.0, 4.0), strict=True)
    ]
    moves = price_moves(alike)
    assert np.exp(moves.drift["on_demand"]) == pytest.approx(0.5 ** (365.25 / 730), rel=1e-9)
    assert moves.volatility["on_demand"] == pytest.approx(0, abs=1e-9)
    apart = [*alike, PriceRow("n3", "on_demand", year[0], 8.0), PriceRow("n3", "on_demand", year[1], 8.0)]
    logs = np.array([np.log(0.5)] * 3 + [0.0])
    years = 730 / 365.25
    expected = np.sqrt(((logs - logs.mean()) ** 2 / years).sum() / 3)
    assert price_moves(apart).volatility["on_demand"] == pytest.approx(expected, rel=1e-9)
    assert not price_moves(
        [PriceRow("n", "spot", date(2026, 1, 1), 1), PriceRow("n", "spot", date(2026, 1, 9), 2)]
    ).drift
    made = plan(("on_demand", "a", "2026-03", 1000), ("commit_1y", "a", "2026-03", 1000), periods=("2026-03",))
    still = Growth(factor=1, by=date(2026, 4, 1))
    found = cost_forecast(
        made, still, PriceMoves({"on_demand": -0.24, "commit_1y": -0.5}, {"on_demand": 0.3}), paths=4000
    )
    (row,) = found.total.records()
    assert row["lower_micro_usd"] == pytest.approx(1e9 + 1e9 * np.exp(-0.01 - 1.645 * 0.3 / 24**0.5), rel=0.01)
    assert row["upper_micro_usd"] == pytest.approx(1e9 + 1e9 * np.exp(-0.01 + 1.645 * 0.3 / 24**0.5), rel=0.01)


def test_prices_of_the_catalogue() -> None:
    """As they were, by day: H100 nodes became cheaper between two days of the tables."""
    found = catalogue_prices([date(2026, 1, 30), date(2026, 11, 1)], accelerator=["H100"], option=["on_demand"])
    assert {row.day for row in found} == {date(2026, 1, 30), date(2026, 11, 1)}
    assert all(row.usd_per_hour > 0 and row.option == "on_demand" for row in found)


def test_what_does_not_fit_is_named() -> None:
    """Months, workloads, prices."""
    made = plan(("on_demand", "a", "2026-03", 1000), periods=("2026-03",))
    ahead = forecast(history(np.full((59, 2), 40.0), daily=True), 20)
    with pytest.raises(InputError, match="workload 'z' has no series; there are a, b"):
        cost_forecast(plan(("on_demand", "z", "2026-03", 1)), ahead)
    with pytest.raises(InputError, match="the forecast is of 2026-03 to 2026-03, the plan of 2027-01"):
        cost_forecast(plan(("on_demand", "a", "2027-01", 1), periods=("2027-01",)), ahead)
    with pytest.raises(InputError, match="made for 0"):
        cost_forecast(made, ahead, made_for={"a": 0.0})
    with pytest.raises(InputError, match="no cost lines"):
        cost_forecast(plan(), ahead)
    with pytest.raises(InputError, match="a price of 0"):
        price_moves([PriceRow("n", "spot", date(2026, 1, 1), 0)])
    assert replace(ahead, level=0.8).level == 0.8
