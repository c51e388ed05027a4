"""Memory of one accelerator for a frame of training and serving configurations, one a row."""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..hardware import GIB, Layout
from ..memory import Memory, serving_memory, serving_weights
from ..training_memory import job_memory, stage_memory
from .memory_reading import FULLEST, LAST, LAYERS, SERVING, TOTAL, WEIGHTS, read, with_setups
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from ..architectures import Architecture
    from ..constants import Precision
    from ..training_memory import Framework, Job
    from .memory_reading import Read
    from .rows import Array, Mask

COMPONENTS = tuple(f.name for f in dataclasses.fields(Memory))
FFN_ONLY = ("llama-3.1-405b",)  # the owner's FP8 checkpoint keeps attention and the outer layers in BF16


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Fitted constants: logarithms of measured over counted, and what is kept free."""

    framework_gib: float  # workspaces inside the allocator
    frameworks: Mapping[str, float]  # log ratio by framework
    groups: Mapping[str, float]  # further log ratio by framework, model, task and document
    counted_half_width: float  # of the 90 % interval, logarithm, of what is exactly counted
    known_half_widths: Mapping[str, float]  # by group that was measured
    new_half_width: float  # in any other
    plain_share: float  # of HBM that may be filled, at the upper end of the interval
    expandable_share: float  # the same when the allocator's segments can grow


@functools.cache
def calibration() -> Calibration:
    """The packaged constants, read once and immutable."""
    text = resources.files("solver.perf").joinpath("fitted/memory.json").read_text(encoding="utf-8")
    return calibration_of(json.loads(text)["constants"])


def calibration_of(table: Mapping[str, Any]) -> Calibration:
    """Constants of a table {name: {value, …}}, as they are written."""
    values: dict[str, Any] = {name: entry["value"] for name, entry in table.items()}
    for name in ("frameworks", "groups", "known_half_widths"):
        values[name] = MappingProxyType(dict(values[name]))
    return Calibration(**values)


def predict_memory(frame: pd.DataFrame) -> pd.DataFrame:
    """Peak memory of one accelerator, with a 90 % interval, by component.

    Args:
        frame: columns kind, model, gpu, n_gpus, tp, pp, vp, cp, ep, dp, fsdp, mbs, gbs, seq_len, precision,
            recompute, notes, source, software and task, each with or without; only `model` must be stated. NaN is
            "not stated".

    Returns:
        Columns peak_gib, peak_gib_lo, peak_gib_hi, weights_gib, cache_gib, activations_gib, gradients_gib,
        optimizer_gib, framework_gib, fits, evidence and error, on the frame's index. They are of the accelerator a
        `kind` of "peak" means (frameworks log the last pipeline stage), otherwise of the fullest; `fits` is of the
        fullest, and conservative: the upper end of its interval leaves free what the allocator cannot use; None
        where no `gpu` is stated.

    Raises:
        InputError: not a DataFrame, or a column stands twice.
    """
    return predict_with(frame, calibration())


def measured_gib(frame: pd.DataFrame) -> Array:
    """Measured peaks in GiB, [K], NaN where a row has none: column peak_gb by its unit.

    "GB" is 10^9 bytes; "GiB", and what vLLM's log calls GB ("GB weights"), are 2^30.
    """
    rows = Rows(frame)
    scale = np.array([1e9 / GIB if unit == "GB" else 1.0 for unit in rows.texts("unit", "GB")])
    return np.asarray(rows.numbers("peak_gb") * scale)


def predict_with(frame: pd.DataFrame, fitted: Calibration) -> pd.DataFrame:
    """As `predict_memory`, with constants of your own."""
    rows = Rows(with_setups(frame))
    found = read(rows)
    shown, fullest = count(found, rows.good, fitted.framework_gib)
    ratio, half = corrections(found, fitted)
    most = fullest.total / GIB * np.exp(ratio + half)
    fits = most <= found.hbm_gib * np.where(found.expandable, fitted.expandable_share, fitted.plain_share)
    moments = np.where(found.early & ~fits & np.isfinite(found.hbm_gib), 2.0 / 3.0 * shown.optimizer, 0.0)
    peak = (shown.total - moments) / GIB * np.exp(ratio)
    columns: dict[str, Any] = {f"{name}_gib": getattr(shown, name) / GIB for name in COMPONENTS}
    around = {"peak_gib": peak, "peak_gib_lo": peak * np.exp(-half), "peak_gib_hi": peak * np.exp(half)}
    measured = [
        "calibrated" if _is_known(f, g, fitted) else "physics"
        for f, g in zip(found.frameworks, found.groups, strict=True)
    ]
    said = fits.astype(object)
    said[~np.isfinite(found.hbm_gib)] = None
    return rows.answer(around | columns | {"fits": said}, measured)


def count(found: Read, good: Mask, framework_gib: float) -> tuple[Memory, Memory]:
    """Bytes by component, uncorrected, arrays [K]: of the accelerator a row's figure is of, and of the fullest."""
    tables: tuple[dict[str, Array], ...] = tuple({n: np.full(len(good), np.nan) for n in COMPONENTS} for _ in range(2))
    for rows in _alike(found, good):
        for table, memory in zip(tables, _count_alike(found, rows, framework_gib), strict=True):
            for name in COMPONENTS:
                table[name][rows] = getattr(memory, name)
    return Memory(**tables[0]), Memory(**tables[1])


def corrections(found: Read, fitted: Calibration) -> tuple[Array, Array]:
    """(logarithm of measured over counted, half width of its 90 % interval), arrays [K]; 0 for what is only counted."""
    pairs = []
    for f, g, c, t in zip(found.frameworks, found.groups, found.counts, found.tasks, strict=True):
        if c != TOTAL:
            pairs.append((0.0, fitted.counted_half_width))
        elif t == SERVING:
            pairs.append((0.0, fitted.new_half_width))
        else:
            ratio = fitted.frameworks.get(f.name, 0.0) + fitted.groups.get(g, 0.0)
            pairs.append((ratio, fitted.known_half_widths.get(g, fitted.new_half_width)))
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _is_known(f: Framework, group: str, fitted: Calibration) -> bool:
    return f.name in fitted.frameworks or group in fitted.groups


def _alike(found: Read, good: Mask) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Rows of one model, framework and kind of figure: one calculation each."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for row in np.flatnonzero(good):
        a = found.models[row]
        key = (
            a,
            found.frameworks[row],
            found.tasks[row] == SERVING,
            found.stored[row],
            found.counts[row],
            found.ranks[row],
        )
        groups.setdefault(key, []).append(int(row))
    return [np.array(rows) for rows in groups.values()]


def _count_alike(found: Read, rows: np.ndarray[Any, np.dtype[np.int64]], framework_gib: float) -> tuple[Memory, Memory]:
    one = int(rows[0])
    a, framework, job = found.models[one], found.frameworks[one], found.job.take(rows)
    if a is None:  # a row without a model is not good
        raise ValueError("a row without a model cannot be counted")
    if found.tasks[one] == SERVING:
        served = _served(a, found.stored[one], job, only_weights=found.counts[one] == WEIGHTS)
        return served, served
    if found.counts[one] == LAYERS:
        a = dataclasses.replace(a, embedding_parameters=0, head_parameters=0, vocabulary=0)
        framework = dataclasses.replace(framework, momentary=False)
    own = np.asarray(0.0 if found.counts[one] == LAYERS else framework_gib * GIB)
    fullest = dataclasses.replace(job_memory(a, job, framework), framework=own)
    if found.ranks[one] == FULLEST:
        return fullest, fullest
    shown = stage_memory(a, job, framework, last=found.ranks[one] == LAST)
    return dataclasses.replace(shown, framework=own), fullest


def _served(a: Architecture, p: Precision, job: Job, *, only_weights: bool) -> Memory:
    """Memory of an accelerator that serves; the micro-batch is the sequences an engine holds."""
    layout = Layout(
        tensor_parallel=job.tensor_parallel,
        pipeline_parallel=job.pipeline_parallel,
        data_parallel=np.where(job.expert_parallel > 1, job.data_parallel, 1.0),
        expert_parallel=job.expert_parallel,
    )
    wide = 0.0
    if p.name == "fp8" and any(name in a.name.lower() for name in FFN_ONLY):
        kept = a.attention_parameters + 2 * a.dense_ffn_parameters / a.layers
        wide = (2.0 - p.attention_bytes) * kept / (job.tensor_parallel * job.pipeline_parallel)
    if only_weights:
        zero = np.zeros(())
        weights = serving_weights(a, p, layout) + wide
        return Memory(weights=weights, cache=zero, activations=zero, gradients=zero, optimizer=zero, framework=zero)
    memory = serving_memory(a, p, layout, job.micro_batch, job.sequence_length)
    return dataclasses.replace(memory, weights=memory.weights + wide)
