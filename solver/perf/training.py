"""Training physics: seconds of an optimiser step, for rows of hardware and layout.

Compute with a pipeline bubble (1F1B, interleaved; Narayanan et al., arXiv 2104.04473), tensor-, expert- and
data-parallel communication, recomputation (Korthikanti et al., arXiv 2205.05198), and ZeRO sharding of weights,
gradients and optimiser (Rajbhandari et al., arXiv 1910.02054).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import all_gather, all_reduce, all_to_all, hierarchical_all_reduce, point_to_point
from .memory import stage_share

if TYPE_CHECKING:
    from .architectures import Architecture
    from .constants import Constants, Precision
    from .hardware import Hardware, Rows

Array = np.ndarray[Any, np.dtype[np.float64]]
WEIGHT_BYTES = 2.0  # BF16 weights, also when products run in FP8
FULLY_SHARDED = 3  # ZeRO stage
MAX_INTERLEAVE = 4  # virtual pipeline stages on an accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """Layouts of training jobs: float arrays [K]."""

    accelerators: Array  # in the gang
    per_node: Array  # accelerators of a node
    tensor_parallel: Array
    pipeline_parallel: Array
    expert_parallel: Array
    zero_stage: Array  # 1: optimiser sharded; 3: weights and gradients too

    @property
    def data_parallel(self) -> Array:
        """Copies of the model."""
        return self.accelerators / (self.tensor_parallel * self.pipeline_parallel)

    def take(self, rows: Rows) -> Gang:
        """Rows by mask or index."""
        return Gang(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """A model trained on rows of hardware and layout."""

    architecture: Architecture
    precision: Precision
    hardware: Hardware
    gang: Gang
    constants: Constants
    sequence_length: int
    global_batch_sequences: int
    recompute: bool
    micro_batch: float | Array = 1.0  # sequences

    @property
    def micro_batches(self) -> Array:
        """Micro-batches a pipeline takes in a step."""
        return np.ceil(self.global_batch_sequences / (self.gang.data_parallel * self.micro_batch))

    def step_s(self) -> Array:
        """Seconds of one optimiser step."""
        m, g, a = self.micro_batches, self.gang, self.architecture
        compute = self._compute()
        micro = compute + self._exposed(compute)
        interleave = np.clip(np.floor(a.layers / g.pipeline_parallel), 1, MAX_INTERLEAVE)
        bubble = (g.pipeline_parallel - 1) / interleave
        once = self._data() + self._update() + self.constants.training.step_s
        return np.asarray((m + bubble) * (micro + self._pipeline()) + once)

    def tokens_per_s(self) -> Array:
        """Tokens of the whole gang a second."""
        return self.global_batch_sequences * self.sequence_length / self.step_s()

    def model_flop_per_token(self) -> float:
        """Forward and backward, without recomputation: what model FLOP utilisation counts."""
        return 3.0 * (self._dense_flop() + self._expert_flop())

    def mfu(self) -> Array:
        """Model FLOP utilisation against the BF16 peak."""
        rate = self.tokens_per_s() * self.model_flop_per_token()
        return rate / (self.gang.accelerators * self.hardware.bf16_flop_per_s)

    def _dense_flop(self) -> float:
        """Forward FLOP a token outside the experts; causal attention sees half of the sequence on average."""
        a, s = self.architecture, float(self.sequence_length)
        weights = a.attention_parameters + a.dense_ffn_parameters + a.shared_expert_parameters + a.output_parameters
        window = min(s / 2, a.sliding_window) if a.sliding_window else s / 2
        return 2.0 * weights + a.prefill_attention_flop * s / 2 + a.window_attention_flop * window

    def _expert_flop(self) -> float:
        a = self.architecture
        return 2.0 * a.expert_parameters * a.experts_per_token / a.experts if a.experts else 0.0

    def _compute(self) -> Array:
        """Forward, backward (twice the forward) and recomputation (a forward) of one micro-batch on a stage."""
        a, c, g = self.architecture, self.constants.training, self.gang
        tokens = self.sequence_length * self.micro_batch
        passes = 4.0 if self.recompute else 3.0
        peak = self.hardware.flop_per_s(self.precision) * c.compute_efficiency
        peak = peak * (c.fp8_efficiency if self.precision.compute == "fp8" else 1.0)
        split = g.tensor_parallel * g.pipeline_parallel
        dense, experts = self._dense_flop() * tokens / split, self._expert_flop() * tokens / split
        call = (self._dense_flop() + self._expert_flop()) * tokens / (a.layers * g.tensor_parallel)
        small = 1.0 + c.half_rate_flop / call * self.hardware.bf16_flop_per_s / 1e15  # a faster machine needs more work
        layers = np.ceil(a.layers / g.pipeline_parallel)
        return passes * (small * (dense + experts / c.moe_efficiency) / peak + layers * c.layer_s)

    def _exposed(self, compute: Array) -> Array:
        """Communication inside a stage that overlap does not hide; no more can hide than there is compute."""
        c, tensor, expert = self.constants.training, self._tensor(), self._expert()
        share = c.exposed_tensor_communication * tensor + c.exposed_expert_communication * expert
        return np.maximum(share, tensor + expert - compute)

    def _hidden_bytes(self) -> Array:
        return np.asarray(2.0 * self.sequence_length * self.micro_batch * self.architecture.hidden_size)

    def _tensor(self) -> Array:
        """Two all-reduces a layer in each direction (as gather and scatter with sequence parallelism)."""
        c, g = self.constants.training, self.gang
        link = self.hardware.scaleup(c.scaleup_latency_s, c.scaleup_efficiency, self.constants.assumed)
        times = (6.0 if self.recompute else 4.0) * np.ceil(self.architecture.layers / g.pipeline_parallel)
        return times * all_reduce(self._hidden_bytes(), g.tensor_parallel, link)

    def _expert(self) -> Array:
        """Dispatch and combine of each expert layer, inside a node or over the network."""
        a, c, g = self.architecture, self.constants.training, self.gang
        if not a.experts:
            return np.zeros_like(g.accelerators)
        inner = self.hardware.scaleup(c.scaleup_latency_s, c.scaleup_efficiency, self.constants.assumed)
        outer = self.hardware.scaleout(c.scaleout_latency_s, c.scaleout_efficiency)
        size = self._hidden_bytes() / g.tensor_parallel * np.minimum(a.experts_per_token, g.expert_parallel)
        near, far = all_to_all(size, g.expert_parallel, inner), all_to_all(size, g.expert_parallel, outer)
        times = (6.0 if self.recompute else 4.0) * np.ceil(a.moe_layers / g.pipeline_parallel)
        return times * np.where(g.expert_parallel <= g.per_node, near, far)

    def _pipeline(self) -> Array:
        """Activations to the next stage and gradients back."""
        c, g = self.constants.training, self.gang
        link = self.hardware.scaleout(c.scaleout_latency_s, c.scaleout_efficiency)
        hop = 2.0 * point_to_point(self._hidden_bytes() / g.tensor_parallel, link)
        return np.where(g.pipeline_parallel > 1, hop, 0.0)

    def _data(self) -> Array:
        """Gradients out and weights back once a step; ZeRO-3 also gathers the weights twice a micro-batch."""
        dense, experts = self._parameters()
        expert_copies = self._expert_copies()
        width = self.gang.tensor_parallel * self.gang.data_parallel / expert_copies
        seconds = self._synchronise(dense, self.gang.data_parallel, self.gang.tensor_parallel)
        return self.constants.training.exposed_data_communication * (
            seconds + self._synchronise(experts, expert_copies, width)
        )

    def _synchronise(self, parameters: Array, copies: Array, stride: Array) -> Array:
        """Seconds to keep `copies` of `parameters` equal; the copies lie `stride` accelerators apart."""
        c, g = self.constants.training, self.gang
        inner = self.hardware.scaleup(c.scaleup_latency_s, c.scaleup_efficiency, self.constants.assumed)
        outer = self.hardware.scaleout(c.scaleout_latency_s, c.scaleout_efficiency)
        local = np.minimum(copies, np.maximum(1.0, g.per_node / stride))
        nodes = np.maximum(1.0, copies / local)
        size = WEIGHT_BYTES * parameters
        gather = all_gather(size, local, inner) + all_gather(size / local, nodes, outer)
        again = np.where(g.zero_stage >= FULLY_SHARDED, 2.0 * self.micro_batches * gather, 0.0)
        return hierarchical_all_reduce(size, local, inner, nodes, outer) + again

    def _update(self) -> Array:
        """Reading and writing the optimiser's share."""
        dense, experts = self._parameters()
        share = dense / self.gang.data_parallel + experts / self._expert_copies()
        return share * self.constants.training.optimizer_bytes_per_parameter / self.hardware.hbm_bytes_per_s

    def _parameters(self) -> tuple[Array, Array]:
        """(dense, expert) parameters of the fullest accelerator before ZeRO."""
        a, g = self.architecture, self.gang
        share = stage_share(a.layers, g.pipeline_parallel)
        ends = np.where((g.pipeline_parallel > 1) | (a.head_parameters == 0), 1.0, 2.0)
        body = a.always_active_parameters - a.head_parameters
        dense = (body * share + a.output_parameters * ends) / g.tensor_parallel
        return dense, a.expert_parameters * share / np.maximum(g.expert_parallel, g.tensor_parallel)

    def _expert_copies(self) -> Array:
        """Accelerators of a stage that hold the same experts."""
        g = self.gang
        return g.tensor_parallel * g.data_parallel / np.maximum(g.expert_parallel, g.tensor_parallel)
