"""A cluster to compare on: nodes of the catalogue, or accelerators of your own, and what they cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..workloads import fields

MOST_NODES = 1_000_000
DEAREST_USD = 1e6  # an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """Nodes of the catalogue: `usd_per_hour` of a node is your own price instead of the catalogue's."""

    provider: str
    node: str
    count: int = 1
    region: str = ""  # the cheapest
    option: str = "on_demand"
    usd_per_hour: float | Decimal | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        fields.text("nodes", "provider", self.provider)
        fields.text("nodes", "node", self.node)
        where = f"{self.provider}/{self.node}"
        fields.whole(where, "count", self.count, (1, MOST_NODES))
        fields.text(where, "region", self.region, empty=True)
        fields.text(where, "option", self.option)
        _price(where, self.usd_per_hour)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAccelerators:
    """Accelerators by name, `per_node` in a node of the usual make; `usd_per_hour` is of one accelerator."""

    accelerator: str
    count: int
    per_node: int = 8
    usd_per_hour: float | Decimal | None = None  # that of the cheapest node with them

    def __post_init__(self) -> None:
        """Check every field."""
        where = fields.text("accelerators", "accelerator", self.accelerator)
        fields.whole(where, "count", self.count, (1, MOST_NODES))
        fields.whole(where, "per_node", self.per_node, (1, 72))
        _price(where, self.usd_per_hour)
        if self.count % self.per_node:
            mend = f"a multiple of per_node, {self.per_node}, or another per_node"
            raise InputError(f"count {self.count} does not fill whole nodes", where=where, mend=mend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """All of it."""

    name: str = "cluster"
    nodes: tuple[ClusterNode, ...] = ()
    accelerators: tuple[ClusterAccelerators, ...] = ()

    def __post_init__(self) -> None:
        """There must be something."""
        fields.text("cluster", "name", self.name)
        if not self.nodes and not self.accelerators:
            mend = "add nodes: [{provider: aws, node: p5.48xlarge, count: 2}]"
            raise InputError("holds neither nodes nor accelerators", where="cluster", mend=mend)


def _price(where: str, usd: float | Decimal | None) -> None:
    if usd is not None:
        fields.number(where, "usd_per_hour", float(usd), (0, DEAREST_USD))


def read_cluster(source: str | os.PathLike[str] | Mapping[str, Any]) -> Cluster:
    """The cluster of a YAML, TOML or JSON file, or of a mapping with the same fields.

    Raises:
        InputError: naming file, line, field and the mend, as of a spec.
    """
    from pydantic import ValidationError

    from ..spec.faults import Fault, error_of, of_schema
    from ..spec.reader import Document, read
    from ..spec.schema import build, model_of

    document = Document(dict(source), "cluster") if isinstance(source, Mapping) else read(Path(source))
    if not isinstance(document.data, dict):
        raise InputError("holds no fields", where=document.name, mend="see docs/comparing-models.md")
    try:
        model = model_of(Cluster).model_validate(document.data)
    except ValidationError as error:
        raise error_of(of_schema(error.errors(include_url=False), document.data, Cluster), document) from None
    refused: list[Any] = []
    cluster: Cluster = build(model, Cluster, (), refused)
    if refused:
        faults = [Fault(place, f"{error.where}: {error.message}", error.mend) for place, error in refused]
        raise error_of(faults, document)
    return cluster
