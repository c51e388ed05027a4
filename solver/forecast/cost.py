"""What a plan will cost when demand and prices go as forecast: months with their mean and interval.

Commitments cost what they cost. What is bought on demand or on the spot market, and all that is paid by volume, moves
with the demand of its workload; its price moves as list prices have, by year, with what they have strayed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from ..table import Table
from .events import Growth
from .fan import Forecast
from .history import Array

if TYPE_CHECKING:
    from ..plan import Plan

IDLE, ONLY = "(idle)", "all"
YEAR_DAYS = 365.25
LEAST_DAYS = 28  # between two prices of one offer


class PriceRow(NamedTuple):
    """A dated price of an offer: any name of the offer, its purchase option, and what it cost from a day on."""

    offer: str
    option: str
    day: date
    usd_per_hour: float


@dataclass(frozen=True, slots=True)
class PriceMoves:
    """By purchase option: how list prices drift and stray by year, as logarithms."""

    drift: Mapping[str, float]
    volatility: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CostForecast:
    """Cost by month.

    Attributes:
        months: such as "2027-03".
        rows: month, team, workload, planned_micro_usd, mean_micro_usd, lower_micro_usd, upper_micro_usd.
        total: the same by month, of all teams and workloads together; intervals are of sums, so they do not add up.
        paths_usd: dollars by month of every path [S, months].
        notes: what it rests on.
    """

    months: tuple[str, ...]
    rows: Table
    total: Table
    paths_usd: Array
    notes: tuple[str, ...]


def price_moves(rows: Iterable[PriceRow]) -> PriceMoves:
    """Drift and volatility of prices by option, from every offer that has two of them four weeks apart or more.

    Offers of one option are taken to move together, so that the interval is none too narrow.
    """
    by_offer: dict[tuple[str, str], list[tuple[date, float]]] = {}
    for row in rows:
        if not (math.isfinite(row.usd_per_hour) and row.usd_per_hour > 0):
            raise InputError(f"a price of {row.usd_per_hour}", where=f"{row.offer} at {row.day}", mend="above 0")
        by_offer.setdefault((row.option, row.offer), []).append((row.day, row.usd_per_hour))
    moves: dict[str, list[tuple[float, float]]] = {}
    for (option, _), dated in by_offer.items():
        dated.sort()
        for (before, old), (after, new) in pairwise(dated):
            if (after - before).days >= LEAST_DAYS:
                moves.setdefault(option, []).append(((after - before).days / YEAR_DAYS, math.log(new / old)))
    drift = {o: sum(m for _, m in found) / sum(y for y, _ in found) for o, found in moves.items()}
    stray = {
        o: math.sqrt(sum((m - drift[o] * y) ** 2 / y for y, m in found) / max(1, len(found) - 1))
        for o, found in moves.items()
    }
    return PriceMoves(drift, stray)


def cost_forecast(
    plan: Plan,
    demand: Forecast | Growth,
    price_history: Iterable[PriceRow] | PriceMoves = (),
    *,
    made_for: Mapping[str, float] | None = None,
    level: float = 0.9,
    paths: int = 200,
    seed: int = 0,
) -> CostForecast:
    """Forecast the monthly cost of a plan.

    Args:
        plan: what is bought, with its lines by month.
        demand: a forecast whose series are the plan's workloads (or one for all of them), over months of the plan; or
            a growth, from the plan's first month on.
        price_history: dated prices, or how they move; without any, prices stay.
        made_for: demand that the plan was made for, by series, in the forecast's unit; by default the mean of the
            last four weeks of the history.
        level: chance with which the interval is to hold.
        paths: futures drawn where the demand has none of its own.
        seed: of the prices' draw.

    Raises:
        InputError: months or series that do not fit the plan, or numbers out of bounds.
    """
    lines = plan.cost_lines
    if not len(lines):
        raise InputError("the plan has no cost lines", where=plan.name, mend="give a plan that was found")
    if not 0.5 <= level < 1:  # noqa: PLR2004
        raise InputError(f"an interval at {level}", where="level", mend="from 0.5 to 1")
    volumes, months, notes = _volumes(plan, demand, made_for, paths)
    moves = price_history if isinstance(price_history, PriceMoves) else price_moves(price_history)
    count = next(iter(volumes.values())).shape[0]
    prices = _prices(moves, sorted(set(lines["option"].tolist())), len(months), (count, seed))
    cost = _costs(lines, months, volumes, prices)
    notes += [f"{o}: prices {100 * math.expm1(moves.drift[o]):+.1f} % a year" for o in sorted(moves.drift)]
    rows = [
        (month, *key, *_figures(planned[m], of[:, m], level))
        for key, (planned, of) in sorted(cost.items())
        for m, month in enumerate(months)
    ]
    whole = np.sum([of for _, of in cost.values()], axis=0)
    planned = [sum(p[m] for p, _ in cost.values()) for m in range(len(months))]
    total = [(month, *_figures(planned[m], whole[:, m], level)) for m, month in enumerate(months)]
    names = ("planned_micro_usd", "mean_micro_usd", "lower_micro_usd", "upper_micro_usd")
    return CostForecast(
        months=months,
        rows=Table.from_records(("month", "team", "workload", *names), rows),
        total=Table.from_records(("month", *names), total),
        paths_usd=whole / 1e6,
        notes=tuple(notes),
    )


def _figures(planned: int, paths: Array, level: float) -> tuple[int, int, int, int]:
    low, high = np.quantile(paths, [(1 - level) / 2, (1 + level) / 2])
    return planned, round(float(paths.mean())), round(float(low)), round(float(high))


def _volumes(
    plan: Plan, demand: Forecast | Growth, made_for: Mapping[str, float] | None, paths: int
) -> tuple[dict[str, Array], tuple[str, ...], list[str]]:
    """Demand over what the plan was made for, by workload: [S, months]."""
    workloads = sorted(set(plan.cost_lines["workload"].tolist()))
    if isinstance(demand, Growth):
        months = plan.periods
        first = date.fromisoformat(f"{months[0]}-01")
        whole = max(1, (demand.by - first).days)
        middles = [((date.fromisoformat(f"{m}-01") - first).days + 15) / whole for m in months]
        ratio = np.tile(demand.factor ** np.minimum(middles, 1.0), (paths, 1))
        grown = {w: ratio if demand.series in ("", w) else np.ones_like(ratio) for w in workloads}
        return grown, months, [f"demand × {demand.factor:g} by {demand.by}"]
    known, first_steps = np.unique(demand.times.astype("datetime64[M]"), return_index=True)
    sizes = np.diff(np.append(first_steps, len(demand.times)))
    means = np.add.reduceat(demand.paths, first_steps, axis=1) / sizes[:, None]
    names = [str(m) for m in known]
    months = tuple(m for m in names if m in plan.periods)
    if not months:
        text = f"the forecast is of {names[0]} to {names[-1]}, the plan of {plan.periods[0]} to {plan.periods[-1]}"
        raise InputError(text, where="demand", mend="forecast further, or plan those months")
    keep = [names.index(m) for m in months]
    made: dict[str, Array] = {}
    for workload in workloads:
        n = _series_of(workload, demand.series)
        basis = (made_for or {}).get(demand.series[n], float(demand.recent[n]))
        if basis <= 0:
            text = f"a plan made for {basis:g} {demand.unit} of {demand.series[n]}"
            raise InputError(text, where="made_for", mend="say what demand the plan was made for")
        made[workload] = means[:, keep, n] / basis
    return made, months, [f"method of {s}: {m}" for s, m in zip(demand.series, demand.method, strict=True)]


def _series_of(workload: str, series: Sequence[str]) -> int:
    """The series a workload follows: its own, or the only one; what belongs to none follows the first."""
    if workload in series:
        return series.index(workload)
    if len(series) == 1 or workload in {"", IDLE}:
        return 0
    text = f"workload {workload!a} has no series; there are {', '.join(series[:8])}"
    raise InputError(text, where="demand", mend="name series as the plan's workloads, or give one for all")


def _prices(moves: PriceMoves, options: list[str], months: int, draw: tuple[int, int]) -> dict[str, Array]:
    """Prices over those of the plan, by option: [S, months], a geometric walk."""
    count, seed = draw
    years = (np.arange(months) + 0.5) / 12
    made = {}
    for option in options:
        rng = np.random.default_rng([seed, 23, *option.encode()])
        steps = rng.standard_normal((count, months)) * np.sqrt(np.diff(years, prepend=0.0))
        drift, stray = moves.drift.get(option, 0.0), moves.volatility.get(option, 0.0)
        made[option] = np.exp(drift * years + stray * (np.cumsum(steps, axis=1)))
    return made


def _costs(
    lines: Table, months: tuple[str, ...], volumes: dict[str, Array], prices: dict[str, Array]
) -> dict[tuple[str, str], tuple[list[int], Array]]:
    """Planned [months] and paths [S, months] of cost in micro-dollars, by team and workload."""
    from costdata.packaged import options

    committed = {name for name, option in options().items() if option.kind == "commitment"}
    made: dict[tuple[str, str], tuple[list[int], Array]] = {}
    shape = next(iter(volumes.values())).shape
    for row in lines.records():
        if row["period"] not in months:
            continue
        m = months.index(row["period"])
        planned, paths = made.setdefault((row["team"], row["workload"]), ([0] * len(months), np.zeros(shape)))
        planned[m] += row["micro_usd"]
        fixed = row["option"] in committed or row["workload"] == IDLE
        moved = 1.0 if fixed else volumes[row["workload"]][:, m] * prices[row["option"]][:, m]
        paths[:, m] += row["micro_usd"] * moved
    return made


def catalogue_prices(days: Sequence[date], **filters: Sequence[str]) -> list[PriceRow]:
    """Dated prices of the packaged catalogue, as it was on each of the days; filters as of `Catalog.where`."""
    import costdata

    made: dict[tuple[str, str, date], PriceRow] = {}
    for day in sorted(days):
        found = costdata.load(as_of=day.isoformat())
        offers = (found.where(**filters) if filters else found).offers
        columns = (offers.provider, offers.region, offers.node, offers.option, offers.micro_usd_per_hour)
        for provider, region, node, option, micro in zip(*(c.tolist() for c in columns), strict=True):
            if micro > 0:
                offer = f"{provider}/{region}/{node}"
                made[offer, option, day] = PriceRow(offer, option, day, micro / 1e6)
    return list(made.values())
