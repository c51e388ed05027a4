"""Offers as choices: what covers what at which rate, with prices of the packaged tables and of the user's own."""

from __future__ import annotations

import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import costdata
from solver.errors import InputError
from solver.reserve import Reserve, Usage, commit
from solver.reserve.market import choices, pools_of
from solver.reserve.nouns import Choices

START = datetime.date(2027, 1, 1)
G5_12, G5_48 = ("aws", "us-east-1", "g5.12xlarge"), ("aws", "us-east-1", "g5.48xlarge")
M7I = [("aws", "us-east-1", node) for node in ("m7i.xlarge", "m7i.2xlarge")]


@pytest.fixture(scope="module")
def catalog() -> costdata.Catalog:
    """The packaged tables."""
    return costdata.load("2026-11-01")


def rows(made: Choices) -> list[dict[str, object]]:
    """One dict a choice."""
    names = (
        "option",
        "where",
        "unit",
        "capacity",
        "micro_usd_per_hour",
        "upfront_micro_usd",
        "first_hour",
        "last_hour",
    )
    return [
        {name: getattr(made, name)[k] for name in (*names, "owned")} | {"takes": made.takes[k].tolist()}
        for k in range(len(made))
    ]


def own(tmp_path: Path, **tables: str) -> costdata.Catalog:
    """The packaged tables with the user's own."""
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return costdata.load("2026-11-01", tmp_path)


def test_a_reservation_of_an_inflexible_family_covers_its_own_size(catalog: costdata.Catalog) -> None:
    """AWS excepts g5 from size flexibility: $3.57336 and $10.26144 an hour, each for its own shape, for 8,760 hours."""
    pools = pools_of(catalog, [("", G5_12), ("", G5_48)])
    assert pools.on_demand_micro_usd.tolist() == [5_672_000, 16_288_000]
    made = rows(choices(catalog, pools, START, options=["commit_1y"]))
    assert [(r["where"], r["micro_usd_per_hour"], r["last_hour"]) for r in made] == [
        ("aws/us-east-1/g5.12xlarge", 3_573_360, 8760),
        ("aws/us-east-1/g5.48xlarge", 10_261_440, 8760),
    ]
    assert [[bool(t) for t in r["takes"]] for r in made] == [[True, False], [False, True]]  # type: ignore[attr-defined]


def test_starts_are_days_and_terms_calendar_months(catalog: costdata.Catalog) -> None:
    """From 2027-03-01 to 2028-03-01 are 366 days: 2028 has a leap day."""
    pools = pools_of(catalog, [("", G5_12)])
    days = [datetime.date(2027, 3, 1)]
    (row,) = rows(choices(catalog, pools, START, options=["commit_1y"], starts=days))
    assert (row["first_hour"], row["last_hour"]) == (59 * 24, (59 + 366) * 24)


def test_no_rate_is_no_choice(catalog: costdata.Catalog) -> None:
    """No savings plan's rates are published in the packaged tables: none is offered. A pool without a price is told."""
    pools = pools_of(catalog, [("", G5_12)])
    assert len(choices(catalog, pools, START, options=["compute_savings_1y"])) == 0
    with pytest.raises(InputError, match=r"no price on demand of aws/us-east-1/g5\.13xlarge"):
        pools_of(catalog, [("", ("aws", "us-east-1", "g5.13xlarge"))])


def test_a_savings_plan_covers_what_has_a_rate(tmp_path: Path) -> None:
    """$4 and $11 an hour at the plan's rates, of two shapes of three; steps of $0.001; half of the price at once."""
    offers = "provider,region,node,option,price_per_hour\n" + "".join(
        f"aws,us-east-1,{node},compute_savings_1y_partial_upfront,{price}\n"
        for node, price in (("g5.12xlarge", 4), ("g5.48xlarge", 11))
    )
    catalog = own(tmp_path, offers=offers)
    pools = pools_of(catalog, [("", G5_12), ("", G5_48), ("", ("aws", "us-east-1", "g6.12xlarge"))])
    (row,) = rows(choices(catalog, pools, START, options=["compute_savings_1y_partial_upfront"]))
    assert row["takes"] == [4_000_000, 11_000_000, 0]
    assert (row["unit"], row["where"], row["capacity"]) == ("usd", "aws", 1000)
    assert (row["micro_usd_per_hour"], row["upfront_micro_usd"]) == (500, 500 * 8760)


def test_an_instance_plan_stays_in_its_family_and_region(tmp_path: Path) -> None:
    """One choice for g5 in us-east-1, one for g6 there, one for g5 in us-west-2."""
    places = [
        ("us-east-1", "g5.12xlarge"),
        ("us-east-1", "g5.48xlarge"),
        ("us-east-1", "g6.12xlarge"),
        ("us-west-2", "g5.12xlarge"),
    ]
    offers = "provider,region,node,option,price_per_hour\n" + "".join(
        f"aws,{region},{node},instance_savings_1y,3\n" for region, node in places
    )
    catalog = own(tmp_path, offers=offers)
    pools = pools_of(catalog, [("", ("aws", region, node)) for region, node in places])
    made = rows(choices(catalog, pools, START, options=["instance_savings_1y"]))
    assert {(r["where"], tuple(bool(t) for t in r["takes"])) for r in made} == {  # type: ignore[attr-defined]
        ("aws/us-east-1/g5", (True, True, False, False)),
        ("aws/us-east-1/g6", (False, False, True, False)),
        ("aws/us-west-2/g5", (False, False, False, True)),
    }


def test_accounts_share_or_do_not(catalog: costdata.Catalog) -> None:
    """Shared: one choice over both accounts' pools; otherwise one for each."""
    pools = pools_of(catalog, [("one", G5_12), ("two", G5_12)])
    shared = rows(choices(catalog, pools, START, options=["commit_1y"]))
    apart = choices(catalog, pools, START, options=["commit_1y"], shared=False)
    assert [[bool(t) for t in r["takes"]] for r in shared] == [[True, True]]  # type: ignore[attr-defined]
    assert list(zip(apart.account, (apart.takes > 0).tolist(), strict=True)) == [
        ("one", [True, False]),
        ("two", [False, True]),
    ]


def test_what_is_held_counts_and_may_be_renewed(tmp_path: Path) -> None:
    """Two reserved nodes until March, and $5 an hour of a savings plan at today's rates; both ends are starts."""
    commitments = (
        "provider,region,node,option,nodes,price_per_hour,usd_per_hour,starts,ends\n"
        "aws,us-east-1,g5.12xlarge,commit_1y,2,3.5,,2026-03-01,2027-03-01\n"
        "aws,*,*,compute_savings_1y,,,5,2026-06-01,2027-06-01\n"
    )
    offers = "provider,region,node,option,price_per_hour\naws,us-east-1,g5.12xlarge,compute_savings_1y,4\n"
    catalog = own(tmp_path, commitments=commitments, offers=offers)
    pools = pools_of(catalog, [("", G5_12)])
    made = rows(choices(catalog, pools, START, options=["commit_1y"]))
    held = [r for r in made if r["owned"]]
    assert [(r["unit"], r["owned"], r["first_hour"], r["last_hour"]) for r in held] == [
        ("node", 2, -306 * 24, 59 * 24),
        ("usd", 1, -214 * 24, 151 * 24),
    ]
    assert (held[1]["capacity"], held[1]["takes"]) == (5_000_000, [4_000_000])
    assert [r["first_hour"] for r in made if not r["owned"]] == [0, 59 * 24, 151 * 24]


def test_capacity_blocks_are_paid_at_once_for_their_days(catalog: costdata.Catalog) -> None:
    """Two weeks of p5.48xlarge in ap-northeast-1 at $37.76 an hour are 336 × $37.76; 256 nodes at most."""
    pools = pools_of(catalog, [("", ("aws", "ap-northeast-1", "p5.48xlarge"))])
    window = (datetime.date(2027, 3, 1), datetime.date(2027, 3, 15))
    made = choices(catalog, pools, START, options=[], windows=[window])
    (row,) = rows(made)
    assert (row["upfront_micro_usd"], row["micro_usd_per_hour"]) == (336 * 37_760_000, 0)
    assert (row["first_hour"], row["last_hour"]) == (59 * 24, 73 * 24)
    assert made.most.tolist() == [256]


@pytest.mark.parametrize(("days", "sold"), [(1, True), (14, True), (15, False), (21, True), (182, True), (189, False)])
def test_lengths_of_capacity_blocks(catalog: costdata.Catalog, days: int, sold: bool) -> None:
    """AWS User Guide: by the day up to 14 days, by the week up to 182."""
    pools = pools_of(catalog, [("", ("aws", "ap-northeast-1", "p5.48xlarge"))])
    window = (START, START + datetime.timedelta(days=days))
    if sold:
        assert len(choices(catalog, pools, START, options=[], windows=[window])) == 1
    else:
        with pytest.raises(InputError, match=f"no capacity block of {days} days"):
            choices(catalog, pools, START, options=[], windows=[window])


def test_a_block_carries_a_peak(catalog: costdata.Catalog) -> None:
    """Ten nodes for two weeks, two else: all ten run in a block at $37.76 an hour, less than $68.80 on demand."""
    pools = pools_of(catalog, [("", ("aws", "ap-northeast-1", "p5.48xlarge"))])
    nodes = np.full((1, 60 * 24, 1), 2)
    nodes[:, 14 * 24 : 28 * 24] = 10
    usage = Usage(start=START, nodes=nodes, probability=(Fraction(1),))
    window = (START + datetime.timedelta(days=14), START + datetime.timedelta(days=28))
    reserve = Reserve(pools=pools, usage=usage, choices=choices(catalog, pools, START, options=[], windows=[window]))
    found = commit(reserve)
    assert found.quantity.tolist() == [10]
    hours = 14 * 24
    assert found.cost_micro_usd == (Fraction(46 * 24 * 2 * 68_800_000 + hours * 10 * 37_760_000),)
