"""Rows of a memory frame, read: model, framework, layout, what is recomputed, and which figure is asked for."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from .. import labels
from ..constants import PRECISIONS
from ..training_memory import (
    FSDP,
    FULLY_SHARDED,
    GRADIENTS_SHARDED,
    MAXTEXT,
    MEGATRON,
    MEGATRON_2022,
    PLANNED,
    TORCHTITAN,
    TORCHTITAN_2024,
    Job,
    Recompute,
)
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ..architectures import Architecture
    from ..constants import Precision
    from ..training_memory import Framework
    from .rows import Array, Mask

SEQUENCE_LENGTH = 8192.0  # where none is stated
MOST_RANKS, MOST_SEQUENCES, MOST_TOKENS = 1 << 20, 1 << 30, 1 << 30  # more is a slip of the pen
LORA, SFT, PRETRAINING, SERVING = "lora", "sft", "pretraining", "serving"
TOTAL, LAYERS, WEIGHTS = "total", "layers", "weights"  # what a figure counts
FIRST, LAST, FULLEST = "first", "last", "fullest"  # pipeline stage whose memory a figure is
NARROW_LABEL = re.compile(r"fp8|float8|fp4|w8a8|int8", re.IGNORECASE)
WIDE_LABEL = re.compile(r"bf16|bfloat16|fp16|float16|half|fp32|float32|tf32|mixed|^16$|^32$", re.IGNORECASE)
HBM_LABEL = re.compile(r"(\d+)\s*gi?b", re.IGNORECASE)
LOCAL_BATCH = re.compile(r"local batch (?:size )?(\d+)", re.IGNORECASE)
ASIDE = re.compile(r"\([^)]*\)")
OPERATIONS = {
    "core_attn": "core_attention",
    "core_attention": "core_attention",
    "layernorm": "norms",
    "mlp": "mlp",
    "moe": "experts",
    "moe_act": "expert_activation",
    "shared_experts": "shared_experts",
    "mla_up_proj": "latent_projections",
    "full": "full",
}
SHARDINGS = {"FULL_SHARD": np.inf, "HYBRID_SHARD": np.inf, "SHARD_GRAD_OP": np.inf, "NO_SHARD": 0.0}
NOTHING = frozenset({"none", "no", "off", "false", "sp"})
SELECTIVE = "selective"
SEPARATOR = " | "
NARROW_MOMENTS = frozenset({"deepseek_v2", "deepseek_v3", "kimi_k2"})  # recipes with BF16 Adam moments
FRAMEWORKS = (  # patterns in a row's source, software or notes, and the framework they mean; the first that is found
    ("torchtitan.*(2024-?1[012])", TORCHTITAN_2024),
    ("torchtitan", TORCHTITAN),
    ("2205\\.05198", MEGATRON_2022),
    ("megatron-lm 2021", MEGATRON_2022),
    ("megatron-deepspeed", MEGATRON_2022),
    ("megatron", MEGATRON),
    ("nemo", MEGATRON),
    ("maxtext", MAXTEXT),
    ("llm-foundry|fsdp", FSDP),
)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a document says once for all rows of a table: it stands for cells that are empty or point to the source."""

    source: str  # part of the row's source
    model: str  # part of the row's model
    cells: dict[str, Any]


SETUPS = (
    Setup("arxiv 2205.05198", "gpt3-175b", {"vp": 3}),  # its table 3: three interleaved stages
    Setup("arxiv 2205.05198", "turing-530b", {"vp": 3}),
    Setup("nemo-mbridge-perf-activation-recompute", "mamba-moe", {"model": "Nemotron-3-Nano-30B-A3B"}),
    Setup(
        "torchtitan/components/quantization/mxfp8",
        "see source",
        {
            "model": "Llama-3.1-8B",
            "n_gpus": 8,
            "fsdp": 8,
            "mbs": 1,
            "seq_len": 8192,
            "recompute": "selective",
            "notes": "compile",
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Read:
    """The rows as read: lists and arrays [K]."""

    models: list[Architecture | None]
    frameworks: list[Framework]
    tasks: list[str]
    counts: list[str]
    ranks: list[str]  # whose memory the figure is
    early: Mask  # the figure is the peak of the first iterations
    groups: list[str]  # framework, model, task and document
    stored: list[Precision]
    hbm_gib: Array
    expandable: Mask
    job: Job


def read(rows: Rows) -> Read:
    """Read all rows; what cannot be used is noted as the row's error."""
    names = ("kind", "notes", "source", "software", "task", "model")
    texts = {name: [text.lower() for text in rows.texts(name)] for name in names}
    kinds, notes, frameworks = texts["kind"], texts["notes"], _frameworks(texts)
    tasks = [_task(*words) for words in zip(kinds, texts["task"], texts["model"], notes, strict=True)]
    models = rows.resolve("model", labels.model)
    job = _job(rows, notes, frameworks)
    _check(rows, models, job)
    hbm = rows.resolve("gpu", _hbm_gib, required=False)
    return Read(
        models=models,
        frameworks=frameworks,
        tasks=tasks,
        counts=[_counted(kind) for kind in kinds],
        ranks=[_rank(kind) for kind in kinds],
        early=_mask("after it" in kind for kind in kinds),
        groups=[
            SEPARATOR.join((f.name, "" if m is None else m.name, t, document(source)))
            for f, m, t, source in zip(frameworks, models, tasks, texts["source"], strict=True)
        ],
        stored=_stored(rows, texts["model"]),
        hbm_gib=np.array([np.nan if h is None else h for h in hbm]),
        # PyTorch's expandable segments; engines that serve fill a share of HBM they are told
        expandable=_mask(
            "expandable" in note or f.resident or task == SERVING
            for note, f, task in zip(notes, frameworks, tasks, strict=True)
        ),
        job=dataclasses.replace(
            job,
            adapters=_mask(task == LORA for task in tasks),
            moments_narrow=_mask(m is not None and m.family in NARROW_MOMENTS for m in models),
        ),
    )


def _mask(values: Iterable[bool]) -> Mask:
    return np.array(list(values), dtype=bool)


def _check(rows: Rows, models: list[Architecture | None], j: Job) -> None:
    """Layouts that no model of this shape can have."""

    def column(name: str) -> Array:
        return np.array([np.nan if m is None else getattr(m, name) for m in models], dtype=np.float64)

    layers, heads, experts = column("layers"), column("attention_heads"), column("experts")
    stages = j.pipeline_parallel * j.virtual_stages
    rows.fail(stages > layers + 2, "pp", "stages are more than the layers", "give fewer")  # two hold the vocabulary
    rows.fail(j.tensor_parallel > heads, "tp", "is more than the attention heads", "give a divisor of them")
    rows.fail(j.expert_parallel > np.maximum(experts, 1), "ep", "is more than the experts", "give a divisor of them")


def with_setups(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what its documents say once filled in; the frame itself when there is nothing to fill in."""
    rows, found = Rows(frame), frame
    pairs = [(s.lower(), m.lower()) for s, m in zip(rows.texts("source"), rows.texts("model"), strict=True)]
    for setup in SETUPS:
        here = _mask(setup.source in source and setup.model in model for source, model in pairs)
        if here.any():
            found = found.copy() if found is frame else found
            for name, value in setup.cells.items():
                blank = here & (_mask(not text for text in rows.texts(name)) | (name == "model"))
                old = found[name] if name in found.columns else np.full(len(frame), None)
                found[name] = np.where(blank, value, np.asarray(old, dtype=object))
    return found


def _frameworks(texts: dict[str, list[str]]) -> list[Framework]:
    joined = (" ".join(words) for words in zip(texts["source"], texts["software"], texts["notes"], strict=True))
    return [
        next((framework for pattern, framework in FRAMEWORKS if re.search(pattern, text)), PLANNED) for text in joined
    ]


def _task(kind: str, task: str, model: str, notes: str) -> str:
    text = f"{kind} {task} {model} {notes}"
    if "vllm" in kind or task in {"serving", "inference"} or "inference" in kind or "serving" in kind:
        return SERVING
    return LORA if "lora" in text else SFT if "sft" in text else PRETRAINING


def _counted(kind: str) -> str:
    return WEIGHTS if "vllm" in kind else LAYERS if "paper figure" in kind else TOTAL


def _rank(kind: str) -> str:
    """Frameworks log the memory of an accelerator of the last stage, where the loss is, unless rank 0 is named."""
    return FULLEST if "peak" not in kind else FIRST if re.search(r"rank ?0", kind) else LAST


def document(source: str) -> str:
    """What tells one document from another: the end of its path."""
    return "/".join(re.split(r"[/ ]+", source.lower().strip())[-2:])


def _hbm_gib(text: str) -> float:
    """HBM of an accelerator by its name, or the size the text states ("80GB-class")."""
    try:
        return float(labels.accelerator(text).hbm_gib)
    except InputError:
        if size := HBM_LABEL.search(text):
            return float(size[1])
        raise


def _narrow(rows: Rows) -> Mask:
    """Whether products run in FP8 or less."""

    def one(text: str) -> bool:
        if NARROW_LABEL.search(text):
            return True
        if WIDE_LABEL.search(text):
            return False
        raise InputError(f"unknown precision {text!r}", mend="name a type: bf16, fp16, fp8, nvfp4, …")

    return np.array([bool(p) for p in rows.resolve("precision", one, required=False)], dtype=bool)


def _stored(rows: Rows, models: list[str]) -> list[Precision]:
    """Type of the weights of a served model: the column's, or the one its name tells."""
    found = []
    for column, model in zip(rows.texts("precision"), models, strict=True):
        text = (column or model).lower()
        name = next((n for n, w in _STORED if any(x in text for x in w)), "bf16")
        found.append(PRECISIONS[name])
    return found


_STORED = (
    ("fp4", ("fp4",)),
    ("int4", ("int4", "w4a16", "awq", "gptq")),
    ("fp8", ("fp8", "float8", "w8a8", "int8")),
)


def _recompute(rows: Rows, frameworks: list[Framework]) -> tuple[Recompute, Mask]:
    """(what is recomputed, whether sequence parallelism is named): "none", "selective+SP", "moe+layernorm", "full"."""
    wanted = {f.name: np.zeros(len(rows), dtype=bool) for f in dataclasses.fields(Recompute)}
    sequence = np.zeros(len(rows), dtype=bool)
    for row, (text, framework) in enumerate(zip(rows.texts("recompute"), frameworks, strict=True)):
        for word in re.split(r"[+,]", ASIDE.sub(" ", (text or framework.recomputes).lower())):
            name = word.strip()
            sequence[row] |= name == "sp"
            if name.startswith(SELECTIVE):
                wanted["by_operation" if framework.per_operation else "core_attention"][row] = True
            elif name in OPERATIONS:
                wanted[OPERATIONS[name]][row] = True
            elif name and name not in NOTHING:
                known = ", ".join(["none", SELECTIVE, *OPERATIONS, "SP"])
                rows.fail(row, "recompute", f"unknown recomputation {name!r:.60}", f"join with + any of {known}")
    return Recompute(**wanted), sequence


def _shards(text: str) -> float:
    """Ranks that share the weights; infinite for all of them, 0 for none."""
    if text.upper() in SHARDINGS:
        return SHARDINGS[text.upper()]
    try:
        ranks = float(text)
    except ValueError:
        ranks = -1.0
    if not (0 <= ranks <= MOST_RANKS and ranks == int(ranks)):
        known = ", ".join(SHARDINGS)
        raise InputError(f"{text!r:.60} cannot be used", mend=f"give a number of ranks, or one of {known}")
    return ranks


def _zero_stage(rows: Rows, sharded: Array, fully_sharded: Mask) -> Array:
    stated = [text.upper() for text in rows.texts("fsdp")]
    whole = np.array([text == "SHARD_GRAD_OP" for text in stated], dtype=bool)
    stage = np.where((sharded > 1) | (fully_sharded & (sharded > 0)), float(FULLY_SHARDED), 1.0)
    return np.where(whole, float(GRADIENTS_SHARDED), stage)


def _job(rows: Rows, notes: list[str], frameworks: list[Framework]) -> Job:
    recompute, sequence = _recompute(rows, frameworks)
    tensor, pipeline, context, expert = (
        rows.numbers(n, 1.0, most=MOST_RANKS, whole=True) for n in ("tp", "pp", "cp", "ep")
    )
    sharded = np.array([1.0 if x is None else x for x in rows.resolve("fsdp", _shards, required=False)])
    data = _copies(rows, tensor, pipeline * context, expert / context, sharded)
    micro = rows.numbers("mbs", 1.0, most=MOST_SEQUENCES, whole=True)
    interleaved = _mask(f.resident and "interleaved" in n for f, n in zip(frameworks, notes, strict=True))
    virtual = rows.numbers("vp", np.nan, most=MOST_RANKS, whole=True)
    return Job(
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        data_parallel=data,
        virtual_stages=np.where(np.isnan(virtual), np.where(interleaved, 2.0, 1.0), virtual),
        context_parallel=context,
        expert_parallel=expert,
        zero_stage=_zero_stage(rows, sharded, _mask(f.fully_sharded for f in frameworks)),
        sequence_length=rows.numbers("seq_len", SEQUENCE_LENGTH, most=MOST_TOKENS, whole=True),
        micro_batch=micro,
        micro_batches=_micro_batches(rows, notes, data, micro),
        sequence_parallel=sequence | _mask(f is not MEGATRON_2022 for f in frameworks),
        narrow=_narrow(rows),
        compiled=_mask("compile" in note for note in notes),
        regathered=_mask("sp baseline" not in note for note in notes),
        recompute=recompute,
    )


def _copies(rows: Rows, tensor: Array, others: Array, experts: Array, sharded: Array) -> Array:
    """Copies of the model: of all accelerators, or as stated, or as few as hold the shards and the experts."""
    split = tensor * others
    stated, total = (rows.numbers(n, np.nan, most=MOST_RANKS, whole=True) for n in ("dp", "n_gpus"))
    few = np.ceil(np.maximum(np.where(np.isfinite(sharded), np.maximum(sharded, 1.0), 1.0), experts / tensor))
    data = np.where(np.isnan(total), np.where(np.isnan(stated), few, stated), total / split)
    rows.fail(data != np.floor(data), "n_gpus", "is no multiple of tp × pp × cp", "state whole copies of the model")
    differs = ~np.isnan(stated) & np.isfinite(data) & (stated != data)
    rows.fail(differs, "dp", "is not n_gpus ÷ (tp × pp × cp)", "leave one of them empty")
    rows.fail(experts > data * tensor, "ep", "is more than the accelerators of a stage", "give a divisor of them")
    return data


def _micro_batches(rows: Rows, notes: list[str], data: Array, micro: Array) -> Array:
    """Micro-batches a pipeline takes in a step; infinite where the batch is not stated."""
    found = [LOCAL_BATCH.search(note) for note in notes]
    local = np.array([np.nan if m is None else float(m[1]) for m in found])
    batches = (
        np.where(np.isnan(local), rows.numbers("gbs", np.inf, most=MOST_SEQUENCES, whole=True) / data, local) / micro
    )
    rows.fail(batches < 1, "gbs", "is less than one micro-batch for each copy", "give at least dp × mbs")
    return np.asarray(np.ceil(batches))
