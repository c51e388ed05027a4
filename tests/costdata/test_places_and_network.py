"""Places by name, round trips and transfer prices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costdata
from costdata import Catalog, DataError, packaged


@pytest.mark.parametrize(
    ("name", "country", "jurisdiction"),
    [
        ("paris", "FR", "EU"),
        ("Paris, FR", "FR", "EU"),
        ("FR", "FR", "EU"),
        ("france", "FR", "EU"),
        ("USA", "US", "US"),
        ("UK", "GB", "UK"),
        ("gb", "GB", "UK"),
        ("sao paulo", "BR", "BR"),
        ("  São   Paulo ", "BR", "BR"),
        ("münchen", "DE", "EU"),
        ("Bangalore", "IN", "IN"),
        ("new york", "US", "US"),
        ("Singapore", "SG", "SG"),
        ("aws/us-east-1", "US", "US"),
        ("azure/westeurope", "NL", "EU"),
        ("Côte d'Ivoire", "CI", "CI"),
        ("oslo", "NO", "NO"),
        ("zurich", "CH", "CH"),
    ],
)
def test_place(catalog: Catalog, name: str, country: str, jurisdiction: str) -> None:
    """A city, a country or a region, however it is written."""
    place = catalog.place(name)
    assert (place.country, place.jurisdiction) == (country, jurisdiction)
    assert abs(place.latitude) <= 90
    assert abs(place.longitude) <= 180


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("pariss", "paris"),
        ("san jose", "San Jose, US"),
        ("aws/us-est-1", "aws/us-east-1"),
        ("awss/us-east-1", "aws/us-east-1"),
        ("", "known"),
        ("../../etc/passwd", "known"),
        ("\x00", "known"),
        ("x" * 100_000, "known"),
    ],
)
def test_no_such_place(catalog: Catalog, name: str, mend: str) -> None:
    """Named, shortened, with the nearest."""
    with pytest.raises(DataError) as caught:
        catalog.place(name)
    assert mend in caught.value.mend
    assert len(str(caught.value)) < 600


@given(st.text(max_size=30))
def test_any_text_is_a_place_or_a_typed_error(name: str) -> None:
    """Nothing else gets out."""
    try:
        costdata.places.find(name, {})
    except DataError as error:
        mend = error.mend
    else:
        mend = "none needed"
    assert mend


def test_every_country_is_a_place(catalog: Catalog) -> None:
    """By code and by name; about two hundred of them, twenty-seven in the EU."""
    known = packaged.countries()
    assert len(known) >= 195
    assert sum(row["jurisdiction"] == "EU" for row in known.values()) == 27
    for code, row in known.items():
        assert catalog.place(code).country == catalog.place(f"{row['name']}").country == code


def test_round_trips_between_measured_regions(catalog: Catalog) -> None:
    """Azure publishes 101 ms or so between Virginia and Paris; ours is the mean of both directions."""
    rows = packaged.records(packaged.FOLDER / "round_trip.csv")
    row = next(r for r in rows if (r["a"], r["b"]) == ("azure/eastus", "azure/westeurope"))
    there = catalog.round_trip_ms("azure/eastus")["azure", "westeurope"]
    back = catalog.round_trip_ms("azure/westeurope")["azure", "eastus"]
    assert there == back == float(row["ms"])
    assert 75 < there < 95


def test_round_trips_from_a_city_follow_distance(catalog: Catalog) -> None:
    """Fixed part and slope of its pair of continents, as fitted."""
    km = costdata.places.distances_km(catalog.place("paris"), [catalog.regions["aws", "us-east-1"]])[0]
    assert 6100 < km < 6250
    assert catalog.round_trip_ms("paris")["aws", "us-east-1"] == pytest.approx(4 + km * 15.708 / 1000)
    near = catalog.round_trip_ms("frankfurt")
    assert (
        near["aws", "eu-central-1"]
        < near["aws", "eu-west-1"]
        < near["aws", "us-east-1"]
        < near["aws", "ap-southeast-2"]
    )
    assert min(near.values()) > 1


def test_the_fit_is_as_good_as_documented() -> None:
    """Half of all measured pairs lie within 11 % of the model."""
    rows = {r["continents"]: r for r in packaged.records(packaged.FOLDER / "round_trip_fit.csv")}
    assert float(rows["*"]["median_error"]) <= 0.11
    assert int(rows["*"]["pairs"]) > 2500


@pytest.mark.parametrize(
    ("place", "region", "micro_usd"),
    [
        ("paris", ("aws", "us-east-1"), 90_000),
        ("paris", ("aws", "sa-east-1"), 150_000),
        ("paris", ("aws", "us-west-2-lax-1"), 90_000),
        ("paris", ("azure", "westeurope"), 87_500),
        ("paris", ("azure", "brazilsouth"), 181_000),
        ("paris", ("gcp", "us-central1"), 120_000),
        ("sydney", ("gcp", "us-central1"), 190_000),
        ("shanghai", ("gcp", "us-central1"), 230_000),
        ("paris", ("nebius", "eu-north1"), 0),
        ("aws/us-east-1", ("aws", "us-east-1"), 0),
        ("aws/us-east-1", ("aws", "eu-west-1"), 20_000),
        ("aws/us-east-1", ("gcp", "us-central1"), 120_000),
    ],
)
def test_internet_egress(catalog: Catalog, place: str, region: tuple[str, str], micro_usd: int) -> None:
    """First tier, from the region to clients at the place."""
    assert catalog.internet_egress_micro_usd_per_gb(place)[region] == micro_usd


@pytest.mark.parametrize(
    ("source", "region", "micro_usd"),
    [
        ("aws/us-east-1", ("aws", "us-east-1"), 0),
        ("aws/us-east-1", ("aws", "us-east-2"), 10_000),
        ("aws/us-east-1", ("aws", "eu-west-1"), 20_000),
        ("aws/ap-south-1", ("aws", "us-east-1"), 86_000),
        ("aws/us-east-1", ("gcp", "us-central1"), 90_000),
        ("gcp/us-central1", ("gcp", "us-east4"), 10_000),
        ("gcp/europe-west4", ("gcp", "europe-west1"), 20_000),
        ("gcp/us-central1", ("gcp", "europe-west4"), 80_000),
        ("gcp/us-central1", ("gcp", "australia-southeast1"), 150_000),
        ("gcp/us-central1", ("gcp", "asia-southeast2"), 150_000),
        ("azure/eastus", ("azure", "westeurope"), 50_000),
        ("azure/eastus", ("azure", "westus2"), 20_000),
        ("paris", ("aws", "us-east-1"), 0),
        ("nebius/eu-north1", ("aws", "us-east-1"), 0),
    ],
)
def test_dataset_transfer(catalog: Catalog, source: str, region: tuple[str, str], micro_usd: int) -> None:
    """Leaving the source region; arriving is free."""
    assert catalog.dataset_transfer_micro_usd_per_gb(source)[region] == micro_usd


def test_every_region_has_every_figure(catalog: Catalog) -> None:
    """From any place, no region is left out and nothing is negative."""
    for place in ("tokyo", "ZA", "gcp/us-central1"):
        for table in (
            catalog.round_trip_ms(place),
            catalog.internet_egress_micro_usd_per_gb(place),
            catalog.dataset_transfer_micro_usd_per_gb(place),
        ):
            assert set(table) == set(catalog.regions)
            assert min(table.values()) >= 0


def test_land_is_rings_of_the_world() -> None:
    """Small enough for a map, closed, on the globe."""
    rings = costdata.land()
    assert 50 < len(rings) < 300
    assert sum(map(len, rings)) < 4000
    for ring in rings:
        assert ring.shape[1] == 2
        assert np.array_equal(ring[0], ring[-1])
        assert (np.abs(ring) <= [180, 90]).all()
