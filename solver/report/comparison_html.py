"""comparison.html: one page that works from a file, offline, with no script; and the fragment for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import comparison_charts as charts
from . import comparison_words as text
from . import svg, words
from .html import render_template

if TYPE_CHECKING:
    from ..compare import ComparisonReport

MOST_DRAWN = 14  # ways in a chart
MOST_LINES = 8
MOST_KPIS = 8


def page(report: ComparisonReport) -> str:
    """The whole comparison as one HTML document; the same report gives the same bytes."""
    return render_template("comparison.html.j2", _context(report))


def fragment(report: ComparisonReport) -> str:
    """A short view for notebooks, escaped, without styles that leak."""
    return render_template("comparison_fragment.html.j2", _context(report))


def _context(report: ComparisonReport) -> dict[str, Any]:
    records = list(report.models.records())
    fine = [r for r in records if r["status"] == "ok"]
    drawn, fit = records[:MOST_DRAWN], [r for r in records if r["fits"]][:MOST_DRAWN]
    lines = _first_of_each(fine)[:MOST_LINES]
    colours = svg.series_colours([charts.label(r) for r in lines])
    demand = report.demand
    return {
        "report": report,
        "text": text,
        "demand": text.demand(demand),
        "rows": text.rows(report),
        "kpis": _kpis(report)[:MOST_KPIS],
        "unmet": text.unmet(report),
        "break_evens": text.break_evens(report),
        "commitments": text.commitments(report),
        "assumptions": text.assumptions(report),
        "memory": charts.memory(drawn) if drawn else None,
        "memory_colours": charts.PARTS,
        "latency": [
            ("Time per output token, ms", charts.intervals(fit, "tpot_ms", "TPOT", "ms", demand.tpot_ms)),
            ("Time to the first token, ms", charts.intervals(fit, "ttft_ms", "TTFT", "ms", demand.ttft_ms)),
        ]
        if fit
        else [],
        "costs": charts.costs(lines, demand.requests_per_hour, colours) if lines else None,
        "cost_colours": colours,
        "drawn": len(drawn),
    }


def _first_of_each(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best way of each model, then what is cheapest at the demand, then the others; none that reads alike twice."""
    first = {r["model"]: i for i, r in reversed(list(enumerate(records)))}
    order = sorted(
        range(len(records)), key=lambda i: (i != first[records[i]["model"]], "cheapest" not in records[i]["role"])
    )
    made: dict[str, dict[str, Any]] = {}
    for i in order:
        made.setdefault(charts.label(records[i]), records[i])
    return list(made.values())


def _kpis(report: ComparisonReport) -> list[tuple[str, str, str]]:
    """The best of each model: dollars per 1M output tokens, and what a month costs."""
    made: dict[str, tuple[str, str, str]] = {}
    for r in report.models.records():
        if r["status"] == "ok":
            basis = f"per 1M output tokens; {words.usd(r['micro_usd_per_month'], 0)} a month on {r['node']}"
            made.setdefault(r["model"], (text.short(r["model"]), words.usd(r["micro_usd_per_1m_output"], 3), basis))
    return list(made.values())
