"""What to launch, move or stop now, and why: a pure function of how things stand.

It is the decision of the policy `markov` for one job (without a limit on what it may lose), with its reasons: the
expected cost of every choice, the time from which nothing but on demand is in time, and the odds of spot. Controllers
call it every `review_hours`; spot may be lost at any time between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import InputError
from ..spot.risk import UP_SCALE_HOURS
from ..workloads import fields
from .jobs import IDLE, ON_DEMAND, SPOT, TINY
from .values import K, Process, age_class, expected_hours
from .watch import PRIOR_ANOTHER_UP, PRIOR_LOSS_SHAPE, PRIOR_RETURN_SHAPE

Action = Literal["stay", "launch", "move", "stop", "wait", "done"]
ON_DEMAND_NAME = "on demand"
CENTS = 4  # digits of dollars in which choices differ
MOST_HOURS, MOST_USD, MOST_SHAPE = 100_000.0, 1e6, 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A spot market as it is now.

    hours_as_is: how long it has been up, or down.
    loss_shape: of its spells (`solver.spot.risk`); the prior without one.
    """

    name: str
    up: bool
    hours_as_is: float
    spot_usd_per_hour: float
    loss_shape: float = PRIOR_LOSS_SHAPE

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"pool {fields.text('pool', 'name', self.name)!r}"
        if self.name == ON_DEMAND_NAME:
            raise InputError("is what on demand is called", where=where, mend="give it another name")
        fields.number(where, "hours_as_is", self.hours_as_is, (0, MOST_HOURS))
        fields.number(where, "spot_usd_per_hour", self.spot_usd_per_hour, (0, MOST_USD), above=True)
        fields.number(where, "loss_shape", self.loss_shape, (0, MOST_SHAPE), above=True)

    @property
    def losses_per_hour(self) -> float:
        """Rate at which it would be lost now."""
        return self.loss_shape / (UP_SCALE_HOURS + self.hours_as_is)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One job and its markets now. `on` is "", "on demand" or a pool's name; prices are of the whole gang."""

    work_hours: float  # left
    hours_left: float  # until the deadline
    restart_hours: float
    on_demand_usd_per_hour: float
    pools: Sequence[Pool]
    on: str = ""
    boot_hours: float = 0.0  # left of the start under way
    review_hours: float = 0.1  # until it is looked at again
    return_shape: float = PRIOR_RETURN_SHAPE
    another_up: float | None = None  # probability that another pool is up when one is lost; the prior without one

    def __post_init__(self) -> None:
        """Check every field."""
        where = "situation"
        for name in ("work_hours", "restart_hours", "boot_hours"):
            fields.number(where, name, getattr(self, name), (0, MOST_HOURS))
        for name in ("hours_left", "review_hours"):
            fields.number(where, name, getattr(self, name), (0, MOST_HOURS), above=True)
        fields.number(where, "on_demand_usd_per_hour", self.on_demand_usd_per_hour, (0, MOST_USD), above=True)
        fields.number(where, "return_shape", self.return_shape, (0, MOST_SHAPE), above=True)
        if self.another_up is not None:
            fields.number(where, "another_up", self.another_up, (0, 1))
        names = [pool.name for pool in self.pools]
        if len(set(names)) < len(names):
            raise InputError("two pools have one name", where=where, mend="give each its own")
        if self.on not in ("", ON_DEMAND_NAME, *names):
            raise InputError(f"runs on {self.on!r:.60}, which is no pool", where=where, mend=f"one of {names}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice: its expected cost until the job is done (inf where barred), and what it rests on."""

    on: str
    expected_usd: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do now, on what, and why; `options` are all choices, the cheapest first."""

    action: Action
    on: str
    why: str
    options: tuple[Option, ...]
    on_demand_by_hours: float  # from now: then at the latest on demand has to be started


def advise(now: Situation) -> Advice:
    """The choice of least expected cost among those after which the deadline can still be met.

    Raises:
        InputError: the deadline cannot be met any more, not even on demand.
    """
    if now.work_hours <= TINY:
        return Advice(action="done" if not now.on else "stop", on="", why="the work is done", options=(),
                      on_demand_by_hours=math.inf)  # fmt: skip
    here = next((pool for pool in now.pools if pool.name == now.on), None)
    lost = here is not None and not here.up
    on = "" if lost else now.on
    boot = 0.0 if lost else now.boot_hours
    slack = now.hours_left - now.work_hours
    least = boot if on else now.restart_hours
    if slack < least - TINY:
        short = f"{now.work_hours:g} h of work and {least:g} h of a start in {now.hours_left:g} h"
        raise InputError(f"the deadline cannot be met: {short}", where="situation", mend="move the deadline")
    if on and slack < now.restart_hours - TINY:  # nothing can be started any more
        why = "there is no time left for another start" + (
            "" if on == ON_DEMAND_NAME else "; were it lost, so is the deadline"
        )
        return Advice(action="stay", on=on, why=why, options=(), on_demand_by_hours=0.0)
    pool = here if here and here.up else _best(now)
    options = tuple(sorted(_options(now, on, boot, pool), key=lambda option: round(option.expected_usd, CENTS)))
    chosen = options[0]
    why = chosen.why + (f"; {now.on} was lost" if lost else "")
    return Advice(action=_action(on, chosen.on), on=chosen.on, why=why, options=options,
                  on_demand_by_hours=max(0.0, slack - now.restart_hours))  # fmt: skip


def _best(now: Situation) -> Pool | None:
    """The pool that is up with the least price, losses included; none that costs as much as on demand."""
    up = [pool for pool in now.pools if pool.up and pool.spot_usd_per_hour < now.on_demand_usd_per_hour]
    return min(up, key=lambda p: p.spot_usd_per_hour * (1 + p.losses_per_hour * now.restart_hours), default=None)


def _options(now: Situation, on: str, boot: float, pool: Pool | None) -> list[Option]:
    price = now.on_demand_usd_per_hour
    quoted = pool or min(now.pools, key=lambda p: p.spot_usd_per_hour, default=None)
    another = now.another_up if now.another_up is not None else PRIOR_ANOTHER_UP
    process = Process(
        loss_shape=quoted.loss_shape if quoted else PRIOR_LOSS_SHAPE,
        return_shape=now.return_shape,
        another_up=another if len(now.pools) > 1 else 0.0,
        restart_hours=now.restart_hours,
        spot_price=quoted.spot_usd_per_hour / price if quoted else 1.0,
    )
    age = pool.hours_as_is if pool else min((p.hours_as_is for p in now.pools), default=0.0)
    x = int(age_class(np.array([age]))[0]) + (0 if pool else K)
    mode = {"": IDLE, ON_DEMAND_NAME: ON_DEMAND}.get(on, SPOT)
    slack = now.hours_left - now.work_hours - boot
    idle, on_demand, spot = (price * hours for hours in expected_hours(process, now.hours_left, slack, mode, x))
    made = [_spot(now, on, boot, pool, spot)] if pool else []
    return [*made, _on_demand(now, on_demand), _idle(now, idle)]  # of equals the first


def _idle(now: Situation, usd: float) -> Option:
    slack = now.hours_left - now.work_hours - now.restart_hours
    if slack < now.review_hours - TINY:
        return Option(on="", expected_usd=math.inf, why=f"there are {slack:.2f} h left to wait, less than a review")
    return Option(on="", expected_usd=usd, why=f"waiting is free, and {slack:.2f} h can be waited")


def _on_demand(now: Situation, usd: float) -> Option:
    slack = now.hours_left - now.work_hours - now.restart_hours
    return Option(on=ON_DEMAND_NAME, expected_usd=usd,
                  why=f"always to be had, and {slack:.2f} h of slack are kept")  # fmt: skip


def _spot(now: Situation, on: str, boot: float, pool: Pool, usd: float) -> Option:
    start = boot if on == pool.name else now.restart_hours
    if now.hours_left - now.work_hours - now.restart_hours < min(start, now.review_hours) - TINY:
        return Option(on=pool.name, expected_usd=math.inf, why=f"were {pool.name} lost, the deadline would be, too")
    off = 100 * (1 - pool.spot_usd_per_hour / now.on_demand_usd_per_hour)
    lasts = ((UP_SCALE_HOURS + pool.hours_as_is) / (UP_SCALE_HOURS + pool.hours_as_is + 1)) ** pool.loss_shape
    up = f"up for {pool.hours_as_is:.2f} h, and lasts an hour more with {lasts:.0%}"
    why = f"{pool.name} is {abs(off):.0f} % {'below' if off >= 0 else 'above'} on demand, {up}"
    return Option(on=pool.name, expected_usd=usd, why=why)


def _action(on: str, chosen: str) -> Action:
    if on == chosen:
        return "stay" if on else "wait"
    return "stop" if not chosen else "launch" if not on else "move"
