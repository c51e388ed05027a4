"""Rows of hardware and layout for tests of the physics; figures from the vendors' data sheets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from solver.perf.hardware import GIB, Hardware, Layout

SHEETS = {  # GiB, GB/s, dense TFLOP/s BF16, FP8, FP4, scale-up GB/s one way, network Gbit/s per accelerator
    "A100-80": (80, 2039, 312, 0, 0, 300, 200),
    "H100": (80, 3350, 989, 1979, 0, 450, 400),
    "B200": (180, 7700, 2250, 4500, 9000, 900, 400),
    "L4": (24, 300, 121, 242, 0, 32, 12),
}


@pytest.fixture(scope="session")
def machine() -> Callable[..., Hardware]:
    """One row of hardware by accelerator name, any figure scaled by a keyword."""

    def make(name: str, **factors: float) -> Hardware:
        hbm, bandwidth, bf16, fp8, fp4, scaleup, network = SHEETS[name]
        figures = {
            "hbm_bytes": hbm * GIB,
            "hbm_bytes_per_s": bandwidth * 1e9,
            "bf16_flop_per_s": bf16 * 1e12,
            "fp8_flop_per_s": fp8 * 1e12,
            "fp4_flop_per_s": fp4 * 1e12,
            "scaleup_bytes_per_s": scaleup * 1e9,
            "scaleout_bytes_per_s": network * 1e9 / 8,
        }
        columns = {key: np.array([value * factors.get(key, 1.0)]) for key, value in figures.items()}
        return Hardware(**columns, generation=np.array([int(fp4 > 0)]))

    return make


@pytest.fixture(scope="session")
def layout() -> Callable[..., Layout]:
    """One row of layout."""

    def make(tensor: int = 1, pipeline: int = 1, data: int = 1, expert: int = 1) -> Layout:
        values = (tensor, pipeline, data, expert)
        names = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")
        return Layout(**{name: np.array([float(value)]) for name, value in zip(names, values, strict=True)})

    return make
