"""The file of a backtest: jobs by the grid, services, and what a gang or a replica costs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..workloads import fields
from .jobs import Prices
from .serving import MOST_MINUTES
from .serving_table import MOST_REPLICAS

if TYPE_CHECKING:
    from ..spec.reader import Document
    from ..spot import Market

Array = np.ndarray[Any, np.dtype[Any]]
SEE = "see docs/spot.md"
PACKAGED = "grids"
MOST_JOBS = 200_000
DEAREST_USD, MOST_VALUES, MOST_STARTS, MOST_ZONES = 100_000.0, 100, 10_000, 1000
MOST_HOURS, MOST_RATIO, MOST_RESTART_HOURS = 8784.0, 1000.0, 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePrice:
    """Spot's price in the zones that a pattern matches."""

    zone: str
    spot_usd_per_hour: float

    def __post_init__(self) -> None:
        """Check both."""
        fields.text("zone price", "zone", self.zone)
        fields.number("zone price", "spot_usd_per_hour", self.spot_usd_per_hour, (0, DEAREST_USD), above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class GangPrices:
    """Dollars an hour of one gang (of a job) or replica (of a service)."""

    on_demand_usd_per_hour: float
    spot_usd_per_hour: float
    by_zone: tuple[ZonePrice, ...] = ()  # the first that matches a zone takes the place of spot_usd_per_hour

    def __post_init__(self) -> None:
        """Check both."""
        for name in ("on_demand_usd_per_hour", "spot_usd_per_hour"):
            fields.number("prices", name, getattr(self, name), (0, DEAREST_USD), above=True)

    def of(self, market: Market) -> Prices:
        """In the zones of a market."""
        spot = [
            next((p.spot_usd_per_hour for p in self.by_zone if fnmatchcase(zone, p.zone)), self.spot_usd_per_hour)
            for zone in market.zones
        ]
        return Prices(on_demand_usd_per_hour=self.on_demand_usd_per_hour, spot_usd_per_hour=np.array(spot))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobGrid:
    """Jobs of every combination, each begun at so many times of a trace."""

    work_hours: tuple[float, ...] = (24.0, 48.0, 72.0)
    deadline_ratio: tuple[float, ...] = (1.1, 1.25, 1.5, 2.0)
    restart_hours: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5)
    zones: tuple[int, ...] = (1, 3)
    starts: int = 1
    instances: int = 0  # in a gang; 0 is as many as the trace ever had
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every axis."""
        spans = {
            "work_hours": (0, MOST_HOURS), "deadline_ratio": (1, MOST_RATIO), "restart_hours": (0, MOST_RESTART_HOURS),
        }  # fmt: skip
        for name, span in spans.items():
            _axis(name, getattr(self, name))
            for value in getattr(self, name):
                fields.number("jobs", name, value, span, above=name == "work_hours")
        _axis("zones", self.zones)
        for value in self.zones:
            fields.whole("jobs", "zones", value, (1, MOST_ZONES))
        fields.whole("jobs", "starts", self.starts, (1, MOST_STARTS))
        fields.whole("jobs", "instances", self.instances, (0, 10**6))
        fields.whole("jobs", "seed", self.seed, (0, 2**31 - 1))
        count = len(self.work_hours) * len(self.deadline_ratio) * len(self.restart_hours) * self.starts
        if count > MOST_JOBS:
            said = f"{count:,} jobs in each market are more than {MOST_JOBS:,}"
            raise InputError(said, where="jobs", mend="give fewer values, or fewer starts")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceGrid:
    """A service of so many replicas, in every market in groups of so many zones."""

    name: str
    replicas: tuple[int, ...]  # by the hour, over again when they are through; one number is always as many
    zones: tuple[int, ...] = (1, 3)
    cold_start_minutes: float = 3.0
    notice_minutes: float = 2.0
    unserved_limit: float = 0.001  # share of demand

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"service {fields.text('service', 'name', self.name)!r}"
        _axis("zones", self.zones)
        if not self.replicas or not any(self.replicas) or len(self.replicas) > MOST_HOURS:
            mend = "one number, or one for each hour of a day or a week"
            raise InputError("replicas are none", where=where, mend=mend)
        for value in self.replicas:
            fields.whole(where, "replicas", value, (0, MOST_REPLICAS))
        fields.number(where, "unserved_limit", self.unserved_limit, (0, 1), above=True)
        for name in ("cold_start_minutes", "notice_minutes"):
            fields.number(where, name, getattr(self, name), (0, MOST_MINUTES))
        for value in self.zones:
            fields.whole("service", "zones", value, (1, MOST_ZONES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What is replayed."""

    name: str
    prices: GangPrices
    jobs: JobGrid | None = None
    services: tuple[ServiceGrid, ...] = ()

    def __post_init__(self) -> None:
        """Something must be replayed."""
        fields.text("backtest", "name", self.name)
        if self.jobs is None and not self.services:
            raise InputError("neither jobs nor a service", where="backtest", mend=SEE)


def _axis(name: str, values: tuple[float, ...]) -> None:
    if not 0 < len(values) <= MOST_VALUES or len(set(values)) < len(values):
        raise InputError(f"{name} needs 1 to {MOST_VALUES} values, none twice", where="jobs", mend=SEE)


def read_backtest(source: str | os.PathLike[str] | Mapping[str, Any]) -> Backtest:
    """A backtest from a YAML, TOML or JSON file, a mapping with the same fields, or "@name", a packaged one.

    Raises:
        InputError: naming file, line, field and the mend.
    """
    from ..spec.reader import Document, read
    from ..spec.typed import typed

    document: Document
    if isinstance(source, Mapping):
        document = Document(dict(source), "backtest")
    elif str(source).startswith("@"):
        document = _packaged(str(source)[1:])
    else:
        document = read(Path(source))
    made: Backtest = typed(document, Backtest, see=SEE)
    return made


def is_fleet(source: str) -> bool:
    """Whether a file is the spec of a fleet, or @name a packaged one."""
    from ..examples import example_names
    from ..spec.reader import read

    if source.startswith("@"):
        return source[1:] in example_names()
    data = read(Path(source)).data
    return isinstance(data, dict) and "workloads" in data


def grid_names() -> tuple[str, ...]:
    """Names of the packaged backtests."""
    folder = resources.files(__package__ or "") / PACKAGED
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def _packaged(name: str) -> Document:
    from ..spec.reader import parse

    if name not in grid_names():
        mend = f"one of {', '.join('@' + n for n in grid_names())}, or a file"
        raise InputError(f"no packaged backtest {name!r:.80}", where="backtest", mend=mend)
    content = (resources.files(__package__ or "") / PACKAGED / f"{name}.yaml").read_bytes()
    return parse(content, name=f"@{name}", suffix=".yaml")
