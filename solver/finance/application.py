"""What commitments cover in one hour, and in which order: exactly, and for many hours at once.

Commitments apply in the order of their `order`; those of one order apply together: usage of the owner's account before
that of others, then
- whole nodes (unit "node") from the smallest size on;
- spend (unit "usd") where it saves the highest percentage of the on-demand price, then where the rate is lowest;
and what is equal in all that in the order it is given in. A part of a node may be covered, and a part of an hour. What
of a commitment is not used in the hour is lost; what of the usage is not covered is paid on demand. No vendor is known
here: that reservations of a zone come before those of a region, and these before plans of a family and of all compute,
is said by `order`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError
from .rounding import fraction

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

Unit = Literal["node", "usd"]
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Nodes of one shape that ran in the hour in one account and place; a part of an hour is a part of a node."""

    provider: str
    region: str
    node: str
    on_demand_micro_usd: int | Fraction  # a node-hour
    nodes: int | Fraction = 0
    account: str = ""
    family: str = ""
    zone: str = ""
    size: int | Fraction = 1  # relative to other shapes of its family

    def __post_init__(self) -> None:
        """Check the numbers."""
        where = f"usage of {self.provider}/{self.region}/{self.node}"
        for name in ("nodes", "on_demand_micro_usd", "size"):
            if fraction(getattr(self, name), where) < 0 or (name == "size" and not self.size):
                raise InputError(f"{name} is {getattr(self, name)}", where=where, mend="0 or more; a size is positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """So many nodes, or dollars an hour, paid for in every hour of a term.

    It covers usage of its provider that is what it names of region, zone, family and node, "" being any, and of its
    account alone where it is not shared. Unit "node": `quantity` nodes of a `size`; a usage of another size takes more
    or less of them. Unit "usd": `quantity` × `micro_usd_per_hour` of spend at `rates`, micro-dollars a node-hour by
    (region, node); what has no rate is not covered.
    """

    name: str
    provider: str
    unit: Unit
    order: int  # a lower one applies first
    micro_usd_per_hour: int | Fraction  # of one
    quantity: int | Fraction = 1
    account: str = ""
    shared: bool = True
    region: str = ""
    zone: str = ""
    family: str = ""
    node: str = ""
    size: int | Fraction = 1
    rates: Mapping[tuple[str, str], int | Fraction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the numbers."""
        where = f"commitment {self.name!r}"
        if self.unit not in ("node", "usd"):
            raise InputError(f"unit {self.unit!r}", where=where, mend='"node" or "usd"')
        for name in ("micro_usd_per_hour", "quantity", "size"):
            if fraction(getattr(self, name), where) < 0 or (name == "size" and not self.size):
                raise InputError(f"{name} is {getattr(self, name)}", where=where, mend="0 or more; a size is positive")
        for place, rate in self.rates.items():
            if fraction(rate, where) <= 0:
                raise InputError(f"the rate of {'/'.join(place)} is {rate}", where=where, mend="leave it out, or > 0")
        if self.unit == "node" and not (self.node or self.family):
            raise InputError("covers neither a node nor a family", where=where, mend="name one of them")

    @property
    def cost_micro_usd(self) -> Fraction:
        """What an hour costs, used or not."""
        return fraction(self.quantity) * fraction(self.micro_usd_per_hour)

    @property
    def capacity(self) -> Fraction:
        """What an hour can cover: sizes, or micro-dollars."""
        return self.cost_micro_usd if self.unit == "usd" else fraction(self.quantity) * fraction(self.size)

    def takes(self, use: Usage) -> Fraction | None:
        """What one node-hour of a usage takes of the capacity; None where it is not covered."""
        own = {"region": use.region, "zone": use.zone, "family": use.family, "node": use.node}
        fits = self.provider == use.provider and all(getattr(self, k) in ("", v) for k, v in own.items())
        if not fits or not (self.shared or self.account == use.account):
            return None
        if self.unit == "node":
            return fraction(use.size)
        rate = self.rates.get((use.region, use.node))
        return None if rate is None else fraction(rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a commitment covered of a usage. Rows of the commitments and of the usage as given."""

    commitment: int
    usage: int
    nodes: Fraction
    taken: Fraction  # of the capacity: sizes, or micro-dollars
    micro_usd: Fraction  # of the commitment's cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One hour. K commitments, Q usages; all exact."""

    coverage: tuple[Coverage, ...]  # in the order in which it was given
    unused: tuple[Fraction, ...]  # K, of the capacity: sizes, or micro-dollars
    unused_micro_usd: tuple[Fraction, ...]  # K, of the cost
    on_demand_nodes: tuple[Fraction, ...]  # Q
    on_demand_micro_usd: tuple[Fraction, ...]  # Q
    used_micro_usd: Fraction  # of the commitments' cost
    without_micro_usd: Fraction  # all of the usage on demand

    @property
    def lost_micro_usd(self) -> Fraction:
        """Of the commitments' cost, what covered nothing."""
        return sum(self.unused_micro_usd, ZERO)

    @property
    def total_micro_usd(self) -> Fraction:
        """Commitments, used or not, and the rest on demand."""
        return self.used_micro_usd + self.lost_micro_usd + sum(self.on_demand_micro_usd, ZERO)

    @property
    def saved_micro_usd(self) -> Fraction:
        """Less than without commitments; negative where they cost more than they save."""
        return self.without_micro_usd - self.total_micro_usd


def application_order(usage: Sequence[Usage], commitments: Sequence[Commitment]) -> list[tuple[int, int]]:
    """Pairs (row of the commitments, row of the usage) in the order in which they are covered; the rest never are."""
    keyed = []
    for k, c in enumerate(commitments):
        for q, u in enumerate(usage):
            taken = c.takes(u)
            if taken is not None:
                other, price = bool(c.account) and c.account != u.account, fraction(u.on_demand_micro_usd)
                saved = 1 - taken / price if price and c.unit == "usd" else ZERO
                keyed.append(((c.order, other, -saved, taken, k, q), (k, q)))
    return [pair for _, pair in sorted(keyed)]


def apply_commitments(usage: Sequence[Usage], commitments: Sequence[Commitment]) -> Applied:
    """What commitments cover in one hour, what of them is lost, and what is left on demand; exact."""
    rest = [c.capacity for c in commitments]
    left = [fraction(u.nodes) for u in usage]
    made: list[Coverage] = []
    for k, q in application_order(usage, commitments):
        takes = commitments[k].takes(usage[q])
        if not takes or not rest[k] or not left[q]:
            continue
        nodes = min(left[q], rest[k] / takes)
        taken = nodes * takes
        rest[k], left[q] = rest[k] - taken, left[q] - nodes
        cost = commitments[k].cost_micro_usd * taken / commitments[k].capacity
        made.append(Coverage(commitment=k, usage=q, nodes=nodes, taken=taken, micro_usd=cost))
    prices = [fraction(u.on_demand_micro_usd) for u in usage]
    return Applied(
        coverage=tuple(made),
        unused=tuple(rest),
        unused_micro_usd=tuple(
            c.cost_micro_usd * r / c.capacity if c.capacity else ZERO for c, r in zip(commitments, rest, strict=True)
        ),
        on_demand_nodes=tuple(left),
        on_demand_micro_usd=tuple(n * p for n, p in zip(left, prices, strict=True)),
        used_micro_usd=sum((c.micro_usd for c in made), ZERO),
        without_micro_usd=sum((fraction(u.nodes) * p for u, p in zip(usage, prices, strict=True)), ZERO),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMany:
    """Many hours at once, in floats. T hours, K commitments, Q usages."""

    on_demand_nodes: Array  # float [T, Q]
    unused: Array  # float [T, K], of the capacity: sizes, or micro-dollars
    covered: Array  # float [K, Q] node-hours over all hours
    committed_micro_usd: Array  # float [T], used or not
    on_demand_micro_usd: Array  # float [T]

    @property
    def total_micro_usd(self) -> Array:
        """Commitments and the rest on demand, float [T]."""
        return self.committed_micro_usd + self.on_demand_micro_usd


def apply_many(
    nodes: Array, usage: Sequence[Usage], commitments: Sequence[Commitment], quantity: Array | None = None
) -> AppliedMany:
    """`apply_commitments` for every hour of nodes [T, Q]; those of the usage rows themselves do not count.

    `quantity` [K], or [T, K] where it changes over time (0 outside of a term), stands for those of the commitments.

    Raises:
        InputError: arrays of another shape, or values that are negative or not finite.
    """
    import numpy as np

    left = _checked("nodes", nodes, len(usage)).T.copy()
    hours = left.shape[1]
    given = np.array([float(c.quantity) for c in commitments]) if quantity is None else np.asarray(quantity)
    held = np.broadcast_to(_checked("quantity", np.atleast_2d(given), len(commitments)), (hours, len(commitments))).T
    unit = np.array([float(c.micro_usd_per_hour if c.unit == "usd" else c.size) for c in commitments])
    rest = held * unit[:, None]
    covered = np.zeros((len(commitments), len(usage)))
    for k, q in application_order(usage, commitments):
        takes = float(commitments[k].takes(usage[q]) or 0)
        taken = np.minimum(left[q], rest[k] / takes)
        covered[k, q] += taken.sum()
        left[q] -= taken
        rest[k] -= taken * takes
        np.maximum(rest[k], 0.0, out=rest[k])  # what rounding took too much
    price = np.array([float(u.on_demand_micro_usd) for u in usage])
    cost = np.array([float(c.micro_usd_per_hour) for c in commitments])
    return AppliedMany(
        on_demand_nodes=left.T,
        unused=rest.T,
        covered=covered,
        committed_micro_usd=cost @ held,
        on_demand_micro_usd=price @ left,
    )


def _checked(name: str, values: Array, columns: int) -> Array:
    """Floats [rows, columns], finite and not negative."""
    import numpy as np

    made = np.asarray(values, dtype=np.float64)
    if made.ndim != 2 or made.shape[1] != columns:  # noqa: PLR2004
        raise InputError(f"{name} are {made.shape}", where="apply_many", mend=f"[hours, {columns}]")
    if not (made >= 0).all() or np.isinf(made).any():
        raise InputError(f"{name} are negative or not finite", where="apply_many", mend="0 or more")
    return made
