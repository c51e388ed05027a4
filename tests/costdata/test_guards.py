"""Guards over offers: stale, odd, contradictory or impossible prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import costdata
from costdata import Catalog, DataError, Offers, check


def changed(catalog: Catalog, row: int, **cells: object) -> Offers:
    """The offers with some cells of one row changed."""
    columns = {name: column.copy() for name, column in catalog.offers.columns().items()}
    for name, value in cells.items():
        columns[name][row] = value
    return Offers(**columns)


def test_stale_prices_name_the_worst() -> None:
    """A limit makes age an error; without one it is shown, and told where it is over a year."""
    with pytest.raises(DataError) as caught:
        costdata.load("2026-08-03", max_age_days=300)
    assert "last seen 398 days ago" in caught.value.message
    assert caught.value.where.endswith("/spot")
    assert len(costdata.load("2026-08-03", max_age_days=400).offers)
    catalog = costdata.load("2026-08-03")
    assert any("last seen more than 365 days before 2026-08-03" in text for text in catalog.warnings)
    assert int(catalog.offers.age_days.max()) == 398


def test_a_limit_without_a_day_counts_from_today() -> None:
    """The tables do not get younger by standing still."""
    catalog = costdata.load(max_age_days=36_500)
    assert catalog.as_of >= date(2026, 8, 3)
    with pytest.raises(DataError, match="last seen"):
        costdata.load(max_age_days=0)


def test_a_limit_on_what_is_left() -> None:
    """Filtered first, old prices of others do not matter."""
    catalog = costdata.load("2026-08-03")
    assert catalog.where(provider="azure").not_older_than(60).where(node="Standard_ND96isr_H100_v5").offers
    with pytest.raises(DataError, match="oci/"):
        catalog.where(provider="oci").not_older_than(60)


@pytest.mark.parametrize("bad", [-1, True])
def test_a_limit_that_is_none(bad: int) -> None:
    """Negative or a yes."""
    with pytest.raises(DataError, match="max_age_days"):
        costdata.load(max_age_days=bad)


def test_a_price_a_hundred_times_off_is_told(catalog: Catalog) -> None:
    """Both ways; the packaged tables have none."""
    assert not check.outliers(catalog.offers, catalog.nodes, catalog.accelerators).any()
    row = int(np.flatnonzero((catalog.offers.node == "p5.48xlarge") & (catalog.offers.option == "on_demand"))[0])
    for usd in (20_000, 0.4):
        odd = changed(catalog, row, micro_usd_per_hour=round(usd * 1e6))
        found = check.outliers(odd, catalog.nodes, catalog.accelerators)
        assert np.flatnonzero(found).tolist() == [row]
        assert "p5.48xlarge" in check.told(odd, found, "odd")[0]


def test_an_outlier_of_ones_own_is_told_not_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A private price of four cents an hour may be true; the plan names it."""
    own = tmp_path_factory.mktemp("own")
    text = "provider,region,node,price_per_hour\naws,us-east-1,p5.48xlarge,0.04\n"
    (own / "offers.csv").write_text(text, encoding="utf-8")
    told = costdata.load(overrides=own).warnings
    assert "aws/us-east-1/p5.48xlarge/on_demand: a hundred times off the median of its accelerator" in told


def test_spot_at_on_demand_is_no_market(catalog: Catalog) -> None:
    """At the price or above; below by a micro-dollar is one."""
    o = catalog.offers
    spot = int(np.flatnonzero((o.node == "a3-highgpu-8g") & (o.option == "spot") & (o.region == "us-central1"))[0])
    full = 88_490_000
    for micro_usd, closed in ((full, [spot]), (full + 1, [spot]), (full - 1, [])):
        assert np.flatnonzero(check.no_market(changed(catalog, spot, micro_usd_per_hour=micro_usd))).tolist() == closed


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"micro_usd_per_hour": -1}, "cannot be one"),
        ({"micro_usd_per_hour": 5_000_000_001}, "cannot be one"),
        ({"node": "p9.48xlarge"}, "unknown shape"),
        ({"region": "mars-1"}, "unknown region"),
        ({"provider": "nobody"}, "unknown"),
        ({"kind": "commitment", "option": "flexible_cud_1y"}, "sells no"),
    ],
)
def test_unsound_offers_are_refused(catalog: Catalog, cells: dict[str, object], said: str) -> None:
    """With the place and the mend."""
    with pytest.raises(DataError, match=said) as caught:
        check.offers_are_sound(changed(catalog, 5, **cells), catalog.nodes, catalog.regions)
    assert caught.value.where
    assert caught.value.mend


def test_one_offer_twice(catalog: Catalog) -> None:
    """Which of two prices holds is nobody's guess."""
    twice = Offers.joined([catalog.offers, catalog.offers.take(np.array([3]))])
    with pytest.raises(DataError, match="two prices") as caught:
        check.offers_are_sound(twice, catalog.nodes, catalog.regions)
    assert caught.value.where == check.where(catalog.offers, 3)


def test_zero_is_not_a_price(catalog: Catalog) -> None:
    """Neither hour nor upfront."""
    zero = changed(catalog, 7, micro_usd_per_hour=0)
    assert np.flatnonzero(check.free(zero)).tolist() == [7]
    paid = changed(replace(catalog, offers=zero), 7, upfront_micro_usd=1)
    assert not check.free(paid).any()


def test_a_zero_in_the_packaged_tables_stops_the_load(tables: Path) -> None:
    """Even if somebody edits them."""
    path = tables / "providers" / "vultr" / "prices.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("1.5596", "0"), encoding="utf-8")
    with pytest.raises(DataError, match=r"vultr/ord/.*zero"):
        costdata.load()
