"""Plans with one thing changed are caught, and what is not caught is another sound plan at the same bill."""

from __future__ import annotations

import dataclasses
from collections import Counter
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from solver.check import check
from solver.problem import UnservedLimit
from solver.rules import RULES
from tests.core.exact import Facts, choice_of, left_in_scenarios, scenario_costs, tail
from tests.core.instances import random_problem
from tests.core.states import by_the_hour, giving_up, holding, spread, without_spot
from tests.core.uncertain import with_outages

from .mutations import TABLES, Mutator, redecided
from .oracle import decision_of, faults
from .plans import drawn, plan_of
from .test_leave_out import unchecked

if TYPE_CHECKING:
    from solver.bill import Decision
    from solver.plan import Plan
    from solver.problem import Problem

LOSSY = 100  # bases from here on have outages
BASES = (2, 3, 4, 5, 7, 8, 11, 13, 102, 104, 109)
MUTANTS = 150  # of each base
LEAST_CAUGHT = 0.99


@cache
def base(seed: int) -> tuple[Problem, Plan]:
    """Two services of two origins, a run and a batch job in two futures of two months, under limits that bind."""
    limits: dict[str, Any] = {"carbon_micro_usd_per_kg": 100_000, "accounting": ("amortised", "cash")[seed % 2]}
    lossy = seed >= LOSSY
    if seed % 3 == 0:
        limits["monthly_budget_micro_usd"] = (300_000_000, None)
    if seed % 3 == 1:
        limits["hourly_budget_micro_usd"] = 15_000_000
    if seed % 3 == 2:
        limits["upfront_max_micro_usd"] = 2_000_000
    problem = random_problem(
        seed, flows=2, runs=1, batches=1, sites=2, shapes=2, blocks=3, scenarios=1 if lossy else 2, months=2, quota=0.8,
        must_serve=0.0 if lossy else 0.2, origins=2, limits=limits,
    )  # fmt: skip
    if not lossy:
        return problem, unchecked(problem, RULES)
    problem = with_outages(problem, np.random.default_rng(seed))
    return guarded(problem, unchecked(problem, RULES))


def guarded(problem: Problem, plan: Plan) -> tuple[Problem, Plan]:
    """The problem with tails limited to just what a plan of it has, and that plan."""
    decision = decision_of(problem, plan)
    f, x = Facts(problem), choice_of(decision)
    held, by_scenario = scenario_costs(f, x)
    level = problem.limits.cvar_level
    unserved = tuple(
        UnservedLimit(workload=w, level=level, max_units=ceil(tail(problem, left_in_scenarios(f, x, w), level)))
        for w in f.workloads
    )
    cost = ceil(tail(problem, by_scenario, level, held))
    limits = dataclasses.replace(problem.limits, cvar_max_micro_usd=cost, unserved=unserved)
    problem = dataclasses.replace(problem, limits=limits)
    return problem, plan_of(problem, decision)


@pytest.mark.parametrize("seed", BASES)
def test_the_bases_are_sound(seed: int) -> None:
    """By the check and by the oracle."""
    problem, plan = base(seed)
    assert check(problem, plan) == []
    assert faults(problem, decision_of(problem, plan)) == set()


def test_the_bases_hold_all_there_is() -> None:
    """Every way of buying, every kind of line, jobs and flows left, several futures, limits of each kind."""
    every = [base(seed) for seed in BASES]
    bought = Counter(r["kind"] for _, plan in every for r in plan.purchases.records())
    assert set(bought) == {"on_demand", "spot", "commitment"}
    lines = Counter(r["kind"] for _, plan in every for r in plan.cost_lines.records())
    assert set(lines) == {"compute", "upfront", "transfer", "carbon", "unserved"}
    assert {r["block"] < 0 for _, plan in every for r in plan.unserved.records()} == {True, False}
    assert {"serving", "training", "batch"} == {
        r["workload"].split("-")[0] for _, plan in every for r in plan.served.records()
    }
    assert all(problem.limits.quotas for problem, _ in every)
    assert any(problem.limits.monthly_budget_micro_usd for problem, _ in every)
    assert any(problem.limits.hourly_budget_micro_usd for problem, _ in every)
    assert any(problem.offers.owned_nodes.any() for problem, _ in every)


def hard(seed: int) -> Problem:
    """All limits at once, within reach or not."""
    rng = np.random.default_rng(seed)
    limits: dict[str, Any] = {
        "accounting": ("amortised", "cash")[seed % 2],
        "monthly_budget_micro_usd": (int(rng.integers(10**9, 10**10)), None),
        "hourly_budget_micro_usd": int(rng.integers(10**7, 10**9)),
        "carbon_max_g": int(rng.integers(10**5, 10**7)),
        "upfront_max_micro_usd": int(rng.integers(0, 10**7)),
        "cvar_max_micro_usd": int(rng.integers(10**8, 10**10)),
    }
    problem = random_problem(
        seed, flows=2, runs=1, batches=1, sites=3, scenarios=2, months=2, origins=2, quota=0.6, limits=limits
    )
    if not seed % 2:
        return problem
    problem = with_outages(problem, rng)
    if seed % 4 == 1:
        problem = spread(giving_up(holding(problem, rng), rng), rng)
    return without_spot(problem, rng) if seed % 8 == 1 else by_the_hour(problem, rng)


def strayed(problem: Problem, decision: Decision, seed: int) -> Decision:
    """Some units served over pairs that are closed, or outside of windows; some of what is owned given up."""
    rng, c, s = np.random.default_rng(seed), problem.candidates, problem.sources
    pairs = np.stack(np.nonzero(s.workload[:, None] == c.workload[None, :]))
    served = np.zeros((pairs.shape[1], problem.blocks.count), dtype=np.int64)
    row = {(d, k): e for e, (d, k) in enumerate(pairs.T.tolist())}
    for (d, k), units in zip(decision.pairs.T.tolist(), decision.served, strict=True):
        served[row[d, k]] = units
    e = rng.integers(pairs.shape[1], size=3)
    served[e, rng.integers(problem.blocks.count, size=3)] += 1
    committed = np.maximum(decision.committed - rng.integers(0, 2, len(decision.committed)), 0)
    return dataclasses.replace(decision, pairs=pairs, served=served, committed=committed)


def another(problem: Problem, plan: Plan) -> bool:
    """Whether a plan is sound after all: it decides something lawful, and says, bills and promises just that."""
    decision = decision_of(problem, plan)
    honest, c = plan_of(problem, decision), plan.certificate
    head = all(getattr(plan, n) == getattr(honest, n) for n in ("periods", "block_hours", "accounting"))
    head &= plan.provenance.problem_digest == honest.provenance.problem_digest
    head &= (plan.termination, c.kind) == ("optimal", "proved")
    head &= 0 <= c.lower_micro_usd <= c.upper_micro_usd == honest.total_micro_usd
    return head and not faults(problem, decision) and all(rows(plan, n) == rows(honest, n) for n in TABLES)


def rows(plan: Plan, name: str) -> Counter[tuple[Any, ...]]:
    """A table's rows in no order."""
    return Counter(tuple(r.items()) for r in getattr(plan, name).records())


def test_mutants_are_caught() -> None:
    """At least 99 of 100 of over a thousand; each of the others decides what is as lawful and as dear."""
    missed, kinds = [], Counter[str]()
    for seed in BASES:
        problem, plan = base(seed)
        mutator = Mutator(problem, plan, seed)
        for _ in range(MUTANTS):
            said, mutant = mutator.draw()
            kinds[said.split(":")[0]] += 1
            if not check(problem, mutant):
                missed.append((seed, said, another(problem, mutant)))
    assert sum(kinds.values()) >= 1000
    assert min(kinds.values()) > 50
    assert [m for m in missed if not m[2]] == []
    assert len(missed) <= (1 - LEAST_CAUGHT) * sum(kinds.values()), missed


@pytest.mark.parametrize("seed", BASES)
def test_changed_decisions_honestly_billed_break_what_the_oracle_says(seed: int) -> None:
    """With a true bill, the check finds the rules that are broken, all of them and no other."""
    problem, plan = base(seed)
    decision, rng, broken = decision_of(problem, plan), np.random.default_rng(seed), Counter[str]()
    for _ in range(60):
        changed = redecided(problem, decision, rng)
        wanted = faults(problem, changed)
        assert {v.rule for v in check(problem, plan_of(problem, changed))} == wanted
        broken.update(wanted or {"nothing"})
    assert broken["nothing"] > 0
    assert len(broken) > 3


def test_any_decision_breaks_what_the_oracle_says() -> None:
    """The same for decisions drawn at random, which break most rules at once."""
    broken = Counter[str]()
    for seed in range(40):
        problem = hard(seed)
        decision = strayed(problem, drawn(problem, seed, spare=1), seed)
        wanted = faults(problem, decision)
        assert {v.rule for v in check(problem, plan_of(problem, decision))} == wanted
        broken.update(wanted)
    assert set(broken) == {rule.name for rule in RULES} - {"transfer", "robust"}
