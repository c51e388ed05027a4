"""Training: tokens through a gang of nodes that start, stop and fail together."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..errors import InputError, significant
from ..perf.constants import constants
from ..perf.hardware import GIB, hardware
from ..perf.training import Gang, Trainer, chips
from ..perf.training_memory import training_memory
from . import fields
from .base import HOURS_PER_MONTH, HUGE, Workload, distinct
from .batch import check_dataset, check_window
from .modes import Excuse, ModeTable

if TYPE_CHECKING:
    from costdata import Catalog, Node

    from ..perf.architectures import Architecture
    from .base import Shapes

Array = np.ndarray[Any, np.dtype[Any]]
TRAINED_IN = ("bf16", "fp8")
MAX_GANG_SIZES = 5  # kept of a node shape
MAX_NODES = 2048
SHORTLIST = 16  # layouts of a gang size that are predicted in full, after physics alone
MAX_TENSOR_PARALLEL = 8
PIPELINES = 2 ** np.arange(7)  # stages: 1 to 64
EXPERT_GROUPS = 2 ** np.arange(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityBlock:
    """So many nodes for some days, as quoted by a provider: paid once, if it is bought."""

    provider: str
    region: str
    node: str
    nodes: int
    start: datetime.date
    end: datetime.date  # the day after its last (UTC)
    upfront_usd: float | Decimal

    def __post_init__(self) -> None:
        """Check every field."""
        where = "capacity block"
        for field in ("provider", "region", "node"):
            fields.text(where, field, getattr(self, field))
        fields.whole(where, "nodes", self.nodes, (1, 10**6))
        price = float(self.upfront_usd) if isinstance(self.upfront_usd, Decimal) else self.upfront_usd
        fields.number(where, "upfront_usd", price, (0, 1e9), above=True)
        first, last = fields.day(where, "start", self.start), fields.day(where, "end", self.end)
        if first is None or last is None or last <= first:
            raise InputError(f"end {last} is not after start {first}", where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Workload):
    """A training run of so many tokens, on one gang at a time, between two days."""

    tokens: int
    sequence_length: int = 8192
    global_batch_sequences: int = 512
    earliest_start: datetime.date | None = None
    deadline: datetime.date | None = None  # done before this day begins (UTC)
    max_accelerators: int = 4096
    checkpoint_minutes: float | Literal["auto"] = 30.0  # between checkpoints; auto: Daly's, of each gang
    checkpoint_cost_minutes: float = 0.0  # one checkpoint takes, work standing still; for auto
    restart_minutes: float = 10.0
    recompute: bool = True  # keep only layer inputs for the backward pass
    dataset_gb: float = 0.0
    dataset_origin: str = ""
    max_segments: int = 1  # this and what follows is for `autoparallel schedule`
    min_segment_hours: int = 1
    capacity_blocks: tuple[CapacityBlock, ...] = ()

    kind: ClassVar[str] = "training"
    unit: ClassVar[str] = "tokens"

    def __post_init__(self) -> None:
        """Check every field."""
        Workload.__post_init__(self)
        if self.precision not in TRAINED_IN:
            mend = f"use one of {', '.join(TRAINED_IN)}"
            raise InputError(f"precision {self.precision!r} is for serving", where=self.where, mend=mend)
        if self.max_spot_share not in (0, 1):
            raise InputError("max_spot_share of a gang is 0 or 1: it runs on one market", where=self.where)
        fields.whole(self.where, "tokens", self.tokens, (1, HUGE))
        fields.whole(self.where, "sequence_length", self.sequence_length, (1, 10**8))
        fields.whole(self.where, "global_batch_sequences", self.global_batch_sequences, (1, 10**7))
        fields.whole(self.where, "max_accelerators", self.max_accelerators, (1, 10**6))
        self._check_checkpoints()
        fields.number(self.where, "restart_minutes", self.restart_minutes, (0, 43_800))
        if not isinstance(self.recompute, bool):
            raise InputError(f"recompute must be true or false, not {self.recompute!r:.60}", where=self.where)
        fields.whole(self.where, "max_segments", self.max_segments, (1, 1000))
        fields.whole(self.where, "min_segment_hours", self.min_segment_hours, (1, 8784))
        check_window(self.where, self.earliest_start, self.deadline)
        check_dataset(self.where, self.dataset_gb, self.dataset_origin)
        self.check_context("sequence_length", self.sequence_length)

    def _check_checkpoints(self) -> None:
        automatic = self.checkpoint_minutes == "auto"
        if not automatic:
            fields.number(self.where, "checkpoint_minutes", self.checkpoint_minutes, (0, 43_800))
        cost = fields.number(self.where, "checkpoint_cost_minutes", self.checkpoint_cost_minutes, (0, 43_800))
        if automatic != (cost > 0):
            said = "checkpoint_minutes: auto and checkpoint_cost_minutes go together"
            mend = "give the minutes one checkpoint takes" if automatic else "write checkpoint_minutes: auto"
            raise InputError(said, where=self.where, mend=mend)

    @property
    def total_units(self) -> int:
        """Tokens to train on."""
        return self.tokens

    @property
    def hours_lost_per_interruption(self) -> float:
        """Half a checkpoint interval of work is lost on average, and the restart; with auto the restart alone."""
        work = 0.0 if isinstance(self.checkpoint_minutes, str) else self.checkpoint_minutes / 2
        return (work + self.restart_minutes) / 60

    def spot_factor(self, interruptions_per_month: Array, nodes_per_replica: Array) -> Array:
        """Share of throughput kept on spot nodes; with auto by Daly's complete model, checkpoints being counted."""
        if self.checkpoint_minutes != "auto":
            return Workload.spot_factor(self, interruptions_per_month, nodes_per_replica)
        from ..spot.effective import Gang

        gang = Gang(
            nodes=nodes_per_replica,
            failures_per_node_hour=interruptions_per_month / HOURS_PER_MONTH,
            checkpoint_hours=self.checkpoint_cost_minutes / 60,
            restart_hours=self.restart_minutes / 60,
        )
        return gang.useful_share(gang.best_interval_hours())

    def modes(self, catalog: Catalog) -> tuple[ModeTable, tuple[Excuse, ...]]:
        """The best layout of each gang size on each node shape, and an excuse for each shape without one.

        Gang sizes are powers of two of nodes. Kept are those with more tokens an hour than every smaller one, five at
        most: around the smallest that meets the deadline when both days are given, else spread from small to large.
        """
        nodes, excuses = self.open_nodes(catalog)
        if not nodes:
            return ModeTable.empty(), tuple(excuses)
        shapes = distinct(nodes)
        s = _survey(self, shapes)
        tables = []
        for index, (node, _) in enumerate(nodes):
            mine = np.flatnonzero(s.shape == shapes.shape_of[index])
            fit = mine[s.fits[mine] & (s.units[mine] > 0)]
            if len(fit):
                tables.append(self._table(node, s, self._sizes(_best(s.nodes[fit], s.units[fit], fit), s)))
            else:
                excuses.append(self.excuse(node, *self._bottleneck(node, s, mine)))
        return ModeTable.concat(tables), tuple(excuses)

    def _sizes(self, rows: Array, s: _Survey) -> Array:
        """At most MAX_GANG_SIZES of the rows, which are sorted by size."""
        if len(rows) <= MAX_GANG_SIZES:
            return rows
        if self.earliest_start is None or self.deadline is None:
            return rows[np.round(np.linspace(0, len(rows) - 1, MAX_GANG_SIZES)).astype(np.int64)]
        hours = (self.deadline - self.earliest_start).days * 24
        enough = np.flatnonzero(s.units[rows] * hours >= self.tokens)
        centre = int(enough[0]) if len(enough) else len(rows)
        first = int(np.clip(centre - MAX_GANG_SIZES // 2, 0, len(rows) - MAX_GANG_SIZES))
        return rows[first : first + MAX_GANG_SIZES]

    def _table(self, node: Node, s: _Survey, rows: Array) -> ModeTable:
        g, n = s.gang.take(rows), len(rows)
        return ModeTable.build(
            provider=[node.provider] * n,
            node=[node.name] * n,
            nodes_per_replica=s.nodes[rows],
            tensor_parallel=g.tensor_parallel,
            pipeline_parallel=g.pipeline_parallel,
            expert_parallel=g.expert_parallel,
            data_parallel=g.data_parallel,
            concurrency=g.data_parallel * g.pipeline_parallel,
            units_per_hour=s.units[rows],
            ttft_ms=np.full(n, np.nan),
            tpot_ms=np.full(n, np.nan),
            quantile=np.full(n, 0.5),
            evidence=s.evidence[rows],
            gpu_memory_gib=s.memory_gib[rows],
        )

    def _bottleneck(self, node: Node, s: _Survey, mine: Array) -> tuple[str, str]:
        if node.accelerators > self.max_accelerators:
            return "max_accelerators", f"one node has {node.accelerators}, the limit is {self.max_accelerators}"
        if not len(mine):
            return "batch", f"no layout splits {self.global_batch_sequences} sequences a step"
        row = mine[s.memory_gib[mine].argmin()]
        g, nodes = s.gang.take(np.array([row])), s.nodes[row]
        need = significant(s.memory_gib[row], 4)
        layout = f"tp={g.tensor_parallel[0]:.0f} pp={g.pipeline_parallel[0]:.0f} over {nodes} nodes"
        if node.nic_gbit_per_s <= 0:
            return "interconnect", f"needs {need} GiB per GPU on one node, and has no network for more"
        return (
            "memory",
            f"needs {need} GiB per GPU at {layout}, has {significant(s.usable_gib[row], 4)} GiB usable",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    """All candidates [K]."""

    shape: Array
    nodes: Array
    gang: Gang
    fits: Array
    memory_gib: Array
    usable_gib: Array
    units: Array  # tokens an hour; 0 where it does not fit, and for layouts that are not shortlisted
    evidence: Array  # text


def _survey(w: Training, shapes: Shapes) -> _Survey:
    grids = [_grid(w, w.architecture, node) for node, _ in shapes.pairs]
    shape = np.repeat(np.arange(len(grids)), [g.shape[1] for g in grids])
    nodes, accelerators, per_node, tensor, stages, experts, zero = np.concatenate(grids, axis=1).astype(np.float64)
    gang = Gang(
        accelerators=accelerators,
        per_node=per_node,
        tensor_parallel=tensor,
        pipeline_parallel=stages,
        expert_parallel=experts,
        zero_stage=zero,
    )
    hw = hardware(shapes.pairs).take(shape)
    trainer = Trainer(
        architecture=w.architecture,
        precision=w.stored,
        hardware=hw,
        gang=gang,
        constants=constants(),
        sequence_length=w.sequence_length,
        global_batch_sequences=w.global_batch_sequences,
        recompute=w.recompute,
        chips=chips([accelerator for _, accelerator in shapes.pairs]).take(shape),
    )
    memory, usable = training_memory(trainer).total / GIB, constants().assumed.trainable_hbm_share * hw.hbm_bytes / GIB
    listed = np.flatnonzero(memory <= usable)
    listed = listed[_shortlist(shape[listed], nodes[listed], trainer.take(listed).physics_s())]
    step = trainer.take(listed).prediction(intervals=False)
    units, evidence = np.zeros(len(shape), dtype=np.int64), np.full(len(shape), "physics", dtype=object)
    units[listed] = np.floor(3600 * w.global_batch_sequences * w.sequence_length / step.seconds)
    evidence[listed] = np.where(step.calibrated, "calibrated", "physics")
    return _Survey(
        shape=shape,
        nodes=nodes.astype(np.int64),
        gang=gang,
        fits=memory <= usable,
        memory_gib=memory,
        usable_gib=usable,
        units=units,
        evidence=evidence,
    )


def _shortlist(shape: Array, nodes: Array, step_s: Array) -> Array:
    """The rows of the quickest few layouts of each gang size on each node shape, ascending."""
    order = np.lexsort((step_s, nodes, shape))
    same = (np.diff(shape[order]) == 0) & (np.diff(nodes[order]) == 0)
    starts = np.flatnonzero(np.concatenate([[True], ~same])[: len(order)])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return np.sort(order[rank < SHORTLIST])


def _grid(w: Training, a: Architecture, node: Node) -> Array:
    """[7, K] nodes, accelerators, scale-up domain, tensor, pipeline, expert parallel, ZeRO of each sound layout."""
    count = node.accelerators
    most = min(MAX_NODES if node.nic_gbit_per_s > 0 else 1, w.max_accelerators // count)
    sizes = 2 ** np.arange(most.bit_length()) if most else np.zeros(0, dtype=np.int64)
    widths = np.array([t for t in (1, 2, 4, 8) if t <= min(count, MAX_TENSOR_PARALLEL) and a.attention_heads % t == 0])
    groups = EXPERT_GROUPS[a.experts % EXPERT_GROUPS == 0] if a.experts else np.ones(1, dtype=np.int64)
    mesh = np.meshgrid(sizes, widths, PIPELINES, groups, np.array([1, 3]), indexing="ij")
    nodes, tensor, stages, experts, zero = (axis.ravel() for axis in mesh)
    total = nodes * count
    copies = total // (tensor * stages)
    sound = (
        (copies * tensor * stages == total) & (copies >= 1) & (w.global_batch_sequences % np.maximum(copies, 1) == 0)
    )
    sound &= (stages <= a.layers) & (total % (stages * experts) == 0) & (experts <= copies * tensor)
    sound &= (zero == 1) | ((stages == 1) & (copies > 1))
    joined = np.full_like(total, max(count, node.scaleup_domain))
    return np.stack([nodes, total, joined, tensor, stages, experts, zero])[:, sound]


def _best(nodes: Array, units: Array, rows: Array) -> Array:
    """The most productive row of each size, sizes ascending, without sizes that a smaller one matches."""
    order = np.lexsort((-units, nodes))
    first = order[np.unique(nodes[order], return_index=True)[1]]
    rising = np.concatenate([[True], units[first][1:] > np.maximum.accumulate(units[first])[:-1]])
    return np.asarray(rows[first[rising]])
