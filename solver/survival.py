"""What a loss leaves: a plan replayed without each zone and each region in turn, hour by hour, by its own dispatch.

Nothing here is shared with the rules or the search: the plan's tables are read again, nodes that are lost are taken
away, and what is left serves as much as a maximum flow can (Ford and Fulkerson 1956, in whole units).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .problem import COMMITMENT, MARKETS, ON_DEMAND, SPOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .plan import Plan
    from .problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
PLANNED, STANDING = "as planned", "as it stands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something lost: zones of each region that are left [R], and of each pool those whose spot markets are [Q]."""

    name: str
    up: tuple[int, ...]
    spot: tuple[int, ...]
    states: tuple[int, ...] = ()  # of the problem, in which the plan knows of it; S


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a workload has left of its demand in a loss; shares are of what it asks for when nothing is lost."""

    loss: str
    workload: str
    way: str  # PLANNED: with all that the plan has or buys while it lasts; STANDING: with what ran when it came
    worst: Fraction  # share unserved in the worst hour
    mean: Fraction  # over all hours, each as probable as it is
    allowed: Fraction | None  # share that may stay unserved in that worst hour; None where nothing says
    kept: bool  # each source of demand gets in every hour all that the plan owes it


def survival(problem: Problem, plan: Plan) -> list[Left]:
    """Every workload with traffic in every loss: each the problem names, each region, and each zone of several.

    As planned there is a row where the problem has a state for the loss: its placements, as far as what they need is
    there. As it stands nothing new is bought: committed nodes, and those bought by the hour at that time, spread evenly
    over zones, run what they ran or what the plan would have them run then; idle ones and those of jobs help out. What
    is unserved there is at most what is said.
    """
    replay = _Replay(problem, plan)
    found: list[Left] = []
    for loss in losses(problem):
        for way, hours in ((PLANNED, replay.planned(loss)), (STANDING, replay.standing(loss))):
            found += replay.sums(loss.name, way, list(hours))
    return found


def losses(problem: Problem) -> list[Loss]:
    """The states of the problem in which something is lost, then each region and each zone that is no state already."""
    zones = np.maximum(problem.sites.zones, 1)
    site, made = problem.pool_site, dict[tuple[tuple[int, ...], tuple[int, ...]], Loss]()
    out = problem.outages
    for s, name in enumerate(out.state if out is not None else ()):
        blocks = np.flatnonzero(problem.blocks.scenario == s)
        if name and len(blocks) and out is not None:
            up, spot = out.up[:, blocks[0]], problem.spot_up[:, blocks[0]]
            key = tuple(up.tolist()), tuple(spot.tolist())
            states = (*made[key].states, s) if key in made else (s,)
            made[key] = Loss(name=name, up=key[0], spot=key[1], states=states)
    for r, count in enumerate(zones.tolist()):
        place = f"{problem.sites.provider[r]}/{problem.sites.region[r]}"
        for left, what in ((0, ""), (count - 1, "a zone of ")) if (site == r).any() else ():
            up = np.where(np.arange(len(zones)) == r, left, zones)
            key = tuple(up.tolist()), tuple(up[site].tolist())
            if left or not what:
                made.setdefault(key, Loss(name=f"{what}{place} is lost", up=key[0], spot=key[1]))
    return list(made.values())


@dataclass(slots=True)
class _Hour:
    """One block in a loss: of each workload what it asks for, what it gets, what it is owed."""

    weight: Fraction
    asked: dict[int, int] = field(default_factory=dict)
    served: dict[int, int] = field(default_factory=dict)
    owed: dict[int, int] = field(default_factory=dict)
    kept: dict[int, bool] = field(default_factory=dict)


class _Replay:
    """The plan's tables as whole numbers by block."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        """Read them."""
        self.p = problem
        o, c, s = problem.offers, problem.candidates, problem.sources
        pools, blocks = len(problem.pool_shape), problem.blocks.count
        self.bought = np.zeros((pools, blocks), dtype=np.int64)
        self.held = np.zeros((pools, blocks), dtype=np.int64)
        for k, b, n in _rows(plan.purchases, "offer", "block", "nodes"):
            if o.kind[k] == ON_DEMAND:
                self.bought[o.pool[k], b] += n
            elif o.kind[k] == COMMITMENT:
                self.held[o.pool[k]] += n * o.active[k]
        self.runs: list[dict[int, int]] = [{} for _ in range(blocks)]
        self.used = np.zeros((len(MARKETS), pools, blocks), dtype=np.int64)
        for k, b, n in _rows(plan.placements, "candidate", "block", "replicas"):
            self.runs[b][k] = self.runs[b].get(k, 0) + n
            self.used[c.market[k], c.pool[k], b] += n * c.nodes_per_replica[k]
        self.left = np.zeros((len(s.workload), blocks), dtype=np.int64)
        for d, b, n in _rows(plan.unserved, "source", "block", "units"):
            if b >= 0:
                self.left[d, b] += n
        self.flows = [
            np.flatnonzero((s.workload == w) & (s.total_units == 0)) for w in range(len(problem.workloads.name))
        ]
        self.reach = self._reach()
        self.zones = np.maximum(problem.sites.zones, 1)[problem.pool_site]
        self.lost = [bool(problem.outages and problem.outages.state[k]) for k in range(len(problem.blocks.probability))]
        self.pairs: dict[int, list[int]] = {}  # of either block, those of the same hours
        for a, b in problem.outages.calm.T.tolist() if problem.outages is not None else ():
            self.pairs.setdefault(a, []).append(b)
            self.pairs.setdefault(b, []).append(a)

    def _reach(self) -> Array:
        """Whether a source may be served by a candidate, bool [D, C]."""
        p = self.p
        c, s, w = p.candidates, p.sources, p.workloads
        made = np.zeros((len(s.workload), len(c.pool)), dtype=bool)
        for d, owner in enumerate(s.workload.tolist()):
            for k in np.flatnonzero(c.workload == owner).tolist():
                r = p.pool_site[c.pool[k]]
                home = w.residency[owner]
                fine = not home or {p.sites.country[r], p.sites.jurisdiction[r]} & set(home)
                made[d, k] = bool(fine) and s.rtt_ms[d, r] + c.ttft_ms[k] <= w.ttft_ms[owner]
        return made

    def planned(self, loss: Loss) -> Iterator[_Hour]:
        """The blocks of the loss's own states: what runs there, as far as its nodes are there."""
        hold = self.p.outages.hold if self.p.outages is not None else ()
        for b in np.flatnonzero(np.isin(self.p.blocks.scenario, loss.states)).tolist():
            firm, spot = self._there(loss, b)
            if hold and hold[self.p.blocks.scenario[b]]:
                for calm in self.pairs.get(b, []):
                    stands, on_spot = self._stands(loss, calm)
                    firm, spot = np.minimum(firm, stands), np.minimum(spot, on_spot)
            asked = np.max([self.p.sources.units_per_hour[:, k] for k in (b, *self.pairs.get(b, []))], axis=0)
            yield self._hour(b, asked, self._fitted(self.runs[b], firm, spot))

    def standing(self, loss: Loss) -> Iterator[_Hour]:
        """The blocks in which nothing is lost yet, with what the loss leaves of their nodes."""
        for b in range(self.p.blocks.count):
            if self.lost[self.p.blocks.scenario[b]]:
                continue
            firm, spot = self._stands(loss, b)
            asked = self.p.sources.units_per_hour[:, b]
            then = [k for k in self.pairs.get(b, []) if self.p.blocks.scenario[k] in loss.states]
            tried = [
                self._hour(b, asked, self._filled(self._fitted(self.runs[k], firm, spot), firm, spot, asked))
                for k in (b, *then)
            ]
            yield max(tried, key=lambda hour: sum(hour.served.values()))

    def _there(self, loss: Loss, b: int) -> tuple[Array, Array]:
        """Firm and spot nodes of each pool in a block of the loss [Q]: committed ones that are up, and bought ones."""
        up = np.array(loss.up)[self.p.pool_site]
        firm = self.held[:, b] * up // self.zones + np.where(up > 0, self.bought[:, b], 0)
        return firm, np.where(np.array(loss.spot) > 0, self.used[SPOT, :, b], 0)

    def _stands(self, loss: Loss, b: int) -> tuple[Array, Array]:
        """Firm and spot nodes of each pool that are left of those of a block [Q]."""
        up, spot = np.array(loss.up)[self.p.pool_site], np.array(loss.spot)
        firm = self.held[:, b] * up // self.zones + self.bought[:, b] * up // self.zones
        return firm, self.used[SPOT, :, b] * spot // self.zones

    def _fitted(self, runs: dict[int, int], firm: Array, spot: Array) -> dict[int, int]:
        """Replicas of workloads with traffic, cut to the nodes there are: each to its share of them, rounded down."""
        c, need = self.p.candidates, np.zeros((2, len(firm)), dtype=np.int64)
        mine = {k: n for k, n in runs.items() if len(self.flows[c.workload[k]])}
        for k, n in mine.items():
            need[c.market[k], c.pool[k]] += n * c.nodes_per_replica[k]
        there = np.minimum(np.stack([firm, spot]), need)
        return {
            k: n * int(there[c.market[k], c.pool[k]]) // max(1, int(need[c.market[k], c.pool[k]]))
            for k, n in mine.items()
        }

    def _filled(self, runs: dict[int, int], firm: Array, spot: Array, asked: Array) -> dict[int, int]:
        """The same with replicas on nodes that are free, as long as some workload gets more by them."""
        c, free = self.p.candidates, np.stack([firm, spot])
        for k, n in runs.items():
            free[c.market[k], c.pool[k]] -= n * c.nodes_per_replica[k]
        for w, sources in enumerate(self.flows):
            served, total = self._served(runs, sources, asked), int(asked[sources].sum())
            able = np.flatnonzero((c.workload == w) & (free[c.market, c.pool] >= c.nodes_per_replica))
            for k in able[np.argsort(-c.units_per_hour[able] / c.nodes_per_replica[able], kind="stable")].tolist():
                if served >= total:
                    break
                room = int(free[c.market[k], c.pool[k]] // c.nodes_per_replica[k])
                more = min(room, -(-(total - served) // max(1, int(c.units_per_hour[k]))))
                tried = {**runs, k: runs.get(k, 0) + more}
                now = self._served(tried, sources, asked)
                if more > 0 and now > served:
                    runs, served = tried, now
                    free[c.market[k], c.pool[k]] -= more * c.nodes_per_replica[k]
        return runs

    def _hour(self, b: int, asked: Array, runs: dict[int, int]) -> _Hour:
        p = self.p
        hours = int(p.blocks.total_hours[b])
        made = _Hour(weight=p.blocks.probability[p.blocks.scenario[b]] * hours)
        owed = p.sources.units_per_hour[:, b] - self.left[:, b]
        for w, sources in enumerate(self.flows):
            if len(sources) and hours:
                made.asked[w] = int(asked[sources].sum())
                made.served[w] = self._served(runs, sources, asked)
                made.owed[w] = int(owed[sources].sum())
                made.kept[w] = self._served(runs, sources, owed) >= made.owed[w]
        return made

    def _served(self, runs: dict[int, int], sources: Array, asked: Array) -> int:
        """Most units an hour that these replicas serve of the sources of a workload."""
        room: dict[tuple[bool, ...], int] = {}
        for k, n in runs.items():
            key = tuple(self.reach[sources, k].tolist())
            if any(key):
                room[key] = room.get(key, 0) + n * int(self.p.candidates.units_per_hour[k])
        return most_served(asked[sources].tolist(), list(room), list(room.values()))

    def sums(self, loss: str, way: str, hours: Sequence[_Hour]) -> Iterator[Left]:
        """Worst and mean share of each workload over the hours."""
        for w, name in enumerate(self.p.workloads.name.tolist()):
            mine = [h for h in hours if h.asked.get(w)]
            if not mine:
                continue
            worst = max(mine, key=lambda h: Fraction(h.asked[w] - h.served[w], h.asked[w]))
            asked = sum((h.weight * h.asked[w] for h in mine), Fraction(0))
            left = sum((h.weight * (h.asked[w] - h.served[w]) for h in mine), Fraction(0))
            allowed = Fraction(worst.asked[w] - worst.owed[w], worst.asked[w]) if way == PLANNED else None
            yield Left(
                loss=loss, workload=name, way=way, worst=Fraction(worst.asked[w] - worst.served[w], worst.asked[w]),
                mean=left / asked if asked else Fraction(0), allowed=allowed, kept=all(h.kept[w] for h in mine),
            )  # fmt: skip


def most_served(asked: Sequence[int], reach: Sequence[Sequence[bool]], room: Sequence[int]) -> int:
    """The maximum flow from sources [n] that ask for so much to places [k] with so much room; reach[k][n]."""
    left, spare = list(asked), list(room)
    flow = [[0] * len(left) for _ in spare]
    for i in range(len(left)):
        while left[i] > 0:
            came: dict[int, tuple[int, int]] = {}  # place: the source that it was reached from, the place before that
            queue, end = deque([(i, -1)]), -1
            while queue and end < 0:
                source, before = queue.popleft()
                for k in range(len(spare)):
                    if reach[k][source] and k not in came:
                        came[k] = source, before
                        if spare[k] > 0:
                            end = k
                            break
                        queue += [(j, k) for j in range(len(left)) if flow[k][j] > 0]
            if end < 0:
                break
            _push(i, end, came, left, spare, flow)
    return sum(asked) - sum(left)


def _push(
    first: int, end: int, came: dict[int, tuple[int, int]], left: list[int], spare: list[int], flow: list[list[int]]
) -> None:
    """Send as much as goes along a path from a source to a place, which moves others' units on the way."""
    amount, k = min(left[first], spare[end]), end
    while came[k][1] >= 0:
        source, before = came[k]
        amount, k = min(amount, flow[before][source]), before
    k = end
    while k >= 0:
        source, before = came[k]
        flow[k][source] += amount
        if before >= 0:
            flow[before][source] -= amount
        k = before
    left[first] -= amount
    spare[end] -= amount


def _rows(table: Any, *names: str) -> Iterator[tuple[int, ...]]:
    return zip(*(table[name].tolist() for name in names if len(table)), strict=True)
