"""The benchmark of building a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import build
from benchmarks.instances import Size, draw


def test_rows_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are those of the fleet; the whole form has one more for each pair, firm and spot, and block."""
    size = Size.of("20x5x20x6x1")
    monkeypatch.setattr(build, "MODELS", {"direct": str(size), "whole": str(size)})
    build.main(["--runs", "1", "--results", str(tmp_path)])
    direct, whole = json.loads((tmp_path / "build.json").read_text())["rows"]
    fleet = draw(size, build.SEED)
    assert whole["columns"] - direct["columns"] == 2 * len(fleet.edge_pool) * size.blocks
    assert direct["columns"] <= fleet.columns
    assert direct["fast"]
    assert direct["small"]
    assert 20 < direct["peak_mib"] < 400
    assert abs(sum(direct[stage] for stage in build.STAGES) - direct["cpu_s"]) < 0.01
    assert "direct" in capsys.readouterr().out


def test_goals_can_be_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of time or of memory."""
    monkeypatch.setattr(build, "MODELS", {"direct": "2x2x4x1x1"})
    monkeypatch.setattr(build, "GOAL_S", 0.0)
    monkeypatch.setattr(build, "GOAL_GIB", 0.001)
    row = build.measure("direct", 1, tmp_path / "log")
    assert (row["fast"], row["small"]) == (False, False)


def test_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the process said last."""
    monkeypatch.setattr(build, "MODELS", {"direct": "nonsense"})
    with pytest.raises(RuntimeError, match="invalid literal"):
        build.measure("direct", 1, tmp_path / "log")
