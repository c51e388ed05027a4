"""The training door: order, index and errors of rows, conventions of rates, and measurements reproduced."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import record
from solver.errors import InputError
from solver.perf import predict_training
from solver.perf.frames.training import COLUMNS, measured_step_s

ROW: dict[str, Any] = {
    "model": "LLAMA3_70B", "gpu": "H100-SXM", "n_gpus": 64, "tp": 4, "pp": 8, "vp": 5, "cp": 1, "mbs": 1, "gbs": 256,
    "seq_len": 8192, "precision": "FP8", "task": "Pre-Training", "software": "NeMo/Megatron-Bridge 26.04",
}  # fmt: skip


def one(**changes: Any) -> pd.Series:
    """The answer for ROW with changes; None takes a column's cell away."""
    return predict_training(pd.DataFrame([ROW | changes])).iloc[0]


@pytest.fixture(scope="module")
def measurements() -> pd.DataFrame:
    """The training measurements; tests that compare with them are skipped where they are not."""
    named = os.environ.get("AUTOPARALLEL_MEASUREMENTS")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "data" / "measurements"
    if not (folder / "training.csv").is_file():
        pytest.skip(f"no measurements at {folder}; AUTOPARALLEL_MEASUREMENTS names their folder")
    return pd.read_csv(folder / "training.csv", low_memory=False)


def test_rows_keep_their_index_and_order() -> None:
    """Any index, twice the same label too; each row answers for itself."""
    frame = pd.DataFrame([ROW, ROW | {"model": "nothing known"}, ROW | {"gbs": 512}], index=["b", "a", "b"])
    found = predict_training(frame)
    assert found.index.tolist() == ["b", "a", "b"]
    assert list(found.columns) == [*COLUMNS, "evidence", "error"]
    assert found["error"].iloc[0] == found["error"].iloc[2] == ""
    assert found.iloc[1][list(COLUMNS)].isna().all()
    assert found["step_time_s"].iloc[0] == pytest.approx(one()["step_time_s"])
    assert found["step_time_s"].iloc[2] == pytest.approx(one(gbs=512)["step_time_s"])
    assert predict_training(frame.iloc[:0]).empty


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": "nothing known"}, "model"),
        ({"model": None}, "model"),
        ({"gpu": "Abacus 9000"}, "gpu"),
        ({"precision": "int3"}, "precision"),
        ({"task": "dreaming"}, "task"),
        ({"recompute": "perhaps"}, "recompute"),
        ({"fsdp": "sideways"}, "fsdp"),
        ({"n_gpus": 0}, "n_gpus"),
        ({"n_gpus": None}, "n_gpus"),
        ({"n_gpus": 63}, "n_gpus"),
        ({"seq_len": 0}, "seq_len"),
        ({"seq_len": -5}, "seq_len"),
        ({"seq_len": "long"}, "seq_len"),
        ({"gbs": 0}, "gbs"),
        ({"gbs": 1}, "gbs"),
        ({"gbs": 255}, "gbs"),
        ({"mbs": 256}, "mbs"),
        ({"tp": 7, "n_gpus": 56}, "tp"),
        ({"pp": 128, "tp": 1, "n_gpus": 128}, "pp"),
        ({"ep": 8}, "ep"),
        ({"model": "Qwen3_30B_a3B", "ep": 48}, "ep"),
        ({"dp": 64}, "dp"),
        ({"vp": 0}, "vp"),
    ],
)
def test_a_row_that_cannot_be_says_why(changes: dict[str, Any], field: str) -> None:
    """The message names row, field and mend; figures are NaN; the next row is answered all the same."""
    found = predict_training(pd.DataFrame([ROW | changes, ROW], index=["x", "y"]))
    assert found["error"].iloc[0].startswith(f"row x: {field}: "), found["error"].iloc[0]
    assert found["error"].iloc[0].endswith(")")
    assert found.iloc[0][list(COLUMNS)].isna().all()
    assert found["error"].iloc[1] == ""
    assert found["step_time_s"].iloc[1] > 0


def test_a_whole_frame_that_cannot_be() -> None:
    """Not a frame, and a column twice."""
    with pytest.raises(InputError, match="DataFrame"):
        predict_training([ROW])
    with pytest.raises(InputError, match="more than once"):
        predict_training(pd.concat([pd.DataFrame([ROW]), pd.DataFrame([{"tp": 2}])], axis=1))


def test_views_of_one_step_agree() -> None:
    """Tokens and FLOP of a step over its time; the interval holds the prediction; utilisation is below 1."""
    found = one()
    assert found["tokens_per_s_per_gpu"] == pytest.approx(256 * 8192 / 64 / found["step_time_s"])
    assert found["step_time_s_lo"] < found["step_time_s"] < found["step_time_s_hi"]
    assert found["mfu"] == pytest.approx(found["tflops_per_gpu"] / 1979)
    assert 0.2 < found["mfu"] < 0.6


def test_flop_are_counted_as_each_software_counts() -> None:
    """Published pairs of TFLOP/s and tokens/s: Megatron-Bridge halves attention as causal, llm-foundry does not.

    Megatron-Bridge 25.09, Llama 3 8B on B200: 1544 TFLOP/s at 29,994 tokens/s; llm-foundry, MPT-7B on H100 at 2048:
    459 TFLOP/s at 10,643 tokens/s.
    """
    eight = one(model="LLAMA3_8B", gpu="B200", n_gpus=8, tp=1, pp=1, vp=1, mbs=2, gbs=128)
    assert eight["tflops_per_gpu"] / eight["tokens_per_s_per_gpu"] == pytest.approx(1544 / 29994, rel=0.003)
    mpt = {"model": "MPT-7b", "n_gpus": 8, "fsdp": "FULL_SHARD", "mbs": 6, "gbs": 48, "seq_len": 2048,
           "gpu": "H100-SXM", "precision": "amp_bf16", "recompute": "none", "software": "llm-foundry"}  # fmt: skip
    seven = predict_training(pd.DataFrame([mpt])).iloc[0]
    assert seven["tflops_per_gpu"] / seven["tokens_per_s_per_gpu"] == pytest.approx(459 / 10643, rel=0.003)


def test_recomputation_counted_by_megatron_in_2021() -> None:
    """Equation 3 of arXiv 2104.04473, for the 39.1 B model: 96 B s l h² (1 + s / 6h + V / 16 l h) FLOP a step."""
    row = {"model": "GPT-39.1B", "gpu": "A100-80GB-SXM", "n_gpus": 512, "tp": 8, "pp": 2, "gbs": 1536, "seq_len": 2048,
           "precision": "fp16", "recompute": "full", "software": "Megatron-LM 2021"}  # fmt: skip
    found = predict_training(pd.DataFrame([row])).iloc[0]
    flop = 96 * 1536 * 2048 * 48 * 8192**2 * (1 + 2048 / (6 * 8192) + 51200 / (16 * 48 * 8192))
    assert found["tflops_per_gpu"] * 1e12 * 512 * found["step_time_s"] == pytest.approx(flop, rel=1e-6)


def test_what_is_not_stated_has_a_stated_default() -> None:
    """An empty cell is a missing column is the default."""
    bare = {key: ROW[key] for key in ("model", "gpu", "n_gpus", "gbs", "mbs")}
    stated = bare | {"tp": 1, "pp": 1, "cp": 1, "vp": 1, "seq_len": 4096, "precision": "bf16", "task": "SFT"}
    blank = bare | {"tp": np.nan, "pp": None, "seq_len": "", "task": "SFT", "software": np.nan}
    found = predict_training(pd.DataFrame([stated | {"software": "Megatron-Bridge"}, blank]))
    assert found["error"].tolist() == ["", ""]
    assert found["step_time_s"].iloc[0] == found["step_time_s"].iloc[1]


def test_unheard_of_models_and_software_rest_on_physics() -> None:
    """A GPT of a stated shape, or of a size alone, in unknown software: an answer by physics, and a wide interval."""
    shape = one(model="Mystery", notes="hidden 8192, heads 64, layers 48", software="HomeMade 1", tp=8)
    size = one(model="GPT-40B", software="HomeMade 1", tp=8)
    assert shape["error"] == size["error"] == ""
    assert shape["evidence"] == size["evidence"] == "physics"
    assert size["step_time_s"] == pytest.approx(shape["step_time_s"], rel=0.25)
    known = one()
    assert known["evidence"] == "calibrated"
    width = shape["step_time_s_hi"] / shape["step_time_s_lo"]
    assert width > 1.2 * known["step_time_s_hi"] / known["step_time_s_lo"]


def test_accelerators_never_measured_are_physics() -> None:
    """Megatron-Bridge on an A100 was never seen."""
    found = one(gpu="A100-80GB-SXM", precision="bf16")
    assert found["evidence"] == "physics"
    assert found["mfu"] < 0.75


def test_measurements_are_reproduced(measurements: pd.DataFrame) -> None:
    """The shipped constants on the rows they were fitted on: every row read, and errors of the size of repeats."""
    found = predict_training(measurements)
    assert found["error"].eq("").all()
    error = (found["step_time_s"] / measured_step_s(measurements) - 1).abs()
    old = measurements["family"].eq("vTrain ground truth")
    assert error[old].median() < 0.002
    assert error[old].mean() < 0.01
    assert error[~old].median() < 0.02
    assert error[~old].mean() < 0.04


def test_record_of_accuracy_covers_the_file(measurements: pd.DataFrame) -> None:
    """Every row is scored, by step time or by its rate."""
    lines, last = record("training", measurements)
    assert last["predicted"] == last["rows"] == len(measurements)
    assert last["step"]["coverage90"] > 85
    assert any("rows" in line for line in lines)
