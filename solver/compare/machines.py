"""Priced machines: every node of the catalogue at its cheapest, or those of a cluster at the cluster's own price."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..enumerate.names import known, nearest
from ..errors import InputError
from ..money import round_half_even, to_micro
from ..perf.labels import accelerator as accelerator_of
from ..workloads.machines import usual_node

if TYPE_CHECKING:
    from costdata import Accelerator, Catalog, Node

    from .cluster import Cluster, ClusterAccelerators, ClusterNode

HOURS_PER_MONTH = 730  # as commitments are sold: a year is 8,760 hours
OWN = "own price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A node that may be had, and what an hour of it costs."""

    node: Node
    accelerator: Accelerator
    region: str  # "" where it has none
    option: str
    micro_usd_per_hour: int  # of a node; an upfront payment is spread over its term
    price_source: str
    count: int | None = None  # nodes there are; None: as many as wanted

    @property
    def name(self) -> str:
        """In words."""
        at = f" {self.region}" if self.region else ""
        return f"{self.node.provider} {self.node.name}{at}".strip()


def of_catalogue(catalog: Catalog, option: str) -> list[Machine]:
    """Each node with accelerators at the region where this option is cheapest."""
    cheapest = _cheapest(catalog, option)
    made = []
    for pair in sorted(catalog.nodes):
        node = catalog.nodes[pair]
        kind = catalog.accelerators.get(node.accelerator)
        if node.accelerators and kind is not None and kind.planned and pair in cheapest:
            micro, region = cheapest[pair]
            made.append(_machine(catalog, node, kind, (micro, region, option)))
    return made


def of_cluster(cluster: Cluster, catalog: Catalog) -> list[Machine]:
    """The machines of a cluster.

    Raises:
        InputError: a node, region, option or accelerator that is unknown or not on sale, naming the nearest.
    """
    nodes = [_of_node(entry, f"nodes[{i}]", catalog) for i, entry in enumerate(cluster.nodes)]
    own = [_of_accelerators(entry, f"accelerators[{i}]", catalog) for i, entry in enumerate(cluster.accelerators)]
    return nodes + own


def hourly_micro_usd(micro_usd_per_hour: int, upfront_micro_usd: int, term_months: int) -> int:
    """What an hour of a node costs, an upfront payment spread over the hours of its term."""
    spread = Fraction(upfront_micro_usd, term_months * HOURS_PER_MONTH) if term_months else Fraction(0)
    return round_half_even(micro_usd_per_hour + spread)


def _cheapest(catalog: Catalog, option: str) -> dict[tuple[str, str], tuple[int, str]]:
    """Of each node with this option: (micro-dollars an hour, region), the first region by name among equals."""
    o = catalog.offers
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for i in np.flatnonzero(o.option == option).tolist():
        pair = (o.provider[i], o.node[i])
        price = hourly_micro_usd(int(o.micro_usd_per_hour[i]), int(o.upfront_micro_usd[i]), int(o.term_months[i]))
        offer = (price, str(o.region[i]))
        found[pair] = min(found.get(pair, offer), offer)
    return found


def _machine(
    catalog: Catalog, node: Node, kind: Accelerator, offer: tuple[int, str, str], count: int | None = None
) -> Machine:
    micro, region, option = offer
    return Machine(
        node=node,
        accelerator=kind,
        region=region,
        option=option,
        micro_usd_per_hour=micro,
        price_source=f"list price as of {catalog.as_of}" + (", overrides applied" if catalog.overrides else ""),
        count=count,
    )


def _of_node(entry: ClusterNode, where: str, catalog: Catalog) -> Machine:
    names: dict[str, list[str]] = {}
    for p, n in catalog.nodes:
        names.setdefault(p, []).append(n)
    known("provider", entry.provider, names, f"{where}.provider")
    known("node", entry.node, names[entry.provider], f"{where}.node")
    node = catalog.nodes[entry.provider, entry.node]
    kind = catalog.accelerators.get(node.accelerator)
    if kind is None:
        raise InputError(f"{entry.node} has no accelerator", where=f"{where}.node", mend="name a GPU node")
    if entry.usd_per_hour is not None:
        return Machine(
            node=node,
            accelerator=kind,
            region=entry.region,
            option=OWN,
            micro_usd_per_hour=to_micro(str(entry.usd_per_hour)),
            price_source="the cluster's usd_per_hour",
            count=entry.count,
        )
    micro, region = _offer(entry, where, catalog)
    return _machine(catalog, node, kind, (micro, region, entry.option), entry.count)


def _offer(entry: ClusterNode, where: str, catalog: Catalog) -> tuple[int, str]:
    o = catalog.offers
    mine = (o.provider == entry.provider) & (o.node == entry.node)
    known("option", entry.option, set(o.option[mine].tolist()), f"{where}.option")
    mine &= o.option == entry.option
    if entry.region:
        known("region", entry.region, set(o.region[mine].tolist()), f"{where}.region")
        mine &= o.region == entry.region
    rows: Any = np.flatnonzero(mine).tolist()
    return min(
        (
            hourly_micro_usd(int(o.micro_usd_per_hour[i]), int(o.upfront_micro_usd[i]), int(o.term_months[i])),
            str(o.region[i]),
        )
        for i in rows
    )


def _of_accelerators(entry: ClusterAccelerators, where: str, catalog: Catalog) -> Machine:
    """Nodes of the usual make at your own price, or at that of the cheapest accelerator-hour of the catalogue."""
    try:
        kind = accelerator_of(entry.accelerator)
    except InputError as error:
        raise InputError(error.message, where=f"{where}.accelerator", mend=error.mend) from None
    made = usual_node(kind, entry.per_node)
    if entry.usd_per_hour is not None:
        micro, source, option, region = (
            to_micro(str(entry.usd_per_hour)) * entry.per_node,
            "the cluster's usd_per_hour",
            OWN,
            "",
        )
    else:
        cheapest = _cheapest(catalog, "on_demand")
        offers = [
            (Fraction(micro, node.accelerators), f"{pair[0]}/{pair[1]} in {region}")
            for pair, (micro, region) in cheapest.items()
            if (node := catalog.nodes[pair]).accelerator == kind.name
        ]
        if not offers:
            on_sale = {n.accelerator for n in catalog.nodes.values() if n.accelerators}
            mend = f"give usd_per_hour; on sale, {nearest(kind.name, on_sale)}"
            raise InputError(f"{kind.name} is not on sale", where=f"{where}.usd_per_hour", mend=mend)
        each, name = min(offers)
        micro, option, region = round_half_even(each * entry.per_node), "on_demand", ""
        source = f"{name}, list price as of {catalog.as_of}"
    return Machine(
        node=made,
        accelerator=kind,
        region=region,
        option=option,
        micro_usd_per_hour=micro,
        price_source=source,
        count=entry.count // entry.per_node,
    )
