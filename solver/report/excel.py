"""plan.xlsx for finance: the bill line by line, and totals that are live formulas over it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import PlannerError
from ..money import to_usd
from . import cells, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from ..plan import Plan
    from ..problem import Problem
    from ..table import Table

MAX_TEXT = 32_000  # a cell holds 32,767 characters
MAX_LINES = 1_048_000  # a sheet holds 1,048,576 rows
MAX_EXCUSES = 5_000
NONE = "(none)"
_BILL = ("period", "kind", "provider", "region", "node", "option", "workload", "team")
_BY = (("Month", ("period",)), ("Region", ("provider", "region")), ("Workload", ("workload",)), ("Option", ("option",)))
# a criterion of SUMIFS is a small language: wildcards, operators, numbers and dates are not taken as they stand
_SAFE = re.compile(r"(?!(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\W*\d)(?!true$|false$)[a-z(][\w ./+()-]{0,199}", re.I)
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class _Formats:
    title: Format
    head: Format
    text: Format
    wrap: Format
    usd: Format
    usd6: Format
    month: Format
    share: Format
    total: Format
    entry: Format


def render(problem: Problem, plan: Plan) -> Iterator[tuple[str, bytes]]:  # noqa: ARG001
    """The file plan.xlsx."""
    yield "plan.xlsx", workbook(plan)


def workbook(plan: Plan) -> bytes:
    """The workbook: Summary, Fleet, Purchases, Bill, Totals, Ways, Excuses; the same plan gives the same bytes.

    Raises:
        PlannerError: the bill has more lines than a worksheet has rows.
    """
    import xlsxwriter

    if len(plan.cost_lines) > MAX_LINES:
        raise PlannerError(f"the bill has {len(plan.cost_lines):,} lines", where="plan.xlsx", mend="use tables/cost_lines")
    sink = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(sink, options)
    book.set_properties({"title": "Fleet plan", "created": datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
    f = _formats(book)
    sheets = {n: book.add_worksheet(n) for n in ("Summary", "Fleet", "Purchases", "Bill", "Totals", "Ways", "Excuses")}
    _summary(sheets["Summary"], f, plan)
    _listing(sheets["Fleet"], f, plan.fleet)
    _listing(sheets["Purchases"], f, plan.purchases)
    _bill(sheets["Bill"], f, plan)
    _totals(sheets["Totals"], f, plan)
    _listing(sheets["Ways"], f, plan.ways)
    _excuses(sheets["Excuses"], f, plan.excuses)
    for sheet in sheets.values():
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
    book.close()
    return sink.getvalue()


def _formats(book: Any) -> _Formats:
    base = {"font_name": "Calibri", "font_size": 11, "valign": "top"}
    money = "[$$-409]#,##0.00;[Red]-[$$-409]#,##0.00"
    return _Formats(
        title=book.add_format({**base, "bold": True, "font_size": 18, "font_color": "#17324D"}),
        head=book.add_format({**base, "bold": True, "font_color": "#17324D", "bottom": 1, "bg_color": "#EEF2F6"}),
        text=book.add_format(base),
        wrap=book.add_format({**base, "text_wrap": True}),
        usd=book.add_format({**base, "num_format": money}),
        usd6=book.add_format({**base, "num_format": "[$$-409]#,##0.00####"}),
        month=book.add_format({**base, "num_format": "yyyy-mm", "align": "left"}),
        share=book.add_format({**base, "num_format": "0.0%"}),
        total=book.add_format({**base, "bold": True, "top": 1, "num_format": money}),
        entry=book.add_format({**base, "font_color": "#1F4FA3", "text_wrap": True}),
    )


def _put(sheet: Worksheet, row: int, col: int, value: Any, f: _Formats, form: Format | None = None) -> None:
    """One value by its type; text never becomes a formula, a link or a number."""
    if value is None:
        sheet.write_blank(row, col, None, form or f.text)
    elif isinstance(value, str):
        text = cells.clean(value)
        sheet.write_string(row, col, text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…", form or f.text)
    elif isinstance(value, bool):
        sheet.write_boolean(row, col, value, form or f.text)
    elif isinstance(value, Decimal):
        sheet.write_number(row, col, float(value), form or f.usd)
    elif isinstance(value, float) and value in {float("inf"), float("-inf")}:
        sheet.write_string(row, col, str(value), form or f.text)
    else:
        sheet.write_number(row, col, float(value) if isinstance(value, Fraction) else value, form or f.text)


def _listing(sheet: Worksheet, f: _Formats, table: Table, top: int = 0) -> None:
    """A table as it is, with a frozen header and a filter."""
    made = cells.columns(table)
    for col, column in enumerate(made):
        sheet.write_string(top, col, cells.clean(column.name).replace("_", " "), f.head)
        small = column.kind == "money" and "per" in column.name
        for row, value in enumerate(column.values, top + 1):
            _put(sheet, row, col, value, f, f.usd6 if small else None)
        longest = max((len(str(v)) for v in column.values[:200]), default=0)
        sheet.set_column(col, col, min(60, max(12, longest + 2, len(column.name) + 2)))
    if made:
        sheet.freeze_panes(top + 1, 0)
        sheet.autofilter(top, 0, top + len(table), len(made) - 1)


def _bill(sheet: Worksheet, f: _Formats, plan: Plan) -> None:
    lines = plan.cost_lines
    for col, name in enumerate((*_BILL, "usd")):
        sheet.write_string(0, col, "month" if name == "period" else name, f.head)
        for row, value in enumerate(_labels(lines, name) if name != "usd" else _amounts(lines), 1):
            _label(sheet, row, col, value, f, month=name == "period")
    last = len(lines) + 1
    sheet.write_string(last, 0, "Total", f.head)
    body = f"=SUM(I2:I{last})" if len(lines) else "=0"
    sheet.write_formula(last, len(_BILL), body, f.total, float(plan.total_usd))
    sheet.set_column(0, 0, 10)
    sheet.set_column(1, len(_BILL), 20)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, len(lines)), len(_BILL))


def _totals(sheet: Worksheet, f: _Formats, plan: Plan) -> None:
    """Totals by month, region, workload and option: each a block of live formulas and a sum that meets the bill."""
    sheet.set_column(0, 1, 28)
    sheet.set_column(2, 3, 18)
    top = 0
    for title, keys in _BY:
        top = _block(sheet, f, plan, top, title, keys)


def _block(sheet: Worksheet, f: _Formats, plan: Plan, top: int, title: str, keys: tuple[str, ...]) -> int:
    """One block of totals; returns the row where the next one starts."""
    lines = plan.cost_lines
    bill = f"Bill!$I${len(lines) + 2}"
    sums: dict[tuple[str, ...], int] = {}
    amounts = lines["micro_usd"].tolist() if len(lines) else []
    for label, amount in zip(zip(*(_labels(lines, k) for k in keys), strict=True), amounts, strict=True):
        sums[label] = sums.get(label, 0) + amount
    for col, head in enumerate((f"By {title.lower()}", "", "USD", "Share")):
        sheet.write_string(top, col, head, f.head)
    formula = _sum_formula(keys, list(sums), len(lines))
    for row, label in enumerate(sorted(sums), top + 1):
        for col, (key, text) in enumerate(zip(keys, label, strict=True)):
            _label(sheet, row, col, text, f, month=key == "period")
        sheet.write_formula(row, 2, formula.format(row=row + 1), f.usd, float(to_usd(sums[label])))
        share = sums[label] / plan.total_micro_usd if plan.total_micro_usd else 0
        sheet.write_formula(row, 3, f"=IF({bill}=0,0,C{row + 1}/{bill})", f.share, share)
    end = top + 1 + len(sums)
    sheet.write_string(end, 0, "Sum", f.head)
    sheet.write_formula(end, 2, f"=SUM(C{top + 2}:C{end})" if sums else "=0", f.total, float(plan.total_usd))
    sheet.write_string(end + 1, 0, "Difference from the bill", f.text)
    sheet.write_formula(end + 1, 2, f"=ROUND(C{end + 1}-{bill},2)", f.usd, 0.0)
    return end + 4


def _sum_formula(keys: tuple[str, ...], labels: list[tuple[str, ...]], count: int) -> str:
    """SUMIFS where every label means itself as a criterion, else an exact comparison; `{row}` is the label's row."""
    pairs = [(_range(_BILL.index(k), count), f"${'AB'[i]}{{row}}") for i, k in enumerate(keys)]
    safe = _MONTH if keys == ("period",) else _SAFE
    distinct = len({tuple(map(str.casefold, label)) for label in labels}) == len(labels)
    if distinct and all(safe.fullmatch(text) for label in labels for text in label):
        return f"=SUMIFS({_range(8, count)}," + ",".join(f"{area},{cell}" for area, cell in pairs) + ")"
    exact = "*".join(f"EXACT({area},{cell})" for area, cell in pairs)
    return f"=SUMPRODUCT({exact}*{_range(8, count)})"


def _excuses(sheet: Worksheet, f: _Formats, excuses: Table) -> None:
    shown = min(len(excuses), MAX_EXCUSES)
    note = f"{len(excuses):,} options were not taken"
    note += f"; the first {shown:,} are listed here, all are in tables/excuses" if shown < len(excuses) else ""
    sheet.write_string(0, 0, note, f.title)
    if shown:
        import numpy as np

        _listing(sheet, f, excuses.take(np.arange(shown)), top=2)


def _summary(sheet: Worksheet, f: _Formats, plan: Plan) -> None:
    """Inputs (blue) apart from results (formulas), then the proof, the basis and the assumptions."""
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 90)
    sheet.write_string(0, 0, "Fleet plan", f.title)
    _put(sheet, 0, 1, plan.name, f, f.title)
    p, c = plan.provenance, plan.certificate
    inputs = [
        ("Months planned", len(plan.periods)), ("First month", plan.periods[0] if plan.periods else NONE),
        ("Prices as of", p.as_of), ("Overrides", p.overrides or NONE), ("Accounting", plan.accounting),
        ("Seed", p.seed), ("Digest of the problem", p.problem_digest), ("Digest of the catalogue", p.catalog_digest),
    ]  # fmt: skip
    row = _section(sheet, f, 2, "Inputs")
    months_cell = f"B{row + 1}"
    for name, value in inputs:
        sheet.write_string(row, 0, name, f.text)
        _put(sheet, row, 1, value, f, f.entry)
        row += 1
    row = _section(sheet, f, row + 1, "Results")
    total, count = plan.total_usd, max(1, len(plan.periods))
    _formula(sheet, f, row, "Total cost", f"=Bill!I{len(plan.cost_lines) + 2}", float(total))
    _formula(sheet, f, row + 1, "Cost a month", f"=B{row + 1}/MAX(1,{months_cell})", float(total / count))
    row = _section(sheet, f, row + 3, "Certificate")
    sheet.write_string(row, 0, "What is proved", f.text)
    _put(sheet, row, 1, f"{words.certificate(plan)} {words.stopped(plan)}", f, f.wrap)
    for i, (name, amount) in enumerate((("Lower bound", c.lower_usd), ("Cost of the plan", c.upper_usd)), row + 1):
        sheet.write_string(i, 0, name, f.text)
        _put(sheet, i, 1, amount, f, f.usd)
    gap = f"=IF(B{row + 3}=0,0,MAX(0,B{row + 3}-B{row + 2})/B{row + 3})"
    _formula(sheet, f, row + 3, "Gap", gap, c.gap, f.share)
    row = _section(sheet, f, row + 5, "Accounting basis and assumptions")
    for text in (*words.assumptions(plan), *(f"Warning: {w}" for w in p.warnings)):
        _put(sheet, row, 1, text, f, f.wrap)
        row += 1


def _section(sheet: Worksheet, f: _Formats, row: int, title: str) -> int:
    sheet.write_string(row, 0, title, f.head)
    sheet.write_blank(row, 1, None, f.head)
    return row + 1


def _formula(
    sheet: Worksheet, f: _Formats, row: int, name: str, formula: str, value: float, form: Format | None = None
) -> None:
    sheet.write_string(row, 0, name, f.text)
    sheet.write_formula(row, 1, formula, form or f.usd, value)


def _labels(lines: Table, name: str) -> list[str]:
    return [cells.clean(str(v))[:MAX_TEXT] or NONE for v in lines[name].tolist()] if len(lines) else []


def _amounts(lines: Table) -> list[Decimal]:
    return [to_usd(v) for v in lines["micro_usd"].tolist()] if len(lines) else []


def _label(sheet: Worksheet, row: int, col: int, value: Any, f: _Formats, *, month: bool) -> None:
    """A cell of the bill; months are dates, so that a criterion compares numbers."""
    if month and _MONTH.fullmatch(value):
        sheet.write_datetime(row, col, datetime(int(value[:4]), int(value[5:]), 1), f.month)  # noqa: DTZ001
    else:
        _put(sheet, row, col, value, f)


def _range(col: int, count: int) -> str:
    letter = "ABCDEFGHI"[col]
    return f"Bill!${letter}$2:${letter}${max(2, count + 1)}"
