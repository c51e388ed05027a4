"""The commands that list what is known: prices, models, examples, the schema."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import screen
from .screen import Column

HOURS_IN_TERM_MONTH = 730  # as commitments are sold: a year is 8,760 hours


def prices(
    filters: Mapping[str, Sequence[str]], as_of: str | None, overrides: Path | None, style: str, *, limit: int
) -> None:
    """Offers that pass the filters, the cheapest accelerator-hour first."""
    import costdata

    from ..money import to_usd
    from ..report.cells import clean

    catalog = costdata.load(as_of=as_of, overrides=overrides)
    found = catalog.where(**filters) if filters else catalog
    offers = found.offers
    nodes = [found.nodes[key] for key in zip(offers.provider.tolist(), offers.node.tolist(), strict=True)]
    count = np.array([node.accelerators for node in nodes], dtype=np.int64)
    upfront = offers.upfront_micro_usd / np.maximum(1, offers.term_months * HOURS_IN_TERM_MONTH)
    hourly = offers.micro_usd_per_hour + upfront
    each = np.where(count > 0, hourly / np.maximum(count, 1), np.inf)
    columns = (
        Column("provider", "Provider"),
        Column("region", "Region"),
        Column("node", "Node"),
        Column("accelerator", "Accelerator"),
        Column("accelerators", "GPUs", right=True),
        Column("option", "Option"),
        Column("usd_per_hour", "$/hour", lambda v: f"{v:,.4f}", right=True),
        Column("upfront_usd", "Upfront $", lambda v: f"{v:,.2f}" if v else "", right=True),
        Column("usd_per_accelerator_hour", "$/GPU-hour", lambda v: "" if v is None else f"{v:,.4f}", right=True),
        Column("valid_from", "Since"),
        Column("age_days", "Age, days", right=True),
        Column("source", "Source"),
    )
    rows = [
        (
            str(offers.provider[i]),
            str(offers.region[i]),
            str(offers.node[i]),
            nodes[i].accelerator,
            int(count[i]),
            str(offers.option[i]),
            to_usd(offers.micro_usd_per_hour[i]),
            to_usd(offers.upfront_micro_usd[i]),
            to_usd(round(float(each[i]))) if count[i] else None,
            str(offers.valid_from[i]),
            int(offers.age_days[i]),
            str(offers.source[i]),
        )
        for i in np.lexsort(
            (offers.option.astype(str), offers.region.astype(str), offers.node.astype(str), hourly, each)
        )
    ]
    shown = columns if style != "table" else columns[:-1]
    screen.print_rows(shown, [row[: len(shown)] for row in rows], style, limit=limit)
    if style == "table":
        screen.console().print(f"{len(rows):,} offers as of {found.as_of}; list prices unless overrides change them.")
    for warning in found.warnings:
        screen.console(sys.stderr).print(clean(f"Warning: {warning}"), style="yellow", markup=False)


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
    from .examples import example_names, example_text

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
