"""Memory of an accelerator that trains: published figures, hand arithmetic, and directions that hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.perf import Architecture, architecture, labels, registry
from solver.perf.hardware import GIB, Hardware
from solver.perf.memory import Memory
from solver.perf.training_memory import (
    FSDP,
    MEGATRON,
    MEGATRON_2022,
    PLANNED,
    TORCHTITAN_2024,
    Framework,
    Job,
    Recompute,
    job_memory,
    stage_memory,
    training_memory,
)
from tests.perf.trainers import trainer

Machine = Callable[..., Hardware]
FRAMEWORKS = (PLANNED, MEGATRON, MEGATRON_2022, TORCHTITAN_2024, FSDP)
LLAMA_70B_LAYER = 150_994_944 + 704_643_072 + 16_384  # q, k, v, o; gate, up, down; two norms
LLAMA_70B_VOCABULARY = 128_256 * 8192


def job(**columns: Any) -> Job:
    """One row of layout."""
    return Job(**({"tensor_parallel": 1.0, "pipeline_parallel": 1.0, "data_parallel": 1.0} | columns))


def only_layers(name: str) -> Architecture:
    """A model without its vocabulary, as Korthikanti et al. count."""
    return dataclasses.replace(labels.model(name), embedding_parameters=0, head_parameters=0, vocabulary=0)


def as_in_the_paper(name: str, **columns: Any) -> Memory:
    """Layers of a model on 8 tensor ranks at 2048 tokens."""
    laid = job(tensor_parallel=8.0, sequence_length=2048.0, **({"sequence_parallel": False} | columns))
    return job_memory(only_layers(name), laid, dataclasses.replace(MEGATRON_2022, momentary=False))


PAPER = {  # name: pipeline ranks, virtual stages, micro-batch; arXiv 2205.05198, table 3
    "megatron-22B": {"micro_batch": 4.0},
    "gpt3-175B": {"pipeline_parallel": 8.0, "virtual_stages": 3.0},
    "turing-530B": {"pipeline_parallel": 35.0, "virtual_stages": 3.0},
    "megatron-1T": {"pipeline_parallel": 64.0},
}


@pytest.mark.parametrize(
    ("name", "states_gib", "activations_gib"),
    [
        ("megatron-22B", 45.5625, 59.25),
        ("gpt3-175B", 45.5625, 66.84375),
        ("turing-530B", 31.640625, 114.0234375),
        ("megatron-1T", 32.958984375, 131.25),
    ],
)
def test_published_states_and_activations(name: str, states_gib: float, activations_gib: float) -> None:
    """Korthikanti et al., figure 1 (as read off by the authors of Calculon), GiB of an A100."""
    m = as_in_the_paper(name, **PAPER[name])
    assert float(m.weights + m.gradients + m.optimizer) / GIB == pytest.approx(states_gib, rel=2e-4)
    assert float(m.activations) / GIB == pytest.approx(activations_gib, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "sequence_parallel", "again", "percent"),
    [
        ("megatron-22B", True, {}, 66.84),
        ("megatron-22B", True, {"core_attention": True}, 16.18),
        ("megatron-22B", False, {"full": True}, 7.64),
        ("gpt3-175B", False, {"core_attention": True}, 56.53),
        ("gpt3-175B", False, {"full": True}, 8.71),
        ("turing-530B", True, {}, 58.31),
        ("turing-530B", False, {"core_attention": True}, 62.04),
        ("turing-530B", False, {"full": True}, 9.42),
        ("megatron-1T", True, {}, 58.31),
        ("megatron-1T", False, {"core_attention": True}, 62.04),
        ("megatron-1T", True, {"core_attention": True}, 20.27),
        ("megatron-1T", False, {"full": True}, 9.42),
    ],
)
def test_published_shares_of_activations(
    name: str, sequence_parallel: bool, again: dict[str, bool], percent: float
) -> None:
    """Korthikanti et al., figure 7: per cent of what tensor parallelism alone keeps; read off to 0.2 points."""
    whole = as_in_the_paper(name, **PAPER[name]).activations
    less = as_in_the_paper(
        name, **PAPER[name], sequence_parallel=sequence_parallel, recompute=Recompute(**again)
    ).activations
    assert 100 * float(less / whole) == pytest.approx(percent, abs=0.2)


@pytest.mark.parametrize(("stages", "virtual", "first", "last"), [(1, 1, 1, 1), (8, 1, 8, 1), (4, 5, 23 / 5, 17 / 5)])
def test_micro_batches_in_flight(stages: int, virtual: int, first: float, last: float) -> None:
    """1F1B holds as many as stages on the first; interleaved (v - 1) p + 2 (p - 1) + 1 and (v - 1) p + 1 chunks."""
    a = only_layers("llama-3.1-70b")
    one = float(stage_memory(a, job(pipeline_parallel=float(stages)), PLANNED, last=True).activations)
    many = job(pipeline_parallel=float(stages), virtual_stages=float(virtual))
    assert float(stage_memory(a, many, PLANNED, last=False).activations) == pytest.approx(first * one)
    assert float(stage_memory(a, many, PLANNED, last=True).activations) == pytest.approx(last * one)
    few = dataclasses.replace(many, micro_batches=1.0)
    assert float(stage_memory(a, few, PLANNED, last=False).activations) == pytest.approx(one)


def test_states_of_llama_70b_by_hand() -> None:
    """Tensor 4, pipeline 4, two copies: 20 layers and a vocabulary matrix over 4; 2 + 2 bytes, and 12 ÷ 2."""
    parameters = (20 * LLAMA_70B_LAYER + LLAMA_70B_VOCABULARY) / 4
    laid = job(tensor_parallel=4.0, pipeline_parallel=4.0, data_parallel=2.0, virtual_stages=5.0)
    m = job_memory(architecture("llama-3.1-70b"), laid, MEGATRON)
    assert float(m.weights) == pytest.approx(2 * parameters, rel=1e-6)
    assert float(m.gradients) == pytest.approx(2 * parameters, rel=1e-6)
    assert float(m.optimizer) == pytest.approx(6 * parameters, rel=1e-6)


@pytest.mark.parametrize(("stages", "virtual", "fullest"), [(8, 2, 16), (8, 4, 16), (16, 8, 8), (4, 1, 32), (7, 1, 18)])
def test_uneven_stages_take_the_fullest(stages: int, virtual: int, fullest: int) -> None:
    """126 layers: over 8 ranks of 4 virtual stages, 30 of the 32 hold 4 layers and 2 hold 3, so a rank has 16."""
    a = only_layers("llama-3.1-405b")
    even = float(job_memory(a, job(), PLANNED).weights)
    laid = job(pipeline_parallel=float(stages), virtual_stages=float(virtual))
    assert float(job_memory(a, laid, PLANNED).weights) == pytest.approx(even * fullest / 126)


def test_layer_of_llama_70b_by_hand() -> None:
    """A token leaves 2 bytes of: norms' inputs and outputs, q, k, v, the attention's output, gate, up and product."""
    numbers = 4 * 8192 + 8192 + 2 * 1024 + 8192 + 3 * 28_672
    m = job_memory(only_layers("llama-3.1-70b"), job(tensor_parallel=8.0, sequence_length=4096.0), MEGATRON)
    assert float(m.activations) == pytest.approx(4 * float(m.weights) / 2)  # the update's FP32 gradients are more
    longer = job(tensor_parallel=8.0, sequence_length=65_536.0)
    m = job_memory(only_layers("llama-3.1-70b"), longer, MEGATRON)
    assert float(m.activations) == pytest.approx(
        80 * 65_536 * 2 * numbers / 8 + 4 * 8192 * 65_536
    )  # and a gathered row


def test_fp8_products_keep_half_of_their_inputs() -> None:
    """The projection keeps its own copy of the attention's output."""
    a, laid = only_layers("llama-3.1-70b"), job(sequence_length=65_536.0, data_parallel=64.0)
    less = (
        job_memory(a, laid, MEGATRON).activations
        - job_memory(a, dataclasses.replace(laid, narrow=True), MEGATRON).activations
    )
    assert float(less) == pytest.approx(80 * 65_536 * (2 * 8192 + 28_672 - 8192))


def test_recomputed_expert_activations_as_measured() -> None:
    """Nemotron 3 Nano, 8192 tokens, 6 of 128 experts, 23 layers: 66.297 - 62.103 GB (Megatron-Bridge's guide).

    Recomputing the norms before the experts too saved 64.653 - 63.639 GB.
    """
    a = architecture("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
    laid = job(data_parallel=16.0, expert_parallel=8.0, sequence_length=8192.0)

    def activations(**again: bool) -> float:
        again_all = dataclasses.replace(laid, recompute=Recompute(**again))
        return float(job_memory(a, again_all, MEGATRON).activations)

    assert activations() - activations(expert_activation=True) == pytest.approx(4.194e9, rel=0.01)
    assert activations(experts=True) - activations(experts=True, norms=True) == pytest.approx(1.014e9, rel=0.01)


def test_compiled_graphs_drop_the_down_projection() -> None:
    """Llama-3.1-8B, 16,384 tokens: 4 GiB, as 67 GiB (eager) and 62 GiB (compiled) of torchtitan's table suggest."""
    a, laid = architecture("llama-3.1-8b"), job(data_parallel=128.0, zero_stage=3.0, sequence_length=16_384.0)
    laid = dataclasses.replace(laid, recompute=Recompute(by_operation=True))
    eager = job_memory(a, laid, TORCHTITAN_2024).activations
    compiled = job_memory(a, dataclasses.replace(laid, compiled=True), TORCHTITAN_2024).activations
    assert float(eager - compiled) == 4 * GIB


def test_a_pipeline_of_shards_keeps_weights_and_gradients_whole() -> None:
    """torchtitan: 2 + 4 bytes a parameter beside the shards' 16 over 8 copies."""
    a = only_layers("llama-3.1-405b")
    laid = job(tensor_parallel=8.0, pipeline_parallel=7.0, data_parallel=8.0, zero_stage=3.0, micro_batches=8.0)
    m = job_memory(a, laid, TORCHTITAN_2024)
    here = (a.parameters - 0) * 18 / 126 / 8
    assert float(m.weights) == pytest.approx(here * (4 / 8 + 2))
    assert float(m.gradients) == pytest.approx(here * (4 / 8 + 4))
    assert float(m.optimizer) == pytest.approx(here * 8 / 8)


def test_context_ranks_share_tokens_and_optimizer() -> None:
    """Four context ranks: a quarter of the activations and of the optimiser, all of the weights."""
    a = only_layers("llama-3.1-8b")
    one, four = (job_memory(a, job(context_parallel=c, sequence_length=1e6), PLANNED) for c in (1.0, 4.0))
    assert float(four.activations) == pytest.approx(float(one.activations) / 4)
    assert float(four.optimizer) == pytest.approx(float(one.optimizer) / 4)
    assert float(four.weights) == float(one.weights)


def test_lora_keeps_states_of_adapters_only() -> None:
    """Frozen weights stay; rank 32 on qkv, o, gate-up and down of Llama-3.1-8B: 71.3 million parameters."""
    a = architecture("llama-3.1-8b")
    m = job_memory(a, job(adapters=True), MEGATRON)
    joined = 32 * 32 * (4096 + 6144 + 4096 + 4096 + 4096 + 28_672 + 14_336 + 4096)  # in and out of four products
    assert float(m.weights) == 2 * a.parameters
    assert float(m.optimizer) == 12 * joined
    gathered = job_memory(a, job(adapters=True, tensor_parallel=2.0, regathered=False), MEGATRON)
    again = job_memory(a, job(adapters=True, tensor_parallel=2.0), MEGATRON)
    assert float(gathered.activations - again.activations) == 32 * 4096 * 2 * 2 * 4096 / 2


def test_narrow_moments_need_no_copy_of_the_gradients() -> None:
    """Master 4, moments 2 + 2; the update needs nothing besides (Moonlight's recipe), instead of 4 bytes."""
    a = only_layers("llama-3.1-8b")
    wide, narrow = (job_memory(a, job(sequence_length=1.0, moments_narrow=n), MEGATRON) for n in (False, True))
    assert float(wide.optimizer) == 12 * a.parameters
    assert float(narrow.optimizer) == 8 * a.parameters
    assert float(wide.activations) == 4 * a.parameters
    assert float(narrow.activations) < a.parameters / 100


@pytest.mark.parametrize(("framework", "stage", "held"), [(TORCHTITAN_2024, 3, 2), (FSDP, 3, 1), (FSDP, 2, None)])
def test_weights_gathered_by_shards(framework: Framework, stage: int, held: int | None) -> None:
    """FP32 shards of Llama-3.1-8B over 8; two layers and the vocabulary matrices in BF16, or all parameters."""
    a = architecture("llama-3.1-8b")
    m = job_memory(a, job(data_parallel=8.0, zero_stage=float(stage)), framework)
    vocabulary = 128_256 * 4096
    layers = (a.parameters - 2 * vocabulary) / 32
    gathered = a.parameters if held is None else 2 * (layers + vocabulary / 16) + held * vocabulary
    assert float(m.weights) == pytest.approx(4 * a.parameters / 8 + 2 * gathered, rel=1e-9)
    assert float(m.gradients) == 4 * a.parameters / 8


@pytest.mark.parametrize(
    ("operation", "numbers"),
    [
        ("latent_projections", 27 * 16 * (192 + 192 + 128 + 128) * 3 / 4),  # q, k, v of four equal parts
        ("shared_experts", 26 * 3 * 2816),
        ("mlp", 3 * 11_264),
        ("expert_activation", 26 * 6 * 1408),
        ("experts", 26 * (3 * 2816 + 6 * (2048 + 3 * 1408))),
        ("core_attention", 0),
    ],
)
def test_what_recomputation_of_one_operation_frees(operation: str, numbers: float) -> None:
    """Moonlight's shapes: 26 of 27 layers with 2 shared and 6 of 64 experts of 1408; BF16, two tensor ranks."""
    a = dataclasses.replace(labels.model("Moonlight-16B"), vocabulary=0)
    laid = job(tensor_parallel=2.0, expert_parallel=8.0, data_parallel=4.0, moments_narrow=True, sequence_length=4096.0)
    none = job_memory(a, laid, MEGATRON).activations
    less = job_memory(a, dataclasses.replace(laid, recompute=Recompute(**{operation: True})), MEGATRON).activations
    assert float(none - less) == pytest.approx(4096 * 2 * numbers / 2, rel=1e-9)


def test_pipelines_of_torchtitan_keep_buffers_for_every_micro_batch() -> None:
    """One more: received inputs and gradients of two stages less the last output, and its logits, over 8 ranks."""
    a = architecture("llama-3.1-405b")
    laid = job(tensor_parallel=8.0, pipeline_parallel=8.0, virtual_stages=2.0, data_parallel=8.0, zero_stage=3.0)
    eight, nine = (
        stage_memory(a, dataclasses.replace(laid, micro_batches=m, sequence_length=8192.0), TORCHTITAN_2024, last=True)
        for m in (32.0, 33.0)
    )
    assert float(nine.activations - eight.activations) == pytest.approx(8192 * 2 * (3 * 16_384 + 128_256) / 8, rel=1e-9)


def test_optimizer_memory_by_hand(machine: Machine) -> None:
    """8.03 B parameters over 8 copies: ZeRO-1 keeps 2 + 4 bytes and an eighth of 12; ZeRO-3 an eighth of 18."""
    a = architecture("llama-3.1-8b")
    one = training_memory(trainer(machine("H100"), "llama-3.1-8b", (8, 1, 1, 1, 1)))
    assert one.weights[0] == 2 * a.parameters
    assert one.gradients[0] == 4 * a.parameters
    assert one.optimizer[0] == 12 * a.parameters / 8
    three = training_memory(trainer(machine("H100"), "llama-3.1-8b", (8, 1, 1, 1, 3)))
    assert three.weights[0] == pytest.approx(2 * a.parameters / 8 + 2 * 2 * a.parameters / 32)
    assert three.gradients[0] == 4 * a.parameters / 8


def test_expert_copies_are_not_the_dense_copies(machine: Machine) -> None:
    """64 accelerators, experts over all of them: the optimiser of an expert is nowhere else, so nothing is saved."""
    a = architecture("deepseek-v3")
    m = training_memory(trainer(machine("H100"), "deepseek-v3", (64, 1, 1, 64, 1), batch=64))
    dense = a.parameters - a.expert_parameters
    assert m.weights[0] == pytest.approx(2 * (dense + a.expert_parameters / 64))
    assert m.optimizer[0] == pytest.approx(12 * (dense / 64 + a.expert_parameters / 64))


def test_plans_interleave_as_their_step_time_does(machine: Machine) -> None:
    """80 layers over 8 stages, four virtual stages of each: 1 + 7 / 32 of all layers wait on the first."""
    found = training_memory(trainer(machine("H100"), "llama-3.1-70b", (512, 8, 8, 1, 1), batch=1024))
    a = dataclasses.replace(architecture("llama-3.1-70b"), vocabulary=0)
    one = job_memory(a, job(tensor_parallel=8.0, sequence_length=8192.0), PLANNED).activations
    gathered = 4 * 8192 * 8192
    assert found.activations[0] == pytest.approx((float(one) - gathered) * (1 + 7 / 32))


def test_recomputation_keeps_far_less(machine: Machine) -> None:
    """Only the input of each layer."""
    keep = trainer(machine("H100"), "llama-3.1-70b", (64, 8, 4, 1, 1), batch=64)
    again = trainer(machine("H100"), "llama-3.1-70b", (64, 8, 4, 1, 1), batch=64, recompute=True)
    assert training_memory(again).activations[0] < training_memory(keep).activations[0] / 4


def test_every_architecture_is_finite(machine: Machine) -> None:
    """For every packaged model."""
    for model in registry():
        t = trainer(machine("B200"), model, (512, 1, 4, 1, 1), sequence=4096)
        assert np.isfinite(training_memory(t).total).all(), model


SHAPES = st.fixed_dictionaries(
    {
        "tensor_parallel": st.sampled_from([1.0, 2.0, 4.0, 8.0]),
        "pipeline_parallel": st.sampled_from([1.0, 2.0, 4.0]),
        "virtual_stages": st.sampled_from([1.0, 2.0]),
        "data_parallel": st.sampled_from([1.0, 8.0, 64.0]),
        "context_parallel": st.sampled_from([1.0, 2.0]),
        "zero_stage": st.sampled_from([1.0, 2.0, 3.0]),
        "sequence_length": st.sampled_from([512.0, 8192.0, 131_072.0]),
        "micro_batch": st.sampled_from([1.0, 4.0]),
        "micro_batches": st.sampled_from([1.0, 8.0, np.inf]),
        "narrow": st.booleans(),
        "adapters": st.booleans(),
        "moments_narrow": st.booleans(),
    }
)
NAMES = st.sampled_from(sorted(registry()))
KINDS = st.sampled_from(FRAMEWORKS)
OPERATIONS = [f.name for f in dataclasses.fields(Recompute) if f.name not in {"full", "by_operation"}]


@settings(max_examples=200, deadline=None)
@given(name=NAMES, shape=SHAPES, framework=KINDS, longer=st.booleans())
def test_more_tokens_are_never_less_memory(
    name: str, shape: dict[str, Any], framework: Framework, longer: bool
) -> None:
    """A larger micro-batch, or a longer sequence."""
    a, column = architecture(name), "sequence_length" if longer else "micro_batch"
    less, more = (job_memory(a, job(**(shape | {column: shape[column] * f})), framework) for f in (1, 2))
    assert float(more.total) >= float(less.total) > 0
    assert float(more.activations) >= float(less.activations)


@settings(max_examples=200, deadline=None)
@given(name=NAMES, shape=SHAPES, framework=KINDS)
def test_more_tensor_ranks_are_never_more_states(name: str, shape: dict[str, Any], framework: Framework) -> None:
    """Weights, gradients and optimiser of a rank."""
    a = architecture(name)
    few, many = (
        job_memory(a, job(**(shape | {"tensor_parallel": shape["tensor_parallel"] * f})), framework) for f in (1, 2)
    )
    for part in ("weights", "gradients", "optimizer"):
        assert float(getattr(many, part)) <= float(getattr(few, part)) * (1 + 1e-12)


@settings(max_examples=200, deadline=None)
@given(name=NAMES, shape=SHAPES, framework=KINDS, operation=st.sampled_from(OPERATIONS))
def test_recomputing_more_is_never_more_memory(
    name: str, shape: dict[str, Any], framework: Framework, operation: str
) -> None:
    """Any one operation, and everything but the inputs of layers."""
    a = architecture(name)
    none, one, full = (
        job_memory(a, job(**shape, recompute=Recompute(**again)), framework).total
        for again in ({}, {operation: True}, {"full": True})
    )
    assert float(one) <= float(none)
    assert float(full) <= float(none) * (1 + 1e-12)


@settings(max_examples=100, deadline=None)
@given(name=NAMES, shape=SHAPES, framework=KINDS)
def test_more_copies_are_never_more_memory(name: str, shape: dict[str, Any], framework: Framework) -> None:
    """ZeRO splits what copies have in common, and a higher stage splits more."""
    a = architecture(name)
    few, many = (
        job_memory(a, job(**(shape | {"data_parallel": shape["data_parallel"] * f})), framework) for f in (1, 2)
    )
    assert float(many.total) <= float(few.total) * (1 + 1e-12)
    assert float(job_memory(a, job(**shape), framework).total) >= max(
        float(stage_memory(a, job(**shape), framework, last=last).total) * (1 - 1e-12) for last in (False, True)
    )
