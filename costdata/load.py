"""Loading: packaged and refreshed tables of a day, then the user's overrides, then the guards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from . import check, dated, packaged, percent_off, refreshed
from .catalog import Catalog
from .errors import DataError, shown

if TYPE_CHECKING:
    import os

OLD_DAYS = 365
FIRST_DAY = "1970-01-01"


def load(
    as_of: date | str | None = None,
    overrides: str | os.PathLike[str] | None = None,
    max_age_days: int | None = None,
) -> Catalog:
    """The catalogue in force on a day, with a folder of the user's own tables applied last.

    Args:
        as_of: the day; None is the newest prices.
        overrides: a folder with any of discounts, offers, nodes, regions, carbon, quotas, commitments and fx (.csv).
        max_age_days: refuse prices last seen longer ago than this, before `as_of` or, without one, before today.

    Prices that a refresh has put into the user's folder (`AUTOPARALLEL_PRICES`) are read with the packaged ones; the
    newest holds, and `warnings` say so.
    """
    asked = _day(as_of)
    if max_age_days is not None and (isinstance(max_age_days, bool) or max_age_days < 0):
        raise DataError(f"{shown(max_age_days)} is not a number of days", where="max_age_days", mend="give 0 or more")
    store = refreshed.current(refreshed.folder())
    listed = [(who, row) for who in packaged.providers() for row in dated.prices(who, asked, store)]
    known = [row[dated.SINCE] for _, row in listed] + ([store.newest] if store else [])
    newest = date.fromisoformat(max(known, default=FIRST_DAY))
    day = asked or (datetime.now(tz=UTC).date() if max_age_days is not None else newest)
    catalog = _packaged(listed, day)
    if overrides is not None:
        from .overrides import applied

        catalog = applied(catalog, overrides)
    return _guarded(replace(catalog, warnings=_refreshed(store, day)), max_age_days)


def _refreshed(store: refreshed.Refreshed | None, day: date) -> tuple[str, ...]:
    """Of whom prices were refreshed until a day, and when last: the same after every later refresh."""
    if store is None:
        return ()
    last = {who: store.seen(who, dated.EVER, day.isoformat()) for who in sorted(store.days)}
    told = ", ".join(f"{who} {seen}" for who, seen in last.items() if seen)
    return (f"refreshed prices are used: {told}",) if told else ()


def _packaged(listed: list[tuple[str, list[str]]], day: date) -> Catalog:
    regions = {pair: region for who in packaged.providers() for pair, region in packaged.regions(who).items()}
    catalog = Catalog(
        as_of=day,
        overrides="",
        warnings=(),
        accelerators=packaged.accelerators(),
        nodes={pair: node for who in packaged.providers() for pair, node in packaged.nodes(who).items()},
        regions=regions,
        offers=percent_off.joined(packaged.offers(listed, day), day),
        quotas=(),
        commitments=(),
        spend_commitments=(),
        atlas=regions,
    )
    free = check.free(catalog.offers)
    if free.any():
        raise DataError("a price of zero", where=check.where(catalog.offers, int(free.argmax())), mend="mend the table")
    return catalog


def _guarded(catalog: Catalog, max_age_days: int | None) -> Catalog:
    """Unsound tables are refused; offers without a market are left out; what looks odd is told."""
    stale = f"last seen more than {OLD_DAYS} days before {catalog.as_of}"
    check.offers_are_sound(catalog.offers, catalog.nodes, catalog.regions)
    no_market = check.no_market(catalog.offers)
    warnings = catalog.warnings + check.told(
        catalog.offers, no_market, "spot at or above on demand is no offer, left out"
    )
    offers = catalog.offers.take(~no_market) if no_market.any() else catalog.offers
    odd = check.outliers(offers, catalog.nodes, catalog.accelerators)
    warnings += check.told(offers, odd, "a hundred times off the median of its accelerator")
    warnings += check.told(offers, offers.age_days > OLD_DAYS, stale)
    catalog = replace(catalog, offers=offers, warnings=warnings)
    return catalog if max_age_days is None else catalog.not_older_than(max_age_days)


def _day(as_of: date | str | None) -> date | None:
    if as_of is None or (isinstance(as_of, date) and not isinstance(as_of, datetime)):
        return as_of
    try:
        return date.fromisoformat(as_of)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DataError(f"{shown(as_of)} is not a day", where="as_of", mend="write YYYY-MM-DD") from None
