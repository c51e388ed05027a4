"""The commands about budgets: where each stands, and the gate of a pipeline."""

from __future__ import annotations

import datetime
import json
import os
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InfeasibleError, InputError
from . import guard, screen
from .planning import read_plan, rebuild

if TYPE_CHECKING:
    from ..budget import Book, BudgetFile, Budgets, Ledger, Standing
    from ..budget.advise import Advice
    from ..budget.gate import Verdict
    from ..plan import Plan
    from ..problem import Problem
    from .planning import Search

NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Where cost beside the plan's comes from."""

    actuals: Path | None = None
    bills: tuple[Path, ...] = ()
    as_of: str | None = None
    paths: Path | None = None
    pace: bool = False
    forecast: bool = False
    demand: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        given = {
            "--paths": self.paths is not None, "--pace": self.pace, "--forecast": self.forecast,
            "--demand": self.demand is not None,
        }  # fmt: skip
        chosen = [name for name, is_given in given.items() if is_given]
        if len(chosen) > 1:
            raise InputError("all say what is to come", where=", ".join(chosen), mend="give one of them")
        of_actual = [name for name in ("--pace", "--forecast") if given[name]] + ["--as-of"] * (self.as_of is not None)
        if self.actuals is None and not self.bills and of_actual:
            raise InputError("is of actual cost", where=of_actual[0], mend="give --actuals or --bill, too")
        if self.actuals is not None and self.bills:
            raise InputError("both say what was spent", where="--actuals, --bill", mend="give one of them")


def budget(plan: Path, budgets: str, costs: Costs, *, by: str, level: float, fail_on: str, style: str) -> int:
    """Print where each budget stands, and what is planned by fiscal month and `by`.

    Returns:
        0; or 3 when an alert as grave as `fail_on` goes off.
    """
    from ..budget import standings
    from ..budget.document import SEVERITIES

    if not 0 < level < 1:
        raise InputError(f"{level:g} is no level", where="--level", mend="a share between 0 and 1, such as 0.9")
    made = _planned(plan)
    file = _budgets(budgets)
    book = _book(file, made, plan, costs, futures=True)
    found = standings(file, book, Fraction(str(level)))
    _print_standings(file, book, found, by, style)
    for note in (*book.planned.notes, *(book.actual.notes if book.actual else ())):
        sys.stderr.write(f"note: {guard.plain(note)}\n")
    grave = [s for s in found if s.severity and fail_on != NEVER]
    grave = [s for s in grave if SEVERITIES.index(s.severity) >= SEVERITIES.index(fail_on)]
    if not grave:
        return 0
    names = ", ".join(f"{s.limit.budget.name} ({s.limit.period.label})" for s in grave[:3])
    more = f" and {len(grave) - 3} more" if len(grave) > 3 else ""  # noqa: PLR2004
    guard.say(f"alerts of {names}{more}", where="--fail-on", mend="see the budgets above")
    return guard.BREACHED


def gate(
    plan: Path,
    budgets: str | None,
    costs: Costs,
    increase: tuple[str | None, Path | None],
    most_probable: float | None,
    search: Search | None,
    *,
    style: str,
) -> int:
    """Hold a plan against its limits and print the verdict.

    Args:
        plan: a plan.json.
        budgets: a file, or an amount.
        costs: beside the plan's.
        increase: at most so much more, than that plan.
        most_probable: how likely a breach may be.
        search: for advice, which plans again; None for none.
        style: text, markdown, junit or json.

    Returns:
        0; or 3 when a limit is breached.
    """
    from ..budget import gate as gates
    from ..budget import shown
    from ..diff import Gate

    limit, old = increase
    if (limit is None) != (old is None):
        raise InputError("one without the other", where="--max-increase, --against", mend="give both")
    if most_probable is not None and not 0 <= most_probable <= 1:
        mend = "a share from 0 to 1, such as 0.1"
        raise InputError(f"{most_probable:g} is no probability", where="--max-breach-probability", mend=mend)
    gate_of = None if limit is None else Gate.read(limit)
    made = _planned(plan)
    file = None if budgets is None else _budgets(budgets)
    wanted = most_probable is not None
    held = None if file is None else (file, _book(file, made, plan, costs, futures=wanted))
    found = gates.gate(
        made, budgets=held, increase=None if gate_of is None or old is None else (gate_of, read_plan(old)),
        most_probable=Fraction(str(most_probable)) if most_probable is not None else None,
    )  # fmt: skip
    told = _advice(found, held, made, search)
    text = {
        "text": lambda: shown.to_text(found, told), "markdown": lambda: shown.to_markdown(found, told),
        "junit": lambda: shown.to_junit(found), "json": lambda: shown.to_json(found, told),
    }  # fmt: skip
    sys.stdout.write(text[style]())
    return 0 if found.passed else guard.BREACHED


def _advice(found: Verdict, held: tuple[BudgetFile, Book] | None, plan: Plan, search: Search | None) -> Advice | None:
    """What would get back under the budgets, where it is asked for."""
    if search is None or held is None or found.passed:
        return None
    from ..budget.advise import advise

    with screen.progress() as follow:
        return advise(plan, *held, time_limit_s=search.time_limit_s, gap=search.gap, seed=search.seed, progress=follow)


def _planned(path: Path) -> Plan:
    made = read_plan(path)
    if made.termination == "infeasible":
        mend = "see its conflicts: autoparallel explain, or plan again"
        raise InfeasibleError("there is no plan: its requirements contradict one another", where=str(path), mend=mend)
    return made


def _budgets(source: str) -> BudgetFile:
    """A file where there is one of that name, or where it looks like one; else an amount."""
    from ..budget import read_budgets
    from ..budget.limits import simple
    from ..spec.reader import SUFFIXES

    is_file = source.lower().endswith(SUFFIXES) or os.path.exists(source)  # noqa: PTH110 (never raises)
    return read_budgets(Path(source)) if is_file else simple(source)


def _book(file: BudgetFile, plan: Plan, path: Path, costs: Costs, *, futures: bool) -> Book:
    """All that is known of cost."""
    from ..budget import Book, ledger, read_paths
    from ..budget.limits import check_names, names_of

    budgets = file.budgets
    check_names(file, plan)
    known = names_of(plan) if budgets.unknown == "error" else None
    view = budgets.accounting or plan.accounting
    own = costs.paths is None and costs.demand is None and not costs.pace and not costs.forecast
    wanted = (futures and own and _uncertain(plan)) or costs.demand is not None
    problem = _problem(plan, path) if wanted or view != plan.accounting else None
    how: dict[str, Any] = {"projects": budgets.project_of, "accounting": view, "penalties": budgets.penalties}
    planned = ledger(plan, problem=problem, **how)
    may_be: Ledger | None = None
    if costs.paths is not None:
        may_be = read_paths(costs.paths, budgets, planned, known)
        planned = may_be.expected()
    elif costs.demand is not None:
        may_be = _at_demand(costs.demand, plan, problem, planned, budgets)
        planned = may_be.expected()
    elif wanted and problem is not None:
        may_be = ledger(plan, problem=problem, futures=True, **how)
    spent = _spent(file, plan, costs, known)
    if spent is not None and (costs.pace or costs.forecast):
        may_be = _rest(planned, spent, costs)
        planned = may_be.expected()
    return Book(planned=planned, actual=spent, futures=may_be)


def _at_demand(history: Path, plan: Plan, problem: Problem | None, planned: Ledger, budgets: Budgets) -> Ledger:
    """What the plan costs at the demand that a history forecasts until its end."""
    import numpy as np

    from ..budget.demand import at_demand
    from ..forecast import forecast, read_history

    if problem is None:
        raise InputError("needs the plan's problem, which cannot be made again", where="--demand", mend="plan again")
    past = read_history(history, unit="requests/h")
    left = (np.datetime64(planned.end, "h") - past.times[-1]) // np.timedelta64(past.step_hours, "h") - 1
    if left < 1:
        raise InputError("its history ends after the plan", where="--demand", mend="leave it out")
    return at_demand(plan, problem, planned, forecast(past, int(left)), budgets)


def _spent(file: BudgetFile, plan: Plan, costs: Costs, known: dict[str, set[str]] | None) -> Ledger | None:
    """What was spent, from a table or a bill."""
    budgets = file.budgets
    if costs.bills:
        from ..actuals import Matching, read_bill
        from ..budget.billed import from_bill

        bill = read_bill(list(costs.bills), matching=Matching().for_plan(plan), grain="day")
        return from_bill(bill, budgets, budgets.accounting or plan.accounting, _day(costs.as_of))
    if costs.actuals is None:
        return None
    from ..budget import read_actuals

    return read_actuals(costs.actuals, budgets, _day(costs.as_of), known)


def _rest(planned: Ledger, spent: Ledger, costs: Costs) -> Ledger:
    """What is to come, from what was spent."""
    if costs.pace:
        from ..budget import at_pace

        return at_pace(planned, spent)
    from ..budget.ahead import ahead

    return ahead(planned, spent)


def _uncertain(plan: Plan) -> bool:
    """Whether more than one future of a plan is known, as far as its table of risk says."""
    return bool(len(plan.risk))


def _problem(plan: Plan, path: Path) -> Problem | None:
    """The plan's problem, where it can be made again as it was."""
    try:
        made = rebuild(plan, path)
    except InputError as error:
        sys.stderr.write(f"note: {guard.plain(str(error))}\n")
        return None
    if made.digest() != plan.provenance.problem_digest:
        sys.stderr.write("note: the catalogue or the version has changed since this plan was made\n")
        return None
    return made


def _day(text: str | None) -> datetime.date | None:
    try:
        return None if text is None else datetime.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r:.40} is no day", where="--as-of", mend="write it as 2027-03-15") from None


def _print_standings(file: BudgetFile, book: Book, found: list[Standing], by: str, style: str) -> None:
    from ..budget import shown
    from ..budget.parts import parts
    from ..report.cells import edge_name

    rows = [shown.standing(s) for s in found]
    table = parts(book, file.budgets.fiscal, by)
    if style == "json":
        futures = book.futures
        made = {
            "standings": rows, "basis": "" if futures is None else futures.basis,
            "parts": [
                {edge_name(k): shown.edge(v) if "micro" in k else v for k, v in r.items()} for r in table.records()
            ],
        }  # fmt: skip
        sys.stdout.write(json.dumps(made, indent=1, default=str) + "\n")
        return
    screen.print_rows(_columns(found), [tuple(r[c.key] for c in _columns(found)) for r in rows], style)
    if style == "table":
        _print_parts(table, by)
        if book.futures is not None:
            screen.console().print(f"Intervals and probabilities: {guard.plain(book.futures.basis)}", style="dim")


def _columns(found: list[Standing]) -> list[screen.Column]:
    """What a table of standings shows: what is known of any of them."""
    heads: list[tuple[str, str, str, Any]] = [
        ("budget", "Budget", "text", True), ("scope", "Scope", "text", True), ("period", "Period", "text", True),
        ("allowed_usd", "Allowed", "usd", True), ("spent_usd", "Spent", "usd", any(s.spent for s in found)),
        ("estimate_usd", "Estimate", "usd", True), ("lower_usd", "Low", "usd", any(s.lower is not None for s in found)),
        ("upper_usd", "High", "usd", any(s.upper is not None for s in found)), ("over_usd", "Over by", "usd", True),
        ("breach_probability", "P(over)", "share", any(s.probability is not None for s in found)),
        ("exhausted", "Used up", "text", any(s.exhausted for s in found)),
        ("severity", "Alert", "text", True),
    ]  # fmt: skip
    return [
        screen.Column(key, head, {"usd": _usd, "share": _share, "text": _text}[kind], right=kind != "text")
        for key, head, kind, there in heads
        if there
    ]


def _print_parts(table: Any, by: str) -> None:
    from ..report import words

    names = [screen.Column("period", "Period"), screen.Column(by, by.capitalize())]
    money = [
        screen.Column(k, head, words.usd, right=True)
        for k, head in (("spent_micro_usd", "Spent"), ("to_come_micro_usd", "To come"), ("micro_usd", "In all"))
    ]
    rows = list(zip(*(table[name].tolist() for name in table.names), strict=True))
    sys.stdout.write(f"Cost by fiscal month and {by}\n")
    sys.stdout.flush()
    screen.print_rows([*names, *money], rows, "table")


def _usd(text: Any) -> str:
    from decimal import Decimal

    from ..report import words

    return "–" if text is None else words.usd(int(Decimal(text).scaleb(6)), 0)


def _share(value: Any) -> str:
    return "–" if value is None else f"{value:.2%}".replace("%", " %")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
