"""The bill of a decision and the check of its plan, two computations of the same dollars, agree to the micro-dollar."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.check import check
from solver.problem import COMMITMENT, Problem
from tests.core.instances import random_problem

from .plans import drawn, plan_of

PLACE = ("kind", "provider", "region", "node", "option", "period")
LIMITS = {"carbon_micro_usd_per_kg": 123_457, "accounting": "amortised"}


def some_problem(seed: int) -> Problem:
    """Services, a run and a batch job over three months in three futures; commitments that come and go."""
    limits: dict[str, Any] = {**LIMITS, "accounting": ("amortised", "cash")[seed % 2]}
    problem = random_problem(
        seed, flows=2, runs=1, batches=1, sites=2, blocks=4, scenarios=3, origins=2, months=3, limits=limits
    )
    rng, o = np.random.default_rng(seed), problem.offers
    lasting = (o.kind == COMMITMENT)[:, None]
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(problem.blocks, probability=(Fraction(1, 3), Fraction(1, 7), Fraction(11, 21))),
        offers=dataclasses.replace(
            o,
            active=~lasting | (rng.random(o.active.shape) < 0.7),
            paid_hours=np.where(rng.random(o.paid_hours.shape) < 0.7, o.paid_hours, 0),
            micro_usd_per_hour=o.micro_usd_per_hour + rng.integers(0, 100, len(o.pool)),
        ),
        sources=dataclasses.replace(
            problem.sources,
            transfer_pico_usd_per_unit=problem.sources.transfer_pico_usd_per_unit
            + rng.integers(0, 10**6, problem.sources.transfer_pico_usd_per_unit.shape),
        ),
    )


@pytest.mark.parametrize("spare", [0, 2])
@pytest.mark.parametrize("seed", range(40))
def test_the_check_recomputes_the_bill(seed: int, spare: int) -> None:
    """Whatever else a drawn plan breaks, the check finds nothing wrong with its bill."""
    problem = some_problem(seed)
    found = [str(v) for v in check(problem, plan_of(problem, drawn(problem, seed, spare=spare)))]
    assert not [v for v in found if "billed" in v or v.startswith(("structure", "certificate", "bill"))]


def test_the_drawn_bills_hold_every_kind_of_line() -> None:
    """The test above is about something: all kinds, shared and idle nodes, amounts that had to be rounded."""
    plans = [plan_of(p, drawn(p, seed, spare=2)) for seed, p in ((s, some_problem(s)) for s in range(10))]
    lines = [r for plan in plans for r in plan.cost_lines.records()]
    assert {r["kind"] for r in lines} == {"compute", "upfront", "transfer", "carbon", "unserved"}
    idle = {r["option"] for r in lines if r["workload"] == "(idle)"}
    assert idle == {"on_demand", "commit_1y"}
    shared: dict[Any, set[str]] = {}
    for number, plan in enumerate(plans):
        for r in plan.cost_lines.records():
            shared.setdefault((number, *(r[n] for n in PLACE)), set()).add(r["workload"])
    assert sum(len(who) > 2 for who in shared.values()) > 50
    assert sum(r["micro_usd"] % 100 > 0 for r in lines) > 1000
