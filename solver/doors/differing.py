"""The command that compares two plans."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from . import guard, screen
from .planning import read_plan, rebuild

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..diff import Difference, Gate
    from ..plan import Plan
    from ..problem import Problem


def diff(before: Path, after: Path, max_increase: str | None, *, as_json: bool, limit: int) -> int:
    """Print the account of the change from one plan to another.

    Returns:
        0; or 3 when the new plan is dearer by more than `max_increase`.
    """
    from ..diff import Gate, diff

    gate = None if max_increase is None else Gate.read(max_increase)
    plans = read_plan(before), read_plan(after)
    problems = tuple(_problem(plan, path) for plan, path in zip(plans, (before, after), strict=True))
    found = diff(*plans, (problems[0], problems[1]))
    if as_json:
        from ..diff.shown import to_json

        sys.stdout.write(to_json(found, gate))
    else:
        show(found, limit)
    return judged(found, gate)


def judged(found: Difference, gate: Gate | None) -> int:
    """The exit code, and on stderr why."""
    if gate is None or gate.passed(found.before_micro_usd, found.after_micro_usd):
        return 0
    from ..diff.shown import headline

    guard.say(f"dearer by more than {gate.text}: {headline(found)}", where="--max-increase", mend="see its lines")
    return guard.BREACHED


def show(found: Difference, limit: int) -> None:
    """Print a difference as tables."""
    from ..diff import shown
    from ..report import words
    from ..report.terminal import plain_text

    console = screen.console()
    console.print(plain_text(shown.headline(found), "bold"))
    texts = [screen.Column(k, k.capitalize()) for k in ("cause", "change", "meaning")]
    _table("", texts, shown.cause_rows(found), 0)
    money = [screen.Column(k, k.capitalize(), words.usd, right=True) for k in ("before", "after")]
    change = screen.Column("change", "Change", shown.signed, right=True)
    names = [screen.Column(k, k.capitalize()) for k in ("workload", "what", "where", "option", "month")]
    _table("Lines", [*names, *money, change, screen.Column("cause", "Cause")], shown.line_rows(found), limit)
    count = [screen.Column(k, k.capitalize(), right=True) for k in ("before", "after")]
    where = [screen.Column(k, k.capitalize()) for k in ("where", "option", "starts")]
    bought = [
        (f"{h.provider}/{h.region}/{h.node}", h.option, h.starts, h.before, h.after, h.what) for h in found.purchases
    ]
    _table("Nodes bought (by the hour: at the peak)", [*where, *count, screen.Column("", "")], bought, limit)
    mean = [screen.Column(k, k.capitalize(), lambda x: f"{x:,.2f}", right=True) for k in ("before", "after")]
    moved = [(p.workload, f"{p.provider}/{p.region}/{p.node}", p.before, p.after) for p in found.placements]
    _table("Mean nodes running", [screen.Column("workload", "Workload"), where[0], *mean], moved, limit)
    for line in (*shown.certificates(found), *(f"Note: {note}" for note in found.notes)):
        console.print(plain_text(line, "dim"))


def _table(title: str, columns: list[screen.Column], rows: Sequence[Sequence[object]], limit: int) -> None:
    if rows:
        if title:
            sys.stdout.write(title + "\n")
            sys.stdout.flush()
        screen.print_rows(columns, rows, "table", limit=limit)


def _problem(plan: Plan, path: Path) -> Problem | None:
    """The plan's problem, where it can be made again."""
    try:
        return rebuild(plan, path) if plan.provenance.spec else None
    except InputError as error:
        sys.stderr.write(f"note: {guard.plain(str(error))}\n")
        return None
