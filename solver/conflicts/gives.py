"""Which rows of a formulation each limit holds up, and in which order limits are asked to give way."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.slack import Give
from ..rules.spot import KEY
from .limits import MICRO, PERCENT, SINGLE, tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..formulation import Formulation
    from ..model import Group
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
LEAST_REF = 1.0
UNLIMITED = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Gives:
    """The limits of a formulation: K of them, in G groups."""

    gives: list[Give]
    keys: list[tuple[str, int]]  # K (kind, index), as of a Conflict
    groups: list[tuple[str, int]]  # G, as Conflict.group

    def of_tier(self, last: int) -> frozenset[int]:
        """Groups asked up to a tier."""
        return frozenset(g for g, (kind, _) in enumerate(self.groups) if tier(kind) <= last)

    def rows(self, group: tuple[str, int]) -> list[int]:
        """Limits of a group."""
        return [k for k, give in enumerate(self.gives) if self.groups[give.group] == group]


def without_quotas(problem: Problem) -> Problem:
    """The problem with quotas that bind nothing: a formulation bounds its columns by them."""
    quotas = tuple(dataclasses.replace(q, max_nodes=UNLIMITED) for q in problem.limits.quotas)
    return dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, quotas=quotas))


def gives(f: Formulation, problem: Problem) -> Gives:
    """Slack for quotas, budgets, carbon and caps on spot, and for the demand that must be served (rows of its own).

    Args:
        f: of the problem without its quotas.
        problem: with them.
    """
    made: list[Give] = []
    keys: list[tuple[str, int]] = []
    groups: list[tuple[str, int]] = []
    parts = [part for group in f.model.groups for part in _of_group(f, group)] + list(_demand(f))
    for key, group_key, rows, relief, ref, most in parts:
        limit = problem.limits.quotas[key[1]].limit.astype(float) if key[0] == "quota" else None
        now = ref if limit is None else float(limit.max())
        if group_key not in groups:
            groups.append(group_key)
        index = groups.index(group_key)
        made.append(Give(group=index, rows=rows, relief=relief, ref=max(LEAST_REF, now), limit=limit, most=most))
        keys.append(key)
    return Gives(gives=made, keys=keys, groups=groups)


def _of_group(f: Formulation, group: Group) -> Iterator[tuple[Any, ...]]:
    """(key, group, rows, relief, ref, most) of each limit that a block of rows holds."""
    limits, one = f.problem.limits, np.array([1.0])
    if group.name == "quota" and group.keys is not None:
        for i, held in zip(group.keys.tolist(), group.rows, strict=True):
            yield ("quota", i), ("quota", i), held, one, 0.0, None
    elif group.name == "monthly budget":
        months = [(p, usd) for p, usd in enumerate(limits.monthly_budget_micro_usd) if usd is not None]
        for (p, usd), rows in zip(months, group.rows, strict=True):
            yield ("monthly budget", p), ("monthly budget", 0), rows, one, usd / MICRO, None
    elif group.name in SINGLE:
        field, unit = SINGLE[group.name]
        yield (group.name, 0), (group.name, 0), group.rows, one, (getattr(limits, field) or 0) / unit, None
    elif group.name == "unserved cvar" and group.keys is not None:
        (w,) = group.keys.tolist()
        units = next(max(1, u.max_units) for u in limits.unserved if u.workload == w)
        yield (group.name, w), (group.name, w), group.rows, one / units, float(units), None
    elif group.name == "chance" and group.keys is not None:
        (w,) = group.keys.tolist()
        now = next(float(c.max_probability) for c in limits.chances if c.workload == w)
        yield (group.name, w), (group.name, w), group.rows, one / PERCENT, now * PERCENT, None
    elif group.name == "spot share" and group.keys is not None:
        for w in np.unique(group.keys // KEY).tolist():
            rows = group.rows[group.keys // KEY == w]
            relief = np.broadcast_to(_point(f, w), rows.shape).ravel()
            yield ("spot share", w), ("spot share", w), rows.ravel(), relief, 100.0, None


def _point(f: Formulation, w: int) -> Array:
    """A percentage point of the capacity that serves a flow's demand, by block; of all capacity for a job [B]."""
    s = f.problem.sources
    asked = s.units_per_hour[s.workload == w].sum(axis=0).astype(float)
    rows = np.flatnonzero(f.of("workload") == w)
    most = f.problem.candidates.units_per_hour[f.candidates[rows]].max(initial=1)
    return np.asarray(np.where(asked > 0, asked, most) / 100 / f.unit[w])


def _demand(f: Formulation) -> Iterator[tuple[Any, ...]]:
    """New rows that keep what must be served from staying unserved."""
    p, s, b = f.problem, f.problem.sources, f.problem.blocks.count
    for w in np.flatnonzero(p.workloads.must_serve).tolist():
        mine = np.flatnonzero(s.workload == w)
        jobs = mine[s.total_units[mine] > 0]
        flows = mine[s.total_units[mine] == 0]
        if len(flows):
            owing = np.flatnonzero(~p.may_leave[w])
            columns = f.unserved[flows[:1] if f.direct else flows, :b][:, owing]
            asked = float(s.units_per_hour[flows].sum(axis=0).max(initial=0))
            yield _left(f, w, "demand", columns, asked)
        if len(jobs):
            columns = f.unserved[jobs, : len(p.blocks.probability)]
            yield _left(f, w, "work", columns, float(s.total_units[jobs].max()))


def _left(f: Formulation, w: int, kind: str, columns: Array, asked: float) -> tuple[Any, ...]:
    rows = f.model.rows(f"left {kind}", (columns.shape[1],), upper=0.0)
    f.model.put(rows, columns, 1.0)
    return (kind, w), (kind, w), rows, np.array([1.0 / f.unit[w]]), asked, asked
