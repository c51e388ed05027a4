"""Model architectures: parameters, cache and attention work by component, one row a model."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import functools
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TABLE = "architectures.csv"
MANUAL = "architectures_manual.csv"  # models without a config.json in the collection the first table is compiled from
VARIANT = re.compile(r"(-(instruct|it|chat|base|thinking|fp8|nvfp4|mxfp4|bf16|awq|gptq|int4))+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A transformer (or hybrid) as the performance model sees it.

    Parameters are counts (not bytes), summed over all layers; cache fields are stored numbers (not bytes);
    `*_flop` fields are floating-point operations for one token against one earlier token, summed over layers.
    Multi-token-prediction heads and vision towers are not counted. Source: the model's published config.json.
    """

    name: str
    family: str
    layers: int
    hidden_size: int
    vocabulary: int
    max_context: int
    attention_heads: int
    kv_heads: int  # 1 for latent attention: its cache cannot be split by heads
    latent_attention: bool
    sliding_window: int  # tokens seen by sliding layers, 0 without any
    selected_context: int  # tokens that sparse attention picks, 0 = all of them
    experts: int
    experts_per_token: int
    moe_layers: int
    attention_parameters: int  # softmax and linear attention together
    dense_ffn_parameters: int
    expert_parameters: int
    shared_expert_parameters: int  # run for every token: shared experts and latent projections
    router_parameters: int
    norm_parameters: int
    embedding_parameters: int
    head_parameters: int  # 0 when tied to the embedding
    cache_values_per_token: float  # grows with context (float: compressed caches keep a fraction of a row)
    window_values_per_token: float  # held for at most `sliding_window` tokens
    state_values_per_sequence: int  # linear attention: constant in context
    prefill_attention_flop: int
    decode_attention_flop: int  # differs for latent attention, which decodes in the compressed space
    window_attention_flop: int
    native_precision: str
    source: str
    compiled_on: str

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.always_active_parameters + self.expert_parameters + self.embedding_parameters

    @property
    def always_active_parameters(self) -> int:
        """Parameters every token passes through, without the input embedding."""
        return (
            self.attention_parameters
            + self.dense_ffn_parameters
            + self.shared_expert_parameters
            + self.router_parameters
            + self.norm_parameters
            + self.head_parameters
        )

    @property
    def active_parameters(self) -> int:
        """Parameters one token uses, with the input embedding counted as published totals do."""
        share = self.experts_per_token / self.experts if self.experts else 0.0
        return round(self.always_active_parameters + self.embedding_parameters + share * self.expert_parameters)

    @property
    def output_parameters(self) -> int:
        """Vocabulary × hidden: the matrix of the last projection, tied or not."""
        return self.vocabulary * self.hidden_size

    def cache_bytes_per_token(self, kv_bytes: float = 2.0) -> float:
        """Bytes one more token of context costs while it is inside every window, unsharded."""
        return (self.cache_values_per_token + self.window_values_per_token) * kv_bytes


def architecture(name_or_path: str | Path) -> Architecture:
    """Look a model up by name, or read a Hugging Face config.json (a path that ends in .json, or a folder).

    Names match without case, with or without the owner and without "Meta-", when that leaves one model. A tuned or
    quantised variant ("-Instruct", "-FP8", …) that has no row of its own is its base model: the shapes are the same.

    Raises:
        InputError: unknown or ambiguous name, or a config that cannot be used.
    """
    text = str(name_or_path)
    path = Path(text)
    if isinstance(name_or_path, Path) or text.endswith(".json") or path.is_dir():
        from .huggingface import read_config

        return read_config(path)
    return _by_name(text)


def _by_name(text: str) -> Architecture:
    table = registry()
    if text in table:
        return table[text]
    wanted = _plain(text)
    hits = _matches(wanted) or _matches(VARIANT.sub("", wanted.rpartition("/")[2]))
    if len(hits) == 1:
        return hits[0]
    if hits:
        names = ", ".join(a.name for a in hits)
        raise InputError(f"model name {text!r} fits several models", where="model", mend=f"use one of: {names}")
    near = difflib.get_close_matches(wanted, sorted({_plain(n.rpartition("/")[2]) for n in table}), n=3, cutoff=0.4)
    mend = f"nearest are {', '.join(near)}" if near else "see `autoparallel models`"
    raise InputError(f"unknown model {text!r}", where="model", mend=f"{mend}; or give the path of a config.json")


def _matches(wanted: str) -> list[Architecture]:
    return [a for n, a in registry().items() if wanted in {_plain(n), _plain(n.rpartition("/")[2])}]


def _plain(name: str) -> str:
    return name.strip().lower().replace("/meta-llama-", "/llama-").removeprefix("meta-")


@functools.cache
def registry() -> Mapping[str, Architecture]:
    """All packaged architectures by full name, read once and immutable."""
    texts = [resources.files(__package__).joinpath(name).read_text(encoding="utf-8") for name in (MANUAL, TABLE)]
    rows = [Architecture(**_typed(row)) for text in texts for row in csv.DictReader(text.splitlines())]
    return MappingProxyType({row.name: row for row in rows})


def _typed(row: dict[str, str]) -> dict[str, Any]:
    read: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": "True".__eq__, "str": str}
    return {field.name: read[str(field.type)](row[field.name]) for field in dataclasses.fields(Architecture)}
