"""Jobs with deadlines on a market of spot: what each needs, what it has done so far, and what a policy sees of it.

A job runs on one gang at a time: on spot in one of the market's zones, or on demand, which is always to be had. Each
start costs `restart_hours` in which the gang is paid and does no work. A gang on spot is lost with the first tick in
which its zone has too few instances; what it has done until then stays done. J jobs, Z zones, T ticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from ..spot import Market

Array = np.ndarray[Any, np.dtype[Any]]
IDLE, ON_DEMAND, SPOT = 0, 1, 2  # what a job is on; SPOT + z is spot in zone z
MOST_HOURS = 100_000.0
TINY = 1e-9  # hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars an hour of one gang."""

    on_demand_usd_per_hour: float
    spot_usd_per_hour: Array  # float [Z]

    def __post_init__(self) -> None:
        """Every price is above 0."""
        spot = np.asarray(self.spot_usd_per_hour, dtype=float)
        if not (0 < self.on_demand_usd_per_hour < np.inf and (spot > 0).all() and np.isfinite(spot).all()):
            raise InputError("prices must be above 0", where="prices", mend="give dollars an hour of one gang")
        object.__setattr__(self, "spot_usd_per_hour", spot)

    @property
    def by_mode(self) -> Array:
        """Dollars an hour of each mode, float [2 + Z]."""
        return np.concatenate([[0.0, self.on_demand_usd_per_hour], self.spot_usd_per_hour])


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Jobs, each with its own start in the trace; all arrays [J]."""

    work_hours: Array
    deadline_hours: Array  # from its start
    restart_hours: Array
    start: Array  # int64, tick

    def __post_init__(self) -> None:
        """Work that fits before the deadline on demand, restart included."""
        sound = (self.work_hours > 0) & (self.restart_hours >= 0) & (self.start >= 0)
        sound &= self.deadline_hours < MOST_HOURS
        if not sound.all():
            mend = f"work above 0, a start and a tick from 0, a deadline below {MOST_HOURS:,.0f} h"
            raise InputError("out of range", where=f"job {int(np.flatnonzero(~sound)[0])}", mend=mend)
        late = np.flatnonzero(~(self.work_hours + self.restart_hours <= self.deadline_hours))
        if len(late):
            job = int(late[0])
            said = f"{self.work_hours[job]:g} h of work and a start of {self.restart_hours[job]:g} h"
            mend = "give a later deadline"
            raise InputError(f"{said} are more than {self.deadline_hours[job]:g} h", where=f"job {job}", mend=mend)

    @property
    def count(self) -> int:
        """Number of jobs J."""
        return len(self.work_hours)

    def take(self, rows: Array) -> Jobs:
        """Some of them."""
        return Jobs(work_hours=self.work_hours[rows], deadline_hours=self.deadline_hours[rows],
                    restart_hours=self.restart_hours[rows], start=self.start[rows])  # fmt: skip

    def on_demand_usd(self, prices: Prices) -> Array:
        """What each costs on demand alone."""
        return np.asarray((self.work_hours + self.restart_hours) * prices.on_demand_usd_per_hour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known before the first tick: the market's past (a policy may look back from its tick, never ahead)."""

    market: Market
    up: Array  # bool [Z, T], whether a zone has instances enough for a gang
    jobs: Jobs
    prices: Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All jobs at one tick; arrays [J] and `up` [J, Z]."""

    tick: Array  # int64, of the trace
    hours_left: Array  # until the deadline
    work_hours: Array  # left; 0 when done
    boot_hours: Array  # of the start that is under way, left
    mode: Array  # int64: IDLE, ON_DEMAND or SPOT + zone
    usd: Array  # spent
    up: Array  # bool

    def take(self, rows: Array) -> State:
        """Some of the jobs."""
        return State(**{name: getattr(self, name)[rows] for name in State.__slots__})

    @property
    def any_up(self) -> Array:
        """Whether some zone is up, bool [J]."""
        return np.asarray(self.up.any(axis=1))

    def spot_or(self, otherwise: Array) -> Array:
        """Stay on spot, else the first zone that is up, else something else."""
        first = np.where(self.mode >= SPOT, self.mode, SPOT + self.up.argmax(axis=1))
        return np.where(self.any_up, first, otherwise)
