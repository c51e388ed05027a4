"""Advice for one model on one machine: the best way to serve it there, what holds it back, and what would move it.

Everything is found by evaluating the model again: a share of a step is how much the step shrinks when a resource is
faster, and every "what if" is another prediction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InfeasibleError
from .candidates import RATES, RESOURCES, Candidates, Evaluated, evaluate, shares
from .constants import PRECISIONS, constants
from .engine_settings import Settings, settings
from .hardware import GIB, Layout
from .memory import sequences_that_fit, serving_memory
from .serving import TPOT_TERMS, TTFT_TERMS, Load, Options, interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .architectures import Architecture
    from .constants import Precision
    from .hardware import Hardware

Array = np.ndarray[Any, np.dtype[Any]]
Laid = tuple[int, int, int, int, int]  # tensor, pipeline, attention data, expert parallel, engines on the machine
GRID = np.unique(
    np.round(2.0 ** np.arange(0, 10.25, 0.25))
)  # sequences in an engine: 1 to 1024, a quarter octave apart
NINETY = 1.6448536269514722  # standard deviations that hold 90 % of a normal distribution
KV = "KV capacity"
MORE = 0.2  # of a resource, in a what-if
FASTER = (1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # tried to reach a target
ENGINES = ("vllm", "sglang", "trtllm")
MOST_ALTERNATIVES = 6
TOLERANCE = 1e-9
ALL_RUN = 0.97  # of the sequences in flight: fewer run where some wait for room in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for; a target that is None is not one. Targets are for means."""

    input_tokens: int
    output_tokens: int
    tpot_ms: float | None = None
    ttft_ms: float | None = None

    @property
    def targets(self) -> bool:
        """Whether there is any."""
        return self.tpot_ms is not None or self.ttft_ms is not None

    @property
    def context(self) -> float:
        """Tokens a sequence ends with."""
        return float(self.input_tokens + self.output_tokens)

    def load(self, concurrency: Array) -> Load:
        """This question's tokens at concurrencies."""
        return Load(
            concurrency=concurrency,
            input_tokens=np.asarray(float(self.input_tokens)),
            output_tokens=np.asarray(float(self.output_tokens)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What it runs on: so many nodes with so many accelerators each."""

    accelerator: str
    accelerators: int
    nodes: int
    hardware: Hardware  # one row

    @property
    def name(self) -> str:
        """In words: "8 × H100", "2 × 8 × H100"."""
        each = f"{self.accelerators} × {self.accelerator}"
        return each if self.nodes == 1 else f"{self.nodes} × {each}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A mean in milliseconds with its 90 % interval."""

    ms: float
    lo_ms: float
    hi_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A way to serve and what it does; rates are of the whole machine."""

    layout: str
    tensor_parallel: int
    pipeline_parallel: int
    attention_data_parallel: int
    expert_parallel: int
    engines: int
    precision: str
    engine: str
    concurrency: int  # sequences in flight on the machine
    engine_concurrency: int
    tpot: Latency
    ttft: Latency
    requests_per_s: float
    output_tokens_per_s: float
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A what-if, changes in per cent: at as many sequences in flight, and of the best when all is chosen anew."""

    change: str
    tpot_percent: float | None  # None: does not fit
    ttft_percent: float | None
    best_percent: float | None  # of tokens a second within the targets, or without any of tokens a second ÷ latency
    best: str  # the way that is best then; "" where nothing meets the targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The best way to serve a model on a machine."""

    model: str
    machine: str
    question: Question
    point: Point
    limited_by: str  # what keeps more sequences out
    binding: str  # one of RESOURCES, or "KV capacity"
    tpot_shares: Mapping[str, float]  # by RESOURCES, adding up to 1
    prefill_shares: Mapping[str, float]
    tpot_terms_ms: Mapping[str, float]
    ttft_terms_ms: Mapping[str, float]
    memory_gib: Mapping[str, float]  # on the fullest accelerator, with "usable"
    kv_capacity_used: float  # share of what is left for the cache
    moves: tuple[Move, ...]
    alternatives: tuple[Point, ...]  # the best of other layouts
    trade_off: tuple[Point, ...]  # the same layout at other concurrencies
    settings: Mapping[str, Settings]  # by engine
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; units are in the names."""
        return {"schema": "autoparallel.advice/1", **_plain(dataclasses.asdict(self))}


def runs(p: Precision, hardware: Hardware) -> bool:
    """Whether a machine can: FP8 needs FP8 units; FP4 needs FP4 or FP8 units; int4 and BF16 run anywhere."""
    eight, four = bool(hardware.fp8_flop_per_s[0] > 0), bool(hardware.fp4_flop_per_s[0] > 0)
    return {"fp8": eight, "fp4": eight or four}.get(p.compute, True)


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
        raise _unreachable(fields, machine)
    field, cell = max(found, key=lambda pair: pair[0].worth[pair[1]])
    return _advice(field, cell, precisions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """All layouts of a model in one precision on one machine, over a grid of concurrencies [K, G]."""

    machine: Machine
    question: Question
    candidates: Candidates
    engines: Array  # int [K] on the machine
    concurrency: Array  # [K, G] of an engine
    found: Evaluated
    fits: Array  # bool [K, G]
    good: Array  # bool [K, G] fits, and meets the targets

    @classmethod
    def of(
        cls,
        a: Architecture,
        p: Precision,
        engine: str,
        machine: Machine,
        layouts: Sequence[Laid],
        question: Question,
    ) -> Field:
        """Evaluate everything."""
        laid = [row for row in layouts if row[1] <= machine.nodes]
        tensor, stages, ranks, experts, engines = np.array(laid, dtype=np.int64).reshape(-1, 5).T
        layout = Layout(
            tensor_parallel=tensor.astype(float),
            pipeline_parallel=stages.astype(float),
            data_parallel=ranks.astype(float),
            expert_parallel=experts.astype(float),
        )
        candidates = Candidates(
            architecture=a,
            precision=p,
            engine=engine,
            accelerators=(machine.accelerator,) * len(laid),
            hardware=machine.hardware.take(np.zeros(len(laid), dtype=np.int64)),
            layout=layout,
        )
        grid = np.broadcast_to(GRID, (len(laid), len(GRID)))
        return cls.evaluated(machine, question, candidates, engines * (machine.nodes // stages), grid)

    @classmethod
    def evaluated(
        cls,
        machine: Machine,
        question: Question,
        candidates: Candidates,
        engines: Array,
        concurrency: Array,
        options: Options | None = None,
    ) -> Field:
        """The field of candidates at concurrencies."""
        c, layout = candidates, candidates.layout
        found = evaluate(c, question.load(concurrency), options)
        room = sequences_that_fit(c.architecture, c.precision, layout, question.context, c.hardware.hbm_bytes)
        busy = concurrency >= (layout.data_parallel * layout.pipeline_parallel)[:, None]
        fits = busy & (concurrency <= room[:, None])
        good = fits & (found.tpot_ms <= (question.tpot_ms or np.inf)) & (found.ttft_ms <= (question.ttft_ms or np.inf))
        return cls(
            machine=machine,
            question=question,
            candidates=c,
            engines=engines,
            concurrency=concurrency,
            found=found,
            fits=fits,
            good=good,
        )

    def again(self, candidates: Candidates, options: Options | None = None) -> Field:
        """The same choice with other candidates."""
        return Field.evaluated(self.machine, self.question, candidates, self.engines, self.concurrency, options)

    @property
    def tokens_per_s(self) -> Array:
        """Output tokens a second of the machine [K, G]."""
        return np.asarray(self.found.requests_per_s * self.engines[:, None] * self.question.output_tokens)

    @property
    def worth(self) -> Array:
        """What is to be largest [K, G]."""
        if self.question.targets:
            return self.tokens_per_s
        latency = self.found.ttft_ms + self.found.tpot_ms * (self.question.output_tokens - 1)
        return np.asarray(self.tokens_per_s / latency)

    def best(self, among: Array | None = None) -> tuple[int, int] | None:
        """(candidate, concurrency) of most worth among good cells; of equals the one with the lowest TPOT."""
        good = self.good if among is None else self.good & among
        if not good.any():
            return None
        worth = np.where(good, self.worth, -np.inf)
        alike = good & (worth >= worth.max() * (1.0 - TOLERANCE))
        row, column = np.unravel_index(np.where(alike, self.found.tpot_ms, np.inf).argmin(), worth.shape)
        return int(row), int(column)

    def point(self, cell: tuple[int, int]) -> Point:
        """A cell in figures."""
        k, g = cell
        c, e, layout = self.candidates, self.found, self.candidates.layout
        engines, each = int(self.engines[k]), int(self.concurrency[k, g])

        def latency(mean: Array, sigma: Array) -> Latency:
            lo, hi = interval(mean[cell], sigma[k], NINETY)
            return Latency(ms=float(mean[cell]), lo_ms=float(lo), hi_ms=float(hi))

        return Point(
            layout=words(layout, k, engines),
            tensor_parallel=int(layout.tensor_parallel[k]),
            pipeline_parallel=int(layout.pipeline_parallel[k]),
            attention_data_parallel=int(layout.data_parallel[k]),
            expert_parallel=int(layout.expert_parallel[k]),
            engines=engines,
            precision=c.precision.name,
            engine=c.engine,
            concurrency=each * engines,
            engine_concurrency=each,
            tpot=latency(e.tpot_ms, e.tpot_sigma),
            ttft=latency(e.ttft_ms, e.ttft_sigma),
            requests_per_s=float(e.requests_per_s[cell] * engines),
            output_tokens_per_s=float(self.tokens_per_s[cell]),
            evidence=e.evidence[k],
        )


def words(layout: Layout, row: int, engines: int) -> str:
    """A layout in words, "TP4 DP2 EP8 ×2": what is not split or copied goes without saying."""
    sizes = (
        ("TP", layout.tensor_parallel),
        ("PP", layout.pipeline_parallel),
        ("DP", layout.data_parallel),
        ("EP", layout.expert_parallel),
    )
    said = [f"{name}{size[row]:.0f}" for name, size in sizes if size[row] > 1] or ["TP1"]
    return " ".join(said) + (f" ×{engines}" if engines > 1 else "")


# --- the advice -----------------------------------------------------------------------------------------------------


def _advice(field: Field, cell: tuple[int, int], precisions: Sequence[Precision]) -> Advice:
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
        moves=tuple(_moves(field, cell)),
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


def _limited_by(field: Field, cell: tuple[int, int]) -> str:
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


# --- what would move it ---------------------------------------------------------------------------------------------


def _moves(field: Field, cell: tuple[int, int]) -> Iterator[Move]:
    """Every what-if."""
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


def _other_numbers(field: Field, cell: tuple[int, int]) -> Iterator[Move]:
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


def _other_layouts(field: Field, cell: tuple[int, int]) -> Iterator[Move]:
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


def _at_row(field: Field, cell: tuple[int, int], change: str, row: int, each: float) -> Move:
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


def _move(field: Field, cell: tuple[int, int], change: str, changed: Field) -> Move:
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


def _in_short(field: Field, cell: tuple[int, int] | None) -> str:
    if cell is None:
        return ""
    point = field.point(cell)
    return f"{point.layout}, {point.concurrency} in flight"


def _percent(new: float, old: float) -> float:
    return float(100.0 * (new / old - 1.0))


# --- what is out of reach -------------------------------------------------------------------------------------------


def _unreachable(fields: Sequence[Field], machine: Machine) -> InfeasibleError:
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
        f"no layout meets both targets: within {question.tpot_ms:g} ms per output token it is {ttft:.4g} ms to the "
        f"first token at best ({point.layout}, {point.concurrency} in flight), target {question.ttft_ms:g} ms",
        where=where,
        mend="loosen one of the targets, or take more accelerators",
    )


def _quickest(
    fields: Sequence[Field], metric: str, within: tuple[str, float] | None = None
) -> tuple[Field, tuple[int, int]]:
    """The cell of the lowest latency that fits."""
    best: tuple[float, Field, tuple[int, int]] | None = None
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
        f"HBM capacity: needs {need:.4g} GiB on each accelerator at {layout} in {c.precision.name}, "
        f"{usable:.4g} GiB are usable",
        where=where,
        mend=mend,
    )


def _least_memory(field: Field) -> tuple[float, str]:
    c, layout = field.candidates, field.candidates.layout
    least = layout.data_parallel * layout.pipeline_parallel
    total = serving_memory(c.architecture, c.precision, layout, least, field.question.context).total / GIB
    k = int(np.argmin(total))
    return float(total[k]), words(layout, k, int(field.engines[k]))


def _too_slow(field: Field, cell: tuple[int, int], metric: str, target: float, where: str) -> InfeasibleError:
    k, g = cell
    one = field.candidates.take(np.array([k]))
    spent = shares(one, field.question.load(field.concurrency[k : k + 1, g : g + 1]))
    parts = (spent.tpot if metric == "tpot" else spent.prefill)[:, 0, 0]
    order = np.argsort(-parts)
    told = ", ".join(f"{RESOURCES[i]} {100 * parts[i]:.0f} %" for i in order if parts[i] >= 0.05)  # noqa: PLR2004
    what = "per output token" if metric == "tpot" else "to the first token"
    spent_on = "of it" if metric == "tpot" else "of its prefill"
    point = field.point(cell)
    return InfeasibleError(
        f"{getattr(field.found, f'{metric}_ms')[cell]:.4g} ms {what} at best ({point.layout}, {point.concurrency} in "
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
    return f"no faster resource alone would reach it: relax it to {least(field) * 1.005:.4g} ms"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
