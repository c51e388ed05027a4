"""The spec as dataclasses: what a file may say. Its schema is derived from them, so a field is written down once."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from ..calendar import Horizon, Scenario
from ..enumerate import DEFAULT_OPTIONS, NamedLimits, NamedOutage
from ..problem import Accounting
from ..workloads import Workload, fields

MAX_AGE_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Which prices are used."""

    as_of: datetime.date | None = None  # the latest known
    max_age_days: int | None = None  # older prices are an error
    overrides: str = ""  # folder of your own discounts, offers, quotas and commitments
    providers: tuple[str, ...] = ()  # () is all
    regions: tuple[str, ...] = ()
    options: tuple[str, ...] = DEFAULT_OPTIONS

    def __post_init__(self) -> None:
        """Check every field."""
        fields.day("prices", "as_of", self.as_of)
        if self.max_age_days is not None:
            fields.whole("prices", "max_age_days", self.max_age_days, (0, MAX_AGE_DAYS))
        fields.text("prices", "overrides", self.overrides, empty=True, length=fields.PATH_LENGTH)
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
    outages: tuple[NamedOutage, ...] = ()  # nothing is ever lost

    def __post_init__(self) -> None:
        """Check the name; the parts have checked themselves."""
        fields.text("spec", "name", self.name)
