"""The benchmark of growth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import growth
from benchmarks.instances import Size

if TYPE_CHECKING:
    import pytest


def test_rows_file_and_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each axis and step, each planned within the gap; the plot is the same twice."""
    monkeypatch.setattr(growth, "BASES", dict.fromkeys(growth.BASES, Size(2, 2, 6, 2, 1)))
    monkeypatch.setattr(growth, "STEPS", (1, 2))
    image = tmp_path / "growth.svg"
    growth.main(["--time-limit", "20", "--results", str(tmp_path), "--image", str(image)])
    rows = json.loads((tmp_path / "growth.json").read_text())["rows"]
    assert [row["name"] for row in rows] == [
        f"{way}: {axis} × {n}" for way in growth.BASES for axis in growth.AXES for n in (1, 2)
    ]
    assert rows[1]["fleet"] == "4x2x12x2x1"
    assert rows[5]["fleet"] == "2x2x6x2x2"
    assert all(row["gap"] <= growth.GAP and row["cpu_s"] > 0 for row in rows)
    first = image.read_bytes()
    growth.plot(rows, image)
    assert image.read_bytes() == first
    assert b"scenarios" in first


def rows(*, last_s: float | None = 10.0, gap: float = 0.0) -> list[dict[str, Any]]:
    """One second at first, then so many."""
    return [
        {"way": way, "axis": axis, "times": times, "cpu_s": seconds, "gap": gap}
        for way in growth.BASES
        for axis in growth.AXES
        for times, seconds in ((1, 1.0), (10, last_s))
    ]


def test_goals_can_be_missed() -> None:
    """By time or by gap; without a figure there is nothing to say."""
    assert set(growth.goals(rows()).values()) == {True}
    assert set(growth.goals(rows(last_s=10.01)).values()) == {False}
    assert set(growth.goals(rows(gap=growth.GAP + 1e-6)).values()) == {False}
    assert set(growth.goals(rows(last_s=None)).values()) == {None}


def test_failure_is_a_row(tmp_path: Path) -> None:
    """A search that finds nothing in time says so; the other rows are measured all the same."""
    row = growth.measure("whole counts", "hours", 10, -1.0, tmp_path / "log")
    assert row["cpu_s"] is None
    assert "time_limit" in row["ended"]
