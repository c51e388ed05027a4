"""The record of accuracy: figures of errors that are known, what a training row is compared by, and the last line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import SUBJECTS, Metric, main, memory, record, serving, throughput, training
from solver.perf import predict_memory, predict_serving, predict_throughput, predict_training

GIB_PER_GB = 1e9 / 2**30
SERVED: dict[str, Any] = {
    "model": "meta-llama/Llama-3.1-70B", "system": "h100_sxm", "engine": "trtllm", "precision": "fp8",
    "input_tokens": 1024, "output_tokens": 512, "concurrency": 16, "tensor_parallel": 4,
}  # fmt: skip
TRAINED: dict[str, Any] = {
    "model": "LLAMA3_70B", "gpu": "H100-SXM", "n_gpus": 64, "tp": 4, "pp": 8, "vp": 5, "cp": 1, "mbs": 1, "gbs": 256,
    "seq_len": 8192, "precision": "FP8", "task": "Pre-Training", "software": "NeMo/Megatron-Bridge 26.04",
}  # fmt: skip
KEPT: dict[str, Any] = {"kind": "peak", "model": "Llama-3.1-8B", "gpu": "H100", "tp": 2, "n_gpus": 8, "mbs": 1,
                        "seq_len": 4096, "source": "megatron-bridge"}  # fmt: skip
FIGURES = ["mape", "median", "coverage90", "halfwidth"]


def metric(measured: Any, predicted: Any, low: Any, high: Any) -> Metric:
    """A metric of lists."""
    return Metric(*(np.array(v, dtype=float) for v in (measured, predicted, low, high)))


def test_figures_by_hand() -> None:
    """Predicted 10 % over, 20 % under, exact, and double: MAPE 32.5 %, median 15 %, bias +5 %; three of four inside."""
    made = metric([10, 10, 10, 10], [11, 8, 10, 20], [10, 4, 5, 18], [12.1, 16, 20, 22])
    found = made.figures()
    assert found["mape"] == pytest.approx(32.5)
    assert found["median"] == pytest.approx(15.0)
    assert found["bias"] == pytest.approx(5.0)
    assert found["coverage90"] == pytest.approx(75.0)
    assert found["halfwidth"] == pytest.approx(((22 / 18) ** 0.5 + 2) / 2)  # of 1.1, 2, 2 and 1.106
    assert found["rows"] == 4


def test_what_is_not_there_counts_nowhere() -> None:
    """Not measured, not predicted, or measured as nothing."""
    made = metric([10, np.nan, 10, 0, -1], [11, 11, np.nan, 11, 11], [10] * 5, [12] * 5)
    assert made.figures()["rows"] == 1
    assert made.figures()["mape"] == pytest.approx(10.0)
    assert made.figures(np.array([1, 2, 3, 4])) == {}
    assert made.figures(np.array([0, 1])) == made.figures()


def found_frame(**columns: Any) -> pd.DataFrame:
    """Predictions of three rows, with intervals of a factor of two."""
    table = {}
    for name, values in columns.items():
        table[name] = values
        table[f"{name}_lo"], table[f"{name}_hi"] = np.array(values) / 2, np.array(values) * 2
    return pd.DataFrame(table)


def test_serving_has_two_metrics() -> None:
    """Each of its own column, and only of rows that have it."""
    frame = pd.DataFrame({"tpot_ms": [10.0, None, 20.0], "ttft_ms": ["100", "no", 1000]})
    found = serving(frame, found_frame(tpot_ms=[11.0, 5.0, 20.0], ttft_ms=[150.0, 1.0, 1000.0]))
    assert list(found) == ["tpot", "ttft"]
    assert found["tpot"].figures()["mape"] == pytest.approx(5.0)
    assert found["ttft"].figures()["mape"] == pytest.approx(25.0)
    assert [m.figures()["rows"] for m in found.values()] == [2, 2]
    assert (
        serving(frame.drop(columns="ttft_ms"), found_frame(tpot_ms=[1.0] * 3, ttft_ms=[1.0] * 3))["ttft"].figures()
        == {}
    )


def test_throughput_is_of_output_tokens() -> None:
    """Of the whole system."""
    frame = pd.DataFrame({"output_tokens_per_s": [1000.0, 2000.0, None], "total_tokens_per_s": [9.0, 9.0, 9.0]})
    figures = throughput(frame, found_frame(tokens_per_s=[1100.0, 1000.0, 5.0]))["tokens_per_s"].figures()
    assert figures["mape"] == pytest.approx(30.0)
    assert figures["rows"] == 2


def test_training_compares_what_a_row_gives() -> None:
    """A step's time before tokens a second, those before TFLOP/s; intervals turn round with rates."""
    frame = pd.DataFrame(
        {
            "step_time_s": [10.0, None, None, None],
            "tokens_per_s_per_gpu": [1.0, 500.0, None, None],
            "tflops_per_gpu": [1.0, 1.0, 400.0, None],
        }
    )
    found = pd.DataFrame(
        {
            "step_time_s": [11.0, 4.0, 8.0, 8.0],
            "step_time_s_lo": [10.5, 2.0, 4.0, 4.0],
            "step_time_s_hi": [12.0, 5.0, 10.0, 10.0],
            "tokens_per_s_per_gpu": [7.0, 600.0, 7.0, 7.0],
            "tflops_per_gpu": [7.0, 7.0, 300.0, 7.0],
        }
    )
    made = training(frame, found)["step"]
    assert made.measured.tolist() == pytest.approx([10.0, 500.0, 400.0, np.nan], nan_ok=True)
    assert made.predicted[:3].tolist() == pytest.approx([11.0, 600.0, 300.0])
    assert made.low[:3].tolist() == pytest.approx([10.5, 600 * 4 / 5, 300 * 8 / 10])
    assert made.high[:3].tolist() == pytest.approx([12.0, 600 * 4 / 2, 300 * 8 / 4])
    figures = made.figures()
    assert figures["mape"] == pytest.approx((10 + 20 + 25) / 3)
    assert figures["coverage90"] == pytest.approx(200 / 3)
    assert figures["rows"] == 3


def test_memory_is_in_gib() -> None:
    """80 GB are 74.5 GiB."""
    frame = pd.DataFrame({"peak_gb": [80.0, 80.0, 80.0], "unit": ["GB", "GiB", None]})
    found = memory(frame, found_frame(peak_gib=[80 * GIB_PER_GB, 80.0, 80.0 * GIB_PER_GB * 1.1]))["peak"]
    assert found.measured.tolist() == pytest.approx([80 * GIB_PER_GB, 80.0, 80.0 * GIB_PER_GB])
    assert found.figures()["mape"] == pytest.approx(10 / 3)


def known(subject: str) -> pd.DataFrame:
    """Three rows of a subject: measured as predicted, 25 % less than predicted, and a model that is not known."""
    rows: dict[str, dict[str, Any]] = {
        "serving": SERVED,
        "throughput": SERVED | {"gpu": "H100-SXM", "n_gpus": 8, "scenario": "offline", "family": "TensorRT-LLM"},
        "training": TRAINED,
        "memory": KEPT,
    }
    frame = pd.DataFrame([rows[subject]] * 3)
    frame.loc[2, "model"] = "nothing known"
    factor = np.array([1.0, 0.8, 1.0])
    if subject == "serving":
        found = predict_serving(frame)
        return frame.assign(tpot_ms=found["tpot_ms"] * factor, ttft_ms=found["ttft_ms"] * factor)
    if subject == "throughput":
        return frame.assign(output_tokens_per_s=predict_throughput(frame)["tokens_per_s"] * factor)
    if subject == "training":
        return frame.assign(step_time_s=predict_training(frame)["step_time_s"] * factor)
    return frame.assign(peak_gb=predict_memory(frame)["peak_gib"] * factor, unit="GiB")


METRICS = {"serving": ["tpot", "ttft"], "throughput": ["tokens_per_s"], "training": ["step"], "memory": ["peak"]}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_record_of_a_file(
    subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON line at the end: rows, predicted, each metric's four figures; before it, why a row failed."""
    path = tmp_path / "rows.csv"
    known(subject).to_csv(path, index=False)
    monkeypatch.setattr(sys, "argv", ["accuracy", subject, str(path)])
    main()
    *lines, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    assert list(found) == ["rows", "predicted", *METRICS[subject]]
    assert (found["rows"], found["predicted"]) == (3, 2)
    for name in METRICS[subject]:
        assert list(found[name]) == FIGURES
        assert found[name]["mape"] == pytest.approx(12.5, abs=0.006)
        assert found[name]["median"] == pytest.approx(12.5, abs=0.006)
        assert found[name]["coverage90"] in {50.0, 100.0}
        assert found[name]["halfwidth"] >= 1
    assert sum(line.startswith("all ") for line in lines) == len(METRICS[subject])
    reasons = [line for line in lines if line.startswith("not predicted: ")]
    assert len(reasons) == 1
    assert reasons[0].startswith("not predicted: 1 × model: unknown model 'nothing known'")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_other_columns_change_no_figure(subject: str) -> None:
    """Whatever they hold; groups without a value, of numbers too; a file in another order."""
    frame = known(subject)
    _, last = record(subject, frame)
    groups = {name: [np.nan, 1.0, np.nan] for name in SUBJECTS[subject][2] if name not in frame.columns}
    lines, more = record(subject, frame.assign(**groups, note="?", error="none", evidence=3.5, zzz=[[], {}, None]))
    assert more == last
    assert any("not stated" in line for line in lines) or not groups
    assert record(subject, frame.iloc[::-1])[1] == last
    assert record(subject, frame.set_index("model", drop=False))[1] == last


@pytest.mark.parametrize("said", [["yes (rank 3)", "no", None], ["yes", np.nan, np.nan]])
def test_failures_that_are_called_fitting_are_counted(said: list[Any]) -> None:
    """A row that ran out of memory, and is said to fit."""
    frame = known("memory").assign(oom=said)
    assert predict_memory(frame)["fits"].iloc[0] == 1
    assert "ran out of memory: 1, of them called fitting: 1" in record("memory", frame)[0]
    assert "ran out of memory: 0, of them called fitting: 0" in record("memory", frame.assign(oom=np.nan))[0]


def test_groups_are_told_apart() -> None:
    """Each model by itself: the first exact, the second 25 % over."""
    frame = known("serving").iloc[[0, 1]]
    frame.loc[1, "model"] = "LLAMA3.1_70B"
    lines, _ = record("serving", frame)
    tpot = {line[12:56].strip(): line.split() for line in lines if line.startswith("model ") and " tpot " in line}
    assert {name: parts[parts.index("tpot") + 1 :][:1] for name, parts in tpot.items()} == {
        "meta-llama/Llama-3.1-70B": ["0.0"],
        "LLAMA3.1_70B": ["25.0"],
    }


def test_a_file_that_cannot_be_predicted() -> None:
    """Nothing is measured against nothing: no figures, and the last line says how many rows there were."""
    frame = known("serving").iloc[[2, 2]]
    lines, last = record("serving", frame)
    assert last == {"rows": 2, "predicted": 0, "tpot": {}, "ttft": {}}
    assert lines[-1].startswith("not predicted: 2 × model: ")


def test_one_split_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows whose split is asked for."""
    path = tmp_path / "rows.csv"
    known("serving").assign(split=["train", "dev", "dev"]).to_csv(path, index=False)
    monkeypatch.setattr(sys, "argv", ["accuracy", "serving", str(path), "--split", "dev"])
    main()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["rows"], last["predicted"]) == (2, 1)
    assert last["tpot"]["mape"] == pytest.approx(25.0, abs=0.006)
