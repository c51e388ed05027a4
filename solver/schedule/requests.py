"""Training runs as people ask for them, and the scheduling problem of them beside a fleet."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..problem import FIRM, ON_DEMAND, SPOT
from .data import Jobs, Options, ScheduleProblem, Supplies
from .hours import block_of_hour, held, horizon_start, idle, used

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
MOST_OPTIONS = 40  # of a job: the cheapest, and those where something is idle
AMPLE = 100_000  # nodes where there is no quota
SPOT_MARK = " (spot)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A gang that a run could be."""

    pool: str  # "aws/us-east-1/p5.48xlarge"
    nodes: int
    hours: int
    spot: bool = False
    micro_usd: int = 0  # once: moving its data there


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A capacity block that may be bought: so many nodes for some time, paid once."""

    pool: str
    nodes: int
    start: datetime.datetime
    end: datetime.datetime
    upfront_micro_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A training run: when, where and at what price of leaving it out (None: it must run)."""

    name: str
    choices: tuple[Choice, ...]
    release: datetime.datetime
    deadline: datetime.datetime
    unrun_micro_usd: int | None = None
    max_segments: int = 1
    min_segment_hours: int = 1
    restart_hours: int = 0
    blocks: tuple[Reserved, ...] = ()


def requests(problem: Problem) -> tuple[Request, ...]:
    """The training runs of a fleet problem; how they may pause stands in its spec, if it has one."""
    start, block = horizon_start(problem), block_of_hour(problem)
    said = json.loads(problem.provenance.get("spec") or "{}").get("workloads", [])
    fields = {w["name"]: w for w in said}
    made = []
    for w in np.flatnonzero(problem.workloads.kind == "training").tolist():
        name = str(problem.workloads.name[w])
        source = int(np.flatnonzero(problem.sources.workload == w)[0])
        inside = np.flatnonzero(problem.sources.window[source][block[0]])
        first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        total, must = int(problem.sources.total_units[source]), bool(problem.workloads.must_serve[w])
        made.append(
            Request(
                name=name,
                choices=_choices(problem, w, source),
                release=start + datetime.timedelta(hours=first),
                deadline=start + datetime.timedelta(hours=last),
                unrun_micro_usd=None if must else total * int(problem.workloads.unserved_micro_usd_per_unit[w]),
                **_pauses(fields.get(name, {})),
            )
        )
    return tuple(made)


def _choices(problem: Problem, w: int, source: int) -> tuple[Choice, ...]:
    c, s = problem.candidates, problem.sources
    names, total = problem.pool_names, int(s.total_units[source])
    pico = s.transfer_pico_usd_per_unit[source]
    return tuple(
        Choice(
            pool=str(names[c.pool[k]]),
            nodes=int(c.nodes_per_replica[k]),
            hours=-(-total // int(c.units_per_hour[k])),
            spot=bool(c.market[k] != FIRM),
            micro_usd=-(-int(pico[problem.pool_site[c.pool[k]]]) * total // 10**6),
        )
        for k in np.flatnonzero(c.workload == w).tolist()
        if c.units_per_hour[k] > 0
    )


def _pauses(fields: dict[str, Any]) -> dict[str, Any]:
    """How a run may be split, and the capacity blocks quoted for it, from its fields in a spec."""
    from ..money import to_micro

    def day(value: str) -> datetime.datetime:
        return datetime.datetime.combine(datetime.date.fromisoformat(value), datetime.time(), datetime.UTC)

    blocks = tuple(
        Reserved(
            pool=f"{b['provider']}/{b['region']}/{b['node']}", nodes=int(b["nodes"]),
            start=day(b["start"]), end=day(b["end"]), upfront_micro_usd=to_micro(str(b["upfront_usd"])),
        )
        for b in fields.get("capacity_blocks", ())
    )  # fmt: skip
    return {
        "max_segments": int(fields.get("max_segments", 1)),
        "min_segment_hours": int(fields.get("min_segment_hours", 1)),
        "restart_hours": math.ceil(float(fields.get("restart_minutes", 0)) / 60),
        "blocks": blocks,
    }


def problem_of(
    asked: Sequence[Request],
    market: Problem,
    fleet: tuple[Problem, Plan] | None = None,
    *,
    firm_price: dict[str, Array] | None = None,
) -> ScheduleProblem:
    """The scheduling problem of these runs: on what a fleet leaves idle, and on what is on sale beyond.

    Args:
        asked: the runs.
        market: whose offers and quotas there are.
        fleet: a problem and its plan; its pools are matched by name. None is no fleet.
        firm_price: instead of prices on sale, micro-dollars of a firm node in each hour of the horizon by pool, [T];
            idle nodes then have that price, too.

    Raises:
        InputError: nothing is asked, a run has no place on any pool, or its window is outside of the horizon.
    """
    if not asked:
        raise InputError(
            "there is no training run to schedule", where="schedule", mend="add a workload of kind training"
        )
    start, total = horizon_start(market), int(market.blocks.period_hours.sum())
    windows = [[_hour(start, moment, total) for moment in (r.release, r.deadline)] for r in asked]
    first, last = min(a for a, _ in windows), max(b for _, b in windows)
    if first >= last:
        raise InputError(
            "no run has an hour inside the horizon", where="schedule", mend="move its days, or the horizon"
        )
    view = _Market(market, fleet, slice(first, last), firm_price or {})
    kept = [view.kept(r) for r in asked]
    names = sorted({c.pool + SPOT_MARK * c.spot for choices in kept for c in choices})
    at = {name: i for i, name in enumerate(names)}
    shift = [(max(0, a - first), max(0, b - first)) for a, b in windows]
    rows = [(j, c) for j, choices in enumerate(kept) for c in choices]

    def whole(values: list[int]) -> Array:
        return np.array(values, dtype=np.int64)

    return ScheduleProblem(
        name=market.name,
        start=start + datetime.timedelta(hours=first),
        pools=tuple(names),
        supplies=view.supplies(names, sorted({b for r in asked for b in r.blocks}, key=repr), start),
        jobs=Jobs(
            name=np.array([r.name for r in asked], dtype=object),
            release=whole([a for a, _ in shift]),
            deadline=whole([b for _, b in shift]),
            must_run=np.array([r.unrun_micro_usd is None for r in asked], dtype=bool),
            unrun_micro_usd=whole([r.unrun_micro_usd or 0 for r in asked]),
            max_segments=whole([min(r.max_segments, last - first) for r in asked]),
            min_segment_hours=whole([r.min_segment_hours for r in asked]),
            restart_hours=whole([r.restart_hours for r in asked]),
        ),
        options=Options(
            job=whole([j for j, _ in rows]),
            pool=whole([at[c.pool + SPOT_MARK * c.spot] for _, c in rows]),
            nodes=whole([c.nodes for _, c in rows]),
            hours=whole([c.hours for _, c in rows]),
            micro_usd=whole([c.micro_usd for _, c in rows]),
        ),
    )


def _hour(start: datetime.datetime, moment: datetime.datetime, total: int) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return min(max(0, math.ceil((aware - start) / datetime.timedelta(hours=1))), total)


class _Market:
    """What there is in each pool and hour of the grid."""

    def __init__(
        self, market: Problem, fleet: tuple[Problem, Plan] | None, hours: slice, firm_price: dict[str, Array]
    ) -> None:
        self.market, self.hours, self.firm_price = market, hours, firm_price
        self.pool = {name: q for q, name in enumerate(market.pool_names.tolist())}
        self.count = hours.stop - hours.start
        self.block = block_of_hour(market)[:, hours]
        self.idle: dict[str, Array] = {}
        self.firm, self.spot = np.zeros((2, len(self.pool), self.count), dtype=np.int64)  # taken by the fleet already
        if fleet is not None:
            self._read(*fleet)

    def _read(self, problem: Problem, plan: Plan) -> None:
        free, block = idle(problem, plan)[:, self.hours], block_of_hour(problem)[:, self.hours]
        firm = np.maximum(held(problem, plan), used(problem, plan))[:, block].max(axis=1)
        spot = used(problem, plan, 1)[:, block].max(axis=1)
        for q, name in enumerate(problem.pool_names.tolist()):
            if free[q].any():
                self.idle[name] = free[q]
            if name in self.pool:
                self.firm[self.pool[name]], self.spot[self.pool[name]] = firm[q], spot[q]

    def price(self, name: str, *, spot: bool) -> int | None:
        """Micro-dollars of a node-hour on demand, or on spot; None where it is not sold."""
        o = self.market.offers
        if name not in self.pool:
            return None
        rows = np.flatnonzero((o.pool == self.pool[name]) & (o.kind == (SPOT if spot else ON_DEMAND)))
        return int(o.micro_usd_per_hour[rows].min()) if len(rows) else None

    def kept(self, asked: Request) -> list[Choice]:
        """The choices of a run that may be worth it: the cheapest bought whole, and all where something is idle."""
        reserved = {b.pool for b in asked.blocks}
        rated = []
        for c in asked.choices:
            price = self.price(c.pool, spot=c.spot)
            free = not c.spot and (c.pool in self.idle or c.pool in reserved or c.pool in self.firm_price)
            if price is not None or free:
                cost = math.inf if price is None else price * c.nodes * c.hours + c.micro_usd
                rated.append((not free, cost, c))
        rated.sort(key=lambda row: (row[1], row[2].pool, row[2].nodes, row[2].spot))
        found = [c for _, _, c in rated[:MOST_OPTIONS]] + [c for other, _, c in rated[MOST_OPTIONS:] if not other]
        if not found:
            raise InputError(
                "no pool that is on sale takes it", where=f"run {asked.name!r}", mend="see the excuses of a plan"
            )
        return found

    def room(self, name: str, *, spot: bool) -> Array:
        """Nodes that quotas leave to be bought in each hour, [T]; one over several pools is shared out evenly."""
        made, q = np.full(self.count, AMPLE, dtype=np.int64), self.pool[name]
        for quota in self.market.limits.quotas:
            if q not in quota.pools or quota.kind == ("on_demand" if spot else "spot"):
                continue
            limit = np.broadcast_to(quota.limit, (self.market.blocks.count,))[self.block].min(axis=0)
            pools = list(quota.pools)
            taken = (self.firm[pools] * (quota.kind != "spot") + self.spot[pools] * (quota.kind != "on_demand")).sum(
                axis=0
            )
            made = np.minimum(made, np.maximum(limit - taken, 0) // len(pools))
        return made

    def supplies(self, names: Sequence[str], blocks: Sequence[Reserved], start: datetime.datetime) -> Supplies:
        """Idle nodes at no price, what is on sale, and capacity blocks."""
        rows: list[tuple[int, str, str, Array, Array, int]] = []
        nothing = np.zeros(self.count, dtype=np.int64)
        for at, marked in enumerate(names):
            name, spot = marked.removesuffix(SPOT_MARK), marked.endswith(SPOT_MARK)
            dual = self.firm_price.get(name)
            free = nothing if spot else self.idle.get(name, nothing)
            own = nothing if dual is None or spot else dual[self.hours]
            if free.any():
                rows.append((at, "idle", "idle commitments", free, own, 0))
            price = self.price(name, spot=spot)
            if price is not None:
                kind = "spot" if spot else "on_demand"
                each = np.full(self.count, price, dtype=np.int64)
                each = each if dual is None or spot else np.minimum(each, own)
                rows.append((at, kind, kind.replace("_", " "), self.room(name, spot=spot), each, 0))
            mine = [(b, self._window(b, start)) for b in blocks if b.pool == name and not spot]
            rows += [
                (at, "block", f"capacity block from {b.start:%Y-%m-%d}", nodes, nothing, b.upfront_micro_usd)
                for b, nodes in mine
                if nodes.any()
            ]
        parts = list(zip(*rows, strict=True)) or [()] * 6
        return Supplies(
            pool=np.array(parts[0], dtype=np.int64),
            kind=np.array(parts[1], dtype=object),
            name=np.array(parts[2], dtype=object),
            nodes=np.array(parts[3], dtype=np.int64).reshape(-1, self.count),
            micro_usd_per_hour=np.array(parts[4], dtype=np.int64).reshape(-1, self.count),
            upfront_micro_usd=np.array(parts[5], dtype=np.int64),
        )

    def _window(self, b: Reserved, start: datetime.datetime) -> Array:
        hour = np.arange(self.hours.start, self.hours.stop)
        begin, end = ((moment - start) / datetime.timedelta(hours=1) for moment in (b.start, b.end))
        return np.where((hour >= begin) & (hour < end), b.nodes, 0).astype(np.int64)
