"""The training model with its fitted constants: step times with intervals, for rows of jobs."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .training_physics import COMPONENTS, TrainingConstants, names, step
from .training_residual import FIGURES, ONE_NODE, WORDS, Marks, Posterior, Term, Traits, traits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .training_jobs import Jobs
    from .training_physics import Step

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
FILE = "fitted/training.json"
QUANTILE_90 = 1.6449  # standard deviations that hold 90 % of a normal distribution, both sides
ERAS = ("fused", "unfused")  # attention: measurements of one say nothing of the other


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything in the file of fitted constants."""

    constants: TrainingConstants
    posteriors: Mapping[str, Posterior]  # by ERAS
    noise: Mapping[str, float]  # spread of repeated measurements, of the logarithm; see `noise_of`
    widths: Mapping[str, float]  # by evidence: what makes 90 % intervals hold 90 % in cross-validation
    newest: Mapping[str, float]  # release by software, for jobs that state none
    near: frozenset[tuple[str, str, str]]  # (software, accelerator, "moe" or "dense") that was measured


@dataclass(frozen=True, slots=True)
class Prediction:
    """Step times of jobs, [K]; the interval holds nine measurements of ten."""

    seconds: Array
    low: Array
    high: Array
    calibrated: Mask  # software, accelerator and nature of the model were measured
    physics: Step


@functools.cache
def fitted() -> Fitted:
    """The packaged constants, read once and immutable."""
    return from_mapping(json.loads(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")))


def from_mapping(table: Mapping[str, Any]) -> Fitted:
    """Fitted constants of the file's fields."""
    return Fitted(
        constants=TrainingConstants(**{name: float(table["constants"][name]["value"]) for name in names()}),
        posteriors=MappingProxyType({era: _posterior(table["residual"][era]) for era in ERAS}),
        noise=MappingProxyType(dict(table["noise"])),
        widths=MappingProxyType(dict(table["widths"])),
        newest=MappingProxyType(dict(table["newest"])),
        near=frozenset((str(s), str(a), str(n)) for s, a, n in table["near"]),
    )


def _posterior(table: Mapping[str, Any]) -> Posterior:
    marks = table["landmarks"]
    count = len(_row(marks["release"]))
    root = np.zeros((count, count))
    root[np.triu_indices(count)] = _row(table["root"])
    landmarks = Traits(
        np.array([marks["words"][name] for name in WORDS], dtype=object).reshape(len(WORDS), count),
        _row(marks["release"]),
        np.stack([_row(marks["figures"][name]) for name in FIGURES]),
        np.stack([_row(marks["shares"][name]) for name in COMPONENTS]),
    )
    terms = tuple(Term(**(t | {"same": tuple(t.get("same", ()))})) for t in table["terms"])
    return Posterior(terms, landmarks, _row(table["weights"]), root)


def _row(text: str) -> Array:
    """Numbers of one line."""
    return np.array(text.split(), dtype=np.float64)


def predict(jobs: Jobs, marks: Marks, known: Fitted | None = None, *, intervals: bool = True) -> Prediction:
    """Step times of jobs by physics and by what measurements near them add.

    Without `intervals`, which take most of the time, `low` and `high` are NaN.
    """
    known = known or fitted()
    marks = replace(marks, release=_releases(marks, known))
    made = step(jobs, known.constants)
    looks = traits(jobs, marks, made)
    mean, spread = np.zeros(len(jobs)), np.zeros(len(jobs))
    near = _near(looks, known)
    noise = noise_of(jobs, marks, known.noise)
    for era in ERAS:
        rows = np.flatnonzero(jobs.recipes.unfused == (era == "unfused"))
        if len(rows):
            mean[rows], variance = known.posteriors[era].correction(looks.take(rows), variance=intervals)
            spread[rows] = np.sqrt(variance + noise[rows] ** 2)
    width = QUANTILE_90 * spread * np.where(near, known.widths["calibrated"], known.widths["physics"])
    seconds = made.seconds * np.exp(mean)
    return Prediction(seconds, seconds * np.exp(-width), seconds * np.exp(width), near, made)


def _releases(marks: Marks, known: Fitted) -> Array:
    """Releases; the newest measured one of a software where none is stated."""
    newest = np.array([known.newest.get(name, 0.0) for name in known.newest])
    place = {name: row for row, name in enumerate(known.newest)}
    rows = np.array([place.get(name, -1) for name in marks.software.tolist()], dtype=np.int64)
    usual = np.where(rows >= 0, newest[rows], 0.0) if len(newest) else np.zeros(len(rows))
    return np.where(marks.release > 0, marks.release, usual)


def _near(t: Traits, known: Fitted) -> Mask:
    """Jobs whose software, accelerator and nature of model was measured together."""
    columns = (t.words[WORDS.index(name)].tolist() for name in ("software", "accelerator", "nature"))
    return np.array([triple in known.near for triple in zip(*columns, strict=True)], dtype=bool)


def noise_of(jobs: Jobs, marks: Marks, noise: Mapping[str, float]) -> Array:
    """Spread of repeated measurements of each job, [K]: its software's own, else that of its era."""
    unfused = np.where(jobs.layouts.accelerators <= ONE_NODE, noise["unfused one node"], noise["unfused"])
    usual = np.where(jobs.recipes.unfused, unfused, noise["fused"])
    own = np.array([noise.get(name, 0.0) for name in marks.software.tolist()])
    return np.where(own > 0, own, usual)
