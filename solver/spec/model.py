"""The spec as dataclasses: what a file may say. Its schema is derived from them, so a field is written down once."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from ..calendar import Horizon, Scenario
from ..enumerate import DEFAULT_OPTIONS, Forecast, NamedLimits, NamedOutage, PriceRange
from ..errors import InputError
from ..problem import Accounting
from ..workloads import Workload, fields

MAX_AGE_DAYS = 36_500
MOST_RISES = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Which prices are used."""

    as_of: datetime.date | None = None  # the latest known
    max_age_days: int | None = None  # older prices are an error
    overrides: str = ""  # folder of your own discounts, offers, quotas and commitments
    providers: tuple[str, ...] = ()  # () is all
    regions: tuple[str, ...] = ()
    options: tuple[str, ...] = DEFAULT_OPTIONS
    uncertain: tuple[PriceRange, ...] = ()  # none
    robust_budget: int = 0  # none of them rises

    def __post_init__(self) -> None:
        """Check every field."""
        fields.day("prices", "as_of", self.as_of)
        if self.max_age_days is not None:
            fields.whole("prices", "max_age_days", self.max_age_days, (0, MAX_AGE_DAYS))
        fields.text("prices", "overrides", self.overrides, empty=True, length=fields.PATH_LENGTH)
        fields.whole("prices", "robust_budget", self.robust_budget, (0, MOST_RISES))
        for name in ("providers", "regions", "options"):
            fields.names("prices", name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A whole spec."""

    name: str
    horizon: Horizon
    workloads: tuple[Workload, ...]
    prices: Prices = field(default_factory=Prices)
    limits: NamedLimits = field(default_factory=NamedLimits)
    accounting: Accounting = "amortised"
    commitment_starts: tuple[datetime.date, ...] = ()  # the first day of the horizon
    scenarios: tuple[Scenario, ...] = ()  # one in which demand is as written
    demand_forecast: Forecast | None = None  # draws the scenarios
    outages: tuple[NamedOutage, ...] = ()  # nothing is ever lost
    risk_weight: float = 0.0  # the least expected cost

    def __post_init__(self) -> None:
        """Check the name; the parts have checked themselves."""
        fields.text("spec", "name", self.name)
        fields.number("spec", "risk_weight", self.risk_weight, (0, 1))
        if self.scenarios and self.demand_forecast is not None:
            mend = "keep one of the two"
            raise InputError("scenarios are given, and a forecast that draws them", where="demand_forecast", mend=mend)
