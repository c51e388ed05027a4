"""What of spot is left as work: checkpoints and restarts of a gang, replicas to hold ready, dollars for a useful hour.

Nodes fail independently at a constant rate; a gang of n nodes stops when any of them does, so on the whole after
M = 1 / (n x rate) hours. Young, "A first order approximation to the optimum checkpoint interval", CACM 17(9), 1974.
Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", FGCS 22(3), 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .risk import Array

MOST_REPLICAS = 10**6
LARGEST_POWER = 300.0  # of e: what takes longer never ends


def young_hours(checkpoint_hours: Array | float, mean_hours: Array | float) -> Array:
    """Work between checkpoints after Young: sqrt(2 d M), for checkpoints of d hours and M hours between failures."""
    return np.asarray(np.sqrt(2 * np.asarray(checkpoint_hours) * np.asarray(mean_hours)))


def daly_hours(checkpoint_hours: Array | float, mean_hours: Array | float) -> Array:
    """Work between checkpoints after Daly, hours.

    sqrt(2 d M) (1 + sqrt(d / 2M) / 3 + (d / 2M) / 9) - d below d = 2 M, from there on M.
    """
    d, m = np.broadcast_arrays(np.asarray(checkpoint_hours, dtype=float), np.asarray(mean_hours, dtype=float))
    part = d / (2 * m)
    made = np.sqrt(2 * d * m) * (1 + np.sqrt(part) / 3 + part / 9) - d
    return np.asarray(np.where(part < 1, made, m))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """Nodes that work, stop and go on together; hours. Fields may be arrays of one shape.

    Work goes on from the last checkpoint after a restart, which may itself be broken off. To get so much work between
    two checkpoints done, and the checkpoint, takes on the whole (Daly's complete model)

        M e^(R / M) (e^((work + d) / M) - 1)
    """

    nodes: Array | int
    failures_per_node_hour: Array | float
    checkpoint_hours: Array | float  # one checkpoint takes, work standing still
    restart_hours: Array | float

    @property
    def mean_hours(self) -> Array:
        """Between failures of any node; infinite where none fails."""
        rate = np.asarray(self.nodes) * np.asarray(self.failures_per_node_hour, dtype=float)
        with np.errstate(divide="ignore"):
            return np.asarray(1 / rate)

    def best_interval_hours(self) -> Array:
        """Daly's interval; hardly ever for a gang that never fails, all the time where checkpoints take none."""
        return daly_hours(self.checkpoint_hours, np.minimum(self.mean_hours, 1e12))

    def hours_to_finish(self, work_hours: Array | float, interval_hours: Array | float) -> Array:
        """Expected hours for so much work, a checkpoint after each interval and at the end."""
        return np.asarray(work_hours) / self.useful_share(interval_hours)

    def useful_share(self, interval_hours: Array | float) -> Array:
        """Share of its time that a gang does work that is kept, by the complete model; 0 where it never does."""
        mean, work = np.minimum(self.mean_hours, 1e12), np.maximum(np.asarray(interval_hours, dtype=float), 1e-12)
        up = np.minimum((work + self.checkpoint_hours) / mean, LARGEST_POWER)
        again = np.exp(np.minimum(np.asarray(self.restart_hours) / mean, LARGEST_POWER))
        return np.asarray(work / (mean * again * np.expm1(up)))

    def usd_per_useful_hour(self, usd_per_node_hour: Array | float, interval_hours: Array | float) -> Array:
        """Dollars of all nodes for an hour of work that is kept."""
        return np.asarray(np.asarray(usd_per_node_hour) * np.asarray(self.nodes) / self.useful_share(interval_hours))


def share_out(losses_per_hour: float, cold_start_minutes: float, notice_minutes: float) -> float:
    """Share of its time that a replica is missing: from the end of the notice until another has started."""
    out = max(0.0, cold_start_minutes - notice_minutes) / 60 * losses_per_hour
    return out / (1 + out)


def replicas_ready(need: int, out: float, level: float, *, together: float = 0.0) -> int:
    """The fewest replicas of which at least `need` serve with a probability of at least `level`.

    Each is missing for a share `out` of the time; `together` of that, all of them at once (a common shock), the rest by
    itself: P = (1 - together x out) x P(Binomial(n, 1 - o) >= need), with o left so that each is missing for `out`.

    Raises:
        InputError: numbers out of range, or shocks that no number of replicas makes up for.
    """
    if not 0 <= need <= MOST_REPLICAS or not 0 <= out < 1 or not 0 < level < 1 or not 0 <= together <= 1:
        said = f"replicas for need {need}, out {out:g}, level {level:g}, together {together:g}"
        raise InputError(said, where="spot", mend="shares from 0 to 1, a level below 1")
    shock = together * out
    if 1 - shock < level:
        said = f"all replicas are missing for {shock:.2%} of the time, which leaves no {level:.2%}"
        raise InputError(said, where="spot", mend="hold replicas on demand, or spread them over zones that fail apart")
    alone = (out - shock) / (1 - shock)
    low, high = need, max(2 * need, 1)
    while high < 2 * MOST_REPLICAS and _serving(need, high, alone) * (1 - shock) < level:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        enough = _serving(need, middle, alone) * (1 - shock) >= level
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def _serving(need: int, count: int, out: float) -> float:
    from scipy.stats import binom

    return float(binom.sf(need - 1, count, 1 - out))
