"""A made-up price list of Crusoe's offers, served by the local server, to refresh from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from costdata import dated, packaged, refreshed
from costdata.fetch.client import Client
from costdata.fetch.refresh import Asked, Report, refresh
from costdata.fetch.rows import Known, Ledger, Price, Source

from .conftest import Answer, Player

HOST, URL = "list.example.com", "https://list.example.com/prices"
DAY = date(2026, 11, 26)
OPTIONS = ("on_demand", "spot", "commit_1y", "commit_1y_all_upfront", "commit_1y_partial_upfront")
ICELAND, CARD = "eu-iceland1", "a100-40gb.1x"  # 1.45 an hour on demand, 1 as spot
Row = dict[str, Any]


def fetch(client: Client, known: Known, ledger: Ledger) -> Iterator[Price]:
    """One row a price; `lost` rows are dropped, and `forgotten` ones are not accounted for."""
    for raw in ledger.rows(client.json(URL)):
        row = raw.value
        if row.get("lost") or known.wanting("crusoe", row["region"], row["node"]):
            ledger.drop("unknown node", row["node"], raw)
        elif not row.get("forgotten"):
            ledger.keep(raw)
            usd, upfront = Decimal(row["usd"]), Decimal(row.get("upfront", "0"))
            names = {name: row[name] for name in ("region", "node", "option")}
            yield Price(provider="crusoe", **names, usd_per_hour=usd, upfront_usd=upfront, zones=row.get("zones"))
    ledger.cover("crusoe", *OPTIONS)


SOURCE = Source(
    name="listed", title="A list", providers=("crusoe",), options=OPTIONS, hosts=frozenset({HOST}), fetch=fetch,
    own=True, extra="azure",
)  # fmt: skip
CATALOGUE = replace(SOURCE, name="compiled", title="A catalogue of others", own=False)


def rows(changed: dict[tuple[str, str, str], str | None] | None = None) -> list[Row]:
    """Crusoe's packaged prices, some changed; None leaves one out, a key that is not there adds one."""
    table = {(r[0], r[1], r[2]): r[3] for r in packaged.prices("crusoe", None)}
    after = {**table, **(changed or {})}
    return [{"region": k[0], "node": k[1], "option": k[2], "usd": usd} for k, usd in after.items() if usd is not None]


def refreshing(
    player: Player, folder: Path, listed: list[Row], day: date = DAY, *, of: Source = SOURCE, **how: bool
) -> Report:
    """One refresh from this list."""
    player[HOST, "/prices"] = Answer(listed)
    return refresh(of, player.client(of), Asked(folder=folder, day=day, **how))


def table(folder: Path, day: date | None = None) -> dict[tuple[str, str, str], str]:
    """Crusoe's dollars an hour by region, node and option, as of a day."""
    found = dated.prices("crusoe", day, refreshed.current(folder))
    return {(r[0], r[1], r[2]): r[3] for r in found}
