"""From a horizon of calendar months to typical hours, each with its true number of hours, merged where nothing differs.

A cell is one UTC hour of the weekdays (or the weekend days) of a stretch of days, in one scenario. Stretches end where
a month, a job's window or a commitment starts or ends, so that all hours of a cell have the same requirement.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .finance.periods import add_months
from .problem import Blocks
from .table import Table
from .workloads import fields

if TYPE_CHECKING:
    from .workloads import Traffic

Array = np.ndarray[Any, np.dtype[Any]]
MAX_MONTHS = 120
DAYS = ("weekday", "weekend")
HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """So many calendar months from a first day on; the months at both ends may be partial ones."""

    start: datetime.date
    months: int = 12

    def __post_init__(self) -> None:
        """Check both fields."""
        if fields.day("horizon", "start", self.start) is None:
            raise InputError("start is missing", where="horizon", mend="write it as YYYY-MM-DD")
        fields.whole("horizon", "months", self.months, (1, MAX_MONTHS))

    @property
    def end(self) -> datetime.date:
        """The day after the last."""
        return add_months(self.start, self.months)

    @property
    def month_starts(self) -> tuple[datetime.date, ...]:
        """First days of the calendar months, the first one cut to the start."""
        first = self.start.replace(day=1)
        every = (add_months(first, k) for k in range(self.months + 1))
        return (self.start, *(day for day in every if self.start < day < self.end))

    @property
    def periods(self) -> tuple[str, ...]:
        """Labels of the calendar months, "2027-03"."""
        return tuple(day.strftime("%Y-%m") for day in self.month_starts)

    def hours(self, start: datetime.date, end: datetime.date) -> Array:
        """Hours between two days that lie in each month of the horizon, int64 [P]."""
        edges = np.array([*(d.toordinal() for d in self.month_starts), self.end.toordinal()])
        first, last = np.maximum(edges[:-1], start.toordinal()), np.minimum(edges[1:], end.toordinal())
        return np.asarray(np.maximum(last - first, 0) * HOURS_A_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFactor:
    """By what the traffic of one workload is multiplied in a scenario."""

    workload: str
    factor: float | Fraction

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"demand factor of {fields.text('demand factor', 'workload', self.workload)!r}"
        fields.number(where, "factor", self.factor, (0, 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One future: how likely it is, and by what all traffic is multiplied in it."""

    name: str = "base"
    probability: float | Fraction = 1.0
    demand_factor: float = 1.0
    demand_factors: tuple[WorkloadFactor, ...] = ()

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"scenario {fields.text('scenario', 'name', self.name)!r}"
        fields.number(where, "probability", self.probability, (0, 1), above=True)
        fields.number(where, "demand_factor", self.demand_factor, (0, 1000))
        if len({f.workload for f in self.demand_factors}) < len(self.demand_factors):
            raise InputError("a workload is named twice", where=where, mend="give each workload one factor")

    def own_factor(self, workload: str) -> Fraction:
        """By what a workload's traffic is multiplied beside `demand_factor`."""
        return next((exact(f.factor) for f in self.demand_factors if f.workload == workload), Fraction(1))

    def factor(self, workload: str) -> Fraction:
        """By what a workload's traffic is multiplied in all."""
        return exact(self.demand_factor) * self.own_factor(workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Hours before merging, one row a cell [K], in order of scenario, time, day and hour."""

    first: Array  # int64, ordinal of the first day of the stretch
    month: Array  # int64, row of the horizon's months
    weekend: Array  # int64, 0 or 1
    hour: Array  # int64, UTC
    scenario: Array  # int64
    hours: Array  # int64, how many hours the cell stands for

    def inside(self, start: datetime.date, end: datetime.date) -> Array:
        """Cells between two days, bool [K]; both must be among the cuts the cells were made with."""
        return np.asarray((self.first >= start.toordinal()) & (self.first < end.toordinal()))


def probabilities(scenarios: Sequence[Scenario]) -> tuple[Fraction, ...]:
    """Exact probabilities as they are written in decimals; they add up to 1."""
    made = tuple(exact(s.probability) for s in scenarios)
    if sum(made, Fraction(0)) != 1:
        total = float(sum(made, Fraction(0)))
        raise InputError(
            f"probabilities add up to {total:g}, not to 1", where="scenarios", mend="write them as decimals that do"
        )
    if len({s.name for s in scenarios}) < len(scenarios):
        raise InputError("two scenarios have the same name", where="scenarios")
    return made


def exact(value: float | Fraction) -> Fraction:
    """The decimal number a float was written as: 0.1 is a tenth."""
    return value if isinstance(value, Fraction) else Fraction(str(value))


def make_cells(horizon: Horizon, scenarios: int, cuts: Iterable[datetime.date]) -> Cells:
    """All cells of the horizon, cut at the months and at the days given."""
    inner = {day for day in (*horizon.month_starts, *cuts) if horizon.start <= day < horizon.end}
    edges = np.array([*sorted(day.toordinal() for day in inner), horizon.end.toordinal()])
    first, last = edges[:-1], edges[1:]
    epoch = datetime.date(1970, 1, 1).toordinal()
    weekdays = np.busday_count((first - epoch).astype("datetime64[D]"), (last - epoch).astype("datetime64[D]"))
    days = np.stack([weekdays, last - first - weekdays], axis=1)
    months = np.array([day.toordinal() for day in horizon.month_starts])
    grid = np.indices((scenarios, len(first), 2, HOURS_A_DAY)).reshape(4, -1)
    grid = grid[:, days[grid[1], grid[2]] > 0]
    scenario, stretch, weekend, hour = grid
    return Cells(
        first=first[stretch],
        month=np.searchsorted(months, first[stretch], side="right") - 1,
        weekend=weekend,
        hour=hour,
        scenario=scenario,
        hours=days[stretch, weekend].astype(np.int64),
    )


def units_per_hour(traffic: Traffic, cells: Cells, factors: Sequence[Fraction], months: int) -> Array:
    """Whole requests an hour in each cell, rounded up, int64 [K]; exact in the decimals that were written."""
    hour = _ratios(exact(traffic.requests_per_hour) * exact(f) for f in traffic.factors)
    day = _ratios([Fraction(1), exact(traffic.weekend_factor)])
    month = _ratios((1 + exact(traffic.growth_per_month)) ** m for m in range(months))
    scenario = _ratios(factors)
    shape = (len(scenario[0]), months, 2, HOURS_A_DAY)
    mesh = np.ix_(*(np.arange(n) for n in shape))
    top, bottom = (scenario[i][mesh[0]] * month[i][mesh[1]] * day[i][mesh[2]] * hour[i][mesh[3]] for i in (0, 1))
    whole = -(-top // bottom)
    if whole.max() >= 2**53:
        raise InputError("requests an hour grow beyond counting", where=f"traffic from {traffic.origin!r}")
    return np.asarray(whole.astype(np.int64)[cells.scenario, cells.month, cells.weekend, cells.hour])


def _ratios(values: Iterable[Fraction]) -> tuple[Array, Array]:
    found = list(values)
    return np.array([v.numerator for v in found], object), np.array([v.denominator for v in found], object)


def merge(
    cells: Cells, requirement: Array, windows: Array, horizon: Horizon, probability: tuple[Fraction, ...]
) -> tuple[Blocks, Array]:
    """Blocks of cells whose requirement is the same, and a cell of each block [B].

    Args:
        cells: the cells [K].
        requirement: int64 [any, K], all that an hour asks for besides scenario and windows.
        windows: bool [J, K], cells in which each job may run. They are not merged with others, since a gang runs for
            whole blocks; and the longest cell of each window (in each scenario) is split into 1, 2, 4, 8 … hours, so
            that a run can stop at any whole hour.
        horizon: the months.
        probability: of each scenario.
    """
    parts, hours = _split(cells, windows)
    running = np.asarray(windows.any(axis=0))[parts]
    alone = np.where(running, 1 + np.arange(len(parts)), 0)
    key = np.vstack([requirement[:, parts], cells.scenario[parts], alone])
    _, first, block = np.unique(key, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(first)
    block = np.argsort(order)[np.reshape(block, -1)]
    by_month = np.zeros((len(first), len(horizon.periods)), dtype=np.int64)
    np.add.at(by_month, (block, cells.month[parts]), hours)
    cell = parts[first[order]]
    blocks = Blocks(
        hours=by_month,
        scenario=cells.scenario[cell].astype(np.int64),
        periods=horizon.periods,
        period_hours=horizon.hours(horizon.start, horizon.end),
        probability=probability,
        calendar=Table(
            {
                "period": np.array(horizon.periods, dtype=object)[cells.month[parts]],
                "day": np.array(DAYS, dtype=object)[cells.weekend[parts]],
                "hour_utc": cells.hour[parts],
                "hours": hours,
                "scenario": cells.scenario[parts],
                "block": block,
            }
        ),
    )
    return blocks, cell


def _split(cells: Cells, windows: Array) -> tuple[Array, Array]:
    """Cells, one of each window in pieces: the cell of each piece, and the hours of each piece.

    No cell is longer than the one in pieces, so sums of whole cells and pieces reach every whole number of hours.
    """
    chosen: set[int] = set()
    for window in np.unique(windows, axis=0) if len(windows) else ():
        for scenario in np.unique(cells.scenario[window]):
            mine = np.flatnonzero(window & (cells.scenario == scenario))
            chosen.add(int(mine[cells.hours[mine].argmax()]))
    pieces = {cell: _doubling(int(cells.hours[cell])) for cell in chosen}
    count = np.ones(len(cells.hours), dtype=np.int64)
    count[list(pieces)] = [len(p) for p in pieces.values()]
    parts = np.repeat(np.arange(len(count)), count)
    hours = cells.hours[parts]
    for cell, lengths in pieces.items():
        hours[parts == cell] = lengths
    return parts, hours


def _doubling(hours: int) -> list[int]:
    """1, 2, 4, 8 … and what is left: parts whose sums reach every whole number up to `hours`."""
    made: list[int] = []
    while hours > 0:
        made.append(min(1 << len(made), hours))
        hours -= made[-1]
    return made
