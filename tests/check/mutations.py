"""Plans with one thing changed: a number, a name, a row, a month, a pool, a bound."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from solver.plan import Certificate, Plan
from solver.problem import MARKETS, OFFER_KINDS
from solver.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from solver.bill import Decision
    from solver.problem import Problem

Row = dict[str, Any]
Rows = list[Row]
TABLES = ("purchases", "placements", "served", "unserved", "cost_lines")
GARBAGE = ("", "nobody", "on_demand ")


class Mutator:
    """Draws mutants of one sound plan. Each differs from it; row order and views are left alone."""

    def __init__(self, problem: Problem, plan: Plan, seed: int) -> None:
        """Keep the parts that mutants are made of."""
        self.problem, self.plan, self.rng = problem, plan, np.random.default_rng(seed)
        self.rows: dict[str, Rows] = {name: list(getattr(plan, name).records()) for name in TABLES}

    def draw(self) -> tuple[str, Plan]:
        """A mutant and what was done to it."""
        while True:
            made = self._head() if self.rng.random() < HEADS else self._table()
            if made:
                return made

    def one_of(self, values: Any) -> Any:
        """Any of them."""
        every = list(values)
        return every[int(self.rng.integers(len(every)))]

    def _table(self) -> tuple[str, Plan] | None:
        name = self.one_of(TABLES)
        rows = [dict(r) for r in self.rows[name]]
        change: Callable[[str, Rows], str] = self.one_of(
            (self._number, self._number, self._text, self._drop, self._twice, self._swap, self._move, self._rename,
             self._shift, self._besides)
        )  # fmt: skip
        if not rows:
            return None
        said = change(name, rows)
        if not said or sorted(map(repr, rows)) == sorted(map(repr, self.rows[name])):
            return None  # the order of rows says nothing
        names = getattr(self.plan, name).names
        table = Table.from_records(names, [[r[n] for n in names] for r in rows])
        changed: dict[str, Any] = {name: table}
        return f"{name}: {said}", settled(dataclasses.replace(self.plan, **changed))

    def _number(self, _name: str, rows: Rows) -> str:
        """A number one more or less, or doubled, or of the wrong sign."""
        row = self.one_of(rows)
        column = self.one_of([c for c, v in row.items() if isinstance(v, int)])
        old = row[column]
        row[column] = self.one_of([old + 1, old - 1, old + 1, old - 1, 2 * old, -old, 0])
        return f"{column} {old} -> {row[column]}"

    def _text(self, _name: str, rows: Rows) -> str:
        """A name that is another row's, or nobody's."""
        row = self.one_of(rows)
        column = self.one_of([c for c, v in row.items() if isinstance(v, str)])
        old = row[column]
        row[column] = self.one_of([*{r[column] for r in rows}, *GARBAGE, *self._domain(column)])
        return f"{column} {old!r} -> {row[column]!r}"

    def _domain(self, column: str) -> list[str]:
        p = self.problem
        kinds = [*OFFER_KINDS, "compute", "upfront", "transfer", "carbon", "unserved"]
        known: dict[str, Any] = {
            "option": p.offers.option, "workload": p.workloads.name, "team": p.workloads.team, "kind": kinds,
            "period": p.blocks.periods, "region": p.sites.region, "node": p.shapes.node, "market": MARKETS,
        }  # fmt: skip
        return list(known.get(column, []))

    def _drop(self, _name: str, rows: Rows) -> str:
        gone = rows.pop(int(self.rng.integers(len(rows))))
        return f"dropped {gone}"

    def _twice(self, _name: str, rows: Rows) -> str:
        again = dict(self.one_of(rows))
        rows.append(again)
        return f"twice {again}"

    def _besides(self, name: str, rows: Rows) -> str:
        """One more row, like another but for one thing."""
        rows.append(dict(self.one_of(rows)))
        change = self.one_of((self._number, self._text, self._move, self._rename))
        return f"besides, {change(name, [rows[-1]])}"

    def _swap(self, _name: str, rows: Rows) -> str:
        """Two rows exchange a value."""
        one, other, column = self.one_of(rows), self.one_of(rows), self.one_of(rows[0])
        one[column], other[column] = other[column], one[column]
        return f"swapped {column}"

    def _move(self, name: str, rows: Rows) -> str:
        """A row stands in another block or month."""
        row = self.one_of(rows)
        column = "period" if name == "cost_lines" else "block"
        blocks = self.problem.blocks
        old = row[column]
        row[column] = self.one_of(blocks.periods if column == "period" else range(blocks.count))
        return f"moved from {old} to {row[column]}"

    def _rename(self, name: str, rows: Rows) -> str:
        """A row is of another offer, candidate or source, and everything in it says so."""
        row = self.one_of(rows)
        if name == "cost_lines":
            row.update({c: self.one_of(rows)[c] for c in ("kind", "option")})
            return f"now {row['kind']} {row['option']}"
        key = {"purchases": "offer", "placements": "candidate"}.get(name, "source")
        if name == "served" and self.rng.random() < HALF:
            key = "candidate"
        p = self.problem
        count = {"offer": len(p.offers.pool), "candidate": len(p.candidates.pool), "source": len(p.sources.origin)}[key]
        old, row[key] = row[key], int(self.rng.integers(count))
        row.update(consistent(p, name, row))
        return f"{key} {old} -> {row[key]}, with its names"

    def _shift(self, _name: str, rows: Rows) -> str:
        """An amount goes from one row to another, so that the sum stays."""
        column = next(c for c in ("micro_usd", "replicas", "units_per_hour", "units", "nodes") if c in rows[0])
        one, other = self.one_of(rows), self.one_of(rows)
        amount = int(self.rng.integers(1, 1 + max(1, one[column] // 2)))
        for row, more in ((one, -amount), (other, amount)):
            row[column] += more
            if column == "replicas":
                row["nodes"] = row[column] * int(self.problem.candidates.nodes_per_replica[row["candidate"]])
        return f"{amount} of {column} moved to another row"

    def _head(self) -> tuple[str, Plan]:
        """The certificate, the months, the hours, the accounting, the problem it is of."""
        plan, c = self.plan, self.plan.certificate
        low, high = c.lower_micro_usd, c.upper_micro_usd
        first, *rest = plan.periods
        hours, at = list(plan.block_hours), int(self.rng.integers(len(plan.block_hours)))
        hours[at] += self.one_of((-1, 1))
        nobody: Any = "sworn"
        other = {"amortised": "cash", "cash": "amortised"}[plan.accounting]
        changes: list[tuple[str, dict[str, Any]]] = [
            ("upper + 1", {"certificate": proved(low, high + 1)}),
            ("upper - 1", {"certificate": proved(min(low, high - 1), high - 1)}),
            ("lower above upper", {"certificate": proved(high + 1, high)}),
            ("lower below zero", {"certificate": proved(-1, high)}),
            ("nothing proved", {"certificate": dataclasses.replace(c, kind="none")}),
            ("proved by nobody", {"certificate": dataclasses.replace(c, kind=nobody)}),
            ("infeasible", {"termination": "infeasible"}),
            ("unknown end", {"termination": "done"}),
            ("accounting", {"accounting": other}),
            ("a month less", {"periods": tuple(rest)}),
            ("months swapped", {"periods": (*rest, first)}),
            ("another month", {"periods": ("2031-01", *rest)}),
            ("hours of a block", {"block_hours": tuple(hours)}),
            ("a block less", {"block_hours": plan.block_hours[1:]}),
            ("another problem", {"provenance": dataclasses.replace(plan.provenance, problem_digest="0" * 64)}),
        ]
        said, fields = self.one_of(changes)
        return f"head: {said}", dataclasses.replace(plan, **fields)


HEADS, HALF = 0.06, 0.5
NUMBERS = ("replicas", "on_demand", "committed", "served", "unserved", "undone")


def redecided(problem: Problem, decision: Decision, rng: Any) -> Decision:
    """A decision with one to three of its numbers one more or less, or some units served elsewhere or at another time.

    The numbers that change are often such as are not zero.
    """
    arrays = {name: getattr(decision, name).copy() for name in NUMBERS}
    for _ in range(int(rng.integers(1, 4))):
        array = arrays[NUMBERS[int(rng.integers(len(NUMBERS)))]]
        filled = np.argwhere(array > 0)
        if not array.size:
            continue
        anywhere = tuple(int(rng.integers(n)) for n in array.shape)
        at = tuple(filled[int(rng.integers(len(filled)))]) if len(filled) and rng.random() < OFTEN else anywhere
        array[at] = max(0, array[at] + int(rng.choice([-1, 1])))
    served = arrays["served"]
    if rng.random() < HALF and served.any():
        filled = np.argwhere(served > 0)
        e, b = filled[int(rng.integers(len(filled)))]
        amount = int(rng.integers(1, served[e, b] + 1))
        mine = np.flatnonzero(decision.pairs[0] == decision.pairs[0, e])
        other = (int(rng.choice(mine)), b) if rng.random() < OFTEN else (e, int(rng.integers(served.shape[1])))
        served[e, b] -= amount
        served[other] += amount
    jobs = problem.sources.total_units > 0
    arrays["unserved"][jobs] = 0  # a job's units are left of a scenario, a flow's of a block
    arrays["undone"][~jobs] = 0
    return dataclasses.replace(decision, **arrays)


OFTEN = 0.8


def proved(low: int, high: int) -> Certificate:
    """A certificate of these bounds."""
    return Certificate(kind="proved", lower_micro_usd=low, upper_micro_usd=high)


def settled(plan: Plan) -> Plan:
    """The plan with a certificate that fits its lines, so that it does not give a changed line away."""
    total = plan.total_micro_usd
    return dataclasses.replace(plan, certificate=proved(min(plan.certificate.lower_micro_usd, total), total))


def consistent(problem: Problem, name: str, row: Row) -> Row:
    """The names that belong to the rows a row points at."""
    c, o, s, w = problem.candidates, problem.offers, problem.sources, problem.workloads
    place = [dict(zip(("provider", "region", "node"), n.split("/", 2), strict=True)) for n in problem.pool_names]
    if name == "purchases":
        k = row["offer"]
        lasting = OFFER_KINDS[o.kind[k]] == "commitment"
        return {
            **place[o.pool[k]], "option": o.option[k], "kind": OFFER_KINDS[o.kind[k]],
            "block": -1 if lasting else max(0, row["block"]), "starts": o.starts[k] if lasting else "",
            "term_hours": int(o.term_hours[k]) if lasting else 0,
        }  # fmt: skip
    if name == "placements":
        k = row["candidate"]
        nodes = row["replicas"] * int(c.nodes_per_replica[k])
        return {**place[c.pool[k]], "workload": w.name[c.workload[k]], "market": MARKETS[c.market[k]], "nodes": nodes}
    d = row["source"]
    said = {"workload": w.name[s.workload[d]], "origin": s.origin[d]}
    if name == "served":
        pool = place[c.pool[row["candidate"]]]
        said |= {"provider": pool["provider"], "region": pool["region"]}
    return said
