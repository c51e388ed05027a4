"""Everything of a problem that could be lifted, by business name, and the problem with some of it lifted.

Lifting only ever gives room: a plan under more limits is one under fewer. What is left when all are lifted always has
a plan, in which nothing is bought and nothing served.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .limits import GRAMS_IN_KG, MICRO, SINGLE
from .places import windowless

if TYPE_CHECKING:
    from ..problem import Limits, Problem, Workloads

SHARES = ("spot share", "spot share per region", "spot share per zone")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Limit:
    """One limit or requirement, lifted or kept as a whole."""

    kind: str  # as of a Conflict, or a field of a workload
    index: int  # of a quota, a month, a workload or an unserved limit
    name: str  # "quota[aws/us-east-1/p5.48xlarge]"
    says: str  # what it asks for: "2 nodes at most"


def limits_of(problem: Problem, *, places: bool = True) -> list[Limit]:
    """All there are; demand first, then policy, then supply, then where and when workloads may run.

    Args:
        problem: whose limits.
        places: with residency and latency, for problems that hold candidates beyond them.
    """
    return [*_demand(problem), *_policy(problem), *_supply(problem), *_places(problem, places=places)]


def lifted(problem: Problem, gone: Iterable[Limit]) -> Problem:
    """The problem without these; quotas that are gone are taken out, so that others have new rows."""
    by: dict[str, list[int]] = {}
    for limit in gone:
        by.setdefault(limit.kind, []).append(limit.index)
    problem = dataclasses.replace(problem, limits=_limits(problem, by), workloads=_workloads(problem, by))
    for w in by.get("deadline", []):
        problem = windowless(problem, w)
    return problem


def _limits(problem: Problem, gone: dict[str, list[int]]) -> Limits:
    """Limits of the whole plan without those that are gone, by kind."""
    limits = problem.limits
    changes: dict[str, Any] = {SINGLE[k][0]: None for k in gone if k in SINGLE}
    if "quota" in gone:
        held = set(gone["quota"])
        changes["quotas"] = tuple(q for i, q in enumerate(limits.quotas) if i not in held)
    if "monthly budget" in gone:
        months = enumerate(limits.monthly_budget_micro_usd)
        changes["monthly_budget_micro_usd"] = tuple(None if p in gone["monthly budget"] else usd for p, usd in months)
    if "unserved cvar" in gone:
        tails = enumerate(limits.unserved)
        changes["unserved"] = tuple(u for i, u in tails if i not in gone["unserved cvar"])
    free = {limits.chances[i].workload for i in gone.get("chance", [])} | set(gone.get("demand", []))
    changes["chances"] = tuple(
        dataclasses.replace(c, max_probability=Fraction(1)) if c.workload in free else c for c in limits.chances
    )
    return dataclasses.replace(limits, **changes)


def _workloads(problem: Problem, gone: dict[str, list[int]]) -> Workloads:
    """What is asked of single workloads, without that which is gone."""
    work = problem.workloads
    rows = np.arange(len(work.name))
    changes: dict[str, Any] = {}
    for kind in SHARES:
        if kind in gone:
            name = "max_" + kind.replace(" ", "_")
            changes[name] = tuple(Fraction(1) if w in gone[kind] else s for w, s in enumerate(getattr(work, name)))
    free = [*gone.get("demand", []), *gone.get("work", [])]
    changes["must_serve"] = work.must_serve & ~np.isin(rows, free)
    if "residency" in gone:
        changes["residency"] = tuple(() if w in gone["residency"] else r for w, r in enumerate(work.residency))
    if "latency" in gone:
        changes["ttft_ms"] = np.where(np.isin(rows, gone["latency"]), np.inf, work.ttft_ms)
    return dataclasses.replace(work, **changes)


def _demand(problem: Problem) -> Iterator[Limit]:
    work, s = problem.workloads, problem.sources
    for w in np.flatnonzero(work.must_serve).tolist():
        job = bool((s.total_units[s.workload == w] > 0).any())
        units = s.total_units if job else s.units_per_hour.max(axis=1, initial=0)
        most, unit = int(units[s.workload == w].sum()), f"{work.unit[w]}{'' if job else ' an hour at the peak'}"
        kind, verb = ("work", "done") if job else ("demand", "served")
        if most:
            yield Limit(kind=kind, index=w, name=_of(problem, kind, w), says=f"all of {most:,} {unit} must be {verb}")


def _policy(problem: Problem) -> Iterator[Limit]:
    limits = problem.limits
    for p, usd in enumerate(limits.monthly_budget_micro_usd):
        if usd is not None:
            name = f"monthly budget[{problem.blocks.periods[p]}]"
            yield Limit(kind="monthly budget", index=p, name=name, says=f"${usd / MICRO:,.2f} at most")
    for kind, (field, _) in SINGLE.items():
        most = getattr(limits, field)
        if most is not None:
            said = f"{most / GRAMS_IN_KG:,.1f} kg CO2e at most" if kind == "carbon" else f"${most / MICRO:,.2f} at most"
            yield Limit(kind=kind, index=0, name=kind, says=said + " an hour" * (kind == "hourly budget"))
    for i, u in enumerate(limits.unserved):
        said = f"{u.max_units:,} {problem.workloads.unit[u.workload]} unserved at most in the worst futures"
        yield Limit(kind="unserved cvar", index=i, name=_of(problem, "unserved cvar", u.workload), says=said)
    for i, c in enumerate(limits.chances):
        said = f"outages with a probability of {float(c.max_probability):.4g} at most may be given up"
        if c.max_probability < 1:
            yield Limit(kind="chance", index=i, name=_of(problem, "chance", c.workload), says=said)


def _supply(problem: Problem) -> Iterator[Limit]:
    work = problem.workloads
    for kind in SHARES:
        for w, share in enumerate(getattr(work, "max_" + kind.replace(" ", "_"))):
            if share < 1:
                said = f"{float(share):.0%} of capacity on spot at most"
                yield Limit(kind=kind, index=w, name=_of(problem, kind, w), says=said)
    for i, q in enumerate(problem.limits.quotas):
        says = f"{q.max_nodes:,} nodes at most" + (", fewer at times" if any(q.missing) else "")
        yield Limit(kind="quota", index=i, name=f"quota[{q.name}]", says=says)


def _places(problem: Problem, *, places: bool) -> Iterator[Limit]:
    work, s = problem.workloads, problem.sources
    for w in range(len(work.name)):
        if places and work.residency[w]:
            said = f"in {', '.join(work.residency[w])} only"
            yield Limit(kind="residency", index=w, name=_of(problem, "residency", w), says=said)
        if places and np.isfinite(work.ttft_ms[w]):
            said = f"{float(work.ttft_ms[w]):,g} ms to the first token at most"
            yield Limit(kind="latency", index=w, name=_of(problem, "latency", w), says=said)
        if (s.total_units[s.workload == w] > 0).any():
            yield Limit(kind="deadline", index=w, name=_of(problem, "deadline", w), says="within its window")


def _of(problem: Problem, kind: str, w: int) -> str:
    return f"{kind}[{problem.workloads.name[w]}]"
