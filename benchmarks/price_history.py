"""Shifts of price levels, and Google's price moves: `python -m benchmarks price_history [--data DIR] [--series N]`.

Daily prices are made up: levels that shift by so many standard deviations of a noise that persists from day to day as
much as is said (1 is a random walk, of which each move is noise). A shift is found if it is told within three days.
The moves are those of the packaged history of Google's accelerators; with --data, the folder of raw facts, all of them
are looked up in the raw weekly lists that the history was made from.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case, grid, when, yes
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costdata.history import History

NAME = "price_history"
SIGMA, NEAR_DAYS, SEED = 0.02, 3, 7  # not the seed that the constants were chosen with
PERSISTENCE, SIZES, YEARS = (0.0, 0.5, 0.8, 0.95, 1.0), (0, 3, 5), (1, 3)
SERIES = 200
RAW = Path("gcp_gcosts") / "gcp_gpu_price_history_changes.csv.gz"
Array = np.ndarray[Any, np.dtype[Any]]


def noise(rng: np.random.Generator, days: int, persistence: float) -> Array:
    """Log noise of 2 %; a random walk of moves of 2 % where all of it persists."""
    draws = rng.normal(size=days)
    if persistence == 1:
        return np.asarray(SIGMA * np.cumsum(draws))
    values = np.empty(days)
    values[0] = draws[0]
    for day in range(1, days):
        values[day] = persistence * values[day - 1] + np.sqrt(1 - persistence**2) * draws[day]
    return np.asarray(SIGMA * values)


def made(rng: np.random.Generator, days: int, persistence: float, size: float) -> tuple[Array, list[int]]:
    """Prices, and the days on which their level shifts: four a year, up and down in turn, months apart."""
    at = [days * (2 * k + 1) // (8 * (days // 365)) + int(rng.integers(-15, 16)) for k in range(4 * (days // 365))]
    logs = noise(rng, days, persistence)
    for k, day in enumerate(at):
        logs[day:] += (-1) ** k * size * SIGMA
    return np.exp(logs), at if size else []


def measure(persistence: float, size: float, series: int) -> dict[str, Any]:
    """One row: of shifts of this size in noise of this persistence, how many are found, and what else is told."""
    from costdata import levels

    row = {**stamp(), "name": f"noise {persistence:g}, shifts of {size:g}", "kind": "synthetic"}
    rng, hits, told, wanted = np.random.default_rng(SEED), 0, 0, 0
    off: list[int] = []
    seconds = 0.0
    for number in range(series):
        prices, at = made(rng, 365 * YEARS[number % len(YEARS)], persistence, size)
        before = time.process_time()
        found = levels.shifts(prices)
        seconds += time.process_time() - before
        gaps = [min((abs(day - f) for f in found), default=10**6) for day in at]
        near = [gap for gap in gaps if gap <= NEAR_DAYS]
        hits, told, wanted, off = hits + len(near), told + len(found), wanted + len(at), off + near
    return {
        **row, "persistence": persistence, "size": size, "series": series, "shifts": wanted, "told": told,
        "found": hits, "recall": round(hits / wanted, 4) if wanted else None,
        "precision": round(hits / told, 4) if told and wanted else None,
        "false_a_series": round((told - hits) / series, 4), "days_off": round(float(np.mean(off)), 2) if off else None,
        "cpu_ms_a_series": round(1000 * seconds / series, 2),
    }  # fmt: skip


def moves(some: tuple[History, ...]) -> Iterator[dict[str, Any]]:
    """List prices that changed, by day and family; spot by year: rounds of changes, how many offers, how far."""
    from costdata.mechanisms import family

    listed: dict[tuple[str, str], list[tuple[History, float]]] = defaultdict(list)
    spot: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for history in some:
        for change in history.changes:
            if history.option == "spot":
                spot[f"{change.day.year}"].append((change.day.isoformat(), change.factor))
            else:
                listed[change.day.isoformat(), family("gcp", history.node)].append((history, change.factor))
    for (day, name), found in sorted(listed.items()):
        factors = [factor for _, factor in found]
        yield {
            "name": f"{day} {name}", "kind": "list", "day": day, "family": name, "offers": len(found),
            "regions": len({history.region for history, _ in found}), "low": round(min(factors), 4),
            "high": round(max(factors), 4),
        }  # fmt: skip
    for year, rounds in sorted(spot.items()):
        logs = np.log([factor for _, factor in rounds])
        yield {
            "name": f"spot {year}", "kind": "spot", "year": year, "rounds": len({day for day, _ in rounds}),
            "changes": len(rounds), "up": round(float(np.mean(logs > 0)), 3),
            "median_percent": round(100 * float(np.expm1(np.median(logs))), 2),
            "median_size_percent": round(100 * float(np.expm1(np.median(np.abs(logs)))), 2),
        }  # fmt: skip


def looked_up(some: tuple[History, ...], raw: Path) -> dict[str, Any]:
    """Each packaged change in the raw weekly lists: on that day the raw price is the one after, and not before."""
    prices: dict[tuple[str, str, str], list[tuple[str, int]]] = defaultdict(list)
    with gzip.open(raw, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for line in rows:
        for option, cell in (("on_demand", "hour_usd"), ("spot", "hour_spot_usd")):
            if line[cell]:
                usd = round(float(line[cell]) * 1e6)
                prices[line["region"], line["instance_type"], option].append((line["date"], usd))
    changes = [(h.key[1:], c.day.isoformat(), c.after_micro_usd) for h in some for c in h.changes]
    right = sum((day, usd) in prices[key] and (day, usd) != min(prices[key]) for key, day, usd in changes)
    return {
        "name": "raw weekly lists", "kind": "raw", "raw_rows": len(rows), "raw_days": len({r["date"] for r in rows}),
        "changes": len(changes), "in_raw": right,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    from costdata.history import histories

    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of raw facts")
    parser.add_argument("--series", type=int, default=SERIES, metavar="N", help=f"of each kind (default {SERIES})")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help=f"where {NAME}.json goes")
    asked = parser.parse_args(arguments)
    protocol = {
        "noise": f"{SIGMA:.0%} of the price a day", "series": f"{asked.series} of one and three years, seed {SEED}",
        "shifts": "four a year, in standard deviations of the noise", "found": f"within {NEAR_DAYS} days",
    }  # fmt: skip
    made_rows = [measure(p, size, asked.series) for p in PERSISTENCE for size in SIZES]
    some = histories(provider="gcp")
    made_rows += [{**stamp(), **row} for row in moves(some)]
    if asked.data:
        made_rows.append({**stamp(), **looked_up(some, asked.data / RAW)})
    save(asked.results, NAME, protocol, made_rows)
    print("\n".join(table(made_rows)))


def goals(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Large shifts are found where noise has a level to shift, and little else is told."""
    mine = [r for r in rows if r["kind"] == "synthetic"]
    large = [r for r in mine if r["size"] == max(SIZES) and r["persistence"] < 1]
    return {
        "nine of ten shifts of five standard deviations found, whatever the persistence below 1": bool(
            large and min(r["recall"] for r in large) >= 0.9
        ),
        "of those told, 98 of 100 are ones": bool(large and min(r["precision"] for r in large) >= 0.98),
        "without a shift, at most one false one in ten series": all(
            r["false_a_series"] <= 0.1 for r in mine if not r["size"]
        ),
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page."""
    by = {kind: [r for r in rows if r["kind"] == kind] for kind in ("synthetic", "list", "spot", "raw")}
    titles = ("noise persists", "shifts of", "shifts", "found", "right of told", "false a series", "days off", "CPU ms")
    lines = grid((*titles, "measured, at revision"), map(_synthetic, by["synthetic"]))
    aims = grid(("goal", "met"), ((goal, yes(met)) for goal, met in goals(rows).items()))
    listed = grid(
        ("list prices, from", "family", "offers", "regions", "factor"),
        (
            (r["day"], r["family"], f"{r['offers']}", f"{r['regions']}", _factors(r["low"], r["high"]))
            for r in by["list"]
        ),
    )
    spot = grid(
        ("spot prices in", "rounds", "changes", "up", "median change", "median size"),
        (
            (
                r["year"], f"{r['rounds']}", f"{r['changes']:,}", f"{r['up']:.0%}", f"{r['median_percent']:+.2f} %",
                f"{r['median_size_percent']:.2f} %",
            )
            for r in by["spot"]
        ),
    )  # fmt: skip
    raw = [
        f"{r['in_raw']:,} of the {r['changes']:,} changes stand in the raw weekly lists on their day "
        f"({r['raw_rows']:,} rows of {r['raw_days']} days with changes)."
        for r in by["raw"]
    ]
    return [*lines, "", *aims, "", *listed, "", *spot, "", *raw]


def _synthetic(r: dict[str, Any]) -> tuple[str, ...]:
    found, right = (f"{r[key]:.1%}" if r[key] is not None else "–" for key in ("recall", "precision"))
    off = f"{r['days_off']:g}" if r["days_off"] is not None else "–"
    told = (f"{r['shifts']:,}", found, right, f"{r['false_a_series']:g}", off, f"{r['cpu_ms_a_series']:g}", when(r))
    return (f"{r['persistence']:g}", f"{r['size']:g} σ" if r["size"] else "none", *told)


def _factors(low: float, high: float) -> str:
    return f"× {low:g}" if low == high else f"× {low:g} to {high:g}"


CASE = Case(
    name=NAME,
    measures="shifts of noisy price levels found, and what Google's prices did",
    goal="9 of 10 shifts of 5 σ found, 98 of 100 told are right, 1 false in 10 series without one",
    main=main,
    table=table,
)
