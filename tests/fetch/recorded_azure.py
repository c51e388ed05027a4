"""Azure's retail prices as they come: a few meters of two shapes, made up in the true form."""

from __future__ import annotations

import re
from typing import Any

from .conftest import Answer, Asked, Player

HOST = "prices.azure.com"
PATH = "/api/retail/prices"
H100, T4 = "Standard_ND96isr_H100_v5", "Standard_NC4as_T4_v3"


def meter(**changed: Any) -> dict[str, Any]:
    """One item of a page: an hour on demand of a Linux machine, unless it says otherwise."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 98.32,
        "unitPrice": 98.32,
        "armRegionName": "eastus",
        "location": "US East",
        "effectiveStartDate": "2023-10-01T00:00:00Z",
        "meterId": "3c8bd3a4-0000-0000-0000-000000000000",
        "meterName": "ND96isrH100v5",
        "productId": "DZH318Z08M9T",
        "skuId": "DZH318Z08M9T/0001",
        "productName": "Virtual Machines NDsr H100 v5 Series",
        "skuName": "ND96isrH100v5",
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": H100,
        **changed,
    }


PLANS = [
    {"unitPrice": 70.1, "retailPrice": 70.1, "term": "1 Year"},
    {"unitPrice": 51, "retailPrice": 51, "term": "3 Years"},
]
FIRST = [
    meter(savingsPlan=[*PLANS, {"retailPrice": 1, "term": "5 Years"}]),
    meter(skuName="ND96isrH100v5 Spot", retailPrice=33.0165432),
    meter(skuName="ND96isrH100v5 Low Priority", retailPrice=19.664),
    meter(type="Reservation", reservationTerm="1 Year", retailPrice=569911.0),
    meter(type="Reservation", reservationTerm="3 Years", retailPrice=1128000.0),
    meter(type="Reservation", reservationTerm="5 Years", retailPrice=1500000.0),
    meter(type="DevTestConsumption"),
    meter(productName="Virtual Machines NDsr H100 v5 Series Windows", retailPrice=102.7),
]
SECOND = [
    meter(armRegionName="moonbase"),
    meter(currencyCode="EUR"),
    meter(unitOfMeasure="1/Month"),
    meter(isPrimaryMeterRegion=False),
    meter(tierMinimumUnits=10.0),
    meter(retailPrice=0.0),
    meter(type="Promotion"),
    meter(productName="NDsr H100 v5 Series Cloud Services"),
    meter(effectiveStartDate="2999-01-01T00:00:00Z"),
    meter(effectiveEndDate="2024-01-01T00:00:00Z"),
    meter(armSkuName="Standard_Unknown_v9"),
    {"armSkuName": H100},
    "no meter",
    meter(armRegionName="westeurope", retailPrice=117.984),
]
TURING = [meter(armSkuName=T4, skuName="NC4as T4 v3", meterName="NC4as T4 v3", retailPrice=0.526)]


def pages(asked: Asked) -> Answer:
    """The page that is asked for: two of the H100's meters, one of the T4's, an empty one of every other shape."""
    named = re.search(r"armSkuName eq '(\w+)'", asked.path)
    assert named
    assert "serviceName eq 'Virtual Machines'" in asked.path
    assert "api-version=2023-01-01-preview" in asked.path
    later = "$skip=1000" in asked.path
    link = f"https://{HOST}{PATH}?{asked.path.partition('?')[2]}&$skip=1000".replace(" ", "%20").replace("'", "%27")
    items: dict[str, list[Any]] = {H100: SECOND if later else FIRST, T4: TURING}
    found = items.get(named[1], [])
    page = {"BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail", "Items": found}
    return Answer({**page, "NextPageLink": link if found is FIRST else None, "Count": len(found)}, zipped=True)


def play(player: Player) -> None:
    """Let the player answer as Azure does."""
    player[HOST, PATH] = pages
