"""Tables that cannot be read against their problem are refused by name, and nothing is raised."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.check import COLUMNS, check
from solver.plan import Plan
from solver.table import Table

from .by_hand import Choice, Work, commitment, make, on_demand
from .mutations import settled
from .plans import plan_of
from .test_mutations import base

SEED = 7  # has rows in every table
NONSENSE = (None, True, 1.5, math.nan, math.inf, "x", "", -(10**30), 10**30, Table({}))


def column(values: list[Any]) -> Any:
    """Any values as they are."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def with_cell(plan: Plan, table: str, name: str, value: Any) -> Plan | None:
    """A plan with one cell of a table replaced; None where that very value stands already."""
    old = getattr(plan, table)
    values = old[name].tolist()
    if repr(values[len(values) // 2]) == repr(value):
        return None
    values[len(values) // 2] = value
    changed: dict[str, Any] = {table: old.with_columns(**{name: column(values)})}
    return dataclasses.replace(plan, **changed)


@pytest.mark.parametrize("table", COLUMNS)
def test_nonsense_in_any_cell_is_found(table: str) -> None:
    """Whatever stands there, `check` says so and raises nothing."""
    problem, plan = base(SEED)
    assert len(getattr(plan, table))
    for name in COLUMNS[table]:
        for value in NONSENSE:
            changed = with_cell(plan, table, name, value)
            assert changed is None or check(problem, changed), (name, value)


@pytest.mark.parametrize("table", COLUMNS)
def test_a_missing_column_is_named(table: str) -> None:
    """Each column in turn, and a table without any."""
    problem, plan = base(SEED)
    old = getattr(plan, table)
    for name in COLUMNS[table]:
        less: dict[str, Any] = {table: Table({n: old[n] for n in old.names if n != name})}
        (found,) = check(problem, dataclasses.replace(plan, **less))
        assert (found.where, found.message) == (table, f"has no column {name}")
    nothing: dict[str, Any] = {table: Table({})}
    assert check(problem, dataclasses.replace(plan, **nothing))


@pytest.mark.parametrize("table", COLUMNS)
def test_an_empty_table_is_found(table: str) -> None:
    """No rows at all: something is then not bought, not running, not served, not owned up to, or not paid."""
    problem, plan = base(SEED)
    empty: dict[str, Any] = {table: getattr(plan, table).take(np.zeros(len(getattr(plan, table)), dtype=bool))}
    assert check(problem, settled(dataclasses.replace(plan, **empty)))


MISPLACED: dict[str, tuple[str, int, dict[str, Any], str]] = {  # table, row, what it says now, column that is wrong
    "a commitment of one block": ("purchases", 0, {"block": 0}, "block"),
    "nodes on demand of no block": ("purchases", 1, {"block": -1}, "block"),
    "nodes that run in no block": ("placements", 0, {"block": -1}, "block"),
    "units served by another workload's nodes": ("served", 0, {"candidate": 1}, "candidate"),
    "units served in no block": ("served", 0, {"block": -1}, "block"),
    "units of a flow left in no block": ("unserved", 0, {"block": -1}, "block"),
    "work left in a block": ("unserved", 2, {"block": 0}, "block"),
    "units left in another future": ("unserved", 0, {"scenario": 1}, "scenario"),
}


@pytest.mark.parametrize("case", MISPLACED)
def test_a_row_of_the_wrong_kind_is_named(case: str) -> None:
    """Even where it costs and changes nothing: all is free here, and there is room for everything."""
    flow, job = Work(demand=(5, 5)), Work(total=20, kind="batch")
    problem = make(
        offers=[on_demand(0), commitment(0)], work=[flow, job], hours=[(1,), (1,)], scenario=(0, 1),
        probability=(Fraction(1, 2),) * 2,
    )  # fmt: skip
    choice = Choice(
        run={(0,): (2, 2), (1,): (2, 2)}, served={(0,): (4, 4), (1,): (10, 20)}, bought={0: (3, 3)}, held={1: 1},
        left={0: (1, 1)}, undone={1: (10, 0)},
    )  # fmt: skip
    plan = plan_of(problem, choice.decision(problem))
    assert check(problem, plan) == []
    table, row, fields, wrong = MISPLACED[case]
    rows = [r if n != row else {**r, **fields} for n, r in enumerate(sorted_rows(plan, table))]
    names = getattr(plan, table).names
    changed: dict[str, Any] = {table: Table.from_records(names, [[r[n] for n in names] for r in rows])}
    found = [v for v in check(problem, dataclasses.replace(plan, **changed)) if v.where == f"{table}, row {row}"]
    assert [v.message.split()[0] for v in found] == [wrong]


def sorted_rows(plan: Plan, table: str) -> list[dict[str, Any]]:
    """Rows by kind, then by what they are of: commitments before nodes on demand, flows before jobs."""
    return sorted(getattr(plan, table).records(), key=lambda r: [(r.get("kind", "")), *map(str, list(r.values())[:2])])


def test_the_order_of_rows_and_further_columns_say_nothing() -> None:
    """The same rows in any order, with a remark beside them, are the same plan."""
    problem, plan = base(SEED)
    changed: dict[str, Any] = {}
    for name in COLUMNS:
        table = getattr(plan, name)
        turned = table.take(np.arange(len(table))[::-1])
        changed[name] = turned.with_columns(remark=["of no account"] * len(table))
    assert check(problem, dataclasses.replace(plan, **changed)) == []


def test_views_are_not_looked_at() -> None:
    """What `check` says it does not cover."""
    problem, plan = base(SEED)
    views = {name: Table({"anything": [1]}) for name in ("fleet", "ways", "excuses", "conflicts")}
    changed: dict[str, Any] = {**views}
    assert check(problem, dataclasses.replace(plan, **changed)) == []
