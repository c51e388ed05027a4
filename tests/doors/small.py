"""A problem small enough to price by hand: three pools, two workloads, a busy and a quiet block, two months."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np

from solver.plan import Certificate, Plan, Provenance
from solver.problem import Blocks, Candidates, Offers, Problem, Shapes, Sites, Sources, Workloads
from solver.table import Table
from tests.report.report_samples import text, whole

USD = 10**6
PERIODS = ("2027-01", "2027-02")
HOURS = ((10, 20), (30, 40))  # busy and quiet hours of each month: 30 and 70, a horizon of 100
POOLS = (("aws", "us", "big"), ("aws", "eu", "big"), ("gcp", "eu", "small"))
ON_DEMAND_USD = (10, 12, 2)
CANDIDATES = (  # workload, pool, nodes per replica, units an hour
    (0, 0, 1, 100),
    (0, 1, 1, 100),
    (0, 2, 1, 15),
    (1, 0, 2, 50),
    (1, 1, 2, 50),
)


def make_small(**parts: Any) -> Problem:
    """Chat from paris (250, then 50 an hour) and nyc (100, then 10); a run of 1,000 units. `parts` replaces some."""
    made = Problem(
        name="small",
        blocks=Blocks(
            hours=whole(HOURS),
            scenario=whole([0, 0]),
            periods=PERIODS,
            period_hours=whole(HOURS).sum(axis=0),
            probability=(Fraction(1),),
            calendar=Table({}),
        ),
        sites=Sites(
            provider=text([p for p, _, _ in POOLS]),
            region=text([r for _, r, _ in POOLS]),
            country=text(["US", "FR", "NL"]),
            jurisdiction=text(["US", "EU", "EU"]),
            latitude=np.zeros(3),
            longitude=np.zeros(3),
            zones=whole([3, 3, 3]),
            g_co2_per_kwh=np.array([500.0, 50.0, 100.0]),
        ),
        shapes=Shapes(
            provider=text(["aws", "gcp"]),
            node=text(["big", "small"]),
            accelerator=text(["H100", "L4"]),
            accelerators=whole([8, 1]),
            power_w=whole([10_000, 400]),
        ),
        pool_shape=whole([0, 0, 1]),
        pool_site=whole([0, 1, 2]),
        offers=make_offers(),
        workloads=make_workloads(),
        sources=make_sources(),
        candidates=Candidates(
            workload=whole([c[0] for c in CANDIDATES]),
            pool=whole([c[1] for c in CANDIDATES]),
            market=whole([0] * 5),
            mode=whole([0, 0, 1, 2, 2]),
            nodes_per_replica=whole([c[2] for c in CANDIDATES]),
            units_per_hour=whole([c[3] for c in CANDIDATES]),
            ttft_ms=np.array([300.0, 300.0, 450.0, np.nan, np.nan]),
        ),
        modes=Table(
            {
                "workload": whole([0, 0, 1]),
                "tensor_parallel": whole([8, 1, 8]),
                "pipeline_parallel": whole([1, 1, 2]),
                "expert_parallel": whole([1, 1, 1]),
                "data_parallel": whole([1, 1, 1]),
                "concurrency": whole([64, 8, 2]),
                "tpot_ms": np.array([20.0, 40.0, np.nan]),
                "evidence": text(["calibrated", "physics", "physics"]),
            }
        ),
    )
    return dataclasses.replace(made, **parts)


def make_offers(factor: int = 1, owned: int = 0) -> Offers:
    """On demand in every pool, and a commitment in the first, of which `owned` nodes are owned already."""
    kinds = [0, 0, 0, *([2] if owned else [])]
    n = len(kinds)
    return Offers(
        pool=whole([0, 1, 2, 0][:n]),
        kind=whole(kinds),
        option=text(["on_demand"] * 3 + ["commit_1y"] * (n - 3)),
        micro_usd_per_hour=whole([usd * USD * factor for usd in (*ON_DEMAND_USD, 6)][:n]),
        upfront_micro_usd=whole([0] * n),
        term_hours=whole([0, 0, 0, 8760][:n]),
        paid_hours=whole([[0, 0]] * 3 + [[40, 60]] * (n - 3)),
        active=np.ones((n, 2), dtype=bool),
        starts=text(["", "", "", "2027-01-01"][:n]),
        owned_nodes=whole([0, 0, 0, owned][:n]),
        interruptions_per_month=np.zeros(n),
        valid_from=text(["2026-08-01"] * n),
        source=text(["list"] * n),
    )


def make_workloads(
    residency: tuple[tuple[str, ...], ...] = ((), ()), ttft_ms: float = 500.0, unserved_usd: int | None = None
) -> Workloads:
    """The two workloads; a price for what is left unserved makes leaving it a choice."""
    return Workloads(
        name=text(["chat", "train"]),
        kind=text(["serving", "training"]),
        unit=text(["requests", "tokens"]),
        team=text(["web", "lab"]),
        ttft_ms=np.array([ttft_ms, np.inf]),
        max_spot_share=(Fraction(1, 2), Fraction(0)),
        max_spot_share_per_region=(Fraction(1),) * 2,
        max_spot_share_per_zone=(Fraction(1),) * 2,
        unserved_micro_usd_per_unit=whole([(unserved_usd or 100) * USD] * 2),
        must_serve=np.array([unserved_usd is None] * 2),
        residency=residency,
        input_tokens=whole([1000, 0]),
        output_tokens=whole([250, 0]),
    )


def make_sources(transfer_pico: int = 0, rtt_ms: float = 10.0) -> Sources:
    """Two origins of chat and the run."""
    return Sources(
        workload=whole([0, 0, 1]),
        origin=text(["paris", "nyc", ""]),
        units_per_hour=whole([[250, 50], [100, 10], [0, 0]]),
        total_units=whole([0, 0, 1000]),
        window=np.ones((3, 2), dtype=bool),
        rtt_ms=np.full((3, 3), rtt_ms),
        transfer_pico_usd_per_unit=np.full((3, 3), transfer_pico),
    )


def make_small_plan() -> Plan:
    """Chat from paris on two big nodes (one by night) and nyc on seven small ones; 1,300 dollars, 40 of them idle."""
    lines = [
        ("compute", "aws", "us", "big", "commit_1y", "chat", "web", "2027-01", 400 * USD),
        ("compute", "aws", "us", "big", "on_demand", "chat", "web", "2027-02", 600 * USD),
        ("transfer", "aws", "us", "big", "", "chat", "web", "2027-02", 20 * USD),
        ("compute", "aws", "us", "big", "commit_1y", "(idle)", "", "2027-02", 40 * USD),
        ("compute", "gcp", "eu", "small", "on_demand", "chat", "web", "2027-01", 240 * USD),
    ]
    return Plan(
        name="small",
        termination="optimal",
        certificate=Certificate(kind="proved", lower_micro_usd=1300 * USD, upper_micro_usd=1300 * USD),
        provenance=Provenance(
            version="0.1.0", problem_digest="", catalog_digest="", as_of="2026-08-03", seed=0, engine="by hand",
            deterministic=True, seconds=0.0, spec="", overrides="",
        ),
        periods=PERIODS,
        block_hours=(30, 70),
        accounting="amortised",
        purchases=Table({}),
        placements=Table.from_records(
            ("candidate", "workload", "provider", "region", "node", "market", "block", "replicas", "nodes"),
            [
                (0, "chat", "aws", "us", "big", "firm", 0, 3, 3),
                (0, "chat", "aws", "us", "big", "firm", 1, 1, 1),
                (2, "chat", "gcp", "eu", "small", "firm", 0, 7, 7),
            ],
        ),
        served=Table.from_records(
            ("source", "workload", "origin", "candidate", "provider", "region", "block", "units_per_hour"),
            [
                (0, "chat", "paris", 0, "aws", "us", 0, 250),
                (0, "chat", "paris", 0, "aws", "us", 1, 50),
                (1, "chat", "nyc", 0, "aws", "us", 1, 10),
                (1, "chat", "nyc", 2, "gcp", "eu", 0, 100),
            ],
        ),
        unserved=Table({}),
        cost_lines=Table.from_records(
            ("kind", "provider", "region", "node", "option", "workload", "team", "period", "micro_usd"), lines
        ),
    )  # fmt: skip
