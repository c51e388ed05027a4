"""AWS's published price list in its own form: an index, and a file of rows for each region."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from costdata import fetch, packaged
from costdata.fetch import aws
from costdata.fetch.aws_list import HOST, NEEDED, SOURCE
from costdata.fetch.errors import FetchError
from costdata.fetch.rows import Known, Ledger, Price

from .conftest import Answer, Player

P5, G6, HERE, ATLANTA = "p5.48xlarge", "g6.12xlarge", "us-east-1", "us-east-1-atl-1"
INDEX = "/offers/v1.0/aws/AmazonEC2/current/region_index.json"
FILE = "/offers/v1.0/aws/AmazonEC2/20261124181516/{}/index"
HEAD = (*NEEDED, "PriceDescription", "Region Code", "Instance Type", "Tenancy", "Operating System", "Pre Installed S/W",
        "CapacityStatus", "MarketOption", "vCPU")  # fmt: skip
PLAIN = {"Tenancy": "Shared", "Operating System": "Linux", "Pre Installed S/W": "NA", "CapacityStatus": "Used",
         "MarketOption": "OnDemand", "Currency": "USD"}  # fmt: skip
FRONT = [["FormatVersion", "v1.0"], ["Disclaimer", 'as "is", with commas'], ["Publication Date", "2026-11-24"],
         ["Version", "20261124181516"], ["OfferCode", "AmazonEC2"]]  # fmt: skip


def row(sku: str, region: str, node: str, usd: str, **other: str) -> dict[str, str]:
    """A row of the file: one part of the price of a product under one term."""
    named = {name.replace("_", " "): value for name, value in other.items()}
    made = PLAIN | {"SKU": sku, "OfferTermCode": "JRTCKXETXF", "RateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
                    "TermType": "OnDemand", "Unit": "Hrs", "PricePerUnit": usd, "Region Code": region,
                    "Instance Type": node, "PriceDescription": f"${usd} per hour, of {node}"} | named  # fmt: skip
    return {name: made.get(name, "") for name in HEAD}


def reserved(code: str, usd: str, unit: str, payment: str, **other: str) -> dict[str, str]:
    """A row of a three-year standard reservation of P5."""
    about = {"LeaseContractLength": "3yr", "PurchaseOption": payment, "OfferingClass": "standard", "Unit": unit} | other
    return row("A", HERE, P5, usd, TermType="Reserved", OfferTermCode=code, RateCode=f"A.{code}.{unit}", **about)


VIRGINIA = [
    row("A", HERE, P5, "55.0400000000"),
    reserved("T1", "22.5", "Hrs", "Partial Upfront"),
    reserved("T1", "590000", "Quantity", "Partial Upfront"),
    reserved("T2", "650000", "Quantity", "All Upfront"),
    reserved("T2", "0.0000000000", "Hrs", "All Upfront"),
    reserved("T3", "22.5", "Hrs", "Partial Upfront", OfferingClass="convertible"),  # its second row is missing
    row("B", HERE, P5, "99", Operating_System="Windows"),
    row("C", HERE, P5, "99", Tenancy="Dedicated"),
    row("D", HERE, P5, "0", MarketOption="CapacityBlock"),
    row("E", HERE, "t3.nano", "0.0052"),
    row("F", HERE, "", "0.1"),
    row("G", HERE, "u-p6e-gb200x72", "700"),  # on demand nowhere in the tables
]
FILES = {HERE: VIRGINIA, ATLANTA: [row("H", ATLANTA, P5, "55.04")]}


def text(rows: list[dict[str, str]], front: list[list[str]] = FRONT) -> str:
    """The file, as AWS quotes it."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([*front, HEAD, *(list(r.values()) for r in rows)])
    return out.getvalue()


@pytest.fixture
def known() -> Known:
    """All shapes, two regions."""
    return Known(packaged.nodes("aws"), frozenset({("aws", HERE), ("aws", ATLANTA)}))


def played(player: Player, files: dict[str, Any]) -> None:
    """Put an index and files on the server."""
    index = {name: {"regionCode": name, "currentVersionUrl": FILE.format(name) + ".json"} for name in files}
    player[HOST, INDEX] = Answer(
        {"formatVersion": "v1.0", "regions": {**index, "xx-north-9": {"currentVersionUrl": "/x"}}}
    )
    for name, rows in files.items():
        player[HOST, FILE.format(name) + ".csv"] = Answer(rows if isinstance(rows, str) else text(rows), zipped=True)


def prices(player: Player, known: Known, ledger: Ledger) -> list[Price]:
    """What the importer gives; every row is accounted for."""
    found = list(SOURCE.fetch(player.client(SOURCE), known, ledger))
    ledger.balanced()
    return found


def test_rows_of_a_term_make_one_price(player: Player, known: Known) -> None:
    """As the price list's API gives them to an account; each row is kept or dropped for a reason."""
    played(player, FILES)
    ledger = Ledger()
    found = {p.key[1:]: (str(p.usd_per_hour), str(p.upfront_usd)) for p in prices(player, known, ledger)}
    assert found == {
        (HERE, P5, "on_demand"): ("55.0400000000", "0"),
        (HERE, P5, "commit_3y_partial_upfront"): ("22.5", "590000"),
        (HERE, P5, "commit_3y_all_upfront"): ("0E-10", "650000"),
        (ATLANTA, P5, "on_demand"): ("55.04", "0"),
    }
    assert ledger.dropped == {
        "not as its payment option says": 1,
        "not linux": 1,
        "not shared tenancy": 1,
        "capacity block": 1,
        "unknown node": 1,
        "no machine": 1,
        "listed but not offered in the region": 1,
    }
    assert (ledger.read, ledger.kept) == (13, 6)
    assert ledger.covered == {("aws", option) for option in SOURCE.options}


def test_a_region_without_a_file_is_not_read_to_the_end(player: Player, known: Known) -> None:
    """It is noted, and nothing is gone for it."""
    played(player, {HERE: VIRGINIA})
    ledger = Ledger()
    assert len(prices(player, known, ledger)) == 3
    assert ledger.unpriced == {"no price list of the region": 1}
    assert ledger.covered == set()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "another form"),
        (text(VIRGINIA, FRONT * 3), "another form"),
        (text(VIRGINIA).replace("PricePerUnit", "Price"), "another form"),
        (text(VIRGINIA) + '"A","B"\n', "another form"),
        (text(VIRGINIA)[:-2], "another form"),  # inside the last cell
        (text(VIRGINIA).replace("55.0400000000", "NaN"), "another form"),
    ],
)
def test_a_file_that_is_none(player: Player, known: Known, content: str, said: str) -> None:
    """An error, whatever was read before."""
    played(player, {**FILES, HERE: content})
    with pytest.raises(FetchError, match=said):
        prices(player, known, Ledger())


@pytest.mark.parametrize(
    "url", ["https://evil.example.com/index.json", "/offers/v1.0/aws/AmazonEC2/../../x/index.json", "//x/index.json"]
)
def test_files_are_where_they_belong(player: Player, known: Known, url: str) -> None:
    """The index cannot lead elsewhere."""
    player[HOST, INDEX] = Answer({"regions": {HERE: {"currentVersionUrl": url}}})
    with pytest.raises(FetchError, match="where none should be"):
        prices(player, known, Ledger())
    assert len(player.asked) == 1


def test_a_file_that_breaks_off(player: Player, known: Known) -> None:
    """Half a list is none."""
    played(player, FILES)
    path = FILE.format(HERE) + ".csv"
    player[HOST, path] = Answer(text(VIRGINIA), cut=1500)
    with pytest.raises(FetchError, match="broke off"):
        prices(player, known, Ledger())


def test_lines_as_they_come(player: Player) -> None:
    """Across the parts in which they arrive, with letters of several bytes; not more than was allowed."""
    lines = [f"{n}, naïve €{'x' * (n % 97)}" for n in range(4000)]
    player[HOST, "/a"] = Answer("\n".join(lines), zipped=True)
    client = player.client(SOURCE)
    assert list(client.lines(f"https://{HOST}/a", most_bytes=10**6)) == lines
    with pytest.raises(FetchError, match="more than 70,000 bytes"):
        list(client.lines(f"https://{HOST}/a", most_bytes=70_000))
    player[HOST, "/a"] = Answer(b"caf\xe9\n")
    with pytest.raises(FetchError, match="not UTF-8"):
        list(client.lines(f"https://{HOST}/a", most_bytes=70_000))


def test_it_is_asked_by_its_name_only() -> None:
    """And says where its prices are from as the same list with an account does."""
    assert fetch.source("aws-list") is SOURCE
    assert "aws-list" not in fetch.NAMES
    assert SOURCE.title == aws.SOURCE.title
