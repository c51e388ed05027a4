"""What is to come as a forecast of what was spent: daily actual cost becomes paths of daily cost, each a future.

It knows what was spent and nothing of the plan: what the plan adds or ends after that day is not in it.
"""

from __future__ import annotations

import dataclasses
import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..forecast import History, forecast
from ..money import MICRO
from ..table import Table
from .demand import basis_of
from .ledger import NAMES

if TYPE_CHECKING:
    from .ledger import Ledger

Array = np.ndarray[Any, np.dtype[Any]]
PATHS = 200


def ahead(planned: Ledger, actual: Ledger, *, paths: int = PATHS, level: float = 0.9, seed: int = 0) -> Ledger:
    """Futures [F] of daily cost until a plan's end, F the paths; a series is what has the same team, workload, ….

    Raises:
        InputError: actual cost is not daily, a day is missing or below zero, or the plan has ended.
    """
    days = (planned.end - actual.end).days
    if days < 1:
        raise InputError(f"actual cost ends {actual.end}, as does the plan or before", where="forecast", mend="")
    history, keys = _history(actual)
    made = forecast(history, days, level=level, paths=paths, seed=seed)
    cost = np.rint(made.paths * MICRO).astype(np.int64)  # [F, days, N]
    first = actual.end.toordinal() + np.repeat(np.arange(days), len(keys))
    return dataclasses.replace(
        planned,
        first=first,
        days=np.ones(len(first), dtype=np.int64),
        names=Table.from_records(NAMES, [list(key) for _ in range(days) for key in keys]),
        micro_usd=cost.reshape(len(cost), -1),
        probability=(Fraction(1, len(cost)),) * len(cost),
        basis=basis_of(made, f"{len(history.times)} days of actual cost"),
        sampled=True,
        notes=(*planned.notes, *made.notes),
    )


def _history(actual: Ledger) -> tuple[History, list[tuple[str, ...]]]:
    """Dollars by day [T, N], and whom each series is for."""
    if (actual.days > 1).any():
        raise InputError("actual cost is by months", where="forecast", mend="give days, or use --pace")
    rows = list(zip(*(actual.names[name].tolist() for name in NAMES), strict=True))
    keys = sorted(set(rows))
    values = np.zeros(((actual.end - actual.start).days, len(keys)))
    day = actual.first - actual.start.toordinal()
    series = np.array([keys.index(row) for row in rows], dtype=np.int64)
    np.add.at(values, (day, series), actual.micro_usd[0] / MICRO)
    if (values < 0).any():
        when = actual.start + datetime.timedelta(days=int(np.argmax((values < 0).any(axis=1))))
        raise InputError(f"cost is below 0 on {when}", where="forecast", mend="leave credits out, or use --pace")
    missing = np.flatnonzero(np.bincount(day, minlength=len(values)) == 0)
    if len(missing):
        when = actual.start + datetime.timedelta(days=int(missing[0]))
        raise InputError(f"no cost on {when}", where="forecast", mend="give every day, with 0 where nothing was spent")
    times = np.datetime64(actual.start, "D") + np.arange(len(values))
    names = tuple(" / ".join(filter(None, key[:-1])) or "all" for key in keys)
    return History(times=times, series=names, values=values, unit="USD"), keys
