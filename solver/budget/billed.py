"""What was spent, from a bill in FOCUS: its cells by day, team, project, workload and provider, as a ledger.

Everything the bill charges counts, taxes, credits and corrections with it, on the day its charge begins: what a budget
of everything sees is the bill, to the micro-dollar.
"""

from __future__ import annotations

import dataclasses
import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .actual import Row, ledger_of
from .document import SCOPES, Budgets

if TYPE_CHECKING:
    from ..actuals import Bill
    from .ledger import Ledger

Day = datetime.date
ATTO = 10**18
VIEWS = {"amortised": "effective", "cash": "billed"}


def from_bill(bill: Bill, budgets: Budgets, accounting: str, as_of: Day | None = None) -> Ledger:
    """The ledger of a bill that was read with days as its grain.

    Args:
        bill: from `solver.actuals.read_bill(..., grain="day")`.
        budgets: with rates, and projects for cells whose workload has one and that name none.
        accounting: "amortised" counts what is effective, "cash" what is billed.
        as_of: the day before which all is billed; by default the end of the latest usage.

    Raises:
        InputError: no cells, another grain, or a currency without a rate.
    """
    where = ", ".join(bill.files)
    if bill.grain != "day":
        raise InputError(f"the bill is by {bill.grain}", where=where, mend='read it with grain="day"')
    rows = [_row(key, atto, budgets, where) for key, atto in _summed(bill, VIEWS[accounting]).items()]
    if not rows:
        raise InputError("the bill charges nothing", where=where, mend="give one with usage")
    start = min(row["period"][0] for row in rows)
    end = as_of or max(_usage_until(bill) or Day.min, *(row["period"][1] for row in rows))
    made = ledger_of(rows, budgets, (start, end))
    return dataclasses.replace(made, notes=(*made.notes, *bill.notes))


def _summed(bill: Bill, view: str) -> dict[tuple[str, ...], int]:
    """Exact amounts by day, scope and currency, in 1e-18 units."""
    made: dict[tuple[str, ...], int] = {}
    columns = (bill.cells[name].tolist() for name in ("time", *SCOPES, "currency", view))
    for *key, atto in zip(*columns, strict=True):
        made[tuple(key)] = made.get(tuple(key), 0) + int(atto)
    return {key: atto for key, atto in made.items() if atto}


def _row(key: tuple[str, ...], atto: int, budgets: Budgets, where: str) -> Row:
    time, *scope, currency = key
    day = Day.fromisoformat(time)
    row: dict[str, Any] = dict(zip(SCOPES, scope, strict=True))
    row["project"] = row["project"] or budgets.project_of.get(row["workload"], "")
    return row | {
        "period": (day, day + datetime.timedelta(days=1)), "amount": Fraction(atto, ATTO), "currency": currency,
        "where": f"{where}, {time}",
    }  # fmt: skip


def _usage_until(bill: Bill) -> Day | None:
    """The day by whose begin all usage of the bill has ended."""
    if not bill.until:
        return None
    end = datetime.datetime.fromisoformat(max(bill.until.values()))
    day = end.date()
    return day if end.time() == datetime.time() else day + datetime.timedelta(days=1)
