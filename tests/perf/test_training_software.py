"""Training software, formats, tasks and sharding by the words of measurement files and of people."""

from __future__ import annotations

import pytest

from solver.errors import InputError
from solver.perf.training_software import number, recompute, software, task, zero_stage


@pytest.mark.parametrize(
    ("text", "name", "release"),
    [
        ("NeMo/Megatron-Bridge 26.04.01 NeMo Container", "megatron-bridge", 26 + 4 / 12 + 0.02),
        ("NeMo/Megatron-Bridge 26.04 NeMo Container", "megatron-bridge", 26 + 4 / 12),
        ("NeMo 24.07", "nemo", 24 + 7 / 12),
        ("torchtitan 2024-12", "torchtitan", 25.0),
        ("Megatron-DeepSpeed", "megatron-deepspeed", 0.0),
        ("Megatron-LM 2021", "megatron-lm", 21.5),
        ("Megatron-LM", "megatron-bridge", 0.0),
        ("llm-foundry (Composer FSDP)", "llm-foundry", 0.0),
        ("MaxText on A3", "maxtext", 0.0),
        ("HomeMade 3.1", "", 0.0),
    ],
)
def test_software_and_its_release(text: str, name: str, release: float) -> None:
    """Families, and releases as years since 2000; Megatron-LM without a year is today's, a core of Megatron-Bridge."""
    found = software(text)
    assert found.stack.name == name
    assert found.release == pytest.approx(release)


def test_what_software_does_by_itself() -> None:
    """Only the software of 2021 and 2022 lets scores pass through memory; only XLA launches nothing; FSDP shards."""
    assert [software(t).stack.unfused for t in ("vTrain ground truth", "Megatron-LM 2021", "Megatron-Bridge")] == [
        True,
        True,
        False,
    ]
    assert software("MaxText").stack.compiled
    assert [software(t).stack.zero_stage for t in ("torchtitan", "Megatron-Bridge", "Megatron-DeepSpeed")] == [3, 1, 0]


def test_number_formats() -> None:
    """Every label of the files."""
    known = {
        "NVFP4": "fp4", "MXFP8": "mxfp8", "FP8-MX": "mxfp8", "FP8-subchannel/blockwise": "fp8_block", "FP8-CS": "fp8",
        "float8 rowwise": "fp8_block", "float8 tensorwise": "fp8", "amp_fp8": "fp8", "amp_bf16": "bf16", "fp16": "fp16",
    }  # fmt: skip
    assert {text: number(text) for text in known} == known
    for text in ("int8", "tf32", "", "fp"):
        with pytest.raises(InputError, match="unknown precision"):
            number(text)


def test_tasks_recomputation_and_sharding() -> None:
    """Words and numbers; a word that means nothing is an error that names the words that do."""
    assert [task(t) for t in ("Pre-Training", "SFT", "LoRA", "full fine-tuning")] == ["pretrain", "sft", "lora", "sft"]
    words = ("none", "full (use_checkpoint true in its validation configs)", "selective per-op", "False", "yes", "0")
    assert [recompute(t) for t in words] == ["none", "full", "selective", "none", "full", "none"]
    shards = ("FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD", "0", "64", "ZeRO-1", "no")
    assert [zero_stage(t) for t in shards] == [3, 2, 0, 1, 3, 1, 1]
    for read, text in ((task, "rest"), (recompute, "maybe"), (zero_stage, "sideways")):
        with pytest.raises(InputError, match="use "):
            read(text)
