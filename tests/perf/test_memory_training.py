"""Memory of an accelerator that trains, against hand arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from solver.perf import architecture, registry
from solver.perf.constants import constants, precision
from solver.perf.hardware import Hardware
from solver.perf.training import Gang, Trainer
from solver.perf.training_memory import training_memory

Machine = Callable[..., Hardware]


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


def test_optimizer_memory_by_hand(machine: Machine) -> None:
    """8.03 B parameters over 8 copies: ZeRO-1 keeps 2 + 4 bytes and an eighth of 12; ZeRO-3 an eighth of 18."""
    a = architecture("llama-3.1-8b")
    one = training_memory(trainer(machine("H100"), "llama-3.1-8b", (8, 1, 1, 1, 1)))
    assert one.weights[0] == 2 * a.parameters
    assert one.gradients[0] == 4 * a.parameters
    assert one.optimizer[0] == 12 * a.parameters / 8
    three = training_memory(trainer(machine("H100"), "llama-3.1-8b", (8, 1, 1, 1, 3)))
    assert three.weights[0] == pytest.approx(2 * a.parameters / 8 + 2 * 2 * a.parameters / 32)
    assert three.gradients[0] == 4 * a.parameters / 8


def test_expert_copies_are_not_the_dense_copies(machine: Machine) -> None:
    """64 accelerators, experts over all of them: the optimiser of an expert is nowhere else, so nothing is saved."""
    a = architecture("deepseek-v3")
    m = training_memory(trainer(machine("H100"), "deepseek-v3", (64, 1, 1, 64, 1), batch=64))
    dense = a.parameters - a.expert_parameters
    assert m.weights[0] == pytest.approx(2 * (dense + a.expert_parameters / 64))
    assert m.optimizer[0] == pytest.approx(12 * (dense / 64 + a.expert_parameters / 64))


def test_recomputation_keeps_far_less(machine: Machine) -> None:
    """Only the input of each layer."""
    keep = trainer(machine("H100"), "llama-3.1-70b", (64, 8, 4, 1, 1), batch=64)
    again = trainer(machine("H100"), "llama-3.1-70b", (64, 8, 4, 1, 1), batch=64, recompute=True)
    assert training_memory(again).activations[0] < training_memory(keep).activations[0] / 4


def test_every_architecture_is_finite(machine: Machine) -> None:
    """For every packaged model."""
    for model in registry():
        t = trainer(machine("B200"), model, (512, 1, 4, 1, 1), sequence=4096)
        assert np.isfinite(training_memory(t).total).all(), model
