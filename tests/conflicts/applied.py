"""Conflicts applied to a problem as a reader would, from their names alone; and whether it then has a plan."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solver.conflicts.places import extended
from solver.conflicts.table import conflict_rows
from solver.engine import mathopt
from solver.formulation import formulate
from solver.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solver.problem import Problem

NAME = re.compile(r"([a-z ]+)(?:\[(.*)\])?")
MICRO = 10**6
SINGLE = {
    "hourly budget": ("hourly_budget_micro_usd", MICRO),
    "upfront cash": ("upfront_max_micro_usd", MICRO),
    "cvar": ("cvar_max_micro_usd", MICRO),
    "carbon": ("carbon_max_g", 1000),
}


class Row(NamedTuple):
    """One row of a plan's conflicts."""

    limit: str
    unit: str
    relax_by: int
    usd_per_unit: float
    detail: str


def conflicts(problem: Problem, seconds: float | None = None) -> list[Row]:
    """The rows; by default without a clock."""
    return [Row(*row) for row in conflict_rows(problem, None, seconds=seconds, seed=0)]


def relaxed(problem: Problem, rows: Sequence[Row]) -> Problem:
    """The problem with every limit but demand relaxed; `has_plan` takes what demand gives up."""
    for row in rows:
        problem = _relaxed(problem, row)
    return problem


def _relaxed(problem: Problem, row: Row) -> Problem:
    found = NAME.fullmatch(row.limit)
    assert found is not None
    kind, name, by = found[1], found[2], row.relax_by
    limits, work = problem.limits, problem.workloads
    w = work.name.tolist().index(name) if name in work.name.tolist() else -1
    changes: dict[str, Any] = {}
    if kind == "quota":
        more = [dataclasses.replace(q, max_nodes=q.max_nodes + by * (q.name == name)) for q in limits.quotas]
        limits = dataclasses.replace(limits, quotas=tuple(more))
    elif kind == "monthly budget":
        pairs = zip(problem.blocks.periods, limits.monthly_budget_micro_usd, strict=True)
        months = tuple(None if usd is None else usd + by * MICRO * (p == name) for p, usd in pairs)
        limits = dataclasses.replace(limits, monthly_budget_micro_usd=months)
    elif kind in SINGLE:
        field, unit = SINGLE[kind]
        one: dict[str, Any] = {field: (getattr(limits, field) or 0) + by * unit}
        limits = dataclasses.replace(limits, **one)
    elif kind == "unserved cvar":
        tails = tuple(dataclasses.replace(u, max_units=u.max_units + by * (u.workload == w)) for u in limits.unserved)
        limits = dataclasses.replace(limits, unserved=tails)
    elif kind.startswith("spot share"):
        field = "max_" + kind.replace(" ", "_")
        changes = {field: _at(getattr(work, field), w, getattr(work, field)[w] + Fraction(by, 100))}
    elif kind == "latency":
        changes = {"ttft_ms": work.ttft_ms + np.where(np.arange(len(work.name)) == w, by, 0)}
    elif kind == "residency":
        admitted = re.search(r"admit (.+?):", row.detail)
        assert admitted is not None
        changes = {"residency": _at(work.residency, w, (*work.residency[w], *admitted[1].split(" and ")))}
    elif kind == "deadline":
        return extended(problem, w, by)
    else:
        assert kind in {"demand", "work"}
    return dataclasses.replace(problem, limits=limits, workloads=dataclasses.replace(work, **changes))


def _at(values: tuple[Any, ...], position: int, value: Any) -> tuple[Any, ...]:
    return (*values[:position], value, *values[position + 1 :])


def has_plan(problem: Problem, rows: Sequence[Row] = (), engine: mathopt.Name = "scip") -> bool:
    """Whether a second engine finds a plan; what must be served may be left by as much as rows of demand say."""
    given = {row.limit: row.relax_by for row in rows if row.limit.startswith(("demand[", "work["))}
    f = formulate(problem, RULES)
    s, scenarios = problem.sources, len(problem.blocks.probability)
    for w in np.flatnonzero(problem.workloads.must_serve).tolist():
        for kind, mine, width in (
            ("demand", (s.workload == w) & (s.total_units == 0), problem.blocks.count),
            ("work", (s.workload == w) & (s.total_units > 0), scenarios),
        ):
            left = f.unserved[mine, :width]
            by = given.get(f"{kind}[{problem.workloads.name[w]}]", 0) / f.unit[w]
            rows_made = f.model.rows("left", (width,), upper=by)
            f.model.put(rows_made, left, 1.0)
    program = f.model.program()
    return mathopt.solve(program.replace(cost=0 * program.cost), engine=engine).values is not None
