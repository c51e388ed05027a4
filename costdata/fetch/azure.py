"""Azure's retail prices: on demand, spot, reservations and savings plans; anybody may ask.

A meter is asked for by the name of its shape, everywhere at once: some forty questions instead of all that a hundred
thousand meters hold. Prices with savings plans are those of the preview of 2023-01-01.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .client import Client
from .errors import FetchError
from .rows import Known, Ledger, Price, Raw, Source

HOST = "prices.azure.com"
URL = f"https://{HOST}/api/retail/prices"
VERSION = "2023-01-01-preview"
TERMS = {"1 Year": ("commit_1y", "savings_plan_1y", 8_760), "3 Years": ("commit_3y", "savings_plan_3y", 26_280)}
OPTIONS = ("on_demand", "spot", "commit_1y", "commit_3y", "savings_plan_1y", "savings_plan_3y")
AN_HOUR = "1 Hour"
TEXTS = ("armRegionName", "armSkuName", "productName", "skuName", "type", "unitOfMeasure", "currencyCode")


def fetch(client: Client, known: Known, ledger: Ledger) -> Iterator[Price]:
    """Every price of a shape that the tables know."""
    for _, node in sorted(known.nodes):
        wanted = f"serviceName eq 'Virtual Machines' and armSkuName eq '{node}'"
        pages = client.pages(URL, _following, query={"api-version": VERSION, "$filter": wanted})
        for raw in ledger.rows(item for page in pages for item in _items(page)):
            yield from _prices(raw, known, ledger)
    ledger.cover("azure", *OPTIONS)


def _following(page: Any) -> str | None:
    link = page.get("NextPageLink") if isinstance(page, dict) else None
    return link if isinstance(link, str) else None


def _items(page: Any) -> list[Any]:
    items = page.get("Items") if isinstance(page, dict) else None
    if not isinstance(items, list):
        raise FetchError("a page without Items", where=URL, mend="report this: the source has changed its form")
    return items


def _prices(raw: Raw, known: Known, ledger: Ledger) -> Iterator[Price]:
    """The prices of one meter, or one dropped row."""
    row = raw.value
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in TEXTS):
        ledger.drop("not a meter", "", raw)
        return
    at = f"{row['armRegionName']}/{row['armSkuName']}"
    reason = _reason(row) or known.wanting("azure", row["armRegionName"], row["armSkuName"])
    made = [] if reason else _rates(row)
    if not made:
        ledger.drop(reason or "no price", f"{at} {row['skuName']} {row['type']}", raw)
        return
    ledger.keep(raw)
    for option, usd in made:
        yield Price(
            provider="azure", region=row["armRegionName"], node=row["armSkuName"], option=option, usd_per_hour=usd
        )


def _reason(row: dict[str, Any]) -> str:
    """Why a meter is none of a Linux machine's hour, "" if it is one."""
    faults = {
        "not in dollars": row["currencyCode"] != "USD",
        "not an hour": row["unitOfMeasure"] != AN_HOUR,
        "not linux": "Windows" in row["productName"],
        "a cloud service": "Cloud Services" in row["productName"] or "CloudServices" in row["productName"],
        "low priority": "Low Priority" in row["skuName"],
        "for development and test": row["type"] == "DevTestConsumption",
        "not a type of price that is known": row["type"] not in {"Consumption", "Reservation", "DevTestConsumption"},
        "not a term that is known": row["type"] == "Reservation" and row.get("reservationTerm") not in TERMS,
        "a meter beside the primary one": row.get("isPrimaryMeterRegion") is False,
        "a tier of use": bool(row.get("tierMinimumUnits")),
        "not yet in force": str(row.get("effectiveStartDate") or "") > (now := f"{datetime.now(tz=UTC):%Y-%m-%dT%XZ}"),
        "not in force any more": str(row.get("effectiveEndDate") or "9") < now,
    }
    return next((reason for reason, so in faults.items() if so), "")


def _rates(row: dict[str, Any]) -> list[tuple[str, Decimal]]:
    """Options and dollars an hour; a reservation's price is that of its whole term."""
    usd = _number(row.get("retailPrice"))
    if usd is None:
        return []
    if row["type"] == "Reservation":
        option, _, hours = TERMS[row["reservationTerm"]]
        return [(option, usd / hours)]
    if row["skuName"].endswith(" Spot"):
        return [("spot", usd)]
    plans = [plan for plan in row.get("savingsPlan") or () if isinstance(plan, dict) and plan.get("term") in TERMS]
    rates = [(TERMS[plan["term"]][1], _number(plan.get("retailPrice"))) for plan in plans]
    return [("on_demand", usd), *((option, rate) for option, rate in rates if rate is not None)]


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or value <= 0:
        return None
    return Decimal(value)


SOURCE = Source(
    name="azure",
    title="Azure Retail Prices API",
    providers=("azure",),
    options=OPTIONS,
    hosts=frozenset({HOST}),
    fetch=fetch,
    own=True,
    extra="azure",
    pause_s=0.2,
)
