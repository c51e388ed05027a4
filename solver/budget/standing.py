"""Where each budget stands: spent, still to come, the estimate at completion with its interval, and what may go wrong.

The estimate is what was spent before a day (actuals) and what is planned, or forecast, from then on. Its interval and
the probability of a breach are those of the futures given: the plan's own, or paths of a forecast.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..finance import add_months
from .document import FULL, SEVERITIES, Alert, BudgetFile, Severity
from .ledger import Ledger
from .limits import Limit, limits

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, np.dtype[Any]]
Day = datetime.date
LEVEL = Fraction(9, 10)
RECENT_DAYS = 30  # that the rate of spending is a mean of
SURE = 0.95  # of the interval of a sampled probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All that is known of cost: what was spent, what is to come as expected, and the futures it may come in."""

    planned: Ledger  # one future
    actual: Ledger | None = None
    futures: Ledger | None = None  # of the same days as `planned`; None: only one is known

    @property
    def turn(self) -> Day:
        """The day from which cost is planned and no more spent."""
        return self.planned.start if self.actual is None else max(self.actual.end, self.planned.start)

    @property
    def spans(self) -> list[tuple[Day, Day]]:
        """Days with known cost: those spent, then those planned."""
        spent = [] if self.actual is None else [(self.actual.start, self.actual.end)]
        return [(s, e) for s, e in (*spent, (self.turn, self.planned.end)) if s < e]

    def spent(self, scope: dict[str, str], start: Day, end: Day) -> int:
        """Micro-dollars of actual cost."""
        if self.actual is None:
            return 0
        return int(self.actual.cost(self.actual.mask(**scope), start, max(start, min(end, self.actual.end)))[0])

    def to_come(self, ledger: Ledger, scope: dict[str, str], start: Day, end: Day) -> Array:
        """Micro-dollars after the turn, in each future of a ledger, int64 [F]."""
        low, high = max(start, self.turn), min(end, ledger.end)
        return ledger.cost(ledger.mask(**scope), low, max(low, high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One budget in one period. Amounts in micro-dollars; None where nothing is known of it."""

    limit: Limit
    spent: int
    to_come: int
    lower: int | None = None  # of the estimate
    upper: int | None = None
    probability: Fraction | None = None  # that the estimate is above what is allowed
    probability_interval: tuple[float, float] | None = None  # of a sampled one
    overrun: Fraction | None = None  # expected: the mean of what is above, 0 where nothing is
    spent_per_day: Fraction | None = None  # over the last days of actual cost
    to_come_per_day: Fraction | None = None
    exhausted: Day | None = None  # the day on which the amount is used up, as expected
    exhausted_early: Day | None = None  # as early as that in one of so many futures
    alerts: tuple[Alert, ...] = ()

    @property
    def estimate(self) -> int:
        """Cost of the days covered."""
        return self.spent + self.to_come

    @property
    def over(self) -> Fraction:
        """Beyond what is allowed; below 0 where some is left."""
        return self.estimate - self.limit.allowed_micro_usd

    @property
    def breached(self) -> bool:
        """Whether the estimate is above what is allowed; exactly at it is within."""
        return self.over > 0

    @property
    def severity(self) -> Severity | None:
        """Of the gravest alert."""
        return max((alert.level for alert in self.alerts), key=SEVERITIES.index, default=None)


def standings(file: BudgetFile, book: Book, level: Fraction = LEVEL) -> list[Standing]:
    """Every budget of a file in every period with known cost, in order.

    Args:
        file: the budgets.
        book: what is known of cost.
        level: of the intervals.
    """
    whole = book.planned.start, book.planned.end
    made = [standing(limit, book, level) for limit in limits(file.budgets, book.spans, whole)]
    return [dataclasses.replace(s, alerts=gone_off(file.budgets.alerts, s, book)) for s in made]


def standing(limit: Limit, book: Book, level: Fraction = LEVEL) -> Standing:
    """One of them."""
    scope, period, planned = limit.budget.names, limit.period, book.planned
    spent = book.spent(scope, period.start, period.end)
    to_come = int(book.to_come(planned, scope, period.start, period.end)[0])
    dates = exhaustion(limit, book, planned)
    parts: dict[str, Any] = {"exhausted": dates[0], **_rates(limit, book, to_come)}
    futures = book.futures
    if futures is not None and len(futures.probability) > 1:
        cost = spent + book.to_come(futures, scope, period.start, period.end)
        parts |= outlook(cost, futures, limit.allowed_micro_usd, level)
        early = (1 - level) / 2
        days = [day or Day.max for day in exhaustion(limit, book, futures)]
        first = quantile(days, futures.probability, early)
        parts["exhausted_early"] = None if first == Day.max else first
    return Standing(limit=limit, spent=spent, to_come=to_come, **parts)


def outlook(cost: Array, futures: Ledger, allowed: Fraction, level: Fraction) -> dict[str, Any]:
    """Interval, probability of a breach and expected overrun of a cost in each future [F]."""
    values, chances = cost.tolist(), futures.probability
    over = [max(Fraction(0), value - allowed) for value in values]
    probability = sum((p for p, x in zip(chances, over, strict=True) if x), Fraction(0))
    return {
        "lower": quantile(values, chances, (1 - level) / 2),
        "upper": quantile(values, chances, (1 + level) / 2),
        "probability": probability,
        "probability_interval": interval(sum(map(bool, over)), len(over)) if futures.sampled else None,
        "overrun": sum((p * x for p, x in zip(chances, over, strict=True)), Fraction(0)),
    }


def quantile(values: Sequence[Any], probability: Sequence[Fraction], share: Fraction) -> Any:
    """The least value that so much of the probability is at or below."""
    passed = Fraction(0)
    ordered = sorted(zip(values, probability, strict=True))
    for value, p in ordered:
        passed += p
        if passed >= share and p:
            return value
    return ordered[-1][0]


def interval(hits: int, draws: int, sure: float = SURE) -> tuple[float, float]:
    """Between what a probability lies of which `draws` independent draws hit `hits` times (Clopper and Pearson)."""
    from scipy.stats import beta

    tail = (1 - sure) / 2
    low = beta.ppf(tail, hits, draws - hits + 1) if hits else 0.0
    high = beta.ppf(1 - tail, hits + 1, draws - hits) if hits < draws else 1.0
    return float(low), float(high)


def exhaustion(limit: Limit, book: Book, ledger: Ledger) -> list[Day | None]:
    """In each future the first day by whose end more than the amount is spent; None when it lasts.

    None, too, where the cost of a day between the start of the period and then is not known.
    """
    start, end, scope = limit.period.start, limit.period.end, limit.budget.names
    made: list[Day | None] = [None] * len(ledger.probability)
    known = start
    for low, high in book.spans:  # days whose cost is known without a gap
        known = max(known, high) if low <= known else known
    passed = np.zeros(len(made), dtype=np.int64)
    for low, high in pairwise(_steps(start, min(end, known))):
        after = passed + _cost(book, ledger, scope, low, high)
        for f in np.flatnonzero(after > math.floor(limit.amount_micro_usd)).tolist():
            made[f] = made[f] or _day(limit, book, ledger, f, (low, high), int(passed[f]))
        passed = after
        if all(made):
            break
    return made


def _day(limit: Limit, book: Book, ledger: Ledger, f: int, days: tuple[Day, Day], passed: int) -> Day:
    """The day within a step on which a future's cost passes the amount."""
    low, high = days
    one = dataclasses.replace(ledger, micro_usd=ledger.micro_usd[[f]], probability=(Fraction(1),))
    while (high - low).days > 1:
        middle = low + (high - low) // 2
        cost = int(_cost(book, one, limit.budget.names, low, middle)[0])
        low, high, passed = (
            (low, middle, passed) if passed + cost > limit.amount_micro_usd else (middle, high, passed + cost)
        )
    return low


def _steps(start: Day, end: Day) -> list[Day]:
    """Both days and the firsts of months between."""
    made, day = [start], add_months(start.replace(day=1), 1)
    while day < end:
        made.append(day)
        day = add_months(day, 1)
    return [*made, end] if start < end else []


def _cost(book: Book, ledger: Ledger, scope: dict[str, str], start: Day, end: Day) -> Array:
    """Spent and to come between two days, in each future."""
    return book.spent(scope, start, end) + book.to_come(ledger, scope, start, end)


def _rates(limit: Limit, book: Book, to_come: int) -> dict[str, Fraction]:
    """Micro-dollars a day: of the last days spent, and of those to come."""
    made, period, actual = {}, limit.period, book.actual
    if actual is not None:
        last = min(actual.end, period.end)
        first = max(actual.start, period.start, last - datetime.timedelta(days=RECENT_DAYS))
        if first < last:
            made["spent_per_day"] = Fraction(book.spent(limit.budget.names, first, last), (last - first).days)
    left = (min(period.end, book.planned.end) - max(period.start, book.turn)).days
    if left > 0:
        made["to_come_per_day"] = Fraction(to_come, left)
    return made


def gone_off(alerts: Sequence[Alert], found: Standing, book: Book) -> tuple[Alert, ...]:
    """Alerts whose threshold is passed: of actual cost against the whole amount, of the estimate against the days known."""  # noqa: E501

    def passed(alert: Alert) -> bool:
        share = Fraction(str(alert.at_percent)) / FULL
        if alert.of == "forecast":
            return found.estimate > share * found.limit.allowed_micro_usd
        return book.actual is not None and found.spent > share * found.limit.amount_micro_usd

    return tuple(alert for alert in alerts if passed(alert))
