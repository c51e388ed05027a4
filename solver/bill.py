"""What was decided, as whole numbers, and the bill of it in whole micro-dollars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .money import apportion, round_half_even
from .problem import FIRM
from .table import Table

if TYPE_CHECKING:
    from .problem import Problem
    from .rules.base import Rule

Array = np.ndarray[Any, np.dtype[Any]]
IDLE, IDLE_NAME = -1, "(idle)"  # the workload of what nobody uses
MOST_MICRO_USD = 9 * 10**18  # that an int64 holds
LINE_COLUMNS = ("kind", "provider", "region", "node", "option", "workload", "team", "period", "micro_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The numbers a plan is made of. C candidates, E pairs, O on-demand offers, K commitments, B blocks; all int64."""

    candidates: Array  # [C] rows of problem.candidates
    replicas: Array  # [C, B]
    pairs: Array  # [2, E] source, position in `candidates`
    served: Array  # [E, B] units an hour
    unserved: Array  # [D, B] units an hour left of flows
    undone: Array  # [D, S] units left of jobs
    on_demand_offers: Array  # [O] rows of problem.offers
    on_demand: Array  # [O, B] nodes bought
    commitments: Array  # [K] rows of problem.offers
    committed: Array  # [K] nodes held

    def nodes_by_workload(self, problem: Problem, pool: int, market: int) -> Array:
        """Nodes running in a pool for each workload and block, int64 [W, B]."""
        c = problem.candidates
        mine = (c.pool[self.candidates] == pool) & (c.market[self.candidates] == market)
        made = np.zeros((len(problem.workloads.name), problem.blocks.count), dtype=np.int64)
        rows = self.candidates[mine]
        np.add.at(made, c.workload[rows], self.replicas[mine] * c.nodes_per_replica[rows, None])
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One amount: what it is for, where, bought how, for which workload (IDLE for no one), in which month."""

    kind: str
    period: int
    micro_usd: int
    workload: int
    pool: int = -1
    option: str = ""


def make_bill(problem: Problem, decision: Decision, rules: Sequence[Rule]) -> Table:
    """The cost lines of all rules, one for each thing paid for, zero amounts left out, in a fixed order."""
    w, periods, names = problem.workloads, problem.blocks.periods, problem.pool_names
    amounts: dict[tuple[str, ...], int] = {}
    for line in (line for rule in rules for line in rule.bill(problem, decision)):
        place = names[line.pool].split("/", 2) if line.pool >= 0 else ["", "", ""]
        who = (w.name[line.workload], w.team[line.workload]) if line.workload != IDLE else (IDLE_NAME, "")
        key = (line.kind, *place, line.option, *who, periods[line.period])
        amounts[key] = amounts.get(key, 0) + line.micro_usd
    if sum(map(abs, amounts.values())) > MOST_MICRO_USD:
        dearest = max(amounts, key=lambda key: amounts[key])
        mend = "look at its prices, the price of what is not served, and the demand"
        raise InputError("the bill is beyond $9,000,000,000,000", where=" ".join(filter(None, dearest)), mend=mend)
    return Table.from_records(LINE_COLUMNS, [(*key, micro) for key, micro in sorted(amounts.items()) if micro])


def expected(problem: Problem, per_hour: Array) -> list[Fraction]:
    """Expected amount in each month of a whole amount an hour in each block [B] -> [P]."""
    amounts, hours = per_hour.astype(object), problem.blocks.hours.astype(object)
    total = [Fraction(0)] * hours.shape[1]
    for s, probability in enumerate(problem.blocks.probability):
        mine = problem.blocks.scenario == s
        total = [t + probability * int(x) for t, x in zip(total, amounts[mine] @ hours[mine], strict=True)]
    return total


def shared(total: Fraction, weights: Iterable[Fraction]) -> list[int]:
    """An exact amount rounded to micro-dollars and split by exact weights so that the parts add up."""
    whole = [Fraction(w) for w in weights]
    scale = math.lcm(*(w.denominator for w in whole)) if whole else 1
    return apportion(round_half_even(total), [int(w * scale) for w in whole])


def split_over_workloads(
    kind: str, pool: int, option: str, totals: Sequence[Fraction], weights: Array
) -> Iterator[Line]:
    """Lines of a pool's monthly totals [P] by weights [W + 1, P] of the workloads and, last, of idle capacity.

    A month in which nobody has a weight is idle.
    """
    for period, total in enumerate(totals):
        if total:
            column = weights[:, period] if any(weights[:, period]) else [*weights[:-1, period], Fraction(1)]
            for w, micro in enumerate(shared(total, column)):
                if micro:
                    yield Line(
                        kind=kind, pool=pool, option=option, period=period, micro_usd=micro,
                        workload=w if w < len(column) - 1 else IDLE,
                    )  # fmt: skip


def firm_use(problem: Problem, decision: Decision, pool: int) -> tuple[Array, Array, Array, Array]:
    """Of a pool in each block: nodes by workload [W, B], running, committed in force, usable of these [B]."""
    by_workload = decision.nodes_by_workload(problem, pool, FIRM)
    mine = problem.offers.pool[decision.commitments] == pool
    held = decision.committed[mine] @ problem.offers.active[decision.commitments[mine]].astype(np.int64)
    return by_workload, by_workload.sum(axis=0), held, problem.usable(np.array([pool]), held[None, :])[0]


def by_month(problem: Problem, amount_per_hour: Iterable[Fraction]) -> list[Fraction]:
    """Expected monthly sum of an exact amount an hour in each block."""
    made = [Fraction(0)] * len(problem.blocks.periods)
    weights = problem.blocks.block_probability()
    for amount, probability, hours in zip(amount_per_hour, weights, problem.blocks.hours.tolist(), strict=True):
        if amount:
            made = [m + amount * probability * h for m, h in zip(made, hours, strict=True)]
    return made
