"""The benchmark of forecasts, and the demand it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import forecasts
from benchmarks.traces import KINDS, Trace, synthetic, traces


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_years_are_the_same_twice(kind: str) -> None:
    """Of one seed; never negative; another seed is another demand."""
    one, two, other = (synthetic(kind, seed, 0.1, 2) for seed in (1, 1, 2))
    assert np.array_equal(one.values, two.values)
    assert not np.array_equal(one.values, other.values)
    assert one.values.shape == (876, 2)
    assert one.values.min() >= 0


def test_a_pod_is_held_from_its_creation_to_its_deletion(tmp_path: Path) -> None:
    """Half a GPU for an hour and a half, two for a quarter: by hand, in hours of the busy days."""
    begin = 115 * 86400
    rows = [(1, 500, "LS", begin + 1800, begin + 7200), (2, 1000, "BE", begin + 3600, begin + 4500)]
    rows += [(0, 0, "LS", 0, begin + 4 * 3600), (1, 1000, "LS", begin + 3 * 3600, begin + 4 * 3600)]
    lines = [f"{n},{milli},{qos},{a},{b}" for n, milli, qos, a, b in rows]
    head = "num_gpu,gpu_milli,qos,creation_time,deletion_time"
    (tmp_path / "alibaba_gpu_2023_openb_pod_list_default.csv").write_text("\n".join([head, *lines]))
    found = traces(tmp_path)["alibaba-gpu-hourly"]
    assert found.values.tolist() == [[0.25, 0], [0.5, 0.5], [0, 0], [1, 0]]


def test_no_folder_no_traces(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And a line that says so."""
    monkeypatch.delenv("AUTOPARALLEL_TRACES", raising=False)
    assert traces() == {}
    assert "no public traces" in capsys.readouterr().err


def test_figures_of_one_origin() -> None:
    """Demand that repeats its week exactly, on a line: intervals hold and nothing is off."""
    week = 100 + 0.05 * np.arange(24 * 49) + 10 * np.sin(2 * np.pi * np.arange(24 * 49) / 168)
    times = np.datetime64("2024-01-01T00", "h") + np.arange(len(week))
    trace = Trace(times=times, values=week[:, None], series=("a",), unit="GPUs", note="", source="")
    reach = forecasts.horizons(trace, synthetic_years=False)
    assert reach == {"day": 24, "week": 168}
    rows = forecasts.judged(trace, 24 * 42, reach)
    assert [(r["horizon"], r["covered"]) for r in rows] == [("day", 1.0), ("week", 1.0)]
    assert max(r["mase"] for r in rows) < 1e-9


def row(name: str, **horizon: float) -> dict[str, Any]:
    """A row with one horizon."""
    good = {"judged": 10, "covered": 0.9, "mase": 0.8, "naive_mase": 1.0, "pinball": 0.2, "naive_pinball": 0.3}
    return {"name": name, "horizons": {"day": good | horizon}}


def test_goals_can_be_missed() -> None:
    """By intervals that hold too seldom or too often, and by any row that is worse than the seasonal naive method."""
    assert list(forecasts.goals([row("synthetic: a"), row("b")]).values()) == [True] * 6
    assert list(forecasts.goals([row("b", covered=0.93)]).values()) == [False, True, True]
    assert list(forecasts.goals([row("b"), row("c", mase=1.0)]).values()) == [True, False, True]
