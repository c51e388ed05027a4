"""Limits with slack: which of them have to give way for a plan to exist at all, and by how little."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import mathopt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..formulation import Formulation
    from ..model import Program

Array = np.ndarray[Any, np.dtype[Any]]
ROUNDS = 3
SMALL = 0.01  # of a limit: slack as small as this is dear
TINY = 1e-7
MOST_NODES = 500  # of a tree when the answer must not depend on a clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Give:
    """How a limit may give way: each unit of slack adds `relief` to the upper bounds of its rows."""

    group: int  # limits of a group count as one
    rows: Array  # int64 [n]
    relief: Array  # float [n] or []
    ref: float  # what the limit is now, in units of slack: giving way is counted in parts of it
    limit: Array | None = None  # upper bounds of the rows, where the model was made with others
    most: float | None = None  # units beyond which it binds nothing; None: as the columns of its rows allow


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How long an analysis may take; without seconds it counts nodes, so that the answer depends on no clock."""

    until: float | None
    seed: int

    @classmethod
    def of(cls, seconds: float | None, seed: int) -> Clock:
        """Seconds from now, or None."""
        return cls(until=None if seconds is None else time.monotonic() + seconds, seed=seed)

    def left(self) -> float:
        """Seconds left."""
        return math.inf if self.until is None else self.until - time.monotonic()

    def solve(self, program: Program, *, seconds: float, gap: float = 0.0) -> mathopt.Answer:
        """Solve for at most so many seconds."""
        if self.until is None:
            return mathopt.solve(program, node_limit=MOST_NODES, gap=gap, seed=self.seed)
        return mathopt.solve(program, time_limit_s=max(0.05, min(seconds, self.left())), gap=gap, seed=self.seed)


class Elastic:
    """A formulation whose limits have slack. K limits, G groups; a limit's slack needs its group to be used."""

    def __init__(self, f: Formulation, gives: Sequence[Give], *, whole: bool) -> None:
        """Add slack to a formulation, which is this object's from now on.

        Args:
            f: with all its rows.
            gives: the limits.
            whole: replicas and commitments in whole numbers; else only which groups are used is a yes or no.
        """
        self.formulation, self.gives = f, gives
        groups = np.array([g.group for g in gives], dtype=np.int64)
        count = int(groups.max(initial=-1)) + 1
        before = _limited(f.model.program(), gives)
        most = np.array([headroom(f, before, g) if g.most is None else g.most for g in gives])
        self.slack = f.model.columns((len(gives),), upper=np.where(most > 0, 1.0, 0.0))  # in parts of `most`
        self.used = f.model.columns((count,), upper=1.0, whole=True)
        for give, column, units in zip(gives, self.slack.tolist(), most.tolist(), strict=True):
            f.model.put(give.rows, np.array(column), -give.relief * units)
        rows = f.model.rows("gives way", (len(gives),), upper=0.0)
        f.model.put(rows, self.slack, 1.0)
        f.model.put(rows, self.used[groups], -1.0)
        self.counted = int(f.model.rows("counted", (1,), upper=np.inf)[0])
        f.model.put(np.array(self.counted), self.used, 1.0)
        program = _limited(f.model.program(), gives)
        keep = program.whole if whole else np.isin(np.arange(program.shape[1]), self.used)
        self.program = program.replace(whole=keep)
        self.groups, self.most = groups, most

    def fewest(self, allowed: Collection[int], clock: Clock, seconds: float) -> int | None:
        """How many groups have to give way, of those allowed; None when all of them together are not enough."""
        cost = np.zeros(self.program.shape[1])
        cost[self.used] = 1.0
        answer = clock.solve(self._open(allowed).replace(cost=cost), seconds=seconds, gap=0.0)
        return None if answer.values is None else round(float(answer.values[self.used].sum()))

    def least(self, allowed: Collection[int], most_groups: int, clock: Clock, seconds: float) -> Array | None:
        """Values with the least slack, each limit's in parts of what it is now, in so many groups at most."""
        cost = np.zeros(self.program.shape[1])
        cost[self.slack] = self.most / np.array([g.ref for g in self.gives])
        program = self._open(allowed)
        upper = program.row_upper.copy()
        upper[self.counted] = most_groups
        answer = clock.solve(program.replace(cost=cost, row_upper=upper), seconds=seconds)
        return answer.values

    def sparse(self, allowed: Collection[int], clock: Clock, seconds: float) -> tuple[list[int], Array] | None:
        """Few groups that suffice in parts of nodes, none superfluous, and the units of slack of each limit [K].

        Slack is priced, and priced again by how little of it there was (Candès, Wakin and Boyd 2008), until what is
        not needed is gone; then each group is left out once. None when all groups together are not enough.
        """
        ref = self.most / np.array([g.ref for g in self.gives])
        weight, kept = np.ones(len(self.used)), sorted(allowed)
        amounts = self._priced(kept, weight, clock, seconds)
        for _ in range(ROUNDS if amounts is not None else 0):
            share = np.zeros(len(self.used))
            np.add.at(share, self.groups, amounts / np.maximum(self.most, TINY) * ref)
            used = np.flatnonzero(share > TINY).tolist()
            weight = 1.0 / (share + SMALL)
            if len(used) <= 1 or clock.left() <= 0:
                break
            kept = used
            amounts = self._priced(kept, weight, clock, seconds)
            if amounts is None:
                return None
        if amounts is None:
            return None
        kept = [g for g in kept if amounts[self.groups == g].max() > TINY]
        for g in sorted(kept, key=lambda g: weight[g], reverse=True):
            fewer = [k for k in kept if k != g]
            found = self._priced(fewer, np.ones(len(weight)), clock, seconds) if clock.left() > 0 else None
            if found is not None:
                kept, amounts = fewer, found
        return kept, amounts

    def _priced(self, allowed: Collection[int], weight: Array, clock: Clock, seconds: float) -> Array | None:
        """Units of slack at these prices of groups, in parts of nodes."""
        cost = np.zeros(self.program.shape[1])
        cost[self.slack] = self.most / np.array([g.ref for g in self.gives]) * weight[self.groups]
        answer = clock.solve(self._open(allowed).replace(cost=cost).relaxed(), seconds=seconds)
        return None if answer.values is None or answer.status != "optimal" else self.amounts(answer.values)

    def amounts(self, values: Array) -> Array:
        """Units of slack of each limit, float [K]."""
        return np.asarray(values[self.slack] * self.most)

    def _open(self, allowed: Collection[int]) -> Program:
        """The program in which only these groups give way."""
        upper = self.program.upper.copy()
        upper[self.used] = np.isin(np.arange(len(self.used)), list(allowed)).astype(float)
        return self.program.replace(upper=upper)


def _limited(program: Program, gives: Sequence[Give]) -> Program:
    """The program with the upper bounds that the limits say."""
    upper = program.row_upper.copy()
    for give in gives:
        if give.limit is not None:
            upper[give.rows] = give.limit
    return program.replace(row_upper=upper)


def headroom(f: Formulation, program: Program, give: Give) -> float:
    """Units of slack beyond which a limit's rows hold whatever the columns are."""
    upper = program.upper.copy()
    open_served = f.served[f.has_columns()]
    if open_served.size:  # a replica serves no more than it can
        place = f.pairs[1][f.has_columns()]
        share = f.of("units_per_hour")[place] / f.unit[f.of("workload")[place]]
        upper[open_served] = np.where(upper[open_served] > 0, share[:, None] * upper[f.replicas[place]], 0.0)
    matrix = program.matrix[give.rows]
    largest = matrix.maximum(0) @ np.where(np.isfinite(upper), upper, 0.0) + matrix.minimum(0) @ program.lower
    over = (largest - program.row_upper[give.rows]) / give.relief
    return float(np.maximum(over, 0.0).max(initial=0.0))
