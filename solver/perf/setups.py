"""Served set-ups as columns: models on accelerators in a layout, a precision and an engine, any kinds together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .hardware import GIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .architectures import Architecture
    from .constants import Precision
    from .hardware import Hardware, Layout

Array = np.ndarray[Any, np.dtype[np.float64]]
Rows = np.ndarray[Any, np.dtype[Any]]
FRAMEWORK_BYTES = 4.0 * GIB  # context, graphs, collective buffers and activations of an engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Setups:
    """K set-ups; float64 arrays that broadcast to [K], parameters and cache values counted as in `Architecture`."""

    layers: Array
    moe_layers: Array
    hidden_size: Array
    kv_heads: Array
    latent: Array  # 1 where attention is latent, 0 elsewhere
    sliding_window: Array
    selected_context: Array
    experts_per_token: Array
    routed_share: Array  # experts per token ÷ experts; 0 without experts
    dense_parameters: Array  # attention, dense and shared FFN
    plain_parameters: Array  # kept in BF16: routers, norms, output matrix
    output_parameters: Array
    embedding_copies: Array  # vocabulary matrices beside the output matrix
    expert_parameters: Array
    cache_values_per_token: Array
    window_values_per_token: Array
    state_values_per_sequence: Array
    prefill_attention_flop: Array
    decode_attention_flop: Array
    window_attention_flop: Array
    dense_bytes: Array  # of a stored weight
    expert_bytes: Array
    kv_bytes: Array
    precision: Rows  # int, index into PRECISION_NAMES
    hbm_bytes: Array
    hbm_bytes_per_s: Array
    bf16_flop_per_s: Array
    dense_flop_per_s: Array  # peak of the units that multiply dense weights
    expert_flop_per_s: Array
    scaleup_bytes_per_s: Array
    scaleout_bytes_per_s: Array
    generation: Rows  # int, index into GENERATIONS
    engine: Rows  # int, index into ENGINES
    tensor_parallel: Array
    pipeline_parallel: Array
    data_parallel: Array  # attention ranks of an engine
    expert_parallel: Array

    def take(self, rows: Rows) -> Setups:
        """Rows by mask or index, of set-ups that broadcast to [K]."""
        shape = self.tensor_parallel.shape
        return Setups(**{name: np.broadcast_to(getattr(self, name), shape)[rows] for name in COLUMNS})

    @property
    def stage_share(self) -> Array:
        """Share of the layers on the fullest pipeline stage."""
        return np.asarray(np.ceil(self.layers / self.pipeline_parallel) / self.layers)

    @property
    def weight_bytes(self) -> Array:
        """Stored weights of the fullest accelerator."""
        body = self.dense_bytes * self.dense_parameters + 2.0 * self.plain_parameters
        split = (body * self.stage_share + 2.0 * self.output_parameters * self.embedding_copies) / self.tensor_parallel
        experts = self.expert_bytes * self.expert_parameters * self.stage_share / self.stage_accelerators
        return np.asarray(split + experts)

    @property
    def stage_accelerators(self) -> Array:
        """Accelerators of one pipeline stage."""
        return self.tensor_parallel * self.data_parallel


COLUMNS = tuple(f.name for f in dataclasses.fields(Setups))
PRECISION_NAMES = ("bf16", "fp8", "int4", "fp4", "mxfp4")


def setups(
    models: Sequence[Architecture],
    precisions: Sequence[Precision],
    hardware: Hardware,
    layout: Layout,
    engine: Rows | int,
) -> Setups:
    """Columns of set-ups.

    Args:
        models: one a set-up, or a single one for all.
        precisions: one a set-up, or a single one for all.
        hardware: columns that broadcast with the models.
        layout: columns that broadcast with the models.
        engine: index into ENGINES, one or many.
    """

    def model(name: str) -> Array:
        return _column([float(getattr(a, name)) for a in models])

    def stored(name: str) -> Array:
        return _column([float(getattr(p, name)) for p in precisions])

    experts = model("experts")
    kind = _column([float(PRECISION_NAMES.index(p.name)) for p in precisions]).astype(np.int64)
    mixed = _column([float(p.mixed) for p in precisions]) * experts > 0
    dense_flop, expert_flop = _peaks(hardware, kind, mixed)
    return Setups(
        layers=model("layers"),
        moe_layers=model("moe_layers"),
        hidden_size=model("hidden_size"),
        kv_heads=model("kv_heads"),
        latent=model("latent_attention"),
        sliding_window=model("sliding_window"),
        selected_context=model("selected_context"),
        experts_per_token=model("experts_per_token"),
        routed_share=np.where(experts > 0, model("experts_per_token") / np.maximum(experts, 1), 0.0),
        dense_parameters=model("attention_parameters")
        + model("dense_ffn_parameters")
        + model("shared_expert_parameters"),
        plain_parameters=model("router_parameters") + model("norm_parameters") + model("output_parameters"),
        output_parameters=model("output_parameters"),
        embedding_copies=np.where(model("head_parameters") > 0, 1.0, 0.0),
        expert_parameters=model("expert_parameters"),
        cache_values_per_token=model("cache_values_per_token"),
        window_values_per_token=model("window_values_per_token"),
        state_values_per_sequence=model("state_values_per_sequence"),
        prefill_attention_flop=model("prefill_attention_flop"),
        decode_attention_flop=model("decode_attention_flop"),
        window_attention_flop=model("window_attention_flop"),
        dense_bytes=np.where(mixed, 2.0, stored("attention_bytes")),
        expert_bytes=stored("expert_bytes"),
        kv_bytes=stored("kv_bytes"),
        precision=kind,
        hbm_bytes=hardware.hbm_bytes,
        hbm_bytes_per_s=hardware.hbm_bytes_per_s,
        bf16_flop_per_s=hardware.bf16_flop_per_s,
        dense_flop_per_s=dense_flop,
        expert_flop_per_s=expert_flop,
        scaleup_bytes_per_s=np.maximum(hardware.scaleup_bytes_per_s, 1e9),
        scaleout_bytes_per_s=np.maximum(hardware.scaleout_bytes_per_s, 1e6),
        generation=hardware.generation,
        engine=np.asarray(engine),
        tensor_parallel=layout.tensor_parallel,
        pipeline_parallel=layout.pipeline_parallel,
        data_parallel=layout.data_parallel,
        expert_parallel=layout.expert_parallel,
    )


def _peaks(hardware: Hardware, kind: Rows, mixed: Rows) -> tuple[Array, Array]:
    """Peak FLOP/s of the units that multiply dense weights and expert weights.

    A type without units of its own on the machine is read as it is and multiplied in BF16; MXFP4 experts are
    multiplied in FP8 where there are FP4 units; beside FP4 experts the rest is multiplied in FP8.
    """
    wide = hardware.bf16_flop_per_s
    eight = np.where(hardware.fp8_flop_per_s > 0, hardware.fp8_flop_per_s, wide)
    four = np.where(hardware.fp4_flop_per_s > 0, hardware.fp4_flop_per_s, wide)
    expert = np.select(
        [kind == PRECISION_NAMES.index(name) for name in ("fp8", "fp4", "mxfp4")],
        [eight, four, np.where(hardware.fp4_flop_per_s > 0, eight, wide)],
        wide,
    )
    fp4, narrow = kind == PRECISION_NAMES.index("fp4"), hardware.fp4_flop_per_s > 0
    return np.where(mixed, np.where(fp4 & narrow, eight, wide), expert), expert


def _column(values: Sequence[float]) -> Array:
    """[K], or a scalar array for a single value."""
    return np.array(values if len(values) > 1 else values[0], dtype=np.float64)
