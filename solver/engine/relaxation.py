"""The root bound: a relaxation over few candidates, cut and widened until no candidate left out could earn its cost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..formulation import Formulation, formulate, offer_by_pool
from ..problem import COMMITMENT, FIRM, ON_DEMAND, SPOT
from . import mathopt, rounding
from .duals import Survey, dual_bound, read_prices, survey
from .thinning import thin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Program
    from ..problem import Problem
    from ..rules.base import Rule

Array = np.ndarray[Any, np.dtype[Any]]
FIRST = 3  # cheapest candidates of each workload, market and way to begin with
MOST_ROUNDS = 30
MOST_NEW = 6  # candidates of a workload added in a round
THIN = 60  # blocks of the problem that is solved first
LEAST_USE = 1e-7
WORTH_IT = 1e-5  # of the bound: a loss below it is not chased


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Where the relaxation ended."""

    candidates: Array  # int64 [C] open candidates
    cuts: rounding.Cuts
    formulation: Formulation
    program: Program
    values: Array
    bound: float  # dollars, over every candidate of the problem
    survey: Survey
    survey_bound: float  # dollars, what the survey's reduced costs add to
    owed: Array  # columns that are 0 in every plan: what must be served and is not
    infeasible: bool = False
    converged: bool = False  # no candidate left out could earn its cost, no cut is missing


def first_candidates(problem: Problem) -> Array:
    """The cheapest candidates of each workload: on the best firm offer, on demand alone, and on spot."""
    c, o = problem.candidates, problem.offers
    picked: list[Array] = []
    firm = np.full(len(problem.pool_shape), np.inf)
    for kind in (ON_DEMAND, COMMITMENT):
        rows = np.flatnonzero(o.kind == kind)
        usd = o.micro_usd_per_hour[rows] + o.upfront_micro_usd[rows] / np.maximum(o.term_hours[rows], 1)
        np.minimum.at(firm, o.pool[rows], usd)
    tables = [(firm, FIRM)]
    for kind, market in ((ON_DEMAND, FIRM), (SPOT, SPOT)):
        offer = offer_by_pool(problem, kind)
        tables.append((np.where(offer >= 0, o.micro_usd_per_hour[offer], np.inf), market))
    for w in range(len(problem.workloads.name)):
        for usd, market in tables:
            rows = np.flatnonzero((c.workload == w) & (c.market == market) & np.isfinite(usd[c.pool]))
            unit = usd[c.pool[rows]] * c.nodes_per_replica[rows] / np.maximum(c.units_per_hour[rows], 1)
            picked.append(rows[np.argsort(unit, kind="stable")[:FIRST]])
            small = usd[c.pool[rows]] * c.nodes_per_replica[rows]
            picked.append(rows[np.argsort(small, kind="stable")[:1]])
    return np.unique(np.concatenate([*picked, np.zeros(0, dtype=np.int64)]))


def solve_root(
    problem: Problem, rules: Sequence[Rule], *, stop: Callable[[], bool], report: Callable[[float], None], seed: int = 0
) -> Root:
    """Cut and widen until nothing is left to gain, or `stop` says so. The bound holds at whichever point that is.

    The candidates to begin with are those that a thinned problem ends up using.
    """
    rows, small = first_candidates(problem), thin(problem, THIN)
    if small is not problem:
        guide = _widen(small, rules, rows, stop, lambda _: None, seed)
        if not guide.infeasible:
            used = guide.values[guide.formulation.replicas].max(axis=1, initial=0) > LEAST_USE
            rows = guide.candidates[used]
    return _widen(problem, rules, rows, stop, report, seed)


def _widen(
    problem: Problem,
    rules: Sequence[Rule],
    rows: Array,
    stop: Callable[[], bool],
    report: Callable[[float], None],
    seed: int,
) -> Root:
    cuts, best = rounding.Cuts.none(), None
    for _ in range(MOST_ROUNDS):
        root = _round(problem, rules, rows, cuts, seed)
        if best is None or root.bound > best.bound:
            report(root.bound)
        best = root if best is None or root.bound >= best.bound else _keep_bound(root, best.bound)
        if root.infeasible or stop():
            break
        new = _entering(problem, root)
        more = rounding.violated(root.formulation, root.values)
        joined = cuts.join(more)
        if not len(new) and len(joined.size) == len(cuts.size):
            return dataclasses.replace(best, converged=True)
        cuts, rows = joined, np.union1d(rows, new)
    if best is None:
        raise EngineError("the relaxation never started", where="engine")
    return best


def _round(problem: Problem, rules: Sequence[Rule], rows: Array, cuts: rounding.Cuts, seed: int) -> Root:
    f = formulate(problem, rules, rows, direct=True)
    short = rounding.add(f, cuts)
    owed = np.concatenate([f.obligations(), short])
    program = f.model.program()
    answer = mathopt.solve(program.relaxed(), seed=seed)
    if answer.values is None or answer.duals is None:
        empty = Survey(loss=np.zeros(len(problem.candidates.pool)), reduced={}, rows={})
        return Root(
            candidates=rows, cuts=cuts, formulation=f, program=program, values=np.zeros(program.shape[1]),
            bound=-np.inf, survey=empty, survey_bound=-np.inf, owed=owed, infeasible=True,
        )  # fmt: skip
    bound, _ = dual_bound(program.relaxed(), answer.duals)
    is_open = np.zeros(len(problem.candidates.pool), dtype=bool)
    is_open[rows] = True
    found = survey(problem, read_prices(f, answer.duals, cuts), cuts, is_open)
    total = bound + f.model.constant - total_loss(problem, found.loss)
    return Root(
        candidates=rows, cuts=cuts, formulation=f, program=program, values=answer.values,
        bound=total,
        survey_bound=total, survey=found, owed=owed,
    )  # fmt: skip


def total_loss(problem: Problem, loss: Array) -> float:
    """What closed candidates could earn together; a run takes one place only."""
    c, total = problem.candidates, 0.0
    for w in range(len(problem.workloads.name)):
        mine = loss[c.workload == w]
        total += float(mine.max(initial=0.0) if problem.workloads.kind[w] == "training" else mine.sum())
    return total


def _entering(problem: Problem, root: Root) -> Array:
    """The candidates of each workload that could earn most."""
    c, loss, picked = problem.candidates, root.survey.loss, []
    least = WORTH_IT * max(1.0, abs(root.bound)) / max(1, len(problem.workloads.name))
    for w in range(len(problem.workloads.name)):
        mine = np.flatnonzero((c.workload == w) & (loss > 0))
        if loss[mine].sum() > least:
            picked.append(mine[np.argsort(-loss[mine], kind="stable")[:MOST_NEW]])
    return np.concatenate([*picked, np.zeros(0, dtype=np.int64)])


def _keep_bound(root: Root, bound: float) -> Root:
    """The newer relaxation with the better bound of an earlier one."""
    return dataclasses.replace(root, bound=bound)
