"""Services on spot replayed: by hand, minute by minute in longhand, against the bound; policies that see no future."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from solver.errors import InputError
from solver.replay.serving import Decide, Services, Terms, View, every, replay
from solver.replay.serving_bound import least_usd
from solver.replay.serving_policies import OnDemandOnly, SpotHedge, SpotOnly, placed
from solver.replay.serving_risk import SizedByRisk
from solver.spot import Market

from .longhand import by_minutes

TERMS = Terms(spot_usd_per_hour=np.full(1, 0.3), on_demand_usd_per_hour=1.0)
POLICIES = (OnDemandOnly(), SpotOnly(), SpotHedge(1), SpotHedge(2), SizedByRisk())


@dataclass
class Scripted:
    """Wishes written before, [T, Z] and [T]; remembers what it saw."""

    spot: np.ndarray
    on_demand: np.ndarray
    seen: list[View] = field(default_factory=list)
    name: str = "scripted"

    def begin(self, market: Market, services: Services, terms: Terms) -> Decide:
        """As written."""
        del market, terms

        def decide(view: View) -> tuple[np.ndarray, np.ndarray]:
            self.seen.append(view)
            count = len(services.need)
            return np.tile(self.spot[view.tick], (count, 1)), np.full(count, self.on_demand[view.tick])

        return decide


@dataclass
class Watched:
    """Another policy, whose wishes are written down."""

    inner: SizedByRisk | SpotHedge
    said: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    name: str = "watched"

    def begin(self, market: Market, services: Services, terms: Terms) -> Decide:
        """The other's, heard."""
        decide = self.inner.begin(market, services, terms)

        def heard(view: View) -> tuple[np.ndarray, np.ndarray]:
            assert (view.held <= view.room).all()
            self.said.append(decide(view))
            return self.said[-1]

        return heard


def _market(counts: list[list[int]] | np.ndarray, gap_minutes: float = 60.0) -> Market:
    rows = np.array(counts)
    zones = tuple(f"r-{1 + z // 2}{'ab'[z % 2]}" for z in range(len(rows)))
    return Market(name="m", zones=zones, gap_seconds=gap_minutes * 60, counts=rows)


def _terms(zones: int = 1, **changed: Any) -> Terms:
    return dataclasses.replace(TERMS, **({"spot_usd_per_hour": np.full(zones, 0.3)} | changed))


def _one(need: int, zones: int = 1, count: int = 1) -> Services:
    return Services(zones=np.ones((count, zones), dtype=bool), need=np.full((count, 1), need))


def test_spot_only_by_hand() -> None:
    """Up, up, down, down, up, up by the hour; a quarter of an hour to start, six minutes of notice."""
    market = _market([[1, 1, 0, 0, 1, 1]])
    terms = _terms(cold_start_minutes=15.0, notice_minutes=6.0)
    out = replay(market, _one(2), SpotOnly(), terms)
    assert out.served_share[0] == pytest.approx((0.75 + 1 + 0.1 + 0 + 0.75 + 1) / 6)
    assert out.spot_hours[0] == pytest.approx(2 * 4.1)
    assert out.cost_usd[0] == pytest.approx(2 * 4.1 * 0.3)
    assert (out.taken_back[0], out.on_demand_hours[0], out.worst_hour_share[0]) == (2, 0, 0)
    assert out.on_demand_only_usd[0] == 12
    assert replay(market, _one(2), OnDemandOnly(), terms).saving[0] == 0


def test_the_spot_hedge_by_hand() -> None:
    """One needed and one more: in both zones, on demand until both are ready, and again when one is lost."""
    market = _market([[1, 1, 0, 0], [1, 1, 1, 1]])
    watched = Watched(SpotHedge(1))
    out = replay(market, _one(1, zones=2), watched, _terms(2, cold_start_minutes=60.0, notice_minutes=0.0))
    assert [spot[0].tolist() for spot, _ in watched.said] == [[1, 1], [1, 1], [0, 2], [0, 2]]
    assert [int(n[0]) for _, n in watched.said] == [1, 0, 1, 0]
    assert out.served_share[0] == 1
    assert out.cost_usd[0] == pytest.approx(8 * 0.3 + 2)


def test_replicas_go_where_there_are_fewest() -> None:
    """Those held stay; inactive zones come last; what is too much goes from the fullest."""
    held, room = np.array([[2, 0, 0]]), np.array([[9, 9, 1]])
    even = np.zeros((1, 3))
    assert placed(held, room, np.array([5]), even).tolist() == [[2, 2, 1]]
    assert placed(held, room, np.array([5]), np.array([[0.0, 1e6, 0.0]])).tolist() == [[4, 0, 1]]
    assert placed(np.array([[3, 1, 0]]), room, np.array([2]), even).tolist() == [[1, 1, 0]]
    assert placed(held * 0, np.array([[1, 0, 0]]), np.array([5]), even).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("seed", range(60))
def test_a_replay_is_what_longhand_counts(seed: int) -> None:
    """Random capacity, needs, wishes, cold starts and notices longer and shorter than a tick."""
    rng = np.random.default_rng(seed)
    gap, cold, notice = (int(rng.integers(*span)) for span in ((1, 12), (0, 30), (0, 20)))
    zones, ticks = int(rng.integers(1, 4)), 40
    counts = rng.integers(0, 5, (zones, ticks)) * (rng.random((zones, ticks)) < 0.8)
    need = np.repeat(rng.integers(0, 6, ticks // 4), 4)
    script = Scripted(np.repeat(rng.integers(0, 4, (ticks // 2, zones)), 2, axis=0), rng.integers(0, 4, ticks))
    services = Services(zones=np.ones((1, zones), dtype=bool), need=need[None])
    terms = _terms(zones, cold_start_minutes=float(cold), notice_minutes=float(notice), whole_zone=False)
    out = replay(_market(counts, gap), services, script, terms)
    served, spot, on_demand = by_minutes(
        counts, need, script.spot, script.on_demand, gap=gap, cold=cold, notice=notice
    )  # fmt: skip
    assert out.served_share[0] * max(need.sum() * gap, 0) == pytest.approx(served if need.sum() else 0)
    assert (out.spot_hours[0] * 60, out.on_demand_hours[0] * 60) == pytest.approx((spot, on_demand))
    assert out.cost_usd[0] == pytest.approx((0.3 * spot + on_demand) / 60)


def _spells(zones: int, ticks: int, seed: int, gap_hours: float = 0.1) -> np.ndarray:
    """Capacity that comes and goes in spells, older ones lasting longer."""
    rng = np.random.default_rng(seed)
    made = np.zeros((zones, ticks), dtype=np.int64)
    for row in made:
        place, up = 0, True
        while place < ticks:
            length = int(np.ceil(((rng.random() ** (-1 / (0.6 if up else 1.2)) - 1) * 0.6) / gap_hours))
            row[place : place + length] = up
            place, up = place + max(length, 1), not up
    return made


@pytest.mark.parametrize("whole_zone", [True, False])
def test_nothing_is_cheaper_than_the_bound(whole_zone: bool) -> None:
    """What any policy paid, and random wishes too, is at least the bound at the share it left unserved."""
    rng = np.random.default_rng(7)
    counts = _spells(3, 300, seed=2) * (1 if whole_zone else rng.integers(1, 5, (3, 300)))
    market, services = _market(counts, 6.0), Services(zones=every(3, (1, 2, 3)), need=np.full((7, 1), 3))
    for cold, notice in ((3.0, 2.0), (10.0, 2.0), (20.0, 15.0), (0.0, 0.0)):
        terms = _terms(3, cold_start_minutes=cold, notice_minutes=notice, whole_zone=whole_zone)
        wild = Scripted(rng.integers(0, 4, (300, 3)), rng.integers(0, 2, 300))
        for policy in (*POLICIES, wild):
            out = replay(market, services, policy, terms)
            for s, share in enumerate(1 - out.served_share):
                assert out.cost_usd[s] >= least_usd(market, services, terms, share)[s] - 1e-9


def test_the_bound_by_hand() -> None:
    """Four hours up, two down: a quarter of an hour on demand, six minutes of notice on spot; the dearest goes."""
    market, terms = _market([[1, 1, 1, 1, 0, 0]]), _terms(cold_start_minutes=15.0, notice_minutes=6.0)
    on_demand, spot = 0.25 + 1.9, 3.75 + 0.1
    assert least_usd(market, _one(1), terms)[0] == pytest.approx(on_demand + 0.3 * spot)
    assert least_usd(market, _one(1), terms, 0.1)[0] == pytest.approx(on_demand - 0.6 + 0.3 * spot)
    assert least_usd(market, _one(1), terms, 1.0)[0] == 0


def test_no_policy_sees_what_comes() -> None:
    """What is decided until a tick does not change with what comes after it: all of it the other way round."""
    counts = _spells(3, 240, seed=5)
    services, terms = Services(zones=every(3, (2, 3)), need=np.full((4, 1), 2)), _terms(3)
    for policy in (SizedByRisk(), SpotHedge(1)):
        known = Watched(policy)
        replay(_market(counts, 6.0), services, known, terms)
        for ticks in (62, 101, 142, 181, 222):
            other = Watched(policy)
            replay(_market(np.where(np.arange(240) < ticks, counts, 1 - counts), 6.0), services, other, terms)
            for (a, b), (c, d) in zip(known.said[:ticks], other.said[:ticks], strict=True):
                assert (a == c).all()
                assert (b == d).all()


def test_services_do_not_disturb_one_another() -> None:
    """All at once is one by one."""
    market, terms = _market(_spells(3, 150, seed=9), 6.0), _terms(3)
    services = Services(zones=every(3, (1, 2, 3)), need=np.arange(1, 8)[:, None])
    for policy in POLICIES:
        together = replay(market, services, policy, terms)
        for s in range(7):
            alone = replay(
                market, Services(zones=services.zones[s : s + 1], need=services.need[s : s + 1]), policy, terms
            )
            assert alone.cost_usd[0] == pytest.approx(together.cost_usd[s])
            assert alone.served_share[0] == pytest.approx(together.served_share[s])


def test_sized_by_risk_keeps_to_the_limit_and_saves() -> None:
    """Eight made-up markets of three zones over 20 days: 99.9 % served in each, a fifth cheaper than on demand."""
    market = _market(_spells(24, 4800, seed=100), 6.0)
    services = Services(zones=np.repeat(np.eye(8, dtype=bool), 3, axis=1), need=np.full((8, 1), 4))
    out = replay(market, services, SizedByRisk(), _terms(24))
    assert (out.served_share >= 0.999).all()
    assert (out.saving > 0.2).all()


def test_replicas_follow_the_need() -> None:
    """A need that rises is met on demand before it is there; a fall lets go."""
    need = np.array([[1, 1, 3, 3, 1, 1]])
    services = Services(zones=np.ones((1, 1), dtype=bool), need=need)
    out = replay(_market([[0] * 6]), services, OnDemandOnly(), _terms(cold_start_minutes=30.0))
    assert out.served_share[0] == 1
    assert out.cost_usd[0] == need.sum() + 2  # asked for a tick ahead


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cold_start_minutes": -1.0}, "cold_start"),
        ({"notice_minutes": float("nan")}, "notice"),
        ({"on_demand_usd_per_hour": 0.0}, "prices"),
        ({"spot_usd_per_hour": np.array([np.inf])}, "prices"),
        ({"spot_usd_per_hour": np.ones(2)}, "services for"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Any], said: str) -> None:
    """Times, prices, shapes."""
    with pytest.raises(InputError, match=said):
        replay(_market([[1, 1]]), _one(1), SpotOnly(), _terms(**changed))
