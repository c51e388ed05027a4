"""Frontiers against what searches from scratch prove, and their files."""

from __future__ import annotations

import csv
import dataclasses
import json
from functools import cache
from pathlib import Path

import pytest

from solver.check import check
from solver.errors import InputError
from solver.pareto import Frontier, Point, Search, _limited, pareto, undominated, value_of
from solver.plan import Certificate, Plan
from solver.problem import Problem
from solver.report.json import from_json
from solver.report.pareto import page, to_json
from solver.solve import solve
from tests.core.instances import random_problem
from tests.diff.test_command import SPEC
from tests.doors.command import refused, run
from tests.doors.small import make_small_plan

EXACT = Search(time_limit_s=20.0, gap=0.0)
TRADED = [("carbon", 0), ("carbon", 3), ("upfront", 1), ("upfront", 4), ("spot", 0), ("spot", 2)]


def drawn(seed: int) -> Problem:
    """A small problem with something to trade on every axis."""
    return random_problem(seed, flows=2, quota=0.0, must_serve=0.0, peak_nodes=6.0)


def traded(against: str, seed: int) -> tuple[Problem, Frontier, Plan]:
    """The first problem from this seed on with something to trade, its frontier, and its plan without a limit."""
    for s in range(seed, seed + 20):
        found = frontier(against, s)
        if found is not None:
            return drawn(s), found, cheapest(s)
    pytest.fail("nothing to trade")


@cache
def frontier(against: str, seed: int) -> Frontier | None:
    """Of one problem; None when there is nothing to trade."""
    try:
        return pareto(drawn(seed), against, points=4, search=EXACT)
    except InputError:
        return None


@cache
def cheapest(seed: int) -> Plan:
    """By a search from scratch."""
    return solve(drawn(seed), gap=0.0, time_limit_s=20, isolated=False)


@pytest.mark.parametrize(("against", "seed"), TRADED)
def test_each_point_is_the_cheapest_plan_within_its_limit(against: str, seed: int) -> None:
    """As a search from scratch proves it; each plan is sound, keeps its limit, and none dominates another."""
    problem, found, free = traded(against, seed)
    for p in found.points:
        assert not check(p.problem, p.plan)
        assert p.value == value_of(p.problem, p.plan, against)
        assert p.value <= p.limit + 1e-9
        limited = problem if p.limit == float("inf") else _limited(problem, against, p.limit)
        assert limited is not None
        cold = free if limited is problem else solve(limited, gap=0.0, time_limit_s=20, isolated=False)
        assert p.plan.total_micro_usd <= cold.total_micro_usd * (1 + 1e-6) + 1
        assert p.plan.total_micro_usd >= cold.certificate.lower_micro_usd * (1 - 1e-6) - 1
    costs, values = [p.plan.total_micro_usd for p in found.points], [p.value for p in found.points]
    assert costs == sorted(costs)
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


def test_the_cheapest_plan_is_the_loose_end() -> None:
    """Of carbon and upfront, where it is searched without a limit."""
    for against in ("carbon", "upfront"):
        _, found, free = traded(against, 0)
        assert found.points[0].plan.total_micro_usd == pytest.approx(free.total_micro_usd, rel=1e-6)
        assert len(found.points) > 1


def of(cost: int, value: float) -> Point:
    """A point without a plan of its own."""
    plan: Plan = make_small_plan()
    lines = plan.cost_lines.take(plan.cost_lines["micro_usd"] > 0)
    scaled = lines.with_columns(micro_usd=[cost, *[0] * (len(lines) - 1)])
    c = Certificate(kind="proved", lower_micro_usd=cost, upper_micro_usd=cost)
    return Point(
        limit=value, value=value, plan=dataclasses.replace(plan, cost_lines=scaled, certificate=c), problem=drawn(0)
    )


def test_dominated_points_are_dropped() -> None:
    """Dearer and no better, as dear and worse, and one of two that are equal."""
    points = [of(10, 5.0), of(10, 4.0), of(20, 4.0), of(20, 3.0), of(20, 3.0), of(30, 3.5), of(40, 0.0)]
    assert [(p.plan.total_micro_usd, p.value) for p in undominated(points)] == [(10, 4.0), (20, 3.0), (40, 0.0)]


def test_what_cannot_be_traded_is_told_with_the_mend() -> None:
    """No axis, no number of points, no spot, no upfront payment, no spec."""
    problem = drawn(0)
    work = dataclasses.replace(problem.workloads, max_spot_share=(0 * problem.workloads.max_spot_share[0],) * 2)
    offers = dataclasses.replace(problem.offers, upfront_micro_usd=0 * problem.offers.upfront_micro_usd)
    cases = [
        (problem, "beauty", 4),
        (problem, "carbon", 1),
        (dataclasses.replace(problem, workloads=work), "spot", 4),
        (dataclasses.replace(problem, offers=offers), "upfront", 4),
        (problem, "latency", 4),
    ]
    for made, against, points in cases:
        with pytest.raises(InputError) as error:
            pareto(made, against, points=points, search=EXACT)
        assert error.value.mend


def test_json_and_the_page_hold_every_point() -> None:
    """And nothing from elsewhere."""
    points = [of(10_000_000, 4.0), of(20_000_000, 3.0)]
    found = Frontier(against="carbon", unit="kg CO2e", points=points, dominated=1, notes=["<b>note</b>"])
    told = json.loads(to_json(found))
    assert [(p["carbon"], p["total_usd"]) for p in told["points"]] == [(4.0, "10.000000"), (3.0, "20.000000")]
    shown = page(found)
    assert "&lt;b&gt;note" in shown
    assert shown.count("<rect") == 2
    assert "http:" not in shown.replace("http://www.w3.org", "")


def test_the_command_writes_a_frontier(tmp_path: Path) -> None:
    """Latency of a small fleet: faster is never cheaper; files and table say the same."""
    spec = tmp_path / "fleet.yaml"
    spec.write_text(SPEC.replace("REQUESTS", "500000"), encoding="utf-8")
    done = run("pareto", spec, "--against", "latency", "--points", "3", "--out", tmp_path / "out", "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "out" / "pareto.json").read_text())
    assert [p["latency"] for p in told["points"]] == sorted((p["latency"] for p in told["points"]), reverse=True)
    with (tmp_path / "out" / "pareto.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(told["points"])
    for i, p in enumerate(told["points"]):
        folder = tmp_path / "out" / f"point-{i + 1:02d}"
        plan = from_json((folder / "plan.json").read_bytes())
        assert f"{plan.total_usd:f}" == p["total_usd"]
        assert run("check", folder).returncode == 0
    assert "no workload may use spot" in refused(run("pareto", spec, "--against", "spot"))
