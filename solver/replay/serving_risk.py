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
LOST_TOGETHER = {True: 0.2, False: 0.01}  # chance that a zone goes with another: of the same region, of another
RESERVE = 1.0  # losses of all replicas that the credit is held at
STAYS = 0.8  # of its hazard counts of a zone where replicas are ready: they move only for much less
AGAIN_HOURS = 0.5  # when nothing has changed
PARTS = (0.25, 0.5)  # of what is needed on spot, the rest on demand


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedByRisk:
    """Spot where it lasts, as much more as it takes, on demand where that is dearer than it is worth.

    Whenever what is to be had or needed changes, and every half an hour, it decides anew. The hazard of every zone is
    known from what was seen before (`solver.spot.risk`). Replicas are spread over the k zones that last best, for every
    k: just what is needed, or so many that any one or two zones may go, or part is on demand. Each way costs its price
    and what it is expected to leave unserved until others start, at a price that falls as long as demand is served in
    full: the limit on the share unserved earns a credit by the hour, losses spend it, and a way whose loss of a zone
    would overdraw it is not open at all. Replicas that are no longer wanted go when those that are serve.
    """

    limit: float = LIMIT
    prior: PoolRisk | None = None
    name: str = "sized by risk"

    def begin(self, market: Market, services: Services, terms: Terms) -> Decide:
        """The hazards of all zones, each tick from what was seen up to it."""
        most = services.need.max(axis=1)
        level = np.ones_like(most) if terms.whole_zone else np.clip(most, 1, max(1, market.most))
        known, which = np.unique(level, return_inverse=True)
        rates = np.stack([seen(market.up(n), market.gap_hours).loss_per_hour(self.prior) for n in known.tolist()])
        ways = _Ways(market.zones, terms, self.limit)
        every = max(1, round(AGAIN_HOURS / market.gap_hours))
        spot, on_demand = np.zeros(services.zones.shape, dtype=np.int64), np.zeros(len(most), dtype=np.int64)
        room, need = np.full(spot.shape, -1), np.full(len(most), -1)

        def decide(view: View) -> tuple[Array, Array]:
            anew = (view.room != room).any(axis=1) | (view.need != need) | (view.tick % every == 0)
            room[:], need[:] = view.room, view.need
            if anew.any():
                part, rate = view.only(anew), rates[which[anew], :, view.tick]
                spot[anew], on_demand[anew] = ways.cheapest(part, rate, self._credit(part, market.gap_hours))
            return gradually(view, spot, on_demand)

        return decide

    def _credit(self, view: View, gap_hours: float) -> Array:
        """Replica-hours that may still go unserved [S]."""
        ahead = ADVANCE_HOURS * max(0.0, 1 - view.tick * gap_hours / PAID_BACK_HOURS) * view.need
        return np.asarray(self.limit * SPENT * (view.needed + ahead) - (view.needed - view.served))


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
        same = self.regions[:, None] == self.regions[None, :]
        self.together = np.where(same, LOST_TOGETHER[True], LOST_TOGETHER[False])
        np.fill_diagonal(self.together, 0.0)

    def cheapest(self, view: View, rate: Array, credit: Array) -> tuple[Array, Array]:
        """The cheapest way for each service: spot [S, Z] and on demand [S], by hazards [S, Z] and credit [S]."""
        t, need = self.terms, np.maximum(view.need, 1)
        gap = t.gap_minutes / 60
        rate = np.where(view.ready > 0, STAYS, 1.0) * rate
        ways = self._open(view, rate)
        spot = poured(ways.total, ways.used, view.room, rate)
        lost = np.minimum(spot.max(axis=2) * ways.spare[:, None], spot.sum(axis=2))
        on_demand = np.maximum(0, view.need - (spot.sum(axis=2) - lost))
        worst, expected = self._shortfall(spot, on_demand, view.need, rate)
        losses = credit / (max(gap, 1e-9) * need)
        price = (t.on_demand_usd_per_hour - t.spot_usd_per_hour.min()) / self.limit
        price = max(price, 0.0) * 2.0 ** np.clip(RESERVE - losses, -6, 4)
        cost = spot @ t.spot_usd_per_hour + on_demand * t.on_demand_usd_per_hour + price * expected * gap
        allowed = ways.fits & ((worst * gap <= np.maximum(credit, 0.0)) | (worst == 0))
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

    def _shortfall(self, spot: Array, on_demand: Array, need: Array, rate: Array) -> tuple[Array, Array]:
        """Replicas missing when the largest zone goes [C, S]; replicas expected to go missing, an hour [C, S]."""
        held = spot > 0
        over = (spot.sum(axis=2) + on_demand - need)[:, :, None]
        alone = np.maximum(0, spot - over)
        both = np.minimum(spot + spot.max(axis=2, keepdims=True), spot.sum(axis=2, keepdims=True)) - over
        more = np.maximum(0, both - alone) * held
        hazard = np.where(held, rate, 0.0)
        others = (hazard.sum(axis=2, keepdims=True) - hazard) * (self.terms.gap_minutes / 60 / 2)
        chance = np.minimum(1.0, others + held @ self.together)
        return alone.max(axis=2), (hazard * (alone + chance * more)).sum(axis=2)


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
