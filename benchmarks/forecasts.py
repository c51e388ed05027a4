"""Forecasts of demand judged by what came: `python -m benchmarks forecasts [--data DIR] [--seeds N] [--results DIR]`.

Rolling origins over public traces and over seeded synthetic years (see benchmarks/traces.py): from each, demand is
forecast with an interval of 90 % from nothing but what came before, and compared with what came. The seasonal naive
method stands beside it, with intervals of the same making.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case, grid, when, yes
from .process import ROOT
from .results import FOLDER, save, stamp
from .traces import KINDS, synthetic, traces

if TYPE_CHECKING:
    from .traces import Array, Trace

NAME = "forecasts"
LEVEL, GOAL = 0.9, (0.88, 0.92)
ENDS = np.array([0.05, 0.5, 0.95])
SEEDS, YEARS, SERIES, MOST_ORIGINS, SYNTHETIC_ORIGINS = 6, 3, 2, 24, 5
REACH = {False: {"6 hours": 6, "day": 24, "week": 168, "month": 720}, True: {"day": 1, "week": 7, "month": 30}}
IMAGE = ROOT / "docs" / "img" / "forecasts.svg"


def horizons(trace: Trace, *, synthetic_years: bool) -> dict[str, int]:
    """What is judged: a day, a week, a month, as far as a third of the trace reaches; six hours where a day is much."""
    most = len(trace.values) // 3
    made = {name: steps for name, steps in REACH[trace.daily].items() if steps <= most}
    return {k: v for k, v in made.items() if k != "6 hours"} if synthetic_years or "week" in made else made


def origins(trace: Trace, first: int, most: int) -> list[int]:
    """Steps known: from the first to a day (or six hours, or a step) before the end, evenly, at most so many."""
    last = len(trace.values) - min(horizons(trace, synthetic_years=False).values())
    return [int(o) for o in np.unique(np.linspace(first, last, most).astype(int))]


def judged(trace: Trace, origin: int, reach: dict[str, int], **known: Any) -> list[dict[str, Any]]:
    """What came against what was said: for each series and horizon that the trace still reaches, a figure each."""
    from solver.forecast import History, forecast

    steps = max(reach.values())
    past = History(times=trace.times[:origin], series=trace.series, values=trace.values[:origin], unit=trace.unit)
    came = trace.values[origin : origin + steps]
    found = forecast(past, steps, level=LEVEL, **known)
    naive = forecast(past, steps, level=LEVEL, methods=("seasonal naive",), **known)
    ours, theirs = (np.stack([f.quantiles(q) for q in ENDS.tolist()]) for f in (found, naive))
    point = np.stack([f.centre for f in (found, naive)])
    rows, low = [], 0
    for name, high in reach.items():
        part = slice(low, high)
        low = high
        if high > len(came):
            continue
        mean = came[:high].mean(axis=0)
        band = np.quantile(found.paths[:, :high].mean(axis=1), [0.05, 0.95], axis=0)
        scale = np.abs(trace.values[trace.season : origin] - trace.values[: origin - trace.season]).mean(axis=0)
        for n in range(len(trace.series)):
            x, size = came[part, n], float(scale[n]) or 1.0
            slack = 1e-9 * (1 + x)  # of rounding
            inside = (x >= ours[0, part, n] - slack) & (x <= ours[2, part, n] + slack)
            errors = np.abs(x - point[:, part, n]).mean(axis=1) / size
            pinball = [_pinball(x, q[:, part, n]) / size for q in (ours, theirs)]
            held = bool(band[0, n] - 1e-9 <= mean[n] <= band[1, n] + 1e-9)
            rows.append(
                {"horizon": name, "covered": float(inside.mean()), "mean_covered": held, "mase": float(errors[0]),
                 "naive_mase": float(errors[1]), "pinball": pinball[0], "naive_pinball": pinball[1]}
            )  # fmt: skip
    return rows


def _pinball(came: Array, said: Array) -> float:
    off = came - said
    return float(np.maximum(ENDS[:, None] * off, (ENDS[:, None] - 1) * off).mean())


def pooled(name: str, about: str, reach: dict[str, int], rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """A row of the results: means over origins and series."""
    made: dict[str, Any] = {"name": name, "about": about, "horizons": {}}
    for horizon in reach:
        mine = [r for r in rows if r["horizon"] == horizon]
        if mine:
            keys = ("covered", "mean_covered", "mase", "naive_mase", "pinball", "naive_pinball")
            figures = {key: round(float(np.mean([r[key] for r in mine])), 4) for key in keys}
            made["horizons"][horizon] = {"judged": len(mine), **figures}
    return made | {"cpu_s": round(seconds, 1)}


def measure_public(name: str, trace: Trace) -> dict[str, Any]:
    """A public trace from its middle on."""
    before, reach = time.process_time(), horizons(trace, synthetic_years=False)
    rows = [r for o in origins(trace, len(trace.values) // 2, MOST_ORIGINS) for r in judged(trace, o, reach)]
    about = f"{trace.source}: {trace.note}; {len(trace.values)} steps, {len(trace.series)} series"
    return pooled(name, about, reach, rows, time.process_time() - before)


def measure_synthetic(kind: str, seeds: int) -> dict[str, Any]:
    """A kind of synthetic years, from the end of the first year on; the seeds begin at different days of the week."""
    before = time.process_time()
    known: dict[str, Any] = {"holidays": "US"} if kind == "holidays" else {}
    reach: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for seed in range(1, seeds + 1):
        trace = synthetic(kind, seed, YEARS, SERIES)
        reach = horizons(trace, synthetic_years=True)
        short = dataclasses.replace(trace, values=trace.values[:-720], times=trace.times[:-720])
        for o in origins(short, 8760 + 24 * seed, SYNTHETIC_ORIGINS):
            rows += judged(trace, o, reach, **known)
    about = f"seeds 1 to {seeds}, {YEARS} years of hours, {SERIES} series each"
    return pooled(f"synthetic: {kind}", about, reach, rows, time.process_time() - before)


def goals(rows: list[dict[str, Any]]) -> dict[str, bool | None]:
    """Intervals that hold as often as they say, on the whole; and fewer errors than the seasonal naive method's."""
    made: dict[str, bool | None] = {}
    for kind, mine in (
        ("synthetic years", [r for r in rows if r["name"].startswith("synthetic")]),
        ("public traces", [r for r in rows if not r["name"].startswith("synthetic")]),
    ):
        cells = [h for row in mine for h in row["horizons"].values()]
        if cells:
            weights = [h["judged"] for h in cells]
            share = float(np.average([h["covered"] for h in cells], weights=weights))
            made[f"{kind}: 90 % intervals hold {share:.1%}, 88 to 92 %"] = GOAL[0] <= share <= GOAL[1]
            for key, word in (("mase", "mean absolute error"), ("pinball", "pinball loss")):
                text = f"{kind}: {word} below the seasonal naive method's in every row and horizon"
                made[text] = all(h[key] < h[f"naive_{key}"] for h in cells)
    return made


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page: figures, goals, what the traces are, and the plot."""
    titles = ("demand", "horizon", "judged", "90 % intervals hold", "of means", "MASE", "naive", "pinball", "naive")
    cells = [(row, name, h) for row in rows for name, h in row["horizons"].items()]
    lines = grid((*titles, "measured, at revision"), (_cells(row, name, h) for row, name, h in cells))
    aims = grid(("goal", "met"), ((goal, yes(met)) for goal, met in goals(rows).items()))
    about = [f"- {row['name']}: {row['about']}; {row['cpu_s']:.0f} CPU s." for row in rows]
    image = f"![Coverage and error by horizon]({IMAGE.relative_to(ROOT / 'docs')})"
    return [*lines, "", *aims, "", *about, "", image]


def _cells(row: dict[str, Any], name: str, h: dict[str, Any]) -> tuple[str, ...]:
    shares = f"{h['covered']:.1%}", f"{h['mean_covered']:.1%}"
    scores = tuple(f"{h[key]:.3f}" for key in ("mase", "naive_mase", "pinball", "naive_pinball"))
    return (
        row["name"],
        f"to a {name}" if name != "6 hours" else "to 6 hours",
        str(h["judged"]),
        *shares,
        *scores,
        when(row),
    )


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """Coverage by demand and horizon, with the goal; and the error over the seasonal naive method's."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": NAME, "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 0.36 * len(rows) + 1.4), sharey=True)
    place = np.arange(len(rows))[::-1]
    left.axvspan(*(100 * g for g in GOAL), color="0.9")
    right.axvline(1, color="grey", linestyle=":")
    for i, name in enumerate(("6 hours", "day", "week", "month")):
        mine = [(y, row["horizons"][name]) for y, row in zip(place, rows, strict=True) if name in row["horizons"]]
        if mine:
            up = [y + 0.24 - 0.16 * i for y, _ in mine]
            left.plot([100 * h["covered"] for _, h in mine], up, "o", markersize=4, color=f"C{i}", label=f"to a {name}")
            ratio = [h["mase"] / h["naive_mase"] for _, h in mine]
            right.plot(ratio, up, "o", markersize=4, color=f"C{i}")
    left.set_yticks(place, [row["name"] for row in rows])
    left.set(xlabel="90 % intervals hold, %", xlim=(min(60, left.get_xlim()[0]), 100))
    right.set(xlabel="error ÷ that of the seasonal naive method", xlim=(0, None))
    left.legend(frameon=False, fontsize="small", loc="lower left")
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, save and draw."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=None, metavar="DIR", help="folder of the public traces")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"synthetic years (default {SEEDS})")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where forecasts.json goes")
    parser.add_argument("--image", type=Path, default=IMAGE, metavar="FILE", help="where the plot goes")
    options = parser.parse_args(arguments)
    rows = []
    for name, trace in traces(options.data).items():
        rows.append(stamp() | measure_public(name, trace))
        print("\n".join(table(rows[-1:])[2:5]), flush=True)
    for kind in KINDS if options.seeds else ():
        rows.append(stamp() | measure_synthetic(kind, options.seeds))
        print("\n".join(table(rows[-1:])[2:5]), flush=True)
    protocol = {
        "origins": f"at most {MOST_ORIGINS} in the second half of a public trace; {SYNTHETIC_ORIGINS} a synthetic seed",
        "horizons": "to a day, from there to a week, from there to a month",
        "MASE": "mean absolute error ÷ that of the seasonal naive method over the past of each origin",
        "pinball": "mean loss of the 5, 50 and 95 % quantiles, on the same scale",
        "of means": "whether the mean of all steps up to the horizon lies within the paths' 90 %",
    }
    save(options.results, NAME, protocol, rows)
    plot(rows, options.image)
    print("\n".join(table(rows)))


CASE = Case(
    name=NAME,
    measures="forecasts of demand on public traces and synthetic years, at rolling origins; a quarter of an hour",
    goal="90 % intervals hold 88 to 92 %; fewer errors than the seasonal naive method",
    main=main,
    table=table,
    alone=False,
)
