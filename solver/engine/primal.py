"""Good whole plans from the relaxation: jobs first, then commitments and each block's replicas in turn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import mathopt
from .parts import objective, solve_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..formulation import Formulation
    from ..model import Program
    from .parts import Effort
    from .relaxation import Root

Array = np.ndarray[Any, np.dtype[Any]]
LINKING_ROWS = frozenset({"monthly budget", "carbon"})
TURNS = 6
ENOUGH = 1e-5


def search(root: Root, *, stop: Callable[[], bool], report: Callable[[float], None], effort: Effort) -> Array | None:
    """Whole values of the root's program, or None. `report` hears the dollars of each better one."""
    f, program = root.formulation, closed(root.program, root.owed)
    jobs = fix_jobs(root, program, effort.seed)
    if jobs is None:
        return None
    fixed, values = jobs
    loose = without(f, program, LINKING_ROWS)
    best, best_cost = None, math.inf
    committed = np.zeros(program.shape[1], dtype=bool)
    committed[f.committed] = True
    values[f.committed] = np.round(values[f.committed])
    replicas = ~committed & ~fixed
    replicas[f.on_demand.ravel()] = False
    for turn in range(TURNS):
        found = solve_parts(loose, fixed | committed, values, stop=stop, effort=effort)
        if found is None:
            break
        again = solve_parts(loose, fixed | replicas, found, stop=stop, effort=effort)
        found = found if again is None or objective(loose, again) > objective(loose, found) else again
        cost = objective(program, found)
        if cost < best_cost * (1 - ENOUGH):
            best, best_cost = found, cost
            report(cost + f.model.constant)
        elif turn or stop():
            break
        values = found.copy()
    return best


def without(f: Formulation, program: Program, names: frozenset[str]) -> Program:
    """The program without some groups of rows."""
    keep = np.ones(program.shape[0], dtype=bool)
    for group in f.model.groups:
        if group.name in names:
            keep[group.rows.ravel()] = False
    return program.take(np.flatnonzero(keep), np.arange(program.shape[1]))


def closed(program: Program, columns: Array) -> Program:
    """The program with these columns fixed to zero."""
    upper = program.upper.copy()
    upper[columns] = 0.0
    return program.replace(upper=upper, lower=np.minimum(program.lower, upper))


def fix_jobs(root: Root, program: Program, seed: int) -> tuple[Array, Array] | None:
    """Place each run, and settle in which blocks jobs work; returns the mask of settled columns and all values [n].

    A run goes where the relaxation puts most of it; the relaxation is then solved again, and its blocks are rounded
    so that the work is done.
    """
    f, values = root.formulation, root.values.copy()
    fixed = np.zeros(program.shape[1], dtype=bool)
    p = f.problem
    kinds = p.workloads.kind[f.of("workload")]
    job_rows = np.flatnonzero(kinds != "serving")
    if not len(job_rows):
        return fixed, values
    runs = f.of("workload")[f.gangs]
    elsewhere: list[Array] = []
    for w in np.unique(runs).tolist():
        mine = np.flatnonzero(runs == w)
        chosen = mine[values[f.placed[mine]].argmax()]
        others = mine[mine != chosen]
        elsewhere += [f.placed[others], f.replicas[f.gangs[others]].ravel()]
    narrowed = closed(program, np.concatenate([*elsewhere, np.zeros(0, dtype=np.int64)]))
    answer = mathopt.solve(narrowed.relaxed(), seed=seed)
    if answer.values is None:
        return None
    values = answer.values
    values[f.placed] = np.ceil(values[f.placed] - 1e-6)
    for w in np.unique(f.of("workload")[job_rows]).tolist():
        _settle(f, narrowed, values, w)
    fixed[f.placed] = True
    fixed[f.replicas[job_rows].ravel()] = True
    return fixed, values


def _settle(f: Formulation, program: Program, values: Array, w: int) -> None:
    """Round a job's replicas in place: down, then one more where the relaxation wants most, until the work is done."""
    p = f.problem
    rows = np.flatnonzero(f.of("workload") == w)
    capacity, hours = f.of("units_per_hour")[rows].astype(float), p.blocks.total_hours.astype(float)
    source = int(np.flatnonzero(p.sources.workload == w)[0])
    total = float(p.sources.total_units[source])
    relaxed, most = values[f.replicas[rows]], program.upper[f.replicas[rows]]
    made = np.floor(relaxed + 1e-6)
    usable = p.sources.window[source][None, :] & (most > made)
    for s in range(len(p.blocks.probability)):
        mine = p.blocks.scenario == s
        left = total - float(values[f.unserved[source, s]]) * f.unit[w] - (capacity @ made[:, mine]) @ hours[mine]
        while left > 1e-9 * total:
            work = capacity[:, None] * hours
            room = usable & mine & (made < most)
            if not room.any():
                break
            wish = np.where(room, relaxed - made, -np.inf)
            best = wish.max()
            if best > 1e-6:  # noqa: PLR2004
                at = np.unravel_index(wish.argmax(), wish.shape)
            else:  # the smallest block that finishes the work, else the largest
                ends = room & (work >= left)
                size = np.where(ends, work, np.inf) if ends.any() else np.where(room, -work, np.inf)
                at = np.unravel_index(size.argmin(), size.shape)
            made[at] += 1
            left -= work[at]
        _trim(made, relaxed, capacity[:, None] * hours, mine, -left)
    values[f.replicas[rows]] = made


def _trim(made: Array, relaxed: Array, work: Array, mine: Array, spare: float) -> None:
    """Take back blocks that the work does not need, largest first among those least wanted."""
    wanted = np.where((made > 0) & mine, made - relaxed, -np.inf)
    for flat in np.argsort(-wanted, axis=None):
        at = np.unravel_index(flat, wanted.shape)
        if wanted[at] <= 1e-6:  # noqa: PLR2004
            return
        if work[at] <= spare:
            made[at] -= 1
            spare -= float(work[at])
