"""What commitment planning knows: pools in use, hours in several futures, and what can be committed to.

Index letters: Q pools, T hours, S futures, K commitments (a way to commit, from a day on), G groups of commitments
that apply alike, M cells (hours of a future and stretch of time that are alike).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import InputError
from ..table import Table

Array = np.ndarray[Any, np.dtype[Any]]
HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Where nodes run: a shape in a region, paid by an account, and what it costs on demand."""

    account: Array  # str [Q], "" where accounts are not told apart
    provider: Array  # str [Q]
    region: Array  # str [Q]
    node: Array  # str [Q]
    on_demand_micro_usd: Array  # int64 [Q] an hour, after discounts

    @property
    def names(self) -> list[str]:
        """Such as "aws/us-east-1/p5.48xlarge", with the account in front where there is one."""
        columns = (self.account, self.provider, self.region, self.node)
        return [(f"{a}: " if a else "") + f"{p}/{r}/{n}" for a, p, r, n in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Nodes that run, hour by hour (UTC) from a day on, in each future."""

    start: datetime.date
    nodes: Array  # int64 [S, T, Q]
    probability: tuple[Fraction, ...]  # S, adds up to 1

    def __post_init__(self) -> None:
        """Shapes and ranges."""
        if self.nodes.ndim != 3 or len(self.nodes) != len(self.probability):  # noqa: PLR2004
            raise InputError("usage must be [futures, hours, pools], with a probability for each future", where="usage")
        if sum(self.probability, Fraction(0)) != 1:
            raise InputError("probabilities of the futures must add up to 1", where="usage")
        if not np.issubdtype(self.nodes.dtype, np.integer) or (self.nodes < 0).any():
            raise InputError("nodes are whole numbers from 0 on", where="usage")

    @property
    def hours(self) -> int:
        """Hours T."""
        return int(self.nodes.shape[1])

    def hour_of(self, day: datetime.date) -> int:
        """The hour at which a day begins; beyond 0 … T where the day is."""
        return (day - self.start).days * HOURS_A_DAY

    def day_of(self, hour: int) -> datetime.date:
        """The day of an hour."""
        return self.start + datetime.timedelta(hours=int(hour))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What can be committed to, or is already: one row a mechanism, place, payment and start; [K] each.

    A unit of k provides `capacity[k]` in every hour of its term; a node-hour of pool q takes `takes[k, q]` of it (0: it
    does not cover q). Nodes are counted in sizes of their family, spend commitments in micro-dollars an hour at the
    committed rates.
    """

    option: Array  # str, "commit_1y"
    title: Array  # str, the vendor's name for it
    where: Array  # str, what it is bought for: "aws/us-east-1/p5.48xlarge", "aws/us-east-1 p5", "aws"
    account: Array  # str, whose usage it covers: "" every account's, own first where one is named in `buyer`
    buyer: Array  # str, the account that buys it: its usage is covered before that of others
    unit: Array  # str, "node" or "usd"
    order: Array  # int64, what applies first in an hour
    capacity: Array  # int64, of one unit of quantity
    takes: Array  # int64 [K, Q]
    micro_usd_per_hour: Array  # int64, of one unit of quantity
    upfront_micro_usd: Array  # int64, of one unit of quantity
    first_hour: Array  # int64, hours from the start of the usage; below 0: began before
    last_hour: Array  # int64, the hour after the last; may be beyond the usage
    owned: Array  # int64 quantity held already: exactly this much, not a choice; 0 otherwise
    most: Array  # int64 quantity that can be bought at most; -1: no limit
    source: Array  # str

    def __len__(self) -> int:
        """Number of rows K."""
        return len(self.option)

    def take(self, rows: Array) -> Choices:
        """Some of them."""
        return Choices(**{name: getattr(self, name)[rows] for name in self.__slots__})

    @classmethod
    def of(cls, rows: list[dict[str, Any]], pools: int) -> Choices:
        """From rows by field name."""
        text = ("option", "title", "where", "account", "buyer", "unit", "source")
        made: dict[str, Any] = {}
        for name in cls.__slots__:
            values = [row[name] for row in rows]
            if name == "takes":
                made[name] = np.array(values, dtype=np.int64).reshape(len(rows), pools)
            else:
                made[name] = np.array(values, dtype=object if name in text else np.int64)
        return cls(**made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is minimised, and within which limits."""

    risk_weight: Fraction = Fraction(0)  # of the worst futures' mean cost; the rest is expected cost
    cvar_level: Fraction = Fraction(9, 10)  # the worst futures are those with the probability 1 − level together
    upfront_max_micro_usd: int | None = None  # paid at once for all that is bought
    hourly_max_micro_usd: int | None = None  # of all that is bought, in any hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """One commitment problem, complete."""

    pools: Pools
    usage: Usage
    choices: Choices
    aim: Aim = field(default_factory=Aim)

    def __post_init__(self) -> None:
        """Shapes and ranges."""
        c, q = self.choices, len(self.pools.node)
        if self.usage.nodes.shape[2] != q or c.takes.shape != (len(c), q):
            raise InputError("usage and commitments must name the same pools", where="commitments")
        for name in ("capacity", "takes", "micro_usd_per_hour", "upfront_micro_usd", "owned", "order"):
            if (getattr(c, name) < 0).any():
                raise InputError(f"{name} must not be negative", where="commitments")
        if (c.last_hour <= c.first_hour).any() or (c.capacity <= 0).any():
            raise InputError("a commitment has a term and a capacity", where="commitments")

    @property
    def paid_hours(self) -> Array:
        """Hours of the usage in which each commitment is in force, int64 [K]."""
        c, end = self.choices, self.usage.hours
        return np.asarray(np.maximum(np.minimum(c.last_hour, end) - np.maximum(c.first_hour, 0), 0))

    @property
    def fixed_micro_usd(self) -> list[Fraction]:
        """What a unit of each costs over the hours of the usage: upfront payments by the hours of their term [K]."""
        c, made = self.choices, []
        for rate, upfront, first, last, paid in zip(
            *(a.tolist() for a in (c.micro_usd_per_hour, c.upfront_micro_usd, c.first_hour, c.last_hour)),
            self.paid_hours.tolist(), strict=True,
        ):  # fmt: skip
            made.append(Fraction(rate * paid) + Fraction(upfront * paid, last - first))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """What to commit to, what it costs in each future, and what is proved of that.

    Tables: `purchases` (what to buy, when; see worth.py), `inventory` (what is held already, and what becomes of it),
    `months` (cash and amortised cost of each calendar month, expected).
    """

    quantity: Array  # int64 [K]
    cost_micro_usd: tuple[Fraction, ...]  # of each future [S], all of it: commitments and what is left on demand
    on_demand_micro_usd: tuple[Fraction, ...]  # of each future [S] with nothing committed but what is owned
    lower_micro_usd: int  # no choice of quantities has a lower objective
    upper_micro_usd: int  # the objective of these
    purchases: Table = field(default_factory=lambda: Table({}))
    inventory: Table = field(default_factory=lambda: Table({}))
    months: Table = field(default_factory=lambda: Table({}))
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """(upper − lower) / upper."""
        return max(0, self.upper_micro_usd - self.lower_micro_usd) / max(1, self.upper_micro_usd)
