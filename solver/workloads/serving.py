"""Serving: requests that arrive at their own time and want an answer within latency targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import InputError, significant
from ..perf.constants import constants
from . import fields
from .base import Workload, distinct
from .inference import Survey, check_requests, measured_in, survey
from .modes import Excuse, ModeTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costdata import Catalog, Node

Array = np.ndarray[Any, np.dtype[Any]]
MAX_PER_SHAPE = 4  # modes kept of a node shape, see `_thin`
TTFT_STEP = 1.05  # two kept modes of as many nodes differ by at least this factor in TTFT
NETWORK_ALLOWANCE_MS = (0.0, 60.0, 150.0, 300.0)  # round trips within a region, a continent, an ocean, the world

_OFFICE = (0.15,) * 6 + (0.3, 0.55, 0.85, 1, 1, 0.95, 0.85, 0.95, 1, 1, 0.95, 0.8, 0.55, 0.4, 0.3, 0.25, 0.2, 0.15)
_CONSUMER = (0.45, 0.35, 0.3, 0.25, 0.25, 0.3, 0.4, 0.55, 0.65, 0.7, 0.75, 0.8, 0.85, 0.85, 0.8, 0.8, 0.85, 0.9, 0.95)
PROFILES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"flat": (1.0,) * 24, "office": _OFFICE, "consumer": (*_CONSUMER, 1, 1, 0.95, 0.8, 0.6)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests from one origin.

    `requests_per_hour` is the rate at the peak hour of a weekday; `profile` scales it by UTC hour (24 factors in
    (0, 1], or a named profile), `weekend_factor` on Saturdays and Sundays, `growth_per_month` month by month.
    """

    origin: str
    requests_per_hour: float
    profile: str | tuple[float, ...] = "flat"
    growth_per_month: float = 0.0
    weekend_factor: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"traffic from {fields.text('traffic', 'origin', self.origin)!r}"
        fields.number(where, "requests_per_hour", self.requests_per_hour, (0, 1e12), above=True)
        fields.number(where, "growth_per_month", self.growth_per_month, (-0.9, 1.0))
        fields.number(where, "weekend_factor", self.weekend_factor, (0, 10))
        if isinstance(self.profile, str):
            if self.profile not in PROFILES:
                mend = f"use one of {', '.join(PROFILES)}, or 24 factors"
                raise InputError(f"unknown profile {self.profile!r}", where=where, mend=mend)
        else:
            if not isinstance(self.profile, Sequence):
                raise InputError(f"profile must be a name or 24 factors, not {self.profile!r:.60}", where=where)
            factors = tuple(fields.number(where, "profile", f, (0, 1), above=True) for f in self.profile)
            if len(factors) != 24:  # noqa: PLR2004
                raise InputError(f"profile must have 24 factors, not {len(factors)}", where=where)
            object.__setattr__(self, "profile", factors)

    @property
    def factors(self) -> tuple[float, ...]:
        """The 24 factors by UTC hour."""
        return PROFILES[self.profile] if isinstance(self.profile, str) else self.profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving(Workload):
    """A model served under time-to-first-token and time-per-output-token targets that hold at a quantile."""

    input_tokens: int
    output_tokens: int
    ttft_ms: float
    tpot_ms: float
    quantile: float = 0.9
    engine: str = "vllm"
    measurements: str = ""  # path of a CSV of your own: columns of `predict_serving`, with tpot_ms, ttft_ms or both
    traffic: tuple[Traffic, ...]
    recovery_minutes: float = 5.0  # from an interruption until a new replica serves
    transfer_kb_per_request: float | None = None  # request and response; None: 4 bytes a token

    kind: ClassVar[str] = "serving"
    unit: ClassVar[str] = "requests"

    def __post_init__(self) -> None:
        """Check every field."""
        Workload.__post_init__(self)
        check_requests(self.where, self.input_tokens, self.output_tokens, self.engine, self.measurements)
        fields.number(self.where, "ttft_ms", self.ttft_ms, (0, 1e9), above=True)
        fields.number(self.where, "tpot_ms", self.tpot_ms, (0, 1e9), above=True)
        fields.number(self.where, "quantile", self.quantile, (0.5, 0.9999))
        fields.number(self.where, "recovery_minutes", self.recovery_minutes, (0, 43_800))
        if self.transfer_kb_per_request is not None:
            fields.number(self.where, "transfer_kb_per_request", self.transfer_kb_per_request, (0, 1e9))
        if not self.traffic or not all(isinstance(t, Traffic) for t in self.traffic):
            raise InputError(
                "traffic must name at least one origin", where=self.where, mend="add traffic: [{origin: ...}]"
            )
        object.__setattr__(self, "traffic", tuple(self.traffic))
        self.check_context("input_tokens + output_tokens", self.input_tokens + self.output_tokens)

    @property
    def hours_lost_per_interruption(self) -> float:
        """Hours a replica is gone."""
        return self.recovery_minutes / 60

    @property
    def bytes_per_request(self) -> float:
        """Payload of a request and its response."""
        if self.transfer_kb_per_request is not None:
            return 1e3 * self.transfer_kb_per_request
        return 4.0 * (self.input_tokens + self.output_tokens)

    def modes(self, catalog: Catalog) -> tuple[ModeTable, tuple[Excuse, ...]]:
        """Modes that meet the targets on each node shape, and an excuse for each shape without one.

        The candidate set of a shape: of all layouts and concurrencies that fit and meet both targets at the quantile,
        the most productive mode of the smallest replica, and the most productive one per node that leaves 0, 60, 150
        and 300 ms of the TTFT target to the network; four at most, at least 5 % apart in TTFT, none dominated.
        """
        nodes, excuses = self.open_nodes(catalog)
        if not nodes:
            return ModeTable.empty(), tuple(excuses)
        shapes = distinct(nodes)
        lengths = (self.input_tokens, self.output_tokens)
        s = survey(self.architecture, self.stored, shapes, *lengths, self.engine, measured_in(self.measurements))
        ttft, tpot = self._at_quantile(s)
        good = s.fits & (tpot <= self.tpot_ms) & (ttft <= self.ttft_ms)
        rate = s.requests_per_s(NormalDist().inv_cdf(self.quantile))
        units = np.floor(3600 * rate * staffing(s.concurrency, self.quantile)).astype(np.int64)
        row, column = np.nonzero(good & (units > 0))
        chosen = self._select(s.shape[row], s.nodes[row], units[row, column], ttft[row, column])
        row, column = row[chosen], column[chosen]
        tables = []
        for index, (node, _) in enumerate(nodes):
            shape = shapes.shape_of[index]
            mine = np.flatnonzero(s.shape[row] == shape)
            if len(mine):
                cell = (row[mine], column[mine])
                measured = {"units_per_hour": units[cell], "ttft_ms": ttft[cell], "tpot_ms": tpot[cell]}
                tables.append(self._table(node, s, cell, measured))
            else:
                excuses.append(self.excuse(node, *self._bottleneck(s, s.shape == shape, ttft, tpot)))
        return ModeTable.concat(tables), tuple(excuses)

    def _at_quantile(self, s: Survey) -> tuple[Array, Array]:
        """Latencies at the quantile: means × exp(z σ); σ² adds the spread between requests and that of the model."""
        z, assumed = NormalDist().inv_cdf(self.quantile), constants().assumed
        ttft = s.ttft_ms * np.exp(z * np.hypot(assumed.ttft_log_sigma, s.ttft_sigma))
        return ttft, s.tpot_ms * np.exp(z * np.hypot(assumed.tpot_log_sigma, s.tpot_sigma))

    def _select(self, shape: Array, nodes: Array, units: Array, ttft: Array) -> Array:
        """Rows kept, of candidates that are sorted by shape."""
        starts = np.flatnonzero(np.diff(shape, prepend=-1))
        parts = [
            _picks(rows, units[rows] / nodes[rows], nodes[rows], ttft[rows], self.ttft_ms)
            for rows in np.split(np.arange(len(shape)), starts[1:])
            if len(rows)
        ]
        return np.concatenate([*parts, np.zeros(0, dtype=np.int64)]).astype(np.int64)

    def _table(self, node: Node, s: Survey, cell: tuple[Array, Array], measured: dict[str, Array]) -> ModeTable:
        row, n = cell[0], len(cell[0])
        return ModeTable.build(
            provider=[node.provider] * n,
            node=[node.name] * n,
            nodes_per_replica=s.nodes[row],
            tensor_parallel=s.layout.tensor_parallel[row],
            pipeline_parallel=s.layout.pipeline_parallel[row],
            expert_parallel=s.layout.expert_parallel[row],
            data_parallel=s.data_parallel[row],
            concurrency=s.concurrency[cell],
            **measured,
            quantile=np.full(n, self.quantile),
            evidence=s.evidence[row],
            gpu_memory_gib=s.memory_gib[cell],
        ).undominated()

    def _bottleneck(self, s: Survey, mine: Array, ttft: Array, tpot: Array) -> tuple[str, str]:
        """The first limit that leaves nothing: memory, then TPOT, then TTFT, then both together."""
        fits = s.fits & mine[:, None]
        if not fits.any():
            return memory_excuse(s, mine)
        at = f"at the {self.quantile:.0%} quantile"
        best = np.where(fits, tpot, np.inf)
        if best.min() > self.tpot_ms:
            tp = s.layout.tensor_parallel[np.unravel_index(best.argmin(), best.shape)[0]]
            return (
                "tpot",
                f"{significant(best.min())} ms per output token at best (tp={tp:.0f}) {at}, target {self.tpot_ms:g} ms",
            )
        quick = np.where(fits & (tpot <= self.tpot_ms), ttft, np.inf).min()
        if quick > self.ttft_ms:
            return "ttft", f"{significant(quick, 4)} ms to the first token at best {at}, target {self.ttft_ms:g} ms"
        return "throughput", "less than one request an hour within the targets"


def memory_excuse(s: Survey, mine: Array) -> tuple[str, str]:
    """Says what the leanest layout of a shape needs on an accelerator."""
    need = np.where(mine[:, None] & s.busy, s.memory_gib, np.inf)
    row, _ = np.unravel_index(need.argmin(), need.shape)
    tp, nodes = s.layout.tensor_parallel[row], s.nodes[row]
    where = f"tp={tp:.0f}" + (f" over {nodes} nodes" if nodes > 1 else "")
    least, usable = significant(need.min(), 4), significant(s.usable_gib[row], 4)
    return "memory", f"needs {least} GiB per GPU at {where}, has {usable} GiB usable"


def staffing(places: Array, quantile: float) -> Array:
    """Share of `places` that may be busy on average so that an arrival finds one free at the quantile.

    Square-root staffing (Halfin and Whitt 1981): places = load + z √load, solved for load.
    """
    z = NormalDist().inv_cdf(quantile)
    root = (-z + np.sqrt(z * z + 4 * places)) / 2
    return np.asarray(root * root / places)


def _picks(rows: Array, rate: Array, nodes: Array, ttft: Array, target_ms: float) -> Array:
    """Of a shape's candidates: the smallest replica's best, and the best per node for each network allowance."""
    order = np.lexsort((nodes, ttft, -rate))  # among equals the quicker, then the smaller
    small = order[nodes[order] == nodes.min()][0]
    picks = [int(small)]
    for allowance in NETWORK_ALLOWANCE_MS:
        within = order[ttft[order] <= target_ms - allowance]
        if not len(within) or len(picks) == MAX_PER_SHAPE:
            break
        best = int(within[0])
        if all(nodes[best] != nodes[i] or not 1 / TTFT_STEP < ttft[best] / ttft[i] < TTFT_STEP for i in picks):
            picks.append(best)
    return np.asarray(rows[np.sort(picks)])
