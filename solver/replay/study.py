"""A whole backtest: every job of a grid in every market under every policy, beside who knew the trace beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .jobs import Jobs
from .run import replay

if TYPE_CHECKING:
    from ..spot import Market
    from .document import Backtest, JobGrid
    from .policies import Policy

Array = np.ndarray[Any, np.dtype[Any]]
DRAWS = 2000
MOST_DRAWN = 1_000_000
LEVEL = 0.95
DIGITS = 6  # below which sums of ticks are noise
FORESIGHT = "omniscient"
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRows:
    """What happened, one row a job; arrays [J], of costs a column a policy."""

    market: Array  # str, name and zones
    zones: Array  # int64
    work_hours: Array
    deadline_ratio: Array
    restart_hours: Array
    start_hours: Array  # into the trace
    on_demand_usd: Array
    foresight_usd: Array  # lower bound of the least; NaN where it was not asked for
    usd: dict[str, Array]
    late: dict[str, Array]
    starts: dict[str, Array]
    on_demand_hours: dict[str, Array]

    @property
    def count(self) -> int:
        """Number of jobs J."""
        return len(self.zones)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A backtest's answer: the jobs, and how many of the grid fitted no trace."""

    name: str
    policies: tuple[str, ...]
    rows: JobRows
    left_out: int

    def table(self, by: str = "market") -> list[dict[str, Any]]:
        """Every policy in every market, then in all together."""
        groups = [(name, self.rows.market == name) for name in dict.fromkeys(self.rows.market.tolist())]
        groups = groups if by == "market" else []
        return [
            self._row(name, chosen, policy)
            for name, chosen in [*groups, (ALL, np.ones(self.rows.count, dtype=bool))]
            for policy in self.policies
        ]

    def columns(self) -> dict[str, Array]:
        """Every job: what it was, and under each policy what it cost and how it went."""
        r = self.rows
        made = {name: getattr(r, name) for name in JobRows.__slots__[:8]}
        for policy in self.policies:
            made[f"{policy} usd"] = r.usd[policy]
            made[f"{policy} late"] = r.late[policy]
            made[f"{policy} starts"] = r.starts[policy]
            made[f"{policy} on-demand hours"] = r.on_demand_hours[policy]
        return made

    def _row(self, name: str, chosen: Array, policy: str) -> dict[str, Any]:
        r = self.rows
        base = r.on_demand_usd[chosen]
        share, bound = r.usd[policy][chosen] / base, r.foresight_usd[chosen] / base
        low, high = interval(share, r.market[chosen])
        row = {
            "market": name,
            "policy": policy,
            "jobs": int(chosen.sum()),
            "cost_percent": 100 * float(share.mean()),
            "low_percent": 100 * low,
            "high_percent": 100 * high,
            "late": int(r.late[policy][chosen].sum()),
            "dearer_percent": 100 * float((share > 1 + 1e-9).mean()),
            "worst_percent": 100 * float(share.max()),
            "starts": float(r.starts[policy][chosen].mean()),
            "on_demand_hours_percent": 100 * float((r.on_demand_hours[policy] / r.work_hours)[chosen].mean()),
            "foresight_percent": 100 * float(bound.mean()),
            "of_the_way_percent": self._of_the_way(chosen, share, bound),
        }
        return {key: round(value, DIGITS) if isinstance(value, float) else value for key, value in row.items()}

    def _of_the_way(self, chosen: Array, share: Array, bound: Array) -> float:
        """Of the way from uniform progress to foresight; NaN without both."""
        if "uniform-progress" not in self.policies or np.isnan(bound).any():
            return float("nan")
        start = float((self.rows.usd["uniform-progress"][chosen] / self.rows.on_demand_usd[chosen]).mean())
        way = start - float(bound.mean())
        return 100 * (start - float(share.mean())) / way if way > 0 else float("nan")


def interval(values: Array, group: Array, level: float = LEVEL) -> tuple[float, float]:
    """Confidence interval of a mean: whole groups (markets) drawn again, or values where there is one group."""
    draw = np.random.default_rng(0)
    names, index = np.unique(group.astype(str), return_inverse=True)
    if len(names) == 1:
        rows = max(1, MOST_DRAWN // len(values))  # at once
        parts = [draw.integers(len(values), size=(min(rows, DRAWS - n), len(values))) for n in range(0, DRAWS, rows)]
        means = np.concatenate([values[part].mean(axis=1) for part in parts])
    else:
        total, count = np.bincount(index, values), np.bincount(index)
        drawn = draw.integers(len(names), size=(DRAWS, len(names)))
        means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def backtest(
    documents: Sequence[Backtest],
    markets: Iterable[Market],
    policies: Sequence[Policy],
    *,
    foresight: bool = True,
    processes: int = -1,
    told: Callable[[str], None] | None = None,
) -> Found:
    """Replay the jobs of documents, each with its own prices.

    Args:
        documents: what is replayed; their `jobs` must be given.
        markets: traces.
        policies: who chooses.
        foresight: also the least cost for who knows the trace, a mixed-integer program a job.
        processes: that solve those; −1 is one a core.
        told: hears of each market before it is replayed.

    Raises:
        InputError: no job fits any trace.
    """
    parts, left_out, known = [], 0, tuple(markets)
    for document, market in ((d, m) for d in documents for m in known):
        grid = document.jobs
        if grid is None:
            raise InputError("has no jobs", where=document.name, mend="give jobs")
        for group in zone_groups(len(market.zones), grid.zones):
            part = market.only(group)
            jobs, missed = jobs_of(grid, part)
            left_out += missed
            if jobs.count:
                prefix = f"{document.name}: " if len(documents) > 1 else ""
                if told:
                    told(f"{prefix}{_name(part)}: {jobs.count} jobs")
                name, processes_used = prefix + _name(part), processes if foresight else 0
                parts.append(_replayed(document, name, part, jobs, policies, processes_used))
    if not parts:
        mend = "give longer traces, or shorter jobs"
        raise InputError("no job ends within a trace", where="backtest", mend=mend)
    names = tuple(policy.name for policy in policies)
    return Found(name=documents[0].name, policies=names, rows=_joined(parts), left_out=left_out)


def serve(
    document: Backtest, markets: Iterable[Market], told: Callable[[str], None] | None = None
) -> list[dict[str, Any]]:
    """Replay a document's services: a row for each market, group of zones and policy; see `replay_serving`."""
    from .serving_table import Service, replay_serving

    rows = []
    for market in markets:
        for grid in document.services:
            for group in zone_groups(len(market.zones), grid.zones):
                part = market.only(group)
                if told:
                    told(f"{_name(part)}: service {grid.name}")
                service = Service(
                    name=grid.name,
                    replicas=grid.replicas,
                    spot_usd_per_hour=tuple(document.prices.of(part).spot_usd_per_hour.tolist()),
                    on_demand_usd_per_hour=document.prices.on_demand_usd_per_hour,
                    cold_start_minutes=grid.cold_start_minutes,
                    notice_minutes=grid.notice_minutes,
                    unserved_limit=grid.unserved_limit,
                )
                rows += [row | {"market": _name(part)} for row in replay_serving(part, service)]
    return rows


def zone_groups(count: int, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Each zone alone, or neighbours by name in groups of a size; all of them where there are fewer."""
    made: list[tuple[int, ...]] = []
    for size in sizes:
        most = min(size, count)
        made += [tuple(range(first, first + most)) for first in range(0, count - most + 1, most)]
    return list(dict.fromkeys(made))


def jobs_of(grid: JobGrid, market: Market) -> tuple[Jobs, int]:
    """The grid's jobs in a market, begun at times spread evenly and at random within; and how many do not fit."""
    draw = np.random.default_rng(grid.seed)
    axes = np.meshgrid(grid.work_hours, grid.deadline_ratio, grid.restart_hours, np.arange(grid.starts), indexing="ij")
    work, ratio, restart, part = (axis.ravel() for axis in axes)
    room = market.ticks - np.ceil(work * ratio / market.gap_hours)
    start = np.floor((part + draw.random(len(part))) / grid.starts * (room + 1)).astype(np.int64)
    fits = (room >= 0) & (work * ratio >= work + restart)
    jobs = Jobs(work_hours=work[fits], deadline_hours=(work * ratio)[fits], restart_hours=restart[fits],
                start=np.maximum(start, 0)[fits])  # fmt: skip
    return jobs, int((~fits).sum())


def _name(market: Market) -> str:
    return f"{market.name} {'+'.join(market.zones)}"


def _replayed(
    document: Backtest, name: str, market: Market, jobs: Jobs, policies: Sequence[Policy], processes: int
) -> JobRows:
    prices, grid = document.prices.of(market), document.jobs
    instances = (grid.instances if grid else 0) or max(1, market.most)
    outcomes = [replay(market, jobs, prices, policy, instances=instances) for policy in policies]
    usd = {o.policy: o.usd for o in outcomes}
    least = np.full(jobs.count, np.nan)
    if processes:
        least = _foresight(market, jobs, np.append(prices.on_demand_usd_per_hour, prices.spot_usd_per_hour), instances,
                           processes)  # fmt: skip
    return JobRows(
        market=np.full(jobs.count, name, dtype=object),
        zones=np.full(jobs.count, len(market.zones)),
        work_hours=jobs.work_hours,
        deadline_ratio=jobs.deadline_hours / jobs.work_hours,
        restart_hours=jobs.restart_hours,
        start_hours=jobs.start * market.gap_hours,
        on_demand_usd=jobs.on_demand_usd(prices),
        foresight_usd=least,
        usd=usd,
        late={o.policy: o.late(jobs) for o in outcomes},
        starts={o.policy: o.starts for o in outcomes},
        on_demand_hours={o.policy: o.on_demand_hours for o in outcomes},
    )


def _foresight(market: Market, jobs: Jobs, usd_per_hour: Array, instances: int, processes: int) -> Array:
    """A lower bound of the least cost of each job, dollars [J]."""
    import joblib

    from ..engine.omniscient import foresight

    up = market.up(instances)
    ticks = np.ceil(jobs.deadline_hours / market.gap_hours - 1e-9).astype(np.int64)
    tasks = (
        joblib.delayed(foresight)(up[:, first : first + count], market.gap_hours, work, deadline, restart, usd_per_hour)
        for first, count, work, deadline, restart in zip(
            jobs.start.tolist(), ticks.tolist(), jobs.work_hours.tolist(), jobs.deadline_hours.tolist(),
            jobs.restart_hours.tolist(), strict=True,
        )
    )  # fmt: skip
    return np.array([found.lower_usd for found in joblib.Parallel(n_jobs=processes)(tasks)])


def _joined(parts: list[JobRows]) -> JobRows:
    made: dict[str, Any] = {}
    for name in JobRows.__slots__:
        values = [getattr(part, name) for part in parts]
        if isinstance(values[0], dict):
            made[name] = {key: np.concatenate([value[key] for value in values]) for key in values[0]}
        else:
            made[name] = np.concatenate(values)
    return JobRows(**made)
