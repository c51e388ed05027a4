"""The fleet and the training runs together: what serving leaves idle, and prices that go back and forth.

`schedule_on` lets runs fill a plan's idle commitments and buy the rest. `together` goes on from there: the fleet
model's price of a node in each pool and block is what capacity costs the scheduler, the schedule's nodes are fixed
demand to the fleet model, whose commitments change with it. What is billed is never a price of that exchange: each
round ends with a checked plan of the fleet alone and a checked schedule on what it leaves idle, and the cheapest pair
is kept. The first is the two planned apart, so the exchange never makes them dearer.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assemble import tables
from ..bill import Decision, make_bill
from ..check import check
from ..errors import PlannerError
from ..plan import Certificate, Plan
from ..problem import COMMITMENT, FIRM, ON_DEMAND
from ..rules import RULES
from .front import schedule
from .hours import block_of_hour, held, horizon_start
from .requests import problem_of

if TYPE_CHECKING:
    from ..problem import Problem
    from ..solve import Progress
    from .data import ScheduleProblem
    from .requests import Request
    from .result import Schedule

Array = np.ndarray[Any, np.dtype[Any]]
ROUNDS = 2
PRICED_SHARE = 0.2  # of the time limit, for the relaxation that gives prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A fleet and a schedule on what it leaves idle, both checked."""

    plan: Plan | None  # None: there is no fleet
    problem: ScheduleProblem
    schedule: Schedule

    @property
    def total_micro_usd(self) -> int:
        """Both bills."""
        return self.schedule.total_micro_usd + (self.plan.total_micro_usd if self.plan else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """The best pair, and the total of each round; the first is that of planning apart."""

    best: Pair
    totals: tuple[int, ...]  # micro-dollars
    notes: tuple[str, ...] = ()


def schedule_on(
    problem: Problem, plan: Plan, asked: Sequence[Request], *, market: Problem | None = None, **options: Any
) -> Pair:
    """Schedule runs on a plan's idle commitments first, and on what is on sale beyond them.

    Args:
        problem: of the fleet.
        plan: of it; stays as it is.
        asked: the runs (see requests.requests).
        market: whose offers and quotas there are, where they are more than the fleet's.
        options: of `schedule`.
    """
    made = problem_of(asked, market or problem, (problem, plan))
    return Pair(plan=plan, problem=made, schedule=schedule(made, **options))


def together(
    problem: Problem,
    plan: Plan,
    asked: Sequence[Request],
    *,
    market: Problem | None = None,
    time_limit_s: float = 60.0,
    gap: float = 0.01,
    schedule_gap: float = 0.005,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Together:
    """The cheapest checked pair of some rounds of exchange, from the plan as it is until a round brings nothing.

    Args:
        problem: of the fleet, without the runs.
        plan: of it, planned apart.
        asked: the runs.
        market: whose offers and quotas there are, where they are more than the fleet's.
        time_limit_s: seconds of each search.
        gap: of fleet plans.
        schedule_gap: of schedules.
        progress: hears of bounds and plans as they are found.
        options: seed, deterministic, isolated: of both searches.
    """
    mine = {"time_limit_s": time_limit_s, "gap": schedule_gap, "progress": progress, **options}
    best = schedule_on(problem, plan, asked, market=market, **mine)
    totals, notes, fixed = [best.total_micro_usd], list[str](), problem
    for number in range(ROUNDS if problem.limits == problem.limits.unguarded() else 0):
        try:
            prices = node_prices(fixed, seconds=PRICED_SHARE * time_limit_s)
            wished = schedule(problem_of(asked, market or problem, None, firm_price=prices), **mine)
            fixed = with_fixed(problem, demand_of(problem, wished))
            fleet = _solved(fixed, time_limit_s, gap, progress, options)
            if fleet.termination == "infeasible":
                notes.append(f"round {number + 1}: no fleet has the nodes the schedule wished for")
                break
            pair = schedule_on(problem, without_fixed(problem, fleet, plan), asked, market=market, **mine)
        except PlannerError as error:  # a round that fails costs nothing: there is a pair already
            notes.append(f"round {number + 1}: {error.message}")
            break
        totals.append(pair.total_micro_usd)
        if pair.total_micro_usd >= best.total_micro_usd:
            break
        best = pair
    return Together(best=best, totals=tuple(totals), notes=tuple(notes))


def _solved(
    problem: Problem, seconds: float, gap: float, progress: Callable[[Progress], None] | None, options: dict[str, Any]
) -> Plan:
    from ..solve import solve

    return solve(problem, time_limit_s=seconds, gap=gap, progress=progress, **options)


def node_prices(problem: Problem, *, seconds: float = math.inf) -> dict[str, Array]:
    """What a firm node is worth in each pool and hour of the horizon to the fleet's relaxation: micro-dollars, [T].

    With commitments at hand an hour at night costs next to nothing, and one at the peak as much as a commitment does
    in all the hours in which it is not used.
    """
    import time

    from ..engine.relaxation import solve_root

    end = time.monotonic() + seconds
    root = solve_root(problem, RULES, stop=lambda: time.monotonic() > end, report=lambda _: None)
    weight = problem.blocks.total_hours * np.array([float(p) for p in problem.blocks.block_probability()])
    if root.infeasible or root.survey.node.shape != (len(problem.pool_shape), len(weight)):
        return {}
    hourly = np.rint(1e6 * root.survey.node / np.maximum(weight, 1e-9)).clip(0, 10**10).astype(np.int64)
    block = block_of_hour(problem)
    share = np.array([float(p) for p in problem.blocks.probability])
    mean = np.rint(np.tensordot(share, hourly[:, block], axes=(0, 1))).astype(np.int64)
    return {str(name): mean[q] for q, name in enumerate(problem.pool_names.tolist()) if mean[q].any()}


def demand_of(problem: Problem, made: Schedule) -> Array:
    """Nodes of a schedule in each of the fleet's pools and blocks, int64 [Q, B]: rounded means over a block's hours."""
    pool = {name: q for q, name in enumerate(problem.pool_names.tolist())}
    block = block_of_hour(problem)
    first = round((made.start - horizon_start(problem)).total_seconds() / 3600)
    load = np.zeros((len(pool), block.shape[1]))
    for row in made.runs.records():
        if row["pool"] in pool:
            load[pool[row["pool"]], first + row["start_hour"] : first + row["end_hour"]] += row["nodes"]
    total, hours = np.zeros((len(pool), problem.blocks.count)), np.zeros(problem.blocks.count)
    for one in block:
        np.add.at(total.T, one, load.T)
        np.add.at(hours, one, 1)
    return np.rint(total / np.maximum(hours, 1)).astype(np.int64)


def with_fixed(problem: Problem, nodes: Array) -> Problem:
    """The problem with so many firm nodes taken in each pool and block [Q, B]: a service pinned to each such pool."""
    pools = np.flatnonzero(nodes.any(axis=1))
    count, before = len(pools), len(problem.workloads.name)
    w, s, c = problem.workloads, problem.sources, problem.candidates
    index = before + np.arange(count)
    names = np.array([f"(training in {problem.pool_names[q]})" for q in pools], dtype=object)
    one, zero = np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    dearest = 10**9
    workloads = _extended(w, count, {
        "name": names, "kind": np.array(["serving"] * count, object), "unit": np.array(["requests"] * count, object),
        "ttft_ms": np.full(count, np.inf), "unserved_micro_usd_per_unit": one * dearest,
        "must_serve": np.ones(count, dtype=bool), "residency": ((),) * count, "input_tokens": zero,
        "output_tokens": zero, "max_spot_share": (type(w.max_spot_share[0])(0),) * count,
    })  # fmt: skip
    sources = _extended(s, count, {
        "workload": index, "origin": names, "units_per_hour": nodes[pools], "total_units": zero,
        "window": np.ones((count, problem.blocks.count), dtype=bool), "rtt_ms": np.zeros((count, s.rtt_ms.shape[1])),
        "transfer_pico_usd_per_unit": np.zeros((count, s.rtt_ms.shape[1]), dtype=np.int64),
    })  # fmt: skip
    modes = problem.modes.take(np.zeros(count, dtype=np.int64)).with_columns(
        workload=index, nodes_per_replica=one, units_per_hour=one, ttft_ms=np.zeros(count)
    )
    both = {n: np.concatenate([problem.modes[n], modes[n]]) for n in problem.modes.names}
    candidates = _extended(c, count, {
        "workload": index, "pool": pools, "market": np.full(count, FIRM), "nodes_per_replica": one,
        "units_per_hour": one, "ttft_ms": np.zeros(count), "mode": len(problem.modes) + np.arange(count),
    })  # fmt: skip
    return dataclasses.replace(
        problem, workloads=workloads, sources=sources, candidates=candidates, modes=type(problem.modes)(both)
    )


def _extended(part: Any, count: int, added: dict[str, Any]) -> Any:
    """A part of a problem with rows added; columns not given repeat its first row."""
    made = dict[str, Any]()
    for column in dataclasses.fields(part):
        value = getattr(part, column.name)
        if isinstance(value, tuple):
            made[column.name] = (*value, *added.get(column.name, value[:1] * count))
        else:
            more = added.get(column.name, np.repeat(value[:1], count, axis=0))
            made[column.name] = np.concatenate([value, np.asarray(more, dtype=value.dtype)])
    return type(part)(**made)


def without_fixed(problem: Problem, fleet: Plan, apart: Plan) -> Plan:
    """The plan of `with_fixed(problem, …)` as one of the problem: its commitments, and what serves its workloads.

    Its lower bound is that of the plan made apart, which is one of the same problem.

    Raises:
        CheckError: it does not pass the check.
    """
    from ..errors import CheckError
    from ..solve import finish, provenance

    decision = _decision(problem, fleet)
    parts: dict[str, Any] = dict(tables(problem, decision))
    lines = make_bill(problem, decision, RULES)
    total = sum(lines["micro_usd"].tolist()) if len(lines) else 0
    about = apart.provenance
    made = dataclasses.replace(
        apart,
        certificate=Certificate(
            kind="proved", lower_micro_usd=min(apart.certificate.lower_micro_usd, total), upper_micro_usd=total
        ),
        termination="gap not reached",
        provenance=provenance(
            problem, seed=about.seed, deterministic=about.deterministic, seconds=about.seconds, warnings=()
        ),
        cost_lines=lines,
        **parts,
    )
    found = check(problem, made)
    if found:
        raise CheckError(f"{len(found)} faults, the first: {found[0]}", where="exchange", mend="report the spec")
    return finish(problem, made)


def _decision(problem: Problem, plan: Plan) -> Decision:
    """A plan's tables as whole numbers, without rows that the problem does not know; nodes on demand counted anew."""
    o, c, blocks = problem.offers, problem.candidates, problem.blocks.count
    known, sources = len(c.pool), len(problem.sources.workload)
    replicas = np.zeros((known, blocks), dtype=np.int64)
    for row in plan.placements.records():
        if row["candidate"] < known:
            replicas[row["candidate"], row["block"]] += row["replicas"]
    flows: dict[tuple[int, int], Array] = {}
    for row in plan.served.records():
        if row["source"] < sources:
            key = (int(row["source"]), int(row["candidate"]))
            flows.setdefault(key, np.zeros(blocks, dtype=np.int64))[row["block"]] += row["units_per_hour"]
    unserved = np.zeros((sources, blocks), dtype=np.int64)
    undone = np.zeros((sources, len(problem.blocks.probability)), dtype=np.int64)
    for row in plan.unserved.records():
        if row["source"] < sources:
            at = (unserved, row["block"]) if row["block"] >= 0 else (undone, row["scenario"])
            at[0][row["source"], at[1]] += row["units"]
    on_sale, commitments = (np.flatnonzero(o.kind == kind) for kind in (ON_DEMAND, COMMITMENT))
    committed = np.zeros(len(o.pool), dtype=np.int64)
    for row in plan.purchases.records():
        committed[row["offer"]] += row["nodes"] if o.kind[row["offer"]] == COMMITMENT else 0
    need = np.zeros((len(problem.pool_shape), blocks), dtype=np.int64)
    firm = c.market == FIRM
    np.add.at(need, c.pool[firm], replicas[firm] * c.nodes_per_replica[firm, None])
    need = np.maximum(need - held(problem, plan), 0)
    pairs = np.array(sorted(flows), dtype=np.int64).reshape(-1, 2).T
    return Decision(
        candidates=np.arange(known),
        replicas=replicas,
        pairs=pairs,
        served=np.array([flows[key] for key in sorted(flows)], dtype=np.int64).reshape(-1, blocks),
        unserved=unserved,
        undone=undone,
        on_demand_offers=on_sale,
        on_demand=need[o.pool[on_sale]],
        commitments=commitments,
        committed=committed[commitments],
    )
