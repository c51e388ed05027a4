"""What serving predictions are worth where the fit never saw the group: errors, intervals, observations, choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.calibration.serving import LABELLED, Held, sigma_of
from solver.perf.frames.serving import NINETY
from solver.perf.observations import Observations, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from benchmarks.calibration.serving import Data
    from solver.perf.corrections import Residuals

Array = np.ndarray[Any, np.dtype[np.float64]]
TARGETS_MS = (15.0, 25.0, 40.0, 60.0)
TOLERANCE = 1.05  # a target is broken beyond this
FEWEST = 8  # configurations to choose from
DRAWS = (1, 3, 8)


def errors(off: Array) -> dict[str, float]:
    """Mean and median absolute error in % from the log of measured over predicted."""
    error = 100.0 * np.abs(np.exp(-off) - 1.0)
    return {"mape": float(error.mean()), "median": float(np.median(error)), "rows": len(off)}


def table(d: Data, kept_out: Mapping[str, Held], residuals: Mapping[str, Residuals]) -> pd.DataFrame:
    """One line for each thing kept out and each metric."""
    import pandas as pd

    lines: list[dict[str, Any]] = []
    for grouping, held in kept_out.items():
        kept = d.take(held.row)
        for metric in ("tpot", "ttft"):
            sigma = sigma_of(held.new, residuals[metric])
            inside = np.abs(held.off[metric]) <= NINETY * sigma
            lines.append(
                {"kept out": grouping, "metric": metric}
                | errors(held.off[metric])
                | {"physics mape": errors(held.physics[metric])["mape"]}
                | {"physics median": errors(held.physics[metric])["median"]}
                | {"coverage90": 100.0 * inside.mean(), "halfwidth": float(np.exp(NINETY * np.median(sigma)))}
            )
        lines.append({"kept out": grouping, "metric": "tokens/s"} | errors(throughput_off(kept, held)))
        for quantile, z in (("mean", 0.0), ("0.7", 0.5244), ("0.8", 0.8416), ("0.9", 1.2816)):
            sigma = sigma_of(held.new, residuals["tpot"])
            lines.append({"kept out": grouping, "metric": f"choice at {quantile}"} | choices(kept, held, z * sigma))
        if grouping in ("deployment", LABELLED):
            lines += [
                {"kept out": grouping, "metric": f"{metric} after {n}"}
                | after(kept, held, metric, n, residuals[metric])
                for metric in ("tpot", "ttft")
                for n in DRAWS
            ]
    return pd.DataFrame(lines)


def throughput_off(d: Data, held: Held) -> Array:
    """Log of measured over predicted output tokens a second, from the latencies."""
    measured = np.exp(d.log["ttft"]) + (d.load.output_tokens - 1) * np.exp(d.log["tpot"])
    tpot, ttft = (np.exp(d.log[m] - held.off[m]) for m in ("tpot", "ttft"))
    return np.asarray(np.log((ttft + (d.load.output_tokens - 1) * tpot) / measured))


def after(d: Data, held: Held, metric: str, count: int, residuals: Residuals) -> dict[str, float]:
    """Errors of the rest of a deployment after `count` of its rows, drawn at random, were observed."""
    draw = np.random.default_rng(0)
    sigma = sigma_of(held.new, residuals)
    noise = residuals.scale * residuals.spread[""]
    left: list[Array] = []
    inside: list[np.ndarray[Any, np.dtype[np.bool_]]] = []
    names = d.keys["deployment"].astype(str)
    for name in sorted(set(names)):
        mine = draw.permutation(np.flatnonzero(names == name))
        seen, rest = mine[:count], mine[count:]
        if len(rest) < 3:
            continue
        where = {name: place(d.load.take(seen))}
        off = {name: held.off[metric][seen]}
        known = Observations(places=where, tpot=off, ttft=off)
        shift, spread, _ = known.shift(metric, [name] * len(rest), d.load.take(rest), sigma[rest], noise)
        left.append(held.off[metric][rest] - shift)
        inside.append(np.abs(left[-1]) <= NINETY * spread)
    return errors(np.concatenate(left)) | {"coverage90": 100.0 * float(np.concatenate(inside).mean())}


def choices(d: Data, held: Held, margin: Array) -> dict[str, float]:
    """Choosing the configuration of most tokens a second and accelerator whose TPOT is predicted to meet a target.

    Returns:
        violations: choices whose measured TPOT breaks the target, in %.
        regret: mean share of the best rate that a choice within the target gives away, in %.
    """
    tpot, ttft = (np.exp(d.log[m] - held.off[m]) for m in ("tpot", "ttft"))
    gpus = d.setups.tensor_parallel * d.setups.data_parallel

    def rate(ttft_s: Array, tpot_s: Array) -> Array:
        return d.load.concurrency * d.load.output_tokens / (ttft_s + (d.load.output_tokens - 1) * tpot_s) / gpus

    real, thought = rate(np.exp(d.log["ttft"]), np.exp(d.log["tpot"])), rate(ttft, tpot)
    asked = [
        f"{label.shape} {label.accelerator} {i:.0f} {o:.0f}"
        for label, i, o in zip(d.labels, d.load.input_tokens, d.load.output_tokens, strict=True)
    ]
    broken: list[bool] = []
    regret: list[float] = []
    for name in sorted(set(asked)):
        rows = np.flatnonzero(np.array(asked) == name)
        for target in TARGETS_MS if len(rows) >= FEWEST else ():
            lawful = np.exp(d.log["tpot"][rows]) * 1e3 <= target
            allowed = rows[tpot[rows] * np.exp(margin[rows]) * 1e3 <= target]
            if not lawful.any() or not len(allowed):
                continue
            chosen = allowed[np.argmax(thought[allowed])]
            broken.append(bool(np.exp(d.log["tpot"][chosen]) * 1e3 > target * TOLERANCE))
            if not broken[-1]:
                regret.append(max(0.0, 1.0 - real[chosen] / real[rows[lawful]].max()))
    return {"violations": 100.0 * float(np.mean(broken)), "regret": 100.0 * float(np.mean(regret)), "rows": len(broken)}
