"""Training physics: utilisation in the published range, directions that hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.perf import architecture, registry
from solver.perf.hardware import Hardware
from tests.perf.trainers import trainer

Machine = Callable[..., Hardware]
QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def test_dense_utilisation_is_in_the_published_range(machine: Machine) -> None:
    """Llama-3 reports 38 to 43 % on up to 16k H100 in BF16 (arXiv 2407.21783, table 4); smaller runs reach 50 %."""
    assert 0.38 <= trainer(machine("H100"), "llama-3.1-70b", (256, 4, 8, 1, 1)).mfu()[0] <= 0.55
    assert 0.35 <= trainer(machine("H100"), "llama-3.1-405b", (8192, 8, 16, 1, 1), batch=2048).mfu()[0] <= 0.55


def test_experts_lower_the_utilisation(machine: Machine) -> None:
    """DeepSeek-V3 on H100 against a dense model of its active size class."""
    mixture = trainer(machine("H100"), "deepseek-v3", (512, 1, 8, 64, 1), batch=4096, sequence=4096).mfu()[0]
    dense = trainer(machine("H100"), "llama-3.1-70b", (512, 4, 4, 1, 1), batch=4096, sequence=4096).mfu()[0]
    assert 0.1 < mixture < 0.75 * dense


def test_flop_per_token_by_hand() -> None:
    """6 a parameter, and 12 × layers × hidden × sequence ÷ 2 for causal attention."""
    a = architecture("llama-3.1-70b")
    hw = np.ones(1)
    any_hw = Hardware(**dict.fromkeys(Hardware.__slots__, hw))
    weights = a.attention_parameters + a.dense_ffn_parameters + a.head_parameters
    attention = 3 * 80 * 4 * 8192 * 8192 / 2
    assert trainer(any_hw, "llama-3.1-70b").model_flop_per_token() == pytest.approx(6 * weights + attention)


def test_step_is_never_faster_than_peak(machine: Machine) -> None:
    """All FLOP of a step at the peak of all accelerators."""
    t = trainer(machine("H100"), "llama-3.1-8b", (64, 1, 1, 1, 1), batch=256)
    floor = t.model_flop_per_token() * 256 * 8192 / (64 * 989e12)
    assert t.step_s()[0] > floor


def test_recomputation_costs_a_third_more_compute(machine: Machine) -> None:
    """The forward pass is done twice."""
    keep = trainer(machine("H100"), "llama-3.1-70b", (64, 8, 4, 1, 1), batch=64)
    again = trainer(machine("H100"), "llama-3.1-70b", (64, 8, 4, 1, 1), batch=64, recompute=True)
    assert 1.2 < again.step_s()[0] / keep.step_s()[0] < 1.5


def test_more_micro_batches_shrink_the_bubble(machine: Machine) -> None:
    """16 stages: tokens a second rise with the batch."""
    rates = [
        trainer(machine("H100"), "llama-3.1-70b", (128, 8, 16, 1, 1), batch=b).tokens_per_s()[0] for b in (8, 64, 512)
    ]
    assert rates[0] < rates[1] < rates[2]


@QUICK
@given(
    model=st.sampled_from(["llama-3.1-8b", "llama-3.1-70b", "deepseek-v3"]),
    figure=st.sampled_from(["hbm_bytes_per_s", "scaleup_bytes_per_s", "scaleout_bytes_per_s"]),
    factor=st.floats(1.0, 10.0),
    gang=st.sampled_from([(64, 8, 8, 1, 1), (64, 1, 8, 8, 1), (64, 4, 1, 8, 3), (512, 2, 4, 64, 1)]),
)
def test_better_links_are_never_slower(
    machine: Machine, model: str, figure: str, factor: float, gang: tuple[int, int, int, int, int]
) -> None:
    """Memory bandwidth, scale-up and scale-out."""
    base = trainer(machine("H100"), model, gang).step_s()[0]
    assert trainer(machine("H100", **{figure: factor}), model, gang).step_s()[0] <= base * (1 + 1e-9)


def test_every_architecture_is_finite(machine: Machine) -> None:
    """Time, and utilisation below 1, for every packaged model."""
    for model in registry():
        t = trainer(machine("B200"), model, (512, 1, 4, 1, 1), sequence=4096)
        assert 0 < t.mfu()[0] < 1, model
