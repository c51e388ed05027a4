"""Step times by component: bubbles, bytes and FLOP by hand, directions that hold on every accelerator and layout."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costdata import packaged
from solver.perf import labels
from solver.perf.training_fitted import fitted
from solver.perf.training_jobs import KINDS, NUMBERS, Jobs, Layouts, Recipes, kind, machines, models
from solver.perf.training_physics import COMPONENTS, TrainingConstants, names, product_rates, soft_maximum, step

KNOWN = fitted().constants
ACCELERATORS = sorted(name for name, a in packaged.accelerators().items() if a.bf16_tflop_per_s > 0)
DENSE, EXPERTS = "meta-llama/Meta-Llama-3.1-8B", "Qwen/Qwen3-30B-A3B"
LAYOUTS = {  # accelerators, tensor, pipeline, virtual, context, expert, ZeRO
    "one node": (8, 1, 1, 1, 1, 1, 1),
    "tensor": (64, 8, 2, 1, 1, 1, 1),
    "pipeline": (64, 1, 8, 2, 1, 1, 1),
    "context": (64, 2, 1, 1, 4, 1, 1),
    "across nodes": (64, 16, 1, 1, 1, 1, 0),
    "sharded": (64, 1, 1, 1, 1, 1, 3),
    "gradients sharded": (64, 2, 1, 1, 1, 1, 2),
}


def jobs(
    model: str = DENSE, accelerator: str = "H100", layout: tuple[int, ...] = LAYOUTS["one node"], **own: Any
) -> Jobs:
    """One job; `own` replaces columns of any part by name."""
    columns = ("accelerators", "tensor_parallel", "pipeline_parallel", "virtual_stages", "context_parallel",
               "expert_parallel", "zero_stage")  # fmt: skip
    plain = {name: np.array([float(value)]) for name, value in zip(columns, layout, strict=True)}
    more = {"slices": 1.0, "sequence_length": 4096.0, "micro_batch": 1.0, "global_batch": 512.0}
    floats = {"recompute": 0.0, "selective": 0.0, "trained": 1.0}
    flags = {"unfused": False, "balanced": False, "compiled": False}
    made = Jobs(
        models=models([labels.model(model)]),
        machines=machines([labels.accelerator(accelerator)]),
        layouts=Layouts(**plain, **{k: np.array([v]) for k, v in more.items()}),
        recipes=Recipes(
            number=np.array([NUMBERS.index(own.pop("number", "bf16"))]),
            **{k: np.array([v]) for k, v in floats.items()},
            **{k: np.array([v]) for k, v in flags.items()},
        ),
    )
    for part in ("models", "machines", "layouts", "recipes"):
        here = getattr(made, part)
        mine = {f.name: np.asarray(own.pop(f.name)).reshape(1) for f in dataclasses.fields(here) if f.name in own}
        made = dataclasses.replace(made, **{part: dataclasses.replace(here, **mine)})
    assert not own, own
    return made


def seconds(**own: Any) -> float:
    """Seconds of the step of one job."""
    return float(step(jobs(**own), KNOWN).seconds[0])


def constants(**own: float) -> TrainingConstants:
    """A machine that does nothing but its products at the peak, but for `own`."""
    free = dict.fromkeys(names(), 0.0)
    ones = ("ampere", "hopper", "blackwell", "tpu", "other", "fp8", "fp8_block", "mxfp8", "fp4", "attention", "experts",
            "experts_compiled", "vocabulary", "link_share", "network_share", "bubble")  # fmt: skip
    return TrainingConstants(**(free | dict.fromkeys(ones, 1.0) | own))


def test_products_alone_are_six_flop_a_parameter() -> None:
    """Llama 3.1 8B: 6 FLOP a token for every parameter but the input embedding, and causal attention."""
    a = labels.model(DENSE)
    products = a.attention_parameters + a.dense_ffn_parameters + a.vocabulary * a.hidden_size
    assert products == pytest.approx(7.5e9, rel=0.01)  # 8.03 B less the embedding of 0.53 B
    attention = 3.5 * 4 * 32 * 4096 * (4096 / 2)
    flop = 512 * 4096 * (6 * products + attention)
    found = step(jobs(), constants())
    assert found.seconds[0] == pytest.approx(flop / (8 * 989e12), rel=1e-9)
    assert found.share("attention")[0] == pytest.approx(attention / (6 * products + attention))


def test_routed_tokens_pass_their_experts_only() -> None:
    """Qwen3 30B-A3B uses 8 of 128 experts: about 3.3 B of 30.5 B parameters, less the embedding of 0.31 B."""
    a = labels.model(EXPERTS)
    active = a.attention_parameters + a.router_parameters + a.expert_parameters * 8 / 128 + a.vocabulary * a.hidden_size
    assert active == pytest.approx(3.35e9 - 0.31e9, rel=0.02)
    attention = 3.5 * a.prefill_attention_flop * 4096 / 2
    found = step(jobs(model=EXPERTS), constants()).seconds[0]
    assert found == pytest.approx(512 * 4096 * (6 * active + attention) / (8 * 989e12), rel=1e-9)


def test_recomputation_is_one_more_pass_and_frozen_weights_one_less() -> None:
    """Four passes against three, two when weights have no gradient; selective recomputes attention alone."""
    whole = step(jobs(), constants())
    plain: dict[str, Any] = {"attention_flop": 0.0}
    base = step(jobs(**plain), constants()).seconds[0]
    assert step(jobs(recompute=1.0, **plain), constants()).seconds[0] == pytest.approx(base * 4 / 3)
    assert step(jobs(trained=0.0, **plain), constants()).seconds[0] == pytest.approx(base * 2 / 3)
    selective = step(jobs(selective=1.0), constants()).seconds[0] - whole.seconds[0]
    assert selective == pytest.approx(whole.seconds[0] * whole.share("attention")[0] / 3.5)


def test_pipeline_bubble_by_hand() -> None:
    """8 stages, 16 micro-batches, no vocabulary: (16 + 7) / 16 of the work; four virtual stages: (16 + 7/4) / 16."""
    own: dict[str, Any] = {"vocabulary": 0.0, "global_batch": 16.0 * 8}
    flat = step(jobs(layout=(64, 1, 1, 1, 1, 1, 1), **own), constants()).seconds[0]
    one = step(jobs(layout=(64, 1, 8, 1, 1, 1, 1), **own), constants()).seconds[0]
    four = step(jobs(layout=(64, 1, 8, 4, 1, 1, 1), **own), constants()).seconds[0]
    assert one / flat == pytest.approx(23 / 16)
    assert four / flat == pytest.approx((16 + 7 / 4) / 16)


def test_vocabulary_slows_the_last_stage_unless_stages_are_balanced() -> None:
    """Two stages, m micro-batches: the last stage's logits count m times, spread over both they count half."""
    own: dict[str, Any] = {
        "layout": (8, 1, 2, 1, 1, 1, 1),
        "global_batch": 4096.0,
    }  # so many micro-batches that the bubble vanishes
    logits = step(jobs(**own), constants()).share("vocabulary")[0] * step(jobs(**own), constants()).seconds[0]
    found = step(jobs(balanced=True, **own), constants(balance=1.0))
    assert found.share("vocabulary")[0] * found.seconds[0] == pytest.approx(logits / 2, rel=0.01)


def test_tensor_all_reduce_bytes_by_hand() -> None:
    """Four all-reduces a layer of 2 × tokens × hidden bytes, 2 (8 − 1) / 8 of them through a link of 450 GB/s."""
    own: dict[str, Any] = {"layout": (8, 8, 1, 1, 1, 1, 1), "global_batch": 1.0}
    found = step(jobs(**own), constants(tensor_exposed=1.0))
    size = 2 * 4096 * 4096
    assert found.seconds[0] - step(jobs(**own), constants()).seconds[0] == pytest.approx(
        32 * 4 * size * 2 * 7 / 8 / 450e9
    )


def test_gradient_all_reduce_bytes_by_hand() -> None:
    """8 copies in one node: 2 (8 − 1) / 8 of 2 bytes a parameter, once a step; two nodes: the rest on the network."""
    a = labels.model(DENSE)
    held = a.attention_parameters + a.dense_ffn_parameters + 2 * a.vocabulary * a.hidden_size
    near = (
        step(jobs(zero_stage=0.0), constants(data_exposed=1.0)).seconds[0]
        - step(jobs(zero_stage=0.0), constants()).seconds[0]
    )
    assert near == pytest.approx(2 * 2 * held * 7 / 8 / 450e9)
    two: dict[str, Any] = {"layout": (16, 1, 1, 1, 1, 1, 0)}
    far = step(jobs(**two), constants(data_exposed=1.0)).seconds[0] - step(jobs(**two), constants()).seconds[0]
    assert far == pytest.approx(near + 2 * 2 * held / 2 / 8 / 50e9)


def test_expert_exchange_bytes_by_hand() -> None:
    """8 ranks in a node: dispatch and combine, twice, of 7/8 of 8 copies of each token; 16 ranks: half cross nodes."""
    a = labels.model(EXPERTS)
    own: dict[str, Any] = {"model": EXPERTS, "global_batch": 16.0}
    size = 2 * 4096 * a.hidden_size * 8

    def exchanged(experts: int) -> float:
        layout = (16, 1, 1, 1, 1, experts, 1)
        found = [step(jobs(layout=layout, **own), constants(expert_exposed=x)).seconds[0] for x in (1.0, 0.0)]
        return float(found[0] - found[1])

    assert exchanged(8) == pytest.approx(48 * 4 * size * 7 / 8 / 450e9)
    assert exchanged(16) == pytest.approx(48 * 4 * size * (15 / 16 * 0.5 / 450e9 + 0.5 / 50e9))


def test_sharded_weights_hide_behind_work_until_they_do_not() -> None:
    """Full sharding costs nothing with slow products, and all three gathers a micro-batch with a slow network."""
    layout = LAYOUTS["sharded"]
    plain = step(jobs(layout=(64, 1, 1, 1, 1, 1, 1), micro_batch=8.0), constants()).seconds[0]
    assert step(jobs(layout=layout, micro_batch=8.0), constants()).seconds[0] == pytest.approx(plain, rel=0.02)
    slow = jobs(layout=layout, scaleout_bytes_per_s=1e8, global_batch=64.0)
    a = labels.model(DENSE)
    held = a.attention_parameters + a.dense_ffn_parameters + 2 * a.vocabulary * a.hidden_size
    assert step(slow, constants()).seconds[0] == pytest.approx(3 * 2 * held * 7 / 8 / 8 / 1e8, rel=0.02)


def test_the_host_sets_the_pace_of_small_layers() -> None:
    """A layer of a tiny micro-batch takes what launching its kernels takes; under XLA nothing is launched."""
    own: dict[str, Any] = {"sequence_length": 64.0, "global_batch": 8.0}
    host = 32 * 2e-3
    assert step(jobs(**own), constants(host_layer_s=2e-3)).seconds[0] == pytest.approx(host, rel=0.02)
    assert step(jobs(compiled=True, **own), constants(host_layer_s=2e-3)).seconds[0] < host / 4


def test_shares_sum_to_one_and_are_slopes() -> None:
    """Shares tell by how much a step grows with a component: here attention and the vocabulary, per thousandth."""
    for layout in LAYOUTS.values():
        found = step(jobs(layout=layout), KNOWN)
        assert found.shares.sum(axis=0) == pytest.approx(1.0)
        assert found.shares.min() > -1e-9
    base = step(jobs(layout=LAYOUTS["pipeline"]), KNOWN)
    nudged = dataclasses.replace(KNOWN, attention=KNOWN.attention / 1.001)
    grown = step(jobs(layout=LAYOUTS["pipeline"]), nudged).seconds[0] / base.seconds[0] - 1
    assert grown / 1e-3 == pytest.approx(base.share("attention")[0], rel=0.01)
    assert len(COMPONENTS) == len(base.shares)


def test_soft_maximum_is_above_both_and_rises_in_both() -> None:
    """Never below the larger; exact when one is nothing."""
    a, b = np.array([1.0, 2.0, 5.0]), np.array([1.0, 0.0, 1.0])
    found = soft_maximum(a, b)
    assert (found >= np.maximum(a, b)).all()
    assert found[1] == 2.0
    assert found[2] < 5.01


def test_formats_without_units_run_in_sixteen_bits() -> None:
    """An A100 gains nothing from FP8; a Hopper runs FP4 in FP8; a Blackwell's FP4 is faster than its FP8."""
    rates = {
        (n, a): float(product_rates(jobs(accelerator=a, number=n), KNOWN)[0][0])
        for n in NUMBERS
        for a in ("A100-80", "H100", "B200")
    }
    assert len({round(rates[n, "A100-80"]) for n in NUMBERS}) == 1
    assert rates["fp4", "H100"] == rates["mxfp8", "H100"] > rates["bf16", "H100"]
    assert rates["fp4", "B200"] > rates["mxfp8", "B200"] > rates["bf16", "B200"] == rates["fp16", "B200"]


@pytest.mark.parametrize("name", ACCELERATORS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_better_machines_are_never_slower(name: str, layout: str) -> None:
    """More of any rate, on every accelerator and layout, dense and with experts."""
    for model in (DENSE, EXPERTS):
        base = jobs(model=model, accelerator=name, layout=LAYOUTS[layout])
        before = step(base, KNOWN).seconds[0]
        assert np.isfinite(before)
        assert before > 0
        x = base.machines
        rates = ["bf16_flop_per_s", "fp8_flop_per_s", "hbm_bytes_per_s", "scaleup_bytes_per_s", "scaleout_bytes_per_s"]
        faster_inside = x.scaleup_bytes_per_s * KNOWN.link_share > x.scaleout_bytes_per_s * KNOWN.network_share
        for column in [*rates, "domain"] if faster_inside else rates:
            better = dataclasses.replace(base.machines, **{column: getattr(base.machines, column) * 1.7})
            after = step(dataclasses.replace(base, machines=better), KNOWN).seconds[0]
            assert after <= before * (1 + 1e-9), column


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(ACCELERATORS),
    layout=st.sampled_from(sorted(LAYOUTS)),
    model=st.sampled_from([DENSE, EXPERTS]),
    number=st.sampled_from(NUMBERS),
    doublings=st.integers(1, 4),
)
def test_longer_sequences_never_make_a_token_cheaper(
    name: str, layout: str, model: str, number: str, doublings: int
) -> None:
    """At the same tokens of a micro-batch and of a step."""
    own: dict[str, Any] = {"model": model, "accelerator": name, "layout": LAYOUTS[layout], "number": number}
    factor = 2.0**doublings
    short = seconds(sequence_length=1024.0, micro_batch=factor, global_batch=1024 * factor, **own)
    long = seconds(sequence_length=1024.0 * factor, micro_batch=1.0, global_batch=1024.0, **own)
    assert long >= short * (1 - 1e-9)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(ACCELERATORS), layout=st.sampled_from(sorted(LAYOUTS)), more=st.integers(2, 8))
def test_more_work_takes_longer(name: str, layout: str, more: int) -> None:
    """More sequences a step, recomputation, more layers; and a sequence never takes longer for a larger batch."""
    own: dict[str, Any] = {"accelerator": name, "layout": LAYOUTS[layout]}
    base = seconds(**own)
    many = seconds(global_batch=512.0 * more, **own)
    assert base < many <= base * more * (1 + 1e-9)
    assert seconds(recompute=1.0, **own) > base
    a = labels.model(DENSE)
    deeper = jobs(layers=64.0, dense_parameters=2.0 * (a.attention_parameters + a.dense_ffn_parameters), **own)
    assert step(deeper, KNOWN).seconds[0] > base


def test_kinds_of_accelerators() -> None:
    """By vendor and units; the rest share a class of their own."""
    known = {name: kind(labels.accelerator(name)) for name in ("A100", "H200", "GB300", "TPU-v5p", "MI300X")}
    assert list(known.values()) == ["ampere", "hopper", "blackwell", "tpu", "other"]
    assert set(known.values()) == set(KINDS)


def test_rows_are_worked_on_alone() -> None:
    """A row's step is the same alone and among others of other models, machines and layouts."""
    some = [
        jobs(model=m, accelerator=a, layout=x)
        for m in (DENSE, EXPERTS)
        for a in ("A100-80", "GB300")
        for x in LAYOUTS.values()
    ]
    parts = {
        part.name: dataclasses.replace(
            getattr(some[0], part.name),
            **{
                f.name: np.concatenate([getattr(getattr(j, part.name), f.name) for j in some])
                for f in dataclasses.fields(getattr(some[0], part.name))
            },
        )
        for part in dataclasses.fields(Jobs)
    }
    together = step(Jobs(**parts), KNOWN).seconds
    assert together == pytest.approx([step(j, KNOWN).seconds[0] for j in some], rel=1e-12)
