"""The fitted and assumed constants of the physics, read from constants.toml, each group with its provenance."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINES = ("trtllm", "sglang", "vllm")
GENERATIONS = ("hopper", "blackwell")  # efficiency classes; an accelerator with FP4 units is of the second


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingConstants:
    """Constants of the serving model. Pairs are per GENERATIONS, triples per ENGINES; times are seconds."""

    memory_efficiency: tuple[float, ...]  # share of HBM bandwidth reached when reading weights
    decode_efficiency: tuple[float, ...]  # share of peak FLOP/s in decode
    prefill_efficiency: tuple[float, ...]  # share of peak FLOP/s in prefill
    fp4_efficiency: float  # further share for FP4 units
    attention_efficiency: float  # share of BF16 peak in attention
    attention_bandwidth: float  # share of HBM bandwidth when reading the cache
    coverage: float  # distinct expert draws per token: < 1 when tokens agree on experts
    collective_latency_s: tuple[float, ...]
    collective_efficiency: float  # share of link bandwidth
    layer_s: tuple[float, ...]  # launch and norm time of a layer
    moe_layer_s: float  # routing of a MoE layer
    step_s: tuple[float, ...]  # scheduler time of a step
    sequence_s: float  # scheduler and sampler time a step, for each sequence
    prefill_interference: tuple[float, ...]  # share of other requests' prefill that delays a decode step
    prefill_communication: float  # share of communication not hidden in prefill
    first_token_s: tuple[float, ...]
    queue_by_load: float
    queue_by_burst: tuple[float, ...]
    decode_before_first: float  # decode steps waited before the first token


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConstants:
    """Constants of the training model; times are seconds."""

    compute_efficiency: float  # share of peak in large matrix products
    fp8_efficiency: float  # further share when products run in FP8
    moe_efficiency: float  # further share of grouped expert products
    half_rate_flop: float  # work of a layer call at which launch and tile effects halve the rate
    layer_s: float
    step_s: float
    scaleup_efficiency: float
    scaleout_efficiency: float
    scaleup_latency_s: float
    scaleout_latency_s: float
    exposed_tensor_communication: float  # share not hidden behind compute
    exposed_data_communication: float
    exposed_expert_communication: float
    optimizer_bytes_per_parameter: float  # HBM traffic of one update


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedConstants:
    """Stated assumptions, not fitted."""

    usable_hbm_share: float
    trainable_hbm_share: float
    framework_gib: float
    batched_tokens: int
    tpot_log_sigma: float
    ttft_log_sigma: float
    pcie_latency_factor: float  # collectives over PCIe have no direct-access kernels
    scaleout_latency_s: float
    scaleout_efficiency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Everything in constants.toml."""

    serving: ServingConstants
    training: TrainingConstants
    assumed: AssumedConstants
    provenance: Mapping[str, str]
    calibrated_on: frozenset[str]  # accelerators whose measurements the serving constants were fitted on


@functools.cache
def constants() -> Constants:
    """The packaged constants, read once and immutable."""
    with resources.files(__package__).joinpath("constants.toml").open("rb") as file:
        table = tomllib.load(file)
    return Constants(
        serving=ServingConstants(**_numbers(table["serving"])),
        training=TrainingConstants(**_numbers(table["training"])),
        assumed=AssumedConstants(**_numbers(table["assumed"])),
        provenance=MappingProxyType({k: str(v["provenance"]) for k, v in table.items()}),
        calibrated_on=frozenset(table["serving"]["calibrated_on"]),
    )


def _numbers(group: dict[str, Any]) -> dict[str, Any]:
    return {
        k: tuple(v) if isinstance(v, list) else v for k, v in group.items() if k not in {"provenance", "calibrated_on"}
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Bytes a stored number takes, scales included, and the units that multiply it."""

    name: str
    attention_bytes: float  # a weight of attention, dense or shared FFN
    expert_bytes: float
    kv_bytes: float
    compute: str  # "bf16", "fp8" or "fp4"
    mixed: bool  # in a mixture of experts only the experts are stored in this type; the rest stays BF16


# Scales: FP8 one FP32 per 128×128 block; int4 one BF16 scale and one 4-bit zero per 128; NVFP4 one FP8 per 16.
PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        p.name: p
        for p in (
            Precision(name="bf16", attention_bytes=2, expert_bytes=2, kv_bytes=2, compute="bf16", mixed=False),
            Precision(
                name="fp8",
                attention_bytes=1 + 4 / 16384,
                expert_bytes=1 + 4 / 16384,
                kv_bytes=1,
                compute="fp8",
                mixed=False,
            ),
            Precision(
                name="int4",
                attention_bytes=0.5 + 2.5 / 128,
                expert_bytes=0.5 + 2.5 / 128,
                kv_bytes=2,
                compute="bf16",
                mixed=True,
            ),
            Precision(
                name="fp4",
                attention_bytes=0.5 + 1 / 16,
                expert_bytes=0.5 + 1 / 16,
                kv_bytes=1,
                compute="fp4",
                mixed=True,
            ),
        )
    }
)


def precision(name: str) -> Precision:
    """A precision by name.

    Raises:
        InputError: unknown name.
    """
    if name not in PRECISIONS:
        raise InputError(f"unknown precision {name!r}", where="precision", mend=f"use one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]
