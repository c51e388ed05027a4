"""The root bound: a relaxation over few candidates, cut and widened until no candidate left out could earn its cost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..formulation import Formulation, allowed_nodes, formulate, usd_per_hour
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
UNLIMITED = 1e6  # nodes
AMPLE = 3  # times the peak that the first candidates may serve
MOST_FIRST = 24
ALL_OPEN = 40_000  # candidates × blocks that are open from the start
ALL_OF_FEW = 400_000  # the same, where workloads have few candidates
MOST_ROUNDS = 30
LITTLE = 0.1  # of the gap asked for
MANY = 120  # open candidates
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
    duals: Array
    bound: float  # dollars, over every candidate of the problem
    survey: Survey
    survey_bound: float  # dollars, what the survey's reduced costs add to
    owed: Array  # columns that are 0 in every plan: what must be served and is not
    cost: float = np.inf  # dollars of the relaxation over the open candidates
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
        tables.append((usd_per_hour(problem, kind), market))
    peak, most = most_needed(problem), np.minimum(allowed_nodes(problem)[FIRM].min(axis=1, initial=np.inf), UNLIMITED)
    for w in range(len(problem.workloads.name)):
        for usd, market in tables:
            rows = np.flatnonzero((c.workload == w) & (c.market == market) & np.isfinite(usd[c.pool]))
            small = usd[c.pool[rows]] * c.nodes_per_replica[rows]
            unit = small / np.maximum(c.units_per_hour[rows], 1)
            rows, small = rows[np.argsort(unit, kind="stable")], small[np.argsort(unit, kind="stable")]
            room = most[c.pool[rows]] // c.nodes_per_replica[rows]
            enough = np.cumsum(np.minimum(room * c.units_per_hour[rows].astype(float), peak[w]))
            count = max(FIRST, 1 + int(np.searchsorted(enough, AMPLE * peak[w])))
            picked += [rows[: min(count, MOST_FIRST)], rows[np.argsort(small, kind="stable")[:1]]]
    return np.unique(np.concatenate([*picked, np.zeros(0, dtype=np.int64)]))


def most_needed(problem: Problem) -> Array:
    """Units an hour of each workload at its peak; of a job, when it works through its window; float [W]."""
    s, made = problem.sources, np.zeros(len(problem.workloads.name))
    window = np.maximum((s.window * problem.blocks.total_hours).sum(axis=1), 1)
    peak = s.units_per_hour.max(axis=1, initial=0) + s.total_units / window
    np.add.at(made, s.workload, peak)
    return made


def solve_root(
    problem: Problem,
    rules: Sequence[Rule],
    *,
    stop: Callable[[], bool],
    report: Callable[[float], None],
    seed: int = 0,
    gap: float = 0.0,
    first: Array | None = None,
) -> Root:
    """Cut and widen until little beside the gap is left to gain, or `stop` says so. The bound holds at any point.

    The candidates to begin with are the `first` ones, where these are known; else those that a thinned problem ends up
    using.
    """
    every = np.arange(len(problem.candidates.pool))
    few = len(every) <= MOST_FIRST * len(problem.workloads.name)
    if len(every) * problem.blocks.count <= (ALL_OF_FEW if few else ALL_OPEN):
        return _widen(problem, rules, every, stop, report, seed, gap)
    rows, small = first_candidates(problem), thin(problem, THIN)
    if first is not None:
        w = problem.candidates.workload
        rows = np.union1d(first, rows[~np.isin(w[rows], w[first])])
    elif small is not problem:
        guide = _widen(small, rules, rows, stop, lambda _: None, seed, gap)
        if not guide.infeasible:
            used = guide.values[guide.formulation.replicas].max(axis=1, initial=0) > LEAST_USE
            rows = guide.candidates[used]
    return _widen(problem, rules, rows, stop, report, seed, gap)


def _widen(
    problem: Problem,
    rules: Sequence[Rule],
    rows: Array,
    stop: Callable[[], bool],
    report: Callable[[float], None],
    seed: int,
    gap: float,
) -> Root:
    cuts, best, before = rounding.Cuts.none(), None, -np.inf
    none = np.zeros(0, dtype=np.int64)
    back = rows if len(rows) == len(problem.candidates.pool) else none  # what stays open: all, or what came back
    left = none  # what was closed once
    for _ in range(MOST_ROUNDS):
        root = _round(problem, rules, rows, cuts, seed)
        if best is None or root.bound > best.bound:
            report(root.bound)
        best = root if best is None or root.bound >= best.bound else _keep_bound(root, best.bound)
        if root.infeasible or stop():
            break
        little, cost = LITTLE * gap * abs(root.cost), root.cost
        if not _is_owing(root) and root.cost - best.bound <= little and cost - before <= little:
            return dataclasses.replace(best, converged=True)
        before = cost
        new = _entering(problem, root)
        more = rounding.violated(root.formulation, root.values)
        joined = cuts.join(more)
        if not len(new) and len(joined.size) == len(cuts.size):
            return dataclasses.replace(best, converged=True)
        back = np.union1d(back, np.intersect1d(left, new))
        kept = np.union1d(_wanted(root), np.intersect1d(rows, back))
        left = np.union1d(left, np.setdiff1d(rows, kept))
        cuts, rows = joined, np.union1d(kept, new)
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
        empty = Survey(
            loss=np.zeros(0), gain=np.zeros(len(problem.candidates.pool)), reduced={}, rows={}, node=np.zeros((0, 0))
        )
        return Root(
            candidates=rows, cuts=cuts, formulation=f, program=program, values=np.zeros(program.shape[1]),
            duals=np.zeros(program.shape[0]), bound=-np.inf, survey=empty, survey_bound=-np.inf, owed=owed,
            infeasible=True,
        )  # fmt: skip
    bound = dual_bound(program.relaxed(), answer.duals)
    is_open = np.zeros(len(problem.candidates.pool), dtype=bool)
    is_open[rows] = True
    found = survey(problem, read_prices(f, answer.duals, cuts), cuts, is_open)
    total = bound + f.model.constant - float(found.loss.sum())
    return Root(
        candidates=rows, cuts=cuts, formulation=f, program=program, values=answer.values, duals=answer.duals,
        bound=total, cost=answer.objective + f.model.constant,
        survey_bound=total, survey=found, owed=owed,
    )  # fmt: skip


def _entering(problem: Problem, root: Root) -> Array:
    """The candidates of each workload that could earn most."""
    c, gain, picked = problem.candidates, root.survey.gain, []
    least = WORTH_IT * max(1.0, abs(root.bound)) / max(1, len(problem.workloads.name))
    least = 0.0 if _is_owing(root) else least
    for w in range(len(problem.workloads.name)):
        mine = np.flatnonzero((c.workload == w) & (gain > 0))
        if root.survey.loss[w] > least:
            picked.append(mine[np.argsort(-gain[mine], kind="stable")[:MOST_NEW]])
    return np.concatenate([*picked, np.zeros(0, dtype=np.int64)])


def _is_owing(root: Root) -> bool:
    return bool(root.values[root.owed].max(initial=0.0) > LEAST_USE)


def _wanted(root: Root) -> Array:
    """The open candidates that are used, or nearly: when there are many the others leave."""
    if len(root.candidates) < MANY:
        return root.candidates
    use = root.values[root.formulation.replicas].max(axis=1, initial=0) > LEAST_USE
    return np.asarray(root.candidates[use])


def _keep_bound(root: Root, bound: float) -> Root:
    """The newer relaxation with the better bound of an earlier one."""
    return dataclasses.replace(root, bound=bound)
