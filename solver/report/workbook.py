"""finance.xlsx, a workbook that a controller can audit: inputs apart, every other amount a formula over them.

Inputs hold quantities by month and rates; Amortised and Cash multiply them, each amount rounded to the micro-dollar as
the bill rounds it; Monthly adds them up to the lines of the bill and shows the difference from it; Totals has both
views side by side, and checks that are all 0.00; Certificate says what is proved. Values stand beside the formulas, so
that a viewer that works nothing out shows the same.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import PlannerError
from .workbook_laid import (
    ENTRY,
    ENTRY_MONTH,
    KEY,
    LINE_MONTH,
    NODES,
    OFF,
    ON_DEMAND,
    OWNED,
    RATE,
    STARTS,
    TERM,
    TITLES,
    UNIT,
    UPFRONT,
    VIEW_MONTH,
    VIEW_TOP,
    VIEWS,
    Laid,
    money,
    sum_of,
)
from .workbook_pen import Pen, formats, letter, new_book
from .workbook_rows import MICRO, Amount, Derived, Entry, Key, derive
from .workbook_totals import certificate, totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..plan import Plan
    from ..problem import Accounting, Problem

SHEETS = ("Inputs", "Monthly", "Amortised", "Cash", "Totals", "Certificate")
MOST_ROWS = 1_000_000  # a sheet holds 1,048,576
NOTES = {
    "amortised": "Each month's hours of each term: node-hours and the part of the upfront payment they use up.",
    "cash": "When it is paid: upfront payments in full in the first month of their term.",
}
PARTS = {"used": "quantity × rate", "hourly": "nodes × hours × rate", "upfront": "upfront payment"}


def render(problem: Problem, plan: Plan) -> Iterator[tuple[str, bytes]]:
    """The file finance.xlsx."""
    yield "finance.xlsx", workbook(problem, plan)


def workbook(problem: Problem, plan: Plan) -> bytes:
    """The workbook; the same plan gives the same bytes.

    Raises:
        PlannerError: there are more rows than a worksheet has.
    """
    made = derive(problem, plan)
    entries, amounts = made.entries, made.amounts
    facts = _assumptions(plan)
    hours = tuple(int(h) for h in problem.blocks.period_hours)
    lines = {key: k for k, key in enumerate(sorted({amount.key for amount in amounts}), 1)}
    laid = Laid(plan, hours, entries, amounts, made.billed, _in_both_views(made), lines, len(facts) + 7)
    if max(len(entries), len(amounts)) > MOST_ROWS:
        mend = "plan fewer workloads at once"
        raise PlannerError(f"{len(entries):,} rows of inputs", where="finance.xlsx", mend=mend)
    sink = io.BytesIO()
    book = new_book(sink, "Fleet plan for finance")
    f = formats(book)
    pens = {name: Pen(book.add_worksheet(name), f) for name in SHEETS}
    _inputs(pens["Inputs"], laid, facts)
    for accounting in VIEWS:
        _view(pens[TITLES[accounting]], laid, accounting)
    _monthly(pens["Monthly"], laid)
    totals(pens["Totals"], laid)
    certificate(pens["Certificate"], plan)
    for pen in pens.values():
        pen.sheet.set_landscape()
        pen.sheet.fit_to_pages(1, 0)
        pen.sheet.hide_gridlines(2)
    book.close()
    return sink.getvalue()


def _in_both_views(made: Derived) -> dict[Accounting, list[list[int]]]:
    """Micro-dollars of each amount in each month; only upfront payments differ."""
    cost = [amount.micro_usd(made.entries, "amortised") for amount in made.amounts]
    paid = [
        amount.micro_usd(made.entries, "cash") if amount.part == "upfront" else months
        for amount, months in zip(made.amounts, cost, strict=True)
    ]
    return {"amortised": cost, "cash": paid}


def _assumptions(plan: Plan) -> list[tuple[str, Any]]:
    p = plan.provenance
    return [
        ("Plan", plan.name),
        ("Months planned", len(plan.periods)),
        ("Prices as of", p.as_of),
        ("Discounts and other overrides", p.overrides or "none: list prices"),
        ("Accounting of the bill", plan.accounting),
        ("Amounts are rounded to", "a millionth of a dollar, once a month and row"),
        ("Digest of the problem", p.problem_digest),
        ("Digest of the catalogue", p.catalog_digest),
    ]


def _inputs(pen: Pen, laid: Laid, facts: Sequence[tuple[str, Any]]) -> None:
    sheet, f, first = pen.sheet, pen.f, ENTRY_MONTH
    pen.put(0, 0, "Inputs", f.title)
    pen.put(1, 0, "Blue on yellow is an input: change it and every sheet follows. All else is a formula.")
    for row, (name, value) in enumerate(facts, 3):
        pen.put(row, 0, name)
        pen.put(row, 3, value, f.entry_number if isinstance(value, int) else f.entry_text)
    pen.put(laid.top - 2, first - 1, "hours")
    for month, hours in enumerate(laid.hours):
        pen.put(laid.top - 2, first + month, hours, f.entry_number)
    pen.head(laid.top - 1, *ENTRY)
    for month, period in enumerate(laid.plan.periods):
        pen.put(laid.top - 1, first + month, period, f.head)
    for k, entry in enumerate(laid.entries):
        _entry(pen, laid, k, entry)
    sheet.freeze_panes(laid.top, 5)
    sheet.set_column(0, 0, 6)
    sheet.set_column(1, first - 2, 16)
    sheet.set_column(first - 1, first - 1, 7)
    sheet.set_column(first, first + laid.months, 14)


def _entry(pen: Pen, laid: Laid, k: int, entry: Entry) -> None:
    """One row of inputs; the discount is a formula, and empty where there is no price on demand to compare with."""
    f, row = pen.f, laid.top + k
    pen.put(row, 0, laid.lines.get(entry.key))
    for col, value in enumerate((*entry.key[:5], entry.workload), 1):
        pen.put(row, col, value, f.entry_text)
    pen.put(row, RATE, entry.usd_per_unit, f.entry_rate)
    pen.put(row, UNIT, entry.unit, f.entry_text)
    for month, quantity in enumerate(entry.quantity):
        pen.put(row, ENTRY_MONTH + month, quantity, f.entry_number)
    if not entry.lasting:
        return
    pen.put(row, STARTS, entry.starts, f.entry_text)
    pen.put(row, NODES, entry.nodes, f.entry_number)
    pen.put(row, UPFRONT, entry.upfront_usd, f.entry_usd)
    pen.put(row, TERM, max(1, entry.term_hours), f.entry_number)
    pen.put(row, OWNED, int(entry.owned), f.entry_number)
    pen.put(row, ON_DEMAND, entry.on_demand_usd, f.entry_rate)
    if entry.on_demand_usd:
        rate, upfront, term, price = (f"{letter(c)}{row + 1}" for c in (RATE, UPFRONT, TERM, ON_DEMAND))
        whole = entry.usd_per_unit + entry.upfront_usd / max(1, entry.term_hours)
        off = float(1 - whole / entry.on_demand_usd)
        pen.sheet.write_formula(row, OFF, f"=1-({rate}+{upfront}/{term})/{price}", f.share, off)


def _view(pen: Pen, laid: Laid, accounting: Accounting) -> None:
    """One row an amount: its months, and their sum; in cash also what is paid for hours after the plan."""
    sheet, first, last = pen.sheet, VIEW_MONTH, VIEW_MONTH + laid.months
    pen.put(0, 0, TITLES[accounting], pen.f.title)
    pen.put(1, 0, NOTES[accounting])
    cash = accounting == "cash"
    pen.head(VIEW_TOP - 1, *KEY, "what", *laid.plan.periods, "total", *(("for other months",) if cash else ()))
    sums = [0] * laid.months
    later = 0.0
    for k, amount in enumerate(laid.amounts):
        row, made = VIEW_TOP + k, laid.micro_usd[accounting][k]
        _key(pen, row, laid.lines[amount.key], (*amount.key[:5], laid.entries[amount.first].workload))
        pen.put(row, first - 1, PARTS[amount.part])
        for month, micro in enumerate(made):
            money(pen, row, first + month, f"={_formula(laid, amount, month, accounting)}", micro)
        money(pen, row, last, sum_of(row, first, row, last - 1), sum(made))
        if cash and amount.part == "upfront":
            formula, value = _for_later(laid, amount)
            sheet.write_formula(row, last + 1, formula, pen.f.usd, value)
            later += value
        sums = [a + b for a, b in zip(sums, made, strict=True)]
    end = VIEW_TOP + len(laid.amounts)
    pen.put(end, 0, "Sum", pen.f.head)
    for col, micro in enumerate((*sums, sum(sums)), first):
        money(pen, end, col, sum_of(VIEW_TOP, col, end - 1, col), micro, pen.f.total)
    if cash:
        sheet.write_formula(end, last + 1, sum_of(VIEW_TOP, last + 1, end - 1, last + 1), pen.f.total, later)
    sheet.freeze_panes(VIEW_TOP, first)
    _widths(pen, first, laid.months + 3)


def _formula(laid: Laid, amount: Amount, month: int, accounting: Accounting) -> str:
    """An amount of one month from the rows of Inputs it is made of."""
    row, column = laid.row(amount.first), letter(ENTRY_MONTH + month)
    quantity, rate = f"Inputs!{column}{row}", f"Inputs!${letter(RATE)}{row}"
    if amount.part == "used" and amount.first == amount.last:
        return f"ROUND({quantity}*{rate},6)"
    if amount.part == "used":
        end, price = laid.row(amount.last), letter(RATE)
        return f"ROUND(SUMPRODUCT(Inputs!${price}{row}:${price}{end},Inputs!{column}{row}:{column}{end}),6)"
    nodes, upfront, term, owned = (f"Inputs!${letter(c)}{row}" for c in (NODES, UPFRONT, TERM, OWNED))
    if amount.part == "hourly":
        return f"ROUND({nodes}*{quantity}*{rate},6)"
    if accounting == "amortised":
        return f"ROUND({nodes}*{upfront}*{quantity}/{term},6)"
    blank, before = letter(ENTRY_MONTH - 1), letter(ENTRY_MONTH + month - 1)  # the blank column has no hours
    first = f"SUM(Inputs!${blank}{row}:{before}{row})=0"
    return f"IF(AND({quantity}>0,{first}),ROUND({nodes}*{upfront}*(1-{owned}),6),0)"


def _for_later(laid: Laid, amount: Amount) -> tuple[str, float]:
    """Of an upfront payment, cash of the plan less what its months use up."""
    entry, row = laid.entries[amount.first], laid.row(amount.first)
    nodes, upfront, term, owned = (f"Inputs!{letter(c)}{row}" for c in (NODES, UPFRONT, TERM, OWNED))
    hours = f"SUM(Inputs!{letter(ENTRY_MONTH)}{row}:{letter(ENTRY_MONTH + laid.months - 1)}{row})"
    inside = sum(int(q) for q in entry.quantity)
    value = entry.nodes * entry.upfront_usd * ((not entry.owned) - inside / max(1, entry.term_hours))
    return f"=IF({hours}>0,{nodes}*{upfront}*(1-{owned}-{hours}/{term}),0)", float(value if inside else 0)


def _monthly(pen: Pen, laid: Laid) -> None:
    """The lines of the bill: worked out, as billed, and the difference."""
    p, first = laid.months, LINE_MONTH
    again, left = first + p + 2, first + 2 * (p + 2)  # first columns of what was billed, and of the differences
    pen.put(0, 0, f"By month, {laid.accounting}", pen.f.title)
    pen.put(1, first, "worked out")
    pen.put(1, again, "as billed by the plan")
    pen.put(1, left, "difference")
    months = (*laid.plan.periods, "total", "")
    pen.head(VIEW_TOP - 1, *KEY, *months, *months, *laid.plan.periods)
    bill, worked = laid.billed, _worked(laid)
    for key, number in laid.lines.items():
        row, there, asked = VIEW_TOP + number - 1, worked[key], bill.get(key, [0] * p)
        _key(pen, row, number, (*key[:5], key[5] or "(all)"))
        for month in range(p):
            money(pen, row, first + month, there.formula(month), there.micro_usd[month])
            pen.put(row, again + month, asked[month] / MICRO, pen.f.entry_usd)
            mine, other = f"{letter(first + month)}{row + 1}", f"{letter(again + month)}{row + 1}"
            money(pen, row, left + month, f"=ROUND({mine}-{other},2)", 0)
        money(pen, row, first + p, sum_of(row, first, row, first + p - 1), sum(there.micro_usd))
        money(pen, row, again + p, sum_of(row, again, row, again + p - 1), sum(asked))
    end = VIEW_TOP + len(laid.lines)
    pen.put(end, 0, "Sum", pen.f.head)
    for start, rows in ((first, [w.micro_usd for w in worked.values()]), (again, list(bill.values()))):
        sums = [sum(column) for column in zip(*rows, strict=True)] or [0] * p
        for col, micro in enumerate((*sums, sum(sums)), start):
            money(pen, end, col, sum_of(VIEW_TOP, col, end - 1, col), micro, pen.f.total)
    pen.sheet.freeze_panes(VIEW_TOP, first)
    _widths(pen, first, 3 * p + 4)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the bill as rows `first` to `last` of the view that makes it."""

    sheet: str
    first: int
    last: int
    micro_usd: list[int]

    def formula(self, month: int) -> str:
        """Their sum in a month."""
        column = letter(VIEW_MONTH + month)
        return f"=SUM({self.sheet}!{column}{self.first + 1}:{column}{self.last + 1})"


def _worked(laid: Laid) -> dict[Key, _Line]:
    """Lines by key; the amounts of one stand next to one another."""
    made: dict[Key, _Line] = {}
    micro_usd = laid.micro_usd[laid.accounting]
    for row, (amount, months) in enumerate(zip(laid.amounts, micro_usd, strict=True), VIEW_TOP):
        old = made.get(amount.key)
        whole = [a + b for a, b in zip(months, old.micro_usd, strict=True)] if old else months
        made[amount.key] = _Line(TITLES[laid.accounting], old.first if old else row, row, whole)
    return made


def _key(pen: Pen, row: int, line: int, names: Sequence[str]) -> None:
    pen.put(row, 0, line)
    for col, value in enumerate(names, 1):
        pen.put(row, col, value)


def _widths(pen: Pen, first: int, months: int) -> None:
    pen.sheet.set_column(0, 0, 6)
    pen.sheet.set_column(1, first - 1, 16)
    pen.sheet.set_column(first, first + months, 16)
