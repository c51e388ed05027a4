"""Modes: what one replica of a workload does on whole nodes of one shape, and why other shapes were rejected."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """Why a node shape has no mode for a workload, with the numbers that decided it."""

    workload: str
    provider: str
    node: str
    bottleneck: str  # "filter", "no performance model", "precision", "memory", "interconnect", "tpot", "ttft", ...
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeTable:
    """Columns of equal length, one row a mode; a replica always takes whole nodes."""

    provider: Array  # str
    node: Array  # str
    nodes_per_replica: Array  # int64
    tensor_parallel: Array  # int64
    pipeline_parallel: Array  # int64
    expert_parallel: Array  # int64, 1 unless experts are placed whole on different accelerators
    data_parallel: Array  # int64, copies (of the model, or of its attention when expert_parallel > 1) in the replica
    concurrency: Array  # int64, sequences in flight in the replica (for training: sequences of a micro-batch step)
    units_per_hour: Array  # int64, requests or tokens of the replica, rounded down
    ttft_ms: Array  # float at the quantile, without the network; NaN where there is no target
    tpot_ms: Array  # float at the quantile; NaN for training
    quantile: Array  # float
    evidence: Array  # "calibrated" on measurements of this accelerator, or "physics" alone
    gpu_memory_gib: Array  # float, the fullest accelerator

    def __len__(self) -> int:
        """Number of modes."""
        return len(self.node)

    def take(self, rows: Array) -> ModeTable:
        """Rows by boolean mask or index."""
        return ModeTable(**{name: getattr(self, name)[rows] for name in COLUMNS})

    def to_table(self) -> Table:
        """The same columns as a Table."""
        return Table({name: getattr(self, name) for name in COLUMNS})

    @classmethod
    def build(cls, **columns: Array | Sequence[Any]) -> ModeTable:
        """A table from columns of any sequence type, each brought to its own type."""
        return cls(**{name: np.asarray(columns[name], dtype=TYPES[name]) for name in COLUMNS})

    @classmethod
    def empty(cls) -> ModeTable:
        """No modes."""
        return cls.build(**{name: [] for name in COLUMNS})

    @classmethod
    def concat(cls, tables: Sequence[ModeTable]) -> ModeTable:
        """The rows of all tables, in order."""
        if not tables:
            return cls.empty()
        return cls(**{name: np.concatenate([getattr(t, name) for t in tables]) for name in COLUMNS})

    def undominated(self) -> ModeTable:
        """Without the modes that another mode of the same node beats or equals in nodes, units and TTFT (exact)."""
        key = np.unique(np.stack([self.provider.astype(str), self.node.astype(str)]), axis=1, return_inverse=True)[1]
        group = np.reshape(key, -1)
        return self.take(pareto(self.nodes_per_replica, -self.units_per_hour, self.ttft_ms, group=group))


COLUMNS = tuple(f.name for f in dataclasses.fields(ModeTable))
TYPES: dict[str, Any] = dict.fromkeys(COLUMNS, np.int64) | {
    "provider": object,
    "node": object,
    "evidence": object,
    "ttft_ms": np.float64,
    "tpot_ms": np.float64,
    "quantile": np.float64,
    "gpu_memory_gib": np.float64,
}


def pareto(*costs: Array, group: Array) -> Array:
    """Mask [N] of rows that no row of the same group matches or beats in every cost (the first of equals stays)."""
    rows = np.stack([np.nan_to_num(np.asarray(cost, dtype=np.float64)) for cost in costs], axis=-1)
    keep = np.ones(len(group), dtype=bool)
    for value in np.unique(group):
        index = np.flatnonzero(group == value)
        part = rows[index]
        below = (part[:, None, :] <= part[None, :, :]).all(axis=-1)  # [i, j]: i is at least as good as j
        strict = below & ~below.T
        first = below & below.T & (np.arange(len(index))[:, None] < np.arange(len(index))[None, :])
        keep[index] = ~(strict | first).any(axis=0)
    return keep
