"""Time per output token and to the first token for a frame of serving configurations, one a row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...errors import InputError, significant
from .. import labels
from ..constants import PRECISIONS
from ..corrections import MEASURED, Label, corrections, groups_of, noise_of
from ..hardware import GIB, Layout, accelerator_class, of_accelerators
from ..observations import Observations, place
from ..serving import Load, interval, predict
from ..setups import setups
from ..steps import ENGINES, serving_constants, steps
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from ..architectures import Architecture
    from ..corrections import Residuals
    from ..serving import Corrections
    from ..setups import Setups
    from ..steps import ServingConstants, Steps
    from .rows import Array, Codes

T = TypeVar("T")
NINETY = 1.6448536269514722  # standard deviations that hold 90 % of a normal distribution
TEXTS = ("model", "system", "engine", "engine_version", "precision", "gemm_quant", "moe_quant")
WHOLES = ("tensor_parallel", "pipeline_parallel", "attention_data_parallel", "moe_tensor_parallel", "expert_parallel")
LAYOUT = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")
ENDS = ("", "_lo", "_hi")
PUBLISHED_IN_MXFP4 = ("gpt_oss",)  # whatever type of arithmetic a label states
MOST_BYTES = 50_000_000  # of a file of measurements
PIECE = 1 << 14  # rows at a time: what a processor's cache holds
STORED = {
    "bf16": "bf16",
    "fp16": "bf16",
    "bfloat16": "bf16",
    "float16": "bf16",
    "half": "bf16",
    "fp8": "fp8",
    "fp8_block": "fp8",
    "fp8_static": "fp8",
    "fp8-block": "fp8",
    "float8": "fp8",
    "fp8_ootb": "fp8",
    "w8a8": "fp8",
    "int8": "fp8",  # one byte, and units as fast as those of FP8 where there are any
    "int8_wo": "fp8",
    "sq": "fp8",
    "nvfp4": "fp4",
    "fp4": "fp4",
    "mxfp4": "mxfp4",
    "w4a16_mxfp4": "mxfp4",
    "w4a8_mxfp4_mxfp8": "mxfp4",
    "int4": "int4",
    "int4_wo": "int4",
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
    "w4afp8": "int4",
}
ENGINE_NAMES = {
    "trtllm": "trtllm",
    "tensorrt-llm": "trtllm",
    "tensorrtllm": "trtllm",
    "sglang": "sglang",
    "vllm": "vllm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A frame, read: K rows of U distinct set-ups."""

    which: Codes  # int [K], the set-up of a row
    labels: list[Label]  # [U]
    load: Load  # [K]


def predict_serving(frame: pd.DataFrame, observations: pd.DataFrame | None = None) -> pd.DataFrame:
    """Mean time per output token and to the first token under closed load, with 90 % intervals.

    Args:
        frame: columns model, system, input_tokens, output_tokens, concurrency and tensor_parallel must be stated;
            engine, engine_version, precision, gemm_quant, moe_quant, pipeline_parallel, attention_data_parallel,
            moe_tensor_parallel and expert_parallel may be. NaN is "not stated": no engine in particular, the model's
            own precision, one rank.
        observations: your own measurements: the same columns with tpot_ms, ttft_ms or both. They correct the rows of
            their own deployment, the more of them the more, and narrow its intervals.

    Returns:
        Columns tpot_ms, tpot_ms_lo, tpot_ms_hi, ttft_ms, ttft_ms_lo, ttft_ms_hi, evidence and error, on the frame's
        index; a row that cannot be predicted has NaN, and an error that names field and mend.

    Raises:
        InputError: not a DataFrame, a column stands twice, or an observation cannot be used.
    """
    return predict_with(frame, observations=observations)


def predict_with(
    frame: pd.DataFrame,
    *,
    constants: ServingConstants | None = None,
    residuals: Mapping[str, Residuals] | None = None,
    observations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """As `predict_serving`, with constants and residuals of your own."""
    rows = Rows(frame)
    found = read(rows)
    if not found.labels:
        return rows.answer({f"{m}_ms{end}": np.full(len(rows), np.nan) for m in ("tpot", "ttft") for end in ENDS})
    coefficients = steps(setups_of(found.labels), constants or serving_constants())
    added, evidence = corrections(found.labels, residuals)
    means, sigmas = means_of(found, coefficients, added)
    said = np.array(evidence, dtype=object)[found.which]
    if observations is not None:
        known = observations_of(observations, constants, residuals)
        names = groups_of(found.labels)["deployment"]
        for metric, values in tuple(means.items()):
            where = [names[u] for u in found.which]
            shift, sigmas[metric], seen = known.shift(
                metric, where, found.load, sigmas[metric], noise_of(metric, residuals)
            )
            means[metric] = values * np.exp(shift)
            said[seen] = MEASURED
    columns = {}
    for metric, values in means.items():
        for end, column in zip(ENDS, (values, *interval(values, sigmas[metric], NINETY)), strict=True):
            columns[f"{metric}_ms{end}"] = column
    return rows.answer(columns, said.tolist())


def read(rows: Rows) -> Read:
    """The rows of a frame; those that cannot be used are noted in `rows`, and stand for anything here."""
    numbers = {name: rows.numbers(name, 1.0, whole=True, most=1e5) for name in WHOLES}
    if "tensor_parallel" not in rows:
        rows.fail(np.ones(len(rows), dtype=bool), "tensor_parallel", "is not stated", "give a whole number above 0")
    load = {name: rows.numbers(name, required=True, most=1e9) for name in ("input_tokens", "output_tokens")}
    for name, tokens in load.items():
        rows.fail(tokens < 1, name, "is less than a token", "give at least 1")
        load[name] = np.where(tokens < 1, np.nan, tokens)
    load["concurrency"] = rows.numbers("concurrency", required=True, most=1e7)
    codes, texts = zip(*(rows.codes(name) for name in TEXTS), strict=True)
    which, first = _distinct([*codes, *(numbers[name] for name in WHOLES)])
    made: list[Label] = []
    number = np.zeros(len(first), dtype=np.int64)
    for u, row in enumerate(first):
        said = {name: table[code[row]] for name, code, table in zip(TEXTS, codes, texts, strict=True)}
        try:
            label = _label(said, [numbers[name][row] for name in WHOLES])
        except InputError as error:
            rows.fail(which == u, error.where, error.message, error.mend)
        else:
            number[u] = len(made)
            made.append(label)
    found = Read(which=number[which], labels=made, load=Load(**load))
    if made:
        longest = np.array([label.architecture.max_context for label in made], dtype=np.float64)[found.which]
        long = rows.good & (load["input_tokens"] + load["output_tokens"] > longest)
        rows.fail(long, "input_tokens", "with output_tokens is longer than the model takes", "shorten the context")
        _refuse_too_large(rows, found)
    return found


def _refuse_too_large(rows: Rows, found: Read) -> None:
    """Note the rows whose weights alone are larger than the accelerator."""
    made = setups_of(found.labels)
    weights, hbm = np.broadcast_arrays(made.weight_bytes / GIB, made.hbm_bytes / GIB)
    good = rows.good
    for u in np.flatnonzero(weights >= hbm):
        have = f"{significant(hbm[u], 4)} GiB of {found.labels[u].accelerator}"
        what = f"weights take {significant(weights[u], 4)} GiB of the {have}"
        rows.fail(good & (found.which == u), "tensor_parallel", what, "use more ranks or a narrower type")


def setups_of(made: list[Label]) -> Setups:
    """Columns of labelled set-ups."""
    layouts = np.array([label.layout for label in made], dtype=np.float64).T
    return setups(
        [label.architecture for label in made],
        [PRECISIONS[label.precision] for label in made],
        of_accelerators([labels.accelerator(label.accelerator) for label in made]),
        Layout(**dict(zip(LAYOUT, layouts, strict=True))),
        np.array([ENGINES.index(label.engine) for label in made]),
    )


def means_of(found: Read, coefficients: Steps, added: Corrections) -> tuple[dict[str, Array], dict[str, Array]]:
    """(means in ms, standard deviations of logs) of "tpot" and "ttft", float [K], a piece of the rows at a time."""
    count = len(found.which)
    means: dict[str, Array] = {"tpot": np.empty(count), "ttft": np.empty(count)}
    for start in range(0, count, PIECE):
        part = slice(start, start + PIECE)
        which = found.which[part]
        p = predict(coefficients.take(which), found.load.take(part), added.take(which))
        means["tpot"][part], means["ttft"][part] = p.tpot_ms, p.ttft_ms
    return means, {"tpot": added.tpot_sigma[found.which], "ttft": added.ttft_sigma[found.which]}


def read_observations(path: str) -> Observations:
    """Measurements of a CSV file, see `observations_of`.

    Raises:
        InputError: no such file, not a table, or a row that cannot be used.
    """
    import pandas as pd

    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path} has {size:,} bytes", where="measurements", mend=f"at most {MOST_BYTES:,}")
        frame = pd.read_csv(path, low_memory=False)
    except (OSError, ValueError) as error:
        mend = "give the path of a CSV file with a header"
        raise InputError(f"{path} cannot be read: {error}", where="measurements", mend=mend) from None
    return observations_of(frame)


def observations_of(
    frame: pd.DataFrame,
    constants: ServingConstants | None = None,
    residuals: Mapping[str, Residuals] | None = None,
) -> Observations:
    """A frame of measurements, as what the model says less of than it should.

    Raises:
        InputError: a row cannot be used, or has neither tpot_ms nor ttft_ms.
    """
    rows = Rows(frame)
    found = read(rows)
    measured = {metric: rows.numbers(f"{metric}_ms", np.nan) for metric in ("tpot", "ttft")}
    rows.fail(np.isnan(measured["tpot"]) & np.isnan(measured["ttft"]), "tpot_ms", "is not stated", "nor is ttft_ms")
    if not rows.good.all():
        raise InputError(next(error for error in rows.errors if error), where="observations", mend="mend the row")
    if not found.labels:
        return Observations(places={}, tpot={}, ttft={})
    coefficients = steps(setups_of(found.labels), constants or serving_constants())
    means, _ = means_of(found, coefficients, corrections(found.labels, residuals)[0])
    names = np.array(groups_of(found.labels)["deployment"], dtype=object)[found.which]
    groups = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names)}
    off = {metric: np.log(measured[metric] / means[metric]) for metric in measured}
    where = place(found.load)
    return Observations(
        places={name: where[mine] for name, mine in groups.items()},
        tpot={name: off["tpot"][mine] for name, mine in groups.items()},
        ttft={name: off["ttft"][mine] for name, mine in groups.items()},
    )


def _distinct(columns: list[Array | Codes]) -> tuple[Codes, Codes]:
    """(which distinct row each row is, the first row of each): int [K] and int [U]."""
    import pandas as pd

    which = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        codes, distinct = pd.factorize(column)
        which = pd.factorize(which * (len(distinct) + 1) + codes + 1)[0]
    first = np.full(int(which.max(initial=-1)) + 1, len(which), dtype=np.int64)
    np.minimum.at(first, which, np.arange(len(which)))
    return which, first


def _label(said: Mapping[str, str], sizes: list[float]) -> Label:
    """A set-up from its texts and the sizes WHOLES.

    Raises:
        InputError: of the field that cannot be used.
    """
    a = _stated("model", said["model"], labels.model)
    accelerator = _stated("system", said["system"], labels.accelerator)
    engine = said["engine"].lower()
    if engine and engine not in ENGINE_NAMES:
        mend = f"use one of {', '.join(sorted(ENGINE_NAMES))}, or leave it empty"
        raise InputError(f"unknown engine {said['engine']!r}", where="engine", mend=mend)
    tensor, pipeline, data, expert_tensor, expert = sizes
    if any(np.isnan(sizes)):
        raise InputError("a parallel size cannot be used", where="tensor_parallel", mend="give whole numbers above 0")
    if a.attention_heads % tensor and tensor > 1:
        mend = f"use a divisor of its {a.attention_heads} attention heads"
        raise InputError(f"{tensor:g} ranks cannot split {a.name}", where="tensor_parallel", mend=mend)
    if pipeline > a.layers:
        raise InputError(f"{a.name} has {a.layers} layers", where="pipeline_parallel", mend="use fewer stages")
    if expert > 1 and (not a.experts or a.experts % expert or expert > tensor * data):
        mend = f"use a divisor of its {a.experts} experts, at most {tensor * data:g}" if a.experts else "use 1"
        raise InputError(f"{expert:g} ranks cannot share the experts of {a.name}", where="expert_parallel", mend=mend)
    if a.experts and expert_tensor > 1 and expert_tensor * expert > tensor * data:
        mend = "its product with expert_parallel is at most tensor_parallel × attention_data_parallel"
        raise InputError(f"{expert_tensor:g} is too many", where="moe_tensor_parallel", mend=mend)
    return Label(
        architecture=a,
        accelerator=accelerator.name,
        generation=int(accelerator.fp4_tflop_per_s > 0),
        precision=_precision(a, said),
        engine=ENGINE_NAMES.get(engine, ""),
        version=said["engine_version"],
        layout=(int(tensor), int(pipeline), int(data), int(expert)),
        silicon=accelerator_class(accelerator),
    )


def _stated(field: str, text: str, look_up: Callable[[str], T]) -> T:
    if not text:
        raise InputError("is not stated", where=field, mend="give a name")
    try:
        return look_up(text)
    except InputError as error:
        raise InputError(error.message, where=field, mend=error.mend) from None


def _precision(a: Architecture, said: Mapping[str, str]) -> str:
    """What the weights are stored in: as stated, or else as the model was published."""
    stated = {field: said[field] for field in ("precision", "moe_quant", "gemm_quant") if said[field]}
    for field, text in stated.items():
        if text.lower() not in STORED:
            mend = f"use one of {', '.join(sorted(STORED))}"
            raise InputError(f"unknown type {text!r}", where=field, mend=mend)
    first = next(iter(stated.values()), a.native_precision)
    return "mxfp4" if a.family in PUBLISHED_IN_MXFP4 else STORED[first.lower()]
