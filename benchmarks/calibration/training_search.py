"""How the residual's spreads were chosen: `python -m benchmarks.calibration.training_search FILE [SWEEPS]`.

Coordinate search over the standard deviations of the residual's terms and of the noise, one era of software at a time,
for the best predictive density of rows left out by configuration, layout, model and accelerator. Prints the terms with
the spreads it found; minutes a sweep.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .training import NOISE, TERMS, Measured, Problem, Settings, converged, groupings, measurements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JUDGED = {"configuration": 1.0, "layout": 0.5, "model": 1.0, "accelerator": 1.0}  # weights of what is left out
DEGREES = 4.0  # of freedom of the t distribution that judges: outliers count for little
FACTOR = 1.5  # of a spread in a try


def surprise(problem: Problem) -> float:
    """Minus the logarithm of the predictive density of rows left out, but for a constant: less is better."""
    total = 0.0
    for kind, groups in groupings(problem.measured).items():
        held = problem.left_out(groups)
        seen = np.isfinite(held.mean)
        spread = held.spread[seen]
        apart = (held.mean - problem.offset)[seen] / spread
        each = np.log(spread) + (DEGREES + 1) / 2 * np.log1p(apart**2 / (DEGREES - 2))
        total += JUDGED[kind] * float(each.sum())
    return total


def search(measured: Measured, settings: Settings, sweeps: int = 1) -> tuple[Settings, float]:
    """Better settings for the rows of `measured`, and their surprise; constants and weights as first fitted."""
    start = converged(measured, settings)

    def judged(tried: Settings) -> float:
        return surprise(Problem(measured, start.theta, start.weights, tried))

    best = judged(settings)
    for _ in range(sweeps):
        for change in _changes(settings):
            for factor in (FACTOR, 1 / FACTOR):
                tried = change(settings, factor)
                found = judged(tried)
                if found < best:
                    settings, best = tried, found
                    break
    return settings, best


def _changes(settings: Settings) -> Iterator[Callable[[Settings, float], Settings]]:
    """One change for each spread."""
    for era, terms in settings.terms.items():
        for place in range(len(terms)):
            yield partial(_with_term, era=era, place=place)
    for name in settings.noise:
        yield partial(_with_noise, name=name)


def _with_noise(settings: Settings, factor: float, *, name: str) -> Settings:
    return replace(settings, noise={**settings.noise, name: settings.noise[name] * factor})


def _with_term(settings: Settings, factor: float, *, era: str, place: int) -> Settings:
    terms = list(settings.terms[era])
    terms[place] = replace(terms[place], sd=terms[place].sd * factor)
    return replace(settings, terms={**settings.terms, era: tuple(terms)})


def main() -> None:
    """Search each era's settings on its own rows, and print them."""
    every = measurements(pd.read_csv(sys.argv[1], low_memory=False))
    sweeps = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for era, unfused in (("fused", False), ("unfused", True)):
        rows = np.flatnonzero(every.jobs.recipes.unfused == unfused)
        mine = every.take(rows)
        found, best = search(mine, Settings({era: TERMS[era], **dict.fromkeys(set(TERMS) - {era}, ())}, NOISE), sweeps)
        print(f"{era}: {best:.1f}")
        for term in found.terms[era]:
            print(f"    {term}")
        print(f"    {dict(found.noise)}")


if __name__ == "__main__":
    main()
