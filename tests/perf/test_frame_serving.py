"""The serving door: order, index and errors of rows, spellings of the measurement files, intervals and observations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.perf import predict_serving
from solver.perf.frames.rows import Rows
from solver.perf.frames.serving import read

ROW: dict[str, Any] = {
    "model": "meta-llama/Llama-3.1-70B", "system": "h100_sxm", "engine": "trtllm", "engine_version": "1.1.0rc2",
    "precision": "fp8", "gemm_quant": "fp8", "input_tokens": 1024, "output_tokens": 512, "concurrency": 16.0,
    "tensor_parallel": 4, "attention_data_parallel": 1, "moe_tensor_parallel": 1, "expert_parallel": 1, "gpus": 4,
}  # fmt: skip
EXPERTS = ROW | {
    "model": "deepseek-ai/DeepSeek-V3",
    "system": "b200_sxm",
    "engine": "sglang",
    "tensor_parallel": 1,
    "attention_data_parallel": 8,
    "expert_parallel": 8,
}
NUMBERS = ["tpot_ms", "tpot_ms_lo", "tpot_ms_hi", "ttft_ms", "ttft_ms_lo", "ttft_ms_hi"]
COLUMNS = [*NUMBERS, "evidence", "error"]
REQUIRED = ("model", "system", "input_tokens", "output_tokens", "concurrency", "tensor_parallel")


def answers(*rows: dict[str, Any], **changes: Any) -> pd.DataFrame:
    """Answers to rows, each with the changes."""
    return predict_serving(pd.DataFrame([row | changes for row in rows]))


def one(**changes: Any) -> pd.Series:
    """The answer to ROW with changes."""
    return answers(ROW, **changes).iloc[0]


def meant(**changes: Any) -> Any:
    """The label of ROW with changes."""
    return read(Rows(pd.DataFrame([ROW | changes]))).labels[0]


# --- order and index ------------------------------------------------------------------------------------------------

LOADS = [ROW | {"concurrency": float(c)} for c in (4, 8, 16, 32)]
INDICES = {
    "shuffled": pd.Index([3, 1, 2, 0]),
    "twice the same": pd.Index([7, 7, 7, 7]),
    "texts": pd.Index(["b", "a", "", "ü"]),
    "several levels": pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1), ("x", 1)], names=["site", "run"]),
    "dates": pd.date_range("2026-01-01", periods=4, name="day"),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_rows_keep_their_index_and_order(index: pd.Index) -> None:
    """The answers are those of the rows by place, whatever they are called."""
    found = predict_serving(pd.DataFrame(LOADS, index=index))
    assert found.index.equals(index)
    assert found.index.names == index.names
    assert list(found.columns) == COLUMNS
    alone = [float(one(concurrency=row["concurrency"])["tpot_ms"]) for row in LOADS]
    assert found["tpot_ms"].tolist() == pytest.approx(alone, rel=1e-12)
    assert len(set(alone)) == len(alone)


@settings(max_examples=20, deadline=None)
@given(order=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_a_row_is_answered_by_itself(order: list[int]) -> None:
    """In any order, number and company."""
    kinds = [ROW, EXPERTS, ROW | {"model": "nothing known"}, ROW | {"concurrency": 900}, ROW | {"system": "B200"},
             ROW | {"engine": "vllm", "precision": "bf16"}]  # fmt: skip
    alone = answers(*kinds)
    pd.testing.assert_frame_equal(
        answers(*(kinds[i] for i in order)).drop(columns="error"),
        alone.iloc[order].reset_index(drop=True).drop(columns="error"),
        rtol=1e-12,
    )


def test_an_empty_frame() -> None:
    """No rows, no answers, the same columns; also where there are no columns."""
    for frame in (pd.DataFrame([ROW]).iloc[:0], pd.DataFrame()):
        found = predict_serving(frame)
        assert list(found.columns) == COLUMNS
        assert len(found) == 0
        assert found["tpot_ms"].dtype == np.float64


def test_the_frame_is_left_alone() -> None:
    """What is asked stays as it was."""
    frame = pd.DataFrame([ROW, EXPERTS])
    before = frame.copy(deep=True)
    predict_serving(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_other_columns_may_hold_anything() -> None:
    """Notes, lists, a column that stands twice: read over. Measured values too."""
    frame = pd.DataFrame([ROW]).assign(notes=[["a", {}]], tpot_ms="?", split=None, source=3)
    frame.insert(0, "x", 1)
    frame.insert(0, "x", 2, allow_duplicates=True)
    pd.testing.assert_frame_equal(predict_serving(frame), answers(ROW))


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    ["engine", "engine_version", "precision", "gemm_quant", "moe_quant", "pipeline_parallel", "gpus",
     "attention_data_parallel", "moe_tensor_parallel", "expert_parallel"],
)  # fmt: skip
@pytest.mark.parametrize("row", [ROW, EXPERTS], ids=["dense", "experts"])
def test_a_column_that_is_missing_is_one_that_is_empty(column: str, row: dict[str, Any]) -> None:
    """NaN, None, an empty text and no such column are the same: not stated."""
    small = row | {"tensor_parallel": 8, "expert_parallel": 1}
    plain = {name: cell for name, cell in small.items() if name != column}
    found = predict_serving(pd.DataFrame([plain]))
    assert found["error"].tolist() == [""]
    for empty in (np.nan, None, "", pd.NA):
        pd.testing.assert_frame_equal(predict_serving(pd.DataFrame([plain | {column: empty}])), found)


def test_what_is_not_stated_has_a_default() -> None:
    """One rank, the model's own precision, no engine in particular."""
    plain = {name: ROW[name] for name in REQUIRED}
    label = read(Rows(pd.DataFrame([plain]))).labels[0]
    assert (label.layout, label.precision, label.engine, label.version) == ((4, 1, 1, 1), "bf16", "", "")
    assert meant(precision=None, gemm_quant=None, model="deepseek-ai/DeepSeek-V3").precision == "fp8"
    assert meant(precision=None, gemm_quant=None, moe_quant="nvfp4").precision == "fp4"
    assert meant(precision=None, gemm_quant="fp8").precision == "fp8"


@pytest.mark.parametrize("column", REQUIRED)
def test_a_column_that_must_be_there(column: str) -> None:
    """Each row says so, and none is predicted."""
    found = predict_serving(pd.DataFrame([ROW, EXPERTS]).drop(columns=column))
    assert found[NUMBERS].isna().all().all()
    assert [text.startswith(f"row {i}: {column}: is not stated (give ") for i, text in enumerate(found["error"])] == [
        True,
        True,
    ]


@pytest.mark.parametrize("what", [[ROW], ROW, None, "rows", np.zeros((2, 2)), pd.Series(ROW)])
def test_what_is_not_a_frame_is_an_input_error(what: Any) -> None:
    """Typed, naming what was given."""
    with pytest.raises(InputError, match=f"a DataFrame is wanted, not {type(what).__name__}"):
        predict_serving(what)


@pytest.mark.parametrize("column", ["model", "concurrency", "expert_parallel", "precision"])
def test_a_column_that_stands_twice_is_an_input_error(column: str) -> None:
    """Of those that are read."""
    frame = pd.DataFrame([ROW])
    frame.insert(0, column, frame[column], allow_duplicates=True)
    with pytest.raises(InputError, match=f"column '{column}' stands in the frame more than once"):
        predict_serving(frame)


# --- errors of rows -------------------------------------------------------------------------------------------------

BAD_NUMBERS = [0, -1, -3.5, np.inf, -np.inf, "lots", "inf", True, [1], "1e400", 1e300]
BAD: list[tuple[dict[str, Any], str, str]] = [  # changes of ROW, the field, part of the message
    ({"model": "meta-llama/Llama-3.1-71B"}, "model", "nearest are"),
    ({"model": "nothing known"}, "model", "unknown model 'nothing known'"),
    ({"model": None}, "model", "is not stated"),
    ({"system": "h101_sxm"}, "system", "unknown accelerator 'h101_sxm' (nearest are H10"),
    ({"system": ""}, "system", "is not stated"),
    ({"system": "H100 + A100"}, "system", "names 2 kinds"),
    ({"precision": "fp7"}, "precision", "unknown type 'fp7' (use one of "),
    ({"precision": None, "gemm_quant": "ternary"}, "gemm_quant", "unknown type 'ternary'"),
    ({"precision": None, "moe_quant": "ternary"}, "moe_quant", "unknown type 'ternary'"),
    ({"engine": "warp-drive"}, "engine", "unknown engine 'warp-drive' (use one of sglang, "),
    ({"tensor_parallel": 7}, "tensor_parallel", "7 ranks cannot split meta-llama"),
    ({"tensor_parallel": 128}, "tensor_parallel", "use a divisor of its 64 attention heads"),
    ({"tensor_parallel": 2.5}, "tensor_parallel", "2.5 cannot be used"),
    ({"pipeline_parallel": 81}, "pipeline_parallel", "has 80 layers (use fewer stages)"),
    ({"expert_parallel": 4}, "expert_parallel", "4 ranks cannot share the experts of meta-llama"),
    ({"model": EXPERTS["model"], "expert_parallel": 8}, "expert_parallel", "a divisor of its 256 experts, at most 4"),
    ({"model": EXPERTS["model"], "expert_parallel": 3}, "expert_parallel", "3 ranks cannot share the experts"),
    ({"model": EXPERTS["model"], "expert_parallel": 4, "moe_tensor_parallel": 2}, "moe_tensor_parallel", "too many"),
    ({"tensor_parallel": 1, "precision": "bf16"}, "tensor_parallel", "weights take 131.4 GiB of the 80 GiB of H100"),
    ({"input_tokens": 131_000}, "input_tokens", "with output_tokens is longer than the model takes"),
    *[
        ({field: cell}, field, "cannot be used")
        for field in ("input_tokens", "output_tokens", "concurrency", "tensor_parallel", "attention_data_parallel")
        for cell in BAD_NUMBERS
    ],
    ({"input_tokens": 0.5}, "input_tokens", "is less than a token (give at least 1)"),
    ({"output_tokens": 5e-324}, "output_tokens", "is less than a token"),
    ({"engine": {}}, "engine", "unknown engine '{}'"),
    ({"model": ["a"]}, "model", "unknown model"),
    *[({field: np.nan}, field, "is not stated") for field in ("input_tokens", "output_tokens", "concurrency")],
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field", "message"), BAD, ids=lambda v: str(v)[:40])
def test_a_bad_row_says_what_is_wrong_and_leaves_its_neighbours(
    changes: dict[str, Any], field: str, message: str
) -> None:
    """Its own numbers are NaN; the message names the row, the field and the mend; the others are as they were."""
    rows = [ROW, ROW | changes, EXPERTS, ROW | changes | {"concurrency": changes.get("concurrency", 8)}]
    found = predict_serving(pd.DataFrame(rows, index=["a", "b", "c", "d"]))
    good = predict_serving(pd.DataFrame([ROW, EXPERTS], index=["a", "c"]))
    pd.testing.assert_frame_equal(found.loc[["a", "c"]], good)
    for row in ("b", "d"):
        error = found.loc[row, "error"]
        assert error.startswith(f"row {row}: {field}: ")
        assert message in error
        assert error.endswith(")")
        assert found.loc[row, NUMBERS].isna().all()
        assert found.loc[row, "evidence"] == ""


def test_an_unknown_model_names_the_nearest() -> None:
    """A wrong letter is told with the right name."""
    assert "Llama-3.1-70B" in one(model="meta-llama/Llama-3.1-70X")["error"]


def test_a_context_may_be_as_long_as_the_model_takes() -> None:
    """131,072 tokens of Llama-3.1, and not one more."""
    assert one(input_tokens=131_000, output_tokens=72)["error"] == ""
    assert "longer" in one(input_tokens=131_000, output_tokens=73)["error"]


def test_a_frame_of_bad_rows() -> None:
    """Nothing to predict is no reason to fail."""
    found = answers(ROW, EXPERTS, model="nothing known")
    assert found[NUMBERS].isna().all().all()
    assert (found["error"] != "").all()
    assert found["evidence"].tolist() == ["", ""]


CELLS = st.sampled_from(
    [0, -1, 1, 2, 3, 1e9, 1e308, 5e-324, np.nan, np.inf, None, "", " 8 ", "x", True, (), {}, pd.NA, pd.NaT, 10**400,
     b"8", np.float32(4), np.int64(2), "1_000", 0.5]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(cells=st.dictionaries(st.sampled_from(sorted(ROW)), CELLS, min_size=1, max_size=4))
def test_no_cell_breaks_the_door(cells: dict[str, Any]) -> None:
    """A row is predicted or has an error, and never both; its neighbour is as it was."""
    found = predict_serving(pd.DataFrame([ROW | cells, EXPERTS]).astype(object))
    row = found.iloc[0]
    assert bool(row["error"]) == bool(row[NUMBERS].isna().all()) == bool(row[NUMBERS].isna().any())
    assert found.iloc[1][NUMBERS].astype(float).tolist() == answers(EXPERTS).iloc[0][NUMBERS].astype(float).tolist()


# --- what is said ---------------------------------------------------------------------------------------------------


def test_intervals_enclose_their_means() -> None:
    """Below and above by the same factor; evidence is one of three words."""
    found = answers(ROW, EXPERTS, ROW | {"engine": None}, ROW | {"model": "mosaicml/mpt-125m", "tensor_parallel": 1,
                    "system": "L4"})  # fmt: skip
    assert found["error"].tolist() == [""] * 4
    for metric in ("tpot_ms", "ttft_ms"):
        mean, low, high = found[metric], found[f"{metric}_lo"], found[f"{metric}_hi"]
        assert ((low > 0) & (low < mean) & (mean < high)).all()
        assert (mean / low).tolist() == pytest.approx((high / mean).tolist())
    assert set(found["evidence"]) <= {"measured", "calibrated", "physics"}


SPELT: dict[str, dict[Any, str]] = {  # what measurement files write: what it means
    "model": {
        "MiniMaxAI/MiniMax-M2.5": "MiniMaxAI/MiniMax-M2.5",
        "nvidia/DeepSeek-R1-NVFP4": "DeepSeek",
        "nvidia/DeepSeek-V3.1-NVFP4": "DeepSeek",
        "nvidia/Qwen3-32B-NVFP4": "Qwen3-32B",
        "Qwen/Qwen3.5-397B-A17B": "Qwen3.5-397B-A17B",
        "openai/gpt-oss-120b": "gpt-oss-120b",
        "zhipuai/GLM-5": "GLM-5",
        "LLAMA3.1_70B": "Llama-3.1-70B",
    },
    "system": {
        "b200_sxm": "B200", "h200_sxm": "H200", "gb200": "GB200", "h100_sxm": "H100", "NVIDIA H200-SXM-141GB": "H200",
        "a100_sxm": "A100-80", "l40s": "L40S", "AMD Instinct MI325X 256GB HBM3e": "MI325X",
    },
    "engine": {
        "trtllm": "trtllm", "TensorRT-LLM": "trtllm", "TRTLLM": "trtllm", "vllm": "vllm", "vLLM": "vllm",
        "SGLang": "sglang", "sglang": "sglang", None: "",
    },
    "precision": {
        "fp8": "fp8", "FP8": "fp8", "fp8_block": "fp8", "nvfp4": "fp4", "fp4": "fp4", "bf16": "bf16", "fp16": "bf16",
        "BF16": "bf16", "int4_wo": "int4", "w4a16_mxfp4": "mxfp4",
    },
}  # fmt: skip


@pytest.mark.parametrize(("column", "said"), [(column, said) for column, table in SPELT.items() for said in table])
def test_spellings(column: str, said: str | None) -> None:
    """Each is read as what it means."""
    many: dict[str, Any] = {"tensor_parallel": 8, "attention_data_parallel": 8}
    label = meant(**{column: said}, **many)
    read_as = {
        "model": label.architecture.name,
        "system": label.accelerator,
        "engine": label.engine,
        "precision": label.precision,
    }[column]
    wanted = SPELT[column][said]
    assert read_as == wanted if column != "model" else wanted in read_as
    assert one(**{column: said}, **many)["error"] == ""


def test_numbers_may_be_texts() -> None:
    """As a spreadsheet writes them."""
    texts = {name: f" {ROW[name]} " for name in ("input_tokens", "output_tokens", "concurrency", "tensor_parallel")}
    pd.testing.assert_frame_equal(answers(ROW | texts), answers(ROW))


def test_what_is_published_in_mxfp4_stays_in_it() -> None:
    """The experts of gpt-oss are stored in MXFP4, whatever type of arithmetic is stated."""
    for said in ("fp8", "fp4", "bf16", None):
        assert meant(model="openai/gpt-oss-120b", precision=said, gemm_quant=None).precision == "mxfp4"


def test_the_layout_is_of_the_engine() -> None:
    """Tensor, pipeline, attention data and expert parallel; attention ranks multiply what an engine holds."""
    assert meant(**EXPERTS | {"pipeline_parallel": 2}).layout == (1, 2, 8, 8)
    few, many = one(attention_data_parallel=1, concurrency=2000), one(attention_data_parallel=8, concurrency=2000)
    assert many["ttft_ms"] < few["ttft_ms"]


# --- observations ---------------------------------------------------------------------------------------------------


def observed(rows: list[dict[str, Any]], asked: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(answers without observations, answers with them)."""
    frame = pd.DataFrame(asked)
    return predict_serving(frame), predict_serving(frame, observations=pd.DataFrame(rows))


def test_observations_correct_their_own_deployment() -> None:
    """Twice as slow as predicted: most of it is believed, the interval narrows; other deployments stay."""
    plain = one()
    slow = ROW | {"tpot_ms": 2 * plain["tpot_ms"]}
    before, after = observed([slow] * 20, [ROW, ROW | {"tensor_parallel": 8}, EXPERTS])
    assert after["tpot_ms"].iloc[0] == pytest.approx(2 * plain["tpot_ms"], rel=0.1)
    assert after["evidence"].iloc[0] == "measured"
    for column in NUMBERS[3:]:
        assert after[column].iloc[0] == before[column].iloc[0]  # TTFT was not observed
    pd.testing.assert_frame_equal(after.iloc[1:], before.iloc[1:])
    width = [np.log(found["tpot_ms_hi"].iloc[0] / found["tpot_ms_lo"].iloc[0]) for found in (before, after)]
    assert width[1] <= width[0]


def test_observations_are_of_a_deployment_in_any_spelling() -> None:
    """The same model, machine, engine, type and layout by other names; another release too."""
    plain = one()
    other = ROW | {"model": "LLAMA3.1_70B", "system": "NVIDIA H100", "engine": "TensorRT-LLM", "precision": "fp8_block",
                   "engine_version": "9.9", "tpot_ms": 2 * plain["tpot_ms"]}  # fmt: skip
    before, after = observed([other] * 5, [ROW])
    assert after["tpot_ms"].iloc[0] > 1.1 * before["tpot_ms"].iloc[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "nothing known"}, "observations: row 1: model: unknown model"),
        ({"tpot_ms": -1}, "observations: row 1: tpot_ms: -1"),
        ({"tpot_ms": None}, "observations: row 1: tpot_ms: is not stated"),
        ({"concurrency": 0}, "observations: row 1: concurrency: 0"),
    ],
)
def test_an_observation_that_cannot_be_used_is_an_input_error(changes: dict[str, Any], message: str) -> None:
    """Naming its row: what was measured is never dropped in silence."""
    rows = pd.DataFrame([ROW | {"tpot_ms": 10.0}, ROW | {"tpot_ms": 10.0} | changes])
    with pytest.raises(InputError, match=message):
        predict_serving(pd.DataFrame([ROW]), observations=rows)


def test_no_observations_change_nothing() -> None:
    """An empty frame of them."""
    frame = pd.DataFrame([ROW, EXPERTS])
    pd.testing.assert_frame_equal(
        predict_serving(frame, observations=pd.DataFrame([ROW | {"tpot_ms": 1.0}]).iloc[:0]), predict_serving(frame)
    )
