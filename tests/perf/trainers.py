"""Training runs on one row of hardware, for tests of their physics and their memory."""

from __future__ import annotations

import numpy as np

from solver.perf import architecture
from solver.perf.constants import constants, precision
from solver.perf.hardware import Hardware
from solver.perf.training import Gang, Trainer


def trainer(
    hw: Hardware,
    model: str,
    gang: tuple[int, int, int, int, int] = (512, 8, 8, 1, 1),
    stored: str = "bf16",
    batch: int = 1024,
    recompute: bool = False,
    sequence: int = 8192,
) -> Trainer:
    """A trainer on one row; gang is (accelerators, tensor, pipeline, expert, ZeRO stage)."""
    names = ("accelerators", "tensor_parallel", "pipeline_parallel", "expert_parallel", "zero_stage")
    columns = {name: np.array([float(value)]) for name, value in zip(names, gang, strict=True)}
    return Trainer(
        architecture=architecture(model),
        precision=precision(stored),
        hardware=hw,
        gang=Gang(per_node=np.array([8.0]), **columns),
        constants=constants(),
        sequence_length=sequence,
        global_batch_sequences=batch,
        recompute=recompute,
    )
