"""Spot whenever there is any, nothing while there is none; on demand only when the deadline leaves no choice."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..jobs import IDLE, ON_DEMAND, Case
from .base import Choose, Policy


class GreedySpot(Policy):
    """Waits for spot as long as it can, then stays on demand."""

    name: ClassVar[str] = "greedy"
    title: ClassVar[str] = "greedy spot"

    def begin(self, case: Case) -> Choose:  # noqa: ARG002 (needs nothing of it)
        """On demand once there, since it was the deadline that sent the job there."""
        return lambda s: np.where(s.mode == ON_DEMAND, ON_DEMAND, s.spot_or(np.full_like(s.mode, IDLE)))
