"""Cost by region on an equirectangular map: bubbles by dollars, moved apart where regions crowd."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import svg, words
from .cells import clean
from .charts import WIDE, clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from .figures import Spot

Array = np.ndarray[Any, np.dtype[Any]]
NORTH, SOUTH = 84.0, -56.0
SCALE = WIDE / 360.0
HEIGHT = (NORTH - SOUTH) * SCALE
LARGEST, SMALLEST = 34.0, 5.0
MOST_LABELS = 12
FEW = 8


def world(spots: Sequence[Spot], colours: dict[str, str], land: Sequence[Array]) -> Markup:
    """Land, a dot where each region is, and its bubble (area by cost) as near as the others allow."""
    at = project(np.array([(s.longitude, s.latitude) for s in spots]).reshape(-1, 2))
    radius = radii(np.array([s.micro_usd for s in spots], dtype=float))
    centre = apart(at, radius)
    outline = " ".join(_outline(project(ring)) for part in land for ring in unwrapped(part))
    parts = [svg.tag("path", d=outline, fill="#e9edf1", stroke="#d3dae1", stroke_width="0.5")]
    rows = list(zip(spots, at.tolist(), centre.tolist(), radius.tolist(), strict=True))
    for _, (x0, y0), (x, y), r in rows:
        if math.hypot(x0 - x, y0 - y) > r:
            parts.append(svg.line(x0, y0, x, y, svg.MUTED, stroke_width="0.8"))
    for s, _, (x, y), r in rows:
        tip = svg.tag("title", clean(f"{s.provider} {s.region}: {words.usd(s.micro_usd, 0)}"))
        look = {"fill": colours[s.provider], "fill_opacity": "0.92", "stroke": svg.PAPER}
        parts.append(svg.tag("circle", [tip], cx=x, cy=y, r=r, **look))
    parts += _labels(spots, centre, radius)
    shown = f"{len(spots)} regions; the dearest is {spots[0].provider} {spots[0].region}." if spots else "No region."
    return svg.figure("map", "Cost by region", shown, (WIDE, HEIGHT), parts)


def unwrapped(ring: Array) -> list[Array]:
    """A ring without a jump at the antimeridian: where it crosses, a copy at either edge; none south of the map."""
    if len(ring) < 3 or ring[:, 1].max() <= SOUTH:  # noqa: PLR2004
        return []
    longitude = np.unwrap(ring[:, 0], period=360.0)
    turns = [t for t in (-360.0, 0.0, 360.0) if longitude.min() + t < 180.0 and longitude.max() + t > -180.0]  # noqa: PLR2004
    return [np.stack([longitude + t, ring[:, 1]], axis=1) for t in turns]


def project(lon_lat: Array) -> Array:
    """Degrees [n, 2] to pixels [n, 2], cut at the map's northern and southern edge."""
    x = (lon_lat[:, 0] + 180.0) * SCALE
    y = (NORTH - np.clip(lon_lat[:, 1], SOUTH, NORTH)) * SCALE
    return np.stack([x, y], axis=1)


def radii(micro_usd: Array) -> Array:
    """Bubble area in proportion to cost, smaller all together where there are many; never too small to see."""
    top = micro_usd.max(initial=0.0) or 1.0
    largest = LARGEST * min(1.0, math.sqrt(FEW / max(1, len(micro_usd))))
    return np.asarray(np.maximum(SMALLEST, largest * np.sqrt(np.maximum(micro_usd, 0.0) / top)))


def apart(at: Array, radius: Array, rounds: int = 200) -> Array:
    """Centres [n, 2] near `at` whose circles do not overlap: each overlapping pair steps apart, again and again."""
    centre = at.astype(float).copy()
    if len(centre) < 2:  # noqa: PLR2004
        return centre
    # equal places need a direction to part in: one fixed angle each
    angle = np.arange(len(centre)) * 2.399963
    centre += 0.01 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    need = radius[:, None] + radius[None, :] + 1.5
    for _ in range(rounds):
        delta = centre[:, None, :] - centre[None, :, :]
        distance = np.sqrt((delta**2).sum(axis=2)) + np.eye(len(centre)) * 1e9
        overlap = np.maximum(0.0, need - distance)
        if overlap.max() < 0.05:  # noqa: PLR2004
            break
        weight = radius[None, :] ** 2 / (radius[:, None] ** 2 + radius[None, :] ** 2)  # the smaller one moves more
        centre += ((delta / distance[:, :, None]) * (overlap * weight)[:, :, None]).sum(axis=1) * 0.6
        centre = np.clip(centre, [LARGEST, LARGEST], [WIDE - LARGEST, HEIGHT - LARGEST])
    return centre


def _labels(spots: Sequence[Spot], centre: Array, radius: Array) -> list[Markup]:
    """Names of the dearest regions where one fits: right, left, above or below its bubble."""
    boxes = np.concatenate([centre - radius[:, None], centre + radius[:, None]], axis=1)  # x0, y0, x1, y1
    made: list[Markup] = []
    for s, (x, y), r in list(zip(spots, centre.tolist(), radius.tolist(), strict=True))[:MOST_LABELS]:
        name, cost = clipped(f"{s.provider} {s.region}", 26), words.usd_short(s.micro_usd)
        wide = 6.4 * max(len(name), len(cost)) + 4
        places = ((x + r + 4, y), (x - r - 4 - wide, y), (x - wide / 2, y - r - 18), (x - wide / 2, y + r + 18))
        for left, middle in places:
            box = np.array([left, middle - 14, left + wide, middle + 14])
            hit = (box[0] < boxes[:, 2]) & (box[2] > boxes[:, 0]) & (box[1] < boxes[:, 3]) & (box[3] > boxes[:, 1])
            if not hit.any() and box[0] > 0 and box[2] < WIDE and box[1] > 0 and box[3] < HEIGHT:
                boxes = np.concatenate([boxes, box[None, :]])
                made.append(svg.text(left, middle - 2, name, "small halo"))
                made.append(svg.text(left, middle + 11, cost, "small strong halo"))
                break
    return made


def _outline(points: Array) -> str:
    return "M" + "L".join(f"{svg.num(x)} {svg.num(y)}" for x, y in points.tolist()) + "Z"
