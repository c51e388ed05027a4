"""The settings of serving engines that bring about a layout, a concurrency and a share of memory, as each spells them.

vLLM (V1), SGLang and TensorRT-LLM (PyTorch backend) as of 2025. Two of them count differently: SGLang's and
TensorRT-LLM's tensor parallelism is of the whole engine, of which attention by data is a part; vLLM's is of one
attention rank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .candidates import evaluate
from .hardware import GIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .advice.nouns import Question
    from .candidates import Candidates

ENGINES = ("vllm", "sglang", "trtllm")
CHUNKS = (512, 1024, 2048, 4096, 8192, 16384)  # tokens in a pass
CHUNK_COST = 0.05  # longer that a prefill may take for being cut
BURST = 2.0  # times the prompts' tokens that come during a step on average
QUANTISED = {"fp8": "fp8"}  # weights an engine narrows by itself when the model was published wider


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one engine is started."""

    command: str
    config_yaml: str  # what TensorRT-LLM takes from a file; "" elsewhere
    max_sequences: int  # of an attention rank
    chunk_tokens: int
    chunk_ms: float  # that a decode step waits for a chunk
    kv_dtype: str
    memory_share: float  # as the engine defines it
    notes: tuple[str, ...]


def settings(
    engine: str, one: Candidates, concurrency: int, question: Question, memory: tuple[Mapping[str, float], float]
) -> Settings:
    """Settings of an engine for one candidate.

    Args:
        engine: "vllm", "sglang" or "trtllm".
        one: the layout, as a single candidate.
        concurrency: sequences of an engine.
        question: token counts.
        memory: GiB of an accelerator by component, and those usable.
    """
    layout, (memory_gib, usable_gib) = one.layout, memory
    sizes = (layout.tensor_parallel, layout.pipeline_parallel, layout.data_parallel, layout.expert_parallel)
    tensor, stages, ranks, experts = (int(size[0]) for size in sizes)
    chunk, chunk_ms = chunk_of(one, concurrency, question)
    hbm = float(one.hardware.hbm_bytes[0]) / GIB
    kv = "fp8" if one.precision.kv_bytes == 1 else "auto"
    native = one.architecture.native_precision
    quantised = QUANTISED.get(one.precision.name, "") if one.precision.name != native else ""
    spelled = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}[engine]
    beside = {name: memory_gib[name] for name in ("weights", "activations", "framework")}
    pool = usable_gib - sum(beside.values())  # GiB for the cache
    share = {
        "vllm": usable_gib / hbm,
        "sglang": (beside["weights"] + pool) / hbm,
        "trtllm": pool / (hbm - beside["weights"] - beside["framework"]),
    }[engine]
    share = math.floor(share * 100 + 1e-6) / 100
    sequences = concurrency if engine == "sglang" else math.ceil(concurrency / ranks)
    text, config, notes = spelled(
        one.architecture.name, (tensor, stages, ranks, experts), (sequences, chunk, share), kv, quantised
    )
    if one.precision.name in {"int4", "fp4"} and one.precision.name != native:
        notes = (*notes, f"needs a checkpoint that was quantised to {one.precision.name} beforehand")
    return Settings(
        command=text,
        config_yaml=config,
        max_sequences=math.ceil(concurrency / ranks),
        chunk_tokens=chunk,
        chunk_ms=chunk_ms,
        kv_dtype="fp8" if kv == "fp8" else "bf16",
        memory_share=share,
        notes=notes,
    )


def chunk_of(one: Candidates, concurrency: int, question: Question) -> tuple[int, float]:
    """(tokens of a pass, ms that a prompt's part of it takes).

    A decode step that shares its pass with a chunk waits for it; so smaller is smoother, until weights are read too
    often. The smallest is taken that makes a prefill at most CHUNK_COST longer and holds a token of every sequence
    that decodes and twice the prompts' tokens that come during a step.
    """
    made, ranks = one.steps(), float(one.layout.data_parallel[0])
    found = evaluate(one, question.load(np.array([[float(concurrency)]])))
    coming = float(found.requests_per_s[0, 0] / ranks * found.tpot_terms[:, 0, 0].sum()) * question.input_tokens
    held = concurrency / ranks + BURST * coming
    whole = np.asarray(float(question.input_tokens))
    alone = made.prefill_s(whole)
    for chunk in CHUNKS:
        cut = float(np.ravel(made.prefill_s(whole, 0.0, float(chunk)) / alone)[0])
        if chunk >= held and cut <= 1.0 + CHUNK_COST:
            break
    added = one.corrections()[0].ttft[1]
    tokens = np.asarray(float(min(chunk, question.input_tokens)))
    return chunk, float(np.ravel(made.prefill_s(tokens) * added)[0]) * 1e3


Sizes = tuple[int, int, int, int]
Limits = tuple[int, int, float]
Spelled = tuple[str, str, tuple[str, ...]]


def _vllm(model: str, sizes: Sizes, limits: Limits, kv: str, quantised: str) -> Spelled:
    (tensor, stages, ranks, experts), (sequences, chunk, share) = sizes, limits
    flags: list[tuple[str, Any]] = [("--tensor-parallel-size", tensor)]
    flags += [("--pipeline-parallel-size", stages)] if stages > 1 else []
    flags += [("--data-parallel-size", ranks)] if ranks > 1 else []
    flags += [("--enable-expert-parallel", None)] if experts > 1 else []
    flags += [("--max-num-seqs", sequences), ("--max-num-batched-tokens", chunk)]
    flags += [("--kv-cache-dtype", "fp8")] if kv == "fp8" else []
    flags += [("--quantization", quantised)] if quantised else []
    flags += [("--gpu-memory-utilization", share)]
    return _command(f"vllm serve {_quoted(model)}", flags), "", ()


def _sglang(model: str, sizes: Sizes, limits: Limits, kv: str, quantised: str) -> Spelled:
    (tensor, stages, ranks, experts), (sequences, chunk, share) = sizes, limits
    flags: list[tuple[str, Any]] = [("--tp-size", tensor * ranks)]
    flags += [("--pp-size", stages)] if stages > 1 else []
    flags += [("--dp-size", ranks), ("--enable-dp-attention", None)] if ranks > 1 else []
    flags += [("--ep-size", experts)] if experts > 1 else []
    flags += [("--max-running-requests", sequences), ("--chunked-prefill-size", chunk)]
    flags += [("--kv-cache-dtype", "fp8_e4m3")] if kv == "fp8" else []
    flags += [("--quantization", quantised)] if quantised else []
    flags += [("--mem-fraction-static", share)]
    return _command(f"python -m sglang.launch_server --model-path {_quoted(model)}", flags), "", ()


def _trtllm(model: str, sizes: Sizes, limits: Limits, kv: str, quantised: str) -> Spelled:
    (tensor, stages, ranks, experts), (sequences, chunk, share) = sizes, limits
    flags: list[tuple[str, Any]] = [("--tp_size", tensor * ranks)]
    flags += [("--pp_size", stages)] if stages > 1 else []
    flags += [("--ep_size", experts)] if experts > 1 else []
    flags += [("--max_batch_size", sequences), ("--max_num_tokens", max(chunk, sequences))]
    flags += [("--kv_cache_free_gpu_memory_fraction", share), ("--extra_llm_api_options", "options.yaml")]
    lines = ["enable_chunked_prefill: true"]
    lines += ["enable_attention_dp: true"] if ranks > 1 else []
    lines += ["kv_cache_config:", f"  free_gpu_memory_fraction: {share:.2f}"]
    lines += ["  dtype: fp8"] if kv == "fp8" else []
    notes = []
    if ranks > 1 and tensor > 1:
        notes.append("splits attention wholly by data or wholly by tensor: this layout is not to be had exactly")
    if quantised:
        notes.append(f"needs a checkpoint that was quantised to {quantised} beforehand")
    return _command(f"trtllm-serve {_quoted(model)}", flags), "\n".join(lines) + "\n", tuple(notes)


def _command(start: str, flags: list[tuple[str, Any]]) -> str:
    return " ".join([start, *(name if value is None else f"{name} {value}" for name, value in flags)])


def _quoted(model: str) -> str:
    """A model's name or path as a shell takes it for one word."""
    import shlex

    return shlex.quote(model)
