"""AWS: the price list with its reservations, savings plans, spot prices of each zone, and the spot advisor.

The list, the savings plans and spot prices are asked for with the user's credentials, which must be allowed
`pricing:GetProducts`, `savingsplans:DescribeSavingsPlansOfferingRates`, and of EC2 `DescribeRegions`,
`DescribeInstanceTypeOfferings` and `DescribeSpotPriceHistory`; the advisor is a public file. Linux on shared hardware,
without software in the price, where EC2 offers the shape: the list has prices where there is nothing to buy.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import packaged
from ..build.aws import BUCKETS, NO_MARKET
from .aws_calls import CallError, Calls
from .errors import FetchError
from .rows import Price, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .client import Client
    from .rows import Known, Ledger, Raw

AWS = "aws"
ADVISOR = "https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json"
REGIONS = (
    *("af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2"),
    *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ca-central-1"),
    *("eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("il-central-1", "me-central-1", "me-south-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
)
LIST_IS = {  # attribute of the list: what it is for a plain Linux node, and why a row with another value is dropped
    "operatingSystem": ("Linux", "not linux"),
    "tenancy": ("Shared", "not shared tenancy"),
    "preInstalledSw": ("NA", "with software"),
    "capacitystatus": ("Used", "capacity reservation"),
}
PAYMENTS = {"No Upfront": "", "Partial Upfront": "_partial_upfront", "All Upfront": "_all_upfront"}
CLASSES = {"standard": "commit", "convertible": "convertible"}
LEASES = {"1yr": "1y", "3yr": "3y"}
PLANS = {"Compute": "compute_savings", "EC2Instance": "instance_savings"}
DURATIONS = {31_536_000: "1y", 94_608_000: "3y"}
PLAN_IS = {"productDescription": ("Linux/UNIX", "not linux"), "tenancy": ("shared", "not shared tenancy")}
LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
NOT_ENABLED = frozenset({"AuthFailure", "OptInRequired"})
SHAPES_AT_ONCE = 10
RESERVED = tuple(f"{c}_{t}{p}" for c in CLASSES.values() for t in LEASES.values() for p in PAYMENTS.values())
SAVINGS = tuple(f"{c}_{t}{p}" for c in PLANS.values() for t in LEASES.values() for p in PAYMENTS.values())
Pair = tuple[str, str]  # region, node


class Term(NamedTuple):
    """One row of the price list: a product under one term."""

    attributes: Mapping[str, str]
    kind: str
    term: Mapping[str, Any]


class Advice(NamedTuple):
    """One row of the spot advisor: how often a shape is taken back in a region."""

    region: str
    system: str
    node: str
    bucket: object


class Offered:
    """Where shapes are offered, in how many zones: as EC2 says where it is asked, else as the tables do."""

    def __init__(self, known: Known) -> None:
        """By the tables alone."""
        self.known, self.wanted = known, [name for name in REGIONS if (AWS, name) in known.regions]
        self.listed = {(row[0], row[1]) for row in packaged.prices(AWS, None) if row[2] == "on_demand"}
        self.zones: dict[Pair, int] = defaultdict(int)
        self.asked: list[str] = []

    def ask(self, calls: Calls, nodes: list[str], ledger: Ledger) -> None:
        """Ask each region that the account sees; the others are noted."""
        enabled = {r["RegionName"] for page in calls.pages("ec2", "describe_regions") for r in page["Regions"]}
        for region in self.wanted:
            if region in enabled and self._told(calls, region, nodes):
                self.asked.append(region)
            else:
                ledger.note("region not enabled", region)
        self.listed = {pair for pair in self.listed if pair[0] not in self.asked}

    def _told(self, calls: Calls, region: str, nodes: list[str]) -> bool:
        filters = [{"Name": "instance-type", "Values": nodes}]
        asked = {"LocationType": "availability-zone", "Filters": filters}
        try:
            for page in calls.pages("ec2", "describe_instance_type_offerings", region, **asked):
                for row in page["InstanceTypeOfferings"]:
                    self.zones[region_of(row["Location"]), row["InstanceType"]] += 1
        except CallError as error:
            if error.code in NOT_ENABLED:
                return False
            raise
        return True

    def wanting(self, region: str, node: str) -> str:
        """Why a price of this is no offer, "" if it is one."""
        if why := self.known.wanting(AWS, region, node):
            return why
        pair = region, node
        return "" if pair in self.zones or pair in self.listed else "listed but not offered in the region"

    def count(self, region: str, node: str) -> int | None:
        """Zones, None where EC2 was not asked."""
        return self.zones.get((region, node))


def region_of(zone: str) -> str:
    """The region of a zone; a local zone is a region of its own."""
    return zone[:-1] if zone[-1:].isalpha() else zone


def fetch(client: Client, known: Known, ledger: Ledger) -> Iterator[Price]:
    """Everything, with the credentials that boto3 finds."""
    return prices(client, known, ledger, Calls(client))


def prices(client: Client, known: Known, ledger: Ledger, calls: Calls) -> Iterator[Price]:
    """On demand and reservations, savings plans, spot.

    Raises:
        FetchError: one of them cannot be had, or has another form than is known.
    """
    nodes = sorted(node for who, node in known.nodes if who == AWS)
    on_demand: dict[Pair, Decimal] = {}
    try:
        offered = Offered(known)
        offered.ask(calls, nodes, ledger)
        for price in _listed(calls, nodes, offered, ledger):
            if price.option == "on_demand":
                on_demand[price.region, price.node] = price.usd_per_hour
            yield price
        yield from _plans(calls, nodes, offered, ledger)
        yield from _spot(calls, nodes, offered, ledger, on_demand, _advice(client, ledger))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FetchError(f"an answer of another form ({type(error).__name__})", where=AWS, mend="report this") from None


def _listed(calls: Calls, nodes: list[str], offered: Offered, ledger: Ledger) -> Iterator[Price]:
    for node in nodes:
        wanted = {"instanceType": node, **{name: value for name, (value, _) in LIST_IS.items()}}
        filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
        for page in calls.pages("pricing", "get_products", ServiceCode="AmazonEC2", Filters=filters, MaxResults=100):
            terms = (term for text in page["PriceList"] for term in _terms(json.loads(text)))
            for raw in ledger.rows(terms):
                if price := of_term(raw.value, (raw,), offered, ledger):
                    yield price
    ledger.cover(AWS, "on_demand", *RESERVED)


def _terms(product: dict[str, Any]) -> Iterator[Term]:
    attributes = product["product"]["attributes"]
    found = [Term(attributes, kind, term) for kind, terms in product["terms"].items() for term in terms.values()]
    yield from found or [Term(attributes, "", {})]


def of_term(row: Term, raws: tuple[Raw, ...], offered: Offered, ledger: Ledger) -> Price | None:
    """The price that a product has under a term, if it is one of ours; the rows it stands in are accounted for."""
    region, node = row.attributes.get("regionCode", ""), row.attributes.get("instanceType", "")
    why = other(row.attributes, LIST_IS) or offered.wanting(region, node)
    if not why and row.attributes.get("marketoption", "OnDemand") != "OnDemand":
        why = "capacity block"
    option = "on_demand" if row.kind == "OnDemand" else _reservation(row.term) if row.kind == "Reserved" else ""
    if not why and not offered.known.sells(AWS, option):
        why = "unknown term"
    hourly, upfront = (None, None) if why else _dollars(row.term)
    if hourly is None or upfront is None:
        why = why or "no price in dollars"
    elif not _fits(option, hourly, upfront):
        why = "not as its payment option says"
    if why or hourly is None or upfront is None:
        ledger.drop(why, f"{region}/{node}", *raws)
        return None
    ledger.keep(*raws)
    return Price(**_what(offered, region, node, option), usd_per_hour=hourly, upfront_usd=upfront)


def _what(offered: Offered, region: str, node: str, option: str) -> dict[str, Any]:
    zones = offered.count(region, node)
    return {"provider": AWS, "region": region, "node": node, "option": option, "zones": zones}


def other(values: Mapping[str, str], wanted: Mapping[str, tuple[str, str]]) -> str:
    """Why a row is not of a plain Linux node; "" if it is."""
    return next((why for name, (value, why) in wanted.items() if values.get(name) != value), "")


def _reservation(term: Mapping[str, Any]) -> str:
    about = term["termAttributes"]
    made = [CLASSES.get(about.get("OfferingClass")), LEASES.get(about.get("LeaseContractLength"))]
    payment = PAYMENTS.get(about.get("PurchaseOption"))
    return "" if None in made or payment is None else f"{made[0]}_{made[1]}{payment}"


def _dollars(term: Mapping[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """Dollars an hour, and at once."""
    sums = {"Hrs": Decimal(0), "Quantity": Decimal(0)}
    for part in term["priceDimensions"].values():
        if part["unit"] not in sums or "USD" not in part["pricePerUnit"]:
            return None, None
        sums[part["unit"]] += decimal(part["pricePerUnit"]["USD"])
    return sums["Hrs"], sums["Quantity"]


def decimal(text: str) -> Decimal:
    """An amount, exactly; ValueError where it is none."""
    try:
        made = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not made.is_finite():
        raise ValueError(text)
    return made


def _fits(option: str, hourly: Decimal, upfront: Decimal) -> bool:
    if option.endswith("_all_upfront"):
        return hourly == 0 and upfront > 0
    return hourly > 0 and (upfront > 0 if option.endswith("_partial_upfront") else upfront == 0)


def _plans(calls: Calls, nodes: list[str], offered: Offered, ledger: Ledger) -> Iterator[Price]:
    """Rates of savings plans: what counts against the dollars committed, whatever is paid at once."""
    for at in range(0, len(nodes), SHAPES_AT_ONCE):
        wanted = {
            "instanceType": nodes[at : at + SHAPES_AT_ONCE],
            **{name: [value] for name, (value, _) in PLAN_IS.items()},
        }
        pages = calls.pages(
            "savingsplans",
            "describe_savings_plans_offering_rates",
            savingsPlanTypes=list(PLANS),
            products=["EC2"],
            serviceCodes=["AmazonEC2"],
            operations=["RunInstances"],
            filters=[{"name": name, "values": values} for name, values in wanted.items()],
            maxResults=1000,
        )
        for raw in ledger.rows(rate for page in pages for rate in page["searchResults"]):
            if price := _of_plan(raw, offered, ledger):
                yield price
    ledger.cover(AWS, *SAVINGS)


def _of_plan(raw: Raw, offered: Offered, ledger: Ledger) -> Price | None:
    rate, offering = raw.value, raw.value["savingsPlanOffering"]
    about = {pair["name"]: pair["value"] for pair in rate["properties"]}
    region, node = about.get("region", ""), about.get("instanceType", "")
    parts = [PLANS.get(offering["planType"]), DURATIONS.get(offering["durationSeconds"])]
    payment = PAYMENTS.get(offering["paymentOption"])
    option = "" if None in parts or payment is None else f"{parts[0]}_{parts[1]}{payment}"
    usd = decimal(rate["rate"])
    why = other(about, PLAN_IS) or offered.wanting(region, node)
    if not why and "BoxUsage:" not in rate["usageType"]:
        why = "capacity reservation"
    if not why and not offered.known.sells(AWS, option):
        why = "unknown term"
    if not why and (rate["unit"] != "Hrs" or offering["currency"] != "USD" or usd <= 0):
        why = "no price in dollars"
    if why:
        ledger.drop(why, f"{region}/{node}", raw)
        return None
    ledger.keep(raw)
    return Price(**_what(offered, region, node, option), usd_per_hour=usd)


def _advice(client: Client, ledger: Ledger) -> list[Raw]:
    found = client.json(ADVISOR)["spot_advisor"]
    rows = (
        Advice(region, system, node, about["r"])
        for region, systems in found.items()
        for system, shapes in systems.items()
        for node, about in shapes.items()
    )
    return list(ledger.rows(rows))


def _spot(
    calls: Calls,
    nodes: list[str],
    offered: Offered,
    ledger: Ledger,
    on_demand: Mapping[Pair, Decimal],
    advice: list[Raw],
) -> Iterator[Price]:
    """Spot is read to the end where the account sees every region."""
    often = {(row.region, row.node): (raw, BUCKETS[row.bucket]) for raw, row in _advised(advice, offered, ledger)}
    for region in offered.asked:
        for pair, raws in sorted(_newest(calls, region, nodes, offered, ledger).items()):
            if price := _of_zones(pair, raws, on_demand.get(pair), ledger):
                raw, share = often.pop(pair, (None, None))
                if raw is not None:
                    ledger.keep(raw)
                yield Price(**price, interruptions_per_month=share)
    for (region, node), (raw, _) in often.items():
        ledger.drop("no spot price", f"{region}/{node}", raw)
    if offered.asked == offered.wanted:
        ledger.cover(AWS, "spot")


def _advised(advice: list[Raw], offered: Offered, ledger: Ledger) -> Iterator[tuple[Raw, Any]]:
    """Rows of Linux shapes we know; the others are dropped."""
    for raw in advice:
        row: Advice = raw.value
        why = "not linux" if row.system != "Linux" else offered.known.wanting(AWS, row.region, row.node)
        if not why and row.bucket not in range(len(BUCKETS)):
            why = "unknown bucket"
        if why:
            ledger.drop(why, f"{row.region}/{row.node}", raw)
        else:
            yield raw, row


def _newest(calls: Calls, region: str, nodes: list[str], offered: Offered, ledger: Ledger) -> dict[Pair, list[Raw]]:
    """Of each shape the rows of its zones, the newest of each; a local zone is a region of its own."""
    pages = calls.pages(
        "ec2",
        "describe_spot_price_history",
        region,
        Filters=[{"Name": "instance-type", "Values": nodes}],
        ProductDescriptions=[LINUX[0]],
        StartTime=datetime.now(UTC),
        MaxResults=1000,
    )
    newest: dict[tuple[Pair, str], Raw] = {}
    for raw in ledger.rows(row for page in pages for row in page["SpotPriceHistory"]):
        row = raw.value
        zone, node = row["AvailabilityZone"], row["InstanceType"]
        at = region_of(zone)
        why = offered.known.wanting(AWS, at, node) if row["ProductDescription"] in LINUX else "not linux"
        if why:
            ledger.drop(why, f"{at}/{node}", raw)
            continue
        held = newest.get(((at, node), zone))
        older, newer = (raw, held) if held and held.value["Timestamp"] >= row["Timestamp"] else (held, raw)
        if older:
            ledger.drop("an older price of its zone", f"{zone}/{node}", older)
        newest[(at, node), zone] = newer or raw
    found: dict[Pair, list[Raw]] = defaultdict(list)
    for (pair, _), raw in sorted(newest.items()):
        found[pair].append(raw)
    return found


def _of_zones(pair: Pair, raws: list[Raw], on_demand: Decimal | None, ledger: Ledger) -> dict[str, Any] | None:
    """The median of the zones with a market: those below on demand."""
    region, node = pair
    kept = []
    for raw in raws:
        usd = decimal(raw.value["SpotPrice"])
        if on_demand is None:
            ledger.drop("no on-demand price to compare", f"{region}/{node}", raw)
        elif not 0 < usd < on_demand * NO_MARKET:
            ledger.drop("no market", f"{raw.value['AvailabilityZone']}/{node}", raw)
        else:
            ledger.keep(raw)
            kept.append(usd)
    about = {"provider": AWS, "region": region, "node": node, "option": "spot", "zones": len(kept)}
    return {**about, "usd_per_hour": median(kept)} if kept else None


SOURCE = Source(
    name="aws",
    title="AWS price list, savings plans and spot prices",
    providers=(AWS,),
    options=("on_demand", *RESERVED, *SAVINGS, "spot"),
    hosts=frozenset(
        {
            "api.pricing.us-east-1.amazonaws.com",
            "savingsplans.amazonaws.com",
            "spot-bid-advisor.s3.amazonaws.com",
            *(f"ec2.{region}.amazonaws.com" for region in REGIONS),
        }
    ),
    fetch=fetch,
    own=True,
    extra="aws",
    needs="credentials as for the AWS command line, allowed to read prices",
)
