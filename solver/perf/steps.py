"""The time of a step of a serving engine: a roofline of weights, attention, communication and launch, as columns.

A decode step reads the weights that the batch touches and the cache of every sequence, multiplies, communicates and
pays for launching; a prefill is the same with a prompt's tokens. Roofline after Williams et al. 2009; the share of
experts that a batch touches is 1 − (1 − k/E)^(c T). Every time is a sum of terms that grow with their load, so that
more bandwidth is never slower, more context never faster, and another sequence never speeds the others up.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import Link, all_reduce, all_to_all, point_to_point
from .memory import STATE_BYTES
from .setups import FRAMEWORK_BYTES, PRECISION_NAMES, Setups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .hardware import Column, Rows

Array = np.ndarray[Any, np.dtype[np.float64]]
ENGINES = ("trtllm", "sglang", "vllm", "")  # the last is none in particular
CORNER_SQUARINGS = 5  # a 32-norm rounds the corner between the sequences wanted and those the cache holds
NVLINK_BYTES_PER_S = 100e9  # slower scale-up links are PCIe
PCIE_LATENCY = 3.0  # collectives over PCIe have no direct-access kernels
SCALEOUT_LATENCY_S = 2.5e-5
SCALEOUT_EFFICIENCY = 0.8
USABLE_HBM = 0.94


@dataclass(frozen=True, slots=True)
class ServingConstants:
    """Constants by name: arrays [engine, generation] of ENGINES and GENERATIONS, plain values with their units."""

    values: Mapping[str, Array]

    def at(self, s: Setups) -> Mapping[str, Array]:
        """Each constant for each set-up."""
        return {name: table[s.engine, s.generation] for name, table in self.values.items()}


def constants_of(table: Mapping[str, Mapping[str, Any]]) -> ServingConstants:
    """Constants from {name: {value, engine: {name: log factor}, blackwell: log factor}}."""
    values = {}
    for name, entry in table.items():
        engine = np.array([entry.get("engine", {}).get(e, 0.0) for e in ENGINES])
        generation = np.array([0.0, entry.get("blackwell", 0.0)])
        values[name] = float(entry["value"]) * np.exp(engine[:, None] + generation[None, :])
    return ServingConstants(MappingProxyType(values))


@functools.cache
def fitted() -> Mapping[str, Any]:
    """The packaged calibration of serving, read once."""
    text = resources.files(__package__).joinpath("fitted/serving.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))


@functools.cache
def serving_constants() -> ServingConstants:
    """The packaged constants of the step model."""
    return constants_of(fitted()["constants"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Coefficients of the step times of K set-ups: float64 arrays that broadcast to [K]; times in seconds."""

    dense_s: Array  # reading the weights every token needs
    experts_s: Array  # reading all experts
    untouched: Array  # log of the chance that a token of the batch leaves an expert alone
    routed_share: Array
    decode_token_s: Array  # products of a token in flight, in a decode step
    prefill_token_s: Array  # products of a prompt's token
    prefill_head_s: Array  # products of a prompt's last token with the output matrix
    full_read_s: Array  # reading a cached token, for each sequence
    window_read_s: Array
    state_read_s: Array  # for each sequence
    full_product_s: Array  # attention products with a cached token in decode, for each sequence
    window_product_s: Array
    full_prefill_s: Array  # attention products of a prompt's token with an earlier one
    window_prefill_s: Array
    launch_s: Array  # launches, scheduler, and latency of collectives
    sequence_s: Array  # scheduler and collectives for each sequence in flight
    prefill_launch_s: Array  # latency of a prompt's collectives
    prefill_moved_s: Array  # collectives of a prompt's token
    interference: Array  # share of other requests' prefills that delays a decode step
    first_token_s: Array
    queue_by_load: Array
    queue_by_burst: Array  # prefills waited for, for each other sequence to the power below
    queue_power: Array
    decode_before_first: Array  # decode steps waited before the first token
    selected_context: Array  # 0: all
    index_share: Array  # of a cached token: what sparse selection reads of each
    sliding_window: Array  # 0: none
    room_bytes: Array  # for cache on an accelerator, over all its stages' sequences
    token_bytes: Array  # of the cache, on an accelerator
    window_bytes: Array
    state_bytes: Array
    held_output: Array  # share of the answer that a sequence's cache holds on average
    ranks: Array  # attention ranks: sequences are spread over them
    stages: Array  # pipeline stages: micro-batches work on them at once

    def take(self, rows: Rows | Column) -> Steps:
        """Rows by mask or index, of coefficients that broadcast to [K]."""
        shape = self.dense_s.shape
        return Steps(**{name: np.broadcast_to(getattr(self, name), shape)[rows] for name in COEFFICIENTS})

    def decode_terms(self, running: Array, context: Array, width: Array | float = 1.0) -> tuple[Array, Array, Array]:
        """(products, attention, launch and communication) of a decode step, seconds.

        Args:
            running: sequences in the step.
            context: mean earlier tokens of a sequence.
            width: tokens a sequence computes in the step.
        """
        batch = running / self.stages
        tokens = batch * width
        read = self.dense_s + self.experts_s * self._touched(np.maximum(tokens, 1.0))
        products = _meet(read, self.decode_token_s * tokens)
        full, window = self._attended(context)
        reading = self.full_read_s * full + self.window_read_s * window + self.state_read_s
        scores = (self.full_product_s * full + self.window_product_s * window) * width
        return products, batch * np.maximum(reading, scores), self.launch_s + self.sequence_s * tokens

    def prefill_s(self, tokens: Array, earlier: Array | float = 0.0, chunk: Array | float = np.inf) -> Array:
        """Seconds for one prompt alone: `tokens` in passes of `chunk`, after `earlier` ones that are cached already."""
        passes = np.maximum(np.ceil(tokens / chunk), 1.0)
        each = tokens / passes
        read = self.dense_s + self.experts_s * self._touched(each)
        products = passes * _meet(read, self.prefill_token_s * each + self.prefill_head_s)
        full, window = self._attended(earlier + tokens / 2)
        attention = tokens * (self.full_prefill_s * full + self.window_prefill_s * window)
        return products + attention + passes * self.prefill_launch_s + self.prefill_moved_s * tokens

    def capacity(self, input_tokens: Array, output_tokens: Array) -> Array:
        """Sequences an engine's cache holds at once, at least one."""
        held = input_tokens + np.minimum(self.held_output, 1.0) * output_tokens
        window = np.where(self.sliding_window > 0, np.minimum(held, self.sliding_window), held)
        each = self.token_bytes * held + self.window_bytes * window + self.state_bytes
        return np.maximum(self.room_bytes / np.maximum(each, 1.0) * self.ranks, 1.0)

    def running(self, concurrency: Array, input_tokens: Array, output_tokens: Array) -> Array:
        """Sequences that run of those in flight: the lesser of `concurrency` and what the cache holds, rounded."""
        capacity = self.capacity(input_tokens, output_tokens)
        less, more = np.minimum(concurrency, capacity), np.maximum(concurrency, capacity)
        near = less / more
        for _ in range(CORNER_SQUARINGS):
            near = near * near
        return np.asarray(less * np.exp(np.log1p(near) / -(2.0**CORNER_SQUARINGS)))

    def _touched(self, tokens: Array) -> Array:
        """Share of the experts that `tokens` touch."""
        return np.maximum(-np.expm1(self.untouched * tokens), self.routed_share)

    def _attended(self, context: Array) -> tuple[Array, Array]:
        """Tokens read in full layers and in sliding layers."""
        chosen = np.minimum(context, self.selected_context) + self.index_share * context
        full = np.where(self.selected_context > 0, chosen, context)
        return full, np.where(self.sliding_window > 0, np.minimum(context, self.sliding_window), context)


COEFFICIENTS = tuple(f.name for f in dataclasses.fields(Steps))


def _meet(read: Array, multiply: Array) -> Array:
    """The slower of reading and multiplying, its corner rounded by a 3-norm."""
    return np.asarray(np.cbrt(read * read * read + multiply * multiply * multiply))


def steps(s: Setups, constants: ServingConstants) -> Steps:
    """Coefficients of the set-ups under the constants."""
    c = constants.at(s)
    tensor, stage = s.tensor_parallel, s.stage_accelerators
    alone, dense, expert, experts = _weights(s, c)
    reading = s.hbm_bytes_per_s * np.minimum(c["memory_efficiency"], 1.0)
    heads = np.minimum(tensor, s.kv_heads)
    cache = s.hbm_bytes_per_s * c["attention_bandwidth"]
    row = s.kv_bytes / heads / cache
    multiply = s.bf16_flop_per_s * c["decode_attention_efficiency"] * stage
    prompt = s.bf16_flop_per_s * c["prefill_attention_efficiency"] * tensor
    latency, moved = _communication(s, c)
    launch = s.layers * c["layer_s"] + s.moe_layers * c["moe_layer_s"] + c["step_s"]
    hop = (s.pipeline_parallel - 1) * point_to_point(
        2.0 * s.hidden_size, Link(np.asarray(SCALEOUT_LATENCY_S), s.scaleout_bytes_per_s * SCALEOUT_EFFICIENCY)
    )
    share = s.stage_share
    room = USABLE_HBM * s.hbm_bytes - s.weight_bytes - FRAMEWORK_BYTES
    return Steps(
        dense_s=alone / reading,
        experts_s=experts / reading,
        untouched=np.log1p(-np.minimum(s.routed_share, 0.999)) * np.minimum(c["coverage"], 1.0),
        routed_share=s.routed_share,
        decode_token_s=dense("decode_efficiency") / s.data_parallel
        + 2.0 * s.output_parameters / tensor / s.data_parallel / (s.dense_flop_per_s * c["decode_efficiency"])
        + expert("decode_efficiency"),
        prefill_token_s=dense("prefill_efficiency") + expert("prefill_efficiency") / c["prefill_expert_efficiency"],
        prefill_head_s=2.0 * s.output_parameters / tensor / (s.dense_flop_per_s * c["prefill_efficiency"]),
        full_read_s=s.cache_values_per_token
        * row
        / s.data_parallel
        / np.where(s.latent > 0, c["latent_bandwidth"], 1.0),
        window_read_s=s.window_values_per_token * row / s.data_parallel / c["window_bandwidth"],
        state_read_s=2.0
        * STATE_BYTES
        * c["state_reads"]
        * s.state_values_per_sequence
        / tensor
        / s.data_parallel
        / cache,
        full_product_s=s.decode_attention_flop / multiply,
        window_product_s=s.window_attention_flop / multiply,
        full_prefill_s=s.prefill_attention_flop / prompt,
        window_prefill_s=s.window_attention_flop / prompt,
        launch_s=launch + latency + hop,
        sequence_s=c["sequence_s"] / s.data_parallel + moved / s.data_parallel,
        prefill_launch_s=c["prefill_communication"] * latency + hop,
        prefill_moved_s=c["prefill_communication"] * moved,
        interference=c["prefill_interference"],
        first_token_s=c["first_token_s"],
        queue_by_load=c["queue_by_load"],
        queue_by_burst=c["queue_by_burst"],
        queue_power=np.minimum(c["queue_power"], 1.0),
        decode_before_first=c["decode_before_first"],
        selected_context=s.selected_context,
        index_share=c["index_share"],
        sliding_window=s.sliding_window,
        room_bytes=np.maximum(room, 0.0) * c["cache_room"],
        token_bytes=s.cache_values_per_token * s.kv_bytes / heads * share,
        window_bytes=s.window_values_per_token * s.kv_bytes / heads * share,
        state_bytes=STATE_BYTES * s.state_values_per_sequence / tensor * share,
        held_output=c["held_output"],
        ranks=s.data_parallel,
        stages=s.pipeline_parallel,
    )


def _weights(s: Setups, c: Mapping[str, Array]) -> tuple[Array, Any, Any, Array]:
    """(bytes every step reads, seconds of a token's dense products and of its expert products, bytes of experts).

    The middle two are functions of the name of the efficiency. Bytes are those of an accelerator, raised where a
    type is read at less than the full bandwidth.
    """
    is_ = {name: s.precision == i for i, name in enumerate(PRECISION_NAMES)}
    moe, stage = s.expert_parameters > 0, s.stage_accelerators
    four = is_["fp4"]
    dense_factor = np.where(four, np.where(moe, c["fp4_mixed_bytes"] / 2.0, c["fp4_dense_bytes"]), 1.0)
    expert_factor = np.where(is_["mxfp4"], c["mxfp4_bytes"], 1.0) / c["expert_bandwidth"]
    expert_factor = np.maximum(expert_factor, np.minimum(c["memory_efficiency"], 1.0))  # nothing reads beyond the peak
    alone = (s.dense_bytes * dense_factor * s.dense_parameters + 2.0 * s.plain_parameters) / s.tensor_parallel
    experts = s.expert_bytes * expert_factor * s.expert_parameters / stage
    imbalance = 1.0 + c["expert_imbalance"] * (s.expert_parallel > 1)

    def fp4(peak: Array) -> Array:
        """What FP4 reaches of its peak: no less than BF16 would, which stands in where there are no FP4 units."""
        return np.where(four, np.maximum(c["fp4_efficiency"], s.bf16_flop_per_s / peak), 1.0)

    def dense(efficiency: str) -> Array:
        rate = s.dense_flop_per_s * c[efficiency] * np.where(moe, 1.0, fp4(s.dense_flop_per_s))
        return 2.0 * s.dense_parameters / s.tensor_parallel / rate

    def expert(efficiency: str) -> Array:
        work = 2.0 * s.expert_parameters * s.routed_share / stage * imbalance
        return work / (s.expert_flop_per_s * c[efficiency] * fp4(s.expert_flop_per_s))

    return alone, dense, expert, experts


def _communication(s: Setups, c: Mapping[str, Array]) -> tuple[Array, Array]:
    """(latency of a step's collectives, seconds for each token that an attention rank works on).

    Two all-reduces a layer; expert layers shared by several attention ranks dispatch and combine instead.
    """
    slow = np.where(s.scaleup_bytes_per_s < NVLINK_BYTES_PER_S, PCIE_LATENCY, 1.0)
    latency = c["collective_latency_s"] * slow
    bandwidth = s.scaleup_bytes_per_s * c["collective_efficiency"]
    zero, token = np.zeros(()), 2.0 * s.hidden_size
    tensor, stage = s.tensor_parallel, s.stage_accelerators

    def steps_of(ranks: Array) -> Array:
        """Latency steps: one for the first doubling, a share of one for each further."""
        doublings = np.log2(np.maximum(ranks, 1.0))
        return np.where(doublings > 0, 1.0 + c["collective_depth"] * (doublings - 1.0), 0.0)

    def reduce(size: Array, link: Link) -> Array:
        return all_reduce(size, tensor, link)

    silent = Link(zero, bandwidth)
    spread = np.minimum(s.experts_per_token, stage)
    reduced = reduce(token, silent)
    exchanged = 2.0 * all_to_all(token / tensor * spread, stage, silent) * c["dispatch"]
    reduce_latency, exchange_latency = latency * steps_of(tensor), 2.0 * c["dispatch"] * latency * steps_of(stage)
    split = s.data_parallel > 1
    expert = np.where(s.expert_parallel > 1, c["expert_reduce"], 1.0)
    plain = 2.0 * s.layers - s.moe_layers
    return (
        plain * reduce_latency + s.moe_layers * np.where(split, exchange_latency, expert * reduce_latency),
        plain * reduced + s.moe_layers * np.where(split, exchanged, expert * reduced),
    )
