"""Offline throughput, which no constant was fitted on: `python -m benchmarks.throughput_accuracy FILE`.

FILE is a CSV with columns family, model, gpu, tp, precision, isl, osl, output_tokens_per_s (TensorRT-LLM's published
maximum-load tables). The modelled figure is the best over the concurrency grid at the measured tensor parallelism.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.perf_accuracy import score
from solver.perf import architecture
from solver.perf.constants import constants, precision
from solver.perf.hardware import GIB, Hardware, Layout
from solver.perf.memory import sequences_that_fit
from solver.perf.serving import Engine
from solver.workloads.inference import GRID

SYSTEMS = {  # vendor data sheets: GiB, GB/s, dense TFLOP/s BF16, FP8, FP4, scale-up GB/s one way
    "A100-80GB-SXM": (80, 2039, 312, 0, 0, 300),
    "L40S": (48, 864, 362, 733, 0, 32),
    "H100-SXM": (80, 3350, 989, 1979, 0, 450),
    "H200-SXM": (141, 4800, 989, 1979, 0, 450),
    "B200": (180, 7700, 2250, 4500, 9000, 900),
}
MODELS = {
    "Llama-3-70B": "llama-3.1-70b",
    "Llama-3.3-70B": "llama-3.1-70b",
    "Llama-3-8B": "llama-3.1-8b",
    "Llama-3.1-8B": "llama-3.1-8b",
    "Llama-4-Scout": "llama-4-scout-17b-16e-instruct",
}
PRECISION = {"FP16": "bf16", "FP8": "fp8", "FP4": "fp4"}


def modelled(model: str, gpu: str, stored: str, tensor: float, lengths: tuple[float, float]) -> float:
    """Output tokens a second at the best concurrency that fits; 0 when nothing does."""
    figures = dict(zip([f.name for f in dataclasses.fields(Hardware)], (*SYSTEMS[gpu], 50), strict=False))
    scale = {"hbm_bytes": GIB, "hbm_bytes_per_s": 1e9, "scaleup_bytes_per_s": 1e9, "scaleout_bytes_per_s": 1e9}
    columns = {name: np.array([value * scale.get(name, 1e12)]) for name, value in figures.items()}
    hw = Hardware(**columns, generation=np.array([int(figures["fp4_flop_per_s"] > 0)]))
    one = np.ones(1)
    layout = Layout(tensor_parallel=tensor * one, pipeline_parallel=one, data_parallel=one, expert_parallel=one)
    a, p = architecture(MODELS[model]), precision(PRECISION[stored])
    room = sequences_that_fit(a, p, layout, sum(lengths), hw.hbm_bytes)
    engine = Engine(architecture=a, precision=p, hardware=hw.column(), layout=layout.column(), constants=constants())
    rate = engine.predict(GRID[None, :], *lengths).requests_per_s
    return float(np.where(room[:, None] >= GRID, rate, 0.0).max() * lengths[1])


def main() -> None:
    """Print the error by model and accelerator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    t = pd.read_csv(parser.parse_args().file, low_memory=False)
    good = t.model.isin(MODELS) & t.gpu.isin(SYSTEMS) & t.precision.isin(PRECISION) & t.tp.ge(1)
    t = t[good & t.output_tokens_per_s.gt(0) & t.family.str.contains("perf-overview")].reset_index(drop=True)
    rows = t[["model", "gpu", "precision", "tp", "isl", "osl"]].itertuples(index=False)
    found = np.array([modelled(m, g, p, float(tp), (float(i), float(o))) for m, g, p, tp, i, o in rows])
    measured = t.output_tokens_per_s.to_numpy(float)
    print(f"{'all':24s} {score(measured, found)}  mean ratio {np.mean(found / measured):.2f}")
    for name in ("model", "gpu", "precision"):
        for value, part in t.groupby(name):
            i = part.index.to_numpy()
            print(f"{value:24s} {score(measured[i], found[i])}  mean ratio {np.mean(found[i] / measured[i]):.2f}")


if __name__ == "__main__":
    main()
