"""Good whole plans from the relaxation: jobs are settled, commitments rounded, flows filled, and each then improved."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rules.upfront import upfront_micro_usd
from . import mathopt, neighbourhood
from .duals import market, read_prices
from .fill import Room, fill, improve
from .parts import improve_parts, objective, residual, solve_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..formulation import Formulation
    from ..model import Program
    from .parts import Effort
    from .relaxation import Root

Array = np.ndarray[Any, np.dtype[Any]]
LINKING_ROWS = frozenset({"monthly budget", "carbon"})
OF_COMMITMENTS = frozenset({"upfront cash"})  # rows that link the commitments of all pools
TURNS = 3
MOST_COLUMNS = 20_000  # columns of a program that is also searched whole
WHOLE_SHARE = 0.3  # of the time left that the search of it may take
FEW = 5  # workloads of a program whose neighbourhoods are nearly all of it: a second engine takes the rest of the time
ENOUGH = 1e-4
TINY = 1e-6


def search(
    root: Root,
    *,
    stop: Callable[[float], bool],
    report: Callable[[Array, float], None],
    effort: Effort,
    seconds: Callable[[], float],
) -> Array | None:
    """Whole values of the root's program, or None.

    `stop(cost)` is asked whether a plan of that cost is good enough, or time is out; `report(values, cost)` hears
    of each better plan; `seconds()` are left for a search of the whole program, where that is small.
    """
    f, program = root.formulation, closed(root.program, root.owed)
    best, best_cost, guide, kept = _turns(root, program, stop, report, effort)
    if best is not None and guide is not None and not stop(best_cost):
        loose, cost = priced_apart(f, program, guide[1]), best_cost
        better = improve_parts(loose, kept, best, guide[0], stop=lambda saved: stop(cost - saved), effort=effort)
        if objective(program, better) < best_cost:
            best, best_cost = better, objective(program, better)
            report(best, best_cost)
    few = len(f.problem.workloads.name) <= FEW
    ways: tuple[tuple[mathopt.Name, float], ...] = (("highs", WHOLE_SHARE), ("scip", 1.0))
    for engine, share in ways[: 1 + few] if program.shape[1] <= MOST_COLUMNS else ():
        if stop(best_cost):
            break
        answer = effort.solve(program, gap=ENOUGH, seconds=share * seconds(), engine=engine)
        if answer.values is not None:
            found = np.where(program.whole, np.round(answer.values), answer.values)
            if objective(program, found) < best_cost:
                best, best_cost = found, objective(program, found)
                report(best, best_cost)
    if best is not None and not stop(best_cost):
        best = neighbourhood.improve(f, program, best, stop=stop, report=report, effort=effort)
    return best


def _turns(
    root: Root, program: Program, stop: Callable[[float], bool], report: Callable[[Array, float], None], effort: Effort
) -> tuple[Array | None, float, tuple[Array, Array] | None, Array]:
    """Fill, then choose the commitments for what is filled, as long as that helps.

    Returns the best values and their cost, values and row prices of the relaxation they come from, and the mask [n] of
    what it kept.
    """
    f, values = root.formulation, root.values.copy()
    job_rows = settle_jobs(f, values)
    values[f.committed] = whole_commitments(f, values[f.committed])
    kept = np.zeros(program.shape[1], dtype=bool)
    for columns in (f.replicas[job_rows], f.placed, f.committed):
        kept[columns.ravel()] = True
    whole = kept.copy()
    whole[f.replicas.ravel()] = True
    best, best_cost, used = None, math.inf, None
    for _ in range(TURNS):
        guide = mathopt.solve(fixed(root.program, kept, values).relaxed(), seed=effort.seed)
        if guide.values is None or guide.duals is None:
            break
        values = np.where(kept, values, guide.values)
        prices = read_prices(f, guide.duals, root.cuts)
        values[f.replicas] = fill(f, values, market(f.problem, prices))
        for _ in range(TURNS):
            values[f.replicas] = improve(
                f, values, market(f.problem, prices.without_quotas()), partial(stop, best_cost)
            )
        found = complete(program, whole, values, effort)
        if found is None or objective(program, found) >= best_cost * (1 - ENOUGH):
            break
        best, best_cost, used = found, objective(program, found), (guide.values, guide.duals)
        report(best, best_cost)
        again = _rechosen(f, program, whole, found, guide.duals, partial(stop, best_cost), effort)
        if again is None or objective(program, again) >= best_cost * (1 - ENOUGH) or stop(best_cost):
            break
        best, best_cost, values = again, objective(program, again), again
        report(best, best_cost)
    return best, best_cost, used, kept


def whole_commitments(f: Formulation, wish: Array) -> Array:
    """Commitments [K] rounded; where that passes the limit on upfront cash, fewer of those it has rounded up most."""
    made, limit = np.round(wish), f.problem.limits.upfront_max_micro_usd
    once, owned = upfront_micro_usd(f.problem, f.commitments), f.problem.offers.owned_nodes[f.commitments]
    while limit is not None and sum(int(n) * int(usd) for n, usd in zip(made, once, strict=True)) > limit:
        able = (once > 0) & (made > owned)
        if not able.any():
            break
        made[np.where(able, made - wish, -np.inf).argmax()] -= 1
    return made


def _rechosen(
    f: Formulation,
    program: Program,
    whole: Array,
    found: Array,
    duals: Array,
    stop: Callable[[], bool],
    effort: Effort,
) -> Array | None:
    """Commitments chosen anew for what runs; a limit on upfront cash, which links the pools, is priced meanwhile."""
    free = priced_apart(f, program, duals, OF_COMMITMENTS)
    again = solve_parts(free, ~held_columns(f, program), found, stop=stop, effort=effort)
    if again is None or f.problem.limits.upfront_max_micro_usd is None:
        return again
    again[f.committed] = whole_commitments(f, again[f.committed])
    return complete(program, whole, again, effort)


def priced_apart(
    f: Formulation, program: Program, duals: Array, names: frozenset[str] = LINKING_ROWS | OF_COMMITMENTS
) -> Program:
    """The program without the rows that link all blocks, which are priced instead."""
    linking = np.zeros(program.shape[0], dtype=bool)
    for group in f.model.groups:
        linking[group.rows.ravel()] = group.name in names
    y = np.where(linking, np.minimum(duals, 0.0), 0.0)  # rows of the kind "at most"
    left = program.take(np.flatnonzero(~linking), np.arange(program.shape[1]))
    return left.replace(cost=program.cost - program.matrix.T @ y)


def complete(program: Program, whole: Array, values: Array, effort: Effort) -> Array | None:
    """All columns from the whole ones (mask [n]); where those do not do, the parts concerned are solved anew."""
    rest, free = residual(program, whole, values)
    answer = mathopt.solve(rest, seed=effort.seed)
    if answer.values is None:
        return solve_parts(program, whole & ~program.whole, values, stop=lambda: False, effort=effort)
    made = np.where(whole, values, 0.0)
    made[free] = answer.values
    return made


def held_columns(f: Formulation, program: Program) -> Array:
    """Commitments and what is bought beside them, as a mask [n]."""
    made = np.zeros(program.shape[1], dtype=bool)
    made[f.committed] = True
    made[f.on_demand.ravel()] = True
    return made


def closed(program: Program, columns: Array) -> Program:
    """The program with these columns fixed to zero."""
    upper = program.upper.copy()
    upper[columns] = 0.0
    return program.replace(upper=upper, lower=np.minimum(program.lower, upper))


def fixed(program: Program, mask: Array, values: Array) -> Program:
    """The program with some columns (mask [n]) fixed to their values."""
    return program.replace(lower=np.where(mask, values, program.lower), upper=np.where(mask, values, program.upper))


def settle_jobs(f: Formulation, values: Array) -> Array:
    """Place each run and choose the blocks in which jobs work, in place; returns the rows of jobs' candidates.

    A run goes where the relaxation puts most of it, and works in the blocks where the relaxation works most.
    """
    p, workload = f.problem, f.of("workload")
    job_rows = np.flatnonzero(p.workloads.kind[workload] != "serving")
    relaxed = values[f.replicas].copy()
    values[f.replicas[job_rows]] = 0.0
    room = Room.of(f, values[f.committed])
    for w in np.unique(workload[job_rows]).tolist():
        rows = np.flatnonzero(workload == w)
        wish = relaxed[rows]
        if p.workloads.kind[w] == "training":
            mine = np.flatnonzero(np.isin(f.gangs, rows))
            chosen = mine[values[f.placed[mine]].argmax()]
            values[f.placed[mine]] = 0.0
            values[f.placed[chosen]] = 1.0
            capacity = f.of("units_per_hour")[rows].astype(float)
            at = np.flatnonzero(rows == f.gangs[chosen])
            rows, wish = rows[at], (capacity[:, None] * wish).sum(axis=0)[None, :] / capacity[at][:, None]
        made = _settle(f, w, rows, wish, room)
        values[f.replicas[rows]] = made
        room.add(f, rows, made)
    return job_rows


def _settle(f: Formulation, w: int, rows: Array, wish: Array, room: Room) -> Array:
    """Whole replicas [n, B] of a job: the wish rounded down, then one more where it wants most until work is done."""
    p = f.problem
    capacity, hours = f.of("units_per_hour")[rows].astype(float), p.blocks.total_hours.astype(float)
    source = int(np.flatnonzero(p.sources.workload == w)[0])
    total, work = float(p.sources.total_units[source]), capacity[:, None] * hours
    most = (
        room.left(room.at(f, rows))[f.of("market")[rows], np.arange(len(rows))] // f.of("nodes_per_replica")[rows, None]
    )
    if p.workloads.kind[w] == "training":
        most = np.minimum(most, 1)
    most = np.where(p.sources.window[source], np.maximum(most, 0), 0)
    made = np.minimum(np.floor(wish + TINY), most)
    for s in range(len(p.blocks.probability)):
        mine = p.blocks.scenario == s
        left = total - (capacity @ made[:, mine]) @ hours[mine]
        while left > 0:
            able = mine & (made < most)
            if not able.any():
                break
            more = np.where(able, wish - made, -np.inf)
            at = np.unravel_index(more.argmax(), more.shape)
            if more[at] <= TINY:  # beyond the wish: the smallest block that finishes the work, else the largest
                ends = able & (work >= left)
                size = np.where(ends, work, np.inf) if ends.any() else np.where(able, -work, np.inf)
                at = np.unravel_index(size.argmin(), size.shape)
            made[at] += 1
            left -= work[at]
        _trim(made, wish, work, mine, -left)
    return np.asarray(made.astype(np.int64))


def _trim(made: Array, wish: Array, work: Array, mine: Array, spare: float) -> None:
    """Take back blocks that the work does not need, those least wanted first."""
    excess = np.where((made > 0) & mine, made - wish, -np.inf)
    for flat in np.argsort(-excess, axis=None):
        at = np.unravel_index(flat, excess.shape)
        if excess[at] <= TINY:
            return
        if work[at] <= spare:
            made[at] -= 1
            spare -= float(work[at])
