"""The record of accuracy: `python -m benchmarks.accuracy serving|throughput|training|memory FILE [--split NAME]`.

FILE is a CSV with the columns of a measurement table; any other columns are read over. Prints mean (MAPE) and median of
the absolute error in %, bias (median of predicted ÷ measured − 1), coverage of the 90 % intervals and their half-width
(median of √(high ÷ low)), overall and by group, and why rows could not be predicted; ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from solver.perf import predict_memory, predict_serving, predict_throughput, predict_training
from solver.perf.frames.memory import measured_gib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Array = np.ndarray[Any, np.dtype[np.float64]]
MOST_REASONS = 12


@dataclass(frozen=True, slots=True)
class Metric:
    """Measured and predicted values of the rows of a file, NaN where there is none."""

    measured: Array
    predicted: Array
    low: Array
    high: Array

    def figures(self, rows: Array | slice = slice(None)) -> dict[str, float]:
        """The figures of some rows; empty when none was both measured and predicted."""
        measured, predicted, low, high = (v[rows] for v in (self.measured, self.predicted, self.low, self.high))
        good = np.isfinite(measured) & np.isfinite(predicted) & (measured > 0)
        if not good.any():
            return {}
        ratio = predicted[good] / measured[good]
        inside = (low[good] <= measured[good]) & (measured[good] <= high[good])
        return {
            "mape": 100 * float(np.abs(ratio - 1).mean()),
            "median": 100 * float(np.median(np.abs(ratio - 1))),
            "coverage90": 100 * float(inside.mean()),
            "halfwidth": float(np.median(np.sqrt(high[good] / low[good]))),
            "bias": 100 * float(np.median(ratio) - 1),
            "rows": int(good.sum()),
        }


def serving(frame: pd.DataFrame, found: pd.DataFrame) -> dict[str, Metric]:
    """TPOT and TTFT."""
    return {name: _metric(_column(frame, f"{name}_ms"), found, f"{name}_ms") for name in ("tpot", "ttft")}


def throughput(frame: pd.DataFrame, found: pd.DataFrame) -> dict[str, Metric]:
    """Output tokens a second of the whole system."""
    return {"tokens_per_s": _metric(_column(frame, "output_tokens_per_s"), found, "tokens_per_s")}


def training(frame: pd.DataFrame, found: pd.DataFrame) -> dict[str, Metric]:
    """The step's time, or what a row gives in its place: tokens a second and accelerator, or TFLOP/s."""
    time = _metric(_column(frame, "step_time_s"), found, "step_time_s")
    measured, predicted, low, high = time.measured, time.predicted, time.low, time.high
    for name in ("tokens_per_s_per_gpu", "tflops_per_gpu"):
        given, rate = _column(frame, name), _column(found, name)
        here = ~(measured > 0) & (given > 0)
        measured, predicted = np.where(here, given, measured), np.where(here, rate, predicted)
        low = np.where(here, rate * time.predicted / time.high, low)
        high = np.where(here, rate * time.predicted / time.low, high)
    return {"step": Metric(measured, predicted, low, high)}


def memory(frame: pd.DataFrame, found: pd.DataFrame) -> dict[str, Metric]:
    """Peak memory of an accelerator."""
    return {"peak": _metric(measured_gib(frame), found, "peak_gib")}


SUBJECTS: Mapping[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], Any, tuple[str, ...]]] = {
    "serving": (predict_serving, serving, ("split", "model", "system", "engine", "precision", "deployment")),
    "throughput": (predict_throughput, throughput, ("split", "family", "model", "gpu", "precision", "scenario")),
    "training": (predict_training, training, ("split", "family", "software", "model", "gpu", "precision")),
    "memory": (predict_memory, memory, ("split", "kind", "model", "gpu", "source", "oom")),
}


def record(subject: str, frame: pd.DataFrame) -> tuple[list[str], dict[str, Any]]:
    """(lines to print, the last line's figures) for the rows of a frame."""
    return judged(subject, frame, SUBJECTS[subject][0](frame))


def judged(subject: str, frame: pd.DataFrame, found: pd.DataFrame) -> tuple[list[str], dict[str, Any]]:
    """As `record`, of predictions at hand."""
    _, score, groupings = SUBJECTS[subject]
    metrics = score(frame, found)
    groups = ["evidence", *(g for g in groupings if g in frame.columns)]
    lines = [f"{'':<12}{'':<44}{'metric':<14}{'MAPE':>8}{'median':>8}{'bias':>8}{'in 90 %':>9}{'width':>8}{'rows':>7}"]
    for name, metric in metrics.items():
        lines += _line("all", "", name, metric.figures())
    for group in groups:
        column = (found if group == "evidence" else frame)[group].astype(object)
        keys = column.fillna("not stated").astype(str).to_numpy()
        for key in sorted(set(keys)):
            for name, metric in metrics.items():
                lines += _line(group, key, name, metric.figures(np.flatnonzero(keys == key)))
    reasons = Counter(error.split(": ", 1)[-1] for error in found["error"] if error)
    lines += [f"not predicted: {n} × {reason}" for reason, n in reasons.most_common(MOST_REASONS)]
    if "oom" in frame.columns and "fits" in found.columns:
        failed = frame["oom"].astype(str).str.startswith("yes").to_numpy()
        lines.append(f"ran out of memory: {failed.sum()}, of them called fitting: {(found['fits'][failed] == 1).sum()}")
    last: dict[str, Any] = {"rows": len(frame), "predicted": int(found["error"].eq("").sum())}
    for name, metric in metrics.items():
        figures = metric.figures()
        last[name] = (
            {key: round(figures[key], 2) for key in ("mape", "median", "coverage90", "halfwidth")} if figures else {}
        )
    return lines, last


def _line(group: str, key: str, metric: str, f: Mapping[str, float]) -> list[str]:
    if not f:
        return []
    errors = f"{f['mape']:7.1f} {f['median']:7.1f} {f['bias']:+7.1f}"
    return [
        f"{group:<12}{key[:43]:<44}{metric:<14}{errors} {f['coverage90']:8.1f}{f['halfwidth']:8.2f}{f['rows']:7.0f}"
    ]


def _metric(measured: Array, found: pd.DataFrame, column: str) -> Metric:
    return Metric(measured, *(_column(found, f"{column}{end}") for end in ("", "_lo", "_hi")))


def _column(frame: pd.DataFrame, name: str) -> Array:
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    values = pd.to_numeric(frame[name], errors="coerce")
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def main() -> None:
    """Print the record of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--split", help="only the rows whose split is this")
    options = parser.parse_args()
    frame = pd.read_csv(options.file, low_memory=False)
    if options.split:
        frame = frame[frame["split"] == options.split].reset_index(drop=True)
    lines, last = record(options.subject, frame)
    print("\n".join(lines))
    print(json.dumps(last))


if __name__ == "__main__":
    main()
