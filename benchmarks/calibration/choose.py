"""Choose the spreads of serving's groups: `python -m benchmarks.calibration.choose METRIC --data DIR`.

Doubles and halves one standard deviation after another while the errors of groups kept out fall, and prints what to
write into SPREADS, SLOPES and NOISES of `benchmarks.calibration.serving`. Takes some minutes on a core.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.calibration import serving
from benchmarks.calibration.hierarchy import Variances
from solver.perf.serving import TPOT_TERMS, TTFT_TERMS

Array = np.ndarray[Any, np.dtype[np.float64]]
WEIGHT = {serving.LABELLED: 1.0, "deployment": 1.0}  # the gates see to new models, accelerators and releases
LEAST = 0.008
ENOUGH = 1e-4


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """What one fit may see, what it must predict, and the terms of the physics of both."""

    seen: serving.Data
    kept: serving.Data
    seen_terms: Array
    kept_terms: Array


def prepared(d: serving.Data, metric: str) -> dict[str, list[Fold]]:
    """The folds of every grouping, with the constants of the physics fitted."""
    at = ("tpot", "ttft").index(metric)
    made: dict[str, list[Fold]] = {}
    for name in WEIGHT:
        for inside, outside in serving.folds(serving.grouping(d, name)):
            seen, kept = d.take(inside), d.take(outside)
            x, _ = serving.fit_constants(seen)
            both = serving.seconds(seen, x)[at], serving.seconds(kept, x)[at]
            made.setdefault(name, []).append(Fold(seen, kept, *both))
    return made


def cost(made: dict[str, list[Fold]], metric: str, variances: Variances) -> float:
    """Mean (no row counting more than 100 %) and median error of what is kept out, over the groupings."""
    names = TPOT_TERMS if metric == "tpot" else TTFT_TERMS
    total = 0.0
    for name, folds in made.items():
        off = []
        for fold in folds:
            table = serving.fit_groups(fold.seen, metric, fold.seen_terms, variances)
            factors = np.exp(serving.factors_of(table, fold.kept, names))
            off.append(fold.kept.log[metric] - np.log((fold.kept_terms * factors).sum(axis=0)))
        error = np.abs(np.exp(-np.concatenate(off)) - 1.0)
        total += WEIGHT[name] * float(np.minimum(error, 1.0).mean() + np.median(error))
    return total


def changed(v: Variances, what: str, by: float) -> Variances:
    """With one standard deviation multiplied."""
    if what in v.levels:
        return dataclasses.replace(v, levels={**v.levels, what: v.levels[what] + math.log(by)})
    return dataclasses.replace(v, **{what: getattr(v, what) + math.log(by)})


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metric", choices=("tpot", "ttft"))
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    d = serving.data(serving.train(pd.read_csv(options.data / "serving.csv")))
    made, best = prepared(d, options.metric), serving.VARIANCES[options.metric]
    least = cost(made, options.metric, best)
    print(f"{'start':16s} {least:.4f}", flush=True)
    for what in (*best.levels, "slope", "noise"):
        for by in (2.0, 0.5):
            tried = changed(best, what, by)
            value = tried.levels[what] if what in tried.levels else getattr(tried, what)
            found = cost(made, options.metric, tried) if math.exp(value) >= LEAST else math.inf
            if found < least - ENOUGH:
                best, least = tried, found
                print(f"{what:16s} {least:.4f} {math.exp(value):.3f}", flush=True)
                break


if __name__ == "__main__":
    main()
