"""Serving physics: floors that no machine beats, and directions that no change may reverse."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.perf import architecture, registry
from solver.perf.constants import PRECISIONS, precision
from solver.perf.hardware import Hardware, Layout
from solver.perf.serving import Load, Options, Prediction, concurrency_at
from solver.perf.serving import predict as predicted
from solver.perf.setups import setups
from solver.perf.steps import ENGINES, Steps, serving_constants, steps

Machine = Callable[..., Hardware]
Layouts = Callable[..., Layout]
QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
MODELS = (
    "llama-3.1-8b",
    "llama-3.1-70b",
    "deepseek-v3",
    "gpt-oss-120b",
    "qwen3.5-397b-a17b",
    "glm-5",
    "deepseek-v4-flash",
)
GRID = np.array([[1.0, 2.0, 8.0, 32.0, 128.0, 512.0]])


def model_of(hw: Hardware, laid: Layout, model: str, stored: str = "bf16", engine: str = "vllm") -> Steps:
    """Steps of one row, against a grid."""
    made = setups([architecture(model)], [precision(stored)], hw, laid, ENGINES.index(engine))
    return steps(made, serving_constants()).take((slice(None), None))


def load_of(concurrency: Any, prompt: float, answer: float) -> Load:
    """A load of one prompt and answer length."""
    return Load(
        concurrency=np.asarray(concurrency, dtype=float),
        input_tokens=np.asarray(float(prompt)),
        output_tokens=np.asarray(float(answer)),
    )


def predict(
    hw: Hardware, laid: Layout, model: str, stored: str = "bf16", lengths: tuple[int, int] = (1000, 200)
) -> Prediction:
    """Predictions of one row over the grid."""
    return predicted(model_of(hw, laid, model, stored), load_of(GRID, *lengths))


@pytest.mark.parametrize("name", ["A100-80", "H100", "B200"])
def test_decode_is_never_faster_than_reading_the_weights(machine: Machine, layout: Layouts, name: str) -> None:
    """Llama-3.1-70B in BF16 on 8: (141.1 GB − the input embedding's 2.1) ÷ 8 ÷ bandwidth."""
    a, hw = architecture("llama-3.1-70b"), machine(name)
    floor_ms = 1e3 * 2 * (a.parameters - a.embedding_parameters) / 8 / hw.hbm_bytes_per_s[0]
    tpot = predict(hw, layout(tensor=8), "llama-3.1-70b").tpot_ms
    assert (tpot > floor_ms).all()
    assert tpot[0, 0] < 4 * floor_ms


def test_prefill_is_never_faster_than_peak(machine: Machine, layout: Layouts) -> None:
    """2 FLOP a parameter and token at the BF16 peak."""
    a = architecture("llama-3.1-70b")
    floor_s = 2 * (a.attention_parameters + a.dense_ffn_parameters) * 4000 / 8 / 989e12
    found = predict(machine("H100"), layout(tensor=8), "llama-3.1-70b", lengths=(4000, 200)).prefill_s
    assert floor_s < found[0, 0] < 4 * floor_s


def test_a_measured_point(machine: Machine, layout: Layouts) -> None:
    """Llama-3.1-70B FP8 on one node of 8 H100, single stream: 6 to 11 ms a token in public benchmark runs."""
    assert 5.0 < predict(machine("H100"), layout(tensor=8), "llama-3.1-70b", "fp8").tpot_ms[0, 0] < 12.0


def test_a_batch_of_one_reads_only_its_experts(machine: Machine, layout: Layouts) -> None:
    """DeepSeek-V3 decodes a single stream far faster than its 671 B parameters could be read."""
    hw, laid = machine("B200"), layout(tensor=8, expert=8)
    everything_ms = 1e3 * architecture("deepseek-v3").parameters / 8 / hw.hbm_bytes_per_s[0]
    tpot = predict(hw, laid, "deepseek-v3", "fp8").tpot_ms
    dense_like = 37 / 671 * everything_ms
    assert tpot[0, 0] > dense_like
    assert predict(hw, laid, "deepseek-v3", "fp8", (1, 200)).tpot_ms[0, -1] > everything_ms


@QUICK
@given(
    model=st.sampled_from(MODELS),
    stored=st.sampled_from(sorted(PRECISIONS)),
    figure=st.sampled_from(
        ["hbm_bytes_per_s", "bf16_flop_per_s", "fp8_flop_per_s", "fp4_flop_per_s", "scaleup_bytes_per_s"]
    ),
    factor=st.floats(1.0, 10.0),
    tensor=st.sampled_from([1, 2, 8]),
    name=st.sampled_from(["A100-80", "H100", "B200"]),
)
def test_better_hardware_is_never_slower(
    machine: Machine, layout: Layouts, model: str, stored: str, figure: str, factor: float, tensor: int, name: str
) -> None:
    """Bandwidth, arithmetic or links: TPOT does not rise and the rate does not fall."""
    base = predict(machine(name), layout(tensor=tensor), model, stored)
    better = predict(machine(name, **{figure: factor}), layout(tensor=tensor), model, stored)
    assert (better.tpot_ms <= base.tpot_ms * (1 + 1e-9)).all()
    assert (better.prefill_s <= base.prefill_s * (1 + 1e-9)).all()


@QUICK
@given(
    model=st.sampled_from(MODELS),
    prompt=st.integers(1, 60_000),
    answer=st.integers(1, 4000),
    more=st.integers(1, 60_000),
)
def test_more_context_is_never_faster(
    machine: Machine, layout: Layouts, model: str, prompt: int, answer: int, more: int
) -> None:
    """A longer prompt raises the whole latency and lowers the rate; where all fit, it raises TPOT too.

    (Where the cache holds fewer of longer sequences, fewer run at once, and those that run may run faster.)
    """
    hw, laid = machine("H100"), layout(tensor=8)
    short = predict(hw, laid, model, "fp8", (prompt, answer))
    long = predict(hw, laid, model, "fp8", (prompt + more, answer))
    assert (long.prefill_s >= short.prefill_s * (1 - 1e-9)).all()
    assert (long.requests_per_s <= short.requests_per_s * (1 + 1e-9)).all()
    total = [p.ttft_ms + (answer - 1) * p.tpot_ms for p in (short, long)]
    assert (total[1] >= total[0] * (1 - 1e-9)).all()
    room = model_of(hw, laid, model, "fp8").capacity(np.asarray(float(prompt + more)), np.asarray(float(answer)))
    fits = 0.5 * room >= GRID
    assert (long.tpot_ms >= short.tpot_ms * (1 - 1e-9))[fits].all()
    assert (long.ttft_ms >= short.ttft_ms * (1 - 1e-9))[fits].all()


@QUICK
@given(model=st.sampled_from(MODELS), stored=st.sampled_from(["bf16", "fp8", "fp4"]), tensor=st.sampled_from([1, 8]))
def test_more_concurrency_is_never_faster(
    machine: Machine, layout: Layouts, model: str, stored: str, tensor: int
) -> None:
    """TPOT and TTFT rise with the number of sequences in flight."""
    found = predict(machine("H100"), layout(tensor=tensor), model, stored)
    assert (np.diff(found.tpot_ms) >= 0).all()
    assert (np.diff(found.ttft_ms) >= 0).all()


def test_rate_never_exceeds_the_prefill_capacity(machine: Machine, layout: Layouts) -> None:
    """An engine cannot finish requests faster than it reads prompts."""
    found = predict(machine("L4"), layout(), "llama-3.1-8b", lengths=(8000, 1))
    assert (found.requests_per_s <= 1 / found.prefill_s * (1 + 1e-9)).all()


def test_fp4_without_units_runs_at_the_bf16_rate(machine: Machine, layout: Layouts) -> None:
    """Weight-only: fewer bytes help decode, prefill stays as slow as BF16."""
    args = (machine("H100"), layout(tensor=8), "llama-3.1-70b")
    four, sixteen = predict(*args, "fp4"), predict(*args, "bf16")
    assert four.tpot_ms[0, 0] < sixteen.tpot_ms[0, 0]
    assert four.prefill_s[0, 0] == pytest.approx(sixteen.prefill_s[0, 0], rel=0.05)


@pytest.mark.parametrize("stored", sorted(PRECISIONS))
def test_every_architecture_is_finite(machine: Machine, layout: Layouts, stored: str) -> None:
    """No NaN, no infinity, nothing free, on old and new machines, in every kind of layout."""
    for model in registry():
        for laid in (layout(), layout(tensor=8), layout(tensor=8, pipeline=2), layout(tensor=2, data=4, expert=8)):
            for name in ("A100-80", "B200"):
                found = predict(machine(name), laid, model, stored)
                for field in dataclasses.fields(found):
                    values = getattr(found, field.name)
                    assert np.isfinite(values).all(), (model, field.name)
                    assert (values > 0).all(), (model, field.name)


def test_a_prompt_in_the_cache_is_quicker_than_a_new_one(machine: Machine, layout: Layouts) -> None:
    """Three quarters of 8,000 tokens cached: less than half of the prefill is left, and more than a quarter."""
    model = model_of(machine("H100"), layout(tensor=4), "llama-3.1-70b", "fp8")
    new = predicted(model, load_of(GRID, 8000, 500))
    hit = predicted(model, load_of(GRID, 8000, 500), options=Options(prefix_hit_rate=0.75))
    assert (hit.prefill_s < 0.5 * new.prefill_s).all()
    assert (hit.prefill_s > 0.25 * new.prefill_s * 0.9).all()
    assert (hit.ttft_ms < new.ttft_ms).all()
    assert (hit.requests_per_s > new.requests_per_s).all()


def test_chunks_cost_their_launches_and_their_weights(machine: Machine, layout: Layouts) -> None:
    """A prompt in chunks is never quicker, and the smaller the chunk the dearer."""
    model = model_of(machine("H100"), layout(tensor=4), "llama-3.1-70b", "fp8")
    tokens = np.asarray(8192.0)
    whole, large, small = (float(model.prefill_s(tokens, 0.0, c)[0, 0]) for c in (np.inf, 2048.0, 256.0))
    assert whole <= large < small


def test_speculation_helps_a_lone_sequence_and_not_a_full_batch(machine: Machine, layout: Layouts) -> None:
    """Four tokens drafted at 80 %: (1 − 0.8⁵) ÷ 0.2 = 3.36 a step; a batch bound by arithmetic gains less."""
    model = model_of(machine("H100"), layout(tensor=8), "llama-3.1-70b", "bf16")
    load = load_of([[1.0, 2048.0]], 200, 2000)
    plain = predicted(model, load).tpot_ms
    drafted = predicted(model, load, options=Options(draft_tokens=4, draft_acceptance=0.8, draft_cost=0.05)).tpot_ms
    gain = (plain / drafted)[0]
    assert 2.0 < gain[0] < 3.3617
    assert gain[1] < 0.75 * gain[0]


def test_engines_apart_have_no_interference(machine: Machine, layout: Layouts) -> None:
    """With prompts computed elsewhere, decode steps are those of the running sequences alone."""
    model = model_of(machine("H100"), layout(tensor=8), "llama-3.1-70b", "fp8")
    load = load_of(GRID, 4000, 200)
    products, attention, launch = model.decode_terms(
        model.running(load.concurrency, load.input_tokens, load.output_tokens), np.asarray(4100.0)
    )
    apart = predicted(model, load, options=Options(disaggregated=True))
    assert apart.tpot_ms == pytest.approx(1e3 * (products + attention + launch))
    assert (apart.tpot_ms[:, 1:] < predicted(model, load).tpot_ms[:, 1:]).all()


def test_open_load_is_littles_law(machine: Machine, layout: Layouts) -> None:
    """In flight = rate × latency; beyond the engine's rate nothing is in equilibrium."""
    model = model_of(machine("H100"), layout(tensor=8), "llama-3.1-70b", "fp8")
    load = load_of(0.0, 1000, 200)
    rate = np.array([[0.1, 1.0, 5.0, 1e6]])
    flight, ttft = concurrency_at(model, rate, load)
    found = predicted(model, load_of(flight[:, :3], 1000, 200))
    assert flight[0, :3] == pytest.approx((rate[:, :3] * (found.ttft_ms + 199 * found.tpot_ms) / 1e3)[0], rel=1e-6)
    assert np.isinf(flight[0, 3])
    assert np.isinf(ttft[0, 3])
    assert (np.diff(ttft[0, :3]) > 0).all()


def test_a_full_cache_makes_the_rest_wait(machine: Machine, layout: Layouts) -> None:
    """Llama-3.1-70B in FP8 on one H200-like machine holds some dozens of 9,000-token sequences; the others queue."""
    model = model_of(machine("H100", hbm_bytes=141 / 80), layout(), "llama-3.1-70b", "fp8")
    room = float(model.capacity(np.asarray(8192.0), np.asarray(1024.0))[0, 0])
    assert 20 < room < 80
    found = predicted(model, load_of([[room / 4, room * 4]], 8192, 1024))
    assert found.running[0] == pytest.approx([room / 4, room], rel=0.03)
    assert found.ttft_ms[0, 1] > 2 * 1024 * found.tpot_ms[0, 1]  # three lives of a sequence, and its own prompt
