"""CSV and Parquet: dollars to the micro-dollar, numbers as numbers, and names that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import numpy as np
import pytest

from solver.plan import TABLES, Plan
from solver.report.cells import clean
from solver.report.tables import to_csv, to_parquet
from solver.table import Table
from tests.report.report_hostile import PAYLOADS, poisoned

STARTS = tuple("=+-@\t\r＝＋－＠")


def test_csv_holds_every_line_of_the_bill(plan: Plan) -> None:
    """The sum of the file is the bill, to the micro-dollar."""
    rows = list(csv.DictReader(io.StringIO(to_csv(plan.cost_lines))))
    assert len(rows) == len(plan.cost_lines)
    assert sum(Decimal(row["usd"]) for row in rows) == plan.total_usd


def test_csv_numbers_and_absent_values() -> None:
    """Numbers stand bare, negative ones too; NaN and "no such price" are empty."""
    table = Table({"x": [-1.5, np.nan], "n": [-3, 4], "micro_usd_per_hour": [-1, 1_500_000], "ok": [True, False]})
    assert to_csv(table) == '"x","n","usd_per_hour","ok"\n-1.5,-3,,true\n,4,1.500000,false\n'


@pytest.mark.parametrize("payload", PAYLOADS)
def test_csv_guards_every_name(payload: str) -> None:
    """No cell begins as a formula, no control character stays, and a row stays a row."""
    text = to_csv(Table.from_records(["name", "n"], [(payload, -1)]))
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 2
    assert rows[1][1] == "-1"
    assert not rows[1][0].lstrip(" ").startswith(STARTS)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in rows[1][0])
    if payload.startswith(STARTS) or clean(payload).lstrip().startswith(STARTS):
        assert rows[1][0].startswith("'")


def test_whole_poisoned_plan() -> None:
    """Every text column of every table is guarded, and other separators split nothing."""
    _, plan = poisoned()
    for name in ("fleet", *TABLES):
        table = getattr(plan, name)
        lines = to_csv(table).splitlines()
        assert len(lines) == len(table) + 1
        for row in csv.reader(lines[1:]):
            for cell, column in zip(row, table.names, strict=True):
                if table[column].dtype == object:
                    assert not cell.startswith(STARTS), (name, column, cell)


def test_parquet_types(plan: Plan) -> None:
    """Typed columns and exact decimals, read back by another library's reader."""
    import pyarrow.parquet as pq

    read = pq.read_table(io.BytesIO(to_parquet(plan.cost_lines)))
    assert str(read.schema.field("usd").type) == "decimal128(24, 6)"
    assert sum(read["usd"].to_pylist()) == plan.total_usd
    fleet = pq.read_table(io.BytesIO(to_parquet(plan.fleet)))
    assert fleet["workload"].to_pylist() == plan.fleet["workload"].tolist()
    assert fleet["usd_per_1m_input"].to_pylist()[-1] is None
    assert str(fleet.schema.field("nodes_peak").type) == "int64"


def test_parquet_of_empty_and_hostile_tables() -> None:
    """A table without columns and one full of odd text are written all the same."""
    import pyarrow.parquet as pq

    assert pq.read_table(io.BytesIO(to_parquet(Table({})))).num_rows == 0
    _, plan = poisoned()
    assert pq.read_table(io.BytesIO(to_parquet(plan.fleet))).num_rows == len(PAYLOADS)


def test_a_table_shows_its_size_and_columns() -> None:
    """In a Python session, where an address says nothing."""
    assert repr(Table({"node": ["a", "b"], "nodes": [1, 2]})) == "Table(2 rows: node, nodes)"
