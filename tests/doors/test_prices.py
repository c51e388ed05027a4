"""The command `prices` against the catalogue itself."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import pytest

import costdata
from tests.doors.command import refused, run

H100_US = ("prices", "--accelerator", "H100", "--country", "US", "--option", "on_demand", "--provider", "aws")


def test_filters_give_what_the_catalogue_gives() -> None:
    """Each offer once, the cheapest accelerator-hour first, money as exact text."""
    rows = json.loads(run(*H100_US, "--format", "json").stdout)
    wanted = costdata.load().where(provider="aws", accelerator="H100", country="US", option="on_demand").offers
    assert len(rows) == len(wanted) > 0
    assert sum(Decimal(r["usd_per_hour"]) for r in rows) * 10**6 == int(wanted.micro_usd_per_hour.sum())
    each = [Decimal(r["usd_per_accelerator_hour"]) for r in rows]
    assert each == sorted(each)
    assert {(r["provider"], r["accelerator"], r["option"]) for r in rows} == {("aws", "H100", "on_demand")}


def test_csv_has_the_same_rows() -> None:
    """And no empty price."""
    rows = list(csv.DictReader(run(*H100_US, "--format", "csv").stdout.splitlines()))
    same = json.loads(run(*H100_US, "--format", "json").stdout)
    assert [(r["region"], Decimal(r["usd_per_hour"])) for r in rows] == [
        (r["region"], Decimal(r["usd_per_hour"])) for r in same
    ]


def test_a_filter_may_be_repeated() -> None:
    """The rows of either value."""
    one, two = (
        json.loads(run("prices", *args, "--accelerator", "H100", "--format", "json").stdout)
        for args in (("--provider", "aws"), ("--provider", "aws", "--provider", "gcp"))
    )
    assert {r["provider"] for r in two} == {"aws", "gcp"}
    assert len(two) > len(one)


def test_the_table_is_cut_and_says_so() -> None:
    """The first rows, how many there are, and as of when."""
    done = run("prices", "--limit", "3")
    assert "more rows: --limit 0 shows all" in done.stdout
    assert f"offers as of {costdata.load().as_of}" in done.stdout
    assert len(done.stdout.splitlines()) < 12


def test_prices_as_of_a_day() -> None:
    """None is newer than the day."""
    rows = json.loads(run("prices", "--as-of", "2026-01-31", "--format", "json").stdout)
    assert rows
    assert max(r["valid_from"] for r in rows) <= "2026-01-31"


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--provider", "awss"), "aws"),
        (("--region", "us-east-11"), "us-east-1"),
        (("--node", "p5.48xlagre"), "p5.48xlarge"),
        (("--accelerator", "H1000"), "H100"),
        (("--option", "on-demand"), "on_demand"),
        (("--country", "Atlantis"), "country"),
        (("--as-of", "tomorrow"), "YYYY-MM-DD"),
        (("--as-of", "2026-02-30"), "YYYY-MM-DD"),
        (("--overrides", "no/such/folder"), "no/such/folder"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(args: tuple[str, ...], word: str) -> None:
    """Which filter, what is wrong, and what was probably meant."""
    assert word in refused(run("prices", *args))
