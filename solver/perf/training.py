"""A model trained on rows of hardware and layout: what the planner asks of the training model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .training_fitted import fitted, predict
from .training_jobs import KINDS, NUMBERS, Jobs, Layouts, Machines, Recipes, kind, models, relative_power
from .training_physics import step
from .training_residual import Marks
from .training_software import USUAL, software

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costdata import Accelerator

    from .architectures import Architecture
    from .constants import Constants, Precision
    from .hardware import Hardware, Rows
    from .training_fitted import Prediction

Array = np.ndarray[Any, np.dtype[np.float64]]
MAX_INTERLEAVE = 4  # virtual pipeline stages on an accelerator
LEAST_BYTES_PER_S = 1e6  # of a network that is not there: no division by zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """Layouts of training jobs: float arrays [K]."""

    accelerators: Array  # in the gang
    per_node: Array  # accelerators that the scale-up links join
    tensor_parallel: Array
    pipeline_parallel: Array
    expert_parallel: Array
    zero_stage: Array  # 1: optimiser sharded; 3: weights and gradients too

    @property
    def data_parallel(self) -> Array:
        """Copies of the model."""
        return self.accelerators / (self.tensor_parallel * self.pipeline_parallel)

    def take(self, rows: Rows) -> Gang:
        """Rows by mask or index."""
        return Gang(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class Chips:
    """Which accelerators the rows of a trainer run on: [K]."""

    name: Rows  # object, "" when not known
    kind: Rows  # int64, of KINDS
    power: Array  # board power ÷ that of the kind's ordinary accelerator

    def take(self, rows: Rows) -> Chips:
        """Rows by mask or index."""
        return Chips(self.name[rows], self.kind[rows], self.power[rows])


def chips(accelerators: Sequence[Accelerator]) -> Chips:
    """Columns of accelerators, one row each."""
    kinds = [kind(a) for a in accelerators]
    return Chips(
        np.array([a.name for a in accelerators], dtype=object),
        np.array([KINDS.index(k) for k in kinds], dtype=np.int64),
        np.array([relative_power(k, a.tdp_w) for k, a in zip(kinds, accelerators, strict=True)], dtype=np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """A model trained on rows of hardware and layout by today's usual software."""

    architecture: Architecture
    precision: Precision
    hardware: Hardware
    gang: Gang
    constants: Constants
    sequence_length: int
    global_batch_sequences: int
    recompute: bool
    micro_batch: float | Array = 1.0  # sequences
    chips: Chips | None = None  # told from the hardware's rates when not given

    def take(self, rows: Rows) -> Trainer:
        """Rows by mask or index."""
        micro = self.micro_batch[rows] if isinstance(self.micro_batch, np.ndarray) else self.micro_batch
        known = None if self.chips is None else self.chips.take(rows)
        return replace(
            self, hardware=self.hardware.take(rows), gang=self.gang.take(rows), chips=known, micro_batch=micro
        )

    @property
    def micro_batches(self) -> Array:
        """Micro-batches a pipeline takes in a step."""
        return np.ceil(self.global_batch_sequences / (self.gang.data_parallel * self.micro_batch))

    def prediction(self, *, intervals: bool = True) -> Prediction:
        """Seconds of one optimiser step with their 90 % interval, and whether measurements are near."""
        known = software(USUAL)
        rows = len(self.gang.accelerators)

        def same(text: str) -> Rows:
            return np.full(rows, text, dtype=object)

        marks = Marks(
            software=same(known.stack.name),
            release=np.full(rows, known.release),
            accelerator=self._chips().name,
            model=same(self.architecture.name),
            task=same("pretrain"),
            note=same(""),
        )
        return predict(self.jobs(), marks, intervals=intervals)

    def physics_s(self) -> Array:
        """Seconds of one optimiser step by physics alone: quick, and enough to tell good layouts from bad ones."""
        return step(self.jobs(), fitted().constants).seconds

    def step_s(self) -> Array:
        """Seconds of one optimiser step."""
        return self.prediction(intervals=False).seconds

    def tokens_per_s(self) -> Array:
        """Tokens of the whole gang a second."""
        return self.global_batch_sequences * self.sequence_length / self.step_s()

    def model_flop_per_token(self) -> float:
        """Forward and backward, without recomputation: what model FLOP utilisation counts.

        Causal attention sees half of the sequence on average.
        """
        a, seen = self.architecture, self.sequence_length / 2
        weights = a.attention_parameters + a.dense_ffn_parameters + a.shared_expert_parameters + a.output_parameters
        window = min(seen, a.sliding_window) if a.sliding_window else seen
        experts = 2.0 * a.expert_parameters * a.experts_per_token / a.experts if a.experts else 0.0
        return 3.0 * (2.0 * weights + experts + a.prefill_attention_flop * seen + a.window_attention_flop * window)

    def mfu(self) -> Array:
        """Model FLOP utilisation against the BF16 peak."""
        rate = self.tokens_per_s() * self.model_flop_per_token()
        return rate / (self.gang.accelerators * self.hardware.bf16_flop_per_s)

    def jobs(self) -> Jobs:
        """The rows as the physics takes them."""
        rows = len(self.gang.accelerators)
        zero, one = np.zeros(rows), np.ones(rows)
        number = {"fp8": "fp8", "fp4": "fp4"}.get(self.precision.compute, "bf16")
        return Jobs(
            models=models([self.architecture]).take(np.zeros(rows, dtype=np.int64)),
            machines=self._machines(),
            layouts=self._layouts(),
            recipes=Recipes(
                number=np.full(rows, NUMBERS.index(number), dtype=np.int64),
                recompute=one if self.recompute else zero,
                selective=zero,
                trained=one,
                unfused=zero > 0,
                balanced=one > 0,
                compiled=self._chips().kind == KINDS.index("tpu"),
            ),
        )

    def _layouts(self) -> Layouts:
        g, one = self.gang, np.ones(len(self.gang.accelerators))
        virtual = np.clip(np.floor(self.architecture.layers / g.pipeline_parallel), 1, MAX_INTERLEAVE)
        return Layouts(
            accelerators=g.accelerators,
            tensor_parallel=g.tensor_parallel,
            pipeline_parallel=g.pipeline_parallel,
            virtual_stages=np.where(g.pipeline_parallel > 1, virtual, 1.0),
            context_parallel=one,
            expert_parallel=g.expert_parallel,
            zero_stage=g.zero_stage,
            slices=one,
            sequence_length=one * self.sequence_length,
            micro_batch=one * self.micro_batch,
            global_batch=one * self.global_batch_sequences,
        )

    def _machines(self) -> Machines:
        hw, known = self.hardware, self._chips()
        return Machines(
            bf16_flop_per_s=hw.bf16_flop_per_s,
            fp8_flop_per_s=hw.fp8_flop_per_s,
            fp4_flop_per_s=hw.fp4_flop_per_s,
            hbm_bytes_per_s=hw.hbm_bytes_per_s,
            scaleup_bytes_per_s=np.maximum(hw.scaleup_bytes_per_s, LEAST_BYTES_PER_S),
            domain=self.gang.per_node,
            scaleout_bytes_per_s=np.maximum(hw.scaleout_bytes_per_s, LEAST_BYTES_PER_S),
            power=known.power,
            kind=known.kind,
        )

    def _chips(self) -> Chips:
        if self.chips is not None:
            return self.chips
        rows = len(self.gang.accelerators)
        names = np.where(
            self.hardware.fp4_flop_per_s > 0,
            "blackwell",
            np.where(self.hardware.fp8_flop_per_s > 0, "hopper", "ampere"),
        )
        kinds = np.array([KINDS.index(name) for name in names.tolist()], dtype=np.int64)
        return Chips(np.full(rows, "", dtype=object), kinds, np.ones(rows))
