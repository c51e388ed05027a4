"""Constants of the throughput model: physics by robust least squares with priors, corrections by random effects."""

from __future__ import annotations

import dataclasses
import math
import zlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares, minimize

from solver.perf.frames.rows import Rows
from solver.perf.frames.throughput import (
    TERMS,
    Calibration,
    Effect,
    corrections,
    levels,
    log_physics,
    noise_kind,
    width_kind,
)
from solver.perf.frames.throughput_reading import Row, candidates, read
from solver.perf.hardware import CLASSES
from solver.perf.throughput_rows import STACKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from solver.perf.throughput_rows import Candidates, Index, Mask

Array = np.ndarray[Any, np.dtype[np.float64]]
Texts = np.ndarray[Any, np.dtype[np.object_]]
PRIORS: Mapping[str, tuple[float, float]] = MappingProxyType(  # start, standard deviation of its logarithm
    {
        "compute_efficiency": (0.65, 0.3),
        "units/fp8": (0.85, 0.2),
        "units/fp4": (0.75, 0.2),
        "units/weight-only": (0.8, 0.2),
        "memory_efficiency": (0.8, 0.1),
        "cache_efficiency": (0.75, 0.2),
        "attention_efficiency": (0.5, 0.4),
        "collective_s": (8e-6, 0.4),
        "pcie_latency": (3.0, 0.3),
        "all_reduce_efficiency": (0.7, 0.3),
        "pcie_efficiency": (0.6, 0.3),
        "all_to_all_efficiency": (0.5, 0.4),
        "split_loss": (0.05, 0.7),
        "layer_s": (2e-5, 0.6),
        "moe_layer_s": (2e-5, 0.7),
        "step_s": (5e-4, 0.7),
        "sequence_s": (4e-6, 0.7),
        "small_host": (1.4, 0.25),
        "usable_memory": (0.88, 0.04),
        "reserved_output": (0.85, 0.15),
        "expert_efficiency": (0.7, 0.3),
        "half_rate_tokens": (48.0, 0.8),
        "half_rate_expert_tokens": (8.0, 0.8),
        "half_rate_expert_width": (300.0, 1.0),
        "activation_moves": (1.0, 0.5),
        "routed_moves": (1.5, 0.5),
        "uneven_prefill": (0.15, 0.7),
        "pipeline_efficiency": (0.92, 0.1),
        "node_efficiency": (0.98, 0.03),
        "limited": (0.95, 0.04),
        "tpot_share": (0.65, 0.3),
        "tail": (1.0, 0.7),
        "speculation": (1.4, 0.2),
        "host": (1.0, 0.0),
        "stack": (1.0, 0.0),
    }
    | {f"compute_efficiency/{c}": (1.0, 0.15) for c in CLASSES}
    | {f"memory_efficiency/{c}": (1.0, 0.05) for c in CLASSES}
    | {f"host/{s}": (1.0, 0.4) for s in STACKS}
    | {f"stack/{s}": (1.0, 0.08) for s in STACKS}
)
FREE = tuple(name for name, (_, spread) in PRIORS.items() if spread > 0)
BOUNDED = frozenset(  # shares of what the hardware can do
    {"usable_memory", "all_reduce_efficiency", "memory_efficiency", "cache_efficiency", "node_efficiency"}
)
STEADY_NOISE, BENCH_NOISE, UNKNOWN_NOISE = 0.12, 0.4, 0.8  # log, of a steady state, a finite bench, an unknown engine
SOFT = 1.5  # noises at which a residual starts to count less
SPREAD_START, NOISE_START, SPREAD_PRIOR = 0.05, 0.05, 1.5  # log; of logarithms
LARGEST_RESIDUAL = 0.6  # log: faults of labels and of set-ups are not learned
EVALUATIONS = 40
LEAST_SCALE = 0.03
LARGEST_SHARE = -0.005  # log
FOLDS = 5
LEFT_OUT: Mapping[str, str] = MappingProxyType(  # what the fit never saw, and how its rows then stand
    {"lengths": "measured", "deployment": "known", "model": "new", "accelerator": "new"}
)
SCHEMES = (*LEFT_OUT, "engine")
COVERAGE = 0.9
STEPS = 8  # of a fit without a group
DIFFERENCE = 1e-4  # of a logarithm
NO_SPREAD = 2e-3  # log: effects that cannot move a figure are not kept
UNITS_OF = {"collective_s": "s", "layer_s": "s", "moe_layer_s": "s", "step_s": "s", "sequence_s": "s"}
SOURCE = "throughput.csv: TensorRT-LLM performance overviews, MLPerf Inference v5.1, GPUStack performance lab"
REPEATS = 0.25  # a configuration measured n times counts n ** REPEATS


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows that can be fitted, merged where only the measurement differs: N of them."""

    rows: tuple[Row, ...]
    log_rate: Array  # ln of output tokens a second
    noise: Array  # standard deviation of its logarithm, prior to the fit


def measured_rate(frame: pd.DataFrame) -> Array:
    """Output tokens a second, [K]; MLPerf's Interactive rows state them as queries a second."""
    stated = frame["output_tokens_per_s"].to_numpy(dtype=np.float64)
    queries = frame["req_per_s"].to_numpy(dtype=np.float64) if "req_per_s" in frame.columns else stated
    mlperf = frame["family"].astype("string").fillna("").str.startswith("MLPerf").to_numpy(dtype=bool)
    return np.asarray(np.where(np.isnan(stated) & mlperf, queries, stated))


def usable(frame: pd.DataFrame) -> tuple[tuple[Row, ...], Array, np.ndarray[Any, np.dtype[np.int64]]]:
    """(rows that can be read and were measured, ln of their rate, their positions in the frame)."""
    reading = read(Rows(frame))
    rate = measured_rate(frame)[reading.positions]
    keep = np.flatnonzero(np.isfinite(rate) & (rate > 0))
    return tuple(reading.rows[i] for i in keep), np.log(rate[keep]), reading.positions[keep]


def merged(rows: Sequence[Row], log_rate: Array) -> Measured:
    """Rows that ask for the same, to a tenth in length, as one."""
    groups: dict[object, list[int]] = {}
    for i, row in enumerate(rows):
        rest = dataclasses.replace(row, input_tokens=0.0, output_tokens=0.0)
        groups.setdefault((rest, _lengths(row)), []).append(i)
    kept, mean, noise = [], [], []
    for members in groups.values():
        one = rows[members[0]]
        output = float(np.mean([rows[i].output_tokens for i in members]))
        kept.append(dataclasses.replace(one, output_tokens=output))
        mean.append(float(np.median(log_rate[members])))
        noise.append(_noise(one) / len(members) ** REPEATS)
    return Measured(tuple(kept), np.array(mean), np.array(noise))


def _lengths(row: Row) -> tuple[int, int]:
    """Lengths to a tenth of their logarithm."""
    return round(10 * math.log(row.input_tokens)), round(10 * math.log(row.output_tokens))


def _noise(row: Row) -> float:
    if row.stack == "other":
        return UNKNOWN_NOISE
    return STEADY_NOISE if np.isinf(row.requests) else BENCH_NOISE


def fit_physics(measured: Measured) -> Array:
    """Logarithms of the FREE constants: soft-L1 in the rows, Gaussian in the priors."""
    c = candidates(measured.rows)
    middle, spread, upper = _prior()
    count = len(measured.rows)

    def residuals(x: Array) -> Array:
        off = (log_physics(c, constants(x)) - measured.log_rate) / measured.noise
        return np.concatenate([off, (x - middle) / spread])

    def loss(z: Array) -> Array:
        soft = np.sqrt(1 + z[:count] / SOFT**2)
        made = np.stack([z, np.ones_like(z), np.zeros_like(z)])
        made[:, :count] = [2 * SOFT**2 * (soft - 1), 1 / soft, -0.5 / SOFT**2 / soft**3]
        return made

    begin, scale = np.minimum(middle, upper - 1e-3), np.maximum(spread, LEAST_SCALE)
    bounds = (np.full_like(upper, -np.inf), upper)
    found = least_squares(residuals, begin, loss=loss, max_nfev=EVALUATIONS, x_scale=scale, bounds=bounds)
    return np.asarray(found.x)


def constants(x: Array) -> dict[str, float]:
    """Constants by name."""
    fixed = {name: value for name, (value, _) in PRIORS.items()}
    return fixed | dict(zip(FREE, np.exp(x).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Scatter:
    """Standard deviations of the residuals' parts, logarithms."""

    spreads: dict[str, float]  # by term
    noise: dict[str, float]  # by kind of measurement


@dataclass(frozen=True, slots=True)
class Shared:
    """Which of N rows share which levels: the parts of their residuals' covariance."""

    level: dict[str, Texts]  # by term, [N]; "" for none
    covariate: dict[str, Array]  # by term, [N]
    parts: dict[str, Array]  # by term, [N, N]: products of covariates where the level is the same
    kinds: Texts  # of measurement, [N]
    repeats: Array  # [N]: by how much more certain than one measurement

    @classmethod
    def of(cls, measured: Measured) -> Shared:
        """What measured rows share."""
        table = [{term: (level, x) for term, level, x in levels(row)} for row in measured.rows]
        names = [term.name for term in TERMS]
        level = {name: np.array([t.get(name, ("", 0.0))[0] for t in table], dtype=object) for name in names}
        covariate = {name: np.array([t.get(name, ("", 0.0))[1] for t in table]) for name in names}
        codes = {name: np.unique(level[name].astype(str), return_inverse=True)[1] for name in names}
        return cls(
            level=level,
            covariate=covariate,
            parts={n: (codes[n][:, None] == codes[n]) * np.outer(covariate[n], covariate[n]) for n in names},
            kinds=np.array([noise_kind(row) for row in measured.rows], dtype=object),
            repeats=np.array([_noise(row) for row in measured.rows]) / measured.noise,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Terms."""
        return tuple(self.parts)

    def take(self, chosen: Index) -> Shared:
        """The same of some rows."""
        return Shared(
            level={name: values[chosen] for name, values in self.level.items()},
            covariate={name: values[chosen] for name, values in self.covariate.items()},
            parts={name: part[np.ix_(chosen, chosen)] for name, part in self.parts.items()},
            kinds=self.kinds[chosen],
            repeats=self.repeats[chosen],
        )

    def covariance(self, s: Scatter) -> Array:
        """Of the residuals, [N, N]."""
        total = np.diag((np.array([s.noise[kind] for kind in self.kinds]) / self.repeats) ** 2)
        for name, part in self.parts.items():
            total += s.spreads[name] ** 2 * part
        return total


def fit_scatter(residual: Array, shared: Shared) -> Scatter:
    """Spreads and noises of greatest marginal likelihood, with a weak prior that keeps them small."""
    kinds = tuple(sorted(set(shared.kinds.tolist())))
    start = np.log([SPREAD_START] * len(shared.names) + [NOISE_START] * len(kinds))

    def scatter(x: Array) -> Scatter:
        values = np.exp(x).tolist()
        return Scatter(
            dict(zip(shared.names, values[: len(shared.names)], strict=True)),
            dict(zip(kinds, values[len(shared.names) :], strict=True)),
        )

    def cost(x: Array) -> tuple[float, Array]:
        s = scatter(x)
        inverse = np.linalg.inv(shared.covariance(s))
        weighted = inverse @ residual
        pull = inverse - np.outer(weighted, weighted)  # derivative of twice the cost by the covariance
        slope = [s.spreads[n] ** 2 * float(np.sum(pull * part)) for n, part in shared.parts.items()]
        own = np.diag(pull) / shared.repeats**2
        slope += [s.noise[kind] ** 2 * float(own[shared.kinds == kind].sum()) for kind in kinds]
        value = 0.5 * (residual @ weighted - np.linalg.slogdet(inverse)[1])
        return value + 0.5 * float(np.sum(((x - start) / SPREAD_PRIOR) ** 2)), np.array(slope) + (
            x - start
        ) / SPREAD_PRIOR**2

    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=[(-7.0, 0.0)] * len(start))
    return scatter(np.asarray(found.x))


def fit_effects(residual: Array, shared: Shared, s: Scatter) -> dict[str, Effect]:
    """Means and standard errors of every level's factor, given the residuals."""
    inverse = np.linalg.inv(shared.covariance(s))
    weighted = inverse @ residual
    effects = {}
    for name in shared.names:
        spread = s.spreads[name]
        rows_of: dict[str, list[int]] = {}
        for i, level in enumerate(shared.level[name]):
            if level:
                rows_of.setdefault(level, []).append(i)
        for level, members in rows_of.items():
            x = shared.covariate[name][members]
            left = max(0.0, 1.0 - spread**2 * float(x @ inverse[np.ix_(members, members)] @ x))
            effects[level] = Effect(spread**2 * float(x @ weighted[members]), spread * left**0.5)
    return effects


def fit(frame: pd.DataFrame) -> dict[str, Any]:
    """Fit on the rows of split "train" (all rows where there is no such column).

    Args:
        frame: columns of throughput.csv.

    Returns:
        What fitted/throughput.json holds: constants with value, unit and standard error (of the logarithm), effects
        (mean and standard error of a factor's logarithm by "term: group"), spreads, noise, widths and provenance.
    """
    rows, log_rate, _ = usable(_train(frame))
    whole = _Fit.of(rows, log_rate)
    fitted = whole.calibration()
    error = np.sqrt(np.diag(np.linalg.inv(whole.normal(np.ones(len(whole.measured.rows), dtype=bool)))))
    errors = dict(zip(FREE, error.tolist(), strict=True))
    return {
        "constants": {
            name: {
                "value": _short(value),
                "unit": UNITS_OF.get(name, "1"),
                "standard_error": _short(errors.get(name, 0.0)),
            }
            for name, value in fitted.constants.items()
        },
        "effects": {
            name: [_short(e.mean), _short(e.error)] for name, e in sorted(fitted.effects.items()) if e.error > NO_SPREAD
        },
        "spreads": {name: _short(value) for name, value in fitted.spreads.items()},
        "noise": {name: _short(value) for name, value in fitted.noise.items()},
        "widths": {name: _short(value) for name, value in whole.widths().items()},
        "provenance": {"rows": len(rows), "configurations": len(whole.measured.rows), "source": SOURCE},
    }


def cross_validate(frame: pd.DataFrame) -> pd.DataFrame:
    """Held-out errors of every row that can be fitted, on the frame's index.

    Columns family, model, accelerator, engine and, for each of SCHEMES, `…_physics` and `…_error` (predicted ÷
    measured - 1 by the physics alone and corrected, its group left out), `…_inside` (the 90 % interval holds it) and
    `…_factor` (the interval's ends ÷ the prediction).
    """
    import pandas as pd

    chosen = _train(frame)
    rows, log_rate, positions = usable(chosen)
    whole = _Fit.of(rows, log_rate)
    widths = whole.widths()
    table: dict[str, Any] = {
        "family": chosen["family"].to_numpy()[positions],
        "model": [row.model.name for row in rows],
        "accelerator": [row.accelerator.name for row in rows],
        "engine": [row.stack for row in rows],
    }
    for scheme in SCHEMES:
        physics, error, deviation = whole.left_out(scheme)
        width = deviation * np.array([widths[width_kind(row, LEFT_OUT.get(scheme, "new"))] for row in rows])
        table[f"{scheme}_physics"], table[f"{scheme}_error"] = np.expm1(physics), np.expm1(error)
        table[f"{scheme}_inside"], table[f"{scheme}_factor"] = np.abs(error) <= width, np.exp(width)
    return pd.DataFrame(table, index=chosen.index[positions])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """The figures of `cross_validate` by scheme and family: rows, MAPE and median in %, bias, coverage, half-width."""
    import pandas as pd

    made = []
    for scheme in SCHEMES:
        for family, part in [*table.groupby("family"), ("all", table)]:
            error = part[f"{scheme}_error"].to_numpy(dtype=np.float64)
            made.append(
                {
                    "left out": scheme,
                    "family": family,
                    "rows": len(part),
                    "physics mape": 100 * float(np.abs(part[f"{scheme}_physics"]).mean()),
                    "mape": 100 * float(np.abs(error).mean()),
                    "median": 100 * float(np.median(np.abs(error))),
                    "bias": 100 * float(np.expm1(np.log1p(error).mean())),
                    "coverage90": 100 * float(part[f"{scheme}_inside"].mean()),
                    "halfwidth": float(part[f"{scheme}_factor"].median()),
                }
            )
    return pd.DataFrame(made)


def _train(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["split"] == "train"] if "split" in frame.columns else frame


def _short(value: float) -> float:
    return float(f"{value:.5g}")


@dataclass(frozen=True, slots=True)
class _Fit:
    """A fit on all rows, and what it takes to take groups out of it again."""

    rows: tuple[Row, ...]
    log_rate: Array
    measured: Measured
    x: Array  # logarithms of the FREE constants
    off: Array  # physics - measured, logarithm, of the merged rows
    slope: Array  # its derivative by x
    shared: Shared
    scatter: Scatter

    @classmethod
    def of(cls, rows: Sequence[Row], log_rate: Array) -> _Fit:
        """Fit all."""
        measured = merged(rows, log_rate)
        c = candidates(measured.rows)
        x = fit_physics(measured)
        off = log_physics(c, constants(x)) - measured.log_rate
        shared = Shared.of(measured)
        scatter = fit_scatter(np.clip(-off, -LARGEST_RESIDUAL, LARGEST_RESIDUAL), shared)
        return cls(tuple(rows), log_rate, measured, x, off, _slope(c, x), shared, scatter)

    def calibration(self, keep: Mask | None = None) -> Calibration:
        """Of all merged rows, or of those kept; its widths are 1."""
        x = self.x if keep is None else self.refitted(keep)
        chosen = np.arange(len(self.off)) if keep is None else np.flatnonzero(keep)
        c = candidates([self.measured.rows[i] for i in chosen])
        residual = self.measured.log_rate[chosen] - log_physics(c, constants(x))
        residual = np.clip(residual, -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
        effects = fit_effects(residual, self.shared.take(chosen), self.scatter)
        return Calibration(constants(x), effects, self.scatter.spreads, self.scatter.noise, {})

    def refitted(self, keep: Mask) -> Array:
        """Constants without some rows: Gauss-Newton steps from the fit of all, with its derivatives."""
        middle, spread, upper = _prior()
        x = self.x
        for _ in range(STEPS):
            z = (self.off + self.slope @ (x - self.x)) / self.measured.noise
            normal = self.normal(keep, x)
            weight = np.where(keep, 1 / np.sqrt(1 + (z / SOFT) ** 2), 0.0)
            pull = (self.slope / self.measured.noise[:, None]).T @ (weight * z) + (x - middle) / spread**2
            x = np.minimum(x - np.linalg.solve(normal, pull), upper)
        return x

    def normal(self, keep: Mask, x: Array | None = None) -> Array:
        """Matrix of the normal equations, [P, P]."""
        z = (self.off + (0.0 if x is None else self.slope @ (x - self.x))) / self.measured.noise
        weight = np.where(keep, 1 / np.sqrt(1 + (z / SOFT) ** 2), 0.0) / self.measured.noise**2
        return np.asarray((self.slope * weight[:, None]).T @ self.slope + np.diag(_prior()[1] ** -2.0))

    def left_out(self, scheme: str) -> tuple[Array, Array, Array]:
        """(physics' log error, corrected log error, standard deviation) of rows whose group no fit saw, [N]."""
        group, own = np.array(groups(self.rows, scheme)), np.array(groups(self.measured.rows, scheme))
        made = np.full((3, len(self.rows)), np.nan)
        for name in sorted(set(group.tolist())):
            out = np.flatnonzero(group == name)
            fitted = self.calibration(own != name)
            held = [self.rows[i] for i in out]
            physics = log_physics(candidates(held), fitted.constants) - self.log_rate[out]
            mean, deviation, _ = corrections(held, fitted)
            made[:, out] = physics, physics + mean, deviation
        return made[0], made[1], made[2]

    def widths(self) -> dict[str, float]:
        """Standard deviations that hold COVERAGE of the left-out errors, by whether and what was measured."""
        found: dict[str, list[float]] = {}
        for scheme, standing in LEFT_OUT.items():
            _, error, deviation = self.left_out(scheme)
            ratio = np.abs(error) / deviation
            kinds = np.array([width_kind(row, standing) for row in self.rows])
            for kind in sorted(set(kinds.tolist())):
                of = np.sort(ratio[kinds == kind])
                found.setdefault(kind, []).append(float(of[min(len(of) - 1, math.ceil(COVERAGE * (len(of) + 1)) - 1)]))
        return {kind: max(values) for kind, values in sorted(found.items())}


def _prior() -> tuple[Array, Array, Array]:
    """(middle, standard deviation, upper bound) of the FREE constants' logarithms."""
    middle = np.log([PRIORS[name][0] for name in FREE])
    spread = np.array([PRIORS[name][1] for name in FREE])
    return middle, spread, np.where([name in BOUNDED for name in FREE], LARGEST_SHARE, np.inf)


def _slope(c: Candidates, x: Array) -> Array:
    """Derivatives of log physics by the FREE constants, [N, P], central."""
    made = []
    for i in range(len(x)):
        step = np.zeros_like(x)
        step[i] = DIFFERENCE
        made.append((log_physics(c, constants(x + step)) - log_physics(c, constants(x - step))) / (2 * DIFFERENCE))
    return np.stack(made, axis=1)


def groups(rows: Sequence[Row], scheme: str) -> list[str]:
    """What is left out together: a fifth of all lengths or deployments, or a model, an accelerator, an engine."""
    if scheme == "model":
        return [row.model.name for row in rows]
    if scheme == "accelerator":
        return [row.accelerator.name for row in rows]
    if scheme == "engine":
        return [row.stack for row in rows]
    names = [next(level for term, level, _ in levels(row) if term == "deployment") for row in rows]
    if scheme == "lengths":
        names = [f"{name}, {_lengths(row)}" for name, row in zip(names, rows, strict=True)]
    return [str(zlib.crc32(name.encode()) % FOLDS) for name in names]
