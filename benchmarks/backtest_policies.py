"""Ways to buy commitments as time goes by: `policy.bought(track)` gives whole nodes by hour and series.

A policy sees demand up to the hour at which it buys and nothing later; only those of which `knows` says so see it all.
Most buy once a month; the online rules may buy in any hour. The market: on demand, or one commitment of a term.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from solver.reserve import Reserve, Usage

Array = np.ndarray[Any, np.dtype[Any]]
ON_DEMAND, COMMITTED = 1_000_000, 630_000  # micro-dollars an hour: the median of AWS's one year without upfront payment
START = datetime.date(2024, 1, 1)
CANDIDATES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Demand to be served, and when one may commit."""

    name: str
    group: str
    demand: Array  # int64 nodes [T, N]
    first: int  # the hour at which buying and paying begin; before, it is history
    term: int  # hours that a commitment lasts
    month: int  # hours between decisions
    daily: bool = False  # whether what plays the part of an hour is a day
    note: str = ""

    @property
    def decisions(self) -> list[int]:
        """Hours at which one decides."""
        return list(range(self.first, len(self.demand), self.month))

    def until(self, hour: int) -> Track:
        """What is known at the beginning of an hour."""
        return dataclasses.replace(self, demand=self.demand[:hour])


class Policy(Protocol):
    """A way to buy."""

    @property
    def name(self) -> str:
        """As shown."""

    @property
    def knows(self) -> bool:
        """Whether it is shown what is still to come."""

    def bought(self, track: Track) -> Array:
        """Nodes committed to from each hour on, int64 [T, N]."""


def in_force(bought: Array, term: int) -> Array:
    """Commitments that last in each hour, int64 [T, N]."""
    total = np.cumsum(bought, axis=0)
    total[term:] -= total[:-term].copy() if len(total) > term else 0
    return np.asarray(total)


def cost_micro_usd(track: Track, bought: Array) -> int:
    """All that is paid in the hours from the first on: commitments by the hour, and what they leave on demand."""
    held = in_force(bought, track.term)[track.first :]
    left = np.maximum(track.demand[track.first :] - held, 0)
    return int(held.sum()) * COMMITTED + int(left.sum()) * ON_DEMAND


def monthly(track: Track, buy: Any) -> Array:
    """Purchases of a rule that is asked at each decision: buy(track known so far, bought so far) → nodes [N]."""
    made = np.zeros_like(track.demand)
    for hour in track.decisions:
        made[hour] = buy(track.until(hour), made[:hour])
    return made


@dataclass(frozen=True, slots=True)
class OnDemand:
    """Never commits."""

    name: str = "all on demand"
    knows: bool = False

    def bought(self, track: Track) -> Array:
        """Nothing."""
        return np.zeros_like(track.demand)


@dataclass(frozen=True, slots=True)
class Console:
    """A provider's recommendation: of 400 commitments an hour the one that would have saved most last month."""

    name: str = "console"
    knows: bool = False

    def bought(self, track: Track) -> Array:
        """Each month, on top of what is owned."""
        return monthly(track, self._buy)

    def _buy(self, track: Track, before: Array) -> Array:
        now = len(track.demand)
        owned = before[max(0, now - track.term + 1) :].sum(axis=0)  # what has not ended by now
        recent = np.maximum(track.demand[-track.month :] - owned, 0)
        return np.array([_best(one) for one in recent.T])


def _best(recent: Array) -> int:
    """The cheapest of the candidates for these hours, whole nodes."""
    tried = np.unique(np.rint(np.linspace(0, recent.max(initial=0), CANDIDATES + 1)).astype(np.int64))
    cost = tried * len(recent) * COMMITTED + np.maximum(recent[:, None] - tried, 0).sum(axis=0) * ON_DEMAND
    return int(tried[cost.argmin()])


@dataclass(frozen=True, slots=True)
class Online:
    """Algorithm A_z of Wang, Li and Liang (arXiv 1305.5608), at the threshold z in units of a commitment's fee.

    In each hour, after its demand is known: while p × (hours of the last term in which demand was above what was
    reserved) > z, reserve one more, and count it as reserved in those hours too. Hours without use cost a reservation
    nothing less here, so that their discount α is 0 and the break-even β is 1. History counts as seen, nothing being
    reserved in it.
    """

    z: float = 1.0
    name: str = "online, deterministic"
    knows: bool = False

    def bought(self, track: Track) -> Array:
        """In any hour."""
        return np.stack([online(one, track, np.array([self.z]))[0] for one in track.demand.T], axis=1)


def online(demand: Array, track: Track, z: Array) -> Array:
    """What A_z buys of one series in each hour, for several thresholds at once, int64 [Z, T]."""
    hours, term = len(demand), track.term
    limit = z * term * COMMITTED / ON_DEMAND  # hours on demand that cost z fees
    covered = np.zeros((len(z), hours + term), dtype=np.int64)
    made = np.zeros((len(z), hours), dtype=np.int64)
    begin = max(0, track.first - term)
    count = np.full(len(z), np.count_nonzero(demand[begin : track.first] > 0))
    for t in range(track.first, hours):
        count += demand[t] > covered[:, t]
        if t >= term:
            count -= demand[t - term] > covered[:, t - term]
        while (more := np.flatnonzero(count > limit)).size:
            low = max(0, t - term + 1)
            covered[more, low : t + term] += 1
            made[more, t] += 1
            count[more] = (demand[low : t + 1] > covered[more, low : t + 1]).sum(axis=1)
    return made


def thresholds(draws: int, seed: int) -> Array:
    """Thresholds of the randomised rule with α = 0: density e^z / (e − 1) on [0, 1), by its inverse."""
    share = np.random.default_rng(seed).random(draws)
    return np.log1p(share * (math.e - 1))


def reserve(track: Track, nodes: Array, probability: tuple[Fraction, ...], before: Array, starts: list[int]) -> Reserve:
    """The problem of one decision.

    Args:
        track: what is known so far; its end is now.
        nodes: in each future from now on, int64 [S, H, N].
        probability: of the futures.
        before: bought so far, int64 [t, N]; the same clock as the track's.
        starts: hours from now at which one may commit.
    """
    from solver.reserve import Choices, Pools, Reserve, Usage

    count = nodes.shape[2]
    pools = Pools(
        account=np.full(count, "", object), provider=np.full(count, "aws", object), region=np.full(count, "r", object),
        node=np.array([f"n{q}" for q in range(count)], object), on_demand_micro_usd=np.full(count, ON_DEMAND),
    )  # fmt: skip
    first = max(0, len(before) - track.term + 1)
    held = [(int(t) + first - len(before), int(q), int(before[first + t, q])) for t, q in np.argwhere(before[first:])]
    rows = [_row(q, count, start, track.term, 0) for start in starts for q in range(count)]
    rows += [_row(q, count, start, track.term, owned) for start, q, owned in held]
    usage = Usage(start=START, nodes=nodes, probability=probability)
    return Reserve(pools=pools, usage=usage, choices=Choices.of(rows, count))


def _row(q: int, count: int, start: int, term: int, owned: int) -> dict[str, Any]:
    return {
        "option": "commit_1y", "title": "", "where": f"n{q}", "account": "", "buyer": "", "unit": "node", "order": 20,
        "capacity": 1, "takes": [int(q == i) for i in range(count)], "micro_usd_per_hour": COMMITTED,
        "upfront_micro_usd": 0, "first_hour": start, "last_hour": start + term, "owned": owned, "most": -1,
        "source": "",
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """How the planner is asked at each decision."""

    view: float = 1.0  # terms that it looks ahead
    ladder: int = 12  # decisions at which it thinks it can buy, this one the first
    gap: float = 1e-3
    time_limit_s: float = 30.0

    def horizon(self, track: Track) -> int:
        """Hours that it looks ahead."""
        return round(self.view * track.term)

    def buy(self, track: Track, usage: Usage, before: Array) -> Array:
        """What to buy now."""
        from solver.reserve.optimise import optimum

        starts = [k * track.month for k in range(self.ladder) if k * track.month < usage.hours]
        asked = reserve(track, usage.nodes, usage.probability, before, starts)
        found = optimum(asked, gap=self.gap, time_limit_s=self.time_limit_s)
        return found.quantity[: track.demand.shape[1]]


@dataclass(frozen=True, slots=True)
class Known:
    """The planner with demand known as far as it looks."""

    planner: Planner = Planner()
    name: str = "planner, demand known"
    knows: bool = True

    def bought(self, track: Track) -> Array:
        """Each month."""
        from solver.reserve import Usage

        def buy(known: Track, before: Array) -> Array:
            now = len(known.demand)
            ahead = track.demand[None, now : now + self.planner.horizon(track)]
            return self.planner.buy(known, Usage(start=START, nodes=ahead, probability=(Fraction(1),)), before)

        return monthly(track, buy)


def drawn_paths(track: Track, horizon: int, count: int) -> Array:
    """Demand as it may go on, float [S, H, N], deterministic."""
    from solver.forecast import History, forecast

    step = np.timedelta64(24 if track.daily else 1, "h")
    times = np.datetime64(START.isoformat(), "h") + step * np.arange(len(track.demand))
    series = tuple(f"s{i}" for i in range(track.demand.shape[1]))
    history = History(times=times, series=series, values=track.demand.astype(float), unit="nodes")
    return np.asarray(forecast(history, horizon, paths=count, seed=0).paths)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The planner with what `solver.forecast` says of the history so far.

    `as_before` is the probability of one more future: the last month again and again.
    """

    as_before: Fraction = Fraction(0)
    planner: Planner = Planner()
    paths: int = 200
    keep: int = 20
    draw: Callable[[Track, int, int], Array] = drawn_paths
    name: str = "planner, forecast alone"
    knows: bool = False

    def bought(self, track: Track) -> Array:
        """Each month."""
        from solver.reserve.usage import of_paths

        def buy(known: Track, before: Array) -> Array:
            paths = self.draw(known, self.planner.horizon(track), self.paths)
            usage = of_paths(START, paths, keep=self.keep)
            return self.planner.buy(known, going_on(usage, known, self.as_before), before)

        return monthly(track, buy)


def going_on(usage: Usage, track: Track, chance: Fraction) -> Usage:
    """Futures, and with this probability one in which the last month comes again and again."""
    if not chance:
        return usage
    month = track.demand[-track.month :]
    again = month[np.arange(usage.hours) % len(month)]
    nodes = np.concatenate([usage.nodes, again[None]])
    return dataclasses.replace(usage, nodes=nodes, probability=(*(p * (1 - chance) for p in usage.probability), chance))


@dataclass(frozen=True, slots=True)
class Hindsight:
    """All decisions at once, with all of demand known: nothing bought at decisions is cheaper than its bound."""

    gap: float = 1e-4
    time_limit_s: float = 120.0
    name: str = "hindsight"
    knows: bool = True

    def bought(self, track: Track) -> Array:
        """At the decisions."""
        return self.proved(track)[0]

    def proved(self, track: Track) -> tuple[Array, float]:
        """Purchases, and dollars below which no purchases at the decisions cost."""
        from solver.reserve.optimise import optimum

        starts = [hour - track.first for hour in track.decisions]
        nothing = np.zeros_like(track.demand[: track.first])
        asked = reserve(track, track.demand[None, track.first :], (Fraction(1),), nothing, starts)
        found = optimum(asked, gap=self.gap, time_limit_s=self.time_limit_s)
        made = np.zeros_like(track.demand)
        made[track.decisions] = found.quantity.reshape(len(starts), -1)
        return made, found.lower_usd
