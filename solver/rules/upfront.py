"""Upfront cash: what may be paid at once for new commitments, over the whole horizon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .base import Books, Rule, Violation

if TYPE_CHECKING:
    from typing import Any

    from ..formulation import Formulation
    from ..problem import Problem

ROW = "upfront cash"


class Upfront(Rule):
    """Over the commitments k that are not owned already:    Σ_k upfront_usd[k] × committed[k] ≤ upfront_max.

    The payments count in full and once, whatever the accounting.
    """

    name = "upfront"

    def build(self, f: Formulation) -> None:
        """One row when there is a limit."""
        limit = f.problem.limits.upfront_max_micro_usd
        if limit is not None:
            row = f.model.rows(ROW, (1,), upper=limit / 1e6, label=lambda _: "whole horizon")
            f.model.put(row[0], f.committed, upfront_micro_usd(f.problem, f.commitments) / 1e6)

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Whole nodes times whole micro-dollars."""
        o, limit = problem.offers, problem.limits.upfront_max_micro_usd
        if limit is not None:
            paid = sum(n * int(o.upfront_micro_usd[k]) for k, n in books.held.items() if not o.owned_nodes[k])
            if paid > limit:
                said = f"${paid / 1e6:,.2f} paid upfront, ${limit / 1e6:,.2f} allowed"
                yield self.wrong("whole horizon", said)


def upfront_micro_usd(problem: Problem, offers: Any) -> Any:
    """What one node of each of these commitments costs at once, int64 [K]; nothing for what is owned."""
    o = problem.offers
    return np.where(o.owned_nodes[offers] > 0, 0, o.upfront_micro_usd[offers])
