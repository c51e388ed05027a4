"""Filtering, frames and the digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costdata
from costdata import Catalog, DataError


def test_filters_meet(catalog: Catalog) -> None:
    """All given filters hold of every offer that is left; several names of one filter are alternatives."""
    found = catalog.where(provider=["aws", "gcp"], accelerator="H100", jurisdiction="EU", kind=("on_demand", "spot"))
    assert len(found.offers)
    for p, r, n in zip(found.offers.provider, found.offers.region, found.offers.node, strict=True):
        assert p in {"aws", "gcp"}
        assert catalog.nodes[p, n].accelerator == "H100"
        assert catalog.regions[p, r].jurisdiction == "EU"
    assert set(found.offers.kind) <= {"on_demand", "spot"}


def test_only_what_the_offers_need_is_left(catalog: Catalog) -> None:
    """Shapes and regions without an offer go; the atlas stays."""
    found = catalog.where(provider="nebius")
    assert {p for p, _ in found.nodes} == {p for p, _ in found.regions} == {"nebius"}
    assert found.place("aws/us-east-1").country == "US"
    assert set(found.dataset_transfer_micro_usd_per_gb("aws/us-east-1")) == set(found.regions)


def test_names_with_their_provider(catalog: Catalog) -> None:
    """us-east-1 is a region of AWS and of Lambda; aws/us-east-1 is one."""
    assert set(catalog.where(region="us-east-1").offers.provider) == {"aws", "lambda"}
    assert set(catalog.where(region="aws/us-east-1").offers.provider) == {"aws"}
    assert set(catalog.where(node="azure/Standard_ND96isr_H200_v5").offers.provider) == {"azure"}


@pytest.mark.parametrize(
    ("what", "name", "nearest"),
    [
        ("provider", "aw", "aws"),
        ("region", "us-est-1", "us-east-1"),
        ("region", "aws/us-est-1", "aws/us-east-1"),
        ("node", "p5.48xlrge", "p5.48xlarge"),
        ("accelerator", "H10O", "H100"),
        ("option", "ondemand", "on_demand"),
        ("kind", "comitment", "commitment"),
        ("country", "FRA", "FR"),
        ("jurisdiction", "eu", "EU"),
        ("region", "=cmd()", "known"),
        ("region", "", "known"),
    ],
)
def test_an_unknown_name_is_named_with_the_nearest(catalog: Catalog, what: str, name: str, nearest: str) -> None:
    """Where, what and the mend."""
    with pytest.raises(DataError) as caught:
        catalog.where(**{what: name})
    assert caught.value.where == what
    assert nearest in caught.value.mend
    assert caught.value.exit_code == 2


def test_a_known_name_without_offers_gives_none(catalog: Catalog) -> None:
    """It is no error to ask Lambda for spot."""
    assert len(catalog.where(provider="lambda", kind="spot").offers) == 0
    assert len(catalog.where(country="AQ" if "AQ" in costdata.packaged.countries() else "AD").offers) == 0


def test_filters_in_any_order_give_the_same(catalog: Catalog) -> None:
    """One after the other or at once."""
    at_once = catalog.where(provider="gcp", accelerator="L4", country="DE")
    assert catalog.where(country="DE").where(accelerator="L4").where(provider="gcp").digest == at_once.digest


def test_frames(catalog: Catalog) -> None:
    """Every table as a DataFrame, with its columns."""
    offers = catalog.to_frame()
    assert len(offers) == len(catalog.offers)
    assert list(offers.columns)[:4] == ["provider", "region", "node", "option"]
    assert str(offers["micro_usd_per_hour"].dtype) == "int64"
    for table in ("nodes", "regions", "accelerators"):
        assert len(catalog.to_frame(table)) == len(getattr(catalog, table))
    with pytest.raises(DataError, match="offers"):
        catalog.to_frame("offer")


def test_columns_cannot_be_written(catalog: Catalog) -> None:
    """A catalogue is what it was when it was loaded."""
    with pytest.raises(ValueError, match="read-only"):
        catalog.offers.micro_usd_per_hour[0] = 1
    with pytest.raises(AttributeError):
        catalog.as_of = date(2020, 1, 1)  # type: ignore[misc]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_digest_is_of_the_content_alone(catalog: Catalog, seed: int) -> None:
    """Rows in any order have one digest; a price moved by a micro-dollar has another."""
    order = np.random.default_rng(seed).permutation(len(catalog.offers))
    assert replace(catalog, offers=catalog.offers.take(order)).digest == catalog.digest
    columns = catalog.offers.columns()
    moved = columns["micro_usd_per_hour"].copy()
    moved[order[0]] += 1
    other = costdata.Offers(**{**columns, "micro_usd_per_hour": moved})
    assert replace(catalog, offers=other).digest != catalog.digest


@pytest.mark.parametrize("day", [None, "2025-06-01"])
def test_the_order_of_lines_in_the_files_does_not_matter(tables: Path, day: str | None) -> None:
    """Every table shuffled: the same catalogue, today and in the past."""
    before = costdata.load(day).digest
    shuffle = np.random.default_rng(7)
    for path in tables.glob("providers/*/*.csv"):
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([header, *shuffle.permutation(lines)]) + "\n", encoding="utf-8")
    assert costdata.load(day).digest == before


def test_the_digest_is_sixty_four_hex_digits(catalog: Catalog) -> None:
    """And the same in another load."""
    assert len(catalog.digest) == 64
    assert int(catalog.digest, 16)
    assert costdata.load().digest == catalog.digest
