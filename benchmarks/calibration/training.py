"""Constants of the training model: generalised least squares of the physics under the residual's covariance.

The constants (with their priors) and the residual's factors are fitted together; what is left out in cross-validation
is left out of both, in closed form, with the physics linear about the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from solver.perf.frames.rows import Rows
from solver.perf.frames.training import measured_step_s
from solver.perf.frames.training_rows import read
from solver.perf.training_fitted import ERAS, QUANTILE_90, noise_of
from solver.perf.training_physics import COMPONENTS, TrainingConstants, names, step
from solver.perf.training_residual import FIGURES, ONE_NODE, WORDS, Term, Traits, as_mapping, covariance, traits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from solver.perf.training_jobs import Jobs
    from solver.perf.training_residual import Marks

Array = np.ndarray[Any, np.dtype[np.float64]]
Words = np.ndarray[Any, np.dtype[Any]]
ROUNDS = 6  # of linearising the physics anew
STEP = 1e-4  # of a constant's logarithm in a difference
MOST_MOVE = 0.5  # of a constant's logarithm in a round
OUTLIER = 2.5  # standard deviations from which a row counts for less
LANDMARKS = {"fused": 160, "unfused": 192}
JITTER = 1e-9
# name: (start, spread of its logarithm, unit). Starts are round figures of the size that public runs show.
PRIORS: Mapping[str, tuple[float, float, str]] = {
    "ampere": (0.75, 0.15, "share"),
    "hopper": (0.65, 0.15, "share"),
    "blackwell": (0.64, 0.15, "share"),
    "tpu": (0.74, 0.15, "share"),
    "other": (0.5, 0.15, "share"),
    "fp8": (1.1, 0.15, "share"),
    "fp8_block": (0.9, 0.15, "share"),
    "mxfp8": (1.1, 0.15, "share"),
    "fp4": (0.9, 0.2, "share"),
    "power": (0.5, 0.5, "exponent"),
    "half_width": (400, 0.6, "columns"),
    "half_tokens": (150, 0.6, "tokens"),
    "attention": (0.4, 0.3, "share"),
    "experts": (0.5, 0.3, "share"),
    "experts_compiled": (1.5, 0.4, "share"),
    "half_expert_width": (350, 0.6, "columns"),
    "half_expert_tokens": (100, 0.6, "tokens"),
    "vocabulary": (0.8, 0.3, "share"),
    "logit_bytes": (25, 0.4, "B"),
    "layer_bytes": (90, 0.4, "B"),
    "routed_bytes": (40, 0.5, "B"),
    "score_bytes": (50, 0.4, "B"),
    "state_bytes": (4, 0.7, "B"),
    "gradient_bytes": (7, 0.5, "B"),
    "host_layer_s": (0.0025, 0.5, "s"),
    "host_moe_layer_s": (0.005, 0.6, "s"),
    "link_share": (0.65, 0.3, "share"),
    "link_latency_s": (1.7e-05, 0.5, "s"),
    "network_share": (1, 0.3, "share"),
    "tensor_exposed": (0.4, 0.4, "share"),
    "expert_exposed": (0.25, 0.4, "share"),
    "context_exposed": (0.4, 0.5, "share"),
    "data_exposed": (0.6, 0.5, "share"),
    "sharded_exposed": (0.4, 0.6, "share"),
    "hop": (1.5, 0.6, "factor"),
    "hop_interleaved": (0.3, 0.5, "share"),
    "bubble": (0.9, 0.15, "factor"),
    "balance": (0.85, 0.15, "share"),
    "optimizer_bytes": (24, 0.3, "B"),
    "step_s": (0.008, 1, "s"),
    "slice_share": (0.02, 0.7, "share"),
}
# What jobs have in common; spreads by cross-validation (`training_search`), but for those of chips, boards and of a
# software's experts, which no left-out row can tell and are set by hand.
TERMS: Mapping[str, tuple[Term, ...]] = {
    "fused": (
        Term(sd=0.018, same=("software",)),
        Term(sd=0.049, same=("software", "kind")),
        Term(sd=0.047, share="products", same=("software", "kind", "number")),
        Term(sd=0.014, same=("accelerator",)),
        Term(sd=0.05, same=("kind", "chip")),  # so that B300, say, is told by B200 and GB300
        Term(sd=0.05, same=("kind", "board")),
        Term(sd=0.058, same=("accelerator", "number")),
        Term(sd=0.25, same=("software",), nature="moe"),
        Term(sd=0.023, same=("software", "kind"), nature="moe"),
        Term(sd=0.034, same=("model",), nature="moe"),
        Term(sd=0.018, same=("model", "kind")),
        Term(sd=0.047, same=("software", "task")),
        Term(sd=0.015, same=("software",), years=0.6),
        Term(sd=0.16, same=("software", "kind", "number"), nature="moe", years=0.6),
        Term(sd=0.66, share="host", same=("software",), years=0.6),
        Term(
            sd=0.085,
            same=("software",),
            over={
                "hidden": 2,
                "tensor": 2,
                "tokens": 2.5,
                "sequence": 2.5,
                "accelerators": 3,
                "pipeline": 2,
                "expert": 3,
                "context": 1.5,
                "recompute": 1,
            },
        ),
        Term(sd=0.16, share="attention", same=("software", "kind")),
        Term(sd=0.036, share="experts", same=("software", "kind")),
        Term(sd=0.33, share="memory", same=("software", "kind")),
        Term(sd=0.028, share="vocabulary", same=("software", "kind")),
        Term(sd=0.073, share="data", same=("software", "kind")),
        Term(sd=0.9, share="expert_exchange", same=("kind",)),
        Term(sd=0.061, share="host", same=("software", "kind")),
        Term(sd=0.17, share="tensor", same=("software", "kind")),
        Term(sd=0.24, share="pipeline", same=("software",)),
        Term(sd=0.16, same=("note",)),
    ),
    "unfused": (
        Term(
            sd=0.07, share="layer", same=("extent",), over={"hidden": 1, "tensor": 0.62, "tokens": 0.8, "sequence": 1.5}
        ),
        Term(sd=0.029, share="layer", same=("extent",), over={"hidden": 3, "tensor": 2, "tokens": 2.4, "sequence": 3}),
        Term(sd=0.82, share="vocabulary", same=("extent",), over={"hidden": 1, "tensor": 0.7, "tokens": 0.8}),
        Term(
            sd=0.26, share="once", same=("extent",), over={"hidden": 1.5, "tensor": 1.5, "pipeline": 1.5, "data": 1.5}
        ),
        Term(
            sd=1.6,
            share="pipeline",
            same=("extent",),
            over={"hidden": 1.5, "tensor": 1.5, "pipeline": 1.5, "tokens": 1.5},
        ),
        Term(sd=2.1, share="data", same=("extent",), over={"hidden": 2, "data": 2}),
        Term(sd=0.39, share="tensor", same=("extent",), over={"hidden": 2, "tensor": 1, "tokens": 2}),
        Term(
            sd=0.0045,
            same=("extent",),
            over={"hidden": 2, "tensor": 2, "pipeline": 2, "tokens": 2, "data": 3, "accelerators": 3},
        ),
        Term(sd=0.064, same=("software",)),
        Term(sd=0.03, share="dense", same=("extent",)),
        Term(sd=0.16, share="scores", same=("extent",)),
        Term(sd=0.7, share="memory", same=("extent",)),
        Term(sd=0.2, share="host", same=("extent",)),
        Term(sd=2.2, share="vocabulary", same=("extent",)),
        Term(sd=0.82, share="once", same=("extent",)),
        Term(sd=0.39, share="data", same=("extent",)),
        Term(sd=0.64, share="pipeline", same=("extent",)),
        Term(sd=0.2, share="attention", same=("extent",)),
        Term(sd=0.7, share="tensor", same=("extent",)),
    ),
}
NOISE: Mapping[str, float] = {
    "fused": 0.05,
    "unfused": 0.039,
    "unfused one node": 0.002,
    "llm-foundry": 0.021,
    "megatron-bridge": 0.058,
    "torchtitan": 0.027,
    "nemo": 0.058,
    "maxtext": 0.095,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows with a measured step."""

    jobs: Jobs
    marks: Marks
    log_step: Array

    def take(self, rows: Words) -> Measured:
        """Rows by index."""
        return Measured(self.jobs.take(rows), self.marks.take(rows), self.log_step[rows])


def measurements(frame: pd.DataFrame) -> Measured:
    """The rows of training.csv that can be read and have a step time or a rate.

    Raises:
        ValueError: there is none.
    """
    steps = measured_step_s(frame)
    rows = frame[np.isfinite(steps) & (steps > 0)]
    if rows.empty:
        raise ValueError("no row has a measured step")
    reading = read(Rows(rows))
    return Measured(reading.jobs, reading.marks, np.log(steps[np.isfinite(steps) & (steps > 0)]))


def fit(frame: pd.DataFrame) -> dict[str, Any]:
    """Fit on the rows of split "train" (all rows where there is no such column).

    Args:
        frame: columns of training.csv.

    Returns:
        What fitted/training.json holds.
    """
    measured = measurements(_train(frame))
    problem = converged(measured)
    errors = np.sqrt(np.diag(problem.posterior_constants()))
    constants = {
        name: {"value": _short(value), "unit": PRIORS[name][2], "standard_error": _short(value * error)}
        for name, value, error in zip(names(), np.exp(problem.theta), errors, strict=True)
    }
    held = {kind: problem.left_out(groups) for kind, groups in groupings(measured).items()}
    return {
        "constants": constants,
        "noise": dict(NOISE),
        "widths": _widths(problem, held),
        "newest": _newest(measured.marks),
        "near": sorted({tuple(map(str, t)) for t in _triples(problem.looks)}),
        "residual": {era: _compressed(problem, era) for era in ERAS},
        "provenance": {
            "rows": len(measured.log_step),
            "source": "training.csv: published step times and rates; see each row's source there",
            "method": "generalised least squares with priors, landmarks of a Gaussian process; benchmarks.calibrate",
        },
    }


def cross_validate(frame: pd.DataFrame) -> pd.DataFrame:
    """Held-out figures: MAPE, median and bias in %, coverage of the 90 % interval in %, its half-width as a factor.

    What is left out together: repeats of a configuration, a layout, a model, an accelerator.
    """
    measured = measurements(frame)
    problem = converged(measured)
    kinds = groupings(measured)
    held = {kind: problem.left_out(groups) for kind, groups in kinds.items()}
    widths = _widths(problem, held)
    table = []
    for kind, result in held.items():
        ratio = np.exp(result.mean - problem.offset)
        width = QUANTILE_90 * result.spread * np.where(result.near, widths["calibrated"], widths["physics"])
        for part, rows in parts(measured).items():
            mine = rows & np.isfinite(result.mean)
            if mine.any():
                table.append(
                    {"left out": kind, "part": part}
                    | _figures(ratio[mine], problem.offset[mine] - result.mean[mine], width[mine])
                )
    return pd.DataFrame(table)


def _figures(ratio: Array, residual: Array, width: Array) -> dict[str, float]:
    error = 100 * np.abs(ratio - 1)
    return {
        "rows": len(ratio),
        "mape": round(float(error.mean()), 2),
        "median": round(float(np.median(error)), 2),
        "bias": round(float(100 * np.log(ratio).mean()), 2),
        "coverage90": round(float(100 * (np.abs(residual) <= width).mean()), 1),
        "halfwidth": round(float(np.exp(np.median(width))), 3),
    }


def groupings(measured: Measured) -> dict[str, Words]:
    """What is left out together, text [K]; "" where a row is never left out."""
    g, t = measured.jobs.layouts, _words(measured)
    unfused = measured.jobs.recipes.unfused
    layout = _joined(g.tensor_parallel, g.pipeline_parallel, g.data_parallel)
    run = _joined(
        t["model"], t["accelerator"], t["number"], g.accelerators, g.tensor_parallel, g.pipeline_parallel,
        g.context_parallel, g.sequence_length, g.micro_batch, t["task"],
    )  # fmt: skip
    return {
        "configuration": np.where(unfused, _joined(t["model"], layout), run),
        "layout": np.where(unfused, layout, run),
        "model": t["model"].astype(str),
        "accelerator": np.where(unfused, "", t["accelerator"].astype(str)),
    }


def parts(measured: Measured) -> dict[str, Words]:
    """Rows by software, bool [K]."""
    software = measured.marks.software.astype(str)
    one = measured.jobs.layouts.accelerators <= ONE_NODE
    old = measured.jobs.recipes.unfused
    found = {
        "all": np.ones(len(software), dtype=bool),
        "today's": ~old,
        "one node, unfused": old & one,
        "many nodes, unfused": old & ~one,
    }
    return found | {name: software == name for name in sorted(set(software))}


def _words(measured: Measured) -> dict[str, Words]:
    made = step(measured.jobs, constants_of(np.log([PRIORS[name][0] for name in names()])))
    return dict(zip(WORDS, traits(measured.jobs, measured.marks, made).words, strict=True))


def _joined(*columns: Words) -> Words:
    cells = ([f"{x:g}" if isinstance(x, float) else str(x) for x in column.tolist()] for column in columns)
    return np.array(["|".join(row) for row in zip(*cells, strict=True)])


def _train(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["split"] == "train"] if "split" in frame else frame


def constants_of(theta: Array) -> TrainingConstants:
    """Constants of their logarithms."""
    return TrainingConstants(**dict(zip(names(), np.exp(theta).tolist(), strict=True)))


@dataclass(frozen=True, slots=True)
class Held:
    """Predictions of rows from the others, [K]; NaN where a row was not left out."""

    mean: Array  # of measured ÷ physics, logarithm, about the priors' physics
    spread: Array  # with the constants as they are
    near: Words  # bool: software, accelerator and nature of the model were among the others


class Problem:
    """Measurements with the physics linear about `theta`, and covariances of the residual's terms."""

    def __init__(self, measured: Measured, theta: Array, weights: Array, settings: Settings) -> None:
        """Linearise; `weights` multiply each row's noise variance."""
        self.measured, self.theta, self.weights, self.settings = measured, theta, weights, settings
        made = step(measured.jobs, constants_of(theta))
        self.looks = traits(measured.jobs, measured.marks, made)
        base = np.log(made.seconds)
        nudged = [np.log(step(measured.jobs, constants_of(theta + STEP * unit)).seconds) for unit in np.eye(len(theta))]
        self.slopes = (np.stack(nudged, axis=1) - base[:, None]) / STEP
        self.start = np.log([PRIORS[name][0] for name in names()])
        self.prior = np.array([PRIORS[name][1] for name in names()]) ** 2
        self.offset = measured.log_step - base - self.slopes @ (self.start - theta)
        self.residual = self._residual()
        self.total = self.residual + (self.slopes * self.prior) @ self.slopes.T
        self.inverse = _inverse(self.total)

    def era(self, name: str) -> Words:
        """Rows of an era, int."""
        return np.flatnonzero(self.measured.jobs.recipes.unfused == (name == "unfused"))

    def noise(self) -> Array:
        """Variance of each row's own."""
        usual = noise_of(self.measured.jobs, self.measured.marks, self.settings.noise)
        return np.asarray(usual**2 * self.weights)

    def _residual(self) -> Array:
        made = np.diag(self.noise())
        for era in ERAS:
            rows = self.era(era)
            if len(rows):
                part = self.looks.take(rows)
                made[np.ix_(rows, rows)] += covariance(self.settings.terms[era], part, part)
        return made

    def next_theta(self) -> Array:
        """Constants that the measurements and the priors agree on, a bounded move away."""
        wanted = self.start + self.prior * (self.slopes.T @ (self.inverse @ self.offset))
        return self.theta + np.clip(wanted - self.theta, -MOST_MOVE, MOST_MOVE)

    def next_weights(self) -> Array:
        """Weights that let no row of today's software pull more than OUTLIER deviations."""
        apart = np.abs(self.inverse @ self.offset) / np.sqrt(np.diag(self.inverse))
        worn = self.weights * np.maximum(1.0, (apart / OUTLIER) ** 2)
        return np.where(self.measured.jobs.recipes.unfused, 1.0, worn)

    def posterior_constants(self) -> Array:
        """Covariance of the constants' logarithms."""
        pulled = self.slopes * self.prior
        return np.asarray(np.diag(self.prior) - pulled.T @ self.inverse @ pulled)

    def left_out(self, groups: Words) -> Held:
        """Each group from all others: constants and factors are fitted without it."""
        count = len(self.offset)
        mean, variance, near = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count, dtype=bool)
        alone = _inverse(self.residual)
        pull = self.inverse @ self.offset
        triples = np.array(["|".join(map(str, t)) for t in _triples(self.looks)])
        for group in sorted(set(groups.tolist()) - {""}):
            rows = np.flatnonzero(groups == group)
            block = np.linalg.inv(self.inverse[np.ix_(rows, rows)])
            mean[rows] = self.offset[rows] - block @ pull[rows]
            variance[rows] = np.diag(np.linalg.inv(alone[np.ix_(rows, rows)]))
            near[rows] = np.isin(triples[rows], triples[groups != group])
        own = self.noise()
        return Held(mean, np.sqrt(variance - own + own / self.weights), near)


@dataclass(frozen=True, slots=True)
class Settings:
    """The residual's terms by era, and the spread of repeats."""

    terms: Mapping[str, tuple[Term, ...]]
    noise: Mapping[str, float]


def _inverse(matrix: Array) -> Array:
    return np.asarray(cho_solve(cho_factor(matrix, lower=True), np.eye(len(matrix))))


def converged(measured: Measured, settings: Settings | None = None, rounds: int = ROUNDS) -> Problem:
    """Constants and weights that another round would not move; rows are weighted in the second half of the rounds."""
    settings = settings or Settings(TERMS, NOISE)
    theta = np.log([PRIORS[name][0] for name in names()])
    problem = Problem(measured, theta, np.ones(len(measured.log_step)), settings)
    for count in range(rounds):
        weights = problem.next_weights() if count >= rounds // 2 else problem.weights
        problem = Problem(measured, problem.next_theta(), weights, settings)
    return problem


def _triples(looks: Traits) -> list[tuple[Any, ...]]:
    return list(
        zip(*(looks.words[WORDS.index(name)].tolist() for name in ("software", "accelerator", "nature")), strict=True)
    )


def _newest(marks: Marks) -> dict[str, float]:
    pairs = zip(marks.software.tolist(), marks.release.tolist(), strict=True)
    found: dict[str, float] = {}
    for name, release in pairs:
        found[name] = max(release, found.get(name, 0.0))
    return {name: _short(release) for name, release in sorted(found.items()) if release > 0}


def _widths(problem: Problem, held: Mapping[str, Held]) -> dict[str, float]:
    """What the spread is multiplied by so that intervals hold 90 % of the rows left out, by evidence."""
    apart = {"calibrated": [np.zeros(0)], "physics": [np.zeros(0)]}
    for result in held.values():
        scaled = np.abs(result.mean - problem.offset) / result.spread / QUANTILE_90
        seen = np.isfinite(scaled)
        apart["calibrated"].append(scaled[seen & result.near])
        apart["physics"].append(scaled[seen & ~result.near])
    return {name: _short(float(np.quantile(np.concatenate(values), 0.9))) for name, values in apart.items()}


def _compressed(problem: Problem, era: str) -> dict[str, Any]:
    """The residual of an era held at a few of its jobs (Snelson and Ghahramani's FITC)."""
    terms, rows = problem.settings.terms[era], problem.era(era)
    looks = problem.looks.take(rows)
    full = covariance(terms, looks, looks)
    chosen = _landmarks(full, LANDMARKS[era])
    alike = np.array(
        ["|".join(map(str, words)) for words in looks.words[:, chosen].T]
    )  # neighbours have words in common
    chosen = chosen[np.argsort(alike, kind="stable")]
    marks = _rounded(looks.take(chosen))
    own = covariance(terms, marks, marks) + JITTER * np.eye(len(chosen))
    cross = solve_triangular(cholesky(own, lower=True), covariance(terms, marks, looks), lower=True)
    noise = problem.noise()[rows] + np.maximum(np.diag(full) - (cross**2).sum(axis=0), 0.0)
    base = problem.measured.log_step - np.log(step(problem.measured.jobs, constants_of(problem.theta)).seconds)
    inner = np.eye(len(chosen)) + (cross / noise) @ cross.T
    lower = cholesky(own, lower=True)
    weights = solve_triangular(lower.T, np.linalg.solve(inner, (cross / noise) @ base[rows]), lower=False)
    gain = solve_triangular(lower.T, np.eye(len(chosen)) - np.linalg.inv(inner), lower=False)
    gain = solve_triangular(lower.T, gain.T, lower=False)
    root = cholesky((gain + gain.T) / 2 + 1e-9 * np.diag(np.abs(np.diag(gain))), lower=False)
    return {
        "terms": [as_mapping(term) for term in terms],
        "landmarks": {
            "words": {name: marks.words[row].tolist() for row, name in enumerate(WORDS)},
            "release": _line(marks.release),
            "figures": {name: _line(marks.figures[row]) for row, name in enumerate(FIGURES)},
            "shares": {name: _line(marks.shares[row]) for row, name in enumerate(COMPONENTS)},
        },
        "weights": _line(weights, 9),
        "root": _line(root[np.triu_indices(len(root))], 7),
    }  # fmt: skip


def _landmarks(full: Array, most: int) -> Array:
    """Rows that explain the others best, greedily (pivoted Cholesky)."""
    left = np.diag(full).copy()
    columns = np.zeros((len(full), 0))
    chosen: list[int] = []
    while len(chosen) < min(most, len(full)) and left.max() > JITTER:
        row = int(left.argmax())
        column = (full[:, row] - columns @ columns[row]) / np.sqrt(left[row])
        columns = np.column_stack([columns, column])
        left = np.maximum(left - column**2, 0.0)
        left[row] = 0.0
        chosen.append(row)
    return np.array(chosen, dtype=np.int64)


def _rounded(looks: Traits) -> Traits:
    return Traits(looks.words, np.round(looks.release, 3), np.round(looks.figures, 4), np.round(looks.shares, 6))


def _line(values: Array, digits: int = 7) -> str:
    """Numbers on one line: a matrix would fill the file with lines."""
    return " ".join(f"{value:.{digits}g}" for value in values)


def _short(value: float, digits: int = 5) -> float:
    return float(f"{value:.{digits}g}")
