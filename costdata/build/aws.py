"""AWS: on demand, 1- and 3-year standard reservations without upfront, spot, capacity blocks."""

from __future__ import annotations

from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from . import facts
from .facts import Ledger, Price, number
from .shapes import AWS_CPU

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NONE = Decimal(0)
# Middle of each bucket of the advisor's monthly frequency of interruption; above 20 % is taken as 25 %.
BUCKETS = tuple(Decimal(text) for text in ("0.025", "0.075", "0.125", "0.175", "0.25"))
LIST_DATE, V8_DATE, ADVISOR_DATE = "2026-01-21", "2025-11-01", "2025-07-01"
RI_DATE, BLOCKS_DATE, KARPENTER_DATE = "2026-06-15", "2026-07-22", "2026-07-20"
NO_MARKET = Decimal("0.999")  # spot within a thousandth of on demand is on demand, rounded
Pair = tuple[str, str]


def prices(folder: Path, shapes: Mapping[Pair, facts.Row], ledger: Ledger) -> list[Price]:
    """Every price of a shape we know, where EC2 says the shape is offered."""
    offered = Offered(folder)
    made = [*_list(folder, shapes, offered, ledger), *_us_east(folder, shapes, offered, ledger)]
    made += _reserved(folder, shapes, offered, ledger)
    on_demand = {(p.region, p.node): p.usd_per_hour for p in made if p.option == "on_demand"}
    v8 = list(
        ledger.rows("aws spot per zone (v8)", facts.table(folder / "aws_skypilot_v8" / "aws_p_family_az_spot.csv"))
    )
    made += _list_v8(v8, on_demand, offered)
    on_demand = {(p.region, p.node): p.usd_per_hour for p in made if p.option == "on_demand"}
    made += _spot(folder, v8, on_demand, offered, ledger)
    return [*made, *_blocks(folder, shapes, offered, ledger)]


class Offered:
    """Where a shape is offered, and in how many zones; regions EC2's dump does not cover are taken as listed."""

    def __init__(self, folder: Path) -> None:
        """Read the offerings by zone."""
        rows = list(facts.table(folder / "aws_moto" / "aws_offerings_region_azcount.csv"))
        self.zones = {(r["region"], r["instance_type"]): int(r["az_count"]) for r in rows}
        self.regions = {r["region"] for r in rows}

    def at(self, region: str, node: str) -> int:
        """Number of zones, 0 when it is listed there but not offered."""
        return self.zones.get((region, node), 0 if region in self.regions else 1)


def _kept(
    source: str, region: str, node: str, shapes: Mapping[Pair, facts.Row], offered: Offered, ledger: Ledger
) -> int:
    if ("aws", node) not in shapes:
        ledger.drop(source, "a share of one accelerator, or no such shape")
        return 0
    zones = offered.at(region, node)
    if not zones:
        ledger.drop(source, "listed but not offered in the region")
    return zones


def _list(folder: Path, shapes: Mapping[Pair, facts.Row], offered: Offered, ledger: Ledger) -> Iterator[Price]:
    source = "aws list 2026-01"
    path = folder / "aws_vantage_gpu_via_tsaol" / "aws_gpu_od_ri1y_noupfront.csv"
    for row in ledger.rows(source, facts.table(path)):
        region, node = row["region"], row["instance_type"]
        zones = _kept(source, region, node, shapes, offered, ledger)
        for option, cell in (("on_demand", "on_demand_usd_h"), ("commit_1y", "ri_1y_std_no_upfront_usd_h")):
            if zones and row[cell]:
                yield Price(region, node, option, number(row[cell]), zones, NONE, LIST_DATE, "aws-list-2026-01")


def _us_east(folder: Path, shapes: Mapping[Pair, facts.Row], offered: Offered, ledger: Ledger) -> Iterator[Price]:
    source = "aws list us-east-1 2026-07"
    for row in ledger.rows(source, facts.table(folder / "aws_karpenter" / "aws_od_us-east-1_2026-07-20.csv")):
        region, node = row["region"], row["instance_type"]
        if shapes.get(("aws", node), {"accelerator": ""})["accelerator"] == "" and node not in AWS_CPU:
            ledger.drop(source, "neither an accelerated shape nor one of the router shapes")
        elif zones := _kept(source, region, node, shapes, offered, ledger):
            usd = number(row["on_demand_usd_h"])
            yield Price(region, node, "on_demand", usd, zones, NONE, KARPENTER_DATE, "aws-list-2026-07")


def _reserved(folder: Path, shapes: Mapping[Pair, facts.Row], offered: Offered, ledger: Ledger) -> Iterator[Price]:
    source, options = "aws reservations 2026-06", {"12mo": "commit_1y", "36mo": "commit_3y"}
    for row in facts.table(folder / "sooddvs_gpu_pricing" / "gpu_pricing_raw.csv"):
        option = options.get(row["price_tier"])
        if row["provider"] != "AWS EC2" or option is None:
            continue
        ledger.read[source] += 1
        if zones := _kept(source, row["region"], row["sku"], shapes, offered, ledger):
            usd = number(row["total_hourly_usd"])
            yield Price(row["region"], row["sku"], option, usd, zones, NONE, RI_DATE, "aws-ri-2026-06")


def _list_v8(v8: list[facts.Row], known: Mapping[Pair, Decimal], offered: Offered) -> list[Price]:
    """On-demand prices the other lists lack."""
    new = {}
    for row in v8:
        region, node = row["region"], row["instance_type"]
        if row["on_demand_usd_h"] and (region, node) not in known and (zones := offered.at(region, node)):
            usd = number(row["on_demand_usd_h"])
            new[region, node] = Price(region, node, "on_demand", usd, zones, NONE, V8_DATE, "aws-spot-v8")
    return list(new.values())


def _spot(
    folder: Path, v8: list[facts.Row], on_demand: Mapping[Pair, Decimal], offered: Offered, ledger: Ledger
) -> Iterator[Price]:
    """Median of the zones with a market; where no price is known, on demand less the advisor's saving."""
    advisor = {}
    for row in facts.table(folder / "aws_spot_advisor" / "aws_spot_advisor_linux.csv"):
        advisor[row["region"], row["instance_type"]] = (int(row["bucket_index"]), int(row["savings_pct_vs_od"]))
    zone_prices: dict[Pair, list[Decimal]] = {}
    for row in v8:
        pair = row["region"], row["instance_type"]
        zone_prices.setdefault(pair, [])
        spot, full = row["spot_usd_h"], row["on_demand_usd_h"] or str(on_demand.get(pair, 0))
        if spot and number(spot) < number(full) * NO_MARKET:
            zone_prices[pair].append(number(spot))
        else:
            ledger.drop(
                "aws spot per zone (v8)", "at the on-demand price, or none to compare with: no market in the zone"
            )
    for pair, od in sorted(on_demand.items()):
        region, node = pair
        bucket, saving = advisor.get(pair, (-1, 0))
        interruptions = BUCKETS[bucket] if bucket >= 0 else facts.prior("aws")
        if pair in zone_prices:
            if zone_prices[pair]:
                usd = number(str(median(zone_prices[pair])))
                yield Price(region, node, "spot", usd, len(zone_prices[pair]), interruptions, V8_DATE, "aws-spot-v8")
            continue
        if bucket < 0:
            continue
        ledger.read["aws spot advisor, shapes with a price"] += 1
        if saving <= 0:
            ledger.drop("aws spot advisor, shapes with a price", "no saving: no spot market")
        elif zones := offered.at(region, node):
            usd = number(str(od * (100 - saving) / 100))
            yield Price(region, node, "spot", usd, zones, interruptions, ADVISOR_DATE, "aws-spot-advisor")


def _blocks(folder: Path, shapes: Mapping[Pair, facts.Row], offered: Offered, ledger: Ledger) -> Iterator[Price]:
    source = "aws capacity blocks"
    path = folder / "aws_capacity_blocks" / "aws_capacity_blocks_2026-07-22.csv"
    for row in ledger.rows(source, facts.table(path)):
        region, node = row["region_code"], row["instance_type"]
        region = region[:-1] if region[-1].isalpha() else region  # a local zone's block names its zone
        if ("aws", node) not in shapes:
            ledger.drop(source, "no such shape")
            continue
        zones = max(1, offered.at(region, node))
        yield Price(region, node, "capacity_block", number(row["hourly_usd"]), zones, NONE, BLOCKS_DATE, "aws-blocks")
