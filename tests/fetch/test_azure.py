"""Azure's importer on a recording: prices computed by hand, every meter accounted for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from costdata.fetch.azure import SOURCE
from costdata.fetch.errors import FetchError
from costdata.fetch.rows import Known, Ledger

from . import recorded_azure
from .conftest import Answer, Player

H100, T4 = recorded_azure.H100, recorded_azure.T4


def read(player: Player) -> tuple[dict[tuple[str, str, str], Decimal], Ledger]:
    """Dollars an hour by region, node and option, and the account."""
    ledger = Ledger()
    made = list(SOURCE.fetch(player.client(SOURCE), Known.of(SOURCE.providers), ledger))
    assert all(p.provider == "azure" and not p.upfront_usd for p in made)
    assert len({p.key for p in made}) == len(made)
    return {p.key[1:]: p.usd_per_hour for p in made}, ledger


def test_prices_by_hand(player: Player) -> None:
    """A reservation's price is that of 8,760 or 26,280 hours; a meter with savings plans gives three."""
    recorded_azure.play(player)
    prices, _ = read(player)
    assert prices == {
        ("eastus", H100, "on_demand"): Decimal("98.32"),
        ("eastus", H100, "spot"): Decimal("33.0165432"),
        ("eastus", H100, "savings_plan_1y"): Decimal("70.1"),
        ("eastus", H100, "savings_plan_3y"): Decimal(51),
        ("eastus", H100, "commit_1y"): Decimal(569911) / 8760,
        ("eastus", H100, "commit_3y"): Decimal(1128000) / 26280,
        ("westeurope", H100, "on_demand"): Decimal("117.984"),
        ("eastus", T4, "on_demand"): Decimal("0.526"),
    }


def test_every_meter_is_accounted_for(player: Player) -> None:
    """Read = kept + dropped, each for its reason."""
    recorded_azure.play(player)
    _, ledger = read(player)
    ledger.balanced()
    assert (ledger.read, ledger.kept) == (23, 6)
    assert dict(ledger.dropped) == {
        "low priority": 1,
        "not a term that is known": 1,
        "for development and test": 1,
        "not linux": 1,
        "unknown region": 1,
        "not in dollars": 1,
        "not an hour": 1,
        "a meter beside the primary one": 1,
        "a tier of use": 1,
        "no price": 1,
        "not a type of price that is known": 1,
        "a cloud service": 1,
        "not yet in force": 1,
        "not in force any more": 1,
        "unknown node": 1,
        "not a meter": 2,
    }
    assert ledger.examples["unknown region"] == [f"moonbase/{H100} ND96isrH100v5 Consumption"]
    assert ledger.covered == {("azure", option) for option in SOURCE.options}


def test_each_shape_is_asked_for_once_and_the_next_page_where_it_says(player: Player) -> None:
    """35 shapes, and one second page."""
    recorded_azure.play(player)
    read(player)
    assert len(player.asked) == len(Known.of(["azure"]).nodes) + 1
    assert {asked.host for asked in player.asked} == {"prices.azure.com"}


@pytest.mark.parametrize(
    "page", [[], {}, {"Items": {}}, "text", {"Items": [], "NextPageLink": "https://evil.example.net/"}]
)
def test_a_page_of_another_form(player: Player, page: object) -> None:
    """Is an error, not an empty list of prices; nor does its link lead elsewhere."""
    player[recorded_azure.HOST, recorded_azure.PATH] = Answer(page)  # type: ignore[arg-type]
    with pytest.raises(FetchError):
        read(player)
    assert len(player.asked) == 1
