"""What a rule is, what it finds wrong, and the plan as whole numbers for those who recompute it."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..bill import Line

if TYPE_CHECKING:
    from ..bill import Decision
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
    """One requirement or cost, said twice: `build` and `bill` share no code with `violations` and `owed`."""

    name: ClassVar[str]

    @abc.abstractmethod
    def build(self, f: Formulation) -> None:
        """Add rows, bounds and costs to the model."""

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:  # noqa: ARG002
        """Cost lines of what this rule put a price on."""
        return ()

    def violations(self, problem: Problem, books: Books) -> Iterable[Violation]:  # noqa: ARG002
        """Requirements that a plan breaks, recomputed from the plan alone, in whole numbers and fractions."""
        return ()

    def owed(self, problem: Problem, books: Books) -> Iterable[Line]:  # noqa: ARG002
        """Every cost line the plan must have under this rule, recomputed from the plan alone."""
        return ()

    def wrong(self, where: str, message: str) -> Violation:
        """A violation of this rule."""
        return Violation(self.name, where, message)


class Books:
    """A plan's tables as whole numbers, indexed by the problem's rows. Only for checking; made from the plan alone."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        """Read the tables; check.py has made sure that they can be read."""
        b = problem.blocks.count
        self.scale = math.lcm(*(p.denominator for p in problem.blocks.probability))
        weight = [int(p * self.scale) for p in problem.blocks.block_probability()]
        self.weighted_hours = np.array(weight, dtype=object)[:, None] * problem.blocks.hours.astype(object)  # [B, P]
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

    def monthly(self, per_hour: Sequence[int | Fraction] | Array) -> list[Fraction]:
        """Expected amount in each month [P] of an exact amount an hour in each block [B]."""
        scale = math.lcm(*(x.denominator for x in per_hour))
        whole = np.array([x.numerator * (scale // x.denominator) for x in per_hour], dtype=object)
        some = np.flatnonzero(whole)
        sums = (whole[some, None] * self.weighted_hours[some]).sum(axis=0)
        return [Fraction(int(total), scale * self.scale) for total in sums]

    def nodes(self, problem: Problem, market: int) -> dict[int, Array]:
        """Running nodes by pool [B] on a market."""
        return {pool: np.sum([*by.values()], axis=0) for pool, by in self.nodes_by_workload(problem, market).items()}

    def nodes_by_workload(self, problem: Problem, market: int) -> dict[int, dict[int, Array]]:
        """Running nodes by pool and workload [B] on a market."""
        c, made = problem.candidates, dict[int, dict[int, Array]]()
        for k, replicas in self.replicas.items():
            if c.market[k] == market:
                by, w = made.setdefault(int(c.pool[k]), {}), int(c.workload[k])
                by[w] = by.get(w, 0) + replicas * int(c.nodes_per_replica[k])
        return made

    def in_force(self, problem: Problem, pool: int) -> Array:
        """Committed nodes of a pool in each block [B]."""
        o, made = problem.offers, np.zeros(problem.blocks.count, dtype=object)
        for offer, nodes in self.held.items():
            if o.pool[offer] == pool:
                made = made + nodes * o.active[offer].astype(object)
        return made

    def usable(self, problem: Problem, pool: int) -> Array:
        """Those of them that can be used [B]: the whole nodes that zones which are up hold of an even spread."""
        held = self.in_force(problem, pool)
        if problem.outages is None:
            return held
        site = int(problem.pool_site[pool])
        up, zones = problem.outages.up[site].tolist(), max(1, int(problem.sites.zones[site]))
        return np.array([nodes * there // zones for nodes, there in zip(held.tolist(), up, strict=True)], dtype=object)


def _by_key(table: Any, key: str, value: str, blocks: int) -> dict[int, Array]:
    made: dict[int, Array] = {}
    for k, block, amount in zip(*(table[name].tolist() for name in (key, "block", value)), strict=True):
        if block >= 0:
            made.setdefault(k, np.zeros(blocks, dtype=object))[block] += amount
    return made


def split(micro_usd: int, weights: Sequence[Fraction]) -> list[int]:
    """Parts of a whole amount in proportion to weights: each is its exact share cut to whole micro-dollars, and what
    the cuts leave over goes, one each, to those that lost most by theirs (the earlier of two that lost the same).
    """  # noqa: D205
    whole = sum(weights)
    exact = [micro_usd * w / whole for w in weights]
    parts = [math.floor(x) for x in exact]
    lost_most = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in lost_most[: micro_usd - sum(parts)]:
        parts[i] += 1
    return parts


def charged(
    kind: str, problem: Problem, offer: int, totals: Sequence[Fraction], hours: dict[int, list[Fraction]]
) -> Iterator[Line]:
    """Lines of an offer's monthly amounts [P], each rounded and split by the node-hours of its users in that month.

    `hours` [P] are those of each workload, in order, and of IDLE last, to whom a month goes in which nobody has any.
    """
    pool, option = int(problem.offers.pool[offer]), str(problem.offers.option[offer])
    for month, total in enumerate(totals):
        weights = [h[month] for h in hours.values()]
        if not any(weights):
            weights[-1] = Fraction(1)
        for w, micro in zip(hours, split(round(total), weights), strict=True):
            yield Line(kind=kind, period=month, micro_usd=micro, workload=w, pool=pool, option=option)


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
