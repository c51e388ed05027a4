"""The command that replays policies over traces of spot capacity."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import guard, screen
from .screen import Column

if TYPE_CHECKING:
    from ..replay.document import Backtest
    from ..replay.study import Found

ALL = "all"


def backtest(
    spec: str, traces: Path, policies: Sequence[str], *, foresight: bool, by: str, out: Path | None, style: str
) -> int:
    """Replay, print the tables, write the files.

    Returns:
        0; or 1 when a job was late.
    """
    from ..replay.policies import POLICIES, policy
    from ..replay.study import backtest, serve
    from ..spot import read_markets

    documents = _documents(spec)
    wanted = POLICIES if ALL in policies or not policies else tuple(policy(name) for name in dict.fromkeys(policies))
    markets = read_markets(traces)
    with_jobs = [document for document in documents if document.jobs]
    found = backtest(with_jobs, markets, wanted, foresight=foresight, told=_told) if with_jobs else None
    services = [row for document in documents for row in serve(document, markets, _told)]
    name = documents[0].name if len(documents) == 1 else Path(spec).stem
    _show(name, found, services, by, style)
    if out is not None:
        from ..report.backtest import write

        for path in write(found, services, name, out):
            sys.stderr.write(f"wrote {guard.plain(str(path))}\n")
    late = 0 if found is None else sum(int(v.sum()) for v in found.rows.late.values())
    return guard.INTERNAL if late else 0


def _told(line: str) -> None:
    sys.stderr.write(f"{guard.plain(line)}\n")


def _documents(spec: str) -> tuple[Backtest, ...]:
    """A file of jobs and services; or a fleet spec, whose training runs are replayed."""
    from ..replay.document import grid_names, is_fleet, read_backtest

    if spec[1:] not in grid_names() and is_fleet(spec):
        from ..replay.fleet import of_problem
        from .planning import load

        return of_problem(load(spec))
    return (read_backtest(spec),)


def _show(name: str, found: Found | None, services: list[dict[str, Any]], by: str, style: str) -> None:
    jobs = found.table(by) if found else []
    if style == "json":
        from ..report.backtest import to_json

        sys.stdout.write(to_json(name, jobs, services, found.left_out if found else 0))
        return
    if jobs:
        screen.print_rows(JOBS, [[row[c.key] for c in JOBS] for row in jobs], style)
    if services:
        screen.print_rows(SERVICES, [[row[c.key] for c in SERVICES] for row in services], style)
    if found and style == "table":
        note = "Costs are shares of on demand alone; of the way: from uniform progress to the omniscient."
        screen.console().print(note)
        if found.left_out:
            screen.console().print(f"{found.left_out:,} jobs of the grid would not end within their trace.")


def _percent(digits: int = 1, factor: float = 1.0) -> Any:
    def shown(value: float | None) -> str:
        return "" if value is None or not math.isfinite(value) else f"{factor * value:.{digits}f} %"

    return shown


JOBS = (
    Column("market", "Market"),
    Column("policy", "Policy"),
    Column("jobs", "Jobs", lambda v: f"{v:,}", right=True),
    Column("cost_percent", "Cost", _percent(), right=True),
    Column("low_percent", "95 % from", _percent(), right=True),
    Column("high_percent", "to", _percent(), right=True),
    Column("late", "Late", lambda v: f"{v:,}", right=True),
    Column("dearer_percent", "Dearer", _percent(), right=True),
    Column("worst_percent", "Dearest", _percent(), right=True),
    Column("starts", "Starts", lambda v: f"{v:.1f}", right=True),
    Column("foresight_percent", "Omniscient", _percent(), right=True),
    Column("of_the_way_percent", "Of the way", _percent(0), right=True),
)
SERVICES = (
    Column("market", "Market"),
    Column("service", "Service"),
    Column("policy", "Policy"),
    Column("served_share", "Served", _percent(3, 100), right=True),
    Column("saving", "Saved", _percent(1, 100), right=True),
    Column("cost_usd", "Cost $", lambda v: f"{v:,.0f}", right=True),
    Column("taken_back", "Taken back", lambda v: "" if v is None else f"{v:,}", right=True),
)
