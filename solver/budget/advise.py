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
from typing import TYPE_CHECKING, Any, Self

from ..carry import carry
from ..diff import diff
from ..errors import EngineError, InputError
from ..solve import solve
from ..spec import loads
from ..whatif import changed
from .ledger import NOT_MONEY, Ledger, ledger, month_of
from .levers import Lever, levers, together
from .shown import signed, usd
from .standing import Book, Standing, standing, standings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..diff import Difference
    from ..plan import Plan
    from ..problem import Problem
    from ..solve import Progress
    from .document import BudgetFile

LEAST_S = 5.0  # that a search is given, of a time that allows it
LONGER = 1.5  # times what the search of the plan took
LINES = 3  # of the account of a change
MONTHLY = "limits.monthly_budget_usd"
WITHIN = "keep the budget as a limit of the spec"
SIGNIFICANT = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One lever and what came of it. Micro-dollars."""

    lever: Lever
    over: tuple[int, ...] = ()  # of each breached budget then, above 0 where it is not enough; empty without a plan
    change: int = 0  # of the whole bill
    bound: int = 0  # more that commitments cost after the plan's end
    least: int | None = None  # the most it could save is this below 0, as the new plan's certificate proves
    why: tuple[str, ...] = ()  # the largest changes of the bill, or the limits that give way
    failed: str = ""  # why there is no plan

    @property
    def enough(self) -> tuple[bool, ...]:
        """For which budgets."""
        return tuple(over <= 0 for over in self.over)

    @property
    def for_all(self) -> bool:
        """Whether it is enough for every one."""
        return bool(self.over) and all(self.enough)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A budget that is not kept, by how many micro-dollars."""

    name: str
    scope: str
    period: str
    over: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """For the breached budgets together: levers in the order in which to consider them."""

    breaches: tuple[Breach, ...]
    levers: tuple[Tried, ...]
    notes: tuple[str, ...] = ()


def advise(
    plan: Plan,
    file: BudgetFile,
    book: Book,
    *,
    own: Iterable[Lever] | None = None,
    time_limit_s: float = 60.0,
    gap: float = 0.01,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Advice | None:
    """Advice on the breached budgets; None where there are none.

    Args:
        plan: with the spec it was made from.
        file: the budgets.
        book: what is known of cost.
        own: levers to pull instead of those that the spec leaves (`levers`); the budget itself always is one.
        time_limit_s: seconds for all searches together; what is not tried in time is named.
        gap: relative gap at which each search may stop.
        seed: of the searches.
        progress: hears of bounds and plans as they are found.

    Raises:
        InputError: the plan holds no spec, or its problem cannot be made again as it was.
    """
    if not plan.provenance.spec:
        raise InputError("holds no spec: there is nothing to change", where="plan", mend="plan from a spec")
    breached = [s for s in standings(file, book) if s.breached]
    if not breached:
        return None
    found = levers(json.loads(plan.provenance.spec), plan, [s.limit.budget for s in breached], file.budgets)
    search = _Search(plan, file, book, breached, gap, seed, progress)
    clock, tried, late = _Clock.of(time_limit_s, plan), list[Tried](), list[str]()

    def pull(lever: Lever, seconds: float) -> None:
        if seconds:
            tried.append(search.tried(lever, seconds))
        else:
            late.append(lever.text)

    for lever in _budget_itself(plan, file, book, breached):
        pull(lever, clock.share(3))
    every = list(found if own is None else own)
    for k, lever in enumerate(every):
        pull(lever, clock.share(len(every) - k, clock.usual_s))
    helped = [t.lever for t in tried if t.change < 0 and t.over and t.lever.gives != "demand"]
    if len(helped) > 1 and not any(t.for_all and t.lever.gives != "demand" for t in tried):
        pull(together(helped), clock.share(1))
    notes = [note for s in breached for note in _proved(s, plan, book)]
    if late:
        whole = f"{len(late) * clock.usual_s + time_limit_s:,.0f}"
        notes.append(f"not tried in time (about {whole} s would do): {', '.join(late)}")
    return Advice(
        breaches=tuple(_breach(s) for s in breached),
        levers=tuple(sorted(tried, key=_order)),
        notes=tuple(dict.fromkeys(notes)),
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """The time of all searches together."""

    until: float
    least_s: float  # that a search is given
    usual_s: float  # that a search of such a plan takes

    @classmethod
    def of(cls, seconds: float, plan: Plan) -> Self:
        """Starting now; a search may take longer than that of the plan did."""
        least = min(LEAST_S, seconds / 3)
        return cls(time.monotonic() + seconds, least, max(least, LONGER * plan.provenance.seconds))

    def share(self, waiting: int, wanted_s: float = 0.0) -> float:
        """Seconds for one of so many searches, or what one wants; 0 where too little is left."""
        left = self.until - time.monotonic()
        return 0.0 if left < self.least_s else max(self.least_s, left / waiting, min(left, wanted_s))


def _breach(found: Standing) -> Breach:
    name, scope, period = found.limit.where
    over = found.estimate - math.floor(found.limit.allowed_micro_usd)
    return Breach(name=name, scope=scope, period=period, over=over)


def _order(tried: Tried) -> tuple[bool, int, bool, int, int]:
    """Those that are enough for most budgets first, then what they give up, then what the plan costs with them.

    What binds for more after the plan's end than it saves until then comes after all that does not.
    """
    net = tried.change + tried.bound
    return not tried.over, -sum(tried.enough), tried.bound > 0 and net > 0, tried.lever.rank, net


def _budget_itself(plan: Plan, file: BudgetFile, book: Book, breached: list[Standing]) -> Iterator[Lever]:
    """Where the spec can hold it."""
    within = monthly_limits(plan, file, book, breached)
    if within is not None:
        every = "" if len(plan.risk) == 0 else ", in every future"
        yield Lever(text=f"{WITHIN}{every}", gives="nothing", changes={MONTHLY: within})


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
    from ..finance import add_months

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
        if self.before.digest() != plan.provenance.problem_digest:
            said = "prices or the version have changed since it was made: no change could be told from theirs"
            raise InputError(said, where="plan", mend="plan again")
        self.to_come = self._to_come(plan, self.before)

    def _problem(self, spec: str) -> Problem:
        return loads(spec, overrides=self.plan.provenance.overrides or None, catalogue=self.catalogue)

    def _to_come(self, plan: Plan, problem: Problem) -> list[int]:
        """What a plan has to come of each breached budget: forecasts and paths are moved by as much as the plan."""
        view, projects = self.file.budgets.accounting or plan.accounting, self.file.budgets.project_of
        view_of = None if view == plan.accounting else problem
        held = ledger(plan, projects=projects, accounting=view, problem=view_of, penalties=self.file.budgets.penalties)
        book = Book(planned=held, actual=self.book.actual)
        return [standing(s.limit, book).to_come for s in self.breached]

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
        now = self._to_come(made, problem)
        over = [
            s.estimate - math.floor(s.limit.allowed_micro_usd) + new - old
            for s, new, old in zip(self.breached, now, self.to_come, strict=True)
        ]
        difference = diff(self.plan, made)
        c = made.certificate
        proved = c.kind != "none" and c.bounds == "bill"
        return Tried(
            lever=lever, over=tuple(over), change=difference.change_micro_usd, why=tuple(_account(difference)),
            least=c.lower_micro_usd - self.plan.total_micro_usd if proved else None,
            bound=bound_micro_usd(problem, made) - bound_micro_usd(self.before, self.plan),
        )  # fmt: skip


def bound_micro_usd(problem: Problem, plan: Plan) -> int:
    """What its commitments cost after a plan's end: hours still to be paid, and upfront payments not yet spread."""
    o, total = problem.offers, Fraction(0)
    for r in plan.purchases.records() if len(plan.purchases) else ():
        k, term = int(r["offer"]), int(r["term_hours"])
        if term and not o.owned_nodes[k]:
            left = max(0, term - int(o.paid_hours[k].sum()))
            upfront = Fraction(int(o.upfront_micro_usd[k]) * left, term) if plan.accounting == "amortised" else 0
            total += int(r["nodes"]) * (int(o.micro_usd_per_hour[k]) * left + upfront)
    return round(total)


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
