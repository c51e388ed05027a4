"""Catalogues that others compile, as CSV: rows with their zones, on demand and spot."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from statistics import median
from typing import TYPE_CHECKING

from .errors import FetchError
from .rows import Price, Raw

if TYPE_CHECKING:
    from .rows import Known, Ledger

MOST_ROWS = 2_000_000
LONGEST = 60  # characters of a name that is told


def rows(text: str, needed: Iterable[str], where: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV table as dictionaries; cells that are not there are "".

    Raises:
        FetchError: a column that is needed is not there, or it is no CSV table.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restval="")
    try:
        missing = sorted(set(needed) - set(reader.fieldnames or ()))
        if missing:
            raise FetchError(f"no column {', '.join(missing)}", where=where, mend="the source has changed its form")
        for number, row in enumerate(reader):
            if number >= MOST_ROWS:
                raise FetchError(f"more than {MOST_ROWS:,} rows", where=where, mend="report this")
            yield row
    except csv.Error:
        raise FetchError("not a CSV table", where=where, mend="try again later") from None


def usd(text: str) -> Decimal | None:
    """A price above zero, or None."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None


@dataclass
class Zones:
    """What the zones of a region say of a shape: on demand of any of them, spot the median of those with a market."""

    known: Known
    ledger: Ledger
    on_demand: dict[tuple[str, str, str], list[tuple[Raw, Decimal]]] = field(default_factory=dict)
    spot: dict[tuple[str, str, str], dict[str, tuple[Raw, Decimal]]] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)

    def take(self, raw: Raw, key: tuple[str, str, str], zone: str, prices: dict[str, Decimal | None]) -> None:
        """One row: its provider, region and node, and its prices by option; it is kept if it has one."""
        reason = self.known.wanting(*key)
        found = {option: value for option, value in prices.items() if value is not None}
        if reason or not found:
            self.ledger.drop(reason or "no price", "/".join(key)[:LONGEST], raw)
            return
        self.ledger.keep(raw)
        if "on_demand" in found:
            self.on_demand.setdefault(key, []).append((raw, found["on_demand"]))
        if "spot" in found:
            self.spot.setdefault(key, {})[zone] = (raw, found["spot"])

    def prices(self) -> Iterator[Price]:
        """One price of each option; on demand several where zones differ, so that the refresh holds them back."""
        for (provider, region, node), listed in self.on_demand.items():
            for value in dict.fromkeys(value for _, value in listed):
                yield Price(provider=provider, region=region, node=node, option="on_demand", usd_per_hour=value)
        for key, zones in self.spot.items():
            most = min((value for _, value in self.on_demand.get(key, ())), default=None)
            market = [value for _, value in zones.values() if most is None or value < most]
            if not market:
                self.ledger.note("no market", "/".join(key))
                continue
            provider, region, node = key
            yield Price(
                provider=provider,
                region=region,
                node=node,
                option="spot",
                usd_per_hour=median(market),
                zones=len(market) if any(zones) else None,
            )
