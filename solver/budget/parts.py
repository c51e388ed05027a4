"""Cost by fiscal month and team, project, workload or provider: parts that add up to the whole, to the micro-dollar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..table import Table
from .document import SCOPES

if TYPE_CHECKING:
    from ..finance import FiscalCalendar
    from .standing import Book

NOBODY = "(none)"
COLUMNS = ("spent_micro_usd", "to_come_micro_usd", "micro_usd")


def parts(book: Book, fiscal: FiscalCalendar, by: str) -> Table:
    """Rows of period, name, spent_micro_usd, to_come_micro_usd and micro_usd (both), in order; those of nothing left out.

    What belongs to no name is "(none)": idle commitments have no team, and workloads may have no project.

    Raises:
        InputError: there is no such `by`.
    """  # noqa: E501
    if by not in SCOPES:
        raise InputError(f"there are no parts by {by!r:.40}", where="--by", mend=f"one of {', '.join(SCOPES)}")
    ledgers = [] if book.actual is None else [(book.actual, book.actual.start, book.actual.end)]
    ledgers.append((book.planned, book.turn, max(book.turn, book.planned.end)))
    names = sorted({str(n) for held, _, _ in ledgers for n in held.names[by].tolist()}, key=lambda n: (not n, n))
    rows = []
    for period in fiscal.periods(min(s for s, _ in book.spans), max(e for _, e in book.spans)):
        for name in names:
            amounts = [0, 0]
            for held, start, end in ledgers:
                low, high = max(start, period.start), min(end, period.end)
                if low < high:
                    mine = np.asarray(held.names[by] == name)
                    amounts[int(held is book.planned)] += int(held.cost(mine, low, high)[0])
            if any(amounts):
                rows.append((period.label, name or NOBODY, *amounts, sum(amounts)))
    return Table.from_records(("period", by, *COLUMNS), rows)
