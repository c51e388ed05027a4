"""Names as people write them: accelerators and models of benchmark tables, resolved to the project's own rows."""

from __future__ import annotations

import csv
import difflib
import functools
import re
from collections.abc import Callable, Mapping
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

from costdata import packaged

from ..errors import InputError
from .architectures import Architecture, registry
from .huggingface import from_config

if TYPE_CHECKING:
    from costdata import Accelerator

ALIASES = "labels.csv"
ASIDE = re.compile(r"\([^)]*\)|\[[^]]*\]")  # "(x32)", "(memory size not stated)", "[MAXSUN]"
LIST = re.compile(r",|;|\+|&|\band\b")
VENDOR_WORDS = re.compile(
    r"nvidia|amd|intel|google|cloud|aws|amazon|huawei|qualcomm|instinct|geforce|tesla|radeon|quadro|gpu|accelerator|"
    r"tensor|core|server|edition|blackwell|ampere|ms"
)
FORM = re.compile(  # tells apart nothing we list
    r"sxm\d?|oam|hbm\w*|gddr\w*|lpddr\w*|\d+w|aarch64|ac|lc|ts|cts|trt|turbo|hgx|nvl\d\d|\d+x|x\d+|"
    r"grace|hopper|gracehopper|superchip"
)
MEMORY = re.compile(r"(\d+)(?:gib|gb|g)")
MEMORY_SLACK = 0.15  # between a nominal size in GB and what the table says is usable, GiB
OWNER_WORDS = frozenset(("nvidia", "meta", "google", "openai", "microsoft", "mistralai", "amd"))
TUNED = re.compile(
    r"instruct|it|chat|base|thinking|preview|hf|fp8|fp4|nvfp4|mxfp4|mxfp8|bf16|fp16|int8|int4|awq|gptq|qat|marlin|"
    r"w\d+a\w+|dynamic|dyn|static|per|tensor|pertensor|block|kv|trtllm|vllm|sglang|sft|lora|peft|mtp|text|speciale|"
    r"edge|interactive|99(\.9)?|\d{4,6}|v\d+(\.\d+)*|\d+k"
)
SHAPE = re.compile(r"gpt-?[\d.]+b-h(\d+)-l(\d+)", re.IGNORECASE)
SHAPE_VOCABULARY = 51_200  # GPT-2's, padded as Megatron pads it


def accelerator(text: str) -> Accelerator:
    """The accelerator a label means: "h100_sxm", "AMD Instinct MI325X 256GB HBM3e", "A100-80GB-SXM" and the like.

    Vendor, form factor and memory technology are read over; a stated memory size must be that of the accelerator.

    Raises:
        InputError: unknown; of a memory size that is not listed; or several kinds in one label.
    """
    parts = [part for part in LIST.split(ASIDE.sub(" ", text)) if part.strip()]
    found = {a.name: a for a in map(_one_accelerator, parts or [text])}
    if len(found) > 1:
        raise InputError(
            f"{text!r} names {len(found)} kinds of accelerator ({', '.join(sorted(found))})",
            where="accelerator",
            mend="give a row for each kind",
        )
    return next(iter(found.values()))


def model(text: str) -> Architecture:
    """The architecture a label means: "LLAMA3_70B", "llama2-70b-99.9", "GPT-1.11B-h2048-L20" and the like.

    Case, owner, punctuation and words of tuning, quantisation or release at the end do not matter, unless a variant
    has a row of its own.

    Raises:
        InputError: unknown.
    """
    if text in registry():
        return registry()[text]
    if shape := SHAPE.fullmatch(text.strip()):
        return _shaped(text.strip(), int(shape[1]), int(shape[2]))
    tried = [_squashed(words) for words in _shortened(_model_words(text))]
    for known in (_model_names(), _base_names()):
        for key in tried:
            if key in known:
                return registry()[known[key]]
    raise _unknown("model", text, tried[0], _model_names())


def _one_accelerator(text: str) -> Accelerator:
    known, table = _accelerator_names(), _accelerators()
    words = [w for w in _words(text) if not VENDOR_WORDS.fullmatch(w)]
    bare = [w for w in words if not FORM.fullmatch(w)]
    for tried in (words, bare):
        if name := known.get(_squashed(sorted(tried))):
            return table[name]
    sizes = [int(size[1]) for size in map(MEMORY.fullmatch, bare) if size]
    name = known.get(_squashed(sorted(w for w in bare if not MEMORY.fullmatch(w))))
    if name is None:
        raise _unknown("accelerator", text.strip(), "".join(words), {n.lower(): n for n in table})
    if any(abs(size / table[name].hbm_gib - 1) > MEMORY_SLACK for size in sizes):
        raise InputError(
            f"no {name} of {sizes[0]} GB is listed",
            where="accelerator",
            mend=f"{name} has {table[name].hbm_gib:g} GiB",
        )
    return table[name]


def _unknown(kind: str, text: str, wanted: str, known: Mapping[str, str]) -> InputError:
    near = dict.fromkeys(known[n] for n in difflib.get_close_matches(wanted, list(known), n=5, cutoff=0.5))
    listed = "see `autoparallel models`" if kind == "model" else "use a name of costdata's accelerators.csv"
    mend = f"nearest are {', '.join(list(near)[:3])}" if near else listed
    return InputError(f"unknown {kind} {text!r}", where=kind, mend=mend)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9.]+", text.lower())


def _squashed(words: list[str]) -> str:
    return "".join(words).replace(".", "")


def _model_words(text: str) -> list[str]:
    words = _words(ASIDE.sub(" ", text).rpartition("/")[2])
    while len(words) > 1 and words[0] in OWNER_WORDS:
        words = words[1:]
    return words


def _shortened(words: list[str]) -> list[list[str]]:
    """The words, then without one after the other of the words of tuning at their end."""
    made = [words]
    while len(made[-1]) > 1 and TUNED.fullmatch(made[-1][-1]):
        made.append(made[-1][:-1])
    return made


def _shaped(name: str, hidden: int, layers: int) -> Architecture:
    """A GPT-2 shape told by its name; the number of heads changes no count."""
    fields = {
        "model_type": "gpt2",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, hidden // 64),
        "head_dim": min(64, hidden),
        "intermediate_size": 4 * hidden,
        "vocab_size": SHAPE_VOCABULARY,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    }
    return from_config(fields, name=name, where="model", source="shape in the name; GPT-2 otherwise")


@functools.cache
def _accelerators() -> Mapping[str, Accelerator]:
    return MappingProxyType(packaged.accelerators())


@functools.cache
def _accelerator_names() -> Mapping[str, str]:
    """Names by sorted words."""
    return _with_aliases("accelerator", {name: name for name in _accelerators()}, lambda t: sorted(_words(t)))


@functools.cache
def _model_names() -> Mapping[str, str]:
    """Names by their words."""
    return _with_aliases("model", {name: name for name in registry()}, _model_words)


@functools.cache
def _base_names() -> Mapping[str, str]:
    """Names by their words without those of tuning; of several, the row that keeps the widest numbers."""
    known: dict[str, str] = {}
    widest_first = sorted(registry().values(), key=lambda a: ("bf16", "fp8", "fp4", "int4").index(a.native_precision))
    for length in range(1, 4):
        for a in widest_first:
            for words in _shortened(_model_words(a.name))[length : length + 1]:
                known.setdefault(_squashed(words), a.name)
    return MappingProxyType(known)


def _with_aliases(kind: str, names: dict[str, str], read: Callable[[str], list[str]]) -> Mapping[str, str]:
    text = resources.files(__package__).joinpath(ALIASES).read_text(encoding="utf-8")
    aliases = {row["label"]: row["name"] for row in csv.DictReader(text.splitlines()) if row["kind"] == kind}
    return MappingProxyType({_squashed(read(label)): name for label, name in (aliases | names).items()})
