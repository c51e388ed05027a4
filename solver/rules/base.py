"""What a rule is, what it finds wrong, and the plan as whole numbers for those who recompute it."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from ..bill import Decision, Line
    from ..formulation import Formulation
    from ..plan import Plan
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a plan: by which rule, where (business name), and what."""

    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.rule}: {self.where}: {self.message}"


class Rule(abc.ABC):
    """One requirement or cost. `build` and `violations` share no code, so that each checks the other."""

    name: ClassVar[str]

    @abc.abstractmethod
    def build(self, f: Formulation) -> None:
        """Add rows, bounds and costs to the model."""

    @abc.abstractmethod
    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Recompute from the plan alone, in whole numbers and fractions."""

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:  # noqa: ARG002
        """Cost lines of what this rule put a price on."""
        return ()

    def wrong(self, where: str, message: str) -> Violation:
        """A violation of this rule."""
        return Violation(self.name, where, message)


class Books:
    """A plan's tables as whole numbers, indexed by the problem's rows. Only for checking; made from the plan alone."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        """Read the tables; check.py has made sure that they can be read."""
        b = problem.blocks.count
        self.plan = plan
        self.replicas: dict[int, Array] = _by_key(plan.placements, "candidate", "replicas", b)
        self.bought: dict[int, Array] = _by_key(plan.purchases, "offer", "nodes", b)
        self.held = {
            int(o): int(n)
            for o, block, n in zip(*(plan.purchases[k] for k in ("offer", "block", "nodes")), strict=True)
            if block < 0
        }
        served = plan.served
        self.served: dict[tuple[int, int], Array] = {}
        for d, k, block, units in zip(
            *(served[name].tolist() for name in ("source", "candidate", "block", "units_per_hour")), strict=True
        ):
            self.served.setdefault((d, k), np.zeros(b, dtype=object))[block] += units
        self.unserved_flow: dict[int, Array] = {}
        self.unserved_job: dict[tuple[int, int], int] = {}
        left = (plan.unserved[name].tolist() for name in ("source", "block", "scenario", "units"))
        for d, block, scenario, units in zip(*left, strict=True):
            if block < 0:
                self.unserved_job[d, scenario] = self.unserved_job.get((d, scenario), 0) + units
            else:
                self.unserved_flow.setdefault(d, np.zeros(b, dtype=object))[block] += units

    def nodes(self, problem: Problem, market: int) -> dict[int, Array]:
        """Running nodes by pool [B] on a market."""
        made: dict[int, Array] = {}
        for c, replicas in self.replicas.items():
            if problem.candidates.market[c] == market:
                pool = int(problem.candidates.pool[c])
                row = made.setdefault(pool, np.zeros(problem.blocks.count, dtype=object))
                row += replicas * int(problem.candidates.nodes_per_replica[c])
        return made

    def lines(self, *kinds: str) -> dict[tuple[Any, ...], int]:
        """Billed micro-dollars by (provider, region, node, option, period) over all workloads, for these kinds."""
        made: dict[tuple[Any, ...], int] = {}
        for r in self.plan.cost_lines.records():
            if r["kind"] in kinds:
                key = tuple(r[name] for name in ("provider", "region", "node", "option", "period"))
                made[key] = made.get(key, 0) + r["micro_usd"]
        return made


def _by_key(table: Any, key: str, value: str, blocks: int) -> dict[int, Array]:
    made: dict[int, Array] = {}
    for k, block, amount in zip(*(table[name].tolist() for name in (key, "block", value)), strict=True):
        if block >= 0:
            made.setdefault(k, np.zeros(blocks, dtype=object))[block] += amount
    return made


def compare(
    rule: Rule, expected: dict[tuple[Any, ...], Fraction], found: dict[tuple[Any, ...], int]
) -> Iterator[Violation]:
    """Each billed amount is its exact value rounded to a micro-dollar, half to even."""
    for key in sorted(expected.keys() | found.keys(), key=str):
        amount, billed = round(expected.get(key, Fraction(0))), found.get(key, 0)
        if amount != billed:
            yield rule.wrong("/".join(map(str, key)), f"billed {billed} micro-dollars, recomputed {amount}")


def expected_hours(problem: Problem) -> list[list[Fraction]]:
    """Probability-weighted hours of each block in each month, exact [B][P]."""
    probability = problem.blocks.probability
    return [
        [probability[s] * int(h) for h in row]
        for s, row in zip(problem.blocks.scenario.tolist(), problem.blocks.hours.tolist(), strict=True)
    ]


def block_name(problem: Problem, block: int) -> str:
    """A block as people say it: "2027-03 weekday 14:00" with how many hours it stands for."""
    calendar, hours = problem.blocks.calendar, int(problem.blocks.total_hours[block])
    if "block" in calendar and len(calendar):
        rows = np.flatnonzero(calendar["block"] == block)
        if len(rows):
            r = rows[0]
            first = f"{calendar['period'][r]} {calendar['day'][r]} {int(calendar['hour_utc'][r]):02d}:00"
            return f"{first} ({hours} h)"
    return f"block {block} ({hours} h)"
