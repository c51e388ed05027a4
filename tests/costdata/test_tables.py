"""The packaged tables: invariants hold, faults are noticed, and the tables are what the facts give."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import costdata
from costdata import packaged, percent_off
from costdata.build import __main__ as build
from costdata.build import facts as raw
from costdata.build import invariants

LARGEST_BYTES = 6_000_000


def test_invariants_hold() -> None:
    """Every cell of every packaged table, and what must hold between tables."""
    assert invariants.faults() == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("providers/aws/prices.csv", ",55.04,", ",0,"),
        ("providers/aws/prices.csv", ",55.04,", ",-55.04,"),
        ("providers/aws/prices.csv", ",55.04,", ",nan,"),
        ("providers/aws/prices.csv", ",55.04,", ",1e9,"),
        ("providers/aws/prices.csv", ",55.04,", ",,"),
        ("providers/aws/prices.csv", ",55.04,", ",700000,"),
        ("providers/aws/prices.csv", "us-east-1,p5.48xlarge,on_demand", "us-east-1,p5.49xlarge,on_demand"),
        ("providers/aws/prices.csv", "us-east-1,p5.48xlarge,on_demand", "us-east-9,p5.48xlarge,on_demand"),
        ("providers/aws/prices.csv", "us-east-1,p5.48xlarge,on_demand", "us-east-1,p5.48xlarge,spot"),
        ("providers/aws/prices.csv", ",aws-list-2026-07\n", ",hearsay\n"),
        ("providers/gcp/history.csv", ",2024-05-17,", ",2027-05-17,"),
        ("providers/gcp/prices.csv", "a3-highgpu-8g,spot,50.609541", "a3-highgpu-8g,spot,99"),
        ("providers/gcp/regions.csv", "us-central1,Iowa,US,", "us-central1,Iowa,ZZ,"),
        ("providers/gcp/transfer.csv", "*,internet,", "*,moon,"),
        ("providers/azure/nodes.csv", "H200,8,", "H200,0,"),
        ("providers/azure/nodes.csv", "_H200_v5,H200,", "_H200_v5,H900,"),
        ("round_trip.csv", "azure/eastus,azure/japaneast,", "azure/eastus,azure/japaneast,2"),
    ],
)
def test_an_invariant_notices(tables: Path, name: str, old: str, new: str) -> None:
    """One fault put into a copy of the tables is found."""
    path = tables / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    if name == "round_trip.csv":
        lines = [line if "eastus,azure/japaneast" not in line else new + ",azure-rtt" for line in text.split("\n")]
        path.write_text("\n".join(lines), encoding="utf-8")
    assert invariants.faults()


def test_money_is_read_exactly(catalog: costdata.Catalog) -> None:
    """Every price is its text's micro-dollars, computed in Decimal."""
    want = [
        int(Decimal(row["usd_per_hour"]) * 1_000_000)
        for who in packaged.providers()
        for row in packaged.records(packaged.FOLDER / "providers" / who / "prices.csv")
    ]
    computed = np.isin(catalog.offers.option, [p.option for p in percent_off.programmes()])
    read = catalog.offers.take(~computed).micro_usd_per_hour
    assert sum(want) == int(read.sum())
    assert sorted(want) == sorted(read.tolist())


def test_the_tables_are_small() -> None:
    """They travel in the package."""
    assert sum(path.stat().st_size for path in packaged.FOLDER.rglob("*.csv")) < LARGEST_BYTES


def test_offers_cover_the_market(catalog: costdata.Catalog) -> None:
    """Thousands of offers of ten providers, five ways to buy, every big cloud in dozens of regions."""
    offers = catalog.offers
    assert len(offers) > 6000
    assert len(set(offers.provider)) == 10
    assert {"on_demand", "spot", "commit_1y", "commit_3y", "capacity_block"} <= set(offers.option)
    regions = {who: len({r for p, r in catalog.regions if p == who}) for who in ("aws", "azure", "gcp")}
    assert all(regions[who] >= least for who, least in {"aws": 90, "azure": 55, "gcp": 40}.items())
    assert {"EU", "US", "UK", "JP"} <= {r.jurisdiction for r in catalog.regions.values()}


def test_no_listed_price_without_capacity(catalog: costdata.Catalog) -> None:
    """Google lists A3 in Africa and AWS lists P3 in Virginia; neither is offered there."""
    keys = set(zip(catalog.offers.region, catalog.offers.node, strict=True))
    assert ("africa-south1", "a3-highgpu-8g") not in keys
    assert ("us-east-1", "p3.2xlarge") not in keys
    assert not any(node.startswith(("Standard_NC6s_v3", "g6f.", "g4-standard-6")) for _, node in keys)


def test_spot_is_always_below_on_demand(catalog: costdata.Catalog) -> None:
    """For every node and region with both."""
    o = catalog.offers
    keys = list(zip(o.provider, o.region, o.node, strict=True))
    full = {k: m for k, m, kind in zip(keys, o.micro_usd_per_hour, o.kind, strict=True) if kind == "on_demand"}
    spot = [(k, m) for k, m, kind in zip(keys, o.micro_usd_per_hour, o.kind, strict=True) if kind == "spot"]
    assert len(spot) > 1000
    assert all(m < full.get(k, np.inf) for k, m in spot)


def test_every_row_says_where_it_comes_from(catalog: costdata.Catalog) -> None:
    """A source with its date, on every offer, shape, region and accelerator."""
    assert all(catalog.offers.source)
    assert all(node.source for node in catalog.nodes.values())
    assert all(region.source for region in catalog.regions.values())
    assert all(accelerator.source for accelerator in catalog.accelerators.values())


def test_rebuilding_from_the_facts_changes_nothing(facts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Byte for byte, and every row read is accounted for."""
    assert build.main(["--facts", str(facts), "--check"]) == 0
    told = capsys.readouterr().out
    assert "differs" not in told
    for line in told.splitlines():
        if " rows = " in line:
            read, _, parts = line.partition(": ")[2].partition(" rows = ")
            kept, _, dropped = parts.partition(" kept + ")
            assert int(read) == int(kept) + int(dropped.removesuffix(" dropped"))
            assert int(kept) >= 0


def test_rebuilding_names_what_differs(facts: Path, tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table changed by hand is told, and not overwritten by the check."""
    monkeypatch.setattr(build, "PACKAGE", tables)
    path = tables / "providers" / "vultr" / "prices.csv"
    changed = path.read_bytes().replace(b"1.5596", b"1.4")
    path.write_bytes(changed)
    assert build.main(["--facts", str(facts), "--check"]) == 1
    assert path.read_bytes() == changed


def test_two_prices_of_one_day_stop_the_build() -> None:
    """The facts contradict themselves: nobody guesses."""
    one = raw.Price("r", "n", "on_demand", Decimal(1), 1, Decimal(0), "2026-01-01", "s")
    with pytest.raises(SystemExit, match="two prices of one day"):
        build.dated([one, one._replace(usd_per_hour=Decimal(2))])
