"""Seconds of an optimiser step by component, for rows of training jobs.

A stage computes micro-batches under 1F1B or interleaving (Narayanan et al., arXiv 2104.04473); a layer takes the time
of its products, of the memory traffic around them, and of its collectives, or of the host that launches its kernels
where that is longer; recomputation follows Korthikanti et al. (arXiv 2205.05198), sharding Rajbhandari et al.
(arXiv 1910.02054). Nothing here knows which model or software it is: that is what `training_residual` learns.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .training_jobs import KINDS, NUMBERS

if TYPE_CHECKING:
    from .training_jobs import Jobs

Array = np.ndarray[Any, np.dtype[np.float64]]
# Where the seconds of a step go; their shares sum to 1.
COMPONENTS = (
    "dense", "experts", "attention", "memory", "scores", "tensor", "expert_exchange", "context", "host",
    "vocabulary", "pipeline", "data", "once",
)  # fmt: skip
LAYER = COMPONENTS[:9]
SHARPNESS = 4.0  # of the soft maximum between what runs side by side
ATTENTION_PASSES = 3.5  # FlashAttention's backward pass does 2.5 times the forward products
BYTES = 2.0  # of a 16-bit number
FULLY_SHARDED, GRADIENTS_SHARDED = 3, 2  # ZeRO stages


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConstants:
    """Constants of the step; shares are of data-sheet rates, times are seconds."""

    ampere: float  # share of peak in large 16-bit products, by kind of accelerator
    hopper: float
    blackwell: float
    tpu: float
    other: float
    fp8: float  # further share, by number format of the products
    fp8_block: float
    mxfp8: float
    fp4: float
    power: float  # exponent of the rate in board power
    half_width: float  # columns of a rank's products at which their rate halves
    half_tokens: float  # rows at which it halves
    attention: float  # further share in fused attention
    experts: float  # further share in grouped products
    experts_compiled: float  # the same under XLA, over it
    half_expert_width: float
    half_expert_tokens: float
    vocabulary: float  # further share in the last projection
    logit_bytes: float  # memory traffic of one logit, both passes
    layer_bytes: float  # of a token and hidden value in a layer's forward pass: norms, residuals, activations
    routed_bytes: float  # of a routed token and hidden value: permutation
    score_bytes: float  # of an attention score, all passes, where attention is not fused
    state_bytes: float  # of a value of recurrent state, a token
    gradient_bytes: float  # of a parameter a micro-batch: casts, gradient accumulation
    host_layer_s: float  # launching the kernels of a layer, both passes
    host_moe_layer_s: float
    link_share: float
    link_latency_s: float
    network_share: float
    tensor_exposed: float  # share of a collective that overlap does not hide
    expert_exposed: float
    context_exposed: float
    data_exposed: float
    sharded_exposed: float
    hop: float  # cost of a hop between stages over its wire time
    hop_interleaved: float  # share of it that interleaving leaves exposed
    bubble: float  # of the pipeline, over the textbook's
    balance: float  # share of the vocabulary's work that balanced stages spread
    optimizer_bytes: float  # memory traffic of a parameter in an update
    step_s: float
    slice_share: float  # of a step, for each doubling of pods


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds [K] of a step, and shares [len(COMPONENTS), K] of it by component."""

    seconds: Array
    shares: Array

    def share(self, *names: str) -> Array:
        """Share of components together, [K]."""
        return np.asarray(sum(self.shares[COMPONENTS.index(name)] for name in names))


def step(jobs: Jobs, c: TrainingConstants) -> Step:
    """What one optimiser step takes."""
    parts, host = _layer(jobs, c)
    device = sum(parts.values(), start=np.zeros(len(jobs)))
    layer = soft_maximum(device, host)
    stage, vocabulary = _per_stage(jobs, c, layer)
    weight, total = _pipeline(jobs, c, stage, vocabulary)
    data = soft_maximum(total, _gathers(jobs, c)) - total + _exposed_data(jobs, c)
    once = _once(jobs, c) + c.slice_share * np.log2(jobs.layouts.slices) * total
    seconds = total + data + once
    by_device = weight * stage * (device / layer) ** (SHARPNESS - 1) / layer  # derivative of the soft maximum
    worn = {name: by_device * part for name, part in parts.items()}
    worn["host"] = weight * stage * (host / layer) ** SHARPNESS
    worn["vocabulary"] = _vocabulary_on_path(jobs, c, vocabulary)
    worn["pipeline"] = total - weight * stage - worn["vocabulary"]
    return Step(seconds, np.stack([(worn | {"data": data, "once": once})[name] for name in COMPONENTS]) / seconds)


def soft_maximum(a: Array, b: Array) -> Array:
    """A smooth maximum that is never below either of two times, and rises in both."""
    top = np.maximum(np.maximum(a, b), 1e-30)
    return np.asarray(top * ((a / top) ** SHARPNESS + (b / top) ** SHARPNESS) ** (1 / SHARPNESS))


def product_rates(jobs: Jobs, c: TrainingConstants) -> tuple[Array, Array]:
    """(FLOP/s of large products in the job's number format, in 16 bits); formats without units run in 16 bits."""
    m, number = jobs.machines, jobs.recipes.number
    share = np.array([getattr(c, kind) for kind in KINDS])[m.kind] * m.power**c.power
    plain = share * m.bf16_flop_per_s
    eighth = np.array([1.0, 1.0, c.fp8, c.fp8_block, c.mxfp8, c.mxfp8])[number] * share * m.fp8_flop_per_s
    eighth = np.where(m.fp8_flop_per_s > 0, eighth, plain)
    fourth = np.where(m.fp4_flop_per_s > 0, c.fp4 * share * m.fp4_flop_per_s, eighth)
    chosen = [number == NUMBERS.index("fp4"), number >= NUMBERS.index("fp8")]
    return np.select(chosen, [fourth, eighth], plain), plain


def _layer(jobs: Jobs, c: TrainingConstants) -> tuple[dict[str, Array], Array]:
    """(seconds of a layer and micro-batch by component, both passes; seconds of the host)."""
    m, x, g, r = jobs.models, jobs.machines, jobs.layouts, jobs.recipes
    rate, plain = product_rates(jobs, c)
    tokens, tensor = g.micro_tokens, g.tensor_parallel
    passes = 2.0 + r.recompute + r.trained
    routed = m.moe_layers / m.layers * m.experts_per_token
    saturation = 1.0 + c.half_width * np.where(m.experts > 0, 0.3, 1.0) * tensor / m.hidden + c.half_tokens / tokens
    dense = passes * 2.0 * m.dense_parameters / m.layers * tokens / tensor / rate * saturation
    active = m.expert_parameters * m.experts_per_token / np.maximum(m.experts, 1.0)
    experts = passes * 2.0 * active / m.layers * tokens / tensor / (rate * c.experts) * _grouped(jobs, c)
    seen = g.sequence_length / 2
    window = np.where(m.window > 0, np.minimum(seen, m.window), seen)
    flop = (m.attention_flop * seen + m.window_flop * window) / m.layers * tokens / tensor
    attention = (ATTENTION_PASSES + r.recompute + r.selective) * flop / (plain * c.attention)
    rows = c.layer_bytes * m.hidden / np.sqrt(tensor) + c.routed_bytes * routed * m.hidden / tensor
    moved = (2.0 + r.recompute) * tokens * (rows * m.layer_share + c.state_bytes * m.state_values / m.layers / tensor)
    held = (m.dense_parameters / tensor + m.expert_parameters / np.maximum(g.expert_parallel, tensor)) / m.layers
    memory = (moved + c.gradient_bytes * held * r.trained) / x.hbm_bytes_per_s
    scores = np.where(r.unfused, c.score_bytes * m.heads * tokens * g.sequence_length / tensor / x.hbm_bytes_per_s, 0.0)
    host = c.host_layer_s * (3.0 + r.recompute) / 3.0 + c.host_moe_layer_s * m.moe_layers / m.layers
    parts = {
        "dense": dense,
        "experts": experts,
        "attention": attention,
        "memory": memory,
        "scores": scores * (2.0 + r.recompute) / 3.0,
        "tensor": _tensor(jobs, c),
        "expert_exchange": _expert_exchange(jobs, c),
        "context": _context(jobs, c),
    }
    return parts, np.where(r.compiled, 0.0, host * m.layer_share)


def _grouped(jobs: Jobs, c: TrainingConstants) -> Array:
    """How much slower experts' products run for being narrow and for few tokens each."""
    m, g = jobs.models, jobs.layouts
    share = np.maximum(g.expert_parallel, 1.0) / np.maximum(m.experts, 1.0)
    each = np.maximum(1.0, g.micro_tokens / g.tensor_parallel * m.experts_per_token * share)
    slow = 1.0 + c.half_expert_width / np.maximum(m.expert_width, 1.0) + c.half_expert_tokens / each
    return slow / np.where(jobs.recipes.compiled, c.experts_compiled, 1.0)


def _hidden_bytes(jobs: Jobs) -> Array:
    """One micro-batch's hidden rows."""
    return BYTES * jobs.layouts.micro_tokens * jobs.models.hidden


def _tensor(jobs: Jobs, c: TrainingConstants) -> Array:
    """Two all-reduces a layer in each pass (as gather and scatter with sequence parallelism)."""
    x, g = jobs.machines, jobs.layouts
    near, far = x.scaleup_bytes_per_s * c.link_share, x.scaleout_bytes_per_s * c.network_share
    width = g.tensor_parallel
    moved = 2.0 * _hidden_bytes(jobs) * (width - 1.0) / width / np.where(width > x.domain, np.minimum(near, far), near)
    times = (4.0 + 2.0 * jobs.recipes.recompute) * c.tensor_exposed
    return times * (moved + 2.0 * c.link_latency_s * np.log2(width))


def _expert_exchange(jobs: Jobs, c: TrainingConstants) -> Array:
    """Dispatch and combine; ranks beyond the scale-up domain are reached over the network."""
    m, x, g = jobs.models, jobs.machines, jobs.layouts
    ranks = g.expert_parallel
    far = np.clip(1.0 - x.domain / (ranks * g.tensor_parallel), 0.0, 1.0)
    size = _hidden_bytes(jobs) / g.tensor_parallel * np.minimum(m.experts_per_token, ranks)
    near_s = size * (1.0 - 1.0 / ranks) * (1.0 - far) / (x.scaleup_bytes_per_s * c.link_share)
    seconds = near_s + size * far / (x.scaleout_bytes_per_s * c.network_share) + c.link_latency_s
    times = (4.0 + 2.0 * jobs.recipes.recompute) * c.expert_exposed * m.moe_layers / m.layers
    return np.where((ranks > 1) & (m.experts > 0), times * seconds, 0.0)


def _context(jobs: Jobs, c: TrainingConstants) -> Array:
    """Keys and values around the ring: once forward, twice backward."""
    m, x, g = jobs.models, jobs.machines, jobs.layouts
    rows = 2.0 * BYTES * g.micro_tokens * m.kv_heads * m.hidden / m.heads / g.tensor_parallel
    return 3.0 * c.context_exposed * rows * (g.context_parallel - 1.0) / (x.scaleup_bytes_per_s * c.link_share)


def _per_stage(jobs: Jobs, c: TrainingConstants, layer: Array) -> tuple[Array, Array]:
    """(seconds of a stage's layers, seconds of the vocabulary) for one micro-batch."""
    m, g, r = jobs.models, jobs.layouts, jobs.recipes
    _, plain = product_rates(jobs, c)
    logits = g.micro_tokens * m.vocabulary / g.tensor_parallel
    flop = (2.0 + r.recompute + r.trained) * 2.0 * m.hidden * logits
    seconds = flop / (plain * c.vocabulary) + c.logit_bytes * logits / jobs.machines.hbm_bytes_per_s
    return m.layers / g.pipeline_parallel * layer, seconds


def _on_busiest(jobs: Jobs, c: TrainingConstants) -> Array:
    """Share of the vocabulary's work that the busiest stage does."""
    spread = np.where(jobs.recipes.balanced, c.balance, 0.0)
    return np.asarray(1.0 - spread * (1.0 - 1.0 / jobs.layouts.pipeline_parallel))


def _pipeline(jobs: Jobs, c: TrainingConstants, stage: Array, vocabulary: Array) -> tuple[Array, Array]:
    """(times a stage's layers count in the step, seconds of all micro-batches).

    The busiest stage sets the pace; the others add once, a virtual stage's worth each.
    """
    g, x = jobs.layouts, jobs.machines
    stages, turns = g.pipeline_parallel, c.bubble / g.virtual_stages
    wire = _hidden_bytes(jobs) / g.tensor_parallel / (x.scaleout_bytes_per_s * c.network_share) + c.link_latency_s
    hops = np.where(g.virtual_stages > 1, np.maximum(1.0, c.hop_interleaved * g.virtual_stages), 1.0)
    hop = np.where(stages > 1, 2.0 * c.hop * wire * hops, 0.0)
    busiest = stage + vocabulary * _on_busiest(jobs, c) + hop
    others = (stages - 1.0) * stage + vocabulary * (1.0 - _on_busiest(jobs, c)) + 2.0 * hop * (stages - 1.0)
    return g.micro_batches + turns * (stages - 1.0), g.micro_batches * busiest + turns * others


def _vocabulary_on_path(jobs: Jobs, c: TrainingConstants, vocabulary: Array) -> Array:
    g, busiest = jobs.layouts, _on_busiest(jobs, c)
    return np.asarray(vocabulary * (g.micro_batches * busiest + c.bubble / g.virtual_stages * (1.0 - busiest)))


def _copies(jobs: Jobs) -> tuple[tuple[Array, Array], ...]:
    """(parameters a rank holds before sharding, accelerators that hold the same) of dense parts and experts."""
    m, g = jobs.models, jobs.layouts
    ends = m.vocabulary * m.hidden * np.where(g.pipeline_parallel > 1, 1.0, m.vocabulary_matrices)
    dense = (m.dense_parameters / g.pipeline_parallel + ends) / g.tensor_parallel
    width = np.maximum(g.expert_parallel, g.tensor_parallel)
    experts = m.expert_parameters / g.pipeline_parallel / width
    owners = np.maximum(1.0, g.accelerators / g.pipeline_parallel / width)
    return (dense, g.data_parallel * g.context_parallel), (experts, owners)


def _gather_once(jobs: Jobs, c: TrainingConstants) -> Array:
    """Seconds to gather (or reduce and scatter) every parameter once among its copies."""
    x, g = jobs.machines, jobs.layouts
    seconds = np.zeros(len(jobs))
    for parameters, copies in _copies(jobs):
        local = np.minimum(copies, np.maximum(1.0, x.domain / g.tensor_parallel))
        nodes = copies / local
        inside = (local - 1.0) / local / (x.scaleup_bytes_per_s * c.link_share)
        across = (nodes - 1.0) / nodes / local / (x.scaleout_bytes_per_s * c.network_share)
        moved = BYTES * parameters * (inside + across) + c.link_latency_s * np.log2(np.maximum(copies, 1.0))
        seconds = seconds + np.where(parameters > 0, moved, 0.0)
    return seconds


def _gathers(jobs: Jobs, c: TrainingConstants) -> Array:
    """Seconds a step of gathers and scatters that run beside the products: sharded weights, every micro-batch."""
    g = jobs.layouts
    scatters = jobs.recipes.trained  # frozen weights are gathered, and have no gradients
    times = np.select(
        [g.zero_stage >= FULLY_SHARDED, g.zero_stage >= GRADIENTS_SHARDED],
        [(2.0 + scatters) * g.micro_batches, scatters * 2.0 + g.micro_batches],
        0.0,
    )
    return times * _gather_once(jobs, c)


def _exposed_data(jobs: Jobs, c: TrainingConstants) -> Array:
    """What stays outside whatever runs beside it."""
    plain = c.data_exposed * 2.0 * _gather_once(jobs, c) * jobs.recipes.trained
    return np.where(jobs.layouts.zero_stage >= GRADIENTS_SHARDED, c.sharded_exposed * _gathers(jobs, c), plain)


def _once(jobs: Jobs, c: TrainingConstants) -> Array:
    """The update, and what a step takes however small it is."""
    owned = np.zeros(len(jobs))
    for parameters, copies in _copies(jobs):
        owned = owned + parameters / np.where(jobs.layouts.zero_stage >= 1, copies, 1.0)
    return c.optimizer_bytes * owned * jobs.recipes.trained / jobs.machines.hbm_bytes_per_s + c.step_s


def names() -> tuple[str, ...]:
    """Constants in the order of their fields."""
    return tuple(f.name for f in dataclasses.fields(TrainingConstants))
