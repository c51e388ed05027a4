"""Modes of batch and training jobs."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.perf import registry
from solver.workloads import Batch, Serving, Traffic, Training

QUICK = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def batch(**changes: Any) -> Batch:
    """A batch of a million requests."""
    base: dict[str, Any] = {
        "name": "nightly",
        "model": "llama-3.1-70b",
        "precision": "fp8",
        "input_tokens": 2000,
        "output_tokens": 300,
    }
    return Batch(**(base | {"requests": 10**6} | changes))


def training(**changes: Any) -> Training:
    """A run of a trillion tokens."""
    base: dict[str, Any] = {"name": "run", "model": "llama-3.1-70b", "tokens": 10**12}
    return Training(**(base | changes))


def test_batch_has_one_mode_or_excuse_a_shape(catalog: Any) -> None:
    """The most productive."""
    modes, excuses = batch().modes(catalog)
    keys = list(zip(modes.provider, modes.node, strict=True)) + [(e.provider, e.node) for e in excuses]
    assert sorted(keys) == sorted(catalog.nodes)


def test_batch_outproduces_serving(catalog: Any) -> None:
    """Without latency targets a node never does less."""
    jobs, _ = batch().modes(catalog)
    served, _ = Serving(
        name="chat",
        model="llama-3.1-70b",
        precision="fp8",
        input_tokens=2000,
        output_tokens=300,
        ttft_ms=1000,
        tpot_ms=40,
        traffic=(Traffic(origin="paris", requests_per_hour=1),),
    ).modes(catalog)
    assert len(served)
    for node in set(served.node):
        mine, theirs = jobs.take(jobs.node == node), served.take(served.node == node)
        assert (mine.units_per_hour / mine.nodes_per_replica).max() >= (
            theirs.units_per_hour / theirs.nodes_per_replica
        ).max()


def test_batch_that_fits_nowhere_is_excused_everywhere(catalog: Any) -> None:
    """A 405 B model in BF16 on single L4 cards."""
    modes, excuses = batch(model="llama-3.1-405b", precision="bf16", accelerators=("L4", "T4")).modes(catalog)
    assert len(modes) == 0
    assert {e.bottleneck for e in excuses if e.node in {"g6.xlarge", "g6.48xlarge", "g4dn.xlarge"}} == {"memory"}


def test_gangs_grow_with_nodes_and_fit(catalog: Any) -> None:
    """Powers of two, five sizes at most, more tokens for more nodes, never more than linear by far."""
    modes, excuses = training().modes(catalog)
    assert len(modes)
    for key in set(zip(modes.provider, modes.node, strict=True)):
        mine = modes.take((modes.provider == key[0]) & (modes.node == key[1]))
        node = catalog.nodes[key]
        assert 1 <= len(mine) <= 5
        assert (np.diff(mine.nodes_per_replica) > 0).all()
        assert (np.diff(mine.units_per_hour) > 0).all()
        assert all(n & (n - 1) == 0 for n in mine.nodes_per_replica.tolist())
        product = mine.tensor_parallel * mine.pipeline_parallel * mine.data_parallel
        assert (product == mine.nodes_per_replica * node.accelerators).all()
        assert (product <= 4096).all()
        assert (mine.gpu_memory_gib <= 0.94 * catalog.accelerators[node.accelerator].hbm_gib).all()
        assert np.isnan(mine.tpot_ms).all()
    keys = set(zip(modes.provider, modes.node, strict=True)) | {(e.provider, e.node) for e in excuses}
    assert keys == set(catalog.nodes)


def test_gang_sizes_stand_around_the_deadline(catalog: Any) -> None:
    """The smallest gang that is quick enough is among them, unless none is."""
    start = datetime.date(2027, 1, 1)
    for days in (10, 60, 365):
        w = training(earliest_start=start, deadline=start + datetime.timedelta(days=days), tokens=2 * 10**11)
        every = {
            s: training(tokens=1, max_accelerators=8 * s).modes(catalog)[0]
            for s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
        }
        sizes = [s for s, m in every.items() if _rate(m, s) * days * 24 >= w.tokens]
        modes, _ = w.modes(catalog)
        kept = modes.nodes_per_replica[modes.node == "p5.48xlarge"].tolist()
        assert min(sizes) in kept


def _rate(modes: Any, size: int) -> int:
    rows = (modes.node == "p5.48xlarge") & (modes.nodes_per_replica == size)
    return int(modes.units_per_hour[rows].max()) if rows.any() else 0


@pytest.mark.parametrize(
    ("node", "changes", "bottleneck"),
    [
        ("p5.48xlarge", {"max_accelerators": 4}, "max_accelerators"),
        ("p5.48xlarge", {"max_accelerators": 8}, "memory"),
        ("g4dn.xlarge", {}, "memory"),
        ("p4d.24xlarge", {"precision": "fp8"}, "precision"),
        ("ct6e-standard-8t", {}, "no performance model"),
        ("p5.48xlarge", {"providers": ("gcp",)}, "filter"),
    ],
)
def test_training_excuses(catalog: Any, node: str, changes: dict[str, Any], bottleneck: str) -> None:
    """With numbers in the detail."""
    _, excuses = training(**changes).modes(catalog)
    found = next(e for e in excuses if e.node == node)
    assert found.bottleneck == bottleneck
    assert bottleneck != "memory" or "GiB per GPU" in found.detail


def test_training_without_a_network_stays_on_one_node(catalog: Any) -> None:
    """And says that the network is what is missing."""
    nodes = {("x", "island"): type(catalog.nodes["aws", "p5.48xlarge"])("x", "island", "H100", 8, 0, 450, 8)}
    alone = type(catalog)(catalog.accelerators, nodes)
    modes, excuses = training(model="llama-3.1-8b").modes(alone)
    assert set(modes.nodes_per_replica.tolist()) == {1}
    modes, excuses = training().modes(alone)
    assert len(modes) == 0
    assert excuses[0].bottleneck == "interconnect"


@QUICK
@given(smaller=st.integers(8, 4096), more=st.integers(0, 4096))
def test_a_larger_limit_never_gives_a_slower_fastest_gang(catalog: Any, smaller: int, more: int) -> None:
    """max_accelerators only adds choices."""
    few, _ = training(max_accelerators=smaller).modes(catalog)
    many, _ = training(max_accelerators=smaller + more).modes(catalog)
    for node in set(few.node):
        assert many.units_per_hour[many.node == node].max() >= few.units_per_hour[few.node == node].max()


@pytest.mark.parametrize("stored", ["bf16", "fp8"])
def test_every_architecture_trains_finitely(catalog: Any, stored: str) -> None:
    """Positive rates for every model that fits somewhere."""
    for model, a in registry().items():
        w = training(model=model, precision=stored, sequence_length=min(4096, a.max_context))
        modes, _ = w.modes(catalog)
        assert (modes.units_per_hour > 0).all(), model
        assert np.isfinite(modes.gpu_memory_gib).all(), model


def test_an_interrupted_gang_loses_half_a_checkpoint_and_a_restart() -> None:
    """30 ÷ 2 + 10 minutes, on each of 16 nodes at 0.25 interruptions a month: 4 a month."""
    kept = training().spot_factor(np.array([0.25]), np.array([16]))
    assert kept[0] == pytest.approx(1 - 4 * 25 / 60 / 730)


def test_checkpoints_as_often_as_is_best() -> None:
    """Auto: Daly's interval and his complete model, for gangs that fail every 182.5 and every 18.25 hours."""
    kept = training(checkpoint_minutes="auto", checkpoint_cost_minutes=3).spot_factor(
        np.array([0.25, 2.5, 0.0]), np.array([16, 16, 16])
    )
    for share, mean in zip(kept[:2], (182.5, 18.25), strict=True):
        part = 0.05 / (2 * mean)
        work = math.sqrt(2 * 0.05 * mean) * (1 + math.sqrt(part) / 3 + part / 9) - 0.05
        lost = mean * math.exp(1 / 6 / mean) * math.expm1((work + 0.05) / mean)
        assert share == pytest.approx(work / lost)
    assert kept[2] == pytest.approx(1)
    for often in (10, 60, 600):  # minutes: no fixed interval is better, checkpoints being paid for
        lost = 18.25 * math.exp(1 / 6 / 18.25) * math.expm1((often / 60 + 0.05) / 18.25)
        assert kept[1] > often / 60 / lost


def test_auto_and_the_cost_of_a_checkpoint_go_together() -> None:
    """Neither alone; no other word."""
    for changed in ({"checkpoint_minutes": "auto"}, {"checkpoint_cost_minutes": 3}):
        with pytest.raises(InputError, match="go together"):
            training(**changed)
    with pytest.raises(InputError, match="checkpoint_minutes must be a number"):
        training(checkpoint_minutes="often")
