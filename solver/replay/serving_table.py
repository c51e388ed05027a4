"""A service replayed over a market, as rows of a table: what policies serve and cost, what the trace allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..spot import Market
from .serving import Array, Outcome, Policy, Services, Terms, replay
from .serving_bound import least_usd
from .serving_policies import OnDemandOnly, SpotHedge, SpotOnly
from .serving_risk import LIMIT, SizedByRisk

ALLOWS = "what the trace allows"
MOST_REPLICAS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service to replay.

    replicas: always as many; or by the hour, over again when they are through (24 make a day, 168 a week).
    zones: of the market, all without any.
    one_is_all: whether capacity for one instance is capacity for all; None: where the trace never had more than one.
    """

    name: str
    replicas: int | Sequence[int]
    spot_usd_per_hour: float | tuple[float, ...]  # in all zones, or in each
    on_demand_usd_per_hour: float
    cold_start_minutes: float = 3.0
    notice_minutes: float = 2.0
    unserved_limit: float = LIMIT
    zones: tuple[str, ...] = ()
    one_is_all: bool | None = None

    def __post_init__(self) -> None:
        """Check the replicas and the limit; `Terms` looks at the rest."""
        hours: list[object] = [self.replicas] if isinstance(self.replicas, int) else list(self.replicas)
        whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MOST_REPLICAS for n in hours)
        if not hours or not whole or not any(hours):
            mend = f"whole numbers up to {MOST_REPLICAS:,}, one at least above 0"
            raise InputError(f"replicas are {self.replicas!r:.60}", where=f"service {self.name!r}", mend=mend)
        if not 0 < self.unserved_limit <= 1:
            said = f"unserved_limit is {self.unserved_limit!r:.60}"
            raise InputError(said, where=f"service {self.name!r}", mend="a share above 0, as 0.001")

    def need(self, market: Market) -> Array:
        """Replicas by tick [1, T]; the trace begins with the first hour."""
        hours = np.atleast_1d(np.array(self.replicas, dtype=np.int64))
        at = (np.arange(market.ticks) * market.gap_hours + 1e-9).astype(np.int64)
        return hours[at % len(hours)][None]


def policies_of(service: Service) -> tuple[Policy, ...]:
    """Those that are compared."""
    return OnDemandOnly(), SpotOnly(), SpotHedge(1), SpotHedge(2), SizedByRisk(limit=service.unserved_limit)


def replay_serving(market: Market, service: Service, policies: Sequence[Policy] | None = None) -> list[dict[str, Any]]:
    """A row for each policy, and one for what no policy could go below at the limit.

    Columns: market, service, policy, served_share, saving, cost_usd, spot_hours, on_demand_hours, taken_back,
    worst_hour_share; the figures that a bound has not are None.

    Raises:
        InputError: a zone that the market has not, prices or times that make no sense.
    """
    mine = _zones(market, service)
    terms = Terms(
        spot_usd_per_hour=_prices(mine, service),
        on_demand_usd_per_hour=service.on_demand_usd_per_hour,
        cold_start_minutes=service.cold_start_minutes,
        notice_minutes=service.notice_minutes,
        whole_zone=market.most <= 1 if service.one_is_all is None else service.one_is_all,
    )
    services = Services(zones=np.ones((1, len(mine.zones)), dtype=bool), need=service.need(mine))
    if not services.need.any():
        said, mend = "needs no replica while the trace lasts", "give a longer trace"
        raise InputError(said, where=f"service {service.name!r}", mend=mend)
    head = {"market": market.name, "service": service.name}
    chosen = policies_of(service) if policies is None else policies
    rows = [head | _row(policy.name, replay(mine, services, policy, terms)) for policy in chosen]
    least = float(least_usd(mine, services, terms, service.unserved_limit)[0])
    whole = float(services.need.sum()) * mine.gap_hours * terms.on_demand_usd_per_hour
    bound = dict.fromkeys(("spot_hours", "on_demand_hours", "taken_back", "worst_hour_share"))
    figures = {"served_share": 1 - service.unserved_limit, "saving": 1 - least / whole, "cost_usd": least}
    return [*rows, head | {"policy": ALLOWS} | figures | bound]


def _prices(market: Market, service: Service) -> Array:
    """Of each zone."""
    prices = np.atleast_1d(np.asarray(service.spot_usd_per_hour, dtype=float))
    if len(prices) not in (1, len(market.zones)):
        mend = f"one, or one for each of {', '.join(market.zones)}"
        raise InputError(f"{len(prices)} prices of spot", where=f"service {service.name!r}", mend=mend)
    return np.broadcast_to(prices, (len(market.zones),)).copy()


def _zones(market: Market, service: Service) -> Market:
    unknown = [zone for zone in service.zones if zone not in market.zones]
    if unknown:
        said, mend = f"unknown zone {unknown[0]!r:.60}", f"{market.name} has {', '.join(market.zones)}"
        raise InputError(said, where=f"service {service.name!r}", mend=mend)
    return market.only([market.zones.index(zone) for zone in service.zones]) if service.zones else market


def _row(policy: str, out: Outcome) -> dict[str, Any]:
    return {
        "policy": policy,
        "served_share": float(out.served_share[0]),
        "saving": float(out.saving[0]),
        "cost_usd": float(out.cost_usd[0]),
        "spot_hours": float(out.spot_hours[0]),
        "on_demand_hours": float(out.on_demand_hours[0]),
        "taken_back": int(out.taken_back[0]),
        "worst_hour_share": float(out.worst_hour_share[0]),
    }
