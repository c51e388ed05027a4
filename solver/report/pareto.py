"""A frontier as files: pareto.json, pareto.csv and pareto.html, and each plan's plan.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..money import to_usd
from ..table import Table
from . import charts, files, words
from .html import render_template
from .json import to_json as plan_json
from .tables import to_csv

if TYPE_CHECKING:
    import os

    from ..pareto import Frontier

SCHEMA = "autoparallel.pareto/1"


def rows(found: Frontier) -> list[dict[str, Any]]:
    """One a plan, the cheapest first; money in micro-dollars."""
    return [
        {
            "point": i + 1,
            found.against: round(p.value, 6),
            "limit": p.limit,
            "micro_usd_per_month": words.monthly_micro_usd(p.plan),
            "total_micro_usd": p.plan.total_micro_usd,
            "lower_micro_usd": p.plan.certificate.lower_micro_usd,
            "gap": p.plan.certificate.gap,
            "termination": p.plan.termination,
        }
        for i, p in enumerate(found.points)
    ]


def to_json(found: Frontier) -> str:
    """The frontier as JSON; money as decimal strings, no limit as null."""
    points = []
    for row in rows(found):
        made = {k.replace("micro_usd", "usd"): f"{to_usd(v):f}" if "micro_usd" in k else v for k, v in row.items()}
        points.append(made | {"limit": None if row["limit"] == float("inf") else row["limit"]})
    head = {"schema": SCHEMA, "against": found.against, "unit": found.unit, "dominated": found.dominated}
    return json.dumps(head | {"points": points, "notes": found.notes}, indent=1) + "\n"


def page(found: Frontier) -> str:
    """The frontier as one HTML document that works offline."""
    title = f"{found.points[0].plan.name}: cost against {found.against}"
    heads = ("", found.unit, "allowed", "a month", "in all", "proved at least", "gap")
    cells = [
        (
            str(r["point"]), f"{r[found.against]:,.6g}", "any" if r["limit"] == float("inf") else f"{r['limit']:,.6g}",
            words.usd(r["micro_usd_per_month"], 0), words.usd(r["total_micro_usd"], 0),
            words.usd(r["lower_micro_usd"], 0), words.percent(100 * r["gap"], 2),
        )
        for r in rows(found)
    ]  # fmt: skip
    plans = [(p.value, p.plan) for p in found.points]
    chart = charts.frontier([(v, words.monthly_micro_usd(plan)) for v, plan in plans], found.unit)
    context = {"title": title, "chart": chart, "heads": heads, "rows": cells, "notes": found.notes}
    return render_template("pareto.html.j2", context)


def write_all(found: Frontier, out_dir: str | os.PathLike[str]) -> list[Path]:
    """Write all files; every content is made before the first is written.

    Raises:
        InputError: the folder or a file in it is a link or not what it should be, or cannot be written.
    """
    folder = Path(out_dir)
    made = {
        folder / "pareto.json": to_json(found).encode(),
        folder / "pareto.csv": to_csv(_table(found)).encode(),
        folder / "pareto.html": page(found).encode("utf-8", "replace"),
        **{folder / f"point-{i + 1:02d}" / "plan.json": plan_json(p.plan).encode() for i, p in enumerate(found.points)},
    }
    for parent in dict.fromkeys(path.parent for path in made):
        files.make_folder(parent)
    for path in made:
        files.refuse_odd_target(path)
    for path, content in made.items():
        files.write_atomically(path, content)
    return list(made)


def _table(found: Frontier) -> Table:
    records = rows(found)
    return Table.from_records(list(records[0]), [list(r.values()) for r in records])
