"""Inline SVG by hand: escaped elements, scales and colours. Text stays text, and the same plan gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from .cells import clean

INK, MUTED, RULE, PAPER = "#1c2733", "#5b6876", "#d5dce3", "#ffffff"
ACCENT, IDLE_GREY, OTHER_GREY, ALARM = "#17456e", "#c3ccd5", "#8b97a3", "#a8322a"
COMMITMENTS = ("#356f9c", "#17456e", "#7ba3c4", "#a9c3d8")
ON_DEMAND, SPOT = "#d79a35", "#3c9a86"
SERIES = ("#5d4e8c", "#b9644c", "#7f9140", "#4b8294", "#a8719a", "#c2a06a", "#4f6170", "#8f7fc0", "#d19a86")


def tag(name: str, content: Iterable[Markup | str] | Markup | str = (), /, **attributes: object) -> Markup:
    """One element; names in `attributes` use _ for -, None is left out, and everything but Markup is escaped."""
    inner = [content] if isinstance(content, str) else list(content)
    pairs = [(k.rstrip("_").replace("_", "-"), v) for k, v in attributes.items() if v is not None]
    head = Markup("").join(Markup(' {}="{}"').format(k, num(v) if isinstance(v, float) else v) for k, v in pairs)
    body = Markup("").join(escape(part) for part in inner)
    return Markup("<{0}{1}>{2}</{0}>").format(escape(name), head, body)


def num(value: float) -> str:
    """A coordinate with one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> Markup:
    """A line of text; `kind` is a class of the page's style (muted, strong, small)."""
    return tag("text", clean(words), x=x, y=y, class_=kind or None, text_anchor=None if anchor == "start" else anchor)


def rect(box: tuple[float, float, float, float], fill: str, tip: str = "", **more: object) -> Markup:
    """A bar (x, y, width, height) with an optional tooltip."""
    x, y, width, height = box
    inner = [tag("title", clean(tip))] if tip else []
    return tag("rect", inner, x=x, y=y, width=max(0.0, width), height=max(0.0, height), fill=fill, **more)


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = RULE, **more: object) -> Markup:
    """A straight rule."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, **more)


def path(points: Sequence[tuple[float, float]], *, closed: bool = False, **more: object) -> Markup:
    """A polyline or polygon through the points."""
    d = "M" + "L".join(f"{num(x)} {num(y)}" for x, y in points) + ("Z" if closed else "")
    return tag("path", d=d, **more)


def figure(key: str, title: str, description: str, size: tuple[float, float], parts: Iterable[Markup]) -> Markup:
    """The whole picture with an accessible name; `key` makes its ids unique on the page."""
    names = [tag("title", clean(title), id=f"{key}-title"), tag("desc", clean(description), id=f"{key}-desc")]
    box, labelled = f"0 0 {num(size[0])} {num(size[1])}", f"{key}-title {key}-desc"
    return tag("svg", [*names, *parts], viewBox=box, role="img", aria_labelledby=labelled, id=key)


def ticks(top: float, most: int = 5, *, whole: bool = False) -> list[float]:
    """Round values (`whole` ones for counts) from 0 up to the first at or above `top`; [0, 1] for nothing."""
    if top <= 0 or not math.isfinite(top):
        return [0.0, 1.0]
    raw = max(top / most, 1.0) if whole else top / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in ((1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)) if m * size >= raw * (1 - 1e-9))
    return [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]


def option_colours(labels: Sequence[str]) -> dict[str, str]:
    """Colours that mean the same on the whole page: blue commitments, amber on demand, green spot, grey the rest."""
    blues = iter(COMMITMENTS * (len(labels) // len(COMMITMENTS) + 1))
    known = {"On demand": ON_DEMAND, "Spot": SPOT, "Not served": ALARM}
    return {label: known.get(label) or (next(blues) if "commit" in label.lower() else OTHER_GREY) for label in labels}


def series_colours(labels: Sequence[str]) -> dict[str, str]:
    """Distinct colours for workloads; idle commitments and the gathered rest are grey."""
    plain = [label for label in labels if label != "(idle)" and not label.endswith(" others")]
    made = {label: SERIES[i % len(SERIES)] for i, label in enumerate(plain)}
    return {label: made.get(label, IDLE_GREY) for label in labels}
