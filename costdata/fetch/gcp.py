"""Google Cloud: the billing catalogue, which prices parts of machines, summed to the shapes of the tables.

A shape is so many vCPUs, GiB of memory, accelerators and, where it always comes with it, GiB of local SSD; each part
is a SKU of a region, for on demand, spot, and commitments of one and three years. Storage is priced by the month, of
730 hours. Local SSD that a machine may have besides (G2, G4, N2) is in no price. The catalogue has prices in regions
that have no capacity, so only shapes that the tables offer in a region are priced; TPUs are in none of these parts.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import packaged
from ..mechanisms import family
from .client import Secret
from .errors import FetchError
from .rows import Price, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .client import Client
    from .rows import Known, Ledger, Raw

GCP, HOST = "gcp", "cloudbilling.googleapis.com"
URL = f"https://{HOST}/v1/services/6F81-5844-456A/skus"
VARIABLE = "GOOGLE_API_KEY"
MOST_TO_A_PAGE = "5000"
HOURS_A_MONTH = 730
NANOS = Decimal("1e-9")
USAGES = {"OnDemand": "on_demand", "Preemptible": "spot", "Commit1Yr": "commit_1y", "Commit3Yr": "commit_3y"}
TERMS = {"1": "commit_1y", "3": "commit_3y", None: ""}
SPOT = r"(?P<spot> attached to Spot Preemptible VMs)?"
NAMES = r"(?P<name>Nvidia Tesla A100(?: 80GB)?|Nvidia H100 80GB(?: Mega| Plus)?|Nvidia L4|RTX 6000 96GB)(?: GPU)?"
FORMS = tuple(  # of the description, and the part it is of
    (part, re.compile(form, re.IGNORECASE))
    for part, form in (
        ("core", r"(?P<spot>Spot Preemptible )?(?P<name>[A-Z]\d[A-Za-z]*) Instance Core running in .+"),
        ("ram", r"(?P<spot>Spot Preemptible )?(?P<name>[A-Z]\d[A-Za-z]*) Instance Ram running in .+"),
        ("gpu", rf"{NAMES}{SPOT} running in .+"),
        ("ssd", rf"(?P<name>SSD backed Local Storage){SPOT}(?: (?:running )?in .+)?"),
        ("core", r"Commitment v1: (?P<name>[A-Z]\d[A-Za-z]*) Cpu in .+ for (?P<years>[13]) Years?"),
        ("ram", r"Commitment v1: (?P<name>[A-Z]\d[A-Za-z]*) Ram in .+ for (?P<years>[13]) Years?"),
        ("gpu", rf"Commitment v1: {NAMES}(?: running)? in .+ for (?P<years>[13]) Years?"),
        ("ssd", r"Commitment v1: (?P<name>Local SSD) in .+ for (?P<years>[13]) Years?"),
    )
)
UNITS = {"core": {"h"}, "ram": {"GiBy.h"}, "gpu": {"h"}, "ssd": {"GiBy.mo"}}


class Parts(NamedTuple):
    """What a family's shapes are made of: names in the catalogue, and GiB of local SSD for each accelerator."""

    cpu: str
    gpu: str = ""
    ssd_gib: int = 0


FAMILIES = {
    "a2-highgpu": Parts("a2", "nvidia tesla a100"),
    "a2-megagpu": Parts("a2", "nvidia tesla a100"),
    "a2-ultragpu": Parts("a2", "nvidia tesla a100 80gb", 375),
    "a3-highgpu": Parts("a3", "nvidia h100 80gb", 750),
    "a3-megagpu": Parts("a3plus", "nvidia h100 80gb mega", 750),
    "g2-standard": Parts("g2", "nvidia l4"),
    "g4-standard": Parts("g4", "rtx 6000 96gb"),
    "e2-standard": Parts("e2"),
    "n2-standard": Parts("n2"),
}
SAME = {"nvidia h100 80gb plus": "nvidia h100 80gb mega", "ssd backed local storage": "", "local ssd": ""}
Part = tuple[str, str]  # of what kind, by which name
Place = tuple[str, Part, str]  # region, part, option


class Sku(NamedTuple):
    """A SKU that prices a part: dollars an hour of one unit, in some regions."""

    part: Part
    option: str
    regions: tuple[str, ...]
    usd_per_hour: Decimal


def fetch(client: Client, known: Known, ledger: Ledger) -> Iterator[Price]:
    """Everything, with the key that the environment holds."""
    key = os.environ.get(VARIABLE, "")
    if not key:
        mend = f"set {VARIABLE} to a key that may use the Cloud Billing API"
        raise FetchError("no credentials", where=GCP, mend=mend)
    return prices(client, known, ledger, Secret(key))


def prices(client: Client, known: Known, ledger: Ledger, key: Secret) -> Iterator[Price]:
    """Prices of the shapes that the tables offer, as sums of their parts.

    Raises:
        FetchError: the catalogue cannot be had, or has another form than is known.
    """
    shapes = _shapes(known, ledger)
    needed = {(region, part) for (region, _), parts in shapes.items() for part in parts}
    wanted = {part for _, part in needed}
    listed: dict[Place, list[tuple[Decimal, Raw]]] = defaultdict(list)
    try:
        for raw in ledger.rows(_skus(client, key)):
            sku = _sku(raw.value, wanted)
            if isinstance(sku, str):
                ledger.drop(sku, str(raw.value["description"]), raw)
                continue
            places = [region for region in sku.regions if (region, sku.part) in needed]
            if not places:
                ledger.drop("no shape of its regions needs it", raw.value["description"], raw)
            for region in places:
                listed[region, sku.part, sku.option].append((sku.usd_per_hour, raw))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, ArithmeticError) as error:
        raise FetchError(f"an answer of another form ({type(error).__name__})", where=GCP, mend="report this") from None
    yield from _sums(shapes, listed, ledger)
    ledger.cover(GCP, *USAGES.values())


def _shapes(known: Known, ledger: Ledger) -> dict[tuple[str, str], dict[Part, Decimal]]:
    """Of each region and shape that the tables offer, the units of each part."""
    made = {}
    for _, node in known.nodes:
        if family(GCP, node) not in FAMILIES:
            ledger.leave(GCP, node)
    for row in packaged.prices(GCP, None):
        region, node = row[:2]
        about = FAMILIES.get(family(GCP, node))
        if about is None or known.wanting(GCP, region, node):
            continue
        shape = known.nodes[GCP, node]
        parts: dict[Part, Decimal] = {
            ("core", about.cpu): Decimal(shape.vcpus),
            ("ram", about.cpu): Decimal(str(shape.ram_gib)),
            ("gpu", about.gpu): Decimal(shape.accelerators),
            ("ssd", ""): Decimal(about.ssd_gib * shape.accelerators),
        }
        made[region, node] = {part: units for part, units in parts.items() if units}
    return made


def _skus(client: Client, key: Secret) -> Iterator[dict[str, Any]]:
    """The key is in a header: a URL is written into logs on the way."""
    query, headers = {"pageSize": MOST_TO_A_PAGE, "currencyCode": "USD"}, {"X-Goog-Api-Key": key}
    token, seen = "", set[str]()
    while token not in seen:
        seen.add(token)
        page = client.json(URL, query={**query, **({"pageToken": token} if token else {})}, headers=headers)
        yield from page["skus"]
        token = page.get("nextPageToken") or ""
        if not token:
            return
    raise FetchError("its pages have no end", where=URL, mend="try again later")


def _sku(row: Mapping[str, Any], wanted: set[Part]) -> Sku | str:
    """What a SKU prices; or why it is left out."""
    part, option = _part(row["description"])
    if part is None or part not in wanted:
        return "no shape of the tables needs it" if part else "no part of a machine in the tables"
    price = max(row["pricingInfo"], key=lambda info: str(info.get("effectiveTime", "")))["pricingExpression"]
    said, tiers = USAGES.get(row["category"]["usageType"]), price["tieredRates"]
    faults = {  # the catalogue says of local SSD of spot machines that it is on demand
        "its kind is not what its description says": said != option and part[0] != "ssd",
        "in another unit": price["usageUnit"] not in UNITS[part[0]],
        "in several tiers": len(tiers) != 1 or tiers[0]["startUsageAmount"] != 0,
        "not in dollars": tiers[-1]["unitPrice"]["currencyCode"] != "USD",
        "no price": _usd(tiers[-1]["unitPrice"]) <= 0,
    }
    why = next((fault for fault, found in faults.items() if found), "")
    usd = _usd(tiers[-1]["unitPrice"]) / (HOURS_A_MONTH if part[0] == "ssd" else 1)
    return why or Sku(part, option, tuple(row["serviceRegions"]), usd)


def _part(description: str) -> tuple[Part | None, str]:
    """The part that a description names, and how it is bought."""
    for kind, form in FORMS:
        if found := form.fullmatch(description):
            named = found.groupdict()
            name = named["name"].lower()
            option = TERMS[named.get("years")] or ("spot" if named.get("spot") else "on_demand")
            return (kind, SAME.get(name, name)), option
    return None, ""


def _usd(price: Mapping[str, Any]) -> Decimal:
    """Units and billionths, exactly; either may be left out where it is nothing."""
    return Decimal(price.get("units") or 0) + Decimal(price.get("nanos") or 0) * NANOS


def _sums(
    shapes: Mapping[tuple[str, str], Mapping[Part, Decimal]],
    listed: Mapping[Place, list[tuple[Decimal, Raw]]],
    ledger: Ledger,
) -> Iterator[Price]:
    """Every shape of which all parts have one price. A SKU that is in no sum is dropped."""
    unit = {place: found[0][0] for place, found in listed.items() if len({usd for usd, _ in found}) == 1}
    used = set[Place]()
    for (region, node), parts in shapes.items():
        for option in USAGES.values():
            places = {part: (region, part, option) for part in parts}
            missing = [" ".join(part).strip() for part, place in places.items() if place not in unit]
            if not missing:
                used |= set(places.values())
                usd = sum((unit[places[part]] * units for part, units in parts.items()), Decimal(0))
                yield Price(provider=GCP, region=region, node=node, option=option, usd_per_hour=usd)
            elif len(missing) < len(parts) or option == "on_demand":
                ledger.note("a part has no price, or several", f"{region}/{node} {option}: {', '.join(missing)}")
    raws = {raw.number: raw for found in listed.values() for _, raw in found}
    kept = {raw.number for place in used for _, raw in listed[place]}
    for number, raw in raws.items():
        if number in kept:
            ledger.keep(raw)
        else:
            ledger.drop("in no sum: another part has no price", raw.value["description"], raw)


SOURCE = Source(
    name="gcp",
    title="Google Cloud billing catalogue",
    providers=(GCP,),
    options=tuple(USAGES.values()),
    hosts=frozenset({HOST}),
    fetch=fetch,
    own=True,
    extra="gcp",
    needs=f"a key for the Cloud Billing API, in {VARIABLE}",
)
