"""What the physics needs of nodes and layouts: columns, one row a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costdata import Accelerator, Node

Array = np.ndarray[Any, np.dtype[np.float64]]
Rows = np.ndarray[Any, np.dtype[Any]]
Column = tuple[slice, None]  # rows against a grid
GIB = float(1 << 30)
USUAL_NETWORK_BYTES_PER_S = 50e9  # of an accelerator, one direction
NVLINK_GB_PER_S = 100.0  # slower scale-up links are PCIe
STACKED_GB_PER_S = 1_900.0  # least bandwidth of an accelerator with stacked memory
CLASSES = ("ampere", "ada", "hopper", "blackwell", "blackwell-gddr", "cdna3", "cdna4", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One row a candidate: arrays of float [K], bytes and FLOP a second for one accelerator."""

    hbm_bytes: Array
    hbm_bytes_per_s: Array
    bf16_flop_per_s: Array
    fp8_flop_per_s: Array
    fp4_flop_per_s: Array
    scaleup_bytes_per_s: Array  # one direction
    scaleout_bytes_per_s: Array  # the node's network shared by its accelerators
    generation: Rows  # int [K], index into GENERATIONS

    def take(self, rows: Rows) -> Hardware:
        """Rows by mask or index."""
        return Hardware(**{name: getattr(self, name)[rows] for name in self.__slots__})

    def column(self) -> Hardware:
        """The same rows as [K, 1], to broadcast against a concurrency grid."""
        return self.take((slice(None), None))  # type: ignore[arg-type]


def hardware(pairs: Sequence[tuple[Node, Accelerator]]) -> Hardware:
    """Columns of (node, accelerator) pairs."""
    network = [n.nic_gbit_per_s / max(1, n.accelerators) * 1e9 / 8 for n, _ in pairs]
    return _columns([a for _, a in pairs], [n.scaleup_gb_per_s for n, _ in pairs], network)


def of_accelerators(accelerators: Sequence[Accelerator]) -> Hardware:
    """Columns of accelerators in machines of their usual make: joined by their own links, 400 Gbit/s each to others."""
    network = [USUAL_NETWORK_BYTES_PER_S] * len(accelerators)
    return _columns(accelerators, [a.scaleup_gb_per_s for a in accelerators], network)


def _columns(
    accelerators: Sequence[Accelerator], scaleup_gb_per_s: Sequence[float], scaleout_bytes_per_s: Sequence[float]
) -> Hardware:
    def column(values: Sequence[float], scale: float = 1.0) -> Array:
        return np.array(values, dtype=np.float64) * scale

    return Hardware(
        hbm_bytes=column([a.hbm_gib for a in accelerators], GIB),
        hbm_bytes_per_s=column([a.hbm_gb_per_s for a in accelerators], 1e9),
        bf16_flop_per_s=column([a.bf16_tflop_per_s for a in accelerators], 1e12),
        fp8_flop_per_s=column([a.fp8_tflop_per_s for a in accelerators], 1e12),
        fp4_flop_per_s=column([a.fp4_tflop_per_s for a in accelerators], 1e12),
        scaleup_bytes_per_s=column(scaleup_gb_per_s, 1e9),
        scaleout_bytes_per_s=column(scaleout_bytes_per_s),
        generation=np.array([int(a.fp4_tflop_per_s > 0) for a in accelerators], dtype=np.int64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one engine (one copy of the model) is laid over accelerators: float arrays [K].

    An engine spans tensor × data × pipeline accelerators. `data_parallel` here is attention data parallelism
    inside the engine (1 unless experts are shared by several attention ranks); experts are split over
    tensor × data accelerators, by expert when `expert_parallel` > 1 and by tensor otherwise.
    """

    tensor_parallel: Array
    pipeline_parallel: Array
    data_parallel: Array
    expert_parallel: Array

    def take(self, rows: Rows) -> Layout:
        """Rows by mask or index."""
        return Layout(**{name: getattr(self, name)[rows] for name in self.__slots__})

    def column(self) -> Layout:
        """The same rows as [K, 1], to broadcast against a concurrency grid."""
        return self.take((slice(None), None))  # type: ignore[arg-type]

    @property
    def stage_accelerators(self) -> Array:
        """Accelerators of one pipeline stage."""
        return self.tensor_parallel * self.data_parallel


def accelerator_class(a: Accelerator) -> str:
    """Which of CLASSES an accelerator is of, told by its units and memory."""
    if a.vendor == "AMD":
        return "cdna4" if a.fp4_tflop_per_s else "cdna3"
    if a.vendor != "NVIDIA":
        return "other"
    wide = a.hbm_gb_per_s >= STACKED_GB_PER_S
    if a.fp4_tflop_per_s:
        return "blackwell" if wide else "blackwell-gddr"
    if a.fp8_tflop_per_s:
        return "hopper" if wide else "ada"
    return "ampere"
