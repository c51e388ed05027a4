"""Every table of a plan as Parquet (typed, exact decimals) and as CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ..plan import TABLES
from . import cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan import Plan
    from ..problem import Problem
    from ..table import Table


def render(problem: Problem, plan: Plan) -> Iterator[tuple[str, bytes]]:  # noqa: ARG001
    """Files tables/<name>.csv and tables/<name>.parquet."""
    for name in ("fleet", *TABLES):
        table = getattr(plan, name)
        yield f"tables/{name}.csv", to_csv(table).encode("utf-8")
        yield f"tables/{name}.parquet", to_parquet(table)


def to_csv(table: Table) -> str:
    """CSV with a header; text is quoted and guarded against formulas, money is in dollars with six decimals."""
    made = cells.columns(table)
    lines = [",".join(_cell(c.name) for c in made)]
    lines += [",".join(map(_cell, row)) for row in zip(*(c.values for c in made), strict=True)]
    return "\n".join(lines) + "\n"


def to_parquet(table: Table) -> bytes:
    """Parquet: int64, double, bool, string, and decimal128(24, 6) dollars; fractions as text "1/3"."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "money": pa.decimal128(24, 6)}
    arrays, names = [], []
    for column in cells.columns(table):
        values: list[Any] = column.values
        if column.kind in {"text", "fraction"}:
            values = [str(v).encode("utf-8", "replace").decode() for v in values]
        arrays.append(pa.array(values, type=kinds.get(column.kind, pa.string())))
        names.append(column.name)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=names), sink, compression="zstd")
    return sink.getvalue()


def _cell(value: Any) -> str:
    """Numbers bare, all text in quotes: a list separator other than the comma cannot split a name in two."""
    if isinstance(value, str):
        return '"' + cells.guarded(value).replace('"', '""') + '"'
    return cells.plain(value)
