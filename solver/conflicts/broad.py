"""The same for larger problems: a relaxation finds the limits that give way, and a search confirms them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.child import Task
from ..engine.host import search
from ..engine.slack import Elastic
from ..errors import EngineError
from ..formulation import formulate
from ..rules import RULES
from .gives import gives
from .limits import DEMAND, GRAMS_IN_KG, MICRO, PERCENT, POLICY, SUPPLY, Conflict, excess, named, relax, tier
from .reduced import condensed, promising, take
from .search import Repair, fulfils

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from ..engine.slack import Clock
    from ..problem import Problem
    from .gives import Gives
    from .limits import Kind

Array = np.ndarray[Any, np.dtype[Any]]
SECONDS = 5.0  # of one relaxation
MORE = (1.03, 1.25)  # times the need that the relaxation sees, tried in turn
GUESSED = 1.1  # the same where no plan confirms it
CONFIRM_S = 10.0  # of one search for a plan
CONFIRM_GAP = 0.02
LEAST = 1e-6  # of a limit: less is rounding noise
ABOUT = "; estimated, as no plan was found in time that confirms it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broad:
    """A large problem, and a relaxation of its essence with slack."""

    problem: Problem
    candidates: Array  # promising ones
    small: Problem
    elastic: Elastic
    limits: Gives
    clock: Clock

    @classmethod
    def of(cls, problem: Problem, clock: Clock) -> Broad:
        """Over promising candidates and condensed blocks, in parts of nodes."""
        rows = promising(problem)
        small = condensed(take(problem, rows))
        f = formulate(small, RULES, direct=True)
        limits = gives(f)
        elastic = Elastic(f, limits.gives, whole=False)
        return cls(problem=problem, candidates=rows, small=small, elastic=elastic, limits=limits, clock=clock)

    def repair(self, *, certain: bool) -> Repair | None:
        """Few limits, policy before supply; None when time is out or the relaxation sees no conflict."""
        for last in (POLICY, SUPPLY):
            allowed = self.limits.of_tier(last)
            found = self.elastic.sparse(allowed, self.clock, SECONDS) if allowed else None
            if found is not None:
                amounts = found[1]
                if amounts.max(initial=0.0) <= 0 and certain:
                    return None
                return self._confirmed(amounts)
        return None

    def others(self, repair: Repair) -> list[Conflict]:
        """The demand that could be left instead, where that is all of one workload."""
        demand = self.limits.of_tier(DEMAND) - self.limits.of_tier(SUPPLY)
        found = self.elastic.sparse(demand, self.clock, SECONDS) if demand else None
        if found is None or len(found[0]) != 1 or any(tier(c.kind) == DEMAND for c in repair.conflicts):
            return []
        k = int(found[1].argmax())
        kind, i = self.limits.keys[k]
        return [named(self.problem, kind, i, math.ceil(found[1][k]), "")]  # type: ignore[arg-type]

    def _confirmed(self, amounts: Array) -> Repair:
        """What a plan breaks that is found under limits relaxed a little more than the relaxation needs."""
        for more in MORE:
            guess = self._guess(amounts, more)
            relaxed = relax(self.problem, guess)
            task = Task(
                problem=take(relaxed, self.candidates),
                rules=RULES,
                time_limit_s=CONFIRM_S,
                gap=CONFIRM_GAP,
                seed=self.clock.seed,
                deterministic=self.clock.until is None,
            )
            try:
                outcome = search(task, lambda _phase, _bound, _cost: None, isolated=True).outcome
            except EngineError:
                continue
            if outcome.termination == "infeasible" or outcome.decision is None:
                continue
            d = outcome.decision
            decision = dataclasses.replace(d, candidates=self.candidates[d.candidates])
            found = Repair(conflicts=excess(self.problem, decision), decision=decision)
            if fulfils(found.relaxed(self.problem), decision):
                return found
        guess = [dataclasses.replace(c, detail=c.detail + ABOUT) for c in self._guess(amounts, GUESSED)]
        return Repair(conflicts=guess, decision=None)

    def _guess(self, amounts: Array, more: float) -> list[Conflict]:
        """Each limit relaxed to so many times what the relaxation needs of it."""
        made: list[Conflict] = []
        for (kind, i), amount, give in zip(self.limits.keys, amounts.tolist(), self.limits.gives, strict=True):
            if amount <= LEAST * give.ref:
                continue
            made += _guessed(self.problem, kind, i, amount, more)  # type: ignore[arg-type]
        return made


def _guessed(problem: Problem, kind: Kind, i: int, amount: float, more: float) -> Iterator[Conflict]:
    """A limit relaxed by an amount, and by a part of what it then is."""
    limits, work = problem.limits, problem.workloads
    if kind == "quota":
        now = float(limits.quotas[i].max_nodes)
    elif kind == "spot share":
        now = float(work.max_spot_share[i]) * PERCENT
    elif kind == "carbon":
        now = (limits.carbon_max_g or 0) / GRAMS_IN_KG
    elif kind == "hourly budget":
        now = (limits.hourly_budget_micro_usd or 0) / MICRO
    else:
        now = (limits.monthly_budget_micro_usd[i] or 0) / MICRO
    spare = (more - 1) * (now + amount)
    by = math.ceil(amount - LEAST) + (math.floor(spare) if kind == "quota" else math.ceil(spare))
    detail = f"about {now + amount:,.6g} needed, {now:,.6g} allowed"
    if kind != "spot share":
        yield named(problem, kind, i, by, detail)
        return
    yield named(problem, kind, i, min(by, math.ceil(PERCENT - now)), detail)
    shares: tuple[tuple[Kind, Fraction], ...] = (
        ("spot share per region", work.max_spot_share_per_region[i]),
        ("spot share per zone", work.max_spot_share_per_zone[i]),
    )
    for part, share in shares:
        if share < 1:
            yield named(problem, part, i, math.ceil((1 - share) * PERCENT), detail)
