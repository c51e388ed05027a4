"""Calibration of serving: constants of the physics, then factors of groups, then how wide the intervals must be.

1. Constants: least squares of log TPOT and log TTFT, far rows counting less, each constant, and each engine's and
   generation's factor on it, held near its prior.
2. Groups: what is left, as log factors of the terms, by a hierarchy of groups (`solver.perf.corrections.LEVELS`).
3. Intervals: predictions of deployments, models, accelerators and releases kept out tell the spread of each level that
   was not measured; the interval is then scaled to cover 90 % of what was kept out.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares, minimize

from benchmarks.calibration import hierarchy
from solver.perf.corrections import ALL, DOUBLING, LEVELS, Residuals, doublings, groups_of, residuals_of
from solver.perf.frames.rows import Rows
from solver.perf.frames.serving import NINETY, read, setups_of
from solver.perf.serving import TPOT_TERMS, TTFT_TERMS, Load, terms
from solver.perf.steps import ENGINES, constants_of, steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from solver.perf.corrections import Label
    from solver.perf.setups import Setups

Array = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Prior:
    """A constant before any measurement: value, and standard deviations of logs (0: there is no such factor)."""

    value: float
    unit: str
    spread: float
    by_engine: float = 0.0
    on_blackwell: float = 0.0


SHARE, TIMES, SECONDS = "share of peak", "factor", "s"
PRIORS: Mapping[str, Prior] = {
    "memory_efficiency": Prior(0.75, SHARE, 0.15, 0.12, 0.15),
    "decode_efficiency": Prior(0.6, SHARE, 0.3, 0.0, 0.3),
    "fp4_efficiency": Prior(0.6, SHARE, 0.3),
    "fp4_dense_bytes": Prior(1.25, TIMES, 0.2, 0.15),
    "fp4_mixed_bytes": Prior(1.3, "bytes", 0.3, 0.3),
    "expert_bandwidth": Prior(0.85, SHARE, 0.2, 0.15, 0.2),
    "mxfp4_bytes": Prior(1.2, TIMES, 0.3, 0.0, 0.3),
    "collective_latency_s": Prior(5e-6, SECONDS, 0.7, 0.5, 0.4),
    "collective_depth": Prior(0.5, "latencies a further doubling", 0.5),
    "collective_efficiency": Prior(0.3, SHARE, 0.6, 0.4, 0.3),
    "layer_s": Prior(2.5e-5, SECONDS, 0.5, 0.35, 0.3),
    "moe_layer_s": Prior(2e-5, SECONDS, 0.6, 0.4, 0.4),
    "step_s": Prior(5e-4, SECONDS, 1.0, 0.7),
    "sequence_s": Prior(2e-6, SECONDS, 1.0, 0.5),
    "coverage": Prior(0.95, "expert draws a token", 0.1),
    "expert_imbalance": Prior(0.3, TIMES, 0.7, 0.3),
    "attention_bandwidth": Prior(0.65, SHARE, 0.25, 0.25, 0.2),
    "latent_bandwidth": Prior(0.7, TIMES, 0.4, 0.3),
    "window_bandwidth": Prior(0.7, TIMES, 0.4),
    "decode_attention_efficiency": Prior(0.5, SHARE, 0.4, 0.0, 0.3),
    "state_reads": Prior(1.5, TIMES, 0.7),
    "index_share": Prior(0.15, "of a cached token", 1.0),
    "dispatch": Prior(1.0, TIMES, 0.5, 0.3),
    "expert_reduce": Prior(1.0, TIMES, 0.5, 0.3),
    "prefill_interference": Prior(0.8, TIMES, 0.6, 1.2),
    "prefill_efficiency": Prior(0.6, SHARE, 0.42, 0.42, 0.34),
    "prefill_expert_efficiency": Prior(0.6, TIMES, 0.68, 0.51, 0.34),
    "prefill_attention_efficiency": Prior(0.4, SHARE, 0.68, 0.34, 0.34),
    "prefill_communication": Prior(0.5, "share not hidden", 0.85, 0.68),
    "first_token_s": Prior(0.02, SECONDS, 5.1, 5.1),
    "queue_by_load": Prior(0.3, TIMES, 5.1, 3.4),
    "queue_by_burst": Prior(0.2, TIMES, 5.1, 5.1),
    "queue_power": Prior(0.65, "exponent", 0.68, 0.68),
    "decode_before_first": Prior(1.5, "decode steps", 5.1, 3.4),
    "cache_room": Prior(1.15, TIMES, 0.26, 0.17),
    "held_output": Prior(0.6, "share of the answer", 0.51, 0.34),
}
TTFT_WEIGHT = 0.5  # of a residual of log TTFT beside one of log TPOT
FAR = 0.1  # residual from which a row counts less
PRIOR_WEIGHT = 1.0
WIDE = (ALL, DOUBLING, *"0123")
WANTED: Mapping[str, Sequence[str]] = {  # basis functions of a level: common, by doubling of ranks, by share of a term
    "engine": WIDE,
    "attention": WIDE,
    "precision": (ALL, "0", "2"),
    "model": WIDE,
    "accelerator": (ALL, "2"),
    "release": (ALL, "2"),
    "layout": (ALL, "2"),
    "model layout": (ALL, "2"),
    "model machine": (ALL, "2"),
    "model release": WIDE,
    "deployment": (ALL, *"0123"),
    "silicon": (ALL,),
}
# Standard deviations of groups, chosen by cross-validation by deployment (`benchmarks.calibration.choose`).
SPREADS: Mapping[str, tuple[float, float]] = {  # level → of log TPOT, of log TTFT
    "engine": (0.12, 0.048),
    "attention": (0.04, 0.192),
    "precision": (0.06, 0.096),
    "model": (0.17, 0.096),
    "accelerator": (0.14, 0.16),
    "release": (0.05, 0.016),
    "layout": (0.013, 0.04),
    "model layout": (0.009, 0.024),
    "model machine": (0.25, 0.02),
    "model release": (0.24, 0.192),
    "deployment": (0.03, 0.014),
    "silicon": (0.06, 0.025),
}
UNKNOWN_SILICON = 0.25  # assumed spread of a class of accelerator that was never measured: hardly any is kept out
SLOPES, NOISES = (0.3, 0.6), (0.015, 0.075)  # of other basis functions, as a factor; of a measurement
VARIANCES: Mapping[str, hierarchy.Variances] = {
    metric: hierarchy.Variances(
        levels={level: math.log(SPREADS[level][m]) for level in WANTED},
        slope=math.log(SLOPES[m]),
        noise=math.log(NOISES[m]),
    )
    for m, metric in enumerate(("tpot", "ttft"))
}
ROUNDS = 4  # of linearising the terms' factors
SOURCE = "InferenceX dumps of March and April 2026, as collected by aiconfigurator 0.12 (Apache-2.0)"
GATED = ("model", "accelerator", "release")  # levels whose new groups gate what was learned elsewhere
GATES = tuple(round(0.1 * step, 1) for step in range(11))
LABELLED = "labelled deployment"
GROUPINGS = (LABELLED, "deployment", "model", "accelerator", "release")
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Measured rows, N of them."""

    labels: list[Label]  # [N]
    setups: Setups  # [N]
    load: Load
    log: Mapping[str, Array]  # "tpot" and "ttft" → log seconds [N]
    keys: Mapping[str, Array]  # level → group of each row [N]
    doublings: Array  # of tensor parallelism [N], as corrections count them
    labelled: Array  # deployment of each row [N] as the file names it: variants of one model are apart

    def take(self, rows: Codes) -> Data:
        """Rows by index."""
        return Data(
            labels=[self.labels[i] for i in rows],
            setups=self.setups.take(rows),
            load=self.load.take(rows),
            log={name: values[rows] for name, values in self.log.items()},
            keys={name: values[rows] for name, values in self.keys.items()},
            doublings=self.doublings[rows],
            labelled=self.labelled[rows],
        )


def data(frame: pd.DataFrame) -> Data:
    """The rows of a measurement file that can be predicted and were measured."""
    rows = Rows(frame)
    found = read(rows)
    measured = frame[["tpot_ms", "ttft_ms"]].gt(0).all(axis=1).to_numpy()
    good = np.flatnonzero(rows.good & measured)
    labels = [found.labels[i] for i in found.which[good]]
    named = frame["deployment"] if "deployment" in frame else frame.index.astype(str).to_series()
    return Data(
        labels=labels,
        setups=setups_of(found.labels).take(found.which[good]),
        load=found.load.take(good),
        log={m: np.log(frame[f"{m}_ms"].to_numpy(dtype=np.float64)[good] / 1e3) for m in ("tpot", "ttft")},
        keys={level: np.array(groups, dtype=object) for level, groups in groups_of(labels).items()},
        doublings=doublings(labels),
        labelled=named.to_numpy(dtype=object)[good],
    )


# --- 1. constants ---------------------------------------------------------------------------------------------------


@functools.cache
def layout() -> tuple[tuple[tuple[str, str], ...], Array]:
    """(what each fitted number is, its prior standard deviation): the constant and "", an engine or "blackwell"."""
    names: list[tuple[str, str]] = []
    spread: list[float] = []
    for name, prior in PRIORS.items():
        parts = [("", prior.spread)]
        parts += [(e, prior.by_engine) for e in ENGINES if e and prior.by_engine]
        parts += [("blackwell", prior.on_blackwell)] if prior.on_blackwell else []
        names += [(name, part) for part, _ in parts]
        spread += [s for _, s in parts]
    return tuple(names), np.array(spread)


def table_of(x: Array, errors: Array | None = None) -> dict[str, dict[str, Any]]:
    """Constants as they are written: rounded, with units and the standard errors of the logs of their values."""
    names = [name for name, part in layout()[0] if not part]
    error = {} if errors is None else dict(zip(names, errors[[not part for _, part in layout()[0]]], strict=True))
    table: dict[str, dict[str, Any]] = {}
    for name, exact in table_of_exact(x).items():
        table[name] = {"value": _short(exact["value"]), "unit": PRIORS[name].unit}
        if name in error:
            table[name]["log_error"] = _short(error[name])
        if "engine" in exact:
            table[name]["engine"] = {engine: _log(value) for engine, value in exact["engine"].items()}
        if "blackwell" in exact:
            table[name]["blackwell"] = _log(exact["blackwell"])
    return table


def _log(value: float) -> float:
    return round(float(value), 4) + 0.0  # no negative zero


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def seconds(d: Data, x: Array) -> tuple[Array, Array]:
    """The terms of TPOT and TTFT, [4, N] each, seconds."""
    made = terms(steps(d.setups, constants_of(table_of_exact(x))), d.load)
    return np.stack(made[0]), np.stack(made[1])


def table_of_exact(x: Array) -> dict[str, dict[str, Any]]:
    """Constants from the logs of factors on their priors."""
    table: dict[str, dict[str, Any]] = {name: {"value": prior.value} for name, prior in PRIORS.items()}
    for (name, part), value in zip(layout()[0], x, strict=True):
        if not part:
            table[name]["value"] *= np.exp(value)
        elif part == "blackwell":
            table[name]["blackwell"] = value
        else:
            table[name].setdefault("engine", {})[part] = value
    return table


def fit_constants(d: Data) -> tuple[Array, Array]:
    """(logs of factors on the priors [P], their standard errors [P])."""
    deployment = np.unique(d.keys["deployment"].astype(str), return_inverse=True, return_counts=True)
    crowd = deployment[2][deployment[1]] ** -0.25
    crowd = crowd / crowd.mean()
    spread = layout()[1]
    pull = PRIOR_WEIGHT * np.sqrt(len(d.labels) / 1800) / spread

    def residuals(x: Array) -> Array:
        tpot, ttft = seconds(d, x)
        off = np.log(tpot.sum(axis=0)) - d.log["tpot"], np.log(ttft.sum(axis=0)) - d.log["ttft"]
        return np.concatenate([off[0] * crowd, TTFT_WEIGHT * off[1] * crowd])

    def drawn(z: Array, w: Array) -> Array:
        return np.concatenate([residuals(z) * w, pull * z])

    x, weight, slopes = np.zeros(len(spread)), np.ones(2 * len(d.labels)), np.eye(len(spread))
    for evaluations in (8, 5, 5, 5):
        found = least_squares(drawn, x, args=(weight,), max_nfev=evaluations)
        x, slopes = found.x, found.jac
        weight = 1.0 / np.sqrt(1.0 + (residuals(x) / FAR) ** 2 / 2.0)
    return x, np.sqrt(np.diag(np.linalg.inv(slopes.T @ slopes))) * FAR


# --- 2. groups ------------------------------------------------------------------------------------------------------


def fit_groups(
    d: Data, metric: str, parts: Array, variances: hierarchy.Variances
) -> dict[str, dict[str, dict[str, float]]]:
    """Log factors of the terms [4, N] by level and group."""
    names = TPOT_TERMS if metric == "tpot" else TTFT_TERMS
    groups = {level: list(keys) for level, keys in d.keys.items()}
    factors = np.zeros_like(parts)
    off = d.log[metric] - np.log(parts.sum(axis=0))
    weight = hierarchy.weights_of(off - np.median(off), 1.5 * float(np.median(np.abs(off - np.median(off)))))
    table: dict[str, dict[str, dict[str, float]]] = {}
    for _ in range(ROUNDS):
        scaled = parts * np.exp(factors)
        total = scaled.sum(axis=0)
        share = scaled / total
        basis = {ALL: np.ones(len(total)), DOUBLING: d.doublings} | {str(j): share[j] for j in range(len(share))}
        made = hierarchy.ridge(groups, basis, WANTED)
        y = d.log[metric] - np.log(total) + (share * factors).sum(axis=0)
        found, fitted = hierarchy.solve(made, y, weight, variances)
        weight = hierarchy.weights_of(y - fitted, float(np.exp(variances.noise)))
        table = _table(made, found, names)
        factors = factors_of(table, d, names)
    return table


def _table(made: hierarchy.Ridge, found: Array, names: tuple[str, ...]) -> dict[str, dict[str, dict[str, float]]]:
    table: dict[str, dict[str, dict[str, float]]] = {}
    for (level, group, function), value in zip(made.names, found, strict=True):
        term = function if function in (ALL, DOUBLING) else names[int(function)]
        table.setdefault(level, {}).setdefault(group, {})[term] = float(value)
    return table


def factors_of(table: Mapping[str, Mapping[str, Mapping[str, float]]], d: Data, names: tuple[str, ...]) -> Array:
    """Log factors [4, N] of rows."""
    factors = np.zeros((len(names), len(d.labels)))
    for level, groups in d.keys.items():
        known = table.get(level, {})
        value = {term: np.array([known.get(g, {}).get(term, 0.0) for g in groups]) for term in (ALL, DOUBLING, *names)}
        factors += value[ALL] + value[DOUBLING] * d.doublings + np.stack([value[name] for name in names])
    return factors


# --- 3. what was kept out -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Predictions of rows whose group the fit never saw, [M] each."""

    row: Codes
    off: Mapping[str, Array]  # metric → log of measured over predicted
    physics: Mapping[str, Array]  # the same without groups
    new: Mapping[str, Array]  # level → whether the row's group was not in the fit


def grouping(d: Data, name: str) -> Array:
    """What is kept out together."""
    return d.labelled if name == LABELLED else d.keys[name]


def folds(groups: Array, *, seed: int = 0) -> list[tuple[Codes, Codes]]:
    """(rows fitted, rows kept out): each group by itself, or FOLDS parts of many groups."""
    distinct = np.array(sorted(set(groups)), dtype=object)
    many = len(distinct) > 3 * FOLDS
    if many:
        np.random.default_rng(seed).shuffle(distinct)
    parts = np.array_split(distinct, FOLDS) if many else [np.array([g], dtype=object) for g in distinct]
    out = [np.isin(groups.astype(str), part.astype(str)) for part in parts]
    return [(np.flatnonzero(~rows), np.flatnonzero(rows)) for rows in out]


def keep_out(d: Data, name: str, variances: Mapping[str, hierarchy.Variances]) -> Held:
    """Predictions of every row by a fit that never saw its group."""
    pieces: list[Held] = []
    for inside, outside in folds(grouping(d, name)):
        fitted, kept = d.take(inside), d.take(outside)
        x, _ = fit_constants(fitted)
        off, physics = {}, {}
        for metric, mine, theirs in zip(("tpot", "ttft"), seconds(fitted, x), seconds(kept, x), strict=True):
            table = fit_groups(fitted, metric, mine, variances[metric])
            names = TPOT_TERMS if metric == "tpot" else TTFT_TERMS
            total = (theirs * np.exp(factors_of(table, kept, names))).sum(axis=0)
            off[metric] = kept.log[metric] - np.log(total)
            physics[metric] = kept.log[metric] - np.log(theirs.sum(axis=0))
        seen = {level: set(keys) for level, keys in fitted.keys.items()}
        new = {level: np.array([k not in seen[level] for k in keys]) for level, keys in kept.keys.items()}
        pieces.append(Held(row=outside, off=off, physics=physics, new=new))
    return Held(
        row=np.concatenate([p.row for p in pieces]),
        off={m: np.concatenate([p.off[m] for p in pieces]) for m in ("tpot", "ttft")},
        physics={m: np.concatenate([p.physics[m] for p in pieces]) for m in ("tpot", "ttft")},
        new={level: np.concatenate([p.new[level] for p in pieces]) for level in LEVELS},
    )


def gates(held: Mapping[str, Held], metric: str) -> dict[str, float]:
    """What log factors are multiplied by where the group of a level is new: least mean and median error."""
    found = {}
    for level in GATED:
        h = held[level]
        costs = [_cost(h.physics[metric] - g * (h.physics[metric] - h.off[metric])) for g in GATES]
        found[level] = GATES[int(np.argmin(costs))]
    return found


def _cost(off: Array) -> float:
    """Mean (no row counting more than 100 %) and median error."""
    error = np.abs(np.exp(-off) - 1.0)
    return float(np.minimum(error, 1.0).mean() + np.median(error))


def gated(held: Held, by: Mapping[str, Mapping[str, float]]) -> Held:
    """With the gates of each metric applied (to the whole log factor, a first-order view of those of the terms)."""
    off = {}
    for metric, ratio in held.off.items():
        gate = np.ones(len(ratio))
        for level, factor in by[metric].items():
            gate = np.where(held.new[level], gate * factor, gate)
        off[metric] = held.physics[metric] - gate * (held.physics[metric] - ratio)
    return Held(row=held.row, off=off, physics=held.physics, new=held.new)


def sigma_of(new: Mapping[str, Array], residuals: Residuals) -> Array:
    """Standard deviation of each row [N] from which of its groups are new."""
    variance = residuals.spread[""] ** 2 + sum(residuals.spread[level] ** 2 * new[level] for level in LEVELS)
    return np.asarray(residuals.scale * np.sqrt(variance))


def spreads(held: Mapping[str, Held], metric: str, noise: float) -> tuple[dict[str, float], float]:
    """(standard deviation of each level's unmeasured groups, "" for a measurement; scale that covers 90 %).

    Student's t likelihood of what was kept out, each grouping counting alike.
    """
    off = [h.off[metric] for h in held.values()]
    new = [np.stack([h.new[level] for level in LEVELS]).astype(float) for h in held.values()]

    def cost(v: Array) -> float:
        total = 0.0
        for o, n in zip(off, new, strict=True):
            variance = np.exp(2.0 * v[0]) + (np.exp(2.0 * v[1:])[:, None] * n).sum(axis=0)
            tail = np.log1p(o**2 / (hierarchy.FREEDOM * variance))
            total += float((0.5 * np.log(variance) + 0.5 * (hierarchy.FREEDOM + 1.0) * tail).mean())
        return total + 0.002 * float(((v[1:] - np.log(0.05)) ** 2).sum())

    start = np.array([np.log(noise), *([np.log(0.05)] * len(LEVELS))])
    found = minimize(cost, start, method="L-BFGS-B", bounds=[(np.log(0.01), 0.5)] * len(start)).x
    sigma = {
        "": float(np.exp(found[0])),
        **{level: float(np.exp(v)) for level, v in zip(LEVELS, found[1:], strict=True)},
    }
    ratios = []
    for o, n in zip(off, new, strict=True):
        variance = sigma[""] ** 2 + (np.array([sigma[level] ** 2 for level in LEVELS])[:, None] * n).sum(axis=0)
        ratios.append(np.quantile(np.abs(o) / np.sqrt(variance), 0.9) / NINETY)
    scale = float(ratios[list(held).index("deployment")])
    sigma["silicon"] = UNKNOWN_SILICON / scale
    return {level: _short(s) for level, s in sigma.items()}, _short(scale)


def held_out(d: Data) -> dict[str, Held]:
    """What each grouping's fits predict of the groups they never saw."""
    return {name: keep_out(d, name, VARIANCES) for name in GROUPINGS}


def fit(frame: pd.DataFrame, held: Mapping[str, Held] | None = None) -> dict[str, Any]:
    """Everything that is shipped, from the train rows of a frame."""
    d = data(train(frame))
    x, errors = fit_constants(d)
    found: dict[str, Any] = {}
    kept = held or held_out(d)
    by = {metric: gates(kept, metric) for metric in ("tpot", "ttft")}
    kept = {name: gated(h, by) for name, h in kept.items()}
    for metric, parts in zip(("tpot", "ttft"), seconds(d, x), strict=True):
        table = fit_groups(d, metric, parts, VARIANCES[metric])
        spread, scale = spreads(kept, metric, math.exp(VARIANCES[metric].noise))
        groups = {level: _rounded(entries) for level, entries in table.items()}
        found[metric] = {"groups": groups, "spread": spread, "gates": by[metric], "scale": scale}
    provenance = {
        "rows": len(d.labels),
        "source": SOURCE,
        "method": "python -m benchmarks.calibrate serving --data DIR; benchmarks/calibration/serving.py says how",
    }
    return {"constants": table_of(x, errors), "residuals": found, "provenance": provenance}


def cross_validate(frame: pd.DataFrame) -> pd.DataFrame:
    """Held-out figures by what is kept out, see `serving_checks`."""
    from benchmarks.calibration import serving_checks

    d = data(train(frame))
    held = held_out(d)
    found = residuals(fit(frame, held))
    by = {metric: residual.gates for metric, residual in found.items()}
    return serving_checks.table(d, {name: gated(h, by) for name, h in held.items()}, found)


def train(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be fitted."""
    return frame[frame["split"] == "train"].reset_index(drop=True) if "split" in frame else frame


def _rounded(groups: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {g: {t: _log(v) for t, v in entry.items()} for g, entry in groups.items()}


def residuals(fitted: Mapping[str, Any]) -> dict[str, Residuals]:
    """What `fit` found, as the predictions take it."""
    return {metric: residuals_of(fitted["residuals"][metric]) for metric in ("tpot", "ttft")}
