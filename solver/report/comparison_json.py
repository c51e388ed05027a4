"""comparison.json: every table as records; money as decimal strings, absent values null, units beside the names."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import cells

if TYPE_CHECKING:
    from ..compare import ComparisonReport
    from ..table import Table

SCHEMA = "autoparallel.comparison/1"
TABLES = ("models", "break_even", "commitments")
UNITS = (  # part of a column's name → unit; the first that fits
    ("usd", "USD"),
    ("_gib", "GiB"),
    ("_ms", "ms"),
    ("tokens_per_s", "tokens/s"),
    ("requests_per_hour", "requests/h"),
    ("hours_per_month", "h/month"),
    ("_used", "share"),
    ("_share", "share"),
    ("_chance", "probability"),
    ("load_at_demand", "share"),
)


def to_json(report: ComparisonReport) -> str:
    """The report as JSON text, keys in a fixed order, one record a line."""
    head = {
        "schema": SCHEMA,
        "version": report.version,
        "as_of": report.as_of,
        "catalog_digest": report.catalog_digest,
        "cluster": report.cluster,
        "option": report.option,
        "demand": dataclasses.asdict(report.demand),
        "complete": report.complete,
        "notes": list(report.notes),
        "units": {c: u for name in TABLES for c in edge_names(getattr(report, name)) if (u := unit(c))},
    }
    lines = [f"{_dump(key)}: {_dump(value)}" for key, value in head.items()]
    for name in TABLES:
        rows = ",\n".join(_dump(r) for r in records(getattr(report, name)))
        lines.append(f"{_dump(name)}: [" + (f"\n{rows}\n" if rows else "") + "]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def records(table: Table) -> list[dict[str, Any]]:
    """Rows as plain values."""
    made = cells.columns(table)
    return [
        {c.name: f"{v:f}" if isinstance(v, Decimal) else v for c, v in zip(made, row, strict=True)}
        for row in zip(*(c.values for c in made), strict=True)
    ]


def edge_names(table: Table) -> list[str]:
    """Column names as they stand outside."""
    return [cells.edge_name(name) for name in table.names]


def unit(column: str) -> str:
    """Unit of a column, "" of a name or a count."""
    return next((u for part, u in UNITS if part in column), "")


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
