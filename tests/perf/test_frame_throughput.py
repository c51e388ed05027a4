"""The throughput door: what rows say and leave unsaid, order and index, and errors that stay with their row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.perf import predict_throughput
from solver.perf.frames.rows import Rows
from solver.perf.frames.throughput import calibration
from solver.perf.frames.throughput_reading import Row, read, tasks

TABLE = {
    "family": "TensorRT-LLM perf-overview",
    "model": "Llama-3.3-70B",
    "gpu": "H200-SXM",
    "n_gpus": 1,
    "tp": 1,
    "precision": "FP8",
    "backend": "trtllm",
    "backend_version": "v1.0 era",
    "scenario": "offline max load",
    "isl": 1000,
    "osl": 1000,
}
MLPERF = {
    "family": "MLPerf Inference v5.1 closed",
    "model": "llama2-70b-99.9",
    "gpu": "NVIDIA H200-SXM-141GB",
    "n_gpus": 8,
    "precision": "fp8",
    "backend": "TensorRT 10.11, CUDA 12.9",
    "scenario": "Offline",
}
BENCH = {
    "family": "GPUStack performance lab",
    "model": "Qwen3-32B",
    "gpu": "H100-SXM",
    "n_gpus": 8,
    "precision": "model default",
    "backend": "vllm",
    "backend_version": "v0.11.0",
    "scenario": "serving bench",
    "isl": 219.2,
    "osl": 200.8,
    "concurrency": 1000,
    "n_requests": 1000,
    "request_rate": np.inf,
    "serving_command": "vllm serve Qwen/Qwen3-32B-FP8 -tp 2",
}


def one(base: dict[str, Any], **changes: Any) -> Row:
    """What a single row is read as."""
    rows = Rows(pd.DataFrame([base | changes]))
    found = read(rows).rows
    assert rows.errors == [""]
    return found[0]


def figures(*rows: dict[str, Any]) -> list[float]:
    """Tokens a second of rows."""
    found = predict_throughput(pd.DataFrame(list(rows)))
    assert found["error"].tolist() == [""] * len(rows)
    return [float(value) for value in found["tokens_per_s"]]


def error(base: dict[str, Any], **changes: Any) -> str:
    """The error of a single row, whose figures are NaN."""
    found = predict_throughput(pd.DataFrame([base | changes]))
    assert found[["tokens_per_s", "tokens_per_s_lo", "tokens_per_s_hi"]].isna().all(axis=None)
    return str(found["error"].iloc[0])


@pytest.mark.parametrize(
    ("base", "changes", "published", "within"),
    [
        (TABLE, {}, 2909.0, 0.15),
        (TABLE, {"gpu": "B200", "precision": "FP4", "isl": 128, "osl": 2048}, 9922.0, 0.15),
        (MLPERF, {}, 34900.0, 0.15),
        (MLPERF, {"model": "mixtral-8x7b"}, 61700.0, 0.15),
    ],
)
def test_published_figures(base: dict[str, Any], changes: dict[str, Any], published: float, within: float) -> None:
    """NVIDIA's performance overview and MLPerf 5.1, which the calibration has seen, inside the interval too."""
    found = predict_throughput(pd.DataFrame([base | changes])).iloc[0]
    assert found["tokens_per_s"] == pytest.approx(published, rel=within)
    assert found["tokens_per_s_lo"] < published < found["tokens_per_s_hi"]
    assert found["evidence"] == "measured"


def test_order_index_and_bad_rows_between_good_ones() -> None:
    """The same index, twice the same label, and good rows as if they were alone."""
    rows = [TABLE, TABLE | {"model": "Llama-9"}, MLPERF, TABLE | {"isl": -1}, BENCH]
    frame = pd.DataFrame(rows, index=["b", "a", "b", 7, None])
    found = predict_throughput(frame)
    assert found.index.equals(frame.index)
    assert found["error"].ne("").tolist() == [False, True, False, True, False]
    alone = [predict_throughput(frame.iloc[[i]]) for i in range(len(frame))]
    pd.testing.assert_frame_equal(pd.concat(alone), found)
    assert list(found.columns) == ["tokens_per_s", "tokens_per_s_lo", "tokens_per_s_hi", "evidence", "error"]


def test_no_rows() -> None:
    """An empty frame has an empty answer with the same columns."""
    assert (
        predict_throughput(pd.DataFrame()).columns.tolist()
        == predict_throughput(pd.DataFrame([TABLE])).columns.tolist()
    )
    assert len(predict_throughput(pd.DataFrame([TABLE]).iloc[:0])) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "Lama-3.3-70B"}, r"model: unknown model 'Lama-3.3-70B' \(nearest are"),
        ({"model": None}, r"model: is not stated"),
        ({"gpu": "MI300X (x32), MI325X (x16)"}, r"gpu: .* names 2 kinds of accelerator .*a row for each kind"),
        ({"gpu": float("nan")}, r"gpu: is not stated"),
        ({"precision": "fp7"}, r"precision: unknown number type 'fp7' \(use one of bf16"),
        ({"isl": 0}, r"isl: 0 cannot be used \(give a number above 0"),
        ({"isl": float("nan")}, r"isl: is not stated \(give the mean number of tokens\)"),
        ({"osl": -5}, r"osl: -5 cannot be used"),
        ({"osl": 1e-270}, r"osl: 1e-270 tokens are no request \(give the mean number of tokens\)"),
        ({"osl": "many"}, r"osl: 'many' cannot be used"),
        ({"n_gpus": 0}, r"n_gpus: 0 cannot be used"),
        ({"n_gpus": 1.5}, r"n_gpus: 1.5 cannot be used"),
        ({"n_gpus": None, "tp": None}, r"n_gpus: is not stated"),
        ({"tp": 0}, r"tp: 0 cannot be used"),
        ({"request_rate": -3}, r"request_rate: '-3' cannot be used"),
        ({"request_rate": "fast"}, r"request_rate: 'fast' cannot be used"),
        ({"model": "Llama-3.1-405B"}, r"n_gpus: .*405B in fp8 does not fit 1 × H200 \(give more accelerators"),
    ],
)
def test_errors_name_row_field_and_mend(changes: dict[str, Any], message: str) -> None:
    """A stated value that cannot be used is never replaced by a default."""
    said = error(TABLE, **changes)
    assert said.startswith("row 0: ")
    assert pd.Series([said]).str.contains(message).all(), said


def test_not_a_frame() -> None:
    """A list is not a DataFrame."""
    with pytest.raises(InputError, match="DataFrame"):
        predict_throughput([TABLE])


def test_mlperf_says_its_lengths_and_limits() -> None:
    """OpenOrca's means; 200 ms a token in Server, 40 in Interactive, under either name; none Offline."""
    row = one(MLPERF)
    assert (row.input_tokens, row.output_tokens, row.tpot_limit_s, row.limited) == (294, 294, np.inf, False)
    assert one(MLPERF, osl=273.5).output_tokens == 273.5
    assert (one(MLPERF, scenario="Server").tpot_limit_s, one(MLPERF, scenario="Interactive").tpot_limit_s) == (
        0.2,
        0.04,
    )
    assert one(MLPERF, model="llama2-70b-interactive-99", scenario="Server").tpot_limit_s == 0.04
    assert one(MLPERF, model="llama3.1-405b").input_tokens == 9428
    assert one(MLPERF, model="qwen3-8b").input_tokens == tasks()["*"].input_tokens
    offline, server, interactive = figures(*(MLPERF | {"scenario": s} for s in ("Offline", "Server", "Interactive")))
    assert offline > server > interactive


def test_layouts_of_systems() -> None:
    """Unstated: every power of two that fills the system; stated: copies of it, or the one engine of a command."""
    assert one(MLPERF).layouts == ((1, 1, 1, 8.0), (2, 1, 1, 4.0), (4, 1, 1, 2.0), (8, 1, 1, 1.0))
    assert one(MLPERF, n_gpus=12).layouts == ((1, 1, 1, 12.0), (2, 1, 1, 6.0), (4, 1, 1, 3.0))
    assert one(TABLE, n_gpus=8, tp=2).layouts == ((2, 1, 1, 4.0),)
    assert one(TABLE, n_gpus=8, tp=1, pp=8).layouts == ((1, 8, 1, 1.0),)
    assert one(TABLE, n_gpus=None, tp=4).accelerators == 4
    assert one(BENCH).layouts == ((2, 1, 1, 1.0),)
    assert one(BENCH, tp=4).layouts == ((4, 1, 1, 1.0),)
    assert one(BENCH, serving_command="vllm serve Qwen/Qwen3-32B").layouts == ((8, 1, 1, 1.0),)
    alone = one(BENCH, model="Qwen3-235B-A22B", n_gpus=1, serving_command="vllm serve Qwen/Qwen3-235B-A22B")
    assert alone.layouts == ((8, 1, 1, 1.0),)  # 470 GB need seven H100


def test_attention_ranks_share_experts() -> None:
    """A mixture of experts with attention data parallelism, in a note or a command; a dense model has none."""
    notes = "MoE: attention-dp enabled, kv frac up to .95"
    moe = one(TABLE, model="Qwen3-235B-A22B", n_gpus=8, tp=8, notes=notes)
    assert moe.layouts == ((1, 1, 8, 1.0),)
    assert one(TABLE, n_gpus=8, tp=8, notes=notes).layouts == ((8, 1, 1, 1.0),)
    command = "python3 -m sglang.launch_server --model-path deepseek-ai/DeepSeek-R1-0528 --tp 8 --enable-dp-attention"
    assert one(BENCH, model="DeepSeek-R1", backend="sglang", serving_command=command).layouts == ((1, 1, 8, 1.0),)


@pytest.mark.parametrize(
    ("changes", "stored"),
    [
        ({}, "fp8"),  # the command's name
        ({"serving_command": "vllm serve Qwen/Qwen3-32B-AWQ"}, "int4"),
        ({"serving_command": "vllm serve Qwen/Qwen3-32B"}, "bf16"),
        ({"serving_command": "", "model": "gpt-oss-20b"}, "fp4"),  # published in it
        ({"serving_command": "", "model": "llama3_1-70b-fp8_dyn", "precision": "UNSET"}, "fp8"),
        ({"precision": "awq/int4"}, "int4"),
        ({"precision": "INT8"}, "int8"),
        ({"precision": "mxfp4"}, "fp4"),
        ({"precision": "FP16"}, "bf16"),
    ],
)
def test_number_types(changes: dict[str, Any], stored: str) -> None:
    """A stated type, else what the command or the label says, else what the model is published in."""
    assert one(BENCH, **changes).stored == stored


@pytest.mark.parametrize(
    ("base", "changes", "stack", "largest"),
    [
        (TABLE, {}, "tensorrt-llm", 2048),
        (TABLE, {"backend_version": "0.11.0"}, "tensorrt-engine", 2048),
        (TABLE, {"backend_version": "1.2.0rc1"}, "tensorrt-llm", 2048),
        (TABLE, {"backend_version": "0.21"}, "tensorrt-llm", 2048),
        (MLPERF, {}, "tensorrt-tuned", 4096),
        (MLPERF, {"gpu": "MI300X", "backend": "vLLM 0.6.5.dev964+mlperf50, ROCm 6.3.1"}, "vllm-tuned", 4096),
        (MLPERF, {"backend": "vLLM v0.9.2"}, "vllm", 1024),
        (BENCH, {}, "vllm", 1024),
        (BENCH, {"gpu": "A100-80GB"}, "vllm", 256),
        (BENCH, {"serving_command": "vllm serve Qwen/Qwen3-32B --max-num-seqs 64"}, "vllm", 64),
        (BENCH, {"backend": None, "serving_command": "mindie serve Qwen3-32B"}, "mindie", 1024),
        (BENCH, {"backend": None, "serving_command": None, "notes": "Baseline / SGLang / result"}, "sglang", 4096),
        (BENCH, {"backend": "sglang", "serving_command": "sglang --speculative-algorithm EAGLE"}, "sglang", 48),
        (BENCH, {"backend": None, "serving_command": "a runner"}, "other", 1024),
    ],
)
def test_stacks(base: dict[str, Any], changes: dict[str, Any], stack: str, largest: int) -> None:
    """Told by back-end, command or notes; their default batches, or a stated one."""
    row = one(base, **changes)
    assert (row.stack, row.largest_batch) == (stack, largest)


def test_caches() -> None:
    """FP8 with TensorRT's narrow weights, BF16 elsewhere unless the command says otherwise."""
    assert (one(TABLE).kv_bytes, one(TABLE, precision="FP16").kv_bytes, one(BENCH).kv_bytes) == (1.0, 2.0, 2.0)
    assert one(BENCH, serving_command="vllm serve Qwen/Qwen3-32B --kv-cache-dtype fp8").kv_bytes == 1.0


def test_a_page_of_another_model() -> None:
    """Only when the command serves what the page is of is the label passed over."""
    wrong = {"model": "Qwen/Qwen3-30B-A3B", "serving_command": "mindie serve vllm-ascend/Qwen3-8B-W8A8"}
    page = {"source": "github gpustack/gpustack docs/performance-lab/qwen3-8b/910b.md"}
    assert one(BENCH, **wrong, **page).model.name == "Qwen/Qwen3-8B"
    assert one(BENCH, **wrong).model.name == "Qwen/Qwen3-30B-A3B"
    other = {"source": "github gpustack/gpustack docs/performance-lab/qwen3-30b-a3b/910b.md"}
    assert one(BENCH, **wrong, **other).model.name == "Qwen/Qwen3-30B-A3B"


def test_arrivals_bound_the_rate() -> None:
    """Of a column or of a note: no more tokens than requests bring, but for the correction's factor."""
    row = one(BENCH, notes="Other Benchmark Cases / Rate 4 / info")
    assert (row.requests_per_s, one(BENCH, request_rate=2.5).requests_per_s) == (4.0, 2.5)
    free, held = figures(BENCH, BENCH | {"request_rate": 0.5})
    assert held < free / 2


def test_chats_vary_and_made_prompts_do_not() -> None:
    """Only a bench whose prompts were not made to a length ends with its longest outputs."""
    assert one(BENCH).varied
    assert not one(BENCH, isl=1009.9).varied
    assert not one(BENCH, isl=126.9).varied
    assert not one(TABLE, isl=219.2).varied


def test_intervals_widen_with_what_is_unknown() -> None:
    """A measured deployment, a new one of a measured model and accelerator, a new accelerator."""
    found = predict_throughput(
        pd.DataFrame([TABLE, TABLE | {"n_gpus": 4, "tp": 4}, TABLE | {"gpu": "Gaudi3", "n_gpus": 4, "tp": 4}])
    )
    ratio = found["tokens_per_s_hi"] / found["tokens_per_s_lo"]
    assert ratio.is_monotonic_increasing
    assert ratio.iloc[0] > 1.05
    assert found["evidence"].tolist() == ["measured", "calibrated", "physics"]


def test_the_calibration_is_sound() -> None:
    """Shares stay below 1, every interval has its width, effects have errors no larger than their term's spread."""
    fitted = calibration()
    assert all(fitted.constants[name] < 1 for name in ("memory_efficiency", "cache_efficiency", "usable_memory"))
    kinds = {f"{s}, {k}" for s in ("measured", "known", "new") for k in ("steady", "bench", "unknown engine")}
    assert set(fitted.widths) == kinds
    assert all(1.0 < width < 4.0 for width in fitted.widths.values())
    for name, effect in fitted.effects.items():
        assert 0 <= effect.error <= fitted.spreads[name.partition(": ")[0]] * 1.001, name


@given(
    st.dictionaries(
        st.sampled_from(sorted({*TABLE, *BENCH, "pp", "notes", "source"})),
        st.one_of(st.none(), st.text(max_size=12), st.floats(), st.integers(-5, 10**12), st.booleans()),
        max_size=6,
    )
)
@settings(max_examples=150)
def test_any_cell_is_predicted_or_refused(changes: dict[str, Any]) -> None:
    """No row gives a traceback, and a row without an error has three ordered figures above 0."""
    found = predict_throughput(pd.DataFrame([BENCH | changes])).iloc[0]
    if found["error"]:
        assert np.isnan(found["tokens_per_s"])
    else:
        assert 0 < found["tokens_per_s_lo"] < found["tokens_per_s"] < found["tokens_per_s_hi"] < np.inf


@given(
    model=st.sampled_from(("Llama-3.3-70B", "Qwen3-235B-A22B", "mixtral-8x7b", "Llama-3.1-8B")),
    gpu=st.sampled_from(("H100", "H200", "B200", "MI325X", "L40S")),
    n=st.sampled_from((8, 16, 32)),
    isl=st.integers(16, 16_000),
)
@settings(max_examples=40)
def test_a_larger_system_is_never_slower(model: str, gpu: str, n: int, isl: int) -> None:
    """Physics and corrections together, where neither size was measured."""
    row = {"model": model, "gpu": gpu, "backend": "trtllm", "precision": "fp8", "isl": isl, "osl": 777}
    small, large = figures(row | {"n_gpus": n}, row | {"n_gpus": 2 * n})
    assert large >= small
