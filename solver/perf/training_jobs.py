"""What the training physics needs of jobs: columns, one row a job."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costdata import Accelerator

    from .architectures import Architecture

Array = np.ndarray[Any, np.dtype[np.float64]]
Index = np.ndarray[Any, np.dtype[np.int64]]
Rows = np.ndarray[Any, np.dtype[Any]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
NUMBERS = ("bf16", "fp16", "fp8", "fp8_block", "mxfp8", "fp4")  # of the matrix products
KINDS = ("ampere", "hopper", "blackwell", "tpu", "other")  # classes of accelerators that share an efficiency
POWER_W = (400.0, 700.0, 1100.0)  # of the ordinary accelerator of the first kinds
POWER_RANGE = (0.7, 1.3)  # beyond it power tells another chip, not another clock
DOMAINS = {"GB200": 72.0, "GB300": 72.0, "TPU-v4": 4096.0, "TPU-v5e": 256.0, "TPU-v5p": 8960.0, "TPU-v6e": 256.0}
NODE, POD = 8.0, 256.0  # accelerators that scale-up links join, when not listed
# The usual network of one accelerator, GB/s; else by kind: pods are joined by the data centre's, cards by slower ones.
SCALEOUT_GB_PER_S = {"A100-40": 25.0, "A100-80": 25.0, "B300": 100.0, "GB300": 100.0}
USUAL_GB_PER_S, POD_GB_PER_S, CARD_GB_PER_S = 50.0, 6.0, 12.5
CARD_SCALEUP_GB_PER_S = 100.0  # slower links are PCIe
HYBRID = "nemotron_h"  # family whose layers are a mixer or an FFN, not both


class Columns:
    """Arrays of one length."""

    def take(self, rows: Rows) -> Any:
        """Rows by mask or index."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Models(Columns):
    """Shapes of models: float [K]; parameters and FLOP are sums over all layers."""

    layers: Array
    hidden: Array
    vocabulary: Array
    heads: Array
    kv_heads: Array
    dense_parameters: Array  # attention, dense FFN, shared experts, routers
    expert_parameters: Array
    experts: Array  # 0 without any
    experts_per_token: Array
    moe_layers: Array
    expert_width: Array
    attention_flop: Array  # forward, a token against an earlier one
    window_flop: Array
    window: Array  # tokens, 0 without one
    state_values: Array  # of linear attention
    vocabulary_matrices: Array  # 1 when input and output share one
    layer_share: Array  # 1; 1/2 where a layer is a mixer or an FFN alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines(Columns):
    """Accelerators and their links: float [K], of one accelerator and direction."""

    bf16_flop_per_s: Array
    fp8_flop_per_s: Array  # 0 without such units
    fp4_flop_per_s: Array
    hbm_bytes_per_s: Array
    scaleup_bytes_per_s: Array
    domain: Array  # accelerators that the scale-up links join
    scaleout_bytes_per_s: Array
    power: Array  # board power ÷ that of the kind's ordinary accelerator
    kind: Index  # of KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Layouts(Columns):
    """How jobs are laid over accelerators, and their batches: float [K]."""

    accelerators: Array
    tensor_parallel: Array
    pipeline_parallel: Array
    virtual_stages: Array  # on an accelerator
    context_parallel: Array
    expert_parallel: Array
    zero_stage: Array  # 0 nothing sharded, 1 optimiser, 2 gradients too, 3 weights too
    slices: Array  # pods joined by the data-centre network, 1 otherwise
    sequence_length: Array
    micro_batch: Array  # sequences
    global_batch: Array  # sequences

    @property
    def data_parallel(self) -> Array:
        """Copies of the model."""
        return self.accelerators / (self.tensor_parallel * self.pipeline_parallel * self.context_parallel)

    @property
    def micro_batches(self) -> Array:
        """Micro-batches a pipeline takes in a step."""
        return np.maximum(1.0, np.ceil(self.global_batch / (self.data_parallel * self.micro_batch)))

    @property
    def micro_tokens(self) -> Array:
        """Tokens of a micro-batch on one context rank."""
        return self.micro_batch * self.sequence_length / self.context_parallel


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipes(Columns):
    """How the software runs the products: [K]."""

    number: Index  # of NUMBERS
    recompute: Array  # float: 1 every layer's forward pass runs twice
    selective: Array  # float: 1 only attention's does
    trained: Array  # float: 1; 0 when the weights are frozen (LoRA)
    unfused: Mask  # attention scores pass through memory (before FlashAttention)
    balanced: Mask  # stages with the vocabulary hold fewer layers
    compiled: Mask  # no host launches kernels (XLA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs(Columns):
    """Training jobs, K of them."""

    models: Models
    machines: Machines
    layouts: Layouts
    recipes: Recipes

    def take(self, rows: Rows) -> Jobs:
        """Rows by mask or index."""
        return Jobs(**{f.name: getattr(self, f.name).take(rows) for f in dataclasses.fields(self)})

    def __len__(self) -> int:
        """Jobs, K."""
        return len(self.models.layers)


def models(architectures: Sequence[Architecture]) -> Models:
    """Columns of architectures, one row each."""
    found = list({id(a): a for a in architectures}.values())
    place = {id(a): row for row, a in enumerate(found)}
    return _models(found).take(np.array([place[id(a)] for a in architectures], dtype=np.int64))  # type: ignore[no-any-return]


def _models(found: Sequence[Architecture]) -> Models:
    def column(name: str) -> Array:
        return np.array([float(getattr(a, name)) for a in found], dtype=np.float64)

    hybrid = np.array([a.family == HYBRID for a in found], dtype=bool)
    moe, hidden = np.maximum(column("experts") * column("moe_layers"), 1.0), column("hidden_size")
    matrices = np.where(hybrid, 2.0, 3.0)  # hybrids' experts are not gated
    return Models(
        layers=column("layers"),
        hidden=hidden,
        vocabulary=column("vocabulary"),
        heads=column("attention_heads"),
        kv_heads=np.where(column("latent_attention") > 0, column("attention_heads"), column("kv_heads")),
        dense_parameters=sum(
            (column(f"{part}_parameters") for part in ("attention", "dense_ffn", "shared_expert", "router")),
            start=np.zeros(len(found)),
        ),
        expert_parameters=column("expert_parameters"),
        experts=column("experts"),
        experts_per_token=column("experts_per_token"),
        moe_layers=column("moe_layers"),
        expert_width=column("expert_parameters") / (moe * matrices * hidden),
        attention_flop=column("prefill_attention_flop"),
        window_flop=column("window_attention_flop"),
        window=column("sliding_window"),
        state_values=np.where(hybrid, column("state_values_per_sequence"), 0.0),
        vocabulary_matrices=np.where(column("head_parameters") > 0, 2.0, 1.0),
        layer_share=np.where(hybrid, 0.5, 1.0),
    )


def kind(a: Accelerator) -> str:
    """Which of KINDS an accelerator is of."""
    if a.vendor == "Google":
        return "tpu"
    if a.vendor != "NVIDIA":
        return "other"
    return "blackwell" if a.fp4_tflop_per_s > 0 else "hopper" if a.fp8_tflop_per_s > 0 else "ampere"


def machines(accelerators: Sequence[Accelerator]) -> Machines:
    """Columns of accelerators in their usual nodes, one row each."""
    found = {a.name: a for a in accelerators}
    place = {name: row for row, name in enumerate(found)}
    rows = np.array([place[a.name] for a in accelerators], dtype=np.int64)
    return _machines(list(found.values())).take(rows)  # type: ignore[no-any-return]


def _machines(found: Sequence[Accelerator]) -> Machines:
    def column(values: Sequence[float], scale: float = 1.0) -> Array:
        return np.array(values, dtype=np.float64) * scale

    kinds = [kind(a) for a in found]
    return Machines(
        bf16_flop_per_s=column([a.bf16_tflop_per_s for a in found], 1e12),
        fp8_flop_per_s=column([a.fp8_tflop_per_s for a in found], 1e12),
        fp4_flop_per_s=column([a.fp4_tflop_per_s for a in found], 1e12),
        hbm_bytes_per_s=column([a.hbm_gb_per_s for a in found], 1e9),
        scaleup_bytes_per_s=column([max(1.0, a.scaleup_gb_per_s) for a in found], 1e9),
        domain=column([DOMAINS.get(a.name, POD if k == "tpu" else NODE) for a, k in zip(found, kinds, strict=True)]),
        scaleout_bytes_per_s=column([_network_gb_per_s(a) for a in found], 1e9),
        power=column([relative_power(k, a.tdp_w) for a, k in zip(found, kinds, strict=True)]),
        kind=np.array([KINDS.index(k) for k in kinds], dtype=np.int64),
    )


def _network_gb_per_s(a: Accelerator) -> float:
    usual = USUAL_GB_PER_S if a.scaleup_gb_per_s >= CARD_SCALEUP_GB_PER_S else CARD_GB_PER_S
    return SCALEOUT_GB_PER_S.get(a.name, POD_GB_PER_S if kind(a) == "tpu" else usual)


def relative_power(kind_name: str, watts: float) -> float:
    """Board power against the ordinary accelerator of the kind, within POWER_RANGE; 1 where no power is known."""
    ordinary = dict(zip(KINDS, POWER_W, strict=False)).get(kind_name)
    return float(np.clip(watts / ordinary, *POWER_RANGE)) if ordinary and watts > 0 else 1.0
