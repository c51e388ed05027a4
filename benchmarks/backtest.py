"""Commitments bought month by month, not knowing what comes: `python -m benchmarks backtest [--data DIR] [--seeds …]`.

Public traces and synthetic years of demand are lived through. Ways to buy commitments (see backtest_policies.py) pay
for the same hours in the same market; what each has paid is compared with hindsight, which knew all and proves that no
purchases at the decisions cost less. Traces that are short play in small: a third of a trace is a term.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import backtest_policies as ways
from .backtest_policies import Console, Forecast, Hindsight, Known, OnDemand, Online, Track
from .cases import Case, grid, when, yes
from .process import ROOT
from .results import FOLDER, save, stamp
from .traces import FOLDER as DATA
from .traces import KINDS, YEAR_H, synthetic, traces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .traces import Trace

Array = np.ndarray[Any, np.dtype[Any]]
NAME = "backtest"
IMAGE = ROOT / "docs" / "img" / "backtest.svg"
SEEDS, DEV_SEEDS = (20, 21, 22), (0, 1)  # reported; looked at while choosing how the planner is asked
CHOSEN = ("alibaba-gpu-hourly", "alibaba-gpu-daily", "azure-llm-ten-seconds", "mooncake-ten-seconds")
YEARS, MEAN_NODES, DRAWS, QUICK_HOURS = 3, 40, 20, 720
HISTORY, TERMS, MONTHS = 4, 3, 12  # a quarter is history; terms in a trace; months in a term
RANDOMISED = "online, randomised"
ALONE = Forecast()
OURS = Forecast(Fraction(3, 4), name="planner")
PLANNER, KNOWN = OURS.name, Known().name
POLICIES = (PLANNER, ALONE.name, KNOWN, OnDemand().name, Console().name, Online().name, RANDOMISED)
RIVALS = POLICIES[3:]
MEAN_REGRET = {PLANNER: 0.05, KNOWN: 0.01}


def track_of(name: str, group: str, trace: Trace) -> Track:
    """A trace as nodes, 40 of them in the mean of each series; its first quarter is history."""
    level = trace.values.mean(axis=0)
    nodes = np.ceil(trace.values * MEAN_NODES / np.where(level > 0, level, 1.0) - 1e-9).astype(np.int64)
    hours = len(nodes)
    month = hours // (TERMS * MONTHS)
    unit = "days" if trace.daily else "hours"
    note = f"{hours:,} {unit}, term {MONTHS * month:,}, decision every {month:,}; {trace.note}"
    return Track(
        name=name, group=group, demand=nodes, first=hours // HISTORY, term=MONTHS * month, month=month,
        daily=trace.daily, note=note,
    )  # fmt: skip


def tracks(folder: Path | None, seeds: Sequence[int]) -> list[Track]:
    """Public traces, if there are any, and synthetic years of these seeds."""
    found = traces(folder)
    made = [track_of(name, "trace", found[name]) for name in CHOSEN if name in found]
    years = ((kind, seed) for seed in seeds for kind in KINDS)
    made += [track_of(f"{kind}, seed {seed}", kind, synthetic(kind, seed, YEARS, series=1)) for kind, seed in years]
    return made


def quick() -> list[Track]:
    """A month of demand that plays the part of years; a decision every half term."""
    trace = synthetic("drops", DEV_SEEDS[0], QUICK_HOURS / YEAR_H, series=1)
    track = track_of("drops, quick", "drops", trace)
    return [dataclasses.replace(track, month=track.term // 2)]


def play(track: Track) -> dict[str, Any]:
    """A row: what each policy has paid over what hindsight would have."""
    row, start = stamp(), time.process_time()
    purchases, lower_usd = Hindsight().proved(track)
    best = ways.cost_micro_usd(track, purchases)
    paid: dict[str, float | None] = {}
    said: dict[str, str] = {}
    draw = functools.cache(lambda hours, horizon, count: ways.drawn_paths(track.until(hours), horizon, count))
    forecasts = [dataclasses.replace(p, draw=lambda known, *how: draw(len(known.demand), *how)) for p in (OURS, ALONE)]
    asked: tuple[ways.Policy, ...] = (*forecasts, Known(), OnDemand(), Console(), Online())
    for policy in asked:
        try:
            paid[policy.name] = ways.cost_micro_usd(track, policy.bought(track)) / best
        except Exception as error:  # noqa: BLE001 (a policy that fails is a row that says so)
            paid[policy.name], said[policy.name] = None, f"{type(error).__name__}: {error}"[:200]
    draws = [
        ways.cost_micro_usd(track, Online(float(z), RANDOMISED).bought(track))
        for z in ways.thresholds(DRAWS, seed=len(track.demand))
    ]
    paid[RANDOMISED] = float(np.mean(draws)) / best
    return row | {
        "name": track.name,
        "group": track.group,
        "note": track.note,
        "hindsight_usd": round(best / 1e6, 2),
        "bound": round(lower_usd * 1e6 / best, 6),
        "paid": {name: None if ratio is None else round(ratio, 5) for name, ratio in paid.items()},
        "failed": said,
        "cpu_s": round(time.process_time() - start, 1),
    }


def _of(rows: list[dict[str, Any]], policy: str) -> Array:
    """Ratios of a policy, NaN where it failed."""
    return np.array([np.nan if row["paid"][policy] is None else row["paid"][policy] for row in rows])


def goals(rows: list[dict[str, Any]]) -> dict[str, bool | None]:
    """Whether they are met; a failure misses them, and a tie is not cheaper."""
    if not rows:
        return {}
    made: dict[str, bool | None] = {}
    for policy, most in MEAN_REGRET.items():
        made[f"{policy}: mean {most:.0%} above hindsight at most"] = bool(_of(rows, policy).mean() - 1 <= most)
    ours = _of(rows, PLANNER)
    for rival in RIVALS:
        made[f"{PLANNER}: cheaper than {rival} on every trace and seed"] = bool((ours < _of(rows, rival)).all())
    return made


def misses(rows: list[dict[str, Any]]) -> list[str]:
    """Where the planner was not cheaper than a rival, and by how much."""
    lines = []
    for row in rows:
        ours = row["paid"][PLANNER]
        if ours is None:
            lines.append(f"- {row['name']}: the planner failed: {row['failed'][PLANNER]}")
            continue
        for rival in RIVALS:
            other = row["paid"][rival]
            if other is not None and ours >= other:
                lines.append(f"- {row['name']}: {rival} {_behind(ours, other)}")
    return lines


def _behind(ours: float, other: float) -> str:
    return "cost the same" if ours == other else f"was {ours / other - 1:.3%} cheaper"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page: every trace, means and worst, goals, misses, what plays which part, the plot."""
    titles = ("cost ÷ hindsight", *POLICIES, "bound ÷ hindsight", "measured, at revision")
    lines = grid(titles, (_cells(row) for row in rows))
    summary = (
        (policy, f"{ratio.mean() - 1:.2%}", f"{ratio.max() - 1:.2%}", rows[int(np.nan_to_num(ratio).argmax())]["name"])
        for policy, ratio in ((policy, _of(rows, policy)) for policy in POLICIES)
    )
    lines += ["", *grid(("above hindsight", "mean", "worst", "where"), summary)]
    lines += ["", *grid(("goal", "met"), ((goal, yes(met)) for goal, met in goals(rows).items()))]
    if found := misses(rows):
        lines += ["", "Where another way was as cheap or cheaper than the planner:", "", *found]
    notes = [f"- {row['name']}: {row['note']}" for row in rows if row["group"] == "trace"]
    lines += ["", "What plays which part:", "", *notes] if notes else []
    return [*lines, "", f"![Cost by policy]({IMAGE.relative_to(ROOT / 'docs')})"]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    ratios = ("failed" if row["paid"][p] is None else f"{row['paid'][p]:.4f}" for p in POLICIES)
    return row["name"], *ratios, f"{row['bound']:.4f}", when(row)


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """What each policy has paid over hindsight, a point for each trace, a bar for the mean."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": NAME, "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.4))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    for g, group in enumerate(groups):
        mine = [row for row in rows if row["group"] == group]
        for p, policy in enumerate(POLICIES):
            ratio = 100 * (_of(mine, policy) - 1)
            place = p + (g - (len(groups) - 1) / 2) * 0.1
            axes.plot([place] * len(ratio), ratio, "o", color=f"C{g}", markersize=4, label=group if not p else None)
    for p, policy in enumerate(POLICIES):
        mean = 100 * float(np.nanmean(_of(rows, policy)) - 1)
        axes.hlines(mean, p - 0.4, p + 0.4, color="grey")
    axes.set_xticks(range(len(POLICIES)), [policy.replace(", ", ",\n") for policy in POLICIES])
    axes.set(ylabel="% above hindsight")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_yticks([0, 1, 2, 5, 10, 20, 50], ["0", "1", "2", "5", "10", "20", "50"])
    axes.legend(frameon=False, fontsize="small", ncols=2)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def protocol(seeds: Sequence[int]) -> dict[str, str]:
    """How it is measured, as shown."""
    off = 1 - ways.COMMITTED / ways.ON_DEMAND
    return {
        "market": f"on demand, or a commitment of a term at {off:.0%} less paid by the hour (the median of AWS's one "
        "year without upfront payment in the catalogue), bought at decisions only but for the online rules (any hour)",
        "paid": "hours after the first quarter, which is history; of commitments the part within them",
        "demand": f"whole nodes, {MEAN_NODES} in the mean of a series",
        "synthetic": f"{YEARS} years hourly, one series, seeds {', '.join(map(str, seeds))}; "
        f"choices were made on seeds {', '.join(map(str, DEV_SEEDS))}",
        "planner": "a term ahead, twelve decisions to come, forecast anew at each; three quarters of the probability "
        "on the last month coming again and again, a quarter on the forecast's paths (chosen on the first seed)",
        "console": f"{ways.CANDIDATES} candidates on the last month",
        "randomised": f"mean of {DRAWS} draws",
    }


def main(arguments: list[str] | None = None) -> None:
    """Live through all, print, save and draw."""
    import joblib

    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"folder of public traces (default: ${DATA})")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, metavar="N", help="of synthetic years")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="processes")
    parser.add_argument("--quick", action="store_true", help="a small one only, which is not saved by default")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where backtest.json goes")
    parser.add_argument("--image", type=Path, metavar="FILE", help="where the plot goes")
    asked = parser.parse_args(arguments)
    mine = quick() if asked.quick else tracks(asked.data, asked.seeds)
    results, image = (asked.results, asked.image) if asked.quick else (asked.results or FOLDER, asked.image or IMAGE)
    rows = []
    for row in joblib.Parallel(n_jobs=asked.jobs, return_as="generator")(joblib.delayed(play)(one) for one in mine):
        rows.append(row)
        print("\n".join(table([row])[2:3]), flush=True)
        if results:
            save(results, NAME, protocol(asked.seeds), [row])
    if image:
        plot(rows, image)
    print("\n".join(table(rows)))


CASE = Case(
    name=NAME,
    measures="commitments bought month by month against hindsight, a console and online rules; half an hour",
    goal="5 % above hindsight at most in the mean (1 % with demand known), cheaper than every other on every trace",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
