"""The best way to serve, with what holds it back and what would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..candidates import RESOURCES, shares
from ..constants import constants
from ..engine_settings import ENGINES, settings
from ..hardware import GIB
from ..memory import serving_memory
from ..serving import TPOT_TERMS, TTFT_TERMS
from .field import Field
from .moves import moves
from .nouns import Advice
from .reach import unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..architectures import Architecture
    from ..candidates import Candidates
    from ..constants import Precision
    from .field import Cell, Laid
    from .nouns import Machine, Point, Question

Array = np.ndarray[Any, np.dtype[Any]]
KV = "KV capacity"
MOST_ALTERNATIVES = 6
ALL_RUN = 0.97  # of the sequences in flight: fewer run where some wait for room in the cache


def advise(
    a: Architecture,
    machine: Machine,
    layouts: Sequence[Laid],
    question: Question,
    *,
    precisions: Sequence[Precision],
    engine: str = "vllm",
) -> Advice:
    """The best layout, precision and concurrency under the targets, and what would move them.

    Best is: with a target, the most output tokens a second; without, the most for the latency of a request
    (throughput ÷ latency, Kleinrock's power), where more sequences begin to wait for one another.

    Args:
        a: the model.
        machine: what it runs on.
        layouts: ways to lay the model over one node or several.
        question: tokens and targets.
        precisions: those to choose from, all of which the machine runs.
        engine: serving engine whose measurements count.

    Raises:
        InfeasibleError: does not fit, or no layout meets a target; says which resource is in the way.
    """
    fields = [Field.of(a, p, engine, machine, layouts, question) for p in precisions]
    found = [(f, cell) for f in fields if (cell := f.best()) is not None]
    if not found:
        raise unreachable(fields, machine)
    field, cell = max(found, key=lambda pair: pair[0].worth[pair[1]])
    return _advice(field, cell, precisions)


def _advice(field: Field, cell: Cell, precisions: Sequence[Precision]) -> Advice:
    k, g = cell
    one = field.candidates.take(np.array([k]))
    each = field.concurrency[k : k + 1, g : g + 1]
    spent = shares(one, field.question.load(each))
    tpot, prefill = spent.tpot[:, 0, 0], spent.prefill[:, 0, 0]
    memory, usable = memory_of(one, field.question.context, each)
    limited = _limited_by(field, cell)
    weighed = prefill if limited == "TTFT target" else tpot
    terms = field.found.tpot_terms[:, k, g], field.found.ttft_terms[:, k, g]
    point = field.point(cell)
    return Advice(
        model=one.architecture.name,
        machine=field.machine.name,
        question=field.question,
        point=point,
        limited_by=limited,
        binding=KV if limited == KV else RESOURCES[int(weighed.argmax())],
        tpot_shares=dict(zip(RESOURCES, tpot.tolist(), strict=True)),
        prefill_shares=dict(zip(RESOURCES, prefill.tolist(), strict=True)),
        tpot_terms_ms=dict(zip(TPOT_TERMS, (1e3 * terms[0]).tolist(), strict=True)),
        ttft_terms_ms=dict(zip(TTFT_TERMS, (1e3 * terms[1]).tolist(), strict=True)),
        memory_gib=memory | {"usable": usable},
        kv_capacity_used=memory["cache"] / max(usable - sum(memory.values()) + memory["cache"], 1e-9),
        moves=tuple(moves(field, cell)),
        alternatives=_alternatives(field, k),
        trade_off=tuple(field.point((k, int(j))) for j in _doublings(field, k)),
        settings={
            name: settings(name, one, point.engine_concurrency, field.question, (memory, usable)) for name in ENGINES
        },
        notes=_notes(field, precisions, point),
    )


def memory_of(one: Candidates, context: float, each: Array) -> tuple[dict[str, float], float]:
    """(GiB on the fullest accelerator by component, GiB usable) of a single candidate."""
    found = serving_memory(one.architecture, one.precision, one.layout, each.reshape(-1), context)
    parts = {name: getattr(found, name) for name in ("weights", "cache", "activations", "framework")}
    usable = constants().assumed.usable_hbm_share * one.hardware.hbm_bytes[0] / GIB
    return {name: float(np.ravel(size)[0]) / GIB for name, size in parts.items()}, float(usable)


def _limited_by(field: Field, cell: Cell) -> str:
    """Why not more sequences in the same layout."""
    (k, g), asked = cell, field.question
    if g + 1 == field.fits.shape[1]:
        return "the largest concurrency considered"
    if not field.fits[k, g + 1] or field.found.running[k, g + 1] < ALL_RUN * field.concurrency[k, g + 1]:
        return KV
    if field.found.tpot_ms[k, g + 1] > (asked.tpot_ms or np.inf):
        return "TPOT target"
    if field.found.ttft_ms[k, g + 1] > (asked.ttft_ms or np.inf):
        return "TTFT target"
    return "balance of throughput and latency" if not asked.targets else "peak of the throughput"


def _alternatives(field: Field, chosen: int) -> tuple[Point, ...]:
    """The best cell of every other layout that has one, the most worth first."""
    rows = np.arange(len(field.engines))[:, None]
    cells = [field.best(rows == k) for k in range(len(field.engines)) if k != chosen]
    made = sorted((cell for cell in cells if cell), key=lambda cell: -field.worth[cell])
    return tuple(field.point(cell) for cell in made[:MOST_ALTERNATIVES])


def _doublings(field: Field, k: int) -> Array:
    """Columns of powers of two that fit."""
    whole = np.log2(field.concurrency[k])
    return np.flatnonzero(field.fits[k] & (whole == np.round(whole)))


def _notes(field: Field, precisions: Sequence[Precision], point: Point) -> tuple[str, ...]:
    made = []
    native = field.candidates.architecture.native_precision
    if len(precisions) > 1 and point.precision != native:
        made.append(f"{point.precision} is not how the model was published ({native}): check its quality")
    if point.evidence == "physics":
        made.append("nothing alike was measured: the interval is wide, measure before you buy")
    idle = field.machine.accelerators % (point.tensor_parallel * point.attention_data_parallel)
    if idle:
        made.append(f"{idle} of {field.machine.accelerators} accelerators of a node stay idle in this layout")
    return tuple(made)
