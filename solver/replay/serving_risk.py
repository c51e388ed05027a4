"""A policy for a service on spot that is sized by the risk measured so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..spot import Market, PoolRisk, seen
from ..spot.together import region_of
from .serving import Array, Decide, Services, Terms, View

LIMIT = 0.001  # share of demand that may go unserved
SPENT = 0.98  # of the limit, at most
ADVANCE_HOURS, PAID_BACK_HOURS = 24.0, 96.0  # of credit at the start, gone by then
MOST_ZONES = 6  # that replicas are spread over
SAME_REGION_TOO = 0.2  # chance that with a zone all of its region go
OTHER_REGION_TOO, ALL_TOO = 0.01, 0.01  # that another goes too, that all go
RESERVE_HOURS = 17.0  # of earning, of credit that is held: then what is left unserved costs what spot saves at most
OVERDRAWN = 0.2  # of what is earned, that losses may be expected to overdraw
STAYS = 0.8  # of its hazard counts of a zone where replicas are ready: they move only for much less
AGAIN_HOURS = 0.5  # when nothing has changed
EXTRA = (1, 2)  # replicas more than needed, where zones lose some and keep some
PARTS = (0.25, 0.5)  # of what is needed on spot, the rest on demand


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedByRisk:
    """Spot where it lasts, as much more as it takes, on demand where that is dearer than it is worth.

    Whenever what is to be had or needed changes, and every half an hour, it decides anew. The hazard of every zone is
    known from what was seen before (`solver.spot.risk`). Replicas are spread over the k zones that last best, for every
    k: just what is needed, or so many that any one or two zones may go, or part is on demand. Each way costs its price
    and what it is expected to leave unserved until others start, at a price that falls as long as demand is served in
    full: the limit on the share unserved earns a credit by the hour, losses spend it, and a way that is expected to
    overdraw much of what is earned is not open at all. Replicas that are no longer wanted go when those that are serve.
    """

    limit: float = LIMIT
    prior: PoolRisk | None = None
    name: str = "sized by risk"

    def begin(self, market: Market, services: Services, terms: Terms) -> Decide:
        """The hazards of all zones, each tick from what was seen up to it."""
        levels = 1 if terms.whole_zone else max(1, min(market.most, int(services.need.max(initial=1))))
        up = (market.up(n + 1) for n in range(levels))
        rates = np.stack([seen(row, market.gap_hours).loss_per_hour(self.prior) for row in up])
        ways = _Ways(market.zones, terms, self.limit)
        every = max(1, round(AGAIN_HOURS / market.gap_hours))
        spot, on_demand = np.zeros(services.zones.shape, dtype=np.int64), np.zeros(len(services.need), np.int64)
        room, need = np.full(spot.shape, -1), np.full(len(on_demand), -1)

        def decide(view: View) -> tuple[Array, Array]:
            anew = (view.room != room).any(axis=1) | (view.need != need) | (view.tick % every == 0)
            room[:], need[:] = view.room, view.need
            if anew.any():
                part, hazard = view.only(anew), _Hazard(rates[:, :, view.tick])
                spot[anew], on_demand[anew] = ways.cheapest(part, hazard, self._credit(part, market.gap_hours))
            return gradually(view, spot, on_demand)

        return decide

    def _credit(self, view: View, gap_hours: float) -> Array:
        """Replica-hours that may still go unserved [S]."""
        ahead = ADVANCE_HOURS * max(0.0, 1 - view.tick * gap_hours / PAID_BACK_HOURS) * view.need
        return np.asarray(self.limit * SPENT * (view.needed + ahead) - (view.needed - view.served))


@dataclass(frozen=True, slots=True)
class _Hazard:
    """Rates an hour at which room for so many replicas is lost [L, Z]; one level where all go together."""

    rates: Array

    def of(self, replicas: Array) -> Array:
        """Mean rate of a replica of so many [S] in each zone, [S, Z]."""
        many = np.clip(replicas, 1, len(self.rates))[:, None]
        return np.asarray(self._summed()[many, np.arange(self.rates.shape[1])] / many)

    def expected(self, exposed: Array) -> Array:
        """Replicas lost an hour, of so many exposed in each zone [..., Z]: room for n goes at the rate of level n."""
        if len(self.rates) == 1:
            return np.asarray(self.rates[0] * exposed)
        return np.asarray(self._summed()[np.minimum(exposed, len(self.rates)), np.arange(self.rates.shape[1])])

    def _summed(self) -> Array:
        return np.concatenate([np.zeros_like(self.rates[:1]), np.cumsum(self.rates, axis=0)])


@dataclass(frozen=True, slots=True)
class _Open:
    """Candidates: zones that are used bool [C, S, Z], spot replicas over them [C, S], how many zones may go [C]."""

    used: Array
    total: Array
    spare: Array
    fits: Array  # bool [C, S]: there are so many zones


class _Ways:
    """Ways to place the replicas of S services over Z zones, and what each costs an hour."""

    def __init__(self, zones: tuple[str, ...], terms: Terms, limit: float) -> None:
        self.terms, self.limit = terms, limit
        self.regions = np.unique([region_of(zone) for zone in zones], return_inverse=True)[1]

    def cheapest(self, view: View, hazard: _Hazard, credit: Array) -> tuple[Array, Array]:
        """The cheapest way for each service: spot [S, Z] and on demand [S], with its credit [S] in replica-hours."""
        t, need = self.terms, np.maximum(view.need, 1)
        rate = np.where(view.ready > 0, STAYS, 1.0) * hazard.of(need)
        ways = self._open(view, rate)
        spot = poured(ways.total, ways.used, view.room, rate)
        lost = np.minimum(spot.max(axis=2) * ways.spare[:, None], spot.sum(axis=2))
        on_demand = np.maximum(0, view.need - (spot.sum(axis=2) - lost))
        unserved, overdrawn = self._losses(spot, on_demand, view.need, rate, hazard, credit)
        earned = self.limit * need  # replica-hours an hour
        price = max(t.on_demand_usd_per_hour - t.spot_usd_per_hour.min(), 0.0) / self.limit
        price *= 2.0 ** np.clip(1 - credit / earned / RESERVE_HOURS, -6, 4)
        cost = spot @ t.spot_usd_per_hour + on_demand * t.on_demand_usd_per_hour + price * unserved
        allowed = ways.fits & (overdrawn <= OVERDRAWN * earned)
        choice, rows = np.where(allowed, cost, np.inf).argmin(axis=0), np.arange(len(need))
        return spot[choice, rows], on_demand[choice, rows]

    def _open(self, view: View, rate: Array) -> _Open:
        """Nothing on spot; all of it in the k best zones; part of it; so much more that one of them may go."""
        most = min(MOST_ZONES, rate.shape[1])
        best, apart = self._ranks(view.room, rate)
        need = view.need
        ways = [(best < 0, 0 * need, 0, 0)]
        ways += [(best < k, need, 0, k) for k in range(1, most + 1)]
        ways += [(best < k, np.ceil(need * part).astype(np.int64), 0, k) for k in (1, 2)[:most] for part in PARTS]
        for rank in (best, apart):
            ways += [(rank < k, need + -(-need // (k - 1)), 1, k) for k in range(2, most + 1)]
        ways += [(apart < k, need + 2 * -(-need // (k - 2)), 2, k) for k in range(4, most + 1)]
        if not self.terms.whole_zone:
            ways += [(best < k, need + extra, 0, k) for k in range(1, most + 1) for extra in EXTRA]
        used = np.stack([used for used, _, _, _ in ways]) & (view.room > 0)
        fits = used.sum(axis=2) == np.array([k for _, _, _, k in ways])[:, None]
        return _Open(used, np.stack([n for _, n, _, _ in ways]), np.array([spare for _, _, spare, _ in ways]), fits)

    def _ranks(self, room: Array, rate: Array) -> tuple[Array, Array]:
        """Places of the zones that are open [S, Z]: by hazard; and one of every region before the next of any."""
        key = np.where(room > 0, rate, np.inf)
        best = np.argsort(np.argsort(key, axis=1, kind="stable"), axis=1)
        before = best[:, None, :] < best[:, :, None]
        turn = (before & (self.regions[:, None] == self.regions[None, :])).sum(axis=2)
        apart = np.argsort(np.argsort(np.where(room > 0, turn * len(self.regions), 10**6) + best, axis=1), axis=1)
        return best, apart

    def _losses(
        self, spot: Array, on_demand: Array, need: Array, rate: Array, hazard: _Hazard, credit: Array
    ) -> tuple[Array, Array]:
        """Replica-hours expected to go unserved, and to be overdrawn, an hour [C, S]: one zone lost, or two at once."""
        gap, held = self.terms.gap_minutes / 60, spot > 0
        over = (spot.sum(axis=2) + on_demand - need)[:, :, None]
        rate = np.where(held, rate, 0.0)
        others = rate.sum(axis=2, keepdims=True) - rate
        sizes = [np.maximum(0, n - over) * held for n in (spot, *self._lost_with(spot))]  # alone, region, two, all
        also = (held.sum(axis=2, keepdims=True) > 1) * held
        chances = [
            SAME_REGION_TOO * (sizes[1] > sizes[0]),
            np.minimum(0.5, others * (gap / 2) + OTHER_REGION_TOO * also),
            ALL_TOO * also,
        ]
        more = sum(c * np.maximum(0, n - sizes[0]) for c, n in zip(chances, sizes[1:], strict=True))
        beyond = [np.maximum(0.0, n * gap - credit[:, None]) * (n > 0) for n in sizes]
        overdrawn = beyond[0] + sum(c * (n - beyond[0]) for c, n in zip(chances, beyond[1:], strict=True))
        return (hazard.expected(sizes[0]) + rate * more).sum(axis=2) * gap, (rate * overdrawn).sum(axis=2)

    def _lost_with(self, spot: Array) -> tuple[Array, Array, Array]:
        """Replicas lost with those of each zone [C, S, Z]: all of its region; of the largest other zone; all."""
        of_region = np.eye(self.regions.max() + 1, dtype=np.int64)[self.regions]
        largest = spot.max(axis=2, keepdims=True)
        second = np.sort(spot, axis=2)[:, :, -2:][:, :, :1] if spot.shape[2] > 1 else 0 * largest
        first = np.arange(spot.shape[2]) == spot.argmax(axis=2)[:, :, None]
        two = spot + np.where(first, second, largest)
        return (spot @ of_region)[:, :, self.regions], two, np.broadcast_to(spot.sum(axis=2, keepdims=True), spot.shape)


def poured(total: Array, used: Array, room: Array, rate: Array) -> Array:
    """So many replicas [C, S] over the zones used [C, S, Z], as evenly as there is room [S, Z]: int [C, S, Z]."""
    made = np.zeros(used.shape, dtype=np.int64)
    left, rest = used.sum(axis=2), total.copy()
    for z in np.lexsort((rate.mean(axis=0), room.max(axis=0))).tolist():
        share = np.where(used[:, :, z], -(-rest // np.maximum(left, 1)), 0)
        made[:, :, z] = np.minimum(share, room[:, z])
        rest, left = rest - made[:, :, z], left - used[:, :, z]
    return made


def gradually(view: View, spot: Array, on_demand: Array) -> tuple[Array, Array]:
    """What is wanted; and of what no longer is, as much as still stands in for what is not ready: spot first."""
    ready = np.minimum(view.ready, spot).sum(axis=1) + np.minimum(view.ready_on_demand, on_demand)
    lacking = spot.sum(axis=1) + on_demand - ready
    spare = np.maximum(0, view.ready - spot)
    before = np.cumsum(spare, axis=1) - spare
    kept = np.clip(lacking[:, None] - before, 0, spare)
    lacking = lacking - kept.sum(axis=1)
    return spot + kept, on_demand + np.clip(view.ready_on_demand - on_demand, 0, lacking)
