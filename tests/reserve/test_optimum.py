"""The quantities found, against every quantity tried, the quantile of an isolated pool, and numbers by hand."""

from __future__ import annotations

import datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from benchmarks.commitment_cases import by_finance, drawn, enumerated, objective
from solver.fleet.commitments import whole
from solver.reserve import Aim, Choices, Pools, Reserve, Usage, commit
from solver.reserve import optimise as searching

Array = np.ndarray[Any, np.dtype[Any]]


def row(takes: list[int], **fields: Any) -> dict[str, Any]:
    """A choice of one reservation; what is not given is the plainest."""
    return {
        "option": "commit_1y", "title": "", "where": "n0", "account": "", "buyer": "", "unit": "node", "order": 20,
        "capacity": 1, "takes": takes, "micro_usd_per_hour": 5_000_000, "upfront_micro_usd": 0, "first_hour": 0,
        "last_hour": 8760, "owned": 0, "most": -1, "source": "", **fields,
    }  # fmt: skip


def problem(nodes: Array, prices: list[int], rows: list[dict[str, Any]], **fields: Any) -> Reserve:
    """Pools n0, n1 … of one region with nodes [S, T, Q]; futures are equally likely."""
    count = len(prices)
    pools = Pools(
        account=np.full(count, "", object), provider=np.full(count, "aws", object), region=np.full(count, "r", object),
        node=np.array([f"n{q}" for q in range(count)], object), on_demand_micro_usd=np.array(prices, np.int64),
    )  # fmt: skip
    chance = (Fraction(1, len(nodes)),) * len(nodes)
    usage = Usage(start=datetime.date(2027, 1, 1), nodes=nodes.astype(np.int64), probability=chance)
    return Reserve(pools=pools, usage=usage, choices=Choices.of(rows, count), **fields)


@pytest.mark.parametrize("seed", range(12))
def test_no_quantities_are_cheaper(seed: int) -> None:
    """Shared plans, reservations, accounts, futures, weight on the worst: every quantity tried, hour by hour."""
    reserve = drawn(seed)
    found, best = commit(reserve, gap=0.0), enumerated(reserve)
    assert found.upper_micro_usd == round(best)
    assert found.lower_micro_usd <= best
    assert found.upper_micro_usd - found.lower_micro_usd <= max(1, 2e-9 * found.upper_micro_usd)


@pytest.mark.parametrize("seed", range(12))
def test_the_bill_is_that_of_finance(seed: int) -> None:
    """Of any quantities, also poor ones."""
    from solver.reserve.check import cost
    from solver.reserve.check import objective as checked

    reserve = drawn(100 + seed)
    quantity = np.maximum(np.random.default_rng(seed).integers(0, 3, len(reserve.choices)), reserve.choices.owned)
    costs = by_finance(reserve, tuple(quantity.tolist()))
    assert cost(reserve, quantity) == costs
    assert checked(reserve, costs) == objective(reserve, costs)


@pytest.mark.parametrize("seed", range(6))
def test_an_isolated_pool_takes_the_quantile(seed: int) -> None:
    """Each pool alone: the load that is passed in committed ÷ on demand of its hours, exactly."""
    rng = np.random.default_rng(seed)
    hours, count = 24 * 30, 3
    nodes = rng.poisson(rng.uniform(2, 40, count), (1, hours, count))
    prices = rng.integers(2_000_000, 90_000_000, count)
    rates = (prices * rng.uniform(0.2, 1.1, count)).astype(np.int64)
    rows = [
        row([int(q == k) for q in range(count)], where=f"n{k}", micro_usd_per_hour=int(rates[k]), last_hour=hours)
        for k in range(count)
    ]
    found = commit(problem(nodes, prices.tolist(), rows), gap=0.0)
    best = whole(nodes[0].T, np.ones(hours), rates * hours / 1e6, prices / 1e6, np.full(count, np.inf))
    left = np.maximum(nodes[0] - best, 0).sum(axis=0) @ prices + best @ rates * hours
    assert found.upper_micro_usd == left
    assert found.gap <= 2e-9


def test_futures_are_one_load() -> None:
    """Two equally likely futures of 2 and 10 nodes, a commitment at 0.4 of the price: 10; at 0.6: 2."""
    nodes = np.stack([np.full((24, 1), 2), np.full((24, 1), 10)])
    # 10 × 4 an hour whatever comes; or 2 × 6, and in one future of two 8 × 10 more
    for rate, quantity, cost in ((4_000_000, 10, 40), (6_000_000, 2, 12 + 40)):
        found = commit(problem(nodes, [10_000_000], [row([1], micro_usd_per_hour=rate, last_hour=24)]))
        assert found.quantity.tolist() == [quantity]
        assert found.upper_micro_usd == cost * 24 * 1_000_000


def test_the_worst_future_asks_for_more() -> None:
    """At 0.6 of the price two are cheapest on average; where only the worst future counts, ten are."""
    nodes = np.stack([np.full((24, 1), 2), np.full((24, 1), 10)])
    aim = Aim(risk_weight=Fraction(1), cvar_level=Fraction(1, 2))
    rows = [row([1], micro_usd_per_hour=6_000_000, last_hour=24)]
    assert commit(problem(nodes, [10_000_000], rows, aim=aim)).quantity.tolist() == [10]


def test_cash_and_an_hour_s_spend_are_limited() -> None:
    """Four nodes all day; each commitment costs 100 at once and 1 an hour: 300 of cash buys three."""
    nodes = np.full((1, 24, 1), 4)
    rows = [row([1], micro_usd_per_hour=1_000_000, upfront_micro_usd=100_000_000, last_hour=24)]
    for aim, quantity in (
        (Aim(), 4),
        (Aim(upfront_max_micro_usd=300_000_000), 3),
        (Aim(upfront_max_micro_usd=299_999_999), 2),
        (Aim(hourly_max_micro_usd=6_000_000), 1),  # 1 + 100 ÷ 24 an hour each
        (Aim(hourly_max_micro_usd=5_000_000), 0),
    ):
        assert commit(problem(nodes, [10_000_000], rows, aim=aim)).quantity.tolist() == [quantity]


def test_a_ladder_follows_growth() -> None:
    """One node more each 10 days, commitments that begin then: each day's rung is bought when it is needed."""
    nodes = np.repeat(np.array([1, 2, 3]), 240)[None, :, None]
    rows = [row([1], first_hour=240 * k, last_hour=240 * k + 8760, micro_usd_per_hour=6_000_000) for k in range(3)]
    assert commit(problem(nodes, [10_000_000], rows)).quantity.tolist() == [1, 1, 1]


def test_a_plan_spills_over_to_what_it_saves_most() -> None:
    """$10 an hour of a savings plan: first the pool at half price ($10 → $5, 1 node), the rest at 0.8 of the price.

    By hand: 1 node of the first takes $5; $5 left cover 5 ÷ 8 of a node of the second at $8 instead of $10.
    On demand are 3 ÷ 8 × $10 = $3.75 an hour; in all $13.75.
    """
    plan = row([5_000_000, 8_000_000], unit="usd", option="compute_savings_1y", where="aws", order=40,
               capacity=10_000_000, micro_usd_per_hour=10_000_000, last_hour=24, owned=1)  # fmt: skip
    found = commit(problem(np.ones((1, 24, 2)), [10_000_000, 10_000_000], [plan]))
    assert found.cost_micro_usd == (Fraction(13_750_000 * 24),)


def test_what_ends_later_is_paid_for_the_days_in_view() -> None:
    """A year's $8,760 upfront is $1 an hour; of a day 24 of them count."""
    rows = [row([1], micro_usd_per_hour=0, upfront_micro_usd=8_760_000_000)]
    found = commit(problem(np.ones((1, 24, 1)), [10_000_000], rows))
    assert found.quantity.tolist() == [1]
    assert found.cost_micro_usd == (Fraction(24_000_000),)


def test_owned_ones_are_held_and_what_ends_is_renewed() -> None:
    """Two are owned for a day; on the next only one is needed: it is renewed, the other let go."""
    nodes = np.repeat(np.array([2, 1]), 24)[None, :, None]
    rows = [row([1], last_hour=24, first_hour=-24, owned=2), row([1], first_hour=24, last_hour=48)]
    found = commit(problem(nodes, [10_000_000], rows))
    assert found.quantity.tolist() == [2, 1]
    (held,) = found.inventory.records()
    assert (held["quantity"], held["renewed"], held["let_go"]) == (2, 1, 1)
    (bought,) = found.purchases.records()
    assert (bought["starts"], bought["renews"]) == ("2027-01-02", 1)


@pytest.mark.parametrize("seed", range(2))
def test_clusters_bound_what_cells_cost(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many different hours are put together, and the bound still lies below the cost, and near it."""
    rng = np.random.default_rng(seed)
    nodes = rng.poisson(20, (2, 24 * 20, 3))
    rows = [row([int(q == k) for q in range(3)], where=f"n{k}", last_hour=24 * 20) for k in range(3)]
    plan = row([6_000_000] * 3, unit="usd", option="compute", where="aws", order=40, capacity=1000,
               micro_usd_per_hour=1000, last_hour=24 * 20)  # fmt: skip
    reserve = problem(nodes, [9_000_000, 10_000_000, 11_000_000], [*rows, plan])
    monkeypatch.setattr(searching, "FEW", 10)
    apart = commit(reserve, gap=1e-3)
    monkeypatch.setattr(searching, "FEW", 10**9)
    whole_cells = commit(reserve, gap=1e-4)
    assert apart.lower_micro_usd <= whole_cells.upper_micro_usd
    assert apart.gap <= 1e-3
    assert apart.upper_micro_usd <= whole_cells.upper_micro_usd * 1.001
