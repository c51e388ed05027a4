"""Which candidates may serve which source of demand: its own workload's, within residency and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]


def reachable(problem: Problem) -> Array:
    """Whether a candidate may serve a source, bool [D, C]. Jobs have no latency target."""
    c, s, work = problem.candidates, problem.sources, problem.workloads
    site = problem.pool_site[c.pool]
    late = c.ttft_ms[None, :] + s.rtt_ms[:, site] > work.ttft_ms[s.workload][:, None]
    mine = s.workload[:, None] == c.workload[None, :]
    return np.asarray(mine & ~late & resident(problem)[s.workload][:, site])


def resident(problem: Problem) -> Array:
    """Whether a workload may be in a region, bool [W, R]: its jurisdiction or country is among those allowed."""
    jurisdiction, country = problem.sites.jurisdiction.astype(str), problem.sites.country.astype(str)
    anywhere, found = np.ones(len(country), dtype=bool), dict[tuple[str, ...], Array]()
    for allowed in set(problem.workloads.residency):
        names = list(allowed)
        found[allowed] = np.isin(jurisdiction, names) | np.isin(country, names) if allowed else anywhere
    rows = [found[allowed] for allowed in problem.workloads.residency]
    return np.array(rows).reshape(len(rows), len(country))  # also without regions
