"""Accuracy of the serving model on a table of measurements: `python -m benchmarks.perf_accuracy FILE [--fit]`.

FILE is a CSV with columns model, system, engine, precision, input_tokens, output_tokens, concurrency,
tensor_parallel, attention_data_parallel, expert_parallel, ttft_ms, tpot_ms, deployment, split. `--fit` fits the
[serving] constants on its train rows and writes them to solver/perf/constants.toml.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from solver.perf import architecture
from solver.perf.constants import ServingConstants, constants, precision
from solver.perf.hardware import GIB, Hardware, Layout
from solver.perf.memory import sequences_that_fit
from solver.perf.serving import Engine

Array = np.ndarray[Any, np.dtype[np.float64]]
# Vendor data sheets: GiB, GB/s, dense TFLOP/s BF16, FP8, FP4, NVLink GB/s in one direction.
SYSTEMS = {
    "h100_sxm": (80, 3350, 989, 1979, 0, 450),
    "h200_sxm": (141, 4800, 989, 1979, 0, 450),
    "b200_sxm": (180, 7700, 2250, 4500, 9000, 900),
    "gb200": (186, 8000, 2500, 5000, 10000, 900),
}
SHARES = {
    "memory_efficiency",
    "decode_efficiency",
    "prefill_efficiency",
    "fp4_efficiency",
    "attention_efficiency",
    "attention_bandwidth",
    "coverage",
    "collective_efficiency",
    "prefill_interference",
    "prefill_communication",
}
CALIBRATED_ON = ["H100", "H200", "B200"]
NATIVE_FP4 = ("openai/gpt-oss-120b",)  # published in MXFP4 only, whatever the label says
RENAMED = {"zhipuai/GLM-5": "zai-org/GLM-5"}


def load(file: Path) -> pd.DataFrame:
    """The measurement rows with defaults filled in."""
    rows = pd.read_csv(file)
    rows["precision"] = rows.precision.fillna("bf16")
    rows.loc[rows.model.isin(NATIVE_FP4), "precision"] = "fp4"
    rows["model"] = rows.model.replace(RENAMED)
    return rows.reset_index(drop=True)


def engines(rows: pd.DataFrame) -> list[tuple[Array, Engine, pd.DataFrame]]:
    """(row numbers, engine on the rows' hardware and layout, rows) for each model, precision and engine."""
    made = []
    for (model, name, engine), part in rows.groupby(["model", "precision", "engine"]):
        hbm, bandwidth, bf16, fp8, fp4, scaleup = (
            np.array(x, float) for x in zip(*(SYSTEMS[s] for s in part.system), strict=True)
        )
        hw = Hardware(
            hbm_bytes=hbm * GIB,
            hbm_bytes_per_s=bandwidth * 1e9,
            bf16_flop_per_s=bf16 * 1e12,
            fp8_flop_per_s=fp8 * 1e12,
            fp4_flop_per_s=fp4 * 1e12,
            scaleup_bytes_per_s=scaleup * 1e9,
            scaleout_bytes_per_s=np.full(len(part), 50e9),
            generation=(fp4 > 0).astype(np.int64),
        )
        layout = Layout(
            tensor_parallel=part["tensor_parallel"].to_numpy(float),
            pipeline_parallel=np.ones(len(part)),
            data_parallel=part["attention_data_parallel"].to_numpy(float),
            expert_parallel=part["expert_parallel"].to_numpy(float),
        )
        made.append(
            (
                part.index.to_numpy(),
                Engine(
                    architecture=architecture(model),
                    precision=precision(name),
                    hardware=hw,
                    layout=layout,
                    constants=constants(),
                    engine=engine,
                ),
                part,
            )
        )
    return made


def predict(
    parts: list[tuple[Array, Engine, pd.DataFrame]], serving: ServingConstants, count: int
) -> tuple[Array, Array]:
    """TPOT and TTFT in ms for all rows."""
    tpot, ttft = np.empty(count), np.empty(count)
    for index, engine, part in parts:
        e = dataclasses.replace(engine, constants=dataclasses.replace(engine.constants, serving=serving))
        lengths = part[["input_tokens", "output_tokens"]].to_numpy(float)
        for given in np.unique(lengths, axis=0):
            rows = (lengths == given).all(axis=1)
            sub = dataclasses.replace(e, hardware=e.hardware.take(rows), layout=e.layout.take(rows))
            room = sequences_that_fit(e.architecture, e.precision, sub.layout, given.sum(), sub.hardware.hbm_bytes)
            p = sub.predict(np.minimum(part.concurrency.to_numpy(float)[rows], np.maximum(room, 1)), given[0], given[1])
            tpot[index[rows]], ttft[index[rows]] = p.tpot_ms, p.ttft_ms
    return tpot, ttft


def _pack(c: ServingConstants) -> Array:
    parts: list[Array] = [np.atleast_1d(getattr(c, f.name)) for f in dataclasses.fields(c)]
    return np.asarray(np.log(np.concatenate(parts)))


def _unpack(x: Array) -> ServingConstants:
    values, at = np.exp(x), 0
    made: dict[str, Any] = {}
    for f in dataclasses.fields(ServingConstants):
        shape = np.size(getattr(constants().serving, f.name))
        made[f.name] = tuple(map(float, values[at : at + shape])) if f.type != "float" else float(values[at])
        at += shape
    return ServingConstants(**made)


def fit(rows: pd.DataFrame, evaluations: int) -> ServingConstants:
    """Robust least squares of log TPOT and log TTFT; a deployment counts as √rows; a weak pull to the start."""
    parts, start, n = engines(rows), _pack(constants().serving), len(rows)
    weight = rows.groupby("deployment").deployment.transform("count").to_numpy(float) ** -0.25
    tpot, ttft = np.log(rows.tpot_ms.to_numpy()), np.log(rows.ttft_ms.to_numpy())

    def residuals(x: Array) -> Array:
        a, b = predict(parts, _unpack(x), n)
        return np.concatenate([(np.log(a) - tpot) * weight, 0.5 * (np.log(b) - ttft) * weight, 0.05 * (x - start)])

    shares = np.concatenate(
        [
            np.full(np.size(getattr(constants().serving, f.name)), f.name in SHARES)
            for f in dataclasses.fields(ServingConstants)
        ]
    )
    upper = np.where(shares, 0.0, np.inf)  # no share passes its peak
    start = np.minimum(start, np.where(shares, -0.05, np.inf))
    return _unpack(
        least_squares(residuals, start, loss="soft_l1", f_scale=0.15, max_nfev=evaluations, bounds=(-np.inf, upper)).x
    )


def score(measured: Array, predicted: Array) -> str:
    """Mean, median and 90th percentile of the absolute relative error."""
    error = 100 * np.abs(predicted / measured - 1)
    middle, high = np.quantile(error, [0.5, 0.9])
    return f"MAPE {error.mean():5.1f} %  median {middle:5.1f} %  p90 {high:5.1f} %  n {len(error)}"


def _shown(value: float | tuple[float, ...]) -> str:
    return f"[{', '.join(f'{x:.4g}' for x in value)}]" if isinstance(value, tuple) else f"{value:.4g}"


def write(serving: ServingConstants, provenance: str) -> None:
    """Replace the [serving] group of constants.toml."""
    target = Path(__file__).resolve().parent.parent / "solver" / "perf" / "constants.toml"
    lines = [f"{f.name} = {_shown(getattr(serving, f.name))}" for f in dataclasses.fields(serving)]
    group = "\n".join(
        ["[serving]", f'provenance = "{provenance}"', f"calibrated_on = {json.dumps(CALIBRATED_ON)}", *lines, "", ""]
    )
    text = re.sub(
        r"\[serving\]\n.*?(?=\n\[|\Z)",
        lambda _: group.rstrip() + "\n",
        target.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    target.write_text(text, encoding="utf-8")


def main() -> None:
    """Print the accuracy by split, engine and system; with --fit, fit first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--evaluations", type=int, default=25)
    options = parser.parse_args()
    rows = load(options.file)
    serving = constants().serving
    if options.fit:
        train = rows[rows.split == "train"].reset_index(drop=True)
        serving = fit(train, options.evaluations)
        write(
            serving,
            f"Robust least squares on {len(train)} public serving measurements (InferenceX, March and April 2026, "
            "as collected by aiconfigurator 0.12, Apache-2.0), by python -m benchmarks.perf_accuracy FILE --fit.",
        )
    tpot, ttft = predict(engines(rows), serving, len(rows))
    for name in ("split", "engine", "system", "precision", "model"):
        for value, part in rows.groupby(name):
            i = part.index.to_numpy()
            rate = score(part.tpot_ms.to_numpy(), tpot[i])
            first = score(part.ttft_ms.to_numpy(), ttft[i])
            print(f"{name:9s} {value:26s} TPOT {rate} | TTFT {first}")


if __name__ == "__main__":
    main()
