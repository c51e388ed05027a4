"""Architectures: published totals, hand-computed caches, names, and strict reading of config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.perf import architecture, registry
from solver.perf.compile_architectures import compile_table
from solver.perf.huggingface import from_config

LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("llama-3.1-8b", 8.03e9),
        ("llama-3.1-70b", 70.6e9),
        ("llama-3.1-405b", 405.9e9),
        ("deepseek-v3", 671e9),
        ("mixtral-8x7b-v0.1", 46.7e9),
        ("mixtral-8x22b-v0.1", 141e9),
        ("qwen3-235b-a22b", 235e9),
        ("qwen3-32b", 32.8e9),
        ("qwen3-8b", 8.2e9),
        ("qwen3-30b-a3b", 30.5e9),
        ("qwen3-coder-480b-a35b-instruct", 480e9),
        ("gpt-oss-120b", 116.8e9),
        ("gpt-oss-20b", 20.9e9),
        ("kimi-k2-instruct", 1026e9),
        ("llama-4-scout-17b-16e-instruct", 107.8e9),
        ("llama-4-maverick-17b-128e-instruct", 400.7e9),
        ("deepseek-v4-flash", 284e9),
    ],
)
def test_total_parameters_are_the_published_ones(name: str, total: float) -> None:
    """Model cards and papers of the models, within 1 %."""
    assert architecture(name).parameters == pytest.approx(total, rel=0.01)


@pytest.mark.parametrize(
    ("name", "active"), [("mixtral-8x7b-v0.1", 12.9e9), ("qwen3-235b-a22b", 22.0e9), ("mixtral-8x22b-v0.1", 39.0e9)]
)
def test_active_parameters_are_the_published_ones(name: str, active: float) -> None:
    """Model cards count the input embedding."""
    assert architecture(name).active_parameters == pytest.approx(active, rel=0.01)


@pytest.mark.parametrize(("name", "active"), [("deepseek-v3", 37e9), ("gpt-oss-120b", 5.13e9), ("gpt-oss-20b", 3.61e9)])
def test_active_parameters_without_the_embedding(name: str, active: float) -> None:
    """These cards count the output projection, not the input embedding."""
    a = architecture(name)
    assert a.active_parameters - a.embedding_parameters == pytest.approx(active, rel=0.011)


@pytest.mark.parametrize(
    ("name", "each"),
    [
        ("llama-3.1-8b", 32 * 2 * 8 * 128 * 2),
        ("llama-3.1-70b", 80 * 2 * 8 * 128 * 2),  # 327,680 bytes
        ("llama-3.1-405b", 126 * 2 * 8 * 128 * 2),
        ("qwen3-32b", 64 * 2 * 8 * 128 * 2),
        ("qwen3-235b-a22b", 94 * 2 * 4 * 128 * 2),
        ("deepseek-v3", 61 * (512 + 64) * 2),  # latent row and rope key, one for all heads: 70,272 bytes
        ("gpt-oss-120b", 36 * 2 * 8 * 64 * 2),  # half of it only inside the window
        ("qwen3.5-27b", 16 * 2 * 4 * 256 * 2),  # a quarter of the layers keep a cache
    ],
)
def test_cache_bytes_per_token(name: str, each: int) -> None:
    """Layers × keys and values × heads × width × 2 bytes."""
    assert architecture(name).cache_bytes_per_token() == each


def test_sliding_and_linear_layers_are_apart() -> None:
    """gpt-oss alternates windows of 128; Qwen3.5 keeps a recurrent state in 48 of 64 layers."""
    oss, hybrid = architecture("gpt-oss-120b"), architecture("qwen3.5-27b")
    assert (oss.sliding_window, oss.window_values_per_token) == (128, 18 * 2 * 8 * 64)
    convolution = (2 * 16 * 128 + 48 * 128) * 3
    assert hybrid.state_values_per_sequence == 48 * (48 * 128 * 128 + convolution)


def test_latent_attention_of_deepseek_v3_by_hand() -> None:
    """Low-rank query and key-value projections, per layer."""
    query = 7168 * 1536 + 1536 * 128 * 192
    key_value = 7168 * 576 + 512 * 128 * 256
    a = architecture("deepseek-v3")
    assert a.attention_parameters == 61 * (query + key_value + 128 * 128 * 7168)
    assert a.expert_parameters == 58 * 256 * 3 * 7168 * 2048
    assert a.dense_ffn_parameters == 3 * 3 * 7168 * 18432
    assert (a.kv_heads, a.latent_attention) == (1, True)


@pytest.mark.parametrize(
    "name",
    ["llama-3.1-70b", "Meta-Llama-3.1-70B", "META-LLAMA/LLAMA-3.1-70B", "llama-3.1-70b-instruct", "Llama-3.1-70B-FP8"],
)
def test_convenient_names(name: str) -> None:
    """Case, owner, "Meta-" and tuned or quantised variants do not matter."""
    assert architecture(name).name == "meta-llama/Meta-Llama-3.1-70B"


def test_unknown_name_names_the_nearest() -> None:
    """A slip of the finger is answered with the model meant."""
    with pytest.raises(InputError, match=r"unknown model 'lama-3.1-70b'.*nearest are.*llama-3.1-70b"):
        architecture("lama-3.1-70b")


def test_a_row_of_its_own_comes_before_the_base_model() -> None:
    """Qwen3-32B-FP8 has its own row."""
    assert architecture("qwen3-32b-fp8").native_precision == "fp8"
    assert architecture("qwen3-32b").native_precision == "bf16"


def test_every_row_is_sound() -> None:
    """Counts are positive and consistent for every packaged model."""
    assert len(registry()) > 80
    for name, a in registry().items():
        assert 0 < a.active_parameters <= a.parameters, name
        assert a.cache_bytes_per_token() > 0, name
        assert 1 <= a.kv_heads <= a.attention_heads, name
        assert (a.experts == 0) == (a.moe_layers == 0) == (a.expert_parameters == 0), name
        assert a.experts_per_token <= a.experts, name
        assert a.source, name
        assert "2026-11-24" <= a.compiled_on <= "2026-11-25", name


def _write(folder: Path, fields: dict[str, Any]) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(fields))
    return file


def test_a_config_on_disk_is_the_same_model(tmp_path: Path) -> None:
    """File or folder, text path or Path."""
    file, packaged = _write(tmp_path, LLAMA_8B), architecture("llama-3.1-8b")
    for path in (file, str(file), tmp_path, str(tmp_path)):
        read = architecture(path)
        assert (read.parameters, read.cache_bytes_per_token()) == (
            packaged.parameters,
            packaged.cache_bytes_per_token(),
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "llama", "hidden_size": NaN}', "NaN"),
        ('{"model_type": "llama", "hidden_size": 1, "hidden_size": 2}', "'hidden_size' stands twice"),
        ("[1, 2]", "no JSON object"),
        ("{", "not readable as JSON"),
        ("", "not readable as JSON"),
        ('{"a":' * 30 + "1" + "}" * 30, "nested deeper"),
        ("[" * 200_000, "not readable as JSON"),
        ('{"model_type": "llama", "num_hidden_layers": ' + "9" * 5000 + "}", "not readable as JSON"),
    ],
)
def test_hostile_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Typed error that names the file."""
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        architecture(file)
    assert str(file) in str(caught.value)


def test_large_and_missing_files_are_refused(tmp_path: Path) -> None:
    """No more than 4 MiB is read."""
    file = tmp_path / "config.json"
    file.write_text('{"a": "' + "x" * (5 << 20) + '"}')
    with pytest.raises(InputError, match="larger than"):
        architecture(file)
    with pytest.raises(InputError, match="no such file"):
        architecture(tmp_path / "absent.json")


@pytest.mark.parametrize(
    "field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "intermediate_size"]
)
def test_missing_field_is_named(field: str) -> None:
    """Every field that decides the counts."""
    with pytest.raises(InputError, match=f"'{field}' is missing"):
        from_config({k: v for k, v in LLAMA_8B.items() if k != field}, name="x", where="config.json")


@pytest.mark.parametrize("value", [-1, 0, 1.5, True, "4096", float("inf"), 10**12, [4096]])
@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_bad_numbers_are_named(field: str, value: object) -> None:
    """Not a positive whole number of sensible size."""
    with pytest.raises(InputError, match=f"'{field}' must be"):
        from_config(LLAMA_8B | {field: value}, name="x", where="config.json")


@pytest.mark.parametrize(
    "change",
    [
        {"num_key_value_heads": 0},
        {"num_key_value_heads": 64},
        {"head_dim": 0},
        {"num_local_experts": 4, "num_experts_per_tok": 8},
        {"layer_types": ["full_attention", "quantum_attention"]},
        {"layer_types": ["sliding_attention"] * 33},
        {"model_type": "nemotron-nas"},
    ],
)
def test_impossible_models_are_refused(change: dict[str, Any]) -> None:
    """Rather than a division by zero or a silent default."""
    with pytest.raises(InputError):
        from_config(LLAMA_8B | change, name="x", where="config.json")


@given(
    layers=st.integers(1, 100),
    heads=st.sampled_from([8, 16, 32]),
    groups=st.sampled_from([1, 2, 4, 8]),
    width=st.integers(1, 30_000),
    vocabulary=st.integers(1, 300_000),
    tied=st.booleans(),
)
def test_dense_models_count_as_by_hand(
    layers: int, heads: int, groups: int, width: int, vocabulary: int, tied: bool
) -> None:
    """Any dense grouped-query model."""
    hidden, kv = heads * 64, heads // groups
    fields = LLAMA_8B | {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": width,
        "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
    }
    a = from_config(fields, name="x", where="config.json")
    body = layers * (2 * hidden * hidden + 2 * hidden * kv * 64 + 3 * hidden * width + 2 * hidden) + hidden
    assert a.parameters == body + vocabulary * hidden * (1 if tied else 2)
    assert a.cache_values_per_token == layers * 2 * kv * 64


def test_compiling_accounts_for_every_config(tmp_path: Path) -> None:
    """Kept, or left out with a reason; owner and name come from the file name."""
    (tmp_path / "acme--Tiny_config.json").write_text(json.dumps(LLAMA_8B))
    (tmp_path / "acme--Tiny_hf_quant_config.json").write_text('{"quantization": {"quant_algo": "FP8"}}')
    (tmp_path / "acme--Odd_config.json").write_text('{"model_type": "odd"}')
    text, dropped = compile_table(tmp_path, "2026-01-01")
    assert len(text.splitlines()) == 2
    assert "acme/Tiny,llama,32,4096" in text
    assert ",fp8," in text
    assert list(dropped) == ["acme/Odd"]
    assert "'num_hidden_layers' is missing" in dropped["acme/Odd"]
