"""plan.xlsx for finance: the bill line by line, and totals that are live formulas over it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from ..errors import PlannerError
from ..money import to_usd
from . import cells, words
from .workbook_pen import MAX_TEXT, MONTH, Pen, formats, new_book

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan import Plan
    from ..problem import Problem
    from ..table import Table

MAX_LINES = 1_048_000  # a sheet holds 1,048,576 rows
MAX_EXCUSES = 5_000
NONE = "(none)"
_BILL = ("period", "kind", "provider", "region", "node", "option", "workload", "team")
_BY = (("month", ("period",)), ("region", ("provider", "region")), ("workload", ("workload",)), ("option", ("option",)))
# a criterion of SUMIFS is a small language: wildcards, operators, numbers and dates are not taken as they stand
_DATE_LIKE = r"(?!(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\W*\d)(?!true$|false$)"
_SAFE = re.compile(_DATE_LIKE + r"[a-z(][\w ./+()-]{0,199}", re.IGNORECASE)


def render(problem: Problem, plan: Plan) -> Iterator[tuple[str, bytes]]:  # noqa: ARG001
    """The file plan.xlsx."""
    yield "plan.xlsx", workbook(plan)


def workbook(plan: Plan) -> bytes:
    """The workbook: Summary, Fleet, Purchases, Bill, Totals, Ways, Excuses; the same plan gives the same bytes.

    Raises:
        PlannerError: the bill has more lines than a worksheet has rows.
    """
    if len(plan.cost_lines) > MAX_LINES:
        raise PlannerError(f"the bill has {len(plan.cost_lines):,} lines", where="plan.xlsx", mend="plan fewer months")
    sink = io.BytesIO()
    book = new_book(sink, "Fleet plan")
    f = formats(book)
    names = ("Summary", "Fleet", "Purchases", "Bill", "Totals", "Ways", "Excuses")
    pens = {name: Pen(book.add_worksheet(name), f) for name in names}
    _summary(pens["Summary"], plan)
    for name, table in (("Fleet", plan.fleet), ("Purchases", plan.purchases), ("Ways", plan.ways)):
        _listing(pens[name], table)
    _bill(pens["Bill"], plan)
    _totals(pens["Totals"], plan)
    _excuses(pens["Excuses"], plan.excuses)
    for pen in pens.values():
        pen.sheet.set_landscape()
        pen.sheet.fit_to_pages(1, 0)
        pen.sheet.hide_gridlines(2)
    book.close()
    return sink.getvalue()


def _listing(pen: Pen, table: Table, top: int = 0) -> None:
    """A table as it is, with a frozen header and a filter."""
    made, sheet = cells.columns(table), pen.sheet
    pen.head(top, *(column.name.replace("_", " ") for column in made))
    for col, column in enumerate(made):
        small = column.kind == "money" and "per" in column.name
        for row, value in enumerate(column.values, top + 1):
            pen.put(row, col, value, pen.f.usd6 if small else None)
        longest = max((len(str(v)) for v in column.values[:200]), default=0)
        sheet.set_column(col, col, min(60, max(12, longest + 2, len(column.name) + 2)))
    if made:
        sheet.freeze_panes(top + 1, 0)
        sheet.autofilter(top, 0, top + len(table), len(made) - 1)


def _bill(pen: Pen, plan: Plan) -> None:
    lines, sheet, last = plan.cost_lines, pen.sheet, len(plan.cost_lines) + 1
    pen.head(0, "month", *_BILL[1:], "usd")
    for col, name in enumerate(_BILL):
        for row, value in enumerate(_labels(lines, name), 1):
            pen.label(row, col, value, name)
    for row, amount in enumerate(_amounts(lines), 1):
        pen.put(row, len(_BILL), to_usd(amount))
    pen.head(last, "Total")
    total = f"=SUM(I2:I{last})" if len(lines) else "=0"
    sheet.write_formula(last, len(_BILL), total, pen.f.total, float(plan.total_usd))
    sheet.set_column(0, 0, 10)
    sheet.set_column(1, len(_BILL), 20)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, len(lines)), len(_BILL))


def _totals(pen: Pen, plan: Plan) -> None:
    """Totals by month, region, workload and option: each a block of live formulas and a sum that meets the bill."""
    pen.sheet.set_column(0, 1, 28)
    pen.sheet.set_column(2, 3, 18)
    top = 0
    for title, keys in _BY:
        top = _block(pen, plan, top, title, keys)


def _block(pen: Pen, plan: Plan, top: int, title: str, keys: tuple[str, ...]) -> int:
    """One block of totals; returns the row where the next one starts."""
    lines, sheet = plan.cost_lines, pen.sheet
    bill = f"Bill!$I${len(lines) + 2}"
    sums: dict[tuple[str, ...], int] = {}
    for label, amount in zip(zip(*(_labels(lines, k) for k in keys), strict=True), _amounts(lines), strict=True):
        sums[label] = sums.get(label, 0) + amount
    pen.head(top, f"By {title}", "", "USD", "Share")
    formula = _sum_formula(keys, list(sums), len(lines))
    for row, label in enumerate(sorted(sums), top + 1):
        for col, (key, text) in enumerate(zip(keys, label, strict=True)):
            pen.label(row, col, text, key)
        sheet.write_formula(row, 2, formula.format(row=row + 1), pen.f.usd, float(to_usd(sums[label])))
        share = sums[label] / plan.total_micro_usd if plan.total_micro_usd else 0
        sheet.write_formula(row, 3, f"=IF({bill}=0,0,C{row + 1}/{bill})", pen.f.share, share)
    end = top + 1 + len(sums)
    pen.head(end, "Sum")
    sheet.write_formula(end, 2, f"=SUM(C{top + 2}:C{end})" if sums else "=0", pen.f.total, float(plan.total_usd))
    pen.put(end + 1, 0, "Difference from the bill")
    sheet.write_formula(end + 1, 2, f"=ROUND(C{end + 1}-{bill},2)", pen.f.usd, 0.0)
    return end + 4


def _sum_formula(keys: tuple[str, ...], labels: list[tuple[str, ...]], count: int) -> str:
    """SUMIFS where every label means itself as a criterion, else an exact comparison; `{row}` is the label's row."""
    pairs = [(_range(_BILL.index(k), count), f"${'AB'[i]}{{row}}") for i, k in enumerate(keys)]
    safe = MONTH if keys == ("period",) else _SAFE
    distinct = len({tuple(map(str.casefold, label)) for label in labels}) == len(labels)
    if distinct and all(safe.fullmatch(text) for label in labels for text in label):
        return f"=SUMIFS({_range(len(_BILL), count)}," + ",".join(f"{area},{cell}" for area, cell in pairs) + ")"
    exact = "*".join(f"EXACT({area},{cell})" for area, cell in pairs)
    return f"=SUMPRODUCT({exact}*{_range(len(_BILL), count)})"


def _excuses(pen: Pen, excuses: Table) -> None:
    shown = min(len(excuses), MAX_EXCUSES)
    note = f"{len(excuses):,} options were not taken"
    note += f"; the first {shown:,} are listed here, all are in tables/excuses" if shown < len(excuses) else ""
    pen.put(0, 0, note, pen.f.title)
    if shown:
        _listing(pen, excuses.take(np.arange(shown)), top=2)


def _summary(pen: Pen, plan: Plan) -> None:
    """Inputs (blue) apart from results (formulas), then the proof, the basis and the assumptions."""
    pen.sheet.set_column(0, 0, 34)
    pen.sheet.set_column(1, 1, 90)
    pen.put(0, 0, "Fleet plan", pen.f.title)
    pen.put(0, 1, plan.name, pen.f.title)
    p = plan.provenance
    inputs = (
        ("Months planned", len(plan.periods)),
        ("First month", plan.periods[0] if plan.periods else NONE),
        ("Prices as of", p.as_of),
        ("Overrides", p.overrides or NONE),
        ("Accounting", plan.accounting),
        ("Seed", p.seed),
        ("Digest of the problem", p.problem_digest),
        ("Digest of the catalogue", p.catalog_digest),
    )
    pen.head(2, "Inputs", "")
    for row, (name, value) in enumerate(inputs, 3):
        pen.put(row, 0, name)
        pen.put(row, 1, value, pen.f.entry)
    row = len(inputs) + 4
    pen.head(row, "Results", "")
    total = plan.total_usd
    pen.result(row + 1, "Total cost", f"=Bill!I{len(plan.cost_lines) + 2}", float(total))
    pen.result(row + 2, "Cost a month", f"=B{row + 2}/MAX(1,B4)", float(total / max(1, len(plan.periods))))
    _proof(pen, plan, row + 4)


def _proof(pen: Pen, plan: Plan, row: int) -> None:
    """The certificate with its gap as a formula, and the assumptions below it."""
    c = plan.certificate
    pen.head(row, "Certificate", "")
    pen.put(row + 1, 0, "What is proved")
    pen.put(row + 1, 1, f"{words.certificate(plan)} {words.stopped(plan)}", pen.f.wrap)
    for i, (name, amount) in enumerate((("Lower bound", c.lower_usd), ("Cost of the plan", c.upper_usd)), row + 2):
        pen.put(i, 0, name)
        pen.put(i, 1, amount)
    lower, upper = f"B{row + 3}", f"B{row + 4}"
    pen.put(row + 4, 0, "Gap")
    pen.sheet.write_formula(row + 4, 1, f"=IF({upper}=0,0,MAX(0,{upper}-{lower})/{upper})", pen.f.share, c.gap)
    pen.head(row + 6, "Accounting basis and assumptions", "")
    facts = (*words.assumptions(plan), *(f"Warning: {w}" for w in plan.provenance.warnings))
    for i, text in enumerate(facts, row + 7):
        pen.put(i, 1, text, pen.f.wrap)


def _labels(lines: Table, name: str) -> list[str]:
    return [cells.clean(str(v))[:MAX_TEXT] or NONE for v in lines[name].tolist()] if len(lines) else []


def _amounts(lines: Table) -> list[int]:
    return [int(v) for v in lines["micro_usd"].tolist()] if len(lines) else []


def _range(col: int, count: int) -> str:
    letter = "ABCDEFGHI"[col]
    return f"Bill!${letter}$2:${letter}${max(2, count + 1)}"
