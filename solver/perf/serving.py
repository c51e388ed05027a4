"""Serving physics: time to first token and per output token of an engine at a given concurrency.

A decode step reads the weights the batch touches and the cache of every sequence, multiplies, communicates and
pays a launch and scheduling overhead; prefill is the same roofline with a prompt's tokens. Roofline after Williams
et al. 2009; expert coverage is the chance that a batch of independent draws touches an expert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import all_reduce, all_to_all, point_to_point
from .constants import ENGINES, Constants
from .memory import STATE_BYTES, weight_bytes

if TYPE_CHECKING:
    from .architectures import Architecture
    from .constants import Precision
    from .hardware import Hardware, Layout

Array = np.ndarray[Any, np.dtype[np.float64]]
INDEX_SHARE = 0.1  # of a cache row: what sparse attention reads of every earlier token to choose the best
ROOFLINE_NORM = 3.0  # memory and compute overlap; a p-norm rounds the corner between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Mean latencies of one engine; arrays of the broadcast shape."""

    ttft_ms: Array
    tpot_ms: Array
    prefill_s: Array  # one prompt alone
    requests_per_s: Array  # of the engine with all its places taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A pass through all layers."""

    tokens: Array  # in the pass, over all attention ranks
    sequences: Array
    context: float  # mean earlier tokens a token attends to
    decode: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A model in a precision on rows of hardware and layout; the physics of one engine."""

    architecture: Architecture
    precision: Precision
    hardware: Hardware
    layout: Layout
    constants: Constants
    engine: str = "vllm"

    def predict(self, concurrency: Array, input_tokens: float, output_tokens: float) -> Prediction:
        """Latency and rate with `concurrency` sequences in flight in the engine (broadcasts with the rows)."""
        c, e = self.constants.serving, ENGINES.index(self.engine)
        stages, ranks = self.layout.pipeline_parallel, self.layout.data_parallel
        one, batch = np.ones_like(concurrency), concurrency / stages
        context = input_tokens + output_tokens / 2
        decode = self._pass(_Step(tokens=np.maximum(batch, 1.0), sequences=batch, context=context, decode=True))
        decode = decode + c.step_s[e] + concurrency * c.sequence_s
        prompt = _Step(tokens=one * input_tokens, sequences=one, context=input_tokens / 2, decode=False)
        prefill = self._pass(prompt)
        share = prefill / (stages * ranks)  # of the engine's prefill capacity that one prompt takes
        tpot = decode + c.prefill_interference[e] * np.maximum(concurrency - 1, 0) / output_tokens * share
        load = np.clip(concurrency * share / (output_tokens * tpot + prefill), 0, 0.98)
        ttft = c.first_token_s[e] + prefill * (1 + c.queue_by_load * load * np.sqrt(concurrency))
        ttft = ttft + c.queue_by_burst[e] * concurrency * share + c.decode_before_first * decode
        rate = np.minimum(concurrency / (ttft + (output_tokens - 1) * tpot), 1 / share)
        return Prediction(ttft_ms=ttft * 1e3, tpot_ms=tpot * 1e3, prefill_s=prefill, requests_per_s=rate)

    def _pass(self, s: _Step) -> Array:
        """Seconds of one pass: roofline, cache, communication and launch overhead."""
        a, c, e = self.architecture, self.constants.serving, ENGINES.index(self.engine)
        core = self._products(s) if s.decode else self._products(s) + self._attention(s)
        core = core + self._cache(s) if s.decode else core
        hidden = 1.0 if s.decode else c.prefill_communication
        launch = a.layers * c.layer_s[e] + a.moe_layers * c.moe_layer_s
        return core + hidden * self._communication(s) + (launch if s.decode else 0.0)

    def _products(self, s: _Step) -> Array:
        """Matrix products against weights: the slower of reading and multiplying, rounded."""
        a, c, layout, hw = self.architecture, self.constants.serving, self.layout, self.hardware
        body, experts, vocabulary = weight_bytes(a, self.precision)
        ranks = layout.stage_accelerators
        local = s.tokens / layout.data_parallel if s.decode else s.tokens  # one prompt runs on one attention rank
        share = a.experts_per_token / a.experts if a.experts else 0.0
        touched = np.maximum(1 - (1 - share) ** (s.tokens * c.coverage), share) if a.experts else 0.0
        read = (body + vocabulary) / layout.tensor_parallel + experts * touched / ranks
        dense = a.attention_parameters + a.dense_ffn_parameters + a.shared_expert_parameters
        heads = a.output_parameters * (local if s.decode else 1.0)
        flop = 2 * ((dense * local + heads) / layout.tensor_parallel + a.expert_parameters * share * s.tokens / ranks)
        reach = c.decode_efficiency if s.decode else c.prefill_efficiency
        rate = hw.flop_per_s(self.precision) * np.asarray(reach)[hw.generation]
        if self.precision.compute == "fp4":
            rate = rate * np.where(hw.fp4_flop_per_s > 0, c.fp4_efficiency, 1.0)
        memory = read / (hw.hbm_bytes_per_s * np.asarray(c.memory_efficiency)[hw.generation])
        p = ROOFLINE_NORM
        return np.asarray((memory**p + (flop / rate) ** p) ** (1 / p))

    def _attended(self, context: float) -> tuple[float, float]:
        """Tokens read in full layers and in sliding layers."""
        a = self.architecture
        chosen = min(context, a.selected_context) + INDEX_SHARE * context if a.selected_context else context
        return min(chosen, context), min(context, a.sliding_window) if a.sliding_window else context

    def _attention(self, s: _Step) -> Array:
        """Score and value products of attention, seconds."""
        a, layout = self.architecture, self.layout
        full, window = self._attended(s.context)
        each = (a.decode_attention_flop if s.decode else a.prefill_attention_flop) * full
        each += a.window_attention_flop * window
        ranks = layout.stage_accelerators if s.decode else layout.tensor_parallel
        return each * s.tokens / ranks / (self.hardware.bf16_flop_per_s * self.constants.serving.attention_efficiency)

    def _cache(self, s: _Step) -> Array:
        """Reading the cache of every sequence (and its state twice), or the products on it if slower."""
        a, layout = self.architecture, self.layout
        full, window = self._attended(s.context)
        rows = (a.cache_values_per_token * full + a.window_values_per_token * window) * self.precision.kv_bytes
        keys = rows / np.minimum(layout.tensor_parallel, a.kv_heads)
        state = 2 * a.state_values_per_sequence * STATE_BYTES / layout.tensor_parallel
        rate = self.hardware.hbm_bytes_per_s * self.constants.serving.attention_bandwidth
        read = s.sequences / layout.data_parallel * (keys + state) / rate
        return np.maximum(read, self._attention(s))

    def _communication(self, s: _Step) -> Array:
        """Two all-reduces a layer; expert layers shared by several attention ranks dispatch and combine instead."""
        a, c, layout, k = self.architecture, self.constants.serving, self.layout, self.constants.assumed
        link = self.hardware.scaleup(c.collective_latency_s[ENGINES.index(self.engine)], c.collective_efficiency, k)
        local = s.tokens / layout.data_parallel if s.decode else s.tokens
        size = 2.0 * local * a.hidden_size
        reduce = all_reduce(size, layout.tensor_parallel, link)
        spread = np.minimum(a.experts_per_token, layout.stage_accelerators)
        exchange = 2 * all_to_all(size / layout.tensor_parallel * spread, layout.stage_accelerators, link)
        moe = np.where(layout.data_parallel > 1, exchange, reduce)
        hop = point_to_point(size, self.hardware.scaleout(k.scaleout_latency_s, k.scaleout_efficiency))
        total = (2 * a.layers - a.moe_layers) * reduce + a.moe_layers * moe + (layout.pipeline_parallel - 1) * hop
        return np.asarray(total)
