"""Training software by the names people give it: its family, its release, and what it does that physics must know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

RELEASE = re.compile(r"(?<![\d.])(?:20)?(\d\d)[.-](\d\d)(?:\.(\d+))?(?![\d])")  # 26.04.01, 2024-12
YEAR = re.compile(r"(?<!\d)20(\d\d)(?!\d)")
PATCH_YEARS = 0.02  # what a patch release counts as
FUSED_SINCE = 23.0  # Megatron-LM took up FlashAttention
TASKS = MappingProxyType(
    dict.fromkeys(("pretraining", "pretrain", "training"), "pretrain")
    | dict.fromkeys(("sft", "finetuning", "fullfinetuning"), "sft")
    | dict.fromkeys(("lora", "peft", "qlora"), "lora")
)


FORMATS = (  # the first that stands in a label
    ("fp4", "fp4"),
    *((word, "mxfp8") for word in ("mxfp8", "fp8mx")),
    *((word, "fp8_block") for word in ("subchannel", "block", "rowwise")),
    *((word, "fp8") for word in ("fp8", "float8")),
    *((word, "bf16") for word in ("bf16", "bfloat16", "mixed")),
    *((word, "fp16") for word in ("fp16", "float16", "half")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A family of training software."""

    name: str
    pattern: str
    unfused: bool = False  # attention scores pass through memory
    balanced: bool = True  # stages with the vocabulary hold fewer layers
    compiled: bool = False  # XLA: no host launches kernels
    zero_stage: int = 1  # sharded unless stated
    sequence_length: int = 4096  # unless stated
    whole_attention: bool = False  # its FLOP counts take attention for not causal
    counts_recompute: bool = False  # its FLOP counts hold what is computed again


STACKS: Mapping[str, Stack] = MappingProxyType(
    {
        s.name: s
        for s in (
            Stack(name="megatron-bridge", pattern=r"megatron.?bridge|megatron.?core"),
            Stack(
                name="megatron-deepspeed", pattern="megatron.?deepspeed|vtrain", unfused=True, balanced=False,
                zero_stage=0, whole_attention=True,
            ),
            Stack(
                name="megatron-lm", pattern="megatron", unfused=True, balanced=False, zero_stage=0,
                whole_attention=True, counts_recompute=True,
            ),
            Stack(name="nemo", pattern="nemo", whole_attention=True),
            Stack(
                name="llm-foundry", pattern="llm.?foundry|mosaicml|composer", zero_stage=3, sequence_length=2048,
                whole_attention=True,
            ),
            Stack(name="torchtitan", pattern="torch.?titan", zero_stage=3, sequence_length=8192),
            Stack(name="maxtext", pattern=r"max.?text|\bjax\b", compiled=True, zero_stage=3, whole_attention=True),
        )
    }
)  # fmt: skip
USUAL = "Megatron-Bridge"  # when nothing is stated: its newest release
UNKNOWN = Stack(name="", pattern="", balanced=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """A family and its release, in years since 2000 (26.33 is April 2026); 0 when none is stated."""

    stack: Stack
    release: float


def software(text: str) -> Software:
    """The software a text names, e.g. "NeMo/Megatron-Bridge 26.04 NeMo Container"; unheard-of software is plain."""
    plain = text.lower()
    stack = next((s for s in STACKS.values() if re.search(s.pattern, plain)), UNKNOWN)
    release = _release(plain)
    if stack.name == "megatron-lm" and (release == 0 or release >= FUSED_SINCE):
        stack = STACKS["megatron-bridge"]  # today's Megatron-LM is its core
    return Software(stack=stack, release=release)


def _release(text: str) -> float:
    if found := RELEASE.search(text):
        return int(found[1]) + int(found[2]) / 12 + (PATCH_YEARS if found[3] else 0.0)
    found = YEAR.search(text)
    return float(found[1]) + 0.5 if found else 0.0


def number(text: str) -> str:
    """The number format of the matrix products (one of training_jobs.NUMBERS) that a precision label means.

    Raises:
        InputError: none is known by it.
    """
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    for word, name in FORMATS:
        if word in plain:
            return name
    raise InputError(f"unknown precision {text!r}", where="precision", mend="use bf16, fp16, fp8, mxfp8 or fp4")


def task(text: str) -> str:
    """Which task a label means: "pretrain", "sft" or "lora".

    Raises:
        InputError: another word.
    """
    plain = re.sub(r"[^a-z]", "", text.lower())
    if plain not in TASKS:
        raise InputError(f"unknown task {text!r}", where="task", mend="use Pre-Training, SFT or LoRA")
    return TASKS[plain]


def recompute(text: str) -> str:
    """What is computed again: "none", "selective" or "full".

    Raises:
        InputError: another word.
    """
    plain = text.lower()
    for words, name in ((r"selective|partial|attention|\bcore", "selective"), (r"none|no\b|off|false|^0$", "none"),
                        (r"full|yes|on\b|true|uniform|block|^1$", "full")):  # fmt: skip
        if re.search(words, plain):
            return name
    raise InputError(f"unknown recomputation {text!r}", where="recompute", mend="use none, selective or full")


def zero_stage(text: str) -> int:
    """ZeRO stage 0 to 3 that an `fsdp` label means: FULL_SHARD, SHARD_GRAD_OP, NO_SHARD, or a number of shards.

    Raises:
        InputError: another word.
    """
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    if plain.isdigit():
        return 3 if int(plain) > 0 else 1
    words = {"fullshard": 3, "hybridshard": 3, "zero3": 3, "yes": 3, "true": 3, "shardgradop": 2, "hybridshardzero2": 2,
             "zero2": 2, "zero1": 1, "noshard": 0, "ddp": 0, "no": 1, "false": 1, "none": 1}  # fmt: skip
    if plain not in words:
        raise InputError(f"unknown sharding {text!r}", where="fsdp", mend="use FULL_SHARD, SHARD_GRAD_OP or NO_SHARD")
    return words[plain]
