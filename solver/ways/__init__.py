"""What the same demand costs in the ways people buy today, on the same candidates, prices and demand; no solver.

Every way serves each source of demand from one candidate (a layout in a pool), on demand beyond the commitments already
owned, in whole replicas hour by hour. The choice is by estimated cost; the bill of the choice is exact.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..table import Table
from .bill import Bill
from .shop import NOWHERE, UNSERVED, Shop

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
COLUMNS = ("way", "total_micro_usd", "micro_usd_per_month", "saving_percent", "feasible", "note")
ALWAYS_ON = "peak-sized, on demand all month"


def ways(problem: Problem, plan_total_micro_usd: int) -> Table:
    """The table `Plan.ways`: a total of −1 where a way cannot serve the demand; the limits it breaks are only named."""
    shop = Shop.of(problem)
    single, regions = shop.single_region()
    made = [
        ("all on demand", shop.cheapest(), ""),
        ("best single region", single, regions),
        ("cheapest GPU-hour, greedy", shop.greedy(), ""),
        (ALWAYS_ON, shop.cheapest(always_on=True), ""),
    ]
    return Table.from_records(
        COLUMNS, [_row(shop, way, choice, note, plan_total_micro_usd) for way, choice, note in made]
    )


def _row(shop: Shop, way: str, choice: Array, note: str, plan_total: int) -> tuple[Any, ...]:
    if (choice == NOWHERE).any():
        return way, -1, -1, math.nan, False, f"nothing on demand serves {shop.names(choice == NOWHERE)}"
    bill = Bill.of(shop, choice, always_on=way == ALWAYS_ON)
    if bill.short:
        return way, -1, -1, math.nan, False, f"needs more nodes of {bill.short[0]} than are owned, and none are on sale"
    broken = bill.broken()
    left = [f"leaves {shop.names(choice == UNSERVED)} unserved"] if (choice == UNSERVED).any() else []
    months, total = max(1, len(shop.problem.blocks.periods)), bill.total
    saving = 100 * (1 - plan_total / total) if total > 0 else math.nan
    notes = "; ".join([part for part in (note, *left, *broken) if part])
    return way, total, round(Fraction(total, months)), saving, not broken, notes
