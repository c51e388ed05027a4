"""The engine against a second engine and, where problems are tiny, against trying everything: exactly the same cost."""

from __future__ import annotations

from collections import Counter

import pytest

from .draws import KINDS, drawn, kind_of
from .opinions import search, wrong

COUNT = 500
EACH = 10


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
def test_same_verdict_and_the_same_cost_to_the_micro_dollar(first: int) -> None:
    """Ten problems a case, so that a failure names its seeds."""
    assert not wrong(range(first, first + EACH), drawn, kind_of)


def test_draws_are_what_they_are_meant_to_be() -> None:
    """Every kind has problems with and without a plan, and most plans cost something."""
    with_plan, without = Counter[str](), Counter[str]()
    for seed in range(200):
        plans = search(drawn(seed)).termination != "infeasible"
        (with_plan if plans else without)[kind_of(seed)] += 1
    assert with_plan.keys() == KINDS.keys()
    assert len(without) > len(KINDS) // 2
    assert sum(with_plan.values()) > 100
    assert sum(without.values()) > 30
