"""No plan yet: a typed error that says what any plan costs at least, however the search ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from solver.engine import host
from solver.errors import EngineError, OutOfTimeError
from solver.problem import Problem
from tests.solve import acting
from tests.solve.test_child import cheapest_usd, plan


class Silent(acting.Acting):
    """The engine tells its bound and keeps its plan to itself; then it gives up, or does not end."""

    def __init__(self, *, bound: float | None = None, hangs: bool) -> None:
        """A bound other than its own."""
        super().__init__()
        self.bound, self.hangs = bound, hangs

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The engine without its plan."""

        def run(problem: Problem, rules: Any, **options: Any) -> Any:
            outcome = real(problem, rules, **{**options, "keep": lambda _decision, _bound: None})
            options["report"]("bound", outcome.bound if self.bound is None else self.bound, math.inf)
            if self.hangs:
                acting.hang()
            raise OutOfTimeError.of()

        return run


@pytest.mark.parametrize("hangs", [True, False])
def test_the_bound_is_said(problem: Problem, monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:
    """Whether the search gives up by itself or has to be ended; the bound of a small problem is its optimum."""
    monkeypatch.setattr(host, "GRACE_S", 0.5)
    with pytest.raises(OutOfTimeError, match="no plan within the time limit; any plan costs at least ") as caught:
        plan(problem, Silent(hangs=hangs), time_limit_s=2)
    assert isinstance(caught.value, EngineError)
    assert caught.value.lower_usd == pytest.approx(float(cheapest_usd(problem)), rel=1e-6)
    assert f"${caught.value.lower_usd:,.2f}" in str(caught.value)
    assert "--time-limit" in caught.value.mend


@pytest.mark.parametrize("bound", [-math.inf, math.nan, math.inf])
def test_no_number_is_no_bound(problem: Problem, bound: float) -> None:
    """Then nothing is claimed."""
    with pytest.raises(OutOfTimeError) as caught:
        plan(problem, Silent(bound=bound, hangs=False), time_limit_s=2)
    assert caught.value.lower_usd is None
    assert "costs" not in str(caught.value)
