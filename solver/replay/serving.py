"""A service on spot and on-demand replicas, played tick by tick over what a market really had.

Many services at once: each has its zones and the replicas it needs by tick. What is assumed:
- at the beginning of a tick the policy sees which zones have capacity (asking costs nothing and takes seconds), what is
  taken back, and asks for replicas; what is asked for serves after its cold start, and is paid for from the asking on;
- what is taken back serves on for the notice, and is paid for that long; a replica that still starts is gone at once;
- where traces tell of one instance, capacity for one is capacity for all (`whole_zone`); else counts are limits;
- on-demand replicas are always to be had; a service begins with what it needs on demand, ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from ..errors import InputError
from ..spot import Market

Array = np.ndarray[Any, np.dtype[Any]]
PLENTY = 10**6  # capacity of a zone whose trace tells of one instance
MOST_MINUTES = 24 * 60.0
TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Prices and times, the same for all services of a replay. Prices of spot are by zone, float [Z]."""

    spot_usd_per_hour: Array
    on_demand_usd_per_hour: float
    cold_start_minutes: float = 3.0
    notice_minutes: float = 2.0
    whole_zone: bool = True

    def __post_init__(self) -> None:
        """Check what is used as a length of time or a price."""
        for name, span in (("cold_start_minutes", MOST_MINUTES), ("notice_minutes", MOST_MINUTES)):
            if not 0 <= getattr(self, name) <= span:
                said = f"{name} is {getattr(self, name)!r:.60}"
                raise InputError(said, where="replay", mend=f"from 0 to {span:g}")
        prices = np.append(self.spot_usd_per_hour, self.on_demand_usd_per_hour)
        if not (np.isfinite(prices) & (prices > 0)).all():
            raise InputError("prices must be above 0", where="replay")

    @property
    def gap_minutes(self) -> float:
        """Minutes without a replica that is taken back and asked for again at once."""
        return max(0.0, self.cold_start_minutes - self.notice_minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """S services: the zones each may use bool [S, Z], the replicas each needs int [S, T]; [S, 1] is always as many."""

    zones: Array
    need: Array

    def needed(self, ticks: int) -> Array:
        """Replicas by tick, int [S, T]."""
        return np.broadcast_to(self.need, (len(self.need), ticks))


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a policy sees at the beginning of a tick, after what is taken back is gone; arrays [S, Z] and [S]."""

    tick: int
    room: Array  # spot replicas a service could hold in each zone, 0 where it may not or there are none
    ready: Array  # spot replicas that serve
    held: Array  # those and the ones that start
    ready_on_demand: Array
    held_on_demand: Array
    need: Array  # the most replicas needed from now to the end of a cold start
    taken: Array  # bool: where something has just been taken back
    served: Array  # replica-hours served so far
    needed: Array  # replica-hours needed so far

    def only(self, rows: Array) -> View:
        """Some of the services."""
        return View(tick=self.tick, **{f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "tick"})


class Decide(Protocol):
    """A policy at work on a replay: spot replicas to hold in each zone [S, Z], replicas on demand [S]."""

    def __call__(self, view: View, /) -> tuple[Array, Array]:
        """Decide at a tick."""


class Policy(Protocol):
    """A policy: called once for a replay."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def begin(self, market: Market, services: Services, terms: Terms, /) -> Decide:
        """Make ready for a replay; only what came before a tick may be used at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a policy, by service [S]."""

    served_share: Array
    cost_usd: Array
    on_demand_only_usd: Array  # what need alone would cost on demand
    spot_hours: Array
    on_demand_hours: Array
    taken_back: Array  # replicas
    worst_hour_share: Array  # the least served share of an hour

    @property
    def saving(self) -> Array:
        """Share of the on-demand cost that is saved."""
        return np.asarray(1 - self.cost_usd / self.on_demand_only_usd)


@dataclass(slots=True)
class _Starting:
    """Replicas that start, by ticks until they serve: one array a tick; the last has just been asked for."""

    coming: list[Array]
    offset: float  # hours into the tick in which they begin to serve

    @classmethod
    def of(cls, minutes: float, gap_hours: float, like: Array) -> _Starting:
        ticks, offset = _split(minutes / 60, gap_hours)
        return cls([np.zeros_like(like) for _ in range(ticks + 1)], offset)

    def total(self) -> Array:
        return np.asarray(sum(self.coming))

    def add(self, more: Array) -> None:
        self.coming[-1] = self.coming[-1] + more

    def drop(self, count: Array, *, oldest: bool = False) -> Array:
        """Take away so many, the newest first or the oldest; those that are left to be taken away elsewhere."""
        order = range(len(self.coming))
        for i in order if oldest else reversed(order):
            part = np.minimum(self.coming[i], count)
            self.coming[i], count = self.coming[i] - part, count - part
        return count

    def begun(self) -> Array:
        """Those that serve from the very beginning of the tick."""
        now = self.coming[0]
        if self.offset > 0:
            return np.zeros_like(now)
        self.coming[0] = np.zeros_like(now)
        return now

    def next(self) -> Array:
        """End a tick: those that serve by now."""
        done = self.coming.pop(0)
        self.coming.append(np.zeros_like(done))
        return done


def _split(hours: float, gap_hours: float) -> tuple[int, float]:
    """Whole ticks, and hours into the next."""
    ticks = int(hours / gap_hours + TINY)
    offset = hours - ticks * gap_hours
    return ticks, offset if offset > TINY else 0.0


def replay(market: Market, services: Services, policy: Policy, terms: Terms) -> Outcome:
    """Play a policy for every service.

    Raises:
        InputError: shapes that do not fit the market.
    """
    _fits(market, services, terms)
    decide = policy.begin(market, services, terms)
    need = services.needed(market.ticks)
    lead = int(np.ceil(terms.cold_start_minutes / 60 / market.gap_hours - TINY))
    ahead = _ahead(need, lead)
    capacity = np.where(market.counts > 0, PLENTY, 0) if terms.whole_zone else market.counts
    play = _Play(services, terms, market.gap_hours, ahead[:, 0])
    for tick in range(market.ticks):
        play.step(tick, np.where(services.zones, capacity[:, tick], 0), need[:, tick], ahead[:, tick], decide)
    return play.outcome(terms.on_demand_usd_per_hour * need.sum(axis=1) * market.gap_hours)


def _fits(market: Market, services: Services, terms: Terms) -> None:
    count, zones = services.zones.shape
    fits = zones == len(market.zones) == len(terms.spot_usd_per_hour) and len(services.need) == count > 0
    if not fits or services.need.shape[1] not in (1, market.ticks) or (services.need < 0).any():
        said = f"services for {zones} zones and {services.need.shape[1]} ticks"
        raise InputError(said, where="replay", mend=f"{market.name} has {len(market.zones)} and {market.ticks:,}")


def _ahead(need: Array, lead: int) -> Array:
    """The most needed from each tick to so many later, [S, T]."""
    most = need.copy()
    for step in range(1, lead + 1):
        most[:, :-step] = np.maximum(most[:, :-step], need[:, step:])
    return most


class _Play:
    """The state of all services, tick after tick."""

    def __init__(self, services: Services, terms: Terms, gap_hours: float, first: Array) -> None:
        zero, none = np.zeros(services.zones.shape, dtype=np.int64), np.zeros(len(first), dtype=np.int64)
        self.terms, self.gap = terms, gap_hours
        self.ready, self.on_demand = zero, first.copy()
        self.spot_starting = _Starting.of(terms.cold_start_minutes, gap_hours, zero)
        self.on_demand_starting = _Starting.of(terms.cold_start_minutes, gap_hours, none)
        self.drain_ticks, self.drain_offset = _split(terms.notice_minutes / 60, gap_hours)
        self.draining = [none] * (self.drain_ticks + 1)  # by ticks left after this one
        self.served, self.needed = none.astype(float), none.astype(float)
        self.cost, self.spot_hours, self.on_demand_hours = none.astype(float), none.astype(float), none.astype(float)
        self.taken_back = none
        self.hour_served, self.hour_needed, self.hour, self.worst = self.served, self.served, 0, np.ones(len(first))

    def step(self, tick: int, capacity: Array, need: Array, ahead: Array, decide: Decide) -> None:
        """Take back, decide, ask and let go, serve, pay."""
        self.ready = self.ready + self.spot_starting.begun()
        self.on_demand = self.on_demand + self.on_demand_starting.begun()
        lost = self._take_back(capacity)
        held = self.ready + self.spot_starting.total()
        held_on_demand = self.on_demand + self.on_demand_starting.total()
        view = View(
            tick=tick, room=capacity, ready=self.ready, held=held, ready_on_demand=self.on_demand,
            held_on_demand=held_on_demand, need=ahead, taken=lost > 0, served=self.served, needed=self.needed,
        )  # fmt: skip
        spot, on_demand = decide(view)
        self.ready = _change(self.ready, self.spot_starting, held, np.minimum(spot, capacity))
        self.on_demand = _change(self.on_demand, self.on_demand_starting, held_on_demand, on_demand)
        self._pay()
        self._serve(need, tick)
        self.ready = self.ready + self.spot_starting.next()
        self.on_demand = self.on_demand + self.on_demand_starting.next()
        self.draining = [*self.draining[1:], np.zeros_like(need)]

    def _take_back(self, capacity: Array) -> Array:
        lost = np.maximum(0, self.ready + self.spot_starting.total() - capacity)
        serving = np.minimum(lost, self.ready)  # the oldest go first: the worse case where a zone keeps some
        self.ready = self.ready - serving
        self.spot_starting.drop(lost - serving, oldest=True)
        self.draining[-1] = serving.sum(axis=1)
        price = self.terms.spot_usd_per_hour
        self.cost = self.cost + (serving @ price) * (self.terms.notice_minutes / 60)
        self.spot_hours = self.spot_hours + self.draining[-1] * (self.terms.notice_minutes / 60)
        self.taken_back = self.taken_back + lost.sum(axis=1)
        return lost

    def _pay(self) -> None:
        spot = self.ready + self.spot_starting.total()
        on_demand = self.on_demand + self.on_demand_starting.total()
        hourly = spot @ self.terms.spot_usd_per_hour + on_demand * self.terms.on_demand_usd_per_hour
        self.cost = self.cost + hourly * self.gap
        self.spot_hours = self.spot_hours + spot.sum(axis=1) * self.gap
        self.on_demand_hours = self.on_demand_hours + on_demand * self.gap

    def _serve(self, need: Array, tick: int) -> None:
        """Replica-hours of the tick: what starts joins at its offset, what drains leaves at its own."""
        base = self.ready.sum(axis=1) + self.on_demand + sum(self.draining[1:])
        joins = self.spot_starting.coming[0].sum(axis=1) + self.on_demand_starting.coming[0]
        leaves, begin = self.draining[0], self.spot_starting.offset
        low, high = sorted((begin, self.drain_offset))
        middle = base + (joins + leaves if begin < self.drain_offset else 0)
        parts = ((base + leaves, low), (middle, high - low), (base + joins, self.gap - high))
        served = sum(np.minimum(serving, need) * hours for serving, hours in parts)
        self.served = self.served + served
        self.needed = self.needed + need * self.gap
        hour = int(tick * self.gap + TINY)
        if hour != self.hour:
            self._close_hour()
            self.hour, self.hour_served, self.hour_needed = hour, np.zeros_like(self.served), np.zeros_like(self.served)
        self.hour_served, self.hour_needed = self.hour_served + served, self.hour_needed + need * self.gap

    def _close_hour(self) -> None:
        self.worst = np.minimum(self.worst, _share(self.hour_served, self.hour_needed))

    def outcome(self, on_demand_only: Array) -> Outcome:
        """The figures at the end."""
        self._close_hour()
        return Outcome(
            served_share=_share(self.served, self.needed),
            cost_usd=self.cost,
            on_demand_only_usd=on_demand_only,
            spot_hours=self.spot_hours,
            on_demand_hours=self.on_demand_hours,
            taken_back=self.taken_back,
            worst_hour_share=self.worst,
        )


def _change(ready: Array, starting: _Starting, held: Array, wanted: Array) -> Array:
    """Ask for more, or let go of some: those that start before those that serve. What serves then."""
    starting.add(np.maximum(0, wanted - held))
    return np.asarray(ready - starting.drop(np.maximum(0, held - wanted)))


def _share(part: Array, whole: Array) -> Array:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 1.0)


def every(zones: int, sizes: Sequence[int]) -> Array:
    """Every set of so many of the zones, bool [N, Z]."""
    from itertools import combinations

    sets = [pick for size in sizes for pick in combinations(range(zones), size)]
    made = np.zeros((len(sets), zones), dtype=bool)
    for row, pick in enumerate(sets):
        made[row, list(pick)] = True
    return made
