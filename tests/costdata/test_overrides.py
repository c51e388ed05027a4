"""The user's own folder: what it changes, computed by hand to the micro-dollar."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costdata
from costdata import Catalog, DataError, Quota
from tests.costdata.conftest import Writer

DISCOUNTS = "provider,region,node,option,percent,fee_per_hour\n"
REGIONS = "provider,region,country,latitude,longitude,g_co2_per_kwh\nonprem,hall-1,DE,50.1,8.7,330\n"
NODES = (
    "provider,node,accelerator,accelerators,vcpus,ram_gib,nic_gbit_per_s,scaleup_gb_per_s,power_w\n"
    "onprem,dgx,H100,8,224,2048,3200,450,8000\n"
)
OFFERS = "provider,region,node,option,price_per_hour,currency,source\n"
RATES = "currency,usd_per_unit,valid_from,source\n"


def hourly(catalog: Catalog, region: str, node: str, option: str) -> int:
    """Micro-dollars an hour of one offer."""
    (found,) = catalog.where(region=region, node=node, option=option).offers.micro_usd_per_hour.tolist()
    return int(found)


def test_discounts_stack_percentage_then_fee(folder: Writer) -> None:
    """55.04 less 10 %, less 5 %, is 47.0592; then 0.25 an hour: 47.3092. Other options keep their own."""
    rows = "aws,*,p5.48xlarge,on_demand,10,\naws,us-east-1,*,*,5,0.25\n"
    catalog = costdata.load(overrides=folder(discounts=DISCOUNTS + rows))
    assert hourly(catalog, "aws/us-east-1", "p5.48xlarge", "on_demand") == 47_309_200
    assert hourly(catalog, "aws/ap-south-1", "p5.48xlarge", "on_demand") == 59_443_200
    assert hourly(catalog, "aws/us-east-1", "g6.xlarge", "on_demand") == 1_014_560
    assert hourly(catalog, "aws/us-east-1", "p5.48xlarge", "commit_3y") == 22_838_435
    assert hourly(catalog, "gcp/us-central1", "a3-highgpu-8g", "on_demand") == 88_490_000


def test_half_a_micro_dollar_goes_to_the_even_one(folder: Writer) -> None:
    """0.706832 less 12.5 % is 0.618478 exactly; 21.957642 less 50 % is 10.978821; 3.673385 halved rounds to even."""
    rows = "gcp,us-central1,g2-standard-4,on_demand,12.5,\ngcp,us-central1,a2-highgpu-1g,on_demand,50,\n"
    catalog = costdata.load(overrides=folder(discounts=DISCOUNTS + rows))
    assert hourly(catalog, "gcp/us-central1", "g2-standard-4", "on_demand") == 618_478
    assert hourly(catalog, "gcp/us-central1", "a2-highgpu-1g", "on_demand") == 1_836_692


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 5_000_000)), min_size=1, max_size=4, unique=True))
def test_any_stack_is_the_exact_product_and_sum(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    """Against Fractions: one rounding at the end, in whatever order the rows stand."""
    steps = [step for step in steps if any(step)] or [(1, 0)]
    want = Fraction(55_040_000)
    for percent, _ in steps:
        want *= 1 - Fraction(percent, 100)
    rows = [f"aws,us-east-1,p5.48xlarge,on_demand,{p},{f // 1_000_000}.{f % 1_000_000:06d}" for p, f in steps]
    results = set()
    for order in (rows, rows[::-1]):
        own = tmp_path_factory.mktemp("own")
        (own / "discounts.csv").write_text(DISCOUNTS + "\n".join(order), encoding="utf-8")
        catalog = costdata.load(overrides=own)
        results.add(hourly(catalog, "aws/us-east-1", "p5.48xlarge", "on_demand"))
    assert results == {round(want) + sum(fee for _, fee in steps)}


def test_a_discount_that_closes_a_spot_market(folder: Writer) -> None:
    """On demand at 90 % off lies below spot: the spot offer is left out, and that is told."""
    row = "gcp,us-central1,a3-highgpu-8g,on_demand,90,\n"
    catalog = costdata.load(overrides=folder(discounts=DISCOUNTS + row))
    assert len(catalog.where(region="gcp/us-central1", node="a3-highgpu-8g", option="spot").offers) == 0
    assert "gcp/us-central1/a3-highgpu-8g/spot: spot at or above on demand is no offer, left out" in catalog.warnings


def test_nodes_of_ones_own(folder: Writer) -> None:
    """An on-premise hall with its shape, its cost in euro and its place."""
    offers = OFFERS + "onprem,hall-1,dgx,on_demand,9.5,EUR,own cost\n"
    fx = RATES + "EUR,1.10,2026-01-01,central bank\nEUR,1.25,2026-07-01,central bank\n"
    own = folder(regions=REGIONS, nodes=NODES, offers=offers, fx=fx)
    assert hourly(costdata.load("2026-08-03", own), "onprem/hall-1", "dgx", "on_demand") == 11_875_000
    assert hourly(costdata.load("2026-06-30", own), "onprem/hall-1", "dgx", "on_demand") == 10_450_000
    catalog = costdata.load("2026-08-03", own)
    assert catalog.regions["onprem", "hall-1"].jurisdiction == "EU"
    assert catalog.nodes["onprem", "dgx"].scaleup_domain == 8
    assert catalog.place("onprem/hall-1").country == "DE"
    assert catalog.round_trip_ms("frankfurt")["onprem", "hall-1"] < 6
    assert catalog.internet_egress_micro_usd_per_gb("paris")["onprem", "hall-1"] == 0
    assert "own cost (offers.csv, row 2)" in catalog.where(provider="onprem").offers.source


def test_a_private_offer_replaces_the_list_price_and_is_net(folder: Writer) -> None:
    """Discounts are on list prices; what was negotiated privately is what it is."""
    offers = OFFERS + "gcp,us-central1,a3-highgpu-8g,on_demand,60,,deal\n"
    own = folder(offers=offers, discounts=DISCOUNTS + "gcp,us-central1,a3-highgpu-8g,on_demand,50,\n")
    assert hourly(costdata.load(overrides=own), "gcp/us-central1", "a3-highgpu-8g", "on_demand") == 60_000_000


def test_a_private_offer_that_is_not_yet_valid(folder: Writer) -> None:
    """It holds from its day on."""
    text = "provider,region,node,price_per_hour,valid_from\ngcp,us-central1,a3-highgpu-8g,60,2026-05-01\n"
    own = folder(offers=text)
    assert hourly(costdata.load("2026-04-30", own), "gcp/us-central1", "a3-highgpu-8g", "on_demand") == 88_490_000
    assert hourly(costdata.load("2026-05-01", own), "gcp/us-central1", "a3-highgpu-8g", "on_demand") == 60_000_000


def test_upfront_of_a_private_commitment(folder: Writer) -> None:
    """Recurring and upfront parts apart, both in dollars."""
    text = (
        "provider,region,node,option,price_per_hour,upfront,currency\n"
        "aws,us-east-1,p5.48xlarge,commit_1y_partial_upfront,15,120000.5,USD\n"
    )
    catalog = costdata.load(overrides=folder(offers=text))
    offers = catalog.where(region="aws/us-east-1", option="commit_1y_partial_upfront").offers
    assert offers.upfront_micro_usd.tolist() == [120_000_500_000]
    assert offers.term_months.tolist() == [12]
    assert offers.kind.tolist() == ["commitment"]


def test_free_on_purpose(folder: Writer) -> None:
    """Zero is allowed where it says so."""
    text = "provider,region,node,price_per_hour,free\naws,us-east-1,p5.48xlarge,0,yes\n"
    catalog = costdata.load(overrides=folder(offers=text))
    assert hourly(catalog, "aws/us-east-1", "p5.48xlarge", "on_demand") == 0


def test_quotas(folder: Writer) -> None:
    """By region and node, or all of them."""
    text = "provider,region,node,kind,max_nodes\naws,us-east-1,p5.48xlarge,spot,4\naws,*,*,any,100\n"
    catalog = costdata.load(overrides=folder(quotas=text))
    assert catalog.quotas == (
        Quota(provider="aws", region="*", node="*", kind="any", max_nodes=100),
        Quota(provider="aws", region="us-east-1", node="p5.48xlarge", kind="spot", max_nodes=4),
    )


def test_commitments_one_holds(folder: Writer) -> None:
    """Two nodes for a year, already paid for in part."""
    text = (
        "provider,region,node,option,nodes,price_per_hour,upfront,currency,starts,ends\n"
        "aws,us-east-1,p5.48xlarge,commit_1y,2,30,1000,EUR,2026-03-01,2027-03-01\n"
    )
    own = folder(commitments=text, fx=RATES + "EUR,1.2,2026-01-01,bank\n")
    (held,) = costdata.load(overrides=own).commitments
    assert (held.nodes, held.micro_usd_per_hour, held.upfront_micro_usd) == (2, 36_000_000, 1_200_000_000)
    assert (held.starts, held.ends) == (date(2026, 3, 1), date(2027, 3, 1))
    kept = costdata.load(overrides=own).where(provider="gcp")
    assert ("aws", "p5.48xlarge") in kept.nodes
    assert ("aws", "us-east-1") in kept.regions


def test_the_digest_tells_overrides(folder: Writer, catalog: Catalog) -> None:
    """Another price is another catalogue; the same tables with rows turned round are the same one."""
    rows = ["aws,*,p5.48xlarge,on_demand,10,", "gcp,*,*,spot,1,"]
    one = costdata.load(overrides=folder(discounts=DISCOUNTS + "\n".join(rows))).digest
    assert one != catalog.digest
    assert costdata.load(overrides=folder(discounts=DISCOUNTS + "\n".join(rows) + "\n\n")).digest == one


def test_a_currency_without_a_rate(folder: Writer) -> None:
    """Neither silently taken for dollars, nor a rate of the future used."""
    text = OFFERS + "gcp,us-central1,a3-highgpu-8g,on_demand,60,EUR,deal\n"
    with pytest.raises(DataError, match=r"offers.csv, row 2, column currency: no rate for currency 'EUR'"):
        costdata.load(overrides=folder(offers=text))
    with pytest.raises(DataError, match="2026-08-03 or before"):
        costdata.load("2026-08-03", folder(offers=text, fx=RATES + "EUR,1.1,2026-09-01,bank\n"))


def test_overrides_name_their_folder(folder: Writer) -> None:
    """For the plan's provenance."""
    own = folder(discounts=DISCOUNTS + "gcp,*,*,spot,1,\n")
    assert costdata.load(overrides=own).overrides == str(own)
    assert costdata.load().overrides == ""


def test_a_folder_may_hold_other_files(folder: Writer) -> None:
    """A note beside the tables is fine."""
    own = folder(discounts=DISCOUNTS + "gcp,*,*,spot,1,\n")
    (own / "README.md").write_text("ours", encoding="utf-8")
    assert costdata.load(overrides=own).overrides


def test_carbon_by_the_hour(folder: Writer) -> None:
    """Hours without a row keep the average; the digest tells; an unknown region, or an hour named twice, is refused."""
    text = "provider,region,hour_utc,g_co2_per_kwh\naws,us-east-1,0,120.5\naws,us-east-1,23,90\n"
    plain, catalog = costdata.load(), costdata.load(overrides=folder(carbon=text))
    average = plain.regions["aws", "us-east-1"].g_co2_per_kwh
    assert catalog.carbon == {("aws", "us-east-1"): (120.5, *(average,) * 22, 90.0)}
    assert plain.carbon == {}
    assert catalog.digest != plain.digest
    for wrong in ("aws,us-east-9,0,1", "aws,us-east-1,24,1", "aws,us-east-1,0,1"):
        with pytest.raises(costdata.DataError):
            costdata.load(overrides=folder(carbon=text + wrong + "\n"))
