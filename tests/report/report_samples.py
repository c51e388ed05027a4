"""A small plan made by hand: five pools in five regions, a year, every cost line whole nodes × hours × price."""

from __future__ import annotations

import calendar
import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np

from solver.plan import Certificate, Plan, Provenance
from solver.problem import Blocks, Candidates, Limits, Offers, Problem, Shapes, Sites, Sources, Workloads
from solver.table import Table

HOURS, MONTHS = 24, 12
SITES = (
    ("aws", "us-east-1", "US", 38.9, -77.4),
    ("aws", "eu-west-3", "FR", 48.9, 2.35),
    ("gcp", "europe-west4", "NL", 53.4, 6.8),
    ("azure", "japaneast", "JP", 35.7, 139.8),
    ("nebius", "eu-north1", "FI", 60.6, 27.1),
)
NODES = ("p5.48xlarge", "p4d.24xlarge", "a3-highgpu-8g", "ND96isr_H100_v5", "gpu-h100-sxm-8")
ON_DEMAND_MICRO = (55_040_000, 26_370_000, 88_490_000, 98_320_000, 23_600_000)
WORKLOADS = ("chat", "search", "finetune")
PLACED = (
    (0, 0, 9, 4),
    (0, 1, 6, 2),
    (1, 2, 4, 2),
    (1, 3, 2, 1),
    (2, 4, 6, 6),
)  # workload, pool, nodes at peak, committed
PERIODS = tuple(f"2027-{m:02d}" for m in range(1, MONTHS + 1))
DAYS = tuple(calendar.monthrange(2027, m)[1] for m in range(1, MONTHS + 1))
OPTIONS = ("on_demand", "spot", "commit_1y")
Names = dict[str, list[str]]


def text(values: Any) -> np.ndarray:
    """An object array of text."""
    made = np.empty(len(values), dtype=object)
    made[:] = list(values)
    return made


def whole(values: Any) -> np.ndarray:
    """An int64 array."""
    return np.array(values, dtype=np.int64)


def price(pool: int, option: int) -> int:
    """Micro-dollars an hour: spot 60 %, a year's commitment 70 % of on demand."""
    return ON_DEMAND_MICRO[pool] * (100, 60, 70)[option] // 100


def load(peak: int, hour: int) -> int:
    """Whole nodes running in an hour of the day: a working day's hump."""
    return max(1, math.ceil(peak * (0.35 + 0.65 * math.sin(math.pi * hour / 23) ** 2)))


def make_problem() -> Problem:
    """Five pools, three workloads, one block for each hour of the day."""
    pools, blocks = len(SITES), HOURS
    offers = pools * 3
    kinds = np.tile(np.arange(3), pools)
    return Problem(
        name="acme-2027",
        blocks=Blocks(
            hours=np.tile(whole(DAYS), (blocks, 1)),
            scenario=np.zeros(blocks, dtype=np.int64),
            periods=PERIODS,
            period_hours=whole(DAYS) * 24,
            probability=(Fraction(1),),
            calendar=Table({}),
        ),
        sites=Sites(
            provider=text([s[0] for s in SITES]),
            region=text([s[1] for s in SITES]),
            country=text([s[2] for s in SITES]),
            jurisdiction=text(["US", "EU", "EU", "JP", "EU"]),
            latitude=np.array([s[3] for s in SITES]),
            longitude=np.array([s[4] for s in SITES]),
            zones=whole([3] * pools),
            g_co2_per_kwh=np.full(pools, 300.0),
        ),
        shapes=Shapes(
            provider=text([s[0] for s in SITES]),
            node=text(NODES),
            accelerator=text(["H100"] * pools),
            accelerators=whole([8] * pools),
            power_w=whole([9000] * pools),
        ),
        pool_shape=np.arange(pools),
        pool_site=np.arange(pools),
        offers=Offers(
            pool=np.repeat(np.arange(pools), 3),
            kind=kinds,
            option=text(OPTIONS * pools),
            micro_usd_per_hour=whole([price(p, o) for p in range(pools) for o in range(3)]),
            upfront_micro_usd=np.zeros(offers, dtype=np.int64),
            term_hours=np.where(kinds == 2, 8760, 0),
            paid_hours=np.where(kinds[:, None] == 2, whole(DAYS) * 24, 0),
            active=np.ones((offers, blocks), dtype=bool),
            starts=text(["", "", "2027-01-01"] * pools),
            owned_nodes=np.zeros(offers, dtype=np.int64),
            interruptions_per_month=np.where(kinds == 1, 0.1, 0.0),
            valid_from=text(["2026-08-01"] * offers),
            source=text(["list"] * offers),
        ),
        workloads=Workloads(
            name=text(WORKLOADS),
            kind=text(["serving", "serving", "training"]),
            unit=text(["requests"] * 2 + ["tokens"]),
            team=text(["assistants", "web", "research"]),
            ttft_ms=np.array([1500.0, 800.0, np.inf]),
            max_spot_share=(Fraction(3, 10),) * 3,
            max_spot_share_per_region=(Fraction(1),) * 3,
            max_spot_share_per_zone=(Fraction(1),) * 3,
            unserved_micro_usd_per_unit=whole([100] * 3),
            must_serve=np.ones(3, dtype=bool),
            residency=((), ("EU", "JP"), ()),
            input_tokens=whole([1500, 900, 0]),
            output_tokens=whole([300, 40, 0]),
        ),
        sources=Sources(
            workload=whole([0, 1, 2]),
            origin=text(["paris", "tokyo", ""]),
            units_per_hour=np.ones((3, blocks), dtype=np.int64),
            total_units=whole([0, 0, 10**9]),
            window=np.ones((3, blocks), dtype=bool),
            rtt_ms=np.full((3, pools), 40.0),
            transfer_pico_usd_per_unit=np.zeros((3, pools), dtype=np.int64),
        ),
        candidates=Candidates(
            workload=whole([w for w, *_ in PLACED]),
            pool=whole([p for _, p, *_ in PLACED]),
            market=whole([0] * 5),
            mode=whole([0] * 5),
            nodes_per_replica=whole([1] * 5),
            units_per_hour=whole([5000] * 5),
            ttft_ms=np.full(5, 300.0),
        ),
        modes=Table({"workload": whole([0])}),
        limits=Limits(),
    )


def make_plan() -> Plan:
    """Commitments cover the base, on demand and one spot node the rest; the bill follows line by line."""
    purchases: list[tuple[Any, ...]] = []
    placements: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    fleet: list[tuple[Any, ...]] = []
    for c, (w, q, peak, committed) in enumerate(PLACED):
        provider, region, node, name = SITES[q][0], SITES[q][1], NODES[q], WORKLOADS[w]
        purchases.append(
            (q * 3 + 2, provider, region, node, "commit_1y", "commitment", -1, committed, "2027-01-01", 8760)
        )
        spot = [1 if load(peak, h) == peak and w == 0 else 0 for h in range(HOURS)]
        rest = [max(0, load(peak, h) - committed - spot[h]) for h in range(HOURS)]
        for h in range(HOURS):
            placements.append(
                (c, name, provider, region, node, "firm", h, load(peak, h) - spot[h], load(peak, h) - spot[h])
            )
            if spot[h]:
                placements.append((c, name, provider, region, node, "spot", h, 1, 1))
            if rest[h]:
                purchases.append((q * 3, provider, region, node, "on_demand", "on_demand", h, rest[h], "", 0))
        used = sum(min(committed, load(peak, h) - spot[h]) for h in range(HOURS))
        idle = committed * HOURS - used
        team = ("assistants", "web", "research")[w]
        for period, days in zip(PERIODS, DAYS, strict=True):
            hours = {
                "commit_1y": (used, price(q, 2)),
                "on_demand": (sum(rest), price(q, 0)),
                "spot": (sum(spot), price(q, 1)),
            }
            for option, (node_hours, micro) in hours.items():
                if node_hours:
                    amount = node_hours * days * micro
                    lines.append(("compute", provider, region, node, option, name, team, period, amount))
            if idle:
                lines.append(
                    ("compute", provider, region, node, "commit_1y", "(idle)", "", period, idle * days * price(q, 2))
                )
            if w < 2:
                lines.append(("transfer", provider, region, node, "", name, team, period, 12_345_678 * (c + 1)))
        mean = sum(load(peak, h) for h in range(HOURS)) / HOURS
        mine = sum(line[8] for line in lines if line[5] == name and line[2] == region) // MONTHS
        fleet.append(
            (
                name,
                ("serving", "serving", "training")[w],
                provider,
                region,
                node,
                "H100",
                "commit_1y+on_demand" if sum(rest) else "commit_1y",
                mean,
                peak,
                "TP8 PP1 EP1 ×1, 64 concurrent",
                mine,
                -1 if w == 2 else 412_345,
                -1 if w == 2 else 1_650_000,
                0.71,
                math.nan if w == 2 else 512.4,
                math.nan if w == 2 else 21.5,
                "calibrated" if q < 4 else "physics",
            )
        )
    total = sum(line[8] for line in lines)
    return Plan(
        name="acme-2027",
        termination="gap reached",
        certificate=Certificate(kind="proved", lower_micro_usd=total * 996 // 1000, upper_micro_usd=total),
        provenance=Provenance(
            version="1.0.0",
            problem_digest="9f" * 32,
            catalog_digest="c4" * 32,
            as_of="2026-08-03",
            seed=7,
            engine="HiGHS 1.12",
            deterministic=True,
            seconds=3.25,
            spec='{"name":"acme-2027"}',
            overrides="",
            warnings=("12 spot prices are older than 180 days",),
        ),
        periods=PERIODS,
        block_hours=tuple([sum(DAYS)] * HOURS),
        accounting="amortised",
        purchases=table("offer provider region node option kind block nodes starts term_hours", purchases),
        placements=table("candidate workload provider region node market block replicas nodes", placements),
        served=table(
            "source workload origin candidate provider region block units_per_hour",
            [(0, "chat", "paris", 0, "aws", "us-east-1", 3, 10_000)],
        ),
        unserved=Table({n: [] for n in ("source", "workload", "origin", "block", "scenario", "units")}),
        cost_lines=table("kind provider region node option workload team period micro_usd", lines),
        excuses=table("workload provider node region bottleneck detail", EXCUSES),
        ways=make_ways(total),
        fleet=table(
            "workload kind provider region node accelerator option nodes_mean nodes_peak layout micro_usd_per_month "
            "micro_usd_per_1m_input micro_usd_per_1m_output utilisation ttft_ms tpot_ms evidence",
            fleet,
        ),
    )


EXCUSES = [
    *(("chat", "gcp", "a2-highgpu-1g", f"region-{i}", "memory", "70 GiB of weights, 40 GiB of HBM") for i in range(40)),
    *(("search", "aws", "p5.48xlarge", f"us-{i}", "residency", "US is not in EU, JP") for i in range(25)),
    *(("chat", "azure", "ND96isr_H100_v5", f"r{i}", "price", "$2.10 against $1.65 per 1M tokens") for i in range(9)),
    ("finetune", "aws", "p4d.24xlarge", "", "deadline", "needs 61 days, the window has 42"),
]


def make_ways(total: int) -> Table:
    """Five ways people buy: one breaks a quota, one cannot be priced."""
    rows = [
        ("all on demand", total * 131 // 100, True, ""),
        ("best single region", total * 144 // 100, True, "aws us-east-1; EU workloads in aws eu-west-3"),
        ("cheapest GPU-hour, greedy", total * 112 // 100, False, "breaks the quota nebius/eu-north1/gpu-h100-sxm-8"),
        ("peak-sized, on demand all month", total * 203 // 100, True, ""),
        ("on premise", -1, False, "no own nodes are priced"),
    ]
    full = [
        (way, t, t // 12 if t > 0 else -1, 100 * (1 - total / t) if t > 0 else math.nan, fine, note)
        for way, t, fine, note in rows
    ]
    return table("way total_micro_usd micro_usd_per_month saving_percent feasible note", full)


def table(names: str, rows: list[tuple[Any, ...]]) -> Table:
    """Rows under space-separated column names."""
    return Table.from_records(names.split(), rows)


def make_infeasible() -> Plan:
    """A plan that says what would have to give way."""
    whole_plan = make_plan()
    empty = {
        n: getattr(whole_plan, n).take(np.array([], dtype=np.int64)) for n in ("purchases", "placements", "served")
    }
    return dataclasses.replace(
        whole_plan,
        termination="infeasible",
        certificate=Certificate(kind="none", lower_micro_usd=0, upper_micro_usd=0),
        cost_lines=whole_plan.cost_lines.take(np.array([], dtype=np.int64)),
        ways=Table({}),
        fleet=Table({}),
        **empty,
        conflicts=table(
            "limit unit relax_by usd_per_unit detail",
            [
                ("quota[aws/us-east-1/p5.48xlarge, 2027-03]", "nodes", 3, 64.25, "chat needs 23 nodes, 20 are allowed"),
                ("residency[search]", "requests an hour", 1200, 0.004, "no EU region holds enough"),
            ],
        ),
    )
