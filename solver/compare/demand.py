"""What the models are compared for: requests an hour, their tokens, and the latency they must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..workloads import fields
from ..workloads.inference import KNOWN_ENGINES


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A steady stream of requests. Targets are for the means; None, or infinity, is no target.

    `sure` is the chance that a target must hold with, given how wrong predictions may be: 0.5 asks it of the
    prediction itself, 0.95 of the upper end of its 90 % interval.

    Raises:
        InputError: a field out of its range.
    """

    requests_per_hour: float = 1000.0
    input_tokens: int = 1000
    output_tokens: int = 300
    tpot_ms: float | None = 50.0
    ttft_ms: float | None = 2000.0
    engine: str = "vllm"
    sure: float = 0.5
    measurements: str = ""  # path of a CSV of your own, as of a workload

    def __post_init__(self) -> None:
        """Check every field."""
        fields.number("demand", "requests_per_hour", self.requests_per_hour, (0, 1e12), above=True)
        fields.whole("demand", "input_tokens", self.input_tokens, (1, 10**8))
        fields.whole("demand", "output_tokens", self.output_tokens, (1, 10**8))
        fields.choice("demand", "engine", self.engine, KNOWN_ENGINES)
        fields.number("demand", "sure", self.sure, (0.5, 0.999))
        fields.text("demand", "measurements", self.measurements, empty=True, length=fields.PATH_LENGTH)
        for name in ("tpot_ms", "ttft_ms"):
            target = getattr(self, name)
            if target is not None and target != math.inf:
                fields.number("demand", name, target, (0, 1e9), above=True)
            object.__setattr__(self, name, None if target == math.inf else target)
