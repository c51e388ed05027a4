"""The fit of the throughput model: finds what was planted, does not see what it leaves out, same bytes twice."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.calibrate import fit as written
from benchmarks.calibration import throughput as fitting
from benchmarks.calibration.throughput import (
    LEFT_OUT,
    SCHEMES,
    cross_validate,
    fit,
    groups,
    measured_rate,
    merged,
    usable,
)
from solver.perf.frames.throughput import calibration, calibration_of, predict_with

MODELS = ("Llama-3.1-8B", "Qwen3-32B", "Llama-3.3-70B", "Qwen3-30B-A3B")
MACHINES = ("H100", "H200", "B200")
FACTORS = {"Llama-3.1-8B": 1.25, "Qwen3-32B": 1.0, "Llama-3.3-70B": 1.0, "Qwen3-30B-A3B": 0.85}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Rates that are the shipped physics, times a factor by model, and a fault of ten times in one row."""
    rows = [
        {"family": "bench", "model": m, "gpu": g, "n_gpus": 2, "tp": 2, "precision": "fp8", "backend": "trtllm"}
        | {"isl": isl, "osl": osl}
        for m in MODELS
        for g in MACHINES
        for isl, osl in ((128, 128), (128, 2048), (2048, 128), (2048, 2048))
    ]
    frame = pd.DataFrame(rows)
    physics = dataclasses.replace(calibration(), effects={}, spreads={})
    frame["output_tokens_per_s"] = predict_with(frame, physics)["tokens_per_s"] * frame["model"].map(FACTORS)
    frame.loc[7, "output_tokens_per_s"] *= 10
    return frame


@pytest.fixture(scope="module")
def fitted(table: pd.DataFrame) -> dict[str, object]:
    """Fit of the table."""
    return json.loads(json.dumps(fit(table)))  # type: ignore[no-any-return]


def test_planted_factors_are_found(table: pd.DataFrame, fitted: dict[str, object]) -> None:
    """Every row but the faulty one is predicted to a few per cent, and the interval of a new model is wider."""
    made = calibration_of(fitted)
    found = predict_with(table, made)
    error = (found["tokens_per_s"] / table["output_tokens_per_s"] - 1).drop(index=7).abs()
    assert error.median() < 0.03
    assert error.max() < 0.15
    new = predict_with(table.assign(model="Falcon-180B", n_gpus=8, tp=8), made)
    wide = (new["tokens_per_s_hi"] / new["tokens_per_s_lo"]).median()
    assert wide > (found["tokens_per_s_hi"] / found["tokens_per_s_lo"]).median()


def test_the_same_bytes_twice(table: pd.DataFrame, fitted: dict[str, object]) -> None:
    """As JSON."""
    assert json.dumps(fit(table)) == json.dumps(fitted)


def test_what_is_left_out_is_not_seen(table: pd.DataFrame) -> None:
    """Another rate of a left-out model changes its error by just as much, up to what the constants move."""
    held = "Qwen3-30B-A3B"
    rows, log_rate, _ = usable(table)
    of_held = np.array([held in row.model.name for row in rows])
    first = fitting._Fit.of(rows, log_rate)
    other = dataclasses.replace(
        first, log_rate=log_rate + 0.3 * of_held, measured=merged(rows, log_rate + 0.3 * of_held)
    )
    before, after = (made.left_out("model")[1] for made in (first, other))
    np.testing.assert_allclose((before - after)[of_held], 0.3, atol=1e-9)


def test_groups_and_held_out_figures(table: pd.DataFrame) -> None:
    """A fifth of the deployments at a time, never a deployment in two parts; a figure for each scheme and row."""
    rows, _, _ = usable(table)
    parts = groups(rows, "deployment")
    names = [(row.model.name, row.accelerator.name) for row in rows]
    assert len(dict.fromkeys(zip(names, parts, strict=True))) == len(dict.fromkeys(names)) == 12
    found = cross_validate(table)
    assert found.index.equals(table.index)
    for scheme in SCHEMES:
        assert np.isfinite(found[f"{scheme}_error"]).all()
    assert found["model_inside"].mean() >= 0.85
    assert set(LEFT_OUT.values()) == {"measured", "known", "new"}


def test_repeats_are_one_row() -> None:
    """Four submissions of one system count as their median."""
    row = {
        "family": "MLPerf",
        "model": "llama2-70b-99",
        "gpu": "H200",
        "n_gpus": 8,
        "scenario": "Offline",
        "backend": "TensorRT",
    }
    frame = pd.DataFrame(
        [row | {"osl": osl, "output_tokens_per_s": y} for osl, y in ((290, 1), (291, 3), (292, 4), (293, 9))]
    )
    rows, log_rate, _ = usable(frame)
    made = merged(rows, log_rate)
    assert len(made.rows) == 1
    assert made.log_rate[0] == pytest.approx((math.log(3) + math.log(4)) / 2)
    assert made.noise[0] == pytest.approx(0.12 / 4**0.25)
    assert made.rows[0].output_tokens == 291.5


def test_interactive_rows_of_mlperf_state_tokens_as_queries() -> None:
    """Nowhere else."""
    frame = pd.DataFrame(
        {"family": ["MLPerf v5.1", "other"], "output_tokens_per_s": [np.nan, np.nan], "req_per_s": [5.0, 5.0]}
    )
    np.testing.assert_array_equal(measured_rate(frame), [5.0, np.nan])


def _measurements() -> Path:
    named = os.environ.get("AUTOPARALLEL_MEASUREMENTS")
    found = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "data" / "measurements"
    if not (found / "throughput.csv").is_file():
        pytest.skip(f"no throughput.csv at {found}; AUTOPARALLEL_MEASUREMENTS names its folder")
    return found


@pytest.mark.slow
def test_the_shipped_constants_are_what_the_measurements_give() -> None:
    """All of them, to what sums in another order change (`benchmarks.calibrate` writes them on one thread)."""
    shipped = Path(fitting.__file__).parents[2] / "solver" / "perf" / "fitted" / "throughput.json"
    fitted, ours = (
        dict(_numbers("", json.loads(text)))
        for text in (written("throughput", _measurements()), shipped.read_text(encoding="utf-8"))
    )
    assert fitted.keys() == ours.keys()
    assert {k: v for k, v in fitted.items() if isinstance(v, str)} == {
        k: v for k, v in ours.items() if isinstance(v, str)
    }
    for name, value in ours.items():
        if not isinstance(value, str):
            assert fitted[name] == pytest.approx(value, rel=5e-3, abs=2e-4), name


def _numbers(name: str, part: Any) -> Iterator[tuple[str, Any]]:
    """Every leaf of a table by its path."""
    if isinstance(part, dict | list):
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from _numbers(f"{name}/{key}", inner)
    else:
        yield name, part
