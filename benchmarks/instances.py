"""Fleets drawn from a seed: workloads at home in some regions, pools to serve them from, hours, scenarios.

Prices, speeds, reach, residency, quotas, spot capacity that comes and goes, and demand over day and week are drawn from
the distributions below. All numbers are whole: micro-dollars, nodes, hundredths of a unit of work. `draw` gives arrays
that other tools can read (`Fleet.arrays`), and `Fleet.problem` the same as a `Problem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, cast

import numpy as np

from solver.problem import (
    COMMITMENT,
    FIRM,
    ON_DEMAND,
    SPOT,
    Blocks,
    Candidates,
    Limits,
    Offers,
    Problem,
    Quota,
    Shapes,
    Sites,
    Sources,
    Workloads,
)
from solver.table import Table

Array = np.ndarray[Any, np.dtype[Any]]
TYPES = (  # name, accelerators, $/h on demand, units of work an hour, GB of memory
    ("L4x1", 1, 0.85, 1.0, 24),
    ("A10Gx1", 1, 1.25, 1.5, 24),
    ("L40Sx1", 1, 1.95, 3.1, 48),
    ("A100x1", 1, 3.70, 4.9, 80),
    ("H100x1", 1, 6.90, 9.6, 80),
    ("L4x4", 4, 3.6, 3.8, 96),
    ("L40Sx8", 8, 15.5, 23.0, 384),
    ("A100x8", 8, 29.5, 39.0, 640),
    ("H100x8", 8, 55.0, 80.0, 640),
    ("H200x8", 8, 63.0, 100.0, 1128),
    ("B200x8", 8, 113.0, 190.0, 1440),
    ("MI300x8", 8, 48.0, 70.0, 1536),
)
COMMITMENTS = (  # option, hours, share of the price on demand, all paid upfront
    ("commit_1y", 8760, 0.70, False),
    ("commit_1y_upfront", 8760, 0.66, True),
    ("commit_3y_upfront", 26280, 0.47, True),
)
CLASSES = ((18, 2), (40, 5), (160, 20), (600, 40))  # GB that a workload's model needs, its demand beside the others'
PER_UNIT = 100  # whole units in a unit of work
DEMAND = 30  # units of work an hour of a small workload
MOST_POOLS = 8  # of a workload: the cheapest a unit of work
FEW_POOLS = 3  # of a workload that nothing in its reach can hold: the nearest
SPOT_SHARES = (0, 30, 50, 80)  # % of a workload's capacity
REGION_UP = 0.88  # of the time
UNSERVED = 40  # times the dearest unit served
FIRST_TOKEN_MS = 300.0
MS_PER_RADIAN = 6371 / 100 * 1.4  # there and back at 200 km/ms, with detours
GEOGRAPHY, POOLS, WORKLOADS, FITNESS, HOURS, CAPACITY = range(6)  # streams of random numbers


@dataclass(frozen=True, slots=True)
class Size:
    """How large a fleet is."""

    workloads: int
    regions: int
    pools: int
    hours: int
    scenarios: int = 1

    @classmethod
    def of(cls, text: str) -> Size:
        """From "500x60x400x24x1": workloads, regions, pools, hours, scenarios."""
        return cls(*map(int, text.split("x")))

    @property
    def blocks(self) -> int:
        """Hours of all scenarios."""
        return self.hours * self.scenarios

    def __str__(self) -> str:
        """As `of` reads it."""
        return f"{self.workloads}x{self.regions}x{self.pools}x{self.hours}x{self.scenarios}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """W workloads, R sites, Q pools, E pairs of workload and pool, K commitments a pool, B blocks (an hour each)."""

    size: Size
    latitude: Array  # float [R]
    longitude: Array
    pool_type: Array  # int64 [Q] row of TYPES
    pool_site: Array  # int64 [Q]
    on_demand_micro_usd: Array  # int64 [Q] an hour
    spot_micro_usd: Array  # int64 [Q] an hour
    committed_micro_usd: Array  # int64 [Q, K] an hour, upfront payments spread over the term
    quota_nodes: Array  # int64 [Q] on demand and committed
    spot_nodes: Array  # int32 [Q, B] there are
    home: Array  # int64 [W] site
    stays: Array  # bool [W] within the part of the world it is at home in
    reach_ms: Array  # float [W] round trip to its farthest pool at most
    spot_share: Array  # int64 [W] % of the running capacity at most
    edge_workload: Array  # int64 [E] ascending
    edge_pool: Array  # int64 [E]
    edge_units: Array  # int64 [E] units an hour of a node
    demand: Array  # int64 [W, B] units an hour
    unserved_micro_usd: int  # a unit

    @property
    def part_of_world(self) -> Array:
        """Sixth of the globe by longitude, int64 [R]."""
        return np.asarray((self.longitude + 180) // 60, dtype=np.int64)

    @property
    def columns(self) -> int:
        """Columns of the model with all hours side by side and nothing left out."""
        q, e = len(self.pool_type), len(self.edge_pool)
        return q * len(COMMITMENTS) + self.size.blocks * (2 * e + q + self.size.workloads)

    def arrays(self) -> dict[str, Array]:
        """What decides cost and feasibility, for `np.savez`: the names are those of the fields."""
        names = (
            "on_demand_micro_usd", "spot_micro_usd", "committed_micro_usd", "quota_nodes", "spot_nodes", "spot_share",
            "edge_workload", "edge_pool", "edge_units", "demand", "unserved_micro_usd",
        )  # fmt: skip
        made = {name: np.asarray(getattr(self, name)) for name in names}
        return made | {"hours": np.asarray(self.size.hours), "scenarios": np.asarray(self.size.scenarios)}

    def problem(self) -> Problem:
        """The same as a planning problem."""
        candidates = _candidates(self)
        return Problem(
            name=f"fleet {self.size}",
            blocks=_blocks(self.size),
            sites=_sites(self),
            shapes=_shapes(),
            pool_shape=self.pool_type,
            pool_site=self.pool_site,
            offers=_offers(self),
            workloads=_workloads(self),
            sources=_sources(self),
            candidates=candidates,
            modes=Table({"workload": candidates.workload}),
            limits=Limits(quotas=(*_firm_quotas(self), *_spot_quotas(self))),
        )


class _Work(NamedTuple):
    """What is drawn of the workloads."""

    home: Array  # [W] site
    klass: Array  # [W] row of CLASSES
    stays: Array  # bool [W]
    share: Array  # [W] %
    base: Array  # float [W] units an hour
    reach_ms: Array  # float [W]
    swing: Array  # float [W] of demand over the day, share of its mean


def draw(size: Size, seed: int = 0) -> Fleet:
    """A fleet of a size."""
    latitude, longitude, dearness = _geography(size, seed)
    kind, site, prices = _market(size, seed, dearness)
    work = _work(size, seed, len(longitude))
    units = _units(size, seed, work.klass, kind)
    rtt = _rtt_ms(latitude, longitude)[work.home][:, site]
    part = (longitude + 180) // 60
    abroad = part[site] != part[work.home, None]
    holds = np.array([t[4] for t in TYPES])[kind] >= np.array([c[0] for c in CLASSES])[work.klass, None]
    near = ((rtt <= work.reach_ms[:, None]) | (site == work.home[:, None])) & ~(work.stays[:, None] & abroad)
    workload, pool = _edges(holds, near, prices[0] / units, rtt)
    np.maximum.at(work.reach_ms, workload, rtt[workload, pool])  # those that found nothing in their reach
    np.logical_and.at(work.stays, workload, ~abroad[workload, pool])
    edge_units = units[workload, pool]
    need, degree = np.zeros(size.pools), np.bincount(workload, minlength=size.workloads)
    np.add.at(need, pool, (work.base[workload] / degree[workload]) / edge_units)
    quota_nodes, spot_nodes = _capacity(size, seed, need, site, len(longitude))
    on_demand, spot, committed = (np.rint(usd * 1e6).astype(np.int64) for usd in prices)
    return Fleet(
        size=size,
        latitude=latitude,
        longitude=longitude,
        pool_type=kind,
        pool_site=site,
        on_demand_micro_usd=on_demand,
        spot_micro_usd=spot,
        committed_micro_usd=committed,
        quota_nodes=quota_nodes,
        spot_nodes=spot_nodes,
        home=work.home,
        stays=work.stays,
        reach_ms=work.reach_ms,
        spot_share=work.share,
        edge_workload=workload,
        edge_pool=pool,
        edge_units=edge_units,
        demand=_demand(size, seed, work, longitude[work.home]),
        unserved_micro_usd=int(UNSERVED * (on_demand[pool] / edge_units).max(initial=0)),
    )


def _geography(size: Size, seed: int) -> tuple[Array, Array, Array]:
    """Latitude, longitude and dearness of the sites: regions, of as many providers as the pools need."""
    rng = np.random.default_rng([seed, GEOGRAPHY])
    providers = -(-size.pools // (len(TYPES) * size.regions))
    longitude = np.tile(rng.uniform(-180, 180, size.regions), providers)
    latitude = np.tile(np.clip(rng.normal(30, 22, size.regions), -60, 65), providers)
    return latitude, longitude, rng.choice([1.0, 1.08, 1.15, 1.25, 1.4], len(longitude), p=[0.35, 0.25, 0.2, 0.1, 0.1])


def _market(size: Size, seed: int, dearness: Array) -> tuple[Array, Array, tuple[Array, Array, Array]]:
    """Type and site of the pools; dollars an hour on demand [Q], on spot [Q], committed [Q, K]."""
    rng = np.random.default_rng([seed, POOLS])
    kind, site = np.divmod(rng.permutation(len(TYPES) * len(dearness))[: size.pools], len(dearness))
    on_demand = np.array([t[2] for t in TYPES])[kind] * dearness[site] * rng.uniform(0.95, 1.05, size.pools)
    shares = np.array([c[2] for c in COMMITMENTS]) * rng.uniform(0.97, 1.03, (size.pools, len(COMMITMENTS)))
    return kind, site, (on_demand, on_demand * rng.uniform(0.28, 0.62, size.pools), on_demand[:, None] * shares)


def _work(size: Size, seed: int, sites: int) -> _Work:
    rng, n = np.random.default_rng([seed, WORKLOADS]), size.workloads
    klass = rng.integers(0, len(CLASSES), n)
    scale = DEMAND * PER_UNIT * np.array([c[1] for c in CLASSES])[klass]
    return _Work(
        home=rng.integers(0, sites, n),
        klass=klass,
        stays=rng.random(n) < 0.3,
        share=rng.choice(SPOT_SHARES, n),
        base=np.exp(rng.normal(0, 0.9, n)) * scale,
        reach_ms=rng.uniform(0.35, 1.6, n) * MS_PER_RADIAN,
        swing=rng.uniform(0.2, 0.7, n),
    )


def _units(size: Size, seed: int, klass: Array, kind: Array) -> Array:
    """Units an hour of a node for each workload and pool, int64 [W, Q]: classes like types differently."""
    rng = np.random.default_rng([seed, FITNESS])
    liking = np.exp(rng.normal(0, 0.22, (len(CLASSES), len(TYPES))))
    noise = np.exp(rng.normal(0, 0.05, (size.workloads, size.pools)))
    speed = np.array([t[3] for t in TYPES])[kind] * liking[klass][:, kind] * noise
    return cast("Array", np.maximum(1, np.rint(speed * PER_UNIT)).astype(np.int64))


def _rtt_ms(latitude: Array, longitude: Array) -> Array:
    """Between sites [R, R], along great circles."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    cosine = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(lon[:, None] - lon)
    return cast("Array", np.arccos(np.clip(cosine, -1, 1)) * MS_PER_RADIAN)


def _edges(holds: Array, near: Array, usd_per_unit: Array, rtt_ms: Array) -> tuple[Array, Array]:
    """Workload and pool of each pair: the cheapest a unit of those near, else the nearest that hold the model."""
    some = (holds & near).any(axis=1, keepdims=True)
    worth = np.where(holds & (near | ~some), np.where(some, usd_per_unit, rtt_ms), np.inf)
    order = np.argsort(worth, axis=1, kind="stable")[:, :MOST_POOLS]
    taken = np.isfinite(np.take_along_axis(worth, order, axis=1))
    taken &= np.arange(order.shape[1]) < np.where(some, MOST_POOLS, FEW_POOLS)
    workload, place = np.nonzero(taken)
    return workload, order[workload, place]


def _demand(size: Size, seed: int, work: _Work, longitude: Array) -> Array:
    """Units an hour, int64 [W, B], scenario by scenario: days and weeks by local time, growth, noise."""
    rng, hour = np.random.default_rng([seed, HOURS]), np.arange(size.hours)
    phase = (hour + longitude[:, None] / 15) * (2 * np.pi / 24)
    weekend = 0.18 * (hour // 24 % 7 >= 5)
    shape = np.maximum(1 + work.swing[:, None] * np.sin(phase - 2.2) - weekend, 0.05) * work.base[:, None]
    made = np.empty((size.workloads, size.blocks), dtype=np.int64)
    for s in range(size.scenarios):
        growth = np.exp(rng.normal(0, 0.25, size.workloads) + rng.normal(0, 0.15)) if size.scenarios > 1 else 1.0
        noise = np.exp(0.08 * rng.standard_normal(shape.shape, dtype=np.float32))
        made[:, s * size.hours : (s + 1) * size.hours] = np.ceil(shape * np.atleast_1d(growth)[:, None] * noise)
    return made


def _capacity(size: Size, seed: int, need: Array, site: Array, sites: int) -> tuple[Array, Array]:
    """Quotas [Q], and spot nodes there are [Q, B]: a whole region's come and go, and each pool's."""
    rng = np.random.default_rng([seed, CAPACITY])
    quota = np.ceil(need * rng.uniform(1.2, 5.0, size.pools) + 2).astype(np.int64)
    most = np.ceil(need * rng.uniform(0.3, 1.5, size.pools)).astype(np.int32)
    available = rng.uniform(0.3, 0.95, size.pools)
    made = np.empty((size.pools, size.blocks), dtype=np.int32)
    for s in range(size.scenarios):
        up = (rng.random((sites, size.hours)) < REGION_UP)[site]
        up &= rng.random((size.pools, size.hours), dtype=np.float32) < available[:, None]
        made[:, s * size.hours : (s + 1) * size.hours] = most[:, None] * up
    return quota, made


def _text(values: Iterable[str]) -> Array:
    return np.array(list(values), dtype=object)


def _blocks(size: Size) -> Blocks:
    return Blocks(
        hours=np.ones((size.blocks, 1), dtype=np.int64),
        scenario=np.repeat(np.arange(size.scenarios), size.hours),
        periods=("2027-01",),
        period_hours=np.array([size.hours]),
        probability=(Fraction(1, size.scenarios),) * size.scenarios,
        calendar=Table({}),
    )


def _sites(f: Fleet) -> Sites:
    r, part = len(f.latitude), f.part_of_world
    provider, region = np.divmod(np.arange(r), f.size.regions)
    return Sites(
        provider=_text(f"cloud-{p}" for p in provider),
        region=_text(f"region-{i}" for i in region),
        country=_text(f"country-{i}" for i in region),
        jurisdiction=_text(f"part-{p}" for p in part),
        latitude=f.latitude,
        longitude=f.longitude,
        zones=np.full(r, 3),
        g_co2_per_kwh=np.full(r, 400.0),
    )


def _shapes() -> Shapes:
    return Shapes(
        provider=_text("any" for _ in TYPES),
        node=_text(t[0] for t in TYPES),
        accelerator=_text(t[0].partition("x")[0] for t in TYPES),
        accelerators=np.array([t[1] for t in TYPES]),
        power_w=np.array([700 * t[1] for t in TYPES]),
    )


def _offers(f: Fleet) -> Offers:
    """On demand of every pool, then spot, then each commitment."""
    q, k = len(f.pool_type), len(COMMITMENTS)
    kind = np.repeat([ON_DEMAND, SPOT, *[COMMITMENT] * k], q)
    names = ("on_demand", "spot", *(c[0] for c in COMMITMENTS))
    term, upfront = np.array([c[1] for c in COMMITMENTS]), np.array([c[3] for c in COMMITMENTS])
    monthly = np.where(upfront, 0, f.committed_micro_usd).T.ravel()
    at_once = np.where(upfront, f.committed_micro_usd * term, 0).T.ravel()
    nothing = np.zeros(2 * q, dtype=np.int64)
    return Offers(
        pool=np.tile(np.arange(q), 2 + k),
        kind=kind,
        option=_text(name for name in names for _ in range(q)),
        micro_usd_per_hour=np.concatenate([f.on_demand_micro_usd, f.spot_micro_usd, monthly]),
        upfront_micro_usd=np.concatenate([nothing, at_once]),
        term_hours=np.concatenate([nothing, np.repeat(term, q)]),
        paid_hours=np.where(kind == COMMITMENT, f.size.hours, 0)[:, None],
        active=np.broadcast_to(np.True_, (len(kind), f.size.blocks)),
        starts=_text("2027-01-01" if c else "" for c in kind == COMMITMENT),
        owned_nodes=np.zeros(len(kind), dtype=np.int64),
        interruptions_per_month=np.where(kind == SPOT, 1.0, 0.0),
        valid_from=_text("2026-01-01" for _ in kind),
        source=_text("drawn" for _ in kind),
    )


def _workloads(f: Fleet) -> Workloads:
    w = f.size.workloads
    everywhere = (Fraction(1),) * w
    return Workloads(
        name=_text(f"service-{i}" for i in range(w)),
        kind=_text("serving" for _ in range(w)),
        unit=_text("requests" for _ in range(w)),
        team=_text(f"team-{i % 10}" for i in range(w)),
        ttft_ms=f.reach_ms + FIRST_TOKEN_MS + 1,  # a millisecond for the rounding of sums
        max_spot_share=tuple(Fraction(int(s), 100) for s in f.spot_share),
        max_spot_share_per_region=everywhere,
        max_spot_share_per_zone=everywhere,
        unserved_micro_usd_per_unit=np.full(w, f.unserved_micro_usd),
        must_serve=np.zeros(w, dtype=bool),
        residency=tuple((f"part-{p}",) if s else () for p, s in zip(f.part_of_world[f.home], f.stays, strict=True)),
        input_tokens=np.full(w, 1000),
        output_tokens=np.full(w, 200),
    )


def _sources(f: Fleet) -> Sources:
    w, r = f.size.workloads, len(f.latitude)
    return Sources(
        workload=np.arange(w),
        origin=_text(f"region-{i}" for i in f.home % f.size.regions),
        units_per_hour=f.demand,
        total_units=np.zeros(w, dtype=np.int64),
        window=np.broadcast_to(np.True_, (w, f.size.blocks)),
        rtt_ms=_rtt_ms(f.latitude, f.longitude)[f.home],
        transfer_pico_usd_per_unit=np.zeros((w, r), dtype=np.int64),
    )


def _candidates(f: Fleet) -> Candidates:
    """Firm ones of every pair, then those on spot nodes."""
    e = len(f.edge_pool)
    return Candidates(
        workload=np.tile(f.edge_workload, 2),
        pool=np.tile(f.edge_pool, 2),
        market=np.repeat([FIRM, SPOT], e),
        mode=np.arange(2 * e),
        nodes_per_replica=np.ones(2 * e, dtype=np.int64),
        units_per_hour=np.tile(f.edge_units, 2),
        ttft_ms=np.full(2 * e, FIRST_TOKEN_MS),
    )


def _firm_quotas(f: Fleet) -> Iterator[Quota]:
    for q, nodes in enumerate(f.quota_nodes.tolist()):
        yield Quota(name=f"pool-{q} on demand", pools=(q,), kind="on_demand", max_nodes=nodes)


def _spot_quotas(f: Fleet) -> Iterator[Quota]:
    """As many spot nodes as there ever are, less those that are not there in a block."""
    for q, (most, nodes) in enumerate(zip(f.spot_nodes.max(axis=1).tolist(), f.spot_nodes, strict=True)):
        missing = tuple((most - nodes).tolist())
        yield Quota(name=f"pool-{q} spot", pools=(q,), kind="spot", max_nodes=most, missing=missing)
