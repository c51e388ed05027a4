"""What a plan costs on which days, for whom: its cost lines laid over days, so that any fiscal period can be cut out.

A month's line accrues evenly over the hours of the month (days are whole in UTC: 24 hours each); a payment in cash is
due on the day its commitment starts. With `C(d) = ⌊amount × days until d ÷ days⌋` the cost of [a, b) is C(b) − C(a), so
that the parts of a line add up to it whatever the cuts.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from ..errors import InputError
from ..finance import add_months
from ..money import apportion, to_usd
from ..table import Table
from .document import SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..plan import Plan
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
Day = datetime.date
NAMES = (*SCOPES, "kind")
INT64 = 2**63
NOT_MONEY = ("carbon", "unserved")  # kinds of lines that nobody is paid: prices of the plan's own
AT_ONCE = "upfront"  # the kind of line that is paid on one day, in cash


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Amounts by day and name, in each of F futures. L lines."""

    start: Day
    end: Day  # the day after the last
    first: Array  # int64 [L] ordinal of the first day
    days: Array  # int64 [L] of even accrual
    names: Table  # team, project, workload, provider, kind [L]
    micro_usd: Array  # int64 [F, L]
    probability: tuple[Fraction, ...]  # F, sums to 1
    basis: str = ""  # what the futures are
    sampled: bool = False  # drawn at random: another draw would give other probabilities
    notes: tuple[str, ...] = ()

    def mask(self, team: str = "", project: str = "", workload: str = "", provider: str = "") -> Array:
        """Lines with all the names given, bool [L]."""
        made = np.ones(len(self.first), dtype=bool)
        for name, value in zip(NAMES, (team, project, workload, provider), strict=False):
            if value:
                made &= self.names[name] == value
        return made

    def cost(self, mask: Array, start: Day, end: Day) -> Array:
        """Micro-dollars of some lines from a day until before another, in each future, int64 [F]."""
        at = np.flatnonzero(mask)
        amounts, first, days = self.micro_usd[:, at], self.first[at], self.days[at]
        until = [_until(amounts, days, np.clip(day.toordinal() - first, 0, days)) for day in (start, end)]
        return cast("Array", (until[1] - until[0]).sum(axis=1))

    def daily(self, mask: Array, start: Day, end: Day) -> Array:
        """The same of each day, int64 [F, days]."""
        edges = [start + datetime.timedelta(days=k) for k in range((end - start).days + 1)]
        sums = [self.cost(mask, start, day) for day in edges]
        return np.diff(np.array(sums).T.reshape(len(self.probability), -1), axis=1)

    def expected(self) -> Self:
        """The mean of the futures, each line rounded down to a whole micro-dollar, as one future."""
        if len(self.probability) == 1:
            return self
        scale = math.lcm(*(p.denominator for p in self.probability))
        weights = [int(p * scale) for p in self.probability]
        small = int(np.abs(self.micro_usd).max(initial=0)) * scale < INT64
        micro = self.micro_usd if small else self.micro_usd.astype(object)
        mean = (np.array(weights, dtype=micro.dtype) @ micro) // scale
        micro = mean.astype(np.int64)[None, :]
        return dataclasses.replace(self, micro_usd=micro, probability=(Fraction(1),))

    def money(self) -> Self:
        """Without what nobody is paid."""
        paid = ~np.isin(self.names["kind"].astype(str), NOT_MONEY)
        if paid.all():
            return self
        left = to_usd(int(self.expected().micro_usd[0, ~paid].sum()))
        note = f"${left:,.2f} of prices on carbon and on what is not served is no money: budgets do not count it"
        return dataclasses.replace(
            self, first=self.first[paid], days=self.days[paid], names=self.names.take(paid),
            micro_usd=self.micro_usd[:, paid], notes=(*self.notes, note),
        )  # fmt: skip

    @property
    def total_micro_usd(self) -> Array:
        """Of everything, int64 [F]."""
        return cast("Array", self.micro_usd.sum(axis=1))


def _until(amounts: Array, days: Array, passed: Array) -> Array:
    """⌊amount × passed ÷ days⌋ without leaving int64: whole days first, then the rest of the division."""
    whole, rest = np.divmod(amounts, days)
    return cast("Array", whole * passed + rest * passed // days)


def span(plan: Plan) -> tuple[Day, Day]:
    """First day of a plan and the day after its last: of its spec, or of the calendar months it names."""
    try:
        horizon = json.loads(plan.provenance.spec)["horizon"]
        start = Day.fromisoformat(horizon["start"])
        return start, add_months(start, int(horizon["months"]))
    except (ValueError, KeyError, TypeError):
        pass
    if not plan.periods:
        raise InputError("has no months", where="plan", mend="plan again")
    first, last = (month_of(label, "plan") for label in (plan.periods[0], plan.periods[-1]))
    return first, add_months(last, 1)


def month_of(label: str, where: str) -> Day:
    """The first day of a month by its label, "2027-03"."""
    try:
        return Day.fromisoformat(f"{label}-01")
    except ValueError:
        raise InputError(f"{label!r:.40} is no month", where=where, mend="write it as YYYY-MM") from None


def ledger(
    plan: Plan,
    *,
    projects: Mapping[str, str] | None = None,
    accounting: str | None = None,
    problem: Problem | None = None,
    futures: bool = False,
    penalties: bool = True,
) -> Ledger:
    """The ledger of a plan.

    Args:
        plan: with its bill.
        projects: project by workload.
        accounting: "amortised" or "cash"; that of the plan without.
        problem: of the plan: needed for the other accounting and for futures.
        futures: what the plan costs in each future of its problem, instead of what is expected.
        penalties: with the prices of carbon and of what is not served, which nobody is paid; else a note says what
            they come to.

    Raises:
        InputError: the plan has no bill, or the problem is needed and not known.
    """
    if plan.termination == "infeasible":
        raise InputError("has no bill: its requirements contradict one another", where="plan", mend="plan again")
    view = accounting or plan.accounting
    if view == plan.accounting and not futures:
        made = _made(plan, [list(_rows(plan.cost_lines.records(), plan, view))], (Fraction(1),), projects or {})
        return made if penalties else made.money()
    if problem is None or problem.digest() != plan.provenance.problem_digest:
        what = "what it costs in each future" if futures else f"its {view} cost"
        mend = f"give budgets in {plan.accounting} accounting" if not futures else "give a forecast instead"
        raise InputError(f"{what} needs its problem, which cannot be made again", where="plan", mend=mend)
    limits = dataclasses.replace(problem.limits, accounting=view)  # type: ignore[arg-type]  # one of the two
    problem = dataclasses.replace(problem, limits=limits)
    weights = problem.futures if futures else ((Fraction(1),), (problem.blocks.probability,))
    every = [list(_rows(_owed(_in_future(problem, share), plan), plan, view)) for share in weights[1]]
    made = _made(plan, every, weights[0], projects or {})
    return made if penalties else made.money()


def _in_future(problem: Problem, share: Sequence[Fraction]) -> Problem:
    """The problem with nothing but one future: so much of its time in each scenario."""
    time = tuple(share)
    out = problem.outages
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(problem.blocks, probability=time),
        outages=None if out is None else dataclasses.replace(out, probability=(Fraction(1),), share=(time,)),
    )


def _owed(problem: Problem, plan: Plan) -> Iterable[dict[str, Any]]:
    """Cost lines of a plan's purchases and placements, as the checker recomputes them."""
    from ..bill import IDLE, IDLE_NAME
    from ..rules import RULES, Books

    books, w = Books(problem, plan), problem.workloads
    for line in (line for rule in RULES for line in rule.owed(problem, books)):
        place = problem.pool_names[line.pool].split("/", 2) if line.pool >= 0 else ["", "", ""]
        who = (w.name[line.workload], w.team[line.workload]) if line.workload != IDLE else (IDLE_NAME, "")
        yield {
            "kind": line.kind, "provider": place[0], "region": place[1], "node": place[2], "option": line.option,
            "workload": who[0], "team": who[1], "period": problem.blocks.periods[line.period],
            "micro_usd": line.micro_usd,
        }  # fmt: skip


Row = tuple[tuple[str, ...], int, int, int]  # team, workload, provider, kind; first day, days; micro-dollars


def _rows(lines: Iterable[Mapping[str, Any]], plan: Plan, view: str) -> Iterable[Row]:
    """Each line over its days of the horizon; a payment in cash on the days on which its commitments start."""
    months = month_spans(plan)
    starts = _starts(plan) if view == "cash" else {}
    for r in lines:
        who, micro = tuple(str(r[k]) for k in ("team", "workload", "provider", "kind")), int(r["micro_usd"])
        due = starts.get(tuple(str(r[k]) for k in ("provider", "region", "node", "option", "period")))
        if r["kind"] == AT_ONCE and due:
            for day, part in zip(due, apportion(micro, list(due.values())), strict=True):
                yield who, day, 1, part
        else:
            yield who, *months[str(r["period"])], micro


def month_spans(plan: Plan) -> dict[str, tuple[int, int]]:
    """First day, as an ordinal, and days of each month of a plan, cut to its horizon."""
    start, end = span(plan)
    made: dict[str, tuple[int, int]] = {}
    for label in plan.periods:
        first = month_of(label, "plan")
        low, high = max(first, start), min(add_months(first, 1), end)
        if high <= low:
            raise InputError(f"month {label} is not in its horizon", where="plan", mend="plan again")
        made[label] = low.toordinal(), (high - low).days
    return made


def _starts(plan: Plan) -> dict[tuple[str, ...], dict[int, int]]:
    """Nodes by day of the commitments that start in each month."""
    made: dict[tuple[str, ...], dict[int, int]] = {}
    for r in plan.purchases.records() if len(plan.purchases) else ():
        if r["starts"]:
            key = (*(str(r[k]) for k in ("provider", "region", "node", "option")), str(r["starts"])[:7])
            day, held = Day.fromisoformat(str(r["starts"])).toordinal(), made.setdefault(key, {})
            held[day] = held.get(day, 0) + int(r["nodes"])
    return made


def covered(spans: Iterable[tuple[Day, Day]], start: Day, end: Day) -> int:
    """Days of [start, end) that lie in spans which do not overlap."""
    return sum(max(0, (min(e, end) - max(s, start)).days) for s, e in spans)


def _made(
    plan: Plan, futures: list[list[Row]], probability: tuple[Fraction, ...], projects: Mapping[str, str]
) -> Ledger:
    """Rows of each future under one set of keys."""
    keys: dict[tuple[Any, ...], int] = {}
    for rows in futures:
        for who, first, days, _ in rows:
            keys.setdefault((who, first, days), len(keys))
    micro = np.zeros((len(futures), len(keys)), dtype=np.int64)
    for f, rows in enumerate(futures):
        for who, first, days, amount in rows:
            micro[f, keys[who, first, days]] += amount
    start, end = span(plan)
    rows_of = [(team, projects.get(workload, ""), workload, *rest) for (team, workload, *rest), _, _ in keys]
    return Ledger(
        start=start,
        end=end,
        first=np.array([k[1] for k in keys], dtype=np.int64),
        days=np.array([k[2] for k in keys], dtype=np.int64),
        names=Table.from_records(NAMES, rows_of),
        micro_usd=micro,
        probability=probability,
        basis=f"{len(probability)} futures of the plan, as probable as its spec says" if len(probability) > 1 else "",
    )
