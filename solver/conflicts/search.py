"""Which limits have to give way: the fewest that suffice, by the least that suffices, each with what it is worth."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assemble import decide, tables
from ..bill import make_bill
from ..check import check
from ..engine.assign import assign
from ..engine.slack import Elastic
from ..formulation import formulate
from ..plan import UNTOLD, Certificate, Plan
from ..rules import RULES
from .gives import gives, without_quotas
from .limits import DEMAND, POLICY, SUPPLY, excess, relax
from .reduced import condensed, promising, take

if TYPE_CHECKING:
    from ..bill import Decision
    from ..engine.mathopt import Answer
    from ..engine.slack import Clock
    from ..formulation import Formulation
    from ..model import Program
    from ..problem import Problem
    from .gives import Gives
    from .limits import Conflict

Array = np.ndarray[Any, np.dtype[Any]]
SECONDS = 2.0  # of one search
NOTHING = POLICY - 1  # a tier without limits
COST_GAP = 1e-4
TINY, SMALL = 200, 2500  # candidates times blocks of a problem that is solved whole many times, and once
MOST_OTHERS = 2  # single limits named that would do alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Limits that together, relaxed by so much, let a plan exist; with the decision that shows it, if there is one."""

    conflicts: list[Conflict]
    decision: Decision | None
    usd: float | None = None  # of the cheapest plan under the relaxed limits, where that is known

    def relaxed(self, problem: Problem, without: tuple[str, int] | None = None) -> Problem:
        """The problem with the limits relaxed, all or but for one group."""
        kept = [c for c in self.conflicts if c.group != without]
        return relax(problem, kept, None if self.decision is None else self.decision.unserved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A small problem, whole, and the same with slack."""

    problem: Problem
    elastic: Elastic
    limits: Gives
    clock: Clock

    @classmethod
    def of(cls, problem: Problem, clock: Clock) -> Analysis:
        """The whole model with slack."""
        f = formulate(without_quotas(problem), RULES)
        limits = gives(f, problem)
        return cls(problem=problem, elastic=Elastic(f, limits.gives, whole=True), limits=limits, clock=clock)

    def repair(self, *, certain: bool) -> Repair | None:
        """The fewest limits, policy before supply before demand; None when time is out.

        Unless it is certain that something must give way, it may be that nothing has to.
        """
        before: frozenset[int] = frozenset()
        for last in (*(() if certain else (NOTHING,)), POLICY, SUPPLY, DEMAND):
            allowed = self.limits.of_tier(last)
            worth_it = allowed - before or last == NOTHING
            count = self.elastic.fewest(allowed, self.clock, SECONDS) if worth_it else None
            if count is not None:
                found = self._least(allowed, count)
                return None if found is None else self._cheaper(self._tightened(found))
            before = allowed
        return None

    def others(self, repair: Repair) -> list[Conflict]:
        """Single limits that would do alone, beside those of a repair: of each kind of them the least change."""
        tried = {c.group for c in repair.conflicts}
        made: list[Conflict] = []
        for last in (SUPPLY,) * MOST_OTHERS + (DEMAND,):
            allowed = frozenset(g for g in self.limits.of_tier(last) if self.limits.groups[g] not in tried)
            found = self._least(allowed, 1) if allowed else None
            if found is not None and len(found.conflicts) == 1:
                made += found.conflicts
                tried |= {c.group for c in found.conflicts}
        return made

    def _least(self, allowed: frozenset[int], most_groups: int) -> Repair | None:
        """What the values with the least slack break; checked on the relaxed problem."""
        values = self.elastic.least(allowed, most_groups, self.clock, SECONDS)
        if values is None:
            return None
        decision = decide(self.elastic.formulation, values, assign)
        found = Repair(conflicts=excess(self.problem, decision), decision=decision)
        return found if fulfils(found.relaxed(self.problem), decision) else None

    def _cheaper(self, repair: Repair) -> Repair:
        """By as much less as the cheapest plan under the relaxed limits leaves of them."""
        found = cheapest(repair.relaxed(self.problem), self.clock)
        if found is None or any(c.kind in {"demand", "work"} for c in repair.conflicts):
            return repair
        less = Repair(conflicts=excess(self.problem, found[1]), decision=found[1], usd=found[0])
        return less if fulfils(less.relaxed(self.problem), found[1]) else repair

    def _tightened(self, repair: Repair) -> Repair:
        """Caps on spot that give way by less where less is enough: their slack was counted in parts of demand."""
        for c in [c for c in repair.conflicts if c.kind.startswith("spot share")]:
            low, high = -1, c.relax_by
            while high - low > 1:
                middle = (low + high) // 2
                smaller = [
                    dataclasses.replace(k, relax_by=middle if k.name == c.name else k.relax_by)
                    for k in repair.conflicts
                ]
                conflicts = [k for k in smaller if k.relax_by]
                less = dataclasses.replace(repair, conflicts=conflicts)
                relaxed = less.relaxed(self.problem)
                found = cheapest(relaxed, self.clock, gap=1.0)
                if found is not None and fulfils(relaxed, found[1]):
                    high, repair = middle, less
                else:
                    low = middle
        return repair


def cheapest(
    problem: Problem, clock: Clock, *, gap: float = COST_GAP, elastic: bool = False
) -> tuple[float, Decision] | None:
    """Dollars and decision of the cheapest plan; an elastic one serves what it can, and pays for what it serves."""
    f = formulate(problem, RULES)
    answer = clock.solve(_asked(f, elastic=elastic), seconds=SECONDS, gap=gap)
    return None if answer.values is None else (_paid(f, answer), decide(f, answer.values, assign))


def _asked(f: Formulation, *, elastic: bool) -> Program:
    """The program, with what must be served closed to being left unless it is elastic."""
    program = f.model.program()
    upper = program.upper.copy()
    upper[f.obligations()] = np.inf if elastic else 0.0
    return program.replace(upper=upper)


def _paid(f: Formulation, answer: Answer) -> float:
    """Dollars without the price of what must be served and is left."""
    must = f.obligations()
    left = f.model.program().cost[must] @ answer.values[must] if answer.values is not None else 0.0
    return answer.objective + f.model.constant - float(left)


def tiny(problem: Problem) -> bool:
    """Whether a problem can be solved whole many times."""
    return len(problem.candidates.pool) * problem.blocks.count <= TINY


def small(problem: Problem) -> bool:
    """Whether a problem can be solved whole at all."""
    return len(problem.candidates.pool) * problem.blocks.count <= SMALL


def served_usd(problem: Problem, clock: Clock, *, elastic: bool) -> float | None:
    """Dollars of the cheapest plan, in parts of nodes where the problem is large; see `cheapest`."""
    if tiny(problem):
        found = cheapest(problem, clock, elastic=elastic)
        return None if found is None else found[0]
    part = condensed(take(problem, promising(problem)))
    f = formulate(part, RULES, direct=True)
    answer = clock.solve(_asked(f, elastic=elastic).relaxed(), seconds=SECONDS)
    return None if answer.values is None else _paid(f, answer)


def fulfils(problem: Problem, decision: Decision) -> bool:
    """Whether a decision is a plan of a problem, by the independent check; demand given up is not asked for."""
    owner = problem.sources.workload
    must = problem.workloads.must_serve[owner][:, None]
    left = np.where(must & ~problem.may_leave[owner], 0, decision.unserved)
    decision = dataclasses.replace(decision, unserved=left, undone=np.where(must, 0, decision.undone))
    lines = make_bill(problem, decision, RULES)
    certificate = Certificate(kind="proved", lower_micro_usd=0, upper_micro_usd=sum(lines["micro_usd"].tolist()))
    made = tables(problem, decision)
    plan = Plan.of(
        problem, termination="time limit", certificate=certificate, provenance=UNTOLD, cost_lines=lines, **made
    )
    return not check(problem, plan)
