"""Step times by hand on round figures, and directions that no change may reverse over every model and accelerator."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costdata import packaged
from solver.perf import architecture, registry
from solver.perf.constants import PRECISIONS, precision
from solver.perf.corrections import Label
from solver.perf.corrections import corrections as corrections_of
from solver.perf.frames.serving import setups_of
from solver.perf.hardware import GIB, Hardware, Layout, accelerator_class
from solver.perf.serving import Corrections, Load, Options, Prediction, predict, terms
from solver.perf.setups import Setups, setups
from solver.perf.steps import COEFFICIENTS, ENGINES, Steps, constants_of, fitted, serving_constants, steps

LAYERS, HIDDEN, VOCABULARY = 80, 8192, 128_256  # Llama-3.1-70B: 64 heads of 128, 8 of keys and values, FFN 28,672
DENSE = LAYERS * (2 * HIDDEN * HIDDEN + 2 * HIDDEN * 1024 + 3 * HIDDEN * 28_672)
HEAD, NORMS = VOCABULARY * HIDDEN, (2 * LAYERS + 1) * HIDDEN
CACHED = LAYERS * 2 * 8 * 128  # keys and values of a token
BANDWIDTH, PEAK = 1e12, 1e15
MIXTRAL_EXPERTS = 32 * 8 * 3 * 4096 * 14_336
NOTHING = {  # what is not there unless a test gives it
    *("expert_imbalance", "index_share", "queue_by_load", "queue_by_burst", "prefill_interference"),
    *("decode_before_first", "collective_depth", "prefill_communication"),
}
QUICK = settings(max_examples=25, deadline=None)


def plain(**values: float) -> Any:
    """Constants of 1, times and side effects of 0, and what a test gives."""
    given_ = {name: 0.0 if name in NOTHING or name.endswith("_s") else 1.0 for name in fitted()["constants"]}
    assert set(values) <= set(given_)
    return constants_of({name: {"value": value} for name, value in (given_ | values).items()})


def one(
    model: str,
    stored: str = "bf16",
    *,
    tensor: int = 1,
    pipeline: int = 1,
    data: int = 1,
    expert: int = 1,
    scaleup: float = math.inf,
    fp4: float = 0.0,
    **values: float,
) -> Steps:
    """Steps of one set-up on round hardware: 1 TB/s, 1 PFLOP/s in BF16 and twice that in FP8, links free by default."""
    figures = (80 * GIB, BANDWIDTH, PEAK, 2 * PEAK, fp4, scaleup, 1e9)
    names = [f.name for f in dataclasses.fields(Hardware)][:-1]
    hw = Hardware(**{n: np.array([v]) for n, v in zip(names, figures, strict=True)}, generation=np.array([0]))
    sizes = {"tensor_parallel": tensor, "pipeline_parallel": pipeline, "data_parallel": data, "expert_parallel": expert}
    laid = Layout(**{name: np.array([float(size)]) for name, size in sizes.items()})
    return steps(setups([architecture(model)], [precision(stored)], hw, laid, 0), plain(**values))


def bare(**values: float) -> Steps:
    """Steps made of numbers: nothing takes time but what a test gives; one rank, one stage, room for everything."""
    usual = dict.fromkeys(COEFFICIENTS, 0.0) | {"room_bytes": 1e30, "ranks": 1.0, "stages": 1.0, "token_bytes": 1.0}
    return Steps(**{name: np.array([value]) for name, value in (usual | values).items()})


def load(concurrency: float, prompt: float, answer: float) -> Load:
    """One load."""
    return Load(
        concurrency=np.array([float(concurrency)]),
        input_tokens=np.array([float(prompt)]),
        output_tokens=np.array([float(answer)]),
    )


def near(value: Any) -> Any:
    """Equal but for rounding."""
    return pytest.approx(value, rel=1e-9)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_every_constant_is_a_factor_of_engine_and_generation() -> None:
    """2 × e^0.1 for SGLang, × e^0.3 on Blackwell; nothing said is a factor of 1."""
    made = constants_of({"x": {"value": 2.0, "engine": {"sglang": 0.1}, "blackwell": 0.3}}).values["x"]
    assert made == near(2.0 * np.exp([[0.0, 0.3], [0.1, 0.4], [0.0, 0.3], [0.0, 0.3]]))
    assert ENGINES.index("sglang") == 1


def test_a_decode_step_of_llama_70b() -> None:
    """Four ranks, 16 sequences at 5,000 tokens: weights 35 ms, products of 2 FLOP a parameter, the cache read once."""
    products, attention, rest = one("llama-3.1-70b", tensor=4).decode_terms(np.array([16.0]), np.array([5000.0]))
    read = 2 * (DENSE + HEAD + NORMS) / 4 / BANDWIDTH
    multiply = 2 * (DENSE + HEAD) / 4 * 16 / PEAK
    assert read == pytest.approx(0.03475, rel=1e-3)
    assert products == near((read**3 + multiply**3) ** (1 / 3))
    assert attention == near(16 * 5000 * CACHED * 2 / 4 / BANDWIDTH)
    assert rest == 0


def test_the_corner_of_the_roofline() -> None:
    """Where reading and multiplying take the same time a step takes ∛2 of it; far from there, the slower of both."""
    made = one("llama-3.1-70b", tensor=8)
    corner = (DENSE + HEAD + NORMS) / (DENSE + HEAD) * PEAK / BANDWIDTH  # sequences: 1,000 but for the norms
    read = 2 * (DENSE + HEAD + NORMS) / 8 / BANDWIDTH
    none = np.zeros(1)
    assert made.decode_terms(np.array([corner]), none)[0] == near(2 ** (1 / 3) * read)
    assert made.decode_terms(np.array([corner / 100]), none)[0] == pytest.approx(read, rel=1e-6)
    assert made.decode_terms(np.array([corner * 100]), none)[0] == pytest.approx(100 * read, rel=1e-6)


def test_efficiencies_divide() -> None:
    """Half the bandwidth and a quarter of the peak: twice and four times the time; no bandwidth above the peak's."""
    none, wide = np.zeros(1), np.array([1e6])
    slow = one("llama-3.1-70b", tensor=8, memory_efficiency=0.5, decode_efficiency=0.25)
    whole = one("llama-3.1-70b", tensor=8)
    assert slow.dense_s == near(2 * whole.dense_s)
    assert slow.decode_terms(wide, none)[0] == pytest.approx(4 * whole.decode_terms(wide, none)[0], rel=1e-6)
    assert one("llama-3.1-70b", tensor=8, memory_efficiency=1.5).dense_s == near(whole.dense_s)


def test_types_without_units_of_their_own() -> None:
    """FP4 on a machine without such units is read at 9/16 byte a weight, and multiplied as BF16 is."""
    sixteen, four = (one("llama-3.1-70b", kind, tensor=8, fp4_efficiency=0.5) for kind in ("bf16", "fp4"))
    for made in (sixteen, four):
        assert made.prefill_token_s == near(2 * DENSE / 8 / PEAK)
    assert four.dense_s == near(((0.5 + 1 / 16) * DENSE + 2 * (HEAD + NORMS)) / 8 / BANDWIDTH)
    narrow = one("llama-3.1-70b", "fp4", tensor=8, fp4=4 * PEAK, fp4_efficiency=0.5)
    assert narrow.prefill_token_s == near(2 * DENSE / 8 / (4 * PEAK) / 0.5)
    hardly = one("llama-3.1-70b", "fp4", tensor=8, fp4=1.5 * PEAK, fp4_efficiency=0.5)  # then BF16 is the faster
    assert hardly.prefill_token_s == near(2 * DENSE / 8 / PEAK)
    assert one("llama-3.1-70b", "fp8", tensor=8).prefill_token_s == near(2 * DENSE / 8 / (2 * PEAK))


@pytest.mark.parametrize("coverage", [1.0, 0.9])
@pytest.mark.parametrize("tokens", [1, 3, 40])
def test_experts_that_a_batch_touches(tokens: int, coverage: float) -> None:
    """Mixtral: 1 − (1 − 2/8)^(c T) of 90 GB of experts, and never fewer than the two that one token takes."""
    made = one("mistralai/Mixtral-8x7B-v0.1", tensor=2, coverage=coverage)
    share = max(1 - 0.75 ** (coverage * tokens), 0.25)
    experts = 2 * MIXTRAL_EXPERTS / 2 / BANDWIDTH
    multiply = float(made.decode_token_s[0]) * tokens
    read = float(made.dense_s[0]) + share * experts
    found = made.decode_terms(np.array([float(tokens)]), np.zeros(1))[0]
    assert found == near((read**3 + multiply**3) ** (1 / 3))
    assert experts > 10 * float(made.dense_s[0])
    assert made.experts_s == near(experts)


def test_products_of_experts_are_of_those_a_token_takes() -> None:
    """2 FLOP a parameter of 2 of 8 experts, shared by the ranks; uneven ones take the longer."""
    even = one("mistralai/Mixtral-8x7B-v0.1", tensor=2, expert=2)
    uneven = one("mistralai/Mixtral-8x7B-v0.1", tensor=2, expert=2, expert_imbalance=0.5)
    work = 2 * MIXTRAL_EXPERTS / 4 / 2 / PEAK
    assert uneven.decode_token_s - even.decode_token_s == near(0.5 * work)
    assert one("mistralai/Mixtral-8x7B-v0.1", tensor=2, expert_imbalance=0.5).decode_token_s == near(
        even.decode_token_s
    )


def test_the_cache_of_llama_70b() -> None:
    """80 GiB × 0.94 − a quarter of 141.1 GB − 4 GiB, over 80 KiB a token: 4,000 and half of 1,000 tokens each."""
    made = one("llama-3.1-70b", tensor=4, held_output=0.5)
    room = 0.94 * 80 * 2**30 - 2 * (DENSE + 2 * HEAD + NORMS) / 4 - 4 * 2**30
    assert made.room_bytes == near(room)
    assert made.capacity(np.array([4000.0]), np.array([1000.0])) == near(room / (4500 * CACHED * 2 / 4))
    eight = one("llama-3.1-70b", "fp8", tensor=4, held_output=0.5)  # the vocabulary stays in BF16, the cache halves
    smaller = 0.94 * 80 * 2**30 - ((1 + 4 / 16_384) * DENSE + 2 * NORMS + 4 * HEAD) / 4 - 4 * 2**30
    assert eight.capacity(np.array([4000.0]), np.array([1000.0])) == near(smaller / (4500 * CACHED / 4))
    assert one("llama-3.1-70b").capacity(np.array([4000.0]), np.array([1000.0])) == 1.0  # not even its weights fit


def test_ranks_of_attention_hold_caches_of_their_own() -> None:
    """More ranks than heads of keys and values keep copies; data-parallel ranks each hold other sequences."""
    eight, sixteen = (one("llama-3.1-70b", tensor=n).token_bytes for n in (8, 16))
    assert eight == sixteen == near(CACHED * 2 / 8)
    alone, four = one("mistralai/Mixtral-8x7B-v0.1"), one("mistralai/Mixtral-8x7B-v0.1", data=4)
    assert four.token_bytes == alone.token_bytes == near(32 * 2 * 8 * 128 * 2)
    rooms = (np.array([1000.0]), np.array([1.0]))
    each = 1001 * 32 * 2 * 8 * 128 * 2
    assert four.capacity(*rooms) == near(4 * float(four.room_bytes[0]) / each)
    assert float(four.experts_s[0]) == near(2 * MIXTRAL_EXPERTS / 4 / BANDWIDTH)
    assert four.dense_s == near(alone.dense_s)


def test_a_cache_that_ends_at_a_window() -> None:
    """10 bytes a token for 6,000 tokens, 100 for the last 1,000 only, 5,000 for the state: 165,000 a sequence."""
    made = bare(room_bytes=1.65e6, token_bytes=10.0, window_bytes=100.0, state_bytes=5000.0, sliding_window=1000.0)
    assert made.capacity(np.array([6000.0]), np.array([77.0])) == near(10.0)
    half = bare(room_bytes=1.65e6, token_bytes=10.0, held_output=0.5)
    assert half.capacity(np.array([6000.0]), np.array([2000.0])) == near(1.65e6 / 70_000)


def test_sequences_that_run() -> None:
    """What is wanted, or what the cache holds; 2^(−1/32) of both where they meet."""
    made = bare(room_bytes=50.0 * 100)
    found = [float(made.running(np.array([n]), np.array([100.0]), np.array([1.0]))[0]) for n in (5.0, 50.0, 5000.0)]
    assert found == [near(5.0), near(50 * 2 ** (-1 / 32)), near(50.0)]


def test_tokens_that_attention_reads() -> None:
    """A window stops at its size; a sparse selection reads what it picks and a share of every key to pick it."""
    window = bare(full_read_s=1e-6, window_read_s=1e-7, state_read_s=1e-3, sliding_window=128.0)
    assert window.decode_terms(np.array([2.0]), np.array([1000.0]))[1] == near(2 * (1e-3 + 1.28e-5 + 1e-3))
    sparse = bare(full_read_s=1e-6, selected_context=2048.0, index_share=0.1)
    assert sparse.decode_terms(np.array([1.0]), np.array([10_000.0]))[1] == near(3048e-6)
    assert sparse.decode_terms(np.array([1.0]), np.array([1000.0]))[1] == near(1100e-6)
    bound = bare(full_read_s=1e-6, full_product_s=3e-6)  # by arithmetic: scores take longer than reading
    assert bound.decode_terms(np.array([1.0]), np.array([1000.0]))[1] == near(3e-3)


def test_collectives() -> None:
    """Llama-3.1-70B on 8: 160 all-reduces of 16 KiB a token at 2 × 7/8 of it through 100 GB/s, latency log₂ 8."""
    made = one(
        "llama-3.1-70b", tensor=8, scaleup=200e9, collective_latency_s=5e-6, collective_efficiency=0.5,
        collective_depth=0.25, sequence_s=1e-6, layer_s=1e-5, step_s=1e-3, prefill_communication=0.5,
    )  # fmt: skip
    latency = 160 * 5e-6 * (1 + 0.25 * 2)
    moved = 160 * 2 * (7 / 8) * 2 * HIDDEN / 100e9
    assert made.launch_s == near(80 * 1e-5 + 1e-3 + latency)
    assert made.sequence_s == near(1e-6 + moved)
    assert made.prefill_launch_s == near(0.5 * latency)
    assert made.prefill_moved_s == near(0.5 * moved)
    slow = one("llama-3.1-70b", tensor=2, scaleup=32e9, collective_latency_s=5e-6)
    assert slow.launch_s == near(160 * 5e-6 * 3)  # PCIe
    assert one("llama-3.1-70b", collective_latency_s=5e-6, scaleup=32e9).launch_s == 0  # alone


def test_stages_of_a_pipeline() -> None:
    """Two stages: each half of the layers in memory, one hop more, and half of the sequences in a step."""
    single, double = (one("llama-3.1-70b", tensor=4, pipeline=n) for n in (1, 2))
    assert double.dense_s == near(single.dense_s)  # a token passes all of them
    hop = 2.5e-5 + 2 * HIDDEN / (0.8 * 1e9)
    assert double.launch_s - single.launch_s == near(hop)
    layers = 0.94 * 80 * 2**30 - 4 * 2**30 - 2 * 2 * HEAD / 4 - (2 * DENSE + 2 * NORMS) / 4 / 2 + 2 * HEAD / 4 / 2
    assert double.room_bytes == pytest.approx(layers, rel=1e-9)
    assert double.token_bytes == near(single.token_bytes / 2)
    thirds = one("llama-3.1-70b", tensor=4, pipeline=3)
    assert thirds.token_bytes == near(single.token_bytes * 27 / 80)  # the longest stage has 27 of 80 layers
    running, context = np.array([32.0]), np.array([3000.0])
    assert double.decode_terms(running, context)[1] == near(single.decode_terms(running / 2, context)[1])
    assert double.decode_terms(running, context)[0] == near(single.decode_terms(running / 2, context)[0])


def test_a_prefill() -> None:
    """1,000 tokens: 0.3 s of products against 0.1 s of reading, 0.05 s of attention, 2 ms of launches, 10 ms moved."""
    made = bare(
        dense_s=0.1, prefill_token_s=2.99e-4, prefill_head_s=1e-3, full_prefill_s=1e-7, prefill_launch_s=2e-3,
        prefill_moved_s=1e-5,
    )  # fmt: skip
    products = (0.1**3 + 0.3**3) ** (1 / 3)
    assert made.prefill_s(np.array([1000.0])) == near(products + 1000 * 500 * 1e-7 + 2e-3 + 1e-2)


def test_a_prefill_after_a_cached_prefix() -> None:
    """The last 250 of 1,000 tokens: a quarter of the products, attention over 875 earlier tokens each."""
    made = bare(dense_s=0.1, prefill_token_s=3e-4, full_prefill_s=1e-7)
    products = (0.1**3 + 0.075**3) ** (1 / 3)
    expected = products + 250 * 875 * 1e-7
    assert made.prefill_s(np.array([250.0]), np.array([750.0])) == near(expected)
    hit = predict(made, load(1, 1000, 10), options=Options(prefix_hit_rate=0.75))
    assert hit.prefill_s == near(expected)
    assert hit.ttft_ms == near(1e3 * expected)


def test_a_prefill_in_chunks() -> None:
    """1,000 tokens in chunks of 256: four passes of 250 read and launch four times; attention is as before."""
    made = bare(dense_s=0.1, prefill_token_s=3e-4, prefill_head_s=1e-3, full_prefill_s=1e-7, prefill_launch_s=2e-3)
    products = 4 * (0.1**3 + 0.076**3) ** (1 / 3)
    assert made.prefill_s(np.array([1000.0]), 0.0, 256.0) == near(products + 0.05 + 8e-3)


ENGINE = {"dense_s": 0.01, "full_read_s": 1e-8, "launch_s": 0.002, "sequence_s": 1e-5, "prefill_token_s": 1e-4}


def test_interference() -> None:
    """Five sequences of 100 tokens, a prompt of 0.1 s: each step is delayed by a half of four prefills in 100 steps."""
    made = bare(prefill_token_s=1e-4, interference=0.5)
    assert terms(made, load(5, 1000, 100))[0][3] == near(0.5 * 4 / 100 * 0.1)
    assert terms(made, load(1, 1000, 100))[0][3] == 0
    four = bare(prefill_token_s=1e-4, interference=0.5, ranks=2.0, stages=2.0)  # works on four prompts at once
    assert terms(four, load(5, 1000, 100))[0][3] == near(0.5 * 4 / 100 * 0.1 / 4)
    assert terms(made, load(5, 1000, 100), Options(disaggregated=True))[0][3] == 0


def test_terms_of_the_first_token() -> None:
    """0.3 s to begin and two decode steps of 12.05 ms, a prompt of 0.1 s, and those that are waited for."""
    prefill = (0.01**3 + 0.1**3) ** (1 / 3)
    made = bare(**ENGINE, first_token_s=0.3, decode_before_first=2.0, queue_by_load=0.4, queue_by_burst=0.2,
                queue_power=0.5)  # fmt: skip
    tpot, ttft = terms(made, load(5, 1000, 100))
    attention = 5 * 1050 * 1e-8
    assert [float(t[0]) for t in tpot] == [near(0.01), near(attention), near(0.00205), 0.0]
    step = 0.01205 + attention
    busy = 5 * prefill / (100 * step + prefill)
    assert ttft[0] == near(0.3 + 2 * step)
    assert ttft[1] == near(prefill)
    assert ttft[2] == near(prefill * (0.4 * busy + 0.2) * (5**0.5 - 1))
    assert ttft[3] == pytest.approx(0.0, abs=1e-12)
    apart = terms(made, load(5, 1000, 100), Options(disaggregated=True))[1]
    assert apart[2] == near(prefill * 0.4 * busy * (5**0.5 - 1))


def test_what_the_cache_cannot_hold_waits() -> None:
    """Ten in flight where two run: four lives of a sequence are waited for."""
    made = bare(dense_s=0.01, prefill_token_s=1e-4, room_bytes=2.0 * 1000, token_bytes=1.0)
    tpot, ttft = terms(made, load(10, 1000, 100))
    assert tpot[0] == near(0.01)
    assert ttft[3] == near(4 * (100 * 0.01 + (0.01**3 + 0.1**3) ** (1 / 3)))


def test_rate_and_corrections_are_of_the_terms() -> None:
    """Concurrency over the whole latency; each term times its factor."""
    made = bare(**ENGINE, first_token_s=0.3, interference=0.5)
    asked = load(5, 1000, 100)
    tpot, ttft = terms(made, asked)
    found = predict(made, asked)
    assert found.tpot_ms == near(1e3 * sum(tpot))
    assert found.ttft_ms == near(1e3 * sum(ttft))
    assert found.requests_per_s == near(5 / (sum(ttft) + 99 * sum(tpot)))
    factors = tuple(np.array([f]) for f in (2.0, 3.0, 5.0, 7.0))
    none = np.zeros(1)
    more = predict(made, asked, Corrections(tpot=factors, ttft=factors, tpot_sigma=none, ttft_sigma=none))
    assert more.tpot_ms == near(1e3 * (2 * tpot[0] + 3 * tpot[1] + 5 * tpot[2] + 7 * tpot[3]))
    assert more.ttft_ms == near(1e3 * (2 * ttft[0] + 3 * ttft[1] + 5 * ttft[2] + 7 * ttft[3]))
    swamped = predict(bare(prefill_token_s=1e-4), load(50, 1000, 1))
    assert swamped.requests_per_s == near(1 / 0.1)  # no faster than prompts are read


def test_speculation() -> None:
    """Three drafted, half kept: (1 − 0.5⁴) ÷ 0.5 = 1.875 tokens from four computed, in 1.3 × the time."""
    made = bare(**ENGINE, decode_token_s=1e-3, decode_before_first=1.0)
    drafted = Options(draft_tokens=3.0, draft_acceptance=0.5, draft_cost=0.1)
    tpot, ttft = terms(made, load(2, 1000, 100), drafted)
    step = [float(part[0]) for part in made.decode_terms(np.array([2.0]), np.array([1050.0]), 4.0)]
    assert step == [near((0.01**3 + 0.008**3) ** (1 / 3)), near(2 * 1050 * 1e-8), near(0.002 + 8e-5)]
    for term, part in zip(tpot, step, strict=False):
        assert term == near(part * 1.3 / 1.875)
    assert ttft[0] == near(1.3 * sum(step))
    certain = terms(made, load(2, 1000, 100), Options(draft_tokens=3.0, draft_acceptance=1.0, draft_cost=0.0))[0]
    assert certain[0] == pytest.approx(step[0] / 4, rel=1e-6)


def test_take_keeps_rows() -> None:
    """Coefficients of the rows asked for, whatever they broadcast from."""
    made = dataclasses.replace(bare(), dense_s=np.array([1.0, 2.0, 3.0]), experts_s=np.array(7.0))
    found = made.take(np.array([2, 0]))
    assert found.dense_s.tolist() == [3.0, 1.0]
    assert found.experts_s.tolist() == [7.0, 7.0]


# --- directions, over every model and accelerator -------------------------------------------------------------------


@functools.cache
def every() -> tuple[tuple[Label, ...], Setups, Corrections]:
    """Every architecture on every accelerator that is planned, in a lawful layout, a precision and an engine drawn."""
    draw = np.random.default_rng(7)
    made = []
    for a in registry().values():
        for machine in packaged.accelerators().values():
            if not machine.planned:
                continue
            tensor = int(draw.choice([n for n in (1, 2, 4, 8) if n == 1 or a.attention_heads % n == 0]))
            data = int(draw.choice([1, 1, 2, 8]))
            ranks = tensor * data
            split = bool(a.experts) and a.experts % ranks == 0 and draw.random() < 0.5
            made.append(
                Label(
                    architecture=a,
                    accelerator=machine.name,
                    generation=int(machine.fp4_tflop_per_s > 0),
                    precision=str(draw.choice(sorted(PRECISIONS))),
                    engine=str(draw.choice(ENGINES)),
                    silicon=accelerator_class(machine),
                    layout=(tensor, int(draw.choice([1, 1, 2])) if a.layers > 1 else 1, data, ranks if split else 1),
                )
            )
    return tuple(made), setups_of(made), corrections_of(made)[0]


@functools.cache
def uneven() -> Corrections:
    """Factors of every set-up's terms that are far from one another."""
    draw = np.random.default_rng(8)
    count = len(every()[0])
    parts = [np.exp(0.2 * draw.standard_normal(count)) for _ in range(8)]
    none = np.zeros(count)
    return Corrections(tpot=tuple(parts[:4]), ttft=tuple(parts[4:]), tpot_sigma=none, ttft_sigma=none)


def answers(made: Setups, concurrency: Any, prompt: Any, answer: Any, added: Corrections | None) -> Prediction:
    """Predictions with the packaged constants."""
    asked = Load(
        concurrency=np.asarray(concurrency, dtype=float),
        input_tokens=np.asarray(prompt, dtype=float),
        output_tokens=np.asarray(answer, dtype=float),
    )
    return predict(steps(made, serving_constants()), asked, added)


def some(wrong: Any) -> list[Any]:
    """The first set-ups that are wrong."""
    labels = every()[0]
    return [dataclasses.replace(labels[i], architecture=labels[i].architecture.name) for i in np.flatnonzero(wrong)[:3]]


def whole_ms(found: Prediction, answer: float) -> Any:
    """From a request to its last token."""
    return found.ttft_ms + (answer - 1) * found.tpot_ms


ADDED = st.sampled_from(["packaged", "uneven", "none"])
LOADS = {
    "concurrency": st.sampled_from([1, 2, 7, 64, 300, 4096]),
    "prompt": st.sampled_from([1, 50, 1000, 8192, 100_000]),
    "answer": st.sampled_from([1, 2, 100, 1024, 8000]),
}


def added_of(name: str) -> Corrections | None:
    """Corrections by name."""
    return {"packaged": every()[2], "uneven": uneven(), "none": None}[name]


@QUICK
@given(**LOADS, name=ADDED)
def test_everything_is_finite_and_takes_time(concurrency: int, prompt: int, answer: int, name: str) -> None:
    """Every model on every planned accelerator, whether or not it fits."""
    found = answers(every()[1], concurrency, prompt, answer, added_of(name))
    for field in dataclasses.fields(found):
        values = getattr(found, field.name)
        assert not some(~(np.isfinite(values) & (values > 0))), field.name
    assert not some(found.running > concurrency * (1 + 1e-9))


@QUICK
@given(
    **LOADS,
    name=ADDED,
    column=st.sampled_from(
        ["hbm_bytes_per_s", "bf16_flop_per_s", "dense_flop_per_s", "expert_flop_per_s", "scaleup_bytes_per_s",
         "scaleout_bytes_per_s"]
    ),
    factor=st.floats(1.01, 10.0),
)  # fmt: skip
def test_better_machines_are_never_slower(
    concurrency: int, prompt: int, answer: int, name: str, column: str, factor: float
) -> None:
    """TPOT, the prefill and the whole latency do not rise, the rate does not fall.

    (Under closed load a faster decode brings the next prompts sooner: the queue before a first token may grow.)
    """
    made, added = every()[1], added_of(name)
    better = dataclasses.replace(made, **{column: getattr(made, column) * factor})
    old, new = (answers(s, concurrency, prompt, answer, added) for s in (made, better))
    assert not some(new.tpot_ms > old.tpot_ms * (1 + 1e-9))
    assert not some(new.prefill_s > old.prefill_s * (1 + 1e-9))
    if answer > 1:
        assert not some(whole_ms(new, answer) > whole_ms(old, answer) * (1 + 1e-9))
        assert not some(new.requests_per_s < old.requests_per_s * (1 - 1e-9))


@QUICK
@given(**LOADS, name=ADDED, factor=st.floats(1.01, 8.0))
def test_more_sequences_in_flight_are_never_quicker(
    concurrency: int, prompt: int, answer: int, name: str, factor: float
) -> None:
    """TPOT and TTFT do not fall."""
    few = answers(every()[1], concurrency, prompt, answer, added_of(name))
    many = answers(every()[1], concurrency * factor, prompt, answer, added_of(name))
    assert not some(many.tpot_ms < few.tpot_ms * (1 - 1e-9))
    assert not some(many.ttft_ms < few.ttft_ms * (1 - 1e-9))


@QUICK
@given(**LOADS, name=st.sampled_from(["packaged", "none"]), more=st.sampled_from([1, 300, 5000, 60_000]))
def test_longer_prompts_are_never_quicker(concurrency: int, prompt: int, answer: int, name: str, more: int) -> None:
    """The whole latency does not fall, and the rate does not rise; nor does TPOT fall where all sequences fit.

    (Not for any factors: where fewer of longer sequences run, TPOT falls and the wait rises, and a factor of TPOT's
    terms far above that of the wait would turn their sum round.)
    """
    made, added = every()[1], added_of(name)
    short, long = (answers(made, concurrency, n, answer, added) for n in (prompt, prompt + more))
    assert not some(whole_ms(long, answer) < whole_ms(short, answer) * (1 - 1e-9))
    assert not some(long.requests_per_s > short.requests_per_s * (1 + 1e-9))
    assert not some(long.prefill_s < short.prefill_s * (1 - 1e-9))
    fits = long.running > concurrency * (1 - 1e-12)
    assert not some(fits & (long.tpot_ms < short.tpot_ms * (1 - 1e-9)))


def test_every_pair_is_there() -> None:
    """The directions are those of all models and of all planned accelerators, dense and not, in every type."""
    made = every()[0]
    planned = [m for m in packaged.accelerators().values() if m.planned]
    assert len(made) == len(registry()) * len(planned) > 1000
    assert {label.precision for label in made} == set(PRECISIONS)
    assert {label.engine for label in made} == set(ENGINES)
    assert {bool(label.layout[3] > 1) for label in made} == {True, False}
    assert math.isclose(every()[1].layers.sum(), sum(label.architecture.layers for label in made))
