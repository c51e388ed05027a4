"""report.html: one page that works from a file, offline, with no script; and the short fragment for notebooks."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import significant
from ..money import MICRO
from . import cells, charts, figures, svg, words, worldmap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

    from ..plan import Plan
    from ..problem import Problem
    from ..table import Table

MOST_ROWS = 200
MOST_POOLS = 8
MOST_SPOTS = 60
NOTEBOOK_ROWS = 30


def render(problem: Problem, plan: Plan) -> Iterator[tuple[str, bytes]]:
    """The file report.html."""
    yield "report.html", page(problem, plan).encode("utf-8", "replace")


def page(problem: Problem, plan: Plan) -> str:
    """The whole report as one HTML document; the same plan gives the same bytes."""
    infeasible = plan.termination == "infeasible"
    context: dict[str, Any] = {
        "plan": plan,
        "infeasible": infeasible,
        "rows": fleet_rows(plan)[:MOST_ROWS],
        "fleet_count": len(plan.fleet),
        "conflicts": conflict_rows(plan),
        "reasons": figures.reasons(plan.excuses),
        "excuse_count": len(plan.excuses),
        "assumptions": words.assumptions(plan),
        "scenarios": len(problem.blocks.probability),
        "fleet_rest": _fleet_rest(plan),
        "unserved": _unserved(plan),
    }
    context |= {} if infeasible or not len(plan.cost_lines) else _money(problem, plan)
    return render_template("page.html.j2", context)


def fragment(plan: Plan) -> str:
    """A short view for notebooks: the cost, the proof and the fleet, escaped, without styles that leak."""
    rows = fleet_rows(plan)
    context = {
        "plan": plan,
        "rows": rows[:NOTEBOOK_ROWS],
        "more": len(rows) - NOTEBOOK_ROWS,
        "conflicts": conflict_rows(plan),
    }
    return render_template("fragment.html.j2", context)


def fleet_rows(plan: Plan) -> list[dict[str, str]]:
    """The fleet table as words: one dict a row, every value text (not yet escaped)."""
    return [
        {
            "workload": r["workload"],
            "kind": r["kind"],
            "site": f"{r['provider']} {r['region']}",
            "node": r["node"],
            "accelerator": r["accelerator"],
            "nodes": _nodes(r["nodes_mean"], r["nodes_peak"]),
            "layout": r["layout"],
            "option": words.option(r["option"]),
            "usd": words.usd(r["micro_usd_per_month"], 0),
            "usd_input": words.usd(r["micro_usd_per_1m_input"], 3),
            "usd_output": words.usd(r["micro_usd_per_1m_output"], 3),
            "utilisation": words.percent(100 * r["utilisation"], 0),
            "ttft": words.number(r["ttft_ms"]),
            "tpot": words.number(r["tpot_ms"], 1),
            "evidence": r["evidence"],
        }
        for r in plan.fleet.records()
    ]


def conflict_rows(plan: Plan) -> list[dict[str, str]]:
    """What would have to give way, dearest unit first as the plan lists it."""
    return [
        {
            "limit": str(r["limit"]),
            "relax": f"{_quantity(r['relax_by'])} {r['unit']}",
            "usd": _unit_price(r["usd_per_unit"]),
            "detail": str(r["detail"]),
        }
        for r in plan.conflicts.records()
    ]


def _money(problem: Problem, plan: Plan) -> dict[str, Any]:
    """Every part of the page that rests on the bill."""
    from costdata import land

    by_option, by_workload = figures.pivot(plan, "option"), figures.pivot(plan, "workload")
    option_colours, workload_colours = svg.option_colours(by_option.labels), svg.series_colours(by_workload.labels)
    spots, curves = figures.spots(problem, plan), figures.load_curves(problem, plan)
    provider_colours = svg.series_colours(sorted({s.provider for s in spots}))
    return {
        "kpis": _kpis(plan),
        "ways": charts.ways(plan) if len(plan.ways) else None,
        "way_notes": [(str(r["way"]), str(r["note"])) for r in plan.ways.records() if r["note"]],
        "over_time": [
            (
                "By option",
                charts.stacked("time-option", "Cost by month and option", by_option, option_colours),
                option_colours,
            ),
            (
                "By workload",
                charts.stacked("time-workload", "Cost by month and workload", by_workload, workload_colours),
                workload_colours,
            ),
        ],
        "map": worldmap.world(spots[:MOST_SPOTS], provider_colours, land()),
        "map_colours": provider_colours,
        "spots": [
            (f"{s.provider} {s.region}", words.usd(s.micro_usd, 0), _share(s.micro_usd, plan)) for s in spots[:12]
        ],
        "spot_count": len(spots),
        "curves": _curves(curves[:MOST_POOLS]),
        "curve_count": len(curves),
        "tornado": charts.tornado(figures.swings(plan)),
        "bill": _bill(figures.pivot(plan, "option", most=12)),
        "bill_by": [(t, _sums(plan, by)) for t, by in (("Workload", "workload"), ("Region", "site"), ("Team", "team"))],
    }


def _kpis(plan: Plan) -> list[tuple[str, str, str]]:
    """Label, figure and what it rests on."""
    months = max(1, len(plan.periods))
    made = [
        ("A month", words.usd(words.monthly_micro_usd(plan), 0), "mean over the horizon"),
        ("In all", words.usd(plan.total_micro_usd, 0), f"{months} month{'s' if months > 1 else ''}, {plan.accounting}"),
    ]
    if found := words.saving(plan):
        label = "Saved" if found[1] >= 0 else "More than today"
        made.append((label, words.percent(abs(found[1])), f"against “{found[0]}”"))
    proved = plan.certificate.kind == "proved"
    gap = words.percent(100 * plan.certificate.gap, 2) if proved else "none"
    made.append(("Proved gap", gap, "to the least possible cost" if proved else "no bound was proved"))
    return made


def _curves(curves: list[figures.LoadCurve]) -> list[tuple[str, Markup, str]]:
    return [
        (c.pool, charts.load_curve(f"pool-{i}", c), f"{words.percent(100 * c.used, 0)} of committed node-hours in use")
        for i, c in enumerate(curves)
    ]


def _bill(pivot: figures.Pivot) -> dict[str, Any]:
    """Month by option, in dollars and cents."""
    columns = [[words.usd(v) for v in row] for row in pivot.micro_usd.tolist()]
    months = [words.usd(v) for v in pivot.micro_usd.sum(axis=0).tolist()]
    return {
        "labels": pivot.labels,
        "rows": [(p, [c[j] for c in columns], months[j]) for j, p in enumerate(pivot.periods)],
        "totals": [words.usd(v) for v in pivot.totals.tolist()],
    }


def _sums(plan: Plan, by: str) -> list[tuple[str, str, str]]:
    found = figures.pivot(plan, by, most=20)
    pairs = zip(found.labels, found.totals.tolist(), strict=True)
    return [(label, words.usd(amount), _share(amount, plan)) for label, amount in pairs]


def _share(micro_usd: int, plan: Plan) -> str:
    return words.percent(100 * micro_usd / plan.total_micro_usd) if plan.total_micro_usd else "–"


def _nodes(mean: float, peak: int) -> str:
    return f"{peak:,}" if abs(mean - peak) < 0.05 else f"{mean:,.1f} (peak {peak:,})"  # noqa: PLR2004


def _quantity(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.6g}"


def _unit_price(value: Any) -> str:
    amount = float(value)
    if np.isnan(amount):
        return "–"
    sign, amount = (words.MINUS if amount < 0 else ""), abs(amount)
    return f"{sign}${amount:,.2f}" if amount >= 1 or amount == 0 else f"{sign}${significant(amount)}"


def _fleet_rest(plan: Plan) -> str:
    """What the bill holds a month beyond the rows of the fleet; "" below a dollar."""
    rows = sum(plan.fleet["micro_usd_per_month"].tolist()) if len(plan.fleet) else 0
    rest = words.monthly_micro_usd(plan) - rows
    return words.usd(rest, 0) if abs(rest) >= MICRO else ""


def _unserved(plan: Plan) -> list[str]:
    """Workloads whose demand the plan does not serve in full, as the plan admits."""
    table: Table = plan.unserved
    if not len(table):
        return []
    left = table.take(table["units"].astype(float) > 0)
    return sorted({str(w) for w in left["workload"]})


def render_template(name: str, context: dict[str, Any]) -> str:
    """A template of this folder, everything escaped that is not Markup."""
    import jinja2

    def source(template: str) -> str:
        return files(__package__).joinpath(template).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FunctionLoader(source), finalize=lambda v: cells.clean(v) if type(v) is str else v,
    )  # fmt: skip
    return environment.get_template(name).render(words=words, **context)
