"""Percentages off on demand: published rates, exact rounding, days, and cells that cannot be."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costdata
from costdata import Catalog, DataError, percent_off
from costdata.build import invariants
from costdata.percent_off import Programme
from tests.costdata.conftest import Writer

FLEXIBLE = ("flexible_cud_1y", "flexible_cud_3y")


def rates(catalog: Catalog, node: str, option: str, region: str = "gcp/us-central1") -> list[int]:
    """Micro-dollars an hour of the offers of a shape in a region, one or none."""
    found: list[int] = catalog.where(region=region, node=node, option=option).offers.micro_usd_per_hour.tolist()
    return found


@pytest.mark.parametrize(
    ("node", "one_year", "three_years"),
    [
        # $0.13984992 and $0.10488744 on Google's price list of us-central1: 0.194236 × 0.72 and × 0.54
        ("n2-standard-4", 139_850, 104_887),
        # $0.27969984 and $0.20977488
        ("n2-standard-8", 279_700, 209_775),
        # $0.55939968 and $0.41954976
        ("n2-standard-16", 559_400, 419_550),
        # $1.11879936 and $0.83909952
        ("n2-standard-32", 1_118_799, 839_100),
    ],
)
def test_rates_as_google_lists_them(catalog: Catalog, node: str, one_year: int, three_years: int) -> None:
    """28 % and 46 % off on demand are the very prices of the list, rounded to the micro-dollar."""
    assert rates(catalog, node, "flexible_cud_1y") == [one_year]
    assert rates(catalog, node, "flexible_cud_3y") == [three_years]


def test_rates_of_parts_are_met_to_a_micro_dollar(catalog: Catalog) -> None:
    """$0.096496452 and $0.072372332 are listed for an E2, each part rounded; computed is 0.134023 × 0.72 and × 0.54."""
    assert rates(catalog, "e2-standard-4", "flexible_cud_1y") == [96_497]
    assert rates(catalog, "e2-standard-4", "flexible_cud_3y") == [72_372]


def test_accelerators_have_no_flexible_discount(catalog: Catalog) -> None:
    """Google: accelerator-optimised shapes are not eligible."""
    offers = catalog.where(option=FLEXIBLE).offers
    assert set(offers.provider) == {"gcp"}
    assert {name.split("-")[0] for name in offers.node} == {"e2", "n2"}
    assert not any(catalog.nodes["gcp", name].accelerators for name in offers.node)


def test_one_offer_for_each_on_demand_price(catalog: Catalog) -> None:
    """In every region, below on demand, of the option's term and reach, with both sources."""
    o = catalog.offers
    of = {
        option: {(r, n): i for i, r, n, x in zip(range(len(o)), o.region, o.node, o.option, strict=True) if x == option}
        for option in ("on_demand", *FLEXIBLE)
    }
    cpu = {key for key in of["on_demand"] if key[1].startswith(("e2-", "n2-"))}
    assert len(cpu) > 200
    for option, months, kept in zip(FLEXIBLE, (12, 36), (Fraction(72, 100), Fraction(54, 100)), strict=True):
        assert set(of[option]) == cpu
        for key, i in of[option].items():
            full = of["on_demand"][key]
            assert o.micro_usd_per_hour[i] == round(int(o.micro_usd_per_hour[full]) * kept)
            assert (o.kind[i], o.term_months[i], o.payment[i]) == ("commitment", months, "no_upfront")
            assert (o.scope[i], o.upfront_micro_usd[i], o.zones[i]) == ("global", 0, o.zones[full])
            assert o.source[i].endswith(f"; on demand: {o.source[full]}")
            assert "Google Cloud VM instance pricing" in o.source[i]
            assert o.valid_from[i] == max("2025-11-01", o.valid_from[full])
            assert o.age_days[i] >= o.age_days[full]


def test_a_day_before_the_programme_has_none() -> None:
    """And a day after it has one, from the on-demand price of that day."""
    before = costdata.load("2025-10-31").where(provider="gcp")
    assert not set(FLEXIBLE) & set(before.offers.option)
    after = costdata.load("2026-10-01")
    assert rates(after, "n2-standard-4", "flexible_cud_1y") == [139_850]
    assert set(after.where(option=FLEXIBLE).offers.age_days) == {334}  # from 2025-11-01, when the page was seen


@given(st.integers(1, 5_000_000_000), st.decimals(Decimal("0.01"), 99, places=2))
def test_one_rounding_half_to_even(micro_usd: int, percent: Decimal) -> None:
    """Against whole numbers: the nearest micro-dollar of on demand × (100 − percent) / 100; of two the even one."""
    p = Programme(
        provider="gcp", option="flexible_cud_1y", node="*", percent=percent, valid_from=date(2026, 1, 1), source="x"
    )
    exact, whole = micro_usd * (10_000 - int(percent * 100)), p.micro_usd(micro_usd)
    assert abs(whole * 10_000 - exact) <= 5_000
    if abs(whole * 10_000 - exact) == 5_000:
        assert whole % 2 == 0


def test_discounts_of_ones_own_apply_to_them(folder: Writer) -> None:
    """139,850 less 10 % is 125,865; a discount on on-demand alone leaves the programme's rate as it is."""
    text = "provider,region,node,option,percent\n"
    on_it = costdata.load(overrides=folder(discounts=text + "gcp,*,n2-*,flexible_cud_*,10\n"))
    assert rates(on_it, "n2-standard-4", "flexible_cud_1y") == [125_865]
    assert rates(on_it, "n2-standard-4", "on_demand") == [194_236]
    beside = costdata.load(overrides=folder(discounts=text + "gcp,*,n2-*,on_demand,10\n"))
    assert rates(beside, "n2-standard-4", "flexible_cud_1y") == [139_850]


def test_a_private_offer_takes_their_place(folder: Writer) -> None:
    """One's own rate of a programme, also for a shape that has none on the list."""
    text = "provider,region,node,option,price_per_hour\n"
    rows = "gcp,us-central1,n2-standard-4,flexible_cud_1y,0.13\naws,us-east-1,p5.48xlarge,compute_savings_3y,30\n"
    own = costdata.load(overrides=folder(offers=text + rows))
    assert rates(own, "n2-standard-4", "flexible_cud_1y") == [130_000]
    assert rates(own, "p5.48xlarge", "compute_savings_3y", "aws/us-east-1") == [30_000_000]


GOOD = "gcp,flexible_cud_1y,e2-*,28,2025-11-01,gcp-cud-docs"


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ("gpc,flexible_cud_1y,e2-*,28,2025-11-01,gcp-cud-docs", "row 2, column provider"),
        ("gcp,on_demand,e2-*,28,2025-11-01,gcp-cud-docs", "row 2, column option"),
        ("aws,flexible_cud_1y,m7i*,28,2025-11-01,gcp-cud-docs", "row 2, column option"),
        ("gcp,flexible_cud_1y,,28,2025-11-01,gcp-cud-docs", "row 2, column node"),
        ("gcp,flexible_cud_1y,e2-*,0,2025-11-01,gcp-cud-docs", "row 2, column percent_off_on_demand"),
        ("gcp,flexible_cud_1y,e2-*,100,2025-11-01,gcp-cud-docs", "row 2, column percent_off_on_demand"),
        ("gcp,flexible_cud_1y,e2-*,28%,2025-11-01,gcp-cud-docs", "row 2, column percent_off_on_demand"),
        ("gcp,flexible_cud_1y,e2-*,28,2025-11,gcp-cud-docs", "row 2, column valid_from"),
        ("gcp,flexible_cud_1y,e2-*,28,2025-11-01,hearsay", "row 2, column source"),
        (f"{GOOD}\n{GOOD}", "row 3"),
    ],
)
def test_a_bad_cell_is_named(tables: Path, row: str, where: str) -> None:
    """File, row and column, and the mend."""
    (tables / "percent_off.csv").write_text(f"{','.join(percent_off.NAMES)}\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        percent_off.programmes()
    assert caught.value.where == f"percent_off.csv, {where}"
    assert caught.value.mend


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("gcp,flexible_cud_1y,e3-*,28,2025-11-01,gcp-cud-docs", "flexible_cud_1y for e3-* matches no shape on demand"),
        (f"{GOOD}\ngcp,flexible_cud_1y,e2-standard-*,28,2025-11-01,gcp-cud-docs", "e2-standard-4 twice, e2-standard-*"),
        ("gcp,commit_1y,n2-*,28,2025-11-01,gcp-cud-docs", "commit_1y of n2-standard-16 has a listed price"),
    ],
)
def test_an_invariant_notices(tables: Path, rows: str, said: str) -> None:
    """What would make two prices for one offer, or none."""
    (tables / "percent_off.csv").write_text(f"{','.join(percent_off.NAMES)}\n{rows}\n", encoding="utf-8")
    assert any(said in fault for fault in invariants.faults())


def test_a_newer_percentage_takes_the_place_of_the_older(tables: Path) -> None:
    """On its day, not before: 0.194236 × 0.7 is 0.1359652, the even neighbour 0.135965."""
    rows = "gcp,flexible_cud_1y,n2-*,28,2025-11-01,gcp-cud-docs\ngcp,flexible_cud_1y,n2-*,30,2026-09-01,gcp-cud-docs\n"
    (tables / "percent_off.csv").write_text(f"{','.join(percent_off.NAMES)}\n{rows}", encoding="utf-8")
    assert rates(costdata.load("2026-08-31"), "n2-standard-4", "flexible_cud_1y") == [139_850]
    newer = costdata.load("2026-09-01")
    assert rates(newer, "n2-standard-4", "flexible_cud_1y") == [135_965]
    assert set(newer.where(option="flexible_cud_1y").offers.valid_from) == {"2026-09-01"}
