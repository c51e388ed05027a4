"""Prices as of a day: a later price never reaches back, and the newest one before the day holds."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costdata
from costdata import packaged

FIRST, LAST = date(2022, 2, 9), date(2026, 10, 1)


def price(as_of: str, region: str, node: str, option: str) -> list[int]:
    """Micro-dollars an hour of one key on a day."""
    return list(costdata.load(as_of).where(region=region, node=node, option=option).offers.micro_usd_per_hour)


@pytest.mark.parametrize(
    ("as_of", "option", "micro_usd"),
    [
        ("2024-05-16", "on_demand", []),
        ("2024-05-17", "on_demand", [87_832_466]),
        ("2024-05-20", "on_demand", [87_832_466]),
        ("2024-05-21", "on_demand", [88_490_000]),
        ("2026-10-01", "on_demand", [88_490_000]),
        ("2024-05-17", "spot", [61_948_147]),
        ("2025-03-13", "spot", [20_423_034]),
        ("2026-07-08", "spot", [43_804_399]),
        ("2026-07-21", "spot", [48_185_646]),
        ("2026-07-22", "spot", [50_609_541]),
    ],
)
def test_a3_highgpu_8g_in_iowa_through_the_years(as_of: str, option: str, micro_usd: list[int]) -> None:
    """Google's weekly list, looked up by hand."""
    catalog = costdata.load(as_of)
    if ("gcp", "a3-highgpu-8g") not in catalog.nodes or not micro_usd:
        offers = catalog.offers
        assert not ((offers.node == "a3-highgpu-8g") & (offers.region == "us-central1")).any()
    else:
        assert price(as_of, "gcp/us-central1", "a3-highgpu-8g", option) == micro_usd


def test_on_demand_before_spot_existed() -> None:
    """In 2022 Google published no spot price: the list is on demand only."""
    catalog = costdata.load("2022-02-20")
    assert set(catalog.offers.option) == {"on_demand"}
    assert price("2022-02-15", "gcp/us-central1", "a2-highgpu-1g", "on_demand") == [3_558_986]
    assert price("2022-02-16", "gcp/us-central1", "a2-highgpu-1g", "on_demand") == [3_673_385]


@settings(max_examples=25, deadline=None)
@given(days=st.integers(0, (LAST - FIRST).days))
def test_any_day_gives_the_newest_price_not_after_it(days: int) -> None:
    """Against a plain walk over every dated row of Google's two files."""
    day = (FIRST + timedelta(days)).isoformat()
    want: dict[tuple[str, ...], tuple[str, int]] = {}
    for name in ("history", "prices"):
        for row in packaged.records(packaged.FOLDER / "providers" / "gcp" / f"{name}.csv"):
            key = row["region"], row["node"], row["option"]
            if row["valid_from"] <= day and row["valid_from"] >= want.get(key, ("",))[0]:
                want[key] = row["valid_from"], round(float(row["usd_per_hour"]) * 1e6)
    listed = {option for _, _, option in want}  # percentages off on demand are computed, not listed
    offers = costdata.load(day).where(provider="gcp", option=sorted(listed)).offers
    keys = zip(offers.region, offers.node, offers.option, strict=True)
    assert dict(zip(keys, offers.micro_usd_per_hour.tolist(), strict=True)) == {k: v for k, (_, v) in want.items()}
    assert all(since <= day for since in offers.valid_from)


def test_the_newest_prices_are_what_no_day_gives() -> None:
    """`load()` is `load(newest day)`."""
    newest = costdata.load()
    assert costdata.load(newest.as_of).digest == newest.digest
    assert newest.as_of.isoformat() == max(newest.offers.valid_from)


def test_age_counts_from_when_a_price_was_last_seen() -> None:
    """A price unchanged since 2022 and seen in 2026 is not old in 2026; nor is one the history confirms later."""
    offers = (
        costdata.load("2026-08-13").where(region="gcp/us-central1", node="a2-highgpu-1g", option="on_demand").offers
    )
    assert list(offers.valid_from) == ["2022-02-16"]
    assert list(offers.age_days) == [10]
    assert not costdata.load("2024-01-01").where(provider="gcp").offers.age_days.any()


@pytest.mark.parametrize("bad", ["2026-13-01", "yesterday", "", "20260101x", 20260101, "2026-1-1"])
def test_a_day_that_is_none(bad: object) -> None:
    """Named, with the mend."""
    with pytest.raises(costdata.DataError, match="YYYY-MM-DD"):
        costdata.load(bad)  # type: ignore[arg-type]


def test_before_all_history_nothing_is_on_offer() -> None:
    """An empty catalogue, not an error and not today's prices."""
    catalog = costdata.load("2020-01-01")
    assert len(catalog.offers) == 0
    assert len(catalog.to_frame()) == 0
    assert catalog.digest
