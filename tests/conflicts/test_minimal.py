"""Limits that contradict one another: minimal, by hand, against every subset, and against a second engine."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence

import pytest

from solver.conflicts import minimal
from solver.conflicts.lifting import Limit, lifted, limits_of
from solver.conflicts.minimal import CONFIRMED, ESTIMATE, contradiction, explained
from solver.engine.slack import Clock
from solver.problem import Limits, Problem, Quota
from solver.report import words
from solver.report.html import fragment
from solver.report.json import from_json, to_json
from solver.solve import solve
from tests.check.by_hand import Place, Work, commitment, make, on_demand
from tests.conflicts.contradictory import KIND, contradictory, faults_of, way_of
from tests.conflicts.lifting import names_of
from tests.conflicts.test_shown import printed
from tests.conflicts.test_specs import changed, spec_of

USD = 10**6
HOURS = ((10,), (90,))
BUSY = Work(demand=(100, 40), must=True, price=USD)  # ten nodes, then four
DRAWS = 24


def quota(most: int, pool: int = 0) -> Quota:
    """A quota of one pool."""
    return Quota(name=f"aws/r{pool}/n", pools=(pool,), kind="any", max_nodes=most)


def names(problem: Problem, proof: str = CONFIRMED) -> list[str]:
    """What is said to contradict one another."""
    found = contradiction(problem, Clock.of(None, 0))
    assert found is not None
    assert found.proof == proof
    return [m.name for m in found.members]


def cheap_and_dear(cheap_nodes: int, budget_usd: int) -> Problem:
    """Ten nodes for 10 h and four for 90 h: 920 dollars in the cheap region, 2,300 in the other."""
    limits = Limits(quotas=(quota(cheap_nodes), quota(50, 1)), monthly_budget_micro_usd=(budget_usd * USD,))
    places = (Place(region="r0"), Place(region="r1"))
    return make(
        offers=[on_demand(2 * USD), on_demand(5 * USD, 1)], work=[BUSY], hours=HOURS, places=places, limits=limits
    )


def test_budget_and_quota_together() -> None:
    """Either alone can be kept, as can the quota of the dear region with both."""
    assert names(cheap_and_dear(7, 1000)) == ["demand[a]", "monthly budget[2027-01]", "quota[aws/r0/n]"]


def test_a_budget_that_is_too_low_everywhere() -> None:
    """920 dollars are the least: the quota is not named, though it is in the way as well."""
    assert names(cheap_and_dear(7, 919)) == ["demand[a]", "monthly budget[2027-01]"]


def test_what_cannot_be_met_by_itself() -> None:
    """Two nodes are held already, and the quota is one: nothing that is asked for is to blame."""
    problem = make(
        offers=[on_demand(2 * USD), commitment(USD, owned=2)], work=[BUSY], hours=HOURS,
        limits=Limits(quotas=(quota(1),), hourly_budget_micro_usd=10**12),
    )  # fmt: skip
    assert names(problem) == ["quota[aws/r0/n]"]


def test_two_workloads_that_have_room_alone() -> None:
    """Six nodes each, and ten there are."""
    work = [Work(demand=(60, 60), must=True, price=USD)] * 2
    problem = make(offers=[on_demand(2 * USD)], work=work, hours=HOURS, limits=Limits(quotas=(quota(10),)))
    assert names(problem) == ["demand[a]", "demand[b]", "quota[aws/r0/n]"]


def test_quickxplain_against_every_subset() -> None:
    """Random families of what contradicts one another: the answer does, and no part of it does."""
    rng = random.Random(5)  # noqa: S311 (no secret)
    for _ in range(200):
        limits = [Limit(kind="quota", index=i, name=f"q{i}", says="") for i in range(rng.randint(1, 9))]
        families = [frozenset(rng.sample(limits, rng.randint(1, len(limits)))) for _ in range(rng.randint(1, 4))]

        def plan(kept: Sequence[Limit], families: list[frozenset[Limit]] = families) -> bool:
            return not any(family <= set(kept) for family in families)

        found = explained(plan, [], limits)
        assert not plan(found)
        parts = itertools.chain.from_iterable(itertools.combinations(found, n) for n in range(len(found)))
        assert all(plan(part) for part in parts)


@pytest.fixture(scope="module")
def answered() -> list[tuple[Problem, list[str]]]:
    """Problems made contradictory in every way, with the limits that are named."""
    problems = (contradictory(seed) for seed in range(1000))
    return [(p, names(p)) for p in itertools.islice(filter(None, problems), DRAWS)]


def test_a_second_engine_agrees(answered: list[tuple[Problem, list[str]]]) -> None:
    """There is no plan with these alone, and without any one of them a plan that passes its check."""
    for problem, found in answered:
        assert faults_of(problem, found) == [], (problem.name, found)
    assert {way_of(int(p.name.split()[-1])) for p, _ in answered} == set(KIND)


def test_the_judge_sees_too_few_and_too_many(answered: list[tuple[Problem, list[str]]]) -> None:
    """Else it would be worth nothing."""
    problem, found = next((p, n) for p, n in answered if 1 < len(n) < len(names_of(p)))
    spare = next(n for n in names_of(problem) if n not in found)
    assert "they leave a plan" in faults_of(problem, found[1:])
    assert f"without {spare} there is no plan" in faults_of(problem, [*found, spare])


def test_all_limits_are_known(answered: list[tuple[Problem, list[str]]]) -> None:
    """By the names that a second list gives, and without them nothing is left."""
    for problem, _ in answered:
        every = limits_of(problem)
        assert sorted({m.name for m in every}) == sorted(set(names_of(problem)))
        assert limits_of(lifted(problem, [m for m in every if m.kind != "deadline"])) == [
            m for m in limits_of(problem) if m.kind == "deadline"
        ]


def test_short_of_time_it_is_called_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the members are known, but not yet confirmed; and nothing is said without time for them."""
    problem = cheap_and_dear(7, 1000)
    assert contradiction(problem, Clock.of(-1.0, 0)) is None

    def late(_oracle: object, _members: object) -> bool:
        raise minimal.OutOfTime

    monkeypatch.setattr(minimal.Oracle, "needed", late)
    assert names(problem, ESTIMATE) == ["demand[a]", "monthly budget[2027-01]", "quota[aws/r0/n]"]


def test_what_people_read() -> None:
    """A sentence on the terminal and in notebooks, a table in plan.json that is read back."""
    plan = solve(cheap_and_dear(7, 1000), deterministic=True)
    said = words.contradiction(plan)
    assert said == (
        "demand[a] (all of 100 requests an hour at the peak must be served), monthly budget[2027-01] "
        "($1,000.00 at most) and quota[aws/r0/n] (7 nodes at most) contradict one another; without any one "
        "of them there is a plan."
    )
    assert said[1:] in " ".join(printed(plan).split())
    assert "contradict one another" in fragment(plan)
    table = json.loads(to_json(plan))["tables"]["contradiction"]
    assert [row[-1] for row in table["rows"]] == [CONFIRMED] * 3
    assert list(from_json(to_json(plan)).contradiction.records()) == list(plan.contradiction.records())


def test_what_a_spec_asks_of_a_workload_is_named() -> None:
    """Though the problem made from it holds no candidate beyond: the latency here, the country there."""
    spec = spec_of("one-model")
    assert names(changed(spec, ttft_ms=60)) == ["demand[chat]", "latency[chat]"]
    assert names(changed(spec, residency=["LU"])) == ["demand[chat]", "residency[chat]"]
