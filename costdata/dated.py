"""Dated prices, packaged and refreshed as one: of each offer the newest row not later than a day holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import packaged
from .refreshed import NOW, PAST, Cells, Refreshed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

USD, SINCE, SOURCE, UPFRONT, SEEN, BY = 3, 6, 7, 8, 9, 10  # places in a row
EVER = "9999-12-31"
Key = tuple[str, str, str]


def prices(provider: str, as_of: date | None, store: Refreshed | None) -> list[Cells]:
    """A provider's rows in force on a day (None: the newest), the cells of `refreshed.NAMES` each.

    `seen` is the last day not after the day asked for on which a refresh saw the row, "" for none.
    """
    day = EVER if as_of is None else as_of.isoformat()
    listed = _padded(packaged.prices(provider, as_of))
    if store is None or provider not in store.days:
        return listed
    own = store.rows(provider, NOW)
    if any(row[SINCE] > day for row in own):
        own = [*store.rows(provider, PAST), *own]
    held = {_key(row): row for row in listed}
    for row in newest(own, day).values():
        _take(held, row)
    for row in held.values():
        row[SEEN] = store.seen(provider, row[SEEN], day) if row[SEEN] else ""
    return [held[key] for key in sorted(held) if held[key][USD]]


def rows(provider: str, store: Refreshed | None) -> list[Cells]:
    """Every dated row of a provider there is, in no order; a row without `usd_per_hour` ends an offer."""
    listed = {(_key(row), row[SINCE]): row for row in _padded(packaged.dated_prices(provider))}
    for when in (PAST, NOW) if store is not None else ():
        for row in store.rows(provider, when):  # type: ignore[union-attr]
            held = {_key(row): listed[_key(row), row[SINCE]]} if (_key(row), row[SINCE]) in listed else {}
            _take(held, row)
            listed[_key(row), row[SINCE]] = held[_key(row)]
    return list(listed.values())


def newest(dated: Iterable[Cells], day: str) -> dict[Key, Cells]:
    """Of each key the newest row not later than a day."""
    found: dict[Key, Cells] = {}
    for row in dated:
        if row[SINCE] <= day and (_key(row) not in found or found[_key(row)][SINCE] < row[SINCE]):
            found[_key(row)] = row
    return found


def _take(held: dict[Key, Cells], row: Cells) -> None:
    """A refreshed row holds unless a packaged one is newer; one that confirms a packaged row only adds when."""
    key = _key(row)
    listed = held.get(key)
    if listed is None or listed[SINCE] < row[SINCE]:
        held[key] = row
    elif listed[SINCE] == row[SINCE]:
        if row[SOURCE] not in packaged.sources():
            held[key] = row
        elif row[:SEEN] == listed[:SEEN]:
            listed[SEEN:] = row[SEEN:]


def _key(row: Cells) -> Key:
    return row[0], row[1], row[2]


def _padded(listed: list[Cells]) -> list[Cells]:
    return [[*row, "0", "", ""] for row in listed]
