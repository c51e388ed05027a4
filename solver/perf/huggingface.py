"""Read a Hugging Face config.json, strictly, and count what the performance model needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from .architectures import Architecture
from .layers import Config, attention, dense_width, expert_shape, layer_plan, linear_attention, sparse_index

MAX_BYTES = 4 << 20  # quantised checkpoints list every layer: the largest published one is 1.3 MB
MAX_DEPTH = 24
UNGATED = frozenset(
    {"nemotron_h", "nemotron", "gpt_neox", "gpt2", "gptj", "opt", "falcon", "phi", "starcoder2", "bloom", "mpt"}
)
UNMODELLED = frozenset({"nemotron-nas"})  # every block has its own shape


def read_config(path: Path, *, name: str = "") -> Architecture:
    """Read the architecture in a config.json (or in a folder that holds one).

    Raises:
        InputError: missing, too large or too deep; not JSON; NaN; a key twice; a field missing or not a whole number.
    """
    file = path / "config.json" if path.is_dir() else path
    config = load_config(file)
    label = name or str(config.get("_name_or_path") or file.parent.name or file.stem)
    return from_config(config, name=label, where=str(file))


def load_config(file: Path) -> dict[str, Any]:
    """The fields of one config.json, size, depth, NaN and repeated keys checked.

    Raises:
        InputError: as `read_config`.
    """
    where = str(file)
    try:
        if not file.is_file():
            raise InputError("no such file", where=where, mend="give a config.json, or the folder that holds it")
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"larger than {MAX_BYTES:,} bytes", where=where, mend="give the model's config.json")
        text = file.read_text(encoding="utf-8")
        value = json.loads(text, object_pairs_hook=_no_twice, parse_constant=_no_nan)
    except InputError as error:
        raise InputError(error.message, where=where, mend=error.mend) from None
    except (OSError, RecursionError, ValueError) as error:
        raise InputError(f"not readable as JSON: {error}", where=where, mend="give the model's config.json") from None
    if not isinstance(value, dict):
        raise InputError("holds no JSON object", where=where, mend="give the model's config.json")
    if _depth(value) > MAX_DEPTH:
        raise InputError(f"nested deeper than {MAX_DEPTH}", where=where, mend="give the model's config.json")
    return value


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"field {twice!r} stands twice", mend="keep one of them")
    return made


def _no_nan(text: str) -> float:
    # Published configs of state-space models hold Infinity as a clamp; a field we read must be whole anyway.
    if text == "NaN":
        raise InputError("holds NaN", mend="replace it by a number")
    return float(text)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)]
        level = [x for values in inner for x in values]
    return depth


def from_config(config: dict[str, Any], *, name: str, where: str, source: str = "", on: str = "") -> Architecture:
    """Count parameters, cache and attention work of a config; text part only.

    Args:
        config: the parsed config.json.
        name: what to call the model.
        where: file name for error messages.
        source: where the config comes from.
        on: ISO date it was compiled.
    """
    inner = config.get("text_config")
    c = Config({**config, **inner} if isinstance(inner, dict) else config, where)
    family = c.text("model_type")
    if family in UNMODELLED:
        raise InputError(f"family {family!r} has no performance model", where=where, mend="see `autoparallel models`")
    plan = layer_plan(c)
    hidden, vocabulary = c.whole("hidden_size"), c.whole("vocab_size")
    matrices = 2 if family in UNGATED else 3
    full, window = attention(c, sliding=False), attention(c, sliding=True)
    linear = linear_attention(c, plan.linear)
    experts = expert_shape(c, plan.moe)
    index = sparse_index(c, plan.full)
    embedding = vocabulary * hidden
    tied = c.flag("tie_word_embeddings", default=family.startswith("gemma"))
    routed = plan.moe * experts.count * matrices * experts.hidden * experts.width
    latent = 2 * hidden * experts.hidden if experts.hidden != hidden else 0
    return Architecture(
        name=name,
        family=family,
        layers=plan.layers,
        hidden_size=hidden,
        vocabulary=vocabulary,
        max_context=c.whole("max_position_embeddings", default=4096),
        attention_heads=c.whole("num_attention_heads"),
        kv_heads=full.kv_heads,
        latent_attention=full.latent,
        sliding_window=plan.window,
        selected_context=index.selected,
        experts=experts.count,
        experts_per_token=experts.per_token,
        moe_layers=plan.moe,
        attention_parameters=(
            plan.full * full.parameters + plan.sliding * window.parameters + linear.parameters + index.parameters
        ),
        dense_ffn_parameters=plan.dense * matrices * hidden * (dense_width(c) if plan.dense else 0),
        expert_parameters=routed,
        shared_expert_parameters=plan.moe * (matrices * hidden * experts.shared_width + latent),
        router_parameters=plan.moe * experts.count * hidden,
        norm_parameters=(2 * plan.layers + 1) * hidden,
        embedding_parameters=embedding,
        head_parameters=0 if tied else embedding,
        cache_values_per_token=plan.full * full.cache_values + index.cache_values,
        window_values_per_token=plan.sliding * window.cache_values,
        state_values_per_sequence=linear.state_values,
        prefill_attention_flop=plan.full * full.prefill_flop,
        decode_attention_flop=plan.full * full.decode_flop,
        window_attention_flop=plan.sliding * window.prefill_flop,
        native_precision=_native(c),
        source=source or where,
        compiled_on=on,
    )


def _native(c: Config) -> str:
    quantisation = c.fields.get("quantization_config")
    method = str(quantisation.get("quant_method", "")) if isinstance(quantisation, dict) else ""
    name = {
        "fp8": "fp8",
        "mxfp4": "fp4",
        "modelopt": "fp4",
        "awq": "int4",
        "gptq": "int4",
        "compressed-tensors": "int4",
    }
    return name.get(method, "bf16")
