"""What limits and requirements are worth: a node of a quota, a dollar of a budget, residency and latency of a workload.

All of it is of the relaxation (parts of nodes, commitments free): a marginal value, and a bound on what plans may gain.
No plan within a looser limit costs less than the relaxation does now, less what the looser limit is worth to it.
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .conflicts.respec import Respec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .engine.warm import Relaxation
    from .problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
LOOSER = 1.5  # times a latency target
FULL = 1e-6  # nodes: how near to its limit a quota is full
LEAST_USD = 0.005
SECONDS = 60.0
HOURLY = "dollar an hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """A limit that binds the relaxation."""

    limit: str  # "quota[aws/us-east-1/p5.48xlarge]"
    unit: str
    usd: float  # saved over the horizon by one unit more
    usd_per_month: float
    how: str  # "difference": solved again with one unit more; "marginal": the row price


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A requirement of a workload, and what the relaxation saves without it."""

    workload: str
    requirement: str  # "residency EU", "ttft_ms 500"
    instead: str  # "anywhere", "750 ms"
    usd: float  # over the horizon
    usd_per_month: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worths:
    """All of them, the dearest first."""

    relaxation_usd: float
    limits: list[Worth]
    requirements: list[Cost]
    notes: list[str]


def worths(problem: Problem, workload: str = "", *, seconds: float = SECONDS) -> Worths:
    """What each binding limit and each requirement (of one workload only, with its name) is worth.

    Raises:
        EngineError: the relaxation has no optimum.
    """
    from .engine.marginal import relaxation_of

    until, notes = time.monotonic() + seconds, ["values of the relaxation, in parts of nodes and with commitments free"]
    relaxation = relaxation_of(problem)
    usd, months = relaxation.usd, max(1, len(problem.blocks.periods))
    limits = [*_money(problem, relaxation, months)]
    waiting = _short_quotas(problem, relaxation)
    for i, q in enumerate(waiting):
        if time.monotonic() > until:
            notes.append(f"{len(waiting) - i} more quotas were not asked in time")
            break
        saved = usd - relaxation.solve(_one_more(problem, q))
        if saved > LEAST_USD:
            limits.append(_worth(f"quota[{problem.limits.quotas[q].name}]", "node", saved, months, "difference"))
    limits.sort(key=lambda w: -w.usd)
    costs = []
    for w, name in enumerate(problem.workloads.name.tolist()):
        for wanted, instead, looser in _looser(problem, w) if workload in ("", name) else ():
            if time.monotonic() > until:
                notes.append(f"{wanted} of {name} was not asked in time")
                continue
            found = looser()
            if found is not None:
                saved = max(0.0, usd - relaxation_of(found).usd)
                cost = Cost(workload=name, requirement=wanted, instead=instead, usd=saved, usd_per_month=saved / months)
                costs.append(cost)
    return Worths(relaxation_usd=usd, limits=limits, requirements=sorted(costs, key=lambda c: -c.usd), notes=notes)


def _worth(limit: str, unit: str, usd: float, months: int, how: str) -> Worth:
    return Worth(limit=limit, unit=unit, usd=usd, usd_per_month=usd / months, how=how)


def _money(problem: Problem, relaxation: Relaxation, months: int) -> Iterator[Worth]:
    """Budgets and carbon by their row prices: what a dollar, or a kilogram, more would save."""
    duals, limits = relaxation.answer.duals, problem.limits
    periods = [problem.blocks.periods[i] for i, usd in enumerate(limits.monthly_budget_micro_usd) if usd is not None]
    for group in relaxation.formulation.model.groups if duals is not None else ():
        price = np.maximum(-duals[group.rows], 0.0) if duals is not None else np.zeros(group.shape)
        if group.name == "monthly budget":
            named = [(f"monthly budget[{p}]", "dollar", float(y.sum())) for p, y in zip(periods, price, strict=True)]
        elif group.name in {"hourly budget", "carbon", "upfront cash"}:
            unit = {"hourly budget": HOURLY, "carbon": "kg CO2e", "upfront cash": "dollar"}[group.name]
            named = [(group.name, unit, float(price.sum()))]
        else:
            continue
        for name, unit, usd in named:
            if usd > FULL:
                yield _worth(name, unit, usd, months, "marginal")


def _short_quotas(problem: Problem, relaxation: Relaxation) -> list[int]:
    """Quotas of which one more node may be used, those with the highest row prices first.

    The relaxation uses them up in some block, or one more node would allow another replica of several nodes.
    """
    f, answer, made = relaxation.formulation, relaxation.answer, {}
    matrix = relaxation.program.matrix
    if answer.values is None or answer.duals is None:
        return []
    for group in f.model.groups:
        if group.name == "quota" and group.keys is not None:
            used, price = matrix @ answer.values, -answer.duals
            limit = relaxation.program.row_upper
            for q, rows in zip(group.keys.tolist(), group.rows, strict=True):
                full = (used[rows] >= limit[rows] - FULL).any() or _one_more_replica(problem, q)
                if full and problem.limits.quotas[q].max_nodes > 0:
                    made[q] = float(price[rows].sum())
    return sorted(made, key=lambda q: -made[q])


def _one_more_replica(problem: Problem, quota: int) -> bool:
    """Whether one more node is the last of a replica of several nodes."""
    q, c = problem.limits.quotas[quota], problem.candidates
    nodes = np.unique(c.nodes_per_replica[np.isin(c.pool, q.pools)])
    return bool(((q.limit[:, None] + 1) % nodes[nodes > 1] == 0).any())


def _one_more(problem: Problem, quota: int) -> Problem:
    quotas = list(problem.limits.quotas)
    quotas[quota] = dataclasses.replace(quotas[quota], max_nodes=quotas[quota].max_nodes + 1)
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, quotas=tuple(quotas)))


def _looser(problem: Problem, w: int) -> Iterator[tuple[str, str, Callable[[], Problem | None]]]:
    """Requirements of a workload: what, what instead, and the problem then."""
    work, respec = problem.workloads, Respec.of(problem)
    name, residency, ttft = str(work.name[w]), work.residency[w], float(work.ttft_ms[w])

    def with_field(field: str, value: Any, plain: Any) -> Callable[[], Problem | None]:
        if respec is not None:
            return lambda: respec.changed(name, {field: value}).problem()
        return lambda: dataclasses.replace(problem, workloads=dataclasses.replace(work, **plain))

    if residency:
        free = (*work.residency[:w], (), *work.residency[w + 1 :])
        yield f"residency {', '.join(residency)}", "anywhere", with_field("residency", [], {"residency": free})
    if math.isfinite(ttft):
        later = work.ttft_ms.copy()
        later[w] = ttft * LOOSER
        yield f"ttft_ms {ttft:g}", f"{ttft * LOOSER:g} ms", with_field("ttft_ms", ttft * LOOSER, {"ttft_ms": later})


def to_lines(found: Worths) -> list[str]:
    """For people."""
    made = [f"What limits are worth (of a relaxation that costs ${found.relaxation_usd:,.2f})"]
    made += [f"  one more {w.unit} of {w.limit} saves ${w.usd_per_month:,.2f} a month" for w in found.limits]
    made += ["  no limit of money, carbon or nodes binds it"] if not found.limits else []
    if found.requirements:
        made.append("What requirements cost")
    made += [
        f"  {c.requirement} of {c.workload} costs ${c.usd_per_month:,.2f} a month (against {c.instead})"
        for c in found.requirements
    ]
    return [*made, *(f"  note: {note}" for note in found.notes)]
