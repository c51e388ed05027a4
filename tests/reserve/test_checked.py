"""The checker of portfolios notices whatever is changed, and what the purchases are worth is worth that by hand."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from benchmarks.commitment_cases import drawn
from solver.reserve import Aim, Portfolio, Reserve, check, commit, futures, otherwise, priced

from .test_optimum import problem, row


def some() -> tuple[Reserve, Portfolio]:
    """Three nodes by day and one at night for a month, one owned; another on sale, $720 of it at once."""
    nodes = np.tile(np.repeat([1, 3], 12), 30)[None, :, None]
    rows = [
        row([1], owned=1, first_hour=-24),
        row([1], micro_usd_per_hour=3_500_000, upfront_micro_usd=720_000_000, last_hour=720, most=1),
    ]
    reserve = problem(nodes, [10_000_000], rows, aim=Aim(upfront_max_micro_usd=720_000_000))
    return reserve, commit(reserve)


def test_a_portfolio_by_hand() -> None:
    """One owned at $5 all month, one bought at $3.50 and $1 of its upfront payment, half a node on demand."""
    _, found = some()
    assert found.quantity.tolist() == [1, 1]
    assert found.cost_micro_usd == (Fraction(29, 2) * 720 * 1_000_000,)  # 5 + 4.5 + 10 ÷ 2
    # the owned one, and two of three by day on demand
    assert found.on_demand_micro_usd == (Fraction(15) * 720 * 1_000_000,)
    (bought,) = found.purchases.records()
    assert bought["utilisation"] == pytest.approx(0.5)
    assert bought["break_even"] == pytest.approx(0.45)  # $4.50 of $10
    assert bought["worth_usd"] == pytest.approx(0.5 * 720)
    # $720 on the first day; 360 hours at $10 less 720 at $3.50 when the 30 days are over
    assert bought["npv_usd"] == pytest.approx(-720 + 1080)
    assert bought["irr"] == pytest.approx((1080 / 720) ** (365 / 30) - 1)
    assert bought["payback"] == "2027-01"  # $720 at once; each of 360 hours by day saves $10, each of 720 costs $3.50
    month = found.months.to_frame()
    assert month["cash_micro_usd"].sum() == (720 + 13.5 * 720) * 1_000_000
    assert month["amortised_micro_usd"].sum() == 14.5 * 720 * 1_000_000
    assert month["all_on_demand_micro_usd"].sum() == 20 * 720 * 1_000_000


def test_whatever_is_changed_is_noticed() -> None:
    """Quantities, limits, what is owned, costs, bounds: each by its words."""
    reserve, found = some()
    assert check(reserve, found) == []
    wrong = {
        "2 are bought, 1 are to be had": dataclasses.replace(found, quantity=np.array([1, 2])),
        "1 are owned": dataclasses.replace(found, quantity=np.array([2, 1])),
        "-1 are bought": dataclasses.replace(found, quantity=np.array([1, -1])),
        "not whole": dataclasses.replace(found, quantity=np.array([1.0, 0.5])),
        "are due": dataclasses.replace(found, cost_micro_usd=(found.cost_micro_usd[0] + Fraction(1, 10**6),)),
        "the objective is": dataclasses.replace(found, upper_micro_usd=found.upper_micro_usd + 1),
        "above the objective": dataclasses.replace(found, lower_micro_usd=found.upper_micro_usd + 1),
    }
    for words, changed in wrong.items():
        assert any(words in line for line in check(reserve, changed)), words
    tight = dataclasses.replace(reserve, aim=Aim(upfront_max_micro_usd=719_999_999))
    assert any("upfront" in line for line in check(tight, found))
    slow = dataclasses.replace(reserve, aim=Aim(hourly_max_micro_usd=4_499_999))
    assert any("an hour" in line for line in check(slow, found))


@pytest.mark.parametrize("seed", range(20))
def test_one_more_or_less_is_noticed(seed: int) -> None:
    """A portfolio whose quantities are changed, but not what it says of cost."""
    reserve = drawn(seed)
    found = commit(reserve, gap=0.0)
    for k in np.flatnonzero(reserve.choices.owned == 0):
        changed = found.quantity.copy()
        changed[k] += 1
        lying = dataclasses.replace(found, quantity=changed)
        honest = priced(reserve, changed)
        if honest.cost_micro_usd != found.cost_micro_usd:
            assert check(reserve, lying)
        assert honest.upper_micro_usd >= found.lower_micro_usd


def test_hindsight_is_never_dearer() -> None:
    """In each future; and a single future has no regret."""
    for seed in range(4):
        reserve = drawn(seed)
        reserve = dataclasses.replace(reserve, aim=Aim())
        rows = list(futures(reserve, commit(reserve, gap=0.0)).records())
        assert all(r["regret"] >= -1e-9 for r in rows)
        if len(rows) == 1:
            assert rows[0]["regret"] == pytest.approx(0, abs=1e-8)


def test_when_demand_is_otherwise() -> None:
    """Half of one node is one node, of three two: the commitment bought is idle at night."""
    reserve, found = some()
    by_factor = {r["demand"]: r for r in otherwise(reserve, found).records()}
    assert by_factor[0.5]["cost_usd"] == pytest.approx((5 + 4.5) * 720)
    assert by_factor[0.5]["on_demand_usd"] == pytest.approx((5 + 5) * 720)
    assert by_factor[1.0]["saved_usd"] == pytest.approx(0.5 * 720)
    assert by_factor[1.5]["cost_usd"] == pytest.approx((5 + 4.5 + 15) * 720)  # 2 at night, 5 by day
