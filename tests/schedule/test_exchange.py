"""Runs fill what serving leaves idle; prices that go back and forth never make the two dearer than planned apart."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from solver.check import check
from solver.schedule.exchange import schedule_on, together
from solver.schedule.hours import block_of_hour, horizon_start, idle
from solver.schedule.requests import Choice, Request, Reserved
from solver.solve import solve
from solver.table import Table
from tests.check.by_hand import USD, Work, commitment, make, on_demand

if TYPE_CHECKING:
    from solver.problem import Problem

UTC = datetime.UTC
DAYTIME = range(8, 20)  # hours of the day, UTC
POOL = "aws/r0/n"


def service(*, demand: tuple[int, int] = (40, 10)) -> Problem:
    """February 2027, four weeks from a Monday on: four nodes by day, one at night; $3 on demand, $1 committed."""
    offers = (on_demand(3 * USD), commitment(1 * USD, term_hours=672, starts="2027-02-01"))
    work = [Work(demand=demand, must=True, price=10 * USD)]
    problem = make(offers=offers, work=work, hours=[(336,), (336,)], periods=("2027-02",))
    rows = [
        ("2027-02", day, hour, n, 0, int(hour not in DAYTIME))
        for day, n in (("weekday", 20), ("weekend", 8))
        for hour in range(24)
    ]
    calendar = Table.from_records(("period", "day", "hour_utc", "hours", "scenario", "block"), rows)
    problem = dataclasses.replace(problem, blocks=dataclasses.replace(problem.blocks, calendar=calendar))
    assert problem.pool_names.tolist() == [POOL]
    return problem


def run(**fields: Any) -> Request:
    """Twenty hours on three nodes within the three days from Wednesday the third on."""
    usual: dict[str, Any] = {
        "name": "train",
        "choices": (Choice(pool=POOL, nodes=3, hours=20),),
        "release": datetime.datetime(2027, 2, 3, tzinfo=UTC),
        "deadline": datetime.datetime(2027, 2, 6, tzinfo=UTC),
    }
    return Request(**usual | fields)


def test_hours_are_those_of_the_calendar() -> None:
    """Every hour of February lies in the block of its hour of the day."""
    problem = service()
    assert horizon_start(problem) == datetime.datetime(2027, 2, 1, tzinfo=UTC)
    expected = [int(t % 24 not in DAYTIME) for t in range(672)]
    assert block_of_hour(problem).tolist() == [expected]


def test_a_run_takes_the_nights_for_nothing() -> None:
    """Four nodes are committed (672 h × $1 are less than 336 h × $3): $2,688; three of them idle from 20 to 8 o'clock.

    With one break the run fits into two nights: twelve hours of work, then one of restart and eight of work.
    """
    problem = service()
    plan = solve(problem, gap=0, isolated=False)
    assert plan.total_micro_usd == 4 * 672 * USD
    assert idle(problem, plan)[0].tolist() == [0 if t % 24 in DAYTIME else 3 for t in range(672)]
    pair = schedule_on(
        problem, plan, [run(max_segments=2, min_segment_hours=4, restart_hours=1)], gap=0, isolated=False
    )
    assert pair.schedule.total_micro_usd == 0
    assert pair.total_micro_usd == 2688 * USD
    rows = list(pair.schedule.runs.records())
    assert len(rows) == 2
    assert sum(r["end_hour"] - r["start_hour"] for r in rows) == 21
    for r in rows:
        hours = [pair.schedule.when(h).hour for h in range(r["start_hour"], r["end_hour"])]
        assert all(h not in DAYTIME for h in hours)


def test_a_run_without_breaks_buys_the_day() -> None:
    """A night has twelve hours; the other eight are by day, on three nodes at $3: $72."""
    problem = service()
    plan = solve(problem, gap=0, isolated=False)
    pair = schedule_on(problem, plan, [run()], gap=0, isolated=False)
    assert pair.schedule.total_micro_usd == 72 * USD
    assert {(r["kind"], r["micro_usd"]) for r in pair.schedule.cost_lines.records()} == {("compute", 72 * USD)}


def test_a_capacity_block_is_paid_once_where_it_is_cheaper() -> None:
    """Three nodes all Thursday for $50 beat eight hours by day for $72; for $80 they do not."""
    problem = service()
    plan = solve(problem, gap=0, isolated=False)
    for usd, expected in ((50, 50), (80, 72)):
        thursday = Reserved(
            pool=POOL, nodes=3, upfront_micro_usd=usd * USD,
            start=datetime.datetime(2027, 2, 4, tzinfo=UTC), end=datetime.datetime(2027, 2, 5, tzinfo=UTC),
        )  # fmt: skip
        pair = schedule_on(problem, plan, [run(blocks=(thursday,))], gap=0, isolated=False)
        assert pair.schedule.total_micro_usd == expected * USD
        assert len(pair.schedule.bought) == (usd == expected)


def test_prices_tell_the_fleet_to_commit_for_a_long_run() -> None:
    """600 hours without a break have 300 by day: apart they cost 2,688 + 3 × 300 × $3 = $5,388.

    Three more committed nodes cost 3 × 672 = $2,016 instead: $4,704 together.
    """
    problem = service()
    plan = solve(problem, gap=0, isolated=False)
    long = run(
        choices=(Choice(pool=POOL, nodes=3, hours=600),),
        release=datetime.datetime(2027, 2, 1, tzinfo=UTC), deadline=datetime.datetime(2027, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    found = together(problem, plan, [long], gap=0.0, schedule_gap=0.0, time_limit_s=20, isolated=False)
    assert found.totals[:2] == (5388 * USD, 4704 * USD)
    assert found.best.total_micro_usd == 4704 * USD
    assert found.best.plan is not None
    assert check(problem, found.best.plan) == []
    assert found.best.plan.total_micro_usd == 7 * 672 * USD


def test_a_short_run_leaves_the_fleet_as_it_is() -> None:
    """Nothing is better than nights for nothing."""
    problem = service()
    plan = solve(problem, gap=0, isolated=False)
    asked = [run(max_segments=2, restart_hours=1)]
    found = together(problem, plan, asked, gap=0.0, schedule_gap=0.0, time_limit_s=20, isolated=False)
    assert found.best.total_micro_usd == found.totals[0] == min(found.totals) == 2688 * USD
