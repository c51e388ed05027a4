"""The rest of a plan at the pace of what was spent: each past month's share of its plan is one future of the rest.

Three whole months that cost 90, 100 and 120 % of what was planned for them make three futures, as probable as one
another, in which all that is still to come costs 90, 100 or 120 % of its plan: what was off is taken to last. Teams
go their own ways, month by month together, where all actual cost names its team.
"""

from __future__ import annotations

import dataclasses
import datetime
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..finance import add_months

if TYPE_CHECKING:
    from .ledger import Ledger

Day = datetime.date
LEAST_MONTHS = 3


def at_pace(planned: Ledger, actual: Ledger) -> Ledger:
    """Futures of the planned lines [F, L], F the whole months that were both planned and spent.

    Raises:
        InputError: fewer than three such months, or one for which nothing was planned.
    """
    months = _months(max(planned.start, actual.start), min(planned.end, actual.end))
    if len(months) < LEAST_MONTHS:
        mend = f"give actual cost of {LEAST_MONTHS} whole months of the plan, or leave --pace out"
        raise InputError(f"{len(months)} whole months were planned and spent: too few", where="pace", mend=mend)
    everything = _shares(planned, actual, months, "")
    if everything is None:
        raise InputError("a month was spent for which nothing was planned", where="pace", mend="leave --pace out")
    own = [] if "" in actual.names["team"].tolist() else sorted(set(planned.names["team"].tolist()) - {""})
    shares = {team: _shares(planned, actual, months, team) or everything for team in own}
    micro = [
        [round(shares.get(team, everything)[f] * amount) for team, amount in zip(*_lines(planned), strict=True)]
        for f in range(len(months))
    ]
    return dataclasses.replace(
        planned,
        micro_usd=np.array(micro, dtype=np.int64).reshape(len(months), -1),
        probability=(Fraction(1, len(months)),) * len(months),
        basis=f"the rest of the plan at the pace of each of {len(months)} past months, equally probable",
        sampled=True,
    )


def _shares(planned: Ledger, actual: Ledger, months: list[tuple[Day, Day]], team: str) -> list[Fraction] | None:
    """What each month cost of what was planned for it; None where nothing was planned for one."""
    made = []
    for start, end in months:
        spent, meant = (int(held.cost(held.mask(team=team), start, end)[0]) for held in (actual, planned))
        if meant <= 0:
            return None
        made.append(Fraction(spent, meant))
    return made


def _months(start: Day, end: Day) -> list[tuple[Day, Day]]:
    """Whole calendar months between two days."""
    first = start if start.day == 1 else add_months(start.replace(day=1), 1)
    made = []
    while add_months(first, 1) <= end:
        made.append((first, add_months(first, 1)))
        first = add_months(first, 1)
    return made


def _lines(planned: Ledger) -> tuple[list[str], list[int]]:
    return planned.names["team"].tolist(), planned.micro_usd[0].tolist()
