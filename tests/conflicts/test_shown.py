"""What readers see of conflicts that are unusual."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from solver.plan import Plan
from solver.report.terminal import NOT_FOUND, show
from solver.table import Table
from tests.report.report_samples import make_infeasible

COLUMNS = ("limit", "unit", "relax_by", "usd_per_unit", "detail")


def printed(plan: Plan) -> str:
    """The terminal's view."""
    stream = io.StringIO()
    show(plan, Console(file=stream, width=120, no_color=True))
    return stream.getvalue()


def test_what_saves_has_a_minus_and_what_has_no_price_a_dash() -> None:
    """Neither "$-486.79" nor "nan"."""
    rows = [("quota[a/b/c]", "nodes", 3, -486.79, "why"), ("quota[a/b/d]", "nodes", 1, float("nan"), "why")]
    text = printed(dataclasses.replace(make_infeasible(), conflicts=Table.from_records(COLUMNS, rows)))
    assert "\N{MINUS SIGN}$486.79" in text
    assert "\N{EN DASH}" in text
    assert "nan" not in text


def test_nothing_found_is_said() -> None:
    """An empty table would say nothing."""
    text = printed(dataclasses.replace(make_infeasible(), conflicts=Table.from_records(COLUMNS, [])))
    assert NOT_FOUND in " ".join(text.split())
