"""What measurements add to serving: groups by hand, how wide the rest is, and what a prediction rests on."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from solver.perf import architecture, labels, registry
from solver.perf.corrections import (
    ALL,
    DOUBLING,
    LEVELS,
    Label,
    Residuals,
    corrections,
    groups_of,
    noise_of,
    packaged_residuals,
    residuals_of,
)
from solver.perf.serving import TPOT_TERMS, TTFT_TERMS

LLAMA = "meta-llama/Llama-3.1-70B"
SPREAD = {"": 0.1} | {level: 0.01 * (i + 1) for i, level in enumerate(LEVELS)}  # 0.01, 0.02, … 0.12
NONE = Residuals(groups={}, spread=SPREAD, gates={}, scale=1.0)


def label(model: str = LLAMA, **changes: Any) -> Label:
    """A set-up on four H100 under TensorRT-LLM."""
    usual: dict[str, Any] = {"accelerator": "H100", "generation": 0, "precision": "fp8", "engine": "trtllm"}
    usual |= {"version": "1.1.0", "layout": (4, 1, 1, 1), "silicon": "hopper"}
    return Label(architecture=architecture(model), **(usual | changes))


def group(level: str, made: Label | None = None) -> str:
    """The group of a set-up."""
    return groups_of([made or label()])[level][0]


def with_groups(groups: dict[str, Any], scale: float = 1.0) -> dict[str, Residuals]:
    """TPOT has these groups; TTFT has none."""
    return {"tpot": Residuals(groups=groups, spread=SPREAD, gates={}, scale=scale), "ttft": NONE}


def logs(groups: dict[str, Any], *labels: Label) -> Any:
    """Log factors of TPOT's terms [4, K]."""
    return np.log(np.stack(corrections(labels, with_groups(groups))[0].tpot))


def test_names_of_groups() -> None:
    """A group is told by what its level looks at, and by nothing else."""
    made = {level: groups[0] for level, groups in groups_of([label(), label(version="")]).items()}
    shape = f"{architecture(LLAMA).family} 80×8192"
    assert made == {
        "engine": "trtllm | 0",
        "attention": "trtllm | dense",
        "precision": "trtllm | 0 | fp8 | dense",
        "model": shape,
        "accelerator": "H100",
        "release": "trtllm 1.1.0",
        "layout": "trtllm | 0 | dense | (4, 1, 1, 1)",
        "model layout": f"{shape} | trtllm | (4, 1, 1, 1)",
        "model machine": f"{shape} | trtllm | H100 | fp8",
        "model release": f"trtllm 1.1.0 | {shape} | H100",
        "deployment": f"{shape} | H100 | trtllm | fp8 | (4, 1, 1, 1)",
        "silicon": "hopper",
    }
    assert list(made) == list(LEVELS)
    assert groups_of([label(), label(version="")])["release"] == ["trtllm 1.1.0", "trtllm unstated"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-R1", True),
        ("deepseek-ai/DeepSeek-V3", "nvidia/DeepSeek-R1-NVFP4", True),
        ("Qwen/Qwen3-32B", "nvidia/Qwen3-32B-NVFP4", True),
        (LLAMA, "meta-llama/Llama-3.1-8B", False),
        ("openai/gpt-oss-120b", "openai/gpt-oss-20b", False),
    ],
)
def test_variants_of_a_model_are_one(one: str, other: str, same: bool) -> None:
    """Tuned or quantised, the shape is the same; another size is another model."""
    made = [dataclasses.replace(label(), architecture=labels.model(name)) for name in (one, other)]
    assert (made[0].shape == made[1].shape) is same
    assert (group("deployment", made[0]) == group("deployment", made[1])) is same


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (LLAMA, "dense"),
        ("mistralai/Mixtral-8x7B-v0.1", "experts"),
        ("deepseek-v3", "latent"),
        ("glm-5", "sparse"),
        ("qwen3.5-397b-a17b", "hybrid"),
        ("gpt-oss-120b", "experts"),
    ],
)
def test_kinds_of_attention(model: str, kind: str) -> None:
    """A model is of one kind: the first that fits of sparse, latent, hybrid, experts, dense."""
    assert label(model).kind == kind
    assert {label(name).kind for name in registry()} == {"dense", "experts", "latent", "sparse", "hybrid"}


def test_groups_add() -> None:
    """Log factors of all levels are summed, those of all terms and those of one."""
    found = logs(
        {
            "engine": {"trtllm | 0": {ALL: 0.1, "products": 0.02}},
            "model": {label().shape: {ALL: -0.3, "attention": 0.5}},
            "release": {"trtllm 1.1.0": {"launch": 0.07}, "vllm 1.1.0": {ALL: 9.0}},
            "accelerator": {"B200": {ALL: 9.0}},
        },
        label(),
        label("meta-llama/Llama-3.1-8B", version="2"),
        label(engine="sglang", accelerator="B200"),
    )
    assert TPOT_TERMS == ("products", "attention", "launch", "interference")
    assert found[:, 0] == pytest.approx([0.1 - 0.3 + 0.02, 0.1 - 0.3 + 0.5, 0.1 - 0.3 + 0.07, 0.1 - 0.3])
    assert found[:, 1] == pytest.approx([0.12, 0.1, 0.1, 0.1])
    assert found[:, 2] == pytest.approx([9 - 0.3, 9 - 0.3 + 0.5, 9 - 0.3, 9 - 0.3])


def test_metrics_have_groups_of_their_own() -> None:
    """Those of TTFT say nothing of TPOT."""
    table = {"engine": {"trtllm | 0": {ALL: 0.1, "queue": 0.4}}}
    doubled = Residuals(groups=table, spread=SPREAD, gates={}, scale=2.0)
    made, _ = corrections([label()], {"tpot": NONE, "ttft": doubled})
    assert TTFT_TERMS == ("first", "prefill", "queue", "wait")
    assert np.stack(made.tpot)[:, 0].tolist() == [1.0] * 4
    assert np.log(np.stack(made.ttft))[:, 0] == pytest.approx([0.1, 0.1, 0.5, 0.1])
    assert made.ttft_sigma[0] == pytest.approx(2 * math.sqrt(0.01 + 0.065 - 0.0001))  # all levels but the engine


def test_a_new_model_or_release_closes_a_gate() -> None:
    """All log factors are multiplied by the gate of each level whose group was not measured."""
    table = {"engine": {"trtllm | 0": {ALL: 0.4, "launch": 0.2}}, "release": {group("release"): {ALL: 0.0}}}
    gated = Residuals(groups=table, spread=SPREAD, gates={"model": 0.5, "release": 0.1}, scale=1.0)
    made, _ = corrections([label(), label(version="9")], {"tpot": gated, "ttft": NONE})
    found = np.log(np.stack(made.tpot))
    assert found[:, 0] == pytest.approx([0.2, 0.2, 0.3, 0.2])  # the model is new
    assert found[:, 1] == pytest.approx([0.02, 0.02, 0.03, 0.02])  # and so is the release


@pytest.mark.parametrize(("ranks", "beyond"), [(1, -1.5), (2, -0.5), (4, 0.5), (8, 1.5), (16, 2.5)])
def test_doublings_of_ranks(ranks: int, beyond: float) -> None:
    """A group's factor for each doubling of tensor parallelism beyond 2.8 ranks, of all terms."""
    table = {"engine": {"trtllm | 0": {ALL: 0.1, DOUBLING: 0.2, "launch": 0.01}}}
    found = logs(table, label(layout=(ranks, 1, 1, 1)))[:, 0]
    assert found == pytest.approx(0.1 + 0.2 * beyond + np.array([0.0, 0.0, 0.01, 0.0]))


def test_what_was_not_measured_widens() -> None:
    """σ² = 0.1² of a measurement and that of each level without the group: 0.01² (1² + … + 12²) = 0.065 for all."""
    everything = {level: {group(level): {ALL: 0.0}} for level in LEVELS}

    def sigma(groups: dict[str, Any], made: Label | None = None, scale: float = 1.0) -> float:
        return float(corrections([made or label()], with_groups(groups, scale))[0].tpot_sigma[0])

    assert sigma({}) == pytest.approx(math.sqrt(0.01 + 0.065))
    assert sigma(everything) == pytest.approx(0.1)
    assert sigma(everything, scale=1.5) == pytest.approx(0.15)
    without = everything | {"model": {}, "layout": {"another": {ALL: 0.0}}}
    assert sigma(without) == pytest.approx(math.sqrt(0.01 + 0.04**2 + 0.07**2))
    other = label(version="2")  # another release: its level, and that of the model's on the machine
    assert sigma(everything, other) == pytest.approx(math.sqrt(0.01 + 0.06**2 + 0.1**2))


def test_evidence() -> None:
    """Measured: the deployment. Calibrated: its engine, class of accelerator and kind of attention. Else physics."""
    engine = {"engine": {"trtllm | 0": {ALL: 0.0}}}
    silicon = {"silicon": {"hopper": {ALL: 0.0}}}
    attention = {"attention": {"trtllm | dense": {ALL: 0.0}}}
    same = {"deployment": {group("deployment"): {ALL: 0.0}}}

    def said(groups: dict[str, Any], *labels: Label) -> list[str]:
        return corrections(labels or [label()], with_groups(groups))[1]

    for part in ({}, engine | attention, engine | silicon, attention | silicon):
        assert said(part) == ["physics"]
    assert said(engine | attention | silicon) == ["calibrated"]
    assert said(same) == ["measured"]
    assert said(
        engine | attention | silicon | same, label(), label(layout=(8, 1, 1, 1)), label(engine="vllm"),
        label(accelerator="B200", generation=1), label("mistralai/Mixtral-8x7B-v0.1"),
        label(accelerator="MI300X", silicon="cdna3"),
    ) == ["measured", "calibrated", "physics", "physics", "physics", "physics"]  # fmt: skip
    assert said(engine | attention, label(accelerator="A100-80", silicon="ampere")) == ["physics"]


def test_a_table_is_read_as_it_is_written() -> None:
    """Groups, spreads and scale; the noise is that of a measurement, scaled."""
    table: dict[str, Any] = {"groups": {"engine": {"x": {ALL: 1.0}}}, "spread": {"": 0.2, "engine": 0.3}}
    table["gates"] = {"model": 0.5}
    found = residuals_of(table | {"scale": 1.5})
    assert found == Residuals(**table, scale=1.5)
    assert noise_of("tpot", {"tpot": found}) == pytest.approx(0.3)


def test_the_packaged_table() -> None:
    """Every level has a spread, and every group factors of the metric's own terms."""
    for metric, terms in (("tpot", TPOT_TERMS), ("ttft", TTFT_TERMS)):
        found = packaged_residuals()[metric]
        assert set(found.groups) <= set(LEVELS)
        assert set(found.spread) == {"", *LEVELS}
        assert all(value > 0 for value in found.spread.values())
        assert found.scale > 0
        assert set(found.gates) <= set(LEVELS)
        assert all(0 <= gate <= 1 for gate in found.gates.values())
        for groups in found.groups.values():
            for entry in groups.values():
                assert set(entry) <= {ALL, DOUBLING, *terms}
                assert all(math.isfinite(value) for value in entry.values())
        assert noise_of(metric) == pytest.approx(found.scale * found.spread[""])


def test_rows_of_corrections() -> None:
    """Factors and deviations of the rows asked for."""
    groups = {"model": {label().shape: {ALL: math.log(2)}}}
    made, _ = corrections([label(), label("meta-llama/Llama-3.1-8B")], with_groups(groups))
    found = made.take(np.array([1, 0, 0]))
    assert [u.tolist() for u in found.tpot] == [[1.0, 2.0, 2.0]] * 4
    assert found.tpot_sigma.tolist() == made.tpot_sigma[[1, 0, 0]].tolist()
    assert found.ttft_sigma.tolist() == made.ttft_sigma[[1, 0, 0]].tolist()
    assert [u.tolist() for u in found.ttft] == [[1.0] * 3] * 4
