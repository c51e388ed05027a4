"""Charts of a comparison: memory by component, intervals, and what a month costs by demand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import significant
from . import svg, words
from .charts import WIDE, clipped
from .comparison_words import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

PARTS = {"weights": "#356f9c", "cache": "#3c9a86", "activations": "#d79a35", "framework": "#8b97a3"}
LEFT, RIGHT, ROW = 330.0, 190.0, 30.0
POINTS = 160  # demands at which a cost is drawn
SPAN = 100.0  # demand is drawn from this part of what is asked to this multiple


def label(row: dict[str, Any]) -> str:
    """Model and machine."""
    node = f"{row['accelerators_per_node']} × {row['accelerator']}"
    return clipped(f"{short(str(row['model']))}, {node}", 46)


def memory(rows: Sequence[dict[str, Any]]) -> Markup:
    """Memory of an accelerator by component, against what is usable of it."""
    top = max([max(r["total_gib"], r["usable_gib"]) for r in rows], default=1.0)
    scale = (WIDE - LEFT - RIGHT) / top
    parts: list[Markup] = []
    for i, r in enumerate(rows):
        y, x = i * ROW, LEFT
        parts.append(svg.text(LEFT - 12, y + 20, label(r), anchor="end"))
        for name, colour in PARTS.items():
            wide = float(r[f"{name}_gib"]) * scale
            parts.append(svg.rect((x, y + 7, wide, 17.0), colour, f"{name} {wide / scale:.1f} GiB"))
            x += wide
        edge = LEFT + r["usable_gib"] * scale
        parts.append(svg.line(edge, y + 3, edge, y + 28, svg.INK, stroke_width="1.5"))
        note = f"{r['total_gib']:,.1f} of {r['usable_gib']:,.1f} GiB" + ("" if r["fits"] else ": does not fit")
        parts.append(svg.text(max(x, edge) + 8, y + 20, note, "small"))
    size = (WIDE, ROW * len(rows) + 4)
    return svg.figure("memory", "Memory of an accelerator", "A bar a way, by component.", size, parts)


def intervals(rows: Sequence[dict[str, Any]], name: str, title: str, unit: str, target: float | None = None) -> Markup:
    """A mean and its 90 % interval for each way, on a scale from zero."""
    top = max([float(r[f"{name}_hi"]) for r in rows] + [target or 0.0], default=1.0) or 1.0
    scale = (WIDE - LEFT - RIGHT) / top
    parts: list[Markup] = []
    tall = ROW * len(rows)
    if target is not None:
        at = LEFT + target * scale
        parts += [
            svg.line(at, 0, at, tall, svg.ALARM),
            svg.text(at + 4, tall + 12, f"target {target:,g}", "small muted"),
        ]
    for i, r in enumerate(rows):
        y = i * ROW
        low, mean, high = (float(r[name + end]) for end in ("_lo", "", "_hi"))
        x = [LEFT + v * scale for v in (low, mean, high)]
        parts += [
            svg.text(LEFT - 12, y + 20, label(r), anchor="end"),
            svg.line(x[0], y + 15, x[2], y + 15, "#7ba3c4", stroke_width="5"),
            svg.tag(
                "circle",
                [svg.tag("title", f"{significant(mean, 4)} {unit}")],
                cx=x[1],
                cy=y + 15,
                r=5.0,
                fill=svg.ACCENT,
            ),
            svg.text(x[2] + 8, y + 20, f"{significant(mean)} ({significant(low)} – {significant(high)})", "small"),
        ]
    return svg.figure(name, title, "A dot a way, with its 90 % interval.", (WIDE, tall + 16), parts)


def costs(rows: Sequence[dict[str, Any]], requests_per_hour: float, colours: dict[str, str]) -> Markup:
    """What a month costs by demand, both on scales of powers of ten: stairs of whole replicas."""
    demands = [requests_per_hour * SPAN ** (2 * i / POINTS - 1) for i in range(POINTS + 1)]
    lines = [[_month(r, d) for d in demands] for r in rows]
    least, most = min(map(min, lines)), max(map(max, lines))
    left, top, width, height = 78.0, 12.0, WIDE - 78.0 - 20.0, 300.0
    low, high = math.floor(math.log10(max(least, 1))), math.ceil(math.log10(max(most, 10)))
    high = max(high, low + 1)

    def y(micro: float) -> float:
        return top + height * (1 - (math.log10(max(micro, 1.0)) - low) / (high - low))

    parts: list[Markup] = []
    for power in range(low, high + 1):
        parts.append(svg.line(left, y(10**power), left + width, y(10**power)))
        parts.append(svg.text(left - 6, y(10**power) + 4, words.usd_short(10**power), "small muted", anchor="end"))
    for share, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")):
        at = requests_per_hour * SPAN ** (2 * share - 1)
        parts.append(svg.text(left + width * share, top + height + 18, significant(at), "small muted", anchor=anchor))
    parts.append(svg.line(left + width / 2, top, left + width / 2, top + height, svg.MUTED))
    for r, line in zip(rows, lines, strict=True):
        points = [(left + width * i / POINTS, y(v)) for i, v in enumerate(line)]
        parts.append(svg.path(points, fill="none", stroke=colours[label(r)], stroke_width="2"))
    caption = "requests an hour; the dark line is the demand asked for"
    parts.append(svg.text(left + width / 2, top + height + 36, caption, "small muted", anchor="middle"))
    size = (WIDE, top + height + 44)
    return svg.figure("costs", "Cost a month by demand", "One line a way; whole replicas make stairs.", size, parts)


def _month(r: dict[str, Any], demand: float) -> float:
    return float(max(1, math.ceil(demand / r["requests_per_hour_of_replica"])) * r["micro_usd_per_month_of_replica"])
