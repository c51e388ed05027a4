"""Advice: shares that add up, figures of the model itself, settings as engines spell them, and monotone in hardware."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costdata
import solver
from costdata import packaged
from solver.advise import advise
from solver.errors import InfeasibleError, InputError
from solver.perf import architecture
from solver.perf.advice import GRID, Question, words
from solver.perf.candidates import RATES, RESOURCES, Candidates, busy, evaluate, shares
from solver.perf.constants import precision
from solver.perf.engine_settings import chunk_of
from solver.perf.hardware import Layout, hardware
from solver.perf.serving import Load
from solver.workloads.base import distinct
from solver.workloads.inference import survey
from solver.workloads.machines import usual_node

H100 = packaged.accelerators()["H100"]
NAMES = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")


def candidates(
    model: str, stored: str, *laid: tuple[int, int, int, int], kind: str = "H100", count: int = 8
) -> Candidates:
    """Layouts of a model on nodes of the usual make."""
    accelerator = packaged.accelerators()[kind]
    columns = np.array(laid, dtype=float).T
    return Candidates(
        architecture=architecture(model),
        precision=precision(stored),
        engine="vllm",
        accelerators=(kind,) * len(laid),
        hardware=hardware([(usual_node(accelerator, count), accelerator)] * len(laid)),
        layout=Layout(**dict(zip(NAMES, columns, strict=True))),
    )


def load(concurrency: list[float], tokens: tuple[int, int] = (1000, 300)) -> Load:
    """A grid of concurrencies."""
    return Load(
        concurrency=np.array([concurrency]),
        input_tokens=np.asarray(float(tokens[0])),
        output_tokens=np.asarray(float(tokens[1])),
    )


@pytest.mark.parametrize(
    ("model", "stored"), [("llama-3.1-70b", "fp8"), ("deepseek-v3", "fp8"), ("gpt-oss-120b", "mxfp4")]
)
def test_the_same_figures_as_a_plan(model: str, stored: str) -> None:
    """Every layout and concurrency as the survey of the planner has them, terms adding up to the whole."""
    accelerator, a, p = H100, architecture(model), precision(stored)
    shapes = distinct([(usual_node(accelerator, 8), accelerator)])
    s = survey(a, p, shapes, 1000, 300, "vllm")
    rows = [tuple(int(getattr(s.layout, name)[k]) for name in NAMES) for k in range(len(s.engines))]
    found = evaluate(candidates(model, stored, *rows), load(list(GRID[GRID <= 512])))  # type: ignore[arg-type]
    np.testing.assert_allclose(found.tpot_ms, s.tpot_ms, rtol=1e-12)
    np.testing.assert_allclose(found.ttft_ms, s.ttft_ms, rtol=1e-12)
    np.testing.assert_allclose(found.tpot_sigma[:, None], s.tpot_sigma[:, :1])
    assert list(found.evidence) == s.evidence.tolist()


@pytest.mark.parametrize(("model", "stored"), [("llama-3.1-70b", "fp8"), ("deepseek-v3", "fp8"), ("qwen3-32b", "bf16")])
def test_shares_add_up(model: str, stored: str) -> None:
    """Between 0 and 1, all four together 1; no link is waited for on one accelerator."""
    found = shares(candidates(model, stored, (1, 1, 1, 1), (8, 1, 1, 1)), load([1.0, 16.0, 256.0]))
    for part in (found.tpot, found.prefill):
        assert (part >= 0).all()
        np.testing.assert_allclose(part.sum(axis=0), 1.0)
        assert part[2, 0].max() < 1e-3
    assert (found.tpot[2, 1] > 0.05).all()


def test_a_share_is_what_a_faster_resource_saves() -> None:
    """Twice the rate of what takes a share s leaves between 1 − s and 1 − s/2 of the time."""
    c, asked = candidates("llama-3.1-70b", "bf16", (8, 1, 1, 1)), load([8.0])
    before, share = evaluate(c, asked).tpot_ms[0, 0], shares(c, asked).tpot[0, 0, 0]
    after = evaluate(c.faster("HBM bandwidth", 2.0), asked).tpot_ms[0, 0]
    assert 1 - share <= after / before <= 1 - share / 2 + 0.05
    assert share > 0.3


def test_bandwidth_in_use_by_hand() -> None:
    """One sequence of Llama-3.1-8B in BF16 on an H100: 15 GB of weights a token, over 3.35 TB/s and its time."""
    a, c, asked = (
        architecture("llama-3.1-8b"),
        candidates("llama-3.1-8b", "bf16", (1, 1, 1, 1)),
        load([1.0], (10, 4000)),
    )
    tpot_s = evaluate(c, asked).tpot_ms[0, 0] / 1e3
    weights = 2.0 * (a.parameters - a.embedding_parameters)
    cache = 2.0 * a.cache_values_per_token * 2010
    expected = (weights + cache) / 3350e9 / tpot_s
    found = busy(c, asked)
    assert found.hbm_bandwidth[0, 0] == pytest.approx(expected, rel=0.02)
    flop = 2.0 * weights / 2.0 + a.decode_attention_flop * 2010
    assert found.compute[0, 0] == pytest.approx(flop / 989e12 / tpot_s, rel=0.02)
    assert found.interconnect[0, 0] == 0
    assert found.prefill_share[0, 0] < 0.01


def test_prompts_take_their_share_of_time() -> None:
    """Nearly all of it when answers are a token, hardly any when prompts are."""
    c = candidates("llama-3.1-8b", "bf16", (1, 1, 1, 1))
    assert busy(c, load([8.0], (8000, 1))).prefill_share[0, 0] > 0.9
    assert busy(c, load([8.0], (1, 1000))).prefill_share[0, 0] < 0.05
    a = architecture("llama-3.1-8b")
    floor_s = 2.0 * (a.attention_parameters + a.dense_ffn_parameters) * 8000 / 989e12
    assert floor_s < busy(c, load([1.0], (8000, 10))).prefill_s[0, 0] < 3 * floor_s


def test_a_pass_holds_every_sequence() -> None:
    """A token of each of 1,024 that decode, though prompts are short; and few suffice for one sequence."""
    c = candidates("llama-3.1-8b", "bf16", (1, 1, 1, 1))
    assert chunk_of(c, 1024, Question(input_tokens=16, output_tokens=100))[0] >= 1024
    assert chunk_of(c, 1, Question(input_tokens=16, output_tokens=100))[0] == 512


def test_the_best_of_all_layouts_within_targets() -> None:
    """No alternative and no other concurrency of the layout serves more tokens and keeps the targets."""
    found = advise("llama-3.1-70b", "H100", tpot_ms=40.0, ttft_ms=1500.0)
    point = found.point
    assert point.tpot.ms <= 40
    assert point.ttft.ms <= 1500
    assert point.tpot.lo_ms < point.tpot.ms < point.tpot.hi_ms
    for other in [*found.alternatives, *found.trade_off]:
        if other.tpot.ms <= 40 and other.ttft.ms <= 1500:
            assert other.output_tokens_per_s <= point.output_tokens_per_s * (1 + 1e-9)
    assert sum(found.tpot_terms_ms.values()) == pytest.approx(point.tpot.ms)
    assert sum(found.ttft_terms_ms.values()) == pytest.approx(point.ttft.ms)
    assert sum(found.tpot_shares.values()) == pytest.approx(1.0)
    parts = dict(found.memory_gib)
    usable = parts.pop("usable")
    assert sum(parts.values()) <= usable
    assert found.binding in {*RESOURCES, "KV capacity"}
    assert point.requests_per_s * 300 == pytest.approx(point.output_tokens_per_s)


def test_one_more_step_breaks_what_limits() -> None:
    """What keeps more sequences out is so: a tight target, or memory on a small card."""
    assert advise("llama-3.1-70b", "H100", tpot_ms=20.0).limited_by == "TPOT target"
    small = advise("llama-3.1-8b", "L4", accelerators=1, precision="bf16", tpot_ms=1e6, ttft_ms=1e9)
    assert (small.limited_by, small.binding) == ("KV capacity", "KV capacity")
    assert small.kv_capacity_used > 0.6


def test_moves_are_evaluated_again() -> None:
    """The what-if of a fifth more bandwidth is the advice on such a machine."""
    found = advise("llama-3.1-70b", "H100", precision="fp8", tpot_ms=30.0)
    move = next(m for m in found.moves if m.change == "+20 % HBM bandwidth")
    better = advise(
        "llama-3.1-70b", dataclasses.replace(H100, hbm_gb_per_s=H100.hbm_gb_per_s * 1.2), precision="fp8", tpot_ms=30.0
    )
    gain = 100 * (better.point.output_tokens_per_s / found.point.output_tokens_per_s - 1)
    assert move.best_percent == pytest.approx(gain)
    assert move.tpot_percent is not None
    assert -100 / 6 <= move.tpot_percent < 0
    assert any(m.change == "BF16 instead of FP8" and (m.best_percent or 0) < 0 for m in found.moves)


@settings(max_examples=25, deadline=None)
@given(
    model=st.sampled_from(["llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "deepseek-v3", "qwen3-32b"]),
    kind=st.sampled_from(["H100", "H200", "B200", "MI300X", "A100-80", "L40S"]),
    resource=st.sampled_from(["hbm_gb_per_s", "flop", "scaleup_gb_per_s"]),
    factor=st.floats(1.05, 4.0),
    targets=st.sampled_from([(None, None), (40.0, None), (60.0, 3000.0)]),
)
def test_better_hardware_never_makes_advice_worse(
    model: str, kind: str, resource: str, factor: float, targets: tuple[float | None, float | None]
) -> None:
    """More bandwidth, compute or link: as many tokens at least, or as good a balance; and never out of reach."""
    base = packaged.accelerators()[kind]
    names = ("bf16_tflop_per_s", "fp8_tflop_per_s", "fp4_tflop_per_s") if resource == "flop" else (resource,)
    better = dataclasses.replace(base, **{n: getattr(base, n) * factor for n in names})
    asked: dict[str, Any] = {"tpot_ms": targets[0], "ttft_ms": targets[1]}
    try:
        before = advise(model, base, **asked).point
    except InfeasibleError:
        return
    after = advise(model, better, **asked).point

    def worth(point: Any) -> float:
        if targets != (None, None):
            return float(point.output_tokens_per_s)
        return float(point.output_tokens_per_s / (point.ttft.ms + 299 * point.tpot.ms))

    assert worth(after) >= worth(before) * (1 - 1e-6)


def test_settings_of_each_engine() -> None:
    """Attention by data and whole experts: vLLM counts tensor ranks of one attention rank, the others of all."""
    found = advise("deepseek-v3", "H200", tpot_ms=60.0)
    p = found.point
    assert (p.attention_data_parallel, p.expert_parallel) == (8, 8)
    vllm, sglang, trtllm = (found.settings[e] for e in ("vllm", "sglang", "trtllm"))
    assert "--tensor-parallel-size 1 --data-parallel-size 8 --enable-expert-parallel" in vllm.command
    assert f"--max-num-seqs {-(-p.engine_concurrency // 8)} " in vllm.command
    assert "--tp-size 8 --dp-size 8 --enable-dp-attention --ep-size 8" in sglang.command
    assert f"--max-running-requests {p.engine_concurrency} " in sglang.command
    assert "--tp_size 8 --ep_size 8" in trtllm.command
    assert "enable_attention_dp: true" in trtllm.config_yaml
    assert "dtype: fp8" in trtllm.config_yaml
    assert "--kv-cache-dtype fp8" in vllm.command
    for s in found.settings.values():
        assert s.chunk_tokens >= s.max_sequences
        assert 0.3 < s.memory_share <= 0.98
    assert "--quantization" not in vllm.command  # published in FP8


def test_narrower_than_published_is_told() -> None:
    """FP8 is chosen by itself for a BF16 model, with the flag and a note; when asked to stay in BF16, neither."""
    narrow = advise("llama-3.1-70b", "H100", tpot_ms=30.0)
    assert narrow.point.precision == "fp8"
    assert "--quantization fp8" in narrow.settings["vllm"].command
    assert any("fp8 is not how the model was published" in note for note in narrow.notes)
    wide = advise("llama-3.1-70b", "H100", precision="bf16", tpot_ms=40.0)
    assert "--quantization" not in wide.settings["vllm"].command
    assert "--kv-cache-dtype" not in wide.settings["vllm"].command
    assert not any("published" in note for note in wide.notes)


def test_a_node_of_the_catalogue() -> None:
    """By provider and name, as its accelerator elsewhere; two of them hold what one does not."""
    found = advise("llama-3.1-8b", node="aws/p5.48xlarge", tpot_ms=20.0)
    assert found.machine == "8 × H100"
    with pytest.raises(InfeasibleError, match="HBM capacity"):
        advise("deepseek-v3", node="aws/p5.48xlarge")
    two = advise("deepseek-v3", node="aws/p5.48xlarge", nodes=2)
    assert two.point.pipeline_parallel == 2


def test_out_of_reach_names_the_resource() -> None:
    """Memory, TPOT, TTFT and both together, each with what would do."""
    with pytest.raises(InfeasibleError, match=r"HBM capacity: needs .* in bf16.*would fit in (fp8|int4|fp4)") as caught:
        advise("llama-3.1-70b", "H100", accelerators=1, precision="bf16")
    assert caught.value.exit_code == 4
    with pytest.raises(InfeasibleError, match=r"ms per output token at best .*target 0.5 ms; of it: \w+"):
        advise("llama-3.1-70b", "H100", tpot_ms=0.5)
    with pytest.raises(InfeasibleError, match=r"ms to the first token at best .*target 1 ms; of its prefill: \w+"):
        advise("llama-3.1-70b", "H100", ttft_ms=1.0)
    fastest = min(p.tpot.ms for p in advise("llama-3.1-70b", "H100", precision="fp8").trade_off)
    assert fastest > 0


def test_how_much_faster_would_do() -> None:
    """A target just missed: so many times a resource reach it, and do."""
    with pytest.raises(InfeasibleError, match="relax it to") as far:
        advise("llama-3.1-70b", "H100", precision="bf16", tpot_ms=0.1)
    least = float(far.value.mend.split("relax it to ")[1].split(" ")[0])
    assert advise("llama-3.1-70b", "H100", precision="bf16", tpot_ms=least).point.tpot.ms <= least
    for tpot in (0.9 * least, 0.8 * least, 0.7 * least):
        with pytest.raises(InfeasibleError) as caught:
            advise("llama-3.1-70b", "H100", precision="bf16", tpot_ms=tpot)
        if "times the HBM bandwidth would reach it" in caught.value.mend:
            factor = float(caught.value.mend.split(" ")[0])
            better = dataclasses.replace(H100, hbm_gb_per_s=H100.hbm_gb_per_s * factor)
            assert advise("llama-3.1-70b", better, precision="bf16", tpot_ms=tpot).point.tpot.ms <= tpot
            return
    pytest.fail("no target was reached by bandwidth")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "lama-3.1-8b", "accelerator": "H100"}, "nearest are llama-3.1-8b"),
        ({"model": "llama-3.1-8b", "accelerator": "H1000"}, "unknown accelerator 'H1000'.*H100"),
        ({"model": "llama-3.1-8b", "node": "aws/p5.48"}, "unknown node 'aws/p5.48'.*p5.48xlarge"),
        ({"model": "llama-3.1-8b"}, "an accelerator or a node is needed"),
        ({"model": "llama-3.1-8b", "accelerator": "A100-80", "precision": "fp8"}, "A100-80 has no FP8 units"),
        ({"model": "llama-3.1-8b", "accelerator": "H100", "precision": "fp9"}, "unknown precision"),
        ({"model": "llama-3.1-8b", "accelerator": "H100", "engine": "tgi"}, "unknown engine"),
        ({"model": "llama-3.1-8b", "accelerator": "H100", "accelerators": 0}, "accelerators must be from 1"),
        ({"model": "llama-3.1-8b", "accelerator": "H100", "tpot_ms": float("nan")}, "tpot_ms must be a number"),
        ({"model": "llama-3.1-8b", "accelerator": "H100", "input_tokens": 10**6}, "takes 131,072"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    """One clean error each."""
    with pytest.raises(InputError, match=message):
        advise(**arguments)


def test_every_accelerator_gets_an_answer_or_a_reason() -> None:
    """No crash on any row of the table."""
    for name, kind in packaged.accelerators().items():
        mend, found = "", None
        try:
            found = advise("llama-3.1-8b", name, accelerators=1 if kind.hbm_gib >= 24 else 4)
        except (InfeasibleError, InputError) as error:
            mend = error.mend
        assert (found is None) == bool(mend), name
        if found is not None:
            assert found.point.output_tokens_per_s > 0, name
            assert np.isfinite(found.point.tpot.hi_ms), name


def test_json_is_plain() -> None:
    """Strict JSON with units in the names, whatever is absent null."""
    text = json.dumps(advise("gpt-oss-120b", "B200").to_dict(), allow_nan=False)
    made = json.loads(text)
    assert made["schema"] == "autoparallel.advice/1"
    assert {"tpot_shares", "prefill_shares", "tpot_terms_ms", "memory_gib", "moves", "settings"} <= set(made)
    assert set(made["tpot_shares"]) == set(RESOURCES)
    assert set(RATES) < set(RESOURCES)


def test_layouts_in_words() -> None:
    """What is not split or copied goes without saying."""
    layout = Layout(**dict(zip(NAMES, np.array([[1.0, 4], [1, 2], [1, 1], [1, 8]]), strict=True)))
    assert [words(layout, 0, 1), words(layout, 0, 8), words(layout, 1, 2)] == ["TP1", "TP1 ×8", "TP4 PP2 EP8 ×2"]


def test_the_package_gives_the_function() -> None:
    """Imported when first used; a question without targets has none."""
    assert solver.advise is advise
    assert not Question(input_tokens=1, output_tokens=1).targets
    assert ("aws", "p5.48xlarge") in costdata.load().nodes
