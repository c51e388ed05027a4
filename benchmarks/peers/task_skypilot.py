"""One task on one of many offers, chosen by SkyPilot's optimizer: `python task_skypilot.py ARRAYS.npz FOUND.json`.

Runs in an environment of its own; knows nothing of this project. The optimizer is given offers and prices by hand, so
that neither its catalogue nor the network is asked: `usd` [offers]. Chains go its way of dynamic programming, all other
graphs its way of integer programming; a single task is a chain. Both are timed, after a first run.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import sky
from sky.optimizer import Optimizer

REPEATS = 5


def main(arrays: str, found: str) -> None:
    """Both ways on all offers."""
    with np.load(arrays) as file:
        usd = file["usd"].tolist()
    with sky.Dag() as dag:
        task = sky.Task("task")
    Optimizer._add_dummy_source_sink_nodes(dag)
    order, offers = list(nx.topological_sort(dag.get_graph())), [sky.Resources() for _ in usd]
    costs = {node: {next(iter(node.resources)): 0.0} for node in order}
    costs[task] = dict(zip(offers, usd, strict=True))
    ways: dict[str, Any] = {
        "chain": lambda: Optimizer._optimize_by_dp(order, costs, True),
        "graph": lambda: Optimizer._optimize_by_ilp(dag.get_graph(), order, costs, True),
    }
    made: dict[str, Any] = {"version": f"SkyPilot {sky.__version__}"}
    for name, way in ways.items():
        way()
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            chosen = way()[0][task]
            seconds.append(time.perf_counter() - start)
            made[name] = offers.index(chosen)
        made[f"{name}_s"] = min(seconds)
    Path(found).write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
