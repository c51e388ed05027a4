"""What would move the best way to serve: every "what if" is another prediction."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ..candidates import RATES
from ..constants import PRECISIONS
from ..engine_settings import ENGINES
from ..serving import Options
from .field import Field, runs
from .nouns import Move

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .field import Cell

MORE = 0.2  # of a resource


def moves(field: Field, cell: Cell) -> Iterator[Move]:
    """Every what-if, against the best cell of a field."""
    c = field.candidates
    for resource in RATES:
        yield _move(field, cell, f"+{100 * MORE:.0f} % {resource}", field.again(c.faster(resource, 1.0 + MORE)))
    larger = dataclasses.replace(c.hardware, hbm_bytes=c.hardware.hbm_bytes * (1.0 + MORE))
    yield _move(field, cell, f"+{100 * MORE:.0f} % HBM capacity", field.again(dataclasses.replace(c, hardware=larger)))
    yield from _other_numbers(field, cell)
    yield from _other_layouts(field, cell)
    for engine in ENGINES:
        if engine != c.engine:
            yield _move(
                field, cell, f"{engine} instead of {c.engine}", field.again(dataclasses.replace(c, engine=engine))
            )
    for change, options in (
        ("half of each prompt found in the prefix cache", Options(prefix_hit_rate=0.5)),
        ("3 tokens speculated, 70 % of them kept", Options(draft_tokens=3.0)),
    ):
        yield _move(field, cell, change, field.again(c, options))
    apart = _move(field, cell, "prompts computed on other accelerators", field.again(c, Options(disaggregated=True)))
    yield dataclasses.replace(apart, best_percent=None, best="")  # what those would cost is not counted here


def _other_numbers(field: Field, cell: Cell) -> Iterator[Move]:
    """Other precisions of weights and of the cache."""
    c = field.candidates
    now = c.precision
    for p in PRECISIONS.values():
        if p.name not in (now.name, "mxfp4") and runs(p, c.hardware):
            change = f"{p.name.upper()} instead of {now.name.upper()}"
            yield _move(field, cell, change, field.again(dataclasses.replace(c, precision=p)))
    if now.kv_bytes > 1:
        narrow = dataclasses.replace(c, precision=dataclasses.replace(now, kv_bytes=1.0))
        yield _move(field, cell, "FP8 cache instead of BF16", field.again(narrow))


def _other_layouts(field: Field, cell: Cell) -> Iterator[Move]:
    """Twice and half the tensor parallelism, experts placed whole, attention by data."""
    k, (tensor, stages, ranks, experts) = cell[0], _sizes(field, cell[0])
    total = field.concurrency[cell] * field.engines[k]
    wanted: list[tuple[str, Callable[[tuple[int, ...]], bool]]] = [
        ("twice the tensor parallelism", lambda s: s == (2 * tensor, stages, ranks, experts)),
        ("half the tensor parallelism", lambda s: 2 * s[0] == tensor and s[1:] == (stages, ranks, experts)),
        ("experts placed whole", lambda s: experts == 1 and s[:3] == (tensor, stages, ranks) and s[3] > 1),
        ("attention twice as much by data", lambda s: s == (tensor // 2, stages, 2 * ranks, experts) and experts > 1),
        ("attention half as much by data", lambda s: s == (2 * tensor, stages, ranks // 2, experts) and ranks > 1),
    ]
    for change, fits in wanted:
        row = next((r for r in range(len(field.engines)) if fits(_sizes(field, r))), None)
        if row is not None:
            yield _at_row(field, cell, change, row, total / field.engines[row])


def _sizes(field: Field, row: int) -> tuple[int, ...]:
    layout = field.candidates.layout
    parts = (layout.tensor_parallel, layout.pipeline_parallel, layout.data_parallel, layout.expert_parallel)
    return tuple(int(size[row]) for size in parts)


def _at_row(field: Field, cell: Cell, change: str, row: int, each: float) -> Move:
    """Another layout with as many sequences on the machine."""
    rows = np.array([row])
    one = Field.evaluated(
        field.machine, field.question, field.candidates.take(rows), field.engines[rows], np.full((1, 1), each)
    )
    fits = bool(one.fits[0, 0])
    best = field.best(np.arange(len(field.engines))[:, None] == row)
    return Move(
        change=change,
        tpot_percent=_percent(one.found.tpot_ms[0, 0], field.found.tpot_ms[cell]) if fits else None,
        ttft_percent=_percent(one.found.ttft_ms[0, 0], field.found.ttft_ms[cell]) if fits else None,
        best_percent=_percent(field.worth[best], field.worth[cell]) if best else None,
        best=_in_short(field, best),
    )


def _move(field: Field, cell: Cell, change: str, changed: Field) -> Move:
    """The same cell, and the best cell, of a field that was changed."""
    fits = bool(changed.fits[cell])
    best = changed.best()
    return Move(
        change=change,
        tpot_percent=_percent(changed.found.tpot_ms[cell], field.found.tpot_ms[cell]) if fits else None,
        ttft_percent=_percent(changed.found.ttft_ms[cell], field.found.ttft_ms[cell]) if fits else None,
        best_percent=_percent(changed.worth[best], field.worth[cell]) if best else None,
        best=_in_short(changed, best),
    )


def _in_short(field: Field, cell: Cell | None) -> str:
    if cell is None:
        return ""
    point = field.point(cell)
    return f"{point.layout}, {point.concurrency} in flight"


def _percent(new: float, old: float) -> float:
    return float(100.0 * (new / old - 1.0))
