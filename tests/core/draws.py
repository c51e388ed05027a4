"""Small random problems of many kinds, each from one seed: small enough for a second engine, many for enumeration."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
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

from .exact import Facts, emissions, hourly, payments
from .instances import text, whole
from .second_engine import optimum

CENT = 10_000  # micro-dollars
PROBABILITIES = ((1,), (1, 1), (1, 2), (1, 1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is drawn more of than usual."""

    flows: tuple[int, int] = (1, 2)  # at least, at most
    runs: tuple[int, int] = (0, 0)
    batches: tuple[int, int] = (0, 0)
    sites: tuple[int, int] = (1, 2)
    shapes: tuple[int, int] = (1, 2)
    blocks: tuple[int, int] = (1, 3)  # of each scenario
    scenarios: tuple[int, int] = (0, 0)  # rows of PROBABILITIES
    origins: tuple[int, int] = (1, 1)
    months: tuple[int, int] = (1, 2)
    spot: float = 0.3  # chance that a pool has spot nodes for a workload
    commitment: float = 0.4  # chance of each of two commitments in a pool
    quota: float = 0.1  # chance of a quota on a pool
    limit: str = ""  # what is limited as tightly as it can be
    wide: bool = False  # prices and capacities over many orders of magnitude


KINDS: dict[str, Kind] = {
    "flows": Kind(),
    "runs": Kind(flows=(0, 1), runs=(1, 2)),
    "batch": Kind(flows=(0, 1), batches=(1, 2)),
    "scenarios": Kind(scenarios=(1, 3), blocks=(1, 2)),
    "quotas": Kind(quota=0.8, spot=0.5, commitment=0.6),
    "budgets": Kind(limit="budget", months=(1, 2), commitment=0.5),
    "carbon": Kind(limit="carbon", sites=(2, 2)),
    "spot": Kind(spot=0.9, sites=(1, 3), shapes=(1, 1), flows=(1, 1), batches=(0, 1)),
    "commitments": Kind(commitment=0.9, months=(2, 3), blocks=(2, 3), scenarios=(0, 2)),
    "origins": Kind(origins=(2, 3), sites=(2, 3), shapes=(1, 1)),
    "mixed": Kind(runs=(0, 1), batches=(0, 1), spot=0.5, quota=0.3, origins=(1, 2), scenarios=(0, 1), blocks=(1, 2)),
    "limits and jobs": Kind(flows=(0, 1), runs=(0, 1), batches=(1, 1), scenarios=(0, 1), limit="any", blocks=(1, 2)),
    "wide": Kind(wide=True, blocks=(1, 2), flows=(1, 1), batches=(0, 1)),
}


def tiny(kind: Kind, *, job: bool = False) -> Kind:
    """A kind cut down to one workload, one or two pools and one or two blocks."""
    only = (1, 1)
    return dataclasses.replace(
        kind,
        sites=(1, 2),
        shapes=only,
        blocks=(1, 2),
        months=only,
        scenarios=(0, 1),
        flows=(0, 0) if job else only,
        origins=(1, min(2, kind.origins[1])),
        runs=only if job and kind.runs[1] else (0, 0),
        batches=only if job and not kind.runs[1] else (0, 0),
    )


def kind_of(seed: int) -> str:
    """The kinds take turns."""
    return list(KINDS)[seed % len(KINDS)]


def drawn(seed: int) -> Problem:
    """The problem of a seed. Every other round is tiny, and every other of these a job where the kind has any."""
    kind, turn = KINDS[kind_of(seed)], seed // len(KINDS)
    if turn % 2:
        kind = tiny(kind, job=bool(kind.runs[1] or kind.batches[1]) and turn % 4 == 1)
    made = draw(np.random.default_rng([seed, 20270301]), kind, few=bool(turn % 2), name=f"{seed}")
    return limited(made, kind.limit, np.random.default_rng([seed, 1])) if kind.limit else made


def draw(rng: Any, kind: Kind, *, few: bool, name: str) -> Problem:
    """A problem of a kind; few means a handful of units an hour, so that serving them can be enumerated."""
    return _Draw(rng, kind, few).problem(name)


@dataclass
class _Draw:
    rng: Any
    kind: Kind
    few: bool
    units: int = field(init=False)

    def __post_init__(self) -> None:
        self.units = 5 if self.few else int(self.rng.choice([5, 12, 100]))  # of the largest node, an hour

    def pick(self, span: tuple[int, int]) -> int:
        return int(self.rng.integers(span[0], span[1] + 1))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def price(self, low: float, high: float) -> int:
        """Micro-dollars: whole cents, or anything over many orders of magnitude."""
        if self.kind.wide:
            return int(float(10 ** self.rng.uniform(0, 9)))
        return round(float(self.rng.uniform(low, high)) * 100) * CENT

    def problem(self, name: str) -> Problem:
        k = self.kind
        flows, runs, batches = self.pick(k.flows), self.pick(k.runs), self.pick(k.batches)
        kinds = (["serving"] * flows + ["training"] * runs + ["batch"] * batches) or ["serving"]
        sites, shapes = self.pick(k.sites), self.pick(k.shapes)
        blocks = self._blocks()
        pool_site, pool_shape = np.repeat(np.arange(sites), shapes), np.tile(np.arange(shapes), sites)
        offers = self._offers(len(pool_site), blocks)
        candidates = self._candidates(kinds, len(pool_site), offers)
        return Problem(
            name=name,
            blocks=blocks,
            sites=self._sites(sites),
            shapes=Shapes(
                provider=text(["any"] * shapes),
                node=text([f"n{i}" for i in range(shapes)]),
                accelerator=text(["H100"] * shapes),
                accelerators=whole([8] * shapes),
                power_w=whole(self.rng.integers(1, 90, shapes) * 100),
            ),
            pool_shape=whole(pool_shape),
            pool_site=whole(pool_site),
            offers=offers,
            workloads=self._workloads(kinds),
            sources=self._sources(kinds, sites, candidates, blocks),
            candidates=candidates,
            modes=Table({"workload": candidates.workload}),
            limits=self._limits(len(pool_site)),
        )

    def _blocks(self) -> Blocks:
        shares = PROBABILITIES[self.pick(self.kind.scenarios)]
        each, months = self.pick(self.kind.blocks), self.pick(self.kind.months)
        scenarios = len(shares)
        hours = self.rng.integers(0, 20, (each, months)) * (self.rng.random((each, months)) < 0.8)
        hours[np.arange(each), self.rng.integers(0, months, each)] += 1
        return Blocks(
            hours=whole(np.tile(hours, (scenarios, 1))),
            scenario=whole(np.repeat(np.arange(scenarios), each)),
            periods=tuple(f"2027-{m + 1:02d}" for m in range(months)),
            period_hours=whole(hours.sum(axis=0)),
            probability=tuple(Fraction(s, sum(shares)) for s in shares),
            calendar=Table({}),
        )

    def _sites(self, n: int) -> Sites:
        return Sites(
            provider=text(["aws", "gcp", "azure"][:n]),
            region=text([f"r{i}" for i in range(n)]),
            country=text(["US", "DE", "JP"][:n]),
            jurisdiction=text(["US", "EU", "JP"][:n]),
            latitude=np.linspace(0, 50, n),
            longitude=np.linspace(0, 90, n),
            zones=whole(self.rng.integers(1, 4, n)),
            g_co2_per_kwh=self.rng.integers(40, 1400, n) / 2,
        )

    def _offers(self, pools: int, blocks: Blocks) -> Offers:
        rows: list[tuple[int, int, str, int, int, int, int]] = []
        for q in range(pools):
            price = self.price(0.5, 9)
            if self.chance(0.9):
                rows.append((q, ON_DEMAND, "on_demand", price, 0, 0, 0))
            if self.chance(0.8):
                rows.append((q, SPOT, "spot", price * int(self.rng.integers(30, 110)) // 100, 0, 0, 0))
            for option in ("commit_1y", "commit_3y"):
                if self.chance(self.kind.commitment):
                    upfront = self.chance(0.4) * self.price(0.5, 20)
                    term = int(self.rng.choice([1, 24, 90]))
                    rate = price * int(self.rng.integers(20, 90)) // 100
                    rows.append((q, COMMITMENT, option, rate, upfront, term, int(self.chance(0.2)) * self.pick((1, 2))))
        n = len(rows)
        columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * 7
        committed = np.array([k == COMMITMENT for k in columns[1]], dtype=bool)
        paid = np.tile(blocks.period_hours, (n, 1))
        later = self.rng.random(n) < 0.4
        start = self.rng.integers(0, len(blocks.periods), n)
        paid[later] *= np.arange(len(blocks.periods)) >= start[later, None]
        paid[paid.sum(axis=1) == 0] = np.maximum(1, blocks.period_hours)
        active = ~(committed & later)[:, None] | (self.rng.random((n, blocks.count)) < 0.6)
        return Offers(
            pool=whole(columns[0]),
            kind=whole(columns[1]),
            option=text(columns[2]),
            micro_usd_per_hour=whole(columns[3]),
            upfront_micro_usd=whole(columns[4]),
            term_hours=whole(columns[5]),
            paid_hours=whole(np.where(committed[:, None], paid, 0)),
            active=active,
            starts=text(["2027-01-01" if c else "" for c in committed]),
            owned_nodes=whole(columns[6]),
            interruptions_per_month=np.zeros(n),
            valid_from=text(["2026-08-01"] * n),
            source=text(["drawn"] * n),
        )

    def _candidates(self, kinds: list[str], pools: int, offers: Offers) -> Candidates:
        rows: list[tuple[int, int, int, int, int, float]] = []
        on_spot = set(offers.pool[offers.kind == SPOT].tolist())
        for w, k in enumerate(kinds):
            for q in range(pools):
                for _ in range(1 + (not self.few and self.chance(0.15))):
                    nodes = self.pick((1, 3 if k == "training" else 2))
                    units = self._capacity() * nodes
                    first = float(self.rng.integers(50, 300))
                    if self.chance(0.9):
                        rows.append((w, q, FIRM, nodes, units, first))
                    if q in on_spot and self.chance(self.kind.spot):
                        rows.append((w, q, SPOT, nodes, max(1, units - int(self.rng.integers(0, 3))), first))
        if not rows:
            rows.append((0, 0, FIRM, 1, self._capacity(), 100.0))
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

    def _capacity(self) -> int:
        return int(float(10 ** self.rng.uniform(0, 7))) if self.kind.wide else self.pick((1, self.units))

    def _workloads(self, kinds: list[str]) -> Workloads:
        n = len(kinds)
        one = Fraction(1)
        share = [
            Fraction(int(self.rng.integers(0, 5)), 4) if k != "training" else Fraction(int(self.chance(0.5)))
            for k in kinds
        ]
        penalty = [self.price(0.01, 2) for _ in kinds]
        return Workloads(
            name=text([f"{k}-{i}" for i, k in enumerate(kinds)]),
            kind=text(kinds),
            unit=text(["tokens" if k == "training" else "requests" for k in kinds]),
            team=text([f"team {i % 2}" for i in range(n)]),
            ttft_ms=np.array([float(self.rng.integers(250, 600)) if k == "serving" else np.inf for k in kinds]),
            max_spot_share=tuple(share),
            max_spot_share_per_region=tuple(one if self.chance(0.6) else Fraction(1, self.pick((2, 3))) for _ in kinds),
            max_spot_share_per_zone=tuple(one if self.chance(0.7) else Fraction(1, self.pick((3, 5))) for _ in kinds),
            unserved_micro_usd_per_unit=whole(
                [int(self.rng.integers(0, 40)) if self.chance(0.05) else p for p in penalty]
            ),
            must_serve=self.rng.random(n) < 0.5,
            residency=tuple(() if self.chance(0.75) else ("US", "EU")[: self.pick((1, 2))] for _ in kinds),
            input_tokens=whole([1] * n),
            output_tokens=whole([1] * n),
        )

    def _sources(self, kinds: list[str], sites: int, candidates: Candidates, blocks: Blocks) -> Sources:
        rows = []
        for w, k in enumerate(kinds):
            rows += [
                (w, f"o{i}" if k == "serving" else "")
                for i in range(self.pick(self.kind.origins) if k == "serving" else 1)
            ]
        d = len(rows)
        units, window = np.zeros((d, blocks.count), dtype=np.int64), np.ones((d, blocks.count), dtype=bool)
        total = np.zeros(d, dtype=np.int64)
        for i, (w, _) in enumerate(rows):
            mine = candidates.units_per_hour[candidates.workload == w]
            largest = int(mine.max(initial=1))
            if kinds[w] == "serving":
                peak = largest * self.rng.uniform(0.2, 1.2 if self.few else 2.5)
                units[i] = np.ceil(peak * self.rng.uniform(0, 1, blocks.count))
                units[i][self.rng.random(blocks.count) < 0.1] = 0
            else:
                window[i] = np.tile(
                    self.rng.random(blocks.count // len(blocks.probability)) < 0.8, len(blocks.probability)
                )
                hours = int(blocks.total_hours[window[i] & (blocks.scenario == 0)].sum())
                total[i] = max(1, int(hours * largest * self.rng.uniform(0.1, 0.9 if kinds[w] == "training" else 1.4)))
        transfer = self.rng.integers(0, 50, (d, sites)) * int(self.rng.choice([10**6, 10**9, 10**9]))
        return Sources(
            workload=whole([w for w, _ in rows]),
            origin=text([o for _, o in rows]),
            units_per_hour=units,
            total_units=total,
            window=window,
            rtt_ms=self.rng.integers(5, 400, (d, sites)).astype(float),
            transfer_pico_usd_per_unit=whole(np.where(self.rng.random((d, 1)) < 0.7, transfer, 0)),
        )

    def _limits(self, pools: int) -> Limits:
        kinds: Any = ("any", "on_demand", "spot")
        quotas = [
            Quota(name=f"quota {q}", pools=(q,), kind=kinds[self.pick((0, 2))], max_nodes=self.pick((0, 4)))
            for q in range(pools)
            if self.chance(self.kind.quota)
        ]
        if pools > 1 and self.chance(self.kind.quota / 2):
            quotas.append(Quota(name="all", pools=tuple(range(pools)), kind="any", max_nodes=self.pick((1, 5))))
        return Limits(
            quotas=tuple(quotas),
            carbon_micro_usd_per_kg=int(self.chance(0.3)) * self.pick((1, 60)) * CENT,
            accounting="cash" if self.chance(0.3) else "amortised",
        )


def limited(problem: Problem, limit: str, rng: Any) -> Problem:
    """The problem with limits at what its optimum uses, a micro-dollar or gram below, or well below."""
    best, f = optimum(problem), Facts(problem)
    if best.choice is None:
        return problem
    limits = problem.limits

    def near(used: Fraction) -> int:
        return max(0, int((used.__ceil__(), used.__ceil__() - 1, used * 9 / 10, used * 7 / 10)[rng.integers(0, 4)]))

    names = {"budget": ["month", "hour"], "carbon": ["carbon"], "any": ["month", "hour", "carbon"]}[limit]
    name = names[int(rng.integers(0, len(names)))]
    if name == "month":
        most = [max(payments(f, best.choice, m, s) for s in f.scenarios) for m in f.months]
        budget = tuple(near(usd) if rng.random() < 0.7 else None for usd in most)
        limits = dataclasses.replace(limits, monthly_budget_micro_usd=budget)
    elif name == "hour":
        limits = dataclasses.replace(
            limits, hourly_budget_micro_usd=near(max(hourly(f, best.choice, b) for b in f.blocks))
        )
    else:
        limits = dataclasses.replace(limits, carbon_max_g=near(emissions(f, best.choice)))
    return dataclasses.replace(problem, limits=limits)
