"""What a policy is."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..jobs import Case, State

Array = np.ndarray[Any, np.dtype[Any]]
Choose = Callable[[State], Array]


class Policy(abc.ABC):
    """Chooses, before each tick, what each job runs on in it. Holds no state between jobs."""

    name: ClassVar[str]
    title: ClassVar[str]

    @abc.abstractmethod
    def begin(self, case: Case) -> Choose:
        """A function from the state of all jobs to a mode for each: int64 [J], IDLE, ON_DEMAND or SPOT + zone.

        A zone that is down may not be chosen, and nothing of the trace after a job's tick may be looked at.
        """
