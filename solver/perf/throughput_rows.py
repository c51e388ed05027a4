"""What throughput is predicted of: models, machines, stored numbers, loads and layouts, as columns."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .hardware import CLASSES, GIB, accelerator_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costdata import Accelerator

    from .architectures import Architecture

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Index = np.ndarray[Any, np.dtype[np.int64]]
STACKS = (
    "tensorrt-engine",  # TensorRT-LLM before 1.0: compiled engines, C++ runtime
    "tensorrt-llm",  # from 1.0: PyTorch runtime
    "tensorrt-tuned",  # MLPerf submissions
    "vllm",
    "vllm-tuned",  # MLPerf submissions on AMD's forks
    "sglang",
    "mindie",
    "other",
)
LARGEST_BATCH = MappingProxyType(  # sequences of an engine, by default or as submissions set it
    {"tensorrt-engine": 2048, "tensorrt-llm": 2048, "tensorrt-tuned": 4096, "vllm": 1024, "vllm-tuned": 4096}
    | {"sglang": 4096, "mindie": 1024, "other": 1024}
)
VLLM_SMALL_BATCH = 256  # vLLM's default below Hopper's class of accelerator
SPECULATIVE_BATCH = 48  # SGLang's default with speculative decoding
UNITS = ("bf16", "fp8", "fp4", "weight-only")
BYTES = MappingProxyType(  # a stored weight with its scales
    {"fp32": 4.0, "bf16": 2.0, "fp8": 1 + 4 / 16384, "int8": 1.0, "int4": 0.5 + 2.5 / 128, "fp4": 0.5 + 1 / 16}
)
MIXED = frozenset({"int4", "fp4"})  # a mixture of experts stores only its experts in these


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A table of arrays of one length."""

    def __len__(self) -> int:
        """Rows."""
        return len(getattr(self, dataclasses.fields(self)[0].name))

    def take(self, rows: Any) -> Any:
        """Rows by mask or index."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Models(Columns):
    """Counts of architectures as in `Architecture`, float [N]."""

    layers: Array
    moe_layers: Array
    hidden_size: Array
    experts: Array
    experts_per_token: Array
    kv_heads: Array
    sliding_window: Array
    selected_context: Array
    attention_parameters: Array
    dense_ffn_parameters: Array
    expert_parameters: Array
    shared_expert_parameters: Array
    router_parameters: Array
    norm_parameters: Array
    output_parameters: Array
    head_parameters: Array
    cache_values_per_token: Array
    window_values_per_token: Array
    state_values_per_sequence: Array
    prefill_attention_flop: Array
    decode_attention_flop: Array
    window_attention_flop: Array

    @property
    def body_parameters(self) -> Array:
        """Matrices every token passes, without the vocabulary's."""
        return self.attention_parameters + self.dense_ffn_parameters + self.shared_expert_parameters

    @property
    def expert_share(self) -> Array:
        """Share of the experts one token uses; 0 without any."""
        return np.where(self.experts > 0, self.experts_per_token / np.maximum(self.experts, 1.0), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines(Columns):
    """Accelerators at the number type of a row: float [N], bytes and FLOP a second."""

    hbm_bytes: Array
    hbm_bytes_per_s: Array
    scaleup_bytes_per_s: Array
    bf16_flop_per_s: Array
    flop_per_s: Array  # of the row's products
    kind: Index  # index into CLASSES
    small_host: Mask  # Grace: slower threads, so a dearer host


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers(Columns):
    """How numbers are stored: float [N] bytes."""

    weight_bytes: Array
    wide_bytes: Array  # of what is not an expert
    kv_bytes: Array
    units: Index  # index into UNITS: what share of the peak the products reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads(Columns):
    """What is asked of a system: [N]."""

    input_tokens: Array
    output_tokens: Array
    concurrency: Array  # requests in flight at most, inf without limit
    requests: Array  # all of them, inf for a steady state
    requests_per_s: Array  # that arrive, inf without limit
    tpot_limit_s: Array  # 99th percentile, inf without limit
    limited: Mask  # arrivals at random under a limit of latency: MLPerf's Server and Interactive
    varied: Mask  # outputs of different lengths: a bench ends with few of the longest
    speculative: Mask
    stack: Index  # index into STACKS
    largest_batch: Array  # sequences of an engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Layouts(Columns):
    """How one engine lies over accelerators, and how many engines there are: float [N]."""

    tensor: Array
    pipeline: Array
    data: Array  # attention ranks that share the experts
    engines: Array

    @property
    def ranks(self) -> Array:
        """Accelerators of a pipeline stage."""
        return self.tensor * self.data

    @property
    def accelerators(self) -> Array:
        """Accelerators of all engines."""
        return self.ranks * self.pipeline * self.engines


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Layouts that could serve N rows: one or more a row, in the order of the rows; arrays [C]."""

    models: Models
    machines: Machines
    numbers: Numbers
    loads: Loads
    layouts: Layouts
    row: Index  # sorted, each of 0 … N-1 at least once

    def take(self, rows: Any) -> Candidates:
        """Candidates by mask or index."""
        return Candidates(
            models=self.models.take(rows),
            machines=self.machines.take(rows),
            numbers=self.numbers.take(rows),
            loads=self.loads.take(rows),
            layouts=self.layouts.take(rows),
            row=self.row[rows],
        )

    @property
    def starts(self) -> Index:
        """First candidate of each row, [N]."""
        return np.flatnonzero(np.diff(self.row, prepend=-1)).astype(np.int64)


def models(architectures: Sequence[Architecture]) -> Models:
    """Columns of architectures."""
    names = [f.name for f in dataclasses.fields(Models)]
    return Models(**{n: np.array([getattr(a, n) for a in architectures], dtype=np.float64) for n in names})


def machines(pairs: Sequence[tuple[Accelerator, str]]) -> Machines:
    """Columns of (accelerator, stored number type) pairs."""

    def column(values: Sequence[float], scale: float) -> Array:
        return np.array(values, dtype=np.float64) * scale

    return Machines(
        hbm_bytes=column([a.hbm_gib for a, _ in pairs], GIB),
        hbm_bytes_per_s=column([a.hbm_gb_per_s for a, _ in pairs], 1e9),
        scaleup_bytes_per_s=column([a.scaleup_gb_per_s for a, _ in pairs], 1e9),
        bf16_flop_per_s=column([a.bf16_tflop_per_s for a, _ in pairs], 1e12),
        flop_per_s=column([_tflop_per_s(a, stored) for a, stored in pairs], 1e12),
        kind=np.array([CLASSES.index(accelerator_class(a)) for a, _ in pairs], dtype=np.int64),
        small_host=np.array([a.name.startswith(("GH", "GB2", "GB3")) for a, _ in pairs], dtype=bool),
    )


def _tflop_per_s(a: Accelerator, stored: str) -> float:
    """Peak of the products; a type without units of its own is widened to BF16 as it is read."""
    wanted = {"fp8": a.fp8_tflop_per_s, "int8": a.fp8_tflop_per_s or 2 * a.bf16_tflop_per_s, "fp4": a.fp4_tflop_per_s}
    return wanted.get(stored, 0.0) or a.bf16_tflop_per_s / (8.0 if stored == "fp32" else 1.0)


def numbers(rows: Sequence[tuple[Accelerator, str, float, bool]]) -> Numbers:
    """Columns of (accelerator, stored number type, bytes of a cached number, mixture of experts) rows."""

    def units(a: Accelerator, stored: str) -> str:
        own = {"fp8": a.fp8_tflop_per_s, "int8": 1.0, "fp4": a.fp4_tflop_per_s}.get(stored, 0.0)
        if own:
            return "fp8" if stored == "int8" else stored
        return "weight-only" if BYTES[stored] < BYTES["bf16"] else "bf16"

    return Numbers(
        weight_bytes=np.array([BYTES[s] for _, s, _, _ in rows]),
        wide_bytes=np.array([BYTES["bf16" if m and s in MIXED else s] for _, s, _, m in rows]),
        kv_bytes=np.array([kv for _, _, kv, _ in rows], dtype=np.float64),
        units=np.array([UNITS.index(units(a, s)) for a, s, _, _ in rows], dtype=np.int64),
    )
