"""AWS's price list as it is published: on demand and reservations of every region, without an account.

One file a region, of some hundred megabytes: they are read line by line, and this source is asked by its name only.
Where a shape is offered nobody says without an account, so only shapes that the tables offer in a region are priced.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from .. import packaged
from .aws import AWS, LIST_IS, RESERVED, Offered, Term, of_term, other
from .aws import SOURCE as WITH_ACCOUNT
from .errors import FetchError
from .rows import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .client import Client
    from .rows import Known, Ledger, Price, Raw

HOST = "pricing.us-east-1.amazonaws.com"
INDEX = f"https://{HOST}/offers/v1.0/aws/AmazonEC2/current/region_index.json"
LIST = re.compile(r"(/offers/v1\.0/aws/AmazonEC2/\d+/[a-z0-9-]+/index)\.json")
MOST_BYTES = 4_000_000_000
NAMES = {  # columns of the file, and what the price list calls them elsewhere
    "Region Code": "regionCode",
    "Instance Type": "instanceType",
    "Operating System": "operatingSystem",
    "Tenancy": "tenancy",
    "Pre Installed S/W": "preInstalledSw",
    "CapacityStatus": "capacitystatus",
    "MarketOption": "marketoption",
}
ABOUT = ("LeaseContractLength", "PurchaseOption", "OfferingClass")
NEEDED = ("SKU", "OfferTermCode", "RateCode", "TermType", "Unit", "PricePerUnit", "Currency", *ABOUT)
KEY = ("SKU", "OfferTermCode", "TermType")
OPTIONAL, HEAD_ROWS = "MarketOption", 10
Row = dict[str, str]


def fetch(client: Client, known: Known, ledger: Ledger) -> Iterator[Price]:
    """On demand and reservations of every region that has prices in the tables.

    Raises:
        FetchError: a file cannot be had, or has another form than is known.
    """
    offered = Offered(known)
    try:
        paths, whole = _files(client, known, ledger)
        for path in paths:
            yield from _prices(client.lines(f"https://{HOST}{path}", most_bytes=MOST_BYTES), offered, ledger)
    except (KeyError, TypeError, AttributeError, ValueError, csv.Error) as error:
        raise FetchError(
            f"an answer of another form ({type(error).__name__})", where=HOST, mend="report this"
        ) from None
    if whole:
        ledger.cover(AWS, "on_demand", *RESERVED)


def _files(client: Client, known: Known, ledger: Ledger) -> tuple[list[str], bool]:
    """The current file of each region, and whether there is one of all of them.

    Raises:
        FetchError: a file is where none should be.
    """
    regions = client.json(INDEX)["regions"]
    wanted = sorted({row[0] for row in packaged.prices(AWS, None) if (AWS, row[0]) in known.regions})
    there = [name for name in wanted if name in regions]
    found = [LIST.fullmatch(regions[name]["currentVersionUrl"]) for name in there]
    if not found or not all(found):
        raise FetchError("a price list where none should be", where=INDEX, mend="report this")
    for name in wanted:
        if name not in regions:
            ledger.note("no price list of the region", name)
    return [f"{match[1]}.csv" for match in found if match], there == wanted


def _prices(lines: Iterator[str], offered: Offered, ledger: Ledger) -> Iterator[Price]:
    """Of one file: what is no plain Linux node of ours goes at once, the rest by product and term at the end."""
    table = csv.reader(lines, strict=True)
    head = next((row for row, _ in zip(table, range(HEAD_ROWS), strict=False) if row[:1] == ["SKU"]), [])
    at = {name: head.index(name) for name in (*NEEDED, *NAMES) if name != OPTIONAL or name in head}
    terms: dict[tuple[str, ...], list[Raw]] = defaultdict(list)
    for raw in ledger.rows(table):
        if len(raw.value) != len(head):
            raise ValueError(len(raw.value))
        row = {name: raw.value[column] for name, column in at.items()}
        node = row["Instance Type"]
        why = "" if (AWS, node) in offered.known.nodes else "unknown node" if node else "no machine"
        if why := why or other(_attributes(row), LIST_IS):
            ledger.drop(why, node, raw)
        else:
            terms[tuple(row[name] for name in KEY)].append(raw._replace(value=row))
    for raws in terms.values():
        if price := of_term(_term([raw.value for raw in raws]), tuple(raws), offered, ledger):
            yield price


def _attributes(row: Row) -> Row:
    return {there: row[name] for name, there in NAMES.items() if row.get(name)}


def _term(rows: list[Row]) -> Term:
    """The rows of a product under a term, in the form that the price list's API gives them."""
    first = rows[0]
    parts = {r["RateCode"]: {"unit": r["Unit"], "pricePerUnit": {r["Currency"]: r["PricePerUnit"]}} for r in rows}
    about = {name: first[name] for name in ABOUT}
    return Term(_attributes(first), first["TermType"], {"priceDimensions": parts, "termAttributes": about})


SOURCE = Source(
    name="aws-list",
    title=WITH_ACCOUNT.title,
    providers=(AWS,),
    options=("on_demand", *RESERVED),
    hosts=frozenset({HOST}),
    fetch=fetch,
    own=True,
    extra="aws",
)
