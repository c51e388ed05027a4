"""The notebooks for finance: commitments as a count says, futures beyond a budget, causes that add up."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from .played import Played, play

RESERVED = {
    "nodes": "usage.nodes[:, :, 0].reshape(len(usage.nodes), -1, 24).max(axis=2).tolist()",
    "probability": "[float(p) for p in usage.probability]",
    "bought": "purchases[['quantity', 'micro_usd_per_hour']].astype(float).values.tolist()",
    "costs": "costs.to_dict()",
    "otherwise": "otherwise[['demand', 'cost_usd', 'on_demand_usd']].astype(float).values.tolist()",
}
BUDGET = {
    "paths": "futures.paths_usd.tolist()",
    "table": "table.to_dict('list')",
    "enough": "enough.tolist()",
    "total": "float(plan.total_usd)",
    "coverage": "[float(c) for c in ahead.coverage.ravel()]",
}
BILL = {
    "sums": "[account.planned_micro_usd, account.actual_micro_usd, plan.total_micro_usd]",
    "causes": "causes",
    "months": "{m: {c: str(v) for c, v in row.items()} for m, row in dollars.to_dict('index').items()}",
    "paid": "{month: [int(n) for n in row] for month, row in zip(paid.index, paid.values.tolist())}",
}


@pytest.fixture(scope="module")
def reserved() -> Played:
    """Run once."""
    return play("reserved_planning", RESERVED)


@pytest.fixture(scope="module")
def budget() -> Played:
    """Run once."""
    return play("forecast_and_budget", BUDGET)


@pytest.fixture(scope="module")
def bill() -> Played:
    """Run once."""
    return play("plan_against_bill", BILL)


def test_the_commitment_is_the_cheapest_number_of_nodes(reserved: Played) -> None:
    """By trying every number over the futures shown; and its cost is the one shown."""
    nodes = np.array(reserved.facts["nodes"], dtype=float)
    ((bought, micro),) = reserved.facts["bought"]
    chance, hours = np.array(reserved.facts["probability"]), 24 * nodes.shape[1]
    on_demand = reserved.facts["costs"]["on demand"] / float(chance @ nodes.sum(axis=1)) / 24
    costs = [
        n * (micro / bought) / 1e6 * hours + on_demand * 24 * float(chance @ np.maximum(nodes - n, 0).sum(axis=1))
        for n in range(int(nodes.max()) + 1)
    ]
    assert bought == np.argmin(costs)
    assert costs[int(bought)] == pytest.approx(reserved.facts["costs"]["with commitments"], rel=1e-6)
    assert reserved.facts["costs"]["at least"] <= reserved.facts["costs"]["with commitments"] * (1 + 1e-9)


def test_half_the_demand_makes_the_commitment_dear(reserved: Played) -> None:
    """As the text says; at the demand that is forecast it saves, and the chart shows both."""
    by_demand = {demand: (cost, without) for demand, cost, without in reserved.facts["otherwise"]}
    assert by_demand[0.5][0] > by_demand[0.5][1]
    assert by_demand[1.0][0] < by_demand[1.0][1]
    chart = reserved.shown("rest = ").splitlines()
    assert "▓" in chart[0]
    assert all("░" in line for line in chart[1:])


def test_the_probability_of_a_breach_is_the_share_of_paths(budget: Played) -> None:
    """Counted again, with the expected overrun; the budget holds as planned."""
    table, paths = budget.facts["table"], np.array(budget.facts["paths"]).round(2)
    by_quarter = paths.reshape(len(paths), 2, 3).sum(axis=2)
    for q in range(2):
        limit = table["budget"][q]
        assert table["probability of a breach"][q] == pytest.approx((by_quarter[:, q] > limit).mean())
        assert table["expected overrun"][q] == pytest.approx(np.maximum(by_quarter[:, q] - limit, 0).mean(), rel=1e-6)
        assert table["as planned"][q] < limit
    assert sum(table["as planned"]) == pytest.approx(budget.facts["total"])
    assert table["probability of a breach"][0] < table["probability of a breach"][1]
    assert budget.facts["enough"] == np.quantile(by_quarter, 0.95, axis=0).round(-3).tolist()
    assert min(budget.facts["coverage"]) > 0.5


def test_causes_are_those_that_were_made(bill: Played) -> None:
    """A fifth of chat's February as volume, 5 % of March as price, a thousand dollars of credit, and nothing else."""
    planned, actual, total = bill.facts["sums"]
    assert planned == total
    causes = {cause: micro for cause, micro in bill.facts["causes"].items() if micro}
    assert causes.keys() == {"price", "volume", "credits"}
    assert sum(causes.values()) == actual - planned
    assert causes["credits"] == -1000 * 10**6
    months = bill.facts["months"]
    assert causes["price"] == pytest.approx(0.05 * float(months["2027-03"]["planned"]) * 1e6, abs=2)
    assert Decimal(months["2027-02"]["volume"]) * 10**6 == causes["volume"]
    _, of_chat, _ = bill.facts["paid"]["2027-02"]  # six fifths of what was planned
    assert causes["volume"] == pytest.approx(of_chat / 6, abs=10_000)


def test_who_pays_adds_up_to_the_bill(bill: Played) -> None:
    """Each month's shares are its bill, in whole cents."""
    for *shares, whole in bill.facts["paid"].values():
        assert sum(shares) == whole
        assert all(share % 10_000 == 0 for share in shares)
    _, actual, _ = bill.facts["sums"]
    assert sum(row[-1] for row in bill.facts["paid"].values()) == pytest.approx(actual, abs=3 * 5_000)
