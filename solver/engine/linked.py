"""Problems with rows that the root bound does not know: a plan within the candidates of a looser problem's root.

The looser problem leaves those rows out, so that its bound holds for every plan; what is found over its candidates by
the whole model, with all rows, is one.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from ..assemble import decide
from ..errors import OutOfTimeError
from ..formulation import formulate
from . import mathopt, primal
from .assign import assign

if TYPE_CHECKING:
    from ..bill import Decision
    from ..problem import Problem
    from .relaxation import Root
    from .run import Search

MOST_NODES = 20_000  # of a tree when the run must not depend on a clock


def linked(p: Problem) -> str:
    """Why the root bound does not hold for a problem as it is; "" if it does (see duals.survey)."""
    if p.outages is not None and p.outages.holding:
        return "outages in which no new nodes can be had"
    return ""


def unlinked(p: Problem) -> Problem:
    """The looser problem: every plan of the one given has one here that costs no more."""
    return dataclasses.replace(p, outages=p.outages and dataclasses.replace(p.outages, hold=()))


def within_root(s: Search, root: Root) -> Decision:
    """A whole plan over the candidates of the looser problem's root.

    Raises:
        OutOfTimeError: none was found.
    """
    f = formulate(s.problem, s.rules, root.candidates, direct=True)
    clock = math.isfinite(s.time_limit_s)
    answer = mathopt.solve(
        primal.closed(f.model.program(), f.obligations()), gap=s.gap, seed=s.effort.seed, tight=True,
        time_limit_s=s.left() if clock else math.inf, node_limit=None if clock else MOST_NODES,
    )  # fmt: skip
    if answer.values is None:
        raise OutOfTimeError.of()
    return decide(f, answer.values, assign)
