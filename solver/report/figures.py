"""The numbers behind the page's figures: sums of cost lines and of placed nodes, nothing that is not in the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import words

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem
    from ..table import Table

Array = np.ndarray[Any, np.dtype[Any]]
SENSITIVITY = 0.10
IDLE = "(idle)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pivot:
    """Micro-dollars by label (rows, dearest first) and period (columns)."""

    labels: tuple[str, ...]  # L
    periods: tuple[str, ...]  # P
    micro_usd: Array  # int64 [L, P]

    @property
    def totals(self) -> Array:
        """Micro-dollars of each label, int64 [L]."""
        return np.asarray(self.micro_usd.sum(axis=1), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCurve:
    """Nodes of one pool over the hours of the horizon, busiest hour first; K steps, hours weighted by probability."""

    pool: str
    hours: Array  # float [K]
    firm_nodes: Array  # float [K] running on committed or on-demand nodes
    spot_nodes: Array  # float [K]
    committed_nodes: Array  # float [K] commitments in force
    micro_usd: int

    @property
    def used(self) -> float:
        """Share of the committed node-hours that run something; 1 without commitments."""
        whole = float(self.hours @ self.committed_nodes)
        return float(self.hours @ np.minimum(self.firm_nodes, self.committed_nodes)) / whole if whole else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """By how much the total moves when one price or demand moves by ±10 % and the plan stays."""

    group: str  # "provider", "option" or "workload"
    label: str
    micro_usd: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Cost in one region, and where on Earth it is."""

    provider: str
    region: str
    latitude: float
    longitude: float
    micro_usd: int


def line_labels(plan: Plan, by: str) -> Array:
    """Label of each cost line by "option", "workload", "team", "provider", "kind" or "site"; text [lines]."""
    lines = plan.cost_lines
    if by == "site":
        pairs = zip(lines["provider"].tolist(), lines["region"].tolist(), strict=True)
        return np.array([f"{p} {r}".strip() or "no region" for p, r in pairs], dtype=object)
    if by == "option":
        pairs = zip(lines["option"].tolist(), lines["kind"].tolist(), strict=True)
        return np.array([words.option(str(o or k)) for o, k in pairs], dtype=object)
    return np.array([str(v) or f"no {by}" for v in lines[by].tolist()], dtype=object)


def pivot(plan: Plan, by: str, most: int = 9) -> Pivot:
    """Cost by label and period; beyond `most` labels the smaller ones are one row "n others"."""
    if not len(plan.cost_lines):
        return Pivot(labels=(), periods=plan.periods, micro_usd=np.zeros((0, len(plan.periods)), dtype=np.int64))
    labels, row = np.unique(line_labels(plan, by), return_inverse=True)
    months = plan.cost_lines["period"].tolist()
    periods = (*plan.periods, *sorted(set(months) - set(plan.periods)))
    place = {p: i for i, p in enumerate(periods)}
    made = np.zeros((len(labels), len(periods)), dtype=np.int64)
    np.add.at(made, (row, np.array([place[m] for m in months])), plan.cost_lines["micro_usd"].astype(np.int64))
    order = np.argsort(-made.sum(axis=1), kind="stable")
    made, names = made[order], [str(labels[i]) for i in order]
    if len(names) > most:
        rest = made[most - 1 :].sum(axis=0, keepdims=True)
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
        made = np.concatenate([made[: most - 1], rest])
    return Pivot(labels=tuple(names), periods=periods, micro_usd=made)


def load_curves(problem: Problem, plan: Plan) -> list[LoadCurve]:
    """The pools that hold commitments, dearest first."""
    bought = plan.purchases
    if not len(bought):
        return []
    committed = bought.take((bought["kind"] == "commitment") & (bought["nodes"].astype(float) > 0))
    blocks, placed = problem.blocks, plan.placements
    probability = np.array([float(p) for p in blocks.block_probability()])
    hours = blocks.total_hours * probability
    placed_pools = _pools(placed)
    bill = _bill_by_pool(plan)
    curves = []
    for pool in sorted(set(_pools(committed).tolist())):
        mine = committed.take(_pools(committed) == pool)
        level = mine["nodes"].astype(float) @ problem.offers.active[mine["offer"].astype(np.int64)]
        here = placed.take(placed_pools == pool)
        firm, spot = (_per_block(here, market, blocks.count) for market in ("firm", "spot"))
        order = np.lexsort((-level, -firm, -(firm + spot)))
        order = order[hours[order] > 0]
        curves.append(LoadCurve(
            pool=pool, hours=hours[order], firm_nodes=firm[order], spot_nodes=spot[order],
            committed_nodes=level[order], micro_usd=bill.get(pool, 0),
        ))  # fmt: skip
    return sorted(curves, key=lambda c: (-c.micro_usd, c.pool))


def swings(plan: Plan) -> list[Swing]:
    """Exact at the fixed plan: a price that moves by 10 % moves the total by 10 % of the lines it stands in."""
    made: list[Swing] = []
    total = plan.total_micro_usd
    for group in ("provider", "option", "workload"):
        found = pivot(plan, group, most=7)
        for label, amount in zip(found.labels, found.totals.tolist(), strict=True):
            if amount and not label.startswith("no ") and label != IDLE:
                moved = round(amount * SENSITIVITY)
                made.append(Swing(group=group, label=label, micro_usd=moved, share=amount / total if total else 0.0))
    return made


def spots(problem: Problem, plan: Plan) -> list[Spot]:
    """Cost by region with its coordinates, dearest first; lines without a region are left out."""
    sites = zip(problem.sites.provider.tolist(), problem.sites.region.tolist(), strict=True)
    row = {site: i for i, site in enumerate(sites)}
    sums: dict[tuple[str, str], int] = {}
    for line in plan.cost_lines.records() if len(plan.cost_lines) else ():
        site = (line["provider"], line["region"])
        if site in row:
            sums[site] = sums.get(site, 0) + line["micro_usd"]
    found = [
        Spot(
            provider=site[0], region=site[1], latitude=float(problem.sites.latitude[row[site]]),
            longitude=float(problem.sites.longitude[row[site]]), micro_usd=amount,
        )
        for site, amount in sums.items() if amount > 0
    ]  # fmt: skip
    return sorted(found, key=lambda s: (-s.micro_usd, s.provider, s.region))


def reasons(excuses: Table, examples: int = 3) -> list[tuple[str, int, list[str]]]:
    """Excuses by bottleneck: count and a few examples of each, most frequent first."""
    if not len(excuses):
        return []
    bottleneck = excuses["bottleneck"]
    names, inverse, counts = np.unique(bottleneck, return_inverse=True, return_counts=True)
    made = []
    for i in np.argsort(-counts, kind="stable"):
        rows = excuses.take(np.flatnonzero(inverse == i)[:: max(1, int(counts[i]) // examples)][:examples])
        made.append((str(names[i]), int(counts[i]), [_example(r) for r in rows.records()]))
    return made


def _example(row: dict[str, Any]) -> str:
    place = " ".join(str(row[k]) for k in ("provider", "node", "region") if row.get(k))
    return f"{row['workload']} on {place}: {row['detail']}" if place else f"{row['workload']}: {row['detail']}"


def _pools(table: Table) -> Array:
    if not len(table):
        return np.array([], dtype=object)
    parts = zip(*(table[c].tolist() for c in ("provider", "region", "node")), strict=True)
    return np.array(["/".join(map(str, p)) for p in parts], dtype=object)


def _bill_by_pool(plan: Plan) -> dict[str, int]:
    sums: dict[str, int] = {}
    amounts = plan.cost_lines["micro_usd"].tolist() if len(plan.cost_lines) else []
    for pool, amount in zip(_pools(plan.cost_lines).tolist(), amounts, strict=True):
        sums[pool] = sums.get(pool, 0) + amount
    return sums


def _per_block(placed: Table, market: str, blocks: int) -> Array:
    made = np.zeros(blocks)
    if len(placed):
        mine = placed.take(placed["market"] == market)
        np.add.at(made, mine["block"].astype(np.int64), mine["nodes"].astype(float))
    return made
