"""The last proof: blocks on their own, at the relaxation's prices of all that links them, each a search of its own.

Any prices of the right sign on the rows that link blocks (commitments, budgets, jobs) leave a lower bound: the sum of
the cheapest whole plans of the parts that remain. What no better plan can use is closed before by its reduced cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import Formulation, formulate
from ..problem import FIRM, SPOT
from ..rules.transfer import levels_usd
from . import mathopt, rounding
from .duals import dual_terms
from .fill import sets_of_sources
from .parts import Effort, components
from .primal import closed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Program
    from ..problem import Problem
    from ..rules.base import Rule
    from .relaxation import Root

Array = np.ndarray[Any, np.dtype[Any]]
MARGIN = 1e-6  # of the cost, so that rounding noise closes nothing
MOST_COLUMNS = 400_000
OF_A_WORKLOAD = ("cover ", "transfer ", "rounding", "spot share")
KEPT = (*OF_A_WORKLOAD, "quota", "capacity")  # rows that `_thinned` knows
MOST_IN_A_PART = 300  # whole columns; where blocks have more, workloads are taken apart too
SHARE = 0.3  # of the gap asked for, for each part
LEAST_S = 0.2  # seconds of a part


def in_reach(problem: Problem) -> bool:
    """Whether a problem is small enough for this proof."""
    return len(problem.candidates.pool) * problem.blocks.count <= MOST_COLUMNS


def prove(
    problem: Problem,
    rules: Sequence[Rule],
    root: Root,
    cost: float,
    *,
    left: Callable[[], float],
    gap: float,
    effort: Effort,
) -> float:
    """Lower bound in dollars over every candidate."""
    slack = cost * (1 + MARGIN) - root.survey_bound
    is_open = np.zeros((len(problem.candidates.pool), problem.blocks.count), dtype=bool)
    for w, rows in root.survey.rows.items():
        is_open[rows] = _least_more(problem, root, w) <= slack
    kept = np.flatnonzero(is_open.any(axis=1))
    f = formulate(problem, rules, kept, direct=True)
    owed = np.concatenate([f.obligations(), rounding.add(f, root.cuts)])
    program = closed(f.model.program(), np.concatenate([owed, f.replicas[~is_open[kept]]]))
    apart, constant = _apart(f, program, root, KEPT)
    if _largest(apart) > MOST_IN_A_PART:
        apart, constant = _apart(f, program, root, OF_A_WORKLOAD)
    apart = _thinned(f, apart)
    return f.model.constant + constant + _sum_of_parts(apart, cost - f.model.constant - constant, left, gap, effort)


def _least_more(problem: Problem, root: Root, w: int) -> Array:
    """Dollars [n, B] beyond the root's bound that a plan with a replica of a candidate of w in a block costs."""
    reduced = root.survey.reduced[w].astype(float)
    if problem.workloads.kind[w] != "training":
        return reduced
    kept = np.minimum(reduced, 0.0)  # a run that takes a place may take every block there that pays
    return np.asarray(reduced - kept + kept.sum(axis=1, keepdims=True))


def _largest(program: Program) -> int:
    """Whole columns in use of the largest part."""
    label = components(program)[1]
    return int(np.bincount(label[program.whole & (program.upper > 0)]).max(initial=0))


def _apart(f: Formulation, program: Program, root: Root, kept: tuple[str, ...]) -> tuple[Program, float]:
    """The program without other rows than those kept, priced instead, and the dollars these add."""
    linking, y = np.zeros(program.shape[0], dtype=bool), _prices(f, root)
    for group in f.model.groups:
        linking[group.rows.ravel()] = not group.name.startswith(kept)
    linking[program.matrix[:, f.committed].nonzero()[0]] = True
    y = np.where(linking, y, 0.0)
    y = np.where(np.isinf(program.row_lower), np.minimum(y, 0), y)
    y = np.where(np.isinf(program.row_upper), np.maximum(y, 0), y)
    rhs = np.where(y > 0, program.row_lower, np.where(y < 0, program.row_upper, 0.0))
    rest = program.take(np.flatnonzero(~linking), np.arange(program.shape[1]))
    return rest.replace(cost=program.cost - program.matrix.T @ y), float(rhs @ y)


def _thinned(f: Formulation, program: Program) -> Program:
    """The program without replicas that others replace at no more cost, in each block of a flow.

    Any number of replicas in no quota may stand in for another of the same market: of firm ones as many as hold as
    much; of spot ones, whose share is limited, one in the same region that holds exactly as much.
    """
    p, workload, market = f.problem, f.of("workload"), f.of("market")
    pools = {q for quota in p.limits.quotas for q in quota.pools}
    free = ~np.isin(f.of("pool"), list(pools))
    cost, upper = program.cost[f.replicas], program.upper.copy()
    for w in np.flatnonzero(p.workloads.kind == "serving").tolist():
        mine = np.flatnonzero(workload == w)
        sets = sets_of_sources(f, w, mine)
        if len(sets) != 1:
            continue
        reached = np.isin(np.arange(len(workload)), mine[sets[0][1]])
        for side in (FIRM, SPOT):
            rows = np.flatnonzero((workload == w) & (market == side))
            live = (upper[f.replicas[rows]] > 0) & reached[rows, None]
            capacity = f.of("units_per_hour")[rows].astype(float)
            site = p.pool_site[f.of("pool")[rows]]
            way = levels_usd(p, w)[1][site] if side == FIRM else site  # caps on spot may differ by region
            kept = live & ~_replaced(cost[rows], capacity, way, live & free[rows, None], exact=side == SPOT)
            count = np.where(live, upper[f.replicas[rows]], 0.0)
            for_all = (capacity @ count) / capacity[:, None] + count.sum(axis=0)  # standing in for all of them
            stay = kept & free[rows, None]
            upper[f.replicas[rows][live & ~kept]] = 0.0
            upper[f.replicas[rows][stay]] = for_all[stay]
    return program.replace(upper=upper, lower=np.minimum(program.lower, upper))


def _replaced(cost: Array, capacity: Array, way: Array, able: Array, *, exact: bool) -> Array:
    """Which replicas [n, B] are replaced by able ones on no dearer way at no more cost; of equals the first stays."""
    made, position = np.zeros(cost.shape, dtype=bool), np.arange(len(cost))[:, None]
    for j in np.flatnonzero(able.any(axis=1)).tolist():
        times = np.ones(len(cost)) if exact else np.ceil(capacity / capacity[j])
        back = np.ones(len(cost)) if exact else np.ceil(capacity[j] / capacity)
        fits = (capacity == capacity[j]) & (way == way[j]) if exact else way >= way[j]
        dearer = cost >= times[:, None] * cost[j]
        alike = (cost[j] >= back[:, None] * cost) & (way == way[j])[:, None]  # each replaces the other: one must stay
        made |= able[j] & fits[:, None] & dearer & (~alike | (position > j))
    return made


def _prices(f: Formulation, root: Root) -> Array:
    """The relaxation's row prices at the same rows of a wider formulation; nodes at what the survey set."""
    y = np.zeros(f.model.row_count)
    known = {group.name: group for group in root.formulation.model.groups}
    for group in f.model.groups:
        if group.name == "nodes":
            y[group.rows] = -root.survey.node[group.keys]
        elif group.name in known:
            other = known[group.name]
            if group.keys is None or other.keys is None:
                y[group.rows] = root.duals[other.rows]
            else:
                same = np.flatnonzero(np.isin(group.keys, other.keys))
                at = {int(k): i for i, k in enumerate(other.keys)}
                y[group.rows[same]] = root.duals[other.rows[[at[int(group.keys[i])] for i in same]]]
    return y


def _sum_of_parts(program: Program, cost: float, left: Callable[[], float], gap: float, effort: Effort) -> float:
    """Sum of the parts' bounds: of their relaxations, and better ones while time and need last."""
    prices = mathopt.solve(program.relaxed(), seed=effort.seed).duals
    if prices is None:
        return -np.inf
    row_label, label = components(program)
    count = 1 + int(max(label.max(initial=-1), row_label.max(initial=-1)))
    of_rows, of_columns = dual_terms(program, prices)
    bound = np.bincount(label, of_columns, count) + np.bincount(row_label, of_rows, count)
    broken = np.unique(label[program.whole & (program.upper > 0)])
    order = broken[np.argsort(-bound[broken], kind="stable")]

    for i in order.tolist() if np.isfinite(bound).all() else ():
        rows = np.flatnonzero(row_label == i)
        if left() <= 0 or bound.sum() >= cost * (1 - gap):
            break
        if len(rows):
            piece = program.take(rows, np.flatnonzero(label == i))
            found = effort.solve(piece, gap=SHARE * gap, seconds=max(LEAST_S, left()))
            bound[i] = max(bound[i], found.bound)
    return float(bound.sum())
