"""Who pays, and what a unit cost: by hand, and to 0.00 whatever the bill."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.actuals import Sharing, compare, planned_bill, planned_use, read_bill, read_use, showback, unit_costs
from solver.actuals.units import Use
from solver.errors import InputError
from solver.money import to_usd
from tests.doors.small import USD, make_small, make_small_plan

from .made_up import row, write

Rows = list[dict[str, str | None]]
CENT = 10_000  # micro-dollars
NOBODY: dict[str, str | None] = {"Tags": None}


def team(name: str) -> dict[str, str | None]:
    """Tags of a team."""
    return {"Tags": f'{{"workload": "w", "team": "{name}"}}'}


ROWS = [
    row("300", **team("a")),
    row("100", **team("b")),
    row("40", CommitmentDiscountId="x", CommitmentDiscountStatus="Unused", **NOBODY),
    row("10", ChargeCategory="Tax", **NOBODY),
    row("-8", ChargeCategory="Credit", **NOBODY),
    row("4", ServiceCategory="Storage", **NOBODY),
]


def shares(folder: Path, sharing: Sharing | None = None, rows: Rows | None = None) -> dict[str, dict[str, Decimal]]:
    """What each owner pays, by part, in dollars."""
    table = showback(read_bill(write(folder, rows or ROWS), repeated="ignore"), "team", sharing)
    return {
        r["owner"]: {k.removesuffix("_micro_usd"): to_usd(v) for k, v in r.items() if k.endswith("micro_usd") and v}
        for r in table.records()
    }


def test_proportional_by_hand(tmp_path: Path) -> None:
    """300 to 100: three quarters and one of $40 idle, $10 tax, $8 credit and $4 of other things."""
    assert shares(tmp_path) == {
        "a": {
            "micro_usd": Decimal("334.5"),
            "direct": 300,
            "idle": 30,
            "tax": Decimal("7.5"),
            "credits": -6,
            "other": 3,
        },
        "b": {
            "micro_usd": Decimal("111.5"),
            "direct": 100,
            "idle": 10,
            "tax": Decimal("2.5"),
            "credits": -2,
            "other": 1,
        },
    }


def test_even_and_fixed_by_hand(tmp_path: Path) -> None:
    """Tax evenly, idle by fixed weights of 1 to 3; an owner that has no charge of its own may carry a share."""
    sharing = Sharing(rules={"tax": "even", "idle": "fixed"}, weights={"b": Decimal(1), "platform": Decimal(3)})
    found = shares(tmp_path, sharing)
    assert {o: p.get("idle", 0) for o, p in found.items()} == {"a": 0, "b": 10, "platform": 30}
    assert {p["tax"] for p in found.values()} == {Decimal("3.333334"), Decimal("3.333333")}
    assert sum(p["micro_usd"] for p in found.values()) == 446


def test_savings_pooled_by_hand(tmp_path: Path) -> None:
    """Both used $100 at list; all $60 of savings fell on a. Pooled, each saves $30."""
    used: dict[str, str | None] = {
        "CommitmentDiscountId": "x", "CommitmentDiscountStatus": "Used", "ContractedCost": "100",
    }  # fmt: skip
    rows = [row("40", **team("a") | used), row("100", **team("b") | used)]
    own = shares(tmp_path, rows=rows)
    pooled = shares(tmp_path, Sharing(savings="pooled"), rows)
    assert {o: p["micro_usd"] for o, p in own.items()} == {"a": 40, "b": 100}
    assert {o: p["micro_usd"] for o, p in pooled.items()} == {"a": 70, "b": 70}


def test_a_bill_of_nobody(tmp_path: Path) -> None:
    """Somebody pays."""
    assert shares(tmp_path, rows=[row("5", **NOBODY)]) == {"(nobody)": {"micro_usd": 5, "other": 5}}


cost = st.integers(-(10**10), 10**13).map(lambda n: f"{Decimal(n).scaleb(-9):f}")
any_row = st.builds(
    lambda c, who, kind, month: row(c, ChargePeriodStart=f"2027-0{month}-01", **(team(who) if who else NOBODY) | kind),
    cost, st.sampled_from(["a", "b", "c", ""]),
    st.sampled_from([{}, {"ChargeCategory": "Tax"}, {"ChargeCategory": "Credit"},
                     {"CommitmentDiscountId": "x", "CommitmentDiscountStatus": "Unused"},
                     {"CommitmentDiscountId": "x", "CommitmentDiscountStatus": "Used", "ContractedCost": "9999"}]),
    st.sampled_from([1, 2]),
)  # fmt: skip
rules = st.fixed_dictionaries({k: st.sampled_from(["proportional", "even", "fixed"]) for k in ("idle", "tax", "other")})


@given(rows=st.lists(any_row, min_size=1, max_size=12), rules=rules, savings=st.sampled_from(["owner", "pooled"]))
@settings(max_examples=30)
def test_parts_add_up_to_the_bill(rows: Rows, rules: dict[str, str], savings: str) -> None:
    """To 0.00 in cents, to the micro-dollar in parts."""
    settings_: dict[str, Any] = {"rules": rules, "savings": savings}
    sharing = Sharing(**settings_, weights={"a": Decimal(2), "z": Decimal("0.5")})
    with tempfile.TemporaryDirectory() as name:
        table = showback(read_bill(write(Path(name), rows), repeated="ignore"), "team", sharing)
    bill = sum((Fraction(str(r["EffectiveCost"])) for r in rows), Fraction(0))
    parts = [n for n in table.names if n.endswith("_micro_usd")]
    assert sum(sum(table[n].tolist()) for n in parts) == round(bill * USD)
    for month in {*table["period"].tolist()}:
        mine = table.take(table["period"] == month)
        exact = sum(sum(mine[n].tolist()) for n in parts)
        assert sum(mine["micro_usd"].tolist()) == round(Fraction(exact, CENT)) * CENT
    assert all(m % CENT == 0 for m in table["micro_usd"].tolist())


def test_rules_that_are_none() -> None:
    """Named."""
    for wrong in (
        {"rules": {"tax": "odd"}},
        {"rules": {"vat": "even"}},
        {"rules": {"tax": "fixed"}},
        {"savings": "all"},
    ):
        with pytest.raises(InputError):
            Sharing(**wrong)
    with pytest.raises(InputError):
        Sharing(weights={"a": Decimal(-1)})


def test_prices_of_tokens_give_the_cost_back() -> None:
    """3 million in and 0.5 million out for $10: 3 + 4 × 0.5 = 5 shares of $2; an output token costs four times that."""
    assert Use(Fraction(3 * USD), Fraction(USD, 2)).prices(10 * USD) == (2 * USD, 8 * USD, -1)
    assert Use(runs=Fraction(4)).prices(10 * USD) == (-1, -1, 2_500_000)
    assert Use().prices(10 * USD) == (-1, -1, -1)


def test_planned_tokens_by_hand() -> None:
    """Chat serves 250 + 100 requests an hour in 30 busy hours and 60 in 70 quiet ones, of 1,000 tokens in, 250 out."""
    use = planned_use(make_small(), make_small_plan())
    requests = {"2027-01": 350 * 10 + 60 * 30, "2027-02": 350 * 20 + 60 * 40}
    assert use == {("chat", m): Use(Fraction(1000 * n), Fraction(250 * n)) for m, n in requests.items()}
    problem = make_small()
    assert np.array_equal(problem.blocks.hours, [[10, 20], [30, 40]])


def test_unit_costs_planned_and_actual(tmp_path: Path) -> None:
    """Planned $640 for 5,300 requests in January; billed $1,000 for twice as many tokens as planned."""
    made = make_small_plan()
    rows = [row("1000", Tags='{"workload": "chat"}')]
    use = tmp_path / "use.csv"
    use.write_text(
        "workload,period,input_tokens,output_tokens\nchat,2027-01-01,10000000,2650000\nchat,2027-01-02,600000,0\n"
    )
    account = compare(planned_bill(made), read_bill(write(tmp_path, rows)))
    (found,) = unit_costs(account, planned_use(make_small(), made), read_use(use)).records()
    assert (found["planned_micro_usd"], found["actual_micro_usd"]) == (640 * USD, 1000 * USD)
    shares = 5_300_000 + 4 * 1_325_000
    assert found["planned_micro_usd_per_1m_input"] == round(Fraction(640 * USD * 10**6, shares))
    assert found["actual_micro_usd_per_1m_output"] == round(Fraction(4 * 1000 * USD * 10**6, 2 * shares))
    assert found["actual_micro_usd_per_run"] == -1


@pytest.mark.parametrize(
    "text",
    ["workload,period\na,2027-01\n", "workload,period,runs\na,2027-13,1\n", "workload,period,runs\na,2027-01,-1\n",
     "workload,period,runs\na,soon,1\n", "workload,period,runs\na,2027-01,nan\n"],
)  # fmt: skip
def test_tables_of_use_that_are_none(tmp_path: Path, text: str) -> None:
    """Named by row and column."""
    (tmp_path / "use.csv").write_text(text)
    with pytest.raises(InputError, match=r"use\.csv"):
        read_use(tmp_path / "use.csv")
