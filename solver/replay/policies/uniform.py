"""Uniform progress, of "Can't Be Late: Optimizing Spot Instance Savings under Deadlines" (Wu et al., NSDI 2024).

With expected(t) = t × work ÷ deadline, and d the hours of a restart:
- spot whenever there is some, and on it until it is lost;
- without spot, on demand when less is done than expected(t), else nothing;
- on demand until as much is done as expected(t + 2 d);
- when idle with less time left than the work left and 2 d, on demand to the end.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..jobs import IDLE, ON_DEMAND, SPOT, TINY, Case, State
from .base import Array, Choose, Policy


class UniformProgress(Policy):
    """Keeps pace with a straight line from nothing to all of the work at the deadline."""

    name: ClassVar[str] = "uniform-progress"
    title: ClassVar[str] = "uniform progress"

    def begin(self, case: Case) -> Choose:
        """Remembers which jobs the last rule has sent on demand for good."""
        jobs, to_the_end = case.jobs, np.zeros(case.jobs.count, dtype=bool)
        pace, double = jobs.work_hours / jobs.deadline_hours, 2 * jobs.restart_hours

        def choose(s: State) -> Array:
            done, passed = jobs.work_hours - s.work_hours, jobs.deadline_hours - s.hours_left
            behind = done < pace * passed - TINY
            chosen = s.spot_or(np.where(behind, ON_DEMAND, IDLE))
            chosen = np.where((s.mode == ON_DEMAND) & (done < pace * (passed + double)), ON_DEMAND, chosen)
            np.logical_or(
                to_the_end, (s.mode < SPOT) & ~s.any_up & (s.hours_left < s.work_hours + double), out=to_the_end
            )
            return np.where(to_the_end, ON_DEMAND, chosen)

        return choose
