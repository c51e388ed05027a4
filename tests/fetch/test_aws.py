"""AWS's answers, in the forms its APIs give them: a server on this machine for each API, moto for EC2."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from moto import mock_aws

import costdata
from costdata import packaged, refreshed
from costdata.fetch import aws
from costdata.fetch.aws import SOURCE, prices
from costdata.fetch.aws_calls import Calls
from costdata.fetch.aws_spot import spot_histories
from costdata.fetch.errors import FetchError, RefusedError
from costdata.fetch.refresh import Asked as Refreshing
from costdata.fetch.refresh import refresh
from costdata.fetch.rows import Known, Ledger, Price
from costdata.history import histories
from solver.doors.price_history import price_history
from solver.errors import InputError

from .conftest import Answer, Asked, Player

CANARY = "canary-Zk3v9Qx1"
P5, G6, M7I = "p5.48xlarge", "g6.12xlarge", "m7i.xlarge"
HERE, WEST, LOCAL = "us-east-1", "eu-west-1", "us-east-1-atl-1"
PLAIN = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
DAY = "2026-11-2"
ADVICE = {
    "ranges": [{"index": 0, "label": "<5%", "dots": 0, "max": 5}],
    "spot_advisor": {
        HERE: {"Linux": {P5: {"s": 60, "r": 4}, "t3.nano": {"s": 60, "r": 0}}, "Windows": {P5: {"s": 10, "r": 1}}},
        WEST: {"Linux": {P5: {"s": 50, "r": 0}, G6: {"s": 50, "r": 2}, M7I: {"s": 1, "r": 9}}},
        "xx-north-9": {"Linux": {P5: {"s": 60, "r": 1}}},
    },
}


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Credentials that look like some, and must be seen nowhere."""
    return boto3.Session(aws_access_key_id=f"AKIA{CANARY}", aws_secret_access_key=f"secret-{CANARY}")


@pytest.fixture
def known() -> Known:
    """Three shapes, three regions."""
    nodes = packaged.nodes("aws")
    return Known(
        {("aws", n): nodes["aws", n] for n in (P5, G6, M7I)}, frozenset({("aws", r) for r in (HERE, WEST, LOCAL)})
    )


def hourly(usd: str, currency: str = "USD") -> dict[str, Any]:
    """A part of a price: so much an hour."""
    return {"unit": "Hrs", "pricePerUnit": {currency: usd}, "description": f"${usd} per hour", "beginRange": "0"}


def at_once(usd: str) -> dict[str, Any]:
    """A part of a price: so much at the start."""
    return {"unit": "Quantity", "pricePerUnit": {"USD": usd}, "description": "Upfront Fee"}


def term(*parts: dict[str, Any], **about: str) -> dict[str, Any]:
    """A term of the price list."""
    return {
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": "2026-11-01T00:00:00Z",
        "priceDimensions": {f"RATE.{i}": part for i, part in enumerate(parts)},
        "termAttributes": about,
    }


def reserved(years: str, payment: str, *parts: dict[str, Any], offered: str = "standard") -> dict[str, Any]:
    """A term of a reservation."""
    return term(*parts, LeaseContractLength=years, PurchaseOption=payment, OfferingClass=offered)


def product(region: str, node: str, *terms: dict[str, Any], on_demand: str = "", **other: str) -> str:
    """An item of GetProducts: JSON in a string."""
    held: dict[str, Any] = {"OnDemand": {"SKU.OD": term(hourly(on_demand))}} if on_demand else {}
    if terms:
        held["Reserved"] = {f"SKU.{i}": t for i, t in enumerate(terms)}
    attributes = {**PLAIN, "regionCode": region, "instanceType": node, **other}
    about = {"sku": "SKU", "productFamily": "Compute Instance", "attributes": attributes}
    return json.dumps({"product": about, "serviceCode": "AmazonEC2", "terms": held, "version": "1"})


LISTED = {
    P5: [
        [
            product(
                HERE,
                P5,
                reserved("1yr", "No Upfront", hourly("43.16")),
                reserved("1yr", "Partial Upfront", hourly("20.5"), at_once("180000")),
                reserved("3yr", "All Upfront", hourly("0.0000000000"), at_once("650000")),
                reserved("3yr", "No Upfront", hourly("21.1"), offered="convertible"),
                reserved("3yr", "All Upfront", hourly("1"), at_once("650000")),  # all at once, and more each hour
                reserved("5yr", "No Upfront", hourly("20")),
                on_demand="55.0400000000",
            ),
            product(WEST, P5, on_demand="60.544"),
        ],
        [
            product(LOCAL, P5, on_demand="66"),
            product("xx-north-9", P5, on_demand="1"),
            product(HERE, P5, on_demand="99", operatingSystem="Windows"),
            product(HERE, P5, on_demand="99", tenancy="Dedicated"),
            product(HERE, P5, on_demand="0.0000000000", marketoption="CapacityBlock"),
            product(HERE, P5),
        ],
    ],
    G6: [[product(HERE, G6, on_demand="4.6"), product(WEST, G6, on_demand="5.1")]],
    M7I: [[product(HERE, M7I, on_demand="0"), product(HERE, "m7i.large", on_demand="0.1")]],
}


def rate(plan: str, seconds: int, payment: str, usd: str, node: str = P5, **other: Any) -> dict[str, Any]:
    """A row of DescribeSavingsPlansOfferingRates."""
    about = {"region": HERE, "instanceType": node, "productDescription": "Linux/UNIX", "tenancy": "shared"} | other
    return {
        "savingsPlanOffering": {
            "offeringId": "0a1b-2c", "paymentOption": payment, "planType": plan, "durationSeconds": seconds,
            "currency": about.pop("currency", "USD"), "planDescription": "a plan",
        },
        "rate": usd, "unit": about.pop("unit", "Hrs"), "productType": "EC2", "serviceCode": "AmazonEC2",
        "usageType": about.pop("usageType", f"BoxUsage:{node}"), "operation": "RunInstances",
        "properties": [{"name": name, "value": value} for name, value in about.items()],
    }  # fmt: skip


YEAR, YEARS = 31_536_000, 94_608_000
RATES = [
    rate("Compute", YEAR, "No Upfront", "44.03"),
    rate("Compute", YEARS, "All Upfront", "30.27"),
    rate("EC2Instance", YEARS, "Partial Upfront", "26.4"),
    rate("Compute", YEAR, "No Upfront", "50", productDescription="Windows"),
    rate("Compute", YEAR, "No Upfront", "50", tenancy="dedicated"),
    rate("Compute", YEAR, "No Upfront", "44.03", usageType=f"Reservation:{P5}"),
    rate("Compute", YEAR, "No Upfront", "9", region="xx-north-9"),
    rate("Compute", YEAR, "No Upfront", "300", currency="CNY"),
    rate("Compute", 157_680_000, "No Upfront", "9"),
]
ZONES = {  # zone, shape, price, second of the day
    HERE: [("us-east-1a", P5, "20.1", 1), ("us-east-1a", P5, "23.5", 0), ("us-east-1b", P5, "24.1", 2)],
    WEST: [("eu-west-1a", G6, "5.1", 1), ("eu-west-1b", G6, "1.5", 1), ("eu-west-1c", M7I, "0.05", 1)],
}
OFFERED = {  # zone, shape
    HERE: [
        ("us-east-1a", P5),
        ("us-east-1b", P5),
        ("us-east-1c", P5),
        ("us-east-1d", P5),
        ("us-east-1a", M7I),
    ],
    WEST: [("eu-west-1a", G6), ("eu-west-1b", G6), ("eu-west-1c", M7I)],
}
MORE = {HERE: [("us-east-1c", P5, "55.039", 3), ("us-east-1d", P5, "22.1", 3), ("us-east-1f", "t3.nano", "0.01", 3)]}


def xml(action: str, inner: str) -> Answer:
    """An answer of EC2."""
    text = f'<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{inner}</{action}Response>'
    return Answer(text, headers={"Content-Type": "text/xml"})


def spot_page(rows: list[tuple[str, str, str, int]], token: str = "") -> Answer:
    """A page of DescribeSpotPriceHistory."""
    items = "".join(
        f"<item><instanceType>{node}</instanceType><productDescription>Linux/UNIX</productDescription>"
        f"<spotPrice>{usd}</spotPrice><timestamp>{DAY}0T00:00:0{second}.000Z</timestamp>"
        f"<availabilityZone>{zone}</availabilityZone></item>"
        for zone, node, usd, second in rows
    )
    return xml(
        "DescribeSpotPriceHistory", f"<spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken>{token}</nextToken>"
    )


def regions(*names: str) -> Answer:
    """An answer of DescribeRegions."""
    items = "".join(f"<item><regionName>{name}</regionName></item>" for name in names)
    return xml("DescribeRegions", f"<regionInfo>{items}</regionInfo>")


def offerings(pairs: list[tuple[str, str]]) -> Answer:
    """An answer of DescribeInstanceTypeOfferings."""
    items = "".join(
        f"<item><instanceType>{node}</instanceType><locationType>availability-zone</locationType><location>{zone}</location></item>"
        for zone, node in pairs
    )
    return xml("DescribeInstanceTypeOfferings", f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>")


def recorded(asked: Asked) -> Answer:
    """All three APIs at one address, as boto3 asks them."""
    if asked.path == "/DescribeSavingsPlansOfferingRates":
        return Answer({"searchResults": RATES})
    if target := asked.headers.get("X-Amz-Target"):
        assert target == "AWSPriceListService.GetProducts"
        wanted = json.loads(asked.body)
        fields = {f["Field"]: f["Value"] for f in wanted["Filters"]}
        assert {name: fields[name] for name in PLAIN} == PLAIN
        pages, at = LISTED[fields["instanceType"]], int(wanted.get("NextToken", "0"))
        more = {"NextToken": str(at + 1)} if at + 1 < len(pages) else {}
        return Answer({"FormatVersion": "aws_v1", "PriceList": pages[at], **more})
    region = asked.headers["Authorization"].split("/")[2]
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    if form["Action"] == "DescribeRegions":
        return regions(HERE, WEST, "us-east-2")
    if form["Action"] == "DescribeInstanceTypeOfferings":
        return offerings(OFFERED[region])
    return (
        spot_page(MORE[region]) if "NextToken" in form else spot_page(ZONES[region], "more" if region in MORE else "")
    )


class Asking:
    """A player with the recording, and the calls that reach it."""

    def __init__(self, player: Player, session: boto3.Session, known: Known) -> None:
        """Play everything."""
        self.player, self.known = player, known
        self.host = f"127.0.0.1:{player.port}"
        self.client = player.client(SOURCE)
        self.calls = Calls(self.client, session, f"http://{self.host}")
        self.ledger = Ledger()
        player[self.host, "*"] = recorded
        player["spot-bid-advisor.s3.amazonaws.com", "/spot-advisor-data.json"] = Answer(ADVICE)

    def instead(self, when: Callable[[Asked], bool], answer: Answer) -> None:
        """Answer so where a request is one of these."""
        self.player[self.host, "*"] = lambda asked: answer if when(asked) else recorded(asked)

    def prices(self) -> list[Price]:
        """All that the importer gives; every row is accounted for."""
        found = list(prices(self.client, self.known, self.ledger, self.calls))
        self.ledger.balanced()
        return found


@pytest.fixture
def asking(player: Player, session: boto3.Session, known: Known) -> Asking:
    """The whole recording."""
    return Asking(player, session, known)


def test_the_list_gives_on_demand_and_reservations(asking: Asking) -> None:
    """By term, payment and class; what is paid at once apart from what is paid an hour."""
    found = {p.key[1:]: (str(p.usd_per_hour), str(p.upfront_usd)) for p in asking.prices()}
    listed = {key: value for key, value in found.items() if "savings" not in key[2] and key[2] != "spot"}
    assert listed == {
        (HERE, P5, "on_demand"): ("55.0400000000", "0"),
        (HERE, P5, "commit_1y"): ("43.16", "0"),
        (HERE, P5, "commit_1y_partial_upfront"): ("20.5", "180000"),
        (HERE, P5, "commit_3y_all_upfront"): ("0E-10", "650000"),
        (HERE, P5, "convertible_3y"): ("21.1", "0"),
        (LOCAL, P5, "on_demand"): ("66", "0"),
        (WEST, G6, "on_demand"): ("5.1", "0"),
    }


def test_zones_are_those_that_offer_the_shape(asking: Asking) -> None:
    """As EC2 counts them; where it was not asked nothing is said."""
    zones = {p.key[1:3]: p.zones for p in asking.prices() if p.option in {"on_demand", "compute_savings_1y"}}
    assert zones == {(HERE, P5): 4, (LOCAL, P5): None, (WEST, G6): 2}


def test_rates_of_savings_plans_count_an_hour_whatever_is_paid_at_once(asking: Asking) -> None:
    """One option for each kind, term and payment."""
    found = {p.option: (str(p.usd_per_hour), str(p.upfront_usd)) for p in asking.prices() if "savings" in p.option}
    assert found == {
        "compute_savings_1y": ("44.03", "0"),
        "compute_savings_3y_all_upfront": ("30.27", "0"),
        "instance_savings_3y_partial_upfront": ("26.4", "0"),
    }


def test_spot_is_the_median_of_the_zones_with_a_market(asking: Asking) -> None:
    """The newest price of each zone; a zone at the price on demand is no market. The advisor says how often."""
    found = {
        p.key[1:3]: (p.usd_per_hour, p.zones, p.interruptions_per_month) for p in asking.prices() if p.option == "spot"
    }
    assert found == {
        (HERE, P5): (Decimal("22.1"), 3, Decimal("0.25")),  # of 20.1, 24.1 and 22.1; 55.039 is on demand, rounded
        (WEST, G6): (Decimal("1.5"), 1, Decimal("0.125")),
    }


def test_every_row_is_kept_or_dropped_for_a_reason(asking: Asking) -> None:
    """Counted by hand over the recording: 17 terms and 1 product without, 9 rates, 8 advised, 9 spot prices."""
    asking.prices()
    assert dict(asking.ledger.dropped) == {
        "not linux": 1 + 1 + 1,  # list, plans, advisor
        "not shared tenancy": 1 + 1,
        "unknown region": 1 + 1 + 1,
        "unknown node": 1 + 1 + 1,  # list, advisor, spot
        "capacity block": 1,
        "capacity reservation": 1,
        "unknown term": 2 + 1,  # five years, a product without terms; a plan of five years
        "not as its payment option says": 2,  # all at once and hourly; on demand for nothing
        "no price in dollars": 1,
        "listed but not offered in the region": 2,  # of these one in the tables
        "unknown bucket": 1,
        "no spot price": 1,
        "an older price of its zone": 1,
        "no market": 2,
        "no on-demand price to compare": 1,
    }
    assert (asking.ledger.read, asking.ledger.kept) == (18 + 9 + 7 + 9, 7 + 3 + 2 + 4)


def test_what_was_read_to_the_end_is_covered(asking: Asking) -> None:
    """Spot only where the account sees every region there is."""
    asking.prices()
    every = {("aws", option) for option in SOURCE.options}
    assert asking.ledger.covered == every
    asking.instead(lambda asked: b"DescribeRegions" in asked.body, regions(HERE))
    asking.ledger = Ledger()
    found = asking.prices()
    assert asking.ledger.covered == every - {("aws", "spot")}
    assert asking.ledger.unpriced == {"region not enabled": 1}
    assert {p.region for p in found if p.option == "spot"} == {HERE}


def test_a_region_that_refuses_is_left_out(asking: Asking) -> None:
    """As one that the account has not enabled does."""
    error = "<Response><Errors><Error><Code>AuthFailure</Code><Message>m</Message></Error></Errors></Response>"
    refuses = lambda asked: b"InstanceTypeOfferings" in asked.body and WEST in asked.headers["Authorization"]  # noqa: E731
    asking.instead(refuses, Answer(error, status=401))
    found = asking.prices()
    assert {p.region for p in found if p.option == "spot"} == {HERE}
    assert ("aws", "spot") not in asking.ledger.covered


@pytest.mark.parametrize(
    ("at", "answer", "said"),
    [
        ("GetProducts", Answer({"PriceList": ["{}"]}), "an answer of another form"),
        ("GetProducts", Answer({"PriceList": [product(HERE, P5, on_demand="NaN")]}), "an answer of another form"),
        ("GetProducts", Answer({"PriceList": [], "NextToken": "again"}), "no end"),
        (
            "GetProducts",
            Answer({"__type": "AccessDeniedException", "Message": CANARY}, status=400),
            "AccessDenied.*only reads",
        ),
        ("GetProducts", Answer({"__type": "ExpiredTokenException", "Message": CANARY}, status=400), "Expired.*log in"),
        ("Savings", Answer({"searchResults": [{}]}), "an answer of another form"),
        ("Savings", Answer("{", status=200), "an answer of another form"),
        ("Savings", Answer({}, status=302, headers={"Location": "http://169.254.169.254/"}), "aws savingsplans"),
    ],
)
def test_what_goes_wrong_is_said_without_a_secret(
    asking: Asking, caplog: pytest.LogCaptureFixture, at: str, answer: Answer, said: str
) -> None:
    """One typed error; neither a key nor the text of the answer is in it, nor in what it came from, nor in the log."""
    caplog.set_level(logging.INFO)
    asking.instead(lambda asked: at in asked.path + asked.headers.get("X-Amz-Target", ""), answer)
    with pytest.raises(FetchError, match=said) as caught:
        asking.prices()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert CANARY not in f"{caught.value!r} {caught.value} {caplog.text} {asking.calls!r}"
    assert all(asked.host != "169.254.169.254" for asked in asking.player.asked)


def test_without_credentials(player: Player, known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mend says what to do; nothing is asked."""
    for name, value in {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/none",
        "AWS_SHARED_CREDENTIALS_FILE": "/none",
    }.items():
        monkeypatch.setenv(name, value)
    calls = Calls(player.client(SOURCE), boto3.Session(), f"http://127.0.0.1:{player.port}")
    with pytest.raises(FetchError, match=r"no credentials \(log in as for the AWS command line"):
        list(prices(calls.client, known, Ledger(), calls))
    assert player.asked == []


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "https://evil.example.com", "https://169.254.169.254"])
def test_no_setting_leads_elsewhere(
    player: Player, session: boto3.Session, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """An endpoint in the environment is not used; one that got in nevertheless is refused before anything is sent."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    calls = Calls(player.client(SOURCE), session)
    made = calls._of("pricing", HERE)
    assert made.meta.endpoint_url == "https://api.pricing.us-east-1.amazonaws.com"
    calls.made["pricing", HERE] = session.client("pricing", region_name=HERE, endpoint_url=endpoint)
    calls.made["pricing", HERE].meta.events.register("before-send.*", calls._look)
    with pytest.raises(RefusedError):
        next(calls.pages("pricing", "get_products", ServiceCode="AmazonEC2"))


@mock_aws
def test_spot_prices_as_moto_has_them(player: Player, session: boto3.Session, known: Known) -> None:
    """EC2's own form by another hand: one price for each zone that offers the shape."""
    calls, ledger = Calls(player.client(SOURCE), session), Ledger()
    on_demand = {(HERE, P5): Decimal("55.04"), (HERE, G6): Decimal("4.6"), (HERE, M7I): Decimal("0.2")}
    shapes = [P5, G6, M7I]
    places = aws.Offered(known)
    places.ask(calls, shapes, ledger)
    found = list(aws._spot(calls, shapes, places, ledger, on_demand, []))
    ledger.balanced()
    offered = session.client("ec2", region_name=HERE).describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [P5, G6, M7I]}]
    )["InstanceTypeOfferings"]
    counts = {node: sum(o["InstanceType"] == node for o in offered) for node in (P5, G6, M7I)}
    assert {p.node: p.zones for p in found if p.region == HERE} == {n: c for n, c in counts.items() if c}
    assert {node: places.count(HERE, node) for node in shapes} == {n: c or None for n, c in counts.items()}
    assert {p.usd_per_hour for p in found} == {Decimal("0.00001")}
    assert ledger.dropped.keys() <= {"no on-demand price to compare"}


def test_regions_and_hosts_are_those_of_the_tables() -> None:
    """Each region proper, and no zone of one; each has a host, and no host is of anything else."""
    tables = {region for _, region in packaged.regions("aws") if not region.startswith("us-gov")}
    assert {region for region in tables if region.count("-") == 2 and "wl" not in region} == set(aws.REGIONS)
    assert len(SOURCE.hosts) == len(aws.REGIONS) + 3
    assert all(host.endswith(".amazonaws.com") for host in SOURCE.hosts)
    assert set(SOURCE.options) <= set(packaged.options())
    assert all(Known.sells("aws", option) for option in SOURCE.options)


def test_a_refresh_puts_reservations_and_savings_plans_in_force(
    asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its day on; what is paid at once is in the catalogue as such, and the day before is as it was."""
    before = costdata.load("2026-11-25").digest
    source = replace(SOURCE, fetch=lambda client, _, ledger: prices(client, asking.known, ledger, asking.calls))
    how = Refreshing(folder=tmp_path / "prices", day=date(2026, 11, 26), accept_gone=True)
    report = refresh(source, asking.client, how)
    assert (report.error, report.read) == ("", report.kept + sum(report.dropped.values()))
    assert [(c.key[1:], c.reason) for c in report.compared.held] == []
    monkeypatch.setenv(refreshed.VARIABLE, str(how.folder))
    offers = costdata.load().where(provider="aws", region=HERE, node=P5).offers
    found = {
        option: (usd, upfront)
        for option, usd, upfront in zip(
            offers.option.tolist(), offers.micro_usd_per_hour.tolist(), offers.upfront_micro_usd.tolist(), strict=True
        )
    }
    assert found["commit_1y_partial_upfront"] == (20_500_000, 180_000_000_000)
    assert found["commit_3y_all_upfront"] == (0, 650_000_000_000)
    assert found["compute_savings_3y_all_upfront"] == (30_270_000, 0)
    assert found["spot"] == (22_100_000, 0)
    assert costdata.load("2026-11-25").digest == before
    (history,) = histories(provider="aws", region=HERE, node=P5, option="commit_3y_all_upfront")
    assert history.micro_usd_per_hour.tolist() == [round(650_000_000_000 / 26_280)]
    (gone,) = histories(provider="aws", region=HERE, node="g6.xlarge", option="on_demand")
    assert (gone.days[-1].item(), int(gone.micro_usd_per_hour[-1])) == (how.day, 0)


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVENTS = [  # zone, price, day and hour of November 2026
    ("us-east-1a", "20", 16, 3), ("us-east-1b", "30", 16, 9), ("us-east-1a", "21", 18, 1), ("us-east-1a", "22", 18, 23),
    ("us-east-1c", "40", 19, 5), ("us-east-1b", "10", 20, 11), ("us-east-1b", "99", 20, 13),
]  # fmt: skip


def test_live_spot_is_the_median_of_zones_at_the_end_of_each_day(asking: Asking) -> None:
    """By hand: 25 on the 16th and 17th, 26 of 22 and 30, 30 of 22, 30 and 40; today ends at noon: 22 of 22, 10, 40."""
    items = "".join(
        f"<item><instanceType>{P5}</instanceType><productDescription>Linux/UNIX</productDescription><spotPrice>{usd}"
        f"</spotPrice><timestamp>2026-11-{day}T{hour:02}:00:00.000Z</timestamp><availabilityZone>{zone}</availabilityZone></item>"
        for zone, usd, day, hour in EVENTS
    )
    answer = xml("DescribeSpotPriceHistory", f"<spotPriceHistorySet>{items}</spotPriceHistorySet>")
    asking.instead(lambda asked: b"DescribeSpotPriceHistory" in asked.body, answer)
    (found,) = spot_histories(asking.calls, asking.known, regions=[HERE], nodes=[P5], days=5, now=NOON)
    steps = dict(zip(found.days.astype(str).tolist(), found.micro_usd_per_hour.tolist(), strict=True))
    assert steps == {
        "2026-11-16": 25 * 10**6,
        "2026-11-18": 26 * 10**6,
        "2026-11-19": 30 * 10**6,
        "2026-11-20": 22 * 10**6,
    }
    assert (found.key, found.until) == (("aws", HERE, P5, "spot"), NOON.date())
    form = parse_qs(asking.player.asked[-1].body.decode())
    assert (form["StartTime"], form["EndTime"]) == (["2026-11-15T12:00:00Z"], ["2026-11-20T12:00:00Z"])


def test_the_command_shows_live_prices(asking: Asking, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the price on demand of the tables; only AWS's spot, and names are looked at first."""
    asking.instead(lambda asked: b"DescribeSpotPriceHistory" in asked.body, spot_page([("us-east-1a", P5, "27.52", 1)]))
    filters = {"region": [HERE], "node": [P5]}
    price_history(filters, None, "steps", "json", limit=0, live_days=10, calls=asking.calls)
    (step,) = json.loads(capsys.readouterr().out)
    assert (step["usd_per_hour"], step["share_of_on_demand"], step["source"]) == (
        "27.520000",
        0.5,
        "AWS spot price history",
    )
    price_history({"node": [P5]}, None, "steps", "csv", limit=0, live_days=10, calls=asking.calls)
    assert capsys.readouterr().out.count(f"aws,{HERE},{P5},spot") == 1
    assert {asked.headers["Authorization"].split("/")[2] for asked in asking.player.asked} == {HERE, WEST, "us-east-2"}
    for wrong in ({"provider": ["gcp"]}, {"option": ["on_demand"]}, {"region": ["us-east-9"]}, {"node": ["p5"]}):
        with pytest.raises(InputError):
            price_history(wrong, None, "steps", "json", limit=0, live_days=10, calls=asking.calls)
