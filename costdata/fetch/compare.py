"""What a source gives beside the prices in force: the same, changed, new, gone, or too odd to take unseen."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from .. import check, mechanisms, packaged
from ..dated import BY, SEEN, SINCE, UPFRONT, USD
from .errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from ..refreshed import Cells
    from ..schema import Node
    from .rows import Price

ODD_TIMES = int(check.OUTLIER)
JUMP = 3  # times the price in force, or a third of it: held back
MOST_GONE = 1 / 3  # of the rows in force: more than that is a source that is ill
STANDS_DAYS = 30  # what a provider's own list said so recently stands against catalogues that others compile
HOURS_A_MONTH = 730  # of a term: a year is 8,760 hours
MICRO = Decimal("0.000001")
ZONES, OFTEN = 4, 5  # places in a row
JUMPED, ODD, TWICE = "more than ×3 or ÷3", "×100 or ÷100 off the median of its accelerator", "two prices of one offer"
NO_MARKET, NO_PRICE = "spot at or above on demand", "a price that cannot be one"
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One offer before and after; dollars an hour with what is paid upfront spread over the term, None for no offer.

    `reason` says why it was held back, "" where it was not.
    """

    key: Key
    before: Decimal | None
    after: Decimal | None
    reason: str = ""

    @property
    def percent(self) -> float | None:
        """After over before, less one, in per cent."""
        if self.before is None or self.after is None or not self.before:
            return None
        return float((self.after / self.before - 1) * 100)


@dataclass
class Compared:
    """A source's prices sorted; `rows` are what is to be in force of what it gave, by key."""

    rows: dict[Key, Cells] = field(default_factory=dict)
    same: list[Key] = field(default_factory=list)
    outranked: list[Key] = field(default_factory=list)
    added: list[Change] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    gone: list[Change] = field(default_factory=list)
    held: list[Change] = field(default_factory=list)

    @property
    def prices(self) -> int:
        """How many it sorted."""
        kinds = (self.same, self.outranked, self.added, self.changed, self.held)
        return sum(len(kind) for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a comparison goes by: the source's name in rows, whether it is the provider's own, whose lists are."""

    title: str
    own: bool
    owners: frozenset[str]  # titles of providers' own lists
    day: date
    reviewed: Mapping[Key, Decimal]  # what was held back before and is let in now


def compared(prices: Iterable[Price], force: Mapping[Key, Cells], rules: Rules) -> Compared:
    """Sort a source's prices against those in force (cells of `refreshed.NAMES`, by key)."""
    made, several = Compared(), _by_key(prices)
    for key, found in several.items():
        before = force.get(key)
        if len({(p.usd_per_hour, p.upfront_usd) for p in found}) > 1:
            made.held += [Change(key, cost(before), _cost(p, key), TWICE) for p in found]
            continue
        row, extra = _row(found[0], before, rules), found[1:]
        made.same += [key] * len(extra)  # the same price once more
        if before is not None and _outranks(before, rules):
            made.outranked.append(key)
        elif before is not None and row[USD:SINCE] == before[USD:SINCE] and row[UPFRONT] == before[UPFRONT]:
            made.same.append(key)
            made.rows[key] = [*before[:SEEN], rules.day.isoformat(), rules.title]
        else:
            change = Change(key, cost(before), cost(row), "" if _possible(row, key) else NO_PRICE)
            _placed(made, change, row, rules)
    return made


def _placed(made: Compared, change: Change, row: Cells, rules: Rules) -> None:
    before, after = change.before, change.after or Decimal(0)
    if not change.reason and before is not None and not before / JUMP <= after <= before * JUMP:
        change = Change(change.key, before, after, JUMPED)
    if change.reason and not (change.reason == JUMPED and _reviewed(change, rules)):
        made.held.append(change)
        return
    (made.added if before is None else made.changed).append(Change(change.key, before, after))
    made.rows[change.key] = row


def hold(made: Compared, keys: Iterable[Key], reason: str, force: Mapping[Key, Cells], rules: Rules) -> None:
    """Take rows out again: what is in force stays; what was reviewed stays in, except where it can be no offer."""
    for key in keys:
        moved = [c for c in (*made.added, *made.changed) if c.key == key]
        change = Change(key, cost(force.get(key)), cost(made.rows.get(key)), reason)
        if not moved or (reason == ODD and _reviewed(change, rules)):
            continue
        made.added = [c for c in made.added if c.key != key]
        made.changed = [c for c in made.changed if c.key != key]
        made.held.append(change)
        del made.rows[key]


def lose(made: Compared, keys: Iterable[Key], force: Mapping[Key, Cells]) -> None:
    """Take out what has no market: unlike what is held back for review, a price in force of it ends."""
    for key in keys:
        made.held.append(Change(key, cost(force.get(key)), cost(made.rows.pop(key)), NO_MARKET))
        moved = {c.key for c in (*made.added, *made.changed)}
        made.added = [c for c in made.added if c.key != key]
        made.changed = [c for c in made.changed if c.key != key]
        if key not in moved:
            made.same.remove(key)


def odd(added: Iterable[Change], force: Mapping[Key, Cells], nodes: Mapping[tuple[str, str], Node]) -> list[Key]:
    """New offers a hundred times off the median of the offers in force of their accelerator, per accelerator.

    The median is that of their kind; where there is none of it in force, that of on demand.
    """
    found, groups = [], dict[tuple[str, str], list[Decimal]]()
    for key, row in force.items() if added else ():
        groups.setdefault(_group(key, nodes), []).append(_each(cost(row), key, nodes))
    for change in added:
        name, kind = _group(change.key, nodes)
        known = groups.get((name, kind)) or groups.get((name, "on_demand"))
        each = _each(change.after, change.key, nodes)
        if name and known and not median(known) / ODD_TIMES <= each <= median(known) * ODD_TIMES:
            found.append(change.key)
    return found


def _group(key: Key, nodes: Mapping[tuple[str, str], Node]) -> tuple[str, str]:
    return nodes[key[0], key[2]].accelerator, packaged.options()[key[3]].kind


def _each(usd: Decimal | None, key: Key, nodes: Mapping[tuple[str, str], Node]) -> Decimal:
    return (usd or Decimal(0)) / max(1, nodes[key[0], key[2]].accelerators)


def without_market(rows: Mapping[Key, Cells]) -> list[Key]:
    """Spot at or above on demand of the same region and shape: no offer."""
    listed = {key[:3]: Decimal(row[USD]) for key, row in rows.items() if key[3] == "on_demand"}
    spot = [key for key in rows if key[3] == "spot" and key[:3] in listed]
    return [key for key in spot if Decimal(rows[key][USD]) >= listed[key[:3]]]


def vanished(
    force: Mapping[Key, Cells], there: Iterable[Key], covered: set[tuple[str, str]], rules: Rules
) -> tuple[list[Change], int]:
    """What the source had and has no more, and how many rows it was to have."""
    scope = [k for k, row in force.items() if (k[0], k[3]) in covered and (rules.own or row[BY] == rules.title)]
    left = set(there)
    return [Change(key, cost(force[key]), None) for key in scope if key not in left], len(scope)


def tombstone(change: Change, rules: Rules) -> Cells:
    """The row that ends an offer."""
    _, region, node, option = change.key
    day = rules.day.isoformat()
    return [region, node, option, "", "0", "0", day, rules.title, "0", day, rules.title]


def cost(row: Cells | None) -> Decimal | None:
    """Dollars an hour, with what is paid upfront spread over the term."""
    return None if row is None else _spread(Decimal(row[USD]), Decimal(row[UPFRONT]), row[2])


def _cost(price: Price, key: Key) -> Decimal:
    return _spread(price.usd_per_hour, price.upfront_usd, key[3])


def _spread(usd: Decimal, upfront: Decimal, option: str) -> Decimal:
    months = packaged.options()[option].term_months
    return _micro(usd + upfront / (months * HOURS_A_MONTH)) if upfront and months else _micro(usd)


def _by_key(prices: Iterable[Price]) -> dict[Key, list[Price]]:
    found: dict[Key, list[Price]] = {}
    for price in prices:
        if price.option not in packaged.options():
            raise FetchError(f"no such option: {price.option}", mend="report this: the importer is wrong")
        found.setdefault(price.key, []).append(price)
    return found


def _row(price: Price, before: Cells | None, rules: Rules) -> Cells:
    """Cells of a price from this day on; what the source does not tell stays, or is what stands for it."""
    kind = packaged.options()[price.option].kind
    zones = str(price.zones) if price.zones else before[ZONES] if before else _zones(price.provider, price.region)
    often = price.interruptions_per_month
    taken = plain(often) if often is not None else before[OFTEN] if before else _prior(price.provider, kind)
    usd, upfront = plain(_micro(price.usd_per_hour)), plain(_micro(price.upfront_usd))
    day = rules.day.isoformat()
    return [price.region, price.node, price.option, usd, zones, taken, day, rules.title, upfront, day, rules.title]


def _zones(provider: str, region: str) -> str:
    found = packaged.regions(provider).get((provider, region))
    return str(found.zones) if found else "1"


def _prior(provider: str, kind: str) -> str:
    return str(packaged.settings(provider)["spot_interruptions_per_month"]) if kind == "spot" else "0"


def _possible(row: Cells, key: Key) -> bool:
    usd, upfront, about = Decimal(row[USD]), Decimal(row[UPFRONT]), packaged.options()[key[3]]
    dollars = about.kind == "commitment" and mechanisms.mechanism(key[0], key[3]).unit != mechanisms.NODE
    paid = about.payment in {"partial_upfront", "all_upfront"} and not dollars  # a rate counts an hour, however paid
    total = cost(row) or Decimal(0)
    fits = (upfront > 0) == paid and (usd > 0 or (paid and about.payment == "all_upfront"))
    return fits and usd >= 0 and 0 < total * 1_000_000 <= check.DEAREST_MICRO_USD


def _outranks(before: Cells, rules: Rules) -> bool:
    """A provider's own list, not long ago, stands against a catalogue that others compile."""
    if rules.own or before[BY] not in rules.owners or not before[SEEN]:
        return False
    seen = (np.datetime64(rules.day) - np.datetime64(before[SEEN])).astype(int)
    return bool(seen <= STANDS_DAYS)


def _reviewed(change: Change, rules: Rules) -> bool:
    """It was held back before at this price, a fifth more or less: somebody has looked at it."""
    then = rules.reviewed.get(change.key)
    return then is not None and change.after is not None and abs(change.after - then) <= then / 5


def _micro(value: Decimal) -> Decimal:
    return value.quantize(MICRO, rounding=ROUND_HALF_EVEN)


def plain(value: Decimal) -> str:
    """A figure without exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
