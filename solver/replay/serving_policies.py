"""Policies for a service on spot to compare with: on demand only, spot only, the spot hedge of SkyServe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..spot import Market
from .serving import Array, Decide, Services, Terms, View


@dataclass(frozen=True, slots=True)
class OnDemandOnly:
    """What is needed, on demand."""

    name: str = "on demand"

    def begin(self, market: Market, services: Services, terms: Terms) -> Decide:
        """Nothing to prepare."""
        del market, services, terms

        def decide(view: View) -> tuple[Array, Array]:
            return np.zeros_like(view.ready), view.need

        return decide


@dataclass(frozen=True, slots=True)
class SpotOnly:
    """What is needed, on spot, spread evenly over the zones that have it; nothing else."""

    name: str = "spot only"

    def begin(self, market: Market, services: Services, terms: Terms) -> Decide:
        """Zones by price."""
        del market, services
        price = terms.spot_usd_per_hour

        def decide(view: View) -> tuple[Array, Array]:
            return placed(view.held, view.room, view.need, np.broadcast_to(price, view.room.shape)), 0 * view.need

        return decide


@dataclass(frozen=True, slots=True)
class SpotHedge:
    """The policy of SkyServe (Mao et al., EuroSys 2025): some more spot than needed, on-demand for what is not ready.

    With N needed and E more, N + E spot replicas are asked for, in zones that are active and hold the fewest; a zone
    that takes replicas back, or has none when asked, is no longer active, until it gives one again or fewer than two
    are left. On demand: min(N, N + E - spot replicas that are ready).
    """

    extra: int = 1

    @property
    def name(self) -> str:
        """With its number."""
        return f"spot hedge +{self.extra}"

    def begin(self, market: Market, services: Services, terms: Terms) -> Decide:
        """All zones are active."""
        del market
        active, price = services.zones.copy(), terms.spot_usd_per_hour

        def decide(view: View) -> tuple[Array, Array]:
            nonlocal active
            active = (active & ~view.taken & (view.room > 0)) | (view.held > 0)
            few = (active.sum(axis=1) < 2)[:, None]  # noqa: PLR2004 (as published)
            active = np.where(few, services.zones, active)
            wanted = view.need + np.where(view.need > 0, self.extra, 0)
            spot = placed(view.held, view.room, wanted, price + np.where(active, 0.0, 1e6))
            on_demand = np.clip(wanted - view.ready.sum(axis=1), 0, view.need)
            return spot, on_demand

        return decide


def placed(held: Array, room: Array, wanted: Array, badness: Array) -> Array:
    """Replicas [S, Z]: those held, and more, one by one, where there is room in the best zone with the fewest.

    Zones of 1e6 and above in badness [S, Z] come after all others, however few replicas they hold.
    """
    made = held.copy()
    later, rows = badness >= 1e6, np.arange(len(held))  # noqa: PLR2004
    while (short := (made.sum(axis=1) < wanted) & (made < room).any(axis=1)).any():
        key = np.where(made < room, later * 1e9 + made * 1e3 + np.where(later, 0.0, badness), np.inf)
        made[rows, key.argmin(axis=1)] += short
    while (many := made.sum(axis=1) > wanted).any():
        made[rows, made.argmax(axis=1)] -= many
    return made
