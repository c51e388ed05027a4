"""Gang scheduling of training runs, hour by hour: on what serving leaves idle first, bought where it must be.

    problem = solver.schedule.build(...)
    made = solver.schedule.schedule(problem)
    made.to_frame("runs")

The pieces: `data` (what is asked), `front` (search, bill, check), `check`, `exchange` (with the fleet model).
"""

from __future__ import annotations

from .check import check
from .data import Jobs, Options, ScheduleProblem, Supplies, build
from .front import schedule
from .reasons import UnschedulableError
from .result import Schedule

__all__ = [
    "Jobs",
    "Options",
    "Schedule",
    "ScheduleProblem",
    "Supplies",
    "UnschedulableError",
    "build",
    "check",
    "schedule",
]
