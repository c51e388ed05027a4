"""Slices of work on types of machine, beside PuLP with CBC: `python -m benchmarks slices [--seeds N] [--factors 1,2]`.

Requests of 10 × 6 sizes on four types of machine, cut into slices. Both are given the same numbers, in turns; times are
wall seconds of building and solving, imports aside.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from solver.slices import SliceAssignment, assign_slices

from .cases import Case, grid, when, yes
from .peers import ask
from .results import FOLDER, save, stamp

Array = np.ndarray[Any, np.dtype[Any]]
NAME = "slices"
USD = (0.70, 1.01, 3.67, 7.516)  # an hour, of small to large
SPEED, GIB, READS = (1.1, 1.5, 5.0, 9.0), (8.0, 8.0, 60.0, 60.0), (0.3, 0.5, 1.6, 2.6)
SEEDS, FACTORS = 14, (1, 2, 3, 4, 5, 6, 7, 8)
PEER_S = 30.0
GOAL_S, GOAL_TIMES = 2.0, 10.0
SAME_USD = 1e-6


def drawn(seed: int) -> Array:
    """Machines of each type that each size of request keeps busy, float [60, 4].

    Rates are spread over sizes like a lognormal; a machine's highest rate falls with prompt and answer, sooner where
    memory holds fewer requests at once.
    """
    rng = np.random.default_rng([seed, 7])
    prompt, answer = np.geomspace(25, 16_000, 10)[:, None, None], np.geomspace(25, 2_000, 6)[None, :, None]
    rate = math.exp(rng.uniform(math.log(8), math.log(256)))
    centre = rng.uniform(math.log(100), math.log(3000)), rng.uniform(math.log(50), math.log(500))
    width = rng.uniform(0.6, 1.4), rng.uniform(0.5, 1.2)
    far = sum(((np.log(x) - c) / s) ** 2 for x, c, s in zip((prompt, answer), centre, width, strict=True))
    share = np.exp(-far / 2) * rng.uniform(0.5, 1.5, (10, 6, 1))
    speed = np.array(SPEED) * np.exp(rng.normal(0, 0.1, 4))
    at_once = np.array(GIB) * 8000 / (prompt + answer)
    seconds = prompt / (4000 * speed) + answer * (
        0.015 / np.array(READS) / np.minimum(at_once, 128) + 1 / (1500 * speed)
    )
    load = rate * share / share.sum() * seconds / np.exp(rng.normal(0, 0.08, (10, 6, 4)))
    return np.where(at_once < 1, np.inf, load).reshape(60, 4)


def solved(load: Array, factor: int) -> tuple[SliceAssignment, float]:
    """Our assignment, and the seconds it took."""
    start = time.perf_counter()
    found = assign_slices(load, np.ones(len(load), dtype=np.int64), USD, factor, time_limit_s=PEER_S)
    return found, time.perf_counter() - start


def measure(seeds: int, factors: tuple[int, ...]) -> list[dict[str, Any]]:
    """A row for each slice factor, and one for all."""
    solved(drawn(0), 1)  # imports
    made: list[dict[str, Any]] = []
    for seed in range(seeds):
        load = drawn(seed)
        arrays = {
            "load": np.repeat(load[None], len(factors), axis=0),
            "factor": np.array(factors),
            "usd": np.array(USD),
        }
        ours = [solved(load, factor) for factor in factors]
        theirs = ask("pulp", "slices_pulp.py", arrays, f"{PEER_S:g}")
        for i, (factor, (found, seconds)) in enumerate(zip(factors, ours, strict=True)):
            both = found.certificate
            case = {"factor": factor, "seconds": seconds, "usd": float(found.usd_per_hour)}
            case["proved"] = both.lower_micro_usd == both.upper_micro_usd
            made.append(case | ({"peer": theirs["cases"][i], "version": theirs["version"]} if theirs else {}))
    rows = [row(f"{factor}", [case for case in made if case["factor"] == factor]) for factor in factors]
    return [*rows, row("all", made)]


def row(name: str, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """What some cases come to; figures of the peer are None when it is absent."""
    ours = [case["seconds"] for case in cases]
    made: dict[str, Any] = {"name": name, "cases": len(cases), "proved": sum(case["proved"] for case in cases)}
    made |= {"mean_s": mean(ours), "most_s": max(ours)}
    made |= dict.fromkeys(("peer", "peer_optimal", "peer_mean_s", "peer_most_s", "times", "dearer", "cheaper"))
    if all("peer" in case for case in cases):
        theirs = [case["peer"]["seconds"] for case in cases]
        more = [case["usd"] - case["peer"]["usd"] for case in cases]
        made |= {
            "peer": cases[0]["version"],
            "peer_optimal": sum(case["peer"]["optimal"] for case in cases),
            "peer_mean_s": mean(theirs),
            "peer_most_s": max(theirs),
            "times": mean(theirs) / mean(ours),
            "dearer": sum(usd > SAME_USD for usd in more),
            "cheaper": sum(usd < -SAME_USD for usd in more),
        }
    return made


def mean(values: list[float]) -> float:
    """Geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def goals(of: dict[str, Any]) -> dict[str, bool | None]:
    """What is aimed at, and whether all cases together reach it; None where the peer is absent."""
    beside = of["times"] is not None
    return {
        "all proved": of["proved"] == of["cases"],
        f"each in {GOAL_S:g} s": of["most_s"] <= GOAL_S,
        "never dearer than the peer": of["dearer"] == 0 if beside else None,
        f"{GOAL_TIMES:g} times as fast as the peer in the geometric mean": of["times"] >= GOAL_TIMES
        if beside
        else None,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page: figures, then goals."""
    titles = ("slice factor", "cases", "proved", "mean s", "most s", "peer", "proved by it", "its mean s", "its most s")
    lines = grid((*titles, "times as fast", "dearer", "cheaper", "measured, at revision"), map(_cells, rows))
    aims = grid(("goal", "met"), ((goal, yes(met)) for goal, met in goals(rows[-1]).items()))
    return [*lines, "", *aims]


def _cells(of: dict[str, Any]) -> tuple[str, ...]:
    def shown(key: str, style: str) -> str:
        return "–" if of[key] is None else format(of[key], style)

    ours = (f"{of['cases']}", f"{of['proved']}", f"{of['mean_s']:.3f}", f"{of['most_s']:.2f}")
    theirs = (shown("peer_optimal", "d"), shown("peer_mean_s", ".2f"), shown("peer_most_s", ".1f"))
    beside = (shown("times", ",.0f"), shown("dearer", "d"), shown("cheaper", "d"))
    return of["name"], *ours, of["peer"] or "absent", *theirs, *beside, when(of)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="drawn cases of each factor (default 14)")
    parser.add_argument("--factors", default=",".join(map(str, FACTORS)), help="slices an item (default 1 to 8)")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where slices.json goes")
    options = parser.parse_args(arguments)
    of = stamp()
    rows = [of | found for found in measure(options.seeds, tuple(map(int, options.factors.split(","))))]
    print("\n".join(table(rows)))
    protocol = {
        "cases": f"{options.seeds} seeds, 60 buckets, 4 types",
        "time": "wall seconds of building and solving, geometric mean and most, one process each, in turns",
        "limit of the peer": f"{PEER_S:g} s",
    }
    save(options.results, NAME, protocol, rows)


CASE = Case(
    name=NAME,
    measures="slices of work on types of machine, beside PuLP with CBC; 15 minutes with the peer",
    goal=f"all proved, each in {GOAL_S:g} s, never dearer, {GOAL_TIMES:g} times as fast",
    main=main,
    table=table,
    alone=False,
)
