"""Where everything stands in finance.xlsx: columns, first rows, and what a plan comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from ..problem import Accounting
from .workbook_pen import Pen, letter
from .workbook_rows import MICRO, Amount, Entry, Key

if TYPE_CHECKING:
    from xlsxwriter.format import Format

    from ..plan import Plan

KEY = ("line", "kind", "provider", "region", "node", "option", "workload")
ENTRY = (
    *KEY, "starts", "nodes", "USD a unit", "unit", "upfront USD a node", "hours of the term", "bought before (1)",
    "on demand USD an hour", "off on demand", "",
)  # fmt: skip
STARTS, NODES, RATE, UNIT, UPFRONT, TERM, OWNED, ON_DEMAND, OFF = range(7, 16)
ENTRY_MONTH, VIEW_MONTH, LINE_MONTH = len(ENTRY), len(KEY) + 1, len(KEY)  # first columns of the months
VIEW_TOP = 3  # first row of the amounts in both views and of the lines in Monthly
VIEWS: tuple[Accounting, ...] = get_args(Accounting)
TITLES = {"amortised": "Amortised", "cash": "Cash"}


@dataclass(frozen=True, slots=True)
class Laid:
    """What goes where: entries in Inputs from row `top`, amounts in the views, lines in Monthly."""

    plan: Plan
    hours: tuple[int, ...]  # P, of the horizon in each month
    entries: list[Entry]
    amounts: list[Amount]
    billed: dict[Key, list[int]]  # micro-dollars in each month
    micro_usd: dict[Accounting, list[list[int]]]  # of each amount in each month, in both views
    lines: dict[Key, int]  # their numbers, from 1
    top: int

    @property
    def months(self) -> int:
        """Number of months P."""
        return len(self.plan.periods)

    @property
    def accounting(self) -> Accounting:
        """The view that makes the plan's bill."""
        return "cash" if self.plan.accounting == "cash" else "amortised"

    def row(self, entry: int) -> int:
        """Row of an entry in Inputs, as a formula names it."""
        return self.top + entry + 1


def money(pen: Pen, row: int, col: int, formula: str, micro_usd: int, form: Format | None = None) -> None:
    """A formula in dollars with the value it has."""
    pen.sheet.write_formula(row, col, formula, form or pen.f.usd, micro_usd / MICRO)


def sum_of(top: int, left: int, bottom: int, right: int, sheet: str = "") -> str:
    """The sum of an area, rows and columns counted from 0; nothing where it is empty."""
    if bottom < top or right < left:
        return "=0"
    return f"=SUM({sheet}{letter(left)}{top + 1}:{letter(right)}{bottom + 1})"
