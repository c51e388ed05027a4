"""The narrow waist: what the formulation knows. Modes, offers, blocks and demand; nothing of transformers.

Every quantity that decides feasibility or cost is an integer (nodes, units an hour, hours, micro-dollars)
or an exact fraction, so that the checker can recompute a plan without a rounding error.
Index letters: W workloads, D sources of demand, B blocks, P calendar months, S scenarios, R sites (regions),
N node shapes, Q pools (a shape in a site), F offers, C candidates (a mode in a pool, firm or spot).
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

import numpy as np

from .errors import InputError
from .limits import Accounting, ChanceLimit, Limits, Quota, ShareLimit, UnservedLimit
from .table import Table

__all__ = ["Accounting", "ChanceLimit", "Limits", "Quota", "ShareLimit", "UnservedLimit"]  # theirs, beside all below

Array = np.ndarray[Any, np.dtype[Any]]
ON_DEMAND, SPOT, COMMITMENT = 0, 1, 2
OFFER_KINDS = ("on_demand", "spot", "commitment")
FIRM = 0  # markets of a candidate: firm nodes (on demand or committed), or SPOT = 1
MARKETS = ("firm", "spot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Merged hours: all hours of a block have the same requirement in every respect."""

    hours: Array  # int64 [B, P] hours of the block in each calendar month
    scenario: Array  # int64 [B]
    periods: tuple[str, ...]  # P labels, "2027-03"
    period_hours: Array  # int64 [P] true hours of the horizon in each month
    probability: tuple[Fraction, ...]  # S, sums to 1
    calendar: Table  # hour-by-hour view for charts: period, day ("weekday"/"weekend"), hour_utc, hours, scenario, block

    @property
    def total_hours(self) -> Array:
        """Hours of each block over the horizon, int64 [B]."""
        return cast("Array", self.hours.sum(axis=1))

    @property
    def count(self) -> int:
        """Number of blocks B."""
        return int(self.hours.shape[0])

    def block_probability(self) -> list[Fraction]:
        """Probability of the scenario of each block, length B."""
        return [self.probability[s] for s in self.scenario]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Regions of providers (one row a site)."""

    provider: Array  # str [R]
    region: Array  # str [R]
    country: Array  # ISO 3166 two letters
    jurisdiction: Array  # "EU", "US", ...
    latitude: Array  # float degrees
    longitude: Array
    zones: Array  # int64, availability zones
    g_co2_per_kwh: Array  # float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Node shapes (one row a machine type)."""

    provider: Array  # str [N]
    node: Array  # str [N]
    accelerator: Array  # str [N]
    accelerators: Array  # int64 [N]
    power_w: Array  # int64 [N] modelled draw of the whole node in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What can be bought: one row a pool and option (and, for commitments, a start)."""

    pool: Array  # int64 [F]
    kind: Array  # int64 [F] ON_DEMAND, SPOT or COMMITMENT
    option: Array  # str [F]
    micro_usd_per_hour: Array  # int64 [F]
    upfront_micro_usd: Array  # int64 [F]
    term_hours: Array  # int64 [F], 0 unless a commitment
    paid_hours: Array  # int64 [F, P] hours for which a commitment is billed in each month
    active: Array  # bool [F, B] blocks a commitment covers
    starts: Array  # str [F] ISO date a commitment starts, "" otherwise
    owned_nodes: Array  # int64 [F] existing commitment: exactly this many, not a choice; 0 otherwise
    interruptions_per_month: Array  # float [F]
    valid_from: Array  # str [F] ISO date
    source: Array  # str [F]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workloads:
    """What the formulation needs of each workload."""

    name: Array  # str [W]
    kind: Array  # "serving" (a flow), "training" (a gang job) or "batch" (a divisible job)
    unit: Array  # "requests" or "tokens"
    team: Array  # str [W]
    ttft_ms: Array  # float [W] target including the network, inf when there is none
    max_spot_share: tuple[Fraction, ...]  # W, of the running capacity in any block
    max_spot_share_per_region: tuple[Fraction, ...]
    max_spot_share_per_zone: tuple[Fraction, ...]
    unserved_micro_usd_per_unit: Array  # int64 [W] price of a unit not served
    must_serve: Array  # bool [W] leaving a unit unserved is a conflict, not a choice
    residency: tuple[tuple[str, ...], ...]  # W, jurisdictions or countries allowed; () is anywhere
    input_tokens: Array  # int64 [W], for unit costs; 0 where it has no meaning
    output_tokens: Array  # int64 [W]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where demand comes from: one row a workload and origin (a job has one row)."""

    workload: Array  # int64 [D]
    origin: Array  # str [D]
    units_per_hour: Array  # int64 [D, B] for flows; 0 for jobs
    total_units: Array  # int64 [D] for jobs; 0 for flows
    window: Array  # bool [D, B] blocks in which a job may run; True for flows
    rtt_ms: Array  # float [D, R] network round trip from the origin to each site
    transfer_pico_usd_per_unit: Array  # int64 [D, R] moving one unit's bytes (1e-12 dollars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """A mode in a pool, on firm or spot nodes."""

    workload: Array  # int64 [C]
    pool: Array  # int64 [C]
    market: Array  # int64 [C] FIRM or SPOT
    mode: Array  # int64 [C] row of Problem.modes
    nodes_per_replica: Array  # int64 [C]
    units_per_hour: Array  # int64 [C] per replica, after the derating of spot
    ttft_ms: Array  # float [C] without the network


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """States in which a region or one of its zones is lost, each a scenario of the blocks; jobs wait in them.

    A future is what may come over the horizon: one demand, with at most one outage. It spends a share of its time in
    each state, and the probability of a state is that of being in it at any hour. F futures.
    """

    up: Array  # int64 [R, B] zones of each site that are there; all of them where nothing is lost
    state: tuple[str, ...]  # S, what is lost, "aws/us-east-1 is lost"; "" where nothing is
    probability: tuple[Fraction, ...]  # F, of the futures; sums to 1
    share: tuple[tuple[Fraction, ...], ...]  # [F][S] of a future's time in each state; each row sums to 1
    calm: Array = field(default_factory=lambda: np.zeros((2, 0), dtype=np.int64))  # int64 [2, n] a block in which
    # something is lost, and one of the same hours in which nothing is
    hold: tuple[bool, ...] = ()  # S, no node may be had there but those of the same hours when nothing is lost; () none
    spot: Array | None = None  # int64 [Q, B] zones of each pool whose spot markets are there; None: all that are up

    @property
    def holding(self) -> bool:
        """Whether in some state no new node may be had."""
        return any(self.hold)

    def held_pairs(self, scenario: Array) -> Array:
        """The pairs of `calm` whose state is one in which no new node may be had, int64 [2, n]."""
        hold = np.array(self.hold or (False,) * len(self.state), dtype=bool)
        return np.asarray(self.calm[:, hold[scenario[self.calm[0]]]])

    def name_of(self, problem: Problem, block: int) -> str:
        """What is lost in a block."""
        return self.state[int(problem.blocks.scenario[block])] or "its zones are lost"

    def in_blocks(self, index: Array) -> Outages:
        """The same where block i is what block `index[i]` is here."""
        spot = None if self.spot is None else self.spot[:, index]
        now: dict[int, list[int]] = {}
        for i, b in enumerate(index.tolist()):
            now.setdefault(b, []).append(i)
        pairs = [(i, j) for a, b in self.calm.T.tolist() for i in now.get(a, ()) for j in now.get(b, ())]
        calm = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return dataclasses.replace(self, up=self.up[:, index], calm=calm, spot=spot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One planning problem, complete: nothing outside it decides what a valid plan is or costs."""

    name: str
    blocks: Blocks
    sites: Sites
    shapes: Shapes
    pool_shape: Array  # int64 [Q]
    pool_site: Array  # int64 [Q]
    offers: Offers
    workloads: Workloads
    sources: Sources
    candidates: Candidates
    modes: Table  # columns of workloads.modes.ModeTable plus "workload" (int64 row of workloads)
    limits: Limits = field(default_factory=Limits)
    outages: Outages | None = None
    grid_g_co2_per_kwh: Array | None = None  # float [R, B] of each hour, where it is known; None: the sites' averages
    excuses: Table = field(default_factory=lambda: Table({}))  # workload, provider, node, region, bottleneck, detail
    provenance: dict[str, str] = field(default_factory=dict)  # catalog digest, as_of, spec text, warnings ...

    def __post_init__(self) -> None:
        """Check shapes and ranges once, so that no rule has to."""
        b, p = self.blocks.hours.shape
        _need(self.offers.active.shape == (len(self.offers.pool), b), "offers.active must be [F, B]")
        _need(self.offers.paid_hours.shape == (len(self.offers.pool), p), "offers.paid_hours must be [F, P]")
        _need(self.sources.units_per_hour.shape == (len(self.sources.workload), b), "units_per_hour must be [D, B]")
        _need(sum(self.blocks.probability, Fraction(0)) == 1, "scenario probabilities must add up to 1")
        for quota in self.limits.quotas:
            _need(len(quota.missing) in (0, b), f"missing of the quota {quota.name} must have one number a block")
        if self.outages is not None:
            self._check_outages(self.outages)
        grid = (len(self.sites.region), b)
        _need(self.grid_g_co2_per_kwh is None or self.grid_g_co2_per_kwh.shape == grid, "the grid must be [R, B]")
        for part in (self.offers, self.candidates, self.sources, self.blocks):
            for column in dataclasses.fields(part):
                value = getattr(part, column.name)
                if isinstance(value, np.ndarray) and value.dtype == np.int64:
                    _need(bool((value >= 0).all()), f"{type(part).__name__}.{column.name} must not be negative")
        _need(bool((self.candidates.nodes_per_replica > 0).all()), "nodes_per_replica must be positive")

    def _check_outages(self, out: Outages) -> None:
        """Shapes, ranges, and that states are as probable as the futures say."""
        s, count = self.sources, len(self.blocks.probability)
        _need(out.up.shape == (len(self.sites.region), self.blocks.count), "outages.up must be [R, B]")
        zones = np.maximum(self.sites.zones, 1)[:, None]
        _need(bool(((out.up >= 0) & (out.up <= zones)).all()), "zones up must be from 0 to those a region has")
        fine = len(out.state) == count and all(len(row) == count and sum(row, Fraction(0)) == 1 for row in out.share)
        _need(fine and len(out.share) == len(out.probability), "outages.share must be [F][S], each row adding up to 1")
        lost = np.array([bool(name) for name in out.state])[self.blocks.scenario]
        _need(not s.window[s.total_units > 0][:, lost].any(), "jobs have no window in outages")
        wide = out.spot is None or out.spot.shape == (len(self.pool_shape), self.blocks.count)
        _need(wide and bool((self.spot_up >= 0).all() and (self.spot_up <= self.zones_up).all()),
              "outages.spot must be [Q, B], from 0 to the zones that are up")  # fmt: skip
        _need(len(out.hold) in (0, count), "outages.hold must have one entry a state")
        _need(bool(lost[out.calm[0]].all() and not lost[out.calm[1]].any()), "outages.calm: lost, then not lost")
        for k, probability in enumerate(self.blocks.probability):
            in_all = sum((p * row[k] for p, row in zip(out.probability, out.share, strict=True)), Fraction(0))
            _need(in_all == probability, f"scenario {k} is not as probable as the futures say")

    @property
    def grid(self) -> Array:
        """Grams of CO2e a kilowatt-hour of each site, float [R, B], or [R, 1] where hours are alike."""
        hourly = self.grid_g_co2_per_kwh
        return self.sites.g_co2_per_kwh[:, None] if hourly is None else hourly

    def grid_in_blocks(self, index: Array) -> Array | None:
        """The grid where block i is what block `index[i]` is here."""
        return None if self.grid_g_co2_per_kwh is None else self.grid_g_co2_per_kwh[:, index]

    @property
    def futures(self) -> tuple[tuple[Fraction, ...], tuple[tuple[Fraction, ...], ...]]:
        """Probability of each future [F], and its time in each scenario [F][S]; each its own where nothing is lost."""
        if self.outages is not None:
            return self.outages.probability, self.outages.share
        count = len(self.blocks.probability)
        share = tuple(tuple(Fraction(int(i == k)) for k in range(count)) for i in range(count))
        return self.blocks.probability, share

    @property
    def working(self) -> tuple[int, ...]:
        """Scenarios in which jobs work and months are paid: those that are no outage."""
        every = range(len(self.blocks.probability))
        return tuple(every) if self.outages is None else tuple(s for s in every if not self.outages.state[s])

    @property
    def pool_zones(self) -> Array:
        """Zones of the region of each pool, int64 [Q], at least 1."""
        return np.asarray(np.maximum(self.sites.zones, 1)[self.pool_site])

    @property
    def zones_up(self) -> Array:
        """Zones of each pool that are there, int64 [Q, B], or [Q, 1] where nothing is ever lost."""
        return self.pool_zones[:, None] if self.outages is None else self.outages.up[self.pool_site]

    @property
    def spot_up(self) -> Array:
        """Zones of each pool whose spot markets are there, int64 [Q, B], or [Q, 1] where nothing is ever lost."""
        return self.zones_up if self.outages is None or self.outages.spot is None else self.outages.spot

    @property
    def may_leave(self) -> Array:
        """Where a workload need not be served, at no price, if its outage is one of those given up; bool [W, B]."""
        shape = len(self.workloads.name), self.blocks.count
        if self.outages is None or not self.limits.chances:
            return np.broadcast_to(np.zeros((1, 1), dtype=bool), shape)
        made = np.zeros(shape, dtype=bool)
        lost = np.array([bool(name) for name in self.outages.state])[self.blocks.scenario]
        made[[c.workload for c in self.limits.chances]] = lost
        return made

    def usable(self, pools: Array, nodes: Array) -> Array:
        """Of committed nodes in force in these pools [n, B], spread evenly over zones, those that can be used."""
        return np.asarray(nodes * self.zones_up[pools] // self.pool_zones[pools, None])

    @property
    def pool_names(self) -> Array:
        """Business names of the pools, "aws/us-east-1/p5.48xlarge" [Q]."""
        site, shape = self.pool_site, self.pool_shape
        provider, region, node = self.sites.provider[site], self.sites.region[site], self.shapes.node[shape]
        return np.array([f"{a}/{b}/{c}" for a, b, c in zip(provider, region, node, strict=True)], dtype=object)

    def digest(self) -> str:
        """Content hash over every array and limit: the same problem gives the same digest anywhere."""
        h = hashlib.sha256()
        parts = (self.blocks, self.sites, self.shapes, self.offers, self.workloads, self.sources, self.candidates)
        for part in parts:
            for column in dataclasses.fields(part):
                _feed(h, column.name, getattr(part, column.name))
        for name, value in (("pool_shape", self.pool_shape), ("pool_site", self.pool_site), ("limits", self.limits)):
            _feed(h, name, value)
        if self.limits.chances or self.limits.shares:
            _feed(h, "limits more", (self.limits.chances, self.limits.shares))
        if self.grid_g_co2_per_kwh is not None:
            _feed(h, "grid", self.grid_g_co2_per_kwh)
        if self.outages is not None:
            for name in ("up", "state", "probability", "share"):
                _feed(h, f"outages.{name}", getattr(self.outages, name))
            if self.outages.holding:  # else `calm` decides nothing
                _feed(h, "outages.hold", self.outages.hold)
                _feed(h, "outages.calm", self.outages.calm)
            if self.outages.spot is not None:
                _feed(h, "outages.spot", self.outages.spot)
        return h.hexdigest()


def _need(fine: bool, message: str) -> None:  # noqa: FBT001 (reads as a sentence)
    if not fine:
        raise InputError(message, where="Problem", mend="build it with solver.load or enumerate_problem")


def _feed(h: Any, name: str, value: Any) -> None:
    h.update(name.encode())
    if isinstance(value, np.ndarray):
        h.update(str(value.shape).encode())
        h.update(repr(value.tolist()).encode() if value.dtype == object else np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Table):
        for column in value.names:
            _feed(h, column, value[column])
    else:
        h.update(repr(value).encode())
