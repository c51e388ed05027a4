"""Oracle, Nebius, Verda, Lambda, Crusoe, RunPod, Vultr: single published list prices."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from . import facts
from .facts import Ledger, Price, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).parent
NONE = Decimal(0)
DATES = {"crusoe": "2026-10-01", "runpod": "2026-06-15", "vultr": "2026-06-15"}
SOURCES = {"crusoe": "crusoe-list", "runpod": "runpod-list", "vultr": "vultr-list"}
V8_DATE = "2025-11-01"
CRUSOE = {
    "A100-PCIe-40GB": "a100-40gb",
    "A100-PCIe-80GB": "a100-80gb",
    "A100-SXM-80GB": "a100-80gb-sxm-ib",
    "H100-SXM-80GB": "h100-80gb-sxm-ib",
    "H200-SXM-141GB": "h200-141gb-sxm-ib",
    "L40S-48GB": "l40s-48gb",
    "A40-PCIe-48GB": "a40",
    "MI300X-192GB": "mi300x-192gb-ib",
}
RUNPOD = {
    "NVIDIA A100 80GB PCIe": "a100-pcie",
    "NVIDIA A100-SXM4-80GB": "a100-sxm",
    "NVIDIA B200": "b200",
    "NVIDIA B300 SXM6 AC": "b300",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H100 NVL": "h100-nvl",
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H200": "h200-sxm",
    "NVIDIA H200 NVL": "h200-nvl",
    "NVIDIA L4": "l4",
    "NVIDIA L40": "l40",
    "NVIDIA L40S": "l40s",
}
FLOOR = Decimal("0.5")  # RunPod's interface answers its lowest bid where a type has no spot market
PROVIDERS = ("oci", "nebius", "verda", "lambda", "crusoe", "runpod", "vultr")


def prices(folder: Path, shapes: Mapping[tuple[str, str], facts.Row], ledger: Ledger) -> dict[str, list[Price]]:
    """Prices by provider; one price for all regions becomes one row in each region of sites.csv."""
    made: dict[str, list[Price]] = {provider: [] for provider in PROVIDERS}
    everywhere: dict[str, list[str]] = {provider: [] for provider in PROVIDERS}
    for site in facts.table(HERE / "sites.csv"):
        if site["provider"] in everywhere:
            everywhere[site["provider"]].append(site["region"])
    for row in facts.table(folder / "offers_facts.csv"):
        provider = row["provider"]
        if provider in made:
            ledger.read[provider] += 1
            made[provider] += _offers(row, shapes, everywhere[provider], ledger)
    made["runpod"] += _runpod_terms(folder, shapes, everywhere["runpod"], ledger)
    return made


def _offers(
    row: facts.Row, shapes: Mapping[tuple[str, str], facts.Row], everywhere: list[str], ledger: Ledger
) -> Iterator[Price]:
    provider = row["provider"]
    regions = [row["region"]] if row["region"] in everywhere else everywhere
    nodes = list(_nodes(provider, row["instance_type"], shapes))
    if not nodes:
        ledger.drop(provider, "no such shape")
    for node, count in nodes:
        found = {"on_demand": row["on_demand_usd_h"], "spot": row["spot_usd_h"], "commit_3y": row["ri_3y_usd_h"]}
        usd = {option: number(text) * count for option, text in found.items() if text}
        spot, on_demand = usd.get("spot"), usd.get("on_demand")
        if spot is not None and (
            (on_demand is not None and spot >= on_demand) or (provider == "runpod" and spot <= FLOOR * count)
        ):
            ledger.read[f"{provider} spot without a market"] += 1
            ledger.drop(f"{provider} spot without a market", "at or above on demand, or the lowest bid")
            del usd["spot"]
        for option, price in usd.items():
            yield from _everywhere(provider, regions, node, option, price)


def _everywhere(provider: str, regions: list[str], node: str, option: str, usd: Decimal) -> Iterator[Price]:
    often = facts.prior(provider) if option == "spot" else NONE
    date, source = DATES.get(provider, V8_DATE), SOURCES.get(provider, f"{provider}-v8")
    for region in regions:
        yield Price(region, node, option, usd, 1, often, date, source)


def _nodes(provider: str, name: str, shapes: Mapping[tuple[str, str], facts.Row]) -> Iterator[tuple[str, int]]:
    """The shapes a listed name stands for, and how many times the listed price each costs."""
    if not name.startswith("per-gpu:"):
        if (provider, name) in shapes:
            yield name, 1
        return
    series = {"crusoe": CRUSOE, "runpod": RUNPOD}[provider].get(name.removeprefix("per-gpu:"))
    for who, node in sorted(shapes):
        stem, _, count = node.rpartition(".")
        if who == provider and stem == series:
            yield node, int(count.removesuffix("x"))


def _runpod_terms(
    folder: Path, shapes: Mapping[tuple[str, str], facts.Row], everywhere: list[str], ledger: Ledger
) -> Iterator[Price]:
    """The 6-month plan, which the consolidated list leaves out."""
    for row in facts.table(folder / "sooddvs_gpu_pricing" / "gpu_pricing_raw.csv"):
        if row["provider"] != "RunPod" or row["price_tier"] != "6mo":
            continue
        ledger.read["runpod 6 months"] += 1
        for node, count in _nodes("runpod", "per-gpu:" + row["sku"], shapes):
            yield from _everywhere("runpod", everywhere, node, "commit_6m", number(row["per_gpu_hourly_usd"]) * count)
