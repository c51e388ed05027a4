"""A plan's cost at another demand, by hand."""

from __future__ import annotations

import dataclasses
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.bill import LINE_COLUMNS
from solver.budget import Budget, Budgets, Ledger, ledger
from solver.budget.demand import at_demand
from solver.errors import InputError
from solver.forecast import Forecast, History, forecast
from solver.plan import Plan
from solver.problem import Blocks, Problem
from solver.table import Table
from tests.budget.plans import PLACEMENTS, PURCHASES
from tests.doors.small import USD, make_offers, make_small, make_small_plan, make_sources
from tests.report.report_samples import whole

BUDGETS = Budgets(budgets=(Budget(name="all", amount=1),))
COMPUTE = ("compute", "aws", "us", "big")


def made() -> tuple[Problem, Plan]:
    """300 requests an hour for 10 hours of January, 100 for 30: a node for each 100, one of them committed.

    So two nodes on demand in ten hours, at ten dollars: 200 dollars; the commitment costs 240, and 20 of transfer.
    """
    blocks = Blocks(
        hours=whole([[10, 0], [30, 0]]), scenario=whole([0, 0]), periods=("2027-01", "2027-02"),
        period_hours=whole([40, 0]), probability=(Fraction(1),), calendar=Table({}),
    )  # fmt: skip
    sources = dataclasses.replace(make_sources(), units_per_hour=whole([[200, 60], [100, 40], [0, 0]]))
    offers = dataclasses.replace(make_offers(owned=1), paid_hours=whole([[0, 0]] * 3 + [[40, 0]]))
    problem = make_small(blocks=blocks, sources=sources, offers=offers)
    bought = [
        (0, "aws", "us", "big", "on_demand", "on_demand", 0, 2, "", 0),
        (3, "aws", "us", "big", "commit_1y", "commitment", -1, 1, "2027-01-01", 8760),
    ]
    placed = [(0, "chat", "aws", "us", "big", "firm", b, n, n) for b, n in ((0, 3), (1, 1))]
    lines = [
        (*COMPUTE, "commit_1y", "chat", "web", "2027-01", 240 * USD),
        (*COMPUTE, "on_demand", "chat", "web", "2027-01", 200 * USD),
        ("transfer", "aws", "us", "big", "", "chat", "web", "2027-01", 20 * USD),
        ("carbon", "aws", "us", "big", "", "chat", "web", "2027-01", 8 * USD),
    ]
    plan = make_small_plan()
    return problem, dataclasses.replace(
        plan, block_hours=(10, 30), purchases=Table.from_records(PURCHASES, bought),
        placements=Table.from_records(PLACEMENTS, placed), served=plan.served.take(np.zeros(len(plan.served), bool)),
        unserved=Table.from_records(("source", "workload", "origin", "block", "scenario", "units"), []),
        cost_lines=Table.from_records(LINE_COLUMNS, lines),
        provenance=dataclasses.replace(plan.provenance, problem_digest=problem.digest()),
    )  # fmt: skip


def coming(mean: float, series: str = "chat", days: int = 59) -> Forecast:
    """The same demand every day: 59 days of January and February after four weeks of it."""
    times = np.datetime64("2026-12-04") + np.arange(28)
    return forecast(History(times=times, series=(series,), values=np.full((28, 1), mean)), days, paths=3)


def cost(found: Ledger, **scope: Any) -> list[int]:
    """Of January, in dollars."""
    return [round(x / USD) for x in found.cost(found.mask(**scope), date(2027, 1, 1), date(2027, 2, 1)).tolist()]


@pytest.mark.parametrize(
    ("ratio", "usd"),
    [
        (1.0, 460),  # as planned
        (1.5, 240 + 350 + 150 + 30),  # 4.5 nodes of which 3.5 on demand, and half a node in the quiet hours
        (0.5, 240 + 50 + 10),  # 1.5 nodes: half of one on demand
        (0.2, 240 + 4),  # the commitment is enough, and paid
    ],
)
def test_commitments_stay_and_what_is_beyond_them_moves_with_all_nodes(ratio: float, usd: int) -> None:
    """150 requests an hour are planned on average: (10 × 300 + 30 × 100) ÷ 40."""
    problem, plan = made()
    planned = ledger(plan, penalties=False)
    found = at_demand(plan, problem, planned, coming(150 * ratio), BUDGETS)
    assert cost(found) == cost(found, team="web") == cost(found, workload="chat", provider="aws") == [usd] * 3
    assert found.probability == (Fraction(1, 3),) * 3
    assert found.basis.startswith("3 paths of a forecast of demand")
    counted = dataclasses.replace(BUDGETS, penalties=True)
    with_carbon = at_demand(plan, problem, ledger(plan), coming(150 * ratio), counted)
    assert cost(with_carbon) == [round(usd + 8 * ratio)] * 3


def test_months_without_a_forecast_cost_as_planned() -> None:
    """A forecast of February alone leaves January as it is; one of other years is refused; so is an unknown series."""
    problem, plan = made()
    planned = ledger(plan, penalties=False)
    times = np.datetime64("2027-01-04") + np.arange(28)
    late = forecast(History(times=times, series=("chat",), values=np.full((28, 1), 900.0)), 28, paths=3)
    assert cost(at_demand(plan, problem, planned, late, BUDGETS)) == [460] * 3
    gone = forecast(History(times=times - 365 * 24, series=("chat",), values=np.full((28, 1), 900.0)), 28, paths=3)
    with pytest.raises(InputError, match="the plan of 2027-01 to 2027-02"):
        at_demand(plan, problem, planned, gone, BUDGETS)
    with pytest.raises(InputError, match=r"'train' is no workload with traffic.*chat"):
        at_demand(plan, problem, planned, coming(1.0, "train"), BUDGETS)
