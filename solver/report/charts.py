"""The page's charts, each from numbers of `figures`; widths are in the pixels of a 1:1 page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import svg, words
from .cells import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from ..plan import Plan
    from .figures import LoadCurve, Pivot, Swing

Array = np.ndarray[Any, np.dtype[Any]]
WIDE, HALF = 1000.0, 480.0
MANY_MONTHS = 14


def stacked(key: str, title: str, pivot: Pivot, colours: dict[str, str], width: float = HALF) -> Markup:
    """Cost by month, stacked by label with the dearest at the bottom; lines below zero (credits) are left out."""
    values = np.maximum(pivot.micro_usd, 0)
    marks = svg.ticks(float(values.sum(axis=0).max(initial=0)) / 1e6)
    left, right, top, bottom, height = 52.0, 8.0, 18.0, 26.0, 250.0
    plot = height - top - bottom
    step = (width - left - right) / max(1, len(pivot.periods))
    bar = min(44.0, step * 0.72)
    parts = [_grid(mark, top + plot * (1 - mark / marks[-1]), left, width - right) for mark in marks]
    scale = plot / (marks[-1] * 1e6)
    for j, period in enumerate(pivot.periods):
        x, y = left + step * (j + 0.5) - bar / 2, top + plot
        for i, label in enumerate(pivot.labels):
            if values[i, j]:
                tall = float(values[i, j]) * scale
                y -= tall
                tip = f"{period}: {label} {words.usd(int(values[i, j]), 0)}"
                parts.append(svg.rect((x, y, bar, tall), colours[label], tip))
        every = 1 if len(pivot.periods) <= MANY_MONTHS else 3
        if j % every == 0:
            parts.append(
                svg.text(x + bar / 2, height - 8, _month(period, j, step * every), "small muted", anchor="middle")
            )
    first_last = f"from {words.usd(int(values[:, 0].sum()), 0)} to {words.usd(int(values[:, -1].sum()), 0)}"
    return svg.figure(key, title, f"Stacked bars, one a month, {first_last}.", (width, height), parts)


def ways(plan: Plan) -> Markup:
    """The plan beside the ways people buy today, one bar each; a way that breaks a limit is drawn hollow."""
    months, table = max(1, len(plan.periods)), plan.ways
    rows = [("This plan", words.monthly_micro_usd(plan), True, "")]
    for r in table.records():
        monthly = round(r["total_micro_usd"] / months) if r["total_micro_usd"] >= 0 else -1
        rows.append(
            (
                words.sentence(r["way"]),
                monthly,
                bool(r["feasible"]),
                _against(r["saving_percent"]) if monthly >= 0 else "",
            )
        )
    top = max(1, *(m for _, m, _, _ in rows))
    left, room, tall = 240.0, WIDE - 240.0 - 260.0, 32.0
    parts: list[Markup] = []
    for i, (name, monthly, feasible, note) in enumerate(rows):
        y = i * tall
        parts.append(svg.text(left - 12, y + 20, clipped(name, 44), "strong" if i == 0 else "", anchor="end"))
        if monthly < 0:
            parts.append(svg.text(left + 4, y + 20, "cannot be priced", "muted"))
            continue
        fill = svg.ACCENT if i == 0 else "#aebbc8" if feasible else svg.PAPER
        length = room * monthly / top
        parts.append(svg.rect((left, y + 6, length, 20.0), fill, stroke=svg.OTHER_GREY if not feasible else None))
        label = f"{words.usd(monthly, 0)}{f'  ·  {note}' if note else ''}{'' if feasible else '  ·  breaks a limit'}"
        parts.append(svg.text(left + length + 8, y + 20, label, "strong" if i == 0 else ""))
    size = (WIDE, tall * len(rows) + 4)
    return svg.figure("ways", "Cost a month against the usual ways of buying", "One bar a way of buying.", size, parts)


def load_curve(key: str, curve: LoadCurve) -> Markup:
    """One pool's nodes over its sorted hours: committed nodes at the bottom, then on demand, then spot."""
    width, height, left, right, top, bottom = HALF, 200.0, 40.0, 10.0, 12.0, 34.0
    ends = np.concatenate([[0.0], np.cumsum(curve.hours)])
    hours = float(ends[-1]) or 1.0
    used = np.minimum(curve.firm_nodes, curve.committed_nodes)
    held = np.maximum(curve.firm_nodes, curve.committed_nodes)  # an idle committed node is held, and paid, all the same
    marks = svg.ticks(float((held + curve.spot_nodes).max(initial=0)), 4, whole=True)
    plot_w, plot_h = width - left - right, height - top - bottom
    xs = left + plot_w * ends / hours

    def y(nodes: Array) -> Array:
        return np.asarray(top + plot_h * (1 - nodes / marks[-1]))

    parts = [_grid(m, float(y(np.array(m))), left, width - right, money=False) for m in marks]
    layers = (
        (np.zeros_like(used), used, svg.COMMITMENTS[0]),
        (used, curve.firm_nodes, svg.ON_DEMAND),
        (used, curve.committed_nodes, "#dfe6ec"),
        (held, held + curve.spot_nodes, svg.SPOT),
    )
    for low, high, fill in layers:
        if (high > low).any():
            parts.append(svg.path(_band(xs, y(low), y(np.maximum(low, high))), closed=True, fill=fill))
    parts.append(svg.path(_steps(xs, y(curve.committed_nodes)), fill="none", stroke=svg.INK, stroke_width="1.5"))
    if len(curve.committed_nodes):
        last = float(curve.committed_nodes[-1])
        label = f"{last:,.0f} committed"
        parts.append(
            svg.text(width - right - 6, float(y(np.array(last))) - 6, label, "small strong halo", anchor="end")
        )
    for share in (0.0, 0.5, 1.0):
        anchor = ("start", "middle", "end")[int(share * 2)]
        x = left + plot_w * share
        parts.append(svg.text(x, height - 18, f"{hours * share:,.0f}", "small muted", anchor=anchor))
    parts.append(
        svg.text(left + plot_w / 2, height - 3, "hours of the horizon, busiest first", "small muted", anchor="middle")
    )
    top_level = curve.committed_nodes.max(initial=0)
    level = f"{top_level:,.0f} nodes committed, {words.percent(100 * curve.used)} of their hours in use"
    return svg.figure(key, f"Load-duration curve of {clean(curve.pool)}", level, (width, height), parts)


def tornado(swings: Sequence[Swing]) -> Markup:
    """How far the total moves for ±10 % of each price or demand, the plan unchanged."""
    names = {
        "provider": "Price of a provider ±10 %",
        "option": "Price of an option ±10 %",
        "workload": "Demand of a workload ±10 %, at its present unit cost",
    }
    left, middle, row, head = 300.0, 600.0, 22.0, 32.0
    reach = 210.0
    top = max((s.micro_usd for s in swings), default=1) or 1
    parts: list[Markup] = []
    y = 0.0
    for group, title in names.items():
        mine = [s for s in swings if s.group == group]
        if mine:
            parts.append(svg.text(0.0, y + 21, title, "strong"))
            y += head
        for s in mine:
            length = reach * abs(s.micro_usd) / top
            change = words.usd(abs(s.micro_usd), 0)
            parts += [
                svg.text(left - 12, y + 15, clipped(s.label, 40), anchor="end"),
                svg.rect((middle - length, y + 4, length, 14.0), svg.SPOT, f"{s.label} −10 %: total −{change}"),
                svg.rect((middle, y + 4, length, 14.0), svg.ON_DEMAND, f"{s.label} +10 %: total +{change}"),
                svg.text(middle + length + 8, y + 15, f"±{change}", "small"),
                svg.text(WIDE, y + 15, f"{words.percent(100 * s.share)} of cost", "small muted", anchor="end"),
            ]
            y += row
        y += 6 if mine else 0
    parts.append(svg.line(middle, head - 4, middle, y - 4, svg.INK))
    return svg.figure("tornado", "Sensitivity of the total", "Bars show the change of the total.", (WIDE, y), parts)


def frontier(points: Sequence[tuple[float, int]], unit: str) -> Markup:
    """Cost a month against something else: one mark a plan, joined as the frontier goes."""
    width, height, left, right, top, bottom = WIDE, 360.0, 64.0, 24.0, 14.0, 44.0
    plot_w, plot_h = width - left - right, height - top - bottom
    across = svg.ticks(max((v for v, _ in points), default=0.0))
    up = svg.ticks(max((m for _, m in points), default=0) / 1e6)
    at = [(left + plot_w * v / across[-1], top + plot_h * (1 - m / 1e6 / up[-1])) for v, m in points]
    parts = [_grid(mark, top + plot_h * (1 - mark / up[-1]), left, width - right) for mark in up]
    for mark in across:
        x = left + plot_w * mark / across[-1]
        parts.append(svg.text(x, height - 24, f"{mark:,.6g}", "small muted", anchor="middle"))
    parts.append(svg.text(left + plot_w / 2, height - 6, unit, "small muted", anchor="middle"))
    parts.append(svg.path(at, fill="none", stroke=svg.ACCENT, stroke_width="1.5"))
    for (x, y), (value, micro) in zip(at, points, strict=True):
        parts.append(
            svg.rect((x - 4, y - 4, 8.0, 8.0), svg.ACCENT, f"{value:,.6g} {unit}: {words.usd(micro, 0)} a month")
        )
    said = f"{len(points)} plans, dollars a month against {unit}."
    return svg.figure("frontier", f"Cost against {unit}", said, (width, height), parts)


def clipped(words_: str, most: int) -> str:
    """Text cut to fit, with an ellipsis."""
    shown = clean(words_)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _against(saving_percent: float) -> str:
    if not np.isfinite(saving_percent):
        return ""
    sign = "saves" if saving_percent >= 0 else "costs"
    return f"plan {sign} {words.percent(abs(saving_percent))}" + ("" if saving_percent >= 0 else " more")


def _grid(mark: float, y: float, left: float, right: float, *, money: bool = True) -> Markup:
    label = words.usd_short(mark * 1e6) if money else f"{mark:,.6g}"
    return svg.tag("g", [svg.line(left, y, right, y), svg.text(left - 6, y + 4, label, "small muted", anchor="end")])


def _month(period: str, index: int, room: float) -> str:
    """Month name of "2027-03", with the year at the start and in each January where there is room."""
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    year, _, month = period.partition("-")
    if not month.isdigit() or not 1 <= int(month) <= len(names):
        return clipped(period, 8)
    shown = names[int(month) - 1]
    return f"{shown} {year[2:]}" if (index == 0 or month == "01") and room > 38 else shown  # noqa: PLR2004


def _steps(xs: Array, ys: Array) -> list[tuple[float, float]]:
    """Corners of a step line: value k holds from xs[k] to xs[k + 1]; equal neighbours are one step."""
    keep = np.concatenate([[True], ys[1:] != ys[:-1]]) if len(ys) else np.array([], dtype=bool)
    starts, levels = xs[:-1][keep], ys[keep]
    ends = np.concatenate([starts[1:], xs[-1:]])
    return [(float(x), float(v)) for a, b, v in zip(starts, ends, levels, strict=True) for x in (a, b)]


def _band(xs: Array, low: Array, high: Array) -> list[tuple[float, float]]:
    return [*_steps(xs, high), *reversed(_steps(xs, low))]
