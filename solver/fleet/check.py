"""What prices and a dispatch are worth, recomputed in double precision by code that knows nothing of the search.

Any prices with the right signs bound the cost from below; any dispatch that fits costs what it costs. Ways that the
search left closed count in the bound like all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckError

if TYPE_CHECKING:
    from .ascent import Prices
    from .dispatch import Dispatch
    from .fleet import Fleet
    from .layout import Layout

Array = np.ndarray[Any, np.dtype[Any]]
FITS = 1e-7  # of a limit: rounding of sums in double precision
FEW = 32  # slots for which closed ways are looked at together


def lower_usd_per_hour(fleet: Fleet, asked: Array, spare: Array, prices: Prices) -> Array:
    """Lower bound of each slot [n], given committed nodes at their price: what demand is worth less rents of limits.

    Σ_w [(1−share) firm + share min(firm, spot)] − Σ_q quota price × quota − Σ_q spot price × spot nodes, with firm and
    spot the cheapest unit over all ways of w.

    Raises:
        CheckError: a price with the wrong sign, or a committed node-hour dearer than on demand.
    """
    m, q, v = (np.asarray(a, dtype=float) for a in (prices.committed, prices.quota, prices.spot))
    if min(m.min(initial=0), q.min(initial=0), v.min(initial=0)) < 0:
        raise CheckError("a negative price", where="fleet")
    m = np.minimum(m, fleet.on_demand_usd_per_hour[:, None])
    usable = spare > 0
    market = np.where(usable, fleet.spot_usd_per_hour[:, None] + v, np.inf)
    value = -(q * fleet.quota_nodes[:, None]).sum(axis=0) - (np.where(usable, v, 0.0) * spare).sum(axis=0)
    for first in range(0, asked.shape[1], FEW):
        at = slice(first, first + FEW)
        firm = np.minimum(_cheapest(fleet, (m + q)[:, at]), fleet.unserved_usd_per_unit[:, None])
        either = np.minimum(firm, _cheapest(fleet, market[:, at]))
        share = fleet.max_spot_share[:, None]
        value[at] += (asked[:, at] * ((1 - share) * firm + share * either)).sum(axis=0)
    return np.asarray(value)


def _cheapest(fleet: Fleet, price: Array) -> Array:
    """Dollars of the cheapest unit of each workload [W, n] at node prices [Q, n].

    Ways that in no slot of these can be the cheapest are left out: those whose least price is above the workload's
    least highest one.
    """
    least, most = price.min(axis=1), price.max(axis=1)
    low, high = least[fleet.pool] / fleet.units_per_hour, most[fleet.pool] / fleet.units_per_hour
    bar = np.full(fleet.workloads, np.inf)
    np.minimum.at(bar, fleet.workload, high)
    kept = np.flatnonzero(low <= bar[fleet.workload])
    order = kept[np.argsort(fleet.workload[kept], kind="stable")]
    made = np.full((fleet.workloads, price.shape[1]), np.inf)
    if len(order):
        unit = price[fleet.pool[order]] / fleet.units_per_hour[order, None]
        starts = np.flatnonzero(np.diff(fleet.workload[order], prepend=-1))
        made[fleet.workload[order[starts]]] = np.minimum.reduceat(unit, starts, axis=0)
    return made


def excess_usd(fleet: Fleet, prices: Prices, hours: Array, committed: Array) -> float:
    """Dollars to take off a bound where committed prices add up to more than commitments cost ([Q]) over these hours.

    Up to the quota of nodes would be bought to earn that.
    """
    m = np.minimum(np.asarray(prices.committed, dtype=float), fleet.on_demand_usd_per_hour[:, None])
    over = np.maximum(m @ hours - np.where(np.isfinite(committed), committed, np.inf), 0.0)
    return float((over * fleet.quota_nodes).sum())


def usd_per_hour(fleet: Fleet, layout: Layout, asked: Array, spare: Array, held: Array, plan: Dispatch) -> Array:
    """Cost of each slot [n] beside commitments `held` [Q]: on demand, spot, and what is left unserved.

    Raises:
        CheckError: more is served than asked for, or more used than there is.
    """
    real = layout.way.ravel() >= 0
    way, workload = layout.way.ravel()[real], np.tile(np.arange(fleet.workloads), layout.width)[real]
    firm, spot = plan.firm[real], plan.spot[real]
    each = 1.0 / fleet.units_per_hour[way][:, None]
    nodes = [_sum(fleet.pool[way], units * each, fleet.pools) for units in (firm, spot)]
    served = [_sum(workload, units, fleet.workloads) for units in (firm, spot)]
    wrong = {
        "fleet.workload differs": bool((fleet.workload[way] != workload).any()),
        "units below 0": min(firm.min(initial=0), spot.min(initial=0)) < 0,
        "more served than asked for": _over(served[0] + served[1], asked),
        "more spot than its share": _over(served[1], fleet.max_spot_share[:, None] * asked),
        "more nodes than the quota": _over(np.maximum(nodes[0], held[:, None]), fleet.quota_nodes[:, None]),
        "more spot nodes than there are": _over(nodes[1], spare),
        "spot nodes without a market": bool(nodes[1][np.isinf(fleet.spot_usd_per_hour)].any()),
    }
    if faults := [name for name, fault in wrong.items() if fault]:
        raise CheckError("; ".join(faults), where="fleet")
    market = np.where(np.isfinite(fleet.spot_usd_per_hour), fleet.spot_usd_per_hour, 0.0)
    bought = np.maximum(nodes[0] - held[:, None], 0.0)
    left = np.maximum(asked - served[0] - served[1], 0.0)
    return np.asarray(fleet.on_demand_usd_per_hour @ bought + market @ nodes[1] + fleet.unserved_usd_per_unit @ left)


def _over(used: Array, there: Array) -> bool:
    return bool((used > there * (1 + FITS) + FITS).any())


def _sum(key: Array, values: Array, count: int) -> Array:
    from scipy.sparse import csr_array

    member = csr_array((np.ones(len(key)), (key, np.arange(len(key)))), shape=(count, len(key)))
    return np.asarray(member @ values)
