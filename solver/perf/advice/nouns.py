"""What is asked, and what is answered. Rates are of the whole machine, latencies are means."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..serving import Load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..engine_settings import Settings
    from ..hardware import Hardware

Array = np.ndarray[Any, np.dtype[Any]]


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


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
