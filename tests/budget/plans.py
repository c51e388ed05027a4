"""Plans whose cost is known by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from solver.bill import LINE_COLUMNS
from solver.budget import Book, BudgetFile, Budgets, Ledger, ledger
from solver.budget.document import Budget
from solver.plan import Certificate, Plan
from solver.problem import Blocks, Problem
from solver.table import Table
from tests.doors.small import USD, make_offers, make_small, make_small_plan, make_sources
from tests.report.report_samples import whole

PURCHASES = (
    "offer", "provider", "region", "node", "option", "kind", "block", "nodes", "starts", "term_hours",
)  # fmt: skip
PLACEMENTS = ("candidate", "workload", "provider", "region", "node", "market", "block", "replicas", "nodes")
PROBABILITY = (Fraction(3, 4), Fraction(1, 4))


def plan_of(rows: Sequence[tuple[str, str, str, str, int]], start: str = "2027-01-01", months: int = 12) -> Plan:
    """A plan of so many months whose lines are (month, team, workload, provider, micro-dollars)."""
    lines = [("compute", p, "us", "big", "on_demand", w, team, month, usd) for month, team, w, p, usd in rows]
    made = make_small_plan()
    total = sum(r[-1] for r in rows)
    return dataclasses.replace(
        made,
        periods=tuple(sorted({r[0] for r in rows})),
        cost_lines=Table.from_records(LINE_COLUMNS, lines),
        certificate=Certificate(kind="proved", lower_micro_usd=total, upper_micro_usd=total),
        provenance=dataclasses.replace(
            made.provenance, spec=json.dumps({"horizon": {"start": start, "months": months}, "workloads": []})
        ),
    )


def book_of(rows: Sequence[tuple[str, str, str, str, int]], **when: Any) -> Book:
    """What is known of the cost of such a plan."""
    return Book(planned=ledger(plan_of(rows, **when)))


def one(amount: Any, **budget: Any) -> BudgetFile:
    """A file of one budget."""
    return BudgetFile.of(Budgets(budgets=(Budget(name="b", amount=amount, **budget),)))


def futures_of(base: Ledger, *costs: Sequence[int], probability: Sequence[Fraction], sampled: bool = False) -> Ledger:
    """The lines of a ledger with other amounts in each future."""
    return dataclasses.replace(
        base, micro_usd=whole(costs), probability=tuple(probability), basis="by hand", sampled=sampled
    )


def two_futures() -> tuple[Problem, Plan]:
    """One node at 10 dollars an hour with probability 3/4, three with 1/4: 10 hours in January, 20 in February.

    So January costs 100 or 300 dollars, February 200 or 600; 150 and 300 are expected.
    """
    blocks = Blocks(
        hours=whole([[10, 20], [10, 20]]), scenario=whole([0, 1]), periods=("2027-01", "2027-02"),
        period_hours=whole([10, 20]), probability=PROBABILITY, calendar=Table({}),
    )  # fmt: skip
    sources = dataclasses.replace(
        make_sources(), total_units=whole([0, 0, 0]), units_per_hour=whole([[100, 300], [0, 0], [0, 0]])
    )
    problem = make_small(blocks=blocks, sources=sources, offers=make_offers())
    bought = [(0, "aws", "us", "big", "on_demand", "on_demand", b, n, "", 0) for b, n in ((0, 1), (1, 3))]
    placed = [(0, "chat", "aws", "us", "big", "firm", b, n, n) for b, n in ((0, 1), (1, 3))]
    lines = [
        ("compute", "aws", "us", "big", "on_demand", "chat", "web", month, usd * USD)
        for month, usd in (("2027-01", 150), ("2027-02", 300))
    ]
    made = make_small_plan()
    plan = dataclasses.replace(
        made,
        block_hours=(30, 30),
        purchases=Table.from_records(PURCHASES, bought),
        placements=Table.from_records(PLACEMENTS, placed),
        served=made.served.take(np.zeros(len(made.served), dtype=bool)),
        unserved=Table.from_records(("source", "workload", "origin", "block", "scenario", "units"), []),
        cost_lines=Table.from_records(LINE_COLUMNS, lines),
        provenance=dataclasses.replace(made.provenance, problem_digest=problem.digest()),
    )
    return problem, plan
