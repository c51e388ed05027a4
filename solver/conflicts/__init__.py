"""When the requirements contradict one another: which limits give way, by how much, and what each unit is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..assemble import TABLES
from ..bill import LINE_COLUMNS
from ..plan import Certificate, Plan
from ..table import Table

if TYPE_CHECKING:
    from ..bill import Decision
    from ..plan import Provenance
    from ..problem import Problem

SECONDS = 10.0  # of analysis
MOST_SECONDS = 60.0  # until it is ended: with the search for a plan that confirms it, of a large problem
COLUMNS = ("limit", "unit", "relax_by", "usd_per_unit", "detail")
TOGETHER = ("limit", "says", "proof")


def infeasible_plan(
    problem: Problem, decision: Decision | None, about: Provenance, *, memory_limit_gib: float | None = None
) -> Plan:
    """A plan without a fleet: which limits would have to give way for there to be one, and which contradict another.

    Args:
        problem: has no plan.
        decision: of the search, with what it could not serve left unserved; said when time for an analysis is out.
        about: where the plan comes from; a deterministic one is analysed without a clock.
        memory_limit_gib: GiB that the analysis may take beyond what its process starts with.
    """
    from .apart import found_apart

    seconds = None if about.deterministic else SECONDS
    rows, together = found_apart(
        problem, decision, seconds=seconds, most_s=MOST_SECONDS, seed=about.seed, memory_limit_gib=memory_limit_gib
    )
    if rows is None:
        from .table import UNKNOWN, unserved_rows

        rows = unserved_rows(problem, decision, UNKNOWN)
    columns = {**TABLES, "cost_lines": LINE_COLUMNS}
    return Plan.of(
        problem,
        termination="infeasible",
        certificate=Certificate(kind="none", lower_micro_usd=0, upper_micro_usd=0),
        provenance=about,
        conflicts=Table.from_records(COLUMNS, rows),
        contradiction=Table.from_records(TOGETHER, together),
        **{name: Table.from_records(names, []) for name, names in columns.items()},
    )
