"""Problems with rows that the root bound does not know: a plan within the candidates of a looser problem's root.

The looser problem leaves those rows out, so that its bound holds for every plan; what is found over its candidates by
the whole model, with all rows, is one.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assemble import decide
from ..formulation import formulate
from ..rules.budget import overspent_usd
from . import mathopt, primal, rounding
from .assign import assign

if TYPE_CHECKING:
    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem
    from .run import Search

Array = np.ndarray[Any, np.dtype[Any]]
MOST_NODES = 20_000  # of a tree when the run must not depend on a clock
TRIES = 3  # plans whose traffic passes a budget, before none is given
MARGIN = 1.1  # of what a plan spends beyond a budget, taken off it for the next
NOISE_USD = 1e-9  # of sums of prices


def linked(p: Problem) -> str:
    """Why the root bound does not hold for a problem as it is; "" if it does (see duals.survey)."""
    if p.outages is not None and p.outages.holding:
        return "outages in which no new nodes can be had"
    if p.limits.chances:
        return "outages that may be given up"
    if p.limits.shares:
        return "shares of a region, a zone or a node shape"
    return ""


def unlinked(p: Problem) -> Problem:
    """The looser problem: every plan of the one given has one here that costs no more."""
    asked = np.where(p.may_leave[p.sources.workload], 0, p.sources.units_per_hour)
    return dataclasses.replace(_bare(p), sources=dataclasses.replace(p.sources, units_per_hour=asked))


def tight(p: Problem) -> Problem:
    """The problem without these rows in which no outage is given up: for candidates that may serve in them."""
    return _bare(p)


def _bare(p: Problem) -> Problem:
    limits = dataclasses.replace(p.limits, chances=(), shares=())
    return dataclasses.replace(p, limits=limits, outages=p.outages and dataclasses.replace(p.outages, hold=()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search over some candidates ended with."""

    decision: Decision | None
    none: bool  # there is certainly no plan over these candidates
    bound: float  # dollars of any plan over them


def within(s: Search, candidates: Array, cuts: rounding.Cuts) -> Found:
    """A whole plan over these candidates, in the direct form, with the rounding cuts of a looser problem's root."""
    f = formulate(s.problem, s.rules, candidates, direct=True)
    owed = np.concatenate([f.obligations(), rounding.add(f, cuts)])
    program, clock, bound = primal.closed(f.model.program(), owed), math.isfinite(s.time_limit_s), math.inf
    for _ in range(TRIES):
        answer = mathopt.solve(
            program, gap=s.gap, seed=s.effort.seed, tight=True, time_limit_s=s.left() if clock else math.inf,
            node_limit=None if clock else MOST_NODES,
        )  # fmt: skip
        bound = min(bound, answer.bound + f.model.constant)  # of the first: later ones are stricter
        if answer.values is None:
            return Found(decision=None, none=answer.status == "infeasible" and math.isinf(bound), bound=-math.inf)
        decision = decide(f, answer.values, assign)
        beyond = overspent(f, decision, program.shape[0])
        if not (beyond > 0).any():
            return Found(decision=decision, none=False, bound=bound)
        less = program.matrix @ answer.values - MARGIN * beyond
        program = program.replace(row_upper=np.where(beyond > 0, less, program.row_upper))
    return Found(decision=None, none=False, bound=bound)


def overspent(f: Formulation, decision: Decision, rows: int) -> Array:
    """Dollars beyond the month's budget in each row that is one, with all the traffic that is moved; 0 in others."""
    made = np.zeros(rows)
    for group in f.model.groups:
        if group.name == "monthly budget":
            made[group.rows] = np.maximum(overspent_usd(f.problem, decision) - NOISE_USD, 0)
    return made
