"""Parts of the search for jobs that run through, against the board, the relaxation and a second solver."""

from __future__ import annotations

import numpy as np
import pytest

from solver.engine.gangs.board import Board, Place, Terms
from solver.engine.gangs.dive import dive
from solver.engine.gangs.prices import Relaxation
from solver.engine.gangs.ruin import Ruin
from solver.engine.gangs.smooth import Smooth, heat
from solver.engine.gangs.straight import Straight, filled
from solver.engine.gangs.tiers import Tiers, useful_nodes
from solver.schedule import ScheduleProblem

from .draws import cluster, tiny


def parts(problem: ScheduleProblem) -> tuple[Terms, Relaxation, Straight]:
    """An empty board, all supplies open."""
    nodes = useful_nodes(problem)
    terms, relaxation = Terms(problem, nodes), Relaxation(problem, nodes)
    return terms, relaxation, Straight(terms, relaxation, np.ones_like(problem.upfront))


def climbed(relaxation: Relaxation, board: Straight, steps: int = 150) -> Smooth:
    """Smoothed prices."""
    smooth = Smooth(relaxation, board.tiers)
    smooth.climb(heat(smooth.typical, step / steps) for step in range(steps))
    return smooth


@pytest.mark.parametrize("seed", range(60))
def test_both_boards_agree_on_what_each_way_adds(seed: int) -> None:
    """Job after job: the least that is added, and the total."""
    problem = tiny(3 * seed + 1)  # none that may be split
    terms, _, board = parts(problem)
    plain = Board(terms, np.ones_like(problem.upfront))
    for job in np.random.default_rng(seed).permutation(len(terms.left)).tolist():
        place = plain.best(job)
        way, added = board.best(job)
        assert added == (terms.left[job] if place is None else place.micro_usd)
        if way >= 0:
            pool, first, last = board.span(way)
            assert pool == int(problem.options.pool[board.ways.option[way]])
            place = Place(int(board.ways.option[way]), ((first, last),), added)
        plain.put(job, place)
        board.put(job, way)
        assert board.total() == plain.total()
        assert (board.load == plain.load).all()


@pytest.mark.parametrize("seed", range(8))
def test_taking_off_saves_what_putting_back_adds(seed: int) -> None:
    """And the sums of what gangs add are those of a board made anew."""
    problem = cluster(60, 72, 3, seed, idle=True)
    terms, relaxation, board = parts(problem)
    filled(board, range(60))
    draw, total = np.random.default_rng(seed), board.total()
    for _ in range(30):
        jobs = draw.choice(60, 5, replace=False).tolist()
        ways = [board.at[job] for job in jobs]
        left = sum(terms.left[job] for job in jobs)
        saved = board.take(jobs)
        assert board.total() == total - saved + left
        for job, way in zip(jobs, ways, strict=True):
            board.put(job, way)
        assert board.total() == total
    fresh = Straight(terms, relaxation, board.opened)
    for job, way in enumerate(board.at):
        fresh.put(job, way)
    assert (fresh.sums == board.sums).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("idle", [False, True])
def test_smoothed_prices_bound_nearly_what_the_linear_relaxation_does(seed: int, *, idle: bool) -> None:
    """HiGHS solves the relaxation on a column for each way: never less, and hardly more."""
    problem = cluster(80, 72, 3, seed, idle=idle)
    _, relaxation, board = parts(problem)
    smooth = climbed(relaxation, board, 300)
    bound = relaxation.bound(np.rint(smooth.best).astype(np.int64))
    assert bound == pytest.approx(smooth.value, rel=1e-6)
    best = linear(problem, relaxation, board.tiers)
    assert 0.995 * best <= bound <= best * (1 + 1e-9) + 1


def linear(problem: ScheduleProblem, r: Relaxation, tiers: Tiers) -> float:
    """Micro-dollars of the linear relaxation."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    cells, kinds = r.capacity.size, tiers.price.shape[1]
    hours = problem.options.hours[r.option]
    way = np.repeat(np.arange(len(r.job)), hours)
    hour = np.concatenate([np.arange(a, a + n) for a, n in zip(r.start.tolist(), hours.tolist(), strict=True)])
    cell = problem.options.pool[r.option][way] * problem.hours + hour
    sold = np.tile(np.arange(cells), kinds)
    load = coo_matrix(
        (
            np.concatenate([r.size[way], -np.ones(len(sold))]),
            (np.concatenate([cell, sold]), np.concatenate([way, len(r.job) + np.arange(len(sold))])),
        )
    )
    runs = coo_matrix((np.ones(len(r.job)), (r.job, np.arange(len(r.job)))), shape=(len(r.straight), load.shape[1]))
    price, nodes = (np.moveaxis(x, 1, 0).reshape(-1) for x in (tiers.price, tiers.nodes))
    limits = [(0, None)] * len(r.job) + [(0, n) for n in nodes.tolist()]
    made = linprog(np.concatenate([r.once, price]), load, np.zeros(cells), runs, np.ones(len(r.straight)), limits)
    assert made.status == 0
    return float(made.fun)


@pytest.mark.parametrize("seed", range(4))
def test_a_dive_runs_all_and_ruin_brings_it_down(seed: int) -> None:
    """What ruin says of its money is true, and no bill is below the bound."""
    problem = cluster(120, 72, 3, seed, idle=True)
    terms, relaxation, board = parts(problem)
    smooth = climbed(relaxation, board)
    prices, bound = smooth.best, relaxation.bound(np.rint(smooth.best).astype(np.int64))
    smooth.prices = smooth.ahead = prices
    dive(smooth, board, lambda: False)
    filled(board, range(120))
    assert min(board.at) >= 0
    began, heard = board.total(), list[int]()

    def better(total: int) -> bool:
        assert total == board.total()
        heard.append(total)
        return True

    cost = Smooth(relaxation, board.tiers).costs(prices)
    Ruin(board, prices, cost, seed).run(began, steps=400, done=lambda step: step / 400, better=better)
    assert heard == sorted(heard, reverse=True)
    assert bound <= heard[-1] < began
    found, missing = board.assignment()
    assert missing == 0
    assert found.micro_usd == board.total()
    assert (board.load <= board.tiers.capacity).all()
    assert len(terms.left) == len(found.option)


def test_ruin_leaves_out_what_is_not_worth_it() -> None:
    """Two jobs for one node, a third for nothing: the dear one to leave out runs."""
    from solver.schedule import build

    from .draws import START

    job = {"release": 0, "deadline": 2, "options": [{"pool": "a", "nodes": 1, "hours": 2}]}
    problem = build(
        name="three", start=START, hours=2, pools=["a"],
        supplies=[{"pool": "a", "nodes": 1, "usd_per_hour": 3}],
        jobs=[
            {**job, "name": "cheap to leave", "unrun_usd": 7},
            {**job, "name": "dear to leave", "unrun_usd": 50},
            {**job, "name": "not worth its nodes", "unrun_usd": 5},
        ],
    )  # fmt: skip
    _, relaxation, board = parts(problem)
    filled(board, range(3))
    assert board.total() == (6 + 50 + 5) * 10**6  # the first is there first
    prices = np.full((1, 2), 3.5e6)
    cost = Smooth(relaxation, board.tiers).costs(prices)
    Ruin(board, prices, cost, 0).run(board.total(), steps=200, done=lambda step: step / 200, better=lambda _: True)
    assert board.total() == (7 + 6 + 5) * 10**6


@pytest.mark.parametrize("seed", range(40))
def test_options_that_are_pruned_do_not_change_the_bound(seed: int) -> None:
    """Least costs of jobs that may be split, against each option's segments found one by one."""
    from solver.engine.gangs.prices import NEVER
    from solver.engine.gangs.segments import cheapest

    problem = tiny(3 * seed)
    _, relaxation, _ = parts(problem)
    o, j = problem.options, problem.jobs
    prices = np.random.default_rng(seed).integers(0, 9, relaxation.capacity.shape)
    least = np.where(j.must_run, NEVER, j.unrun_micro_usd)
    for k in range(len(o.job)):
        job, pool, size = int(o.job[k]), int(o.pool[k]), int(o.nodes[k])
        first, last = int(j.release[job]), int(j.deadline[job])
        cost = np.where(relaxation.capacity[pool, first:last] < size, 1 << 46, prices[pool, first:last])
        rules = (int(j.max_segments[job]), int(j.min_segment_hours[job]), int(j.restart_hours[job]))
        total, _ = cheapest(cost, int(o.hours[k]), *rules, 1 << 46)
        if total < 1 << 46:
            least[job] = min(least[job], size * total + int(o.micro_usd[k]))
    assert relaxation.ways(prices, NEVER)[0].tolist() == least.tolist()
