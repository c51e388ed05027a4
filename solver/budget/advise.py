"""What would get a plan back under its budgets: each lever pulled by planning again, and what that costs.

The first lever is the budget itself as a limit of the spec: what the new plan costs more elsewhere is the price of
keeping it. Where that leaves no plan, its conflicts say which limits give way, by how much and what a unit is worth.
The others change one thing of the spec each. A lever says what it did to each budget, whether that is enough or not.
"""

from __future__ import annotations

import functools
import json
import math
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..carry import carry
from ..diff import diff
from ..errors import EngineError, InputError
from ..solve import solve
from ..spec import loads
from ..whatif import changed
from .ledger import Ledger, ledger, month_of
from .levers import Lever, levers
from .shown import edge, usd
from .standing import Book, Standing, standing, standings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..diff import Difference
    from ..plan import Plan
    from ..problem import Problem
    from ..solve import Progress
    from .document import BudgetFile

SHARE = 1 / 3  # of the time, for one lever at most
LEAST_S = 1.0  # that a search is given
LINES = 3  # of the account of a change
NOT_MONEY = ("carbon", "unserved")  # kinds of cost lines that no budget of the spec counts
MONTHLY = "limits.monthly_budget_usd"
WITHIN = "keep the budget as a limit of the spec"
SIGNIFICANT = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One lever and what came of it. Micro-dollars."""

    lever: Lever
    over: tuple[int, ...] = ()  # of each breached budget then; empty where there is no plan
    change: int = 0  # of the whole bill
    why: tuple[str, ...] = ()  # the largest changes of the bill, or the limits that give way
    failed: str = ""  # why there is no plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """For one breached budget: levers in the order in which to consider them."""

    name: str
    scope: str
    period: str
    over: int
    levers: tuple[tuple[Tried, int | None], ...]  # with what it leaves over; None where there is no plan
    notes: tuple[str, ...] = ()


def advise(
    plan: Plan,
    file: BudgetFile,
    book: Book,
    *,
    time_limit_s: float = 60.0,
    gap: float = 0.01,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> list[Advice]:
    """Advice for each breached budget.

    Args:
        plan: with the spec it was made from.
        file: the budgets.
        book: what is known of cost.
        time_limit_s: seconds for all searches together; what is not tried in time is named.
        gap: relative gap at which each search may stop.
        seed: of the searches.
        progress: hears of bounds and plans as they are found.

    Raises:
        InputError: the plan holds no spec.
    """
    if not plan.provenance.spec:
        raise InputError("holds no spec: there is nothing to change", where="plan", mend="plan from a spec")
    breached = [s for s in standings(file, book) if s.breached]
    if not breached:
        return []
    search = _Search(plan, file, book, breached, gap, seed, progress)
    until, tried, late = time.monotonic() + time_limit_s, list[Tried](), list[str]()
    for lever in _all(plan, file, book, breached):
        left = until - time.monotonic()
        if left < LEAST_S:
            late.append(lever.text)
        else:
            tried.append(search.tried(lever, max(LEAST_S, min(left, SHARE * time_limit_s))))
    notes = [f"not tried in time: {', '.join(late)}"] if late else []
    return [_advice(s, k, tried, [*_proved(s, plan, book), *notes]) for k, s in enumerate(breached)]


def _all(plan: Plan, file: BudgetFile, book: Book, breached: list[Standing]) -> Iterator[Lever]:
    """The budget itself, then the levers of the spec."""
    within = monthly_limits(plan, file, book, breached)
    if within is not None:
        yield Lever(text=WITHIN, gives="nothing", changes={MONTHLY: within})
    yield from levers(json.loads(plan.provenance.spec), plan, [s.limit.budget for s in breached], file.budgets)


def monthly_limits(plan: Plan, file: BudgetFile, book: Book, breached: list[Standing]) -> list[float | None] | None:
    """Dollars allowed in each month of the plan by the breached budgets of everything; None where there are none.

    A longer period allows each of its months in proportion to what is planned in it, which keeps the budget, though
    perhaps not in the cheapest way. Rounded down to what a file can say exactly.
    """
    view = file.budgets.accounting or plan.accounting
    every = [s for s in breached if s.limit.budget.scope_name == "all"]
    if not every or view != plan.accounting or book.planned.sampled:
        return None
    made: list[float | None] = []
    for label in plan.periods:
        first = month_of(label, "plan")
        start, end = max(first, book.turn), min(_next(first), book.planned.end)
        shares = [
            Fraction(max(0, math.floor(s.limit.allowed_micro_usd) - s.spent), max(1, s.to_come))
            for s in every
            if start < min(end, s.limit.period.end) and s.limit.period.start < end and start < s.limit.period.end
        ]
        made.append(_allowed(book.planned, first, _next(first), min(shares)) if shares else None)
    return made if any(x is not None for x in made) else None


def _allowed(planned: Ledger, start: Any, end: Any, share: Fraction) -> float:
    """Dollars of a month that a budget of the spec may allow: its share of all, less what such a budget does not count."""  # noqa: E501
    everything = planned.mask()
    money = everything.copy()
    for kind in NOT_MONEY:
        money &= planned.names["kind"] != kind
    total, counted = (int(planned.cost(mask, start, end)[0]) for mask in (everything, money))
    micro = max(0, math.floor(total * share) - (total - counted))
    if micro >= SIGNIFICANT:  # a float has fifteen digits that are surely right
        micro -= micro % 10 ** (len(str(micro)) - 15)
    return micro / 10**6


def _next(first: Any) -> Any:
    from ..calendar import add_months

    return add_months(first, 1)


def _proved(found: Standing, plan: Plan, book: Book) -> list[str]:
    """That no plan keeps a budget of the whole plan, where its certificate says so."""
    limit, c = found.limit, plan.certificate
    whole = limit.budget.scope_name == "all" and limit.period.start <= book.planned.start
    if not whole or limit.period.end < book.planned.end or book.actual or c.kind == "none" or c.bounds != "bill":
        return []
    if c.lower_micro_usd <= limit.allowed_micro_usd or book.planned.sampled:
        return []
    return [f"proved: no plan within the spec's requirements costs less than {usd(c.lower_micro_usd)}"]


class _Search:
    """Plans again, with one catalogue for all."""

    def __init__(
        self, plan: Plan, file: BudgetFile, book: Book, breached: list[Standing], gap: float, seed: int, progress: Any
    ) -> None:
        import costdata

        self.plan, self.file, self.book, self.breached = plan, file, book, breached
        self.options: dict[str, Any] = {"gap": gap, "seed": seed, "progress": progress}
        self.catalogue = functools.cache(costdata.load)
        self.before = self._problem(plan.provenance.spec)

    def _problem(self, spec: str) -> Problem:
        return loads(spec, overrides=self.plan.provenance.overrides or None, catalogue=self.catalogue)

    def tried(self, lever: Lever, seconds: float) -> Tried:
        """What comes of a lever."""
        try:
            problem = self._problem(changed(self.plan.provenance.spec, lever.changes))
            start = carry(self.plan, problem, self.before)
            made = solve(problem, time_limit_s=seconds, warm=start, **self.options)
        except (InputError, EngineError) as error:
            return Tried(lever=lever, failed=error.message)
        if made.termination == "infeasible":
            return Tried(lever=lever, failed="no plan keeps it: limits would have to give way", why=tuple(_give(made)))
        view = self.file.budgets.accounting or self.plan.accounting
        projects = self.file.budgets.project_of
        book = Book(planned=ledger(made, projects=projects, accounting=view, problem=problem), actual=self.book.actual)
        over = [standing(s.limit, book).estimate - math.floor(s.limit.allowed_micro_usd) for s in self.breached]
        difference = diff(self.plan, made)
        return Tried(lever=lever, over=tuple(over), change=difference.change_micro_usd, why=tuple(_account(difference)))


def _give(plan: Plan) -> Iterator[str]:
    """Limits that give way, from a plan's conflicts."""
    for r in plan.conflicts.records():
        worth = "" if math.isnan(r["usd_per_unit"]) else f", worth ${r['usd_per_unit']:,.3f} a unit"
        yield f"{r['limit']} by {r['relax_by']:,} {r['unit']}{worth} ({r['detail']})"


def _account(found: Difference) -> Iterator[str]:
    """The largest changes, by what is bought where."""
    sums: dict[str, int] = {}
    for x in found.lines:
        place = "/".join(filter(None, (x.provider, x.region, x.node)))
        name = " ".join(filter(None, (x.workload, x.kind, x.option, place)))
        sums[name] = sums.get(name, 0) + x.change_micro_usd
    for name, micro in sorted(sums.items(), key=lambda item: -abs(item[1]))[:LINES]:
        if micro:
            yield f"{name} {signed(micro)}"


def signed(micro_usd: int) -> str:
    """A change with its sign."""
    return ("+" if micro_usd > 0 else "") + usd(micro_usd)


def _advice(found: Standing, k: int, tried: list[Tried], notes: list[str]) -> Advice:
    name, scope, period = found.limit.where
    rows = [(t, t.over[k] if t.over else None) for t in tried]

    def order(row: tuple[Tried, int | None]) -> tuple[bool, bool, int, int, int]:
        """Those that are enough first, then what they give up, then what the plan costs with them."""
        one, over = row
        enough = over is not None and over <= 0
        return over is None, not enough, one.lever.rank, one.change if enough else (over or 0), one.change

    over = found.estimate - math.floor(found.limit.allowed_micro_usd)
    return Advice(
        name=name, scope=scope, period=period, over=over, levers=tuple(sorted(rows, key=order)), notes=tuple(notes)
    )


def to_lines(found: Advice) -> list[str]:
    """For people: the first line says of which budget."""
    made = [f"To get {found.name} ({found.scope}), {found.period} back under, by {usd(found.over)}:"]
    for tried, over in found.levers:
        if over is None:
            told = tried.failed
        else:
            verdict = "enough" if over <= 0 else f"not enough, {usd(over)} over"
            told = f"{verdict}; the plan costs {signed(tried.change)} in all"
        gives = "" if tried.lever.gives == "nothing" else f" [gives up {tried.lever.gives}]"
        made.append(f"  {tried.lever.text}{gives}: {told}" + (f": {'; '.join(tried.why)}" if tried.why else ""))
    return [*made, *(f"  note: {note}" for note in found.notes)]


def to_plain(found: Advice) -> dict[str, Any]:
    """For machines."""
    return {
        "budget": found.name, "scope": found.scope, "period": found.period, "over_usd": edge(found.over),
        "levers": [
            {
                "lever": t.lever.text, "gives_up": t.lever.gives, "set": _plain(t.lever.changes),
                "enough": over is not None and over <= 0, "over_usd": edge(over),
                "change_usd": None if over is None else edge(t.change), "why": list(t.why), "no_plan": t.failed,
            }
            for t, over in found.levers
        ],
        "notes": list(found.notes),
    }  # fmt: skip


def _plain(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {path: json.loads(json.dumps(value, default=str)) for path, value in changes.items()}
