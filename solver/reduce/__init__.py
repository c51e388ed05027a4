"""Exact reductions: a smaller problem with the same optimum, and the way back from its plans.

Every plan of the smaller problem is one of the original at the same cost, and the cheapest plan of the original has one
of the smaller problem that costs no more. Why: docs/mathematics.md.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ..table import Table
from . import blocks, candidates, demand, offers, places
from .known import is_known
from .offers import firm_need, most_held
from .reduced import Reduced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..carry import Start
    from ..problem import Problem
    from ..rules.base import Rule

__all__ = ["Reduced", "reduce", "start_in"]
STEPS = (
    demand.asking,
    candidates.idle,
    candidates.superfluous,
    offers.unused,
    offers.dear,
    offers.dominated,
    places.slack_quotas,
    places.unused_places,
    demand.merged,
)
MOST_ROUNDS = 5


def reduce(problem: Problem, rules: Sequence[Rule], *, merge_blocks: bool = True) -> Reduced:
    """The smaller problem.

    Args:
        problem: any; one with something in it that the reductions do not know stays as it is.
        rules: of the model; with others than the reductions know the problem stays as it is.
        merge_blocks: False keeps blocks apart, for searches that start from a plan in which they differ.
    """
    made = Reduced.unchanged(problem)
    if not is_known(problem, rules):
        return made
    for _ in range(MOST_ROUNDS):
        before = sum(made.done.values())
        for step in STEPS:
            made = step(made)
        if merge_blocks:
            made = blocks.equal_blocks(made)
        if sum(made.done.values()) == before:
            break
    bare = dataclasses.replace(made.problem, modes=Table({}), excuses=Table({}), provenance={})
    return dataclasses.replace(made, problem=bare) if made.changed else made


def start_in(reduced: Reduced, start: Start) -> Start:
    """An old plan as a start for the smaller problem; blocks must have been kept apart."""
    p = reduced.problem
    return reduced.start(start, np.asarray(most_held(p, firm_need(p)), dtype=np.int64)) if reduced.changed else start
