"""Spot risk judged by what came: `python -m benchmarks spot_risk [--data DIR] [--results DIR]`.

Traces of spot capacity, any folder of them. In the second half of each, window by window, the losses of the next 6
hours and of the next day are predicted from nothing but what came before, and counted. The scales of the model are
constants of the package; shapes are learned online. A Poisson count at the mean rate so far stands beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case, grid, when, yes
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from solver.spot.risk import Array, Paths, Seen
    from solver.spot.traces import Market

NAME = "spot_risk"
DATA = "AUTOPARALLEL_SPOT_TRACES"
WINDOWS, GOAL = {"6 hours": 6.0, "day": 24.0}, (0.85, 0.95)
ENDS = np.array([0.05, 0.5, 0.95])
TITLES = [
    *("trace", "window", "judged", "90 % intervals hold", "not adapted", "Poisson", "width", "losses", "predicted"),
    *("pinball", "Poisson", "share up: 90 % hold", "prior alone holds", "measured, at revision"),
]
PATHS, BINS, SCALES = 1000, 5, np.round(np.geomspace(0.1, 3.0, 35), 3)


def folder(named: Path | None) -> Path | None:
    """Where the traces are: as named, or as the environment says."""
    where = named or Path(os.environ.get(DATA, ""))
    if not (named or os.environ.get(DATA)) or not where.is_dir():
        print(f"no spot traces: name their folder by --data or {DATA}", file=sys.stderr)
        return None
    return where


def gangs(market: Market) -> list[int]:
    """Sizes that are judged: one instance, and as many as the zones ever had."""
    return sorted({1, max(1, market.most)})


def windows(found: Seen, zone: int, hours: float, seed: int) -> list[dict[str, float]]:
    """Every window of a zone from the first on, as predicted when it began; the level adapts from the first."""
    from solver.spot.risk import Level, PoolRisk

    size = round(hours / found.gap_hours)
    up = found.up[zone]
    lost = np.concatenate([[False], up[:-1] & ~up[1:]])
    level, rows = Level(), []
    for start in range(size, up.size - size + 1, size):
        came, share = int(lost[start : start + size].sum()), float(up[start : start + size].mean())
        paths = found.risk(zone, start).paths(hours, paths=PATHS, seed=seed + start)
        row = _judged(paths, level.now, came, share)
        blind = PoolRisk.prior_of().paths(hours, paths=PATHS, seed=seed + start).count()
        row |= {"blind_covered": blind.low <= came <= blind.high, "began_up": bool(up[start - 1])}
        rows.append(row | _poisson(came, float(lost[:start].mean()) * size))
        level.saw(inside=bool(row["covered"]))
    return rows[len(rows) // 2 :]


def _judged(paths: Paths, level: float, came: int, share: float) -> dict[str, float]:
    count, plain = paths.count(level), paths.count()
    mean, low, high = paths.share()
    return {
        "covered": count.low <= came <= count.high,
        "plain_covered": plain.low <= came <= plain.high,
        "width": count.high - count.low,
        "came": came,
        "mean": count.mean,
        "pinball": _pinball(came, plain.quantile(ENDS)),
        "share": share,
        "share_mean": mean,
        "share_covered": low - 1e-9 <= share <= high + 1e-9,
    }


def _poisson(came: int, mean: float) -> dict[str, float]:
    from scipy.stats import poisson

    said = poisson.ppf(ENDS, max(mean, 1e-9))
    return {"poisson_covered": said[0] <= came <= said[2], "poisson_pinball": _pinball(came, said)}


def _pinball(came: int, said: Array) -> float:
    off = came - said
    return float(np.maximum(ENDS * off, (ENDS - 1) * off).mean())


def pooled(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Means over windows."""
    keys = [
        *("covered", "plain_covered", "width", "came", "mean", "pinball", "poisson_covered", "poisson_pinball"),
        *("share", "share_mean", "share_covered", "blind_covered"),
    ]
    return {"judged": len(rows), **{key: round(float(np.mean([r[key] for r in rows])), 4) for key in keys}}


def measured(market: Market, instances: int) -> tuple[dict[str, Any], dict[str, list[dict[str, float]]]]:
    """A row of the results, and its windows."""
    from solver.spot.risk import seen

    before = time.process_time()
    found = seen(market.up(instances), market.gap_hours)
    cells = {
        w: [r for z in range(len(market.zones)) for r in windows(found, z, h, 1000 * z)] for w, h in WINDOWS.items()
    }
    row: dict[str, Any] = {"name": f"{market.name}, {instances} at once", "zones": len(market.zones)}
    row["windows"] = {w: pooled(rows) for w, rows in cells.items() if rows}
    risks = [found.risk(z, market.ticks) for z in range(len(market.zones))]
    row["up_shapes"] = [round(r.ups.mean, 2) for r in risks]
    row["down_shapes"] = [round(r.downs.mean, 2) for r in risks]
    row["best_scales_hours"] = [best_scale(found, up=up) for up in (True, False)]
    return row | {"cpu_s": round(time.process_time() - before, 1)}, cells


def best_scale(found: Seen, *, up: bool) -> float:
    """The scale under which spells of a kind, in all zones, are likeliest, each zone with its own likeliest shape."""
    was, old = found.up[:, :-1], found.age_hours[:, :-1]
    ended, mine = found.up[:, 1:] != was, was == up
    total = []
    for scale in SCALES:
        more = np.where(mine, np.log1p(found.gap_hours / (scale + old)), 0.0)
        ends = (ended & mine).sum(axis=1)
        shape = (ends / np.maximum(more.sum(axis=1), 1e-9))[:, None]
        chance = -np.expm1(-shape * more)
        logs = np.where(ended & mine, np.log(np.maximum(chance, 1e-300)), -shape * more)
        total.append(logs.sum())
    return float(SCALES[int(np.argmax(total))])


def availability(rows: list[dict[str, float]]) -> list[list[float]]:
    """Share of a day up: predicted and observed, in bins of the prediction."""
    said, came = (np.array([r[key] for r in rows]) for key in ("share_mean", "share"))
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    kept = [b for b in range(BINS) if (place == b).any()]
    return [[int((place == b).sum()), *(round(float(x[place == b].mean()), 3) for x in (said, came))] for b in kept]


def together(found: tuple[Market, ...]) -> dict[str, dict[str, float]]:
    """Correlation of being down by place; how well that of a first half says that of the second."""
    from solver.spot.together import down_together, expected, phi, region_of

    made: dict[str, list[tuple[float, ...]]] = {}
    for market in found:
        half = market.ticks // 2
        late = phi(market.up()[:, half:])
        early, drawn = phi(market.up()[:, :half]), down_together(market.first(half))
        whole = phi(market.up())
        for a, one in enumerate(market.zones):
            for b, other in enumerate(market.zones[:a]):
                place = "same region" if region_of(one) == region_of(other) else "other region"
                errors = (abs(x - late[a, b]) for x in (early[a, b], drawn[a, b], expected(one, other)))
                made.setdefault(place, []).append((whole[a, b], *errors))
    return {
        place: {
            "pairs": len(v),
            **dict(zip(("phi", "early", "drawn", "place"), np.mean(v, axis=0).round(3), strict=True)),
        }
        for place, v in made.items()
    }


def whole(rows: list[dict[str, Any]], cells: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """The row of all traces."""
    made: dict[str, Any] = {"name": "all", "windows": {w: pooled(v) for w, v in cells.items() if v}}
    outside = [f"{r['name']}, {w}" for r in rows for w, h in r["windows"].items() if not _within(h["covered"])]
    return made | {
        "outside": outside,
        "availability": availability(cells["day"]),
        "cpu_s": sum(r["cpu_s"] for r in rows),
    }


def _within(share: float) -> bool:
    return bool(GOAL[0] <= share <= GOAL[1])


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page."""
    lines = grid(tuple(TITLES), (_cells(row, w, h) for row in rows for w, h in row["windows"].items()))
    last = rows[-1]
    aims = []
    for w, h in last["windows"].items():
        aims.append((f"{w}: 90 % intervals hold {h['covered']:.1%}, 85 to 95 %", yes(_within(h["covered"]))))
        aims.append((f"{w}: pinball loss below a Poisson count's", yes(h["pinball"] < h["poisson_pinball"])))
    bins = [(f"{said:.0%}", f"{came:.0%}", str(n)) for n, said, came in last["availability"]]
    places = [
        (place, str(v["pairs"]), *(f"{v[key]:.2f}" for key in ("phi", "early", "drawn", "place")))
        for place, v in last["together"].items()
    ]
    shapes = [
        f"- {r['name']}: shapes of spells up {', '.join(map(str, r['up_shapes']))}; down"
        f" {', '.join(map(str, r['down_shapes']))}; likeliest scales {r['best_scales_hours'][0]:g} and"
        f" {r['best_scales_hours'][1]:g} h."
        for r in rows[:-1]
    ]
    off = f"Outside 85 to 95 %: {'; '.join(last['outside']) or 'none'}. Some rows hold few windows."
    titles_places = (
        "zones",
        "pairs",
        "phi of being down",
        "error of the half before",
        "drawn to the place",
        "the place",
    )
    return [
        *lines, "", *grid(("goal", "met"), aims), "", off, "",
        *grid(("share of a day up, predicted", "observed", "windows"), bins), "",
        *grid(titles_places, places), "", *shapes,
    ]  # fmt: skip


def _cells(row: dict[str, Any], window: str, h: dict[str, Any]) -> tuple[str, ...]:
    shares = tuple(f"{h[key]:.1%}" for key in ("covered", "plain_covered", "poisson_covered"))
    sizes = tuple(f"{h[key]:.2f}" for key in ("width", "came", "mean", "pinball", "poisson_pinball"))
    others = f"{h['share_covered']:.1%}", f"{h['blind_covered']:.1%}"
    return row["name"], window, str(h["judged"]), *shares, *sizes, *others, when(row)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=None, metavar="DIR", help="folder of spot traces")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where spot_risk.json goes")
    options = parser.parse_args(arguments)
    from solver.spot import read_markets

    where, about = folder(options.data), stamp()
    if where is None:
        return
    found = read_markets(where)
    rows: list[dict[str, Any]] = []
    cells: dict[str, list[dict[str, float]]] = {w: [] for w in WINDOWS}
    for market in found:
        for instances in gangs(market):
            row, mine = measured(market, instances)
            rows.append(about | row)
            for w, judged in mine.items():
                cells[w] += judged
    rows.append(about | whole(rows, cells) | {"together": together(found)})
    protocol = {
        "windows": "of 6 hours and a day, one after the other, in the second half of each trace",
        "losses": "ticks in which so many instances are no longer to be had at once, and were in the tick before",
        "not adapted": "intervals at 90 % as the model says; the others at a level that adapts to misses",
        "Poisson": "central 90 % of a Poisson count at the mean rate of all before",
        "prior alone": "the same interval for every window, of a pool never seen",
    }
    save(options.results, NAME, protocol, rows)
    print("\n".join(table(rows)))


CASE = Case(
    name=NAME,
    measures="pre-emptions of spot capacity predicted on the later halves of traces; a minute",
    goal="90 % intervals hold 85 to 95 %",
    main=main,
    table=table,
    alone=False,
)
