"""A minimal set of limits that contradict one another: together they leave no plan, without any one there is one.

QuickXplain (Junker 2004) over the limits, with the engine as oracle. Nothing is believed of it: that the whole set
leaves no plan is found by another engine too, and that each member is needed is shown by a plan that passes the check
of the problem without it. Where time is out before that, or the problem is too large, it is called an estimate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..assemble import decide
from ..engine import mathopt
from ..engine.assign import assign
from ..engine.child import Task
from ..engine.host import search
from ..engine.primal import closed
from ..errors import EngineError
from ..formulation import formulate
from ..rules import RULES
from .lifting import Limit, lifted, limits_of
from .reduced import condensed, promising, take
from .search import fulfils, small
from .wider import Wider

if TYPE_CHECKING:
    from ..engine.slack import Clock
    from ..model import Program
    from ..problem import Problem

Proof = Literal["confirmed", "estimate"]
CONFIRMED: Proof = "confirmed"
ESTIMATE: Proof = "estimate"
TRY_S, PLAN_S = 3.0, 6.0  # of one question, and of one search for a plan of a large problem
ANY_PLAN = 0.9  # a gap that any plan keeps
WAYS: tuple[tuple[bool, float], ...] = ((False, 1.0), (True, 1.0), (True, 0.0))  # units counted, gap


Ask = Callable[[Sequence["Limit"]], bool]  # whether there is a plan under some limits


class OutOfTime(Exception):  # noqa: N818 (not a fault: what is known is said)
    """The analysis has no time left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Limits that cannot all be met, each needed for that; and whether that is confirmed."""

    members: tuple[Limit, ...]
    proof: Proof

    def rows(self) -> list[tuple[Any, ...]]:
        """Limit, what it says, proof."""
        return [(m.name, m.says, self.proof) for m in self.members]


@dataclass(slots=True, kw_only=True)
class Oracle:
    """Whether there is a plan under some of the limits, remembered. Limits of one name are one."""

    problem: Problem
    wider: Wider | None
    clock: Clock
    engine: mathopt.Name = "highs"
    fields: list[Limit] = field(default_factory=list)  # of the spec, that are lifted unless kept
    _known: dict[frozenset[str], bool] = field(default_factory=dict)
    _made: dict[frozenset[str], Problem] = field(default_factory=dict)

    def every(self) -> list[Limit]:
        """The limits of the problem."""
        found = limits_of(self.problem, places=self.wider is None)
        return list({limit.name: limit for limit in found}.values())

    def under(self, kept: Sequence[Limit]) -> Problem:
        """The problem with only these limits, and candidates only of those that it still asks anything of."""
        names = {k.name for k in kept}
        gone = [f for f in self.fields if f.name not in names]
        key, base = frozenset(f.name for f in gone), self.problem
        if gone and self.wider is not None:
            base = self._made[key] = self._made.get(key) or self.wider.without(gone)
        found = limits_of(base, places=self.wider is None)
        return asked(lifted(base, [limit for limit in found if limit.name not in names]))

    def __call__(self, kept: Sequence[Limit]) -> bool:
        """Whether there is a plan under these limits; where that stays open, it is taken that there is.

        Raises:
            OutOfTime: no time for the question.
        """
        key = frozenset(k.name for k in kept)
        if key not in self._known:
            if self.clock.left() <= 0:
                raise OutOfTime
            problem = self.under(kept)
            if small(problem):
                self._known[key] = has_plan(problem, self.clock, self.engine) is not False
            else:
                part = condensed(take(problem, promising(problem)))
                self._known[key] = not relaxation_empty(part, self.clock, self.engine)
        return self._known[key]

    def widened(self, members: list[Limit]) -> list[Limit]:
        """The members, and of what the spec asks of single workloads that which they need to contradict one another.

        Lifting gives room only, so that each member is needed as before.
        """
        if self.wider is None:
            return members
        self.fields = self.wider.fields(members)
        self._known.clear()
        return [*members, *(explained(self, members, self.fields) if self(members) else [])]

    def needed(self, members: Sequence[Limit]) -> bool:
        """Whether without any one of these there is a plan, each shown by one."""
        rest = ([m for m in members if m is not one] for one in members)
        problems = map(self.under, rest)
        return all(has_plan(p, self.clock) is True if small(p) else found_plan(p, self.clock) for p in problems)

    def refuted(self, members: Sequence[Limit]) -> bool:
        """Whether two engines find that there is no plan under all of these."""
        problem = self.under(members)
        if small(problem):
            return all(has_plan(problem, self.clock, engine) is False for engine in ("highs", "scip"))
        return all(relaxation_empty(problem, self.clock, engine) for engine in ("highs", "scip"))


def contradiction(problem: Problem, clock: Clock) -> Contradiction | None:
    """A minimal set of limits that leaves no plan; None when none was found in time.

    Args:
        problem: has no plan.
        clock: how long to look for it.
    """
    best: Contradiction | None = None
    engines: tuple[mathopt.Name, ...] = ("highs", "scip")
    try:
        for engine in engines:
            oracle = Oracle(problem=problem, wider=Wider.of(problem), clock=clock, engine=engine)
            every = oracle.every()
            if oracle(every):
                continue
            members = explained(oracle, [], every)
            best = best or Contradiction(members=tuple(members), proof=ESTIMATE)
            members = oracle.widened(members)
            best = Contradiction(members=tuple(members), proof=ESTIMATE)
            if oracle.refuted(members) and oracle.needed(members):
                return dataclasses.replace(best, proof=CONFIRMED)
    except (OutOfTime, EngineError):
        pass
    return best


def asked(problem: Problem) -> Problem:
    """The problem with candidates only of workloads that must be served or whose units left are limited."""
    wanted = problem.workloads.must_serve.copy()
    wanted[[u.workload for u in problem.limits.unserved]] = True
    return take(problem, np.flatnonzero(wanted[problem.candidates.workload]))


def explained(ask: Ask, given: list[Limit], limits: Sequence[Limit]) -> list[Limit]:
    """A minimal part of `limits` that leaves no plan beside what is given; those that come first are preferred."""
    return _split(ask, given, list(limits), new=False) if limits else []


def _split(ask: Ask, given: list[Limit], limits: list[Limit], *, new: bool) -> list[Limit]:
    """QuickXplain; `new` says whether `given` has grown since there was a plan under it."""
    if new and not ask(given):
        return []
    if len(limits) == 1:
        return limits
    half = len(limits) // 2
    first, last = limits[:half], limits[half:]
    of_last = _split(ask, given + first, last, new=bool(first))
    of_first = _split(ask, given + of_last, first, new=bool(of_last))
    return of_first + of_last


def has_plan(problem: Problem, clock: Clock, engine: mathopt.Name = "highs") -> bool | None:
    """Whether an engine finds a plan that passes the check, or that there is none; None when it is neither."""
    for counted, gap in WAYS:
        if clock.left() <= 0:
            raise OutOfTime
        f = formulate(problem, RULES, counted=counted)
        answer = _solve(closed(f.model.program(), f.obligations()), clock, engine, gap)
        if answer.status == "infeasible":
            return False
        if answer.values is not None and fulfils(problem, decide(f, answer.values, assign)):
            return True
    return None


def relaxation_empty(problem: Problem, clock: Clock, engine: mathopt.Name) -> bool:
    """Whether not even parts of replicas could do what must be done."""
    f = formulate(problem, RULES, direct=True)
    program = closed(f.model.program(), f.obligations()).relaxed()
    return _solve(program, clock, "glop" if engine == "scip" else engine, 0.0).status == "infeasible"


def _solve(program: Program, clock: Clock, engine: mathopt.Name, gap: float) -> mathopt.Answer:
    if clock.until is None:
        return mathopt.solve(program, engine=engine, gap=gap, seed=clock.seed, tight=True, node_limit=2000)
    seconds = max(0.05, min(TRY_S, clock.left()))
    return mathopt.solve(program, engine=engine, gap=gap, seed=clock.seed, tight=True, time_limit_s=seconds)


def found_plan(problem: Problem, clock: Clock) -> bool:
    """Whether a search finds a plan of a large problem; those who need not be served are not."""
    if clock.left() <= 0:
        return False
    rows = promising(problem)
    task = Task(
        problem=take(problem, rows), rules=RULES, time_limit_s=min(PLAN_S, max(1.0, clock.left())), gap=ANY_PLAN,
        seed=clock.seed, deterministic=clock.until is None,
    )  # fmt: skip
    try:
        outcome = search(task, lambda _phase, _bound, _cost: None, isolated=True).outcome
    except EngineError:
        return False
    if outcome.termination == "infeasible" or outcome.decision is None:
        return False
    d = outcome.decision
    return fulfils(problem, dataclasses.replace(d, candidates=rows[d.candidates]))
