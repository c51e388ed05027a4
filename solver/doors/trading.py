"""The command that trades cost against something else."""

from __future__ import annotations

import sys
from pathlib import Path

from . import guard, screen
from .planning import Search, load


def pareto(spec: str, against: str, points: int, out: Path | None, search: Search, *, style: str) -> int:
    """Plan along the axis, write and print; files are written before anything is printed."""
    from ..pareto import Search as Each
    from ..pareto import pareto
    from ..report import pareto as report
    from ..report import words

    with screen.progress() as follow:
        problem = load(spec)
        each = Each(
            time_limit_s=search.time_limit_s, gap=search.gap, seed=search.seed, deterministic=search.deterministic
        )
        found = pareto(problem, against, points=points, search=each, progress=follow)
    if out is not None:
        paths = report.write_all(found, out)
        sys.stderr.write(f"wrote {len(paths)} files to {guard.plain(str(out))}\n")
    if style == "json":
        sys.stdout.write(report.to_json(found))
        return 0
    rows = [
        (
            r["point"],
            r[against],
            r["limit"],
            r["micro_usd_per_month"],
            r["total_micro_usd"],
            r["lower_micro_usd"],
            r["gap"],
        )
        for r in report.rows(found)
    ]

    def usd(micro_usd: int) -> str:
        return words.usd(micro_usd, 0)

    def figure(value: float) -> str:
        return "any" if value == float("inf") else f"{value:,.6g}"

    columns = [
        screen.Column("point", "", right=True),
        screen.Column(against, found.unit, figure, right=True),
        screen.Column("limit", "Allowed", figure, right=True),
        screen.Column("micro_usd_per_month", "A month", usd, right=True),
        screen.Column("total_micro_usd", "In all", usd, right=True),
        screen.Column("lower_micro_usd", "Proved at least", usd, right=True),
        screen.Column("gap", "Gap", lambda g: words.percent(100 * g, 2), right=True),
    ]
    screen.print_rows(columns, rows, style)
    for note in (*found.notes, *([f"{found.dominated} plans were no better than these"] if found.dominated else [])):
        sys.stderr.write(f"note: {note}\n")
    return 0
