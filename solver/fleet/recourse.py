"""The cheapest dispatch of single slots at given commitments, each a linear program: for fleets of few slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import mathopt
from ..errors import EngineError
from ..model import Program
from .dispatch import Dispatch, fitting

if TYPE_CHECKING:
    from .fleet import Fleet, Sample
    from .layout import Layout

Array = np.ndarray[Any, np.dtype[Any]]


def recourse(fleet: Fleet, layout: Layout, sample: Sample, held: Array) -> Dispatch:
    """Serve slots with `held` [Q] committed nodes at least cost.

    Raises:
        EngineError: the back-end has no answer.
    """
    program, real = _program(fleet, layout, held)
    firm, spot = (np.zeros((len(layout.pool), len(sample.hours))) for _ in range(2))
    q, w, e = fleet.pools, fleet.workloads, len(real)
    for s in range(len(sample.hours)):
        asked = sample.asked[:, s].astype(float)
        spare = np.where(np.isfinite(fleet.spot_usd_per_hour), sample.spare[:, s], 0.0)
        upper = np.concatenate([np.full(w, np.inf), fleet.max_spot_share * asked, held, spare])
        lower = np.concatenate([asked, np.full(w + 2 * q, -np.inf)])
        answer = mathopt.solve(program.replace(row_lower=lower, row_upper=upper))
        if answer.values is None:
            raise EngineError(f"no dispatch of slot {s}: {answer.status}", where="fleet", mend="report the fleet")
        firm[real, s], spot[real, s] = np.maximum(answer.values[:e], 0), np.maximum(answer.values[e : 2 * e], 0)
    return fitting(fleet, layout, sample, firm, spot)


def _program(fleet: Fleet, layout: Layout, held: Array) -> tuple[Program, Array]:
    """Columns: units on firm nodes and on spot, nodes on demand, units left. Rows: demand, share, firm, spot nodes."""
    from scipy.sparse import coo_array

    real = np.flatnonzero(layout.way.ravel() >= 0)
    way = layout.way.ravel()[real]
    workload, pool, each = fleet.workload[way], fleet.pool[way], 1 / fleet.units_per_hour[way]
    q, w, e = fleet.pools, fleet.workloads, len(real)
    on_firm, on_spot, bought, left = np.arange(e), e + np.arange(e), 2 * e + np.arange(q), 2 * e + q + np.arange(w)
    entries = (
        (workload, on_firm, 1.0), (workload, on_spot, 1.0), (np.arange(w), left, 1.0), (w + workload, on_spot, 1.0),
        (2 * w + pool, on_firm, each), (2 * w + np.arange(q), bought, -1.0), (2 * w + q + pool, on_spot, each),
    )  # fmt: skip
    rows, columns, values = (
        np.concatenate(parts) for parts in zip(*(np.broadcast_arrays(*entry) for entry in entries), strict=True)
    )
    market = np.where(np.isfinite(fleet.spot_usd_per_hour), fleet.spot_usd_per_hour, 0.0)
    cost = [np.zeros(e), market[pool] * each, fleet.on_demand_usd_per_hour, fleet.unserved_usd_per_unit]
    width = 2 * e + q + w
    upper = np.full(width, np.inf)
    upper[bought] = np.maximum(fleet.quota_nodes - held, 0)
    program = Program(
        cost=np.concatenate(cost), lower=np.zeros(width), upper=upper, whole=np.zeros(width, dtype=bool),
        matrix=coo_array((values, (rows, columns)), shape=(2 * (w + q), width)).tocsr(),
        row_lower=np.zeros(2 * (w + q)), row_upper=np.zeros(2 * (w + q)),
    )  # fmt: skip
    return program, real
