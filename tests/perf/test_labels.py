"""Labels of benchmark tables: every spelling finds the row it means, and nothing finds a wrong one."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costdata import Accelerator
from solver.errors import InputError
from solver.perf import Architecture, labels, registry
from solver.perf.compile_architectures import compile_manual


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("h100_sxm", "H100"),
        ("h200_sxm", "H200"),
        ("b200_sxm", "B200"),
        ("b300_sxm", "B300"),
        ("gb200", "GB200"),
        ("gb300", "GB300"),
        ("a100_sxm", "A100-80"),
        ("l40s", "L40S"),
        ("mi300x", "MI300X"),
        ("mi355x", "MI355X"),
        ("h20", "H20"),
        ("H100-SXM", "H100"),
        ("H100-80GB", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100-PCIe-80GB", "H100-PCIe"),
        ("NVIDIA H100-NVL-94GB", "H100-NVL"),
        ("H100-96GB-HBM2e-500W", "H100-96"),
        ("NVIDIA H200-SXM-141GB", "H200"),
        ("NVIDIA H200-NVL-141GB", "H200-NVL"),
        ("A100-80GB-SXM", "A100-80"),
        ("NVIDIA A100-SXM4-40GB", "A100-40"),
        ("A100-PCIe-40GB", "A100-40-PCIe"),
        ("A100 (memory size not stated)", "A100-80"),
        ("GH200-120GB", "GH200"),  # the 120 GB are the processor's
        ("NVIDIA GB300-288GB_aarch64", "GB300"),
        ("NVIDIA B200-SXM-180GB", "B200"),
        ("NVIDIA H200-SXM-141GB-CTS", "H200"),
        ("NVIDIA GH200-GraceHopper-Superchip-96GB", "GH200"),
        ("GB200 NVL72", "GB200"),
        ("8x HGX H100", "H100"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("AMD Instinct MI300X 192GB HBM3", "MI300X"),
        ("AMD Instinct MI325X 256GB HBM3e", "MI325X"),
        ("AMD Instinct MI325X 256GB HBM3E (x16)", "MI325X"),
        ("[MAXSUN] MS-Intel Arc Pro B60 Dual 48G Turbo", "Arc-Pro-B60-Dual"),
        ("TPU v5p", "TPU-v5p"),
        ("Ascend 910B", "Ascend-910B"),
        ("MI300X (x8), AMD Instinct MI300X (x16)", "MI300X"),
    ],
)
def test_accelerators(text: str, name: str) -> None:
    """Systems of serving tables, MLPerf's and NVIDIA's names."""
    assert labels.accelerator(text).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MI300X (x32), MI325X (x16)", r"names 2 kinds of accelerator \(MI300X, MI325X\).*a row for each kind"),
        ("A100-60GB", r"no A100-80 of 60 GB.*has 80 GiB"),
        ("H1000", r"unknown accelerator 'H1000'.*nearest are.*H100"),
        ("", "unknown accelerator ''"),
        ("80GB-class, 1 GPU", "unknown accelerator '80GB-class'"),
    ],
)
def test_no_accelerator_is_guessed(text: str, message: str) -> None:
    """Several kinds, another memory size and unknown names are errors that say what to do."""
    with pytest.raises(InputError, match=message):
        labels.accelerator(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LLAMA3_70B", "meta-llama/Meta-Llama-3.1-70B"),
        ("Llama-3.1-70B", "meta-llama/Meta-Llama-3.1-70B"),
        ("Meta-Llama-3.1-70B-Instruct w8a8", "meta-llama/Meta-Llama-3.1-70B"),
        ("amd/Llama-3.1-405B-Instruct-MXFP4", "meta-llama/Meta-Llama-3.1-405B"),
        ("llama2-70b-99.9", "meta-llama/Llama-2-70b"),
        ("llama2-70b-interactive-99", "meta-llama/Llama-2-70b"),
        ("llama3_1-70b-fp8_trtllm", "meta-llama/Meta-Llama-3.1-70B"),
        ("llama3.1-8b-edge", "meta-llama/Meta-Llama-3.1-8B"),
        ("mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1"),
        ("Mistral-7B-Instruct-v0.3", "mistralai/Mistral-7B"),
        ("Qwen3_30B_a3B", "Qwen/Qwen3-30B-A3B"),
        ("Qwen3-30B-A3B-FP8", "Qwen/Qwen3-30B-A3B-FP8"),
        ("Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B"),
        ("nvidia/Qwen3-32B-NVFP4", "Qwen/Qwen3-32B"),
        ("DeepSeekV3", "deepseek-ai/DeepSeek-V3"),
        ("DeepSeekV3 (w/o MTP)", "deepseek-ai/DeepSeek-V3"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1"),
        ("Nemotron_3_Nano", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
        ("GPT OSS 120B", "openai/gpt-oss-120b"),
        ("GPT3-175B", "nvidia/GPT3-175B"),
        ("GPT-145.6B", "megatron/GPT-145.6B"),
        ("MPT-13b", "mosaicml/mpt-13b"),
        ("MaxText-1024B", "maxtext/MaxText-1024B"),
        ("Llama-3-70B SFT", "meta-llama/Meta-Llama-3.1-70B"),
        ("Qwen3-8B LoRA", "Qwen/Qwen3-8B"),
    ],
)
def test_models(text: str, name: str) -> None:
    """Spellings of training, serving and MLPerf tables."""
    assert labels.model(text).name == name


@pytest.mark.parametrize("text", ["see source", "hybrid Mamba-MoE (see source)", "", "Llama-3.1-71B", "Llama-9-70B"])
def test_no_model_is_guessed(text: str) -> None:
    """A model of another size is not the nearest one."""
    with pytest.raises(InputError, match="unknown model"):
        labels.model(text)


def test_a_shape_in_the_name() -> None:
    """GPT-2 of 20 layers of 2048: 12 h² a layer and an embedding of 51,200; the cache holds 2 h values a layer."""
    a = labels.model("GPT-1.11B-h2048-L20")
    assert a.parameters == 20 * 12 * 2048**2 + 51200 * 2048 + 41 * 2048
    assert (a.layers, a.hidden_size, a.cache_values_per_token) == (20, 2048, 20 * 2 * 2048)


def test_every_name_finds_itself() -> None:
    """A model's own name, an accelerator's own name, and every alias of the table."""
    assert all(labels.model(name).name == name for name in registry())
    assert all(labels.accelerator(name).name == name for name in labels._accelerators())
    with Path(labels.__file__).with_name(labels.ALIASES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    for row in rows:
        found = (labels.model if row["kind"] == "model" else labels.accelerator)(row["label"])
        assert found.name == row["name"], row


@given(st.text(max_size=40))
def test_any_text_is_answered_or_refused(text: str) -> None:
    """No text of any kind gives another error than the one for input."""
    finders: tuple[Callable[[str], Architecture | Accelerator], ...] = (labels.model, labels.accelerator)
    for find in finders:
        try:
            name = find(text).name
        except InputError:
            continue
        assert name


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("Llama-2-7B", 6.74e9),
        ("Llama-2-13B", 13.0e9),
        ("Llama-2-70B", 69.0e9),
        ("Falcon-180B", 179.5e9),
        ("GPT-J-6B", 6.05e9),
        ("Nemotron-340B", 340e9),
        ("GPT-1008B", 1008e9),
        ("turing-530B", 530e9),
        ("Moonlight-16B", 16.0e9),
        ("DeepSeek-V2", 236e9),
        ("Mistral-Large", 123e9),
        ("GLM-4.5-Air", 106e9),
        ("Qwen2.5-72B", 72.7e9),
        ("Phi-4", 14.7e9),
        ("Gemma-2-27B", 27.2e9),
        ("Qwen3-Next-80B-A3B", 80e9),
        ("grok-1", 314e9),
        ("dbrx", 132e9),
        ("MaxText-22B", 22e9),
        ("MaxText-512B", 512e9),
    ],
)
def test_hand_kept_models_have_their_published_size(name: str, total: float) -> None:
    """Within 1 % of the model card or paper; MaxText names its sizes by powers of two (2.5 %)."""
    assert labels.model(name).parameters == pytest.approx(total, rel=0.025 if "MaxText" in name else 0.01)


def test_the_hand_kept_table_is_what_its_shapes_give() -> None:
    """Compiling again changes no byte."""
    table = Path(labels.__file__).with_name("architectures_manual.csv")
    assert table.read_text(encoding="utf-8") == compile_manual("2026-11-25")
