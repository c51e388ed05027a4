"""Plans without a search: decisions drawn from a seed, and the plan of a decision as the planner makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from solver.assemble import tables
from solver.bill import Decision, make_bill
from solver.engine.guard import measures
from solver.plan import Certificate, Plan, Provenance
from solver.problem import COMMITMENT, FIRM, ON_DEMAND
from solver.reach import reachable
from solver.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solver.problem import Problem
    from solver.rules import Rule

Array = np.ndarray[Any, np.dtype[Any]]


def plan_of(problem: Problem, decision: Decision, rules: Sequence[Rule] = RULES) -> Plan:
    """The plan of a decision, billed by some rules and checked by none."""
    lines = make_bill(problem, decision, rules)
    total = sum(lines["micro_usd"].tolist()) if len(lines) else 0
    bounds: Any = "bill" if problem.limits.objective_is_bill else "objective"
    if bounds == "objective":
        total = round(measures(problem, decision).objective)
    return Plan.of(
        problem,
        termination="optimal",
        certificate=Certificate(kind="proved", lower_micro_usd=total, upper_micro_usd=total, bounds=bounds),
        provenance=Provenance(
            version="", problem_digest=problem.digest(), catalog_digest="", as_of="", seed=0, engine="none",
            deterministic=True, seconds=0.0, spec="", overrides="",
        ),
        cost_lines=lines,
        **tables(problem, decision),
    )  # fmt: skip


def drawn(problem: Problem, seed: int, *, spare: int = 0) -> Decision:
    """Replicas and commitments at random, served units as they come, all else left; limits are kept or not.

    On demand is bought what commitments do not cover, and up to `spare` nodes more in some blocks.
    """
    rng, c, o = np.random.default_rng(seed), problem.candidates, problem.offers
    blocks, every = problem.blocks.count, np.arange(len(c.pool))
    replicas = rng.integers(0, 3, (len(every), blocks)) * (rng.random((len(every), 1)) < 0.5)
    commitments = np.flatnonzero(o.kind == COMMITMENT)
    owned = o.owned_nodes[commitments]
    committed = np.where(owned > 0, owned, rng.integers(0, 4, len(commitments)))
    on_sale = np.flatnonzero(o.kind == ON_DEMAND)
    extra = rng.integers(0, spare + 1, (len(on_sale), blocks))
    pairs = np.stack(np.nonzero(reachable(problem)))
    served, unserved, undone = _served(problem, rng, replicas, pairs)
    return Decision(
        candidates=every,
        replicas=replicas,
        pairs=pairs,
        served=served,
        unserved=unserved,
        undone=undone,
        on_demand_offers=on_sale,
        on_demand=_lacking(problem, replicas, commitments, committed)[o.pool[on_sale]] + extra,
        commitments=commitments,
        committed=committed,
    )


def _lacking(problem: Problem, replicas: Array, commitments: Array, committed: Array) -> Array:
    """Firm nodes of each pool beyond its commitments in force, int64 [Q, B]."""
    c, o = problem.candidates, problem.offers
    need = np.zeros((len(problem.pool_shape), problem.blocks.count), dtype=np.int64)
    firm = c.market == FIRM
    np.add.at(need, c.pool[firm], replicas[firm] * c.nodes_per_replica[firm, None])
    np.subtract.at(need, o.pool[commitments], committed[:, None] * o.active[commitments])
    return np.maximum(need, 0)


def _served(problem: Problem, rng: Any, replicas: Array, pairs: Array) -> tuple[Array, Array, Array]:
    """Each pair in turn, in any order, takes what its replicas still can."""
    s, hours = problem.sources, problem.blocks.total_hours
    room = replicas * problem.candidates.units_per_hour[:, None]
    left = np.where(s.total_units[:, None] == 0, s.units_per_hour, 0)
    undone = np.tile(s.total_units[:, None], (1, len(problem.blocks.probability)))
    served = np.zeros((pairs.shape[1], problem.blocks.count), dtype=np.int64)
    for e in rng.permutation(pairs.shape[1]).tolist():
        d, k = pairs[:, e].tolist()
        for b in range(problem.blocks.count):
            scenario = problem.blocks.scenario[b]
            work = -(-undone[d, scenario] // hours[b]) * s.window[d, b]
            taken = min(int(work if s.total_units[d] else left[d, b]), int(room[k, b]))
            served[e, b] = taken
            room[k, b] -= taken
            if s.total_units[d]:
                undone[d, scenario] = max(0, undone[d, scenario] - taken * hours[b])
            else:
                left[d, b] -= taken
    return served, left, undone
