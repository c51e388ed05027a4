"""Dual prices of a direct formulation, and what they say of every candidate, open or not.

Any prices of the right sign give a lower bound on the cost of every plan: what the rows ask for at those prices, less
whatever a column could earn beyond its cost at the most it may be used. Nothing here trusts a solver's status.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import most_replicas, units, usd_per_hour
from ..problem import COMMITMENT, FIRM, ON_DEMAND, SPOT
from ..rules.budget import hourly_rate
from ..rules.carbon import kg_per_node_hour
from ..rules.commitment import upfront_by_month
from ..rules.transfer import levels_usd
from ..rules.upfront import upfront_micro_usd
from . import rounding

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..model import Program
    from ..problem import Problem
    from .rounding import Cuts

Array = np.ndarray[Any, np.dtype[Any]]


def dual_bound(program: Program, duals: Array) -> float:
    """Lower bound of a program from any row prices."""
    of_rows, of_columns = dual_terms(program, duals)
    return float(of_rows.sum() + of_columns.sum())


def dual_terms(program: Program, duals: Array) -> tuple[Array, Array]:
    """What rows [m] and columns [n] add to the lower bound of a program at any row prices."""
    y = np.where(np.isinf(program.row_lower), np.minimum(duals, 0), duals)
    y = np.where(np.isinf(program.row_upper), np.maximum(y, 0), y)
    reduced = program.cost - program.matrix.T @ y
    rhs = np.where(y > 0, program.row_lower, np.where(y < 0, program.row_upper, 0.0))
    at = np.where(reduced > 0, program.lower, program.upper)
    return rhs * y, np.where(reduced == 0, 0.0, reduced) * np.where(reduced == 0, 0.0, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Row prices by meaning, all as money a block (≥ 0 unless said). Q pools, B blocks, W workloads, P months."""

    cover: dict[tuple[int, int], Array]  # (workload, sources as a mask) -> [B], for one scaled unit
    cut: Array  # [cuts]
    dear: dict[tuple[int, int], Array]  # (workload, level of transfer) -> [B], for one scaled unit
    share: dict[tuple[int, int], Array]  # (workload, region or -1) -> [B], for one scaled unit
    work: Array  # [D, S], for one scaled unit
    place: Array  # [W], of the one place of a run
    node: dict[int, Array]  # pool -> [B], of a firm node
    quota: Array  # [Q, B, 2], of a firm and of a spot node, summed over the quotas of the pool
    month: Array  # [P, S], of a dollar
    hour: Array  # [B], of a dollar an hour
    carbon: float  # of a kilogram
    upfront: float = 0.0  # of a dollar paid at once

    def without_quotas(self) -> Prices:
        """The same with nothing to pay for quotas."""
        return dataclasses.replace(self, quota=np.zeros_like(self.quota))


def read_prices(f: Formulation, duals: Array, cuts: Cuts) -> Prices:  # noqa: C901, PLR0912
    """Row prices of a direct formulation, by the names and keys of its rows."""
    p = f.problem
    b, scenarios = p.blocks.count, len(p.blocks.probability)
    made: dict[str, Any] = {
        "cover": {}, "dear": {}, "share": {}, "node": {}, "cut": np.zeros(len(cuts.size)), "carbon": 0.0,
        "hour": np.zeros(b),
        "work": np.zeros((len(p.sources.workload), scenarios)), "place": np.zeros(len(p.workloads.name)),
        "quota": np.zeros((len(p.pool_shape), b, 2)), "month": np.zeros((len(p.blocks.periods), scenarios)),
    }  # fmt: skip
    for group in f.model.groups:
        y = duals[group.rows]
        keys = [] if group.keys is None else group.keys.tolist()
        if group.name.startswith("cover "):
            made["cover"] |= {divmod(k, 2**32): np.maximum(row, 0) for k, row in zip(keys, y, strict=True)}
        elif group.name.startswith("transfer "):
            made["dear"] |= {divmod(k, 2**32): np.maximum(row, 0) for k, row in zip(keys, y, strict=True)}
        elif group.name == "spot share":
            made["share"] |= {(k // 2**32, k % 2**32 - 1): np.maximum(-row, 0) for k, row in zip(keys, y, strict=True)}
        elif group.name == "nodes":
            made["node"] |= {k: np.maximum(-row, 0) for k, row in zip(keys, y, strict=True)}
        elif group.name == "rounding":
            made["cut"] = np.maximum(y, 0)
        elif group.name == "work":
            made["work"][np.flatnonzero(p.sources.total_units > 0)] = np.maximum(y, 0)
        elif group.name == "one place":
            made["place"][keys] = np.maximum(-y, 0)
        elif group.name == "quota":
            for k, row in zip(keys, np.maximum(-y, 0), strict=True):
                quota = p.limits.quotas[k]
                pools = list(quota.pools)
                made["quota"][pools, :, 0] += row if quota.kind != "spot" else 0.0
                made["quota"][pools, :, 1] += row if quota.kind != "on_demand" else 0.0
        elif group.name == "monthly budget":
            limited = [i for i, usd in enumerate(p.limits.monthly_budget_micro_usd) if usd is not None]
            made["month"][limited] = np.maximum(-y, 0)
        elif group.name == "hourly budget":
            made["hour"] = np.maximum(-y, 0)
        elif group.name in {"carbon", "upfront cash"}:
            made[group.name.split()[0]] = float(max(-y[0], 0))
    return Prices(**made)


def standing(problem: Problem, commitments: Array) -> Array:
    """Share of a committed node that can be used in each block: 0 where it is not in force, float [K, B]."""
    o, share = problem.offers, problem.zones_up / problem.pool_zones[:, None]
    return np.asarray(o.active[commitments] * share[o.pool[commitments]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What nodes cost at the prices: dollars a block with the prices of quotas and budgets on top."""

    on_demand: Array  # [Q, B], inf where there is none
    spot: Array  # [Q, B], inf where there is none
    commitment: Array  # [K]
    offers: Array  # int64 [K] commitments on sale
    carbon: Array  # [Q, B] of a running node


def market(problem: Problem, prices: Prices) -> Market:
    """Cost of a node in every pool and block, and of every commitment on sale."""
    p, o, blocks = problem, problem.offers, problem.blocks
    weight = blocks.total_hours * np.array([float(x) for x in blocks.block_probability()])
    month = prices.month[:, blocks.scenario]  # [P, B]
    dollar = weight + (month.T * blocks.hours).sum(axis=1) + prices.hour  # of a dollar an hour in a block [B]

    def of(kind: int, market_: int) -> Array:
        usd = usd_per_hour(p, kind)[:, None]
        on_sale = np.isfinite(usd)
        return np.where(on_sale, np.where(on_sale, usd, 0.0) * dollar + prices.quota[:, :, market_], np.inf)

    offers = np.flatnonzero((o.kind == COMMITMENT) & (o.owned_nodes == 0))
    monthly = (o.micro_usd_per_hour[offers, None] * o.paid_hours[offers]).astype(float)
    monthly += np.array([[float(x) for x in row] for row in upfront_by_month(p, offers)]).reshape(monthly.shape)
    commitment = (monthly / 1e6 * (1 + prices.month.sum(axis=1))).sum(axis=1)
    commitment += upfront_micro_usd(p, offers) / 1e6 * prices.upfront
    hourly = np.array([float(hourly_rate(p, k)) for k in offers.tolist()]).reshape(-1) / 1e6
    commitment += hourly * (o.active[offers] @ prices.hour)
    commitment += (standing(p, offers) * prices.quota[o.pool[offers], :, 0]).sum(axis=1)
    rate = p.limits.carbon_micro_usd_per_kg / 1e6 + prices.carbon
    return Market(
        on_demand=of(ON_DEMAND, 0), spot=of(SPOT, 1), commitment=commitment, offers=offers,
        carbon=kg_per_node_hour(p) * rate * weight,
    )  # fmt: skip


def worth(problem: Problem, prices: Prices, cuts: Cuts, w: int, rows: Array) -> Array:
    """Dollars that a replica of each candidate (rows, all of workload w) is worth in each block [n, B]."""
    c, s, scale = problem.candidates, problem.sources, units(problem)[w]
    sources = np.flatnonzero(s.workload == w)
    capacity, site = c.units_per_hour[rows], problem.pool_site[c.pool[rows]]
    kind = str(problem.workloads.kind[w])
    if kind != "serving":
        return _job_worth(problem, prices, int(sources[0]), capacity / scale, site)
    reach = s.rtt_ms[sources][:, site] + c.ttft_ms[rows] <= problem.workloads.ttft_ms[w]  # [n sources, n]
    mask = (reach * (1 << np.arange(len(sources)))[:, None]).sum(axis=0)
    way = levels_usd(problem, w)[1][site]
    kinds = np.stack([capacity, mask, way, c.market[rows]])
    pairs, inverse = np.unique(kinds, axis=1, return_inverse=True)
    made = np.zeros((pairs.shape[1], problem.blocks.count))
    for (workload, t), y in prices.cover.items():
        if workload == w:
            inside = sources[[i for i in range(len(sources)) if t >> i & 1]]
            usable = np.where((pairs[1].astype(np.int64) & t) > 0, pairs[0], 0)[:, None]
            made += np.minimum(usable, s.units_per_hour[inside].sum(axis=0)) / scale * y
    level, _ = levels_usd(problem, w)
    for (workload, at_level), y in prices.dear.items():
        if workload == w:
            usable = np.where(pairs[2] < level[at_level], pairs[0], 0)[:, None]
            made += np.minimum(usable, s.units_per_hour[sources].sum(axis=0)) / scale * y
    mine = np.flatnonzero((cuts.workload == w) & (prices.cut > 0))
    for t, firm in np.unique(np.stack([cuts.sources, cuts.firm])[:, mine], axis=1).T.tolist():
        at = mine[(cuts.sources[mine] == t) & (cuts.firm[mine] == firm)]
        inside = sources[[i for i in range(len(sources)) if t >> i & 1]]
        demand = rounding.asked(problem, w, inside, firm)[cuts.block[at]]
        counts = pairs[0] * rounding.counted(pairs[3], firm)
        alpha, _, _ = rounding.strengths(counts[:, None], demand[None, :], cuts.size[at][None, :])
        alpha = np.where((pairs[1].astype(np.int64) & t)[:, None] + firm > 0, alpha, 0.0) * prices.cut[at]
        np.add.at(made.T, cuts.block[at], alpha.T)
    return made[inverse.reshape(-1)] + _share_worth(problem, prices, w, rows, capacity / scale)


def _job_worth(problem: Problem, prices: Prices, d: int, capacity: Array, site: Array) -> Array:
    s, blocks = problem.sources, problem.blocks
    weight = blocks.total_hours * np.array([float(x) for x in blocks.block_probability()])
    moved = s.transfer_pico_usd_per_unit[d, site] / 1e12 * units(problem)[s.workload[d]]
    unit = (prices.work[d, blocks.scenario] * blocks.total_hours)[None, :] - moved[:, None] * weight
    return np.asarray(capacity[:, None] * np.maximum(unit, 0) * s.window[d])


def _share_worth(problem: Problem, prices: Prices, w: int, rows: Array, capacity: Array) -> Array:
    """What caps on spot add to firm capacity and take from spot capacity [n, B]."""
    from ..rules.spot import region_share

    c = problem.candidates
    spot, site = c.market[rows] == SPOT, problem.pool_site[c.pool[rows]]
    made = np.zeros((len(rows), problem.blocks.count))
    for (workload, r), y in prices.share.items():
        if workload == w:
            cap = float(problem.workloads.max_spot_share[w] if r < 0 else region_share(problem, w, r))
            counted = spot & ((r < 0) | (site == r))
            made += ((cap - counted) * capacity)[:, None] * y
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Every candidate at the prices."""

    loss: Array  # float [W] most that the closed candidates of a workload could earn, to be taken off the bound
    gain: Array  # float [C] what a closed candidate earns in the blocks where none earns more
    reduced: dict[int, Array]  # workload -> float32 [n, B] reduced cost of a replica in a block
    rows: dict[int, Array]  # workload -> int64 [n] candidates
    node: Array  # float [Q, B] price of a firm node


def survey(problem: Problem, prices: Prices, cuts: Cuts, is_open: Array) -> Survey:
    """Reduced cost of every candidate; the node prices of pools without an open candidate are chosen to suit.

    Only what is left after the price of nodes can be earned.
    """
    c, m = problem.candidates, market(problem, prices)
    values: dict[int, Array] = {}
    rows_of = {w: np.flatnonzero(c.workload == w) for w in range(len(problem.workloads.name))}
    asked = np.zeros(m.on_demand.shape)
    for w, rows in rows_of.items():
        values[w] = worth(problem, prices, cuts, w, rows) - c.nodes_per_replica[rows, None] * m.carbon[c.pool[rows]]
        firm = c.market[rows] == FIRM
        np.maximum.at(asked, c.pool[rows[firm]], values[w][firm] / c.nodes_per_replica[rows[firm], None])
    node = node_prices(problem, prices, m, asked)
    loss, gain, reduced = np.zeros(len(rows_of)), np.zeros(len(c.pool)), {}
    for w, rows in rows_of.items():
        firm = (c.market[rows] == FIRM)[:, None]
        price = np.where(
            firm, node[c.pool[rows]], np.where(np.isfinite(m.spot[c.pool[rows]]), m.spot[c.pool[rows]], 1e30)
        )
        left = c.nodes_per_replica[rows, None] * price - values.pop(w)
        reduced[w] = left.astype(np.float32)
        there = np.where(firm, problem.zones_up[c.pool[rows]], problem.spot_up[c.pool[rows]])
        idle = is_open[rows, None] | (there == 0)
        earned = np.where(idle, 0.0, np.maximum(-left, 0))
        loss[w], gain[rows] = _earned(problem, prices, w, rows, earned)
    return Survey(loss=loss, gain=gain, reduced=reduced, rows=rows_of, node=node)


def node_prices(problem: Problem, prices: Prices, m: Market, asked: Array) -> Array:
    """A price of a firm node in every pool and block [Q, B], as near as can be to what its best user would pay.

    The relaxation leaves prices open where nodes are not used, and says nothing of closed pools. A node may cost up to
    on demand, unless a commitment would pay at such prices; that changes nothing of the bound but what is earned.
    """
    o, base = problem.offers, np.zeros(m.on_demand.shape)
    for priced, y in prices.node.items():
        base[priced] = y
    wish = np.maximum(np.minimum(asked, m.on_demand), base)
    wish[o.pool[o.owned_nodes > 0]] = base[o.pool[o.owned_nodes > 0]]
    pool, active = o.pool[m.offers], standing(problem, m.offers)
    slack = m.commitment - (base[pool] * active).sum(axis=1)
    more = ((wish - base)[pool] * active).sum(axis=1)
    scale, slack = np.ones(len(base)), np.maximum(slack, 0.0)
    np.minimum.at(scale, pool, slack / np.maximum(np.maximum(more, slack), 1e-300))
    return np.asarray(base + scale[:, None] * (wish - base))


def _earned(problem: Problem, prices: Prices, w: int, rows: Array, earned: Array) -> tuple[float, Array]:
    """What candidates that earn so much a replica in a block [n, B] could earn together, and each [n].

    A run takes one place. A cheapest plan serves a flow with less than one replica beyond its demand for each of its
    sources, and a divisible job with less than one block beyond its work, so that the best earner of a unit bounds all;
    caps on spot by region can ask for more, then every candidate counts.
    """
    most = most_replicas(problem, rows)
    if not earned.any():
        return 0.0, np.zeros(len(rows))
    s, capacity = problem.sources, problem.candidates.units_per_hour[rows, None]
    sources = np.flatnonzero(s.workload == w)
    kind = str(problem.workloads.kind[w])
    if kind == "training":
        each = np.maximum((earned * most).sum(axis=1) - prices.place[w], 0)
        return float(each.max(initial=0.0)), each
    if kind == "batch" or any(workload == w and r >= 0 for workload, r in prices.share):
        each = (earned * most).sum(axis=1)
        return float(each.sum()), each
    unit = earned / np.maximum(capacity, 1)
    units_needed = s.units_per_hour[sources].sum(axis=0) + len(sources) * int(capacity.max())
    share = float(problem.workloads.max_spot_share[w])
    if len(sources) > 1 and 0 < share < 1:  # spot that one source cannot do without may ask for firm ones beside it
        units_needed = units_needed / share
    best = unit.argmax(axis=0)
    at = np.arange(unit.shape[1])
    each = np.zeros(len(rows))
    np.add.at(each, best, unit[best, at] * units_needed)
    return float((unit[best, at] * units_needed).sum()), each
