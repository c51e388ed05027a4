"""A search that starts from an old plan."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from solver.carry import carry
from solver.engine import run as engine
from solver.engine.start import incumbent
from solver.errors import InputError
from solver.plan import Plan
from solver.problem import Problem
from solver.rules import RULES
from solver.solve import solve
from solver.table import Table
from solver.whatif import changed, read_changes
from tests.core.instances import random_problem, text, whole

LAX = 0.99  # a gap at which every search is content with its first plan


def planned(problem: Problem, **options: Any) -> Plan:
    """A plan, searched in this process."""
    return solve(problem, **{"time_limit_s": 20, "gap": 0.0, "isolated": False} | options)


def shuffled(problem: Problem, seed: int) -> Problem:
    """The same problem with its candidates and offers in another order."""
    rng = np.random.default_rng(seed)
    made = {}
    for name in ("candidates", "offers"):
        part = getattr(problem, name)
        order = rng.permutation(len(part.pool))
        made[name] = dataclasses.replace(
            part, **{f.name: getattr(part, f.name)[order] for f in dataclasses.fields(part)}
        )
    return dataclasses.replace(problem, **made)


@pytest.mark.parametrize("seed", range(6))
def test_an_old_plan_is_found_again_under_other_row_numbers(seed: int) -> None:
    """The incumbent of a shuffled problem costs what the plan costs."""
    problem = random_problem(seed, runs=1, batches=1, must_serve=0.0)
    plan = planned(problem)
    other = shuffled(problem, seed)
    for target in (problem, other):
        known = incumbent(target, RULES, carry(plan, target, problem))
        assert known is not None
        assert known.micro_usd <= plan.total_micro_usd
        assert known.micro_usd >= plan.certificate.lower_micro_usd


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_warm_search_is_never_dearer_than_the_old_plan(
    seed: int, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little is asked of it: a start from the optimum stays there, in both ways of searching."""
    problem = random_problem(seed, must_serve=0.0, origins=2)
    plan = planned(problem)
    if large:
        monkeypatch.setattr(engine, "SMALL", 0)
    lax = planned(problem, gap=LAX)
    warm = planned(problem, gap=LAX, warm=plan)
    assert warm.total_micro_usd <= plan.total_micro_usd
    assert warm.total_micro_usd <= lax.total_micro_usd


def test_the_test_above_can_fail() -> None:
    """At least one of its searches is content with a dearer plan when it starts cold."""
    problems = [random_problem(seed, must_serve=0.0, origins=2) for seed in range(6)]
    assert any(planned(p, gap=LAX).total_micro_usd > planned(p).total_micro_usd for p in problems)


@pytest.mark.parametrize("seed", range(8))
def test_a_start_that_breaks_a_rule_misleads_nobody(seed: int) -> None:
    """Twice the demand at twice the price: the plan costs what a cold search proves to be least."""
    problem = random_problem(seed, must_serve=0.0)
    plan = planned(problem)
    s, o = problem.sources, problem.offers
    other = dataclasses.replace(
        problem,
        sources=dataclasses.replace(s, units_per_hour=2 * s.units_per_hour),
        offers=dataclasses.replace(o, micro_usd_per_hour=2 * o.micro_usd_per_hour),
    )
    cold, warm = planned(other), planned(other, warm=plan)
    tolerance = 1e-6 * cold.total_micro_usd + 1
    assert abs(warm.total_micro_usd - cold.total_micro_usd) <= tolerance


def test_must_serve_and_residency_refuse_an_old_plan() -> None:
    """It is no plan any more when more must be served than it serves."""
    for seed in range(20):
        problem = random_problem(seed, must_serve=1.0, quota=0.0)
        plan = planned(problem)
        if plan.termination == "infeasible":
            continue
        s = problem.sources
        more = dataclasses.replace(problem, sources=dataclasses.replace(s, units_per_hour=3 * s.units_per_hour))
        assert incumbent(problem, RULES, carry(plan, problem)) is not None
        assert incumbent(more, RULES, carry(plan, more)) is None
        return
    pytest.fail("no problem to try it on")


def test_blocks_are_matched_by_the_hours_they_stand_for() -> None:
    """Two old blocks become one and another is split: each new one starts from the old one in which most ran."""
    problem = random_problem(0, must_serve=0.0, blocks=3)
    plan = planned(problem)
    running = np.zeros(3, dtype=int)
    for r in plan.placements.records():
        running[r["block"]] += r["replicas"]

    def with_calendar(made: Problem, block: list[int]) -> Problem:
        table = Table(
            {
                "period": text(["2027-01"] * 6),
                "day": text(["weekday"] * 6),
                "hour_utc": whole(range(6)),
                "hours": whole([1] * 6),
                "scenario": whole([0] * 6),
                "block": whole(block),
            }
        )
        return dataclasses.replace(made, blocks=dataclasses.replace(made.blocks, calendar=table))

    before = with_calendar(problem, [0, 0, 1, 1, 2, 2])
    hours = problem.blocks.hours + 1
    blocks = dataclasses.replace(problem.blocks, hours=hours, period_hours=hours.sum(axis=0))
    after = with_calendar(dataclasses.replace(problem, blocks=blocks), [0, 0, 0, 0, 1, 2])
    start = carry(plan, after, before)
    most = 0 if running[0] >= running[1] else 1
    assert start.replicas.sum(axis=0).tolist() == [running[most], running[2], running[2]]
    assert not carry(plan, after).replicas.any()
    assert len(carry(plan, after).candidates) == len(start.candidates) > 0


def test_commitments_are_carried_by_name_and_owned_ones_are_those_owned_now() -> None:
    """A start holds what the plan holds."""
    for seed in range(30):
        problem = random_problem(seed, must_serve=0.0)
        plan = planned(problem)
        held = {int(r["offer"]): int(r["nodes"]) for r in plan.purchases.records() if r["kind"] == "commitment"}
        if held:
            start = carry(plan, problem)
            assert dict(zip(start.offers.tolist(), start.committed.tolist(), strict=True)) == held
            return
    pytest.fail("no plan with a commitment")


def test_a_plan_that_serves_nothing_is_no_start_and_no_fault() -> None:
    """Nothing is worth its price at a tenth of a cent for what is left."""
    problem = random_problem(1, must_serve=0.0, quota=0.0)
    cheap = dataclasses.replace(problem.workloads, unserved_micro_usd_per_unit=whole([1] * len(problem.workloads.name)))
    idle = dataclasses.replace(problem, workloads=cheap)
    plan = planned(idle)
    assert not len(plan.placements)
    assert planned(idle, warm=plan).total_micro_usd == plan.total_micro_usd
    assert planned(problem, warm=plan).total_micro_usd == pytest.approx(planned(problem).total_micro_usd, rel=1e-6)


def test_values_are_read_as_in_a_spec() -> None:
    """Numbers, lists, words, days and nothing."""
    found = read_changes(["a.b=0.3", "c = [EU, US]", "d=chat", "e=2027-01-01", "f=null", 'g="0.3"'])
    assert found["a.b"] == 0.3
    assert found["c"] == ["EU", "US"]
    assert (found["d"], str(found["e"]), found["f"], found["g"]) == ("chat", "2027-01-01", None, "0.3")


@pytest.mark.parametrize("bad", ["a.b", "=3", "a=1\nb: 2", "a=[1", "a=*x"])
def test_bad_settings_are_refused(bad: str) -> None:
    """With where they stand."""
    with pytest.raises(InputError):
        read_changes([bad])
    with pytest.raises(InputError, match="twice"):
        read_changes(["a=1", "a=2"])


def test_a_field_is_set_by_its_path() -> None:
    """By name in lists; all else stays."""
    spec: dict[str, Any] = {
        "name": "n",
        "workloads": [{"kind": "serving", "name": "a"}, {"kind": "serving", "name": "b"}],
    }
    made = json.loads(changed(json.dumps(spec), {"workloads.b.max_spot_share": 0.5, "limits.monthly_budget_usd": 7}))
    assert made["workloads"] == [spec["workloads"][0], {**spec["workloads"][1], "max_spot_share": 0.5}]
    assert made["limits"] == {"monthly_budget_usd": 7}
    with pytest.raises(InputError, match="no item"):
        changed(json.dumps(spec), {"workloads.c.max_spot_share": 1})
