"""sweep.html: one page that works from a file, offline, with no script."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from . import charts, svg, words
from .html import render_template

if TYPE_CHECKING:
    from markupsafe import Markup

    from ..sweep.result import Row, SweepReport

MOST_ROWS = 1000
MOST_BARS = 30
MOST_VALUES = 24  # of a field whose effect is shown
MOST_ASIDE = 50
MOST_ERROR = 1500  # characters
WIDE, TALL, LEFT = 1000.0, 24.0, 380.0


def page(report: SweepReport) -> str:
    """The whole sweep as one HTML document; the same results give the same bytes."""
    done = [row for row in report.rows if row.status == "done"]
    aside = [row for row in report.rows if row.status == "set aside"]
    cheapest, base = report.cheapest, report.base
    ranked = sorted(done, key=lambda row: (row.monthly_micro_usd, row.number))
    return render_template(
        "sweep.html.j2",
        {
            "about": report.about,
            "fields": report.fields,
            "heads": list(labels(report).values()),
            "kpis": _kpis(report, ranked),
            "chart": _chart(ranked[:MOST_BARS], report) if ranked else None,
            "drawn": min(len(ranked), MOST_BARS),
            "planned": len(ranked),
            "effects": [effect for path in report.fields if (effect := _effect(path, done))],
            "rows": [_row(row, report, cheapest, base) for row in report.rows[:MOST_ROWS]],
            "count": len(report.rows),
            "aside": [(row.number, settings(row, report), row.error[-MOST_ERROR:]) for row in aside[:MOST_ASIDE]],
            "aside_count": len(aside),
            "waiting": report.count("not yet"),
        },
    )


def _kpis(report: SweepReport, ranked: list[Row]) -> list[tuple[str, str, str]]:
    """Label, figure and what it rests on."""
    counts = [(name, report.count(name)) for name in ("infeasible", "set aside", "not yet")]
    basis = ", ".join(f"{n:,} {name}" for name, n in counts if n) or "all have a plan"
    made = [("Scenarios", f"{len(report.rows):,}", basis)]
    if ranked:
        first, last = ranked[0], ranked[-1]
        made += [
            ("Cheapest", _month(first), f"a month, scenario {first.number}"),
            ("Dearest", _month(last), f"a month, scenario {last.number}"),
        ]
    if (base := report.base) and ranked:
        change = report.change(ranked[0], base)
        basis = "a month" + ("" if not change else f"; the cheapest is {_percent(change)}")
        made.append(("As written", _month(base), basis))
    return made


def _chart(rows: list[Row], report: SweepReport) -> Markup:
    """Cost a month, the cheapest first; the spec as written is amber."""
    top = float(rows[-1].monthly_micro_usd) or 1.0
    room = WIDE - LEFT - 120.0
    parts: list[Any] = []
    for i, row in enumerate(rows):
        y = i * TALL
        label = charts.clipped(f"{row.number}: {settings(row, report)}", 58)
        length = room * float(row.monthly_micro_usd) / top
        fill = svg.ON_DEMAND if row.number == 0 else svg.ACCENT
        parts += [
            svg.text(LEFT - 10, y + 16, label, "small", anchor="end"),
            svg.rect((LEFT, y + 4, length, 15.0), fill),
            svg.text(LEFT + length + 8, y + 16, _month(row), "small"),
        ]
    size = (WIDE, TALL * len(rows) + 4)
    return svg.figure("costs", "Cost a month by scenario", "One bar a scenario, the cheapest first.", size, parts)


def _effect(path: str, done: list[Row]) -> tuple[str, list[tuple[str, int, str, str, str]]] | None:
    """For each value of a field: how many plans, and least, median and most they cost a month."""
    by_value: dict[str, list[Row]] = {}
    for row in done:
        by_value.setdefault(_value(row.settings.get(path)), []).append(row)
    if not 1 < len(by_value) <= MOST_VALUES:
        return None
    made = []
    values: list[Any] = [row.settings.get(path) for row in done]
    if all(isinstance(value, (int, float)) for value in values):
        by_value = {_value(value): by_value[_value(value)] for value in sorted(values)}
    for value, rows in by_value.items():
        costs = sorted(row.monthly_micro_usd for row in rows)
        figures = (costs[0], statistics.median(costs), costs[-1])
        made.append((value, len(rows), *(words.usd(round(cost), 0) for cost in figures)))
    return path, made  # type: ignore[return-value]


def _row(row: Row, report: SweepReport, cheapest: Row | None, base: Row | None) -> dict[str, Any]:
    result = row.result
    gap = result.get("gap")
    return {
        "number": row.number,
        "values": [_value(row.settings.get(path)) for path in report.fields],
        "usd": _month(row) if row.status == "done" else "–",
        "total": words.usd(row.cost_micro_usd, 0) if row.status == "done" else "–",
        "above": _percent(report.change(row, cheapest)),
        "against": _percent(report.change(row, base)),
        "gap": words.percent(100 * gap, 2) if gap is not None and result["certificate"] == "proved" else "–",
        "status": result.get("termination") or row.status,
        "note": "; ".join(c["limit"] for c in result.get("conflicts", ())),
    }


def labels(report: SweepReport) -> dict[str, str]:
    """A short name of each field: the last step of its path, where no other field ends alike."""
    last = [path.rpartition(".")[2] for path in report.fields]
    return {p: name if last.count(name) == 1 else p for p, name in zip(report.fields, last, strict=True)}


def settings(row: Row, report: SweepReport) -> str:
    """In which fields a scenario differs from the spec as written, as a line."""
    if row.number == 0:
        return "as written"
    first = report.rows[0]
    told = [
        f"{label} {_value(row.settings.get(path))}"
        for path, label in labels(report).items()
        if first.number or row.settings.get(path) != first.settings.get(path)
    ]
    return ", ".join(told) or "as written"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.12g}"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, dict):
        return "; ".join(f"{key} {_value(part)}" for key, part in value.items())
    return str(value)


def _month(row: Row) -> str:
    return words.usd(round(row.monthly_micro_usd), 0)


def _percent(change: float | None) -> str:
    if change is None:
        return "–"
    return ("+" if change > 0 else "") + words.percent(change)
