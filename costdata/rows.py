"""What rows of the user's own tables have in common: faults by cell, known names, money in dollars."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from . import cells, check, mechanisms
from .cells import MICRO, Column, Row
from .errors import DataError, nearest, shown
from .schema import EVERY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from .catalog import Catalog

ANY = Column(cells.text, EVERY)
NEEDED = Column(cells.text)
REMARK = Column(cells.text, "")
DOLLAR = Column(cells.text, "USD")
ZERO = Column(cells.money, Decimal(0))
UPFRONT = Column(cells.amount(cells.MOST_AT_ONCE), Decimal(0))


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars a unit of each currency, on the catalogue's day."""

    usd: Mapping[str, Decimal]
    day: date

    def micro_usd(self, row: Row, name: str) -> int:
        """A price of a row in whole micro-dollars, half to even."""
        currency = row["currency"]
        if currency != "USD" and currency not in self.usd:
            mend = f"add it to fx.csv with a rate valid from {self.day} or before"
            raise fault(row, "currency", f"no rate for currency {shown(currency)}", mend)
        rate = Decimal(1) if currency == "USD" else self.usd[currency]
        made = round(Fraction(row[name]) * Fraction(rate) * MICRO)
        if not made and row[name]:
            raise fault(row, name, "less than a micro-dollar", "mend the price or its rate")
        if name == "price_per_hour" and made > check.DEAREST_MICRO_USD:
            raise fault(row, name, f"more than ${cells.DEAREST_USD} an hour for one node", "mend the price or its unit")
        return made


def fault(row: Row, column: str, message: str, mend: str) -> DataError:
    """An error that names a row's cell."""
    return DataError(message, where=f"{row['where']}, column {column}", mend=mend)


def known(row: Row, what: str, names: set[str]) -> None:
    """The name in a row's cell is one of these."""
    if row[what] not in names:
        raise fault(row, what, f"unknown {what} {shown(row[what])}", nearest(row[what], names))


def placed(row: Row, catalog: Catalog) -> None:
    """A row's provider, region and node are known."""
    known(row, "provider", {p for p, _ in catalog.nodes} | {p for p, _ in catalog.regions})
    known(row, "region", {r for p, r in catalog.regions if p == row["provider"]})
    known(row, "node", {n for p, n in catalog.nodes if p == row["provider"]})


def not_by_accident(row: Row, micro_usd: int) -> None:
    """What costs nothing says so, and what says so costs nothing."""
    if not micro_usd and not row["free"]:
        raise fault(row, "price_per_hour", "a price of zero", "write yes in a column free if it costs nothing")
    if micro_usd and row["free"]:
        raise fault(row, "free", "free, and a price", "keep one of them")


def mechanism(row: Row) -> mechanisms.Mechanism:
    """What the commitment of a row is; the provider is one that sells it."""
    try:
        return mechanisms.mechanism(row["provider"], row["option"])
    except DataError as error:
        raise fault(row, "option", error.message, error.mend) from None
