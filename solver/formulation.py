"""The columns of the planning model, over the candidates that are open; the rules add rows, bounds and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .model import Model
from .problem import COMMITMENT, FIRM, ON_DEMAND, SPOT

if TYPE_CHECKING:
    from .problem import Problem
    from .rules.base import Rule

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Formulation:
    """A model with the meaning of its columns. C open candidates, E pairs of source and candidate, B blocks.

    Served units are counted in `unit[w]` (the largest replica of the workload), so that coefficients stay near one.
    """

    problem: Problem
    model: Model
    candidates: Array  # int64 [C] rows of problem.candidates
    pairs: Array  # int64 [2, E] source, position in `candidates`
    reach: Array  # bool [E] pairs that no rule has closed; rules write into it
    direct: bool  # flows have no served columns: see `formulate`
    counted: bool  # served units are whole columns: see `formulate`
    pools: Array  # int64 [Q] open pools
    on_demand_offers: Array  # int64 [O] offers on sale, at most one a pool
    commitments: Array  # int64 [K] offers
    gangs: Array  # int64 [G] positions in `candidates` of training candidates
    unit: Array  # float [W]
    replicas: Array  # columns [C, B]
    served: Array  # columns [E, B], -1 where a pair has none
    unserved: Array  # columns [D, B] for flows; for jobs [d, s] of the first S columns hold a scenario each
    on_demand: Array  # columns [O, B]
    committed: Array  # columns [K]
    placed: Array  # columns [G], 1 when the run takes this candidate

    weight: Array = field(repr=False)  # float [B] probability × hours

    def of(self, name: str) -> Array:
        """A column of problem.candidates over the open ones [C]."""
        return np.asarray(getattr(self.problem.candidates, name)[self.candidates])

    def shut(self, pairs: Array) -> None:
        """Let no unit go over these pairs (mask [E])."""
        self.reach[pairs] = False
        self.model.close(self.served[pairs & self.has_columns()])

    def has_columns(self) -> Array:
        """Pairs with served columns, bool [E]."""
        return np.asarray(self.served[:, :1].reshape(-1) >= 0) if self.served.size else np.zeros(len(self.served), bool)

    def obligations(self) -> Array:
        """Columns of units that must not stay unserved."""
        s, blocks = self.problem.sources, self.problem.blocks
        must = self.problem.workloads.must_serve[s.workload]
        flows, jobs = must & (s.total_units == 0), must & (s.total_units > 0)
        left, undone = self.unserved[flows, : blocks.count], self.unserved[jobs, : len(blocks.probability)]
        owing = ~self.problem.may_leave[s.workload[flows]]
        return np.concatenate([left[owing], undone.ravel()])


def offer_by_pool(problem: Problem, kind: int) -> Array:
    """Row of the offer of a kind in each pool, -1 where there is none; int64 [Q]."""
    found = np.full(len(problem.pool_shape), -1, dtype=np.int64)
    rows = np.flatnonzero(problem.offers.kind == kind)
    found[problem.offers.pool[rows]] = rows
    return found


def usd_per_hour(problem: Problem, kind: int, absent: float = np.inf) -> Array:
    """Price of a node of each pool on a market, `absent` where it is not on sale; float [Q]."""
    o, made = problem.offers, np.full(len(problem.pool_shape), absent)
    rows = np.flatnonzero(o.kind == kind)
    made[o.pool[rows]] = o.micro_usd_per_hour[rows] / 1e6
    return made


def matches(left: Array, right: Array) -> tuple[Array, Array]:
    """Every pair of positions (i, j) with left[i] == right[j], by i, then j; int64 [n] each."""
    order = np.argsort(right, kind="stable")
    first, last = (np.searchsorted(right[order], left, side=side) for side in ("left", "right"))
    count = last - first
    start = np.repeat(first - (np.cumsum(count) - count), count)
    return np.repeat(np.arange(len(left)), count), order[start + np.arange(count.sum())]


def formulate(
    problem: Problem,
    rules: Sequence[Rule],
    candidates: Array | None = None,
    *,
    direct: bool = False,
    counted: bool = False,
) -> Formulation:
    """The model over the candidates given (all by default), with the rows and costs of the rules.

    With `direct` the flows have no served columns: replicas cover the demand of every set of sources (Hall's
    condition), and transfer is counted by levels of price (see rules.transfer). That is a relaxation, equal to the
    whole model but for what lies between those levels, and a fraction of its size. With `counted` served units are
    whole columns, one by one, as plans have them: for models whose units are few.
    """
    every = np.arange(len(problem.candidates.pool))
    f = _columns(problem, every if candidates is None else candidates, direct=direct, counted=counted)
    for rule in rules:
        rule.build(f)
    return f


def _columns(problem: Problem, rows: Array, *, direct: bool, counted: bool) -> Formulation:
    c, s, o, b = problem.candidates, problem.sources, problem.offers, problem.blocks.count
    workload, model = c.workload[rows], Model()
    source, place = np.nonzero(s.workload[:, None] == workload[None, :])
    pools = np.unique(np.concatenate([c.pool[rows], o.pool[o.owned_nodes > 0]]))
    on_sale = offer_by_pool(problem, ON_DEMAND)[pools]
    firm_pools = np.unique(c.pool[rows][c.market[rows] == FIRM])
    commitments = np.flatnonzero((o.kind == COMMITMENT) & ((o.owned_nodes > 0) | np.isin(o.pool, firm_pools)))
    on_sale = on_sale[(on_sale >= 0) & np.isin(pools, firm_pools)]
    most = most_replicas(problem, rows)
    nodes = c.nodes_per_replica[rows, None] * most
    firm = np.where((c.market[rows] == FIRM)[:, None], nodes, 0)
    need = np.zeros((len(problem.pool_shape), b))
    np.add.at(need, c.pool[rows], firm)
    owned = o.owned_nodes[commitments]
    up = problem.zones_up  # of what is lost in part more is needed
    stretched = np.where(up > 0, np.ceil(need * problem.pool_zones[:, None] / np.maximum(up, 1)), 0.0)
    peak = (stretched[o.pool[commitments]] * o.active[commitments]).max(axis=1, initial=0)
    gangs = np.flatnonzero(problem.workloads.kind[workload] == "training")
    kept = (s.total_units[source] > 0) | (not direct)
    unit = np.ones(len(problem.workloads.name)) if counted else units(problem)
    asked, left = _most_units(problem)
    served = np.full((len(source), b), -1, dtype=np.int64)
    served[kept] = model.columns(
        (int(kept.sum()), b), upper=(asked / unit[s.workload, None])[source[kept]], whole=counted
    )
    return Formulation(
        problem=problem,
        model=model,
        candidates=rows,
        pairs=np.stack([source, place]),
        reach=np.ones(len(source), dtype=bool),
        direct=direct,
        pools=pools,
        on_demand_offers=on_sale,
        commitments=commitments,
        gangs=gangs,
        unit=unit,
        counted=counted,
        replicas=model.columns((len(rows), b), upper=most, whole=True),
        served=served,
        unserved=model.columns(left.shape, upper=left / unit[s.workload, None], whole=counted),
        on_demand=_on_demand(problem, model, o.pool[on_sale], need),
        committed=model.columns((len(commitments),), lower=owned, upper=np.where(owned > 0, owned, peak), whole=True),
        placed=model.columns((len(gangs),), upper=1.0, whole=True),
        weight=problem.blocks.total_hours * np.array([float(p) for p in problem.blocks.block_probability()]),
    )


def _on_demand(problem: Problem, model: Model, pools: Array, need: Array) -> Array:
    """Columns of nodes on demand [n, B], up to the need [Q, B]; whole ones where part of the commitments is lost."""
    up, zones = problem.zones_up[pools], problem.pool_zones[pools, None]
    most = need[pools]
    in_part = np.broadcast_to((up > 0) & (up < zones), most.shape).copy()
    if problem.outages is not None and problem.outages.holding:  # nodes may be bought for what is lost in part later
        lost, calm = problem.outages.held_pairs(problem.blocks.scenario)
        before = np.ceil(np.where(up[:, lost] > 0, most[:, lost] * zones / np.maximum(up[:, lost], 1), 0.0))
        np.maximum.at(most.T, calm, before.T)
        np.logical_or.at(in_part.T, calm, in_part[:, lost].T)
    made = np.empty(most.shape, dtype=np.int64)
    for part, whole in ((~in_part, False), (in_part, True)):
        made[part] = model.columns((int(part.sum()),), upper=most[part], whole=whole)
    return made


def _most_units(problem: Problem) -> tuple[Array, Array]:
    """Units beyond which no plan serves a source in a block [D, B], nor leaves unserved (see `Formulation.unserved`).

    Every column has an end, so that whatever a row price leaves it to earn is a part of the bound, be it ever so small.
    """
    s, blocks = problem.sources, problem.blocks
    asked = s.units_per_hour + -(-s.total_units[:, None] // np.maximum(blocks.total_hours, 1))
    left = np.repeat(s.total_units[:, None], max(blocks.count, len(blocks.probability)), axis=1)
    of_workload = np.zeros((len(problem.workloads.name), blocks.count), dtype=np.int64)
    np.add.at(of_workload, s.workload, s.units_per_hour)
    left[:, : blocks.count] += of_workload[s.workload]  # of a direct model's flow one source stands for all
    return asked, left


def units(problem: Problem) -> Array:
    """Units an hour of the largest replica that each workload can use, float [W]; at least 1."""
    made, c = np.ones(len(problem.workloads.name)), problem.candidates
    np.maximum.at(made, c.workload, c.units_per_hour.astype(float))
    return np.asarray(np.maximum(1.0, np.minimum(made, needed(problem).max(axis=1, initial=0))))


def needed(problem: Problem) -> Array:
    """Units an hour that a workload can use in a block, float [W, B]: of a job, all its work in that block alone."""
    s, blocks = problem.sources, problem.blocks
    hours, made = np.maximum(blocks.total_hours, 1), np.zeros((len(problem.workloads.name), blocks.count))
    np.add.at(made, s.workload, s.units_per_hour + np.where(s.window, -(-s.total_units[:, None] // hours), 0))
    return made


def most_replicas(problem: Problem, rows: Array) -> Array:
    """Replicas beyond which a candidate alone has capacity to spare in a block; float [C, B].

    A flow needs at most ⌈demand ÷ capacity⌉; a run takes one gang; a divisible job at most all its work in one block.
    No more than the quotas of its pool allow.
    """
    c = problem.candidates
    most = np.ceil(needed(problem)[c.workload[rows]] / np.maximum(c.units_per_hour[rows, None], 1))
    training = (problem.workloads.kind[c.workload[rows]] == "training")[:, None]
    most = np.where(training, np.minimum(most, 1), most)
    if problem.outages is not None and problem.outages.holding:  # spot nodes for what is lost in part later
        lost, calm = problem.outages.held_pairs(problem.blocks.scenario)
        up = np.where((c.market[rows] == SPOT)[:, None], problem.spot_up[c.pool[rows]][:, lost], 0)
        stretched = np.ceil(most[:, lost] * problem.pool_zones[c.pool[rows], None] / np.maximum(up, 1))
        np.maximum.at(most.T, calm, np.where(up > 0, stretched, 0).T)
    if problem.limits.shares:  # more of one may make room for more of another
        widened = np.isin(c.workload[rows], [x.workload for x in problem.limits.shares])
        more = np.zeros(len(problem.workloads.name), dtype=np.int64)
        np.maximum.at(more, c.workload, c.units_per_hour)
        wider = np.ceil(
            (needed(problem) + more[:, None])[c.workload[rows]] / np.maximum(c.units_per_hour[rows, None], 1)
        )
        most = np.where(widened[:, None] & (most > 0), np.maximum(wider, most), most)
    allowed = np.floor(allowed_nodes(problem)[c.market[rows], c.pool[rows]] / c.nodes_per_replica[rows, None])
    return np.minimum(most, allowed)


def allowed_nodes(problem: Problem) -> Array:
    """Nodes that the quotas of a pool allow on each market, float [2, Q, B]; inf where there is no quota."""
    made = np.full((2, len(problem.pool_shape), problem.blocks.count), np.inf)
    for quota in problem.limits.quotas:
        pools = list(quota.pools)
        for market in (FIRM, SPOT):
            if quota.kind in ("any", ("on_demand", "spot")[market]):
                made[market, pools] = np.minimum(made[market, pools], quota.limit)
    return made
