"""Rows of throughput tables as candidates of the physics: what is stated, what a command says, stated defaults."""

from __future__ import annotations

import contextlib
import csv
import functools
import math
import re
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from .. import labels
from ..hardware import accelerator_class
from ..throughput import NODE_ACCELERATORS
from ..throughput_rows import (
    BYTES,
    LARGEST_BATCH,
    SPECULATIVE_BATCH,
    STACKS,
    VLLM_SMALL_BATCH,
    Candidates,
    Layouts,
    Loads,
    machines,
    models,
    numbers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costdata import Accelerator

    from ..architectures import Architecture
    from ..throughput_rows import Index
    from .rows import Array, Rows

STORED = MappingProxyType(
    {"fp32": "fp32", "float32": "fp32", "fp16": "bf16", "bf16": "bf16", "float16": "bf16", "bfloat16": "bf16"}
    | {"fp8": "fp8", "mxfp8": "fp8", "fp8_e4m3": "fp8", "int8": "int8", "w8a8": "int8", "w8a8_int8": "int8"}
    | {"int4": "int4", "uint4": "int4", "awq": "int4", "gptq": "int4", "w4a16": "int4"}
    | {"fp4": "fp4", "nvfp4": "fp4", "mxfp4": "fp4"}
)
UNSTATED = frozenset({"", "model default", "default", "unset", "auto", "native"})
IN_A_NAME = re.compile(r"(?<![a-z0-9])(nvfp4|mxfp4|fp8|fp4|w8a8|w4a16|int8|int4|awq|gptq)(?![a-z0-9])", re.IGNORECASE)
TENSOR = re.compile(r"(?:--tp-size|--tp_size|--tensor-parallel-size|--tp|-tp)[ =](\d+)")
PIPELINE = re.compile(r"(?:--pp-size|--pp_size|--pipeline-parallel-size|--pp|-pp)[ =](\d+)")
BATCH = re.compile(r"(?:--max-num-seqs|--max_batch_size|--max-batch-size|--max-running-requests)[ =](\d+)")
SHARED_ATTENTION = re.compile(r"dp-attention|attention-dp|attention dp|enable_attention_dp", re.IGNORECASE)
SPECULATION = re.compile(r"speculative|eagle|\bmtp\b|ngram", re.IGNORECASE)
SERVED = re.compile(r"(?:\bserve|--model-path|--model)[ =]+(\S+)")
ZERO_VERSION = re.compile(r"(?<![\d.])0\.(\d+)")
PYTORCH_VERSION = 19  # TensorRT-LLM 0.19 makes the PyTorch runtime its own
RATE = re.compile(r"\brate (\d+(?:\.\d+)?)\b", re.IGNORECASE)
MLPERF_SCENARIOS = frozenset({"offline", "server", "interactive"})
SMALL_HBM_GIB = 70.0  # below it vLLM's default batch is small
FILLED = 0.85  # of HBM that weights may take where the number of accelerators is not stated
ROUND_SLACK = 0.01
LEAST_TOKENS, MOST_TOKENS = 0.5, 1e7  # of a mean
ANY = "*"


@dataclass(frozen=True, slots=True)
class Task:
    """What MLPerf runs on a model."""

    input_tokens: float
    output_tokens: float
    tpot_limit_s: Mapping[str, float]  # by scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row, read: what it asks for, and the layouts it may mean."""

    model: Architecture
    accelerator: Accelerator
    accelerators: int
    stored: str  # number type of the weights
    kv_bytes: float
    stack: str
    mlperf: bool
    input_tokens: float
    output_tokens: float
    concurrency: float
    requests: float
    requests_per_s: float
    tpot_limit_s: float
    limited: bool
    varied: bool
    speculative: bool
    largest_batch: float
    layouts: tuple[tuple[int, int, int, float], ...]  # (tensor, pipeline, attention ranks, engines)


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows that could be read, N of the frame's K, with their candidates."""

    positions: Index  # in the frame, [N]
    rows: tuple[Row, ...]
    candidates: Candidates


@functools.cache
def tasks() -> Mapping[str, Task]:
    """MLPerf's tasks by the name of their architecture, read once; "*" stands for any other."""
    text = resources.files("solver.perf").joinpath("mlperf.csv").read_text(encoding="utf-8")
    made = {}
    for r in csv.DictReader(text.splitlines()):
        limits = {name: float(r[f"{name}_tpot_ms"]) / 1e3 for name in ("server", "interactive")}
        made[r["model"]] = Task(float(r["input_tokens"]), float(r["output_tokens"]), limits)
    return MappingProxyType(made)


def read(rows: Rows) -> Reading:
    """Read what can be read; the other rows get their error."""
    cells = _cells(rows)
    found: list[Row] = []
    positions: list[int] = []
    for position in np.flatnonzero(rows.good).tolist():
        try:
            found.append(_row(cells, position))
            positions.append(position)
        except InputError as error:
            rows.fail(position, error.where, error.message, error.mend)
    return Reading(np.array(positions, dtype=np.int64), tuple(found), candidates(found))


def candidates(rows: Sequence[Row]) -> Candidates:
    """Every layout of every row, as columns."""
    pairs = [(number, layout) for number, row in enumerate(rows) for layout in row.layouts]
    each = [rows[number] for number, _ in pairs]
    lay = np.array([layout for _, layout in pairs], dtype=np.float64).reshape(-1, 4)

    def column(name: str) -> Array:
        return np.array([getattr(row, name) for row in each], dtype=np.float64)

    return Candidates(
        models=models([r.model for r in each]),
        machines=machines([(r.accelerator, r.stored) for r in each]),
        numbers=numbers([(r.accelerator, r.stored, r.kv_bytes, bool(r.model.experts)) for r in each]),
        loads=Loads(
            input_tokens=column("input_tokens"),
            output_tokens=column("output_tokens"),
            concurrency=column("concurrency"),
            requests=column("requests"),
            requests_per_s=column("requests_per_s"),
            tpot_limit_s=column("tpot_limit_s"),
            limited=column("limited") > 0,
            varied=column("varied") > 0,
            speculative=column("speculative") > 0,
            stack=np.array([STACKS.index(r.stack) for r in each], dtype=np.int64),
            largest_batch=column("largest_batch"),
        ),
        layouts=Layouts(tensor=lay[:, 0], pipeline=lay[:, 1], data=lay[:, 2], engines=lay[:, 3]),
        row=np.array([number for number, _ in pairs], dtype=np.int64),
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """Columns of the frame, [K] each."""

    models: list[Architecture | None]
    accelerators: list[Accelerator | None]
    stored: list[str | None]
    texts: Mapping[str, list[str]]
    numbers: Mapping[str, Array]


def _cells(rows: Rows) -> _Cells:
    return _Cells(
        models=rows.resolve("model", labels.model),
        accelerators=rows.resolve("gpu", labels.accelerator),
        stored=rows.resolve("precision", _stored, "default"),
        texts={
            name: rows.texts(name)
            for name in (
                "family",
                "model",
                "backend",
                "backend_version",
                "scenario",
                "serving_command",
                "notes",
                "source",
            )
        },
        numbers={
            "n_gpus": rows.numbers("n_gpus", most=1e6, whole=True),
            "tp": rows.numbers("tp", most=1024, whole=True),
            "pp": rows.numbers("pp", most=1024, whole=True),
            "isl": rows.numbers("isl", most=MOST_TOKENS),
            "osl": rows.numbers("osl", most=MOST_TOKENS),
            "concurrency": rows.numbers("concurrency", math.inf),
            "n_requests": rows.numbers("n_requests", math.inf),
            "request_rate": _arrivals(rows),
        },
    )


def _arrivals(rows: Rows) -> Array:
    """Requests a second, [K]: inf where not stated, or where "inf" says that all come at once."""
    made = np.full(len(rows), math.inf)
    for at, text in enumerate(rows.texts("request_rate")):
        try:
            made[at] = float(text or "inf")
        except ValueError:
            made[at] = math.nan
        if not made[at] > 0:
            rows.fail(at, "request_rate", f"{text!r:.40} cannot be used", "give requests a second, or leave it empty")
    return made


def _stored(text: str) -> str:
    """The number type of a label; "" when it says that it does not say."""
    plain = text.strip().lower()
    if plain in UNSTATED:
        return ""
    for part in re.split(r"[/ ,]+", plain.replace("-", "_")):
        if part in STORED:
            return STORED[part]
    raise InputError(
        f"unknown number type {text!r}", where="precision", mend=f"use one of {', '.join(sorted(set(STORED.values())))}"
    )


def _row(cells: _Cells, at: int) -> Row:
    text = {name: values[at] for name, values in cells.texts.items()}
    number = {name: float(values[at]) for name, values in cells.numbers.items()}
    labelled, accelerator = cells.models[at], cells.accelerators[at]
    if labelled is None or accelerator is None:  # such a row has its error already
        raise InputError("is not stated", where="model", mend="give a name")
    a = _meant(labelled, text)
    mlperf = text["family"].lower().startswith("mlperf") or text["scenario"].lower() in MLPERF_SCENARIOS
    task = tasks().get(a.name, tasks()[ANY]) if mlperf else None
    stored = cells.stored[at] or _told(text, a)
    stack = _stack(text, mlperf=mlperf)
    scenario = "interactive" if "interactive" in text["model"].lower() else text["scenario"].lower()
    command = text["serving_command"]
    speculative = bool(SPECULATION.search(command) or SPECULATION.search(text["notes"]))
    layouts, accelerators = _layouts(text, number, a, accelerator, BYTES[stored])
    rate = RATE.search(text["notes"])
    input_tokens = _tokens("isl", number["isl"], task.input_tokens if task else math.nan)
    return Row(
        model=a,
        accelerator=accelerator,
        accelerators=accelerators,
        stored=stored,
        kv_bytes=_kv_bytes(stored, stack, command),
        stack=stack,
        mlperf=mlperf,
        input_tokens=input_tokens,
        output_tokens=_tokens("osl", number["osl"], task.output_tokens if task else math.nan),
        concurrency=number["concurrency"],
        requests=number["n_requests"],
        requests_per_s=min(number["request_rate"], float(rate[1]) if rate else math.inf),
        tpot_limit_s=task.tpot_limit_s.get(scenario, math.inf) if task else math.inf,
        limited=task is not None and scenario in task.tpot_limit_s,
        varied=math.isfinite(number["n_requests"]) and not _is_round(input_tokens),
        speculative=speculative,
        largest_batch=_largest_batch(stack, accelerator, command, speculative=speculative),
        layouts=layouts,
    )


def _meant(labelled: Architecture, text: Mapping[str, str]) -> Architecture:
    """The model that was served: what the command serves when the page it is from is of that model, else the label's.

    Some published tables head a model's page with another model's name.
    """
    command = SERVED.search(text["serving_command"])
    if not command or not text["source"]:
        return labelled
    try:
        served = labels.model(command[1])
    except InputError:
        return labelled
    return served if served.name != labelled.name and served.name in _models_in(text["source"]) else labelled


@functools.lru_cache(maxsize=1024)
def _models_in(path: str) -> frozenset[str]:
    """Models that parts of a path name."""
    found = set()
    for part in re.split(r"[/ ]+", path):
        with contextlib.suppress(InputError):
            found.add(labels.model(part).name)
    return frozenset(found)


def _tokens(field: str, stated: float, usual: float) -> float:
    length = usual if math.isnan(stated) else stated
    if math.isnan(length):
        raise InputError("is not stated", where=field, mend="give the mean number of tokens")
    if length < LEAST_TOKENS:
        raise InputError(f"{length:g} tokens are no request", where=field, mend="give the mean number of tokens")
    return length


def _is_round(length: float) -> bool:
    """Whether prompts were made to a length (a power of two, or a multiple of 500) rather than taken from chats."""
    nearest = 2.0 ** round(math.log2(length)), 500.0 * max(1, round(length / 500))
    return any(abs(length / whole - 1) <= ROUND_SLACK for whole in nearest)


def _told(text: Mapping[str, str], a: Architecture) -> str:
    """The number type the command or the label names; otherwise the one the model is published in."""
    for said in (text["serving_command"], text["model"]):
        named = IN_A_NAME.search(said.replace("_", "-"))
        if named:
            return STORED[named[1].lower()]
    return a.native_precision


def _stack(text: Mapping[str, str], *, mlperf: bool) -> str:
    """Which of STACKS serves: told by the back-end, else by the command, else by the notes."""
    backend = f"{text['backend']} {text['backend_version']}".lower()
    for said in (
        text["serving_command"].lower() if "mindie" in text["serving_command"] else "",
        backend,
        text["serving_command"].lower(),
        text["notes"].lower(),
    ):
        if "mindie" in said:
            return "mindie"
        if mlperf and re.search(r"mlperf|rocm|mango|aiter", said):
            return "vllm-tuned"
        if "sglang" in said:
            return "sglang"
        if "vllm" in said:
            return "vllm"
        if "trt" in said or "tensorrt" in said:
            version = ZERO_VERSION.search(said)
            compiled = version is not None and int(version[1]) < PYTORCH_VERSION
            return "tensorrt-tuned" if mlperf else "tensorrt-engine" if compiled else "tensorrt-llm"
    return "other"


def _kv_bytes(stored: str, stack: str, command: str) -> float:
    """Bytes of a cached number: TensorRT and MLPerf caches are FP8 with FP8 or FP4 weights, the others' BF16."""
    if re.search(r"kv[-_]cache[-_]dtype[ =]\S*fp8", command):
        return 1.0
    narrow = stored in {"fp8", "fp4"} and stack in {"tensorrt-engine", "tensorrt-tuned", "vllm-tuned", "tensorrt-llm"}
    return 1.0 if narrow else 2.0


def _largest_batch(stack: str, a: Accelerator, command: str, *, speculative: bool) -> float:
    stated = BATCH.search(command)
    if stated:
        return float(stated[1])
    if stack == "sglang" and speculative:
        return float(SPECULATIVE_BATCH)
    if stack == "vllm" and (a.hbm_gib < SMALL_HBM_GIB or accelerator_class(a) in {"ampere", "other"}):
        return float(VLLM_SMALL_BATCH)
    return float(LARGEST_BATCH[stack])


def _layouts(
    text: Mapping[str, str], number: Mapping[str, float], a: Architecture, accelerator: Accelerator, stored_bytes: float
) -> tuple[tuple[tuple[int, int, int, float], ...], int]:
    """(layouts an engine may have and how many engines there are, accelerators of all of them)."""
    command = text["serving_command"]
    tensor, pipeline = (_stated(number[n], p, command) for n, p in (("tp", TENSOR), ("pp", PIPELINE)))
    stages = pipeline or 1
    shares = bool(SHARED_ATTENTION.search(f"{command} {text['notes']}")) and a.experts > 0
    have = int(number["n_gpus"]) if math.isfinite(number["n_gpus"]) else 0
    if not have and not tensor:
        raise InputError("is not stated", where="n_gpus", mend="give the number of accelerators, or tp")
    one_engine = bool(command) or math.isfinite(number["concurrency"])
    if tensor:
        sizes = [tensor]
    elif one_engine:
        need = stored_bytes * a.parameters / (FILLED * accelerator.hbm_gib * (1 << 30))
        sizes = [max(have, 1 << math.ceil(math.log2(max(need, 1.0))))]
    else:
        most = min(have // stages, int(NODE_ACCELERATORS))
        sizes = [size for size in (1, 2, 4, 8) if size <= most and have % (size * stages) == 0] or [1]
    total = max([have, *(size * stages for size in sizes)]) if not one_engine else sizes[0] * stages
    engines = [1.0 if one_engine else total / (size * stages) for size in sizes]
    made = tuple(
        (1, stages, size, n) if shares else (size, stages, 1, n) for size, n in zip(sizes, engines, strict=True)
    )
    return made, total


def _stated(value: float, pattern: re.Pattern[str], command: str) -> int:
    """A size that a column states, or else the command; 0 when neither does."""
    if math.isfinite(value):
        return int(value)
    said = pattern.search(command)
    return int(said[1]) if said else 0
