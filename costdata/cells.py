"""The user's own tables, cell by cell: whatever cannot be what it claims to be is refused by file, row and column."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from .errors import DataError, nearest, shown

LARGEST_BYTES = 5_000_000
MOST_ROWS = 100_000
LONGEST_TEXT = 200
DEAREST_USD = 5_000  # an hour of one node
MOST_AN_HOUR = 1_000_000  # of any currency
MOST_AT_ONCE = DEAREST_USD * 24 * 366 * 10  # the dearest node for the longest term, ten years
PLACEHOLDERS = {Decimal(text) for text in ("9999", "9999.99", "99999", "99999.99", "999999", "999999.99", "9999999")}
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
SIGNED = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,6})?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FORMULA = "=+-@＝＋－＠"
MICRO = 1_000_000


class Cell(NamedTuple):
    """One cell and where it stands."""

    text: str
    where: str

    def refused(self, message: str, mend: str) -> DataError:
        """An error that names the cell."""
        return DataError(message, where=self.where, mend=mend)


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is read; without a default the cell must be filled."""

    read: Callable[[Cell], Any]
    default: Any = ...


Row = dict[str, Any]


def rows(path: Path, columns: dict[str, Column]) -> list[Row]:
    """Rows of a file as values; `where` in each row says where it stands."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    made: list[Row] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _header(path, header, columns)
        for cells in reader:
            if not any(cells):
                continue
            at = f"{path.name}, row {reader.line_num}"
            if len(cells) != len(header):
                text = f"{len(cells)} cells where the header has {len(header)}"
                raise DataError(text, where=at, mend="a comma inside a cell wants quotes around the cell")
            if len(made) >= MOST_ROWS:
                raise DataError(f"more than {MOST_ROWS} rows", where=path.name, mend="split what you do not need off")
            made.append(_row(at, dict(zip(header, cells, strict=True)), columns))
    except csv.Error as error:
        raise DataError(
            f"not a CSV table: {error}", where=f"{path.name}, row {reader.line_num}", mend="mend the quotes"
        ) from None
    return made


def _row(at: str, cells: dict[str, str], columns: dict[str, Column]) -> Row:
    made: Row = {"where": at}
    for name, column in columns.items():
        cell = Cell(cells.get(name, "").strip(), f"{at}, column {name}")
        if cell.text:
            made[name] = column.read(_clean(cell))
        elif column.default is ...:
            raise cell.refused("the cell is empty", "fill it")
        else:
            made[name] = column.default
    return made


def _header(path: Path, header: list[str], columns: dict[str, Column]) -> None:
    at = f"{path.name}, row 1"
    for name in header:
        if name not in columns:
            raise DataError(f"unknown column {shown(name)}", where=at, mend=nearest(name, columns))
        if header.count(name) > 1:
            raise DataError(f"column {name} twice", where=at, mend="keep one of them")
    missing = [name for name, column in columns.items() if column.default is ... and name not in header]
    if missing:
        raise DataError(f"no column {', '.join(missing)}", where=at, mend="the first row names the columns")


def _text(path: Path) -> str:
    """A regular file's text: no link, not too large, UTF-8, no control characters but line ends and tabs."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        link = path.is_symlink()
        text = "a symbolic link" if link else f"cannot be read: {error.strerror}"
        raise DataError(text, where=path.name, mend="put the file itself there") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise DataError("not a regular file", where=path.name, mend="put a CSV file there")
    with os.fdopen(number, "rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise DataError(f"larger than {LARGEST_BYTES:,} bytes", where=path.name, mend="split what you do not need off")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError("not UTF-8", where=f"{path.name}, row {line}", mend="save it as CSV UTF-8") from None
    for place, character in enumerate(text):
        if character < " " and character not in "\r\n\t":
            line = text[:place].count("\n") + 1
            raise DataError(
                f"control character {shown(character)}", where=f"{path.name}, row {line}", mend="take it out"
            )
    return text


def _clean(cell: Cell) -> Cell:
    if len(cell.text) > LONGEST_TEXT:
        raise cell.refused(f"longer than {LONGEST_TEXT} characters", "shorten it")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in cell.text):
        raise cell.refused(f"{shown(cell.text)} has characters that cannot be seen", "take them out")
    return Cell(unicodedata.normalize("NFC", cell.text), cell.where)


def text(cell: Cell) -> str:
    """A name or a remark; nothing a spreadsheet would take for a formula."""
    if cell.text[0] in FORMULA:
        raise cell.refused(f"{shown(cell.text)} looks like a formula", "begin with a letter or a digit")
    return cell.text


def choice(known: Iterable[str]) -> Callable[[Cell], str]:
    """One of some names."""
    names = tuple(known)

    def read(cell: Cell) -> str:
        if cell.text not in names:
            raise cell.refused(f"unknown {shown(cell.text)}", nearest(cell.text, names))
        return cell.text

    return read


def number(low: float, high: float, *, places: int = 6) -> Callable[[Cell], Decimal]:
    """A plain decimal number between two bounds, both allowed."""

    def read(cell: Cell) -> Decimal:
        if not NUMBER.fullmatch(cell.text):
            raise cell.refused(
                f"{shown(cell.text)} is not a plain number", "write digits and at most one point: 1234.5"
            )
        value = Decimal(cell.text)
        if value != round(value, places):
            raise cell.refused(f"{shown(cell.text)} has more than {places} decimals", "round it")
        if not low <= value <= high:
            raise cell.refused(f"{shown(cell.text)} is not between {low} and {high}", "mend the number or its unit")
        return value

    return read


def whole(low: int, high: int) -> Callable[[Cell], int]:
    """A whole number between two bounds."""
    read_number = number(low, high, places=0)
    return lambda cell: int(read_number(cell))


def degrees(most: int) -> Callable[[Cell], float]:
    """A latitude or longitude."""

    def read(cell: Cell) -> float:
        if not SIGNED.fullmatch(cell.text) or abs(float(cell.text)) > most:
            raise cell.refused(f"{shown(cell.text)} is not degrees between -{most} and {most}", "write degrees: -33.87")
        return float(cell.text)

    return read


def amount(most: int) -> Callable[[Cell], Decimal]:
    """Money of any currency, up to a limit: zero is looked at where the row is known."""

    def read(cell: Cell) -> Decimal:
        value = number(0, most)(cell)
        if value in PLACEHOLDERS:
            mend = "leave the row out, or give the true price"
            raise cell.refused(f"{shown(cell.text)} looks like a placeholder for no price", mend)
        return value

    return read


def money(cell: Cell) -> Decimal:
    """A price or fee of an hour."""
    return amount(MOST_AN_HOUR)(cell)


def day(cell: Cell) -> date:
    """A day, YYYY-MM-DD."""
    try:
        if DAY.fullmatch(cell.text):
            return date.fromisoformat(cell.text)
    except ValueError:
        pass
    raise cell.refused(f"{shown(cell.text)} is not a day", "write YYYY-MM-DD")


def yes(cell: Cell) -> bool:
    """Yes or no, in words."""
    return choice(("yes", "no"))(cell) == "yes"


def unique(read: list[Row], names: tuple[str, ...]) -> None:
    """Refuse a key that stands twice in a file."""
    seen: dict[tuple[Any, ...], str] = {}
    for row in read:
        key = tuple(row[name] for name in names)
        if key in seen:
            raise DataError(
                f"the same {', '.join(names)} as in {seen[key]}", where=row["where"], mend="keep one of them"
            )
        seen[key] = row["where"]
