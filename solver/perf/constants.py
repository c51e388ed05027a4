"""Assumed constants, read from constants.toml with their provenance, and the precisions models are stored in."""

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

    from .architectures import Architecture

PUBLISHED_IN_MXFP4 = ("gpt_oss",)  # families
GENERATIONS = ("hopper", "blackwell")  # efficiency classes; an accelerator with FP4 units is of the second


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedConstants:
    """Stated assumptions, not fitted."""

    usable_hbm_share: float
    trainable_hbm_share: float
    framework_gib: float
    batched_tokens: int
    tpot_log_sigma: float
    ttft_log_sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Everything in constants.toml."""

    assumed: AssumedConstants
    provenance: Mapping[str, str]


@functools.cache
def constants() -> Constants:
    """The packaged constants, read once and immutable."""
    with resources.files(__package__).joinpath("constants.toml").open("rb") as file:
        table = tomllib.load(file)
    return Constants(
        assumed=AssumedConstants(**_numbers(table["assumed"])),
        provenance=MappingProxyType({k: str(v["provenance"]) for k, v in table.items()}),
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
            Precision(  # OCP MX: one 8-bit exponent per 32; weight-only where there are no FP4 units
                name="mxfp4",
                attention_bytes=2,
                expert_bytes=0.5 + 1 / 32,
                kv_bytes=2,
                compute="bf16",
                mixed=True,
            ),
        )
    }
)


def stored_as(a: Architecture, name: str) -> str:
    """The precision a model is served in when `name` is asked for: what is published in MXFP4 only stays in it."""
    return "mxfp4" if a.family in PUBLISHED_IN_MXFP4 and name == "fp4" else name


def precision(name: str) -> Precision:
    """A precision by name.

    Raises:
        InputError: unknown name.
    """
    if name not in PRECISIONS:
        raise InputError(f"unknown precision {name!r}", where="precision", mend=f"use one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]
