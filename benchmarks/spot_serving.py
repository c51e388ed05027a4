"""Services on spot replayed: `python -m benchmarks spot_serving [--data DIR] [--results DIR] [--cold MINUTES …]`.

Over every trace of spot capacity, any folder of them, and every set of 1, 2, 3 and all of its zones: what each policy
serves and saves against on demand, beside what the trace allows. Nothing of the policies is fitted to a trace here.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case, grid, when, yes
from .results import FOLDER, save, stamp
from .spot_risk import folder

if TYPE_CHECKING:
    from solver.replay.serving import Array, Outcome
    from solver.spot.traces import Market

NAME = "spot_serving"
SIZES, NEEDS, COLD_MINUTES, NOTICE_MINUTES = (1, 2, 3), (1, 4, 8), (3.0, 10.0), 2.0
SPOT_SHARE = 0.3  # of the on-demand price: p3.2xlarge in 2023, 0.918 of 3.06
SERVED, SAVED = 0.999, 0.4
MOST_NAMED = 4


def measured(market: Market, cold: float) -> list[dict[str, Any]]:
    """Rows of a market: for each number of zones and of replicas, over all sets of zones."""
    from solver.replay.serving import Services, Terms, every, replay
    from solver.replay.serving_bound import least_usd
    from solver.replay.serving_policies import SpotHedge, SpotOnly
    from solver.replay.serving_risk import SizedByRisk

    count = len(market.zones)
    sets = every(count, sorted({size for size in (*SIZES, count) if size <= count}))
    zones, need = np.tile(sets, (len(NEEDS), 1)), np.repeat(NEEDS, len(sets))
    services = Services(zones=zones, need=need[:, None])
    terms = Terms(
        spot_usd_per_hour=np.full(count, SPOT_SHARE), on_demand_usd_per_hour=1.0, cold_start_minutes=cold,
        notice_minutes=NOTICE_MINUTES, whole_zone=market.most <= 1,
    )  # fmt: skip
    before = time.process_time()
    policies = (SpotOnly(), SpotHedge(1), SpotHedge(2), SizedByRisk())
    found = {policy.name: replay(market, services, policy, terms) for policy in policies}
    allows = 1 - least_usd(market, services, terms, 1 - SERVED) / (need * market.hours)
    spent = time.process_time() - before
    made = []
    for size in np.unique(zones.sum(axis=1)).tolist():
        for n in NEEDS:
            mine = (zones.sum(axis=1) == size) & (need == n)
            row = {"name": f"{market.name}, {cold:g} min: {n} in {size}", "market": market.name, "cold_minutes": cold}
            row |= {"zones": size, "need": n, "sets": int(mine.sum()), "cpu_s": round(spent, 1)}
            made.append(row | _figures(mine, found, allows) | {"missed": _missed(market, zones, mine, found, allows)})
    return made


def _figures(mine: Array, found: dict[str, Outcome], allows: Array) -> dict[str, Any]:
    could = mine & (allows >= SAVED)
    policies = {}
    for name, out in found.items():
        served, saving = out.served_share, out.saving
        policies[name] = {
            "served": round(float(served[mine].mean()), 5),
            "least_served": round(float(served[mine].min()), 5),
            "enough": int((served[mine] >= SERVED).sum()),
            "saving": round(float(saving[mine].mean()), 4),
            "reached": int(((served >= SERVED) & (saving >= SAVED) & could).sum()),
        }
    return {"allows": round(float(allows[mine].mean()), 4), "could": int(could.sum()), "policies": policies}


def _missed(market: Market, zones: Array, mine: Array, found: dict[str, Outcome], allows: Array) -> list[str]:
    """Sets whose trace allows what the policy sized by risk did not reach: with what was allowed and reached."""
    out = found["sized by risk"]
    off = mine & (allows >= SAVED) & ~((out.served_share >= SERVED) & (out.saving >= SAVED))
    return [
        f"{'+'.join(market.zones[z] for z in np.flatnonzero(zones[s]))} {allows[s]:.0%}/{out.saving[s]:.0%}"
        for s in np.flatnonzero(off)
    ]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page."""
    names = list(rows[0]["policies"])
    titles = ["trace", "cold start", "zones", "replicas", "sets", "trace allows"]
    titles += [f"{name}: served, saved" for name in names]
    titles += ["99.9 % served", "allowed 40 %", "reached by the hedge +1", "by ours", "measured, at revision"]
    lines = grid(tuple(titles), (_cells(row, names) for row in rows))
    goals = grid(("goal", "met"), ((goal, yes(met)) for goal, met in _goals(rows)))
    named = [
        f"- {r['name']} ({len(r['missed'])} of {r['could']}): {'; '.join(r['missed'][:MOST_NAMED])}"
        + (" …" if len(r["missed"]) > MOST_NAMED else "")
        for r in rows
        if r["missed"]
    ]
    about = "Sets of zones whose trace allows 40 % where the policy sized by risk saved less (allowed/saved):"
    return [*lines, "", *goals, "", about, "", *named]


def _cells(row: dict[str, Any], names: list[str]) -> tuple[str, ...]:
    each = [f"{row['policies'][name]['served']:.2%}, {row['policies'][name]['saving']:.0%}" for name in names]
    ours, hedge = row["policies"]["sized by risk"], row["policies"]["spot hedge +1"]
    counts = (f"{ours['enough']} of {row['sets']}", row["could"], hedge["reached"], ours["reached"])
    head = (
        row["market"],
        f"{row['cold_minutes']:g} min",
        row["zones"],
        row["need"],
        row["sets"],
        f"{row['allows']:.0%}",
    )
    return tuple(map(str, (*head, *each, *counts, when(row))))


def _goals(rows: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    made = []
    for cold in sorted({r["cold_minutes"] for r in rows}):
        mine = [r for r in rows if r["cold_minutes"] == cold]
        enough, sets = sum(r["policies"]["sized by risk"]["enough"] for r in mine), sum(r["sets"] for r in mine)
        made.append(
            (f"cold start {cold:g} min: 99.9 % served by ours in every replay ({enough} of {sets})", enough == sets)
        )
        for most, said in ((None, "all sets"), (2, "three zones and more")):
            part = [r for r in mine if most is None or r["zones"] > most]
            reached, could = (
                sum(r["policies"]["sized by risk"]["reached"] for r in part),
                sum(r["could"] for r in part),
            )
            theirs = sum(r["policies"]["spot hedge +1"]["reached"] for r in part)
            text = f"cold start {cold:g} min, {said}: ours at 99.9 % saves 40 % wherever the trace allows it"
            made.append((f"{text} ({reached} of {could}; spot hedge +1 {theirs})", reached == could))
    return made


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=None, metavar="DIR", help="folder of spot traces")
    parser.add_argument(
        "--cold", type=float, nargs="+", default=COLD_MINUTES, metavar="MIN", help="cold starts, minutes"
    )
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where spot_serving.json goes")
    options = parser.parse_args(arguments)
    from solver.spot import read_markets

    where, about = folder(options.data), stamp()
    if where is None:
        return
    rows = []
    for market in read_markets(where):
        for cold in options.cold:
            rows += [about | row for row in measured(market, cold)]
            print(f"{market.name}, {cold:g} min: {rows[-1]['cpu_s']:.0f} CPU s", flush=True)
    protocol = {
        "price of spot": f"{SPOT_SHARE:g} of on demand, in every zone",
        "notice": f"{NOTICE_MINUTES:g} minutes",
        "capacity": "where a trace tells of one instance, capacity for one is capacity for all; else counts are limits",
        "begin": "what is needed is ready on demand; nothing is known of the zones",
        "served, saved": "mean over the sets of zones; of what is needed, and of what it costs on demand",
        "trace allows": "bound on what any policy that knows the trace could save at 99.9 % served",
    }
    save(options.results, NAME, protocol, rows)
    print("\n".join(table(rows)))


CASE = Case(
    name=NAME,
    measures="services on spot replayed over traces, by policy; ten minutes",
    goal="99.9 % served, 40 % saved where the trace allows it",
    main=main,
    table=table,
    alone=False,
)
