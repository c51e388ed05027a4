"""What must hold of any problem: claims stay true, orders and names do not matter, changes are noticed."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from solver.engine.gangs.board import Board, Place, Terms, filled
from solver.engine.gangs.repair import Repair
from solver.engine.gangs.segments import cheapest, values
from solver.engine.gangs.tiers import useful_nodes
from solver.schedule import Schedule, ScheduleProblem, UnschedulableError, check, schedule
from solver.table import Table

from .draws import cluster, tiny


def optimum(problem: ScheduleProblem) -> int | None:
    """Proved, or None where there is no schedule."""
    try:
        made = schedule(problem, gap=0, isolated=False)
    except UnschedulableError:
        return None
    assert made.termination == "optimal"
    return made.total_micro_usd


def with_parts(problem: ScheduleProblem, part: str, **columns: Any) -> ScheduleProblem:
    """The problem with columns of a part replaced."""
    return dataclasses.replace(problem, **{part: dataclasses.replace(getattr(problem, part), **columns)})


@pytest.mark.parametrize("seed", range(60))
def test_more_capacity_never_costs_more(seed: int) -> None:
    """A node more of every supply in every hour, at the same prices."""
    problem = tiny(seed)
    before = optimum(problem)
    after = optimum(with_parts(problem, "supplies", nodes=problem.supplies.nodes + 1))
    assert before is None or (after is not None and after <= before)


@pytest.mark.parametrize("seed", range(60))
def test_order_and_names_of_jobs_do_not_matter(seed: int) -> None:
    """Jobs from last to first, under other names."""
    problem = tiny(seed)
    count = len(problem.jobs.name)
    back = np.arange(count)[::-1]
    jobs = {f.name: getattr(problem.jobs, f.name)[back] for f in dataclasses.fields(problem.jobs)}
    jobs["name"] = np.array([f"other {i}" for i in range(count)], dtype=object)
    turned = with_parts(with_parts(problem, "jobs", **jobs), "options", job=count - 1 - problem.options.job)
    assert optimum(turned) == optimum(problem)


@pytest.mark.parametrize("seed", range(40))
def test_prices_times_seven_cost_seven_times(seed: int) -> None:
    """All prices alike."""
    problem = tiny(seed)
    s, before = problem.supplies, optimum(problem)
    dearer = with_parts(
        problem, "supplies", micro_usd_per_hour=7 * s.micro_usd_per_hour, upfront_micro_usd=7 * s.upfront_micro_usd
    )
    dearer = with_parts(dearer, "jobs", unrun_micro_usd=7 * problem.jobs.unrun_micro_usd)
    dearer = with_parts(dearer, "options", micro_usd=7 * problem.options.micro_usd)
    assert optimum(dearer) == (None if before is None else 7 * before)


@pytest.mark.parametrize(("jobs", "seed", "runs"), [(9, 1, 20), (10, 0, 3), (12, 0, 2)])
def test_deterministic_runs_are_the_same_to_the_byte(jobs: int, seed: int, runs: int) -> None:
    """Also of CP-SAT, which each of these ends with; one of the runs is in a child process."""
    problem = cluster(jobs, 36, 2, seed, idle=True, segments=2)
    made = [schedule(problem, gap=0.02, deterministic=True, isolated=i == 0) for i in range(runs)]
    assert (
        len({pickle.dumps((m.runs.to_frame().to_csv(), m.cost_lines.to_frame().to_csv(), m.certificate)) for m in made})
        == 1
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("segments", [1, 3])
def test_claims_hold_on_larger_problems(seed: int, segments: int) -> None:
    """Within a second: a checked schedule, and a bound that a longer search does not contradict."""
    problem = cluster(60, 72, 3, seed, idle=True, segments=segments)
    quick = schedule(problem, time_limit_s=1, gap=0, isolated=False)
    slow = schedule(problem, time_limit_s=3, gap=0, isolated=False, seed=1)
    assert check(problem, quick) == []
    assert quick.certificate.lower_micro_usd <= slow.total_micro_usd
    assert slow.certificate.lower_micro_usd <= quick.total_micro_usd


@pytest.mark.parametrize("seed", range(6))
def test_repair_counts_its_money(seed: int) -> None:
    """What ruin and repair adds up step by step is the bill of the board."""
    problem = cluster(40, 72, 3, seed, idle=True, segments=1 + seed % 2)
    board = filled(Terms(problem, useful_nodes(problem)), np.ones(6, dtype=bool), range(40))
    before = board.total()
    after = Repair(board, seed).run(before, steps=200, stop=lambda: False, better=lambda _: True)
    assert after == board.total()


def ways(cost: list[int], hours: int, segments: int, least: int, restart: int) -> int:
    """Least cost of all ways through a window, one by one."""
    best = [1 << 40]

    def further(begin: int, done: int, count: int, paid: int) -> None:
        if done == hours:
            best[0] = min(best[0], paid)
            return
        head = restart if count else 0
        for start in range(begin, len(cost) if count < segments else 0):
            for end in range(start + head + 1, len(cost) + 1):
                work = end - start - head
                alone = count == 0 and work == hours
                if done + work <= hours and (work >= least or alone):
                    further(end + 1, done + work, count + 1, paid + sum(cost[start:end]))

    further(0, 0, 0, 0)
    return best[0]


@pytest.mark.parametrize("seed", range(300))
def test_the_way_through_a_window_is_the_cheapest(seed: int) -> None:
    """One by one, and in a batch; hours in which nothing runs among them."""
    g = np.random.default_rng(seed)
    length, never = int(g.integers(1, 10)), 1 << 20
    cost = g.integers(0, 9, length) ** 2
    cost[g.random(length) < 0.15] = never
    rules = (int(g.integers(1, 4)), int(g.integers(1, 4)), int(g.integers(0, 3)))
    hours = int(g.integers(1, 7))
    expected = min(never, ways(cost.tolist(), hours, *rules))
    total, spans = cheapest(cost, hours, *rules, never)
    assert total == expected
    assert not spans or sum(int(cost[a:b].sum()) for a, b in spans) == total
    most = min(rules[0], hours // rules[1])
    if most > 1:
        batch = values(np.stack([cost, cost[::-1]]), np.array([hours, hours]), most, rules[1], rules[2], never)
        through = min([never, *(int(cost[t : t + hours].sum()) for t in range(length - hours + 1))])
        assert min(int(batch[0]), through) == expected


CHANGES: list[tuple[str, str, Any]] = [
    ("runs", "start_hour", lambda v: v + 1),
    ("runs", "end_hour", lambda v: v + 1),
    ("runs", "nodes", lambda v: v + 1),
    ("runs", "option", lambda v: v + 1),
    ("runs", "pool", lambda _: "elsewhere"),
    ("runs", "job", lambda _: "nobody"),
    ("cost_lines", "micro_usd", lambda v: v + 1),
    ("cost_lines", "job", lambda _: "nobody"),
    ("cost_lines", "supply", lambda v: v + 1),
]


@pytest.mark.parametrize(("table", "column", "change"), CHANGES)
def test_every_change_of_a_schedule_is_noticed(table: str, column: str, change: Any) -> None:
    """One cell of each row in turn."""
    problem = cluster(12, 24, 2, 5, idle=True)
    made = schedule(problem, gap=0, isolated=False, time_limit_s=5)
    rows: Table = getattr(made, table)
    for row in range(len(rows)):
        values_ = rows[column].copy()
        values_[row] = change(values_[row])
        other: Any = {table: rows.with_columns(**{column: values_})}
        changed: Schedule = dataclasses.replace(made, **other)
        assert check(problem, changed)
    shorter: Any = {table: rows.take(np.arange(len(rows)) > 0)}
    assert check(problem, dataclasses.replace(made, **shorter))


def test_useful_nodes_are_all_that_gangs_can_fill() -> None:
    """Of 37 nodes gangs of 2 to 16 use 36; where few jobs can be at once, no more than theirs."""
    problem = cluster(200, 48, 3, 1)
    odd = with_parts(problem, "supplies", nodes=np.full_like(problem.supplies.nodes, 37))
    assert set(np.unique(useful_nodes(odd)[:, 5:20]).tolist()) == {36}
    few = cluster(2, 48, 1, 1)
    assert useful_nodes(few).max() <= few.options.nodes.sum()


def test_a_board_gives_back_what_it_took() -> None:
    """Put and taken off, the load is as before and the saving what it cost."""
    problem = cluster(10, 24, 2, 3, idle=True)
    board = Board(Terms(problem, useful_nodes(problem)), np.ones(4, dtype=bool))
    place = board.best(0)
    assert isinstance(place, Place)
    board.put(0, place)
    assert board.load.any()
    assert board.take(0) == place.micro_usd
    assert not board.load.any()
