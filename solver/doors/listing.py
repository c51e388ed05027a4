"""The commands that list what is known: prices, models, examples, the schema."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..money import to_usd
from . import screen
from .screen import Column

if TYPE_CHECKING:
    from costdata import Catalog

PRICE_KEYS = (
    *("provider", "region", "node", "accelerator", "accelerators", "option", "usd_per_hour", "upfront_usd"),
    *("term_months", "usd_per_accelerator_hour", "valid_from", "age_days", "source"),
)
HOURS_IN_TERM_MONTH = 730  # as commitments are sold: a year is 8,760 hours


def prices(
    filters: Mapping[str, Sequence[str]], as_of: str | None, overrides: Path | None, style: str, *, limit: int
) -> None:
    """Offers that pass the filters, the cheapest accelerator-hour first."""
    import costdata

    from ..report.cells import clean

    catalog = costdata.load(as_of=as_of, overrides=overrides)
    found = catalog.where(**filters) if filters else catalog
    rows = _price_rows(found)
    if style == "table":
        heads = (
            Column("where", "Where"),
            Column("node", "Node"),
            Column("accelerator", "Accelerator"),
            Column("option", "Option"),
            Column("usd_per_hour", "$/hour", _usd, right=True),
            Column("upfront_usd", "Upfront $", lambda v: f"{v:,.0f}" if v else "", right=True),
            Column("usd_per_accelerator_hour", "$/GPU-hour", _usd, right=True),
            Column("age_days", "Age", lambda v: f"{v} d", right=True),
        )
        for row in rows:
            row["where"] = f"{row['provider']} {row['region']}"
            row["accelerator"] = f"{row['accelerators']}×{row['accelerator']}" if row["accelerators"] else ""
        screen.print_rows(heads, [[row[c.key] for c in heads] for row in rows], style, limit=limit)
        screen.console().print(f"{len(rows):,} offers as of {found.as_of}; list prices unless overrides change them.")
    else:
        columns = [Column(key, key) for key in PRICE_KEYS]
        screen.print_rows(columns, [[row[c.key] for c in columns] for row in rows], style)
    for warning in found.warnings:
        screen.console(sys.stderr).print(clean(f"Warning: {warning}"), style="yellow", markup=False)


def _price_rows(catalog: Catalog) -> list[dict[str, Any]]:
    """One row an offer; an upfront payment is spread over its term in the price of an accelerator-hour."""
    o = catalog.offers
    nodes = [catalog.nodes[key] for key in zip(o.provider.tolist(), o.node.tolist(), strict=True)]
    count = np.array([node.accelerators for node in nodes], dtype=np.int64)
    hourly = o.micro_usd_per_hour + o.upfront_micro_usd / np.maximum(1, o.term_months * HOURS_IN_TERM_MONTH)
    each = np.where(count > 0, hourly / np.maximum(count, 1), np.inf)
    order = np.lexsort((o.option.astype(str), o.region.astype(str), o.node.astype(str), hourly, each))
    return [
        {
            **{key: getattr(o, key)[i] for key in ("provider", "region", "node", "option", "valid_from", "source")},
            "accelerator": nodes[i].accelerator,
            "accelerators": int(count[i]),
            "usd_per_hour": to_usd(o.micro_usd_per_hour[i]),
            "upfront_usd": to_usd(o.upfront_micro_usd[i]),
            "term_months": int(o.term_months[i]),
            "usd_per_accelerator_hour": to_usd(round(float(each[i]))) if count[i] else None,
            "age_days": int(o.age_days[i]),
        }
        for i in order
    ]


def _usd(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:,.4f}"


def models(style: str, *, limit: int) -> None:
    """Architectures by name."""
    from ..perf.architectures import registry

    columns = (
        Column("name", "Model"),
        Column("family", "Family"),
        Column("parameters", "Parameters", _billions, right=True),
        Column("active_parameters", "Active", _billions, right=True),
        Column("max_context", "Context", lambda v: f"{v:,}", right=True),
        Column("native_precision", "Precision"),
    )
    found = sorted(registry().values(), key=lambda a: a.name.lower())
    screen.print_rows(columns, [[getattr(a, c.key) for c in columns] for a in found], style, limit=limit)


def _billions(count: Any) -> str:
    return f"{count / 1e9:,.1f} B" if count >= 1e9 else f"{count / 1e6:,.0f} M"  # noqa: PLR2004


def init(example: str | None) -> None:
    """Print a packaged example, or with None the names of all."""
    from ..examples import example_names, example_text

    sys.stdout.write("".join(f"{name}\n" for name in example_names()) if example is None else example_text(example))


def schema() -> None:
    """Print the JSON Schema of specs."""
    import json

    from ..spec import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


def doctor() -> int:
    """Print what is found as it is found; 1 when something is broken."""
    from ..doctor import examine
    from .guard import INTERNAL, plain

    broken = 0
    for finding in examine():
        broken += finding.verdict == "bad"
        sys.stdout.write(f"{finding.verdict:4}  {finding.what:18}  {plain(finding.detail)}\n")
        sys.stdout.flush()
    return INTERNAL if broken else 0
