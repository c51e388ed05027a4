"""The fleet model in linopy, solved by HiGHS: `python fleet_linopy.py ARRAYS.npz FOUND.json`.

Runs in an environment of its own; knows nothing of this project. Rows, columns and bounds are those of the direct form,
without the demand for whole numbers: cover, nodes, share of spot, quotas on demand and of spot. `build_s` ends when
HiGHS has the model.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import linopy
import numpy as np
import xarray as xr

warnings.simplefilter("ignore")


def build(a: dict[str, np.ndarray]) -> linopy.Model:
    """The model as linopy's guide writes such: labelled arrays, sums by group."""
    sizes = {"e": len(a["edge_pool"]), "w": len(a["demand"]), "q": len(a["quota_nodes"]), "b": a["demand"].shape[1]}
    sizes["k"] = a["committed_micro_usd"].shape[1]

    def over(values: np.ndarray, *dims: str) -> xr.DataArray:
        return xr.DataArray(values, dims=dims, coords={d: np.arange(sizes[d]) for d in dims})

    whose, where = over(a["edge_workload"], "e"), over(a["edge_pool"], "e")
    weight = over(np.full(sizes["b"], 1 / int(a["scenarios"])), "b")
    demand, unit = over(a["demand"].astype(float), "w", "b"), over(a["unit"], "w")
    capacity = over(a["edge_units"] / a["unit"][a["edge_workload"]], "e")
    usable = over(np.minimum(a["edge_units"][:, None], a["demand"][a["edge_workload"]]), "e", "b")
    usable = usable / over(a["unit"][a["edge_workload"]], "e")
    share = over(a["spot_share"][a["edge_workload"]] / 100, "e")
    m = linopy.Model()
    firm = m.add_variables(lower=0, upper=over(a["firm_most"], "e", "b"), name="firm")
    spot = m.add_variables(lower=0, upper=over(a["spot_most"], "e", "b"), name="spot")
    on_demand = m.add_variables(lower=0, upper=over(a["on_demand_most"], "q", "b"), name="on_demand")
    committed = m.add_variables(lower=0, upper=over(a["committed_most"], "q", "k"), name="committed")
    unserved = m.add_variables(lower=0, upper=demand / unit, name="unserved")
    by_workload, by_pool, held = whose.rename("w"), where.rename("q"), committed.sum("k")
    m.add_constraints((usable * (firm + spot)).groupby(by_workload).sum() + unserved >= demand / unit, name="cover")
    beyond = (1 - share) * capacity * spot - share * capacity * firm
    m.add_constraints(beyond.groupby(by_workload).sum() <= 0, name="share")
    m.add_constraints(firm.groupby(by_pool).sum() - on_demand - held <= 0, name="nodes")
    m.add_constraints(on_demand + held <= over(a["quota_nodes"].astype(float), "q"), name="quota")
    m.add_constraints(spot.groupby(by_pool).sum() <= over(a["spot_nodes"].astype(float), "q", "b"), name="spot quota")
    spot_usd = over(a["spot_micro_usd"][a["edge_pool"]] / 1e6, "e")
    m.add_objective(
        (over(a["on_demand_micro_usd"] / 1e6, "q") * weight * on_demand).sum()
        + (spot_usd * weight * spot).sum()
        + (over(a["committed_micro_usd"] / 1e6, "q", "k") * int(a["hours"]) * committed).sum()
        + (float(a["unserved_micro_usd"]) / 1e6 * unit * weight * unserved).sum()
    )
    return m


def main(arrays: str, found: str) -> None:
    """Build, solve, and write what it took; a first build has done the imports."""
    with np.load(arrays) as file:
        a = dict(file.items())
    build(a).to_highspy()
    start = time.process_time()
    highs = build(a).to_highspy()
    built = time.process_time()
    highs.silent()
    highs.run()
    figures = {
        "version": f"linopy {linopy.__version__}",
        "columns": highs.getNumCol(),
        "build_s": built - start,
        "solve_s": time.process_time() - built,
        "usd": highs.getObjectiveValue(),
        "ended": highs.modelStatusToString(highs.getModelStatus()),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    Path(found).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
