"""Batch: a number of requests to finish in a window, with no latency target."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import InputError
from . import fields
from .base import HUGE, Workload, distinct
from .inference import check_requests, measured_in, survey
from .modes import Excuse, ModeTable
from .serving import memory_excuse

if TYPE_CHECKING:
    from costdata import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Workload):
    """Requests to finish between two days; divisible over nodes and hours."""

    input_tokens: int
    output_tokens: int
    requests: int
    engine: str = "vllm"
    measurements: str = ""  # path of a CSV of your own: columns of `predict_serving`, with tpot_ms, ttft_ms or both
    earliest_start: datetime.date | None = None
    deadline: datetime.date | None = None  # done before this day begins (UTC)
    recovery_minutes: float = 5.0
    dataset_gb: float = 0.0
    dataset_origin: str = ""

    kind: ClassVar[str] = "batch"
    unit: ClassVar[str] = "requests"

    def __post_init__(self) -> None:
        """Check every field."""
        Workload.__post_init__(self)
        check_requests(self.where, self.input_tokens, self.output_tokens, self.engine, self.measurements)
        fields.whole(self.where, "requests", self.requests, (1, HUGE))
        fields.number(self.where, "recovery_minutes", self.recovery_minutes, (0, 43_800))
        check_window(self.where, self.earliest_start, self.deadline)
        check_dataset(self.where, self.dataset_gb, self.dataset_origin)
        self.check_context("input_tokens + output_tokens", self.input_tokens + self.output_tokens)

    @property
    def total_units(self) -> int:
        """Requests to finish."""
        return self.requests

    @property
    def hours_lost_per_interruption(self) -> float:
        """Hours a replica is gone."""
        return self.recovery_minutes / 60

    def modes(self, catalog: Catalog) -> tuple[ModeTable, tuple[Excuse, ...]]:
        """The most productive layout and concurrency per node of each shape, and an excuse for each other shape."""
        nodes, excuses = self.open_nodes(catalog)
        if not nodes:
            return ModeTable.empty(), tuple(excuses)
        shapes = distinct(nodes)
        lengths = (self.input_tokens, self.output_tokens)
        s = survey(self.architecture, self.stored, shapes, *lengths, self.engine, measured_in(self.measurements))
        units = np.floor(np.where(s.fits, 3600 * s.requests_per_s(), 0)).astype(np.int64)
        rows: dict[str, list[object]] = {}
        for index, (node, _) in enumerate(nodes):
            mine = s.shape == shapes.shape_of[index]
            rate = np.where(mine[:, None], units / s.nodes[:, None], -1.0)
            row, column = np.unravel_index(rate.argmax(), rate.shape)
            if not s.fits[mine].any():
                excuses.append(self.excuse(node, *memory_excuse(s, mine)))
                continue
            if units[row, column] == 0:
                excuses.append(self.excuse(node, "throughput", "less than one request an hour"))
                continue
            values = {
                "provider": node.provider,
                "node": node.name,
                "nodes_per_replica": s.nodes[row],
                "tensor_parallel": s.layout.tensor_parallel[row],
                "pipeline_parallel": s.layout.pipeline_parallel[row],
                "expert_parallel": s.layout.expert_parallel[row],
                "data_parallel": s.data_parallel[row],
                "concurrency": s.concurrency[row, column],
                "units_per_hour": units[row, column],
                "ttft_ms": s.ttft_ms[row, column],
                "tpot_ms": s.tpot_ms[row, column],
                "quantile": 0.5,
                "evidence": s.evidence[row],
                "gpu_memory_gib": s.memory_gib[row, column],
            }
            for name, value in values.items():
                rows.setdefault(name, []).append(value)
        return (ModeTable.build(**rows) if rows else ModeTable.empty()), tuple(excuses)


def check_window(where: str, start: object, deadline: object) -> None:
    """Both are days or None, and the deadline is later."""
    first, last = fields.day(where, "earliest_start", start), fields.day(where, "deadline", deadline)
    if first and last and last <= first:
        raise InputError(f"deadline {last} is not after earliest_start {first}", where=where)


def check_dataset(where: str, dataset_gb: object, origin: object) -> None:
    """A data set to move has a size and a place."""
    if fields.number(where, "dataset_gb", dataset_gb, (0, 1e9)) > 0:
        fields.text(where, "dataset_origin", origin)
    else:
        fields.text(where, "dataset_origin", origin, empty=True)
