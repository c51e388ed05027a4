"""Google's billing catalogue in its own form: parts of machines, of which shapes are summed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costdata import packaged
from costdata.fetch import gcp
from costdata.fetch.client import Secret
from costdata.fetch.errors import FetchError
from costdata.fetch.gcp import HOST, SOURCE, VARIABLE, prices
from costdata.fetch.refresh import Asked as Refreshing
from costdata.fetch.refresh import refresh
from costdata.fetch.rows import Known, Ledger, Price

from .conftest import Answer, Asked, Player

CANARY = "AIza-canary-7Gh2Kq"
IOWA, OSAKA = "us-central1", "asia-northeast2"
SSD_MONTH = "0.08"
LISTED = {  # dollars an hour of a part in Iowa, as Google lists them: of the price lists of 2026-07
    "A2 Instance Core running in Americas": ("CPU", "0.031611"),
    "A2 Instance Ram running in Americas": ("RAM", "0.004237"),
    "Nvidia Tesla A100 GPU running in Americas": ("GPU", "2.933908"),
    "Nvidia Tesla A100 80GB GPU running in Americas": ("GPU", "3.92808"),
    "E2 Instance Core running in Americas": ("CPU", "0.02181159"),
    "E2 Instance Ram running in Americas": ("RAM", "0.00292353"),
    "G4 Instance Core running in Americas": ("CPU", "0.04891"),
    "G4 Instance Ram running in Americas": ("RAM", "0.00587"),
    "RTX 6000 96GB running in Americas": ("GPU", "1.09565"),
    "SSD backed Local Storage": ("LocalSSD", SSD_MONTH),
}
UNIT = {"CPU": "h", "GPU": "h", "RAM": "GiBy.h", "LocalSSD": "GiBy.mo"}


def money(usd: str) -> dict[str, Any]:
    """An amount as the API has it: units in a string, billionths."""
    whole, _, part = usd.partition(".")
    return {"currencyCode": "USD", "units": whole, "nanos": int(part.ljust(9, "0")[:9])}


def sku(
    description: str,
    group: str,
    usd: str,
    *,
    usage: str = "OnDemand",
    regions: tuple[str, ...] = (IOWA,),
    unit: str = "",
    **other: Any,
) -> dict[str, Any]:
    """A SKU of the catalogue."""
    rates = other.get("tiers") or [{"startUsageAmount": 0, "unitPrice": money(usd) | other.get("money", {})}]
    made = "Storage" if group == "LocalSSD" else "Compute"
    price = {"usageUnit": unit or UNIT[group], "displayQuantity": 1, "tieredRates": rates}
    old = {"effectiveTime": "2024-01-01T00:00:00Z", "pricingExpression": {**price, "tieredRates": []}}
    return {
        "name": "services/6F81-5844-456A/skus/ABCD", "skuId": "ABCD", "description": description,
        "category": {
            "serviceDisplayName": "Compute Engine", "resourceFamily": made, "resourceGroup": group, "usageType": usage,
        },
        "serviceRegions": list(regions),
        "pricingInfo": [{"effectiveTime": "2026-11-01T08:00:00Z", "pricingExpression": price}, old],
        "serviceProviderName": "Google",
    }  # fmt: skip


ON_DEMAND = [sku(text, group, usd) for text, (group, usd) in LISTED.items()]
SPOT = [
    sku("Spot Preemptible A2 Instance Core running in Americas", "CPU", "0.0148", usage="Preemptible"),
    sku("Spot Preemptible A2 Instance Ram running in Americas", "RAM", "0.00198", usage="Preemptible"),
    sku(
        "Nvidia Tesla A100 80GB GPU attached to Spot Preemptible VMs running in Americas",
        "GPU",
        "1.7",
        usage="Preemptible",
    ),
    sku("SSD backed Local Storage attached to Spot Preemptible VMs", "LocalSSD", "0.05"),  # on demand, it says
]
COMMITTED = [
    sku("Commitment v1: E2 Cpu in Americas for 1 Year", "CPU", "0.0137413", usage="Commit1Yr"),
    sku("Commitment v1: E2 Ram in Americas for 1 Year", "RAM", "0.00184182", usage="Commit1Yr"),
    sku("Commitment v1: E2 Cpu in Americas for 3 Years", "CPU", "0.0098152", usage="Commit3Yr"),
    sku("Commitment v1: E2 Ram in Americas for 3 Years", "RAM", "0.00131559", usage="Commit3Yr"),
    sku("Commitment v1: RTX 6000 96GB running in Americas for 1 Year", "GPU", "0.7", usage="Commit1Yr"),
]
TIERS = [{"startUsageAmount": 0, "unitPrice": money("0")}, {"startUsageAmount": 10, "unitPrice": money("1")}]
LEFT = [
    (sku("N1 Predefined Instance Core running in Americas", "CPU", "0.03"), "no part of a machine in the tables"),
    (sku("Licensing Fee for Windows Server", "CPU", "0.04"), "no part of a machine in the tables"),
    (
        sku("Sole Tenancy Premium for A2 Instance Core running in Americas", "CPU", "1"),
        "no part of a machine in the tables",
    ),
    (sku("C3 Instance Core running in Americas", "CPU", "0.03"), "no shape of the tables needs it"),
    (sku("A2 Instance Core running in Mars", "CPU", "1", regions=("mars-north1",)), "no shape of its regions needs it"),
    (
        sku("G2 Instance Core running in Americas", "CPU", "1", usage="Preemptible"),
        "its kind is not what its description says",
    ),
    (sku("G2 Instance Ram running in Americas", "RAM", "1", unit="GBy.d"), "in another unit"),
    (sku("Nvidia L4 GPU running in Americas", "GPU", "1", tiers=TIERS), "in several tiers"),
    (sku("N2 Instance Core running in Americas", "CPU", "1", money={"currencyCode": "EUR"}), "not in dollars"),
    (sku("N2 Instance Ram running in Americas", "RAM", "0"), "no price"),
    (COMMITTED[-1], "in no sum: another part has no price"),
]
ALL = [*ON_DEMAND, *SPOT, *COMMITTED[:-1], *(row for row, _ in LEFT)]


@pytest.fixture(scope="module")
def known() -> Known:
    """All of Google's shapes and regions."""
    return Known.of(["gcp"])


class Asking:
    """The catalogue on a server, and what the importer makes of it."""

    def __init__(self, player: Player, known: Known) -> None:
        """Nothing is played yet."""
        self.player, self.known, self.ledger = player, known, Ledger()

    def prices(self, skus: list[dict[str, Any]], a_page: int = 7) -> dict[tuple[str, ...], Price]:
        """By region, shape and option, of the SKUs in pages; every row is accounted for."""
        pages = [skus[at : at + a_page] for at in range(0, len(skus), a_page)]

        def page(asked: Asked) -> Answer:
            at = int(asked.path.partition("pageToken=")[2] or 0)
            return Answer({"skus": pages[at], "nextPageToken": str(at + 1) if at + 1 < len(pages) else ""})

        self.player[HOST, "/v1/services/6F81-5844-456A/skus"] = page
        found = list(prices(self.player.client(SOURCE), self.known, self.ledger, Secret(CANARY)))
        self.ledger.balanced()
        assert len({price.key for price in found}) == len(found)
        return {price.key[1:]: price for price in found}


@pytest.fixture
def asking(player: Player, known: Known) -> Asking:
    """A server of its own."""
    return Asking(player, known)


def test_sums_of_parts_are_the_packaged_prices(asking: Asking) -> None:
    """To the micro-dollar, for each shape of four families in Iowa, with local SSD and without."""
    found = asking.prices(ALL)
    listed = {
        (row[0], row[1]): row[3] for row in packaged.prices("gcp", None) if row[2] == "on_demand" and row[0] == IOWA
    }
    same = [node for _, node in listed if node.split("-")[0] in {"a2", "e2", "g4"}]
    assert len(same) == 9 + 2 + 4
    for node in same:
        usd = found[IOWA, node, "on_demand"].usd_per_hour.quantize(Decimal("0.000001"))
        assert usd == Decimal(listed[IOWA, node]), node


def test_sums_by_hand(asking: Asking) -> None:
    """Twelve cores, 170 GiB, a GPU and 375 GiB of SSD, by the month of 730 hours; two terms of E2."""
    found = asking.prices(ALL)
    spot = found[IOWA, "a2-ultragpu-1g", "spot"].usd_per_hour
    assert spot.quantize(Decimal("1e-12")) == (
        12 * Decimal("0.0148") + 170 * Decimal("0.00198") + Decimal("1.7") + 375 * Decimal("0.05") / 730
    ).quantize(Decimal("1e-12"))
    assert found[IOWA, "e2-standard-4", "commit_1y"].usd_per_hour == 4 * Decimal("0.0137413") + 16 * Decimal(
        "0.00184182"
    )
    assert found[IOWA, "e2-standard-8", "commit_3y"].usd_per_hour == 8 * Decimal("0.0098152") + 32 * Decimal(
        "0.00131559"
    )
    assert {option for _, node, option in found if node.startswith("g4")} == {"on_demand"}
    assert {region for region, _, _ in found} == {IOWA}


def test_every_sku_is_in_a_sum_or_dropped_for_a_reason(asking: Asking) -> None:
    """As many as were read."""
    asking.prices(ALL)
    assert asking.ledger.dropped == Counter(why for _, why in LEFT)
    assert asking.ledger.read == len(ALL)
    assert asking.ledger.kept == len(ALL) - len(LEFT)


def test_a_shape_with_a_part_missing_has_no_price(asking: Asking) -> None:
    """It is named with the part; the parts that are there are in no sum."""
    found = asking.prices([row for row in ON_DEMAND if "Local Storage" not in row["description"]])
    assert (IOWA, "a2-highgpu-1g", "on_demand") in found
    assert (IOWA, "a2-ultragpu-1g", "on_demand") not in found
    assert asking.ledger.dropped == {"in no sum: another part has no price": 1}
    assert asking.ledger.examples["in no sum: another part has no price"] == [
        "Nvidia Tesla A100 80GB GPU running in Americas"
    ]


def test_two_prices_of_a_part_are_none(asking: Asking) -> None:
    """Nobody can say which holds; the same price twice does no harm."""
    other = sku("E2 Instance Core running in Iowa", "CPU", "0.03")
    found = asking.prices([*ON_DEMAND, other])
    assert (IOWA, "e2-standard-4", "on_demand") not in found
    assert asking.ledger.dropped == {"in no sum: another part has no price": 3}
    asking.ledger = Ledger()
    found = asking.prices([*ON_DEMAND, ON_DEMAND[4]])
    assert found[IOWA, "e2-standard-4", "on_demand"].usd_per_hour == Decimal("0.13402284")
    assert asking.ledger.kept == len(ON_DEMAND) + 1


def test_prices_where_nothing_is_offered_are_left_out(asking: Asking) -> None:
    """The catalogue lists A2 in Osaka, where the tables offer none; E2 is there."""
    offered = {row[1] for row in packaged.prices("gcp", None) if row[0] == OSAKA}
    assert "e2-standard-4" in offered
    assert not any(node.startswith("a2") for node in offered)
    found = asking.prices([sku(text, group, usd, regions=(IOWA, OSAKA)) for text, (group, usd) in LISTED.items()])
    assert {node for region, node, _ in found if region == OSAKA} == {n for n in offered if n.startswith("e2")}


def test_an_offer_that_is_not_listed_is_gone_but_for_tpus(asking: Asking) -> None:
    """The whole catalogue was read; TPUs are not in it."""
    asking.prices(ALL)
    assert asking.ledger.covered == {("gcp", option) for option in SOURCE.options}
    assert {node[:4] for _, node in asking.ledger.elsewhere} == {"ct6e"}


def test_the_key_is_in_a_header_and_nowhere_else(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the URL nor in an error; without one the mend names the variable."""
    asking.prices(ALL)
    assert {asked.headers["X-Goog-Api-Key"] for asked in asking.player.asked} == {CANARY}
    assert all(CANARY not in asked.path for asked in asking.player.asked)
    asking.player[HOST, "*"] = asking.player[HOST, "/v1/services/6F81-5844-456A/skus"] = Answer(CANARY, status=403)
    monkeypatch.setenv(VARIABLE, CANARY)
    with pytest.raises(FetchError, match="credentials") as caught:
        list(gcp.fetch(asking.player.client(SOURCE), asking.known, Ledger()))
    assert CANARY not in f"{caught.value!r}"
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(FetchError, match=f"no credentials \\(set {VARIABLE}"):
        gcp.fetch(asking.player.client(SOURCE), asking.known, Ledger())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer({}), "an answer of another form"),
        (Answer({"skus": [{"description": 3}]}), "an answer of another form"),
        (Answer({"skus": [ON_DEMAND[0] | {"pricingInfo": []}]}), "an answer of another form"),
        (Answer({"skus": [sku("A2 Instance Core running in X", "CPU", "1", money={"units": "NaN"})]}), "another form"),
        (Answer({"skus": [], "nextPageToken": "again"}), "no end"),
    ],
)
def test_what_cannot_be_read_is_an_error(player: Player, known: Known, answer: Answer, said: str) -> None:
    """One that says so, and no price."""
    player[HOST, "*"] = answer
    with pytest.raises(FetchError, match=said):
        list(prices(player.client(SOURCE), known, Ledger(), Secret(CANARY)))


def test_a_refresh_finds_unchanged_what_is_unchanged(asking: Asking, player: Player, tmp_path: Path) -> None:
    """Fifteen shapes on demand in Iowa are the same to the micro-dollar; TPUs are not gone with what was not listed."""
    asking.prices(ALL)
    source = replace(SOURCE, fetch=lambda client, known, ledger: prices(client, known, ledger, Secret(CANARY)))
    how = Refreshing(folder=tmp_path, day=date(2026, 11, 26), accept_gone=True, dry_run=True)
    report = refresh(source, player.client(SOURCE), how)
    assert report.error == ""
    same = {key[2] for key in report.compared.same if key[3] == "on_demand"}
    assert len(same) == 9 + 2 + 4
    assert not {c.key for c in report.compared.changed if c.key[3] == "on_demand"}
    gone = {c.key[2].split("-")[0] for c in report.compared.gone}
    assert gone == {"a2", "a3", "e2", "g2", "g4", "n2"}
