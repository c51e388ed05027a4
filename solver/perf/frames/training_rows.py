"""Rows of training measurements as jobs: names resolved, layouts checked, what is not stated filled in."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from .. import labels
from ..huggingface import from_config
from ..training_jobs import KINDS, NUMBERS, Jobs, Layouts, Recipes, machines, models
from ..training_residual import Marks
from ..training_software import USUAL, Software, number, recompute, software, task, zero_stage

if TYPE_CHECKING:
    from ..architectures import Architecture
    from .rows import Array, Mask, Rows

LARGEST = 1e7  # accelerators, ranks, sequences
LONGEST = 1e8  # tokens
SHAPE_NOTES = {name: re.compile(rf"\b{name} (\d+)") for name in ("hidden", "layers", "heads", "vocab")}
SLICES = re.compile(r"\b(\d+) slice")
SIZE = re.compile(r"(?:gpt|megatron|maxtext|dense|model)\D*?([\d.]+) ?([bm])\b", re.IGNORECASE)
HEAD, LEAST_HEADS, VOCABULARY = 128, 16, 51_200
HIDDEN_PER_LAYER, LARGE_HIDDEN = 150, 3000
POD_TOKENS = 16_384  # of a micro-batch under XLA, when not stated
OLD_MICRO_BATCH = 4.0  # of unfused software without a pipeline, when not stated
ROUNDS = 8.0  # micro-batches a stage, when no global batch is stated


@dataclass(frozen=True, slots=True)
class Reading:
    """The good rows of a frame."""

    good: Mask  # bool over the frame's rows
    jobs: Jobs
    marks: Marks
    whole_attention: Mask  # of the good rows: how their software counts FLOP
    counts_recompute: Mask


def read(rows: Rows) -> Reading:
    """Every row that can be read as a job; the others get their first error."""
    names = _named(rows)
    numbers = _numbers(rows)
    _check(rows, names, numbers)
    keep = np.flatnonzero(rows.good)
    chosen = {key: [values[i] for i in keep] for key, values in names.items()}
    figures = {key: values[keep] for key, values in numbers.items()}
    jobs = _jobs(chosen, figures)
    stacks = [s.stack for s in chosen["software"]]
    whole = np.array([s.whole_attention for s in stacks], dtype=bool)
    again = np.array([s.counts_recompute for s in stacks], dtype=bool)
    return Reading(rows.good, jobs, _marks(chosen), whole, again)


def _named(rows: Rows) -> dict[str, list[Any]]:
    """Everything told by words, a list over all rows; None where it cannot be read."""
    notes = rows.texts("notes")
    return {
        "model": _models(rows, notes),
        "gpu": rows.resolve("gpu", labels.accelerator),
        "software": _software(rows),
        "number": rows.resolve("precision", number, "bf16"),
        "task": rows.resolve("task", task, "pretrain"),
        "recompute": rows.resolve("recompute", recompute, "none"),
        "zero": rows.resolve("fsdp", zero_stage, required=False),
        "notes": notes,
    }


def _software(rows: Rows) -> list[Software]:
    """By the software column, else by the family of the measurement."""
    known: dict[str, Software] = {}
    stated = zip(rows.texts("software"), rows.texts("family", USUAL), strict=True)
    texts = [own or family for own, family in stated]
    for text in texts:
        known.setdefault(text, software(text))
    return [known[text] for text in texts]


def _models(rows: Rows, notes: list[str]) -> list[Architecture | None]:
    """By name, else by the shape in the notes, else by the size in the name or in params_b."""
    known: dict[tuple[str, str, float], Architecture | InputError] = {}
    found: list[Architecture | None] = []
    sizes = rows.numbers("params_b", most=1e6)
    for row, text in enumerate(rows.texts("model", required=True)):
        key = (text, notes[row] if "hidden" in notes[row] else "", float(np.nan_to_num(sizes[row])))
        if text and key not in known:
            known[key] = _model(*key)
        value = known.get(key)
        if isinstance(value, InputError):
            rows.fail(row, "model", value.message, value.mend)
        found.append(value if not isinstance(value, InputError) else None)
    return found


def _model(text: str, notes: str, billions: float) -> Architecture | InputError:
    stated = {name: int(hit[1]) for name, pattern in SHAPE_NOTES.items() if (hit := pattern.search(notes))}
    try:
        return labels.model(text)
    except InputError as error:
        if stated.get("hidden") and stated.get("layers"):
            heads = stated.get("heads", max(1, stated["hidden"] // HEAD))
            return _gpt(text, stated["hidden"], stated["layers"], heads, stated.get("vocab", VOCABULARY))
        size = SIZE.search(text)
        if size:
            return _gpt(
                text, *_usual_shape(billions or float(size[1]) * (1.0 if size[2] in "bB" else 1e-3)), VOCABULARY
            )
        return error


def _usual_shape(billions: float) -> tuple[int, int, int]:
    """(hidden, layers, heads) of a GPT of that size: hidden is about 150 a layer, as in Megatron's published models."""
    hidden = (billions * 1e9 * HIDDEN_PER_LAYER / 12) ** (1 / 3)
    coarse = 8 * HEAD if hidden > LARGE_HIDDEN else 2 * HEAD
    hidden = max(coarse, round(hidden / coarse) * coarse)
    return hidden, max(1, round(billions * 1e9 / (12 * hidden**2))), hidden // HEAD


def _gpt(name: str, hidden: int, layers: int, heads: int, vocabulary: int) -> Architecture:
    fields = {
        "model_type": "gpt2", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "head_dim": max(1, hidden // heads), "intermediate_size": 4 * hidden, "vocab_size": vocabulary,
        "max_position_embeddings": 2048, "tie_word_embeddings": True,
    }  # fmt: skip
    return from_config(fields, name=name, where="model", source="shape stated with a measurement; GPT-2 otherwise")


def _numbers(rows: Rows) -> dict[str, Array]:
    """Everything told by figures, float64 over all rows; NaN where not stated."""
    counts = {name: rows.numbers(name, 1.0, most=LARGEST, whole=True) for name in ("tp", "pp", "vp", "cp", "ep")}
    stated = {name: rows.numbers(name, most=LARGEST, whole=True) for name in ("dp", "mbs", "gbs")}
    return counts | stated | {
        "n_gpus": rows.numbers("n_gpus", most=LARGEST, whole=True, required=True),
        "seq_len": rows.numbers("seq_len", most=LONGEST, whole=True),
    }  # fmt: skip


def _check(rows: Rows, names: dict[str, list[Any]], n: dict[str, Array]) -> None:
    """Fail rows whose layout cannot be."""
    heads = np.array([a.attention_heads if a else 1 for a in names["model"]], dtype=np.float64)
    layers = np.array([a.layers if a else 1 for a in names["model"]], dtype=np.float64)
    experts = np.array([a.experts if a else 0 for a in names["model"]], dtype=np.float64)
    heads = np.where(_stated_heads(names["notes"]) > 0, _stated_heads(names["notes"]), heads)
    split = n["tp"] * n["pp"] * n["cp"]
    with np.errstate(invalid="ignore"):
        copies = n["n_gpus"] / split
        rows.fail(n["n_gpus"] % split > 0, "n_gpus", "tp × pp × cp does not divide it", "give a multiple of them")
        rows.fail(n["dp"] * split > n["n_gpus"], "dp", "dp × tp × pp × cp is more than n_gpus", "lower one of them")
        rows.fail(heads % n["tp"] != 0, "tp", "does not divide the attention heads", "give a divisor of them")
        rows.fail(n["pp"] > layers, "pp", "more stages than layers", "lower it")
        rows.fail((n["ep"] > 1) & (experts == 0), "ep", "the model has no experts", "leave it empty")
        rows.fail(
            (experts > 0) & (experts % n["ep"] != 0), "ep", "does not divide the experts", "give a divisor of them"
        )
        rows.fail(n["ep"] > n["n_gpus"], "ep", "more than n_gpus", "lower it")
        rows.fail(n["gbs"] < copies, "gbs", "fewer sequences than copies of the model", "raise it")
        rows.fail(n["gbs"] % copies > 0, "gbs", "the copies of the model do not divide it", "give a multiple of them")
        rows.fail(n["gbs"] < copies * n["mbs"], "mbs", "more sequences at once than gbs gives a copy", "lower it")


def _stated_heads(notes: list[str]) -> Array:
    return np.array(
        [int(hit[1]) if (hit := SHAPE_NOTES["heads"].search(note)) else 0 for note in notes], dtype=np.float64
    )


def _jobs(names: dict[str, list[Any]], n: dict[str, Array]) -> Jobs:
    stacks = [s.stack for s in names["software"]]
    unfused = np.array([s.unfused for s in stacks], dtype=bool)
    shapes = models(names["model"])
    heads = np.where(unfused, np.maximum(shapes.hidden / HEAD, LEAST_HEADS), shapes.heads)
    heads = np.where(_stated_heads(names["notes"]) > 0, _stated_heads(names["notes"]), heads)
    sequence = np.where(np.isnan(n["seq_len"]), [float(s.sequence_length) for s in stacks], n["seq_len"])
    compiled = np.array([s.compiled for s in stacks], dtype=bool)
    copies = n["n_gpus"] / (n["tp"] * n["pp"] * n["cp"])
    micro = np.where(
        compiled,
        np.clip(np.round(POD_TOKENS / sequence), 1, 8),
        np.where(unfused & (n["pp"] == 1), OLD_MICRO_BATCH, 1.0),
    )
    micro = np.where(np.isnan(n["mbs"]), np.fmin(micro, np.maximum(1.0, n["gbs"] / copies)), n["mbs"])
    usual = copies * micro * np.where(n["pp"] > 1, ROUNDS * n["pp"], 1.0)
    zero = [s.zero_stage if stage is None else stage for stage, s in zip(names["zero"], stacks, strict=True)]
    hardware = machines(names["gpu"])
    slices = [float(hit[1]) if (hit := SLICES.search(note)) else 0.0 for note in names["notes"]]
    pods = np.where(hardware.kind == KINDS.index("tpu"), np.ceil(n["n_gpus"] / hardware.domain), 1.0)
    ones = np.ones(len(stacks))
    return Jobs(
        models=dataclasses.replace(shapes, heads=heads, kv_heads=np.minimum(shapes.kv_heads, heads)),
        machines=hardware,
        layouts=Layouts(
            accelerators=n["n_gpus"], tensor_parallel=n["tp"], pipeline_parallel=n["pp"], virtual_stages=n["vp"],
            context_parallel=n["cp"], expert_parallel=n["ep"], zero_stage=np.array(zero, dtype=np.float64),
            slices=np.where(np.array(slices) > 0, slices, pods), sequence_length=sequence, micro_batch=micro,
            global_batch=np.where(np.isnan(n["gbs"]), usual, n["gbs"]),
        ),
        recipes=Recipes(
            number=np.array([NUMBERS.index(x) for x in names["number"]], dtype=np.int64),
            recompute=np.array([float(x == "full") for x in names["recompute"]]),
            selective=np.array([float(x == "selective") for x in names["recompute"]]),
            trained=ones - np.array([float(x == "lora") for x in names["task"]]),
            unfused=unfused,
            balanced=np.array([s.balanced for s in stacks], dtype=bool),
            compiled=compiled,
        ),
    )  # fmt: skip


def _marks(names: dict[str, list[Any]]) -> Marks:
    return Marks(
        software=np.array([s.stack.name for s in names["software"]], dtype=object),
        release=np.array([s.release for s in names["software"]], dtype=np.float64),
        accelerator=np.array([a.name for a in names["gpu"]], dtype=object),
        model=np.array([a.name for a in names["model"]], dtype=object),
        task=np.array(names["task"], dtype=object),
        note=np.array(
            ["drop" if "tokendrop" in t else "eager" if t.startswith("eager") else "" for t in names["notes"]],
            dtype=object,
        ),
    )
