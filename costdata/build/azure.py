"""Azure: Linux pay-as-you-go everywhere, 1- and 3-year reservations where the facts hold them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import facts
from .facts import Ledger, Price, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NONE = Decimal(0)
LIST_DATE, RI_DATE = "2026-06-18", "2026-06-15"
RETIRED = ("_v3", "_Promo", "_v2")
FRACTIONS = ("NV6ads", "NV12ads", "NV18ads", "NV4ads", "NV8ads", "NG8ads", "NG16ads")


def prices(folder: Path, shapes: Mapping[tuple[str, str], facts.Row], ledger: Ledger) -> list[Price]:
    """Every price of a shape with a published specification."""
    return [*_list(folder, shapes, ledger), *_routers(folder, shapes, ledger), *_reserved(folder, shapes, ledger)]


def _list(folder: Path, shapes: Mapping[tuple[str, str], facts.Row], ledger: Ledger) -> Iterator[Price]:
    source = "azure list, accelerated"
    for row in ledger.rows(source, facts.table(folder / "azure_karpenter" / "azure_od_gpu_2026-06-18.csv")):
        node = row["sku"]
        if ("azure", node) in shapes:
            usd = number(row["on_demand_usd_h"])
            yield Price(row["region"], node, "on_demand", usd, 1, NONE, LIST_DATE, "azure-list")
        elif any(part in node for part in FRACTIONS):
            ledger.drop(source, "a share of one accelerator")
        elif node.endswith(RETIRED):
            ledger.drop(source, "a retired series whose meter remains")
        else:
            ledger.drop(source, "a meter without a published shape")


def _routers(folder: Path, shapes: Mapping[tuple[str, str], facts.Row], ledger: Ledger) -> Iterator[Price]:
    source = "azure list, all"
    routers = {node for (who, node), row in shapes.items() if who == "azure" and not row["accelerator"]}
    for row in ledger.rows(source, facts.table(folder / "azure_karpenter" / "azure_od_all_2026-06-18.csv.gz")):
        if row["sku"] in routers:
            usd = number(row["on_demand_usd_h"])
            yield Price(row["region"], row["sku"], "on_demand", usd, 1, NONE, LIST_DATE, "azure-list")
        else:
            ledger.drop(source, "not one of the router shapes (accelerated ones are read from their own list)")


def _reserved(folder: Path, shapes: Mapping[tuple[str, str], facts.Row], ledger: Ledger) -> Iterator[Price]:
    source, options = "azure reservations", {"12mo": "commit_1y", "36mo": "commit_3y"}
    for row in facts.table(folder / "sooddvs_gpu_pricing" / "gpu_pricing_raw.csv"):
        option = options.get(row["price_tier"])
        if row["provider"] != "Azure" or option is None:
            continue
        ledger.read[source] += 1
        if ("azure", row["sku"]) not in shapes:
            ledger.drop(source, "a meter without a published shape")
            continue
        usd = number(row["total_hourly_usd"])
        yield Price(row["region"], row["sku"], option, usd, 1, NONE, RI_DATE, "azure-ri-2026-06")
