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
from .gives import gives, without_quotas
from .limits import DEMAND, MICRO, PERCENT, POLICY, SINGLE, SUPPLY, Conflict, excess, named, relax, tier
from .reduced import condensed, promising, take
from .search import Repair, cheapest, fulfils, small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from ..engine.slack import Clock
    from ..problem import Problem
    from .gives import Gives
    from .limits import Kind

Array = np.ndarray[Any, np.dtype[Any]]
SECONDS = 5.0  # of one relaxation
CONFIRM_S = 10.0  # of one search for a plan
CONFIRM_GAP = 0.005
LEAST = 1e-6  # of a limit: less is rounding noise


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """Room beyond what the relaxation needs, as a part of a limit: whole nodes take more than parts of nodes do."""

    nodes: float
    money: float  # a search for the cheapest plan leaves what it does not need of it
    others: float

    def of(self, kind: str) -> float:
        """For a kind of limit."""
        parts = {"quota": self.nodes, "monthly budget": self.money, "upfront cash": self.money, "cvar": self.money}
        return parts.get(kind, self.others)


TRIED = (More(nodes=0.0, money=0.3, others=0.05), More(nodes=0.1, money=0.6, others=0.2))
GUESSED = More(nodes=0.1, money=0.15, others=0.15)


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
        f = formulate(without_quotas(small), RULES, direct=True)
        limits = gives(f, small)
        elastic = Elastic(f, limits.gives, whole=False)
        return cls(problem=problem, candidates=rows, small=small, elastic=elastic, limits=limits, clock=clock)

    def repair(self, *, certain: bool) -> Repair | None:
        """Few limits, policy before supply; None when time is out or the relaxation sees no conflict."""
        for last in (POLICY, SUPPLY):
            allowed = self.limits.of_tier(last)
            found = self.elastic.sparse(allowed, self.clock, SECONDS) if allowed else None
            if found is not None:
                nothing = not self._guess(found[1], GUESSED)
                return None if nothing and certain else self._confirmed(found[1])
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
        for more in TRIED:
            task = Task(
                problem=take(relax(self.problem, self._guess(amounts, more)), self.candidates),
                rules=RULES,
                time_limit_s=CONFIRM_S,
                gap=CONFIRM_GAP,
                seed=self.clock.seed,
                deterministic=self.clock.until is None,
            )
            try:
                outcome = search(task, lambda _phase, _bound, _cost: None, isolated=True).outcome
            except EngineError:
                break  # out of time: more room would not be found sooner
            if outcome.termination == "infeasible" or outcome.decision is None:
                continue
            d = outcome.decision
            decision = dataclasses.replace(d, candidates=self.candidates[d.candidates])
            found = Repair(conflicts=excess(self.problem, decision), decision=decision)
            if fulfils(found.relaxed(self.problem), decision):
                return self._tightened(found, amounts) if small(self.problem) else found
        return Repair(conflicts=self._guess(amounts, GUESSED), decision=None)

    def _tightened(self, repair: Repair, amounts: Array) -> Repair:
        """Quotas that give way by fewer nodes where a plan with fewer is found soon; the relaxation says how few."""
        needs = dict(zip(self.limits.keys, amounts.tolist(), strict=True))
        for c in [c for c in repair.conflicts if c.kind == "quota"]:
            low, high = math.ceil(needs.get((c.kind, c.index), 0.0) - LEAST) - 1, c.relax_by
            while high - low > 1 and self.clock.left() > 0:
                middle = (low + high) // 2
                conflicts = [
                    dataclasses.replace(k, relax_by=middle) if k.name == c.name else k for k in repair.conflicts
                ]
                relaxed = relax(self.problem, [k for k in conflicts if k.relax_by])
                found = cheapest(relaxed, self.clock, gap=CONFIRM_GAP)
                if found is not None and fulfils(relaxed, found[1]):
                    repair = Repair(conflicts=excess(self.problem, found[1]), decision=found[1])
                    high = middle
                else:
                    low = middle
        return repair

    def _guess(self, amounts: Array, more: More) -> list[Conflict]:
        """Each limit relaxed to what the relaxation needs of it and some room."""
        made: list[Conflict] = []
        for (kind, i), amount, give in zip(self.limits.keys, amounts.tolist(), self.limits.gives, strict=True):
            if amount <= LEAST * give.ref:
                continue
            made += _guessed(self.problem, kind, i, amount, more.of(kind))  # type: ignore[arg-type]
        return sorted(made, key=lambda c: tier(c.kind))


def _guessed(problem: Problem, kind: Kind, i: int, amount: float, more: float) -> Iterator[Conflict]:
    """A limit relaxed by an amount, and by a part of what it then is."""
    limits, work = problem.limits, problem.workloads
    if kind == "quota":
        now = float(limits.quotas[i].max_nodes)
    elif kind == "spot share":
        now = float(work.max_spot_share[i]) * PERCENT
    elif kind in SINGLE:
        field, unit = SINGLE[kind]
        now = (getattr(limits, field) or 0) / unit
    elif kind == "chance":
        now = float(next(c.max_probability for c in limits.chances if c.workload == i)) * PERCENT
    elif kind == "unserved cvar":
        now = float(sum(u.max_units for u in limits.unserved if u.workload == i))
    else:
        now = (limits.monthly_budget_micro_usd[i] or 0) / MICRO
    by = math.ceil(amount + more * (now + amount) - LEAST * max(1.0, now))
    detail = f"about {now + amount:,.0f} needed, {now:,.0f} allowed"
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
