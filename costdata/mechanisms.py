"""What each commitment is: what it counts in, what it covers, how far it reaches, what applies first in an hour."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from . import cells, packaged
from .cells import Column
from .errors import DataError, nearest, shown
from .schema import EVERY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from .schema import Node

Pool = tuple[str, str, str]  # provider, region, node
NODE, USD = "node", "usd"
UNITS = (NODE, USD)
COVERS = ("node", "family", "provider")
REACHES = ("zone", "region", "global")
NAMES = (
    *("provider", "option", "title", "unit", "covers", "reach", "order", "convertible", "step", "upfront_share"),
    *("valid_from", "source", "note"),
)
FAMILY_NAMES = ("provider", "family", "flexible", "source", "note")
# What of a shape's name is its family. AWS: what stands before the point, or before an UltraServer's number of
# accelerators; Google: series and type; Azure: the name without the number of vCPUs. Elsewhere a shape is its own.
FAMILY = MappingProxyType(
    {
        "aws": re.compile(r"(?P<a>[^.]+?)(\..*|x[0-9]+)?"),
        "gcp": re.compile(r"(?P<a>.+)-[^-]+"),
        "azure": re.compile(r"(?P<a>Standard_[A-Z]+)[0-9]+(?P<b>.*)"),
    }
)
# AWS's normalization factors of sizes, as its User Guide lists them; N xlarge are N times one xlarge.
FACTORS = MappingProxyType({"small": 1, "medium": 2, "large": 4, "xlarge": 8})
XLARGES = re.compile(r"([1-9][0-9]*)xlarge")
FACTOR_OF_A_VCPU = 2  # of bare metal: that of the virtual size with as many vCPUs, and an xlarge has four


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One way to commit at one provider, as the vendor's documentation describes it.

    `unit` is `node` (whole nodes) or `usd` (dollars an hour at the committed rates), `extent` is `node` (one shape),
    `family` (every size of its family) or `provider` (every shape that has a rate), and `reach` is `zone`, `region` or
    `global`. A smaller `order` applies first in an hour. `step` is the smallest increment, in nodes or in dollars an
    hour; `upfront_share` of the term's price is paid at once.
    """

    provider: str
    option: str
    title: str
    unit: str
    extent: str
    reach: str
    order: int
    convertible: bool
    step: Decimal
    upfront_share: Decimal
    valid_from: str
    source: str
    note: str

    @property
    def smallest(self) -> int:
        """The smallest increment: nodes, or micro-dollars an hour."""
        return int(self.step if self.unit == NODE else self.step * cells.MICRO)

    def key(self, pool: Pool) -> Pool:
        """What of a pool (provider, region, node) the commitment is bound to; `*` where it is not.

        A commitment bought for one pool covers another exactly if their keys are the same. Reservations are bound to
        the family only where sizes are flexible, spend commitments of a family always. A zonal one is held against
        its region: pools do not tell zones apart.
        """
        provider, region, node = pool
        if self.extent == "provider":
            node = EVERY
        elif self.extent == "family":
            group = family(provider, node)
            node = group if self.unit == USD or flexible(provider, group) else node
        return provider, EVERY if self.reach == "global" else region, node

    def covers(self, bought: Pool, used: Pool) -> bool:
        """Whether a commitment bought for one pool applies to nodes in another; its rate there is an offer, if any."""
        return used[0] == self.provider and self.key(bought) == self.key(used)


def mechanism(provider: str, option: str) -> Mechanism:
    """What a commitment is at a provider; a provider without a row of its own takes the row of `*`.

    Raises:
        DataError: the option is no commitment, or the provider does not sell it.
    """
    known = mechanisms()
    found = known.get((provider, option)) or known.get((EVERY, option))
    if found is None:
        mend = nearest(option, sold(provider))
        raise DataError(f"{shown(provider)} sells no {shown(option)}", where="commitments", mend=mend)
    return found if found.provider == provider else replace(found, provider=provider)


def sold(provider: str) -> tuple[str, ...]:
    """The commitments that a provider may sell, in the order of mechanisms.csv."""
    return tuple(dict.fromkeys(option for who, option in mechanisms() if who in {provider, EVERY}))


def family(provider: str, node: str) -> str:
    """The family of a shape, from its name: aws p5.48xlarge is p5, gcp a2-highgpu-8g is a2-highgpu.

    An AWS family is its own, and so is every shape of a provider whose commitments cover one shape each.
    """
    rule = FAMILY.get(provider)
    found = rule.fullmatch(node) if rule else None
    return "".join(part or "" for part in found.groupdict().values()) if found else node


def size(provider: str, node: str, nodes: Mapping[tuple[str, str], Node] | None = None) -> int:
    """The size of a shape relative to others of its family.

    AWS: its normalization factor (xlarge is 8). Elsewhere its accelerators, or its vCPUs where it has none.

    Args:
        provider: the provider.
        node: the shape.
        nodes: shapes by provider and name, such as a catalogue's; None for the packaged ones.
    """
    suffix = node.partition(".")[2] if provider == "aws" else ""
    if suffix in FACTORS:
        return FACTORS[suffix]
    if found := XLARGES.fullmatch(suffix):
        return int(found[1]) * FACTORS["xlarge"]
    known = _nodes(provider) if nodes is None else nodes
    if (provider, node) not in known:
        mend = nearest(node, [name for who, name in known if who == provider])
        raise DataError(f"unknown shape {shown(node)}", where=f"shapes of {shown(provider)}", mend=mend)
    shape = known[provider, node]
    return shape.vcpus * FACTOR_OF_A_VCPU if suffix else shape.accelerators or shape.vcpus


def flexible(provider: str, group: str) -> bool:
    """Whether a reservation of one size of a family covers the others; no where nobody says so."""
    return families().get((provider, group), False)


@cache
def mechanisms() -> dict[tuple[str, str], Mechanism]:
    """Every row of mechanisms.csv, by provider and option."""
    commitments = [name for name, option in packaged.options().items() if option.kind == "commitment"]
    who, columns = cells.choice((EVERY, *packaged.providers())), dict.fromkeys(NAMES, Column(cells.text))
    columns |= {
        "provider": Column(who),
        "option": Column(cells.choice(commitments)),
        "unit": Column(cells.choice(UNITS)),
        "covers": Column(cells.choice(COVERS)),
        "reach": Column(cells.choice(REACHES)),
        "order": Column(cells.whole(0, 1000)),
        "convertible": Column(cells.yes),
        "step": Column(cells.number(0.000001, 1000)),
        "upfront_share": Column(cells.number(0, 1)),
        "valid_from": Column(cells.day),
        "source": Column(cells.choice(packaged.sources())),
    }
    rows = cells.rows(packaged.FOLDER / "mechanisms.csv", columns)
    cells.unique(rows, ("provider", "option"))
    for row in rows:
        _sense(row)
    return {(row["provider"], row["option"]): _mechanism(row) for row in rows}


def _mechanism(row: cells.Row) -> Mechanism:
    fields = {name: row[name] for name in NAMES if name != "covers"}
    origin = packaged.sources()[row["source"]]
    fields |= {"extent": row["covers"], "valid_from": row["valid_from"].isoformat()}
    return Mechanism(**{**fields, "source": f"{origin.title}, {origin.date}"})


def _sense(row: cells.Row) -> None:
    """Whole nodes or part of a dollar, and a share upfront that fits what the option says of payment."""
    at, step, share = row["where"], row["step"], row["upfront_share"]
    if row["unit"] == NODE and step != 1:
        raise DataError(f"a step of {step} nodes", where=f"{at}, column step", mend="nodes are bought one by one: 1")
    if row["unit"] == NODE and row["covers"] == "provider":
        raise DataError("nodes of every shape", where=f"{at}, column covers", mend="name node or family")
    payment = packaged.options()[row["option"]].payment
    fits = {"all_upfront": share == 1, "partial_upfront": 0 < share < 1}.get(payment, share == 0)
    if not fits:
        mend = "0 without payment upfront, 1 where all is, between them where a part is"
        raise DataError(f"{share} for {payment}", where=f"{at}, column upfront_share", mend=mend)


@cache
def families() -> dict[tuple[str, str], bool]:
    """Families of which the vendor says whether sizes are flexible, by provider and family."""
    columns = {
        "provider": Column(cells.choice(packaged.providers())),
        "family": Column(cells.text),
        "flexible": Column(cells.yes),
        "source": Column(cells.choice(packaged.sources())),
        "note": Column(cells.text),
    }
    rows = cells.rows(packaged.FOLDER / "families.csv", columns)
    cells.unique(rows, ("provider", "family"))
    return {(row["provider"], row["family"]): row["flexible"] for row in rows}


@cache
def _nodes(provider: str) -> dict[tuple[str, str], Node]:
    return packaged.nodes(provider) if provider in packaged.providers() else {}
