"""Shadow prices against finite differences, plans against the bound they give, and runners-up that win."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from solver.engine.primal import closed
from solver.explain import explain
from solver.formulation import formulate
from solver.problem import Limits, Problem, Quota
from solver.rules import RULES
from solver.solve import solve
from solver.worth import Worths, to_lines, worths
from tests.core.instances import random_problem
from tests.doors.small import make_small, make_sources


def relaxed_usd(problem: Problem) -> float:
    """The relaxation by another door to another back-end: scipy."""
    f = formulate(problem, RULES, direct=True)
    p = closed(f.model.program(), f.obligations())
    below, above = np.isfinite(p.row_upper), np.isfinite(p.row_lower)
    found = linprog(
        p.cost,
        A_ub=np.vstack([p.matrix.toarray()[below], -p.matrix.toarray()[above]]),
        b_ub=np.concatenate([p.row_upper[below], -p.row_lower[above]]),
        bounds=np.stack([p.lower, p.upper], axis=1),
        method="highs-ds",
    )
    return float(found.fun) + f.model.constant if found.status == 0 else np.inf


def limited(problem: Problem, **changes: Any) -> Problem:
    """With other limits."""
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, **changes))


def tight(seed: int) -> tuple[Problem, Worths]:
    """A random problem whose quotas bind, and what they are worth."""
    problem = random_problem(seed, flows=3, quota=0.9, must_serve=0.0)
    return problem, worths(problem)


@pytest.mark.parametrize("seed", range(8))
def test_a_node_of_a_quota_is_worth_the_difference_of_two_relaxations(seed: int) -> None:
    """To the millionth; quotas that are not named are worth nothing."""
    problem, found = tight(seed)
    base = relaxed_usd(problem)
    assert found.relaxation_usd == pytest.approx(base, rel=1e-6)
    named = {w.limit: w for w in found.limits}
    for i, quota in enumerate(problem.limits.quotas):
        quotas = list(problem.limits.quotas)
        quotas[i] = dataclasses.replace(quota, max_nodes=quota.max_nodes + 1)
        saved = base - relaxed_usd(limited(problem, quotas=tuple(quotas)))
        worth = named.get(f"quota[{quota.name}]")
        if worth is None:
            assert saved <= 0.005 + 1e-6 * base or quota.max_nodes == 0
        else:
            assert (worth.unit, worth.how) == ("node", "difference")
            assert worth.usd == pytest.approx(saved, rel=1e-5, abs=1e-6 * base)


def test_some_quota_of_the_problems_above_is_worth_something() -> None:
    """So that the test above can fail."""
    assert sum(len(tight(seed)[1].limits) for seed in range(8)) >= 4


@pytest.mark.parametrize("seed", range(6))
def test_no_plan_with_one_node_more_passes_the_bound_by_more_than_its_worth(seed: int) -> None:
    """Plans in whole nodes: at least the relaxation less what the node is worth to it."""
    problem, found = tight(seed)
    for worth in found.limits[:2]:
        quotas = tuple(
            dataclasses.replace(q, max_nodes=q.max_nodes + (f"quota[{q.name}]" == worth.limit))
            for q in problem.limits.quotas
        )
        plan = solve(limited(problem, quotas=quotas), gap=0.0, time_limit_s=20, isolated=False)
        assert float(plan.total_usd) >= (found.relaxation_usd - worth.usd) * (1 - 1e-6) - 0.01


def bound_by(name: str, seed: int) -> tuple[Problem, str]:
    """A problem with a budget or a carbon limit halfway between what is needed at least and what is wanted."""
    problem = random_problem(seed, flows=2, quota=0.0, must_serve=0.0)
    wanted = solve(problem, gap=0.0, time_limit_s=20, isolated=False)
    paid = sum(r["micro_usd"] for r in wanted.cost_lines.records() if r["kind"] in {"compute", "upfront"})
    if name == "monthly budget":
        return limited(problem, monthly_budget_micro_usd=(paid * 6 // 10,)), f"monthly budget[{wanted.periods[0]}]"
    if name == "hourly budget":
        hours = int(problem.blocks.period_hours.sum())
        return limited(problem, hourly_budget_micro_usd=paid * 6 // (10 * hours)), name
    from solver.explain import _grams

    return limited(problem, carbon_max_g=int(_grams(problem, wanted)) * 6 // 10), name


@pytest.mark.parametrize("name", ["monthly budget", "hourly budget", "carbon"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_money_and_carbon_are_worth_their_row_price(name: str, seed: int) -> None:
    """Between what a little more saves and what a little less costs, by another back-end."""
    problem, label = bound_by(name, seed)
    priced = {w.limit: w.usd for w in worths(problem).limits}
    limits, base = problem.limits, relaxed_usd(problem)

    def at(share: float) -> float:
        """The relaxation with so much more of the limit, per unit of it."""
        if name == "monthly budget":
            was = limits.monthly_budget_micro_usd[0] or 0
            step, changed = round(share * was), {"monthly_budget_micro_usd": (was + round(share * was),)}
            unit = step / 1e6
        elif name == "hourly budget":
            was = limits.hourly_budget_micro_usd or 0
            step, changed = round(share * was), {"hourly_budget_micro_usd": was + round(share * was)}  # type: ignore[dict-item]
            unit = step / 1e6
        else:
            was = limits.carbon_max_g or 0
            step, changed = round(share * was), {"carbon_max_g": was + round(share * was)}  # type: ignore[dict-item]
            unit = step / 1e3
        return (base - relaxed_usd(limited(problem, **changed))) / unit

    more, less = at(1e-3), at(-1e-3)
    worth = priced.get(label, 0.0)
    slack = 1e-3 * abs(less) + 1e-6
    assert more - slack <= worth <= less + slack
    assert worth > 0 or less <= slack


def test_residency_costs_what_the_cheaper_region_saves() -> None:
    """Chat may run only in the EU on $2 nodes for 15 requests; big ones in the US at $5 hold 100."""
    made = make_small()
    s = dataclasses.replace(make_sources(), total_units=np.zeros(3, dtype=np.int64))
    offers = dataclasses.replace(made.offers, micro_usd_per_hour=np.array([5, 12, 2]) * 10**6)
    work = dataclasses.replace(made.workloads, residency=(("EU",), ()))
    problem = dataclasses.replace(made, sources=s, offers=offers, workloads=work)
    base, free = relaxed_usd(problem), relaxed_usd(dataclasses.replace(problem, workloads=made.workloads))
    (residency, latency) = worths(problem, "chat").requirements
    assert (residency.workload, residency.requirement, residency.instead) == ("chat", "residency EU", "anywhere")
    assert residency.usd == pytest.approx(base - free)
    assert residency.usd == pytest.approx(residency.usd_per_month * 2)
    in_eu = (
        3.5 * 12 * 30 + 4 * 2 * 70
    )  # big ones for 350 by day; for 60 by night four small ones, as a big one is whole
    assert residency.usd == pytest.approx(in_eu - 3.5 * 5 * 30 - 5 * 70)
    assert latency.requirement == "ttft_ms 500"
    assert latency.usd == pytest.approx(0.0, abs=1e-6)
    lines = to_lines(worths(problem, "chat"))
    assert any(line.startswith("  residency EU of chat costs $") for line in lines)


def test_latency_costs_what_slower_nodes_save() -> None:
    """With 440 ms asked, the cheap small nodes at 450 ms are out of reach; with half as much again they are not."""
    made = make_small()
    s = dataclasses.replace(make_sources(rtt_ms=0.0), total_units=np.zeros(3, dtype=np.int64))
    offers = dataclasses.replace(made.offers, micro_usd_per_hour=np.array([10, 12, 1]) * 10**6)
    work = dataclasses.replace(made.workloads, ttft_ms=np.array([440.0, np.inf]))
    problem = dataclasses.replace(made, sources=s, offers=offers, workloads=work)
    (latency,) = worths(problem, "chat").requirements
    assert (latency.requirement, latency.instead) == ("ttft_ms 440", "660 ms")
    assert latency.usd == pytest.approx((3.5 * 10 - 350 / 15) * 30 + (10 - 60 / 15) * 70)


def test_a_quota_of_no_nodes_and_limits_with_room_are_not_named() -> None:
    """Only what binds, and what someone could ask for more of."""
    problem = make_small(
        limits=Limits(
            quotas=(Quota(name="all", pools=(0, 1, 2), kind="any", max_nodes=10**6),), monthly_budget_micro_usd=()
        )
    )
    assert worths(problem).limits == []


@pytest.mark.parametrize("percent", [-1, 1])
def test_a_runner_up_wins_at_the_price_that_is_told(percent: int) -> None:
    """A percent below that price a fresh search takes it; a percent above it does not."""
    made = make_small()
    s = dataclasses.replace(make_sources(), total_units=np.zeros(3, dtype=np.int64))
    units = np.zeros_like(s.units_per_hour)
    units[0] = [300, 300]  # three whole big nodes: in whole nodes as in parts
    problem = dataclasses.replace(made, sources=dataclasses.replace(s, units_per_hour=units))
    plan = solve(problem, gap=0.0, time_limit_s=20, isolated=False)
    chat = explain(problem, plan, "chat").workloads[0]
    assert [c.pool for c in chat.chosen] == ["aws/us/big"]
    assert chat.runner_up is not None
    assert chat.runner_up.pool == "aws/eu/big"
    price = problem.offers.micro_usd_per_hour.copy()
    price[1] = round(price[1] * (1 - chat.runner_up.must_fall_percent / 100) * (100 + percent) / 100)
    changed = dataclasses.replace(problem, offers=dataclasses.replace(problem.offers, micro_usd_per_hour=price))
    again = solve(changed, gap=0.0, time_limit_s=20, isolated=False)
    assert {r["region"] for r in again.placements.records()} == ({"eu"} if percent < 0 else {"us"})
