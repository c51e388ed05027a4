"""Histories from CSV and Parquet files: columns time, series (or none) and value; what cannot be is named by row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .history import DAY, HOUR, LARGEST, MOST_SERIES, MOST_STEPS, Array, History, zone_of

LARGEST_BYTES, MOST_ROWS = 200_000_000, 3_000_000
LONGEST_NAME, LONGEST_CELL = 200, 400
FEW_HOURS, FEW_DAYS, FEW_SHARE = 6, 2, 0.02  # missing in a row, and of all
COLUMNS = ("time", "series", "value")
ONLY = "all"  # the series of a file without names
TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::00(?:\.0{1,9})?)?)? ?(Z|[+-]\d\d:?\d\d)?")
NUMBER = re.compile(r"-?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,2})?")


@dataclass(slots=True)
class Rows:
    """What a file holds, cell by cell: times as text or datetime64, names, values as text or numbers, places."""

    file: str
    times: list[Any]
    names: list[str]
    values: list[Any]
    lines: list[int]

    def where(self, row: int, column: str = "") -> str:
        """File and row of an entry."""
        return f"{self.file}, row {self.lines[row]}" + (f", column {column}" if column else "")


def read_history(path: str | Path, *, unit: str = "units", zone: str = "UTC", zero_fill: bool = False) -> History:
    """Read hourly or daily demand.

    Times are ISO 8601, each the begin of its hour or day; without an offset they are those of the zone. A few missing
    hours are filled by a line between their neighbours, and a note says so; before its first row a series counts as 0.

    Args:
        path: a .csv file, or a .parquet file.
        unit: what is counted.
        zone: time zone of days, weeks and holidays, and of times without an offset.
        zero_fill: an hour or day without a row had no demand.

    Raises:
        InputError: a cell, row or gap that cannot be used, by file and row.
    """
    file = Path(path)
    zone_of(zone)
    rows = _parquet(file) if file.suffix.lower() in {".parquet", ".pq"} else _csv(file)
    if not rows.times:
        raise InputError("there is no row", where=file.name, mend="give hours or days of demand")
    stamps, place = _times(rows, zone)
    values = _values(rows)
    names, owner = _names(rows)
    return _assembled(rows, (stamps, place), (names, owner), values, unit=unit, zone=zone, zero_fill=zero_fill)


def _csv(file: Path) -> Rows:
    """All rows of a CSV file."""
    rows = Rows(file.name, [], [], [], [])
    with _opened(file) as lines:
        reader = csv.reader(lines, strict=True)
        try:
            for line, cells in _cells(reader, file.name):
                rows.times.append(cells[0])
                rows.names.append(cells[1])
                rows.values.append(cells[2])
                rows.lines.append(line)
        except csv.Error as error:
            at = f"{file.name}, row {reader.line_num}"
            raise InputError(f"not a CSV table: {error}", where=at, mend="mend the quotes") from None
        except UnicodeDecodeError:
            at = f"{file.name}, after row {reader.line_num}"
            raise InputError("not UTF-8", where=at, mend="save it as CSV UTF-8") from None
    return rows


def _opened(file: Path) -> Any:
    _regular(file)
    return file.open(encoding="utf-8-sig", newline="")


def _regular(file: Path) -> None:
    """A file that is there, is one, and is not too large."""
    if not file.is_file():
        raise InputError("there is no such file", where=str(file), mend="name a CSV or Parquet file")
    if file.stat().st_size > LARGEST_BYTES:
        raise InputError(f"larger than {LARGEST_BYTES:,} bytes", where=file.name, mend="leave old years out")


def _cells(reader: Any, name: str) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Time, series and value of each row, with its number."""
    order = _header([cell.strip() for cell in next(reader, [])], name)
    width = len(order)
    first, second, third = (order.index(c) if c in order else -1 for c in COLUMNS)
    for count, cells in enumerate(reader):
        if not any(cells):
            continue
        at = f"{name}, row {reader.line_num}"
        if len(cells) != width:
            text = f"{len(cells)} cells where the header has {width}"
            raise InputError(text, where=at, mend="a comma inside a cell wants quotes around the cell")
        if count >= MOST_ROWS:
            raise InputError(f"more than {MOST_ROWS:,} rows", where=name, mend="leave old years out")
        yield (
            reader.line_num,
            (cells[first].strip(), cells[second].strip() if second >= 0 else ONLY, cells[third].strip()),
        )


def _header(header: list[str], name: str) -> list[str]:
    at = f"{name}, row 1"
    for column in header:
        if column not in COLUMNS:
            text = f"unknown column {column[:60]!a}"
            raise InputError(text, where=at, mend="the columns are time, series (may be left out) and value")
        if header.count(column) > 1:
            raise InputError(f"column {column} twice", where=at, mend="keep one of them")
    missing = [column for column in ("time", "value") if column not in header]
    if missing:
        raise InputError(f"no column {', '.join(missing)}", where=at, mend="the first row names the columns")
    return header


def _parquet(file: Path) -> Rows:
    """All rows of a Parquet file; a row's number counts from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _regular(file)
    try:
        found = pq.ParquetFile(file)
        if found.metadata.num_rows > MOST_ROWS:
            raise InputError(f"more than {MOST_ROWS:,} rows", where=file.name, mend="leave old years out")
        _header(list(found.schema_arrow.names), file.name)
        table = found.read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"not a Parquet file: {str(error)[:100]}", where=file.name, mend="write it again") from None
    count = table.num_rows
    times = table["time"]
    if pa.types.is_timestamp(times.type) or pa.types.is_date(times.type):
        zoned = pa.types.is_timestamp(times.type) and times.type.tz
        shown = [None if t is None else t.isoformat() for t in _as_seconds(times, pa).to_pylist()]
        moments: list[Any] = [f"{t[:19]}Z" if t and zoned else t or "" for t in shown]
    else:
        moments = [_text(v) for v in times.to_pylist()]
    names = [_text(v) for v in table["series"].to_pylist()] if "series" in table.column_names else [ONLY] * count
    values = ["" if v is None else str(v) for v in table["value"].to_pylist()]
    return Rows(file.name, moments, names, values, list(range(1, count + 1)))


def _as_seconds(times: Any, pa: Any) -> Any:
    """Moments in whole seconds of UTC (of no zone where they have none)."""
    import pyarrow.compute as pc

    if pa.types.is_timestamp(times.type):
        return pc.cast(times, pa.timestamp("s", tz="UTC" if times.type.tz else None), safe=False)
    return pc.cast(times, pa.timestamp("s"))


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _names(rows: Rows) -> tuple[tuple[str, ...], Array]:
    """Names of the series in order of appearance, and which each row is of."""
    known: dict[str, int] = {}
    owner = np.empty(len(rows.names), dtype=np.int64)
    for row, name in enumerate(rows.names):
        if name not in known:
            _check_name(rows, row, name)
            known[name] = len(known)
        owner[row] = known[name]
    if len(known) > MOST_SERIES:
        text = f"{len(known):,} series; {MOST_SERIES} are the most"
        raise InputError(text, where=rows.file, mend="forecast groups of them")
    return tuple(known), owner


def _check_name(rows: Rows, row: int, name: str) -> None:
    at = rows.where(row, "series")
    if not name:
        raise InputError("the cell is empty", where=at, mend="name the series, or leave the column out")
    if len(name) > LONGEST_NAME or not name.isprintable() or name[0] in "=+-@":
        raise InputError(
            f"{name[:60]!a} is no name", where=at, mend="plain letters and digits, beginning with one of them"
        )


def _values(rows: Rows) -> Array:
    """Numbers, not negative."""
    for row, text in enumerate(rows.values):
        if not NUMBER.fullmatch(text):
            said = "the cell is empty" if not text else f"{text[:60]!a} is not a plain number"
            raise InputError(said, where=rows.where(row, "value"), mend="write digits and at most one point: 1234.5")
    values = np.array(rows.values, dtype=float)
    for bad, said in ((values < 0, "is negative"), (values > LARGEST, f"is more than {LARGEST:g}")):
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"{rows.values[row]!a} {said}", where=rows.where(row, "value"), mend="demand is 0 or more")
    return values


def _times(rows: Rows, zone: str) -> tuple[Array, Array]:
    """Distinct moments, datetime64[s] in UTC (or local, where all are midnights of the zone), and each row's."""
    known: dict[str, int] = {}
    place = np.empty(len(rows.times), dtype=np.int64)
    first: list[int] = []
    for row, text in enumerate(rows.times):
        if text not in known:
            known[text] = len(known)
            first.append(row)
        place[row] = known[text]
    if len(known) > 2 * MOST_STEPS:
        raise InputError(f"more than {MOST_STEPS:,} times", where=rows.file, mend="leave old years out")
    local, offsets = _parsed(rows, list(known), first)
    utc = _in_utc(rows, local, offsets, first, zone)
    return utc, place


def _parsed(rows: Rows, texts: list[str], first: list[int]) -> tuple[Array, list[str]]:
    """Clock times as written, datetime64[s], and their offsets ("" for none)."""
    clocks, offsets = [], []
    for text, row in zip(texts, first, strict=True):
        found = TIME.fullmatch(text) if len(text) < LONGEST_CELL else None
        try:
            if found is None:
                raise ValueError
            clocks.append(np.datetime64(f"{found[1]}T{found[2] or '00:00'}", "s"))
        except ValueError:
            said = "the cell is empty" if not text else f"{text[:60]!a} is no time"
            mend = "write 2027-03-01T05:00Z, with an offset or none, or 2027-03-01"
            raise InputError(said, where=rows.where(row, "time"), mend=mend) from None
        offsets.append(found[3] or "")
        if bool(offsets[0]) != bool(offsets[-1]):
            said = "an offset in some rows and none in others"
            raise InputError(said, where=rows.where(row, "time"), mend="write all times alike")
    return np.array(clocks), offsets


def _in_utc(rows: Rows, clocks: Array, offsets: list[str], first: list[int], zone: str) -> Array:
    """Moments in UTC; days stay days of the zone."""
    import pandas as pd

    if offsets[0]:
        shift = np.array([_offset(o) for o in offsets], dtype="timedelta64[s]")
        moments = clocks - shift
        local = pd.DatetimeIndex(moments, tz="UTC").tz_convert(zone_of(zone)).tz_localize(None).to_numpy()
        return np.asarray(local.astype("datetime64[s]") if _midnights(local) else moments)
    if _midnights(clocks) or zone == "UTC":
        return clocks
    index = pd.DatetimeIndex(clocks).tz_localize(zone_of(zone), ambiguous="NaT", nonexistent="NaT")
    if index.isna().any():
        row = first[int(index.isna().argmax())]
        said = f"{rows.times[row]} is twice or never on the clocks of {zone}"
        raise InputError(said, where=rows.where(row, "time"), mend="write times with their offset, or in UTC")
    return np.asarray(index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]"))


def _midnights(clocks: Array) -> bool:
    """Whether these are days: more than one, all at midnight."""
    stamps = clocks.astype("datetime64[s]")
    return len(stamps) > 1 and bool((stamps == stamps.astype("datetime64[D]")).all())


def _offset(text: str) -> int:
    """Seconds east of UTC."""
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "")
    return (1 if text[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def _assembled(
    rows: Rows,
    times: tuple[Array, Array],
    names: tuple[tuple[str, ...], Array],
    values: Array,
    *,
    unit: str,
    zone: str,
    zero_fill: bool,
) -> History:
    """One value for every step and series, or the reason why not."""
    (stamps, place), (series, owner) = times, names
    step = DAY if _midnights(stamps) else HOUR
    grid = _grid(rows, stamps, place, step)
    index = ((stamps - grid[0]) // np.timedelta64(int(step / HOUR), "h")).astype(np.int64)[place]
    flat = owner * len(grid) + index
    _check_twice(rows, flat)
    made = np.full((len(series), len(grid)), np.nan)
    made.reshape(-1)[flat] = values
    notes = [note for i in range(len(series)) for note in _filled(rows.file, series[i], grid, made[i], zero=zero_fill)]
    return History(times=grid, series=series, values=made.T, unit=unit, zone=zone, notes=tuple(notes))


def _grid(rows: Rows, stamps: Array, place: Array, step: Any) -> Array:
    """All steps from the first to the last, datetime64[h]."""
    odd = (stamps - stamps.astype("datetime64[h]")).astype(np.int64) != 0
    if odd.any():
        row = int((place == int(odd.argmax())).argmax())
        said = f"{rows.times[row]} is within an hour"
        raise InputError(said, where=rows.where(row, "time"), mend="add up to whole hours or days first")
    ordered = np.unique(stamps).astype("datetime64[h]")
    if len(ordered) < 2:  # noqa: PLR2004
        raise InputError("one time says nothing of the next", where=rows.file, mend="give a longer history")
    gaps = np.diff(ordered)
    typical = np.median(gaps.astype(np.int64)) * HOUR
    if typical != step:
        hours = int(typical / HOUR)
        said = f"rows are mostly {hours} hours apart" if step == HOUR else f"rows are mostly {hours // 24} days apart"
        mend = "give every hour or every day; days begin at midnight of the zone (--zone)"
        raise InputError(said, where=rows.file, mend=mend)
    count = int((ordered[-1] - ordered[0]) / step) + 1
    if count > MOST_STEPS:
        raise InputError(f"{count:,} steps; {MOST_STEPS:,} are the most", where=rows.file, mend="leave old years out")
    return np.asarray(ordered[0] + step * np.arange(count))


def _check_twice(rows: Rows, flat: Array) -> None:
    order = np.argsort(flat, kind="stable")
    same = np.flatnonzero(np.diff(flat[order]) == 0)
    if len(same):
        earlier, later = int(order[same[0]]), int(order[same[0] + 1])
        said = f"{rows.times[later]} of {rows.names[later]} also stands in row {rows.lines[earlier]}"
        raise InputError(said, where=rows.where(later), mend="keep one of them, or add them up")


def _filled(file: str, name: str, grid: Array, values: Array, *, zero: bool) -> Iterator[str]:
    """Fill what is missing of a series in place; notes say what was done."""
    known = np.flatnonzero(~np.isnan(values))
    begin, end = int(known[0]), int(known[-1]) + 1
    if begin:
        values[:begin] = 0.0
        yield f"{name} begins at {grid[begin]}; before, it counts as 0."
    missing = np.isnan(values)
    if not missing.any():
        return
    if zero:
        values[missing] = 0.0
        yield f"{name}: {int(missing.sum()):,} missing counted as 0."
        return
    _check_gaps(file, name, grid, missing, end)
    where = np.flatnonzero(missing)
    values[where] = np.interp(where, known, values[known])
    yield f"{name}: {len(where):,} missing filled by a line between their neighbours, first {grid[where[0]]}."


def _check_gaps(file: str, name: str, grid: Array, missing: Array, end: int) -> None:
    """A few steps may be missing, not many in a row, and none at the end."""
    at = f"{file}, {name}"
    mend = "write a row for each, or say that a missing row is no demand (--zero-fill)"
    if end < len(grid):
        said = f"ends before {grid[end]}, others go on to {grid[-1]}"
        raise InputError(said, where=at, mend=mend)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    begins, ends = edges[::2], edges[1::2]
    longest = int((ends - begins).argmax())
    length, daily = int(ends[longest] - begins[longest]), bool(grid[1] - grid[0] == DAY)
    word = "days" if daily else "hours"
    if length > (FEW_DAYS if daily else FEW_HOURS):
        said = f"{length:,} {word} missing from {grid[begins[longest]]}"
        raise InputError(said, where=at, mend=mend)
    if missing.sum() > max(1, FEW_SHARE * len(grid)):
        said = f"{int(missing.sum()):,} of {len(grid):,} {word} missing, first {grid[begins[0]]}"
        raise InputError(said, where=at, mend=mend)
