"""The gate of a pipeline: every limit on a plan's cost, each kept or breached, exactly in micro-dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from ..errors import InputError
from .standing import LEVEL, Book, Standing, standings

if TYPE_CHECKING:
    from ..diff import Gate
    from ..plan import Plan
    from .document import BudgetFile

What = Literal["budget", "increase", "probability"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One limit. Whole micro-dollars: a cost is within a limit when it is at most the whole ones of it."""

    what: What
    name: str
    scope: str
    period: str
    planned_micro_usd: int
    allowed_micro_usd: int
    passed: bool
    said: str = ""  # of a probability: how likely, how likely it may be, and what that rests on
    standing: Standing | None = None

    @property
    def over_micro_usd(self) -> int:
        """Beyond what is allowed; below 0 where some is left."""
        return self.planned_micro_usd - self.allowed_micro_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All checks, the breached ones first, and what else there is to say."""

    plan: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every limit is kept."""
        return all(check.passed for check in self.checks)

    @property
    def breaches(self) -> tuple[Check, ...]:
        """Limits that are not kept."""
        return tuple(check for check in self.checks if not check.passed)


def gate(
    plan: Plan,
    *,
    budgets: tuple[BudgetFile, Book] | None = None,
    increase: tuple[Gate, Plan] | None = None,
    most_probable: Fraction | None = None,
) -> Verdict:
    """Hold a plan against its limits: budgets of periods in which something is still to come, and the increase.

    Args:
        plan: the plan.
        budgets: with what is known of cost: planned, spent, and the futures.
        increase: at most so much more than another plan costs.
        most_probable: how likely a breach of each budget may be.

    Raises:
        InputError: there is no limit, a probability is asked for and only one future is known, or the plans do not
            compare.
    """
    if budgets is None and increase is None:
        raise InputError("no limit is given", where="gate", mend="--budget, or --max-increase with --against")
    made: list[Check] = []
    notes: list[str] = []
    if budgets is not None:
        file, book = budgets
        found = [s for s in standings(file, book, LEVEL) if s.limit.period.end > book.turn]  # the rest is past
        made += [_budget(s) for s in found]
        made += [] if most_probable is None else [_probability(s, book, most_probable) for s in found]
        notes += [*book.planned.notes, *(book.actual.notes if book.actual else ())]
    elif most_probable is not None:
        mend = "give the budget with --budget"
        raise InputError("a breach of which budget?", where="--max-breach-probability", mend=mend)
    if increase is not None:
        made.append(_increase(plan, *increase))
    return Verdict(plan=plan.name, checks=tuple(sorted(made, key=lambda check: check.passed)), notes=tuple(notes))


def _budget(found: Standing) -> Check:
    name, scope, period = found.limit.where
    allowed = math.floor(found.limit.allowed_micro_usd)
    return Check(
        what="budget", name=name, scope=scope, period=period, planned_micro_usd=found.estimate,
        allowed_micro_usd=allowed, passed=not found.breached, said=_part(found), standing=found,
    )  # fmt: skip


def _part(found: Standing) -> str:
    """That only a part of the period is covered, where it is so."""
    limit = found.limit
    if limit.covered == 1:
        return ""
    return f"{limit.covered * limit.period.days} of its {limit.period.days} days are known"


def _probability(found: Standing, book: Book, most: Fraction) -> Check:
    if found.probability is None or book.futures is None:
        mend = "plan with scenarios or demand_forecast in the spec, or give --paths"
        raise InputError("only one future of the plan is known", where="--max-breach-probability", mend=mend)
    name, scope, period = found.limit.where
    said = f"breached with probability {float(found.probability):.4g}, {float(most):.4g} allowed"
    if found.probability_interval:
        low, high = found.probability_interval
        said += f" (between {low:.3f} and {high:.3f}, 95 % sure)"
    return Check(
        what="probability", name=name, scope=scope, period=period, planned_micro_usd=found.estimate,
        allowed_micro_usd=math.floor(found.limit.allowed_micro_usd), passed=found.probability <= most,
        said=f"{said}; {book.futures.basis}", standing=found,
    )  # fmt: skip


def _increase(plan: Plan, limit: Gate, old: Plan) -> Check:
    """Against another plan of the same months and accounting."""
    from ..diff import diff

    found = diff(old, plan)
    before, after = found.before_micro_usd, found.after_micro_usd
    return Check(
        what="increase", name=f"at most {limit.text} more", scope="all", period="plan", planned_micro_usd=after,
        allowed_micro_usd=math.floor(before + limit.micro_usd + limit.share * before),
        passed=limit.passed(before, after), said=f"against {old.name}",
    )  # fmt: skip
