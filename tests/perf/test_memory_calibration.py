"""The fit of the memory model's constants: reproducible, right where the truth is known, and safe about failures."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.calibration.memory import cross_validate, fit
from solver.perf.frames.memory import calibration_of, measured_gib, predict_memory, predict_with
from solver.perf.hardware import GIB

ROWS = {  # framework: rows of (model, tensor, accelerators)
    "megatron-bridge": [("Llama-3.1-8B", 1, 8), ("Llama-3.1-8B", 2, 8), ("Qwen3-8B", 1, 8), ("Qwen3-8B", 2, 16)],
    "torchtitan": [("Llama-3.1-8B", 1, 8), ("Llama-3.1-8B", 1, 16), ("Qwen3-8B", 1, 8), ("Qwen3-8B", 1, 32)],
}


def published(factors: dict[str, float], failed: int = 0) -> pd.DataFrame:
    """A table of peaks that are what is counted times a factor by framework; the first `failed` rows failed."""
    rows = [
        {
            "kind": "peak",
            "model": model,
            "gpu": "H100",
            "tp": tp,
            "n_gpus": n,
            "mbs": 1,
            "seq_len": 4096,
            "source": name,
        }
        for name, members in ROWS.items()
        for model, tp, n in members
    ]
    frame = pd.DataFrame(rows)
    plain = predict_memory(frame)
    counted = sum(plain[f"{part}_gib"] for part in ("weights", "activations", "gradients", "optimizer"))
    frame["peak_gb"] = counted * frame["source"].map(factors)
    frame["unit"], frame["split"] = "GiB", "train"
    frame["oom"] = ["yes" if i < failed else "no" for i in range(len(frame))]
    return frame


def test_the_same_bytes_twice() -> None:
    """Rows in another order too."""
    frame = published({"megatron-bridge": 1.1, "torchtitan": 0.95})
    text = json.dumps(fit(frame), ensure_ascii=False)
    assert json.dumps(fit(frame), ensure_ascii=False) == text
    assert (
        json.loads(json.dumps(fit(frame.iloc[::-1])))["constants"]["frameworks"]
        == json.loads(text)["constants"]["frameworks"]
    )


def test_known_factors_are_found() -> None:
    """10 % more and 5 % less than counted: predicted within the shrinkage, and inside the interval."""
    frame = published({"megatron-bridge": 1.1, "torchtitan": 0.95})
    found = predict_with(frame, calibration_of(fit(frame)["constants"]))
    assert found["peak_gib"].to_numpy() == pytest.approx(frame["peak_gb"].to_numpy(), rel=0.012)
    assert (found["evidence"] == "calibrated").all()
    table = cross_validate(frame)
    assert table["model_error"].abs().max() < 0.05  # the other model of the framework tells most of it
    assert table["row_error"].abs().max() <= table["model_error"].abs().max()


def test_what_failed_does_not_fit() -> None:
    """However little of HBM it filled, and nothing else changes."""
    safe, wary = (fit(published({"megatron-bridge": 1.0, "torchtitan": 1.0}, failed=n)) for n in (0, 1))
    assert safe["constants"]["plain_share"]["value"] > wary["constants"]["plain_share"]["value"]
    failed = published({"megatron-bridge": 1.0, "torchtitan": 1.0}, failed=1).iloc[:1]
    assert predict_with(failed, calibration_of(wary["constants"]))["fits"].tolist() == [False]
    assert safe["constants"]["groups"] == wary["constants"]["groups"]


def test_only_training_rows_of_the_split_are_fitted() -> None:
    """Other splits, serving rows and rows without a peak change nothing; none at all is an error."""
    frame = published({"megatron-bridge": 1.1, "torchtitan": 0.95})
    wild = frame.iloc[:4].assign(peak_gb=1e6)
    others = [
        wild.iloc[:1].assign(split="dev"),
        wild.iloc[1:2].assign(task="serving"),
        wild.iloc[2:3].assign(peak_gb=np.nan),
        wild.iloc[3:4].assign(kind="split (paper figure)"),
    ]
    assert fit(pd.concat([frame, *others], ignore_index=True))["constants"] == fit(frame)["constants"]
    with pytest.raises(ValueError, match="no row has a measured peak"):
        fit(frame.assign(split="test"))


def test_units() -> None:
    """GB is 10^9 bytes; GiB, and the "GB" of vLLM's log, are 2^30; no unit is GB."""
    frame = pd.DataFrame({"peak_gb": [1.0, 1.0, 1.0, 1.0, None], "unit": ["GB", "GiB", "GB weights", None, "GB"]})
    assert measured_gib(frame).tolist() == pytest.approx([1e9 / GIB, 1.0, 1.0, 1e9 / GIB, np.nan], nan_ok=True)
