"""All layouts of a model in one precision on one machine, evaluated over a grid of concurrencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..candidates import Candidates, Evaluated, evaluate
from ..hardware import Layout
from ..memory import sequences_that_fit
from ..serving import interval
from .nouns import Latency, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..architectures import Architecture
    from ..constants import Precision
    from ..hardware import Hardware
    from ..serving import Options
    from .nouns import Machine, Question

Array = np.ndarray[Any, np.dtype[Any]]
Cell = tuple[int, int]  # row of a layout, column of a concurrency
Laid = tuple[int, int, int, int, int]  # tensor, pipeline, attention data, expert parallel, engines on the machine
GRID = np.unique(
    np.round(2.0 ** np.arange(0, 10.25, 0.25))
)  # sequences in an engine: 1 to 1024, a quarter octave apart
NINETY = 1.6448536269514722  # standard deviations that hold 90 % of a normal distribution
TOLERANCE = 1e-9


def runs(p: Precision, hardware: Hardware) -> bool:
    """Whether a machine can: FP8 needs FP8 units; FP4 needs FP4 or FP8 units; int4 and BF16 run anywhere."""
    eight, four = bool(hardware.fp8_flop_per_s[0] > 0), bool(hardware.fp4_flop_per_s[0] > 0)
    return {"fp8": eight, "fp4": eight or four}.get(p.compute, True)


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

    def best(self, among: Array | None = None) -> Cell | None:
        """(candidate, concurrency) of most worth among good cells; of equals the one with the lowest TPOT."""
        good = self.good if among is None else self.good & among
        if not good.any():
            return None
        worth = np.where(good, self.worth, -np.inf)
        alike = good & (worth >= worth.max() * (1.0 - TOLERANCE))
        row, column = np.unravel_index(np.where(alike, self.found.tpot_ms, np.inf).argmin(), worth.shape)
        return int(row), int(column)

    def point(self, cell: Cell) -> Point:
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
