"""Memory of one accelerator of a training job by component. All sizes are bytes.

States are counted exactly: weights, gradients and Adam on the fullest pipeline stage, split over tensor and expert
ranks and, by ZeRO stage (Rajbhandari et al., arXiv 1910.02054), over data and context ranks. Activations follow
Korthikanti et al. (arXiv 2205.05198): what each operation keeps for its backward pass, less what is recomputed, times
the layers in flight in an interleaved pipeline (Narayanan et al., arXiv 2104.04473).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .hardware import GIB
from .huggingface import UNGATED
from .memory import Memory

if TYPE_CHECKING:
    from .architectures import Architecture
    from .training import Trainer

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
WIDE = 2.0  # bytes of a BF16 or FP16 number
NARROW = 1.0  # bytes of an FP8 number
FULLY_SHARDED = 3  # ZeRO stage
GRADIENTS_SHARDED = 2
ONE_MIXER = frozenset({"nemotron_h"})  # a layer is a mixer or a FFN, with one norm
QUERY_KEY_NORM = ("qwen3", "gemma3", "gemma4", "olmo2")  # families that keep queries and keys before their norm too
LINEAR_KEPT = 1.3  # of the projections of a linear-attention layer: fused kernels keep them and the normalised output
ADAPTER_RANK = 32.0  # of LoRA: NeMo's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """How a training framework keeps states and activations; bytes a parameter unless said otherwise.

    The defaults are Megatron's with gradients summed in FP32, which is what a plan assumes.
    """

    name: str
    weight_bytes: float = WIDE  # as stored; split over the data ranks with ZeRO-3
    gradient_bytes: float = 4.0  # split likewise
    optimizer_bytes: float = 12.0  # FP32 master and two Adam moments; split over the data ranks with ZeRO-1 too
    sharded: bool = True  # the optimiser is split over the data ranks
    step_bytes: float = 0.0  # what the update needs besides, split like the optimiser
    loss_bytes: float = 8.0  # a logit, at the peak of the loss
    split_loss_bytes: float = 8.0  # the same when the vocabulary is split over tensor ranks
    fully_sharded: bool = False  # ZeRO-3 unless it is said otherwise
    vocabularies_held: float = 0.0  # vocabulary matrices that ZeRO-3 keeps whole
    fused_attention: bool = True  # scores are never kept
    dropout: bool = False  # masks are kept
    momentary: bool = True  # what the loss or one layer needs for a moment is counted
    recomputes: str = "none"  # unless it is said otherwise
    per_operation: bool = False  # "selective" recomputation is PyTorch's, operation by operation
    gradients_whole: bool = True  # pipelines sum ZeRO-3 gradients in FP32 before they split them
    resident: bool = False  # pipelines also keep gathered ZeRO-3 weights, and buffers for all micro-batches of a step


PLANNED = Framework(name="planned")
MEGATRON_2022 = Framework(name="megatron-2022", sharded=False, fused_attention=False, dropout=True)
# Gradients in BF16, copied to FP32 for the update; fused cross entropy: the logits and their gradient.
MEGATRON = Framework(name="megatron", gradient_bytes=WIDE, step_bytes=4.0, loss_bytes=4.0, split_loss_bytes=4.0)
# FSDP2 keeps FP32 shards. Eager loss: BF16 logits, FP32 log-softmax and two gradients; DTensor's: five FP32 copies.
TORCHTITAN_2024 = Framework(
    name="torchtitan-2024",
    weight_bytes=4.0,
    optimizer_bytes=8.0,
    loss_bytes=14.0,
    split_loss_bytes=20.0,
    fully_sharded=True,
    vocabularies_held=2.0,
    per_operation=True,
    resident=True,
)
# Since 2025 the loss is compiled (the logits and their gradient in BF16, and some FP32), and the embedding is let go.
TORCHTITAN = dataclasses.replace(
    TORCHTITAN_2024, name="torchtitan", loss_bytes=6.0, split_loss_bytes=6.0, vocabularies_held=1.0
)
FSDP = dataclasses.replace(TORCHTITAN, name="fsdp", per_operation=False, resident=False)
MAXTEXT = dataclasses.replace(FSDP, name="maxtext", recomputes="full")  # its default policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Recompute:
    """What the backward pass computes again; bool arrays [K] (or scalars)."""

    full: Any = False  # everything but each layer's input
    by_operation: Any = False  # PyTorch's selective checkpoint: every second product and attention are kept
    core_attention: Any = False  # scores
    norms: Any = False
    mlp: Any = False  # dense FFNs
    experts: Any = False  # whole expert layers
    expert_activation: Any = False
    shared_experts: Any = False
    latent_projections: Any = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Training jobs of one model in one framework, one a row: float arrays [K] or scalars."""

    tensor_parallel: Any
    pipeline_parallel: Any
    data_parallel: Any  # copies of the model
    virtual_stages: Any = 1.0  # of each pipeline rank
    context_parallel: Any = 1.0
    expert_parallel: Any = 1.0
    zero_stage: Any = 1.0
    sequence_length: Any = 4096.0
    micro_batch: Any = 1.0  # sequences
    micro_batches: Any = np.inf
    sequence_parallel: Any = True  # norms and residuals are split over tensor ranks
    narrow: Any = False  # products, and what they keep, are FP8
    compiled: Any = False
    adapters: Any = False  # LoRA: only small adapters are trained
    regathered: Any = True  # inputs of adapters are split over tensor ranks, and gathered again
    moments_narrow: Any = False  # BF16 Adam moments, and no FP32 copy of the gradients
    recompute: Recompute = Recompute()

    def take(self, rows: Any) -> Job:
        """Rows by mask or index, when every column is an array [K]."""
        inner = Recompute(**{f.name: getattr(self.recompute, f.name)[rows] for f in dataclasses.fields(Recompute)})
        columns = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "recompute"}
        return Job(**{name: np.asarray(column)[rows] for name, column in columns.items()}, recompute=inner)


@dataclass(frozen=True, slots=True)
class Widths:
    """Numbers a token leaves behind in all layers together, by where they come from."""

    residual: float  # inputs of the norms
    queries: float
    keys: float
    values: float
    outputs: float  # of attention
    latent: float  # compressed keys and values
    linear: float  # projections of linear-attention layers
    hidden: float  # of dense FFNs: what goes into the activation function
    middle: float  # and what comes out
    shared_hidden: float
    shared_middle: float
    expert_input: float  # of all experts that see the token
    expert_hidden: float
    expert_middle: float
    scores: float  # heads × layers

    @property
    def query_key_value(self) -> float:
        """Queries, keys and values."""
        return self.queries + self.keys + self.values


def widths(a: Architecture) -> Widths:
    """Widths of a model, from its counts: parameters, cache and attention work."""
    norms = (1 if a.family in ONE_MIXER else 2) * a.layers
    matrices = 2.0 if a.family in UNGATED else 3.0
    attended = (a.prefill_attention_flop + a.window_attention_flop) / 2.0  # heads × (key + value size)
    cached = float(a.cache_values_per_token + a.window_values_per_token)
    half = attended / 2.0
    linear = a.attention_parameters / a.hidden_size - attended - cached if a.state_values_per_sequence else 0.0
    each = matrices * a.hidden_size
    experts = a.experts_per_token * a.expert_parameters / (each * a.experts) if a.experts else 0.0
    return Widths(
        residual=float(norms * a.hidden_size),
        queries=half,
        keys=half if a.latent_attention else cached / 2.0,
        values=half if a.latent_attention else cached / 2.0,
        outputs=half,
        latent=cached if a.latent_attention else 0.0,
        linear=LINEAR_KEPT * max(0.0, linear),
        hidden=(matrices - 1.0) * a.dense_ffn_parameters / each,
        middle=a.dense_ffn_parameters / each,
        shared_hidden=(matrices - 1.0) * a.shared_expert_parameters / each,
        shared_middle=a.shared_expert_parameters / each,
        expert_input=float(a.experts_per_token * a.moe_layers * a.hidden_size),
        expert_hidden=(matrices - 1.0) * experts,
        expert_middle=experts,
        scores=float(a.attention_heads * a.layers),
    )


def training_memory(t: Trainer) -> Memory:
    """Bytes of the fullest accelerator by component, for the layouts of a plan; the framework's own share included."""
    g, layouts = t.gang, t.jobs().layouts
    job = Job(
        tensor_parallel=g.tensor_parallel,
        pipeline_parallel=g.pipeline_parallel,
        data_parallel=g.data_parallel,
        virtual_stages=layouts.virtual_stages,
        expert_parallel=g.expert_parallel,
        zero_stage=g.zero_stage,
        sequence_length=float(t.sequence_length),
        micro_batch=t.micro_batch,
        micro_batches=t.micro_batches,
        narrow=t.precision.compute != "bf16",
        recompute=Recompute(full=t.recompute),
    )
    found = job_memory(t.architecture, job, PLANNED)
    return dataclasses.replace(found, framework=np.asarray(t.constants.assumed.framework_gib * GIB))


def job_memory(a: Architecture, j: Job, s: Framework) -> Memory:
    """Bytes allocated on the fullest accelerator at the peak of a step, by component.

    The peak is the larger of that in the backward pass and that of the update, on the fullest pipeline stage; what the
    framework itself takes is not in it.
    """
    first, last = (stage_memory(a, j, s, last=last) for last in (False, True))
    fuller = first.total >= last.total
    names = [f.name for f in dataclasses.fields(Memory)]
    return Memory(**{name: np.where(fuller, getattr(first, name), getattr(last, name)) for name in names})


def stage_memory(a: Architecture, j: Job, s: Framework, *, last: bool) -> Memory:
    """As `job_memory`, of the first or the last pipeline stage; both are one without a pipeline."""
    parts = _parameters(a, j, last=last)
    shards = j.data_parallel * j.context_parallel
    ways = _expert_ways(a, j)
    copies = (shards, np.maximum(1.0, j.tensor_parallel * shards / ways))
    stage = np.asarray(j.zero_stage)
    whole = (stage == GRADIENTS_SHARDED) & s.fully_sharded  # weights are gathered once a step
    sharded = (stage >= FULLY_SHARDED) | whole
    trained = [np.where(j.adapters, _adapter_parameters(a, j), parts[0]), np.where(j.adapters, 0.0, parts[1])]
    owned = sum(p / c if s.sharded else p for p, c in zip(trained, copies, strict=True))
    kept = sum(np.where(sharded, p / c, p) for p, c in zip(parts, copies, strict=True))
    summed = sum(np.where(stage >= GRADIENTS_SHARDED, p / c, p) for p, c in zip(trained, copies, strict=True))
    resident = sharded & (np.asarray(j.pipeline_parallel) > 1) & s.resident
    weights = kept * s.weight_bytes + np.where(sharded, _gathered(a, j, parts, s, resident | whole), 0.0)
    summing = sharded & (np.asarray(j.pipeline_parallel) > 1) & s.gradients_whole
    gradients = summed * s.gradient_bytes + np.where(summing, 4.0 * sum(trained), 0.0)
    moments = np.where(j.moments_narrow, s.optimizer_bytes - 2 * WIDE, s.optimizer_bytes)
    update = np.where(j.moments_narrow, 0.0, s.step_bytes) * owned
    activations = np.maximum(_activations(a, j, s, last=last), update)
    zero = np.zeros(())
    return Memory(
        weights=weights,
        cache=zero,
        activations=activations,
        gradients=gradients,
        optimizer=owned * moments,
        framework=zero,
    )


def _stage_layers(a: Architecture, j: Job) -> Array:
    """Layers of the fullest stage; virtual stages that get one more than others are spread over the ranks."""
    return np.asarray(np.ceil(a.layers / j.pipeline_parallel))


def _expert_ways(a: Architecture, j: Job) -> Array:
    """Ways in which one layer's experts are split: by expert, or by tensor."""
    return np.asarray(np.maximum(j.expert_parallel, j.tensor_parallel) if a.experts else j.tensor_parallel)


def _parameters(a: Architecture, j: Job, *, last: bool) -> tuple[Array, Array]:
    """(dense, expert) parameters of an accelerator of the first or last stage before ZeRO."""
    share = _stage_layers(a, j) / a.layers
    alone = np.asarray(j.pipeline_parallel) == 1
    one_end = a.output_parameters if last else a.embedding_parameters
    ends = np.where(alone, a.embedding_parameters + a.head_parameters, one_end)
    body = a.always_active_parameters - a.head_parameters
    return np.asarray((body * share + ends) / j.tensor_parallel), np.asarray(
        a.expert_parameters * share / _expert_ways(a, j)
    )


def _gathered(a: Architecture, j: Job, parts: tuple[Array, Array], s: Framework, resident: Mask) -> Array:
    """Whole weights that ZeRO-3 holds for the products: this layer's and the next one's, or all of a resident stage."""
    layer = sum(parts) / _stage_layers(a, j)
    ends = s.vocabularies_held * a.output_parameters / j.tensor_parallel
    return np.where(resident, WIDE * sum(parts), WIDE * (2.0 * layer + ends))


def _adapter_parameters(a: Architecture, j: Job) -> Array:
    """Parameters of LoRA adapters on the projections of attention and dense FFNs of the fullest stage."""
    w = widths(a)
    sides = 2 * w.residual + w.query_key_value + w.outputs + w.hidden + w.middle
    return np.asarray(ADAPTER_RANK * sides * _stage_layers(a, j) / a.layers / j.tensor_parallel)


def _in_flight(j: Job, *, last: bool) -> Array:
    """Micro-batches × share of the stage's layers that wait for their backward pass in (interleaved) 1F1B."""
    p, v = j.pipeline_parallel, j.virtual_stages
    warm_up = (v - 1) * p + 1 + (0 if last else 2 * (p - 1))
    held = np.where(np.asarray(v) > 1, warm_up / v, 1.0 if last else p)
    return np.asarray(np.minimum(held, j.micro_batches))


def _activations(a: Architecture, j: Job, s: Framework, *, last: bool) -> Array:
    """Bytes kept for the backward pass, and the largest of what loss and one layer need for a moment."""
    tokens = j.sequence_length * j.micro_batch / j.context_parallel
    share = _stage_layers(a, j) / a.layers
    kept = _kept(a, j, s) * tokens * share * _in_flight(j, last=last)
    boundary = WIDE * a.hidden_size * tokens / j.tensor_parallel
    split = np.asarray(j.tensor_parallel) > 1
    vocabulary = tokens * a.vocabulary / j.tensor_parallel
    loss = np.where(split, s.split_loss_bytes, s.loss_bytes) * vocabulary + np.where(split, 2 * WIDE, 0.0) * (
        a.hidden_size * tokens
    )
    whole = dataclasses.replace(j, recompute=Recompute())
    layer = np.where(j.recompute.full, _kept(a, whole, s) * tokens / a.layers, 0.0)
    alone = np.asarray(j.pipeline_parallel) == 1
    moment = np.where(alone | last, np.maximum(loss, layer), layer) * s.momentary
    if s.resident:  # every micro-batch has its own buffers for what stages pass, and keeps its logits
        batches = np.where(np.isfinite(j.micro_batches), j.micro_batches, j.pipeline_parallel)
        passed = batches * (boundary * (2.0 * j.virtual_stages - 1.0) + (WIDE * vocabulary if last else 0.0))
        kept = kept + np.where(alone, 0.0, passed)
    return np.asarray(kept + moment)


def _kept(a: Architecture, j: Job, s: Framework) -> Array:
    """Bytes one token leaves behind in all layers together, on one tensor rank."""
    w, r = widths(a), j.recompute
    t = j.tensor_parallel
    residual_split = np.where(j.sequence_parallel, t, 1.0)
    product_input = np.where(j.narrow, NARROW, WIDE)  # what a product keeps of its input
    residual = WIDE * w.residual + (w.residual if s.dropout else 0.0)
    freed = float(a.moe_layers * a.hidden_size)  # other norms are one operation with the product that follows
    norms = product_input * np.where(r.norms, w.residual - freed, w.residual)
    gathered = np.asarray(j.adapters) & ~np.asarray(j.regathered)
    around = residual / residual_split + norms / np.where(gathered, 1.0, residual_split)
    inside = _attention_kept(a, w, j, s) + _ffn_kept(w, j)
    everything = around + inside / t
    inputs = WIDE * a.hidden_size * a.layers / residual_split
    by_operation = inputs + _by_operation(a, w, j) / t
    return np.asarray(np.where(r.full, inputs, np.where(r.by_operation, by_operation, everything)))


def _attention_kept(a: Architecture, w: Widths, j: Job, s: Framework) -> Array:
    """Bytes a token, before they are split over tensor ranks."""
    r = j.recompute
    expanded = np.where(np.asarray(r.latent_projections) & a.latent_attention, 0.0, WIDE * w.query_key_value)
    kept = expanded + WIDE * (w.outputs + w.linear) + WIDE * w.latent * j.tensor_parallel  # latent rows are copied
    kept = kept + np.where(j.narrow, NARROW * w.outputs, 0.0)  # the projection's own copy
    if a.family.startswith(QUERY_KEY_NORM):
        kept = kept + WIDE * (w.queries + w.keys)
    if not s.fused_attention:  # softmax, its mask and its output (Korthikanti et al., equation 1)
        kept = kept + np.where(r.core_attention, 0.0, 5.0 * w.scores * j.sequence_length)
    return np.asarray(kept)


def _ffn_kept(w: Widths, j: Job) -> Array:
    """Bytes a token, before they are split over tensor ranks."""
    r = j.recompute
    product_input = np.where(j.narrow, NARROW, WIDE)
    dense = np.where(r.mlp, 0.0, WIDE * w.hidden + product_input * w.middle)
    shared = np.where(
        np.asarray(r.shared_experts) | r.experts, 0.0, WIDE * w.shared_hidden + product_input * w.shared_middle
    )
    middle = np.where(r.expert_activation, 0.0, product_input * w.expert_middle)
    experts = np.where(r.experts, 0.0, product_input * w.expert_input + WIDE * w.expert_hidden + middle)
    return np.asarray(dense + shared + experts)


def _by_operation(a: Architecture, w: Widths, j: Job) -> Array:
    """PyTorch's per-operation policy: attention's output and every second product (queries, values, gate, down).

    A compiled graph drops the down projection's output, which no backward operation reads.
    """
    gate = (w.hidden + w.shared_hidden + w.expert_hidden) / 2.0
    down = np.where(j.compiled, 0.0, float(a.hidden_size * a.layers))
    return np.asarray(WIDE * (w.queries + w.values + w.outputs + w.linear + w.latent + gate + down))
