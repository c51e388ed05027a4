"""Offline throughput of a frame of systems, one a row: physics, corrected by what measurements share."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..hardware import accelerator_class
from ..throughput import best, room
from .rows import Rows
from .throughput_reading import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

    from ..throughput_rows import Candidates
    from .rows import Array
    from .throughput_reading import Row

MIDDLE_TOKENS = 2048.0  # of a request, at which the covariate of length is 0
UNKNOWN_STACK = "other"
STANDINGS = ("measured", "known", "new")  # the same deployment was measured; its model and accelerator were; neither


@dataclass(frozen=True, slots=True)
class Term:
    """Something that a group of rows may have in common beyond the physics: a factor of their rate."""

    name: str
    group: Callable[[Row], str]
    covariate: Callable[[Row], float]  # what the factor's logarithm is in proportion to


@dataclass(frozen=True, slots=True)
class Effect:
    """A factor's logarithm, and how well it is known."""

    mean: float
    error: float  # standard


@dataclass(frozen=True, slots=True)
class Calibration:
    """What fitted/throughput.json holds."""

    constants: Mapping[str, float]
    effects: Mapping[str, Effect]  # by "term: group"
    spreads: Mapping[str, float]  # by term: of a group that was not measured
    noise: Mapping[str, float]  # log, by kind of measurement
    widths: Mapping[str, float]  # standard deviations of the 90 % interval, by `width_kind`


def _one(_: Row) -> float:
    return 1.0


def _shape(r: Row) -> float:
    return 0.5 * math.log(r.output_tokens / r.input_tokens)


def _length(r: Row) -> float:
    return 0.5 * math.log((r.input_tokens + r.output_tokens) / MIDDLE_TOKENS)


def _machine(r: Row) -> str:
    return f"{r.accelerator.name}, {r.stored}"


def _deployment(r: Row) -> str:
    layout = "x".join(f"{size:g}" for size in r.layouts[0][:3]) if len(r.layouts) == 1 else "any"
    return f"{r.model.name}, {_machine(r)}, {r.stack}, {layout} of {r.accelerators}"


def _setting(r: Row) -> str:
    return f"{r.stack}, {r.input_tokens:.2g} to {r.output_tokens:.2g}"


def _limit(r: Row) -> str:
    return f"{r.accelerator.name}, {r.tpot_limit_s:g} s" if r.limited else ""


TERMS = (
    Term("model", lambda r: r.model.name, _one),
    Term("model by shape", lambda r: r.model.name, _shape),
    Term("model by length", lambda r: r.model.name, _length),
    Term("accelerator", lambda r: r.accelerator.name, _one),
    Term("machine", _machine, _one),
    Term("machine by shape", _machine, _shape),
    Term("machine by length", _machine, _length),
    Term("stack on machine", lambda r: f"{r.stack}, {_machine(r)}", _one),
    Term("setting", _setting, _one),
    Term("limit", _limit, _one),
    Term("deployment", _deployment, _one),
    Term("deployment by shape", _deployment, _shape),
    Term("deployment by length", _deployment, _length),
)


def levels(row: Row) -> Iterator[tuple[str, str, float]]:
    """(term, "term: group", covariate) of what a row may have in common with others."""
    for term in TERMS:
        group = term.group(row)
        if group:
            yield term.name, f"{term.name}: {group}", term.covariate(row)


def noise_kind(row: Row) -> str:
    """Kind of measurement: a steady state, a bench of few requests, or an engine that is not named."""
    if row.stack == UNKNOWN_STACK:
        return "unknown engine"
    return "bench" if math.isfinite(row.requests) else "steady"


def width_kind(row: Row, standing: str) -> str:
    """Whose interval a row has: by its kind of measurement and by how much of it was measured (STANDINGS)."""
    return f"{standing}, {noise_kind(row)}"


def log_physics(c: Candidates, constants: Mapping[str, float]) -> Array:
    """Logarithm of the output tokens a second of each row's best candidate, [N]."""
    return np.asarray(np.log(best(c, constants)[0]))


def corrections(rows: Sequence[Row], fitted: Calibration) -> tuple[Array, Array, list[str]]:
    """(mean, standard deviation) of log measured ÷ physics, [N], and which of STANDINGS each row has."""
    mean, variance, standings = np.zeros(len(rows)), np.zeros(len(rows)), []
    for i, row in enumerate(rows):
        variance[i] = fitted.noise[noise_kind(row)] ** 2
        for term, level, covariate in levels(row):
            effect = fitted.effects.get(level, Effect(0.0, fitted.spreads.get(term, 0.0)))
            mean[i] += covariate * effect.mean
            variance[i] += (covariate * effect.error) ** 2
        standings.append(_standing(row, fitted))
    return mean, np.sqrt(variance), standings


def _standing(row: Row, fitted: Calibration) -> str:
    if f"deployment: {_deployment(row)}" in fitted.effects:
        return "measured"
    names = f"model: {row.model.name}", f"accelerator: {row.accelerator.name}"
    return "known" if all(name in fitted.effects for name in names) else "new"


@functools.cache
def calibration() -> Calibration:
    """The packaged calibration, read once and immutable."""
    text = resources.files("solver.perf").joinpath("fitted/throughput.json").read_text(encoding="utf-8")
    return calibration_of(json.loads(text))


def calibration_of(table: Mapping[str, Any]) -> Calibration:
    """A calibration as it is written."""
    return Calibration(
        constants=MappingProxyType({name: float(entry["value"]) for name, entry in table["constants"].items()}),
        effects=MappingProxyType({name: Effect(*pair) for name, pair in table["effects"].items()}),
        spreads=MappingProxyType(dict(table["spreads"])),
        noise=MappingProxyType(dict(table["noise"])),
        widths=MappingProxyType(dict(table["widths"])),
    )


def predict_throughput(frame: pd.DataFrame) -> pd.DataFrame:
    """Output tokens a second of whole systems at their best, with a 90 % interval.

    Args:
        frame: columns model and gpu, and n_gpus or tp, must be stated; isl and osl (mean tokens of a request) too, but
            for MLPerf's tasks, whose means are known. Columns family, pp, precision, backend, backend_version,
            scenario (MLPerf's Offline, Server and Interactive), concurrency, n_requests, serving_command and notes
            are used when stated. NaN is "not stated". Without tp the best layout that fills the system is taken.

    Returns:
        Columns tokens_per_s, tokens_per_s_lo, tokens_per_s_hi, evidence ("measured": the same deployment was;
        "calibrated"; "physics": an engine or a class of accelerator nothing was fitted on) and error, on the frame's
        index.

    Raises:
        InputError: not a DataFrame, or a column stands twice.
    """
    return predict_with(frame, calibration())


def predict_with(frame: pd.DataFrame, fitted: Calibration) -> pd.DataFrame:
    """As `predict_throughput`, with a calibration of your own."""
    rows = Rows(frame)
    reading = read(rows)
    made = np.full((3, len(rows)), np.nan)
    evidence = [""] * len(rows)
    if len(reading.rows):
        rate, chosen = best(reading.candidates, fitted.constants)
        full = room(reading.candidates, fitted.constants)[0][chosen] <= 0
        mean, deviation, standings = corrections(reading.rows, fitted)
        kinds = [width_kind(row, standing) for row, standing in zip(reading.rows, standings, strict=True)]
        width = np.array([fitted.widths[kind] for kind in kinds]) * deviation
        made[:, reading.positions] = rate * np.exp(mean + np.stack([np.zeros_like(width), -width, width]))
        for i, position in enumerate(reading.positions.tolist()):
            evidence[position] = _evidence(reading.rows[i], standings[i])
            if full[i]:
                row = reading.rows[i]
                rows.fail(
                    position,
                    "n_gpus",
                    f"{row.model.name} in {row.stored} does not fit {row.accelerators} × {row.accelerator.name}",
                    "give more accelerators, or a narrower precision",
                )
    columns = dict(zip(("tokens_per_s", "tokens_per_s_lo", "tokens_per_s_hi"), made, strict=True))
    return rows.answer(columns, evidence)


def _evidence(row: Row, standing: str) -> str:
    if standing == "measured":
        return standing
    strange = row.stack == UNKNOWN_STACK or accelerator_class(row.accelerator) == "other"
    return "physics" if strange else "calibrated"
