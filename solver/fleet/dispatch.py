"""A plan for every slot: what the ascent would serve where, made to fit, each workload at the cost of what is left.

Workloads are taken out and put back one colour after another (they share no pool, so all of a colour at once), each by
merit order over what the others leave: idle committed nodes, on demand, spot. Every slot stays feasible throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .ascent import Ascent
    from .fleet import Fleet, Sample
    from .layout import Layout

Array = np.ndarray[Any, np.dtype[Any]]
ENOUGH = 1e-6  # of a demand
ROUNDING = 1e-9  # by which node-hours stay below what there is


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Units served in each slot."""

    firm: Array  # float64 [d × W, n]
    spot: Array


def dispatch(
    fleet: Fleet, layout: Layout, sample: Sample, held: Array, ascent: Ascent, passes: tuple[float, ...]
) -> Dispatch:
    """Serve slots with `held` [Q] committed nodes.

    Each pass prices what is scarce at so many times its price in the ascent: 1 leaves it to who needs it most, 0 takes
    committed nodes as paid.
    """
    asked, spare = sample.asked, sample.spare
    total = (ascent.firm + ascent.spot).reshape(*layout.way.shape, -1).sum(axis=0)
    scale = np.tile(asked / np.maximum(total, 1e-30), (layout.width, 1))
    firm, spot = ascent.firm * scale, ascent.spot * scale
    firm_nodes, spot_nodes = layout.load @ firm, layout.load @ spot
    shop = _Shop.of(fleet, held, spare, ascent)
    for i, weight in enumerate(passes):
        for colour in layout.colours if i % 2 == 0 else layout.colours[::-1]:
            ways = (np.arange(layout.width)[:, None] * fleet.workloads + colour).ravel()
            ways = ways[layout.way.ravel()[ways] >= 0]
            _place(shop, layout, colour, ways, asked, (firm, spot), (firm_nodes, spot_nodes), weight)
    return fitting(fleet, layout, sample, firm, spot)


@dataclass(frozen=True, slots=True)
class _Shop:
    """What a node-hour costs and how many there are."""

    on_demand: Array  # float32 [Q, 1]
    spot: Array
    held: Array
    quota: Array
    spare: Array  # [Q, n]
    committed_price: Array
    spot_price: Array
    share: Array  # [W, 1]
    dear: Array

    @classmethod
    def of(cls, fleet: Fleet, held: Array, spare: Array, ascent: Ascent) -> _Shop:
        def column(values: Array) -> Array:
            return values.astype(np.float32)[:, None]

        return cls(
            on_demand=column(fleet.on_demand_usd_per_hour),
            spot=column(fleet.spot_usd_per_hour),
            held=column(held),
            quota=column(fleet.quota_nodes),
            spare=spare,
            committed_price=ascent.prices.committed,
            spot_price=ascent.prices.spot,
            share=column(fleet.max_spot_share),
            dear=column(fleet.unserved_usd_per_unit),
        )


def _place(
    s: _Shop, lay: Layout, colour: Array, ways: Array, asked: Array, served: Any, nodes: Any, weight: float
) -> None:
    """Place the workloads of a colour anew, in place."""
    pool, each, n = lay.pool[ways], lay.node_hours[ways], asked.shape[1]
    firm_nodes = np.maximum(nodes[0][pool] - served[0][ways] * each, 0)
    spot_nodes = np.maximum(nodes[1][pool] - served[1][ways] * each, 0)
    held, spot = s.held[pool], s.spot[pool]
    room = np.stack([
        np.maximum(held - firm_nodes, 0),
        np.maximum(s.quota[pool] - np.maximum(firm_nodes, held), 0),
        np.maximum(s.spare[pool] - spot_nodes, 0),
    ]) / each  # fmt: skip
    price = np.stack([
        weight * s.committed_price[pool], np.broadcast_to(s.on_demand[pool], firm_nodes.shape),
        np.where(np.isfinite(spot), spot + weight * s.spot_price[pool], np.inf),
    ]) * each  # fmt: skip
    at = (ways // lay.way.shape[1]) * len(colour) + np.searchsorted(colour, ways % lay.way.shape[1])
    options, need = 3 * lay.width, asked[colour]
    rooms, prices = (np.full((3, lay.width * len(colour), n), fill, np.float32) for fill in (0.0, np.inf))
    rooms[:, at], prices[:, at] = room, price
    got = _merit(
        prices.reshape(options, -1).T.copy(), rooms.reshape(options, -1).T.copy(), need.ravel(),
        (s.share[colour] * need).ravel(), np.repeat(s.dear[colour].ravel(), n), 2 * lay.width,
    )  # fmt: skip
    made = got.T.reshape(3, lay.width * len(colour), n)[:, at]
    served[0][ways], served[1][ways] = made[0] + made[1], made[2]
    nodes[0][pool] = firm_nodes + served[0][ways] * each
    nodes[1][pool] = spot_nodes + served[1][ways] * each


def _merit(price: Array, room: Array, need: Array, flexible: Array, dear: Array, first_spot: int) -> Array:
    """Units taken of each option [rows, options], cheapest first, no more on spot than is flexible."""
    got, left, flexible = np.zeros_like(room), need.copy(), flexible.copy()
    little = ENOUGH * need + 1e-12
    price[room <= little[:, None]] = np.inf
    price[flexible <= little, first_spot:] = np.inf
    live = np.flatnonzero(left > little)
    while len(live):
        rows = price[live]
        best = rows.argmin(axis=1)
        fine = rows[np.arange(len(live)), best] < dear[live]
        live, best = live[fine], best[fine]
        on_spot = best >= first_spot
        units = np.minimum(room[live, best], left[live])
        units = np.where(on_spot, np.minimum(units, flexible[live]), units)
        got[live, best] += units
        left[live] -= units
        flexible[live] -= np.where(on_spot, units, 0)
        price[live, best] = np.inf
        price[live[on_spot & (flexible[live] <= little[live])], first_spot:] = np.inf
        live = live[left[live] > little[live]]
    return got


def fitting(fleet: Fleet, layout: Layout, sample: Sample, firm: Array, spot: Array) -> Dispatch:
    """In double precision, cut to what there is of demand, quota, spot nodes and share of spot."""
    asked, spare = sample.asked, sample.spare
    made, load = [], layout.load.astype(float)
    shape = (*layout.way.shape, asked.shape[1])
    for units, limit in ((firm, fleet.quota_nodes[:, None]), (spot, spare.astype(float))):
        exact = units.astype(float)
        fits = np.minimum(1.0, limit * (1 - ROUNDING) / np.maximum(load @ exact, 1e-300))
        exact *= np.concatenate([fits, np.ones((1, fits.shape[1]))])[layout.pool]
        made.append(exact.reshape(shape))
    want = asked.astype(float) * (1 - ROUNDING)
    share = fleet.max_spot_share[:, None] * want
    made[1] *= np.minimum(1.0, share / np.maximum(made[1].sum(axis=0), 1e-300))
    made[0] *= np.minimum(1.0, (want - made[1].sum(axis=0)) / np.maximum(made[0].sum(axis=0), 1e-300))
    return Dispatch(*(part.reshape(-1, shape[2]) for part in made))
