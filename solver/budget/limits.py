"""Budgets of a plan: each entry of the file in each fiscal period that the plan has a day in, in exact micro-dollars.

Of a period that is covered in part, so much of the amount is allowed as the days covered are of its days: a plan of
one month is held to a third of a quarter's budget.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import InputError
from ..finance import FiscalCalendar, Period
from ..money import MICRO
from .document import USD, Budget, BudgetFile, Budgets, Kind
from .ledger import covered, span

if TYPE_CHECKING:
    from ..plan import Plan

Day = datetime.date
YEARS = 20  # before and after a plan, in which a label may lie
WHOLE = "plan"  # kind and label of the period that is all of the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One entry in one period. Amounts are exact micro-dollars."""

    budget: Budget
    period: Period  # the whole one
    amount_micro_usd: Fraction  # for the whole period
    covered: Fraction  # share of its days that is planned (or spent)

    @property
    def allowed_micro_usd(self) -> Fraction:
        """What may be spent in the days that are covered."""
        return self.amount_micro_usd * self.covered

    @property
    def where(self) -> tuple[str, str, str]:
        """Name, scope and period, as people say them."""
        return self.budget.name, self.budget.scope_name, self.period.label


def limits(budgets: Budgets, spans: Collection[tuple[Day, Day]], whole: tuple[Day, Day]) -> list[Limit]:
    """Every entry in every period that has a day in one of the spans (which do not overlap), in order of the file.

    The `whole` plan is the period of entries of the kind "plan".

    Raises:
        InputError: none has; or a currency has no rate.
    """
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    named = {(b.scope, b.period, b.only) for b in budgets.budgets if b.only}
    made = []
    for budget in budgets.budgets:
        for period in periods_of(budgets.fiscal, budget.period, *(whole if budget.period == WHOLE else (start, end))):
            instead = not budget.only and (budget.scope, budget.period, period.label) in named
            days = covered(spans, period.start, period.end)
            if budget.only in ("", period.label) and not instead and days:
                amount = micro_usd(budgets, budget, period.start)
                share = Fraction(days, period.days)
                made.append(Limit(budget=budget, period=period, amount_micro_usd=amount, covered=share))
    if not made:
        mend = "give `only` the label of a period in it, or leave it out"
        raise InputError(f"no budget has a period from {start} to {end}", where=budgets.name, mend=mend)
    return made


def periods_of(fiscal: FiscalCalendar, kind: Kind, start: Day, end: Day) -> list[Period]:
    """Whole fiscal periods of a kind that have a day in a span."""
    if kind == "plan":
        return [Period(WHOLE, start, end)]
    return fiscal.periods(start, end, kind)


def micro_usd(budgets: Budgets, budget: Budget, first_day: Day) -> Fraction:
    """An amount in exact micro-dollars: converted on the first day of its period, or on the day the file says."""
    currency, amount = budgets.currency_of(budget), Fraction(budget.exact)
    if currency != USD:
        try:
            amount *= budgets.exchange.rate(currency, USD, budgets.rates_on or first_day)
        except InputError as error:
            mend = f"{error.mend} to `rates` of the budgets"
            raise InputError(error.message, where=f"budget {budget.name!r:.80}: {error.where}", mend=mend) from None
    return amount * MICRO


def check_names(file: BudgetFile, plan: Plan) -> None:
    """Refuse names of teams, workloads, providers and periods that the plan does not have.

    Raises:
        InputError: naming file, line, path and the nearest name there is.
    """
    from ..enumerate.names import nearest
    from ..spec.faults import Fault

    budgets, faults = file.budgets, list[Fault]()
    known = names_of(plan) if budgets.unknown == "error" else {}
    for i, budget in enumerate(budgets.budgets):
        for field, names in known.items():
            name = getattr(budget, field)
            if name and name not in names:
                said = f"the plan has no {field} {name!r:.80}"
                faults.append(Fault(("budgets", i, field), said, nearest(name, names)))
        labels = _labels(budgets.fiscal, budget.period, *span(plan)) if budget.only else ()
        if budget.only and budget.only not in labels:
            said = f"the calendar has no {budget.period} {budget.only!r:.80}"
            first = periods_of(budgets.fiscal, budget.period, *span(plan))[0]
            faults.append(Fault(("budgets", i, "only"), said, f"write it as {first.label}"))
    workloads = known.get("workload", set())
    for i, project in enumerate(budgets.projects if known else ()):
        for k, name in enumerate(project.workloads):
            if name not in workloads:
                said = f"the plan has no workload {name!r:.80}"
                faults.append(Fault(("projects", i, "workloads", k), said, nearest(name, workloads)))
    file.refuse(faults)


def names_of(plan: Plan) -> dict[str, set[str]]:
    """Teams, workloads and providers of a plan: of its bill, its spec, and every provider there are prices of."""
    from costdata.packaged import providers

    made: dict[str, set[str]] = {}
    for name in ("team", "workload", "provider"):
        made[name] = set(plan.cost_lines[name].tolist()) if name in plan.cost_lines else set()
    try:
        workloads = json.loads(plan.provenance.spec)["workloads"]
        made["workload"] |= {str(w["name"]) for w in workloads}
        made["team"] |= {str(w.get("team", "")) for w in workloads}
    except (ValueError, KeyError, TypeError):
        pass
    made["provider"] |= set(providers())
    return {name: values - {""} for name, values in made.items()}


def _labels(fiscal: FiscalCalendar, kind: Kind, start: Day, end: Day) -> set[str]:
    """Labels of all periods in sight."""
    first = max(2, start.year - YEARS)
    return {p.label for p in periods_of(fiscal, kind, Day(first, 1, 1), Day(min(end.year + YEARS, 9990), 1, 1))}


def simple(text: str) -> BudgetFile:
    """A budget of everything: "500000" for the whole plan, "40000/month", "/quarter" or "/year" of the calendar.

    Raises:
        InputError: it is no such amount.
    """
    found = re.fullmatch(r"\$?(\d{1,12}(?:\.\d{1,6})?)(?:/(month|quarter|year|plan))?", text.strip(), re.ASCII)
    if not found:
        mend = "a file of budgets, or dollars such as 500000 (the whole plan) or 40000/month"
        raise InputError(f"{text!r:.80} is neither a file nor an amount", where="--budget", mend=mend)
    kind: Kind = found[2] or WHOLE  # type: ignore[assignment]  # one of the four
    budget = Budget(name="budget", amount=Decimal(found[1]), period=kind)
    return BudgetFile.of(Budgets(budgets=(budget,)), "--budget")
