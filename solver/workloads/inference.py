"""Candidate layouts and concurrencies of a served model on node shapes, predicted all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..perf.constants import constants
from ..perf.corrections import MEASURED, Label, corrections, groups_of, noise_of
from ..perf.hardware import GIB, Layout, accelerator_class, hardware
from ..perf.memory import sequences_that_fit, serving_memory
from ..perf.serving import Load, predict
from ..perf.setups import setups
from ..perf.steps import ENGINES, serving_constants, steps
from . import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costdata import Node

    from ..perf.architectures import Architecture
    from ..perf.constants import Precision
    from ..perf.observations import Observations
    from .base import Shapes

Array = np.ndarray[Any, np.dtype[Any]]
GRID = np.unique(np.round(2.0 ** np.arange(0, 9.25, 0.25)))  # sequences in an engine: 1 to 512, a quarter octave apart
COLUMN = (slice(None), None)  # rows against a grid of concurrencies
STAGES = (1, 2, 4)  # nodes of a replica, one pipeline stage each
MAX_TENSOR_PARALLEL = 64
KNOWN_ENGINES = tuple(name for name in ENGINES if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All candidates: [K] rows of shape and layout, [K, G] predictions over the concurrency grid."""

    shape: Array  # int64 [K]
    engines: Array  # int64 [K] copies of the engine in the replica
    layout: Layout
    busy: Array  # bool [K, G] every attention rank and stage has a sequence to work on
    fits: Array  # bool [K, G] busy, and within memory
    room: Array  # float [K] sequences an engine has memory for
    memory_gib: Array  # [K, G] of the fullest accelerator
    usable_gib: Array  # [K]
    ttft_ms: Array  # [K, G] mean
    tpot_ms: Array  # [K, G] mean
    ttft_sigma: Array  # [K, G] standard deviation of ln(measured ÷ predicted): what the model may be wrong by
    tpot_sigma: Array  # [K, G]
    evidence: Array  # str [K]: "measured", "calibrated" or "physics"
    output_tokens: int
    prefill_s: Array  # [K, G] of an engine, one prompt alone
    concurrency: Array  # [K, G] of the replica

    def requests_per_s(self, z: float = 0.0) -> Array:
        """Requests of the replica with all places taken [K, G], when latencies are z deviations above their means."""
        ttft, tpot = self._slower(self.ttft_ms, self.ttft_sigma, z), self._slower(self.tpot_ms, self.tpot_sigma, z)
        rate = 1e3 * self.concurrency / (ttft + (self.output_tokens - 1.0) * tpot)
        ranks = (self.layout.pipeline_parallel * self.layout.data_parallel * self.engines)[:, None]
        return np.minimum(rate, ranks / self.prefill_s)

    @staticmethod
    def _slower(mean: Array, sigma: Array, z: float) -> Array:
        return np.asarray(mean * np.exp(z * sigma))

    @property
    def nodes(self) -> Array:
        """Nodes of a replica [K]."""
        return self.layout.pipeline_parallel.astype(np.int64)

    @property
    def data_parallel(self) -> Array:
        """Copies of the model (or of its attention) in the replica [K]."""
        return (self.engines * self.layout.data_parallel).astype(np.int64)


def survey(
    a: Architecture,
    p: Precision,
    shapes: Shapes,
    input_tokens: int,
    output_tokens: int,
    engine: str = "vllm",
    observed: Observations | None = None,
) -> Survey:
    """Predict every layout of the model on every shape at every concurrency.

    Args:
        a: the model.
        p: how it is stored and run.
        shapes: node shapes.
        input_tokens: prompt length.
        output_tokens: answer length.
        engine: serving engine, one of ENGINES.
        observed: measurements of the user's own, that correct and narrow the predictions of their deployments.
    """
    rows = [(s, *layout) for s, (node, _) in enumerate(shapes.pairs) for layout in layouts(a, node)]
    shape, tensor, stages, ranks, experts, engines = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    layout = Layout(
        tensor_parallel=tensor.astype(float),
        pipeline_parallel=stages.astype(float),
        data_parallel=ranks.astype(float),
        expert_parallel=experts.astype(float),
    )
    context = float(input_tokens + output_tokens)
    hw = hardware(shapes.pairs).take(shape)
    room = sequences_that_fit(a, p, layout, context, hw.hbm_bytes)
    grid = np.broadcast_to(GRID, (len(shape), len(GRID)))
    labels, which = _labels(a, p, shapes, rows, engine)
    added, evidence = corrections(labels)
    added = added.take(which)
    model = steps(setups([a], [p], hw, layout, ENGINES.index(engine)), serving_constants())
    load = Load(
        concurrency=grid, input_tokens=np.asarray(float(input_tokens)), output_tokens=np.asarray(float(output_tokens))
    )
    predicted = predict(model.take(COLUMN), load, added.take(COLUMN))
    means = {"tpot": predicted.tpot_ms, "ttft": predicted.ttft_ms}
    sigmas = {"tpot": added.tpot_sigma[:, None], "ttft": added.ttft_sigma[:, None]}
    said = np.array(evidence, dtype=object)[which]
    if observed:
        names = groups_of(labels)["deployment"]
        for metric, mean in tuple(means.items()):
            noise = noise_of(metric)
            shift, sigmas[metric], seen = observed.shift(metric, [names[i] for i in which], load, sigmas[metric], noise)
            means[metric], said = mean * np.exp(shift), np.where(seen.any(axis=1), MEASURED, said)
    busy = grid >= (ranks * stages)[:, None]
    memory = serving_memory(a, p, layout.column(), grid, context)
    return Survey(
        shape=shape,
        engines=engines,
        layout=layout,
        busy=busy,
        fits=busy & (grid <= room[:, None]),
        room=room,
        memory_gib=memory.total / GIB,
        usable_gib=constants().assumed.usable_hbm_share * hw.hbm_bytes / GIB,
        ttft_ms=means["ttft"],
        tpot_ms=means["tpot"],
        ttft_sigma=np.broadcast_to(sigmas["ttft"], grid.shape),
        tpot_sigma=np.broadcast_to(sigmas["tpot"], grid.shape),
        evidence=said,
        output_tokens=output_tokens,
        prefill_s=np.broadcast_to(predicted.prefill_s, grid.shape),
        concurrency=grid * engines[:, None],
    )


def layouts(a: Architecture, node: Node) -> list[tuple[int, int, int, int, int]]:
    """(tensor, pipeline, attention data, expert parallel, engines) that divide the model over whole nodes.

    Tensor parallelism stays in the node, in powers of two that divide the heads. A mixture of experts is also laid
    out with whole experts on different accelerators, its attention split by tensor, by data or both. Several nodes
    are pipeline stages, each using the widest power of two of the node.
    """
    count = node.accelerators
    widest = 1 << (min(count, MAX_TENSOR_PARALLEL).bit_length() - 1)
    widths = [t for t in _powers(widest) if a.attention_heads % t == 0]
    stages = [s for s in STAGES if s <= a.layers and (s == 1 or node.nic_gbit_per_s > 0)]
    plain = [(t, s, 1, 1, count // t) for s in stages for t in widths if s == 1 or t == max(widths)]
    if not a.experts or widest == 1 or a.experts % widest:
        return plain
    return plain + [(t, s, widest // t, widest, count // widest) for s in stages for t in widths]


def _powers(limit: int) -> list[int]:
    return [1 << k for k in range(limit.bit_length())]


def _labels(
    a: Architecture, p: Precision, shapes: Shapes, rows: Sequence[tuple[int, ...]], engine: str
) -> tuple[list[Label], Array]:
    """(distinct labels, int [K] of each candidate) of candidates (shape, tensor, pipeline, data, expert, engines)."""
    accelerators = [accelerator for _, accelerator in shapes.pairs]
    told = [(accelerators[shape].name, layout) for shape, *layout, _ in rows]
    known: dict[tuple[str, tuple[int, ...]], int] = {}
    which = [known.setdefault((name, tuple(layout)), len(known)) for name, layout in told]
    kinds = {a.name: (int(a.fp4_tflop_per_s > 0), accelerator_class(a)) for a in accelerators}
    labels = [
        Label(
            architecture=a,
            accelerator=name,
            generation=kinds[name][0],
            precision=p.name,
            engine=engine,
            layout=(tensor, stages, ranks, experts),
            silicon=kinds[name][1],
        )
        for name, (tensor, stages, ranks, experts) in known
    ]
    return labels, np.array(which, dtype=np.int64)


def check_requests(where: str, input_tokens: int, output_tokens: int, engine: str, measurements: str) -> None:
    """What workloads of requests have in common, read strictly."""
    fields.whole(where, "input_tokens", input_tokens, (1, 10**8))
    fields.whole(where, "output_tokens", output_tokens, (1, 10**8))
    fields.choice(where, "engine", engine, KNOWN_ENGINES)
    fields.text(where, "measurements", measurements, empty=True, length=fields.PATH_LENGTH)


def measured_in(path: str) -> Observations | None:
    """The measurements of a file, or None without one.

    Raises:
        InputError: no such file, or one that cannot be used.
    """
    if not path:
        return None
    from ..perf.frames.serving import read_observations

    return read_observations(path)
