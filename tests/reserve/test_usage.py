"""Usage hour by hour: a plan's hours are those of its blocks; paths become few futures; series name pools."""

from __future__ import annotations

import datetime
from fractions import Fraction

import numpy as np
import pytest

import solver
from solver.errors import InputError
from solver.plan import Plan
from solver.problem import FIRM, Problem
from solver.reserve.usage import WEEK, _hours, as_before, names_of, of_paths, of_plan, repeated
from solver.spec import loads

SPEC = """
{"name": "small", "horizon": {"start": "2027-01-16", "months": 2},
 "prices": {"providers": ["gcp"], "regions": ["gcp/us-central1"], "options": ["on_demand", "commit_1y"]},
 "workloads": [
  {"kind": "serving", "name": "chat", "model": "llama-3.1-8b", "precision": "fp8", "input_tokens": 1500,
   "output_tokens": 300, "ttft_ms": 2000, "tpot_ms": 60,
   "traffic": [{"origin": "gcp/us-central1", "requests_per_hour": 40000, "profile": "consumer",
                "weekend_factor": 0.5}]}],
 "scenarios": [{"name": "base", "probability": 0.75}, {"name": "high", "probability": 0.25, "demand_factor": 1.5}]}
"""


@pytest.fixture(scope="module")
def planned() -> tuple[Problem, Plan]:
    """A plan from the middle of January on, in two scenarios."""
    problem = loads(SPEC)
    return problem, solver.solve(problem, time_limit_s=3, gap=0.2, isolated=False)


def test_a_plan_s_hours_are_those_of_its_blocks(planned: tuple[Problem, Plan]) -> None:
    """In each scenario and pool; the node-hours come out."""
    problem, plan = planned
    names, usage = of_plan(plan, problem)
    assert usage.start == datetime.date(2027, 1, 16)
    assert usage.probability == (Fraction(3, 4), Fraction(1, 4))
    assert usage.hours == (16 + 28 + 15) * 24
    hours = problem.blocks.total_hours
    for q, name in enumerate(names):
        for s in range(2):
            due = sum(
                r["nodes"] * int(hours[r["block"]])
                for r in plan.placements.records()
                if (r["provider"], r["region"], r["node"]) == name
                and problem.blocks.scenario[r["block"]] == s
                and problem.candidates.market[r["candidate"]] == FIRM
            )
            assert usage.nodes[s, :, q].sum() == due


def test_every_hour_is_in_a_block_of_its_month_kind_of_day_and_hour(planned: tuple[Problem, Plan]) -> None:
    """2027-01-16 is a Saturday; each hour of 59 days and both scenarios, and each block as often as it has hours."""
    problem, _ = planned
    start, block = _hours(problem)
    cal = problem.blocks.calendar
    rows = zip(*(cal[name].tolist() for name in ("block", "scenario", "period", "day", "hour_utc")), strict=True)
    known = set(rows)
    for s in range(2):
        assert (np.bincount(block[s], minlength=problem.blocks.count)[problem.blocks.scenario == s]
                == problem.blocks.total_hours[problem.blocks.scenario == s]).all()  # fmt: skip
        for t, b in enumerate(block[s].tolist()):
            day = start + datetime.timedelta(days=t // 24)
            kind = "weekend" if day.weekday() >= 5 else "weekday"
            assert (b, s, f"{day:%Y-%m}", kind, t % 24) in known


def test_what_comes_after_a_plan_is_its_last_weeks(planned: tuple[Problem, Plan]) -> None:
    """The same weekday and hour, four weeks before, and so on."""
    problem, plan = planned
    _, usage = of_plan(plan, problem, until=datetime.date(2027, 6, 1))
    assert usage.day_of(usage.hours) == datetime.date(2027, 6, 1)
    horizon = (16 + 28 + 15) * 24
    later = usage.nodes[:, horizon:]
    assert (later[:, : 4 * WEEK] == usage.nodes[:, horizon - 4 * WEEK : horizon]).all()
    assert (later[:, 4 * WEEK :] == later[:, : -4 * WEEK]).all()


def test_less_than_a_week_is_repeated_as_it_is() -> None:
    """Two hours again and again."""
    assert repeated(np.array([[[1], [2]]]), 5)[0, :, 0].tolist() == [1, 2, 1, 2, 1]


def test_paths_become_few_futures_of_whole_nodes() -> None:
    """Two kinds of path, three of one and one of the other: two futures with these weights, rounded."""
    low, high = np.full((6, 1), 1.6), np.full((6, 1), 9.3)
    usage = of_paths(datetime.date(2027, 1, 1), np.stack([low, low, high, low]), keep=2)
    assert sorted(zip(usage.nodes[:, 0, 0].tolist(), usage.probability, strict=True)) == [
        (2, Fraction(3, 4)),
        (9, Fraction(1, 4)),
    ]


def test_one_future_is_the_past_again() -> None:
    """With a probability of 3 ÷ 4; of none nothing changes, of one nothing else is left."""
    ahead = of_paths(datetime.date(2027, 1, 1), np.full((4, 72, 1), 5.0), keep=1)
    past = np.arange(24)[:, None]
    mixed = as_before(ahead, past, Fraction(3, 4))
    assert mixed.probability == (Fraction(1, 4), Fraction(3, 4))
    assert mixed.nodes[1, :, 0].tolist() == [*range(24)] * 3
    assert as_before(ahead, past, Fraction(0)) is ahead
    assert as_before(ahead, past, Fraction(1)).nodes[:, :, 0].tolist() == [[*range(24)] * 3]


def test_series_name_pools_and_accounts() -> None:
    """provider/region/node, an account in front; anything else is told."""
    names = names_of(["aws/us-east-1/p5.48xlarge", "research: gcp/us-central1/a3-highgpu-8g"])
    assert names == [("", ("aws", "us-east-1", "p5.48xlarge")), ("research", ("gcp", "us-central1", "a3-highgpu-8g"))]
    with pytest.raises(InputError, match="names no pool"):
        names_of(["all"])
