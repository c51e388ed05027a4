"""The whole search: a whole model when it is small; else the root bound, a primal search and a last proof."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..formulation import formulate
from . import mathopt, primal, relaxation
from .proof import prove

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..formulation import Formulation
    from ..problem import Problem
    from ..rules.base import Rule

Array = np.ndarray[Any, np.dtype[Any]]
SMALL = 2500  # columns of a model that is solved whole
SHARE_FOR_TREE = 0.4  # of the time limit, kept for the tree search when the gap is still open


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the search ended with."""

    formulation: Formulation
    values: Array | None
    bound: float  # dollars
    termination: str
    engine: str


def run(
    problem: Problem,
    rules: Sequence[Rule],
    *,
    time_limit_s: float,
    gap: float,
    seed: int,
    deterministic: bool,
    report: Callable[[str, float, float], None],
) -> Outcome:
    """Search until the gap or the time limit is reached. `report(phase, bound, cost)` hears of progress, in dollars."""
    start = time.monotonic()

    def left() -> float:
        return time_limit_s - (time.monotonic() - start)

    blocks = problem.blocks.count
    if len(problem.candidates.pool) * blocks <= SMALL:
        return _whole(problem, rules, left, gap, seed)
    root = relaxation.solve_root(
        problem, rules, stop=lambda: left() < time_limit_s / 2, report=lambda b: report("bound", b, math.inf), seed=seed
    )
    if root.infeasible:
        return Outcome(
            formulation=root.formulation, values=None, bound=root.bound, termination="infeasible", engine="HiGHS"
        )
    best = [math.inf]

    def better(cost: float, _: Array) -> None:
        best[0] = min(best[0], cost)
        report("search", root.bound, best[0])

    values = primal.search(root, stop=lambda: left() < SHARE_FOR_TREE * time_limit_s, report=better, seed=seed)
    reached = best[0] - root.bound <= gap * best[0]
    f, bound = root.formulation, root.bound
    if values is not None and not reached and left() > 1:
        proof = prove(problem, rules, root, best[0], left=left, gap=gap, seed=seed, deterministic=deterministic)
        if proof is not None:
            bound = max(bound, min(proof[0], best[0]))
            if proof[2] is not None:
                cost = float(proof[1].model.program().cost @ proof[2]) + proof[1].model.constant
                if cost < best[0]:
                    f, values, best[0] = proof[1], proof[2], cost
            reached = best[0] - bound <= gap * best[0]
            report("proof", bound, best[0])
    stopped = "gap reached" if reached else "time limit"
    return Outcome(formulation=f, values=values, bound=bound, termination=stopped, engine="HiGHS")


def _whole(problem: Problem, rules: Sequence[Rule], left: Callable[[], float], gap: float, seed: int) -> Outcome:
    """The whole model at once."""
    f = formulate(problem, rules)
    answer = mathopt.solve(f.model.program(), time_limit_s=left(), gap=gap, seed=seed)
    if answer.status == "infeasible":
        second = mathopt.solve(f.model.program(), engine="scip", time_limit_s=left(), gap=gap, seed=seed)
        if second.values is not None:
            answer = second
    if answer.values is None and answer.status != "infeasible":
        raise EngineError("no plan within the time limit", where="engine", mend="give --time-limit more seconds")
    stops = {"optimal": "optimal" if gap == 0 else "gap reached", "infeasible": "infeasible"}
    return Outcome(
        formulation=f, values=answer.values, bound=answer.bound, termination=stops.get(answer.status, "time limit"),
        engine="HiGHS",
    )  # fmt: skip
