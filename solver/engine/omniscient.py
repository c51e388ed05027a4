"""The least a job can cost for who knows the whole trace: the bound that policies are measured against.

Time falls into segments j in which the same zones are up, ℓ[j] hours each. For each mode m that can run in a segment:
y[m, j] hours of it, v[m, j] whether it starts there, k[m, j] whether it runs on into the next segment.

    min Σ price[m] y[m, j]
    Σ_m y[m, j] ≤ ℓ[j],    Σ_m k[m, j] ≤ 1                  one gang at a time
    y[m, j] ≤ ℓ[j] (k[m, j−1] + v[m, j]),    k[m, j] ≤ k[m, j−1] + v[m, j]
    y[m, j] ≥ ℓ[j] (k[m, j−1] + k[m, j] − 1)                what runs on has no pause
    Σ y − d Σ v ≥ work                                       every start costs d

Decisions may fall between ticks, which policies' may not: no policy costs less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..model import Program
from .mathopt import solve

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = np.ndarray[Any, np.dtype[Any]]
TIME_LIMIT_S = 20.0
GAP = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """Dollars that no plan for a job falls below, and those of the best plan found; equal when proved."""

    lower_usd: float
    usd: float


def foresight(
    up: Array, gap_hours: float, work_hours: float, deadline_hours: float, restart_hours: float, usd_per_hour: Array,
    time_limit_s: float = TIME_LIMIT_S,
) -> Foresight:  # fmt: skip
    """Least cost of one job that begins with the first tick.

    Args:
        up: bool [Z, T], zones by tick, as far as the deadline.
        gap_hours: of a tick.
        work_hours: to be done.
        deadline_hours: by when.
        restart_hours: paid and lost at each start.
        usd_per_hour: float [1 + Z], on demand and on spot in each zone.
        time_limit_s: of the search.

    Where no plan is found in time, on demand alone is one, and nothing is done below the least price.
    """
    runs, hours = segments(up, gap_hours, deadline_hours)
    program = _program(runs, hours, work_hours, restart_hours, usd_per_hour)
    answer = solve(program, gap=GAP, time_limit_s=time_limit_s)
    at_least = work_hours * float(usd_per_hour.min())
    usd = (work_hours + restart_hours) * float(usd_per_hour[0]) if answer.values is None else answer.objective
    return Foresight(lower_usd=min(max(answer.bound, at_least), usd), usd=usd)


def segments(up: Array, gap_hours: float, deadline_hours: float) -> tuple[Array, Array]:
    """Modes that can run in each segment, bool [1 + Z, n] with on demand first, and its hours [n]."""
    ticks = int(np.ceil(deadline_hours / gap_hours - 1e-9))
    up = up[:, :ticks]
    first = np.flatnonzero(np.concatenate([[True], (up[:, 1:] != up[:, :-1]).any(axis=0)]))
    ends = np.minimum(np.append(first, ticks) * gap_hours, deadline_hours)
    return np.vstack([np.ones((1, len(first)), dtype=bool), up[:, first]]), np.diff(ends)


def _program(runs: Array, hours: Array, work: float, restart: float, usd_per_hour: Array) -> Program:
    """Columns y, v, k of every mode in every segment; those that cannot be are closed."""
    modes, n = runs.shape
    y, v, k = np.arange(3 * modes * n).reshape(3, modes, n)
    upper = np.zeros((3, modes, n))
    upper[0], upper[1] = np.where(runs, hours, 0.0), runs
    upper[2, :, :-1] = runs[:, :-1] & runs[:, 1:]
    before = k[:, :-1]  # what comes into segment j > 0
    rows = _Rows(3 * modes * n)
    rows.add([(y.T, 1.0)], -np.inf, hours)
    rows.add([(k.T, 1.0)], -np.inf, np.ones(n))
    each = modes * n
    later = _into(before, modes, n)
    long = np.broadcast_to(hours, (modes, n)).ravel()
    rows.add([(y.ravel(), 1.0), (later, -long), (v.ravel(), -long)], -np.inf, np.zeros(each))
    rows.add([(k.ravel(), 1.0), (later, -1.0), (v.ravel(), -1.0)], -np.inf, np.zeros(each))
    rows.add([(y.ravel(), 1.0), (later, -long), (k.ravel(), -long)], -long, np.full(each, np.inf))
    rows.add([(y.ravel()[None], 1.0), (v.ravel()[None], -restart)], np.full(1, work), np.full(1, np.inf))
    cost = np.zeros((3, modes, n))
    cost[0] = usd_per_hour[:, None]
    whole = np.zeros((3, modes, n), dtype=bool)
    whole[1:] = True
    matrix, low, high = rows.made()
    return Program(cost=cost.ravel(), lower=np.zeros(upper.size), upper=upper.ravel(), whole=whole.ravel(),
                   matrix=matrix, row_lower=low, row_upper=high)  # fmt: skip


def _into(before: Array, modes: int, n: int) -> Array:
    """The column that runs into each mode and segment, −1 for the first."""
    made = np.full((modes, n), -1)
    made[:, 1:] = before
    return made.ravel()


class _Rows:
    """Rows of a program, from columns [m] or [m, several] and their factors."""

    def __init__(self, columns: int) -> None:
        self.columns, self.count = columns, 0
        self.parts: list[tuple[Array, Array, Array]] = []
        self.low: list[Array] = []
        self.high: list[Array] = []

    def add(self, terms: list[tuple[Array, Array | float]], low: Array | float, high: Array) -> None:
        rows = self.count + np.arange(len(high))
        for columns, factor in terms:
            where = rows[:, None] if columns.ndim > 1 else rows
            r, c, f = (a.ravel() for a in np.broadcast_arrays(where, columns, np.asarray(factor, dtype=float)))
            self.parts.append((r[c >= 0], c[c >= 0], f[c >= 0]))
        self.low.append(np.broadcast_to(low, high.shape))
        self.high.append(high)
        self.count += len(high)

    def made(self) -> tuple[csr_array, Array, Array]:
        from scipy.sparse import csr_array

        r, c, f = (np.concatenate([part[i] for part in self.parts]) for i in range(3))
        matrix = cast("csr_array", csr_array((f, (r, c)), shape=(self.count, self.columns)))
        return matrix, np.concatenate(self.low), np.concatenate(self.high)
