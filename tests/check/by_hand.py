"""Problems and decisions small enough to price by hand: offers one a line, a node serves ten units an hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from solver.bill import Decision
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
    Shapes,
    Sites,
    Sources,
    Workloads,
)
from solver.table import Table
from tests.core.instances import text, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = np.ndarray[Any, np.dtype[Any]]
USD = 10**6
UNITS = 10  # an hour of a node
ONE = Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One row of the offers; a commitment is paid for all hours of every month and covers every block unless said."""

    kind: int
    micro: int
    pool: int = 0
    option: str = ""
    upfront: int = 0
    term_hours: int = 0
    paid: tuple[int, ...] | None = None
    active: tuple[bool, ...] | None = None
    owned: int = 0
    starts: str = ""


def on_demand(micro: int, pool: int = 0) -> Offer:
    """Nodes by the hour."""
    return Offer(kind=ON_DEMAND, micro=micro, pool=pool, option="on_demand")


def spot(micro: int, pool: int = 0) -> Offer:
    """Nodes that may go away."""
    return Offer(kind=SPOT, micro=micro, pool=pool, option="spot")


def commitment(micro: int, **fields: Any) -> Offer:
    """A year from the first of January 2027, unless said otherwise."""
    usual = {"option": "commit_1y", "term_hours": 8760, "starts": "2027-01-01"}
    return Offer(kind=COMMITMENT, micro=micro, **{**usual, **fields})


@dataclass(frozen=True, kw_only=True)
class Work:
    """A workload with one source of demand: units an hour in each block, or a job's total."""

    demand: tuple[int, ...] = ()
    total: int = 0
    window: tuple[bool, ...] | None = None
    kind: str = "serving"
    price: int = 0  # micro-dollars of a unit left
    must: bool = False
    residency: tuple[str, ...] = ()
    ttft_ms: float = np.inf
    spot_share: Fraction = ONE
    region_share: Fraction = ONE
    zone_share: Fraction = ONE
    transfer: tuple[int, ...] | None = None  # pico-dollars of a unit to each pool
    rtt_ms: tuple[float, ...] | None = None  # to each pool
    gang: tuple[int, ...] | None = None  # nodes of a replica in each pool


@dataclass(frozen=True, kw_only=True)
class Place:
    """A pool: one node shape in one region."""

    region: str
    jurisdiction: str = "US"
    zones: int = 1
    grid: float = 0.0  # g CO2e/kWh
    watts: int = 1000


def make(
    *,
    offers: Sequence[Offer],
    work: Sequence[Work],
    hours: Sequence[Sequence[int]],
    scenario: Sequence[int] | None = None,
    probability: Sequence[Fraction] = (ONE,),
    periods: Sequence[str] = ("2027-01", "2027-02", "2027-03", "2027-04"),
    places: Sequence[Place] = (Place(region="r0"),),
    limits: Limits | None = None,
) -> Problem:
    """Workloads a, b, c … of teams A, B, C …, each with a candidate in every pool and market where nodes are sold.

    `hours` [B][P] are those of each block in each month.
    """
    table = whole(hours)
    blocks = Blocks(
        hours=table,
        scenario=whole(scenario or [0] * len(table)),
        periods=tuple(periods[: table.shape[1]]),
        period_hours=table[whole(scenario or [0] * len(table)) == 0].sum(axis=0),
        probability=tuple(probability),
        calendar=Table({}),
    )
    pools = len(places)
    return Problem(
        name="by hand",
        blocks=blocks,
        sites=Sites(
            provider=text(["aws"] * pools),
            region=text([p.region for p in places]),
            country=text([p.jurisdiction for p in places]),
            jurisdiction=text([p.jurisdiction for p in places]),
            latitude=np.zeros(pools),
            longitude=np.zeros(pools),
            zones=whole([p.zones for p in places]),
            g_co2_per_kwh=np.array([p.grid for p in places]),
        ),
        shapes=Shapes(
            provider=text(["aws"] * pools),
            node=text(["n"] * pools),
            accelerator=text(["H100"] * pools),
            accelerators=whole([8] * pools),
            power_w=whole([p.watts for p in places]),
        ),
        pool_shape=np.arange(pools),
        pool_site=np.arange(pools),
        offers=_offers(offers, blocks),
        workloads=_workloads(work),
        sources=_sources(work, blocks.count, pools),
        candidates=_candidates(offers, work, pools),
        modes=Table({"workload": np.arange(len(work))}),
        limits=limits or Limits(),
    )


def _offers(offers: Sequence[Offer], blocks: Blocks) -> Offers:
    lasting = [o.kind == COMMITMENT for o in offers]
    every = tuple(blocks.period_hours.tolist())
    return Offers(
        pool=whole([o.pool for o in offers]),
        kind=whole([o.kind for o in offers]),
        option=text([o.option for o in offers]),
        micro_usd_per_hour=whole([o.micro for o in offers]),
        upfront_micro_usd=whole([o.upfront for o in offers]),
        term_hours=whole([o.term_hours for o in offers]),
        paid_hours=whole([(o.paid or every) if c else [0] * len(every) for o, c in zip(offers, lasting, strict=True)]),
        active=np.array([o.active or (c,) * blocks.count for o, c in zip(offers, lasting, strict=True)]),
        starts=text([o.starts for o in offers]),
        owned_nodes=whole([o.owned for o in offers]),
        interruptions_per_month=np.zeros(len(offers)),
        valid_from=text(["2026-08-01"] * len(offers)),
        source=text(["by hand"] * len(offers)),
    )


def _workloads(work: Sequence[Work]) -> Workloads:
    names = "abcdefgh"[: len(work)]
    return Workloads(
        name=text(list(names)),
        kind=text([w.kind for w in work]),
        unit=text(["requests"] * len(work)),
        team=text(list(names.upper())),
        ttft_ms=np.array([w.ttft_ms for w in work]),
        max_spot_share=tuple(w.spot_share for w in work),
        max_spot_share_per_region=tuple(w.region_share for w in work),
        max_spot_share_per_zone=tuple(w.zone_share for w in work),
        unserved_micro_usd_per_unit=whole([w.price for w in work]),
        must_serve=np.array([w.must for w in work]),
        residency=tuple(w.residency for w in work),
        input_tokens=whole([1000] * len(work)),
        output_tokens=whole([100] * len(work)),
    )


def _sources(work: Sequence[Work], blocks: int, pools: int) -> Sources:
    return Sources(
        workload=np.arange(len(work)),
        origin=text([""] * len(work)),
        units_per_hour=whole([w.demand or (0,) * blocks for w in work]),
        total_units=whole([w.total for w in work]),
        window=np.array([w.window or (True,) * blocks for w in work]),
        rtt_ms=np.array([w.rtt_ms or (0.0,) * pools for w in work]),
        transfer_pico_usd_per_unit=whole([w.transfer or (0,) * pools for w in work]),
    )


def _candidates(offers: Sequence[Offer], work: Sequence[Work], pools: int) -> Candidates:
    markets = {(o.pool, SPOT if o.kind == SPOT else FIRM) for o in offers}
    rows = [(w, q, m) for w in range(len(work)) for q in range(pools) for m in (FIRM, SPOT) if (q, m) in markets]
    nodes = whole([(work[w].gang or (1,) * pools)[q] for w, q, _ in rows])
    return Candidates(
        workload=whole([w for w, _, _ in rows]),
        pool=whole([q for _, q, _ in rows]),
        market=whole([m for _, _, m in rows]),
        mode=np.zeros(len(rows), dtype=np.int64),
        nodes_per_replica=nodes,
        units_per_hour=nodes * UNITS,
        ttft_ms=np.full(len(rows), 100.0),
    )


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A decision in few words. Workloads and offers by row; blocks in order."""

    run: Mapping[tuple[int, ...], Sequence[int]] = field(default_factory=dict)  # (workload[, pool[, market]]): replicas
    served: Mapping[tuple[int, ...], Sequence[int]] = field(default_factory=dict)  # the same: units an hour
    bought: Mapping[int, Sequence[int]] = field(default_factory=dict)  # on-demand offer: nodes in each block
    held: Mapping[int, int] = field(default_factory=dict)  # commitment: nodes
    left: Mapping[int, Sequence[int]] = field(default_factory=dict)  # workload: units an hour unserved
    undone: Mapping[int, Sequence[int]] = field(default_factory=dict)  # workload: units of a job left in each scenario

    def decision(self, problem: Problem) -> Decision:
        """As arrays."""
        c, o, s, blocks = problem.candidates, problem.offers, problem.sources, problem.blocks
        row = {k: i for i, k in enumerate(zip(c.workload.tolist(), c.pool.tolist(), c.market.tolist(), strict=True))}
        replicas, served = (np.zeros((len(row), blocks.count), dtype=np.int64) for _ in range(2))
        for made, given in ((replicas, self.run), (served, self.served)):
            for key, values in given.items():
                made[row[(*key, 0, 0)[:3]]] = values  # type: ignore[index]
        on_sale, commitments = (np.flatnonzero(o.kind == kind) for kind in (ON_DEMAND, COMMITMENT))
        none = [0] * blocks.count
        return Decision(
            candidates=np.arange(len(row)),
            replicas=replicas,
            pairs=np.stack([c.workload, np.arange(len(row))]),
            served=served,
            unserved=whole([self.left.get(w, none) for w in s.workload.tolist()]),
            undone=whole([self.undone.get(w, [0] * len(blocks.probability)) for w in s.workload.tolist()]),
            on_demand_offers=on_sale,
            on_demand=whole([self.bought.get(f, none) for f in on_sale.tolist()]).reshape(-1, blocks.count),
            commitments=commitments,
            committed=whole([self.held.get(f, 0) for f in commitments.tolist()]),
        )
