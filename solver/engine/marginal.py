"""The relaxation that limits are priced by: without cuts, over all candidates where these are few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..rules import RULES
from .press import pressed
from .relaxation import solve_root
from .warm import Relaxation

if TYPE_CHECKING:
    from ..problem import Problem

MOST_COLUMNS = 60_000  # candidates × blocks that are all taken
GAP = 1e-3  # of the relaxation that says which candidates are taken otherwise


def relaxation_of(problem: Problem, *, seed: int = 0) -> Relaxation:
    """The relaxation, ready to be solved again.

    Raises:
        EngineError: it has no optimum.
    """
    if len(problem.candidates.pool) * problem.blocks.count <= MOST_COLUMNS:
        return Relaxation(problem, seed=seed)
    root = solve_root(pressed(problem), RULES, stop=lambda: False, report=lambda _: None, seed=seed, gap=GAP)
    return Relaxation(problem, seed=seed, candidates=root.candidates)
