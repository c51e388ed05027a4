"""Rounding cuts: what whole replicas must add up to when they cover a demand.

For a covering row Σ a_c x_c + u ≥ D (x whole, u ≥ 0) and any size s > 0, with f = D/s − ⌊D/s⌋ > 0, mixed-integer
rounding (Nemhauser, Wolsey 1990) gives

    Σ_c (⌊a_c/s⌋ + min(1, (a_c/s − ⌊a_c/s⌋) / f)) x_c + u / (s f) ≥ ⌈D/s⌉

With s the size of the one replica in use it says "at least ⌈D/s⌉ of them", which the relaxation does not know. Where at
most a share ρ of the capacity may be spot, firm replicas alone cover (1 − ρ) D, which is rounded in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import needed
from ..problem import FIRM

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
LEAST_FRACTION = 0.02  # a smaller f gives large coefficients
LEAST_VIOLATION = 0.02
MOST_SIZES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """One cut a row: on which covering row (workload, its sources as a bit mask), block, and size in whole units."""

    workload: Array  # int64 [n]
    sources: Array  # int64 [n]
    block: Array  # int64 [n]
    size: Array  # int64 [n]
    firm: Array  # int64 [n], 1 on what firm replicas alone must cover

    def join(self, other: Cuts) -> Cuts:
        """Both, each once."""
        rows = np.concatenate([self.table(), other.table()], axis=1)
        return Cuts.of(np.unique(rows, axis=1))

    def table(self) -> Array:
        """The columns, [5, n]."""
        return np.stack([self.workload, self.sources, self.block, self.size, self.firm])

    @classmethod
    def of(cls, table: Array) -> Cuts:
        """From the columns."""
        return cls(workload=table[0], sources=table[1], block=table[2], size=table[3], firm=table[4])

    @classmethod
    def none(cls) -> Cuts:
        """No cuts."""
        return cls.of(np.zeros((5, 0), dtype=np.int64))


def strengths(capacity: Array, demand: Array, size: Array) -> tuple[Array, Array, Array]:
    """Coefficients of replicas, of unserved units (each per whole unit), and right-hand sides; arguments broadcast."""
    ratio = demand / size
    f = ratio - np.floor(ratio)
    f = np.where(f <= 0, 1.0, f)
    part = capacity / size
    down = np.floor(part + 1e-12)
    need = np.ceil(ratio - 1e-12)
    return np.minimum(down + np.minimum(1.0, np.maximum(part - down, 0.0) / f), need), 1.0 / (size * f), need


def add(f: Formulation, cuts: Cuts) -> Array:
    """Put the cuts into a direct formulation, one row each in the given order; returns the columns of shortfall.

    Where demand must be served u is 0, and the cut says more without it. A shortfall in replicas, at the price of what
    they would leave unserved, keeps the relaxation solvable while candidates are missing; a plan has none.
    """
    s = f.problem.sources
    rows = f.model.rows("rounding", (len(cuts.size),), lower=0.0)
    lower = np.zeros(len(cuts.size))
    most = np.ceil(needed(f.problem)[cuts.workload, cuts.block] / cuts.size)
    short = f.model.columns(most.shape, upper=np.where(f.problem.workloads.must_serve[cuts.workload], most, 0.0))
    f.model.put(rows, short, 1.0)
    price = f.problem.workloads.unserved_micro_usd_per_unit[cuts.workload] / 1e6
    f.model.cost(short, price * cuts.size * f.weight[cuts.block])
    workload, capacity = f.of("workload"), f.of("units_per_hour")
    for w in np.unique(cuts.workload).tolist():
        sources = np.flatnonzero(s.workload == w)
        for mask, firm in np.unique(np.stack([cuts.sources, cuts.firm])[:, cuts.workload == w], axis=1).T.tolist():
            at = np.flatnonzero((cuts.workload == w) & (cuts.sources == mask) & (cuts.firm == firm))
            inside = sources[[i for i in range(len(sources)) if mask >> i & 1]]
            demand = asked(f.problem, w, inside, firm)[cuts.block[at]]
            reached = np.unique(f.pairs[1][np.isin(f.pairs[0], inside) & f.reach & (workload[f.pairs[1]] == w)])
            reached = np.flatnonzero(workload == w) if firm else reached  # shares of spot count what runs anywhere
            counts = capacity[reached] * counted(f.of("market")[reached], firm)
            alpha, beta, need = strengths(counts[:, None], demand[None, :], cuts.size[at][None, :])
            f.model.put(rows[at][None, :], f.replicas[np.ix_(reached, cuts.block[at])], alpha)
            if not f.problem.workloads.must_serve[w]:
                f.model.put(rows[at], f.unserved[sources[0], cuts.block[at]], (beta * f.unit[w])[0])
            lower[at] = need[0]
    f.model.raise_lower(rows, lower)
    return short


def asked(problem: Problem, w: int, inside: Array, firm: int) -> Array:
    """Units an hour that replicas must cover for these sources of a workload, of firm ones alone; int64 [B]."""
    demand = problem.sources.units_per_hour[inside].sum(axis=0)
    share = min(problem.workloads.max_spot_share[w], Fraction(1)) if firm else Fraction(0)
    return np.asarray(demand * (share.denominator - share.numerator) // share.denominator)


def counted(market: Array, firm: int) -> Array:
    """Candidates that count for such a cut, bool [n]."""
    return np.asarray((market == FIRM) | (firm == 0))


def violated(f: Formulation, values: Array) -> Cuts:
    """For each covering row and block, the most violated cut over the sizes in use, if any."""
    s, found = f.problem.sources, []
    workload, capacity, market = f.of("workload"), f.of("units_per_hour"), f.of("market")
    x = values[f.replicas]
    for group in f.model.groups:
        if not group.name.startswith("cover ") or group.keys is None:
            continue
        for key in group.keys.tolist():
            w, mask = divmod(key, 2**32)
            sources = np.flatnonzero(s.workload == w)
            inside = sources[[i for i in range(len(sources)) if mask >> i & 1]]
            reached = np.unique(f.pairs[1][np.isin(f.pairs[0], inside) & f.reach & (workload[f.pairs[1]] == w)])
            capped = 0 < f.problem.workloads.max_spot_share[w] < 1 and len(inside) == len(sources)
            for firm in range(1 + capped):
                rows = np.flatnonzero((workload == w) & (market == FIRM)) if firm else reached
                if not len(rows):
                    continue
                demand = asked(f.problem, w, inside, firm)
                left = values[f.unserved[sources[0], : len(demand)]] * f.unit[w]
                left = np.zeros_like(left) if f.problem.workloads.must_serve[w] else left
                best = _most_violated(capacity[rows], x[rows], left, demand)
                block = np.flatnonzero(best > 0)
                found.append(np.array([np.broadcast_to(v, len(block)) for v in (w, mask, block, best[block], firm)]))
    return Cuts.of(np.concatenate(found, axis=1)) if found else Cuts.none()


def _most_violated(capacity: Array, x: Array, left: Array, demand: Array) -> Array:
    """Size of the most violated cut in each block, 0 where none is; int64 [B]."""
    weight = (capacity[:, None] * x).sum(axis=1)
    sizes = np.unique(capacity[np.argsort(-weight)][:MOST_SIZES][weight[np.argsort(-weight)][:MOST_SIZES] > 0])
    best, chosen = np.full(len(demand), LEAST_VIOLATION), np.zeros(len(demand), dtype=np.int64)
    for size in sizes.tolist():
        alpha, beta, need = strengths(capacity[:, None], demand[None, :], np.array(size))
        fraction = demand / size - np.floor(demand / size)
        lack = need[0] - (alpha * x).sum(axis=0) - beta[0] * left
        better = (lack > best) & (fraction > LEAST_FRACTION)
        best, chosen = np.where(better, lack, best), np.where(better, size, chosen)
    return chosen
