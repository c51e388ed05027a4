"""Tables of cost: what was spent, or what may be, by month or day and whom it is for, as a ledger."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from costdata import cells
from costdata.errors import DataError

from ..errors import InputError
from ..finance import add_months
from ..money import MICRO
from ..table import Table
from .document import SCOPES, USD, Budgets
from .ledger import NAMES, Ledger

if TYPE_CHECKING:
    import os

Day = datetime.date
AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
MONTH = re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)
ACTUAL = "actual"  # the kind of its lines
LEAST_PATHS, MOST_PATHS = 20, 10**6
Row = dict[str, Any]


def read_actuals(
    path: str | os.PathLike[str], budgets: Budgets, as_of: Day | None = None, known: dict[str, set[str]] | None = None
) -> Ledger:
    """Actual cost of a CSV file: `period` (2027-03 or 2027-03-15), `amount`, and `team`, `workload`, `provider`.

    Args:
        path: of the file. `project` may be a column, too, else it follows from the workload; `currency` is that of the
            budgets where it is not given; credits are negative amounts.
        budgets: with currency, rates and projects.
        as_of: the day before which all is spent that the file says; the end of its last period without. A month that
            holds it is spent from its first day until then.
        known: names of each column; others are refused. None takes any.

    Raises:
        InputError: naming file, row, column and the mend.
    """
    rows = _read(path, budgets, known)
    start = min(row["period"][0] for row in rows)
    return ledger_of(rows, budgets, (start, as_of or max(row["period"][1] for row in rows)))


def read_paths(
    path: str | os.PathLike[str], budgets: Budgets, planned: Ledger, known: dict[str, set[str]] | None = None
) -> Ledger:
    """Futures of cost, equally probable: the columns of `read_actuals`, and `path`, the number of the future.

    Every path must have cost in every month of `planned` (cut to its days).

    Raises:
        InputError: naming file, row, column and the mend.
    """
    rows = _read(path, budgets, known, {"path": cells.Column(cells.whole(0, MOST_PATHS))})
    names = sorted({row["path"] for row in rows})
    name = Path(path).name
    if len(names) < LEAST_PATHS:
        mend = f"give {LEAST_PATHS} paths or more"
        raise InputError(f"holds {len(names)} paths: too few for an interval", where=name, mend=mend)
    _whole(rows, planned, name)
    inside = [r for r in rows if r["period"][0] < planned.end and r["period"][1] > planned.start]
    made = ledger_of(inside, budgets, (planned.start, planned.end))
    futures = np.zeros((len(names), len(inside)), dtype=np.int64)
    futures[[names.index(row["path"]) for row in inside], range(len(inside))] = made.micro_usd[0]
    chance = Fraction(1, len(names))
    basis = f"{len(names)} paths of {name}, equally probable"
    return dataclasses.replace(
        made, micro_usd=futures, probability=(chance,) * len(names), basis=basis, sampled=True, notes=()
    )


def _read(
    path: str | os.PathLike[str],
    budgets: Budgets,
    known: dict[str, set[str]] | None,
    more: dict[str, cells.Column] | None = None,
) -> list[Row]:
    """Rows of a file; each key once, a month as a whole or by days."""
    file, own = Path(path), more or {}
    columns = own | {
        "period": cells.Column(_period), "amount": cells.Column(_amount),
        "currency": cells.Column(_currency, budgets.currency),
        **{name: cells.Column(cells.text, "") for name in SCOPES},
    }  # fmt: skip
    try:
        rows = cells.rows(file, columns)
        cells.unique(rows, ("period", *SCOPES, "currency", *own))
    except DataError as error:
        raise InputError(error.message, where=error.where, mend=error.mend) from None
    if not rows:
        raise InputError("holds no row", where=file.name, mend="one row a period: period,amount")
    _not_both(rows, ("currency", *SCOPES, *own))
    for row in rows:
        for name, names in (known or {}).items():
            if row[name] and row[name] not in names:
                _unknown(row, name, names)
        row["project"] = row["project"] or budgets.project_of.get(row["workload"], "")
    return rows


def ledger_of(rows: list[Row], budgets: Budgets, days: tuple[Day, Day]) -> Ledger:
    """One future; periods are cut to the days, and all of their cost is in what is left of them."""
    start, end = days
    first = []
    for row in rows:
        if row["period"][0] >= end:
            said = f"{row['where']}, column period"
            mend = "give a later --as-of, or take it out"
            raise InputError(f"{row['period'][0]} is not before {end}", where=said, mend=mend)
        first.append(max(row["period"][0], start))
    return Ledger(
        start=start,
        end=end,
        first=np.array([day.toordinal() for day in first], dtype=np.int64),
        days=np.array(
            [(min(row["period"][1], end) - day).days for row, day in zip(rows, first, strict=True)], dtype=np.int64
        ),
        names=Table.from_records(NAMES, [[*(row[n] for n in SCOPES), ACTUAL] for row in rows]),
        micro_usd=np.array([[_micro(row, budgets) for row in rows]], dtype=np.int64),
        probability=(Fraction(1),),
        notes=tuple(_without(rows)),
    )


def _whole(rows: list[Row], planned: Ledger, name: str) -> None:
    """Each path has cost in each month of a plan."""
    told = {(row["path"], row["period"][0].year, row["period"][0].month) for row in rows}
    day = planned.start.replace(day=1)
    while day < planned.end:
        for path in sorted({row["path"] for row in rows}):
            if (path, day.year, day.month) not in told:
                mend = "give every path every month of the plan"
                raise InputError(f"path {path} has no cost in {day:%Y-%m}", where=name, mend=mend)
        day = add_months(day, 1)


def _micro(row: Row, budgets: Budgets) -> int:
    """Whole micro-dollars, half to even, at the rate of the period's first day."""
    amount = Fraction(row["amount"])
    if row["currency"] != USD:
        try:
            amount *= budgets.exchange.rate(row["currency"], USD, row["period"][0])
        except InputError as error:
            mend = f"{error.mend} to `rates` of the budgets"
            raise InputError(error.message, where=f"{row['where']}: {error.where}", mend=mend) from None
    return round(amount * MICRO)


def _without(rows: Sequence[Row]) -> list[str]:
    """Notes on cost that no budget of a team, or of a workload, can see."""
    made = []
    for name in ("team", "workload"):
        count = sum(not row[name] for row in rows)
        if 0 < count < len(rows):
            made.append(f"{count} of {len(rows)} rows of actual cost name no {name}: no {name}'s budget counts them")
    return made


def _not_both(rows: Sequence[Row], names: Sequence[str]) -> None:
    """A month is told as a whole or by days, not both: its cost would count twice."""
    seen: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda r: (r["period"][0], r["period"][0] - r["period"][1])):
        first, last = row["period"]
        key = (first.year, first.month, *(row[n] for n in names))
        other = seen.setdefault(key, row)
        if (last - first).days == 1 != (other["period"][1] - other["period"][0]).days:
            said = f"is a day of a month that {other['where']} tells as a whole"
            raise InputError(said, where=f"{row['where']}, column period", mend="keep the days or the month")


def _unknown(row: Row, name: str, names: set[str]) -> None:
    from ..enumerate.names import nearest

    where = f"{row['where']}, column {name}"
    mend = f"{nearest(row[name], names)} (or `unknown: ignore` in the budgets)"
    raise InputError(f"the plan has no {name} {row[name]!r:.80}", where=where, mend=mend)


def _period(cell: cells.Cell) -> tuple[Day, Day]:
    """A month or a day as its first day and the day after it."""
    try:
        if MONTH.fullmatch(cell.text):
            first = Day.fromisoformat(f"{cell.text}-01")
            return first, add_months(first, 1)
        if cells.DAY.fullmatch(cell.text):
            first = Day.fromisoformat(cell.text)
            return first, first + datetime.timedelta(days=1)
    except (ValueError, OverflowError):
        pass
    raise cell.refused(f"{cell.text!r:.40} is no month or day", "write 2027-03 or 2027-03-15")


def _amount(cell: cells.Cell) -> Decimal:
    """An amount, below zero for a credit."""
    if not AMOUNT.fullmatch(cell.text):
        raise cell.refused(f"{cell.text!r:.40} is no amount", "write digits and at most one point: 1234.56")
    return Decimal(cell.text)


def _currency(cell: cells.Cell) -> str:
    """Three capital letters."""
    if not re.fullmatch("[A-Z]{3}", cell.text):
        raise cell.refused(f"{cell.text!r:.40} is no currency", "three capital letters, such as EUR")
    return cell.text
