"""Memory of an accelerator against hand arithmetic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.perf import architecture, registry
from solver.perf.constants import PRECISIONS, constants, precision
from solver.perf.hardware import GIB, Layout
from solver.perf.memory import cache_bytes_per_sequence, sequences_that_fit, serving_memory, serving_weights


def test_weights_of_llama_70b(layout: Callable[..., Layout]) -> None:
    """70.55 B parameters: 141.1 GB in BF16, an eighth on each of 8; FP8 keeps vocabulary and norms in BF16."""
    a = architecture("llama-3.1-70b")
    assert serving_weights(a, precision("bf16"), layout())[0] == 2 * a.parameters
    assert serving_weights(a, precision("bf16"), layout(tensor=8))[0] == 2 * a.parameters / 8
    narrow = a.attention_parameters + a.dense_ffn_parameters
    by_hand = narrow * (1 + 4 / 16384) + 2 * (a.norm_parameters + 2 * 128256 * 8192)
    assert serving_weights(a, precision("fp8"), layout())[0] == pytest.approx(by_hand, rel=1e-12)
    assert by_hand == pytest.approx(72.7e9, rel=0.01)


def test_four_bit_checkpoints_have_their_published_size(layout: Callable[..., Layout]) -> None:
    """gpt-oss-120b: about 63 GB of MXFP4 and BF16 tensors on its model card's hub page (65 here: NVFP4 scales)."""
    a = architecture("gpt-oss-120b")
    assert serving_weights(a, precision("fp4"), layout())[0] == pytest.approx(65.2e9, rel=0.06)
    assert serving_weights(architecture("llama-3.1-70b"), precision("int4"), layout())[0] == pytest.approx(
        39.8e9, rel=0.02
    )


def test_pipeline_stage_takes_the_fullest_share(layout: Callable[..., Layout]) -> None:
    """126 layers over 4 stages: 32 on the fullest, and one of the vocabulary matrices."""
    a = architecture("llama-3.1-405b")
    body = a.parameters - 2 * a.embedding_parameters
    assert serving_weights(a, precision("bf16"), layout(pipeline=4))[0] == pytest.approx(
        2 * (body * 32 / 126 + a.embedding_parameters)
    )


def test_experts_are_split_over_all_ranks_of_the_engine(layout: Callable[..., Layout]) -> None:
    """Attention by 8 data ranks keeps attention whole, and an eighth of the experts."""
    a = architecture("deepseek-v3")
    p = precision("fp8")
    whole, spread = serving_weights(a, p, layout()), serving_weights(a, p, layout(data=8, expert=8))
    assert (whole - spread)[0] == pytest.approx(p.expert_bytes * a.expert_parameters * 7 / 8)


@pytest.mark.parametrize(("tensor", "share"), [(1, 1), (4, 4), (8, 8), (16, 8), (64, 8)])
def test_kv_heads_are_copied_beyond_their_number(layout: Callable[..., Layout], tensor: int, share: int) -> None:
    """Llama-3.1-70B has 8 KV heads: 327,680 bytes a token in all."""
    a = architecture("llama-3.1-70b")
    assert cache_bytes_per_sequence(a, 2.0, 1000.0, layout(tensor=tensor))[0] == 327_680_000 / share


def test_latent_cache_is_copied_to_every_tensor_rank(layout: Callable[..., Layout]) -> None:
    """70,272 bytes a token on each, however many."""
    a = architecture("deepseek-v3")
    for tensor in (1, 8, 16):
        assert cache_bytes_per_sequence(a, 2.0, 1000.0, layout(tensor=tensor))[0] == 70_272_000


def test_window_bounds_the_cache(layout: Callable[..., Layout]) -> None:
    """gpt-oss-120b at 10,000 tokens: half of the layers hold 128."""
    a = architecture("gpt-oss-120b")
    assert cache_bytes_per_sequence(a, 2.0, 10_000.0, layout())[0] == 18 * 2 * 8 * 64 * 2 * (10_000 + 128)


def test_components_add_up(layout: Callable[..., Layout]) -> None:
    """Weights, cache, activations and framework are the total."""
    a, p = architecture("llama-3.1-8b"), precision("bf16")
    m = serving_memory(a, p, layout(), np.array([10.0]), 2000.0)
    assert m.cache[0] == 10 * 131_072 * 2000
    assert m.activations[0] == 2 * 2000 * (10 * 4096 + 3 * 14_336) + 4 * 10 * 128_256  # a prefill, and FP32 logits
    assert m.framework == constants().assumed.framework_gib * GIB
    assert m.total[0] == m.weights[0] + m.cache[0] + m.activations[0] + float(m.framework)


@given(
    name=st.sampled_from(sorted(registry())),
    stored=st.sampled_from(sorted(PRECISIONS)),
    tensor=st.sampled_from([1, 2, 8]),
    stages=st.sampled_from([1, 2, 4]),
    context=st.integers(1, 200_000),
    hbm_gib=st.floats(1, 4000),
)
def test_capacity_is_the_last_that_fits(
    name: str, stored: str, tensor: int, stages: int, context: int, hbm_gib: float
) -> None:
    """One sequence more than `sequences_that_fit` does not fit, and that many do."""
    a, p = architecture(name), precision(stored)
    columns = {"tensor_parallel": tensor, "pipeline_parallel": stages, "data_parallel": 1, "expert_parallel": 1}
    laid = Layout(**{k: np.array([float(v)]) for k, v in columns.items()})
    room = sequences_that_fit(a, p, laid, float(context), np.array([hbm_gib * GIB]))
    usable = constants().assumed.usable_hbm_share * hbm_gib * GIB
    assert serving_memory(a, p, laid, room + 1, float(context)).total[0] > usable * (1 - 1e-9)
    assert room[0] == 0 or serving_memory(a, p, laid, room, float(context)).total[0] <= usable * (1 + 1e-9)


LAID = st.fixed_dictionaries(
    {
        "tensor_parallel": st.sampled_from([1.0, 2.0, 4.0, 8.0]),
        "pipeline_parallel": st.sampled_from([1.0, 2.0, 4.0]),
        "data_parallel": st.sampled_from([1.0, 8.0]),
    }
)


def laid_out(columns: dict[str, float]) -> Layout:
    """One row; experts go by expert where attention has copies."""
    expert = columns["tensor_parallel"] * columns["data_parallel"] if columns["data_parallel"] > 1 else 1.0
    return Layout(**{k: np.array([v]) for k, v in (columns | {"expert_parallel": expert}).items()})


@given(
    name=st.sampled_from(sorted(registry())),
    stored=st.sampled_from(sorted(PRECISIONS)),
    columns=LAID,
    context=st.integers(1, 200_000),
    sequences=st.integers(1, 1000),
)
def test_more_is_never_less(name: str, stored: str, columns: dict[str, float], context: int, sequences: int) -> None:
    """More tensor ranks never hold more weights each; a longer context or one sequence more never needs less."""
    a, p = architecture(name), precision(stored)
    wider = columns | {"tensor_parallel": 2 * columns["tensor_parallel"]}
    here = laid_out(columns)
    assert serving_weights(a, p, laid_out(wider))[0] <= serving_weights(a, p, here)[0]
    some = serving_memory(a, p, here, np.array([float(sequences)]), float(context))
    longer = serving_memory(a, p, here, np.array([float(sequences)]), float(2 * context))
    more = serving_memory(a, p, here, np.array([float(sequences + 1)]), float(context))
    for other in (longer, more):
        assert other.cache[0] >= some.cache[0]
        assert other.total[0] >= some.total[0]


def test_contexts_of_one_call_are_their_own(layout: Callable[..., Layout]) -> None:
    """An array of contexts is as many calls; gpt-oss-120b's window holds for each."""
    a, contexts = architecture("gpt-oss-120b"), np.array([100.0, 10_000.0])
    both = cache_bytes_per_sequence(a, 2.0, contexts, layout())
    assert both.tolist() == [cache_bytes_per_sequence(a, 2.0, c, layout())[0] for c in (100.0, 10_000.0)]


def test_what_vllm_found_room_for(layout: Callable[..., Layout]) -> None:
    """Llama-3.1-70B in w8a8 on one 80 GB GPU at 0.98: 1381 blocks of 16 tokens (vLLM pull request 12569).

    Weights, those tokens, a prefill of 2048 and the framework are then 98 % of about 79.3 GiB.
    """
    a, p = architecture("llama-3.1-70b"), dataclasses.replace(precision("fp8"), kv_bytes=2.0)
    blocks = 1381 * 16 / 2048
    one = cache_bytes_per_sequence(a, p.kv_bytes, 2048.0, layout())
    held = serving_memory(a, p, layout(), np.zeros(()), 2048.0).total + blocks * one
    assert held[0] / GIB == pytest.approx(0.98 * 79.3, rel=0.02)
