"""Commitments for a catalogue's pools: what to buy, what it is worth, and what stands behind it, in one answer."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..calendar import exact
from ..errors import InputError
from ..finance import add_months
from ..money import to_micro
from ..table import Table
from .check import rate
from .market import choices, pools_of
from .nouns import Aim, Portfolio, Reserve
from .plan import commit, futures, otherwise

if TYPE_CHECKING:
    from costdata import Catalog

    from .nouns import Usage
    from .usage import Pool

MOST_MONTHS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How commitments may be bought, and what counts.

    Raises:
        InputError: a value out of its range.
    """

    options: tuple[str, ...] | None = None  # None: all that are offered
    ladder_months: int = 12  # months on whose first days commitments may begin, from the first day on
    shared: bool = True  # a commitment covers the usage of every account
    risk_weight: float = 0.0
    cvar_level: float = 0.9
    upfront_max_usd: float | None = None
    hourly_max_usd: float | None = None
    discount_rate: float = 0.0  # a year, of present values
    windows: tuple[tuple[datetime.date, datetime.date], ...] = ()  # of capacity blocks: first day, day after the last

    def __post_init__(self) -> None:
        """Check every field; NaN is in no range."""
        if not 1 <= self.ladder_months <= MOST_MONTHS:
            raise InputError(f"{self.ladder_months} months", where="ladder", mend=f"1 to {MOST_MONTHS}")
        if not 0 <= self.risk_weight <= 1:
            raise InputError(f"{self.risk_weight} is no weight", where="risk weight", mend="0 to 1")
        if not 0 <= self.cvar_level < 1:
            raise InputError(f"{self.cvar_level} is no level", where="cvar level", mend="0 to below 1, such as 0.9")
        if not -1 < self.discount_rate <= 10:  # noqa: PLR2004 (1,000 %)
            raise InputError(f"{self.discount_rate} a year", where="discount rate", mend="0.08 is 8 %")
        for first, last in self.windows:
            if first >= last:
                mend = "write FIRST:END, END the day after the last"
                raise InputError(f"{first}:{last} is no window", where="capacity block", mend=mend)
        for name in ("upfront_max_usd", "hourly_max_usd"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1e12:  # noqa: PLR2004
                raise InputError(f"{value} dollars", where=name.replace("_", " "), mend="0 or more")

    @property
    def aim(self) -> Aim:
        """The same as exact numbers."""
        limits = (self.upfront_max_usd, self.hourly_max_usd)
        upfront, hourly = (None if usd is None else to_micro(str(usd)) for usd in limits)
        return Aim(
            risk_weight=exact(self.risk_weight),
            cvar_level=exact(self.cvar_level),
            upfront_max_micro_usd=upfront,
            hourly_max_micro_usd=hourly,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A portfolio with its problem, futures, and what else people should know.

    Tables: futures (future, probability, cost_usd, hindsight_usd, regret), otherwise (demand, cost_usd, on_demand_usd,
    saved_usd).
    """

    name: str
    reserve: Reserve
    portfolio: Portfolio
    as_of: str
    futures: Table
    otherwise: Table
    notes: tuple[str, ...] = field(default=())

    @property
    def expected_micro_usd(self) -> Fraction:
        """Cost in view, expected."""
        return _expected(self.reserve.usage, self.portfolio.cost_micro_usd)

    @property
    def on_demand_micro_usd(self) -> Fraction:
        """The same with nothing bought, only what is owned."""
        return _expected(self.reserve.usage, self.portfolio.on_demand_micro_usd)


def _expected(usage: Usage, costs: Sequence[Fraction]) -> Fraction:
    return sum((p * x for p, x in zip(usage.probability, costs, strict=True)), Fraction(0))


def study(
    name: str,
    catalog: Catalog,
    pools: Sequence[tuple[str, Pool]],
    usage: Usage,
    wish: Wish | None = None,
    *,
    gap: float = 1e-3,
    time_limit_s: float = 60.0,
    notes: Sequence[str] = (),
) -> Study:
    """The best commitments for usage of pools, and what they are worth when demand turns out otherwise.

    Args:
        name: of the study.
        catalog: prices, mechanisms, and what is owned already.
        pools: account and (provider, region, node) of each column of the usage.
        usage: nodes hour by hour in several futures.
        wish: how commitments may be bought.
        gap: proved gap at which the search ends.
        time_limit_s: of the search; what it is worth takes up to as long again.
        notes: to be shown with it.

    Raises:
        InputError: a pool without a price, an option that nobody sells.
    """
    wish, begun = wish or Wish(), time.monotonic()
    priced = pools_of(catalog, pools)
    starts = [day for m in range(wish.ladder_months) if (day := add_months(usage.start, m)) < usage.day_of(usage.hours)]
    offered = choices(
        catalog, priced, usage.start, options=_known(catalog, wish.options), starts=starts, shared=wish.shared,
        windows=wish.windows,
    )  # fmt: skip
    reserve = Reserve(pools=priced, usage=usage, choices=offered, aim=wish.aim)
    portfolio = commit(reserve, gap=gap, time_limit_s=time_limit_s, discount_rate=exact(wish.discount_rate))
    left = max(1.0, time_limit_s - (time.monotonic() - begun))
    several = len(usage.probability) > 1
    return Study(
        name=name,
        reserve=reserve,
        portfolio=portfolio,
        as_of=catalog.as_of.isoformat(),
        futures=futures(reserve, portfolio, time_limit_s=left) if several else Table({}),
        otherwise=otherwise(reserve, portfolio),
        notes=(*notes, *_remarks(reserve, portfolio)),
    )


def longest_term(catalog: Catalog, pools: Sequence[tuple[str, Pool]], options: Sequence[str] | None) -> int:
    """Months of the longest commitment that is offered for any of the pools, or 0."""
    o, names = catalog.offers, {pool for _, pool in pools}
    places = zip(o.provider.tolist(), o.region.tolist(), o.node.tolist(), strict=True)
    offered = zip(places, o.option.tolist(), o.term_months.tolist(), strict=True)
    return max((m for at, name, m in offered if at in names and (options is None or name in options)), default=0)


def _known(catalog: Catalog, options: Sequence[str] | None) -> Sequence[str] | None:
    """Options that are commitments somebody sells.

    Raises:
        InputError: one that is not.
    """
    from costdata.packaged import options as packaged

    sold = {name for name, option in packaged().items() if option.kind == "commitment"}
    offered = set(catalog.offers.option.tolist())
    for name in options or ():
        if name not in sold:
            mend = f"one of {', '.join(sorted(sold & offered))}"
            raise InputError(f"{name!r:.60} is no commitment", where="options", mend=mend)
    return options


def _remarks(reserve: Reserve, portfolio: Portfolio) -> list[str]:
    """What the figures leave out."""
    c, made = reserve.choices, []
    u = reserve.usage
    beyond = [k for k in range(len(c)) if portfolio.quantity[k] and c.last_hour[k] > u.hours]
    if beyond:
        after = ((int(portfolio.quantity[k]) * (int(c.last_hour[k]) - u.hours), k) for k in beyond)
        rest = sum((hours * rate(reserve, k) for hours, k in after), Fraction(0))
        last = u.day_of(int(c.last_hour[beyond].max()))
        made.append(
            f"{len(beyond)} commitments run beyond {u.day_of(u.hours)}, the last until {last}; they then cost "
            f"${float(rest) / 1e6:,.0f} more, for which they are taken to be used as well as in view"
        )
    bare = sorted({reserve.pools.names[q] for q in np.flatnonzero(~(c.takes > 0).any(axis=0)).tolist()})
    if bare:
        more = f" and {len(bare) - 3} more" if len(bare) > 3 else ""  # noqa: PLR2004
        made.append(f"no commitment is offered for {', '.join(bare[:3])}{more}: no rate is published")
    useless = [k for k in np.flatnonzero(c.owned).tolist() if not c.takes[k].any()]
    made += [f"{c.where[k]} {c.option[k]} is owned and covers none of the usage" for k in useless]
    return made
