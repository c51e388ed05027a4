"""A relaxation solved again after a change of demand, prices or limits: the simplex goes on from the last basis.

Rows far from binding are left out and watched, and so are idle ones (see `idle`): those that the answer breaks, or that
hold back what would pay, enter, and the search goes on. An answer is only given when a lower bound from its row prices
(`dual_bound`) says that it is the optimum of the whole program; else the program is solved from scratch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..formulation import formulate
from ..model import Program
from ..rules import RULES
from . import incremental, mathopt
from .duals import dual_bound, dual_terms
from .idle import Idle
from .primal import closed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.sparse import csr_array

    from ..formulation import Formulation
    from ..problem import Problem
    from ..rules.base import Rule
    from .mathopt import Answer

Array = np.ndarray[Any, np.dtype[Any]]
AT_LOWER, BASIC = 2, 5  # MathOpt's BASIS_STATUS_
NEAR = 0.3  # of a row's bound: what is nearer to it than that is not left out
WITHIN = 0.7  # of the sum of what is in a row, whatever its sign
FEASIBLE = 1e-6
EXACT = 1e-7  # of the optimum: how far above its proved bound an answer may be
MOST_ROUNDS = 8


class Resolver:
    """One program, its last optimum, and the simplex that goes on from it."""

    def __init__(self, program: Program, *, seed: int = 0) -> None:
        """Solve it from scratch, with HiGHS.

        Raises:
            EngineError: the program has no optimum.
        """
        self._seed = seed
        self.program = program.relaxed()
        self.answer = self._cold()
        self.cold_solves = 1

    def solve(self, program: Program) -> Answer:
        """The optimum of a program with the same rows and columns, all numbers of which may differ.

        Raises:
            EngineError: it has other rows or columns, or no optimum.
        """
        new = program.relaxed()
        if self.program.shape != new.shape:
            raise EngineError("the program has other rows or columns", where="engine", mend="make another Resolver")
        self.program = new
        try:
            answer = self._go_on()
        except Exception:  # noqa: BLE001 (back-ends surface as StatusNotOk, RuntimeError ...)
            answer = None
        if answer is None:
            self.cold_solves += 1
            answer = self._cold()
        self.answer = answer
        return answer

    def _cold(self) -> Answer:
        """From scratch: the basis, what is left out, and a GLOP that knows both."""
        answer, basis = incremental.optimum(self.program, seed=self._seed)
        if answer.values is None or answer.duals is None or basis is None:
            raise EngineError(f"the program is {answer.status}", where="engine", mend="look at its demand and limits")
        p, (of_columns, of_rows) = self.program, basis
        self._idle = Idle.of(p, answer.values, of_columns == BASIC, of_rows == BASIC)
        self._cold_program, self._basis = p, (np.where(self._idle.users, AT_LOWER, of_columns), of_rows)
        kept = (of_rows != BASIC) | _near(p, answer.values)
        kept[self._idle.rows] = False
        self._start(np.flatnonzero(kept), np.flatnonzero((p.upper > 0) | (of_columns == BASIC)))
        return answer

    def _start(self, rows: Array, columns: Array) -> None:
        """A GLOP that knows these rows and columns of the program last solved from scratch, at its optimum."""
        self._part = Part(rows, columns)
        basis = self._basis[0][columns], self._basis[1][rows]
        self._glop = incremental.Incremental(self._part.of(self._cold_program, self._idle.users), basis)

    def _go_on(self) -> Answer | None:
        """The optimum from the last basis; None where it is not proved to be one."""
        p = self.program
        self._widen(np.zeros(0, dtype=np.int64), p.lower != 0)
        for _ in range(MOST_ROUNDS):
            found = self._glop.solve()
            if found is None:
                return None
            values, duals = self._part.spread(p.shape, *found)
            duals = self._idle.priced(p, duals)
            broken = self._broken(values)
            if not len(broken) and (proved := self._proved(values, duals)) is not None:
                return proved
            earning = self._earning(values, duals)
            rows = np.union1d(broken, self._idle.holding(p, duals, earning))
            if not self._widen(rows, earning):
                return None
        return None

    def _widen(self, rows: Array, columns: Array) -> bool:
        """Give GLOP the program as it is, with more rows and columns (mask [n]); whether any of them are new to it."""
        p, new = self.program, columns.copy()
        new[self._part.columns] = False
        self._idle = self._idle.without(rows, p)
        if new.any():
            self._start(np.union1d(self._part.rows, rows), np.union1d(self._part.columns, np.flatnonzero(new)))
        elif len(rows):
            self._part = Part(np.append(self._part.rows, rows), self._part.columns)
        self._glop.become(self._part.of(p, self._idle.users))
        return bool(new.any() or len(rows))

    def _broken(self, values: Array) -> Array:
        """Rows that do not hold, of those left out."""
        p, activity = self.program, self.program.matrix @ values
        slack = FEASIBLE * (1 + np.abs(activity))
        broken = (activity > p.row_upper + slack) | (activity < p.row_lower - slack)
        broken[self._part.rows] = False
        return np.flatnonzero(broken)

    def _proved(self, values: Array, duals: Array) -> Answer | None:
        cost, bound = _usd(self.program, values), dual_bound(self.program, duals)
        if not math.isfinite(bound) or cost - bound > EXACT * max(1.0, abs(cost)):
            return None
        return mathopt.Answer(status="optimal", values=values, objective=cost, bound=bound, duals=duals)

    def _earning(self, values: Array, duals: Array) -> Array:
        """Columns, mask [n], that would lower the cost at these prices by more than their part of what is exact."""
        p = self.program
        reduced = p.cost - p.matrix.T @ duals
        gap = reduced * values - dual_terms(p, duals)[1]
        return np.asarray(gap > EXACT * max(1.0, abs(_usd(p, values))) / max(1, len(gap)))


def _usd(program: Program, values: Array) -> float:
    """Its cost; a sum and no product of vectors, for which a second thread would wait for work."""
    return float((program.cost * values).sum())


def _near(program: Program, values: Array) -> Array:
    """Rows, mask [m], that a change may break: their slack is small beside their bounds, or beside what is in them."""
    p, activity = program, program.matrix @ values
    slack = np.minimum(p.row_upper - activity, activity - p.row_lower)
    bounds = [np.where(np.isinf(b), 0.0, np.abs(b)) for b in (p.row_lower, p.row_upper)]
    inside = abs(p.matrix) @ np.abs(values)
    near = (slack <= NEAR * np.maximum(1.0, np.maximum(*bounds))) | ((slack <= WITHIN * inside) & (inside > 0))
    return np.asarray(near & (np.diff(p.matrix.indptr) > 0))


class Part:
    """Some rows and columns of programs of one shape."""

    def __init__(self, rows: Array, columns: Array) -> None:
        """By index arrays, in the order in which the part has them."""
        self.rows, self.columns = rows, columns
        self._pattern: tuple[Array, Array] | None = None
        self._entries: csr_array | None = None  # of the part, each with its place in the whole

    def of(self, program: Program, shut: Array) -> Program:
        """The part of a program, with columns in a mask [n] kept at zero."""
        from scipy.sparse import csr_array

        whole, columns, rows = program.matrix, self.columns, self.rows
        pattern = whole.indptr, whole.indices
        if self._entries is None or not all(map(np.array_equal, pattern, self._pattern or ())):
            places = csr_array((np.arange(len(whole.data)), whole.indices, whole.indptr), shape=whole.shape)
            self._entries, self._pattern = places[rows][:, columns], pattern
            self._entries.sort_indices()
        part = self._entries
        return Program(
            cost=program.cost[columns],
            lower=program.lower[columns],
            upper=np.where(shut[columns], 0.0, program.upper[columns]),
            whole=program.whole[columns],
            matrix=csr_array((whole.data[part.data], part.indices, part.indptr), shape=part.shape),
            row_lower=program.row_lower[rows],
            row_upper=program.row_upper[rows],
        )

    def spread(self, shape: tuple[int, int], values: Array, duals: Array) -> tuple[Array, Array]:
        """Values [n] and row prices [m] of the whole, zero outside."""
        of_rows, of_columns = (np.zeros(size) for size in shape)
        of_columns[self.columns], of_rows[self.rows] = values, duals
        return of_columns, of_rows


class Relaxation:
    """The relaxation of a problem over all its candidates, solved again quickly when it changes a little."""

    def __init__(
        self, problem: Problem, rules: Sequence[Rule] = RULES, *, seed: int = 0, candidates: Array | None = None
    ) -> None:
        """Solve it from scratch, over some of the candidates only where these are given.

        Raises:
            EngineError: what must be served cannot be, not even in parts of nodes.
        """
        self._rules, self._candidates = rules, candidates
        formulation, program = self._laid_out(problem)
        self._resolver = Resolver(program, seed=seed)
        self.formulation = formulation

    @property
    def usd(self) -> float:
        """The optimum in dollars: no plan costs less."""
        return self._resolver.answer.objective + self.formulation.model.constant

    @property
    def answer(self) -> Answer:
        """Values and row prices."""
        return self._resolver.answer

    @property
    def program(self) -> Program:
        """What was solved last."""
        return self._resolver.program

    @property
    def cold_solves(self) -> int:
        """How often it was solved from scratch."""
        return self._resolver.cold_solves

    def solve(self, problem: Problem) -> float:
        """The optimum, in dollars, of a problem with the same workloads, sources, candidates, offers and blocks.

        Raises:
            EngineError: it has others, or no optimum.
        """
        formulation, program = self._laid_out(problem)
        self._resolver.solve(program)
        self.formulation = formulation
        return self.usd

    def _laid_out(self, problem: Problem) -> tuple[Formulation, Program]:
        f = formulate(problem, self._rules, self._candidates, direct=True)
        return f, closed(f.model.program(), f.obligations())
