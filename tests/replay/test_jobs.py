"""Jobs with deadlines: bills by hand, the omniscient against enumeration, no job late, nothing seen ahead."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.engine.omniscient import foresight
from solver.errors import InputError
from solver.replay.jobs import Jobs, Prices
from solver.replay.policies import POLICIES, GreedySpot, MarkovDecision, OnDemandOnly, Policy, UniformProgress, policy
from solver.replay.run import replay
from solver.spot import Market

Array = np.ndarray[Any, np.dtype[Any]]
BY_NAME = {p.name: p for p in POLICIES}


def _market(rows: list[str], gap_hours: float = 1.0) -> Market:
    """Zones a, b, … from rows such as "1101"."""
    counts = np.array([[int(c) for c in row] for row in rows])
    zones = tuple("abcdefgh"[: len(rows)])
    return Market(name="m", zones=zones, gap_seconds=3600 * gap_hours, counts=counts)


def _job(work: float, deadline: float, restart: float, start: int = 0) -> Jobs:
    return Jobs(work_hours=np.array([work]), deadline_hours=np.array([deadline]), restart_hours=np.array([restart]),
                start=np.array([start]))  # fmt: skip


def _prices(zones: int = 1, spot: float = 1.0, on_demand: float = 4.0) -> Prices:
    return Prices(on_demand_usd_per_hour=on_demand, spot_usd_per_hour=np.full(zones, spot))


def test_on_demand_alone_pays_for_work_and_one_start() -> None:
    """(2.25 + 0.5) h × $4."""
    out = replay(_market(["000000"]), _job(2.25, 6, 0.5), _prices(), OnDemandOnly())
    assert out.usd[0] == pytest.approx(11.0)
    assert out.finish_hours[0] == pytest.approx(2.75)
    assert (out.starts[0], out.losses[0], out.on_demand_hours[0]) == (1, 0, pytest.approx(2.75))


def test_greedy_by_hand() -> None:
    """Up 2 h (1.5 done), down 1 h, up: a second start, 1.5 h of work; $1 × (2 + 2) h."""
    out = replay(_market(["11011111"]), _job(3, 8, 0.5), _prices(), GreedySpot())
    assert out.usd[0] == pytest.approx(4.0)
    assert out.finish_hours[0] == pytest.approx(5.0)
    assert (out.starts[0], out.losses[0]) == (2, 1)


def test_greedy_is_sent_on_demand_when_the_deadline_leaves_no_choice() -> None:
    """3 h of work and half an hour of start in 5 h: from hour 1 on nothing but on demand is in time; 3.5 h × $4."""
    out = replay(_market(["00000"]), _job(3, 5, 0.5), _prices(), GreedySpot())
    assert out.usd[0] == pytest.approx(14.0)
    assert (out.finish_hours[0], out.overruled[0]) == (pytest.approx(4.5), 1)  # then it stays there by itself


def test_uniform_progress_by_hand() -> None:
    """Idle, then behind and on demand, then not far enough ahead for spot.

    At 0 nothing is behind. At 1 half an hour is: on demand, 1 h of start, 1 h done at 3, when spot is up; but 1 h is
    less than the 2.5 h expected at 3 + 2 × 1, and so on until 4 h are done at 6.
    """
    out = replay(_market(["00011111"]), _job(4, 8, 1), _prices(), UniformProgress())
    assert (out.usd[0], out.finish_hours[0], out.starts[0]) == (pytest.approx(20.0), pytest.approx(6.0), 1)


def test_a_gang_needs_all_its_instances() -> None:
    """Three of four is nothing for a gang of four."""
    market = Market(name="m", zones=("a",), gap_seconds=3600, counts=np.array([[3, 3, 4, 4, 4, 4]]))
    out = replay(market, _job(2, 6, 0), _prices(), GreedySpot(), instances=4)
    assert (out.usd[0], out.finish_hours[0]) == (pytest.approx(2.0), pytest.approx(4.0))


def test_the_cheaper_zone_is_chosen_by_the_markov_policy() -> None:
    """Both up since hours: the second is half the price."""
    market = _market(["1" * 40, "1" * 40])
    prices = Prices(on_demand_usd_per_hour=4.0, spot_usd_per_hour=np.array([1.0, 0.5]))
    out = replay(market, _job(10, 20, 0.1, start=20), prices, MarkovDecision())
    assert out.usd[0] == pytest.approx(0.5 * 10.1)


@pytest.mark.parametrize(
    ("jobs", "said"), [(_job(3, 5, 0.5, start=2), "after the end"), (_job(1, 2, 0.5), "not one spot price")]
)
def test_what_cannot_be_replayed_is_refused(jobs: Jobs, said: str) -> None:
    """A deadline beyond the trace; prices of another number of zones."""
    prices = _prices(2 if "price" in said else 1)
    with pytest.raises(InputError, match=said):
        replay(_market(["00000"]), jobs, prices, OnDemandOnly())


@pytest.mark.parametrize(("deadline", "said"), [(3.4, "are more than"), (200_000.0, "out of range")])
def test_a_job_that_cannot_be_done_is_refused(deadline: float, said: str) -> None:
    """3 h and a start of half an hour do not fit into 3.4 h."""
    with pytest.raises(InputError, match=said):
        _job(3, deadline, 0.5)


def test_policies_by_name() -> None:
    """Each is found by its own name."""
    assert [policy(p.name) for p in POLICIES] == list(POLICIES)
    with pytest.raises(InputError, match="no policy"):
        policy("lucky")


def _least_by_enumeration(up: Array, work: int, deadline: int, restart: int, price: tuple[float, ...]) -> float:
    """Of a job in whole ticks of an hour: every sequence of modes, by recursion. Mode 0 is idle, 1 on demand."""

    @functools.cache
    def least(tick: int, mode: int, boot: int, left: int) -> float:
        if left == 0:
            return 0.0
        if tick == deadline:
            return math.inf
        found = least(tick + 1, 0, 0, left)
        for chosen in range(1, len(up) + 2):
            if chosen > 1 and not up[chosen - 2, tick]:
                continue
            wait = boot if chosen == mode else restart
            after = (max(wait - 1, 0), left - (wait == 0))
            found = min(found, price[chosen - 1] + least(tick + 1, chosen, *after))
        return found

    return least(0, 0, 0, work)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_omniscient_pays_what_the_best_of_all_sequences_does(data: st.DataObject) -> None:
    """Whole hours of work, start and segments: the optimum is at whole hours, so both are equal."""
    zones, ticks = data.draw(st.integers(1, 2)), data.draw(st.integers(4, 11))
    bits = data.draw(st.lists(st.booleans(), min_size=zones * ticks, max_size=zones * ticks))
    up = np.array(bits).reshape(zones, ticks)
    restart = data.draw(st.integers(0, 2))
    work = data.draw(st.integers(1, ticks - restart))
    spot = data.draw(st.lists(st.sampled_from([1.0, 1.5, 3.9]), min_size=zones, max_size=zones))
    found = foresight(up, 1.0, work, ticks, restart, np.array([4.0, *spot]))
    exact = _least_by_enumeration(up, work, ticks, restart, (4.0, *spot))
    assert found.usd == pytest.approx(exact, abs=1e-5)
    assert found.lower_usd == pytest.approx(exact, abs=1e-4)
    assert found.lower_usd <= exact + 1e-6


@given(st.data())
@settings(max_examples=10, deadline=None)
def test_no_policy_is_late_or_beats_the_omniscient(data: st.DataObject) -> None:
    """Any trace, any job; our own never costs more than its guarantee above on demand alone."""
    zones = data.draw(st.integers(1, 3))
    seed, gap = data.draw(st.integers(0, 10**6)), data.draw(st.sampled_from([0.1, 0.25]))
    draw = np.random.default_rng(seed)
    counts = np.repeat(draw.random((zones, 40)) < draw.random((zones, 1)), draw.integers(1, 9, 40), axis=1)
    market = Market(name="m", zones=("a", "b", "c")[:zones], gap_seconds=3600 * gap, counts=counts.astype(np.int64))
    most = market.hours * 0.8
    work = data.draw(st.floats(0.1, 0.7)) * most
    restart = data.draw(st.sampled_from([0.0, 0.05, 0.5])) * min(1.0, work)
    jobs = _job(work, min(most, (work + restart) * data.draw(st.floats(1.0, 1.6))), restart, start=2)
    prices = _prices(zones, spot=0.3, on_demand=1.0)
    ticks = slice(2, 2 + math.ceil(jobs.deadline_hours[0] / gap - 1e-9))
    least = foresight(market.up()[:, ticks], gap, work, float(jobs.deadline_hours[0]), restart,
                      np.array([1.0, *prices.spot_usd_per_hour])).lower_usd  # fmt: skip
    for one in (*POLICIES, MarkovDecision(most_loss=0.01)):
        out = replay(market, jobs, prices, one)
        assert not out.late(jobs).any(), one.name
        assert out.usd[0] >= least - 1e-5, one.name
        if isinstance(one, MarkovDecision):
            assert out.usd[0] <= (1 + (one.most_loss or 0)) * jobs.on_demand_usd(prices)[0] + 1e-9
        hours = out.on_demand_hours[0] * 1.0 + out.spot_hours[0] * 0.3
        assert out.usd[0] == pytest.approx(hours)


@pytest.mark.parametrize("one", POLICIES, ids=[p.name for p in POLICIES])
def test_nothing_is_seen_ahead(one: Policy) -> None:
    """Two traces alike until hour 60: what jobs that end before then cost is the same."""
    draw = np.random.default_rng(3)
    a = np.repeat(draw.random((2, 60)) < 0.6, 4, axis=1).astype(np.int64)
    b = a.copy()
    b[:, 120:] = 1 - b[:, 120:]
    work, start = draw.uniform(5, 30, 40), draw.integers(0, 30, 40)
    jobs = Jobs(work_hours=work, deadline_hours=work * 1.5 + 1, restart_hours=np.full(40, 0.2), start=start)
    prices = _prices(2, spot=0.3, on_demand=1.0)
    outs = [replay(Market(name="m", zones=("a", "b"), gap_seconds=1800, counts=c), jobs, prices, one) for c in (a, b)]
    before = (start * 0.5 + outs[0].finish_hours) <= 60
    assert before.sum() > 10
    np.testing.assert_array_equal(outs[0].usd[before], outs[1].usd[before])


def test_jobs_do_not_disturb_one_another() -> None:
    """Together or alone, a job costs the same."""
    market = _market(["110111101101" * 10, "001111011110" * 10], gap_hours=0.5)
    work = np.array([6.0, 12.0, 20.0])
    jobs = Jobs(
        work_hours=work, deadline_hours=work * 1.4 + 1, restart_hours=np.full(3, 0.25), start=np.array([0, 7, 3])
    )
    prices = _prices(2, spot=0.3, on_demand=1.0)
    for one in POLICIES:
        together = replay(market, jobs, prices, one).usd
        alone = [replay(market, jobs.take(np.array([i])), prices, one).usd[0] for i in range(3)]
        if one.name != "markov":  # whose grid of time is as fine as the longest job allows
            np.testing.assert_allclose(together, alone)
        else:
            np.testing.assert_allclose(together, alone, rtol=0.25)


def test_zones_as_dear_as_on_demand_are_left_alone() -> None:
    """Spot at 1.85 of on demand, the only zone up: all on demand; a cheap one beside it is used as if it were alone."""
    prices = Prices(on_demand_usd_per_hour=1.0, spot_usd_per_hour=np.array([0.1, 1.85]))
    market = _market(["0" * 240, "1" * 240], gap_hours=0.25)
    assert replay(market, _job(20, 40, 0.1, start=20), prices, MarkovDecision()).usd[0] == pytest.approx(20.1)
    cheap = _market(["1" * 240, "0" * 240], gap_hours=0.25)
    assert replay(cheap, _job(20, 40, 0.1, start=20), prices, MarkovDecision()).usd[0] == pytest.approx(2.01)


@pytest.mark.parametrize("jobs", [_job(0.1, 0.3, 0.01), _job(20, 20.24, 0.05)], ids=["short", "tight"])
def test_spot_is_used_where_there_is_little_time_to_lose(jobs: Jobs) -> None:
    """Always up at 0.3: what greedy pays."""
    market = _market(["1" * 1500], gap_hours=1 / 60)
    prices = _prices(1, spot=0.3, on_demand=1.0)
    greedy, ours = (replay(market, jobs, prices, one).usd[0] for one in (GreedySpot(), MarkovDecision()))
    assert ours == pytest.approx(greedy)


def test_a_long_job_does_not_make_a_short_one_coarse() -> None:
    """Beside a job of a year, one of ten hours costs what it does alone."""
    market = _market(["1" * 9000])
    prices = _prices(1, spot=0.3, on_demand=1.0)
    both = Jobs(work_hours=np.array([10.0, 2000.0]), deadline_hours=np.array([12.0, 4000.0]),
                restart_hours=np.array([0.2, 0.2]), start=np.array([0, 0]))  # fmt: skip
    found = replay(market, both, prices, MarkovDecision()).usd
    assert found == pytest.approx(0.3 * np.array([10.2, 2000.2]))


@pytest.mark.parametrize("one", POLICIES, ids=[p.name for p in POLICIES])
def test_no_jobs_are_replayed_to_nothing(one: Policy) -> None:
    """Empty in, empty out."""
    none = np.zeros(0)
    jobs = Jobs(work_hours=none, deadline_hours=none, restart_hours=none, start=none.astype(np.int64))
    assert replay(_market(["11"]), jobs, _prices(), one).usd.shape == (0,)


def test_the_omniscient_out_of_time_still_has_a_bound() -> None:
    """On demand alone is a plan, and no hour costs less than the least price."""
    up = np.random.default_rng(0).random((20, 200)) < 0.5
    found = foresight(up, 0.5, 60.0, 100.0, 0.3, np.array([1.0, *np.full(20, 0.3)]), time_limit_s=0.01)
    assert 60 * 0.3 <= found.lower_usd <= found.usd <= 60.3
