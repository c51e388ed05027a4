"""What all workloads share: the common fields, the nodes open to them, and the physical shapes of those nodes."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import InputError
from ..perf import architecture
from ..perf.constants import precision, stored_as
from . import fields
from .modes import Excuse, ModeTable

if TYPE_CHECKING:
    from costdata import Accelerator, Catalog, Node

    from ..perf.architectures import Architecture
    from ..perf.constants import Precision

Array = np.ndarray[Any, np.dtype[Any]]
HOURS_PER_MONTH = 730.0
HUGE = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload(abc.ABC):
    """Fields every kind of workload has.

    Raises:
        InputError: a field out of its range, naming workload and field.
    """

    name: str
    model: str
    precision: str = "bf16"
    residency: tuple[str, ...] = ()  # jurisdictions or countries; () is anywhere
    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    max_spot_share: float = 0.0
    max_spot_share_per_region: float = 1.0
    max_spot_share_per_zone: float = 1.0
    max_share_per_region: float | None = None  # of its capacity on all markets; None is no limit
    max_share_per_zone: float | None = None
    max_share_per_node: float | None = None
    unserved_usd_per_unit: float | Decimal | None = None  # None: derived from the dearest offer
    team: str = ""

    kind: ClassVar[str]
    unit: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the common fields."""
        where = f"workload {fields.text('workload', 'name', self.name)!r}"
        fields.text(where, "model", self.model, length=fields.PATH_LENGTH)
        fields.text(where, "team", self.team, empty=True)
        for field in ("residency", "regions", "providers", "accelerators"):
            object.__setattr__(self, field, fields.names(where, field, getattr(self, field)))
        for field in ("max_spot_share", "max_spot_share_per_region", "max_spot_share_per_zone"):
            fields.number(where, field, getattr(self, field), (0, 1))
        for field in ("max_share_per_region", "max_share_per_zone", "max_share_per_node"):
            if (share := getattr(self, field)) is not None:
                fields.number(where, field, share, (0, 1), above=True)
                if self.kind == "training" and share < 1:
                    mend = f"leave out {field}: a run is in one place, as a gang"
                    raise InputError(f"{field} is {share:g}", where=where, mend=mend)
        if self.unserved_usd_per_unit is not None:
            price = self.unserved_usd_per_unit
            fields.number(
                where, "unserved_usd_per_unit", float(price) if isinstance(price, Decimal) else price, (0, 1e9)
            )
        try:
            precision(self.precision), architecture(self.model)
        except InputError as error:
            raise InputError(error.message, where=f"{where}: {error.where}", mend=error.mend) from None

    @property
    def where(self) -> str:
        """How error messages name this workload."""
        return f"workload {self.name!r}"

    def check_context(self, field: str, tokens: int) -> None:
        """Refuse a context longer than the model's own."""
        limit = architecture(self.model).max_context
        if tokens > limit:
            raise InputError(f"{field} gives {tokens:,} tokens, {self.model} takes {limit:,}", where=self.where)

    def excuse(self, node: Node, bottleneck: str, detail: str) -> Excuse:
        """An excuse of this workload for a node."""
        return Excuse(workload=self.name, provider=node.provider, node=node.name, bottleneck=bottleneck, detail=detail)

    def open_nodes(self, catalog: Catalog) -> tuple[list[tuple[Node, Accelerator]], list[Excuse]]:
        """Nodes the workload may use, in the catalogue's sorted order, and an excuse for every other."""
        made, excuses = [], []
        for key in sorted(catalog.nodes):
            node = catalog.nodes[key]
            found = catalog.accelerators.get(node.accelerator)
            reason = self._refusal(node, found)
            if reason:
                excuses.append(self.excuse(node, *reason))
            elif found is not None:
                made.append((node, found))
        return made, excuses

    def _refusal(self, node: Node, accelerator: Accelerator | None) -> tuple[str, str] | None:
        if self.providers and node.provider not in self.providers:
            return "filter", f"provider {node.provider} is not among {', '.join(self.providers)}"
        if self.accelerators and node.accelerator not in self.accelerators:
            return "filter", f"accelerator {node.accelerator or 'none'} is not among {', '.join(self.accelerators)}"
        if node.accelerators < 1:
            return "no accelerator", "a CPU shape"
        if accelerator is None or not accelerator.planned:
            return "no performance model", f"{node.accelerator} is listed and priced, but not modelled yet"
        return self._precision_refusal(accelerator)

    def _precision_refusal(self, a: Accelerator) -> tuple[str, str] | None:
        """FP8 needs FP8 units; FP4 needs FP4 or FP8 units (weights are then widened); int4 and BF16 run anywhere."""
        lacks_fp8 = a.fp8_tflop_per_s <= 0
        if self.precision == "fp8" and lacks_fp8:
            return "precision", f"{a.name} has no FP8 units: bf16 or int4 would run"
        if self.precision == "fp4" and lacks_fp8 and a.fp4_tflop_per_s <= 0:
            return "precision", f"{a.name} has neither FP4 nor FP8 units: bf16 or int4 would run"
        return None

    def spot_factor(self, interruptions_per_month: Array, nodes_per_replica: Array) -> Array:
        """Share of throughput kept on spot nodes, in [0, 1]: an interruption of any node idles the whole replica."""
        lost = interruptions_per_month * nodes_per_replica * self.hours_lost_per_interruption / HOURS_PER_MONTH
        return np.clip(1.0 - lost, 0.0, 1.0)

    @property
    @abc.abstractmethod
    def hours_lost_per_interruption(self) -> float:
        """Hours of a replica's work one interruption costs."""

    @abc.abstractmethod
    def modes(self, catalog: Catalog) -> tuple[ModeTable, tuple[Excuse, ...]]:
        """What a replica can do on each node shape, and an excuse for each shape that has no mode."""

    @property
    def architecture(self) -> Architecture:
        """The model's architecture."""
        return architecture(self.model)

    @property
    def stored(self) -> Precision:
        """The precision the model is stored and run in."""
        return precision(stored_as(self.architecture, self.precision))


@dataclass(frozen=True, slots=True)
class Shapes:
    """Distinct physical shapes among nodes: nodes of several providers that are the same machine share one row."""

    pairs: tuple[tuple[Node, Accelerator], ...]  # one example a shape
    shape_of: Array  # int64 [nodes] row of the shape of each node


def distinct(nodes: list[tuple[Node, Accelerator]]) -> Shapes:
    """Group nodes by what decides their performance."""
    first: dict[tuple[Any, ...], int] = {}
    pairs: list[tuple[Node, Accelerator]] = []
    rows: list[int] = []
    for node, accelerator in nodes:
        key = (node.accelerator, node.accelerators, node.nic_gbit_per_s, node.scaleup_gb_per_s, node.scaleup_domain)
        if key not in first:
            first[key] = len(pairs)
            pairs.append((node, accelerator))
        rows.append(first[key])
    return Shapes(tuple(pairs), np.array(rows, dtype=np.int64))
