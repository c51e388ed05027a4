"""Why a plan is what it is: what a unit costs where it runs, the runner-up, what was rejected, which limits bind."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .money import to_usd
from .problem import COMMITMENT, FIRM, SPOT
from .reach import reachable
from .report import words
from .report.cells import clean
from .report.figures import reasons
from .rules.base import block_name
from .rules.carbon import grams_per_node_hour
from .survival import PLANNED, survival

if TYPE_CHECKING:
    from .plan import Plan
    from .problem import Problem, Quota

Array = np.ndarray[Any, np.dtype[Any]]
MILLION = 10**6
NOISE = 1e-9
AT_LIMIT = 0.99  # of a budget or of a carbon limit: whole nodes seldom fill it to the cent


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A pool a workload runs in."""

    pool: str
    layout: str
    option: str
    usd_per_month: str
    usd_per_1m_units: dict[str, str]  # by option, at full use of the nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUp:
    """The pool not taken whose unit costs least, and by how much its price must fall to match the dearest one taken."""

    pool: str
    option: str
    usd_per_1m_units: str
    must_fall_percent: float  # 0: its unit is no dearer; whole nodes, shared commitments or a limit decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Options that cannot serve a workload, by bottleneck."""

    bottleneck: str
    count: int
    examples: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """All about one workload."""

    workload: str
    unit: str
    chosen: list[Chosen]
    runner_up: RunnerUp | None
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """Shares of a workload's demand that a loss leaves unserved: see `survival.Left`."""

    loss: str
    workload: str
    way: str  # "as planned" for it, or "as it stands"
    worst_hour: float
    mean: float
    kept: bool  # all that is owed is served


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The whole, or the part on one workload."""

    plan: str
    certificate: str
    workloads: list[Reasons]
    binding: list[str]  # limits that bind, in words
    losses: list[Unserved]  # what the loss of each region and zone would leave
    conflicts: list[str]  # of an infeasible plan


def explain(problem: Problem | None, plan: Plan, workload: str = "") -> Explanation:
    """Why the plan is so; with a workload only of that one. Without the problem unit prices and limits are left out.

    Raises:
        InputError: no such workload.
    """
    if problem is None:
        told = [name for table in (plan.fleet, plan.excuses) if len(table) for name in table["workload"].tolist()]
    else:
        told = problem.workloads.name.tolist()
    names = list(dict.fromkeys(map(str, told)))
    if workload and workload not in names:
        near = difflib.get_close_matches(workload, names, n=3)
        mend = f"nearest: {', '.join(near)}" if near else f"one of {', '.join(names)}"
        raise InputError(f"no workload {workload!r:.80} in this plan", where="WORKLOAD", mend=mend)
    return Explanation(
        plan=plan.name,
        certificate=words.certificate(plan),
        workloads=[_reasons(problem, plan, n) for n in names if workload in ("", n)],
        binding=[] if problem is None else list(_binding(problem, plan)),
        losses=[] if problem is None or plan.certificate.kind == "none" else list(_losses(problem, plan, workload)),
        conflicts=[f"{r['limit']}: {r['detail']}" for r in plan.conflicts.records()],
    )


def to_json(found: Explanation) -> str:
    """The explanation as JSON; money as strings."""
    return json.dumps(asdict(found), indent=1) + "\n"


def to_text(found: Explanation) -> str:
    """The explanation for people."""
    lines = [found.plan, found.certificate]
    for w in found.workloads:
        lines += ["", w.workload]
        for c in w.chosen:
            lines.append(
                f"  runs in {c.pool}: {c.layout}; {words.option(c.option).lower()}; {_dollars(c.usd_per_month)} a month"
            )
            prices = [f"{words.option(option).lower()} {_dollars(usd)}" for option, usd in c.usd_per_1m_units.items()]
            lines += [f"    a million {w.unit} at full use: {', '.join(prices)}"] if prices else []
        if w.runner_up:
            lines.append(f"  runner-up {w.runner_up.pool}: {_runner_up(w.runner_up, w.unit)}")
        for r in w.rejected:
            lines.append(f"  rejected, {r.bottleneck} ({r.count}): {'; '.join(r.examples)}")
    if found.binding:
        lines += ["", "Limits that bind", *(f"  {text}" for text in found.binding)]
    if any(x.worst_hour for x in found.losses):
        lines += [
            "",
            "What a loss leaves of the demand, in the worst hour",
            *(f"  {text}" for text in _left(found.losses)),
        ]
    if found.conflicts:
        lines += ["", "What would have to give way", *(f"  {text}" for text in found.conflicts)]
    return "".join(clean(line) + "\n" for line in lines)


def _losses(problem: Problem, plan: Plan, workload: str) -> Iterator[Unserved]:
    """What each loss leaves of each workload, or of one, planned for it and as it stands."""
    for x in survival(problem, plan):
        if workload in ("", x.workload):
            yield Unserved(
                loss=x.loss, workload=x.workload, way=x.way, worst_hour=float(x.worst), mean=float(x.mean), kept=x.kept
            )


def _left(losses: Sequence[Unserved]) -> Iterator[str]:
    """Each loss that takes something, in words."""
    rows: dict[tuple[str, str], list[Unserved]] = {}
    for x in losses:
        rows.setdefault((x.loss, x.workload), []).append(x)
    for (loss, name), ways in rows.items():
        if any(x.worst_hour for x in ways):
            said = ", ".join(f"{_percent(1 - x.worst_hour)} {x.way}" for x in ways)
            broken = ", not what is owed" * any(not x.kept for x in ways if x.way == PLANNED)
            yield f"{loss}: {name} is served {said}{broken}"


def _percent(share: float) -> str:
    """Rounded down: what is said is there."""
    return f"{int(share * 1000 + NOISE) / 10:.1f} %"


def _dollars(usd: str) -> str:
    return f"${Decimal(usd):,f}"


def _runner_up(r: RunnerUp, unit: str) -> str:
    price = f"{_dollars(r.usd_per_1m_units)} a million {unit} ({words.option(r.option).lower()})"
    if r.must_fall_percent > 0:
        return f"{price}; its price would have to fall by {r.must_fall_percent:.1f} %"
    return f"{price}; no dearer by the unit: whole nodes, shared commitments or a limit decided"


def _reasons(problem: Problem | None, plan: Plan, workload: str) -> Reasons:
    fleet = [r for r in plan.fleet.records() if r["workload"] == workload]
    pools = [f"{r['provider']}/{r['region']}/{r['node']}" for r in fleet]
    market = None if problem is None else _Market.of(problem, workload)
    chosen = [
        Chosen(
            pool=pool,
            layout=str(r["layout"]),
            option=str(r["option"]),
            usd_per_month=f"{to_usd(r['micro_usd_per_month']):.2f}",
            usd_per_1m_units={} if market is None else market.prices(pool),
        )
        for r, pool in zip(fleet, pools, strict=True)
    ]
    mine = plan.excuses.take(plan.excuses["workload"] == workload) if len(plan.excuses) else plan.excuses
    return Reasons(
        workload=workload,
        unit="units" if market is None else market.unit,
        chosen=chosen,
        runner_up=market.runner_up(pools) if market is not None and pools else None,
        rejected=[Rejected(bottleneck=b, count=n, examples=e) for b, n, e in reasons(mine)],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Market:
    """Unit prices of one workload: pairs of an offer and the best candidate of its pool and market."""

    unit: str
    pool: Array  # str [K]
    option: Array  # str [K]
    owned: Array  # bool [K]
    micro_usd: Array  # float [K] micro-dollars of a million units at full use

    @classmethod
    def of(cls, problem: Problem, workload: str) -> _Market:
        """Every offer in a pool where the workload may run."""
        c, o, work = problem.candidates, problem.offers, problem.workloads
        w = work.name.tolist().index(workload)
        may = reachable(problem).any(axis=0) & (c.workload == w) & (c.units_per_hour > 0)
        may &= (c.market == FIRM) | (work.max_spot_share[w] > 0)
        nodes = np.full((2, len(problem.pool_shape)), np.inf)  # node-hours of a unit, by market and pool
        np.minimum.at(nodes, (c.market[may], c.pool[may]), c.nodes_per_replica[may] / c.units_per_hour[may])
        rate = o.micro_usd_per_hour + o.upfront_micro_usd / np.maximum(o.term_hours, 1)
        price = rate * nodes[np.where(o.kind == SPOT, 1, 0), o.pool] * MILLION
        rows = np.flatnonzero(np.isfinite(price))
        rows = rows[np.argsort(price[rows], kind="stable")]
        return cls(
            unit=str(work.unit[w]),
            pool=problem.pool_names[o.pool[rows]],
            option=o.option[rows],
            owned=o.owned_nodes[rows] > 0,
            micro_usd=price[rows],
        )

    def prices(self, pool: str) -> dict[str, str]:
        """Dollars of a million units by option, the cheapest first."""
        made: dict[str, str] = {}
        for row in np.flatnonzero(self.pool == pool):
            made.setdefault(str(self.option[row]), _usd(self.micro_usd[row]))
        return made

    def runner_up(self, chosen: Sequence[str]) -> RunnerUp | None:
        """The cheapest pool not chosen, against the dearest chosen one, each at its best option."""
        best = [self.micro_usd[self.pool == pool].min(initial=np.inf) for pool in chosen]
        target = max([x for x in best if np.isfinite(x)], default=np.inf)
        others = np.flatnonzero(~np.isin(self.pool.astype(str), list(chosen)) & ~self.owned)
        if not len(others):
            return None
        row, price = others[0], float(self.micro_usd[others[0]])
        fall = 100 * (1 - target / price) if np.isfinite(target) and price > 0 else 0.0
        return RunnerUp(
            pool=str(self.pool[row]),
            option=str(self.option[row]),
            usd_per_1m_units=_usd(price),
            must_fall_percent=round(max(0.0, fall), 4),
        )


def _usd(micro_usd: float) -> str:
    return f"{to_usd(round(float(micro_usd))):.4f}"


def _binding(problem: Problem, plan: Plan) -> Iterator[str]:
    """Limits that hold the plan back, in words."""
    for quota in problem.limits.quotas:
        bound = (quota.limit > 0) & (problem.blocks.total_hours > 0)
        full = np.flatnonzero((_held(problem, plan, quota) >= quota.limit) & bound)
        if len(full) and quota.max_nodes:
            hours = int(problem.blocks.total_hours[full].sum())
            first = block_name(problem, int(full[0]))
            yield f"quota {quota.name}: all {quota.max_nodes} nodes held for {hours} hours, first {first}"
    for w, name in enumerate(problem.workloads.name.tolist()):
        full = _spot_full(problem, plan, w)
        if len(full):
            cap, hours = float(problem.workloads.max_spot_share[w]), int(problem.blocks.total_hours[full].sum())
            yield f"spot share of {name}: at its cap of {cap:.0%} for {hours} hours"
    yield from _budgets(problem, plan)
    if (most := problem.limits.upfront_max_micro_usd) is not None:
        paid = _upfront(problem, plan)
        if paid >= AT_LIMIT * most:
            yield f"upfront cash: {words.usd(paid)} of {words.usd(most)}"
    if problem.limits.carbon_max_g is not None:
        grams = _grams(problem, plan)
        if grams >= AT_LIMIT * problem.limits.carbon_max_g:
            yield f"carbon: {float(grams) / 1000:,.0f} kg of {problem.limits.carbon_max_g / 1000:,.0f} kg CO2e"


def _budgets(problem: Problem, plan: Plan) -> Iterator[str]:
    """Months whose expected payments are at their budget."""
    spent = dict.fromkeys(plan.periods, 0)
    for r in plan.cost_lines.records():
        if r["kind"] in {"carbon", "unserved"}:
            continue  # a price, not money that is paid
        spent[r["period"]] = spent.get(r["period"], 0) + r["micro_usd"]
    for period, limit in zip(plan.periods, problem.limits.monthly_budget_micro_usd, strict=False):
        if limit is not None and spent[period] >= AT_LIMIT * limit:
            yield f"budget of {period}: {words.usd(spent[period])} of {words.usd(limit)}"


def _upfront(problem: Problem, plan: Plan) -> int:
    """Micro-dollars paid at once for new commitments."""
    rows = (r for r in plan.purchases.records() if r["block"] < 0 and not problem.offers.owned_nodes[r["offer"]])
    return sum(r["nodes"] * int(problem.offers.upfront_micro_usd[r["offer"]]) for r in rows)


def _held(problem: Problem, plan: Plan, quota: Quota) -> Array:
    """Nodes that count against a quota in each block, int64 [B]."""
    made = np.zeros(problem.blocks.count, dtype=np.int64)
    for r in plan.purchases.records():
        offer = int(r["offer"])
        spot = problem.offers.kind[offer] == SPOT
        if problem.offers.pool[offer] not in quota.pools or quota.kind == ("on_demand" if spot else "spot"):
            continue
        if problem.offers.kind[offer] == COMMITMENT:
            pool = problem.offers.pool[offer]
            held = int(r["nodes"]) * problem.offers.active[offer]
            made += -(-held * problem.zones_up[pool] // problem.pool_zones[pool])
        else:
            made[r["block"]] += int(r["nodes"])
    return made


def _spot_full(problem: Problem, plan: Plan, w: int) -> Array:
    """Blocks in which one more spot replica would break the workload's share."""
    share, c = problem.workloads.max_spot_share[w], problem.candidates
    if not 0 < share < 1 or not len(plan.placements):
        return np.zeros(0, dtype=np.int64)
    capacity = np.zeros((2, problem.blocks.count), dtype=np.int64)
    k, block = plan.placements["candidate"].astype(np.int64), plan.placements["block"].astype(np.int64)
    mine = c.workload[k] == w
    units = plan.placements["replicas"].astype(np.int64)[mine] * c.units_per_hour[k[mine]]
    np.add.at(capacity, (c.market[k[mine]], block[mine]), units)
    spot = mine & (c.market[k] == SPOT)
    if not spot.any():
        return np.zeros(0, dtype=np.int64)
    more = int(c.units_per_hour[k[spot]].min())
    return np.flatnonzero((capacity[1] > 0) & (capacity[1] + more > float(share) * (capacity.sum(axis=0) + more)))


def _grams(problem: Problem, plan: Plan) -> Fraction:
    """Expected emissions of the nodes that run."""
    blocks, total = problem.blocks, Fraction(0)
    for r in plan.placements.records():
        b, pool = int(r["block"]), int(problem.candidates.pool[int(r["candidate"])])
        weight = blocks.probability[int(blocks.scenario[b])] * int(blocks.total_hours[b])
        total += weight * int(r["nodes"]) * grams_per_node_hour(problem, pool, b)
    return total
