"""What a plan costs when demand comes as forecast: its fleet at another demand, commitments as they are bought.

For each path of demand and month, nodes run in proportion to it: r = demand ÷ what the plan was made for, by workload.

    on demand in pool q and block b = max(0, Σ_w r_w × nodes[w, q, b] − committed[q, b])

so that a tenth more demand is a tenth more nodes, and all of them on demand where commitments are used up; a tenth less
leaves commitments idle that are paid all the same. Spot, transfer and prices on carbon and unserved demand go with r.
Nothing is planned again and no quota looked at: a fleet planned for that demand would cost no more.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..problem import COMMITMENT, FIRM, ON_DEMAND
from ..rules import Books
from ..table import Table
from .ledger import NAMES, NOT_MONEY, month_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..forecast import Forecast
    from ..plan import Plan
    from ..problem import Problem
    from .document import Budgets
    from .ledger import Ledger

Array = np.ndarray[Any, np.dtype[Any]]
Delta = tuple[int, str, str, int, Array]  # workload, provider, kind, month, micro-dollars [S]


def at_demand(plan: Plan, problem: Problem, planned: Ledger, demand: Forecast, budgets: Budgets) -> Ledger:
    """Futures [S] of a plan's ledger, S the paths of the forecast.

    Args:
        plan: the plan.
        problem: its problem.
        planned: its ledger, one future.
        demand: of requests an hour; its series are workloads that serve, and months before it cost as planned.
        budgets: with projects, and whether penalties count.

    Raises:
        InputError: a series that is no workload with traffic, or no month of the plan is forecast.
    """
    ratio, notes = ratios(problem, demand)
    spans, months = month_spans(plan), problem.blocks.periods
    work = problem.workloads
    rows, micro, first, days = [], [], [], []
    for w, provider, kind, m, amount in (*_on_demand(problem, plan, ratio), *_scaled(problem, plan, ratio)):
        if amount.any() and (budgets.penalties or kind not in NOT_MONEY):
            name = str(work.name[w])
            rows.append((str(work.team[w]), budgets.project_of.get(name, ""), name, provider, kind))
            micro.append(np.rint(amount).astype(np.int64))
            first.append(spans[months[m]][0])
            days.append(spans[months[m]][1])
    count = len(ratio)
    more = np.array(micro, dtype=np.int64).reshape(len(rows), count).T
    names = {n: [*planned.names[n].tolist(), *(r[i] for r in rows)] for i, n in enumerate(NAMES)}
    return dataclasses.replace(
        planned,
        first=np.append(planned.first, np.array(first, dtype=np.int64)),
        days=np.append(planned.days, np.array(days, dtype=np.int64)),
        names=Table(names),
        micro_usd=np.concatenate([np.tile(planned.micro_usd, (count, 1)), more], axis=1),
        probability=(Fraction(1, count),) * count,
        basis=basis_of(demand, "demand"),
        sampled=True,
        notes=(*planned.notes, *notes),
    )


def ratios(problem: Problem, demand: Forecast) -> tuple[Array, list[str]]:
    """Demand of each path, month and workload over what was planned for [S, P, W]; 1 where nothing is forecast."""
    names, periods = problem.workloads.name.tolist(), problem.blocks.periods
    meant = _planned(problem)
    known, first = np.unique(demand.times.astype("datetime64[M]"), return_index=True)
    sizes = np.diff(np.append(first, len(demand.times)))
    means = np.add.reduceat(demand.paths, first, axis=1) / sizes[:, None]  # [S, months, N]
    there = [(k, periods.index(str(month))) for k, month in enumerate(known) if str(month) in periods]
    if not there:
        said = f"the forecast is of {known[0]} to {known[-1]}, the plan of {periods[0]} to {periods[-1]}"
        raise InputError(said, where="demand", mend="give a longer history, or one that ends later")
    made = np.ones((len(means), len(periods), len(names)))
    for n, series in enumerate(demand.series):
        w = names.index(series) if series in names else -1
        if w < 0 or not meant[w].any():
            mend = f"name series as the workloads with traffic: {', '.join(x for x, y in zip(names, meant, strict=True) if y.any())}"  # noqa: E501
            raise InputError(f"series {series!r:.80} is no workload with traffic", where="demand", mend=mend)
        for k, m in there:
            if meant[w, m]:
                made[:, m, w] = means[:, k, n] / meant[w, m]
    still = [name for w, name in enumerate(names) if meant[w].any() and name not in demand.series]
    return made, [f"demand of {', '.join(still)} is taken as planned: no history of it"] if still else []


def _planned(problem: Problem) -> Array:
    """Mean requests an hour of each workload that a plan serves, by month [W, P]; 0 for jobs."""
    blocks, s = problem.blocks, problem.sources
    weight = np.array([float(p) for p in blocks.block_probability()])[:, None] * blocks.hours  # [B, P]
    made = np.zeros((len(problem.workloads.name), len(blocks.periods)))
    np.add.at(made, s.workload, s.units_per_hour @ weight)
    return np.asarray(made / np.maximum(weight.sum(axis=0), 1e-9))


def _on_demand(problem: Problem, plan: Plan, ratio: Array) -> Iterator[Delta]:
    """What firm nodes beyond commitments cost more or less than planned, by workload, pool and month."""
    books, blocks = Books(problem, plan), problem.blocks
    weight = np.array([float(p) for p in blocks.block_probability()])[:, None] * blocks.hours
    for pool, users in books.nodes_by_workload(problem, FIRM).items():
        price = _price(problem, books, pool)
        held = books.usable(problem, pool).astype(float)
        if price is None:
            continue  # nothing can be bought: what runs is committed
        who = sorted(users)
        nodes = np.array([users[w].astype(float) for w in who])  # [U, B]
        provider = str(problem.sites.provider[problem.pool_site[pool]])
        for m in range(len(blocks.periods)):
            then = _bought(nodes, held, ratio[:, m, who], weight[:, m]) * price
            now = _bought(nodes, held, np.ones((1, len(who))), weight[:, m]) * price
            for u, w in enumerate(who):
                yield w, provider, "compute", m, then[:, u] - now[:, u]


def _bought(nodes: Array, held: Array, ratio: Array, hours: Array) -> Array:
    """Node-hours on demand of each user [S, U], split by the nodes that run, of nodes [U, B] at ratios [S, U]."""
    made = np.zeros(ratio.shape)
    for b in np.flatnonzero((hours > 0) & nodes.any(axis=0)):
        running = ratio * nodes[:, b]
        every = running.sum(axis=1, keepdims=True)
        made += hours[b] * running * np.maximum(0.0, 1 - held[b] / np.maximum(every, 1e-12))
    return made


def _price(problem: Problem, books: Books, pool: int) -> float | None:
    """Micro-dollars an hour of a node on demand: of those bought, else the cheapest; None where none is on offer."""
    o = problem.offers
    mine = np.flatnonzero((o.pool == pool) & (o.kind == ON_DEMAND))
    bought = [k for k in mine.tolist() if k in books.bought]
    return min((float(o.micro_usd_per_hour[k]) for k in bought or mine.tolist()), default=None)


def _scaled(problem: Problem, plan: Plan, ratio: Array) -> Iterator[Delta]:
    """Lines that go with the volume of their workload."""
    o, names = problem.offers, problem.workloads.name.tolist()
    firm = set(o.option[(o.kind == COMMITMENT) | (o.kind == ON_DEMAND)].tolist())
    for r in plan.cost_lines.records():
        if r["option"] not in firm and r["workload"] in names:
            w, m = names.index(r["workload"]), problem.blocks.periods.index(r["period"])
            yield w, str(r["provider"]), str(r["kind"]), m, int(r["micro_usd"]) * (ratio[:, m, w] - 1)


def basis_of(made: Forecast, what: str) -> str:
    """What the probabilities rest on: the coverage that was measured, where it could be."""
    said = f"{made.count} paths of a forecast of {what}"
    known = made.coverage[~np.isnan(made.coverage)]
    if not len(known):
        return f"{said}, whose intervals could not be measured on so short a history"
    low, high = 100 * known.min(), 100 * known.max()
    held = f"{low:.0f} %" if round(low) == round(high) else f"{low:.0f} to {high:.0f} %"
    return f"{said}; its {100 * made.level:.0f} % intervals held {held} of what came later, on rolling origins"
