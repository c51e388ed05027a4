"""Random planning problems, made straight from arrays: small ones that can be enumerated, larger ones that look alike."""  # noqa: E501

from __future__ import annotations

from fractions import Fraction
from typing import Any

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


def text(values: Any) -> Array:
    """An object array of text."""
    made = np.empty(len(values), dtype=object)
    made[:] = [str(v) for v in values]
    return made


def whole(values: Any) -> Array:
    """An int64 array."""
    return np.asarray(values, dtype=np.int64)


def random_problem(  # noqa: PLR0913
    seed: int,
    *,
    flows: int = 2,
    runs: int = 0,
    batches: int = 0,
    sites: int = 2,
    shapes: int = 2,
    blocks: int = 3,
    scenarios: int = 1,
    origins: int = 1,
    peak_nodes: float = 3.0,
    quota: float = 0.3,
    must_serve: float = 0.5,
    limits: dict[str, Any] | None = None,
    months: int = 1,
) -> Problem:
    """A problem whose prices, capacities, demand and limits are drawn from a seed.

    Args:
        seed: of the draw.
        flows: serving workloads.
        runs: training workloads.
        batches: divisible jobs.
        sites: regions.
        shapes: node shapes, each in every region.
        blocks: blocks a scenario.
        scenarios: demand scenarios, equally probable.
        origins: sources of each flow.
        peak_nodes: about how many nodes a flow needs at its peak.
        quota: chance that a pool has a quota.
        must_serve: chance that a workload must be served.
        limits: fields of Limits besides the quotas.
        months: months the hours are spread over.
    """
    rng = np.random.default_rng(seed)
    kind = ["serving"] * flows + ["training"] * runs + ["batch"] * batches
    w, b, pools = len(kind), blocks * scenarios, sites * shapes
    site, shape = np.repeat(np.arange(sites), shapes), np.tile(np.arange(shapes), sites)
    hours = rng.integers(1, 40, (b, months))
    price: Any = np.round(rng.uniform(1, 12, shapes) * 1e6)[shape] * rng.uniform(0.8, 1.3, pools)
    price = np.round(price / 1e4).astype(np.int64) * 10_000
    per_node = rng.integers(40, 120, (w, shapes)) * np.maximum(1, np.round(price[:shapes] / 2e6))[None, :].astype(int)
    blocks_made = Blocks(
        hours=whole(hours),
        scenario=whole(np.repeat(np.arange(scenarios), blocks)),
        periods=tuple(f"2027-{m + 1:02d}" for m in range(months)),
        period_hours=whole(hours[:blocks].sum(axis=0)),
        probability=(Fraction(1, scenarios),) * scenarios,
        calendar=Table({}),
    )
    candidates = _candidates(rng, kind, pools, shape, per_node)
    return Problem(
        name=f"random {seed}",
        blocks=blocks_made,
        sites=Sites(
            provider=text(["aws", "gcp", "azure", "nebius"] * sites)[:sites],
            region=text([f"r{i}" for i in range(sites)]),
            country=text(["US", "DE", "JP", "FR"] * sites)[:sites],
            jurisdiction=text(["US", "EU", "JP", "EU"] * sites)[:sites],
            latitude=np.linspace(-40, 60, sites),
            longitude=np.linspace(-120, 140, sites),
            zones=whole(rng.integers(1, 4, sites)),
            g_co2_per_kwh=rng.integers(20, 700, sites).astype(float),
        ),
        shapes=Shapes(
            provider=text(["any"] * shapes),
            node=text([f"n{i}" for i in range(shapes)]),
            accelerator=text(["H100"] * shapes),
            accelerators=whole([8] * shapes),
            power_w=whole(rng.integers(500, 9000, shapes)),
        ),
        pool_shape=whole(shape),
        pool_site=whole(site),
        offers=_offers(rng, price, b, blocks_made, months),
        workloads=_workloads(rng, kind, must_serve),
        sources=_sources(rng, kind, origins, sites, per_node, peak_nodes, blocks_made),
        candidates=candidates,
        modes=Table({"workload": candidates.workload}),
        limits=Limits(quotas=_quotas(rng, pools, quota), **(limits or {})),
    )


def _candidates(rng: Any, kind: list[str], pools: int, shape: Array, per_node: Array) -> Candidates:
    rows = []
    for w, k in enumerate(kind):
        for q in range(pools):
            nodes = int(rng.integers(1, 3)) if k != "training" else int(rng.integers(1, 4))
            units = int(per_node[w, shape[q]]) * nodes
            ttft = float(rng.integers(50, 400))
            rows.append((w, q, FIRM, nodes, units, ttft))
            if rng.random() < 0.5:
                rows.append((w, q, SPOT, nodes, max(1, int(units * 0.95)), ttft))
    columns = list(zip(*rows, strict=True))
    return Candidates(
        workload=whole(columns[0]),
        pool=whole(columns[1]),
        market=whole(columns[2]),
        mode=whole(np.arange(len(rows))),
        nodes_per_replica=whole(columns[3]),
        units_per_hour=whole(columns[4]),
        ttft_ms=np.array(columns[5]),
    )


def _offers(rng: Any, price: Array, b: int, blocks: Blocks, months: int) -> Offers:  # noqa: ARG001
    rows: list[tuple[Any, ...]] = []
    for q, p in enumerate(price.tolist()):
        rows.append((q, ON_DEMAND, "on_demand", p, 0, 0, 0))
        rows.append((q, SPOT, "spot", int(p * rng.uniform(0.3, 0.7)) // 100 * 100, 0, 0, 0))
        if rng.random() < 0.7:
            upfront = int(rng.integers(0, 2)) * int(rng.integers(1, 50)) * 10**5
            rows.append((q, COMMITMENT, "commit_1y", int(p * rng.uniform(0.45, 0.75)) // 100 * 100, upfront, 8760, 0))
        if rng.random() < 0.15:
            rows.append((q, COMMITMENT, "commit_1y", int(p * 0.6) // 100 * 100, 0, 8760, int(rng.integers(1, 3))))
    columns: Any = zip(*rows, strict=True)
    pool, kinds, option, micro, upfront, term, owned = columns
    committed = np.array(kinds) == COMMITMENT
    return Offers(
        pool=whole(pool),
        kind=whole(kinds),
        option=text(option),
        micro_usd_per_hour=whole(micro),
        upfront_micro_usd=whole(upfront),
        term_hours=whole(term),
        paid_hours=np.where(committed[:, None], blocks.period_hours[None, :], 0),
        active=np.broadcast_to(committed[:, None], (len(rows), b)) | ~committed[:, None],
        starts=text(["2027-01-01" if c else "" for c in committed]),
        owned_nodes=whole(owned),
        interruptions_per_month=np.where(np.array(kinds) == SPOT, 0.2, 0.0),
        valid_from=text(["2026-08-01"] * len(rows)),
        source=text(["drawn"] * len(rows)),
    )


def _workloads(rng: Any, kind: list[str], must_serve: float) -> Workloads:
    n = len(kind)
    share = [
        Fraction(int(rng.integers(0, 5)), 4) if k != "training" else Fraction(int(rng.integers(0, 2))) for k in kind
    ]
    return Workloads(
        name=text([f"{k}-{i}" for i, k in enumerate(kind)]),
        kind=text(kind),
        unit=text(["tokens" if k == "training" else "requests" for k in kind]),
        team=text([f"team {i % 2}" for i in range(n)]),
        ttft_ms=np.array([float(rng.integers(350, 700)) if k == "serving" else np.inf for k in kind]),
        max_spot_share=tuple(share),
        max_spot_share_per_region=tuple(Fraction(1) if rng.random() < 0.6 else Fraction(1, 3) for _ in kind),
        max_spot_share_per_zone=tuple(Fraction(1) if rng.random() < 0.6 else Fraction(1, 4) for _ in kind),
        unserved_micro_usd_per_unit=whole(rng.integers(300_000, 900_000, n)),
        must_serve=rng.random(n) < must_serve,
        residency=tuple(() if rng.random() < 0.7 else ("US", "EU") for _ in kind),
        input_tokens=whole([1000 if k != "training" else 0 for k in kind]),
        output_tokens=whole([200 if k != "training" else 0 for k in kind]),
    )


def _sources(
    rng: Any, kind: list[str], origins: int, sites: int, per_node: Array, peak_nodes: float, blocks: Blocks
) -> Sources:
    b, rows = blocks.count, []
    for w, k in enumerate(kind):
        for o in range(origins if k == "serving" else 1):
            rows.append((w, f"o{o}" if k == "serving" else ""))  # noqa: PERF401
    d = len(rows)
    units, total, window = np.zeros((d, b), dtype=np.int64), np.zeros(d, dtype=np.int64), np.ones((d, b), dtype=bool)
    for i, (w, _) in enumerate(rows):
        scale = float(per_node[w].mean()) * peak_nodes / (origins if kind[w] == "serving" else 1)
        if kind[w] == "serving":
            units[i] = np.ceil(scale * rng.uniform(0.1, 1.0, b))
        else:
            window[i] = rng.random(b) < 0.8
            per_scenario = [
                int(blocks.total_hours[window[i] & (blocks.scenario == s)].sum())
                for s in range(len(blocks.probability))
            ]
            total[i] = max(1, int(min(per_scenario) * float(per_node[w].min()) * rng.uniform(0.3, 0.9)))
    return Sources(
        workload=whole([w for w, _ in rows]),
        origin=text([o for _, o in rows]),
        units_per_hour=units,
        total_units=total,
        window=window,
        rtt_ms=rng.integers(5, 300, (d, sites)).astype(float),
        transfer_pico_usd_per_unit=whole(rng.integers(0, 50, (d, sites))) * 10**6,
    )


def _quotas(rng: Any, pools: int, chance: float) -> tuple[Quota, ...]:
    kinds: Any = ("any", "on_demand", "spot")
    return tuple(
        Quota(name=f"quota {q}", pools=(q,), kind=kinds[int(rng.integers(0, 3))], max_nodes=int(rng.integers(1, 5)))
        for q in range(pools)
        if rng.random() < chance
    )
