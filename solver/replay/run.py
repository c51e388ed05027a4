"""Replays jobs on a trace, tick by tick, all jobs at once, and sees to it that none is late.

Before a tick the market shows which zones are up in it; then the policy chooses. A choice after which the rest could
no longer be done on demand in time is overruled: the job goes on demand, so that no policy misses a deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, PlannerError
from .jobs import IDLE, ON_DEMAND, SPOT, TINY, Case, Jobs, Prices, State

if TYPE_CHECKING:
    from ..spot import Market
    from .policies import Policy

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of each job; arrays [J]."""

    policy: str
    usd: Array
    finish_hours: Array  # after its start
    on_demand_hours: Array
    spot_hours: Array
    starts: Array  # int64, of gangs
    losses: Array  # int64, gangs taken back
    overruled: Array  # int64, ticks in which the deadline left no choice

    def late(self, jobs: Jobs) -> Array:
        """Jobs that missed their deadline, bool [J]."""
        return np.asarray(~(self.finish_hours <= jobs.deadline_hours + 1e-6))


def replay(market: Market, jobs: Jobs, prices: Prices, policy: Policy, *, instances: int = 1) -> Outcome:
    """Run every job on the trace as the policy says.

    Args:
        market: the trace.
        jobs: what is to be done; each must end within the trace.
        prices: of a gang, a spot price for each zone.
        policy: who chooses.
        instances: in a gang.

    Raises:
        InputError: a job that reaches beyond the trace, or prices for another number of zones.
    """
    ends = jobs.start + np.ceil(jobs.deadline_hours / market.gap_hours - TINY).astype(np.int64)
    if jobs.count and ends.max() > market.ticks:
        job = int(ends.argmax())
        said = f"its deadline is {ends[job] - market.ticks:,} ticks after the end of the trace {market.name}"
        raise InputError(said, where=f"job {job}", mend="start it sooner, or give a longer trace")
    if len(prices.spot_usd_per_hour) != len(market.zones):
        raise InputError("not one spot price for each zone", where="prices", mend=f"give {len(market.zones)}")
    case = Case(market=market, up=market.up(instances), jobs=jobs, prices=prices)
    return _Run(case, policy).outcome()


class _Run:
    """The state of all jobs, and the tick."""

    def __init__(self, case: Case, policy: Policy) -> None:
        jobs, count = case.jobs, case.jobs.count
        self.case, self.policy, self.gap = case, policy, case.market.gap_hours
        self.up = np.ascontiguousarray(case.up.T)  # [T, Z]
        self.price = case.prices.by_mode
        self.work, self.boot = jobs.work_hours.astype(float), np.zeros(count)
        self.mode, self.usd = np.zeros(count, dtype=np.int64), np.zeros(count)
        self.finish = np.full(count, np.nan)
        self.hours = np.zeros((3, count))  # idle, on demand, spot
        self.starts, self.losses, self.overruled = (np.zeros(count, dtype=np.int64) for _ in range(3))

    def outcome(self) -> Outcome:
        choose = self.policy.begin(self.case)
        tick = 0
        while np.isnan(self.finish).any():
            self._tick(tick, choose)
            tick += 1
        return Outcome(
            policy=self.policy.name, usd=self.usd, finish_hours=self.finish, on_demand_hours=self.hours[ON_DEMAND],
            spot_hours=self.hours[SPOT], starts=self.starts, losses=self.losses, overruled=self.overruled,
        )  # fmt: skip

    def _tick(self, tick: int, choose: Any) -> None:
        jobs, gap = self.case.jobs, self.gap
        now = np.minimum(jobs.start + tick, len(self.up) - 1)
        up, live, every = self.up[now], np.isnan(self.finish), np.arange(jobs.count)
        lost = (self.mode >= SPOT) & ~up[every, np.maximum(self.mode - SPOT, 0)]
        self.losses += lost & live
        self.mode, self.boot = np.where(lost, IDLE, self.mode), np.where(lost, 0.0, self.boot)
        left = jobs.deadline_hours - tick * gap
        state = State(tick=now, hours_left=left, work_hours=self.work, boot_hours=self.boot, mode=self.mode,
                      usd=self.usd, up=up)  # fmt: skip
        chosen = np.where(live, choose(state), IDLE)
        if (up[every, np.maximum(chosen - SPOT, 0)] < (chosen >= SPOT)).any():
            raise PlannerError("chose a zone that is down", where=f"policy {self.policy.name}", mend="mend the policy")
        safe = in_time(chosen, state, jobs.restart_hours, gap)
        self.overruled += live & ~safe
        chosen = np.where(live & ~safe, ON_DEMAND, chosen)
        boot, run, done = step(chosen, state, jobs.restart_hours, gap)
        self.starts += live & (chosen != self.mode) & (chosen != IDLE)
        self.usd = self.usd + self.price[chosen] * run
        np.add.at(self.hours, (np.minimum(chosen, SPOT), every), run)
        self.work, self.boot, self.mode = np.maximum(self.work - done, 0.0), boot, chosen
        ended = live & (self.work <= TINY)
        self.finish = np.where(ended, tick * gap + run, self.finish)


def step(chosen: Array, state: State, restart_hours: Array, gap: float) -> tuple[Array, Array, Array]:
    """Hours of boot left after a tick, paid in it, and of work done in it; each [J]."""
    boot = np.where(chosen == state.mode, state.boot_hours, restart_hours)
    run = np.where(chosen == IDLE, 0.0, np.minimum(gap, boot + state.work_hours))
    return np.where(chosen == IDLE, 0.0, np.maximum(boot - run, 0.0)), run, np.maximum(run - boot, 0.0)


def in_time(chosen: Array, state: State, restart_hours: Array, gap: float) -> Array:
    """Whether after a tick of this choice the rest can still be done on demand by the deadline, bool [J]."""
    _, run, done = step(chosen, state, restart_hours, gap)
    rest = state.work_hours - done
    finished = (rest <= TINY) & (run <= state.hours_left + TINY)
    return np.asarray((chosen == ON_DEMAND) | finished | (state.hours_left - gap >= rest + restart_hours - TINY))
