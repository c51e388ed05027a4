"""A search that starts from an old plan: that plan as it stands, if it still is one, and its commitments."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assemble import decide, tables
from ..bill import make_bill
from ..formulation import formulate
from ..plan import UNTOLD, Certificate, Plan
from ..rules import RULES, Books
from ..rules.measures import objective_micro_usd
from ..table import Table
from . import mathopt
from .assign import assign
from .primal import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..bill import Decision
    from ..carry import Start
    from ..problem import Problem
    from ..rules.base import Rule
    from .relaxation import Root
    from .run import Outcome

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """A plan that is known before the search: it keeps every rule."""

    decision: Decision
    micro_usd: int

    @property
    def usd(self) -> float:
        """Its cost."""
        return self.micro_usd / 1e6


def incumbent(problem: Problem, rules: Sequence[Rule], start: Start) -> Incumbent | None:
    """The old plan's replicas and commitments with what they need beside them; None where they break a rule."""
    if not len(start.candidates):
        return None
    f = formulate(problem, rules, start.candidates)
    values = np.zeros(f.model.column_count)
    most = f.model.program().upper[f.replicas]
    values[f.replicas] = np.minimum(start.replicas, most)
    values[f.committed] = committed(f.commitments, start)
    decision = decide(f, values, assign)
    tried = (d for d in (decision, _served_as_before(problem, decision, start)) if sound(problem, d))
    found = [Incumbent(decision=d, micro_usd=bill_of(problem, rules, d)) for d in tried]
    return min(found, key=lambda x: x.micro_usd, default=None)


def _served_as_before(problem: Problem, d: Decision, start: Start) -> Decision:
    """The decision with the old plan's units over each pair; what is asked beyond them stays unserved."""
    s, blocks = problem.sources, problem.blocks
    at = {(int(k), int(d.candidates[c])): e for e, (k, c) in enumerate(d.pairs.T.tolist())}
    served = np.zeros_like(d.served)
    for (source, candidate), units in zip(start.pairs.T.tolist(), start.served, strict=True):
        if (source, candidate) in at:
            served[at[source, candidate]] = units
    given = np.zeros_like(s.units_per_hour)
    np.add.at(given, d.pairs[0], served)
    done = np.zeros((len(s.workload), len(blocks.probability)), dtype=np.int64)
    np.add.at(done.T, blocks.scenario, (given * blocks.total_hours).T)
    job = s.total_units[:, None] > 0
    return dataclasses.replace(
        d,
        served=served,
        unserved=np.where(job, 0, np.maximum(s.units_per_hour - given, 0)),
        undone=np.where(job, np.maximum(s.total_units[:, None] - done, 0), 0),
    )


def sound(problem: Problem, decision: Decision) -> bool:
    """Whether a decision keeps every rule, exactly."""
    books = Books(problem, _plan(problem, decision))
    return not any(True for rule in RULES for _ in rule.violations(problem, books))


def bill_of(problem: Problem, rules: Sequence[Rule], decision: Decision) -> int:
    """Whole micro-dollars: the bill, or the objective where that is another."""
    if not problem.limits.objective_is_bill:
        return objective_micro_usd(problem, Books(problem, _plan(problem, decision)))
    lines = make_bill(problem, decision, rules)
    return sum(lines["micro_usd"].tolist()) if len(lines) else 0


def better_of(problem: Problem, rules: Sequence[Rule], found: Outcome, known: Incumbent) -> Outcome:
    """What was found, or what was known before if that costs less; to the micro-dollar."""
    if found.termination == "infeasible":  # it is not: here is a plan
        return dataclasses.replace(found, decision=known.decision, bound=-math.inf, termination="gap not reached")
    if found.decision is None or bill_of(problem, rules, found.decision) > known.micro_usd:
        return dataclasses.replace(found, decision=known.decision)
    return found


def committed(commitments: Array, start: Start) -> Array:
    """The start's nodes of these offers [K]; 0 where it has none."""
    held = dict(zip(start.offers.tolist(), start.committed.tolist(), strict=True))
    return np.array([held.get(k, 0) for k in commitments.tolist()], dtype=float)


def guides(root: Root, start: Start | None, gap: float, seed: int) -> list[Root]:
    """Relaxations to make whole plans of: first with the start's commitments, where these may do, then as it is."""
    if start is None:
        return [root]
    f, values = root.formulation, root.values.copy()
    values[f.committed] = np.minimum(committed(f.commitments, start), root.program.upper[f.committed])
    held = np.zeros(root.program.shape[1], dtype=bool)
    held[f.committed] = True
    least = mathopt.solve(fixed(root.program, held, values).relaxed(), seed=seed).objective + f.model.constant
    return [dataclasses.replace(root, values=values), root] if least * (1 - gap) <= root.bound else [root]


def _plan(problem: Problem, decision: Decision) -> Plan:
    return Plan.of(
        problem,
        termination="gap not reached",
        certificate=Certificate(kind="proved", lower_micro_usd=0, upper_micro_usd=0),
        provenance=UNTOLD,
        cost_lines=Table({}),
        **tables(problem, decision),
    )
