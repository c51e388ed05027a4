"""gpuhunt's catalogue, compiled by its maintainers every day: a table a provider in a zip archive."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from types import MappingProxyType

from . import tables
from .client import Client
from .errors import FetchError
from .rows import Known, Ledger, Price, Raw, Source
from .tables import Zones

HOST = "dstack-gpu-pricing.s3.eu-west-1.amazonaws.com"
VERSION_URL = f"https://{HOST}/v2/version"
URL = f"https://{HOST}/v2/{{}}/catalog.zip"
VERSION = re.compile(r"(20[0-9]{6})(-[0-9]{1,6})?")
OLDEST_DAYS = 30
MOST_BYTES = 100_000_000  # unpacked, of one table
MOST_TIMES = 100  # unpacked over packed; text packs to a tenth or so
PROVIDERS = MappingProxyType(
    {  # ours, and the name there
        "aws": "aws",
        "azure": "azure",
        "gcp": "gcp",
        "lambda": "lambdalabs",
        "nebius": "nebius",
        "oci": "oci",
        "runpod": "runpod",
        "verda": "verda",
    }
)
RENAMED = MappingProxyType({"verda": "datacrunch"})  # as older catalogues have it
RUNPOD = MappingProxyType(
    {
        "NVIDIA A100 80GB PCIe": "a100-pcie",
        "NVIDIA A100-SXM4-80GB": "a100-sxm",
        "NVIDIA B200": "b200",
        "NVIDIA B300 SXM6 AC": "b300",
        "NVIDIA H100 NVL": "h100-nvl",
        "NVIDIA H100 PCIe": "h100-pcie",
        "NVIDIA H100 80GB HBM3": "h100-sxm",
        "NVIDIA H200 NVL": "h200-nvl",
        "NVIDIA H200": "h200-sxm",
        "NVIDIA L4": "l4",
        "NVIDIA L40": "l40",
        "NVIDIA L40S": "l40s",
    }
)
PLAIN = frozenset({"gcp-a4", "gcp-g4", "lambda-arm", "oci-spot"})  # flags of offers that anybody can take
COLUMNS = ("instance_name", "location", "price", "gpu_count", "spot")
OPTIONS = ("on_demand", "spot")


def fetch(client: Client, known: Known, ledger: Ledger) -> Iterator[Price]:
    """Every price of a shape that the tables know; a provider without a table is left as it is."""
    version = client.text(VERSION_URL).strip()
    _young(version)
    data = client.body(URL.format(version))
    for provider, named in PROVIDERS.items():
        text = unpacked(data, f"{named}.csv") or unpacked(data, f"{RENAMED.get(provider, named)}.csv")
        if text is None:
            ledger.note("no table", provider)
            continue
        zones = Zones(known, ledger)
        for raw in ledger.rows(tables.rows(text, COLUMNS, f"{named}.csv")):
            _take(raw, provider, zones, ledger)
        yield from zones.prices()
        ledger.cover(provider, *OPTIONS)


def _young(version: str) -> None:
    """A version begins with its day, which was not long ago."""
    found = VERSION.fullmatch(version)
    try:
        day = date.fromisoformat(found[1]) if found else None
    except ValueError:
        day = None
    if day is None:
        raise FetchError("its version is no day", where=VERSION_URL, mend="the source has changed its form")
    if (datetime.now(tz=UTC).date() - day).days > OLDEST_DAYS:
        text = f"its newest catalogue is of {day}, more than {OLDEST_DAYS} days ago"
        raise FetchError(text, where=VERSION_URL, mend="use another source")


def unpacked(data: bytes, name: str) -> str | None:
    """A table of the archive, None where there is none.

    Raises:
        FetchError: it is no archive, or would unpack to more than a table can be.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if name not in archive.namelist():
                return None
            about = archive.getinfo(name)
            most = min(MOST_BYTES, MOST_TIMES * max(1, about.compress_size))
            with archive.open(about) as file:
                table = file.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        raise FetchError("not an archive that can be read", where=HOST, mend="try again later") from None
    if len(table) > most:
        raise FetchError(f"{name} unpacks to more than {most:,} bytes", where=HOST, mend="report this")
    try:
        return table.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FetchError(f"{name} is not UTF-8", where=HOST, mend="try again later") from None


def _take(raw: Raw, provider: str, zones: Zones, ledger: Ledger) -> None:
    row = raw.value
    spot = {"true": True, "false": False}.get(row["spot"].lower())
    node = row["instance_name"]
    if provider == "runpod":
        node = f"{RUNPOD.get(node, node)}.{row['gpu_count']}x"
    if spot is None or not node:
        ledger.drop("not an offer", node[: tables.LONGEST], raw)
    elif set(row.get("flags", "").split()) - PLAIN:
        ledger.drop("not an ordinary offer", node[: tables.LONGEST], raw)
    else:
        region, zone = _place(provider, row["location"], zones.known)
        zones.take(raw, (provider, region, node), zone, {"spot" if spot else "on_demand": tables.usd(row["price"])})


def _place(provider: str, location: str, known: Known) -> tuple[str, str]:
    """Region and zone: a location is a region, or a zone whose name is its region's and a letter."""
    for region in (location, location[:-1], location[:-2]):
        if (provider, region) in known.regions:
            return region, location if location != region else ""
    return location, ""


SOURCE = Source(
    name="gpuhunt",
    title="gpuhunt catalogue",
    providers=tuple(PROVIDERS),
    options=OPTIONS,
    hosts=frozenset({HOST}),
    fetch=fetch,
    extra="gpuhunt",
)
