"""Commitments as files: commitments.json, purchases.csv, months.csv, futures.csv and commitments.html."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..money import to_usd
from ..table import Table
from . import charts, files, svg, words
from .cells import edge_name
from .figures import Pivot
from .html import render_template
from .tables import to_csv

if TYPE_CHECKING:
    import os
    from fractions import Fraction

    from ..reserve.study import Study

SCHEMA = "autoparallel.commit/1"
NOTHING = "Nothing: what is offered costs more than it saves."


def usd(micro_usd: Fraction | float) -> str:
    """Micro-dollars as whole dollars for people."""
    return words.usd(round(micro_usd), 0)


def share(value: float, digits: int) -> str:
    """A share in per cent, "–" where there is none."""
    return "–" if math.isnan(value) else words.percent(100 * value, digits)


def quantity(row: dict[str, Any], step_usd: float) -> str:
    """ "12 nodes", or "$4.20 an hour" of a spend commitment."""  # noqa: D210
    if row["unit"] == "usd":
        return f"${row['quantity'] * step_usd:,.2f} an hour"
    return f"{row['quantity']:,} node{'s' if row['quantity'] != 1 else ''}"


def purchases(study: Study) -> list[dict[str, str]]:
    """What to buy, as people read it: when, how many, what, where, cost, use, worth."""
    steps = _steps(study)

    def what(r: dict[str, Any]) -> str:
        return f"{quantity(r, steps[r['option'], r['where'], r['buyer']])}: {r['title'] or words.option(r['option'])}"

    return [
        {
            "starts": r["starts"],
            "what": what(r),
            "option": r["option"],
            "where": r["where"] + (f" ({r['buyer']})" if r["buyer"] else ""),
            "ends": r["ends"],
            "renews": str(r["renews"] or ""),
            "upfront": usd(r["upfront_micro_usd"]),
            "hourly": words.usd(r["micro_usd_per_hour"]),
            "cost": usd(r["cost_micro_usd"]),
            "saves": usd(r["worth_usd"] * 1e6),
            "use": words.percent(100 * r["utilisation"], 0),
            "break_even": share(r["break_even"], 0),
            "under_use": share(r["under_use"], 0),
            "payback": r["payback"] or "not in view",
            "npv": usd(r["npv_usd"] * 1e6),
            "irr": share(r["irr"], 1),
        }
        for r in study.portfolio.purchases.records()
    ]


def _steps(study: Study) -> dict[tuple[str, str, str], float]:
    """Dollars an hour of a unit of each spend commitment."""
    c = study.reserve.choices
    keys = zip(c.option.tolist(), c.where.tolist(), c.buyer.tolist(), strict=True)
    return dict(zip(keys, (c.capacity / 1e6).tolist(), strict=True))


def headline(study: Study) -> str:
    """What the portfolio costs, what it saves, how sure that is."""
    cost, bare, p = study.expected_micro_usd, study.on_demand_micro_usd, study.portfolio
    saved = float((bare - cost) / bare) if bare else 0.0
    hours, futures = study.reserve.usage.hours, len(study.reserve.usage.probability)
    over = f"expected over {futures} futures" if futures > 1 else "for usage as it is planned"
    return (
        f"{usd(cost)} over {hours:,} hours, {over}: {words.percent(100 * saved)} less than {usd(bare)} without buying "
        f"anything. No other quantities cost less than {usd(p.lower_micro_usd)} (gap {words.percent(100 * p.gap, 2)})."
    )


def regret(study: Study) -> str:
    """How much dearer than with each future known; "" where there is only one."""
    if not len(study.futures):
        return ""
    shares = study.futures["regret"].astype(float).clip(0)
    mean = float(shares @ study.futures["probability"].astype(float))
    return (
        f"Had each future been known, its best commitments would have cost {words.percent(100 * mean)} less on average "
        f"and {words.percent(100 * float(shares.max()))} less in the worst."
    )


def to_json(study: Study) -> str:
    """All of it as JSON; money as decimal strings."""
    p = study.portfolio
    made = {
        "schema": SCHEMA,
        "name": study.name,
        "as_of": study.as_of,
        "start": study.reserve.usage.start.isoformat(),
        "hours": study.reserve.usage.hours,
        "expected_usd": _exact(study.expected_micro_usd),
        "on_demand_usd": _exact(study.on_demand_micro_usd),
        "lower_usd": f"{to_usd(p.lower_micro_usd):f}",
        "upper_usd": f"{to_usd(p.upper_micro_usd):f}",
        "gap": p.gap,
        "purchases": _records(p.purchases),
        "inventory": _records(p.inventory),
        "months": _records(p.months),
        "futures": _records(study.futures),
        "otherwise": _records(study.otherwise),
        "notes": list(study.notes),
    }
    return json.dumps(made, indent=1, allow_nan=False) + "\n"


def _exact(micro_usd: Fraction) -> str:
    return f"{to_usd(round(micro_usd)):f}"


def _records(table: Table) -> list[dict[str, Any]]:
    """Rows; whole micro-dollars as decimal dollars in texts, what is no number as null."""

    def shown(name: str, value: Any) -> Any:
        if "micro_usd" in name:
            return f"{to_usd(value):f}"
        return None if isinstance(value, float) and math.isnan(value) else value

    return [{edge_name(k): shown(k, v) for k, v in row.items()} for row in table.records()]


def page(study: Study) -> str:
    """All of it as one HTML document that works offline."""
    months = study.portfolio.months
    labels = ("Commitments", "On demand")
    amounts = np.array([months["commitments_micro_usd"], months["on_demand_micro_usd"]], dtype=np.int64)
    pivot = Pivot(labels=labels, periods=tuple(months["month"].tolist()), micro_usd=amounts)
    colours = {"Commitments": svg.ACCENT, "On demand": svg.ON_DEMAND}
    context = {
        "title": f"{study.name}: commitments",
        "headline": headline(study),
        "regret": regret(study),
        "chart": charts.stacked("months", "Cost by month", pivot, colours, charts.WIDE),
        "purchases": purchases(study),
        "inventory": list(study.portfolio.inventory.records()),
        "months": list(months.records()),
        "futures": list(study.futures.records()),
        "otherwise": list(study.otherwise.records()),
        "notes": study.notes,
        "nothing": NOTHING,
        "usd": lambda value: words.usd(round(float(value) * 1e6), 0),
        "micro": usd,
        "share": lambda value: words.percent(100 * value, 1),
    }
    return render_template("portfolio.html.j2", context)


def write_all(study: Study, out_dir: str | os.PathLike[str]) -> list[Path]:
    """Write all files; every content is made before the first is written.

    Raises:
        InputError: the folder or a file in it is a link or not what it should be, or cannot be written.
    """
    folder, p = Path(out_dir), study.portfolio
    made = {"commitments.json": to_json(study).encode(), "commitments.html": page(study).encode("utf-8", "replace")}
    tables = {"purchases": p.purchases, "inventory": p.inventory, "months": p.months, "futures": study.futures}
    made |= {f"{name}.csv": to_csv(table).encode() for name, table in tables.items() if len(table)}
    files.make_folder(folder)
    for name in made:
        files.refuse_odd_target(folder / name)
    for name, content in made.items():
        files.write_atomically(folder / name, content)
    return [folder / name for name in made]
