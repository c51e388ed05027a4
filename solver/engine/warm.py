"""A relaxation solved again after a change of demand, prices or limits: the simplex goes on from the last basis.

Rows far from binding are left out and watched: those that the answer breaks enter, and the search goes on. An answer is
only given when a lower bound from its row prices (`dual_bound`) says that it is the optimum of the whole program; else
the program is solved from scratch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..formulation import formulate
from ..rules import RULES
from . import incremental, mathopt
from .duals import dual_bound
from .primal import closed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..formulation import Formulation
    from ..model import Program
    from ..problem import Problem
    from ..rules.base import Rule
    from .mathopt import Answer

Array = np.ndarray[Any, np.dtype[Any]]
BASIC = 5  # MathOpt's BASIS_STATUS_BASIC
NEAR = 0.3  # of a row's bound: what is nearer to it than that is not left out
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
        old, self.program = self.program, new
        try:
            answer = self._go_on(old)
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
        slack = np.minimum(p.row_upper - p.matrix @ answer.values, p.matrix @ answer.values - p.row_lower)
        bounds = [np.where(np.isinf(b), 0.0, np.abs(b)) for b in (p.row_lower, p.row_upper)]
        self._rows = np.flatnonzero((of_rows != BASIC) | (slack <= NEAR * np.maximum(1.0, np.maximum(*bounds))))
        self._glop = incremental.Incremental(_part(p, self._rows), (of_columns, of_rows[self._rows]))
        return answer

    def _go_on(self, old: Program) -> Answer | None:
        """The optimum from the last basis; None where it is not proved to be one."""
        p = self.program
        self._glop.update(_part(old, self._rows), _part(p, self._rows))
        for _ in range(MOST_ROUNDS):
            found = self._glop.solve()
            if found is None:
                return None
            values, duals = found[0], np.zeros(p.shape[0])
            duals[self._rows] = found[1]
            broken = self._broken(values)
            if not len(broken):
                return self._proved(values, duals)
            self._glop.add(_part(p, broken))
            self._rows = np.append(self._rows, broken)
        return None

    def _broken(self, values: Array) -> Array:
        """Rows that do not hold, of those left out."""
        p, activity = self.program, self.program.matrix @ values
        slack = FEASIBLE * (1 + np.abs(activity))
        broken = (activity > p.row_upper + slack) | (activity < p.row_lower - slack)
        broken[self._rows] = False
        return np.flatnonzero(broken)

    def _proved(self, values: Array, duals: Array) -> Answer | None:
        cost, bound = float(self.program.cost @ values), dual_bound(self.program, duals)
        if not math.isfinite(bound) or cost - bound > EXACT * max(1.0, abs(cost)):
            return None
        return mathopt.Answer(status="optimal", values=values, objective=cost, bound=bound, duals=duals)


def _part(program: Program, rows: Array) -> Program:
    """The program with these rows."""
    return program.take(rows, np.arange(program.shape[1]))


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
