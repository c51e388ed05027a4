"""SkyPilot's catalogues, compiled by its maintainers several times a day: on demand and spot, by zone.

Google's rows there are parts of machines and RunPod's shapes have other names, so that these two are not read; Azure's
list is Azure's own (`azure`).
"""

from __future__ import annotations

from collections.abc import Iterator

from . import tables
from .client import Client
from .rows import Known, Ledger, Price, Source
from .tables import Zones

HOST = "raw.githubusercontent.com"
URL = f"https://{HOST}/skypilot-org/skypilot-catalog/master/catalogs/v8/{{}}/vms.csv"
PROVIDERS = ("aws", "lambda", "nebius", "oci", "verda")
COLUMNS = ("InstanceType", "Region", "Price", "SpotPrice")
OPTIONS = ("on_demand", "spot")


def fetch(client: Client, known: Known, ledger: Ledger) -> Iterator[Price]:
    """Every price of a shape that the tables know."""
    for provider in PROVIDERS:
        url = URL.format(provider)
        zones = Zones(known, ledger)
        for raw in ledger.rows(tables.rows(client.text(url), COLUMNS, url)):
            row = raw.value
            if row["InstanceType"]:
                prices = {"on_demand": tables.usd(row["Price"]), "spot": tables.usd(row["SpotPrice"])}
                key = provider, row["Region"], row["InstanceType"]
                zones.take(raw, key, row.get("AvailabilityZone", ""), prices)
            else:
                ledger.drop("no shape", "", raw)
        yield from zones.prices()
        ledger.cover(provider, *OPTIONS)


SOURCE = Source(
    name="skypilot",
    title="SkyPilot catalogue v8",
    providers=PROVIDERS,
    options=OPTIONS,
    hosts=frozenset({HOST}),
    fetch=fetch,
    extra="skypilot",
)
