"""Throughput physics: steps and batches by hand, and directions that hold for every system."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.calibration.throughput import PRIORS
from solver.perf import labels
from solver.perf.frames.throughput import calibration
from solver.perf.frames.throughput_reading import Row, candidates
from solver.perf.hardware import GIB, accelerator_class
from solver.perf.throughput import batch, best, rates, room, step
from solver.perf.throughput_rows import Candidates

NOTHING = 1e-30
NONE = (
    "collective_s", "layer_s", "moe_layer_s", "step_s", "sequence_s", "activation_moves", "routed_moves",
    "half_rate_tokens", "half_rate_expert_tokens", "half_rate_expert_width", "uneven_prefill", "split_loss", "tail",
)  # fmt: skip
PLAIN = dict.fromkeys(PRIORS, 1.0) | dict.fromkeys(NONE, NOTHING)  # everything at its peak, nothing in between
ROW = Row(
    model=labels.model("Llama-3.1-8B"),
    accelerator=labels.accelerator("H100"),
    accelerators=1,
    stored="bf16",
    kv_bytes=2.0,
    stack="vllm",
    mlperf=False,
    input_tokens=100.0,
    output_tokens=100.0,
    concurrency=np.inf,
    requests=np.inf,
    requests_per_s=np.inf,
    tpot_limit_s=np.inf,
    limited=False,
    varied=False,
    speculative=False,
    largest_batch=1024.0,
    layouts=((1, 1, 1, 1.0),),
)
BODY = 32 * (4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 14336)  # parameters of the layers
HEAD = 128256 * 4096
CACHE = 32 * 2 * 1024 * 2  # bytes a token
MODELS = ("Llama-3.1-8B", "Llama-2-70B", "Qwen3-30B-A3B", "DeepSeek-V3", "gpt-oss-20b", "Qwen3.5-9B", "Falcon-180B")
ACCELERATORS = ("A100", "L40S", "H100", "H200", "B200", "RTX-PRO-6000", "MI325X", "Ascend-910B")


def one(**changes: Any) -> Candidates:
    """Candidates of ROW with some fields changed."""
    return candidates([dataclasses.replace(ROW, **changes)])


def tokens_per_s(row: Row) -> float:
    """With the constants that are shipped."""
    return float(best(candidates([row]), calibration().constants)[0][0])


def test_a_step_by_hand() -> None:
    """64 sequences on an H100: each makes one token and reads one of its prompt, in BF16."""
    made = step(one(), PLAIN, np.array([64.0]))
    read = 2.0 * (BODY + HEAD + 65 * 4096) / 3350e9
    multiply = 2.0 * (BODY * 128 + HEAD * 64) / 989e12
    assert made.products[0] == pytest.approx((read**3 + multiply**3) ** (1 / 3), rel=1e-6)
    assert made.cache[0] == pytest.approx(64 * CACHE * 150 / 3350e9)
    assert made.prefill_attention[0] == pytest.approx(64 * 50 * 32 * 4 * 4096 / 989e12)
    assert made.seconds[0] == pytest.approx(made.products[0] + made.cache[0] + made.prefill_attention[0])


def test_communication_by_hand() -> None:
    """Two all-reduces in each of 32 layers, of 8192 bytes for each of 128 tokens; 2 × 3/4 of them leave each of 4."""
    made = step(one(layouts=((4, 1, 1, 1.0),)), PLAIN, np.array([64.0]))
    assert made.communication[0] == pytest.approx(64 * (128 * 8192 / 450e9) * 1.5)
    alone = step(one(), PLAIN, np.array([64.0]))
    assert alone.communication[0] == 0
    assert made.cache[0] == pytest.approx(alone.cache[0] / 4)


def test_latent_rows_are_copied_to_all_ranks() -> None:
    """DeepSeek-V3's compressed row has one head: tensor ranks read all of it, attention ranks a share."""
    model, lengths = labels.model("DeepSeek-V3"), {"input_tokens": 8000.0}
    cut = {n: one(model=model, layouts=(n,), **lengths) for n in ((1, 1, 1, 1.0), (8, 1, 1, 1.0), (1, 1, 8, 1.0))}
    alone, tensor, data = (float(step(c, PLAIN, np.array([8.0])).cache[0]) for c in cut.values())
    assert alone == pytest.approx(8 * 61 * 576 * 2 * 8050 / 3350e9)
    assert tensor == alone
    assert data == pytest.approx(alone / 8)
    fit = [
        float(room(c, PLAIN | {"usable_memory": 20.0})[1][0] / room(c, PLAIN | {"usable_memory": 20.0})[0][0])
        for c in cut.values()
    ]
    assert fit[1] == pytest.approx(fit[0])
    assert fit[2] == pytest.approx(8 * fit[0])


def test_stages_share_the_layers() -> None:
    """Two stages read and multiply half as much each; a step passes both."""
    whole, half = one(), one(layouts=((1, 2, 1, 1.0),))
    a, b = (step(c, PLAIN, np.array([16.0])) for c in (whole, half))
    assert b.products[0] == pytest.approx(a.products[0] / 2)
    assert b.cache[0] == pytest.approx(a.cache[0] / 2)
    size = 2 * 32 * 4096
    assert b.communication[0] == pytest.approx(size / 450e9)


def test_overheads_by_hand() -> None:
    """A microsecond a layer and 2 for each sequence, twice on the host of a stack that is twice as slow."""
    constants = PLAIN | {"layer_s": 1e-6, "sequence_s": 2e-6, "step_s": 5e-6, "host/vllm": 2.0}
    made = step(one(), constants, np.array([10.0]))
    assert made.launch[0] == pytest.approx(32e-6)
    assert made.host[0] == pytest.approx(2 * (5e-6 + 10 * 2e-6))


def test_experts_touched_by_few_tokens() -> None:
    """One token of Qwen3-30B-A3B reads 8 of 128 experts; 10,000 read all."""
    m = labels.model("Qwen3-30B-A3B")
    c = one(model=m, input_tokens=1e-9)
    few, many = (float(step(c, PLAIN | {"half_rate_tokens": 1e-30}, np.array([n])).products[0]) for n in (1.0, 1e4))
    always = 2.0 * (m.always_active_parameters - m.head_parameters + m.output_parameters)
    assert few == pytest.approx((always + 2.0 * m.expert_parameters * 8 / 128) / 3350e9, rel=0.01)
    assert many > 2.0 * m.expert_parameters / 3350e9


def test_room_by_hand() -> None:
    """What 80 GiB leave beside the weights, 2 GiB and the rows of a prefill, and how many requests that holds."""
    free, fit = room(one(), PLAIN)
    want = 80 * GIB - 2.0 * (BODY + 65 * 4096 + 2 * HEAD) - 2 * GIB - 10 * 4096 * 8192
    assert free[0] == pytest.approx(want)
    assert fit[0] == pytest.approx(want / (CACHE * 200))


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"largest_batch": 100.0}, 100.0),
        ({"concurrency": 7.0}, 7.0),
        ({"requests": 30.0, "layouts": ((1, 1, 1, 2.0),)}, 15.0),  # two engines share them
        ({"largest_batch": 1e9, "input_tokens": 1e6, "output_tokens": 1e3}, 1.0),  # never less than one
    ],
)
def test_batches(changes: dict[str, Any], want: float) -> None:
    """The least of what fits, what is asked for and what the engine is set to."""
    assert batch(one(**changes), PLAIN)[0] == pytest.approx(want)


def test_a_limit_of_latency_is_kept() -> None:
    """The batch's step takes the share of the limit that the mean may have; a loose limit changes nothing."""
    constants = calibration().constants
    c = one(tpot_limit_s=0.02)
    assert step(c, constants, batch(c, constants)).seconds[0] == pytest.approx(0.02 * constants["tpot_share"], rel=1e-3)
    assert batch(one(tpot_limit_s=100.0), constants)[0] == batch(one(), constants)[0]
    assert batch(one(tpot_limit_s=1e-6), constants)[0] == pytest.approx(1.0)


def test_rates_by_hand() -> None:
    """Two engines of 10 sequences; a tail of half an output over two waves; no more than what arrives."""
    c = one(concurrency=20.0, requests=40.0, layouts=((1, 1, 1, 2.0),))
    seconds = float(step(c, PLAIN, np.array([10.0])).seconds[0])
    assert rates(c, PLAIN)[0] == pytest.approx(2 * 10 / seconds)
    ended = dataclasses.replace(ROW, concurrency=20.0, requests=40.0, layouts=((1, 1, 1, 2.0),), varied=True)
    tail = 1 + 0.5 / 2 * 10 / 32
    assert rates(candidates([ended]), PLAIN | {"tail": 0.5})[0] == pytest.approx(2 * 10 / seconds / tail)
    assert rates(one(requests_per_s=3.0), PLAIN)[0] == pytest.approx(300.0)
    idle = one(concurrency=2.0, layouts=((1, 1, 1, 8.0),))  # six of the engines have nothing to do
    assert rates(idle, PLAIN)[0] == pytest.approx(2 / float(step(idle, PLAIN, np.array([1.0])).seconds[0]))


def test_the_best_layout_is_taken() -> None:
    """Of each row, and one without room never."""
    rows = [
        dataclasses.replace(ROW, layouts=((1, 1, 1, 8.0), (8, 1, 1, 1.0))),
        dataclasses.replace(ROW, model=labels.model("Llama-2-70B"), layouts=((1, 1, 1, 8.0), (8, 1, 1, 1.0))),
    ]
    c = candidates(rows)
    made, chosen = best(c, calibration().constants)
    assert chosen.tolist() == [0, 3]
    assert made.tolist() == rates(c, calibration().constants)[[0, 3]].tolist()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("A100", "ampere"), ("V100", "ampere"), ("L40S", "ada"), ("RTX-4090", "ada"), ("H20", "hopper"),
        ("GH200", "hopper"), ("B300", "blackwell"), ("RTX-PRO-6000", "blackwell-gddr"), ("GB10", "blackwell-gddr"),
        ("MI300X", "cdna3"), ("MI355X", "cdna4"), ("TPU-v6e", "other"), ("Gaudi3", "other"),
    ],
)  # fmt: skip
def test_classes(name: str, kind: str) -> None:
    """Told by vendor, units and memory."""
    assert accelerator_class(labels.accelerator(name)) == kind


@st.composite
def systems(draw: st.DrawFn) -> Row:
    """Any model on eight of any accelerator, at any lengths."""
    model, name = draw(st.sampled_from(MODELS)), draw(st.sampled_from(ACCELERATORS))
    return dataclasses.replace(
        ROW,
        model=labels.model(model),
        accelerator=labels.accelerator(name),
        stored=draw(st.sampled_from(("bf16", "fp8", "fp4"))),
        stack=draw(st.sampled_from(("tensorrt-llm", "vllm", "sglang"))),
        input_tokens=draw(st.floats(1, 32_000)),
        output_tokens=draw(st.floats(1, 8_000)),
        concurrency=draw(st.sampled_from((4.0, 256.0, np.inf))),
        layouts=((8, 1, 1, 1.0),),
    )


@given(row=systems(), factor=st.floats(1.01, 3.0))
@settings(max_examples=60)
def test_better_hardware_is_never_slower(row: Row, factor: float) -> None:
    """More bandwidth, memory, links or FLOP/s, each alone."""
    base = tokens_per_s(row)
    for names in (("hbm_gb_per_s",), ("hbm_gib",), ("scaleup_gb_per_s",), ("bf16_tflop_per_s", "fp8_tflop_per_s")):
        better = {name: getattr(row.accelerator, name) * factor for name in names}
        if "hbm_gb_per_s" in better and accelerator_class(row.accelerator) in {"ada", "blackwell-gddr"}:
            continue  # so much bandwidth would make it another class
        faster = dataclasses.replace(row, accelerator=dataclasses.replace(row.accelerator, **better))
        assert tokens_per_s(faster) >= base * (1 - 1e-9), names


@given(row=systems())
@settings(max_examples=60)
def test_longer_requests_are_never_more(row: Row) -> None:
    """Twice the output: no more requests a second; twice the input: no more either."""
    base = tokens_per_s(row) / row.output_tokens
    longer = dataclasses.replace(row, output_tokens=2 * row.output_tokens)
    assert tokens_per_s(longer) / longer.output_tokens <= base * (1 + 1e-9)
    assert tokens_per_s(dataclasses.replace(row, input_tokens=2 * row.input_tokens)) <= tokens_per_s(row) * (1 + 1e-9)


@given(row=systems())
@settings(max_examples=40)
def test_more_engines_are_never_fewer_tokens(row: Row) -> None:
    """Also when a bench has few requests for them."""
    few = dataclasses.replace(row, layouts=((8, 1, 1, 2.0),))
    many = dataclasses.replace(row, layouts=((8, 1, 1, 4.0),))
    assert tokens_per_s(row) <= tokens_per_s(few) * (1 + 1e-9) <= tokens_per_s(many) * (1 + 1e-9) ** 2
