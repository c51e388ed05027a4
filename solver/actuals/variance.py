"""Planned against actual: every micro-dollar of the difference belongs to a line and a cause, and they add up exactly.

Both sides are bills (see `export.planned_bill`), so that the same rules say what a row is. Lines are (month, workload,
what, place); those of a workload, month and what (machines, transfer) are taken together. With quantities `q` and costs
`c` of a place j (0 planned, 1 actual), `p = c/q`, `Q` the sum over places on both sides, `s⁰ⱼ = q⁰ⱼ/Q⁰`, in order:

    volume   = (Q¹ − Q⁰) s⁰ⱼ p⁰ⱼ            more or less in all, in the planned mix at planned prices
    mix      = (q¹ⱼ − Q¹ s⁰ⱼ) p⁰ⱼ           other places than planned, at planned prices
    coverage = Σₒ p⁰ⱼₒ q¹ⱼₒ − p⁰ⱼ q¹ⱼ       bought otherwise (on demand, spot, committed), at planned prices
    price    = c¹ⱼ − Σₒ p⁰ⱼₒ q¹ⱼₒ           other prices, on actual quantities

A way of buying that was not planned has no planned price: its own is taken, and all of it is coverage.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from ..errors import InputError
from ..finance import MissingRateError, Rates, StaleRateError
from ..money import to_usd
from ..table import Table
from .bill import Bill
from .faults import PLACES
from .parse import hours_of
from .planned import IDLE, bounds

View = Literal["amortised", "cash"]
VIEWS = {"amortised": "effective", "cash": "billed"}
CAUSES = (
    *("price", "volume", "mix", "coverage", "utilisation", "purchases", "unplanned", "unbilled", "credits"),
    *("corrections", "tax", "currency", "internal", "unsplit"),
)
PLACE = ("period", "workload", "team", "what", "provider", "region", "node")
COLUMNS = (*PLACE, "planned_micro_usd", "actual_micro_usd", "reason", *(f"{c}_micro_usd" for c in CAUSES))
USE = (
    *("period", "provider", "region", "node", "planned_used", "planned_unused", "planned_on_demand"),
    *("actual_used", "actual_unused", "actual_on_demand"),
)
NOTHING = Fraction(0)
ATTO = 10 ** (PLACES - 6)  # of a micro-dollar
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was planned, what came, and why they differ, in whole micro-dollars.

    - lines: PLACE, planned_micro_usd, actual_micro_usd, reason (why a line is unplanned), and one column a cause
    - use: of commitments by month and pool: hours used and unused of them, and on demand in the same pool (fractions)
    - awaited: planned months that no file has charges of: not compared
    """

    view: View
    months: tuple[str, ...]
    awaited: dict[str, int]
    lines: Table
    use: Table
    notes: tuple[str, ...]

    @property
    def planned_micro_usd(self) -> int:
        """Planned for the months compared."""
        return sum(self.lines["planned_micro_usd"].tolist())

    @property
    def actual_micro_usd(self) -> int:
        """Billed in the months compared."""
        return sum(self.lines["actual_micro_usd"].tolist())

    @property
    def difference_usd(self) -> Decimal:
        """Actual less planned: the sum of all causes."""
        return to_usd(self.actual_micro_usd - self.planned_micro_usd)

    def by(self, *columns: str) -> Table:
        """Planned, actual and causes summed by some of PLACE, the largest difference first; () is the total."""
        if unknown := set(columns) - set(PLACE):
            raise InputError(f"no column {min(unknown)!r}", where="by", mend=f"some of {', '.join(PLACE)}")
        amounts = [c for c in COLUMNS if c.endswith("micro_usd")]
        sums: dict[Key, list[int]] = {}
        for row in self.lines.records():
            at = sums.setdefault(tuple(row[c] for c in columns), [0] * len(amounts))
            for i, name in enumerate(amounts):
                at[i] += row[name]
        order = sorted(sums, key=lambda k: (-abs(sums[k][1] - sums[k][0]), k))
        return Table.from_records((*columns, *amounts), [(*k, *sums[k]) for k in order])


@dataclass(slots=True)
class _Cell:
    """Cells of one side that a line is made of."""

    now: int = 0  # micro-dollars
    currency: int = 0  # of it, from rates other than the plan's
    hours: dict[str, Fraction] = field(default_factory=dict)  # by how they were bought
    costs: dict[str, int] = field(default_factory=dict)
    unmeasured: bool = False

    @property
    def cost(self) -> int:
        """At the plan's rates of exchange."""
        return self.now - self.currency


def compare(
    planned: Bill, actual: Bill, *, view: View = "amortised", rates: Rates | None = None, plan_day: date | None = None
) -> Comparison:
    """Compare a bill with a plan's over the months that the bill has charges of.

    Args:
        planned: from `planned_bill`, in dollars.
        actual: from `read_bill`.
        view: amortised (EffectiveCost) or cash (BilledCost); that of the plan's accounting compares like with like.
        rates: dated rates, where the bill is not in dollars; a charge is converted on the last day of its period.
        plan_day: the day whose rates the plan was made with: what rates have done since is the cause `currency`.

    Raises:
        InputError: a currency without a rate.
    """
    if view not in VIEWS:
        raise InputError(f"{view!r} is no view", where="compare", mend=f"one of {', '.join(VIEWS)}")
    months = actual.months
    teams = {str(w): str(t) for w, t in zip(planned.cells["workload"], planned.cells["team"], strict=True) if w}
    notes: list[str] = []
    sides = [
        _Side(bill, VIEWS[view], teams, _Exchange(rates, plan_day, notes), months) for bill in (planned, actual)
    ]  # the same labels on both sides
    lines = _Lines(sides[0].cells, sides[1].cells, set(planned.months))
    awaited: dict[str, int] = defaultdict(int)
    for month, atto in zip(planned.cells["period"], planned.cells[VIEWS[view]], strict=True):
        awaited[str(month)] += 0 if month in months else atto
    return Comparison(
        view=view,
        months=months,
        awaited={m: round(Fraction(v, ATTO)) for m, v in sorted(awaited.items()) if m not in months},
        lines=Table.from_records(COLUMNS, lines.rows()),
        use=_use(*(side.use for side in sides)),
        notes=tuple(dict.fromkeys((*notes, *_partial(actual)))),
    )


def _partial(bill: Bill) -> list[str]:
    """Months that the bill ends in the middle of."""
    made = []
    for month, until in bill.until.items():
        end = f"{bounds(month)[1]:%Y-%m-%dT%H:%MZ}"
        if until < end:
            made.append(f"{month}: the bill's usage ends {until}, the plan's month {end}")
    return made


class _Exchange:
    """Micro-dollars of amounts of any currency, on a day and on the plan's."""

    def __init__(self, rates: Rates | None, plan_day: date | None, notes: list[str]) -> None:
        self._rates, self._day, self._notes = rates, plan_day, notes

    def micro(self, atto: int, row: dict[str, Any]) -> tuple[Fraction, Fraction]:
        """At the rate of the day of a cell, and what of it is due to another rate on the plan's day."""
        amount, currency = Fraction(atto, ATTO), str(row["currency"])
        if currency == "USD":
            return amount, NOTHING
        on = last_day(row)
        if self._rates is None:
            mend = "give dated rates of exchange, such as --rates rates.csv"
            raise MissingRateError(f"amounts in {currency}, no rate to USD", where=f"bill, {on:%Y-%m}", mend=mend)
        now = amount * self._rates.rate(currency, "USD", on)
        if self._day is None:
            return now, Fraction(0)
        try:
            then = amount * self._rates.rate(currency, "USD", self._day)
        except (MissingRateError, StaleRateError):
            self._notes.append(f"no rate of {currency} on the plan's day {self._day}: its changes are part of price")
            return now, Fraction(0)
        return now, now - then


class _Side:
    """One side's cells by line."""

    def __init__(
        self, bill: Bill, view: str, teams: dict[str, str], exchange: _Exchange, months: Sequence[str]
    ) -> None:
        self.cells: dict[tuple[str, Key], _Cell] = defaultdict(_Cell)  # (bucket, PLACE)
        self.use: dict[Key, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 3)
        rows = [r for r in bill.cells.records() if r["period"] in months]
        money = [exchange.micro(int(r[view]), r) for r in rows]
        parts = whole_parts([now for now, _ in money])
        for row, micro, (_, moved) in zip(rows, parts, money, strict=True):
            bucket = bucket_of(row)
            at = self.cells[bucket, _place(row, bucket, teams)]
            at.now += micro
            at.currency += round(moved)
            if bucket == "usage":
                self._measure(at, row, micro - round(moved))
            self._count(row, bucket)

    @staticmethod
    def _measure(at: _Cell, row: dict[str, Any], cost: int) -> None:
        bought, quantity = str(row["bought"]), quantity_of(row)
        at.costs[bought] = at.costs.get(bought, 0) + cost
        if quantity is None:
            at.unmeasured |= bool(cost)
        else:
            at.hours[bought] = at.hours.get(bought, Fraction(0)) + quantity

    def _count(self, row: dict[str, Any], bucket: str) -> None:
        """Hours of commitments used and unused, and those on demand."""
        quantity = quantity_of(row)
        if row["what"] != "compute" or quantity is None or bucket not in ("usage", "utilisation"):
            return
        place = 1 if bucket == "utilisation" else {"committed": 0, "on_demand": 2}.get(str(row["bought"]))
        if place is not None:
            self.use[tuple(str(row[c]) for c in USE[:4])][place] += quantity


def quantity_of(row: dict[str, Any]) -> Fraction | None:
    """Node-hours of a cell of machines, units of one of transfer; None where it is not known."""
    if row["unmeasured"]:
        return None
    quantity = Fraction(int(row["quantity"]), 10**PLACES)
    if row["what"] != "compute":
        return quantity if row["unit"] != "Months" else None
    each = hours_of(str(row["unit"]))
    return None if each is None else quantity * each


def bucket_of(row: dict[str, Any]) -> str:
    """What a cell counts as: usage that can be explained further, or a cause of its own."""
    if row["what"] == "internal":
        return "internal"
    if row["correction"]:
        return "corrections"
    named = {"tax": "tax", "credit": "credits", "adjustment": "credits", "purchase": "purchases"}
    return named.get(str(row["category"]), "utilisation" if row["status"] == "unused" else "usage")


def last_day(row: dict[str, Any]) -> date:
    """The last day of a cell's month, or its day where time is kept finer."""
    if row["time"]:
        return date.fromisoformat(str(row["time"])[:10])
    return (bounds(str(row["period"]))[1] - timedelta(days=1)).date()


def whole_parts(values: Sequence[Fraction]) -> list[int]:
    """Whole numbers next to exact values of either sign; their sum is the rounded sum of these (largest remainder)."""
    scale = math.lcm(*(v.denominator for v in values))
    units = [v.numerator * (scale // v.denominator) for v in values]  # whole numbers sort faster than fractions
    floors = [u // scale for u in units]
    left = round(Fraction(sum(units), scale)) - sum(floors)
    order = sorted(range(len(units)), key=lambda i: (floors[i] * scale - units[i], i))
    for i in order[:left]:
        floors[i] += 1
    return floors


def _place(row: dict[str, Any], bucket: str, teams: dict[str, str]) -> Key:
    workload = IDLE if bucket in ("utilisation", "purchases") else str(row["workload"])
    team = teams.get(workload, str(row["team"])) if workload != IDLE else ""
    what = str(row["what"]) if bucket == "usage" else bucket
    node = str(row["node"]) if what != "transfer" else ""
    return (str(row["period"]), workload, team, what, str(row["provider"]), str(row["region"]), node)


class _Lines:
    """Lines of both sides, and the causes of their differences."""

    def __init__(self, old: dict[tuple[str, Key], _Cell], new: dict[tuple[str, Key], _Cell], months: set[str]) -> None:
        self.old, self.new, self.months = old, new, months
        planned = [place for bucket, place in old if bucket == "usage"]
        self.workloads = {(p[0], p[1]) for p in planned}
        self.pools = {(p[0], *p[4:]) for bucket, p in old if bucket in ("utilisation", "purchases", "usage")}
        self.billed = {(p[0], *p[4:]) for bucket, p in new if bucket in ("utilisation", "purchases", "usage")}

    def rows(self) -> list[tuple[Any, ...]]:
        """All lines, in a fixed order."""
        groups: dict[Key, list[Key]] = defaultdict(list)
        made = []
        for bucket, place in sorted({*self.old, *self.new}):
            if bucket == "usage":
                groups[place[:4]].append(place)
            else:
                made.append(self._alone(bucket, place))
        for places in groups.values():
            made += self._usage(places)
        return sorted(made, key=lambda row: row[: len(PLACE)])

    def _of(self, bucket: str, place: Key) -> tuple[_Cell, _Cell]:
        return self.old.get((bucket, place), _Cell()), self.new.get((bucket, place), _Cell())

    def _alone(self, bucket: str, place: Key) -> tuple[Any, ...]:
        """A line whose difference has one cause."""
        old, new = self._of(bucket, place)
        cause, reason = bucket, ""
        pool = (place[0], *place[4:])
        if bucket in ("utilisation", "purchases"):
            if pool not in self.pools:
                cause, reason = "unplanned", "a commitment that is not in the plan"
            elif pool not in self.billed:
                cause = "unbilled"
        return _row(place, old, new, {cause: new.cost - old.cost}, reason)

    def _usage(self, places: list[Key]) -> Iterable[tuple[Any, ...]]:
        """Lines of a workload, month and what."""
        both = [p for p in places if ("usage", p) in self.old and ("usage", p) in self.new]
        split = [p for p in both if all(_measured(c) for c in self._of("usage", p))]
        totals = [
            sum((sum(self._of("usage", p)[i].hours.values(), Fraction(0)) for p in split), Fraction(0)) for i in (0, 1)
        ]
        for place in places:
            old, new = self._of("usage", place)
            if place in split:
                yield _row(place, old, new, _causes(old, new, totals[0], totals[1]))
            elif place in both:
                yield _row(place, old, new, {"unsplit": new.cost - old.cost})
            elif ("usage", place) in self.old:
                yield _row(place, old, new, {"unbilled": new.cost - old.cost})
            else:
                yield _row(place, old, new, {"unplanned": new.cost - old.cost}, self._why(place))

    def _why(self, place: Key) -> str:
        """Why a charge is not planned."""
        month, workload, _, what, *_ = place
        if month not in self.months:
            return "a month outside the plan"
        if not workload:
            return "no tag names a workload"
        if what == "other":
            return "neither machines nor transfer"
        if (month, workload) not in self.workloads:
            return "a workload that is not in the plan"
        return "a place that the plan does not use for it"


def _measured(cell: _Cell) -> bool:
    """Whether every cost of a cell has a quantity."""
    return (
        not cell.unmeasured
        and all(cell.hours.get(b, 0) > 0 for b, cost in cell.costs.items() if cost)
        and (sum(cell.hours.values(), Fraction(0)) > 0)
    )


def _causes(old: _Cell, new: _Cell, all_old: Fraction, all_new: Fraction) -> dict[str, int]:
    """Volume, mix, coverage and, as the rest, price."""
    q0, q1 = (sum(c.hours.values(), Fraction(0)) for c in (old, new))
    price = Fraction(old.cost) / q0
    share = q0 / all_old
    at_planned = Fraction(0)
    for bought, hours in new.hours.items():
        planned = old.hours.get(bought)
        each = Fraction(old.costs.get(bought, 0)) / planned if planned else None
        at_planned += new.costs.get(bought, 0) if each is None else each * hours
    made = {
        "volume": round((all_new - all_old) * share * price),
        "mix": round((q1 - all_new * share) * price),
        "coverage": round(at_planned - price * q1),
    }
    return made | {"price": new.cost - old.cost - sum(made.values())}


def _row(place: Key, old: _Cell, new: _Cell, causes: dict[str, int], reason: str = "") -> tuple[Any, ...]:
    causes = causes | {"currency": new.currency - old.currency}
    return (*place, old.now, new.now, reason, *(causes.get(c, 0) for c in CAUSES))


def _use(planned: dict[Key, list[Fraction]], actual: dict[Key, list[Fraction]]) -> Table:
    """Pools with commitments on either side."""
    none = [Fraction(0)] * 3
    sides = (planned, actual)
    found = sorted(k for k in {*planned, *actual} if any(sum(side.get(k, none)[:2]) for side in sides))
    return Table.from_records(USE, [(*k, *planned.get(k, none), *actual.get(k, none)) for k in found])


def utilisation(used: Fraction, unused: Fraction) -> Fraction | None:
    """Share of what was committed that was used."""
    return used / (used + unused) if used + unused else None


def coverage(used: Fraction, on_demand: Fraction) -> Fraction | None:
    """Share of the hours that could be covered by a commitment that were."""
    return used / (used + on_demand) if used + on_demand else None
