"""Speed of the serving model on one core: `python -m benchmarks perf_speed [--rows N]`.

Evaluations a second, TPOT and TTFT together: of the arrays alone, with intervals, and through the door for DataFrames;
and the time of all modes of a model over the whole catalogue.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import costdata
from solver.perf import predict_serving
from solver.perf.corrections import corrections
from solver.perf.frames.rows import Rows
from solver.perf.frames.serving import NINETY, means_of, read, setups_of
from solver.perf.serving import interval
from solver.perf.steps import serving_constants, steps
from solver.workloads import Serving
from solver.workloads.serving import Traffic

from .cases import Case, grid, when
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = ("Llama-3.1-70B", "Qwen3-32B", "DeepSeek-V3", "gpt-oss-120b", "Qwen3-235B-A22B", "Llama-3.1-8B")
SYSTEMS = ("h100_sxm", "h200_sxm", "b200_sxm", "gb200")
ENGINES = ("vllm", "sglang", "trtllm")
REPEATS = 5


def frame(rows: int) -> pd.DataFrame:
    """Rows that cycle through set-ups and loads."""
    kinds = list(itertools.product(MODELS, SYSTEMS, ENGINES, (1, 2, 4, 8)))
    draw = np.random.default_rng(0)
    which = draw.integers(len(kinds), size=rows)
    table = pd.DataFrame([kinds[i] for i in which], columns=["model", "system", "engine", "tensor_parallel"])
    table["precision"] = "fp8"
    table["concurrency"] = 2.0 ** draw.integers(0, 10, size=rows)
    table["input_tokens"] = 2.0 ** draw.integers(8, 14, size=rows)
    table["output_tokens"] = 2.0 ** draw.integers(6, 12, size=rows)
    return table


def seconds(work: Callable[[], Any]) -> float:
    """Least CPU seconds of some repeats."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main(arguments: list[str] | None = None) -> None:
    """Print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    count = parser.parse_args(arguments).rows
    loads = frame(count)
    found = read(Rows(loads))
    coefficients, added = steps(setups_of(found.labels), serving_constants()), corrections(found.labels)[0]

    def with_intervals() -> None:
        means, sigmas = means_of(found, coefficients, added)
        for metric in means:
            interval(means[metric], sigmas[metric], NINETY)

    catalog = costdata.load()
    rates = {
        "arrays": (count / seconds(lambda: means_of(found, coefficients, added)), 3e6),
        "arrays with intervals": (count / seconds(with_intervals), 1e6),
        "DataFrame with intervals": (count / seconds(lambda: predict_serving(loads)), 1e6),
    }
    rows = [{"name": n, "per_s": r, "goal_per_s": g, "seconds": None, "goal_s": None} for n, (r, g) in rates.items()]
    for model in ("llama-3.1-70b", "deepseek-v3"):
        taken = seconds(_modes(model, catalog))
        rows.append({"name": f"modes of {model}", "per_s": None, "goal_per_s": None, "seconds": taken, "goal_s": 0.2})
    for row in rows:
        shown = f"{row['per_s'] / 1e6:.2f} M/s" if row["per_s"] else f"{row['seconds']:.3f} s"
        print(f"{row['name']:28s} {shown}")
    save(
        FOLDER,
        "perf_speed",
        {"rows": count, "repeats": REPEATS, "time": "least CPU seconds of one process"},
        [stamp() | row for row in rows],
    )


def _modes(model: str, catalog: costdata.Catalog) -> Callable[[], Any]:
    traffic = (Traffic(origin="Germany", requests_per_hour=1e5),)
    workload = Serving(
        name="x",
        model=model,
        precision="fp8",
        input_tokens=2000,
        output_tokens=500,
        ttft_ms=3e3,
        tpot_ms=60,
        traffic=traffic,
    )
    return lambda: workload.modes(catalog)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the serving model's speed, goals beside the figures."""
    titles = ("", "evaluations / s", "goal", "seconds", "goal", "measured, at revision")
    return grid(titles, (_quick(row) for row in rows))


def _quick(row: dict[str, Any]) -> tuple[str, ...]:
    rate, goal = (f"{row[key] / 1e6:.2f} M" if row[key] else "" for key in ("per_s", "goal_per_s"))
    taken, most = (f"{row[key]:.3f}" if row[key] else "" for key in ("seconds", "goal_s"))
    return row["name"], rate, goal, taken, most, when(row)


CASE = Case(
    name="perf_speed",
    measures="evaluations a second of the serving model, and the modes of a model over the catalogue",
    goal="3 M evaluations a second of arrays, 1 M with intervals; modes in 0.2 s",
    main=main,
    table=table,
)

if __name__ == "__main__":
    main()
