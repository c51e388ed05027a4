"""Schedules small enough to price by hand, runs that cannot be done, and data that is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from solver.errors import InputError
from solver.schedule import ScheduleProblem, UnschedulableError, build, check, schedule

from .draws import START

USD = 10**6
NIGHT = [4] * 8 + [0] * 16  # nodes idle from 0 to 8 o'clock


def problem(*jobs: dict[str, Any], supplies: list[dict[str, Any]] | None = None, hours: int = 24) -> ScheduleProblem:
    """One pool: four nodes idle at night, four on demand at $2."""
    usual: list[dict[str, Any]] = [
        {"pool": "a", "kind": "idle", "nodes": NIGHT[:hours]},
        {"pool": "a", "nodes": 4, "usd_per_hour": 2},
    ]
    return build(name="hand", start=START, hours=hours, pools=["a"], supplies=supplies or usual, jobs=list(jobs))


def job(name: str, nodes: int, hours: int, **fields: Any) -> dict[str, Any]:
    """A run in pool a."""
    return {"name": name, "options": [{"pool": "a", "nodes": nodes, "hours": hours}], **fields}


def solved(p: ScheduleProblem) -> Any:
    """The optimum, proved."""
    made = schedule(p, gap=0, isolated=False)
    assert made.termination == "optimal"
    assert check(p, made) == []
    return made


def test_idle_nodes_first_the_rest_bought() -> None:
    """24 + 12 node-hours on 32 idle ones at night, at most 4 nodes at once: x takes six hours of all four, y two more
    hours idle on two nodes and four hours bought: 2 × 4 × $2 = $16.
    """  # noqa: D205
    made = solved(problem(job("x", 4, 6), job("y", 2, 6)))
    assert made.total_micro_usd == 16 * USD


def test_a_gang_stands_partly_on_idle_nodes() -> None:
    """Six nodes for two hours: four idle, two bought at $2: $8."""
    made = solved(problem(job("x", 6, 2)))
    assert made.total_micro_usd == 8 * USD
    assert [(r["kind"], r["supply"], r["micro_usd"]) for r in made.cost_lines.records()] == [("compute", 1, 8 * USD)]


def test_the_cheaper_of_running_and_leaving() -> None:
    """Two nodes for three hours by day cost $12: a run worth $11 is left out, one worth $13 is not."""
    for worth, expected in ((11, 11), (13, 12)):
        made = solved(problem(job("x", 2, 3, release=8, unrun_usd=worth)))
        assert made.total_micro_usd == expected * USD
        assert made.left["job"].tolist() == (["x"] if worth == 11 else [])
        if worth == 11:
            assert made.left["reason"].tolist() == ["dearer to run than to leave out"]


def test_a_restart_is_paid_for() -> None:
    """Nodes for $1, but for $9 in hour 2. Four hours on one node: through costs 3 × 1 + 9 = $12 at least; in two
    pieces with an hour of restart 5 × 1 = $5.
    """  # noqa: D205
    supplies = [{"pool": "a", "nodes": 1, "usd_per_hour": [1, 1, 9, 1, 1, 1]}]
    through = solved(problem(job("x", 1, 4), supplies=supplies, hours=6))
    assert through.total_micro_usd == 12 * USD
    split = solved(problem(job("x", 1, 4, max_segments=2, restart_hours=1), supplies=supplies, hours=6))
    assert split.total_micro_usd == 5 * USD
    assert [(r["start_hour"], r["end_hour"]) for r in split.runs.records()] == [(0, 2), (3, 6)]
    long = job("x", 1, 4, max_segments=2, restart_hours=1, min_segment_hours=3)
    assert solved(problem(long, supplies=supplies, hours=6)).total_micro_usd == 12 * USD


def test_a_block_is_opened_when_two_runs_share_it() -> None:
    """Two nodes for $10 in hours 0 to 3. One run of two hours on one node on demand costs $6, two cost $12."""
    supplies = [
        {"pool": "a", "kind": "block", "nodes": [2, 2, 2, 2, 0, 0], "upfront_usd": 10},
        {"pool": "a", "nodes": 2, "usd_per_hour": 3},
    ]
    one = solved(problem(job("x", 1, 2), supplies=supplies, hours=6))
    assert (one.total_micro_usd, len(one.bought)) == (6 * USD, 0)
    two = solved(problem(job("x", 1, 2), job("y", 1, 2), supplies=supplies, hours=6))
    assert (two.total_micro_usd, len(two.bought)) == (10 * USD, 1)
    assert [(r["kind"], r["job"], r["micro_usd"]) for r in two.cost_lines.records()] == [
        ("upfront", "x", 5 * USD),
        ("upfront", "y", 5 * USD),
    ]


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([job("x", 9, 1)], "x needs 9 nodes at once, a has 8 at most in its window"),
        ([job("x", 1, 5, release=3, deadline=7)], "its window 2027-03-01 03:00 to 2027-03-01 07:00 UTC has 4"),
        ([job("x", 8, 9)], "without a break; a has too few in 2027-03-01 08:00 to 2027-03-02 00:00 UTC"),
        ([{"name": "x", "options": []}], "x fits no pool: no option is known for it"),
        ([job(n, 5, 8) for n in "xy"], "beside the other jobs in"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_done_are_named(jobs: list[dict[str, Any]], said: str) -> None:
    """With the reason, in words of the problem."""
    with pytest.raises(UnschedulableError) as caught:
        schedule(problem(*jobs), isolated=False)
    assert said in str(caught.value)
    assert caught.value.exit_code == 4
    assert len(caught.value.jobs) == 1


@pytest.mark.parametrize("isolated", [True, False])
def test_errors_and_schedules_cross_from_the_child(isolated: bool) -> None:
    """The same either way."""
    with pytest.raises(UnschedulableError, match="beside the other jobs"):
        schedule(problem(job("x", 5, 8), job("y", 5, 8)), isolated=isolated)
    assert schedule(problem(job("x", 6, 2)), gap=0, isolated=isolated).total_micro_usd == 8 * USD


BAD: list[tuple[str, str, Any, str]] = [
    ("supplies", "nodes", -1, "supplies.nodes: must be from 0"),
    ("supplies", "micro_usd_per_hour", 10**11, "supplies.micro_usd_per_hour"),
    ("supplies", "kind", "stolen", "'stolen' is unknown"),
    ("jobs", "deadline", 25, "jobs.deadline: must be from 0 to 24, holds 25"),
    ("jobs", "max_segments", 0, "jobs.max_segments"),
    ("jobs", "unrun_micro_usd", -5, "jobs.unrun_micro_usd"),
    ("options", "pool", 1, "options.pool: must be from 0 to 0, holds 1"),
    ("options", "nodes", 0, "options.nodes"),
    ("options", "hours", 0, "options.hours"),
]


@pytest.mark.parametrize(("part", "field", "value", "said"), BAD)
def test_numbers_out_of_range_are_refused(part: str, field: str, value: Any, said: str) -> None:
    """Each by its place."""
    p = problem(job("x", 1, 1))
    column = getattr(getattr(p, part), field).copy()
    column[0] = value
    with pytest.raises(InputError) as caught:
        dataclasses.replace(p, **{part: dataclasses.replace(getattr(p, part), **{field: column})})
    assert said in str(caught.value)


def test_odd_problems_are_refused() -> None:
    """Names twice, a start within an hour, unknown pools, floats."""
    with pytest.raises(InputError, match="the same name"):
        problem(job("x", 1, 1), job("x", 1, 1))
    with pytest.raises(InputError, match="on the hour"):
        dataclasses.replace(problem(job("x", 1, 1)), start=START.replace(minute=30))
    with pytest.raises(InputError, match="which is no pool"):
        problem({"name": "x", "options": [{"pool": "b", "nodes": 1, "hours": 1}]})
    p = problem(job("x", 1, 1))
    with pytest.raises(InputError, match="int64"):
        dataclasses.replace(p, supplies=dataclasses.replace(p.supplies, nodes=p.supplies.nodes.astype(np.float64)))


def test_nothing_to_do_costs_nothing() -> None:
    """No job at all."""
    assert solved(problem()).total_micro_usd == 0
