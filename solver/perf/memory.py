"""Memory of one accelerator by component, so that nothing that cannot fit is offered. All sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .constants import constants
from .hardware import GIB, Layout

if TYPE_CHECKING:
    from .architectures import Architecture
    from .constants import Precision

Array = np.ndarray[Any, np.dtype[np.float64]]
STATE_BYTES = 4.0  # recurrent state is kept in FP32
ACTIVATION_ROWS = 10.0  # live rows of hidden size per token in a forward pass, BF16


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on the fullest accelerator, by component; arrays that broadcast together."""

    weights: Array
    cache: Array  # KV cache and recurrent state
    activations: Array
    gradients: Array
    optimizer: Array
    framework: Array

    @property
    def total(self) -> Array:
        """All components, bytes."""
        return self.weights + self.cache + self.activations + self.gradients + self.optimizer + self.framework


def stage_share(layers: int, pipeline_parallel: Array) -> Array:
    """Share of the layers on the fullest pipeline stage: ceil(L / P) / L."""
    return np.ceil(layers / pipeline_parallel) / layers


def weight_bytes(a: Architecture, p: Precision) -> tuple[float, float, float]:
    """(split over tensor ranks, experts, vocabulary matrices) of the whole model, bytes.

    Routers, norms and vocabulary matrices stay in BF16; so does everything but the experts when a mixture of
    experts is stored in a type that is `mixed`.
    """
    wide = 2.0 if p.mixed and a.experts else p.attention_bytes
    body = wide * (a.attention_parameters + a.dense_ffn_parameters + a.shared_expert_parameters)
    body += 2.0 * (a.router_parameters + a.norm_parameters)
    return body, p.expert_bytes * a.expert_parameters, 2.0 * a.output_parameters


def serving_weights(a: Architecture, p: Precision, layout: Layout) -> Array:
    """Weights on the fullest accelerator."""
    body, experts, vocabulary = weight_bytes(a, p)
    share = stage_share(a.layers, layout.pipeline_parallel)
    ends = np.where((layout.pipeline_parallel > 1) | (a.head_parameters == 0), 1.0, 2.0)  # first and last stage meet
    split = (body * share + vocabulary * ends) / layout.tensor_parallel
    return split + experts * share / layout.stage_accelerators


def cache_bytes_per_sequence(a: Architecture, kv_bytes: float, context: float | Array, layout: Layout) -> Array:
    """Cache of one sequence of `context` tokens (one number or one a row) on each accelerator that holds it.

    KV heads are copied when there are more tensor ranks than heads; a latent row is copied to all of them.
    """
    rows = a.cache_values_per_token * context
    seen = np.minimum(context, a.sliding_window) if a.sliding_window else context
    rows = rows + a.window_values_per_token * seen
    share = stage_share(a.layers, layout.pipeline_parallel)
    keys = rows * kv_bytes / np.minimum(layout.tensor_parallel, a.kv_heads)
    return share * (keys + a.state_values_per_sequence * STATE_BYTES / layout.tensor_parallel)


def serving_memory(a: Architecture, p: Precision, layout: Layout, concurrency: Array, context: float | Array) -> Memory:
    """Memory of an accelerator that serves `concurrency` sequences of `context` tokens in its engine."""
    assumed = constants().assumed
    held = np.ceil(concurrency / layout.data_parallel)
    tokens = np.minimum(assumed.batched_tokens, np.maximum(1.0, context))
    logits = 4.0 * held * a.vocabulary / layout.tensor_parallel
    width = ffn_width(a) / layout.tensor_parallel
    activations = 2.0 * tokens * (ACTIVATION_ROWS * a.hidden_size + 3.0 * width) + logits
    return Memory(
        weights=serving_weights(a, p, layout),
        cache=held * cache_bytes_per_sequence(a, p.kv_bytes, context, layout),
        activations=activations,
        gradients=np.zeros(()),
        optimizer=np.zeros(()),
        framework=np.asarray(assumed.framework_gib * GIB),
    )


def sequences_that_fit(a: Architecture, p: Precision, layout: Layout, context: float, hbm_bytes: Array) -> Array:
    """Most sequences of `context` tokens an engine can hold; 0 when the model itself does not fit."""
    empty = serving_memory(a, p, layout, np.zeros(()), context).total
    each = cache_bytes_per_sequence(a, p.kv_bytes, context, layout) + 4.0 * a.vocabulary / layout.tensor_parallel
    room = constants().assumed.usable_hbm_share * hbm_bytes - empty
    return np.floor(np.maximum(room, 0.0) / each) * layout.data_parallel


def ffn_width(a: Architecture) -> float:
    """Mean FFN intermediate width a token passes in one layer (gated FFNs hold three matrices)."""
    active = a.expert_parameters * (a.experts_per_token / a.experts if a.experts else 0.0)
    return (active + a.dense_ffn_parameters + a.shared_expert_parameters) / (3.0 * a.hidden_size * a.layers)
