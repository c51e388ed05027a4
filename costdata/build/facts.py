"""Reading the raw facts, and a ledger that accounts for every row read: kept, or dropped for a reason."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import packaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOURS_OF_A_MONTH = 730  # what the sources divide a month's price by
Row = dict[str, str]


class Price(NamedTuple):
    """One dated price of a node in a region; money in dollars an hour."""

    region: str
    node: str
    option: str
    usd_per_hour: Decimal
    zones: int
    interruptions_per_month: Decimal
    valid_from: str
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What the price is of."""
        return self.region, self.node, self.option


@dataclass
class Ledger:
    """Rows read, kept and dropped, by source."""

    read: Counter[str] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)

    def rows(self, source: str, rows: Iterator[Row]) -> Iterator[Row]:
        """Pass rows on, counting them."""
        for row in rows:
            self.read[source] += 1
            yield row

    def drop(self, source: str, reason: str) -> None:
        """One row that is left out."""
        self.dropped[source, reason] += 1

    def lines(self) -> list[str]:
        """One line a source and one a reason; what is read is kept or dropped."""
        made = []
        for source, count in sorted(self.read.items()):
            gone = {why: n for (s, why), n in sorted(self.dropped.items()) if s == source}
            made.append(f"{source}: {count} rows = {count - sum(gone.values())} kept + {sum(gone.values())} dropped")
            made += [f"    {n} {why}" for why, n in gone.items()]
        return made


def table(path: Path, *, delimiter: str = ",") -> Iterator[Row]:
    """Rows of a CSV file, gzipped or not."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    yield from csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)


def document(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def number(text: str) -> Decimal:
    """A figure to the micro-dollar."""
    return Decimal(text).quantize(Decimal("0.000001"))


def plain(value: Decimal | float) -> str:
    """A figure without exponent or trailing zeros."""
    text = f"{Decimal(str(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def prior(provider: str) -> Decimal:
    """How often a provider takes a spot node back in a month, where nobody publishes it."""
    return Decimal(str(packaged.settings(provider)["spot_interruptions_per_month"]))


def written(names: list[str], rows: list[list[str]]) -> str:
    """A CSV file's text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()
