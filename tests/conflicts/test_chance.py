"""Outages that may not be given up and have to be, by hand."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from solver.check import check
from solver.conflicts.minimal import contradiction
from solver.engine.slack import Clock
from solver.problem import ChanceLimit
from solver.solve import solve
from tests.check.by_hand import USD, Place, on_demand
from tests.core.test_outages import lost


def test_the_only_region_is_lost_more_often_than_may_be() -> None:
    """It is, with a tenth; four hundredths may be given up, so six are missing, and with them there is a plan."""

    def giving_up(chance: int) -> ChanceLimit:
        return ChanceLimit(workload=0, max_probability=Fraction(chance, 100))

    problem = lost([[1, 0]], [on_demand(USD)], (Place(region="r0"),))
    short, enough = (
        dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, chances=(giving_up(n),)))
        for n in (4, 10)
    )
    plan = solve(short, isolated=False)
    assert plan.termination == "infeasible"
    (row,) = plan.conflicts.records()
    assert (row["limit"], row["unit"], row["relax_by"]) == ("chance[a]", "percentage points", 6)
    assert "outages with a probability of 10.00% cannot be served in full, 4.00% allowed" in row["detail"]
    found = contradiction(short, Clock.of(None, 0))
    assert found is not None
    assert [m.name for m in found.members] == ["demand[a]", "chance[a]"]
    assert check(enough, solve(enough, isolated=False)) == []
