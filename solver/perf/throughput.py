"""Offline throughput: tokens a second of engines that always have requests waiting.

Prefill and decode share an engine's steps: while a sequence makes its output tokens, one prompt in `output_tokens`
steps is read for it, so a step of b sequences multiplies b (1 + input ÷ output) tokens. A step reads the weights it
touches and the cache of its sequences, multiplies, moves activations, communicates, launches layers and is scheduled;
the batch is what the cache has room for. Roofline after Williams et al. 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import Link, all_reduce, all_to_all, point_to_point
from .hardware import CLASSES, GIB, NVLINK_GB_PER_S
from .memory import STATE_BYTES
from .throughput_rows import STACKS, UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .throughput_rows import Candidates, Index, Models

Array = np.ndarray[Any, np.dtype[np.float64]]
ACTIVATION_ROWS = 10.0  # rows of hidden size a token reads or writes in a layer, BF16
PREFILL_TOKENS = 8192.0  # of a step, whose activations are kept free
FRAMEWORK_BYTES = 2.0 * GIB
NODE_ACCELERATORS = 8.0
INDEX_SHARE = 0.1  # of a cache row: what sparse attention reads of every earlier token to choose the best
ROOFLINE_NORM = 3.0  # memory and compute overlap; a p-norm rounds the corner between them
BISECTIONS = 8
LONGEST_PROMPT = 10.0  # in outputs, beyond which waiting for others' prompts grows no more
NEVER_FITS = 1e-6  # share of its rate that an engine without room is given, so that the best layout has room


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of one step of one pipeline stage by part, [C]."""

    products: Array  # matrix products against weights: reading and multiplying, the slower of the two
    activations: Array  # moved between kernels
    cache: Array  # read, or multiplied if that is slower
    prefill_attention: Array
    communication: Array
    launch: Array
    host: Array

    @property
    def seconds(self) -> Array:
        """All of it."""
        return (
            self.products
            + self.activations
            + self.cache
            + self.prefill_attention
            + self.communication
            + self.launch
            + self.host
        )


def step(c: Candidates, k: Mapping[str, float], sequences: Array) -> Step:
    """One step of a stage that holds `sequences`, [C], each with its share of a prompt."""
    m, load, lay = c.models, c.loads, c.layouts
    prompt = load.input_tokens / load.output_tokens  # prompt tokens for each output token
    tokens = sequences * (1.0 + prompt)
    size = 2.0 * tokens / lay.data * m.hidden_size
    return Step(
        products=_products(c, k, sequences, tokens),
        activations=_activations(c, k, tokens),
        cache=_cache(c, k, sequences),
        prefill_attention=_prefill_attention(c, k, sequences * prompt),
        communication=_communication(c, k, size) / lay.pipeline,
        launch=(m.layers * k["layer_s"] + m.moe_layers * k["moe_layer_s"]) / lay.pipeline,
        host=_host(c, k, sequences),
    )


def by_group(k: Mapping[str, float], name: str, groups: Sequence[str], index: Index) -> Array:
    """A constant times what it is in each row's group, [C]; 1 where the group has none of its own."""
    return k[name] * np.array([k.get(f"{name}/{group}", 1.0) for group in groups])[index]


def _hbm(c: Candidates, k: Mapping[str, float]) -> Array:
    return c.machines.hbm_bytes_per_s * by_group(k, "memory_efficiency", CLASSES, c.machines.kind)


def _products(c: Candidates, k: Mapping[str, float], sequences: Array, tokens: Array) -> Array:
    m, n, lay = c.models, c.numbers, c.layouts
    local, share = tokens / lay.data, m.expert_share
    touched = np.where(m.experts > 0, np.maximum(1.0 - (1.0 - share) ** tokens, share), 0.0)
    body = n.wide_bytes * m.body_parameters + 2.0 * (m.router_parameters + m.norm_parameters)
    read = (body + 2.0 * m.output_parameters) / lay.tensor + n.weight_bytes * m.expert_parameters * touched / lay.ranks
    reach = by_group(k, "compute_efficiency", CLASSES, c.machines.kind)
    peak = reach * c.machines.flop_per_s * np.array([k.get(f"units/{u}", 1.0) for u in UNITS])[n.units]
    bf16 = reach * c.machines.bf16_flop_per_s
    narrow = np.where(n.wide_bytes > n.weight_bytes, bf16, peak) * local / (local + k["half_rate_tokens"])
    prompt = np.minimum(c.loads.input_tokens / c.loads.output_tokens, LONGEST_PROMPT)
    uneven = np.where(lay.data > 1, 1.0 + k["uneven_prefill"] * prompt, 1.0)  # attention ranks wait for each other
    dense = m.body_parameters * local / narrow * uneven + m.output_parameters * sequences / lay.data / bf16
    each = tokens * share  # tokens of an expert
    width = m.expert_parameters / np.maximum(3.0 * m.hidden_size * m.experts * m.moe_layers, 1.0)
    full = k["expert_efficiency"] * each / (each + k["half_rate_expert_tokens"])
    full = full * width / (width + k["half_rate_expert_width"])
    experts = np.where(m.experts > 0, m.expert_parameters * each / np.maximum(full, 1e-9) / peak, 0.0)
    flop = 2.0 * (dense / lay.tensor + experts / lay.ranks) * lay.tensor ** k["split_loss"]
    p = ROOFLINE_NORM
    return np.asarray(((read / _hbm(c, k)) ** p + flop**p) ** (1 / p) / lay.pipeline)


def _activations(c: Candidates, k: Mapping[str, float], tokens: Array) -> Array:
    """Rows that kernels hand on: of hidden size in every layer, of the FFN, and copied for each expert of a token."""
    m, lay = c.models, c.layouts
    inner = (m.dense_ffn_parameters + m.shared_expert_parameters) / m.hidden_size / lay.tensor
    dense = ACTIVATION_ROWS * m.hidden_size * m.layers + inner
    routed = 2.0 * m.experts_per_token * m.hidden_size * m.moe_layers + m.expert_parameters * m.expert_share / (
        m.hidden_size
    )
    moved = k["activation_moves"] * dense / lay.data + k["routed_moves"] * routed / lay.ranks
    return 2.0 * tokens * moved / lay.pipeline / _hbm(c, k)


def _attended(m: Models, context: Array) -> tuple[Array, Array]:
    """Tokens that full and sliding layers read."""
    chosen = np.minimum(context, np.minimum(context, m.selected_context) + INDEX_SHARE * context)
    full = np.where(m.selected_context > 0, chosen, context)
    return full, np.where(m.sliding_window > 0, np.minimum(context, m.sliding_window), context)


def _attention_rate(c: Candidates, k: Mapping[str, float]) -> Array:
    reach = k["attention_efficiency"] * by_group(k, "compute_efficiency", CLASSES, c.machines.kind)
    return c.machines.bf16_flop_per_s * reach * c.layouts.ranks * c.layouts.pipeline


def _cache(c: Candidates, k: Mapping[str, float], sequences: Array) -> Array:
    m, lay = c.models, c.layouts
    full, window = _attended(m, c.loads.input_tokens + c.loads.output_tokens / 2)
    rows = (m.cache_values_per_token * full + m.window_values_per_token * window) * c.numbers.kv_bytes
    held = rows / np.minimum(lay.tensor, m.kv_heads) + 2.0 * STATE_BYTES * m.state_values_per_sequence / lay.tensor
    read = sequences / lay.data * held / lay.pipeline / (k["cache_efficiency"] * _hbm(c, k))
    flop = (m.decode_attention_flop * full + m.window_attention_flop * window) * sequences
    return np.maximum(read, flop / _attention_rate(c, k))


def _prefill_attention(c: Candidates, k: Mapping[str, float], tokens: Array) -> Array:
    full, window = _attended(c.models, c.loads.input_tokens / 2)
    flop = (c.models.prefill_attention_flop * full + c.models.window_attention_flop * window) * tokens
    return flop / _attention_rate(c, k)


def _communication(c: Candidates, k: Mapping[str, float], size: Array) -> Array:
    """Two all-reduces a layer of `size` bytes; layers of experts of several attention ranks dispatch and combine."""
    m, lay, raw = c.models, c.layouts, c.machines.scaleup_bytes_per_s
    slow = raw < NVLINK_GB_PER_S * 1e9
    latency = k["collective_s"] * np.where(slow, k["pcie_latency"], 1.0)
    link = Link(latency, raw * np.where(slow, k["pcie_efficiency"], k["all_reduce_efficiency"]))
    wide = Link(latency, raw * k["all_to_all_efficiency"])
    reduce = all_reduce(size, lay.tensor, link)
    spread = np.minimum(np.maximum(m.experts_per_token, 1.0), lay.ranks)
    exchange = 2.0 * all_to_all(size / lay.tensor * spread, lay.ranks, wide)
    moe = np.where(lay.data > 1, exchange, reduce)
    hop = np.where(lay.pipeline > 1, lay.pipeline * point_to_point(size, link), 0.0)
    return (2.0 * m.layers - m.moe_layers) * reduce + m.moe_layers * moe + hop


def _host(c: Candidates, k: Mapping[str, float], sequences: Array) -> Array:
    """Scheduling and sampling of a step: once, and for each sequence of an attention rank."""
    held = sequences * c.layouts.pipeline / c.layouts.data
    slow = np.where(c.machines.small_host, k["small_host"], 1.0)
    return slow * (k["step_s"] + held * k["sequence_s"]) * by_group(k, "host", STACKS, c.loads.stack)


def room(c: Candidates, k: Mapping[str, float]) -> tuple[Array, Array]:
    """(bytes left for caches on the fullest accelerator, sequences an engine can hold), [C]."""
    m, n, lay = c.models, c.numbers, c.layouts
    body = n.wide_bytes * m.body_parameters + 2.0 * (m.router_parameters + m.norm_parameters)
    ends = np.where((lay.pipeline > 1) | (m.head_parameters == 0), 1.0, 2.0)
    weights = (body / lay.pipeline + 2.0 * m.output_parameters * ends) / lay.tensor
    weights = weights + n.weight_bytes * m.expert_parameters / lay.ranks / lay.pipeline
    kept = FRAMEWORK_BYTES + ACTIVATION_ROWS * m.hidden_size * PREFILL_TOKENS / lay.tensor
    free = k["usable_memory"] * c.machines.hbm_bytes - weights - kept
    held = c.loads.input_tokens + k["reserved_output"] * c.loads.output_tokens
    inside = np.where(m.sliding_window > 0, np.minimum(held, m.sliding_window), held)
    rows = (m.cache_values_per_token * held + m.window_values_per_token * inside) * c.numbers.kv_bytes
    each = rows / np.minimum(lay.tensor, m.kv_heads) + STATE_BYTES * m.state_values_per_sequence / lay.tensor
    return free, np.maximum(free, 0.0) / (each / lay.pipeline) * lay.data


def batch(c: Candidates, k: Mapping[str, float]) -> Array:
    """Sequences in flight in an engine, [C]: what fits, what is asked for, and what a limit of latency leaves."""
    _, fit = room(c, k)
    asked = np.minimum(c.loads.concurrency, c.loads.requests) / c.layouts.engines
    most = np.maximum(np.minimum(np.minimum(fit, asked), c.loads.largest_batch * c.layouts.data), 1.0)
    limited = np.isfinite(c.loads.tpot_limit_s)
    if limited.any():
        most[limited] = _within_limit(c.take(limited), k, most[limited])
    return most


def _within_limit(c: Candidates, k: Mapping[str, float], most: Array) -> Array:
    """The largest batch whose steps keep the limit of time per output token: bisection, then interpolation."""
    limit = np.log(k["tpot_share"] * c.loads.tpot_limit_s)

    def excess(log_batch: Array) -> Array:
        seconds = step(c, k, np.exp(log_batch) / c.layouts.pipeline).seconds * c.layouts.pipeline
        return np.asarray(np.log(seconds) - limit)

    low, high = np.zeros(len(most)), np.log(most)
    at_low, at_high = excess(low), excess(high)
    free = at_high <= 0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        at = excess(middle)
        low, at_low = np.where(at <= 0, middle, low), np.where(at <= 0, at, at_low)
        high, at_high = np.where(at <= 0, high, middle), np.where(at <= 0, at_high, at)
    part = np.clip(-at_low / np.maximum(at_high - at_low, 1e-12), 0.0, 1.0)
    return np.where(free, most, np.exp(low + (high - low) * part))


def rates(c: Candidates, k: Mapping[str, float]) -> Array:
    """Output tokens a second of all engines of each candidate, [C]; next to none where the model does not fit."""
    load, lay = c.loads, c.layouts
    free, _ = room(c, k)
    held = batch(c, k)
    seconds = step(c, k, held / lay.pipeline).seconds * lay.pipeline
    waves = np.maximum(load.requests / lay.engines / held, 1.0)
    ending = np.where(load.varied, k["tail"] / waves * np.minimum(held / 32.0, 1.0), 0.0)
    in_flight = np.minimum(lay.engines * held, np.minimum(load.concurrency, load.requests))
    made = in_flight / seconds / (1.0 + ending)
    made = made * np.where(lay.pipeline > 1, k["pipeline_efficiency"], 1.0) * np.where(load.limited, k["limited"], 1.0)
    nodes = np.where(np.isfinite(load.concurrency), 1.0, np.maximum(lay.accelerators / NODE_ACCELERATORS, 1.0))
    made = made * k["node_efficiency"] ** np.log2(nodes)
    made = made * by_group(k, "stack", STACKS, load.stack)
    made = made * np.where(load.speculative, k["speculation"] ** (1.0 / (1.0 + held / 16.0)), 1.0)
    made = np.minimum(made, load.requests_per_s * load.output_tokens)
    return np.asarray(np.where(free > 0, made, NEVER_FITS * made))


def best(c: Candidates, k: Mapping[str, float]) -> tuple[Array, Index]:
    """(output tokens a second of the best candidate of each row, which candidate it is), [N]."""
    made = rates(c, k)
    order = np.lexsort((-made, c.row))
    first = order[c.starts]
    return made[first], first.astype(np.int64)
