"""Serving modes: targets met, memory kept, excuses with numbers, and directions that hold."""

from __future__ import annotations

import dataclasses
import itertools
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.perf import registry
from solver.workloads import Serving, Traffic
from solver.workloads.base import distinct
from solver.workloads.inference import layouts, survey
from solver.workloads.serving import staffing

QUICK = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
TRAFFIC = (Traffic(origin="paris", requests_per_hour=1000),)
BASE: dict[str, Any] = {
    "name": "chat",
    "model": "llama-3.1-70b",
    "precision": "fp8",
    "input_tokens": 2000,
    "output_tokens": 300,
    "ttft_ms": 1000.0,
    "tpot_ms": 40.0,
    "traffic": TRAFFIC,
}


def serving(**changes: object) -> Serving:
    """The base workload with some fields changed."""
    return Serving(**(BASE | changes))


def best(w: Serving, catalog: Any) -> dict[tuple[str, str], float]:
    """Most units an hour and node, by node shape."""
    modes, _ = w.modes(catalog)
    rate: dict[tuple[str, str], float] = {}
    for provider, node, units, nodes in zip(
        modes.provider, modes.node, modes.units_per_hour, modes.nodes_per_replica, strict=True
    ):
        rate[provider, node] = max(rate.get((provider, node), 0.0), units / nodes)
    return rate


def test_every_node_has_a_mode_or_an_excuse(catalog: Any) -> None:
    """Exactly one of the two."""
    modes, excuses = serving().modes(catalog)
    with_mode = set(zip(modes.provider, modes.node, strict=True))
    excused = [(e.provider, e.node) for e in excuses]
    assert len(set(excused)) == len(excused)
    assert with_mode | set(excused) == set(catalog.nodes)
    assert not with_mode & set(excused)


def test_modes_meet_the_targets_and_the_memory(catalog: Any) -> None:
    """And describe whole nodes."""
    w = serving()
    modes, _ = w.modes(catalog)
    assert len(modes) > 5
    assert (modes.ttft_ms <= w.ttft_ms).all()
    assert (modes.tpot_ms <= w.tpot_ms).all()
    assert (modes.units_per_hour > 0).all()
    for row in modes.to_table().records():
        node = catalog.nodes[row["provider"], row["node"]]
        hbm = catalog.accelerators[node.accelerator].hbm_gib
        assert row["gpu_memory_gib"] <= 0.94 * hbm + 1e-9
        used = row["tensor_parallel"] * row["pipeline_parallel"] * row["data_parallel"]
        assert used <= node.accelerators * row["nodes_per_replica"]
        assert (row["evidence"] != "physics") == (node.accelerator in {"H100", "H200", "B200"})


def test_at_most_four_modes_a_shape_none_dominated(catalog: Any) -> None:
    """Candidates are thinned as documented."""
    modes, _ = serving(ttft_ms=3000.0).modes(catalog)
    keys = list(zip(modes.provider, modes.node, strict=True))
    assert max(keys.count(k) for k in keys) <= 4
    assert len(modes.undominated()) == len(modes)


def test_the_same_machine_gives_the_same_modes_wherever_it_stands(catalog: Any) -> None:
    """Only the name and the network differ between two 8 × H100 nodes; single-node modes do not use it."""
    modes, _ = serving().modes(catalog)
    single = modes.take(modes.nodes_per_replica == 1)
    mine, theirs = single.take(single.node == "p5.48xlarge"), single.take(single.node == "a3-highgpu-8g")
    assert mine.units_per_hour.max() == theirs.units_per_hour.max()


@pytest.mark.parametrize(
    ("node", "changes", "bottleneck", "words"),
    [
        ("m7i.xlarge", {}, "no accelerator", "CPU"),
        ("ct6e-standard-8t", {}, "no performance model", "TPU-v6e is listed and priced"),
        ("p4d.24xlarge", {}, "precision", "A100-40 has no FP8 units"),
        ("p4d.24xlarge", {"precision": "fp4"}, "precision", "neither FP4 nor FP8"),
        ("g6.xlarge", {"model": "llama-3.1-405b"}, "memory", "GiB per GPU"),
        ("g6.48xlarge", {}, "tpot", "target 40 ms"),
        ("p5.48xlarge", {"ttft_ms": 5.0}, "ttft", "target 5 ms"),
        ("p5.48xlarge", {"providers": ("gcp",)}, "filter", "provider aws is not among gcp"),
        ("p5.48xlarge", {"accelerators": ("B200",)}, "filter", "accelerator H100 is not among B200"),
    ],
)
def test_excuses_name_the_bottleneck(
    catalog: Any, node: str, changes: dict[str, Any], bottleneck: str, words: str
) -> None:
    """With the numbers that decided."""
    _, excuses = serving(**changes).modes(catalog)
    found = next(e for e in excuses if e.node == node)
    assert found.bottleneck == bottleneck
    assert words in found.detail


def test_filters_leave_only_what_was_named(catalog: Any) -> None:
    """Both together."""
    modes, _ = serving(providers=("aws",), accelerators=("H100", "H200")).modes(catalog)
    assert set(modes.provider) == {"aws"}
    assert set(modes.node) <= {"p5.48xlarge", "p5.4xlarge", "p5en.48xlarge"}


@QUICK
@given(
    ttft=st.floats(100, 5000),
    tpot=st.floats(10, 200),
    looser=st.floats(1.0, 5.0),
    which=st.sampled_from(["ttft_ms", "tpot_ms"]),
)
def test_a_looser_target_never_gives_less(catalog: Any, ttft: float, tpot: float, looser: float, which: str) -> None:
    """Per node shape, in requests an hour and node."""
    tight = {"ttft_ms": ttft, "tpot_ms": tpot}
    before, after = best(serving(**tight), catalog), best(serving(**(tight | {which: tight[which] * looser})), catalog)
    assert all(after[key] >= rate for key, rate in before.items())


@QUICK
@given(low=st.floats(0.5, 0.99), high=st.floats(0.5, 0.999))
def test_a_higher_quantile_never_gives_more(catalog: Any, low: float, high: float) -> None:
    """A stricter promise takes more machines."""
    low, high = sorted((low, high))
    loose, strict = best(serving(quantile=low), catalog), best(serving(quantile=high), catalog)
    assert all(loose[key] >= rate for key, rate in strict.items())


@QUICK
@given(prompt=st.integers(1, 50_000), more=st.integers(1, 50_000))
def test_a_longer_prompt_never_gives_more(catalog: Any, prompt: int, more: int) -> None:
    """In requests an hour."""
    short = best(serving(input_tokens=prompt, ttft_ms=60_000.0), catalog)
    long = best(serving(input_tokens=prompt + more, ttft_ms=60_000.0), catalog)
    assert all(short[key] >= rate for key, rate in long.items())


@QUICK
@given(
    figure=st.sampled_from(["hbm_gb_per_s", "bf16_tflop_per_s", "fp8_tflop_per_s", "hbm_gib"]),
    factor=st.floats(1.0, 4.0),
)
def test_a_better_accelerator_never_gives_less(catalog: Any, figure: str, factor: float) -> None:
    """Bandwidth, arithmetic and memory."""
    better = {
        name: dataclasses.replace(a, **{figure: getattr(a, figure) * factor})
        for name, a in catalog.accelerators.items()
    }
    before, after = best(serving(), catalog), best(serving(), dataclasses.replace(catalog, accelerators=better))
    assert all(after[key] >= rate * (1 - 1e-9) - 1 for key, rate in before.items())


def test_staffing_solves_its_equation() -> None:
    """Places = load + z √load; fewer places, relatively less load."""
    z = NormalDist().inv_cdf(0.9)
    for places in (1.0, 10.0, 1000.0):
        load = places * staffing(np.array(places), 0.9)
        assert load + z * np.sqrt(load) == pytest.approx(places)
    assert staffing(np.array(1.0), 0.9) < staffing(np.array(100.0), 0.9) < 1
    assert staffing(np.array(7.0), 0.5) == pytest.approx(1.0)


def test_layouts_cover_whole_nodes(catalog: Any) -> None:
    """Every layout of every model stays in its nodes, and divides heads and experts."""
    for model, node in itertools.product(registry().values(), catalog.nodes.values()):
        if node.accelerators:
            for tensor, stages, ranks, experts, engines in layouts(model, node):
                assert tensor * ranks * engines <= node.accelerators
                assert model.attention_heads % tensor == 0
                assert stages <= model.layers
                assert experts == 1 or (experts == tensor * ranks and model.experts % experts == 0)


def test_an_odd_node_size_is_used_as_far_as_it_goes(catalog: Any) -> None:
    """Six accelerators: three copies over two each, or one over four."""
    node = dataclasses.replace(catalog.nodes["aws", "p5.48xlarge"], accelerators=6)
    found = {(t, s): engines for t, s, _, _, engines in layouts(registry()["meta-llama/Meta-Llama-3.1-70B"], node)}
    assert found[2, 1] == 3
    assert found[4, 1] == 1


@pytest.mark.parametrize("stored", ["bf16", "fp8", "fp4", "int4"])
def test_every_architecture_gives_finite_modes(catalog: Any, stored: str) -> None:
    """No NaN and no negative for any model on any machine."""
    for model in registry():
        w = serving(model=model, precision=stored, input_tokens=1000, ttft_ms=1e6, tpot_ms=1e5)
        modes, excuses = w.modes(catalog)
        assert len(modes) or excuses
        for column in ("ttft_ms", "tpot_ms", "gpu_memory_gib", "units_per_hour"):
            values = getattr(modes, column)
            assert np.isfinite(values.astype(float)).all(), (model, column)
            assert (values > 0).all(), (model, column)


def test_identical_shapes_are_surveyed_once(catalog: Any) -> None:
    """The same machine under another name adds no row."""
    w = serving()
    nodes, _ = w.open_nodes(catalog)
    twice = nodes + [(dataclasses.replace(n, name=n.name + "-b"), a) for n, a in nodes]
    once, both = distinct(nodes), distinct(twice)
    assert len(once.pairs) == len(both.pairs)
    assert (
        survey(w.architecture, w.stored, both, 10, 10).shape.tolist()
        == survey(w.architecture, w.stored, once, 10, 10).shape.tolist()
    )


def test_spot_interruptions_by_hand() -> None:
    """Two interruptions a month and node, two nodes, half an hour each: 2 hours of 730."""
    w = serving(recovery_minutes=30)
    kept = w.spot_factor(np.array([0.0, 2.0, 1e6]), np.array([1, 2, 1]))
    assert kept.tolist() == [1.0, pytest.approx(1 - 2 * 2 * 0.5 / 730), 0.0]
