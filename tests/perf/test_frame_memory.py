"""The memory door: published peaks and failures, order and index, and errors of a row that stay with the row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.perf import predict_memory
from solver.perf.frames.memory import calibration

TUNING = "github NVIDIA-NeMo/Megatron-Bridge skills/nemo-mbridge-perf-memory-tuning/SKILL.md"
RECOMPUTE = "github NVIDIA-NeMo/Megatron-Bridge skills/nemo-mbridge-perf-activation-recompute/SKILL.md"
TORCHTITAN = "github pytorch/torchtitan benchmarks/llama3_h100_202412_torchtitan.md"
PAPER = "arXiv 2205.05198 Fig 1"
SFT = {
    "kind": "peak",
    "model": "Llama-3-70B SFT",
    "gpu": "H100-80GB",
    "n_gpus": 32,
    "tp": 4,
    "pp": 4,
    "vp": 5,
    "mbs": 1,
    "gbs": 32,
    "seq_len": 4096,
    "precision": "FP8-CS",
    "source": TUNING,
}
HYBRID = {
    "kind": "peak rank0 after it.1-2",
    "model": "hybrid Mamba-MoE (see source)",
    "gpu": "H100-80GB",
    "n_gpus": 16,
    "tp": 1,
    "pp": 1,
    "ep": 8,
    "dp": 16,
    "mbs": 1,
    "gbs": 16,
    "seq_len": 8192,
    "source": RECOMPUTE,
}
LLAMA_8B = {
    "kind": "peak reserved/active (torchtitan log)",
    "model": "Llama-3.1-8B",
    "gpu": "H100-96GB-HBM2e-500W",
    "n_gpus": 8,
    "fsdp": 8,
    "mbs": 2,
    "seq_len": 8192,
    "recompute": "selective",
    "notes": "compile",
    "source": TORCHTITAN,
}
PAPER_22B = {"kind": "split (paper figure)", "model": "megatron-22B", "gpu": "A100-80GB", "tp": 8, "mbs": 4}
PAPER_22B |= {"seq_len": 2048, "precision": "fp16", "recompute": "none", "source": PAPER}
PAPER_530B = PAPER_22B | {"model": "turing-530B", "pp": 35, "mbs": 1}


def one(**cells: Any) -> pd.Series:
    """The answer to one row."""
    return predict_memory(pd.DataFrame([cells])).iloc[0]


@pytest.mark.parametrize(
    "row",
    [
        SFT | {"notes": "baseline"},
        SFT | {"recompute": "core_attn", "source": RECOMPUTE},
        SFT | {"recompute": "core_attn+layernorm", "source": RECOMPUTE},
        HYBRID | {"recompute": "none"},
        HYBRID | {"recompute": "moe_act"},
        PAPER_22B,
        PAPER_22B | {"model": "gpt3-175B", "pp": 8, "mbs": 1},
        PAPER_530B,
        PAPER_22B | {"model": "megatron-1T", "pp": 64, "mbs": 1},
    ],
)
def test_what_ran_out_of_memory_does_not_fit(row: dict[str, Any]) -> None:
    """Published failures: Megatron-Bridge's guides, and the baselines of arXiv 2205.05198 on 80 GB."""
    assert one(**row)["fits"] == False  # noqa: E712


@pytest.mark.parametrize(
    ("row", "gib"),
    [
        (SFT | {"notes": "baseline + expandable_segments"}, 59.0e9 / 2**30),
        (SFT | {"pp": 8}, 53.2e9 / 2**30),
        (SFT | {"recompute": "mlp", "source": RECOMPUTE}, 55.6e9 / 2**30),
        (HYBRID | {"recompute": "moe"}, 64.653e9 / 2**30),
        (HYBRID | {"recompute": "moe+layernorm"}, 63.639e9 / 2**30),
        (LLAMA_8B, 77.0),
        (LLAMA_8B | {"n_gpus": 128, "fsdp": 128}, 62.0),
        (LLAMA_8B | {"recompute": "full", "mbs": 1, "seq_len": 32_768, "precision": "float8"}, 83.9),
    ],
)
def test_what_ran_fits_and_is_within_the_interval(row: dict[str, Any], gib: float) -> None:
    """Published peaks of Megatron-Bridge's guides and torchtitan's table."""
    found = one(**row)
    assert found["fits"] == True  # noqa: E712
    assert found["peak_gib_lo"] <= gib <= found["peak_gib_hi"]
    assert found["evidence"] == "calibrated"


def test_a_run_that_fails_at_its_first_update_has_no_moments_yet() -> None:
    """66.297 and 62.103 GB were read after iterations 1 and 2 of runs that failed; rank 0 would need more."""
    found = one(**HYBRID, recompute="none")
    assert found["peak_gib"] == pytest.approx(66.297e9 / 2**30, rel=0.02)
    parts = found[["weights_gib", "activations_gib", "gradients_gib", "optimizer_gib", "framework_gib"]].sum()
    assert parts > found["peak_gib"] + 0.6 * found["optimizer_gib"]


@pytest.mark.parametrize(
    ("model", "tp", "gib"),
    [("Meta-Llama-3.1-70B-Instruct w8a8", 1, 67.7229), ("Meta-Llama-3.1-405B-Instruct-FP8", 8, 57.752)],
)
def test_weights_as_vllm_logs_them(model: str, tp: int, gib: float) -> None:
    """VLLM pull request 12569 and issue 6746: its "GB" are GiB."""
    found = one(kind="vLLM log", model=model, tp=tp)
    assert found["peak_gib"] == found["weights_gib"] == pytest.approx(gib, rel=0.02)


def test_figures_of_the_paper_count_layers_only() -> None:
    """45.5625 and 59.25 GiB of 22B (figure 1): no vocabulary, no framework; three virtual stages for 530B."""
    found = one(**PAPER_22B)
    assert found["weights_gib"] + found["gradients_gib"] + found["optimizer_gib"] == pytest.approx(45.5625, rel=2e-4)
    assert found["activations_gib"] == pytest.approx(59.25, rel=1e-4)
    assert found["framework_gib"] == 0
    assert one(**PAPER_530B)["activations_gib"] == pytest.approx(114.0234, rel=1e-4)
    assert one(**(PAPER_530B | {"vp": 1}))["activations_gib"] == pytest.approx(114.0234 / (1 + 34 / 105), rel=1e-4)


def test_logs_are_of_the_last_stage_and_fits_of_the_fullest() -> None:
    """Interleaved: the first stage keeps 23 chunks where the last keeps 17."""
    last, first, fullest = (one(**(SFT | {"kind": k})) for k in ("peak", "peak rank 0", ""))
    assert first["activations_gib"] / last["activations_gib"] == pytest.approx(23 / 17, rel=0.05)
    assert fullest["peak_gib"] == first["peak_gib"] > last["peak_gib"]
    assert last["fits"] == first["fits"] == fullest["fits"]


def test_the_interval_is_around_the_peak() -> None:
    """A model or framework that was not measured has a wider one, and says so."""
    known, new = one(**LLAMA_8B), one(**(LLAMA_8B | {"source": "", "model": "Qwen3-8B"}))
    for found in (known, new):
        assert found["peak_gib_lo"] < found["peak_gib"] < found["peak_gib_hi"]
    assert new["peak_gib_hi"] / new["peak_gib"] > known["peak_gib_hi"] / known["peak_gib"]
    assert new["evidence"] == "physics"
    assert new["peak_gib_hi"] / new["peak_gib"] == pytest.approx(np.exp(calibration().new_half_width))


def test_the_peak_is_what_is_counted_times_what_was_measured() -> None:
    """Framework and group: the sum of the components, corrected."""
    found, known = one(**LLAMA_8B), calibration()
    group = next(g for g in known.groups if g.startswith("torchtitan-2024 | meta-llama/Meta-Llama-3.1-8B"))
    parts = ["weights_gib", "cache_gib", "activations_gib", "gradients_gib", "optimizer_gib", "framework_gib"]
    factor = np.exp(known.frameworks["torchtitan-2024"] + known.groups[group])
    assert found["peak_gib"] == pytest.approx(found[parts].sum() * factor)
    assert factor != 1


def test_notes_tell_pipelines_of_torchtitan() -> None:
    """Interleaved: two virtual stages; local batch: micro-batches of a pipeline."""
    row = {"kind": "peak", "model": "Llama-3.1-405B", "n_gpus": 512, "tp": 8, "pp": 8, "fsdp": 8, "seq_len": 8192}
    row |= {"recompute": "full", "source": TORCHTITAN}
    plain = one(**row, gbs=64)
    assert one(**row, notes="1F1B local batch 8")["activations_gib"] == plain["activations_gib"]
    assert one(**row, notes="1F1B local batch 32")["activations_gib"] == one(**row, gbs=256)["activations_gib"]
    both = one(**row, notes="Interleaved 1F1B local batch 8")["activations_gib"]
    assert both == one(**row, gbs=64, vp=2)["activations_gib"] > plain["activations_gib"]


MIXED = [SFT, HYBRID, LLAMA_8B, PAPER_530B, {"model": "no such model"}, {"model": "Qwen3-8B", "tp": -1}]


def test_order_and_index_are_the_frames() -> None:
    """Any order, any index, repeated labels too; and the frame is not touched."""
    frame = pd.DataFrame(MIXED, index=["a", "b", "a", "c", "d", "e"])
    before = frame.copy(deep=True)
    there = predict_memory(frame)
    assert there.index.tolist() == frame.index.tolist()
    back = predict_memory(frame.iloc[::-1])
    assert back.index.tolist() == frame.index.tolist()[::-1]
    pd.testing.assert_frame_equal(back.iloc[::-1], there)
    pd.testing.assert_frame_equal(frame, before)
    for row in range(len(frame)):
        alone = predict_memory(frame.iloc[[row]])
        pd.testing.assert_series_equal(alone.iloc[0], there.iloc[row], check_dtype=False)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"model": None}, "model: is not stated"),
        ({"model": "no such model"}, "model: unknown model"),
        ({"gpu": "Voodoo 2"}, "gpu: unknown accelerator"),
        ({"precision": "posit8"}, "precision: unknown precision"),
        ({"recompute": "everything"}, "recompute: unknown recomputation 'everything'"),
        ({"tp": 0}, "tp: 0 cannot be used"),
        ({"tp": "two"}, "tp: 'two' cannot be used"),
        ({"tp": 64, "n_gpus": None}, "tp: is more than the attention heads"),
        ({"pp": 1.5}, "pp: 1.5 cannot be used"),
        ({"pp": 64, "n_gpus": None}, "pp: stages are more than the layers"),
        ({"tp": 3}, "n_gpus: is no multiple of tp × pp × cp"),
        ({"dp": 4}, "dp: is not n_gpus ÷ (tp × pp × cp)"),
        ({"ep": 16}, "ep: is more than"),
        ({"ep": 8}, "ep: is more than the experts"),
        ({"gbs": 4}, "gbs: is less than one micro-batch for each copy"),
        ({"fsdp": "SOME_SHARD"}, "fsdp: 'SOME_SHARD' cannot be used"),
        ({"seq_len": -4096}, "seq_len: -4096 cannot be used"),
        ({"mbs": float("inf")}, "mbs: inf cannot be used"),
        ({"cp": 2e6}, "cp: 2000000.0 cannot be used (give a whole number above 0 up to 1048576"),
    ],
)
def test_errors_name_row_and_field(cells: dict[str, Any], said: str) -> None:
    """Such a row has no prediction, and its neighbour has one."""
    good = {"model": "Llama-3.1-8B", "n_gpus": 8, "gbs": 8, "seq_len": 4096}
    found = predict_memory(pd.DataFrame([good, good | cells], index=["good", "bad"], dtype=object))
    assert found.loc["good", "error"] == ""
    assert found.loc["good", "peak_gib"] > 0
    assert found.loc["bad", "error"].startswith(f"row bad: {said}")
    assert found.loc["bad"].filter(like="_gib").isna().all()
    assert found.loc["bad", "evidence"] == ""
    assert found.loc["bad", "fits"] is None


def test_columns_may_be_missing() -> None:
    """A model alone is enough: one accelerator, 8192 tokens, BF16, nothing recomputed; an empty frame is one too."""
    alone = one(model="Llama-3.1-8B")
    assert alone["error"] == ""
    assert alone["fits"] is None
    assert one(model="Llama-3.1-8B", gpu="B300")["fits"] is True
    assert alone["weights_gib"] * 2**30 == 2 * 8_030_261_248
    stated = one(model="Llama-3.1-8B", tp=1, pp=1, cp=1, ep=1, dp=1, mbs=1, seq_len=8192, precision="bf16")
    assert stated["peak_gib"] == alone["peak_gib"]
    assert predict_memory(pd.DataFrame({"model": []})).columns.tolist() == alone.index.tolist()
    with pytest.raises(InputError, match="DataFrame is wanted"):
        predict_memory([{"model": "Llama-3.1-8B"}])
    with pytest.raises(InputError, match="more than once"):
        predict_memory(pd.DataFrame([["Llama-3.1-8B", 1, 2]], columns=["model", "tp", "tp"]))


def test_what_a_document_says_once_yields_to_what_a_row_says() -> None:
    """The guide's hybrid is Nemotron 3 Nano; torchtitan's table is of Llama-3.1-8B at 8192 tokens on 8 GPUs."""
    named = HYBRID | {"model": "Nemotron_3_Nano"}
    assert one(**HYBRID)["peak_gib"] == one(**named)["peak_gib"]
    source = "github pytorch/torchtitan torchtitan/components/quantization/mxfp8.md"
    row = {"kind": "peak", "model": "see source", "gpu": "B200 (see source)", "source": source}
    whole = {"n_gpus": 8, "fsdp": 8, "mbs": 1, "seq_len": 8192, "recompute": "selective", "notes": "compile"}
    assert one(**row)["peak_gib"] == one(**(row | whole | {"model": "Llama-3.1-8B"}))["peak_gib"]
    assert one(**row, seq_len=16_384)["peak_gib"] > one(**row)["peak_gib"]
    assert one(**(row | {"source": ""}))["error"].startswith("row 0: model: unknown model 'see source'")


def test_ways_to_say_sharded() -> None:
    """A number of ranks, or FSDP's own words; gradients alone are sharded by SHARD_GRAD_OP."""
    base = {"model": "MPT-7b", "n_gpus": 8, "mbs": 1, "seq_len": 2048, "software": "llm-foundry"}
    full, number, gradients, none = (one(**base, fsdp=f) for f in ("FULL_SHARD", 8, "SHARD_GRAD_OP", "NO_SHARD"))
    assert full["peak_gib"] == number["peak_gib"]
    assert number["weights_gib"] < gradients["weights_gib"]
    assert number["gradients_gib"] == gradients["gradients_gib"] == pytest.approx(none["gradients_gib"] / 8)


def test_serving_rows_are_their_own() -> None:
    """A long context beside a short one changes neither."""
    rows = [{"model": "Llama-3.1-8B", "task": "serving", "seq_len": n} for n in (128, 100_000)]
    both = predict_memory(pd.DataFrame(rows))
    assert both["activations_gib"].tolist() == [one(**row)["activations_gib"] for row in rows]
    assert both["activations_gib"].is_monotonic_increasing


def test_serving_counts_weights_and_cache() -> None:
    """Llama-3.1-70B over 8: an eighth of 141.1 GB, and 10 sequences of 4096 tokens of 40,960 bytes on each."""
    found = one(model="Llama-3.1-70B", task="serving", tp=8, mbs=10, seq_len=4096)
    assert found["weights_gib"] * 2**30 == 2 * 70_553_706_496 / 8
    assert found["cache_gib"] * 2**30 == 10 * 4096 * 40_960
    assert found["optimizer_gib"] == 0
    assert found["peak_gib_hi"] / found["peak_gib"] == pytest.approx(np.exp(calibration().new_half_width))


WORDS = st.sampled_from(["8", "full", "FULL_SHARD", "fp8", "torchtitan", "serving", "peak", "LoRA"])
STRANGE = st.one_of(st.lists(st.integers(), max_size=1), st.binary(max_size=2), st.text(max_size=8))
CELLS = st.one_of(st.none(), st.floats(), st.integers(-4, 70), STRANGE, WORDS)
SHAPE = ["n_gpus", "tp", "pp", "vp", "cp", "ep", "dp", "fsdp", "mbs", "gbs", "seq_len"]
COLUMNS = ["kind", "gpu", "precision", "recompute", "notes", "source", "software", "task", *SHAPE]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"model": st.sampled_from(["Llama-3.1-8B", "DeepSeekV3", "x", ""])}, optional=dict.fromkeys(COLUMNS, CELLS)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_no_row_raises(rows: list[dict[str, Any]]) -> None:
    """Every row has a finite positive prediction or an error, never both."""
    found = predict_memory(pd.DataFrame(rows, dtype=object))
    fine = found["error"] == ""
    assert (np.isfinite(found["peak_gib"]) == fine).all()
    assert (found.loc[fine, "peak_gib"] > 0).all()
    assert (found.loc[fine, "peak_gib_lo"] <= found.loc[fine, "peak_gib_hi"]).all()
