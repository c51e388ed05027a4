"""On demand from the start to the end."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..jobs import ON_DEMAND, Case
from .base import Choose, Policy


class OnDemandOnly(Policy):
    """Never spot."""

    name: ClassVar[str] = "on-demand"
    title: ClassVar[str] = "on demand only"

    def begin(self, case: Case) -> Choose:
        """The same for every job and tick."""
        always = np.full(case.jobs.count, ON_DEMAND)
        return lambda _: always
