"""Memory of one accelerator of a training job by component. All sizes are bytes.

ZeRO sharding of weights, gradients and optimiser (Rajbhandari et al., arXiv 1910.02054), activations and their
recomputation (Korthikanti et al., arXiv 2205.05198).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .hardware import GIB
from .memory import Memory, ffn_width, stage_share

if TYPE_CHECKING:
    from .training import Trainer

Array = np.ndarray[Any, np.dtype[np.float64]]
WEIGHT_BYTES = 2.0  # BF16 weights, also when products run in FP8
GRADIENT_BYTES = 4.0  # FP32 accumulation
OPTIMIZER_BYTES = 12.0  # FP32 master weight and two Adam moments
FULLY_SHARDED = 3  # ZeRO stage


def training_memory(t: Trainer) -> Memory:
    """Bytes of the fullest accelerator by component."""
    g = t.gang
    sharded = g.zero_stage >= FULLY_SHARDED
    kept = owned = np.zeros_like(g.accelerators)  # parameters held in full, and parameters updated here
    parts = _parameters(t)
    expert_copies = g.tensor_parallel * g.data_parallel / np.maximum(g.expert_parallel, g.tensor_parallel)
    for parameters, copies in zip(parts, (g.data_parallel, expert_copies), strict=True):
        owned = owned + parameters / copies
        kept = kept + np.where(sharded, parameters / copies, parameters)
    layer = WEIGHT_BYTES * sum(parts) / np.ceil(t.architecture.layers / g.pipeline_parallel)
    gathered = np.where(sharded, 2 * layer, 0.0)  # this layer's and the next one's
    return Memory(
        weights=kept * WEIGHT_BYTES + gathered,
        cache=np.zeros(()),
        activations=_activations(t),
        gradients=kept * GRADIENT_BYTES,
        optimizer=owned * OPTIMIZER_BYTES,
        framework=np.asarray(t.constants.assumed.framework_gib * GIB),
    )


def _parameters(t: Trainer) -> tuple[Array, Array]:
    """(dense, expert) parameters of the fullest accelerator before ZeRO."""
    a, g = t.architecture, t.gang
    share = stage_share(a.layers, g.pipeline_parallel)
    ends = np.where((g.pipeline_parallel > 1) | (a.head_parameters == 0), 1.0, 2.0)
    body = a.always_active_parameters - a.head_parameters
    dense = (body * share + a.output_parameters * ends) / g.tensor_parallel
    return dense, a.expert_parameters * share / np.maximum(g.expert_parallel, g.tensor_parallel)


def _activations(t: Trainer) -> Array:
    """Kept for the backward pass, with sequence parallelism: min(P, m) micro-batches on the first stage.

    A layer keeps its inputs and outputs around norms (6 rows of hidden), queries, keys and values, and three
    rows of FFN width, in BF16; with recomputation only its input, plus one layer in full.
    """
    a, g = t.architecture, t.gang
    tokens = t.sequence_length * t.micro_batch / g.tensor_parallel
    projections = a.attention_parameters / (a.hidden_size * a.layers)
    full = 2.0 * tokens * (6 * a.hidden_size + projections + 3 * ffn_width(a))
    held = np.minimum(g.pipeline_parallel, t.micro_batches) * np.ceil(a.layers / g.pipeline_parallel)
    kept = held * 2.0 * tokens * a.hidden_size + full if t.recompute else held * full
    return np.asarray(kept + 6.0 * tokens * a.vocabulary)
