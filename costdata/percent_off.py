"""Programmes that take a published percentage off on-demand prices: their offers are computed when prices are read."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from . import cells, mechanisms, packaged
from .cells import Column
from .errors import DataError
from .schema import Offers, objects

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

NAMES = ("provider", "option", "node", "percent_off_on_demand", "valid_from", "source")
KEY = ("provider", "option", "node", "valid_from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One percentage off on demand, for shapes whose names match a pattern, from a day on."""

    provider: str
    option: str
    node: str
    percent: Decimal
    valid_from: date
    source: str  # key of sources.csv

    def micro_usd(self, on_demand: int) -> int:
        """The rate where on demand costs so much: exact, rounded once to the micro-dollar, half to even."""
        return round(on_demand * (1 - Fraction(self.percent) / 100))


@cache
def programmes() -> tuple[Programme, ...]:
    """Every row of percent_off.csv."""
    commitments = [name for name, option in packaged.options().items() if option.kind == "commitment"]
    columns = {
        "provider": Column(cells.choice(packaged.providers())),
        "option": Column(cells.choice(commitments)),
        "node": Column(cells.text),
        "percent_off_on_demand": Column(cells.number(0.01, 99)),
        "valid_from": Column(cells.day),
        "source": Column(cells.choice(packaged.sources())),
    }
    rows = cells.rows(packaged.FOLDER / "percent_off.csv", columns)
    cells.unique(rows, KEY)
    for row in rows:
        if row["option"] not in mechanisms.sold(row["provider"]):
            text = f"{row['provider']} sells no {row['option']}"
            raise DataError(text, where=f"{row['where']}, column option", mend="add it to mechanisms.csv")
    return tuple(
        Programme(percent=row["percent_off_on_demand"], **{name: row[name] for name in (*KEY, "source")})
        for row in rows
    )


def in_force(day: date) -> list[Programme]:
    """Of each provider, option and pattern the newest row not later than a day."""
    newest: dict[tuple[str, str, str], Programme] = {}
    for p in sorted(programmes(), key=lambda p: p.valid_from):
        if p.valid_from <= day:
            newest[p.provider, p.option, p.node] = p
    return list(newest.values())


def joined(offers: Offers, day: date) -> Offers:
    """The offers, and after them those of the programmes in force on a day, from the on-demand prices among them."""
    return Offers.joined([offers, *(_made(p, offers, day) for p in in_force(day))])


def _made(p: Programme, offers: Offers, day: date) -> Offers:
    rows = np.flatnonzero((offers.provider == p.provider) & (offers.kind == "on_demand"))
    names = offers.node[rows].tolist()
    like = offers.take(rows[np.array([fnmatchcase(name, p.node) for name in names], dtype=bool)])
    option, origin = packaged.options()[p.option], packaged.sources()[p.source]
    said, since = f"{p.percent} % off on demand: {origin.title}, {origin.date}", p.valid_from.isoformat()
    seen = np.datetime64(max(since, origin.date))
    made = {
        "option": objects([p.option] * len(like)),
        "kind": objects([option.kind] * len(like)),
        "micro_usd_per_hour": np.array([p.micro_usd(m) for m in like.micro_usd_per_hour.tolist()], dtype=np.int64),
        "term_months": np.full(len(like), option.term_months, dtype=np.int64),
        "payment": objects([option.payment] * len(like)),
        "scope": objects([option.scope] * len(like)),
        "valid_from": objects(max(since, own) for own in like.valid_from.tolist()),
        "source": objects(f"{said}; on demand: {own}" for own in like.source.tolist()),
        "age_days": np.maximum(like.age_days, max(0, int((np.datetime64(day) - seen).astype(np.int64)))),
    }
    return Offers(**{**like.columns(), **made})
