"""The commands about bills: read them, compare them with a plan, write a plan as one."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import guard, planning, screen
from .screen import Column

if TYPE_CHECKING:
    from ..actuals import Bill, Comparison
    from ..actuals.match import Matching
    from ..actuals.planned import Rate
    from ..finance import Rates
    from ..plan import Plan
    from ..problem import Problem
    from ..table import Table

RATE_COLUMNS = ("day", "currency", "to", "rate")
SHOWN_CAUSES = 4
NOTES = 8  # printed of each kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How bills are read: which tags and tables join them to a plan, and what counts as an amount."""

    view: str = ""  # "" is the plan's accounting, or amortised
    workload_tags: Sequence[str] = ()
    team_tags: Sequence[str] = ()
    project_tags: Sequence[str] = ()
    nodes: Path | None = None
    regions: Path | None = None
    commitments: Path | None = None
    rates: Path | None = None
    currency: str = ""
    repeated: str = "keep"
    style: str = "table"
    limit: int = 0
    sharing: Sequence[str] = field(default_factory=tuple)  # "tax=even", "lab=3"

    def matching(self) -> Matching:
        """What joins a bill to a plan."""
        from ..actuals import Matching, read_map

        tags = {"workload_tags": self.workload_tags, "team_tags": self.team_tags, "project_tags": self.project_tags}
        maps = {"nodes": self.nodes, "regions": self.regions, "commitments": self.commitments}
        given: dict[str, Any] = {k: tuple(v) for k, v in tags.items() if v}
        given |= {k: read_map(v) for k, v in maps.items() if v is not None}
        return Matching(**given)

    def read(self, paths: Sequence[Path], matching: Matching) -> Bill:
        """The bill."""
        from ..actuals import read_bill

        return read_bill(list(paths), matching=matching, repeated=self.repeated, currency=self.currency)  # type: ignore[arg-type]


def read(paths: Sequence[Path], by: str, asked: Asked, *, pooled: bool) -> None:
    """Read a bill, say what was wrong with it, and show who pays for it."""
    from ..actuals import showback

    bill = asked.read(paths, asked.matching())
    sharing = _sharing(asked.sharing, pooled=pooled)
    shares = showback(bill, by, sharing, view=_view(asked.view), rates=read_rates(asked.rates))  # type: ignore[arg-type]
    _tell(bill)
    if asked.style == "table":
        screen.console().print(_summary(bill))
    _print(shares, asked)


def compare(plan: Path, paths: Sequence[Path], by: Sequence[str], asked: Asked, use: Path | None) -> None:
    """Compare a bill with a plan and say why they differ."""
    from ..actuals import compare, planned_bill

    made = planning.read_plan(plan)
    problem, rate = rates_of(made, plan)
    bill = asked.read(paths, asked.matching().for_plan(made))
    view = asked.view or made.accounting
    account = compare(
        planned_bill(made, rate), bill, view=_view(view), rates=read_rates(asked.rates), plan_day=_day(made)
    )
    _tell(bill)
    for note in account.notes:
        sys.stderr.write(f"note: {guard.plain(note)}\n")
    if use is not None:
        _print(_unit_costs(account, problem, made, use), asked)
        return
    if asked.style == "table":
        screen.console().print(_account(account))
    _print(_short(account.by(*by), by) if asked.style == "table" else account.by(*by), asked)


def export(plan: Path, out: Path) -> None:
    """Write a plan's bill."""
    from ..actuals import export_plan

    made = planning.read_plan(plan)
    rows = export_plan(made, out, rates_of(made, plan)[1])
    sys.stderr.write(f"wrote {rows:,} rows of FOCUS 1.2 to {guard.plain(str(out))}\n")


def rates_of(made: Plan, path: Path) -> tuple[Problem | None, Rate | None]:
    """The problem of a plan and what a unit of each line costs; (None, None) where it cannot be made again."""
    from ..diff.rates import Rates

    if not made.provenance.spec:
        return None, None
    problem = planning.rebuild(made, path)
    if problem.digest() != made.provenance.problem_digest:
        sys.stderr.write("note: the catalogue has changed since this plan was made: unit prices are left out\n")
        return None, None
    return problem, Rates(problem, made).of


def read_rates(path: Path | None) -> Rates | None:
    """Dated rates of exchange: a CSV with columns day, currency, to, rate.

    Raises:
        InputError: no such table, or a cell that is none.
    """
    from ..finance import Rates

    if path is None:
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        mend = f"a CSV with columns {','.join(RATE_COLUMNS)}"
        raise InputError(f"cannot be read: {error}", where=path.name, mend=mend) from None
    made = []
    for i, row in enumerate(rows, start=2):
        try:
            day, rate = date.fromisoformat((row["day"] or "").strip()), Decimal((row["rate"] or "").strip())
            made.append((day, (row["currency"] or "").strip(), (row["to"] or "").strip(), rate))
        except (KeyError, ValueError, InvalidOperation, TypeError, AttributeError):
            mend = "2027-01-31,EUR,USD,1.09 under day,currency,to,rate"
            raise InputError("is no rate", where=f"{path.name}, row {i}", mend=mend) from None
    return Rates(made)


def _day(made: Plan) -> date | None:
    try:
        return date.fromisoformat(made.provenance.as_of)
    except ValueError:
        return None


def _view(name: str) -> Any:
    return name or "amortised"


def _sharing(rules: Sequence[str], *, pooled: bool) -> Any:
    from ..actuals import Sharing
    from ..actuals.showback import SHARED

    parts = [rule.partition("=") for rule in rules]
    if bad := next((r for r, (_, sign, _) in zip(rules, parts, strict=True) if not sign), ""):
        raise InputError(
            f"{bad!r:.60} is no rule", where="--share", mend="such as tax=even, or lab=3 for fixed weights"
        )
    try:
        weights = {name: Decimal(value) for name, _, value in parts if name not in SHARED}
    except InvalidOperation:
        raise InputError("a weight that is no number", where="--share", mend="such as lab=3") from None
    named: Any = {name: value for name, _, value in parts if name in SHARED}
    return Sharing(rules=named, weights=weights, savings="pooled" if pooled else "owner")


def _tell(bill: Bill) -> None:
    """On stderr: what a reader should know of the bill before its figures."""
    book = bill.reconciliation
    lines = list(bill.notes[:NOTES])
    for title, counted in (("set aside", book.set_aside), ("kept", book.flagged)):
        for reason, amounts in counted.items():
            sums = ", ".join(f"{a:,.2f} {c}" for c, a in amounts.total().items())
            some = "; ".join(str(f) for f in book.examples.get(reason, ())[:2])
            lines.append(f"{title}: {amounts.rows:,} rows, {reason}" + f" ({sums or 'no amount'}): {some}".rstrip(": "))
    for line in lines:
        sys.stderr.write(f"note: {guard.plain(line)}\n")


def _summary(bill: Bill) -> str:
    book = bill.reconciliation
    months = f"{bill.months[0]} to {bill.months[-1]}" if bill.months else "no months"
    sums = [
        f"{word} {', '.join(f'{a:,.2f} {c}' for c, a in bill.total(view).items()) or '0'}"
        for word, view in (("cash", "billed"), ("amortised", "effective"))
    ]
    return (
        f"FOCUS {bill.version}, {months}: {book.read.rows:,} rows read, {book.kept.rows:,} kept, "
        f"{sum(a.rows for a in book.set_aside.values()):,} set aside; {'; '.join(sums)}."
    )


def _account(account: Comparison) -> str:
    """The comparison in a sentence or two."""
    from ..actuals import CAUSES
    from ..report import words

    total = account.by()
    causes = {c: int(total[f"{c}_micro_usd"][0]) for c in CAUSES} if len(total) else {}
    largest = sorted((c for c in causes if causes[c]), key=lambda c: -abs(causes[c]))
    said = ", ".join(f"{c} {words.usd(causes[c])}" for c in largest) or "nothing differs"
    change = words.usd(account.actual_micro_usd - account.planned_micro_usd)
    text = (
        f"{', '.join(account.months)}, {account.view}: planned {words.usd(account.planned_micro_usd)}, billed "
        f"{words.usd(account.actual_micro_usd)}, difference {change}: {said}."
    )
    waiting = f" {len(account.awaited)} planned months have no bill yet." if account.awaited else ""
    return text + _commitments(account) + waiting


def _commitments(account: Comparison) -> str:
    from ..actuals.variance import coverage, utilisation

    made = []
    for side in ("planned", "actual") if len(account.use) else ():
        used, unused, other = (
            sum(account.use[f"{side}_{c}"].tolist(), Fraction(0)) for c in ("used", "unused", "on_demand")
        )
        shares = [f"{float(100 * s):.1f} %" if s is not None else "–"
                  for s in (utilisation(used, unused), coverage(used, other))]  # fmt: skip
        made.append(f"{side} {shares[0]} used, {shares[1]} covered")
    return f" Commitments: {'; '.join(made)}." if made else ""


def _short(table: Table, by: Sequence[str]) -> Table:
    """For a terminal: planned, actual, difference and the causes that there are, the largest first."""
    from ..table import Table

    amounts = [n for n in table.names if n not in (*by, "planned_micro_usd", "actual_micro_usd")]
    there = sorted((n for n in amounts if table[n].any()), key=lambda n: -sum(abs(v) for v in table[n].tolist()))
    change = table["actual_micro_usd"] - table["planned_micro_usd"]
    rest = sum((table[n] for n in there[SHOWN_CAUSES:]), change * 0)
    columns = {n: table[n] for n in (*by, "planned_micro_usd", "actual_micro_usd")} | {"difference_micro_usd": change}
    columns |= {n: table[n] for n in there[:SHOWN_CAUSES]}
    return Table(columns | ({"others_micro_usd": rest} if there[SHOWN_CAUSES:] else {}))


def _unit_costs(account: Comparison, problem: Problem | None, made: Plan, use: Path) -> Table:
    from ..actuals import planned_use, read_use, unit_costs

    planned = planned_use(problem, made) if problem is not None else {}
    return unit_costs(account, planned, read_use(use))


def _print(table: Table, asked: Asked) -> None:
    """A table; dollars for people, exact decimals for programs."""
    from ..report import cells, words

    made = cells.columns(table)
    if asked.style != "table":
        rows = list(zip(*(c.values for c in made), strict=True))
        screen.print_rows([Column(c.name, c.name) for c in made], rows, asked.style)
        return

    def head(name: str) -> str:
        return name.replace("_micro_usd", "").replace("micro_usd", "charge").replace("_", " ")

    def show(name: str) -> Any:
        return words.usd if "micro_usd" in name else str

    columns = [Column(n, head(n), show(n), right="usd" in n) for n in table.names]
    rows = [tuple(row.values()) for row in table.records()]
    screen.print_rows(columns, rows, "table", limit=asked.limit)
