"""Diversity: so much of a workload's capacity at most in one region, in one zone, or on one node shape."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..limits import ShareLimit
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]


class Diversity(Rule):
    """Each limit of a workload w, each place g (a region, or a node shape), and block b in which nothing is lost:

    Σ_{c of w in g} units_per_hour[c] × replicas[c, b] ≤ share × Σ_{c of w} units_per_hour[c] × replicas[c, b]
    (of a limit by zone the share of a region is zones × that, as nodes are spread evenly over zones; all markets count)
    """  # noqa: D415

    name = "diversity"

    def build(self, f: Formulation) -> None:
        """One row a place and block for each limit that can bind."""
        p = f.problem
        blocks = np.flatnonzero(~_lost(p))
        workload, pool = f.of("workload"), f.of("pool")
        for number, limit in enumerate(p.limits.shares):
            place = p.pool_shape[pool] if limit.per == "node" else p.pool_site[pool]
            mine = np.flatnonzero(workload == limit.workload)
            groups = [g for g in np.unique(place[mine]).tolist() if _share(p, limit, g) < 1]
            rows = f.model.rows(
                f"diversity {number}", (len(groups), len(blocks)), upper=0.0, keys=np.array(groups, dtype=np.int64),
                label=lambda at, n=limit, g=groups: f"{_name(p, n, g[at[0]])}, {block_name(p, int(blocks[at[1]]))}",  # type: ignore[misc]
            )  # fmt: skip
            units = f.of("units_per_hour")[mine] / f.unit[limit.workload]
            for row, group in zip(rows, groups, strict=True):
                counted = (place[mine] == group) - float(_share(p, limit, group))
                f.model.put(row[None, :], f.replicas[mine][:, blocks], (counted * units)[:, None])

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Capacity of each place as whole units against its share of all."""
        c, lost = problem.candidates, _lost(problem)
        for limit in problem.limits.shares:
            total: Any = np.zeros(problem.blocks.count, dtype=object)
            parts: dict[int, Any] = {}
            for k, replicas in books.replicas.items():
                if c.workload[k] == limit.workload:
                    pool, units = int(c.pool[k]), replicas * int(c.units_per_hour[k])
                    group = int((problem.pool_shape if limit.per == "node" else problem.pool_site)[pool])
                    parts[group] = parts.get(group, 0) + units
                    total = total + units
            for group, units in parts.items():
                times = max(1, int(problem.sites.zones[group])) if limit.per == "zone" else 1
                for b in np.flatnonzero(~lost):
                    if units[b] > limit.share * times * total[b]:
                        said = (
                            f"{units[b]} of {total[b]} units an hour, at most {float(limit.share * times):.1%} allowed"
                        )
                        yield self.wrong(f"{_name(problem, limit, group)}, {block_name(problem, int(b))}", said)


def _share(problem: Problem, limit: ShareLimit, group: int) -> Fraction:
    """Share of a region or of a node shape."""
    return limit.share * (max(1, int(problem.sites.zones[group])) if limit.per == "zone" else 1)


def _lost(problem: Problem) -> Array:
    """Blocks in which something is lost, bool [B]."""
    out = problem.outages
    none = np.zeros(len(problem.blocks.probability), dtype=bool)
    return np.asarray((none if out is None else np.array([bool(s) for s in out.state]))[problem.blocks.scenario])


def _name(problem: Problem, limit: ShareLimit, group: int) -> str:
    sites = problem.sites
    place = str(problem.shapes.node[group]) if limit.per == "node" else f"{sites.provider[group]}/{sites.region[group]}"
    return f"{problem.workloads.name[limit.workload]} in {place}"
