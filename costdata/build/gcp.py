"""Google Cloud: list prices and their history where capacity is offered, commitments, TPU."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from . import facts
from .facts import HOURS_OF_A_MONTH, Ledger, Price, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NONE = Decimal(0)
LIST_DATE, TPU_DATE = "2026-07-30", "2025-11-01"
CPU_ZONES = 3
HALF = Decimal("0.5")
SENTINEL = 700
Pair = tuple[str, str]


def prices(folder: Path, shapes: Mapping[Pair, facts.Row], ledger: Ledger) -> list[Price]:
    """History and present of every shape we know in the regions that offer it."""
    offered = _offered(folder)
    zones = _zones(folder)
    history = list(_history(folder, shapes, offered, zones, ledger))
    dated = {p.key for p in history}
    return [*history, *_list(folder, shapes, offered, zones, dated, ledger), *_tpu(folder, shapes, ledger)]


def _offered(folder: Path) -> set[Pair]:
    listed = facts.document(folder / "gcp_karpenter" / "initial-prices_2026-08-03.json")["prices"]
    return {(region, node) for region, kinds in listed.items() for node in kinds["on_demand"]}


def _zones(folder: Path) -> dict[Pair, int]:
    """Zones by region and shape as of 2023, the only list there is; a shape newer than that counts one."""
    found: dict[Pair, int] = defaultdict(int)
    for row in facts.table(folder / "gcp_gcosts" / "machinetypezone.csv.gz", delimiter=";"):
        found[row["ZONE"].rsplit("-", 1)[0], row["NAME"]] += 1
    return dict(found)


def _history(
    folder: Path, shapes: Mapping[Pair, facts.Row], offered: set[Pair], zones: Mapping[Pair, int], ledger: Ledger
) -> Iterator[Price]:
    source = "gcp price history"
    by_pair: dict[Pair, list[facts.Row]] = defaultdict(list)
    for row in ledger.rows(source, facts.table(folder / "gcp_gcosts" / "gcp_gpu_price_history_changes.csv.gz")):
        pair = row["region"], row["instance_type"]
        if ("gcp", row["instance_type"]) not in shapes:
            ledger.drop(source, "a share of one accelerator, or no such shape")
        elif pair not in offered:
            ledger.drop(source, "listed but not offered in the region")
        else:
            by_pair[pair].append(row)
    for (region, node), rows in sorted(by_pair.items()):
        usual = median(number(row["hour_usd"]) for row in rows)
        last: dict[str, Decimal] = {}
        for row in sorted(rows, key=lambda r: r["date"]):
            if number(row["hour_usd"]) < usual * HALF:
                ledger.drop(source, "the accelerator's part of the price is missing")
                continue
            for option, cell in (("on_demand", "hour_usd"), ("spot", "hour_spot_usd")):
                usd = number(row[cell]) if row[cell] else None
                if usd is None or usd == last.get(option) or (option == "spot" and usd >= number(row["hour_usd"])):
                    continue
                last[option] = usd
                often = facts.prior("gcp") if option == "spot" else NONE
                yield Price(region, node, option, usd, zones.get((region, node), 1), often, row["date"], "gcp-list")


def _list(
    folder: Path,
    shapes: Mapping[Pair, facts.Row],
    offered: set[Pair],
    zones: Mapping[Pair, int],
    dated: set[tuple[str, str, str]],
    ledger: Ledger,
) -> Iterator[Price]:
    source = "gcp list 2026-07"
    for row in ledger.rows(source, facts.table(folder / "gcp_gcosts" / "gcp_instances_2026-07-30.csv.gz")):
        region, node = row["region"], row["instance_type"]
        if ("gcp", node) not in shapes:
            ledger.drop(source, "neither a whole-accelerator shape nor one of the router shapes")
            continue
        if (region, node) not in offered:
            ledger.drop(source, "listed but not offered in the region")
            continue
        on_demand = number(row["hour_usd"])
        found = {"on_demand": on_demand}
        if row["hour_spot_usd"]:
            found["spot"] = number(row["hour_spot_usd"])
        for option, cell in (("commit_1y", "month_1y_cud_usd"), ("commit_3y", "month_3y_cud_usd")):
            if row[cell]:
                found[option] = number(str(Decimal(row[cell]) / HOURS_OF_A_MONTH))
        count = zones.get((region, node), 1) if shapes["gcp", node]["accelerator"] else CPU_ZONES
        for option, usd in found.items():
            if (region, node, option) in dated or usd <= 0 or (option != "on_demand" and usd >= on_demand):
                continue
            often = facts.prior("gcp") if option == "spot" else NONE
            yield Price(region, node, option, usd, count, often, LIST_DATE, "gcp-list")


def _tpu(folder: Path, shapes: Mapping[Pair, facts.Row], ledger: Ledger) -> Iterator[Price]:
    chips = {node: int(row["accelerators"]) for (who, node), row in shapes.items() if who == "gcp" and node[:2] == "ct"}
    for row in ledger.rows("gcp tpu v6e (v8)", facts.table(folder / "gcp_tpu_v6e_skypilot_v8.csv")):
        on_demand = number(row["on_demand_usd_per_chip_h"])
        if on_demand >= SENTINEL:
            ledger.drop("gcp tpu v6e (v8)", "700.0 stands for no price")
            continue
        zones = row["zones"].count("|") + 1
        for node, count in sorted(chips.items()):
            yield Price(row["region"], node, "on_demand", on_demand * count, zones, NONE, TPU_DATE, "gcp-tpu-v8")
            if row["spot_usd_per_chip_h"]:
                usd = number(row["spot_usd_per_chip_h"]) * count
                yield Price(row["region"], node, "spot", usd, zones, facts.prior("gcp"), TPU_DATE, "gcp-tpu-v8")
