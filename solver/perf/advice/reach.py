"""Why nothing meets what is asked: which resource is in the way, and what would be enough."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InfeasibleError, significant
from ..candidates import RATES, RESOURCES, shares
from ..constants import PRECISIONS, constants
from ..hardware import GIB
from ..memory import serving_memory
from .field import runs, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .field import Cell, Field
    from .nouns import Machine

FASTER = (1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # tried to reach a target


def unreachable(fields: Sequence[Field], machine: Machine) -> InfeasibleError:
    """What stands in the way: memory, TPOT, TTFT, or both targets together."""
    fitting = [f for f in fields if f.fits.any()]
    name, question = fields[0].candidates.architecture.name, fields[0].question
    where = f"{name} on {machine.name}"
    if not fitting:
        return _no_room(fields, where)
    for metric, target in (("tpot", question.tpot_ms), ("ttft", question.ttft_ms)):
        if target is not None:
            field, cell = _quickest(fitting, metric)
            if getattr(field.found, f"{metric}_ms")[cell] > target:
                return _too_slow(field, cell, metric, target, where)
    field, cell = _quickest(fitting, "ttft", within=("tpot", question.tpot_ms or np.inf))
    ttft = field.found.ttft_ms[cell]
    point = field.point(cell)
    return InfeasibleError(
        f"no layout meets both targets: within {question.tpot_ms:g} ms per output token it is {significant(ttft, 4)} "
        f"ms to the first token at best ({point.layout}, {point.concurrency} in flight), target "
        f"{question.ttft_ms:g} ms",
        where=where,
        mend="loosen one of the targets, or take more accelerators",
    )


def _quickest(fields: Sequence[Field], metric: str, within: tuple[str, float] | None = None) -> tuple[Field, Cell]:
    """The cell of the lowest latency that fits."""
    best: tuple[float, Field, Cell] | None = None
    for field in fields:
        values = np.where(field.fits, getattr(field.found, f"{metric}_ms"), np.inf)
        if within is not None:
            values = np.where(getattr(field.found, f"{within[0]}_ms") <= within[1], values, np.inf)
        row, column = np.unravel_index(values.argmin(), values.shape)
        if best is None or values[row, column] < best[0]:
            best = float(values[row, column]), field, (int(row), int(column))
    assert best is not None  # noqa: S101 (fields is not empty)
    return best[1], best[2]


def _no_room(fields: Sequence[Field], where: str) -> InfeasibleError:
    """Memory of the leanest layout, and the precision that would fit."""
    leanest = min(((_least_memory(f), f) for f in fields), key=lambda pair: pair[0][0])
    (need, layout), field = leanest
    c, usable = field.candidates, constants().assumed.usable_hbm_share * field.candidates.hardware.hbm_bytes[0] / GIB
    narrower = [
        p.name
        for p in PRECISIONS.values()
        if p.expert_bytes < c.precision.expert_bytes
        and p.name != "mxfp4"
        and runs(p, c.hardware)
        and field.again(dataclasses.replace(c, precision=p)).fits.any()
    ]
    times = int(np.ceil(need / usable))
    mend = f"it would fit in {' or '.join(narrower)}" if narrower else f"take about {max(2, times)} times as many"
    return InfeasibleError(
        f"HBM capacity: needs {significant(need, 4)} GiB on each accelerator at {layout} in {c.precision.name}, "
        f"{significant(usable, 4)} GiB are usable",
        where=where,
        mend=mend,
    )


def _least_memory(field: Field) -> tuple[float, str]:
    c, layout = field.candidates, field.candidates.layout
    least = layout.data_parallel * layout.pipeline_parallel
    total = serving_memory(c.architecture, c.precision, layout, least, field.question.context).total / GIB
    k = int(np.argmin(total))
    return float(total[k]), words(layout, k, int(field.engines[k]))


def _too_slow(field: Field, cell: Cell, metric: str, target: float, where: str) -> InfeasibleError:
    k, g = cell
    one = field.candidates.take(np.array([k]))
    spent = shares(one, field.question.load(field.concurrency[k : k + 1, g : g + 1]))
    parts = (spent.tpot if metric == "tpot" else spent.prefill)[:, 0, 0]
    order = np.argsort(-parts)
    told = ", ".join(f"{RESOURCES[i]} {100 * parts[i]:.0f} %" for i in order if parts[i] >= 0.05)  # noqa: PLR2004
    what = "per output token" if metric == "tpot" else "to the first token"
    spent_on = "of it" if metric == "tpot" else "of its prefill"
    point, latency = field.point(cell), getattr(field.found, f"{metric}_ms")[cell]
    return InfeasibleError(
        f"{significant(latency, 4)} ms {what} at best ({point.layout}, {point.concurrency} in "
        f"flight, {point.precision}), target {target:g} ms; {spent_on}: {told}",
        where=where,
        mend=_enough(field, metric, target, [RESOURCES[i] for i in order]),
    )


def _enough(field: Field, metric: str, target: float, order: Sequence[str]) -> str:
    """How much faster a resource would have to be, by trying those that weigh most first."""

    def least(changed: Field) -> float:
        return float(np.where(changed.fits, getattr(changed.found, f"{metric}_ms"), np.inf).min())

    for resource in order:
        for factor in FASTER if resource in RATES else ():
            if least(field.again(field.candidates.faster(resource, factor))) <= target:
                return f"{factor:g} times the {resource} would reach it"
    return f"no faster resource alone would reach it: relax it to {significant(least(field) * 1.005, 4)} ms"
