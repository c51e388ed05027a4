"""Writes rows of a bill in FOCUS 1.2 as CSV or Parquet, and reads rows in memory as a bill."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..report.cells import guarded
from .bill import Bill, add_up
from .match import Matching
from .parse import decimal_type
from .planned import COLUMNS, NUMBERS, TIMES, Rate, Row, planned_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from ..plan import Plan

SUFFIXES = (".csv", ".parquet")
OWN_TAGS = Matching(workload_tags=("workload",), team_tags=("team",), project_tags=())


def export_plan(plan: Plan, path: Path | str, rate: Rate | None = None) -> int:
    """Write a plan's bill (see `planned_rows`) to a .csv or .parquet file; gives the number of rows.

    Raises:
        InputError: another suffix, an infeasible plan, or a file that cannot be written.
    """
    rows = planned_rows(plan, rate)
    write_rows(rows, path)
    return len(rows)


def write_rows(rows: Sequence[Row], path: Path | str) -> None:
    """Write rows in the columns of `planned.COLUMNS`; the file is whole or not there."""
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"cannot write {file.suffix or 'a file without suffix'}", where=str(file),
                         mend=f"use {', '.join(SUFFIXES)}")  # fmt: skip
    content = to_parquet(rows) if file.suffix.lower() == ".parquet" else to_csv(rows).encode("utf-8")
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as out:
            out.write(content)
        Path(out.name).chmod(0o644)
        os.replace(out.name, file)  # noqa: PTH105
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", where=str(file)) from None


def to_csv(rows: Iterable[Row]) -> str:
    """CSV: nulls empty, numbers plain, text that a spreadsheet could take for a formula guarded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[c]) for c in COLUMNS] for row in rows)
    return out.getvalue()


def to_parquet(rows: Sequence[Row]) -> bytes:
    """Parquet: decimals of 18 places, moments in UTC, text."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(to_arrow(rows), sink, compression="zstd")
    return sink.getvalue()


def to_arrow(rows: Sequence[Row]) -> pa.Table:
    """Rows as a table of typed columns."""
    import pyarrow as pa

    def column(name: str) -> pa.Array:
        values: list[Any] = [row[name] for row in rows]
        if name in NUMBERS:
            return pa.array(values, decimal_type())
        if name in TIMES:
            return pa.array([datetime.fromisoformat(v) for v in values], pa.timestamp("us", tz="UTC"))
        return pa.array(values, pa.string())

    return pa.table({name: column(name) for name in COLUMNS})


def planned_bill(plan: Plan, rate: Rate | None = None) -> Bill:
    """What a plan will be billed, as a bill that was read."""
    table = to_arrow(planned_rows(plan, rate))
    return add_up([(plan.name, table)], OWN_TAGS.for_plan(plan))


def plain(value: Decimal) -> str:
    """A number without exponent and needless zeros; one decimal at least, so that nobody takes it for an integer."""
    whole, _, rest = f"{value:f}".partition(".")
    return f"{whole}.{rest.rstrip('0') or '0'}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return plain(value) if isinstance(value, Decimal) else guarded(str(value))
