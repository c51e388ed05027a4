"""Writing worksheets: the formats of a workbook, and values by their type; text never becomes a formula or a link."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from . import cells

if TYPE_CHECKING:
    import io

    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MAX_TEXT = 32_000  # a cell holds 32,767 characters
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
LETTERS = 26


@dataclass(frozen=True, slots=True)
class Formats:
    """How cells look; what is typed in by hand, an entry, is blue."""

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
    entry_text: Format
    entry_number: Format
    entry_usd: Format
    entry_rate: Format


def new_book(sink: io.BytesIO, title: str) -> Workbook:
    """A workbook without a clock in it, so that the same plan gives the same file."""
    import xlsxwriter

    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(sink, options)
    book.set_properties({"title": title, "created": datetime(2000, 1, 1)})  # noqa: DTZ001 (a fixed day)
    return book


def formats(book: Any) -> Formats:
    """All formats of a workbook."""
    base = {"font_name": "Calibri", "font_size": 11, "valign": "top"}
    money = "[$$-409]#,##0.00;[Red]-[$$-409]#,##0.00"
    entry = {**base, "font_color": "#1F4FA3"}
    cell = {**entry, "bg_color": "#FFF9E5"}
    return Formats(
        title=book.add_format({**base, "bold": True, "font_size": 18, "font_color": "#17324D"}),
        head=book.add_format({**base, "bold": True, "font_color": "#17324D", "bottom": 1, "bg_color": "#EEF2F6"}),
        text=book.add_format(base),
        wrap=book.add_format({**base, "text_wrap": True}),
        usd=book.add_format({**base, "num_format": money}),
        usd6=book.add_format({**base, "num_format": "[$$-409]#,##0.00####"}),
        month=book.add_format({**base, "num_format": "yyyy-mm", "align": "left"}),
        share=book.add_format({**base, "num_format": "0.0%"}),
        total=book.add_format({**base, "bold": True, "top": 1, "num_format": money}),
        entry=book.add_format({**entry, "text_wrap": True}),
        entry_text=book.add_format(entry),
        entry_number=book.add_format({**cell, "num_format": "#,##0.######"}),
        entry_usd=book.add_format({**cell, "num_format": money}),
        entry_rate=book.add_format({**cell, "num_format": "[$$-409]#,##0.00##########"}),
    )


@dataclass(frozen=True, slots=True)
class Pen:
    """One worksheet and the formats to write in it."""

    sheet: Worksheet
    f: Formats

    def put(self, row: int, col: int, value: Any, form: Format | None = None) -> None:
        """One value by its type; text never becomes a formula, a link or a number."""
        sheet = self.sheet
        if value is None:
            sheet.write_blank(row, col, None, form or self.f.text)
        elif isinstance(value, str):
            text = cells.clean(value)
            sheet.write_string(row, col, text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…", form or self.f.text)
        elif isinstance(value, bool):
            sheet.write_boolean(row, col, value, form or self.f.text)
        elif isinstance(value, Decimal):
            sheet.write_number(row, col, float(value), form or self.f.usd)
        elif isinstance(value, float) and math.isinf(value):
            sheet.write_string(row, col, str(value), form or self.f.text)
        else:
            plain = float(value) if isinstance(value, Fraction) else value
            sheet.write_number(row, col, plain, form or self.f.text)

    def label(self, row: int, col: int, value: Any, key: str) -> None:
        """A cell of the bill; months are dates, so that a criterion compares numbers."""
        if key == "period" and MONTH.fullmatch(value):
            month = datetime(int(value[:4]), int(value[5:]), 1)  # noqa: DTZ001 (a sheet knows no time zones)
            self.sheet.write_datetime(row, col, month, self.f.month)
        else:
            self.put(row, col, value)

    def head(self, row: int, *titles: str) -> None:
        """A row of headings."""
        for col, title in enumerate(titles):
            self.sheet.write_string(row, col, cells.clean(title), self.f.head)

    def result(self, row: int, name: str, formula: str, value: float) -> None:
        """A named formula in dollars, with the value it has now."""
        self.sheet.write_string(row, 0, name, self.f.text)
        self.sheet.write_formula(row, 1, formula, self.f.usd, value)


@cache
def letter(col: int) -> str:
    """The letters of a column counted from 0."""
    above, last = divmod(col, LETTERS)
    return (letter(above - 1) if above else "") + chr(ord("A") + last)
