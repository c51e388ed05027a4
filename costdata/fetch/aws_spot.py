"""AWS's spot prices of the last ninety days, as histories: what there is to see before refreshes have seen anything."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import packaged
from ..history import History
from .aws import AWS, LINUX, REGIONS, decimal, region_of
from .errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from .aws_calls import Calls
    from .rows import Known

MOST_DAYS = 90  # AWS keeps no more
SOURCE = "AWS spot price history"
Zone = tuple[str, str, str]  # region, shape, zone


def spot_histories(
    calls: Calls, known: Known, *, regions: Iterable[str] | None, nodes: Iterable[str], days: int, now: datetime
) -> tuple[History, ...]:
    """A price a day of each shape in each region: the median over its zones of what held at the end of the day (UTC).

    Without regions it is all that the account sees. Zones count from their first price on; the day that `now` is in
    ends now. Local zones are regions of their own.

    Raises:
        FetchError: it cannot be had, or has another form than is known.
    """
    moves: dict[Zone, list[tuple[datetime, Decimal]]] = defaultdict(list)
    try:
        for region in _seen(calls) if regions is None else regions:
            for row in _rows(calls, region, list(nodes), now - timedelta(days=days), now):
                at, node = region_of(row["AvailabilityZone"]), row["InstanceType"]
                if row["ProductDescription"] in LINUX and not known.wanting(AWS, at, node):
                    moves[at, node, row["AvailabilityZone"]].append((row["Timestamp"], decimal(row["SpotPrice"])))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FetchError(f"an answer of another form ({type(error).__name__})", where=AWS, mend="report this") from None
    zones: dict[tuple[str, str], list[list[tuple[datetime, Decimal]]]] = defaultdict(list)
    for (at, node, _), found in sorted(moves.items()):
        zones[at, node].append(sorted(found))
    ends = [datetime.combine(now.date() - timedelta(days=back), time.max, UTC) for back in reversed(range(days + 1))]
    made = (_history(pair, found, [*ends[:-1], now]) for pair, found in zones.items())
    return tuple(history for history in made if history)


def _seen(calls: Calls) -> list[str]:
    names = {row["RegionName"] for page in calls.pages("ec2", "describe_regions") for row in page["Regions"]}
    return [name for name in REGIONS if name in names]


def _rows(calls: Calls, region: str, nodes: list[str], start: datetime, end: datetime) -> Iterable[dict[str, Any]]:
    asked = {"Filters": [{"Name": "instance-type", "Values": nodes}], "ProductDescriptions": [LINUX[0]]}
    pages = calls.pages(
        "ec2", "describe_spot_price_history", region, **asked, StartTime=start, EndTime=end, MaxResults=1000
    )
    return (row for page in pages for row in page["SpotPriceHistory"])


def _history(
    pair: tuple[str, str], zones: list[list[tuple[datetime, Decimal]]], ends: list[datetime]
) -> History | None:
    """Daily steps of the median over zones."""
    steps = []
    for end in ends:
        held = [moves[at - 1][1] for moves in zones if (at := bisect_left(moves, (end,)))]
        if held:
            steps.append((end.date().isoformat(), round(median(held) * packaged.MICRO)))
    kept = [step for n, step in enumerate(steps) if not n or step[1] != steps[n - 1][1]]
    if not kept:
        return None
    return History(
        provider=AWS,
        region=pair[0],
        node=pair[1],
        option="spot",
        days=np.array([day for day, _ in kept], dtype="datetime64[D]"),
        micro_usd_per_hour=np.array([usd for _, usd in kept], dtype=np.int64),
        sources=(SOURCE,) * len(kept),
        until=ends[-1].date(),
    )
